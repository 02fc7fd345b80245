//! ADD, CHECK and STATUS: what the plan says, done and looked for.

use std::net::IpAddr;

use wasmcni_sdk::code;
use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{self, ErrorCode, NetError, Netns, Role};
use wasmcni_sdk::port_map::{self, Masquerade};
use wasmcni_sdk::{CniResult, Error};

use crate::conf::Conf;
use crate::plan;

pub(crate) fn add(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    if conf.mappings.is_empty() {
        return Ok(());
    }
    for container in plan::addresses(result, ifname).into_iter().flatten() {
        let mappings = plan::mappings(conf, container)?;
        if mappings.is_empty() {
            continue;
        }
        if let Some(key) = localnet(conf, container, &net::enter(Role::Host)?)? {
            net::sysctl::write(&net::enter(Role::Host)?, &key, "1")?;
        }
        let conditions = conf.conditions(container.addr().is_ipv4());
        port_map::add(&mappings, conditions).map_err(told)?;
    }
    Ok(())
}

/// The setting of the link to the container that lets packets from 127.0.0.1 leave by it. None: nobody
/// needs it, or no route leads there.
fn localnet(conf: &Conf, container: IpNet, host: &Netns) -> Result<Option<String>, Error> {
    let IpAddr::V4(address) = container.addr() else { return Ok(None) };
    if conf.masquerade == Masquerade::None {
        return Ok(None);
    }
    let route = match host.route_to(IpAddr::from(address).into()) {
        Err(NetError { code: ErrorCode::Unreachable, .. }) => return Ok(None),
        route => route?,
    };
    let Some(index) = route.link else { return Ok(None) };
    let Some(link) = host.find_link_by_index(index)? else { return Ok(None) };
    Ok(Some(format!("net/ipv4/conf/{}/route_localnet", link.info()?.name)))
}

/// A port that another has is free when that one goes: the runtime may try again.
fn told(error: NetError) -> Error {
    match error.code {
        ErrorCode::Exists => Error::new(code::TRY_AGAIN, error.detail),
        ErrorCode::Invalid => Error::new(code::CONFIGURATION, error.detail),
        ErrorCode::Denied
        | ErrorCode::NotFound
        | ErrorCode::Busy
        | ErrorCode::NotPermitted
        | ErrorCode::NotSupported
        | ErrorCode::Exhausted
        | ErrorCode::Unreachable
        | ErrorCode::TimedOut
        | ErrorCode::Other => error.into(),
    }
}

/// Every mapping leads where it should.
pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    for container in plan::addresses(result, ifname).into_iter().flatten() {
        let mappings = plan::mappings(conf, container)?;
        if mappings.is_empty() {
            continue;
        }
        let conditions = conf.conditions(container.addr().is_ipv4());
        if let Some(missing) = port_map::missing(&mappings, conditions).map_err(told)?.first() {
            let why = format!("finding port mapping {}: there is none", plan::words(missing));
            return Err(Error::changed(why));
        }
        let host = net::enter(Role::Host)?;
        if let Some(key) = localnet(conf, container, &host)? {
            let value = net::sysctl::read(&host, &key)?;
            if value != "1" {
                return Err(Error::changed(format!("reading sysctl {key}: it is {value}, not 1")));
            }
        }
    }
    Ok(())
}

/// Ports can be mapped at all.
pub(crate) fn status() -> Result<(), Error> {
    port_map::ready().map_err(|error| {
        let why = format!("asking for nftables: {}", error.detail);
        Error::new(code::NOT_AVAILABLE, why)
    })
}
