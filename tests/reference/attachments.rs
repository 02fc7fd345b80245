//! `bridge`, `ptp` and `loopback`: configuration by configuration, ADD, CHECK and DEL.

use serde_json::{Value, json};

use super::state::{self, assert_same};
use super::{Side, VERSIONS, with_both};
use crate::harness::netns::Netns;
use crate::harness::node::with;

/// A configuration, and what else is given with it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) conf: Value,
    /// CNI_ARGS
    pub(super) args: &'static str,
    /// Commands that are run on the node before, as `ip` takes them.
    pub(super) before: &'static [&'static str],
    pub(super) versions: &'static [&'static str],
}

pub(super) fn case(name: &'static str, conf: Value) -> Case {
    Case { name, conf, args: "", before: &[], versions: SOME }
}

/// Of the families of results that tell most. How they convert does not depend on the configuration, and is
/// compared for some in every version.
const SOME: &[&str] = &["0.3.1", "1.0.0"];

pub(super) const V4: &str = "10.77.0.0/24";
pub(super) const V6: &str = "fd77::/64";

pub(super) fn of(subnets: &[&str]) -> Value {
    let ranges: Vec<Value> = subnets.iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
    json!({ "type": "host-local", "ranges": ranges })
}

fn bridge(subnets: &[&str], more: Value) -> Value {
    with(&json!({ "type": "bridge", "bridge": "br0", "ipam": of(subnets) }), more)
}

fn ptp(subnets: &[&str], more: Value) -> Value {
    with(&json!({ "type": "ptp", "ipam": of(subnets) }), more)
}

/// With routes in its `ipam`.
pub(super) fn routed(mut conf: Value, routes: Value) -> Value {
    conf["ipam"]["routes"] = routes;
    conf
}

fn addresses(addresses: Value) -> Value {
    json!({ "type": "static", "addresses": addresses })
}

fn bridge_cases() -> Vec<Case> {
    let both = [V4, V6];
    vec![
        case("v4", bridge(&[V4], json!({}))),
        case("v6", bridge(&[V6], json!({}))),
        Case { versions: &VERSIONS, ..case("dual stack", bridge(&both, json!({}))) },
        case("the default bridge", bridge(&[V4], json!({ "bridge": null }))),
        case("gateway, v4", bridge(&[V4], json!({ "isGateway": true }))),
        case("gateway, v6", bridge(&[V6], json!({ "isGateway": true }))),
        case("default gateway, v4", bridge(&[V4], json!({ "isDefaultGateway": true }))),
        case("default gateway, v6", bridge(&[V6], json!({ "isDefaultGateway": true }))),
        case("default gateway, both", bridge(&both, json!({ "isDefaultGateway": true }))),
        case("masquerade", bridge(&both, json!({ "isDefaultGateway": true, "ipMasq": true }))),
    ]
}

