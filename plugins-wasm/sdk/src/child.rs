//! A link of the container on another one, its parent: what ipvlan, macvlan and vlan share. Configurations
//! call the parent `master`. A dummy has none, and the rest in common.

use ipnet::IpNet;
use serde::Deserialize;

use crate::iface::{self, Iface};
use crate::ipam::Ipam;
use crate::net::{self, Detection, Link, LinkInfo, Netns, Role, RouteInfo};
use crate::{CniResult, Error, Interface, Mac, Request, Steps, code, log};

/// Longest name of a link, in octets. (IFNAMSIZ without its NUL)
const MAX_NAME: usize = 15;

/// `RT_TABLE_MAIN`, rtnetlink(7).
const MAIN_TABLE: u32 = 254;

/// Place of the container's interface in the result: there is no other.
pub const CONTAINER: u32 = 0;

/// Which link is the parent, and where: `master` and `linkInContainer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its name; none: it is the link by which the default route leaves.
    pub name: Option<String>,
    /// It is in the container-netns, not in the node's.
    pub in_container: bool,
}

impl Parent {
    /// What a configuration says.
    ///
    /// # Errors
    /// Code 7: no link can have the name.
    pub fn new(master: String, in_container: bool) -> Result<Self, Error> {
        let bad = |c: char| c == '/' || c == ':' || c.is_whitespace();
        if master.len() > MAX_NAME || master == "." || master == ".." || master.contains(bad) {
            let value = format_args!("{master:?}");
            return Err(Error::config("master", value, "no link can have this name"));
        }
        Ok(Self { name: Some(master).filter(|name| !name.is_empty()), in_container })
    }

    /// Where it is.
    #[must_use]
    pub fn role(&self) -> Role {
        if self.in_container { Role::Container } else { Role::Host }
    }

    /// The parent.
    ///
    /// # Errors
    /// Code 7: there is no such link, or no default route.
    pub fn find(&self) -> Result<(Link, LinkInfo), Error> {
        let place = self.place();
        match (self.look()?, &self.name) {
            (Some(link), _) => {
                let info = link.info()?;
                Ok((link, info))
            }
            (None, Some(name)) => {
                let why = format!("there is no such link in the {place}");
                Err(Error::config("master", format_args!("{name:?}"), &why))
            }
            (None, None) => {
                let why = format!("nor has the {place} a default route, whose link would be taken");
                Err(Error::missing("master", &why))
            }
        }
    }

    /// STATUS: the parent is there. What is in a container shows only when there is one.
    ///
    /// # Errors
    /// Code 50 naming what is not.
    pub fn status(&self) -> Result<(), Error> {
        if self.in_container || self.look()?.is_some() {
            return Ok(());
        }
        let place = self.place();
        let what = match &self.name {
            Some(name) => format!("finding master {name:?}: there is no such link in the {place}"),
            None => format!("finding a master: the {place} has no default route"),
        };
        Err(Error::new(code::NOT_AVAILABLE, what))
    }

    /// CHECK: the child sits on the link that the configuration names. A default route may have come to
    /// leave by another one since; the child stays where it was made.
    ///
    /// # Errors
    /// [`Error::changed`] when it does not.
    pub fn check(&self, child: &LinkInfo) -> Result<(), Error> {
        let Some(name) = &self.name else { return Ok(()) };
        let changed = |what: &str| {
            Err(Error::changed(format!("checking link {:?}: its parent {what}", child.name)))
        };
        let Some(link) = self.look()? else {
            return changed(&format!("{name:?} is not in the {}", self.place()));
        };
        let parent = link.info()?;
        if child.parent == Some(sits_on(&child.kind, &parent)) {
            Ok(())
        } else {
            changed(&format!("is not {name:?}"))
        }
    }

    fn look(&self) -> Result<Option<Link>, Error> {
        let netns = net::enter(self.role())?;
        match &self.name {
            Some(name) => Ok(netns.find_link(name)?),
            None => match way_out(&netns.routes()?) {
                Some(index) => Ok(netns.find_link_by_index(index)?),
                None => Ok(None),
            },
        }
    }

    fn place(&self) -> &'static str {
        if self.in_container { "container-netns" } else { "host-netns" }
    }
}

/// The index of what a link made on `asked` sits on: ipvlans and macvlans are made beside their like, on
/// the same parent.
fn sits_on(kind: &str, asked: &LinkInfo) -> u32 {
    let beside = kind == asked.kind && matches!(kind, "ipvlan" | "macvlan");
    asked.parent.filter(|_| beside).unwrap_or(asked.index)
}

/// The index of the link by which packets to anywhere leave: that of the default route with the lowest
/// metric, an IPv4 one if there is any.
fn way_out(routes: &[RouteInfo]) -> Option<u32> {
    let main = routes.iter().filter(|route| route.table == MAIN_TABLE && route.link.is_some());
    let default = main.filter_map(|route| {
        let destination = IpNet::try_from(route.destination).ok()?;
        (destination.prefix_len() == 0).then_some((destination.addr().is_ipv6(), route))
    });
    default.min_by_key(|(ipv6, route)| (*ipv6, route.priority)).and_then(|(_, route)| route.link)
}

