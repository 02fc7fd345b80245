//! Values of the kernel's model, written as `ip` writes them.

use ipnet::IpNet;
use wasmcni::kernel::{
    AddressSpec, Admission, IfIndex, KindSpec, LinkSpec, MacvlanMode, Masquerade, Owner, Parent,
    PortMapping, PortMasquerade, Protocol, Role, RouteSpec, SpoofGuard, SysctlKey,
};
use wasmcni::names::{IfName, Mac};

pub(crate) fn ifname(text: &str) -> IfName {
    IfName::try_from(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// One of the documentation's MACs (RFC 7042): 00:00:5e:00:53:NN. Others count as random.
pub(crate) fn mac(last: u8) -> Mac {
    Mac::from([0, 0, 0x5e, 0, 0x53, last])
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// `10.1.0.1/24`, `fd00::1/64 nodad`.
pub(crate) fn address(text: &str) -> AddressSpec {
    match text.strip_suffix(" nodad") {
        Some(text) => AddressSpec { address: net(text), nodad: true },
        None => AddressSpec { address: net(text), nodad: false },
    }
}

/// `10.0.0.0/8 via 10.1.0.1 dev 7 src 10.1.0.2 scope 253 table 77 metric 5 mtu 1400 advmss 1300`.
pub(crate) fn route(text: &str, index_of: impl Fn(&str) -> IfIndex) -> RouteSpec {
    let mut words = text.split(' ');
    let mut spec = RouteSpec::to(net(words.next().expect("a destination")));
    while let Some(key) = words.next() {
        let value = words.next().unwrap_or_else(|| panic!("{text:?}: {key} without a value"));
        let number = || value.parse().unwrap_or_else(|_| panic!("{text:?}: {value:?}"));
        let ip = || value.parse().unwrap_or_else(|_| panic!("{text:?}: {value:?}"));
        match key {
            "via" => spec.gateway = Some(ip()),
            "dev" => spec.link = Some(index_of(value)),
            "src" => spec.source = Some(ip()),
            "scope" => spec.scope = Some(value.parse().expect("a number below 256")),
            "table" => spec.table = Some(number()),
            "metric" => spec.priority = Some(number()),
            "mtu" => spec.mtu = Some(number()),
            "advmss" => spec.advmss = Some(number()),
            "proto" => spec.by_kernel = value == "kernel",
            _ => panic!("{text:?}: {key:?}"),
        }
    }
    spec
}

pub(crate) fn key(text: &str) -> SysctlKey {
    SysctlKey::try_from(text.to_owned()).expect("a key below net/")
}

pub(crate) fn ifb(name: &str) -> LinkSpec {
    link(name, KindSpec::Ifb)
}

pub(crate) fn link(name: &str, kind: KindSpec) -> LinkSpec {
    LinkSpec { name: ifname(name), mtu: None, mac: None, kind }
}

pub(crate) fn bridge(name: &str) -> LinkSpec {
    link(name, KindSpec::Bridge { vlan_filtering: false })
}

/// A veth with its other end in `netns`.
pub(crate) fn veth(name: &str, peer: &str, netns: Role) -> LinkSpec {
    link(name, KindSpec::Veth { peer: ifname(peer), peer_netns: netns, peer_mac: None })
}

pub(crate) fn macvlan(name: &str, parent: Parent, mode: MacvlanMode) -> LinkSpec {
    link(name, KindSpec::Macvlan { parent, mode, broadcast_queue: None })
}

pub(crate) fn owner(container: &str) -> Owner {
    Owner {
        network: "net".to_owned(),
        container_id: container.to_owned(),
        ifname: "eth0".to_owned(),
    }
}

pub(crate) fn masquerade(source: &str, container: &str) -> Masquerade {
    Masquerade { source: net(source), owner: owner(container) }
}

pub(crate) fn admission(address: &str, container: &str) -> Admission {
    let address = address.parse().unwrap_or_else(|_| panic!("{address:?}"));
    Admission { address, apart: None, owner: owner(container) }
}

pub(crate) fn guard(port: &str, last: u8, container: &str) -> SpoofGuard {
    SpoofGuard { port: ifname(port), mac: mac(last), owner: owner(container) }
}

/// `8080/tcp`, or `192.0.2.1 8080/tcp`, to port 80 of a container's address.
pub(crate) fn mapping(host: &str, to: &str, container: &str) -> PortMapping {
    let (address, port) = host.split_once(' ').map_or((None, host), |(a, port)| (Some(a), port));
    let (port, protocol) = port.split_once('/').expect("port/protocol");
    PortMapping {
        protocol: match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => Protocol::Sctp,
        },
        host_address: address.map(|address| address.parse().expect("an address")),
        host_port: port.parse().expect("a port"),
        container: net(to),
        container_port: 80,
        masquerade: PortMasquerade::Near,
        owner: owner(container),
    }
}
