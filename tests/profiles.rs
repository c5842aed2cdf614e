//! `ringlet profiles`: create, list, inspect, edit, remove, the default, run; and what a profile may say.

use crate::common::world::{KEY, World};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const FILE: &str = "home/.ringlet/profiles/work/ringlet.toml";

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_profile_is_created_listed_inspected_and_removed() {
    let world = World::new();
    assert!(world.run(&["profiles", "list"]).stderr.contains("there is no profile"));
    let done = world.run(&[
        "profiles",
        "create",
        "work",
        "--agent",
        "claude",
        "--provider",
        "anthropic",
        "--key-alias",
        "team",
        "--model",
        "m1",
        "--config-dir",
        "~/.claude-work",
    ]);
    assert!(done.stderr.contains("created profile \"work\": claude with anthropic/team"), "{done:?}");
    assert!(
        done.stderr.contains("there is no key anthropic/team yet; run `ringlet keychain set anthropic team`"),
        "{done:?}"
    );
    assert_eq!(done.ok(), "");
    assert_eq!(
        world.read(FILE),
        "agent = \"claude\"\nprovider = \"anthropic\"\nmodel = \"m1\"\nconfig-dir = \"~/.claude-work\"\n\n[provider-config]\nkey-alias = \"team\"\n"
    );
    assert_eq!(fs::metadata(world.path(FILE)).expect("there").permissions().mode() & 0o022, 0);
    assert_eq!(world.run(&["profiles", "list"]).ok(), "PROFILE  AGENT   ACCOUNT\nwork     claude  anthropic/team\n");
    assert_eq!(
        json(&world.run(&["profiles", "list", "--json"]).ok()),
        serde_json::json!([{ "name": "work", "default": false, "agents": { "claude": { "auth": "key", "provider": "anthropic", "key": "anthropic/team" } } }])
    );
    let seen = world.run(&["profiles", "inspect", "work"]).ok();
    for text in [
        "anthropic/team",
        "https://api.anthropic.com",
        "m1",
        "~/.claude-work",
        "~/.ringlet/profiles/work/ringlet.toml:7",
        "provider anthropic",
    ] {
        assert!(seen.contains(text), "{text} is not in {seen}");
    }
    let seen = json(&world.run(&["profiles", "inspect", "work", "--json"]).ok());
    assert_eq!(seen["agents"]["claude"]["key"], "anthropic/team");
    assert_eq!(seen["agents"]["claude"]["from"]["model"], "~/.ringlet/profiles/work/ringlet.toml:3");
    world
        .run(&["profiles", "create", "work", "--agent", "codex"])
        .fails(1, &["profile \"work\" already exists", "profiles edit work"]);
    world.run(&["profiles", "remove", "work"]).ok();
    assert!(!world.path("home/.ringlet/profiles/work").exists());
    world.run(&["profiles", "remove", "work"]).fails(1, &["profile \"work\" does not exist"]);
}

#[test]
fn a_profile_that_could_not_be_used_is_not_created() {
    let world = World::new();
    let create = |arguments: &[&str]| world.run(&[&["profiles", "create"], arguments].concat());
    create(&["work", "--agent", "calude"])
        .fails(1, &["ringlet: error: unknown agent \"calude\"", "did you mean `claude`?"]);
    create(&["work", "--agent", "claude", "--provider", "antropic"])
        .fails(1, &["ringlet: error: unknown provider \"antropic\"", "did you mean `anthropic`?"]);
    create(&["work", "--agent", "claude", "--endpoint", "chnia", "--provider", "minimax"])
        .fails(1, &["no endpoint \"chnia\"", "did you mean `china`?"]);
    create(&["work", "--agent", "claude", "--endpoint", "http://elsewhere.example"]).fails(1, &["https"]);
    create(&["work", "--agent", "claude", "--model", "a\"b"]).fails(1, &["no model's name holds"]);
    create(&["work", "--agent", "claude", "--model", ""]).fails(1, &["is empty"]);
    create(&["work", "--agent", "claude", "--config-dir", "relative"]).fails(1, &["not an absolute path"]);
    create(&["work", "--agent", "codex", "--provider", "anthropic"]).fails(1, &["Codex cannot use Anthropic"]);
    for bad in ["../work", "Work", "a b", "", "caf\u{e9}", "a/b", ".."] {
        create(&["--agent", "claude", "--", bad]).fails(2, &["profile"]);
        create(&["work", "--agent", "claude", "--key-alias", bad]).fails(2, &["alias"]);
    }
    create(&["work"]).fails(2, &["--agent"]);
    assert!(!world.path("home/.ringlet").exists());
}

