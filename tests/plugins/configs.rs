//! Configurations from tutorials and clusters, as they stand in `configs/`, and what must come of them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::children::{UPLINK, on_a_network, on_a_network_with};
use super::{failed, interface, on_node};
use crate::harness::netns::{addresses, bridge_json, ip, nft_elements, nft_json};
use crate::harness::node::{Container, Node, on_a_node, with};

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/configs").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap()
}

fn gone_after_del(node: &Node, conf: &Value, container: &Container, bridge: &str) {
    node.del(conf, container);
    assert_eq!(node.leftovers(&[bridge]), [""; 0]);
}

#[test]
fn bridge_0_3_0() {
    on_a_node(|node| {
        let conf = read("bridge-0.3.0.json");
        let container = Container::new("c");
        let result = node.add(&conf, &container);
        assert_eq!(result["cniVersion"], "0.3.0");
        assert_eq!([0, 2].map(|n| interface(&result, n)), ["mynet0", "eth0"]);
        assert_eq!(
            result["ips"],
            json!([{ "version": "4", "interface": 2, "address": "10.10.0.2/16", "gateway": "10.10.0.1" }])
        );
        assert_eq!(addresses(&on_node("mynet0")), ["10.10.0.1/16"]);
        assert_eq!(
            container.routes(),
            [
                "10.10.0.0/16 dev eth0 proto kernel scope link src 10.10.0.2",
                "default via 10.10.0.1 dev eth0",
            ]
        );
        assert_eq!(bridge_json(&["link"])[0]["hairpin"], true);
        assert!(nft_elements().iter().any(|element| element.contains("10.10.0.2")));
        gone_after_del(&node, &conf, &container, "mynet0");
    });
}

#[test]
fn mybridge_0_2_0() {
    on_a_node(|node| {
        let conf = read("mybridge-0.2.0.json");
        let netns = crate::harness::netns::Netns::new("blue");
        let container =
            Container { netns, id: "1234567890".to_owned(), ifname: "eth12".to_owned() };
        let result = node.add(&conf, &container);
        assert_eq!(
            result,
            json!({
                "cniVersion": "0.2.0",
                "ip4": { "ip": "10.15.20.2/24", "gateway": "10.15.20.1", "routes": [
                    { "dst": "0.0.0.0/0" }, { "dst": "1.1.1.1/32", "gw": "10.15.20.1" }
                ] },
                "dns": {},
            })
        );
        assert_eq!(container.addresses(), ["10.15.20.2/24"]);
        assert_eq!(
            container.routes(),
            [
                "1.1.1.1 via 10.15.20.1 dev eth12",
                "10.15.20.0/24 dev eth12 proto kernel scope link src 10.15.20.2",
                "default via 10.15.20.1 dev eth12",
            ]
        );
        assert_eq!(addresses(&on_node("cni_bridge0")), ["10.15.20.1/24"]);
        // Whoever looks at the rules finds the network, its container and its addresses.
        let rules = nft_json().to_string();
        assert!(rules.contains("masquerade"), "{rules}");
        assert!(
            nft_elements()
                .iter()
                .any(|e| e.contains("10.15.20.2") && e.contains("mybridge/1234567890/eth12"))
        );
        gone_after_del(&node, &conf, &container, "cni_bridge0");
    });
}

#[test]
fn bridge_static_0_4_0() {
    on_a_node(|node| {
        let conf = read("bridge-static-0.4.0.conf");
        let container = Container::new("c");
        let result = node.add(&conf, &container);
        assert_eq!(
            result["ips"],
            json!([{ "version": "4", "interface": 2, "address": "192.168.1.67/24" }])
        );
        // By a gateway that nobody is.
        assert_eq!(result["routes"], json!([{ "dst": "0.0.0.0/0", "gw": "192.168.1.99" }]));
        assert_eq!(
            container.routes(),
            [
                "192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.67",
                "default via 192.168.1.99 dev eth0",
            ]
        );
        assert_eq!(addresses(&on_node("br0")), [""; 0]);
        node.check(&conf, &container, &result).success();
        gone_after_del(&node, &conf, &container, "br0");
    });
}

