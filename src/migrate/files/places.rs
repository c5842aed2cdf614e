//! The places themselves.

use super::reading::{self, Order};
use super::values::Known;
use super::{Role, Search, first_bytes, listed, read_limited};
use crate::migrate::dialect::{self, Dialect};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

const ZSH: &[&str] = &[".zshenv", ".zprofile", ".zshrc", ".zlogin", ".zlogout", ".zpreztorc"];

const AT_HOME: &[&str] = &[
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".bashrc",
    ".bash_aliases",
    ".bash_logout",
    ".kshrc",
    ".tcshrc",
    ".cshrc",
    ".login",
    ".pam_environment",
    ".xprofile",
    ".xsessionrc",
];

const PROFILES: &[&str] = &[
    "profile.ps1",
    // As PowerShell's documentation writes it, too.
    "Profile.ps1",
    "Microsoft.PowerShell_profile.ps1",
    "Microsoft.VSCode_profile.ps1",
    "Microsoft.PowerShellISE_profile.ps1",
];

/// What shells and sessions read when they start.
pub(super) fn start_files(search: &mut Search<'_>, known: &Known<'_>, order: &Order) {
    let home = search.home.clone();
    for name in AT_HOME {
        search.add(&home.join(name), Role::Rc);
    }
    // bash reads the one without a terminal, POSIX shells the other with one.
    for (variable, dialect) in [("BASH_ENV", Dialect::Bash), ("ENV", Dialect::Sh)] {
        if let Some(path) = search.place(variable) {
            let own = Some(dialect::of(&path, &first_bytes(&path))).filter(|own| *own != Dialect::Text);
            search.add_as(&path, Role::Rc, Some(own.unwrap_or(dialect)));
        }
    }
    for folder in &order.zdotdirs {
        for name in ZSH {
            search.add(&folder.join(name), Role::Rc);
        }
    }
    zsh_custom(search, order);

    let fish = search.config.join("fish");
    search.add(&fish.join("config.fish"), Role::Rc);
    for folder in ["conf.d", "functions"] {
        search.add_folder(&fish.join(folder), Role::Rc, Some(Dialect::Fish), |name| name.ends_with(".fish"));
    }
    search.add(&fish.join("fish_variables"), Role::Rc);

    for folder in reading::nushell(known) {
        for name in ["env.nu", "config.nu", "login.nu"] {
            search.add(&folder.join(name), Role::Rc);
        }
        search.add_folder(&folder.join("autoload"), Role::Rc, None, |name| name.ends_with(".nu"));
    }

    for folder in reading::powershell(known) {
        for name in PROFILES {
            search.add(&folder.join(name), Role::Rc);
        }
    }

    let session = search.config.join("environment.d");
    search.add_folder(&session, Role::Rc, None, |name| name.ends_with(".conf"));
    let plasma = search.config.join("plasma-workspace/env");
    search.add_folder(&plasma, Role::Rc, Some(Dialect::Sh), |name| name.ends_with(".sh"));
}

// oh-my-zsh's folders of the user's own: as the environment and the start files say, then the default.
fn zsh_custom(search: &mut Search<'_>, order: &Order) {
    let mut folders: Vec<PathBuf> = search.place("ZSH_CUSTOM").into_iter().chain(order.customs.clone()).collect();
    folders.extend(search.place("ZSH").map(|folder| folder.join("custom")));
    folders.push(search.home.join(".oh-my-zsh/custom"));
    for custom in folders {
        let is_code = |name: &str| name.ends_with(".zsh") || name.ends_with(".zsh-theme");
        for folder in [custom.clone(), custom.join("lib"), custom.join("themes")] {
            search.add_folder(&folder, Role::Rc, Some(Dialect::Zsh), is_code);
        }
        for plugin in listed(&custom.join("plugins")) {
            search.add_folder(&plugin, Role::Rc, Some(Dialect::Zsh), is_code);
        }
    }
}

// Launchers are a few lines; what is larger, or one of very many, a package put there.
const LARGEST_SCRIPT: u64 = 256 << 10;
const MOST_PROGRAMS: usize = 2000;

/// The user's own scripts. A link that leads into a package's folder is none.
pub(super) fn scripts(search: &mut Search<'_>) {
    let mut folders = vec![search.home.join("bin"), search.home.join(".local/bin")];
    folders.extend(search.env.absolute("XDG_BIN_HOME"));
    for folder in folders {
        search.folders.insert(folder.clone());
        let mut programs = listed(&folder);
        search.limit(&folder, &mut programs, MOST_PROGRAMS);
        for path in programs {
            let size = path.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len());
            if size.is_some_and(|size| size <= LARGEST_SCRIPT)
                && !(path.is_symlink() && is_of_package(&path, &search.home))
            {
                let first = first_bytes(&path);
                match dialect::of_script(&path, &first) {
                    Some(dialect) => search.add_as(&path, Role::Script, Some(dialect)),
                    // Another language's: no statement of it is understood.
                    None if first.starts_with(b"#!") => search.add_as(&path, Role::AgentConfig, Some(Dialect::Text)),
                    None => {}
                }
            }
        }
    }
}

