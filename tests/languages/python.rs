//! sticky, an IPAM plugin: delegate of the bundled bridge.

use std::fs;

use serde_json::{Value, json};

use super::{narrowed, on_a_node_granting, on_a_node_with, refused};
use crate::harness::node::{Container, Node};

fn bridge(node: &Node) -> Value {
    json!({ "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "cni9", "isGateway": true,
            "ipam": { "type": "sticky", "subnets": ["10.9.0.0/24", "fd00:9::/64"],
                      "dataDir": node.data_dir() } })
}

/// ADD for a pod, which must succeed: the addresses.
#[track_caller]
fn add_pod(node: &Node, conf: &Value, container: &Container, pod: &str) -> (Value, Vec<String>) {
    let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=team;K8S_POD_NAME={pod}");
    let result = node.call("ADD", conf, container).env("CNI_ARGS", args).run().success();
    let ips = result["ips"].as_array().unwrap().iter();
    let mut addresses: Vec<String> =
        ips.map(|ip| ip["address"].as_str().unwrap().to_owned()).collect();
    addresses.sort();
    (result, addresses)
}

#[test]
#[ignore = "needs other languages' tools: tests/languages.sh"]
fn an_ipam_plugin_in_python_serves_the_bundled_bridge() {
    on_a_node_with("python", "sticky", |node| {
        let conf = bridge(node);
        let (a, b) = (Container::new("a"), Container::new("b"));
        let (result, first) = add_pod(node, &conf, &a, "web-0");
        // The kernel has what the result says.
        assert_eq!(a.addresses(), first);
        assert!(
            a.routes().contains(&"default via 10.9.0.1 dev eth0".to_owned()),
            "{:?}",
            a.routes()
        );
        // Another container of the same pod wants the same addresses, and gets others.
        let (other, second) = add_pod(node, &conf, &b, "web-0");
        assert_eq!(b.addresses(), second);
        assert!(first.iter().all(|address| !second.contains(address)), "{first:?} {second:?}");
        assert_eq!(node.reservations().len(), 4);
        assert!(a.netns.reaches(second[0].split('/').next().unwrap()));
        assert_eq!(node.check(&conf, &a, &result).status, Some(0));
        let again = node.call("ADD", &conf, &a.with_interface("eth1")).run();
        again.success();
        node.del(&conf, &a.with_interface("eth1"));

        // The pod comes back in another container: it has its address again.
        node.del(&conf, &a);
        node.del(&conf, &a);
        let (_, back) = add_pod(node, &conf, &Container { id: "other".to_owned(), ..a }, "web-0");
        assert_eq!(back, first);
        // Of two containers one is not valid any more.
        let valid = json!([{ "containerID": b.id, "ifname": "eth0" }]);
        let gc = crate::harness::node::with(&conf, json!({ "cni.dev/valid-attachments": valid }));
        node.network_call("GC", &gc).run().success();
        assert_eq!(node.reservations().len(), 2);
        assert_eq!(node.check(&conf, &b, &other).status, Some(0));
        node.del(&conf, &b);
        assert_eq!(node.leftovers(&["cni9"]), Vec::<String>::new());
        node.network_call("STATUS", &conf).run().success();
    });
}

#[test]
#[ignore = "needs other languages' tools: tests/languages.sh"]
fn check_in_python_tells_what_is_gone() {
    on_a_node_with("python", "sticky", |node| {
        let conf = bridge(node);
        let container = Container::new("a");
        let result = node.add(&conf, &container);
        let address = node.reservations()[0];
        fs::remove_file(node.below("var/lib/cni/networks/net").join(address.to_string())).unwrap();
        let changed = node.check(&conf, &container, &result);
        refused(&changed, 110, "the container holds no address of \"10.9.0.0/24\"");
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&["cni9"]), Vec::<String>::new());
        let wrong = crate::harness::node::with(
            &conf,
            json!({ "ipam": { "type": "sticky", "subnets": ["10.9.0.1/24"] } }),
        );
        refused(&node.call("ADD", &wrong, &container).run(), 7, "10.9.0.1/24 has host bits set");
        assert_eq!(node.leftovers(&["cni9"]), Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs other languages' tools: tests/languages.sh"]
fn python_reserves_nothing_that_it_was_not_granted() {
    let narrow = narrowed("python", "within = \"any\"", "within = \"10.9.1.0/24\"");
    on_a_node_granting("python", "sticky", &narrow, |node| {
        let container = Container::new("a");
        let denied = node.call("ADD", &bridge(node), &container).run();
        refused(&denied, 100, "sticky: reservations.reserve within=10.9.0.");
        refused(&denied, 100, "sticky.toml:14 allows within \"10.9.1.0/24\"");
        assert_eq!(node.leftovers(&["cni9"]), Vec::<String>::new());
    });
}
