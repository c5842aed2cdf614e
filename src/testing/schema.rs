//! JSON Schemas of the TOML files, made of the types that the files are parsed into.
//!
//! A deserializer gives each type whatever it asks for, and writes down what that was. So a key that is added to a type
//! is in the schema, and nothing else is.

use crate::config::{RawProject, RawSettings};
use crate::profile::RawProfile;
use crate::registry::{RawAgent, RawProvider};
use crate::store::file::entry::Entries;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::de::{Deserializer, IntoDeserializer};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, json};

type Error = serde::de::value::Error;

/// Returns the name of each schema, and its text.
pub fn schemas() -> Vec<(&'static str, String)> {
    vec![
        ("config", of::<RawSettings>("The settings of Ringlet: config.toml")),
        ("profile", of::<RawProfile>("A profile of Ringlet: ~/.ringlet/profiles/NAME/ringlet.toml")),
        ("project", of::<RawProject>("Which profile governs a project: .ringlet.toml")),
        ("credentials", of::<Entries>("The file-backed store of keys: credentials.toml")),
        ("agent", of::<RawAgent>("An agent of the user's own: agents/NAME.toml")),
        ("provider", of::<RawProvider>("A provider of the user's own: providers/NAME.toml")),
    ]
}

fn of<T: DeserializeOwned>(title: &str) -> String {
    let mut found = Value::Null;
    // A type may refuse the texts that it was given, which are empty. What it asked for is written down by then.
    let _ = T::deserialize(Trace(&mut found));
    let mut schema = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": title });
    let whole = schema.as_object_mut().expect("an object");
    whole.extend(found.as_object().expect("the root of a file is a table").clone());
    serde_json::to_string_pretty(&schema).expect("only strings are keys") + "\n"
}

/// Writes down what a type asks for.
struct Trace<'a>(&'a mut Value);

macro_rules! scalars {
    ($($method:ident: $schema:expr, $visit:ident, $value:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            *self.0 = $schema;
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Trace<'_> {
    type Error = Error;

    scalars! {
        deserialize_any: json!({}), visit_str, "";
        deserialize_bool: json!({ "type": "boolean" }), visit_bool, false;
        deserialize_u8: json!({ "type": "integer", "minimum": 0 }), visit_u8, 0;
        deserialize_u16: json!({ "type": "integer", "minimum": 0, "maximum": 65535 }), visit_u16, 0;
        deserialize_u32: json!({ "type": "integer", "minimum": 0 }), visit_u32, 0;
        deserialize_u64: json!({ "type": "integer", "minimum": 0 }), visit_u64, 0;
        deserialize_i64: json!({ "type": "integer" }), visit_i64, 0;
        deserialize_f64: json!({ "type": "number" }), visit_f64, 0.0;
        deserialize_str: json!({ "type": "string" }), visit_str, "";
        deserialize_string: json!({ "type": "string" }), visit_str, "";
        deserialize_identifier: json!({ "type": "string" }), visit_str, "";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut items = Value::Null;
        let read = visitor.visit_seq(One(Some(&mut items)));
        *self.0 = json!({ "type": "array", "items": items });
        read
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (mut names, mut values) = (Value::Null, Value::Null);
        let read = visitor.visit_map(Pair { name: Some(&mut names), value: &mut values });
        *self.0 = json!({ "type": "object", "additionalProperties": values });
        if names.get("enum").is_some() {
            self.0["propertyNames"] = names;
        }
        read
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // The place of a value in its file is no part of it.
        if let [start, end, value] = fields
            && start.starts_with("$__")
        {
            return visitor.visit_map(Spanned { names: vec![value, end, start], at: "", schema: self.0 });
        }
        let mut properties = Map::new();
        let read = visitor.visit_map(Fields { left: fields.iter(), at: "", properties: &mut properties });
        *self.0 = json!({ "type": "object", "additionalProperties": false, "properties": properties });
        read
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = json!({ "enum": variants });
        visitor.visit_enum(Word(variants[0]))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i8 i16 i32 i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct }
}

/// A list with one element.
struct One<'a>(Option<&'a mut Value>);

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|schema| seed.deserialize(Trace(schema))).transpose()
    }
}

/// A table with one entry.
struct Pair<'a> {
    name: Option<&'a mut Value>,
    value: &'a mut Value,
}

impl<'de> MapAccess<'de> for Pair<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.name.take().map(|schema| seed.deserialize(Trace(schema))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Trace(self.value))
    }
}

// A key of a value with its place is borrowed.
fn text(name: &'static str) -> BorrowedStrDeserializer<'static, Error> {
    BorrowedStrDeserializer::new(name)
}

/// All keys of a table.
struct Fields<'a> {
    left: std::slice::Iter<'static, &'static str>,
    at: &'static str,
    properties: &'a mut Map<String, Value>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.left.next() else { return Ok(None) };
        self.at = name;
        seed.deserialize(text(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let mut schema = Value::Null;
        let read = seed.deserialize(Trace(&mut schema));
        self.properties.insert(self.at.to_owned(), schema);
        read
    }
}

/// A value with its place.
struct Spanned<'a> {
    names: Vec<&'static str>,
    at: &'static str,
    schema: &'a mut Value,
}

impl<'de> MapAccess<'de> for Spanned<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.names.pop() else { return Ok(None) };
        self.at = name;
        seed.deserialize(text(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        match self.names.is_empty() {
            true => seed.deserialize(Trace(self.schema)),
            false => seed.deserialize(0_usize.into_deserializer()),
        }
    }
}

/// One word of several.
struct Word(&'static str);

impl<'de> EnumAccess<'de> for Word {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        Ok((seed.deserialize(text(self.0))?, self))
    }
}

impl<'de> VariantAccess<'de> for Word {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Trace(&mut Value::Null))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
