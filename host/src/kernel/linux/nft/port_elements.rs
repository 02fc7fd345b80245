//! A port mapping as elements of the table's sets: the claim, what belongs to it, and back.
//!
//! The claim is the port of the node, an element of a map that leads to the container. Its label tells the
//! elements that belong to it in other sets: who is masqueraded, and on which conditions it holds.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::conditions;
use super::port_rules::{IPV4, IPV6, Version};
use super::table::{Element, Seen};
use crate::kernel::{PortMapping, PortMasquerade, Protocol};

pub(super) fn version(address: IpAddr) -> &'static Version {
    match address {
        IpAddr::V4(_) => &IPV4,
        IpAddr::V6(_) => &IPV6,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A port in a register of its own.
fn port(number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [high, low, 0, 0]
}

/// A transport and a port, as keys have them.
fn port_of(protocol: Protocol, number: u16) -> Vec<u8> {
    [[protocol.number(), 0, 0, 0], port(number)].concat()
}

/// The key of the port of the node: with its address, or, for any address, without.
fn node_port(mapping: &PortMapping, address: Option<IpAddr>) -> Vec<u8> {
    let key = port_of(mapping.protocol, mapping.host_port);
    address.map_or_else(|| key.clone(), |address| [octets(address), key.clone()].concat())
}

fn element(set: impl Into<Cow<'static, str>>, key: Vec<u8>) -> Element {
    Element { set: set.into(), key }
}

pub(super) fn claim(mapping: &PortMapping) -> Element {
    let version = version(mapping.container.addr());
    let set = if mapping.host_address.is_some() { version.host } else { version.any };
    element(set, node_port(mapping, mapping.host_address))
}

/// The claim that an address's own mapping has to respect, and the other way round.
pub(super) fn claim_of_any(mapping: &PortMapping) -> Element {
    element(version(mapping.container.addr()).any, node_port(mapping, None))
}

/// Where the claim leads.
pub(super) fn target(mapping: &PortMapping) -> Vec<u8> {
    [octets(mapping.container.addr()), port(mapping.container_port).to_vec()].concat()
}

/// `/24:near`, and `/24:near:0123456789abcdef` with the conditions' name.
pub(super) fn detail(mapping: &PortMapping, group: Option<&str>) -> String {
    let masquerade = match mapping.masquerade {
        PortMasquerade::None => "none",
        PortMasquerade::Near => "near",
        PortMasquerade::Every => "every",
    };
    let detail = format!("/{}:{masquerade}", mapping.container.prefix_len());
    group.map_or_else(|| detail.clone(), |group| format!("{detail}:{group}"))
}

/// A mapping that was seen, and the name of its conditions.
pub(super) fn read(seen: &Seen) -> Option<(PortMapping, Option<String>)> {
    let (label, data) = (seen.label.as_ref()?, seen.data.as_ref()?);
    let (address, to) = data.split_at_checked(data.len().checked_sub(4)?)?;
    let address = read_address(address)?;
    let (host_address, key) = seen.key.split_at_checked(seen.key.len().checked_sub(8)?)?;
    let (protocol, on) = key.split_first()?;
    let mut words = label.detail.splitn(3, ':');
    let length = words.next()?.strip_prefix('/')?.parse().ok()?;
    let masquerade = match words.next()? {
        "none" => PortMasquerade::None,
        "near" => PortMasquerade::Near,
        "every" => PortMasquerade::Every,
        _ => return None,
    };
    let mapping = PortMapping {
        protocol: Protocol::from_number(*protocol)?,
        host_address: if host_address.is_empty() {
            None
        } else {
            Some(read_address(host_address)?)
        },
        host_port: read_port(on.get(3..)?)?,
        container: IpNet::new(address, length).ok()?,
        container_port: read_port(to)?,
        masquerade,
        owner: label.owner.clone(),
    };
    Some((mapping, words.next().map(str::to_owned)))
}

fn read_address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()),
        _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()),
    }
}

fn read_port(octets: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*octets.first_chunk()?))
}

