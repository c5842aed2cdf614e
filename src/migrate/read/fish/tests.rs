use crate::migrate::dialect::Dialect;
use crate::migrate::model::Script;
use crate::migrate::testing::{
    accepts, comes_out, corpus_of, is_sound, literals, mistral, openai, says, scrub, summary,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn read(bytes: &[u8]) -> Script {
    crate::migrate::read::read(bytes, Dialect::Fish, crate::migrate::vocabulary::Terms::built_in())
}

const CHECK: &[&str] = &["fish", "-N", "-n"];

fn one(text: &str) -> (String, Vec<u8>) {
    let found = literals(&read(text.as_bytes()));
    assert_eq!(found.len(), 1, "{text}");
    found[0].clone()
}

#[test]
fn corpus_of_fish_comes_out_byte_for_byte() {
    assert!(corpus_of("fish", Dialect::Fish) >= 5);
}

#[test]
fn words_say_what_fish_says_they_do() {
    let words = [
        r"plain",
        r"'a b'",
        r#""a b""#,
        r#"a'b'"c"d"#,
        r"'it\'s'",
        r"'a\nb\\c'",
        r#""q\"w\$e\\r\t""#,
        r"a\ b",
        r"\x41\x42c",
        r"\101\u0042\U00000043",
        r"a\tb\nc",
        r"\cA",
        "a\\\nb",
        "\"a\\\nb\"",
        "'a\\\nb'",
        "a#b",
        "a=b:c,d@e%f^g",
        "'a\nb'",
        "\u{e9}\u{1f600}",
        r"\e\a\b\f\v\r",
        r"'$HOME'",
        r#""(echo x)""#,
        "-n",
        "+1.5",
        "12",
        "''x",
    ];
    for word in words {
        let text = format!("set -g v -- {word}");
        let script = read(text.as_bytes());
        // `--` after the name is a value, so such a word is a list; the plain form decides.
        assert!(literals(&script).is_empty(), "{word}");
        let text = format!("set -g v {word}\n");
        let (name, value) = one(&text);
        assert_eq!(name, "v");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, &text).expect("the file is written");
        let out = std::process::Command::new("fish")
            .args(["-N", "-c", "source $argv[1]; printf %s $v", "--"])
            .arg(&path)
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", folder.path())
            .output()
            .expect("fish runs");
        assert_eq!(out.stdout, value, "{word}");
    }
}

#[test]
fn what_fish_expands_is_no_literal() {
    for word in ["$x", "a$x", "\"a$x\"", "(echo a)", "\"$(echo a)\"", "{a,b}", "~/x", "*.c", "a?", "$x[1]", "a b"] {
        assert!(literals(&read(format!("set v {word}").as_bytes())).is_empty(), "{word}");
    }
}

#[test]
fn flags_stand_in_any_order_and_may_be_shortened() {
    for flags in [
        "",
        "-gx",
        "-xg",
        "-x -g",
        "-Ux",
        "-l",
        "-f",
        "--global --export",
        "--glob --exp",
        "-g --export",
        "-gx --",
        "--path",
    ] {
        let (name, value) = one(&format!("set {flags} A k\n"));
        assert_eq!((name.as_str(), value.as_slice()), ("A", &b"k"[..]), "{flags}");
    }
    for other in [
        "set -e A",
        "set -q A",
        "set -a A k",
        "set --append A k",
        "set --prep A k",
        "set -S A",
        "set A[1] k",
        "set --nothing A k",
        "set",
    ] {
        assert!(literals(&read(other.as_bytes())).is_empty(), "{other}");
    }
}

#[test]
fn lists_are_reported_and_not_cut() {
    let (a, b) = (openai(1), openai(2));
    comes_out(
        Dialect::Fish,
        &format!("set -gx OPENAI_API_KEY {a} {b}\nset -gx -a XKEYS {a}\n"),
        &format!("set -gx OPENAI_API_KEY {a} {b}\nset -gx -a XKEYS {a}\n"),
        &["1 openai OPENAI_API_KEY array", "1 openai OPENAI_API_KEY array", "2 openai XKEYS array"],
    );
}

