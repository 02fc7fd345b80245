//! Chained plugins on a bridge: ADD of the list, CHECK, DEL of the list in reverse.

use serde_json::{Value, json};

use super::state::{self, assert_same};
use super::{Side, with_both};
use crate::harness::netns::sysctl;
use crate::harness::node::{plugins_of, with};

/// A list of a bridge of both families and a plugin that is chained to it.
fn list(version: &str, chained: Value) -> Value {
    let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
    let bridge = json!({
        "type": "bridge", "bridge": "br0", "isDefaultGateway": true,
        "ipam": { "type": "host-local", "ranges": ranges },
    });
    json!({ "cniVersion": version, "name": "net", "plugins": [bridge, chained] })
}

/// A verb of one plugin, which must succeed.
fn call(side: &Side, verb: &str, conf: &Value, args: &str) -> Value {
    let outcome = side.run(&side.call(verb, conf).env("CNI_ARGS", args));
    assert_eq!(outcome.status, Some(0), "{}: {verb} {conf}: {outcome:?}", side.name);
    if outcome.stdout.is_empty() { Value::Null } else { outcome.json() }
}

/// Everything about a list is the same on both sides: results, what the kernel holds after each step, and
/// `more` of each side's container once the list is added; but for what `forget` takes away.
fn compare(
    name: &str,
    chained: &Value,
    args: &str,
    check: bool,
    more: impl Fn(&Side) -> Value,
    forget: impl Fn(&str, &mut Value),
) {
    with_both(|both| {
        for version in ["0.3.1", "1.0.0"] {
            let at = format!("{name}, {version}");
            let plugins = plugins_of(&list(version, chained.clone()));
            let sides = both();
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
            if check && version >= "0.4.0" {
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
        ("sysctls", json!({ "sysctl": { "net.core.somaxconn": "500" } }), ""),
    ] {
        let chained = with(&json!({ "type": "tuning" }), keys);
        let more =
            |side: &Side| side.container.netns.inside(|| json!(sysctl("net/core/somaxconn")));
        compare(name, &chained, args, true, more, |_, _| {});
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
    compare("sbr", &json!({ "type": "sbr" }), "", false, |_| Value::Null, forget);
}
