//! The state of a simulated node as a value: to compare, to print, to write to a file and to read from one
//! (`restore.rs`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Admission, Condition, Masquerade, Owner, PortMapping, Route, Rule};
use super::device::{Dad, Device, Kind};
use super::state::{DeviceId, NetnsKey, Node};

/// Everything that can be seen on a node, in one order; nothing that only counts, such as the index that
/// the next link will get. What a document leaves out is as on a new node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Network namespaces by name.
    pub netns: BTreeMap<String, NetnsState>,
    /// Masquerade entries of the host netns, by address.
    pub masquerades: BTreeMap<String, Masquerade>,
    /// Spoof guards of the host netns, by port.
    pub spoof_guards: BTreeMap<String, GuardState>,
    /// Whom the reference plugins masquerade, by nftables.
    pub reference_masquerades: Vec<Owner>,
    /// Whom the reference bridge plugin guards.
    pub reference_spoof_guards: Vec<Owner>,
    /// Port mappings of the host netns with their conditions, by address, port and protocol.
    pub port_mappings: BTreeMap<String, MappingState>,
    /// Addresses that are let through, of the host netns.
    pub admissions: BTreeMap<String, Admission>,
    /// Sources of firewalld's zones, by address; none where it does not run.
    pub zone_sources: BTreeMap<IpAddr, String>,
}

/// A spoof guard in a [`State`], whose key is its port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardState {
    /// The MAC that frames have to come from.
    pub mac: String,
    /// Whose it is.
    pub owner: Owner,
}

/// A port mapping in a [`State`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingState {
    /// The mapping.
    pub mapping: PortMapping,
    /// Which packets it holds for.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// A network namespace in a [`State`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetnsState {
    /// Links by name.
    pub links: BTreeMap<String, LinkState>,
    /// Routes as `ip route` writes them, by table, destination and metric.
    pub routes: Vec<String>,
    /// Rules of policy routing as `ip rule` writes them, in their order.
    pub rules: Vec<String>,
    /// Sysctls that are not what a new namespace has, by key; those of links included.
    pub sysctls: BTreeMap<String, String>,
}

impl Default for NetnsState {
    /// A new one.
    fn default() -> Self {
        let rules = super::rule::of_new_netns().iter().map(rule_words).collect();
        Self { links: BTreeMap::new(), routes: Vec::new(), rules, sysctls: BTreeMap::new() }
    }
}

/// A link in a [`State`]. Other links are named `NETNS/NAME`. A snapshot says everything; what is `None` in
/// a document is what the kernel would choose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkState {
    /// Number in its namespace.
    pub index: Option<u32>,
    /// `veth`, `bridge`, …, with what the kind holds.
    pub kind: String,
    /// Address of the link layer.
    pub mac: Option<String>,
    /// Of a bridge: somebody chose its MAC, so that it does not follow its ports.
    pub mac_fixed: bool,
    /// Octets.
    pub mtu: Option<u32>,
    /// Administratively up.
    pub up: bool,
    /// RFC 2863 `up` or `unknown`.
    pub oper_up: Option<bool>,
    /// `ip link … promisc`.
    pub promisc: bool,
    /// `ip link … allmulticast`.
    pub all_multicast: bool,
    /// `ip link … txqueuelen`.
    pub tx_queue: Option<u32>,
    /// The bridge or VRF that it is enslaved to.
    pub master: Option<String>,
    /// A veth's other end, or the lower device.
    pub parent: Option<String>,
    /// `ip link … alias`.
    pub alias: Option<String>,
    /// `hairpin` and `isolated` of a bridge port.
    pub port: Option<String>,
    /// `5 pvid untagged` and the like, of a bridge or a bridge port.
    pub vlans: Option<Vec<String>>,
    /// `10.1.0.2/24` and the like, sorted, with what is special about them.
    pub addresses: Vec<String>,
    /// Whether there is IPv6 on the link, and whether it has begun.
    pub ipv6: Option<String>,
    /// The token bucket that limits what leaves by it.
    pub bucket: Option<String>,
    /// Where what comes in by it is sent; empty: to a device that is gone.
    pub redirect: Option<String>,
}

