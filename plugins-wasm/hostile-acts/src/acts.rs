//! Acts in any order, with any arguments: what a plugin could ask for, honest or not, one after the other. What
//! is refused is gone on from.

use std::net::IpAddr;

use serde::Deserialize;
use wasmcni_sdk::bindings::wasmcni::net::types::IpNetwork;
use wasmcni_sdk::firewall::{self, Apart, Separation};
use wasmcni_sdk::meta::{saved_configuration, subnet_file};
use wasmcni_sdk::net::{
    self, BridgeSpec, ChildSpec, Detection, Family, IpvlanMode, Link, MacvlanMode, Netns, Role,
    RouteSpec, RuleSpec, Switch, Tagging, TapSpec, VethSpec, VlanRange,
};
use wasmcni_sdk::port_map::{self, AddressMatch, Condition, Mapping, Masquerade, Protocol};
use wasmcni_sdk::reservations::{self, Store};
use wasmcni_sdk::shaping::{self, Bucket};
use wasmcni_sdk::{Error, log, nat, resolv_conf};

/// One act.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Act {
    /// Which: a word of this file.
    act: String,
    /// A name, key, path or address.
    text: String,
    /// Another one.
    other: String,
    /// A size, id, port or length.
    number: u32,
    /// Which of the links that were found or made so far, counted from the first again when there are fewer.
    link: u32,
    /// In the container's netns, not the node's.
    inside: bool,
}

/// What was found and made.
#[derive(Debug, Default)]
struct Hands {
    links: Vec<Link>,
    stores: Vec<Store>,
}

/// Does them all, whatever comes of each.
pub(crate) fn run(acts: &[Act]) {
    let mut hands = Hands::default();
    for act in acts {
        if let Err(error) = hands.act(act) {
            log::debug(&format!("{}: {error}", act.act));
        }
    }
}

impl Hands {
    fn act(&mut self, act: &Act) -> Result<(), Error> {
        let netns = net::enter(if act.inside { Role::Container } else { Role::Host })?;
        match act.act.as_str() {
            "adopt" if !self.links.is_empty() => {
                let link = self.links.swap_remove(self.place(act));
                self.links.push(netns.adopt(link, &act.text)?);
                Ok(())
            }
            "adopt" => Ok(()),
            word if word.starts_with("link-") => match self.links.get(self.place(act)) {
                Some(link) => self.on_link(act, link, &netns).map(|new| self.links.extend(new)),
                None => Ok(()),
            },
            word if word.starts_with("create-") => {
                let made = self.create(act, &netns)?;
                self.links.extend(made);
                Ok(())
            }
            word if word.starts_with("find-") => {
                self.links.extend(find(act, &netns)?);
                Ok(())
            }
            word if word.starts_with("store-") => self.reserve(act),
            _ => apart(act, &netns),
        }
    }

    /// Place of the act's link.
    fn place(&self, act: &Act) -> usize {
        act.link as usize % self.links.len().max(1)
    }

    /// New links in a netns.
    fn create(&self, act: &Act, netns: &Netns) -> Result<Vec<Link>, Error> {
        let name = act.text.clone();
        let mtu = (act.number != 0).then_some(act.number);
        let child = || ChildSpec { name: name.clone(), mtu, mac: None };
        let parent = || {
            let none = || Error::new(wasmcni_sdk::code::INTERNAL, "there is no link yet");
            self.links.get(self.place(act)).ok_or_else(none)
        };
        let id = u16::try_from(act.number).unwrap_or(u16::MAX);
        let made = match act.act.as_str() {
            "create-veth" => {
                let peer_name = Some(act.other.clone()).filter(|name| !name.is_empty());
                let spec = VethSpec { name, mtu, mac: None, peer_name };
                let (near, far) = netns.create_veth(&spec, &net::enter(Role::Host)?)?;
                return Ok(vec![near, far]);
            }
            "create-bridge" => {
                netns.create_bridge(&BridgeSpec { name, mtu, vlan_filtering: Switch::On })
            }
            "create-dummy" => netns.create_dummy(&child()),
            "create-ipvlan" => netns.create_ipvlan(&child(), parent()?, IpvlanMode::L2),
            "create-macvlan" => {
                netns.create_macvlan(&child(), parent()?, MacvlanMode::Bridge, Some(act.number))
            }
            "create-vlan" => netns.create_vlan(&child(), parent()?, id),
            "create-vrf" => netns.create_vrf(&name, act.number),
            _ => netns.create_tap(&TapSpec {
                name,
                mtu,
                mac: None,
                multi_queue: Switch::On,
                owner: Some(act.number),
                group: None,
            }),
        };
        Ok(vec![made?])
    }

