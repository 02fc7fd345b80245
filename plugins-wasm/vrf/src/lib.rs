//! The `vrf` plugin: puts the interface that the plugins before it made into a VRF of the container.

mod apply;
mod check;
mod conf;
mod plan;

use wasmcni_sdk::{CniResult, Error, Plugin, Request};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Vrf;

impl Plugin for Vrf {
    fn add(request: Request) -> Result<CniResult, Error> {
        let result = request.chained()?;
        apply::add(&Conf::read(request.configuration()?)?, &request.ifname)?;
        Ok(result.clone())
    }

    fn del(request: Request) -> Result<(), Error> {
        match conf::name_of(&request) {
            Some(name) => apply::del(&name, &request.ifname),
            None => Ok(()),
        }
    }

    fn check(request: Request) -> Result<(), Error> {
        request.prev_result()?;
        check::check(&Conf::read(request.configuration()?)?, &request.ifname)
    }
}

wasmcni_sdk::export_plugin!(Vrf);
