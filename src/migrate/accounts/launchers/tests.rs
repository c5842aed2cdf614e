//! Launchers of every shell, on a machine with ringlet and claude: what each becomes, or why it stays.

use crate::migrate::accounts::{Account, Machine, ReadBy, judge};
use crate::migrate::detect::Known;
use crate::migrate::dialect::Dialect::{self, Bash, Csh, Fish, Nushell, PowerShell, Sh, Zsh};
use crate::migrate::edit;
use crate::migrate::examine::Parsed;
use crate::migrate::vocabulary::{Terms, Vocabulary};
use std::collections::BTreeSet;

const URL: &str = "https://api.z.ai/api/anthropic";
const KEY: &str = "deadbeef93a1c0ffeeef0fdeadbeefbf.TESTe1zBFAKEhFdE";

// The words of a pair, in this order.
const PAIR: &str = "ANTHROPIC_BASE_URL=@u ANTHROPIC_AUTH_TOKEN=@k";

fn filled(text: &str) -> String {
    text.replace("@p", PAIR).replace("@u", URL).replace("@k", KEY)
}

// The text with its launchers converted, and their accounts; else why the agent gets no default.
fn converted(dialect: Dialect, text: &str) -> Result<(String, Vec<Account>), String> {
    let vocabulary = Vocabulary::built_in();
    let terms = Terms { vocabulary, known: Known::none() };
    let machine = Machine {
        agents: BTreeSet::from(["claude".to_owned()]),
        has_ringlet: true,
        leads_to: Box::new(|_, path| path == "~/bin/claude" || path == "/opt/claude"),
        ..Machine::empty(vocabulary)
    };
    let bytes = text.as_bytes();
    let parsed = Parsed::new(bytes, dialect, terms);
    let source = parsed.source(bytes, ReadBy::Shells(1), &[], None, &[]);
    let (mut judged, accounts) = judge(&[source], &machine, Known::none());
    let judged = judged.pop().expect("one file");
    if let Some(withheld) = accounts.withheld.first() {
        assert!(judged.gone.is_empty() && judged.replaced.is_empty(), "{text}: nothing of it goes");
        return Err(withheld.why.clone());
    }
    assert!(parsed.settles(bytes, &judged, terms), "{text}: the edit holds");
    let examined = parsed.examined(bytes, judged, Known::none());
    let cuts = examined.cuts_with(bytes, &|_| String::new(), &|_| "p".to_owned());
    Ok((String::from_utf8(edit::apply(bytes, &cuts)).expect("UTF-8"), accounts.made))
}

// Why claude gets no default profile for a key that moves.
fn kept_from_a_default(dialect: Dialect, text: &str) -> String {
    let vocabulary = Vocabulary::built_in();
    let agents = BTreeSet::from(["claude".to_owned()]);
    let machine = Machine { agents, has_ringlet: true, ..Machine::empty(vocabulary) };
    let parsed = Parsed::new(text.as_bytes(), dialect, Terms { vocabulary, known: Known::none() });
    let source = parsed.source(text.as_bytes(), ReadBy::Shells(1), &[], None, &[]);
    let (_, accounts) = judge(&[source], &machine, Known::none());
    accounts.withheld.into_iter().map(|own| own.why).collect()
}

#[track_caller]
fn becomes(dialect: Dialect, text: &str, after: &str) -> Vec<Account> {
    let text = filled(text);
    let (left, made) = converted(dialect, &text).unwrap_or_else(|why| panic!("{dialect:?} {text}: {why}"));
    assert_eq!(left, after.replace("@r", "ringlet exec --profile p claude --"), "{dialect:?} {text}");
    made
}

