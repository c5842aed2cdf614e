//! Reads the formats that are no shell's: lines of `KEY=VALUE`, fish's universal variables, and what is only reported.
//!
//! Four of them are taken apart by their own programs' rules: `.env` files as a shell that sources them reads them,
//! environment.d as systemd's parser does (environment.d(5)), pam_env's two syntaxes (pam_env.conf(5), pam_env(8)), and
//! fish_variables, which fish writes itself. A key in a line that does not follow the rules is reported, never cut out.
//! In structured files, histories and other text keys are only looked for. Called where the shells' readers are.

mod cursor;
mod dot_env;
mod fish_variables;
mod session;
mod structured;

use super::detect::{self, Judgement, Known};
use super::dialect::Dialect;
use super::model::{Fixed, Form, Node, Reason, Script, Span, Value, Word, add, text_start};
use cursor::Cursor;
use std::collections::{BTreeSet, HashSet};
use zeroize::Zeroizing;

pub(super) use structured::{LONGEST_ENTRY, spelt_entry};

/// Takes a file of one of these formats apart; any other dialect is read as plain text. What is known to be a key is
/// one anywhere.
pub(super) fn read(bytes: &[u8], dialect: Dialect, known: &Known) -> Script {
    match dialect {
        Dialect::DotEnv => parse(bytes, Form::DotEnv, dot_env::statement, known),
        Dialect::EnvironmentD => parse(bytes, Form::EnvironmentD, session::environment_d, known),
        Dialect::PamEnv => parse(bytes, Form::PamEnv, session::pam_env, known),
        Dialect::FishVariables => fish_variables::read(bytes, known),
        Dialect::Structured => Script { fixed: structured::keys(bytes, known), ..Script::default() },
        Dialect::History => Script { fixed: anywhere(bytes, reason(dialect), known), ..Script::default() },
        _ => Script { fixed: text(bytes, known), ..Script::default() },
    }
}

/// Why a key in a file of such a dialect is only reported.
pub(super) fn reason(dialect: Dialect) -> Reason {
    match dialect {
        Dialect::Structured => Reason::StructuredConfig,
        Dialect::History => Reason::History,
        _ => Reason::NotShell,
    }
}

// A statement's bytes and its words.
type Statement = fn(&mut Cursor<'_>, &mut Vec<Fixed>) -> Option<(Span, Vec<Word>)>;

// Statement by statement; from one that does not follow the rules on, the rest of its line is left alone.
fn parse(bytes: &[u8], form: Form, statement: Statement, known: &Known) -> Script {
    let mut script = Script::default();
    let mut cursor = Cursor { bytes, at: text_start(bytes) };
    let is_systemd = form == Form::EnvironmentD;
    let mut fresh = true;
    loop {
        cursor.skip_blanks();
        match cursor.peek() {
            None => break,
            _ if cursor.at_line_end() => {
                cursor.next_line();
                fresh = true;
                continue;
            }
            Some(sign) if sign == b'#' || (sign == b';' && is_systemd) => {
                script.comments.push(cursor.at..cursor.line_end());
                cursor.at = cursor.line_end();
                continue;
            }
            Some(b';') if !fresh => {
                cursor.at += 1;
                fresh = true;
                continue;
            }
            _ => {}
        }
        let start = cursor.at;
        let set = fresh.then(|| statement(&mut cursor, &mut script.fixed)).flatten();
        fresh = false;
        match set.filter(|(span, _)| cursor.at == span.end && cursor.ends_statement()) {
            Some((span, words)) => add(&mut script.nodes, Node::setting(span, form, words)),
            None => {
                cursor.at = start;
                let end = cursor.line_end().max(start + 1);
                add(&mut script.nodes, Node::Other(start..end));
                cursor.at = end;
            }
        }
    }
    report_rest(bytes, &mut script, known);
    script
}

// What was read as a key's own statement is the plan's; keys anywhere else in the code are reported.
fn report_rest(bytes: &[u8], script: &mut Script, known: &Known) {
    let mut read: Vec<Span> = script.comments.clone();
    for node in &script.nodes {
        let Node::Setting(setting) = node else { continue };
        for word in &setting.words {
            let (Value::Literal(value, span) | Value::Default(_, value, span)) = &word.value else { continue };
            if !matches!(detect::judge(Some(&word.name), value, known), Judgement::Ignored(_)) {
                read.push(span.clone());
            }
        }
    }
    read.sort_by_key(|span| span.start);
    let mut own: BTreeSet<(&[u8], usize)> = BTreeSet::new();
    own.extend(script.fixed.iter().map(|fixed| (fixed.value.as_slice(), fixed.at)));
    let (mut line, mut searched) = (0, 0);
    let is_new = |(fixed, place): &(Fixed, Span)| {
        let between = bytes.get(searched..place.start).unwrap_or_default();
        if let Some(newline) = memchr::memrchr(b'\n', between) {
            line = searched + newline + 1;
        }
        searched = place.start;
        let before = read.partition_point(|span| span.start <= place.start);
        let inside = before > 0 && place.end <= read[before - 1].end;
        let is_own = own.range((&**fixed.value, line)..=(&**fixed.value, place.start)).next().is_some();
        !inside && !is_own
    };
    let rest: Vec<Fixed> = found_in(bytes, Reason::Unparsed, known).filter(is_new).map(|(fixed, _)| fixed).collect();
    script.fixed.extend(rest);
    script.fixed.sort_by_key(|fixed| fixed.at);
}

// Keys wherever they stand.
fn anywhere(bytes: &[u8], reason: Reason, known: &Known) -> Vec<Fixed> {
    found_in(bytes, reason, known).map(|(fixed, _)| fixed).collect()
}

// The same with the values' places.
fn found_in<'a>(bytes: &'a [u8], reason: Reason, known: &Known) -> impl Iterator<Item = (Fixed, Span)> + use<'a> {
    detect::hits(bytes, known).into_iter().map(move |hit| {
        let at = hit.name.as_ref().map_or(hit.value.start, |name| name.start);
        let name = hit.name.map(|name| String::from_utf8_lossy(&bytes[name]).into_owned());
        (Fixed { at, name, value: Zeroizing::new(bytes[hit.value.clone()].to_vec()), reason }, hit.value)
    })
}