#[test]
fn a_condition_keeps_its_and_so_that_the_emptied_body_gets_its_filler() {
    let key = openai(1);
    comes_out(
        Dialect::Fish,
        &format!("if test -d /; and test -d /tmp\n  set -gx OPENAI_API_KEY {key}\nend\n"),
        "if test -d /; and test -d /tmp\n  true\nend\n",
        &["2 openai OPENAI_API_KEY moved set"],
    );
    comes_out(
        Dialect::Fish,
        &format!(
            "if set -q X\n  # why\n  and true\n  set -gx OPENAI_API_KEY {key} # here\n\
            else if set -gx Y 1\n  set -gx OPENAI_API_KEY {key}\nelse\n  set -gx OPENAI_API_KEY {key}\nend\n"
        ),
        "if set -q X\n  # why\n  and true\n  true\nelse if set -gx Y 1\n  true\nelse\n  true\nend\n",
        &[
            "4 openai OPENAI_API_KEY moved set",
            "6 openai OPENAI_API_KEY moved set",
            "8 openai OPENAI_API_KEY moved set",
        ],
    );
}

#[test]
fn operands_are_filled_and_whole_lists_go() {
    let (a, b) = (openai(1), openai(2));
    comes_out(
        Dialect::Fish,
        &format!(
            "set -q X; or set -gx OPENAI_API_KEY {a}; and echo x\nset -gx OPENAI_API_KEY {a}\n\
            and set -gx OPENAI_API_KEY {b}\ntest 1 && set -gx OPENAI_API_KEY {a} || ! set -gx OPENAI_API_KEY {b}\n\
            not set -gx OPENAI_API_KEY {a}\nset -gx A 1; set -gx OPENAI_API_KEY {a} # x\n\
            set -gx OPENAI_API_KEY {a}; set -gx B 1\n"
        ),
        "set -q X; or true; and echo x\ntest 1 && true || ! true\nset -gx A 1 # x\nset -gx B 1\n",
        &[
            "1 openai OPENAI_API_KEY moved set",
            "2 openai OPENAI_API_KEY moved set",
            "3 openai OPENAI_API_KEY moved set",
            "4 openai OPENAI_API_KEY moved set",
            "4 openai OPENAI_API_KEY moved set",
            "5 openai OPENAI_API_KEY moved set",
            "6 openai OPENAI_API_KEY moved set",
            "7 openai OPENAI_API_KEY moved set",
        ],
    );
}

#[test]
fn every_body_gets_a_filler() {
    let key = openai(1);
    let set = format!("set -gx OPENAI_API_KEY {key}");
    for (before, after) in [
        ("begin; SET; end\n", "begin; true; end\n"),
        ("function keys\n\tSET\nend\n", "function keys\n\ttrue\nend\n"),
        ("function keys --on-event x -d 'y'; SET; end\n", "function keys --on-event x -d 'y'; true; end\n"),
        ("for i in 1 2\n  SET\nend\n", "for i in 1 2\n  true\nend\n"),
        ("while false\n  SET\nend\n", "while false\n  true\nend\n"),
        (
            "switch $x\n  case a b\n    SET\n  case '*'\n    SET\nend\n",
            "switch $x\n  case a b\n    true\n  case '*'\n    true\nend\n",
        ),
        ("begin\n  SET\nend > /dev/null\n", "begin\n  true\nend > /dev/null\n"),
        ("if true; SET; end; echo x\n", "if true; true; end; echo x\n"),
        ("if SET\n  echo x\nend\n", "if true\n  echo x\nend\n"),
        ("echo a | while read -l x; SET; end\n", "echo a | while read -l x; true; end\n"),
    ] {
        let (out, _) = scrub(before.replace("SET", &set).as_bytes(), Dialect::Fish);
        assert_eq!(String::from_utf8_lossy(&out), after);
        assert!(accepts(CHECK, &out), "{after}");
    }
}

