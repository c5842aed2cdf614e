//! The text of one configuration file, and errors with a position in it.

use crate::hint::Hint;
use crate::name::{closest, shorten};
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::platform::{self, Access, ReadError};
use crate::words;
use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// The largest configuration file that is read, a thousand times the usual size.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// An error in a configuration file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Line and column, unless the error is about the whole file.
    pub at: Option<(usize, usize)>,
    /// The message, as a sentence without a full stop.
    pub message: String,
    /// The next step for the user.
    pub hint: Option<Hint>,
}

impl ConfigError {
    /// Makes an error about the whole file.
    pub fn whole(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.into(), at: None, message: message.into(), hint: None }
    }

    /// Adds the next step for the user.
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file.display(), self.message),
            None => write!(f, "{}: {}", self.file.display(), self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A configuration file that was read once, so that hashing and parsing see the same bytes.
pub(crate) struct Source {
    /// The path of the file.
    pub file: PathBuf,
    /// The text.
    pub text: String,
    /// Owner and mode of the file, if it was read from disk.
    pub access: Option<Access>,
}

impl Source {
    /// Reads a file. Returns `Ok(None)` if it does not exist.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>, ConfigError> {
        match platform::read_file(file, MAX_BYTES) {
            Ok(read) => Self::from_bytes(file, read.bytes, Some(read.access)).map(Some),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(unreadable(file, &error)),
        }
    }

    /// Makes a source from bytes that were read elsewhere or are built in.
    pub(crate) fn from_bytes(file: &Path, bytes: Vec<u8>, access: Option<Access>) -> Result<Self, ConfigError> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { file: file.into(), text, access }),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
                let source = Self { file: file.into(), text, access };
                Err(source.error(good..good, "the file is not UTF-8 from here on"))
            }
        }
    }

    /// Fails if an account other than the user's and root's may have written the file, because configuration chooses
    /// endpoints, keys and trust. Root's files count as the user's own: programs such as home-manager keep
    /// configuration in a store of root.
    pub(crate) fn refuse_others(&self) -> Result<(), ConfigError> {
        let Some(access) = self.access else { return Ok(()) };
        private::check(&access, Privacy::UnwrittenOrRoots)
            .map_err(|why| ConfigError::whole(&self.file, why.to_string()).with_hint(mend(&self.file, &why)))
    }

    /// Parses the text. An unknown key or a wrong type is an error with its position.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|error| {
            let message = without_values(&one_line(error.message()));
            let hint = suggestion(&message);
            let mut made = self.error(error.span().unwrap_or(0..0), message);
            made.hint = hint.map(Hint::from);
            made
        })
    }

    /// Makes an error about a byte range of this file.
    pub(crate) fn error(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let mut at = span.start.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        ConfigError { file: self.file.clone(), at: Some((line, column)), message: message.into(), hint: None }
    }

    /// Reads a time limit in seconds.
    pub(super) fn seconds(&self, given: &Spanned<f64>) -> Result<Duration, ConfigError> {
        if !(0.05..=600.0).contains(given.get_ref()) {
            return Err(self.error(given.span(), "`timeout` is in seconds, from 0.05 to 600"));
        }
        Ok(Duration::from_secs_f64(*given.get_ref()))
    }
}

// Returns the next step that makes the file the user's own.
fn mend(file: &Path, why: &NotPrivate) -> Hint {
    match why {
        _ if platform::invents_modes(file) => {
            "its file system shows every file so: move it to another one, and put a link in its place".into()
        }
        NotPrivate::Foreign(_) if platform::is_root() => {
            "run ringlet as the user whose file it is, or by `sudo -H` with root's own configuration".into()
        }
        NotPrivate::Foreign(_) => {
            "put a copy of your own in its place, or set HOME to your own home directory if it is not".into()
        }
        _ => Hint::run(words!["chmod", "go-w", file]).and(" if it is yours, and look at what it says"),
    }
}

fn unreadable(file: &Path, error: &ReadError) -> ConfigError {
    let made = ConfigError::whole(file, format!("cannot be read: {error}"));
    match error {
        ReadError::Dangling => made.with_hint("remove the symlink or restore what it points to"),
        ReadError::Io(io) if io.kind() == std::io::ErrorKind::PermissionDenied => {
            made.with_hint("make it readable for yourself, or remove it")
        }
        _ => made,
    }
}

// Joins the lines of the parser's message.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

// Removes values from a message of serde. It repeats strings of the wrong type and unknown words, and people paste keys
// in such places.
fn without_values(message: &str) -> String {
    if let (Some(start), Some(end)) = (message.find(": string \""), message.rfind("\", expected"))
        && start < end
    {
        return format!("{}: a string{}", &message[..start], &message[end + 1..]);
    }
    // The rest of the message lists Ringlet's own names, which are short.
    let (found, expected) = message.split_at(message.find(", expected").unwrap_or(message.len()));
    match (found.find('`'), found.rfind('`')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}`{}`{}{expected}", &found[..start], shorten(&found[start + 1..end]), &found[end + 1..])
        }
        _ => message.to_owned(),
    }
}

// Returns a suggestion for a message of serde such as: unknown field `profle`, expected one of `profile`, `agents`
fn suggestion(message: &str) -> Option<String> {
    let (found, expected) = message.strip_prefix("unknown ")?.split_once(", expected ")?;
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let (found, expected) = (quoted(found), quoted(expected));
    let word = closest(found.first()?, expected.iter().map(String::as_str))?;
    Some(format!("did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "profile")]
        _profile: String,
    }

    #[derive(Debug, Deserialize)]
    struct Table {
        #[serde(rename = "key")]
        _key: std::collections::BTreeMap<String, String>,
    }

    #[test]
    fn a_key_pasted_in_the_wrong_place_is_not_repeated() {
        let source =
            Source::from_bytes(Path::new("f"), b"key = \"sk-canary, expected\"".to_vec(), None).expect("UTF-8");
        let error = source.parse::<Table>().expect_err("wrong type").to_string();
        assert!(!error.contains("canary"), "{error}");
    }

    fn parse(bytes: &[u8]) -> ConfigError {
        Source::from_bytes(Path::new("f"), bytes.to_vec(), None)
            .and_then(|source| source.parse::<Sample>())
            .expect_err("bad input")
    }

    #[test]
    fn errors_name_line_and_column() {
        let error = parse(b"profile = \"a\"\nprofle = \"b\"\n");
        assert_eq!(error.at, Some((2, 1)), "{error}");
        assert_eq!(error.hint, Some("did you mean `profile`?".into()));
        assert_eq!(parse(b"profile = 1\n").at, Some((1, 11)));
        assert_eq!(parse(b"profile = \"\xff\"").at, Some((1, 12)));
        assert_eq!(parse("# \u{e9}\u{e9}\nx y".as_bytes()).at.map(|at| at.0), Some(2));
        assert!(parse(b"profile = \"a\0\"").at.is_some());
    }
}
