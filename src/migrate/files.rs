//! Which files a run without arguments looks at: what the user's shells and sessions read, and where keys are left
//! over.
//!
//! Only lists: a file is opened here just for what it sources and for its first bytes, no code is run, and nothing that
//! is no regular file (FIFO, device, folder) is named. A file that cannot be read, or whose link leads nowhere, stays
//! in the list, so that its reader can say so. The places are those that the shells' manuals name, and the agents' own.

mod places;
mod sourced;

use super::dialect::{self, Dialect};
use crate::env::Env;
use crate::paths::Paths;
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Larger files are not read whole. A start file never is as large; a log that the user named by mistake may be.
pub(crate) const MAX_FILE: u64 = 16 << 20;

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Where it was found; a symlink is not resolved.
    pub path: PathBuf,
    /// How to read it.
    pub dialect: Dialect,
    /// What may be done with it.
    pub role: Role,
}

/// Why a file is looked at, which decides what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// A shell or session reads it at start.
    Rc,
    /// One of those reads it.
    Sourced,
    /// The system's, or a service's: reported only.
    System,
    /// A backup, an editor's or shell's history, an agent's snapshot: reported only.
    Residue,
    /// An agent's or editor's own configuration: reported only.
    AgentConfig,
}

impl Role {
    /// Whether keys in it are only reported.
    pub(crate) fn is_report_only(self) -> bool {
        !matches!(self, Self::Rc | Self::Sourced)
    }
}

/// The files there are, each once (by what it resolves to), in the order in which they matter: start files, what they
/// source, the system's, what is left over, the agents' own. Folders are sorted.
pub(crate) fn candidates(paths: &Paths, env: &Env) -> Vec<Candidate> {
    search(paths, env).0
}

/// The same, with every folder in which such a file is or could come to be.
pub(crate) fn search(paths: &Paths, env: &Env) -> (Vec<Candidate>, BTreeSet<PathBuf>) {
    let mut search = Search::new(paths, env);
    places::start_files(&mut search);
    search.sourced_by_those();
    places::system_files(&mut search);
    places::histories(&mut search);
    places::snapshots(&mut search);
    places::leftovers(&mut search);
    places::agents_own(&mut search);
    (search.found, search.folders)
}

/// The first bytes of a file, enough for [`dialect::of`]; none if it is no regular file or cannot be read.
pub(crate) fn first_bytes(path: &Path) -> Vec<u8> {
    let mut first = Vec::new();
    // Opening a FIFO would wait for its other end.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return first;
    }
    let read = File::open(path).and_then(|file| file.take(FIRST).read_to_end(&mut first));
    if read.is_err() {
        first.clear();
    }
    first
}

const FIRST: u64 = 4096;

struct Search<'a> {
    home: PathBuf,
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
    env: &'a Env,
    found: Vec<Candidate>,
    seen: HashSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl<'a> Search<'a> {
    fn new(paths: &Paths, env: &'a Env) -> Self {
        let home = paths.home.clone();
        let base = |name: &str, default: &str| env.absolute(name).unwrap_or_else(|| home.join(default));
        Self {
            config: base("XDG_CONFIG_HOME", ".config"),
            data: base("XDG_DATA_HOME", ".local/share"),
            state: base("XDG_STATE_HOME", ".local/state"),
            home,
            env,
            found: Vec::new(),
            seen: HashSet::new(),
            folders: BTreeSet::new(),
        }
    }

    // Adds a file in the dialect that its name and content tell.
    fn add(&mut self, path: &Path, role: Role) {
        self.add_as(path, role, None);
    }

    fn add_as(&mut self, path: &Path, role: Role, dialect: Option<Dialect>) {
        self.folders.extend(path.parent().map(Path::to_owned));
        if !may_be_read(path) {
            return;
        }
        let resolved = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if self.seen.insert(resolved) {
            let dialect = dialect.unwrap_or_else(|| dialect::of(path, &first_bytes(path)));
            self.found.push(Candidate { path: path.to_owned(), dialect, role });
        }
    }

    // Adds a folder's files whose names are wanted.
    fn add_folder(&mut self, folder: &Path, role: Role, dialect: Option<Dialect>, wanted: impl Fn(&str) -> bool) {
        self.folders.insert(folder.to_owned());
        for path in listed(folder) {
            if path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())) {
                self.add_as(&path, role, dialect);
            }
        }
    }

    fn sourced_by_those(&mut self) {
        let zdotdir = self.zdotdirs().pop();
        let known = sourced::Known { home: &self.home, config: &self.config, zdotdir: zdotdir.as_deref() };
        let mut named = Vec::new();
        for file in self.found.iter().filter(|file| is_shells(file.dialect)) {
            if let Ok(bytes) = read_limited(&file.path) {
                let folder = file.path.parent().unwrap_or(&self.home);
                named.extend(sourced::files(&bytes, folder, &known).into_iter().map(|path| (path, file.dialect)));
            }
        }
        for (path, by) in named {
            let role = if is_systems(&path) { Role::System } else { Role::Sourced };
            let by_name = dialect::of(&path, b"");
            let dialect = match by_name {
                // Without a name or `#!` of its own it is the language of the file that reads it.
                Dialect::Text if !first_bytes(&path).starts_with(b"#!") => Some(by),
                _ => None,
            };
            self.add_as(&path, role, dialect);
        }
    }

    // Where zsh may look for its files: at home, and where `ZDOTDIR` says, now or in the files that set it.
    fn zdotdirs(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.home.clone()];
        let known = sourced::Known { home: &self.home, config: &self.config, zdotdir: None };
        let set_in = |file: &Path| sourced::value_of("ZDOTDIR", &read_limited(file).ok()?, &known);
        folders.extend(set_in(Path::new("/etc/zsh/zshenv")));
        folders.extend(set_in(&self.home.join(".zshenv")));
        folders.extend(self.env.absolute("ZDOTDIR"));
        folders
    }

    // A variable that names a file or folder, with what shells expand in it.
    fn place(&self, name: &str) -> Option<PathBuf> {
        let known = sourced::Known { home: &self.home, config: &self.config, zdotdir: None };
        sourced::expand(self.env.non_empty(name)?.to_str()?, &known)
    }
}

