//! The beginning of an SCTP association, by raw sockets: an INIT, and its INIT ACK. Few kernels have SCTP
//! itself, but all that translate addresses know it. (RFC 9260, section 3)

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use super::netns::Netns;
use super::talk::{PATIENCE, Said, inside, said};

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;

/// Octets before the first chunk: ports, verification tag, checksum.
const HEADER: usize = 12;

/// Octets of an INIT or INIT ACK before its parameters.
const CHUNK: usize = 20;

/// Of the parameter in which the server says who it is. (The highest bits: who does not know it skips it.)
const SAID: u16 = 0x8000;

/// The client's port. Any: it takes part in one association.
const CLIENT: u16 = 40_000;

/// Both sides' initiate tag.
const TAG: u32 = 0x5743_4e49;

/// Answers every INIT to this port, at every address of a namespace.
pub(crate) fn serve_sctp(netns: &Netns, who: &str, port: u16) {
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let socket = raw(Some(netns), family);
        let who = who.to_owned();
        thread::spawn(move || {
            let mut octets = [0; 1500];
            loop {
                let (length, from) = socket.recv_from(&mut octets).unwrap();
                let Some((asked, kind, _)) = packet(family, &octets[..length]) else { continue };
                if asked.to == port && kind == INIT {
                    let answer = format!("{who} {}", from.ip());
                    let ports = Ports { from: port, to: asked.from };
                    let _ = socket.send_to(&init(INIT_ACK, ports, TAG, &answer), from);
                }
            }
        });
    }
}

/// Asks for an association; `None`: nobody serves there.
pub(crate) fn ask_sctp(netns: Option<&Netns>, address: &str) -> Option<Said> {
    let address: SocketAddr = address.parse().unwrap();
    let family = match address.ip() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = raw(netns, family);
    // From now on it hears this address alone, and of the errors that it is told.
    let peer = SocketAddr::new(address.ip(), 0);
    inside(netns, || socket.connect(peer)).unwrap_or_else(|e| panic!("{address}: {e}"));
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let ports = Ports { from: CLIENT, to: address.port() };
    let mut octets = [0; 1500];
    if let Err(error) = socket.send(&init(INIT, ports, 0, "")) {
        eprintln!("{address}: {error}");
        return None;
    }
    loop {
        let length = match socket.recv(&mut octets) {
            Ok(length) => length,
            Err(error) => {
                eprintln!("{address}: {error}");
                return None;
            }
        };
        match packet(family, &octets[..length]) {
            Some((seen, INIT_ACK, answer)) if seen == ports.opposite() => {
                return Some(said(&answer));
            }
            // A node that has SCTP itself says that nobody listens: ABORT.
            Some((seen, _, _)) if seen == ports.opposite() => return None,
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ports {
    from: u16,
    to: u16,
}

impl Ports {
    fn opposite(self) -> Self {
        Self { from: self.to, to: self.from }
    }
}

/// A raw socket is used as a datagram socket is: all that differs is what a datagram holds.
fn raw(netns: Option<&Netns>, family: AddressFamily) -> UdpSocket {
    let made =
        inside(netns, || socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Sctp));
    UdpSocket::from(made.expect("a sandbox may make raw sockets"))
}

/// A packet with an INIT, or INIT ACK with what the server says.
fn init(kind: u8, ports: Ports, verification: u32, says: &str) -> Vec<u8> {
    let mut parameter = Vec::new();
    if !says.is_empty() {
        parameter.extend(SAID.to_be_bytes());
        parameter.extend(u16::try_from(4 + says.len()).unwrap().to_be_bytes());
        parameter.extend(says.bytes());
    }
    let length = u16::try_from(CHUNK + parameter.len()).unwrap();
    let mut octets = Vec::new();
    octets.extend(ports.from.to_be_bytes());
    octets.extend(ports.to.to_be_bytes());
    octets.extend(verification.to_be_bytes());
    octets.extend([0; 4]);
    octets.extend([kind, 0]);
    octets.extend(length.to_be_bytes());
    octets.extend(TAG.to_be_bytes());
    // Window, streams out and in, first number.
    octets.extend(65_536_u32.to_be_bytes());
    octets.extend([0, 1, 0, 1]);
    octets.extend(1_u32.to_be_bytes());
    octets.extend(parameter);
    octets.resize(octets.len().next_multiple_of(4), 0);
    let checksum = crc32c(&octets);
    octets[8..HEADER].copy_from_slice(&checksum.to_le_bytes());
    octets
}

/// Ports of a packet, its first chunk's kind, and what the server says in it.
fn packet(family: AddressFamily, octets: &[u8]) -> Option<(Ports, u8, String)> {
    // Of IPv4 the header is there, too: its length is in words of 4 octets.
    let header =
        if family == AddressFamily::Inet { usize::from(octets.first()? & 0xf) * 4 } else { 0 };
    let octets = octets.get(header..)?;
    let two = |at: usize| Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?));
    let ports = Ports { from: two(0)?, to: two(2)? };
    let kind = *octets.get(HEADER)?;
    // Other packets are of a kernel that may leave the checksum to the link.
    if matches!(kind, INIT | INIT_ACK) {
        let mut sent = octets.to_vec();
        sent[8..HEADER].fill(0);
        let checksum = u32::from_le_bytes(octets[8..HEADER].try_into().unwrap());
        assert_eq!(checksum, crc32c(&sent), "a packet was damaged on its way");
    }
    let parameter = HEADER + CHUNK;
    let said = match two(parameter) {
        Some(SAID) => octets.get(parameter + 4..parameter + usize::from(two(parameter + 2)?))?,
        _ => &[],
    };
    Some((ports, kind, String::from_utf8(said.to_vec()).ok()?))
}

/// CRC32c. (RFC 9260, appendix A)
fn crc32c(octets: &[u8]) -> u32 {
    const REVERSED: u32 = 0x82f6_3b78;
    let one = |crc: u32, octet: &u8| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ (REVERSED * (crc & 1)))
    };
    !octets.iter().fold(u32::MAX, one)
}

#[test]
fn checksums_are_those_of_the_specification() {
    // RFC 3720, appendix B.4.
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
}
