//! The `tap` plugin: a persistent tap device in the container, for a virtual machine to open.

mod apply;
mod check;
mod conf;

use wasmcni_sdk::{AttachmentId, CniResult, Error, NetworkRequest, Plugin, Request, iface};

use conf::{Conf, teardown};

/// The plugin.
#[derive(Debug)]
pub struct Tap;

impl Plugin for Tap {
    fn add(request: Request) -> Result<CniResult, Error> {
        apply::add(&Conf::of(&request)?, &request.ifname)
    }

    /// The link goes before its addresses: an address must not be given to the next container while this
    /// one still answers for it.
    fn del(request: Request) -> Result<(), Error> {
        let mut steps = wasmcni_sdk::Steps::default();
        steps.took(iface::delete_link(&request.ifname));
        steps.took(teardown(&request).del());
        steps.finish()
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::of(&request)?;
        conf.ipam.check()?;
        check::check(&conf, &request.ifname, request.prev_result()?)
    }

    fn gc(request: NetworkRequest, _: Vec<AttachmentId>) -> Result<(), Error> {
        Conf::of_network(&request)?.ipam.gc()
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        Conf::of_network(&request)?.ipam.status()
    }
}

wasmcni_sdk::export_plugin!(Tap);
