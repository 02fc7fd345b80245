//! The `loopback` plugin: raises the container's `lo`, whatever `CNI_IFNAME` says.

mod apply;
mod plan;

use wasmcni_sdk::{CniResult, Error, Plugin, Request};

/// The plugin.
#[derive(Debug)]
pub struct Loopback;

impl Plugin for Loopback {
    fn add(request: Request) -> Result<CniResult, Error> {
        let lo = apply::add()?;
        // A plugin in the middle of a chain passes on what it was given.
        Ok(request.prev_result.unwrap_or(lo))
    }

    fn del(_: Request) -> Result<(), Error> {
        apply::del()
    }

    fn check(_: Request) -> Result<(), Error> {
        apply::check()
    }
}

wasmcni_sdk::export_plugin!(Loopback);