#[test]
fn one_profile_serves_several_agents_and_two_profiles_share_a_key() {
    let world = World::ready();
    world.agent("codex");
    world.agent("opencode");
    world.store_key("openai/default", "sk-openai");
    world.store_key("github/work", "ghp-1");
    world.profile(
        "work",
        "agent = \"claude\"\nprovider = \"anthropic\"\nargs = [\"--verbose\"]\nconfig-dir = \"~/.claude-work\"\n\
         [provider-config]\nkey-alias = \"work\"\n[env]\nPLAIN = \"text\"\nSHARED = \"all\"\n[secrets]\nGITHUB_TOKEN = \"github/work\"\n\
         [agents.codex]\nprovider = \"openai\"\nkey-alias = \"default\"\nmodel = \"m2\"\nenv = { SHARED = \"codex\" }\n",
    );
    world.profile("second", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    let seen = world.run(&["exec", "claude", "--", "x"]).ok();
    for line in [&format!("env=ANTHROPIC_API_KEY={KEY}"), "env=PLAIN=text", "env=SHARED=all", "env=GITHUB_TOKEN=ghp-1"]
    {
        assert!(seen.lines().any(|seen| seen == line), "{line} is not in {seen}");
    }
    assert!(seen.contains("arg=--verbose\narg=x\n"), "{seen}");
    let folder = world.path("home/.claude-work");
    assert!(seen.contains(&format!("env=CLAUDE_CONFIG_DIR={}\n", folder.display())), "{seen}");
    assert_eq!(fs::metadata(folder).expect("made").permissions().mode() & 0o777, 0o700);
    let seen = world.run(&["exec", "codex"]).ok();
    assert!(
        seen.contains("env=SHARED=codex\n")
            && seen.contains("env=PLAIN=text\n")
            && seen.contains("env=GITHUB_TOKEN=ghp-1\n"),
        "{seen}"
    );
    assert!(seen.contains("arg=model=\"m2\"\n") && seen.contains("=sk-openai\n") && !seen.contains(KEY), "{seen}");
    assert!(!seen.contains("CLAUDE_CONFIG_DIR"), "{seen}");
    assert!(world.run(&["profiles", "run", "second"]).ok().contains(KEY));
    assert!(world.run(&["profiles", "run", "work", "--agent", "codex"]).ok().contains("sk-openai"));
    // An agent that the profile does not bind starts as if ringlet were not there.
    let seen = world.run(&["exec", "opencode"]).ok();
    assert!(!seen.contains("ghp-1") && !seen.contains("PLAIN") && !seen.contains(KEY), "{seen}");
    assert_eq!(
        world.run(&["profiles", "list"]).ok(),
        "PROFILE  AGENT   ACCOUNT\nsecond   claude  anthropic/work\nwork     claude  anthropic/work\n         codex   openai/default\n"
    );
}

#[test]
fn a_profile_without_a_top_level_agent_asks_which_to_run() {
    let world = World::ready();
    world.agent("codex");
    world.profile(
        "many",
        "[agents.claude]\nprovider = \"anthropic\"\nkey-alias = \"work\"\n[agents.codex]\nprovider = \"openai\"\n",
    );
    world.run(&["profiles", "run", "many"]).fails(125, &["binds several agents: claude, codex", "--agent claude"]);
    assert!(world.run(&["profiles", "run", "many", "--agent", "claude"]).ok().contains(KEY));
    world.profile("one", "[agents.claude]\nprovider = \"anthropic\"\nkey-alias = \"work\"\n");
    assert!(world.run(&["profiles", "run", "one", "--", "x"]).ok().contains("arg=x\n"));
    assert!(world.run(&["profiles", "run", "one", "--dry-run"]).ok().contains("anthropic/work in ANTHROPIC_API_KEY"));
    world.run(&["profiles", "run", "noe"]).fails(125, &["profile \"noe\" does not exist", "did you mean `one`?"]);
}

#[test]
fn an_endpoint_is_a_name_or_a_url() {
    let world = World::ready();
    world.store_key("minimax/default", "mm-key");
    for (endpoint, url) in [
        ("", "https://api.minimax.io/anthropic"),
        ("endpoint = \"china\"", "https://api.minimaxi.com/anthropic"),
        ("endpoint = \"https://gateway.example/mm\"", "https://gateway.example/mm"),
        ("endpoint = \"http://127.0.0.1:8080\"", "http://127.0.0.1:8080"),
    ] {
        world.profile("work", &format!("agent = \"claude\"\nprovider = \"minimax\"\n{endpoint}\n"));
        let seen = world.run(&["exec", "claude"]).ok();
        assert!(seen.contains(&format!("env=ANTHROPIC_BASE_URL={url}\n")), "{seen}");
        assert!(
            seen.contains("env=ANTHROPIC_AUTH_TOKEN=mm-key\n") && seen.contains("env=ANTHROPIC_API_KEY=\n"),
            "{seen}"
        );
    }
}

#[test]
fn every_mistake_names_file_line_column_and_the_closest_word() {
    let world = World::ready();
    let good = "agent = \"claude\"\nprovider = \"anthropic\"\n";
    for (text, place, says) in [
        ("agent = \"claude\"\n", "1:9", "add `provider = \"NAME\"`"),
        ("provider = \"anthropic\"\n", "1:1", "binds no agent"),
        ("", "1:1", "binds no agent"),
        ("agent = \"calude\"\nprovider = \"anthropic\"\n", "1:9", "did you mean `claude`?"),
        ("agent = \"claude\"\nprovider = \"antropic\"\n", "2:12", "did you mean `anthropic`?"),
        ("agent = \"claude\"\nprovider = \"Anthropic\"\n", "2:12", "upper-case letter 'A'"),
        ("agent = \"claude\"\nprovder = \"anthropic\"\n", "2:1", "did you mean `provider`?"),
        ("agent = 1\nprovider = \"anthropic\"\n", "1:9", "expected a string"),
        ("agent = [\"claude\"]\nprovider = \"anthropic\"\n", "1:9", "expected a string"),
        ("agent = \"claude\nprovider = \"anthropic\"\n", "1:16", "string"),
        ("agent = \"claude\"\nprovider = \"anthropic\"\nmodel = \"a\\nb\"\n", "3:9", "no model's name holds"),
        ("agent = \"claude\"\nprovider = \"anthropic\"\nmodel = \"\"\n", "3:9", "is empty"),
        (
            "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"ftp://host.example\"\n",
            "3:12",
            "neither https nor http",
        ),
        ("agent = \"claude\"\nprovider = \"anthropic\"\nconfig-dir = \"x\"\n", "3:14", "not an absolute path"),
        ("agent = \"claude\"\nprovider = \"anthropic\"\nargs = \"--x\"\n", "3:8", "expected a sequence"),
        ("agent = \"claude\"\nprovider = \"anthropic\"\nargs = [\"a\\u0000\"]\n", "3:9", "NUL"),
        (
            "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alais = \"work\"\n",
            "4:1",
            "did you mean `key-alias`?",
        ),
        ("agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"a/b\"\n", "4:13", "'/'"),
        ("agent = \"claude\"\nprovider = \"anthropic\"\n[env]\n1A = \"x\"\n", "4:1", "variable"),
        ("agent = \"claude\"\nprovider = \"anthropic\"\n[env]\nA = 1\n", "4:5", "expected a string"),
        (
            "agent = \"claude\"\nprovider = \"anthropic\"\n[env]\nANTHROPIC_BASE_URL = \"https://x.example\"\n",
            "4:22",
            "use `endpoint` and `key-alias`",
        ),
        (
            "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nANTHROPIC_API_KEY = \"a/b\"\n",
            "4:21",
            "use `endpoint` and `key-alias`",
        ),
        ("agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nX = \"github\"\n", "4:5", "PROVIDER/ALIAS"),
        ("agent = \"claude\"\nprovider = \"anthropic\"\n[agents.claude]\n", "3:9", "bound twice"),
        ("agent = \"claude\"\nprovider = \"anthropic\"\n[agents.codex]\nkey = \"x\"\n", "4:1", "unknown field"),
        ("[agents.claude]\nkey-alias = \"x\"\n", "1:9", "no `provider`"),
        ("model = \"m\"\n[agents.claude]\nprovider = \"anthropic\"\n", "1:9", "belongs to `agent`"),
        ("agent = \"claude\"\nagent = \"claude\"\nprovider = \"anthropic\"\n", "2:1", "duplicate key"),
        ("agent = \"codex\"\nprovider = \"anthropic\"\n", "2:12", "Codex cannot use Anthropic"),
    ] {
        let file = world.profile("work", text);
        let place = format!("{}:{place}: ", file.display());
        world.run(&["profiles", "inspect", "work"]).fails(1, &[&place, says]);
        if !text.contains("codex") && !text.starts_with("agent = \"calude") {
            world.run(&["exec", "claude"]).fails(125, &[&place, says]);
        }
        // Neither is in the way of the others.
        world.profile("good", good);
        world.run(&["profiles", "inspect", "good"]).ok();
        world.run(&["agents", "list"]).ok();
        world.run(&["hook", "zsh"]).ok();
        world.run(&["profiles", "list"]).ok();
    }
}

#[test]
fn values_are_changed_in_place_and_comments_stay() {
    let world = World::ready();
    let before = "# my profile\nagent = \"claude\"   # the one\nprovider = \"anthropic\"\nmodel = \"old\" # dear\n\n# keys\n[provider-config]\nkey-alias = \"work\" # mine\n";
    world.profile("work", before);
    world.run(&["profiles", "edit", "work", "model=new", "provider-config.key-alias=team", "env.A=b c"]).ok();
    let after = before.replace("\"old\"", "\"new\"").replace("\"work\"", "\"team\"") + "\n[env]\nA = \"b c\"\n";
    assert_eq!(world.read(FILE), after);
    world.run(&["profiles", "edit", "work", "env.A=", "args=[\"--x\", \"y\"]"]).ok();
    assert!(world.read(FILE).contains("args = [\"--x\", \"y\"]"));
    let kept = world.read(FILE);
    world
        .run(&["profiles", "edit", "work", "provider=antropic"])
        .fails(1, &["unknown provider \"antropic\"", "did you mean `anthropic`?"]);
    world.run(&["profiles", "edit", "work", "modle=x"]).fails(1, &["unknown field `modle`", "did you mean `model`?"]);
    world.run(&["profiles", "edit", "work", "model"]).fails(2, &["not of the form KEY=VALUE"]);
    world.run(&["profiles", "edit", "work", "=x"]).fails(2, &["is not a key"]);
    world.run(&["profiles", "edit", "work", "model.x=y"]).fails(2, &["is not a table"]);
    world.run(&["profiles", "edit", "wrok", "model=x"]).fails(1, &["does not exist", "did you mean `work`?"]);
    assert_eq!(world.read(FILE), kept);
}

#[test]
fn an_edit_follows_a_symlink_and_keeps_it() {
    let world = World::ready();
    let real = world.write("home/dotfiles/work.toml", world.read(FILE));
    fs::remove_file(world.path(FILE)).expect("removed");
    symlink(&real, world.path(FILE)).expect("linked");
    world.run(&["profiles", "edit", "work", "model=new"]).ok();
    assert!(world.path(FILE).is_symlink());
    assert!(world.read("home/dotfiles/work.toml").contains("model = \"new\""));
}

#[cfg(target_os = "linux")]
#[test]
fn the_editor_works_on_a_copy_that_is_checked_first() {
    let mut world = World::ready();
    world.run(&["profiles", "edit", "work"]).fails(1, &["neither VISUAL nor EDITOR is set", "KEY=VALUE"]);
    let before = world.read(FILE);
    // An editor's own options, and a path that a shell would take apart.
    world.program(
        "ed",
        "#!/bin/sh\n[ \"$1\" = --wait ] || exit 9\nsed -i 's/^provider.*/&\\nmodel = \"from the editor\"/' \"$2\"\n",
    );
    world.set("EDITOR", "ed --wait");
    world.run(&["profiles", "edit", "work"]).ok();
    assert!(world.read(FILE).contains("provider = \"anthropic\"\nmodel = \"from the editor\"\n"));
    world.run(&["profiles", "edit", "work", "model="]).ok();
    assert_eq!(world.read(FILE), before);
    world.program("ed", "#!/bin/sh\necho 'agent = 1' > \"$1\"\n");
    world.set("VISUAL", "ed");
    world.run(&["profiles", "edit", "work"]).fails(1, &[":1:9: ", "nothing was changed; your text is in "]);
    assert_eq!(world.read(FILE), before);
    world.program("ed", "#!/bin/sh\nexit 3\n");
    world.run(&["profiles", "edit", "work"]).fails(1, &["ed ended with", "nothing was changed"]);
    world.set("VISUAL", "no-such-editor");
    world.run(&["profiles", "edit", "work"]).fails(1, &["no-such-editor: cannot be started"]);
    world.set("VISUAL", "  ");
    world.run(&["profiles", "edit", "work"]).fails(1, &["blank"]);
    assert_eq!(world.read(FILE), before);
    // What is broken can be mended.
    world.profile("work", "agent = \"claude\n");
    world.program("ed", &format!("#!/bin/sh\ncat > \"$1\" <<'END'\n{before}END\n"));
    world.set("VISUAL", "ed");
    world.run(&["profiles", "edit", "work"]).ok();
    assert_eq!(world.read(FILE), before);
    assert!(!world.path("home/.ringlet/profiles/work/ringlet.edited.toml").exists());
}

#[test]
fn the_default_is_set_shown_and_unset_with_comments_kept() {
    let world = World::ready();
    world.write("home/.config/ringlet/config.toml", "# mine\n[credentials] # all of them\nbackend = \"file\"\n");
    assert!(world.run(&["profiles", "default"]).stderr.contains("there is no default profile"));
    assert_eq!(json(&world.run(&["profiles", "default", "--json"]).ok()), serde_json::json!({ "default": null }));
    world.run(&["profiles", "default", "work"]).ok();
    assert_eq!(world.run(&["profiles", "default"]).ok(), "work\n");
    let text = world.read("home/.config/ringlet/config.toml");
    assert!(
        text.contains("default-profile = \"work\"")
            && text.contains("[credentials] # all of them\nbackend = \"file\"\n"),
        "{text}"
    );
    assert!(text.contains("# mine"), "{text}");
    world.run(&["profiles", "default", "wrok"]).fails(1, &["does not exist", "did you mean `work`?"]);
    world.run(&["profiles", "default", "work", "--unset"]).fails(2, &["cannot be used with"]);
    let done = world.run(&["profiles", "remove", "work"]);
    assert!(done.stderr.contains("it was the default profile"), "{done:?}");
    done.ok();
    world.run(&["profiles", "default", "--unset"]).ok();
    assert_eq!(
        world.read("home/.config/ringlet/config.toml"),
        "# mine\n[credentials] # all of them\nbackend = \"file\"\n"
    );
}

#[test]
fn a_profile_that_others_may_write_is_refused() {
    let world = World::ready();
    let file = world.path(FILE);
    for mode in [0o664, 0o646] {
        world.chmod(&file, mode);
        if mode == 0o646 || rustix::process::geteuid().is_root() {
            world.run(&["exec", "claude"]).fails(125, &["can be written by others", "chmod go-w"]);
        }
    }
    world.chmod(&file, 0o644);
    world.run(&["exec", "claude"]).ok();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(12345), None).expect("root may");
        world.run(&["exec", "claude"]).fails(125, &["belongs to another user"]);
    }
}

#[test]
fn a_configuration_folder_that_cannot_be_made_is_named() {
    let world = World::ready();
    world.run(&["profiles", "edit", "work", "config-dir=/dev/null/claude"]).ok();
    world.run(&["exec", "claude"]).fails(125, &["the configuration folder /dev/null/claude cannot be created"]);
}

#[test]
fn a_removal_names_the_keys_that_stay_and_what_is_not_there() {
    let world = World::new();
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nGITHUB_TOKEN = \"github/work\"\n");
    world.profile("home", "agent = \"claude\"\nauth = \"login\"\n");
    world.run(&["profiles", "remove", "wrok"]).fails(1, &["profile \"wrok\" does not exist", "did you mean `work`?"]);
    world
        .run(&["profiles", "remove", "nosuch"])
        .fails(1, &["does not exist", "`ringlet profiles list` shows those that there are"]);
    let removed = |name: &str| world.run(&["profiles", "remove", name]).stderr;
    assert_eq!(removed("home"), "ringlet: removed profile \"home\"\n");
    let keys = "its keys anthropic/default, github/work stay where they are stored";
    assert_eq!(removed("work"), format!("ringlet: removed profile \"work\"; {keys}\n"));
}
