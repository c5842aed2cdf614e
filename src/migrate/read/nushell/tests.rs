use crate::migrate::dialect::Dialect;
use crate::migrate::model::{Node, Script};
use crate::migrate::testing::{comes_out, corpus_of, is_sound, literals, mistral, openai, scrub, summary};

fn read(bytes: &[u8]) -> Script {
    crate::migrate::read::read(bytes, Dialect::Nushell, crate::migrate::vocabulary::Terms::built_in())
}

#[test]
fn corpus_of_nushell_comes_out_byte_for_byte() {
    assert!(corpus_of("nu", Dialect::Nushell) >= 1);
}

#[test]
fn words_say_what_nushell_says_they_do() {
    for (word, value) in [
        (r#""plain""#, "plain"),
        ("'a b'", "a b"),
        (r"'a\'", r"a\"),
        (r#""q\"w\\e\/r\tz\u{e9}\u{1f600}""#, "q\"w\\e/r\tz\u{e9}\u{1f600}"),
        (r#""\e[0m\a\b\f\n\r\'""#, "\u{1b}[0m\u{7}\u{8}\u{c}\n\r'"),
        (r#""\(\)\{\}\$\^\#\|\~""#, "(){}$^#|~"),
        (r#"$"\e\(\)\{\}\$\^\#\|\~""#, "\u{1b}(){}$^#|~"),
        ("r#'k'5'#", "k'5"),
        ("r##'k'#5'##", "k'#5"),
        ("$'k6'", "k6"),
        (r#"$"k\(6\)""#, "k(6)"),
        ("\"a;b|c#d\"", "a;b|c#d"),
        ("\"a\nb\"", "a\nb"),
        ("k-1_2.3", "k-1_2.3"),
        ("\"\"", ""),
    ] {
        let found = literals(&read(format!("$env.V = {word} # c\n").as_bytes()));
        assert_eq!(found, [("V".to_owned(), value.as_bytes().to_vec())], "{word}");
        let found = literals(&read(format!("load-env {{V: {word}, W: 1}}\n").as_bytes()));
        assert_eq!(found.first(), Some(&("V".to_owned(), value.as_bytes().to_vec())), "{word}");
    }
}

#[test]
fn what_nushell_computes_is_no_literal() {
    for word in [
        "$x",
        "$env.HOME",
        "$\"a($x)\"",
        "(\"a\")",
        "\"a\" + \"b\"",
        "\"a\" | str trim",
        "[a b]",
        "{a: b}",
        "`a`",
        "a*",
        "~/x",
        "if true { \"a\" } else { \"b\" }",
    ] {
        assert!(literals(&read(format!("$env.V = {word}\n").as_bytes())).is_empty(), "{word}");
    }
    for other in [
        "$env.V += \"k\"",
        "$env.V.x = \"k\"",
        "let V = \"k\"",
        "let-env V \"k\"",
        "load-env $x",
        "load-env {$k: \"v\"}",
    ] {
        assert!(literals(&read(format!("{other}\n").as_bytes())).is_empty(), "{other}");
    }
}

#[test]
fn settings_go_and_nothing_else_does() {
    let (a, b) = (openai(1), mistral(2));
    comes_out(
        Dialect::Nushell,
        &format!(
            "$env.EDITOR = \"vim\"\n$env.OPENAI_API_KEY = \"{a}\" # openai\n\
            $env.A = \"1\"; $env.MISTRAL_API_KEY = '{b}'\n\
            $env.OPENAI_API_KEY? = r#'{a}'#\n$env.\"OPENAI_API_KEY\" = \"{a}\"\n$env.'MISTRAL_API_KEY' = '{b}'\n\
            $env.COPY = $env.OPENAI_API_KEY\nlet-env OPENAI_API_KEY = \"{a}\"\n\
            # was {a}\nsource ~/x.nu\n"
        ),
        "$env.EDITOR = \"vim\"\n$env.A = \"1\"\n# was <moved-to-ringlet:openai/default>\nsource ~/x.nu\n",
        &[
            "2 openai OPENAI_API_KEY moved nu-env",
            "3 mistral MISTRAL_API_KEY moved nu-env",
            "4 openai OPENAI_API_KEY moved nu-env",
            "5 openai OPENAI_API_KEY moved nu-env",
            "6 mistral MISTRAL_API_KEY moved nu-env",
            "7 openai COPY moved copy",
            "8 openai OPENAI_API_KEY moved let-env",
            "9 openai - moved comment",
        ],
    );
}

#[test]
fn a_backtick_at_the_end_of_a_line_is_a_quote() {
    let key = openai(1);
    for line in ["print `a;`", "print `a; `", "print `a`"] {
        let text = format!("{line}\n$env.OPENAI_API_KEY = \"{key}\"\n");
        comes_out(Dialect::Nushell, &text, &format!("{line}\n"), &["2 openai OPENAI_API_KEY moved nu-env"]);
    }
}

#[test]
fn entries_of_a_record_go_one_by_one() {
    let (a, b) = (openai(1), mistral(2));
    for (before, after) in [
        ("load-env {OPENAI_API_KEY: \"@\"}\n", ""),
        ("load-env {OPENAI_API_KEY: \"@\", B: 1}\n", "load-env { B: 1}\n"),
        ("load-env {B: 1, OPENAI_API_KEY: @}\n", "load-env {B: 1,}\n"),
        ("load-env { B: 1 , 'OPENAI_API_KEY': '@' }; print a\n", "load-env { B: 1 , }; print a\n"),
        (
            "load-env {\n  OPENAI_API_KEY: \"@\"\n  B: 1 # c\n  MISTRAL_API_KEY: '%',\n}\n",
            "load-env {\n  B: 1 # c\n}\n",
        ),
        ("load-env {\n  # keys\n  OPENAI_API_KEY: \"@\",\n  MISTRAL_API_KEY: '%'\n}\n$env.A = 1\n", "$env.A = 1\n"),
    ] {
        let before = before.replace('@', &a).replace('%', &b);
        let (out, examined) = scrub(before.as_bytes(), Dialect::Nushell);
        assert_eq!(String::from_utf8_lossy(&out), after, "{before}");
        assert!(summary(&examined).iter().all(|found| found.ends_with(" moved load-env")), "{before}");
        assert_eq!(scrub(&out, Dialect::Nushell).0, out);
    }
}

#[test]
fn blocks_need_no_filler() {
    let key = openai(1);
    comes_out(
        Dialect::Nushell,
        &format!(
            "if $x == 1 {{\n  $env.OPENAI_API_KEY = \"{key}\"\n}} else {{ $env.OPENAI_API_KEY = \"{key}\" }}\n\
            export-env {{ $env.OPENAI_API_KEY = \"{key}\"; $env.A = \"1\" }}\n\
            for x in [1 2] {{ $env.OPENAI_API_KEY = \"{key}\" }}\n\
            try {{ $env.OPENAI_API_KEY = \"{key}\" }} catch {{ print no }}\n\
            def --env keys [] {{ $env.OPENAI_API_KEY = \"{key}\" }}\n"
        ),
        "if $x == 1 {\n} else { }\nexport-env { $env.A = \"1\" }\nfor x in [1 2] { }\ntry { } catch { print no }\n\
        def --env keys [] { }\n",
        &[
            "2 openai OPENAI_API_KEY moved nu-env",
            "3 openai OPENAI_API_KEY moved nu-env",
            "4 openai OPENAI_API_KEY moved nu-env",
            "5 openai OPENAI_API_KEY moved nu-env",
            "6 openai OPENAI_API_KEY moved nu-env",
            "7 openai OPENAI_API_KEY moved nu-env",
        ],
    );
}

#[test]
fn other_uses_are_reported_with_their_name() {
    let key = openai(1);
    for (text, found) in [
        ("alias c = with-env {OPENAI_API_KEY: \"%\"} { codex }\n", "1 openai OPENAI_API_KEY launcher"),
        ("with-env {OPENAI_API_KEY: \"%\"} { codex }\n", "1 openai OPENAI_API_KEY launcher"),
        ("with-env {OPENAI_API_KEY: \"%\"} { python a.py }\n", "1 openai OPENAI_API_KEY inline-prefix"),
        ("OPENAI_API_KEY=\"%\" python a.py\n", "1 openai OPENAI_API_KEY inline-prefix"),
        ("OPENAI_API_KEY=\"%\" codex exec\n", "1 openai OPENAI_API_KEY launcher"),
        ("def ds [] {\n  $env.OPENAI_API_KEY = \"%\"\n  ^codex\n}\n", "2 openai OPENAI_API_KEY launcher"),
        ("do { $env.OPENAI_API_KEY = \"%\"; codex }\n", "1 openai OPENAI_API_KEY launcher"),
        ("$env.OPENAI_API_KEY = (echo \"%\")\n", "1 openai OPENAI_API_KEY substitution"),
        ("$env.OPENAI_API_KEY = \"%\" | str trim\n", "1 openai OPENAI_API_KEY argument"),
        ("$env.OPENAI_API_KEY = \"%\" # c\n# d\n| str trim\n", "1 openai OPENAI_API_KEY argument"),
        ("$env.OPENAI_API_KEYS = [\"%\"]\n", "1 openai OPENAI_API_KEYS array"),
        ("$env.OPENAI_API_KEY += \"%\"\n", "1 openai OPENAI_API_KEY append"),
        ("claude --api-key \"%\"\n", "1 openai - argument"),
        ("load-env {OPENAI_API_KEY: \"%\", ...$more}\n", "1 openai OPENAI_API_KEY array"),
        ("print a & $env.OPENAI_API_KEY = \"%\"\n", "1 openai OPENAI_API_KEY argument"),
        ("$env.\"OPENAI_API_KEY\".x = \"%\"\n", "1 openai OPENAI_API_KEY argument"),
        ("$env.config = {hooks: {OPENAI_API_KEY: \"%\"}}\n", "1 openai OPENAI_API_KEY array"),
    ] {
        let text = text.replace('%', &key);
        comes_out(Dialect::Nushell, &text, &text, &[found]);
    }
}

#[test]
fn nothing_of_a_file_that_nushell_refuses_is_placed() {
    let (a, b) = (openai(1), openai(2));
    for open in
        ["print \"open\n", "print 'open\n", "if true {\n", "print (open\n", "print [\n", "}\n", ")\n", "{a: b\n"]
    {
        let text = format!("$env.OPENAI_API_KEY = \"{b}\"\n{open}$env.OPENAI_API_KEY = \"{a}\"\n# {b}\n");
        let (out, examined) = scrub(text.as_bytes(), Dialect::Nushell);
        assert_eq!(String::from_utf8_lossy(&out), text, "{open}");
        assert!(summary(&examined).iter().all(|found| !found.contains(" moved ")), "{open}: {:?}", summary(&examined));
        assert_eq!(examined.findings().len(), 3, "{open}: {:?}", summary(&examined));
    }
}

#[test]
fn real_configurations_are_read_to_their_end() {
    for text in [
        "$env.config = {\n  show_banner: false, # no\n  hooks: {\n    pre_prompt: [{ || print a }]\n\
            env_change: {\n\
        PWD: [{|before, after| print $after }]\n    }\n  }\n  keybindings: [\n    {\n\
            name: x\n      modifier: control\n\
        event: [{ send: menu name: y } { edit: clear }]\n    }\n  ]\n}\n",
        "$env.PATH = ($env.PATH | split row (char esep) | prepend '/opt/bin' | uniq)\n",
        "def greet [name: string = \"you\", ...rest: int, --loud (-l)] : nothing -> string {\n  $\"hi ($name)\"\n}\n",
        "$env.PROMPT_COMMAND = {|| create_left_prompt }\n",
        "$env.ENV_CONVERSIONS = {\n  \"PATH\": {\n    from_string: { |s| $s | split row (char esep) }\n\
        to_string: { |v| $v | str join (char esep) }\n  }\n}\n",
        "match $x {\n  1..3 => { print a },\n  _ if $y => (print b),\n  {a: $b} => {}\n}\n",
        "ls | where size > 1kb | each {|it| $it.name } | first\n  | str upcase\n  # c\n  | print\n",
        "mut i = 0; while $i < 3 { $i += 1 }\n",
        "use std/log\nexport use x.nu *\noverlay use y\n^ls -la o> /dev/null e>| lines\n",
        "if (which x | is-not-empty) and not (y) { z } else if true { a } else { b }\n",
        "let t = [[name, value]; [a, 1], [b, 2]]\n",
        "try { a } catch {|e| print $e.msg }\n",
    ] {
        let script = read(text.as_bytes());
        is_sound(&script, text.as_bytes());
        let is_lost = |node: &Node| *node.span() == (0..text.len()) && matches!(node, Node::Other(_));
        assert!(!script.nodes.iter().any(is_lost), "{text}");
    }
}

#[test]
fn keys_among_more_words_than_are_kept_are_reported() {
    let key = openai(1);
    let words = "a ".repeat(5000);
    for (text, found) in [
        (format!("print {words}{key} b\n"), "1 openai - argument"),
        (format!("$env.OPENAI_API_KEYS = [{words}'{key}' b]\n"), "1 openai OPENAI_API_KEYS array"),
        (format!("$env.X = [[{words}] [{words}] {{OPENAI_API_KEY: {key}}}]\n"), "1 openai OPENAI_API_KEY array"),
        (format!("load-env {{{}, OPENAI_API_KEY: '{key}'}}\n", "A: b, ".repeat(5000)), "1 openai OPENAI_API_KEY array"),
    ] {
        comes_out(Dialect::Nushell, &text, &text, &[found]);
    }
}
