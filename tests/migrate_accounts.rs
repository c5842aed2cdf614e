//! Every account that agents are given by a file is the same after `ringlet migrate`: launchers and plain starts are called in
//! the real shells before and after, with stand-ins that record what they were given.

use super::common::forms::{
    FISH, FISH_ALONE, Form, MODERN, NU, POSIX, POSIX_ALONE, POWERSHELL, TCSH, TCSH_ALONE, filled,
};
use super::common::stand_ins::{
    Called, ORDERS, Reads, Start, call, comparable, counting, has_hook, program, stand_in, starts,
};
use super::common::world::{World, finish};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What the stand-ins end with.
const STATUS: i32 = 7;

const AGENTS: [&str; 4] = ["claude", "codex", "gemini", "aider"];

/// How an agent is started.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// These words in a shell that has read the file.
    Words(String),
    /// The file itself is a program.
    Script,
}

/// A file of one shell, and the ways in which it starts agents.
struct Case {
    name: String,
    shell: String,
    path: String,
    input: Vec<u8>,
    ways: Vec<Way>,
    on_path: Vec<String>,
    is_named: bool,
}

fn stored(world: &World) -> BTreeSet<String> {
    let text = fs::read_to_string(world.path("home/.config/ringlet/credentials.toml")).unwrap_or_default();
    let table: toml::Table = text.parse().expect("credentials.toml is whole");
    let entries = table.values().flat_map(|aliases| aliases.as_table().expect("tables").values());
    entries.map(|entry| entry["key"].as_str().expect("text").to_owned()).collect()
}

fn run_way(world: &World, case: &Case, file: &Path, way: &Way, hooked: bool) -> Called {
    match way {
        Way::Words(words) => call(world, &case.shell, Reads::One(file), words, hooked),
        Way::Script => {
            let done = finish(world.process(file).args(["a b", "c"]));
            let said = format!("{}{}", done.stdout, done.stderr);
            Called { starts: starts(world), status: done.status.unwrap_or(-1), env: BTreeMap::new(), said }
        }
    }
}

/// The environment beside the account. Links to Ringlet stand on PATH afterwards.
fn rest(start: &Start, moved: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut rest = start.rest();
    rest.retain(|name, value| !moved.contains(value) && name != "PATH");
    rest
}

/// Reports whether two starts give the agent the same account, words and environment.
fn are_same(before: &Start, after: &Start, moved: &BTreeSet<String>) -> bool {
    let (first, second) = (before.account(), after.account());
    // Ringlet gives claude one credential, where several may have been set.
    let orders = ORDERS.iter().filter(|_| before.agent == "claude");
    let mut wanted = orders.map(|order| counting(&first, order)).chain([first.clone()]);
    let account = wanted.any(|it| comparable(&it) == comparable(&second));
    // The words stand behind what Ringlet tells the agent.
    let told = after.arguments.len().checked_sub(before.arguments.len());
    let words = told.is_some_and(|told| {
        let is_known = |word: &String| before.agent != "claude" || word == "--model";
        after.arguments[told..] == before.arguments[..] && after.arguments[..told].iter().all(is_known)
    });
    account && words && before.agent == after.agent && rest(before, moved) == rest(after, moved)
}

