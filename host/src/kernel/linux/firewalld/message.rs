//! Messages of D-Bus: a call, whose arguments are all strings, and what comes in. The encoding is `zbus`'s;
//! here is what stands around it. (D-Bus specification, "Message Protocol")

use nix::errno::Errno;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{Endian, to_bytes};
use zbus::{Signature, Type, Variant};

use super::super::socket::Refusal;

/// Octets that every message begins with; the last four are the length of the header's fields.
pub(super) const FIXED_OCTETS: usize = 16;

/// Octets of the longest message that is taken: an answer is a word, or an error with a sentence.
const MAX_OCTETS: usize = 64 * 1024;

/// `NO_AUTO_START`: the bus may start no service for a call. A firewall that is stopped stays so.
const NO_AUTO_START: u8 = 2;

const VERSION: u8 = 1;
const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// Codes of header fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;

/// Byte order, kind, flags, version, octets of the body, serial, fields with values of this type.
type Header<V> = (u8, u8, u8, u8, u32, u32, Vec<(u8, V)>);

/// A value of a header field that is sent.
enum Value<'a> {
    Text(&'a str),
    Path(&'a str),
    /// Types of the body. As a value of `zbus` several types would stand in parentheses, as one structure.
    Types(&'a str),
}

impl Type for Value<'_> {
    const SIGNATURE: &'static Signature = &Signature::Variant;
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, text) = match self {
            Self::Text(text) => (&Signature::Str, text),
            Self::Path(text) => (&Signature::ObjectPath, text),
            Self::Types(text) => (&Signature::Signature, text),
        };
        let mut variant = serializer.serialize_struct("Variant", 2)?;
        variant.serialize_field("signature", kind)?;
        variant.serialize_field("value", text)?;
        variant.end()
    }
}

/// A call of a method.
pub(super) struct Call<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    pub(super) arguments: &'a [&'a str],
}

impl Call<'_> {
    /// The message.
    ///
    /// # Errors
    /// `EINVAL`: an argument that no string of D-Bus can be.
    pub(super) fn encode(&self, serial: u32) -> Result<Vec<u8>, Refusal> {
        let wrong = |e: zbus::Error| Refusal::because(Errno::EINVAL, e.to_string());
        let mut body = Vec::new();
        for argument in self.arguments {
            // `zbus` would write it, and the bus hang up.
            if argument.contains('\0') || argument.len() > MAX_OCTETS {
                let why = format!(
                    "an argument of {} is longer than any name, or has a zero in it",
                    self.member
                );
                return Err(Refusal::because(Errno::EINVAL, why));
            }
            let at = Context::new(Endian::Little, body.len());
            body.extend_from_slice(to_bytes(at, *argument).map_err(wrong)?.bytes());
        }
        let octets = u32::try_from(body.len()).map_err(|_| Refusal::from(Errno::EMSGSIZE))?;
        let types = "s".repeat(self.arguments.len());
        let mut fields = vec![
            (PATH, Value::Path(self.path)),
            (INTERFACE, Value::Text(self.interface)),
            (MEMBER, Value::Text(self.member)),
            (DESTINATION, Value::Text(self.destination)),
        ];
        if !types.is_empty() {
            fields.push((SIGNATURE, Value::Types(&types)));
        }
        let header: Header<Value<'_>> =
            (b'l', METHOD_CALL, NO_AUTO_START, VERSION, octets, serial, fields);
        let start = Context::new(Endian::Little, 0);
        let mut message = to_bytes(start, &header).map_err(wrong)?.bytes().to_vec();
        message.resize(message.len().next_multiple_of(8), 0);
        message.extend_from_slice(&body);
        Ok(message)
    }
}

/// What a message says of the whole: how long it is, and where its body begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    order: Endian,
    body: usize,
    pub(super) octets: usize,
}

impl Extent {
    /// Reads the beginning of a message.
    ///
    /// # Errors
    /// `EPROTO`: it is none, or too long.
    pub(super) fn read(fixed: &[u8; FIXED_OCTETS]) -> Result<Self, Refusal> {
        let [order, _, _, version, a, b, c, d, _, _, _, _, e, f, g, h] = *fixed;
        let (order, number): (_, fn([u8; 4]) -> u32) = match order {
            b'l' => (Endian::Little, u32::from_le_bytes),
            b'B' => (Endian::Big, u32::from_be_bytes),
            _ => return Err(nonsense("a message without a byte order")),
        };
        if version != VERSION {
            return Err(nonsense(format!("a message of version {version}")));
        }
        let lengths = [number([a, b, c, d]), number([e, f, g, h])];
        let [body, fields] =
            lengths.map(|n| usize::try_from(n).ok().filter(|octets| *octets <= MAX_OCTETS));
        match (body, fields) {
            (Some(body), Some(fields)) if body + fields + FIXED_OCTETS <= MAX_OCTETS => {
                let start = (FIXED_OCTETS + fields).next_multiple_of(8);
                Ok(Self { order, body: start, octets: start + body })
            }
            _ => Err(nonsense(format!("a message of more than {MAX_OCTETS} octets"))),
        }
    }
}

