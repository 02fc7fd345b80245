//! A node that is moved to wasmcni and back with its containers running.

use serde_json::{Value, json};

use super::container;
use crate::harness::exec::Exec;
use crate::harness::netns::{ip_json, names, nft_elements};
use crate::harness::node::{Container, Node, eventually, on_a_node, with};
use crate::harness::programs::require_reference;

/// Both implementations on one node, with the same directory of reservations.
fn on_one_node(test: impl FnOnce(&Node, &Node)) {
    on_a_node(|node| {
        if require_reference() {
            test(&node, &node.reference());
        }
    });
}

fn conf(node: &Node, plugin: &str, version: &str) -> Value {
    let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
    let ipam = json!({ "type": "host-local", "ranges": ranges, "dataDir": node.data_dir() });
    json!({
        "cniVersion": version, "name": "net", "type": plugin, "bridge": "br0", "isGateway": true,
        "ipMasq": plugin == "bridge", "ipam": ipam,
    })
}

/// What must be gone after DEL by the other implementation.
fn nothing_left(node: &Node, container: &Container, at: &str) {
    assert_eq!(node.files(), [""; 0], "{at}");
    assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"], "{at}");
    eventually(&format!("{at}: the node's end goes"), || {
        names(&ip_json(&["link"])).iter().all(|name| ["lo", "br0"].contains(&name.as_str()))
    });
}

/// DEL of what wasmcni made. With some versions of iptables 1.1.1 takes it for an error, when all is done,
/// that there is no chain of its own masquerade; the runtime's next DEL succeeds.
fn del_by_reference(theirs: &Node, conf: &Value, container: &Container) {
    let outcome = theirs.call("DEL", conf, container).run();
    if outcome.status != Some(0) {
        assert!(conf["ipMasq"] == true && outcome.stdout.contains("does not exist"), "{outcome:?}");
        theirs.del(conf, container);
    }
}

/// But for the iptables rules of the reference's masquerade, which `wasmcni doctor` lists: a call runs no
/// iptables. A stale one masquerades what the configuration has masqueraded anyway.
#[test]
fn wasmcni_removes_what_the_reference_made() {
    on_one_node(|ours, theirs| {
        for plugin in ["bridge", "ptp"] {
            for version in ["0.2.0", "0.3.1", "0.4.0", "1.0.0"] {
                let at = format!("{plugin} {version}");
                let conf = conf(ours, plugin, version);
                let container = container("c");
                let result = theirs.add(&conf, &container);
                if version >= "0.4.0" {
                    // What is there, it also finds right, but for the masquerade of another program.
                    let unmasked = with(&conf, json!({ "ipMasq": false }));
                    ours.check(&unmasked, &container, &result).success();
                }
                ours.del(&with(&conf, json!({ "prevResult": result })), &container);
                nothing_left(ours, &container, &at);
                assert_eq!(nft_elements(), [""; 0], "{at}");
                // And without its netns or its result, which is all that is left after a reboot.
                theirs.add(&conf, &container);
                ours.call("DEL", &conf, &container).without("CNI_NETNS").run().success();
                assert_eq!(ours.reservations(), [] as [std::net::IpAddr; 0], "{at}");
                container.netns.exec("ip", &["link", "delete", "eth0"]);
            }
        }
    });
}

#[test]
fn the_reference_removes_what_wasmcni_made() {
    on_one_node(|ours, theirs| {
        for plugin in ["bridge", "ptp"] {
            for version in ["0.2.0", "0.3.1", "0.4.0", "1.0.0"] {
                let at = format!("{plugin} {version}");
                let conf = conf(ours, plugin, version);
                let container = container("c");
                let result = ours.add(&conf, &container);
                let conf = if version >= "0.4.0" {
                    let conf = with(&conf, json!({ "prevResult": result }));
                    theirs.call("CHECK", &conf, &container).run().success();
                    conf
                } else {
                    conf
                };
                del_by_reference(theirs, &conf, &container);
                assert_eq!(ours.reservations(), [] as [std::net::IpAddr; 0], "{at}");
                assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"], "{at}");
                // What only wasmcni knows of goes with the DEL that the next one calls, or its GC.
                let gc = with(&conf, json!({ "cniVersion": "1.1.0", "prevResult": null }));
                let mut gc = gc;
                gc["cni.dev/valid-attachments"] = json!([]);
                ours.network_call("GC", &gc).run().success();
                nothing_left(ours, &container, &at);
                assert_eq!(nft_elements(), [""; 0], "{at}");
            }
        }
    });
}

