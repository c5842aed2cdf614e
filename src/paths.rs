//! The paths of all files and folders that Ringlet reads or writes.
//!
//! The paths are decided once, from the snapshot of the environment, or from the account if the environment names no
//! home. `XDG_*` variables count on every Unix, macOS included. A relative one is ignored, as the XDG base directory
//! specification (0.8) demands. Nothing is created here.

use crate::digest::Digest;
use crate::env::Env;
use crate::name::Profile;
use crate::platform;
use crate::platform::private::{self, Privacy};
use std::path::{Path, PathBuf};

/// The name of a profile's file, in the folder that has the profile's name.
pub(crate) const PROFILE_FILE: &str = "ringlet.toml";

/// The reason why the paths could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// No home directory is known, neither from the environment nor from the account.
    #[error("{HOME} is not set, and {0}")]
    NoHome(String),
    /// The variable is relative, so it would mean another folder in every directory.
    #[error("{HOME} is {0:?}, which is not an absolute path")]
    RelativeHome(PathBuf),
}

/// The absolute paths of Ringlet's files and folders.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The user's home directory, as the environment names it.
    pub home: PathBuf,
    config: PathBuf,
    state: PathBuf,
    profiles: PathBuf,
    runtime: Option<PathBuf>,
    deciders: Deciders,
}

/// The origin of the paths.
#[derive(Debug, Clone, Copy)]
enum Deciders {
    /// The variables that decide the configuration and the state.
    Variables { config: &'static str, state: &'static str },
    /// The user named one folder for all of them.
    Named,
}

/// A file or folder that decides about endpoints, keys or trust, and the variable that decides its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPath {
    /// Its name for a message.
    pub what: &'static str,
    /// Its path.
    pub path: PathBuf,
    /// The variable.
    pub variable: &'static str,
}

impl Paths {
    /// Decides the paths from the environment.
    pub fn new(env: &Env) -> Result<Self, PathsError> {
        let home = home(env, &account_home)?;
        let [config, state, profiles] = below(env, &home);
        // No Windows program sets this variable, and owners cannot be checked there.
        let runtime = if cfg!(windows) { None } else { env.absolute("XDG_RUNTIME_DIR") };
        let by = |name: &'static str| if env.absolute(name).is_some() { name } else { HOME };
        let deciders = Deciders::Variables { config: by(CONFIG_VARIABLE), state: by(STATE_VARIABLE) };
        Ok(Self { home, config, state, profiles, runtime, deciders })
    }

    /// Decides the paths below one folder that the user named: configuration, profiles and state. Sockets and leases
    /// lie in its state folder, apart from the usual ones.
    pub fn named(env: &Env, folder: &Path) -> Result<Self, PathsError> {
        let (state, profiles) = (folder.join("state"), folder.join("profiles"));
        let deciders = Deciders::Named;
        Ok(Self {
            home: home(env, &account_home)?,
            config: folder.to_owned(),
            state,
            profiles,
            runtime: None,
            deciders,
        })
    }

    /// Reports whether the user named the folder on the command line.
    pub fn are_named(&self) -> bool {
        matches!(self.deciders, Deciders::Named)
    }

    /// Returns the folders of configuration, state and profiles below a home if no variable moves them.
    pub fn usual(home: &Path) -> [PathBuf; 3] {
        below(&Env::default(), home)
    }

    /// Returns the files and folders whose content no other account may choose, each with the variable that decides its
    /// path. A folder that the user named on the command line is left out.
    pub fn places(&self) -> Vec<OwnPath> {
        let place = |what, path, variable| OwnPath { what, path, variable };
        let mut places = vec![place("the home directory", self.home.clone(), HOME)];
        let Deciders::Variables { config, state } = self.deciders else { return places };
        let configuration = |path| place("ringlet's configuration", path, config);
        places.push(configuration(self.config.clone()));
        // Each file may be a link.
        places.extend([self.config(), self.registry("agents"), self.registry("providers")].map(configuration));
        places.push(place("the keys' file", self.credentials(), config));
        places.push(place("the encrypted file", self.encrypted_credentials(), config));
        places.push(place("the encrypted file's identity", self.identity(), config));
        places.push(place("the folder of profiles", self.profiles(), HOME));
        places.push(place("ringlet's state", self.state.clone(), state));
        places.push(place("the folder of trust", self.trust(), state));
        places.extend(self.runtime.iter().map(|path| place("the folder of leases", path.clone(), "XDG_RUNTIME_DIR")));
        places
    }

    /// Returns the same for one profile.
    pub fn place_of(&self, name: &Profile) -> Option<OwnPath> {
        let place = OwnPath { what: "the profile", path: self.profile(name), variable: HOME };
        (!self.are_named()).then_some(place)
    }

