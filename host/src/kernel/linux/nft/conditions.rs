//! Conditions of port mappings, as rules.
//!
//! A group is a list of conditions. It has its own sets, which hold the ports that are subject to it,
//! and a chain that goes on to the mappings if a packet meets the conditions:
//!
//! ```text
//! set when4_0123456789abcdef_any { type inet_proto . inet_service }
//! set when4_0123456789abcdef_host { type ipv4_addr . inet_proto . inet_service }
//! chain when4_0123456789abcdef { ip saddr 192.0.2.0/24 goto leads4 }
//! chain ports4 {
//!     ip daddr . meta l4proto . th dport @when4_0123456789abcdef_host goto when4_0123456789abcdef
//!     meta l4proto . th dport @when4_0123456789abcdef_any goto when4_0123456789abcdef
//!     goto leads4
//! }
//! ```
//!
//! It is named by what it says, so that networks share it only if they say the same. It is made when it
//! is first used and stays. Alternatives (`{ a, b }`) are rules of their own: no set is needed for them.

use ipnet::IpNet;
use sha2::{Digest, Sha256};

use netlink_packet_core::Emitable;

use super::attribute::Attribute;
use super::expression::{
    Field, Register, Verdict, load, load_iifname, load_l4proto, load_mark, load_oifname, mask,
    only_equal, only_in, only_unequal, only_within, verdict,
};
use super::message::Message;
use super::port_rules::{TABLE, Version, load_any_port};
use super::table::Key;
use crate::kernel::Condition;

/// Octets of a link's name (`IFNAMSIZ`).
const IFNAME_OCTETS: usize = 16;

/// Conditions that are met together.
#[derive(Debug)]
pub(super) struct Group {
    /// Sixteen hexadecimal digits.
    pub(super) name: String,
    rules: Vec<Vec<Attribute>>,
}

/// The set of the group's ports of any address.
pub(super) fn any_set(version: &Version, group: &str) -> String {
    format!("{}_any", chain(version, group))
}

/// The set of the group's ports of one address.
pub(super) fn host_set(version: &Version, group: &str) -> String {
    format!("{}_host", chain(version, group))
}

fn chain(version: &Version, group: &str) -> String {
    let number = if version.is_ipv4 { 4 } else { 6 };
    format!("when{number}_{group}")
}

/// The group of these conditions; none: mappings hold for every packet.
pub(super) fn group(conditions: &[Condition], version: &Version) -> Option<Group> {
    if conditions.is_empty() {
        return None;
    }
    let mut rules: Vec<Vec<Attribute>> = vec![(version.only)().to_vec()];
    for condition in conditions {
        let choices = alternatives(condition, version);
        let longer = |rule: &Vec<Attribute>| {
            let longer = |choice: &Vec<Attribute>| [&rule[..], choice].concat();
            choices.iter().map(longer).collect::<Vec<_>>()
        };
        rules = rules.iter().flat_map(longer).collect();
    }
    let mut digest = Sha256::new();
    for rule in &rules {
        let mut bytes = vec![0; rule.as_slice().buffer_len()];
        rule.as_slice().emit(&mut bytes);
        digest.update(bytes.len().to_be_bytes());
        digest.update(bytes);
    }
    let name = digest.finalize().iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    Some(Group { name, rules })
}

impl Group {
    /// Makes the group's sets, chain and rules.
    pub(super) fn make(&self, version: &Version) -> Vec<Message> {
        let chain = chain(version, &self.name);
        let (any, host) = (any_set(version, &self.name), host_set(version, &self.name));
        let mut messages = vec![
            TABLE.create_set(&any, Key::PORT, 81),
            TABLE.create_set(&host, version.host_key(), 82),
            TABLE.add_chain(&chain, None),
        ];
        for rule in &self.rules {
            let goto = [verdict(Verdict::Goto(version.leads))];
            messages.push(TABLE.append_rule(&chain, [&rule[..], &goto].concat()));
        }
        for (load, set) in
            [(load_any_port().to_vec(), any), (version.load_host_port().to_vec(), host)]
        {
            let end = [only_in(&set), verdict(Verdict::Goto(&chain))];
            let rule = [&(version.only)()[..], &load, &end].concat();
            messages.push(TABLE.insert_rule(version.ports, rule));
        }
        messages
    }
}

