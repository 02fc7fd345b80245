//! What is wanted, done and looked for.

use std::net::IpAddr;

use wasmcni_sdk::firewall::{self, Apart, Separation};
use wasmcni_sdk::{CniResult, Error, Sandbox};

use crate::conf::Conf;
use crate::zone;

pub(crate) fn add(conf: &Conf, former: &CniResult) -> Result<CniResult, Error> {
    let apart = apart(conf, former)?;
    let by_firewalld = zone::is_asked(conf)?;
    for address in addresses(former) {
        if by_firewalld {
            zone::add(&conf.zone, address)?;
        }
        match &apart {
            Some(apart) => firewall::admit_apart(address.into(), &conf.admin_chain, apart)?,
            None if by_firewalld => {}
            None => firewall::admit(address.into(), &conf.admin_chain)?,
        }
    }
    Ok(former.clone())
}

pub(crate) fn check(conf: &Conf, result: &CniResult) -> Result<(), Error> {
    let apart = apart(conf, result)?;
    let by_firewalld = zone::is_asked(conf)?;
    if by_firewalld {
        for address in addresses(result) {
            zone::check(&conf.zone, address)?;
        }
    }
    if by_firewalld && apart.is_none() {
        return Ok(());
    }
    let seen = firewall::admitted()?;
    for address in addresses(result) {
        let Some(entry) = seen.iter().find(|entry| IpAddr::from(entry.address) == address) else {
            return Err(Error::changed(format!(
                "finding {address} among what is let through: it is not there"
            )));
        };
        if entry.apart != apart {
            let why = format!(
                "checking the ingress policy of {address}: it is {}, not {}",
                words(entry.apart.as_ref()),
                words(apart.as_ref())
            );
            return Err(Error::changed(why));
        }
    }
    Ok(())
}

pub(crate) fn addresses(result: &CniResult) -> impl Iterator<Item = IpAddr> {
    result.ips.iter().map(|ip| ip.address.addr())
}

/// By what the plugin before says, the bridge is the first interface.
fn apart(conf: &Conf, former: &CniResult) -> Result<Option<Apart>, Error> {
    let Some(kept_from) = conf.separation else { return Ok(None) };
    match former.interfaces.first() {
        Some(bridge) if bridge.sandbox == Sandbox::Host && !bridge.name.is_empty() => {
            Ok(Some(Apart { bridge: bridge.name.clone(), kept_from }))
        }
        _ => {
            let why =
                "with \"ingressPolicy\" its first interface is the bridge that the container is on";
            Err(Error::missing("prevResult.interfaces", why))
        }
    }
}

fn words(apart: Option<&Apart>) -> String {
    match apart {
        None => "\"open\"".to_owned(),
        Some(Apart { bridge, kept_from: Separation::OtherBridges }) => {
            format!("\"same-bridge\" of {bridge:?}")
        }
        Some(Apart { bridge, kept_from: Separation::Everyone }) => {
            format!("\"isolated\" of {bridge:?}")
        }
    }
}
