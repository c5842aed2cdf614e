//! The files of registered programs (the policy, `daemon.json` beside config.toml) and of refused programs that wait
//! for approval (`pending.json` in the state directory).
//!
//! Changes are made under a lock and replace a file whole. A policy that others may write is refused: it says who gets
//! keys. The queue holds each program once and at most [`MOST_PENDING`], and forgets it after a day.

use super::DaemonError;
use super::interpreters::{is_interpreter, is_known};
use super::policy::{Hash, Policy, Program, Registered, VERSION};
use crate::digest::Digest;
use crate::name::shorten;
use crate::paths::Paths;
use crate::platform::private::{self, Privacy};
use crate::platform::{self, Peer};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a refused program waits for approval.
pub(crate) const PENDING_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A flood of refused programs must not fill the disk.
const MOST_PENDING: usize = 100;

const MAX_FILE: u64 = 4 << 20;

/// A program that asked and is not registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The program, or the script where an interpreter runs one.
    pub path: PathBuf,
    /// Its SHA-256.
    pub hash: Hash,
    /// What runs the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<Program>,
    /// Its command line. Long words are cut: one might be a key.
    pub arguments: Vec<String>,
    /// Why the script that an interpreter runs is not known; such an entry cannot be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it asked last, RFC 3339.
    pub time: Timestamp,
}

/// What a program may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Services it may read.
    pub read: Vec<String>,
    /// Services it may write and delete in.
    pub write: Vec<String>,
    /// Permission to list names.
    pub search: bool,
}

/// The two files.
#[derive(Debug, Clone)]
pub struct Registrations {
    policy: PathBuf,
    pending: PathBuf,
}

impl Registrations {
    /// The files in their places; nothing is read yet.
    pub fn new(paths: &Paths) -> Self {
        Self { policy: paths.daemon_policy(), pending: paths.state().join("pending.json") }
    }

    /// Where the policy is.
    pub fn policy_file(&self) -> &Path {
        &self.policy
    }