/// The MTU that a configuration says. Zero is the parent's, or the kernel's default.
///
/// # Errors
/// Code 7: it is no number of octets.
pub fn mtu(octets: i64) -> Result<Option<u32>, Error> {
    match u32::try_from(octets) {
        Ok(octets) => Ok(Some(octets).filter(|o| *o != 0)),
        Err(_) => Err(Error::config("mtu", octets, "it is a number of octets")),
    }
}

/// An MTU goes no higher than the parent's.
///
/// # Errors
/// Code 7 when it does.
pub fn fits(mtu: Option<u32>, parent: &LinkInfo) -> Result<(), Error> {
    match mtu {
        Some(octets) if octets > parent.mtu => {
            let why = format!("its master {:?} has {}, which is the most", parent.name, parent.mtu);
            Err(Error::config("mtu", octets, &why))
        }
        Some(_) | None => Ok(()),
    }
}

/// The result: the container's interface, with IPAM's addresses if there are any.
#[must_use]
pub fn result(ifname: &str, mac: Option<Mac>, ipam: CniResult) -> CniResult {
    let mut result = CniResult { interfaces: vec![Interface::container(ifname, mac)], ..ipam };
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER);
    }
    result
}

/// Whether neighbours are told of the addresses when the link is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcing {
    /// By ARP and by unsolicited advertisements (RFC 4861, 7.2.6): an address that another MAC had before
    /// must not be looked for there.
    Yes,
    /// Nobody had them by another MAC, or there are no neighbours.
    No,
}

/// Gives the link what the result says, and raises it. Nobody waits for duplicate address detection.
///
/// # Errors
/// As [`Iface::configure`].
pub fn configure(
    netns: &Netns,
    link: &Link,
    ifname: &str,
    result: &CniResult,
    announcing: Announcing,
) -> Result<(), Error> {
    let ipv6 = |key: &str| format!("net/ipv6/conf/{ifname}/{key}");
    if result.ips.iter().any(|ip| ip.address.addr().is_ipv6()) {
        net::write_if_there(netns, &ipv6("accept_dad"), "0")?;
    }
    let detection = match announcing {
        Announcing::Yes => {
            net::write_if_there(netns, &format!("net/ipv4/conf/{ifname}/arp_notify"), "1")?;
            net::write_if_there(netns, &ipv6("ndisc_notify"), "1")?;
            // Over as soon as it begins, and then the kernel advertises; `nodad` addresses it does not.
            // (addrconf_dad_begin in net/ipv6/addrconf.c)
            Detection::AsConfigured
        }
        Announcing::No => Detection::None,
    };
    Iface { netns, link, name: ifname, index: CONTAINER }.configure(result, detection)
}

/// DEL: the link, then its addresses. Neither the parent nor a default route need be there.
///
/// # Errors
/// What could not be removed.
pub fn del(request: &Request) -> Result<(), Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Conf {
        ipam: Ipam,
    }
    let conf = request.configuration::<Conf>().unwrap_or_else(|error| {
        log::warn(&format!("going on without ipam: {error}"));
        Conf::default()
    });
    let mut steps = Steps::default();
    steps.took(iface::delete_link(&request.ifname));
    steps.took(conf.ipam.del());
    steps.finish()
}

/// CHECK: the container's interface is of this kind, up, with the MTU that was asked for, and has the
/// result's MAC, addresses and routes. Returns the facts about it.
///
/// # Errors
/// [`Error::changed`] naming what is missing or changed.
pub fn check(
    kind: &str,
    ifname: &str,
    mtu: Option<u32>,
    result: &CniResult,
) -> Result<LinkInfo, Error> {
    let netns = net::enter(Role::Container)?;
    let Some((index, entry)) = result.container_interface(ifname) else {
        let why =
            format!("finding interface {ifname:?} of the container in prevResult: it is not there");
        return Err(Error::changed(why));
    };
    let (link, info) = iface::check_link(&netns, kind, entry)?;
    iface::check_up(&info)?;
    if let Some(octets) = mtu.filter(|octets| *octets != info.mtu) {
        let seen = info.mtu;
        let why = format!("checking link {ifname:?}: its MTU is {seen}, not {octets}");
        return Err(Error::changed(why));
    }
    Iface { netns: &netns, link: &link, name: ifname, index }.check(result)?;
    Ok(info)
}

/// CHECK: an ipvlan or macvlan has this mode.
///
/// # Errors
/// [`Error::changed`] naming both.
pub fn check_mode(info: &LinkInfo, mode: &str) -> Result<(), Error> {
    let seen = info.mode.as_deref().unwrap_or_default();
    if seen == mode {
        return Ok(());
    }
    let name = &info.name;
    Err(Error::changed(format!("checking link {name:?}: its mode is {seen:?}, not {mode:?}")))
}

#[cfg(test)]
#[path = "child_tests.rs"]
mod tests;