// zsh's compiled files hold every word twice, once for each byte order, with the shell's signs in codes of their own.
fn text(bytes: &[u8], known: &Known) -> Vec<Fixed> {
    if !is_compiled(bytes) {
        return anywhere(bytes, reason(Dialect::Text), known);
    }
    let bytes = Zeroizing::new(bytes.iter().copied().map(plain).collect::<Vec<u8>>());
    let mut found = anywhere(&bytes, reason(Dialect::Text), known);
    let mut seen: HashSet<(Option<&str>, &[u8])> = HashSet::new();
    let new: Vec<bool> =
        found.iter().map(|fixed| seen.insert((fixed.name.as_deref(), fixed.value.as_slice()))).collect();
    let mut new = new.into_iter();
    found.retain(|_| new.next() == Some(true));
    found
}

/// Whether zsh compiled this, from its first bytes.
pub(super) fn is_compiled(bytes: &[u8]) -> bool {
    bytes.starts_with(&[7, 6, 5, 4]) || bytes.starts_with(&[4, 5, 6, 7])
}

/// What a byte of a file that zsh compiled stands for.
pub(super) fn plain(byte: u8) -> u8 {
    let code = byte.checked_sub(ZSH_SIGNS.0).map(usize::from);
    code.and_then(|code| ZSH_SIGNS.1.get(code)).copied().unwrap_or(byte)
}

// The first code, and what it and those after it stand for (zsh's Src/zsh.h, `Pound` to `Bnull`).
const ZSH_SIGNS: (u8, &[u8]) = (0x84, b"#$^*(())$=|{}[]`<>>?~`,-!'\"\\");

#[cfg(test)]
mod tests {
    use super::fish_variables::decoded;
    use super::*;
    use crate::migrate::model::{Scope, Setting};
    use proptest::prelude::*;

    const KEY: &str = "sk-TESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTESTh2plFAKEd8gn";
    const GROQ: &str = "gsk_TESTw9rtFAKEb5ycTESTh2plFAKEd8gnTESTq7xwFAKEz3mvTEST";

    fn read(bytes: &[u8], dialect: Dialect) -> Script {
        super::read(bytes, dialect, Known::none())
    }

