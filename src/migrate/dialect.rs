//! Which language a file is written in: by its name and place, then its `#!`, then its ending, then what it looks like.
//!
//! Decides only how a file is read; whether it may be edited is the plan's business. Called for every file that is
//! scanned. Nothing is opened here: the caller passes the first bytes.

use super::model::text_start;
use super::utf16;
use std::path::Path;

/// A language or format that keys are set in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// bash.
    Bash,
    /// zsh.
    Zsh,
    /// POSIX sh, dash, ksh.
    Sh,
    /// fish.
    Fish,
    /// PowerShell, Windows' and the portable one.
    PowerShell,
    /// csh and tcsh.
    Csh,
    /// nushell.
    Nushell,
    /// Lines of `KEY=VALUE`.
    DotEnv,
    /// systemd's environment.d.
    EnvironmentD,
    /// pam_env.
    PamEnv,
    /// fish's store of universal variables.
    FishVariables,
    /// JSON, YAML, TOML, property lists, units: reported only.
    Structured,
    /// A shell's history: reported only.
    History,
    /// Anything else: reported only.
    Text,
}

impl Dialect {
    /// Whether keys in it are only reported, never taken out.
    pub(crate) fn is_report_only(self) -> bool {
        matches!(self, Self::Structured | Self::History | Self::Text)
    }
}

/// The dialect of a file, from its path and its first bytes (a few hundred are enough; none are needed for the files
/// that have names of their own). Nothing to go by gives `Text`.
pub(crate) fn of(path: &Path, first_bytes: &[u8]) -> Dialect {
    let whole = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let narrow = utf16::narrowed(first_bytes);
    let first = narrow.as_ref().map_or(first_bytes, |text| text.trim_ascii_start());
    let first = &first[text_start(first)..];
    if is_binary(&whole, first) {
        return Dialect::Text;
    }
    let name = without_backup_ending(&whole);
    by_name(name, &folder)
        .or_else(|| by_hash_bang(first))
        .or_else(|| by_ending(name))
        .unwrap_or_else(|| by_looks(first))
}

/// The dialect of a script that is run by its name: by its `#!`, or by its ending where it has none. Nothing for a
/// program of another language, or one that is no text.
pub(crate) fn of_script(path: &Path, first_bytes: &[u8]) -> Option<Dialect> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = &first_bytes[text_start(first_bytes)..];
    if is_binary(&name, first) {
        return None;
    }
    let by_name = || by_ending(&name).filter(|dialect| !dialect.is_report_only());
    if first.starts_with(b"#!") { by_hash_bang(first) } else { by_name() }
}

// Editors' swap and undo files and zsh's compiled ones: whatever their names say, they are no text.
fn is_binary(name: &str, first: &[u8]) -> bool {
    let swap = name
        .rsplit_once('.')
        .is_some_and(|(stem, ending)| stem.starts_with('.') && ending.len() == 3 && ending.starts_with("sw"));
    swap || name.ends_with(".un~") || name.ends_with(".zwc") || first.contains(&0)
}

/// A backup's name without what marks it as one: `.zshrc.bak` -> `.zshrc`.
pub(crate) fn without_backup_ending(name: &str) -> &str {
    let endings = ["~", ".bak", ".backup", ".old", ".orig", ".save"];
    let stem = endings.iter().find_map(|ending| name.strip_suffix(ending));
    stem.filter(|stem| !stem.is_empty() && *stem != ".").map_or(name, without_backup_ending)
}

fn by_name(name: &str, folder: &str) -> Option<Dialect> {
    // Repositories of dotfiles keep them without the dot, or spelt out.
    let bare = name.strip_prefix("dot_").unwrap_or_else(|| name.strip_prefix('.').unwrap_or(name));
    let bare = bare.strip_suffix(".symlink").unwrap_or(bare);
    Some(match bare {
        "zshrc" | "zshenv" | "zprofile" | "zlogin" | "zlogout" | "zpreztorc" | "zshrc.local" | "zshenv.local" => {
            Dialect::Zsh
        }
        "bashrc" | "bash_profile" | "bash_login" | "bash_logout" | "bash_aliases" | "bash.bashrc" | "envrc"
        | "bashrc.local" | "bash_env" | "bash_exports" | "bash_functions" | "bash_secrets" => Dialect::Bash,
        "profile" | "kshrc" | "mkshrc" | "shrc" | "xprofile" | "xsessionrc" | "xsession" | "xinitrc" => Dialect::Sh,
        "cshrc" | "tcshrc" | "login" | "logout" | "cshdirs" | "csh.cshrc" | "csh.login" => Dialect::Csh,
        "pam_environment" | "pam_env.conf" => Dialect::PamEnv,
        "fish_variables" => Dialect::FishVariables,
        "environment" if folder == "etc" => Dialect::DotEnv,
        "bash_history"
        | "zsh_history"
        | "zhistory"
        | "histfile"
        | "history"
        | "sh_history"
        | "ksh_history"
        | "fish_history"
        | "ConsoleHost_history.txt"
        | "python_history"
        | "node_repl_history" => Dialect::History,
        _ if bare.ends_with("_history") || bare.ends_with("_history.txt") => Dialect::History,
        _ if folder == "environment.d" && name.ends_with(".conf") => Dialect::EnvironmentD,
        _ if is_dotenv(name) => Dialect::DotEnv,
        _ => return None,
    })
}

