//! Finds the program that the kernel, and `env`, would run a script with.
//!
//! The rules are those of execve(2) and of env(1) of coreutils (`src/env.c`), whose `-S` has its own quotes and
//! escapes. A line that is not understood is an error, because it could name a program of the project. Nothing is
//! executed.

use super::Context;
use crate::platform;
use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};

pub(crate) type Word = Vec<u8>;

/// Returns the program that runs a script, or none if the file is no script or the program does not exist. The error
/// names the part of the first line that is not understood.
pub(super) fn interpreter(context: &Context<'_>, script: &Path) -> Result<Option<PathBuf>, String> {
    let Some(line) = first_line(script)? else { return Ok(None) };
    let (name, rest) = split(&line);
    let Some(program) = here(context.cwd, name) else { return Ok(None) };
    let is_env = |path: &Path| path.file_name().is_some_and(|name| name == "env");
    if !is_env(&program) && !platform::canonical(&program).is_ok_and(|real| is_env(&real)) {
        return Ok(program.is_file().then_some(program));
    }
    // Linux passes the rest of the line as one argument; macOS splits it.
    let words: Vec<Word> = match rest {
        [] => Vec::new(),
        rest if cfg!(target_os = "macos") => {
            rest.split(is_blank).filter(|word| !word.is_empty()).map(Word::from).collect()
        }
        rest => vec![rest.to_vec()],
    };
    let search = context.env.get("PATH").and_then(platform::bytes_of).map(Word::from);
    Ok(Invocation::parse(words, search)?.program(context.cwd))
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

// Returns the text after `#!` without surrounding blanks.
fn first_line(script: &Path) -> Result<Option<Word>, String> {
    // Linux reads 255 bytes and cuts a longer line, even inside a word.
    const LONGEST: usize = 255;
    let mut head = Vec::with_capacity(LONGEST + 1);
    let Ok(opened) = platform::open_file(script) else { return Ok(None) };
    if opened.file.take(LONGEST as u64 + 1).read_to_end(&mut head).is_err() || !head.starts_with(b"#!") {
        return Ok(None);
    }
    let end = match memchr::memchr(b'\n', &head) {
        Some(end) => end,
        None if head.len() <= LONGEST => head.len(),
        None => return Err("it is too long".to_owned()),
    };
    let line = &head[2..end];
    if line.contains(&0) {
        return Err("it holds a NUL byte".to_owned());
    }
    let from = line.iter().position(|byte| !is_blank(byte)).unwrap_or(line.len());
    let to = line.iter().rposition(|byte| !is_blank(byte)).map_or(from, |at| at + 1);
    Ok((from < to).then(|| line[from..to].to_vec()))
}

// Returns the first word and the rest.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = line.iter().position(is_blank) else { return (line, &[]) };
    let from = line[end..].iter().position(|byte| !is_blank(byte)).map_or(line.len(), |at| end + at);
    (&line[..end], &line[from..])
}

// Returns the path of a word in a folder, without `./`, for a message.
fn here(folder: &Path, word: &[u8]) -> Option<PathBuf> {
    let word = platform::os_string_of(word.to_vec())?;
    Some(folder.join(PathBuf::from(word)).components().collect())
}

/// The command line of `env`.
#[derive(Debug, PartialEq, Eq)]
struct Invocation {
    command: Word,
    /// The PATH for the command, as the arguments change it.
    search: Option<Word>,
    directory: Option<Word>,
}