    /// The policy; without a file nobody is registered.
    pub fn policy(&self) -> Result<Policy, DaemonError> {
        let Some(bytes) = read_own(&self.policy)? else { return Ok(Policy::default()) };
        let policy: Policy = serde_json::from_slice(&bytes).map_err(|error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            DaemonError::Policy { file: self.policy.clone(), why: format!("{at}: {}", reason(&error)) }
        })?;
        if policy.protocol_version != VERSION {
            let why = format!("`protocol_version` is {:?} and not {VERSION:?}", shorten(&policy.protocol_version));
            return Err(DaemonError::Policy { file: self.policy.clone(), why });
        }
        Ok(policy)
    }

    fn change<T>(&self, edit: impl FnOnce(&mut Policy) -> Result<T, DaemonError>) -> Result<T, DaemonError> {
        locked(&self.policy, || {
            let mut policy = self.policy()?;
            let done = edit(&mut policy)?;
            write_own(&self.policy, &policy)?;
            Ok(done)
        })
    }

    /// Registers a program with these permissions, or gives a registered one these in place of its own. `interpreter`
    /// runs it where it is a script without a `#!` line of its own; `search` is where interpreters are looked for.
    pub fn register(
        &self,
        path: &Path,
        interpreter: Option<&str>,
        search: Option<&OsStr>,
        permissions: &Permissions,
        now: Timestamp,
    ) -> Result<Registered, DaemonError> {
        let (program, interpreter) = measure(path, interpreter, search)?;
        self.change(|policy| {
            if interpreter.is_none() && policy.runs_scripts(&program) {
                return Err(DaemonError::Interpreter(program.path));
            }
            let entry = match policy.at(&program.path) {
                Some(entry) if entry.hash != program.hash || entry.interpreter != interpreter => {
                    return Err(DaemonError::Changed(program.path.clone()));
                }
                Some(entry) => entry,
                None => {
                    policy.registered_binaries.push(new_entry(program, interpreter, now));
                    policy.registered_binaries.last_mut().expect("it was pushed just now")
                }
            };
            grant(entry, permissions);
            Ok(entry.clone())
        })
        .inspect(|entry| self.no_longer_pending(&entry.path, now))
    }

    /// Registers a program that waits, by its hash or the beginning of it, and by its path where that is not enough.
    /// `search` is where interpreters are looked for.
    pub fn approve(
        &self,
        hash: &str,
        path: Option<&Path>,
        search: Option<&OsStr>,
        permissions: &Permissions,
        now: Timestamp,
    ) -> Result<Registered, DaemonError> {
        let wanted = hash.strip_prefix("sha256:").unwrap_or(hash);
        let fits = |program: &Pending| {
            program.hash.0.to_string().starts_with(wanted)
                && path.is_none_or(|path| platform::plain(path) == program.path)
        };
        let waiting = self.pending(now)?;
        let found: Vec<&Pending> = waiting.iter().filter(|program| wanted.len() >= 8 && fits(program)).collect();
        let pending = match found.as_slice() {
            [] => return Err(DaemonError::NotPending(shorten(hash))),
            [one] => *one,
            several => {
                let paths = several.iter().map(|program| program.path.clone()).collect();
                return Err(DaemonError::SeveralPending { hash: hash.to_owned(), paths });
            }
        };
        let program = Program { path: pending.path.clone(), hash: pending.hash };
        if pending.interpreter.is_none() && is_known(&program, search) {
            return Err(DaemonError::Interpreter(program.path));
        }
        let interpreter = pending.interpreter.clone();
        let entry = self.change(|policy| {
            if interpreter.is_none() && policy.runs_scripts(&program) {
                return Err(DaemonError::Interpreter(program.path.clone()));
            }
            policy.registered_binaries.retain(|entry| entry.path != program.path);
            let mut entry = new_entry(program.clone(), interpreter, now);
            grant(&mut entry, permissions);
            policy.registered_binaries.push(entry.clone());
            Ok(entry)
        })?;
        self.no_longer_pending(&entry.path, now);
        Ok(entry)
    }

    // The queue is a convenience: a program stays registered even where the queue cannot be written.
    fn no_longer_pending(&self, path: &Path, now: Timestamp) {
        if self.pending(now).is_ok_and(|waiting| waiting.iter().any(|pending| pending.path == path)) {
            self.change_pending(now, |waiting| waiting.retain(|pending| pending.path != path)).ok();
        }
    }

    /// Takes a registered program's new content for its own; its permissions stay.
    pub fn upgrade(&self, path: &Path, search: Option<&OsStr>, now: Timestamp) -> Result<Registered, DaemonError> {
        let named = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let upgraded = self.change(|policy| {
            let entry = policy.at(&named).ok_or_else(|| DaemonError::NotRegistered(named.clone()))?;
            let runs = entry.interpreter.as_ref().map(|interpreter| interpreter.path.to_string_lossy().into_owned());
            let (program, interpreter) = measure(&named, runs.as_deref(), search)?;
            entry.hash = program.hash;
            entry.interpreter = interpreter;
            Ok(entry.clone())
        })?;
        self.no_longer_pending(&upgraded.path, now);
        Ok(upgraded)
    }

    /// Takes a program's registration away.
    pub fn unregister(&self, path: &Path) -> Result<(), DaemonError> {
        let named = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.change(|policy| {
            let before = policy.registered_binaries.len();
            policy.registered_binaries.retain(|entry| entry.path != named);
            if policy.registered_binaries.len() < before { Ok(()) } else { Err(DaemonError::NotRegistered(named)) }
        })
    }

    /// Those that wait, the latest last.
    pub fn pending(&self, now: Timestamp) -> Result<Vec<Pending>, DaemonError> {
        let Some(bytes) = read_own(&self.pending)? else { return Ok(Vec::new()) };
        let mut waiting: Vec<Pending> = serde_json::from_slice(&bytes)
            .map_err(|error| DaemonError::Policy { file: self.pending.clone(), why: reason(&error) })?;
        waiting.retain(|pending| now.duration_since(pending.time) < PENDING_FOR);
        Ok(waiting)
    }

    /// Notes a program that was refused.
    pub fn note(&self, pending: Pending) -> Result<(), DaemonError> {
        self.change_pending(pending.time, |waiting| {
            waiting.retain(|other| (&other.path, other.hash) != (&pending.path, pending.hash));
            waiting.push(pending);
            let over = waiting.len().saturating_sub(MOST_PENDING);
            waiting.drain(..over);
        })
    }

    fn change_pending(&self, now: Timestamp, edit: impl FnOnce(&mut Vec<Pending>)) -> Result<(), DaemonError> {
        locked(&self.pending, || {
            // What cannot be read any more is no reason to refuse everybody: the queue is made anew.
            let mut waiting = self.pending(now).unwrap_or_default();
            edit(&mut waiting);
            write_own(&self.pending, &waiting)
        })
    }
}

fn new_entry(program: Program, interpreter: Option<Program>, now: Timestamp) -> Registered {
    let Program { path, hash } = program;
    Registered {
        path,
        hash,
        registered_at: format!("{now:.0}"),
        interpreter,
        allowed_read_services: Vec::new(),
        allowed_write_services: Vec::new(),
        can_search: false,
    }
}

