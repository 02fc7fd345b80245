//! A simulated network device.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;

use super::super::{IfIndex, IpvlanMode, MacvlanMode, Port, TokenBucket};
use super::state::{DeviceId, NetnsKey};
use crate::names::{IfName, Mac};

/// A network device.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) netns: NetnsKey,
    pub(super) index: IfIndex,
    pub(super) name: IfName,
    pub(super) kind: Kind,
    pub(super) mac: Mac,
    /// Somebody chose the MAC: a bridge keeps it.
    pub(super) mac_set: bool,
    pub(super) mtu: u32,
    /// Somebody changed the MTU of this bridge: it does not follow its ports' any more.
    pub(super) mtu_set: bool,
    pub(super) up: bool,
    /// RFC 2863: `up` or `unknown`.
    pub(super) oper_up: bool,
    pub(super) promisc: bool,
    pub(super) all_multicast: bool,
    pub(super) tx_queue: u32,
    pub(super) alias: Option<String>,
    pub(super) master: Option<DeviceId>,
    pub(super) port: Option<Port>,
    /// VLANs of a bridge port, or of a bridge itself.
    pub(super) vlans: BTreeMap<u16, VlanFlags>,
    pub(super) addresses: Vec<AddressEntry>,
    pub(super) ipv6: Ipv6,
    /// Sysctls of the link by `ipv4/conf/KEY` and the like, as far as they are not the namespace's
    /// default.
    pub(super) sysctls: BTreeMap<String, String>,
    /// Keys of `ipv4/conf` that were written for this link: it does not follow the default any more.
    pub(super) chosen: Chosen,
    /// The root qdisc, if somebody gave it one.
    pub(super) bucket: Option<TokenBucket>,
    /// Where what comes in is sent. It may be gone.
    pub(super) redirect: Option<DeviceId>,
}

/// Which of a link's IPv4 sysctls somebody chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    /// These.
    Keys(BTreeSet<String>),
    /// All: the link was given an address.
    All,
}

impl Chosen {
    pub(super) fn has(&self, key: &str) -> bool {
        match self {
            Self::Keys(keys) => keys.contains(key),
            Self::All => true,
        }
    }

    pub(super) fn add(&mut self, key: &str) {
        match self {
            Self::Keys(keys) => {
                keys.insert(key.to_owned());
            }
            Self::All => {}
        }
    }
}

/// What IPv6 thinks of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ipv6 {
    /// The MTU is below IPv6's 1280: there is no IPv6 on the device, not even its sysctls.
    Absent,
    /// The device has not been operational since it was set up.
    Waiting,
    /// It has; addresses may be checked and used.
    Ready,
}

impl Ipv6 {
    /// As states have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Waiting => "waiting",
            Self::Ready => "ready",
        }
    }
}

/// The kinds of devices, with what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Loopback,
    Veth {
        peer: DeviceId,
    },
    Bridge {
        vlan_filtering: bool,
        /// As the last look at the ports left it.
        carrier: bool,
    },
    Dummy,
    Ifb,
    Tap {
        multi_queue: bool,
        owner: Option<u32>,
        group: Option<u32>,
    },
    Ipvlan {
        parent: DeviceId,
        mode: IpvlanMode,
    },
    Macvlan {
        parent: DeviceId,
        mode: MacvlanMode,
        broadcast_queue: Option<u32>,
    },
    Vlan {
        parent: DeviceId,
        id: u16,
    },
    Vrf {
        table: u32,
    },
}

impl Kind {
    /// `IFLA_INFO_KIND`.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Loopback => "",
            Self::Veth { .. } => "veth",
            Self::Bridge { .. } => "bridge",
            Self::Dummy => "dummy",
            Self::Ifb => "ifb",
            Self::Tap { .. } => "tun",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Macvlan { .. } => "macvlan",
            Self::Vlan { .. } => "vlan",
            Self::Vrf { .. } => "vrf",
        }
    }

    /// The mode of an ipvlan or macvlan, as iproute2 writes it.
    pub(super) fn mode(&self) -> Option<&'static str> {
        match self {
            Self::Ipvlan { mode, .. } => Some(mode.word()),
            Self::Macvlan { mode, .. } => Some(mode.word()),
            Self::Loopback
            | Self::Veth { .. }
            | Self::Bridge { .. }
            | Self::Dummy
            | Self::Ifb
            | Self::Tap { .. }
            | Self::Vlan { .. }
            | Self::Vrf { .. } => None,
        }
    }

    pub(super) fn vlan_id(&self) -> Option<u16> {
        match self {
            Self::Vlan { id, .. } => Some(*id),
            Self::Loopback
            | Self::Veth { .. }
            | Self::Bridge { .. }
            | Self::Dummy
            | Self::Ifb
            | Self::Tap { .. }
            | Self::Ipvlan { .. }
            | Self::Macvlan { .. }
            | Self::Vrf { .. } => None,
        }
    }

    pub(super) fn is_bridge(&self) -> bool {
        matches!(self, Self::Bridge { .. })
    }

    pub(super) fn is_loopback(&self) -> bool {
        matches!(self, Self::Loopback)
    }

    /// The lower device of an ipvlan, macvlan or vlan.
    pub(super) fn parent(&self) -> Option<DeviceId> {
        match self {
            Self::Ipvlan { parent, .. }
            | Self::Macvlan { parent, .. }
            | Self::Vlan { parent, .. } => Some(*parent),
            Self::Loopback
            | Self::Veth { .. }
            | Self::Bridge { .. }
            | Self::Dummy
            | Self::Ifb
            | Self::Tap { .. }
            | Self::Vrf { .. } => None,
        }
    }

    /// The device that `IFLA_LINK` names.
    pub(super) fn iflink(&self) -> Option<DeviceId> {
        match self {
            Self::Veth { peer } => Some(*peer),
            Self::Loopback
            | Self::Bridge { .. }
            | Self::Dummy
            | Self::Ifb
            | Self::Tap { .. }
            | Self::Ipvlan { .. }
            | Self::Macvlan { .. }
            | Self::Vlan { .. }
            | Self::Vrf { .. } => self.parent(),
        }
    }
}

/// How a VLAN is treated on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VlanFlags {
    pub(super) pvid: bool,
    pub(super) untagged: bool,
}

/// An address on a device.
#[derive(Debug, Clone)]
pub(super) struct AddressEntry {
    pub(super) address: IpNet,
    pub(super) scope: u8,
    /// IPv4: not the first of its network on this device.
    pub(super) secondary: bool,
    pub(super) nodad: bool,
    pub(super) dad: Dad,
}

/// Duplicate address detection of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dad {
    /// Over, or not needed.
    Done,
    /// Not begun: the link is not ready.
    Waiting,
    /// Going on until then.
    Until(Duration),
    /// Another link has the address.
    Failed,
}
