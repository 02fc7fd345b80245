//! Connections of UDP ports: while packets keep coming, the kernel sends them where the first one went,
//! whatever has been mapped since. They are forgotten by netlink's conntrack subsystem, over the same
//! socket.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NLA_F_NESTED;

use super::attribute::{self, Attribute};
use super::batch::{Channel, Failure};
use super::message::{Answer, Message};
use super::uapi::{attr, family, msg};
use crate::kernel::{Errno, PortMapping, Protocol};

/// Which connections through mapped ports are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All to the ports, wherever they lead: they are to lead into the container.
    ToPorts,
    /// Those that lead into the container, which goes.
    IntoContainer,
}

/// One direction of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Tuple {
    source: IpAddr,
    destination: IpAddr,
    destination_port: u16,
}

/// Forgets connections of those mappings that are UDP's. A kernel that cannot list connections keeps
/// them.
pub(super) fn forget(
    channel: &mut Channel,
    mappings: &[PortMapping],
    which: Which,
) -> Result<(), Failure> {
    for ipv4 in [true, false] {
        let of =
            |m: &&PortMapping| m.protocol == Protocol::Udp && m.container.addr().is_ipv4() == ipv4;
        let mappings: Vec<&PortMapping> = mappings.iter().filter(of).collect();
        let ports: BTreeSet<u16> = mappings.iter().map(|mapping| mapping.host_port).collect();
        if ports.is_empty() {
            continue;
        }
        let family = if ipv4 { family::IPV4 } else { family::IPV6 };
        let seen = match channel.list(&list_udp(family, &ports)) {
            Err(Failure { errno: Errno::EINVAL | Errno::EOPNOTSUPP, .. }) => return Ok(()),
            seen => seen?,
        };
        let stale = seen.iter().filter(|seen| is_stale(seen, &mappings, which));
        channel.act_each(stale.filter_map(|seen| delete(family, seen)).collect())?;
    }
    Ok(())
}

/// Asks for connections of UDP; of the port's, if there is but one. Kernels before 5.8 list all: so each
/// is looked at.
fn list_udp(family: u8, ports: &BTreeSet<u16>) -> Message {
    const PROTOCOL_NUMBER: u32 = 1 << 3;
    const DESTINATION_PORT: u32 = 1 << 5;
    let number = Protocol::Udp.number();
    let mut protocol = vec![Attribute::Leaf(attr::PROTOCOL_NUMBER, vec![number])];
    let mut flags = PROTOCOL_NUMBER;
    if let (Some(port), 1) = (ports.first(), ports.len()) {
        let port = port.to_be_bytes().to_vec();
        protocol.push(Attribute::Leaf(attr::PROTOCOL_DESTINATION_PORT, port));
        flags |= DESTINATION_PORT;
    }
    let tuple = vec![Attribute::Nest(attr::TUPLE_PROTOCOL, protocol)];
    let filter = vec![Attribute::Leaf(attr::FILTER_ORIGINAL, flags.to_ne_bytes().to_vec())];
    let attributes = vec![
        Attribute::Nest(attr::CONNECTION_ORIGINAL, tuple),
        Attribute::Nest(attr::CONNECTION_FILTER, filter),
    ];
    Message { kind: msg::GET_CONNECTION, flags: 0, family, resource: 0, attributes }
}

fn is_stale(seen: &Answer, mappings: &[&PortMapping], which: Which) -> bool {
    let direction = |kind| attribute::find(&seen.0, kind).and_then(tuple);
    let both = (direction(attr::CONNECTION_ORIGINAL), direction(attr::CONNECTION_REPLY));
    let (Some(original), Some(reply)) = both else { return false };
    mappings.iter().any(|mapping| is_through(&original, &reply, mapping, which))
}

