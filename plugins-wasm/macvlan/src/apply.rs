//! ADD.

use wasmcni_sdk::child::{self, Announcing};
use wasmcni_sdk::net::{self, ChildSpec, Role};
use wasmcni_sdk::{CniResult, Error, Mac};

use crate::conf::Conf;

pub(crate) fn add(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    let (parent, seen) = conf.parent.find()?;
    child::fits(conf.mtu, &seen)?;
    let container = net::enter(Role::Container)?;
    let spec = ChildSpec { name: ifname.to_owned(), mtu: conf.mtu, mac: conf.mac.map(Into::into) };
    let link = container.create_macvlan(&spec, &parent, conf.mode, conf.broadcast_queue)?;
    let mac = link.info()?.mac.map(Mac::from);
    let mut result = if conf.ipam.is_some() {
        let result = child::result(ifname, mac, conf.ipam.add()?);
        child::configure(&container, &link, ifname, &result, Announcing::Yes)?;
        result
    } else {
        link.set_up()?;
        child::result(ifname, mac, CniResult::default())
    };
    // Whatever IPAM says, as the reference plugin has it.
    result.dns = conf.dns.clone().into();
    Ok(result)
}
