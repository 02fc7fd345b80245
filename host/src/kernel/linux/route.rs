//! Routes: `ip route`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};
use nix::errno::Errno;
use nix::libc;

use super::address::family;
use super::attributes::{attributes, read_address, read_u16, read_u32};
use super::socket::{Refusal, RouteSocket};
use crate::kernel::{IfIndex, Route, RouteSpec};

/// Octets of `struct rtmsg`.
const HEADER_OCTETS: usize = 12;

/// Octets of `struct rtnexthop`.
const NEXT_HOP_OCTETS: usize = 8;

// Attributes that the crates do not name.
const RTA_VIA: u16 = 18;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;

/// The table of routes that name none.
const MAIN: u32 = libc::RT_TABLE_MAIN as u32;

/// The kernel's own addresses and broadcasts.
const LOCAL: u32 = libc::RT_TABLE_LOCAL as u32;

/// Equivalent: `ip route prepend …`.
pub(super) fn add(socket: &mut RouteSocket, spec: &RouteSpec) -> Result<(), Refusal> {
    let mut request = message(spec);
    request.header.protocol =
        if spec.by_kernel { RouteProtocol::Kernel } else { RouteProtocol::Boot };
    request.header.kind = RouteType::Unicast;
    request.header.scope = match (spec.scope, spec.destination, spec.gateway) {
        (Some(scope), _, _) => scope.into(),
        (None, IpNet::V4(_), None) => RouteScope::Link,
        (None, _, _) => RouteScope::Universe,
    };
    socket.act(libc::RTM_NEWROUTE, NLM_F_CREATE, &request)
}

/// Equivalent: `ip route delete …`, but of one next hop.
pub(super) fn delete(socket: &mut RouteSocket, spec: &RouteSpec) -> Result<(), Refusal> {
    let mut request = message(spec);
    // Any protocol and type; IPv4 compares the scope unless it is this one.
    request.header.scope = spec.scope.map_or(RouteScope::NoWhere, RouteScope::from);
    let compared = spec.source.is_some() || spec.mtu.is_some() || spec.advmss.is_some();
    if let IpNet::V6(_) = spec.destination
        && (compared || spec.gateway.is_none())
    {
        // IPv6 compares neither source nor metrics, and where no gateway is named it deletes every
        // next hop: name the one route that is meant.
        let routes = of_family(socket, AddressFamily::Inet6)?;
        match meant(&routes, spec) {
            Some(route) => {
                let narrowed = RouteSpec {
                    // Of routes without a gateway the kernel says that it is this one.
                    gateway: route.gateway.or(Some(Ipv6Addr::UNSPECIFIED.into())),
                    link: route.link,
                    priority: Some(route.priority),
                    ..spec.clone()
                };
                request.attributes = message(&narrowed).attributes;
            }
            None if compared => return Err(Errno::ESRCH.into()),
            // A route that stands between two next hops is not listed.
            None => {}
        }
    }
    socket.act(libc::RTM_DELROUTE, 0, &request).map_err(|refusal| {
        // IPv6 answers so where only the empty route at a table's root matches: `::/0` without one.
        if refusal.errno == Errno::ENOENT {
            Refusal { errno: Errno::ESRCH, ..refusal }
        } else {
            refusal
        }
    })
}

/// The IPv6 route that `spec` fits.
fn meant<'a>(routes: &'a [Route], spec: &RouteSpec) -> Option<&'a Route> {
    let seen = routes.iter().find(|route| fits(route, spec));
    if seen.is_some() || spec.gateway.is_none() || spec.link.is_none() {
        return seen;
    }
    // A further next hop is listed with the first one's source and metrics, not with its own.
    let named = RouteSpec { source: None, mtu: None, advmss: None, ..spec.clone() };
    let is_further = |at: usize, route: &Route| {
        routes.iter().take(at).any(|other| {
            other.gateway.is_some()
                && (other.table, other.destination, other.priority)
                    == (route.table, route.destination, route.priority)
        })
    };
    let mut rows = routes.iter().enumerate();
    rows.find(|(at, route)| fits(route, &named) && is_further(*at, route)).map(|(_, route)| route)
}

/// Whether everything that `spec` names is so.
fn fits(route: &Route, spec: &RouteSpec) -> bool {
    fn same<T: PartialEq>(wanted: Option<T>, seen: Option<T>) -> bool {
        wanted.is_none() || wanted == seen
    }
    route.destination == spec.destination.trunc()
        && route.table == spec.table.unwrap_or(MAIN)
        && same(spec.gateway, route.gateway)
        && same(spec.link, route.link)
        && same(spec.source, route.source)
        && same(spec.priority, Some(route.priority))
        && same(spec.mtu, route.mtu)
        && same(spec.advmss, route.advmss)
}

