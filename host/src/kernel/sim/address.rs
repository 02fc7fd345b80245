//! Addresses come and go, and the kernel's own routes with them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::{AddressSpec, Errno, IfIndex};
use super::device::{AddressEntry, Chosen, Dad, Ipv6, Kind};
use super::route::{IPV6_KERNEL_METRIC, SCOPE_GLOBAL, SCOPE_HOST, SCOPE_LINK};
use super::state::{Answer, DeviceId, NetnsKey, Node, RouteEntry};

impl Node {
    pub(super) fn addr_add(
        &mut self,
        netns: NetnsKey,
        index: IfIndex,
        spec: &AddressSpec,
    ) -> Answer<()> {
        let id = self.find(netns, index)?;
        match spec.address {
            IpNet::V4(_) => {
                self.dev_mut(id)?.chosen = Chosen::All;
                self.ipv4_add(id, spec.address, SCOPE_GLOBAL)
            }
            IpNet::V6(_) => self.ipv6_add(id, spec.address, spec.nodad),
        }
    }

    pub(super) fn addr_delete(
        &mut self,
        netns: NetnsKey,
        index: IfIndex,
        spec: &AddressSpec,
    ) -> Answer<()> {
        let id = self.find(netns, index)?;
        let device = self.dev(id)?;
        if !device.addresses.iter().any(|entry| entry.address == spec.address) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        match spec.address {
            IpNet::V4(_) => self.ipv4_remove(id, spec.address),
            IpNet::V6(_) => self.ipv6_remove(id, spec.address),
        }
    }

    /// `ipvlan_addr_busy`: two ipvlans on one parent cannot have the same address.
    fn ipvlan_has(&self, id: DeviceId, address: IpAddr) -> Answer<bool> {
        let Kind::Ipvlan { parent, .. } = self.dev(id)?.kind else { return Ok(false) };
        let uppers = self.uppers(parent);
        let mut siblings = uppers.iter().filter_map(|upper| self.devices.get(upper));
        Ok(siblings.any(|device| device.addresses.iter().any(|a| a.address.addr() == address)))
    }

    fn ipv4_add(&mut self, id: DeviceId, address: IpNet, scope: u8) -> Answer<()> {
        if address.addr().is_unspecified() {
            return Ok(());
        }
        let device = self.dev(id)?;
        if device.addresses.iter().any(|entry| entry.address == address) {
            return Err(Errno::EEXIST);
        }
        if self.ipvlan_has(id, address.addr())? {
            return Err(Errno::EADDRINUSE);
        }
        let secondary = self
            .dev(id)?
            .addresses
            .iter()
            .any(|entry| !entry.secondary && entry.address.trunc() == address.trunc());
        let entry = AddressEntry { address, scope, secondary, nodad: false, dad: Dad::Done };
        self.dev_mut(id)?.addresses.push(entry);
        self.ipv4_connect(id, address)
    }

    /// The route of an address's network: `fib_add_ifaddr`.
    fn ipv4_connect(&mut self, id: DeviceId, address: IpNet) -> Answer<()> {
        let device = self.dev(id)?;
        let secondary = device.addresses.iter().any(|a| a.address == address && a.secondary);
        let nobody = address.trunc().addr().is_unspecified();
        if !device.up
            || secondary
            || nobody
            || device.kind.is_loopback()
            || address.prefix_len() == 32
        {
            return Ok(());
        }
        let route = RouteEntry {
            destination: address.trunc(),
            gateway: None,
            device: id,
            source: Some(address.addr()),
            scope: SCOPE_LINK,
            table: self.table_of(id)?,
            priority: 0,
            mtu: None,
            advmss: None,
            by_kernel: true,
        };
        let netns = self.dev(id)?.netns;
        self.ns_mut(netns)?.routes.push(route);
        Ok(())
    }

    /// `NETDEV_UP`: the loopback device gets its address, and every address its route.
    pub(super) fn ipv4_up(&mut self, id: DeviceId) -> Answer<()> {
        let device = self.dev(id)?;
        let ipv4: Vec<IpNet> =
            device.addresses.iter().map(|a| a.address).filter(|a| a.addr().is_ipv4()).collect();
        if device.kind.is_loopback() {
            let loopback = ipnet::Ipv4Net::new(std::net::Ipv4Addr::LOCALHOST, 8).map(IpNet::from);
            let absent = loopback.ok().filter(|address| !ipv4.contains(address));
            return absent.map_or(Ok(()), |address| self.ipv4_add(id, address, SCOPE_HOST));
        }
        ipv4.into_iter().try_for_each(|address| self.ipv4_connect(id, address))
    }