/// No version: the oldest. The configuration's `dns` is what counts.
#[test]
fn ptp() {
    on_a_node(|node| {
        let conf = read("ptp.json");
        let container = Container::new("c");
        assert_eq!(
            node.add(&conf, &container),
            json!({
                "cniVersion": "0.1.0",
                "ip4": { "ip": "10.1.1.2/24", "gateway": "10.1.1.1" },
                "dns": { "nameservers": ["10.1.1.1", "8.8.8.8"] },
            })
        );
        assert_eq!(container.addresses(), ["10.1.1.2/24"]);
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// `bridge`, `isGateway` and `ipMasq` mean nothing to `macvlan`; without `master` it sits on the default
/// route's link.
#[test]
fn macvlan_0_3_1() {
    on_a_network(|node, _| {
        let conf = read("macvlan-0.3.1.json");
        let container = Container::new("c");
        let result = node.add(&conf, &container);
        assert_eq!((&result["cniVersion"], interface(&result, 0)), (&json!("0.3.1"), "eth0"));
        assert_eq!(
            result["ips"],
            json!([{ "version": "4", "interface": 0, "address": "10.244.1.2/24", "gateway": "10.244.1.1" }])
        );
        assert_eq!(container.interface()["link_index"], on_node(UPLINK)["ifindex"]);
        assert_eq!(
            container.routes(),
            [
                "10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.2",
                "default via 10.244.1.1 dev eth0",
            ]
        );
        assert_eq!(nft_elements(), [""; 0]);
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[UPLINK]), [""; 0]);
    });
}

#[test]
fn ipvlan() {
    on_a_network_with("ipvlan", |node, _| {
        ip(&["link", "set", UPLINK, "down"]);
        ip(&["link", "set", UPLINK, "name", "eth0", "up"]);
        let conf = read("ipvlan.json");
        let container = Container::new("c");
        assert_eq!(
            node.add(&conf, &container),
            json!({
                "cniVersion": "0.1.0", "dns": {},
                "ip4": { "ip": "10.1.2.2/24", "gateway": "10.1.2.1" },
            })
        );
        assert_eq!(container.interface()["link_index"], on_node("eth0")["ifindex"]);
        assert_eq!(container.addresses(), ["10.1.2.2/24"]);
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&["eth0"]), [""; 0]);
    });
}

/// The program is found by its name, whatever `type` says. The subnet has host bits.
#[test]
fn host_local_alone() {
    on_a_node(|node| {
        let conf = read("host-local-alone.json");
        let container = Container::new("c");
        let call = |verb, conf: &Value| {
            let call = node.network_call_of("host-local", verb, conf).env("CNI_CONTAINERID", "c");
            call.env("CNI_IFNAME", "eth0")
                .env("CNI_NETNS", container.netns.path().display().to_string())
                .run()
        };
        let refused = call("ADD", &conf);
        failed(&refused, 7, "10.1.2.3/24");
        assert!(refused.failure().1.contains("10.1.2.0/24"), "{refused:?}");
        assert_eq!(node.leftovers(&[]), [""; 0]);
        // As the message says.
        let mut mended = conf;
        mended["ipam"]["subnet"] = "10.1.2.0/24".into();
        let result = call("ADD", &mended).success();
        assert_eq!(
            result["ips"],
            json!([{ "version": "4", "address": "10.1.2.2/24", "gateway": "10.1.2.1" }])
        );
        call("DEL", &mended).success();
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// A part of a configuration, for any plugin that delegates; its directory is below the test's own.
fn with_part(node: &Node, name: &str, version: &str) -> Value {
    let mut conf =
        with(&read(name), json!({ "cniVersion": version, "name": "part", "type": "host-local" }));
    if let Some(directory) = conf["ipam"]["dataDir"].as_str() {
        conf["ipam"]["dataDir"] =
            node.below(directory.trim_start_matches('/')).display().to_string().into();
    }
    conf
}

#[test]
fn host_local_v4() {
    on_a_node(|node| {
        let conf = with_part(&node, "host-local-v4.json", "1.0.0");
        let container = Container::new("c");
        assert_eq!(
            node.add(&conf, &container),
            json!({
                "cniVersion": "1.0.0",
                "ips": [{ "address": "10.10.1.20/16", "gateway": "10.10.0.254" }],
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "192.168.0.0/16", "gw": "10.10.5.1" }],
            })
        );
        let directory = node.below("var/my-orchestrator/container-ipam-state/part");
        assert!(directory.join("10.10.1.20").is_file());
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
        // And with the plugins that delegate to it, both of its routes in the container.
        for (plugin, own) in [
            ("bridge", "10.10.0.0/16 dev eth0 proto kernel scope link src 10.10.1.21"),
            ("ptp", "10.10.0.0/16 via 10.10.0.254 dev eth0 src 10.10.1.22"),
        ] {
            let conf = with(&conf, json!({ "type": plugin }));
            let container = Container::new(plugin);
            node.add(&conf, &container);
            let routes = container.routes();
            for route in
                ["192.168.0.0/16 via 10.10.5.1 dev eth0", "default via 10.10.0.254 dev eth0", own]
            {
                assert!(routes.iter().any(|r| r == route), "{plugin}: {route}: {routes:#?}");
            }
            node.del(&conf, &container);
        }
    });
}

#[test]
fn host_local_v6() {
    on_a_node(|node| {
        let conf = with_part(&node, "host-local-v6.json", "1.0.0");
        let container = Container::new("c");
        let resolv_conf = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let servers: Vec<&str> = resolv_conf
            .lines()
            .filter_map(|line| line.strip_prefix("nameserver"))
            .map(str::trim)
            .collect();
        if !Path::new("/etc/resolv.conf").exists() {
            let outcome = node.call("ADD", &conf, &container).run();
            assert!(outcome.failure().1.contains("/etc/resolv.conf"), "{outcome:?}");
            return;
        }
        let result = node.add(&conf, &container);
        assert_eq!(
            result["ips"],
            json!([{ "address": "3ffe:ffff:0:1ff::10/64", "gateway": "3ffe:ffff:0:1ff::1" }])
        );
        assert_eq!(result["routes"], json!([{ "dst": "3ffe:ffff:0:1ff::1/64" }]));
        let told = result["dns"]["nameservers"].as_array().cloned().unwrap_or_default();
        assert_eq!(told, servers);
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}
