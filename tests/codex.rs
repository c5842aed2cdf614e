//! Codex: it gets its key by the provider's own id or by a command, its tool shells do not, and sessions can go on.

use crate::common::world::{Done, RINGLET, World};
use std::fs;
use std::path::PathBuf;

const CODEX_KEY: &str = "sk-proj-TESTTESTTESTTESTTESTTESTTEST";
const ID: &str = "01a22247-9fde-7ba0-a3b0-a1e257103c17";

/// A Codex of this version that prints its arguments and environment, and then does what `then` says: `auth` asks the command
/// that it was told of for the key, as its own child.
fn codex(version: &str, then: &str) -> World {
    let world = World::new();
    let package = "npm/node_modules/@openai/codex";
    world.write(format!("{package}/package.json"), format!("{{\"name\":\"@openai/codex\",\"version\":\"{version}\"}}"));
    let script = format!(
        "#!/bin/sh\n\
         for word; do printf 'arg=%s\\n' \"$word\"; done\n\
         env | sed 's/^/env=/'\n\
         value() {{ for word; do case \"$word\" in \"$name\"*) printf '%s\\n' \"${{word#\"$name\"}}\"; esac; done; }}\n\
         name=model_providers.ringlet.auth.command=; command=$(value \"$@\" | tr -d '\"')\n\
         name=model_providers.ringlet.auth.args=; socket=$(value \"$@\" | sed 's/.*\"\\(.*\\)\"]$/\\1/')\n\
         auth() {{ \"$command\" hand-over \"$socket\" </dev/null; echo \" auth=$?\"; }}\n\
         {then}\n"
    );
    let program = world.write(format!("{package}/bin/codex"), script);
    world.chmod(&program, 0o755);
    std::os::unix::fs::symlink(&program, world.path("bin/codex")).expect("a link");
    world.store_key("openai/work", CODEX_KEY);
    world.profile("work", "agent = \"codex\"\nprovider = \"openai\"\n[provider-config]\nkey-alias = \"work\"\n");
    world.allow("profile = \"work\"\n");
    world
}

fn run(world: &World, words: &[&str]) -> Done {
    world.run(&[&["exec", "codex", "--"], words].concat())
}

fn sockets(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.path("run/ringlet/launch")).into_iter().flatten();
    entries.map(|entry| entry.expect("readable").path()).collect()
}

#[test]
fn the_terminal_interface_is_given_its_key_by_a_command_that_answers_once() {
    let world = codex("0.171.0", "auth\nauth");
    for words in [&[][..], &["a prompt"], &["app-server"], &["review"], &["resume", "--last"]] {
        let done = run(&world, words);
        let seen = done.ok();
        assert!(seen.contains(&format!("{CODEX_KEY} auth=0\n auth=1\n")), "{words:?}: {seen}");
        assert_eq!(seen.matches(CODEX_KEY).count(), 1, "in no argument and no variable: {seen}");
        assert!(
            seen.contains("arg=model_provider=\"ringlet\"\n") && seen.contains("refresh_interval_ms=0\n"),
            "{seen}"
        );
    }
    let said = run(&world, &[]).stderr;
    assert!(said.contains("the key of this launch was given already, or the launch has ended"), "{said}");
    assert!(sockets(&world).is_empty(), "nothing stays behind");
}

