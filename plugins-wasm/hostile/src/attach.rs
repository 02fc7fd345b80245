//! An honest ADD, in numbered steps.

use wasmcni_sdk::net::{self, BridgeSpec, Detection, Family, Link, Role, Switch, VethSpec};
use wasmcni_sdk::{CniResult, Error, Interface, nat};

use crate::{Conf, attack};

/// What has been made so far.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) bridge: Option<Link>,
    /// In the container.
    pub(crate) inner: Option<Link>,
    /// On the bridge.
    pub(crate) port: Option<Link>,
}

/// The attack, when its step has come.
struct Clock<'a> {
    conf: &'a Conf,
    step: u32,
}

impl Clock<'_> {
    fn tick(&mut self, made: &Made) -> Result<(), Error> {
        let now = self.step == self.conf.at && self.conf.verb.is_empty();
        self.step += 1;
        match if now { attack::run(self.conf, made) } else { Ok(()) } {
            Err(_) if self.conf.swallow => Ok(()),
            done => done,
        }
    }
}

/// Before step 0 nothing was done; after step 6 everything.
pub(crate) fn attach(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    let mut clock = Clock { conf, step: 0 };
    let mut made = Made::default();
    clock.tick(&made)?; // 0
    let (host, container) = (net::enter(Role::Host)?, net::enter(Role::Container)?);
    let name = conf.bridge.clone();
    let bridge = match host.find_link(&name)? {
        Some(bridge) => bridge,
        None => host.create_bridge(&BridgeSpec { name, mtu: None, vlan_filtering: Switch::Off })?,
    };
    bridge.set_up()?;
    made.bridge = Some(bridge);
    clock.tick(&made)?; // 1
    let spec = VethSpec { name: ifname.to_owned(), mtu: None, mac: None, peer_name: None };
    let (inner, port) = container.create_veth(&spec, &host)?;
    if let Some(bridge) = &made.bridge {
        port.set_master(bridge)?;
    }
    port.set_up()?;
    (made.inner, made.port) = (Some(inner), Some(port));
    clock.tick(&made)?; // 2
    let mut result = if conf.ipam.is_some() { conf.ipam.add()? } else { CniResult::default() };
    clock.tick(&made)?; // 3
    if let Some(inner) = &made.inner {
        for ip in &mut result.ips {
            inner.add_addr(ip.address.into(), Detection::None)?;
            ip.interface = Some(0);
        }
        inner.set_up()?;
    }
    clock.tick(&made)?; // 4
    nat::masquerade_all(&result.ips)?;
    clock.tick(&made)?; // 5
    net::forwarding::enable(Family::Ipv4)?;
    clock.tick(&made)?; // 6
    result.interfaces = vec![Interface::container(ifname, None)];
    Ok(result)
}
