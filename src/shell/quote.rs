//! Quoting of one word for each shell, whatever bytes it holds.
//!
//! The words become part of text that a shell evaluates, so a mistake here would run another command. Every word is
//! quoted, even a plain one: an unquoted word can be an alias (zsh's global aliases apply anywhere), and a leading `=`
//! searches for a command in zsh. Control characters are always escaped: the text may be shown on a terminal, and zsh's
//! CSH_JUNKIE_QUOTES refuses a newline between quotes. Called by the parent module.

use super::{Shell, ShellError};
use crate::name::is_unprintable;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Quotes one word. The shell reads exactly `text` from it, as one argument or operand.
///
/// The result has no control character, and for PowerShell only ASCII. A NUL is refused, since no shell's word can hold
/// one; for PowerShell and nushell, so is text that is not UTF-8.
pub fn quote(shell: Shell, text: &[u8]) -> Result<String, ShellError> {
    if text.contains(&0) {
        return Err(ShellError::Nul);
    }
    match shell {
        Shell::Zsh | Shell::Bash => Ok(posix(text)),
        Shell::Fish => Ok(fish(text)),
        Shell::PowerShell => Ok(powershell(std::str::from_utf8(text).map_err(|_| ShellError::NotUnicode)?)),
        Shell::Nushell => Ok(nushell(std::str::from_utf8(text).map_err(|_| ShellError::NotUnicode)?)),
    }
}

/// Quotes for zsh and bash: single quotes, by `shell_escape`, for plain text, else `$'...'`.
fn posix(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(plain) if !plain.contains(is_unprintable) => {
            let word = shell_escape::unix::escape(Cow::Borrowed(plain));
            // A word that needs no quotes is returned as it is.
            if matches!(word, Cow::Borrowed(_)) { format!("'{word}'") } else { word.into_owned() }
        }
        // Three octal digits: a hexadecimal escape could take the next character as a digit.
        _ => escaped("$'", text, |byte| format!("\\{byte:03o}")),
    }
}

/// Quotes for fish: single quotes, in which only `\` and `'` are escaped. Escaped bytes stand outside the quotes.
fn fish(text: &[u8]) -> String {
    escaped("'", text, |byte| format!("'\\X{byte:02x}'"))
}

/// Escapes `\` and `'`. Bytes that are not UTF-8, control a terminal or reorder text are escaped by `raw`.
fn escaped(open: &str, text: &[u8], raw: impl Fn(u8) -> String) -> String {
    let mut word = open.to_owned();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unprintable(c) {
                word.extend(c.encode_utf8(&mut [0; 4]).bytes().map(&raw));
            } else {
                if matches!(c, '\\' | '\'') {
                    word.push('\\');
                }
                word.push(c);
            }
        }
        word.extend(chunk.invalid().iter().copied().map(&raw));
    }
    word.push('\'');
    word
}

/// Quotes for nushell: single quotes, in which nothing is special, or double quotes with escapes.
fn nushell(text: &str) -> String {
    if !text.contains(|c| c == '\'' || is_unprintable(c)) {
        return format!("'{text}'");
    }
    let mut word = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            c if is_unprintable(c) => write!(word, "\\u{{{:x}}}", u32::from(c)).expect("a String takes every write"),
            c => word.push(c),
        }
    }
    word.push('"');
    word
}

/// Quotes for PowerShell: a single-quoted string of printable ASCII, and a sum with `[char]` for everything else.
///
/// The sum begins with a string, because `[char] + string` would be arithmetic. The typographic quotes U+2018..U+201B
/// end a string as `'` does. They are not ASCII, so they are written as `[char]`.
fn powershell(text: &str) -> String {
    let mut word = String::from("'");
    let mut sum = false;
    let mut open = true;
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ b' '..=b'~') => {
                if !open {
                    word.push_str(" + '");
                    open = true;
                }
                word.push(char::from(byte));
                if byte == b'\'' {
                    word.push('\'');
                }
            }
            _ => {
                if open {
                    word.push('\'');
                    open = false;
                }
                sum = true;
                write!(word, " + [char]0x{unit:04x}").expect("a String takes every write");
            }
        }
    }
    if open {
        word.push('\'');
    }
    if sum { format!("({word})") } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(shell: Shell, text: &str) -> String {
        quote(shell, text.as_bytes()).expect("can be quoted")
    }

    #[test]
    fn every_word_is_quoted_even_a_plain_one() {
        for shell in Shell::ALL {
            assert_eq!(quoted(shell, "plain"), "'plain'");
            assert_eq!(quoted(shell, ""), "''");
            assert_eq!(quoted(shell, "=ls"), "'=ls'");
        }
    }

    #[test]
    fn a_fish_word_that_ends_in_a_backslash_is_closed() {
        assert_eq!(quoted(Shell::Fish, r"a\"), r"'a\\'");
        assert_eq!(quoted(Shell::Fish, r"it's"), r"'it\'s'");
    }

    #[test]
    fn control_characters_are_never_raw() {
        for c in (0..=0x9f).filter_map(char::from_u32).filter(|c| c.is_control() && *c != '\0') {
            for shell in Shell::ALL {
                let word = quoted(shell, &format!("a{c}7"));
                assert!(!word.contains(char::is_control), "{shell}: {word:?}");
            }
        }
    }

    #[test]
    fn nushell_words_are_in_single_quotes_unless_they_hold_one() {
        assert_eq!(quoted(Shell::Nushell, r"a\b$(x)"), r"'a\b$(x)'");
        assert_eq!(quoted(Shell::Nushell, "it's \"x\" \\"), r#""it's \"x\" \\""#);
        assert_eq!(quoted(Shell::Nushell, "a\nb'"), r#""a\u{a}b'""#);
    }

    #[test]
    fn powershell_words_are_ascii_sums_that_begin_with_a_string() {
        assert_eq!(quoted(Shell::PowerShell, "it's"), "'it''s'");
        assert_eq!(quoted(Shell::PowerShell, "\u{2019}x"), "('' + [char]0x2019 + 'x')");
        assert_eq!(quoted(Shell::PowerShell, "a\u{1f600}"), "('a' + [char]0xd83d + [char]0xde00)");
        assert_eq!(quoted(Shell::PowerShell, "a\nb"), "('a' + [char]0x000a + 'b')");
    }

    #[test]
    fn what_no_word_can_hold_is_refused() {
        for shell in Shell::ALL {
            assert!(matches!(quote(shell, b"a\0b"), Err(ShellError::Nul)));
        }
        assert!(matches!(quote(Shell::PowerShell, b"a\xff"), Err(ShellError::NotUnicode)));
    }
}
