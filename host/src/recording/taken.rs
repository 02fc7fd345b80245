//! What a kernel has, asked by the same operations that plugins' calls use.

use std::collections::BTreeMap;

use crate::kernel::sim::{
    GuardState, LinkState, MappingState, NetnsState, State, known_keys, route_words, rule_words,
};
use crate::kernel::{Errno, IfIndex, Kernel, Link, Role, SysctlKey};

/// A network namespace that was looked at.
#[derive(Debug)]
struct Seen {
    name: String,
    links: Vec<Link>,
    state: NetnsState,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Taken {
    seen: Vec<Seen>,
    state: State,
    left_out: Vec<String>,
}

impl Taken {
    /// What a kernel answered, or a line that says that it did not.
    fn asked<T: Default>(&mut self, answer: crate::kernel::Result<T>) -> T {
        answer.unwrap_or_else(|error| {
            self.left_out.push(error.to_string());
            T::default()
        })
    }

    /// A network namespace, under this name.
    pub fn netns(&mut self, name: &str, kernel: &mut dyn Kernel, role: Role) {
        let links = self.asked(kernel.links(role));
        let by_index: BTreeMap<IfIndex, String> =
            links.iter().map(|link| (link.index, link.name.to_string())).collect();
        let mut state = NetnsState { rules: Vec::new(), ..NetnsState::default() };
        for link in &links {
            let seen = self.link(kernel, role, link, &links, &by_index);
            state.links.insert(link.name.to_string(), seen);
        }
        for route in self.asked(kernel.routes(role)) {
            match route.link.and_then(|link| by_index.get(&link)) {
                Some(link) => state.routes.push(route_words(&route, link)),
                None => self.left_out.push(format!(
                    "the route to {} of table {} in {name}, which is over no one link",
                    route.destination, route.table
                )),
            }
        }
        for rule in self.asked(kernel.rules(role)) {
            match rule.only_source {
                true => state.rules.push(rule_words(&rule)),
                false => self.left_out.push(format!(
                    "rule {} in {name}, which has more conditions than a source",
                    rule.priority
                )),
            }
        }
        self.sysctls(kernel, role, &links, &mut state);
        self.seen.push(Seen { name: name.to_owned(), links, state });
    }

    fn link(
        &mut self,
        kernel: &mut dyn Kernel,
        role: Role,
        link: &Link,
        links: &[Link],
        by_index: &BTreeMap<IfIndex, String>,
    ) -> LinkState {
        let name_of =
            |index: Option<IfIndex>| index.and_then(|index| by_index.get(&index)).cloned();
        let is_port_or_bridge = link.port.is_some() || link.kind == "bridge";
        let vlans = match kernel.bridge_vlans(role, link.index) {
            Ok(vlans) => vlans,
            Err(_) if !is_port_or_bridge => Vec::new(),
            Err(error) => self.asked(Err(error)),
        };
        let vlans = vlans.iter().map(|vlan| {
            let pvid = if vlan.pvid { " pvid" } else { "" };
            let untagged = if vlan.untagged { " untagged" } else { "" };
            format!("{}{pvid}{untagged}", vlan.first)
        });
        let mut nets = Vec::new();
        let mut addresses = Vec::new();
        for seen in self.asked(kernel.addrs(role, link.index)) {
            let net = seen.address.trunc();
            let second = seen.address.addr().is_ipv4() && nets.contains(&net);
            nets.push(net);
            let secondary = if second { " secondary" } else { "" };
            let tentative = if seen.tentative { " tentative" } else { "" };
            let duplicate = if seen.duplicate { " dadfailed" } else { "" };
            let (address, scope) = (seen.address, seen.scope);
            addresses.push(format!("{address} scope {scope}{secondary}{tentative}{duplicate}"));
        }
        addresses.sort();
        let shaping = self.asked(kernel.shaping(role, link.index));
        if link.mac.is_none() && !link.loopback {
            self.left_out.push(format!("that link {} has no MAC", link.name));
        }
        let disabled = SysctlKey::try_from(format!("net/ipv6/conf/{}/disable_ipv6", link.name));
        let disabled = disabled.ok().and_then(|key| kernel.sysctl_get(role, &key).ok());
        let ipv6 = match disabled.as_deref() {
            None => "absent",
            Some("0") if link.oper_up => "ready",
            Some(_) => "waiting",
        };
        LinkState {
            index: Some(link.index.0),
            kind: kind_words(link),
            mac: Some(link.mac.unwrap_or_else(|| [0; 6].into()).to_string()),
            mac_fixed: link.kind == "bridge" && !follows_ports(link, links),
            mtu: Some(link.mtu),
            up: link.up,
            oper_up: Some(link.oper_up),
            promisc: link.promisc,
            all_multicast: link.all_multicast,
            tx_queue: Some(link.tx_queue_length),
            master: name_of(link.master),
            parent: link.parent.map(|index| index.0.to_string()),
            alias: link.alias.clone(),
            port: link.port.map(|p| format!("hairpin {} isolated {}", p.hairpin, p.isolated)),
            vlans: Some(vlans.collect()),
            addresses,
            ipv6: Some(ipv6.to_owned()),
            bucket: shaping.bucket.map(|bucket| bucket.to_string()),
            redirect: name_of(shaping.redirect),
        }
    }