impl Invocation {
    fn parse(words: Vec<Word>, mut search: Option<Word>) -> Result<Self, String> {
        let mut waiting = VecDeque::from(words);
        let mut directory = None;
        loop {
            let Some(word) = waiting.pop_front() else { return Err("it names no program for env".to_owned()) };
            let unknown = || Err(format!("env has no option {:?} that ringlet knows", String::from_utf8_lossy(&word)));
            if word == b"--" {
                break;
            }
            if !word.starts_with(b"-") || word == b"-" {
                waiting.push_front(word);
                break;
            }
            if let Some(long) = word.strip_prefix(b"--") {
                let (name, value) = match memchr::memchr(b'=', long) {
                    Some(at) => (&long[..at], Some(long[at + 1..].to_vec())),
                    None => (long, None),
                };
                match (name, value) {
                    (b"ignore-environment", None) => search = None,
                    (b"null" | b"debug" | b"list-signal-handling", None) => {}
                    (b"block-signal" | b"default-signal" | b"ignore-signal", _) => {}
                    (b"unset" | b"chdir" | b"argv0" | b"split-string", value) => {
                        let Some(value) = value.or_else(|| waiting.pop_front()) else { return unknown() };
                        apply(name[0], value, &mut waiting, &mut search, &mut directory)?;
                    }
                    _ => return unknown(),
                }
                continue;
            }
            let mut letters = &word[1..];
            while let [letter, rest @ ..] = letters {
                letters = rest;
                match letter {
                    b'i' => search = None,
                    b'0' | b'v' => {}
                    b'u' | b'C' | b'a' | b'S' => {
                        let value = if rest.is_empty() { waiting.pop_front() } else { Some(rest.to_vec()) };
                        let Some(value) = value else { return unknown() };
                        apply(letter.to_ascii_lowercase(), value, &mut waiting, &mut search, &mut directory)?;
                        letters = &[];
                    }
                    _ => return unknown(),
                }
            }
        }
        // A lone `-` behind the options, and behind `--`, empties the environment.
        if waiting.front().is_some_and(|word| word == b"-") {
            waiting.pop_front();
            search = None;
        }
        while let Some(word) = waiting.pop_front() {
            match memchr::memchr(b'=', &word) {
                Some(at) if &word[..at] == b"PATH" => search = Some(word[at + 1..].to_vec()),
                Some(_) => {}
                None => return Ok(Self { command: word, search, directory }),
            }
        }
        Err("it names no program for env".to_owned())
    }

    // Finds the program as execvp(3) does, from the folder that it runs in. Entries of PATH that mean the working
    // directory count here, but not for the agent itself.
    fn program(&self, cwd: &Path) -> Option<PathBuf> {
        let cwd = match &self.directory {
            Some(folder) => here(cwd, folder)?,
            None => cwd.to_owned(),
        };
        if self.command.contains(&b'/') {
            return here(&cwd, &self.command);
        }
        let search = platform::os_string_of(self.search.clone().unwrap_or_else(|| b"/bin:/usr/bin".to_vec()))?;
        let command = platform::os_string_of(self.command.clone())?;
        let found = |folder: PathBuf| -> PathBuf { cwd.join(folder).join(&command).components().collect() };
        std::env::split_paths(&search).map(found).find(|path| platform::is_executable(path))
    }
}

// Applies an option with a value, by the first letter of its long name. `c` and `s` stand for `-C` and `-S` as well.
fn apply(
    option: u8,
    value: Word,
    waiting: &mut VecDeque<Word>,
    search: &mut Option<Word>,
    directory: &mut Option<Word>,
) -> Result<(), String> {
    match option {
        b'u' if value == b"PATH" => *search = None,
        b'c' => *directory = Some(value),
        b's' => split_words(&value)?.into_iter().rev().for_each(|word| waiting.push_front(word)),
        _ => {}
    }
    Ok(())
}