#[test]
fn a_key_is_handed_to_nobody_beside_the_agent_and_not_kept_beyond_it() {
    // The agent waits until it is told to go on.
    let world = codex("0.171.0", "echo ready >\"$HOME/ready\"; read line <\"$HOME/go\"; auth");
    let go = world.path("home/go");
    for fifo in ["ready", "go"] {
        assert!(world.process("mkfifo").arg(world.path("home").join(fifo)).status().expect("mkfifo").success());
    }
    let agent = world.process(RINGLET).args(["exec", "codex"]).stdout(std::process::Stdio::piped()).spawn();
    let agent = agent.expect("starts");
    assert_eq!(fs::read_to_string(world.path("home/ready")).expect("it is ready"), "ready\n");
    let socket = sockets(&world).pop().expect("a socket").display().to_string();
    let beside = world.run(&["hand-over", &socket]);
    assert!(beside.stdout.is_empty(), "{beside:?}");
    beside.fails(1, &["the key is given to the agent of its launch alone"]);
    fs::write(&go, "go\n").expect("written");
    let seen = String::from_utf8(agent.wait_with_output().expect("ends").stdout).expect("text");
    assert!(seen.contains(&format!("{CODEX_KEY} auth=0\n")), "who was refused has taken nothing away: {seen}");

    // One that never asks leaves nothing behind: its end is what the other process waits for.
    let world = codex("0.171.0", "printf 'socket=%s\\n' \"$socket\"");
    let seen = run(&world, &[]).ok();
    let socket = seen.lines().find_map(|line| line.strip_prefix("socket=")).expect("a socket").to_owned();
    let stream = std::os::unix::net::UnixStream::connect(&socket);
    if let Ok(mut stream) = stream {
        let mut read = Vec::new();
        // The other end is closed, whether it took the connection or not.
        let _ = std::io::Read::read_to_end(&mut stream, &mut read);
        assert!(read.is_empty());
    }
    world.run(&["hand-over", &socket]).fails(1, &["leave the agent and start it again"]);
}

#[test]
fn an_older_codex_or_one_of_an_unknown_version_gets_a_variable_that_is_kept_from_tool_shells() {
    for version in ["0.118.0", "next"] {
        let world = codex(version, "");
        let seen = run(&world, &["hi"]).ok();
        assert!(seen.contains(&format!("env=RINGLET_API_KEY={CODEX_KEY}\n")), "{version}: {seen}");
        assert!(seen.contains("arg=model_providers.ringlet.env_key=\"RINGLET_API_KEY\"\n"), "{version}: {seen}");
        assert!(seen.contains("arg=shell_environment_policy.exclude=[\"RINGLET_API_KEY\"]\n"), "{version}: {seen}");
    }
}

#[test]
fn exec_keeps_the_providers_own_id_and_the_users_list_of_what_tool_shells_lack() {
    let world = codex("0.171.0", "");
    let excluded = |words: &[&str]| {
        let seen = run(&world, words).ok();
        assert!(seen.contains(&format!("env=CODEX_API_KEY={CODEX_KEY}\n")), "{seen}");
        assert!(seen.contains("arg=model_provider=\"openai\"\n") && !seen.contains("model_providers"), "{seen}");
        assert!(seen.contains("arg=openai_base_url=\"https://api.openai.com/v1\"\n"), "{seen}");
        let list = seen.lines().find_map(|line| line.strip_prefix("arg=shell_environment_policy.exclude="));
        list.expect("a list").to_owned()
    };
    assert_eq!(excluded(&["exec", "hi"]), "[\"CODEX_API_KEY\"]");
    assert_eq!(excluded(&["-m", "x", "e", "hi"]), "[\"CODEX_API_KEY\"]");
    world.write("home/.codex/config.toml", "[shell_environment_policy]\nexclude = [\"AWS_*\", \"it's\"]\n");
    world.write("home/.codex/fast.config.toml", "[shell_environment_policy]\nexclude = [\"FAST_*\"]\n");
    assert_eq!(excluded(&["exec", "hi"]), "[\"AWS_*\",\"it's\",\"CODEX_API_KEY\"]");
    assert_eq!(excluded(&["exec", "-p", "fast", "hi"]), "[\"AWS_*\",\"it's\",\"FAST_*\",\"CODEX_API_KEY\"]");
    for option in [
        &["-c", "shell_environment_policy.exclude=[]"][..],
        &["-cshell_environment_policy.exclude=[\"X\"]"],
        &["--config=shell_environment_policy={inherit=\"all\"}"],
        &["--config", "shell_environment_policy.\"exclude\" = []"],
    ] {
        let words = [&["exec"], option, &["hi"]].concat();
        run(&world, &words).fails(125, &["tool shells would be given the key", "add \"CODEX_API_KEY\""]);
        // The key that goes by a command is in no variable.
        run(&world, &[option, &["hi"]].concat()).ok();
    }
    run(&world, &["exec", "-c", "shell_environment_policy.exclude=[\"CODEX_API_KEY\"]", "hi"]).ok();
    run(&world, &["exec", "-c", "shell_environment_policy.inherit=all", "hi"]).ok();
    run(&world, &["exec", "--", "-c", "shell_environment_policy.exclude=[]"]).ok();
}

