//! Which files are read in any case, and which on a condition alone.

use crate::env::Env;
use crate::migrate::files::find;
use crate::paths::Paths;
use std::fs;
use std::path::Path;

/// Whether `~/f` is read in any case by a shell that reads this start file; `None` where none reads it.
fn is_sure(rc: &str, text: &str) -> Option<bool> {
    let home = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    };
    write(rc, text);
    for name in ["f", "g", "d/f", "d/g"] {
        write(name, "A=1\n");
    }
    let found = found(home.path());
    let at = found.candidates.iter().position(|file| file.path == home.path().join("f"))?;
    found.sure(at).map(|spans| !spans.is_empty())
}

fn found(home: &Path) -> crate::migrate::files::Found {
    let env = Env::from_pairs([("HOME".to_owned(), home.display().to_string())]);
    find(&Paths::new(&env).expect("a home"), &env)
}

const CONFIG_FISH: &str = ".config/fish/config.fish";
const PROFILE: &str = ".config/powershell/profile.ps1";
const CONFIG_NU: &str = ".config/nushell/config.nu";

#[test]
fn what_every_interactive_login_shell_reads_is_read_in_any_case() {
    let posix = [
        ". ~/f",
        "[ -f ~/f ] && . ~/f",
        "[ -r \"$HOME/f\" ] && [ -f ~/f ] && . $HOME/f",
        "[ ! -f ~/f ] || . ~/f",
        "test -e ~/f && . ~/f || echo no",
        "[ -f ~/g ] && . ~/g; . ~/f",
        "[ -f ~/g ] && . ~/g\n[ -s ~/f ] && { . ~/f; }",
        "if [ -f ~/f ]; then\n  # a comment\n  . ~/f\nfi",
        "if [ -f ~/f -a -r ~/f ]; then . ~/f; fi",
        "if [ -d ~ ]; then for i in ~/f ~/g; do [ -r \"$i\" ] && . \"$i\"; done; unset i; fi",
        "for i in ~/g ~/f; do [ -r \"$i\" ] || continue; . \"$i\"; done",
        "for i in ~/g ~/f; do if [ -r \"$i\" ]; then . \"$i\"; fi; done",
        "load() { [ -f \"$1\" ] && . \"$1\"; }\nload ~/f",
        "load() { [ -f \"$1\" ] || return; . \"$1\"; }\nload ~/f; . ~/g",
        "load() { [ -n \"$X\" ] && return; }\nload\n. ~/f",
        "load() { . \"$1\"; }\n[ -f ~/f ] && load ~/f",
        "case $- in *i*) ;; *) return;; esac\n. ~/f",
        "case $- in\n    *i*) ;;\n      *) return;;\nesac\nif [ -f ~/f ]; then\n    . ~/f\nfi",
        "case \"$-\" in *i*) . ~/f;; esac",
        "[ -z \"$PS1\" ] && return\n. ~/f",
        "[ -z \"${PS1:-}\" ] && return\n. ~/f",
        "if [ -z \"$PS1\" ]; then return; fi\n. ~/f",
        "[ -n \"$PS1\" ] && . ~/f",
        "[ \"$PS1\" ] || return; . ~/f",
        "[ -t 0 ] && . ~/f",
        "if [ -n \"$SSH_TTY\" ]; then echo a; fi\n. ~/f",
        "if [ -n \"$X\" ]; then . ~/g; else . ~/d/g; fi; . ~/f",
        "case $TERM in xterm*) a=1;; (b|c) ( a=2 );; *) a=3;; esac\n. ~/f",
        "while [ -n \"$X\" ]; do break; done; . ~/f",
        "a | while read -r x; do echo \"$x\"; done\n. ~/f",
        "if true; then . ~/f; fi",
        "if false; then . ~/g; else . ~/f; fi",
        "[ \"$TERM\" = dumb ] && return; . ~/f",
        "(exit 1) || true; . ~/f",
        "((1)) && a=1; . ~/f",
        "! [ -f ~/f ] || . ~/f",
        "if ! [ -f ~/f ]; then :; else . ~/f; fi",
        "if [ -n \"$X\" ]; then if [ -f ~/g ]; then . ~/g; fi; fi\n. ~/f",
    ];
    let bash = [
        "[[ $- == *i* ]] && . ~/f",
        "[[ $- != *i* ]] && return\n. ~/f",
        "[[ $- == *i* ]] || return\n. ~/f",
        "[[ -f ~/f && -r ~/f ]] && source ~/f",
        "[[ -s ~/f ]] && source ~/f",
        "if [ -n \"$BASH_VERSION\" ]; then\n  if [ -f ~/f ]; then . ~/f; fi\nfi",
        "[ -n \"$ZSH_VERSION\" ] && return; . ~/f",
        "shopt -q login_shell && . ~/f",
    ];
    let zsh = [
        "[[ -o interactive ]] && source ~/f",
        "[[ -o interactive ]] || return\nsource ~/f",
        "if [[ -f ~/f ]] { source ~/f }",
        "if [[ -n $X ]] { a=1 } else { a=2 }\nsource ~/f",
        "if [[ -n $X ]]; then { a=1 }; else { a=2 }; fi; source ~/f",
        "for f (~/f ~/g) [[ -r $f ]] && source $f",
        "[[ -n $ZSH_VERSION ]] && source ~/f",
        "if [[ ! -f ~/g ]]; then print x; fi\nsource ~/f",
    ];
    let fish = [
        "source ~/f",
        "test -f ~/f; and source ~/f",
        "test -f ~/f && source ~/f",
        "test -f ~/f\nand source ~/f",
        "if test -f ~/f; source ~/f; end",
        "if test -e ~/f; and test -r ~/f\n    source ~/f\nend",
        "if not test -f ~/f; echo no; else; source ~/f; end",
        "if status is-interactive\n    source ~/f\nend",
        "status is-interactive; or exit\nsource ~/f",
        "status --is-interactive; and source ~/f",
        "if set -q X\n    if test -f ~/g\n        source ~/g\n    end\nelse if set -q Y\n    echo b\nend\nsource ~/f",
        "switch $X\n    case a\n        echo a\nend\nsource ~/f",
        "for f in ~/g ~/f; test -r $f; and source $f; end",
        "begin\n    source ~/f\nend",
    ];
    let csh = [
        "source ~/f",
        "if ( -f ~/f ) source ~/f",
        "if ( -r ~/f && -f ~/f ) source ~/f",
        "if ($?prompt) source ~/f",
        "if ($?prompt) then\n  source ~/f\nendif",
        "if (! $?prompt) exit\nsource ~/f",
        "if ( -e ~/f ) then\n  source ~/f\nendif",
        "if ($?X) then\n  echo a\nelse if ($?Y) then\n  echo b\nendif\nsource ~/f",
        "switch ($X)\n  case a:\n    echo a\n    breaksw\nendsw\nsource ~/f",
        "foreach i (~/g ~/f)\n  if ( -r $i ) source $i\nend",
    ];
    let powershell = [
        ". ~/f",
        "if (Test-Path ~/f) { . ~/f }",
        "if (Test-Path -Path $HOME/f -PathType Leaf) {\n  . $HOME/f\n}",
        "if (-not (Test-Path ~/f)) { return }\n. ~/f",
        "if ($env:X) { $a = 1 } elseif ($b) { $a = 2 } else { $a = 3 }\n. ~/f",
        "if ($Host.Name -eq 'ConsoleHost') { . ~/f }",
        "try { . ~/f } catch { Write-Host a }",
        "Register-X { $a = 1 }\n. ~/f",
        "foreach ($f in '~/f') { if (Test-Path $f) { . $f } }",
        "do { $a = 1 } while ($b)\n. ~/f",
    ];
    let nushell = [
        "source ~/f",
        "$env.config = { a: { b: 1 } }\nsource ~/f",
        "if ('~/f' | path exists) { source ~/f }",
        "if $nu.is-interactive { source ~/f }",
        "if $x == 1 { echo a } else if $y { echo b } else { echo c }\nsource ~/f",
    ];
    let both = |rc: &'static str| posix.iter().map(move |text| (rc, *text));
    let cases = both(".bashrc")
        .chain(both(".zshrc"))
        .chain(bash.map(|text| (".bashrc", text)))
        .chain(zsh.map(|text| (".zshrc", text)))
        .chain(fish.map(|text| (CONFIG_FISH, text)))
        .chain(csh.map(|text| (".tcshrc", text)))
        .chain(powershell.map(|text| (PROFILE, text)))
        .chain(nushell.map(|text| (CONFIG_NU, text)));
    let wrong: Vec<_> = cases.filter(|(rc, text)| is_sure(rc, text) != Some(true)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_a_condition_decides_is_read_on_a_condition() {
    let posix = [
        "if [ -n \"$SSH_TTY\" ]; then . ~/f; fi",
        "[ -n \"$SSH_TTY\" ] && . ~/f",
        "[ -n \"$SSH_TTY\" ] && [ -f ~/f ] && . ~/f",
        "[ -f ~/f ] && [ -n \"$SSH_TTY\" ] && . ~/f",
        "[ -f ~/f ] && if [ -n \"$X\" ]; then . ~/f; fi",
        "[ -f ~/f ] && { [ -n \"$X\" ] && . ~/f; }",
        "[ -f ~/g ] && . ~/f",
        "[ ! -f ~/f ] && . ~/f",
        "[ -f ~/f ] || . ~/f",
        "[ -f ~/g ] && . ~/g || . ~/f",
        "if [ -f ~/g ]; then . ~/g; else . ~/f; fi",
        "if [ -f ~/g ]; then . ~/g; elif [ -f ~/f ]; then . ~/f; fi",
        "if [ -n \"$X\" ]; then :; else . ~/f; fi",
        "if [ -n \"$X\" ]\nthen\n  if [ -f ~/f ]; then . ~/f; fi\nfi",
        "if [ -n \"$X\" ]; then if [ -f ~/g ]; then . ~/g; fi; . ~/f; fi",
        "case $HOSTNAME in work*) . ~/f;; esac",
        "case $HOSTNAME in work*) a=1;; *) . ~/f;; esac",
        "case $X in\n  (a|b) . ~/f ;;\nesac",
        "case $- in *i*) a=1;; *) . ~/f;; esac",
        "while [ -n \"$X\" ]; do . ~/f; break; done",
        "until [ -n \"$X\" ]; do . ~/f; done",
        "for i in a b; do [ -n \"$X\" ] && . ~/f; done",
        "select i in a b; do . ~/f; done",
        "for i in ~/f; do [ -n \"$X\" ] || continue; . \"$i\"; done",
        "[ -n \"$SSH_TTY\" ] || return\n. ~/f",
        "if [ -z \"$SSH_TTY\" ]; then return; fi\n. ~/f",
        "if [ -f ~/g ]; then return; fi\n. ~/f",
        "case $X in a) ;; *) return;; esac\n. ~/f",
        "return\n. ~/f",
        "load() { . \"$1\"; }\n[ -n \"$X\" ] && load ~/f",
        "load() { [ -n \"$X\" ] || return; . ~/f; }\nload",
        "command -v claude >/dev/null && . ~/f",
        "grep -q x ~/y && . ~/f",
        "! [ -f ~/f ] && . ~/f",
        "((X)) && . ~/f",
        "[ -n \"$X\" ] && eval '. ~/f'",
        "[ -z \"$PS1\" ] && . ~/f",
        "true && false && . ~/f",
        "[ -f ~/f ] && a | b && . ~/f",
        "if [ -n \"$X\" ]; then\n. ~/d/g\n. ~/f\nfi",
    ];
    let zsh = [
        "if [[ -n $X ]] { source ~/f }",
        "if [[ -f ~/g ]] { a=1 } else { source ~/f }",
        "if [[ -n $X ]] source ~/f",
        "if [[ -n $X ]]; then { a=1 }; else { source ~/f }; fi",
        "if [[ -n $X ]]; then if true; then a=1; else { b=1 }; fi; source ~/f; fi",
        "[[ -n $X ]] && () { source ~/f }",
        "[[ -n $BASH_VERSION ]] && source ~/f",
    ];
    let fish = [
        "if set -q SSH_TTY; source ~/f; end",
        "set -q SSH_TTY; and source ~/f",
        "set -q SSH_TTY\nand source ~/f",
        "set -q SSH_TTY; or source ~/f",
        "if status is-interactive; and set -q X\n    source ~/f\nend",
        "if status is-interactive\n    echo a\nelse\n    source ~/f\nend",
        "if test -f ~/g\n    source ~/g\nelse if test -f ~/f\n    source ~/f\nend",
        "switch (hostname)\n    case work\n        source ~/f\nend",
        "set -q SSH_TTY; or exit\nsource ~/f",
        "set -q X; and begin; source ~/f; end",
        "while set -q X; source ~/f; end",
        "if set -q X\n    begin\n        source ~/f\n    end\nend",
        "not test -f ~/f; and source ~/f",
    ];
    let csh = [
        "if ($?SSH_TTY) source ~/f",
        "if ($?SSH_TTY) then\n  source ~/f\nendif",
        "if ($?X) then\n  echo a\nelse\n  source ~/f\nendif",
        "if ( -f ~/f && $?X ) source ~/f",
        "if ( -f ~/g ) source ~/f",
        "if ($?prompt) then\n  echo a\nelse if ($?X) then\n  source ~/f\nendif",
        "if (! $?SSH_TTY) exit\nsource ~/f",
        "switch ($HOST)\n  case a:\n    source ~/f\n    breaksw\nendsw",
        "while ($x)\n  source ~/f\nend",
    ];
    let powershell = [
        "if ($env:X) { . ~/f }",
        "if (Test-Path ~/g) { . ~/f }",
        "if ($a) { $b = 1 } else { . ~/f }",
        "if ($a) { $b = 1 } elseif (Test-Path ~/f) { . ~/f }",
        "if ((Test-Path ~/f) -and $env:X) { . ~/f }",
        "if (-not $env:X) { return }\n. ~/f",
        "switch ($env:X) { 'a' { . ~/f } }",
        "Register-EngineEvent X -Action { . ~/f }",
        "try { $a = 1 } catch { . ~/f }",
        "while ($a) { . ~/f }",
    ];
    let nushell = [
        "if $x { source ~/f }",
        "if ('~/g' | path exists) { source ~/f }",
        "match $x { a => { source ~/f } }",
        "do { source ~/f }",
    ];
    let both = |rc: &'static str| posix.iter().map(move |text| (rc, *text));
    let cases = both(".bashrc")
        .chain(both(".zshrc"))
        .chain(zsh.map(|text| (".zshrc", text)))
        .chain(fish.map(|text| (CONFIG_FISH, text)))
        .chain(csh.map(|text| (".tcshrc", text)))
        .chain(powershell.map(|text| (PROFILE, text)))
        .chain(nushell.map(|text| (CONFIG_NU, text)));
    let wrong: Vec<_> = cases.filter(|(rc, text)| is_sure(rc, text) != Some(false)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
