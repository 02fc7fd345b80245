//! The `firewall` plugin: lets a container's addresses through the node's firewall.

mod apply;
mod conf;
mod zone;

use wasmcni_sdk::{CniResult, Error, NetworkRequest, Plugin, Request, Steps, firewall, firewalld};

use conf::{Backend, Conf};

/// The plugin.
#[derive(Debug)]
pub struct Firewall;

impl Plugin for Firewall {
    fn add(request: Request) -> Result<CniResult, Error> {
        let conf = Conf::read(request.configuration()?)?;
        apply::add(&conf, request.chained()?)
    }

    fn del(request: Request) -> Result<(), Error> {
        let mut steps = Steps::default();
        steps.took(firewall::clear());
        // Of an attachment that wasmcni made, the host knows all of them; a configuration or result that cannot
        // be read is in nobody's way.
        let conf = request.configuration().and_then(Conf::read);
        if let (Ok(conf), Ok(result)) = (conf, request.chained())
            && conf.backend != Backend::Nftables
        {
            for address in apply::addresses(result) {
                steps.took(firewalld::remove_source(&conf.zone, address.into()));
            }
        }
        steps.finish()
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf = Conf::read(request.configuration()?)?;
        apply::check(&conf, request.chained()?)
    }

    fn status(request: NetworkRequest) -> Result<(), Error> {
        let conf = Conf::read(request.configuration()?)?;
        if zone::is_asked(&conf)? && conf.separation.is_none() {
            return Ok(());
        }
        firewall::available().map_err(|error| {
            let why = format!("asking for nftables: {}", error.detail);
            Error::new(wasmcni_sdk::code::NOT_AVAILABLE, why)
        })
    }
}

wasmcni_sdk::export_plugin!(Firewall);