/// What meets a condition: one of these. What is negated is one thing, that none of the values is there.
fn alternatives(condition: &Condition, version: &Version) -> Vec<Vec<Attribute>> {
    let (negated, matches): (bool, Vec<Vec<Attribute>>) = match condition {
        Condition::Source { negated, networks } => {
            (*negated, networks.iter().map(|n| of_network(version, true, *negated, n)).collect())
        }
        Condition::Destination { negated, networks } => {
            (*negated, networks.iter().map(|n| of_network(version, false, *negated, n)).collect())
        }
        Condition::InputLink { negated, names } => {
            (*negated, names.iter().map(|n| of_link(load_iifname(), *negated, n)).collect())
        }
        Condition::OutputLink { negated, names } => (
            *negated,
            names.iter().map(|n| of_link(load_oifname(Register::FIRST), *negated, n)).collect(),
        ),
        Condition::SourcePort { protocol, negated, ranges } => {
            let number = protocol.map(crate::kernel::Protocol::number);
            let one = |range: &(u16, u16)| of_port(Field::TH_SPORT, number, *negated, *range);
            (*negated, ranges.iter().map(one).collect())
        }
        Condition::DestinationPort { protocol, negated, ranges } => {
            let number = protocol.map(crate::kernel::Protocol::number);
            let one = |range: &(u16, u16)| of_port(Field::TH_DPORT, number, *negated, *range);
            (*negated, ranges.iter().map(one).collect())
        }
        Condition::Mark { negated, value, mask } => {
            (*negated, vec![of_mark(*negated, *value, *mask)])
        }
    };
    if negated { vec![matches.concat()] } else { matches }
}

fn compare(negated: bool, value: &[u8]) -> Attribute {
    if negated { only_unequal(value) } else { only_equal(value) }
}

fn of_network(version: &Version, source: bool, negated: bool, network: &IpNet) -> Vec<Attribute> {
    let (address, netmask) = match network.trunc() {
        IpNet::V4(net) => (net.addr().octets().to_vec(), net.netmask().octets().to_vec()),
        IpNet::V6(net) => (net.addr().octets().to_vec(), net.netmask().octets().to_vec()),
    };
    let mut rule = vec![load(version.address_field(source), Register::FIRST)];
    if network.prefix_len() < network.max_prefix_len() {
        rule.push(mask(Register::FIRST, &netmask));
    }
    rule.push(compare(negated, &address));
    rule
}

fn of_link(loaded: Attribute, negated: bool, name: &str) -> Vec<Attribute> {
    let value = match name.strip_suffix('*') {
        // As much as there is: the rest of the name may be anything.
        Some(beginning) => beginning.as_bytes().to_vec(),
        None => {
            let mut octets = name.as_bytes().to_vec();
            octets.resize(IFNAME_OCTETS, 0);
            octets
        }
    };
    vec![loaded, compare(negated, &value)]
}

fn of_port(
    field: Field,
    protocol: Option<u8>,
    negated: bool,
    (first, last): (u16, u16),
) -> Vec<Attribute> {
    let (from, to) = (first.to_be_bytes(), last.to_be_bytes());
    let mut rule = Vec::new();
    if let Some(number) = protocol {
        rule.extend([load_l4proto(Register::FIRST), only_equal(&[number])]);
    }
    rule.push(load(field, Register::FIRST));
    rule.push(if first == last {
        compare(negated, &from)
    } else {
        only_within(&from, &to, negated)
    });
    rule
}

fn of_mark(negated: bool, value: u32, bits: u32) -> Vec<Attribute> {
    let mut rule = vec![load_mark()];
    if bits != u32::MAX {
        rule.push(mask(Register::FIRST, &bits.to_ne_bytes()));
    }
    rule.push(compare(negated, &value.to_ne_bytes()));
    rule
}

#[cfg(test)]
mod tests {
    use super::super::port_rules::{IPV4, IPV6};
    use super::*;

    fn source(negated: bool, networks: &[&str]) -> Condition {
        Condition::Source {
            negated,
            networks: networks.iter().map(|n| n.parse().unwrap()).collect(),
        }
    }

    fn rules(conditions: &[Condition]) -> usize {
        group(conditions, &IPV4).map_or(0, |group| group.rules.len())
    }

    #[test]
    fn alternatives_are_rules_and_what_is_negated_is_one() {
        assert_eq!(rules(&[]), 0);
        assert_eq!(rules(&[source(false, &["10.0.0.0/8"])]), 1);
        let two = source(false, &["10.0.0.0/8", "192.0.2.1/32"]);
        let links = Condition::InputLink { negated: false, names: vec!["a".into(), "b*".into()] };
        assert_eq!(rules(&[two.clone(), links.clone()]), 4);
        assert_eq!(rules(&[source(true, &["10.0.0.0/8", "192.0.2.1/32"]), links]), 2);
    }

    #[test]
    fn a_group_is_named_by_what_it_says() {
        let name = |conditions: &[&Condition]| {
            let all: Vec<Condition> = conditions.iter().copied().cloned().collect();
            group(&all, &IPV4).unwrap().name
        };
        let (a, b) = (source(false, &["10.0.0.0/8"]), source(true, &["10.0.0.0/8"]));
        assert_eq!(name(&[&a]), name(&[&source(false, &["10.9.9.9/8"])]));
        assert_ne!(name(&[&a]), name(&[&b]));
        assert_ne!(name(&[&a, &b]), name(&[&b, &a]));
        let v6 = source(false, &["fd00::/8"]);
        assert_ne!(name(&[&a]), group(&[v6], &IPV6).unwrap().name);
        assert_eq!(host_set(&IPV6, "x"), "when6_x_host");
    }
}
