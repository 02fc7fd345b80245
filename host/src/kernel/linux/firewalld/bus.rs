//! A connection to a message bus: it is opened, says who it is, and makes one call after the other. No wait is
//! longer than to the deadline, whatever the other end does.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use super::super::socket::Refusal;
use super::address::BusAddress;
use super::message::{Call, Extent, FIXED_OCTETS, Incoming, nonsense};

/// The bus itself.
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// Octets of the longest line that is taken while it is said who we are.
const MAX_LINE: usize = 1024;

/// Messages that may come before an answer: the bus greets with signals.
const MAX_OTHERS: usize = 64;

/// What came of a call.
#[derive(Debug)]
pub(super) enum Answer {
    /// The string that the method returns.
    Text(String),
    /// Refused, by the one that was called or by the bus.
    Error { name: String, text: String },
}

/// A connection.
#[derive(Debug)]
pub(super) struct Bus {
    socket: UnixStream,
    deadline: Instant,
    serial: u32,
}

impl Bus {
    /// Opens a connection. `None`: there is no bus, or it lets this user not in.
    pub(super) fn open(address: &BusAddress, deadline: Instant) -> Result<Option<Self>, Refusal> {
        for socket in address.sockets()? {
            let Some(socket) = connected(&socket, deadline)? else { continue };
            let mut bus = Self { socket, deadline, serial: 0 };
            if !bus.authenticate()? {
                return Ok(None);
            }
            return match bus.call_bus("Hello", &[])? {
                Answer::Text(_) => Ok(Some(bus)),
                Answer::Error { name, text } => Err(nonsense(format!("{name} {text:?} to Hello"))),
            };
        }
        Ok(None)
    }

    /// Until when what follows may last.
    pub(super) fn until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// A call of the bus itself.
    pub(super) fn call_bus(&mut self, member: &str, arguments: &[&str]) -> Result<Answer, Refusal> {
        let (destination, path, interface) = (BUS, BUS_PATH, BUS);
        self.call(&Call { destination, path, interface, member, arguments })
    }

    /// Calls, and waits for the answer.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        self.serial += 1;
        self.send(&call.encode(self.serial)?)?;
        for _ in 0..=MAX_OTHERS {
            let incoming = self.receive()?;
            let sender = incoming.sender.as_deref();
            let from = [call.destination, BUS].iter().any(|name| sender == Some(name));
            if incoming.answers != Some(self.serial) || !from {
                continue;
            }
            return match (incoming.error, incoming.text) {
                (Some(name), text) => Ok(Answer::Error { name, text: text.unwrap_or_default() }),
                (None, Some(text)) => Ok(Answer::Text(text)),
                (None, None) => Err(nonsense(format!("no text in answer to {}", call.member))),
            };
        }
        Err(nonsense(format!("{MAX_OTHERS} messages that answer nothing")))
    }

    /// Says who we are, as the kernel tells the bus anyway. Whether it lets us in.
    fn authenticate(&mut self) -> Result<bool, Refusal> {
        let user = nix::unistd::geteuid().to_string();
        let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
        self.send(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let (mut line, mut length) = ([0; MAX_LINE], 0);
        // After its line the bus waits for ours: nothing of what comes later is read here.
        let line = loop {
            let rest = line.get_mut(length..).unwrap_or_default();
            if rest.is_empty() {
                return Err(nonsense("a line without an end"));
            }
            length += self.read(rest)?;
            match line.get(..length) {
                Some(whole) if whole.ends_with(b"\r\n") => break whole,
                _ => {}
            }
        };
        if line.starts_with(b"OK") {
            self.send(b"BEGIN\r\n")?;
            return Ok(true);
        }
        match line.starts_with(b"REJECTED") {
            true => Ok(false),
            false => Err(nonsense(format!("{:?}", String::from_utf8_lossy(line)))),
        }
    }

    fn receive(&mut self) -> Result<Incoming, Refusal> {
        let mut fixed = [0; FIXED_OCTETS];
        self.fill(&mut fixed)?;
        let extent = Extent::read(&fixed)?;
        let mut message = fixed.to_vec();
        message.resize(extent.octets, 0);
        self.fill(message.get_mut(FIXED_OCTETS..).unwrap_or_default())?;
        Incoming::decode(&message, extent)
    }

    fn send(&mut self, octets: &[u8]) -> Result<(), Refusal> {
        let mut rest = octets;
        while !rest.is_empty() {
            self.socket.set_write_timeout(Some(self.time_left()?))?;
            let sent = taken(self.socket.write(rest))?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Refusal> {
        let mut rest = buffer;
        while !rest.is_empty() {
            let received = self.read(rest)?;
            rest = rest.get_mut(received..).unwrap_or_default();
        }
        Ok(())
    }

    /// What is there, or what comes; none if a signal came in between.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Refusal> {
        self.socket.set_read_timeout(Some(self.time_left()?))?;
        taken(self.socket.read(buffer))
    }

    fn time_left(&self) -> Result<Duration, Refusal> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(late()),
            left => Ok(left),
        }
    }
}

fn late() -> Refusal {
    Refusal::because(Errno::ETIMEDOUT, "no answer by the system bus")
}

/// How much was written or read; none if a signal came in between.
fn taken(done: std::io::Result<usize>) -> Result<usize, Refusal> {
    match done {
        Ok(0) => Err(closed()),
        Ok(octets) => Ok(octets),
        Err(e) if e.kind() == ErrorKind::Interrupted => Ok(0),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Err(late()),
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
            Err(closed())
        }
        Err(e) => Err(e.into()),
    }
}

fn closed() -> Refusal {
    Refusal::because(Errno::EIO, "the system bus closed the connection")
}

/// A socket that is connected. `None`: nobody listens there, or not to us.
fn connected(address: &UnixAddr, deadline: Instant) -> Result<Option<UnixStream>, Refusal> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Of a bus that takes no connections, connect(2) would wait for ever.
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let left = TimeVal::new(
        i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        i64::from(left.subsec_micros()),
    );
    setsockopt(&socket, sockopt::SendTimeout, &left)?;
    loop {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        match connect(fd, address) {
            Ok(()) => return Ok(Some(UnixStream::from(socket))),
            Err(
                Errno::ENOENT | Errno::ENOTDIR | Errno::ECONNREFUSED | Errno::EACCES | Errno::EPERM,
            ) => return Ok(None),
            Err(Errno::EINTR) if Instant::now() < deadline => {}
            Err(Errno::EAGAIN | Errno::EINTR) => return Err(late()),
            Err(errno) => return Err(errno.into()),
        }
    }
}
