//! Addresses as bits of chunks, for finding a free one without asking for each.

use std::net::IpAddr;

/// Bytes of a chunk: a page of tmpfs.
pub(super) const CHUNK_BYTES: usize = 4096;

/// Addresses of a chunk, as the number of low bits of an address that it spans.
const CHUNK_BITS: u32 = 15;

/// The largest bit of a chunk.
const LAST_BIT: u16 = (1 << CHUNK_BITS) - 1;

/// An address family; the number in a chunk's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Family {
    V4,
    V6,
}

/// Which 32,768 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Chunk {
    family: Family,
    /// The address without its low bits.
    high: u128,
}

/// Where an address is: its chunk, and its bit there.
pub(super) fn place(address: IpAddr) -> (Chunk, u16) {
    let (family, number) = number(address);
    let [.., high, low] = number.to_be_bytes();
    let bit = u16::from_be_bytes([high, low]) & LAST_BIT;
    (Chunk { family, high: number >> CHUNK_BITS }, bit)
}

/// The address after this one in its family.
pub(super) fn successor(address: IpAddr) -> Option<IpAddr> {
    let (family, number) = number(address);
    from_number(family, number.checked_add(1)?)
}

impl Chunk {
    /// Name of the chunk's file. No owner's key is like it, for want of a colon.
    pub(super) fn file_name(self) -> String {
        match self.family {
            Family::V4 => format!("4-{:x}", self.high),
            Family::V6 => format!("6-{:x}", self.high),
        }
    }

    pub(super) fn next(self) -> Self {
        Self { high: self.high.saturating_add(1), ..self }
    }

    /// The lowest address from bit `from` to bit `to` that is clear; a chunk is clear behind its end.
    pub(super) fn first_clear(self, bytes: &[u8], from: u16, to: u16) -> Option<IpAddr> {
        let mut bit = from;
        while bit <= to {
            let byte = bytes.get(usize::from(bit / 8)).copied().unwrap_or(0);
            if byte == u8::MAX {
                bit = (bit / 8 + 1) * 8;
                continue;
            }
            if byte & mask(bit) == 0 {
                return from_number(self.family, (self.high << CHUNK_BITS) | u128::from(bit));
            }
            bit += 1;
        }
        None
    }

    /// The part of `first` to `last` that lies in this chunk, as bits.
    pub(super) fn bits_between(self, first: IpAddr, last: IpAddr) -> (u16, u16) {
        let bit_or = |address, otherwise| match place(address) {
            (chunk, bit) if chunk == self => bit,
            _ => otherwise,
        };
        (bit_or(first, 0), bit_or(last, LAST_BIT))
    }
}

/// The bit in its byte.
pub(super) fn mask(bit: u16) -> u8 {
    1 << (bit % 8)
}

fn number(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(address) => (Family::V4, u128::from(address.to_bits())),
        IpAddr::V6(address) => (Family::V6, address.to_bits()),
    }
}

fn from_number(family: Family, number: u128) -> Option<IpAddr> {
    match family {
        Family::V4 => u32::try_from(number).ok().map(|n| IpAddr::V4(n.into())),
        Family::V6 => Some(IpAddr::V6(number.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_have_a_chunk_and_a_bit() {
        assert_eq!(place(ip("0.0.0.0")).0.file_name(), "4-0");
        assert_eq!(place(ip("10.0.0.5")), place(ip("10.0.0.5")));
        assert_eq!(place(ip("10.0.127.255")).1, LAST_BIT);
        assert_eq!(place(ip("10.0.128.0")).1, 0);
        assert_eq!(place(ip("10.0.127.255")).0.next(), place(ip("10.0.128.0")).0);
        assert_eq!(place(ip("255.255.255.255")).0.file_name(), "4-1ffff");
        assert_ne!(place(ip("::1")).0, place(ip("0.0.0.1")).0);
        assert_eq!(place(ip("fd00::7fff")).0.next(), place(ip("fd00::8000")).0);
    }

    #[test]
    fn the_lowest_clear_bit_is_found() {
        let (chunk, _) = place(ip("10.0.0.0"));
        assert_eq!(chunk.first_clear(&[], 3, 9), Some(ip("10.0.0.3")));
        assert_eq!(chunk.first_clear(&[0xff, 0x01], 0, LAST_BIT), Some(ip("10.0.0.9")));
        assert_eq!(chunk.first_clear(&[0xff, 0x01], 0, 8), None);
        assert_eq!(chunk.first_clear(&[0b1111_0111], 4, 7), None);
        assert_eq!(chunk.first_clear(&[0xff; CHUNK_BYTES], 0, LAST_BIT), None);
        assert_eq!(chunk.first_clear(&[0xff; 4095], 0, LAST_BIT), Some(ip("10.0.127.248")));
        let (chunk, _) = place(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        assert_eq!(
            chunk.first_clear(&[], LAST_BIT, LAST_BIT),
            Some(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
        );
    }

    #[test]
    fn ranges_are_cut_to_the_chunk() {
        let (first, last) = (ip("10.0.0.5"), ip("10.1.0.9"));
        let (chunk, _) = place(first);
        assert_eq!(chunk.bits_between(first, last), (5, LAST_BIT));
        assert_eq!(chunk.next().bits_between(first, last), (0, LAST_BIT));
        assert_eq!(place(last).0.bits_between(first, last), (0, 9));
        assert_eq!(chunk.bits_between(first, ip("10.0.0.7")), (5, 7));
    }

    #[test]
    fn every_address_but_the_last_has_a_successor() {
        assert_eq!(successor(ip("10.0.0.255")), Some(ip("10.0.1.0")));
        assert_eq!(successor(ip("255.255.255.255")), None);
        assert_eq!(successor(ip("fd00::ffff")), Some(ip("fd00::1:0")));
        assert_eq!(successor(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")), None);
    }
}
