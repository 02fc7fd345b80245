//! A chained plugin that sets the MTU of the interface that the plugins before it made.

use serde::Deserialize;
use wasmcni_sdk::net::{self, Role};
use wasmcni_sdk::{CniResult, Error, Plugin, Request};

/// Its keys of the network configuration.
#[derive(Debug, Deserialize)]
struct Conf {
    /// Octets.
    mtu: u32,
}

/// The plugin.
#[derive(Debug)]
pub struct SetMtu;

impl Plugin for SetMtu {
    fn add(request: Request) -> Result<CniResult, Error> {
        let conf: Conf = request.configuration()?;
        let netns = net::enter(Role::Container)?;
        net::link(&netns, &request.ifname)?.set_mtu(conf.mtu)?;
        Ok(request.prev_result()?.clone())
    }

    fn check(request: Request) -> Result<(), Error> {
        let conf: Conf = request.configuration()?;
        let netns = net::enter(Role::Container)?;
        let mtu = net::link(&netns, &request.ifname)?.info()?.mtu;
        if mtu == conf.mtu {
            return Ok(());
        }
        let found = format!("link {:?} has MTU {mtu}, not {}", request.ifname, conf.mtu);
        Err(Error::changed(found))
    }
}

wasmcni_sdk::export_plugin!(SetMtu);
wasmcni_sdk::manifest!("../grants.toml");

#[cfg(test)]
mod tests {
    use wasmcni_sdk::testing;

    use super::*;

    #[test]
    fn the_configuration_says_the_mtu() {
        let conf: Conf = testing::request(r#"{"MTU": 1400}"#).configuration().unwrap();
        assert_eq!(conf.mtu, 1400);
        for wrong in ["{}", r#"{"mtu": null}"#, r#"{"mtu": "1400"}"#] {
            let error = testing::request(wrong).configuration::<Conf>().unwrap_err();
            assert_eq!(error.code, 7, "{wrong}: {error}");
        }
    }
}
