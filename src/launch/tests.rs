//! The order of a launch, without a process: a refusal comes before the store is opened, and the record before the
//! secret is used.

use super::*;
use crate::audit::Limits;
use crate::config::Settings;
use crate::paths::Paths;
use crate::registry::Registry;
use crate::secret::Secret;
use crate::store::Keys;
use crate::store::memory::MemoryStore;
use std::cell::{Cell, RefCell};
use std::fs;

const KEY: &str = "sk-ant-api03-TESTTESTTESTTESTTESTTESTTEST";

/// A home with an agent and a profile, and what a launch did.
struct Rig {
    folder: tempfile::TempDir,
    /// The value of `anthropic/work` in the store, if it has one.
    value: Cell<Option<&'static str>>,
    /// What happened, in order.
    steps: RefCell<Vec<String>>,
    /// What the agent was started with.
    started: RefCell<Option<Process>>,
    audited: Cell<Option<PathBuf>>,
}

impl Rig {
    fn new(profile: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path();
        for made in ["bin", "project", "work", ".ringlet/profiles/p", ".config/ringlet"] {
            fs::create_dir_all(home.join(made)).expect("a folder");
        }
        fs::write(home.join("bin/claude"), "#!/bin/sh\n").expect("written");
        fs::set_permissions(home.join("bin/claude"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("chmod");
        fs::write(home.join(".ringlet/profiles/p/ringlet.toml"), format!("agent = \"claude\"\n{profile}"))
            .expect("written");
        Self {
            folder,
            value: Cell::new(Some(KEY)),
            steps: RefCell::default(),
            started: RefCell::default(),
            audited: Cell::default(),
        }
    }

    fn step(&self, what: impl Into<String>) {
        self.steps.borrow_mut().push(what.into());
    }

    /// Launches `claude hi` in the project, with the profile or, without one, by the directory.
    fn launch(&self, profile: Option<&str>) -> Result<i32, LaunchError> {
        let home = self.folder.path().canonicalize().expect("there");
        let env = Env::from_pairs([
            ("HOME", home.clone().into_os_string()),
            ("PATH", home.join("bin").into_os_string()),
            ("ANTHROPIC_BASE_URL", OsString::from("https://elsewhere.example")),
        ]);
        let paths = Paths::new(&env).expect("a home");
        let (settings, registry) = (Settings::read(&paths).expect("none"), Registry::new(&paths));
        let cwd = home.join("project");
        let context = Context {
            paths: &paths,
            settings: &settings,
            registry: &registry,
            env: &env,
            cwd: &cwd,
            ringlet: None,
            account_home: &|home| Ok(home.to_owned()),
        };
        let (profile, words) = (profile.map(|name| name.parse().expect("valid")), [OsString::from("hi")]);
        let request = LaunchRequest { word: "claude", profile: profile.as_ref(), words: &words };
        let audited = self.audited.take();
        let io = LaunchIo {
            log: &|| {
                self.step("log");
                audited.as_ref().map(|file| Log::open(file, Limits::default())).transpose()
            },
            open_store: &|| {
                self.step("store");
                let store = Keys::of(MemoryStore::default());
                if let Some(value) = self.value.get() {
                    store.set(&"anthropic/work".parse().expect("valid"), &Secret::new(value.into())).expect("stored");
                }
                store
            },
            report: &mut |event| match event {
                Event::Decided(_) => self.step("decided"),
                Event::Notice(_) => self.step("notice"),
                Event::LookedUp(_) => self.step("asked"),
            },
            now: Timestamp::UNIX_EPOCH,
            exec: &|process| {
                self.step("exec");
                let started = Process {
                    binary: process.binary.clone(),
                    arguments: process.arguments.clone(),
                    env: process.env.clone(),
                    secrets: Vec::new(),
                    loans: Vec::new(),
                };
                self.started.replace(Some(started));
                let given = process.secrets.iter();
                given.for_each(|(name, key)| self.step(format!("{name}={}", String::from_utf8_lossy(key.expose()))));
                Ok(7)
            },
        };
        launch(&context, &request, io)
    }

    fn steps(&self) -> Vec<String> {
        self.steps.take()
    }
}

const PROFILE: &str = "provider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n";

#[test]
fn a_launch_reports_opens_looks_up_and_starts_in_this_order() {
    let rig = Rig::new(PROFILE);
    assert_eq!(rig.launch(Some("p")).expect("started"), 7);
    let wanted = ["decided", "notice", "log", "store", "asked", "exec"].map(str::to_owned);
    let steps = rig.steps();
    assert_eq!(steps[..6], wanted);
    assert_eq!(steps[6..], [format!("ANTHROPIC_API_KEY={KEY}")]);
    let started = rig.started.take().expect("started");
    assert!(started.env.pairs().iter().all(|(_, value)| !value.to_string_lossy().contains(KEY)));
    assert!(started.arguments.iter().all(|word| !word.to_string_lossy().contains(KEY)));
    assert_eq!(started.arguments, ["claude", "hi"]);
    assert_eq!(started.env.get("ANTHROPIC_BASE_URL"), Some("https://api.anthropic.com".as_ref()));
}

#[test]
fn what_refuses_a_launch_comes_before_the_store() {
    let rig = Rig::new(PROFILE);
    fs::write(rig.folder.path().join("project/.ringlet.toml"), "profile = \"p\"\n").expect("written");
    assert!(matches!(rig.launch(None), Err(LaunchError::Plan(PlanError::NotAllowed { .. }))));
    assert_eq!(rig.steps(), [""; 0]);
    fs::create_dir(rig.folder.path().join("project/.claude")).expect("a folder");
    let settings = rig.folder.path().join("project/.claude/settings.json");
    fs::write(settings, "{\"apiKeyHelper\":\"x\"}").expect("written");
    assert!(matches!(rig.launch(Some("p")), Err(LaunchError::Plan(PlanError::Guarded { .. }))));
    assert_eq!(rig.steps(), [""; 0]);
}

#[test]
fn a_log_that_cannot_be_written_comes_before_the_store() {
    let rig = Rig::new(PROFILE);
    rig.audited.set(Some("/dev/null/log".into()));
    assert!(matches!(rig.launch(Some("p")), Err(LaunchError::Audit(_))));
    assert_eq!(rig.steps(), ["decided", "notice", "log"]);
}

#[test]
fn a_lookup_is_recorded_whether_it_succeeds_or_not() {
    for (value, reason) in [
        (Some(KEY), None),
        (Some("two\nlines"), Some("has more than one line")),
        (Some("sk-ant-oat01-0123456789abcdefghij"), Some("another provider")),
        (None, Some("no key anthropic/work")),
    ] {
        let rig = Rig::new(PROFILE);
        rig.value.set(value);
        let log = rig.folder.path().join("work/log.jsonl");
        rig.audited.set(Some(log.clone()));
        let done = rig.launch(Some("p"));
        let line = fs::read_to_string(&log).expect("a line");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains(value.unwrap_or("no value")), "{line}");
        match reason {
            None => assert!(done.is_ok() && line.contains("\"result\":\"granted\""), "{line}"),
            Some(reason) => {
                assert!(done.is_err() && line.contains(reason), "{line}");
                assert!(!rig.steps().contains(&"exec".to_owned()));
            }
        }
    }
}

#[test]
fn only_a_key_opens_log_and_store() {
    for (profile, word) in [
        ("auth = \"login\"\n", "CLAUDE_CONFIG_DIR"),
        ("auth = \"none\"\nendpoint = \"http://127.0.0.1:9\"\n", "nothing"),
    ] {
        let rig = Rig::new(profile);
        rig.launch(Some("p")).expect("started");
        let steps = rig.steps();
        assert!(!steps.iter().any(|step| step == "store" || step == "log"), "{steps:?}");
        assert_eq!(rig.started.take().expect("started").env.get(word), None);
    }
    let rig = Rig::new(PROFILE);
    assert_eq!(rig.launch(None).expect("started"), 7);
    assert_eq!(rig.steps(), ["decided", "exec"]);
    let env = rig.started.take().expect("started").env;
    assert_eq!(env.get("ANTHROPIC_BASE_URL"), Some("https://elsewhere.example".as_ref()));
}
