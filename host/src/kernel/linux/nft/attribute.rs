//! Netlink attributes: what a message says, as a tree that is written through netlink-packet-core's
//! `Nla`.

use netlink_packet_core::{Emitable, NLA_F_NESTED, NLA_HEADER_SIZE, Nla, NlasIterator};

/// One attribute; the number is the kernel's, from [`uapi::attr`](super::uapi::attr).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attribute {
    /// A value.
    Leaf(u16, Vec<u8>),
    /// Other attributes.
    Nest(u16, Vec<Attribute>),
}

impl Attribute {
    /// A number in network byte order, as nf_tables has all of them.
    pub(super) fn number(kind: u16, value: u32) -> Self {
        Self::Leaf(kind, value.to_be_bytes().to_vec())
    }

    /// A text with the closing NUL.
    pub(super) fn text(kind: u16, text: &str) -> Self {
        Self::Leaf(kind, [text.as_bytes(), b"\0"].concat())
    }

    /// A value to compare with or to look up: `NFTA_DATA_VALUE` in a nest.
    pub(super) fn data(kind: u16, value: &[u8]) -> Self {
        Self::Nest(kind, vec![Self::Leaf(super::uapi::attr::DATA_VALUE, value.to_vec())])
    }
}

impl Nla for Attribute {
    fn value_len(&self) -> usize {
        match self {
            Self::Leaf(_, value) => value.len(),
            Self::Nest(_, children) => children.as_slice().buffer_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Leaf(kind, _) => *kind,
            Self::Nest(kind, _) => *kind | NLA_F_NESTED,
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Leaf(_, value) => buffer.copy_from_slice(value),
            Self::Nest(_, children) => children.as_slice().emit(buffer),
        }
    }
}

/// The values of all well-formed attributes in `bytes`, with their numbers; ends at the first bad
/// one.
pub(super) fn iter(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).filter_map(|attribute| {
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        Some((kind, attribute.into_inner().get(NLA_HEADER_SIZE..length)?))
    })
}

/// The value of the first attribute with this number.
pub(super) fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    iter(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// The number that the first attribute of this kind holds.
pub(super) fn find_number(bytes: &[u8], wanted: u16) -> Option<u32> {
    find(bytes, wanted)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nest_is_flagged_and_padded() {
        let nest = Attribute::Nest(3, vec![Attribute::text(1, "ab"), Attribute::number(2, 258)]);
        let mut bytes = vec![0xff; nest.buffer_len()];
        nest.emit(&mut bytes);
        let mut want = vec![20, 0, 3, 0x80];
        want.extend([7, 0, 1, 0, b'a', b'b', 0, 0]);
        want.extend([8, 0, 2, 0, 0, 0, 1, 2]);
        assert_eq!(bytes, want);
        let inner = find(&bytes, 3).unwrap();
        assert_eq!(find(inner, 1), Some(&b"ab\0"[..]));
        assert_eq!(find_number(inner, 2), Some(258));
        assert_eq!(find(inner, 3), None);
    }

    #[test]
    fn damage_ends_the_reading() {
        let good = [8, 0, 2, 0, 0, 0, 1, 2];
        assert_eq!(find_number(&good, 2), Some(258));
        for cut in 0..good.len() {
            assert_eq!(find(&good[..cut], 2), None, "cut at {cut}");
        }
        for length in [0, 3, 9, 255] {
            let mut bad = good;
            bad[0] = length;
            assert_eq!(find(&bad, 2), None, "length {length}");
        }
        assert_eq!(find_number(&[5, 0, 2, 0, 1, 0, 0, 0], 2), None, "not four octets");
    }
}
