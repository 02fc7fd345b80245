//! The `ipvlan` plugin: a link of the container on one of the node, whose MAC it shares: they
//! are told apart by their addresses.
//!
//! After other plugins of a chain it may sit on the link that they made, and take their addresses.

mod apply;
mod check;
mod conf;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request, child};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Ipvlan;

impl Plugin for Ipvlan {
    fn add(request: Request) -> Result<CniResult, Error> {
        apply::add(&Conf::of(&request)?, &request)
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
        // Without either it is one of a chain, and its master yet to be made.
        if conf.parent.name.is_some() || conf.ipam.is_some() {
            conf.parent.status()?;
        }
        conf.ipam.status()
    }
}

wasmcni_sdk::export_plugin!(Ipvlan);