fn is_through(original: &Tuple, reply: &Tuple, mapping: &PortMapping, which: Which) -> bool {
    let host = mapping.host_address.is_none_or(|address| address == original.destination);
    if original.destination_port != mapping.host_port || !host {
        return false;
    }
    match which {
        Which::IntoContainer => reply.source == mapping.container.addr(),
        Which::ToPorts => {
            // Whose source alone is changed is on its way through the node to another one.
            let leads_elsewhere = reply.source != original.destination;
            leads_elsewhere || reply.destination == original.source
        }
    }
}

/// One direction of a UDP connection; `None`: it is none.
fn tuple(nest: &[u8]) -> Option<Tuple> {
    let protocol = attribute::find(nest, attr::TUPLE_PROTOCOL)?;
    if attribute::find(protocol, attr::PROTOCOL_NUMBER)? != [Protocol::Udp.number()] {
        return None;
    }
    let port = attribute::find(protocol, attr::PROTOCOL_DESTINATION_PORT)?;
    let ip = attribute::find(nest, attr::TUPLE_IP)?;
    let address = |v4, v6| match attribute::find(ip, v4) {
        Some(octets) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()),
        None => {
            let octets = attribute::find(ip, v6)?;
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into())
        }
    };
    Some(Tuple {
        source: address(attr::IPV4_SOURCE, attr::IPV6_SOURCE)?,
        destination: address(attr::IPV4_DESTINATION, attr::IPV6_DESTINATION)?,
        destination_port: u16::from_be_bytes(port.try_into().ok()?),
    })
}

/// Forgets one connection: the one with this number, and no later one between the same two.
fn delete(family: u8, seen: &Answer) -> Option<Message> {
    let original = attribute::find(&seen.0, attr::CONNECTION_ORIGINAL)?.to_vec();
    let id = attribute::find(&seen.0, attr::CONNECTION_ID)?.to_vec();
    let attributes = vec![
        Attribute::Leaf(attr::CONNECTION_ORIGINAL | NLA_F_NESTED, original),
        Attribute::Leaf(attr::CONNECTION_ID, id),
    ];
    Some(Message { kind: msg::DELETE_CONNECTION, flags: 0, family, resource: 0, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Owner, PortMasquerade};

    fn mapping(host: Option<&str>) -> PortMapping {
        PortMapping {
            protocol: Protocol::Udp,
            host_address: host.map(|address| address.parse().unwrap()),
            host_port: 53,
            container: "10.1.0.2/24".parse().unwrap(),
            container_port: 5353,
            masquerade: PortMasquerade::Near,
            owner: Owner {
                network: String::new(),
                container_id: String::new(),
                ifname: String::new(),
            },
        }
    }

    fn way(from: &str, to: &str, port: u16) -> Tuple {
        let (source, destination) = (from.parse().unwrap(), to.parse().unwrap());
        Tuple { source, destination, destination_port: port }
    }

    #[test]
    fn connections_through_the_port_are_told_from_others() {
        let (client, node) = ("198.51.100.7", "192.0.2.1");
        let to_node = way(client, node, 53);
        let of_old = way("10.1.0.9", client, 4000);
        let of_node = way(node, client, 4000);
        let ours = way("10.1.0.2", client, 4000);
        let any = mapping(None);
        for (reply, to_ports, into_container) in
            [(&of_old, true, false), (&of_node, true, false), (&ours, true, true)]
        {
            assert_eq!(is_through(&to_node, reply, &any, Which::ToPorts), to_ports);
            assert_eq!(is_through(&to_node, reply, &any, Which::IntoContainer), into_container);
        }
        // A container asks a name server elsewhere, masqueraded.
        let (out, back) = (way("10.1.0.2", "8.8.8.8", 53), way("8.8.8.8", node, 4000));
        assert!(!is_through(&out, &back, &any, Which::ToPorts));
        assert!(!is_through(&way(client, node, 54), &of_node, &any, Which::ToPorts));
        assert!(is_through(&to_node, &of_node, &mapping(Some(node)), Which::ToPorts));
        assert!(!is_through(&to_node, &of_node, &mapping(Some("192.0.2.9")), Which::ToPorts));
    }
}
