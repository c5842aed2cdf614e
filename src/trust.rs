//! Which project files the user has allowed.
//!
//! A record binds the place where a file is found, the file it leads to, and the SHA-256 of the exact bytes: an edit,
//! a copy or a link elsewhere, or a swapped symlink ends it. There are no exemptions; `[trust] allow-under` is the user's own word for a whole folder, and a
//! denial outlasts both. Only the commands `allow` and `deny` write records; a launch only reads them. Who may write a file
//! adds nothing to a record of its bytes, and counts where a folder alone speaks for it.
//!
//! For what an agent reads itself, such as its settings, a record binds values in place of bytes, and programs by their
//! content. A linked worktree shares its repository's records.

use crate::digest::Digest;
use crate::git;
use crate::paths::Paths;
use crate::platform::private::{self, Privacy};
use crate::platform::{self, Access, ReadError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What the user has said about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// These exact bytes, here, are allowed.
    Trusted,
    /// Nothing was said.
    Unknown,
    /// Other bytes were allowed here.
    Changed,
    /// The user said no.
    Denied,
    /// Only a folder of `allow-under` speaks for it, and somebody else may have written it, as these words say.
    Exposed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted => f.write_str("allowed"),
            Self::Unknown => f.write_str("not allowed"),
            Self::Changed => f.write_str("not allowed any more: it has changed"),
            Self::Denied => f.write_str("denied"),
            Self::Exposed(why) => write!(f, "not allowed: it {why}, so that `allow-under` does not count"),
        }
    }
}

/// Why trust could not be decided or recorded. Each refuses.
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
    /// A record is damaged, or could have been written by someone else.
    #[error("the trust record {}: {why}", file.display())]
    Record {
        /// The record.
        file: PathBuf,
        /// What is wrong with it.
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

/// A project's file, read once: the hash that is compared and the text that is parsed are of the same bytes.
pub(crate) struct Evidence {
    /// The path by which it was found.
    pub found: PathBuf,
    /// The file itself, symlinks resolved.
    pub canonical: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    hash: String,
    access: Access,
}

fn canonical(found: &Path) -> Result<PathBuf, TrustError> {
    found.canonicalize().map_err(|error| {
        let dangling = error.kind() == io::ErrorKind::NotFound && found.symlink_metadata().is_ok();
        let why = if dangling { ReadError::Dangling } else { error.into() };
        TrustError::Unreadable { file: found.into(), why }
    })
}

fn list_folder(folder: &Path, limit: u64, list: &mut Vec<u8>) -> Result<(), ReadError> {
    let mut paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        list.extend_from_slice(path.as_os_str().as_encoded_bytes());
        if path.symlink_metadata()?.is_dir() {
            list.push(b'\n');
            list_folder(&path, limit, list)?;
        } else {
            let mut digest = Sha256::new();
            let link = path.read_link();
            if let Ok(target) = &link {
                digest.update(target.as_os_str().as_encoded_bytes());
                digest.update(b"\0");
            }
            match platform::read_file(&path, limit) {
                Ok(read) => digest.update(&read.bytes),
                // Nothing is there yet; whatever appears is a change.
                Err(ReadError::Dangling) if link.is_ok() => {}
                Err(error) => return Err(error),
            }
            list.extend_from_slice(format!("\0{}\n", hex(&digest.finalize())).as_bytes());
        }
        if list.len() as u64 > limit {
            return Err(ReadError::TooLarge(limit));
        }
    }
    Ok(())
}

impl Evidence {
    /// Reads a file that trust is to be decided on, whoever owns it.
    pub(crate) fn read(found: &Path, limit: u64) -> Result<Self, TrustError> {
        let canonical = canonical(found)?;
        let unreadable = |why: ReadError| TrustError::Unreadable { file: found.into(), why };
        let read = platform::read_file(&canonical, limit).map_err(unreadable)?;
        let hash = hex(&Sha256::digest(&read.bytes));
        Ok(Self { found: found.into(), canonical, bytes: read.bytes, hash, access: read.access })
    }

