//! Programs of the project: the folders of code that the agent loads, and the files that a bound value starts.

use super::budget::{Budget, BudgetError};
use super::read::Value;
use crate::digest::Digest;
use crate::platform::private::{self, Privacy};
use crate::platform::{self, ReadError};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file of code, identified by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProgramFile {
    /// The path: relative to the folder for a file in a folder of code, else as the caller gave it.
    pub path: PathBuf,
    /// The digest of its content.
    pub digest: Digest,
    /// Owner and mode in words, if another account may write it.
    pub open_to_others: Option<String>,
}

/// The cause why code could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodeError {
    /// The project exceeds the budget.
    #[error(transparent)]
    BudgetError(#[from] BudgetError),
    /// A file cannot be read.
    #[error("{}: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        why: ReadError,
    },
}

fn unreadable(file: &Path, why: impl Into<ReadError>) -> CodeError {
    CodeError::Unreadable { file: file.to_owned(), why: why.into() }
}

/// The digests of the files that were read. A file with several names is read once.
#[derive(Default)]
pub(super) struct Digests(HashMap<(u64, u64), Digest>);

impl Digests {
    /// Returns the digest of a file, and whether others may write it. `shown` is the path in the result.
    pub(super) fn program(
        &mut self,
        path: PathBuf,
        shown: PathBuf,
        budget: &mut Budget,
    ) -> Result<ProgramFile, CodeError> {
        let opened = platform::open_file(&path).map_err(|why| unreadable(&path, why))?;
        let identity = platform::opened_identity(&opened.file).map_err(|error| unreadable(&path, error))?;
        let open_to_others = open_to_others(&path, &opened.access);
        let digest = match self.0.get(&identity) {
            Some(digest) => *digest,
            None => {
                budget.take_bytes(opened.size)?;
                // The limit ends the reading of a file that grows meanwhile.
                let limited = io::Read::take(opened.file, opened.size + 1);
                let digest = Digest::of_reader(limited).map_err(|error| unreadable(&path, error))?;
                self.0.insert(identity, digest);
                digest
            }
        };
        Ok(ProgramFile { path: shown, digest, open_to_others })
    }
}

/// Returns owner and mode in words if an account other than the user's and root's may write the file.
pub(super) fn open_to_others(path: &Path, access: &platform::Access) -> Option<String> {
    let wrong = private::check(access, Privacy::UnwrittenOrRoots).is_err() && !platform::invents_modes(path);
    wrong.then(|| access.describe())
}

/// The programs of a folder of code, and one of its folders that others may write, with owner and mode.
pub(super) type CodeFiles = (Vec<ProgramFile>, Option<(PathBuf, String)>);

/// Returns a program, or every file of a folder of code if one of its files has one of the endings.
pub(super) fn code_files(
    path: &Path,
    endings: &[String],
    digests: &mut Digests,
    budget: &mut Budget,
) -> Result<CodeFiles, CodeError> {
    if path.is_dir() {
        return folder_files(path, endings, digests, budget);
    }
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    match digests.program(path.to_owned(), name, budget) {
        Err(CodeError::Unreadable { why: ReadError::Dangling, .. }) => Ok((Vec::new(), None)),
        done => Ok((vec![done?], None)),
    }
}

/// Returns the files at any depth of a folder that have one of the endings, sorted, and all its folders. Returns a path
/// that is no folder as it is.
pub(super) fn documents(
    path: &Path,
    endings: &[impl AsRef<str>],
    budget: &mut Budget,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), CodeError> {
    if !path.is_dir() {
        return Ok((vec![path.to_owned()], Vec::new()));
    }
    let mut files = Vec::new();
    let folders = walk(path, &mut files, budget)?;
    files.retain(|file| file.extension().is_some_and(|ending| endings.iter().any(|known| ending == known.as_ref())));
    files.sort();
    Ok((files, folders))
}

/// Returns the first of these folders that others may write, with owner and mode.
pub(super) fn open_folder(folders: impl IntoIterator<Item = PathBuf>) -> Option<(PathBuf, String)> {
    folders.into_iter().find_map(|folder| {
        let access = platform::access(&folder).ok()?;
        open_to_others(&folder, &access).map(|access| (folder, access))
    })
}

/// Returns the sorted files of a folder of code, each with its digest, or none if no file has one of the endings. A
/// loaded file may import any other file, so all files count. Links are followed, and no folder is entered twice.
fn folder_files(
    folder: &Path,
    endings: &[String],
    digests: &mut Digests,
    budget: &mut Budget,
) -> Result<CodeFiles, CodeError> {
    let mut files = Vec::new();
    let folders = walk(folder, &mut files, budget)?;
    let is_loaded = |file: &PathBuf| {
        let name = file.as_os_str().as_encoded_bytes();
        endings.is_empty() || endings.iter().any(|ending| name.ends_with(format!(".{ending}").as_bytes()))
    };
    if !files.iter().any(is_loaded) {
        return Ok((Vec::new(), None));
    }
    files.sort();
    let open = open_folder(folders);
    let program = |file: PathBuf| {
        let below = file.strip_prefix(folder).unwrap_or(&file).to_owned();
        match digests.program(file, below, budget) {
            // A link without a target loads nothing. A file that appears later is a new file.
            Err(CodeError::Unreadable { why: ReadError::Dangling, .. }) => Ok(None),
            done => done.map(Some),
        }
    };
    Ok((files.into_iter().map(program).filter_map(Result::transpose).collect::<Result<_, _>>()?, open))
}

