//! The scripts in `tests/migrate-homes`: whole homes with their shells, and stand-ins for the agents.

use crate::common::world::RINGLET;
use std::path::{Path, PathBuf};
use std::process::Command;

fn homes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate-homes");
    let mut homes: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.join("run.sh").is_file())
        .collect();
    homes.sort();
    homes
}

// Runs the homes whose names begin so; what a script prints last says why it does not hold.
#[track_caller]
fn hold(begin: &str, least: usize) {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for home in homes() {
        let name = home.file_name().expect("named").to_string_lossy().into_owned();
        if !name.starts_with(begin) {
            continue;
        }
        seen += 1;
        let done = Command::new("bash").arg(home.join("run.sh")).arg(RINGLET).output().expect("bash is installed");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let last = said.lines().last().unwrap_or_default();
        if !done.status.success() || last != "holds" {
            wrong.push(format!("{name}: {said}{}", String::from_utf8_lossy(&done.stderr)));
        }
    }
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen >= least, "{seen} homes begin with {begin}");
}

#[test]
fn files_that_shells_read_are_cleaned_and_others_are_named() {
    hold("home-", 12);
}

#[test]
fn agents_keep_their_accounts() {
    hold("flow-pair", 3);
    hold("flow-launcher", 1);
    hold("flow-setter", 2);
}

#[test]
fn the_rest_of_a_run_is_as_it_is_said_to_be() {
    for (begin, least) in [
        ("flow-advice", 1),
        ("flow-claude", 1),
        ("flow-default", 2),
        ("flow-environment", 1),
        ("flow-exit", 1),
        ("flow-journal", 1),
        ("flow-subscription", 1),
        ("flow-undo", 2),
    ] {
        hold(begin, least);
    }
}
