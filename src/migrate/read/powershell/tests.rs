use super::grammar::GRAMMAR;
use crate::migrate::dialect::Dialect;
use crate::migrate::model::{Node, Script};
use crate::migrate::testing::{comes_out, corpus_of, is_sound, literals, mistral, openai, scrub, summary};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn read(bytes: &[u8]) -> Script {
    crate::migrate::read::read(bytes, Dialect::PowerShell, crate::migrate::vocabulary::Terms::built_in())
}

fn one(text: &str) -> (String, String) {
    let found = literals(&read(text.as_bytes()));
    assert_eq!(found.len(), 1, "{text}");
    (found[0].0.clone(), String::from_utf8_lossy(&found[0].1).into_owned())
}

/// Whether the grammar takes a script as it is. It wants a statement in every block; PowerShell does not.
fn parses(text: &[u8]) -> bool {
    let mut source = String::from_utf8_lossy(text).into_owned().into_bytes();
    (GRAMMAR.prepare)(&mut source);
    for at in 0..source.len() {
        let mut end = at + 1;
        while source[at] == b'{' && source.get(end).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'#') {
            let comment = source[end..].iter().take_while(|byte| **byte != b'\n').count();
            end += if source[end] == b'#' { comment } else { 1 };
        }
        if end > at + 1 && source.get(end) == Some(&b'}') {
            source[at + 1] = b';';
        }
    }
    let mut parser = tree_sitter::Parser::new();
    parser.set_language(&(GRAMMAR.language)()).expect("the grammar fits the parser");
    parser.parse(&source, None).is_some_and(|tree| !tree.root_node().has_error())
}

#[test]
fn corpus_of_powershell_comes_out_byte_for_byte() {
    assert!(corpus_of("powershell", Dialect::PowerShell) >= 4);
}

