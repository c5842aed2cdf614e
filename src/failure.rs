//! The failure of a command: one message, hints, one exit status.
//!
//! Every module below has an error type of its own. They are translated here, and `lib` prints the result. No message
//! holds a key's value, because none of the errors has a field for one.

use crate::audit::{AuditError, SinceError};
use crate::config::ConfigError;
use crate::daemon::DaemonError;
use crate::dates::ExpiryError;
use crate::guard::{BindError, Finding, GuardError, Problem};
use crate::hint::Hint;
use crate::launch::{HandOverError, LaunchError};
use crate::lease::LeaseError;
use crate::migrate::MigrateError;
use crate::name::{KeyName, NameError, shorten};
use crate::paths::PathsError;
use crate::pins::PinError;
use crate::plan::{OtherSession, PlanError, login_command};
use crate::platform;
use crate::platform::private::NotPrivate;
use crate::profile::ProfileError;
use crate::profile::edit::EditError;
use crate::registry::{Misplaced, RegistryError, closest_command};
use crate::shell::ShellError;
use crate::store::{LOOKED_FOR, StoreError};
use crate::trust::{TrustError, Verdict};
use crate::words;
use std::io;
use std::path::Path;

/// The failure of a command, as it is printed.
#[derive(Debug)]
pub struct Failure {
    /// The message: what failed and on which thing, in lower case, without a full stop.
    pub message: String,
    /// What the user can do next.
    pub hints: Vec<Hint>,
    /// The exit status.
    pub status: i32,
}

/// The exit statuses. Those of `exec` are the ones that a shell and `env` return.
pub(crate) mod status {
    /// The command failed.
    pub(crate) const FAILURE: i32 = 1;
    /// The command line is wrong.
    pub(crate) const USAGE: i32 = 2;
    /// `migrate` leaves keys in plaintext.
    pub(crate) const KEYS_LEFT: i32 = 3;
    /// Ringlet itself failed in `exec`.
    pub(crate) const EXEC_FAILED: i32 = 125;
    /// The agent cannot be executed.
    pub(crate) const NOT_EXECUTABLE: i32 = 126;
    /// The agent is not there.
    pub(crate) const NOT_FOUND: i32 = 127;
}

impl Failure {
    /// Makes a failure with status 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), status: status::FAILURE }
    }

    /// Makes the failure of a wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { status: status::USAGE, ..Self::new(message) }
    }

    /// Adds the next thing to do.
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Makes the failure of reading or writing a file. `doing` is a participle, such as `written`.
    pub fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(format!("{}: cannot be {doing}: {error}", path.display()))
    }

    /// Gives the failure the status that `exec` has for Ringlet's own failures.
    pub fn in_exec(mut self) -> Self {
        if self.status == status::FAILURE || self.status == status::USAGE {
            self.status = status::EXEC_FAILED;
        }
        self
    }

    // What another program said.
    fn said(mut self, lines: &[String]) -> Self {
        self.hints.extend(lines.iter().map(|line| Hint::from(format!("it says: {line}"))));
        self
    }

    fn maybe(mut self, hint: Option<Hint>) -> Self {
        self.hints.extend(hint);
        self
    }
}

// The line must stand at the head of the file, since below a table's heading it would belong to that table.
fn passed_over(line: String) -> Hint {
    Hint::from(format!("if that file is not yours, write this at the head of config.toml: {line}"))
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<PathsError> for Failure {
    fn from(error: PathsError) -> Self {
        Self::new(error.to_string()).hint("set HOME to your home directory")
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(error.to_string()).maybe(error.hint)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::new(error.to_string()).maybe(error.hint())
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        Self::new(error.to_string()).maybe(error.hint())
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        let message = error.to_string();
        match error {
            EditError::Exists(name) => Self::new(message)
                .hint(Hint::run(words!["ringlet", "profiles", "edit", name]).and(", or remove it first")),
            EditError::Profile(error) => error.into(),
            EditError::Broken { name, .. } => {
                Self::new(message).hint(Hint::run(words!["ringlet", "profiles", "edit", name]))
            }
            EditError::Word { .. } => Self::usage(message),
            EditError::Write { .. } => Self::new(message),
        }
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        let hint = match &error {
            TrustError::Record { file, .. } => {
                Some(format!("remove {} and allow the project again", file.display()).into())
            }
            TrustError::Unreadable { .. } | TrustError::Write { .. } => None,
        };
        Self::new(error.to_string()).maybe(hint)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string()).said(error.said()).maybe(error.hint())
    }
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        if let MigrateError::Store(error) = error {
            return error.into();
        }
        Self::new(error.to_string()).maybe(error.hint())
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        Self::new(error.to_string()).maybe(error.hint())
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        let made = Self::new(error.to_string());
        match &error {
            AuditError::Lock(lock) => made.hint(lock.advice()),
            _ => made.hint(
                Hint::from("")
                    .command(["ringlet", "doctor"])
                    .and(" says where the log is; ")
                    .command(["ringlet", "config", "edit"])
                    .and(" opens `[audit]`"),
            ),
        }
    }
}

