//! The `bridge` plugin: a veth pair whose one end is in the container and whose other is a port of a
//! bridge on the node, made when it is not there.
//!
//! With `vlan` and `isGateway`, the gateway is a link of the node in that VLAN, named
//! `<bridge>.<vlan>`. All attachments of the VLAN share it, so it stays, as the bridge does.

mod apply;
mod check;
mod conf;
mod gateway;
mod plan;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request};

use conf::{Conf, Teardown};

/// The plugin.
#[derive(Debug)]
pub struct Bridge;

impl Plugin for Bridge {
    fn add(request: Request) -> Result<CniResult, Error> {
        apply::add(&Conf::of(&request)?, &request.ifname)
    }

    fn del(request: Request) -> Result<(), Error> {
        apply::del(&Teardown::of(&request), &request.ifname)
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::of(&request)?;
        conf.ipam.check()?;
        check::check(&conf, &request.ifname, request.prev_result()?)
    }

    fn gc(request: NetworkRequest, _: Vec<AttachmentId>) -> Result<(), Error> {
        Conf::of_network(&request)?.ipam.gc()
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        let conf = Conf::of_network(&request)?;
        apply::status(&conf)?;
        conf.ipam.status()
    }
}

wasmcni_sdk::export_plugin!(Bridge);
