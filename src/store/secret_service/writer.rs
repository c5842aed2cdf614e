//! Writing D-Bus messages: calls, one after the other, in one buffer.
//!
//! The buffer may hold a key, so it is wiped on drop and never grows in place, which would leave a copy behind. Nothing
//! is checked but by assertions, since Ringlet makes what is written, or has checked it when it was read. Callers must
//! refuse NUL. Called by `bus` and `service`; the format is described in `wire`.

use zeroize::{Zeroize, Zeroizing};

/// The flag of a message that expects no answer.
pub(crate) const NO_REPLY: u8 = 1;
/// The flag of a message that must not start its destination.
pub(crate) const NO_AUTO_START: u8 = 2;

/// The destination of a call, and the signature of its arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub destination: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
    pub member: &'a str,
    pub signature: &'a str,
    pub flags: u8,
}

/// Messages to be sent, one after the other; always little endian.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the current message begins, from which padding is counted.
    start: usize,
}

impl Writer {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Removes and wipes everything that was written. The memory is kept for the next messages.
    pub(crate) fn clear(&mut self) {
        self.bytes.zeroize();
        self.start = 0;
    }

    /// Makes room for `more` bytes. Growing a vector in place would leave its old bytes behind unwiped.
    pub(crate) fn reserve(&mut self, more: usize) {
        let wanted = self.bytes.len() + more;
        if wanted > self.bytes.capacity() {
            let mut bigger = Zeroizing::new(Vec::with_capacity(wanted.max(2 * self.bytes.capacity()).max(1024)));
            bigger.extend_from_slice(&self.bytes);
            self.bytes = bigger;
        }
    }

    /// Writes bytes outside any message, such as the authentication's lines.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes one call: its header, then its arguments, which `body` writes as the call's signature says.
    pub(crate) fn call(&mut self, serial: u32, call: &Call<'_>, body: impl FnOnce(&mut Self)) {
        self.start = self.bytes.len();
        self.raw(&[b'l', 1, call.flags, 1, 0, 0, 0, 0]);
        self.u32(serial);
        self.array(8, |w| {
            for (code, signature, value) in [
                (1, "o", call.path),
                (2, "s", call.interface),
                (3, "s", call.member),
                (6, "s", call.destination),
                (8, "g", call.signature),
            ] {
                if code == 8 && value.is_empty() {
                    continue;
                }
                w.pad(8);
                w.raw(&[code]);
                w.signature(signature);
                if code == 8 { w.signature(value) } else { w.string(value) }
            }
        });
        self.pad(8);
        let arguments = self.bytes.len();
        body(self);
        let length = length_field(self.bytes.len() - arguments);
        self.bytes[self.start + 4..self.start + 8].copy_from_slice(&length);
    }

    pub(crate) fn pad(&mut self, to: usize) {
        let missing = (self.bytes.len() - self.start).wrapping_neg() % to;
        self.raw(&[0; 8][..missing]);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.pad(4);
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.u32(u32::from(value));
    }

    /// Writes a string or an object path. The caller has refused NUL in it, at which a bus ends the connection.
    pub(crate) fn string(&mut self, text: &str) {
        self.bytestring(text.as_bytes());
        self.raw(&[0]);
    }

    pub(crate) fn signature(&mut self, text: &str) {
        debug_assert!(text.len() < 256, "signatures here are literals");
        self.raw(&[text.len() as u8]);
        self.raw(text.as_bytes());
        self.raw(&[0]);
    }

    /// An array of bytes (`ay`).
    pub(crate) fn bytestring(&mut self, bytes: &[u8]) {
        self.pad(4);
        self.raw(&length_field(bytes.len()));
        self.raw(bytes);
    }

    /// Writes an array. `fill` writes its elements, which are aligned to `to` bytes.
    pub(crate) fn array(&mut self, to: usize, fill: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length_at = self.bytes.len() - 4;
        self.pad(to);
        let first = self.bytes.len();
        fill(self);
        let length = length_field(self.bytes.len() - first);
        self.bytes[length_at..length_at + 4].copy_from_slice(&length);
    }

    /// Attributes (`a{ss}`).
    pub(crate) fn dictionary(&mut self, pairs: &[(&str, &str)]) {
        self.array(8, |w| {
            for (key, value) in pairs {
                w.pad(8);
                w.string(key);
                w.string(value);
            }
        });
    }
}

/// Writes a length. Callers stay below `MAX_MESSAGE`. The bus refuses a longer message, which is never cut into a
/// shorter, valid one.
fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_writer_keeps_its_content_and_a_cleared_one_has_none() {
        let mut w = Writer::default();
        let block = [7; 1000];
        (0..100).for_each(|_| w.raw(&block));
        assert_eq!(w.bytes(), [7; 100_000]);
        w.clear();
        assert!(w.bytes().is_empty());
    }
}
