//! DEL cannot be blocked: rows E4, E23 and E24.

use std::fs;

use serde_json::{Value, json};

use super::{PLUGINS, conf, versions};
use crate::harness::exec::Exec;
use crate::harness::node::{Container, Node, eventually, on_a_node, with};

/// Versions that differ in what DEL is given: since 0.4.0, ADD's result.
const SOME_VERSIONS: [&str; 4] = ["0.1.0", "0.3.1", "0.4.0", "1.1.0"];

/// Adds, does something, and has DEL called in some way: success, and nothing is left.
fn after_add(how: impl Fn(&Node, Container, Exec, &Value) -> Exec) {
    on_a_node(|node| {
        for plugin in PLUGINS {
            for version in SOME_VERSIONS {
                let conf = with(&conf(plugin), json!({ "cniVersion": version }));
                let container = Container::new("c");
                let result = node.add(&conf, &container);
                let del = node.call("DEL", &with(&conf, json!({ "prevResult": result })), &container);
                let del = how(&node, container, del, &conf);
                assert_eq!(del.run().success(), Value::Null, "{plugin} {version}");
                // A namespace that is gone takes its links with it some time later.
                eventually(&format!("{plugin} {version}: nothing left"), || node.leftovers(&["br0"]).is_empty());
                assert_eq!(del.run().success(), Value::Null, "{plugin} {version}, again");
            }
        }
    });
}

#[test]
fn of_what_was_added() {
    after_add(|_, container, del, _| {
        std::mem::forget(container);
        del.run().success();
        del
    });
}
