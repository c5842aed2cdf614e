//! Commands that read files, and those that run other commands.

use super::{DEEPEST, MOST_NESTED, Read, Source, State, Text, Walk};
use crate::migrate::dialect::Dialect;
use crate::migrate::files::globs;
use crate::migrate::files::parameters::{file_name, parent};
use crate::migrate::files::values::Place;
use crate::migrate::files::words::{self, Command, Piece, Tongue, Word};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zeroize::Zeroizing;

impl Walk<'_> {
    pub(super) fn simple(
        &mut self,
        source: &Source<'_>,
        words: &[Word<'_>],
        command: &Command<'_>,
        place: &Place,
        state: &State,
    ) {
        let adds = state.branches > 0 || command.joined.is_some();
        let words = self.assigned(words, place, adds);
        let Some((first, rest)) = words.split_first() else { return };
        let name = first.literal().unwrap_or_default();
        let name = name.trim_start_matches('\\');
        let input = self.piped.take();
        if command.piped {
            self.piped = self.values.result(words, place, input.clone(), &mut None);
        }
        let deeper = self.open.len() + self.calls < 2 * DEEPEST;
        match name {
            "source" | "." | "source-env" => self.source(rest, place),
            "use" | "overlay" if place.tongue == Tongue::Nushell => {
                let from = usize::from(rest.first().and_then(Word::plain) == Some(b"use"));
                self.source(&rest[from.min(rest.len())..], place);
            }
            "Import-Module" | "ipmo" if place.tongue == Tongue::PowerShell => self.source(rest, place),
            "builtin" | "command" | "noglob" | "nocorrect" | "-" | "exec" | "silent" if self.nested < MOST_NESTED => {
                self.nested += 1;
                self.simple(source, rest, command, place, state);
                self.nested -= 1;
            }
            "zsh-defer" | "_zsh_defer" | "z-defer" if self.nested < MOST_NESTED => {
                self.nested += 1;
                self.deferred(source, rest, command, place, state);
                self.nested -= 1;
            }
            "emulate" => {
                let at = rest
                    .iter()
                    .position(|word| word.plain().is_some_and(|word| word.ends_with(b"c") && word.starts_with(b"-")));
                if let Some(word) = at.and_then(|at| rest.get(at + 1)) {
                    self.evaluate(word, place);
                }
            }
            "eval" if deeper => {
                let text: Vec<String> = rest.iter().filter_map(|word| self.values.expand(word, place).pop()).collect();
                self.evaluated(text.join(" "), place, self.reads);
            }
            "eval" => self.cut(None),
            "trap" | "alias" | "abbr" => {
                for text in rest.iter().filter_map(Word::literal) {
                    let text = text.split_once('=').map_or(text.as_str(), |(_, text)| text).to_owned();
                    if text.contains([' ', '/']) {
                        self.evaluated(text, place, false);
                    }
                }
            }
            "bass" | "fenv" | "bax" | "replay" => self.foreign(rest, place),
            "shopt" | "setopt" if rest.iter().any(|word| word.literal().is_some_and(|word| is_dotglob(&word))) => {
                self.values.hidden = true;
            }
            ":" => rest.iter().for_each(|word| drop(self.values.expand(word, place))),
            "read" => {
                if let (Some(values), Some(name)) = (input, rest.last().and_then(Word::literal)) {
                    self.values.set(&name, values, false);
                }
            }
            "autoload" if matches!(place.tongue, Tongue::Posix | Tongue::Zsh) => self.autoloaded(rest, place),
            "mapfile" | "readarray" => {
                // `mapfile -t files < <(ls)`
                let name = rest.iter().filter_map(Word::literal).rfind(|word| !word.starts_with('-'));
                let code = |word: &&Word<'_>| matches!(word.pieces[..], [Piece::Code(..)]);
                if let (Some(name), Some(word)) = (name, rest.iter().find(code)) {
                    let values = self.values.expand(word, place);
                    self.values.set(&name, values, false);
                }
            }
            "zinit" | "zi" | "zplug" | "antigen" | "antidote" | "zgen" | "zgenom" | "znap" => self.plugins(rest, place),
            _ if self.functions.contains_key(name) || self.autoloads(name, place) => {
                let arguments = rest.iter().flat_map(|word| self.values.expand(word, place)).collect();
                self.call(name, arguments, place.tongue);
            }
            _ if place.tongue == Tongue::PowerShell => {
                if let Some(path) = self.values.expand(first, place).pop()
                    && path.to_ascii_lowercase().ends_with(".ps1")
                {
                    self.source(words, place);
                }
            }
            _ => {}
        }
    }

    // What zsh-defer runs when there is time.
    pub(super) fn deferred(
        &mut self,
        source: &Source<'_>,
        words: &[Word<'_>],
        command: &Command<'_>,
        place: &Place,
        state: &State,
    ) {
        let mut words = words;
        while let Some((first, rest)) = words.split_first() {
            match first.plain() {
                Some(b"-c") => return rest.iter().for_each(|word| self.evaluate(word, place)),
                Some(b"-t" | b"-p" | b"-a") if rest.len() > 1 => {
                    words = &rest[usize::from(first.plain() != Some(b"-a"))..]
                }
                Some([b'-' | b'+', ..]) => words = rest,
                _ => return self.simple(source, words, command, place, state),
            }
        }
    }

    pub(super) fn evaluate(&mut self, word: &Word<'_>, place: &Place) {
        // Text with variables that are not known is commands, too.
        let text = self.values.expand(word, place).pop().or_else(|| word.literal());
        if let Some(text) = text {
            self.evaluated(text, place, self.reads);
        }
    }

    pub(super) fn evaluated(&mut self, text: String, place: &Place, reads: bool) {
        if self.calls >= DEEPEST || text.len() > 1 << 16 {
            return self.cut(None);
        }
        let before = std::mem::replace(&mut self.reads, reads);
        self.calls += 1;
        let text: Text = Rc::new(Zeroizing::new(text.into_bytes()));
        let mut state = State { branches: 1, subshells: 0, base: None, width: 1 };
        self.code(&text, 0..text.len(), place, &mut state);
        self.calls -= 1;
        self.reads = before;
    }

    pub(super) fn source(&mut self, words: &[Word<'_>], place: &Place) {
        let words = words.iter().skip_while(|word| word.plain().is_some_and(|word| word.starts_with(b"-")));
        let mut words = words.skip_while(|word| place.tongue == Tongue::Fish && word.plain() == Some(b"--"));
        let Some(word) = words.next() else { return };
        let paths = self.values.expand(word, place);
        let arguments: Vec<String> = words.flat_map(|word| self.values.expand(word, place)).collect();
        for path in paths {
            self.found(&path, place, arguments.clone());
        }
    }

    // A path that is sourced: at home or in the file's own folder where it is relative.
    pub(super) fn found(&mut self, path: &str, place: &Place, arguments: Vec<String>) {
        if file_name(path) == "oh-my-zsh.sh" {
            return self.oh_my_zsh(path, place);
        }
        if !self.values.budget.take(1) {
            return;
        }
        let paths = self.absolute(path, place);
        for path in paths {
            self.read(&path, place.tongue, self.by(), Read::Sourced, arguments.clone());
        }
    }

    pub(super) fn absolute(&self, path: &str, place: &Place) -> Vec<PathBuf> {
        if path.is_empty() || path.contains('\0') {
            return Vec::new();
        }
        let bare = Path::new(path.trim_start_matches("./"));
        match Path::new(path).is_absolute() {
            true => vec![PathBuf::from(path)],
            false => vec![self.known.home.join(bare), Path::new(&parent(&place.file)).join(bare)],
        }
    }

    // What oh-my-zsh reads of the user's own; its own files are many and hold no keys.
    pub(super) fn oh_my_zsh(&mut self, path: &str, place: &Place) {
        if let [path, ..] = &self.absolute(path, place)[..] {
            self.note(path, Dialect::Zsh, Read::Sourced);
        }
        // What that file is read on is what its own files are read on.
        let sure = self.absolute(path, place).first().is_some_and(|path| self.is_sure(path));
        let outer = (std::mem::replace(&mut self.sure, sure), std::mem::take(&mut self.frames));
        let custom = match self.values.given("ZSH_CUSTOM") {
            [] => vec![format!("{}/custom", parent(path))],
            given => given.to_vec(),
        };
        let (plugins, themes) = (self.values.given("plugins").to_vec(), self.values.given("ZSH_THEME").to_vec());
        for custom in custom {
            let mut paths = self.matching(&format!("{custom}/lib"));
            paths.extend(plugins.iter().map(|name| format!("{custom}/plugins/{name}/{name}.plugin.zsh")));
            paths.extend(self.matching(&custom));
            for name in &themes {
                paths.push(format!("{custom}/{name}.zsh-theme"));
                paths.push(format!("{custom}/themes/{name}.zsh-theme"));
            }
            paths
                .iter()
                .for_each(|path| self.read(Path::new(path), Tongue::Zsh, Dialect::Zsh, Read::Sourced, Vec::new()));
        }
        (self.sure, self.frames) = outer;
    }

    pub(super) fn matching(&mut self, folder: &str) -> Vec<String> {
        let pattern = format!("{folder}/{}.zsh", globs::marked('*'));
        globs::paths(&pattern, false, &mut self.values.budget)
    }

    // Plugin managers read the user's own folders, too.
    pub(super) fn plugins(&mut self, words: &[Word<'_>], place: &Place) {
        let paths: Vec<String> = words.iter().flat_map(|word| self.values.expand(word, place)).collect();
        for path in paths.into_iter().filter(|path| Path::new(path).is_absolute()) {
            if Path::new(&path).is_dir() {
                let files = self.matching(&path);
                files.iter().for_each(|file| self.found(file, place, Vec::new()));
            } else {
                self.found(&path, place, Vec::new());
            }
        }
    }

    // fish reads a function's file when it is called first.
    pub(super) fn autoloads(&mut self, name: &str, place: &Place) -> bool {
        if place.tongue != Tongue::Fish || name.is_empty() || name.contains('/') || self.open.len() > DEEPEST {
            return false;
        }
        let path = self.known.config.join("fish/functions").join(format!("{name}.fish"));
        if !path.is_file() {
            return false;
        }
        self.later(&path, Dialect::Fish);
        self.functions.contains_key(name)
    }

    // A file of another shell, whose variables are taken over.
    pub(super) fn foreign(&mut self, words: &[Word<'_>], place: &Place) {
        let text: Vec<String> = words.iter().flat_map(|word| self.values.expand(word, place)).collect();
        let text = text.join(" ");
        let inner = Place { tongue: Tongue::Posix, ..place.clone() };
        for command in words::commands(text.as_bytes(), Tongue::Posix) {
            let name = command.words.first().and_then(Word::literal).unwrap_or_default();
            if matches!(&*name, "source" | ".") {
                for word in command.words.iter().skip(1) {
                    let paths = self.values.expand(word, &inner);
                    paths.iter().for_each(|path| self.noted_text(path, &inner));
                }
            }
        }
    }
}

fn is_dotglob(word: &str) -> bool {
    let bare: String = word.chars().filter(|sign| *sign != '_').collect::<String>().to_ascii_lowercase();
    matches!(&*bare, "dotglob" | "globdots")
}