    // `NAME=value` or `NAME`, `@` standing for the key; spans are checked on the way.
    fn shown(text: &str, dialect: Dialect) -> Vec<String> {
        let script = read(text.as_bytes(), dialect);
        check(text.as_bytes(), &script);
        let mut shown = Vec::new();
        for node in &script.nodes {
            let Node::Setting(setting) = node else { continue };
            for word in &setting.words {
                assert_eq!(&text[word.name_span.clone()], word.name);
                assert!(text[word.span.clone()].starts_with(&word.name));
                shown.push(match &word.value {
                    Value::Bare => word.name.clone(),
                    Value::Literal(value, _) => format!("{}={}", word.name, String::from_utf8_lossy(value)),
                    Value::Copy(name) => format!("{}=${name}", word.name),
                    Value::Default(name, value, span) => {
                        assert_eq!(&text.as_bytes()[span.clone()], value.as_slice());
                        format!("{}=${name}:-{}", word.name, String::from_utf8_lossy(value))
                    }
                    Value::Path(_) | Value::Dynamic | Value::Unset => format!("{}?", word.name),
                });
            }
        }
        for fixed in &script.fixed {
            let line = text[..fixed.at].matches('\n').count() + 1;
            shown.push(format!(
                "{} {}={} on {line}",
                fixed.reason.as_str(),
                fixed.name.as_deref().unwrap_or("-"),
                String::from_utf8_lossy(&fixed.value)
            ));
        }
        shown.into_iter().map(|text| text.replace(KEY, "@").replace(GROQ, "%")).collect()
    }

    fn check(bytes: &[u8], script: &Script) {
        let mut end = 0;
        for node in &script.nodes {
            assert!(node.span().start >= end && node.span().start < node.span().end, "{node:?}");
            end = node.span().end;
            let Node::Setting(setting) = node else { continue };
            let mut at = setting.span.start;
            for word in &setting.words {
                assert!(word.span.start >= at && word.span.end <= setting.span.end, "{word:?}");
                assert!(word.name_span.start == word.span.start && word.name_span.end <= word.span.end);
                at = word.span.end;
                if let Value::Literal(_, span) | Value::Default(_, _, span) = &word.value {
                    assert!(span.start >= word.name_span.end && span.end <= word.span.end);
                }
            }
        }
        assert!(end <= bytes.len());
        let mut end = 0;
        for comment in &script.comments {
            assert!(comment.start >= end && comment.end <= bytes.len() && !bytes[comment.clone()].contains(&b'\n'));
            end = comment.end;
        }
        assert!(script.fixed.iter().all(|fixed| fixed.at < bytes.len()));
    }

    fn of(text: &str, dialect: Dialect) -> Vec<String> {
        shown(&text.replace('@', KEY).replace('%', GROQ), dialect)
    }

    #[test]
    fn a_dot_env_file_is_read_as_a_shell_would() {
        for (text, want) in [
            ("OPENAI_API_KEY=@", "OPENAI_API_KEY=@"),
            ("export OPENAI_API_KEY=@\n", "OPENAI_API_KEY=@"),
            ("  export\tOPENAI_API_KEY = @  # old", "OPENAI_API_KEY=@"),
            ("OPENAI_API_KEY = \"@\"\r\n", "OPENAI_API_KEY=@"),
            ("OPENAI_API_KEY= '@'", "OPENAI_API_KEY=@"),
            ("export OPENAI_API_KEY= @", "OPENAI_API_KEY=@"),
            ("\u{feff}OPENAI_API_KEY=@\r", "OPENAI_API_KEY=@"),
            ("A=\"sk-\"'TEST'q7", "A=sk-TESTq7"),
            ("A=sk-\\\nTEST", "A=sk-TEST"),
            ("A=\"sk-\\\r\nTEST\"", "A=sk-TEST"),
            ("A=\"a\\\"b\\$c\"", "A=a\"b$c"),
            ("A='a\nb'", "A=a\nb"),
            ("A=", "A="),
            ("A= # nothing", "A="),
            ("export A", "A"),
            ("A=$B", "A=$B"),
            ("A=\"${B}\"", "A=$B"),
            ("A='$B'", "A=$B"),
            ("A=\"x$B\"", "A?"),
            ("A=a$B/c", "A?"),
            ("OPENAI_API_KEY=${OPENAI_API_KEY:-@}", "OPENAI_API_KEY=$OPENAI_API_KEY:-@"),
            ("A=\"${B-@}\"", "A=$B:-@"),
            ("A=1 B=2", "A=1|B=2"),
            ("export A=1 B C='3'", "A=1|B|C=3"),
            ("A= B=2", "A=|B=2"),
            ("A=1; export B=2 ;C=3", "A=1|B=2|C=3"),
            ("A=1;export A", "A=1|A"),
        ] {
            let expected: Vec<&str> = want.split('|').collect();
            if text == "A='$B'" {
                // Single quotes keep the sign: a literal that only looks like a reference.
                assert!(matches!(
                    &read(text.as_bytes(), Dialect::DotEnv).nodes[0],
                    Node::Setting(Setting { words, .. }) if matches!(words[0].value, Value::Literal(..))
                ));
            }
            assert_eq!(of(text, Dialect::DotEnv), expected, "{text}");
        }
    }

