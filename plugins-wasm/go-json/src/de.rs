//! The serde deserializer over a [`Node`], with Go's rules for keys, `null` and repetition.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Number;

use crate::fold::same_key;
use crate::{Error, Node};

/// All values that one field was given, in document order.
pub(crate) struct Value<'de> {
    earlier: Vec<&'de Node>,
    last: &'de Node,
}

impl<'de> Value<'de> {
    pub(crate) fn one(node: &'de Node) -> Self {
        Self { earlier: Vec::new(), last: node }
    }

    fn then(&mut self, node: &'de Node) {
        self.earlier.push(std::mem::replace(&mut self.last, node));
    }

    fn given(&self) -> impl Iterator<Item = &'de Node> {
        self.earlier.iter().copied().chain([self.last]).filter(|node| !node.is_null())
    }

    /// Without what stands before the last `null`, which sets Go's pointers, slices and maps to
    /// nil.
    fn since_null(mut self) -> Self {
        if self.last.is_null() {
            self.earlier.clear();
        } else if let Some(at) = self.earlier.iter().rposition(|node| node.is_null()) {
            self.earlier.drain(..=at);
        }
        self
    }

    /// The last value that is not `null`. Go refuses a field that was first given another kind of
    /// value, even when a right one follows, so `pick` sees every one.
    fn pick<T>(
        &self,
        pick: impl Fn(&'de Node) -> Option<T>,
        expected: &dyn Expected,
    ) -> Result<Option<T>, Error> {
        let mut found = None;
        for node in self.given() {
            let picked = pick(node);
            found = Some(picked.ok_or_else(|| Error::invalid_type(node.unexpected(), expected))?);
        }
        Ok(found)
    }

    /// The entries of all objects, one after the other: how Go merges an object into what is there.
    fn entries(&self) -> Result<Vec<&'de (String, Node)>, Error> {
        let mut entries = Vec::new();
        for node in self.given() {
            match node.as_object() {
                Some(object) => entries.extend(object),
                None => return Err(Error::invalid_type(node.unexpected(), &"an object")),
            }
        }
        Ok(entries)
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.pick(Node::as_number, &visitor)? {
            Some(number) => visit_number(number, visitor),
            None => visitor.visit_u64(0),
        }
    }
}

fn visit_number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Error> {
    if let Some(value) = number.as_u64() {
        visitor.visit_u64(value)
    } else if let Some(value) = number.as_i64() {
        visitor.visit_i64(value)
    } else if let Some(value) = number.as_f64() {
        visitor.visit_f64(value)
    } else {
        Err(Error::custom(format_args!("got number {number}, expected one of 64 bits")))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.number(visitor)
        })*
    };
}

/// Where nothing but `null` is given, each kind yields Go's zero value for it.
impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    /// As into Go's `interface{}`: the last value replaces the others.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.last {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Number(number) => visit_number(number, visitor),
            Node::String(text) => visitor.visit_borrowed_str(text),
            Node::Array(_) => Value::one(self.last).deserialize_seq(visitor),
            Node::Object(entries) => visitor.visit_map(Entries::of_map(entries)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.pick(Node::as_bool, &"a boolean")?.unwrap_or_default())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.pick(Node::as_str, &"a string")?.unwrap_or_default())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.since_null();
        if value.last.is_null() { visitor.visit_none() } else { visitor.visit_some(value) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = self.since_null().pick(Node::as_array, &"an array")?.unwrap_or_default();
        visitor.visit_seq(Elements { items: items.iter().enumerate() })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries::of_map(self.since_null().entries()?))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Entries::of_struct(self.entries()?, fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = self.pick(Node::as_str, &"a string")?.unwrap_or_default();
        visitor.visit_enum(text.into_deserializer())
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct ignored_any }
}

/// The elements of an array, which add their index to an error.
struct Elements<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        seed.deserialize(Value::one(node)).map(Some).map_err(|e| e.at_index(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// One key for the visitor, with all that the document says about it.
struct Entry<'de> {
    key: &'de str,
    /// As the document spells it, for the path of an error.
    spelling: &'de str,
    value: Value<'de>,
}

/// The entries of an object, which add their key to an error.
struct Entries<'de> {
    rest: std::vec::IntoIter<Entry<'de>>,
    current: Option<(&'de str, Value<'de>)>,
}

impl<'de> Entries<'de> {
    fn new(entries: Vec<Entry<'de>>) -> Self {
        Self { rest: entries.into_iter(), current: None }
    }

    /// Every key as it is written; of a key given twice the map keeps the later value.
    fn of_map(entries: impl IntoIterator<Item = &'de (String, Node)>) -> Self {
        let entry = |(key, node): &'de (String, Node)| Entry {
            key,
            spelling: key,
            value: Value::one(node),
        };
        Self::new(entries.into_iter().map(entry).collect())
    }

    /// The struct's own keys, each once. A key that is never more than `null` is left out, as if it
    /// were not there.
    fn of_struct(
        entries: impl IntoIterator<Item = &'de (String, Node)>,
        fields: &'static [&'static str],
    ) -> Self {
        let mut found: Vec<Entry<'de>> = Vec::new();
        for (spelling, node) in entries {
            let exact = fields.iter().find(|field| *field == spelling);
            let Some(key) = exact.or_else(|| fields.iter().find(|f| same_key(f, spelling))) else {
                continue;
            };
            match found.iter_mut().find(|entry| entry.key == *key) {
                Some(entry) => {
                    entry.value.then(node);
                    entry.spelling = spelling;
                }
                None => found.push(Entry { key, spelling, value: Value::one(node) }),
            }
        }
        found.retain(|entry| entry.value.given().next().is_some());
        Self::new(found)
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.current = Some((entry.spelling, entry.value));
        seed.deserialize(BorrowedStrDeserializer::new(entry.key))
            .map(Some)
            .map_err(|e: Error| e.at_key(entry.spelling))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.current.take() {
            Some((key, value)) => seed.deserialize(value).map_err(|e| e.at_key(key)),
            None => Err(Error::custom("value asked for before its key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}