/// Runs every way before and after, and says what differs. How many ways there were.
fn run_case(case: &Case, wrong: &mut Vec<String>) -> usize {
    let mut world = World::new();
    world.link_ringlet();
    for agent in AGENTS {
        stand_in(&world, agent, STATUS);
    }
    let file = world.write(Path::new("home").join(&case.path), &case.input);
    if case.ways.contains(&Way::Script) {
        world.chmod(&file, 0o755);
    }
    let plain = case.on_path.iter().map(|agent| Way::Words(format!("{agent} 'a b' c")));
    let plain: Vec<Way> = plain.filter(|_| !case.ways.contains(&Way::Script)).collect();
    let ways: Vec<&Way> = case.ways.iter().chain(&plain).collect();
    let before: Vec<Called> = ways.iter().map(|way| run_way(&world, case, &file, way, false)).collect();

    let named = file.to_string_lossy().into_owned();
    let with = |words: &[&'static str]| -> Vec<String> {
        let own = case.is_named.then(|| named.clone());
        words.iter().map(|word| (*word).to_owned()).chain(own).collect()
    };
    let run = |words: &[&'static str]| {
        let words = with(words);
        world.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let plan: serde_json::Value =
        serde_json::from_str(&run(&["migrate", "--dry-run", "--json"]).stdout).expect("a plan");
    let withheld: BTreeSet<String> = plan["without_default"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["agent"].as_str().expect("a name").to_owned())
        .collect();
    let done = run(&["migrate", "--yes"]);
    assert!(matches!(done.status, Some(0 | 3)), "{}: {done:?}", case.name);
    let moved = stored(&world);
    let shown = String::from_utf8_lossy(&fs::read(&file).expect("there")).into_owned();
    if !has_hook(&case.shell) {
        // Such shells have links in place of the hook.
        let links = world.run(&["shims", "install"]).ok();
        let path = world.env().iter().find(|(name, _)| name == "PATH").expect("set").1.to_string_lossy().into_owned();
        world.set("PATH", format!("{}:{path}", links.trim_end()));
    }
    for (way, before) in ways.iter().zip(&before) {
        let after = run_way(&world, case, &file, way, true);
        let mut fails = |what: &str| {
            wrong.push(format!(
                "{} ({}) {way:?}: {what}\n before {:?} {}\n after  {:?} {} {}\n file:\n{shown}\n plan: {plan}\n",
                case.name,
                case.shell,
                before.starts.iter().map(|it| (it.account(), &it.arguments)).collect::<Vec<_>>(),
                before.status,
                after.starts.iter().map(|it| (it.account(), &it.arguments)).collect::<Vec<_>>(),
                after.status,
                after.said,
            ));
        };
        let [one] = &before.starts[..] else {
            fails("it does not start one agent");
            continue;
        };
        let [other] = &after.starts[..] else {
            fails("it does not start one agent afterwards");
            continue;
        };
        // A key that is kept away from an agent leaves it without one, and the plan says so.
        let is_kept_away = plain.contains(way)
            && withheld.contains(&one.agent)
            && other.account().is_empty()
            && one.account().iter().all(|sent| moved.contains(&sent.value));
        if !are_same(one, other, &moved) && !is_kept_away {
            fails(&format!("another account or other words: {:?}, {:?}", rest(one, &moved), rest(other, &moved)));
        }
        // An `unset` behind the agent hid its status, and is cut.
        if after.status != before.status && (before.status, after.status) != (0, STATUS) {
            fails("another status");
        }
        if let Some((name, _)) = after.env.iter().find(|(_, value)| moved.iter().any(|key| value.contains(key))) {
            fails(&format!("the shell has a key in {name}"));
        }
        // What an agent reads is its profile's, and that a function set it for good is no more.
        let is_account = |name: &str| {
            let agents = ["ANTHROPIC_", "API_TIMEOUT_MS", "CLAUDE_", "CODEX_", "OPENAI_", "GEMINI_", "GOOGLE_", "PATH"];
            agents.iter().any(|begin| name.starts_with(begin))
        };
        for (name, value) in &before.env {
            let passing = ["_", "SHLVL", "ENV", "OLDPWD"].contains(&name.as_str());
            if !passing && !is_account(name) && !moved.contains(value) && after.env.get(name) != Some(value) {
                fails(&format!("the shell has {name} as {:?} and had {value:?}", after.env.get(name)));
            }
        }
    }
    ways.len()
}

fn text<'t>(table: &'t toml::Table, key: &str) -> &'t str {
    table.get(key).and_then(toml::Value::as_str).unwrap_or_default()
}

fn tables<'t>(table: &'t toml::Table, key: &str) -> Vec<&'t toml::Table> {
    table.get(key).and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_table).collect()
}

fn input(case: &Path) -> PathBuf {
    let mut files = fs::read_dir(case).expect("a case").map(|it| it.expect("readable").path());
    files.find(|it| it.file_stem().is_some_and(|stem| stem == "input")).expect("an input")
}

