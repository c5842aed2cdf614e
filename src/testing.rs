//! What the integration tests and the fuzz targets need of the library. No program may use it.
//!
//! [`TARGETS`] are the fuzz targets: each is a function that takes any bytes and panics where the library breaks a
//! promise about them. `fuzz/run` looks for such bytes; the tests here replay the corpus of each target,
//! `fuzz/corpus/NAME`.

pub mod accounts;
pub mod audit;
#[cfg(target_os = "linux")]
pub mod broker;
pub mod daemon;
pub mod detection;
pub mod forms;
pub mod guard;
mod keys;
pub mod launch;
pub mod logins;
pub mod masking;
pub mod quoting;
pub mod rc;
pub mod records;
pub mod schema;
pub mod store;
#[cfg(target_os = "linux")]
pub mod wire;
pub mod words;

pub use crate::audit::Log;
pub use crate::commands::completion_script;
pub use crate::config::{Settings, find_project_file};
pub use crate::daemon::Run;
pub use crate::daemon::http::{HttpState, serve as serve_http};
pub use crate::daemon::identity::Hashes;
pub use crate::daemon::registrations::{Permissions, Registrations};
pub use crate::daemon::reloading::Reloading;
pub use crate::daemon::request::{Handler, Setup};
pub use crate::daemon::server::{Limits, serve};
pub use crate::env::Env;
pub use crate::guard::read::{DocumentError, Grammar, Value, read};
pub use crate::paths::Paths;
#[cfg(unix)]
pub use crate::platform::has_listener;
pub use crate::platform::{Lock, LockError, lock_file, raise_file_limit};
pub use crate::shell::{Hook, Shell, ShellError, quote, render, render_completion};
pub use crate::store::Items;
#[cfg(target_os = "linux")]
pub use crate::store::secret_service::{Content, KeptNames, Options, SecretService, ServiceError};

/// The definition of the command line.
pub fn command_line() -> clap::Command {
    <crate::cli::Cli as clap::CommandFactory>::command()
}

macro_rules! targets {
    ($($(#[$when:meta])* $name:ident: $check:path,)*) => {
        /// The fuzz targets by name.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$($(#[$when])* (stringify!($name), $check),)*];

        #[cfg(test)]
        mod corpus {
            $(
                $(#[$when])*
                #[test]
                fn $name() {
                    super::tests::replay(stringify!($name));
                }
            )*
        }
    };
}

targets! {
    accounts: accounts::files,
    agent_logins: logins::logins,
    audit_line: audit::line,
    audit_log: audit::log,
    #[cfg(target_os = "linux")]
    broker_framing: broker::framing,
    #[cfg(target_os = "linux")]
    broker_json: broker::json,
    #[cfg(target_os = "linux")]
    broker_request: broker::request,
    #[cfg(target_os = "linux")]
    bus_address: wire::bus_address,
    #[cfg(target_os = "linux")]
    bus_message: wire::message,
    detection: detection::text,
    guard_offences: guard::offences,
    guard_readers: guard::readers,
    http: daemon::http,
    journal: records::journal,
    launch_words: launch::words,
    masking: masking::masking,
    policy: daemon::policy,
    protocol: daemon::protocol,
    quoting: quoting::quoting,
    rc_csh: rc::csh,
    rc_fish: rc::fish,
    rc_lines: rc::lines,
    rc_nushell: rc::nushell,
    rc_posix: rc::posix,
    rc_powershell: rc::powershell,
    records: records::records,
    store_entries: store::entries,
    toml: forms::toml,
    words: words::words,
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn fuzz() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
    }

    /// Gives the target each file of its corpus, and its first half.
    #[track_caller]
    pub(super) fn replay(name: &str) {
        let (_, check) = TARGETS.iter().find(|(own, _)| *own == name).expect("a target");
        let folder = fuzz().join("corpus").join(name);
        let mut files: Vec<PathBuf> =
            fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        for file in files {
            let bytes = fs::read(&file).expect("readable");
            for input in [&bytes[..], &bytes[..bytes.len() / 2]] {
                let passed = std::panic::catch_unwind(|| check(input)).is_ok();
                assert!(passed, "{name} fails on {}, {} bytes", file.display(), input.len());
            }
        }
    }

    #[test]
    fn every_target_has_its_program_and_its_corpus() {
        let wanted: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let programs = manifest["bin"].as_array().expect("a list of programs");
        let programs = programs.iter().filter_map(|program| Some(program["name"].as_str()?.to_owned())).collect();
        for (found, what) in [
            (programs, "Cargo.toml"),
            (names(&fuzz().join("fuzz_targets")), "fuzz_targets"),
            (names(&fuzz().join("corpus")), "corpus"),
        ] {
            let found: BTreeSet<String> = found;
            assert!(wanted.is_subset(&found), "{what} has {found:?}");
            // A system has every target but those of another.
            assert!(cfg!(not(target_os = "linux")) || found == wanted, "{what} has {found:?}");
        }
    }
}
