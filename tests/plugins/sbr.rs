//! `sbr`: packets of an interface's addresses leave by that interface.

use std::fs;

use serde_json::{Value, json};

use super::{add_waits_for_the_lock, bridge, chain, failed};
use crate::harness::node::{Container, Node, on_a_node, plugins_of, with};

fn sbr(more: Value) -> Value {
    let mut list = chain(with(&json!({ "type": "sbr" }), more));
    list["plugins"][0]["isDefaultGateway"] = true.into();
    list
}

/// A list whose bridge is another, with another network.
fn second(more: Value) -> Value {
    let ranges = json!([[{ "subnet": "10.78.0.0/24" }], [{ "subnet": "fd78::/64" }]]);
    let keys = json!({ "bridge": "br1", "ipam": { "type": "host-local", "ranges": ranges } });
    let mut list = sbr(more);
    list["name"] = "net1".into();
    list["plugins"][0] = bridge(with(&keys, json!({ "isGateway": true })));
    list
}

/// `from 10.77.0.2 lookup 100`, without the rules that every namespace has.
fn rules(container: &Container) -> Vec<String> {
    let mut rules = Vec::new();
    for family in ["-4", "-6"] {
        let text = container.netns.exec("ip", &[family, "rule"]);
        let words = text.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>());
        rules.extend(words.map(|words| words.join(" ")));
    }
    rules.retain(|rule| !rule.starts_with("from all "));
    rules.sort();
    rules
}

const MOVED: [[&str; 2]; 2] = [
    ["10.77.0.0/24 dev eth0 scope link src 10.77.0.2", "default via 10.77.0.1 dev eth0"],
    [
        "default via fd77::1 dev eth0 metric 1024 pref medium",
        "fd77::/64 dev eth0 metric 256 pref medium",
    ],
];

/// The first container of a network has the addresses that the tests expect.
fn forget_reservations(node: &Node) {
    let _ = fs::remove_dir_all(node.data_dir());
}

fn moved(container: &Container) -> [Vec<String>; 2] {
    ["100", "101"].map(|table| container.table(table))
}

