//! Where the system bus listens. (D-Bus specification, "Server Addresses")

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::socket::UnixAddr;

use super::super::socket::Refusal;

/// Where the system bus listens, as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    /// A socket in the file system.
    Socket(PathBuf),
    /// A list of addresses, each tried in turn, as `DBUS_SYSTEM_BUS_ADDRESS` has it.
    Listed(String),
}

impl BusAddress {
    /// The sockets that it names; other transports than sockets of this machine are left out.
    pub(super) fn sockets(&self) -> Result<Vec<UnixAddr>, Refusal> {
        let text = match self {
            Self::Socket(path) => return Ok(vec![UnixAddr::new(path)?]),
            Self::Listed(text) => text,
        };
        let found: Vec<UnixAddr> =
            text.split(';').filter_map(socket).collect::<Result<_, Errno>>()?;
        if found.is_empty() {
            let why = format!(
                "DBUS_SYSTEM_BUS_ADDRESS {text:?} names no socket of this machine \
                 (unix:path=… or unix:abstract=…)"
            );
            return Err(Refusal::because(Errno::EINVAL, why));
        }
        Ok(found)
    }
}

/// `unix:path=/run/dbus/system_bus_socket,guid=…`
fn socket(address: &str) -> Option<Result<UnixAddr, Errno>> {
    let mut keys = address.strip_prefix("unix:")?.split(',').filter_map(|key| key.split_once('='));
    keys.find_map(|(key, value)| match key {
        "path" => Some(UnixAddr::new(std::ffi::OsStr::from_bytes(&unescaped(value)))),
        "abstract" => Some(UnixAddr::new_abstract(&unescaped(value))),
        _ => None,
    })
}

/// `%2f` is a slash; what is no escape stands for itself.
fn unescaped(value: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        let number = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        match number.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<UnixAddr>, Errno> {
        BusAddress::Listed(text.to_owned()).sockets().map_err(|refusal| refusal.errno)
    }

    #[test]
    fn addresses_are_read_as_the_specification_has_them() {
        let path = |path: &str| UnixAddr::new(path).unwrap();
        for (text, sockets) in [
            ("unix:path=/run/dbus/bus", vec![path("/run/dbus/bus")]),
            ("unix:guid=12ab,path=/a%20b%2fc", vec![path("/a b/c")]),
            ("unix:path=/100%,guid=1", vec![path("/100%")]),
            ("tcp:host=h,port=1;unix:path=/b;unix:path=/c", vec![path("/b"), path("/c")]),
            ("unix:abstract=x%00y", vec![UnixAddr::new_abstract(b"x\0y").unwrap()]),
        ] {
            assert_eq!(read(text).unwrap(), sockets, "{text}");
        }
    }

    #[test]
    fn what_names_no_socket_is_refused() {
        for text in ["", "tcp:host=h", "unix:runtime=yes", "/run/dbus/bus", "unix:path"] {
            assert_eq!(read(text).unwrap_err(), Errno::EINVAL, "{text}");
        }
        let long = format!("unix:path=/{}", "a".repeat(200));
        assert_eq!(read(&long).unwrap_err(), Errno::ENAMETOOLONG);
    }
}
