//! Records: what they bind, and when they hold.

use super::*;

#[test]
fn a_record_binds_values_and_neither_bytes_nor_what_is_harmless() {
    let world = World::new();
    let hook = |command: &str, more: &str| {
        format!("{{\"hooks\":{{\"Stop\":[{{\"hooks\":[{{\"command\":\"{command}\"}}]}}]}}{more}}}")
    };
    let case = Case { has_variable: true, ..usual("claude") };
    let file = world.write(".claude/settings.json", hook("./x.sh", ""));
    assert_ne!(world.says(&case), "");
    world.allow(&file);
    for harmless in [
        hook("./x.sh", ""),
        hook("./x.sh", ",\"permissions\":{\"allow\":[\"Bash(ls:*)\"]}"),
        hook("./x.sh", " , // a comment\n \"model\": \"opus\""),
        "{\"model\":1,\n\n\"hooks\": {\"Stop\":[{\"hooks\":[{\"comm\\u0061nd\":\"./x.sh\"}]}]}}".to_owned(),
        "{}".to_owned(),
    ] {
        world.write(".claude/settings.json", &harmless);
        assert_eq!(world.says(&case), "", "{harmless}");
    }
    for other in [
        hook("./x.sh; curl evil", ""),
        hook("./x.sh", ",\"statusLine\":{\"command\":\"y\"}"),
        hook("./x.sh", ",\"hooks\":{\"Stop\":[{\"hooks\":[{\"command\":\"y\"}]}]}"),
        "{\"hooks\":{\"Stop\":[{\"hooks\":[{\"command\":\"./x.sh\",\"args\":[\"y\"]}]}]}}".to_owned(),
    ] {
        world.write(".claude/settings.json", &other);
        assert_ne!(world.says(&case), "", "{other}");
    }
    world.write(".claude/settings.json", hook("./y.sh", ""));
    let said = world.says(&case);
    assert!(said.contains("y.sh") && said.contains("(allowed was ") && said.contains("x.sh"), "old and new: {said}");
    // A server is bound as a whole, without its harmless parts.
    let case = usual("gemini");
    let server = |args: &str, more: &str| {
        format!("{{\"mcpServers\":{{\"e\":{{\"command\":\"npx\",\"args\":[{args}]{more}}}}}}}")
    };
    let file = world.write(".gemini/settings.json", server("\"-y\",\"--safe\"", ""));
    world.allow(&file);
    for (text, passes) in [
        (server("\"-y\",\"--safe\"", ",\"timeout\":5"), true),
        (server("\"-y\"", ""), false),
        (server("\"-y\",\"--safe\"", ",\"env\":{\"A\":\"b\"}"), false),
        ("{\"mcpServers\":{\"e\":{\"command\":\"npx\"}}}".to_owned(), false),
        ("{\"mcpServers\":{\"f\":{\"command\":\"npx\",\"args\":[\"-y\",\"--safe\"]}}}".to_owned(), false),
    ] {
        world.write(".gemini/settings.json", &text);
        assert_eq!(world.says(&case).is_empty(), passes, "{text}");
    }
}

#[test]
fn programs_of_the_project_are_bound_by_their_content() {
    for command in [
        "\\\"$CLAUDE_PROJECT_DIR\\\"/.claude/hooks/x.sh --fast",
        "node .claude/hooks/x.sh",
        "./.claude/hooks/x.sh;true",
        "cat a|.claude/hooks/x.sh",
        "sh -c '. .claude/hooks/x.sh'",
        "x --config=.claude/hooks/x.sh",
        "~/shop/.claude/hooks/x.sh",
        "$HOME/shop/.claude/hooks/x.sh",
        "\\\"$(git rev-parse --show-toplevel)/.claude/hooks/x.sh\\\"",
        "cd .claude/hooks && ./x.sh",
        "sh .claude/hooks/x",
        "node -r./.claude/hooks/x.sh",
    ] {
        let world = World::new();
        let case = Case { has_variable: true, ..usual("claude") };
        let file = world.write(".claude/settings.json", format!("{{\"statusLine\":{{\"command\":\"{command}\"}}}}"));
        let script = world.write(".claude/hooks/x.sh", "one");
        world.allow(&file);
        assert_eq!(world.says(&case), "", "{command}");
        fs::write(&script, "two").expect("written");
        let said = world.says(&case);
        assert!(said.contains("x.sh, which it names, has changed since it was allowed"), "{command}: {said}");
        world.allow(&file);
        assert_eq!(world.says(&case), "", "{command}");
        fs::remove_file(&script).expect("removed");
        world.allow(&file);
        fs::write(&script, "three").expect("written");
        let said = world.says(&case);
        assert!(said.contains("was not there when it was allowed"), "{command}: {said}");
    }
}

