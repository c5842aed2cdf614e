//! `ringlet exec`: what the agent gets, and what it keeps of the process that started it.

#[cfg(target_os = "linux")]
use crate::common::keyring::{Keyring, State};
use crate::common::world::{KEY, RINGLET, World, finish};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::Stdio;

/// An agent that shows its environment byte for byte, since a shell drops what it cannot name. What follows is the
/// script itself.
const BARE: &str = "#!/bin/cat /proc/self/environ\n";

#[test]
fn the_agent_gets_the_key_its_words_and_nothing_that_competes() {
    let mut world = World::ready();
    world.set("ANTHROPIC_AUTH_TOKEN", "leftover");
    world.set("ANTHROPIC_BASE_URL", "https://elsewhere.example");
    let seen = world.run(&["exec", "claude", "--", "-p", "a b", "", "--"]).ok();
    assert!(seen.contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")), "{seen}");
    assert!(seen.contains("env=ANTHROPIC_BASE_URL=https://api.anthropic.com\n"), "{seen}");
    assert!(!seen.contains("leftover"), "{seen}");
    assert!(seen.contains("arg=-p\narg=a b\narg=\narg=--\n"), "{seen}");
}

#[test]
fn without_a_profile_the_agent_starts_as_if_ringlet_were_not_there() {
    let mut world = World::new();
    let agent = world.agent("claude");
    world.set("ANTHROPIC_API_KEY", "my own");
    let through = world.run(&["exec", "claude", "--", "x"]).ok();
    let direct = finish(world.process(agent).arg("x")).ok();
    let without_pid = |text: &str| text.lines().filter(|line| !line.starts_with("pid=")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_pid(&through), without_pid(&direct));
}

#[test]
fn the_agent_has_ringlets_pid() {
    let world = World::ready();
    let child = world.process(RINGLET).args(["exec", "claude"]).stdout(Stdio::piped()).spawn().expect("starts");
    let pid = child.id();
    let seen = child.wait_with_output().expect("ends").stdout;
    assert!(String::from_utf8_lossy(&seen).starts_with(&format!("pid={pid}\n")));
}

#[test]
fn the_agents_exit_status_is_ringlets() {
    let world = World::ready();
    world.program("claude", "#!/bin/sh\nexit 42\n");
    world.run(&["exec", "claude"]).fails(42, &[]);
    world.program("claude", "#!/bin/sh\nkill -TERM $$\n");
    let status = world.process(RINGLET).args(["exec", "claude"]).status().expect("starts");
    assert_eq!(status.signal(), Some(15));
    assert_eq!(world.sh("ringlet exec claude; echo \"status $?\"").ok(), "status 143\n");
}

#[test]
fn what_fails_before_the_agent_has_its_own_status() {
    let world = World::ready();
    world
        .run(&["exec", "--profile", "wrok", "claude"])
        .fails(125, &["profile \"wrok\" does not exist", "did you mean `work`?"]);
    world.run(&["exec", "--profile", "Work", "claude"]).fails(125, &["upper-case letter 'W'"]);
    world.run(&["exec", "--profile", "work", "codex"]).fails(125, &["profile \"work\" does not bind codex"]);
    world.run(&["exec"]).fails(125, &["required arguments"]);
    world.run(&["-q", "exec", "--bogus"]).fails(125, &["--bogus"]);
    world.run(&["exec", "gemini"]).fails(127, &["gemini: not found on PATH", "install gemini"]);
    let plain = world.write("bin/gemini", "#!/bin/sh\n");
    world.run(&["exec", "gemini"]).fails(126, &["gemini: not executable", "chmod +x"]);
    world.chmod(&plain, 0o755);
    world.run(&["exec", "gemini"]).ok();
    world.program("gemini", "#!/nonexistent/interpreter\n");
    world.run(&["exec", "gemini"]).fails(127, &["bin/gemini: No such file"]);
    fs::remove_file(&plain).expect("removed");
    fs::create_dir(&plain).expect("a folder");
    world.run(&["exec", "gemini"]).fails(127, &["gemini: not found on PATH"]);
}

#[test]
fn a_missing_key_is_named_with_the_command_that_stores_it() {
    let world = World::ready();
    world.run(&["keychain", "remove", "anthropic", "work"]).ok();
    world.run(&["exec", "claude"]).fails(
        125,
        &[
            "ringlet: error: profile \"work\" has no key anthropic/work in ",
            "ringlet: hint: run `ringlet keychain set anthropic work`",
        ],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn invocations_that_need_no_key_start_without_a_lookup() {
    // A lookup would end in an error here, and leave a line in the log.
    let keyring = Keyring::start(State::HungActivation);
    let world = World::on(&keyring);
    world.configure("[credentials]\ntimeout = 0.2\n[audit]\nenabled = true\n");
    world.agent("claude");
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n");
    world.allow("profile = \"work\"\n");
    for words in [&["--version"][..], &["-h"], &["mcp", "list"], &["update"]] {
        let arguments = [&["exec", "claude", "--"], words].concat();
        let seen = world.run(&arguments).ok();
        assert!(seen.contains(&format!("arg={}\n", words[0])), "{seen}");
        assert!(!seen.contains("API_KEY"), "{seen}");
    }
    let log = world.path("home/.local/state/ringlet/audit.jsonl");
    assert_eq!(fs::read(&log).unwrap_or_default(), b"");
    world.run(&["exec", "claude", "--", "-p", "--version"]).fails(125, &["the keychain did not answer within 200ms"]);
    assert_eq!(fs::read_to_string(&log).expect("a log").lines().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_dry_run_prints_the_plan_and_looks_nothing_up() {
    let keyring = Keyring::start(State::HungActivation);
    let mut world = World::on(&keyring);
    world.agent("claude");
    world.profile(
        "work",
        "agent = \"claude\"\nprovider = \"anthropic\"\nmodel = \"m1\"\n[provider-config]\nkey-alias = \"work\"\n",
    );
    world.allow("profile = \"work\"\n");
    world.set("ANTHROPIC_AUTH_TOKEN", "leftover");
    let seen = world.run(&["exec", "--dry-run", "claude", "--", "-p", "hi"]).ok();
    for line in [
        format!("start      {}", world.path("bin/claude").display()),
        "argument   -p".into(),
        "argument   hi".into(),
        "profile    work".into(),
        "provider   anthropic".into(),
        "endpoint   https://api.anthropic.com".into(),
        "take away  ANTHROPIC_AUTH_TOKEN".into(),
        "set        ANTHROPIC_BASE_URL=https://api.anthropic.com".into(),
        "set        ANTHROPIC_MODEL=m1".into(),
        "key        anthropic/work in ANTHROPIC_API_KEY".into(),
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line:?} is not in {seen}");
    }
    assert!(!seen.contains("leftover"), "{seen}");
    let json = world.run(&["--json", "exec", "--dry-run", "claude", "--", "-p"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["arguments"], serde_json::json!(["-p"]));
    assert_eq!(json["profile"]["unset"], serde_json::json!(["ANTHROPIC_AUTH_TOKEN"]));
    assert_eq!(json["profile"]["secrets"][0]["delivery"], "variable");
    let none = world.run(&["exec", "--dry-run", "claude", "--", "--version"]).ok();
    assert!(none.contains("key        none: `claude --version` needs no key"), "{none}");
}

#[test]
fn the_command_line_wins_over_the_project_and_that_over_the_default() {
    let world = World::ready();
    for name in ["other", "usual"] {
        world.profile(name, &format!("agent = \"claude\"\nprovider = \"anthropic\"\n[env]\nWHICH = \"{name}\"\n[provider-config]\nkey-alias = \"work\"\n"));
    }
    world.run(&["profiles", "default", "usual"]).ok();
    let which = |arguments: &[&str]| {
        let seen = world.run(arguments).ok();
        seen.lines().find_map(|line| line.strip_prefix("env=WHICH=")).unwrap_or("work").to_owned()
    };
    assert_eq!(which(&["exec", "claude"]), "work");
    assert_eq!(which(&["exec", "--profile", "other", "claude"]), "other");
    for words in [&["other"][..], &["other", "claude"], &["other", "--agent", "claude"]] {
        assert_eq!(which(&[&["profiles", "run"], words].concat()), "other");
    }
    world.run(&["profiles", "run", "other", "claude", "--agent", "claude"]).fails(2, &["cannot be used with"]);
    world.allow("profile = \"work\"\n[agents]\nclaude = \"other\"\n");
    assert_eq!(which(&["exec", "claude"]), "other");
    world.allow("[agents]\ncodex = \"work\"\n");
    assert_eq!(which(&["exec", "claude"]), "usual");
    fs::remove_file(world.path("home/project/.ringlet.toml")).expect("removed");
    assert_eq!(which(&["exec", "claude"]), "usual");
}

#[cfg(target_os = "linux")]
#[test]
fn sigpipe_is_handed_on_as_it_was() {
    let world = World::ready();
    world.program("claude", "#!/bin/sh\ngrep SigIgn /proc/$$/status\n");
    let ignored = |script: &str| {
        let seen = world.sh(script).ok();
        let mask = u64::from_str_radix(seen.trim().rsplit('\t').next().expect("a mask"), 16).expect("a mask");
        mask & (1 << 12) != 0
    };
    assert!(!ignored("trap - PIPE; ringlet exec claude"));
    assert!(ignored("trap '' PIPE; ringlet exec claude"));
}

#[test]
fn limits_are_handed_on_as_they_were() {
    let world = World::ready();
    world.program("claude", "#!/bin/sh\nulimit -Sc\nulimit -Hc\n");
    for limit in ["0", "8", "64"] {
        let script = format!("ulimit -Hc 64 && ulimit -Sc {limit} && ringlet exec claude");
        assert_eq!(world.sh(&script).ok(), format!("{limit}\n64\n"));
    }
}

#[test]
fn stdin_is_the_agents() {
    let world = World::ready();
    world.program("claude", "#!/bin/sh\nexec cat\n");
    assert_eq!(world.feed(&["exec", "claude"], "one\ntwo").ok(), "one\ntwo");
}

/// An npm-like installation: the package below `lib`, a link to its script in `bin`.
fn installed(world: &World, version: &str) {
    let package = "lib/node_modules/@anthropic-ai/claude-code";
    let script = fs::read_to_string(world.agent("claude")).expect("a script");
    let script = world.write(format!("{package}/cli.js"), script);
    world.chmod(&script, 0o755);
    world.write(
        format!("{package}/package.json"),
        format!("{{\"name\":\"@anthropic-ai/claude-code\",\"version\":\"{version}\"}}"),
    );
    fs::remove_file(world.path("bin/claude")).expect("removed");
    symlink(script, world.path("bin/claude")).expect("linked");
}

#[test]
fn a_projects_servers_are_refused_only_where_they_could_read_the_key() {
    let world = World::ready();
    world.write("home/project/.mcp.json", "{\"mcpServers\": {\"x\": {\"command\": \"x\"}}}");
    world.run(&["exec", "claude"]).fails(125, &[".mcp.json: mcpServers = {x: {command: "]);
    installed(&world, "99.0.0");
    assert!(world.run(&["exec", "claude"]).ok().contains(&format!("\nfd={KEY}\n")));
    world.run(&["exec", "claude", "--", "--bare"]).fails(125, &[".mcp.json"]);
}

#[test]
fn a_new_enough_claude_reads_its_key_from_a_descriptor_and_no_variable_holds_it() {
    let world = World::ready();
    installed(&world, "99.0.0");
    let seen = world.run(&["exec", "claude"]).ok();
    assert!(seen.contains(&format!("\nfd={KEY}\n")), "{seen}");
    assert_eq!(seen.matches(KEY).count(), 1, "{seen}");
    assert!(!seen.contains("ANTHROPIC_API_KEY"), "{seen}");
    installed(&world, "0.2.1");
    let seen = world.run(&["exec", "claude"]).ok();
    assert!(seen.contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")) && !seen.contains("fd="), "{seen}");
}

#[test]
fn codex_gets_a_provider_of_its_own_and_the_key_in_its_variable() {
    let world = World::ready();
    world.agent("codex");
    world.store_key("openai/default", "sk-openai");
    world.profile("codex", "agent = \"codex\"\nprovider = \"openai\"\n");
    let seen = world.run(&["profiles", "run", "codex", "--", "hi", "there"]).ok();
    assert!(seen.contains("arg=model_providers.ringlet.env_key=\"RINGLET_API_KEY\"\n"), "{seen}");
    assert!(seen.contains("env=RINGLET_API_KEY=sk-openai\n") && seen.contains("\narg=hi\narg=there\n"), "{seen}");
    assert_eq!(seen.matches("sk-openai").count(), 1, "{seen}");
}

#[test]
fn variables_that_are_not_utf8_pass_unchanged() {
    let mut world = World::ready();
    world.program("claude", BARE);
    let odd = OsString::from_vec(b"v\xff\xfe=\n\x01".to_vec());
    world.set("ODD_VALUE", odd);
    let name = OsString::from_vec(b"N\xffAME".to_vec());
    let mut ringlet = world.process(RINGLET);
    ringlet.args(["exec", "claude"]).env(name, "x").env("a b", "y").stdout(Stdio::piped());
    let started = ringlet.spawn().expect("starts");
    let pid = started.id();
    let output = started.wait_with_output().expect("ends");
    let all: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
    for wanted in [&b"ODD_VALUE=v\xff\xfe=\n\x01"[..], b"N\xffAME=x", b"a b=y"] {
        assert!(all.contains(&wanted), "{wanted:?} is not in {:?}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(all.contains(&format!("ANTHROPIC_API_KEY={KEY}").as_bytes()));
    // Of ringlet's own the names of what it set and the number of the process stay behind, and nothing else.
    let own: Vec<&[u8]> = all.iter().filter(|pair| pair.starts_with(b"RINGLET_")).copied().collect();
    assert_eq!(
        own.iter().map(|pair| String::from_utf8_lossy(pair).into_owned()).collect::<Vec<_>>(),
        [
            format!("RINGLET_LAUNCH={pid}:1:claude"),
            "RINGLET_SET=ANTHROPIC_API_KEY,ANTHROPIC_BASE_URL,CLAUDE_CODE_DISABLE_AGENT_VIEW,CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"
                .to_owned(),
        ]
    );
}

#[test]
fn the_shells_last_command_is_the_agent_and_not_ringlet() {
    let mut world = World::ready();
    let agent = world.program("claude", BARE);
    world.set("_", RINGLET);
    let seen = world.run(&["exec", "claude"]).ok();
    assert!(seen.split('\0').any(|pair| pair == format!("_={}", agent.display())), "{seen:?}");
}

#[test]
fn the_agent_sees_its_command_as_its_own_name() {
    let world = World::ready();
    fs::copy("/bin/sh", world.path("bin/claude")).expect("copied");
    assert_eq!(world.run(&["exec", "claude", "--", "-c", "echo $0"]).ok(), "claude\n");
}

#[test]
fn a_script_without_an_interpreter_starts_as_in_a_shell() {
    let world = World::ready();
    world.program("claude", "printf '<%s>' \"$@\"\n");
    assert_eq!(world.run(&["exec", "claude", "--", "a b", "c"]).ok(), "<a b><c>");
}

#[test]
fn a_program_that_this_machine_cannot_run_is_no_script() {
    let world = World::ready();
    for content in
        [&b"\x7fELFgarbage\necho ran\n"[..], b"\x7fELF\necho ran", b"echo ran\n\0", b"\xcf\xfa\xed\xfe\0\necho ran\n"]
    {
        let program = world.write("bin/claude", content);
        world.chmod(&program, 0o755);
        let done = world.run(&["exec", "claude"]).fails(126, &["Exec format error"]);
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn agents_start_from_folders_with_any_name() {
    for name in
        ["a b", "it's", "quote\"s", "$(touch owned)", "`touch owned`", "new\nline", "-n", "caf\u{e9}", "back\\slash"]
    {
        let mut world = World::ready();
        let folder = world.path("tools").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::rename(world.path("bin/claude"), folder.join("claude")).expect("moved");
        let mut search = folder.clone().into_os_string();
        search.push(":/usr/bin:/bin");
        world.set("PATH", search);
        let seen = world.run(&["exec", "claude", "--", "x"]).ok();
        assert!(seen.contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")) && seen.contains("arg=x\n"), "{seen}");
        let status = world.run(&["status"]).ok();
        assert!(!status.contains("new\nline"), "{status}");
        world.run(&["--audit-log", "exec", "claude"]).ok();
        world.run(&["audit", "verify"]).ok();
        assert!(!world.path("home/project/owned").exists());
    }
}

#[test]
fn a_path_without_a_usable_folder_finds_nothing() {
    let mut world = World::ready();
    let agent = fs::read_to_string(world.path("bin/claude")).expect("a script");
    let inside = world.write("home/project/claude", agent);
    world.chmod(&inside, 0o755);
    for search in ["", ".", ":", "bin:../bin", "/nonexistent", "/dev/null"] {
        world.set("PATH", search);
        world.run(&["exec", "claude"]).fails(127, &["claude: not found on PATH"]);
    }
    world.unset("PATH");
    world.run(&["exec", "claude"]).fails(127, &["claude: not found on PATH"]);
}

#[test]
fn a_link_named_after_the_agent_starts_it_with_its_key() {
    let mut world = World::ready();
    let folder = PathBuf::from(world.run(&["shims", "install", "claude"]).ok().trim());
    let search = format!("{}:{}:/usr/bin:/bin", folder.display(), world.path("bin").display());
    world.set("PATH", search);
    // The words are the agent's, even those that ringlet would know.
    let seen = finish(world.process("claude").args(["exec", "--json", "--", "--help"])).ok();
    assert!(seen.contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")), "{seen}");
    assert!(seen.contains("arg=exec\narg=--json\narg=--\narg=--help\n"), "{seen}");
    // argv[0] alone decides.
    let mut named = world.process(RINGLET);
    named.arg0("claude").arg("y");
    assert!(finish(&mut named).ok().contains("arg=y\n"));
    // `ringlet exec` passes the links over, too.
    assert!(world.run(&["exec", "claude"]).ok().contains(KEY));
}

#[test]
fn a_link_that_leads_only_to_itself_is_an_agent_that_is_not_there() {
    let mut world = World::ready();
    fs::remove_file(world.path("bin/claude")).expect("removed");
    symlink(RINGLET, world.path("bin/claude")).expect("linked");
    let folder = PathBuf::from(world.run(&["shims", "install", "claude"]).ok().trim());
    world.set("PATH", format!("{}:{}:/usr/bin:/bin", folder.display(), world.path("bin").display()));
    finish(&mut world.process("claude")).fails(127, &["claude: not found on PATH"]);
    world.run(&["exec", "claude"]).fails(127, &["claude: not found on PATH"]);
}

/// A copy of ringlet in a folder of its own, as another version would be.
fn copy(world: &World, to: &str) -> PathBuf {
    let to = world.path(to);
    fs::create_dir_all(to.parent().expect("in the world")).expect("a folder");
    fs::copy(RINGLET, &to).expect("copied");
    to
}

#[test]
fn two_ringlets_that_lead_to_each_other_end_with_an_error() {
    // By link, and as plain copies under the agent's name.
    for (one, two) in [("one/ringlet", "two/ringlet"), ("one/claude", "two/claude"), ("one/ringlet", "two/claude")] {
        let mut world = World::ready();
        for path in [one, two] {
            let real = copy(&world, path);
            if !path.ends_with("claude") {
                symlink(&real, real.with_file_name("claude")).expect("linked");
            }
        }
        world.set("PATH", format!("{}:{}:/usr/bin:/bin", world.path("one").display(), world.path("two").display()));
        finish(&mut world.process("claude"))
            .fails(125, &["leads back to ringlet", "take the link or script out of PATH"]);
        // With the real agent behind them both, the first one found still wins, and still is not it.
        world.run(&["exec", "claude"]).fails(125, &["leads back to ringlet"]);
    }
}

#[test]
fn a_wrapper_that_calls_ringlet_again_ends_with_an_error() {
    for script in [
        "exec RINGLET exec claude -- \"$@\"",
        "RINGLET exec claude -- \"$@\"\nexit $?",
        "RINGLET exec claude | cat; exit 125",
    ] {
        let world = World::ready();
        world.program("claude", &format!("#!/bin/sh\n# ringlet\n{}\n", script.replace("RINGLET", RINGLET)));
        world.run(&["exec", "claude", "--", "x"]).fails(125, &["leads back to ringlet"]);
    }
}

#[test]
fn a_wrapper_that_hides_whom_it_calls_ends_with_an_error_too() {
    let world = World::ready();
    let ringlet = assert_cmd::cargo::cargo_bin("ringlet");
    symlink(ringlet, world.path("r")).expect("linked");
    let call = world.path("r").display().to_string();
    for script in [
        format!("#!/bin/sh\nexec {call} exec claude -- \"$@\"\n"),
        format!("#!/bin/sh\n{call} exec claude -- \"$@\"\n"),
    ] {
        world.program("claude", &script);
        world.run(&["exec", "claude", "--", "x"]).fails(125, &["leads back to ringlet"]);
    }
    // Without a profile as well, whether it keeps its process or leaves one behind each time.
    fs::remove_file(world.path("home/project/.ringlet.toml")).expect("removed");
    for keyword in ["exec ", ""] {
        world.program("claude", &format!("#!/bin/sh\n{keyword}{call} exec claude -- \"$@\"\n"));
        world.run(&["exec", "claude", "--", "x"]).fails(125, &["leads back to ringlet"]);
    }
}

#[test]
fn a_wrapper_may_call_another_profiles_agent_and_an_agent_may_start_itself() {
    let world = World::ready();
    // The wrapper mentions ringlet and yet starts the real thing, which starts itself once more through ringlet.
    let real = world.path("real");
    fs::create_dir(&real).expect("a folder");
    fs::rename(world.agent("claude"), real.join("agent")).expect("moved");
    let inner = format!(
        "#!/bin/sh\nif [ \"$1\" = again ]; then {RINGLET} exec claude -- second; exit $?; fi\nexec {} \"$@\"\n",
        real.join("agent").display()
    );
    world.program("claude", &inner);
    let seen = world.run(&["exec", "claude", "--", "again"]).ok();
    assert!(seen.contains("arg=second\n"), "{seen}");
}

#[test]
fn what_is_no_agent_starts_as_it_is_and_is_said_to_be_none() {
    let world = World::ready();
    world.program("tool", "#!/bin/sh\necho ran\n");
    for (command, says) in
        [("tool", "`ringlet run -- tool` gives a command secrets"), ("calude", "did you mean `claude`?")]
    {
        world.program(command, "#!/bin/sh\necho ran\n");
        let done = world.run(&["exec", command]);
        assert_eq!((done.status, done.stdout.as_str()), (Some(0), "ran\n"));
        let said = format!("ringlet: {command} is no agent that ringlet knows, and starts as it is; {says}\n");
        assert_eq!(done.stderr, said);
        assert_eq!(world.run(&["-q", "exec", command]).stderr, "");
    }
    // A known agent without a profile is no news.
    world.agent("codex");
    assert_eq!(world.run(&["exec", "codex"]).stderr, "");
    world.run(&["exec", "cluade"]).fails(127, &["cluade: not found on PATH", "did you mean `claude`?"]);
    world.run(&["exec", "nosuch"]).fails(127, &["install nosuch, or put it on PATH"]);
}
