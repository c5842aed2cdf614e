//! What Ringlet reads about an account in the agent's installation and in the user's own files: the version, settings
//! that would win over the account, and keys that the agent was told not to use.

use crate::common::world::{KEY, World};
use std::fs;
use std::path::Path;

const GEMINI: &str = "agent = \"gemini\"\nprovider = \"google\"\n[provider-config]\nkey-alias = \"work\"\n";

/// A Claude Code that notes each time it is asked for its version, and then answers as it is told.
fn claude(world: &World, path: &str, answer: &str) {
    let asked = world.path("asked");
    let real = fs::read_to_string(world.agent("stand-in")).expect("a stand-in");
    let real = real.replacen("#!/bin/sh\n", "", 1);
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo x >>'{}'; {answer}; exit 0; fi\n{real}",
        asked.display()
    );
    let file = world.write(path, script);
    world.chmod(&file, 0o755);
}

fn asked(world: &World) -> usize {
    fs::read_to_string(world.path("asked")).unwrap_or_default().lines().count()
}

fn has_descriptor(seen: &str) -> bool {
    seen.contains(&format!("\nfd={KEY}\n"))
}

#[test]
fn a_version_that_no_path_tells_is_asked_once_for_each_program() {
    let world = World::ready();
    claude(&world, "bin/claude", "echo '2.1.330 (Claude Code)'");
    for _ in 0..2 {
        assert!(has_descriptor(&world.run(&["exec", "claude", "--", "hi"]).ok()));
    }
    assert_eq!(asked(&world), 1, "the answer is remembered");
    claude(&world, "bin/claude", "echo '1.0.100 (Claude Code)'");
    let seen = world.run(&["exec", "claude", "--", "hi"]).ok();
    assert!(seen.contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")), "another program is asked anew: {seen}");
    // No answer is one as well, and so is one that never ends.
    for answer in ["true", "echo 'cat (GNU coreutils) 9.1'", "sleep 600", "(sleep 600 &) ; sleep 600"] {
        claude(&world, "bin/claude", answer);
        let before = asked(&world);
        for _ in 0..2 {
            assert!(!has_descriptor(&world.run(&["exec", "claude", "--", "hi"]).ok()), "{answer}");
        }
        assert_eq!(asked(&world) - before, 1, "{answer}");
    }
}

#[test]
fn nothing_is_asked_where_the_path_tells_or_nothing_hangs_on_it_or_the_program_is_refused() {
    let world = World::ready();
    let installed = "Caskroom/claude-code/2.1.330/claude";
    claude(&world, installed, "echo 1.0.0");
    std::os::unix::fs::symlink(world.path(installed), world.path("bin/link")).expect("a link");
    fs::rename(world.path("bin/link"), world.path("bin/claude")).expect("renamed");
    assert!(has_descriptor(&world.run(&["exec", "claude", "--", "hi"]).ok()));
    assert_eq!(asked(&world), 0);
    fs::remove_file(world.path("bin/claude")).expect("removed");
    claude(&world, "bin/claude", "echo 2.1.330");
    world.run(&["exec", "claude", "--", "--help"]).ok();
    assert_eq!(asked(&world), 0, "help hangs on no version");
    fs::remove_file(world.path("bin/claude")).expect("removed");
    claude(&world, "home/project/claude", "echo 2.1.330");
    std::os::unix::fs::symlink(world.path("home/project/claude"), world.path("bin/claude")).expect("a link");
    world.run(&["exec", "claude", "--", "hi"]).fails(125, &["lies inside the project"]);
    assert_eq!(asked(&world), 0, "the project's program is not even asked");
}

#[test]
fn asking_gives_nothing_of_the_account_away_and_a_wrapper_of_ringlet_ends() {
    let mut world = World::ready();
    let told = world.path("told");
    claude(&world, "bin/claude", &format!("{{ env; pwd; }} >'{}'; echo 2.1.330", told.display()));
    for name in ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN"] {
        world.set(name, "left");
    }
    world.run(&["exec", "claude", "--", "hi"]).ok();
    let told = fs::read_to_string(told).expect("asked");
    assert!(!told.contains("left") && !told.contains(KEY) && told.ends_with("\n/\n"), "{told}");
    let ringlet = crate::common::world::RINGLET;
    // One that passes no words on is asked again by each launch below it.
    for words in ["\"$@\"", "hi"] {
        world.program("claude", &format!("#!/bin/sh\nexec '{ringlet}' exec claude -- {words}\n"));
        world.run(&["exec", "claude", "--", "hi"]).fails(125, &["leads back to ringlet"]);
    }
}