#[test]
fn a_folder_of_code_is_bound_file_by_file() {
    let world = World::new();
    let case = usual("opencode");
    let plugin = world.write(".opencode/plugins/a.ts", "import './lib/b.json'");
    let data = world.write(".opencode/plugins/lib/b.json", "1");
    let folder = world.project().join(".opencode/plugins");
    let bound = world.allow(&folder);
    assert_eq!(bound[0].files.len(), 2);
    assert_eq!(world.says(&case), "");
    fs::write(&data, "2").expect("written");
    assert!(world.says(&case).contains("lib/b.json is not as it was allowed"), "{}", world.says(&case));
    fs::write(&data, "1").expect("written");
    let new = world.write(".opencode/plugins/c.js", "x");
    assert!(world.says(&case).contains("c.js is not as it was allowed"));
    // One file of the folder can be allowed by itself.
    world.allow(&new);
    assert_eq!(world.says(&case), "");
    fs::remove_file(&plugin).expect("removed");
    fs::remove_file(&new).expect("removed");
    assert_eq!(world.says(&case), "", "nothing there is loaded any more");
}

#[test]
fn records_of_bytes_stay_valid_for_their_bytes() {
    let world = World::new();
    let trust = Trust::new(&world.paths, &[]);
    let case = usual("opencode");
    let config = world.write("opencode.json", r#"{"shell":"./x"}"#);
    world.write(".opencode/plugins/deep/a.ts", "x");
    let folder = world.project().join(".opencode/plugins");
    for path in [&config, &folder] {
        trust.allow(&Evidence::read_any(path, 1 << 20).expect("read"), None).expect("recorded");
    }
    assert_eq!(world.says(&case), "");
    world.write("opencode.json", "{\"shell\":\"./x\"}\n");
    assert!(world.says(&case).contains("shell"), "other bytes");
    world.write("opencode.json", r#"{"shell":"./x"}"#);
    world.write(".opencode/plugins/deep/b.md", "x");
    assert!(world.says(&case).contains(".opencode/plugins"), "{}", world.says(&case));
}

#[test]
fn what_others_may_write_has_not_passed() {
    use std::os::unix::fs::PermissionsExt;
    let open = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("chmod");
    let world = World::new();
    let case = usual("opencode");
    let config = world.write("opencode.json", r#"{"shell":"./x.sh"}"#);
    let script = world.write("x.sh", "x");
    let plugin = world.write(".opencode/plugins/deep/a.ts", "x");
    let folder = world.project().join(".opencode/plugins");
    world.allow(&config);
    world.allow(&folder);
    for (path, mode, back) in
        [(&config, 0o666, 0o644), (&script, 0o722, 0o755), (&plugin, 0o646, 0o644), (&folder, 0o777, 0o755)]
    {
        open(path, 0o600 | back);
        assert_eq!(world.says(&case), "", "{}", path.display());
        open(path, mode);
        assert!(world.says(&case).contains("others may write"), "{}: {}", path.display(), world.says(&case));
        open(path, back);
    }
    // The same holds for a folder inside.
    let deep = folder.join("deep");
    open(&deep, 0o777);
    assert!(world.says(&case).contains("others may write"), "{}", world.says(&case));
    // The same holds for a folder of documents, because another account could add a document.
    let world = World::new();
    let case = Case { has_variable: true, ..usual("claude") };
    let document = world.write(".claude/commands/deep/a.md", "!`./x.sh`\n");
    let (deep, folder) = (world.project().join(".claude/commands/deep"), world.project().join(".claude/commands"));
    world.allow(&document);
    for (path, mode, back) in [(&document, 0o666, 0o644), (&deep, 0o777, 0o755), (&folder, 0o733, 0o755)] {
        assert_eq!(world.says(&case), "", "{}", path.display());
        open(path, mode);
        assert!(world.says(&case).contains("others may write"), "{}: {}", path.display(), world.says(&case));
        open(path, back);
    }
    // The mode of a file counts neither for harmless entries nor for texts for the model.
    let world = World::new();
    world.write(".claude/commands/a.md", "Words.\n");
    open(&world.write("CLAUDE.md", "Words.\n"), 0o666);
    open(&world.project().join(".claude/commands"), 0o777);
    open(&world.write(".claude/settings.json", r#"{"model":"opus"}"#), 0o666);
    assert_eq!(world.says(&case), "");
    open(&world.write("opencode.json", r#"{"theme":"x"}"#), 0o666);
    assert_eq!(world.says(&usual("opencode")), "");
}

#[test]
fn a_denial_holds_for_what_is_harmless_too() {
    let world = World::new();
    for (agent, file) in [
        ("claude", ".mcp.json"),
        ("claude", "CLAUDE.md"),
        ("opencode", "opencode.json"),
        ("opencode", ".opencode/plugin"),
    ] {
        let path = if file.ends_with("plugin") {
            world.write(".opencode/plugin/README.md", "")
        } else {
            world.write(file, "")
        };
        let path = if file.ends_with("plugin") { path.parent().expect("a folder").to_owned() } else { path };
        assert_eq!(world.says(&usual(agent)), "", "{file}");
        Trust::new(&world.paths, &[]).deny(&path).expect("recorded");
        assert!(world.says(&usual(agent)).contains("is denied"), "{file}");
        Trust::new(&world.paths, &[]).allow_values(&path, Bound::default()).expect("recorded");
        assert_eq!(world.says(&usual(agent)), "", "{file}, allowed again");
    }
}
