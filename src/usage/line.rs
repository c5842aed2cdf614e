//! One line of the counts.

use serde::{Deserialize, Serialize};

/// The length of a line with its newline. It is filled up with blanks.
pub(super) const LENGTH: usize = 1024;

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
    /// Reads a line. `None` if it is no whole one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Reads the lines of a file. One that is no whole record is left out: it was written in part, or by another hand.
pub(super) fn lines(bytes: &[u8]) -> Vec<Line> {
    bytes.chunks(LENGTH).filter_map(Line::from_bytes).collect()
}