#[test]
fn strings_say_what_powershell_says_they_do() {
    for (word, value) in [
        ("'plain'", "plain"),
        ("'it''s'", "it's"),
        ("'a`n$b'", "a`n$b"),
        (r#""a`tb`"c""d`$e``""#, "a\tb\"c\"d$e`"),
        ("\"a`nb\"", "a\nb"),
        ("\"`u{41}b\"", "Ab"),
        ("\"it's\"", "it's"),
        ("'say \"x\"'", "say \"x\""),
        ("\u{2018}a b\u{2019}", "a b"),
        ("\u{201a}a'", "a"),
        ("'a\u{201b}\u{2018}b\u{2019}", "a\u{2018}b"),
        ("\u{201c}a'b\u{201d}", "a'b"),
        ("\u{201e}a\u{201c}\u{201d}b\"", "a\u{201d}b"),
        ("\"a\u{2019}b\"", "a\u{2019}b"),
        ("'a\u{201d}b'", "a\u{201d}b"),
        ("('k')", "k"),
        ("[string]'k'", "k"),
        ("\"cost $ 5\"", "cost $ 5"),
        ("'caf\u{e9}'", "caf\u{e9}"),
        ("'a\nb'", "a\nb"),
        ("'#x'", "#x"),
    ] {
        assert_eq!(one(&format!("$env:A = {word}\n")), ("A".into(), value.into()), "{word}");
        assert_eq!(one(&format!("Get-X\n$env:A={word};Get-Y # x\n")), ("A".into(), value.into()), "{word}");
    }
}

#[test]
fn what_runs_is_no_literal() {
    for word in [
        "$x",
        "\"a$x\"",
        "\"a$(b)\"",
        "@'\na\n'@",
        "@\"\na\n\"@",
        "Get-X 'a'",
        "'a' + 'b'",
        "'a','b'",
        "@('a')",
        "'a' -replace 'b','c'",
        "('a' | Out-String)",
        "& 'a'",
    ] {
        assert!(literals(&read(format!("$env:A = {word}\n").as_bytes())).is_empty(), "{word}");
    }
}

#[test]
fn every_form_of_setting_is_found() {
    for (text, form) in [
        ("$env:A = 'k'", "ps-env"),
        ("$Env:A='k'", "ps-env"),
        ("${env:A} = 'k'", "ps-env"),
        ("${ENV:A}=\"k\"", "ps-env"),
        ("[string]$env:A = 'k'", "ps-env"),
        ("$env:A ??= 'k'", "ps-env"),
        ("$env:A = `\n  'k'", "ps-env"),
        ("$env:A =\n  'k'", "ps-env"),
        ("[Environment]::SetEnvironmentVariable('A', 'k')", "ps-setenvironmentvariable"),
        ("[environment]::setenvironmentvariable('A','k',\"User\")", "ps-setenvironmentvariable"),
        (
            "[System.Environment]::SetEnvironmentVariable( \"A\" , 'k', [EnvironmentVariableTarget]::Machine )",
            "ps-setenvironmentvariable",
        ),
        ("[void][System.Environment]::SetEnvironmentVariable('A', 'k', 'Process')", "ps-setenvironmentvariable"),
        ("[Environment]::SetEnvironmentVariable('A', 'k') | Out-Null", "ps-setenvironmentvariable"),
        ("$null = [Environment]::SetEnvironmentVariable('A', 'k')", "ps-setenvironmentvariable"),
        ("setx A k", "setx"),
        ("setx.exe A \"k\" /M", "setx"),
        ("SETX A 'k' > $null", "setx"),
        ("Set-Item Env:A k", "ps-item"),
        ("Set-Item -Path Env:\\A -Value 'k'", "ps-item"),
        ("set-item -Value k -LiteralPath 'env:/A' -Force", "ps-item"),
        ("si env:A 'k'", "ps-item"),
        ("New-Item Env:A -Value 'k' | Out-Null", "ps-item"),
        ("New-Item -Path Env: -Name A -Value k -Force", "ps-item"),
        ("$null = ni -Path 'Env:\\' -Name 'A' -Value k", "ps-item"),
        ("Set-Content -Path Env:A -Value k", "ps-item"),
        ("Set-Item -Path:Env:A -Value:k", "ps-item"),
        ("$A = 'k'", "assign"),
        ("$global:A = 'k'", "assign"),
    ] {
        for text in [
            text.to_owned(),
            format!("Get-X; {text} ; Get-Y"),
            format!("if ($x) {{ {text} }}"),
            format!("\u{feff}{text} # c\r\n"),
        ] {
            assert_eq!(one(&text), ("A".into(), "k".into()), "{text}");
            let script = read(text.as_bytes());
            is_sound(&script, text.as_bytes());
            let (mut nodes, mut found) = (script.nodes, None);
            while let Some(node) = nodes.pop() {
                match node {
                    Node::Setting(setting) if setting.form.as_str() == form => found = Some(setting),
                    Node::Compound { bodies, .. } => nodes.extend(bodies.into_iter().flat_map(|body| body.nodes)),
                    _ => {}
                }
            }
            let setting = found.unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&text[setting.words[0].name_span.clone()], "A", "{text}");
            assert!(!text[setting.span.clone()].ends_with([' ', '\n', 'c', ';']), "{text}");
        }
    }
}

