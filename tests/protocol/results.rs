//! Results in the shape of each version: rows E11, E19, E22, E34 and E17's arguments.

use serde_json::{Value, json};

use super::{PLUGINS, code_naming, conf, versions};
use crate::harness::netns::ip_json;
use crate::harness::node::{Container, on_a_node, with};

/// Row E19.
#[test]
fn every_plugin_answers_in_every_version() {
    on_a_node(|node| {
        for plugin in PLUGINS {
            let container = Container::new(plugin);
            for version in versions() {
                let conf = with(&conf(plugin), json!({ "cniVersion": version }));
                let result = node.add(&conf, &container);
                assert_eq!(result["cniVersion"], version, "{plugin}: {result}");
                check_shape(version, plugin, &result);
                node.del(&conf, &container);
            }
        }
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

fn keys(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap_or_else(|| panic!("{object} is no object"))
        .keys()
        .map(String::as_str)
        .collect()
}

fn all(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The whole result has the keys of its version's family, and no other.
fn check_shape(version: &str, plugin: &str, result: &Value) {
    let at = format!("{plugin} {version}: {result}");
    let is_ipam = matches!(plugin, "host-local" | "static");
    if version < "0.3.0" {
        assert!(
            keys(result).iter().all(|key| ["cniVersion", "dns", "ip4", "ip6"].contains(key)),
            "{at}"
        );
        assert_eq!(result["dns"], json!({}), "{at}");
        assert!(result["ip4"]["ip"].as_str().unwrap().contains('/'), "{at}");
        let gateway = !matches!(plugin, "static" | "loopback");
        assert_eq!(result["ip4"]["gateway"].is_string(), gateway, "{at}");
        return;
    }
    let mut expected = vec!["cniVersion", "dns", "interfaces", "ips"];
    if version >= "1.0.0" {
        expected.retain(|key| *key != "dns");
    }
    if is_ipam {
        expected.retain(|key| *key != "interfaces");
    }
    assert_eq!(keys(result), expected, "{at}");
    for interface in all(&result["interfaces"]) {
        assert!(interface["name"].is_string() && interface["mac"].is_string(), "{at}");
        let others = keys(interface).into_iter().filter(|key| !["mac", "name"].contains(key));
        assert!(others.eq(["sandbox"]) || interface["sandbox"].is_null(), "{at}");
    }
    for ip in all(&result["ips"]) {
        let family = if ip["address"].as_str().unwrap().contains(':') { "6" } else { "4" };
        let told = if version < "1.0.0" { json!(family) } else { Value::Null };
        assert_eq!(ip["version"], told, "{at}");
        assert_eq!(ip["interface"].is_null(), is_ipam, "{at}");
    }
}

/// Row E11, and the loss of what 0.1.0 has no words for: every address but the first of a family.
#[test]
fn the_oldest_shape_has_one_address_of_each_family() {
    on_a_node(|node| {
        let container = Container::new("old");
        let conf = json!({
            "name": "old", "type": "ptp",
            "ipam": { "type": "host-local",
                "ranges": [[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "fd01::/64" }]],
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "10.9.0.0/16", "gw": "10.1.0.7" },
                    { "dst": "fd09::/64" }] },
            "dns": { "nameservers": ["10.1.0.1"], "search": ["a.example"] },
        });
        let expected = json!({
            "cniVersion": "0.1.0",
            "ip4": { "ip": "10.1.0.2/24", "gateway": "10.1.0.1",
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "10.9.0.0/16", "gw": "10.1.0.7" }] },
            "ip6": { "ip": "fd01::2/64", "gateway": "fd01::1", "routes": [{ "dst": "fd09::/64" }] },
            "dns": { "nameservers": ["10.1.0.1"], "search": ["a.example"] },
        });
        assert_eq!(node.add(&conf, &container), expected);
        node.del(&conf, &container);
        let twice = json!([[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.2.0.0/24" }]]);
        let mut conf = conf;
        conf["ipam"]["ranges"] = twice;
        let outcome = node.call("ADD", &conf, &container).run();
        assert_eq!(code_naming(&outcome, "ranges"), 7);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// Row E34.
#[test]
fn a_result_without_addresses_cannot_be_told_in_the_oldest_versions() {
    on_a_node(|node| {
        let container = Container::new("l2");
        for version in versions() {
            let conf =
                json!({ "cniVersion": version, "name": "l2", "type": "bridge", "bridge": "br0" });
            let outcome = node.call("ADD", &conf, &container).run();
            if version < "0.3.0" {
                assert!(matches!(outcome.failure().0, 1 | 7), "{version}: {outcome:?}");
                assert_eq!(node.leftovers(&[]), [""; 0], "{version}");
                assert_eq!(container.netns.ip_json(&["link"]).as_array().unwrap().len(), 1);
            } else {
                let interfaces = outcome.success()["interfaces"].as_array().unwrap().len();
                assert_eq!(interfaces, 3, "{version}");
            }
            node.del(&conf, &container);
        }
    });
}

/// Row E22.
#[test]
fn an_interface_that_is_there_is_left_alone() {
    on_a_node(|node| {
        let container = Container::new("full");
        let add = ["link", "add", "eth0", "mtu", "1234", "type", "veth", "peer", "name", "other"];
        container.netns.exec("ip", &add);
        let before = (container.interface(), ip_json(&["link"]));
        for plugin in ["bridge", "ptp"] {
            for version in versions() {
                let conf = with(&conf(plugin), json!({ "cniVersion": version }));
                let outcome = node.call("ADD", &conf, &container).run();
                assert_ne!(code_naming(&outcome, "eth0"), 0, "{plugin} {version}");
                assert_eq!(node.leftovers(&[]), [""; 0], "{plugin} {version}");
                assert_eq!(
                    (container.interface(), ip_json(&["link"])),
                    before,
                    "{plugin} {version}"
                );
            }
        }
    });
}

/// An ADD that is repeated without a DEL fails, and takes nothing away from the first one.
#[test]
fn an_attachment_is_made_once() {
    on_a_node(|node| {
        for plugin in ["bridge", "ptp", "host-local"] {
            let container = Container::new(plugin);
            let conf = conf(plugin);
            let result = node.add(&conf, &container);
            let left = node.leftovers(&[]);
            node.call("ADD", &conf, &container).run().failure();
            assert_eq!(node.leftovers(&[]), left, "{plugin}");
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
            assert_eq!(node.leftovers(&["br0"]), [""; 0], "{plugin}");
        }
    });
}

/// Row E17.
#[test]
fn arguments_are_checked_by_plugins_that_read_them() {
    on_a_node(|node| {
        for (args, accepted) in [
            ("A=b", false),
            ("A=b;IgnoreUnknown=1", true),
            ("IgnoreUnknown=TRUE;K8S_POD_NAME=x;K8S_POD_UID=", true),
            ("IgnoreUnknown=0", true),
            ("IgnoreUnknown=maybe", false),
            ("A=b;IgnoreUnknown=0", false),
            ("A", false),
            ("A;IgnoreUnknown=1", false),
            ("A=b=c", false),
            ("A=b;", false),
            (";IgnoreUnknown=1", false),
            ("ignoreunknown=1", false),
        ] {
            for plugin in PLUGINS {
                let container = Container::new(plugin);
                let conf = conf(plugin);
                let outcome = node.call("ADD", &conf, &container).env("CNI_ARGS", args).run();
                if accepted || matches!(plugin, "ptp" | "loopback") && !reads_through(plugin) {
                    outcome.success();
                } else {
                    assert_eq!(code_naming(&outcome, "CNI_ARGS"), 4, "{plugin} {args:?}");
                    assert_eq!(node.leftovers(&[]), [""; 0], "{plugin} {args:?}");
                }
                // A DEL takes them as they are.
                node.call("DEL", &conf, &container).env("CNI_ARGS", args).run().success();
                if plugin == "bridge" && accepted {
                    crate::harness::netns::ip(&["link", "delete", "br0"]);
                }
                assert_eq!(node.leftovers(&[]), [""; 0], "{plugin} {args:?}");
            }
        }
    });
}

/// A plugin without arguments of its own hands them to its delegate, which has some.
fn reads_through(plugin: &str) -> bool {
    plugin == "ptp"
}

/// Row E28's plain half, and what `ptp` makes of arguments: they are for host-local.
#[test]
fn arguments_reach_the_delegate() {
    on_a_node(|node| {
        let container = Container::new("args");
        let conf = conf("ptp");
        let call = node.call("ADD", &conf, &container).env("CNI_ARGS", "IP=10.77.0.99");
        assert_eq!(call.run().success()["ips"][0]["address"], "10.77.0.99/24");
        node.del(&conf, &container);
        let taken = node.call("ADD", &conf, &container).env("CNI_ARGS", "IP=10.77.0.1").run();
        assert_eq!(code_naming(&taken, "10.77.0.1"), 4);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}
