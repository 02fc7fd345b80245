//! The `bandwidth` plugin: limits what a container sends and receives, at the node's end of its veth.

mod apply;
mod conf;

use wasmcni_sdk::{CniResult, Error, Plugin, Request};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Bandwidth;

impl Plugin for Bandwidth {
    fn add(request: Request) -> Result<CniResult, Error> {
        let conf = Conf::read(request.configuration()?)?;
        apply::add(&conf, &request.ifname, request.chained()?)
    }

    fn del(_: Request) -> Result<(), Error> {
        apply::del()
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::read(request.configuration()?)?;
        apply::check(&conf, &request.ifname, request.chained()?)
    }
}

wasmcni_sdk::export_plugin!(Bandwidth);
