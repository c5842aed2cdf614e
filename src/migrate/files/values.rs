//! What variables and words stand for, as far as the files themselves and the environment tell.
//!
//! A word may stand for several texts, since a loop or a branch gives a variable several values; a text of which more
//! would have to be known is left out. No program is run: the few whose output follows from their words (`dirname`,
//! `ls`) are known here. A long value without a `/` is never remembered, since it may be a key. Called by `sourced`.

use super::globs::{self, Budget, alternatives, marked, unmarked};
use super::parameters::{self, Default, file_name, parent, resolved};
use super::words::{self, Piece, Tongue, Word};
use crate::env::Env;
use crate::migrate::detect;
use std::collections::HashMap;
use std::path::Path;

/// So many values has a variable, or a word.
const MOST: usize = globs::MOST;
/// So many texts come of two lists.
const MOST_PAIRS: usize = 4_000;
/// Longer texts are no paths.
const LONGEST: usize = 4096;
const DEEPEST: usize = 8;

/// Where a word stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) tongue: Tongue,
    /// The file that is read.
    pub(super) file: String,
    /// The arguments of the function, or of the file.
    pub(super) arguments: Vec<String>,
}

impl Place {
    fn folder(&self) -> String {
        parent(&self.file)
    }
}

/// The folders that are known without any file.
#[derive(Clone)]
pub(super) struct Known<'a> {
    pub(super) home: &'a Path,
    pub(super) config: &'a Path,
    pub(super) data: &'a Path,
    pub(super) state: &'a Path,
    pub(super) env: &'a Env,
}

/// The variables of one shell.
pub(super) struct Values<'a> {
    known: Known<'a>,
    set: HashMap<String, Vec<String>>,
    /// Whether `*` matches hidden files.
    pub(super) hidden: bool,
    /// What of folders may still be listed.
    pub(super) budget: Budget,
    depth: usize,
    // So many bytes may still be remembered, and be made of words.
    room: usize,
    work: usize,
}

impl<'a> Values<'a> {
    pub(super) fn new(known: Known<'a>, entries: usize) -> Self {
        let budget = Budget::new(entries);
        Self { known, set: HashMap::new(), hidden: false, budget, depth: 0, room: 4 << 20, work: 32 << 20 }
    }

    /// Sets a variable; `adds` where other values may be its own as well.
    pub(super) fn set(&mut self, name: &str, values: Vec<String>, adds: bool) {
        let is_key = |value: &String| value.len() >= 20 && !value.contains(['/', ' ']) || value.len() > LONGEST;
        let size: usize = values.iter().map(String::len).sum::<usize>() + name.len();
        if detect::is_key_name(name) || values.iter().any(is_key) {
            return;
        }
        if size > self.room {
            self.budget.cut = true;
            return;
        }
        self.room -= size;
        let old = self.set.entry(name.to_owned()).or_default();
        if !adds {
            old.clear();
        }
        self.work = self.work.saturating_sub(values.len() * old.len());
        for value in values {
            if !old.contains(&value) {
                if old.len() >= MOST {
                    self.budget.cut = true;
                    break;
                }
                old.push(value);
            }
        }
    }

    /// The values that files gave a variable.
    pub(super) fn given(&self, name: &str) -> &[String] {
        self.set.get(name).map_or(&[], Vec::as_slice)
    }

    // Whether neither the files nor the environment set a variable. `get` may know the usual folder all the same.
    fn is_unset(&self, name: &str) -> bool {
        let has_usual = name == "ZDOTDIR" || name.starts_with("XDG_");
        has_usual && !self.set.contains_key(name) && self.known.env.non_empty(name).is_none()
    }

