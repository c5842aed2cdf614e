//! The places, and what start files of every shell read: each case is tried in the real shell where that is installed.

use super::reading::Start;
use super::*;
use std::os::unix::fs::symlink;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, text).expect("written");
        path
    }

    fn everything(&self, pairs: &[(&str, &str)]) -> Found {
        let home = self.0.path().display().to_string();
        let mut all = vec![("HOME".to_owned(), home.clone())];
        all.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.replace("@", &home))));
        let env = Env::from_pairs(all);
        find(&Paths::new(&env).expect("a home"), &env)
    }

    // Paths below home with their roles and dialects; the machine's own are left out.
    fn found(&self, pairs: &[(&str, &str)]) -> Vec<(String, Role, Dialect)> {
        let home = self.0.path();
        let found = self.everything(pairs).candidates;
        let own = found.into_iter().filter_map(|file| {
            let name = file.path.strip_prefix(home).ok()?.to_str()?.to_owned();
            Some((name, file.role, file.dialect))
        });
        own.collect()
    }
}

#[test]
fn start_files_of_every_shell_are_found() {
    let home = Home::new();
    let want = [
        (".bash_profile", Dialect::Bash),
        (".profile", Dialect::Sh),
        (".bashrc", Dialect::Bash),
        (".bash_aliases", Dialect::Bash),
        (".kshrc", Dialect::Sh),
        (".tcshrc", Dialect::Csh),
        (".cshrc", Dialect::Csh),
        (".login", Dialect::Csh),
        (".pam_environment", Dialect::PamEnv),
        (".xprofile", Dialect::Sh),
        (".zshenv", Dialect::Zsh),
        (".zprofile", Dialect::Zsh),
        (".zshrc", Dialect::Zsh),
        (".oh-my-zsh/custom/keys.zsh", Dialect::Zsh),
        (".config/fish/config.fish", Dialect::Fish),
        (".config/fish/conf.d/a.fish", Dialect::Fish),
        (".config/fish/conf.d/b.fish", Dialect::Fish),
        (".config/fish/functions/f.fish", Dialect::Fish),
        (".config/fish/fish_variables", Dialect::FishVariables),
        (".config/nushell/env.nu", Dialect::Nushell),
        (".config/nushell/autoload/keys.nu", Dialect::Nushell),
        ("Documents/PowerShell/Microsoft.PowerShell_profile.ps1", Dialect::PowerShell),
        (".config/powershell/profile.ps1", Dialect::PowerShell),
        (".config/environment.d/50-ai.conf", Dialect::EnvironmentD),
        (".config/plasma-workspace/env/keys.sh", Dialect::Sh),
    ];
    for (name, _) in want {
        home.file(name, "");
    }
    home.file(".env", "A=1");
    home.file(".config/fish/conf.d/notes.txt", "");
    let want: Vec<_> = want.iter().map(|(name, dialect)| ((*name).to_owned(), Role::Rc, *dialect)).collect();
    let mut found = home.found(&[]);
    // A file of no shell's is only reported.
    assert_eq!(found.pop(), Some((".env".to_owned(), Role::AgentConfig, Dialect::DotEnv)));
    assert_eq!(found, want);
}

#[test]
fn zsh_is_looked_for_where_zdotdir_says() {
    let home = Home::new();
    home.file(".zshenv", "export ZDOTDIR=\"${ZDOTDIR:-$HOME/.config/zsh}\"\n");
    home.file(".config/zsh/.zshrc", "source $ZDOTDIR/keys\nZSH_CUSTOM=~/custom\n");
    home.file(".config/zsh/keys", "export A=1\n");
    home.file("custom/a.zsh", "");
    home.file("other/.zshrc", "");
    let names = |pairs: &[_]| home.found(pairs).into_iter().map(|file| file.0).collect::<Vec<_>>();
    assert_eq!(names(&[]), [".zshenv", ".config/zsh/.zshrc", "custom/a.zsh", ".config/zsh/keys"]);
    assert!(names(&[("ZDOTDIR", "@/other")]).contains(&"other/.zshrc".to_owned()));
}

#[test]
fn sourced_files_are_followed_in_the_language_that_reads_them() {
    let home = Home::new();
    home.file(".zshrc", "source ~/.secrets\n[ -f ~/.env ] && . ~/.env\n. ~/run.sh\n. ~/own\n. ~/.missing\n");
    home.file(".secrets", "source ~/.deeper\nexport A=1\n");
    home.file(".deeper", "export B=1\n");
    home.file(".env", "A=1\n");
    home.file("run.sh", "");
    home.file("own", "#!/bin/bash\n");
    home.file("start", "A=1\n");
    let found = home.found(&[("BASH_ENV", "$HOME/start")]);
    let sourced: Vec<_> = found.iter().filter(|file| file.1 == Role::Sourced).map(|file| (&*file.0, file.2)).collect();
    let want = [
        (".secrets", Dialect::Zsh),
        (".deeper", Dialect::Zsh),
        (".env", Dialect::DotEnv),
        ("run.sh", Dialect::Sh),
        ("own", Dialect::Bash),
    ];
    assert_eq!(sourced, want);
    assert!(found.iter().any(|file| file.0 == "start" && file.1 == Role::Rc));
}

