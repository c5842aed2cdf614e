//! What holds for every language: any bytes are read soundly, any row of a language's own pieces is scrubbed once, and
//! long and deep rows of one piece take time in proportion to their length. A language is a row of the table.

use crate::migrate::dialect::Dialect;
use crate::migrate::model::Script;
use crate::migrate::testing::{is_sound, openai, scrub};
use crate::migrate::vocabulary::Terms;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

// In its texts `%` is a key.
struct Tried {
    dialect: Dialect,
    // What random rows are made of.
    pieces: &'static [&'static str],
    // What a row of one piece begins with, the piece, and what ends it.
    long: &'static [(&'static str, &'static str, &'static str)],
    // What opens a construct, again and again, before a setting.
    deep: (&'static [&'static str], &'static str),
}

macro_rules! languages {
    ($($name:ident: $tried:ident,)+) => {$(
        mod $name {
            use super::$tried as TRIED;

            #[test]
            fn any_bytes_are_read_soundly() {
                super::any_bytes(&TRIED);
            }

            #[test]
            fn any_script_is_read_soundly_and_scrubbed_once() {
                super::any_script(&TRIED);
            }

            #[test]
            fn time_grows_with_the_size_of_the_file() {
                super::long_rows(&TRIED);
            }

            #[test]
            fn deep_nesting_is_refused_and_loses_no_key() {
                super::deep_rows(&TRIED);
            }
        }
    )+};
}

fn read(bytes: &[u8], dialect: Dialect) -> Script {
    super::read(bytes, dialect, Terms::built_in())
}

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

fn any_bytes(tried: &Tried) {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let result = cases(500).run(&bytes, |bytes| {
        is_sound(&read(&bytes, tried.dialect), &bytes);
        Ok(())
    });
    result.expect("any bytes are read soundly");
}

fn any_script(tried: &Tried) {
    let pieces = prop::sample::select(tried.pieces);
    let text = prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat().replace('%', &openai(7)));
    let result = cases(500).run(&text, |text| {
        is_sound(&read(text.as_bytes(), tried.dialect), text.as_bytes());
        let (out, _) = scrub(text.as_bytes(), tried.dialect);
        prop_assert_eq!(&scrub(&out, tried.dialect).0, &out);
        Ok(())
    });
    result.expect("any script is read soundly and scrubbed once");
}

// What opens or joins something in one of the languages, and is tried in all of them.
const SIGNS: &[&str] = &[
    "(", "{", "[", "\"", "'", "`", "$(", "${", "\"$(", "@(", "@{", "{\"a\":", "[a]", "()", "{}", "\"\"", "'\"", "\\",
    "$", "~", "*[a", "<", "!", "#", ";", ",", "& ", "| ", "- ", "-not ", "\n", "\r\n",
];

// Each takes minutes where the time grows with the square of the size, and ends the test where the depth does.
fn long_rows(tried: &Tried) {
    for row in tried.long.iter().copied().chain(SIGNS.iter().map(|sign| ("", *sign, ""))) {
        let [before, piece, after] = <[&str; 3]>::from(row).map(|text| text.replace('%', &openai(1)));
        let text = format!("{before}{}{after}", piece.repeat(60_000 / piece.len()));
        let (out, examined) = scrub(text.as_bytes(), tried.dialect);
        assert_eq!(examined.findings().is_empty(), !text.contains(&openai(1)), "{row:?}");
        assert!(examined.moves() || out == text.as_bytes(), "{row:?}");
    }
}

fn deep_rows(tried: &Tried) {
    let (opened, setting) = tried.deep;
    for open in opened {
        let text = format!("{}{}\n", open.repeat(20_000), setting.replace('%', &openai(1)));
        is_sound(&read(text.as_bytes(), tried.dialect), text.as_bytes());
        let (_, examined) = scrub(text.as_bytes(), tried.dialect);
        let found: Vec<_> = examined.findings().iter().map(|found| (found.line, found.provider.as_str())).collect();
        assert_eq!(found, [(text.lines().count(), "openai")], "{open}");
    }
}

