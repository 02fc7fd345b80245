//! What is wanted, done and looked for.

use wasmcni_sdk::net::{self, Link, LinkInfo, Role};
use wasmcni_sdk::shaping::{self, Direction};
use wasmcni_sdk::{CniResult, Error, Interface, Mac};

use crate::conf::Conf;

/// What goes to the container leaves by the node's end of its veth, what it sends comes in by it.
pub(crate) fn add(conf: &Conf, ifname: &str, former: &CniResult) -> Result<CniResult, Error> {
    let mut result = former.clone();
    if conf.is_empty() {
        return Ok(result);
    }
    let (link, _) = node_end(ifname, former)?;
    if let Some(bucket) = conf.ingress {
        shaping::limit_egress(&link, bucket)?;
    }
    if let Some(bucket) = conf.egress {
        let ifb = shaping::limit_ingress(&link, bucket)?.info()?;
        result.interfaces.push(Interface::host(&ifb.name, ifb.mac.map(Mac::from)));
    }
    Ok(result)
}

pub(crate) fn del() -> Result<(), Error> {
    Ok(shaping::clear()?)
}

pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    if conf.is_empty() {
        return Ok(());
    }
    let (link, info) = node_end(ifname, result)?;
    for (way, bucket) in [(Direction::Egress, conf.ingress), (Direction::Ingress, conf.egress)] {
        let Some(bucket) = bucket else { continue };
        if let Some(difference) = shaping::difference(&link, way, bucket)? {
            let why = format!("checking the limits of {:?}: {difference}", info.name);
            return Err(Error::changed(why));
        }
    }
    Ok(())
}

/// The node's end of the container's veth, which the plugins before this one must have told of.
fn node_end(ifname: &str, former: &CniResult) -> Result<(Link, LinkInfo), Error> {
    let (host, container) = (net::enter(Role::Host)?, net::enter(Role::Container)?);
    let near = net::link(&container, ifname)?.info()?;
    let none = |why: &str| {
        let what = format!("limiting {ifname:?}: {why}; limits need a veth whose other end");
        Error::missing(
            "prevResult",
            &format!("{what} is a link of the node in prevResult.interfaces"),
        )
    };
    if near.kind != "veth" {
        return Err(none(&format!("its kind is {:?}", near.kind)));
    }
    let far = match near.parent {
        Some(index) => net::unless_denied(host.find_link_by_index(index))?.flatten(),
        None => None,
    };
    let Some(link) = far else { return Err(none("its other end is no link of the node")) };
    let info = link.info()?;
    if !former.host_interfaces().any(|interface| interface.name == info.name) {
        return Err(none(&format!("its other end {:?} is not among them", info.name)));
    }
    Ok((link, info))
}
