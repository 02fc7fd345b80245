//! Which addresses `host-local` gives: ranges, requests, gateways.

use serde_json::{Value, json};

use super::failed;
use super::host_local::{added, call, conf};
use crate::harness::node::{on_a_node, with};

#[test]
fn ranges_bound_what_is_given() {
    on_a_node(|node| {
        for (number, (range, first, gateway)) in [
            (json!({ "subnet": "10.77.0.0/24" }), "10.77.0.2/24", "10.77.0.1"),
            (json!({ "subnet": "10.77.0.0/24", "gateway": "10.77.0.2" }), "10.77.0.1/24", "10.77.0.2"),
            (json!({ "subnet": "10.77.0.0/24", "gateway": "192.0.2.1" }), "10.77.0.1/24", "192.0.2.1"),
            (json!({ "subnet": "10.77.0.0/24", "rangeStart": "10.77.0.50" }), "10.77.0.50/24", "10.77.0.1"),
            (json!({ "subnet": "10.77.0.0/16", "rangeStart": "10.77.1.20", "rangeEnd": "10.77.3.50" }), "10.77.1.20/16", "10.77.0.1"),
            (json!({ "subnet": "10.77.0.0/30" }), "10.77.0.2/30", "10.77.0.1"),
            (json!({ "subnet": "fd77::/64" }), "fd77::2/64", "fd77::1"),
            (json!({ "subnet": "fd77::/126" }), "fd77::2/126", "fd77::1"),
            (json!({ "subnet": "fd77::/64", "rangeStart": "fd77::1:0", "gateway": "" }), "fd77::1:0/64", "fd77::1"),
        ]
        .into_iter()
        .enumerate()
        {
            let single = with(&conf(range.clone()), json!({ "name": format!("single{number}") }));
            let listed = conf(json!({ "subnet": null, "ranges": [[range]] }));
            let listed = with(&listed, json!({ "name": format!("listed{number}") }));
            for conf in [single, listed] {
                let result = call(&node, "ADD", &conf, "a").run().success();
                assert_eq!(result["ips"], json!([{ "address": first, "gateway": gateway }]), "{conf}");
            }
        }
    });
}

/// The last address is not the broadcast address, which IPv6 has none of.
#[test]
fn a_range_ends_where_its_network_does() {
    on_a_node(|node| {
        for (subnet, start, given) in [
            ("10.77.0.0/29", "10.77.0.5", &["10.77.0.5/29", "10.77.0.6/29"][..]),
            ("fd77::/125", "fd77::6", &["fd77::6/125", "fd77::7/125"]),
        ] {
            let conf = conf(json!({ "subnet": subnet, "rangeStart": start }));
            let conf =
                with(&conf, json!({ "name": if subnet.contains(':') { "v6" } else { "v4" } }));
            for (n, expected) in given.iter().enumerate() {
                assert_eq!(added(&node, &conf, &format!("c{n}")), [*expected]);
            }
            failed(&call(&node, "ADD", &conf, "more").run(), 50, "ipam");
        }
    });
}

/// Of a set's pools the next is used when one is full; sets give one address each.
#[test]
fn pools_and_sets() {
    on_a_node(|node| {
        let ranges = json!([
            [
                { "subnet": "10.77.0.0/24", "rangeStart": "10.77.0.10", "rangeEnd": "10.77.0.10" },
                { "subnet": "10.78.0.0/24", "rangeStart": "10.78.0.10", "rangeEnd": "10.78.0.11" },
            ],
            [{ "subnet": "fd77::/64" }],
        ]);
        let conf = conf(json!({ "subnet": "192.0.2.0/24", "ranges": ranges }));
        // The single range goes before the list.
        for (id, expected) in [
            ("a", ["192.0.2.2/24", "10.77.0.10/24", "fd77::2/64"]),
            ("b", ["192.0.2.3/24", "10.78.0.10/24", "fd77::3/64"]),
            ("c", ["192.0.2.4/24", "10.78.0.11/24", "fd77::4/64"]),
        ] {
            assert_eq!(added(&node, &conf, id), expected);
        }
        // And the runtime's before both.
        let runtime = json!({ "ipRanges": [[{ "subnet": "198.51.100.0/24" }]] });
        let conf = with(&conf, json!({ "runtimeConfig": runtime, "name": "other" }));
        assert_eq!(
            added(&node, &conf, "d"),
            ["198.51.100.2/24", "192.0.2.2/24", "10.77.0.10/24", "fd77::2/64"]
        );
    });
}