static BASH: Tried = Tried {
    dialect: Dialect::Bash,
    pieces: &[
        "export OPENAI_API_KEY=%",
        "OPENAI_API_KEY='%'",
        "A=1",
        "declare -x OPENAI_API_KEY=\"%\"",
        "; ",
        "\n",
        " # c\n",
        "if true; then ",
        "elif false; then ",
        "else ",
        "fi",
        "while false; do ",
        "done",
        "case a in ",
        "a) ",
        ";;",
        "esac",
        "{ ",
        "}",
        "f() ",
        "( ",
        ")",
        "$(",
        "`",
        "${A:-",
        "$((",
        "))",
        "[[ a == b ]]",
        "'",
        "\"",
        "\\\n",
        "\r\n",
        " && ",
        " || ",
        " | ",
        " & ",
        "! ",
        "$x",
        "A=(",
        "echo x",
        " >/dev/null",
        " <<E\n",
        "E\n",
        "<<<",
        "\u{e9}",
        "\t",
        "\\",
    ],
    long: &[
        ("", "a\n", ""),
        ("", "a;", "\n"),
        ("", "a && ", "b\n"),
        ("", "A=b ", "\n"),
        ("echo ", "a ", "\n"),
        ("echo ", "$(a)", "\n"),
        ("echo ", "${a}", "\n"),
        ("echo ", "`a`", "\n"),
        ("echo \"", "\\\"", "\"\n"),
        ("a=(", "b ", ")\n"),
        ("a=(", "[b]=c ", ")\n"),
        ("", "a <<E\nb\nE\n", ""),
        ("", "$(a[", ""),
        ("", "${x:-$((", ""),
        ("", "{ a[1 $(", ""),
        ("", "$[", ""),
        ("", "((", ""),
        ("", "x=(", ""),
        ("", "export A=$(", ""),
        ("", "f() {", ""),
        ("", "{a", ""),
        ("if a; then\n", "b\nelif c; then\n", "d\nfi\n"),
        ("case a in\n", "b) c;;\n", "esac\n"),
        ("export ", "A=% ", "\n"),
        ("true", " && export OPENAI_API_KEY=%", "\n"),
        ("if true; then\n", "export OPENAI_API_KEY=%\n", "fi\n"),
        ("", "export OPENAI_API_KEY=%\n", "(\n"),
    ],
    deep: (
        &["( ", "$(", "{ ", "if ", "while a; do ", "case a in b) ", "f() { ", "${x:-", "x=("],
        "export OPENAI_API_KEY=%",
    ),
};

static ZSH: Tried = Tried { dialect: Dialect::Zsh, ..BASH };

static CSH: Tried = Tried {
    dialect: Dialect::Csh,
    pieces: &[
        "setenv OPENAI_API_KEY %",
        "set OPENAI_API_KEY = %",
        "setenv A 1",
        "set b = ( c )",
        "; ",
        "\n",
        " # c\n",
        "if ( 1 ) ",
        "if ( 1 ) then\n",
        "else\n",
        "else if ( 0 ) then\n",
        "endif\n",
        "foreach x ( a )\n",
        "while ( 0 )\n",
        "end\n",
        "switch ( a )\n",
        "case a:\n",
        "default:\n",
        "breaksw\n",
        "endsw\n",
        "'",
        "\"",
        "`",
        "(",
        ")",
        "\\\n",
        "\r\n",
        " && ",
        " || ",
        " | ",
        " & ",
        "$x",
        "${x",
        "{",
        "[",
        "!",
        "\u{e9}",
        "\t",
        "echo x",
        " > /dev/null",
        " << EOF\n",
        "EOF\n",
        "\\",
    ],
    long: &[
        ("", "a\n", ""),
        ("", "a;", "\n"),
        ("", "if (a) b;", "\n"),
        ("", "if (a) ", "b\n"),
        ("set x = (", "a ", ")\n"),
        ("set ", "x=(a) ", "\n"),
        ("set ", "a = b ", "\n"),
        ("echo ", "`a`", "\n"),
        ("echo ", "$a", "\n"),
        ("setenv A \"", "a\\\n", "\"\n"),
        ("if (a) then\n", "else if (b) then\nc\n", "endif\n"),
        ("switch (a)\n", "case b:\nc\n", "endsw\n"),
        ("true", " && setenv OPENAI_API_KEY %", "\n"),
        ("if (1) then\n", "setenv OPENAI_API_KEY %\n", "endif\n"),
        ("", "setenv OPENAI_API_KEY %\n", "(\n"),
        ("", "a; ", "(\n"),
    ],
    deep: (&["( ", "if ( 1 ) ", "if ( 1 ) then\n", "foreach x ( a )\n"], "setenv OPENAI_API_KEY %"),
};

