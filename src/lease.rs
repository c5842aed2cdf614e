//! Leases: the user's consent that a key may be looked up for some time.
//!
//! A grant is a file in the runtime folder. It is bound to one boot of the system and to a clock that never goes back,
//! so neither the time zone nor the wall clock prolongs it, sleep counts, and a reboot ends all of them. Its wall-clock
//! time is for people. The grants of a key lie in a folder that is named after the key, so that looking for them takes
//! as long beside many leases as beside none. Earlier versions put all grants into one folder, which is read as well.
//!
//! Only `ringlet lease` writes grants. `plan` and the daemon decide whether one is enough for a look-up. A file that is
//! damaged, or that somebody else could have written, is no grant.

use crate::digest::Digest;
use crate::name::{Agent, KeyName};
use crate::paths::Paths;
use crate::platform::private::{self, Privacy};
use crate::platform::{self, LockError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another `ringlet lease` may hold the lock before this one gives up.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// A time since the system was booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BootTime {
    /// The boot's identifier.
    pub boot: String,
    /// The clock that never goes back, see [`platform::boot_clock`].
    pub clock: Duration,
}

impl BootTime {
    /// Returns the present time, from the system.
    pub(crate) fn now() -> io::Result<Self> {
        let boot = platform::boot_id()?;
        if boot.is_empty() {
            return Err(io::Error::other("the system's start has no number"));
        }
        Ok(Self { boot, clock: platform::boot_clock()? })
    }
}

/// A granted lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The name of its file without the ending. Grants for the same key, agent and directory have the same one.
    pub id: String,
    /// The key.
    pub key: KeyName,
    /// The only agent it is for; `None` is any.
    pub agent: Option<Agent>,
    /// The only directory it is for, with all below; canonical. `None` is any.
    pub directory: Option<PathBuf>,
    /// The identifier of the boot it belongs to.
    pub boot: String,
    /// When it began, by the clock that never goes back.
    pub begins: Duration,
    /// When it ends, by the same clock.
    pub ends: Duration,
    /// When it was granted, by the wall clock. For people only.
    pub granted: String,
}

/// The state of a grant at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseState {
    /// It is valid for this long.
    Valid(Duration),
    /// It expired this long ago.
    Expired(Duration),
    /// It was granted before the system was booted.
    OtherBoot,
}

impl Grant {
    /// Reads a grant's record, or returns what is wrong with it.
    pub(crate) fn parse(id: String, text: &str) -> Result<Self, String> {
        let record: Record = toml::from_str(text).map_err(|error| format!("does not parse: {}", error.message()))?;
        let directory = record.directory.map(PathBuf::from);
        if directory.as_ref().is_some_and(|path| !path.is_absolute()) {
            return Err("names a directory that is not absolute".into());
        }
        if record.begins_ms.max(record.ends_ms) > LATEST {
            return Err("names a time that no record can hold".into());
        }
        Ok(Self {
            id,
            key: record.key.parse().map_err(|_| "names no key")?,
            agent: record.agent.map(|name| name.parse()).transpose().map_err(|_| "names no agent")?,
            directory,
            boot: record.boot,
            begins: Duration::from_millis(record.begins_ms),
            ends: Duration::from_millis(record.ends_ms),
            granted: record.granted,
        })
    }

    /// Returns the record's text. The directory must be UTF-8.
    pub(crate) fn to_text(&self) -> String {
        let directory = self.directory.as_ref().map(|path| path.to_str().expect("no other directory is granted"));
        let record = Record {
            key: self.key.to_string(),
            agent: self.agent.as_ref().map(ToString::to_string),
            directory: directory.map(str::to_owned),
            boot: self.boot.clone(),
            begins_ms: milliseconds(self.begins),
            ends_ms: milliseconds(self.ends),
            granted: self.granted.clone(),
        };
        toml::to_string(&record).expect("strings and numbers always serialise")
    }

    /// Returns the state at `now`. `most` caps the lease even if it was granted for longer: the settings may have been
    /// tightened since.
    pub(crate) fn state(&self, now: &BootTime, most: Duration) -> LeaseState {
        // Within one boot the clock never goes back, so an earlier time is another boot's.
        if self.boot != now.boot || now.clock < self.begins {
            return LeaseState::OtherBoot;
        }
        let end = self.ends.min(self.begins.saturating_add(most));
        match end.checked_sub(now.clock) {
            Some(left) if !left.is_zero() => LeaseState::Valid(left),
            _ => LeaseState::Expired(now.clock.saturating_sub(end)),
        }
    }