/// Who asks for an address gets that one or none.
#[test]
fn addresses_can_be_asked_for() {
    on_a_node(|node| {
        let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
        let plain = conf(json!({ "subnet": null, "ranges": ranges }));
        let ask = |args: &str, of_args: Value, of_runtime: Value, id: &str| {
            let asking = with(
                &plain,
                json!({ "args": { "cni": { "ips": of_args } }, "runtimeConfig": { "ips": of_runtime } }),
            );
            call(&node, "ADD", &asking, id).env("CNI_ARGS", args).run()
        };
        let given = |outcome: crate::harness::exec::Outcome| {
            let result = outcome.success();
            let ips = result["ips"].as_array().unwrap().iter();
            ips.map(|ip| ip["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let none = || json!(null);
        assert_eq!(
            given(ask("IP=10.77.0.50", none(), none(), "a")),
            ["10.77.0.50/24", "fd77::2/64"]
        );
        assert_eq!(
            given(ask("", json!(["10.77.0.51"]), none(), "b")),
            ["10.77.0.51/24", "fd77::3/64"]
        );
        // A prefix is the range's business.
        let both = json!(["10.77.0.52/8", "fd77::52/64"]);
        assert_eq!(given(ask("", none(), both, "c")), ["10.77.0.52/24", "fd77::52/64"]);
        // All sources count.
        let all = ask("IP=10.77.0.53", json!(["fd77::53"]), json!(["10.77.0.53"]), "d");
        assert_eq!(given(all), ["10.77.0.53/24", "fd77::53/64"]);
        let before = node.reservations();
        failed(&ask("", none(), json!(["10.77.0.50"]), "e"), 11, "10.77.0.50");
        for (wrong, named) in [
            ("192.0.2.1", "192.0.2.1"),
            ("10.77.0.1", "10.77.0.1"),
            ("10.77.0.255", "10.77.0.255"),
            ("x", "x"),
        ] {
            failed(&ask(&format!("IP={wrong}"), none(), none(), "e"), 4, named);
            failed(&ask("", json!([wrong]), none(), "e"), 7, named);
            failed(&ask("", none(), json!([wrong]), "e"), 7, named);
        }
        assert_eq!(node.reservations(), before, "what one set gave is taken back");
    });
}

#[test]
fn ranges_that_cannot_be_are_refused() {
    on_a_node(|node| {
        let range = |range: Value| json!({ "subnet": null, "ranges": [[range]] });
        for (ipam, named) in [
            (json!({ "subnet": null }), "ipam.ranges"),
            (json!({ "subnet": null, "ranges": [] }), "ipam.ranges"),
            (json!({ "subnet": null, "ranges": [[]] }), "ipam.ranges[0]"),
            (range(json!({})), "subnet"),
            (range(json!({ "subnet": "10.77.0.1/24" })), "10.77.0.0/24"),
            (range(json!({ "subnet": "10.77.0.0/31" })), "/30"),
            (range(json!({ "subnet": "fd77::/127" })), "/126"),
            (range(json!({ "subnet": "nonsense" })), "nonsense"),
            (range(json!({ "subnet": "10.77.0.0/24", "rangeStart": "10.78.0.1" })), "rangeStart"),
            (range(json!({ "subnet": "10.77.0.0/24", "rangeEnd": "10.78.0.1" })), "rangeEnd"),
            (
                range(
                    json!({ "subnet": "10.77.0.0/24", "rangeStart": "10.77.0.9", "rangeEnd": "10.77.0.8" }),
                ),
                "rangeEnd",
            ),
            (range(json!({ "subnet": "10.77.0.0/24", "gateway": "fd77::1" })), "gateway"),
            (json!({ "ranges": [[{ "subnet": "10.77.0.0/25" }]] }), "ipam.ranges[0]"),
            (
                json!({ "subnet": null, "ranges": [[{ "subnet": "10.77.0.0/24" }, { "subnet": "fd77::/64" }]] }),
                "fd77::/64",
            ),
            (
                json!({ "subnet": null, "ranges": [[{ "subnet": "10.77.0.0/24" }, { "subnet": "10.77.0.0/24" }]] }),
                "overlaps",
            ),
            (json!({ "routes": [{ "dst": "10.0.0.0/33" }] }), "10.0.0.0/33"),
        ] {
            failed(&call(&node, "ADD", &conf(ipam), "a").run(), 7, named);
        }
        // 0.2.0 has one address of each family.
        let two = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "10.78.0.0/24" }]]);
        let two = conf(json!({ "subnet": null, "ranges": two }));
        failed(
            &call(&node, "ADD", &with(&two, json!({ "cniVersion": "0.2.0" })), "a").run(),
            7,
            "0.3.0",
        );
        assert_eq!(
            added(&node, &with(&two, json!({ "cniVersion": "0.3.0" })), "a"),
            ["10.77.0.2/24", "10.78.0.2/24"]
        );
    });
}

/// Routes are the configuration's, word for word.
#[test]
fn routes_are_passed_on() {
    on_a_node(|node| {
        let routes = json!([{ "dst": "0.0.0.0/0" }, { "dst": "192.168.0.9/16", "gw": "10.77.5.1" },
            { "dst": "fd09::/64", "priority": 5 }]);
        let result = call(&node, "ADD", &conf(json!({ "routes": routes })), "a").run().success();
        assert_eq!(result["routes"], routes);
    });
}
