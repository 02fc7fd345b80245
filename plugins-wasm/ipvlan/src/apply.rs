//! ADD.

use wasmcni_sdk::child::{self, Announcing};
use wasmcni_sdk::net::{self, ChildSpec, Role};
use wasmcni_sdk::{CniResult, Error, Mac, Request};

use crate::conf::Conf;

pub(crate) fn add(conf: &Conf, request: &Request) -> Result<CniResult, Error> {
    let before = request.prev_result.as_ref();
    let given = conf.given(before)?;
    let (parent, _) = conf.parent_after(before)?.find()?;
    let (ifname, container) = (request.ifname.as_str(), net::enter(Role::Container)?);
    let spec = ChildSpec { name: ifname.to_owned(), mtu: conf.mtu, mac: None };
    let link = container.create_ipvlan(&spec, &parent, conf.mode)?;
    let mac = link.info()?.mac.map(Mac::from);
    let addresses = match given {
        Some(given) => given,
        None => conf.ipam.add()?,
    };
    let mut result = child::result(ifname, mac, addresses);
    child::configure(&container, &link, ifname, &result, Announcing::Yes)?;
    // Whatever IPAM says, as the reference plugin has it.
    result.dns = conf.dns.clone().into();
    Ok(result)
}
