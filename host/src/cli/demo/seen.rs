//! Links, addresses and routes as the kernel has them, in lines like those of `ip`.

use std::net::IpAddr;

use crate::kernel::{IfIndex, Kernel, Link, Result, Role, Route};

/// `RT_SCOPE_LINK` and `RT_SCOPE_HOST`, rtnetlink(7).
const SCOPES: [(u8, &str); 2] = [(253, "link"), (254, "host")];
/// `RT_TABLE_MAIN`, rtnetlink(7).
const MAIN_TABLE: u32 = 254;

/// What is in a netns, a line each. Left out is what the kernel makes by itself for IPv6 on every link
/// that is up, `fe80::` addresses and their routes.
pub(super) fn lines(kernel: &mut dyn Kernel, role: Role) -> Result<Vec<String>> {
    let links = kernel.links(role)?;
    let mut lines = Vec::new();
    for link in &links {
        lines.push(link_line(link, &links));
        for found in kernel.addrs(role, link.index)? {
            let address = found.address;
            if !is_link_local(address.addr()) {
                let family = if address.addr().is_ipv4() { "inet" } else { "inet6" };
                lines.push(format!("    {family} {address}{}", scope(found.scope)));
            }
        }
    }
    for route in kernel.routes(role)? {
        if !is_link_local(route.destination.addr()) {
            lines.push(route_line(&route, &links));
        }
    }
    Ok(lines)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}

/// `3: veth1a2b@if2: <UP> mtu 1500 veth master mynet0 hairpin on link/ether 4e:…`
fn link_line(link: &Link, all: &[Link]) -> String {
    let mut line = format!("{}: {}", link.index.0, link.name);
    if let Some(parent) = link.parent {
        line.push_str(&format!("@if{}", parent.0));
    }
    line.push_str(if link.up { ": <UP>" } else { ": <DOWN>" });
    line.push_str(&format!(" mtu {}", link.mtu));
    if !link.kind.is_empty() {
        line.push_str(&format!(" {}", link.kind));
    }
    if let Some(master) = link.master {
        line.push_str(&format!(" master {}", name(master, all)));
    }
    if link.port.is_some_and(|port| port.hairpin) {
        line.push_str(" hairpin on");
    }
    if let Some(mac) = link.mac.filter(|_| !link.loopback) {
        line.push_str(&format!(" link/ether {mac}"));
    }
    line
}

/// `default via 10.10.0.1 dev eth0`
fn route_line(route: &Route, links: &[Link]) -> String {
    let mut line = match route.destination.prefix_len() {
        0 => "default".to_owned(),
        _ => route.destination.to_string(),
    };
    if let Some(gateway) = route.gateway {
        line.push_str(&format!(" via {gateway}"));
    }
    if let Some(link) = route.link {
        line.push_str(&format!(" dev {}", name(link, links)));
    }
    if route.table != MAIN_TABLE {
        line.push_str(&format!(" table {}", route.table));
    }
    line.push_str(&scope(route.scope));
    if let Some(source) = route.source {
        line.push_str(&format!(" src {source}"));
    }
    line
}

fn name(index: IfIndex, links: &[Link]) -> String {
    let link = links.iter().find(|link| link.index == index);
    link.map_or_else(|| format!("if{}", index.0), |link| link.name.to_string())
}

fn scope(scope: u8) -> String {
    let named = SCOPES.iter().find(|(number, _)| *number == scope);
    named.map_or_else(String::new, |(_, name)| format!(" scope {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index: IfIndex(index),
            name: name.parse().unwrap(),
            kind: String::new(),
            mac: None,
            mtu: 1500,
            up: true,
            oper_up: true,
            promisc: false,
            all_multicast: false,
            tx_queue_length: 1000,
            loopback: false,
            master: None,
            parent: None,
            alias: None,
            vlan_filtering: false,
            mode: None,
            vlan_id: None,
            port: None,
            vrf_table: None,
        }
    }

    fn route(destination: &str) -> Route {
        Route {
            destination: destination.parse().unwrap(),
            gateway: None,
            link: Some(IfIndex(2)),
            source: None,
            scope: 0,
            table: MAIN_TABLE,
            priority: 0,
            mtu: None,
            advmss: None,
            by_kernel: false,
        }
    }

    #[test]
    fn links_read_as_ip_writes_them() {
        let mut bridge = link(2, "mynet0");
        bridge.kind = "bridge".into();
        let mut port = link(3, "vetha");
        port.kind = "veth".into();
        port.parent = Some(IfIndex(2));
        port.master = Some(IfIndex(2));
        port.mac = Some([2, 0, 0, 0, 0, 1].into());
        port.up = false;
        let all = [bridge, port];
        assert_eq!(
            all.iter().map(|l| link_line(l, &all)).collect::<Vec<_>>(),
            [
                "2: mynet0: <UP> mtu 1500 bridge",
                "3: vetha@if2: <DOWN> mtu 1500 veth master mynet0 link/ether 02:00:00:00:00:01"
            ]
        );
    }

    #[test]
    fn routes_read_as_ip_writes_them() {
        let links = [link(2, "eth0")];
        let mut default = route("0.0.0.0/0");
        default.gateway = Some([10, 10, 0, 1].into());
        assert_eq!(route_line(&default, &links), "default via 10.10.0.1 dev eth0");
        let mut connected = route("10.10.0.0/16");
        connected.scope = 253;
        connected.source = Some([10, 10, 0, 2].into());
        assert_eq!(
            route_line(&connected, &links),
            "10.10.0.0/16 dev eth0 scope link src 10.10.0.2"
        );
        let mut other = route("10.0.0.0/8");
        other.table = 100;
        other.link = Some(IfIndex(9));
        assert_eq!(route_line(&other, &links), "10.0.0.0/8 dev if9 table 100");
    }
}
