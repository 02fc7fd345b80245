//! `ptp`: a link between container and node, over which the node routes.

use serde_json::{Value, json};

use super::{failed, interface, on_node, ptp, refused};
use crate::harness::netns::{addresses, ip, sysctl};
use crate::harness::node::{Container, on_a_node, with};

/// The node's routes to a link.
fn routes_to(link: &str) -> Vec<String> {
    let mut all = Vec::new();
    for family in ["-4", "-6"] {
        let routes = ip(&[family, "route", "show", "dev", link]);
        all.extend(routes.lines().map(|line| line.trim().to_owned()));
    }
    all.retain(|route| !route.starts_with("fe80::/64"));
    all.sort();
    all
}

#[test]
fn the_node_is_between_the_container_and_its_network() {
    on_a_node(|node| {
        let container = Container::new("c");
        let conf = ptp(json!({}));
        let result = node.add(&conf, &container);
        let outer = interface(&result, 0);
        assert_eq!(interface(&result, 1), "eth0");
        assert_eq!(result["interfaces"].as_array().unwrap().len(), 2);
        assert_eq!(result["interfaces"][1]["mac"], container.interface()["address"]);
        assert_eq!(result["interfaces"][0]["mac"], on_node(outer)["address"]);
        assert!(
            result["ips"].as_array().unwrap().iter().all(|ip| ip["interface"] == 1),
            "{result}"
        );
        assert_eq!(container.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
        assert_eq!(
            container.routes(),
            [
                "10.77.0.0/24 via 10.77.0.1 dev eth0 src 10.77.0.2",
                "10.77.0.1 dev eth0 scope link src 10.77.0.2",
                "fd77::/64 via fd77::1 dev eth0 src fd77::2 metric 1024 pref medium",
                "fd77::1 dev eth0 src fd77::2 metric 1024 pref medium",
            ]
        );
        assert_eq!(addresses(&on_node(outer)), ["10.77.0.1/32", "fd77::1/128"]);
        assert_eq!(
            routes_to(outer),
            [
                "10.77.0.2 scope host",
                "fd77::1 proto kernel metric 256 pref medium",
                "fd77::2 metric 1024 pref medium",
            ]
        );
        assert_eq!(sysctl("net/ipv4/ip_forward"), "1");
        assert_eq!(sysctl("net/ipv6/conf/all/forwarding"), "1");
        assert_eq!(sysctl(&format!("net/ipv6/conf/{outer}/accept_ra")), "0");
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// Routes of IPAM: by the gateway, by the one they name, and with what else they say.
#[test]
fn ipams_routes_are_the_containers() {
    on_a_node(|node| {
        let container = Container::new("c");
        let mut conf = ptp(json!({ "ipam": { "type": "host-local", "subnet": "10.77.0.0/24" } }));
        conf["ipam"]["routes"] = json!([
            { "dst": "0.0.0.0/0" },
            { "dst": "10.9.0.0/16", "gw": "10.77.0.1", "mtu": 1400, "advmss": 1360, "priority": 7 },
            { "dst": "10.8.0.0/16", "gw": "10.77.0.9" },
            { "dst": "10.7.0.0/16", "table": 100 },
        ]);
        let result = node.add(&conf, &container);
        assert_eq!(result["routes"], conf["ipam"]["routes"]);
        let routes = container.routes();
        for expected in [
            "default via 10.77.0.1 dev eth0",
            "10.9.0.0/16 via 10.77.0.1 dev eth0 metric 7 mtu 1400 advmss 1360",
            "10.8.0.0/16 via 10.77.0.9 dev eth0",
        ] {
            assert!(routes.iter().any(|route| route == expected), "{expected}: {routes:#?}");
        }
        let table = container.netns.exec("ip", &["route", "show", "table", "100"]);
        assert_eq!(table.trim(), "10.7.0.0/16 via 10.77.0.1 dev eth0");
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn mtu_is_that_of_both_ends() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (mtu, expected) in
            [(json!(1400), 1400), (json!(9000), 9000), (json!(0), 1500), (Value::Null, 1500)]
        {
            let conf = ptp(json!({ "mtu": mtu }));
            let result = node.add(&conf, &container);
            assert_eq!(on_node(interface(&result, 0))["mtu"], expected);
            assert_eq!(container.interface()["mtu"], expected);
            node.del(&conf, &container);
        }
        refused(&node, &ptp(json!({ "mtu": -1 })), &container, "mtu");
    });
}

/// There is no link without addresses, and no address without a gateway.
#[test]
fn addresses_and_gateways_are_needed() {
    on_a_node(|node| {
        let container = Container::new("c");
        for ipam in [Value::Null, json!({}), json!({ "type": "" })] {
            refused(&node, &ptp(json!({ "ipam": ipam })), &container, "ipam.type");
        }
        let ipam = json!({ "type": "static", "addresses": [{ "address": "10.77.0.2/24" }] });
        refused(&node, &ptp(json!({ "ipam": ipam })), &container, "10.77.0.2/24");
        let outcome = node
            .call("ADD", &ptp(json!({ "ipMasq": true, "ipMasqBackend": "x" })), &container)
            .run();
        failed(&outcome, 7, "ipMasqBackend");
    });
}

/// Several addresses of one family, in one network and in several.
#[test]
fn addresses_may_share_a_gateway() {
    on_a_node(|node| {
        let container = Container::new("c");
        let conf = ptp(json!({ "ipam": { "type": "static", "addresses": [
            { "address": "10.77.0.2/24", "gateway": "10.77.0.1" },
            { "address": "10.77.0.3/24", "gateway": "10.77.0.1" },
            { "address": "10.78.0.2/24", "gateway": "10.78.0.1" },
        ] } }));
        let result = node.add(&conf, &container);
        assert_eq!(container.addresses(), ["10.77.0.2/24", "10.77.0.3/24", "10.78.0.2/24"]);
        assert_eq!(addresses(&on_node(interface(&result, 0))), ["10.77.0.1/32", "10.78.0.1/32"]);
        for address in ["10.77.0.2", "10.77.0.3", "10.78.0.2"] {
            assert!(crate::harness::netns::reaches(address), "{address}");
        }
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// An address alone, as clouds give them: its gateway is elsewhere.
#[test]
fn an_address_may_have_no_network() {
    on_a_node(|node| {
        let container = Container::new("c");
        let ipam = json!({ "type": "static", "routes": [{ "dst": "0.0.0.0/0" }], "addresses": [
            { "address": "10.77.0.2/32", "gateway": "169.254.1.1" }
        ] });
        let conf = with(&ptp(json!({})), json!({ "ipam": ipam }));
        let result = node.add(&conf, &container);
        assert_eq!(
            container.routes(),
            ["169.254.1.1 dev eth0 scope link src 10.77.0.2", "default via 169.254.1.1 dev eth0"]
        );
        assert!(crate::harness::netns::reaches("10.77.0.2"));
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
    });
}
