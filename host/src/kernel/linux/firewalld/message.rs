//! Messages of D-Bus: a call, whose arguments are all strings, and what comes in. The encoding is `zbus`'s;
//! here is what stands around it. (D-Bus specification, "Message Protocol")

use nix::errno::Errno;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{Endian, to_bytes};
use zbus::{ObjectPath, Signature, Variant};

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

/// Byte order, kind, flags, version, octets of the body, serial, fields.
type Header<'a> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'a>)>);

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
            let at = Context::new(Endian::Little, body.len());
            body.extend_from_slice(to_bytes(at, *argument).map_err(wrong)?.bytes());
        }
        let octets = u32::try_from(body.len()).map_err(|_| Refusal::from(Errno::EMSGSIZE))?;
        let mut fields = vec![
            (PATH, Variant::ObjectPath(ObjectPath::try_from(self.path).map_err(wrong)?)),
            (INTERFACE, self.interface.into()),
            (MEMBER, self.member.into()),
            (DESTINATION, self.destination.into()),
        ];
        if !self.arguments.is_empty() {
            let types = "s".repeat(self.arguments.len());
            let types = Signature::try_from(types.as_str()).map_err(|e| wrong(e.into()))?;
            fields.push((SIGNATURE, Variant::Signature(types)));
        }
        let header: Header<'_> =
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
        let (header, _): (Header<'_>, usize) = data.deserialize().map_err(wrong)?;
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