    fn get(&self, name: &str, place: &Place) -> Option<Vec<String>> {
        let text = |path: &Path| Some(vec![path.to_str()?.to_owned()]);
        let name = match place.tongue {
            Tongue::PowerShell => {
                let lower = name.to_ascii_lowercase();
                let bare =
                    ["global:", "script:", "local:", "using:"].iter().find_map(|scope| lower.strip_prefix(scope));
                &bare.unwrap_or(&lower).to_owned()
            }
            _ => name,
        };
        if let Some(values) = self.set.get(name) {
            return Some(values.clone());
        }
        let arguments = |from: usize| Some(place.arguments.get(from..).unwrap_or_default().to_vec());
        match name {
            "0" | "BASH_SOURCE" | "ZSH_SCRIPT" | "pscommandpath" | "myinvocation" | "profile" | "env.CURRENT_FILE" => {
                return Some(vec![place.file.clone()]);
            }
            "psscriptroot" | "env.FILE_PWD" => return Some(vec![place.folder()]),
            "HOME" | "home" | "env:home" | "env:userprofile" | "env.HOME" | "nu.home-path" | "nu.home-dir" => {
                return text(self.known.home);
            }
            "@" | "*" | "argv" => return arguments(0),
            "__fish_config_dir" => return text(&self.known.config.join("fish")),
            "__fish_user_data_dir" => return text(&self.known.data.join("fish")),
            "nu.default-config-dir" => return text(&self.known.config.join("nushell")),
            "nu.config-path" => return text(&self.known.config.join("nushell/config.nu")),
            "nu.env-path" => return text(&self.known.config.join("nushell/env.nu")),
            _ => {}
        }
        if let Ok(number) = name.parse::<usize>() {
            return place.arguments.get(number.wrapping_sub(1)).map(|one| vec![one.clone()]);
        }
        let outer = name.strip_prefix("env:").or_else(|| name.strip_prefix("env.")).unwrap_or(name);
        let outer = if place.tongue == Tongue::PowerShell { outer.to_ascii_uppercase() } else { outer.to_owned() };
        if let Some(value) = self.known.env.non_empty(&outer).and_then(|value| value.to_str()) {
            return (value.len() <= LONGEST && !detect::is_key_name(&outer)).then(|| vec![value.to_owned()]);
        }
        match &*outer {
            "XDG_CONFIG_HOME" => text(self.known.config),
            "XDG_DATA_HOME" => text(self.known.data),
            "XDG_STATE_HOME" => text(self.known.state),
            "ZDOTDIR" => text(self.known.home),
            // `FPATH=~/functions:$FPATH`: the shell's own folders are none of the user's.
            "FPATH" => Some(vec![String::new()]),
            "HOST" | "HOSTNAME" => Some(vec![host_name()?]),
            "OSTYPE" => Some(vec![std::env::consts::OS.replace("macos", "darwin")]),
            _ => None,
        }
    }

    /// The texts that a word stands for. Patterns give the files that are there, below home or the file's own folder
    /// where they are relative.
    pub(super) fn expand(&mut self, word: &Word<'_>, place: &Place) -> Vec<String> {
        let mut texts = Vec::new();
        for pattern in self.patterns(word, place) {
            let patterns = alternatives(&pattern, &mut self.budget);
            self.work = self.work.saturating_sub(patterns.len() * pattern.len());
            for pattern in patterns {
                let plain = unmarked(&pattern);
                if plain == pattern {
                    texts.push(plain);
                } else if pattern.starts_with('/') || pattern.get(1..3).is_some_and(|start| start == ":/") {
                    texts.extend(globs::paths(&pattern, self.hidden, &mut self.budget));
                } else if let Some(home) = self.known.home.to_str() {
                    let bases = [home.to_owned(), place.folder()];
                    let found =
                        bases.map(|base| globs::paths(&format!("{base}/{pattern}"), self.hidden, &mut self.budget));
                    texts.extend(found.into_iter().flatten());
                }
                if texts.len() > MOST {
                    self.budget.limit(&mut texts, MOST);
                    return texts;
                }
            }
        }
        texts
    }

