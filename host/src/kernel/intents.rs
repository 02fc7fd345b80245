//! What plugins intend of the node's NAT and filter, and the host renders.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::names::{IfName, Mac};

/// Which attachment a NAT or filter entry belongs to; stored beside the entry in the kernel
/// (nftables user data), so that it is found again with no file at hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Name of the network.
    pub network: String,
    /// Container id.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

/// Traffic of one address is masqueraded when it leaves the address's own network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// The container's address with its network's prefix length.
    pub source: IpNet,
    /// Whose it is.
    pub owner: Owner,
}

/// A container's address that the node lets through its firewall: whatever comes from it, and what
/// belongs to its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The address.
    pub address: IpAddr,
    /// The bridge that its interface is on, if that is kept apart from others.
    pub apart: Option<Apart>,
    /// Whose it is.
    pub owner: Owner,
}

/// A bridge that is kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    /// Its name.
    pub bridge: IfName,
    /// From what.
    pub from: Separation,
}

/// What a bridge is kept apart from, as long as an admission says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Separation {
    /// From the other bridges that are kept apart.
    OtherBridges,
    /// From those, and its ports from each other.
    Everyone,
}

/// An address that a zone of firewalld is for, at run time: not in its permanent configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneSource {
    /// Name of the zone.
    pub zone: String,
    /// The address. firewalld has it with its full prefix length, as `firewall-cmd --list-sources` shows it.
    pub address: IpAddr,
}

/// Only frames from this MAC may enter the bridge through this port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoofGuard {
    /// Name of the host's end of the veth.
    pub port: IfName,
    /// The container's MAC.
    pub mac: Mac,
    /// Whose it is.
    pub owner: Owner,
}