/// A message that came in, as far as it matters here.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// The serial of the call that it answers.
    pub(super) answers: Option<u32>,
    pub(super) sender: Option<String>,
    /// Of an error: its name.
    pub(super) error: Option<String>,
    /// The first string of the body, if that begins with one.
    pub(super) text: Option<String>,
}

impl Incoming {
    /// Reads a whole message.
    ///
    /// # Errors
    /// `EPROTO`: it is none.
    pub(super) fn decode(message: &[u8], extent: Extent) -> Result<Self, Refusal> {
        let wrong = |e: zbus::Error| nonsense(e.to_string());
        let start = Context::new(extent.order, 0);
        let data = Data::new(message, start);
        let (header, _): (Header<Variant<'_>>, usize) = data.deserialize().map_err(wrong)?;
        let (_, kind, .., fields) = header;
        let mut incoming = Self::default();
        let mut begins_with_text = false;
        for (code, value) in fields {
            match (code, value) {
                (REPLY_SERIAL, Variant::U32(serial)) => incoming.answers = Some(serial),
                (SENDER, Variant::Str(name)) => incoming.sender = Some(name.to_string()),
                (ERROR_NAME, Variant::Str(name)) => incoming.error = Some(name.to_string()),
                (SIGNATURE, Variant::Signature(types)) => {
                    begins_with_text = types.to_string_no_parens().starts_with('s');
                }
                _ => {}
            }
        }
        match kind {
            METHOD_RETURN => incoming.error = None,
            ERROR if incoming.error.is_some() => {}
            ERROR => return Err(nonsense("an error without a name")),
            // A signal, or a call of us: nothing that is waited for.
            _ => incoming.answers = None,
        }
        if begins_with_text {
            let body = Data::new(message.get(extent.body..).unwrap_or_default(), start);
            let (text, _): (&str, usize) = body.deserialize().map_err(wrong)?;
            incoming.text = Some(text.to_owned());
        }
        Ok(incoming)
    }
}

/// Who talks to us does not talk D-Bus.
pub(super) fn nonsense(what: impl Into<String>) -> Refusal {
    Refusal::because(Errno::EPROTO, format!("the bus sent what is no D-Bus: {}", what.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against octets that were put together by the specification's text.
    #[test]
    fn a_call_is_encoded_as_the_specification_has_it() {
        let arguments = ["trusted", "10.1.2.3/32"];
        let (path, interface, member) = ("/a", "b.c", "d");
        let call = Call { destination: ":1.5", path, interface, member, arguments: &arguments };
        let fields = [
            b"\x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0".as_slice(),
            b"\x02\x01s\0\x03\0\0\0b.c\0\0\0\0\0".as_slice(),
            b"\x03\x01s\0\x01\0\0\0d\0\0\0\0\0\0\0".as_slice(),
            b"\x06\x01s\0\x04\0\0\0:1.5\0\0\0\0".as_slice(),
            b"\x08\x01g\0\x02ss\0".as_slice(),
        ]
        .concat();
        let body = b"\x07\0\0\0trusted\0\x0b\0\0\x0010.1.2.3/32\0".as_slice();
        let octets = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
        let head = [b"l\x01\x02\x01", octets(body.len()).as_slice(), &octets(9)].concat();
        let expected = [head.as_slice(), &octets(fields.len()), &fields, body].concat();
        assert_eq!(call.encode(9).unwrap(), expected);
        let nul = Call { arguments: &["a\0b"], ..call };
        assert_eq!(nul.encode(1).unwrap_err().errno, Errno::EINVAL);
    }

    /// Whatever is changed or cut off, there is an answer: a message or an error.
    #[test]
    fn no_damage_makes_the_decoder_panic() {
        let call = Call {
            destination: ":1.5",
            path: "/a",
            interface: "b.c",
            member: "d",
            arguments: &["one", "two"],
        };
        let good = call.encode(7).unwrap();
        let read = |message: &[u8]| {
            let Some(fixed) = message.first_chunk() else { return };
            if let Ok(extent) = Extent::read(fixed) {
                let mut whole = message.to_vec();
                whole.resize(extent.octets, 0);
                let _ = Incoming::decode(&whole, extent);
            }
        };
        for at in 0..good.len() {
            read(&good[..at]);
            for value in 0..=u8::MAX {
                let mut damaged = good.clone();
                damaged[at] = value;
                read(&damaged);
            }
        }
    }
}
