//! `bandwidth`: the same qdiscs and filters, told by `tc`; and each removes what the other made.

use serde_json::{Value, json};

use super::{Side, container, with_both};
use crate::harness::netns::{ip_json, names, tc_json};
use crate::harness::node::{Container, on_a_node, with};
use crate::harness::programs::require_reference;

const LIMITS: &[(&str, &str)] = &[
    (
        "both ways",
        r#"{"ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 16000000, "egressBurst": 1600000}"#,
    ),
    ("to the container", r#"{"ingressRate": 100000000, "ingressBurst": 4294967295}"#),
    ("from the container", r#"{"egressRate": 800001, "egressBurst": 80009}"#),
    ("fast", r#"{"ingressRate": 100000000000, "ingressBurst": 10000000000}"#),
    ("slow", r#"{"ingressRate": 8, "ingressBurst": 8, "egressRate": 1000, "egressBurst": 8}"#),
    ("none", r#"{"ingressRate": 0}"#),
    ("nothing said", "{}"),
    (
        "the runtime's",
        r#"{"runtimeConfig": {"bandwidth": {"IngressRate": 800000, "IngressBurst": 80000}}}"#,
    ),
    (
        "its own before the runtime's",
        r#"{"egressRate": 8000, "egressBurst": 8000,
            "runtimeConfig": {"bandwidth": {"IngressRate": 800000, "IngressBurst": 80000}}}"#,
    ),
];

fn ptp(version: &str) -> Value {
    let ipam = json!({ "type": "host-local", "subnet": "10.77.0.0/24" });
    json!({ "cniVersion": version, "name": "net", "type": "ptp", "ipam": ipam })
}

fn bandwidth(version: &str, limits: &str, former: &Value) -> Value {
    let limits: Value = serde_json::from_str(limits).unwrap();
    let conf =
        json!({ "cniVersion": version, "name": "net", "type": "bandwidth", "prevResult": former });
    with(&conf, limits)
}

fn called(name: &str) -> &str {
    match name {
        _ if name.starts_with("veth") => "VETH",
        _ if name.starts_with("ifb") || name.starts_with("bwp") => "IFB",
        _ => name,
    }
}

/// Qdiscs and, of each filter, what its first action does: the reference plugin gives it a second one, which
/// no packet comes to.
fn seen() -> Value {
    let mut all = Vec::new();
    for mut qdisc in tc_json(&["-details", "qdisc"]).as_array().unwrap().clone() {
        let name = qdisc["dev"].as_str().unwrap().to_owned();
        if qdisc["kind"] == "ingress" {
            let filters = tc_json(&["filter", "show", "dev", &name, "parent", "ffff:"]);
            let rules =
                filters.as_array().unwrap().iter().filter(|f| f["options"]["actions"].is_array());
            all.extend(rules.map(|rule| {
                let action = &rule["options"]["actions"][0];
                json!([
                    rule["protocol"],
                    rule["pref"],
                    rule["kind"],
                    rule["options"]["match"],
                    action["mirred_action"],
                    action["direction"],
                    action["control_action"],
                    called(action["to_dev"].as_str().unwrap()),
                ])
            }));
        }
        qdisc["dev"] = called(&name).into();
        all.push(qdisc);
    }
    let links = ip_json(&["-details", "link"]);
    all.extend(
        links.as_array().unwrap().iter().filter(|l| l["linkinfo"]["info_kind"] == "ifb").map(
            |link| json!([link["mtu"], link["flags"], called(link["ifname"].as_str().unwrap())]),
        ),
    );
    all.sort_by_key(Value::to_string);
    all.into()
}

fn told(result: &Value, side: &Side) -> Value {
    let mut interfaces = result["interfaces"].clone();
    for interface in interfaces.as_array_mut().unwrap() {
        interface["name"] = called(interface["name"].as_str().unwrap()).into();
        interface["mac"] = json!(interface["mac"].as_str().unwrap().len());
        if interface["sandbox"] == side.container.netns.path().to_str().unwrap() {
            interface["sandbox"] = "SANDBOX".into();
        }
    }
    interfaces
}

#[test]
fn limits_are_the_same() {
    with_both(|both| {
        for (name, limits) in LIMITS {
            for version in ["0.3.1", "1.0.0"] {
                let sides = both();
                let [ours, theirs] = sides.each_ref().map(|side| {
                    let former = side.run(&side.call("ADD", &ptp(version))).success();
                    let conf = bandwidth(version, limits, &former);
                    let result = side.run(&side.call("ADD", &conf)).success();
                    let made = side.host.inside(seen);
                    let conf = with(&conf, json!({ "prevResult": result }));
                    if version == "1.0.0" && *name != "nothing said" {
                        // With nothing said the reference plugin's CHECK breaks off.
                        side.run(&side.call("CHECK", &conf)).success();
                    }
                    side.run(&side.call("DEL", &conf)).success();
                    let links = side.host.inside(|| names(&ip_json(&["link"])).len());
                    (told(&result, side), made, links)
                });
                assert_eq!(ours, theirs, "{name} {version}");
            }
        }
    });
}

#[test]
fn what_the_reference_refuses_is_refused() {
    with_both(|both| {
        for limits in [
            r#"{"ingressRate": 100}"#,
            r#"{"egressBurst": 100}"#,
            r#"{"ingressRate": 1, "ingressBurst": 1}"#,
            r#"{"ingressRate": 8, "ingressBurst": 34359738360}"#,
            r#"{"ingressRate": -1}"#,
            r#"{"ingressRate": 1.5}"#,
            r#"{"ingressRate": 18446744073709551615, "ingressBurst": 1000}"#,
        ] {
            for side in both() {
                let former = side.run(&side.call("ADD", &ptp("1.0.0"))).success();
                let conf = bandwidth("1.0.0", limits, &former);
                side.run(&side.call("ADD", &conf)).failure();
            }
        }
        for side in both() {
            let conf =
                with(&bandwidth("1.0.0", LIMITS[0].1, &json!({})), json!({ "prevResult": null }));
            side.run(&side.call("ADD", &conf)).failure();
            let old = with(&conf, json!({ "cniVersion": "0.2.0" }));
            let outcome = side.run(&side.call("ADD", &old));
            assert_eq!(outcome.failure().0, 1, "{}: {outcome:?}", side.name);
        }
    });
}

#[test]
fn each_checks_and_removes_what_the_other_made() {
    on_a_node(|node| {
        if !require_reference() {
            return;
        }
        let reference = node.reference();
        for (maker, remover, theirs) in [(&reference, &node, true), (&node, &reference, false)] {
            let container: Container = container("c");
            let ptp = with(
                &ptp("1.0.0"),
                json!({ "ipam": {
                "type": "host-local", "subnet": "10.77.0.0/24", "dataDir": node.data_dir()
            } }),
            );
            let former = node.add(&ptp, &container);
            let conf = bandwidth("1.0.0", LIMITS[0].1, &former);
            let result = maker.add(&conf, &container);
            let conf = with(&conf, json!({ "prevResult": result }));
            if theirs {
                // The reference plugin looks for its own name, so its CHECK of ours fails.
                remover.call("CHECK", &conf, &container).run().success();
            }
            let ifb = |name: &String| called(name) == "IFB";
            let ifbs = || names(&ip_json(&["link"])).into_iter().filter(ifb).count();
            assert_eq!(ifbs(), 1);
            remover.del(&conf, &container);
            if !theirs {
                // It knows our name as little: what it left goes with the DEL or GC that comes to us.
                node.del(&conf, &container);
            }
            assert_eq!(ifbs(), 0);
            node.del(&ptp, &container);
        }
    });
}
