//! The book in `docs/`, the README and the pages beside it: sessions are run, links are followed, the picture is drawn anew.
//!
//! Each block with the info `console` is a session: a line that begins with `$ ` is a command, `> ` continues it, and the
//! other lines are what it prints. The sessions of a page run in order in one home. `UPDATE_BOOK=1 cargo test --test
//! integration book` writes what was printed into the pages; the difference is then read before it is committed.

mod links;
mod page;
mod reader;

use self::page::{Page, Step, is_as_shown};
use self::reader::Reader;
use crate::common::world::RINGLET;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pages that only show others, or that are generated from the help.
const WITHOUT_SESSIONS: [&str; 2] = ["SUMMARY.md", "commands.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The chapters, by name.
fn chapters() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs/src")).expect("the book");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "md"));
    files.sort();
    files
}

/// All pages whose sessions are run.
fn pages() -> Vec<Page> {
    let mut files = chapters();
    files.retain(|file| file.file_name().is_some_and(|name| WITHOUT_SESSIONS.iter().all(|other| name != *other)));
    files.extend(
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/migrate-rules.md"]
            .map(|name| root().join(name)),
    );
    files.iter().map(|file| Page::read(file)).collect()
}

#[test]
fn each_session_of_the_book_prints_what_the_book_shows() {
    let pages = pages();
    let done: Vec<(String, Vec<String>)> = std::thread::scope(|scope| {
        let each: Vec<_> = pages.iter().map(|page| scope.spawn(|| Reader::new().follow(page))).collect();
        each.into_iter().map(|page| page.join().expect("the page is read to its end")).collect()
    });
    if std::env::var_os("UPDATE_BOOK").is_some() {
        for (page, (_, lines)) in pages.iter().zip(&done) {
            fs::write(&page.file, lines.join("\n") + "\n").expect("written");
        }
    }
    let wrong: String = done.into_iter().map(|(wrong, _)| wrong).collect();
    assert!(wrong.is_empty(), "set UPDATE_BOOK=1 and look at the difference. Now:\n{wrong}");
}

#[test]
fn a_session_that_is_not_run_has_a_reason() {
    let page = |text: &str| Page { file: "page.md".into(), lines: text.lines().map(str::to_owned).collect() };
    for wrong in [
        "```sh\n$ ringlet status\n```",
        "```\nringlet status\n```",
        "    ringlet status",
        "```console\nno command\n```",
        "<!-- book: not run, because -->\n```console\n$ ringlet status\n```",
        "<!-- book: not run, because of this -->\nA text.\n```sh\n$ ringlet status\n```",
        "<!-- book: skipped -->",
        "<!-- book: typed\nno arrow\n-->\n```console\n$ ringlet init\n```",
    ] {
        assert!(page(wrong).steps().is_err(), "{wrong}");
    }
    let right = page(
        "<!-- book: not run, because it opens a window -->\n```console\n$ ringlet keychain unlock\n```\n\n\
         <!-- book: typed\n[?] <= y\n-->\n```console\n$ cat <<E\n> a\n> E\na\n```\n",
    );
    let steps = right.steps().expect("right");
    assert!(matches!(&steps[0], Step::Exempt(reason) if reason == "it opens a window"), "{steps:?}");
    let Step::Terminal(command, answers) = &steps[1] else { panic!("{steps:?}") };
    assert_eq!((command.text.as_str(), command.output.len()), ("cat <<E\na\nE", 1));
    assert_eq!(answers, &[("[?]".to_owned(), "y".to_owned())]);
}

#[test]
fn three_dots_stand_for_any_text() {
    let shown = |lines: &[&str], printed: &[&str]| {
        is_as_shown(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), printed)
    };
    assert!(shown(&["a", "...", "z"], &["a", "b", "c", "z"]));
    assert!(shown(&["...", "z"], &["z"]));
    assert!(shown(&["pid ... of ..."], &["pid 12 of claude "]));
    assert!(!shown(&["a"], &["a", "b"]));
    assert!(!shown(&["pid ... of claude"], &["pid 12 of codex"]));
}

#[test]
fn the_summary_names_each_chapter_and_no_other_file() {
    let summary = root().join("docs/src/SUMMARY.md");
    let named = links::targets(&summary);
    let mut sorted = named.clone();
    sorted.sort();
    let there: Vec<String> = chapters()
        .iter()
        .filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()))
        .filter(|name| name != "SUMMARY.md")
        .collect();
    assert_eq!(sorted, there);
}

#[test]
fn each_link_of_the_pages_leads_somewhere() {
    let mut files = chapters();
    let others = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CODE_OF_CONDUCT.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/migrate-rules.md",
    ];
    files.extend(others.map(|name| root().join(name)));
    let dead: Vec<String> = files.iter().flat_map(|file| links::dead(file)).collect();
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_readme_is_short_and_begins_with_what_a_fresh_machine_needs() {
    let text = fs::read_to_string(root().join("README.md")).expect("the page");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() <= 110, "{} lines", lines.len());
    for command in ["demo/run", "tests/run"] {
        assert!(lines[..40].iter().any(|line| line.trim() == command), "{command}");
    }
    let pictures: BTreeSet<&str> =
        lines.iter().filter(|line| line.starts_with("![")).filter_map(|line| line.split("](").nth(1)).collect();
    assert_eq!(pictures, BTreeSet::from(["docs/session.svg)"]));
}

#[test]
fn the_picture_shows_what_the_program_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let drawn = folder.path().join("session.svg");
    let mut script = Command::new("python3");
    script.arg(root().join("docs/picture")).arg("--ringlet").arg(RINGLET).arg(&drawn);
    let done = script.output().expect("python3 runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let drawn = fs::read_to_string(drawn).expect("the picture");
    let kept = fs::read_to_string(root().join("docs/session.svg")).unwrap_or_default();
    assert!(kept == drawn, "docs/session.svg is out of date; run `docs/picture` and look at it");
    assert!(drawn.len() <= 30 * 1024 && !drawn.contains("<script") && !drawn.contains("href"), "{}", drawn.len());
}