/// The cases of the corpus that have to do with accounts.
fn corpus() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate-corpus/cases");
    let mut folders: Vec<_> =
        fs::read_dir(folder).expect("the corpus").map(|it| it.expect("readable").path()).collect();
    folders.sort();
    let mut found = Vec::new();
    for folder in folders {
        let expect: toml::Table = fs::read_to_string(folder.join("expect.toml")).expect("there").parse().expect("TOML");
        let path = text(&expect, "path").trim_start_matches("~/").trim_start_matches("./").to_owned();
        let is_script = path.starts_with("bin/");
        let mut ways: Vec<Way> = tables(&expect, "command")
            .iter()
            .filter_map(|it| it.get("call")?.as_str())
            .map(|words| Way::Words(format!("{words} 'a b' c")))
            .filter(|_| !is_script)
            .collect();
        ways.extend(is_script.then_some(Way::Script));
        let withheld = expect.get("no_default").and_then(toml::Value::as_array).into_iter().flatten();
        let withheld = withheld.filter_map(toml::Value::as_str).map(str::to_owned);
        let bound = tables(&expect, "profile");
        let on_path: BTreeSet<String> = bound.iter().map(|it| text(it, "agent").to_owned()).chain(withheld).collect();
        let shell = text(&expect, "shell").to_owned();
        if ["bash", "sh", "zsh", "fish", "tcsh", "nu", "powershell"].contains(&shell.as_str())
            && !(ways.is_empty() && on_path.is_empty())
        {
            found.push(Case {
                name: text(&expect, "name").to_owned(),
                shell,
                path,
                input: fs::read(input(&folder)).expect("readable"),
                ways,
                on_path: on_path.into_iter().collect(),
                is_named: text(&expect, "scope") == "explicit",
            });
        }
    }
    found
}

/// Runs the cases whose shells there are.
#[track_caller]
fn all_hold(cases: &[Case], least: usize) {
    let (mut wrong, mut ways) = (Vec::new(), 0);
    for case in cases {
        if program(&case.shell).is_none() {
            let _ = writeln!(std::io::stderr(), "{} did not run: {} is not installed", case.name, case.shell);
            continue;
        }
        ways += run_case(case, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} of {ways} ways:\n{}", wrong.len(), wrong.join("\n"));
    assert!(ways >= least, "{ways} ways were called");
}

#[test]
fn what_the_corpus_starts_has_the_same_account_before_and_after() {
    all_hold(&corpus(), 30);
}

/// The cases of one shell: its launchers in one file, and each of the others alone.
fn forms(shell: &str, path: &str, together: &[&[Form]], alone: &[Form], wrong: &mut Vec<String>) -> Vec<Case> {
    let case = |name: String, input: String, ways: Vec<Way>| Case {
        name,
        shell: shell.to_owned(),
        path: path.to_owned(),
        input: input.into_bytes(),
        ways,
        on_path: Vec::new(),
        is_named: false,
    };
    let words = |form: &Form, number: usize| Way::Words(format!("{} 'a b' c", filled(form.call, number)));
    let mut cases = Vec::new();
    let (mut all, mut ways) = ("# first\n".to_owned(), Vec::new());
    for (number, form) in together.iter().copied().flatten().enumerate() {
        all.push_str(&filled(form.text, number));
        ways.push(words(form, number));
    }
    cases.push(case(format!("launchers of {shell}"), all + "# last\n", ways));
    for (number, form) in alone.iter().enumerate() {
        let text = filled(form.text, number + 100);
        cases.push(case(text.clone(), format!("# first\n{text}# last\n"), vec![words(form, number + 100)]));
    }
    let all =
        together.iter().copied().flatten().enumerate().chain(alone.iter().enumerate().map(|(n, it)| (n + 100, it)));
    // ksh reads what sh reads.
    for (number, form) in all.filter(|_| shell != "ksh") {
        wrong.extend(moves_as_it_says(shell, path, form, number).err());
    }
    cases
}

/// Whether the keys of a form by itself go, or stay.
fn moves_as_it_says(shell: &str, path: &str, form: &Form, number: usize) -> Result<(), String> {
    let world = World::new();
    world.link_ringlet();
    AGENTS.iter().for_each(|agent| drop(stand_in(&world, agent, STATUS)));
    let text = filled(form.text, number);
    let file = world.write(Path::new("home").join(path), &text);
    let done = world.run(&["migrate", "--yes"]);
    let now = fs::read_to_string(file).expect("there");
    let status = if form.moves { 0 } else { 3 };
    let is_right = done.status == Some(status) && (now == text) != form.moves;
    is_right.then_some(()).ok_or_else(|| format!("{shell}: {text} gives {:?}\n{now}\n{}", done.status, done.stderr))
}

#[track_caller]
fn forms_hold(shell: &str, path: &str, together: &[&[Form]], alone: &[Form]) {
    if program(shell).is_none() {
        let _ = writeln!(std::io::stderr(), "{shell} is not installed: what it starts was not tried");
    }
    let mut wrong = Vec::new();
    let cases = forms(shell, path, together, alone, &mut wrong);
    assert!(wrong.is_empty(), "{} forms:\n{}", wrong.len(), wrong.join("\n"));
    let least =
        if program(shell).is_some() { together.iter().map(|it| it.len()).sum::<usize>() + alone.len() } else { 0 };
    all_hold(&cases, least);
}

#[test]
fn what_bash_starts_has_the_same_account() {
    forms_hold("bash", ".bashrc", &[POSIX, MODERN], POSIX_ALONE);
}

#[test]
fn what_zsh_starts_has_the_same_account() {
    forms_hold("zsh", ".zshrc", &[POSIX, MODERN], POSIX_ALONE);
}

#[test]
fn what_sh_starts_has_the_same_account() {
    forms_hold("sh", ".profile", &[POSIX], POSIX_ALONE);
}

#[test]
fn what_ksh_starts_has_the_same_account() {
    forms_hold("ksh", ".kshrc", &[POSIX, MODERN], POSIX_ALONE);
}

#[test]
fn what_fish_starts_has_the_same_account() {
    forms_hold("fish", ".config/fish/config.fish", &[FISH], FISH_ALONE);
}

#[test]
fn what_tcsh_starts_has_the_same_account() {
    forms_hold("tcsh", ".tcshrc", &[TCSH], TCSH_ALONE);
}

#[test]
fn what_nushell_starts_has_the_same_account() {
    forms_hold("nu", ".config/nushell/config.nu", &[NU], &[]);
}

#[test]
fn what_powershell_starts_has_the_same_account() {
    forms_hold("powershell", ".config/powershell/profile.ps1", &[POWERSHELL], &[]);
}

/// A shell's start file, the file that it reads, a statement that sets a variable, and start files by what reads it.
struct Sourcing {
    shell: &'static str,
    rc: &'static str,
    file: &'static str,
    sets: &'static str,
    // Those that read it in any case, and those that read it where the variable WORK is set, or is not.
    always: &'static [&'static str],
    perhaps: &'static [&'static str],
}

