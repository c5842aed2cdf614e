//! `ringlet exec`: what the agent gets, and what it keeps.

use crate::common::world::{KEY, World};

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
    let direct = std::process::Command::new(agent)
        .arg("x")
        .env_clear()
        .envs(world.env().iter().map(|(name, value)| (name, value)))
        .current_dir(world.project())
        .output()
        .expect("starts");
    let without_pid = |text: &str| text.lines().filter(|line| !line.starts_with("pid=")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_pid(&through), without_pid(&String::from_utf8_lossy(&direct.stdout)));
}