#[test]
fn each_shells_launchers_start_the_agent_with_their_profile() {
    for (dialect, text, after) in [
        (Bash, "k() { @p claude \"$@\"; }\n", "k() { @r \"$@\"; }\n"),
        (Zsh, "alias 'k=' \"claude=\" x=''\nk() { @p claude; }\n", "alias 'k=' \"claude=\" x=''\nk() { @r; }\n"),
        (Bash, "k() (set -euo pipefail; @p claude)\n", "k() (set -euo pipefail; @r)\n"),
        (Sh, "k() (set -e -u\n@p claude)\n", "k() (set -e -u\n@r)\n"),
        (Zsh, "k() (set -o errexit -o nounset; @p claude)\n", "k() (set -o errexit -o nounset; @r)\n"),
        (Bash, "k() { FOO=b @p claude; }\n", "k() { FOO=b @r; }\n"),
        (Bash, "k() { env FOO=b @p claude; }\n", "k() { env FOO=b @r; }\n"),
        (Bash, "k() { env -u FOO -u ANTHROPIC_API_KEY @p claude; }\n", "k() { env -u FOO @r; }\n"),
        (Bash, "k() { env -- @p claude; }\n", "k() { env -- @r; }\n"),
        (Bash, "k() { time @p claude; }\n", "k() { time @r; }\n"),
        (Bash, "k() (@p exec claude \"$@\")\n", "k() (exec @r \"$@\")\n"),
        (Bash, "f() { k() { @p claude; }; }\n", "f() { k() { @r; }; }\n"),
        (Bash, "k() { @p claude; } 2>/dev/null\n", "k() { @r; } 2>/dev/null\n"),
        (Bash, "k() { @p ~/bin/claude; }\n", "k() { @r; }\n"),
        (Bash, "k() { @p \"$HOME\"/bin/claude; }\n", "k() { @r; }\n"),
        (Bash, "k() { @p \"${HOME}/bin/claude\"; }\n", "k() { @r; }\n"),
        (Sh, "k() { @p '/opt/claude'; }\n", "k() { @r; }\n"),
        (Zsh, "k() { @p noglob claude; }\n", "k() { noglob @r; }\n"),
        (Zsh, "k() { local -x @p; claude }\n", "k() { @r }\n"),
        (Zsh, "k() @p claude\n", "k() @r\n"),
        (Zsh, "function k j { @p claude }\n", "function k j { @r }\n"),
        (Zsh, "() { local -x @p; claude \"$@\" } a\n", "() { @r \"$@\" } a\n"),
        (Zsh, "alias k='@p claude'\n", "alias k='@r'\n"),
        (Fish, "alias k '@p claude'\n", "alias k '@r'\n"),
        (Fish, "alias -s k='@p claude'\n", "alias -s k='@r'\n"),
        (Fish, "abbr -a k '@p claude'\n", "abbr -a k '@r'\n"),
        (Fish, "abbr -a -g k env @p claude\n", "abbr -a -g k @r\n"),
        (Fish, "abbr --add k -- env @p claude -p\n", "abbr --add k -- @r -p\n"),
        (Fish, "abbr -a --position command k '@p claude'\n", "abbr -a --position command k '@r'\n"),
        (Fish, "abbr --position=command k '@p claude'\n", "abbr --position=command k '@r'\n"),
        (Fish, "abbr -p command -a k '@p claude'\n", "abbr -p command -a k '@r'\n"),
        (Bash, "k() { export @p; claude; unset ANTHROPIC_BASE_URL 2>/dev/null; }\n", "k() { @r; }\n"),
        // `kimi` is an agent's name, too.
        (Fish, "abbr -a kimi '@p claude'\n", "abbr -a kimi '@r'\n"),
        (
            Fish,
            "function k\n  if not command -q claude\n    return 1\n  end\n  @p claude\nend\n",
            "function k\n  if not command -q claude\n    return 1\n  end\n  @r\nend\n",
        ),
        (Csh, "alias k env @p claude\n", "alias k @r\n"),
        (Csh, "alias k env 'ANTHROPIC_BASE_URL=@u' \"ANTHROPIC_AUTH_TOKEN=@k\" claude \\!*\n", "alias k @r \\!*\n"),
        (Csh, "alias k '(setenv ANTHROPIC_BASE_URL @u; setenv ANTHROPIC_AUTH_TOKEN @k; claude)'\n", "alias k '(@r)'\n"),
        (
            PowerShell,
            "function k {\n  if (Get-Command claude) { }\n  $env:ANTHROPIC_BASE_URL = '@u'\n\
             \x20\x20$env:ANTHROPIC_AUTH_TOKEN = '@k'\n  \
             & claude.exe @args\n  Clear-Item Env:ANTHROPIC_BASE_URL\n}\n",
            "function k {\n  if (Get-Command claude) { }\n  & @r @args\n}\n",
        ),
        (
            Nushell,
            "def --wrapped k [...a] {\n  $env.ANTHROPIC_BASE_URL = \"@u\"\n\
             \x20\x20$env.ANTHROPIC_AUTH_TOKEN = \"@k\"\n  ^claude ...$a\n  \
             hide-env ANTHROPIC_AUTH_TOKEN\n}\n",
            "def --wrapped k [...a] {\n  ^@r ...$a\n}\n",
        ),
        (Nushell, "def k [] { ANTHROPIC_BASE_URL=\"@u\" ANTHROPIC_AUTH_TOKEN='@k' ^claude }\n", "def k [] { ^@r }\n"),
    ] {
        let made = becomes(dialect, text, after);
        assert_eq!(made.len(), 1, "{dialect:?} {text}");
    }
}

