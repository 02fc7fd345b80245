//! What a node is like, in lines that people and test files use: one line, one fact.
//!
//! `link blue/eth0 veth host/veth1a2b`, `link blue/eth0 up`, `address blue/eth0 10.1.0.2/24`, … What merely
//! follows is not in them: indexes, operational states, link-local addresses that are made of MACs, what
//! links have because all of the namespace have it.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use super::node_file::NodeFile;
use crate::kernel::Owner;
use crate::kernel::sim::{LinkState, NetnsState};
use crate::names::Mac;

/// `txqueuelen` of a link whom nobody gave another.
const USUAL_QUEUES: [Option<u32>; 3] = [None, Some(1000), Some(32)];

/// Of the network of link-local addresses.
const LINK_LOCAL_ROUTE: &str = " fe80::/64 dev ";

/// The facts of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Facts(BTreeSet<String>);

impl Facts {
    pub(in super::super) fn of(node: &NodeFile) -> Self {
        let mut facts = Self::default();
        for (name, netns) in &node.state.netns {
            facts.add(format!("netns {name}"));
            facts.netns(name, netns);
        }
        facts.filters(node);
        for (network, addresses) in &node.reservations {
            for (address, owner) in addresses {
                facts.add(format!("reservation {network} {address} {owner}"));
            }
        }
        facts
    }

    /// What is gone (`-`) and what is new (`+`), sorted by what it is about.
    pub(in super::super) fn difference(&self, other: &Self) -> Vec<String> {
        let gone = self.0.difference(&other.0).map(|fact| (fact, '-'));
        let new = other.0.difference(&self.0).map(|fact| (fact, '+'));
        let mut all: Vec<(&String, char)> = gone.chain(new).collect();
        all.sort();
        all.into_iter().map(|(fact, sign)| format!("{sign} {fact}")).collect()
    }

    fn add(&mut self, fact: String) {
        self.0.insert(fact);
    }

    fn netns(&mut self, name: &str, netns: &NetnsState) {
        for (link, state) in &netns.links {
            self.link(&format!("{name}/{link}"), state);
        }
        for route in netns.routes.iter().filter(|route| !route.contains(LINK_LOCAL_ROUTE)) {
            self.add(format!("route {name} {route}"));
        }
        for rule in &netns.rules {
            self.add(format!("rule {name} {rule}"));
        }
        let of_all = |key: &str, value: &String| {
            let parts: Vec<&str> = key.split('/').collect();
            let ["net", family, "conf", of, "forwarding"] = parts.as_slice() else { return false };
            *of != "all"
                && netns.sysctls.get(&format!("net/{family}/conf/all/forwarding")) == Some(value)
        };
        for (key, value) in netns.sysctls.iter().filter(|(key, value)| !of_all(key, value)) {
            self.add(format!("sysctl {name} {key}={value}"));
        }
    }

    fn link(&mut self, name: &str, link: &LinkState) {
        let mut of = |words: String| self.add(format!("link {name} {words}"));
        match &link.parent {
            Some(parent) => of(format!("{} {parent}", link.kind)),
            None => of(link.kind.clone()),
        }
        let attributes = [
            ("mac", link.mac.clone()),
            ("mtu", link.mtu.map(|mtu| mtu.to_string())),
            ("master", link.master.clone()),
            ("alias", link.alias.clone()),
            ("port", link.port.clone()),
            ("limit", link.bucket.clone()),
            ("redirect", link.redirect.clone()),
        ];
        for (key, value) in attributes {
            if let Some(value) = value {
                of(format!("{key} {value}"));
            }
        }
        let flags =
            [("up", link.up), ("promisc", link.promisc), ("allmulticast", link.all_multicast)];
        for (flag, _) in flags.into_iter().filter(|(_, on)| *on) {
            of(flag.to_owned());
        }
        if let Some(packets) = link.tx_queue.filter(|_| !USUAL_QUEUES.contains(&link.tx_queue)) {
            of(format!("txqueuelen {packets}"));
        }
        for vlan in link.vlans.iter().flatten() {
            of(format!("vid {vlan}"));
        }
        let own = link.mac.as_deref().and_then(link_local);
        let own = |address: &&String| own.as_ref().is_some_and(|own| address.starts_with(own));
        for address in link.addresses.iter().filter(|address| !own(address)) {
            self.add(format!("address {name} {address}"));
        }
    }

    fn filters(&mut self, node: &NodeFile) {
        let state = &node.state;
        for entry in state.masquerades.values() {
            self.add(format!("masquerade {} of {}", entry.source, words(&entry.owner)));
        }
        for (port, guard) in &state.spoof_guards {
            self.add(format!("spoof-guard {port} {} of {}", guard.mac, words(&guard.owner)));
        }
        for (port, entry) in &state.port_mappings {
            let mapping = &entry.mapping;
            let (to, owner) = (mapping.container.addr(), words(&mapping.owner));
            let to = format!("{to} port {}", mapping.container_port);
            self.add(format!("port-map {port} to {to} of {owner}"));
        }
        for entry in state.admissions.values() {
            let apart = entry.apart.as_ref().map(|apart| format!(" apart {}", apart.bridge));
            let apart = apart.unwrap_or_default();
            self.add(format!("admission {}{apart} of {}", entry.address, words(&entry.owner)));
        }
        for owner in &state.reference_masquerades {
            self.add(format!("reference-masquerade of {}", words(owner)));
        }
        for owner in &state.reference_spoof_guards {
            self.add(format!("reference-spoof-guard of {}", words(owner)));
        }
    }
}

/// The address that a link makes of its MAC, with its prefix. (RFC 4291, appendix A)
pub(in super::super) fn link_local(mac: &str) -> Option<String> {
    let [a, b, c, d, e, f] = Mac::try_from(mac).ok()?.bytes();
    let pairs = [[a ^ 2, b], [c, 0xff], [0xfe, d], [e, f]].map(u16::from_be_bytes);
    let [g, h, i, j] = pairs;
    Some(format!("{}/64", Ipv6Addr::new(0xfe80, 0, 0, 0, g, h, i, j)))
}

fn words(owner: &Owner) -> String {
    format!("{} {} {}", owner.network, owner.container_id, owner.ifname)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_of_facts() {
        let read = |host| {
            NodeFile::from_json(&json!({ "wasmcni-node": 1, "netns": { "host": host } })).unwrap()
        };
        let before = read(
            json!({ "links": { "d0": { "kind": "dummy", "mac": "02:00:00:00:00:09", "mtu": 1500 } } }),
        );
        let mut after = read(json!({
            "links": { "d0": { "kind": "dummy", "mac": "02:00:00:00:00:09", "mtu": 1400, "up": true } },
            "sysctls": { "net/ipv4/ip_forward": "1" },
        }));
        after
            .reservations
            .insert("n".into(), [("10.0.0.1".parse().unwrap(), "c eth0".into())].into());
        let difference = Facts::of(&before).difference(&Facts::of(&after));
        let expected = [
            "+ link host/d0 mtu 1400",
            "- link host/d0 mtu 1500",
            "+ link host/d0 up",
            "+ reservation n 10.0.0.1 c eth0",
            "+ sysctl host net/ipv4/ip_forward=1",
        ];
        assert_eq!(difference, expected);
        assert_eq!(Facts::of(&after).difference(&Facts::of(&after)), [""; 0]);
        assert_eq!(
            link_local("12:ef:9d:59:1b:cb").as_deref(),
            Some("fe80::10ef:9dff:fe59:1bcb/64")
        );
    }
}