fn is_dotenv(name: &str) -> bool {
    name == ".env" || name.starts_with(".env.") || (name.ends_with(".env") && !name.starts_with(".env"))
}

fn by_hash_bang(first: &[u8]) -> Option<Dialect> {
    let line = first.strip_prefix(b"#!")?;
    let line = String::from_utf8_lossy(line.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
    let mut words = line.split_whitespace();
    let program = |word: &str| word.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let mut word = program(words.next()?);
    if word == "env" {
        let is_command = |word: &&str| !word.starts_with('-') && !word.contains('=');
        word = program(words.find(is_command)?);
    }
    by_shell(word.trim_end_matches(".exe"))
}

/// The dialect of a shell's own name: `zsh` and the like.
fn by_shell(name: &str) -> Option<Dialect> {
    Some(match name {
        "bash" | "rbash" => Dialect::Bash,
        "zsh" => Dialect::Zsh,
        "sh" | "dash" | "ash" | "ksh" | "mksh" | "ksh93" => Dialect::Sh,
        "fish" => Dialect::Fish,
        "pwsh" | "powershell" => Dialect::PowerShell,
        "csh" | "tcsh" => Dialect::Csh,
        "nu" => Dialect::Nushell,
        _ => return None,
    })
}

fn by_ending(name: &str) -> Option<Dialect> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "bash" => Dialect::Bash,
        "zsh" | "zsh-theme" => Dialect::Zsh,
        "sh" | "ksh" | "profile" => Dialect::Sh,
        "fish" => Dialect::Fish,
        "ps1" | "psm1" | "psd1" => Dialect::PowerShell,
        "csh" | "tcsh" => Dialect::Csh,
        "nu" => Dialect::Nushell,
        "json" | "jsonc" | "json5" | "yaml" | "yml" | "toml" | "plist" | "xml" | "ini" | "service" => {
            Dialect::Structured
        }
        "history" => Dialect::History,
        _ => return None,
    })
}

// bash's own `set` knows none of these options with a name behind them.
const FISH_SETS: &[&str] =
    &["set -g", "set -x", "set -U", "set -l", "set --export ", "set --global ", "set --universal "];

// A sourced file such as ~/.secrets has neither a known name nor an ending. The first line that only one language
// has decides; assignments alone are every Bourne shell's.
fn by_looks(first: &[u8]) -> Dialect {
    let mut assigns = false;
    let text = first.trim_ascii_start();
    if text.starts_with(b"{") || text.starts_with(b"<?xml") || text.starts_with(b"<plist") {
        return Dialect::Structured;
    }
    for line in first.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        let begins = |word: &str| line.starts_with(word.as_bytes());
        if begins("SETUVAR ") {
            return Dialect::FishVariables;
        } else if begins("setenv ") {
            return Dialect::Csh;
        } else if begins("- cmd:") {
            return Dialect::History;
        } else if FISH_SETS.iter().any(|set| begins(set)) {
            return Dialect::Fish;
        } else if line.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"$env:")) {
            return Dialect::PowerShell;
        } else if ["$env.", "let-env ", "load-env "].iter().any(|word| begins(word)) {
            return Dialect::Nushell;
        } else if begins(": ") && line[2..].first().is_some_and(u8::is_ascii_digit) && line.contains(&b';') {
            return Dialect::History;
        }
        assigns |= is_assignment(line);
    }
    if assigns { Dialect::Sh } else { Dialect::Text }
}