    /// Acts on a link; what they make.
    fn on_link(&self, act: &Act, link: &Link, netns: &Netns) -> Result<Option<Link>, Error> {
        let switch = if act.number.is_multiple_of(2) { Switch::Off } else { Switch::On };
        let id = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        let vlans =
            VlanRange { first: id(act.number), last: id(act.link), tagging: Tagging::empty() };
        match act.act.as_str() {
            "link-up" => link.set_up()?,
            "link-down" => link.set_down()?,
            "link-mtu" => link.set_mtu(act.number)?,
            "link-mac" => link.set_mac((2, 0, 0, 0, 0, act.number.to_le_bytes()[0]))?,
            "link-promisc" => link.set_promisc(switch)?,
            "link-all-multicast" => link.set_all_multicast(switch)?,
            "link-queue" => link.set_tx_queue_length(act.number)?,
            "link-master" => {
                let master = self.links.get(act.number as usize % self.links.len());
                return master
                    .map_or(Ok(None), |master| Ok(link.set_master(master).map(|()| None)?));
            }
            "link-address" => link.add_addr(network(act)?, Detection::None)?,
            "link-no-address" => link.delete_addr(network(act)?)?,
            "link-addresses" => drop(link.addrs()?),
            "link-wait" => link.wait_up(0)?,
            "link-hand-back" => link.hand_back()?,
            "link-route" => netns.add_route(route(act)?, link)?,
            "link-no-route" => netns.delete_route(route(act)?, link)?,
            "link-hairpin" => net::bridge_port::set_hairpin(link, switch)?,
            "link-isolated" => net::bridge_port::set_isolated(link, switch)?,
            "link-vlans" => net::bridge_port::add_vlan(link, vlans)?,
            "link-no-vlans" => net::bridge_port::delete_vlan(link, vlans)?,
            "link-egress" => shaping::limit_egress(link, bucket(act))?,
            "link-ingress" => return Ok(Some(shaping::limit_ingress(link, bucket(act))?)),
            "link-guard" => net::spoof_guard::pin(link, (2, 0, 0, 0, 0, 1))?,
            "link-pci" => drop(net::devices::pci_address(link)?),
            _ => drop(link.info()?),
        }
        Ok(None)
    }

    fn reserve(&mut self, act: &Act) -> Result<(), Error> {
        if self.stores.is_empty() {
            let data_dir = Some(act.other.as_str()).filter(|path| !path.is_empty());
            self.stores.push(reservations::open(data_dir)?);
        }
        let Some(store) = self.stores.first() else { return Ok(()) };
        match act.act.as_str() {
            "store-reserve" => drop(store.reserve(address(act)?.into(), act.number)?),
            "store-held" => drop(store.held()?),
            "store-last" => drop(store.last_reserved(act.number)?),
            "store-release" => store.release()?,
            _ => {
                let last: IpAddr = act.other.parse().unwrap_or(IpAddr::from([10, 30, 0, 9]));
                store.next_free(address(act)?.into(), last.into())?;
            }
        }
        Ok(())
    }
}

