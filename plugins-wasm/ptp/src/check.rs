//! CHECK: all that ADD made is there, as it was made. What others added does not matter.

use std::net::IpAddr;

use wasmcni_sdk::iface::{self, Iface};
use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{self, LinkInfo, Netns, Role, RouteSpec};
use wasmcni_sdk::{CniResult, Error, IpConfig, Route, nat};

use crate::conf::Conf;
use crate::plan;

pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    let (host, container) = (net::enter(Role::Host)?, net::enter(Role::Container)?);
    let Some((index, entry)) = result.container_interface(ifname) else {
        let why =
            format!("finding interface {ifname:?} of the container in prevResult: it is not there");
        return Err(Error::changed(why));
    };
    let (link, info) = iface::check_link(&container, "veth", entry)?;
    iface::check_up(&info)?;
    Iface { netns: &container, link: &link, name: ifname, index }.check(result)?;
    let plan = plan::of(result, index)?;
    check_routes(&container, &plan.container_routes, &info)?;
    check_host(&host, &info, result, &plan)?;
    let ips: Vec<&IpConfig> = result.ips_of(Some(index)).collect();
    iface::check_forwarding(&host, ips.iter().copied())?;
    if conf.ip_masq {
        nat::check_all(ips)?;
    }
    Ok(())
}

/// The host's end: what the container's end has for a peer, and the result among its interfaces.
fn check_host(
    host: &Netns,
    container: &LinkInfo,
    result: &CniResult,
    plan: &plan::Plan,
) -> Result<(), Error> {
    let name = &container.name;
    let none =
        || Error::changed(format!("finding the peer of {name:?} in the host-netns: there is none"));
    let index = container.parent.ok_or_else(none)?;
    let link = host.find_link_by_index(index)?.ok_or_else(none)?;
    let info = link.info()?;
    if info.parent != Some(container.index) {
        return Err(none());
    }
    let Some(entry) = result.host_interfaces().find(|i| i.name == info.name) else {
        let why = format!(
            "finding {:?}, the peer of {name:?}, in prevResult: it is not there",
            info.name
        );
        return Err(Error::changed(why));
    };
    iface::check_info(&info, "veth", entry)?;
    iface::check_up(&info)?;
    iface::check_addresses(&link, &info.name, plan.gateways.iter().copied())?;
    check_routes(host, &plan.host_routes, &info)
}

fn check_routes(netns: &Netns, wanted: &[RouteSpec], link: &LinkInfo) -> Result<(), Error> {
    let seen = netns.routes()?;
    for spec in wanted {
        let destination = IpNet::try_from(spec.destination)?;
        let route = Route::new(destination, spec.gateway.map(IpAddr::from));
        if !iface::has_route(&seen, &route, Some(link.index)) {
            let why = format!("finding route to {destination} by {:?}: there is none", link.name);
            return Err(Error::changed(why));
        }
    }
    Ok(())
}