impl State {
    /// How `self` became `other`: a line for each thing that is gone (`-`), new (`+`) or both. Empty:
    /// they are equal.
    pub fn difference(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let [before, after] = [self, other].map(serde_json::to_value);
        match (before, after) {
            (Ok(before), Ok(after)) => compare("", Some(&before), Some(&after), &mut lines),
            (Err(error), _) | (_, Err(error)) => lines.push(error.to_string()),
        }
        lines
    }
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, lines: &mut Vec<String>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare(&format!("{path}/{key}"), before.get(key), after.get(key), lines);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
                these.iter().filter(|value| !those.contains(value)).cloned().collect()
            };
            lines.extend(only(before, after).iter().map(|value| format!("- {path}: {value}")));
            lines.extend(only(after, before).iter().map(|value| format!("+ {path}: {value}")));
        }
        (before, after) => {
            lines.extend(before.map(|value| format!("- {path}: {value}")));
            lines.extend(after.map(|value| format!("+ {path}: {value}")));
        }
    }
}

impl Node {
    pub(super) fn snapshot(&self) -> State {
        let netns = self.netns.iter().map(|(key, netns)| (netns.name.clone(), self.view(*key)));
        let masquerades = self.masquerades.iter();
        let spoof_guards = self.spoof_guards.iter();
        State {
            netns: netns.collect(),
            masquerades: masquerades
                .map(|entry| (entry.source.addr().to_string(), entry.clone()))
                .collect(),
            spoof_guards: spoof_guards
                .map(|entry| {
                    let guard =
                        GuardState { mac: entry.mac.to_string(), owner: entry.owner.clone() };
                    (entry.port.to_string(), guard)
                })
                .collect(),
            reference_masquerades: self.reference_masquerades.clone(),
            reference_spoof_guards: self.reference_spoof_guards.clone(),
            port_mappings: self
                .port_mappings
                .iter()
                .map(|(mapping, conditions)| {
                    let (mapping, conditions) = (mapping.clone(), conditions.clone());
                    (mapping.to_string(), MappingState { mapping, conditions })
                })
                .collect(),
            admissions: self
                .admissions
                .iter()
                .map(|entry| (entry.address.to_string(), entry.clone()))
                .collect(),
            zone_sources: self.zone_sources(),
        }
    }

    fn view(&self, key: NetnsKey) -> NetnsState {
        let mut state = NetnsState { rules: Vec::new(), ..NetnsState::default() };
        for (id, device) in self.devices.iter().filter(|(_, device)| device.netns == key) {
            state.links.insert(device.name.to_string(), self.link_state(*id, device));
            state.sysctls.extend(device.sysctls.iter().filter_map(|(key, value)| {
                let (group, item) = key.rsplit_once('/')?;
                Some((format!("net/{group}/{}/{item}", device.name), value.clone()))
            }));
        }
        if let Ok(netns) = self.ns(key) {
            state.routes = netns.routes.iter().map(|route| self.route_words(route)).collect();
            state.routes.sort();
            state.rules = netns.rules.iter().map(rule_words).collect();
            state.sysctls.extend(netns.sysctls.clone());
        }
        state
    }

    fn link_words(&self, id: DeviceId) -> String {
        let Ok(device) = self.dev(id) else { return String::new() };
        let netns = self.ns(device.netns).map(|netns| netns.name.as_str()).unwrap_or_default();
        format!("{netns}/{}", device.name)
    }

