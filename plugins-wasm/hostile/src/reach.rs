//! Attacks that ask for what the grants do not give, or what makes no sense.

use wasmcni_sdk::bindings::wasmcni::cni::delegate;
use wasmcni_sdk::bindings::wasmcni::net::types::IpNetwork;
use wasmcni_sdk::net::{
    self, BridgeSpec, ChildSpec, Detection, IpvlanMode, Link, MacvlanMode, Netns, Role, RouteSpec,
    Switch, Tagging, TapSpec, VethSpec, VlanRange,
};
use wasmcni_sdk::{CniResult, Error, Mac, code, meta, nat, reservations, resolv_conf};

use crate::Conf;
use crate::attach::Made;

/// Reaches for what the configuration names. Success only if the host let it.
pub(crate) fn run(conf: &Conf, made: &Made) -> Result<(), Error> {
    let host = || net::enter(Role::Host);
    let container = || net::enter(Role::Container);
    match conf.attack.as_str() {
        "bridge" => host()?
            .create_bridge(&BridgeSpec {
                name: conf.target.clone(),
                mtu: (conf.number != 0).then_some(conf.number),
                vlan_filtering: Switch::Off,
            })
            .map(drop)
            .map_err(Into::into),
        "veth" => veth(&container()?, &host()?, &conf.target, None),
        "veth-peer" => veth(&container()?, &host()?, "eth9", Some(conf.target.clone())),
        "veth-inside" => veth(&container()?, &container()?, "eth9", Some(conf.target.clone())),
        "macvlan" => {
            let spec = child(conf, None);
            let parent = bridge(made)?;
            Ok(container()?.create_macvlan(&spec, parent, MacvlanMode::Bridge, None).map(drop)?)
        }
        "passthru-mac" => {
            let spec = child(conf, Some((2, 0, 0, 0, 0, 1)));
            let parent = bridge(made)?;
            Ok(container()?.create_macvlan(&spec, parent, MacvlanMode::Passthru, None).map(drop)?)
        }
        "ipvlan-mac" => {
            let spec = child(conf, Some((2, 0, 0, 0, 0, 1)));
            Ok(container()?.create_ipvlan(&spec, bridge(made)?, IpvlanMode::L2).map(drop)?)
        }
        "vlan-device" => {
            let spec = ChildSpec { mtu: None, ..child(conf, None) };
            let id = u16::try_from(conf.number).unwrap_or(u16::MAX);
            Ok(container()?.create_vlan(&spec, bridge(made)?, id).map(drop)?)
        }
        "find" => match host()?.find_link(&conf.target)? {
            Some(_) => Ok(()),
            None => Err(Error::new(code::INTERNAL, "there is none")),
        },
        "delete" => Ok(net::link(&host()?, &conf.target)?.delete()?),
        "down" => Ok(net::link(&host()?, &conf.target)?.set_down()?),
        "mac" => Ok(net::link(&host()?, &conf.target)?.set_mac((2, 0, 0, 0, 0, 1))?),
        "steal-port" => {
            let bridge = net::link(&host()?, &conf.bridge)?;
            Ok(net::link(&host()?, &conf.target)?.set_master(&bridge)?)
        }
        "adopt" => {
            let link = net::link(&host()?, &conf.target)?;
            Ok(container()?.adopt(link, "eth9").map(drop)?)
        }
        "adopt-device" => match net::devices::find_by_name(&conf.target)? {
            Some(link) => Ok(container()?.adopt(link, &conf.value).map(drop)?),
            None => Err(Error::new(code::INTERNAL, "there is none")),
        },
        "device-path" => Ok(net::devices::find_by_path(&conf.value).map(drop)?),
        "hand-back" => Ok(inner(made)?.hand_back()?),
        "tap" => tap(&container()?, &conf.target),
        "wrong-master" => Ok(inner(made)?.set_master(bridge(made)?)?),
        "address" => Ok(inner(made)?.add_addr(address(&conf.value)?.into(), Detection::None)?),
        "bridge-address" => {
            Ok(bridge(made)?.add_addr(address(&conf.value)?.into(), Detection::None)?)
        }
        "prefix" => Ok(inner(made)?.add_addr(prefix(conf.number), Detection::None)?),
        "masquerade-prefix" => Ok(nat::masquerade(prefix(conf.number))?),
        "masquerade" => Ok(nat::masquerade(address(&conf.value)?.into())?),
        "route-prefix" => route(&container()?, inner(made)?, prefix(conf.number)),
        "route-elsewhere" => route(&host()?, inner(made)?, address(&conf.value)?.into()),
        "route" => route(&host()?, bridge(made)?, address(&conf.value)?.into()),
        "vlan" => {
            let id = u16::try_from(conf.number).unwrap_or(u16::MAX);
            let range = VlanRange { first: id, last: id, tagging: Tagging::empty() };
            Ok(net::bridge_port::add_vlan(port(made)?, range)?)
        }
        "vlan-backwards" => {
            let range = VlanRange { first: 9, last: 3, tagging: Tagging::empty() };
            Ok(net::bridge_port::add_vlan(port(made)?, range)?)
        }
        "mtu" => Ok(inner(made)?.set_mtu(conf.number)?),
        "guard-inside" => {
            let mac = Mac([2, 0, 0, 0, 0, 1]).0;
            let [a, b, c, d, e, f] = mac;
            Ok(net::spoof_guard::pin(inner(made)?, (a, b, c, d, e, f))?)
        }
        "sysctl" => Ok(net::sysctl::write(&host()?, &conf.target, &conf.value)?),
        "sysctl-inside" => Ok(net::sysctl::write(&container()?, &conf.target, &conf.value)?),
        "sysctl-read" => Ok(net::sysctl::read(&host()?, &conf.target).map(drop)?),
        "delegate" => CniResult::try_from(delegate::add(&conf.target)?).map(drop),
        "delegate-del" => Ok(delegate::del(&conf.target)?),
        "open" => Ok(reservations::open(Some(&conf.value)).map(drop)?),
        "reserve" => {
            let store = reservations::open(None)?;
            Ok(store.reserve(address(&conf.value)?.addr().into(), 0).map(drop)?)
        }
        "resolv-conf" => Ok(resolv_conf::read(&conf.value).map(drop)?),
        "configure" => {
            CniResult::try_from(meta::configured_delegate::add(&conf.target, &conf.value)?)
                .map(drop)
        }
        "save" => {
            let text = if conf.number == 0 { conf.value.clone() } else { long(conf.number) };
            Ok(meta::saved_configuration::save(Some(&conf.target), &text)?)
        }
        "load" => Ok(meta::saved_configuration::load(Some(&conf.target)).map(drop)?),
        "subnet-file" => Ok(meta::subnet_file::read(Some(&conf.target)).map(drop)?),
        other => Err(Error::config("attack", format_args!("{other:?}"), "no such attack")),
    }
}

