//! What follows a run: who gets a profile, which keys have to be rotated, and who else has to be told.
//!
//! Works on a plan and on the files that it names, prints nothing and changes nothing; `commands::migrate` prints what
//! is returned here. Called after a run in which at least one file was rewritten.

use super::dialect::Dialect;
use super::model::Warning;
use super::plan::{Plan, PlannedFile};
use crate::env::Env;
use crate::hint::Hint;
use crate::platform;
use crate::shell;
use crate::words;
use aho_corasick::AhoCorasick;
use memchr::memmem;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// A shell whose open sessions still have a key, and whose start file is to load the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OpenShell {
    /// One that Ringlet has a hook for.
    Hooked(shell::Shell),
    /// csh or tcsh, which have none.
    Csh,
    /// sh or ksh, which have none.
    Plain(&'static str),
}

impl OpenShell {
    /// The shells whose own files were edited; the user's own where only others were, such as `.env`.
    pub(crate) fn of_files(files: &[&PlannedFile], users: Self) -> BTreeSet<Self> {
        let of = |file: &&PlannedFile| {
            Some(match file.dialect {
                Dialect::Zsh => Self::Hooked(shell::Shell::Zsh),
                // direnv's file is bash's language and every shell's business.
                Dialect::Bash if !is_direnvs(file) => Self::Hooked(shell::Shell::Bash),
                Dialect::Fish | Dialect::FishVariables => Self::Hooked(shell::Shell::Fish),
                Dialect::PowerShell => Self::Hooked(shell::Shell::PowerShell),
                Dialect::Csh => Self::Csh,
                Dialect::Nushell => Self::Hooked(shell::Shell::Nushell),
                Dialect::Sh if matches!(users, Self::Plain(_)) => users,
                _ => return None,
            })
        };
        let shells: BTreeSet<Self> = files.iter().filter_map(of).collect();
        if shells.is_empty() { BTreeSet::from([users]) } else { shells }
    }

    /// The user's own shell, by the name of its program.
    pub(crate) fn of_user(env: &Env) -> Self {
        let shell = env.non_empty("SHELL").map(PathBuf::from).unwrap_or_default();
        match shell.file_stem().and_then(|name| name.to_str()).unwrap_or_default() {
            "csh" | "tcsh" => Self::Csh,
            "ksh" | "ksh93" | "mksh" | "lksh" | "oksh" | "pdksh" => Self::Plain("ksh"),
            "sh" | "dash" | "ash" | "yash" => Self::Plain("sh"),
            _ => Self::Hooked(shell::Shell::of_user(env)),
        }
    }

    /// The command that takes these variables out of a session.
    pub(crate) fn unset(self, names: &[&str]) -> String {
        use shell::Shell::{Bash, Fish, Nushell, PowerShell, Zsh};
        let all = |command: &str, between: &str| {
            let each = names.iter().map(|name| format!("{command}{name}"));
            each.collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Hooked(Bash | Zsh) | Self::Plain(_) => format!("unset {}", names.join(" ")),
            Self::Hooked(Fish) => format!("set -e {}", names.join(" ")),
            Self::Hooked(PowerShell) => format!("Remove-Item {}", all("Env:", ", ")),
            Self::Hooked(Nushell) => format!("hide-env {}", names.join(" ")),
            Self::Csh => all("unsetenv ", "; "),
        }
    }
}

impl fmt::Display for OpenShell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hooked(shell) => shell.fmt(f),
            Self::Csh => f.write_str("csh"),
            Self::Plain(name) => f.write_str(name),
        }
    }
}

/// The folders that start files lie in.
pub(crate) struct StartFolders {
    /// The home directory.
    pub home: PathBuf,
    /// The configuration folder: `XDG_CONFIG_HOME`, or `.config`.
    pub config: PathBuf,
    /// The `.zshrc` that zsh reads.
    pub zshrc: PathBuf,
    /// nushell's folder.
    pub nushell: PathBuf,
}

impl StartFolders {
    /// The start file that is to load a shell's hook.
    pub(crate) fn hook_file(&self, shell: shell::Shell, files: &[&PlannedFile]) -> PathBuf {
        match shell {
            shell::Shell::Zsh => self.zshrc.clone(),
            // A terminal of macOS starts a login shell. It reads the first of these and not `.bashrc`.
            shell::Shell::Bash if cfg!(target_os = "macos") => {
                let mut all = [".bash_profile", ".bash_login", ".profile"].map(|name| self.home.join(name)).into_iter();
                all.find(|file| file.exists()).unwrap_or_else(|| self.home.join(".bash_profile"))
            }
            shell::Shell::Bash => self.home.join(".bashrc"),
            shell::Shell::Fish => self.config.join("fish/config.fish"),
            shell::Shell::Nushell => self.nushell.join("config.nu"),
            // It has several, in places that differ from one system to the next.
            shell::Shell::PowerShell => {
                let is_profile = |path: &Path| path.to_string_lossy().ends_with("profile.ps1");
                let edited = files.iter().map(|file| &file.path).find(|path| is_profile(path));
                edited.cloned().unwrap_or_else(|| self.config.join("powershell/profile.ps1"))
            }
        }
    }
}

