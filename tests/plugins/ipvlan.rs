//! `ipvlan`: containers on a link of the node, with its MAC; on kernels that have it.

use serde_json::{Value, json};

use super::children::{
    UPLINK, check_asks_ipam, check_misses_the_master, conf, dels_find_nothing, each_is_missed,
    fixed, gc_sweeps, is_told, nothing_left, of_kind, on_a_network_with, refused, setting,
    status_misses_the_master, words,
};
use super::{failed, on_node};
use crate::harness::netns::{Netns, ip};
use crate::harness::node::{Container, Node, with};

fn ipvlan(more: Value) -> Value {
    conf("ipvlan", more)
}

fn on_a_network(test: impl FnOnce(&Node, &Netns)) {
    on_a_network_with("ipvlan", test);
}

#[test]
fn containers_share_the_nodes_link() {
    on_a_network(|node, _| {
        let [a, b] = ["a", "b"].map(Container::new);
        let conf = ipvlan(json!({ "dns": { "nameservers": ["192.0.2.1"] } }));
        let result = node.add(&conf, &a);
        node.add(&conf, &b);
        is_told(&result, &a);
        assert_eq!(result["dns"], conf["dns"]);
        let link = a.interface();
        assert_eq!(link["linkinfo"]["info_kind"], "ipvlan");
        assert_eq!(link["address"], on_node(UPLINK)["address"]);
        assert_eq!(link["link_index"], on_node(UPLINK)["ifindex"]);
        assert_eq!(of_kind(&a)["mode"], "l2");
        assert_eq!(a.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
        for (family, key) in [("ipv4", "arp_notify"), ("ipv6", "ndisc_notify")] {
            assert_eq!(setting(&a, family, key), "1", "{key}");
        }
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
fn modes_and_mtu() {
    on_a_network(|node, _| {
        let container = Container::new("c");
        for mode in ["l2", "l3", "l3s"] {
            let conf = ipvlan(json!({ "mode": mode, "mtu": 1400 }));
            let result = node.add(&conf, &container);
            assert_eq!(of_kind(&container)["mode"], mode);
            assert_eq!(container.interface()["mtu"], 1400);
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
        }
        refused(node, &ipvlan(json!({ "mode": "l4" })), &container, "\"mode\"");
        refused(node, &ipvlan(json!({ "mtu": -1 })), &container, "\"mtu\"");
        refused(node, &ipvlan(json!({ "master": "gone0" })), &container, "gone0");
        refused(node, &ipvlan(json!({ "ipam": null })), &container, "ipam.type");
    });
}

/// The master and the addresses of the plugins before.
#[test]
fn one_of_a_chain() {
    on_a_network(|node, _| {
        let container = Container::new("c");
        let before = json!({
            "cniVersion": "1.1.0", "interfaces": [{ "name": UPLINK }],
            "ips": [{ "address": "10.77.0.9/24", "gateway": "10.77.0.1", "interface": 0 }],
            "routes": [{ "dst": "0.0.0.0/0" }],
        });
        // Where the default route leads does not matter then.
        ip(&words("route del default"));
        let conf = ipvlan(json!({ "master": null, "ipam": null, "prevResult": before }));
        let result = node.add(&conf, &container);
        is_told(&result, &container);
        assert_eq!(container.interface()["link_index"], on_node(UPLINK)["ifindex"]);
        assert_eq!(container.addresses(), ["10.77.0.9/24"]);
        assert!(container.routes().contains(&"default via 10.77.0.1 dev eth0".to_owned()));
        assert_eq!(node.reservations(), [] as [std::net::IpAddr; 0]);
        node.check(&conf, &container, &result).success();
        node.network_call("STATUS", &with(&conf, json!({ "prevResult": null }))).run().success();
        node.del(&with(&conf, json!({ "prevResult": result })), &container);
        nothing_left(node, &container);
        // With an IPAM plugin, only the master is theirs.
        let with_ipam = ipvlan(json!({ "master": null, "prevResult": before }));
        node.add(&with_ipam, &container);
        assert_eq!(container.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
        node.del(&with_ipam, &container);
        // Several links are no master.
        let interfaces = json!([{ "name": UPLINK }, { "name": "lo" }]);
        let several = with(&before, json!({ "interfaces": interfaces }));
        refused(node, &with(&conf, json!({ "prevResult": several })), &container, "\"master\"");
    });
}

#[test]
fn the_master_may_be_the_default_routes_or_in_the_container() {
    on_a_network(|node, gateway| {
        let mut container = Container::new("c");
        let unnamed = ipvlan(json!({ "master": null }));
        let result = node.add(&unnamed, &container);
        assert_eq!(container.interface()["link_index"], on_node(UPLINK)["ifindex"]);
        node.check(&unnamed, &container, &result).success();
        ip(&words("route del default"));
        node.check(&unnamed, &container, &result).success();
        node.del(&unnamed, &container);
        refused(node, &unnamed, &container, "\"master\"");
        failed(&node.network_call("STATUS", &unnamed).run(), 50, "default route");
        ip(&words("link set up0 netns c"));
        container.netns.exec("ip", &words("link set up0 up"));
        container.ifname = "net1".to_owned();
        let inside = ipvlan(json!({ "linkInContainer": true }));
        let result = node.add(&inside, &container);
        assert_eq!(container.interface()["link"], UPLINK);
        assert!(
            gateway.reaches(result["ips"][0]["address"].as_str().unwrap().trim_end_matches("/24"))
        );
        node.check(&inside, &container, &result).success();
        node.del(&inside, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn checks_and_dels() {
    on_a_network(|node, _| {
        each_is_missed(
            node,
            &fixed("ipvlan", json!({ "mtu": 1400 })),
            &[
                ("link delete eth0", "eth0"),
                ("link set eth0 down", "it is down"),
                ("link set eth0 mtu 1300", "its MTU is 1300"),
                ("link set eth0 type ipvlan mode l3", "its mode is \"l3\""),
                ("addr del 10.77.0.2/24 dev eth0", "10.77.0.2"),
                ("addr del fd77::2/64 dev eth0", "fd77::2"),
            ],
        );
        check_misses_the_master(node, &ipvlan(json!({})));
        check_asks_ipam(node, &ipvlan(json!({})));
        status_misses_the_master(node, &ipvlan(json!({})));
        gc_sweeps(node, &ipvlan(json!({})));
        dels_find_nothing(node, &ipvlan(json!({})));
    });
}
