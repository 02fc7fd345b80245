//! A plugin that does whatever its configuration lists. Then it answers what cannot be, so that the host has to
//! take everything back. Only the suite runs it.

mod acts;

use serde::Deserialize;
use wasmcni_sdk::{CniResult, Error, IpConfig, Plugin, Request, ipnet::IpNet};

#[derive(Debug, Deserialize)]
struct Conf {
    acts: Vec<acts::Act>,
}

/// The plugin.
#[derive(Debug)]
pub struct HostileActs;

impl Plugin for HostileActs {
    fn add(request: Request) -> Result<CniResult, Error> {
        acts::run(&request.configuration::<Conf>()?.acts);
        // No result has an interface 77 without the others before it.
        let address = IpNet::from(std::net::IpAddr::from([10, 9, 9, 9]));
        let ips = vec![IpConfig { interface: Some(77), address, gateway: None }];
        Ok(CniResult { ips, ..CniResult::default() })
    }
}

wasmcni_sdk::export_plugin!(HostileActs);