#[test]
fn the_interface_has_a_table_of_its_own() {
    on_a_node(|node| {
        let container = Container::new("c");
        let list = sbr(json!({}));
        let [bridge, sbr] = [0, 1].map(|n| plugins_of(&list)[n].clone());
        let before_sbr = node.add(&bridge, &container);
        let before = container.table("main");
        let conf = with(&sbr, json!({ "prevResult": before_sbr }));
        let result = node.add(&conf, &container);
        assert_eq!(result, before_sbr);
        assert_eq!(rules(&container), ["from 10.77.0.2 lookup 100", "from fd77::2 lookup 101"]);
        assert_eq!(moved(&container), MOVED);
        assert_eq!(container.table("main"), [""; 0]);
        // The bridge's CHECK as well: its routes are there, if elsewhere.
        node.check_list(&list, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(rules(&container), [""; 0]);
        assert_eq!(moved(&container), [[""; 0]; 2]);
        assert_eq!(container.table("main"), before);
        assert!(container.netns.reaches("10.77.0.1"));
        node.del(&bridge, &container);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

#[test]
fn of_two_interfaces_each_answers_by_its_own() {
    on_a_node(|node| {
        let eth0 = Container::new("c");
        let net1 = eth0.with_interface("net1");
        let (first, second) = (sbr(json!({})), second(json!({})));
        let results = [node.add_list(&first, &eth0), node.add_list(&second, &net1)];
        let of = |address: &str, table| format!("from {address} lookup {table}");
        let all =
            [of("10.77.0.2", 100), of("10.78.0.2", 102), of("fd77::2", 101), of("fd78::2", 103)];
        assert_eq!(rules(&eth0), all);
        for (source, to, dev) in [
            ("10.77.0.2", "203.0.113.1", "eth0"),
            ("10.78.0.2", "203.0.113.1", "net1"),
            ("fd77::2", "2001:db8::1", "eth0"),
            ("fd78::2", "2001:db8::1", "net1"),
        ] {
            let route = eth0.netns.exec("ip", &["route", "get", to, "from", source]);
            assert!(route.contains(&format!("dev {dev}")), "{source}: {route}");
        }
        node.check_list(&first, &eth0, &results[0]).success();
        node.check_list(&second, &net1, &results[1]).success();
        node.del_list(&first, &eth0, &results[0]);
        assert_eq!(rules(&eth0), [of("10.78.0.2", 102), of("fd78::2", 103)]);
        // The tables that have become free are the next one's.
        forget_reservations(&node);
        let again = node.add_list(&first, &eth0);
        assert_eq!(rules(&eth0), all);
        node.del_list(&first, &eth0, &again);
        node.del_list(&second, &net1, &results[1]);
        assert_eq!(rules(&eth0), [""; 0]);
        assert_eq!(node.leftovers(&["br0", "br1"]), [""; 0]);
    });
}

/// Both would choose the same table: they take turns.
#[test]
fn interfaces_that_are_made_at_once_have_different_tables() {
    on_a_node(|node| {
        let eth0 = Container::new("c");
        let others: Vec<Container> =
            (1..6).map(|n| eth0.with_interface(&format!("net{n}"))).collect();
        let calls: Vec<(Value, &Container)> = others
            .iter()
            .map(|container| {
                let plugins = plugins_of(&with(&second(json!({})), json!({ "name": "one" })));
                let result = node.add(&plugins[0], container);
                (with(&plugins[1], json!({ "prevResult": result })), container)
            })
            .collect();
        let running: Vec<_> =
            calls.iter().map(|(conf, of)| node.call("ADD", conf, of).start()).collect();
        for call in running {
            call.finish().success();
        }
        let rules = rules(&eth0);
        let mut tables: Vec<&str> =
            rules.iter().map(|rule| rule.rsplit_once(' ').unwrap().1).collect();
        tables.sort_unstable();
        tables.dedup();
        assert_eq!(tables.len(), 10, "{rules:#?}");
        let running: Vec<_> =
            calls.iter().map(|(conf, of)| node.call("DEL", conf, of).start()).collect();
        for call in running {
            call.finish().success();
        }
        assert_eq!(self::rules(&eth0), [""; 0]);
    });
}

#[test]
fn who_has_the_lock_is_waited_for() {
    on_a_node(|node| {
        let container = Container::new("c");
        let plugins = plugins_of(&sbr(json!({})));
        let result = node.add(&plugins[0], &container);
        let conf = with(&plugins[1], json!({ "prevResult": result }));
        add_waits_for_the_lock(&node, &conf, &container, || !rules(&container).is_empty());
        assert_eq!(rules(&container).len(), 2);
    });
}

#[test]
fn each_key_is_done() {
    on_a_node(|node| {
        let container = Container::new("c");
        let add = |keys: Value| {
            forget_reservations(&node);
            let list = sbr(keys);
            let result = node.add_list(&list, &container);
            node.check_list(&list, &container, &result).success();
            (list, result)
        };
        let (list, result) = add(json!({ "gateways": ["fd77::9", "10.77.0.9"] }));
        let mut expected = MOVED;
        expected[0][1] = "default via 10.77.0.9 dev eth0";
        expected[1][0] = "default via fd77::9 dev eth0 metric 1024 pref medium";
        assert_eq!(moved(&container), expected);
        assert_eq!(container.table("main"), [""; 0]);
        node.del_list(&list, &container, &result);

        let (list, result) = add(json!({ "addSourceHints": true }));
        assert_eq!(moved(&container), MOVED);
        assert_eq!(
            container.table("main"),
            [
                "10.77.0.0/24 dev eth0 proto kernel scope link src 10.77.0.2",
                "fd77::/64 dev eth0 src fd77::2 metric 256 pref medium",
            ]
        );
        node.del_list(&list, &container, &result);

        let table = ["route", "add", "203.0.113.0/24", "dev", "lo", "table", "4000"];
        container.netns.exec("ip", &["link", "set", "lo", "up"]);
        container.netns.exec("ip", &table);
        let before = container.table("4000");
        let (list, result) = add(json!({ "table": 4000 }));
        assert_eq!(rules(&container), ["from 10.77.0.2 lookup 4000", "from fd77::2 lookup 4000"]);
        assert_eq!(container.table("4000"), before);
        assert_eq!(container.table("main").len(), 4, "{:?}", container.table("main"));
        node.del_list(&list, &container, &result);
        assert_eq!(rules(&container), [""; 0]);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (keys, code, named) in [
            (json!({ "table": 0 }), 7, "table"),
            (json!({ "table": "main" }), 7, "table"),
            (json!({ "gateways": ["10.77.0.1", "10.77.0.2"] }), 7, "gateways"),
            (json!({ "gateways": ["x"] }), 7, "gateways"),
            (json!({ "gateways": ["203.0.113.1"] }), 999, "0.0.0.0/0"),
        ] {
            let plugins = plugins_of(&sbr(keys.clone()));
            let result = node.add(&plugins[0], &container);
            let before = container.table("main");
            let conf = with(&plugins[1], json!({ "prevResult": result }));
            failed(&node.call("ADD", &conf, &container).run(), code, named);
            assert_eq!(container.table("main"), before, "{keys}");
            assert_eq!((rules(&container), container.table("100")), (vec![], vec![]), "{keys}");
            node.del(&plugins[0], &container);
        }
        let conf = plugins_of(&sbr(json!({})))[1].clone();
        failed(&node.call("ADD", &conf, &container).run(), 7, "chained");
        let empty = with(&conf, json!({ "prevResult": { "cniVersion": "1.1.0" } }));
        failed(&node.call("ADD", &empty, &container).run(), 7, "prevResult.ips");
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

#[test]
fn del_succeeds_whatever_is_left() {
    on_a_node(|node| {
        let container = Container::new("c");
        let list = sbr(json!({}));
        let [bridge, conf] = [0, 1].map(|n| plugins_of(&list)[n].clone());
        let bare = |netns: &str| node.call("DEL", &conf, &container).env("CNI_NETNS", netns);
        // Never added.
        node.del(&conf, &container);
        // Twice, and without prevResult.
        node.add_list(&list, &container);
        node.del(&conf, &container);
        node.del(&conf, &container);
        node.del(&bridge, &container);
        // The interface first: its rules outlive it.
        node.add_list(&list, &container);
        node.del(&bridge, &container);
        assert_eq!(rules(&container).len(), 2);
        node.del(&conf, &container);
        assert_eq!(rules(&container), [""; 0]);
        // The interface is down, or has lost what its routes need.
        for act in ["link set eth0 down", "addr flush dev eth0"] {
            let result = node.add_list(&list, &container);
            container.netns.exec("ip", &act.split(' ').collect::<Vec<_>>());
            node.del_list(&list, &container, &result);
            assert_eq!(rules(&container), [""; 0], "{act}");
        }
        // No netns, and one that is gone.
        for netns in ["", "/run/netns/none"] {
            let result = node.add_list(&list, &container);
            bare(netns).run().success();
            node.del(&with(&conf, json!({ "prevResult": result })), &container);
            assert_eq!(rules(&container), [""; 0]);
            node.del(&bridge, &container);
        }
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// Of an attachment that another implementation made, the rules of its addresses go, and no others.
#[test]
fn what_others_made_is_known_by_its_addresses() {
    on_a_node(|node| {
        let container = Container::new("c");
        let plugins = plugins_of(&sbr(json!({ "table": 7 })));
        let result = node.add(&plugins[0], &container);
        let conf = with(&plugins[1], json!({ "prevResult": result }));
        let kept = [
            "from 10.77.0.2 fwmark 0x1 lookup 100",
            "from 10.77.0.2 lookup 50",
            "from 10.77.0.20 lookup 100",
            "from 10.99.0.1 lookup 100",
        ];
        let gone =
            ["from 10.77.0.2 lookup 7", "from 10.77.0.2 lookup 131", "from fd77::2 lookup 131"];
        for without_link in [false, true] {
            for rule in kept.iter().chain(&gone) {
                let family = if rule.contains(':') { "-6" } else { "-4" };
                let words = [&[family, "rule", "add"], &rule.split(' ').collect::<Vec<_>>()[..]];
                container.netns.exec("ip", &words.concat());
            }
            if without_link {
                node.del(&plugins[0], &container);
            }
            node.del(&conf, &container);
            assert_eq!(rules(&container), kept, "{without_link}");
            for rule in kept {
                let words = [&["rule", "delete"], &rule.split(' ').collect::<Vec<_>>()[..]];
                container.netns.exec("ip", &words.concat());
            }
        }
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

#[test]
fn whatever_sbr_made_is_missed() {
    on_a_node(|node| {
        let container = Container::new("c");
        let list = sbr(json!({}));
        let conf = plugins_of(&list)[1].clone();
        for (act, named) in [
            ("rule delete from 10.77.0.2 lookup 100", "10.77.0.2/32"),
            ("-6 rule delete from fd77::2 lookup 101", "fd77::2/128"),
            ("route delete default table 100", "0.0.0.0/0"),
            ("-6 route delete default table 101", "::/0"),
            ("link delete eth0", "eth0"),
        ] {
            forget_reservations(&node);
            let result = node.add_list(&list, &container);
            node.check_list(&list, &container, &result).success();
            container.netns.exec("ip", &act.split(' ').collect::<Vec<_>>());
            failed(&node.check(&conf, &container, &result), 110, named);
            node.del_list(&list, &container, &result);
        }
        // The bridge still misses a route that is nowhere.
        let result = node.add_list(&list, &container);
        container.netns.exec("ip", &["route", "delete", "10.77.0.0/24", "table", "100"]);
        failed(&node.check_list(&list, &container, &result), 110, "10.77.0.0/24");
        node.del_list(&list, &container, &result);
        let result = node.add_list(&sbr(json!({ "table": 77 })), &container);
        let conf = plugins_of(&sbr(json!({ "table": 78 })))[1].clone();
        failed(&node.check(&conf, &container, &result), 110, "table 78");
    });
}

#[test]
fn what_no_grant_gives_is_refused() {
    on_a_node(|node: Node| {
        let container = Container::new("c");
        let shipped = wasmcni::component::find("sbr").unwrap().grants;
        let narrowed = shipped.replace(
            "op = \"rule.add\"\nnetns = \"container\"\nfrom = \"any\"\ntable = \"any\"",
            "op = \"rule.add\"\nnetns = \"container\"\nfrom = \"10.77.0.0/24\"\ntable = \"100-199\"",
        );
        assert_ne!(narrowed, shipped);
        let file = node.below("etc/wasmcni/plugins/sbr.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, narrowed).unwrap();
        for (keys, named) in [
            (json!({}), "rule.add from=fd77::2/128 table=101"),
            (json!({ "table": 200 }), "rule.add from=10.77.0.2/32 table=200"),
        ] {
            forget_reservations(&node);
            let plugins = plugins_of(&sbr(keys));
            let result = node.add(&plugins[0], &container);
            let before = container.table("main");
            let conf = with(&plugins[1], json!({ "prevResult": result }));
            failed(&node.call("ADD", &conf, &container).run(), 100, named);
            assert_eq!(container.table("main"), before);
            assert_eq!((rules(&container), container.table("100")), (vec![], vec![]));
            node.del(&plugins[0], &container);
        }
    });
}
