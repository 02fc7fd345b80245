//! ICMP echo messages (RFC 792), and IPv4 headers around them (RFC 791): pure.

/// Type of an echo request and of its reply.
const REQUEST: u8 = 8;
const REPLY: u8 = 0;
/// What is sent along, in octets; with it a message is as long as that of `ping`.
const PAYLOAD: [u8; 56] = *b"wasmcni demo: one container to another, through a bridge";

/// An echo request.
pub(super) fn request(id: u16, sequence: u16) -> Vec<u8> {
    let [id_high, id_low] = id.to_be_bytes();
    let [sequence_high, sequence_low] = sequence.to_be_bytes();
    let mut message = vec![REQUEST, 0, 0, 0, id_high, id_low, sequence_high, sequence_low];
    message.extend_from_slice(&PAYLOAD);
    let sum = checksum(&message).to_be_bytes();
    for (octet, sum) in message.iter_mut().skip(2).zip(sum) {
        *octet = sum;
    }
    message
}

/// A reply to a request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// Octets of the ICMP message.
    pub(super) octets: usize,
    /// Time to live that the packet had left.
    pub(super) ttl: u8,
}

/// Reads a packet as a raw socket gives it, with its IP header; `None`: not the reply that is waited
/// for.
pub(super) fn reply(packet: &[u8], id: u16, sequence: u16) -> Option<Reply> {
    let words = usize::from(packet.first()? & 0x0f);
    let message = packet.get(words * 4..)?;
    let [REPLY, 0, _, _, rest @ ..] = message else { return None };
    let [id_high, id_low, sequence_high, sequence_low, payload @ ..] = rest else { return None };
    let same = [*id_high, *id_low] == id.to_be_bytes()
        && [*sequence_high, *sequence_low] == sequence.to_be_bytes()
        && *payload == PAYLOAD
        && checksum(message) == 0;
    same.then_some(Reply { octets: message.len(), ttl: *packet.get(8)? })
}

/// The Internet checksum (RFC 1071): 0 over a message that holds its own.
fn checksum(message: &[u8]) -> u16 {
    let mut sum: u32 = message.chunks(2).fold(0, |sum, pair| {
        let [high, low] = [pair.first(), pair.get(1)].map(|o| u32::from(o.copied().unwrap_or(0)));
        sum + (high << 8) + low
    });
    while let carry @ 1.. = sum >> 16 {
        sum = (sum & 0xffff) + carry;
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 header of 20 octets, time to live 64.
    fn packet(message: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend_from_slice(message);
        packet
    }

    fn answered(id: u16, sequence: u16) -> Vec<u8> {
        let mut message = request(id, sequence);
        message[..4].copy_from_slice(&[REPLY, 0, 0, 0]);
        let sum = checksum(&message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
        message
    }

    #[test]
    fn checksums_are_those_of_the_rfc() {
        // The example of RFC 1071, section 3: its sum is ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&request(0x1234, 1)), 0);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn replies_to_us_are_known() {
        assert_eq!(reply(&packet(&answered(7, 1)), 7, 1), Some(Reply { octets: 64, ttl: 64 }));
        // Another's, an earlier one, our own request as `lo` shows it, a damaged one, short ones.
        assert_eq!(reply(&packet(&answered(8, 1)), 7, 1), None);
        assert_eq!(reply(&packet(&answered(7, 1)), 7, 2), None);
        assert_eq!(reply(&packet(&request(7, 1)), 7, 1), None);
        let mut damaged = packet(&answered(7, 1));
        damaged[40] ^= 1;
        assert_eq!(reply(&damaged, 7, 1), None);
        let whole = packet(&answered(7, 1));
        for length in 0..whole.len() {
            assert_eq!(reply(&whole[..length], 7, 1), None, "{length}");
        }
    }
}
