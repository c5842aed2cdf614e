//! `ringlet migrate` on agents' own stores of logins: killed at every system call that writes, on the way there and back.

use super::common::pty::Terminal;
use super::common::world::{RINGLET, World, finish};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const KEYS: [&str; 3] = [
    "sk-a8c3e107b52d94f6a8c3e107b52d94f6",
    "sk-proj-TESTqq11FAKErr22TESTss33FAKEtt44TESTuu55FAKEvv66TEST",
    "gsk_TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TEST",
];
const LOGIN: &str = "TESTrefreshFAKEtoken";
const OPENCODE: &str = "home/.local/share/opencode/auth.json";
const CODEX: &str = "home/.codex/auth.json";
const WRITING: &[&str] = &["write", "renameat", "fsync", "unlink", "fchmod", "openat"];

// OpenCode's store with two keys and a login, Codex's in its older form, and the hook, so that nobody asks about that.
struct Rig {
    world: World,
    stores: [(PathBuf, String, String); 2],
}

impl Rig {
    fn new() -> Self {
        let mut world = World::new();
        world.set("SHELL", "/usr/bin/zsh");
        world.write("home/.zshrc", "eval \"$(ringlet hook zsh)\"\n");
        let api = |key: &str| format!("{{\n    \"type\": \"api\",\n    \"key\": \"{key}\"\n  }}");
        let login = format!("\"anthropic\": {{\n    \"type\": \"oauth\",\n    \"refresh\": \"{LOGIN}\"\n  }}");
        let own = format!("{{\n  \"deepseek\": {},\n  {login},\n  \"groq\": {}\n}}", api(KEYS[0]), api(KEYS[2]));
        let codex = |first: &str| format!("{{\n  {first},\n  \"tokens\": null,\n  \"last_refresh\": null\n}}\n");
        let with = codex(&format!("\"OPENAI_API_KEY\": \"{}\"", KEYS[1]));
        let stores = [(OPENCODE, own, format!("{{\n  {login}\n}}")), (CODEX, with, codex("\"auth_mode\": \"apikey\""))];
        let stores = stores.map(|(name, before, after)| (world.write(name, &before), before, after));
        Self { world, stores }
    }

    fn traced(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = self.world.process("strace");
        command.arg("-f").arg("-o").arg(self.world.path("trace")).args(options).arg(RINGLET).args(words);
        command
    }

    // Answers yes to every question there is.
    fn migrate(&self, command: Command) -> String {
        let mut terminal = Terminal::start(command);
        while terminal.sees("[?]: ") {
            terminal.send("y");
        }
        let shown = terminal.transcript();
        terminal.end();
        shown
    }

    fn texts(&self) -> Vec<String> {
        self.stores.iter().map(|(path, ..)| fs::read_to_string(path).expect("there")).collect()
    }

    #[track_caller]
    fn nothing_lost(&self, what: &str) {
        let kept = fs::read_to_string(self.world.path("home/.config/ringlet/credentials.toml")).unwrap_or_default();
        for ((_, before, after), now) in self.stores.iter().zip(self.texts()) {
            assert!(now == *before || now == *after, "{what}: torn: {now}");
            for key in KEYS.iter().filter(|key| before.contains(**key)) {
                assert!(now == *before || kept.contains(*key), "{what}: a key is lost");
            }
        }
    }

    #[track_caller]
    fn is(&self, moved: bool, what: &str) {
        let wanted = self.stores.iter().map(|(_, before, after)| if moved { after.clone() } else { before.clone() });
        assert_eq!(self.texts(), wanted.collect::<Vec<_>>(), "{what}");
        let folders = self.stores.iter().filter_map(|(path, ..)| path.parent());
        let names = folders.flat_map(|folder| fs::read_dir(folder).expect("there"));
        let strays = names.filter(|entry| entry.as_ref().expect("readable").file_name() != "auth.json");
        assert_eq!(strays.count(), 0, "{what}");
        // The journal has no piece of a key, and nothing of a login.
        for run in fs::read_dir(self.world.path("home/.local/state/ringlet/migrate")).expect("there") {
            let journal = fs::read_to_string(run.expect("readable").path().join("journal.json")).unwrap_or_default();
            let pieces = KEYS.iter().flat_map(|key| key.as_bytes().windows(16)).chain([LOGIN.as_bytes()]);
            let holds = |piece: &[u8]| memchr::memmem::find(journal.as_bytes(), piece).is_some();
            assert!(!pieces.into_iter().any(holds), "{what}: {journal}");
        }
        for name in ["default", "opencode-deepseek", "opencode-groq"] {
            let profile = self.world.path("home/.ringlet/profiles").join(name).join("ringlet.toml");
            assert_eq!(profile.exists(), moved, "{what}: {name}");
        }
    }

