//! The rules of table `inet wasmcni_ports_v1`. They are made once; mappings are elements.
//!
//! ```text
//! table inet wasmcni_ports_v1 {
//!     map any4 {
//!         type inet_proto . inet_service : ipv4_addr . inet_service
//!         elements = { tcp . 8080 comment "/16:near mynet/0123abcd/eth0" : 10.88.0.5 . 80 }
//!     }
//!     map host4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
//!     set every4 { type ipv4_addr . inet_proto . inet_service }
//!     set near4 { …; elements = { 10.88.0.5 . tcp . 80 } }
//!     set local4_16 { type ipv4_addr . ipv4_addr; elements = { 10.88.0.0 . 10.88.0.5 } }
//!     chain leads4 {
//!         dnat ip to ip daddr . meta l4proto . th dport map @host4
//!         dnat ip to meta l4proto . th dport map @any4
//!     }
//!     chain ports4 { goto leads4 }
//!     chain masquerade4 {
//!         ip saddr & 255.255.0.0 . ip daddr @local4_16 masquerade
//!         ip saddr 127.0.0.0/8 masquerade
//!     }
//!     chain prerouting {
//!         type nat hook prerouting priority dstnat; policy accept;
//!         fib daddr type local meta nfproto ipv4 goto ports4
//!     }
//!     chain output { type nat hook output priority dstnat; …the same… }
//!     chain postrouting {
//!         type nat hook postrouting priority srcnat; policy accept;
//!         ct status dnat ip daddr . meta l4proto . th dport @every4 masquerade
//!         ct status dnat ip daddr . meta l4proto . th dport @near4 goto masquerade4
//!     }
//!     chain loopback {
//!         type filter hook prerouting priority raw; policy accept;
//!         iif != "lo" ip daddr 127.0.0.0/8 drop
//!     }
//! }
//! ```
//!
//! The same for IPv6, without loopback addresses: the kernel routes none.
//!
//! What postrouting looks up is the container's port, not the node's: `nft` before 1.0.8 lists
//! `ct original proto-dst` in such a key, but does not read it back.
//!
//! `loopback` takes back what `route_localnet` opens besides: a link that has it on takes packets to
//! 127.0.0.1 from others (CVE-2020-8558). Answers to the node itself pass here under the address that
//! they were masqueraded to.
//!
//! With conditions: `conditions.rs`.

use super::attribute::Attribute;
use super::expression::{
    Field, Register, Verdict, dnat, load, load_iif, load_l4proto, mask, masquerade, only_equal,
    only_in, only_ipv4, only_ipv6, only_local, only_translated, only_unequal, translate, verdict,
};
use super::label::Purpose;
use super::message::Message;
use super::table::{Hook, Key, Table};
use super::uapi::family;

pub(super) const TABLE: Table = Table { family: family::INET, name: "wasmcni_ports_v1" };
const PREROUTING: Hook = Hook { kind: "nat", number: 0, priority: -100 };
const OUTPUT: Hook = Hook { kind: "nat", number: 3, priority: -100 };
const POSTROUTING: Hook = Hook { kind: "nat", number: 4, priority: 100 };
const RAW: Hook = Hook { kind: "filter", number: 0, priority: -300 };
/// The loopback device's index in every namespace (`LOOPBACK_IFINDEX`).
const LO: u32 = 1;

/// What differs between IPv4 and IPv6.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) is_ipv4: bool,
    /// Ports of any address of the node.
    pub(super) any: &'static str,
    /// Ports of one.
    pub(super) host: &'static str,
    /// Where all are masqueraded.
    pub(super) every: &'static str,
    /// Where those are that cannot do without.
    pub(super) near: &'static str,
    /// The container's own network: name of the sets without the prefix's length.
    local: &'static str,
    pub(super) ports: &'static str,
    pub(super) leads: &'static str,
    masquerade: &'static str,
    family: u8,
    pub(super) only: fn() -> [Attribute; 2],
    saddr: Field,
    daddr: Field,
    /// Octets of an address.
    octets: usize,
    /// Where the next parts of a key stand whose first is an address.
    second: Register,
    third: Register,
}

pub(super) const IPV4: Version = Version {
    is_ipv4: true,
    any: "any4",
    host: "host4",
    every: "every4",
    near: "near4",
    local: "local4",
    ports: "ports4",
    leads: "leads4",
    masquerade: "masquerade4",
    family: family::IPV4,
    only: only_ipv4,
    saddr: Field::IP_SADDR,
    daddr: Field::IP_DADDR,
    octets: 4,
    second: Register::AFTER_4,
    third: Register::AFTER_8,
};

pub(super) const IPV6: Version = Version {
    is_ipv4: false,
    any: "any6",
    host: "host6",
    every: "every6",
    near: "near6",
    local: "local6",
    ports: "ports6",
    leads: "leads6",
    masquerade: "masquerade6",
    family: family::IPV6,
    only: only_ipv6,
    saddr: Field::IP6_SADDR,
    daddr: Field::IP6_DADDR,
    octets: 16,
    second: Register::AFTER_16,
    third: Register::AFTER_20,
};

impl Version {
    pub(super) fn local_set(&self, prefix_len: u8) -> String {
        format!("{}_{prefix_len}", self.local)
    }

    /// The key of ports of one address: of the node's in maps, of a container's in sets of sources.
    pub(super) fn host_key(&self) -> Key {
        Key::PORT.behind_address(self.is_ipv4)
    }

    fn target_key(&self) -> Key {
        if self.is_ipv4 { Key::IPV4_PORT } else { Key::IPV6_PORT }
    }

    fn pair_key(&self) -> Key {
        if self.is_ipv4 { Key::IPV4_PAIR } else { Key::IPV6_PAIR }
    }

