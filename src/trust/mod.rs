//! The user's decisions about project files.
//!
//! A record binds the path where a file was found, the file that this path leads to, and the SHA-256 of its bytes. An
//! edit, a copy or link at another path, or a changed symbolic link ends the permission. Files below the folders of
//! `[trust] allow-under` need no record. A denial has priority over both. Only the commands `allow` and `deny` write
//! records; a launch only reads them. A record holds whoever may write the file. A folder of `allow-under` only covers
//! files that no other account may write.
//!
//! For files that an agent reads itself, such as its settings, a record binds values in place of bytes, and programs by
//! their content. A linked worktree shares its repository's records.

mod evidence;
mod record;

pub(crate) use evidence::Evidence;
pub(crate) use record::{Bound, BoundFile, BoundValue, PathRecords, Record};

use crate::digest::Digest;
use crate::git;
use crate::paths::Paths;
use crate::platform::private::{self, Privacy};
use crate::platform::{self, ReadError};
use evidence::{canonical, place_of};
use record::{Decision, leads_to};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The user's decision about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// These bytes are allowed at this path.
    Trusted,
    /// There is no record.
    Unknown,
    /// Other bytes were allowed at this path.
    Changed {
        /// What these chose, in words, if it is known.
        before: Option<String>,
        /// What the file chooses now, if it can be read.
        now: Option<String>,
    },
    /// The user denied the file.
    Denied,
    /// A folder of `allow-under` covers the file, but another account may have written it. The text describes how.
    Exposed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted => f.write_str("allowed"),
            Self::Unknown => f.write_str("not allowed"),
            Self::Changed { before: Some(before), now: Some(now) } if before == now => {
                write!(f, "not allowed any more: it has changed, and names {now} as before")
            }
            Self::Changed { before: Some(before), now: Some(now) } => {
                write!(f, "not allowed any more: it has changed, from {before} to {now}")
            }
            Self::Changed { before: Some(before), now: None } => {
                write!(f, "not allowed any more: it has changed, and named {before} before")
            }
            Self::Changed { before: None, .. } => f.write_str("not allowed any more: it has changed"),
            Self::Denied => f.write_str("denied"),
            Self::Exposed(why) => write!(f, "not allowed: it {why}, so that `allow-under` does not count"),
        }
    }
}

/// The reason why trust could not be decided or recorded. Each variant refuses the launch.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        why: ReadError,
    },
    /// A record is damaged, or another account could have written it.
    #[error("the trust record {}: {why}", file.display())]
    Record {
        /// The record.
        file: PathBuf,
        /// The problem with it.
        why: String,
    },
    /// A record cannot be written.
    #[error("the trust record {} cannot be written: {why}", file.display())]
    Write {
        /// The record.
        file: PathBuf,
        /// The system's error.
        why: io::Error,
    },
}

// A file that marks that a denial was recorded once. Without it a launch need not look up a record for each harmless
// file.
const DENIALS: &str = "denials";

// The size of a record with some ten thousand files of code.
const MAX_RECORD: u64 = 4 << 20;

/// The user's records, and the folders that need none.
pub(crate) struct Trust<'a> {
    folder: PathBuf,
    allow_under: &'a [PathBuf],
}

impl<'a> Trust<'a> {
    /// Opens the records.
    pub(crate) fn new(paths: &Paths, allow_under: &'a [PathBuf]) -> Self {
        Self { folder: paths.trust(), allow_under }
    }

    /// Returns the user's decision about this file with these bytes.
    pub(crate) fn verdict(&self, file: &Evidence) -> Result<Verdict, TrustError> {
        let recorded = self.recorded(file)?;
        if !matches!(recorded, Verdict::Unknown | Verdict::Changed { .. }) {
            return Ok(recorded);
        }
        // Both ends of a link must lie below such a folder.
        if !self.is_in_allowed_folder(&file.canonical) || !self.is_in_allowed_folder(&file.place) {
            return Ok(recorded);
        }
        let own = private::check(file.access(), Privacy::Unwritten);
        Ok(own.map_or_else(|why| Verdict::Exposed(why.to_string()), |()| Verdict::Trusted))
    }