fn is_assignment(line: &[u8]) -> bool {
    let rest = ["export ", "declare ", "typeset ", "readonly "]
        .iter()
        .find_map(|word| line.strip_prefix(word.as_bytes()))
        .map_or(line, <[u8]>::trim_ascii_start);
    let name = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    name > 0 && !rest[0].is_ascii_digit() && rest.get(name) == Some(&b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_places_tell_the_dialect() {
        for (path, want) in [
            ("~/.zshrc", Dialect::Zsh),
            ("~/dotfiles/zshrc", Dialect::Zsh),
            ("~/dotfiles/dot_zshenv", Dialect::Zsh),
            ("~/.zshrc.bak", Dialect::Zsh),
            ("~/.bashrc~", Dialect::Bash),
            ("~/.bashrc.orig~", Dialect::Bash),
            ("./.envrc", Dialect::Bash),
            ("~/.profile", Dialect::Sh),
            ("~/.xsessionrc", Dialect::Sh),
            ("~/.tcshrc", Dialect::Csh),
            ("~/.config/fish/config.fish", Dialect::Fish),
            ("~/.config/fish/fish_variables", Dialect::FishVariables),
            ("~/.config/nushell/env.nu", Dialect::Nushell),
            ("~/Documents/PowerShell/Microsoft.PowerShell_profile.ps1", Dialect::PowerShell),
            ("~/.config/environment.d/50-ai.conf", Dialect::EnvironmentD),
            ("~/.config/other.d/50-ai.conf", Dialect::Text),
            ("~/.pam_environment", Dialect::PamEnv),
            ("/etc/environment", Dialect::DotEnv),
            ("~/.env", Dialect::DotEnv),
            ("~/.env.local", Dialect::DotEnv),
            ("~/prod.env", Dialect::DotEnv),
            ("~/.claude/settings.json", Dialect::Structured),
            ("~/.aider.conf.yml", Dialect::Structured),
            ("~/Library/LaunchAgents/a.plist", Dialect::Structured),
            ("~/.zsh_history", Dialect::History),
            ("~/.local/share/fish/fish_history", Dialect::History),
            ("~/x/ConsoleHost_history.txt", Dialect::History),
            ("~/.zshrc.zwc", Dialect::Text),
            ("~/.zshrc.swp", Dialect::Text),
            ("~/..zshrc.un~", Dialect::Text),
            ("~/keys.zsh", Dialect::Zsh),
            ("~/keys.sh", Dialect::Sh),
            ("~", Dialect::Text),
            ("", Dialect::Text),
        ] {
            assert_eq!(of(Path::new(path), b""), want, "{path}");
        }
    }

    #[test]
    fn without_a_name_the_first_line_and_then_the_ending_and_the_looks_tell() {
        for (path, first, want) in [
            ("run", "#!/bin/bash -e\n", Dialect::Bash),
            ("run", "#!/usr/bin/env -S A=b zsh -f\n", Dialect::Zsh),
            ("run.sh", "#! /usr/bin/env fish\n", Dialect::Fish),
            ("run", "#!/usr/bin/pwsh\n", Dialect::PowerShell),
            ("run", "\u{feff}#!/bin/tcsh\n", Dialect::Csh),
            ("run.zsh", "#!/usr/bin/python3\n", Dialect::Zsh),
            (".secrets", "# mine\nexport A=b\n", Dialect::Sh),
            (".secrets", "A=b\r\n", Dialect::Sh),
            (".secrets", "if test\n  set -gx A b\n", Dialect::Fish),
            (".secrets", "set -euo pipefail\nexport A=b\n", Dialect::Sh),
            (".secrets", "setenv A b\n", Dialect::Csh),
            (".secrets", "$Env:A = 'b'\n", Dialect::PowerShell),
            (".secrets", "# mine\n$env.A = \"b\"\n", Dialect::Nushell),
            ("run", "#!/usr/bin/env nu\n", Dialect::Nushell),
            ("x", "SETUVAR A:b\n", Dialect::FishVariables),
            ("x", ": 1718000000:0;ls\n", Dialect::History),
            ("x", "- cmd: ls\n", Dialect::History),
            ("x", " {\"a\": 1}", Dialect::Structured),
            ("x", "A=b\0", Dialect::Text),
            ("notes", "A key = b\n", Dialect::Text),
            // A name of its own is not overruled.
            (".zshrc", "#!/bin/bash\n", Dialect::Zsh),
        ] {
            assert_eq!(of(Path::new(path), first.as_bytes()), want, "{path} {first:?}");
        }
    }

    #[test]
    fn a_script_is_one_of_a_shell() {
        for (name, first, want) in [
            ("ds", "#!/bin/sh\nexec claude\n", Some(Dialect::Sh)),
            ("ds", "#!/usr/bin/env -S fish --no-config\n", Some(Dialect::Fish)),
            ("ds.sh", "export A=b\n", Some(Dialect::Sh)),
            ("ds.ps1", "$env:A = 'b'\n", Some(Dialect::PowerShell)),
            ("ds.sh", "#!/usr/bin/python3\n", None),
            ("ds", "export A=b\n", None),
            ("ds", "\x7fELF\0", None),
            ("ds.json", "{}", None),
        ] {
            assert_eq!(of_script(Path::new(name), first.as_bytes()), want, "{name} {first:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_and_bytes_have_a_dialect(
            name in "\\PC{0,20}",
            first in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            of(Path::new(&name), &first);
            of(Path::new("x"), &[b"#!", first.as_slice()].concat());
        }
    }
}
