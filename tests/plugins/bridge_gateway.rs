//! `isGateway`, `isDefaultGateway`, `forceAddress`.

use std::fs;

use serde_json::{Value, json};

use super::{bridge, failed, on_node};
use crate::harness::netns::{addresses, ip, ip_json, reaches, sysctl};
use crate::harness::node::{Container, on_a_node};

const V4: &str = "10.77.0.0/24";
const V6: &str = "fd77::/64";
const FORWARDING: [&str; 2] = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];

fn of(ranges: &[&str]) -> Value {
    let ranges: Vec<Value> = ranges.iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
    json!({ "type": "host-local", "ranges": ranges })
}

/// A bridge that nobody uses goes, and what it brought with it.
fn forget() {
    ip(&["link", "delete", "br0"]);
    for key in FORWARDING {
        fs::write(format!("/proc/sys/{key}"), "0").unwrap();
    }
}

/// The gateway's address is the bridge's, and the node forwards the families that there are.
#[test]
fn the_bridge_is_the_gateway_of_each_family() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (ranges, gateways, forwards) in [
            (&[V4][..], &["10.77.0.1/24"][..], ["1", "0"]),
            (&[V6], &["fd77::1/64"], ["0", "1"]),
            (&[V4, V6], &["10.77.0.1/24", "fd77::1/64"], ["1", "1"]),
        ] {
            let conf = bridge(json!({ "isGateway": true, "ipam": of(ranges) }));
            let result = node.add(&conf, &container);
            assert_eq!(addresses(&on_node("br0")), gateways);
            assert_eq!(FORWARDING.map(sysctl), forwards);
            assert!(!container.routes().iter().any(|route| route.starts_with("default")));
            assert!(result["routes"].is_null(), "{result}");
            for gateway in gateways {
                assert!(container.netns.reaches(gateway.split('/').next().unwrap()), "{gateway}");
            }
            node.del(&conf, &container);
            // The bridge stays what it is: others may be on it.
            assert_eq!(addresses(&on_node("br0")), gateways);
            forget();
        }
    });
}

/// The gateway is IPAM's, or else the first address of the network.
#[test]
fn the_gateways_address_is_ipams() {
    on_a_node(|node| {
        let container = Container::new("c");
        let mut ipam = of(&[V4]);
        ipam["ranges"][0][0]["gateway"] = "10.77.0.254".into();
        for (ipam, gateway) in [
            (ipam, "10.77.0.254/24"),
            (
                json!({ "type": "static", "addresses": [{ "address": "10.77.0.99/24" }] }),
                "10.77.0.1/24",
            ),
            (
                json!({ "type": "static", "addresses": [{ "address": "10.77.9.99/16" }] }),
                "10.77.0.1/16",
            ),
            (
                json!({ "type": "static", "addresses": [{ "address": "fd77::99/64" }] }),
                "fd77::1/64",
            ),
        ] {
            let conf = bridge(json!({ "isGateway": true, "ipam": ipam }));
            let result = node.add(&conf, &container);
            assert_eq!(addresses(&on_node("br0")), [gateway]);
            let told = result["ips"][0]["gateway"].as_str().unwrap();
            assert_eq!(gateway.split('/').next(), Some(told));
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
            forget();
        }
    });
}

/// `isDefaultGateway` is `isGateway`, and a default route for each family.
#[test]
fn the_default_route_is_by_the_bridge() {
    on_a_node(|node| {
        let container = Container::new("c");
        let conf = bridge(json!({ "isDefaultGateway": true }));
        let result = node.add(&conf, &container);
        assert_eq!(
            result["routes"],
            json!([{ "dst": "0.0.0.0/0", "gw": "10.77.0.1" }, { "dst": "::/0", "gw": "fd77::1" }])
        );
        let defaults: Vec<_> =
            container.routes().into_iter().filter(|route| route.starts_with("default")).collect();
        assert_eq!(
            defaults,
            [
                "default via 10.77.0.1 dev eth0",
                "default via fd77::1 dev eth0 metric 1024 pref medium"
            ]
        );
        // To an address of the node that is not the bridge's.
        ip(&["addr", "add", "192.0.2.1/32", "dev", "lo"]);
        assert!(container.netns.reaches("192.0.2.1"));
        node.del(&conf, &container);
    });
}

