//! Routes: what the kernel accepts of them, what they match, and which one a packet takes.

use std::cmp::Reverse;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::{Errno, Route, RouteSpec};
use super::device::{Dad, Ipv6, Kind};
use super::state::{Answer, DeviceId, NetnsKey, Node, RouteEntry};

/// `RT_SCOPE_UNIVERSE`.
pub(super) const SCOPE_GLOBAL: u8 = 0;
/// `RT_SCOPE_LINK`.
pub(super) const SCOPE_LINK: u8 = 253;
/// `RT_SCOPE_HOST`.
pub(super) const SCOPE_HOST: u8 = 254;
/// `IP6_RT_PRIO_ADDRCONF`.
pub(super) const IPV6_KERNEL_METRIC: u32 = 256;
/// `IP6_RT_PRIO_USER`.
pub(super) const IPV6_METRIC: u32 = 1024;
/// `RT_TABLE_MAIN`.
pub(super) const TABLE_MAIN: u32 = 254;
/// `RT_TABLE_LOCAL`.
pub(super) const TABLE_LOCAL: u32 = 255;
/// `RT_TABLE_DEFAULT`.
pub(super) const TABLE_DEFAULT: u32 = 253;

/// What a look into the tables finds.
enum Found {
    /// Ourselves: that device, by this address of it.
    Local(DeviceId, IpAddr),
    /// The broadcast address of a connected network of that device, with its address there.
    Broadcast(DeviceId, IpAddr),
    /// A route.
    Route(RouteEntry),
}

impl Node {
    /// The table that a device's own routes go to: its VRF's, or main.
    pub(super) fn table_of(&self, id: DeviceId) -> Answer<u32> {
        Ok(self.vrf_table(id)?.unwrap_or(TABLE_MAIN))
    }