fn grant(entry: &mut Registered, permissions: &Permissions) {
    entry.allowed_read_services.clone_from(&permissions.read);
    entry.allowed_write_services.clone_from(&permissions.write);
    entry.can_search = permissions.search;
}

// The program at a path, and what runs it where it is a script.
fn measure(
    path: &Path,
    interpreter: Option<&str>,
    search: Option<&OsStr>,
) -> Result<(Program, Option<Program>), DaemonError> {
    let failed = |path: &Path| DaemonError::io("read", path);
    let real = path.canonicalize().map_err(failed(path))?;
    if is_interpreter(&real) {
        return Err(DaemonError::Interpreter(real));
    }
    let (head, hash) = hash_of(&real)?;
    let named = match (interpreter, head.strip_prefix("#!")) {
        (Some(named), _) => Some(named.to_owned()),
        (None, Some(line)) => Some(interpreter_in(line).ok_or_else(|| DaemonError::NoInterpreter(real.clone()))?),
        (None, None) if is_binary(&head) => None,
        (None, None) => return Err(DaemonError::NoInterpreter(real)),
    };
    let program = Program { path: real, hash };
    let Some(named) = named else {
        return if is_known(&program, search) {
            Err(DaemonError::Interpreter(program.path))
        } else {
            Ok((program, None))
        };
    };
    if !Peer::TELLS_SCRIPTS {
        return Err(DaemonError::Script(program.path));
    }
    // So it will have to stand in the client's command line.
    if platform::plain(path) != program.path {
        return Err(DaemonError::Linked { named: path.to_owned(), real: program.path });
    }
    let found = if named.contains('/') {
        Some(PathBuf::from(&named))
    } else {
        search.and_then(|search| platform::candidates(&named, search).next())
    };
    let found = found.ok_or_else(|| DaemonError::NoInterpreter(program.path.clone()))?;
    let runs = found.canonicalize().map_err(failed(&found))?;
    let (head, hash) = hash_of(&runs)?;
    // A shim that starts another one is not what the kernel will name.
    if !is_binary(&head) {
        return Err(DaemonError::NoInterpreter(program.path));
    }
    Ok((program, Some(Program { path: runs, hash })))
}

fn hash_of(path: &Path) -> Result<(String, Hash), DaemonError> {
    let opened = platform::open_file(path)
        .map_err(|error| DaemonError::io("read", path)(std::io::Error::other(error.to_string())))?;
    let mut head = Vec::with_capacity(256);
    let mut file = opened.file;
    (&mut file).take(256).read_to_end(&mut head).map_err(DaemonError::io("read", path))?;
    let digest = Digest::of_reader(head.as_slice().chain(file)).map_err(DaemonError::io("read", path))?;
    // One character a byte: only the first line of a script, or a program's first bytes, are looked at.
    Ok((head.iter().map(|byte| char::from(*byte)).collect(), Hash(digest)))
}