    /// Reports whether it covers an agent in a canonical directory. A grant for one agent or directory does not cover
    /// an unknown one.
    pub(crate) fn covers(&self, agent: Option<&Agent>, directory: Option<&Path>) -> bool {
        self.agent.as_ref().is_none_or(|only| agent == Some(only))
            && self.directory.as_ref().is_none_or(|only| directory.is_some_and(|path| path.starts_with(only)))
    }
}

/// Why leases could not be read or written. Each of these refuses the look-up.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else could put files into the folder.
    #[error("the folder of leases {}: {why}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system's boot identifier, or the time since the boot, cannot be read.
    #[error("a lease cannot be granted: the time since the system's start cannot be read: {0}")]
    Clock(io::Error),
    /// The directory is not UTF-8, and a lossy conversion could name another one.
    #[error("{0:?} is not UTF-8, so no lease can be narrowed to it")]
    NotText(PathBuf),
    /// The folder's lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A grant cannot be written or removed.
    #[error("the lease {} cannot be {doing}: {why}", file.display())]
    Write {
        /// The grant's file.
        file: PathBuf,
        /// `written` or `removed`.
        doing: &'static str,
        /// The system's error.
        why: io::Error,
    },
}

/// The leases that were found.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    /// The grants, valid and expired, sorted by key, agent and directory.
    pub grants: Vec<Grant>,
    /// The files that are no grants, and why.
    pub broken: Vec<(PathBuf, String)>,
}

/// The grants to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Revoke {
    /// All of them, and every damaged file.
    All,
    /// Those for a key.
    Key(KeyName),
    /// The one with this id, which may be damaged.
    Id(String),
}

// TOML's numbers are signed.
const LATEST: u64 = i64::MAX as u64;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Record {
    key: String,
    agent: Option<String>,
    directory: Option<String>,
    boot: String,
    begins_ms: u64,
    ends_ms: u64,
    granted: String,
}

/// A lease to be granted.
#[derive(Debug, Clone)]
pub(crate) struct GrantRequest {
    /// The key.
    pub key: KeyName,
    /// The only agent it is for; `None` is any.
    pub agent: Option<Agent>,
    /// The only directory it is for, with all below; canonical. `None` is any.
    pub directory: Option<PathBuf>,
    /// How long it lasts.
    pub length: Duration,
}

/// The folder of all leases.
///
/// `keys/DIGEST/ID.toml` is a grant; the digest is the key's. Earlier versions wrote `ID.toml`.
pub(crate) struct LeaseFolder {
    base: PathBuf,
    folder: PathBuf,
    keys: PathBuf,
}

impl LeaseFolder {
    /// Takes the folder's place from the paths. Nothing is read or created.
    pub(crate) fn new(paths: &Paths) -> Self {
        let base = paths.runtime();
        let folder = base.join("leases");
        Self { keys: folder.join("keys"), folder, base }
    }

    /// Reads all leases. The time they are compared with must be taken afterwards. A damaged file is listed apart and
    /// is never taken for a grant. A folder that others may write is an error.
    pub(crate) fn load(&self) -> Result<Leases, LeaseError> {
        Ok(self.read_all(self.files()?))
    }