static FISH: Tried = Tried {
    dialect: Dialect::Fish,
    pieces: &[
        "set -gx OPENAI_API_KEY %",
        "set A 1",
        "export OPENAI_API_KEY=%",
        "and ",
        "or ",
        "not ",
        "; ",
        "\n",
        " # c\n",
        "if true\n",
        "else\n",
        "else if false\n",
        "end\n",
        "begin\n",
        "function f\n",
        "for i in a\n",
        "while true\n",
        "switch x\n",
        "case a\n",
        "'",
        "\"",
        "(",
        ")",
        "\\\n",
        "\r\n",
        " && ",
        " || ",
        " | ",
        " & ",
        "$x",
        "{",
        "}",
        "[",
        "\u{e9}",
        "\t",
        "echo x",
        "  ",
        " > /dev/null",
    ],
    long: &[
        ("", "a\n", ""),
        ("", "a\nand b\n", ""),
        ("if a\n", "and b\n", "c; end\n"),
        ("a && \\\n", "# b\n", "c\n"),
        ("set x ", "a ", "\n"),
        ("set x ", "(a) ", "\n"),
        ("echo ", "(a)", "\n"),
        ("echo ", "$a", "\n"),
        ("echo \"", "\\\"", "\"\n"),
        ("if a\n", "else if b\nc\n", "end\n"),
        ("switch a\n", "case b\nc\n", "end\n"),
        (
            "",
            "begin; b; set -l x (begin; b; set -l x (begin; b; set -l x (begin; b; set -l x (\
             begin; b; set -l x (begin; b; set -l x (begin; b; set -l x (begin; b; set -l x (\
             begin; b; set -l x (begin; b; set -l x (begin; b; set -l x (begin; b; set -l x (\
             ); end); end); end); end); end); end); end); end); end); end); end); end\n",
            "",
        ),
        ("export ", "A=% ", "\n"),
        ("true", " && set -gx OPENAI_API_KEY %", "\n"),
        ("true\n", "and set -gx OPENAI_API_KEY %\n", ""),
        ("if true\n", "set -gx OPENAI_API_KEY %\n", "end\n"),
        ("", "set -gx OPENAI_API_KEY %\n", "(\n"),
    ],
    deep: (&["(", "echo (", "begin; ", "if true\n", "not ", "\"$(", "{", "true && "], "set -gx OPENAI_API_KEY %"),
};