/// What belongs to the claim in sets without labels.
pub(super) fn companions(mapping: &PortMapping, group: Option<&str>) -> Vec<Element> {
    let address = mapping.container.addr();
    let version = version(address);
    let mut found = Vec::new();
    let sources = match mapping.masquerade {
        PortMasquerade::None => None,
        PortMasquerade::Near => Some(version.near),
        PortMasquerade::Every => Some(version.every),
    };
    if let Some(set) = sources {
        let to = port_of(mapping.protocol, mapping.container_port);
        found.push(element(set, [octets(address), to].concat()));
    }
    if mapping.masquerade == PortMasquerade::Near {
        let key = [octets(mapping.container.network()), octets(address)].concat();
        found.push(element(version.local_set(mapping.container.prefix_len()), key));
    }
    if let Some(group) = group {
        let set = match mapping.host_address {
            Some(_) => conditions::host_set(version, group),
            None => conditions::any_set(version, group),
        };
        found.push(element(set, node_port(mapping, mapping.host_address)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::label::Label;
    use super::*;
    use crate::kernel::Owner;

    fn mapping(host: Option<&str>, container: &str, masquerade: PortMasquerade) -> PortMapping {
        PortMapping {
            protocol: Protocol::Udp,
            host_address: host.map(|address| address.parse().unwrap()),
            host_port: 0x1f90,
            container: container.parse().unwrap(),
            container_port: 80,
            masquerade,
            owner: Owner {
                network: "net".to_owned(),
                container_id: "c".to_owned(),
                ifname: "eth0".to_owned(),
            },
        }
    }

    #[test]
    fn claims_are_read_back() {
        for (host, container) in [
            (None, "10.1.2.3/24"),
            (Some("192.0.2.1"), "10.1.2.3/24"),
            (None, "fd00::3/64"),
            (Some("2001:db8::1"), "fd00::3/64"),
        ] {
            for masquerade in [PortMasquerade::None, PortMasquerade::Near, PortMasquerade::Every] {
                for group in [None, Some("0123456789abcdef")] {
                    let mapping = mapping(host, container, masquerade);
                    let label =
                        Label { detail: detail(&mapping, group), owner: mapping.owner.clone() };
                    let seen = Seen {
                        key: claim(&mapping).key,
                        data: Some(target(&mapping)),
                        label: Some(label),
                    };
                    assert_eq!(read(&seen), Some((mapping, group.map(str::to_owned))));
                }
            }
        }
    }

    #[test]
    fn what_is_no_claim_is_none() {
        let mapping = mapping(None, "10.1.2.3/24", PortMasquerade::Near);
        let label =
            |detail: &str| Some(Label { detail: detail.to_owned(), owner: mapping.owner.clone() });
        let (key, data) = (claim(&mapping).key, target(&mapping));
        let seen = |key: &[u8], data: Option<&[u8]>, label| Seen {
            key: key.to_vec(),
            data: data.map(<[u8]>::to_vec),
            label,
        };
        assert!(read(&seen(&key, Some(&data), label("/24:near"))).is_some());
        for wrong in [
            seen(&key, None, label("/24:near")),
            seen(&key, Some(&data), None),
            seen(&key[1..], Some(&data), label("/24:near")),
            seen(&key, Some(&data[1..]), label("/24:near")),
            seen(&[], Some(&[]), label("/24:near")),
            seen(&key, Some(&data), label("/24")),
            seen(&key, Some(&data), label("/33:near")),
            seen(&key, Some(&data), label("/24:far")),
        ] {
            assert_eq!(read(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn keys_fill_whole_registers() {
        let any = mapping(None, "10.1.2.3/24", PortMasquerade::Near);
        assert_eq!(claim(&any).key, [17, 0, 0, 0, 0x1f, 0x90, 0, 0]);
        assert_eq!(target(&any), [10, 1, 2, 3, 0, 80, 0, 0]);
        let all = companions(&any, Some("x"));
        let sets: Vec<&str> = all.iter().map(|element| element.set.as_ref()).collect();
        assert_eq!(sets, ["near4", "local4_24", "when4_x_any"]);
        assert_eq!(all[0].key, [10, 1, 2, 3, 17, 0, 0, 0, 0, 80, 0, 0]);
        assert_eq!(all[1].key, [10, 1, 2, 0, 10, 1, 2, 3]);
    }
}
