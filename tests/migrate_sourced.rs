//! What a file still does after its keys were moved: every form that moves is sourced in the real shell, before and after.
//!
//! The shell prints the variables that each file sets. Before the move every stored key is the value of a variable. After
//! it the variables that held a key are gone, and every other one is unchanged.

use super::common::world::{World, finish};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every form of the shells of Bourne's family that sets a key, each with its own.
const POSIX: &[&str] = &[
    "K0={0}; export K0\n",
    "export K1={1}\n",
    "export K2=\"{2}\" K2B=kept\n",
    "K3='{3}' K3B='kept too'\nexport K3 K3B\n",
    "export K4=\"{4a}\"'{4b}'\n",
    "export K5={5a}\\\n{5b}\n",
    "export \\\n  K6={6} \\\n  K6B=kept\n",
    "export K7=\"${K7:-{7}}\"\n",
    ": \"${K8:={8}}\"; export K8\n",
    "readonly K9={9}\nexport K9\n",
    "if true; then\n  export K10={10}\nelse\n  export K10B=never\nfi\n",
    "case x in\n  y) export K11B=never ;;\n  *) export K11={11} ;;\nesac\n",
    "for i in 1; do export K12={12}; done\n",
    "{ export K13={13}; }\n",
    "true && export K14={14} && export K14B=kept\n",
    "false || export K15={15}\n",
    "export K16={16} # a comment\nexport K16B=kept; export K16C={16c}; export K16D=kept\n",
    "setkey() {\n  export K17={17}\n}\nsetkey\n",
    "[ -z \"$K18\" ] && export K18={18}\n",
    "export K19={19}\nexport K19B=\"$K19\"\n",
];

/// Those of bash and zsh beside these.
const MODERN: &[&str] = &[
    "declare -x K20={20}\n",
    "typeset -x K21='{21}' K21B=kept\n",
    "export K22=$'{22a}\\x2d{22b}'\n",
    "declare -rx K23=\"{23}\"\n",
    "function setmore {\n\texport K24={24}\n}\nsetmore\n",
    "[[ -n $HOME ]] && export K25={25} || export K25B=never\n",
    "if [[ -z $K26 ]]; then export K26={26}; fi\n",
];

const FISH: &[&str] = &[
    "set -gx K0 {0}\n",
    "set -x K1 '{1}'\n",
    "set --global --export K2 \"{2}\"; set -gx K2B kept\n",
    "set -gx -- K3 {3} # a comment\n",
    "if true\n    set -gx K4 {4}\nelse\n    set -gx K4B never\nend\n",
    "set -q K5; or set -gx K5 {5}\n",
    "true; and set -gx K6 {6}\n",
    "begin\n    set -gx K7 {7}\nend\n",
    "switch x\n    case y\n        set -gx K8B never\n    case '*'\n        set -gx K8 {8}\nend\n",
    "function setkey\n    set -gx K9 {9}\nend\nsetkey\n",
    "test -z \"$K10\" && set -gx K10 {10}\n",
    "set -gx K11 {11a}\\x2d{11b}\n",
    "set -gx K12 {12}; set -gx K12B kept\nset -gx K12C $K12\n",
    "for i in 1\n    set -gx K13 {13}\nend\n",
];

const TCSH: &[&str] = &[
    "setenv K0 {0}\n",
    "setenv K1 \"{1}\" # a comment\n",
    "setenv K2 '{2}'; setenv K2B kept\n",
    "if (! $?K3) setenv K3 {3}\n",
    "if (1) then\n  setenv K4 {4}\nelse\n  setenv K4B never\nendif\n",
    "switch (x)\n  case y:\n    setenv K5B never\n    breaksw\n  default:\n    setenv K5 {5}\n    breaksw\nendsw\n",
    "foreach i (1)\n  setenv K6 {6}\nend\n",
];

/// The key with this number. It matches its provider's own pattern, so that the variables may have any name.
fn key(number: usize) -> String {
    format!("pplx-TEST{number:02}FAKEqwertyTEST{:02}FAKEuiopasTEST{:02}FAKEdfghjk", 99 - number, number * 7 % 89)
}

/// Fills the keys in: `{7}` whole, `{7a}` and `{7b}` in two parts that join with a dash where the form writes it so.
fn filled(fragments: &[&str]) -> String {
    let mut text = fragments.concat();
    for number in 0..30 {
        let whole = key(number);
        let dash = whole[..20].rfind('-').expect("keys have dashes");
        let (first, rest) = if text.contains(&format!("{{{number}a}}\\x2d")) {
            (whole[..dash].to_owned(), whole[dash + 1..].to_owned())
        } else {
            (whole[..20].to_owned(), whole[20..].to_owned())
        };
        text = text.replace(&format!("{{{number}}}"), &whole);
        text = text.replace(&format!("{{{number}a}}"), &first).replace(&format!("{{{number}b}}"), &rest);
        text = text.replace(&format!("{{{number}c}}"), &key(number + 30));
    }
    text
}

