//! Results that no honest plugin gives.

use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::{CniResult, Error, Interface, IpConfig, Route};

use crate::Conf;
use crate::attack::HUGE;

/// The result, or what the configuration wants in its place.
pub(crate) fn instead(conf: &Conf, result: CniResult) -> Result<CniResult, Error> {
    let net = IpNet::from(std::net::IpAddr::from([10, 9, 9, 9]));
    Ok(match conf.answer.as_str() {
        "" => result,
        "routes" => {
            CniResult { routes: vec![Route::new(net, None); conf.number as usize], ..result }
        }
        "name" => {
            CniResult { interfaces: vec![Interface::host(&"v".repeat(HUGE), None)], ..result }
        }
        "text" => CniResult { interfaces: vec![Interface::host(&conf.value, None)], ..result },
        "interface" => {
            let ip = IpConfig { interface: Some(conf.number), address: net, gateway: None };
            CniResult { ips: vec![ip], ..result }
        }
        other => return Err(Error::config("answer", format_args!("{other:?}"), "no such answer")),
    })
}
