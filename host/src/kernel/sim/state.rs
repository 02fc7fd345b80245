//! What the simulated node is made of, and how its parts find each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::{
    Errno, IfIndex, IpvlanMode, MacvlanMode, Masquerade, NetnsId, Port, Role, SpoofGuard,
};
use crate::names::{IfName, Mac};

/// What the parts of the model answer; the act's words are added where [`super::Sim`] is called.
pub(super) type Answer<T> = std::result::Result<T, Errno>;

/// Number of a network namespace on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NetnsKey(pub(super) u32);

impl NetnsKey {
    /// The host netns of a node.
    pub(super) const FIRST: Self = Self(0);
}

/// Number of a device on the node; it stays when the device changes its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeviceId(u32);

/// The namespaces that a call's roles mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roles {
    pub(super) host: NetnsKey,
    pub(super) container: Option<NetnsKey>,
}

impl Roles {
    pub(super) fn key(self, role: Role) -> Answer<NetnsKey> {
        match role {
            Role::Host => Ok(self.host),
            Role::Container => self.container.ok_or(Errno::ENOENT),
        }
    }
}

/// A machine: namespaces, devices in them, and what the host netns filters.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) netns: BTreeMap<NetnsKey, Netns>,
    pub(super) devices: BTreeMap<DeviceId, Device>,
    pub(super) masquerades: Vec<Masquerade>,
    pub(super) spoof_guards: Vec<SpoofGuard>,
    /// Time since the node began; it passes only in waits.
    pub(super) now: Duration,
    next_netns: u32,
    next_device: u32,
    next_mac: u32,
}

/// A network namespace.
#[derive(Debug, Clone)]
pub(super) struct Netns {
    pub(super) name: String,
    pub(super) routes: Vec<RouteEntry>,
    /// Values that were written, by key; links' own are with the links.
    pub(super) sysctls: BTreeMap<String, String>,
    /// The index that a new link gets if nothing has it.
    next_index: u32,
}

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
            Self::Ipvlan { .. } => "ipvlan",
            Self::Macvlan { .. } => "macvlan",
            Self::Vlan { .. } => "vlan",
            Self::Vrf { .. } => "vrf",
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

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouteEntry {
    pub(super) destination: IpNet,
    pub(super) gateway: Option<IpAddr>,
    pub(super) device: DeviceId,
    pub(super) source: Option<IpAddr>,
    pub(super) scope: u8,
    pub(super) table: u32,
    pub(super) priority: u32,
    pub(super) mtu: Option<u32>,
    pub(super) advmss: Option<u32>,
    pub(super) by_kernel: bool,
}

impl RouteEntry {
    pub(super) fn is_v4(&self) -> bool {
        self.destination.addr().is_ipv4()
    }
}

impl Node {
    /// A node with its host netns.
    pub(super) fn new() -> (Self, NetnsKey) {
        let mut node = Self {
            netns: BTreeMap::new(),
            devices: BTreeMap::new(),
            masquerades: Vec::new(),
            spoof_guards: Vec::new(),
            now: Duration::ZERO,
            next_netns: 0,
            next_device: 0,
            next_mac: 0,
        };
        let host = node.add_netns("host");
        (node, host)
    }

    /// A new namespace, with a loopback device that is down.
    pub(super) fn add_netns(&mut self, name: &str) -> NetnsKey {
        let key = NetnsKey(self.next_netns);
        self.next_netns += 1;
        let netns = Netns {
            name: name.to_owned(),
            routes: Vec::new(),
            sysctls: BTreeMap::new(),
            next_index: 1,
        };
        self.netns.insert(key, netns);
        if let Ok(lo) = IfName::try_from("lo") {
            let lo = self.blank(key, lo, Kind::Loopback, Mac::from([0; 6]), 65_536);
            self.insert(lo);
        }
        key
    }

    /// The namespace goes, and every device in it with its peer and its uppers.
    pub(super) fn remove_netns(&mut self, key: NetnsKey) {
        for id in self.members(key) {
            self.destroy(id);
        }
        self.netns.remove(&key);
    }

    pub(super) fn netns_id(key: NetnsKey) -> NetnsId {
        NetnsId { device: 4, inode: 0xF000_0000 + u64::from(key.0) }
    }

