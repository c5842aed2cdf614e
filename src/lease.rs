//! Leases: the user's word that a key may be looked up until some time.
//!
//! A grant is a file in the runtime folder, bound to one run of the system and to a clock that only ever passes: neither
//! the time zone nor the wall clock prolongs one, sleep counts, and a reboot ends all. What it says of the wall clock is
//! for people. Only `ringlet lease` writes grants; whether one is enough for a lookup is decided by `plan` and the
//! daemon. A file that is damaged, or that somebody else could have written, is no grant.

use crate::digest::Digest;
use crate::name::{Agent, KeyName};
use crate::paths::Paths;
use crate::platform::private::{self, Privacy};
use crate::platform::{self, LockError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another `ringlet lease` may take before this one gives up.
const PATIENCE: Duration = Duration::from_secs(2);

/// A moment of this run of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Which run.
    pub boot: String,
    /// The clock that only passes, see [`platform::boot_clock`].
    pub clock: Duration,
}

impl Moment {
    /// The present one, from the system.
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
    /// Its file's name without the ending; the same for every grant of the same width.
    pub id: String,
    /// The key.
    pub key: KeyName,
    /// For this agent alone.
    pub agent: Option<Agent>,
    /// In this folder and below alone; canonical.
    pub directory: Option<PathBuf>,
    /// The run of the system it belongs to.
    pub boot: String,
    /// When it began, by the clock that only passes.
    pub begins: Duration,
    /// When it ends, by the same.
    pub ends: Duration,
    /// When it was granted, by the wall clock; for people.
    pub granted: String,
}

/// Whether a grant holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// For as long.
    Live(Duration),
    /// Since as long not any more.
    Ended(Duration),
    /// It was granted before the system was started anew.
    OtherBoot,
}

impl Grant {
    /// Whether it holds at a moment, when a lease lasts `most` at most: what the settings say now counts, too.
    pub(crate) fn state(&self, now: &Moment, most: Duration) -> State {
        // A clock that only passes is never before a moment of the same run.
        if self.boot != now.boot || now.clock < self.begins {
            return State::OtherBoot;
        }
        let end = self.ends.min(self.begins.saturating_add(most));
        match end.checked_sub(now.clock) {
            Some(left) if !left.is_zero() => State::Live(left),
            _ => State::Ended(now.clock.saturating_sub(end)),
        }
    }

    /// Whether it is wide enough for an agent in a directory, which is canonical; what is unknown is in no narrow one.
    pub(crate) fn covers(&self, agent: Option<&Agent>, directory: Option<&Path>) -> bool {
        self.agent.as_ref().is_none_or(|mine| agent == Some(mine))
            && self.directory.as_ref().is_none_or(|mine| directory.is_some_and(|path| path.starts_with(mine)))
    }
}

/// Why leases could not be read or written. Each refuses.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else could put files there.
    #[error("the folder of leases {}: {why}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system does not tell its own start, or the time since.
    #[error("a lease cannot be granted: the time since the system's start cannot be read: {0}")]
    Clock(io::Error),
    /// A record holds text, and a lossy one could mean another folder.
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

/// What lies in the folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Grants, live and ended, sorted by key and width.
    pub grants: Vec<Grant>,
    /// Files that are none, and why.
    pub broken: Vec<(PathBuf, String)>,
}

/// Which grants to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them, and what is damaged.
    All,
    /// Those for a key.
    Key(KeyName),
    /// The one of this name, which may be damaged.
    Id(String),
}

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

/// What is to be granted.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The key.
    pub key: KeyName,
    /// For this agent alone.
    pub agent: Option<Agent>,
    /// In this folder and below alone; canonical.
    pub directory: Option<PathBuf>,
    /// For how long.
    pub length: Duration,
}

/// The granted leases.
pub(crate) struct Leases {
    base: PathBuf,
    folder: PathBuf,
}

impl Leases {
    /// The leases in their place.
    pub(crate) fn new(paths: &Paths) -> Self {
        let base = paths.runtime();
        Self { folder: base.join("leases"), base }
    }

    /// Reads all of them; the moment they are compared with is to be taken afterwards. A broken file is told apart, never
    /// taken for a grant; a folder that others may write refuses.
    pub(crate) fn load(&self) -> Result<Found, LeaseError> {
        let mut found = Found::default();
        for file in self.files()? {
            match read(&file) {
                Ok(grant) => found.grants.extend(grant),
                Err(why) => found.broken.push((file, why)),
            }
        }
        found.grants.sort_by(|a, b| (&a.key, &a.agent, &a.directory).cmp(&(&b.key, &b.agent, &b.directory)));
        found.broken.sort();
        Ok(found)
    }

