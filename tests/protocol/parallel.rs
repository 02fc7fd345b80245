//! Many calls at once: row E33.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::harness::netns::{bridge_json, nft_elements, nft_json};
use crate::harness::node::{Container, Node, on_a_node};

/// Runs a verb for all containers at once.
fn at_once(node: &Node, verb: &str, conf: &Value, containers: &[Container]) -> Vec<Value> {
    let running: Vec<_> = containers.iter().map(|c| node.call(verb, conf, c).start()).collect();
    running.into_iter().map(|call| call.finish().success()).collect()
}

fn addresses(results: &[Value]) -> BTreeSet<&str> {
    let ips = results.iter().flat_map(|result| result["ips"].as_array().unwrap());
    ips.map(|ip| ip["address"].as_str().unwrap()).collect()
}

/// The rules, without their numbers and the sets' elements.
fn rules() -> Vec<String> {
    let ruleset = nft_json();
    let objects = ruleset["nftables"].as_array().unwrap().iter();
    let rules = objects.filter_map(|object| object.get("rule"));
    let text = |rule: &Value| format!("{} {} {}", rule["table"], rule["chain"], rule["expr"]);
    rules.map(text).collect()
}

#[test]
fn fifty_containers_join_a_network_at_once() {
    on_a_node(|node| {
        let conf = json!({
            "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
            "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true,
            "ipam": { "type": "host-local",
                "ranges": [[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]] },
        });
        let containers: Vec<_> = (0..50).map(|n| Container::new(&format!("c{n}"))).collect();
        let results = at_once(&node, "ADD", &conf, &containers);
        assert_eq!(addresses(&results).len(), 100);
        assert_eq!(node.reservations().len(), 100);
        let ports = bridge_json(&["link"]);
        assert_eq!(ports.as_array().unwrap().len(), 50);
        assert!(ports.as_array().unwrap().iter().all(|port| port["master"] == "br0"));
        let bridge = crate::harness::netns::ip_json(&["addr", "show", "dev", "br0"]);
        assert_eq!(crate::harness::netns::addresses(&bridge[0]), ["10.77.0.1/24", "fd77::1/64"]);
        // Each has two addresses in the set of sources and in that of networks, a port, and a MAC.
        assert_eq!(nft_elements().len(), 50 * 6);
        let rules = rules();
        assert_eq!(rules.iter().collect::<BTreeSet<_>>().len(), rules.len(), "{rules:#?}");
        for (container, result) in containers.iter().zip(&results).step_by(7) {
            node.check(&conf, container, result).success();
            assert!(container.netns.reaches("10.77.0.1"), "{}", container.id);
        }
        at_once(&node, "DEL", &conf, &containers);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
        assert_eq!(self::rules(), rules);
    });
}

#[test]
fn two_hundred_containers_get_addresses_at_once() {
    on_a_node(|node| {
        let conf = json!({
            "cniVersion": "1.0.0", "name": "net", "type": "host-local",
            "ipam": { "type": "host-local", "subnet": "10.77.0.0/24" },
        });
        // The netns is for the protocol alone.
        let netns = Container::new("c").netns;
        let call = |verb: &str, n: usize| {
            let call = node.network_call(verb, &conf).env("CNI_CONTAINERID", format!("id-{n}"));
            call.env("CNI_IFNAME", "eth0").env("CNI_NETNS", netns.path().display().to_string())
        };
        let at_once = |verb: &str| {
            let running: Vec<_> = (0..200).map(|n| call(verb, n).start()).collect();
            running.into_iter().map(|call| call.finish().success()).collect::<Vec<_>>()
        };
        let results = at_once("ADD");
        assert_eq!(addresses(&results).len(), 200);
        assert_eq!(node.reservations().len(), 200);
        let network = node.data_dir() + "/net";
        let last = fs::read_to_string(network.clone() + "/last_reserved_ip.0").unwrap();
        assert_eq!(last, "10.77.0.201", "one after the other");
        at_once("DEL");
        assert_eq!(node.leftovers(&[]), [""; 0]);
        let mut left: Vec<_> =
            fs::read_dir(network).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["last_reserved_ip.0", "lock"]);
    });
}

/// ADDs and DELs of the same attachment, as a runtime that lost its head would call them.
#[test]
fn calls_about_one_attachment_take_turns() {
    on_a_node(|node| {
        let conf = super::conf("bridge");
        let container = Container::new("c");
        let running: Vec<_> = (0..12)
            .map(|n| node.call(if n % 2 == 0 { "ADD" } else { "DEL" }, &conf, &container).start())
            .collect();
        for call in running {
            let outcome = call.finish();
            // An ADD may have come after another one; that is no reason to be in each other's way.
            assert!(outcome.status == Some(0) || outcome.failure().0 != 101, "{outcome:?}");
        }
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
        let result = node.add(&conf, &container);
        node.check(&conf, &container, &result).success();
    });
}
