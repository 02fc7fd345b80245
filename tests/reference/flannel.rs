//! flannel, whose reference (flannel-io/cni-plugin) Debian does not have: what it keeps on disk is written
//! here as it writes it, and the reference bridge does its work.

use std::fs;

use serde_json::{Value, json};

use super::container;
use crate::harness::netns::names;
use crate::harness::node::{Container, Node, on_a_node, with};
use crate::harness::programs::require_reference;

const SUBNET_FILE: &str = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n\
    FLANNEL_MTU=1410\nFLANNEL_IPMASQ=true\n";

fn conf(node: &Node) -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "cbr0", "type": "flannel",
        "delegate": { "hairpinMode": true, "isDefaultGateway": true },
        "ipam": { "dataDir": node.data_dir() },
    })
}

/// `delegateAdd` of flannel.go: keys in Go's order of a map, the file named for the container.
fn reference_add(node: &Node, id: &str, container: &Container) {
    let rendered = format!(
        "{{\"cniVersion\":\"1.0.0\",\"hairpinMode\":true,\"ipMasq\":false,\"ipam\":{{\"dataDir\":{:?},\
         \"ranges\":[[{{\"subnet\":\"10.244.1.0/24\"}}]],\"routes\":[{{\"dst\":\"10.244.0.0/16\"}}],\
         \"type\":\"host-local\"}},\"isDefaultGateway\":true,\"isGateway\":true,\"mtu\":1410,\
         \"name\":\"cbr0\",\"type\":\"bridge\"}}",
        node.data_dir()
    );
    let dir = node.below("var/lib/cni/flannel");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(id), &rendered).unwrap();
    node.reference().add(&serde_json::from_str(&rendered).unwrap(), container);
}

/// `doCmdDel` of flannel_linux.go.
fn reference_del(node: &Node, container: &Container) {
    let file = node.below("var/lib/cni/flannel").join(&container.id);
    let Ok(text) = fs::read_to_string(&file) else { return };
    node.reference().del(&serde_json::from_str(&text).unwrap(), container);
    fs::remove_file(file).unwrap();
}

fn switched(test: impl FnOnce(&Node)) {
    on_a_node(|node| {
        if require_reference() {
            let file = node.below("run/flannel/subnet.env");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, SUBNET_FILE).unwrap();
            test(&node);
        }
    });
}

#[test]
fn what_the_reference_saved_is_used() {
    switched(|node| {
        for subnet in [true, false] {
            if !subnet {
                fs::remove_file(node.below("run/flannel/subnet.env")).unwrap();
            }
            let container = container("c");
            reference_add(node, &container.id, &container);
            // With the configuration changed since: what was saved counts.
            let conf = with(&conf(node), json!({ "delegate": {}, "ipam": null }));
            node.del(&conf, &container);
            assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
            assert_eq!(node.files(), [""; 0]);
            reference_add(node, &container.id, &container);
            node.call("DEL", &conf, &container).without("CNI_NETNS").run().success();
            assert_eq!(node.files(), [""; 0]);
            container.netns.exec("ip", &["link", "delete", "eth0"]);
        }
    });
}

#[test]
fn what_is_saved_the_reference_can_use() {
    switched(|node| {
        let container = container("c");
        node.add(&conf(node), &container);
        reference_del(node, &container);
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
        assert_eq!(node.reservations(), [] as [std::net::IpAddr; 0]);
        let left = node.files();
        assert!(left.len() == 1 && left[0].starts_with("journal "), "{left:?}");
        node.del(&conf(node), &container);
        assert_eq!(node.files(), [""; 0]);
    });
}

/// The same from both: what is rendered, links, addresses, routes.
#[test]
fn both_make_the_same() {
    switched(|node| {
        let container = container("c");
        let file = node.below("var/lib/cni/flannel").join(&container.id);
        let saved =
            || -> Value { serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap() };
        let seen =
            || (container.addresses(), container.routes(), container.interface()["mtu"].clone());
        reference_add(node, &container.id, &container);
        let (theirs, of_theirs) = (saved(), seen());
        reference_del(node, &container);
        // The pool goes round: from the first address again.
        let last = node.below("var/lib/cni/networks/cbr0/last_reserved_ip.0");
        fs::remove_file(last).unwrap();
        node.add(&conf(node), &container);
        assert_eq!(with(&saved(), json!({ "wasmcni/ifname": null })), theirs);
        assert_eq!(seen(), of_theirs);
        node.del(&conf(node), &container);
        assert_eq!(node.files(), [""; 0]);
    });
}
