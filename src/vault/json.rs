//! JSON whose texts are wiped: an answer may hold a secret in any of its fields.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use zeroize::Zeroizing;

/// A value.
pub(super) enum Json {
    /// Nothing.
    Null,
    /// A truth.
    Bool(bool),
    /// A whole number that is not negative.
    Number(u64),
    /// A negative whole number.
    Negative(i64),
    /// Another number, which is not kept.
    Other,
    /// A text.
    Text(Zeroizing<String>),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Table(BTreeMap<String, Json>),
}

impl Json {
    /// Returns a member of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        if let Self::Table(members) = self { members.get(name) } else { None }
    }

    /// Reports whether all of it is written again as it was read.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Other => false,
            Self::List(values) => values.iter().all(Self::is_whole),
            Self::Table(members) => members.values().all(Self::is_whole),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Negative(_) | Self::Text(_) => true,
        }
    }

    /// Writes it, into a vector that is not grown, so that no part of a secret is left where it was before.
    pub(super) fn written(&self) -> Zeroizing<Vec<u8>> {
        struct Count(usize);
        impl io::Write for Count {
            fn write(&mut self, part: &[u8]) -> io::Result<usize> {
                self.0 += part.len();
                Ok(part.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut count = Count(0);
        serde_json::to_writer(&mut count, self).expect("it is JSON");
        let mut made = Zeroizing::new(Vec::with_capacity(count.0));
        serde_json::to_writer(&mut *made, self).expect("it is JSON");
        made
    }

    /// Returns a text.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null | Self::Other => to.serialize_unit(),
            Self::Bool(truth) => to.serialize_bool(*truth),
            Self::Number(number) => to.serialize_u64(*number),
            Self::Negative(number) => to.serialize_i64(*number),
            Self::Text(text) => to.serialize_str(text),
            Self::List(values) => to.collect_seq(values),
            Self::Table(members) => to.collect_map(members),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
                Ok(Json::Bool(truth))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::Number(number))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
                Ok(Json::Negative(number))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(Zeroizing::new(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Json, E> {
                Ok(Json::Text(Zeroizing::new(text)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
                let mut made = Vec::new();
                while let Some(value) = list.next_element()? {
                    made.push(value);
                }
                Ok(Json::List(made))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
                let mut made = BTreeMap::new();
                while let Some((name, value)) = members.next_entry()? {
                    made.insert(name, value);
                }
                Ok(Json::Table(made))
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_as_it_was_or_known_not_to_be() {
        let text = r#"{"a":"q\"\n","b":[null,true,18446744073709551615,-7],"c":{}}"#;
        let read: Json = serde_json::from_str(text).expect("JSON");
        assert!(read.is_whole());
        assert_eq!(&read.written()[..], text.as_bytes());
        for number in ["1.5", "1e3", "18446744073709551616"] {
            let read: Json = serde_json::from_str(&format!("{{\"a\":[{number}]}}")).expect("JSON");
            assert!(!read.is_whole(), "{number}");
        }
    }
}