    #[test]
    fn a_key_in_a_line_that_is_not_understood_is_reported_at_its_line() {
        for (text, want) in [
            ("A=1\nOPENAI_API_KEY=@ claude\n", "A=1|unparsed OPENAI_API_KEY=@ on 2"),
            ("OPENAI_API_KEY=$(echo %)", "unparsed OPENAI_API_KEY=% on 1"),
            ("OPENAI_API_KEY: @", "unparsed OPENAI_API_KEY=@ on 1"),
            ("A=it's\nGROQ_API_KEY=%\nB=don't", "GROQ_API_KEY=%"),
            ("A='it\nGROQ_API_KEY=%\nB=x'", "A=it\nGROQ_API_KEY=%\nB=x|unparsed GROQ_API_KEY=% on 2"),
            ("A='\nGROQ_API_KEY=%", "GROQ_API_KEY=%"),
            ("OPENAI_API_KEY=@#old", "unparsed OPENAI_API_KEY=@ on 1"),
            ("URL=https://x/?k=%&y=1", "unparsed k=% on 1"),
            ("AUTH=\"Bearer %\"", "AUTH=Bearer %|unparsed -=% on 1"),
            ("A=1;echo %", "A=1|unparsed -=% on 1"),
        ] {
            assert_eq!(of(text, Dialect::DotEnv), want.split('|').collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn environment_d_follows_systemds_rules() {
        for (text, want) in [
            ("GEMINI_API_KEY=@\nB=1\n", "GEMINI_API_KEY=@|B=1"),
            ("GEMINI_API_KEY = \"@\"", "GEMINI_API_KEY=@"),
            ("A='a' \"b\"c", "A=abc"),
            ("A=a\"b\"", "A=a\"b\""),
            ("A=sk-\\\nTEST  \n", "A=sk-TEST"),
            ("A=a\\bc", "A=abc"),
            ("A=a b  ", "A=a b"),
            ("A=${B}", "A=$B"),
            ("A=${A:-@}", "A=$A:-@"),
            ("A=x:$PATH", "A?"),
            ("GEMINI_API_KEY=@ # new", "GEMINI_API_KEY=@ # new|unparsed GEMINI_API_KEY=@ on 1"),
            ("; A=@\n# B=@", ""),
            ("export GEMINI_API_KEY=@", "unparsed GEMINI_API_KEY=@ on 1"),
            ("A=", "A="),
        ] {
            let want: Vec<&str> = want.split('|').filter(|text| !text.is_empty()).collect();
            assert_eq!(of(text, Dialect::EnvironmentD), want, "{text}");
        }
        assert_eq!(read(b"; a\n # b", Dialect::EnvironmentD).comments, [0..3, 5..8]);
    }

    #[test]
    fn both_of_pam_envs_syntaxes_are_read() {
        for (text, want) in [
            ("OPENAI_API_KEY  DEFAULT=@\nA=1", "OPENAI_API_KEY=@|A=1"),
            ("OPENAI_API_KEY DEFAULT=\"@\" # mine", "OPENAI_API_KEY=@"),
            ("OPENAI_API_KEY\tOVERRIDE=@ DEFAULT=", "OPENAI_API_KEY=@"),
            ("OPENAI_API_KEY DEFAULT=@ OVERRIDE=@", "OPENAI_API_KEY=@"),
            ("OPENAI_API_KEY \\\n DEFAULT=@", "OPENAI_API_KEY=@"),
            ("OPENAI_API_KEY DEFAULT=@ OVERRIDE=@{PAM_USER}", "OPENAI_API_KEY?|default-of-other OPENAI_API_KEY=@ on 1"),
            ("A DEFAULT=${B}", "A=$B"),
            ("A DEFAULT=@{HOME}/x", "A?"),
            ("A DEFAULT=\\$x\\@y", "A=$x@y"),
            ("A DEFAULT=a@b", "A=a@b"),
            ("export OPENAI_API_KEY='@'  # c", "OPENAI_API_KEY=@"),
            ("OPENAI_API_KEY=\"@\"", "OPENAI_API_KEY=@"),
            ("A=$B", "A=$B"),
            ("A DEFAULT=", "A?"),
            ("OPENAI_API_KEY DEFAULT=@ x", "unparsed OPENAI_API_KEY=@ on 1"),
        ] {
            let text =
                text.replace("@{", "\u{1}").replace("a@b", "a\u{2}b").replace("\\@y", "\\\u{2}y").replace('@', KEY);
            let text = text.replace('\u{1}', "@{").replace('\u{2}', "@");
            assert_eq!(shown(&text, Dialect::PamEnv), want.split('|').collect::<Vec<_>>(), "{text:?}");
        }
    }

    // As fish writes it.
    fn fish_encoded(value: &str) -> String {
        let escaped = |sign: char| match u32::from(sign) {
            _ if sign.is_ascii_alphanumeric() || matches!(sign, '/' | '_') => sign.to_string(),
            code @ ..0x100 => format!("\\x{code:02x}"),
            code @ ..0x10000 => format!("\\u{code:04x}"),
            code => format!("\\U{code:08x}"),
        };
        value.chars().map(escaped).collect()
    }

    #[test]
    fn fishs_universal_variables_are_decoded() {
        let text = format!(
            "# VERSION: 3.0\nSETUVAR --export OPENAI_API_KEY:{0}\nSETUVAR a:b\\x1ec\nSET_EXPORT B:{0}\r\n\
            SETUVAR --export --path GROQ_API_KEY:{1}\\x1eq\nnonsense {1}\n",
            fish_encoded(KEY),
            fish_encoded(GROQ),
        );
        let script = read(text.as_bytes(), Dialect::FishVariables);
        check(text.as_bytes(), &script);
        let key = |value: &Value| matches!(value, Value::Literal(value, _) if value.as_slice() == KEY.as_bytes());
        let words: Vec<&Word> = script
            .nodes
            .iter()
            .filter_map(|node| match node {
                Node::Setting(setting) => Some(&setting.words[0]),
                _ => None,
            })
            .collect();
        assert_eq!(
            words.iter().map(|word| word.name.as_str()).collect::<Vec<_>>(),
            ["OPENAI_API_KEY", "a", "B", "GROQ_API_KEY"]
        );
        assert!(key(&words[0].value) && key(&words[2].value));
        assert!(matches!(words[3].value, Value::Dynamic), "one element of a list cannot be cut out");
        let found: Vec<_> = script
            .fixed
            .iter()
            .filter(|fixed| fixed.value.as_slice() == GROQ.as_bytes())
            .map(|fixed| (fixed.reason.as_str(), fixed.name.as_deref()))
            .collect();
        assert_eq!(found, [("array", Some("GROQ_API_KEY")), ("unparsed", None)]);
        assert_eq!(script.comments.as_slice(), std::slice::from_ref(&(0..14)));
    }

    #[test]
    fn structured_files_give_the_name_and_line_of_each_key() {
        for (text, want) in [
            (
                "{\n \"env\": {\n  \"OPENAI_API_KEY\": \"@\",\n  \"M\": \"opus\" }}",
                "structured-config OPENAI_API_KEY=@ on 3",
            ),
            ("{\"OPENAI_API_KEY\":\n  \"@\"}", "structured-config OPENAI_API_KEY=@ on 1"),
            ("env:\n  - GROQ_API_KEY=%\n", "structured-config GROQ_API_KEY=% on 2"),
            ("env:\n  - name: OPENAI_API_KEY\n    value: @\n", "structured-config OPENAI_API_KEY=@ on 2"),
            ("openai-api-key: @\n", "structured-config OPENAI_API_KEY=@ on 1"),
            ("api-key:\n - deepseek=@\n", "structured-config DEEPSEEK_API_KEY=@ on 2"),
            ("[env]\nGROQ_API_KEY = '%'\n", "structured-config GROQ_API_KEY=% on 2"),
            ("<key>OPENAI_API_KEY</key>\n<string>@</string>", "structured-config OPENAI_API_KEY=@ on 1"),
            ("Environment=\"OPENAI_API_KEY=@\" A=b", "structured-config OPENAI_API_KEY=@ on 1"),
            ("{\"args\": [\"--api-key\", \"%\"]}", "structured-config -=% on 1"),
        ] {
            assert_eq!(of(text, Dialect::Structured), [want], "{text}");
        }
    }

    #[test]
    fn histories_and_other_text_are_only_looked_through() {
        assert_eq!(of(": 1718000010:0;export OPENAI_API_KEY=@\n", Dialect::History), ["history OPENAI_API_KEY=@ on 1"]);
        assert_eq!(of("- cmd: set -gx GROQ_API_KEY %\n  when: 1\n", Dialect::History), ["history GROQ_API_KEY=% on 1"]);
        assert_eq!(of("\0\0\u{1}GROQ_API_KEY=%\0", Dialect::Text), ["not-shell GROQ_API_KEY=% on 1"]);
    }

    #[cfg(unix)]
    #[test]
    fn zshs_compiled_files_are_looked_through() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rc");
        std::fs::write(&file, format!("export OPENAI_API_KEY={KEY}\nexport GROQ_API_KEY=\"{GROQ}\"\n"))
            .expect("written");
        let zsh = std::process::Command::new("zsh").arg("-fc").arg("zcompile $1").arg("_").arg(&file).status();
        assert!(zsh.expect("zsh is installed").success());
        let script = read(&std::fs::read(folder.path().join("rc.zwc")).expect("compiled"), Dialect::Text);
        let found: Vec<_> = script.fixed.iter().map(|fixed| (fixed.name.as_deref(), fixed.value.as_slice())).collect();
        assert_eq!(found, [(Some("OPENAI_API_KEY"), KEY.as_bytes()), (Some("GROQ_API_KEY"), GROQ.as_bytes())]);
    }

    const ALL: [Dialect; 7] = [
        Dialect::DotEnv,
        Dialect::EnvironmentD,
        Dialect::PamEnv,
        Dialect::FishVariables,
        Dialect::Structured,
        Dialect::History,
        Dialect::Text,
    ];

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for dialect in ALL {
                check(&bytes, &read(&bytes, dialect));
            }
        }

        #[test]
        fn fragments_in_any_order_are_read(pieces in proptest::collection::vec(0usize..40, 0..30)) {
            let parts = [
                "OPENAI_API_KEY", "A", "=", " ", "\n", "\r\n", "\"", "'", "\\", "#", ";", "$", "{", "}",
                ":-", "export ", "DEFAULT=", "OVERRIDE=", "SETUVAR ", "--export ", ":", "\\x2d", "\\x1e", "\t", "\\\n",
                "\u{feff}", "\u{e9}", "\r", KEY, GROQ,
            ];
            let text: String = pieces.iter().map(|at| parts[at % parts.len()]).collect();
            for dialect in ALL {
                check(text.as_bytes(), &read(text.as_bytes(), dialect));
            }
        }

        #[test]
        fn a_universal_variable_comes_back_as_it_was(value in "\\PC{0,40}") {
            let decoded = decoded(fish_encoded(&value).as_bytes());
            prop_assert_eq!(decoded.as_slice(), value.as_bytes());
        }

        #[test]
        fn a_quoted_value_comes_back_as_it_was(value in "[ -~]{0,40}") {
            let single = format!("A='{}'", value.replace('\'', "'\"'\"'"));
            let double: String = value.chars().flat_map(|sign| match sign {
                '"' | '\\' | '$' | '`' => vec!['\\', sign],
                _ => vec![sign],
            }).collect();
            for text in [single, format!("A=\"{double}\"")] {
                prop_assert_eq!(shown(&text, Dialect::DotEnv), [format!("A={value}")]);
            }
        }
    }

    #[test]
    fn nothing_here_has_bodies() {
        for dialect in ALL {
            let script = read(b"A=1\n", dialect);
            assert_eq!(script.filler, "");
            assert!(
                !script
                    .nodes
                    .iter()
                    .any(|node| matches!(node, Node::Compound { bodies, .. } if bodies[0].scope == Scope::Plain))
            );
        }
    }
}
