//! Journals of version 1, as Ringlet 0.1 wrote them. They know one line above a place, and its own line.

use super::{CutRecord, FileRecord, Journal, KeyRecord, Stage, VERSION};
use crate::migrate::context::{Context, Line};
use crate::migrate::tokens::Token;
use crate::migrate::utf16::Encoding;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldCut {
    at: usize,
    with: String,
    removed: Vec<Token>,
    column: usize,
    above: String,
    line: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldFile {
    path: PathBuf,
    before: String,
    size: u64,
    after: String,
    cuts: Vec<OldCut>,
    in_place: bool,
    zsh: bool,
    done: bool,
    undone: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldJournal {
    #[serde(rename = "version")]
    _version: u32,
    run: String,
    stage: Stage,
    place: String,
    check: String,
    keys: Vec<KeyRecord>,
    files: Vec<OldFile>,
}

/// Reads a journal of version 1 as one of this version.
pub(super) fn read(bytes: &[u8]) -> Result<Journal, serde_json::Error> {
    let OldJournal { run, stage, place, check, keys, files, .. } = serde_json::from_slice(bytes)?;
    let files = files.into_iter().map(file).collect();
    Ok(Journal { version: VERSION, run, stage, place, check, keys, files, made: Vec::new() })
}

fn file(old: OldFile) -> FileRecord {
    let OldFile { path, before, size, after, cuts, in_place, zsh, done, undone } = old;
    let cuts = if undone { Vec::new() } else { cuts.into_iter().map(cut).collect() };
    FileRecord {
        path,
        before: Some(before),
        size,
        after,
        cuts,
        encoding: Encoding::Bytes,
        store: None,
        in_place,
        zsh,
        partners: BTreeSet::new(),
        done,
        undone,
        pending: None,
    }
}

fn cut(old: OldCut) -> CutRecord {
    let OldCut { at, with, removed, column, above, line } = old;
    let ends_line = matches!(removed.last(), Some(Token::Text(text)) if text.ends_with('\n'));
    let whole = column == 0 && with.is_empty() && ends_line;
    let context = Context {
        whole,
        column,
        behind: usize::MAX,
        above: vec![Line { mac: above, once: true }],
        line: Line { mac: line, once: true },
        below: Vec::new(),
        left: None,
        right: None,
        rival: 0,
    };
    CutRecord { number: 0, at: Some(at), with, length: 0, removed, context }
}