const SOURCING: &[Sourcing] = &[
    Sourcing {
        shell: "bash",
        rc: ".bash_profile",
        file: "acct",
        sets: "export N=V\n",
        always: &[
            "[ -f ~/acct ] && . ~/acct\n",
            "case $- in\n    *i*) ;;\n      *) return;;\nesac\nif [ -f ~/acct ]; then\n    . ~/acct\nfi\n",
            "if [ -n \"$BASH_VERSION\" ]; then\n    if [ -f \"$HOME/acct\" ]; then\n\t. \"$HOME/acct\"\n    fi\nfi\n",
            "[[ $- != *i* ]] && return\nfor f in ~/{none,acct}; do [ -r \"$f\" ] && source \"$f\"; done\n",
        ],
        perhaps: &[
            "[ -n \"$WORK\" ] && . ~/acct\n",
            "if [ -z \"$WORK\" ]; then :; else . ~/acct; fi\n",
            "case $WORK in 1) . ~/acct ;; esac\n",
            "[ -n \"$WORK\" ] || return\n. ~/acct\n",
            "r() { [ -n \"$WORK\" ] || return; . ~/acct; }\nr\n",
        ],
    },
    Sourcing {
        shell: "zsh",
        rc: ".zshrc",
        file: "acct",
        sets: "export N=V\n",
        always: &[
            "[[ -s ~/acct ]] && source ~/acct\n",
            "[[ -o interactive ]] || return\nif [[ -f ~/acct ]] { source ~/acct }\n",
            "for f (~/acct(N)) [[ -r $f ]] && source $f\n",
        ],
        perhaps: &["[[ -n $WORK ]] && source ~/acct\n", "if [[ -n $WORK ]] { source ~/acct }\n"],
    },
    Sourcing {
        shell: "fish",
        rc: ".config/fish/config.fish",
        file: "acct",
        sets: "set -gx N V\n",
        always: &[
            "test -e ~/acct; and source ~/acct\n",
            "if status is-interactive\n    test -f ~/acct && source ~/acct\nend\n",
        ],
        perhaps: &[
            "set -q WORK; and source ~/acct\n",
            "if not set -q WORK\n    true\nelse\n    source ~/acct\nend\n",
            "set -q WORK; or exit\nsource ~/acct\n",
            "switch \"$WORK\"\n    case 1\n        source ~/acct\nend\n",
        ],
    },
    Sourcing {
        shell: "tcsh",
        rc: ".tcshrc",
        file: "acct",
        sets: "setenv N V\n",
        always: &["if ( -r ~/acct ) source ~/acct\n", "if ( -f ~/acct ) then\n  source ~/acct\nendif\n"],
        perhaps: &[
            "if ($?WORK) source ~/acct\n",
            "if (! $?WORK) then\n  true\nelse\n  source ~/acct\nendif\n",
            "if (! $?WORK) exit\nsource ~/acct\n",
        ],
    },
    Sourcing {
        shell: "nu",
        rc: ".config/nushell/config.nu",
        file: "acct.nu",
        sets: "$env.N = 'V'\n",
        always: &["source ~/acct.nu\n"],
        perhaps: &["if ('WORK' in $env) { source ~/acct.nu }\n"],
    },
    Sourcing {
        shell: "powershell",
        rc: ".config/powershell/profile.ps1",
        file: "acct.ps1",
        sets: "$env:N = 'V'\n",
        always: &["if (Test-Path ~/acct.ps1) { . ~/acct.ps1 }\n"],
        perhaps: &["if ($env:WORK) { . ~/acct.ps1 }\n", "if (-not $env:WORK) { return }\n. ~/acct.ps1\n"],
    },
];

