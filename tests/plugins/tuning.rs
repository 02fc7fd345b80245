//! `tuning`: sysctls of the container, and its interface's settings, as long as the attachment lives.

use std::fs;

use serde_json::{Value, json};

use super::{chain, failed};
use crate::harness::netns::sysctl;
use crate::harness::node::{Container, Node, on_a_node, plugins_of, with};

fn tuning(more: Value) -> Value {
    chain(with(&json!({ "type": "tuning" }), more))
}

/// What tuning can change of the container's interface.
fn settings(container: &Container) -> Value {
    let link = container.interface();
    let has = |flag: &str| link["flags"].as_array().unwrap().contains(&flag.into());
    json!({
        "mac": link["address"], "mtu": link["mtu"], "promisc": has("PROMISC"),
        // `ip` leaves a zero out.
        "allmulti": has("ALLMULTI"), "txQLen": link["txqlen"].as_u64().unwrap_or(0),
    })
}

fn in_container(container: &Container, key: &str) -> String {
    container.netns.inside(|| sysctl(key))
}

/// The bridge alone, so that tuning's own ADD and DEL can be looked at.
fn with_bridge(node: &Node, container: &Container, list: &Value) -> (Value, Value) {
    let [bridge, tuning] = [0, 1].map(|n| plugins_of(list)[n].clone());
    let result = node.add(&bridge, container);
    (with(&tuning, json!({ "prevResult": result })), bridge)
}

#[test]
fn each_key_is_done_told_checked_and_taken_back() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (keys, changed) in [
            (json!({}), json!({})),
            (json!({ "mac": "02:00:00:00:00:09" }), json!({ "mac": "02:00:00:00:00:09" })),
            (json!({ "mtu": 1400 }), json!({ "mtu": 1400 })),
            (json!({ "promisc": true }), json!({ "promisc": true })),
            (json!({ "promisc": false }), json!({})),
            (json!({ "allmulti": true }), json!({ "allmulti": true })),
            (json!({ "allmulti": false }), json!({})),
            (json!({ "txQLen": 77 }), json!({ "txQLen": 77 })),
            (json!({ "txQLen": 0 }), json!({ "txQLen": 0 })),
            (
                json!({ "mac": "02:00:00:00:00:0a", "mtu": 1300, "promisc": true, "allmulti": true,
                        "txQLen": 5 }),
                json!({ "mac": "02:00:00:00:00:0a", "mtu": 1300, "promisc": true, "allmulti": true,
                        "txQLen": 5 }),
            ),
        ] {
            let list = tuning(keys.clone());
            let (conf, bridge) = with_bridge(&node, &container, &list);
            let before = settings(&container);
            let result = node.add(&conf, &container);
            let expected = with(&before, changed);
            assert_eq!(settings(&container), expected, "{keys}");
            let mut told = conf["prevResult"].clone();
            told["interfaces"][2]["mac"] = expected["mac"].clone();
            if !keys["mtu"].is_null() {
                told["interfaces"][2]["mtu"] = expected["mtu"].clone();
            }
            assert_eq!(result, told, "{keys}");
            node.check_list(&list, &container, &result).success();
            node.del(&conf, &container);
            assert_eq!(settings(&container), before, "{keys}, after DEL");
            node.del(&bridge, &container);
            assert_eq!(node.leftovers(&["br0"]), [""; 0], "{keys}");
        }
    });
}