#[test]
fn the_users_settings_that_would_move_a_key_refuse_it_where_the_version_lets_them() {
    let world = World::ready();
    let install = |version: &str| claude(&world, "bin/claude", &format!("echo {version}"));
    let settings = |text: &str| drop(world.write("home/.claude/settings.json", text));
    install("2.0.1");
    for (text, says) in [
        ("{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://x.example\"}}", "sets env.ANTHROPIC_BASE_URL, which would win"),
        ("{\"env\":{\"ANTHROPIC_AUTH_TOKEN\":\"t\"}}", "sets env.ANTHROPIC_AUTH_TOKEN"),
        ("{\"apiKeyHelper\":\"x\"}", "sets apiKeyHelper"),
        ("{", "cannot be checked"),
    ] {
        settings(text);
        world.run(&["exec", "claude", "--", "hi"]).fails(125, &["/.claude/settings.json", says, "config-dir"]);
        assert!(world.run(&["status", "claude"]).ok().contains("settings.json"), "{text}");
    }
    for text in [
        "{\"model\":\"opus\",\"env\":{\"EDITOR\":\"vi\",\"ANTHROPIC_MODEL\":\"opus\"}}",
        "{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://api.anthropic.com/\"}}",
    ] {
        settings(text);
        world.run(&["exec", "claude", "--", "hi"]).ok();
    }
    settings("{\"env\":{\"ANTHROPIC_AUTH_TOKEN\":\"t\"}}");
    install("2.1.85");
    world.run(&["exec", "claude", "--", "hi"]).ok();
}

#[test]
fn a_stored_login_or_key_that_an_agent_prefers_refuses_the_profiles_key() {
    let world = World::new();
    for (agent, provider, file, content) in [
        ("grok", "xai", ".grok/auth.json", "{\"session\":{}}"),
        ("pi", "anthropic", ".pi/agent/auth.json", "{\"anthropic\":{\"type\":\"oauth\",\"access\":\"sk-theirs\"}}"),
        ("pi", "anthropic", ".pi/agent/models.json", "{\"providers\":{\"anthropic\":{\"apiKey\":\"sk-theirs\"}}}"),
        ("pi", "moonshot", ".pi/agent/auth.json", "{\"moonshotai\":{\"key\":\"sk-theirs\"}}"),
        ("llm", "openai", ".config/io.datasette.llm/keys.json", "{\"openai\":\"sk-theirs\"}"),
    ] {
        world.agent(agent);
        world.store_key(&format!("{provider}/work"), KEY);
        let text = format!("agent = \"{agent}\"\nprovider = \"{provider}\"\n[provider-config]\nkey-alias = \"work\"\n");
        world.profile("p", &text);
        world.run(&["exec", "--profile", "p", agent]).ok();
        let kept = world.write(Path::new("home").join(file), content);
        let done = world.run(&["exec", "--profile", "p", agent]).fails(125, &[file, "would win", "config-dir"]);
        assert!(!done.stderr.contains("theirs"), "{done:?}");
        fs::remove_file(kept).expect("removed");
    }
}

#[test]
fn gemini_gets_a_key_only_where_its_settings_choose_one() {
    let mut world = World::new();
    world.agent("gemini");
    world.store_key("google/work", "AIzaTESTTESTTESTTESTTESTTESTTESTTESTTEST");
    let run = |world: &World, endpoint: &str| {
        world.profile("p", &format!("{endpoint}{GEMINI}"));
        world.run(&["exec", "--profile", "p", "gemini", "--", "hi"])
    };
    let elsewhere = "endpoint = \"http://127.0.0.1:1\"\n";
    let settings = |text: &str| drop(world.write("home/.gemini/settings.json", text));
    run(&world, "").ok();
    run(&world, elsewhere).fails(125, &["/.gemini/settings.json does not set `security.auth.selectedType`"]);
    settings("{\"security\":{\"auth\":{\"selectedType\":\"gemini-api-key\"}}} // mine");
    run(&world, "").ok();
    run(&world, elsewhere).ok();
    settings("{\"security\":{\"auth\":{\"selectedType\":\"oauth-personal\"}}}");
    for endpoint in ["", elsewhere] {
        run(&world, endpoint).fails(125, &["to another value than \"gemini-api-key\"", "would not be used"]);
    }
    settings("{\"security\":{\"auth\":{\"selectedType\":\"gemini-api-key\"}}}");
    let system = world.write("system.json", "{\"security\":{\"auth\":{\"selectedType\":\"vertex-ai\"}}}");
    world.set("GEMINI_CLI_SYSTEM_SETTINGS_PATH", &system);
    run(&world, "").fails(125, &["system.json sets"]);
}

