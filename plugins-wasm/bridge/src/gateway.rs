//! The gateway: the bridge itself, or, with a VLAN, a link of the node that is in that VLAN.

use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{self, Detection, Link, LinkInfo, Netns, Switch, VethSpec, VlanRange};
use wasmcni_sdk::{CniResult, Error, Interface, Mac, iface};

use crate::conf::{Conf, untagged};
use crate::plan::{self, Placement};

/// The bridge that an attachment is on.
pub(crate) struct Bridge {
    pub(crate) link: Link,
    /// As it was before the container's veth became a port of it.
    pub(crate) before: LinkInfo,
}

/// Gives the gateway's link its addresses and has the node forward. The result tells of the VLAN's
/// link, if there is one.
pub(crate) fn set_up(
    host: &Netns,
    bridge: &Bridge,
    conf: &Conf,
    result: &mut CniResult,
) -> Result<(), Error> {
    match (conf.gateway_link(), conf.vlan) {
        (Some(name), Some(vlan)) => {
            let link = vlan_link(host, bridge, conf, &name, vlan)?;
            let info = link.info()?;
            address(&link, &info, conf, result)?;
            result.interfaces.push(Interface::host(&name, info.mac.map(Mac::from)));
        }
        _ => address(&bridge.link, &bridge.before, conf, result)?,
    }
    iface::enable_forwarding(result.ips.iter())
}

/// Adds the gateway addresses that are not there. The link's MAC is first fixed to what it was before
/// this attachment: a bridge would otherwise take that of its lowest port, and change it as ports come
/// and go. First, so that who finds the address finds the MAC that will stay.
fn address(link: &Link, info: &LinkInfo, conf: &Conf, result: &CniResult) -> Result<(), Error> {
    let mut seen = addresses(link)?;
    let mut unfixed = match info.mac {
        // A bridge that has lost its last port has lost its MAC with it; now it has this port's.
        None | Some((0, 0, 0, 0, 0, 0)) => link.info()?.mac,
        mac => mac,
    };
    for wanted in plan::gateways(result) {
        let Placement::Add { instead_of } =
            plan::place(&info.name, &seen, wanted, conf.force_address)?
        else {
            continue;
        };
        if let Some(mac) = unfixed.take() {
            link.set_mac(mac)?;
        }
        for other in instead_of {
            net::unless_missing(link.delete_addr(other.into()))?;
            seen.retain(|address| *address != other);
        }
        // The gateway is where it is by configuration: nothing is to be detected, and nobody waits.
        net::unless_exists(link.add_addr(wanted.into(), Detection::None))?;
        seen.push(wanted);
    }
    Ok(())
}

fn addresses(link: &Link) -> Result<Vec<IpNet>, Error> {
    link.addrs()?.into_iter().map(|a| IpNet::try_from(a.address)).collect()
}

/// The link of the node that is in the VLAN: one end of a veth pair whose other end is a port of the
/// bridge. All attachments of the VLAN share it, and nobody deletes it.
fn vlan_link(
    host: &Netns,
    bridge: &Bridge,
    conf: &Conf,
    name: &str,
    vlan: u16,
) -> Result<Link, Error> {
    if let Some(link) = host.find_link(name)? {
        if link.info()?.admin == Switch::Off {
            link.set_up()?;
        }
        return Ok(link);
    }
    let spec = VethSpec {
        name: name.to_owned(),
        mtu: Some(bridge.before.mtu),
        mac: None,
        peer_name: None,
    };
    let Some((link, port)) = net::unless_exists(host.create_veth(&spec, host))? else {
        // Another attachment was faster, and goes on with it.
        return net::link(host, name);
    };
    enslave(&port, bridge, &[untagged(vlan)], conf.preserve_default_vlan)?;
    port.set_up()?;
    link.set_up()?;
    Ok(link)
}

/// Makes a link a port of the bridge, in these VLANs, and in the bridge's default one only if that is
/// to be kept.
pub(crate) fn enslave(
    port: &Link,
    bridge: &Bridge,
    vlans: &[VlanRange],
    preserve_default: bool,
) -> Result<(), Error> {
    port.set_master(&bridge.link)?;
    if !vlans.is_empty() && !preserve_default {
        net::bridge_port::delete_vlan(port, plan::ALL_VLANS)?;
    }
    for vlan in vlans {
        net::bridge_port::add_vlan(port, *vlan)?;
    }
    Ok(())
}
