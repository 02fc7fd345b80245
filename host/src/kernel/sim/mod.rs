//! A simulated kernel: a model with state and the kernel's errnos, for tests, `plan` and policy tests.
//!
//! A [`SimNode`] is a machine: the host netns, and named network namespaces that come and go.
//! [`SimNode::kernel`] hands out a [`Sim`], the [`Kernel`] of one call. What one call leaves, the next
//! one finds. [`SimNode::snapshot`] is the node's state as a value:
//!
//! ```
//! use wasmcni::kernel::sim::SimNode;
//! use wasmcni::kernel::{Kernel, KindSpec, LinkSpec, Role};
//!
//! let mut node = SimNode::new();
//! node.add_netns("blue");
//! let before = node.snapshot();
//!
//! let mut kernel = node.kernel(Some("blue"));
//! let name = "br0".try_into().unwrap();
//! let kind = KindSpec::Bridge { vlan_filtering: false };
//! let bridge =
//!     kernel.link_create(Role::Host, &LinkSpec { name, mtu: None, mac: None, kind }).unwrap();
//! assert!(!before.difference(&node.snapshot()).is_empty());
//!
//! kernel.link_delete(Role::Host, bridge.index).unwrap();
//! assert_eq!(before, node.snapshot());
//! ```
//!
//! Time passes only where a call waits: detection of a duplicate address takes 1.5 s of a wait, not of the
//! clock. What Linux does with it is checked by `tests/kernel`, which runs the same cases on both.

mod address;
mod bridge;
mod carrier;
mod ipv6;
mod link;
mod nat;
mod route;
mod rules;
mod snapshot;
mod state;
mod sysctl;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use snapshot::{LinkState, NetnsState, State};

use super::{
    Address, AddressSpec, Errno, IfIndex, Kernel, KernelError, Link, LinkChange, LinkSpec,
    Masquerade, NetnsId, PortChange, Result, Role, Route, RouteSpec, SpoofGuard, SysctlKey,
    VlanEntry,
};
use crate::names::IfName;
use state::{Answer, Dad, DeviceId, NetnsKey, Node, Roles};

/// A simulated machine. Kernels that it hands out act on it; a clone of it is another machine in the same
/// state.
#[derive(Debug)]
pub struct SimNode {
    node: Arc<Mutex<Node>>,
    host: NetnsKey,
}

/// The simulated kernel of one call. A clone acts on a copy of the machine; equal are kernels that see the
/// same state.
#[derive(Debug)]
pub struct Sim {
    node: Arc<Mutex<Node>>,
    roles: Roles,
}

