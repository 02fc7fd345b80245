//! The nouns of port mappings.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::intents::Owner;

/// The transport of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// `IPPROTO_…`, as in an IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp].into_iter().find(|p| p.number() == number)
    }

    /// As configurations have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// Which connections through a mapped port get an address of the node for their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortMasquerade {
    /// None.
    None,
    /// From the container's own network, and from the node's loopback addresses.
    Near,
    /// All.
    Every,
}

/// Packets to a port of the node lead to a port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// The transport.
    pub protocol: Protocol,
    /// The address of the node; `None`: any of the family of `container`.
    pub host_address: Option<IpAddr>,
    /// The port of the node.
    pub host_port: u16,
    /// The container's address with its network's prefix length.
    pub container: IpNet,
    /// The port of the container.
    pub container_port: u16,
    /// Whose source changes.
    pub masquerade: PortMasquerade,
    /// Whose it is.
    pub owner: Owner,
}

impl PortMapping {
    /// One that nobody has: for asking whether there can be any.
    pub fn example() -> Self {
        let owner =
            Owner { network: String::new(), container_id: String::new(), ifname: String::new() };
        Self {
            protocol: Protocol::Tcp,
            host_address: None,
            host_port: 0,
            container: IpNet::V4(ipnet::Ipv4Net::default()),
            container_port: 0,
            masquerade: PortMasquerade::None,
            owner,
        }
    }

    /// Ports, for messages: cut where they get long.
    pub fn words(mappings: &[Self]) -> String {
        const SHOWN: usize = 4;
        let shown = mappings.iter().take(SHOWN).map(|mapping| format!("port \"{mapping}\""));
        let mut words: Vec<String> = shown.collect();
        if let Some(more) = mappings.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            words.push(format!("{more} more"));
        }
        words.join(", ")
    }

    /// Whether both are for this port of the node and for some same address of it.
    pub fn overlaps(&self, other: &Self) -> bool {
        let family = self.container.addr().is_ipv4() == other.container.addr().is_ipv4();
        let port = (self.protocol, self.host_port) == (other.protocol, other.host_port);
        let address = match (self.host_address, other.host_address) {
            (Some(one), Some(another)) => one == another,
            (None, Some(_)) | (Some(_), None) | (None, None) => true,
        };
        family && port && address
    }

    /// The sentence of an error about a port that is another's.
    pub fn taken_by(&self, owner: &Owner) -> String {
        let Owner { network, container_id, ifname } = owner;
        format!(
            "port \"{self}\" belongs to container {container_id:?}, interface {ifname:?}, of network \
             {network:?}"
        )
    }

    /// Whether both are for the very same port and address of the node.
    pub fn is_in_place_of(&self, other: &Self) -> bool {
        self.overlaps(other) && self.host_address == other.host_address
    }
}

/// `192.0.2.1:8080/tcp`; `0.0.0.0:8080/tcp` and `[::]:8080/tcp` are of every address of the family.
impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (port, protocol) = (self.host_port, self.protocol.word());
        match (self.host_address, self.container) {
            (Some(IpAddr::V4(address)), _) => write!(f, "{address}:{port}/{protocol}"),
            (Some(IpAddr::V6(address)), _) => write!(f, "[{address}]:{port}/{protocol}"),
            (None, IpNet::V4(_)) => write!(f, "0.0.0.0:{port}/{protocol}"),
            (None, IpNet::V6(_)) => write!(f, "[::]:{port}/{protocol}"),
        }
    }
}

/// What a packet must be like for mappings to hold for it. The lists hold at least one item each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "nft's words")]
pub enum Condition {
    /// `ip saddr`
    Source { negated: bool, networks: Vec<IpNet> },
    /// `ip daddr`
    Destination { negated: bool, networks: Vec<IpNet> },
    /// `iifname`; a name that ends in `*` stands for all that begin so.
    InputLink { negated: bool, names: Vec<String> },
    /// `oifname`
    OutputLink { negated: bool, names: Vec<String> },
    /// `th sport`, of any transport if none is said.
    SourcePort { protocol: Option<Protocol>, negated: bool, ranges: Vec<(u16, u16)> },
    /// `th dport`
    DestinationPort { protocol: Option<Protocol>, negated: bool, ranges: Vec<(u16, u16)> },
    /// `meta mark and MASK`
    Mark { negated: bool, value: u32, mask: u32 },
}

/// Mappings of one family that are opened together, for packets that meet all conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortMap {
    /// One for each port and address of the node.
    pub mappings: Vec<PortMapping>,
    /// None: any packet.
    pub conditions: Vec<Condition>,
}
