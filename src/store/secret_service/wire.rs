//! Reading D-Bus messages: whatever a bus or a service sends.
//!
//! The sender may be hostile. Every length is checked against the bytes that are there, every type against the expected
//! one, and nesting against a limit; nothing panics or allocates more than the message is long. A message may hold a
//! key, so its buffer is wiped on drop and never grows. There is no I/O. Called by `bus` and `service`. The format is
//! described in the chapters "Type System" and "Message Protocol" of the D-Bus specification; `writer` writes it.

use zeroize::Zeroizing;

/// The longest message that is accepted or sent, in bytes. It is half of what the specification allows, and 25 000
/// times the size of a key.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;
/// Bytes of a message's fixed header, enough to know its whole length.
pub(crate) const HEAD: usize = 16;
/// Variants and containers inside each other.
const MAX_DEPTH: u32 = 32;

/// Why bytes are no message, or not the expected one. The text is fixed, so that no content can leak through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub &'static str);

type Result<T> = std::result::Result<T, Malformed>;

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    Reply,
    Error,
    Signal,
    /// A type of a later protocol version, which is ignored.
    Other,
}

/// The whole length of the message that begins with `head`.
pub(crate) fn length(head: &[u8; HEAD]) -> Result<usize> {
    let big = endianness(head[0])?;
    if head[3] != 1 {
        return Err(Malformed("a message of an unknown protocol version"));
    }
    let mut reader = Reader { bytes: head, at: 4, big };
    let body = u64::from(reader.u32()?);
    reader.u32()?;
    let fields = u64::from(reader.u32()?);
    let total = HEAD as u64 + fields.next_multiple_of(8) + body;
    usize::try_from(total).ok().filter(|&total| total <= MAX_MESSAGE).ok_or(Malformed("a message longer than 64 MiB"))
}

fn endianness(mark: u8) -> Result<bool> {
    match mark {
        b'l' => Ok(false),
        b'B' => Ok(true),
        _ => Err(Malformed("bytes that are no D-Bus message")),
    }
}

/// A message that was received. There is no `Debug`: the body may be a key.
pub(crate) struct Message {
    bytes: Zeroizing<Vec<u8>>,
    body: usize,
    big: bool,
    signature: String,
    pub kind: Kind,
    pub reply_to: Option<u32>,
    pub path: Option<String>,
    pub interface: Option<String>,
    pub member: Option<String>,
    pub error: Option<String>,
    pub sender: Option<String>,
}

impl Message {
    /// Reads the header. The bytes must be exactly one message, as long as `length` said.
    pub(crate) fn parse(bytes: Zeroizing<Vec<u8>>) -> Result<Self> {
        let head: &[u8; HEAD] = bytes.first_chunk().ok_or(Malformed("a message that ends too early"))?;
        if length(head)? != bytes.len() {
            return Err(Malformed("a message of another length than it says"));
        }
        let big = endianness(head[0])?;
        let kind = match head[1] {
            0 => return Err(Malformed("a message of the invalid type 0")),
            1 => Kind::Call,
            2 => Kind::Reply,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => Kind::Other,
        };
        let mut message = Self {
            body: 0,
            big,
            signature: String::new(),
            kind,
            reply_to: None,
            path: None,
            interface: None,
            member: None,
            error: None,
            sender: None,
            bytes: Zeroizing::default(),
        };
        let mut reader = Reader { bytes: &bytes, at: 12, big };
        reader.array(8, MAX_MESSAGE, |field| message.field(field))?;
        reader.pad(8)?;
        message.body = reader.at;
        message.bytes = bytes;
        Ok(message)
    }

    fn field(&mut self, field: &mut Reader<'_>) -> Result<()> {
        field.pad(8)?;
        let code = field.u8()?;
        let signature = field.signature()?;
        let text = match (code, signature) {
            (1, "o") => &mut self.path,
            (2, "s") => &mut self.interface,
            (3, "s") => &mut self.member,
            (4, "s") => &mut self.error,
            (7, "s") => &mut self.sender,
            (5, "u") => {
                self.reply_to = Some(field.u32()?);
                return Ok(());
            }
            (8, "g") => {
                self.signature = field.signature()?.to_owned();
                return Ok(());
            }
            (0..=5 | 7 | 8, _) => return Err(Malformed("a header field of the wrong type")),
            // The destination is this connection, file descriptors are never negotiated, and other fields belong to
            // later versions.
            _ => return field.skip(signature.as_bytes(), 0).map(drop),
        };
        *text = Some(field.string()?.to_owned());
        Ok(())
    }