#[test]
fn a_line_of_codexs_own_that_would_replace_the_key_is_named() {
    let world = codex("0.171.0", "");
    world.write("home/.codex/.env", "A=1\n# CODEX_API_KEY=old\n export CODEX_API_KEY = sk-old\n");
    let done = run(&world, &["exec", "hi"]).fails(125, &[".codex/.env sets CODEX_API_KEY in line 3"]);
    assert!(!done.stderr.contains("sk-old"), "{done:?}");
    run(&world, &["hi"]).ok();
    world.write("home/.codex/.env", "A=1\n# CODEX_API_KEY=old\n");
    run(&world, &["exec", "hi"]).ok();
}

#[test]
fn a_session_goes_on_under_the_id_that_it_was_made_under_or_is_refused_with_the_way() {
    let world = codex("0.171.0", "");
    let session = |id: &str| {
        let file = format!("home/.codex/sessions/2026/11/28/rollout-2026-11-28T13-10-49-{ID}.jsonl");
        world.write(file, format!("{{\"payload\":{{\"model_provider\":\"{id}\"}}}}\n"));
    };
    let provider = |words: &[&str]| {
        let seen = run(&world, words).ok();
        seen.lines().find_map(|line| line.strip_prefix("arg=model_provider=")).expect("a provider").to_owned()
    };
    let resume = ["exec", "resume", ID, "more"];
    assert_eq!(provider(&resume), "\"openai\"", "none is found");
    assert_eq!(provider(&["exec", "resume", "--last", "more"]), "\"openai\"");
    assert_eq!(provider(&["resume", ID]), "\"ringlet\"", "none is found");
    session("openai");
    assert_eq!(provider(&resume), "\"openai\"");
    let way = format!("run `codex exec resume {ID}`");
    for command in ["resume", "fork"] {
        run(&world, &[command, ID]).fails(125, &["belongs to the provider \"openai\"", &way]);
    }
    session("ringlet");
    assert_eq!(provider(&resume), "\"ringlet\"");
    assert_eq!(provider(&["resume", ID]), "\"ringlet\"");
    assert_eq!(provider(&["fork", "--last"]), "\"ringlet\"");
    session("azure");
    for words in [&resume[..], &["resume", ID]] {
        run(&world, words).fails(125, &["belongs to the provider \"azure\"", "starts it without ringlet"]);
    }
    // Another provider's account keeps Ringlet's id in `exec` as well.
    world.store_key("xai/work", "xai-TESTTESTTESTTESTTESTTEST");
    world.profile("work", "agent = \"codex\"\nprovider = \"xai\"\n[provider-config]\nkey-alias = \"work\"\n");
    assert_eq!(provider(&["exec", "hi"]), "\"ringlet\"");
    assert_eq!(provider(&["exec", "resume", "--last", "more"]), "\"ringlet\"");
    session("openai");
    run(&world, &resume).fails(125, &["belongs to the provider \"openai\"", "would go on under \"ringlet\""]);
}

