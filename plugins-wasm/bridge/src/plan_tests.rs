//! What is made of a configuration and of what IPAM gave.

use wasmcni_sdk::net::Switch;
use wasmcni_sdk::testing::request;
use wasmcni_sdk::{Dns, IpConfig};

use super::*;

fn conf(keys: &str) -> Conf {
    Conf::of(&request(&format!(r#"{{"ipam": {{"type": "x"}}, {keys}}}"#))).unwrap()
}

fn ip(address: &str, gateway: &str) -> IpConfig {
    IpConfig { interface: None, address: net(address), gateway: gateway.parse().ok() }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ipam(ips: &[(&str, &str)], routes: &[(&str, &str)]) -> CniResult {
    CniResult {
        ips: ips.iter().map(|(a, g)| ip(a, g)).collect(),
        routes: routes.iter().map(|(d, g)| Route::new(net(d), g.parse().ok())).collect(),
        ..CniResult::default()
    }
}

/// Destinations and gateways.
fn routes(result: &CniResult) -> Vec<(String, String)> {
    let text = |gateway: Option<IpAddr>| gateway.map(|g| g.to_string()).unwrap_or_default();
    result.routes.iter().map(|r| (r.destination.to_string(), text(r.gateway))).collect()
}

fn of(destination: &str, gateway: &str) -> (String, String) {
    (destination.to_owned(), gateway.to_owned())
}

#[test]
fn links_are_as_the_configuration_says() {
    let conf = conf(
        r#""bridge": "br7", "mtu": 1400, "vlan": 3, "args": {"cni": {"mac": "02:00:00:00:00:01"}}"#,
    );
    let spec = bridge(&conf);
    assert_eq!(
        (spec.name.as_str(), spec.mtu, spec.vlan_filtering),
        ("br7", Some(1400), Switch::On)
    );
    let spec = veth(&conf, "eth0");
    assert_eq!((spec.name.as_str(), spec.mtu, spec.peer_name), ("eth0", Some(1400), None));
    assert_eq!(spec.mac, Some((2, 0, 0, 0, 0, 1)));
}

#[test]
fn duplicate_addresses_are_looked_for_only_if_wanted() {
    let off = conf(r#""enabledad": false"#);
    assert_eq!(detection(&off), Detection::None);
    let keys = |conf| {
        let all = sysctls(conf, "eth0");
        all.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(keys(&off), ["net/ipv6/conf/eth0/accept_dad=0", "net/ipv4/conf/eth0/arp_notify=1"]);
    let on = conf(r#""enabledad": true"#);
    assert_eq!(detection(&on), Detection::AsConfigured);
    assert_eq!(
        keys(&on),
        [
            "net/ipv6/conf/eth0/enhanced_dad=1",
            "net/ipv6/conf/eth0/accept_dad=1",
            "net/ipv4/conf/eth0/arp_notify=1"
        ]
    );
}

#[test]
fn addresses_are_the_containers() {
    let interfaces = vec![Interface::host("cni0", None)];
    let given = ipam(&[("10.1.0.5/16", ""), ("fd00::5/64", "fd00::1")], &[("1.1.1.1/32", "")]);
    let result = result(&conf(r#""mtu": 0"#), interfaces.clone(), given).unwrap();
    assert_eq!(result.interfaces, interfaces);
    assert!(result.ips.iter().all(|ip| ip.interface == Some(2)));
    assert_eq!(result.ips[0].gateway, None, "the bridge is no gateway");
    assert_eq!(routes(&result), [of("1.1.1.1/32", "")]);
}

#[test]
fn a_gateway_is_the_first_address_where_ipam_gives_none() {
    let conf = conf(r#""isGateway": true"#);
    let given =
        ipam(&[("10.1.200.5/16", ""), ("fd00::5/64", ""), ("10.2.0.5/24", "10.2.0.254")], &[]);
    let result = result(&conf, vec![], given).unwrap();
    let gateways: Vec<String> = gateways(&result).iter().map(ToString::to_string).collect();
    assert_eq!(gateways, ["10.1.0.1/16", "fd00::1/64", "10.2.0.254/24"]);
    assert!(result.routes.is_empty());
}

#[test]
fn an_address_alone_has_no_gateway() {
    for address in ["10.1.2.3/32", "fd00::1/128", "255.255.255.255/32"] {
        let given = ipam(&[(address, "")], &[]);
        let error = result(&conf(r#""isGateway": true"#), vec![], given).unwrap_err();
        assert_eq!(error.code, 7);
        assert!(error.details.contains(address), "{}", error.details);
    }
    let given = ipam(&[("10.1.2.3/31", "")], &[]);
    let result = result(&conf(r#""isGateway": true"#), vec![], given).unwrap();
    assert_eq!(result.ips[0].gateway, "10.1.2.3".parse().ok(), "as the reference plugin has it");
}

#[test]
fn one_gateway_is_added_once() {
    let given = ipam(&[("10.1.0.5/16", "10.1.0.1"), ("10.1.0.6/16", "10.1.0.1")], &[]);
    let result = result(&conf(r#""isGateway": true"#), vec![], given).unwrap();
    assert_eq!(gateways(&result), [net("10.1.0.1/16")]);
}

#[test]
fn a_default_gateway_gives_each_family_a_default_route() {
    let conf = conf(r#""isDefaultGateway": true"#);
    let default = |ips, given| routes(&result(&conf, vec![], ipam(ips, given)).unwrap());
    assert_eq!(default(&[("10.1.0.5/16", "")], &[]), [of("0.0.0.0/0", "10.1.0.1")]);
    assert_eq!(default(&[("fd00::5/64", "fd00::9")], &[]), [of("::/0", "fd00::9")]);
    assert_eq!(
        default(&[("fd00::5/64", ""), ("10.1.0.5/16", ""), ("10.2.0.5/16", "")], &[]),
        [of("0.0.0.0/0", "10.1.0.1"), of("::/0", "fd00::1")]
    );
}

#[test]
fn a_default_route_with_a_gateway_stands() {
    let conf = conf(r#""isDefaultGateway": true"#);
    let default =
        |given| routes(&result(&conf, vec![], ipam(&[("10.1.0.5/16", "")], given)).unwrap());
    assert_eq!(default(&[("0.0.0.0/0", "10.1.0.9")]), [of("0.0.0.0/0", "10.1.0.9")]);
    assert_eq!(
        default(&[("0.0.0.0/0", "")]),
        [of("0.0.0.0/0", ""), of("0.0.0.0/0", "10.1.0.1")],
        "one without does not count"
    );
    assert_eq!(default(&[("0.0.0.0/1", "10.1.0.9")]).len(), 2);
}

#[test]
fn the_configurations_dns_wins() {
    let dns = |server: &str| Dns { nameservers: vec![server.to_owned()], ..Dns::default() };
    let given = || CniResult { dns: dns("9.9.9.9"), ..ipam(&[("10.1.0.5/16", "")], &[]) };
    let own = conf(r#""dns": {"nameservers": ["8.8.8.8"]}"#);
    assert_eq!(result(&own, vec![], given()).unwrap().dns, dns("8.8.8.8"));
    assert_eq!(result(&conf(r#""dns": {}"#), vec![], given()).unwrap().dns, dns("9.9.9.9"));
}

#[test]
fn a_link_has_one_ipv4_gateway_address() {
    let wanted = net("10.1.0.1/16");
    let placed = |seen: &[&str], force| {
        let seen: Vec<IpNet> = seen.iter().map(|s| net(s)).collect();
        place("cni0", &seen, wanted, force)
    };
    let add =
        |other: &[&str]| Placement::Add { instead_of: other.iter().map(|s| net(s)).collect() };
    assert_eq!(placed(&[], false).unwrap(), add(&[]));
    assert_eq!(placed(&["10.1.0.1/16"], false).unwrap(), Placement::There);
    assert_eq!(placed(&["fe80::1/64", "fd00::1/64"], false).unwrap(), add(&[]), "other family");
    for other in ["10.2.0.1/16", "10.1.0.1/24", "10.1.0.2/16"] {
        let error = placed(&["fe80::1/64", other], false).unwrap_err();
        assert_eq!(error.code, 7);
        assert!(error.details.contains(other), "{}", error.details);
        assert_eq!(placed(&["fe80::1/64", other], true).unwrap(), add(&[other]));
    }
}

#[test]
fn ipv6_gateway_addresses_do_not_overlap() {
    let placed = |seen: &str, force| place("cni0", &[net(seen)], net("fd00:1::1/64"), force);
    let add =
        |other: &[&str]| Placement::Add { instead_of: other.iter().map(|s| net(s)).collect() };
    assert_eq!(placed("fd00:2::1/64", false).unwrap(), add(&[]));
    assert_eq!(placed("fe80::1/64", false).unwrap(), add(&[]));
    for other in ["fd00:1::2/64", "fd00:1::1/80", "fd00::1/16"] {
        assert!(placed(other, false).is_err(), "{other}");
        assert_eq!(placed(other, true).unwrap(), add(&[other]));
    }
}

#[test]
fn vlans_are_found_one_by_one() {
    let tagged = |first, last| VlanRange { first, last, tagging: Tagging::empty() };
    let untagged = crate::conf::untagged(5);
    let seen = [untagged, tagged(10, 10), tagged(11, 11), tagged(12, 12)];
    assert_eq!(missing_vlan(&[untagged, tagged(10, 12)], &seen), None);
    assert_eq!(missing_vlan(&[tagged(10, 13)], &seen), Some(13));
    assert_eq!(missing_vlan(&[tagged(5, 5)], &seen), Some(5), "tagged otherwise");
}
