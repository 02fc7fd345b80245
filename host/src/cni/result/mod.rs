//! The result of ADD: one shape inside, that of 1.1.0, and the shapes of all versions outside.

mod text;
mod v020;
mod v040;

use std::net::IpAddr;

use go_json::Node;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::error::{CniError, Code};
use super::version::{Family, SpecVersion, stated};

/// What ADD made. Written by serde as 1.0.0 and 1.1.0 have it, without `cniVersion`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct CniResult {
    /// The links, in the container and on the node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// The addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpConfig>,
    /// The routes in the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// What name resolution should use.
    #[serde(skip_serializing_if = "Dns::is_empty")]
    pub dns: Dns,
}

/// A link. As to Go, an empty text and a zero are the same as none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Interface {
    /// The link's name.
    pub name: String,
    /// The hardware address; not always six bytes (InfiniBand has twenty).
    #[serde(deserialize_with = "text::filled", skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The MTU in bytes. From 1.1.0.
    #[serde(deserialize_with = "text::not_zero", skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The path of the netns that it is in; none: on the node.
    #[serde(deserialize_with = "text::filled", skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// The path of a socket file, of a link in user space. From 1.1.0.
    #[serde(
        rename = "socketPath",
        deserialize_with = "text::filled",
        skip_serializing_if = "Option::is_none"
    )]
    pub socket_path: Option<String>,
    /// The PCI device. From 1.1.0.
    #[serde(
        rename = "pciID",
        deserialize_with = "text::filled",
        skip_serializing_if = "Option::is_none"
    )]
    pub pci_id: Option<String>,
}

/// An address.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct IpConfig {
    /// The index of its link in `interfaces`; none in an IPAM plugin's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<u32>,
    /// The address with its host bits, and the length of its prefix: `10.1.0.5/16`.
    #[serde(with = "text::prefix")]
    pub address: IpNet,
    /// The default gateway of its subnet.
    #[serde(default, with = "text::address", skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// A route.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The destination. Host bits are kept as they were written, as the CNI library does.
    #[serde(with = "text::prefix")]
    pub dst: IpNet,
    /// The next hop; none: the gateway of an address of the same family.
    #[serde(default, with = "text::address", skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// The MTU along the route, in bytes.
    #[serde(default, deserialize_with = "text::not_zero", skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The MSS to announce along the route, in bytes.
    #[serde(default, deserialize_with = "text::not_zero", skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    /// The metric; lower is preferred.
    #[serde(default, deserialize_with = "text::not_zero", skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// The routing table; 0 is a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The scope as rtnetlink numbers it; 0, which is global, is a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

/// What name resolution should use; no plugin checks it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Dns {
    /// The servers' addresses, preferred first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// The domains to search for short names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// The resolver's options.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl CniResult {
    /// Reads the `prevResult` of a configuration of version `config`.
    ///
    /// # Errors
    /// Its version is of another family than the configuration's (code 7, naming both), or it
    /// cannot be read (code 6).
    pub fn from_prev_result(node: &Node, config: SpecVersion) -> Result<Self, CniError> {
        let version = match stated(node)? {
            None => config,
            Some(text) => SpecVersion::known(text)
                .filter(|version| version.family() == config.family())
                .ok_or_else(|| {
                    let details = format!(
                        "reading \"prevResult\": its version is {text:?}, the configuration's {:?}",
                        config.as_str()
                    );
                    CniError::new(Code::InvalidConfiguration, details)
                })?,
        };
        Ok(Self::read(node, version.family()).map_err(|error| error.at_key("prevResult"))?)
    }

    /// Reads what a delegate, called with a configuration of version `config`, wrote to stdout.
    /// `null` is an empty result, and a missing version the configuration's, as in the CNI library.
    ///
    /// # Errors
    /// Its version is unknown (code 1), or it cannot be read (code 6).
    pub fn from_delegate(text: &str, config: SpecVersion) -> Result<Self, CniError> {
        let node = Node::parse(text)?;
        if node.is_null() {
            return Ok(Self::default());
        }
        let version = match stated(&node)? {
            None => config,
            Some(text) => SpecVersion::known(text).ok_or_else(|| {
                let details = format!("reading the delegate's result: unknown version {text:?}");
                CniError::new(Code::IncompatibleVersion, details)
            })?,
        };
        Ok(Self::read(&node, version.family())?)
    }

    fn read(node: &Node, family: Family) -> Result<Self, go_json::Error> {
        match family {
            Family::V020 => node.to::<v020::Wire>().map(Self::from),
            Family::V040 => node.to::<v040::Wire>().map(Self::from),
            Family::V100 => node.to(),
        }
    }

    /// The result as JSON, in the shape of `version`.
    ///
    /// # Errors
    /// As [`can_convert`].
    pub fn to_node(&self, version: SpecVersion) -> Result<Node, CniError> {
        can_convert(version, !self.ips.is_empty())?;
        let body = match version.family() {
            Family::V020 => Node::from_value(&v020::Wire::from(self)),
            Family::V040 => Node::from_value(&v040::Wire::from(self)),
            Family::V100 => Node::from_value(self),
        };
        let body = body.map_err(|error| CniError::new(Code::Internal, error.to_string()))?;
        let version = ("cniVersion".to_owned(), Node::from(version.as_str()));
        let rest = body.as_object().unwrap_or_default().iter().cloned();
        Ok(Node::object([version].into_iter().chain(rest)))
    }

    /// The result as a plugin writes it to stdout.
    ///
    /// # Errors
    /// As [`can_convert`].
    pub fn to_json(&self, version: SpecVersion) -> Result<String, CniError> {
        self.to_node(version).map(|node| format!("{node:#}"))
    }
}

/// Checks that a result with or without an address can be given in `version`.
///
/// To be asked before any work: upstream asks last, and leaves the work in place when the answer is
/// no.
///
/// # Errors
/// The results of 0.1.0 and 0.2.0 are nothing but addresses, and there is none (code 1).
pub fn can_convert(version: SpecVersion, has_address: bool) -> Result<(), CniError> {
    match version.family() {
        Family::V020 if !has_address => Err(CniError::new(
            Code::IncompatibleVersion,
            format!("converting result to {:?}: it has no address", version.as_str()),
        )),
        Family::V020 | Family::V040 | Family::V100 => Ok(()),
    }
}
