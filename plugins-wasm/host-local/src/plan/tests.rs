use std::collections::BTreeSet;

use wasmcni_sdk::Request;
use wasmcni_sdk::testing::{arguments, request};

use super::*;
use crate::conf::Conf;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn conf(ipam: &str) -> Conf {
    Conf::of(&request(&format!(r#"{{"ipam": {ipam}}}"#))).unwrap()
}

/// A store with these addresses taken.
fn search(conf: &Conf, last: Option<&str>, taken: &mut BTreeSet<IpAddr>) -> Option<String> {
    let gateways = gateways(&conf.sets).collect();
    let mut search = Search::new(&conf.sets[0], gateways, last.map(ip));
    let mut calls = 0;
    while let Some((first, last)) = search.range() {
        calls += 1;
        assert!(calls < 20 && first <= last);
        let mut free = Some(first);
        while let Some(address) = free.filter(|address| taken.contains(address)) {
            free = successor(address).filter(|next| *next <= last);
        }
        if let Some(address) = search.found(free) {
            taken.insert(address);
            return Some(address.to_string());
        }
    }
    None
}

/// Every address that a set gives, in order, until it is exhausted.
fn all(ipam: &str, last: Option<&str>) -> Vec<String> {
    let (conf, mut taken) = (conf(ipam), BTreeSet::new());
    let mut last = last.map(str::to_owned);
    let mut all = Vec::new();
    while let Some(address) = search(&conf, last.as_deref(), &mut taken) {
        last = Some(address.clone());
        all.push(address);
    }
    all
}

#[test]
fn every_address_but_the_gateway_is_given_once() {
    assert_eq!(all(r#"{"subnet": "10.1.2.4/30"}"#, None), ["10.1.2.6"]);
    assert_eq!(all(r#"{"subnet": "10.1.2.0/29"}"#, None).len(), 5);
    assert_eq!(all(r#"{"subnet": "fd00::/126"}"#, None), ["fd00::2", "fd00::3"]);
    let only_gateway = r#"{"subnet": "10.1.2.4/30", "rangeEnd": "10.1.2.5"}"#;
    assert_eq!(all(only_gateway, None), [] as [&str; 0]);
    let outside = r#"{"subnet": "10.1.2.4/30", "gateway": "10.9.9.9"}"#;
    assert_eq!(all(outside, None), ["10.1.2.5", "10.1.2.6"]);
    let last = r#"{"subnet": "255.255.255.252/30", "gateway": "255.255.255.255",
        "rangeEnd": "255.255.255.255"}"#;
    assert_eq!(all(last, None), ["255.255.255.253", "255.255.255.254"]);
    let end = r#"{"subnet": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126"}"#;
    assert_eq!(all(end, None).last().unwrap(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

#[test]
fn the_turn_goes_on_behind_the_last_address_and_wraps() {
    let pool = r#"{"subnet": "10.1.2.0/29", "gateway": "10.1.2.3"}"#;
    assert_eq!(
        all(pool, Some("10.1.2.4")),
        ["10.1.2.5", "10.1.2.6", "10.1.2.1", "10.1.2.2", "10.1.2.4"]
    );
    assert_eq!(all(pool, Some("10.1.2.2"))[..2], ["10.1.2.4", "10.1.2.5"]);
    assert_eq!(all(pool, Some("10.1.2.6"))[..2], ["10.1.2.1", "10.1.2.2"]);
    // Of a range that is no more, or of the other family.
    assert_eq!(all(pool, Some("10.9.9.9"))[0], "10.1.2.1");
    assert_eq!(all(pool, Some("fd00::1"))[0], "10.1.2.1");
}

#[test]
fn the_turn_goes_through_all_pools() {
    let pools = r#"{"ranges": [[
        {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.11"},
        {"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.10", "rangeEnd": "10.2.0.12",
         "gateway": "10.2.0.11"},
        {"subnet": "10.3.0.0/24", "rangeStart": "10.3.0.10", "rangeEnd": "10.3.0.10"}]]}"#;
    assert_eq!(
        all(pools, Some("10.2.0.10")),
        ["10.2.0.12", "10.3.0.10", "10.1.0.10", "10.1.0.11", "10.2.0.10"]
    );
    assert_eq!(all(pools, None)[..3], ["10.1.0.10", "10.1.0.11", "10.2.0.10"]);
    assert_eq!(all(pools, Some("10.3.0.10"))[0], "10.1.0.10");
}

#[test]
fn the_gateway_of_any_pool_is_passed_over() {
    let pools = r#"{"ranges": [[
        {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.11",
         "gateway": "10.1.0.20"},
        {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.20", "rangeEnd": "10.1.0.21"}]]}"#;
    assert_eq!(all(pools, None), ["10.1.0.10", "10.1.0.11", "10.1.0.21"]);
}

#[test]
fn a_surprise_moves_the_search_on() {
    let conf = conf(r#"{"subnet": "10.1.2.0/29"}"#);
    let mut search = Search::new(&conf.sets[0], vec![ip("10.1.2.1")], None);
    assert_eq!(search.found(Some(ip("10.1.2.2"))), Some(ip("10.1.2.2")));
    assert_eq!(search.range(), Some((ip("10.1.2.3"), ip("10.1.2.6"))));
    assert_eq!(search.found(Some(ip("10.1.2.6"))), Some(ip("10.1.2.6")));
    assert_eq!(search.range(), None);
    assert_eq!(search.found(None), None);
}

#[test]
fn requested_addresses_find_their_sets() {
    let wanted = |ips: &str| {
        let text = format!(
            r#"{{"ipam": {{"ranges": [[{{"subnet": "10.1.0.0/24"}}], [{{"subnet": "10.2.0.0/24"}}],
                [{{"subnet": "fd00::/64"}}]]}}, "runtimeConfig": {{"ips": {ips}}}}}"#
        );
        let conf = Conf::of(&request(&text)).unwrap();
        wants(&conf.sets, &conf.requested).map(|wants| {
            let address = |want: &Want<'_>| want.requested.map(|one| one.address.to_string());
            wants.iter().map(address).map(Option::unwrap_or_default).collect::<Vec<_>>()
        })
    };
    assert_eq!(wanted("[]").unwrap(), ["", "", ""]);
    assert_eq!(wanted(r#"["fd00::9", "10.1.0.9/24"]"#).unwrap(), ["10.1.0.9", "", "fd00::9"]);
    for (ips, why) in [
        (r#"["10.3.0.1"]"#, "\"runtimeConfig.ips\": got \"10.3.0.1\": not in any of the ranges"),
        (r#"["10.1.0.255"]"#, "not in any of the ranges"),
        (r#"["10.1.0.1"]"#, "it is a gateway"),
        (r#"["10.1.0.8", "10.1.0.9"]"#, "\"10.1.0.8\" is requested of it too"),
    ] {
        let error = wanted(ips).unwrap_err();
        assert!(error.code == 7 && error.details.ends_with(why), "{error}");
    }
}

#[test]
fn a_request_of_cni_args_is_blamed_on_them() {
    let text = r#"{"ipam": {"subnet": "10.1.0.0/24"}}"#;
    let conf = Conf::of(&Request { arguments: arguments("IP=10.2.0.1"), ..request(text) }).unwrap();
    let error = wants(&conf.sets, &conf.requested).unwrap_err();
    assert_eq!(error.code, 4);
    assert!(error.details.contains("got IP=\"10.2.0.1\": not in any"), "{error}");
}

#[test]
fn a_second_add_is_refused() {
    let conf = conf(r#"{"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]}"#);
    let refuse = |held: &[&str]| {
        refuse_held(&conf.sets, &held.iter().map(|text| ip(text)).collect::<Vec<_>>())
    };
    assert!(refuse(&[]).is_ok());
    assert!(refuse(&["10.2.0.1"]).is_ok(), "of a range that is no more");
    let error = refuse(&["10.2.0.1", "fd00::7"]).unwrap_err();
    assert!(error.code == 111 && error.details.contains("\"fd00::7\""), "{error}");
}

#[test]
fn check_names_the_reservation_that_is_missing() {
    let conf = conf(r#"{"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]]}"#);
    let check = |held: &[&str], result: &[&str]| {
        let held: Vec<_> = held.iter().map(|text| ip(text)).collect();
        let result: Vec<_> = result
            .iter()
            .map(|text| IpConfig {
                interface: Some(2),
                address: text.parse().unwrap(),
                gateway: None,
            })
            .collect();
        check_held(&conf.sets, &held, &result)
    };
    let result = ["10.1.0.2/24", "fd00::2/64", "192.0.2.1/24"];
    assert!(check(&["10.1.0.2", "fd00::2"], &result).is_ok(), "another plugin's may be there");
    assert!(check(&["10.1.0.2"], &[]).is_ok());
    let error = check(&["10.1.0.2"], &result).unwrap_err();
    assert_eq!(error.code, 110);
    assert_eq!(error.details, "looking for the reservation of \"fd00::2\": missing");
    assert!(check(&[], &result).unwrap_err().details.contains("\"10.1.0.2\""));
    assert!(check(&[], &[]).unwrap_err().details.ends_with("there is none"));
}

#[test]
fn exhaustion_tells_the_range() {
    let conf = conf(r#"{"subnet": "10.1.2.0/29"}"#);
    let error = exhausted(&conf.sets[0]);
    assert_eq!(error.code, 50);
    assert!(error.details.contains("(\"10.1.2.1\" to \"10.1.2.6\")"), "{error}");
}

#[test]
fn an_address_has_its_pools_prefix_and_gateway() {
    let conf = conf(r#"{"subnet": "10.1.2.0/29"}"#);
    let found = ip_config(&conf.sets[0], ip("10.1.2.5")).unwrap();
    assert_eq!(found.address.to_string(), "10.1.2.5/29");
    assert_eq!((found.interface, found.gateway), (None, Some(ip("10.1.2.1"))));
}
