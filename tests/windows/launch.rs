//! `ringlet exec`: what the agent gets, and what comes back.

use super::world::World;
use crate::common::done::KEY;
use std::fs;
use std::path::Path;

#[test]
fn a_batch_file_gets_the_key_its_words_and_nothing_that_competes() {
    let mut world = World::ready();
    world.set("ANTHROPIC_AUTH_TOKEN", "leftover");
    let seen = world.run(&["exec", "claude", "--", "-p", "a b"]).ok();
    assert!(seen.contains(&format!("ANTHROPIC_API_KEY={KEY}\r\n")), "{seen}");
    assert!(seen.contains("ANTHROPIC_BASE_URL=https://api.anthropic.com\r\n"), "{seen}");
    assert!(!seen.contains("leftover"), "{seen}");
    let words = seen.lines().next().expect("a line");
    assert!(words.contains("-p") && words.contains("\"a b\""), "{seen}");
    assert!(!words.contains(KEY), "{seen}");
}

#[test]
fn a_program_gets_the_key() {
    let world = World::ready();
    fs::remove_file(world.path(r"bin\claude.cmd")).expect("removed");
    let root = std::env::var_os("SystemRoot").expect("every process has it");
    fs::copy(Path::new(&root).join(r"system32\cmd.exe"), world.path(r"bin\claude.exe")).expect("copied");
    let seen = world.run(&["exec", "claude", "--", "/d", "/c", "set"]).ok();
    assert!(seen.contains(&format!("ANTHROPIC_API_KEY={KEY}\r\n")), "{seen}");
}

#[test]
fn the_agents_exit_code_comes_back_whole() {
    let world = World::ready();
    world.batch("claude", &["exit %1"]);
    for code in [0, 1, 41, 125, 300] {
        assert_eq!(world.run(&["exec", "claude", "--", &code.to_string()]).status, Some(code));
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_no_key() {
    let world = World::ready();
    let seen = world.run(&["exec", "--dry-run", "claude", "--", "-p", "hi"]).ok();
    let rows: Vec<Vec<&str>> = seen.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [&["argument", "-p"][..], &["profile", "work"], &["key", "anthropic/work", "in", "ANTHROPIC_API_KEY"]] {
        assert!(rows.iter().any(|seen| seen == row), "{row:?} is not in {seen}");
    }
    assert!(seen.contains(&world.path(r"bin\claude.cmd").display().to_string()), "{seen}");
    assert!(!seen.contains(KEY) && !seen.contains(r"\\?\"), "{seen}");
}

#[test]
fn what_cannot_be_started_is_refused_with_a_hint() {
    let world = World::ready();
    world.run(&["exec", "nothing"]).fails(127, &["nothing: not found on PATH", "ringlet: hint: "]);
    fs::remove_file(world.path(r"bin\claude.cmd")).expect("removed");
    world.write(r"bin\claude.ps1", "exit 0\r\n");
    world.write(r"bin\claude", "#!/bin/sh\n");
    let done =
        world.run(&["exec", "claude"]).fails(126, &["claude: not executable", "hint: only .exe, .com, .cmd and .bat"]);
    assert!(!done.stderr.contains(KEY), "{done:?}");
}

#[test]
fn a_key_that_is_missing_refuses_the_launch() {
    let world = World::ready();
    world.run(&["keychain", "remove", "anthropic", "work"]).ok();
    let done = world.run(&["exec", "claude"]);
    assert_eq!(done.stdout, "", "the agent was started");
    done.fails(125, &["anthropic/work", "hint: run `ringlet keychain set anthropic work`"]);
    world.run(&["exec", "claude", "--", "--version"]).ok();
}

#[test]
fn standard_input_is_the_agents() {
    let world = World::ready();
    world.batch("claude", &["set /p line=", "call echo got=%%line%%"]);
    assert!(world.feed(&["exec", "claude"], "one\r\n").ok().contains("got=one"));
}

#[test]
fn a_program_of_the_project_gets_no_key() {
    let mut world = World::ready();
    let project = world.project();
    fs::rename(world.path(r"bin\claude.cmd"), project.join("claude.cmd")).expect("moved");
    let search = std::env::join_paths([project, world.path("bin")]).expect("no quotes");
    world.set("PATH", search);
    let done = world.run(&["exec", "claude"]);
    assert!(done.status != Some(0) && !done.stdout.contains(KEY), "{done:?}");
    done.fails(125, &["claude.cmd"]);
}