/// What adding and deleting have in common.
fn message(spec: &RouteSpec) -> RouteMessage {
    let destination = spec.destination.trunc();
    let mut message = RouteMessage::default();
    message.header.address_family = family(&destination);
    message.header.destination_prefix_length = destination.prefix_len();
    let attributes = &mut message.attributes;
    let table = spec.table.unwrap_or(MAIN);
    match u8::try_from(table) {
        Ok(table) => message.header.table = table,
        Err(_) => attributes.push(RouteAttribute::Table(table)),
    }
    if destination.prefix_len() > 0 {
        attributes.push(RouteAttribute::Destination(destination.addr().into()));
    }
    attributes.extend(spec.gateway.map(|gateway| match (destination, gateway) {
        (IpNet::V4(_), IpAddr::V6(gateway)) => RouteAttribute::Via(RouteVia::Inet6(gateway)),
        (_, gateway) => RouteAttribute::Gateway(gateway.into()),
    }));
    attributes.extend(spec.link.map(|link| RouteAttribute::Oif(link.0)));
    attributes.extend(spec.source.map(|source| RouteAttribute::PrefSource(source.into())));
    attributes.extend(spec.priority.map(RouteAttribute::Priority));
    let mtu = spec.mtu.map(RouteMetric::Mtu);
    let metrics: Vec<_> = mtu.into_iter().chain(spec.advmss.map(RouteMetric::Advmss)).collect();
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Metrics(metrics));
    }
    message
}

/// Equivalent: `ip -4 route show table all; ip -6 route show table all`, without the `local` table
/// and without cloned, broadcast, anycast and multicast entries. A route with several next hops is
/// listed once for each.
pub(super) fn all(socket: &mut RouteSocket) -> Result<Vec<Route>, Refusal> {
    let mut routes = of_family(socket, AddressFamily::Inet)?;
    routes.extend(of_family(socket, AddressFamily::Inet6)?);
    Ok(routes)
}

fn of_family(socket: &mut RouteSocket, family: AddressFamily) -> Result<Vec<Route>, Refusal> {
    let mut request = RouteMessage::default();
    request.header.address_family = family;
    socket.dump(libc::RTM_GETROUTE, &request, |body, found| {
        let Ok(header) = RouteHeader::parse(body) else { return Ok(()) };
        let unlisted =
            [RouteType::Local, RouteType::Broadcast, RouteType::Anycast, RouteType::Multicast];
        // A kernel without the family answers for all that it has.
        if header.address_family == family
            && !unlisted.contains(&header.kind)
            && !header.flags.contains(RouteFlags::Cloned)
        {
            found.extend(read(&header, body).filter(|route| route.table != LOCAL));
        }
        Ok(())
    })
}

