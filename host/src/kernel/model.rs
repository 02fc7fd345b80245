//! The nouns of the kernel. A `…Spec` is what is wanted, the name without it what was seen.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::role::Role;
use crate::names::{IfName, Mac};

/// Identity of a network namespace: what `stat(2)` says of its nsfs file. Inodes are not reused
/// while the namespace lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NetnsId {
    /// `st_dev` of nsfs.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// How the names begin under which links are born that cannot have their own yet (`linux/create.rs`).
pub(crate) const BIRTH_NAME: &str = "wcni";

/// The kernel's number of a link, unique in its namespace. It identifies, it authorises nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IfIndex(pub u32);

/// A link that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// Its name.
    pub name: IfName,
    /// Octets; `None`: the kernel's default.
    pub mtu: Option<u32>,
    /// `None`: the kernel's choice.
    pub mac: Option<Mac>,
    /// What kind of device, with what that kind needs.
    pub kind: KindSpec,
}

/// The kind of a link that is wanted, with its own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KindSpec {
    /// `type veth peer name PEER netns …`; the peer gets the link's MTU.
    Veth {
        /// The other end's name.
        peer: IfName,
        /// Where the other end is made.
        peer_netns: Role,
        /// The other end's MAC; `None`: the kernel's choice.
        peer_mac: Option<Mac>,
    },
    /// `type bridge [vlan_filtering 1]`.
    Bridge {
        /// Filter by VLAN from the start.
        vlan_filtering: bool,
    },
    /// `type dummy`.
    Dummy,
    /// `ip tuntap add mode tap`: persistent, without packet information, with virtio headers.
    Tap {
        /// `multi_queue`: it may be opened several times at once.
        multi_queue: bool,
        /// `user UID`: who may open it besides those with CAP_NET_ADMIN; `None`: nobody.
        owner: Option<u32>,
        /// `group GID`.
        group: Option<u32>,
    },
    /// `type ipvlan mode MODE`, its parent by [`Parent`].
    Ipvlan {
        /// The lower device.
        parent: Parent,
        /// `l2`, `l3` or `l3s`.
        mode: IpvlanMode,
    },
    /// `type macvlan mode MODE`.
    Macvlan {
        /// The lower device.
        parent: Parent,
        /// `private`, `vepa`, `bridge` or `passthru`.
        mode: MacvlanMode,
        /// `bcqueuelen`: length of the broadcast queue; `None`: the kernel's.
        broadcast_queue: Option<u32>,
    },
    /// `type vlan id ID`.
    Vlan {
        /// The lower device.
        parent: Parent,
        /// 802.1Q VLAN id, 0 to 4094.
        id: u16,
    },
    /// `type ifb`: what is sent to it comes out again, past its qdisc.
    Ifb,
    /// `type vrf table TABLE`.
    Vrf {
        /// The route table of the VRF.
        table: u32,
    },
}

/// The lower device of an ipvlan, macvlan or vlan: it may stand in the other namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Where the lower device is.
    pub netns: Role,
    /// Its index there.
    pub index: IfIndex,
}

/// `ip link … type ipvlan mode …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kernel's words")]
pub enum IpvlanMode {
    L2,
    L3,
    L3s,
}

impl IpvlanMode {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::L2, Self::L3, Self::L3s];

    /// As ip-link(8) has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3s => "l3s",
        }
    }
}

/// `ip link … type macvlan mode …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kernel's words")]
pub enum MacvlanMode {
    Private,
    Vepa,
    Bridge,
    Passthru,
}

impl MacvlanMode {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Private, Self::Vepa, Self::Bridge, Self::Passthru];

    /// As ip-link(8) has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Bridge => "bridge",
            Self::Passthru => "passthru",
        }
    }
}

/// A link that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Number in its namespace.
    pub index: IfIndex,
    /// Name in its namespace.
    pub name: IfName,
    /// `IFLA_INFO_KIND`: `veth`, `bridge`, …; empty for what has none, such as `lo`.
    pub kind: String,
    /// `None`: the device has no 6-octet address.
    pub mac: Option<Mac>,
    /// Octets.
    pub mtu: u32,
    /// `IFF_UP`: administratively up.
    pub up: bool,
    /// RFC 2863 state is `up` or `unknown`.
    pub oper_up: bool,
    /// `IFF_PROMISC`, as set by an administrator or by anyone else.
    pub promisc: bool,
    /// `IFF_ALLMULTI`, as an administrator set it.
    pub all_multicast: bool,
    /// `IFLA_TXQLEN`: packets that may wait to be sent.
    pub tx_queue_length: u32,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// The bridge or VRF that it is enslaved to.
    pub master: Option<IfIndex>,
    /// `IFLA_LINK`: index of the veth's peer or of the lower device, in the namespace where that is.
    pub parent: Option<IfIndex>,
    /// What `ip link set … alias …` stored.
    pub alias: Option<String>,
    /// A bridge's `vlan_filtering`; false for other kinds.
    pub vlan_filtering: bool,
    /// Settings of a bridge port; `None`: it is none.
    pub port: Option<Port>,
    /// Of an ipvlan or macvlan, in iproute2's words: `l2`, `bridge`, …; `None` for other kinds.
    pub mode: Option<&'static str>,
    /// Of a VLAN device.
    pub vlan_id: Option<u16>,
    /// A VRF's route table; `None` for other kinds.
    pub vrf_table: Option<u32>,
}

/// The settings of a bridge port that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// Frames may leave through the port that they came from.
    pub hairpin: bool,
    /// No frames between isolated ports.
    pub isolated: bool,
}

