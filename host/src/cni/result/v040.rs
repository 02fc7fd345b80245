//! Results of 0.3.0, 0.3.1 and 0.4.0: addresses say their IP version, links have no MTU, socket or
//! device.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{CniResult, Dns, Interface, IpConfig, Route, text};

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Wire {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<WireInterface>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<WireIp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
    dns: Dns,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct WireInterface {
    name: String,
    #[serde(deserialize_with = "text::filled", skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(deserialize_with = "text::filled", skip_serializing_if = "Option::is_none")]
    sandbox: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct WireIp {
    /// Written, never read: the address says it, and upstream's loopback leaves this out.
    #[serde(skip_deserializing)]
    version: &'static str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interface: Option<u32>,
    #[serde(with = "text::prefix")]
    address: IpNet,
    #[serde(default, with = "text::address", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

impl From<Wire> for CniResult {
    fn from(wire: Wire) -> Self {
        Self {
            interfaces: wire.interfaces.into_iter().map(Interface::from).collect(),
            ips: wire.ips.into_iter().map(IpConfig::from).collect(),
            routes: wire.routes,
            dns: wire.dns,
        }
    }
}

impl From<WireInterface> for Interface {
    fn from(WireInterface { name, mac, sandbox }: WireInterface) -> Self {
        Self { name, mac, sandbox, ..Self::default() }
    }
}

impl From<WireIp> for IpConfig {
    fn from(ip: WireIp) -> Self {
        Self { interface: ip.interface, address: ip.address, gateway: ip.gateway }
    }
}

impl From<&CniResult> for Wire {
    fn from(result: &CniResult) -> Self {
        Self {
            interfaces: result.interfaces.iter().map(WireInterface::from).collect(),
            ips: result.ips.iter().map(WireIp::from).collect(),
            routes: result.routes.clone(),
            dns: result.dns.clone(),
        }
    }
}

impl From<&Interface> for WireInterface {
    fn from(link: &Interface) -> Self {
        Self { name: link.name.clone(), mac: link.mac.clone(), sandbox: link.sandbox.clone() }
    }
}

impl From<&IpConfig> for WireIp {
    fn from(ip: &IpConfig) -> Self {
        let version = match ip.address {
            IpNet::V4(_) => "4",
            IpNet::V6(_) => "6",
        };
        Self { version, interface: ip.interface, address: ip.address, gateway: ip.gateway }
    }
}
