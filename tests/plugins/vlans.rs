//! `vlan`, `vlanTrunk`, `preserveDefaultVlan`: on kernels whose bridges filter by VLAN.

use std::process::Command;

use serde_json::{Value, json};

use super::{bridge, failed, interface, on_node};
use crate::harness::netns::{addresses, bridge_json, ip};
use crate::harness::node::{Container, Node, on_a_node, with};
use crate::harness::sandbox::notice;

/// Runs a test if the kernel's bridges can filter.
fn on_a_filtering_node(test: impl FnOnce(Node)) {
    on_a_node(|node| {
        let probe = ["link", "add", "probe", "type", "bridge", "vlan_filtering", "1"];
        if Command::new("ip").args(probe).output().unwrap().status.success() {
            ip(&["link", "delete", "probe"]);
            test(node);
        } else {
            notice(
                "VLANs of bridge ports: this kernel has no CONFIG_BRIDGE_VLAN_FILTERING; run \
                 `just test-full-kernel`",
            );
        }
    });
}

/// A port's VLANs: `10 pvid untagged`, ranges as `100-102`.
fn vlans(port: &str) -> Vec<String> {
    let all = bridge_json(&["vlan", "show", "dev", port]);
    let text = |vlan: &Value| {
        let mut text = vlan["vlan"].to_string();
        if let Some(end) = vlan["vlanEnd"].as_u64() {
            text += &format!("-{end}");
        }
        for flag in vlan["flags"].as_array().into_iter().flatten() {
            text += &format!(" {}", flag.as_str().unwrap().to_lowercase().replace("egress ", ""));
        }
        text
    };
    all[0]["vlans"].as_array().into_iter().flatten().map(text).collect()
}

#[test]
fn a_port_is_in_its_vlans() {
    on_a_filtering_node(|node| {
        let container = Container::new("c");
        for (keys, expected) in [
            (json!({ "vlan": 100 }), &["100 pvid untagged"][..]),
            (
                json!({ "vlan": 100, "preserveDefaultVlan": true }),
                &["1 untagged", "100 pvid untagged"],
            ),
            (
                json!({ "vlanTrunk": [{ "id": 101 }, { "minID": 200, "maxID": 202 }] }),
                &["1 pvid untagged", "101", "200-202"],
            ),
            (
                json!({ "vlan": 100, "vlanTrunk": [{ "id": 101 }, { "minID": 5, "maxID": 6, "id": 9 }] }),
                &["5-6", "9", "100 pvid untagged", "101"],
            ),
            (json!({}), &["1 pvid untagged"]),
        ] {
            let conf = bridge(keys.clone());
            let result = node.add(&conf, &container);
            let filtering = on_node("br0")["linkinfo"]["info_data"]["vlan_filtering"] == 1;
            assert_eq!(filtering, keys.as_object().is_some_and(|keys| !keys.is_empty()), "{keys}");
            assert_eq!(vlans(interface(&result, 1)), expected, "{keys}");
            node.check(&conf, &container, &result).success();
            if keys["vlan"] == 100 {
                ip(&["link", "set", interface(&result, 1), "up"]);
                crate::harness::netns::bridge_json(&["link"]);
                let delete = ["vlan", "delete", "vid", "100", "dev", interface(&result, 1)];
                assert!(Command::new("bridge").args(delete).status().unwrap().success());
                failed(&node.check(&conf, &container, &result), 110, "VLAN 100");
            }
            node.del(&conf, &container);
            ip(&["link", "delete", "br0"]);
        }
    });
}

/// A bridge that does not filter is not changed.
#[test]
fn a_bridge_that_is_there_keeps_its_filtering() {
    on_a_filtering_node(|node| {
        ip(&["link", "add", "br0", "type", "bridge"]);
        let container = Container::new("c");
        node.add(&bridge(json!({ "vlan": 100 })), &container);
        assert_eq!(on_node("br0")["linkinfo"]["info_data"]["vlan_filtering"], 0);
    });
}

/// Each VLAN is a network of its own, with a gateway of its own.
#[test]
fn vlans_are_apart_and_have_their_own_gateways() {
    on_a_filtering_node(|node| {
        let conf = |vlan: u32| {
            let ipam = json!({ "type": "host-local", "subnet": format!("10.{vlan}.0.0/24") });
            let conf = bridge(json!({ "vlan": vlan, "isDefaultGateway": true, "ipam": ipam }));
            with(&conf, json!({ "name": format!("net{vlan}") }))
        };
        let [a, b, c] = ["a", "b", "c"].map(Container::new);
        let result = node.add(&conf(100), &a);
        node.add(&conf(100), &b);
        node.add(&conf(101), &c);
        assert_eq!(interface(&result, 3), "br0.100");
        assert_eq!(result["interfaces"][3]["mac"], on_node("br0.100")["address"]);
        assert_eq!(addresses(&on_node("br0.100")), ["10.100.0.1/24"]);
        assert_eq!(addresses(&on_node("br0.101")), ["10.101.0.1/24"]);
        assert_eq!(addresses(&on_node("br0")), [""; 0]);
        node.check(&conf(100), &a, &result).success();
        assert!(a.netns.reaches("10.100.0.1"));
        assert!(a.netns.reaches("10.100.0.3"));
        assert!(a.netns.reaches("10.101.0.2"), "by the node");
        // Not by the bridge: with an address of the other VLAN it is heard of nobody there.
        a.netns.exec("ip", &["addr", "add", "10.101.0.99/24", "dev", "eth0"]);
        assert!(!a.netns.reaches("10.101.0.2"));
        for (vlan, container) in [(100, &a), (100, &b), (101, &c)] {
            node.del(&conf(vlan), container);
        }
        let kept = node.leftovers(&["br0", "br0.100", "br0.101"]);
        assert!(kept.iter().all(|left| left.starts_with("link veth")), "{kept:?}");
    });
}