    // The texts with marks where a character means something.
    fn patterns(&mut self, word: &Word<'_>, place: &Place) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut property = false;
        for (at, piece) in word.pieces.iter().enumerate() {
            let parts = match piece {
                Piece::Plain(text) => {
                    let mut text = String::from_utf8_lossy(text).into_owned();
                    if property && let Some(rest) = text.strip_prefix('.') {
                        // `$_.FullName`
                        let end = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '.').unwrap_or(rest.len());
                        for name in rest[..end].split('.') {
                            let of: fn(&str) -> String = match name.to_ascii_lowercase().as_str() {
                                "directoryname" | "directory" => parent,
                                "name" => file_name,
                                _ => str::to_owned,
                            };
                            texts.iter_mut().for_each(|text| *text = of(text));
                        }
                        text = rest[end..].to_owned();
                    }
                    match text.strip_prefix('~').filter(|_| at == 0) {
                        Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
                            let Some(home) = self.known.home.to_str() else { return Vec::new() };
                            Some(vec![format!("{home}{}", with_marks(rest, place.tongue))])
                        }
                        // Another user's home.
                        Some(rest) if !rest.is_empty() => None,
                        _ => Some(vec![with_marks(&text, place.tongue)]),
                    }
                }
                Piece::Quoted(text) => Some(vec![String::from_utf8_lossy(text).into_owned()]),
                Piece::Variable(text, quoted) => {
                    let values = self.parameter(&String::from_utf8_lossy(text), place);
                    let alone = word.pieces.len() == 1;
                    let is_pattern = text.starts_with(b"~") && place.tongue == Tongue::Zsh;
                    let values = values.map(|values| match is_pattern {
                        true => values.iter().map(|value| with_marks(value, place.tongue)).collect(),
                        false => values,
                    });
                    values.map(|values| if *quoted { values } else { split(values, place.tongue, alone) })
                }
                Piece::Code(text, _) => self.output(text, place),
                Piece::Unknown => None,
            };
            property =
                place.tongue == Tongue::PowerShell && matches!(piece, Piece::Variable(_, false) | Piece::Code(..));
            let Some(parts) = parts else { return Vec::new() };
            let most = if parts.len() == 1 || texts.len() == 1 { MOST } else { MOST_PAIRS };
            if parts.len() * texts.len() > most {
                self.budget.cut = true;
                return Vec::new();
            }
            texts = match &parts[..] {
                [one] => texts.into_iter().map(|text| text + one).collect(),
                _ => texts.iter().flat_map(|text| parts.iter().map(move |part| format!("{text}{part}"))).collect(),
            };
            texts.retain(|text| text.len() <= LONGEST);
            self.work = self.work.saturating_sub(texts.iter().map(String::len).sum::<usize>() + 1);
            if self.work == 0 {
                self.budget.cut = true;
                return Vec::new();
            }
        }
        if matches!(place.tongue, Tongue::PowerShell | Tongue::Nushell) {
            // Their commands know `~` and both slashes, in quotes, too.
            for text in &mut texts {
                *text = text.replace('\\', "/");
                if let (Some(rest), Some(home)) = (text.strip_prefix("~/"), self.known.home.to_str()) {
                    *text = format!("{home}/{rest}");
                }
            }
        }
        texts
    }

    fn parameter(&mut self, text: &str, place: &Place) -> Option<Vec<String>> {
        let parameter = match place.tongue {
            // A name with signs of its own.
            Tongue::PowerShell | Tongue::Nushell => return self.get(text, place),
            _ => parameters::parsed(text),
        };
        if matches!(parameter.sign, Some('+' | '#')) || self.depth > DEEPEST {
            return None;
        }
        self.depth += 1;
        let result = self.valued(&parameter, place);
        self.depth -= 1;
        result
    }

    fn valued(&mut self, parameter: &parameters::Parameter<'_>, place: &Place) -> Option<Vec<String>> {
        // zsh's `%x` and `%N` are the file.
        if parameter.flags.contains('%') && matches!(parameter.rest, ":-%x" | ":-%N") {
            return Some(vec![place.file.clone()]);
        }
        let mut values = match parameter.name {
            "" => None,
            name if name.starts_with('$') => Some(self.text(name, place)).filter(|values| !values.is_empty()),
            name => self.get(name, place),
        };
        if parameter.sign == Some('!') {
            let name = values?.pop()?;
            values = self.get(&name, place);
        }
        if let (Some(index), Some(all)) = (parameter.index, &values) {
            let first = if place.tongue == Tongue::Posix { 0 } else { 1 };
            if let Some(one) = index.parse::<usize>().ok().and_then(|index| all.get(index.wrapping_sub(first))) {
                values = Some(vec![one.clone()]);
            }
        }
        if parameter.flags.contains(['f', 's', 'z']) || parameter.sign == Some('=') {
            let split = |value: &String| value.split([' ', '\n', ':', ',']).map(str::to_owned).collect::<Vec<_>>();
            values = values.map(|values| values.iter().flat_map(split).collect());
        }
        match parameters::default(parameter.rest) {
            Some(Default::Missing(_) | Default::Assigned(_))
                if values.as_ref().is_some_and(|all| !all.is_empty()) && !self.is_unset(parameter.name) =>
            {
                values
            }
            Some(Default::Missing(word) | Default::Present(word)) => Some(self.text(word, place)),
            Some(Default::Assigned(word)) => {
                let found = self.text(word, place);
                self.set(parameter.name, found.clone(), false);
                Some(found)
            }
            None if parameter.rest.is_empty() => values,
            None => {
                let found = values?;
                self.work = self.work.saturating_sub(found.len() * 4096);
                let mut pattern = |text: &str| self.patterns(&words::word(text.as_bytes(), place.tongue), place).pop();
                Some(
                    found.iter().filter_map(|value| parameters::changed(value, parameter.rest, &mut pattern)).collect(),
                )
            }
        }
    }

    // The texts of a word inside of a variable.
    fn text(&mut self, text: &str, place: &Place) -> Vec<String> {
        self.expand(&words::word(text.as_bytes(), place.tongue), place)
    }

    /// What a command prints, where that follows from its words.
    pub(super) fn output(&mut self, text: &[u8], place: &Place) -> Option<Vec<String>> {
        if self.depth > DEEPEST {
            return None;
        }
        self.depth += 1;
        let mut values: Option<Vec<String>> = None;
        let mut folder = None;
        let mut piped = false;
        for command in words::commands(text, place.tongue).iter().take(16) {
            let input = if piped { values.take() } else { None };
            piped = command.piped;
            let result = self.result(&command.words, place, input, &mut folder);
            values = result.or(values);
        }
        self.depth -= 1;
        values
    }

    /// What these words give as a value: they are values themselves, or a command.
    pub(super) fn result(
        &mut self,
        words: &[Word<'_>],
        place: &Place,
        input: Option<Vec<String>>,
        folder: &mut Option<String>,
    ) -> Option<Vec<String>> {
        let (first, rest) = words.split_first()?;
        if rest.is_empty() && input.is_none() && first.pieces.iter().any(|piece| !matches!(piece, Piece::Plain(_))) {
            return Some(self.expand(first, place));
        }
        let name = first.literal()?.trim_start_matches('\\').to_ascii_lowercase();
        let before =
            words.iter().take_while(|word| matches!(word.plain(), Some(b"command" | b"builtin" | b"env" | b"sudo")));
        let before = before.count();
        if before > 0 {
            return self.result(&words[before..], place, input, folder);
        }
        if matches!(&*name, "cd" | "pushd" | "set-location") {
            *folder = rest.iter().flat_map(|word| self.expand(word, place)).rfind(|word| !word.starts_with('-'));
            return None;
        }
        let mut name = name;
        let mut rest = rest;
        if name == "path"
            && let Some((what, others)) = rest.split_first()
        {
            name = format!("path {}", what.literal().unwrap_or_default());
            rest = others;
        }
        let all: Vec<String> = rest.iter().flat_map(|word| self.expand(word, place)).collect();
        let is_option = |word: &&String| word.starts_with('-') && word.len() > 1;
        // A pattern for the command itself is no pattern of the shell's.
        let option = |names: &[&str]| {
            let is = |word: &Word<'_>| word.literal().is_some_and(|word| names.contains(&&*word.to_ascii_lowercase()));
            rest.get(rest.iter().position(is)? + 1)?.literal()
        };
        let paths: Vec<String> = all.iter().filter(|word| !is_option(word)).cloned().collect();
        Some(match &*name {
            "dirname" | "path dirname" => {
                paths.into_iter().chain(input.into_iter().flatten()).map(|path| parent(&path)).collect()
            }
            "basename" | "path basename" => {
                paths.first().into_iter().chain(&input.unwrap_or_default()).map(|path| file_name(path)).collect()
            }
            "split-path" if all.iter().any(|word| word.eq_ignore_ascii_case("-leaf")) => {
                paths.iter().map(|path| file_name(path)).collect()
            }
            "split-path" => paths.iter().map(|path| parent(path)).collect(),
            "realpath" | "grealpath" | "readlink" | "greadlink" | "path resolve" | "path expand" | "path normalize" => {
                paths.iter().chain(&input.unwrap_or_default()).map(|path| resolved(path)).collect()
            }
            "resolve-path" | "convert-path" | "get-item" | "gi" | "echo" | "print" | "write-output" => paths,
            "printf" if paths.len() > 1 => paths[1..].to_vec(),
            "printf" => paths,
            "pwd" | "get-location" => vec![folder.clone().or_else(|| self.known.home.to_str().map(str::to_owned))?],
            "status" if all.iter().any(|word| word.ends_with("dirname")) => vec![place.folder()],
            "status" if all.iter().any(|word| word.ends_with("basename")) => vec![file_name(&place.file)],
            "status" if all.iter().any(|word| word.ends_with("filename") || word == "-f") => vec![place.file.clone()],
            "path self" if paths.is_empty() => vec![place.file.clone()],
            "path self" => paths.iter().map(|path| join(&place.folder(), path)).collect(),
            "path join" => {
                input?.iter().map(|base| paths.iter().fold(base.clone(), |base, part| join(&base, part))).collect()
            }
            "join-path" => vec![paths.iter().skip(1).fold(paths.first()?.clone(), |base, part| join(&base, part))],
            "get-childitem" | "gci" | "dir" | "ls" => {
                let filter = option(&["-filter", "-include"]);
                let paths = if filter.is_some() {
                    paths.iter().filter(|path| Some(*path) != filter.as_ref()).cloned().collect()
                } else {
                    paths
                };
                let whole = name != "ls" || place.tongue == Tongue::PowerShell;
                let deep = all.iter().any(|word| word.eq_ignore_ascii_case("-recurse"));
                self.listing(&paths, filter.as_deref(), Show { whole, deep, hidden: false })
            }
            "find" => {
                let filter = option(&["-name", "-iname"]);
                let roots: Vec<String> = all.iter().take_while(|word| !word.starts_with(['-', '('])).cloned().collect();
                self.listing(&roots, filter.as_deref(), Show { whole: true, deep: true, hidden: true })
            }
            "uname" if all.iter().all(|word| word == "-s") => vec![system().to_owned()],
            "hostname" => vec![host_name()?],
            "whoami" => self.get("USER", place)?,
            "tr" => input?.iter().map(|value| value.to_lowercase()).collect(),
            "sort" | "uniq" | "tac" | "head" | "tail" | "grep" | "sort-object" | "where-object" | "?" | "xargs" => {
                input?
            }
            _ => return None,
        })
    }

    // The files in folders, or in all folders below, whose names match.
    fn listing(&mut self, paths: &[String], filter: Option<&str>, show: Show) -> Vec<String> {
        let Show { whole, deep, hidden } = show;
        let filter = filter.map(|filter| with_marks(filter, Tongue::Posix));
        let mut found = Vec::new();
        for path in paths {
            if !Path::new(path).is_absolute() || !Path::new(path).is_dir() {
                // PowerShell's commands take a pattern in quotes.
                found.extend(globs::paths(&with_marks(path, Tongue::PowerShell), hidden, &mut self.budget));
                continue;
            }
            let names = match deep {
                true => globs::tree(path, &mut self.budget),
                false => globs::listed(path, &mut self.budget).iter().map(|name| join(path, name)).collect(),
            };
            let is_wanted =
                |path: &String| filter.as_ref().is_none_or(|filter| globs::matches(filter, &file_name(path), hidden));
            let names = names.into_iter().filter(is_wanted);
            found.extend(names.map(|path| if whole { path } else { file_name(&path) }));
        }
        self.budget.limit(&mut found, MOST);
        found
    }
}

