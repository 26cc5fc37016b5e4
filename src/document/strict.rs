//! JSON whose every member counts: what is signed means one thing to all its readers.
//!
//! A key that is there twice in one object, also in another case, is an error: parsers disagree about which of both counts.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result, quoted};

/// Parses a document of a few megabytes at most; members that `T` doesn't have are no error. `what` names it in errors.
///
/// # Errors
///
/// If it is no JSON, has a key twice, or lacks what `T` has.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T> {
    read(value(bytes, what)?, what)
}

/// The same, as it is.
///
/// # Errors
///
/// If it is no JSON, or has a key twice.
pub fn value(bytes: &[u8], what: &'static str) -> Result<Value> {
    // As it is not for any reader, with a limit on its depth that is serde_json's own.
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut parser).and_then(|value| parser.end().map(|()| value));
    value.map_err(|e| Error::malformed(what, "JSON without a repeated key", e))
}

/// What a value means.
///
/// # Errors
///
/// If it lacks what `T` has.
pub fn read<T: DeserializeOwned>(value: Value, what: &'static str) -> Result<T> {
    serde_json::from_value(value).map_err(|e| Error::malformed(what, "the members of its type", e))
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(Strict)? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            // Parsers that look for keys in any case fold these two letters to ASCII as well (Go, encoding/json).
            let folded = key.to_ascii_lowercase().replace('\u{17f}', "s").replace('\u{212a}', "k");
            if !seen.insert(folded) {
                return Err(serde::de::Error::custom(format!("{} twice", quoted(key.as_bytes()))));
            }
            map.insert(key, members.next_value_seed(Strict)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_once_in_any_case_and_at_any_depth() {
        assert!(value(br#"{"a":[{"b":1,"c":2},{"b":null}],"d":1.5,"e":-1}"#, "document").is_ok());
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"A":2}"#,
            r#"[{"x":{"a":1,"\u0061":2}}]"#,
            "{\"\u{17f}ubject\":1,\"subject\":2}",
        ] {
            let error = value(twice.as_bytes(), "document").unwrap_err().to_string();
            assert!(error.contains("twice"), "{error}");
        }
        assert!(value(b"{} {}", "document").is_err());
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert!(value(&deep, "document").is_err());
    }
}
