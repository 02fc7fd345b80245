//! Programs that talk over the network: servers that say who they are and whom they see, and clients.
//! Only for tests in a sandbox, whose end ends them.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::netns::Netns;

/// More than any answer in a sandbox takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What a server said: who it is, and from which address it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) who: String,
    pub(crate) seen: IpAddr,
}

pub(super) fn inside<T: Send>(netns: Option<&Netns>, act: impl FnOnce() -> T + Send) -> T {
    match netns {
        Some(netns) => netns.inside(act),
        None => act(),
    }
}

/// Serves TCP at every address of a namespace; of the calling thread's, if none is named.
pub(crate) fn serve_tcp(netns: Option<&Netns>, who: &str, port: u16) {
    let listener = inside(netns, || TcpListener::bind(("::", port)).unwrap());
    let who = who.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let seen = stream.peer_addr().unwrap().ip().to_canonical();
            // Who asked may have gone.
            let _ = write!(stream, "{who} {seen}");
        }
    });
}

/// Serves UDP in the same way.
pub(crate) fn serve_udp(netns: Option<&Netns>, who: &str, port: u16) {
    let socket = inside(netns, || UdpSocket::bind(("0.0.0.0", port)).unwrap());
    let who = who.to_owned();
    thread::spawn(move || {
        loop {
            let (_, asked) = socket.recv_from(&mut [0; 8]).unwrap();
            let _ = socket.send_to(format!("{who} {}", asked.ip()).as_bytes(), asked);
        }
    });
}

/// Asks by TCP; `None`: nobody serves there.
pub(crate) fn ask_tcp(netns: Option<&Netns>, address: &str) -> Option<Said> {
    let address: SocketAddr = address.parse().unwrap();
    let begin = Instant::now();
    let mut connected = inside(netns, || TcpStream::connect_timeout(&address, PATIENCE));
    // A link that was just made may still look for its neighbours.
    while let Err(error) = &connected
        && error.kind() == ErrorKind::HostUnreachable
        && begin.elapsed() < PATIENCE
    {
        thread::sleep(Duration::from_millis(20));
        connected = inside(netns, || TcpStream::connect_timeout(&address, PATIENCE));
    }
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => return None,
        Err(e) if e.kind() == ErrorKind::TimedOut || e.raw_os_error().is_some() => {
            eprintln!("{address}: {e}");
            return None;
        }
        Err(e) => panic!("connecting to {address}: {e}"),
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    Some(said(&text))
}

/// A socket that goes on asking from the same port, as one connection.
pub(crate) fn udp_client(netns: Option<&Netns>, address: &str) -> UdpSocket {
    let address: SocketAddr = address.parse().unwrap();
    let socket = inside(netns, || {
        let any: IpAddr = if address.is_ipv4() { [0_u8; 4].into() } else { [0_u16; 8].into() };
        let socket = UdpSocket::bind((any, 0)).unwrap();
        socket.connect(address).unwrap();
        socket
    });
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Asks by UDP; `None`: the node says that nobody serves there.
pub(crate) fn ask_udp(socket: &UdpSocket) -> Option<Said> {
    let mut answer = [0; 100];
    // What an earlier question came to may be told with this one.
    for _ in 0..3 {
        let heard = socket.send(b"?").and_then(|_| socket.recv(&mut answer));
        match heard {
            Ok(octets) => return Some(said(std::str::from_utf8(&answer[..octets]).unwrap())),
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => {}
            Err(e) => panic!("asking {socket:?}: {e}"),
        }
    }
    None
}

pub(super) fn said(text: &str) -> Said {
    let (who, seen) = text.split_once(' ').unwrap_or_else(|| panic!("{text:?}"));
    Said { who: who.to_owned(), seen: seen.parse().unwrap() }
}
