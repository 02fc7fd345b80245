//! What is done to `lo`.

use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{self, Role};
use wasmcni_sdk::{CniResult, Error, iface};

use crate::plan::{self, LO};

/// Raises `lo`; the kernel then gives it its addresses.
pub(crate) fn add() -> Result<CniResult, Error> {
    let lo = net::link(&net::enter(Role::Container)?, LO)?;
    lo.set_up()?;
    let addresses = lo.addrs()?.into_iter().map(|a| IpNet::try_from(a.address));
    plan::result(&addresses.collect::<Result<Vec<_>, _>>()?)
}

/// Lowers `lo`, if there still is a netns.
pub(crate) fn del() -> Result<(), Error> {
    let Some(container) = net::enter_if_there(Role::Container)? else { return Ok(()) };
    let Some(lo) = container.find_link(LO)? else { return Ok(()) };
    net::unless_missing(lo.set_down())?;
    Ok(())
}

/// `lo` is up.
pub(crate) fn check() -> Result<(), Error> {
    iface::check_up(&net::link(&net::enter(Role::Container)?, LO)?.info()?)
}
