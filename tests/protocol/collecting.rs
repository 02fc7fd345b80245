//! GC and STATUS: rows E30 and E32.

use serde_json::{Value, json};

use super::{code_naming, conf};
use crate::harness::netns::ip;
use crate::harness::node::{Container, Node, on_a_node, with};

fn gc(node: &Node, conf: &Value, key: &str, valid: Value) -> crate::harness::exec::Outcome {
    let mut conf = conf.clone();
    conf[key] = valid;
    node.network_call("GC", &conf).run()
}

fn attachment(of: &Container) -> Value {
    json!({ "containerID": of.id, "ifname": of.ifname })
}

/// Row E30.
#[test]
fn what_is_not_valid_goes_and_the_rest_stays() {
    on_a_node(|node| {
        for plugin in ["bridge", "ptp", "host-local"] {
            for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
                let conf = conf(plugin);
                let containers = ["a", "b", "c"].map(Container::new);
                let results = containers.each_ref().map(|c| node.add(&conf, c));
                let all = node.leftovers(&[]);
                // All are valid.
                let valid = Value::Array(containers.iter().map(attachment).collect());
                gc(&node, &conf, key, valid).success();
                assert_eq!(node.leftovers(&[]), all, "{plugin} {key}");
                // Some are. An interface of another name is another attachment.
                let other = json!({ "containerID": containers[0].id, "ifname": "eth1" });
                gc(&node, &conf, key, json!([attachment(&containers[1]), other])).success();
                node.check(&conf, &containers[1], &results[1]).success();
                for gone in [0, 2] {
                    let (code, _) = node.check(&conf, &containers[gone], &results[gone]).failure();
                    assert_eq!(code, 110, "{plugin} {key}");
                }
                // The other network of the node, none of whose attachments is valid, is not this one.
                let other = with(&conf, json!({ "name": "other" }));
                gc(&node, &other, key, json!([])).success();
                node.check(&conf, &containers[1], &results[1]).success();
                // None is.
                gc(&node, &conf, key, json!([])).success();
                assert_eq!(node.leftovers(&["br0"]), [""; 0], "{plugin} {key}");
                for container in &containers {
                    node.del(&conf, container);
                }
            }
        }
    });
}

/// Containers whose netns is gone are those that GC is for.
#[test]
fn what_has_no_netns_any_more_goes_too() {
    on_a_node(|node| {
        for plugin in ["bridge", "ptp"] {
            let conf = conf(plugin);
            let containers = ["a", "b"].map(Container::new);
            for container in &containers {
                node.add(&conf, container);
            }
            drop(containers);
            gc(&node, &conf, "cni.dev/valid-attachments", json!([])).success();
            crate::harness::node::eventually("nothing is left", || {
                node.leftovers(&["br0"]).is_empty()
            });
        }
    });
}

/// No list is no list: an old runtime, or one that lost its own, must not lose everybody's networks. `null`
/// is how Go writes an empty one.
#[test]
fn without_a_list_nothing_is_collected() {
    on_a_node(|node| {
        for plugin in ["bridge", "ptp", "host-local"] {
            let conf = conf(plugin);
            let container = Container::new(plugin);
            let result = node.add(&conf, &container);
            let outcome = node.network_call("GC", &conf).run();
            assert_eq!(code_naming(&outcome, "cni.dev/valid-attachments"), 7, "{plugin}");
            for damaged in [json!(1), json!({}), json!(["id"]), json!([{ "containerID": 1 }])] {
                let outcome = gc(&node, &conf, "cni.dev/valid-attachments", damaged);
                assert_eq!(code_naming(&outcome, "cni.dev/valid-attachments"), 6, "{plugin}");
            }
            node.check(&conf, &container, &result).success();
            gc(&node, &conf, "cni.dev/valid-attachments", Value::Null).success();
            assert_eq!(node.leftovers(&["br0"]), [""; 0], "{plugin}");
        }
    });
}

/// Where both keys are given, each protects, as for a runtime that sends both (libcni does).
#[test]
fn either_list_protects() {
    on_a_node(|node| {
        let conf = conf("bridge");
        let containers = ["a", "b"].map(Container::new);
        let results = containers.each_ref().map(|c| node.add(&conf, c));
        let both = with(
            &conf,
            json!({
                "cni.dev/valid-attachments": [attachment(&containers[0])],
                "cni.dev/attachments": [attachment(&containers[1])],
            }),
        );
        node.network_call("GC", &both).run().success();
        for (container, result) in containers.iter().zip(&results) {
            node.check(&conf, container, result).success();
        }
    });
}

/// GC of plugins that leave nothing behind.
#[test]
fn there_may_be_nothing_to_collect() {
    on_a_node(|node| {
        for plugin in super::PLUGINS {
            gc(&node, &conf(plugin), "cni.dev/valid-attachments", json!([])).success();
        }
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// Row E32: an exhausted pool, and a bridge whose name is taken.
#[test]
fn status_tells_whether_add_could_be_served() {
    on_a_node(|node| {
        for plugin in super::PLUGINS {
            node.network_call("STATUS", &conf(plugin)).run().success();
        }
        for plugin in ["host-local", "bridge", "ptp"] {
            let mut conf = conf(plugin);
            conf["name"] = plugin.into();
            conf["ipam"] = json!({ "type": "host-local", "subnet": "10.88.0.0/30" });
            let container = Container::new(plugin);
            node.add(&conf, &container);
            let outcome = node.network_call("STATUS", &conf).run();
            assert_eq!(code_naming(&outcome, "10.88.0.2"), 50, "{plugin}");
            // And ADD says the same.
            let more = Container::new(&format!("{plugin}-more"));
            let outcome = node.call("ADD", &conf, &more).run();
            assert_eq!(code_naming(&outcome, "10.88.0.2"), 50, "{plugin}");
            node.del(&conf, &container);
            node.network_call("STATUS", &conf).run().success();
        }
        ip(&["link", "add", "br9", "type", "veth", "peer", "name", "br9-peer"]);
        let conf = with(&conf("bridge"), json!({ "bridge": "br9" }));
        let outcome = node.network_call("STATUS", &conf).run();
        assert_eq!(code_naming(&outcome, "br9"), 50);
        assert_eq!(node.files(), [""; 0]);
    });
}
