//! Finds a few values in JSON that passes by, in constant memory.
//!
//! Requests and answers may be of any size, and only their outermost names matter: a text in them may hold anything
//! that looks like JSON, and a tool's argument may have any name. So the nesting is followed, and a value is found by
//! its way from the outermost object.

use memchr::memchr2;

/// A value that was found, with the number of its way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A text, as it stands between its quotes.
    Text(usize, &'a [u8]),
    /// An object with its braces.
    Object(usize, &'a [u8]),
    /// Anything else at that place, or a value that is longer than is kept.
    Other(usize),
}

/// A way: names from the outermost object on, one or two. Outermost arrays are passed through. A name between two `*`
/// stands for every name that contains it, in small or large letters; the first way that fits counts.
pub(crate) type Way = &'static [&'static str];

// The largest value that is kept.
const LONGEST: usize = 4096;
// The deepest nesting that is followed.
const DEEPEST: usize = 512;
// What numbers, `true`, `false` and `null` are written with.
const SCALARS: &[u8] = b"+-.0123456789Eaeflnrstu";
// No wanted name is longer, if each of its letters is written as an escape.
const LONGEST_NAME: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nest {
    Object,
    Array,
}

/// Follows one text.
#[derive(Debug)]
pub(crate) struct Finder {
    ways: &'static [Way],
    nests: Vec<Nest>,
    // The names of the objects around this place.
    names: Vec<Vec<u8>>,
    in_text: bool,
    is_escaped: bool,
    // Whether the next text is a name.
    is_name: bool,
    // Whether the next value is of the name that was read.
    is_value: bool,
    name: Vec<u8>,
    // The value that is being kept: its way, the nesting at which it ends, and its bytes.
    kept: Option<(usize, usize, Vec<u8>)>,
    is_lost: bool,
}

impl Finder {
    pub(crate) fn new(ways: &'static [Way]) -> Self {
        Self {
            ways,
            nests: Vec::new(),
            names: Vec::new(),
            in_text: false,
            is_escaped: false,
            is_name: false,
            is_value: false,
            name: Vec::new(),
            kept: None,
            is_lost: false,
        }
    }

