//! Messages to and from nf_tables: netlink's header (netlink-packet-core), `struct nfgenmsg`,
//! attributes.

use netlink_packet_core::{
    DecodeError, Emitable, ErrorMessage, NLM_F_ACK_TLVS, NLM_F_DUMP_INTR, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};

use super::attribute::{self, Attribute};
use super::uapi::attr;
use crate::kernel::Errno;

/// A message to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// From [`uapi::msg`](super::uapi::msg).
    pub(super) kind: u16,
    /// `NLM_F_…` besides `NLM_F_REQUEST`.
    pub(super) flags: u16,
    /// From [`uapi::family`](super::uapi::family).
    pub(super) family: u8,
    /// `nfgenmsg.res_id`: the subsystem for a batch's begin and end, else 0.
    pub(super) resource: u16,
    /// What it says.
    pub(super) attributes: Vec<Attribute>,
}

/// Octets of `struct nlmsghdr`.
const NETLINK_HEADER: usize = 16;
/// Octets of `struct nfgenmsg`.
const GENERIC_HEADER: usize = 4;

impl Message {
    /// Appends the message to `into`.
    pub(super) fn write(self, sequence: u32, more_flags: u16, into: &mut Vec<u8>) {
        let mut header = NetlinkHeader::default();
        header.flags = netlink_packet_core::NLM_F_REQUEST | self.flags | more_flags;
        header.sequence_number = sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(self));
        message.finalize();
        let start = into.len();
        into.resize(start + message.buffer_len(), 0);
        if let Some(room) = into.get_mut(start..) {
            message.serialize(room);
        }
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        GENERIC_HEADER + self.attributes.as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        if let Some((head, rest)) = buffer.split_first_chunk_mut::<GENERIC_HEADER>() {
            let [high, low] = self.resource.to_be_bytes();
            *head = [self.family, 0, high, low];
            self.attributes.as_slice().emit(rest);
        }
    }
}

/// The attributes of a message from the kernel, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer(pub(super) Vec<u8>);

impl NetlinkDeserializable for Answer {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        match payload.get(GENERIC_HEADER..) {
            Some(attributes) => Ok(Self(attributes.to_vec())),
            None => Err("shorter than struct nfgenmsg".into()),
        }
    }
}

/// A message from the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    /// Of the message that it answers.
    pub(super) sequence: u32,
    /// What is listed was changed meanwhile.
    pub(super) interrupted: bool,
    /// What it says.
    pub(super) content: Content,
}

/// What a message from the kernel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// One of the things that were asked for.
    Answer(Answer),
    /// The message was carried out.
    Acknowledged,
    /// It was not.
    Refused(Refusal),
    /// There are no more answers.
    Done,
    /// Nothing of use.
    Other,
}

/// Why the kernel did not carry out a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Its answer.
    pub(super) errno: Errno,
    /// Its own words.
    pub(super) hint: Option<String>,
}

/// The messages of one datagram. A malformed one ends it.
pub(super) fn split(mut datagram: &[u8]) -> impl Iterator<Item = Result<Received, DecodeError>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let message = NetlinkMessage::<Answer>::deserialize(datagram);
        let length = message.as_ref().map_or(usize::MAX, |m| m.header.length as usize);
        datagram =
            length.checked_next_multiple_of(4).and_then(|n| datagram.get(n..)).unwrap_or(&[]);
        Some(message.map(read))
    })
}

fn read(message: NetlinkMessage<Answer>) -> Received {
    let (header, payload) = message.into_parts();
    let refused = |code, hint| Content::Refused(Refusal { errno: errno(code), hint });
    let content = match payload {
        NetlinkPayload::InnerMessage(answer) => Content::Answer(answer),
        NetlinkPayload::Error(error) => match error.code {
            Some(code) => refused(code.get(), hint(header.flags, &error)),
            None => Content::Acknowledged,
        },
        NetlinkPayload::Done(done) if done.code != 0 => refused(done.code, None),
        NetlinkPayload::Done(_) => Content::Done,
        NetlinkPayload::Noop | NetlinkPayload::Overrun(_) => Content::Other,
        _ => Content::Other,
    };
    let interrupted = header.flags & NLM_F_DUMP_INTR != 0;
    Received { sequence: header.sequence_number, interrupted, content }
}

fn errno(code: i32) -> Errno {
    Errno::from_raw(code.saturating_abs())
}

/// The extended acknowledgement's text. With `NETLINK_CAP_ACK` its attributes follow the header of
/// the message that was refused.
fn hint(flags: u16, error: &ErrorMessage) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let text = attribute::find(error.header.get(NETLINK_HEADER..)?, attr::ACK_MESSAGE)?;
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::uapi::{family, msg};
    use super::*;

    fn table() -> Vec<u8> {
        let message = Message {
            kind: msg::NEW_TABLE,
            flags: netlink_packet_core::NLM_F_CREATE,
            family: family::INET,
            resource: 0,
            attributes: vec![Attribute::text(1, "abc")],
        };
        let mut bytes = Vec::new();
        message.write(7, netlink_packet_core::NLM_F_ACK, &mut bytes);
        bytes
    }

    #[test]
    fn a_message_is_header_family_and_attributes() {
        let mut want = vec![28, 0, 0, 0, 0, 10, 5, 4, 7, 0, 0, 0, 0, 0, 0, 0];
        want.extend([1, 0, 0, 0]);
        want.extend([8, 0, 1, 0, b'a', b'b', b'c', 0]);
        assert_eq!(table(), want);
    }

    #[test]
    fn a_datagram_is_split() {
        let twice = [table(), table()].concat();
        let messages: Vec<_> = split(&twice).map(|m| m.unwrap()).collect();
        let content = Content::Answer(Answer(vec![8, 0, 1, 0, b'a', b'b', b'c', 0]));
        let want = Received { sequence: 7, interrupted: false, content };
        assert_eq!(messages, [want.clone(), want]);
    }

    #[test]
    fn damage_is_an_error_and_the_end() {
        let good = table();
        for cut in 1..good.len() {
            let all: Vec<_> = split(&good[..cut]).collect();
            assert_eq!(all.len(), 1, "cut at {cut}");
            assert!(all[0].is_err(), "cut at {cut}");
        }
        for length in [0, 4, 15, 17, 19, 29, 255] {
            let mut bad = good.clone();
            bad[0] = length;
            assert!(split(&bad).all(|m| m.is_err()), "length {length}");
        }
    }

    #[test]
    fn an_error_has_the_kernels_words() {
        let mut error = ErrorMessage::default();
        error.header = vec![0; 16];
        error.header.extend([11, 0, 1, 0, b'n', b'o', b' ', b's', b'e', b't', 0]);
        assert_eq!(hint(NLM_F_ACK_TLVS, &error).as_deref(), Some("no set"));
        assert_eq!(hint(0, &error), None);
        error.header.truncate(12);
        assert_eq!(hint(NLM_F_ACK_TLVS, &error), None);
    }
}
