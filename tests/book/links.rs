//! The links of the repository's pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The lines of a page that are no code, with what the page includes in its place.
fn prose(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if let Some(path) = line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}")) {
            lines.extend(prose(&file.with_file_name(path)));
        } else if !is_code && !line.starts_with("    ") {
            lines.push(line.to_owned());
        }
    }
    lines
}

// A line without its code spans.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(file: &Path) -> BTreeSet<String> {
    let heading = |line: String| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        line.starts_with('#').then(|| kept.map(|c| if c == ' ' { '-' } else { c }).collect())
    };
    prose(file).into_iter().filter_map(heading).collect()
}

/// The targets of a page's links that lead to files of the repository.
pub(crate) fn targets(file: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(file) {
        let line = without_code(&line);
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            if !target.contains("://") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// Follows a page's links. Returns those that lead nowhere.
pub(crate) fn dead(file: &Path) -> Vec<String> {
    let is_dead = |target: &String| {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let to: PathBuf = if path.is_empty() { file.to_owned() } else { file.with_file_name("").join(path) };
        !to.exists() || !(anchor.is_empty() || anchors(&to).contains(anchor))
    };
    targets(file).into_iter().filter(is_dead).map(|target| format!("{}: {target}", file.display())).collect()
}
