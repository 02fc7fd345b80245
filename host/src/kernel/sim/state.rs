//! What the simulated node is made of, and how its parts find each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::{Admission, Errno, IfIndex, Masquerade, NetnsId, Owner, Role, Rule, SpoofGuard};
use super::device::{Chosen, Device, Ipv6, Kind};
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
    /// Whom the reference plugins masquerade by nftables.
    pub(super) reference_masquerades: Vec<Owner>,
    /// Whom the reference bridge plugin guards. Its names leave out the network.
    pub(super) reference_spoof_guards: Vec<Owner>,
    pub(super) port_mappings: Vec<super::port_map::Entry>,
    pub(super) admissions: Vec<Admission>,
    /// None: it does not run.
    pub(super) firewalld: Option<super::firewalld::Zones>,
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
    pub(super) rules: Vec<Rule>,
    /// Values that were written, by key; links' own are with the links.
    pub(super) sysctls: BTreeMap<String, String>,
    /// The index that a new link gets if nothing has it.
    next_index: u32,
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

    /// Does only what lies behind the destination tell them apart?
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        (self.table, self.destination, self.priority)
            == (other.table, other.destination, other.priority)
    }

    /// Are they next hops of one IPv6 route, or the same one? (`rt6_qualify_for_ecmp`)
    pub(super) fn is_hop_with(&self, other: &Self) -> bool {
        let hops = !self.is_v4() && self.gateway.is_some() && other.gateway.is_some();
        hops && self.is_beside(other)
    }
}

impl Node {
    /// A node with its host netns.
    pub(super) fn new() -> (Self, NetnsKey) {
        let mut node = Self {
            netns: BTreeMap::new(),
            devices: BTreeMap::new(),
            masquerades: Vec::new(),
            reference_masquerades: Vec::new(),
            reference_spoof_guards: Vec::new(),
            spoof_guards: Vec::new(),
            port_mappings: Vec::new(),
            admissions: Vec::new(),
            firewalld: None,
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
            rules: super::rule::of_new_netns(),
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
        // `TX_Q_LIMIT` of drivers/net/ifb.c, `DEFAULT_TX_QUEUE_LEN` of the others.
        let tx_queue = if matches!(kind, Kind::Ifb) { 32 } else { 1000 };
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
            tx_queue,
            alias: None,
            master: None,
            port: None,
            vlans: BTreeMap::new(),
            addresses: Vec::new(),
            ipv6: if mtu < super::rules::IPV6_MIN_MTU { Ipv6::Absent } else { Ipv6::Waiting },
            sysctls: BTreeMap::new(),
            chosen: Chosen::Keys(BTreeSet::new()),
            bucket: None,
            redirect: None,
        }
    }

    /// What the device after the next one will be known by.
    pub(super) fn after_next(&self) -> DeviceId {
        DeviceId(self.next_device + 1)
    }

    /// A device with an index of its own, if it has one, and nothing inherited: one that was there before.
    pub(super) fn place(&mut self, mut device: Device) -> Answer<DeviceId> {
        let id = DeviceId(self.next_device);
        self.next_device += 1;
        match device.index {
            IfIndex(0) => device.index = self.free_index(device.netns)?,
            IfIndex(index) => {
                let netns = self.ns_mut(device.netns)?;
                netns.next_index = netns.next_index.max(index.saturating_add(1));
            }
        }
        self.note_mac(device.mac);
        self.devices.insert(id, device);
        Ok(id)
    }

    /// That MAC is not to be given to another device.
    pub(super) fn note_mac(&mut self, mac: Mac) {
        let [2, 0, number @ ..] = mac.bytes() else { return };
        self.next_mac = self.next_mac.max(u32::from_be_bytes(number));
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
