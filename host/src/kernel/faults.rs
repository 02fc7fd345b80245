//! Faults on demand, for tests: a kernel around another that counts what changes it, and at a chosen
//! operation refuses, or does something before or after it. `wasmcni test` has one around the simulated kernel; a
//! call on a node has one, without faults, if it is recorded: for what the kernel refused.
//!
//! ```
//! use wasmcni::kernel::faults::{At, Faults};
//! use wasmcni::kernel::sim::Sim;
//! use wasmcni::kernel::{Errno, Kernel, KindSpec, LinkSpec, Role};
//!
//! let mut kernel = Faults::new(Sim::new()).refuse(At::Named("link_create", 1), Errno::ENOMEM);
//! let record = kernel.record();
//! let spec = LinkSpec {
//!     name: "br0".try_into().unwrap(),
//!     mtu: None,
//!     mac: None,
//!     kind: KindSpec::Bridge { vlan_filtering: false },
//! };
//! assert_eq!(kernel.link_create(Role::Host, &spec).unwrap_err().errno, Errno::ENOMEM);
//! kernel.link_create(Role::Host, &spec).unwrap();
//! assert_eq!(record.words(), ["link_create br0 in host-netns"; 2]);
//! ```

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    Address, AddressSpec, Admission, Errno, IfIndex, Kernel, KernelError, Link, LinkChange,
    LinkSpec, Masquerade, NetnsId, Owner, PortChange, PortMap, PortMapping, Result, Role, Route,
    RouteSpec, Rule, RuleSpec, Shaping, SpoofGuard, SysctlKey, TokenBucket, VlanEntry, ZoneSource,
};
use crate::names::IfName;

/// An operation that changes the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Which one it was, the first being 1.
    pub number: usize,
    /// The method of [`Kernel`].
    pub name: &'static str,
    /// What it was about: `veth1a2b in host-netns`.
    pub object: String,
    /// Why it was not done.
    pub failed: Option<KernelError>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.object)
    }
}

/// When a fault happens. All counts begin at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// At the n-th operation.
    Number(usize),
    /// At the n-th operation of this name.
    Named(&'static str, usize),
}

impl At {
    fn is_reached(self, operation: &Operation, of_its_name: usize) -> bool {
        match self {
            Self::Number(number) => number == operation.number,
            Self::Named(name, number) => name == operation.name && number == of_its_name,
        }
    }
}

/// The operations that faults can happen at, by name.
pub const OPERATIONS: [&str; 32] = [
    "addr_add",
    "addr_delete",
    "admission_add",
    "admission_delete",
    "bridge_port_set",
    "bridge_vlan_add",
    "bridge_vlan_delete",
    "bucket_add",
    "bucket_delete",
    "link_create",
    "link_delete",
    "link_move",
    "link_set",
    "masquerade_add",
    "masquerade_delete",
    "netns_lock",
    "port_map_add",
    "port_map_delete",
    "redirect_add",
    "redirect_delete",
    "reference_masquerade_delete",
    "reference_port_rules_delete",
    "reference_spoof_guard_delete",
    "route_add",
    "route_delete",
    "rule_add",
    "rule_delete",
    "spoof_guard_add",
    "spoof_guard_delete",
    "sysctl_set",
    "zone_source_add",
    "zone_source_delete",
];

type Action = Box<dyn FnMut(&Operation) + Send>;

/// What happens.
enum Fault {
    Refuse(Errno),
    Answer(KernelError),
    Lose(Errno),
    Before(Action),
    After(Action),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse(errno) => write!(f, "Refuse({errno:?})"),
            Self::Answer(error) => write!(f, "Answer({error})"),
            Self::Lose(errno) => write!(f, "Lose({errno:?})"),
            Self::Before(_) => f.write_str("Before(..)"),
            Self::After(_) => f.write_str("After(..)"),
        }
    }
}

/// What was asked of a [`Faults`], including what it refused. Clones are of the same record, so that it can
/// be read when the kernel has been given away.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Operation>>>);

