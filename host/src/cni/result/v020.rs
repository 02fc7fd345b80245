//! Results of 0.1.0 and 0.2.0: at most one address of each IP version, each with its routes.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{CniResult, Dns, IpConfig, Route, text};

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<WireIp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<WireIp>,
    dns: Dns,
}

#[derive(Debug, Deserialize, Serialize)]
struct WireIp {
    #[serde(with = "text::prefix")]
    ip: IpNet,
    #[serde(default, with = "text::address", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<WireRoute>,
}

#[derive(Debug, Deserialize, Serialize)]
struct WireRoute {
    #[serde(with = "text::prefix")]
    dst: IpNet,
    #[serde(default, with = "text::address", skip_serializing_if = "Option::is_none")]
    gw: Option<IpAddr>,
}

impl From<Wire> for CniResult {
    fn from(wire: Wire) -> Self {
        let mut result = Self { dns: wire.dns, ..Self::default() };
        for ip in [wire.ip4, wire.ip6].into_iter().flatten() {
            result.ips.push(IpConfig { interface: None, address: ip.ip, gateway: ip.gateway });
            result.routes.extend(ip.routes.into_iter().map(Route::from));
        }
        result
    }
}

impl From<WireRoute> for Route {
    fn from(WireRoute { dst, gw }: WireRoute) -> Self {
        Self { dst, gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

/// The links, every further address, and the routes of an IP version that has no address are lost,
/// as in the CNI library.
impl From<&CniResult> for Wire {
    fn from(result: &CniResult) -> Self {
        Self {
            ip4: first(result, |net| matches!(net, IpNet::V4(_))),
            ip6: first(result, |net| matches!(net, IpNet::V6(_))),
            dns: result.dns.clone(),
        }
    }
}

fn first(result: &CniResult, of_version: fn(&IpNet) -> bool) -> Option<WireIp> {
    let ip = result.ips.iter().find(|ip| of_version(&ip.address))?;
    let routes = result.routes.iter().filter(|route| of_version(&route.dst));
    Some(WireIp {
        ip: ip.address,
        gateway: ip.gateway,
        routes: routes.map(|route| WireRoute { dst: route.dst, gw: route.gw }).collect(),
    })
}
