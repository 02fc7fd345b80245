//! What is to be made, from what is wanted and what IPAM gave. Nothing here touches the kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wasmcni_sdk::ipnet::{IpNet, Ipv4Net, Ipv6Net};
use wasmcni_sdk::net::{BridgeSpec, Detection, Tagging, VethSpec, VlanRange, switch};
use wasmcni_sdk::{CniResult, Error, Interface, Route, code};

use crate::conf::Conf;

/// Place of the container's interface in the result, after the bridge and the host's end.
pub(crate) const CONTAINER: u32 = 2;

/// Every VLAN that there can be.
pub(crate) const ALL_VLANS: VlanRange =
    VlanRange { first: 1, last: 4094, tagging: Tagging::empty() };

/// The bridge, when it is not there.
pub(crate) fn bridge(conf: &Conf) -> BridgeSpec {
    BridgeSpec {
        name: conf.bridge.clone(),
        mtu: conf.mtu,
        vlan_filtering: switch(conf.vlan_filtering),
    }
}

/// The veth pair, seen from the container.
pub(crate) fn veth(conf: &Conf, ifname: &str) -> VethSpec {
    VethSpec {
        name: ifname.to_owned(),
        mtu: conf.mtu,
        mac: conf.mac.map(Into::into),
        peer_name: None,
    }
}

/// Addresses of the container wait for duplicate address detection only if that is wanted.
pub(crate) fn detection(conf: &Conf) -> Detection {
    if conf.enable_dad { Detection::AsConfigured } else { Detection::None }
}

/// Settings of the container's interface, below `net/`.
pub(crate) fn sysctls(conf: &Conf, ifname: &str) -> Vec<(String, &'static str)> {
    let ipv6 = |key| format!("net/ipv6/conf/{ifname}/{key}");
    let mut sysctls = if conf.enable_dad {
        vec![(ipv6("enhanced_dad"), "1"), (ipv6("accept_dad"), "1")]
    } else {
        vec![(ipv6("accept_dad"), "0")]
    };
    sysctls.push((format!("net/ipv4/conf/{ifname}/arp_notify"), "1"));
    sysctls
}

/// The whole result: IPAM's addresses on the container's interface, with gateways and default routes
/// if the bridge is to be the gateway.
pub(crate) fn result(
    conf: &Conf,
    interfaces: Vec<Interface>,
    ipam: CniResult,
) -> Result<CniResult, Error> {
    let mut result = CniResult { interfaces, ..ipam };
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER);
        if conf.is_gateway && ip.gateway.is_none() {
            ip.gateway = Some(first_address(ip.address)?);
        }
    }
    if conf.is_default_gateway {
        let routes: Vec<Route> = [any(false), any(true)]
            .into_iter()
            .filter(|any| {
                !result.routes.iter().any(|r| r.destination == *any && r.gateway.is_some())
            })
            .filter_map(|any| {
                let mut ips = result.ips.iter();
                let ip = ips.find(|ip| ip.address.addr().is_ipv6() == any.addr().is_ipv6())?;
                Some(Route::new(any, ip.gateway))
            })
            .collect();
        result.routes.extend(routes);
    }
    result.dns = conf.dns.clone().over(result.dns);
    Ok(result)
}

/// `0.0.0.0/0` or `::/0`.
fn any(ipv6: bool) -> IpNet {
    if ipv6 { Ipv6Net::default().into() } else { Ipv4Net::default().into() }
}

/// The first address of a network, which is the gateway where nobody says otherwise.
fn first_address(network: IpNet) -> Result<IpAddr, Error> {
    let first = match network.network() {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|b| Ipv4Addr::from_bits(b).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|b| Ipv6Addr::from_bits(b).into()),
    };
    first.filter(|first| network.contains(first)).ok_or_else(|| {
        let why = format!("finding a gateway for {network}: the network has no further address");
        Error::new(code::CONFIGURATION, why)
    })
}

/// The addresses of the gateway's link: each gateway with its network's prefix length, none twice.
pub(crate) fn gateways(result: &CniResult) -> Vec<IpNet> {
    let mut gateways = Vec::new();
    for ip in result.ips.iter().filter(|ip| ip.interface == Some(CONTAINER)) {
        let Some(gateway) = ip.gateway else { continue };
        if let Ok(network) = IpNet::new(gateway, ip.address.prefix_len())
            && !gateways.contains(&network)
        {
            gateways.push(network);
        }
    }
    gateways
}

/// What is to be done about a gateway address on a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// It is there.
    There,
    /// Add it, after these have been taken away.
    Add {
        /// Addresses that contradict it.
        instead_of: Vec<IpNet>,
    },
}

/// A link has one IPv4 address, and IPv6 addresses whose networks do not overlap. Another one is
/// replaced if `force`.
///
/// # Errors
/// Code 7 when there is another one that may not be replaced.
pub(crate) fn place(
    link: &str,
    seen: &[IpNet],
    wanted: IpNet,
    force: bool,
) -> Result<Placement, Error> {
    if seen.contains(&wanted) {
        return Ok(Placement::There);
    }
    let contradicts = |other: &&IpNet| match (other, wanted) {
        (IpNet::V4(_), IpNet::V4(_)) => true,
        (IpNet::V6(other), IpNet::V6(wanted)) => {
            other.contains(&wanted.addr()) || wanted.contains(&other.addr())
        }
        (IpNet::V4(_), IpNet::V6(_)) | (IpNet::V6(_), IpNet::V4(_)) => false,
    };
    let instead_of: Vec<IpNet> = seen.iter().filter(contradicts).copied().collect();
    match instead_of.first() {
        Some(other) if !force => Err(Error::new(
            code::CONFIGURATION,
            format!(
                "adding gateway address {wanted} to {link:?}: it has {other}; forceAddress would replace it"
            ),
        )),
        Some(_) | None => Ok(Placement::Add { instead_of }),
    }
}

/// The first VLAN that a port should have and has not, or has with other tags.
pub(crate) fn missing_vlan(wanted: &[VlanRange], seen: &[VlanRange]) -> Option<u16> {
    wanted.iter().find_map(|range| {
        (range.first..=range.last).find(|id| {
            let mut at = seen.iter().filter(|s| (s.first..=s.last).contains(id));
            !at.any(|s| s.tagging == range.tagging)
        })
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