#[test]
fn what_is_not_wholly_understood_stays_whole() {
    for (dialect, text, why) in [
        (Bash, "k() { @p nohup claude; }\n", "other programs"),
        // A value that may be a key, and another tool's.
        (Bash, "k() { @p ANTHROPIC_OTHER_TOKEN=q7Rk2mXv9TbL4nWz8YcP3sHd6JfG1aEu claude; }\n", "that is a key"),
        (Bash, "k() { @p CLAUDE_HUB=ghp_16C7e42F292c6912E7710c838347Ae178B4a claude; }\n", "that is a key"),
        // What exports, prints or sets more than a script's strictness.
        (Bash, "k() { set -a; @p claude; }\n", "other programs"),
        (Bash, "k() { set -ex; @p claude; }\n", "other programs"),
        (Bash, "k() { set -e x; @p claude; }\n", "other programs"),
        (Bash, "k() { set -e -- -u; @p claude; }\n", "other programs"),
        (Bash, "k() { set; @p claude; }\n", "other programs"),
        (Bash, "k() { @p nice -n 5 claude; }\n", "other programs"),
        (Bash, "k() { (export @p; exec -a x claude); }\n", "other programs"),
        (Bash, "k() { env -i @p claude; }\n", "options of its own"),
        (Bash, "k() { @p claude | cat; }\n", "other programs"),
        (Bash, "k() { @p $bin; }\n", "other programs"),
        (Bash, "@p \"$CLAUDE\" -p\n", "cannot be told"),
        (Bash, "k() { HOME=/x @p claude; }\n", "it sets HOME"),
        (Bash, "k() { XDG_CONFIG_HOME=/x @p claude; }\n", "it sets XDG_CONFIG_HOME"),
        (Bash, "k() { RINGLET_PROFILE=x @p claude; }\n", "it sets RINGLET_PROFILE"),
        (Bash, "k() { @p ~/other/claude; }\n", "~/other/claude is not the claude on PATH"),
        (Bash, "k() { printf -v ANTHROPIC_BASE_URL @u; ANTHROPIC_AUTH_TOKEN=@k claude; }\n", "cannot be told"),
        (Bash, "k() { export ANTHROPIC_BASE_URL=@u > x; ANTHROPIC_AUTH_TOKEN=@k claude; }\n", "redirected"),
        (Bash, "k() { declare -l ANTHROPIC_BASE_URL=@u; ANTHROPIC_AUTH_TOKEN=@k claude; }\n", "cannot be told"),
        (Bash, "k() { unset $x; @p claude; }\n", "other programs"),
        (Bash, "f() { export ANTHROPIC_BASE_URL=@u; k() { ANTHROPIC_AUTH_TOKEN=@k claude; }; }\n", "defined in code"),
        (Zsh, "k() { emulate -L zsh; @p claude }\n", "other programs"),
        (Zsh, "k() { @p builtin command claude }\n", "options of its own"),
        (Zsh, "alias -g K='@p claude'\n", "options of its own"),
        (Zsh, "alias -s k='@p claude'\n", "options of its own"),
        (Fish, "abbr -a --position anywhere k '@p claude'\n", "options of its own"),
        (Fish, "abbr -a -p anywhere k '@p claude'\n", "options of its own"),
        (Bash, "k() { export ANTHROPIC_BASE_URL=@u 2>/dev/null; ANTHROPIC_AUTH_TOKEN=@k claude; }\n", "redirected"),
        (Zsh, "k() { export @p >&2; claude }\n", "redirected"),
        (Sh, "k() { (export ANTHROPIC_AUTH_TOKEN=@k ANTHROPIC_BASE_URL=@u >/dev/null; claude) }\n", "redirected"),
        (
            Fish,
            "function k\n  set -lx ANTHROPIC_BASE_URL @u 2>/dev/null\n\
             \x20\x20set -lx ANTHROPIC_AUTH_TOKEN @k\n  claude\nend\n",
            "redirected",
        ),
        (
            PowerShell,
            "function k {\n  $env:ANTHROPIC_BASE_URL = '@u'\n\
             \x20\x20$env:ANTHROPIC_AUTH_TOKEN = '@k' *> $null\n  claude\n}\n",
            "",
        ),
        (
            PowerShell,
            "function k {\n  $env:ANTHROPIC_BASE_URL = '@u'\n\
             \x20\x20Set-Item Env:ANTHROPIC_AUTH_TOKEN '@k' | Out-Null\n  claude\n}\n",
            "redirected",
        ),
        (
            Nushell,
            "def k [] {\n  $env.ANTHROPIC_BASE_URL = '@u'\n\
             \x20\x20$env.ANTHROPIC_AUTH_TOKEN = '@k' | ignore\n  claude\n}\n",
            "",
        ),
        (Csh, "alias k 'setenv ANTHROPIC_BASE_URL @u > /dev/null; env ANTHROPIC_AUTH_TOKEN=@k claude'\n", "redirected"),
        (
            Fish,
            "function k\n  set -lx ANTHROPIC_BASE_URL @u x\n  set -lx ANTHROPIC_AUTH_TOKEN @k\n  claude\nend\n",
            "cannot be told",
        ),
        (Csh, "alias k 'claude --version; env @p claude'\n", "more than once"),
        (
            PowerShell,
            "function k {\n  [Environment]::SetEnvironmentVariable($n, 'x')\n\
             \x20\x20$env:ANTHROPIC_AUTH_TOKEN = '@k'\n  claude\n}\n",
            "other programs",
        ),
        (
            PowerShell,
            "function k {\n  $env:ANTHROPIC_BASE_URL = 'https://' + 'x'\n\
             \x20\x20$env:ANTHROPIC_AUTH_TOKEN = '@k'\n  claude\n}\n",
            "cannot be told",
        ),
        (
            Nushell,
            "def k [] {\n  $env.ANTHROPIC_BASE_URL = \"https://\" + \"x\"\n\
             \x20\x20$env.ANTHROPIC_AUTH_TOKEN = \"@k\"\n  claude\n}\n",
            "cannot be told",
        ),
        (
            Nushell,
            "def k [] {\n  load-env (open x)\n  $env.ANTHROPIC_AUTH_TOKEN = \"@k\"\n  claude\n}\n",
            "other programs",
        ),
        (
            Nushell,
            "with-env {ANTHROPIC_BASE_URL: '@u', ANTHROPIC_AUTH_TOKEN: '@k'} { claude }\n",
            "a key in a place that is not understood",
        ),
        (Nushell, "alias k = ^env @p claude\n", "a key in a place that is not understood"),
    ] {
        let text = filled(text);
        match converted(dialect, &text) {
            Err(found) => assert!(found.contains(why), "{dialect:?} {text}: {found}"),
            Ok((after, _)) => panic!("{dialect:?} {text} becomes {after}"),
        }
    }
}

