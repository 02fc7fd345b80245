//! The world of a case: a kernel, spoken to by name, whose answers are kept for comparison.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use wasmcni::kernel::{
    Errno, IfIndex, Kernel, Link, LinkChange, LinkSpec, Parent, PortChange, Role, Route, RuleSpec,
    VlanEntry,
};

use super::observe::{Seen, observe};
use super::words::{address, ifname, key, route};

/// How long Linux may take to become what the model said. It does some things a moment later: operational
/// states (linkwatch), duplicate address detection, the end of a namespace.
const PATIENCE: Duration = Duration::from_secs(10);

/// What comes of an act, if only whether and why not.
pub(crate) type Done<T = ()> = Result<T, Errno>;

/// What a run of a case leaves for comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// An act and its answer.
    Act(String),
    /// What was seen.
    Look(Seen),
}

/// See the module's text.
pub(crate) struct World<'a> {
    pub(crate) kernel: &'a mut dyn Kernel,
    /// What the model did, when this is Linux.
    expected: Option<Vec<Entry>>,
    /// How `ip` sees it, when this is Linux.
    witness: Option<&'a dyn Fn() -> Seen>,
    entries: Vec<Entry>,
}

impl<'a> World<'a> {
    /// The model.
    pub(crate) fn of_sim(kernel: &'a mut dyn Kernel) -> Self {
        Self { kernel, expected: None, witness: None, entries: Vec::new() }
    }

    /// Linux, which must do what the model did.
    pub(crate) fn of_linux(
        kernel: &'a mut dyn Kernel,
        expected: Vec<Entry>,
        witness: Option<&'a dyn Fn() -> Seen>,
    ) -> Self {
        Self { kernel, expected: Some(expected), witness, entries: Vec::new() }
    }

    /// The run's record.
    pub(crate) fn entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Keeps an answer, which on Linux must be the model's.
    fn did<T: Debug>(
        &mut self,
        act: &str,
        answer: wasmcni::kernel::Result<T>,
        words: impl FnOnce(&T) -> String,
    ) -> Done<T> {
        let text = match &answer {
            Ok(value) => format!("{act}: {}", words(value)),
            Err(error) => format!("{act}: {:?}", error.errno),
        };
        let at = self.entries.len();
        if let Some(expected) = &self.expected {
            let expected = match expected.get(at) {
                Some(Entry::Act(expected)) => expected,
                Some(Entry::Look(_)) | None => panic!("the model did not do this: {text}"),
            };
            let hint = answer.as_ref().err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(*expected, text, "the model (left) and Linux (right) differ; {hint}");
        }
        self.entries.push(Entry::Act(text));
        answer.map_err(|error| error.errno)
    }

    fn did_it(&mut self, act: &str, answer: wasmcni::kernel::Result<()>) -> Done {
        self.did(act, answer, |()| "done".to_owned())
    }