    /// The same, and a folder stands for all it holds: its bytes are then a list of the files below it with their
    /// hashes, in the order of their names. Symlinks count by what they say and by the file they lead to; one to a
    /// folder is refused.
    pub(crate) fn read_any(found: &Path, limit: u64) -> Result<Self, TrustError> {
        let canonical = canonical(found)?;
        if !canonical.is_dir() {
            return Self::read(found, limit);
        }
        let unreadable = |why: ReadError| TrustError::Unreadable { file: found.into(), why };
        let mut list = Vec::new();
        list_folder(&canonical, limit, &mut list).map_err(unreadable)?;
        let access = platform::access(&canonical).map_err(|error| unreadable(error.into()))?;
        let hash = hex(&Sha256::digest(&list));
        Ok(Self { found: found.into(), canonical, bytes: list, hash, access })
    }

    /// Who may do what with it.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// The SHA-256 of the bytes, in hexadecimal.
    pub(crate) fn sha256(&self) -> &str {
        &self.hash
    }
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Allow,
    Deny,
}

// A file that says that something was denied once, so that a launch need not ask for each file that is harmless.
const DENIALS: &str = "denials";

// Some ten thousand files of a folder of code.
const MAX_RECORD: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    // For people who look into the folder; the record's own name is what binds it to the path.
    path: String,
    decision: Decision,
    sha256: Option<String>,
    // The SHA-256 of the path of what was allowed, where symlinks lead there.
    #[serde(default)]
    leads_to: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<BoundValue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<BoundFile>,
}

/// What a record binds of a file that an agent reads itself, or of a folder of code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The entries that are not harmless by themselves.
    pub values: Vec<BoundValue>,
    /// The programs that they start, or the files of the folder.
    pub files: Vec<BoundFile>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundValue {
    /// The SHA-256 of the names that lead to it.
    pub at: String,
    /// These names for people: short, and without what looks like a secret.
    pub name: String,
    /// The SHA-256 of its value's canonical form.
    pub sha256: String,
    /// The value for people: short, and without what looks like a secret.
    pub shown: String,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundFile {
    /// As a value names it, or for a folder of code its path below that.
    pub path: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// All that the user has said about one place.
pub(crate) struct Word {
    records: Vec<Record>,
    // By the names that lead there; more than one where a worktree shares them.
    values: HashMap<String, Vec<BoundValue>>,
    files: HashMap<String, Vec<String>>,
}

impl Word {
    fn new(mut records: Vec<Record>) -> Self {
        let mut values = HashMap::<String, Vec<BoundValue>>::new();
        let mut files = HashMap::<String, Vec<String>>::new();
        for record in &mut records {
            for value in record.values.drain(..) {
                values.entry(value.at.clone()).or_default().push(value);
            }
            for file in record.files.drain(..) {
                files.entry(file.path).or_default().push(file.sha256);
            }
        }
        Self { records, values, files }
    }

    /// Whether the user said no.
    pub(crate) fn is_denied(&self) -> bool {
        self.records.iter().any(|record| record.decision == Decision::Deny)
    }

    /// Whether these exact bytes were allowed.
    pub(crate) fn allows(&self, file: &Evidence) -> bool {
        !self.is_denied() && self.records.iter().any(|record| record.allows(file))
    }

    /// Whether a file with this digest was allowed as a whole.
    pub(crate) fn allows_file(&self, digest: Digest) -> bool {
        let digest = digest.to_string();
        let is_it = |record: &Record| record.decision == Decision::Allow && record.sha256.as_ref() == Some(&digest);
        !self.is_denied() && self.records.iter().any(is_it)
    }

    /// Whether any bytes were allowed.
    pub(crate) fn has_bytes(&self) -> bool {
        self.records.iter().any(|record| record.sha256.is_some())
    }

    /// Whether an entry was allowed with this value.
    pub(crate) fn allows_value(&self, at: &str, digest: Digest) -> bool {
        let digest = digest.to_string();
        self.values.get(at).is_some_and(|values| values.iter().any(|value| value.sha256 == digest))
    }

    /// A value with which an entry was allowed.
    pub(crate) fn value(&self, at: &str) -> Option<&str> {
        self.values.get(at)?.first().map(|value| value.shown.as_str())
    }

    /// Whether a program was allowed with this content; see [`BoundFile::path`].
    pub(crate) fn allows_program(&self, path: &Path, digest: Digest) -> bool {
        let digest = digest.to_string();
        self.files.get(path.to_string_lossy().as_ref()).is_some_and(|known| known.contains(&digest))
    }

    /// Whether a program was allowed with any content.
    pub(crate) fn has_program(&self, path: &Path) -> bool {
        self.files.contains_key(path.to_string_lossy().as_ref())
    }

    /// Whether any file was allowed.
    pub(crate) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }
}

impl Record {
    fn allows(&self, file: &Evidence) -> bool {
        self.decision == Decision::Allow
            && self.sha256.as_deref() == Some(file.sha256())
            && self.leads_to == leads_to(file)
    }
}

// Hashed, since a path need not be text.
fn leads_to(file: &Evidence) -> Option<String> {
    let canonical = file.canonical.as_os_str();
    (place_of(&file.found) != file.canonical).then(|| hex(&Sha256::digest(canonical.as_encoded_bytes())))
}

/// The user's records, and the folders they allow whole.
pub(crate) struct Trust<'a> {
    folder: PathBuf,
    allow_under: &'a [PathBuf],
}

