//! Everything that can be seen through a [`Kernel`], without what differs from run to run: indices are
//! names, MACs that nobody chose are "random".

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

use wasmcni::kernel::{Address, IfIndex, Kernel, Link, Role, Route, Shaping};
use wasmcni::names::Mac;

/// What was seen: a thing and what is true of it, by its words.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen(pub(crate) BTreeMap<String, BTreeMap<String, String>>);

impl Seen {
    pub(crate) fn put(&mut self, thing: String, aspect: &str, value: impl ToString) {
        let things = self.0.entry(thing).or_default();
        // Equal routes are counted.
        let text = value.to_string();
        things.entry(aspect.to_owned()).and_modify(|v| *v += &format!("; {text}")).or_insert(text);
    }

    /// A line for each aspect that differs; empty: none does.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        let lines = |seen: &Self| -> Vec<String> {
            let all = seen.0.iter().flat_map(|(thing, aspects)| {
                aspects.iter().map(move |(aspect, value)| format!("{thing} {aspect}: {value}"))
            });
            all.collect()
        };
        let (ours, theirs) = (lines(self), lines(other));
        for line in ours.iter().filter(|line| !theirs.contains(line)) {
            writeln!(text, "  - {line}").unwrap();
        }
        for line in theirs.iter().filter(|line| !ours.contains(line)) {
            writeln!(text, "  + {line}").unwrap();
        }
        text
    }

    /// Without the aspects that only we look at.
    pub(crate) fn as_a_witness_sees(&self) -> Self {
        let mut seen = self.clone();
        let ours = ["masquerade", "guard", "shaping", "port", "admission"];
        seen.0.retain(|thing, _| !ours.iter().any(|kind| thing.starts_with(kind)));
        seen
    }
}

/// Names of a namespace's links by index.
pub(crate) type Names = BTreeMap<IfIndex, String>;

pub(crate) fn names(kernel: &mut dyn Kernel, netns: Role) -> Names {
    let links = kernel.links(netns).unwrap_or_default();
    links.into_iter().map(|link| (link.index, link.name.to_string())).collect()
}

/// Both namespaces, as far as they are there.
pub(crate) fn observe(kernel: &mut dyn Kernel) -> Seen {
    let mut seen = Seen::default();
    for netns in [Role::Host, Role::Container] {
        if kernel.netns(netns).is_none() {
            continue;
        }
        let names = names(kernel, netns);
        for link in kernel.links(netns).unwrap() {
            let thing = format!("{netns} link {}", link.name);
            put_link(&mut seen, &thing, &link, &names);
            let addresses = kernel.addrs(netns, link.index).unwrap_or_default();
            for address in addresses {
                seen.put(thing.clone(), &address_words(&address), address_state(&address));
            }
            put_shaping(&mut seen, &thing, &kernel.shaping(netns, link.index).unwrap(), &names);
            for vlan in kernel.bridge_vlans(netns, link.index).unwrap_or_default() {
                let words = format!("pvid {} untagged {}", vlan.pvid, vlan.untagged);
                seen.put(thing.clone(), &format!("vlan {}", vlan.first), words);
            }
        }
        for route in kernel.routes(netns).unwrap() {
            seen.put(format!("{netns} route"), &route_words(&route, &names), "there");
        }
        for rule in kernel.rules(netns).unwrap() {
            let words = format!("from {} lookup {}", rule.source, rule.table);
            seen.put(format!("{netns} rule"), &words, rule.priority);
        }
    }
    for entry in kernel.masquerades().unwrap() {
        seen.put(format!("masquerade {}", entry.source), "owner", entry.owner.container_id);
    }
    for entry in kernel.admissions().unwrap() {
        let words = format!("{:?} {}", entry.apart, entry.owner.container_id);
        seen.put(format!("admission {}", entry.address), "apart and owner", words);
    }
    for entry in kernel.spoof_guards().unwrap() {
        let words = format!("{} {}", entry.mac, entry.owner.container_id);
        seen.put(format!("guard {}", entry.port), "mac and owner", words);
    }
    for entry in kernel.port_mappings().unwrap() {
        let (to, port, owner) = (entry.container, entry.container_port, &entry.owner.container_id);
        let words = format!("{to} {port} {:?} {owner}", entry.masquerade);
        seen.put(format!("port {entry}"), "target and owner", words);
    }
    seen
}

