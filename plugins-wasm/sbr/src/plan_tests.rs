//! Rules and routes of every case.

use super::*;
use wasmcni_sdk::Interface;

fn ip(interface: u32, address: &str, gateway: &str) -> IpConfig {
    IpConfig {
        interface: Some(interface),
        address: address.parse().unwrap(),
        gateway: gateway.parse().ok(),
    }
}

fn dual() -> [IpConfig; 2] {
    [ip(1, "10.1.0.2/24", "10.1.0.1"), ip(1, "fd01::2/64", "fd01::1")]
}

fn route(destination: &str, gateway: &str, link: u32, table: u32) -> RouteInfo {
    let destination: IpNet = destination.parse().unwrap();
    RouteInfo {
        destination: destination.into(),
        gateway: gateway.parse().ok().map(|ip: IpAddr| ip.into()),
        link: Some(link),
        source: None,
        scope: if gateway.is_empty() { 253 } else { 0 },
        table,
        priority: 7,
        mtu: Some(1400),
        advmss: None,
        by_kernel: false,
    }
}

fn words(routes: &[RouteSpec]) -> Vec<String> {
    let words = |route: &RouteSpec| {
        let mut words = IpNet::try_from(route.destination).unwrap().to_string();
        for (word, ip) in [("via", route.gateway), ("src", route.source)] {
            if let Some(ip) = ip {
                words += &format!(" {word} {}", IpAddr::from(ip));
            }
        }
        words + &format!(" table {}", route.table.unwrap())
    };
    routes.iter().map(words).collect()
}

fn tables(routes: &[RouteInfo], gateways: &[&str]) -> [Vec<String>; 2] {
    let dual = dual();
    let gateways: Vec<IpAddr> = gateways.iter().map(|g| g.parse().unwrap()).collect();
    [(0, 100), (1, 101)].map(|(n, table)| {
        let moving = moving(routes, 2);
        let ips = dual.each_ref();
        words(&table_of(&dual[n], &ips, &moving, &gateways, table).unwrap())
    })
}

fn left(routes: &[RouteInfo], hints: bool) -> [Vec<String>; 2] {
    let (deleted, added) = leaving(&moving(routes, 2), &dual().each_ref(), hints);
    [words(&deleted), words(&added)]
}

#[test]
fn addresses_are_the_interfaces() {
    let mut result = CniResult {
        interfaces: vec![Interface::host("eth0", None), Interface::container("eth0", None)],
        ips: vec![ip(0, "10.9.0.1/24", ""), ip(1, "10.1.0.2/24", "")],
        ..CniResult::default()
    };
    result.ips.push(IpConfig { interface: None, ..ip(0, "10.2.0.2/24", "") });
    let sources: Vec<_> = addresses(&result, "eth0")
        .unwrap()
        .into_iter()
        .map(|ip| IpNet::try_from(rule(ip, 100).source).unwrap())
        .collect();
    assert_eq!(sources, ["10.1.0.2/32", "10.2.0.2/32"].map(|net| net.parse().unwrap()));
    result.ips.truncate(1);
    assert_eq!(addresses(&result, "eth0").unwrap_err().code, 7);
    assert_eq!(addresses(&CniResult::default(), "eth0").unwrap_err().code, 7);
}

#[test]
fn a_table_is_free_that_nothing_is_about() {
    let rule = |table| RuleInfo { source: anywhere(false).into(), table, only_source: false };
    assert_eq!(free_tables(&[], &[], 2), [100, 101]);
    let routes = [route("10.0.0.0/8", "", 9, 101)];
    assert_eq!(free_tables(&[rule(100), rule(102)], &routes, 1), [103]);
    let many: Vec<_> = (100..252).map(rule).collect();
    assert_eq!(free_tables(&many, &[], 2), [252, 256]);
}

const ROUTES: [(&str, &str, u32, u32); 6] = [
    ("10.9.0.0/16", "10.1.0.9", 2, MAIN),
    ("10.1.0.0/24", "", 2, MAIN),
    ("fd01::/64", "", 2, MAIN),
    ("fe80::/64", "", 2, MAIN),
    ("10.8.0.0/16", "", 2, 77),
    ("10.7.0.0/16", "", 3, MAIN),
];