/// An object of some size.
fn long(octets: u32) -> String {
    let text = "x".repeat(usize::try_from(octets).unwrap_or_default());
    format!("{{\"x\":\"{text}\"}}")
}

fn veth(near: &Netns, far: &Netns, name: &str, peer: Option<String>) -> Result<(), Error> {
    let spec = VethSpec { name: name.to_owned(), mtu: None, mac: None, peer_name: peer };
    Ok(near.create_veth(&spec, far).map(drop)?)
}

fn tap(netns: &Netns, name: &str) -> Result<(), Error> {
    let spec = TapSpec {
        name: name.to_owned(),
        mtu: None,
        mac: None,
        multi_queue: Switch::Off,
        owner: None,
        group: None,
    };
    Ok(netns.create_tap(&spec).map(drop)?)
}

fn child(conf: &Conf, mac: Option<(u8, u8, u8, u8, u8, u8)>) -> ChildSpec {
    ChildSpec { name: conf.target.clone(), mtu: (conf.number != 0).then_some(conf.number), mac }
}

fn route(netns: &Netns, link: &Link, destination: IpNetwork) -> Result<(), Error> {
    let spec = RouteSpec {
        destination,
        gateway: None,
        source: None,
        scope: None,
        table: None,
        priority: None,
        mtu: None,
        advmss: None,
    };
    Ok(netns.add_route(spec, link)?)
}

/// 10.9.9.9 with a length that may be none.
pub(crate) fn prefix(length: u32) -> IpNetwork {
    let prefix_length = u8::try_from(length).unwrap_or(u8::MAX);
    IpNetwork { address: std::net::IpAddr::from([10, 9, 9, 9]).into(), prefix_length }
}

fn address(text: &str) -> Result<ipnet::IpNet, Error> {
    text.parse().map_err(|e| Error::config("value", format_args!("{text:?} ({e})"), "an address"))
}

fn inner(made: &Made) -> Result<&Link, Error> {
    made.inner.as_ref().ok_or_else(too_early)
}

fn port(made: &Made) -> Result<&Link, Error> {
    made.port.as_ref().ok_or_else(too_early)
}

fn bridge(made: &Made) -> Result<&Link, Error> {
    made.bridge.as_ref().ok_or_else(too_early)
}

fn too_early() -> Error {
    Error::config("at", "0", "the attack needs a link that is made later")
}
