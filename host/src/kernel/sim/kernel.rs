//! The operations of [`Kernel`], each in the words of the act and on the model.

use std::net::IpAddr;
use std::time::Duration;

use super::super::{
    Address, AddressSpec, Admission, Errno, IfIndex, Kernel, Link, LinkChange, LinkSpec,
    Masquerade, NetnsId, Owner, PortChange, PortMap, PortMapping, Result, Role, Route, RouteSpec,
    Rule, RuleSpec, Shaping, SpoofGuard, SysctlKey, TokenBucket, VlanEntry, ZoneSource,
};
use super::device::{AddressEntry, Dad, Kind};
use super::state::{Answer, DeviceId, NetnsKey, Node};
use super::{Sim, lock};
use crate::names::IfName;

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
            all_multicast: device.all_multicast,
            tx_queue_length: device.tx_queue,
            loopback: device.kind.is_loopback(),
            master: device.master.and_then(index_of),
            parent: device.kind.iflink().and_then(index_of),
            alias: device.alias.clone(),
            vlan_filtering: matches!(device.kind, Kind::Bridge { vlan_filtering: true, .. }),
            port: device.port,
            mode: device.kind.mode(),
            vlan_id: device.kind.vlan_id(),
            vrf_table: match device.kind {
                Kind::Vrf { table } => Some(table),
                Kind::Loopback
                | Kind::Veth { .. }
                | Kind::Bridge { .. }
                | Kind::Dummy
                | Kind::Ifb
                | Kind::Tap { .. }
                | Kind::Ipvlan { .. }
                | Kind::Macvlan { .. }
                | Kind::Vlan { .. } => None,
            },
        })
    }

    fn addresses(&self, id: DeviceId) -> Answer<Vec<Address>> {
        let seen = |entry: &AddressEntry| Address {
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

    fn link_move(
        &mut self,
        from: Role,
        index: IfIndex,
        to: Role,
        name: &IfName,
        alias: &str,
    ) -> Result<Link> {
        let words = || format!("moving link {} of {from} to \"{name}\" in {to}", index.0);
        self.act(from, words, |node, key, roles| {
            let id = node.link_move(key, index, roles.key(to)?, name, alias)?;
            node.link(id)
        })
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

    fn rule_add(&mut self, netns: Role, rule: &RuleSpec) -> Result<()> {
        let words = || format!("adding rule {rule} in {netns}");
        self.act(netns, words, |node, key, _| node.rule_add(key, rule))
    }

    fn rule_delete(&mut self, netns: Role, rule: &RuleSpec) -> Result<()> {
        let words = || format!("deleting rule {rule} in {netns}");
        self.act(netns, words, |node, key, _| node.rule_delete(key, rule))
    }

    fn rules(&mut self, netns: Role) -> Result<Vec<Rule>> {
        let words = || format!("listing rules in {netns}");
        self.act(netns, words, |node, key, _| node.rules(key))
    }

    /// Calls on the model come one after the other.
    fn netns_lock(&mut self, netns: Role, _: Duration) -> Result<()> {
        self.act(netns, || format!("locking {netns}"), |_, _, _| Ok(()))
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

    fn reference_masquerade_delete(&mut self, owner: &Owner) -> Result<()> {
        lock(&self.node).reference_masquerades.retain(|other| other != owner);
        Ok(())
    }

    fn reference_spoof_guard_delete(&mut self, owner: &Owner) -> Result<()> {
        let of = |other: &Owner| {
            (&other.container_id, &other.ifname) == (&owner.container_id, &owner.ifname)
        };
        lock(&self.node).reference_spoof_guards.retain(|other| !of(other));
        Ok(())
    }

    fn admission_add(&mut self, admission: &Admission, _: &str) -> Result<()> {
        lock(&self.node).admission_add(admission);
        Ok(())
    }

    fn admission_delete(&mut self, admission: &Admission) -> Result<()> {
        lock(&self.node).admission_delete(admission);
        Ok(())
    }

    fn admissions(&mut self) -> Result<Vec<Admission>> {
        Ok(lock(&self.node).admissions.clone())
    }

    fn firewalld_runs(&mut self, _: Duration) -> Result<bool> {
        Ok(lock(&self.node).firewalld.is_some())
    }

    fn zone_of_source(&mut self, address: IpAddr, _: Duration) -> Result<Option<String>> {
        let words = || format!("asking firewalld for the zone of {address}");
        self.act(Role::Host, words, |node, _, _| node.zone_of_source(address))
    }

    fn zone_source_add(&mut self, source: &ZoneSource, _: Duration) -> Result<()> {
        let words = || format!("adding {} to zone {:?} of firewalld", source.address, source.zone);
        self.act(Role::Host, words, |node, _, _| node.zone_source_add(source))
    }

    fn zone_source_delete(&mut self, source: &ZoneSource, _: Duration) -> Result<()> {
        lock(&self.node).zone_source_delete(source);
        Ok(())
    }

    fn bucket_add(&mut self, netns: Role, link: IfIndex, bucket: &TokenBucket) -> Result<()> {
        let words = || format!("limiting link {} in {netns} to {bucket}", link.0);
        self.act(netns, words, |node, key, _| node.bucket_add(key, link, *bucket))
    }

    fn bucket_delete(&mut self, netns: Role, link: IfIndex) -> Result<()> {
        let words = || format!("deleting the limit of link {} in {netns}", link.0);
        self.act(netns, words, |node, key, _| node.bucket_delete(key, link))
    }

    fn redirect_add(&mut self, netns: Role, link: IfIndex, to: IfIndex) -> Result<()> {
        let words = || format!("redirecting from link {} to {} in {netns}", link.0, to.0);
        self.act(netns, words, |node, key, _| node.redirect_add(key, link, to))
    }

    fn redirect_delete(&mut self, netns: Role, link: IfIndex) -> Result<()> {
        let words = || format!("deleting the redirection from link {} in {netns}", link.0);
        self.act(netns, words, |node, key, _| node.redirect_delete(key, link))
    }

    fn shaping(&mut self, netns: Role, link: IfIndex) -> Result<Shaping> {
        let words = || format!("reading the qdiscs of link {} in {netns}", link.0);
        self.act(netns, words, |node, key, _| node.shaping(key, link))
    }

    fn port_map_add(&mut self, map: &PortMap) -> Result<()> {
        lock(&self.node).port_map_add(map)
    }

    fn port_map_delete(&mut self, mappings: &[PortMapping]) -> Result<()> {
        lock(&self.node).port_map_delete(mappings);
        Ok(())
    }

    fn port_mappings(&mut self) -> Result<Vec<PortMapping>> {
        Ok(lock(&self.node).port_mappings.iter().map(|(mapping, _)| mapping.clone()).collect())
    }

    fn port_map_missing(&mut self, map: &PortMap) -> Result<Vec<PortMapping>> {
        Ok(lock(&self.node).port_map_missing(map))
    }

    fn reference_port_rules_delete(&mut self, _: &str) -> Result<()> {
        // Nobody else makes rules on a simulated node.
        Ok(())
    }
}