// Regular files, and those of which nothing can be said.
fn may_be_read(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
        }
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

// A start file is small; whoever keeps megabytes in one does not source from their end.
fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    const LIMIT: u64 = 4 << 20;
    if !fs::metadata(path)?.is_file() {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_shells(dialect: Dialect) -> bool {
    use Dialect::{Bash, Csh, Fish, PowerShell, Sh, Zsh};
    matches!(dialect, Bash | Zsh | Sh | Fish | PowerShell | Csh)
}

fn is_systems(path: &Path) -> bool {
    ["/etc", "/usr", "/opt", "/lib", "/nix", "/snap", "/run", "/bin", "/System", "/Library"]
        .iter()
        .any(|root| path.starts_with(root))
}

#[cfg(all(test, unix))]
mod tests {
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

        // Paths below home with their roles and dialects; the machine's own are left out.
        fn found(&self, pairs: &[(&str, &str)]) -> Vec<(String, Role, Dialect)> {
            let home = self.0.path();
            let mut all = vec![("HOME".to_owned(), home.display().to_string())];
            all.extend(
                pairs.iter().map(|(name, value)| ((*name).to_owned(), value.replace("@", &home.display().to_string()))),
            );
            let env = Env::from_pairs(all);
            let found = candidates(&Paths::new(&env).expect("a home"), &env);
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
        assert_eq!(home.found(&[]), want);
    }

    #[test]
    fn zsh_is_looked_for_where_zdotdir_says() {
        let home = Home::new();
        home.file(".zshenv", "export ZDOTDIR=$HOME/.config/zsh\n");
        home.file(".config/zsh/.zshrc", "source $ZDOTDIR/keys\nZSH_CUSTOM=~/custom\n");
        home.file(".config/zsh/keys", "export A=1\n");
        home.file("custom/a.zsh", "");
        home.file("other/.zshrc", "");
        let names = |pairs: &[_]| home.found(pairs).into_iter().map(|file| file.0).collect::<Vec<_>>();
        assert_eq!(names(&[]), [".zshenv", ".config/zsh/.zshrc", "custom/a.zsh", ".config/zsh/keys"]);
        assert!(names(&[("ZDOTDIR", "@/other")]).contains(&"other/.zshrc".to_owned()));
    }

    #[test]
    fn sourced_files_are_followed_one_level_in_the_language_that_reads_them() {
        let home = Home::new();
        home.file(".zshrc", "source ~/.secrets\n[ -f ~/.env ] && . ~/.env\n. ~/run.sh\n. ~/own\n. ~/.missing\n");
        home.file(".secrets", "source ~/.deeper\nexport A=1\n");
        home.file(".deeper", "export B=1\n");
        home.file(".env", "A=1\n");
        home.file("run.sh", "");
        home.file("own", "#!/bin/bash\n");
        home.file("start", "A=1\n");
        let found = home.found(&[("BASH_ENV", "$HOME/start")]);
        let sourced: Vec<_> =
            found.iter().filter(|file| file.1 == Role::Sourced).map(|file| (&*file.0, file.2)).collect();
        let want =
            [(".secrets", Dialect::Zsh), (".env", Dialect::DotEnv), ("run.sh", Dialect::Sh), ("own", Dialect::Bash)];
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
}
