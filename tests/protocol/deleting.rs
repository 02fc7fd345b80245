//! DEL cannot be blocked: rows E4, E23 and E24.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{PLUGINS, conf, versions};
use crate::harness::exec::Exec;
use crate::harness::netns::Netns;
use crate::harness::node::{Container, Node, eventually, on_a_node, with};

/// Versions that differ in what DEL is given: since 0.4.0, ADD's result.
const SOME_VERSIONS: [&str; 4] = ["0.1.0", "0.3.1", "0.4.0", "1.1.0"];

/// An attachment that was made, and the DEL that a runtime would call.
struct Added<'a> {
    node: &'a Node,
    /// May be taken, and is gone then.
    netns: Option<Netns>,
    conf: Value,
    del: Exec,
}

impl Added<'_> {
    /// The netns goes, and its path with it.
    fn lose_netns(&mut self) {
        self.netns = None;
    }

    /// What wasmcni has written down goes, as in a reboot, but what it made stays.
    fn lose_journal(&mut self) {
        fs::remove_dir_all(self.node.below("run/wasmcni")).unwrap();
    }

    /// Stdin: the configuration with other keys.
    fn configured(&mut self, more: Value) {
        let conf = with(&self.conf, more).to_string();
        self.del = self.del.clone().stdin(conf);
    }
}