/// One attribute of a link to change. Equivalent: `ip link set dev … WORDS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkChange {
    /// `up`.
    Up,
    /// `down`.
    Down,
    /// `mtu OCTETS`.
    Mtu(u32),
    /// `address MAC`.
    Mac(Mac),
    /// `name NAME`.
    Name(IfName),
    /// `alias TEXT`; empty: none. At most 255 octets (`IFALIASZ`).
    Alias(String),
    /// `promisc on|off`.
    Promisc(bool),
    /// `allmulticast on|off`.
    AllMulticast(bool),
    /// `txqueuelen PACKETS`.
    TxQueueLength(u32),
    /// `master LINK` or `nomaster`.
    Master(Option<IfIndex>),
    /// `netns …`: the link leaves for the other namespace, where its index may differ.
    Netns(Role),
}

/// One attribute of a bridge port to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortChange {
    /// `hairpin on|off`.
    Hairpin(bool),
    /// `isolated on|off`.
    Isolated(bool),
}

/// An address that is wanted on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSpec {
    /// Address with the length of its network's prefix; host bits are kept.
    pub address: IpNet,
    /// `nodad`: use it at once, without duplicate address detection (IPv6).
    pub nodad: bool,
}

/// An address that was seen on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Address with prefix length.
    pub address: IpNet,
    /// `RT_SCOPE_LINK` and the like; 0 is global.
    pub scope: u8,
    /// Duplicate address detection is not over.
    pub tentative: bool,
    /// Duplicate address detection found another holder.
    pub duplicate: bool,
}

/// A route that is wanted, or is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSpec {
    /// Destination; `0.0.0.0/0` and `::/0` are the default routes. Host bits are cut.
    pub destination: IpNet,
    /// `via ADDRESS`.
    pub gateway: Option<IpAddr>,
    /// `dev LINK`.
    pub link: Option<IfIndex>,
    /// `src ADDRESS`.
    pub source: Option<IpAddr>,
    /// `scope`: 0 universe, 253 link, 254 host; `None`: link for IPv4 without a gateway, else universe.
    pub scope: Option<u8>,
    /// `table`; `None`: main (254).
    pub table: Option<u32>,
    /// `metric`; `None`: the kernel's default.
    pub priority: Option<u32>,
    /// `mtu`, in octets.
    pub mtu: Option<u32>,
    /// `advmss`, in octets.
    pub advmss: Option<u32>,
    /// `proto kernel` instead of `proto boot`: one of the kernel's own that is put back.
    #[serde(default)]
    pub by_kernel: bool,
}

impl From<Route> for RouteSpec {
    /// The same route, to be put back.
    fn from(seen: Route) -> Self {
        Self {
            destination: seen.destination,
            gateway: seen.gateway,
            link: seen.link,
            source: seen.source,
            scope: Some(seen.scope),
            table: Some(seen.table),
            priority: Some(seen.priority),
            mtu: seen.mtu,
            advmss: seen.advmss,
            by_kernel: seen.by_kernel,
        }
    }
}

impl RouteSpec {
    /// A route to `destination` with nothing else said.
    pub fn to(destination: IpNet) -> Self {
        Self {
            destination,
            gateway: None,
            link: None,
            source: None,
            scope: None,
            table: None,
            priority: None,
            mtu: None,
            advmss: None,
            by_kernel: false,
        }
    }
}

/// A rule of policy routing that is wanted, or is to be deleted: packets from `source` look in `table`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// `from SOURCE`. Host bits are cut.
    pub source: IpNet,
    /// `lookup TABLE`, at least 1.
    pub table: u32,
}

/// A rule that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// `from`; a prefix of no bits: from all.
    pub source: IpNet,
    /// `lookup`.
    pub table: u32,
    /// `pref`: lower ones are asked first.
    pub priority: u32,
    /// It has no further condition: no mark, interface, destination, port, …
    pub only_source: bool,
}

/// A route that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub destination: IpNet,
    /// `via`.
    pub gateway: Option<IpAddr>,
    /// `dev`.
    pub link: Option<IfIndex>,
    /// `src`.
    pub source: Option<IpAddr>,
    /// `scope`, as a number.
    pub scope: u8,
    /// `table`.
    pub table: u32,
    /// `metric`; 0: none.
    pub priority: u32,
    /// `mtu`, in octets.
    pub mtu: Option<u32>,
    /// `advmss`, in octets.
    pub advmss: Option<u32>,
    /// Made by the kernel itself with an address (`proto kernel`).
    pub by_kernel: bool,
}

/// A range of VLANs on a bridge or a bridge port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanEntry {
    /// First id, 1 to 4094.
    pub first: u16,
    /// Last id, at least `first`.
    pub last: u16,
    /// `pvid`: untagged frames that come in belong to it.
    pub pvid: bool,
    /// `untagged`: its frames go out without a tag.
    pub untagged: bool,
    /// `self`: on the bridge itself, not on a port.
    pub on_bridge: bool,
}

/// A key below `/proc/sys/net`, components by `/`: `net/ipv4/ip_forward`. A dot is part of a name,
/// since link names hold dots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SysctlKey(String);

/// A key that names nothing below `/proc/sys/net`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "sysctl key {0:?} is no path below net/: write it as net/ipv4/ip_forward, with no \".\", \"..\" or empty part"
)]
pub struct BadSysctlKey(String);

impl SysctlKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SysctlKey {
    type Error = BadSysctlKey;

    fn try_from(key: String) -> Result<Self, BadSysctlKey> {
        let mut parts = key.split('/');
        let good = parts.next() == Some("net")
            && key.len() > 4
            && !key.bytes().any(|b| b.is_ascii_control())
            && parts.all(|p| !matches!(p, "" | "." | ".."));
        if good { Ok(Self(key)) } else { Err(BadSysctlKey(key)) }
    }
}

impl From<SysctlKey> for String {
    fn from(key: SysctlKey) -> Self {
        key.0
    }
}

impl fmt::Display for SysctlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