    /// `config.toml`, the user's settings.
    pub fn config(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// `credentials.toml`, the file-backed store.
    pub fn credentials(&self) -> PathBuf {
        self.config.join("credentials.toml")
    }

    /// `services.toml`, where the file-backed store keeps what the daemon's clients store under other services.
    pub fn services(&self) -> PathBuf {
        self.config.join("services.toml")
    }

    /// `credentials.age`, the encrypted file of keys.
    pub fn encrypted_credentials(&self) -> PathBuf {
        self.config.join("credentials.age")
    }

    /// `services.age`, where the encrypted file keeps everything that is no key of Ringlet's own.
    pub fn encrypted_services(&self) -> PathBuf {
        self.config.join("services.age")
    }

    /// `identity.age`, the identity that opens the encrypted files, itself encrypted.
    pub fn identity(&self) -> PathBuf {
        self.config.join("identity.age")
    }

    /// `daemon.json`, which programs the daemon knows and what each may do.
    pub fn daemon_policy(&self) -> PathBuf {
        self.config.join("daemon.json")
    }

    /// `http_token`, the bearer token of the daemon's HTTP side.
    pub fn http_token(&self) -> PathBuf {
        self.config.join("http_token")
    }

    /// The folder of the user's own `agents` or `providers`.
    pub fn registry(&self, kind: &str) -> PathBuf {
        self.config.join(kind)
    }

    /// The folder that holds the profiles' folders.
    pub fn profiles(&self) -> PathBuf {
        self.profiles.clone()
    }

    /// One profile's file.
    pub fn profile(&self, name: &Profile) -> PathBuf {
        self.profiles().join(name.as_str()).join(PROFILE_FILE)
    }

    /// Returns the folder for Ringlet's own records: trust records, audit log, the index of names. Its mode is 0700.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The folder of trust records.
    pub fn trust(&self) -> PathBuf {
        self.state.join("trust")
    }

    /// The folder of pins, one record an agent.
    pub fn pins(&self) -> PathBuf {
        self.state.join("pins")
    }

    /// The folder of the dates of keys, one record a key.
    pub(crate) fn dates(&self) -> PathBuf {
        self.state.join("dates")
    }

    /// Returns the folder of the programs' digests, which is only a cache.
    pub fn digests(&self) -> PathBuf {
        self.state.join("digests")
    }

    /// Returns the file that marks that an agent was started under a provider id of Ringlet in this folder of the
    /// agent.
    pub fn sessions_mark(&self, folder: &Path) -> PathBuf {
        self.state.join("sessions").join(Digest::of(folder.as_os_str().as_encoded_bytes()).to_string())
    }

    /// Returns the folder of the programs' versions, which is only a cache.
    pub fn versions(&self) -> PathBuf {
        self.state.join("versions")
    }

    /// The folder of the counts of what passed the broker.
    pub fn usage(&self) -> PathBuf {
        self.state.join("usage")
    }

    /// The audit log, unless configured elsewhere.
    pub fn audit_log(&self) -> PathBuf {
        self.state.join("audit.jsonl")
    }

    /// The names of a large system keychain, as they were last listed.
    #[cfg(target_os = "linux")]
    pub fn listing(&self) -> PathBuf {
        self.state.join("listing")
    }

    /// The index of names in the system keychain.
    pub fn names(&self) -> PathBuf {
        self.state.join("names")
    }

    /// The index of names in the encrypted file.
    pub fn encrypted_names(&self) -> PathBuf {
        self.state.join("encrypted-names")
    }

    /// Returns the folder for files that must not outlive the session: sockets and leases. Its creator sets mode 0700.
    ///
    /// The folder lies below `XDG_RUNTIME_DIR`, else below the system's own runtime folder. A folder that does not
    /// exist, belongs to another user or is writable by others is skipped (`sudo` without `-i` keeps the caller's);
    /// `run` in the state folder replaces it. Each call checks the disk.
    pub fn runtime(&self) -> PathBuf {
        let is_private =
            |base: &PathBuf| base.is_dir() && private::folder(base, Privacy::Unwritten).is_ok_and(|there| there);
        if self.are_named() {
            return self.state.join("run");
        }
        let base = self.runtime.clone().filter(is_private).or_else(|| platform::runtime_base().filter(is_private));
        base.map_or_else(|| self.state.join("run"), |base| base.join("ringlet"))
    }

    /// The folder of the launches' sockets.
    pub(crate) fn launch_sockets(&self) -> PathBuf {
        self.runtime().join("launch")
    }

    /// Reports whether the path of a socket in that folder, with a name of 16 bytes, is as short as the system wants.
    pub(crate) fn fit_sockets(&self) -> bool {
        // `sun_path` of sockaddr_un(7) with the zero at its end.
        self.launch_sockets().as_os_str().len() + "/0123456789abcdef".len() < 108
    }

    /// The folder of links named after the agents.
    pub fn shims(&self) -> PathBuf {
        self.state.join("shims")
    }

    /// Returns the folder that marks the messages printed once a day.
    pub fn once_a_day_marks(&self) -> PathBuf {
        self.state.join("said")
    }

    /// Writes a path for people, with `~` for the home directory.
    pub fn pretty(&self, path: &Path) -> String {
        // A canonical path on Windows begins with this prefix; the home directory in the environment does not.
        let plain = path.to_str().filter(|_| cfg!(windows)).and_then(|text| text.strip_prefix(r"\\?\"));
        let path = plain.map_or(path, Path::new);
        match path.strip_prefix(&self.home) {
            Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
            Ok(rest) => format!("~{}{}", std::path::MAIN_SEPARATOR, rest.display()),
            Err(_) => path.display().to_string(),
        }
    }

    /// Expands a leading `~/`, the only expansion that configuration knows.
    pub fn expand(&self, text: &str) -> PathBuf {
        match text.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with(std::path::is_separator) => self.home.join(&rest[1..]),
            _ => PathBuf::from(text),
        }
    }
}

const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
const CONFIG_VARIABLE: &str = if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" };
const STATE_VARIABLE: &str = if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_STATE_HOME" };

// Returns the folders of configuration, state and profiles.
fn below(env: &Env, home: &Path) -> [PathBuf; 3] {
    [
        config_base(env, home).join("ringlet"),
        state_base(env, home).join("ringlet"),
        home.join(".ringlet").join("profiles"),
    ]
}

// Returns the home directory in the environment, else the account's, as login(1) and ssh do.
fn home(env: &Env, account: &dyn Fn() -> Result<PathBuf, String>) -> Result<PathBuf, PathsError> {
    let home = match env.non_empty(HOME) {
        Some(home) => PathBuf::from(home),
        None => account().map_err(PathsError::NoHome)?,
    };
    if home.is_absolute() { Ok(home) } else { Err(PathsError::RelativeHome(home)) }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn account_home() -> Result<PathBuf, String> {
    platform::account_home(Path::new("")).map_err(|error| error.to_string())
}

// These systems have no file with the accounts.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn account_home() -> Result<PathBuf, String> {
    dirs::home_dir().ok_or_else(|| "the account has no home directory".to_owned())
}

#[cfg(not(windows))]
fn config_base(env: &Env, home: &Path) -> PathBuf {
    env.absolute("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"))
}

#[cfg(windows)]
fn config_base(env: &Env, home: &Path) -> PathBuf {
    env.absolute("APPDATA").or_else(dirs::config_dir).unwrap_or_else(|| home.join(r"AppData\Roaming"))
}

#[cfg(not(any(windows, target_os = "macos")))]
fn state_base(env: &Env, home: &Path) -> PathBuf {
    env.absolute("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"))
}

