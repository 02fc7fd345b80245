//! The `sbr` plugin, source-based routing: packets of the interface's addresses leave by that interface,
//! whichever other interfaces the container has.

mod apply;
mod check;
mod conf;
mod plan;

use wasmcni_sdk::{CniResult, Error, Plugin, Request};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Sbr;

impl Plugin for Sbr {
    fn add(request: Request) -> Result<CniResult, Error> {
        let result = request.chained()?;
        apply::add(&Conf::read(request.configuration()?)?, &request.ifname, result)?;
        Ok(result.clone())
    }

    fn del(request: Request) -> Result<(), Error> {
        apply::del(conf::table_of(&request), &request.ifname, request.prev_result.as_ref())
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::read(request.configuration()?)?;
        check::check(&conf, &request.ifname, request.prev_result()?)
    }
}

wasmcni_sdk::export_plugin!(Sbr);
