//! ADD, DEL and STATUS: what the plan says, done.

use wasmcni_sdk::iface::{self, Iface};
use wasmcni_sdk::net::{self, Link, Netns, Role, Switch};
use wasmcni_sdk::{CniResult, Context, Error, Interface, Mac, Steps, code, nat};

use crate::conf::{Conf, Teardown};
use crate::gateway::{self, Bridge};
use crate::plan;

/// How long the bridge may take to forward by a new port, in milliseconds: what the reference plugin
/// allows, all its attempts together.
const PORT_UP_MS: u32 = 2550;

/// Both ends of the pair.
struct Ends {
    container: Link,
    /// Address of the container's end.
    mac: Option<Mac>,
    host: Link,
}

pub(crate) fn add(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    let (host, container) = (net::enter(Role::Host)?, net::enter(Role::Container)?);
    let bridge = bridge(&host, conf)?;
    let ends = attach(&host, &container, &bridge, conf, ifname)?;
    let interfaces = vec![
        Interface::host(&conf.bridge, None),
        Interface::host("", None),
        Interface::container(ifname, ends.mac),
    ];
    let mut result = if conf.ipam.is_some() {
        let mut result = plan::result(conf, interfaces, conf.ipam.add()?)?;
        configure(&container, &ends.container, conf, ifname, &result)?;
        if conf.is_gateway {
            gateway::set_up(&host, &bridge, conf, &mut result)?;
        }
        if conf.ip_masq {
            nat::masquerade_all(&result.ips)?;
        }
        result
    } else {
        if !conf.disable_container_interface {
            ends.container.set_up()?;
        }
        CniResult { interfaces, dns: conf.dns.clone().into(), ..CniResult::default() }
    };
    if !conf.disable_container_interface {
        let waiting = || format!("waiting for bridge {:?} to forward", conf.bridge);
        ends.host.wait_up(PORT_UP_MS).doing(waiting)?;
    }
    tell(&mut result, &bridge.link, &ends.host)?;
    Ok(result)
}

/// The bridge, made if it is not there, raised, and deaf to router advertisements of containers.
fn bridge(host: &Netns, conf: &Conf) -> Result<Bridge, Error> {
    let link = find_or_make(host, conf)?;
    let before = link.info()?;
    if before.kind != "bridge" {
        let why = format!("a link of kind {:?} has this name", before.kind);
        return Err(Error::config("bridge", format_args!("{:?}", conf.bridge), &why));
    }
    let accept_ra = format!("net/ipv6/conf/{}/accept_ra", conf.bridge);
    match net::unless_missing(net::sysctl::read(host, &accept_ra))? {
        Some(value) if value.trim() != "0" => net::sysctl::write(host, &accept_ra, "0")?,
        Some(_) | None => {}
    }
    if conf.promisc && before.promisc == Switch::Off {
        link.set_promisc(Switch::On)?;
    }
    if before.admin == Switch::Off {
        link.set_up()?;
    }
    Ok(Bridge { link, before })
}

fn find_or_make(host: &Netns, conf: &Conf) -> Result<Link, Error> {
    if let Some(link) = host.find_link(&conf.bridge)? {
        return Ok(link);
    }
    match net::unless_exists(host.create_bridge(&plan::bridge(conf)))? {
        Some(link) => Ok(link),
        // Another attachment was faster.
        None => net::link(host, &conf.bridge),
    }
}

/// Makes the pair, and its host end a port of the bridge. That end is raised first, so that what the
/// container's end announces when it is raised gets through.
fn attach(
    host: &Netns,
    container: &Netns,
    bridge: &Bridge,
    conf: &Conf,
    ifname: &str,
) -> Result<Ends, Error> {
    let (inner, port) = container.create_veth(&plan::veth(conf, ifname), host)?;
    gateway::enslave(&port, bridge, &conf.port_vlans(), conf.preserve_default_vlan)?;
    if conf.hairpin {
        net::bridge_port::set_hairpin(&port, Switch::On)?;
    }
    if conf.port_isolation {
        net::bridge_port::set_isolated(&port, Switch::On)?;
    }
    port.set_up()?;
    let mac = inner.info()?.mac;
    if conf.mac_spoof_check {
        let mac = mac.ok_or_else(|| {
            Error::new(code::INTERNAL, format!("guarding {ifname:?}: it has no MAC"))
        })?;
        net::spoof_guard::pin(&port, mac)?;
    }
    Ok(Ends { container: inner, mac: mac.map(Mac::from), host: port })
}

fn configure(
    container: &Netns,
    link: &Link,
    conf: &Conf,
    ifname: &str,
    result: &CniResult,
) -> Result<(), Error> {
    for (key, value) in plan::sysctls(conf, ifname) {
        net::write_if_there(container, &key, value)?;
    }
    let iface = Iface { netns: container, link, name: ifname, index: plan::CONTAINER };
    iface.configure(result, plan::detection(conf))
}

/// Names and MACs of the bridge and the host's end, read at last: a bridge's MAC follows its ports
/// until it is fixed.
fn tell(result: &mut CniResult, bridge: &Link, port: &Link) -> Result<(), Error> {
    for (entry, link) in result.interfaces.iter_mut().zip([bridge, port]) {
        let info = link.info()?;
        *entry = Interface::host(&info.name, info.mac.map(Mac::from));
    }
    Ok(())
}

/// The link goes before its addresses: an address must not be given to the next container while this
/// one still answers for it.
pub(crate) fn del(teardown: &Teardown, ifname: &str) -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.took(iface::delete_link(ifname));
    steps.took(teardown.ipam.del());
    if teardown.ip_masq {
        steps.took(nat::clear_masquerade());
    }
    if teardown.mac_spoof_check {
        steps.took(net::spoof_guard::clear());
    }
    steps.finish()
}

/// Whether the bridge's name is free, or a bridge's.
pub(crate) fn status(conf: &Conf) -> Result<(), Error> {
    let Some(link) = net::enter(Role::Host)?.find_link(&conf.bridge)? else { return Ok(()) };
    let kind = link.info()?.kind;
    if kind == "bridge" {
        return Ok(());
    }
    let why = format!("finding bridge {:?}: a link of kind {kind:?} has this name", conf.bridge);
    Err(Error::new(code::NOT_AVAILABLE, why))
}