// ELF, Mach-O (either order, and universal), and Windows' own.
fn is_binary(head: &str) -> bool {
    let magic: [&[u8]; 6] =
        [b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xca\xfe\xba\xbe", b"\xce\xfa\xed\xfe", b"MZ"];
    let bytes: Vec<u8> = head.chars().take(4).map(|c| c as u8).collect();
    magic.iter().any(|magic| bytes.starts_with(magic))
}

// What the kernel, and `env` behind it, would run a script with. With an option between the two the client's own
// command line would not begin with the script.
fn interpreter_in(line: &str) -> Option<String> {
    let mut words = line.lines().next()?.split_ascii_whitespace();
    let mut named = words.next()?;
    if Path::new(named).file_name()? == "env" {
        named = words.next().filter(|word| *word != "-S").or_else(|| words.next())?;
    }
    let alone = words.next().is_none() && !named.starts_with('-') && !named.contains('=');
    alone.then(|| named.to_owned())
}

// `None` without a file. What others may write is refused.
fn read_own(file: &Path) -> Result<Option<Vec<u8>>, DaemonError> {
    private::read(file, MAX_FILE, Privacy::Unwritten)
        .map_err(|why| DaemonError::Policy { file: file.to_owned(), why: why.to_string() })
}

fn write_own(file: &Path, data: &impl Serialize) -> Result<(), DaemonError> {
    let mut text = serde_json::to_vec_pretty(data).expect("paths that are not UTF-8 were refused before");
    text.push(b'\n');
    platform::replace_file(file, &text).map_err(DaemonError::io("write", file))
}

fn locked<T>(file: &Path, work: impl FnOnce() -> Result<T, DaemonError>) -> Result<T, DaemonError> {
    let folder = file.parent().expect("the file lies in a folder");
    platform::create_private_folder(folder).map_err(DaemonError::io("create", folder))?;
    let lock = file.with_extension("lock");
    let _lock = platform::lock_file(&lock, Duration::from_secs(5))?;
    work()
}

// serde's own text without its place, which stands in front of it already; and what it repeats of the file is cut,
// since people paste keys into the wrong file.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let repeated = |part: &str| part.split(' ').map(shorten).collect::<Vec<_>>().join(" ");
    text.split_inclusive(['`', '"'])
        .map(|part| {
            let (part, quote) = part.split_at(part.trim_end_matches(['`', '"']).len());
            repeated(part) + quote
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    #[test]
    fn changes_at_once_are_all_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let bases = ["HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"].map(|base| (base, folder.path()));
        let registrations = Registrations::new(&Paths::new(&Env::from_pairs(bases)).expect("a home"));
        let now = Timestamp::now();
        let program = |n: u8| {
            let path = folder.path().join(format!("tool-{n}"));
            std::fs::write(&path, [b"\x7fELF", &[n][..]].concat()).expect("written");
            path.canonicalize().expect("there")
        };
        let programs: Vec<PathBuf> = (0..12).map(program).collect();
        std::thread::scope(|scope| {
            for path in &programs {
                let registrations = &registrations;
                scope.spawn(move || {
                    let (program, _) = measure(path, None, None).expect("a program");
                    let Program { path, hash } = program;
                    let pending =
                        Pending { path, hash, interpreter: None, arguments: Vec::new(), why: None, time: now };
                    registrations.note(pending.clone()).expect("noted");
                    if pending.path.to_string_lossy().ends_with(['1', '3', '5']) {
                        registrations
                            .approve(&hash.0.to_string(), None, None, &Permissions::default(), now)
                            .expect("it waits");
                    } else {
                        registrations
                            .register(&pending.path, None, None, &Permissions::default(), now)
                            .expect("registered");
                    }
                });
            }
        });
        let mut known: Vec<PathBuf> =
            registrations.policy().expect("sound").registered_binaries.into_iter().map(|entry| entry.path).collect();
        known.sort();
        let mut programs = programs;
        programs.sort();
        assert_eq!(known, programs);
        assert_eq!(registrations.pending(now).expect("sound"), []);
    }

    #[test]
    fn what_is_wrong_with_a_policy_is_said_without_what_was_pasted_into_it() {
        let key = "sk-ant-api03-".to_owned() + &"QwErTy".repeat(12);
        for (text, says) in [
            (
                format!("{{\"{key}\": 1}}"),
                "unknown field `sk-a...`, expected `protocol_version` or `registered_binaries`",
            ),
            (
                format!("{{\"protocol_version\": \"1\", \"registered_binaries\": \"{key}\"}}"),
                "invalid type: string \"sk-a...\", expected",
            ),
            (format!("{{\"a`b {key}\": 1}}"), "unknown field `a`b sk-a...`"),
        ] {
            let error = serde_json::from_str::<Policy>(&text).expect_err("wrong");
            let said = reason(&error);
            assert!(said.starts_with(says) && !said.contains("QwErTy"), "{said}");
        }
    }

    #[test]
    fn the_queue_forgets_after_a_day_and_never_grows_beyond_its_length() {
        let folder = tempfile::tempdir().expect("a folder");
        let env = Env::from_pairs([("HOME", folder.path()), ("USERPROFILE", folder.path())]);
        let registrations = Registrations::new(&Paths::new(&env).expect("a home"));
        let start: Timestamp = "2026-11-25T00:00:00Z".parse().expect("a time");
        for n in 0..MOST_PENDING + 5 {
            let (path, hash) = (PathBuf::from(format!("/{n}")), Hash(Digest::of(&n.to_le_bytes())));
            let pending = Pending { path, hash, interpreter: None, arguments: Vec::new(), why: None, time: start };
            registrations.note(pending).expect("noted");
        }
        let waiting = registrations.pending(start).expect("sound");
        assert_eq!((waiting.len(), waiting[0].path.as_path()), (MOST_PENDING, Path::new("/5")));
        let late = start + PENDING_FOR;
        assert_eq!(registrations.pending(late - SignedDuration::from_secs(1)).expect("sound").len(), MOST_PENDING);
        assert_eq!(registrations.pending(late).expect("sound"), []);
    }
}
