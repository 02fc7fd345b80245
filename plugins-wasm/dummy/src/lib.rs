//! The `dummy` plugin: a link of the container that leads nowhere, to have addresses on.

mod apply;
mod conf;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request, child};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Dummy;

impl Plugin for Dummy {
    fn add(request: Request) -> Result<CniResult, Error> {
        apply::add(&Conf::of(&request)?, &request.ifname)
    }

    fn del(request: Request) -> Result<(), Error> {
        child::del(&request)
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::of(&request)?;
        conf.ipam.check()?;
        child::check("dummy", &request.ifname, None, request.prev_result()?).map(|_| ())
    }

    fn gc(request: NetworkRequest, _: Vec<AttachmentId>) -> Result<(), Error> {
        Conf::of_network(&request)?.ipam.gc()
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        Conf::of_network(&request)?.ipam.status()
    }
}

wasmcni_sdk::export_plugin!(Dummy);