#[test]
fn sessions_that_codex_will_not_list_are_spoken_of_before_the_first_launch() {
    let world = codex("0.171.0", "");
    let said = |words: &[&str]| run(&world, words).stderr;
    fs::create_dir_all(world.path("home/.codex/sessions/2026")).expect("a folder");
    assert_eq!(said(&["exec", "hi"]), "", "its own sessions go on");
    let first = said(&[]);
    assert!(first.contains("lists sessions by provider") && first.contains("`codex exec resume`"), "{first}");
    assert_eq!(said(&[]), "");
    // A folder that holds none yet will hold Ringlet's own.
    let world = codex("0.171.0", "");
    let said = |words: &[&str]| run(&world, words).stderr;
    assert_eq!(said(&[]), "");
    fs::create_dir_all(world.path("home/.codex/sessions/2026")).expect("a folder");
    assert_eq!(said(&[]), "");
}

#[test]
fn the_adapter_of_editors_is_told_by_options_and_by_its_variable() {
    let mut world = codex("0.171.0", "");
    world.agent("codex-acp");
    for name in ["CODEX_CONFIG", "DEFAULT_AUTH_REQUEST", "MODEL_PROVIDER", "CODEX_PATH"] {
        world.set(name, "left");
    }
    let seen = world.run(&["exec", "codex-acp"]).ok();
    assert!(seen.contains(&format!("env=RINGLET_API_KEY={CODEX_KEY}\n")) && !seen.contains("left"), "{seen}");
    assert!(seen.contains("arg=model_providers.ringlet.env_key=\"RINGLET_API_KEY\"\n"), "{seen}");
    let config = seen.lines().find_map(|line| line.strip_prefix("env=CODEX_CONFIG=")).expect("set");
    let config: serde_json::Value = serde_json::from_str(config).expect("JSON");
    assert_eq!(config["model_providers"]["ringlet"]["base_url"], "https://api.openai.com/v1");
    assert_eq!(config["shell_environment_policy"]["exclude"], serde_json::json!(["RINGLET_API_KEY"]));
    assert_eq!(config["cli_auth_credentials_store"], "ephemeral");
}

#[test]
fn words_that_would_lead_the_key_elsewhere_are_refused() {
    let world = codex("0.171.0", "");
    for option in [
        &["-c", "model_provider=\"mine\""][..],
        &["-c", "openai_base_url=\"http://127.0.0.1:1\""],
        &["--config=model_providers.ringlet.base_url=\"http://127.0.0.1:1\""],
        &["-cmodel_providers={ringlet={}}"],
    ] {
        for form in [&["exec"][..], &[]] {
            run(&world, &[form, option, &["hi"]].concat()).fails(125, &["would lead the key to another endpoint"]);
        }
    }
    run(&world, &["exec", "-c", "model_providers.mine.name=\"m\"", "-c", "model=\"x\"", "hi"]).ok();
    run(&world, &["exec", "--", "-c", "model_provider=\"mine\""]).ok();
}

#[test]
fn what_a_project_keeps_from_tool_shells_stays_kept_and_no_text_stands_for_an_entry() {
    let world = codex("0.171.0", "");
    world.write("home/project/.codex/config.toml", "[shell_environment_policy]\nexclude = [\"AWS_*\"]\n");
    world.run(&["allow", ".codex/config.toml"]).ok();
    let seen = run(&world, &["exec", "hi"]).ok();
    assert!(seen.contains("exclude=[\"AWS_*\",\"CODEX_API_KEY\"]\n"), "{seen}");
    for set in ["exclude=['X'] # CODEX_API_KEY", "exclude=[\"NOT_CODEX_API_KEY\"]", "exclude=CODEX_API_KEY"] {
        let option = format!("shell_environment_policy.{set}");
        run(&world, &["exec", "-c", &option, "hi"]).fails(125, &["tool shells would be given the key"]);
    }
    let table = "shell_environment_policy={set={CODEX_API_KEY=\"x\"}}";
    run(&world, &["exec", "-c", table, "hi"]).fails(125, &["tool shells would be given the key"]);
}
