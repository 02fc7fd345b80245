//! What the container's port of the bridge does: `hairpinMode`, `promiscMode`, `portIsolation`,
//! `macspoofchk`, `enabledad`.

use serde_json::{Value, json};

use super::{bridge, interface, on_node};
use crate::harness::netns::{bridge_json, nft_elements, sysctl};
use crate::harness::node::{Container, on_a_node, with};

/// A port of the bridge, as `bridge -json -details link` tells it.
fn port(name: &str) -> Value {
    bridge_json(&["link", "show", "dev", name])[0].clone()
}

#[test]
fn hairpin_and_isolation_are_the_ports() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (key, flag) in [("hairpinMode", "hairpin"), ("portIsolation", "isolated")] {
            for on in [true, false] {
                let conf = bridge(json!({ key: on }));
                let result = node.add(&conf, &container);
                let port = port(interface(&result, 1));
                assert_eq!(port[flag], on, "{port}");
                let other = if flag == "hairpin" { "isolated" } else { "hairpin" };
                assert_eq!(port[other], false, "{port}");
                node.check(&conf, &container, &result).success();
                node.del(&conf, &container);
            }
        }
    });
}

/// Isolated ports reach the bridge and ports that are not isolated, but not each other.
#[test]
fn isolated_containers_do_not_reach_each_other() {
    on_a_node(|node| {
        let [a, b, open] = ["a", "b", "open"].map(Container::new);
        let conf = bridge(json!({ "isGateway": true, "portIsolation": true }));
        let ips = [(&a, true), (&b, true), (&open, false)].map(|(container, isolated)| {
            node.add(&with(&conf, json!({ "portIsolation": isolated })), container);
            container.addresses()[0].trim_end_matches("/24").to_owned()
        });
        assert!(a.netns.reaches("10.77.0.1"));
        assert!(a.netns.reaches(&ips[2]));
        assert!(open.netns.reaches(&ips[1]));
        assert!(!a.netns.reaches(&ips[1]));
    });
}

/// It is switched on, and never off: another network may need it.
#[test]
fn promiscuity_is_the_bridges() {
    on_a_node(|node| {
        let container = Container::new("c");
        let promiscuous =
            || on_node("br0")["flags"].as_array().unwrap().contains(&json!("PROMISC"));
        for (promisc, expected) in [(false, false), (true, true), (false, true)] {
            let conf = bridge(json!({ "promiscMode": promisc }));
            let result = node.add(&conf, &container);
            assert_eq!(promiscuous(), expected);
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
            assert_eq!(promiscuous(), expected);
        }
    });
}

/// Frames from another source MAC than the container was given are dropped.
#[test]
fn a_changed_mac_is_heard_of_no_more() {
    on_a_node(|node| {
        for (guarded, mac) in
            [(true, Value::Null), (true, json!("02:00:00:00:00:0a")), (false, Value::Null)]
        {
            let container = Container::new("c");
            let runtime = json!({ "mac": mac });
            let conf = bridge(
                json!({ "isGateway": true, "macspoofchk": guarded, "runtimeConfig": runtime }),
            );
            let result = node.add(&conf, &container);
            let own = container.interface()["address"].as_str().unwrap().to_owned();
            assert!(container.netns.reaches("10.77.0.1"));
            assert!(container.netns.reaches("fd77::1"));
            let change =
                |mac: &str| container.netns.exec("ip", &["link", "set", "eth0", "address", mac]);
            change("02:00:00:00:00:66");
            assert_eq!(container.netns.reaches("10.77.0.1"), !guarded);
            change(&own);
            assert!(container.netns.reaches("10.77.0.1"));
            let elements = nft_elements();
            assert_eq!(elements.is_empty(), !guarded, "{elements:?}");
            // Each element says whose it is.
            assert!(
                !guarded
                    || elements
                        .iter()
                        .any(|e| e.contains(interface(&result, 1)) && e.contains("id-c"))
            );
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
            assert_eq!(nft_elements(), [""; 0]);
        }
    });
}

/// One container's guard is nothing to another one.
#[test]
fn guards_are_each_containers_own() {
    on_a_node(|node| {
        let [a, b] = ["a", "b"].map(Container::new);
        let conf = bridge(json!({ "isGateway": true, "macspoofchk": true }));
        let result = node.add(&conf, &a);
        node.add(&conf, &b);
        node.del(&conf, &b);
        assert!(a.netns.reaches("10.77.0.1"));
        node.check(&conf, &a, &result).success();
        a.netns.exec("ip", &["link", "set", "eth0", "address", "02:00:00:00:00:66"]);
        assert!(!a.netns.reaches("10.77.0.1"));
    });
}

/// Without detection an address serves at once; with it, when nobody else has it.
#[test]
fn duplicates_are_looked_for_if_that_is_wanted() {
    on_a_node(|node| {
        let keys = ["net/ipv6/conf/eth0/accept_dad", "net/ipv6/conf/eth0/enhanced_dad"];
        let ipam = json!({ "type": "static", "addresses": [{ "address": "fd77::9/64" }] });
        for (wanted, set) in [(false, "0"), (true, "1")] {
            let container = Container::new("c");
            let conf = bridge(json!({ "enabledad": wanted, "isGateway": true, "ipam": ipam }));
            node.add(&conf, &container);
            assert_eq!(container.netns.inside(|| sysctl(keys[0])), set);
            assert!(!wanted || container.netns.inside(|| sysctl(keys[1])) == "1");
            let interface = container.interface();
            let info = interface["addr_info"].as_array().unwrap();
            let ours = info.iter().find(|a| a["local"] == "fd77::9").unwrap();
            assert!(ours["tentative"].is_null(), "{ours}");
            assert!(container.netns.reaches("fd77::1"));
            if wanted {
                let twin = Container::new("twin");
                let outcome = node.call("ADD", &conf, &twin).run();
                assert!(outcome.failure().1.contains("fd77::9"), "{outcome:?}");
                assert_eq!(twin.netns.ip_json(&["link"]).as_array().unwrap().len(), 1);
            }
            node.del(&conf, &container);
            assert_eq!(node.leftovers(&["br0"]), [""; 0]);
        }
    });
}
