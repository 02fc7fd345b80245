//! Address translation. The host renders it, and clears up after an attachment by itself.

pub use crate::bindings::wasmcni::net::nat::{clear_masquerade, masquerade, masqueraded};

use ipnet::IpNet;

use crate::{Error, IpConfig};

/// Checks the configuration's `ipMasqBackend`. wasmcni serves both by its own nftables table.
///
/// # Errors
/// Code 7 for anything but `iptables` and `nftables`.
pub fn check_backend(backend: Option<&str>) -> Result<(), Error> {
    match backend {
        None | Some("iptables" | "nftables") => Ok(()),
        Some(other) => Err(Error::config(
            "ipMasqBackend",
            format_args!("{other:?}"),
            "it is \"iptables\" or \"nftables\"",
        )),
    }
}

/// Masquerades every address of the attachment.
///
/// # Errors
/// As `nat.masquerade`.
pub fn masquerade_all<'a>(ips: impl IntoIterator<Item = &'a IpConfig>) -> Result<(), Error> {
    for ip in ips {
        masquerade(ip.address.into())?;
    }
    Ok(())
}

/// CHECK: every address of the attachment is masqueraded.
///
/// # Errors
/// [`Error::changed`] naming the first that is not.
pub fn check_all<'a>(ips: impl IntoIterator<Item = &'a IpConfig>) -> Result<(), Error> {
    let there = masqueraded()?
        .into_iter()
        .map(|n| IpNet::try_from(n).map(|n| n.addr()))
        .collect::<Result<Vec<_>, _>>()?;
    match ips.into_iter().find(|ip| !there.contains(&ip.address.addr())) {
        None => Ok(()),
        Some(ip) => {
            Err(Error::changed(format!("finding masquerade of {}: there is none", ip.address)))
        }
    }
}