    /// Sysctls that the model knows; those that are as usual fall away there.
    fn sysctls(
        &mut self,
        kernel: &mut dyn Kernel,
        role: Role,
        links: &[Link],
        state: &mut NetnsState,
    ) {
        let mut of: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        of.push("default");
        for (key, _) in known_keys() {
            let names: &[&str] = if key.contains("/*/") { &of } else { &[""] };
            let conf = key.contains("/conf/*/");
            let all = conf.then(|| key.replacen('*', "all", 1));
            let keys = names.iter().map(|name| key.replacen('*', name, 1)).chain(all);
            for key in keys.filter(|key| !key.ends_with("/mtu")) {
                let Ok(name) = SysctlKey::try_from(key.clone()) else { continue };
                match kernel.sysctl_get(role, &name) {
                    Ok(value) => {
                        state.sysctls.insert(key, value);
                    }
                    // This kernel has no such key; or root alone may read it.
                    Err(e) if matches!(e.errno, Errno::ENOENT | Errno::EACCES | Errno::EIO) => {}
                    Err(error) => self.left_out.push(error.to_string()),
                }
            }
        }
    }

    /// What the host netns filters and translates for attachments.
    pub fn filters(&mut self, kernel: &mut dyn Kernel) {
        for entry in self.asked(kernel.masquerades()) {
            self.state.masquerades.insert(entry.source.addr().to_string(), entry);
        }
        for entry in self.asked(kernel.spoof_guards()) {
            let guard = GuardState { mac: entry.mac.to_string(), owner: entry.owner };
            self.state.spoof_guards.insert(entry.port.to_string(), guard);
        }
        for entry in self.asked(kernel.admissions()) {
            self.state.admissions.insert(entry.address.to_string(), entry);
        }
        for mapping in self.asked(kernel.port_mappings()) {
            let entry = MappingState { mapping, conditions: Vec::new() };
            self.state.port_mappings.insert(entry.mapping.to_string(), entry);
        }
        if !self.state.port_mappings.is_empty() {
            self.left_out.push("the conditions of port mappings".to_owned());
        }
    }

