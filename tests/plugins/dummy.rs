//! `dummy`: a link that leads nowhere; on kernels that have it.

use serde_json::json;

use super::children::{
    check_asks_ipam, conf, dels_find_nothing, each_is_missed, fixed, gc_sweeps, is_told,
    nothing_left, on_a_network_with, refused, status_asks_ipam,
};
use crate::harness::node::Container;

#[test]
fn a_container_has_addresses() {
    on_a_network_with("dummy", |node, _| {
        let container = Container::new("c");
        let conf = conf("dummy", json!({ "master": null }));
        let result = node.add(&conf, &container);
        is_told(&result, &container);
        assert_eq!(container.interface()["linkinfo"]["info_kind"], "dummy");
        assert_eq!(container.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        nothing_left(node, &container);
        refused(
            node,
            &crate::harness::node::with(&conf, json!({ "ipam": {} })),
            &container,
            "ipam.type",
        );
    });
}

/// IPAM's `dns` is the result's, and its routes are the container's.
#[test]
fn dns_and_routes_are_ipams() {
    on_a_network_with("dummy", |node, _| {
        let container = Container::new("c");
        let mut conf = fixed("dummy", json!({ "master": null }));
        conf["ipam"]["dns"] = json!({ "nameservers": ["192.0.2.2"] });
        conf["ipam"]["routes"] = json!([{ "dst": "10.9.0.0/16" }, { "dst": "fd09::/64" }]);
        let result = node.add(&conf, &container);
        assert_eq!(result["dns"]["nameservers"], json!(["192.0.2.2"]));
        let routes = container.routes();
        for route in ["10.9.0.0/16 via 10.77.0.1 dev eth0", "fd09::/64 via fd77::1 dev eth0"] {
            assert!(routes.iter().any(|seen| seen.starts_with(route)), "{route}: {routes:?}");
        }
        node.check(&conf, &container, &result).success();
    });
}

#[test]
fn checks_and_dels() {
    on_a_network_with("dummy", |node, _| {
        each_is_missed(
            node,
            &fixed("dummy", json!({})),
            &[
                ("link delete eth0", "eth0"),
                ("link set eth0 down", "it is down"),
                ("link set eth0 address 02:00:00:00:00:77", "its MAC is"),
                ("addr del 10.77.0.2/24 dev eth0", "10.77.0.2"),
                ("addr del fd77::2/64 dev eth0", "fd77::2"),
            ],
        );
        check_asks_ipam(node, &conf("dummy", json!({})));
        status_asks_ipam(node, &conf("dummy", json!({})));
        gc_sweeps(node, &conf("dummy", json!({})));
        dels_find_nothing(node, &conf("dummy", json!({})));
    });
}