impl<'a> Trust<'a> {
    /// The records in their place.
    pub(crate) fn new(paths: &Paths, allow_under: &'a [PathBuf]) -> Self {
        Self { folder: paths.trust(), allow_under }
    }

    /// What the user has said about this file with these bytes.
    pub(crate) fn verdict(&self, file: &Evidence) -> Result<Verdict, TrustError> {
        let recorded = self.recorded(file)?;
        if !matches!(recorded, Verdict::Unknown | Verdict::Changed) {
            return Ok(recorded);
        }
        // A link from outside into such a folder is not below it, and neither is one from inside out.
        if !self.is_in_allowed_folder(&file.canonical) || !self.is_in_allowed_folder(&place_of(&file.found)) {
            return Ok(recorded);
        }
        let own = private::check(&file.access, Privacy::Unwritten);
        Ok(own.map_or_else(|why| Verdict::Exposed(why.to_string()), |()| Verdict::Trusted))
    }

    // What the records alone say.
    fn recorded(&self, file: &Evidence) -> Result<Verdict, TrustError> {
        let word = self.word_at(&file.found, Some(&file.canonical))?;
        Ok(match word.records.as_slice() {
            _ if word.is_denied() => Verdict::Denied,
            _ if word.allows(file) => Verdict::Trusted,
            [] => Verdict::Unknown,
            _ => Verdict::Changed,
        })
    }

    /// Whether the user has denied anything at all; most have not.
    pub(crate) fn has_denials(&self) -> bool {
        self.folder.join(DENIALS).symlink_metadata().is_ok()
    }

    /// All that the user has said about a place, read once.
    pub(crate) fn word_on(&self, found: &Path) -> Result<Word, TrustError> {
        self.word_at(found, found.canonicalize().ok().as_deref())
    }

    fn word_at(&self, found: &Path, real: Option<&Path>) -> Result<Word, TrustError> {
        let place = place_of(found);
        let mut records: Vec<Record> = self.read(&place)?.into_iter().collect();
        // A denial holds for the file behind a symlink, and for the place, so that a swapped symlink does not escape it.
        if let Some(real) = real.filter(|real| **real != place) {
            records.extend(self.read(real)?.filter(|record| record.decision == Decision::Deny));
        }
        if let Some(place) = in_main_checkout(&place) {
            records.extend(self.read(&place)?);
        }
        Ok(Word::new(records))
    }

    // Compared component by component.
    fn is_in_allowed_folder(&self, path: &Path) -> bool {
        self.allow_under.iter().any(|folder| folder.canonicalize().is_ok_and(|folder| path.starts_with(folder)))
    }

    /// Whether exactly these bytes were allowed at this place; unlike [`Trust::verdict`] no folder rule counts.
    pub(crate) fn is_recorded(&self, file: &Evidence) -> Result<bool, TrustError> {
        Ok(self.recorded(file)? == Verdict::Trusted)
    }

    /// Allows exactly these bytes at this place, and takes an earlier denial back.
    pub(crate) fn allow(&self, file: &Evidence) -> Result<(), TrustError> {
        let place = place_of(&file.found);
        self.write(&place, Decision::Allow, Some(file), Bound::default())?;
        self.take_denial_back(&place, &file.canonical)
    }

    /// Allows these values and files at this place, and takes an earlier denial back.
    pub(crate) fn allow_values(&self, found: &Path, bound: Bound) -> Result<(), TrustError> {
        let place = place_of(found);
        self.write(&place, Decision::Allow, None, bound)?;
        self.take_denial_back(&place, &canonical(found)?)
    }

