//! The `flannel` plugin: renders a configuration for another plugin out of its own and of what
//! flanneld says of this node, and has that plugin do the work.

mod apply;
mod conf;
mod plan;
mod subnet;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Flannel;

impl Plugin for Flannel {
    fn add(request: Request) -> Result<CniResult, Error> {
        apply::add(&Conf::read(request.configuration()?)?, &request.network)
    }

    fn del(request: Request) -> Result<(), Error> {
        apply::del(&request)
    }

    fn check(request: Request) -> Result<(), Error> {
        apply::check(&Conf::read(request.configuration()?)?)
    }

    fn gc(request: NetworkRequest, valid: Vec<AttachmentId>) -> Result<(), Error> {
        apply::gc(&Conf::read(request.configuration()?)?, &request.network, &valid)
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        apply::status(&Conf::read(request.configuration()?)?, &request.network)
    }
}

wasmcni_sdk::export_plugin!(Flannel);
