//! The guard in a launch: where it looks, what a refusal suggests, and the agents' own switch. Which entries are
//! harmless is tested in `src/guard`.

use crate::common::world::{KEY, World};
use std::fs;
use std::path::Path;
use std::process::Command;

const HOOK: &str = r#"{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"./hooks/x.sh"}]}]}}"#;

/// A world whose Claude Code lies in npm's layout, so that its version is known and the key goes through a pipe.
fn with_version(version: &str) -> World {
    let world = World::ready();
    let package = "lib/node_modules/@anthropic-ai/claude-code";
    let manifest = format!("{{\"name\":\"@anthropic-ai/claude-code\",\"version\":\"{version}\"}}");
    world.write(format!("{package}/package.json"), manifest);
    let script = fs::read_to_string(world.path("bin/claude")).expect("a script");
    let program = world.write(format!("{package}/cli"), script);
    world.chmod(&program, 0o755);
    fs::remove_file(world.path("bin/claude")).expect("removed");
    std::os::unix::fs::symlink(program, world.path("bin/claude")).expect("linked");
    world
}

fn git(folder: &Path, words: &[&str]) {
    let who = [
        ("GIT_AUTHOR_NAME", "a"),
        ("GIT_AUTHOR_EMAIL", "a@b"),
        ("GIT_COMMITTER_NAME", "a"),
        ("GIT_COMMITTER_EMAIL", "a@b"),
    ];
    let done =
        Command::new("git").args(words).current_dir(folder).envs(who).env("GIT_CONFIG_GLOBAL", "/dev/null").output();
    let done = done.expect("git is there");
    assert!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_directory_that_the_agent_is_told_decides_profile_trust_and_guard() {
    let world = World::ready();
    world.agent("codex");
    world.store_key("openai/work", "sk-work");
    world.store_key("openai/other", "sk-other");
    let profile =
        |alias: &str| format!("agent = \"codex\"\nprovider = \"openai\"\n[provider-config]\nkey-alias = \"{alias}\"\n");
    world.profile("work", &profile("work"));
    world.profile("other", &profile("other"));
    let other = world.write("home/other/.ringlet.toml", "profile = \"other\"\n");
    let run = |words: &[&str]| world.run(&[&["exec", "codex", "--"], words].concat());
    assert!(run(&["exec", "hi"]).ok().contains("sk-work"));
    run(&["exec", "-C", "../other", "hi"])
        .fails(125, &["home/other/.ringlet.toml is not allowed", "run `ringlet allow "]);
    world.run(&["allow", "../other"]).ok();
    for words in [
        &["exec", "-C", "../other", "hi"][..],
        &["-C../other", "exec", "hi"],
        &["exec", "--cd=../other"],
        &["--cd", "../other"],
        &["-C", ".", "exec", "-C", "../other", "hi"],
    ] {
        assert!(run(words).ok().contains("sk-other"), "{words:?}");
    }
    let config = world.write("home/other/.codex/config.toml", "[mcp_servers.e]\nurl = \"https://evil.example\"\n");
    run(&["exec", "-C", "../other", "hi"]).fails(125, &[&config.display().to_string(), "mcp_servers = "]);
    run(&["exec", "hi"]).ok();
    run(&["exec", "-C", "nowhere", "hi"]).fails(125, &["told to work in", "nowhere", "name a directory that exists"]);
    fs::remove_file(other).expect("removed");
    // No profile governs there, so the agent starts as if Ringlet were not there.
    assert!(!run(&["exec", "-C", "../other", "hi"]).ok().contains("sk-"));
    // `..` behind a link leads elsewhere for the system than by its text.
    std::os::unix::fs::symlink(world.path("home/other"), world.path("home/project/link")).expect("linked");
    run(&["exec", "-C", "link/..", "hi"]).fails(125, &["may lead to two places"]);
}

#[test]
fn programs_of_the_working_directory_are_asked_about_wherever_the_agent_works() {
    let mut world = World::ready();
    let script = fs::read_to_string(world.path("bin/claude")).expect("a script");
    let inside = world.write("home/project/tools/codex", &script);
    world.chmod(&inside, 0o755);
    world.store_key("openai/default", "sk-x");
    world.profile("work", "agent = \"codex\"\nprovider = \"openai\"\n");
    world.set("PATH", format!("{}:/usr/bin:/bin", inside.parent().expect("a folder").display()));
    world.write("home/other/.ringlet.toml", "profile = \"work\"\n");
    world.run(&["allow", "../other"]).ok();
    world
        .run(&["exec", "codex", "--", "exec", "-C", "../other", "hi"])
        .fails(125, &["which lies inside the project", "home/project"]);
}

#[test]
fn one_command_allows_all_that_a_refusal_names() {
    let world = World::ready();
    world.write("home/project/.claude/settings.json", "{\"apiKeyHelper\":\"x\"}");
    world.write("home/project/.mcp.json", "{\"mcpServers\":{\"a b\":{\"command\":\"npm\",\"args\":[\"run\",\"x\"]}}}");
    world.write("home/project/.claude/agents/it's.md", "---\nhooks: {}\nmcpServers: [x]\n---\n");
    let refused = world.run(&["exec", "claude"]).fails(125, &["apiKeyHelper = x", "mcpServers = ", "it's.md"]);
    let commands: Vec<&str> = refused.stderr.lines().filter(|line| line.contains("ringlet allow")).collect();
    let [only] = commands.as_slice() else { panic!("one command: {refused:?}") };
    let command = only.split('`').nth(1).expect("a command in backticks");
    let done = world.sh(command);
    assert!(done.stderr.contains("by name is not bound"), "{done:?}");
    done.ok();
    assert!(world.run(&["exec", "claude"]).ok().contains(KEY));
    // After a denial that is what is said.
    world.run(&["deny", ".mcp.json"]).ok();
    world.run(&["exec", "claude"]).fails(125, &[".mcp.json is denied", "run `ringlet allow "]);
}

#[test]
fn allow_all_binds_the_project_file_and_every_finding_of_its_profiles_agents() {
    let world = World::ready();
    world.agent("codex");
    world.store_key("openai/default", "sk-x");
    world.profile("both", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n[agents.codex]\nprovider = \"openai\"\nkey-alias = \"default\"\n");
    world.write("home/project/.ringlet.toml", "profile = \"both\"\n");
    world.write("home/project/.claude/settings.json", "{\"apiKeyHelper\":\"x\"}");
    world.write("home/project/.codex/config.toml", "[mcp_servers.e]\ncommand = \"x\"\n");
    // An agent that the profile does not bind.
    let qwen = world.write("home/project/.qwen/settings.json", "{\"modelProviders\":{}}");
    world.run(&["exec", "claude"]).fails(125, &["is not allowed"]);
    let deep = world.path("home/project/a");
    fs::create_dir(&deep).expect("a folder");
    let done = world.run(&["allow", "--all"]);
    for says in [".ringlet.toml: profile both", "settings.json", "apiKeyHelper = x", "config.toml", "mcp_servers = "] {
        assert!(done.stderr.contains(says), "{says}: {done:?}");
    }
    assert!(!done.stderr.contains(&qwen.display().to_string()), "{done:?}");
    done.ok();
    world.run(&["exec", "claude"]).ok();
    world.run(&["exec", "codex"]).ok();
    let done = world.run(&["allow", "--all", "a"]);
    assert!(done.stderr.contains("nothing else here"), "{done:?}");
    done.ok();
    world.run(&["allow", "--all", "nowhere"]).fails(1, &["nowhere"]);
    world.run_in(&world.path("home"), &["allow", "--all"]).fails(1, &["no profile governs"]);
}

#[test]
fn a_linked_worktree_shares_its_repositorys_records_and_denials() {
    let world = World::ready();
    let main = world.project();
    world.write("home/project/.claude/settings.json", HOOK);
    let script = world.write("home/project/hooks/x.sh", "one");
    git(&main, &["init", "-q"]);
    git(&main, &["add", "-A"]);
    git(&main, &["commit", "-qm", "a"]);
    git(&main, &["worktree", "add", "-q", "../wt"]);
    let wt = world.path("home/wt");
    let starts = |folder: &Path| world.run_in(folder, &["exec", "claude"]);
    starts(&wt).fails(125, &["wt/.claude/settings.json: hooks = "]);
    world.run(&["allow", ".claude/settings.json"]).ok();
    assert!(starts(&wt).ok().contains(KEY));
    fs::write(world.path("home/wt/hooks/x.sh"), "two").expect("written");
    starts(&wt).fails(125, &["x.sh, which it names, has changed"]);
    starts(&main).ok();
    fs::write(world.path("home/wt/hooks/x.sh"), "one").expect("written");
    world.run(&["deny", ".claude/settings.json"]).ok();
    starts(&wt).fails(125, &["settings.json is denied"]);
    world.run(&["allow", ".claude/settings.json"]).ok();
    starts(&wt).ok();
    // Another folder that claims to be a worktree shares nothing.
    fs::create_dir_all(world.path("home/fake/.claude")).expect("folders");
    for name in [".ringlet.toml", ".claude/settings.json"] {
        fs::copy(main.join(name), world.path("home/fake").join(name)).expect("copied");
    }
    fs::copy(wt.join(".git"), world.path("home/fake/.git")).expect("copied");
    starts(&world.path("home/fake")).fails(125, &["fake/.ringlet.toml is not allowed"]);
    drop(script);
}

#[test]
fn the_switch_is_set_only_where_there_is_nothing_of_the_agents() {
    const SWITCH: &str = "arg=--setting-sources\narg=user\n";
    let world = with_version("2.1.330");
    let has = |words: &[&str]| world.run(&[&["exec", "claude", "--"], words].concat()).ok().contains(SWITCH);
    assert!(has(&["-p", "hi"]));
    assert!(!has(&["--setting-sources", "project", "-p", "hi"]) && !has(&["--setting-sources=user", "-p", "hi"]));
    assert!(!has(&["--version"]) && !has(&["mcp", "list"]));
    for file in ["CLAUDE.md", ".claude/settings.json", ".mcp.json", ".claude/agents/a.md", "src/CLAUDE.md"] {
        let path = world.write(Path::new("home/project").join(file), "");
        assert!(!has(&["-p", "hi"]), "{file}");
        fs::remove_file(&path).expect("removed");
        let _ = fs::remove_dir_all(world.path("home/project/.claude"));
        let _ = fs::remove_dir_all(world.path("home/project/src"));
        assert!(has(&["-p", "hi"]), "{file}, removed");
    }
    world.write("home/CLAUDE.md", "mine");
    assert!(!has(&["-p", "hi"]), "the user's own, which the switch would silence");
    let older = with_version("2.1.300");
    assert!(!older.run(&["exec", "claude", "--", "-p", "hi"]).ok().contains(SWITCH), "not tried with it");
    let unknown = World::ready();
    assert!(!unknown.run(&["exec", "claude", "--", "-p", "hi"]).ok().contains(SWITCH), "not known");
}

#[test]
fn a_users_own_agent_has_rules_of_its_own() {
    let world = World::ready();
    world.write(
        "home/.config/ringlet/agents/mine.toml",
        "title = \"Mine\"\ncommand = \"mine\"\nprovider = \"openai\"\n[directory]\noptions = [\"--in\"]\n\
         [[api]]\nprotocol = \"chat\"\nkey = \"MY_KEY\"\n\
         [[guard]]\nfile = \"mine.json\"\nformat = \"json\"\nharmless = { theme = \"any\", level = [\"low\", 2] }\n\
         [[guard]]\nfile = \".mine/code\"\nformat = \"code\"\nendings = [\"lua\"]\n",
    );
    world.agent("mine");
    world.store_key("openai/default", "sk-x");
    world.profile("work", "agent = \"mine\"\nprovider = \"openai\"\n");
    for (text, says) in [
        ("{\"theme\":\"x\",\"level\":\"low\"}", None),
        ("{\"level\":2}", None),
        ("{\"level\":\"high\"}", Some("level = high")),
        ("{\"other\":1}", Some("other = 1 is not known to be harmless")),
    ] {
        world.write("home/project/mine.json", text);
        let done = world.run(&["exec", "mine"]);
        match says {
            None => drop(done.ok()),
            Some(says) => drop(done.fails(125, &[says])),
        }
    }
    world.write("home/project/mine.json", "");
    let code = world.write("home/project/.mine/code/deep/a.lua", "x");
    world.run(&["exec", "mine"]).fails(125, &["project/.mine/code would run beside the agent"]);
    world.run(&["allow", ".mine/code"]).ok();
    world.run(&["exec", "mine"]).ok();
    fs::write(code, "y").expect("written");
    world.run(&["exec", "mine"]).fails(125, &["deep/a.lua is not as it was allowed"]);
    // A definition with a mistake says where.
    for (rule, says) in [
        ("\"all\"", "a rule is \"any\""),
        ("{ a = 1 }", "a rule is a text"),
        ("[{ a = 1.5 }]", "a rule is a text"),
        ("[1.5]", "harmless values"),
    ] {
        let text = format!(
            "title = \"M\"\ncommand = \"mine\"\nprovider = \"openai\"\n[[guard]]\nfile = \"x\"\nformat = \"json\"\nharmless = {rule}\n"
        );
        world.write("home/.config/ringlet/agents/mine.toml", text);
        world.run(&["exec", "mine"]).fails(125, &["mine.toml:7:12: ", says]);
    }
}