#[test]
fn leftovers_are_found_beside_the_files_and_in_their_places() {
    let home = Home::new();
    home.file(".config/fish/config.fish", "");
    let names = [
        ".zshrc.bak",
        ".zshrc~",
        ".zshrc.pre-oh-my-zsh",
        ".zshrc.zwc",
        ".zshrc.swp",
        "..zshrc.un~",
        "#.bashrc#",
        ".secrets.save",
        ".config/fish/config.fish.orig",
        ".config/fish/.config.fish.swp",
        ".bash_history",
        ".zsh_history",
        ".local/share/fish/fish_history",
        ".local/share/powershell/PSReadLine/ConsoleHost_history.txt",
        ".codex/shell_snapshots/a.sh",
        ".claude/shell-snapshots/snapshot-zsh-1.sh",
        ".local/state/nvim/undo/%home%u%.zshrc",
        ".config/Code/User/History/1f/x.txt",
    ];
    for name in names {
        home.file(name, "");
    }
    home.file(".config/Code/User/History/1f/entries.json", "{\"version\":1,\"resource\":\"file:///h/.zshrc\"}");
    home.file(".config/Code/User/History/2f/entries.json", "{\"version\":1,\"resource\":\"file:///h/a.rs\"}");
    for name in [".config/Code/User/History/2f/y.txt", "notes.txt", "main.rs.bak", ".local/state/nvim/undo/%a.rs"] {
        home.file(name, "");
    }
    let found = home.found(&[]);
    let mut residue: Vec<_> = found.iter().filter(|file| file.1 == Role::Residue).map(|file| &*file.0).collect();
    residue.sort_unstable();
    let mut want = names.to_vec();
    want.sort_unstable();
    assert_eq!(residue, want);
    let dialect = |name: &str| found.iter().find(|file| file.0 == name).map(|file| file.2);
    assert_eq!(dialect(".zshrc.bak"), Some(Dialect::Zsh));
    assert_eq!(dialect(".zshrc.zwc"), Some(Dialect::Text));
    assert_eq!(dialect(".zsh_history"), Some(Dialect::History));
    assert_eq!(dialect(".claude/shell-snapshots/snapshot-zsh-1.sh"), Some(Dialect::Text));
}

#[test]
fn agents_own_files_are_only_reported() {
    let home = Home::new();
    for name in [
        ".claude/settings.json",
        ".codex/auth.json",
        ".aider.conf.yml",
        ".config/Code/User/settings.json",
        "cc/settings.json",
    ] {
        home.file(name, "{}");
    }
    let found = home.found(&[("CLAUDE_CONFIG_DIR", "@/cc")]);
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|file| file.1 == Role::AgentConfig && file.2 == Dialect::Structured));
    assert!(Role::AgentConfig.is_report_only() && !Role::Sourced.is_report_only());
}

#[test]
fn a_file_that_is_reached_twice_is_listed_once_under_the_name_found_first() {
    let home = Home::new();
    let real = home.file("dotfiles/zshrc", "source ~/dotfiles/zshrc\n");
    symlink(&real, home.0.path().join(".zshrc")).expect("linked");
    symlink("nowhere", home.0.path().join(".bashrc")).expect("linked");
    let names: Vec<_> = home.found(&[]).into_iter().map(|file| (file.0, file.2)).collect();
    // The link that leads nowhere stays, for its reader to say so.
    assert_eq!(names, [(".bashrc".to_owned(), Dialect::Bash), (".zshrc".to_owned(), Dialect::Zsh)]);
}

#[test]
fn what_is_no_regular_file_is_left_out() {
    let home = Home::new();
    let fifo = home.0.path().join(".bashrc");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs");
    assert!(made.success());
    symlink("fifo", home.0.path().join(".bash_login")).expect("linked");
    fs::create_dir(home.0.path().join(".zshrc")).expect("made");
    symlink("/dev/null", home.0.path().join(".profile")).expect("linked");
    home.file(".zshenv", "source ~/.bashrc\n. ~/.zshrc\n. /dev/zero\n. ~/fifo\n");
    fs::rename(&fifo, home.0.path().join("fifo")).expect("renamed");
    let names: Vec<_> =
        home.found(&[("BASH_ENV", "@/fifo"), ("ENV", "/dev/stdin")]).into_iter().map(|file| file.0).collect();
    assert_eq!(names, [".zshenv"]);
}

// A home with these files; those whose text begins with `+` say that they are read.
fn home_of(files: &[(&str, &str)]) -> Home {
    let home = Home::new();
    for (name, text) in files {
        let says = |text| format!("echo read:{name}\n{text}");
        home.file(name, &text.strip_prefix('+').map_or((*text).to_owned(), says));
    }
    home
}

// The files with a role, in order.
fn with_role(home: &Home, role: Role) -> Vec<String> {
    home.found(&[]).into_iter().filter(|file| file.1 == role).map(|file| file.0).collect()
}