    pub(super) fn netns_named(&self, name: &str) -> Option<NetnsKey> {
        self.netns.iter().find(|(_, netns)| netns.name == name).map(|(key, _)| *key)
    }

    pub(super) fn ns(&self, key: NetnsKey) -> Answer<&Netns> {
        self.netns.get(&key).ok_or(Errno::ENOENT)
    }

    pub(super) fn ns_mut(&mut self, key: NetnsKey) -> Answer<&mut Netns> {
        self.netns.get_mut(&key).ok_or(Errno::ENOENT)
    }

    pub(super) fn dev(&self, id: DeviceId) -> Answer<&Device> {
        self.devices.get(&id).ok_or(Errno::ENODEV)
    }

    pub(super) fn dev_mut(&mut self, id: DeviceId) -> Answer<&mut Device> {
        self.devices.get_mut(&id).ok_or(Errno::ENODEV)
    }

    pub(super) fn find(&self, netns: NetnsKey, index: IfIndex) -> Answer<DeviceId> {
        self.seek(|device| device.netns == netns && device.index == index).ok_or(Errno::ENODEV)
    }

    pub(super) fn find_name(&self, netns: NetnsKey, name: &str) -> Option<DeviceId> {
        self.seek(|device| device.netns == netns && device.name.as_str() == name)
    }

    fn seek(&self, wanted: impl Fn(&Device) -> bool) -> Option<DeviceId> {
        self.devices.iter().find(|(_, device)| wanted(device)).map(|(id, _)| *id)
    }

    /// Every device that `wanted` holds for.
    pub(super) fn all(&self, wanted: impl Fn(&Device) -> bool) -> Vec<DeviceId> {
        self.devices.iter().filter(|(_, device)| wanted(device)).map(|(id, _)| *id).collect()
    }

    pub(super) fn members(&self, netns: NetnsKey) -> Vec<DeviceId> {
        self.all(|device| device.netns == netns)
    }

    pub(super) fn ports(&self, master: DeviceId) -> Vec<DeviceId> {
        self.all(|device| device.master == Some(master))
    }

    /// The ipvlans, macvlans and vlans on a device, wherever they are.
    pub(super) fn uppers(&self, parent: DeviceId) -> Vec<DeviceId> {
        self.all(|device| device.kind.parent() == Some(parent))
    }

    /// A MAC that nobody chose: locally administered, and different each time.
    pub(super) fn random_mac(&mut self) -> Mac {
        self.next_mac += 1;
        let [a, b, c, d] = self.next_mac.to_be_bytes();
        Mac::from([0x02, 0x00, a, b, c, d])
    }

    pub(super) fn free_index(&mut self, netns: NetnsKey) -> Answer<IfIndex> {
        loop {
            let namespace = self.ns_mut(netns)?;
            let index = IfIndex(namespace.next_index);
            namespace.next_index += 1;
            if self.find(netns, index).is_err() {
                return Ok(index);
            }
        }
    }

    /// A device that is down and has nothing; its index is given by [`insert`](Self::insert).
    pub(super) fn blank(
        &self,
        netns: NetnsKey,
        name: IfName,
        kind: Kind,
        mac: Mac,
        mtu: u32,
    ) -> Device {
        Device {
            netns,
            index: IfIndex(0),
            name,
            kind,
            mac,
            mac_set: false,
            mtu,
            mtu_set: false,
            up: false,
            oper_up: false,
            promisc: false,
            all_multicast: false,
            tx_queue: 1000,
            alias: None,
            master: None,
            port: None,
            vlans: BTreeMap::new(),
            addresses: Vec::new(),
            ipv6: if mtu < super::rules::IPV6_MIN_MTU { Ipv6::Absent } else { Ipv6::Waiting },
            sysctls: BTreeMap::new(),
            chosen: Chosen::Keys(BTreeSet::new()),
        }
    }

    /// What the device after the next one will be known by.
    pub(super) fn after_next(&self) -> DeviceId {
        DeviceId(self.next_device + 1)
    }

    pub(super) fn insert(&mut self, mut device: Device) -> DeviceId {
        let id = DeviceId(self.next_device);
        self.next_device += 1;
        if let Ok(index) = self.free_index(device.netns) {
            device.index = index;
        }
        self.devices.insert(id, device);
        self.inherit_sysctls(id);
        id
    }
}