impl Record {
    fn lock(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operations, in order.
    pub fn operations(&self) -> Vec<Operation> {
        self.lock().clone()
    }

    /// The operations as text, in order.
    pub fn words(&self) -> Vec<String> {
        self.lock().iter().map(ToString::to_string).collect()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn add(&self, name: &'static str, object: String) -> (Operation, usize) {
        let mut operations = self.lock();
        let number = operations.len() + 1;
        let operation = Operation { number, name, object, failed: None };
        operations.push(operation.clone());
        let of_its_name = operations.iter().filter(|other| other.name == name).count();
        (operation, of_its_name)
    }

    fn failed(&self, operation: &Operation, error: &KernelError) {
        let mut operations = self.lock();
        if let Some(kept) = operations.iter_mut().find(|kept| kept.number == operation.number) {
            kept.failed = Some(error.clone());
        }
    }
}

/// A kernel that has faults.
#[derive(Debug)]
pub struct Faults<K> {
    kernel: K,
    faults: Vec<(At, Fault)>,
    record: Record,
}

impl<K: Kernel> Faults<K> {
    /// A kernel that only keeps a record.
    pub fn new(kernel: K) -> Self {
        Self { kernel, faults: Vec::new(), record: Record::default() }
    }

    /// That operation is answered with this errno and not done.
    #[must_use]
    pub fn refuse(self, at: At, errno: Errno) -> Self {
        self.with(at, Fault::Refuse(errno))
    }

    /// That operation is answered with this error and not done.
    #[must_use]
    pub fn answer(self, at: At, error: KernelError) -> Self {
        self.with(at, Fault::Answer(error))
    }

    /// That operation is done, if the kernel does it, and its answer replaced by this errno, as when it is
    /// lost.
    #[must_use]
    pub fn lose(self, at: At, errno: Errno) -> Self {
        self.with(at, Fault::Lose(errno))
    }

    /// This is done before that operation.
    #[must_use]
    pub fn before(self, at: At, action: impl FnMut(&Operation) + Send + 'static) -> Self {
        self.with(at, Fault::Before(Box::new(action)))
    }

    /// This is done when the kernel has answered that operation.
    #[must_use]
    pub fn after(self, at: At, action: impl FnMut(&Operation) + Send + 'static) -> Self {
        self.with(at, Fault::After(Box::new(action)))
    }

    fn with(mut self, at: At, fault: Fault) -> Self {
        self.faults.push((at, fault));
        self
    }

    /// What is asked of this kernel, now and later.
    pub fn record(&self) -> Record {
        self.record.clone()
    }

    /// The kernel behind, past counting and faults.
    pub fn kernel(&mut self) -> &mut K {
        &mut self.kernel
    }

    fn act<T>(
        &mut self,
        name: &'static str,
        object: String,
        act: impl FnOnce(&mut K) -> Result<T>,
    ) -> Result<T> {
        let (operation, of_its_name) = self.record.add(name, object);
        let reached = |at: &At| at.is_reached(&operation, of_its_name);
        let (mut refusal, mut lost) = (None, None);
        for (_, fault) in self.faults.iter_mut().filter(|(at, _)| reached(at)) {
            match fault {
                Fault::Before(action) => action(&operation),
                Fault::Refuse(errno) => {
                    refusal = Some(KernelError::new(operation.to_string(), *errno));
                }
                Fault::Answer(error) => refusal = Some(error.clone()),
                Fault::Lose(errno) => lost = Some(*errno),
                Fault::After(_) => {}
            }
        }
        if let Some(error) = refusal {
            self.record.failed(&operation, &error);
            return Err(error);
        }
        let done = act(&mut self.kernel);
        for (_, fault) in self.faults.iter_mut().filter(|(at, _)| reached(at)) {
            match fault {
                Fault::After(action) => action(&operation),
                Fault::Before(_) | Fault::Refuse(_) | Fault::Answer(_) | Fault::Lose(_) => {}
            }
        }
        let done = match lost {
            Some(errno) => Err(KernelError::new(operation.to_string(), errno)),
            None => done,
        };
        if let Err(error) = &done {
            self.record.failed(&operation, error);
        }
        done
    }
}

fn vlan_words(netns: Role, link: IfIndex, vlan: &VlanEntry) -> String {
    format!("{}-{} of link {} in {netns}", vlan.first, vlan.last, link.0)
}

impl<K: Kernel> Kernel for Faults<K> {
    fn netns(&self, netns: Role) -> Option<NetnsId> {
        self.kernel.netns(netns)
    }

    fn link_by_name(&mut self, netns: Role, name: &IfName) -> Result<Option<Link>> {
        self.kernel.link_by_name(netns, name)
    }

    fn link_by_index(&mut self, netns: Role, index: IfIndex) -> Result<Option<Link>> {
        self.kernel.link_by_index(netns, index)
    }

    fn links(&mut self, netns: Role) -> Result<Vec<Link>> {
        self.kernel.links(netns)
    }

    fn link_create(&mut self, netns: Role, spec: &LinkSpec) -> Result<Link> {
        let object = format!("{} in {netns}", spec.name);
        self.act("link_create", object, |kernel| kernel.link_create(netns, spec))
    }

    fn link_delete(&mut self, netns: Role, index: IfIndex) -> Result<()> {
        let object = format!("{} in {netns}", index.0);
        self.act("link_delete", object, |kernel| kernel.link_delete(netns, index))
    }

    fn link_set(&mut self, netns: Role, index: IfIndex, change: &LinkChange) -> Result<()> {
        let object = format!("{} in {netns} {change}", index.0);
        self.act("link_set", object, |kernel| kernel.link_set(netns, index, change))
    }

    fn link_move(
        &mut self,
        from: Role,
        index: IfIndex,
        to: Role,
        name: &IfName,
        alias: &str,
    ) -> Result<Link> {
        let object = format!("{} in {from} to {name} in {to}", index.0);
        self.act("link_move", object, |kernel| kernel.link_move(from, index, to, name, alias))
    }

    fn link_wait_up(&mut self, netns: Role, index: IfIndex, timeout: Duration) -> Result<()> {
        self.kernel.link_wait_up(netns, index, timeout)
    }

    fn addr_add(&mut self, netns: Role, index: IfIndex, address: &AddressSpec) -> Result<()> {
        let object = format!("{} dev {} in {netns}", address.address, index.0);
        self.act("addr_add", object, |kernel| kernel.addr_add(netns, index, address))
    }

    fn addr_delete(&mut self, netns: Role, index: IfIndex, address: &AddressSpec) -> Result<()> {
        let object = format!("{} dev {} in {netns}", address.address, index.0);
        self.act("addr_delete", object, |kernel| kernel.addr_delete(netns, index, address))
    }

    fn addrs(&mut self, netns: Role, index: IfIndex) -> Result<Vec<Address>> {
        self.kernel.addrs(netns, index)
    }

    fn addrs_wait_settled(&mut self, netns: Role, index: IfIndex, timeout: Duration) -> Result<()> {
        self.kernel.addrs_wait_settled(netns, index, timeout)
    }

    fn route_add(&mut self, netns: Role, route: &RouteSpec) -> Result<()> {
        let object = format!("{route} in {netns}");
        self.act("route_add", object, |kernel| kernel.route_add(netns, route))
    }

    fn route_delete(&mut self, netns: Role, route: &RouteSpec) -> Result<()> {
        let object = format!("{route} in {netns}");
        self.act("route_delete", object, |kernel| kernel.route_delete(netns, route))
    }

    fn routes(&mut self, netns: Role) -> Result<Vec<Route>> {
        self.kernel.routes(netns)
    }

    fn route_to(&mut self, netns: Role, destination: IpAddr) -> Result<Route> {
        self.kernel.route_to(netns, destination)
    }

    fn rule_add(&mut self, netns: Role, rule: &RuleSpec) -> Result<()> {
        let object = format!("{rule} in {netns}");
        self.act("rule_add", object, |kernel| kernel.rule_add(netns, rule))
    }

    fn rule_delete(&mut self, netns: Role, rule: &RuleSpec) -> Result<()> {
        let object = format!("{rule} in {netns}");
        self.act("rule_delete", object, |kernel| kernel.rule_delete(netns, rule))
    }

    fn rules(&mut self, netns: Role) -> Result<Vec<Rule>> {
        self.kernel.rules(netns)
    }

    fn netns_lock(&mut self, netns: Role, patience: Duration) -> Result<()> {
        self.act("netns_lock", netns.to_string(), |kernel| kernel.netns_lock(netns, patience))
    }

    fn bridge_port_set(&mut self, netns: Role, port: IfIndex, change: PortChange) -> Result<()> {
        let object = format!("{} in {netns} {change}", port.0);
        self.act("bridge_port_set", object, |kernel| kernel.bridge_port_set(netns, port, change))
    }

    fn bridge_vlan_add(&mut self, netns: Role, link: IfIndex, vlan: &VlanEntry) -> Result<()> {
        let object = vlan_words(netns, link, vlan);
        self.act("bridge_vlan_add", object, |kernel| kernel.bridge_vlan_add(netns, link, vlan))
    }

    fn bridge_vlan_delete(&mut self, netns: Role, link: IfIndex, vlan: &VlanEntry) -> Result<()> {
        let object = vlan_words(netns, link, vlan);
        self.act("bridge_vlan_delete", object, |kernel| {
            kernel.bridge_vlan_delete(netns, link, vlan)
        })
    }

    fn bridge_vlans(&mut self, netns: Role, link: IfIndex) -> Result<Vec<VlanEntry>> {
        self.kernel.bridge_vlans(netns, link)
    }

    fn sysctl_get(&mut self, netns: Role, key: &SysctlKey) -> Result<String> {
        self.kernel.sysctl_get(netns, key)
    }

    fn sysctl_set(&mut self, netns: Role, key: &SysctlKey, value: &str) -> Result<()> {
        let object = format!("{key}={value} in {netns}");
        self.act("sysctl_set", object, |kernel| kernel.sysctl_set(netns, key, value))
    }

    fn masquerade_add(&mut self, masquerade: &Masquerade) -> Result<()> {
        let object = masquerade.source.to_string();
        self.act("masquerade_add", object, |kernel| kernel.masquerade_add(masquerade))
    }

    fn masquerade_delete(&mut self, masquerade: &Masquerade) -> Result<()> {
        let object = masquerade.source.to_string();
        self.act("masquerade_delete", object, |kernel| kernel.masquerade_delete(masquerade))
    }

    fn masquerades(&mut self) -> Result<Vec<Masquerade>> {
        self.kernel.masquerades()
    }

    fn spoof_guard_add(&mut self, guard: &SpoofGuard) -> Result<()> {
        let object = guard.port.to_string();
        self.act("spoof_guard_add", object, |kernel| kernel.spoof_guard_add(guard))
    }

    fn spoof_guard_delete(&mut self, guard: &SpoofGuard) -> Result<()> {
        let object = guard.port.to_string();
        self.act("spoof_guard_delete", object, |kernel| kernel.spoof_guard_delete(guard))
    }

    fn spoof_guards(&mut self) -> Result<Vec<SpoofGuard>> {
        self.kernel.spoof_guards()
    }

    fn reference_masquerade_delete(&mut self, owner: &Owner) -> Result<()> {
        let object = owner.container_id.clone();
        self.act("reference_masquerade_delete", object, |kernel| {
            kernel.reference_masquerade_delete(owner)
        })
    }

    fn reference_spoof_guard_delete(&mut self, owner: &Owner) -> Result<()> {
        let object = owner.container_id.clone();
        self.act("reference_spoof_guard_delete", object, |kernel| {
            kernel.reference_spoof_guard_delete(owner)
        })
    }

    fn admission_add(&mut self, admission: &Admission, admin: &str) -> Result<()> {
        let object = admission.address.to_string();
        self.act("admission_add", object, |kernel| kernel.admission_add(admission, admin))
    }

    fn admission_delete(&mut self, admission: &Admission) -> Result<()> {
        let object = admission.address.to_string();
        self.act("admission_delete", object, |kernel| kernel.admission_delete(admission))
    }

    fn admissions(&mut self) -> Result<Vec<Admission>> {
        self.kernel.admissions()
    }

    fn firewalld_runs(&mut self, patience: Duration) -> Result<bool> {
        self.kernel.firewalld_runs(patience)
    }

    fn zone_of_source(&mut self, address: IpAddr, patience: Duration) -> Result<Option<String>> {
        self.kernel.zone_of_source(address, patience)
    }

    fn zone_source_add(&mut self, source: &ZoneSource, patience: Duration) -> Result<()> {
        let object = format!("{} to {:?}", source.address, source.zone);
        self.act("zone_source_add", object, |kernel| kernel.zone_source_add(source, patience))
    }

    fn zone_source_delete(&mut self, source: &ZoneSource, patience: Duration) -> Result<()> {
        let object = format!("{} of {:?}", source.address, source.zone);
        self.act("zone_source_delete", object, |kernel| kernel.zone_source_delete(source, patience))
    }

    fn bucket_add(&mut self, netns: Role, link: IfIndex, bucket: &TokenBucket) -> Result<()> {
        let object = format!("{} in {netns} {bucket}", link.0);
        self.act("bucket_add", object, |kernel| kernel.bucket_add(netns, link, bucket))
    }

    fn bucket_delete(&mut self, netns: Role, link: IfIndex) -> Result<()> {
        let object = format!("{} in {netns}", link.0);
        self.act("bucket_delete", object, |kernel| kernel.bucket_delete(netns, link))
    }

    fn redirect_add(&mut self, netns: Role, link: IfIndex, to: IfIndex) -> Result<()> {
        let object = format!("{} to {} in {netns}", link.0, to.0);
        self.act("redirect_add", object, |kernel| kernel.redirect_add(netns, link, to))
    }

    fn redirect_delete(&mut self, netns: Role, link: IfIndex) -> Result<()> {
        let object = format!("{} in {netns}", link.0);
        self.act("redirect_delete", object, |kernel| kernel.redirect_delete(netns, link))
    }

    fn shaping(&mut self, netns: Role, link: IfIndex) -> Result<Shaping> {
        self.kernel.shaping(netns, link)
    }

    fn port_map_add(&mut self, map: &PortMap) -> Result<()> {
        let object = PortMapping::words(&map.mappings);
        self.act("port_map_add", object, |kernel| kernel.port_map_add(map))
    }

    fn port_map_delete(&mut self, mappings: &[PortMapping]) -> Result<()> {
        let object = PortMapping::words(mappings);
        self.act("port_map_delete", object, |kernel| kernel.port_map_delete(mappings))
    }

    fn port_mappings(&mut self) -> Result<Vec<PortMapping>> {
        self.kernel.port_mappings()
    }

    fn port_map_missing(&mut self, map: &PortMap) -> Result<Vec<PortMapping>> {
        self.kernel.port_map_missing(map)
    }

    fn reference_port_rules_delete(&mut self, container_id: &str) -> Result<()> {
        let object = format!("{container_id:?}");
        self.act("reference_port_rules_delete", object, |kernel| {
            kernel.reference_port_rules_delete(container_id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sim::Sim;
    use super::*;

    fn up() -> LinkChange {
        LinkChange::Up
    }

    #[test]
    fn every_operation_is_listed() {
        let text = include_str!("faults.rs");
        let mut named: Vec<&str> = text
            .split("self.act(")
            .skip(1)
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
            .filter(|name| name.chars().all(|c| c == '_' || c.is_ascii_lowercase()))
            .collect();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named, OPERATIONS);
    }

    #[test]
    fn a_lost_answer_is_of_something_done() {
        let mut kernel = Faults::new(Sim::new()).lose(At::Number(1), Errno::ETIMEDOUT);
        let lost = kernel.link_set(Role::Host, IfIndex(1), &up()).unwrap_err();
        assert_eq!(lost.errno, Errno::ETIMEDOUT);
        assert!(kernel.link_by_index(Role::Host, IfIndex(1)).unwrap().unwrap().up);
    }

    #[test]
    fn faults_come_where_they_are_asked_for() {
        let acts = Record::default();
        let (early, late) = (acts.clone(), acts.clone());
        let mut kernel = Faults::new(Sim::new())
            .refuse(At::Number(2), Errno::ENOBUFS)
            .before(At::Named("link_set", 3), move |_| {
                early.add("before", String::new());
            })
            .after(At::Named("link_set", 3), move |_| {
                late.add("after", String::new());
            });
        let lo = IfIndex(1);
        assert!(kernel.link_set(Role::Host, lo, &up()).is_ok());
        let refused = kernel.link_set(Role::Host, lo, &LinkChange::Down).unwrap_err();
        assert_eq!(refused.errno, Errno::ENOBUFS);
        assert!(kernel.link_by_index(Role::Host, lo).unwrap().unwrap().up, "it was not done");
        assert_eq!(acts.count(), 0);
        kernel.link_set(Role::Container, lo, &up()).unwrap();
        assert_eq!(acts.words(), ["before ", "after "]);
        let expected = ["link_set 1 in host-netns up", "link_set 1 in host-netns down"];
        assert_eq!(kernel.record().words()[..2], expected);
        assert_eq!(kernel.record().operations()[2].number, 3);
    }
}