#[test]
fn a_command_of_the_agents_name_that_unsets_the_key_keeps_it_from_a_default() {
    for (dialect, set, text) in [
        (
            Fish,
            "set -gx ANTHROPIC_API_KEY @a",
            "function claude\n  env -u ANTHROPIC_API_KEY (command -s claude) $argv\nend\n",
        ),
        (Fish, "set -gx ANTHROPIC_API_KEY @a", "alias claude 'ANTHROPIC_API_KEY= command claude'\n"),
        (Zsh, "export ANTHROPIC_API_KEY=@a", "claude() { env -u ANTHROPIC_API_KEY $CLAUDE \"$@\" }\n"),
        (Bash, "export ANTHROPIC_API_KEY=@a", "claude() { ANTHROPIC_API_KEY= \"$(type -P claude)\" \"$@\"; }\n"),
        (Csh, "setenv ANTHROPIC_API_KEY @a", "alias claude 'env -u ANTHROPIC_API_KEY claude'\n"),
        (
            PowerShell,
            "$env:ANTHROPIC_API_KEY = '@a'",
            "function claude { $env:ANTHROPIC_API_KEY = $null; & claude.exe @args }\n",
        ),
        (
            Nushell,
            "$env.ANTHROPIC_API_KEY = '@a'",
            "def --wrapped claude [...a] { hide-env ANTHROPIC_API_KEY; ^claude ...$a }\n",
        ),
    ] {
        let key = format!("sk-ant-api03-{}AA", "TESTq7xwFAKEz3mv".repeat(6).chars().take(93).collect::<String>());
        let text = format!("{set}\n{text}").replace("@a", &key);
        let found = kept_from_a_default(dialect, &text);
        assert!(found.contains("ANTHROPIC_API_KEY emptied or unset"), "{dialect:?} {text}: {found}");
    }
}

