//! ADD.

use wasmcni_sdk::child::{self, Announcing};
use wasmcni_sdk::net::{self, ChildSpec, Role};
use wasmcni_sdk::{CniResult, Error, Mac};

use crate::conf::Conf;

pub(crate) fn add(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    let container = net::enter(Role::Container)?;
    let link =
        container.create_dummy(&ChildSpec { name: ifname.to_owned(), mtu: None, mac: None })?;
    let mac = link.info()?.mac.map(Mac::from);
    let result = child::result(ifname, mac, conf.ipam.add()?);
    child::configure(&container, &link, ifname, &result, Announcing::No)?;
    Ok(result)
}
