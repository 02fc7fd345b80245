//! Masters and their ports: what a bridge takes over from its ports, and their VLANs.

use super::super::{Errno, IfIndex, Port, PortChange, VlanEntry};
use super::device::{Device, Kind, VlanFlags};
use super::rules;
use super::state::{Answer, DeviceId, NetnsKey, Node};
use crate::names::Mac;

/// `ETH_DATA_LEN`: the MTU of a bridge without ports.
const ETHERNET_MTU: u32 = 1500;

impl Node {
    /// `do_set_master`: out of the old master, then into the new one.
    pub(super) fn set_master(&mut self, id: DeviceId, master: Option<DeviceId>) -> Answer<()> {
        let old = self.dev(id)?.master;
        if old == master {
            return Ok(());
        }
        if let Some(old) = old {
            self.leave(id, old)?;
        }
        match master {
            Some(new) => {
                self.may_enslave(id, new)?;
                self.join(id, new)
            }
            None => Ok(()),
        }
    }

    fn join(&mut self, id: DeviceId, master: DeviceId) -> Answer<()> {
        self.dev_mut(id)?.master = Some(master);
        if !self.dev(master)?.kind.is_bridge() {
            return self.cycle(id);
        }
        self.dev_mut(id)?.port = Some(Port { hairpin: false, isolated: false });
        self.give_default_vlan(id)?;
        self.follow_ports_mac(master)?;
        self.follow_ports_mtu(master)?;
        if self.is_live(id)? { self.select_ports(master) } else { Ok(()) }
    }

    fn leave(&mut self, id: DeviceId, master: DeviceId) -> Answer<()> {
        let device = self.dev_mut(id)?;
        device.master = None;
        if !self.dev(master)?.kind.is_bridge() {
            return self.cycle(id);
        }
        let device = self.dev_mut(id)?;
        device.port = None;
        device.vlans.clear();
        self.select_ports(master)?;
        self.follow_ports_mac(master)?;
        self.follow_ports_mtu(master)
    }

    /// A VRF sets its new and its lost ports down and up again, so that their routes change tables.
    fn cycle(&mut self, id: DeviceId) -> Answer<()> {
        if self.dev(id)?.up {
            self.set_down(id)?;
            self.set_up(id)?;
        }
        Ok(())
    }

    /// Does frames' way lead through this port: is it, and its bridge, up?
    fn is_live(&self, id: DeviceId) -> Answer<bool> {
        let port = self.dev(id)?;
        let master = port.master.and_then(|master| self.devices.get(&master));
        Ok(port.oper_up && master.is_some_and(|master| master.up))
    }

    /// `br_port_state_selection`: a bridge has a carrier while it has a live port. A bridge that never
    /// had a port has one too: nothing has looked yet.
    pub(super) fn select_ports(&mut self, bridge: DeviceId) -> Answer<()> {
        let mut live = false;
        for port in self.ports(bridge) {
            live |= self.is_live(port)?;
        }
        if let Kind::Bridge { carrier, .. } = &mut self.dev_mut(bridge)?.kind {
            *carrier = live;
        }
        Ok(())
    }

    /// `br_stp_recalculate_bridge_id`: the lowest MAC of the ports, and none without ports, until
    /// somebody sets one.
    pub(super) fn follow_ports_mac(&mut self, bridge: DeviceId) -> Answer<()> {
        let device = self.dev(bridge)?;
        if device.mac_set || !device.kind.is_bridge() {
            return Ok(());
        }
        let macs = self.ports(bridge).into_iter().filter_map(|port| self.devices.get(&port));
        let lowest = macs.map(|port| port.mac.bytes()).min().unwrap_or_default();
        if self.dev(bridge)?.mac.bytes() != lowest {
            self.dev_mut(bridge)?.mac = Mac::from(lowest);
            self.select_ports(bridge)?;
        }
        Ok(())
    }

    /// `br_mtu_auto_adjust`: the least MTU of the ports, until somebody sets one.
    pub(super) fn follow_ports_mtu(&mut self, bridge: DeviceId) -> Answer<()> {
        let device = self.dev(bridge)?;
        if device.mtu_set || !device.kind.is_bridge() {
            return Ok(());
        }
        let mtus = self.ports(bridge).into_iter().filter_map(|port| self.devices.get(&port));
        let least = mtus.map(|port| port.mtu).min().unwrap_or(ETHERNET_MTU);
        if self.dev(bridge)?.mtu != least {
            self.set_mtu_of(bridge, least)?;
        }
        Ok(())
    }

    pub(super) fn port_set(
        &mut self,
        netns: NetnsKey,
        index: IfIndex,
        change: PortChange,
    ) -> Answer<()> {
        let id = self.find(netns, index)?;
        let port = self.dev_mut(id)?.port.as_mut().ok_or(Errno::EOPNOTSUPP)?;
        match change {
            PortChange::Hairpin(on) => port.hairpin = on,
            PortChange::Isolated(on) => port.isolated = on,
        }
        Ok(())
    }

    /// VLAN 1, as a bridge gives it to itself and to each new port.
    pub(super) fn give_default_vlan(&mut self, id: DeviceId) -> Answer<()> {
        self.dev_mut(id)?.vlans.insert(1, VlanFlags { pvid: true, untagged: true });
        Ok(())
    }

    pub(super) fn vlan_add(
        &mut self,
        netns: NetnsKey,
        index: IfIndex,
        vlan: &VlanEntry,
    ) -> Answer<()> {
        let device = self.vlan_holder(netns, index, vlan)?;
        for id in vlan.first..=vlan.last {
            if vlan.pvid {
                for flags in device.vlans.values_mut() {
                    flags.pvid = false;
                }
            }
            device.vlans.insert(id, VlanFlags { pvid: vlan.pvid, untagged: vlan.untagged });
        }
        Ok(())
    }

    pub(super) fn vlan_delete(
        &mut self,
        netns: NetnsKey,
        index: IfIndex,
        vlan: &VlanEntry,
    ) -> Answer<()> {
        let device = self.vlan_holder(netns, index, vlan)?;
        device.vlans.retain(|id, _| !(vlan.first..=vlan.last).contains(id));
        Ok(())
    }

    /// The bridge for `self`, the port otherwise.
    fn vlan_holder(
        &mut self,
        netns: NetnsKey,
        index: IfIndex,
        vlan: &VlanEntry,
    ) -> Answer<&mut Device> {
        let id = self.find(netns, index)?;
        let device = self.dev_mut(id)?;
        let fits = if vlan.on_bridge { device.kind.is_bridge() } else { device.port.is_some() };
        if !fits {
            return Err(Errno::EOPNOTSUPP);
        }
        rules::vlan_entry(vlan)?;
        Ok(device)
    }

    pub(super) fn vlans(&self, netns: NetnsKey, index: IfIndex) -> Answer<Vec<VlanEntry>> {
        let device = self.dev(self.find(netns, index)?)?;
        let on_bridge = device.kind.is_bridge();
        let entry = |(id, flags): (&u16, &VlanFlags)| VlanEntry {
            first: *id,
            last: *id,
            pvid: flags.pvid,
            untagged: flags.untagged,
            on_bridge,
        };
        Ok(device.vlans.iter().map(entry).collect())
    }
}
