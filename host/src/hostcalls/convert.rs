//! Every conversion between the WIT's types and the host's; no logic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::bindings::exports::wasmcni::cni::plugin as guest;
use crate::bindings::wasmcni::cni::types as cni;
use crate::bindings::wasmcni::net::bridge_port::{Tagging, VlanRange};
use crate::bindings::wasmcni::net::firewall;
use crate::bindings::wasmcni::net::firewalld;
use crate::bindings::wasmcni::net::link::{AddressInfo, LinkInfo, PortInfo};
use crate::bindings::wasmcni::net::netns::{self, RouteInfo};
use crate::bindings::wasmcni::net::shaping;
use crate::bindings::wasmcni::net::types as net;
use crate::cni::result::{Dns, Interface, IpConfig, Route};
use crate::cni::{CniError, CniResult, ValidAttachment};
use crate::gate::Refusal;
use crate::ipam::StoreError;
use crate::kernel::{self, Errno, Role};
use crate::names::Mac;

pub(super) fn role(role: netns::Role) -> Role {
    match role {
        netns::Role::Container => Role::Container,
        netns::Role::Host => Role::Host,
    }
}

pub(super) fn way(way: shaping::Direction) -> kernel::Way {
    match way {
        shaping::Direction::Egress => kernel::Way::Egress,
        shaping::Direction::Ingress => kernel::Way::Ingress,
    }
}

pub(super) fn separation(from: firewall::Separation) -> kernel::Separation {
    match from {
        firewall::Separation::OtherBridges => kernel::Separation::OtherBridges,
        firewall::Separation::Everyone => kernel::Separation::Everyone,
    }
}

pub(super) fn admission(entry: kernel::Admission) -> firewall::Admission {
    let apart = |apart: kernel::Apart| firewall::Apart {
        bridge: apart.bridge.to_string(),
        kept_from: match apart.from {
            kernel::Separation::OtherBridges => firewall::Separation::OtherBridges,
            kernel::Separation::Everyone => firewall::Separation::Everyone,
        },
    };
    firewall::Admission { address: ip_address(entry.address), apart: entry.apart.map(apart) }
}

pub(super) fn firewalld_state(runs: bool) -> firewalld::Daemon {
    if runs { firewalld::Daemon::Running } else { firewalld::Daemon::NotRunning }
}

pub(super) fn mac(octets: net::Mac) -> Mac {
    let (a, b, c, d, e, f) = octets;
    Mac::from([a, b, c, d, e, f])
}

pub(super) fn mac_octets(mac: Mac) -> net::Mac {
    let [a, b, c, d, e, f] = mac.bytes();
    (a, b, c, d, e, f)
}

pub(super) fn address(address: net::IpAddress) -> IpAddr {
    match address {
        net::IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        net::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
            Ipv6Addr::new(a, b, c, d, e, f, g, h).into()
        }
    }
}

pub(super) fn ip_address(address: IpAddr) -> net::IpAddress {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            net::IpAddress::Ipv4((a, b, c, d))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.segments();
            net::IpAddress::Ipv6((a, b, c, d, e, f, g, h))
        }
    }
}

pub(super) fn network(network: net::IpNetwork) -> Result<IpNet, Refusal> {
    let address = address(network.address);
    IpNet::new(address, network.prefix_length).map_err(|_| {
        let length = network.prefix_length;
        Refusal::Invalid(format!("{address}/{length}: prefix longer than the address"))
    })
}

pub(super) fn ip_network(network: IpNet) -> net::IpNetwork {
    net::IpNetwork { address: ip_address(network.addr()), prefix_length: network.prefix_len() }
}

pub(super) fn ipvlan_mode(mode: netns::IpvlanMode) -> kernel::IpvlanMode {
    match mode {
        netns::IpvlanMode::L2 => kernel::IpvlanMode::L2,
        netns::IpvlanMode::L3 => kernel::IpvlanMode::L3,
        netns::IpvlanMode::L3s => kernel::IpvlanMode::L3s,
    }
}

pub(super) fn macvlan_mode(mode: netns::MacvlanMode) -> kernel::MacvlanMode {
    match mode {
        netns::MacvlanMode::Private => kernel::MacvlanMode::Private,
        netns::MacvlanMode::Vepa => kernel::MacvlanMode::Vepa,
        netns::MacvlanMode::Bridge => kernel::MacvlanMode::Bridge,
        netns::MacvlanMode::Passthru => kernel::MacvlanMode::Passthru,
    }
}

fn switch(on: bool) -> net::Switch {
    if on { net::Switch::On } else { net::Switch::Off }
}

