//! Port mappings: table `inet wasmcni_ports_v1`. How it looks: `port_rules.rs`.
//!
//! The claim is the port of the node, an element of a map that leads to the container; only one
//! attachment can have it. Its label tells the elements that belong to it in other sets: who is
//! masqueraded, and on which conditions it holds.
//!
//! As with other entries, the kernel is asked first and the transaction names the generation that it
//! answered for, so that parallel calls cannot both find a port free.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::batch::{Channel, Failure, Generation, generation, get_generation, transact};
use super::conditions::{self, Group};
use super::entry::incomplete;
use super::label::Label;
use super::message::{Answer, Message};
use super::port_rules::{IPV4, IPV6, TABLE, Version, make_local_set, make_table};
use super::table::{Element, Seen, elements};
use crate::kernel::{Errno, Owner, PortMap, PortMapping, PortMasquerade, Protocol};

/// Mappings in one transaction. One takes up to 800 octets, and the kernel lets a socket send some 200 KiB
/// at once; only root of the whole machine may raise that.
const AT_ONCE: usize = 200;

fn version(address: IpAddr) -> &'static Version {
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

fn claim(mapping: &PortMapping) -> Element {
    let version = version(mapping.container.addr());
    let set = if mapping.host_address.is_some() { version.host } else { version.any };
    element(set, node_port(mapping, mapping.host_address))
}

/// The claim that an address's own mapping has to respect, and the other way round.
fn claim_of_any(mapping: &PortMapping) -> Element {
    element(version(mapping.container.addr()).any, node_port(mapping, None))
}

/// Where the claim leads.
fn target(mapping: &PortMapping) -> Vec<u8> {
    [octets(mapping.container.addr()), port(mapping.container_port).to_vec()].concat()
}

/// `/24:near`, and `/24:near:0123456789abcdef` with the conditions' name.
fn detail(mapping: &PortMapping, group: Option<&str>) -> String {
    let masquerade = match mapping.masquerade {
        PortMasquerade::None => "none",
        PortMasquerade::Near => "near",
        PortMasquerade::Every => "every",
    };
    let detail = format!("/{}:{masquerade}", mapping.container.prefix_len());
    group.map_or_else(|| detail.clone(), |group| format!("{detail}:{group}"))
}