/// Why a key has to be rotated now. Each text goes behind the path of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Git has the file in its index.
    Tracked,
    /// The file lies in a repository, and git may have had it.
    InRepository,
    /// Other users of this machine may read it.
    Readable,
    /// A service copies it to other machines; the word in its path that tells so.
    Synced(&'static str),
    /// A file that is only reported holds the same key.
    AlsoThere,
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracked => f.write_str("is tracked by git, and its history keeps the keys"),
            Self::InRepository => f.write_str("lies in a git repository: rotate if it was ever committed"),
            Self::Readable => f.write_str("can be read by other users of this machine"),
            Self::Synced(word) => write!(f, "is synced ({word})"),
            Self::AlsoThere => f.write_str("has a key, too"),
        }
    }
}

/// The files that others may have read the keys from. Reads the git index above each rewritten file.
pub(crate) fn exposures<'a>(plan: &'a Plan, files: &[&'a PlannedFile]) -> Vec<(&'a Path, Exposure)> {
    let mut found: Vec<(&Path, Exposure)> = Vec::new();
    for file in files {
        found.extend(in_git(&file.target).map(|why| (file.path.as_path(), why)));
        if file.snapshot.others_may_read {
            found.push((&file.path, Exposure::Readable));
        }
        found.extend(synced(&file.target).map(|word| (file.path.as_path(), Exposure::Synced(word))));
    }
    let moved: HashSet<&[u8]> = plan.keys.iter().map(|key| key.value.as_slice()).collect();
    for file in &plan.files {
        if file.findings.iter().any(|placed| placed.name.is_err() && moved.contains(placed.finding.value.as_slice())) {
            found.push((&file.path, Exposure::AlsoThere));
        }
    }
    found
}

fn synced(file: &Path) -> Option<&'static str> {
    const WORDS: [&str; 7] =
        ["Dropbox", "OneDrive", "Google Drive", "iCloud", "Mobile Documents", "Nextcloud", "Syncthing"];
    let holds = |word: &&str| file.components().any(|part| part.as_os_str().to_string_lossy().contains(*word));
    WORDS.into_iter().find(holds)
}

// The index names every path in full, but for the rare version 4, which shortens them; then only the repository is
// known.
fn in_git(file: &Path) -> Option<Exposure> {
    let root = file.ancestors().skip(1).find(|folder| folder.join(".git").symlink_metadata().is_ok())?;
    let index =
        platform::read_file(&root.join(".git").join("index"), 256 << 20).map(|read| read.bytes).unwrap_or_default();
    let mut name = file.strip_prefix(root).ok()?.to_string_lossy().into_owned().into_bytes();
    name.push(0);
    let is_tracked = memmem::find(&index, &name).is_some();
    Some(if is_tracked { Exposure::Tracked } else { Exposure::InRepository })
}

/// The variables that held moved keys.
pub(crate) fn moved_variables(plan: &Plan) -> BTreeSet<&str> {
    let moved = plan.keys.iter().filter(|key| !key.commented);
    moved.flat_map(|key| key.variables.iter().map(String::as_str)).collect()
}

/// Reports whether a file is one that an application reads, rather than a shell or direnv.
pub(crate) fn is_an_applications(file: &PlannedFile) -> bool {
    file.dialect == Dialect::DotEnv && !is_direnvs(file)
}

/// The words by which the application is started: those of the package beside its file, or a placeholder.
pub(crate) fn start_of(file: &PlannedFile) -> Vec<&'static str> {
    const MOST: u64 = 1 << 20;
    let package = file.path.with_file_name("package.json");
    let text = platform::read_file(&package, MOST).map(|read| read.bytes).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    match &package["scripts"] {
        scripts if scripts["start"].is_string() => vec!["npm", "start"],
        scripts if scripts["dev"].is_string() => vec!["npm", "run", "dev"],
        _ => vec!["COMMAND"],
    }
}

