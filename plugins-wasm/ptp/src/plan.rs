//! What is to be made of what IPAM gave. Nothing here touches the kernel.
//!
//! The wish is a link with two ends and no network behind it. But veth knows no IFF_POINTOPOINT, and
//! an address without its network, 10.1.1.5/32, would leave the gateway 10.1.1.1 out of reach. So the
//! container gets 10.1.1.5/24, and of the network that the kernel then takes to be on the link only
//! the gateway stays there:
//!
//! ```text
//! in the container: 10.1.1.0/24 dev eth0                      deleted, the kernel's
//!                   10.1.1.1/32 dev eth0 src 10.1.1.5
//!                   10.1.1.0/24 via 10.1.1.1 src 10.1.1.5     by way of the node, then
//! on the node:      10.1.1.1/32 on veth…                      one for each attachment
//!                   10.1.1.5/32 dev veth…
//! ```

use std::net::IpAddr;

use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{RouteSpec, VethSpec, host_prefix};
use wasmcni_sdk::{CniResult, Error, Interface, Route, code};

use crate::conf::Conf;

/// Place of the container's interface in the result, after the host's end.
pub(crate) const CONTAINER: u32 = 1;

/// RT_SCOPE_HOST (rtnetlink(7)): what the reference plugin gives the node's routes.
const SCOPE_HOST: u8 = 254;

/// The addresses and routes of a link, besides those of the result.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Networks that the container is not to reach directly.
    pub(crate) networks: Vec<IpNet>,
    /// The container's ways to its gateways, and by them to its networks.
    pub(crate) container_routes: Vec<RouteSpec>,
    /// The gateways' addresses, of the host's end.
    pub(crate) gateways: Vec<IpNet>,
    /// The node's ways to the container.
    pub(crate) host_routes: Vec<RouteSpec>,
}

impl Plan {
    /// Whether there is an IPv6 address.
    pub(crate) fn ipv6(&self) -> bool {
        self.gateways.iter().any(|gateway| gateway.addr().is_ipv6())
    }
}

/// The setting of whether a link looks for duplicates of its own addresses, the link-local one too.
pub(crate) fn accept_dad(link: &str) -> String {
    format!("net/ipv6/conf/{link}/accept_dad")
}

/// The veth pair, seen from the container.
pub(crate) fn veth(conf: &Conf, ifname: &str) -> VethSpec {
    VethSpec { name: ifname.to_owned(), mtu: conf.mtu, mac: None, peer_name: None }
}

/// The whole result: IPAM's addresses on the container's interface.
pub(crate) fn result(conf: &Conf, ifname: &str, ipam: CniResult) -> CniResult {
    let interfaces = vec![Interface::host("", None), Interface::container(ifname, None)];
    let mut result = CniResult { interfaces, ..ipam };
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER);
    }
    result.dns = conf.dns.clone().over(result.dns);
    result
}

/// What the addresses of the result's interface `index` need. Addresses may share a network or a
/// gateway.
///
/// # Errors
/// Code 7 when an address has no gateway.
pub(crate) fn of(result: &CniResult, index: u32) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    for ip in result.ips_of(Some(index)) {
        let address = ip.address.addr();
        let gateway = ip.gateway.filter(|g| g.is_ipv6() == address.is_ipv6()).ok_or_else(|| {
            let why = format!("routing {}: ipam gave no gateway of its family", ip.address);
            Error::new(code::CONFIGURATION, why)
        })?;
        let (way, network) = (host_prefix(gateway), ip.address.trunc());
        if !plan.gateways.contains(&way) {
            plan.gateways.push(way);
            plan.container_routes.push(route(way, None, Some(address)));
        }
        // The kernel takes no network to be on the link for an address alone.
        let alone = network.prefix_len() == network.max_prefix_len();
        if !alone && !plan.networks.contains(&network) {
            plan.networks.push(network);
            plan.container_routes.push(route(network, Some(gateway), Some(address)));
        }
        let scope = address.is_ipv4().then_some(SCOPE_HOST);
        plan.host_routes.push(RouteSpec { scope, ..route(host_prefix(address), None, None) });
    }
    Ok(plan)
}

/// The result with the routes by a gateway that is not the node, but on the link as long as the networks
/// are (`10.9.0.0/16 via 10.1.1.7`), and the result with all others.
pub(crate) fn by_other_gateways(plan: &Plan, result: &CniResult) -> (CniResult, CniResult) {
    let is_one = |route: &Route| {
        let other = |g: &IpAddr| !plan.gateways.iter().any(|gateway| gateway.addr() == *g);
        let on_link = |g: &IpAddr| plan.networks.iter().any(|network| network.contains(g));
        route.gateway.is_some_and(|g| other(&g) && on_link(&g))
            && !plan.networks.contains(&route.destination.trunc())
    };
    let (others, rest) = result.routes.iter().cloned().partition(is_one);
    (CniResult { routes: others, ..result.clone() }, CniResult { routes: rest, ..result.clone() })
}

