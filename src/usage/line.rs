//! One line of the counts.

use serde::{Deserialize, Serialize};

/// The length of a line with its newline. It is filled up with blanks.
pub(super) const LENGTH: usize = 1024;

// Longer texts would not leave room for the numbers.
const LONGEST_TEXT: usize = 400;
const LONGEST_MODEL: usize = 120;

/// Counts of requests and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Requests that have left.
    pub requests: u64,
    /// Those whose answer said what was used.
    pub measured: u64,
    /// Tokens that were read anew.
    pub input: u64,
    /// Tokens that were read from the provider's cache.
    pub cached: u64,
    /// Tokens that were written.
    pub output: u64,
}

impl Counts {
    /// Adds other counts.
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.requests, other.requests),
            (&mut self.measured, other.measured),
            (&mut self.input, other.input),
            (&mut self.cached, other.cached),
            (&mut self.output, other.output),
        ];
        for (own, other) in pairs {
            *own = own.saturating_add(other);
        }
    }

    /// Returns the tokens of all kinds.
    pub(crate) fn tokens(&self) -> u64 {
        self.input.saturating_add(self.cached).saturating_add(self.output)
    }
}

/// The launch that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// A text that no other launch has.
    pub launch: String,
    /// The agent.
    pub agent: String,
    /// The profile.
    pub profile: String,
    /// The working directory.
    pub directory: String,
}

/// The counts of a launch for one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The launch.
    #[serde(flatten)]
    pub origin: Origin,
    /// The model, if it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
}

impl Line {
    /// Writes the line.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut short = self.clone();
        cut(&mut short.origin.directory, LONGEST_TEXT);
        short.model.iter_mut().for_each(|model| cut(model, LONGEST_MODEL));
        let mut bytes = serde_json::to_vec(&short).expect("texts and numbers always serialise");
        if bytes.len() >= LENGTH {
            // Characters that JSON writes as six.
            short.origin.directory.clear();
            short.model = None;
            bytes = serde_json::to_vec(&short).expect("texts and numbers always serialise");
        }
        bytes.resize(LENGTH - 1, b' ');
        bytes.push(b'\n');
        bytes
    }

    /// Reads a line. `None` if it is no whole one.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Reads the lines of a file. One that is no whole record is left out: it was written in part, or by another hand.
pub(super) fn lines(bytes: &[u8]) -> Vec<Line> {
    bytes.chunks(LENGTH).filter_map(Line::from_bytes).collect()
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_always_the_same_length_and_is_read_back() {
        let counts = Counts { requests: u64::MAX, measured: u64::MAX, input: u64::MAX, cached: u64::MAX, output: 7 };
        for (directory, model) in [("/p", None), ("/ä".repeat(900).as_str(), Some("\u{1}".repeat(900)))] {
            let origin = Origin {
                launch: "f".repeat(16),
                agent: "a".repeat(64),
                profile: "p".repeat(64),
                directory: directory.to_owned(),
            };
            let bytes = Line { origin, model, counts }.to_bytes();
            assert_eq!((bytes.len(), bytes.last()), (LENGTH, Some(&b'\n')));
            assert_eq!(Line::from_bytes(&bytes).expect("read").counts, counts);
        }
    }
}