pub(super) fn link_info(link: kernel::Link) -> LinkInfo {
    LinkInfo {
        index: link.index.0,
        name: link.name.to_string(),
        kind: link.kind,
        mac: link.mac.map(mac_octets),
        mtu: link.mtu,
        admin: switch(link.up),
        carrier: switch(link.oper_up),
        promisc: switch(link.promisc),
        all_multicast: switch(link.all_multicast),
        tx_queue_length: link.tx_queue_length,
        master: link.master.map(|index| index.0),
        parent: link.parent.map(|index| index.0),
        vlan_filtering: switch(link.vlan_filtering),
        port: link.port.map(|port| PortInfo {
            hairpin: switch(port.hairpin),
            isolated: switch(port.isolated),
        }),
        vrf_table: link.vrf_table,
        alias: link.alias,
        mode: link.mode.map(str::to_owned),
        vlan_id: link.vlan_id,
    }
}

pub(super) fn address_info(address: kernel::Address) -> AddressInfo {
    AddressInfo {
        address: ip_network(address.address),
        tentative: switch(address.tentative),
        scope: address.scope,
    }
}

pub(super) fn route_spec(route: netns::RouteSpec) -> Result<kernel::RouteSpec, Refusal> {
    Ok(kernel::RouteSpec {
        destination: network(route.destination)?,
        gateway: route.gateway.map(address),
        link: None,
        source: route.source.map(address),
        scope: route.scope,
        table: route.table,
        priority: route.priority,
        mtu: route.mtu,
        advmss: route.advmss,
        by_kernel: false,
    })
}

pub(super) fn route_info(route: kernel::Route) -> RouteInfo {
    RouteInfo {
        destination: ip_network(route.destination),
        gateway: route.gateway.map(ip_address),
        link: route.link.map(|index| index.0),
        source: route.source.map(ip_address),
        scope: route.scope,
        table: route.table,
        priority: route.priority,
        mtu: route.mtu,
        advmss: route.advmss,
        by_kernel: route.by_kernel,
    }
}

pub(super) fn vlan_entry(range: VlanRange) -> kernel::VlanEntry {
    kernel::VlanEntry {
        first: range.first,
        last: range.last,
        pvid: range.tagging.contains(Tagging::PVID),
        untagged: range.tagging.contains(Tagging::UNTAGGED),
        on_bridge: false,
    }
}

pub(super) fn vlan_range(entry: kernel::VlanEntry) -> VlanRange {
    let flag = |on: bool, flag| if on { flag } else { Tagging::empty() };
    let tagging = flag(entry.pvid, Tagging::PVID) | flag(entry.untagged, Tagging::UNTAGGED);
    VlanRange { first: entry.first, last: entry.last, tagging }
}

/// What a guest learns of a refusal: the kind, and the kernel's words. Of a want of rights it learns
/// what it wanted, not which rules there are.
pub(super) fn net_error(refusal: &Refusal) -> net::Error {
    let code = match refusal {
        Refusal::Denied(_) => net::ErrorCode::Denied,
        Refusal::Kernel(e) => errno(e.errno),
        Refusal::Invalid(_) => net::ErrorCode::Invalid,
        Refusal::Journal(_) => net::ErrorCode::Other,
        Refusal::Store(StoreError::Busy { .. }) => net::ErrorCode::Busy,
        Refusal::Store(StoreError::Range { .. } | StoreError::Relative { .. }) => {
            net::ErrorCode::Invalid
        }
        Refusal::Store(e) => e.errno().map_or(net::ErrorCode::Other, errno),
        Refusal::Resolver(_) => net::ErrorCode::NotFound,
        Refusal::Flannel(e) => e.errno().map_or(net::ErrorCode::Invalid, errno),
    };
    let detail = match refusal {
        Refusal::Denied(denied) => denied.wanted.clone(),
        Refusal::Kernel(_)
        | Refusal::Invalid(_)
        | Refusal::Journal(_)
        | Refusal::Store(_)
        | Refusal::Resolver(_)
        | Refusal::Flannel(_) => refusal.to_string(),
    };
    net::Error { code, detail }
}

/// The table of `wit/deps/net/types.wit`, `error-code`.
#[allow(clippy::wildcard_enum_match_arm, reason = "errnos are an open set")]
fn errno(errno: Errno) -> net::ErrorCode {
    use net::ErrorCode as E;
    match errno {
        Errno::EEXIST => E::Exists,
        Errno::ENOENT | Errno::ENODEV | Errno::ESRCH | Errno::EADDRNOTAVAIL | Errno::ENXIO => {
            E::NotFound
        }
        Errno::EBUSY | Errno::EAGAIN | Errno::EADDRINUSE => E::Busy,
        Errno::EINVAL | Errno::ERANGE | Errno::EMSGSIZE | Errno::ENAMETOOLONG | Errno::ELOOP => {
            E::Invalid
        }
        Errno::EPERM | Errno::EACCES | Errno::EROFS => E::NotPermitted,
        Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::ENOSYS | Errno::EPROTONOSUPPORT => {
            E::NotSupported
        }
        Errno::ENOMEM | Errno::ENOSPC | Errno::ENOBUFS | Errno::EMFILE | Errno::ENFILE => {
            E::Exhausted
        }
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => E::Unreachable,
        Errno::ETIMEDOUT => E::TimedOut,
        _ => E::Other,
    }
}

