//! What a command that is a condition asks: whether a file is there, or what holds in every interactive login shell.

use super::Walk;
use super::conditions::Condition;
use crate::migrate::files::Shell;
use crate::migrate::files::values::Place;
use crate::migrate::files::words::{self, Command, Piece, Tongue, Word};

// Operators of `test` that hold for a file only where it is there.
const OF_FILES: &[&[u8]] = &[b"-f", b"-r", b"-e", b"-s", b"-d", b"-x", b"-h", b"-L", b"-w", b"-O"];

impl Walk<'_> {
    /// On what a command succeeds.
    pub(super) fn asked(&mut self, command: &Command<'_>, place: &Place) -> Condition {
        let words = &command.words[..];
        if matches!(place.tongue, Tongue::PowerShell | Tongue::Nushell) {
            return self.asked_in_braces(words, place, 0);
        }
        let plain: Vec<&[u8]> = words.iter().map(|word| word.plain().unwrap_or_default()).collect();
        match plain[..] {
            [b"true" | b":" | b"echo" | b"printf" | b"export" | b"alias" | b"setopt" | b"unset", ..] => {
                Condition::always()
            }
            [b"false", ..] => Condition::never(),
            [b"shopt", b"-q", b"login_shell"] | [b"tty", b"-s"] => Condition::always(),
            [b"isatty"] | [b"isatty", b"stdin" | b"stdout"] if place.tongue == Tongue::Fish => Condition::always(),
            [b"status", b"is-interactive" | b"is-login" | b"--is-interactive" | b"--is-login" | b"-i" | b"-l"]
                if place.tongue == Tongue::Fish =>
            {
                Condition::always()
            }
            [b"set", b"-q", name] if place.tongue == Tongue::Fish => self.has_variable(name),
            [b"test", ..] => self.asked_of_test(&words[1..], place, 0),
            [b"[", .., b"]"] => self.asked_of_test(&words[1..words.len() - 1], place, 0),
            // The parts of `[[ a && b ]]` are commands of a list here.
            [b"[[", .., b"]]"] => self.asked_of_test(&words[1..words.len() - 1], place, 0),
            [b"[[", ..] => self.asked_of_test(&words[1..], place, 0),
            [.., b"]]"] => self.asked_of_test(&words[..words.len() - 1], place, 0),
            [first, ..] if first.starts_with(b"-") || first == b"!" => self.asked_of_test(words, place, 0),
            _ => Condition::unknown(),
        }
    }

    fn asked_of_test(&mut self, words: &[Word<'_>], place: &Place, depth: usize) -> Condition {
        if depth > 8 {
            return Condition::unknown();
        }
        let plain: Vec<&[u8]> = words.iter().map(|word| word.plain().unwrap_or_default()).collect();
        let apart = |sign: &[u8]| (1..plain.len().saturating_sub(1)).find(|at| plain[*at] == sign);
        if let Some(at) = apart(b"-o").filter(|at| *at > 1) {
            let one = self.asked_of_test(&words[..at], place, depth + 1);
            return one.or(self.asked_of_test(&words[at + 1..], place, depth + 1));
        }
        if let Some(at) = apart(b"-a").filter(|at| *at > 1) {
            let one = self.asked_of_test(&words[..at], place, depth + 1);
            return one.and(self.asked_of_test(&words[at + 1..], place, depth + 1));
        }
        match (&plain[..], words) {
            ([b"!", _, ..], [_, rest @ ..]) => self.asked_of_test(rest, place, depth + 1).not(),
            ([b"-n", _], [_, word]) | ([_], [word]) => self.is_set(word),
            ([b"-z", _], [_, word]) => self.is_set(word).not(),
            ([b"-t", _], _) => Condition::always(),
            ([b"-o", b"interactive" | b"login"], _) => Condition::always(),
            ([b"-v", name], _) => self.has_variable(name),
            ([sign, _], [_, word]) if OF_FILES.contains(sign) => self.is_there(word, place),
            ([_, sign, _], [one, _, other]) => self.is_equal(one, sign, other, place),
            _ => Condition::unknown(),
        }
    }

    fn is_there(&mut self, word: &Word<'_>, place: &Place) -> Condition {
        let paths = self.values.expand(word, place);
        Condition::there(paths.iter().flat_map(|path| self.absolute(path, place)).collect())
    }

    // Whether a word that is one variable is not empty.
    fn is_set(&self, word: &Word<'_>) -> Condition {
        let Some(Piece::Variable(text, _)) = only(word) else { return Condition::unknown() };
        let size = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        // `${A-}`, `${A:-}` and `${A+x}` ask the same.
        match &text[size..] {
            [] | b"-" | b":-" => self.has_variable(&text[..size]),
            [b'+', ..] | [b':', b'+', ..] => self.has_variable(&text[..size]),
            _ => Condition::unknown(),
        }
    }

    // Whether the shell has a variable.
    fn has_variable(&self, name: &[u8]) -> Condition {
        let of = |shell: Shell| match self.shell {
            Some(own) if own == shell => Condition::always(),
            // sh may be any of them.
            Some(Shell::Sh) | None => Condition::unknown(),
            Some(_) => Condition::never(),
        };
        match name {
            b"PS1" | b"HOME" | b"prompt" => Condition::always(),
            b"BASH" | b"BASH_VERSION" => of(Shell::Bash),
            b"ZSH_VERSION" | b"ZSH_NAME" => of(Shell::Zsh),
            b"FISH_VERSION" | b"fish_pid" => of(Shell::Fish),
            b"tcsh" | b"loginsh" => of(Shell::Csh),
            _ => Condition::unknown(),
        }
    }

    fn is_equal(&mut self, one: &Word<'_>, sign: &[u8], other: &Word<'_>, place: &Place) -> Condition {
        let is_equal = match sign {
            b"=" | b"==" => true,
            b"!=" => false,
            b"=~" if is_options(one) && other.literal().as_deref() == Some("i") => return Condition::always(),
            _ => return Condition::unknown(),
        };
        let Some(pattern) = other.literal() else { return Condition::unknown() };
        let is = |name: &[u8]| matches!(only(one), Some(Piece::Variable(text, _)) if text == name);
        let prints = |text: &[u8]| matches!(only(one), Some(Piece::Code(code, _)) if code.trim_ascii() == text);
        let same = if is_options(one) && pattern == "*i*" {
            true
        } else if is(b"TERM") && pattern == "dumb" {
            false
        } else if is(b"OSTYPE") || prints(b"uname") || prints(b"uname -s") {
            // The system stays the same.
            let Some(system) = self.values.expand(one, place).pop() else { return Condition::unknown() };
            let stem: String = pattern.chars().take_while(char::is_ascii_alphabetic).collect();
            if !["darwin", "linux", "freebsd"].contains(&&*stem.to_ascii_lowercase()) {
                return Condition::unknown();
            }
            stem == system
        } else {
            return Condition::unknown();
        };
        Condition::of(same == is_equal)
    }

    /// The same of what stands in parentheses after `if` in csh.
    pub(super) fn asked_in_csh(&mut self, text: &[u8], place: &Place) -> Condition {
        let text = text.trim_ascii();
        let inner = text.strip_prefix(b"(").and_then(|text| text.strip_suffix(b")"));
        let Some(inner) = inner.map(<[u8]>::trim_ascii) else { return Condition::unknown() };
        if let Some(at) = memchr::memmem::find(inner, b"&&") {
            let part = |text: &[u8]| [b"(", text, b")"].concat();
            let (one, other) = (part(&inner[..at]), part(&inner[at + 2..]));
            return self.asked_in_csh(&one, place).and(self.asked_in_csh(&other, place));
        }
        if let Some(rest) = inner.strip_prefix(b"!") {
            let rest = rest.trim_ascii();
            let rest = if rest.starts_with(b"(") { rest.to_vec() } else { [b"(", rest, b")"].concat() };
            return self.asked_in_csh(&rest, place).not();
        }
        if let Some(name) = inner.strip_prefix(b"$?") {
            return self.has_variable(name);
        }
        let commands = words::commands(inner, Tongue::Csh);
        match &commands[..] {
            [Command { words, .. }] if matches!(&words[..], [sign, _] if is_csh_sign(sign)) => {
                self.is_there(&words[1], place)
            }
            _ => Condition::unknown(),
        }
    }

    // The same in PowerShell and nushell.
    fn asked_in_braces(&mut self, words: &[Word<'_>], place: &Place, depth: usize) -> Condition {
        let plain = |word: &Word<'_>| word.plain().map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
        let apart = |sign: &[u8]| words.iter().position(|word| plain(word) == sign);
        if depth > 8 {
            return Condition::unknown();
        }
        if let Some(at) = apart(b"-or").or_else(|| apart(b"or")) {
            let one = self.asked_in_braces(&words[..at], place, depth + 1);
            return one.or(self.asked_in_braces(&words[at + 1..], place, depth + 1));
        }
        if let Some(at) = apart(b"-and").or_else(|| apart(b"and")) {
            let one = self.asked_in_braces(&words[..at], place, depth + 1);
            return one.and(self.asked_in_braces(&words[at + 1..], place, depth + 1));
        }
        match words {
            [first, rest @ ..] if matches!(&*plain(first), b"-not" | b"not" | b"!") => {
                self.asked_in_braces(rest, place, depth + 1).not()
            }
            [first, rest @ ..] if &*plain(first) == b"test-path" => {
                let kind = rest.iter().position(|word| plain(word) == b"-pathtype").map(|at| at + 1);
                let is_path = |(at, word): &(usize, &Word<'_>)| kind != Some(*at) && !plain(word).starts_with(b"-");
                let mut paths = rest.iter().enumerate().filter(is_path).map(|(_, word)| word);
                match (paths.next(), paths.next()) {
                    (Some(path), None) => self.is_there(path, place),
                    _ => Condition::unknown(),
                }
            }
            [first, sign, other] if &*plain(sign) == b"-eq" && raw(first).eq_ignore_ascii_case("$host.name") => {
                let is_console = other.literal().is_some_and(|name| name == "ConsoleHost");
                if is_console { Condition::always() } else { Condition::unknown() }
            }
            [word] => match word.pieces[..] {
                [Piece::Code(text, _)] => self.asked_in_parentheses(text, place, depth + 1),
                // `!(a)`
                [Piece::Plain(b"!"), Piece::Code(text, _)] => self.asked_in_parentheses(text, place, depth + 1).not(),
                _ => match &*raw(word).to_ascii_lowercase() {
                    "true" | "$true" | "$nu.is-interactive" | "$nu.is-login" | "[environment]::userinteractive" => {
                        Condition::always()
                    }
                    "false" | "$false" => Condition::never(),
                    _ => Condition::unknown(),
                },
            },
            _ => Condition::unknown(),
        }
    }

    fn asked_in_parentheses(&mut self, text: &[u8], place: &Place, depth: usize) -> Condition {
        let commands = words::commands(text, place.tongue);
        match &commands[..] {
            [one] => self.asked_in_braces(&one.words, place, depth),
            [path, test] if path.piped && test.words.len() == 2 && place.tongue == Tongue::Nushell => {
                match (&path.words[..], test.words[0].plain(), test.words[1].plain()) {
                    ([path], Some(b"path"), Some(b"exists")) => self.is_there(path, place),
                    _ => Condition::unknown(),
                }
            }
            _ => Condition::unknown(),
        }
    }
}

fn is_csh_sign(word: &Word<'_>) -> bool {
    word.plain().is_some_and(|sign| OF_FILES.contains(&sign))
}

// The piece that is all of a word, quotes aside.
fn only<'a>(word: &Word<'a>) -> Option<Piece<'a>> {
    let mut pieces = word.pieces.iter().filter(|piece| !matches!(piece, Piece::Quoted(b"")));
    pieces.next().copied().filter(|_| pieces.next().is_none())
}

// A word as it is written, quotes left out.
fn raw(word: &Word<'_>) -> String {
    let piece = |piece: &Piece<'_>| match piece {
        Piece::Plain(text) | Piece::Quoted(text) => String::from_utf8_lossy(text).into_owned(),
        Piece::Variable(text, _) => format!("${}", String::from_utf8_lossy(text)),
        Piece::Code(..) | Piece::Unknown => "(".to_owned(),
    };
    word.pieces.iter().map(piece).collect()
}

/// Reports whether a word is `$-`, the shell's options.
pub(super) fn is_options(word: &Word<'_>) -> bool {
    matches!(only(word), Some(Piece::Variable(b"-", _) | Piece::Plain(b"$-") | Piece::Quoted(b"$-")))
}