#[test]
fn launchers_are_reported_whole() {
    let key = openai(1);
    for (text, reason) in [
        ("function c\n set -lx OPENAI_API_KEY KEY\n claude $argv\nend\n", "launcher"),
        ("function c\n set -gx X (hostname)\n if true; set -lx OPENAI_API_KEY KEY; end\nend\n", "launcher"),
        ("begin; set -lx OPENAI_API_KEY KEY; claude; end\n", "launcher"),
        ("OPENAI_API_KEY=KEY claude\n", "launcher"),
        ("A=1 OPENAI_API_KEY='KEY' claude\n", "launcher"),
        ("env -u X OPENAI_API_KEY=KEY claude\n", "launcher"),
        ("OPENAI_API_KEY=KEY python\n", "inline-prefix"),
        ("A=1 OPENAI_API_KEY='KEY' python\n", "inline-prefix"),
        ("env -u X OPENAI_API_KEY=KEY python\n", "inline-prefix"),
        ("alias c='OPENAI_API_KEY=KEY claude'\n", "launcher"),
        ("abbr -a c \"OPENAI_API_KEY=KEY claude\"\n", "launcher"),
        ("alias c='OPENAI_API_KEY=KEY python'\n", "alias"),
        ("abbr --add c -- OPENAI_API_KEY=KEY claude\n", "launcher"),
        ("abbr --add c -- OPENAI_API_KEY=KEY python\n", "alias"),
        ("set -gx OPENAI_API_KEY (echo KEY)\n", "substitution"),
        ("set -gx OPENAI_API_KEY \"$(echo KEY)\"\n", "substitution"),
        ("eval 'set -gx OPENAI_API_KEY KEY'\n", "substitution"),
        ("set -gx OPENAI_API_KEY KEY &\n", "argument"),
        ("set -gx OPENAI_API_KEY KEY > file\n", "argument"),
        ("set -gx OPENAI_API_KEY KEY | cat\n", "argument"),
        ("set OPENAI_API_KEY[1] KEY\n", "array"),
    ] {
        let text = text.replace("KEY claude", &format!("{key} claude")).replace("KEY python", &format!("{key} python"));
        let text = text.replace(" KEY", &format!(" {key}"));
        let text = text.replace("=KEY", &format!("={key}")).replace("'KEY", &format!("'{key}"));
        comes_out(
            Dialect::Fish,
            &text,
            &text,
            &[&format!(
                "{} openai OPENAI_API_KEY {reason}",
                if reason == "launcher" && text.starts_with("function c\n set -lx") {
                    2
                } else if text.contains("hostname") {
                    3
                } else {
                    1
                }
            )],
        );
    }
}

#[test]
fn exports_of_several_names_lose_one_word() {
    let key = openai(1);
    comes_out(
        Dialect::Fish,
        &format!("export A=1 OPENAI_API_KEY=\"{key}\" B=2\nexport OPENAI_API_KEY={key}\nset X $OPENAI_API_KEY\n"),
        "export A=1 B=2\n",
        &["1 openai OPENAI_API_KEY moved export", "2 openai OPENAI_API_KEY moved export", "3 openai X moved copy"],
    );
}

#[test]
fn bytes_around_a_key_stay_as_they_are() {
    let key = mistral(1);
    let before = format!("# caf\u{e9}\r\nset -gx MISTRAL_API_KEY '{key}'\r\n\tset A \u{fe}1").into_bytes();
    let before: Vec<u8> = before.into_iter().map(|byte| if byte == 0xc3 { 0xff } else { byte }).collect();
    let (out, examined) = scrub(&before, Dialect::Fish);
    assert_eq!(summary(&examined), ["2 mistral MISTRAL_API_KEY moved set"]);
    assert_eq!(examined.findings()[0].value.as_slice(), key.as_bytes());
    assert_eq!(out, b"# caf\xff\xa9\r\n\tset A \xff\xbe1");
}

#[test]
fn continued_lines_go_with_their_statement() {
    let key = openai(1);
    comes_out(
        Dialect::Fish,
        &format!(
            "set -gx \\\n  OPENAI_API_KEY \\\n  {key}\nset A 1\nset -gx OPENAI_API_KEY sk-proj-\\\n{}\n",
            &key[8..]
        ),
        "set A 1\n",
        &["2 openai OPENAI_API_KEY moved set", "5 openai OPENAI_API_KEY moved set"],
    );
}

#[test]
fn what_does_not_parse_is_reported_and_its_neighbours_move() {
    let (a, b) = (openai(1), openai(2));
    // fish takes the odd lines. The grammar does not, and is then asked about each statement by itself.
    let stays = format!("set -gx OPENAI_API_KEY \\\n # x\n {a}\n");
    let odd = format!("function odd\n  set -q A \\\n # x\n\n  set -gx OPENAI_API_KEY {a}\nend\n{stays}");
    let left = format!("function odd\n  set -q A \\\n # x\n\nend\n{stays}");
    comes_out(
        Dialect::Fish,
        &format!("set -gx OPENAI_API_KEY {b}\n{odd}set -gx OPENAI_API_KEY {b}\nset A 1\n"),
        &format!("{left}set A 1\n"),
        &[
            "1 openai OPENAI_API_KEY moved set",
            "6 openai OPENAI_API_KEY moved set",
            "8 openai OPENAI_API_KEY unparsed",
            "11 openai OPENAI_API_KEY moved set",
        ],
    );
    for open in ["echo \"open\n", "if true\n", "echo 'open\n", "begin\n", "echo (open\n", "end\n"] {
        let text = format!("{open}set -gx OPENAI_API_KEY {a}\n# {b}\n");
        let (out, examined) = scrub(text.as_bytes(), Dialect::Fish);
        assert_eq!(String::from_utf8_lossy(&out), text);
        assert!(summary(&examined).iter().all(|line| !line.contains("moved")), "{open}");
        assert_eq!(examined.findings().len(), 2, "{open}");
    }
}