#[test]
fn a_pair_moves_where_its_file_is_read_in_any_case_and_stays_where_a_condition_decides() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for own in SOURCING {
        let texts = own.always.iter().map(|text| (text, true)).chain(own.perhaps.iter().map(|text| (text, false)));
        for (text, moves) in texts {
            let mut world = World::new();
            world.link_ringlet();
            stand_in(&world, "claude", STATUS);
            let set = |name: &str, value: &str| own.sets.replace('N', name).replace('V', value);
            let pair = set("ANTHROPIC_BASE_URL", "https://gw.example.net/anthropic")
                + &set("ANTHROPIC_AUTH_TOKEN", "sk-TESTq7FAKEw2TESTe9FAKEr4TESTt1FAKE");
            // The system's own files may have set PATH anew.
            let path = format!("PATH={}:$PATH\n", world.path("bin").display());
            let text = &(if own.shell == "bash" { path } else { String::new() } + text);
            let rc = world.write(Path::new("home").join(own.rc), text);
            let file = world.write(Path::new("home").join(own.file), &pair);
            let call_all = |world: &mut World, hooked: bool| -> Vec<Called> {
                let mut called = Vec::new();
                for is_work in [true, false] {
                    if is_work {
                        world.set("WORK", "1")
                    } else {
                        world.unset("WORK")
                    }
                    let is_there = program(own.shell).is_some();
                    called.extend(is_there.then(|| call(world, own.shell, Reads::Login, "claude", hooked)));
                }
                called
            };
            let before = call_all(&mut world, false);
            let done = world.run(&["migrate", "--yes"]);
            let is_left = fs::read_to_string(&file).expect("there") == pair;
            let is_same = fs::read_to_string(&rc).expect("there") == *text;
            if (done.status, is_left, is_same) != (Some(if moves { 0 } else { 3 }), !moves, true) {
                wrong.push(format!("{}: {text}\n{:?} {}{}", own.shell, done.status, done.stdout, done.stderr));
                continue;
            }
            if !has_hook(own.shell) {
                let links = world.run(&["shims", "install"]).ok();
                let path = world.env().iter().find(|(name, _)| name == "PATH").expect("set").1.clone();
                world.set("PATH", format!("{}:{}", links.trim_end(), path.to_string_lossy()));
            }
            let after = call_all(&mut world, true);
            let account =
                |called: &Called| called.starts.iter().map(|it| comparable(&it.account())).collect::<Vec<_>>();
            let counts: Vec<usize> = before.iter().map(|called| account(called).iter().flatten().count()).collect();
            let is_one = counts.iter().all(|count| *count == 1) || (!moves && counts == [1, 0]);
            for (one, other) in before.iter().zip(&after) {
                tried += 1;
                if account(one) != account(other) || !is_one {
                    let said = format!("{} {}", one.said, other.said);
                    wrong.push(format!("{}: {text}\n{:?}\n{:?}\n{said}", own.shell, account(one), account(other)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried >= 40, "{tried} starts");
}