    /// Reads the leases on some keys, as [`LeaseFolder::load`] does, without a look at the others.
    pub(crate) fn load_for<'a>(&self, keys: impl IntoIterator<Item = &'a KeyName>) -> Result<Leases, LeaseError> {
        let keys: BTreeSet<&KeyName> = keys.into_iter().collect();
        let mut files = self.grants_in(&[&self.base, &self.folder])?;
        for key in &keys {
            files.extend(self.grants_in(&[&self.base, &self.folder, &self.keys, &self.folder_of(key)])?);
        }
        let mut found = self.read_all(files);
        found.grants.retain(|grant| keys.contains(&grant.key));
        Ok(found)
    }

    /// Grants a lease and removes those that have expired. It replaces one for the same key, agent and directory. The
    /// file is written whole or not at all, mode 0600 in folders of mode 0700. The clock is read under the lock: a
    /// grant that another process made after an earlier reading would seem to begin in the future.
    pub(crate) fn grant(
        &self,
        request: &GrantRequest,
        now: impl FnOnce() -> io::Result<BootTime>,
        granted: Timestamp,
    ) -> Result<Grant, LeaseError> {
        if let Some(path) = request.directory.as_ref().filter(|path| path.to_str().is_none()) {
            return Err(LeaseError::NotText(path.clone()));
        }
        let id = id_of(request);
        let key_folder = self.folder_of(&request.key);
        let file = key_folder.join(format!("{id}.toml"));
        let failed = |why| LeaseError::Write { file: file.clone(), doing: "written", why };
        platform::create_private_folder(&self.base)
            .and_then(|()| platform::create_private_folder(&self.folder))
            .map_err(failed)?;
        let _lock = self.lock()?;
        let now = now().map_err(LeaseError::Clock)?;
        let grant = Grant {
            id: id.clone(),
            key: request.key.clone(),
            agent: request.agent.clone(),
            directory: request.directory.clone(),
            boot: now.boot.clone(),
            begins: whole(now.clock),
            ends: whole(now.clock.saturating_add(request.length)),
            granted: granted.to_string(),
        };
        let text = grant.to_text();
        for old in self.files()? {
            let has_expired = |old: Grant| !matches!(old.state(&now, Duration::MAX), LeaseState::Valid(_));
            // The one that is replaced may lie where earlier versions put it. Gone first, it cannot outlive a crash.
            let is_replaced = old != file && stem(&old) == id;
            if is_replaced || self.read(&old).is_ok_and(|grant| grant.is_some_and(has_expired)) {
                self.remove(&old)?;
            }
        }
        platform::create_private_folder(&self.keys)
            .and_then(|()| platform::create_private_folder(&key_folder))
            .and_then(|()| platform::remove_strays(&file))
            .and_then(|()| platform::replace_file(&file, text.as_bytes()))
            .map_err(failed)?;
        Ok(grant)
    }

    /// Revokes grants and returns how many files were removed.
    pub(crate) fn revoke(&self, revoked: &Revoke) -> Result<usize, LeaseError> {
        if !self.folder.is_dir() {
            return Ok(0);
        }
        let _lock = self.lock()?;
        let mut files = self.files()?;
        match revoked {
            Revoke::All => {}
            Revoke::Id(id) => files.retain(|file| stem(file) == *id),
            Revoke::Key(key) => {
                files.retain(|file| self.read(file).is_ok_and(|grant| grant.is_some_and(|grant| grant.key == *key)));
            }
        }
        files.iter().try_for_each(|file| self.remove(file))?;
        Ok(files.len())
    }

    // The grants of a key lie in this folder.
    fn folder_of(&self, key: &KeyName) -> PathBuf {
        self.keys.join(&Digest::of(key.to_string().as_bytes()).to_string()[..32])
    }

    // Returns the files of all grants.
    fn files(&self) -> Result<Vec<PathBuf>, LeaseError> {
        let mut files = self.grants_in(&[&self.base, &self.folder])?;
        for folder in self.entries_in(&[&self.base, &self.folder, &self.keys])? {
            if folder.is_dir() {
                files.extend(self.grants_in(&[&self.base, &self.folder, &self.keys, &folder])?);
            }
        }
        Ok(files)
    }

    // Returns the files of grants that lie in the last of these folders, each of which lies in the one before.
    fn grants_in(&self, folders: &[&Path]) -> Result<Vec<PathBuf>, LeaseError> {
        let is_grant = |path: &PathBuf| {
            // What a crash left of a replacement begins with a dot.
            path.extension().is_some_and(|ending| ending == "toml") && !stem(path).starts_with('.')
        };
        Ok(self.entries_in(folders)?.into_iter().filter(is_grant).collect())
    }

    // Lists the last of these folders. Each must be closed to others' writing.
    fn entries_in(&self, folders: &[&Path]) -> Result<Vec<PathBuf>, LeaseError> {
        let wrong = |folder: &Path, why: String| LeaseError::Folder { folder: folder.to_owned(), why };
        for folder in folders {
            let is_there = private::folder(folder, Privacy::Unwritten);
            if !is_there.map_err(|why| wrong(folder, why.to_string()))? {
                return Ok(Vec::new());
            }
        }
        let last = folders.last().copied().unwrap_or(&self.folder);
        let entries = match std::fs::read_dir(last).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            // Another process removed the last lease on a key, and the key's folder with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(wrong(last, format!("cannot be listed: {error}"))),
        };
        Ok(entries.into_iter().map(|entry| entry.path()).collect())
    }

    fn read_all(&self, files: Vec<PathBuf>) -> Leases {
        let mut found = Leases::default();
        for file in files {
            match self.read(&file) {
                Ok(grant) => found.grants.extend(grant),
                Err(why) => found.broken.push((file, why)),
            }
        }
        found.grants.sort_by(|a, b| (&a.key, &a.agent, &a.directory).cmp(&(&b.key, &b.agent, &b.directory)));
        found.broken.sort();
        found
    }

    // Reads a file; none where it was just removed.
    fn read(&self, file: &Path) -> Result<Option<Grant>, String> {
        let grant = read(file)?;
        let is_in_place = |grant: &Grant| {
            let parent = file.parent();
            parent == Some(&self.folder) || parent == Some(&self.folder_of(&grant.key))
        };
        // Else it would be listed, and not found when the key is looked up.
        if grant.as_ref().is_some_and(|grant| !is_in_place(grant)) {
            return Err("lies in the folder of another key".into());
        }
        Ok(grant)
    }

    fn lock(&self) -> Result<platform::Lock, LeaseError> {
        let file = self.folder.join("lock");
        Ok(platform::lock_file(&file, LOCK_TIMEOUT)?)
    }

    // Removes a file, and the folder of its key with the last one.
    fn remove(&self, file: &Path) -> Result<(), LeaseError> {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(LeaseError::Write { file: file.to_owned(), doing: "removed", why }),
            Ok(()) => {}
        }
        if let Some(folder) = file.parent().filter(|folder| *folder != self.folder) {
            // It fails where there are others.
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

// Requests for the same key, agent and directory get the same id, so that a second grant replaces the first.
fn id_of(request: &GrantRequest) -> String {
    let agent = request.agent.as_ref().map_or("", Agent::as_str);
    let mut coverage = format!("{} {agent} ", request.key).into_bytes();
    coverage.extend(request.directory.iter().flat_map(|path| path.as_os_str().as_encoded_bytes()));
    Digest::of(&coverage).to_string()[..8].to_owned()
}

fn read(file: &Path) -> Result<Option<Grant>, String> {
    let Some(text) = platform::read_record(file).map_err(|why| why.to_string())? else { return Ok(None) };
    Grant::parse(stem(file), &text).map(Some)
}

// Rounds as a record does.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(milliseconds(time))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use proptest::prelude::*;
    use std::fs;

    fn at(seconds: u64) -> BootTime {
        BootTime { boot: "this".into(), clock: Duration::from_secs(seconds) }
    }

    fn grant(begins: u64, ends: u64) -> Grant {
        Grant {
            id: "0".into(),
            key: "anthropic/work".parse().expect("valid"),
            agent: None,
            directory: None,
            boot: "this".into(),
            begins: Duration::from_secs(begins),
            ends: Duration::from_secs(ends),
            granted: String::new(),
        }
    }

    #[test]
    fn a_grant_holds_from_its_begin_to_its_end_and_in_its_boot_alone() {
        let grant = grant(100, 200);
        let most = Duration::from_secs(1000);
        let seconds = Duration::from_secs;
        for (now, state) in [
            (99, LeaseState::OtherBoot),
            (100, LeaseState::Valid(seconds(100))),
            (199, LeaseState::Valid(seconds(1))),
            (200, LeaseState::Expired(seconds(0))),
            (250, LeaseState::Expired(seconds(50))),
        ] {
            assert_eq!(grant.state(&at(now), most), state, "{now}");
        }
        assert_eq!(grant.state(&BootTime { boot: "other".into(), ..at(150) }, most), LeaseState::OtherBoot);
        // The settings were tightened, or the file was edited: what they say counts from the begin.
        assert_eq!(grant.state(&at(150), seconds(60)), LeaseState::Valid(seconds(10)));
        assert_eq!(grant.state(&at(160), seconds(60)), LeaseState::Expired(seconds(0)));
    }

    #[test]
    fn a_narrow_grant_covers_its_agent_and_its_folder_part_by_part() {
        let [claude, codex]: [Agent; 2] = ["claude", "codex"].map(|name| name.parse().expect("valid"));
        let narrow = Grant { agent: Some(claude.clone()), directory: Some("/h/work".into()), ..grant(0, 1) };
        for (agent, directory, covered) in [
            (Some(&claude), Some("/h/work"), true),
            (Some(&claude), Some("/h/work/a/b"), true),
            (Some(&claude), Some("/h/work2"), false),
            (Some(&claude), Some("/h"), false),
            (Some(&claude), None, false),
            (Some(&codex), Some("/h/work"), false),
            (None, Some("/h/work"), false),
        ] {
            assert_eq!(narrow.covers(agent, directory.map(Path::new)), covered, "{agent:?} {directory:?}");
        }
        assert!(grant(0, 1).covers(None, None));
    }

    proptest! {
        #[test]
        fn a_valid_grant_is_between_its_begin_and_its_end_and_no_longer_than_the_most(
            begins: u64, ends: u64, clock: u64, most: u64
        ) {
            let [begins, ends, clock, most] = [begins, ends, clock, most].map(Duration::from_millis);
            let grant = Grant { begins, ends, ..grant(0, 0) };
            if let LeaseState::Valid(left) = grant.state(&BootTime { clock, ..at(0) }, most) {
                prop_assert!(begins <= clock && clock < ends && clock + left <= ends);
                prop_assert!(left <= most && clock - begins + left <= most);
            }
        }
    }

    fn leases(home: &tempfile::TempDir) -> LeaseFolder {
        let folder = home.path().join("run");
        let _ = platform::create_private_folder(&folder);
        let pairs = [
            ("HOME", home.path()),
            ("USERPROFILE", home.path()),
            ("XDG_RUNTIME_DIR", &folder),
            ("LOCALAPPDATA", &folder),
        ];
        LeaseFolder::new(&Paths::new(&Env::from_pairs(pairs)).expect("absolute home"))
    }

    fn request(seconds: u64) -> GrantRequest {
        let key = "anthropic/work".parse().expect("valid");
        GrantRequest { key, agent: None, directory: None, length: Duration::from_secs(seconds) }
    }

    fn time() -> Timestamp {
        "2026-11-01T09:00:00Z".parse().expect("a time")
    }

    #[test]
    fn a_grant_comes_back_and_replaces_one_for_the_same() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let leases = leases(&home);
        assert!(leases.load().expect("none").grants.is_empty());
        let first = leases.grant(&request(60), || Ok(at(1000)), time()).expect("granted");
        assert_eq!(leases.load().expect("one").grants, [first]);
        let shorter = leases.grant(&request(10), || Ok(at(1001)), time()).expect("granted");
        assert_eq!(leases.load().expect("one").grants, std::slice::from_ref(&shorter));
        let agent = Some("claude".parse().expect("valid"));
        let narrow = leases.grant(&GrantRequest { agent, ..request(60) }, || Ok(at(1002)), time()).expect("granted");
        assert_eq!(leases.load().expect("two").grants, [shorter, narrow.clone()]);
        // The shorter one has ended by then, and goes.
        let other = GrantRequest { key: "openai/work".parse().expect("valid"), ..request(60) };
        let other = leases.grant(&other, || Ok(at(1020)), time()).expect("granted");
        assert_eq!(leases.load().expect("two").grants, [narrow, other.clone()]);
        assert_eq!(leases.revoke(&Revoke::Id("nothing".into())).expect("none"), 0);
        assert_eq!(leases.revoke(&Revoke::Key("anthropic/work".parse().expect("valid"))).expect("one"), 1);
        assert_eq!(leases.load().expect("one").grants, [other]);
        fs::write(leases.folder.join("broken.toml"), "x").expect("written");
        assert_eq!(leases.revoke(&Revoke::All).expect("both"), 2);
        assert!(leases.load().expect("none").broken.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_doubtful_file_is_no_grant_and_a_doubtful_folder_refuses() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().expect("a temporary folder");
        let leases = leases(&home);
        let grant = leases.grant(&request(60), || Ok(at(1000)), time()).expect("granted");
        let file = leases.folder_of(&grant.key).join(format!("{}.toml", grant.id));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&leases.folder), mode(&leases.base)), (0o600, 0o700, 0o700));
        let text = fs::read_to_string(&file).expect("text");
        let bad = [
            String::new(),
            "\0".into(),
            "x".repeat(100_000),
            text.replace("begins-ms", "begin-ms"),
            text.replace("begins-ms = ", "begins-ms = -"),
            text.replace("begins-ms = ", "begins-ms = 925337203685"),
            text.replace("ends-ms = ", "ends-ms = \"\"#"),
            text.replace("anthropic/work", "anthropic"),
            format!("agent = \"Claude\"\n{text}"),
            format!("directory = \"work\"\n{text}"),
            format!("more = 1\n{text}"),
        ];
        for text in bad {
            fs::write(&file, &text).expect("written");
            let found = leases.load().expect("listed");
            assert!(found.grants.is_empty() && found.broken.len() == 1, "{text:?}: {found:?}");
        }
        fs::write(&file, text).expect("written");
        assert_eq!(leases.load().expect("listed").grants, [grant]);
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
        assert_eq!(leases.load().expect("listed").broken.len(), 1);
        fs::set_permissions(&leases.folder, PermissionsExt::from_mode(0o777)).expect("chmod");
        assert!(matches!(leases.load(), Err(LeaseError::Folder { .. })));
    }

    // Puts a grant where earlier versions wrote it.
    fn as_before(leases: &LeaseFolder, grant: &Grant) -> PathBuf {
        let file = leases.folder.join(format!("{}.toml", grant.id));
        fs::rename(leases.folder_of(&grant.key).join(format!("{}.toml", grant.id)), &file).expect("moved");
        file
    }

    #[test]
    fn a_grant_of_an_earlier_version_is_read_revoked_replaced_and_expires() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let leases = leases(&home);
        let key: KeyName = "anthropic/work".parse().expect("valid");
        let grant = |seconds, now| leases.grant(&request(seconds), || Ok(at(now)), time()).expect("granted");
        for revoked in [Revoke::All, Revoke::Key(key.clone()), Revoke::Id(grant(60, 1000).id)] {
            let granted = grant(60, 1000);
            as_before(&leases, &granted);
            assert_eq!(leases.load().expect("one").grants, std::slice::from_ref(&granted));
            assert_eq!(leases.load_for([&key]).expect("one").grants, [granted]);
            assert_eq!(leases.revoke(&revoked).expect("one"), 1);
            assert!(leases.load().expect("none").grants.is_empty());
        }
        as_before(&leases, &grant(60, 1000));
        let shorter = grant(10, 1001);
        assert_eq!(leases.load().expect("one").grants, std::slice::from_ref(&shorter));
        let file = as_before(&leases, &shorter);
        let other = GrantRequest { key: "openai/work".parse().expect("valid"), ..request(60) };
        let other = leases.grant(&other, || Ok(at(1020)), time()).expect("granted");
        assert_eq!(leases.load().expect("one").grants, [other]);
        assert!(!file.exists());
    }

    #[test]
    fn a_look_up_reads_the_grants_of_its_key_alone() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let leases = leases(&home);
        let keys: [KeyName; 3] = ["anthropic/work", "openai/work", "gemini/x"].map(|name| name.parse().expect("valid"));
        let granted: Vec<Grant> = keys[..2]
            .iter()
            .map(|key| GrantRequest { key: key.clone(), ..request(60) })
            .map(|request| leases.grant(&request, || Ok(at(1000)), time()).expect("granted"))
            .collect();
        fs::write(leases.folder_of(&keys[1]).join("broken.toml"), "x").expect("written");
        let [first, second, none] = keys.each_ref().map(|key| leases.load_for([key]).expect("listed"));
        assert!(first.grants == granted[..1] && first.broken.is_empty(), "{first:?}");
        assert!(second.grants == granted[1..] && second.broken.len() == 1, "{second:?}");
        assert!(none.grants.is_empty() && none.broken.is_empty(), "{none:?}");
        assert_eq!(leases.load_for(&keys).expect("listed").grants, granted);
        // A grant in another key's folder is no grant, in whatever way it is looked for.
        let name = format!("{}.toml", granted[0].id);
        let moved = leases.folder_of(&keys[1]).join(&name);
        fs::rename(leases.folder_of(&keys[0]).join(&name), &moved).expect("moved");
        for found in [leases.load(), leases.load_for(&keys)] {
            let found = found.expect("listed");
            assert_eq!((&found.grants[..], found.broken.len()), (&granted[1..], 2));
        }
        assert_eq!(leases.revoke(&Revoke::Id(granted[0].id.clone())).expect("one"), 1);
        // The folder of a key goes with its last file.
        assert_eq!(leases.revoke(&Revoke::All).expect("two"), 2);
        assert!(!leases.folder_of(&keys[1]).exists() && leases.keys.exists());
    }

    #[test]
    fn the_systems_own_clock_passes_and_its_boot_has_a_number() {
        let (one, two) = (BootTime::now().expect("a clock"), BootTime::now().expect("a clock"));
        assert!(one.boot == two.boot && one.clock <= two.clock && !one.clock.is_zero());
    }
}
