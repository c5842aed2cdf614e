use crate::migrate::dialect::Dialect;
use crate::migrate::model::Script;
use crate::migrate::testing::{
    accepts, comes_out, corpus_of, is_sound, literals, mistral, openai, says, scrub, summary,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn read(bytes: &[u8]) -> Script {
    crate::migrate::read::read(bytes, Dialect::Csh, crate::migrate::vocabulary::Terms::built_in())
}

const CHECK: &[&str] = &["tcsh", "-fn"];

#[test]
fn corpus_of_tcsh_comes_out_byte_for_byte() {
    assert!(corpus_of("tcsh", Dialect::Csh) >= 1);
}

#[test]
fn words_say_what_tcsh_says_they_do() {
    for word in [
        "plain",
        "'a b'",
        "\"a b\"",
        "a'b'\"c\"d",
        r"a\ b",
        r"'a\nb'",
        r#""a\b""#,
        r"it\'s",
        r#"'say "x"'"#,
        "k#x",
        "a=b:c,d@e%f+g",
        r#""a\!b""#,
        r"'a\!b'",
        r"a\!b",
        "'$HOME'",
        "\"#x\"",
        "'`x`'",
        "a-b_c.d/e",
        "''x",
        r"\#x",
        "\"it's\"",
        r"a\\b",
        "\"a! b\"",
    ] {
        let text = format!("setenv V {word}\n");
        let found = literals(&read(text.as_bytes()));
        assert_eq!(found.len(), 1, "{word}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, format!("{text}printenv V\n")).expect("the file is written");
        let out = std::process::Command::new("tcsh")
            .arg("-f")
            .arg(&path)
            .env("HOME", folder.path())
            .output()
            .expect("tcsh runs");
        let said = out.stdout.strip_suffix(b"\n").unwrap_or(&out.stdout);
        assert_eq!(String::from_utf8_lossy(said), String::from_utf8_lossy(&found[0].1), "{word}");
    }
}

#[test]
fn what_tcsh_expands_is_no_literal() {
    for word in [
        "$x",
        "a$x",
        "\"a$x\"",
        "`echo a`",
        "\"`echo a`\"",
        "{a,b}",
        "~/x",
        "*.c",
        "a?",
        "[ab]",
        "a!b",
        "'a!b'",
        "$x:q",
        "a b",
    ] {
        assert!(literals(&read(format!("setenv V {word}\n").as_bytes())).is_empty(), "{word}");
    }
}

#[test]
fn set_takes_several_names_in_every_spacing() {
    let text = "set A=k B = 'j' C D= E=\"i\" F = ( a b ) G=h # c\nset -r H = g\nsetenv I\n";
    let found: Vec<(String, String)> = literals(&read(text.as_bytes()))
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let wanted = [("A", "k"), ("B", "j"), ("C", ""), ("D", ""), ("E", "i"), ("G", "h"), ("H", "g"), ("I", "")];
    assert_eq!(found, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let key = openai(1);
    comes_out(
        Dialect::Csh,
        &format!(
            "set A = 1 OPENAI_API_KEY = {key} B=2\nset OPENAI_API_KEY={key} C=3\nset OPENAI_API_KEY = \"{key}\"\n\
            setenv X $OPENAI_API_KEY\nsetenv Y \"${{OPENAI_API_KEY:q}}\"\n"
        ),
        "set A = 1 B=2\nset C=3\n",
        &[
            "1 openai OPENAI_API_KEY moved set",
            "2 openai OPENAI_API_KEY moved set",
            "3 openai OPENAI_API_KEY moved set",
            "4 openai X moved copy",
            "5 openai Y moved copy",
        ],
    );
}

#[test]
fn operands_and_one_line_ifs_are_filled() {
    let key = openai(1);
    comes_out(
        Dialect::Csh,
        &format!(
            "if ( ! $?OPENAI_API_KEY ) setenv OPENAI_API_KEY {key}   # c\n\
            if ( $?A == 0 && {{ test 1 = 1 }} ) if ( 2 ) setenv OPENAI_API_KEY '{key}'\n\
            test 1 = 1 && setenv OPENAI_API_KEY {key} || echo no\n\
            setenv OPENAI_API_KEY {key} && setenv OPENAI_API_KEY {key}\nsetenv A 1; setenv OPENAI_API_KEY {key} # d\n\
            setenv OPENAI_API_KEY {key}; setenv B 2\n"
        ),
        "if ( ! $?OPENAI_API_KEY ) :   # c\nif ( $?A == 0 && { test 1 = 1 } ) if ( 2 ) :\ntest 1 = 1 && : || echo no\n\
        setenv A 1 # d\nsetenv B 2\n",
        &[
            "1 openai OPENAI_API_KEY moved setenv",
            "2 openai OPENAI_API_KEY moved setenv",
            "3 openai OPENAI_API_KEY moved setenv",
            "4 openai OPENAI_API_KEY moved setenv",
            "4 openai OPENAI_API_KEY moved setenv",
            "5 openai OPENAI_API_KEY moved setenv",
            "6 openai OPENAI_API_KEY moved setenv",
        ],
    );
}

#[test]
fn every_body_gets_a_filler() {
    let set = format!("setenv OPENAI_API_KEY {}", openai(1));
    for (before, after) in [
        ("if ( 1 ) then\n  SET # c\nendif\n", "if ( 1 ) then\n  :\nendif\n"),
        (
            "if ( 0 ) then\n  SET\nelse if ( 1 ) then # d\n\tSET\nelse\n  # why\n  SET\nendif\n",
            "if ( 0 ) then\n  :\nelse if ( 1 ) then # d\n\t:\nelse\n  # why\n  :\nendif\n",
        ),
        ("foreach x ( a b )\n  SET\nend\n", "foreach x ( a b )\n  :\nend\n"),
        ("while ( 0 )\n  SET\nend\n", "while ( 0 )\n  :\nend\n"),
        (
            "switch ( a )\n  case a:\n  case b*:\n    SET\n    breaksw\n  default:\n    SET\nendsw\n",
            "switch ( a )\n  case a:\n  case b*:\n    breaksw\n  default:\n    :\nendsw\n",
        ),
        ("( SET )\n", "( : )\n"),
        ("( SET ; setenv A 1 ) > /dev/null\n", "( setenv A 1 ) > /dev/null\n"),
        (
            "if ( 1 ) then\n  foreach x ( a )\n    SET\n  end\nendif\n",
            "if ( 1 ) then\n  foreach x ( a )\n    :\n  end\nendif\n",
        ),
        ("if ( 1 ) then\n  echo a\nelse SET\nendif\n", "if ( 1 ) then\n  echo a\nelse :\nendif\n"),
    ] {
        let before = before.replace("SET", &set);
        let (out, _) = scrub(before.as_bytes(), Dialect::Csh);
        assert_eq!(String::from_utf8_lossy(&out), after);
        assert!(accepts(CHECK, before.as_bytes()) && accepts(CHECK, &out), "{after}");
        let run = ["tcsh", "-f"];
        assert_eq!(says(&run, before.as_bytes()), says(&run, &out), "{after}");
    }
}

#[test]
fn other_uses_are_reported_with_their_name() {
    let key = openai(1);
    for (text, found) in [
        ("alias c 'env OPENAI_API_KEY=% python'\n", "1 openai OPENAI_API_KEY alias"),
        ("env OPENAI_API_KEY=% python\n", "1 openai OPENAI_API_KEY inline-prefix"),
        ("alias c 'env OPENAI_API_KEY=% claude'\n", "1 openai OPENAI_API_KEY launcher"),
        ("env OPENAI_API_KEY=% claude\n", "1 openai OPENAI_API_KEY launcher"),
        ("setenv OPENAI_API_KEY `echo %`\n", "1 openai OPENAI_API_KEY substitution"),
        ("eval 'setenv OPENAI_API_KEY %'\n", "1 openai OPENAI_API_KEY substitution"),
        ("set OPENAI_API_KEY = ( % )\n", "1 openai OPENAI_API_KEY array"),
        ("set OPENAI_API_KEY[1] = %\n", "1 openai OPENAI_API_KEY array"),
        ("claude --api-key %\n", "1 openai - argument"),
        ("setenv OPENAI_API_KEY % > file\n", "1 openai OPENAI_API_KEY argument"),
        ("setenv OPENAI_API_KEY % &\n", "1 openai OPENAI_API_KEY argument"),
        ("setenv OPENAI_API_KEY % | cat\n", "1 openai OPENAI_API_KEY argument"),
        ("( setenv OPENAI_API_KEY %; claude )\n", "1 openai OPENAI_API_KEY launcher"),
        ("( if ( 1 ) setenv OPENAI_API_KEY % ; set a = ( b ) ; claude )\n", "1 openai OPENAI_API_KEY launcher"),
        ("cat << EOF\nOPENAI_API_KEY=%\nEOF\n", "2 openai OPENAI_API_KEY heredoc"),
        ("if ( $x == % ) echo a\n", "1 openai - argument"),
        ("switch ( % )\ncase a:\nendsw\n", "1 openai - argument"),
    ] {
        let text = text.replace('%', &key);
        comes_out(Dialect::Csh, &text, &text, &[found]);
    }
}

#[test]
fn nothing_is_placed_behind_what_stays_open() {
    let (a, b) = (openai(1), openai(2));
    for open in [
        "echo \"open\n",
        "echo 'open\n",
        "echo `open\n",
        "if ( 1 ) then\n",
        "foreach x ( a )\n",
        "endif\n",
        "cat << EOF\n",
        "( echo\n",
        "if $x setenv A b\n",
        "echo a )\n",
        "switch ( a )\necho\n",
    ] {
        let text = format!("setenv OPENAI_API_KEY {b}\n{open}setenv OPENAI_API_KEY {a}\n# {b}\n");
        let (out, examined) = scrub(text.as_bytes(), Dialect::Csh);
        assert_eq!(String::from_utf8_lossy(&out), text.split_once('\n').expect("lines").1, "{open}");
        assert_eq!(examined.findings().len(), 3, "{open}");
        assert!(summary(&examined)[1].ends_with("OPENAI_API_KEY unparsed"), "{open}: {:?}", summary(&examined));
    }
}

#[test]
fn continued_lines_and_line_ends_are_kept_apart() {
    let key = openai(1);
    comes_out(
        Dialect::Csh,
        &format!("setenv A 1\r\nsetenv \\\r\n  OPENAI_API_KEY \\\r\n  '{key}'\r\n# {key}\r\nsetenv B 2"),
        "setenv A 1\r\n# <moved-to-ringlet:openai/default>\r\nsetenv B 2",
        &["3 openai OPENAI_API_KEY moved setenv", "5 openai - moved comment"],
    );
    let mut before = b"# caf\xe9\nsetenv MISTRAL_API_KEY ".to_vec();
    before.extend_from_slice(mistral(1).as_bytes());
    before.extend_from_slice(b"\necho \"\xff\"\t\n");
    let (out, examined) = scrub(&before, Dialect::Csh);
    assert_eq!(summary(&examined), ["2 mistral MISTRAL_API_KEY moved setenv"]);
    assert_eq!(out, b"# caf\xe9\necho \"\xff\"\t\n");
}

#[test]
fn what_tcsh_sees_changes_by_the_keys_alone() {
    let (a, b) = (openai(1), mistral(2));
    let before = format!(
        "setenv EDITOR vim\nsetenv OPENAI_API_KEY '{a}' # x\nif ( 1 ) then\n  setenv MISTRAL_API_KEY {b}\nendif\n\
        if ( ! $?FOO ) setenv FOO bar\nif ( 1 ) setenv OPENAI_API_KEY {a}\nset path = ( $path /opt )\n\
        alias ll 'ls -l'\nsetenv LAST 1"
    );
    let (out, _) = scrub(before.as_bytes(), Dialect::Csh);
    assert!(accepts(CHECK, before.as_bytes()) && accepts(CHECK, &out));
    let probe = |file: &[u8]| says(&["tcsh", "-f"], &[file, b"\nenv ; alias\n"].concat());
    let (was, is) = (probe(before.as_bytes()), probe(&out));
    let folder = std::env::temp_dir();
    let folder = folder.to_str().expect("a name in UTF-8");
    let kept = |text: &str| {
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("_API_KEY"))
            .map(|line| line.split(folder).next().unwrap_or(""))
            .collect();
        lines.join("\n")
    };
    assert!(was.contains(&format!("OPENAI_API_KEY={a}")) && was.contains(&format!("MISTRAL_API_KEY={b}")));
    assert!(!is.contains("_API_KEY"), "{is}");
    assert!(is.contains("LAST=1"));
    assert_eq!(kept(&was), kept(&is));
}

#[test]
fn what_stands_before_a_line_that_cannot_be_read_is_edited() {
    let key = openai(1);
    let text = format!("a; b\nc\nsetenv OPENAI_API_KEY {key}\nd; e\nf; setenv OPENAI_API_KEY {key}; g (\n");
    let after = text.replacen(&format!("setenv OPENAI_API_KEY {key}\n"), "", 1);
    let found = ["3 openai OPENAI_API_KEY moved setenv", "5 openai OPENAI_API_KEY unparsed"];
    comes_out(Dialect::Csh, &text, &after, &found);
}

/// Scripts that tcsh accepts, with a key wherever a command may stand.
fn sensible() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "setenv OPENAI_API_KEY @",
        "setenv OPENAI_API_KEY '@' # c",
        "set OPENAI_API_KEY = @ A=1",
        "setenv A 1",
        "# only",
        "",
        "echo x",
        "setenv OPENAI_API_KEY \\\n  @",
        "if ( 1 ) setenv OPENAI_API_KEY @",
        "( setenv OPENAI_API_KEY @ )",
        "test 1 = 1 && setenv OPENAI_API_KEY @ || setenv OPENAI_API_KEY @",
        "setenv OPENAI_API_KEY @; setenv OPENAI_API_KEY @;setenv B 1",
    ]);
    let script = leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|lines| lines.join("\n")),
            inner.clone().prop_map(|body| format!("setenv A 1 ; {body}")),
            inner.clone().prop_map(|body| format!("if ( 1 ) then\n{body}\nendif")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("if ( 0 ) then\n  {a}\nelse if ( 1 ) then\n{b}\nelse\n\t{a}\nendif")),
            inner.clone().prop_map(|body| format!("foreach x ( a )\n{body}\nend")),
            inner.clone().prop_map(|body| format!("while ( 0 )\n{body}\nend")),
            inner.prop_map(|body| format!("switch ( a )\ncase a:\n{body}\nbreaksw\ndefault:\n{body}\nendsw")),
        ]
    });
    (script, any::<bool>()).prop_map(|(text, end)| {
        let text = if end { format!("{text}\n") } else { text };
        text.replace('@', &openai(7))
    })
}