    /// The arguments, if they are of these types.
    pub(crate) fn body(&self, signature: &str) -> Result<Reader<'_>> {
        if self.signature != signature {
            return Err(Malformed("an answer of the wrong type"));
        }
        Ok(Reader { bytes: &self.bytes[self.body..], at: 0, big: self.big })
    }
}

/// Reads values one by one. It begins at a multiple of eight bytes of its message, so that padding is counted from its
/// start.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(Malformed("a message that ends too early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn pad(&mut self, to: usize) -> Result<()> {
        self.take(self.at.wrapping_neg() % to).map(drop)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.pad(4)?;
        let bytes = self.take(4)?.try_into().expect("four bytes were taken");
        Ok(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a boolean that is neither true nor false")),
        }
    }

    /// An array of bytes (`ay`).
    pub(crate) fn bytestring(&mut self) -> Result<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    pub(crate) fn string(&mut self) -> Result<&'a str> {
        let bytes = self.bytestring()?;
        self.terminated(bytes)
    }

    fn terminated(&mut self, bytes: &'a [u8]) -> Result<&'a str> {
        if self.u8()? != 0 || bytes.contains(&0) {
            return Err(Malformed("a string with a NUL at the wrong place"));
        }
        std::str::from_utf8(bytes).map_err(|_| Malformed("a string that is not UTF-8"))
    }

    /// Reads an object path. It is checked, since it is sent back and a bus ends the connection at a malformed one.
    pub(crate) fn path(&mut self) -> Result<&'a str> {
        let path = self.string()?;
        let named = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match path.strip_prefix('/') {
            Some("") => Ok(path),
            Some(parts) if parts.split('/').all(named) => Ok(path),
            _ => Err(Malformed("an object path that is none")),
        }
    }

    pub(crate) fn signature(&mut self) -> Result<&'a str> {
        let length = self.u8()?;
        let bytes = self.take(usize::from(length))?;
        self.terminated(bytes)
    }

    /// Reads the elements of an array, which are aligned to `to` bytes. More than `most` of them are refused.
    pub(crate) fn array<T>(
        &mut self,
        to: usize,
        most: usize,
        mut each: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut inner = self.enter(to)?;
        let mut all = Vec::new();
        while inner.at < inner.bytes.len() {
            if all.len() == most {
                return Err(Malformed("a list with too many entries"));
            }
            all.push(each(&mut inner)?);
        }
        Ok(all)
    }

    /// Skips an array and returns a reader of its content.
    fn enter(&mut self, to: usize) -> Result<Self> {
        let length = self.u32()? as usize;
        self.pad(to)?;
        let at = self.at;
        self.take(length)?;
        Ok(Self { bytes: &self.bytes[..self.at], at, big: self.big })
    }

    /// Enters a variant, whose value must be of this type.
    pub(crate) fn variant(&mut self, signature: &str) -> Result<()> {
        if self.signature()? != signature {
            return Err(Malformed("a property of the wrong type"));
        }
        Ok(())
    }

    /// Skips a variant of any type.
    pub(crate) fn skip_variant(&mut self) -> Result<()> {
        self.skip(b"v", 0).map(drop)
    }

    /// Attributes (`a{ss}`).
    pub(crate) fn dictionary(&mut self, most: usize) -> Result<Vec<(&'a str, &'a str)>> {
        self.array(8, most, |entry| {
            entry.pad(8)?;
            Ok((entry.string()?, entry.string()?))
        })
    }

    /// Skips one value of the first type in `signature`, and returns the rest of the signature.
    fn skip<'s>(&mut self, signature: &'s [u8], depth: u32) -> Result<&'s [u8]> {
        const BAD: Malformed = Malformed("a type that is none");
        let (&first, mut rest) = signature.split_first().ok_or(BAD)?;
        if depth > MAX_DEPTH {
            return Err(Malformed("values nested too deeply"));
        }
        match first {
            b'v' => {
                let inner = self.signature()?.as_bytes();
                if !self.skip(inner, depth + 1)?.is_empty() {
                    return Err(BAD);
                }
            }
            // The length of an array is known, so that its elements need not be read.
            b'a' => {
                self.enter(alignment(*rest.first().ok_or(BAD)?).ok_or(BAD)?)?;
                rest = type_end(rest, depth + 1).ok_or(BAD)?;
            }
            b'(' | b'{' => {
                self.pad(8)?;
                while !matches!(rest.first(), Some(b')' | b'}')) {
                    rest = self.skip(rest, depth + 1)?;
                }
                rest = &rest[1..];
            }
            b's' | b'o' => drop(self.string()?),
            b'g' => drop(self.signature()?),
            _ => {
                let size = alignment(first).ok_or(BAD)?;
                self.pad(size)?;
                self.take(size)?;
            }
        }
        Ok(rest)
    }
}