fn lock(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    // A node is replaced whole (see `Sim::act`), so a panic elsewhere left it as it was.
    node.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimNode {
    /// A machine with nothing but its host netns.
    pub fn new() -> Self {
        let (node, host) = Node::new();
        Self { node: Arc::new(Mutex::new(node)), host }
    }

    /// A new network namespace with a loopback device that is down. Equivalent: `ip netns add NAME`.
    /// One of the same name is deleted first.
    pub fn add_netns(&mut self, name: &str) {
        self.remove_netns(name);
        lock(&self.node).add_netns(name);
    }

    /// The namespace goes, with its links and all that is tied to them. Equivalent: `ip netns delete NAME`.
    /// Whether it was there. The host netns stays.
    pub fn remove_netns(&mut self, name: &str) -> bool {
        let mut node = lock(&self.node);
        let key = node.netns_named(name).filter(|key| *key != self.host);
        if let Some(key) = key {
            node.remove_netns(key);
            // Bridges that lost ports look at what is left; nothing of it can be refused.
            let _ = node.settle();
        }
        key.is_some()
    }

    /// The kernel of a call whose container netns has this name; without one, or with a name that is not
    /// there, whatever concerns the container netns answers `ENOENT`.
    pub fn kernel(&self, container: Option<&str>) -> Sim {
        let node = lock(&self.node);
        let container = container.and_then(|name| node.netns_named(name));
        drop(node);
        Sim { node: Arc::clone(&self.node), roles: Roles { host: self.host, container } }
    }

    /// The state of the whole machine.
    pub fn snapshot(&self) -> State {
        lock(&self.node).snapshot()
    }

    /// Lets time pass: detections of duplicate addresses end.
    pub fn sleep(&mut self, time: Duration) {
        lock(&self.node).advance(time);
    }
}

impl Default for SimNode {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for SimNode {
    fn clone(&self) -> Self {
        let node = lock(&self.node).clone();
        Self { node: Arc::new(Mutex::new(node)), host: self.host }
    }
}

impl Sim {
    /// The kernel of a machine with the host netns and a container netns named `container`.
    pub fn new() -> Self {
        let mut node = SimNode::new();
        node.add_netns("container");
        node.kernel(Some("container"))
    }

    /// The kernel of a machine with the host netns alone, as DEL without `CNI_NETNS` sees it.
    pub fn without_container() -> Self {
        SimNode::new().kernel(None)
    }

    /// The machine that this kernel acts on.
    pub fn node(&self) -> SimNode {
        SimNode { node: Arc::clone(&self.node), host: self.roles.host }
    }

    /// The state of the whole machine.
    pub fn snapshot(&self) -> State {
        lock(&self.node).snapshot()
    }

    /// Acts on a copy, which takes the original's place unless the act is refused.
    fn act<T>(
        &mut self,
        netns: Role,
        words: impl FnOnce() -> String,
        act: impl FnOnce(&mut Node, NetnsKey, Roles) -> Answer<T>,
    ) -> Result<T> {
        let mut node = lock(&self.node);
        let mut trial = node.clone();
        let done = self.roles.key(netns).and_then(|key| {
            trial.ns(key)?;
            act(&mut trial, key, self.roles)
        });
        if done.is_ok() {
            *node = trial;
        }
        done.map_err(|errno| KernelError::new(words(), errno))
    }

    /// Waits, which takes simulated time whatever comes of it.
    fn wait(
        &mut self,
        netns: Role,
        words: impl FnOnce() -> String,
        wait: impl FnOnce(&mut Node, NetnsKey) -> Answer<()>,
    ) -> Result<()> {
        let mut node = lock(&self.node);
        let done = self.roles.key(netns).and_then(|key| wait(&mut node, key));
        done.map_err(|errno| KernelError::new(words(), errno))
    }
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Sim {
    fn clone(&self) -> Self {
        let node = lock(&self.node).clone();
        Self { node: Arc::new(Mutex::new(node)), roles: self.roles }
    }
}

impl PartialEq for Sim {
    fn eq(&self, other: &Self) -> bool {
        self.snapshot() == other.snapshot()
    }
}

impl Node {
    fn link(&self, id: DeviceId) -> Answer<Link> {
        let device = self.dev(id)?;
        let index_of = |id: DeviceId| self.devices.get(&id).map(|device| device.index);
        Ok(Link {
            index: device.index,
            name: device.name.clone(),
            kind: device.kind.word().to_owned(),
            mac: Some(device.mac),
            mtu: device.mtu,
            up: device.up,
            oper_up: device.oper_up,
            promisc: device.promisc,
            loopback: device.kind.is_loopback(),
            master: device.master.and_then(index_of),
            parent: device.kind.iflink().and_then(index_of),
            alias: device.alias.clone(),
            vlan_filtering: matches!(device.kind, state::Kind::Bridge { vlan_filtering: true, .. }),
            port: device.port,
        })
    }

    fn addresses(&self, id: DeviceId) -> Answer<Vec<Address>> {
        let seen = |entry: &state::AddressEntry| Address {
            address: entry.address,
            scope: entry.scope,
            tentative: matches!(entry.dad, Dad::Waiting | Dad::Until(_)),
            duplicate: entry.dad == Dad::Failed,
        };
        Ok(self.dev(id)?.addresses.iter().map(seen).collect())
    }

    fn wait_up(&mut self, netns: NetnsKey, index: IfIndex, timeout: Duration) -> Answer<()> {
        let id = self.find(netns, index)?;
        if self.dev(id)?.oper_up {
            return Ok(());
        }
        // Nobody else acts meanwhile.
        self.advance(timeout);
        Err(Errno::ETIMEDOUT)
    }
}

impl Kernel for Sim {
    fn netns(&self, netns: Role) -> Option<NetnsId> {
        let key = self.roles.key(netns).ok()?;
        lock(&self.node).ns(key).ok().map(|_| Node::netns_id(key))
    }

    fn link_by_name(&mut self, netns: Role, name: &IfName) -> Result<Option<Link>> {
        let words = || format!("looking for link \"{name}\" in {netns}");
        self.act(netns, words, |node, key, _| {
            node.find_name(key, name.as_str()).map(|id| node.link(id)).transpose()
        })
    }

    fn link_by_index(&mut self, netns: Role, index: IfIndex) -> Result<Option<Link>> {
        let words = || format!("looking for link {} in {netns}", index.0);
        self.act(netns, words, |node, key, _| {
            node.find(key, index).ok().map(|id| node.link(id)).transpose()
        })
    }

    fn links(&mut self, netns: Role) -> Result<Vec<Link>> {
        let words = || format!("listing links in {netns}");
        self.act(netns, words, |node, key, _| {
            let links: Answer<Vec<Link>> =
                node.members(key).into_iter().map(|id| node.link(id)).collect();
            let mut links = links?;
            links.sort_by_key(|link| link.index);
            Ok(links)
        })
    }

    fn link_create(&mut self, netns: Role, spec: &LinkSpec) -> Result<Link> {
        let words = || format!("creating link \"{}\" in {netns}", spec.name);
        self.act(netns, words, |node, key, roles| {
            let id = node.link_create(roles, key, spec)?;
            node.link(id)
        })
    }

    fn link_delete(&mut self, netns: Role, index: IfIndex) -> Result<()> {
        let words = || format!("deleting link {} in {netns}", index.0);
        self.act(netns, words, |node, key, _| node.link_delete(key, index))
    }

    fn link_set(&mut self, netns: Role, index: IfIndex, change: &LinkChange) -> Result<()> {
        let words = || format!("setting link {} in {netns} to \"{change}\"", index.0);
        self.act(netns, words, |node, key, roles| node.link_set(roles, key, index, change))
    }

    fn link_wait_up(&mut self, netns: Role, index: IfIndex, timeout: Duration) -> Result<()> {
        let words = || format!("waiting for link {} in {netns} to come up", index.0);
        self.wait(netns, words, |node, key| node.wait_up(key, index, timeout))
    }

    fn addr_add(&mut self, netns: Role, index: IfIndex, address: &AddressSpec) -> Result<()> {
        let words =
            || format!("adding address \"{}\" to link {} in {netns}", address.address, index.0);
        self.act(netns, words, |node, key, _| node.addr_add(key, index, address))
    }

    fn addr_delete(&mut self, netns: Role, index: IfIndex, address: &AddressSpec) -> Result<()> {
        let words =
            || format!("deleting address \"{}\" of link {} in {netns}", address.address, index.0);
        self.act(netns, words, |node, key, _| node.addr_delete(key, index, address))
    }

    fn addrs(&mut self, netns: Role, index: IfIndex) -> Result<Vec<Address>> {
        let words = || format!("listing addresses of link {} in {netns}", index.0);
        self.act(netns, words, |node, key, _| node.addresses(node.find(key, index)?))
    }

    fn addrs_wait_settled(&mut self, netns: Role, index: IfIndex, timeout: Duration) -> Result<()> {
        let words =
            || format!("waiting for the addresses of link {} in {netns} to settle", index.0);
        self.wait(netns, words, |node, key| node.wait_settled(key, index, timeout))
    }

    fn route_add(&mut self, netns: Role, route: &RouteSpec) -> Result<()> {
        let words = || format!("adding route {route} in {netns}");
        self.act(netns, words, |node, key, _| node.route_add(key, route))
    }

    fn route_delete(&mut self, netns: Role, route: &RouteSpec) -> Result<()> {
        let words = || format!("deleting route {route} in {netns}");
        self.act(netns, words, |node, key, _| node.route_delete(key, route))
    }

    fn routes(&mut self, netns: Role) -> Result<Vec<Route>> {
        let words = || format!("listing routes in {netns}");
        self.act(netns, words, |node, key, _| node.routes(key))
    }

    fn route_to(&mut self, netns: Role, destination: IpAddr) -> Result<Route> {
        let words = || format!("looking for the route to \"{destination}\" in {netns}");
        self.act(netns, words, |node, key, _| node.route_to(key, destination))
    }

    fn bridge_port_set(&mut self, netns: Role, port: IfIndex, change: PortChange) -> Result<()> {
        let words = || format!("setting bridge port {} in {netns} to \"{change}\"", port.0);
        self.act(netns, words, |node, key, _| node.port_set(key, port, change))
    }

    fn bridge_vlan_add(&mut self, netns: Role, link: IfIndex, vlan: &VlanEntry) -> Result<()> {
        let words =
            || format!("adding VLAN {}-{} to link {} in {netns}", vlan.first, vlan.last, link.0);
        self.act(netns, words, |node, key, _| node.vlan_add(key, link, vlan))
    }

    fn bridge_vlan_delete(&mut self, netns: Role, link: IfIndex, vlan: &VlanEntry) -> Result<()> {
        let words =
            || format!("deleting VLAN {}-{} of link {} in {netns}", vlan.first, vlan.last, link.0);
        self.act(netns, words, |node, key, _| node.vlan_delete(key, link, vlan))
    }

    fn bridge_vlans(&mut self, netns: Role, link: IfIndex) -> Result<Vec<VlanEntry>> {
        let words = || format!("listing VLANs of link {} in {netns}", link.0);
        self.act(netns, words, |node, key, _| node.vlans(key, link))
    }

    fn sysctl_get(&mut self, netns: Role, key: &SysctlKey) -> Result<String> {
        let words = || format!("reading sysctl \"{key}\" in {netns}");
        self.act(netns, words, |node, of, _| node.sysctl_get(of, key))
    }

    fn sysctl_set(&mut self, netns: Role, key: &SysctlKey, value: &str) -> Result<()> {
        let words = || format!("setting sysctl \"{key}\" in {netns} to {value:?}");
        self.act(netns, words, |node, of, _| node.sysctl_set(of, key, value))
    }

    fn masquerade_add(&mut self, masquerade: &Masquerade) -> Result<()> {
        lock(&self.node).masquerade_add(masquerade);
        Ok(())
    }

    fn masquerade_delete(&mut self, masquerade: &Masquerade) -> Result<()> {
        lock(&self.node).masquerade_delete(masquerade);
        Ok(())
    }

    fn masquerades(&mut self) -> Result<Vec<Masquerade>> {
        Ok(lock(&self.node).masquerades.clone())
    }

    fn spoof_guard_add(&mut self, guard: &SpoofGuard) -> Result<()> {
        lock(&self.node).spoof_guard_add(guard);
        Ok(())
    }

    fn spoof_guard_delete(&mut self, guard: &SpoofGuard) -> Result<()> {
        lock(&self.node).spoof_guard_delete(guard);
        Ok(())
    }

    fn spoof_guards(&mut self) -> Result<Vec<SpoofGuard>> {
        Ok(lock(&self.node).spoof_guards.clone())
    }
}
