//! From the configuration to a result, and back.

use wasmcni_sdk::{CniResult, Error, IpConfig};

use crate::conf::Conf;

/// What the configuration says, as a result. The interface is for the plugin that asked.
pub(crate) fn result(conf: Conf) -> CniResult {
    let ips = conf
        .addresses
        .iter()
        .map(|a| IpConfig { interface: None, address: a.address, gateway: a.gateway })
        .collect();
    CniResult { interfaces: Vec::new(), ips, routes: conf.routes, dns: conf.dns }
}

/// Looks for an address whose gateway is no longer the configured one. Whether the interface still
/// has the address is for the plugin that made it to see; and the runtime may have asked for others.
pub(crate) fn check(conf: &Conf, result: &[IpConfig]) -> Result<(), Error> {
    for wanted in &conf.addresses {
        let seen = result.iter().filter(|ip| ip.address.addr() == wanted.address.addr());
        for ip in seen {
            if wanted.gateway.is_some() && wanted.gateway != ip.gateway {
                let told = |gateway: Option<std::net::IpAddr>| {
                    gateway.map_or_else(|| "none".to_owned(), |gateway| format!("\"{gateway}\""))
                };
                return Err(Error::changed(format!(
                    "comparing the gateway of \"{}\": prevResult has {}, the configuration {}",
                    wanted.address,
                    told(ip.gateway),
                    told(wanted.gateway)
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasmcni_sdk::testing::request;

    use super::*;

    fn conf() -> Conf {
        Conf::of(&request(
            r#"{"ipam": {"addresses": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"},
                {"address": "fd00::3/64"}], "routes": [{"dst": "0.0.0.0/0"}],
                "dns": {"domain": "d"}}}"#,
        ))
        .unwrap()
    }

    #[test]
    fn the_result_says_what_the_configuration_says() {
        let result = result(conf());
        assert!(result.interfaces.is_empty());
        assert_eq!(result.ips[0].address.to_string(), "10.1.2.3/24");
        assert_eq!(result.ips[0].gateway, "10.1.2.1".parse().ok());
        assert_eq!((result.ips[1].interface, result.ips[1].gateway), (None, None));
        assert_eq!((result.routes.len(), result.dns.domain.as_deref()), (1, Some("d")));
    }

    #[test]
    fn check_compares_gateways() {
        let mut ips = result(conf()).ips;
        assert!(check(&conf(), &ips).is_ok());
        assert!(check(&conf(), &[]).is_ok());
        ips[1].gateway = "fd00::1".parse().ok();
        assert!(check(&conf(), &ips).is_ok(), "none is wanted");
        for (gateway, told) in [("10.1.2.9", "\"10.1.2.9\""), ("", "none")] {
            ips[0].gateway = gateway.parse().ok();
            let error = check(&conf(), &ips).unwrap_err();
            assert_eq!(error.code, 110);
            assert!(error.details.contains(&format!("prevResult has {told},")), "{error}");
        }
    }
}
