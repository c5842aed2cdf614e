//! A run that is killed where one of two files that share an account is rewritten and the other one is not.

use super::common::world::{RINGLET, World, finish};

const KIMI: &str = "sk-kimi-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90";
const URL: &str = "export ANTHROPIC_BASE_URL=https://api.kimi.com/coding\n. ~/.secrets\n";
const CLEAN: &str = ". ~/.secrets\n";

fn token() -> String {
    format!("# mine\nexport ANTHROPIC_AUTH_TOKEN=\"{}\"'{}' # of Kimi\nexport A=1\n", &KIMI[..20], &KIMI[20..])
}

fn new() -> World {
    let world = World::new();
    world.agent("claude");
    world.write("home/.zshrc", URL);
    world.write("home/.secrets", token());
    world
}

fn texts(world: &World) -> (String, String) {
    (world.read("home/.zshrc"), world.read("home/.secrets"))
}

fn before() -> (String, String) {
    (URL.to_owned(), token())
}

fn after() -> (String, String) {
    (CLEAN.to_owned(), "# mine\nexport A=1\n".to_owned())
}

/// Kills a run at each rename, and gives the worlds in which one file alone is rewritten.
fn halves() -> Vec<World> {
    let mut found = Vec::new();
    for at in 1.. {
        let world = new();
        let mut command = world.process("strace");
        command.arg("-f").arg("-o").arg(world.path("trace")).args(["-e", "trace=renameat", "-e"]);
        command.arg(format!("inject=renameat:signal=SIGKILL:when={at}")).args([RINGLET, "migrate", "--yes"]);
        if finish(&mut command).status == Some(0) {
            break;
        }
        if ![before(), after()].contains(&texts(&world)) {
            found.push(world);
        }
    }
    assert!(!found.is_empty(), "no rename is between the two files");
    found
}

fn has_account(world: &World) {
    let said = world.run(&["exec", "claude"]).ok();
    assert!(said.contains("ANTHROPIC_BASE_URL=https://api.kimi.com/coding") && said.contains(KIMI), "{said}");
}

#[test]
fn a_run_killed_between_two_files_of_an_account_is_completed() {
    for world in halves() {
        world.run(&["migrate", "--dry-run"]).stderr.contains("a run was killed").then_some(()).expect("it is said");
        let told = world.run(&["doctor"]);
        assert!(told.stdout.contains("may have moved half of an account"), "{told:?}");
        world.run(&["migrate", "--yes"]).ok();
        assert_eq!(texts(&world), after());
        has_account(&world);
        assert!(!world.run(&["doctor"]).stdout.contains("half of an account"));
        world.run(&["migrate", "undo"]).ok();
        assert_eq!(texts(&world), before());
        assert_eq!(world.run(&["profiles", "list"]).ok(), "");
    }
}

#[test]
fn a_run_killed_between_two_files_of_an_account_is_taken_back() {
    for world in halves() {
        world.run(&["migrate", "undo"]).ok();
        assert_eq!(texts(&world), before());
        assert_eq!(world.run(&["profiles", "list"]).ok(), "");
        world.run(&["migrate", "--yes"]).ok();
        assert_eq!(texts(&world), after());
        has_account(&world);
    }
}

#[test]
fn half_of_an_account_in_a_file_that_was_edited_is_no_account() {
    for world in halves() {
        let (url, secrets) = texts(&world);
        let (name, edited) = if url == URL { ("home/.zshrc", url) } else { ("home/.secrets", secrets) };
        let edited = format!("# edited\n{edited}");
        world.write(name, &edited);
        let halved = texts(&world);
        for _ in 0..2 {
            let done = world.run(&["migrate", "--yes"]).fails(1, &["half of an account", "was edited since"]);
            assert!(done.stderr.contains("ringlet migrate undo"), "{done:?}");
            assert_eq!(texts(&world), halved);
        }
        world.run(&["migrate", "undo"]).ok();
        let (url, secrets) = texts(&world);
        let whole = |own: &str, text: &str| own.strip_prefix("# edited\n").unwrap_or(own) == text;
        assert!(whole(&url, URL) && whole(&secrets, &token()), "{url}{secrets}");
        world.run(&["migrate", "--yes"]).ok();
        has_account(&world);
    }
}

fn token_in(world: &World) -> bool {
    world.read("home/.secrets").contains(&KIMI[..20])
}

#[test]
fn a_file_that_cannot_be_rewritten_either_keeps_its_half_from_being_an_account() {
    for world in halves() {
        let stuck = if token_in(&world) { "home/.secrets" } else { "home/.zshrc" };
        let flag = |word: &str| finish(world.process("chattr").arg(word).arg(world.path(stuck))).ok();
        flag("+i");
        let done = world.run(&["migrate", "--yes"]);
        flag("-i");
        done.fails(1, &["half of an account", "Operation not permitted"]);
        world.run(&["migrate", "--yes"]).ok();
        assert_eq!(texts(&world), after());
        has_account(&world);
    }
}