    fn vrf_table(&self, id: DeviceId) -> Answer<Option<u32>> {
        let device = self.dev(id)?;
        let vrf = match device.master {
            Some(master) => self.dev(master)?,
            None => device,
        };
        match vrf.kind {
            Kind::Vrf { table } => Ok(Some(table)),
            Kind::Loopback
            | Kind::Veth { .. }
            | Kind::Bridge { .. }
            | Kind::Dummy
            | Kind::Ifb
            | Kind::Tap { .. }
            | Kind::Ipvlan { .. }
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. } => Ok(None),
        }
    }

    pub(super) fn forget_routes(&mut self, gone: impl Fn(&RouteEntry) -> bool) {
        for netns in self.netns.values_mut() {
            netns.routes.retain(|route| !gone(route));
        }
    }

    /// `fib6_ifdown`: the device's IPv6 routes go. Beside a next hop over another device that is
    /// alive its own stay, dead until the device is up; with the last of them all go.
    pub(super) fn ipv6_routes_die(&mut self, id: DeviceId) -> Answer<()> {
        let netns = self.dev(id)?.netns;
        let routes = &self.ns(netns)?.routes;
        let alive = |route: &RouteEntry| route.device != id && self.is_alive(route);
        let goes = |route: &&RouteEntry| {
            let mut hops = routes.iter().filter(|other| other.is_hop_with(route));
            let over_it = route.device == id || hops.clone().any(|hop| hop.device == id);
            !route.is_v4() && over_it && !hops.any(alive)
        };
        let gone: Vec<RouteEntry> = routes.iter().filter(goes).cloned().collect();
        self.ns_mut(netns)?.routes.retain(|route| !gone.contains(route));
        Ok(())
    }

    /// Can packets leave by this IPv6 route? (`RTNH_F_DEAD`)
    fn is_alive(&self, route: &RouteEntry) -> bool {
        self.dev(route.device).is_ok_and(|device| device.up)
            && self.ipv6_disabled(route.device).is_ok_and(|disabled| !disabled)
    }

    pub(super) fn route_add(&mut self, netns: NetnsKey, spec: &RouteSpec) -> Answer<()> {
        let link = spec.link.map(|index| self.find(netns, index)).transpose()?;
        let v4 = spec.destination.addr().is_ipv4();
        // IPv4 may go through an IPv6 gateway (RFC 5549), not the other way round.
        let is_v4 = |ip: Option<IpAddr>| ip.is_some_and(|ip| ip.is_ipv4());
        if !v4 && (is_v4(spec.gateway) || is_v4(spec.source)) {
            // An attribute that is too short.
            return Err(Errno::ERANGE);
        }
        let device = if v4 {
            self.ipv4_nexthop(netns, spec, link)?
        } else {
            self.ipv6_nexthop(netns, spec, link)?
        };
        let no_metric = if v4 { 0 } else { IPV6_METRIC };
        let route = RouteEntry {
            destination: spec.destination.trunc(),
            gateway: spec.gateway,
            device,
            source: spec.source,
            scope: if v4 { scope(spec) } else { SCOPE_GLOBAL },
            table: table(spec),
            priority: spec.priority.filter(|metric| *metric != 0).unwrap_or(no_metric),
            mtu: spec.mtu,
            advmss: spec.advmss,
            by_kernel: spec.by_kernel,
        };
        let routes = &mut self.ns_mut(netns)?.routes;
        let double = |other: &RouteEntry| {
            if v4 {
                *other == route
            } else {
                // `rt6_duplicate_nexthop`
                other.is_beside(&route)
                    && (other.gateway, other.device) == (route.gateway, route.device)
            }
        };
        if routes.iter().any(double) {
            return Err(Errno::EEXIST);
        }
        // IPv4 puts it before its equals, IPv6 behind them.
        let before = routes.iter().position(|other| v4 && other.is_beside(&route));
        routes.insert(before.unwrap_or(routes.len()), route);
        Ok(())
    }

    /// `fib_check_nh` and what `fib_create_info` checks after it.
    fn ipv4_nexthop(
        &self,
        netns: NetnsKey,
        spec: &RouteSpec,
        link: Option<DeviceId>,
    ) -> Answer<DeviceId> {
        let scope = scope(spec);
        let id = match (spec.gateway, link) {
            _ if scope > SCOPE_HOST => return Err(Errno::EINVAL),
            (Some(_), _) if scope == SCOPE_HOST => return Err(Errno::EINVAL),
            (Some(IpAddr::V6(gateway)), link) => {
                self.ipv6_gateway(netns, spec, gateway.into(), link)?
            }
            (Some(gateway), link) => {
                let own = spec.table.filter(|table| *table != TABLE_MAIN);
                // The gateway is nearer than what is behind it.
                match self.reach(netns, gateway, own, link, SCOPE_LINK.max(scope + 1)) {
                    Some(Found::Local(id, _)) => id,
                    Some(Found::Route(route)) => route.device,
                    Some(Found::Broadcast(..)) => return Err(Errno::EINVAL),
                    None => return Err(Errno::ENETUNREACH),
                }
            }
            (None, Some(id)) => id,
            (None, None) => return Err(Errno::ENODEV),
        };
        if !self.dev(id)?.up && scope != SCOPE_HOST {
            return Err(Errno::ENETDOWN);
        }
        let is_ours = |source: IpAddr| source.is_ipv4() && self.owner_of(netns, source).is_some();
        if spec.source.is_some_and(|source| !is_ours(source)) {
            return Err(Errno::EINVAL);
        }
        Ok(id)
    }

    /// `fib6_nh_init` and what `ip6_route_info_create` checks after it.
    fn ipv6_nexthop(
        &self,
        netns: NetnsKey,
        spec: &RouteSpec,
        link: Option<DeviceId>,
    ) -> Answer<DeviceId> {
        let without_ipv6 = |id| self.dev(id).is_ok_and(|device| device.ipv6 == Ipv6::Absent);
        if link.is_some_and(without_ipv6) {
            return Err(Errno::ENODEV);
        }
        let via = match spec.gateway {
            Some(gateway) => Some(self.ipv6_gateway(netns, spec, gateway, link)?),
            None => link,
        };
        let id = via.ok_or(Errno::ENODEV)?;
        if self.ipv6_disabled(id)? {
            return Err(Errno::EACCES);
        }
        let device = self.dev(id)?;
        if !device.up {
            return Err(Errno::ENETDOWN);
        }
        let usable = |source: IpAddr| {
            device.addresses.iter().any(|a| a.address.addr() == source && a.dad == Dad::Done)
        };
        if spec.source.is_some_and(|source| !usable(source)) {
            return Err(Errno::EINVAL);
        }
        Ok(id)
    }

    /// `ip6_validate_gw`.
    fn ipv6_gateway(
        &self,
        netns: NetnsKey,
        spec: &RouteSpec,
        gateway: IpAddr,
        link: Option<DeviceId>,
    ) -> Answer<DeviceId> {
        let link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let own = self
            .owner_of(netns, gateway)
            .filter(|owner| !link_local || link.is_none_or(|link| link == *owner));
        if own.is_some() || gateway.is_multicast() || gateway.is_unspecified() {
            return Err(Errno::EINVAL);
        }
        let id = if link_local {
            link.ok_or(Errno::EINVAL)?
        } else {
            match self.reach(netns, gateway, spec.table, link, SCOPE_GLOBAL) {
                Some(Found::Route(route)) if route.gateway.is_none() => route.device,
                Some(Found::Route(_) | Found::Local(..) | Found::Broadcast(..)) | None => {
                    return Err(Errno::EHOSTUNREACH);
                }
            }
        };
        if self.dev(id)?.kind.is_loopback() { Err(Errno::EINVAL) } else { Ok(id) }
    }

    /// Looks an address up as the kernel does for a gateway: in `own` table first if one is named, then
    /// in all that a packet would see. Only routes of at least `scope` count, and only on `link`.
    fn reach(
        &self,
        netns: NetnsKey,
        address: IpAddr,
        own: Option<u32>,
        link: Option<DeviceId>,
        scope: u8,
    ) -> Option<Found> {
        let vrf = link.and_then(|id| self.vrf_table(id).ok().flatten());
        let in_table = |table| self.longest(netns, address, table, link, scope).map(Found::Route);
        own.and_then(in_table)
            .or_else(|| self.local(netns, address, vrf, link))
            .or_else(|| vrf.and_then(in_table))
            .or_else(|| in_table(TABLE_MAIN))
            .or_else(|| in_table(TABLE_DEFAULT))
    }

    /// What the `local` table says of an address; a VRF keeps its own.
    fn local(
        &self,
        netns: NetnsKey,
        address: IpAddr,
        vrf: Option<u32>,
        link: Option<DeviceId>,
    ) -> Option<Found> {
        for id in self.members(netns) {
            let device = self.dev(id).ok()?;
            if link.is_some_and(|link| link != id) || self.vrf_table(id).ok()? != vrf {
                continue;
            }
            for entry in &device.addresses {
                let net = entry.address;
                let whole =
                    device.kind.is_loopback() && address.is_ipv4() && net.contains(&address);
                if net.addr() == address || whole {
                    return Some(Found::Local(id, net.addr()));
                }
                if address.is_ipv4()
                    && device.up
                    && net.prefix_len() < 31
                    && net.broadcast() == address
                {
                    return Some(Found::Broadcast(id, net.addr()));
                }
            }
        }
        None
    }

    /// The route with the longest prefix, the lowest metric among those, the first of these. (Linux
    /// chooses among the next hops of an IPv6 route by a hash of the addresses.)
    fn longest(
        &self,
        netns: NetnsKey,
        address: IpAddr,
        table: u32,
        link: Option<DeviceId>,
        scope: u8,
    ) -> Option<RouteEntry> {
        let routes = &self.ns(netns).ok()?.routes;
        routes
            .iter()
            .filter(|route| route.table == table && route.destination.contains(&address))
            .filter(|route| route.scope >= scope && link.is_none_or(|link| route.device == link))
            .filter(|route| route.is_v4() || self.is_alive(route))
            .min_by_key(|route| (Reverse(route.destination.prefix_len()), route.priority))
            .cloned()
    }

    pub(super) fn route_delete(&mut self, netns: NetnsKey, spec: &RouteSpec) -> Answer<()> {
        let link = spec.link.map(|index| self.find(netns, index)).transpose()?;
        let v4 = spec.destination.addr().is_ipv4();
        let matches = |route: &RouteEntry| {
            route.destination == spec.destination.trunc()
                && route.table == table(spec)
                && link.is_none_or(|link| route.device == link)
                && spec.gateway.is_none_or(|gateway| route.gateway == Some(gateway))
                && spec.priority.is_none_or(|metric| metric == 0 || route.priority == metric)
                && spec.source.is_none_or(|source| route.source == Some(source))
                && spec.mtu.is_none_or(|mtu| route.mtu == Some(mtu))
                && spec.advmss.is_none_or(|advmss| route.advmss == Some(advmss))
                // IPv6 knows no scope.
                && (!v4 || spec.scope.is_none_or(|scope| route.scope == scope))
        };
        let routes = &mut self.ns_mut(netns)?.routes;
        let found = routes.iter().enumerate().filter(|(_, route)| matches(route));
        let (at, _) = found.min_by_key(|(_, route)| route.priority).ok_or(Errno::ESRCH)?;
        routes.remove(at);
        Ok(())
    }

    pub(super) fn routes(&self, netns: NetnsKey) -> Answer<Vec<Route>> {
        let routes = &self.ns(netns)?.routes;
        let seen = routes.iter().map(|route| {
            // The next hops of an IPv6 route are told with the source and the metrics of the first.
            let first = routes.iter().find(|first| first.is_hop_with(route)).unwrap_or(route);
            let RouteEntry { source, mtu, advmss, .. } = *first;
            self.seen(&RouteEntry { source, mtu, advmss, ..route.clone() })
        });
        seen.collect()
    }

    pub(super) fn seen(&self, route: &RouteEntry) -> Answer<Route> {
        Ok(Route {
            destination: route.destination,
            gateway: route.gateway,
            link: Some(self.dev(route.device)?.index),
            source: route.source,
            scope: route.scope,
            table: route.table,
            priority: route.priority,
            mtu: route.mtu,
            advmss: route.advmss,
            by_kernel: route.by_kernel,
        })
    }

    pub(super) fn route_to(&self, netns: NetnsKey, destination: IpAddr) -> Answer<Route> {
        let host = IpNet::from(destination);
        match self.reach(netns, destination, None, None, SCOPE_GLOBAL) {
            Some(Found::Route(route)) => {
                let source = route.source.or_else(|| self.source_for(&route, destination));
                let seen = Route { destination: host, source, ..self.seen(&route)? };
                Ok(match destination {
                    // The answer of `ip route get` leaves these out.
                    IpAddr::V4(_) => {
                        Route { scope: SCOPE_GLOBAL, priority: 0, by_kernel: false, ..seen }
                    }
                    IpAddr::V6(_) => seen,
                })
            }
            Some(Found::Local(_, source)) => {
                let lo = self.find_name(netns, "lo").ok_or(Errno::ENODEV)?;
                self.local_route(host, lo, source)
            }
            Some(Found::Broadcast(id, source)) => self.local_route(host, id, source),
            None => Err(Errno::ENETUNREACH),
        }
    }

    fn local_route(&self, destination: IpNet, id: DeviceId, source: IpAddr) -> Answer<Route> {
        // IPv4's local table is looked up together with main (`fib_trie_unmerge`).
        let table = if source.is_ipv4() { TABLE_MAIN } else { TABLE_LOCAL };
        Ok(Route {
            destination,
            gateway: None,
            link: Some(self.dev(id)?.index),
            source: Some(source),
            scope: SCOPE_GLOBAL,
            table,
            priority: 0,
            mtu: None,
            advmss: None,
            by_kernel: source.is_ipv6(),
        })
    }

    /// The address that a packet on this route leaves with: the link's that fits the next hop best.
    fn source_for(&self, route: &RouteEntry, destination: IpAddr) -> Option<IpAddr> {
        let next_hop = route.gateway.filter(IpAddr::is_ipv4).unwrap_or(destination);
        let link_local = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let addresses = &self.dev(route.device).ok()?.addresses;
        let usable = addresses.iter().filter(|entry| {
            entry.address.addr().is_ipv4() == destination.is_ipv4()
                && !entry.secondary
                && entry.dad == Dad::Done
        });
        let rank = |entry: &&super::device::AddressEntry| {
            let fits = entry.address.contains(&next_hop);
            (fits, link_local(entry.address.addr()) == link_local(destination))
        };
        // The first of the best.
        let best = usable.clone().map(|entry| rank(&entry)).max()?;
        usable.into_iter().find(|entry| rank(entry) == best).map(|entry| entry.address.addr())
    }
}

fn scope(spec: &RouteSpec) -> u8 {
    spec.scope.unwrap_or(if spec.gateway.is_some() { SCOPE_GLOBAL } else { SCOPE_LINK })
}

fn table(spec: &RouteSpec) -> u32 {
    spec.table.filter(|table| *table != 0).unwrap_or(TABLE_MAIN)
}
