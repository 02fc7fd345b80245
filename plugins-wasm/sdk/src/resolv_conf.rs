//! For IPAM plugins: the node's resolver configuration.

use crate::bindings::wasmcni::ipam::resolv_conf;
use crate::{Dns, Error};

/// Reads a file in the format of resolv.conf(5), of at most 64 KiB.
///
/// # Errors
/// There is no such file, or no grant to read it.
pub fn read(path: &str) -> Result<Dns, Error> {
    let resolver = resolv_conf::read(path)?;
    Ok(Dns {
        nameservers: resolver.nameservers,
        domain: resolver.domain,
        search: resolver.search,
        options: resolver.options,
    })
}
