//! `macvlan`: containers on the node's network, with MACs of their own.

use serde_json::{Value, json};

use super::children::{
    UPLINK, check_asks_ipam, check_misses_the_master, conf, dels_find_nothing, each_is_missed,
    fixed, gc_sweeps, is_told, nothing_left, of_kind, on_a_network, refused, setting,
    status_misses_the_master, words,
};
use super::{failed, on_node};
use crate::harness::netns::{Netns, ip};
use crate::harness::node::{Container, eventually, with};

fn macvlan(more: Value) -> Value {
    conf("macvlan", more)
}

#[test]
fn containers_are_on_the_nodes_network() {
    on_a_network(|node, _| {
        let [a, b] = ["a", "b"].map(Container::new);
        let conf = macvlan(json!({}));
        let result = node.add(&conf, &a);
        node.add(&conf, &b);
        is_told(&result, &a);
        let link = a.interface();
        assert_eq!(link["linkinfo"]["info_kind"], "macvlan");
        assert_eq!(link["mtu"], 1500);
        assert_eq!(of_kind(&a)["mode"], "bridge");
        assert_eq!(link["link_index"], on_node(UPLINK)["ifindex"]);
        assert_eq!(a.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
        let sysctls = [("ipv4", "arp_notify"), ("ipv6", "ndisc_notify")];
        for (family, key) in sysctls.into_iter().chain([("ipv6", "keep_addr_on_down")]) {
            assert_eq!(setting(&a, family, key), "1", "{key}");
        }
        // At once, and both ways.
        for address in ["10.77.0.1", "fd77::1", "10.77.0.3", "fd77::3"] {
            assert!(a.netns.reaches(address), "{address}");
        }
        node.check(&conf, &a, &result).success();
        node.del(&conf, &a);
        node.del(&conf, &b);
        nothing_left(node, &a);
        nothing_left(node, &b);
    });
}

#[test]
fn a_mode_says_who_may_talk_to_whom() {
    on_a_network(|node, _| {
        for mode in ["bridge", "private", "vepa"] {
            let [a, b] = ["a", "b"].map(Container::new);
            let conf = macvlan(json!({ "mode": mode }));
            let result = node.add(&conf, &a);
            node.add(&conf, &b);
            assert_eq!(of_kind(&a)["mode"], mode);
            assert!(a.netns.reaches("10.77.0.1"));
            // Nobody outside sends the others' frames back.
            let address = result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap();
            assert_eq!(b.netns.reaches(address), mode == "bridge", "{mode}");
            node.check(&conf, &a, &result).success();
            node.del(&conf, &a);
            node.del(&conf, &b);
        }
    });
}

/// In passthru it is the master that the container has, MAC and all; there is no second one.
#[test]
fn passthru_is_alone() {
    on_a_network(|node, _| {
        let [a, b] = ["a", "b"].map(Container::new);
        let conf = macvlan(json!({ "mode": "passthru", "mac": "02:00:00:00:00:01" }));
        let outcome = node.call("ADD", &conf, &a).run();
        assert!(outcome.stderr.contains("02:00:00:00:00:01"), "{outcome:?}");
        let result = outcome.success();
        is_told(&result, &a);
        assert_eq!(a.interface()["address"], on_node(UPLINK)["address"]);
        assert_eq!(of_kind(&a)["mode"], "passthru");
        assert!(a.netns.reaches("10.77.0.1"));
        node.check(&conf, &a, &result).success();
        failed(&node.call("ADD", &conf, &b).run(), 999, "EINVAL");
        node.del(&conf, &a);
        nothing_left(node, &a);
        nothing_left(node, &b);
    });
}

#[test]
fn an_mtu_is_at_most_the_masters() {
    on_a_network(|node, _| {
        ip(&words("link set up0 mtu 1450"));
        let container = Container::new("c");
        for (mtu, expected) in
            [(json!(1400), 1400), (json!(1450), 1450), (json!(0), 1450), (Value::Null, 1450)]
        {
            let conf = macvlan(json!({ "mtu": mtu }));
            node.add(&conf, &container);
            assert_eq!(container.interface()["mtu"], expected);
            node.del(&conf, &container);
        }
        for mtu in [json!(1451), json!(-1), json!("x")] {
            refused(node, &macvlan(json!({ "mtu": mtu })), &container, "\"mtu\"");
        }
    });
}

#[test]
fn the_runtime_may_choose_the_mac() {
    on_a_network(|node, _| {
        let container = Container::new("c");
        let [a, b, c] = [1, 2, 3].map(|n| format!("02:00:00:00:00:0{n}"));
        let of_runtime =
            json!({ "mac": a, "runtimeConfig": { "mac": c }, "capabilities": { "mac": true } });
        for (keys, args, expected) in [
            (json!({ "mac": a }), "", &a),
            (json!({ "mac": a }), "IgnoreUnknown=1;MAC=02:00:00:00:00:02", &b),
            (of_runtime, "IgnoreUnknown=1;MAC=02:00:00:00:00:02", &c),
        ] {
            let conf = macvlan(keys);
            let result = node.call("ADD", &conf, &container).env("CNI_ARGS", args).run().success();
            assert_eq!(container.interface()["address"], *expected);
            assert_eq!(result["interfaces"][0]["mac"], *expected);
            node.del(&conf, &container);
        }
        refused(node, &macvlan(json!({ "mac": "x" })), &container, "\"mac\"");
        let outcome =
            node.call("ADD", &macvlan(json!({})), &container).env("CNI_ARGS", "MAC=x").run();
        failed(&outcome, 4, "CNI_ARGS");
    });
}

#[test]
fn broadcasts_have_a_queue_of_this_length() {
    on_a_network(|node, _| {
        let container = Container::new("c");
        let length = |keys| {
            let conf = macvlan(keys);
            node.add(&conf, &container);
            let length = of_kind(&container)["bcqueuelen"].clone();
            node.del(&conf, &container);
            length
        };
        let default = length(json!({}));
        assert_eq!(length(json!({ "bcqueuelen": 0 })), default);
        assert_eq!(length(json!({ "bcqueuelen": 500 })), 500);
        refused(node, &macvlan(json!({ "bcqueuelen": -1 })), &container, "bcqueuelen");
    });
}

/// The link by which the default route leaves: the one with the lowest metric, of IPv6 if need be.
#[test]
fn a_master_that_is_not_named_is_the_default_routes() {
    on_a_network(|node, _| {
        let container = Container::new("c");
        let conf = macvlan(json!({ "master": null }));
        let parent = || {
            let result = node.add(&conf, &container);
            let index = container.interface()["link_index"].clone();
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
            ["up0", "up1"].into_iter().find(|name| on_node(name)["ifindex"] == index)
        };
        for command in [
            "link add up1 type veth peer name eth1 netns gateway",
            "addr add 10.78.0.254/24 dev up1",
            "link set up1 up",
        ] {
            ip(&words(command));
        }
        ip(&words("route add default dev up1 metric 50"));
        assert_eq!(parent(), Some("up0"));
        ip(&words("route del default via 10.77.0.1"));
        ip(&words("route add default via 10.77.0.1 metric 100"));
        assert_eq!(parent(), Some("up1"));
        ip(&words("route del default dev up1"));
        ip(&words("route del default via 10.77.0.1"));
        failed(&node.call("ADD", &conf, &container).run(), 7, "\"master\"");
        failed(&node.network_call("STATUS", &conf).run(), 50, "default route");
        ip(&words("-6 route add default dev up1"));
        assert_eq!(parent(), Some("up1"));
        node.network_call("STATUS", &conf).run().success();
        refused_with_up1(node, &container);
    });
}

fn refused_with_up1(node: &crate::harness::node::Node, container: &Container) {
    let outcome = node.call("ADD", &macvlan(json!({ "master": "gone0" })), container).run();
    failed(&outcome, 7, "gone0");
    assert_eq!(node.leftovers(&[UPLINK, "up1"]), [""; 0]);
}

/// The container's own link as master: a second interface on the first one's network.
#[test]
fn the_master_may_be_in_the_container() {
    on_a_network(|node, gateway| {
        let mut container = Container::new("c");
        ip(&words("link set up0 netns c"));
        container.netns.exec("ip", &words("link set up0 up"));
        container.ifname = "net1".to_owned();
        let conf = macvlan(json!({ "linkInContainer": true }));
        let result = node.add(&conf, &container);
        is_told(&result, &container);
        assert_eq!(container.interface()["link"], UPLINK);
        assert!(gateway.reaches("10.77.0.2"));
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        // Its default route's, too.
        container.netns.exec("ip", &words("addr add 10.77.0.200/24 dev up0"));
        container.netns.exec("ip", &words("route add default via 10.77.0.1"));
        let unnamed = macvlan(json!({ "linkInContainer": true, "master": null }));
        node.add(&unnamed, &container);
        assert_eq!(container.interface()["link"], UPLINK);
        node.del(&unnamed, &container);
        // It is not looked for on the node, nor the other way round.
        failed(&node.call("ADD", &macvlan(json!({})), &container).run(), 7, "host-netns");
        let named = macvlan(json!({ "linkInContainer": true, "master": "lo2" }));
        failed(&node.call("ADD", &named, &container).run(), 7, "container-netns");
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn without_addresses_it_is_just_up() {
    on_a_network(|node, _| {
        let container = Container::new("c");
        let conf = macvlan(json!({ "ipam": null, "dns": { "nameservers": ["192.0.2.1"] } }));
        let result = node.add(&conf, &container);
        assert!(result["ips"].is_null() && result["routes"].is_null(), "{result}");
        assert_eq!(result["dns"], conf["dns"]);
        assert_eq!(result["interfaces"].as_array().unwrap().len(), 1);
        assert!(container.interface()["flags"].as_array().unwrap().contains(&"UP".into()));
        assert_eq!(container.addresses(), [""; 0]);
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        refused(node, &with(&conf, json!({ "cniVersion": "0.2.0" })), &container, "ipam.type");
    });
}

/// The configuration's `dns` is what counts, be it empty; and IPAM's routes are the container's.
#[test]
fn dns_and_routes() {
    on_a_network(|node, _| {
        let container = Container::new("c");
        let ipam = json!({
            "type": "static", "addresses": [{ "address": "10.77.0.9/24", "gateway": "10.77.0.1" }],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "10.9.0.0/16", "mtu": 1400 }],
            "dns": { "nameservers": ["192.0.2.2"] },
        });
        let conf = macvlan(json!({ "ipam": ipam }));
        let result = node.add(&conf, &container);
        assert!(result["dns"]["nameservers"].is_null(), "{result}");
        assert_eq!(
            container.routes(),
            [
                "10.77.0.0/24 dev eth0 proto kernel scope link src 10.77.0.9",
                "10.9.0.0/16 via 10.77.0.1 dev eth0 mtu 1400",
                "default via 10.77.0.1 dev eth0",
            ]
        );
        node.del(&conf, &container);
        let own = with(&conf, json!({ "dns": { "nameservers": ["192.0.2.1"] } }));
        assert_eq!(node.add(&own, &container)["dns"], own["dns"]);
    });
}

/// An address that comes back with another MAC is not looked for at the old one.
#[test]
fn neighbours_are_told() {
    on_a_network(|node, gateway| {
        let addresses = json!([{ "address": "10.77.0.9/24" }, { "address": "fd77::9/64" }]);
        let conf = macvlan(json!({ "ipam": { "type": "static", "addresses": addresses } }));
        let known = |gateway: &Netns, address: &str| {
            let known = gateway.ip_json(&["neigh", "show", "to", address]);
            known[0]["lladdr"].as_str().map(str::to_owned)
        };
        let old = Container::new("old");
        node.add(&conf, &old);
        for address in ["10.77.0.9", "fd77::9"] {
            assert!(gateway.reaches(address));
        }
        node.del(&conf, &old);
        let new = Container::new("new");
        let result = node.add(&conf, &new);
        let mac = result["interfaces"][0]["mac"].as_str().map(str::to_owned);
        for address in ["10.77.0.9", "fd77::9"] {
            eventually(&format!("{address} is at {mac:?}"), || known(gateway, address) == mac);
        }
    });
}

#[test]
fn dels() {
    on_a_network(|node, _| {
        dels_find_nothing(node, &macvlan(json!({})));
    });
}

#[test]
fn a_del_needs_no_default_route() {
    on_a_network(|node, _| {
        let (conf, container) = (macvlan(json!({ "master": null })), Container::new("c"));
        node.add(&conf, &container);
        ip(&words("route del default"));
        node.del(&conf, &container);
        nothing_left(node, &container);
    });
}

#[test]
fn checks() {
    on_a_network(|node, _| {
        each_is_missed(
            node,
            &fixed("macvlan", json!({ "mtu": 1400 })),
            &[
                ("link delete eth0", "eth0"),
                ("link set eth0 down", "it is down"),
                ("link set eth0 address 02:00:00:00:00:77", "its MAC is"),
                ("link set eth0 mtu 1300", "its MTU is 1300"),
                ("link set eth0 type macvlan mode private", "its mode is \"private\""),
                ("addr del 10.77.0.2/24 dev eth0", "10.77.0.2"),
                ("addr del fd77::2/64 dev eth0", "fd77::2"),
            ],
        );
        // On another link than the one that is named.
        let (conf, container) = (macvlan(json!({})), Container::new("c"));
        let result = node.add(&conf, &container);
        ip(&words("link set up0 name up9"));
        failed(&node.check(&conf, &container, &result), 110, "\"up0\" is not in the host-netns");
        ip(&words("link add up0 type bridge"));
        failed(&node.check(&conf, &container, &result), 110, "is not \"up0\"");
    });
}

#[test]
fn masters_and_ipam() {
    on_a_network(|node, _| {
        check_misses_the_master(node, &macvlan(json!({})));
        check_asks_ipam(node, &macvlan(json!({})));
        status_misses_the_master(node, &macvlan(json!({})));
        gc_sweeps(node, &macvlan(json!({})));
    });
}

/// A bridge's port carries no macvlans; nothing is left of the attempt.
#[test]
fn what_the_kernel_refuses_leaves_nothing() {
    on_a_network(|node, _| {
        let container = Container::new("c");
        refused(node, &macvlan(json!({ "mode": "x" })), &container, "\"mode\"");
        ip(&words("link add br0 type bridge"));
        ip(&words("link set up0 master br0"));
        failed(&node.call("ADD", &macvlan(json!({})), &container).run(), 11, "EBUSY");
        assert_eq!(node.leftovers(&[UPLINK, "br0"]), [""; 0]);
        ip(&words("link delete br0"));
        // Addresses that run out, after the link was made.
        let ipam = json!({ "type": "static", "addresses": [{ "address": "10.77.0.9/24" }] });
        let conf = with(&macvlan(json!({})), json!({ "ipam": ipam }));
        let twice = with(&conf, json!({ "ipam": { "type": "nobody-has-it" } }));
        node.call("ADD", &twice, &container).run().failure();
        nothing_left(node, &container);
        refused(node, &with(&conf, json!({ "master": "a/b" })), &container, "\"master\"");
    });
}