    /// Keeps what can be seen, once all is settled. On Linux it must become what the model's was.
    pub(crate) fn look(&mut self) {
        let at = self.entries.len();
        let Some(expected) = &self.expected else {
            self.settle();
            let seen = observe(self.kernel);
            return self.entries.push(Entry::Look(seen));
        };
        let Some(Entry::Look(expected)) = expected.get(at) else {
            panic!("the model did not look here");
        };
        let start = Instant::now();
        loop {
            let ours = observe(self.kernel);
            let differs = expected.difference(&ours);
            if differs.is_empty()
                && let Some(witness) = self.witness
            {
                let theirs = witness();
                let differs = ours.as_a_witness_sees().difference(&theirs);
                if differs.is_empty() {
                    return self.entries.push(Entry::Look(ours));
                }
                assert!(
                    start.elapsed() < PATIENCE,
                    "we (-) and iproute2 (+) see different things:\n{differs}"
                );
            } else if differs.is_empty() {
                return self.entries.push(Entry::Look(ours));
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the model (-) and Linux (+) have become different:\n{differs}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets detection of duplicate addresses end in the model. (There, waiting takes no time.)
    fn settle(&mut self) {
        for role in [Role::Host, Role::Container] {
            for link in self.kernel.links(role).unwrap_or_default() {
                // Links that are down do not settle.
                let _ = self.kernel.addrs_wait_settled(role, link.index, PATIENCE);
            }
        }
    }

    /// The link of this name, which must be there.
    pub(crate) fn link(&mut self, netns: Role, name: &str) -> Link {
        let found = self.kernel.link_by_name(netns, &ifname(name));
        found.unwrap().unwrap_or_else(|| panic!("there is no link {name} in {netns}"))
    }

    /// Its index; `#9` is index 9, there or not.
    pub(crate) fn index(&mut self, netns: Role, name: &str) -> IfIndex {
        match name.strip_prefix('#') {
            Some(index) => IfIndex(index.parse().unwrap()),
            None => self.link(netns, name).index,
        }
    }

    /// The link as a lower device.
    pub(crate) fn parent(&mut self, netns: Role, name: &str) -> Parent {
        Parent { netns, index: self.index(netns, name) }
    }

    /// Is there a link of this name?
    pub(crate) fn has(&mut self, netns: Role, name: &str) -> bool {
        self.kernel.link_by_name(netns, &ifname(name)).unwrap().is_some()
    }

    /// `ip link add`. What the kernel reports of the new link must be what it says when it is asked.
    pub(crate) fn create(&mut self, netns: Role, spec: &LinkSpec) -> Done {
        let made = self.kernel.link_create(netns, spec);
        if let Ok(link) = &made {
            let asked = self.kernel.link_by_index(netns, link.index).unwrap();
            assert_eq!(asked.as_ref(), Some(link), "{}", spec.name);
            assert_eq!(link.name, spec.name);
        }
        let act = format!("create {} in {netns}", spec.name);
        self.did(&act, made, |_| "done".to_owned()).map(drop)
    }

    /// `ip link delete`.
    pub(crate) fn delete(&mut self, netns: Role, name: &str) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.link_delete(netns, index);
        self.did_it(&format!("delete {name} in {netns}"), answer)
    }

    /// `ip link set`.
    pub(crate) fn set(&mut self, netns: Role, name: &str, change: LinkChange) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.link_set(netns, index, &change);
        // Indices differ between kernels.
        let words = match change {
            LinkChange::Master(Some(_)) => "master".to_owned(),
            other => other.to_string(),
        };
        self.did_it(&format!("set {name} in {netns} {words}"), answer)
    }

    /// `ip link set netns … name … alias …`. What the kernel reports of it must be what it says when it is
    /// asked.
    pub(crate) fn move_link(
        &mut self,
        from: Role,
        name: &str,
        to: Role,
        new: &str,
        alias: &str,
    ) -> Done {
        let index = self.index(from, name);
        let moved = self.kernel.link_move(from, index, to, &ifname(new), alias);
        if let Ok(link) = &moved {
            let asked = self.kernel.link_by_name(to, &ifname(new)).unwrap();
            assert_eq!(asked.as_ref(), Some(link), "{new}");
        }
        self.did(&format!("move {name} of {from} to {new}"), moved, |_| "done".to_owned()).map(drop)
    }

    /// `ip link set up`, which must succeed.
    pub(crate) fn up(&mut self, netns: Role, name: &str) {
        self.set(netns, name, LinkChange::Up).unwrap();
    }

    /// `ip link set down`, which must succeed.
    pub(crate) fn down(&mut self, netns: Role, name: &str) {
        self.set(netns, name, LinkChange::Down).unwrap();
    }

    /// `ip link set master`.
    pub(crate) fn enslave(&mut self, netns: Role, name: &str, master: &str) -> Done {
        let master = self.index(netns, master);
        self.set(netns, name, LinkChange::Master(Some(master)))
    }

    /// Waits until the link is operationally up.
    pub(crate) fn wait_up(&mut self, netns: Role, name: &str, timeout: Duration) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.link_wait_up(netns, index, timeout);
        self.did_it(&format!("wait for {name} in {netns}"), answer)
    }

