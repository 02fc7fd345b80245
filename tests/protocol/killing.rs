//! An ADD that is killed half-way: the easy half of row E41.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::harness::node::{Container, Node, eventually, on_a_node};

/// Says that it was reached, and then waits until the test lets it go on.
const WAITING: &str = r#"#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exit 0
: > /run/reached
read -r line < /run/go-on
echo '{"ips": [{"address": "10.66.0.9/24", "gateway": "10.66.0.1"}]}'
"#;

fn node_with_waiting_delegate(node: &Node) {
    let program = node.plugins().join("acme-ipam");
    fs::write(&program, WAITING).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    node.allow_natives(&["acme-ipam"]);
    nix::unistd::mkfifo("/run/go-on", nix::sys::stat::Mode::S_IRWXU).unwrap();
}

/// The bridge is made and the veth is on it when IPAM is asked, and the plugin is killed.
#[test]
fn after_a_kill_del_and_add_work() {
    on_a_node(|node| {
        node_with_waiting_delegate(&node);
        let conf = json!({
            "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
            "isGateway": true, "ipMasq": true, "macspoofchk": true, "ipam": { "type": "acme-ipam" },
        });
        let container = Container::new("c");
        for with_del in [true, false] {
            let add = node.call("ADD", &conf, &container).start();
            eventually("IPAM is asked", || Path::new("/run/reached").exists());
            add.kill();
            fs::remove_file("/run/reached").unwrap();
            // The delegate has lost its caller, and ends.
            fs::write("/run/go-on", "\n").unwrap();
            let left = node.leftovers(&[]);
            assert!(left.iter().any(|l| l.starts_with("journal")), "{left:?}");
            assert!(left.iter().any(|l| l.starts_with("link veth")), "{left:?}");
            if with_del {
                node.del(&conf, &container);
                assert_eq!(node.leftovers(&[]), [""; 0]);
            }
            // Without a DEL, the next ADD finds the remains and removes them.
            let add = node.call("ADD", &conf, &container).start();
            eventually("IPAM is asked", || Path::new("/run/reached").exists());
            fs::remove_file("/run/reached").unwrap();
            fs::write("/run/go-on", "\n").unwrap();
            let result = add.finish().success();
            assert_eq!(container.addresses(), ["10.66.0.9/24"]);
            let veths = node.leftovers(&["br0"]);
            assert_eq!(veths.iter().filter(|l| l.starts_with("link")).count(), 1, "{veths:?}");
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
            assert_eq!(node.leftovers(&["br0"]), [""; 0]);
            crate::harness::netns::ip(&["link", "delete", "br0"]);
        }
    });
}
