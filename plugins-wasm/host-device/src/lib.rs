//! The `host-device` plugin: moves a device of the node into the container, and back.

mod apply;
mod check;
mod conf;
mod device;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request};

use conf::{Conf, Network, Teardown};

/// The plugin.
#[derive(Debug)]
pub struct HostDevice;

impl Plugin for HostDevice {
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
        Network::read(&request)?.ipam.gc()
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        let network = Network::read(&request)?;
        check::available(&network)?;
        network.ipam.status()
    }
}

wasmcni_sdk::export_plugin!(HostDevice);
