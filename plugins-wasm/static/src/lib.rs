//! The `static` plugin: the addresses, routes and DNS servers that the configuration spells out, or
//! the runtime asks for. It keeps nothing, so DEL and GC have nothing to do.
//!
//! Keys: the reference plugin's documentation names them all; `conf` says what each is worth here.

mod conf;
mod plan;

use wasmcni_sdk::{CniResult, Error, NetworkRequest, Plugin, Request};

use conf::Conf;

/// The plugin.
#[derive(Debug)]
pub struct Static;

impl Plugin for Static {
    fn add(request: Request) -> Result<CniResult, Error> {
        Ok(plan::result(Conf::of(&request)?))
    }

    fn check(request: Request) -> Result<(), Error> {
        plan::check(&Conf::of(&request)?, &request.prev_result()?.ips)
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        Conf::of_network(&request).map(|_| ())
    }
}

wasmcni_sdk::export_plugin!(Static);
