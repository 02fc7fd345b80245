//! Links come, go, move and change.

use super::super::{Errno, IfIndex, IpvlanMode, KindSpec, LinkChange, LinkSpec, Parent};
use super::device::{Chosen, Device, Ipv6, Kind};
use super::rules;
use super::state::{Answer, DeviceId, NetnsKey, Node, Roles};
use crate::names::{IfName, Mac};

impl Node {
    pub(super) fn link_create(
        &mut self,
        roles: Roles,
        netns: NetnsKey,
        spec: &LinkSpec,
    ) -> Answer<DeviceId> {
        self.name_is_free(netns, &spec.name)?;
        if let Some(mac) = spec.mac {
            rules::mac(mac)?;
        }
        rules::kind_spec(&spec.kind)?;
        let id = match &spec.kind {
            KindSpec::Veth { peer, peer_netns, peer_mac } => {
                let peer_netns = roles.key(*peer_netns)?;
                self.create_veth(netns, spec, (peer_netns, peer, *peer_mac))?
            }
            KindSpec::Bridge { vlan_filtering } => {
                // With an address of its own the bridge looks for live ports at once: there are none.
                let carrier = spec.mac.is_none();
                let kind = Kind::Bridge { vlan_filtering: *vlan_filtering, carrier };
                let id = self.create_plain(netns, spec, kind)?;
                self.give_default_vlan(id)?;
                id
            }
            KindSpec::Dummy => self.create_plain(netns, spec, Kind::Dummy)?,
            KindSpec::Ifb => self.create_plain(netns, spec, Kind::Ifb)?,
            KindSpec::Tap { multi_queue, owner, group } => {
                let kind = Kind::Tap { multi_queue: *multi_queue, owner: *owner, group: *group };
                self.create_plain(netns, spec, kind)?
            }
            KindSpec::Vrf { table } => {
                self.create_plain(netns, spec, Kind::Vrf { table: *table })?
            }
            KindSpec::Ipvlan { parent, mode } => {
                let parent = self.beside(self.parent(roles, *parent)?, "ipvlan")?;
                self.may_carry_ipvlan(parent)?;
                let kind = Kind::Ipvlan { parent, mode: *mode };
                let id = self.create_upper(netns, spec, kind, parent)?;
                self.set_ipvlan_mode(parent, *mode)?;
                id
            }
            KindSpec::Macvlan { parent, mode, broadcast_queue } => {
                let parent = self.beside(self.parent(roles, *parent)?, "macvlan")?;
                self.may_carry_macvlan(parent, *mode)?;
                let kind = Kind::Macvlan { parent, mode: *mode, broadcast_queue: *broadcast_queue };
                self.create_upper(netns, spec, kind, parent)?
            }
            KindSpec::Vlan { parent, id } => {
                let parent = self.parent(roles, *parent)?;
                self.may_carry_vlan(parent, *id)?;
                self.create_upper(netns, spec, Kind::Vlan { parent, id: *id }, parent)?
            }
        };
        self.settle()?;
        Ok(id)
    }

    /// `ipvlan_set_port_mode`: all ipvlans of a parent have one mode, that of the last one made.
    fn set_ipvlan_mode(&mut self, parent: DeviceId, wanted: IpvlanMode) -> Answer<()> {
        for upper in self.uppers(parent) {
            if let Kind::Ipvlan { mode, .. } = &mut self.dev_mut(upper)?.kind {
                *mode = wanted;
            }
        }
        Ok(())
    }

    fn name_is_free(&self, netns: NetnsKey, name: &IfName) -> Answer<()> {
        match self.find_name(netns, name.as_str()) {
            Some(_) => Err(Errno::EEXIST),
            None => rules::name(name),
        }
    }

    fn parent(&self, roles: Roles, parent: Parent) -> Answer<DeviceId> {
        self.find(roles.key(parent.netns)?, parent.index)
    }

