//! harden, a chained plugin.

use std::fs;

use serde_json::{Value, json};

use super::{narrowed, on_a_node_granting, on_a_node_with, refused};
use crate::harness::node::{Container, Node, with};

/// Settings of the container's interface, and what the plugin makes of them.
const SETTINGS: [(&str, &str); 4] = [
    ("ipv4/conf/eth0/rp_filter", "1"),
    ("ipv4/conf/eth0/accept_source_route", "0"),
    ("ipv6/conf/eth0/accept_ra", "0"),
    ("ipv6/conf/eth0/accept_redirects", "0"),
];

fn list(node: &Node) -> Value {
    json!({ "cniVersion": "1.0.0", "name": "net", "plugins": [
        { "type": "bridge", "bridge": "cni9",
          "ipam": { "type": "host-local", "subnet": "10.9.0.0/24", "dataDir": node.data_dir() } },
        { "type": "harden" } ] })
}

fn read(container: &Container) -> Vec<String> {
    container.netns.inside(|| {
        let value = |key: &str| fs::read_to_string(format!("/proc/sys/net/{key}")).unwrap();
        SETTINGS.iter().map(|(key, _)| value(key).trim().to_owned()).collect()
    })
}

#[test]
#[ignore = "needs other languages' tools: tests/languages.sh"]
fn a_chained_plugin_in_c_writes_settings_and_puts_them_back() {
    on_a_node_with("c", "harden", |node| {
        let (container, list) = (Container::new("a"), list(node));
        let own = json!({ "cniVersion": "1.0.0", "name": "net" });
        let before = node.add(&with(&list["plugins"][0], own.clone()), &container);
        let former = read(&container);
        let hardened = SETTINGS.map(|(_, value)| value.to_owned()).to_vec();
        assert_ne!(former, hardened);
        let conf = with(&with(&list["plugins"][1], own), json!({ "prevResult": before }));
        let result = node.add(&conf, &container);
        assert_eq!(result, before, "it passes on what came before");
        assert_eq!(read(&container), hardened);
        assert_eq!(node.check_list(&list, &container, &result).status, Some(0));

        container
            .netns
            .inside(|| fs::write("/proc/sys/net/ipv6/conf/eth0/accept_ra", "1").unwrap());
        let changed = node.check_list(&list, &container, &result);
        refused(&changed, 110, "\"net/ipv6/conf/eth0/accept_ra\" is \"1\", not \"0\"");
        node.del(&conf, &container);
        assert_eq!(read(&container), former);
        node.del_list(&list, &container, &result);
        node.del_list(&list, &container, &result);
        assert_eq!(node.leftovers(&["cni9"]), Vec::<String>::new());
        let alone = json!({ "cniVersion": "1.0.0", "name": "net", "type": "harden" });
        refused(&node.call("ADD", &alone, &container).run(), 7, "reading \"prevResult\": missing");
    });
}

#[test]
#[ignore = "needs other languages' tools: tests/languages.sh"]
fn c_writes_nothing_that_it_was_not_granted() {
    // All but the last, so that there is something to take back.
    let last = "    \"net/ipv6/conf/@ifname/accept_redirects\",\n]\nvalue";
    let narrow = narrowed("c", last, "]\nvalue");
    on_a_node_granting("c", "harden", &narrow, |node| {
        let (container, list) = (Container::new("a"), list(node));
        let own = json!({ "cniVersion": "1.0.0", "name": "net" });
        let before = node.add(&with(&list["plugins"][0], own.clone()), &container);
        let former = read(&container);
        let conf = with(&with(&list["plugins"][1], own), json!({ "prevResult": before }));
        let denied = node.call("ADD", &conf, &container).run();
        refused(&denied, 100, "harden: sysctl.write key=\"net/ipv6/conf/eth0/accept_redirects\"");
        assert_eq!(read(&container), former);
        node.del_list(&list, &container, &Value::Null);
        assert_eq!(node.leftovers(&["cni9"]), Vec::<String>::new());
    });
}
