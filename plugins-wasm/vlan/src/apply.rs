//! ADD.

use wasmcni_sdk::child::{self, Announcing};
use wasmcni_sdk::net::{self, ChildSpec, Role};
use wasmcni_sdk::{CniResult, Error, Mac};

use crate::conf::Conf;

pub(crate) fn add(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    let (parent, seen) = conf.parent.find()?;
    child::fits(conf.mtu, &seen)?;
    let container = net::enter(Role::Container)?;
    let spec = ChildSpec { name: ifname.to_owned(), mtu: conf.mtu, mac: None };
    let link = container.create_vlan(&spec, &parent, conf.id)?;
    let mac = link.info()?.mac.map(Mac::from);
    let mut result = child::result(ifname, mac, conf.ipam.add()?);
    // The VLAN of a parent has one link at a time, always with the parent's MAC.
    child::configure(&container, &link, ifname, &result, Announcing::No)?;
    // Whatever IPAM says, as the reference plugin has it.
    result.dns = conf.dns.clone().into();
    Ok(result)
}