// What a real shell reads at its start, in order.
fn really_read(home: &Home, shell: &[&str]) -> Vec<String> {
    let mut command = std::process::Command::new(shell[0]);
    command.args(&shell[1..]).env_clear().env("HOME", home.0.path()).env("PATH", "/usr/bin:/bin").env("TERM", "dumb");
    let output =
        command.current_dir(home.0.path()).stdin(std::process::Stdio::null()).output().expect("the shell runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.strip_prefix("read:")).map(str::to_owned).collect()
}

// Each start file's text makes the shell read what is named.
fn reads(shell: &[&str], start: &str, cases: &[(&str, &[&str])]) {
    let others = [
        "+",
        ".keys",
        ".config/sh/keys",
        "dots/keys",
        ".d/a.sh",
        ".d/b.sh",
        ".d/.hidden.sh",
        ".b c",
        ".config/fish/keys.fish",
        ".config/fish/local/a.fish",
        ".config/fish/local/b.fish",
        ".d/deep/c.zsh",
    ];
    for (text, want) in cases {
        let mut files: Vec<(&str, &str)> = others[1..].iter().map(|name| (*name, "+")).collect();
        files.push((start, text));
        let home = home_of(&files);
        let want: Vec<String> = want.iter().map(|name| (*name).to_owned()).collect();
        let found = with_role(&home, Role::Sourced);
        assert_eq!(found, want, "{shell:?} {text}");
        if !shell.is_empty() {
            assert_eq!(really_read(&home, shell), want, "the shell itself: {text}");
        }
    }
}

#[test]
fn what_bash_reads_is_found() {
    let both: &[&str] = &[".d/a.sh", ".d/b.sh"];
    reads(
        &["bash", "-i", "-c", ":"],
        ".bashrc",
        &[
            ("for f in ~/.{missing,keys}; do [ -r \"$f\" ] && source \"$f\"; done\nunset f\n", &[".keys"]),
            (
                "if [ -d ~/.d ]; then\n for rc in ~/.d/*; do\n  if [ -f \"$rc\" ]; then\n . \"$rc\"\n fi\n done\nfi",
                both,
            ),
            (
                "files=(~/.keys\n \"$HOME/.b c\" # mine\n)\nfor f in \"${files[@]}\"; do . \"$f\"; done",
                &[".keys", ".b c"],
            ),
            ("export DOTFILES=\"$HOME/dots\"\n. \"$DOTFILES/keys\"", &["dots/keys"]),
            (": \"${XDG_CONFIG_HOME:=$HOME/.config}\"\n. \"$XDG_CONFIG_HOME/sh/keys\"", &[".config/sh/keys"]),
            (". \"${XDG_CONFIG_HOME:-$HOME/.config}/sh/keys\"", &[".config/sh/keys"]),
            (". \"$(dirname \"${BASH_SOURCE[0]}\")/.keys\"", &[".keys"]),
            ("D=\"$( cd \"$( dirname \"${BASH_SOURCE[0]}\" )\" && pwd )\"\n. \"$D/.keys\"", &[".keys"]),
            (
                ". \"${BASH_SOURCE%/*}/.keys\"; . \"$(dirname \"$(realpath \"$BASH_SOURCE\")\")/dots/keys\"",
                &[".keys", "dots/keys"],
            ),
            ("include() { [[ -f $1 ]] && source $1; }\ninclude ~/.keys", &[".keys"]),
            ("function all {\n local d=\"$1\"; for f in \"$d\"/*.sh; do . \"$f\"; done\n}\nall ~/.d", both),
            ("eval \"source ~/.keys\"; eval '. $HOME/dots/keys'", &[".keys", "dots/keys"]),
            ("for f in $(ls ~/.d/*.sh); do . $f; done", both),
            ("for f in $(find ~/dots -name 'k*' -type f | sort); do . $f; done", &["dots/keys"]),
            ("for n in a b missing; do [ -f ~/.d/$n.sh ] && . ~/.d/$n.sh; done", both),
            ("shopt -s dotglob; for f in ~/.d/*.sh; do . $f; done", &[".d/.hidden.sh", ".d/a.sh", ".d/b.sh"]),
            ("case \"$OSTYPE\" in linux*) . ~/.keys ;; darwin*) . ~/.missing ;; esac", &[".keys"]),
            ("cat <<E >/dev/null\nit's\nE\n# don't\n[ -f ~/.keys ] && . ~/.keys", &[".keys"]),
            ("FILES=\"$HOME/.keys $HOME/dots/keys\"\nfor f in $FILES; do . $f; done", &[".keys", "dots/keys"]),
            ("P='/.d/*.sh'; for f in $HOME$P; do . $f; done", both),
            ("set -a; source ~/.keys; set +a", &[".keys"]),
            ("if ! test -f ~/.missing; then builtin . ~/.keys; else . ~/.gone; fi", &[".keys"]),
            (". ~/.keys >/dev/null 2>&1; source ~/.keys", &[".keys"]),
            ("A=$HOME; B=${A}/dots\nC=\"$B\"/keys; . $C", &["dots/keys"]),
            ("D=~/.nowhere; [ -d ~/dots ] && D=~/dots\n. $D/keys", &["dots/keys"]),
            ("ls ~/.d/*.sh | while read -r f; do . \"$f\"; done", both),
            ("while IFS= read -r f; do . \"$f\"; done < <(find ~/.d -name '[ab].sh' | sort)", both),
            ("while read f; do [ -r \"$f\" ] && . \"$f\"\ndone < <(ls ~/.d/*.sh)", both),
            ("mapfile -t all < <(ls ~/.d/*.sh)\nfor f in \"${all[@]}\"; do . \"$f\"; done", both),
            (". \"${XDG_CONFIG_HOME:-$HOME/dots}/keys\"", &["dots/keys"]),
        ],
    );
}

#[test]
fn what_zsh_reads_is_found() {
    let both: &[&str] = &[".d/a.sh", ".d/b.sh"];
    reads(
        &["zsh", "-d", "-i", "-c", ":"],
        ".zshrc",
        &[
            ("for f in ~/.d/*.sh; do source \"$f\"; done", both),
            ("for f (~/.d/*.sh(N)) source $f", both),
            ("for f (~/.d/*.sh(.N) ~/.keys); do\n source $f\ndone", &[".d/a.sh", ".d/b.sh", ".keys"]),
            ("for f (${ZDOTDIR:-~}/.d/**/*.zsh(N)) { . $f }", &[".d/deep/c.zsh"]),
            ("foreach f (~/.d/*.sh) source $f; end", both),
            ("source \"${${(%):-%x}:A:h}/.keys\"", &[".keys"]),
            ("source ${${(%):-%N}:A:h}/.keys", &[".keys"]),
            ("emulate sh -c 'source ~/.keys'; emulate zsh -c \". $HOME/dots/keys\"", &[".keys", "dots/keys"]),
            ("zsh-defer() { \"$@\" }\nzsh-defer source ~/.keys", &[".keys"]),
            ("typeset -a files=(~/.keys $HOME/dots/keys)\nfor f ($files) source $f", &[".keys", "dots/keys"]),
            ("files=(~/.keys); files+=(~/dots/keys)\nfor f in \"$files[@]\"; do . $f; done", &[".keys", "dots/keys"]),
            ("L=\"$HOME/.keys $HOME/dots/keys\"; for f in ${=L}; do . $f; done", &[".keys", "dots/keys"]),
            ("DOTFILES=$HOME/dots\n[[ -f $DOTFILES/keys ]] && source $DOTFILES/keys", &["dots/keys"]),
            ("include() { [[ -f $1 ]] && source $1; }\ninclude ~/.keys", &[".keys"]),
            ("function load { for f in \"$@\"; do source ~/.d/$f.sh; done }\nload a b", both),
            ("() { source $1 } ~/.keys", &[".keys"]),
            ("local d=${ZDOTDIR:-$HOME}/.d\nsource $d/a.sh; source $d/b.sh", both),
            ("set -A all ~/.d/*.sh; for f in $all; do . $f; done", both),
            (". ${ZDOTDIR:-$HOME/dots}/keys; . ${XDG_DATA_HOME:=~/.config}/sh/keys", &["dots/keys", ".config/sh/keys"]),
            ("setopt extended_glob; for f in ~/.d/(a|b).sh; do source $f; done", both),
            ("for n in a b; source ~/.d/$n.sh", both),
            ("if [[ -r ~/.keys ]] { source ~/.keys }\n", &[".keys"]),
            ("setopt globdots; for f in ~/.d/*.sh(N); do source $f; done", &[".d/.hidden.sh", ".d/a.sh", ".d/b.sh"]),
            ("autoload -Uz compinit 2>/dev/null; x=${${HOME}:h}; source $x/${HOME:t}/.keys", &[".keys"]),
            ("eval \"source ~/.keys\"; noglob source ~/dots/keys", &[".keys", "dots/keys"]),
        ],
    );
    let home = home_of(&[
        (
            ".zshrc",
            "zsh-defer source ~/.keys\nzsh-defer -t 2 -c 'source ~/dots/keys'\nf() { source ~/a; }\nzinit light ~/p",
        ),
        (".keys", ""),
        ("dots/keys", ""),
        ("a", ""),
        ("p/p.plugin.zsh", ""),
    ]);
    assert_eq!(with_role(&home, Role::Sourced), [".keys", "dots/keys", "p/p.plugin.zsh", "a"]);
}

#[test]
fn zsh_and_oh_my_zsh_are_looked_for_where_the_files_say() {
    let home = home_of(&[
        (".zprofile", "+export ZDOTDIR=~/z"),
        ("z/.zshrc", "+export ZSH=~/omz ZSH_CUSTOM=$HOME/mine\nplugins=(git ai)\nsource $ZSH/oh-my-zsh.sh"),
        ("omz/oh-my-zsh.sh", "source ~/mine/plugins/ai/ai.plugin.zsh; source ~/mine/a.zsh"),
        ("mine/plugins/ai/ai.plugin.zsh", "+source ${0:A:h}/more"),
        ("mine/plugins/ai/more", "+"),
        ("mine/a.zsh", "+"),
        ("mine/themes/x.zsh-theme", ""),
    ]);
    let really = really_read(&home, &["zsh", "-d", "-l", "-i", "-c", ":"]);
    let want = [".zprofile", "z/.zshrc", "mine/plugins/ai/ai.plugin.zsh", "mine/plugins/ai/more", "mine/a.zsh"];
    assert_eq!(really, want);
    let found: Vec<String> = home.found(&[]).into_iter().map(|file| file.0).collect();
    for name in want.iter().chain(&["mine/themes/x.zsh-theme", "omz/oh-my-zsh.sh"]) {
        assert!(found.contains(&(*name).to_owned()), "{name}");
    }
}

#[test]
fn what_fish_reads_is_found() {
    let both: &[&str] = &[".config/fish/local/a.fish", ".config/fish/local/b.fish"];
    let one: &[&str] = &[".config/fish/keys.fish"];
    reads(
        &["fish", "-i", "-c", "true"],
        ".config/fish/config.fish",
        &[
            ("source (dirname (status -f))/keys.fish", one),
            ("source (status dirname)/keys.fish", one),
            ("set -l d (dirname (status --current-filename))\nsource $d/keys.fish", one),
            ("set L (dirname (realpath (status filename)))/keys.fish\nif test -f $L\n source $L\nend", one),
            ("source (path dirname (status filename))/keys.fish", one),
            ("for f in ~/.config/fish/local/*.fish\n source $f\nend", both),
            ("for f in (status dirname)/local/*.fish; source $f; end", both),
            ("for f in $__fish_config_dir/local/{a,b}.fish; . $f; end", both),
            ("for n in a b; source ~/.config/fish/local/$n.fish; end", both),
            ("test -f ~/.keys; and source ~/.keys; or true", &[".keys"]),
            (
                "set -q XDG_CONFIG_HOME; or set -gx XDG_CONFIG_HOME ~/.config\nsource $XDG_CONFIG_HOME/fish/keys.fish",
                one,
            ),
            ("function include --argument-names f\n test -f $f; and source $f\nend\ninclude ~/.keys", &[".keys"]),
            ("function include; source $argv[1]; end; include ~/.keys", &[".keys"]),
            ("eval \"source ~/.keys\"; builtin source ~/dots/keys", &[".keys", "dots/keys"]),
            (
                "set -l files ~/.keys 'none'; set -a files $HOME/dots/keys\nfor f in $files; test -f $f; and . $f; end",
                &[".keys", "dots/keys"],
            ),
            (
                "if status is-interactive; and test -e ~/.keys\n source ~/.keys\nelse if false\n source ~/none\nend",
                &[".keys"],
            ),
            (
                "begin; source ~/.keys; end; switch (uname); case Linux; source ~/dots/keys; case '*'; true; end",
                &[".keys", "dots/keys"],
            ),
            ("for f in (ls ~/.config/fish/local/*.fish); source $f; end", both),
        ],
    );
    let home = home_of(&[
        (".config/fish/functions/include.fish", "function include\n source $argv[1]\nend"),
        (".config/fish/conf.d/x.fish", "+include ~/.keys"),
        (".config/fish/fish_variables", "SETUVAR --export DOTS:/x\nSETUVAR D:~/dots\\x2dx\n"),
        (".keys", "+"),
    ]);
    assert_eq!(really_read(&home, &["fish", "-i", "-c", "true"]), [".config/fish/conf.d/x.fish", ".keys"]);
    assert_eq!(with_role(&home, Role::Sourced), [".keys"]);
}

#[test]
fn what_csh_reads_is_found() {
    let both: &[&str] = &[".d/a.sh", ".d/b.sh"];
    reads(
        &["tcsh", "-c", "true"],
        ".tcshrc",
        &[
            ("if ( -f ~/.keys ) source ~/.keys", &[".keys"]),
            ("if ( -r ~/.keys ) then\n source ~/.keys\nelse\n source ~/none\nendif", &[".keys"]),
            ("foreach f ( ~/.d/*.sh )\n source $f\nend", both),
            ("set dir = ~/dots\nsource $dir/keys", &["dots/keys"]),
            ("setenv DOTFILES ~/dots\nif ( -d $DOTFILES ) source ${DOTFILES}/keys", &["dots/keys"]),
            ("set files = ( ~/.keys ~/dots/keys )\nforeach f ( $files )\nsource $f\nend", &[".keys", "dots/keys"]),
            ("foreach n ( a b )\nsource ~/.d/${n}.sh\nend", both),
            ("set rc=~/.d/a.sh; source $rc:h/b.sh", &[".d/b.sh"]),
            ("set d = `dirname ~/.d/x`\nsource $d/a.sh", &[".d/a.sh"]),
        ],
    );
}

#[test]
fn what_powershell_and_nushell_read_is_found() {
    let both: &[&str] = &[".d/a.sh", ".d/b.sh"];
    reads(
        &[],
        ".config/powershell/profile.ps1",
        &[
            (". \"$PSScriptRoot\\..\\..\\.keys\"; . $HOME/dots/keys", &[".config/powershell/../../.keys", "dots/keys"]),
            (". (Join-Path $HOME '.keys')", &[".keys"]),
            ("$d = \"$HOME/.d\"\nforeach ($f in Get-ChildItem \"$d/*.sh\") { . $f.FullName }", both),
            ("Get-ChildItem ~/.d -Filter *.sh | Where-Object { $_.Length } | ForEach-Object { . $_ }", both),
            ("function Include($Path) { if (Test-Path $Path) { . $Path } }\nInclude \"$env:HOME/.keys\"", &[".keys"]),
            (
                "$env:DOTS = Join-Path $HOME dots\nif (Test-Path \"$env:DOTS/keys\") { . \"$env:DOTS/keys\" }",
                &["dots/keys"],
            ),
            ("'~/.keys', \"$HOME/dots/keys\" | % { }\n$l = @('~/.keys')\nforeach ($x in $l) { . $x }", &[]),
            (". (Split-Path -Parent $PROFILE | Join-Path -ChildPath x)\n<# . ~/.keys #>\n@'\n. ~/.keys\n'@", &[]),
        ],
    );
    reads(
        &[],
        ".config/nushell/config.nu",
        &[
            ("source ~/.keys\nsource-env \"~/dots/keys\"", &[".keys", "dots/keys"]),
            ("source ($nu.home-path | path join '.keys')", &[".keys"]),
            (
                "const D = ($nu.default-config-dir | path join '../../dots')\nsource $\"($D)/keys\"",
                &[".config/nushell/../../dots/keys"],
            ),
            ("overlay use ~/.keys; use ~/dots/keys *", &[".keys", "dots/keys"]),
            ("const here = path self\nsource ../sh/keys", &[".config/nushell/../sh/keys"]),
        ],
    );
}

#[test]
fn what_is_read_as_text_is_found_apart() {
    for (start, text) in [
        (".zshrc", "source <(cat ~/x)"),
        (".zshrc", "eval \"$(cat ~/x)\""),
        (".zshrc", "export $(grep -v '^#' ~/x | xargs)"),
        (".zshrc", "export OPENAI_API_KEY=$(cat ~/x)"),
        (".zshrc", "export OPENAI_API_KEY=\"$(<~/x)\""),
        (".zshrc", "OPENAI_API_KEY=`head -1 \"$HOME/x\"`"),
        (".zshrc", "export OPENAI_API_KEY=\"${OPENAI_API_KEY:-$(cat ~/x 2>/dev/null)}\""),
        (".zshrc", "alias c='OPENAI_API_KEY=$(cat ~/x) codex'"),
        (".zshrc", "c() { OPENAI_API_KEY=$(cat ~/x) codex; }"),
        (".zshrc", "eval $(sed 's/^/export /' ~/x)"),
        (".zshrc", "fpath=(~ $fpath)\nautoload -Uz x"),
        (".zshrc", "fpath+=~; autoload -U compinit x && compinit"),
        (".zshrc", "autoload -Uz ~/x"),
        (".kshrc", "FPATH=$HOME:$FPATH\nautoload x"),
        (".bashrc", "while IFS= read -r l; do export \"$l\"; done < ~/x"),
        (".bashrc", "read -r OPENAI_API_KEY < ~/x"),
        (".bashrc", "f=~/x; export $(cut -d= -f1 \"$f\")"),
        (".bashrc", "load() { while read -r l; do export \"$l\"; done <\"$1\"; }; load ~/x"),
        (".bashrc", "grep = ~/x | while read l; do export $l; done"),
        (".config/fish/config.fish", "cat ~/x | source"),
        (".config/fish/config.fish", "bass source ~/x"),
        (".config/fish/config.fish", "bass 'source ~/x; true'"),
        (".config/fish/config.fish", "set -gx OPENAI_API_KEY (cat ~/x)"),
        (".config/fish/config.fish", "for l in (cat ~/x | grep =); export $l; end"),
        (".config/fish/config.fish", "source (sed 's/a/b/' ~/x | psub)"),
        (".config/fish/config.fish", "while read -l l; export $l; end < ~/x"),
        (".cshrc", "setenv OPENAI_API_KEY `cat ~/x`"),
        (".config/powershell/profile.ps1", "Get-Content ~/x | ForEach-Object { $a = $_ }"),
        (".config/powershell/profile.ps1", "$env:OPENAI_API_KEY = Get-Content \"$HOME/x\" -Raw"),
        (".config/powershell/profile.ps1", "$env:OPENAI_API_KEY = (Get-Content ~/x).Trim()"),
        (".config/nushell/config.nu", "$env.OPENAI_API_KEY = (open ~/x | str trim)"),
        (".config/nushell/env.nu", "open ~/x | lines | load-env"),
    ] {
        let home = home_of(&[(start, text), ("x", "A=b\n")]);
        assert_eq!(with_role(&home, Role::Text), ["x"], "{text}");
        assert!(Role::Text.is_report_only());
    }
    for text in ["cd $(dirname ~/x)", "[ -f ~/x ]", "eval \"$(~/x hook)\"", "# $(cat ~/x)", "echo ~/x"] {
        let home = home_of(&[(".zshrc", text), ("x", "A=b\n")]);
        assert_eq!(with_role(&home, Role::Text), [""; 0], "{text}");
    }
    // What is also sourced is edited.
    let home = home_of(&[(".bashrc", "export $(cat ~/x)\n. ~/x"), ("x", "A=b\n")]);
    assert_eq!(with_role(&home, Role::Sourced), ["x"]);
}

#[test]
fn files_are_followed_to_a_depth_without_going_in_circles() {
    let home = Home::new();
    home.file(".zshrc", "source ~/f1");
    for level in 1..12 {
        home.file(&format!("f{level}"), &format!("source ~/.zshrc; source ~/f{level}; source ~/f{}", level + 1));
    }
    let want: Vec<String> = (1..=9).map(|level| format!("f{level}")).collect();
    assert_eq!(with_role(&home, Role::Sourced), want);
    // Many files, and a file that multiplies.
    let home = Home::new();
    for number in 0..1500 {
        home.file(&format!("d/{number:04}"), "");
    }
    home.file(".bashrc", "for a in ~/d/*; do . $a; done; for a in ~/d/*; do for b in ~/d/*; do . $b; done; done");
    assert_eq!(with_role(&home, Role::Sourced).len(), 1500);
}

// The `echo read:` of the parts that a shell reads, in order.
fn predicted(home: &Home, pairs: &[(&str, &str)], shell: Shell, start: Start) -> Vec<String> {
    let found = home.everything(pairs);
    let reading = found.readings.iter().find(|reading| reading.shell == shell && reading.start == start);
    let mut said = Vec::new();
    for step in &reading.expect("every shell has one").steps {
        let text = fs::read(&found.candidates[step.file].path).expect("readable");
        let text = String::from_utf8_lossy(&text[step.span.start..step.span.end.min(text.len())]).into_owned();
        said.extend(text.lines().filter_map(|line| Some(line.split_once("echo read:")?.1.to_owned())));
    }
    said
}

#[test]
fn files_are_read_in_each_shells_own_order() {
    let nested = "echo read:1\n[ -f ~/.a ] && . ~/.a; echo read:4\necho read:5\n";
    let bash = [
        (".bash_profile", "echo read:0\nif [ -f ~/.bashrc ]; then . ~/.bashrc; fi\necho read:6\n"),
        (".bashrc", nested),
        (".a", "echo read:2\nfor f in ~/.d/*; do\n . $f\ndone\necho read:3"),
        (".d/x", "echo read:x"),
        (".d/y", "echo read:y"),
        (".profile", "echo read:none"),
        (".zshenv", "echo read:0"),
        (".zprofile", "echo read:1\nexport ZDOTDIR=$HOME/z"),
        ("z/.zshrc", "include() {\n source $1\n}\necho read:2\ninclude ~/.b; echo read:4\n"),
        ("z/.zlogin", "echo read:5\n(. ~/.d/x; :)"),
        (".zshrc", "echo read:none"),
        (".b", "echo read:3"),
        (".config/fish/conf.d/b.fish", "echo read:2"),
        (".config/fish/conf.d/a.fish", "echo read:1"),
        (".config/fish/config.fish", "echo read:3\nsource (status dirname)/more.fish\necho read:5"),
        (".config/fish/more.fish", "echo read:4"),
        (".config/fish/functions/f.fish", "echo read:none"),
        (".cshrc", "echo read:none"),
        (".tcshrc", "echo read:1\nif ( -f ~/.c ) source ~/.c\necho read:3"),
        (".c", "echo read:2"),
        (".login", "echo read:4"),
    ];
    let home = Home::new();
    for (name, text) in bash {
        home.file(name, text);
    }
    for (shell, start, command) in [
        (Shell::Bash, Start::Login, &["bash", "-l", "-c", ":"][..]),
        (Shell::Bash, Start::Further, &["bash", "-i", "-c", ":"]),
        (Shell::Sh, Start::Login, &["sh", "-l", "-c", ":"]),
        (Shell::Zsh, Start::Login, &["zsh", "-d", "-l", "-i", "-c", ":"]),
        (Shell::Fish, Start::Login, &["fish", "-l", "-i", "-c", "true"]),
    ] {
        let mut really = really_read(&home, command);
        // A subshell has variables of its own.
        really.retain(|said| shell != Shell::Zsh || said != "x");
        assert_eq!(predicted(&home, &[], shell, start), really, "{shell:?}");
    }
    assert_eq!(predicted(&home, &[], Shell::Csh, Start::Login), ["1", "2", "3", "4"]);
    assert_eq!(really_read(&home, &["tcsh", "-c", "true"]), ["1", "2", "3"]);
}

#[test]
fn what_a_limit_leaves_out_is_said() {
    let unread = |home: &Home| -> Vec<String> {
        let found = home.everything(&[]).unread.into_iter();
        let own = found.filter_map(|(path, why)| {
            assert!(why.ends_with("may be missed: `ringlet migrate FILE` looks through one"), "{why}");
            Some(path.strip_prefix(home.0.path()).ok()?.to_str()?.to_owned())
        });
        own.collect()
    };
    let many = |folder: &str, count: usize, text: &str| {
        let home = Home::new();
        for number in 0..count {
            home.file(&format!("{folder}/{number:05}.sh"), text);
        }
        home
    };
    let deep: Vec<String> = (1..12).map(|level| format!("f{level}() {{ . ~/f{level}; f{}; }}", level + 1)).collect();
    let home = many("d", 100, "x");
    for (rc, is_cut) in [
        ("for a in ~/d/*; do . $a; done".to_owned(), false),
        (". ~/**/x".to_owned(), false),
        (". ~/{0..24999}".to_owned(), false),
        (". ~/{0..25000}".to_owned(), true),
        (format!(". ~/{}x", "{a,b}".repeat(15)), true),
        (format!("A=({})\n. ~/$A", "x ".repeat(25_001)), false),
        (format!("A=({})\n. ~/$A", (0..25_001).map(|at| format!("x{at} ")).collect::<String>()), true),
        ("A=(x{1..900})\n. ~/$A$A".to_owned(), true),
        ("A=(x{1..900})\n. ~/$A.sh".to_owned(), false),
        ("for a in {1..90}; do for b in {1..90}; do x; done; done".to_owned(), false),
        ("for a in {1..1500}; do for b in {1..1000}; do x; done; done".to_owned(), true),
        (format!("{}\nf1", deep[..7].join("\n")), false),
        (format!("{}\nf1", deep.join("\n")), true),
        // A function that calls itself reads nothing else the second time.
        ("f() { g x; }; g() { f; }; f".to_owned(), false),
        (format!("#{}\n. ~/x", "x".repeat(4 << 20)), true),
        ("{ ".repeat(39), false),
        ("for a in b; do ".repeat(41), true),
        ("eval 'eval \"eval . x\"'".to_owned(), false),
        (format!("A=$({})", "cat ~/a; ".repeat(100)), false),
    ] {
        home.file(".bashrc", &rc);
        let shown = rc.get(..80).unwrap_or(&rc);
        assert_eq!(unread(&home), if is_cut { vec![".bashrc"] } else { vec![] }, "{shown}");
    }
    // All files together; too deep a chain; a folder too deep.
    let home = many("d", 25_000, "");
    home.file(".bashrc", "for a in ~/d/0*; do . $a; done; for a in ~/d/1*; do . $a; done");
    home.file(".zshrc", "for a in ~/d/*; do . $a; done");
    assert_eq!(unread(&home), [".zshrc"]);
    let home = Home::new();
    home.file(".bashrc", ". ~/f1");
    for level in 1..12 {
        home.file(&format!("f{level}"), &format!(". ~/f{}", level + 1));
    }
    assert_eq!(unread(&home), ["f8"]);
    let home = home_of(&[("d/1/2/3/4/5/6/7/8/9/x.zsh", ""), (".zshrc", "for a in ~/d/**/*.zsh; do . $a; done")]);
    assert_eq!(unread(&home), [".zshrc"]);
    // The user's own scripts, and an agent's own files.
    assert_eq!(unread(&many("bin", 2000, "#!/bin/sh\n")), Vec::<String>::new());
    assert_eq!(unread(&many("bin", 2001, "#!/bin/sh\n")), ["bin"]);
    assert_eq!(unread(&many(".claude/backups", 201, "x")), [".claude"]);
    // Of records the latest are looked through, which is no reason to doubt.
    let home = many(".claude/todos", 1, "x");
    for number in 0..1200 {
        home.file(&format!(".claude/projects/p/{number}.jsonl"), "x");
    }
    let found = home.everything(&[]);
    let said = "of 1200 records the latest 200 were looked through".to_owned();
    assert_eq!((found.unread, found.older), (vec![], vec![(home.0.path().join(".claude"), said)]));
}

#[test]
fn a_candidate_belongs_to_the_shells_that_read_it_at_start() {
    let home = Home::new();
    for (name, text) in [
        (".profile", ". ~/.env"),
        (".bashrc", ""),
        (".zshrc", "source ~/.env; later() { source ~/.far; }"),
        (".env", "A=1"),
        (".far", "A=1"),
        (".config/environment.d/a.conf", "A=1"),
        (".config/fish/fish_variables", "SETUVAR A:1"),
        (".bash_aliases", ""),
    ] {
        home.file(name, text);
    }
    let found = home.everything(&[]);
    let shells = |name: &str| {
        let at = found.candidates.iter().position(|file| file.path.ends_with(name)).expect("it is a candidate");
        found.shells(at).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(shells(".env"), [Shell::Sh, Shell::Bash, Shell::Zsh]);
    assert_eq!(shells(".bashrc"), [Shell::Bash]);
    assert_eq!(shells("fish_variables"), [Shell::Fish]);
    assert_eq!(shells("a.conf").len(), 7);
    assert_eq!(shells(".far"), []);
    assert_eq!(shells(".bash_aliases"), []);
}

#[test]
fn zsh_reads_where_the_environment_says_if_no_file_does() {
    let home = Home::new();
    home.file(".zshenv", "echo read:none");
    home.file("z/.zshenv", "echo read:1");
    home.file("z/.zshrc", "echo read:2");
    assert_eq!(predicted(&home, &[("ZDOTDIR", "@/z")], Shell::Zsh, Start::Login), ["1", "2"]);
    home.file(".config/environment.d/z.conf", "ZDOTDIR=${HOME}/z\n");
    assert_eq!(predicted(&home, &[], Shell::Zsh, Start::Login), ["1", "2"]);
}

#[test]
fn positions_are_bytes_of_the_file_whatever_its_encoding() {
    let home = Home::new();
    let text = "# é\n. ~/x\n# behind\n";
    for (bytes, at) in [
        (text.as_bytes().to_vec(), 5),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), 8),
        ([&[0xff, 0xfe][..], &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat(), 10),
    ] {
        fs::create_dir_all(home.0.path().join(".config/powershell")).expect("made");
        fs::write(home.0.path().join(".config/powershell/profile.ps1"), &bytes).expect("written");
        home.file("x", "");
        let found = home.everything(&[]);
        let reading = found.readings.iter().find(|reading| reading.shell == Shell::PowerShell).expect("there is one");
        let spans: Vec<_> = reading.steps.iter().map(|step| step.span.clone()).collect();
        assert_eq!(spans, [0..at, 0..usize::MAX, at..usize::MAX]);
    }
}

#[test]
fn hostile_files_are_gone_through() {
    let many = |text: &str, count: usize| text.repeat(count);
    for text in [
        many("for a in b; do\n", 1_000),
        many("f() {\n", 1_000),
        format!("command {} x", many("builtin ", 3_000)),
        format!("A=$({} x)", many("command ", 3_000)),
        many("$(", 3_000),
        many("${a:-", 3_000),
        many("\"$(\"", 3_000),
        many("{a,", 3_000),
        many("source ~/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}\n", 100),
        many("A+=(x{1..900})\n", 100),
        format!("A={}\n{}", many("a/", 100), many("B=${A//a/aaaaaaaaaaaaaaaa}; C=${A%%/*/*/*/*}\n", 100)),
        format!("f() {{ : {}; }}\n{}", many("x", 3_000), many("f\n", 1000)),
        many("f() { f; f; }\nf\n", 100),
        many("eval 'eval \"eval f\"'\n", 100),
        many("<<E\n", 1_000),
        many("'\n\"\n`\n", 1_000),
    ] {
        let home = Home::new();
        for name in [".bashrc", ".zshrc", ".config/fish/config.fish", ".tcshrc", ".config/nushell/config.nu"] {
            home.file(name, &text);
        }
        home.file(".config/powershell/profile.ps1", &text);
        assert_eq!(home.found(&[]).len(), 6);
    }
}

#[test]
fn scripts_of_the_users_own_are_found_and_packages_are_not() {
    let home = Home::new();
    for (name, text) in [
        (".local/bin/claude-glm", "#!/bin/bash\n. ~/.glm\n"),
        ("bin/ds", "#!/usr/bin/env fish\n"),
        ("bin/kimi.ps1", "$env:A = 'b'\n"),
        ("bin/notes.txt", "A=b\n"),
        ("bin/tool", "#!/usr/bin/env python3\n"),
        ("bin/elf", "\x7fELF\0\0"),
        ("mine/z", "#!/bin/zsh\n"),
        ("dots/bin/linked", "#!/bin/sh\n"),
        (".local/share/uv/tools/x/bin/x", "#!/bin/sh\n"),
        ("p/node_modules/x/cli.sh", "#!/bin/sh\n"),
        (".glm", "A=b\n"),
    ] {
        home.file(name, text);
    }
    home.file("bin/large", &format!("#!/bin/sh\n{}", "# x\n".repeat(100_000)));
    let at = |name: &str| home.0.path().join(name);
    for (target, link) in [
        ("dots/bin/linked", "bin/linked"),
        (".local/share/uv/tools/x/bin/x", ".local/bin/x"),
        ("p/node_modules/x/cli.sh", ".local/bin/cli"),
    ] {
        symlink(at(target), at(link)).expect("linked");
    }
    symlink("/usr/bin/ldd", at("bin/ldd")).expect("linked");
    let found = home.found(&[("XDG_BIN_HOME", "@/mine")]);
    let scripts: Vec<_> = found.iter().filter(|file| file.1 == Role::Script).map(|file| (&*file.0, file.2)).collect();
    let want = [
        ("bin/ds", Dialect::Fish),
        ("bin/kimi.ps1", Dialect::PowerShell),
        ("bin/linked", Dialect::Sh),
        (".local/bin/claude-glm", Dialect::Bash),
        ("mine/z", Dialect::Zsh),
    ];
    assert_eq!(scripts, want);
    assert!(found.iter().any(|file| file.0 == ".glm" && file.1 == Role::Sourced));
    assert!(!Role::Script.is_report_only());
    let shells = home.everything(&[]);
    let at = shells.candidates.iter().position(|file| file.path.ends_with("bin/ds")).expect("it is there");
    assert!(shells.shells(at).is_empty(), "no shell reads a script at its start");
}

#[test]
fn agents_own_stores_are_listed_with_their_remedy() {
    let home = Home::new();
    let names = [
        ".claude/settings-kimi.json",
        ".claude/providers/glm.json",
        ".claude/settings.json.bak",
        ".claude/projects/p/s.jsonl",
        ".codex/sessions/2026/01/02/r.jsonl",
        ".local/share/opencode/auth.json",
        ".cc-switch/cc-switch.db",
        ".claude-code-router/config.json",
        ".config/mise/config.toml",
        ".local/share/chezmoi/dot_zshrc",
        ".config/Code/User/settings.json",
        ".config/hypr/env.conf",
        ".local/share/applications/x.desktop",
        ".env",
        ".netrc",
        ".viminfo",
        ".config/shell_gpt/.sgptrc",
    ];
    for name in names {
        home.file(name, "A=b\n");
    }
    let found = home.everything(&[]);
    for name in names {
        let at = found.candidates.iter().position(|file| file.path.ends_with(name));
        let at = at.unwrap_or_else(|| panic!("{name} is not listed"));
        assert_eq!(found.candidates[at].role, Role::AgentConfig, "{name}");
        assert!(found.own(at).is_some_and(|own| !own.then.is_empty()), "{name}");
    }
    assert_eq!(found.own(usize::MAX), None);
}