/// Unless IPAM has one by a gateway of its own.
#[test]
fn a_default_route_of_ipam_counts() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (routes, expected) in [
            (
                json!([{ "dst": "0.0.0.0/0", "gw": "10.77.0.9" }]),
                json!([{ "dst": "0.0.0.0/0", "gw": "10.77.0.9" }]),
            ),
            // One without a gateway is by the gateway anyway, and told twice.
            (
                json!([{ "dst": "0.0.0.0/0" }]),
                json!([{ "dst": "0.0.0.0/0" }, { "dst": "0.0.0.0/0", "gw": "10.77.0.1" }]),
            ),
        ] {
            let mut ipam = of(&[V4]);
            ipam["routes"] = routes;
            let conf = bridge(json!({ "isDefaultGateway": true, "ipam": ipam }));
            let result = node.add(&conf, &container);
            assert_eq!(result["routes"], expected);
            let routes = container.routes();
            let defaults = routes.iter().filter(|route| route.starts_with("default")).count();
            assert_eq!(defaults, 1, "{routes:?}");
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
        }
    });
}

/// A bridge with another address is somebody else's gateway, unless `forceAddress` says otherwise.
#[test]
fn another_address_of_the_bridge_is_replaced_only_by_force() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (ipam, there, kept, contradicts) in [
            (of(&[V4]), "10.77.0.254/24", "10.77.0.1/24", true),
            (of(&[V4]), "192.168.9.1/24", "10.77.0.1/24", true),
            (of(&[V4]), "10.77.0.1/16", "10.77.0.1/24", true),
            (of(&[V6]), "fd77::fe/64", "fd77::1/64", true),
            (of(&[V6]), "fd77::1/48", "fd77::1/64", true),
            // Networks of IPv6 may be many; of another family there may be any.
            (of(&[V6]), "fd99::1/64", "fd77::1/64", false),
            (of(&[V6]), "10.77.0.254/24", "fd77::1/64", false),
            (of(&[V4]), "10.77.0.1/24", "10.77.0.1/24", false),
        ] {
            ip(&["link", "add", "br0", "up", "type", "bridge"]);
            ip(&["addr", "add", there, "dev", "br0", "nodad"]);
            let before = ip_json(&["addr"]);
            let conf = |force: bool| {
                bridge(json!({ "isGateway": true, "forceAddress": force, "ipam": ipam }))
            };
            if contradicts {
                let outcome = node.call("ADD", &conf(false), &container).run();
                failed(&outcome, 7, there);
                assert!(outcome.failure().1.contains("forceAddress"), "{outcome:?}");
                assert_eq!(node.leftovers(&["br0"]), [""; 0]);
                assert_eq!(addresses(&on_node("br0")), [there], "{before}");
            }
            let result = node.add(&conf(contradicts), &container);
            let mut expected =
                if contradicts || there == kept { vec![kept] } else { vec![kept, there] };
            expected.sort_unstable();
            assert_eq!(addresses(&on_node("br0")), expected);
            node.check(&conf(contradicts), &container, &result).success();
            node.del(&conf(contradicts), &container);
            forget();
        }
    });
}

/// A bridge would otherwise take the MAC of one of its ports, and change it as they come and go.
#[test]
fn the_gateways_mac_stays() {
    on_a_node(|node| {
        let containers: Vec<_> = (0..6).map(|n| Container::new(&format!("c{n}"))).collect();
        let conf = bridge(json!({ "isGateway": true }));
        let results: Vec<_> =
            containers.iter().map(|container| node.add(&conf, container)).collect();
        let mac = on_node("br0")["address"].clone();
        assert!(results.iter().all(|result| result["interfaces"][0]["mac"] == mac), "{results:?}");
        for container in &containers[..3] {
            node.del(&conf, container);
            assert_eq!(on_node("br0")["address"], mac);
        }
        for (container, result) in containers.iter().zip(&results).skip(3) {
            node.check(&conf, container, result).success();
        }
        assert!(reaches("10.77.0.7"));
    });
}

/// A bridge of somebody else's that has lost its last port has a MAC of zeros, which no link can be given.
#[test]
fn a_bridge_without_a_mac_becomes_a_gateway() {
    on_a_node(|node| {
        let container = Container::new("c");
        ip(&["link", "add", "br0", "up", "type", "bridge"]);
        let plain = bridge(json!({}));
        node.add(&plain, &container);
        node.del(&plain, &container);
        assert_eq!(on_node("br0")["address"], "00:00:00:00:00:00");
        let conf = bridge(json!({ "isGateway": true }));
        let result = node.add(&conf, &container);
        assert_eq!(result["interfaces"][0]["mac"], on_node("br0")["address"]);
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(on_node("br0")["address"], result["interfaces"][0]["mac"]);
    });
}
