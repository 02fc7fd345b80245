//! Chained plugins behind others, most of them a bridge: ADD of the list, CHECK, DEL of the list in reverse.

use serde_json::{Value, json};

use super::attachments::{V4, V6, of, prepare};
use super::children::forget_announcing;
use super::state::{self, assert_same};
use super::{Side, with_both};
use crate::harness::netns::{has_kind, sysctl};
use crate::harness::node::{on_a_node, plugins_of, with};
use crate::harness::sandbox::notice;

/// A plugin that makes an interface, another one that is chained to it, and what is given with them.
struct List {
    name: &'static str,
    /// Commands that are run on the node before, as `ip` takes them.
    before: &'static [&'static str],
    first: Value,
    chained: Value,
    /// CNI_ARGS
    args: &'static str,
    versions: &'static [&'static str],
    /// Whether the reference's CHECK finds what its ADD made.
    check: bool,
}

/// A plugin that is chained to a bridge of both families.
fn on_bridge(name: &'static str, chained: Value) -> List {
    let first = json!({
        "type": "bridge", "bridge": "br0", "isDefaultGateway": true, "ipam": of(&[V4, V6]),
    });
    let versions = &["0.3.1", "1.0.0"];
    List { name, before: &[], first, chained, args: "", versions, check: true }
}

/// A verb of one plugin, which must succeed.
fn call(side: &Side, verb: &str, conf: &Value, args: &str) -> Value {
    let outcome = side.run(&side.call(verb, conf).env("CNI_ARGS", args));
    assert_eq!(outcome.status, Some(0), "{}: {verb} {conf}: {outcome:?}", side.name);
    if outcome.stdout.is_empty() { Value::Null } else { outcome.json() }
}

/// Everything about a list is the same on both sides: results, what the kernel holds after each step, and
/// `more` of each side's container once the list is added; but for what `forget` takes away.
fn compare(list: &List, more: impl Fn(&Side) -> Value, forget: impl Fn(&str, &mut Value)) {
    let args = list.args;
    with_both(|both| {
        for version in list.versions {
            let at = format!("{}, {version}", list.name);
            let plugins = plugins_of(&json!({
                "cniVersion": version, "name": "net", "plugins": [list.first, list.chained],
            }));
            let sides = both();
            for side in &sides {
                prepare(&side.host, list.before);
            }
            let same = |step: &str| {
                let [ours, theirs] = sides.each_ref().map(|side| {
                    let mut state = state::of(side);
                    forget(step, &mut state);
                    state
                });
                assert_same(&format!("{at}: after {step}"), &ours, &theirs);
            };
            let results = sides.each_ref().map(|side| {
                let mut result = Value::Null;
                for conf in &plugins {
                    result = call(side, "ADD", &with(conf, json!({ "prevResult": result })), args);
                }
                result
            });
            let told = [0, 1].map(|n| {
                let mut told = state::result(&sides[n], &results[n]);
                // Results tell MTUs since 1.1.0 of the specification, of which 1.1.1 knows nothing.
                for interface in told["interfaces"].as_array_mut().unwrap() {
                    interface.as_object_mut().unwrap().remove("mtu");
                }
                told
            });
            assert_same(&format!("{at}: result"), &told[0], &told[1]);
            same("ADD");
            let [ours, theirs] = sides.each_ref().map(&more);
            assert_same(&format!("{at}: more"), &ours, &theirs);
            let given = [0, 1].map(|n| json!({ "prevResult": results[n] }));
            if list.check && *version >= "0.4.0" {
                for (side, given) in sides.iter().zip(&given) {
                    call(side, "CHECK", &with(&plugins[1], given.clone()), args);
                }
            }
            for (step, conf) in plugins.iter().enumerate().rev() {
                for (side, given) in sides.iter().zip(&given) {
                    call(side, "DEL", &with(conf, given.clone()), args);
                }
                same(&format!("DEL of {step}"));
            }
        }
    });
}

