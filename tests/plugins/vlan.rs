//! `vlan`: a container in a VLAN of a link of the node; on kernels that have 802.1q.

use serde_json::{Value, json};

use super::children::{
    UPLINK, check_asks_ipam, check_misses_the_master, conf, dels_find_nothing, each_is_missed,
    fixed, gc_sweeps, is_told, nothing_left, of_kind, on_a_network_with, refused,
    status_misses_the_master, words,
};
use super::{failed, on_node};
use crate::harness::netns::{Netns, ip};
use crate::harness::node::{Container, Node};

fn vlan(more: Value) -> Value {
    let mut conf = conf("vlan", json!({ "vlanId": 5 }));
    conf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    conf
}

/// The gateway is in VLAN 5, too.
fn on_a_network(test: impl FnOnce(&Node, &Netns)) {
    on_a_network_with("vlan", |node, gateway| {
        for command in [
            "addr flush dev eth0 scope global",
            "link add link eth0 name eth0.5 type vlan id 5",
            "addr add 10.77.0.1/24 dev eth0.5",
            "addr add fd77::1/64 dev eth0.5 nodad",
            "link set eth0.5 up",
        ] {
            gateway.exec("ip", &words(command));
        }
        test(node, gateway);
    });
}

#[test]
fn a_container_is_in_a_vlan() {
    on_a_network(|node, _| {
        let [a, b] = ["a", "b"].map(Container::new);
        let conf = vlan(json!({ "dns": { "nameservers": ["192.0.2.1"] } }));
        let result = node.add(&conf, &a);
        is_told(&result, &a);
        assert_eq!(result["dns"], conf["dns"]);
        let link = a.interface();
        assert_eq!((&link["linkinfo"]["info_kind"], &link["mtu"]), (&json!("vlan"), &json!(1500)));
        assert_eq!(of_kind(&a)["id"], 5);
        assert_eq!(link["address"], on_node(UPLINK)["address"]);
        assert_eq!(a.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
        for address in ["10.77.0.1", "fd77::1"] {
            assert!(a.netns.reaches(address), "{address}");
        }
        node.check(&conf, &a, &result).success();
        // A VLAN of a link has one device.
        node.call("ADD", &conf, &b).run().failure();
        nothing_left_of(node, &b, 2);
        // Another VLAN does not lead to the gateway.
        node.add(&vlan(json!({ "vlanId": 6 })), &b);
        assert!(!b.netns.reaches("10.77.0.1"));
        node.del(&conf, &a);
        node.del(&conf, &b);
        nothing_left(node, &a);
        nothing_left(node, &b);
    });
}

/// Only what the other container has is left.
fn nothing_left_of(node: &Node, container: &Container, reservations: usize) {
    assert_eq!(node.reservations().len(), reservations);
    assert_eq!(crate::harness::netns::names(&container.netns.ip_json(&["link"])), ["lo"]);
}

#[test]
fn ids_and_mtu() {
    on_a_network(|node, _| {
        ip(&words("link set up0 mtu 1450"));
        let container = Container::new("c");
        for (id, mtu, expected) in
            [(0, json!(1400), 1400), (4094, json!(0), 1450), (5, json!(1450), 1450)]
        {
            let conf = vlan(json!({ "vlanId": id, "mtu": mtu }));
            let result = node.add(&conf, &container);
            assert_eq!(of_kind(&container)["id"], id);
            assert_eq!(container.interface()["mtu"], expected);
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
        }
        for (keys, named) in [
            (json!({ "mtu": 1451 }), "\"mtu\""),
            (json!({ "vlanId": 4095 }), "\"vlanId\""),
            (json!({ "master": "" }), "\"master\""),
            (json!({ "master": "gone0" }), "gone0"),
            (json!({ "ipam": {} }), "ipam.type"),
        ] {
            refused(node, &vlan(keys), &container, named);
        }
    });
}

#[test]
fn the_master_may_be_in_the_container() {
    on_a_network(|node, gateway| {
        let mut container = Container::new("c");
        ip(&words("link set up0 netns c"));
        container.netns.exec("ip", &words("link set up0 up"));
        container.ifname = "net1".to_owned();
        let conf = vlan(json!({ "linkInContainer": true }));
        let result = node.add(&conf, &container);
        assert_eq!(container.interface()["link"], UPLINK);
        assert!(gateway.reaches("10.77.0.2"));
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn checks_and_dels() {
    on_a_network(|node, _| {
        let conf = fixed("vlan", json!({ "vlanId": 5, "mtu": 1400 }));
        each_is_missed(
            node,
            &conf,
            &[
                ("link delete eth0", "eth0"),
                ("link set eth0 down", "it is down"),
                ("link set eth0 address 02:00:00:00:00:77", "its MAC is"),
                ("link set eth0 mtu 1300", "its MTU is 1300"),
                ("addr del 10.77.0.2/24 dev eth0", "10.77.0.2"),
                ("addr del fd77::2/64 dev eth0", "fd77::2"),
            ],
        );
        let container = Container::new("v");
        let result = node.add(&conf, &container);
        let other = fixed("vlan", json!({ "vlanId": 6, "mtu": 1400 }));
        failed(&node.check(&other, &container, &result), 110, "its VLAN is \"5\", not 6");
        node.del(&conf, &container);
        check_misses_the_master(node, &vlan(json!({})));
        check_asks_ipam(node, &vlan(json!({})));
        status_misses_the_master(node, &vlan(json!({})));
        gc_sweeps(node, &vlan(json!({})));
        dels_find_nothing(node, &vlan(json!({})));
    });
}
