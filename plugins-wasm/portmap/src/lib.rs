//! The `portmap` plugin: ports of the node that lead into the container. It is for the middle of a chain.

mod apply;
mod conditions;
mod conf;
mod plan;

use wasmcni_sdk::{CniResult, Error, NetworkRequest, Plugin, Request, port_map};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Portmap;

impl Plugin for Portmap {
    fn add(request: Request) -> Result<CniResult, Error> {
        let conf = Conf::read(request.configuration()?)?;
        let result = conf::chained(&request)?;
        apply::add(&conf, &request.ifname, result)?;
        Ok(result.clone())
    }

    fn del(_: Request) -> Result<(), Error> {
        // Whatever the configuration says now: what is open is known by its owner.
        Ok(port_map::clear()?)
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::read(request.configuration()?)?;
        apply::check(&conf, &request.ifname, request.prev_result()?)
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        Conf::read(request.configuration()?)?;
        apply::status()
    }
}

wasmcni_sdk::export_plugin!(Portmap);