    // After the record, so that a crash in between denies.
    fn take_denial_back(&self, place: &Path, real: &Path) -> Result<(), TrustError> {
        if place != real && self.read(real)?.is_some_and(|it| it.decision == Decision::Deny) {
            let denial = self.record_of(real);
            std::fs::remove_file(&denial).map_err(|why| TrustError::Write { file: denial, why })?;
        }
        Ok(())
    }

    /// Denies a file, whether it exists or not, until the user allows it again.
    pub(crate) fn deny(&self, found: &Path) -> Result<(), TrustError> {
        let mark = self.folder.join(DENIALS);
        let marked = platform::create_private_folder(&self.folder).and_then(|()| platform::replace_file(&mark, b""));
        marked.map_err(|why| TrustError::Write { file: mark, why })?;
        let place = place_of(found);
        if let Ok(canonical) = found.canonicalize()
            && canonical != place
        {
            self.write(&canonical, Decision::Deny, None, Bound::default())?;
        }
        self.write(&place, Decision::Deny, None, Bound::default())
    }

    fn record_of(&self, path: &Path) -> PathBuf {
        self.folder.join(format!("{}.toml", hex(&Sha256::digest(path.as_os_str().as_encoded_bytes()))))
    }

    fn read(&self, path: &Path) -> Result<Option<Record>, TrustError> {
        let file = self.record_of(path);
        let damaged = |why: String| TrustError::Record { file: file.clone(), why };
        let read = private::read(&file, MAX_RECORD, Privacy::Unwritten).map_err(|why| damaged(why.to_string()))?;
        let Some(bytes) = read else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("is not UTF-8".into()))?;
        toml::from_str(text).map(Some).map_err(|error| damaged(format!("does not parse: {}", error.message())))
    }

    fn write(
        &self,
        path: &Path,
        decision: Decision,
        allowed: Option<&Evidence>,
        bound: Bound,
    ) -> Result<(), TrustError> {
        let file = self.record_of(path);
        let record = Record {
            path: path.to_string_lossy().into_owned(),
            decision,
            sha256: allowed.map(|file| file.sha256().to_owned()),
            leads_to: allowed.and_then(leads_to),
            values: bound.values,
            files: bound.files,
        };
        let text = toml::to_string(&record).expect("strings always serialise");
        if text.len() as u64 > MAX_RECORD {
            let why = io::Error::new(io::ErrorKind::FileTooLarge, "there is too much to be bound");
            return Err(TrustError::Write { file, why });
        }
        let written =
            platform::create_private_folder(&self.folder).and_then(|()| platform::replace_file(&file, text.as_bytes()));
        written.map_err(|why| TrustError::Write { file, why })
    }
}

// Where the same file lies in the main checkout of a linked worktree.
fn in_main_checkout(place: &Path) -> Option<PathBuf> {
    let root =
        place.ancestors().skip(1).find_map(|folder| Some((folder, folder.join(".git").symlink_metadata().ok()?)))?;
    let root = root.1.is_file().then_some(root.0)?;
    Some(git::main_checkout(root)?.join(place.strip_prefix(root).ok()?))
}

// The file's own place: its project's folder with symlinks resolved, and the rest as it is. An agent's folder, such as
// `.claude`, belongs to the rest: a repository may link it to one that was allowed elsewhere, and what the files there
// say, such as `./hook`, means something else here.
fn place_of(found: &Path) -> PathBuf {
    let (Some(folder), Some(name)) = (found.parent(), found.file_name()) else { return found.to_owned() };
    let resolved = match (folder.parent(), folder.file_name()) {
        (Some(project), Some(own)) if own.as_encoded_bytes().starts_with(b".") => {
            project.canonicalize().map(|project| project.join(own))
        }
        _ => folder.canonicalize(),
    };
    resolved.map_or_else(|_| found.to_owned(), |folder| folder.join(name))
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
        trust.allow(&Evidence::read(path, 1000).expect("readable")).expect("recorded");
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
        assert_eq!(verdict(&trust, &file), Verdict::Changed);
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
        assert_eq!(verdict(&trust, &link), Verdict::Changed);
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
        assert_eq!(verdict(&by_record, &file), Verdict::Changed);
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