#[test]
fn tcsh_accepts_and_does_what_is_left_of_what_it_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..250 {
        let text = sensible().new_tree(&mut runner).expect("a text").current();
        is_sound(&read(text.as_bytes()), text.as_bytes());
        let (out, _) = scrub(text.as_bytes(), Dialect::Csh);
        if out != text.as_bytes() && accepts(CHECK, text.as_bytes()) && accepts(&["tcsh", "-f"], text.as_bytes()) {
            accepted += 1;
            assert!(accepts(CHECK, &out), "{text}\n-----\n{}", String::from_utf8_lossy(&out));
            assert_eq!(says(&["tcsh", "-f"], text.as_bytes()), says(&["tcsh", "-f"], &out), "{text}");
        }
    }
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn the_words_of_a_command_that_gives_the_key_are_none() {
    for command in [
        "op read op://Private/openai/credential",
        "security find-generic-password -a me -s openai -w",
        "pass show providers/openai/personal",
    ] {
        for text in [
            format!("setenv OPENAI_API_KEY `{command}`\n"),
            format!("setenv OPENAI_API_KEY \"`{command}`\"\n"),
            format!("set OPENAI_API_KEY=`{command}`\n"),
        ] {
            comes_out(Dialect::Csh, &text, &text, &[]);
        }
    }
    let text = format!("setenv MISTRAL_API_KEY `echo {}`\n", mistral(1));
    comes_out(Dialect::Csh, &text, &text, &["1 mistral MISTRAL_API_KEY substitution"]);
}