#[test]
fn what_fish_sees_changes_by_the_keys_alone() {
    let (a, b) = (openai(1), mistral(2));
    let before = format!(
        "set -gx EDITOR vim\nset -gx OPENAI_API_KEY '{a}' # x\nif true; set -gx MISTRAL_API_KEY {b}; end\n\
        set -q FOO; or set -gx FOO bar\nset -q OPENAI_API_KEY; or set -gx OPENAI_API_KEY {a}\n\
        function keys\n  set -gx OPENAI_API_KEY {a}\nend\nset -gx LAST 1"
    );
    let (out, _) = scrub(before.as_bytes(), Dialect::Fish);
    assert!(accepts(CHECK, before.as_bytes()) && accepts(CHECK, &out));
    let probe = ["fish", "-N", "-c", "source $argv[1]; env; functions -n", "--"];
    let folder = std::env::temp_dir();
    let folder = folder.to_str().expect("a name in UTF-8");
    let kept = |text: String| {
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("_API_KEY"))
            .map(|line| line.split(folder).next().unwrap_or(""))
            .collect();
        lines.join("\n")
    };
    let (was, is) = (says(&probe, before.as_bytes()), says(&probe, &out));
    assert!(was.contains(&format!("OPENAI_API_KEY={a}")) && was.contains(&format!("MISTRAL_API_KEY={b}")));
    assert!(!is.contains("_API_KEY"), "{is}");
    assert_eq!(kept(was), kept(is));
}

#[test]
fn fish_own_scripts_are_read_soundly() {
    let out = std::process::Command::new("fish").args(["-N", "-c", "echo -n $__fish_data_dir"]).output();
    let data = String::from_utf8(out.expect("fish runs").stdout).expect("a path");
    let mut files = 0;
    for folder in ["functions", "completions"] {
        for entry in std::fs::read_dir(std::path::Path::new(&data).join(folder)).expect("fish's own scripts") {
            let bytes = std::fs::read(entry.expect("a file").path()).expect("a file");
            let script = read(&bytes);
            is_sound(&script, &bytes);
            files += 1;
        }
    }
    assert!(files > 500, "{files}");
}

#[test]
fn keys_among_more_words_than_are_kept_are_reported() {
    let key = openai(1);
    let words = "a ".repeat(5000);
    for (text, found) in [
        (format!("echo {words}'{key}' b\n"), "1 openai - argument"),
        (format!("set OPENAI_API_KEYS {words}{key}\n"), "1 openai OPENAI_API_KEYS array"),
        (format!("export {} OPENAI_API_KEY={key}\n", "A=b ".repeat(5000)), "1 openai OPENAI_API_KEY argument"),
    ] {
        comes_out(Dialect::Fish, &text, &text, &[found]);
    }
}

#[test]
fn what_fish_accepts_is_read_to_its_end() {
    let key = openai(1);
    for line in ["echo a 2>|cat", "echo a >|cat", "a &| b", "set \u{e9} 1; echo $\u{e9}", "echo \"$\u{e9}t\u{e9}\""] {
        // Which letters a name may have depends on the locale.
        assert!(!line.is_ascii() || accepts(CHECK, line.as_bytes()), "{line}");
        let text = format!("{line}\nset -gx OPENAI_API_KEY {key}\n");
        comes_out(Dialect::Fish, &text, &format!("{line}\n"), &["2 openai OPENAI_API_KEY moved set"]);
    }
}

#[test]
fn a_large_construct_is_confirmed_part_by_part() {
    let key = openai(1);
    let other = "set -gx A abcdefghijklmnopqrst; and true\n".repeat(10_000);
    let text = format!("if true\n{other}set -gx OPENAI_API_KEY {key}\n{other}end\n");
    let after = format!("if true\n{other}{other}end\n");
    comes_out(Dialect::Fish, &text, &after, &["10002 openai OPENAI_API_KEY moved set"]);
}