#[test]
fn tuning_does_what_the_reference_does() {
    let mac = "02:00:00:00:00:09";
    for (name, keys, args) in [
        ("nothing", json!({}), ""),
        ("mac", json!({ "mac": mac }), ""),
        ("mac of CNI_ARGS", json!({}), "IgnoreUnknown=1;MAC=02:00:00:00:00:0a"),
        ("mac of the runtime", json!({ "runtimeConfig": { "mac": mac } }), ""),
        ("mac of args", json!({ "args": { "cni": { "mac": mac } } }), ""),
        ("mtu", json!({ "mtu": 1400 }), ""),
        ("promisc", json!({ "promisc": true }), ""),
        ("allmulti", json!({ "allmulti": true }), ""),
        ("no allmulti", json!({ "allmulti": false }), ""),
        ("sysctls", json!({ "sysctl": { "net.ipv4.ip_default_ttl": "70" } }), ""),
    ] {
        let chained = with(&json!({ "type": "tuning" }), keys);
        let more =
            |side: &Side| side.container.netns.inside(|| json!(sysctl("net/ipv4/ip_default_ttl")));
        compare(&List { args, ..on_bridge(name, chained) }, more, |_, _| {});
    }
}

/// The tables of both are the same in what they have of their own family.
#[test]
fn sbr_does_what_the_reference_does() {
    let forget = |step: &str, state: &mut Value| {
        // It leaves the interface without routes.
        if step == "DEL of 1" {
            *state = Value::Null;
            return;
        }
        let container = &mut state["container"];
        for family in ["routes", "IPv6 routes"] {
            let routes = container[family].as_array_mut().unwrap();
            // It copies networks of the other family, too, and keeps who made a route.
            let is_v6 = |route: &Value| route["pref"] == "medium";
            routes.retain(|route| !(route["table"] == "100" && is_v6(route)));
            for route in routes {
                route.as_object_mut().unwrap().remove("protocol");
            }
        }
    };
    // Its CHECK looks at nothing, and that of the bridge misses the routes that were moved.
    let list = List { check: false, ..on_bridge("sbr", json!({ "type": "sbr" })) };
    compare(&list, |_| Value::Null, forget);
}

/// In the VRF, and out of it again.
///
/// One version: kernels that have VRFs mostly run in a machine in software, where a call takes its time.
#[test]
fn vrf_does_what_the_reference_does() {
    on_a_node(|_| {
        if !has_kind("vrf") {
            return notice("whether vrf does what the reference does: this kernel has none");
        }
        let vrf = |more: Value| with(&json!({ "type": "vrf", "vrfname": "blue" }), more);
        let uplink =
            &["link add up0 type veth peer name up1", "link set up0 up", "link set up1 up"];
        let vlan = json!({ "type": "vlan", "master": "up0", "vlanId": 5, "ipam": of(&[V4, V6]) });
        let ptp = json!({ "type": "ptp", "ipam": of(&[V4, V6]) });
        // 1.1.1 keeps none of the interface's routes but those that the kernel makes anew, and on the way out
        // of the VRF no IPv6 address; later versions keep the routes that lead into it.
        let forget = |step: &str, state: &mut Value| {
            forget_announcing(state);
            let container = &mut state["container"];
            for family in ["routes", "IPv6 routes"] {
                let routes = container[family].as_array_mut().unwrap();
                routes.retain(|route| route["protocol"] == "kernel");
            }
            if step == "DEL of 1" {
                container["IPv6 routes"] = Value::Null;
                let routes = container["routes"].as_array_mut().unwrap();
                routes.retain(|route| !route["dst"].as_str().unwrap().contains(':'));
                for link in container["links"].as_array_mut().unwrap() {
                    let addresses = link["addresses"].as_array_mut().unwrap();
                    addresses.retain(|address| address["family"] == "inet");
                }
            }
        };
        for list in [
            on_bridge("on a bridge", vrf(json!({}))),
            List { first: ptp, ..on_bridge("on ptp", vrf(json!({ "table": 9 }))) },
            List { before: uplink, first: vlan, ..on_bridge("on vlan", vrf(json!({}))) },
        ] {
            let list = List { versions: &["1.0.0"], ..list };
            compare(&list, |_| Value::Null, forget);
        }
    });
}
