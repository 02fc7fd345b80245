//! The kernel that we run on: netlink sockets, one in each of the two namespaces, and
//! `/proc/sys/net`.
//!
//! A socket acts in the namespace that it was opened in, so nothing here ever switches: a
//! short-lived thread enters the container's namespace once, to open what acts there (see
//! `netns.rs`).

mod address;
mod attributes;
mod bridge;
mod create;
mod deferred;
mod firewalld;
mod link;
mod moving;
mod netns;
mod nft;
mod route;
mod rule;
mod shaping;
mod socket;
mod sysctl;
mod tap;
mod tun;

use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;

pub use firewalld::BusAddress;
pub use netns::{ContainerNetns, NetnsError};

use super::{
    Address, AddressSpec, Admission, IfIndex, Kernel, Link, LinkChange, LinkSpec, Masquerade,
    NetnsId, Owner, PortChange, PortMap, PortMapping, Result, Role, Route, RouteSpec, Rule,
    RuleSpec, Shaping, SpoofGuard, SysctlKey, TokenBucket, VlanEntry, ZoneSource,
};
use crate::names::IfName;
use firewalld::Firewalld;
use netns::Netns;
use nft::Nftables;
use socket::{Refusal, RouteSocket, Trying};

/// The two namespaces of one call.
#[derive(Debug)]
struct Namespaces {
    host: Netns,
    container: Option<Netns>,
}

impl Namespaces {
    /// # Errors
    /// `ENOENT`: the call has no such namespace.
    fn get(&mut self, role: Role) -> std::result::Result<&mut Netns, Refusal> {
        match role {
            Role::Host => Ok(&mut self.host),
            Role::Container => self
                .container
                .as_mut()
                .ok_or_else(|| Refusal::because(Errno::ENOENT, "this call has no container-netns")),
        }
    }

    fn socket(&mut self, role: Role) -> std::result::Result<&mut RouteSocket, Refusal> {
        self.get(role)?.socket()
    }
}

/// The kernel of this machine.
#[derive(Debug)]
pub struct LinuxKernel {
    namespaces: Namespaces,
    nftables: Option<Nftables>,
    firewalld: Option<Firewalld>,
    deferring: bool,
}

impl LinuxKernel {
    /// The kernel, with the calling thread's network namespace as the host's. Opens nothing: each
    /// namespace's socket is opened when it is first needed.
    ///
    /// # Errors
    /// None at present.
    pub fn new(container: Option<ContainerNetns>) -> Result<Self> {
        let container = container.map(Netns::from);
        Ok(Self {
            namespaces: Namespaces { host: Netns::own(), container },
            nftables: None,
            firewalld: None,
            deferring: false,
        })
    }

    /// Has links deleted without waiting for their memory, at the price of a child process for some
    /// 20 ms. For a process that serves one call and ends.
    #[must_use]
    pub fn deferring_deletes(self) -> Self {
        Self { deferring: true, ..self }
    }

    /// Has firewalld looked for on this bus. Without one, it does not run.
    #[must_use]
    pub fn on_bus(self, address: BusAddress) -> Self {
        Self { firewalld: Some(Firewalld::on_bus(address)), ..self }
    }

    fn firewalld(&mut self) -> std::result::Result<&mut Firewalld, Refusal> {
        let none = || Refusal::because(Errno::EOPNOTSUPP, "this call has no system bus");
        self.firewalld.as_mut().ok_or_else(none)
    }

    fn nftables(&mut self) -> Result<&mut Nftables> {
        let nftables = match self.nftables.take() {
            Some(nftables) => nftables,
            None => Nftables::open()?,
        };
        Ok(self.nftables.insert(nftables))
    }
}

impl Kernel for LinuxKernel {
    fn netns(&self, netns: Role) -> Option<NetnsId> {
        match netns {
            Role::Host => self.namespaces.host.id(),
            Role::Container => self.namespaces.container.as_ref()?.id(),
        }
    }

