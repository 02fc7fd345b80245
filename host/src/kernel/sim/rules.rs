//! What the kernel refuses, and with which errno: checks without effects.

use super::super::{Errno, KindSpec, MacvlanMode, VlanEntry};
use super::device::Kind;
use super::state::{Answer, DeviceId, Node};
use crate::names::{IfName, Mac};

/// Octets; RFC 8200. A link with less carries no IPv6.
pub(super) const IPV6_MIN_MTU: u32 = 1280;

/// `IFALIASZ` with the closing NUL is 256.
const MAX_ALIAS: usize = 255;

/// Octets: the least and the most of a kind, and what it has without being told.
#[derive(Debug, Clone, Copy)]
pub(super) struct MtuRange {
    pub(super) least: u32,
    pub(super) most: u32,
    pub(super) default: u32,
}

/// `min_mtu` and `max_mtu` of the kind's driver; an ipvlan, macvlan or vlan takes its parent's MTU.
pub(super) fn mtu_range(kind: &Kind) -> MtuRange {
    let (least, most, default) = match kind {
        Kind::Veth { .. } | Kind::Bridge { .. } => (68, 65_535, 1500),
        Kind::Ipvlan { .. } => (68, 65_535, 1500),
        Kind::Macvlan { .. } => (68, u32::MAX, 1500),
        Kind::Vlan { .. } => (0, 65_535, 1500),
        Kind::Vrf { .. } => (IPV6_MIN_MTU, 65_575, 65_575),
        Kind::Dummy => (0, u32::MAX, 1500),
        // `MAX_MTU` without an Ethernet header.
        Kind::Tap { .. } => (68, 65_521, 1500),
        Kind::Loopback => (0, u32::MAX, 65_536),
    };
    MtuRange { least, most, default }
}

/// `dev_validate_mtu`.
pub(super) fn mtu(kind: &Kind, mtu: u32) -> Answer<()> {
    let range = mtu_range(kind);
    if (range.least..=range.most).contains(&mtu) { Ok(()) } else { Err(Errno::EINVAL) }
}

/// `is_valid_ether_addr`: neither a group's nor nobody's.
pub(super) fn mac(mac: Mac) -> Answer<()> {
    let [first, ..] = mac.bytes();
    if first & 1 == 1 || mac.bytes() == [0; 6] { Err(Errno::EADDRNOTAVAIL) } else { Ok(()) }
}

/// `sysctl_dev_name_is_allowed`: a link of these names would hide the keys of all links.
pub(super) fn name(name: &IfName) -> Answer<()> {
    if matches!(name.as_str(), "all" | "default") { Err(Errno::EINVAL) } else { Ok(()) }
}

/// `IFLA_IFALIAS` in `ifla_policy`.
pub(super) fn alias(alias: &str) -> Answer<()> {
    if alias.len() > MAX_ALIAS { Err(Errno::ERANGE) } else { Ok(()) }
}

/// `bridge vlan`: ids 1 to 4094, in order, and one PVID at most.
pub(super) fn vlan_entry(vlan: &VlanEntry) -> Answer<()> {
    let ids = 1..=4094;
    let good = ids.contains(&vlan.first)
        && ids.contains(&vlan.last)
        && vlan.first <= vlan.last
        && !(vlan.pvid && vlan.first != vlan.last);
    if good { Ok(()) } else { Err(Errno::EINVAL) }
}

/// What a kind refuses of its own settings, before any device is looked at.
pub(super) fn kind_spec(kind: &KindSpec) -> Answer<()> {
    match kind {
        KindSpec::Vlan { id, .. } if *id > 4094 => Err(Errno::ERANGE),
        KindSpec::Vrf { table: 0 } => Err(Errno::EINVAL),
        KindSpec::Veth { .. }
        | KindSpec::Bridge { .. }
        | KindSpec::Dummy
        | KindSpec::Tap { .. }
        | KindSpec::Ipvlan { .. }
        | KindSpec::Macvlan { .. }
        | KindSpec::Vlan { .. }
        | KindSpec::Vrf { .. } => Ok(()),
    }
}