#[test]
fn other_uses_are_reported_with_their_name() {
    let key = openai(1);
    for (text, found) in [
        ("$env:OPENAI_API_KEY = @\"\nKEY\n\"@\n", "1 openai OPENAI_API_KEY heredoc"),
        ("$env:OPENAI_API_KEY = @'\nKEY\n'@\n", "1 openai OPENAI_API_KEY heredoc"),
        ("$env:OPENAI_API_KEY += 'KEY'\n", "1 openai OPENAI_API_KEY append"),
        ("$h = @{ OPENAI_API_KEY = 'KEY' }\n", "1 openai OPENAI_API_KEY array"),
        ("$h['OPENAI_API_KEY'] = 'KEY'\n", "1 openai OPENAI_API_KEY array"),
        ("$env:OPENAI_API_KEY = $(echo 'KEY')\n", "1 openai OPENAI_API_KEY substitution"),
        ("$env:OPENAI_API_KEY = 'KEY' && claude\n", "1 openai OPENAI_API_KEY launcher"),
        ("$env:OPENAI_API_KEY = 'KEY' &\n", "1 openai OPENAI_API_KEY argument"),
        ("claude --api-key 'KEY'\n", "1 openai - argument"),
        ("claude --api-key=KEY\n", "1 openai - argument"),
        ("iex \"`$env:OPENAI_API_KEY='KEY'\"\n", "1 openai OPENAI_API_KEY substitution"),
        ("function c { $env:OPENAI_API_KEY = 'KEY'; claude @args }\n", "1 openai OPENAI_API_KEY launcher"),
        ("& { $env:OPENAI_API_KEY = 'KEY'\n claude }\n", "1 openai OPENAI_API_KEY launcher"),
        (
            "function c { process { if ($x) { $env:OPENAI_API_KEY = 'KEY' } }\n end { claude } }\n",
            "1 openai OPENAI_API_KEY launcher",
        ),
        ("setx OPENAI_API_KEY KEY /S host\n", "1 openai OPENAI_API_KEY argument"),
        ("Set-Item Env:OPENAI_API_KEY KEY > log\n", "1 openai OPENAI_API_KEY argument"),
    ] {
        let text = text.replace("KEY", &key).replace(&format!("API_{key}"), "API_KEY");
        comes_out(Dialect::PowerShell, &text, &text, &[found]);
    }
}

#[test]
fn statements_go_and_blocks_stay_empty() {
    let (a, b) = (openai(1), openai(2));
    comes_out(
        Dialect::PowerShell,
        &format!(
            "# mine\n$env:OPENAI_API_KEY = '{a}'; $env:A = 1 # c\n$env:B = 2; $env:OPENAI_API_KEY = '{a}' # c\n\
            $env:OPENAI_API_KEY = '{a}' # c\n\nfunction keys {{\n    $env:OPENAI_API_KEY = '{b}'\n}}\n\
            foreach ($i in 1) {{ $env:OPENAI_API_KEY = '{a}' }}\n\
            try {{ $env:OPENAI_API_KEY = '{a}' }} catch {{ }} finally {{ $env:A = 1 }}\n$x = $env:OPENAI_API_KEY\n\
            if (-not $env:C) {{\n}} elseif ($y) {{\n    setx OPENAI_API_KEY {a} | Out-Null\n\
            }} else {{ Get-X; $env:OPENAI_API_KEY = \"{a}\" }}"
        ),
        "# mine\n$env:A = 1 # c\n$env:B = 2 # c\n\nfunction keys {\n}\nforeach ($i in 1) { }\n\
        try { } catch { } finally { $env:A = 1 }\nif (-not $env:C) {\n} elseif ($y) {\n} else { Get-X }",
        &[
            "2 openai OPENAI_API_KEY moved ps-env",
            "3 openai OPENAI_API_KEY moved ps-env",
            "4 openai OPENAI_API_KEY moved ps-env",
            "7 openai OPENAI_API_KEY moved ps-env",
            "9 openai OPENAI_API_KEY moved ps-env",
            "10 openai OPENAI_API_KEY moved ps-env",
            "11 openai x moved copy",
            "14 openai OPENAI_API_KEY moved setx",
            "15 openai OPENAI_API_KEY moved ps-env",
        ],
    );
}

#[test]
fn the_default_of_the_same_name_moves_and_of_another_stays() {
    let key = openai(1);
    comes_out(
        Dialect::PowerShell,
        &format!("$env:OPENAI_API_KEY = $env:OPENAI_API_KEY ?? '{key}'\n$env:OPENAI_API_KEY = $env:OTHER ?? '{key}'\n"),
        &format!("$env:OPENAI_API_KEY = $env:OTHER ?? '{key}'\n"),
        &["1 openai OPENAI_API_KEY moved default-expansion", "2 openai OPENAI_API_KEY default-of-other"],
    );
}

