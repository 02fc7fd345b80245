//! Addresses in a zone of firewalld.

use std::net::IpAddr;

use wasmcni_sdk::firewalld::{self, Daemon};
use wasmcni_sdk::net::ErrorCode;
use wasmcni_sdk::{Error, code};

use crate::conf::{Backend, Conf};

/// Whether firewalld is to let the container through. What the configuration demands must be running.
pub(crate) fn is_asked(conf: &Conf) -> Result<bool, Error> {
    if conf.backend == Backend::Nftables {
        return Ok(false);
    }
    match (firewalld::state()?, conf.backend) {
        (Daemon::Running, _) => Ok(true),
        (Daemon::NotRunning, Backend::Firewalld) => {
            let why = "looking for firewalld: it is not running, and \"backend\" asks for it; start \
                       it (systemctl start firewalld), or leave \"backend\" out";
            Err(Error::new(code::NOT_AVAILABLE, why))
        }
        (Daemon::NotRunning, Backend::Either | Backend::Nftables) => Ok(false),
    }
}

pub(crate) fn add(zone: &str, address: IpAddr) -> Result<(), Error> {
    firewalld::add_source(zone, address.into()).map_err(|error| {
        if error.code == ErrorCode::NotFound {
            Error::config("firewalldZone", format_args!("{zone:?}"), NO_ZONE)
        } else {
            error.into()
        }
    })
}

const NO_ZONE: &str = "firewalld has no such zone; `firewall-cmd --get-zones` lists those it has, and \
                       `firewall-cmd --permanent --new-zone=…` with `--reload` makes one";

pub(crate) fn check(zone: &str, address: IpAddr) -> Result<(), Error> {
    let why = match firewalld::zone_of_source(address.into())? {
        Some(there) if there == zone => return Ok(()),
        Some(there) => format!("it is in {there:?}"),
        None => "it is in none".to_owned(),
    };
    Err(Error::changed(format!("finding {address} in zone {zone:?} of firewalld: {why}")))
}
