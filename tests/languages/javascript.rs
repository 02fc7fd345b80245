//! private-routes, a chained plugin.

use serde_json::{Value, json};

use super::{on_a_node_with, refused};
use crate::harness::node::{Container, Node, with};

fn list(node: &Node, routes: &Value, allowed: &Value) -> Value {
    let ipam = json!({ "type": "host-local", "dataDir": node.data_dir(),
                       "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "fd00:9::/64" }]] });
    json!({ "cniVersion": "1.0.0", "name": "net", "plugins": [
        { "type": "bridge", "bridge": "cni9", "isGateway": true, "ipam": ipam },
        { "type": "private-routes", "routes": routes, "allowed": allowed } ] })
}

/// ADD of the list, of which the last plugin fails; then DEL, as a runtime does it.
#[track_caller]
fn fails(node: &Node, list: &Value, container: &Container, code: u32, reason: &str) {
    let own = json!({ "cniVersion": "1.0.0", "name": "net" });
    let before = node.add(&with(&list["plugins"][0], own.clone()), container);
    let routes = container.routes();
    let conf = with(&with(&list["plugins"][1], own), json!({ "prevResult": before }));
    refused(&node.call("ADD", &conf, container).run(), code, reason);
    assert_eq!(container.routes(), routes, "nothing of it is left");
    node.del_list(list, container, &Value::Null);
    assert_eq!(node.leftovers(&["cni9"]), Vec::<String>::new());
}

#[test]
#[ignore = "needs other languages' tools: tests/languages.sh"]
fn a_chained_plugin_in_javascript_adds_routes() {
    on_a_node_with("javascript", "private-routes", |node| {
        let container = Container::new("a");
        let routes = json!([{ "dst": "10.50.0.0/16" }, { "dst": "10.60.0.0/16", "gw": "10.9.0.7" },
                            { "dst": "fd50::/32", "gw": "fd00:9::7" }]);
        let list = list(node, &routes, &json!(["10.0.0.0/8", "fd00::/8"]));
        let result = node.add_list(&list, &container);
        let told: Vec<_> = result["routes"].as_array().unwrap().iter().map(|r| &r["dst"]).collect();
        assert_eq!(told, ["10.50.0.0/16", "10.60.0.0/16", "fd50::/32"]);
        let there = container.routes();
        for route in ["10.50.0.0/16 via 10.9.0.1 dev eth0", "10.60.0.0/16 via 10.9.0.7 dev eth0"] {
            assert!(there.contains(&route.to_owned()), "{route}: {there:?}");
        }
        assert!(
            there.iter().any(|r| r.starts_with("fd50::/32 via fd00:9::7 dev eth0")),
            "{there:?}"
        );
        assert_eq!(node.check_list(&list, &container, &result).status, Some(0));

        let own = json!({ "cniVersion": "1.0.0", "name": "net", "prevResult": result });
        let conf = with(&list["plugins"][1], own);
        container.netns.exec("ip", &["route", "delete", "10.60.0.0/16"]);
        let changed = node.check(&conf, &container, &result);
        refused(&changed, 110, "the container has no route to 10.60.0.0/16 by its gateway");
        // DEL of the plugin alone, with a route missing, and again: the others go, and nothing is wrong.
        for _ in 0..2 {
            node.del(&conf, &container);
            assert!(
                !container.routes().iter().any(|r| r.contains("via")),
                "{:?}",
                container.routes()
            );
        }
        node.del_list(&list, &container, &result);
        node.del_list(&list, &container, &result);
        assert_eq!(node.leftovers(&["cni9"]), Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs other languages' tools: tests/languages.sh"]
fn routes_outside_of_what_is_allowed_are_refused() {
    on_a_node_with("javascript", "private-routes", |node| {
        let container = Container::new("a");
        let routes = json!([{ "dst": "10.50.0.0/16" }, { "dst": "192.0.2.0/24" }]);
        // By the plugin, as the network says.
        let own = list(node, &routes, &json!(["10.0.0.0/8"]));
        fails(node, &own, &container, 7, "\"192.0.2.0/24\" is outside of what \"allowed\" has");
        // By the gate, whatever the network says; the route that was added before is taken back.
        let wide = list(node, &routes, &json!(["0.0.0.0/0"]));
        fails(
            node,
            &wide,
            &container,
            100,
            "private-routes: route.add name=\"eth0\" to=192.0.2.0/24",
        );
    });
}