#[test]
fn a_block_with_a_local_variable_and_a_program_is_a_launcher() {
    let key = openai(1);
    for (block, is_launcher) in [
        ("begin; set -l OPENAI_API_KEY %; codex; end\n", true),
        ("begin; set -lx OPENAI_API_KEY %; and codex; end\n", true),
        ("begin; builtin set -l OPENAI_API_KEY %; codex; end\n", true),
        ("begin; set -l A (set -l B 1); set -gx OPENAI_API_KEY %; codex; end\n", true),
        ("begin; set -l OPENAI_API_KEY %; end\n", false),
        ("begin; echo (set -l A 1); set -gx OPENAI_API_KEY %; python; end\n", false),
        ("begin; begin; set -l A 1; end; set -gx OPENAI_API_KEY %; python; end\n", false),
        ("begin; function f; set -l A 1; end; set -gx OPENAI_API_KEY %; python; end\n", false),
    ] {
        let text = block.replace('%', &key);
        let found = if is_launcher { "1 openai OPENAI_API_KEY launcher" } else { "1 openai OPENAI_API_KEY moved set" };
        assert_eq!(summary(&scrub(text.as_bytes(), Dialect::Fish).1), [found], "{block}");
    }
}

/// Scripts that fish accepts, with a key wherever a command may stand.
fn sensible() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "set -gx OPENAI_API_KEY @",
        "set -l OPENAI_API_KEY '@'",
        "export OPENAI_API_KEY=@ A=1",
        "set A 1",
        "echo x # c",
        "set -gx OPENAI_API_KEY @ # c",
        "set -gx OPENAI_API_KEY \\\n  @",
        "# only",
        "",
        "echo 'a\nb'",
    ]);
    let script = leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        let joined = (inner.clone(), inner.clone());
        // A comment ends its line, so what closes a block stands on a line of its own.
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|lines| lines.join("\n")),
            joined.prop_map(|(a, b)| format!("set A 1; {a}\n{b}")),
            inner.clone().prop_map(|body| format!("if true\n{body}\nend")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("if false; and true\n  {a}\nelse if true\n{b}\nelse\n\t{a}\nend")),
            inner.clone().prop_map(|body| format!("begin; {body}\nend | cat")),
            inner.clone().prop_map(|body| format!("function f\n{body}\nend")),
            inner.clone().prop_map(|body| format!("switch x\ncase a\n{body}\ncase '*'\n{body}\nend")),
            inner.clone().prop_map(|body| format!("while false\n{body}\nend")),
            inner.prop_map(|body| format!("for i in 1\n{body}\nend > /dev/null")),
            Just("test 1 && set -gx OPENAI_API_KEY @ || not set -gx OPENAI_API_KEY @".to_owned()),
            Just("set -gx OPENAI_API_KEY @; and set A 1\nor set -gx OPENAI_API_KEY @".to_owned()),
            Just("set -gx OPENAI_API_KEY @; set -gx OPENAI_API_KEY @;set B 1;".to_owned()),
        ]
    });
    (script, any::<bool>(), any::<bool>()).prop_map(|(text, crlf, end)| {
        let text = if end { format!("{text}\n") } else { text };
        let text = if crlf { text.replace("\\\n", "").replace("a\nb", "ab").replace('\n', "\r\n") } else { text };
        text.replace('@', &openai(7))
    })
}

#[test]
fn fish_accepts_what_is_left_of_what_it_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..300 {
        let text = sensible().new_tree(&mut runner).expect("a text").current();
        let (out, _) = scrub(text.as_bytes(), Dialect::Fish);
        if out != text.as_bytes() && accepts(CHECK, text.as_bytes()) {
            accepted += 1;
            assert!(accepts(CHECK, &out), "{text}\n-----\n{}", String::from_utf8_lossy(&out));
            if accepted <= 60 {
                let seen = ["fish", "-N", "-c", "source $argv[1]; set --show A B", "--"];
                assert_eq!(says(&seen, text.as_bytes()), says(&seen, &out), "{text}");
            }
        }
    }
    assert!(accepted > 150, "{accepted}");
}

#[test]
fn the_words_of_a_command_that_gives_the_key_are_none() {
    for command in [
        "op read \"op://Private/openai/credential\"",
        "security find-generic-password -a $USER -s openai -w",
        "pass show providers/openai/personal",
        "cat ~/.config/secrets/openai.personal",
    ] {
        for text in [
            format!("set -gx OPENAI_API_KEY ({command})\n"),
            format!("set -gx OPENAI_API_KEY \"$({command})\"\n"),
            format!("OPENAI_API_KEY=({command}) codex\n"),
        ] {
            comes_out(Dialect::Fish, &text, &text, &[]);
        }
    }
    let text = format!("set -gx MISTRAL_API_KEY (echo {})\n", mistral(1));
    comes_out(Dialect::Fish, &text, &text, &["1 mistral MISTRAL_API_KEY substitution"]);
    let text = "alias k 'env OPENAI_API_KEY=op://Private/openai/credential-account op run -- codex'\n";
    comes_out(Dialect::Fish, text, text, &[]);
}
