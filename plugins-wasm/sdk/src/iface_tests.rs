//! Which routes and addresses count as the result's.

use super::*;

fn ip(interface: Option<u32>, address: &str, gateway: &str) -> IpConfig {
    IpConfig { interface, address: address.parse().unwrap(), gateway: gateway.parse().ok() }
}

fn seen(destination: &str, gateway: &str, link: u32) -> RouteInfo {
    RouteInfo {
        destination: destination.parse::<IpNet>().unwrap().into(),
        gateway: gateway.parse::<IpAddr>().ok().map(Into::into),
        link: Some(link),
        source: None,
        scope: 0,
        table: 254,
        priority: 0,
        mtu: None,
        advmss: None,
        by_kernel: false,
    }
}

fn route(destination: &str, gateway: &str) -> Route {
    Route::new(destination.parse().unwrap(), gateway.parse().ok())
}

#[test]
fn an_address_of_another_interface_is_an_error() {
    let mut result = CniResult {
        ips: vec![ip(None, "10.0.0.9/24", ""), ip(Some(2), "10.0.0.2/24", "")],
        ..CniResult::default()
    };
    assert_eq!(ours(&result, 2, "eth0").unwrap().len(), 1, "of no interface: passed over");
    result.ips.push(ip(Some(1), "10.0.0.3/24", ""));
    assert!(ours(&result, 2, "eth0").unwrap_err().details.contains("10.0.0.3/24"));
}

#[test]
fn routes_take_the_first_gateway_of_their_family() {
    let result = CniResult {
        ips: vec![
            ip(Some(0), "10.0.0.2/24", "10.0.0.1"),
            ip(Some(0), "10.0.1.2/24", "10.0.1.1"),
            ip(Some(0), "fd00::2/64", "fd00::1"),
        ],
        ..CniResult::default()
    };
    let by = |destination, gateway| way(&result, 0, &route(destination, gateway));
    assert_eq!(by("0.0.0.0/0", ""), "10.0.0.1".parse().ok());
    assert_eq!(by("::/0", ""), "fd00::1".parse().ok());
    assert_eq!(by("1.1.1.1/32", "10.0.1.1"), "10.0.1.1".parse().ok());
    assert_eq!(way(&CniResult::default(), 0, &route("::/0", "")), None);
}

#[test]
fn routes_are_found() {
    let routes = [
        seen("10.0.0.0/24", "", 7),
        seen("0.0.0.0/0", "10.0.0.1", 7),
        seen("fd00::/64", "fd00::9", 7),
    ];
    let has = |wanted: &Route| has_route(&routes, wanted, Some(7));
    assert!(has(&route("10.0.0.0/24", "")));
    assert!(has(&route("0.0.0.0/0", "10.0.0.99")), "a default route by another gateway");
    assert!(has(&route("fd00::1/64", "")), "host bits");
    assert!(!has(&route("fd00::/64", "fd00::1")), "another gateway");
    assert!(!has(&route("10.0.0.0/25", "")));
    assert!(!has_route(&routes, &route("10.0.0.0/24", ""), Some(8)), "another link");
    assert!(has_route(&routes, &route("10.0.0.0/24", ""), None));
    assert!(!has(&Route { table: Some(100), ..route("10.0.0.0/24", "") }));
    assert!(!has(&Route { priority: Some(5), ..route("10.0.0.0/24", "") }));
}

#[test]
fn a_links_kind_and_mac_are_compared() {
    let info = LinkInfo {
        index: 3,
        name: "eth0".to_owned(),
        kind: "veth".to_owned(),
        mac: Some((2, 0, 0, 0, 0, 1)),
        mtu: 1500,
        admin: Switch::On,
        carrier: Switch::On,
        promisc: Switch::Off,
        all_multicast: Switch::Off,
        tx_queue_length: 1000,
        vrf_table: None,
        master: None,
        parent: None,
        vlan_filtering: Switch::Off,
        port: None,
        alias: None,
        mode: None,
        vlan_id: None,
    };
    let entry = |mac| Interface { mac: String::from(mac), ..Interface::default() };
    assert!(check_info(&info, "veth", &entry("02:00:00:00:00:01")).is_ok());
    assert!(check_info(&info, "veth", &entry("")).is_ok(), "unknown");
    let error = check_info(&info, "veth", &entry("02:00:00:00:00:02")).unwrap_err();
    assert_eq!(error.code, 110);
    assert!(error.details.contains("02:00:00:00:00:01"), "{}", error.details);
    assert!(check_info(&info, "bridge", &entry("")).is_err());
    assert!(check_up(&info).is_ok());
    assert!(check_up(&LinkInfo { admin: Switch::Off, ..info }).is_err());
}
