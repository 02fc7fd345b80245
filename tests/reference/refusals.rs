//! What both refuse; and what is refused by one of them, with the reason.

use serde_json::{Value, json};

use super::with_both;
use crate::harness::node::with;

fn bridge(more: Value) -> Value {
    let ipam = json!({ "type": "host-local", "subnet": "10.77.0.0/24" });
    with(&json!({ "type": "bridge", "bridge": "br0", "ipam": ipam }), more)
}

fn ptp(addresses: Value) -> Value {
    json!({ "type": "ptp", "ipam": { "type": "static", "addresses": addresses } })
}

fn with_route(mut conf: Value) -> Value {
    conf["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0" }]);
    conf
}

fn host_local(ipam: Value) -> Value {
    json!({ "type": "host-local", "ipam": with(&json!({ "type": "host-local" }), ipam) })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Both,
    /// wasmcni alone, for a reason.
    Ours(&'static str),
    /// The reference alone, for a reason.
    Theirs(&'static str),
}

use Who::{Both, Ours, Theirs};

#[test]
fn what_is_wrong_is_refused_by_both() {
    let table: Vec<(Who, Value, &str)> = vec![
        (Both, bridge(json!({ "hairpinMode": true, "promiscMode": true })), ""),
        (Both, bridge(json!({ "vlan": 4095 })), ""),
        (Both, bridge(json!({ "vlan": -1 })), ""),
        (Both, bridge(json!({ "mtu": "x" })), ""),
        (Both, bridge(json!({ "bridge": "sixteen-letters-" })), ""),
        (Both, bridge(json!({ "ipam": { "type": "static", "addresses": [] } })), ""),
        (Both, bridge(json!({})), "A=b"),
        (Both, bridge(json!({})), "MAC=02:00"),
        (Both, bridge(json!({ "ipam": { "type": "nobody-has-it" } })), ""),
        (Both, bridge(json!({ "ipam": { "type": "../bridge" } })), ""),
        (Both, bridge(json!({ "cniVersion": "9.9.9" })), ""),
        (Both, json!({ "type": "ptp" }), ""),
        (Both, json!({ "type": "ptp", "ipam": {} }), ""),
        (
            Both,
            json!({ "type": "ptp", "ipam": { "type": "static", "addresses": [{ "address": "10.77.0.2/24" }] } }),
            "",
        ),
        (Both, host_local(json!({})), ""),
        (Both, host_local(json!({ "subnet": "10.77.0.1/24" })), ""),
        (Both, host_local(json!({ "subnet": "10.77.0.0/31" })), ""),
        (Both, host_local(json!({ "subnet": "10.77.0.0/24", "rangeStart": "10.78.0.1" })), ""),
        (Both, host_local(json!({ "subnet": "10.77.0.0/24", "rangeEnd": "10.78.0.1" })), ""),
        (Both, host_local(json!({ "ranges": [[]] })), ""),
        (
            Both,
            host_local(
                json!({ "ranges": [[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "10.77.0.0/25" }]] }),
            ),
            "",
        ),
        (
            Both,
            host_local(
                json!({ "ranges": [[{ "subnet": "10.77.0.0/24" }, { "subnet": "fd77::/64" }]] }),
            ),
            "",
        ),
        (Both, host_local(json!({ "subnet": "10.77.0.0/24", "resolvConf": "/nonexistent" })), ""),
        (
            Both,
            json!({ "type": "static", "ipam": { "addresses": [{ "address": "10.77.0.9" }] } }),
            "",
        ),
        (
            Both,
            json!({ "type": "static", "ipam": { "addresses": [{ "address": "10.77.0.9/24" }] } }),
            "IP=10.77.0.9",
        ),
        (
            Both,
            json!({ "type": "static", "ipam": { "addresses": [] }, "runtimeConfig": { "ips": ["10.77.0.9"] } }),
            "",
        ),
        (
            Ours("isolation came after 1.1.1, which passes over the key"),
            bridge(json!({ "disableContainerInterface": true })),
            "",
        ),
        (
            Theirs("1.1.1 knows versions up to 1.0.0"),
            with(
                &ptp(json!([{ "address": "10.77.0.2/24", "gateway": "10.77.0.1" }])),
                json!({ "cniVersion": "1.1.0" }),
            ),
            "",
        ),
        (
            Theirs("1.1.1 adds the way to a gateway for each address that has it"),
            ptp(
                json!([{ "address": "10.77.0.2/24", "gateway": "10.77.0.1" }, { "address": "10.77.0.3/24", "gateway": "10.77.0.1" }]),
            ),
            "",
        ),
        (
            Theirs("1.1.1 adds routes before the way to a gateway outside of the network"),
            with_route(ptp(json!([{ "address": "10.77.0.2/32", "gateway": "169.254.1.1" }]))),
            "",
        ),
        (Ours("a trunk came after 1.1.1"), bridge(json!({ "vlanTrunk": [{ "minID": 5 }] })), ""),
        (
            Ours("a backend came after 1.1.1"),
            bridge(json!({ "ipMasq": true, "ipMasqBackend": "x" })),
            "",
        ),
    ];
    with_both(|both| {
        for (who, conf, args) in &table {
            let version = json!({ "name": "net", "cniVersion": "1.0.0" });
            let conf = with(&version, conf.clone());
            let sides = both();
            let refused = sides.each_ref().map(|side| {
                let outcome = side.run(&side.call("ADD", &conf).env("CNI_ARGS", *args));
                let refused = outcome.status != Some(0);
                if refused && side.name == "wasmcni" {
                    // 1.1.1 says 999 to everything, and leaves what it has done.
                    let (code, details) = outcome.failure();
                    assert!(matches!(code, 1 | 4 | 6 | 7 | 999 | 103), "{conf}: {code} {details}");
                    let links = crate::harness::netns::names(&side.host.ip_json(&["link"]));
                    assert_eq!(links, ["lo"], "{conf}: nothing is left");
                }
                refused
            });
            let expected = match who {
                Both => [true, true],
                Ours(_) => [true, false],
                Theirs(_) => [false, true],
            };
            assert_eq!(refused, expected, "{who:?}: {conf} {args:?}");
        }
    });
}
