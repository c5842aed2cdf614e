//! The paths in the agent's arguments: the directory that it works in, and the paths that it reads or adds.

use crate::env::Env;
use crate::platform;
use crate::registry::Directory;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The paths that the arguments name, as the user wrote them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ArgumentPaths {
    /// The directory that the agent works in, if it is not the current directory.
    pub directory: Option<WorkingDirectory>,
    /// Files and folders that the agent adds to its directory.
    pub adds: Vec<PathBuf>,
    /// Files and folders to load, each with the project file whose format it has.
    pub reads: Vec<(PathBuf, String)>,
}

/// The directory that the arguments or a variable name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WorkingDirectory {
    /// The path.
    pub path: PathBuf,
    /// Whether the argument can only be a directory. A first argument may be a prompt as well.
    pub is_certain: bool,
}

/// Reads the arguments as the agent's own parser does. Every spelling of an option counts, and the last of several
/// wins. An ambiguous argument is taken for the directory.
pub(crate) fn argument_paths(spec: &Directory, arguments: &[OsString], env: &Env) -> ArgumentPaths {
    let mut paths = ArgumentPaths::default();
    let variable = spec.variables.iter().find_map(|name| env.non_empty(name));
    let (mut named, mut positional) = (None, None);
    let mut options = true;
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        at += 1;
        if options && word == "--" {
            options = false;
            continue;
        }
        let is_option = options && word.as_encoded_bytes().starts_with(b"-") && word != "-";
        if !is_option {
            // `--flag true`: the value of an option that takes none.
            if word != "true" && word != "false" {
                positional.get_or_insert(word.as_os_str());
            }
            paths.adds.extend(spec.words_add.then(|| PathBuf::from(word)));
            continue;
        }
        let following = || arguments[at..].iter().take_while(|word| !word.as_encoded_bytes().starts_with(b"-"));
        if let Some(value) = spec.options.iter().find_map(|option| value_of(word, option, spec)) {
            let is_apart = value.is_none();
            named = Some(value.or_else(|| arguments.get(at).cloned()).unwrap_or_default());
            at += usize::from(is_apart);
        } else if let Some(value) = spec.adds.iter().find_map(|option| value_of(word, option, spec)) {
            // These options may take several arguments. An argument too many is inspected without harm.
            for word in value.iter().chain(following()) {
                paths.adds.push(PathBuf::from(word));
                // Some options take several paths in one argument.
                paths.adds.extend(
                    word.to_str()
                        .into_iter()
                        .filter(|word| word.contains(','))
                        .flat_map(|word| word.split(','))
                        .map(PathBuf::from),
                );
            }
        } else if let Some((value, like)) =
            spec.reads.iter().find_map(|reads| Some((value_of(word, &reads.option, spec)?, &reads.like)))
        {
            paths.reads.extend(value.iter().chain(following()).map(|path| (PathBuf::from(path), like.clone())));
        }
        at += usize::from(spec.valued.iter().any(|option| word == option.as_str()));
    }
    let positional =
        positional.filter(|word| spec.positional && !spec.commands.iter().any(|command| *word == command.as_str()));
    let certain = |path: OsString| WorkingDirectory { path: path.into(), is_certain: true };
    let possible = |path: &OsStr| WorkingDirectory { path: path.into(), is_certain: false };
    let variable = variable.map(|path| certain(path.to_owned()));
    paths.directory = named.map(certain).or_else(|| positional.map(possible)).or(variable);
    if let Some(here) = env.absolute("PWD").filter(|_| spec.from_pwd) {
        paths.directory = Some(match paths.directory {
            Some(named) => WorkingDirectory { path: here.join(named.path), ..named },
            None => possible(here.as_os_str()),
        });
    }
    paths
}

