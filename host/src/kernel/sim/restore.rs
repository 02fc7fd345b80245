//! A machine from its state, and a state from a document.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::{Errno, IfIndex, Port, SpoofGuard};
use super::device::{AddressEntry, Chosen, Dad, Device, Ipv6, Kind};
use super::rules;
use super::snapshot::{LinkState, NetnsState, State};
use super::state::{Answer, DeviceId, NetnsKey, Node};
use super::words::{self, Bad};
use crate::names::{IfName, Mac};

/// The namespace that every machine has.
const HOST: &str = "host";
/// How long an address that is tentative stays so: the kernel's usual time.
const DETECTION: Duration = Duration::from_millis(1500);

/// A state, or a document of one, that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}; write {instead}")]
pub struct BadState {
    /// The place in the document: `netns/blue/links/eth0/mac`.
    pub at: String,
    /// What is wrong there.
    pub problem: String,
    /// What to write instead.
    pub instead: String,
}

impl BadState {
    fn new(at: impl Into<String>, problem: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { at: at.into(), problem: problem.into(), instead: instead.into() }
    }
}

/// Says where something is wrong.
trait At<T> {
    fn at(self, at: impl FnOnce() -> String) -> Result<T, BadState>;
}

impl<T> At<T> for Result<T, Bad> {
    fn at(self, at: impl FnOnce() -> String) -> Result<T, BadState> {
        self.map_err(|(problem, instead)| BadState::new(at(), problem, instead))
    }
}

impl<T> At<T> for Answer<T> {
    fn at(self, at: impl FnOnce() -> String) -> Result<T, BadState> {
        let problem = |errno: Errno| format!("the kernel allows no such thing ({errno:?})");
        self.map_err(|errno| BadState::new(at(), problem(errno), "what it allows"))
    }
}

impl State {
    /// Reads a document, strictly. `{}` is a new machine.
    ///
    /// # Errors
    /// What is not exactly as it should be, the first such thing.
    pub fn from_json(document: &Value) -> Result<Self, BadState> {
        match serde_json::from_value::<Self>(document.clone()) {
            Err(error) => {
                let at = culprit(&|value| value, document, String::new());
                let at = if at.is_empty() { "the document".to_owned() } else { at };
                Err(BadState::new(at, error.to_string(), "it as docs/testing.md has it"))
            }
            Ok(read) => {
                let known = serde_json::to_value(&read).unwrap_or_default();
                unknown_key(document, &known, "the document").map_or(Ok(read), Err)
            }
        }
    }
}

/// The deepest place of a document that no state can be read from, even if there is nothing else in it.
fn culprit(document: &dyn Fn(Value) -> Value, value: &Value, at: String) -> String {
    let reads = |value: Value| serde_json::from_value::<State>(document(value)).is_ok();
    let alone =
        |key: &str, value: Value| Value::Object([(key.to_owned(), value)].into_iter().collect());
    if let Value::Object(object) = value
        && reads(Value::Object(serde_json::Map::new()))
    {
        let wrong = object.iter().find(|(key, value)| !reads(alone(key, (*value).clone())));
        if let Some((key, value)) = wrong {
            let inner = |value: Value| document(alone(key, value));
            return culprit(&inner, value, below(&at, key));
        }
    }
    at
}

/// A key of `given` that was not read; or an array where an object was meant, which serde takes for one.
fn unknown_key(given: &Value, read: &Value, at: &str) -> Option<BadState> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => given.iter().find_map(|(key, value)| {
            let at = if at == "the document" { key.clone() } else { below(at, key) };
            let known = read.get(key);
            let unknown = || {
                let keys: Vec<&str> = read.keys().map(String::as_str).collect();
                let instead = format!("one of {}", keys.join(", "));
                Some(BadState::new(at.clone(), "there is no such key", instead))
            };
            known.map_or_else(unknown, |known| unknown_key(value, known, &at))
        }),
        (Value::Array(given), Value::Array(read)) => {
            let mut pairs = given.iter().zip(read).enumerate();
            pairs.find_map(|(i, (given, read))| unknown_key(given, read, &format!("{at}/{i}")))
        }
        (Value::Array(_), Value::Object(_)) => {
            Some(BadState::new(at, "an array was not expected", "an object, { … }"))
        }
        _ => None,
    }
}

fn below(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}/{key}") }
}

/// The links of a state by `NETNS/NAME`.
type Ids = BTreeMap<String, DeviceId>;

