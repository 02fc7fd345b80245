//! The `host-local` plugin: addresses out of ranges, each reserved by a file on the node.
//!
//! Keys: the reference plugin's documentation names them all; `conf` says what each is worth here.

mod apply;
mod conf;
mod plan;
mod range;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request};

use conf::{Conf, Place};

/// The plugin.
#[derive(Debug)]
pub struct HostLocal;

impl Plugin for HostLocal {
    fn add(request: Request) -> Result<CniResult, Error> {
        apply::add(Conf::of(&request)?)
    }

    /// Nothing of the configuration counts but where the reservations are: ranges that have become
    /// wrong must not keep addresses from being released.
    fn del(request: Request) -> Result<(), Error> {
        apply::del(&Place::of(&request.configuration()?))
    }

    fn check(request: Request) -> Result<(), Error> {
        apply::check(&Conf::of(&request)?, &request)
    }

    fn gc(request: NetworkRequest, valid: Vec<AttachmentId>) -> Result<(), Error> {
        apply::gc(&Place::of(&request.configuration()?), valid)
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        apply::status(&Conf::of_network(&request)?)
    }
}

wasmcni_sdk::export_plugin!(HostLocal);