    /// Begins anew, as for the next event of a stream.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.ways);
    }

    /// Reports whether the text is no JSON, or nested too deep to be followed.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Reads further bytes.
    pub(crate) fn read(&mut self, mut bytes: &[u8], mut found: impl FnMut(Found<'_>)) {
        while !bytes.is_empty() && !self.is_lost {
            if self.in_text {
                bytes = self.in_text(bytes, &mut found);
                continue;
            }
            let byte = bytes[0];
            bytes = &bytes[1..];
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.keep(&[byte]),
                b'"' => {
                    self.in_text = true;
                    self.name.clear();
                    if self.is_name {
                        self.keep(&[byte]);
                    } else {
                        self.begin(byte, &mut found);
                    }
                }
                b'{' | b'[' => self.open(byte, &mut found),
                b'}' | b']' => self.close(byte, &mut found),
                b':' => {
                    self.keep(&[byte]);
                    self.is_lost |= self.nests.last() != Some(&Nest::Object);
                    self.is_value = true;
                    self.is_name = false;
                }
                b',' => {
                    self.keep(&[byte]);
                    self.is_value = false;
                    self.is_name = self.nests.last() == Some(&Nest::Object);
                }
                // Neither an object nor a number or a word: the rest need not be read.
                _ if self.nests.is_empty() && !SCALARS.contains(&byte) => self.is_lost = true,
                _ => {
                    self.begin(byte, &mut found);
                }
            }
        }
    }

    // Reads on in a text, and returns what follows it.
    fn in_text<'b>(&mut self, bytes: &'b [u8], found: &mut impl FnMut(Found<'_>)) -> &'b [u8] {
        if self.is_escaped {
            self.is_escaped = false;
            self.add(&bytes[..1]);
            return &bytes[1..];
        }
        let Some(at) = memchr2(b'"', b'\\', bytes) else {
            self.add(bytes);
            return &[];
        };
        self.add(&bytes[..at]);
        if bytes[at] == b'\\' {
            self.add(b"\\");
            self.is_escaped = true;
            return &bytes[at + 1..];
        }
        self.in_text = false;
        self.keep(b"\"");
        if self.is_name {
            // A name may be written with escapes. Of one that is longer than any wanted one the rest was not kept.
            let name = match self.name.contains(&b'\\') && self.name.len() <= LONGEST_NAME {
                true => decoded(&self.name).map(String::into_bytes),
                false => Some(self.name.clone()),
            };
            self.is_lost |= name.is_none();
            if let (Some(last), Some(name)) = (self.names.last_mut(), name) {
                *last = name;
            }
        } else if let Some((way, depth, value)) = self.kept.take_if(|(_, depth, _)| *depth == usize::MAX) {
            debug_assert_eq!(depth, usize::MAX);
            found(match value.len() {
                length if length > LONGEST => Found::Other(way),
                length => Found::Text(way, &value[1..length - 1]),
            });
        }
        &bytes[at + 1..]
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.is_name {
            let room = (LONGEST_NAME + 1).saturating_sub(self.name.len()).min(bytes.len());
            self.name.extend_from_slice(&bytes[..room]);
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some((_, _, value)) = &mut self.kept {
            let room = (LONGEST + 1).saturating_sub(value.len()).min(bytes.len());
            value.extend_from_slice(&bytes[..room]);
        }
    }

    // Begins a value. One that is wanted is kept, unless it lies in one that is kept already.
    fn begin(&mut self, byte: u8, found: &mut impl FnMut(Found<'_>)) {
        let is_first = std::mem::take(&mut self.is_value);
        if self.kept.is_some() {
            return self.keep(&[byte]);
        }
        let Some(way) = self.wanted().filter(|_| is_first) else { return };
        match byte {
            b'"' => self.kept = Some((way, usize::MAX, vec![byte])),
            b'{' => self.kept = Some((way, self.nests.len(), vec![byte])),
            _ => found(Found::Other(way)),
        }
    }

    // The way whose value begins here.
    fn wanted(&self) -> Option<usize> {
        let outer = self.nests.iter().take_while(|nest| **nest == Nest::Array).count();
        let inner = &self.nests[outer..];
        if inner.len() > 2 || inner.contains(&Nest::Array) {
            return None;
        }
        let is_it = |way: &&Way| {
            way.len() == self.names.len() && way.iter().zip(&self.names).all(|(name, read)| is_named(name, read))
        };
        self.ways.iter().position(|way| is_it(&way))
    }

    fn open(&mut self, byte: u8, found: &mut impl FnMut(Found<'_>)) {
        self.begin(byte, found);
        if self.nests.len() >= DEEPEST {
            self.is_lost = true;
            return;
        }
        let nest = if byte == b'{' { Nest::Object } else { Nest::Array };
        self.nests.push(nest);
        if nest == Nest::Object {
            self.names.push(Vec::new());
        }
        self.is_name = nest == Nest::Object;
        self.is_value = false;
    }

    fn close(&mut self, byte: u8, found: &mut impl FnMut(Found<'_>)) {
        self.keep(&[byte]);
        let nest = if byte == b'}' { Nest::Object } else { Nest::Array };
        if self.nests.pop() != Some(nest) {
            self.is_lost = true;
            return;
        }
        if nest == Nest::Object {
            self.names.pop();
        }
        self.is_name = false;
        self.is_value = false;
        let depth = self.nests.len();
        if let Some((way, _, value)) = self.kept.take_if(|(_, end, _)| *end == depth) {
            found(if value.len() > LONGEST { Found::Other(way) } else { Found::Object(way, &value) });
        }
    }
}

fn is_named(wanted: &str, read: &[u8]) -> bool {
    match wanted.strip_prefix('*').and_then(|wanted| wanted.strip_suffix('*')) {
        Some(part) => String::from_utf8_lossy(read).to_lowercase().contains(part),
        None => wanted.as_bytes() == read,
    }
}

/// Returns a text without its escapes. `None` if it is no text of JSON.
pub(crate) fn decoded(text: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", text, b"\""].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAYS: &[Way] = &[&["model"], &["usage"], &["message", "usage"]];

    fn found(text: &str, size: usize) -> Vec<String> {
        let (mut finder, mut all) = (Finder::new(WAYS), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            finder.read(piece, |found| {
                all.push(match found {
                    Found::Text(way, text) => format!("{way} text {}", String::from_utf8_lossy(text)),
                    Found::Object(way, text) => format!("{way} object {}", String::from_utf8_lossy(text)),
                    Found::Other(way) => format!("{way} other"),
                });
            });
        }
        if finder.is_lost() {
            all.push("lost".to_owned());
        }
        all
    }

    #[test]
    fn a_pattern_finds_every_name_that_contains_it() {
        const WAYS: &[Way] = &[&["model"], &["*model*"]];
        let escaped: String = "Fallback_Model".chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
        for (name, ways) in [
            ("model", &[0][..]),
            ("Model", &[1]),
            ("models", &[1]),
            ("MODEL_fallback", &[1]),
            (escaped.as_str(), &[1]),
            ("mode", &[]),
            ("x", &[]),
        ] {
            let (mut finder, mut found) = (Finder::new(WAYS), Vec::new());
            finder.read(format!(r#"{{"{name}":"a","x":{{"{name}":"b"}}}}"#).as_bytes(), |value| {
                let (Found::Text(way, _) | Found::Object(way, _) | Found::Other(way)) = value;
                found.push(way);
            });
            assert_eq!(found, ways, "{name}");
        }
    }

    #[test]
    fn values_are_found_by_their_way_and_nowhere_else() {
        let long = format!(r#"{{"model": "{}"}}"#, "x".repeat(5000));
        let deep = format!("{}{}", "[".repeat(600), r#"{"model":"m"}"#);
        // A name that ends within an escape where it is cut.
        let named = format!(r#"{{"mo{}":1,"model":"a"}}"#, r"\\".repeat(60));
        for (text, wanted) in [
            (r#"{"model": "a", "x": 1}"#, &["0 text a"][..]),
            (r#"{"messages":[{"model":"b"}],"model":"a"}"#, &["0 text a"]),
            (r#"{"x":{"model":"b"},"model":"a"}"#, &["0 text a"]),
            (r#"{"text":"\"model\":\"b\"","model":"a"}"#, &["0 text a"]),
            (r#"{"text":"{\"model\":\"b\"}\\","model":"a"}"#, &["0 text a"]),
            (r#"{"model":"a\"b"}"#, &[r#"0 text a\"b"#]),
            (r#"{"mod\u0065l":"a","x":"b"}"#, &["0 text a"]),
            (r#"{"mod\xel":"a"}"#, &["lost"]),
            (r#"{"model":null}"#, &["0 other"]),
            (r#"{"model":["a"]}"#, &["0 other"]),
            (r#"{"model":12}"#, &["0 other"]),
            (r#"{"model":"a","model":"b"}"#, &["0 text a", "0 text b"]),
            (r#"{"usage":{"in":{"usage":{}},"n":[1,"}"]}}"#, &[r#"1 object {"in":{"usage":{}},"n":[1,"}"]}"#]),
            (r#"{"message":{"usage":{"a":1},"model":"x"}}"#, &[r#"2 object {"a":1}"#]),
            (r#"{"input":{"message":{"usage":{"a":1}}}}"#, &[]),
            (r#"{"input":[{"usage":{"a":1}}]}"#, &[]),
            (r#"[{"usage":{"a":1}},{"usage":{"a":2}}]"#, &[r#"1 object {"a":1}"#, r#"1 object {"a":2}"#]),
            (r#"[[{"usage":{}}]]"#, &["1 object {}"]),
            (r#"{"a":{"b":{"c":1}},"message":{"usage":{}}}"#, &["2 object {}"]),
            (&long, &["0 other"]),
            (&deep, &["lost"]),
            (&named, &["0 text a"]),
            ("-12.5E+3", &[]),
            (" true", &[]),
            ("xx", &["lost"]),
            ("}", &["lost"]),
            (r#"{"a":]"#, &["lost"]),
            (r#"["model":"a"]"#, &["lost"]),
            ("", &[]),
        ] {
            for size in [1, 2, 5, 10_000] {
                let shown: String = text.chars().take(60).collect();
                assert_eq!(found(text, size), wanted, "{shown} in pieces of {size}");
            }
        }
    }
}