/// The places that use one of these variables: `$NAME`, `${NAME...}` or `$env:NAME`, outside comments. Lines count from
/// 1.
pub(crate) fn uses_of<'a>(bytes: &[u8], names: &BTreeSet<&'a str>) -> Vec<(usize, &'a str)> {
    let names: Vec<&str> = names.iter().copied().collect();
    // Only more names than files can hold are refused.
    let Ok(all) = AhoCorasick::new(&names) else { return Vec::new() };
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = Vec::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        let uses = all.find_overlapping_iter(line).filter(|name| {
            let (before, after) = (&line[..name.start()], line.get(name.end()));
            let opened = [&b"$"[..], b"${", b"$env:", b"${env:", b"$Env:", b"${Env:"];
            opened.iter().any(|sign| before.ends_with(sign)) && !after.is_some_and(|byte| of_name(*byte))
        });
        let used: BTreeSet<&str> = uses.map(|name| names[name.pattern().as_usize()]).collect();
        found.extend(used.into_iter().map(|name| (at + 1, name)));
    }
    found
}

/// Reports whether an edit of the file ends what `direnv allow` allowed.
pub(crate) fn is_direnvs(file: &PlannedFile) -> bool {
    file.path.file_name().is_some_and(|name| name == ".envrc")
}

/// Something besides the files that has to be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Advice {
    /// direnv allows a file by its content.
    Direnv(PathBuf),
    /// launchd hands this variable to every program.
    Launchd(String),
    /// The systemd user manager does.
    Systemd(String),
    /// The registry of Windows may hold this variable.
    Registry(String),
    /// fish keeps this universal variable.
    Universal(String),
}

impl Advice {
    /// The advice as a sentence.
    pub(crate) fn hint(&self) -> Hint {
        match self {
            Self::Direnv(folder) => Hint::run(words!["direnv", "allow", folder]).and(", since its file changed"),
            Self::Launchd(name) => Hint::run(words!["launchctl", "unsetenv", name]),
            Self::Systemd(name) => {
                Hint::run(words!["systemctl", "--user", "unset-environment", name]).and(", or log in anew")
            }
            Self::Registry(name) => {
                format!("the registry may hold {name} as well: remove it from your environment variables").into()
            }
            Self::Universal(name) => Hint::from(format!("a running fish keeps {name}: run "))
                .command(words!["set", "-e", "-U", name])
                .and(" there"),
        }
    }
}

/// What has to be told besides the files, each once.
pub(crate) fn advice(files: &[&PlannedFile]) -> BTreeSet<Advice> {
    let mut found = BTreeSet::new();
    for file in files {
        if is_direnvs(file) {
            found.insert(Advice::Direnv(file.path.parent().unwrap_or(Path::new(".")).to_owned()));
        }
        for placed in file.findings.iter().filter(|placed| placed.name.is_ok()) {
            let name = || placed.finding.variable.clone().unwrap_or_else(|| "NAME".to_owned());
            found.extend(placed.finding.warnings.iter().filter_map(|warning| match warning {
                Warning::LaunchdSession => Some(Advice::Launchd(name())),
                Warning::SystemdSession => Some(Advice::Systemd(name())),
                Warning::Registry => Some(Advice::Registry(name())),
                Warning::UniversalVariable => Some(Advice::Universal(name())),
                Warning::Function | Warning::Conflict => None,
            }));
        }
    }
    found
}