/// After a removal by the reference the same attachment can be made again, by either.
#[test]
fn an_attachment_changes_hands() {
    on_one_node(|ours, theirs| {
        for plugin in ["bridge", "ptp"] {
            let conf = with(&conf(ours, plugin, "1.0.0"), json!({ "ipMasq": false }));
            let container = container("c");
            for turn in 0..4 {
                let (maker, remover) = if turn % 2 == 0 { (ours, theirs) } else { (theirs, ours) };
                let result = maker.add(&conf, &container);
                assert_eq!(container.addresses().len(), 2, "{plugin} {turn}");
                remover.del(&with(&conf, json!({ "prevResult": result })), &container);
            }
            ours.del(&conf, &container);
            nothing_left(ours, &container, plugin);
            assert_eq!(nft_elements(), [""; 0], "{plugin}");
        }
    });
}

/// One directory, used in turn and at once by both: no address twice, none lost.
#[test]
fn a_directory_of_reservations_is_shared() {
    on_one_node(|ours, theirs| {
        let netns = Container::new("any").netns;
        let conf = json!({
            "cniVersion": "1.0.0", "name": "net", "type": "host-local",
            "ipam": { "type": "host-local", "subnet": "10.77.0.0/24", "dataDir": ours.data_dir() },
        });
        let call = |node: &Node, verb: &str, id: usize| -> Exec {
            let call = node.network_call(verb, &conf).env("CNI_CONTAINERID", format!("c{id}"));
            call.env("CNI_IFNAME", "eth0").env("CNI_NETNS", netns.path().display().to_string())
        };
        let side = |id: usize| if id.is_multiple_of(2) { ours } else { theirs };
        let address = |result: &Value| result["ips"][0]["address"].as_str().unwrap().to_owned();
        // In turn, one after the other.
        for id in 0..10 {
            let result = call(side(id), "ADD", id).run().success();
            assert_eq!(address(&result), format!("10.77.0.{}/24", id + 2));
        }
        // Neither gives an attachment a second address that the other one gave it the first of.
        for id in 0..10 {
            call(side(id + 1), "ADD", id).run().failure();
        }
        // Each releases the other's.
        for id in 0..10 {
            call(side(id + 1), "DEL", id).run().success();
        }
        assert_eq!(ours.reservations(), [] as [std::net::IpAddr; 0]);
        // At once.
        let running: Vec<_> = (0..60).map(|id| call(side(id), "ADD", id).start()).collect();
        let results = running.into_iter().map(|call| address(&call.finish().success()));
        let distinct: std::collections::BTreeSet<String> = results.collect();
        assert_eq!(distinct.len(), 60);
        assert_eq!(ours.reservations().len(), 60);
        let running: Vec<_> = (0..60).map(|id| call(side(id + 1), "DEL", id).start()).collect();
        for call in running {
            call.finish().success();
        }
        assert_eq!(ours.reservations(), [] as [std::net::IpAddr; 0]);
    });
}

/// Containers of both, on one bridge, reach each other.
#[test]
fn containers_of_both_share_a_bridge() {
    on_one_node(|ours, theirs| {
        let conf = conf(ours, "bridge", "1.0.0");
        let [a, b, c] = ["a", "b", "c"].map(container);
        let result = ours.add(&conf, &a);
        theirs.add(&conf, &b);
        ours.add(&conf, &c);
        for (from, to) in [(&a, "10.77.0.3"), (&b, "10.77.0.4"), (&c, "fd77::2"), (&b, "10.77.0.1")]
        {
            assert!(from.netns.reaches(to), "{} to {to}", from.id);
        }
        ours.check(&conf, &a, &result).success();
        theirs.del(&conf, &b);
        ours.check(&conf, &a, &result).success();
        assert!(a.netns.reaches("10.77.0.4"));
    });
}