    /// A macvlan on a macvlan is made beside it, on the same parent; so is an ipvlan on an ipvlan.
    fn beside(&self, asked: DeviceId, kind: &str) -> Answer<DeviceId> {
        let asked_kind = &self.dev(asked)?.kind;
        Ok(asked_kind.parent().filter(|_| asked_kind.word() == kind).unwrap_or(asked))
    }

    fn create_plain(&mut self, netns: NetnsKey, spec: &LinkSpec, kind: Kind) -> Answer<DeviceId> {
        let mtu = spec.mtu.unwrap_or(rules::mtu_range(&kind).default);
        rules::mtu(&kind, mtu)?;
        let device = self.made(netns, &spec.name, kind, spec.mac, mtu);
        Ok(self.insert(device))
    }

    fn create_upper(
        &mut self,
        netns: NetnsKey,
        spec: &LinkSpec,
        kind: Kind,
        parent: DeviceId,
    ) -> Answer<DeviceId> {
        let lower = self.dev(parent)?.clone();
        let mtu = spec.mtu.unwrap_or(lower.mtu);
        rules::mtu(&kind, mtu)?;
        let ipvlan = matches!(kind, Kind::Ipvlan { .. });
        if mtu > lower.mtu && !ipvlan {
            return Err(Errno::EINVAL);
        }
        let own_mac = matches!(
            kind,
            Kind::Macvlan {
                mode: super::super::MacvlanMode::Private
                    | super::super::MacvlanMode::Vepa
                    | super::super::MacvlanMode::Bridge,
                ..
            }
        );
        let mac = match spec.mac {
            Some(mac) if !ipvlan => Some(mac),
            Some(_) | None if own_mac => None,
            Some(_) | None => Some(lower.mac),
        };
        let mut device = self.made(netns, &spec.name, kind, mac, mtu);
        device.mac_set = spec.mac.is_some() && !ipvlan;
        Ok(self.insert(device))
    }

    fn create_veth(
        &mut self,
        netns: NetnsKey,
        spec: &LinkSpec,
        (peer_netns, peer, peer_mac): (NetnsKey, &IfName, Option<Mac>),
    ) -> Answer<DeviceId> {
        if let Some(mac) = peer_mac {
            rules::mac(mac)?;
        }
        self.name_is_free(peer_netns, peer)?;
        if netns == peer_netns && *peer == spec.name {
            return Err(Errno::EEXIST);
        }
        // The peer is registered first, so that it has the lower index where both are together.
        let kind = Kind::Veth { peer: self.after_next() };
        let peer_spec = LinkSpec { name: peer.clone(), mac: peer_mac, ..spec.clone() };
        let far = self.create_plain(peer_netns, &peer_spec, kind)?;
        let near = self.create_plain(netns, spec, Kind::Veth { peer: far })?;
        Ok(near)
    }

    fn made(
        &mut self,
        netns: NetnsKey,
        name: &IfName,
        kind: Kind,
        mac: Option<Mac>,
        mtu: u32,
    ) -> Device {
        let chosen = mac.unwrap_or_else(|| self.random_mac());
        let mut device = self.blank(netns, name.clone(), kind, chosen, mtu);
        device.mac_set = mac.is_some();
        device
    }

    pub(super) fn link_delete(&mut self, netns: NetnsKey, index: IfIndex) -> Answer<()> {
        let id = self.find(netns, index)?;
        if self.dev(id)?.kind.is_loopback() {
            return Err(Errno::EOPNOTSUPP);
        }
        self.destroy(id);
        self.settle()
    }