/// `promisc` is only ever switched on; `allmulti` is switched off too, and on again at the end.
#[test]
fn what_is_on_already() {
    on_a_node(|node| {
        let container = Container::new("c");
        let (conf, bridge) =
            with_bridge(&node, &container, &tuning(json!({ "promisc": false, "allmulti": false })));
        for mode in ["promisc", "allmulticast"] {
            container.netns.exec("ip", &["link", "set", "eth0", mode, "on"]);
        }
        let before = settings(&container);
        assert_eq!((&before["promisc"], &before["allmulti"]), (&json!(true), &json!(true)));
        node.add(&conf, &container);
        assert_eq!(settings(&container), with(&before, json!({ "allmulti": false })));
        node.del(&conf, &container);
        assert_eq!(settings(&container), before);
        node.del(&bridge, &container);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

#[test]
fn sysctls_are_set_and_put_back() {
    on_a_node(|node| {
        let container = Container::new("c");
        let list = tuning(json!({ "sysctl": {
            "net.ipv4.ip_default_ttl": "70", "net/ipv4/conf/IFNAME/arp_filter": "1",
            "net.ipv4.ip_local_port_range": "20000 30000", "net.ipv4.route.flush": "1",
        } }));
        let (conf, bridge) = with_bridge(&node, &container, &list);
        let keys = [
            "net/ipv4/ip_default_ttl",
            "net/ipv4/conf/eth0/arp_filter",
            "net/ipv4/ip_local_port_range",
        ];
        let read = || keys.map(|key| in_container(&container, key));
        let (before, on_node) =
            (read(), keys.map(|k| fs::read_to_string(format!("/proc/sys/{k}")).ok()));
        let result = node.add(&conf, &container);
        assert_eq!(read(), ["70", "1", "20000\t30000"]);
        // What can only be written is not compared.
        node.check(&plugins_of(&list)[1], &container, &result).success();
        let after = keys.map(|k| fs::read_to_string(format!("/proc/sys/{k}")).ok());
        assert_eq!(after, on_node, "the node's own");
        node.del(&conf, &container);
        assert_eq!(read(), before);
        node.del(&bridge, &container);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// What is not of the interface, the container's other attachment may count on.
#[test]
fn a_sysctl_of_the_container_stays_with_its_other_attachment() {
    on_a_node(|node| {
        let first = Container::new("c");
        let list = tuning(json!({ "sysctl": {
            "net.ipv4.ip_default_ttl": "70", "net.ipv4.conf.IFNAME.arp_filter": "1"
        } }));
        let (conf, bridge) = with_bridge(&node, &first, &list);
        node.add(&conf, &first);
        // What the runtime knows as another attachment of this container.
        let second = with(&bridge, json!({ "name": "other" }));
        let call = |verb| node.call(verb, &second, &first).env("CNI_IFNAME", "eth1");
        call("ADD").run().success();
        node.del(&conf, &first);
        assert_eq!(in_container(&first, "net/ipv4/ip_default_ttl"), "70");
        assert_eq!(in_container(&first, "net/ipv4/conf/eth0/arp_filter"), "0");
        call("DEL").run().success();
        node.del(&bridge, &first);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

#[test]
fn the_nodes_list_says_what_networks_may_set() {
    on_a_node(|node| {
        let container = Container::new("c");
        let path = node.below("etc/cni/tuning/allowlist.conf");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let list = tuning(json!({ "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" } }));
        let args = json!({ "cni": { "sysctl": { "net.ipv4.ip_default_ttl": "70" } } });
        let with_args = tuning(json!({ "args": args }));
        let add = |list: &Value| {
            let (conf, bridge) = with_bridge(&node, &container, list);
            let outcome = node.call("ADD", &conf, &container).run();
            node.del(&conf, &container);
            node.del(&bridge, &container);
            outcome
        };
        for lines in ["^net.ipv4.conf.IFNAME.[a-z_]*$\n", "# x\n\n  arp_filter  \r\n"] {
            fs::write(&path, lines).unwrap();
            add(&list).success();
            failed(&add(&with_args), 7, "net.ipv4.ip_default_ttl");
        }
        for lines in ["", "\n", "^arp_filter$"] {
            fs::write(&path, lines).unwrap();
            failed(&add(&list), 7, "net.ipv4.conf.IFNAME.arp_filter");
            assert_eq!(in_container(&container, "net/ipv4/ip_default_ttl"), "64");
        }
        fs::write(&path, "net\n[a-\n").unwrap();
        failed(&add(&list), 999, "[a-");
        add(&tuning(json!({ "mtu": 1400 }))).success();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        failed(&add(&list), 999, "allowlist.conf");
        fs::remove_dir(&path).unwrap();
        add(&list).success();
        add(&with_args).success();
    });
}

#[test]
fn of_several_places_the_nearest_counts() {
    on_a_node(|node| {
        let container = Container::new("c");
        let [a, b, c, d] = [1, 2, 3, 4].map(|n| format!("02:00:00:00:00:0{n}"));
        let args = json!({ "cni": { "mac": d, "mtu": 1300, "promisc": true, "allmulti": true,
                                    "txQLen": 9, "sysctl": { "net.ipv4.ip_default_ttl": "71" } } });
        let runtime = json!({ "mac": c });
        for (keys, argument, mac) in [
            (json!({ "mac": a }), "", &a),
            (json!({ "mac": a }), &*format!("IgnoreUnknown=1;MAC={b}"), &b),
            (json!({ "mac": a, "runtimeConfig": runtime }), &*format!("MAC={b}"), &c),
            (json!({ "mac": a, "runtimeConfig": runtime, "args": args }), "", &d),
        ] {
            let list =
                tuning(with(&keys, json!({ "sysctl": { "net.ipv4.ip_default_ttl": "70" } })));
            let (conf, bridge) = with_bridge(&node, &container, &list);
            let outcome = node.call("ADD", &conf, &container).env("CNI_ARGS", argument).run();
            assert_eq!(outcome.success()["interfaces"][2]["mac"], **mac, "{keys}");
            assert_eq!(settings(&container)["mac"], **mac, "{keys}");
            if !keys["args"].is_null() {
                let expected = json!({ "mac": d, "mtu": 1300, "promisc": true, "allmulti": true,
                                       "txQLen": 9 });
                assert_eq!(settings(&container), expected);
                assert_eq!(in_container(&container, "net/ipv4/ip_default_ttl"), "71");
            }
            node.del(&conf, &container);
            node.del(&bridge, &container);
        }
    });
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (keys, code, named) in [
            (json!({ "mtu": -1 }), 7, "mtu"),
            (json!({ "mac": "x" }), 7, "mac"),
            (json!({ "sysctl": { "kernel.shmmax": "1" } }), 7, "kernel.shmmax"),
            (json!({ "sysctl": { "net.ipv4.conf": "1" } }), 999, "net.ipv4.conf"),
            (json!({ "sysctl": { "net.no.such": "1" } }), 999, "net.no.such"),
            (json!({ "sysctl": { "net....kernel.x": "1" } }), 7, "net....kernel"),
            (json!({ "sysctl": { "net.ipv4.ip_default_ttl": "many" } }), 999, "ip_default_ttl"),
            (json!({ "mac": "01:00:00:00:00:01" }), 999, "01:00:00:00:00:01"),
            (json!({ "mtu": 1 }), 999, "mtu 1"),
        ] {
            let list = tuning(with(
                &json!({ "txQLen": 3, "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" } }),
                keys.clone(),
            ));
            let (conf, bridge) = with_bridge(&node, &container, &list);
            let before =
                (settings(&container), in_container(&container, "net/ipv4/conf/eth0/arp_filter"));
            failed(&node.call("ADD", &conf, &container).run(), code, named);
            let after =
                (settings(&container), in_container(&container, "net/ipv4/conf/eth0/arp_filter"));
            assert_eq!(after, before, "{keys}");
            node.del(&bridge, &container);
            assert_eq!(node.leftovers(&["br0"]), [""; 0], "{keys}");
        }
        // A document with a key twice is not one that our JSON library makes.
        let text = r#"{"cniVersion": "1.1.0", "name": "n", "type": "tuning", "prevResult": {},
            "sysctl": {"net.ipv4.ip_default_ttl": "1", "net.ipv4.ip_default_ttl": "2"}}"#;
        let call = node.call("ADD", &json!({ "type": "tuning" }), &container).stdin(text);
        failed(&call.run(), 7, "twice");
    });
}

#[test]
fn it_must_be_chained() {
    on_a_node(|node| {
        let container = Container::new("c");
        let conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "tuning", "mtu": 1400 });
        failed(&node.call("ADD", &conf, &container).run(), 7, "chained");
        failed(&node.call("CHECK", &conf, &container).run(), 7, "prevResult");
        node.network_call("STATUS", &conf).run().success();
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn del_succeeds_whatever_is_left() {
    on_a_node(|node| {
        let container = Container::new("c");
        let list = tuning(json!({ "mtu": 1400, "sysctl": { "net.ipv4.ip_default_ttl": "70" } }));
        let conf = plugins_of(&list)[1].clone();
        let bare = |netns: &str| node.call("DEL", &conf, &container).env("CNI_NETNS", netns);
        // Never added.
        node.del(&conf, &container);
        // Twice, without prevResult.
        let result = node.add_list(&list, &container);
        node.del(&conf, &container);
        node.del(&conf, &container);
        node.del_list(&list, &container, &result);
        // The interface first, then tuning.
        node.add_list(&list, &container);
        node.del(&plugins_of(&list)[0], &container);
        node.del(&conf, &container);
        assert_eq!(in_container(&container, "net/ipv4/ip_default_ttl"), "64");
        // No netns, and one that is gone.
        for netns in ["", "/run/netns/none"] {
            node.add_list(&list, &container);
            bare(netns).run().success();
            node.del(&plugins_of(&list)[0], &container);
            container.netns.exec("sysctl", &["-qw", "net.ipv4.ip_default_ttl=64"]);
        }
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// A node's grants may be narrower than those that it is shipped with.
#[test]
fn what_no_grant_gives_is_refused() {
    on_a_node(|node| {
        let container = Container::new("c");
        let shipped = wasmcni::component::find("tuning").unwrap().grants;
        let narrowed = shipped
            .replace("key = \"net/**\"\nvalue", "key = \"net/ipv4/ip_default_ttl\"\nvalue")
            .replace("mtu = \"any\"", "mtu = \"1280-1500\"");
        let file = node.below("etc/wasmcni/plugins/tuning.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, narrowed).unwrap();
        let keys = json!({ "mtu": 1400, "sysctl": { "net.ipv4.ip_default_ttl": "70" } });
        let (conf, bridge) = with_bridge(&node, &container, &tuning(keys.clone()));
        node.add(&conf, &container);
        node.del(&conf, &container);
        let before = (settings(&container), in_container(&container, "net/ipv4/ip_default_ttl"));
        for (more, named) in [
            (json!({ "mtu": 1501 }), "link.set-mtu mtu=1501"),
            (
                json!({ "sysctl": { "net.ipv4.ip_default_ttl": "70", "net.ipv4.ip_forward": "1" } }),
                "sysctl.write key=\"net/ipv4/ip_forward\"",
            ),
        ] {
            let outcome = node.call("ADD", &with(&conf, more), &container).run();
            failed(&outcome, 100, named);
            let after = (settings(&container), in_container(&container, "net/ipv4/ip_default_ttl"));
            assert_eq!(after, before, "{named}");
        }
        node.del(&bridge, &container);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// An attachment that the reference plugin made, seen from its file.
#[test]
fn what_the_reference_plugin_kept_is_restored() {
    on_a_node(|node| {
        let container = Container::new("c");
        for dir in [None, Some("/run/elsewhere")] {
            let keys = json!({ "dataDir": dir, "mtu": 1400 });
            let conf = plugins_of(&tuning(keys))[1].clone();
            let dir = dir.map_or_else(|| node.below("run/cni/tuning"), Into::into);
            let file = dir.join(format!("{}_eth0.json", container.id));
            fs::create_dir_all(&dir).unwrap();
            let former = json!({ "mac": "02:00:00:00:00:0f", "mtu": 1480, "promisc": true,
                                 "allmulti": true, "txQLen": 11 });
            let bridge = super::bridge(json!({}));
            node.add(&bridge, &container);
            fs::write(&file, former.to_string()).unwrap();
            fs::write(dir.join("other_eth0.json"), "{}").unwrap();
            node.del(&conf, &container);
            assert_eq!(settings(&container), former);
            assert!(!file.exists());
            assert!(dir.join("other_eth0.json").exists(), "another attachment's");
            // Of what cannot be read nothing is restored.
            fs::write(&file, "{").unwrap();
            node.del(&conf, &container);
            assert_eq!(settings(&container), former);
            assert!(!file.exists());
            // The interface is gone, and so is what the file is for.
            node.del(&bridge, &container);
            fs::write(&file, former.to_string()).unwrap();
            node.del(&conf, &container);
            assert!(!file.exists());
            fs::write(&file, former.to_string()).unwrap();
            node.call("DEL", &conf, &container).env("CNI_NETNS", "").run().success();
            assert!(!file.exists());
        }
    });
}

#[test]
fn whatever_tuning_set_is_missed() {
    on_a_node(|node| {
        let container = Container::new("c");
        let list = tuning(json!({
            "mac": "02:00:00:00:00:09", "mtu": 1400, "promisc": true, "allmulti": false, "txQLen": 5,
            "sysctl": { "net.ipv4.ip_default_ttl": "70", "net.ipv4.conf.IFNAME.arp_filter": "1" },
        }));
        let conf = plugins_of(&list)[1].clone();
        for (act, named) in [
            ("ip link set eth0 address 02:00:00:00:00:66", "02:00:00:00:00:66"),
            ("ip link set eth0 mtu 1300", "MTU is 1300"),
            ("ip link set eth0 promisc off", "promiscuous"),
            ("ip link set eth0 allmulticast on", "all-multicast"),
            ("ip link set eth0 txqueuelen 6", "transmit queue"),
            ("sysctl -qw net.ipv4.ip_default_ttl=71", "net.ipv4.ip_default_ttl"),
            ("sysctl -qw net.ipv4.conf.eth0.arp_filter=0", "net.ipv4.conf.IFNAME.arp_filter"),
            ("ip link delete eth0", "eth0"),
        ] {
            let result = node.add_list(&list, &container);
            node.check_list(&list, &container, &result).success();
            let words: Vec<&str> = act.split(' ').collect();
            container.netns.exec(words[0], &words[1..]);
            failed(&node.check(&conf, &container, &result), 110, named);
            node.del_list(&list, &container, &result);
        }
        // What it does not speak of, it does not look at; what it says no to, it does.
        let result = node.add_list(&tuning(json!({})), &container);
        container.netns.exec("ip", &["link", "set", "eth0", "promisc", "on"]);
        let check = |keys| node.check(&plugins_of(&tuning(keys))[1], &container, &result);
        check(json!({})).success();
        failed(&check(json!({ "promisc": false })), 110, "promiscuous");
        node.del_list(&tuning(json!({})), &container, &result);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}
