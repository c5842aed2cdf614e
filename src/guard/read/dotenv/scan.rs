//! A cursor over a text. Tests count the characters that it reads.

/// A text that is read one character at a time.
pub(super) struct Scan<'t> {
    pub text: &'t str,
    #[cfg(test)]
    pub reads: std::cell::Cell<usize>,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            #[cfg(test)]
            reads: std::cell::Cell::new(0),
        }
    }

    pub(super) fn at(&self, at: usize) -> Option<char> {
        #[cfg(test)]
        self.reads.set(self.reads.get() + 1);
        match self.text.as_bytes().get(at) {
            Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
            Some(_) => self.text[at..].chars().next(),
            None => None,
        }
    }

    /// Returns the first position from `at` on whose character does not match.
    pub(super) fn skip(&self, at: usize, one: impl Fn(char) -> bool) -> usize {
        let rest = &self.text[at..];
        self.position(at, rest.find(|c| !one(c)))
    }

    /// Returns the first position from `at` on with one of the stop bytes.
    pub(super) fn until(&self, at: usize, stops: &[u8]) -> usize {
        let rest = &self.text.as_bytes()[at..];
        self.position(at, rest.iter().position(|byte| stops.contains(byte)))
    }

    fn position(&self, from: usize, found: Option<usize>) -> usize {
        let to = found.map_or(self.text.len(), |found| from + found);
        #[cfg(test)]
        self.reads.set(self.reads.get() + 1 + to - from);
        to
    }
}
