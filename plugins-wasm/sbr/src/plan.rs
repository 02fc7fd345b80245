//! Which rules and routes there are to be. Nothing here touches the kernel.

use std::net::IpAddr;

use wasmcni_sdk::ipnet::{IpNet, Ipv4Net, Ipv6Net};
use wasmcni_sdk::net::{self, RouteInfo, RouteSpec, RuleInfo, RuleSpec};
use wasmcni_sdk::{CniResult, Error, IpConfig, Route};

/// The first table that may be chosen.
pub(crate) const FIRST_TABLE: u32 = 100;

/// `RT_TABLE_DEFAULT` to `RT_TABLE_LOCAL`: the kernel's own.
const RESERVED: std::ops::RangeInclusive<u32> = 253..=MAIN + 1;

/// `RT_TABLE_MAIN`.
pub(crate) const MAIN: u32 = 254;

/// The addresses that the result has of the interface; those of no interface count as well.
///
/// # Errors
/// Code 7: there are none, and so no source to route by.
pub(crate) fn addresses<'a>(
    result: &'a CniResult,
    ifname: &str,
) -> Result<Vec<&'a IpConfig>, Error> {
    let index = result.container_interface(ifname).map(|(index, _)| index);
    let ips: Vec<&IpConfig> = result.ips_of(index).collect();
    if ips.is_empty() {
        let why = format!("source-based routing needs an address of interface {ifname:?}");
        return Err(Error::missing("prevResult.ips", &why));
    }
    Ok(ips)
}

/// The rule of an address: `from <address> lookup <table>`.
pub(crate) fn rule(ip: &IpConfig, table: u32) -> RuleSpec {
    RuleSpec { source: net::host_prefix(ip.address.addr()).into(), table }
}

/// The first `count` tables from 100 that no rule leads to and no route is in.
pub(crate) fn free_tables(rules: &[RuleInfo], routes: &[RouteInfo], count: usize) -> Vec<u32> {
    let used = |table: &u32| {
        RESERVED.contains(table)
            || rules.iter().any(|rule| rule.table == *table)
            || routes.iter().any(|route| route.table == *table)
    };
    (FIRST_TABLE..u32::MAX).filter(|table| !used(table)).take(count).collect()
}

/// The interface's routes of the main table that move, those by gateways last: the networks of gateways
/// have to be there before them. Link-local networks are of every interface, and no rule is about them.
pub(crate) fn moving(routes: &[RouteInfo], link: u32) -> Vec<RouteInfo> {
    let moves =
        |route: &&RouteInfo| route.link == Some(link) && route.table == MAIN && !link_local(route);
    let mut moving: Vec<RouteInfo> = routes.iter().filter(moves).copied().collect();
    moving.sort_by_key(|route| route.gateway.is_some());
    moving
}

/// What the table of an address gets: the routes that are about its network, and those that are about none
/// of `ips`; and a default route, by `gateways` or the address's own, unless there is one.
pub(crate) fn table_of(
    ip: &IpConfig,
    ips: &[&IpConfig],
    moving: &[RouteInfo],
    gateways: &[IpAddr],
    table: u32,
) -> Result<Vec<RouteSpec>, Error> {
    let ipv6 = ip.address.addr().is_ipv6();
    let given = gateways.iter().any(|gateway| gateway.is_ipv6() == ipv6);
    let mut added = Vec::new();
    let mut has_default = false;
    for route in moving {
        let destination = IpNet::try_from(route.destination)?;
        let default = destination.prefix_len() == 0;
        if destination.addr().is_ipv6() != ipv6 || (default && given) {
            continue;
        }
        if is_about(route, ip) || !ips.iter().any(|other| is_about(route, other)) {
            has_default |= default;
            added.push(spec(route, table));
        }
    }
    if let Some(gateway) = gateway(ip, gateways).filter(|_| !has_default) {
        let route = Route::new(anywhere(ipv6), Some(gateway));
        added.push(RouteSpec { table: Some(table), ..(&route).into() });
    }
    Ok(added)
}

/// Whether a route names the address's network: as its source, its gateway or its destination.
fn is_about(route: &RouteInfo, ip: &IpConfig) -> bool {
    let named = [route.source, route.gateway].into_iter().flatten().map(IpAddr::from);
    named.clone().any(|named| ip.address.contains(&named))
        || (named.count() == 0 && destination_is(route, ip.address))
}

fn destination_is(route: &RouteInfo, address: IpNet) -> bool {
    IpNet::try_from(route.destination).is_ok_and(|to| to.trunc() == address.trunc())
}

/// What leaves the main table, in an order whose opposite puts networks before the gateways in them.
///
/// With `hints` the addresses' networks stay, with the address as their source: those that have none are
/// deleted as well, and added anew.
pub(crate) fn leaving(
    moving: &[RouteInfo],
    ips: &[&IpConfig],
    hints: bool,
) -> (Vec<RouteSpec>, Vec<RouteSpec>) {
    let (mut deleted, mut added) = (Vec::new(), Vec::new());
    for route in moving.iter().rev() {
        let network =
            |ip: &&&IpConfig| route.gateway.is_none() && destination_is(route, ip.address);
        match ips.iter().find(network).filter(|_| hints) {
            Some(_) if route.source.is_some() => continue,
            Some(ip) => {
                let source = Some(ip.address.addr().into());
                added.push(RouteSpec { source, ..spec(route, MAIN) });
            }
            None => {}
        }
        deleted.push(spec(route, MAIN));
    }
    (deleted, added)
}

/// The gateway of an address's default route.
pub(crate) fn gateway(ip: &IpConfig, gateways: &[IpAddr]) -> Option<IpAddr> {
    let ipv6 = ip.address.addr().is_ipv6();
    gateways.iter().copied().chain(ip.gateway).find(|gateway| gateway.is_ipv6() == ipv6)
}

/// The default route's destination.
pub(crate) fn anywhere(ipv6: bool) -> IpNet {
    if ipv6 { Ipv6Net::default().into() } else { Ipv4Net::default().into() }
}

fn link_local(route: &RouteInfo) -> bool {
    let Ok(IpNet::V6(destination)) = IpNet::try_from(route.destination) else { return false };
    destination.addr().is_unicast_link_local()
}

fn spec(route: &RouteInfo, table: u32) -> RouteSpec {
    RouteSpec {
        destination: route.destination,
        gateway: route.gateway,
        source: route.source,
        scope: Some(route.scope),
        table: Some(table),
        priority: Some(route.priority),
        mtu: route.mtu,
        advmss: route.advmss,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