/// The alignment of a type by its first letter; for a number, its size as well.
fn alignment(letter: u8) -> Option<usize> {
    Some(match letter {
        b'y' | b'g' | b'v' => 1,
        b'n' | b'q' => 2,
        b'b' | b'i' | b'u' | b'h' | b's' | b'o' | b'a' => 4,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => return None,
    })
}

/// Returns what follows the first type in `signature`, without reading a value.
fn type_end(signature: &[u8], depth: u32) -> Option<&[u8]> {
    let (&first, mut rest) = signature.split_first()?;
    alignment(first).filter(|_| depth <= MAX_DEPTH)?;
    match first {
        b'a' => type_end(rest, depth + 1),
        b'(' | b'{' => {
            while !matches!(rest.first()?, b')' | b'}') {
                rest = type_end(rest, depth + 1)?;
            }
            Some(&rest[1..])
        }
        _ => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::{Call, NO_REPLY, Writer};
    use super::*;
    use proptest::prelude::*;

    const CALL: Call<'static> = Call {
        destination: "org.freedesktop.secrets",
        path: "/org/freedesktop/secrets/collection/login/1",
        interface: "org.freedesktop.Secret.Item",
        member: "SetSecret",
        signature: "a{ss}(oayays)ubv",
        flags: NO_REPLY,
    };

    type Values = (Vec<(String, String)>, Vec<u8>, u32, bool);

    fn written((pairs, bytes, number, truth): &Values) -> Vec<u8> {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut w = Writer::default();
        w.call(7, &CALL, |w| {
            w.dictionary(&pairs);
            w.pad(8);
            w.string("/session/1");
            w.bytestring(&[]);
            w.bytestring(bytes);
            w.string("text/plain");
            w.u32(*number);
            w.boolean(*truth);
            w.signature("ao");
            w.array(4, |w| w.string("/a/b"));
        });
        w.bytes().to_vec()
    }

    fn read(message: &[u8]) -> Result<Values> {
        let message = Message::parse(Zeroizing::new(message.to_vec()))?;
        let mut body = message.body(CALL.signature)?;
        let pairs = body.dictionary(100)?;
        body.pad(8)?;
        body.path()?;
        body.bytestring()?;
        let bytes = body.bytestring()?.to_vec();
        body.string()?;
        let (number, truth) = (body.u32()?, body.boolean()?);
        body.variant("ao")?;
        body.array(4, 10, |r| r.path().map(drop))?;
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Ok((pairs.into_iter().map(owned).collect(), bytes, number, truth))
    }

    fn example() -> Values {
        (vec![("service".to_owned(), "ringlet".to_owned())], b"sk-\xff\0".to_vec(), 9, true)
    }

    /// A reply with every kind of header field in big endian, among them one from the future.
    fn big_endian() -> Vec<u8> {
        let fields: [&[u8]; 4] = [
            b"\x05\x01u\0\0\0\0\x2a",
            b"\x08\x01g\0\x01u\0\0",
            b"\x07\x01s\0\0\0\0\x04:1.5\0\0\0\0",
            b"\x63\x09a{s(ixv)}\0\0\0\0\0",
        ];
        let fields = fields.concat();
        let mut bytes = vec![b'B', 2, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1];
        bytes.extend(u32::try_from(fields.len()).expect("short").to_be_bytes());
        bytes.extend(&fields);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(0xdead_beef_u32.to_be_bytes());
        bytes
    }

    #[test]
    fn messages_of_the_other_endianness_are_read() {
        let message = Message::parse(Zeroizing::new(big_endian())).map_err(|e| e.0);
        let message = message.expect("a valid message");
        assert_eq!((message.kind, message.reply_to), (Kind::Reply, Some(42)));
        assert_eq!(message.sender.as_deref(), Some(":1.5"));
        assert_eq!(message.body("u").and_then(|mut body| body.u32()), Ok(0xdead_beef));
        assert!(message.body("i").is_err());
    }

    #[test]
    fn a_message_cut_anywhere_is_malformed() {
        let whole = written(&example());
        assert_eq!(read(&whole), Ok(example()));
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
            // The same cut with a header that owns up to it: the reader itself has to notice.
            let mut cut = whole[..end].to_vec();
            let body = whole.len() - u32::from_le_bytes(whole[4..8].try_into().expect("four bytes")) as usize;
            if end >= body {
                cut[4..8].copy_from_slice(&(end as u32 - body as u32).to_le_bytes());
                assert!(read(&cut).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn lengths_beyond_the_limit_are_refused_before_anything_is_allocated() {
        let mut head: [u8; HEAD] = *written(&example()).first_chunk().expect("a header");
        for (at, huge) in [(4, u32::MAX), (12, u32::MAX), (4, 64 << 20)] {
            let sound = head;
            head[at..at + 4].copy_from_slice(&huge.to_le_bytes());
            assert_eq!(length(&head), Err(Malformed("a message longer than 64 MiB")));
            head = sound;
        }
        assert!(length(b"GET / HTTP/1.1\r\n").is_err());
        assert!(length(b"l\x01\0\x02\0\0\0\0\0\0\0\0\0\0\0\0").is_err());
    }

    #[test]
    fn object_paths_are_checked() {
        let read = |text: &str| {
            let mut w = Writer::default();
            w.string(text);
            Reader { bytes: w.bytes(), at: 0, big: false }.path().is_ok()
        };
        assert!(["/", "/a", "/org/freedesktop/secrets/collection/A_9"].into_iter().all(read));
        assert!(!["", "a", "//", "/a/", "/a//b", "/a b", "/\u{e9}", "/a.b", "/a\0"].into_iter().any(read));
    }

    #[test]
    fn strings_end_with_their_only_nul_and_are_utf_8() {
        let read = |bytes: &[u8]| Reader { bytes, at: 0, big: false }.string().is_ok();
        assert!(read(b"\x02\0\0\0ab\0"));
        for bad in [&b"\x02\0\0\0a\0\0"[..], b"\x02\0\0\0abc", b"\x02\0\0\0ab", b"\x02\0\0\0\xc3\x28\0"] {
            assert!(!read(bad), "{bad:?}");
        }
    }

    #[test]
    fn nesting_and_empty_structures_end() {
        let skip = |signature: &[u8], bytes: &[u8]| {
            let mut reader = Reader { bytes, at: 0, big: false };
            reader.skip(signature, 0).map(<[u8]>::len)
        };
        assert_eq!(skip(b"a{sv}u", &[0; 12]), Ok(1));
        assert_eq!(skip(b"(yu)", &[0; 8]), Ok(0));
        assert!(skip(&[b'a'; 200], &[0; 4096]).is_err());
        assert!(skip(&[b'('; 255], &[0; 4096]).is_err());
        assert!(skip(b"v", &b"\x01v\0".repeat(1000)).is_err());
        for bad in ["", "a", "(", "(u", "z", "a("] {
            assert!(skip(bad.as_bytes(), &[0; 64]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in any::<Values>()) {
            // A bus would refuse NUL; the callers have refused it before.
            let (pairs, bytes, number, truth) = values;
            let clean = |text: String| text.replace('\0', "");
            let pairs = pairs.into_iter().take(90).map(|(key, value)| (clean(key), clean(value))).collect();
            let values = (pairs, bytes, number, truth);
            prop_assert_eq!(read(&written(&values)), Ok(values));
        }

        #[test]
        fn mutated_messages_never_panic(
            big in any::<bool>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut message = if big { big_endian() } else { written(&example()) };
            for (at, value) in changes {
                let at = at.index(message.len());
                message[at] = value;
            }
            // Whatever it has become, it is read or refused.
            let _ = read(&message);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            signature in "[a(){}ysvogubxdn]{0,40}",
            bytes in any::<Vec<u8>>(),
            big in any::<bool>(),
        ) {
            let mut reader = Reader { bytes: &bytes, at: 0, big };
            let _ = reader.skip(signature.as_bytes(), 0);
            prop_assert!(reader.at <= bytes.len());
            let _ = read(&bytes);
        }
    }
}