/// The blocks between a tool's own markers that held a key, each as the file and the marker's text. The tool may write
/// the key back.
pub(crate) fn blocks<'a>(files: &[&'a PlannedFile]) -> BTreeSet<(&'a Path, String)> {
    let mut found = BTreeSet::new();
    for file in files {
        let mut lines = file.snapshot.bytes.split(|byte| *byte == b'\n').zip(1..).peekable();
        // The marker of the block that is open; the findings stand in file order.
        let mut open = None;
        for placed in file.findings.iter().filter(|placed| placed.name.is_ok()) {
            while let Some((line, _)) = lines.next_if(|(_, number)| *number < placed.finding.line) {
                if memmem::find(line, b"<<<").is_some() {
                    open = None;
                } else if memmem::find(line, b">>>").is_some() {
                    open = Some(line);
                }
            }
            if let Some(line) = open {
                let line = String::from_utf8_lossy(line);
                let tool: String = line.chars().filter(|c| !matches!(c, '#' | '>')).take(60).collect();
                found.insert((file.path.as_path(), tool.trim().to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::accounts::Machine;
    use crate::migrate::files::{Candidate, Found, Role};
    use crate::migrate::testing::openai;
    use crate::migrate::vocabulary::Vocabulary;

    fn planned(folder: &Path, files: &[(&str, Dialect, &str)]) -> Plan {
        let candidates = files.iter().map(|(name, dialect, text)| {
            std::fs::write(folder.join(name), text).expect("written");
            Candidate { path: folder.join(name), dialect: *dialect, role: Role::Rc }
        });
        Plan::of(&Found::from(candidates.collect::<Vec<_>>()), &[], &Machine::empty(Vocabulary::built_in()))
    }

    #[test]
    fn only_uses_of_the_very_names_count() {
        let text =
            b"curl -H \"x: $A_KEY\"\n# $A_KEY\necho ${A_KEY:-none}\n$A_KEY2 A_KEY\n$b = $env:A_KEY\nset x $B\r\n";
        let found = uses_of(text, &BTreeSet::from(["A_KEY", "B"]));
        assert_eq!(found, [(1, "A_KEY"), (3, "A_KEY"), (5, "A_KEY"), (6, "B")]);
    }

    // Reading the file or the line again for each key would take longer than the tests may.
    #[test]
    fn many_keys_take_time_in_proportion_to_their_number() {
        const MANY: usize = 5_000;
        let folder = tempfile::tempdir().expect("a folder");
        let line =
            |end: &'static str| (0..MANY).map(move |at| format!("A{at}={}; B=$A{at}x$A{at}{end}", openai(at as u32)));
        let (lines, one_line) = (line("\n").collect::<String>(), line("; ").collect::<String>());
        let marked = format!("# >>> a tool >>>\n{lines}");
        let files = [(".env", Dialect::DotEnv, marked.as_str()), (".envrc", Dialect::DotEnv, one_line.as_str())];
        let plan = planned(folder.path(), &files);
        let edited: Vec<&PlannedFile> = plan.files.iter().collect();
        assert_eq!(blocks(&edited), BTreeSet::from([(folder.path().join(".env").as_path(), "a tool".to_owned())]));
        let secrets = plan.secrets();
        assert_eq!(edited.iter().map(|file| file.hunks(&secrets).len()).collect::<Vec<_>>(), [MANY, 1]);
        assert!(exposures(&plan, &edited).iter().all(|(_, why)| *why != Exposure::AlsoThere));
        let names = moved_variables(&plan);
        assert_eq!(names.len(), MANY);
        assert_eq!(uses_of(lines.as_bytes(), &names).len(), MANY);
    }

    #[test]
    fn a_file_in_a_repository_or_a_synced_folder_exposes_its_keys() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("Dropbox");
        std::fs::create_dir_all(folder.join(".git")).expect("made");
        std::fs::write(folder.join(".git/index"), b"DIRC .zshrc\0").expect("written");
        let key = openai(1);
        let files = [
            (".zshrc", Dialect::Zsh, format!("export OPENAI_API_KEY={key}\n")),
            (".envrc", Dialect::Bash, format!("export OPENAI_API_KEY={key}\n")),
        ];
        let plan = planned(&folder, &files.each_ref().map(|(name, dialect, text)| (*name, *dialect, text.as_str())));
        let edited: Vec<&PlannedFile> = plan.files.iter().collect();
        let why = |name: &str| {
            let found = exposures(&plan, &edited).into_iter().filter(|(path, _)| path.ends_with(name));
            found.map(|(_, why)| why).filter(|why| *why != Exposure::Readable).collect::<Vec<_>>()
        };
        assert_eq!(why(".zshrc"), [Exposure::Tracked, Exposure::Synced("Dropbox")]);
        assert_eq!(why(".envrc"), [Exposure::InRepository, Exposure::Synced("Dropbox")]);
        // bash is not told of direnv's file.
        let zsh = OpenShell::Hooked(shell::Shell::Zsh);
        assert_eq!(OpenShell::of_files(&edited, OpenShell::Plain("ksh")), BTreeSet::from([zsh]));
        assert_eq!(advice(&edited), BTreeSet::from([Advice::Direnv(folder)]));
    }

    #[test]
    fn a_tools_block_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("# >>> a tool >>>\nexport OPENAI_API_KEY={}\n# <<< a tool <<<\n", openai(1));
        let plan = planned(folder.path(), &[(".bashrc", Dialect::Bash, &text)]);
        let edited: Vec<&PlannedFile> = plan.files.iter().collect();
        assert_eq!(blocks(&edited), BTreeSet::from([(folder.path().join(".bashrc").as_path(), "a tool".to_owned())]));
        assert_eq!(moved_variables(&plan), BTreeSet::from(["OPENAI_API_KEY"]));
    }
}