    /// Grants a lease, in place of one of the same width, and removes those that have ended. Whole or not at all, mode
    /// 0600 in a folder of 0700. The clock is read while no one else grants: an earlier look would make a grant of
    /// somebody's from between seem to begin in the future.
    pub(crate) fn grant(
        &self,
        wish: &Wish,
        now: impl FnOnce() -> io::Result<Moment>,
        granted: Timestamp,
    ) -> Result<Grant, LeaseError> {
        let directory = wish.directory.as_ref().map(|path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(LeaseError::NotText(path.clone())),
        });
        let directory = directory.transpose()?;
        let file = self.folder.join(format!("{}.toml", id_of(wish)));
        let failed = |doing| {
            let file = file.clone();
            move |why| LeaseError::Write { file, doing, why }
        };
        platform::create_private_folder(&self.base)
            .and_then(|()| platform::create_private_folder(&self.folder))
            .map_err(failed("written"))?;
        let _lock = self.lock()?;
        let now = now().map_err(LeaseError::Clock)?;
        let grant = Grant {
            id: id_of(wish),
            key: wish.key.clone(),
            agent: wish.agent.clone(),
            directory: wish.directory.clone(),
            boot: now.boot.clone(),
            begins: whole(now.clock),
            ends: whole(now.clock.saturating_add(wish.length)),
            granted: granted.to_string(),
        };
        let record = Record {
            key: grant.key.to_string(),
            agent: grant.agent.as_ref().map(ToString::to_string),
            directory,
            boot: grant.boot.clone(),
            begins_ms: milliseconds(grant.begins),
            ends_ms: milliseconds(grant.ends),
            granted: grant.granted.clone(),
        };
        let text = toml::to_string(&record).expect("strings and numbers always serialise");
        for ended in self.load()?.grants.iter().filter(|it| !matches!(it.state(&now, Duration::MAX), State::Live(_))) {
            self.remove(&ended.id)?;
        }
        platform::remove_strays(&file)
            .and_then(|()| platform::replace_file(&file, text.as_bytes()))
            .map_err(failed("written"))?;
        Ok(grant)
    }

    /// Revokes grants and says how many files went.
    pub(crate) fn revoke(&self, which: &Which) -> Result<usize, LeaseError> {
        if !self.folder.is_dir() {
            return Ok(0);
        }
        let _lock = self.lock()?;
        let ids: Vec<String> = match which {
            Which::All => self.files()?.iter().map(|file| stem(file)).collect(),
            Which::Id(id) => self.files()?.iter().map(|file| stem(file)).filter(|stem| stem == id).collect(),
            Which::Key(key) => self.load()?.grants.into_iter().filter(|it| it.key == *key).map(|it| it.id).collect(),
        };
        ids.iter().try_for_each(|id| self.remove(id))?;
        Ok(ids.len())
    }

    fn files(&self) -> Result<Vec<PathBuf>, LeaseError> {
        for folder in [&self.base, &self.folder] {
            let wrong = |why: String| LeaseError::Folder { folder: folder.clone(), why };
            if !private::folder(folder, Privacy::Unwritten).map_err(|why| wrong(why.to_string()))? {
                return Ok(Vec::new());
            }
        }
        let wrong = |why: String| LeaseError::Folder { folder: self.folder.clone(), why };
        let entries = std::fs::read_dir(&self.folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(|error| wrong(format!("cannot be listed: {error}")))?;
        let is_grant = |path: &PathBuf| {
            // What a crash left of a replacement begins with a dot.
            path.extension().is_some_and(|ending| ending == "toml") && !stem(path).starts_with('.')
        };
        Ok(entries.into_iter().map(|entry| entry.path()).filter(is_grant).collect())
    }

    fn lock(&self) -> Result<platform::Lock, LeaseError> {
        let file = self.folder.join("lock");
        Ok(platform::lock_file(&file, PATIENCE)?)
    }

    fn remove(&self, id: &str) -> Result<(), LeaseError> {
        let file = self.folder.join(format!("{id}.toml"));
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(|why| LeaseError::Write { file, doing: "removed", why }),
        }
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

// One name for each width, so that a second grant takes the first one's place.
fn id_of(wish: &Wish) -> String {
    let agent = wish.agent.as_ref().map_or("", Agent::as_str);
    let mut width = format!("{} {agent} ", wish.key).into_bytes();
    width.extend(wish.directory.iter().flat_map(|path| path.as_os_str().as_encoded_bytes()));
    Digest::of(&width).to_string()[..8].to_owned()
}

fn read(file: &Path) -> Result<Option<Grant>, String> {
    let Some(text) = platform::read_record(file).map_err(|why| why.to_string())? else { return Ok(None) };
    let record: Record = toml::from_str(&text).map_err(|error| format!("does not parse: {}", error.message()))?;
    let directory = record.directory.map(PathBuf::from);
    if directory.as_ref().is_some_and(|path| !path.is_absolute()) {
        return Err("names a directory that is not absolute".into());
    }
    Ok(Some(Grant {
        id: stem(file),
        key: record.key.parse().map_err(|_| "names no key")?,
        agent: record.agent.map(|name| name.parse()).transpose().map_err(|_| "names no agent")?,
        directory,
        boot: record.boot,
        begins: Duration::from_millis(record.begins_ms),
        ends: Duration::from_millis(record.ends_ms),
        granted: record.granted,
    }))
}

// As a record holds it.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(milliseconds(time))
}

