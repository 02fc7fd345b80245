//! The `ptp` plugin: a veth pair between the container and the node, over which the node routes.

mod apply;
mod check;
mod conf;
mod plan;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request};

use conf::{Conf, Teardown};

/// The plugin.
#[derive(Debug)]
pub struct Ptp;

impl Plugin for Ptp {
    fn add(request: Request) -> Result<CniResult, Error> {
        apply::add(&Conf::read(request.configuration()?)?, &request.ifname)
    }

    fn del(request: Request) -> Result<(), Error> {
        apply::del(&Teardown::of(&request), &request.ifname)
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::read(request.configuration()?)?;
        conf.ipam.check()?;
        check::check(&conf, &request.ifname, request.prev_result()?)
    }

    fn gc(request: NetworkRequest, _: Vec<AttachmentId>) -> Result<(), Error> {
        Conf::read(request.configuration()?)?.ipam.gc()
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        Conf::read(request.configuration()?)?.ipam.status()
    }
}

wasmcni_sdk::export_plugin!(Ptp);