/// Equivalent: `ip route get ADDRESS`.
pub(super) fn to(socket: &mut RouteSocket, destination: IpAddr) -> Result<Route, Refusal> {
    let mut request = RouteMessage::default();
    let header = &mut request.header;
    (header.address_family, header.destination_prefix_length) = match destination {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    if destination.is_ipv4() {
        // The table where it was found; IPv6 always says, and refuses the flag.
        header.flags = RouteFlags::LookupTable;
    }
    request.attributes.push(RouteAttribute::Destination(RouteAddress::from(destination)));
    socket.ask(libc::RTM_GETROUTE, &request, |body| {
        let header = RouteHeader::parse(body).map_err(|_| Errno::EBADMSG)?;
        read(&header, body).next().ok_or(Errno::EBADMSG.into())
    })
}

/// The routes of an `RTM_NEWROUTE`: one for each next hop.
fn read(header: &RouteHeader, body: &[u8]) -> impl Iterator<Item = Route> {
    let mut hops = Vec::new();
    let route = read_route(header, body.get(HEADER_OCTETS..).unwrap_or_default(), &mut hops);
    let single = if hops.is_empty() { route.clone() } else { None };
    let several = hops.into_iter().filter_map(move |(link, gateway)| {
        route.as_ref().map(|route| Route { link: Some(link), gateway, ..route.clone() })
    });
    single.into_iter().chain(several)
}

type NextHop = (IfIndex, Option<IpAddr>);

fn read_route(header: &RouteHeader, octets: &[u8], hops: &mut Vec<NextHop>) -> Option<Route> {
    // A default route has no destination attribute.
    let anywhere = if header.address_family == AddressFamily::Inet {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    let everything = IpNet::new(anywhere, header.destination_prefix_length).ok()?;
    let mut route = Route {
        destination: everything,
        gateway: None,
        link: None,
        source: None,
        scope: header.scope.into(),
        table: header.table.into(),
        priority: 0,
        mtu: None,
        advmss: None,
        by_kernel: header.protocol == RouteProtocol::Kernel,
    };
    for (kind, value) in attributes(octets) {
        match kind {
            libc::RTA_DST => {
                route.destination =
                    IpNet::new(read_address(value)?, header.destination_prefix_length).ok()?;
            }
            libc::RTA_GATEWAY => route.gateway = read_address(value),
            RTA_VIA => route.gateway = read_via(value),
            libc::RTA_OIF => route.link = read_u32(value).map(IfIndex),
            libc::RTA_PREFSRC => route.source = read_address(value),
            libc::RTA_TABLE => route.table = read_u32(value)?,
            libc::RTA_PRIORITY => route.priority = read_u32(value)?,
            libc::RTA_METRICS => {
                for (metric, value) in attributes(value) {
                    match metric {
                        RTAX_MTU => route.mtu = read_u32(value),
                        RTAX_ADVMSS => route.advmss = read_u32(value),
                        _ => {} // windows, round-trip times
                    }
                }
            }
            libc::RTA_MULTIPATH => *hops = read_next_hops(value),
            _ => {} // cache information, encapsulation
        }
    }
    Some(route)
}

/// `struct rtvia`: a family, then an address of any family.
fn read_via(value: &[u8]) -> Option<IpAddr> {
    read_address(value.get(2..)?)
}

/// A row of `struct rtnexthop`, each with its own attributes.
fn read_next_hops(mut octets: &[u8]) -> Vec<NextHop> {
    let mut hops = Vec::new();
    while let Some((hop, rest)) = split_next_hop(octets) {
        octets = rest;
        hops.push(hop);
    }
    hops
}

fn split_next_hop(octets: &[u8]) -> Option<(NextHop, &[u8])> {
    let length = usize::from(read_u16(octets)?);
    let index = IfIndex(read_u32(octets.get(4..)?)?);
    let mut gateway = None;
    for (kind, value) in attributes(octets.get(NEXT_HOP_OCTETS..length)?) {
        match kind {
            libc::RTA_GATEWAY => gateway = read_address(value),
            RTA_VIA => gateway = read_via(value),
            _ => {} // encapsulation
        }
    }
    Some(((index, gateway), octets.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(index: u32, gateway: [u8; 4]) -> Vec<u8> {
        let mut octets = [&16_u16.to_ne_bytes()[..], &[0, 0], &index.to_ne_bytes()].concat();
        octets.extend([&8_u16.to_ne_bytes()[..], &5_u16.to_ne_bytes(), &gateway].concat());
        octets
    }

    #[test]
    fn a_route_with_several_next_hops_is_read_once_for_each() {
        let hops = [hop(3, [10, 0, 0, 1]), hop(4, [10, 0, 0, 2])].concat();
        let length = u16::try_from(hops.len() + 4).unwrap();
        let mut body = vec![0; HEADER_OCTETS];
        body.extend(
            [&length.to_ne_bytes()[..], &libc::RTA_MULTIPATH.to_ne_bytes(), &hops].concat(),
        );
        let header = RouteHeader { address_family: AddressFamily::Inet, ..RouteHeader::default() };
        let found: Vec<_> = read(&header, &body).map(|route| (route.link, route.gateway)).collect();
        let wanted = [(3, [10, 0, 0, 1]), (4, [10, 0, 0, 2])];
        assert_eq!(found, wanted.map(|(link, via)| (Some(IfIndex(link)), Some(via.into()))));
    }

    #[test]
    fn next_hops_that_are_cut_short_end_the_row() {
        assert_eq!(read_next_hops(&hop(3, [10, 0, 0, 1])[..12]).len(), 0);
        assert_eq!(read_next_hops(&[0; 8]).len(), 0);
    }

    #[test]
    fn a_large_table_stands_in_an_attribute() {
        let mut spec = RouteSpec::to("10.1.2.3/16".parse().unwrap());
        spec.table = Some(1000);
        let message = message(&spec);
        assert_eq!(message.header.table, RouteHeader::RT_TABLE_UNSPEC);
        let destination = RouteAddress::Inet(Ipv4Addr::new(10, 1, 0, 0));
        assert_eq!(
            message.attributes,
            [RouteAttribute::Table(1000), RouteAttribute::Destination(destination)]
        );
    }
}
