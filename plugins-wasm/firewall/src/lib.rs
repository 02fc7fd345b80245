//! The `firewall` plugin: lets a container's addresses through the node's firewall.

mod apply;
mod conf;

use wasmcni_sdk::{CniResult, Error, NetworkRequest, Plugin, Request, firewall};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Firewall;

impl Plugin for Firewall {
    fn add(request: Request) -> Result<CniResult, Error> {
        let conf = Conf::read(request.configuration()?)?;
        apply::add(&conf, request.chained()?)
    }

    fn del(_: Request) -> Result<(), Error> {
        Ok(firewall::clear()?)
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::read(request.configuration()?)?;
        apply::check(&conf, request.chained()?)
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        Conf::read(request.configuration()?)?;
        firewall::available().map_err(|error| {
            let why = format!("asking for nftables: {}", error.detail);
            Error::new(wasmcni_sdk::code::NOT_AVAILABLE, why)
        })
    }
}

wasmcni_sdk::export_plugin!(Firewall);