// Whether it leads to where package managers keep what they link to.
fn is_of_package(link: &Path, home: &Path) -> bool {
    let (Ok(target), Ok(home)) = (link.canonicalize(), home.canonicalize()) else { return true };
    let Ok(below) = target.strip_prefix(home) else { return true };
    let folders = ["node_modules", "site-packages", ".cargo", ".rustup", ".npm", ".nvm", ".bun", ".deno", ".pyenv"];
    let is_folder = |part: &str| folders.contains(&part) || part.ends_with("venv") || part.ends_with("venvs");
    let shared = [".local/share", ".local/lib", ".local/opt", ".local/pipx", ".asdf", ".nix-profile"];
    shared.iter().any(|folder| below.starts_with(folder))
        || below.iter().filter_map(|part| part.to_str()).any(is_folder)
}

/// What an administrator or a service's own file sets.
pub(super) fn system_files(search: &mut Search<'_>) {
    let etc = Path::new("/etc");
    for name in ["profile", "bash.bashrc", "bashrc", "environment", "zshenv", "zprofile", "zshrc", "zlogin"] {
        search.add(&etc.join(name), Role::System);
    }
    for name in ["csh.cshrc", "csh.login", "fish/config.fish", "security/pam_env.conf"] {
        search.add(&etc.join(name), Role::System);
    }
    search.add_folder(&etc.join("profile.d"), Role::System, None, |name| name.contains('.'));
    search.add_folder(&etc.join("zsh"), Role::System, Some(Dialect::Zsh), |_| true);
    search.add_folder(&etc.join("fish/conf.d"), Role::System, None, |name| name.ends_with(".fish"));
    search.add_folder(&etc.join("environment.d"), Role::System, None, |name| name.ends_with(".conf"));

    let units = search.config.join("systemd/user");
    let is_unit = |name: &str| name.ends_with(".service") || name.ends_with(".conf");
    search.add_folder(&units, Role::System, Some(Dialect::Structured), is_unit);
    for folder in listed(&units).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "d")) {
        search.add_folder(&folder, Role::System, Some(Dialect::Structured), is_unit);
    }
    let launch = search.home.join("Library/LaunchAgents");
    search.add_folder(&launch, Role::System, Some(Dialect::Structured), |name| name.ends_with(".plist"));
}

/// The shells' histories.
pub(super) fn histories(search: &mut Search<'_>, known: &Known<'_>, order: &Order) {
    let home = search.home.clone();
    let (data, state) = (search.data.clone(), search.state.clone());
    let mut add = |path: PathBuf| search.add_as(&path, Role::Residue, Some(Dialect::History));
    for name in [".bash_history", ".zsh_history", ".zhistory", ".histfile", ".history", ".sh_history", ".ksh_history"] {
        add(home.join(name));
    }
    for folder in [&data, &state, &home.join(".cache")] {
        for name in ["zsh/history", "zsh/zsh_history", "bash/history", "bash/bash_history"] {
            add(folder.join(name));
        }
    }
    // fish's sessions have a history each, by `fish_history`.
    add(data.join("fish/fish_history"));
    add(data.join("powershell/PSReadLine/ConsoleHost_history.txt"));
    add(data.join("atuin/history.db"));
    for agent in [".codex/history.jsonl", ".claude/history.jsonl"] {
        add(home.join(agent));
    }
    for folder in &order.zdotdirs {
        search.add_as(&folder.join(".zsh_history"), Role::Residue, Some(Dialect::History));
    }
    for file in search.place("HISTFILE").iter().chain(&order.histories) {
        search.add_as(file, Role::Residue, Some(Dialect::History));
    }
    if let Some(folder) = search.env.absolute("APPDATA") {
        let file = folder.join("Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt");
        search.add_as(&file, Role::Residue, Some(Dialect::History));
    }
    for folder in reading::nushell(known) {
        search.add_as(&folder.join("history.txt"), Role::Residue, Some(Dialect::History));
        search.add_as(&folder.join("history.sqlite3"), Role::Residue, Some(Dialect::History));
    }
    // macOS keeps one for each terminal window.
    for folder in [".zsh_sessions", ".bash_sessions"] {
        let is_history = |name: &str| name.contains("history");
        search.add_folder(&home.join(folder), Role::Residue, Some(Dialect::History), is_history);
    }
}

