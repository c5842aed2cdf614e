//! Which program an agent is: its SHA-256, and the one the user pinned.
//!
//! A pin is the user's word that an agent's program, byte for byte, is this one; only `ringlet agents pin` writes it.
//! It covers the file that is found on PATH, not the interpreter that runs a script, nor what a program loads by
//! itself. `plan` and the daemon compare; nothing here decides.

use crate::digest::Digest;
use crate::name::Agent;
use crate::paths::Paths;
use crate::platform::{self, ReadError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A program's digest, and what would tell that the file is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    /// The digest of its bytes.
    pub digest: Digest,
    stamp: String,
}

impl Measured {
    /// Reports whether the path still leads to the file that was measured, and the file is unchanged.
    pub(crate) fn is_still_at(&self, program: &Path) -> bool {
        platform::content_stamp(program).is_ok_and(|stamp| stamp == self.stamp)
    }
}

/// Returns the digest of a program. Agents are up to hundreds of megabytes, so it is remembered in a file.
pub(crate) fn measure(paths: &Paths, program: &Path) -> io::Result<Measured> {
    let opened = platform::open_file(program).map_err(|error| match error {
        ReadError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, other.to_string()),
    })?;
    measure_opened(paths, program, &opened.file)
}

/// The same of a file that is open already, at its start; the path is only what the digest is remembered by.
pub(crate) fn measure_opened(paths: &Paths, program: &Path, file: &File) -> io::Result<Measured> {
    let folder = paths.digests();
    let kept = folder.join(Digest::of(program.as_os_str().as_encoded_bytes()).to_string());
    let known = |stamp: &str| {
        let text = platform::read_record(&kept).ok()??;
        let (known, digest) = text.split_once('\n')?;
        (known == stamp).then(|| digest.trim().parse().ok())?
    };
    let keep = |stamp: &str, digest: Digest| {
        // Only a cache: without it the next launch hashes again.
        let _ = platform::create_private_folder(&folder)
            .and_then(|()| platform::replace_file(&kept, format!("{stamp}\n{digest}\n").as_bytes()));
    };
    measure_unless_known(file, known, keep)
}

/// Hashes an opened file, at its start, unless `known` has a digest for its stamp, which is all that would change with
/// the content. A digest that may be remembered goes to `keep`: not that of a file which was changed just now, and
/// which could be changed again without its times showing it.
pub(crate) fn measure_unless_known(
    file: &File,
    known: impl FnOnce(&str) -> Option<Digest>,
    keep: impl FnOnce(&str, Digest),
) -> io::Result<Measured> {
    let stamp = platform::file_stamp(file)?;
    if let Some(digest) = known(&stamp) {
        return Ok(Measured { digest, stamp });
    }
    // At the start: a change while the file is read, soon after another, might not show in its times either.
    let is_settled = platform::is_settled(file)?;
    let digest = Digest::of_reader(file)?;
    // A file that changed while it was read has a digest that nobody could have approved.
    if platform::file_stamp(file)? != stamp {
        return Err(io::Error::other("it changed while it was read"));
    }
    if is_settled {
        keep(&stamp, digest);
    }
    Ok(Measured { digest, stamp })
}

/// An agent's program as it was when the user pinned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The agent.
    pub agent: Agent,
    /// Where the program was found then; for people, the digest alone counts.
    pub program: PathBuf,
    /// The program's digest.
    pub digest: Digest,
    /// When, by the wall clock; for people.
    pub pinned: Timestamp,
}

impl Pin {
    /// Reads an agent's record, or returns what is wrong with it. The record names the agent as well, so that a copy
    /// under another name pins nothing.
    pub(crate) fn parse(agent: &Agent, text: &str) -> Result<Self, String> {
        let record: Record = toml::from_str(text).map_err(|error| format!("does not parse: {}", error.message()))?;
        if record.agent != agent.as_str() {
            return Err("is not named after its agent".into());
        }
        let digest = record.sha256.parse().map_err(|_| "holds no SHA-256")?;
        let pinned = record.pinned.parse().map_err(|_| "holds no time")?;
        Ok(Self { agent: agent.clone(), program: record.program.into(), digest, pinned })
    }

    /// Returns the record's text.
    pub(crate) fn to_text(&self) -> String {
        let record = Record {
            agent: self.agent.to_string(),
            program: self.program.to_string_lossy().into_owned(),
            sha256: self.digest.to_string(),
            pinned: self.pinned.to_string(),
        };
        toml::to_string(&record).expect("strings always serialise")
    }
}

/// Why a pin could not be read or written. Each refuses.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The record is damaged, or could have been written by someone else.
    #[error("the pin {}: {why}", file.display())]
    Record {
        /// The record.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The record cannot be written or removed.
    #[error("the pin {} cannot be {doing}: {why}", file.display())]
    Write {
        /// The record.
        file: PathBuf,
        /// `written` or `removed`.
        doing: &'static str,
        /// The system's error.
        why: io::Error,
    },
    /// The folder of pins cannot be listed.
    #[error("{}: cannot be listed: {why}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        why: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    agent: String,
    program: String,
    sha256: String,
    pinned: String,
}

/// The pins.
pub(crate) struct Pins {
    folder: PathBuf,
}