    fn link_state(&self, id: DeviceId, device: &Device) -> LinkState {
        let mut addresses: Vec<String> = device.addresses.iter().map(address_words).collect();
        addresses.sort();
        let vlan = |(id, flags): (&u16, &super::device::VlanFlags)| {
            let pvid = if flags.pvid { " pvid" } else { "" };
            let untagged = if flags.untagged { " untagged" } else { "" };
            format!("{id}{pvid}{untagged}")
        };
        LinkState {
            index: Some(device.index.0),
            kind: kind_words(&device.kind),
            mac: Some(device.mac.to_string()),
            mac_fixed: device.mac_set && device.kind.is_bridge(),
            mtu: Some(device.mtu),
            up: device.up,
            oper_up: Some(device.oper_up),
            promisc: device.promisc,
            all_multicast: device.all_multicast,
            tx_queue: Some(device.tx_queue),
            master: device.master.map(|master| self.link_words(master)),
            parent: device.kind.iflink().filter(|of| *of != id).map(|of| self.link_words(of)),
            alias: device.alias.clone(),
            port: device
                .port
                .map(|port| format!("hairpin {} isolated {}", port.hairpin, port.isolated)),
            vlans: Some(device.vlans.iter().map(vlan).collect()),
            addresses,
            ipv6: Some(device.ipv6.word().to_owned()),
            bucket: device.bucket.map(|bucket| bucket.to_string()),
            redirect: device.redirect.map(|to| self.link_words(to)),
        }
    }

    fn route_words(&self, route: &super::state::RouteEntry) -> String {
        let name = self.dev(route.device).map(|device| device.name.to_string());
        let seen = self.seen(route);
        seen.map(|seen| route_words(&seen, &name.unwrap_or_default())).unwrap_or_default()
    }
}

/// A route as a state has it, its link by name.
pub fn route_words(route: &Route, link: &str) -> String {
    let mut words = format!("table {} {}", route.table, route.destination);
    words += &route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    words += &format!(" dev {link}");
    words += if route.by_kernel { " proto kernel" } else { "" };
    words += &format!(" scope {}", route.scope);
    words += &route.source.map(|source| format!(" src {source}")).unwrap_or_default();
    words += &format!(" metric {}", route.priority);
    words += &route.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
    words += &route.advmss.map(|advmss| format!(" advmss {advmss}")).unwrap_or_default();
    words
}

/// A rule as a state has it.
pub fn rule_words(rule: &Rule) -> String {
    format!("{}: from {} lookup {}", rule.priority, rule.source, rule.table)
}

fn address_words(entry: &super::device::AddressEntry) -> String {
    let state = match entry.dad {
        Dad::Done => "",
        Dad::Waiting | Dad::Until(_) => " tentative",
        Dad::Failed => " dadfailed",
    };
    let nodad = if entry.nodad { " nodad" } else { "" };
    let secondary = if entry.secondary { " secondary" } else { "" };
    let address: IpNet = entry.address;
    format!("{address} scope {}{secondary}{nodad}{state}", entry.scope)
}

fn kind_words(kind: &Kind) -> String {
    let word = kind.word();
    let mode = kind.mode().unwrap_or_default();
    match kind {
        Kind::Bridge { vlan_filtering: true, .. } => format!("{word} vlan_filtering 1"),
        Kind::Ipvlan { .. } => format!("{word} mode {mode}"),
        Kind::Macvlan { broadcast_queue: None, .. } => format!("{word} mode {mode}"),
        Kind::Macvlan { broadcast_queue: Some(length), .. } => {
            format!("{word} mode {mode} bcqueuelen {length}")
        }
        Kind::Vlan { id, .. } => format!("{word} id {id}"),
        Kind::Vrf { table } => format!("{word} table {table}"),
        Kind::Tap { multi_queue, owner, group } => {
            let queues = if *multi_queue { " multi_queue" } else { "" };
            let user = owner.map(|id| format!(" user {id}")).unwrap_or_default();
            let group = group.map(|id| format!(" group {id}")).unwrap_or_default();
            format!("{word}{queues}{user}{group}")
        }
        Kind::Loopback => "loopback".to_owned(),
        Kind::Bridge { .. } | Kind::Veth { .. } | Kind::Dummy | Kind::Ifb => word.to_owned(),
    }
}