fn put_shaping(seen: &mut Seen, thing: &str, shaping: &Shaping, names: &Names) {
    if let Some(bucket) = shaping.bucket {
        seen.put(thing.to_owned(), "bucket rate", bucket.rate);
        // `tc` counts burst and latency in other units.
        seen.put(format!("shaping of {thing}"), "bucket", bucket);
    }
    if let Some(to) = shaping.redirect {
        let to = names.get(&to).cloned().unwrap_or("gone".to_owned());
        seen.put(thing.to_owned(), "redirect", to);
    }
}

fn put_link(seen: &mut Seen, thing: &str, link: &Link, names: &Names) {
    let name_of = |index: IfIndex| names.get(&index).cloned().unwrap_or("elsewhere".to_owned());
    let mut put = |aspect: &str, value: String| seen.put(thing.to_owned(), aspect, value);
    put("kind", link.kind.clone());
    put("mac", link.mac.map_or("none".to_owned(), mac_words));
    put("mtu", link.mtu.to_string());
    put("up", link.up.to_string());
    put("operational", link.oper_up.to_string());
    put("promisc", link.promisc.to_string());
    put("all multicast", link.all_multicast.to_string());
    put("transmit queue", link.tx_queue_length.to_string());
    put("loopback", link.loopback.to_string());
    if let Some(master) = link.master {
        put("master", name_of(master));
    }
    if link.parent.is_some() {
        put("parent", "some".to_owned());
    }
    if let Some(alias) = &link.alias {
        put("alias", alias.clone());
    }
    if link.kind == "bridge" {
        put("vlan filtering", link.vlan_filtering.to_string());
    }
    if let Some(mode) = link.mode {
        put("mode", mode.to_owned());
    }
    if let Some(id) = link.vlan_id {
        put("vlan id", id.to_string());
    }
    if let Some(table) = link.vrf_table {
        put("table", table.to_string());
    }
    if let Some(port) = link.port {
        put("port", format!("hairpin {} isolated {}", port.hairpin, port.isolated));
    }
}

/// The documentation's own (RFC 7042) and the empty one are written, others are random.
pub(crate) fn mac_words(mac: Mac) -> String {
    match mac.bytes() {
        [0, 0, 0x5e, 0, 0x53, _] | [0, 0, 0, 0, 0, 0] => mac.to_string(),
        _ => "random".to_owned(),
    }
}

/// A link-local address that was made from a random MAC is as random.
pub(crate) fn ip_words(ip: IpAddr) -> String {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() && is_random(v6) => "fe80::random".to_owned(),
        _ => ip.to_string(),
    }
}

fn is_random(ip: Ipv6Addr) -> bool {
    let [_, _, _, _, a, b, c, d] = ip.segments();
    let of_documentation =
        (a, b & 0xff00, c & 0xff00) == (0x0200, 0x5e00, 0xfe00) && d >> 8 == 0x53;
    (a, b, c) != (0, 0, 0) && !of_documentation
}

fn address_words(address: &Address) -> String {
    let net = address.address;
    format!("address {}/{}", ip_words(net.addr()), net.prefix_len())
}

fn address_state(address: &Address) -> String {
    state_words(address.scope, address.tentative, address.duplicate)
}

pub(crate) fn state_words(scope: u8, tentative: bool, duplicate: bool) -> String {
    let state = match (tentative, duplicate) {
        (_, true) => "duplicate",
        (true, false) => "tentative",
        (false, false) => "settled",
    };
    format!("scope {scope} {state}")
}

/// A route as `ip route` writes it.
pub(crate) fn route_words(route: &Route, names: &Names) -> String {
    let mut words = format!("{}", route.destination);
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(words, " {word} {value}").unwrap();
        }
    };
    add("via", route.gateway.map(|gateway| gateway.to_string()));
    add("dev", route.link.map(|link| names.get(&link).cloned().unwrap_or_default()));
    add("src", route.source.map(ip_words));
    add("scope", Some(route.scope.to_string()));
    add("table", Some(route.table.to_string()));
    add("metric", Some(route.priority.to_string()));
    add("mtu", route.mtu.map(|mtu| mtu.to_string()));
    add("advmss", route.advmss.map(|advmss| advmss.to_string()));
    add("proto", route.by_kernel.then(|| "kernel".to_owned()));
    words
}
