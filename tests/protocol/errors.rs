//! What an error looks like: row E14.

use serde_json::json;

use super::{call, conf, node};
use crate::harness::node::with;

/// Whatever goes wrong, and wherever: one JSON object on stdout, nothing beside it, and exit code 1. It is in
/// the version that the configuration states, where one can be read.
#[test]
fn errors_are_one_object_on_stdout() {
    let node = node("errors");
    let bridge = conf("bridge");
    for (call, code, labelled) in [
        (call(&node, "FOO", &bridge), 4, Some("1.1.0")),
        (call(&node, "ADD", &bridge).without("CNI_IFNAME"), 4, Some("1.1.0")),
        (call(&node, "ADD", &bridge).stdin("{"), 6, None),
        (call(&node, "ADD", &bridge).stdin([0xff, 0xfe]), 6, None),
        (call(&node, "ADD", &with(&bridge, json!({ "name": "a/b" }))), 7, Some("1.1.0")),
        (call(&node, "ADD", &with(&bridge, json!({ "cniVersion": "7.0.0" }))), 1, None),
        (call(&node, "ADD", &with(&bridge, json!({ "cniVersion": "0.3.1" }))), 8, Some("0.3.1")),
        (call(&node, "STATUS", &with(&bridge, json!({ "vlan": 5000 }))), 7, Some("1.1.0")),
        (call(&node, "STATUS", &with(&bridge, json!({ "mtu": "x" }))), 7, Some("1.1.0")),
        (call(&node, "GC", &bridge), 7, Some("1.1.0")),
    ] {
        let outcome = call.run();
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        let error = outcome.json();
        let mut keys: Vec<_> = error.as_object().unwrap().keys().cloned().collect();
        keys.retain(|key| key != "cniVersion");
        assert_eq!(keys, ["code", "details", "msg"], "{outcome:?}");
        assert_eq!(error["code"], code, "{outcome:?}");
        assert!(error["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{outcome:?}");
        assert_eq!(error["cniVersion"].as_str(), labelled, "{outcome:?}");
    }
}