fn bridge_key_cases() -> Vec<Case> {
    let both = [V4, V6];
    vec![
        case("hairpin", bridge(&[V4], json!({ "hairpinMode": true }))),
        case("promiscuous", bridge(&[V4], json!({ "promiscMode": true }))),
        case("mtu", bridge(&[V4], json!({ "mtu": 1400 }))),
        case(
            "mac of the runtime",
            bridge(
                &[V4],
                json!({ "runtimeConfig": { "mac": "02:00:00:00:00:0a" }, "capabilities": { "mac": true } }),
            ),
        ),
        Case {
            args: "IgnoreUnknown=1;MAC=02:00:00:00:00:0b",
            ..case("mac of CNI_ARGS", bridge(&[V4], json!({})))
        },
        case(
            "mac of args",
            bridge(&[V4], json!({ "args": { "cni": { "mac": "02:00:00:00:00:0c" } } })),
        ),
        case(
            "dns",
            bridge(&[V4], json!({ "dns": { "nameservers": ["192.0.2.1"], "search": ["a"] } })),
        ),
        case(
            "routes",
            routed(
                bridge(&both, json!({ "isGateway": true })),
                json!([
                    { "dst": "0.0.0.0/0" }, { "dst": "10.9.0.0/16", "gw": "10.77.0.9" },
                    // With its gateway: 1.1.1 does not find an IPv6 route again without.
                    { "dst": "fd09::/64", "gw": "fd77::1" },
                ]),
            ),
        ),
        case(
            "a default route of IPAM",
            routed(
                bridge(&[V4], json!({ "isDefaultGateway": true })),
                json!([{ "dst": "0.0.0.0/0", "gw": "10.77.0.9" }]),
            ),
        ),
        case(
            "a gateway of IPAM",
            bridge(
                &[V4],
                json!({ "isGateway": true, "ipam": {
                "type": "host-local", "subnet": V4, "gateway": "10.77.0.254"
            } }),
            ),
        ),
        case("two addresses of a family", bridge(&[V4, "10.78.0.0/24"], json!({}))),
        case(
            "static addresses without a gateway",
            bridge(
                &[],
                json!({ "isGateway": true, "ipam": addresses(json!([{ "address": "10.77.0.9/24" }])) }),
            ),
        ),
        case("no IPAM", bridge(&[], json!({ "ipam": {} }))),
        Case {
            before: &["link add br0 address 02:00:00:00:00:99 up type bridge"],
            ..case("a bridge that is there", bridge(&[V4], json!({ "isGateway": true })))
        },
        Case {
            before: &[
                "link add br0 address 02:00:00:00:00:99 up type bridge",
                "addr add 10.77.0.254/24 dev br0",
            ],
            ..case(
                "forced address",
                bridge(&[V4], json!({ "isGateway": true, "forceAddress": true })),
            )
        },
        Case {
            before: &[
                "link add br0 address 02:00:00:00:00:99 up type bridge",
                "addr add 10.77.0.1/24 dev br0",
            ],
            ..case("the address is there", bridge(&[V4], json!({ "isGateway": true })))
        },
    ]
}

fn ptp_cases() -> Vec<Case> {
    let both = [V4, V6];
    vec![
        case("v4", ptp(&[V4], json!({}))),
        case("v6", ptp(&[V6], json!({}))),
        Case { versions: &VERSIONS, ..case("dual stack", ptp(&both, json!({}))) },
        case("masquerade", ptp(&both, json!({ "ipMasq": true }))),
        case("mtu", ptp(&[V4], json!({ "mtu": 1400 }))),
        case("dns", ptp(&[V4], json!({ "dns": { "nameservers": ["192.0.2.1"] } }))),
        case(
            "default routes",
            routed(ptp(&both, json!({})), json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }])),
        ),
        case(
            "a route by another gateway",
            routed(ptp(&[V4], json!({})), json!([{ "dst": "10.9.0.0/16", "gw": "10.77.0.9" }])),
        ),
        Case {
            args: "IP=10.77.0.99",
            ..case("an address that was asked for", ptp(&[V4], json!({})))
        },
    ]
}

/// Everything about a case is the same on both sides, in every version.
fn compare(cases: Vec<Case>) {
    compare_but(cases, |_| {});
}

/// But for a part of the state that only one side has, for a reason.
pub(super) fn compare_but(cases: Vec<Case>, forget: impl Fn(&mut Value)) {
    let state = |side: &Side| {
        let mut state = state::of(side);
        forget(&mut state);
        state
    };
    with_both(|both| {
        for case in cases {
            for version in case.versions {
                let at = format!("{}, {version}", case.name);
                let conf = with(&case.conf, json!({ "cniVersion": version, "name": "net" }));
                let sides = both();
                for side in &sides {
                    prepare(&side.host, case.before);
                }
                let added = sides.each_ref().map(|side| {
                    let call = side.call("ADD", &conf).env("CNI_ARGS", case.args);
                    let outcome = side.run(&call);
                    assert_eq!(outcome.status, Some(0), "{at}: {}: {outcome:?}", side.name);
                    outcome.json()
                });
                let told = [0, 1].map(|n| state::result(&sides[n], &added[n]));
                assert_same(&format!("{at}: result"), &told[0], &told[1]);
                let [ours, theirs] = sides.each_ref().map(&state);
                assert_same(&format!("{at}: after ADD"), &ours, &theirs);
                if *version >= "0.4.0" {
                    for (side, result) in sides.iter().zip(&added) {
                        // 1.1.1 asks IPAM of the type "" (its CHECK without IPAM always fails).
                        if side.name == "reference" && conf["ipam"] == json!({}) {
                            continue;
                        }
                        let call =
                            side.call("CHECK", &with(&conf, json!({ "prevResult": result })));
                        let outcome = side.run(&call.env("CNI_ARGS", case.args));
                        assert_eq!(outcome.status, Some(0), "{at}: {}: {outcome:?}", side.name);
                    }
                }
                for side in &sides {
                    let outcome = side.run(&side.call("DEL", &conf).env("CNI_ARGS", case.args));
                    assert_eq!(outcome.status, Some(0), "{at}: {}: {outcome:?}", side.name);
                }
                let [ours, theirs] = sides.each_ref().map(&state);
                assert_same(&format!("{at}: after DEL"), &ours, &theirs);
            }
        }
    });
}