    /// `ip address add`, in the words of [`address`].
    pub(crate) fn addr(&mut self, netns: Role, name: &str, text: &str) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.addr_add(netns, index, &address(text));
        self.did_it(&format!("add {text} to {name} in {netns}"), answer)
    }

    /// `ip address delete`.
    pub(crate) fn addr_delete(&mut self, netns: Role, name: &str, text: &str) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.addr_delete(netns, index, &address(text));
        self.did_it(&format!("delete {text} of {name} in {netns}"), answer)
    }

    /// The addresses of a link, sorted, in the words of [`address`].
    pub(crate) fn addrs(&mut self, netns: Role, name: &str) -> Vec<String> {
        let index = self.index(netns, name);
        let addresses = self.kernel.addrs(netns, index).unwrap();
        let mut words: Vec<String> = addresses.iter().map(|a| a.address.to_string()).collect();
        words.sort();
        words
    }

    /// Waits until no address is tentative.
    pub(crate) fn wait_settled(&mut self, netns: Role, name: &str, timeout: Duration) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.addrs_wait_settled(netns, index, timeout);
        self.did_it(&format!("settle {name} in {netns}"), answer)
    }

    fn route_spec(&mut self, netns: Role, text: &str) -> wasmcni::kernel::RouteSpec {
        let mut index = IfIndex(0);
        let mut words = text.split(' ');
        if words.any(|word| word == "dev") {
            let name = words.next().expect("a link").to_owned();
            index = self.index(netns, &name);
        }
        route(text, |_| index)
    }

    /// `ip route prepend`, in the words of [`route`].
    pub(crate) fn route(&mut self, netns: Role, text: &str) -> Done {
        let spec = self.route_spec(netns, text);
        let answer = self.kernel.route_add(netns, &spec);
        self.did_it(&format!("add route {text} in {netns}"), answer)
    }

    /// `ip route delete`.
    pub(crate) fn route_delete(&mut self, netns: Role, text: &str) -> Done {
        let spec = self.route_spec(netns, text);
        let answer = self.kernel.route_delete(netns, &spec);
        self.did_it(&format!("delete route {text} in {netns}"), answer)
    }

    /// `ip route get`.
    pub(crate) fn route_to(&mut self, netns: Role, ip: &str) -> Done<Route> {
        let destination: IpAddr = ip.parse().unwrap();
        let answer = self.kernel.route_to(netns, destination);
        let names = super::observe::names(self.kernel, netns);
        self.did(&format!("route to {ip} in {netns}"), answer, |route| {
            super::observe::route_words(route, &names)
        })
    }

    /// `ip rule add from SOURCE lookup TABLE`.
    pub(crate) fn rule(&mut self, netns: Role, source: &str, table: u32) -> Done {
        let rule = RuleSpec { source: super::words::net(source), table };
        let answer = self.kernel.rule_add(netns, &rule);
        self.did_it(&format!("add rule {rule} in {netns}"), answer)
    }

    /// `ip rule delete from SOURCE lookup TABLE`.
    pub(crate) fn rule_delete(&mut self, netns: Role, source: &str, table: u32) -> Done {
        let rule = RuleSpec { source: super::words::net(source), table };
        let answer = self.kernel.rule_delete(netns, &rule);
        self.did_it(&format!("delete rule {rule} in {netns}"), answer)
    }

    /// Has main table a route to exactly this destination?
    pub(crate) fn has_route(&mut self, netns: Role, destination: &str) -> bool {
        let destination = super::words::net(destination);
        let routes = self.kernel.routes(netns).unwrap();
        routes.iter().any(|route| route.table == 254 && route.destination == destination)
    }

    /// `bridge link set`.
    pub(crate) fn port(&mut self, netns: Role, name: &str, change: PortChange) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.bridge_port_set(netns, index, change);
        self.did_it(&format!("set port {name} in {netns} {change}"), answer)
    }

    /// `bridge vlan add`.
    pub(crate) fn vlan(&mut self, netns: Role, name: &str, vlan: VlanEntry) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.bridge_vlan_add(netns, index, &vlan);
        self.did_it(&format!("add {vlan:?} to {name} in {netns}"), answer)
    }

    /// `bridge vlan delete`.
    pub(crate) fn vlan_delete(&mut self, netns: Role, name: &str, vlan: VlanEntry) -> Done {
        let index = self.index(netns, name);
        let answer = self.kernel.bridge_vlan_delete(netns, index, &vlan);
        self.did_it(&format!("delete {vlan:?} of {name} in {netns}"), answer)
    }

    /// `sysctl -n`.
    pub(crate) fn sysctl(&mut self, netns: Role, name: &str) -> Done<String> {
        let answer = self.kernel.sysctl_get(netns, &key(name));
        self.did(&format!("read {name} in {netns}"), answer, |value| format!("{value:?}"))
    }

    /// `sysctl -w`.
    pub(crate) fn sysctl_set(&mut self, netns: Role, name: &str, value: &str) -> Done {
        let answer = self.kernel.sysctl_set(netns, &key(name), value);
        self.did_it(&format!("write {value:?} to {name} in {netns}"), answer)
    }

    /// New links use their IPv6 addresses at once, so that cases of other things need not wait. Every case
    /// begins so.
    pub(crate) fn without_dad(&mut self) {
        self.set_dad("0");
    }

    /// New links look for duplicates of their IPv6 addresses, as they do by default.
    pub(crate) fn with_dad(&mut self) {
        self.set_dad("1");
    }

    /// New links look for duplicates for longer than any case takes.
    pub(crate) fn with_endless_dad(&mut self) {
        self.with_dad();
        for netns in [Role::Host, Role::Container] {
            self.sysctl_set(netns, "net/ipv6/conf/default/dad_transmits", "1000").unwrap();
        }
    }

    fn set_dad(&mut self, value: &str) {
        for netns in [Role::Host, Role::Container] {
            if self.kernel.netns(netns).is_some() {
                self.sysctl_set(netns, "net/ipv6/conf/default/accept_dad", value).unwrap();
            }
        }
    }

    /// A veth from the host netns to the container netns, both ends down.
    pub(crate) fn veth(&mut self, name: &str, peer: &str) {
        let spec = super::words::veth(name, peer, Role::Container);
        self.create(Role::Host, &spec).unwrap();
    }

    /// The same, both ends up and operational.
    pub(crate) fn veth_up(&mut self, name: &str, peer: &str) {
        self.veth(name, peer);
        self.pair_up(name, peer);
    }

    /// Has a veth pair up and running.
    pub(crate) fn pair_up(&mut self, name: &str, peer: &str) {
        self.up(Role::Host, name);
        self.up(Role::Container, peer);
        self.wait_up(Role::Host, name, PATIENCE).unwrap();
        self.wait_up(Role::Container, peer, PATIENCE).unwrap();
    }
}
