//! `vrf`: the container's interface in a VRF, on kernels that have VRFs.

use std::fs;

use serde_json::{Value, json};

use super::{add_waits_for_the_lock, bridge, chain, failed};
use crate::harness::netns::has_kind;
use crate::harness::node::{Container, Node, on_a_node, plugins_of, with};
use crate::harness::sandbox::notice;

/// Runs a test if the kernel has VRFs.
fn on_a_node_with_vrfs(test: impl FnOnce(Node)) {
    on_a_node(|node| {
        if has_kind("vrf") {
            test(node);
        } else {
            notice("VRFs: this kernel has no CONFIG_NET_VRF; run `just test-full-kernel`");
        }
    });
}

fn vrf(more: Value) -> Value {
    let mut list = chain(with(&json!({ "type": "vrf", "vrfname": "blue" }), more));
    list["plugins"][0]["isDefaultGateway"] = true.into();
    list["plugins"][0]["ipam"]["routes"] = json!([
        { "dst": "10.9.0.0/16" }, { "dst": "fd09::/64" }, { "dst": "10.8.0.0/16", "table": 77 }
    ]);
    list
}

/// A list on another bridge, with another network.
fn second(more: Value) -> Value {
    let ranges = json!([[{ "subnet": "10.78.0.0/24" }], [{ "subnet": "fd78::/64" }]]);
    let keys = json!({ "bridge": "br1", "ipam": { "type": "host-local", "ranges": ranges } });
    let mut list = vrf(more);
    list["name"] = "net1".into();
    list["plugins"][0] = bridge(keys);
    list
}

/// A table's routes but for the kernel's own of addresses and multicast.
fn routes(container: &Container, table: &str) -> Vec<String> {
    let kernels = ["local ", "broadcast ", "anycast ", "multicast ", "ff00::/8 "];
    let mut routes = container.table(table);
    routes.retain(|route| !kernels.iter().any(|begin| route.starts_with(begin)));
    routes
}

fn links(container: &Container) -> Vec<String> {
    let mut links = crate::harness::netns::names(&container.netns.ip_json(&["link"]));
    links.sort();
    links
}

#[test]
fn the_interface_is_in_the_vrf_with_all_that_it_had() {
    on_a_node_with_vrfs(|node| {
        let container = Container::new("c");
        let list = vrf(json!({}));
        let [bridge, conf] = [0, 1].map(|n| plugins_of(&list)[n].clone());
        for keep in ["1", "0"] {
            let before_vrf = node.add(&bridge, &container);
            let key = "/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down";
            container.netns.inside(|| fs::write(key, keep).unwrap());
            let (addresses, main) = (container.addresses(), routes(&container, "main"));
            let conf = with(&conf, json!({ "prevResult": before_vrf }));
            let result = node.add(&conf, &container);
            assert_eq!(result, before_vrf);
            let vrf = container.netns.ip_json(&["-details", "link", "show", "dev", "blue"]);
            assert_eq!(vrf[0]["linkinfo"]["info_kind"], "vrf");
            assert_eq!(vrf[0]["linkinfo"]["info_data"]["table"], 1);
            assert!(vrf[0]["flags"].as_array().unwrap().contains(&"UP".into()));
            assert_eq!(container.interface()["master"], "blue");
            assert_eq!(container.addresses(), addresses, "keep {keep}");
            assert_eq!(routes(&container, "1"), main, "keep {keep}");
            assert_eq!(routes(&container, "main"), [""; 0]);
            assert_eq!(routes(&container, "77"), ["10.8.0.0/16 via 10.77.0.1 dev eth0"]);
            node.check_list(&list, &container, &result).success();
            let ping = ["vrf", "exec", "blue", "ping", "-c1", "-W5", "10.77.0.1"];
            if container
                .netns
                .command("ip")
                .args(["vrf", "exec", "blue", "true"])
                .status()
                .is_ok_and(|s| s.success())
            {
                container.netns.exec("ip", &ping);
            }
            node.del(&conf, &container);
            assert_eq!(links(&container), ["eth0", "lo"]);
            assert_eq!(container.addresses(), addresses, "keep {keep}, after DEL");
            assert_eq!(routes(&container, "main"), main, "keep {keep}, after DEL");
            node.del(&bridge, &container);
            assert_eq!(node.leftovers(&["br0"]), [""; 0]);
        }
    });
}

#[test]
fn a_vrf_is_shared_and_goes_with_its_last_interface() {
    on_a_node_with_vrfs(|node| {
        let eth0 = Container::new("c");
        let net1 = eth0.with_interface("net1");
        let (first, other) = (vrf(json!({ "table": 9 })), second(json!({})));
        let results = [node.add_list(&first, &eth0), node.add_list(&other, &net1)];
        assert_eq!(net1.interface()["master"], "blue");
        assert!(routes(&eth0, "9").iter().any(|route| route.starts_with("10.78.0.0/24 ")));
        node.check_list(&first, &eth0, &results[0]).success();
        node.check_list(&other, &net1, &results[1]).success();
        node.del_list(&first, &eth0, &results[0]);
        assert_eq!(links(&eth0), ["blue", "lo", "net1"]);
        node.check_list(&other, &net1, &results[1]).success();
        node.del_list(&other, &net1, &results[1]);
        assert_eq!(links(&eth0), ["lo"]);
        // Without a table of its own, each has the lowest that is free.
        let of = |name: &str| second(json!({ "vrfname": name }));
        let (red, green) = (vrf(json!({ "vrfname": "red", "table": 1 })), of("green"));
        node.add_list(&red, &eth0);
        node.add_list(&green, &net1);
        let shown = eth0.netns.ip_json(&["-details", "link", "show", "dev", "green"]);
        assert_eq!(shown[0]["linkinfo"]["info_data"]["table"], 2);
        node.del_list(&green, &net1, &Value::Null);
        node.del_list(&red, &eth0, &Value::Null);
        assert_eq!(links(&eth0), ["lo"]);
        assert_eq!(node.leftovers(&["br0", "br1"]), [""; 0]);
    });
}