/// Splits the value of `env -S` into words. A variable is not expanded, because the agent's environment is not decided
/// yet.
pub(crate) fn split_words(text: &[u8]) -> Result<Vec<Word>, String> {
    let mut words: Vec<Word> = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (None, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r') => words.extend(word.take()),
            (None, b'#') if word.is_none() => break,
            (None | Some(b'"'), b'$') => return Err("env -S has a variable in it".to_owned()),
            (quote, b'\\') => {
                let Some(escaped) = bytes.next() else { return Err("env -S ends in a backslash".to_owned()) };
                let made = match (quote, escaped) {
                    (Some(b'\''), b'\\' | b'\'') => escaped,
                    (Some(b'\''), _) => {
                        word.get_or_insert_default().push(b'\\');
                        escaped
                    }
                    (None, b'_') => {
                        words.extend(word.take());
                        continue;
                    }
                    (None, b'c') => break,
                    (_, b'_') => b' ',
                    (_, b'f') => 0x0c,
                    (_, b'n') => b'\n',
                    (_, b'r') => b'\r',
                    (_, b't') => b'\t',
                    (_, b'v') => 0x0b,
                    (_, b'"' | b'#' | b'$' | b'\'' | b'\\') => escaped,
                    _ => return Err(format!("env -S has no escape \\{}", escaped.escape_ascii())),
                };
                word.get_or_insert_default().push(made);
            }
            (_, byte) => word.get_or_insert_default().push(byte),
        }
    }
    if quote.is_some() {
        return Err("env -S has a quote without its end".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    fn parsed(argument: &str) -> Result<Invocation, String> {
        Invocation::parse(vec![argument.into()], Some(b"/p".to_vec()))
    }

    /// Makes programs in `a`, `b` and the folder itself that print their own path.
    fn programs() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("there");
        for below in ["a", "b", "."] {
            fs::create_dir_all(root.join(below)).expect("a folder");
            for name in ["n", "m", "with space"] {
                let program = root.join(below).join(name);
                fs::write(
                    &program,
                    "#!/bin/sh\ncase $0 in /*) printf %s \"$0\";; *) printf %s \"$(pwd -P)/$0\";; esac\n",
                )
                .expect("written");
                fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("chmod");
            }
        }
        (folder, root)
    }

    /// Returns what the real `env` runs, and what this module finds.
    fn both(root: &Path, argument: &str) -> (Option<PathBuf>, Result<Option<PathBuf>, String>) {
        let search = format!("{}:/usr/bin:/bin", root.join("a").display());
        let done =
            Command::new("/usr/bin/env").env_clear().env("PATH", &search).current_dir(root).arg(argument).output();
        let done = done.expect("env starts");
        let said = PathBuf::from(String::from_utf8(done.stdout).expect("text"));
        let real = done.status.success().then(|| said.components().collect());
        let ours = Invocation::parse(vec![argument.into()], Some(search.into_bytes()));
        (real, ours.map(|made| made.program(root)))
    }

    #[test]
    fn the_program_behind_env_is_the_one_that_env_runs() {
        let (_kept, root) = programs();
        let there = root.display();
        for (argument, expected) in [
            ("n".to_owned(), "a/n"),
            ("-S n --x".to_owned(), "a/n"),
            ("-Sn".to_owned(), "a/n"),
            ("-S -u FOO n".to_owned(), "a/n"),
            ("-S -uFOO n x=y".to_owned(), "a/n"),
            ("-S -C b ./n".to_owned(), "b/n"),
            ("-S --chdir b ./n".to_owned(), "b/n"),
            ("-S --chdir=b PATH=. n".to_owned(), "b/n"),
            ("-S A=1 PATH=b n".to_owned(), "b/n"),
            ("-S PATH= n".to_owned(), "n"),
            (format!("-S -i PATH={there}/b n"), "b/n"),
            (format!("-S - PATH={there}/b n"), "b/n"),
            ("-vS n".to_owned(), "a/n"),
            ("--split-string=n".to_owned(), "a/n"),
            ("-S -S -S\\_n".to_owned(), "a/n"),
            ("-S -- n".to_owned(), "a/n"),
            ("-S --block-signal=INT --default-signal n".to_owned(), "a/n"),
            ("-S 'n' \"-x\"".to_owned(), "a/n"),
            ("-S \"with\\_space\" y".to_owned(), "a/with space"),
            ("-S n\\c m".to_owned(), "a/n"),
            ("-S n #m".to_owned(), "a/n"),
            ("-S \\\"n".to_owned(), ""),
            ("-S ./m".to_owned(), "m"),
        ] {
            let (real, ours) = both(&root, &argument);
            assert_eq!(ours, Ok(real), "{argument}");
            let expected = (!expected.is_empty()).then(|| root.join(expected));
            assert_eq!(ours, Ok(expected), "{argument}");
        }
    }

    #[test]
    fn what_is_not_understood_is_no_pass() {
        for argument in [
            "-P /p n",
            "-x n",
            "-S -P /p n",
            "--uns FOO n",
            "--help",
            "-S",
            "-S -u",
            "-S n${A}",
            "-S \"n",
            "-S n\\",
            "-S n\\q",
            "A=1",
            "-",
            "-S #n",
            "--unset",
            "--null=x n",
        ] {
            assert!(parsed(argument).is_err(), "{argument}: {:?}", parsed(argument));
        }
        let invocation = parsed("-S -C /d -u PATH n").expect("understood");
        assert_eq!(invocation, Invocation { command: b"n".to_vec(), search: None, directory: Some(b"/d".to_vec()) });
        let invocation = parsed("-S-- - n").expect("understood");
        assert_eq!(invocation, Invocation { command: b"n".to_vec(), search: None, directory: None });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn whatever_env_runs_is_found_or_refused(words in proptest::collection::vec(
            prop::sample::select(vec![
                "n", "m", "-", "--", "-i", "-u", "-uPATH", "PATH", "-C", "b", "-Cb", "A=1", "PATH=b", "PATH=.", "-S",
                "-v", "'n'", "\"m\"",
                "\\_", "\\c", "#", "-0", "./n", "--chdir=b", "--unset=PATH", "--debug", "$", "-iS", "\\", "'",
            ]), 0..6), tight in any::<bool>())
        {
            let (_kept, root) = programs();
            let argument = format!("-S{}", words.join(if tight { "" } else { " " }));
            let (real, ours) = both(&root, &argument);
            // An invocation that env refuses may give any result.
            if let (Some(real), Ok(ours)) = (real, ours) {
                prop_assert_eq!(Some(real), ours, "{}", argument);
            }
        }
    }
}