impl Pins {
    /// The pins in their place.
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { folder: paths.pins() }
    }

    /// An agent's pin, if it has one.
    pub(crate) fn read(&self, agent: &Agent) -> Result<Option<Pin>, PinError> {
        let file = self.file(agent);
        let damaged = |why: String| PinError::Record { file: file.clone(), why };
        let text = match platform::read_record(&file) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            Err(why) => return Err(damaged(why.to_string())),
        };
        Pin::parse(agent, &text).map(Some).map_err(damaged)
    }

    /// Every pin, by agent, and what is wrong with those that cannot be used.
    pub(crate) fn list(&self) -> Result<(Vec<Pin>, Vec<PinError>), PinError> {
        let failed = |why| PinError::Folder { folder: self.folder.clone(), why };
        let (mut pins, mut broken) = (Vec::new(), Vec::new());
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((pins, broken)),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let agent = name.to_str().and_then(|name| name.strip_suffix(".toml")).and_then(|name| name.parse().ok());
            // Whatever else lies here is what a crash left of a replacement.
            let Some(agent) = agent else { continue };
            match self.read(&agent) {
                Ok(pin) => pins.extend(pin),
                Err(error) => broken.push(error),
            }
        }
        pins.sort_by(|a, b| a.agent.cmp(&b.agent));
        Ok((pins, broken))
    }

    /// Records a pin, in place of an earlier one: whole or not at all, mode 0600 in a folder of 0700.
    pub(crate) fn write(&self, pin: &Pin) -> Result<(), PinError> {
        let file = self.file(&pin.agent);
        let text = pin.to_text();
        let written =
            platform::create_private_folder(&self.folder).and_then(|()| platform::replace_file(&file, text.as_bytes()));
        written.map_err(|why| PinError::Write { file, doing: "written", why })
    }

    /// Removes a pin; false when there is none.
    pub(crate) fn remove(&self, agent: &Agent) -> Result<bool, PinError> {
        let file = self.file(agent);
        match std::fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(why) => Err(PinError::Write { file, doing: "removed", why }),
        }
    }

    fn file(&self, agent: &Agent) -> PathBuf {
        self.folder.join(format!("{agent}.toml"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::env::Env;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn places() -> (tempfile::TempDir, Paths) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = Paths::new(&Env::from_pairs([("HOME", folder.path())])).expect("absolute home");
        (folder, paths)
    }

    #[test]
    fn what_is_measured_is_told_from_whatever_takes_its_place() {
        let (folder, paths) = places();
        let program = folder.path().join("claude");
        fs::write(&program, "one").expect("written");
        let measured = measure(&paths, &program).expect("readable");
        assert_eq!(measured.digest, Digest::of(b"one"));
        assert!(measured.is_still_at(&program));
        // Same size, and as fast as can be: no remembered digest may stand in.
        fs::write(&program, "two").expect("written");
        assert_eq!(measure(&paths, &program).expect("readable").digest, Digest::of(b"two"));
        let other = folder.path().join("other");
        fs::write(&other, "one").expect("written");
        fs::rename(&other, &program).expect("renamed");
        assert!(!measured.is_still_at(&program));
        fs::remove_file(&program).expect("removed");
        assert!(!measured.is_still_at(&program) && measure(&paths, &program).is_err());
        assert!(measure(&paths, folder.path()).is_err(), "a folder is no program");
    }

    #[test]
    fn a_settled_program_is_not_hashed_twice() {
        let (_folder, paths) = places();
        // Nobody has touched it within the last seconds.
        let program = Path::new("/bin/sh");
        let measured = measure(&paths, program).expect("readable");
        let kept = paths.digests().join(Digest::of(program.as_os_str().as_encoded_bytes()).to_string());
        let text = fs::read_to_string(&kept).expect("remembered");
        assert!(text.ends_with(&format!("\n{}\n", measured.digest)), "{text}");
        // What is remembered is what comes back, as long as the stamp fits.
        let other = Digest::of(b"other");
        platform::replace_file(&kept, text.replace(&measured.digest.to_string(), &other.to_string()).as_bytes())
            .expect("written");
        assert_eq!(measure(&paths, program).expect("readable").digest, other);
        platform::replace_file(&kept, text.replacen(' ', "0 ", 1).as_bytes()).expect("written");
        assert_eq!(measure(&paths, program).expect("readable"), measured);
    }

    #[test]
    fn a_pin_comes_back_and_a_doubtful_one_does_not() {
        let (_folder, paths) = places();
        let pins = Pins::new(&paths);
        let pin = Pin {
            agent: "claude".parse().expect("valid"),
            program: "/usr/bin/claude".into(),
            digest: Digest::of(b"x"),
            pinned: "2026-11-01T09:00:00Z".parse().expect("a time"),
        };
        assert_eq!(pins.read(&pin.agent).expect("none"), None);
        pins.write(&pin).expect("written");
        let file = paths.pins().join("claude.toml");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(paths.pins()).expect("there").permissions().mode() & 0o777, 0o700);
        assert_eq!(pins.read(&pin.agent).expect("whole"), Some(pin.clone()));
        let text = fs::read_to_string(&file).expect("text");
        fs::copy(&file, paths.pins().join("codex.toml")).expect("copied");
        let (listed, broken) = pins.list().expect("listed");
        assert_eq!((listed, broken.len()), (vec![pin.clone()], 1));
        for bad in
            [String::new(), text.replace("sha256", "sha512"), text.replace(&pin.digest.to_string(), "00"), "\0".into()]
        {
            fs::write(&file, &bad).expect("written");
            assert!(matches!(pins.read(&pin.agent), Err(PinError::Record { .. })), "{bad:?}");
        }
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).expect("chmod");
        assert!(pins.read(&pin.agent).is_err());
        assert!(pins.remove(&pin.agent).expect("removed") && !pins.remove(&pin.agent).expect("none"));
    }
}