    /// `__inet_del_ifa`: a network's first address takes its secondaries along, or hands over to the
    /// first of them if they are promoted.
    fn ipv4_remove(&mut self, id: DeviceId, address: IpNet) -> Answer<()> {
        let device = self.dev(id)?;
        let netns = device.netns;
        let first = device.addresses.iter().any(|a| a.address == address && !a.secondary);
        let seconds: Vec<IpNet> = device
            .addresses
            .iter()
            .filter(|a| first && a.secondary && a.address.trunc() == address.trunc())
            .map(|a| a.address)
            .collect();
        let promote = self.conf_int(id, "ipv4/conf/promote_secondaries")? != 0
            || self.all_int(netns, "net/ipv4/conf/all/promote_secondaries")? != 0;
        let gone = if promote { vec![address] } else { [vec![address], seconds.clone()].concat() };
        self.dev_mut(id)?.addresses.retain(|entry| !gone.contains(&entry.address));
        self.forget_routes(|route| {
            route.device == id
                && route.by_kernel
                && route.destination == address.trunc()
                && route.source == Some(address.addr())
        });
        if let Some(heir) = seconds.first().filter(|_| promote) {
            for entry in &mut self.dev_mut(id)?.addresses {
                if entry.address == *heir {
                    entry.secondary = false;
                }
            }
            self.ipv4_connect(id, *heir)?;
        }
        for lost in gone {
            self.ipv4_lost(netns, lost.addr())?;
        }
        if !self.dev(id)?.addresses.iter().any(|entry| entry.address.addr().is_ipv4()) {
            self.forget_routes(|route| route.device == id && route.is_v4());
        }
        Ok(())
    }

    /// `fib_sync_down_addr`: no route prefers a source that nobody has.
    fn ipv4_lost(&mut self, netns: NetnsKey, address: IpAddr) -> Answer<()> {
        if self.owner_of(netns, address).is_none() {
            let routes = &mut self.ns_mut(netns)?.routes;
            routes.retain(|route| route.source != Some(address));
        }
        Ok(())
    }

    /// The device of a namespace that has this address.
    pub(super) fn owner_of(&self, netns: NetnsKey, address: IpAddr) -> Option<DeviceId> {
        self.members(netns).into_iter().find(|id| {
            self.dev(*id).is_ok_and(|d| d.addresses.iter().any(|a| a.address.addr() == address))
        })
    }

    fn ipv6_add(&mut self, id: DeviceId, address: IpNet, nodad: bool) -> Answer<()> {
        let device = self.dev(id)?;
        if device.ipv6 == Ipv6::Absent {
            return Err(Errno::EINVAL);
        }
        if self.ipv6_disabled(id)? {
            return Err(Errno::EACCES);
        }
        let ip = address.addr();
        let foreign = ip.is_loopback() && !device.kind.is_loopback();
        if ip.is_unspecified() || ip.is_multicast() || foreign {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if self.ipvlan_has(id, ip)? && !device.addresses.iter().any(|a| a.address.addr() == ip) {
            return Err(Errno::EADDRINUSE);
        }
        if device.addresses.iter().any(|entry| entry.address.addr() == ip) {
            return Err(Errno::EEXIST);
        }
        self.ipv6_place(id, address, nodad)?;
        self.ipv6_connect(id, address)?;
        self.start_dad(id, address)
    }

    /// Puts an IPv6 address on the device, without its route.
    pub(super) fn ipv6_place(&mut self, id: DeviceId, address: IpNet, nodad: bool) -> Answer<()> {
        let scope = match address.addr() {
            IpAddr::V6(ip) if ip.is_loopback() => SCOPE_HOST,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => SCOPE_LINK,
            IpAddr::V6(_) | IpAddr::V4(_) => SCOPE_GLOBAL,
        };
        let dad = if nodad { Dad::Done } else { Dad::Waiting };
        let entry = AddressEntry { address, scope, secondary: false, nodad, dad };
        self.dev_mut(id)?.addresses.push(entry);
        Ok(())
    }

    /// The route of an address's prefix: `addrconf_prefix_route`. One for all addresses in it.
    pub(super) fn ipv6_connect(&mut self, id: DeviceId, address: IpNet) -> Answer<()> {
        let device = self.dev(id)?;
        if !device.up || device.kind.is_loopback() && address.addr().is_loopback() {
            return Ok(());
        }
        let netns = device.netns;
        let route = RouteEntry {
            destination: address.trunc(),
            gateway: None,
            device: id,
            source: None,
            scope: SCOPE_GLOBAL,
            table: self.table_of(id)?,
            priority: IPV6_KERNEL_METRIC,
            mtu: None,
            advmss: None,
            by_kernel: true,
        };
        let routes = &mut self.ns_mut(netns)?.routes;
        if !routes.contains(&route) {
            routes.push(route);
        }
        Ok(())
    }

    fn ipv6_remove(&mut self, id: DeviceId, address: IpNet) -> Answer<()> {
        let device = self.dev_mut(id)?;
        let netns = device.netns;
        device.addresses.retain(|entry| entry.address != address);
        let shared = device.addresses.iter().any(|a| a.address.trunc() == address.trunc());
        if !shared {
            self.forget_routes(|route| {
                route.device == id && route.by_kernel && route.destination == address.trunc()
            });
        }
        for route in &mut self.ns_mut(netns)?.routes {
            if route.device == id && route.source == Some(address.addr()) {
                route.source = None;
            }
        }
        Ok(())
    }
}