/// Adds, has something happen, and calls DEL: success, and nothing is left.
fn del_after(happening: impl Fn(&mut Added<'_>)) {
    on_a_node(|node| {
        for plugin in PLUGINS {
            for version in SOME_VERSIONS {
                let mut conf = with(&conf(plugin), json!({ "cniVersion": version }));
                let container = Container::new("c");
                let result = node.add(&conf, &container);
                assert!(
                    matches!(plugin, "static" | "loopback") || !node.leftovers(&["br0"]).is_empty()
                );
                if version >= "0.4.0" {
                    conf["prevResult"] = result;
                }
                let del = node.call("DEL", &conf, &container);
                let netns = Some(container.netns);
                let mut added = Added { node: &node, netns, conf, del };
                happening(&mut added);
                assert_eq!(added.del.run().success(), Value::Null, "{plugin} {version}");
                // A namespace that is gone takes its links with it some time later.
                let left = || node.leftovers(&["br0"]);
                let gone = added.netns.is_none();
                if gone {
                    eventually(&format!("{plugin} {version}: {:?} go", left()), || {
                        left().is_empty()
                    });
                }
                assert_eq!(left(), [""; 0], "{plugin} {version}");
                if let Some(netns) = &added.netns {
                    let links = crate::harness::netns::names(&netns.ip_json(&["link"]));
                    assert_eq!(links, ["lo"], "{plugin} {version}");
                }
                assert_eq!(added.del.run().success(), Value::Null, "{plugin} {version}, again");
                let _ = fs::remove_file("/run/netns/c");
            }
        }
    });
}

#[test]
fn of_what_was_added() {
    del_after(|_| {});
}

/// Row E4.
#[test]
fn without_a_netns() {
    del_after(|added| added.del = added.del.clone().without("CNI_NETNS"));
}

#[test]
fn after_the_netns() {
    del_after(|added| added.lose_netns());
}

/// The runtime's mount is gone, the file that it was mounted on is not.
#[test]
fn after_the_netns_but_not_its_path() {
    del_after(|added| {
        added.lose_netns();
        fs::write("/run/netns/c", "").unwrap();
        added.del = added.del.clone().env("CNI_NETNS", "/run/netns/c");
    });
}

#[test]
fn without_the_result() {
    del_after(|added| added.configured(json!({ "prevResult": null })));
}

#[test]
fn without_the_result_and_after_the_netns() {
    del_after(|added| {
        added.configured(json!({ "prevResult": null }));
        added.lose_netns();
    });
}

/// Row E24.
#[test]
fn with_a_damaged_result() {
    for_each_damage(|damage| json!({ "prevResult": damage }));
}

fn for_each_damage(more: impl Fn(Value) -> Value) {
    let turn = std::cell::Cell::new(0);
    let damages = [
        json!("x"),
        json!([]),
        json!({ "cniVersion": "9.9.9" }),
        json!({ "cniVersion": "0.2.0", "ip4": 1 }),
        json!({ "cniVersion": "1.0.0", "ips": [{ "address": "nonsense" }], "interfaces": null }),
        json!({ "ips": [{ "address": "10.77.0.200/24", "interface": 9 }] }),
    ];
    del_after(|added| {
        let damage = damages[turn.get() % damages.len()].clone();
        turn.set(turn.get() + 1);
        added.configured(more(damage));
    });
}

/// The netns is there, and so is what another boot's journal would have told.
#[test]
fn without_the_journal() {
    del_after(|added| added.lose_journal());
}

#[test]
fn without_the_journal_and_after_the_netns() {
    del_after(|added| {
        added.lose_journal();
        added.lose_netns();
    });
}

/// Of the configuration only the network's name and the plugin are what they were: the journal knows.
#[test]
fn with_another_configuration() {
    del_after(|added| {
        added.configured(json!({
            "bridge": null, "ipMasq": null, "macspoofchk": null, "ipam": null, "prevResult": null
        }));
    });
}

/// Every key is broken that was right at ADD.
#[test]
fn with_a_broken_configuration() {
    del_after(|added| {
        added.configured(json!({
            "bridge": 1, "ipMasq": "x", "macspoofchk": [], "mtu": {}, "vlan": 5000, "runtimeConfig": 7
        }));
    });
}

/// Someone was faster with all that DEL would remove.
#[test]
fn of_what_is_gone_already() {
    del_after(|added| {
        let netns = added.netns.as_ref().unwrap();
        let _ = netns.command("ip").args(["link", "delete", "eth0"]).output().unwrap();
        crate::harness::netns::flush_nft();
        for address in added.node.reservations() {
            let network = Path::new(&added.node.data_dir()).join("net");
            fs::remove_file(network.join(address.to_string())).unwrap();
        }
    });
}

/// Row E23, last part.
#[test]
fn of_what_was_never_added() {
    on_a_node(|node| {
        let container = Container::new("c");
        for plugin in PLUGINS {
            for version in versions() {
                let conf = with(&conf(plugin), json!({ "cniVersion": version }));
                let del = node.call("DEL", &conf, &container);
                for del in [
                    del.clone(),
                    del.clone().without("CNI_NETNS"),
                    del.env("CNI_NETNS", "/nonexistent"),
                ] {
                    assert_eq!(del.run().success(), Value::Null, "{plugin} {version}");
                    assert_eq!(node.leftovers(&[]), [""; 0], "{plugin} {version}");
                }
            }
        }
    });
}

/// DEL of one attachment leaves the others of its container, its network and its node alone.
#[test]
fn of_one_attachment_only() {
    on_a_node(|node| {
        let [a, b] = [Container::new("a"), Container::new("b")];
        let netns = Netns::alias(&a.netns, "a-again");
        let again = Container { netns, id: a.id.clone(), ifname: "net1".to_owned() };
        // Two links to the same network are nothing that `ptp` can route.
        for (plugin, others) in [("bridge", vec![&again, &b]), ("ptp", vec![&b])] {
            let conf = conf(plugin);
            let results: Vec<_> =
                others.into_iter().map(|other| (other, node.add(&conf, other))).collect();
            node.add(&conf, &a);
            for _ in 0..2 {
                node.del(&conf, &a);
                for (other, result) in &results {
                    node.check(&conf, other, result).success();
                }
            }
            for (other, _) in results {
                node.del(&conf, other);
            }
            assert_eq!(node.leftovers(&["br0"]), [""; 0], "{plugin}");
        }
    });
}