fn route(destination: IpNet, gateway: Option<IpAddr>, source: Option<IpAddr>) -> RouteSpec {
    let spec = RouteSpec::from(&Route::new(destination, gateway));
    RouteSpec { source: source.map(Into::into), ..spec }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;
    use wasmcni_sdk::{Dns, IpConfig};

    fn given(ips: &[(&str, &str)]) -> CniResult {
        let ip = |(address, gateway): &(&str, &str)| IpConfig {
            interface: None,
            address: address.parse().unwrap(),
            gateway: gateway.parse().ok(),
        };
        CniResult { ips: ips.iter().map(ip).collect(), ..CniResult::default() }
    }

    fn text(routes: &[RouteSpec]) -> Vec<String> {
        let address = |a: Option<_>| a.map(|a| IpAddr::from(a).to_string()).unwrap_or_default();
        let text = |r: &RouteSpec| {
            let destination = IpNet::try_from(r.destination).unwrap();
            let scope = r.scope.map(|s| s.to_string()).unwrap_or_default();
            format!("{destination} {} {} {scope}", address(r.gateway), address(r.source))
        };
        routes.iter().map(text).collect()
    }

    fn planned(ips: &[(&str, &str)]) -> Plan {
        of(&given(ips), CONTAINER).unwrap()
    }

    fn nets(nets: &[IpNet]) -> Vec<String> {
        nets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_node_is_between_the_container_and_its_network() {
        let plan = planned(&[("10.1.1.5/24", "10.1.1.1"), ("fd00::5/64", "fd00::1")]);
        assert_eq!(nets(&plan.networks), ["10.1.1.0/24", "fd00::/64"]);
        assert_eq!(nets(&plan.gateways), ["10.1.1.1/32", "fd00::1/128"]);
        assert_eq!(
            text(&plan.container_routes),
            [
                "10.1.1.1/32  10.1.1.5 ",
                "10.1.1.0/24 10.1.1.1 10.1.1.5 ",
                "fd00::1/128  fd00::5 ",
                "fd00::/64 fd00::1 fd00::5 ",
            ]
        );
        assert_eq!(text(&plan.host_routes), ["10.1.1.5/32   254", "fd00::5/128   "]);
        assert!(plan.ipv6() && !planned(&[("10.1.1.5/24", "10.1.1.1")]).ipv6());
    }

    #[test]
    fn addresses_may_share_a_network_and_a_gateway() {
        let plan = planned(&[("10.1.1.5/24", "10.1.1.1"), ("10.1.1.6/24", "10.1.1.1")]);
        assert_eq!((plan.networks.len(), plan.gateways.len()), (1, 1));
        assert_eq!((plan.container_routes.len(), plan.host_routes.len()), (2, 2));
        let plan = planned(&[("10.1.1.5/24", "10.1.1.1"), ("10.1.2.5/24", "10.1.1.1")]);
        assert_eq!((plan.networks.len(), plan.gateways.len()), (2, 1));
    }

    #[test]
    fn an_address_alone_has_no_network() {
        let plan = planned(&[("10.1.1.5/32", "10.1.1.1")]);
        assert!(plan.networks.is_empty());
        assert_eq!(text(&plan.container_routes), ["10.1.1.1/32  10.1.1.5 "]);
    }

    #[test]
    fn a_route_may_go_by_another_gateway_of_the_network() {
        let routes = [
            ("10.9.0.0/16", "10.1.1.7"),
            ("0.0.0.0/0", "10.1.1.1"),
            ("10.8.0.0/16", ""),
            ("10.7.0.0/16", "192.0.2.1"),
            ("10.1.1.0/24", "10.1.1.7"),
        ];
        let route = |(to, by): (&str, &str)| Route::new(to.parse().unwrap(), by.parse().ok());
        let routes = routes.map(route).to_vec();
        let result = CniResult { routes, ..given(&[("10.1.1.5/24", "10.1.1.1")]) };
        let (others, rest) = by_other_gateways(&of(&result, CONTAINER).unwrap(), &result);
        assert_eq!((&*others.routes, &*rest.routes), result.routes.split_at(1));
    }

    #[test]
    fn a_gateway_is_needed() {
        for gateway in ["", "fd00::1"] {
            let error = of(&given(&[("10.1.1.5/24", gateway)]), CONTAINER).unwrap_err();
            assert_eq!(error.code, 7);
            assert!(error.details.contains("10.1.1.5/24"), "{}", error.details);
        }
    }

    #[test]
    fn the_result_tells_of_both_ends() {
        let conf = |text| request(text).configuration().and_then(Conf::read).unwrap();
        let dns = |server: &str| Dns { nameservers: vec![server.to_owned()], ..Dns::default() };
        let ipam = || CniResult { dns: dns("9.9.9.9"), ..given(&[("10.1.1.5/24", "10.1.1.1")]) };
        let own = conf(r#"{"ipam": {"type": "x"}, "dns": {"nameservers": ["10.1.1.1"]}}"#);
        let result = result(&own, "eth0", ipam());
        assert_eq!(result.ips[0].interface, Some(1));
        assert_eq!(result.container_interface("eth0").unwrap().0, 1);
        assert_eq!(result.dns, dns("10.1.1.1"));
        let none = conf(r#"{"ipam": {"type": "x"}}"#);
        assert_eq!(super::result(&none, "eth0", ipam()).dns, dns("9.9.9.9"));
    }

    #[test]
    fn the_link_is_as_the_configuration_says() {
        let raw = request(r#"{"ipam": {"type": "x"}, "mtu": 1400}"#).configuration();
        let spec = veth(&raw.and_then(Conf::read).unwrap(), "eth0");
        assert_eq!((spec.name.as_str(), spec.mtu), ("eth0", Some(1400)));
    }
}
