//! `ringlet run`: any one command with secrets, and the tools of the settings.

use crate::common::pty::Terminal;
use crate::common::world::{Done, RINGLET, World, finish};
use serde_json::Value;

const TOKEN: &str = "ghp_TESTTESTTESTTESTTESTTESTTESTTESTTEST";

/// A project whose profile has one secret, and a command that shows what it was given.
fn world() -> World {
    let world = World::new();
    world.store_key("github/work", TOKEN);
    world.profile("deploy", "[secrets]\nGITHUB_TOKEN = \"github/work\"\n");
    world.allow("profile = \"deploy\"\n");
    world.program(
        "show",
        "#!/bin/sh\necho \"$0 [$*] token=${GITHUB_TOKEN-none}\"\nenv | grep -c '^RINGLET_'\ncat\nexit 7\n",
    );
    world
}

fn log(world: &World) -> Vec<Value> {
    let text = world.read("home/.local/state/ringlet/audit.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_command_gets_the_secrets_of_the_directorys_profile_and_keeps_its_own_ways() {
    let world = world();
    world.configure("[audit]\nenabled = true\n");
    let show = world.path("bin/show");
    let done = world.feed(&["run", "show", "-x", "--", "a b", "--profile"], "input\n");
    let wanted = format!("{} [-x -- a b --profile] token={TOKEN}\n0\ninput\n", show.display());
    assert_eq!((done.status, done.stdout.as_str(), done.stderr.as_str()), (Some(7), wanted.as_str(), ""));
    // The same behind `--`, by a path, and by a path in the project.
    assert_eq!(world.feed(&["run", "--", "show", "-x", "--", "a b", "--profile"], "input\n").stdout, wanted);
    let own = world.write("home/project/own.sh", "#!/bin/sh\necho \"own $GITHUB_TOKEN\"\n");
    world.chmod(&own, 0o755);
    assert_eq!(world.run(&["run", "./own.sh"]).ok(), format!("own {TOKEN}\n"));
    let lines = log(&world);
    assert_eq!(lines.len(), 3);
    let first = &lines[0];
    assert_eq!(
        (&first["key"], &first["profile"], &first["agent"]),
        (&"github/work".into(), &"deploy".into(), &Value::Null)
    );
    assert_eq!((&first["binary"], &first["reason"]), (&show.to_str().into(), &"for a command".into()));
    assert!(!format!("{lines:?}").contains(TOKEN));
}

#[test]
fn a_command_is_given_nothing_without_trust_a_profile_or_secrets() {
    let world = world();
    let refused = |done: Done, status, words: &[&str]| drop(done.fails(status, words));
    world.write("home/project/.ringlet.toml", "profile = \"deploy\" # edited\n");
    refused(world.run(&["run", "show"]), 125, &[".ringlet.toml is not allowed any more", "ringlet allow"]);
    let elsewhere = world.path("home");
    refused(
        world.run_in(&elsewhere, &["run", "show"]),
        125,
        &["no profile governs this directory, and no key is named"],
    );
    // The profile may be named, as for an agent.
    assert!(world.run_in(&elsewhere, &["run", "--profile", "deploy", "--", "show"]).stdout.contains(TOKEN));
    world.profile("plain", "agent = \"claude\"\nprovider = \"anthropic\"\n");
    let run = ["run", "--profile", "plain", "show"];
    refused(
        world.run_in(&elsewhere, &run),
        125,
        &["profile \"plain\" has no `[secrets]`", "secrets.GITHUB_TOKEN=github/work"],
    );
    refused(world.run_in(&elsewhere, &["run", "--profile", "nosuch", "show"]), 125, &["nosuch"]);
    let deploy = |words: &[&str]| world.run_in(&elsewhere, &[&["run", "--profile", "deploy", "--"], words].concat());
    refused(deploy(&["nosuch"]), 127, &["nosuch: not found on PATH"]);
    refused(deploy(&["./nosuch"]), 127, &["there is no file", "home/nosuch"]);
    world.write("home/plain", "");
    refused(deploy(&["./plain"]), 126, &["not executable"]);
    world.profile("other", "[secrets]\nGITHUB_TOKEN = \"github/nosuch\"\n");
    refused(world.run(&["run", "--profile", "other", "show"]), 125, &["github/nosuch"]);
}

#[test]
fn a_profile_for_commands_binds_no_agent() {
    let world = world();
    world.agent("claude");
    assert!(!world.run(&["exec", "claude"]).ok().contains(TOKEN), "it starts as if ringlet were not there");
    world.profile("empty", "");
    world.run(&["run", "--profile", "empty", "show"]).fails(125, &["binds no agent"]);
}

#[test]
fn a_key_that_the_command_line_names_needs_a_yes_on_the_terminal() {
    let world = world();
    let words = ["run", "--secret", "STRIPE_KEY=stripe/live", "--", "printenv", "STRIPE_KEY"];
    world.store_key("stripe/live", "sk_live_TEST");
    let mut alone = world.process("setsid");
    finish(alone.arg("-w").arg(RINGLET).args(words)).fails(125, &["there is no terminal to ask on", "`[secrets]`"]);
    for (answer, given) in [("y", true), ("yes", true), ("", false), ("n", false), ("maybe", false)] {
        let mut command = world.process("sh");
        command.arg("-c").arg(format!("{RINGLET} {}; echo status=$?", words.join(" ")));
        let mut terminal = Terminal::start(command);
        let asked = terminal.expect("? [y/N] ");
        assert!(asked.contains("give stripe/live as STRIPE_KEY to /usr/bin/printenv"), "{asked}");
        terminal.send(answer);
        let (_, rest) = terminal.end();
        assert_eq!(rest.contains("sk_live_TEST\r\nstatus=0"), given, "{answer:?}: {rest}");
        assert_eq!(rest.contains("no key was given\r\nstatus=125"), !given, "{answer:?}: {rest}");
    }
    for (secret, words) in [
        ("STRIPE_KEY", "a secret is VARIABLE=PROVIDER/ALIAS"),
        ("HOME=stripe/live", "HOME holds no secret"),
        ("RINGLET_X=stripe/live", "RINGLET_X holds no secret"),
        ("XDG_STATE_HOME=stripe/live", "XDG_STATE_HOME holds no secret"),
        ("A B=stripe/live", "variable"),
        ("A=stripe", "PROVIDER/ALIAS"),
        (&format!("A={TOKEN}"), "\"ghp_...\" is not of the form PROVIDER/ALIAS"),
    ] {
        let done = world.run(&["run", "--secret", secret, "--", "true"]);
        assert!(!done.stderr.contains(TOKEN));
        done.fails(125, &[words]);
    }
}

fn tooled() -> World {
    let world = world();
    let show = world.path("bin/show");
    let secrets = "secrets = { GITHUB_TOKEN = \"github/work\" }";
    world.configure(&format!("[tools.github]\ncommand = [{show:?}, \"--stdio\"]\n{secrets}\n"));
    world
}

#[test]
fn a_tool_of_the_settings_gets_its_secret_wherever_it_is_started() {
    let mut world = tooled();
    let wanted = format!("[--stdio] token={TOKEN}\n");
    assert!(world.run(&["run", "--tool", "github"]).stdout.contains(&wanted));
    // Not allowed, and below an agent: the settings alone decide.
    world.write("home/project/.ringlet.toml", "profile = \"nosuch\"\n");
    world.set("RINGLET_SET", "ANTHROPIC_API_KEY");
    world.set("ANTHROPIC_API_KEY", "the agent's own");
    // A project's `.mcp.json` may set variables beside the tool's name.
    for (name, value) in
        [("NODE_OPTIONS", "--require ./x.js"), ("LD_PRELOAD", "./x.so"), ("LC_ALL", "C"), ("LANG", "C")]
    {
        world.set(name, value);
    }
    world.set("PATH", format!("{}:/usr/bin:/bin", world.project().display()));
    let env = world.path("env");
    world.program("show", &format!("#!/bin/sh\nenv >{env:?}\necho \"[$*] token=$GITHUB_TOKEN in $(pwd)\"\n"));
    let done = finish(world.process(RINGLET).args(["run", "--tool", "github"]).current_dir(world.project())).ok();
    assert_eq!(done, format!("[--stdio] token={TOKEN} in {}\n", world.path("home").display()));
    let text = world.read("env");
    let mut names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    // `PWD`, `OLDPWD` and `_` are the shell's own.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    assert_eq!(names, ["GITHUB_TOKEN", "HOME", "LANG", "LC_ALL", "PATH", "TERM"]);
    assert!(text.contains(&format!("PATH={}:/usr/local/bin:/usr/bin:/bin\n", world.path("bin").display())), "{text}");
    // Every other form is a way for the agent's tools to read keys.
    for words in
        [&["run", "show"][..], &["run", "--profile", "deploy", "show"], &["run", "--secret", "A=github/work", "show"]]
    {
        world.run(words).fails(125, &["`ringlet run` is not for what an agent has started", "[tools.NAME]"]);
    }
    world.run(&["run", "--tool", "githib"]).fails(125, &["there is no [tools.githib]", "did you mean `github`?"]);
    for words in [&["run", "--tool", "github", "more"][..], &["run", "--tool", "github", "--profile", "deploy"]] {
        world.run(words).fails(2, &["cannot be used with"]);
    }
}

#[test]
fn an_agents_tool_is_below_it_and_an_mcp_server_gets_its_one_secret() {
    let world = tooled();
    world.link_ringlet();
    world.store_key("anthropic/work", crate::common::world::KEY);
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    let run = "run --profile deploy show </dev/null";
    // A launch without a profile in between changes nothing.
    let script = format!("ringlet {run}\necho status=$?\nringlet -q exec sh -- -c 'ringlet {run}; echo status=$?'\n");
    world.program("claude", &format!("#!/bin/sh\n{script}ringlet run --tool github </dev/null\n"));
    let done = world.run(&["exec", "--profile", "work", "claude"]);
    assert!(done.stdout.starts_with("status=125\nstatus=125\n"), "{done:?}");
    assert!(done.stdout.contains(&format!("[--stdio] token={TOKEN}")), "{done:?}");
}

#[test]
fn a_tools_program_does_not_come_from_the_project() {
    let world = world();
    let own = world.write("home/project/server", "#!/bin/sh\necho \"$GITHUB_TOKEN\"\n");
    world.chmod(&own, 0o755);
    let config = |command: &str| {
        let text = format!(
            "[credentials]\nbackend = \"file\"\n[tools.t]\ncommand = [{command:?}]\nsecrets = {{ GITHUB_TOKEN = \"github/work\" }}\n"
        );
        world.write("home/.config/ringlet/config.toml", text);
        world.run(&["run", "--tool", "t"])
    };
    for relative in ["./server", "server", "show"] {
        config(relative).fails(125, &["config.toml:4:12", "is not an absolute path", "`command -v NAME`"]);
    }
    config(own.to_str().expect("text")).fails(125, &["lies inside the project"]);
    config("~/project/server").fails(125, &["lies inside the project"]);
    world.run(&["allow", own.to_str().expect("text")]).ok();
    assert_eq!(config("~/project/server").ok(), format!("{TOKEN}\n"), "what was allowed is started");
}

#[test]
fn a_tool_that_is_wrong_names_the_place() {
    let world = world();
    for (text, place, words) in [
        ("[tools.Git]\ncommand = [\"/x\"]\nsecrets = {}\n", "1:8", "upper-case"),
        ("[tools.t]\ncommand = []\nsecrets = {}\n", "2:11", "the command has no program"),
        ("[tools.t]\ncommand = [\"\"]\nsecrets = {}\n", "2:11", "the command has no program"),
        ("[tools.t]\ncommand = \"npx x\"\nsecrets = {}\n", "2:11", "string"),
        ("[tools.t]\nsecrets = {}\n", "1:1", "command"),
        ("[tools.t]\ncommand = [\"/x\"]\nsecrets = { A = \"b\" }\n", "3:17", "PROVIDER/ALIAS"),
        ("[tools.t]\ncommand = [\"/x\"]\nsecrets = { PATH = \"a/b\" }\n", "3:13", "PATH holds no secret"),
        ("[tools.t]\ncommand = [\"/x\"]\nsecrets = {}\nenv = {}\n", "4:1", "unknown field `env`"),
    ] {
        world.write("home/.config/ringlet/config.toml", text);
        world.run(&["run", "--tool", "t"]).fails(125, &[&format!("config.toml:{place}: "), words]);
    }
}

#[test]
fn scopes_hold_for_commands() {
    let world = tooled();
    let scope = |rules: &str| {
        let text = format!(
            "[credentials]\nbackend = \"file\"\n[tools.t]\ncommand = [{:?}]\nsecrets = {{ GITHUB_TOKEN = \"github/work\" }}\n\
             [scope.\"github/work\"]\n{rules}\n",
            world.path("bin/show")
        );
        world.write("home/.config/ringlet/config.toml", text);
        [world.run(&["run", "show"]), world.run(&["run", "--tool", "t"])]
    };
    for (rules, words) in [
        ("agents = [\"claude\"]", "the key github/work is kept for agents, and this is a command"),
        ("pin = true", "the key github/work is kept for agents, and this is a command"),
        ("broker = true", "is for brokered launches alone"),
        ("requests-per-day = 5", "is for brokered launches alone"),
        ("directories = [\"~/other\"]", "is kept for what lies in"),
        ("lease = \"1h\"", "needs a lease"),
    ] {
        for done in scope(rules) {
            done.fails(125, &[words]);
        }
    }
    world.run(&["lease", "grant", "github/work", "--for", "1h"]).ok();
    for done in scope("lease = \"1h\"\ndirectories = [\"~/project\"]") {
        assert!(done.stdout.contains(TOKEN), "{done:?}");
    }
}