#[test]
fn a_key_that_claude_was_told_not_to_use_is_refused_where_claude_would_ask() {
    let world = World::ready();
    let end = &KEY[KEY.len() - 20..];
    let list = |file: &str, kind: &str| {
        world.write(file, format!("{{\"history\":[1],\"customApiKeyResponses\":{{\"{kind}\":[\"{end}\"]}}}}"))
    };
    claude(&world, "bin/claude", "echo 1.0.100");
    list("home/.claude.json", "approved");
    world.run(&["exec", "claude", "--", "hi"]).ok();
    list("home/.claude.json", "rejected");
    let done = world
        .run(&["exec", "claude", "--", "hi"])
        .fails(125, &["anthropic/work", "customApiKeyResponses.rejected", "/.claude.json"]);
    assert!(!done.stderr.contains(end), "{done:?}");
    let shown = world.run(&["status", "claude"]).ok();
    assert!(shown.contains("was told not to use it") && !shown.contains("wins") && !shown.contains(end), "{shown}");
    // Without a dialog it uses the key, and a key through the pipe as well.
    world.run(&["exec", "claude", "--", "-p", "hi"]).ok();
    claude(&world, "bin/claude", "echo 2.1.330");
    assert!(has_descriptor(&world.run(&["exec", "claude", "--", "hi"]).ok()));
    // The older place of the same file comes first.
    claude(&world, "bin/claude", "echo 1.0.100");
    list("home/.claude/.config.json", "approved");
    world.run(&["exec", "claude", "--", "hi"]).ok();
    // A folder of the profile's own has its own list.
    list("home/.claude-work/.claude.json", "rejected");
    world.profile(
        "work",
        "agent = \"claude\"\nprovider = \"anthropic\"\nconfig-dir = \"~/.claude-work\"\n[provider-config]\nkey-alias = \"work\"\n",
    );
    world.run(&["exec", "claude", "--", "hi"]).fails(125, &["/.claude-work/.claude.json"]);
}

#[test]
fn a_first_word_that_is_the_path_of_the_agents_program_is_that_program() {
    let world = World::ready();
    let bundled = "extensions/anthropic.claude-code-2.1.330-linux-x64/resources/native-binary/claude";
    claude(&world, bundled, "echo unasked");
    let program = world.path(bundled).display().to_string();
    let seen = world.run(&["exec", "claude", "--", &program, "--output-format", "json"]).ok();
    assert!(has_descriptor(&seen) && seen.contains("arg=--output-format\narg=json\n"), "{seen}");
    assert!(!seen.contains(&format!("arg={program}")), "{seen}");
    // The rules for a program hold for this one.
    claude(&world, "home/project/claude", "echo 2.1.330");
    let inside = world.path("home/project/claude").display().to_string();
    world.run(&["exec", "claude", "--", &inside, "hi"]).fails(125, &["lies inside the project"]);
    // What is no executable of the agent's name is a word like any other.
    let note = world.write("notes/claude", "a text").display().to_string();
    for word in [note.as_str(), "/nonexistent/claude", "claude", "/bin/sh"] {
        let seen = world.run(&["exec", "claude", "--", word]).ok();
        assert!(seen.contains(&format!("arg={word}\n")), "{word}: {seen}");
    }
    // Nor is a link of Ringlet's own.
    world.run(&["shims", "install", "claude"]).ok();
    let link = world.path("home/.local/state/ringlet/shims/claude").display().to_string();
    assert!(world.run(&["exec", "claude", "--", &link]).ok().contains(&format!("arg={link}\n")));
}

#[test]
fn teams_in_other_terminals_are_refused_for_a_key_and_left_to_a_login() {
    let world = World::ready();
    claude(&world, "bin/claude", "echo 2.1.330");
    let run = |words: &[&str]| world.run(&[&["exec", "claude", "--"], words].concat());
    assert!(run(&["hi"]).ok().contains("arg=--teammate-mode\narg=in-process\n"));
    for words in [&["--teammate-mode", "tmux"][..], &["hi", "--teammate-mode=auto"]] {
        run(words).fails(125, &["starts others in other terminals", "run `claude --teammate-mode in-process`"]);
    }
    run(&["--teammate-mode", "in-process"]).ok();
    world.profile("work", "agent = \"claude\"\nauth = \"login\"\n");
    world.write("home/.claude/.credentials.json", "{\"claudeAiOauth\":{}}");
    assert!(run(&["--teammate-mode", "tmux"]).ok().contains("arg=--teammate-mode\narg=tmux\n"));
}