impl From<SinceError> for Failure {
    fn from(error: SinceError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ExpiryError> for Failure {
    fn from(error: ExpiryError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ShellError> for Failure {
    fn from(error: ShellError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<PinError> for Failure {
    fn from(error: PinError) -> Self {
        let hint = match &error {
            PinError::Record { file, .. } => Some(format!("remove {} and pin the agent again", file.display()).into()),
            PinError::Write { .. } | PinError::Folder { .. } => None,
        };
        Self::new(error.to_string()).maybe(hint)
    }
}

impl From<LeaseError> for Failure {
    fn from(error: LeaseError) -> Self {
        let hint = match &error {
            LeaseError::Folder { folder, .. } => Some(Hint::run(words!["chmod", "700", folder]).and(" if it is yours")),
            LeaseError::NotText(_) => Some("use --directory with a folder above it".into()),
            LeaseError::Lock(error) => Some(error.advice().into()),
            LeaseError::Clock(_) | LeaseError::Write { .. } => None,
        };
        Self::new(error.to_string()).maybe(hint)
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Self::new(error.to_string()).hint("an agent refuses to start while it is there")
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let message = error.to_string();
        match error {
            PlanError::NotAllowed { file, verdict, agent, ceilings } => {
                let folder = file.parent().unwrap_or(&file);
                let read = match verdict {
                    Verdict::Changed { .. } => "look at what changed",
                    _ => "look at it",
                };
                Self::new(message)
                    .hint(Hint::from(format!("{read}, then run ")).command(words!["ringlet", "allow", folder]))
                    .maybe(agent.map(|agent| Hint::from("").command([agent]).and(" starts the agent without ringlet")))
                    .maybe(ceilings.map(passed_over))
            }
            PlanError::Trust(error) => error.into(),
            PlanError::Config(error) => error.into(),
            PlanError::Profile(error) => error.into(),
            PlanError::Registry(error) => error.into(),
            PlanError::Search { .. } => Self::new(message).hint(
                Hint::run(["ringlet", "config", "edit"]).and(", and set `ceiling-dirs` to end the search below it"),
            ),
            PlanError::NotFound { command } => Self {
                status: status::NOT_FOUND,
                ..Self::new(message).hint(match closest_command(&command) {
                    Some(meant) if meant != command => format!("did you mean `{meant}`?"),
                    _ => format!("install {}, or put it on PATH", shorten(&command)),
                })
            },
            PlanError::NoFile { .. } => Self { status: status::NOT_FOUND, ..Self::new(message) },
            PlanError::NotExecutable { file } => Self {
                status: status::NOT_EXECUTABLE,
                ..Self::new(message).hint(if cfg!(windows) {
                    Hint::from("only .exe, .com, .cmd and .bat can be started")
                } else {
                    Hint::run(words!["chmod", "+x", file])
                })
            },
            PlanError::BinaryInProject { binary, .. } | PlanError::InterpreterInProject { binary, .. } => {
                Self::new(message)
                    .hint(Hint::from("if you trust that program, run ").command(words!["ringlet", "allow", binary]))
                    .hint("otherwise take the folder out of PATH")
            }
            PlanError::StoreProgram { store, .. } => Self::new(message).hint(
                Hint::from(LOOKED_FOR).command(["ringlet", "config", "edit"]).and(format!(" opens {}", store.table())),
            ),
            PlanError::FirstLine { .. } => Self::new(message)
                .hint("let it begin with `#!` and the program's path, or `#!/usr/bin/env` and its name"),
            PlanError::Guarded { findings } => guarded(Self::new(message), &findings),
            PlanError::Bind(error) => error.into(),
            PlanError::Guard(GuardError::Trust(error)) => error.into(),
            PlanError::Guard(GuardError::Search { .. }) => {
                Self::new(message).hint("start the agent in another directory")
            }
            PlanError::NoDirectory { .. } => Self::new(message).hint("name a directory that exists"),
            PlanError::Scoped(refused) => Self::new(message).hint(refused.hint()),
            PlanError::Pin(error) => error.into(),
            PlanError::Lease(error) => error.into(),
            PlanError::NoLoginFolder { profile, agent, .. } => {
                Self::new(message).hint(Hint::run(login_command(&profile, agent.as_ref())))
            }
            PlanError::LoginFolder { folder, why: NotPrivate::Writable(_) } => Self::new(message)
                .hint(Hint::run(words!["chmod", "go-w", folder]).and(" if it is yours, and look at what it holds")),
            PlanError::LoginFolder { .. } | PlanError::LoginNoFolder(_) => {
                Self::new(message).hint("name a folder of your own as `config-dir`")
            }
            PlanError::LoginOverridden { name: Some(_), .. } => {
                Self::new(message).hint("take the line out of that file")
            }
            PlanError::LoginOverridden { name: None, .. } => Self::new(message).hint("look at that file"),
            PlanError::OtherSession(other) => {
                let OtherSession { session, binary, command, .. } = *other;
                let failure = Self::new(message);
                match command {
                    Some(mut words) => {
                        words.push(session);
                        failure.hint(Hint::run(words))
                    }
                    None => {
                        let words = words![binary, "resume", session];
                        failure.hint(Hint::from("").command(words).and(" starts it without ringlet"))
                    }
                }
            }
            PlanError::RunBelow => Self::new(message)
                .hint("name the command in [tools.NAME] of config.toml, and start it with `ringlet run --tool NAME`"),
            PlanError::NoRunProfile => Self::new(message)
                .hint(Hint::from("name a profile: ").command(["ringlet", "profiles", "list"]).and(" shows them"))
                .hint("or a key: `ringlet run --secret VARIABLE=PROVIDER/ALIAS -- COMMAND`"),
            PlanError::NoRunSecrets { profile, .. } => {
                Self::new(message).hint(Hint::from("name one, such as ").command(words![
                    "ringlet",
                    "profiles",
                    "edit",
                    profile,
                    "secrets.GITHUB_TOKEN=github/work"
                ]))
            }
            PlanError::NoTool { closest, .. } => {
                let meant = closest.map(|name| Hint::from(format!("did you mean `{name}`?")));
                Self::new(message).maybe(meant)
            }
            PlanError::NoCommand => Self::usage(message).hint("write it after `--`"),
            PlanError::NoBroker { rule, profile, .. } => {
                let place = match rule {
                    Some((file, line)) => format!("`broker = true` is at {}:{line}", file.display()),
                    None => format!("profile \"{profile}\" says `delivery = \"broker\"`"),
                };
                Self::new(message).hint(format!("{place}; without it the agent is given the key itself"))
            }
            PlanError::BrokerOnly { rule: (file, line), .. } => {
                Self::new(message).hint(format!("see `broker = true`, {}:{line}", file.display()))
            }
            PlanError::Moved { .. } => Self::new(message).hint("leave it out, and name an `endpoint` in a profile"),
            PlanError::NotWithheld { variable, .. } => {
                Self::new(message).hint(format!("add \"{variable}\" to that list, or leave the option out"))
            }
            PlanError::NotChosen { .. } => Self::new(message)
                .hint("set it there, or choose the API key in the agent's own dialog; ringlet does not"),
            PlanError::Stored { .. } => Self::new(message)
                .hint("take it out, or give the profile a `config-dir` of its own, where the agent keeps nothing"),
            PlanError::OwnPlace(place) => Self { hints: place.hints(), ..Self::new(message) },
            PlanError::FolderInProject { .. } => {
                Self::new(message).hint("name a folder outside of every project as `config-dir`")
            }
            PlanError::Shared { binary, word, .. } => {
                Self::new(message).hint(Hint::from("").command(words![binary, word]).and(" runs it without ringlet"))
            }
            PlanError::Teammates { command, option, value, .. } => {
                Self::new(message).hint(Hint::run(words![command, option, value]))
            }
            PlanError::NotALogin { profile, .. } => {
                Self::new(message).hint(Hint::run(words!["ringlet", "profiles", "inspect", profile]))
            }
            PlanError::NotBound { profile, .. } => {
                Self::new(message).hint(Hint::from("see ").command(words!["ringlet", "profiles", "inspect", profile]))
            }
        }
    }
}

/// Returns the command that takes the right to write a file or folder from other users.
pub(crate) fn close_to_others(file: &Path) -> Hint {
    match platform::access(file) {
        Ok(access) if !access.is_ours() && !access.is_roots() => "put a copy of your own in its place".into(),
        _ => Hint::run(words!["chmod", "go-w", file]).and(" if it is yours"),
    }
}

// A refusal shows the first findings and gives one command for all of them.
fn guarded(mut made: Failure, findings: &[Finding]) -> Failure {
    const SHOWN: usize = 8;
    for finding in findings.iter().take(SHOWN).skip(1) {
        made = made.hint(format!("also {finding}"));
    }
    if findings.len() > SHOWN {
        made = made.hint(format!("and {} more", findings.len() - SHOWN));
    }
    let mut files: Vec<&Path> =
        findings.iter().filter(|finding| finding.can_be_allowed()).map(|finding| finding.file.as_path()).collect();
    files.dedup();
    for finding in findings {
        match &finding.problem {
            Problem::OpenToOthers { file, .. } => made = made.hint(close_to_others(file)),
            Problem::Unreadable { can_be_allowed: false, .. } => {
                made = made.hint(format!("mend or remove {}", finding.file.display()))
            }
            _ => {}
        }
    }
    if files.is_empty() {
        return made;
    }
    let look = if files.len() == 1 { "look at it" } else { "look at them" };
    let mut command = Vec::from(words!["ringlet", "allow"]);
    command.extend(files.iter().map(|file| file.as_os_str().to_owned()));
    made.hint(Hint::from(format!("{look}; if that is what you want, run ")).command(command))
}

impl From<HandOverError> for Failure {
    fn from(error: HandOverError) -> Self {
        let hint = match error {
            HandOverError::Gone | HandOverError::Refused => "leave the agent and start it again: a key is given once",
            HandOverError::Io(_) => "start the agent again",
        };
        Self::new(error.to_string()).hint(hint)
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let message = error.to_string();
        let made = match error {
            LaunchError::Plan(error) => error.into(),
            LaunchError::Store { profile, error, cure } => {
                let message = match &error {
                    StoreError::NotFound { place, key } => format!("{profile} has no key {key} in {place}"),
                    other => format!("{profile}: {other}"),
                };
                Self::new(message).said(error.said()).maybe(cure)
            }
            LaunchError::Unusable { place, is_set_here: false, .. } => {
                Self::new(message).hint(format!("store it anew in {place}, with its own tool"))
            }
            LaunchError::Unusable { key, .. } | LaunchError::Misplaced { key, wrong: Misplaced::NotOf(_) } => {
                Self::new(message).hint(Hint::run(key.replace_command()))
            }
            LaunchError::Misplaced { key, wrong: Misplaced::Of(owner) } => {
                let key = KeyName::new(owner, key.alias);
                Self::new(message).hint(Hint::run(key.set_command()).and(", and name it in the profile"))
            }
            LaunchError::HandOver(_) => Self::new(message)
                .hint("mend what it names, or let XDG_RUNTIME_DIR name a short path of your own, then start it again"),
            LaunchError::Declined => Self::new(message),
            LaunchError::NoTerminal => {
                Self::new(message).hint("name it in the profile's `[secrets]`, or in [tools.NAME] of config.toml")
            }
            LaunchError::Broker(_) => Self::new(message).hint("mend what it names, then start it again"),
            LaunchError::Rejected { key, .. } => {
                let end = format!("take the entry out of that list that ends as {key} does");
                Self::new(message).hint(format!("{end}, or store another key"))
            }
            LaunchError::Audit(AuditError::Lock(lock)) => Self::new(message).hint(lock.advice()),
            LaunchError::Audit(_) => Self::new(message).hint(Hint::from("mend the log, or run ").command([
                "ringlet",
                "config",
                "set",
                "audit.enabled",
                "false",
            ])),
            LaunchError::Swapped(_) => Self::new(message).hint("start it again; if it was updated, pin it anew"),
            LaunchError::Loop(_) => {
                Self::new(message).hint("take the link or script out of PATH, or put the real agent before it")
            }
            LaunchError::Exec { error, .. } => Self {
                status: match error.kind() {
                    io::ErrorKind::NotFound => status::NOT_FOUND,
                    _ => status::NOT_EXECUTABLE,
                },
                ..Self::new(message)
            },
            LaunchError::ConfigDir { .. } | LaunchError::Protect(_) => Self::new(message),
        };
        made.in_exec()
    }
}
