//! The canonical form of a value. A record binds a value by the digest of this form.

use super::read::Value;
use crate::digest::Digest;

impl Value {
    /// Reports whether the value holds no scalar at any depth. Null counts as nothing.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(list) => list.iter().all(Self::is_empty),
            Self::Table(entries) => entries.iter().all(|(_, value)| value.is_empty()),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// Reports whether `found` holds for any text or name in the value.
    pub fn any_text(&self, found: &mut dyn FnMut(&str) -> bool) -> bool {
        match self {
            Self::Text(text) => found(text),
            Self::List(list) => list.iter().any(|value| value.any_text(found)),
            Self::Table(entries) => entries.iter().any(|(name, value)| found(name) || value.any_text(found)),
            Self::Null | Self::Bool(_) | Self::Number(_) => false,
        }
    }

    /// Returns the SHA-256 of the canonical form: names are sorted, numbers compare by value, blanks and comments do
    /// not count. Two values with the same digest mean the same to every agent.
    pub fn digest(&self) -> Digest {
        let mut form = Vec::new();
        self.write(&mut form);
        Digest::of(&form)
    }

    // Each value begins with the letter of its type and with its length, so no two values have the same form.
    fn write(&self, form: &mut Vec<u8>) {
        match self {
            Self::Null => part(form, b'n', b""),
            Self::Bool(truth) => part(form, b'b', &[u8::from(*truth)]),
            Self::Number(number) => part(form, b'd', plain(number).as_bytes()),
            Self::Text(text) => part(form, b't', text.as_bytes()),
            Self::List(list) => {
                part(form, b'l', &(list.len() as u64).to_le_bytes());
                list.iter().for_each(|value| value.write(form));
            }
            Self::Table(entries) => {
                part(form, b'm', &(entries.len() as u64).to_le_bytes());
                let mut sorted: Vec<&(String, Value)> = entries.iter().collect();
                // The last of two entries with one name counts, so a stable sort keeps their order.
                sorted.sort_by(|one, other| one.0.cmp(&other.0));
                for (name, value) in sorted {
                    part(form, b't', name.as_bytes());
                    value.write(form);
                }
            }
        }
    }
}

fn part(form: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    form.push(kind);
    form.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    form.extend_from_slice(bytes);
}

// `1.0`, `1e0` and `1` are the same number. A number that a float cannot hold exactly keeps its digits.
fn plain(number: &str) -> String {
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value.abs() < 9e15 => value.to_string(),
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, Value)]) -> Value {
        Value::Table(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn order_and_spelling_do_not_count_and_everything_else_does() {
        let (one, two) = (Value::Number("1".into()), Value::Text("2".into()));
        let base = table(&[("a", one.clone()), ("b", two.clone())]).digest();
        assert_eq!(base, table(&[("b", two.clone()), ("a", Value::Number("1.0".into()))]).digest());
        for other in [
            table(&[("a", one.clone())]),
            table(&[("a", one.clone()), ("b", Value::Number("2".into()))]),
            table(&[("a", two.clone()), ("b", one.clone())]),
            table(&[("a", one.clone()), ("b", two.clone()), ("b", one.clone())]),
            Value::List(vec![one.clone(), two.clone()]),
        ] {
            assert_ne!(base, other.digest(), "{other:?}");
        }
        let twice = |first: &Value, second: &Value| table(&[("a", first.clone()), ("a", second.clone())]).digest();
        assert_ne!(twice(&one, &two), twice(&two, &one), "the last of two counts");
        // Where one text ends and the next begins counts, too.
        let list =
            |words: &[&str]| Value::List(words.iter().map(|word| Value::Text((*word).into())).collect()).digest();
        assert_ne!(list(&["ab", "c"]), list(&["a", "bc"]));
        assert_ne!(
            Value::Number("9007199254740993".into()).digest(),
            Value::Number("9007199254740992".into()).digest()
        );
    }
}