#[cfg(target_os = "macos")]
fn state_base(env: &Env, home: &Path) -> PathBuf {
    let platform = || dirs::data_local_dir().unwrap_or_else(|| home.join("Library/Application Support"));
    env.absolute("XDG_STATE_HOME").unwrap_or_else(platform)
}

#[cfg(windows)]
fn state_base(env: &Env, home: &Path) -> PathBuf {
    env.absolute("LOCALAPPDATA").or_else(dirs::data_local_dir).unwrap_or_else(|| home.join(r"AppData\Local"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn xdg_variables_are_honoured_and_relative_ones_are_not() {
        let env = Env::from_pairs([("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "rel")]);
        let paths = Paths::new(&env).expect("absolute home");
        assert_eq!(paths.config(), Path::new("/c/ringlet/config.toml"));
        assert!(paths.state().starts_with("/h"));
        assert_eq!(paths.expand("~/x"), Path::new("/h/x"));
        assert_eq!(paths.expand("~x"), Path::new("~x"));
        assert_eq!(paths.pretty(Path::new("/h/a")), "~/a");
    }

    #[test]
    fn the_runtime_folder_is_one_that_is_ours_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let given = folder.path().join("run");
        let runtime = |given: &Path| {
            let pairs = [("HOME", "/h".as_ref()), ("XDG_RUNTIME_DIR", given.as_os_str())];
            Paths::new(&Env::from_pairs(pairs)).expect("absolute home").runtime()
        };
        let stand_in = runtime(Path::new("relative"));
        assert!(
            stand_in.starts_with("/h")
                || Some(&stand_in) == platform::runtime_base().map(|base| base.join("ringlet")).as_ref()
        );
        assert_eq!(runtime(&given), stand_in);
        std::fs::create_dir(&given).expect("created");
        assert_eq!(runtime(&given), given.join("ringlet"));
        std::fs::set_permissions(&given, PermissionsExt::from_mode(0o777)).expect("chmod");
        assert_eq!(runtime(&given), stand_in);
    }

    #[test]
    fn without_a_home_in_the_environment_the_accounts_counts() {
        let account = || Ok(PathBuf::from("/account"));
        let unknown = || Err("nobody knows".to_owned());
        for env in [Env::default(), Env::from_pairs([("HOME", "")])] {
            assert_eq!(home(&env, &account).expect("the account's"), Path::new("/account"));
            let error = home(&env, &unknown).expect_err("nobody's");
            assert_eq!(error.to_string(), "HOME is not set, and nobody knows");
        }
        assert_eq!(home(&Env::from_pairs([("HOME", "/h")]), &account).expect("named"), Path::new("/h"));
        let relative = home(&Env::from_pairs([("HOME", "x")]), &account);
        assert!(matches!(relative, Err(PathsError::RelativeHome(_))));
    }
}