#[test]
fn comments_get_a_marker() {
    let (a, b) = (openai(1), openai(2));
    comes_out(
        Dialect::PowerShell,
        &format!("# $env:OPENAI_API_KEY = '{a}'\r\n<#\r\n$env:OPENAI_API_KEY = \"{b}\"\r\n#>\r\n"),
        "# $env:OPENAI_API_KEY = '<moved-to-ringlet:openai/commented>'\r\n<#\r\n\
        $env:OPENAI_API_KEY = \"<moved-to-ringlet:openai/commented-2>\"\r\n#>\r\n",
        &["1 openai OPENAI_API_KEY moved comment", "3 openai OPENAI_API_KEY moved comment"],
    );
}

#[test]
fn utf16_is_reported_and_never_torn() {
    let key = mistral(1);
    let text = format!("$env:MISTRAL_API_KEY = '{key}'\r\n");
    for (mark, bytes) in [
        ([0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        ([0xfe, 0xff], text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ] {
        let bytes = [mark.as_slice(), &bytes].concat();
        let (out, examined) = scrub(&bytes, Dialect::PowerShell);
        assert_eq!(out, bytes);
        assert_eq!(summary(&examined), ["1 mistral MISTRAL_API_KEY unparsed"]);
    }
}

#[test]
fn what_does_not_parse_is_reported_and_its_neighbours_move() {
    let (a, b) = (openai(1), openai(2));
    comes_out(
        Dialect::PowerShell,
        &format!(
            "$env:OPENAI_API_KEY = '{a}'\nclean {{ $x = '{b}' | }}\n$z?.Foo()\n$env:OPENAI_API_KEY = '{a}'\nGet-X\n"
        ),
        &format!("clean {{ $x = '{b}' | }}\n$z?.Foo()\nGet-X\n"),
        &["1 openai OPENAI_API_KEY moved ps-env", "2 openai - unparsed", "4 openai OPENAI_API_KEY moved ps-env"],
    );
    for open in ["echo \"open\n", "if ($x) {\n", "echo 'open\n", "<# open\n", "$x = @'\n"] {
        let text = format!("{open}$env:OPENAI_API_KEY = '{a}'\n# {b}\n");
        let (out, examined) = scrub(text.as_bytes(), Dialect::PowerShell);
        assert_eq!(String::from_utf8_lossy(&out), text, "{open}");
        assert_eq!(examined.findings().len(), 2, "{open}");
    }
}

#[test]
fn stray_bytes_and_line_ends_stay_as_they_are() {
    let key = mistral(1);
    let mut before = b"\xef\xbb\xbf# caf\xe9\r\n$env:MISTRAL_API_KEY = '".to_vec();
    before.extend_from_slice(key.as_bytes());
    before.extend_from_slice(b"'\r\nWrite-Host '\xff\xfe'\r\n\t$x = 1");
    let (out, examined) = scrub(&before, Dialect::PowerShell);
    assert_eq!(summary(&examined), ["2 mistral MISTRAL_API_KEY moved ps-env"]);
    assert_eq!(out, b"\xef\xbb\xbf# caf\xe9\r\nWrite-Host '\xff\xfe'\r\n\t$x = 1");
}

/// Scripts that the grammar accepts, with a key wherever a statement may stand.
fn sensible() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "$env:OPENAI_API_KEY = '%'",
        "$env:OPENAI_API_KEY='%' # c",
        "setx OPENAI_API_KEY % | Out-Null",
        "$env:A = 1",
        "# only",
        "",
        "[Environment]::SetEnvironmentVariable('OPENAI_API_KEY', \"%\", 'User')",
        "Set-Item Env:OPENAI_API_KEY `\n  %",
        "Get-X 'a'",
    ]);
    let script = leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|lines| lines.join("\n")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("$x = 1; {a}\n{b}")),
            inner.clone().prop_map(|body| format!("if ($x) {{\n{body}\n}}")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("if ($x) {{ {a}\n}} elseif ($y) {{\n{b}\n}} else {{\n\t{a}\n}}")),
            inner.clone().prop_map(|body| format!("function f {{\n{body}\n}}")),
            inner.clone().prop_map(|body| format!("& {{ {body}\n}}")),
            inner.clone().prop_map(|body| format!("try {{ {body}\n}} catch {{\n{body}\n}}")),
            inner.clone().prop_map(|body| format!("switch ($x) {{\n'a' {{ {body}\n}}\ndefault {{ {body}\n}}\n}}")),
            inner.clone().prop_map(|body| format!("foreach ($i in 1..2) {{\n{body}\n}}")),
            inner.prop_map(|body| format!("Get-X | ForEach-Object {{ {body}\n}}")),
            Just("$env:OPENAI_API_KEY = '%'; $env:OPENAI_API_KEY = '%';$env:B=1;".to_owned()),
        ]
    });
    (script, any::<bool>(), any::<bool>()).prop_map(|(text, crlf, mark)| {
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let text = if mark { format!("\u{feff}{text}") } else { text };
        text.replace('%', &openai(7))
    })
}