/// What agents wrote down of the shell that they were started from. Long functions and few keys: read as text.
pub(super) fn snapshots(search: &mut Search<'_>) {
    let codex = search.env.absolute("CODEX_HOME").unwrap_or_else(|| search.home.join(".codex"));
    let claude = search.env.absolute("CLAUDE_CONFIG_DIR").unwrap_or_else(|| search.home.join(".claude"));
    for folder in [codex.join("shell_snapshots"), claude.join("shell-snapshots")] {
        search.add_folder(&folder, Role::Residue, Some(Dialect::Text), |_| true);
    }
}

/// Backups and editors' files of what was found so far.
pub(super) fn leftovers(search: &mut Search<'_>) {
    let edited = search.found.iter().filter(|file| matches!(file.role, Role::Rc | Role::Sourced));
    let mut folders: BTreeSet<PathBuf> = BTreeSet::from([search.home.clone()]);
    let mut names = Names::default();
    AT_HOME.iter().chain(ZSH).for_each(|name| names.add((*name).to_owned()));
    for file in edited {
        folders.extend(file.path.parent().map(Path::to_owned));
        file.path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .into_iter()
            .for_each(|name| names.add(name));
    }
    for folder in &folders {
        search
            .add_folder(folder, Role::Residue, None, |name| is_leftover_of_any(name, &names) || is_hidden_backup(name));
    }
    let (home, state, data) = (search.home.clone(), search.state.clone(), search.data.clone());
    for folder in ["undo", "undodir", "swap", "backup", "tmp"] {
        for base in [home.join(".vim"), state.join("vim"), state.join("nvim"), data.join("nvim")] {
            // `%home%user%.zshrc`: the whole path in the file's name.
            let is_ours = |name: &str| name.rsplit('%').next().is_some_and(|last| is_copy_of_any(last, &names));
            search.add_folder(&base.join(folder), Role::Residue, Some(Dialect::Text), is_ours);
        }
    }
    for folder in [".emacs.d/backups", ".emacs.d/auto-save-list"] {
        // `!home!user!.zshrc~`
        let is_ours = |name: &str| name.rsplit('!').next().is_some_and(|last| is_copy_of_any(last, &names));
        search.add_folder(&home.join(folder), Role::Residue, Some(Dialect::Text), is_ours);
    }
    for editor in editors(search) {
        local_history(search, &editor.join("History"), &names);
    }
}

// `.zshrc.bak`, `.zshrc~`, `.zshrc.pre-oh-my-zsh`, `.zshrc.zwc`, `.config.fish.swp`, `..zshrc.un~`, `#.zshrc#`.
fn is_leftover_of_any(name: &str, names: &Names) -> bool {
    let bare = name.trim_start_matches(['.', '#']);
    bare.match_indices(['.', '~', '-', '#']).any(|(end, _)| names.bare.contains(&bare[..end]))
}

// The names of the files that are looked at.
#[derive(Default)]
struct Names {
    whole: BTreeSet<String>,
    // Without the dots that they begin with.
    bare: HashSet<String>,
}

impl Names {
    fn add(&mut self, name: String) {
        self.bare.insert(name.trim_start_matches('.').to_owned());
        self.whole.insert(name);
    }
}

// Any hidden file's backup: what it is of may be gone.
fn is_hidden_backup(name: &str) -> bool {
    let endings = [".bak", ".orig", ".save", "~"];
    let swap = name.len() > 4 && name.is_char_boundary(name.len() - 4) && name[name.len() - 4..].starts_with(".sw");
    name.starts_with('.') && (swap || endings.iter().any(|ending| name.ends_with(ending)))
}

fn is_copy_of_any(name: &str, names: &Names) -> bool {
    names.whole.contains(name) || is_leftover_of_any(name, names)
}

// VS Code's copies of every saved file: a folder each, whose `entries.json` says of which.
fn local_history(search: &mut Search<'_>, history: &Path, names: &Names) {
    for folder in listed(history) {
        let entries = read_limited(&folder.join("entries.json")).unwrap_or_default();
        let text = String::from_utf8_lossy(&entries);
        let resource = text.split("\"resource\"").nth(1).and_then(|rest| rest.split('"').nth(1));
        let name = resource.and_then(|resource| resource.rsplit('/').next());
        if name.is_some_and(|name| names.whole.contains(name)) {
            search.add_folder(&folder, Role::Residue, None, |name| name != "entries.json");
        }
    }
}

// The folders of settings of VS Code and its relatives, on each system.
pub(super) fn editors(search: &Search<'_>) -> Vec<PathBuf> {
    let mut bases = vec![search.config.clone(), search.home.join("Library/Application Support")];
    bases.extend(search.env.absolute("APPDATA"));
    let names = ["Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf"];
    bases.iter().flat_map(|base| names.iter().map(|name| base.join(name).join("User"))).collect()
}