pub(super) fn prepare(host: &Netns, commands: &[&str]) {
    for command in commands {
        host.exec("ip", &command.split(' ').collect::<Vec<_>>());
    }
}

#[test]
fn bridge_does_what_the_reference_does() {
    compare(bridge_cases());
}

#[test]
fn bridge_means_by_its_keys_what_the_reference_means() {
    compare(bridge_key_cases());
}

#[test]
fn ptp_does_what_the_reference_does() {
    compare_but(ptp_cases(), |state| {
        // That the container's link announces its addresses came after 1.1.1, which has it for bridge only.
        let sysctls = state["container's sysctls"].as_object_mut();
        sysctls.and_then(|sysctls| sysctls.remove("ipv4/conf/eth0/arp_notify"));
    });
}

fn device(subnets: &[&str], more: Value) -> Value {
    with(&json!({ "type": "host-device", "device": "ens5", "ipam": of(subnets) }), more)
}

/// A device, which has its MAC.
const DEVICE: &[&str] =
    &["link add ens5 address 02:00:00:00:00:05 type veth peer name cable", "link set cable up"];

fn device_cases() -> Vec<Case> {
    let both = [V4, V6];
    let by_mac = json!({ "device": null, "hwaddr": "02:00:00:00:00:05" });
    let static_both = addresses(json!([
        { "address": "10.77.0.9/24", "gateway": "10.77.0.1" }, { "address": "fd77::9/64" },
    ]));
    let cases = vec![
        case("v4", device(&[V4], json!({}))),
        case("v6", device(&[V6], json!({}))),
        Case { versions: &VERSIONS, ..case("dual stack", device(&both, json!({}))) },
        case("by MAC", device(&[V4], by_mac)),
        case("no IPAM", device(&[], json!({ "ipam": {} }))),
        case("static addresses", device(&[], json!({ "ipam": static_both }))),
        case("dns", device(&[V4], json!({ "dns": { "nameservers": ["192.0.2.1"] } }))),
        case(
            "routes",
            routed(device(&both, json!({})), json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }])),
        ),
    ];
    cases.into_iter().map(|case| Case { before: DEVICE, ..case }).collect()
}

#[test]
fn host_device_does_what_the_reference_does() {
    compare(device_cases());
}

#[test]
fn loopback_does_what_the_reference_does() {
    with_both(|both| {
        for version in VERSIONS {
            let conf = json!({ "cniVersion": version, "name": "lo", "type": "loopback" });
            let sides = both();
            let [ours, theirs] = sides.each_ref().map(|side| {
                let result = side.run(&side.call("ADD", &conf)).success();
                state::result(side, &result)
            });
            // 1.1.1 labels a result of 1.0.0's shape with any version.
            let mut expected = theirs.clone();
            let addresses = theirs["ips"].as_array().unwrap();
            if version < "0.3.0" {
                let [v4, v6] = [0, 1].map(|n| json!({ "ip": addresses[n]["address"] }));
                expected = json!({ "cniVersion": version, "ip4": v4, "ip6": v6, "dns": {} });
            } else if version < "1.0.0" {
                expected["ips"][0]["version"] = "4".into();
                expected["ips"][1]["version"] = "6".into();
            }
            assert_same(&format!("{version}: result"), &ours, &expected);
            let [ours, theirs] = sides.each_ref().map(state::of);
            assert_same(&format!("{version}: after ADD"), &ours, &theirs);
            for side in &sides {
                side.run(&side.call("DEL", &conf)).success();
            }
            let [ours, theirs] = sides.each_ref().map(state::of);
            assert_same(&format!("{version}: after DEL"), &ours, &theirs);
        }
    });
}