#[test]
fn each_address_has_a_table_with_what_is_about_it() {
    let routes = ROUTES.map(|(to, via, link, table)| route(to, via, link, table));
    let [v4, v6] = tables(&routes, &[]);
    let expected = ["10.1.0.0/24", "10.9.0.0/16 via 10.1.0.9", "0.0.0.0/0 via 10.1.0.1"];
    assert_eq!(v4, expected.map(|r| format!("{r} table 100")));
    assert_eq!(v6, ["fd01::/64", "::/0 via fd01::1"].map(|r| format!("{r} table 101")));
    let back = ["10.9.0.0/16 via 10.1.0.9", "fd01::/64", "10.1.0.0/24"];
    assert_eq!(left(&routes, false), [back.map(|r| format!("{r} table 254")).to_vec(), vec![]]);
    let whole = spec(&routes[1], 100);
    assert_eq!((whole.priority, whole.mtu, whole.scope), (Some(7), Some(1400), Some(253)));
}

#[test]
fn addresses_of_one_family_keep_their_routes_apart() {
    let ips = [ip(1, "10.1.0.2/24", "10.1.0.1"), ip(1, "10.2.0.2/24", "10.2.0.1")];
    let source = |ip: &str| Some(ip.parse::<IpAddr>().unwrap().into());
    let routes = [
        RouteInfo { source: source("10.1.0.2"), ..route("10.1.0.0/24", "", 2, MAIN) },
        RouteInfo { source: source("10.2.0.2"), ..route("10.2.0.0/24", "", 2, MAIN) },
        route("0.0.0.0/0", "10.2.0.9", 2, MAIN),
        route("10.6.0.0/16", "", 2, MAIN),
    ];
    let of = |n: usize| {
        let added = table_of(&ips[n], &ips.each_ref(), &moving(&routes, 2), &[], 100);
        words(&added.unwrap()).iter().map(|w| w.replace(" table 100", "")).collect::<Vec<_>>()
    };
    let first = ["10.1.0.0/24 src 10.1.0.2", "10.6.0.0/16", "0.0.0.0/0 via 10.1.0.1"];
    assert_eq!(of(0), first);
    let second = ["10.2.0.0/24 src 10.2.0.2", "10.6.0.0/16", "0.0.0.0/0 via 10.2.0.9"];
    assert_eq!(of(1), second);
}

#[test]
fn a_default_route_that_is_there_moves_unless_another_gateway_is_given() {
    let routes = [
        route("0.0.0.0/0", "10.1.0.5", 2, MAIN),
        route("10.1.0.0/24", "", 2, MAIN),
        route("::/0", "fd01::5", 2, MAIN),
    ];
    let defaults = |gateways: &[&str]| {
        let mut words = tables(&routes, gateways).concat();
        words.retain(|words| words.contains("/0 "));
        words
    };
    let of = |v4: &str, v6: &str| {
        [format!("0.0.0.0/0 via {v4} table 100"), format!("::/0 via {v6} table 101")]
    };
    assert_eq!(defaults(&[]), of("10.1.0.5", "fd01::5"));
    assert_eq!(defaults(&["10.1.0.6"]), of("10.1.0.6", "fd01::5"));
    assert_eq!(defaults(&["fd01::6", "10.1.0.6"]), of("10.1.0.6", "fd01::6"));
    assert_eq!(left(&routes, false)[0].len(), 3);
}

#[test]
fn networks_stay_with_a_hint() {
    let with_source = RouteInfo {
        source: Some("10.1.0.2".parse::<IpAddr>().unwrap().into()),
        ..route("10.1.0.0/24", "", 2, MAIN)
    };
    let routes = [
        with_source,
        route("fd01::/64", "", 2, MAIN),
        route("10.9.0.0/16", "10.1.0.9", 2, MAIN),
        route("10.6.0.0/16", "", 2, MAIN),
    ];
    let [deleted, added] = left(&routes, true);
    assert_eq!(added, ["fd01::/64 src fd01::2 table 254"]);
    let gone = ["10.9.0.0/16 via 10.1.0.9", "10.6.0.0/16", "fd01::/64"];
    assert_eq!(deleted, gone.map(|r| format!("{r} table 254")));
    assert_eq!(tables(&routes, &[]).concat().len(), 6);
}

#[test]
fn without_gateways_there_is_no_default_route() {
    let alone = ip(1, "10.1.0.2/24", "");
    assert_eq!(table_of(&alone, &[&alone], &[], &[], 100).unwrap(), []);
}