    /// The field that conditions about sources, or destinations, look at.
    pub(super) fn address_field(&self, source: bool) -> Field {
        if source { self.saddr } else { self.daddr }
    }

    /// Loads `ip daddr . meta l4proto . th dport`.
    pub(super) fn load_host_port(&self) -> [Attribute; 3] {
        [
            load(self.daddr, Register::FIRST),
            load_l4proto(self.second),
            load(Field::TH_DPORT, self.third),
        ]
    }

    fn make(&self, id: u32) -> Vec<Message> {
        let target = self.target_key();
        let local_to = |port| vec![translate(port), dnat(self.family, self.second)];
        let of_address =
            [&(self.only)()[..], &self.load_host_port(), &local_to(self.host)].concat();
        let of_any = [load_any_port().to_vec(), local_to(self.any)].concat();
        let mut messages = vec![
            TABLE.create_map(self.any, Key::PORT, target, id),
            TABLE.create_map(self.host, self.host_key(), target, id + 1),
            TABLE.create_set(self.every, self.host_key(), id + 2),
            TABLE.create_set(self.near, self.host_key(), id + 3),
            TABLE.add_chain(self.leads, None),
            TABLE.append_rule(self.leads, of_address),
            TABLE.append_rule(self.leads, of_any),
            TABLE.add_chain(self.ports, None),
            TABLE.append_rule(self.ports, vec![verdict(Verdict::Goto(self.leads))]),
            TABLE.add_chain(self.masquerade, None),
        ];
        if self.is_ipv4 {
            messages.push(TABLE.append_rule(self.masquerade, from_loopback()));
        }
        messages
    }

    /// `fib daddr type local meta nfproto ipv4 goto ports4`.
    fn to_the_node(&self) -> Vec<Attribute> {
        let goto = verdict(Verdict::Goto(self.ports));
        [&only_local()[..], &(self.only)(), &[goto]].concat()
    }

    /// `ct status dnat ip daddr . meta l4proto . th dport @SET …`.
    fn mapped(&self, set: &str, end: Attribute) -> Vec<Attribute> {
        let rest = [only_in(set), end];
        [&(self.only)()[..], &only_translated(), &self.load_host_port(), &rest].concat()
    }
}

/// Loads `meta l4proto . th dport`.
pub(super) fn load_any_port() -> [Attribute; 2] {
    [load_l4proto(Register::FIRST), load(Field::TH_DPORT, Register::AFTER_4)]
}

/// `ip saddr 127.0.0.0/8 masquerade`.
fn from_loopback() -> Vec<Attribute> {
    let [meta, equal] = only_ipv4();
    vec![
        meta,
        equal,
        load(Field::IP_SADDR, Register::FIRST),
        mask(Register::FIRST, &[0xff, 0, 0, 0]),
        only_equal(&[127, 0, 0, 0]),
        masquerade(),
    ]
}

/// `iif != "lo" ip daddr 127.0.0.0/8 drop`.
fn to_loopback() -> Vec<Attribute> {
    let [meta, equal] = only_ipv4();
    vec![
        load_iif(),
        only_unequal(&LO.to_ne_bytes()),
        meta,
        equal,
        load(Field::IP_DADDR, Register::FIRST),
        mask(Register::FIRST, &[0xff, 0, 0, 0]),
        only_equal(&[127, 0, 0, 0]),
        verdict(Verdict::Drop),
    ]
}

/// Makes the table with its rules.
pub(super) fn make_table() -> Vec<Message> {
    const PURPOSE: Purpose = Purpose("wasmcni: ports of the node that lead into containers");
    let mut messages = vec![TABLE.create(PURPOSE)];
    messages.extend(IPV4.make(1));
    messages.extend(IPV6.make(5));
    for (name, hook) in [("prerouting", PREROUTING), ("output", OUTPUT)] {
        messages.push(TABLE.add_chain(name, Some(hook)));
        messages.extend([IPV4, IPV6].map(|version| TABLE.append_rule(name, version.to_the_node())));
    }
    messages.push(TABLE.add_chain("postrouting", Some(POSTROUTING)));
    for version in [IPV4, IPV6] {
        let near = verdict(Verdict::Goto(version.masquerade));
        for rule in
            [version.mapped(version.every, masquerade()), version.mapped(version.near, near)]
        {
            messages.push(TABLE.append_rule("postrouting", rule));
        }
    }
    messages.push(TABLE.add_chain("loopback", Some(RAW)));
    messages.push(TABLE.append_rule("loopback", to_loopback()));
    messages
}

/// Makes the set of a length of prefix and its rule: `ip saddr & MASK . ip daddr @local4_24 masquerade`.
pub(super) fn make_local_set(version: &Version, prefix_len: u8) -> Vec<Message> {
    let set = version.local_set(prefix_len);
    let bits = |octet: usize| {
        let set = usize::from(prefix_len).saturating_sub(octet * 8).min(8);
        0xff_u8.checked_shl(u32::try_from(8 - set).unwrap_or(8)).unwrap_or(0)
    };
    let netmask: Vec<u8> = (0..version.octets).map(bits).collect();
    // Without it `nft` would not know what is at the offsets.
    let [meta, equal] = (version.only)();
    let rule = vec![
        meta,
        equal,
        load(version.saddr, Register::FIRST),
        mask(Register::FIRST, &netmask),
        load(version.daddr, version.second),
        only_in(&set),
        masquerade(),
    ];
    vec![
        TABLE.create_set(&set, version.pair_key(), 90 + u32::from(prefix_len)),
        TABLE.insert_rule(version.masquerade, rule),
    ]
}