fn milliseconds(time: Duration) -> u64 {
    // TOML's numbers are signed.
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use proptest::prelude::*;
    use std::fs;

    fn moment(seconds: u64) -> Moment {
        Moment { boot: "this".into(), clock: Duration::from_secs(seconds) }
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
            (99, State::OtherBoot),
            (100, State::Live(seconds(100))),
            (199, State::Live(seconds(1))),
            (200, State::Ended(seconds(0))),
            (250, State::Ended(seconds(50))),
        ] {
            assert_eq!(grant.state(&moment(now), most), state, "{now}");
        }
        assert_eq!(grant.state(&Moment { boot: "other".into(), ..moment(150) }, most), State::OtherBoot);
        // The settings were tightened, or the file was edited: what they say counts from the begin.
        assert_eq!(grant.state(&moment(150), seconds(60)), State::Live(seconds(10)));
        assert_eq!(grant.state(&moment(160), seconds(60)), State::Ended(seconds(0)));
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
        fn a_live_grant_is_between_its_begin_and_its_end_and_no_longer_than_the_most(
            begins: u64, ends: u64, clock: u64, most: u64
        ) {
            let [begins, ends, clock, most] = [begins, ends, clock, most].map(Duration::from_millis);
            let grant = Grant { begins, ends, ..grant(0, 0) };
            if let State::Live(left) = grant.state(&Moment { clock, ..moment(0) }, most) {
                prop_assert!(begins <= clock && clock < ends && clock + left <= ends);
                prop_assert!(left <= most && clock - begins + left <= most);
            }
        }
    }

    fn leases(home: &tempfile::TempDir) -> Leases {
        let folder = home.path().join("run");
        let _ = platform::create_private_folder(&folder);
        let pairs = [
            ("HOME", home.path()),
            ("USERPROFILE", home.path()),
            ("XDG_RUNTIME_DIR", &folder),
            ("LOCALAPPDATA", &folder),
        ];
        Leases::new(&Paths::new(&Env::from_pairs(pairs)).expect("absolute home"))
    }

    fn wish(seconds: u64) -> Wish {
        let key = "anthropic/work".parse().expect("valid");
        Wish { key, agent: None, directory: None, length: Duration::from_secs(seconds) }
    }

    fn time() -> Timestamp {
        "2026-11-01T09:00:00Z".parse().expect("a time")
    }

    #[test]
    fn a_grant_comes_back_and_takes_the_place_of_one_of_the_same_width() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let leases = leases(&home);
        assert!(leases.load().expect("none").grants.is_empty());
        let first = leases.grant(&wish(60), || Ok(moment(1000)), time()).expect("granted");
        assert_eq!(leases.load().expect("one").grants, [first]);
        let shorter = leases.grant(&wish(10), || Ok(moment(1001)), time()).expect("granted");
        assert_eq!(leases.load().expect("one").grants, std::slice::from_ref(&shorter));
        let agent = Some("claude".parse().expect("valid"));
        let narrow = leases.grant(&Wish { agent, ..wish(60) }, || Ok(moment(1002)), time()).expect("granted");
        assert_eq!(leases.load().expect("two").grants, [shorter, narrow.clone()]);
        // The shorter one has ended by then, and goes.
        let other = Wish { key: "openai/work".parse().expect("valid"), ..wish(60) };
        let other = leases.grant(&other, || Ok(moment(1020)), time()).expect("granted");
        assert_eq!(leases.load().expect("two").grants, [narrow, other.clone()]);
        assert_eq!(leases.revoke(&Which::Id("nothing".into())).expect("none"), 0);
        assert_eq!(leases.revoke(&Which::Key("anthropic/work".parse().expect("valid"))).expect("one"), 1);
        assert_eq!(leases.load().expect("one").grants, [other]);
        fs::write(leases.folder.join("broken.toml"), "x").expect("written");
        assert_eq!(leases.revoke(&Which::All).expect("both"), 2);
        assert!(leases.load().expect("none").broken.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_doubtful_file_is_no_grant_and_a_doubtful_folder_refuses() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().expect("a temporary folder");
        let leases = leases(&home);
        let grant = leases.grant(&wish(60), || Ok(moment(1000)), time()).expect("granted");
        let file = leases.folder.join(format!("{}.toml", grant.id));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&leases.folder), mode(&leases.base)), (0o600, 0o700, 0o700));
        let text = fs::read_to_string(&file).expect("text");
        let bad = [
            String::new(),
            "\0".into(),
            "x".repeat(100_000),
            text.replace("begins-ms", "begin-ms"),
            text.replace("begins-ms = ", "begins-ms = -"),
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

    #[test]
    fn the_systems_own_clock_passes_and_its_boot_has_a_number() {
        let (one, two) = (Moment::now().expect("a clock"), Moment::now().expect("a clock"));
        assert!(one.boot == two.boot && one.clock <= two.clock && !one.clock.is_zero());
    }
}
