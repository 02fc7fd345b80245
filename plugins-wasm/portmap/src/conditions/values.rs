//! Values that both languages share.

use std::net::IpAddr;

use wasmcni_sdk::conf::Cidr;
use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::Switch;
use wasmcni_sdk::port_map::{MarkMatch, Protocol};

use super::Bad;

pub(super) fn switch(on: bool) -> Switch {
    if on { Switch::On } else { Switch::Off }
}

/// An address or a prefix, of the family that the key is for.
pub(super) fn network(word: &str, ipv4: bool) -> Result<IpNet, Bad> {
    let address = word.parse::<IpAddr>().map(IpNet::from).ok();
    let network = address.or_else(|| word.parse().ok().map(|Cidr(network)| network));
    let family = if ipv4 { "IPv4" } else { "IPv6" };
    match network {
        Some(network) if network.addr().is_ipv4() == ipv4 => Ok(network),
        Some(_) => {
            Err(Bad::new(word, format!("it is for the other key: this one is for {family}")))
        }
        None => Err(Bad::new(word, format!("it is no {family} address or prefix"))),
    }
}

/// A transport.
pub(super) fn protocol(word: &str) -> Option<Protocol> {
    match word {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "sctp" => Some(Protocol::Sctp),
        _ => None,
    }
}

/// `80`, or first and last with `between` between them.
pub(super) fn ports(word: &str, between: char) -> Result<(u16, u16), Bad> {
    let (first, last) = word.split_once(between).unwrap_or((word, word));
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        _ => Err(Bad::new(word, format!("it is no port (80) or range of ports (80{between}90)"))),
    }
}

fn port(text: &str) -> Option<u16> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A number, hexadecimal after `0x`.
pub(super) fn number(word: &str) -> Result<u32, Bad> {
    let parsed = match word.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok()
        }
        None if word.bytes().all(|b| b.is_ascii_digit()) => word.parse().ok(),
        _ => None,
    };
    parsed.ok_or_else(|| Bad::new(word, "it is no number of 32 bits (5, 0x2000)"))
}

/// A mark of which some bits count.
pub(super) fn mark(word: &str, negated: bool, value: u32, mask: u32) -> Result<MarkMatch, Bad> {
    if mask == 0 || value & !mask != 0 {
        return Err(Bad::new(word, "the value has bits that the mask has not: it is never so"));
    }
    Ok(MarkMatch { negated: switch(negated), value, mask })
}

/// The name of a link; `wildcard` at its end stands for any rest.
pub(super) fn link(word: &str, wildcard: char) -> Result<String, Bad> {
    let name = word.strip_suffix(wildcard).unwrap_or(word);
    let printable =
        name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'*' | b'+' | b';'));
    if name.is_empty() || name.len() > 15 || !printable || matches!(name, "." | "..") {
        return Err(Bad::new(word, "it is no link's name"));
    }
    Ok(if name.len() < word.len() { format!("{name}*") } else { name.to_owned() })
}
