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

/// All values that one field was given, in document order: one at least.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a, 'de> {
    all: &'a [&'de Node],
}

/// What does not depend on a visitor is out of the generic functions: those are compiled for every type that
/// is read.
impl<'a, 'de> Value<'a, 'de> {
    pub(crate) fn of(all: &'a [&'de Node]) -> Self {
        Self { all }
    }

    fn last(self) -> &'de Node {
        self.all.last().copied().unwrap_or(&Node::Null)
    }

    /// Without what stands before the last `null`, which sets Go's pointers, slices and maps to
    /// nil.
    fn since_null(self) -> Self {
        let null = self.all.iter().rposition(|node| node.is_null());
        Self { all: null.and_then(|at| self.all.get(at + 1..)).unwrap_or(self.all) }
    }

    /// The last value that is not `null`. Go refuses a field that was first given another kind of
    /// value, even when a right one follows, so all must be of this `kind`.
    fn pick(
        self,
        kind: fn(&Node) -> bool,
        expected: &dyn Expected,
    ) -> Result<Option<&'de Node>, Error> {
        let mut found = None;
        for node in self.all {
            if node.is_null() {
                continue;
            }
            if !kind(node) {
                return Err(Error::invalid_type(node.unexpected(), expected));
            }
            found = Some(*node);
        }
        Ok(found)
    }

    fn truth(self) -> Result<bool, Error> {
        let node = self.pick(|node| node.as_bool().is_some(), &"a boolean")?;
        Ok(node.and_then(Node::as_bool).unwrap_or_default())
    }

    fn text(self) -> Result<&'de str, Error> {
        let node = self.pick(|node| node.as_str().is_some(), &"a string")?;
        Ok(node.and_then(Node::as_str).unwrap_or_default())
    }

    fn number(self, expected: &dyn Expected) -> Result<Option<&'de Number>, Error> {
        let node = self.pick(|node| node.as_number().is_some(), expected)?;
        Ok(node.and_then(Node::as_number))
    }

    fn elements(self) -> Result<Elements<'de>, Error> {
        let node = self.since_null().pick(|node| node.as_array().is_some(), &"an array")?;
        let items = node.and_then(Node::as_array).unwrap_or_default();
        Ok(Elements { items: items.iter().enumerate() })
    }

    /// The entries of all objects, one after the other: how Go merges an object into what is there.
    fn entries(self) -> Result<Vec<&'de (String, Node)>, Error> {
        self.pick(|node| node.as_object().is_some(), &"an object")?;
        Ok(self.all.iter().filter_map(|node| node.as_object()).flatten().collect())
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
        Err(Error::custom("got a number, expected one of 64 bits"))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.number(&visitor)? {
                Some(number) => visit_number(number, visitor),
                None => visitor.visit_u64(0),
            }
        })*
    };
}

/// Where nothing but `null` is given, each kind yields Go's zero value for it.
impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Error;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    /// As into Go's `interface{}`: the last value replaces the others.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let last = self.last();
        match last {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Number(number) => visit_number(number, visitor),
            Node::String(text) => visitor.visit_borrowed_str(text),
            Node::Array(_) => visitor.visit_seq(Value::of(&[last]).elements()?),
            Node::Object(entries) => visitor.visit_map(Entries::of_map(entries.iter().collect())),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.truth()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text()?)
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
        if value.last().is_null() { visitor.visit_none() } else { visitor.visit_some(value) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.elements()?)
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
        visitor.visit_map(Entries::of_struct(&self.entries()?, fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.text()?.into_deserializer())
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
        seed.deserialize(Value::of(&[node])).map(Some).map_err(|e| e.at_index(index))
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
    values: Vec<&'de Node>,
}

/// The entries of an object, which add their key to an error.
struct Entries<'de> {
    all: Vec<Entry<'de>>,
    /// How many the visitor has seen, the one whose value is asked for included.
    seen: usize,
}

impl<'de> Entries<'de> {
    /// Every key as it is written; of a key given twice the map keeps the later value.
    fn of_map(entries: Vec<&'de (String, Node)>) -> Self {
        let entry =
            |(key, node): &'de (String, Node)| Entry { key, spelling: key, values: vec![node] };
        Self { all: entries.into_iter().map(entry).collect(), seen: 0 }
    }

    /// The struct's own keys, each once. A key that is never more than `null` is left out, as if it
    /// were not there.
    fn of_struct(entries: &[&'de (String, Node)], fields: &'static [&'static str]) -> Self {
        let mut found: Vec<Entry<'de>> = Vec::new();
        for (spelling, node) in entries {
            let exact = fields.iter().find(|field| *field == spelling);
            let Some(key) = exact.or_else(|| fields.iter().find(|f| same_key(f, spelling))) else {
                continue;
            };
            match found.iter_mut().find(|entry| entry.key == *key) {
                Some(entry) => {
                    entry.values.push(node);
                    entry.spelling = spelling;
                }
                None => found.push(Entry { key, spelling, values: vec![node] }),
            }
        }
        found.retain(|entry| entry.values.iter().any(|node| !node.is_null()));
        Self { all: found, seen: 0 }
    }

    /// The next one, whose value is asked for after it.
    fn advance(&mut self) -> Option<&Entry<'de>> {
        let entry = self.all.get(self.seen)?;
        self.seen += 1;
        Some(entry)
    }

    /// The one that was last seen.
    fn current(&self) -> Result<&Entry<'de>, Error> {
        let entry = self.seen.checked_sub(1).and_then(|at| self.all.get(at));
        entry.ok_or_else(|| Error::custom("value asked for before its key"))
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(&Entry { key, spelling, .. }) = self.advance() else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(key))
            .map(Some)
            .map_err(|e: Error| e.at_key(spelling))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let entry = self.current()?;
        seed.deserialize(Value::of(&entry.values)).map_err(|e| e.at_key(entry.spelling))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.all.len().saturating_sub(self.seen))
    }
}
