//! Masquerading: table `inet wasmcni_nat_v1`.
//!
//! The claim is the source address, the companion the address with its own network, in a set for
//! that length of prefix. A hash set per length rather than one set of intervals: adding to an
//! interval set takes time in proportion to what is in it. The rule for a length is made when it is
//! first used and stays.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use super::attribute::Attribute;
use super::batch::{Channel, Failure};
use super::entry::Entry;
use super::expression::{
    Field, Register, Verdict, load, mask, masquerade, only_equal, only_in, only_ipv4, only_ipv6,
    verdict,
};
use super::label::Purpose;
use super::message::Message;
use super::table::{Element, Hook, Key, Seen, Table, elements};
use super::uapi::family;
use crate::kernel::{Masquerade, Owner};

const TABLE: Table = Table { family: family::INET, name: "wasmcni_nat_v1" };
const POSTROUTING: Hook = Hook { kind: "nat", number: 4, priority: 100 };

/// What differs between IPv4 and IPv6.
struct Version {
    /// The set of claims.
    sources: &'static str,
    /// The chain for packets from a claimed source.
    chain: &'static str,
    /// Of the sets of companions: name without the prefix's length, and key.
    local: &'static str,
    pair: Key,
    source: Key,
    only: fn() -> [Attribute; 2],
    saddr: Field,
    daddr: Field,
    /// Where the second address of a pair stands.
    second: Register,
}

const IPV4: Version = Version {
    sources: "source4",
    chain: "masquerade4",
    local: "local4",
    pair: Key::IPV4_PAIR,
    source: Key::IPV4,
    only: only_ipv4,
    saddr: Field::IP_SADDR,
    daddr: Field::IP_DADDR,
    second: Register::AFTER_4,
};

const IPV6: Version = Version {
    sources: "source6",
    chain: "masquerade6",
    local: "local6",
    pair: Key::IPV6_PAIR,
    source: Key::IPV6,
    only: only_ipv6,
    saddr: Field::IP6_SADDR,
    daddr: Field::IP6_DADDR,
    second: Register::AFTER_16,
};

fn version(address: IpAddr) -> &'static Version {
    match address {
        IpAddr::V4(_) => &IPV4,
        IpAddr::V6(_) => &IPV6,
    }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn detail(source: &IpNet) -> String {
    format!("/{}", source.prefix_len())
}

/// The claim with this address and a label with this detail, as a source.
fn parse(address: IpAddr, detail: &str) -> Option<IpNet> {
    IpNet::new(address, detail.strip_prefix('/')?.parse().ok()?).ok()
}

impl Version {
    fn local_set(&self, prefix_len: u8) -> String {
        format!("{}_{prefix_len}", self.local)
    }

    /// `ip saddr @source4 goto masquerade4`.
    fn known_source(&self) -> Vec<Attribute> {
        let [meta, equal] = (self.only)();
        vec![
            meta,
            equal,
            load(self.saddr, Register::FIRST),
            only_in(self.sources),
            verdict(Verdict::Goto(self.chain)),
        ]
    }

    /// `ip saddr . ip daddr & MASK @local4_LENGTH return`.
    fn stays_local(&self, network: &IpNet) -> Vec<Attribute> {
        let [meta, equal] = (self.only)();
        vec![
            meta,
            equal,
            load(self.saddr, Register::FIRST),
            load(self.daddr, self.second),
            mask(self.second, &octets(network.netmask())),
            only_in(&self.local_set(network.prefix_len())),
            verdict(Verdict::Return),
        ]
    }
}

/// `ip daddr 224.0.0.0/4 return`: the sender of multicast must stay who it is.
fn multicast4() -> Vec<Attribute> {
    let [meta, equal] = only_ipv4();
    vec![
        meta,
        equal,
        load(Field::IP_DADDR, Register::FIRST),
        mask(Register::FIRST, &[0xf0, 0, 0, 0]),
        only_equal(&[0xe0, 0, 0, 0]),
        verdict(Verdict::Return),
    ]
}

/// `ip6 daddr ff00::/8 return`.
fn multicast6() -> Vec<Attribute> {
    const FF00: [u8; 16] = [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let [meta, equal] = only_ipv6();
    vec![
        meta,
        equal,
        load(Field::IP6_DADDR, Register::FIRST),
        mask(Register::FIRST, &FF00),
        only_equal(&FF00),
        verdict(Verdict::Return),
    ]
}

impl Entry for Masquerade {
    const TABLE: Table = TABLE;

    fn owner(&self) -> &Owner {
        &self.owner
    }

    fn claim(&self) -> Element {
        let address = self.source.addr();
        Element { set: version(address).sources.into(), key: octets(address) }
    }

    fn detail(&self) -> String {
        detail(&self.source)
    }

    fn companion(&self, detail: &str) -> Option<Element> {
        let source = parse(self.source.addr(), detail)?;
        let set = version(source.addr()).local_set(source.prefix_len());
        let key = [octets(source.addr()), octets(source.network())].concat();
        Some(Element { set: Cow::Owned(set), key })
    }

    fn make_table() -> Vec<Message> {
        const PURPOSE: Purpose =
            Purpose("wasmcni: masquerades containers that leave their network");
        let mut messages = vec![TABLE.create(PURPOSE)];
        for (id, version) in (1..).zip([&IPV4, &IPV6]) {
            messages.extend([
                TABLE.create_set(version.sources, version.source, id),
                TABLE.add_chain(version.chain, None),
                TABLE.append_rule(version.chain, vec![masquerade()]),
            ]);
        }
        messages.push(TABLE.add_chain("postrouting", Some(POSTROUTING)));
        for rule in [multicast4(), multicast6(), IPV4.known_source(), IPV6.known_source()] {
            messages.push(TABLE.append_rule("postrouting", rule));
        }
        messages
    }

    fn make_companion_set(&self) -> Vec<Message> {
        let version = version(self.source.addr());
        let set = version.local_set(self.source.prefix_len());
        vec![
            TABLE.create_set(&set, version.pair, 3),
            TABLE.insert_rule(version.chain, version.stays_local(&self.source)),
        ]
    }
}

/// Every entry of the table.
pub(super) fn list(channel: &mut Channel) -> Result<Vec<Masquerade>, Failure> {
    let mut found = Vec::new();
    for version in [&IPV4, &IPV6] {
        let answers = channel.list(&TABLE.list_elements(version.sources))?;
        found.extend(answers.iter().flat_map(elements).filter_map(read));
    }
    Ok(found)
}

fn read(seen: Seen) -> Option<Masquerade> {
    let address = match seen.key.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(seen.key).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(seen.key).ok()?),
    };
    let label = seen.label?;
    Some(Masquerade { source: parse(address, &label.detail)?, owner: label.owner })
}
