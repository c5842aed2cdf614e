//! In which order each shell reads the user's files when it starts, by the shells' manuals.
//!
//! Says nothing about what the files hold. Called by the search, which lists what was reached, and read by whoever has
//! to know which of several settings holds.

use super::sourced::{Part, Reached, Walk};
use super::values::Known;
use super::words::Tongue;
use super::{Shell, listed, read_limited};
use crate::migrate::dialect::Dialect;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Which start of a shell it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The first shell of a session, on a terminal.
    Login,
    /// A shell on a terminal that another one started, or another program that uses the shell.
    Further,
}

/// What a shell reads when it starts, the session's files first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The shell.
    pub shell: Shell,
    /// Which start.
    pub start: Start,
    /// The parts of files, in order. A file that reads another one in its middle is there before and after it.
    pub steps: Vec<Step>,
}

/// A part of a file that is read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The file: its place among the candidates.
    pub file: usize,
    /// Its bytes; `usize::MAX` as the end is the file's end.
    pub span: Range<usize>,
    /// Whether it is read in any case, and not on a condition.
    pub sure: bool,
}

/// What was found out about all shells.
pub(super) struct Order {
    pub(super) readings: Vec<(Shell, Start, Vec<Part>)>,
    /// Where zsh looks for its files, home first.
    pub(super) zdotdirs: Vec<PathBuf>,
    /// Where its `.zshrc` is.
    pub(super) zshrc: Option<PathBuf>,
    /// oh-my-zsh's folders of the user's own that the files name.
    pub(super) customs: Vec<PathBuf>,
    /// The histories that the files name.
    pub(super) histories: Vec<PathBuf>,
}

/// Walks through the start files of every shell.
pub(super) fn of_all_shells(walk: &mut Walk<'_>, known: &Known<'_>) -> Order {
    let home = known.home;
    let zdotdirs = vec![home.to_owned()];
    let mut order = Order { readings: vec![], zdotdirs, zshrc: None, customs: vec![], histories: vec![] };

    let profile = [".bash_profile", ".bash_login", ".profile"].map(|name| home.join(name));
    let profile = profile.iter().find(|path| path.is_file());
    shell(walk, known, &mut order, (Shell::Bash, Start::Login), |walk, _| {
        profile.iter().for_each(|path| walk.start(path, Dialect::Bash));
    });
    shell(walk, known, &mut order, (Shell::Bash, Start::Further), |walk, _| {
        walk.start(&home.join(".bashrc"), Dialect::Bash);
    });
    shell(walk, known, &mut order, (Shell::Sh, Start::Login), |walk, _| {
        walk.start(&home.join(".profile"), Dialect::Sh);
        let given: Vec<PathBuf> = walk.values.given("ENV").iter().map(PathBuf::from).collect();
        let outside = known.env.absolute("ENV").into_iter().filter(|_| given.is_empty());
        given.iter().cloned().chain(outside).for_each(|path| walk.start(&path, Dialect::Sh));
    });
    shell(walk, known, &mut order, (Shell::Zsh, Start::Login), zsh(known));
    shell(walk, known, &mut order, (Shell::Fish, Start::Login), |walk, _| fish(walk, &known.config.join("fish")));
    shell(walk, known, &mut order, (Shell::Csh, Start::Login), |walk, _| {
        let rc = [".tcshrc", ".cshrc"].map(|name| home.join(name));
        rc.iter().find(|path| path.is_file()).into_iter().for_each(|path| walk.start(path, Dialect::Csh));
        walk.start(&home.join(".login"), Dialect::Csh);
    });
    let folders = nushell(known);
    shell(walk, known, &mut order, (Shell::Nushell, Start::Login), |walk, _| {
        for folder in &folders {
            let named = |name: &str| folder.join(name);
            let loaded = with_ending(&named("autoload"), "nu");
            let files = [named("env.nu"), named("config.nu")].into_iter().chain(loaded).chain([named("login.nu")]);
            files.for_each(|path| walk.start(&path, Dialect::Nushell));
        }
    });
    for host in ["PowerShell", "VSCode", "PowerShellISE"] {
        let start = if host == "PowerShell" { Start::Login } else { Start::Further };
        shell(walk, known, &mut order, (Shell::PowerShell, start), |walk, _| {
            for folder in powershell(known) {
                walk.start(&folder.join("profile.ps1"), Dialect::PowerShell);
                walk.start(&folder.join(format!("Microsoft.{host}_profile.ps1")), Dialect::PowerShell);
            }
        });
    }
    order
}