    // Returns the decision of the records alone.
    fn recorded(&self, file: &Evidence) -> Result<Verdict, TrustError> {
        let recorded = self.records_at(&file.place, Some(&file.canonical))?;
        Ok(match recorded.records.as_slice() {
            _ if recorded.is_denied() => Verdict::Denied,
            _ if recorded.allows(file) => Verdict::Trusted,
            [] => Verdict::Unknown,
            _ => Verdict::Changed { before: recorded.said().map(ToOwned::to_owned), now: None },
        })
    }

    /// Reports whether the user has denied anything. Most users have not.
    pub(crate) fn has_denials(&self) -> bool {
        self.folder.join(DENIALS).symlink_metadata().is_ok()
    }

    /// Reads the user's records about a path.
    pub(crate) fn records_of(&self, found: &Path) -> Result<PathRecords, TrustError> {
        let real = platform::canonical(found).ok();
        self.records_at(&place_of(found, real.as_deref()), real.as_deref())
    }

    fn records_at(&self, place: &Path, real: Option<&Path>) -> Result<PathRecords, TrustError> {
        let mut records: Vec<Record> = self.read(place)?.into_iter().collect();
        // A denial holds for the target of a symbolic link and for the link's own path, so that a changed link does not
        // escape it.
        if let Some(real) = real.filter(|real| *real != place) {
            records.extend(self.read(real)?.filter(|record| record.decision == Decision::Deny));
        }
        if let Some(place) = in_main_checkout(place) {
            records.extend(self.read(&place)?);
        }
        Ok(PathRecords::new(records))
    }

    // Paths are compared component by component.
    fn is_in_allowed_folder(&self, path: &Path) -> bool {
        self.allow_under.iter().any(|folder| platform::canonical(folder).is_ok_and(|folder| path.starts_with(folder)))
    }

    /// Reports whether a record allows these bytes at this path. Unlike for [`Trust::verdict`], `allow-under` does not
    /// count.
    pub(crate) fn is_recorded(&self, file: &Evidence) -> Result<bool, TrustError> {
        Ok(self.recorded(file)? == Verdict::Trusted)
    }

    /// Allows these bytes at this path and removes an earlier denial. `said` is what they choose, in words.
    pub(crate) fn allow(&self, file: &Evidence, said: Option<String>) -> Result<(), TrustError> {
        self.write(&file.place, Decision::Allow, Some((file, said)), Bound::default())?;
        self.remove_denial(&file.place, &file.canonical)
    }

    /// Allows these values and files at this path and removes an earlier denial.
    pub(crate) fn allow_values(&self, found: &Path, bound: Bound) -> Result<(), TrustError> {
        let real = platform::canonical(found).ok();
        let place = place_of(found, real.as_deref());
        self.write(&place, Decision::Allow, None, bound)?;
        self.remove_denial(&place, &canonical(found)?)
    }

    // The order matters: after a crash in between the denial still holds.
    fn remove_denial(&self, place: &Path, real: &Path) -> Result<(), TrustError> {
        if place != real && self.read(real)?.is_some_and(|record| record.decision == Decision::Deny) {
            let denial = self.record_of(real);
            std::fs::remove_file(&denial).map_err(|why| TrustError::Write { file: denial, why })?;
        }
        Ok(())
    }

    /// Denies a file, which need not exist, until the user allows it.
    pub(crate) fn deny(&self, found: &Path) -> Result<(), TrustError> {
        let mark = self.folder.join(DENIALS);
        let marked = platform::create_private_folder(&self.folder).and_then(|()| platform::replace_file(&mark, b""));
        marked.map_err(|why| TrustError::Write { file: mark, why })?;
        let real = platform::canonical(found).ok();
        let place = place_of(found, real.as_deref());
        if let Some(real) = real.filter(|real| *real != place) {
            self.write(&real, Decision::Deny, None, Bound::default())?;
        }
        self.write(&place, Decision::Deny, None, Bound::default())
    }

