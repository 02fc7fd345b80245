//! `loopback`: the container's `lo`, whatever CNI_IFNAME says.

use serde_json::json;

use super::failed;
use crate::harness::node::{Container, on_a_node, with};

#[test]
fn lo_is_raised_and_lowered() {
    on_a_node(|node| {
        for ifname in ["lo", "eth0"] {
            let container = Container { ifname: ifname.to_owned(), ..Container::new("c") };
            let conf = json!({ "cniVersion": "1.0.0", "name": "lo", "type": "loopback" });
            let up = || container.netns.ip_json(&["link", "show", "dev", "lo"])[0]["flags"].clone();
            assert!(!up().as_array().unwrap().contains(&json!("UP")));
            let result = node.add(&conf, &container);
            assert!(up().as_array().unwrap().contains(&json!("UP")));
            assert!(container.netns.reaches("127.0.0.1") && container.netns.reaches("::1"));
            let sandbox = container.netns.path().to_str().unwrap();
            let lo = json!({ "name": "lo", "mac": "00:00:00:00:00:00", "sandbox": sandbox });
            assert_eq!(result["interfaces"], json!([lo]));
            assert_eq!(
                result["ips"],
                json!([{ "interface": 0, "address": "127.0.0.1/8" }, { "interface": 0, "address": "::1/128" }])
            );
            node.check(&conf, &container, &result).success();
            // ADD again, as a runtime does that restarts a sandbox.
            assert_eq!(node.add(&conf, &container), result);
            container.netns.exec("ip", &["link", "set", "lo", "down"]);
            failed(&node.check(&conf, &container, &result), 110, "lo");
            node.del(&conf, &container);
            assert!(!up().as_array().unwrap().contains(&json!("UP")));
            assert_eq!(node.leftovers(&[]), [""; 0]);
        }
    });
}

/// In a chain it passes on what it was given.
#[test]
fn a_former_result_is_passed_on() {
    on_a_node(|node| {
        let container = Container::new("c");
        let former = json!({
            "cniVersion": "1.0.0", "interfaces": [{ "name": "eth0", "mac": "02:00:00:00:00:0a", "sandbox": "/x" }],
            "ips": [{ "interface": 0, "address": "10.1.0.5/16", "gateway": "10.1.0.1" }],
            "routes": [{ "dst": "0.0.0.0/0", "mtu": 1400, "table": 0 }],
            "dns": { "nameservers": ["10.1.0.1"] },
        });
        let conf = json!({ "cniVersion": "1.0.0", "name": "lo", "type": "loopback", "prevResult": former });
        assert_eq!(node.add(&conf, &container), former);
        // In the words of the configuration's version.
        let newer = node.add(&with(&conf, json!({ "cniVersion": "1.1.0" })), &container);
        assert_eq!(newer, with(&former, json!({ "cniVersion": "1.1.0" })));
        node.del(&conf, &container);
    });
}

/// What is on `lo` then is not the kernel's doing.
#[test]
fn other_addresses_of_lo_are_an_error() {
    on_a_node(|node| {
        for address in ["10.1.0.1/32", "fd01::1/128"] {
            let container = Container::new("c");
            container.netns.exec("ip", &["addr", "add", address, "dev", "lo"]);
            let conf = json!({ "cniVersion": "1.0.0", "name": "lo", "type": "loopback" });
            let outcome = node.call("ADD", &conf, &container).run();
            failed(&outcome, 999, address);
            node.del(&conf, &container);
        }
    });
}