pub(super) fn cni_error(error: CniError) -> cni::CniError {
    cni::CniError { code: error.code, msg: error.msg.into_owned(), details: error.details }
}

/// A guest's error, as the runtime gets it.
pub(crate) fn error_of(error: cni::CniError) -> CniError {
    CniError { code: error.code, msg: error.msg.into(), details: error.details }
}

/// A result as a guest sees it; `this` is the path of the call's own container netns.
pub(super) fn cni_result(result: CniResult, this: Option<&str>) -> cni::CniResult {
    let interface = |interface: Interface| cni::CniInterface {
        name: interface.name,
        mac: interface.mac.unwrap_or_default(),
        mtu: interface.mtu,
        sandbox: match interface.sandbox {
            None => cni::Sandbox::None,
            Some(path) if Some(path.as_str()) == this => cni::Sandbox::This,
            Some(path) => cni::Sandbox::Other(path),
        },
        socket_path: interface.socket_path.unwrap_or_default(),
        pci_id: interface.pci_id.unwrap_or_default(),
    };
    let ip = |ip: IpConfig| cni::IpConfig {
        interface_index: ip.interface,
        address: ip_network(ip.address),
        gateway: ip.gateway.map(ip_address),
    };
    let route = |route: Route| cni::Route {
        destination: ip_network(route.dst),
        gateway: route.gw.map(ip_address),
        mtu: route.mtu,
        advmss: route.advmss,
        priority: route.priority,
        table: route.table,
        scope: route.scope,
    };
    let Dns { nameservers, domain, search, options } = result.dns;
    let domain = (!domain.is_empty()).then_some(domain);
    cni::CniResult {
        interfaces: result.interfaces.into_iter().map(interface).collect(),
        ips: result.ips.into_iter().map(ip).collect(),
        routes: result.routes.into_iter().map(route).collect(),
        dns: cni::Dns { nameservers, domain, search, options },
    }
}

/// A guest's result as the runtime gets it.
pub(crate) fn result_of(result: cni::CniResult, this: Option<&str>) -> Result<CniResult, Refusal> {
    let filled = |text: String| (!text.is_empty()).then_some(text);
    let interface = |interface: cni::CniInterface| Interface {
        name: interface.name,
        mac: filled(interface.mac),
        mtu: interface.mtu,
        sandbox: match interface.sandbox {
            cni::Sandbox::None => None,
            cni::Sandbox::This => this.map(str::to_owned),
            cni::Sandbox::Other(path) => Some(path),
        },
        socket_path: filled(interface.socket_path),
        pci_id: filled(interface.pci_id),
    };
    let ip = |ip: cni::IpConfig| -> Result<IpConfig, Refusal> {
        Ok(IpConfig {
            interface: ip.interface_index,
            address: network(ip.address)?,
            gateway: ip.gateway.map(address),
        })
    };
    let route = |route: cni::Route| -> Result<Route, Refusal> {
        Ok(Route {
            dst: network(route.destination)?,
            gw: route.gateway.map(address),
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority,
            table: route.table,
            scope: route.scope,
        })
    };
    let interfaces: Vec<Interface> = result.interfaces.into_iter().map(interface).collect();
    let ips = result.ips.into_iter().map(ip).collect::<Result<Vec<_>, _>>()?;
    let exists = |index: &u32| usize::try_from(*index).is_ok_and(|at| at < interfaces.len());
    if let Some(index) = ips.iter().filter_map(|ip| ip.interface).find(|index| !exists(index)) {
        let there = interfaces.len();
        let text = format!("an address is of interface {index}, and there are {there}, from 0");
        return Err(Refusal::Invalid(text));
    }
    let cni::Dns { nameservers, domain, search, options } = result.dns;
    let domain = domain.unwrap_or_default();
    Ok(CniResult {
        interfaces,
        ips,
        routes: result.routes.into_iter().map(route).collect::<Result<_, _>>()?,
        dns: Dns { nameservers, domain, search, options },
    })
}

/// A request as a guest gets it.
pub(crate) fn request(
    attachment: &crate::names::Attachment,
    conf: &crate::cni::NetworkConf,
    args: &crate::cni::CniArgs,
    prev_result: Option<CniResult>,
    this: Option<&str>,
) -> guest::Request {
    let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    guest::Request {
        network: attachment.network.to_string(),
        container_id: attachment.container_id.to_string(),
        ifname: attachment.ifname.to_string(),
        configuration: conf.text().to_owned(),
        arguments: match args.pairs() {
            Ok(pairs) => Ok(pairs.into_iter().map(pair).collect()),
            Err(e) => Err(e.details),
        },
        prev_result: prev_result.map(|result| cni_result(result, this)),
        addresses: if conf.version.has_chains() {
            cni::Addresses::Any
        } else {
            cni::Addresses::OnePerFamily
        },
    }
}

pub(crate) fn attachment_id(valid: &ValidAttachment) -> guest::AttachmentId {
    guest::AttachmentId { container_id: valid.container_id.clone(), ifname: valid.if_name.clone() }
}
