//! The `tuning` plugin: sysctls of the container, and settings of the interface that the plugins before
//! it made.

mod allowed;
mod apply;
mod check;
mod conf;
mod former;
mod sysctls;

use wasmcni_sdk::{CniResult, Error, Plugin, Request};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Tuning;

impl Plugin for Tuning {
    fn add(request: Request) -> Result<CniResult, Error> {
        let conf = Conf::read(&request)?;
        apply::add(&conf, &request.ifname, request.chained()?.clone())
    }

    fn del(request: Request) -> Result<(), Error> {
        former::restore(conf::data_dir(&request).as_deref(), &request.ifname)
    }

    fn check(request: Request) -> Result<(), Error> {
        request.prev_result()?;
        check::check(&Conf::read(&request)?, &request.ifname)
    }
}

wasmcni_sdk::export_plugin!(Tuning);
