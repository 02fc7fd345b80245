//! Echo requests from within a network namespace: what `ping -c 3` does.
#![allow(clippy::disallowed_methods, reason = "round-trip times are measured")]

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use super::icmp::{self, Reply};
use super::namespaces::in_netns;

/// How many requests are sent.
pub(super) const COUNT: u16 = 3;
/// How long each reply is waited for: a bridge answers in microseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest packet that is read: replies have 84 octets.
const PACKET: usize = 256;

/// One request, and its reply if one came in time.
#[derive(Debug)]
pub(super) struct Echo {
    to: Ipv4Addr,
    sequence: u16,
    reply: Option<(Reply, Duration)>,
}

impl Echo {
    /// Whether it was answered.
    pub(super) fn answered(&self) -> bool {
        self.reply.is_some()
    }
}

/// As `ping` writes it.
impl fmt::Display for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, sequence) = (self.to, self.sequence);
        match &self.reply {
            Some((Reply { octets, ttl }, took)) => {
                let ms = took.as_secs_f64() * 1000.0;
                write!(f, "{octets} bytes from {to}: icmp_seq={sequence} ttl={ttl} time={ms:.3} ms")
            }
            None => write!(f, "no reply from {to}: icmp_seq={sequence}, {PATIENCE:?} waited"),
        }
    }
}

/// Sends [`COUNT`] requests to an address from within a netns, one after the other.
pub(super) fn ping(netns: &Path, to: Ipv4Addr) -> io::Result<Vec<Echo>> {
    in_netns(netns, || {
        let flags = SockFlag::SOCK_CLOEXEC;
        let raw = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp)?;
        // The system calls are those of a UDP socket: connect, send, recv. A connected raw socket
        // gets what comes from its peer alone (raw(7)).
        let socket = UdpSocket::from(raw);
        socket.connect((to, 0))?;
        (1..=COUNT).map(|sequence| echo(&socket, to, sequence)).collect()
    })
}

fn echo(socket: &UdpSocket, to: Ipv4Addr, sequence: u16) -> io::Result<Echo> {
    // Any number does: nobody else pings in this namespace.
    const ID: u16 = 0x3a5c;
    // Before it is sent: between veths the reply is there when sending returns.
    let begun = Instant::now();
    socket.send(&icmp::request(ID, sequence))?;
    let mut packet = [0; PACKET];
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(Echo { to, sequence, reply: None });
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut packet) {
            Ok(length) => length,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                continue;
            }
            Err(e) => return Err(e),
        };
        let took = begun.elapsed();
        if let Some(reply) = icmp::reply(packet.get(..length).unwrap_or_default(), ID, sequence) {
            return Ok(Echo { to, sequence, reply: Some((reply, took)) });
        }
    }
}