#[test]
fn the_grammar_accepts_what_is_left_of_what_it_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..500 {
        let text = sensible().new_tree(&mut runner).expect("a text").current();
        is_sound(&read(text.as_bytes()), text.as_bytes());
        let (out, _) = scrub(text.as_bytes(), Dialect::PowerShell);
        if out != text.as_bytes() && parses(text.as_bytes()) {
            accepted += 1;
            assert!(parses(&out), "{text}\n-----\n{}", String::from_utf8_lossy(&out));
        }
    }
    assert!(accepted > 200, "{accepted}");
}

#[test]
fn a_choice_between_two_values_does_not_hide_what_stands_beside_it() {
    let (a, b) = (openai(1), mistral(2));
    comes_out(
        Dialect::PowerShell,
        &format!(
            "if ($x) {{\n  $y = $z ? 'a' : $env:B\n  ls | ? {{ $_ }}\n  $w = ($z)?\"a\":[int]::MaxValue\n  \
             $env:OPENAI_API_KEY = '{a}'\n}}\n$env:MISTRAL_API_KEY = $z ? '{b}' : $env:C\n"
        ),
        &format!(
            "if ($x) {{\n  $y = $z ? 'a' : $env:B\n  ls | ? {{ $_ }}\n  $w = ($z)?\"a\":[int]::MaxValue\n}}\n\
             $env:MISTRAL_API_KEY = $z ? '{b}' : $env:C\n"
        ),
        &["5 openai OPENAI_API_KEY moved ps-env", "7 mistral MISTRAL_API_KEY argument"],
    );
}

#[test]
fn a_setter_may_be_called_with_a_sign_with_switches_and_for_nothing() {
    let (a, b) = (openai(1), mistral(2));
    comes_out(
        Dialect::PowerShell,
        &format!(
            "& setx OPENAI_API_KEY {a}\nSet-Item Env:MISTRAL_API_KEY '{b}' -Verbose\n& {{ ls }}\n\
             [void](New-Item Env:OPENAI_API_KEY -Value '{a}')\n"
        ),
        "& { ls }\n",
        &[
            "1 openai OPENAI_API_KEY moved setx",
            "2 mistral MISTRAL_API_KEY moved ps-item",
            "4 openai OPENAI_API_KEY moved ps-item",
        ],
    );
}

#[test]
fn the_words_of_a_command_that_gives_the_key_are_none() {
    for value in [
        "(op read \"op://Private/openai/credential\")",
        "Get-Secret -Name OpenAIProductionAccount1 -AsPlainText",
        "[Environment]::GetEnvironmentVariable('OPENAI_PRODUCTION_ACCOUNT', 'User')",
        "$secrets['openai-production-account']",
        "(Get-Content \"$HOME/.config/secrets/openai.personal\").Trim()",
    ] {
        let text = format!("$env:OPENAI_API_KEY = {value}\n");
        comes_out(Dialect::PowerShell, &text, &text, &[]);
    }
    let text = format!("$env:MISTRAL_API_KEY = (echo {})\n", mistral(1));
    comes_out(Dialect::PowerShell, &text, &text, &["1 mistral MISTRAL_API_KEY argument"]);
}
