//! Up and down, and what follows: carriers, operational states, and the routes and addresses that
//! depend on them.

use super::super::{Errno, MacvlanMode};
use super::device::{Ipv6, Kind};
use super::state::{Answer, DeviceId, Node};

impl Node {
    /// `IFF_UP`: the routes of the link's addresses appear.
    pub(super) fn set_up(&mut self, id: DeviceId) -> Answer<()> {
        if self.dev(id)?.up {
            return Ok(());
        }
        let device = self.dev(id)?;
        match device.kind {
            Kind::Vlan { parent, .. } if !self.dev(parent)?.up => return Err(Errno::ENETDOWN),
            Kind::Macvlan { mode: MacvlanMode::Passthru, .. } => {}
            Kind::Macvlan { parent, .. } => self.macvlan_mac_is_free(parent, device.mac)?,
            Kind::Vlan { .. }
            | Kind::Loopback
            | Kind::Veth { .. }
            | Kind::Bridge { .. }
            | Kind::Dummy
            | Kind::Tap { .. }
            | Kind::Ipvlan { .. }
            | Kind::Vrf { .. } => {}
        }
        self.dev_mut(id)?.up = true;
        self.ipv4_up(id)?;
        self.ipv6_up(id)?;
        if self.dev(id)?.kind.is_bridge() && self.has_live_port(id)? {
            self.select_ports(id)?;
        }
        for upper in self.vlans_on(id)? {
            self.set_up(upper)?;
        }
        Ok(())
    }

    /// The link's routes go, and the IPv6 addresses that are not kept.
    pub(super) fn set_down(&mut self, id: DeviceId) -> Answer<()> {
        if !self.dev(id)?.up {
            return Ok(());
        }
        for upper in self.vlans_on(id)? {
            self.set_down(upper)?;
        }
        let live = self.dev(id)?.kind.is_bridge() && self.has_live_port(id)?;
        let device = self.dev_mut(id)?;
        device.up = false;
        if live && let Kind::Bridge { carrier, .. } = &mut device.kind {
            *carrier = false;
        }
        self.forget_routes(|route| route.device == id && route.is_v4());
        self.ipv6_down(id, true)?;
        self.settle()
    }

    /// VLAN devices go up and down with their parent, ipvlans and macvlans do not.
    fn vlans_on(&self, id: DeviceId) -> Answer<Vec<DeviceId>> {
        let mut vlans = self.uppers(id);
        vlans.retain(|upper| {
            self.devices.get(upper).is_some_and(|u| matches!(u.kind, Kind::Vlan { .. }))
        });
        Ok(vlans)
    }

    fn has_live_port(&self, bridge: DeviceId) -> Answer<bool> {
        let ports = self.ports(bridge);
        Ok(ports.iter().filter_map(|port| self.devices.get(port)).any(|port| port.oper_up))
    }

    /// Is there a signal? For a link that is down too: a macvlan on a dummy that is down has one.
    fn carrier(&self, id: DeviceId) -> bool {
        let Ok(device) = self.dev(id) else { return false };
        match device.kind {
            Kind::Loopback | Kind::Dummy | Kind::Vrf { .. } => true,
            // Nobody has it open.
            Kind::Tap { .. } => false,
            Kind::Veth { peer } => device.up && self.dev(peer).is_ok_and(|peer| peer.up),
            Kind::Bridge { carrier, .. } => carrier,
            Kind::Ipvlan { parent, .. }
            | Kind::Macvlan { parent, .. }
            | Kind::Vlan { parent, .. } => self.carrier(parent),
        }
    }

    /// Brings every link's operational state up to date, and tells those that depend on it. What the
    /// kernel does a moment later (linkwatch) is done here at once.
    pub(super) fn settle(&mut self) -> Answer<()> {
        while let Some(id) = self.stale() {
            let device = self.dev_mut(id)?;
            device.oper_up = !device.oper_up;
            let oper_up = device.oper_up;
            if oper_up {
                self.ipv6_ready(id)?;
            }
            if let Some(master) = self.dev(id)?.master
                && self.dev(master)?.kind.is_bridge()
                && self.dev(master)?.up
            {
                self.select_ports(master)?;
            }
        }
        Ok(())
    }

    fn stale(&self) -> Option<DeviceId> {
        let is_stale =
            |id: &DeviceId| self.dev(*id).is_ok_and(|d| d.oper_up != (d.up && self.carrier(*id)));
        self.devices.keys().copied().find(is_stale)
    }

    /// Has IPv6 begun on this link?
    pub(super) fn is_ready(&self, id: DeviceId) -> bool {
        self.dev(id).is_ok_and(|device| device.ipv6 == Ipv6::Ready)
    }
}
