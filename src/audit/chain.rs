//! Places in the chain of lines: the place a line has ([`Link`]) and the place it says that it has ([`Claim`]).
//!
//! Every line holds its number and the digest of the line before it. Called by `head`, `log` and `verify`; imports no
//! other file of this folder.

use crate::digest::Digest;
use serde::Deserialize;

/// One line's place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// The line's number; 0 stands before the first.
    pub n: u64,
    /// The digest of the line's bytes, without its newline.
    pub hash: Digest,
}

impl Link {
    /// What the very first line follows.
    pub(super) const START: Self = Self { n: 0, hash: Digest::NONE };

    /// Reports whether a line with this number and `prev` is the next one.
    pub(super) fn leads_to(&self, n: u64, prev: Digest) -> bool {
        self.n.checked_add(1) == Some(n) && self.hash == prev
    }
}

/// What a line says about its place in the chain. Nothing else of it is read, so that a log which a later Ringlet
/// wrote still verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The line's number, at least 1.
    pub n: u64,
    /// The digest of the line before.
    pub prev: Digest,
}

impl Claim {
    /// None when the line is not a whole JSON object with both.
    pub(crate) fn of(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Place<'a> {
            n: u64,
            prev: &'a str,
        }
        let place: Place<'_> = serde_json::from_slice(line).ok()?;
        (place.n > 0).then_some(Self { n: place.n, prev: place.prev.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_only_to_the_next_number() {
        assert!(Link::START.leads_to(1, Digest::NONE) && !Link::START.leads_to(2, Digest::NONE));
        assert!(!Link { n: u64::MAX, hash: Digest::NONE }.leads_to(0, Digest::NONE));
    }
}
