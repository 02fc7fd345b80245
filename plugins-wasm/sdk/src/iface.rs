//! The container's interface: giving it what a result says, and checking that it still has it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::net::{
    self, Detection, ErrorCode, Link, LinkInfo, Netns, Role, RouteInfo, RouteSpec, Switch,
};
use crate::{CniResult, Error, Interface, IpConfig, Mac, Route};

/// How long detection of duplicate addresses may take, in milliseconds.
const DETECTION_MS: u32 = 5000;

/// The container's interface, and which one of the result it is.
#[derive(Debug)]
pub struct Iface<'a> {
    /// The container-netns.
    pub netns: &'a Netns,
    /// The interface.
    pub link: &'a Link,
    /// Its name.
    pub name: &'a str,
    /// Its place among the result's interfaces.
    pub index: u32,
}

impl Iface<'_> {
    /// Adds the result's addresses, raises the link, waits for duplicate address detection if
    /// `detection` asks for one, and adds the result's routes.
    ///
    /// Addresses come before the link is up, so that the kernel announces them (`arp_notify`).
    ///
    /// # Errors
    /// An address is of another interface; the kernel or the gate refuses something; another node has
    /// an address.
    pub fn configure(&self, result: &CniResult, detection: Detection) -> Result<(), Error> {
        self.add_addresses(result, detection)?;
        self.link.set_up()?;
        if detection == Detection::AsConfigured {
            self.settle(result)?;
        }
        self.add_routes(result)
    }

    /// Adds the result's addresses of this interface. IPv6 is switched on if there is one.
    ///
    /// # Errors
    /// An address is of another interface; the kernel or the gate refuses something.
    pub fn add_addresses(&self, result: &CniResult, detection: Detection) -> Result<(), Error> {
        let mut ipv6_on = false;
        for ip in ours(result, self.index, self.name)? {
            if ip.address.addr().is_ipv6() && !ipv6_on {
                self.switch_ipv6_on()?;
                ipv6_on = true;
            }
            self.link.add_addr(ip.address.into(), detection)?;
        }
        Ok(())
    }

    /// Runtimes may start containers with `disable_ipv6` set, on `lo` too, which IPv6 needs.
    fn switch_ipv6_on(&self) -> Result<(), Error> {
        for name in ["lo", self.name] {
            let key = format!("net/ipv6/conf/{name}/disable_ipv6");
            match net::unless_missing(net::sysctl::read(self.netns, &key))? {
                Some(value) if value.trim() != "0" => net::sysctl::write(self.netns, &key, "0")?,
                // On already; or the kernel has no IPv6, as adding the address will say.
                Some(_) | None => {}
            }
        }
        let key = format!("net/ipv6/conf/{}/keep_addr_on_down", self.name);
        Ok(net::write_if_there(self.netns, &key, "1")?)
    }

    /// Waits until no address is tentative, if routes will lead by an IPv6 gateway. A link that is not
    /// operationally up settles nothing, and nobody waits for it.
    fn settle(&self, result: &CniResult) -> Result<(), Error> {
        if gateway(result, self.index, true).is_none() {
            return Ok(());
        }
        match self.link.wait_addrs(DETECTION_MS) {
            Err(e) if e.code == ErrorCode::TimedOut && self.link.info()?.carrier == Switch::Off => {
                Ok(())
            }
            settled => Ok(settled?),
        }
    }

    /// Adds the result's routes by way of this interface. One without a gateway takes that of the
    /// first address of its family. One that is there already, such as the network of an address,
    /// stays as it is.
    ///
    /// # Errors
    /// The kernel or the gate refuses something.
    pub fn add_routes(&self, result: &CniResult) -> Result<(), Error> {
        for route in &result.routes {
            let spec = RouteSpec {
                gateway: way(result, self.index, route).map(Into::into),
                ..RouteSpec::from(route)
            };
            match self.netns.add_route(spec, self.link) {
                Ok(()) => {}
                Err(e) if e.code == ErrorCode::Exists => {
                    let link = Some(self.link.info()?.index);
                    if !self.netns.routes()?.iter().any(|r| matches(r, route, link)) {
                        return Err(e.into());
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// CHECK: the result's addresses and routes are there. Others may be as well.
    ///
    /// # Errors
    /// [`Error::changed`] naming the first that is not.
    pub fn check(&self, result: &CniResult) -> Result<(), Error> {
        let index = self.link.info()?.index;
        check_addresses(self.link, self.name, ips(result, self.index).map(|ip| ip.address))?;
        let routes = self.netns.routes()?;
        for ip in ips(result, self.index) {
            let network = ip.address.trunc();
            // The kernel makes no route for an address alone.
            let alone = network.prefix_len() == network.max_prefix_len();
            if !alone && !has_route(&routes, &Route::new(network, None), Some(index)) {
                return Err(missing_route(&network, self.name));
            }
        }
        for route in &result.routes {
            let by = self.leads(result, route).then_some(index);
            if !has_route(&routes, route, by) {
                return Err(missing_route(&route.destination, self.name));
            }
        }
        Ok(())
    }

    /// Whether a route of the result must be by way of this interface: its gateway is on a network of
    /// one of its addresses. Other plugins of the chain may have added routes by other ways.
    fn leads(&self, result: &CniResult, route: &Route) -> bool {
        way(result, self.index, route)
            .is_some_and(|gateway| ips(result, self.index).any(|ip| ip.address.contains(&gateway)))
    }
}

/// The addresses of interface `index`; ones of no interface are passed over.
///
/// # Errors
/// One is of another interface: the plugin that made the result has miscounted.
fn ours<'a>(result: &'a CniResult, index: u32, name: &str) -> Result<Vec<&'a IpConfig>, Error> {
    let of_any = result.ips.iter().filter(|ip| ip.interface.is_some());
    of_any
        .map(|ip| match ip.interface {
            Some(i) if i == index => Ok(ip),
            other => Err(Error::new(
                crate::code::INTERNAL,
                format!(
                    "adding address {} to {name:?}: it is of interface {other:?} of the result, not {index}",
                    ip.address
                ),
            )),
        })
        .collect()
}

/// CHECK's addresses: those that no interface is named for count too.
fn ips(result: &CniResult, index: u32) -> impl Iterator<Item = &IpConfig> {
    result.ips_of(Some(index))
}

/// The first gateway of a family among the interface's addresses.
fn gateway(result: &CniResult, index: u32, ipv6: bool) -> Option<IpAddr> {
    ips(result, index).filter_map(|ip| ip.gateway).find(|gateway| gateway.is_ipv6() == ipv6)
}

/// The gateway that a route goes by.
fn way(result: &CniResult, index: u32, route: &Route) -> Option<IpAddr> {
    route.gateway.or_else(|| gateway(result, index, route.destination.addr().is_ipv6()))
}

fn missing_route(destination: &IpNet, name: &str) -> Error {
    Error::changed(format!("finding route to {destination} by {name:?}: there is none"))
}

/// Whether there is a route as the result says; with `link`, by way of that one. Of a default route the
/// gateway may differ. A table or metric that the result leaves open may be any, since plugins of the
/// chain move routes.
#[must_use]
pub fn has_route(routes: &[RouteInfo], wanted: &Route, link: Option<u32>) -> bool {
    routes.iter().any(|seen| matches(seen, wanted, link))
}

fn matches(seen: &RouteInfo, wanted: &Route, link: Option<u32>) -> bool {
    let Ok(destination) = IpNet::try_from(seen.destination) else { return false };
    let gateway = seen.gateway.map(IpAddr::from);
    destination.trunc() == wanted.destination.trunc()
        && (wanted.gateway.is_none() || wanted.is_default() || gateway == wanted.gateway)
        && (link.is_none() || seen.link == link)
        && wanted.table.is_none_or(|table| seen.table == table)
        && wanted.priority.is_none_or(|priority| seen.priority == priority)
}

/// CHECK: the link has these addresses. Others may be there as well.
///
/// # Errors
/// [`Error::changed`] naming the first that is not.
pub fn check_addresses(
    link: &Link,
    name: &str,
    wanted: impl IntoIterator<Item = IpNet>,
) -> Result<(), Error> {
    let mut wanted = wanted.into_iter().peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let seen = link
        .addrs()?
        .into_iter()
        .map(|a| IpNet::try_from(a.address))
        .collect::<Result<Vec<_>, _>>()?;
    match wanted.find(|address| !seen.contains(address)) {
        None => Ok(()),
        Some(address) => {
            Err(Error::changed(format!("finding address {address} on {name:?}: it is not there")))
        }
    }
}

/// CHECK: the link of the result is there, is of this kind, and has the result's MAC.
///
/// # Errors
/// [`Error::changed`] naming what is missing or changed, with both values.
pub fn check_link(netns: &Netns, kind: &str, entry: &Interface) -> Result<(Link, LinkInfo), Error> {
    let Some(link) = netns.find_link(&entry.name)? else {
        return Err(Error::changed(format!("finding link {:?}: there is none", entry.name)));
    };
    let info = link.info()?;
    check_info(&info, kind, entry)?;
    Ok((link, info))
}

/// CHECK: a link that was found is of this kind, and has the result's MAC, if the result has one.
///
/// # Errors
/// [`Error::changed`] naming what is changed, with both values.
pub fn check_info(info: &LinkInfo, kind: &str, entry: &Interface) -> Result<(), Error> {
    let name = &info.name;
    if info.kind != kind {
        let seen = &info.kind;
        return Err(Error::changed(format!(
            "checking link {name:?}: its kind is {seen:?}, not {kind:?}"
        )));
    }
    let Ok(wanted) = entry.mac.parse::<Mac>() else { return Ok(()) };
    let seen = info.mac.map(Mac::from);
    if seen != Some(wanted) {
        let seen = seen.map(|m| m.to_string()).unwrap_or_default();
        return Err(Error::changed(format!(
            "checking link {name:?}: its MAC is {seen:?}, not {wanted}"
        )));
    }
    Ok(())
}

/// CHECK: the link is administratively up.
///
/// # Errors
/// [`Error::changed`] when it is down.
pub fn check_up(info: &LinkInfo) -> Result<(), Error> {
    match info.admin {
        Switch::On => Ok(()),
        Switch::Off => Err(Error::changed(format!("checking link {:?}: it is down", info.name))),
    }
}

/// CHECK: the node forwards packets of the families of these addresses.
///
/// # Errors
/// [`Error::changed`] naming the sysctl that is off.
pub fn check_forwarding<'a>(
    host: &Netns,
    ips: impl Iterator<Item = &'a IpConfig> + Clone,
) -> Result<(), Error> {
    let families = [(false, "net/ipv4/ip_forward"), (true, "net/ipv6/conf/all/forwarding")];
    for (ipv6, key) in families {
        if ips.clone().any(|ip| ip.address.addr().is_ipv6() == ipv6) {
            let value = net::sysctl::read(host, key)?;
            if value.trim() != "1" {
                let value = value.trim();
                return Err(Error::changed(format!(
                    "checking sysctl {key:?}: it is {value:?}, not 1"
                )));
            }
        }
    }
    Ok(())
}

/// Has the node forward packets of the families of these addresses.
///
/// # Errors
/// As `forwarding.enable`.
pub fn enable_forwarding<'a>(ips: impl Iterator<Item = &'a IpConfig> + Clone) -> Result<(), Error> {
    for ipv6 in [false, true] {
        if let Some(ip) = ips.clone().find(|ip| ip.address.addr().is_ipv6() == ipv6) {
            net::forwarding::enable(net::family(ip.address.addr()))?;
        }
    }
    Ok(())
}

/// DEL: deletes the container's link of this name. That the link or the netns is gone is success.
///
/// # Errors
/// It is there and cannot be deleted.
pub fn delete_link(ifname: &str) -> Result<(), Error> {
    let Some(netns) = net::enter_if_there(Role::Container)? else { return Ok(()) };
    let Some(link) = netns.find_link(ifname)? else { return Ok(()) };
    net::unless_missing(link.delete())?;
    Ok(())
}

#[cfg(test)]
#[path = "iface_tests.rs"]
mod tests;