    fn record_of(&self, path: &Path) -> PathBuf {
        self.folder.join(format!("{}.toml", Digest::of(path.as_os_str().as_encoded_bytes())))
    }

    fn read(&self, path: &Path) -> Result<Option<Record>, TrustError> {
        let file = self.record_of(path);
        let damaged = |why: String| TrustError::Record { file: file.clone(), why };
        let read = private::read(&file, MAX_RECORD, Privacy::Unwritten).map_err(|why| damaged(why.to_string()))?;
        let Some(bytes) = read else { return Ok(None) };
        Record::parse(&bytes).map(Some).map_err(damaged)
    }

    fn write(
        &self,
        path: &Path,
        decision: Decision,
        allowed: Option<(&Evidence, Option<String>)>,
        bound: Bound,
    ) -> Result<(), TrustError> {
        let file = self.record_of(path);
        let (allowed, said) = allowed.map_or((None, None), |(file, said)| (Some(file), said));
        let record = Record {
            path: path.to_string_lossy().into_owned(),
            decision,
            sha256: allowed.map(|file| file.sha256().to_owned()),
            said,
            leads_to: allowed.and_then(leads_to),
            values: bound.values,
            files: bound.files,
        };
        let text = record.to_text();
        if text.len() as u64 > MAX_RECORD {
            let why = io::Error::new(io::ErrorKind::FileTooLarge, "there is too much to be bound");
            return Err(TrustError::Write { file, why });
        }
        let written =
            platform::create_private_folder(&self.folder).and_then(|()| platform::replace_file(&file, text.as_bytes()));
        written.map_err(|why| TrustError::Write { file, why })
    }
}

