//! Text that is searched for keys.

use super::keys;
use crate::migrate::detect::{self, Judgement, Known};
use crate::migrate::dialect::Dialect;
use crate::migrate::examine::examine_knowing;
use crate::migrate::stream;
use crate::migrate::vocabulary::Vocabulary;

/// Values that are known to be keys on the first lines, then an empty line and a text.
pub fn text(bytes: &[u8]) {
    let Some(end) = memchr::memmem::find(bytes, b"\n\n") else { return };
    let (values, text) = (keys::filled(&bytes[..end]), keys::filled(&bytes[end + 2..]));
    let values: Vec<&[u8]> = values.split(|byte| *byte == b'\n').take(8).collect();
    let known = Known::new(values.iter().map(|value| (*value, "known")));
    let found = detect::hits(&text, &known);
    let mut end = 0;
    for hit in &found {
        assert!(hit.value.start >= end && hit.value.end <= text.len(), "hits are in order and apart");
        end = hit.value.end;
        let name = hit.name.as_ref().and_then(|name| std::str::from_utf8(&text[name.clone()]).ok());
        assert_eq!(detect::judge(name, &text[hit.value.clone()], &known), hit.judgement);
        assert!(!matches!(hit.judgement, Judgement::Ignored(_)));
    }
    // Whatever stands there: a hit speaks about each of its bytes, or about what a longer value holds of it.
    for value in values.iter().filter(|value| known.knows(value)) {
        for at in memchr::memmem::find_iter(&text, value) {
            let near = |hit: &&detect::Hit| hit.value.start < at + value.len() && hit.value.end > at;
            assert!(found.iter().any(|hit| near(&hit)), "a known value is overlooked");
        }
    }
    if !text.contains(&0) && !text.starts_with(b"\xff\xfe") && !text.starts_with(b"\xfe\xff") {
        for dialect in [Dialect::History, Dialect::Structured] {
            let whole = examine_knowing(&text, dialect, Vocabulary::built_in(), &known);
            let seen = stream::look_through(text.as_slice(), dialect, &known);
            if seen.trouble.is_none() {
                assert_eq!(super::rc::facts(&seen.findings), super::rc::facts(whole.findings()));
            }
        }
    }
}