/// What the shell has once it has read the file: every variable that is set, in shells that can export them all.
fn sourced(world: &World, shell: &str, file: &Path) -> BTreeMap<String, String> {
    let (program, words): (&str, &[&str]) = match shell {
        "bash" => ("bash", &["--norc", "--noprofile", "-c", "set -a; . \"$1\" >/dev/null 2>&1; env -0", "_"]),
        "sh" => ("dash", &["-c", "set -a; . \"$1\" >/dev/null 2>&1; env -0", "_"]),
        "zsh" => ("zsh", &["-f", "-c", "setopt allexport; . \"$1\" >/dev/null 2>&1; env -0", "_"]),
        "fish" => ("fish", &["--no-config", "-c", "source $argv[1] >/dev/null 2>&1; env -0"]),
        "tcsh" => ("tcsh", &["-f", "-c", "source $1:q >& /dev/null; env -0"]),
        other => panic!("no shell {other}"),
    };
    let mut command = world.process(program);
    command.args(words).arg(file);
    let done = finish(&mut command);
    assert_eq!(done.status, Some(0), "{shell} {}: {done:?}", file.display());
    let pairs = done.stdout.split('\0').filter_map(|pair| pair.split_once('='));
    // What differs from one start of a shell to the next.
    let passing = ["_", "SHLVL", "PWD", "OLDPWD", "PPID", "RANDOM", "SECONDS", "LINENO", "BASHPID", "OPTIND"];
    pairs.filter(|(name, _)| !passing.contains(name)).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

fn stored(world: &World) -> BTreeSet<String> {
    let text = fs::read_to_string(world.path("home/.config/ringlet/credentials.toml")).unwrap_or_default();
    let table: toml::Table = text.parse().expect("credentials.toml is whole");
    let entries = table.values().flat_map(|aliases| aliases.as_table().expect("tables").values());
    entries.map(|entry| entry["key"].as_str().expect("text").to_owned()).collect()
}

/// Sources, scrubs, sources again; gives the values that were moved and what the shell had of them before.
#[track_caller]
fn scrubbed(shell: &str, path: &str, text: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let world = World::new();
    let file = world.write(path, text);
    let before = sourced(&world, shell, &file);
    let done = world.run(&["migrate", "--yes", &file.to_string_lossy()]);
    assert!(matches!(done.status, Some(0 | 3)), "{done:?}");
    let after = sourced(&world, shell, &file);
    let moved = stored(&world);
    let shown = String::from_utf8_lossy(&fs::read(&file).expect("there")).into_owned();
    let holds = |value: &str| moved.iter().any(|key| value.contains(key.as_str()));
    for (name, value) in &before {
        let wanted = if moved.contains(value) { None } else { Some(value) };
        assert!(
            holds(value) || after.get(name) == wanted,
            "{shell}: {name} was {value:?}, is {:?}\n{shown}",
            after.get(name)
        );
        assert!(!moved.contains(value) || !after.contains_key(name), "{shell}: {name} is still set\n{shown}");
    }
    for (name, value) in &after {
        assert!(!holds(value), "{shell}: {name} still has a key\n{shown}");
        assert!(before.contains_key(name), "{shell}: {name} was not there before\n{shown}");
    }
    let had = before.into_values().filter(|value| moved.contains(value)).collect();
    (moved, had)
}

#[test]
fn every_form_that_moves_was_what_the_shell_had_and_leaves_the_rest_alone() {
    let modern = [POSIX, MODERN].concat();
    for (shell, path, fragments) in [
        ("bash", "home/.bashrc", &modern[..]),
        ("zsh", "home/.zshrc", &modern[..]),
        ("sh", "home/.profile", POSIX),
        ("fish", "home/.config/fish/config.fish", FISH),
        ("tcsh", "home/.tcshrc", TCSH),
    ] {
        // Each form by itself, then all of them in one file.
        for fragment in fragments {
            let text = filled(&["# first\n", fragment, "# last\n"]);
            let (moved, had) = scrubbed(shell, path, text.as_bytes());
            assert_eq!(moved, had, "{shell}: {text}");
            assert!(!moved.is_empty(), "{shell}: {text}");
        }
        let (moved, had) = scrubbed(shell, path, filled(fragments).as_bytes());
        assert_eq!(moved, had, "{shell}");
        assert!(moved.len() >= fragments.len(), "{shell}: {} of {}", moved.len(), fragments.len());
    }
}

#[test]
fn the_corpus_does_the_same_before_and_after() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate-corpus/cases");
    let mut cases: Vec<_> = fs::read_dir(folder).expect("the corpus").map(|it| it.expect("readable").path()).collect();
    cases.sort();
    let mut seen = 0;
    for case in cases {
        let expect: toml::Table = fs::read_to_string(case.join("expect.toml")).expect("there").parse().expect("TOML");
        let text = |key: &str| expect[key].as_str().expect("text").to_owned();
        let shell = text("shell");
        if !["bash", "sh", "zsh", "fish", "tcsh"].contains(&shell.as_str()) {
            continue;
        }
        // Where an account moves into a profile, the shell has less.
        if ["profile", "setting", "command"].iter().any(|key| expect.contains_key(*key)) {
            continue;
        }
        seen += 1;
        let files = fs::read_dir(&case).expect("a case").map(|it| it.expect("readable").path());
        let input = files.into_iter().find(|it| it.file_stem().is_some_and(|stem| stem == "input")).expect("an input");
        let path = text("path").trim_start_matches("~/").trim_start_matches("./").to_owned();
        let (moved, had) = scrubbed(&shell, &format!("home/{path}"), &fs::read(input).expect("readable"));
        assert!(had.is_subset(&moved), "{}", case.display());
    }
    assert!(seen >= 25, "{seen} cases have a shell");
}