/// A mapping that was seen, and the name of its conditions.
fn read(seen: &Seen) -> Option<(PortMapping, Option<String>)> {
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
fn companions(mapping: &PortMapping, group: Option<&str>) -> Vec<Element> {
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

/// Opens the mappings, all or none, in place of those that the owner has of the same ports.
pub(super) fn add(channel: &mut Channel, map: &PortMap) -> Result<(), Failure> {
    let Some(first) = map.mappings.first() else { return Ok(()) };
    let version = version(first.container.addr());
    let group = conditions::group(&map.conditions, version);
    let mut done = 0;
    for part in map.mappings.chunks(AT_ONCE) {
        let added = transact(channel, |channel| plan_add(channel, part, version, group.as_ref()));
        if let Err(failure) = added {
            let before = map.mappings.get(..done).unwrap_or_default();
            delete(channel, before)?;
            return Err(incomplete(TABLE, failure));
        }
        done += part.len();
    }
    Ok(())
}

fn plan_add(
    channel: &mut Channel,
    mappings: &[PortMapping],
    version: &Version,
    group: Option<&Group>,
) -> Result<(Generation, Vec<Message>), Failure> {
    let local: BTreeSet<u8> = mappings
        .iter()
        .filter(|mapping| mapping.masquerade == PortMasquerade::Near)
        .map(|mapping| mapping.container.prefix_len())
        .collect();
    let mut questions = vec![get_generation(), TABLE.get()];
    questions.extend(group.map(|group| TABLE.get_set(&conditions::any_set(version, &group.name))));
    questions.extend(local.iter().map(|length| TABLE.get_set(&version.local_set(*length))));
    questions.extend(mappings.iter().map(|mapping| TABLE.get_element(&claim(mapping))));
    let of_address = |mapping: &&PortMapping| mapping.host_address.is_some();
    let for_any = mappings.iter().filter(of_address).map(claim_of_any);
    questions.extend(for_any.map(|element| TABLE.get_element(&element)));
    let mut answers = channel.ask_each(questions)?.into_iter();
    let mut next = || answers.next().flatten();

    let number = generation(next().as_ref())?;
    let table = next();
    let mut changes = Vec::new();
    if table.is_none() {
        changes.extend(make_table());
    }
    if let Some(group) = group
        && next().is_none()
    {
        changes.extend(group.make(version));
    }
    for length in &local {
        if next().is_none() {
            changes.extend(make_local_set(version, *length));
        }
    }
    let mut former = Vec::new();
    for mapping in mappings {
        if let Some(seen) = next().as_ref().and_then(|answer| elements(answer).next()) {
            respects(mapping, &seen)?;
            former.push(seen);
        }
    }
    for mapping in mappings.iter().filter(of_address) {
        if let Some(seen) = next().as_ref().and_then(|answer| elements(answer).next()) {
            respects(mapping, &seen)?;
        }
    }
    // The other way round, an address's own mapping cannot be looked up without its address. There are
    // few of these, on most nodes none.
    if table.is_some() && mappings.iter().any(|mapping| mapping.host_address.is_none()) {
        let others = channel.list(&TABLE.list_elements(version.host))?;
        for seen in others.iter().flat_map(elements) {
            let Some((other, _)) = read(&seen) else { continue };
            for mapping in mappings.iter().filter(|mapping| mapping.overlaps(&other)) {
                respects(mapping, &seen)?;
            }
        }
    }
    changes.extend(removal(channel, &former)?);
    for mapping in mappings {
        let name = group.map(|group| group.name.as_str());
        let label = Label { detail: detail(mapping, name), owner: mapping.owner.clone() };
        changes.push(TABLE.create_map_element(&claim(mapping), &target(mapping), &label));
        changes.extend(companions(mapping, name).iter().map(|e| TABLE.add_element(e)));
    }
    Ok((number, changes))
}

/// Refuses a port that is another's.
fn respects(mapping: &PortMapping, seen: &Seen) -> Result<(), Failure> {
    let nobody = || Owner {
        network: String::new(),
        container_id: "unknown".to_owned(),
        ifname: String::new(),
    };
    match &seen.label {
        Some(label) if label.is_of(&mapping.owner) => Ok(()),
        label => {
            let owner = label.as_ref().map_or_else(nobody, |label| label.owner.clone());
            let hint = Some(mapping.taken_by(&owner));
            Err(Failure { message: None, errno: Errno::EEXIST, hint })
        }
    }
}

/// The messages that remove these claims with all that belongs to them and is there.
fn removal(channel: &mut Channel, claims: &[Seen]) -> Result<Vec<Message>, Failure> {
    let found: Vec<_> = claims.iter().filter_map(read).collect();
    let mut rest: Vec<Element> = Vec::new();
    let mut keys = BTreeSet::new();
    for (mapping, group) in &found {
        let new = companions(mapping, group.as_deref()).into_iter();
        rest.extend(new.filter(|e| keys.insert((e.set.to_string(), e.key.clone()))));
    }
    let there = channel.ask_each(rest.iter().map(|e| TABLE.get_element(e)).collect())?;
    let rest = rest.iter().zip(there).filter(|(_, there)| there.is_some()).map(|(e, _)| e);
    let claims: Vec<Element> = found.iter().map(|(mapping, _)| claim(mapping)).collect();
    Ok(claims.iter().chain(rest).map(|e| TABLE.delete_element(e)).collect())
}

/// Closes those of the mappings that are there and belong to the owner that they name.
pub(super) fn delete(channel: &mut Channel, mappings: &[PortMapping]) -> Result<(), Failure> {
    mappings.chunks(AT_ONCE).try_for_each(|part| delete_part(channel, part))
}

fn delete_part(channel: &mut Channel, mappings: &[PortMapping]) -> Result<(), Failure> {
    transact(channel, |channel| {
        let mut questions = vec![get_generation()];
        questions.extend(mappings.iter().map(|mapping| TABLE.get_element(&claim(mapping))));
        let mut answers = channel.ask_each(questions)?.into_iter();
        let number = generation(answers.next().flatten().as_ref())?;
        let mut owned: Vec<Seen> = Vec::new();
        for (mapping, answer) in mappings.iter().zip(answers) {
            let seen = answer.as_ref().and_then(|answer| elements(answer).next());
            let is_owned =
                |seen: &Seen| seen.label.as_ref().is_some_and(|label| label.is_of(&mapping.owner));
            owned.extend(seen.filter(is_owned).filter(|seen| !owned.contains(seen)));
        }
        Ok((number, removal(channel, &owned)?))
    })
}

/// Every mapping of the table.
pub(super) fn list(channel: &mut Channel) -> Result<Vec<PortMapping>, Failure> {
    let mut found = Vec::new();
    let [table] = channel.ask([TABLE.get()])?;
    if table.is_none() {
        return Ok(found);
    }
    for map in [IPV4.any, IPV4.host, IPV6.any, IPV6.host] {
        let answers = channel.list(&TABLE.list_elements(map))?;
        let mappings = answers.iter().flat_map(elements).filter_map(|seen| read(&seen));
        found.extend(mappings.map(|(mapping, _)| mapping));
    }
    Ok(found)
}

/// Those of the mappings that are not there as described.
pub(super) fn missing(channel: &mut Channel, map: &PortMap) -> Result<Vec<PortMapping>, Failure> {
    let Some(first) = map.mappings.first() else { return Ok(Vec::new()) };
    let group = conditions::group(&map.conditions, version(first.container.addr()));
    let name = group.as_ref().map(|group| group.name.as_str());
    let mut found = Vec::new();
    for mapping in &map.mappings {
        let companions = companions(mapping, name);
        let mut questions = vec![TABLE.get_element(&claim(mapping))];
        questions.extend(companions.iter().map(|element| TABLE.get_element(element)));
        let mut answers = channel.ask_each(questions)?.into_iter();
        let claim = answers.next().flatten();
        let wanted = Label { detail: detail(mapping, name), owner: mapping.owner.clone() };
        let holds = claim.as_ref().is_some_and(|claim| leads(claim, mapping, &wanted));
        if !holds || answers.any(|answer| answer.is_none()) {
            found.push(mapping.clone());
        }
    }
    Ok(found)
}

fn leads(claim: &Answer, mapping: &PortMapping, wanted: &Label) -> bool {
    let is_wanted = |seen: Seen| {
        let label = seen.label.as_ref();
        seen.data.as_ref() == Some(&target(mapping))
            && label.is_some_and(|l| l.detail == wanted.detail && l.is_of(&wanted.owner))
    };
    elements(claim).next().is_some_and(is_wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

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
