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
mod device;
mod firewalld;
mod ipv6;
mod kernel;
mod link;
mod nat;
mod port_map;
mod restore;
mod route;
mod rule;
mod rules;
mod shaping;
mod snapshot;
mod state;
mod sysctl;
mod words;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use restore::BadState;
pub use snapshot::{
    GuardState, LinkState, MappingState, NetnsState, State, route_words, rule_words,
};
pub use sysctl::known_keys;

use super::{KernelError, Owner, Result, Role};
use state::{Answer, NetnsKey, Node, Roles};

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

    /// A machine in this state; what the state leaves out is as the kernel would choose it.
    ///
    /// # Errors
    /// The first thing in it that makes no sense.
    pub fn from_state(state: &State) -> std::result::Result<Self, BadState> {
        let (node, host) = Node::in_state(state)?;
        Ok(Self { node: Arc::new(Mutex::new(node)), host })
    }

    /// Whether there is a network namespace of this name.
    pub fn has_netns(&self, name: &str) -> bool {
        lock(&self.node).netns_named(name).is_some()
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

    /// As if the reference plugins had masqueraded and guarded an attachment, by nftables.
    pub fn masquerade_and_guard_by_reference(&self, owner: &Owner) {
        let mut node = lock(&self.node);
        node.reference_masquerades.push(owner.clone());
        node.reference_spoof_guards.push(owner.clone());
    }

    /// firewalld starts, with the zones that it comes with and nothing in them. Starting it again is what a
    /// restart or a reload is: what was in its zones at run time is gone.
    pub fn start_firewalld(&self) {
        lock(&self.node).firewalld = Some(firewalld::Zones::default());
    }

    /// firewalld stops, and all that it had at run time is gone.
    pub fn stop_firewalld(&self) {
        lock(&self.node).firewalld = None;
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

#[cfg(test)]
mod tests;
