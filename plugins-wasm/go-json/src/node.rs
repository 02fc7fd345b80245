//! A JSON document as it was written: keys in order, and none dropped for being given twice.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

use crate::Error;
use crate::de::Value;
use crate::fold::same_key;

/// One JSON value.
///
/// `Display` writes it as JSON, `{:#}` with an indentation of four blanks as the CNI library does.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Node {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Node>),
    /// An object: every key in document order, also those given more than once.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads one JSON document. Nesting is limited by serde_json to 128 levels.
    ///
    /// # Errors
    /// The text is not one JSON document, or is nested too deeply.
    pub fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(Error::syntax)
    }

    /// What `value` is written as.
    ///
    /// # Errors
    /// The value refuses to be written, or is not JSON (a map whose keys are not strings).
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        Self::parse(&serde_json::to_string(value).map_err(Error::syntax)?)
    }

    /// An object with these keys, in this order.
    pub fn object<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// Reads this value into `T` by Go's rules.
    ///
    /// # Errors
    /// A value is not of the kind that `T` wants; the error names its key.
    pub fn to<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Error> {
        T::deserialize(Value::of(&[self]))
    }

    /// The value that Go would find under `key` in a struct: of all spellings that differ in case
    /// only, the last one in the document. Objects given twice are not merged here; [`Node::to`]
    /// does that.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.last_entry(|name| same_key(name, key))
    }

    /// As [`Node::get`] for a field that is no pointer, list or map, such as a string: `null` leaves it as
    /// an earlier spelling has set it.
    #[must_use]
    pub fn get_scalar(&self, key: &str) -> Option<&Self> {
        let entries = self.as_object()?.iter().rev();
        let mut values = entries.filter(|(name, _)| same_key(name, key)).map(|(_, value)| value);
        values.find(|value| !value.is_null())
    }

    /// The value that Go would find under `key` in a map: of exactly this spelling, the last one.
    #[must_use]
    pub fn get_exact(&self, key: &str) -> Option<&Self> {
        self.last_entry(|name| name == key)
    }

    /// Takes out every spelling of `key`. A value that is not an object has none.
    pub fn remove(&mut self, key: &str) {
        if let Self::Object(entries) = self {
            entries.retain(|(name, _)| !same_key(name, key));
        }
    }

    /// Sets `key`, in place of every spelling of it.
    ///
    /// # Errors
    /// This value is not an object.
    pub fn set(&mut self, key: &str, value: Self) -> Result<(), Error> {
        self.remove(key);
        match self {
            Self::Object(entries) => {
                entries.push((key.to_owned(), value));
                Ok(())
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => {
                Err(Error::syntax(format_args!("setting key {key:?} in {}", self.unexpected())))
            }
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The keys and values, if it is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        if let Self::Object(entries) = self { Some(entries) } else { None }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The document as JSON text, keys in their order.
    #[must_use]
    pub fn to_json_string(&self) -> String {
        self.to_string()
    }

    fn last_entry(&self, matches: impl Fn(&str) -> bool) -> Option<&Self> {
        self.as_object()?.iter().rev().find(|(name, _)| matches(name)).map(|(_, value)| value)
    }

    /// How error messages call this value.
    pub(crate) fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Other("null"),
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => Unexpected::Unsigned(value),
                (_, Some(value), _) => Unexpected::Signed(value),
                (_, _, Some(value)) => Unexpected::Float(value),
                (None, None, None) => Unexpected::Other("number"),
            },
            Self::String(text) => Unexpected::Str(text),
            Self::Array(_) => Unexpected::Other("array"),
            Self::Object(_) => Unexpected::Other("object"),
        }
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Node {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Self {
        Self::Array(items)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        let written = if f.alternate() {
            let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            self.serialize(&mut serde_json::Serializer::with_formatter(&mut text, layout))
        } else {
            self.serialize(&mut serde_json::Serializer::new(&mut text))
        };
        written.map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    /// No JSON number is infinite. (Not an error: this alone would need serde_json's errors with texts of
    /// others', and what formats them.)
    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Object(entries))
    }
}