fn shell(
    walk: &mut Walk<'_>,
    known: &Known<'_>,
    order: &mut Order,
    (shell, start): (Shell, Start),
    read: impl FnOnce(&mut Walk<'_>, &mut Order),
) {
    walk.begin(Some(shell));
    session(walk, known);
    read(walk, order);
    let tongue = match shell {
        Shell::Sh | Shell::Bash => Tongue::Posix,
        Shell::Zsh => Tongue::Zsh,
        Shell::Fish => Tongue::Fish,
        Shell::Csh => Tongue::Csh,
        Shell::Nushell => Tongue::Nushell,
        Shell::PowerShell => Tongue::PowerShell,
    };
    let parts = walk.end(tongue);
    order.histories.extend(walk.values.given("HISTFILE").iter().map(PathBuf::from).filter(|path| path.is_absolute()));
    order.readings.push((shell, start, parts));
}

// What is set before any shell starts.
fn session(walk: &mut Walk<'_>, known: &Known<'_>) {
    for path in with_ending(&known.config.join("environment.d"), "conf") {
        walk.settings(&path, Dialect::EnvironmentD);
    }
    walk.settings(&known.home.join(".pam_environment"), Dialect::PamEnv);
    for name in [".xprofile", ".xsessionrc"] {
        walk.start(&known.home.join(name), Dialect::Sh);
    }
    for path in with_ending(&known.config.join("plasma-workspace/env"), "sh") {
        walk.start(&path, Dialect::Sh);
    }
}

fn zsh<'a>(known: &'a Known<'a>) -> impl FnOnce(&mut Walk<'_>, &mut Order) + 'a {
    move |walk, order| {
        let given = |walk: &Walk<'_>| -> Vec<PathBuf> {
            let folders = walk.values.given("ZDOTDIR").iter().map(PathBuf::from);
            folders.filter(|path| path.is_absolute()).collect()
        };
        for path in ["/etc/zshenv", "/etc/zsh/zshenv"] {
            walk.glance(Path::new(path), Dialect::Zsh);
        }
        let mut folders =
            Some(given(walk)).filter(|folders| !folders.is_empty()).unwrap_or(vec![known.home.to_owned()]);
        let read = |walk: &mut Walk<'_>, order: &mut Order, folders: &[PathBuf], name: &str| {
            for folder in folders {
                if !order.zdotdirs.contains(folder) {
                    order.zdotdirs.push(folder.clone());
                }
                walk.start(&folder.join(name), Dialect::Zsh);
            }
        };
        let before = walk.parts.len();
        read(walk, order, &folders, ".zshenv");
        if given(walk).is_empty()
            && let Some(outside) = known.env.absolute("ZDOTDIR").filter(|folder| !folders.contains(folder))
        {
            // Then zsh does not look at home.
            walk.parts.truncate(before);
            folders = vec![outside];
            read(walk, order, &folders, ".zshenv");
        }
        for name in [".zprofile", ".zshrc", ".zlogin"] {
            folders = Some(given(walk)).filter(|folders| !folders.is_empty()).unwrap_or(folders);
            if name == ".zshrc" {
                order.zshrc = folders.last().map(|folder| folder.join(name));
            }
            read(walk, order, &folders, name);
        }
        order.zdotdirs.extend(known.env.absolute("ZDOTDIR").filter(|folder| !order.zdotdirs.contains(folder)));
        order.customs.extend(walk.values.given("ZSH_CUSTOM").iter().map(PathBuf::from));
        if order.customs.is_empty() {
            order.customs.extend(walk.values.given("ZSH").iter().map(|folder| Path::new(folder).join("custom")));
        }
        order.customs.retain(|path| path.is_absolute());
    }
}

fn fish(walk: &mut Walk<'_>, folder: &Path) {
    let universal = folder.join("fish_variables");
    walk.whole(&universal, Dialect::FishVariables);
    for line in read_limited(&universal).unwrap_or_default().split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let setting =
            line.strip_prefix("SETUVAR ").and_then(|rest| rest.trim_start_matches("--export ").split_once(':'));
        if let Some((name, value)) = setting {
            let values = value.split("\\x1e").map(unescaped).collect();
            walk.values.set(name, values, false);
        }
    }
    for path in with_ending(&folder.join("conf.d"), "fish") {
        walk.start(&path, Dialect::Fish);
    }
    walk.start(&folder.join("config.fish"), Dialect::Fish);
}

// `\x2d` is a `-`.
fn unescaped(value: &str) -> String {
    let mut parts = value.split("\\x");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(&part[2..]);
            }
            None => text.push_str(part),
        }
    }
    text
}

/// nushell's folders of the user's own: by the base directories, and the systems' own ones.
pub(super) fn nushell(known: &Known<'_>) -> Vec<PathBuf> {
    let folders = [Some(known.config.to_owned()), Some(known.home.join("Library/Application Support"))];
    let folders = folders.into_iter().chain([known.env.absolute("APPDATA")]);
    folders.flatten().map(|folder| folder.join("nushell")).collect()
}

/// PowerShell's folders: Windows' own ones, and the portable one's.
pub(super) fn powershell(known: &Known<'_>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["Documents/PowerShell", "Documents/WindowsPowerShell", ".config/powershell"]
        .iter()
        .map(|folder| known.home.join(folder))
        .collect();
    let portable = known.config.join("powershell");
    if !folders.contains(&portable) {
        folders.push(portable);
    }
    folders
}

fn with_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    listed(folder).into_iter().filter(|path| path.extension().is_some_and(|own| own == ending)).collect()
}

/// The steps, with the files' places among the candidates; a file that is none of them is left out.
pub(super) fn placed(
    order: Vec<(Shell, Start, Vec<Part>)>,
    files: &[Reached],
    place: &dyn Fn(&Path) -> Option<usize>,
) -> Vec<Reading> {
    let places: Vec<Option<usize>> = files.iter().map(|file| place(&file.resolved)).collect();
    let reading = |(shell, start, parts): (Shell, Start, Vec<Part>)| {
        let steps = parts
            .into_iter()
            .filter_map(|part| Some(Step { file: places[part.file]?, span: part.span, sure: part.sure }));
        Reading { shell, start, steps: steps.collect() }
    };
    order.into_iter().map(reading).collect()
}