// Returns the path of the same file in the main checkout of a linked worktree.
fn in_main_checkout(place: &Path) -> Option<PathBuf> {
    let root =
        place.ancestors().skip(1).find_map(|folder| Some((folder, folder.join(".git").symlink_metadata().ok()?)))?;
    let root = root.1.is_file().then_some(root.0)?;
    Some(git::main_checkout(root)?.join(place.strip_prefix(root).ok()?))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct World {
        root: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            Self { root: tempfile::tempdir().expect("a temporary folder") }
        }
        fn path(&self, name: &str) -> PathBuf {
            self.root.path().canonicalize().expect("exists").join(name)
        }
        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().expect("below root")).expect("created");
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("chmod");
            path
        }
        fn trust<'a>(&self, allow_under: &'a [PathBuf]) -> Trust<'a> {
            Trust { folder: self.path("trust"), allow_under }
        }
    }

    fn verdict(trust: &Trust<'_>, path: &Path) -> Verdict {
        trust.verdict(&Evidence::read(path, 1000).expect("readable")).expect("decided")
    }

    fn allow(trust: &Trust<'_>, path: &Path) {
        trust.allow(&Evidence::read(path, 1000).expect("readable"), Some("profile a".into())).expect("recorded");
    }

    fn changed() -> Verdict {
        Verdict::Changed { before: Some("profile a".into()), now: None }
    }

    #[test]
    fn an_edit_a_copy_and_a_swapped_symlink_end_trust() {
        let world = World::new();
        let trust = world.trust(&[]);
        let file = world.write("a/f", "one");
        assert_eq!(verdict(&trust, &file), Verdict::Unknown);
        allow(&trust, &file);
        assert_eq!(verdict(&trust, &file), Verdict::Trusted);
        world.write("a/f", "two");
        assert_eq!(verdict(&trust, &file), changed());
        world.write("a/f", "one");
        let copy = world.write("b/f", "one");
        assert_eq!(verdict(&trust, &copy), Verdict::Unknown);
        let link = world.path("link");
        symlink(&file, &link).expect("linked");
        assert_eq!(verdict(&trust, &link), Verdict::Unknown, "a link does not borrow trust");
        allow(&trust, &link);
        assert_eq!(verdict(&trust, &link), Verdict::Trusted);
        std::fs::remove_file(&link).expect("removed");
        symlink(&copy, &link).expect("linked");
        assert_eq!(verdict(&trust, &link), changed());
        assert_eq!(verdict(&trust, &copy), Verdict::Unknown);
    }

    #[test]
    fn a_linked_folder_of_an_agents_does_not_borrow_trust() {
        let world = World::new();
        let trust = world.trust(&[]);
        let file = world.write("good/.claude/settings.json", "{}");
        let recorded = |path: &Path| trust.is_recorded(&Evidence::read(path, 1000).expect("readable"));
        allow(&trust, &file);
        std::fs::create_dir(world.path("evil")).expect("created");
        symlink(world.path("good/.claude"), world.path("evil/.claude")).expect("linked");
        let linked = world.path("evil/.claude/settings.json");
        assert!(recorded(&file).expect("decided") && !recorded(&linked).expect("decided"));
        allow(&trust, &linked);
        assert!(recorded(&linked).expect("decided"));
    }

    #[test]
    fn a_denial_beats_records_and_folders_until_the_user_allows_again() {
        let world = World::new();
        let file = world.write("work/f", "one");
        let other = world.write("work/g", "two");
        let under = [world.path("work")];
        let trust = world.trust(&under);
        assert_eq!(verdict(&trust, &file), Verdict::Trusted);
        let link = world.path("work/link");
        symlink(&file, &link).expect("linked");
        trust.deny(&link).expect("denied");
        assert_eq!(verdict(&trust, &link), Verdict::Denied);
        std::fs::remove_file(&link).expect("removed");
        symlink(&other, &link).expect("linked");
        assert_eq!(verdict(&trust, &link), Verdict::Denied, "a swapped symlink does not escape a denial");
        allow(&trust, &link);
        assert_eq!(verdict(&trust, &link), Verdict::Trusted);
    }

    #[test]
    fn allow_under_compares_components() {
        let world = World::new();
        let inside = world.write("work/x/f", "one");
        let beside = world.write("workshop/f", "one");
        let under = [world.path("work")];
        let trust = world.trust(&under);
        assert_eq!(verdict(&trust, &inside), Verdict::Trusted);
        assert_eq!(verdict(&trust, &beside), Verdict::Unknown);
        let link = world.path("link");
        symlink(&inside, &link).expect("linked");
        assert_eq!(verdict(&trust, &link), Verdict::Unknown, "a link from outside is not below the folder");
    }

    #[test]
    fn who_may_write_a_file_counts_only_where_no_record_speaks() {
        let world = World::new();
        let file = world.write("work/f", "one");
        let under = [world.path("work")];
        let (by_folder, by_record) = (world.trust(&under), world.trust(&[]));
        assert_eq!(verdict(&by_folder, &file), Verdict::Trusted);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o646)).expect("chmod");
        assert!(matches!(verdict(&by_folder, &file), Verdict::Exposed(_)));
        assert_eq!(verdict(&by_record, &file), Verdict::Unknown);
        allow(&by_record, &file);
        assert_eq!(verdict(&by_record, &file), Verdict::Trusted);
        assert_eq!(verdict(&by_folder, &file), Verdict::Trusted);
        std::fs::write(&file, "two").expect("written");
        assert_eq!(verdict(&by_record, &file), changed());
        assert!(matches!(verdict(&by_folder, &file), Verdict::Exposed(_)));
        by_record.deny(&file).expect("denied");
        assert_eq!(verdict(&by_folder, &file), Verdict::Denied);
    }

    #[test]
    fn a_damaged_record_refuses() {
        let world = World::new();
        let trust = world.trust(&[]);
        let file = world.write("f", "one");
        allow(&trust, &file);
        let evidence = Evidence::read(&file, 1000).expect("readable");
        std::fs::write(trust.record_of(&file), "decision = 1").expect("written");
        assert!(matches!(trust.verdict(&evidence), Err(TrustError::Record { .. })));
    }
}
