//! Reading a reply's attributes, one by one.
//!
//! A whole message decoded into `netlink-packet-route`'s types would cost an allocation for each of
//! about sixty attributes of a link, and one attribute that a newer kernel lays out in another way
//! would fail the call that never asked for it.

use std::net::IpAddr;

use netlink_packet_core::{NLA_HEADER_SIZE, NlasIterator};

/// The attributes of a message's body or of a nested attribute, as (type, value).
pub(super) fn attributes(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(octets).map_while(Result::ok).map(|nla| {
        let end = usize::from(nla.length());
        (nla.kind(), nla.into_inner().get(NLA_HEADER_SIZE..end).unwrap_or_default())
    })
}

/// The value of the first attribute of this type.
pub(super) fn attribute(octets: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(octets).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// The first octet.
pub(super) fn read_u8(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

/// A number in the machine's byte order.
pub(super) fn read_u16(value: &[u8]) -> Option<u16> {
    value.first_chunk().copied().map(u16::from_ne_bytes)
}

/// A number in the machine's byte order.
pub(super) fn read_u32(value: &[u8]) -> Option<u32> {
    value.first_chunk().copied().map(u32::from_ne_bytes)
}

/// A number in the machine's byte order.
pub(super) fn read_i32(value: &[u8]) -> Option<i32> {
    value.first_chunk().copied().map(i32::from_ne_bytes)
}

/// A text up to its NUL; `None`: not UTF-8.
pub(super) fn read_text(value: &[u8]) -> Option<String> {
    let text = value.split(|octet| *octet == 0).next()?;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

/// An address of four or sixteen octets.
pub(super) fn read_address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(value).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_another_length_are_not_read() {
        assert_eq!(read_u32(&[1, 0]), None);
        assert_eq!(read_address(&[10, 0, 0]), None);
        assert_eq!(read_text(b"lo\0x"), Some("lo".to_owned()));
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
    }
}