    fn link_by_name(&mut self, netns: Role, name: &IfName) -> Result<Option<Link>> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| link::by_name(socket, name))
            .trying(|| format!("looking for link \"{name}\" in {netns}"))
    }

    fn link_by_index(&mut self, netns: Role, index: IfIndex) -> Result<Option<Link>> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| link::by_index(socket, index))
            .trying(|| format!("looking for link {} in {netns}", index.0))
    }

    fn links(&mut self, netns: Role) -> Result<Vec<Link>> {
        let socket = self.namespaces.socket(netns);
        socket.and_then(link::all).trying(|| format!("listing links in {netns}"))
    }

    fn link_create(&mut self, netns: Role, spec: &LinkSpec) -> Result<Link> {
        create::create(&mut self.namespaces, netns, spec)
            .trying(|| format!("creating link \"{}\" in {netns}", spec.name))
    }

    fn link_delete(&mut self, netns: Role, index: IfIndex) -> Result<()> {
        // The child keeps the nftables socket open: whoever closes it last, after a deletion, waits
        // for nf_tables to free what was deleted, as long as for the link.
        let keep = match self.deferring {
            true => Some(self.nftables().ok().map(|nftables| nftables.as_raw_fd())),
            false => None,
        };
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| match keep {
                Some(keep) => link::delete_deferred(socket, index, keep),
                None => link::delete(socket, index),
            })
            .trying(|| format!("deleting link {} in {netns}", index.0))
    }

    fn link_set(&mut self, netns: Role, index: IfIndex, change: &LinkChange) -> Result<()> {
        link::set(&mut self.namespaces, netns, index, change)
            .trying(|| format!("setting link {} in {netns} to \"{change}\"", index.0))
    }

    fn link_move(
        &mut self,
        from: Role,
        index: IfIndex,
        to: Role,
        name: &IfName,
        alias: &str,
    ) -> Result<Link> {
        moving::move_link(&mut self.namespaces, (from, index), to, name, alias)
            .trying(|| format!("moving link {} of {from} to \"{name}\" in {to}", index.0))
    }

    fn link_wait_up(&mut self, netns: Role, index: IfIndex, timeout: Duration) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| link::wait_up(socket, index, timeout))
            .trying(|| format!("waiting for link {} in {netns} to come up", index.0))
    }

    fn addr_add(&mut self, netns: Role, index: IfIndex, address: &AddressSpec) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket.and_then(|socket| address::add(socket, index, address)).trying(|| {
            format!("adding address \"{}\" to link {} in {netns}", address.address, index.0)
        })
    }

    fn addr_delete(&mut self, netns: Role, index: IfIndex, address: &AddressSpec) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket.and_then(|socket| address::delete(socket, index, address)).trying(|| {
            format!("deleting address \"{}\" of link {} in {netns}", address.address, index.0)
        })
    }

    fn addrs(&mut self, netns: Role, index: IfIndex) -> Result<Vec<Address>> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| address::all(socket, index))
            .trying(|| format!("listing addresses of link {} in {netns}", index.0))
    }

    fn addrs_wait_settled(&mut self, netns: Role, index: IfIndex, timeout: Duration) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket.and_then(|socket| address::wait_settled(socket, index, timeout)).trying(|| {
            format!("waiting for the addresses of link {} in {netns} to settle", index.0)
        })
    }

    fn route_add(&mut self, netns: Role, route: &RouteSpec) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| route::add(socket, route))
            .trying(|| format!("adding route {route} in {netns}"))
    }

    fn route_delete(&mut self, netns: Role, route: &RouteSpec) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| route::delete(socket, route))
            .trying(|| format!("deleting route {route} in {netns}"))
    }

    fn routes(&mut self, netns: Role) -> Result<Vec<Route>> {
        let socket = self.namespaces.socket(netns);
        socket.and_then(route::all).trying(|| format!("listing routes in {netns}"))
    }

    fn route_to(&mut self, netns: Role, destination: IpAddr) -> Result<Route> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| route::to(socket, destination))
            .trying(|| format!("looking for the route to \"{destination}\" in {netns}"))
    }

    fn rule_add(&mut self, netns: Role, rule: &RuleSpec) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| rule::add(socket, rule))
            .trying(|| format!("adding rule {rule} in {netns}"))
    }

    fn rule_delete(&mut self, netns: Role, rule: &RuleSpec) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| rule::delete(socket, rule))
            .trying(|| format!("deleting rule {rule} in {netns}"))
    }

    fn rules(&mut self, netns: Role) -> Result<Vec<Rule>> {
        let socket = self.namespaces.socket(netns);
        socket.and_then(rule::all).trying(|| format!("listing rules in {netns}"))
    }

    fn netns_lock(&mut self, netns: Role, patience: Duration) -> Result<()> {
        let of = self.namespaces.get(netns);
        of.and_then(|netns| netns.lock(patience)).trying(|| format!("locking {netns}"))
    }

    fn bridge_port_set(&mut self, netns: Role, port: IfIndex, change: PortChange) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| bridge::set_port(socket, port, change))
            .trying(|| format!("setting bridge port {} in {netns} to \"{change}\"", port.0))
    }

    fn bridge_vlan_add(&mut self, netns: Role, link: IfIndex, vlan: &VlanEntry) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket.and_then(|socket| bridge::add_vlan(socket, link, vlan)).trying(|| {
            format!("adding VLAN {}-{} to link {} in {netns}", vlan.first, vlan.last, link.0)
        })
    }

    fn bridge_vlan_delete(&mut self, netns: Role, link: IfIndex, vlan: &VlanEntry) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket.and_then(|socket| bridge::delete_vlan(socket, link, vlan)).trying(|| {
            format!("deleting VLAN {}-{} of link {} in {netns}", vlan.first, vlan.last, link.0)
        })
    }

    fn bridge_vlans(&mut self, netns: Role, link: IfIndex) -> Result<Vec<VlanEntry>> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| bridge::vlans(socket, link))
            .trying(|| format!("listing VLANs of link {} in {netns}", link.0))
    }

    fn sysctl_get(&mut self, netns: Role, key: &SysctlKey) -> Result<String> {
        let netns_of = self.namespaces.get(netns);
        netns_of
            .and_then(|netns| sysctl::get(netns, key))
            .trying(|| format!("reading sysctl \"{key}\" in {netns}"))
    }

    fn sysctl_set(&mut self, netns: Role, key: &SysctlKey, value: &str) -> Result<()> {
        let netns_of = self.namespaces.get(netns);
        netns_of
            .and_then(|netns| sysctl::set(netns, key, value))
            .trying(|| format!("setting sysctl \"{key}\" in {netns} to {value:?}"))
    }

    fn masquerade_add(&mut self, masquerade: &Masquerade) -> Result<()> {
        self.nftables()?.masquerade_add(masquerade)
    }

    fn masquerade_delete(&mut self, masquerade: &Masquerade) -> Result<()> {
        self.nftables()?.masquerade_delete(masquerade)
    }

    fn masquerades(&mut self) -> Result<Vec<Masquerade>> {
        self.nftables()?.masquerades()
    }

    fn spoof_guard_add(&mut self, guard: &SpoofGuard) -> Result<()> {
        self.nftables()?.spoof_guard_add(guard)
    }

    fn spoof_guard_delete(&mut self, guard: &SpoofGuard) -> Result<()> {
        self.nftables()?.spoof_guard_delete(guard)
    }

    fn spoof_guards(&mut self) -> Result<Vec<SpoofGuard>> {
        self.nftables()?.spoof_guards()
    }

    fn reference_masquerade_delete(&mut self, owner: &Owner) -> Result<()> {
        self.nftables()?.reference_masquerade_delete(owner)
    }

    fn reference_spoof_guard_delete(&mut self, owner: &Owner) -> Result<()> {
        self.nftables()?.reference_spoof_guard_delete(owner)
    }

    fn admission_add(&mut self, admission: &Admission, admin: &str) -> Result<()> {
        self.nftables()?.admission_add(admission, admin)
    }

    fn admission_delete(&mut self, admission: &Admission) -> Result<()> {
        self.nftables()?.admission_delete(admission)
    }

    fn admissions(&mut self) -> Result<Vec<Admission>> {
        self.nftables()?.admissions()
    }

    fn firewalld_runs(&mut self, patience: Duration) -> Result<bool> {
        let Some(firewalld) = &mut self.firewalld else { return Ok(false) };
        firewalld.runs(patience).trying(|| "asking the system bus for firewalld".to_owned())
    }

    fn zone_of_source(&mut self, address: IpAddr, patience: Duration) -> Result<Option<String>> {
        self.firewalld()
            .and_then(|firewalld| firewalld.zone_of(address, patience))
            .trying(|| format!("asking firewalld for the zone of {address}"))
    }

    fn zone_source_add(&mut self, source: &ZoneSource, patience: Duration) -> Result<()> {
        self.firewalld()
            .and_then(|firewalld| firewalld.add(source, patience))
            .trying(|| format!("adding {} to zone {:?} of firewalld", source.address, source.zone))
    }

    fn zone_source_delete(&mut self, source: &ZoneSource, patience: Duration) -> Result<()> {
        let Some(firewalld) = &mut self.firewalld else { return Ok(()) };
        firewalld.remove(source, patience).trying(|| {
            format!("removing {} from zone {:?} of firewalld", source.address, source.zone)
        })
    }

    fn bucket_add(&mut self, netns: Role, link: IfIndex, bucket: &TokenBucket) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| shaping::add_bucket(socket, link, bucket))
            .trying(|| format!("limiting link {} in {netns} to {bucket}", link.0))
    }

    fn bucket_delete(&mut self, netns: Role, link: IfIndex) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| shaping::delete_bucket(socket, link))
            .trying(|| format!("deleting the limit of link {} in {netns}", link.0))
    }

    fn redirect_add(&mut self, netns: Role, link: IfIndex, to: IfIndex) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| shaping::add_redirect(socket, link, to))
            .trying(|| format!("redirecting from link {} to {} in {netns}", link.0, to.0))
    }

    fn redirect_delete(&mut self, netns: Role, link: IfIndex) -> Result<()> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| shaping::delete_redirect(socket, link))
            .trying(|| format!("deleting the redirection from link {} in {netns}", link.0))
    }

    fn shaping(&mut self, netns: Role, link: IfIndex) -> Result<Shaping> {
        let socket = self.namespaces.socket(netns);
        socket
            .and_then(|socket| shaping::seen(socket, link))
            .trying(|| format!("reading the qdiscs of link {} in {netns}", link.0))
    }

    fn port_map_add(&mut self, map: &PortMap) -> Result<()> {
        self.nftables()?.port_map_add(map)
    }

    fn port_map_delete(&mut self, mappings: &[PortMapping]) -> Result<()> {
        self.nftables()?.port_map_delete(mappings)
    }

    fn port_mappings(&mut self) -> Result<Vec<PortMapping>> {
        self.nftables()?.port_mappings()
    }

    fn port_map_missing(&mut self, map: &PortMap) -> Result<Vec<PortMapping>> {
        self.nftables()?.port_map_missing(map)
    }

    fn reference_port_rules_delete(&mut self, container_id: &str) -> Result<()> {
        self.nftables()?.reference_port_rules_delete(container_id)
    }
}
