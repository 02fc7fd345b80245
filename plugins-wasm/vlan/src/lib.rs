//! The `vlan` plugin: a link of the container that is in one VLAN of a link of the node.

mod apply;
mod check;
mod conf;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request, child};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Vlan;

impl Plugin for Vlan {
    fn add(request: Request) -> Result<CniResult, Error> {
        apply::add(&Conf::of(&request)?, &request.ifname)
    }

    fn del(request: Request) -> Result<(), Error> {
        child::del(&request)
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
        conf.parent.status()?;
        conf.ipam.status()
    }
}

wasmcni_sdk::export_plugin!(Vlan);