#[test]
fn who_has_the_lock_is_waited_for() {
    on_a_node_with_vrfs(|node| {
        let container = Container::new("c");
        let plugins = plugins_of(&vrf(json!({})));
        let result = node.add(&plugins[0], &container);
        let conf = with(&plugins[1], json!({ "prevResult": result }));
        let has_vrf = || links(&container).contains(&"blue".to_owned());
        add_waits_for_the_lock(&node, &conf, &container, has_vrf);
    });
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    on_a_node_with_vrfs(|node| {
        let container = Container::new("c");
        let in_container = |arguments: &str| {
            container.netns.exec("ip", &arguments.split(' ').collect::<Vec<_>>());
        };
        in_container("link add red type vrf table 5");
        in_container("link add v0 type veth peer name v1");
        let plugins = plugins_of(&vrf(json!({})));
        let result = node.add(&plugins[0], &container);
        let before = (container.addresses(), routes(&container, "main"), links(&container));
        for (keys, code, named) in [
            (json!({ "vrfname": "red", "table": 6 }), 7, "table"),
            (json!({ "vrfname": "v0" }), 7, "vrfname"),
            (json!({ "vrfname": "" }), 7, "vrfname"),
            (json!({ "vrfname": "a/b" }), 7, "vrfname"),
            (json!({ "table": -1 }), 7, "table"),
        ] {
            let conf = with(&with(&plugins[1], keys.clone()), json!({ "prevResult": result }));
            failed(&node.call("ADD", &conf, &container).run(), code, named);
            let after = (container.addresses(), routes(&container, "main"), links(&container));
            assert_eq!(after, before, "{keys}");
        }
        in_container("link set eth0 master red");
        let conf = with(&plugins[1], json!({ "prevResult": result }));
        failed(&node.call("ADD", &conf, &container).run(), 999, "already");
        assert_eq!(container.interface()["master"], "red");
        assert_eq!(links(&container), before.2);
    });
}

/// This needs no VRF.
#[test]
fn it_must_be_chained() {
    on_a_node(|node| {
        let container = Container::new("c");
        let conf = plugins_of(&vrf(json!({})))[1].clone();
        failed(&node.call("ADD", &conf, &container).run(), 7, "chained");
        failed(&node.call("CHECK", &conf, &container).run(), 7, "prevResult");
        for (netns, conf) in [
            ("", conf.clone()),
            ("/run/netns/none", conf.clone()),
            ("/run/netns/c", with(&conf, json!({ "vrfname": 1 }))),
            ("/run/netns/c", conf.clone()),
        ] {
            node.call("DEL", &conf, &container).env("CNI_NETNS", netns).run().success();
        }
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// A kernel without VRFs says so, and nothing is left.
#[test]
fn without_vrfs_an_add_says_what_is_missing() {
    on_a_node(|node| {
        if has_kind("vrf") {
            return;
        }
        let container = Container::new("c");
        let plugins = plugins_of(&vrf(json!({})));
        let result = node.add(&plugins[0], &container);
        let before = (container.addresses(), routes(&container, "main"));
        let conf = with(&plugins[1], json!({ "prevResult": result }));
        failed(&node.call("ADD", &conf, &container).run(), 50, "blue");
        assert_eq!((container.addresses(), routes(&container, "main")), before);
        node.del(&conf, &container);
        node.del(&plugins[0], &container);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

#[test]
fn del_succeeds_whatever_is_left() {
    on_a_node_with_vrfs(|node| {
        let container = Container::new("c");
        let list = vrf(json!({}));
        let [bridge, conf] = [0, 1].map(|n| plugins_of(&list)[n].clone());
        // Twice, without prevResult.
        node.add_list(&list, &container);
        node.del(&conf, &container);
        node.del(&conf, &container);
        node.del(&bridge, &container);
        // The interface first.
        node.add_list(&list, &container);
        node.del(&bridge, &container);
        assert_eq!(links(&container), ["blue", "lo"]);
        node.del(&conf, &container);
        assert_eq!(links(&container), ["lo"]);
        // No netns; taken out by hand; what another implementation made.
        node.add_list(&list, &container);
        node.call("DEL", &conf, &container).env("CNI_NETNS", "").run().success();
        node.del(&conf, &container);
        assert_eq!(links(&container), ["eth0", "lo"]);
        node.del(&bridge, &container);
        node.add_list(&list, &container);
        container.netns.exec("ip", &["link", "set", "eth0", "nomaster"]);
        node.del_list(&list, &container, &Value::Null);
        assert_eq!(links(&container), ["lo"]);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

#[test]
fn whatever_vrf_made_is_missed() {
    on_a_node_with_vrfs(|node| {
        let container = Container::new("c");
        let list = vrf(json!({ "table": 9 }));
        let conf = plugins_of(&list)[1].clone();
        for (act, named) in [
            ("link set eth0 nomaster", "not in VRF"),
            ("link set blue down", "blue"),
            ("link delete blue", "blue"),
            ("link delete eth0", "eth0"),
        ] {
            let result = node.add_list(&list, &container);
            node.check_list(&list, &container, &result).success();
            container.netns.exec("ip", &act.split(' ').collect::<Vec<_>>());
            failed(&node.check(&conf, &container, &result), 110, named);
            node.del_list(&list, &container, &result);
        }
        let result = node.add_list(&list, &container);
        let other = with(&conf, json!({ "table": 10 }));
        failed(&node.check(&other, &container, &result), 110, "its table is 9, not 10");
    });
}