static NUSHELL: Tried = Tried {
    dialect: Dialect::Nushell,
    pieces: &[
        "$env.OPENAI_API_KEY = \"%\"",
        "load-env {OPENAI_API_KEY: '%', A: 1}",
        "let-env OPENAI_API_KEY = %",
        "; ",
        "\n",
        " # c\n",
        "if true { ",
        "} else { ",
        "}",
        "{",
        "{|x| ",
        "(",
        ")",
        "[",
        "]",
        ", ",
        ": ",
        "\"",
        "'",
        "`",
        "$\"",
        "$'",
        "r#'",
        "'#",
        "$x",
        "$env.A",
        " = ",
        " | ",
        "\r\n",
        "\t",
        "def f [] { ",
        "match 1 { 1 => { ",
        "do { ",
        "...",
        "\\",
        "\u{e9}",
        "^ls ",
    ],
    long: &[
        ("", "a\n", ""),
        ("", "a # b\n\n", ""),
        ("", "a\n# b\n| ", "c"),
        ("print ", "a ", "\n"),
        ("print ", "(a) ", "\n"),
        ("print $\"", "(a)", "\"\n"),
        ("let x = [", "a, ", "]\n"),
        ("let x = [", "[a b] ", "]\n"),
        ("let x = {", "a: b, ", "}\n"),
        ("$env.A = \"", "\\n", "\"\n"),
        ("$env.A = '", "abc\n", "'\n"),
        ("", "r#", "'"),
        ("", "{\" ", ""),
        ("", "{a ", ""),
        ("", "do { a }\n", ""),
        ("load-env {", "A: \"%\", ", "}\n"),
        ("if true {\n", "$env.OPENAI_API_KEY = '%'\n", "}\n"),
        ("", "$env.OPENAI_API_KEY = '%'\n", "(\n"),
    ],
    deep: (&["(", "{", "[", "if true { ", "$\"(", "{a: ", "{|x| ", "do { "], "$env.OPENAI_API_KEY = '%'"),
};

static POWERSHELL: Tried = Tried {
    dialect: Dialect::PowerShell,
    pieces: &[
        "$env:OPENAI_API_KEY = '%'",
        "$env:A='1'",
        "setx OPENAI_API_KEY %",
        "; ",
        "\n",
        " # c\n",
        "if ($x) {",
        "} else {",
        "}",
        "function f {",
        "& {",
        "(",
        ")",
        "$(",
        "@{",
        "'",
        "\"",
        "`\n",
        "\r\n",
        " && ",
        " | ",
        " & ",
        "$x",
        "[",
        "]",
        "\u{e9}",
        "\u{2018}",
        "\u{201c}",
        "@\"\n",
        "\n\"@",
        "@'\n",
        "\n'@",
        "<#",
        "#>",
        "??",
        "??=",
        "echo x",
        "  ",
        "`",
        "`u{41}",
        "\u{feff}",
    ],
    long: &[
        ("", "a\n", ""),
        ("", "a;", "\n"),
        ("", "!|\n", ""),
        ("", "\"|\n", ""),
        ("", "!|\n", "$env:OPENAI_API_KEY = '%'\n"),
        ("", "()", ""),
        ("", "{}", ""),
        ("$a", "()", "\n"),
        ("$a", ".b", "\n"),
        ("$a", "[0]", "\n"),
        ("echo ", "a ", "\n"),
        ("echo ", "$(a)", "\n"),
        ("echo \"", "`\"", "\"\n"),
        ("$a = @(", "1,", "1)\n"),
        ("$a = @{", "b = 1;", "}\n"),
        ("if (1) { a } ", "elseif (2) { b } ", "\n"),
        ("switch (1) {\n", "2 { a }\n", "}\n"),
        ("", "[a]", "b\n"),
        ("", "{\"a\":", ""),
        ("", "a\r\n", ""),
        ("if (1) {\n", "$env:OPENAI_API_KEY = '%'\n", "}\n"),
        ("", "$env:OPENAI_API_KEY = '%'\n", "(\n"),
    ],
    deep: (&["(", "$x = \"$(", "& {", "if ($x) {", "@{a=", "[", "-not "], "$env:OPENAI_API_KEY = '%'"),
};

languages! {
    bash: BASH,
    zsh: ZSH,
    csh: CSH,
    fish: FISH,
    nushell: NUSHELL,
    powershell: POWERSHELL,
}