fn find(act: &Act, netns: &Netns) -> Result<Option<Link>, Error> {
    Ok(match act.act.as_str() {
        "find-index" => netns.find_link_by_index(act.number)?,
        "find-device" => net::devices::find_by_name(&act.text)?,
        "find-mac" => net::devices::find_by_mac(&act.text)?,
        "find-path" => net::devices::find_by_path(&act.text)?,
        "find-pci" => net::devices::find_by_pci(&act.text)?,
        "find-auxiliary" => net::devices::find_by_auxiliary(&act.text)?,
        _ => netns.find_link(&act.text)?,
    })
}

/// What is about no link.
fn apart(act: &Act, netns: &Netns) -> Result<(), Error> {
    let separate = || {
        let kept_from = if act.inside { Separation::Everyone } else { Separation::OtherBridges };
        Apart { bridge: act.other.clone(), kept_from }
    };
    match act.act.as_str() {
        "links" => drop(netns.links()?),
        "lock" => netns.lock()?,
        "routes" => drop(netns.routes()?),
        "route-to" => drop(netns.route_to(address(act)?.into())?),
        "rule" => net::rule::add(netns, RuleSpec { source: network(act)?, table: act.number })?,
        "no-rule" => {
            net::rule::delete(netns, RuleSpec { source: network(act)?, table: act.number })?
        }
        "sysctl" => net::sysctl::write(netns, &act.text, &act.other)?,
        "sysctl-until-del" => net::sysctl::write_until_del(netns, &act.text, &act.other)?,
        "sysctl-read" => drop(net::sysctl::read(netns, &act.text)?),
        "forwarding" => net::forwarding::enable(Family::Ipv6)?,
        "masquerade" => nat::masquerade(network(act)?)?,
        "port-map" => port_map::add(&[mapping(act)?], &[condition(act)?])?,
        "no-port-map" => port_map::clear()?,
        "admit" => firewall::admit(address(act)?.into(), &act.other)?,
        "admit-apart" => firewall::admit_apart(address(act)?.into(), &act.text, &separate())?,
        "backup" => drop(net::link_backup::read(Some(&act.text))?),
        "save" => saved_configuration::save(Some(&act.text), &act.other)?,
        "load" => drop(saved_configuration::load(Some(&act.text))?),
        "subnet-file" => drop(subnet_file::read(Some(&act.text))?),
        "resolv-conf" => drop(resolv_conf::read(&act.text)?),
        "driver" => drop(net::devices::pci_driver(&act.text)?),
        _ => log::warn(&act.text),
    }
    Ok(())
}

/// The text as an address, or else one that depends on the number.
fn address(act: &Act) -> Result<IpAddr, Error> {
    let [a, b, ..] = act.number.to_le_bytes();
    Ok(act.text.parse().unwrap_or(IpAddr::from([10, 30, b, a])))
}

fn network(act: &Act) -> Result<IpNetwork, Error> {
    let prefix_length = act.link.to_le_bytes()[0];
    Ok(IpNetwork { address: address(act)?.into(), prefix_length })
}

fn route(act: &Act) -> Result<RouteSpec, Error> {
    let gateway: Option<IpAddr> = act.other.parse().ok();
    Ok(RouteSpec {
        destination: network(act)?,
        gateway: gateway.map(Into::into),
        source: None,
        scope: None,
        table: (act.number != 0).then_some(act.number),
        priority: None,
        mtu: (act.number > 1000).then_some(act.number),
        advmss: None,
    })
}

fn bucket(act: &Act) -> Bucket {
    Bucket {
        rate_bits: u64::from(act.number) << (act.link % 33),
        burst_bits: u64::from(act.link) << 8,
    }
}

fn mapping(act: &Act) -> Result<Mapping, Error> {
    let port = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    let host_address: Option<IpAddr> = act.other.parse().ok();
    Ok(Mapping {
        protocol: if act.inside { Protocol::Udp } else { Protocol::Tcp },
        host_port: port(act.number),
        host_address: host_address.map(Into::into),
        container: network(act)?,
        container_port: port(act.link),
        masquerade: Masquerade::Near,
    })
}

fn condition(act: &Act) -> Result<Condition, Error> {
    Ok(Condition::Source(AddressMatch { negated: Switch::On, networks: vec![network(act)?] }))
}