    // Which calls of this name change something below the home.
    fn places(&self, call: &str) -> Vec<usize> {
        let text = self.world.read("trace");
        let own = self.world.path("home");
        let own = own.to_str().expect("a name in UTF-8");
        let is_call = |line: &&str| {
            line.split_once(' ').is_some_and(|(_, line)| line.trim_start().starts_with(&format!("{call}(")))
        };
        let calls = text.lines().filter(is_call).enumerate();
        let counts = |line: &str| call != "openat" || line.contains(own) && !line.contains(" = -1 ");
        let places: Vec<usize> = calls.filter(|(_, line)| counts(line)).map(|(before, _)| before + 1).collect();
        assert!(call != "renameat" || !places.is_empty(), "nothing is renamed, or by another call");
        places
    }
}

#[test]
fn killed_at_any_call_that_writes_a_run_on_stores_completes_the_next_time() {
    for call in WRITING {
        let trace = ["-e".to_owned(), format!("trace={call}")];
        let trace: Vec<&str> = trace.iter().map(String::as_str).collect();
        let rig = Rig::new();
        let shown = rig.migrate(rig.traced(&trace, &["migrate", "--allow-file"]));
        assert!(KEYS.iter().all(|key| !shown.contains(key)), "{shown}");
        rig.is(true, "undisturbed");
        for at in rig.places(call) {
            let rig = Rig::new();
            let what = format!("killed at {call} {at}");
            let inject = format!("inject={call}:signal=SIGKILL:when={at}");
            rig.migrate(rig.traced(&[&trace[..], &["-e", &inject]].concat(), &["migrate", "--allow-file"]));
            rig.nothing_lost(&what);
            let mut again = rig.world.process(RINGLET);
            again.args(["migrate", "--allow-file"]);
            let shown = rig.migrate(again);
            rig.is(true, &format!("{what}: {shown}"));
            rig.world.run(&["migrate", "undo"]).ok();
            rig.is(false, &what);
        }
    }
}

#[test]
fn killed_at_any_call_that_writes_an_undo_of_stores_completes_the_next_time() {
    let moved = || {
        let rig = Rig::new();
        let mut command = rig.world.process(RINGLET);
        command.args(["migrate", "--allow-file"]);
        rig.migrate(command);
        rig.is(true, "moved");
        rig
    };
    for call in WRITING {
        let trace = ["-e".to_owned(), format!("trace={call}")];
        let trace: Vec<&str> = trace.iter().map(String::as_str).collect();
        let rig = moved();
        finish(&mut rig.traced(&trace, &["migrate", "undo"])).ok();
        rig.is(false, "undisturbed");
        for at in rig.places(call) {
            let rig = moved();
            let what = format!("undo killed at {call} {at}");
            let inject = format!("inject={call}:signal=SIGKILL:when={at}");
            finish(&mut rig.traced(&[&trace[..], &["-e", &inject]].concat(), &["migrate", "undo"]));
            rig.nothing_lost(&what);
            rig.world.run(&["migrate", "undo"]);
            rig.is(false, &what);
        }
    }
}

#[test]
fn a_store_that_cannot_be_read_as_its_agent_does_is_never_passed_over() {
    let world = World::new();
    // No form tells this key; only the entry does.
    let entry = "\"acme\":{\"type\":\"api\",\"key\":\"a8c3e107b52d94f6a8c3e107b52d94f6\"}";
    let run = |text: String| {
        world.write("home/.local/share/opencode/auth.json", text);
        world.run(&["migrate", "--dry-run"])
    };
    let large = run(format!("{{{entry},\"x\":\"{}\"}}", "y".repeat(50 << 20)));
    let says = "it is too large to be read as its agent reads it, so a key in it may be missed";
    assert!(large.stderr.contains(says), "{large:?}");
    let broken = run(format!("{{{entry},}} trailing"));
    assert!(broken.stdout.contains("acme  the file is not JSON as its agent reads it"), "{broken:?}");
    let odd = run("{\"acme\": no JSON".to_owned());
    assert!(odd.stderr.contains("it is not JSON as its agent reads it, so a key in it may be missed"), "{odd:?}");
    assert!(!run("{}".to_owned()).stderr.contains("may be missed"));
}