    /// The whole, with each link's parent by its name.
    pub fn finish(mut self) -> (State, Vec<String>) {
        let seen = std::mem::take(&mut self.seen);
        for (at, netns) in seen.iter().enumerate() {
            let mut state = netns.state.clone();
            for link in &netns.links {
                let Some(written) = state.links.get_mut(link.name.as_str()) else { continue };
                written.parent = lower(&seen, at, link);
                for other in [&mut written.master, &mut written.redirect].into_iter().flatten() {
                    *other = format!("{}/{other}", netns.name);
                }
                if written.kind.is_empty() || needs_lower(link) && written.parent.is_none() {
                    let what = if link.kind.is_empty() { "hardware" } else { link.kind.as_str() };
                    let why = if written.kind.is_empty() {
                        ""
                    } else {
                        ", its other end or parent not being here"
                    };
                    self.left_out.push(format!(
                        "that link {} of {} is of kind {what}: it is held as \"dummy\"{why}",
                        link.name, netns.name
                    ));
                    written.kind = "dummy".to_owned();
                    written.parent = None;
                }
            }
            self.state.netns.insert(netns.name.clone(), state);
        }
        (self.state, self.left_out)
    }
}

/// A bridge whose MAC is that of one of its ports follows them; one with another MAC was given it.
fn follows_ports(bridge: &Link, links: &[Link]) -> bool {
    let mut ports = links.iter().filter(|link| link.master == Some(bridge.index));
    ports.any(|port| port.mac == bridge.mac) || bridge.mac.is_none_or(|mac| mac.bytes() == [0; 6])
}

fn needs_lower(link: &Link) -> bool {
    matches!(link.kind.as_str(), "veth" | "ipvlan" | "macvlan" | "vlan")
}

/// `NETNS/NAME` of a veth's other end or of the lower device, if it is in a namespace that was looked at.
fn lower(seen: &[Seen], at: usize, link: &Link) -> Option<String> {
    let parent = link.parent.filter(|_| needs_lower(link))?;
    let veth = link.kind == "veth";
    let fits = |other: &&Link| {
        other.index == parent && (!veth || other.kind == "veth" && other.parent == Some(link.index))
    };
    // A veth's ends are each other's; others' lower devices are here, or else the node's.
    let here = seen.iter().enumerate().filter(|(n, _)| *n == at);
    let others = seen.iter().enumerate().filter(|(n, _)| *n != at);
    let mut places = here.chain(others);
    places.find_map(|(n, netns)| {
        let found =
            netns.links.iter().filter(|other| other.name != link.name || !veth).find(fits)?;
        let itself = n == at && found.index == link.index && found.name == link.name;
        (!itself).then(|| format!("{}/{}", netns.name, found.name))
    })
}

/// As a state has it; empty: the model has no such kind.
fn kind_words(link: &Link) -> String {
    let mode = link.mode.unwrap_or_default();
    match link.kind.as_str() {
        _ if link.loopback => "loopback".to_owned(),
        "bridge" if link.vlan_filtering => "bridge vlan_filtering 1".to_owned(),
        kind @ ("bridge" | "veth" | "dummy" | "ifb" | "tun") => kind.to_owned(),
        kind @ ("ipvlan" | "macvlan") => format!("{kind} mode {mode}"),
        "vlan" => format!("vlan id {}", link.vlan_id.unwrap_or_default()),
        "vrf" => format!("vrf table {}", link.vrf_table.unwrap_or_default()),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sim::SimNode;
    use crate::kernel::{AddressSpec, KindSpec, LinkChange, LinkSpec};

    /// What is asked of the model by its operations is what it says of itself.
    #[test]
    fn asking_a_kernel_tells_its_state() {
        let mut node = SimNode::new();
        node.add_netns("blue");
        let mut kernel = node.kernel(Some("blue"));
        let name = |text: &str| crate::names::IfName::try_from(text).unwrap();
        let kind = KindSpec::Bridge { vlan_filtering: false };
        let mac = Some([2, 0, 0, 0, 0, 9].into());
        let bridge = LinkSpec { name: name("br0"), mtu: None, mac, kind };
        let bridge = kernel.link_create(Role::Host, &bridge).unwrap();
        let kind = KindSpec::Veth { peer: name("veth0"), peer_netns: Role::Host, peer_mac: None };
        let veth = LinkSpec { name: name("eth0"), mtu: Some(1400), mac: None, kind };
        let near = kernel.link_create(Role::Container, &veth).unwrap();
        let far = near.parent.unwrap();
        kernel.link_set(Role::Host, far, &LinkChange::Master(Some(bridge.index))).unwrap();
        for (role, index) in
            [(Role::Host, bridge.index), (Role::Host, far), (Role::Container, near.index)]
        {
            kernel.link_set(role, index, &LinkChange::Up).unwrap();
        }
        let address = AddressSpec { address: "10.1.0.2/24".parse().unwrap(), nodad: false };
        kernel.addr_add(Role::Container, near.index, &address).unwrap();
        let key = SysctlKey::try_from("net/ipv4/ip_forward".to_owned()).unwrap();
        kernel.sysctl_set(Role::Host, &key, "1").unwrap();

        let mut taken = Taken::default();
        taken.netns("host", &mut kernel, Role::Host);
        taken.netns("blue", &mut kernel, Role::Container);
        taken.filters(&mut kernel);
        let (state, left_out) = taken.finish();
        assert_eq!(left_out, [""; 0]);
        let again = SimNode::from_state(&state).unwrap().snapshot();
        assert_eq!(node.snapshot().difference(&again), [""; 0]);
    }
}