// Returns the value of an option in an argument, or `Some(None)` if the value is the next argument.
fn value_of(word: &OsStr, option: &str, spec: &Directory) -> Option<Option<OsString>> {
    let bytes = platform::bytes_of(word)?;
    let rest = |from: &[u8]| platform::os_string_of(from.to_vec());
    if let Some(long) = option.strip_prefix("--") {
        let body = bytes.strip_prefix(b"--")?;
        let (name, value) = match memchr::memchr(b'=', body) {
            Some(end) => (&body[..end], Some(&body[end + 1..])),
            None => (body, None),
        };
        let is_option =
            name == long.as_bytes() || (spec.abbreviated && !name.is_empty() && long.as_bytes().starts_with(name));
        return is_option.then(|| value.and_then(rest));
    }
    let letter = option.strip_prefix('-')?.as_bytes();
    let body = bytes.strip_prefix(b"-").filter(|body| !body.starts_with(b"-"))?;
    let flags = body.iter().take_while(|byte| spec.flags.as_bytes().contains(byte)).count();
    // The letter of a flag may be the option's own letter.
    let value = [0, flags].iter().find_map(|&skipped| body[skipped..].strip_prefix(letter))?;
    if value.is_empty() {
        return Some(None);
    }
    Some(rest(value.strip_prefix(b"=").unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::guard::Reads;

    fn spec() -> Directory {
        Directory {
            options: ["-C", "--cd"].map(str::to_owned).into(),
            flags: "sq".into(),
            adds: vec!["--add-dir".into()],
            reads: vec![Reads { option: "--settings".into(), like: ".a/settings.json".into() }],
            variables: vec!["A_CWD".into()],
            ..Directory::default()
        }
    }

    fn directory(spec: &Directory, words: &[&str]) -> Option<String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let env = Env::from_pairs([("A_CWD", "")]);
        argument_paths(spec, &words, &env).directory.map(|named| named.path.to_string_lossy().into_owned())
    }

    #[test]
    fn every_spelling_of_an_option_names_the_directory() {
        let spec = spec();
        for words in [
            &["-C", "ev"][..],
            &["-Cev"],
            &["-C=ev"],
            &["--cd", "ev"],
            &["--cd=ev"],
            &["-sC", "ev"],
            &["-sqCev"],
            &["exec", "hi", "--cd", "ev"],
            &["--cd", "other", "--cd", "ev"],
            &["--cd=other", "-Cev", "more"],
        ] {
            assert_eq!(directory(&spec, words).as_deref(), Some("ev"), "{words:?}");
        }
        for words in
            [&["exec", "hi"][..], &["--", "--cd", "ev"], &["--cde", "ev"], &["-xC", "ev"], &["--c", "ev"], &["-"]]
        {
            assert_eq!(directory(&spec, words), None, "{words:?}");
        }
        assert_eq!(directory(&spec, &["--cd"]).as_deref(), Some(""), "an option without its value");
    }

    #[test]
    fn an_abbreviation_counts_where_the_agent_takes_one() {
        let spec = Directory { abbreviated: true, options: vec!["--workdir".into()], ..Directory::default() };
        for words in [&["--w", "ev"][..], &["--work=ev"], &["--workdir", "ev"]] {
            assert_eq!(directory(&spec, words).as_deref(), Some("ev"), "{words:?}");
        }
        assert_eq!(directory(&spec, &["--workdirs", "ev"]), None);
    }

    #[test]
    fn the_first_word_names_it_where_it_is_no_command() {
        let spec = Directory {
            positional: true,
            commands: vec!["run".into()],
            valued: vec!["-m".into()],
            options: vec!["--dir".into()],
            ..Directory::default()
        };
        assert_eq!(directory(&spec, &["-m", "x/y", "ev"]).as_deref(), Some("ev"));
        assert_eq!(directory(&spec, &["run", "ev"]), None);
        assert_eq!(directory(&spec, &["run", "--dir", "ev", "hi"]).as_deref(), Some("ev"));
        assert_eq!(directory(&spec, &[]), None);
    }

    #[test]
    fn an_agent_that_believes_pwd_works_there() {
        let spec = Directory { from_pwd: true, options: vec!["--dir".into()], ..Directory::default() };
        let directory = |words: &[&str], pwd: &str| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            argument_paths(&spec, &words, &Env::from_pairs([("PWD", pwd)]))
                .directory
                .map(|named| (named.path, named.is_certain))
        };
        assert_eq!(directory(&["run"], "/w"), Some(("/w".into(), false)));
        assert_eq!(directory(&["--dir", "ev"], "/w"), Some(("/w/ev".into(), true)));
        assert_eq!(directory(&["--dir", "ev"], "w"), Some(("ev".into(), true)));
        assert_eq!(directory(&[], ""), None);
    }

    #[test]
    fn what_is_added_or_read_is_told() {
        let words: Vec<OsString> = ["--add-dir", "a", "b", "--settings=s.json", "--add-dir=c", "-p", "hi"]
            .iter()
            .map(OsString::from)
            .collect();
        let paths = argument_paths(&spec(), &words, &Env::from_pairs([("A_CWD", "/w")]));
        assert_eq!(paths.adds, ["a", "b", "c"].map(PathBuf::from));
        assert_eq!(paths.reads, [(PathBuf::from("s.json"), ".a/settings.json".to_owned())]);
        assert_eq!(paths.directory, Some(WorkingDirectory { path: "/w".into(), is_certain: true }), "a variable");
    }
}