// What a listing shows: whole paths, what is in folders below, hidden files.
struct Show {
    whole: bool,
    deep: bool,
    hidden: bool,
}

// Marks what means something where it is not quoted.
fn with_marks(text: &str, tongue: Tongue) -> String {
    let signs = match tongue {
        Tongue::Zsh | Tongue::Posix => "*?[]{},()|",
        Tongue::Fish => "*{},",
        Tongue::Csh => "*?[]{},",
        Tongue::PowerShell | Tongue::Nushell => "*?",
    };
    text.chars().map(|sign| if signs.contains(sign) { marked(sign) } else { sign }).collect()
}

// What a variable outside of quotes becomes: bash and csh cut it at blanks, and look for patterns in it.
fn split(values: Vec<String>, tongue: Tongue, alone: bool) -> Vec<String> {
    match tongue {
        Tongue::Posix | Tongue::Csh => {
            let marked = values.iter().map(|value| with_marks(value, Tongue::Csh));
            if !alone {
                return marked.collect();
            }
            marked.flat_map(|value| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
        }
        _ => values,
    }
}

fn join(base: &str, part: &str) -> String {
    if part.starts_with('/') {
        part.to_owned()
    } else {
        format!("{}/{}", base.trim_end_matches('/'), part.trim_start_matches("./"))
    }
}

fn system() -> &'static str {
    match std::env::consts::OS {
        "macos" => "Darwin",
        "linux" => "Linux",
        "freebsd" => "FreeBSD",
        other => other,
    }
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