impl Node {
    /// May `id` become a port of `master`? `do_set_master` with `br_add_if` or `vrf_add_slave`.
    pub(super) fn may_enslave(&self, id: DeviceId, master: DeviceId) -> Answer<()> {
        let device = self.dev(id)?;
        match self.dev(master)?.kind {
            Kind::Bridge { .. } => {
                mac(device.mac).map_err(|_| Errno::EINVAL)?;
                match device.kind {
                    Kind::Loopback => Err(Errno::EINVAL),
                    Kind::Bridge { .. } => Err(Errno::ELOOP),
                    Kind::Vrf { .. } => Err(Errno::EINVAL),
                    Kind::Ipvlan { .. } => Err(Errno::EOPNOTSUPP),
                    Kind::Veth { .. }
                    | Kind::Dummy
                    | Kind::Tap { .. }
                    | Kind::Macvlan { .. }
                    | Kind::Vlan { .. } => self.no_receiver(id),
                }
            }
            Kind::Vrf { .. } => match device.kind {
                Kind::Loopback => Err(Errno::EOPNOTSUPP),
                Kind::Vrf { .. } => Err(Errno::EINVAL),
                Kind::Bridge { .. }
                | Kind::Veth { .. }
                | Kind::Dummy
                | Kind::Tap { .. }
                | Kind::Ipvlan { .. }
                | Kind::Macvlan { .. }
                | Kind::Vlan { .. } => Ok(()),
            },
            Kind::Loopback
            | Kind::Veth { .. }
            | Kind::Dummy
            | Kind::Tap { .. }
            | Kind::Ipvlan { .. }
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. } => Err(Errno::EOPNOTSUPP),
        }
    }

    /// A device hands its frames to one receiver only: a bridge, or its macvlans, or its ipvlans.
    fn no_receiver(&self, id: DeviceId) -> Answer<()> {
        let taken = self
            .uppers(id)
            .iter()
            .filter_map(|upper| self.devices.get(upper))
            .any(|upper| matches!(upper.kind, Kind::Macvlan { .. } | Kind::Ipvlan { .. }));
        if taken { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// Is `id` a port of a bridge?
    pub(super) fn is_bridge_port(&self, id: DeviceId) -> bool {
        let master = self.devices.get(&id).and_then(|device| device.master);
        master.and_then(|master| self.devices.get(&master)).is_some_and(|m| m.kind.is_bridge())
    }

    /// May a macvlan of `mode` be made on `parent`? `macvlan_common_newlink`.
    pub(super) fn may_carry_macvlan(&self, parent: DeviceId, mode: MacvlanMode) -> Answer<()> {
        if matches!(self.dev(parent)?.kind, Kind::Loopback | Kind::Ipvlan { .. }) {
            return Err(Errno::EINVAL);
        }
        if self.is_bridge_port(parent) {
            return Err(Errno::EBUSY);
        }
        for upper in self.uppers(parent) {
            match &self.dev(upper)?.kind {
                Kind::Ipvlan { .. } => return Err(Errno::EBUSY),
                Kind::Macvlan { mode: MacvlanMode::Passthru, .. } => return Err(Errno::EINVAL),
                Kind::Macvlan { .. } if mode == MacvlanMode::Passthru => return Err(Errno::EINVAL),
                Kind::Macvlan { .. }
                | Kind::Vlan { .. }
                | Kind::Veth { .. }
                | Kind::Bridge { .. }
                | Kind::Dummy
                | Kind::Tap { .. }
                | Kind::Vrf { .. }
                | Kind::Loopback => {}
            }
        }
        Ok(())
    }

    /// `macvlan_addr_busy`: the parent and the macvlans on it that are up have different MACs.
    pub(super) fn macvlan_mac_is_free(&self, parent: DeviceId, mac: Mac) -> Answer<()> {
        let uppers = self.uppers(parent).into_iter().filter_map(|upper| self.devices.get(&upper));
        let mut others = uppers.filter(|upper| matches!(upper.kind, Kind::Macvlan { .. }));
        let taken = self.dev(parent)?.mac == mac || others.any(|o| o.up && o.mac == mac);
        if taken { Err(Errno::EADDRINUSE) } else { Ok(()) }
    }

    /// May an ipvlan be made on `parent`? `ipvlan_link_new`.
    pub(super) fn may_carry_ipvlan(&self, parent: DeviceId) -> Answer<()> {
        if self.dev(parent)?.kind.is_loopback() {
            return Err(Errno::EINVAL);
        }
        if self.is_bridge_port(parent) {
            return Err(Errno::EBUSY);
        }
        let macvlans = self.uppers(parent).iter().any(|upper| {
            self.devices.get(upper).is_some_and(|u| matches!(u.kind, Kind::Macvlan { .. }))
        });
        if macvlans { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// May VLAN `id` be made on `parent`? `vlan_check_real_dev`.
    pub(super) fn may_carry_vlan(&self, parent: DeviceId, id: u16) -> Answer<()> {
        match self.dev(parent)?.kind {
            Kind::Loopback | Kind::Vrf { .. } => return Err(Errno::EOPNOTSUPP),
            Kind::Veth { .. }
            | Kind::Bridge { .. }
            | Kind::Dummy
            | Kind::Tap { .. }
            | Kind::Ipvlan { .. }
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. } => {}
        }
        let taken = self
            .uppers(parent)
            .iter()
            .filter_map(|upper| self.devices.get(upper))
            .any(|upper| matches!(upper.kind, Kind::Vlan { id: other, .. } if other == id));
        if taken { Err(Errno::EEXIST) } else { Ok(()) }
    }
}
