//! The places that are searched for files of the agent.

use super::*;

#[test]
fn files_are_looked_at_above_the_directory_as_far_as_the_agent_looks() {
    let world = World::new();
    fs::create_dir_all(world.project().join("a/b")).expect("folders");
    let gemini = usual("gemini");
    let refused = |directory: &str, case: &Case| !world.inspect_from(directory, case).findings.is_empty();
    world.write("a/.env", "HTTPS_PROXY=x");
    assert!(refused("a/b", &gemini) && refused("a", &gemini) && !refused(".", &gemini));
    world.write("a/.claude/settings.json", r#"{"apiKeyHelper":"x"}"#);
    let claude = usual("claude");
    assert!(refused("a", &claude) && !refused("a/b", &claude), "not above the directory");
    world.write(".claude/settings.local.json", r#"{"apiKeyHelper":"x"}"#);
    assert!(refused("a/b", &claude), "in the root of the repository");
    // Files directly in the home directory belong to the user. Files above it do not.
    fs::write(world.home().join(".env"), "HTTPS_PROXY=x").expect("written");
    assert!(!refused(".", &gemini));
    fs::write(world.home().parent().expect("above").join(".env"), "HTTPS_PROXY=x").expect("written");
    assert!(refused(".", &gemini));
}

#[test]
fn what_a_runtime_reads_counts_where_the_agent_is_started() {
    let world = World::new();
    fs::create_dir(world.project().join("ev")).expect("a folder");
    let count = |agent, here, directory| world.inspect_in(here, directory, &usual(agent)).findings.len();
    world.write("bunfig.toml", "preload = [\"./p.js\"]");
    fs::remove_dir(world.project().join(".git")).expect("removed");
    assert_eq!((count("cline", ".", "ev"), count("cline", "ev", "ev")), (1, 0));
    world.write("opencode.json", r#"{"shell":"./x.sh"}"#);
    world.write("node_modules/esprima/index.js", "x");
    let other = world.home().join("other");
    fs::create_dir(&other).expect("a folder");
    assert_eq!(count("opencode", ".", "../other"), 1, "the module alone, and not the project's configuration");
    assert_eq!(count("opencode", "../other", "../other"), 0);
}

#[test]
fn a_git_file_is_followed_wherever_it_leads() {
    let world = World::new();
    let claude = usual("claude");
    fs::create_dir_all(world.project().join("store/worktrees/x")).expect("folders");
    world.write("unpacked/.git", "gitdir: ../store/worktrees/x\n");
    world.write("store/worktrees/x/commondir", "../..\n");
    let directory = world.project().join("unpacked");
    assert!(world.inspect_from("unpacked", &claude).findings.is_empty(), "{}", directory.display());
    let file = world.write("store/.claude/settings.local.json", r#"{"apiKeyHelper":"x"}"#);
    let found = world.inspect_from("unpacked", &claude).findings;
    assert_eq!(found.iter().map(|finding| &finding.file).collect::<Vec<_>>(), [&file]);
}

#[test]
fn what_the_users_words_name_counts_where_it_lies_in_the_project() {
    let world = World::new();
    world.write("s.json", r#"{"apiKeyHelper":"x"}"#);
    world.write("extra/.mcp.json", r#"{"mcpServers":{"f":{"command":"x"}}}"#);
    world.write("plug/x.js", "x");
    fs::write(world.home().join("own.json"), r#"{"apiKeyHelper":"x"}"#).expect("written");
    let count = |words: &[&'static str]| {
        let case = Case { words: words.to_vec(), has_variable: true, ..usual("claude") };
        world.inspect(&case).findings.len()
    };
    assert_eq!(count(&["-p", "hi"]), 0);
    assert_eq!(count(&["--settings", "s.json"]), 1);
    assert_eq!(count(&["--settings=./s.json", "-p", "hi"]), 1);
    assert_eq!(count(&["--settings", "../own.json"]), 0, "the user's own");
    assert_eq!(count(&["--settings", "{\"apiKeyHelper\":\"x\"}"]), 0, "the user's own words");
    assert_eq!(count(&["--add-dir", "extra"]), 1);
    assert_eq!(count(&["--add-dir", "nowhere", "extra", "-p"]), 1);
    assert_eq!(count(&["--mcp-config", "extra/.mcp.json"]), 1);
    assert_eq!(count(&["--plugin-dir", "plug"]), 1);
    // Aider works in the repository of a file that an argument names.
    let other = world.home().join("other");
    fs::create_dir_all(other.join(".git")).expect("folders");
    fs::create_dir_all(other.join("src")).expect("folders");
    fs::write(other.join("src/a.py"), "").expect("written");
    fs::write(other.join(".env"), "OPENAI_API_BASE=x").expect("written");
    for (words, found) in [
        (&["--message", "hi"][..], 0),
        (&["../other/src/a.py"], 1),
        (&["--file", "../other/src/a.py"], 1),
        (&["--fil=../other/src/a.py"], 1),
        (&["../other"], 1),
        (&["../other/new.py"], 1),
        (&["../other/new/deep.py"], 1),
    ] {
        let case = Case { words: words.to_vec(), ..usual("aider") };
        assert_eq!(world.inspect(&case).findings.len(), found, "{words:?}");
    }
}

#[test]
fn anything_of_the_agents_is_seen_and_nothing_else_is() {
    let world = World::new();
    for agent in ["claude", "opencode"] {
        assert!(!world.inspect(&usual(agent)).anything, "{agent}");
    }
    fs::write(world.home().join("CLAUDE.md"), "mine").expect("written");
    let seen = world.inspect(&usual("claude"));
    assert!(seen.anything && seen.findings.is_empty(), "the user's own, which the agent reads as well");
    // The agent reads files of a folder below the directory once it works there.
    let agent = world.registry.agent(&"claude".parse().expect("valid")).expect("built in");
    let is_bare = || is_bare_below(&agent, &world.project());
    world.write("src/deep/main.rs", "");
    assert!(is_bare());
    let file = world.write("src/deep/CLAUDE.md", "");
    assert!(!is_bare());
    fs::remove_file(file).expect("removed");
    world.write("src/.claude/skills/a/SKILL.md", "");
    assert!(!is_bare());
    fs::remove_dir_all(world.project().join("src")).expect("removed");
    (0..300).for_each(|at| drop(world.write(&format!("src/f{at}"), "")));
    assert!(!is_bare(), "more than is searched");
}