impl Node {
    pub(super) fn in_state(state: &State) -> Result<(Self, NetnsKey), BadState> {
        let (mut node, host) = Self::new();
        let mut keys = Vec::new();
        for (name, netns) in &state.netns {
            if name.is_empty() || name.contains('/') {
                let problem = "it is no name of a network namespace";
                return Err(BadState::new(below("netns", name), problem, "a name without \"/\""));
            }
            let key = if name == HOST { host } else { node.add_netns(name) };
            keys.push((name.as_str(), key, netns));
        }
        let mut ids = Ids::new();
        for (name, key, netns) in &keys {
            node.place_links(name, *key, netns, &mut ids)?;
        }
        for (name, key, netns) in &keys {
            for (link, state) in &netns.links {
                node.tie_link(name, link, state, &ids)?;
            }
            node.restore_sysctls(name, *key, netns)?;
        }
        node.lower_links_end(&ids)?;
        node.match_veths(&ids)?;
        node.restore_ports(&keys, &ids)?;
        node.rise(&keys, &ids)?;
        for (name, key, netns) in &keys {
            node.restore_routes(name, *key, netns)?;
        }
        node.settle().at(|| "netns".to_owned())?;
        node.restore_filters(state)?;
        Ok((node, host))
    }

    /// Each link, with what concerns it alone.
    fn place_links(
        &mut self,
        netns: &str,
        key: NetnsKey,
        state: &NetnsState,
        ids: &mut Ids,
    ) -> Result<(), BadState> {
        let mut links: Vec<(&String, &LinkState)> = state.links.iter().collect();
        links.sort_by_key(|(name, link)| (link.index.unwrap_or(u32::MAX), *name));
        if let Some(lo) = self.find_name(key, "lo") {
            if state.links.contains_key("lo") {
                self.devices.remove(&lo);
            } else {
                ids.insert(format!("{netns}/lo"), lo);
            }
        }
        for (name, link) in links {
            let at = |part: &str| format!("netns/{netns}/links/{name}{part}");
            let ifname = IfName::try_from(name.as_str());
            let ifname =
                ifname.map_err(|e| BadState::new(at(""), e.to_string(), "a link's name"))?;
            let taken = link.index.filter(|index| self.find(key, IfIndex(*index)).is_ok());
            if let Some(index) = taken {
                let problem = format!("another link has index {index}");
                return Err(BadState::new(
                    at("/index"),
                    problem,
                    "one of its own, or leave it out",
                ));
            }
            if (name == "lo") != (link.kind == "loopback") {
                let problem = format!("kind {:?} for the name {name:?}", link.kind);
                return Err(BadState::new(at("/kind"), problem, r#""loopback" for "lo" alone"#));
            }
            let mac = match &link.mac {
                Some(text) => {
                    words::value::<Mac>(text, r#""02:00:00:00:00:01""#).at(|| at("/mac"))?
                }
                None if name == "lo" => Mac::from([0; 6]),
                None => self.random_mac(),
            };
            let mut device = self.blank(key, ifname, Kind::Dummy, mac, link.mtu.unwrap_or(1500));
            device.index = IfIndex(link.index.unwrap_or(u32::from(name == "lo")));
            device.mac_set = link.mac_fixed || link.mac.is_some();
            (device.promisc, device.all_multicast) = (link.promisc, link.all_multicast);
            device.alias = link.alias.clone();
            for (i, text) in link.addresses.iter().enumerate() {
                let mut entry = words::address(text).at(|| at(&format!("/addresses/{i}")))?;
                entry.secondary |= !text.contains(" scope ") && follows(&device, &entry);
                device.addresses.push(entry);
            }
            device.addresses.sort_by_key(|entry| entry.secondary);
            if device.addresses.iter().any(|entry| entry.address.addr().is_ipv4()) {
                device.chosen = Chosen::All;
            }
            let bucket = link.bucket.as_deref().map(words::bucket).transpose();
            device.bucket = bucket.at(|| at("/bucket"))?;
            let id = self.place(device).at(|| at(""))?;
            ids.insert(format!("{netns}/{name}"), id);
        }
        Ok(())
    }

    /// What concerns other links: kind, master, redirect; and what depends on these.
    fn tie_link(
        &mut self,
        netns: &str,
        name: &str,
        link: &LinkState,
        ids: &Ids,
    ) -> Result<(), BadState> {
        let at = |part: &str| format!("netns/{netns}/links/{name}{part}");
        let find = |part: &str, text: &Option<String>| match text.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => {
                let full = if text.contains('/') { text.into() } else { format!("{netns}/{text}") };
                let problem =
                    || BadState::new(at(part), format!("there is no link {full:?}"), "NETNS/NAME");
                ids.get(&full).copied().map(Some).ok_or_else(problem)
            }
        };
        let Some(id) = ids.get(&format!("{netns}/{name}")).copied() else { return Ok(()) };
        let lower = find("/parent", &link.parent)?;
        let has_ports = || self.ports(id).is_empty();
        let carrier = link.oper_up.unwrap_or_else(has_ports);
        let kind = words::kind(&link.kind, lower, carrier).at(|| at("/kind"))?;
        let usual_mtu = match (kind.parent(), &kind) {
            (Some(lower), _) => self.dev(lower).map_or(1500, |lower| lower.mtu),
            (None, kind) => rules::mtu_range(kind).default,
        };
        let mtu = link.mtu.unwrap_or(usual_mtu);
        rules::mtu(&kind, mtu).at(|| at("/mtu"))?;
        let absent = mtu < rules::IPV6_MIN_MTU && !kind.is_loopback();
        let ipv6 = match link.ipv6.as_deref() {
            Some(text) => words::ipv6(text).at(|| at("/ipv6"))?,
            None if absent => Ipv6::Absent,
            None => Ipv6::Waiting,
        };
        let usual_queue = if matches!(kind, Kind::Ifb) { 32 } else { 1000 };
        let (master, redirect) =
            (find("/master", &link.master)?, find("/redirect", &link.redirect)?);
        let now = self.now;
        let device = self.dev_mut(id).at(|| at(""))?;
        if kind.is_bridge() {
            device.mac_set = link.mac_fixed;
        }
        (device.kind, device.mtu, device.ipv6) = (kind, mtu, ipv6);
        device.tx_queue = link.tx_queue.unwrap_or(usual_queue);
        (device.master, device.redirect) = (master, redirect);
        if link.ipv6.is_some() {
            device.up = link.up;
            device.oper_up = link.oper_up.unwrap_or(link.up);
        }
        for entry in device.addresses.iter_mut().filter(|entry| entry.dad == Dad::Waiting) {
            if ipv6 == Ipv6::Ready {
                entry.dad = Dad::Until(now + DETECTION);
            }
        }
        Ok(())
    }

    /// No link stands on itself, by whichever way round.
    fn lower_links_end(&self, ids: &Ids) -> Result<(), BadState> {
        for (name, id) in ids {
            let mut lower = Some(*id);
            for _ in 0..=ids.len() {
                lower = lower.and_then(|id| self.dev(id).ok()?.kind.parent());
            }
            if lower.is_some() {
                let (netns, link) = name.split_once('/').unwrap_or_default();
                let at = format!("netns/{netns}/links/{link}/parent");
                return Err(BadState::new(at, "the link stands on itself", "a link below it"));
            }
        }
        Ok(())
    }

    /// The two ends of a veth are each other's.
    fn match_veths(&self, ids: &Ids) -> Result<(), BadState> {
        for (name, id) in ids {
            let Ok(Device { kind: Kind::Veth { peer }, .. }) = self.dev(*id) else { continue };
            let back = self.dev(*peer).map(|peer| peer.kind.clone());
            if !matches!(back, Ok(Kind::Veth { peer }) if peer == *id) {
                let (netns, link) = name.split_once('/').unwrap_or_default();
                let at = format!("netns/{netns}/links/{link}/parent");
                let problem = "the other end is no veth whose parent is this one";
                return Err(BadState::new(at, problem, "both ends, each the other's parent"));
            }
        }
        Ok(())
    }

    /// What masters make of their ports, when all masters are known.
    fn restore_ports(
        &mut self,
        keys: &[(&str, NetnsKey, &NetnsState)],
        ids: &Ids,
    ) -> Result<(), BadState> {
        for (netns, _, state) in keys {
            for (name, link) in &state.links {
                let at = |part: &str| format!("netns/{netns}/links/{name}{part}");
                let Some(id) = ids.get(&format!("{netns}/{name}")).copied() else { continue };
                let is_port = self.is_bridge_port(id);
                let is_bridge = self.dev(id).at(|| at(""))?.kind.is_bridge();
                let port = match link.port.as_deref() {
                    Some(text) => Some(words::port(text).at(|| at("/port"))?),
                    None if is_port => Some(Port { hairpin: false, isolated: false }),
                    None => None,
                };
                match &link.vlans {
                    Some(vlans) => {
                        for (i, text) in vlans.iter().enumerate() {
                            let (vlan, flags) =
                                words::vlan(text).at(|| at(&format!("/vlans/{i}")))?;
                            self.dev_mut(id).at(|| at(""))?.vlans.insert(vlan, flags);
                        }
                    }
                    None if is_port || is_bridge => self.give_default_vlan(id).at(|| at(""))?,
                    None => {}
                }
                self.dev_mut(id).at(|| at(""))?.port = port;
                if let Some(master) = self.dev(id).at(|| at(""))?.master {
                    let beside = self
                        .dev(master)
                        .is_ok_and(|m| self.dev(id).is_ok_and(|d| d.netns == m.netns));
                    let may =
                        if beside { self.may_enslave(id, master) } else { Err(Errno::EINVAL) };
                    may.at(|| at("/master"))?;
                }
            }
        }
        self.restore_mtu_choices();
        Ok(())
    }

    /// A bridge whose MTU is not what its ports' would make it has one that somebody chose.
    fn restore_mtu_choices(&mut self) {
        let ids: Vec<DeviceId> = self.devices.keys().copied().collect();
        for id in ids {
            let ports = self.ports(id).into_iter().filter_map(|port| self.devices.get(&port));
            let least = ports.map(|port| port.mtu).min().unwrap_or(1500);
            if let Ok(device) = self.dev_mut(id) {
                device.mtu_set = !device.kind.is_bridge() || device.mtu != least;
            }
        }
    }

    /// Raises the links of which the state says that they are up, and not what that brought about.
    fn rise(&mut self, keys: &[(&str, NetnsKey, &NetnsState)], ids: &Ids) -> Result<(), BadState> {
        let mut waiting = Vec::new();
        for (netns, _, state) in keys {
            for (name, _) in state.links.iter().filter(|(_, link)| link.ipv6.is_none()) {
                let full = format!("{netns}/{name}");
                let Some(id) = ids.get(&full).copied() else { continue };
                self.inherit_sysctls(id);
                waiting.extend(state.links.get(name).filter(|link| link.up).map(|_| (full, id)));
            }
        }
        let any = !waiting.is_empty();
        // What stands on another link rises after it.
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut refused = None;
            waiting.retain(|(name, id)| match self.set_up(*id) {
                Ok(()) => false,
                Err(errno) => {
                    refused = Some((name.clone(), errno));
                    true
                }
            });
            if let Some((name, errno)) = refused.filter(|_| waiting.len() == before) {
                let (netns, link) = name.split_once('/').unwrap_or_default();
                return Err::<(), _>(errno).at(|| format!("netns/{netns}/links/{link}/up"));
            }
        }
        if any {
            self.settle().at(|| "netns".to_owned())?;
            self.advance(DETECTION * 2);
        }
        Ok(())
    }

    fn restore_sysctls(
        &mut self,
        netns: &str,
        key: NetnsKey,
        state: &NetnsState,
    ) -> Result<(), BadState> {
        for (name, value) in &state.sysctls {
            self.sysctl_restore(key, name, value).at(|| format!("netns/{netns}/sysctls/{name}"))?;
        }
        Ok(())
    }

    fn restore_routes(
        &mut self,
        netns: &str,
        key: NetnsKey,
        state: &NetnsState,
    ) -> Result<(), BadState> {
        for (i, text) in state.routes.iter().enumerate() {
            let at = || format!("netns/{netns}/routes/{i}");
            let route = words::route(text, |link| self.find_name(key, link)).at(at)?;
            let routes = &mut self.ns_mut(key).at(at)?.routes;
            if !routes.contains(&route) {
                routes.push(route);
            }
        }
        let mut rules = Vec::new();
        for (i, text) in state.rules.iter().enumerate() {
            rules.push(words::rule(text).at(|| format!("netns/{netns}/rules/{i}"))?);
        }
        self.ns_mut(key).at(|| format!("netns/{netns}/rules"))?.rules = rules;
        Ok(())
    }

    /// What the host netns filters and translates.
    fn restore_filters(&mut self, state: &State) -> Result<(), BadState> {
        let same = |at: &str, key: &str, is: String| match key == is {
            true => Ok(()),
            false => Err(BadState::new(
                format!("{at}/{key}"),
                format!("what stands there is of {is:?}"),
                "it under that key",
            )),
        };
        for (key, entry) in &state.masquerades {
            same("masquerades", key, entry.source.addr().to_string())?;
            self.masquerades.push(entry.clone());
        }
        for (key, entry) in &state.spoof_guards {
            let at = || format!("spoof_guards/{key}");
            let port = words::value::<IfName>(key, "the name of a link").at(at)?;
            let mac = words::value::<Mac>(&entry.mac, r#""02:00:00:00:00:01""#).at(at)?;
            self.spoof_guards.push(SpoofGuard { port, mac, owner: entry.owner.clone() });
        }
        for (key, entry) in &state.port_mappings {
            same("port_mappings", key, entry.mapping.to_string())?;
            self.port_mappings.push((entry.mapping.clone(), entry.conditions.clone()));
        }
        for (key, entry) in &state.admissions {
            same("admissions", key, entry.address.to_string())?;
            self.admissions.push(entry.clone());
        }
        self.reference_masquerades.clone_from(&state.reference_masquerades);
        self.reference_spoof_guards.clone_from(&state.reference_spoof_guards);
        Ok(())
    }
}

/// Whether a link has an IPv4 address of the same network before this one.
fn follows(device: &Device, entry: &AddressEntry) -> bool {
    let first =
        |other: &AddressEntry| !other.secondary && other.address.trunc() == entry.address.trunc();
    entry.address.addr().is_ipv4() && device.addresses.iter().any(first)
}
