//! ADD.

use wasmcni_sdk::iface::Iface;
use wasmcni_sdk::net::{self, Detection, Link, Netns, Role};
use wasmcni_sdk::{CniResult, Error, Interface, Mac};

use crate::conf::Conf;

/// Place of the container's interface in the result.
const CONTAINER: u32 = 0;

pub(crate) fn add(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    let container = net::enter(Role::Container)?;
    let bridge = conf.bridge.as_deref().map(|name| bridge(&container, name)).transpose()?;
    let mut result = addresses(conf)?;
    let link = container.create_tap(&conf.tap(ifname))?;
    if let Some(bridge) = &bridge {
        link.set_master(bridge)?;
    }
    // It announces its addresses, once somebody opens it.
    net::write_if_there(&container, &format!("net/ipv4/conf/{ifname}/arp_notify"), "1")?;
    // Nobody is at the other end yet: detection of duplicates would wait for ever.
    Iface { netns: &container, link: &link, name: ifname, index: CONTAINER }
        .configure(&result, Detection::None)?;
    let mac = link.info()?.mac.map(Mac::from);
    result.interfaces = vec![Interface::container(ifname, mac)];
    Ok(result)
}

/// The bridge of the container that the tap becomes a port of.
fn bridge(container: &Netns, name: &str) -> Result<Link, Error> {
    let refuse = |why: &str| Error::config("bridge", format_args!("{name:?}"), why);
    let Some(link) = container.find_link(name)? else {
        return Err(refuse("there is no link of that name in the container"));
    };
    if link.info()?.kind != "bridge" {
        return Err(refuse("the container's link of that name is no bridge"));
    }
    Ok(link)
}

/// What IPAM gives, of the container's interface.
fn addresses(conf: &Conf) -> Result<CniResult, Error> {
    if !conf.ipam.is_some() {
        return Ok(CniResult { dns: conf.dns.clone().into(), ..CniResult::default() });
    }
    let mut result = conf.ipam.add()?;
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER);
    }
    result.dns = conf.dns.clone().over(result.dns);
    Ok(result)
}
