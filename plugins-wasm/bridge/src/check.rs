//! CHECK: all that ADD made is there, as it was made. What others added does not matter.

use wasmcni_sdk::iface::{self, Iface};
use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{self, Link, LinkInfo, Netns, Role, Switch};
use wasmcni_sdk::{CniResult, Error, Interface, IpConfig, Mac, nat};

use crate::conf::Conf;
use crate::plan;

pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    let (host, container) = (net::enter(Role::Host)?, net::enter(Role::Container)?);
    let bridge = bridge(&host, conf, result)?;
    let Some((index, entry)) = result.container_interface(ifname) else {
        let why =
            format!("finding interface {ifname:?} of the container in prevResult: it is not there");
        return Err(Error::changed(why));
    };
    let (link, info) = iface::check_link(&container, "veth", entry)?;
    if !conf.disable_container_interface {
        iface::check_up(&info)?;
    }
    let port = port(&host, &info, result)?;
    check_port(conf, &bridge, &port)?;
    if conf.mac_spoof_check {
        check_guard(&info)?;
    }
    if conf.ipam.is_some() {
        Iface { netns: &container, link: &link, name: ifname, index }.check(result)?;
        let ips: Vec<&IpConfig> = result.ips_of(Some(index)).collect();
        check_gateway(&host, conf, &bridge, &ips)?;
        if conf.ip_masq {
            nat::check_all(ips)?;
        }
    }
    Ok(())
}

/// A link with the facts about it.
type Seen = (Link, LinkInfo);

/// The bridge's MAC is that of the result only if it was fixed, as a gateway's is.
fn bridge(host: &Netns, conf: &Conf, result: &CniResult) -> Result<Seen, Error> {
    let entry = result.host_interfaces().find(|i| i.name == conf.bridge).ok_or_else(|| {
        Error::changed(format!("finding bridge {:?} in prevResult: it is not there", conf.bridge))
    })?;
    let fixed = conf.is_gateway && conf.vlan.is_none() && conf.ipam.is_some();
    let mac = if fixed { entry.mac.clone() } else { String::new() };
    let entry = Interface { mac, ..entry.clone() };
    let (link, info) = iface::check_link(host, "bridge", &entry)?;
    iface::check_up(&info)?;
    if conf.promisc && info.promisc == Switch::Off {
        let why = format!("checking bridge {:?}: it is not promiscuous", conf.bridge);
        return Err(Error::changed(why));
    }
    Ok((link, info))
}

/// The host's end: what the container's end has for a peer, and the result among its interfaces.
fn port(host: &Netns, container: &LinkInfo, result: &CniResult) -> Result<Seen, Error> {
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
    Ok((link, info))
}

fn check_port(conf: &Conf, (_, bridge): &Seen, (link, port): &Seen) -> Result<(), Error> {
    let changed =
        |what: &str| Err(Error::changed(format!("checking port {:?}: {what}", port.name)));
    if port.master != Some(bridge.index) {
        return changed(&format!("its master is not bridge {:?}", bridge.name));
    }
    let on = |switch: Option<Switch>| switch == Some(Switch::On);
    if conf.hairpin && !on(port.port.map(|p| p.hairpin)) {
        return changed("hairpin mode is off");
    }
    if conf.port_isolation && !on(port.port.map(|p| p.isolated)) {
        return changed("it is not isolated");
    }
    let wanted = conf.port_vlans();
    if wanted.is_empty() {
        return Ok(());
    }
    match plan::missing_vlan(&wanted, &net::bridge_port::vlans(link)?) {
        None => Ok(()),
        Some(id) => changed(&format!("VLAN {id} is not there, or tagged otherwise")),
    }
}

fn check_guard(container: &LinkInfo) -> Result<(), Error> {
    let mac = container.mac.map(Mac::from);
    let pinned = net::spoof_guard::pinned()?;
    if pinned.into_iter().any(|p| Some(Mac::from(p)) == mac) {
        return Ok(());
    }
    let mac = mac.map(|m| m.to_string()).unwrap_or_default();
    Err(Error::changed(format!(
        "finding the guard that pins {:?} to {mac:?}: there is none",
        container.name
    )))
}

fn check_gateway(
    host: &Netns,
    conf: &Conf,
    (bridge, _): &Seen,
    ips: &[&IpConfig],
) -> Result<(), Error> {
    if !conf.is_gateway {
        return Ok(());
    }
    let wanted = ips.iter().filter_map(|ip| IpNet::new(ip.gateway?, ip.address.prefix_len()).ok());
    match conf.gateway_link() {
        Some(name) => {
            let (link, info) = iface::check_link(host, "veth", &Interface::host(&name, None))?;
            iface::check_up(&info)?;
            iface::check_addresses(&link, &name, wanted)?;
        }
        None => iface::check_addresses(bridge, &conf.bridge, wanted)?,
    }
    iface::check_forwarding(host, ips.iter().copied())
}