#[test]
fn the_agents_folder_goes_into_the_profile() {
    for (dialect, text) in [
        (Bash, "k() { CLAUDE_CONFIG_DIR=$HOME/.w @p claude; }\n"),
        (Bash, "k() { CLAUDE_CONFIG_DIR=~/.w @p claude; }\n"),
        (Bash, "k() { export CLAUDE_CONFIG_DIR=\"${HOME}/.w\"; @p claude; }\n"),
        (Zsh, "alias k='CLAUDE_CONFIG_DIR=\"$HOME\"/.w @p claude'\n"),
        (Zsh, "W=$HOME/.w\nk() { CLAUDE_CONFIG_DIR=$W @p claude }\n"),
        (Sh, "k() { env CLAUDE_CONFIG_DIR=\"$HOME/.w\" @p claude; }\n"),
        (Fish, "function k\n  set -lx CLAUDE_CONFIG_DIR ~/.w\n  @p claude\nend\n"),
        (Fish, "function k\n  set -lx CLAUDE_CONFIG_DIR \"$HOME/.w\"\n  @p claude\nend\n"),
        (Csh, "alias k 'setenv CLAUDE_CONFIG_DIR ~/.w; env @p claude'\n"),
        (Csh, "alias k 'env CLAUDE_CONFIG_DIR=$home/.w @p claude'\n"),
        (
            PowerShell,
            "function k { $env:CLAUDE_CONFIG_DIR = \"$HOME\\.w\"; $env:ANTHROPIC_AUTH_TOKEN = '@k'; claude }\n",
        ),
        (
            PowerShell,
            "function k { $env:CLAUDE_CONFIG_DIR = \"${env:USERPROFILE}/.w\";\
             \x20$env:ANTHROPIC_AUTH_TOKEN = '@k'; claude }\n",
        ),
        (
            PowerShell,
            "function k { $env:CLAUDE_CONFIG_DIR = Join-Path $HOME '.w'; $env:ANTHROPIC_AUTH_TOKEN = '@k'; claude }\n",
        ),
        (
            Nushell,
            "def k [] {\n  $env.CLAUDE_CONFIG_DIR = $\"($env.HOME)/.w\"\n\
             \x20\x20$env.ANTHROPIC_AUTH_TOKEN = \"@k\"\n  claude\n}\n",
        ),
    ] {
        let text = filled(text);
        let (_, made) = converted(dialect, &text).unwrap_or_else(|why| panic!("{dialect:?} {text}: {why}"));
        assert_eq!(made[0].config_dir.as_deref(), Some("~/.w"), "{dialect:?} {text}");
    }
    for (dialect, text) in [
        // The shell takes these as they are written.
        (Bash, "k() { CLAUDE_CONFIG_DIR='~/.w' @p claude; }\n"),
        (Sh, "k() { env CLAUDE_CONFIG_DIR=~/.w @p claude; }\n"),
        (Fish, "function k\n  env CLAUDE_CONFIG_DIR=~/.w @p claude\nend\n"),
        // Another user's home.
        (Bash, "k() { CLAUDE_CONFIG_DIR=~root/.w @p claude; }\n"),
        (Bash, "k() { CLAUDE_CONFIG_DIR=$PWD/.w @p claude; }\n"),
        (Fish, "function k\n  set -lx CLAUDE_CONFIG_DIR ~/.w ~/.v\n  @p claude\nend\n"),
    ] {
        assert!(converted(dialect, &filled(text)).is_err(), "{dialect:?} {text}");
    }
}