    /// The device goes, with its veth peer and what was made on it; its ports are free.
    pub(super) fn destroy(&mut self, id: DeviceId) {
        let Ok(device) = self.dev(id) else { return };
        let peer = match device.kind {
            Kind::Veth { peer } => Some(peer),
            Kind::Loopback
            | Kind::Bridge { .. }
            | Kind::Dummy
            | Kind::Ifb
            | Kind::Tap { .. }
            | Kind::Ipvlan { .. }
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. }
            | Kind::Vrf { .. } => None,
        };
        // Each part can only fail where the device is gone already.
        let _ = self.set_down(id);
        let _ = self.set_master(id, None);
        for port in self.ports(id) {
            let _ = self.set_master(port, None);
        }
        self.forget_routes(|route| route.device == id);
        self.devices.remove(&id);
        for upper in self.uppers(id) {
            self.destroy(upper);
        }
        if let Some(peer) = peer {
            self.destroy(peer);
        }
    }

    pub(super) fn link_set(
        &mut self,
        roles: Roles,
        netns: NetnsKey,
        index: IfIndex,
        change: &LinkChange,
    ) -> Answer<()> {
        let id = self.find(netns, index)?;
        match change {
            LinkChange::Up => self.set_up(id)?,
            LinkChange::Down => self.set_down(id)?,
            LinkChange::Mtu(mtu) => self.set_mtu(id, *mtu)?,
            LinkChange::Mac(mac) => self.set_mac(id, *mac)?,
            LinkChange::Name(name) => self.rename(id, name)?,
            LinkChange::Alias(alias) => {
                rules::alias(alias)?;
                self.dev_mut(id)?.alias = Some(alias.clone()).filter(|text| !text.is_empty());
            }
            LinkChange::Promisc(on) => self.dev_mut(id)?.promisc = *on,
            LinkChange::AllMulticast(on) => self.dev_mut(id)?.all_multicast = *on,
            LinkChange::TxQueueLength(packets) => self.dev_mut(id)?.tx_queue = *packets,
            LinkChange::Master(None) => self.set_master(id, None)?,
            LinkChange::Master(Some(master)) => {
                let master = self.find(netns, *master).map_err(|_| Errno::EINVAL)?;
                self.set_master(id, Some(master))?;
            }
            LinkChange::Netns(target) => {
                let name = self.dev(id)?.name.clone();
                self.move_to(id, roles.key(*target)?, &name)?;
            }
        }
        self.settle()
    }

    /// `do_setlink` with a namespace, a name and an alias.
    pub(super) fn link_move(
        &mut self,
        netns: NetnsKey,
        index: IfIndex,
        target: NetnsKey,
        name: &IfName,
        alias: &str,
    ) -> Answer<DeviceId> {
        let id = self.find(netns, index)?;
        rules::alias(alias)?;
        self.move_to(id, target, name)?;
        self.dev_mut(id)?.alias = Some(alias.to_owned()).filter(|text| !text.is_empty());
        self.settle()?;
        Ok(id)
    }

    fn set_mtu(&mut self, id: DeviceId, mtu: u32) -> Answer<()> {
        let device = self.dev(id)?;
        if device.mtu == mtu {
            return Ok(());
        }
        rules::mtu(&device.kind, mtu)?;
        if let Some(parent) = device.kind.parent() {
            let too_much = mtu > self.dev(parent)?.mtu;
            match device.kind {
                Kind::Macvlan { .. } if too_much => return Err(Errno::EINVAL),
                Kind::Vlan { .. } if too_much => return Err(Errno::ERANGE),
                Kind::Macvlan { .. }
                | Kind::Vlan { .. }
                | Kind::Ipvlan { .. }
                | Kind::Loopback
                | Kind::Veth { .. }
                | Kind::Bridge { .. }
                | Kind::Dummy
                | Kind::Ifb
                | Kind::Tap { .. }
                | Kind::Vrf { .. } => {}
            }
        }
        self.dev_mut(id)?.mtu_set = true;
        self.set_mtu_of(id, mtu)?;
        self.follow_mtu(id)
    }

    /// What stands on a device or above it follows its MTU.
    fn follow_mtu(&mut self, id: DeviceId) -> Answer<()> {
        let mtu = self.dev(id)?.mtu;
        for upper in self.uppers(id) {
            let device = self.dev(upper)?;
            if device.mtu > mtu || matches!(device.kind, Kind::Ipvlan { .. }) {
                self.set_mtu_of(upper, mtu)?;
            }
        }
        match self.dev(id)?.master {
            Some(master) => self.follow_ports_mtu(master),
            None => Ok(()),
        }
    }

    /// The MTU is new, and with it perhaps whether there is IPv6.
    pub(super) fn set_mtu_of(&mut self, id: DeviceId, mtu: u32) -> Answer<()> {
        let device = self.dev_mut(id)?;
        device.mtu = mtu;
        let absent = device.ipv6 == Ipv6::Absent;
        let too_small = mtu < rules::IPV6_MIN_MTU && !device.kind.is_loopback();
        if too_small && !absent {
            self.ipv6_leaves(id)?;
        } else if !too_small && absent {
            self.ipv6_enters(id)?;
        }
        Ok(())
    }

    fn set_mac(&mut self, id: DeviceId, mac: Mac) -> Answer<()> {
        let device = self.dev(id)?;
        match device.kind {
            Kind::Ipvlan { .. } => return Err(Errno::EOPNOTSUPP),
            Kind::Macvlan { .. } if device.mac == mac => return Ok(()),
            Kind::Macvlan { parent, .. } => {
                rules::mac(mac)?;
                self.macvlan_mac_is_free(parent, mac)?;
            }
            Kind::Vlan { .. }
            | Kind::Loopback
            | Kind::Veth { .. }
            | Kind::Bridge { .. }
            | Kind::Dummy
            | Kind::Ifb
            | Kind::Tap { .. }
            | Kind::Vrf { .. } => rules::mac(mac)?,
        }
        let changed = device.mac != mac;
        let bridge = device.kind.is_bridge();
        let device = self.dev_mut(id)?;
        device.mac = mac;
        device.mac_set = true;
        for upper in self.uppers(id) {
            if let Kind::Ipvlan { .. } = self.dev(upper)?.kind {
                self.dev_mut(upper)?.mac = mac;
            }
        }
        if bridge && changed {
            self.select_ports(id)?;
        }
        match self.dev(id)?.master {
            Some(master) => self.follow_ports_mac(master),
            None => Ok(()),
        }
    }

    fn rename(&mut self, id: DeviceId, name: &IfName) -> Answer<()> {
        let device = self.dev(id)?;
        if device.name == *name {
            return Ok(());
        }
        self.name_is_free(device.netns, name)?;
        self.dev_mut(id)?.name = name.clone();
        Ok(())
    }

    /// `__dev_change_net_namespace`: the link is set down, loses its master, its addresses, its routes
    /// and its sysctls, and keeps its index if that is free.
    fn move_to(&mut self, id: DeviceId, target: NetnsKey, name: &IfName) -> Answer<()> {
        let device = self.dev(id)?;
        if device.netns == target {
            return Ok(());
        }
        match device.kind {
            Kind::Loopback | Kind::Bridge { .. } | Kind::Vrf { .. } => return Err(Errno::EINVAL),
            Kind::Veth { .. }
            | Kind::Dummy
            | Kind::Ifb
            | Kind::Tap { .. }
            | Kind::Ipvlan { .. }
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. } => {}
        }
        let index = device.index;
        self.name_is_free(target, name)?;
        self.set_down(id)?;
        self.set_master(id, None)?;
        self.forget_routes(|route| route.device == id);
        let index = if self.find(target, index).is_ok() { self.free_index(target)? } else { index };
        let device = self.dev_mut(id)?;
        device.netns = target;
        device.name = name.clone();
        device.index = index;
        device.addresses.clear();
        device.sysctls.clear();
        device.chosen = Chosen::Keys(std::collections::BTreeSet::new());
        (device.bucket, device.redirect) = (None, None);
        if device.ipv6 != Ipv6::Absent {
            device.ipv6 = Ipv6::Waiting;
        }
        self.inherit_sysctls(id);
        Ok(())
    }
}