// Returns a folder and the folders below it, and adds everything else to `files`.
fn walk(folder: &Path, files: &mut Vec<PathBuf>, budget: &mut Budget) -> Result<Vec<PathBuf>, CodeError> {
    let mut seen = HashSet::new();
    let (mut folders, mut done) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        if !platform::file_identity(&folder).is_none_or(|identity| seen.insert(identity)) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            budget.take_entry()?;
            let entry = entry.map_err(|error| unreadable(&folder, error))?;
            let path = entry.path();
            let is_folder = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => kind.is_dir(),
                _ => path.is_dir(),
            };
            if is_folder { folders.push(path) } else { files.push(path) }
        }
        done.push(folder);
    }
    Ok(done)
}

/// Returns the files of the project that the words of a value name, each with its word. The variables by which agents
/// name the project are expanded. A record identifies a file by its word, so that the record holds for another
/// checkout, too.
pub(super) fn programs_in(
    value: &Value,
    bases: &[&Path],
    is_inside: &dyn Fn(&Path) -> bool,
) -> Result<Vec<(PathBuf, PathBuf)>, BudgetError> {
    let mut words: BTreeSet<String> = BTreeSet::new();
    value.any_text(&mut |text| {
        let text = without_variables(text);
        words.extend(shell_words(&text).map(str::to_owned));
        // A shell joins the parts of a word that quotes separate.
        let joined: String = text.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
        words.extend(shell_words(&joined).map(str::to_owned));
        words.len() > Budget::WORDS
    });
    if words.len() > Budget::WORDS {
        return Err(BudgetError::Words);
    }
    let words: BTreeSet<PathBuf> = words.iter().flat_map(|word| spellings(word)).collect();
    // A word may start from a folder that another word names: `cd tools && ./x.sh`.
    let mut bases: Vec<PathBuf> = bases.iter().map(|base| base.to_path_buf()).collect();
    let named = words.iter().flat_map(|word| bases.iter().map(move |base| platform::plain(&base.join(word))));
    let folders: BTreeSet<PathBuf> = named.filter(|path| path.is_dir() && is_inside(path)).take(FOLDERS).collect();
    bases.extend(folders);
    let mut found = BTreeSet::new();
    for word in words {
        for base in &bases {
            for ending in ENDINGS {
                let mut path = platform::plain(&base.join(&word)).into_os_string();
                path.push(ending);
                let path = PathBuf::from(path);
                if path.is_file() && is_inside(&path) {
                    found.insert((word.clone(), path));
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}

// The most folders named in a value that are searched.
const FOLDERS: usize = 8;

// Runtimes add an ending to a name, and load the index file of a folder.
const ENDINGS: [&str; 8] = ["", ".js", ".mjs", ".cjs", ".ts", ".py", ".sh", "/index.js"];

// Returns the paths that a word may mean: the word itself, the rest of a path in the home directory (one of the bases),
// and the value of a short option.
fn spellings(word: &str) -> Vec<PathBuf> {
    let from_home = ["~/", "$HOME/", "${HOME}/", "file://"].iter().find_map(|start| word.strip_prefix(start));
    let behind = word.strip_prefix('-').and_then(|rest| rest.find(['.', '/']).map(|at| &rest[at..]));
    [Some(word), from_home, behind].into_iter().flatten().map(|word| platform::plain(Path::new(word))).collect()
}

// The variables by which agents name the project. The project is one of the bases.
const PROJECT_VARIABLES: [&str; 13] = [
    "${CLAUDE_PROJECT_DIR}",
    "$CLAUDE_PROJECT_DIR",
    "${GEMINI_PROJECT_DIR}",
    "$GEMINI_PROJECT_DIR",
    "${QWEN_PROJECT_DIR}",
    "$QWEN_PROJECT_DIR",
    "${workspaceFolder}",
    "${workspacePath}",
    "${PWD}",
    "$PWD",
    "$(pwd)",
    "$(git rev-parse --show-toplevel)",
    "%CLAUDE_PROJECT_DIR%",
];

fn without_variables(text: &str) -> String {
    PROJECT_VARIABLES.iter().fold(text.to_owned(), |text, name| text.replace(name, "."))
}

// Splits a text where a shell, an option with `=` or a list of paths ends a word, and drops quotes. A split too many
// only adds words that name no file.
fn shell_words(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ';' | '|' | '&' | '<' | '>' | '=' | ',');
    std::iter::once(text)
        .chain(text.split(is_end))
        .map(|word| word.trim_matches(['(', ')']))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes and entries that a walk takes over a folder of `n` files with links among them.
    fn spent(n: usize) -> (u64, u32) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for at in 0..n {
            let deep = folder.path().join(format!("d{}/e{}", at % 7, at % 3));
            fs::create_dir_all(&deep).expect("folders");
            fs::write(deep.join(format!("f{at}.js")), "x".repeat(100)).expect("written");
        }
        #[cfg(unix)]
        for at in 0..n {
            std::os::unix::fs::symlink("d0", folder.path().join(format!("again{at}"))).expect("linked");
            std::os::unix::fs::symlink("d0/e0/f0.js", folder.path().join(format!("same{at}.js"))).expect("linked");
        }
        let mut budget = Budget::for_a_launch();
        let before = budget.left();
        let (files, _) = code_files(folder.path(), &[], &mut Digests::default(), &mut budget).expect("walked");
        assert_eq!(files.len(), if cfg!(unix) { 2 * n } else { n });
        let after = budget.left();
        (before.0 - after.0, before.1 - after.1)
    }

    #[test]
    fn a_walk_over_four_times_the_files_takes_four_times_as_much() {
        let ((bytes, entries), (more_bytes, more_entries)) = (spent(100), spent(400));
        assert_eq!((bytes, more_bytes), (100 * 100, 400 * 100), "each file is read once, whatever leads to it");
        assert!(more_entries <= 4 * entries && more_entries >= 3 * entries, "{entries} {more_entries}");
    }
}
