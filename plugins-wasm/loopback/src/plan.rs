//! What the result says of `lo`. Nothing here touches the kernel.

use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::{CniResult, Error, Interface, IpConfig, Mac, code};

/// Name of every netns's own link.
pub(crate) const LO: &str = "lo";

/// The result for the addresses that `lo` has: the first of each family.
///
/// # Errors
/// Code 999 when there is one that is no loopback address: what is on `lo` is not the kernel's doing.
pub(crate) fn result(addresses: &[IpNet]) -> Result<CniResult, Error> {
    if let Some(other) = addresses.iter().find(|a| !a.addr().is_loopback()) {
        let why = format!("reading addresses of {LO:?}: {other} is no loopback address");
        return Err(Error::new(code::INTERNAL, why));
    }
    let first = |ipv6| addresses.iter().find(|a| a.addr().is_ipv6() == ipv6);
    let ips = [first(false), first(true)].into_iter().flatten();
    Ok(CniResult {
        interfaces: vec![Interface::container(LO, Some(Mac([0; 6])))],
        ips: ips.map(|a| IpConfig { interface: Some(0), address: *a, gateway: None }).collect(),
        ..CniResult::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(addresses: &[&str]) -> Result<CniResult, Error> {
        result(&addresses.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn the_result_has_the_first_address_of_each_family() {
        let result = of(&["::1/128", "127.0.0.1/8", "127.0.0.2/8"]).unwrap();
        assert_eq!(result.interfaces.len(), 1);
        assert_eq!(result.interfaces[0].mac, "00:00:00:00:00:00");
        assert_eq!(result.container_interface("lo").unwrap().0, 0);
        let ips: Vec<_> =
            result.ips.iter().map(|ip| (ip.interface, ip.address.to_string())).collect();
        assert_eq!(ips, [(Some(0), "127.0.0.1/8".to_owned()), (Some(0), "::1/128".to_owned())]);
    }

    #[test]
    fn a_kernel_without_ipv6_has_one_address() {
        assert_eq!(of(&["127.0.0.1/8"]).unwrap().ips.len(), 1);
        assert_eq!(of(&[]).unwrap().ips.len(), 0);
    }

    #[test]
    fn other_addresses_are_refused() {
        for other in ["10.0.0.1/8", "fd00::1/128", "128.0.0.1/8"] {
            let error = of(&["127.0.0.1/8", other]).unwrap_err();
            assert!(error.details.contains(other), "{}", error.details);
        }
    }
}
