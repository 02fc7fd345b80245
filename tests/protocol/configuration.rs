//! The configuration on stdin: rows E7 to E12, E18, E20, E36 and E37, and how Go reads JSON.

use serde_json::{Value, json};
use wasmcni::cni::NetworkList;

use super::{PLUGINS, call, code_naming, conf, node, versions};
use crate::harness::node::{Container, on_a_node, with};

const VERBS: [&str; 5] = ["ADD", "DEL", "CHECK", "GC", "STATUS"];

fn versioned(plugin: &str, version: impl Into<Value>) -> Value {
    with(&conf(plugin), json!({ "cniVersion": version.into() }))
}

/// Row E7.
#[test]
fn stdin_must_be_an_object() {
    let node = node("stdin");
    for plugin in PLUGINS {
        for verb in VERBS {
            let at = call(&node, verb, &conf(plugin));
            for stdin in ["", " ", "{", "[]", "1", "\"x\"", "{\"name\": \"n\"} x", "{'name': 'n'}"]
            {
                assert_eq!(
                    at.clone().stdin(stdin).run().failure().0,
                    6,
                    "{plugin} {verb} {stdin:?}"
                );
            }
            // To Go `null` is an empty configuration, and what that lacks is the name.
            assert_eq!(at.stdin("null").run().failure().0, 7, "{plugin} {verb}");
        }
    }
}

/// Row E8.
#[test]
fn a_network_has_a_name() {
    let node = node("names");
    for verb in VERBS {
        for name in [Value::Null, "".into(), "-x".into(), "a/b".into(), "..".into(), "a b".into()] {
            let outcome = call(&node, verb, &with(&conf("bridge"), json!({ "name": name }))).run();
            assert_eq!(code_naming(&outcome, "name"), 7, "{verb} {name}");
        }
        let outcome = call(&node, verb, &with(&conf("bridge"), json!({ "name": 1 }))).run();
        assert_eq!(code_naming(&outcome, "name"), 6, "{verb}");
    }
    for name in ["a", "0", "a.b-c_d"] {
        call(&node, "DEL", &with(&conf("bridge"), json!({ "name": name }))).run().success();
    }
}

/// Row E9.
#[test]
fn unknown_versions_are_refused_with_the_known_ones() {
    let node = node("unknown_versions");
    for plugin in PLUGINS {
        for verb in VERBS {
            for version in ["0.9.9", "2.0.0", "1.2.0", "0.0.1"] {
                let outcome = call(&node, verb, &versioned(plugin, version)).run();
                assert_eq!(code_naming(&outcome, version), 1, "{plugin} {verb} {version}");
                if version == "2.0.0" || verb == "ADD" || verb == "DEL" {
                    assert!(versions().all(|known| code_naming(&outcome, known) == 1));
                }
            }
        }
    }
}

/// Row E10. ADD and DEL compare texts, the other verbs numbers first.
#[test]
fn versions_are_texts_to_some_verbs_and_numbers_to_others() {
    let node = node("odd_versions");
    for (version, text, number) in [
        (json!("1.0"), 1, 1),
        (json!("1"), 1, 1),
        (json!("1.x"), 1, 6),
        (json!("1.0.0.0"), 1, 6),
        (json!(" 1.0.0"), 1, 6),
        (json!(1), 6, 6),
        (json!(["1.0.0"]), 6, 6),
    ] {
        for (verb, code) in [("ADD", text), ("DEL", text), ("CHECK", number)] {
            let outcome = call(&node, verb, &versioned("static", version.clone())).run();
            assert_eq!(outcome.failure().0, code, "{verb} {version}");
        }
    }
}

/// Row E12.
#[test]
fn verbs_are_as_old_as_their_version() {
    let node = node("verbs_by_version");
    for plugin in PLUGINS {
        for version in versions() {
            for (verb, since) in [("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")] {
                let outcome = call(&node, verb, &versioned(plugin, version)).run();
                let code = if outcome.status == Some(0) { 0 } else { outcome.failure().0 };
                assert_eq!(code == 1, version < since, "{plugin} {verb} {version}: {outcome:?}");
                assert!(code != 1 || outcome.failure().1.contains(version), "{outcome:?}");
            }
        }
        // Row E11: a missing version is 0.1.0, which has none of them.
        for (verb, version) in [("CHECK", Value::Null), ("STATUS", "".into())] {
            let outcome = call(&node, verb, &versioned(plugin, version)).run();
            assert_eq!(code_naming(&outcome, "0.1.0"), 1, "{plugin} {verb}");
        }
    }
}

/// Row E20. What belongs to 0.4.0 cannot be read as 1.0.0, nor the reverse.
#[test]
fn a_former_result_is_of_the_configurations_family() {
    let node = node("families");
    let family = |version: &str| match version {
        "0.1.0" | "0.2.0" => 2,
        "0.3.0" | "0.3.1" | "0.4.0" => 4,
        _ => 10,
    };
    for version in versions() {
        for former in versions() {
            let result = json!({ "cniVersion": former });
            let conf = with(&versioned("loopback", version), json!({ "prevResult": result }));
            let (code, details) = call(&node, "ADD", &conf).run().failure();
            if family(version) == family(former) {
                // Past the configuration: only the netns is missing.
                assert_eq!(code, 8, "{version} {former}");
            } else {
                assert!(matches!(code, 6 | 7), "{version} {former}: {code} {details}");
                assert!(details.contains(version) && details.contains(former), "{details}");
            }
        }
    }
    for damaged in
        [json!(1), json!([]), json!({ "ips": 1 }), json!({ "ips": [{ "address": "x" }] })]
    {
        let conf = with(&conf("loopback"), json!({ "prevResult": damaged }));
        let outcome = call(&node, "ADD", &conf).run();
        assert_eq!(code_naming(&outcome, "prevResult"), 6, "{damaged}");
    }
}

/// Row E36 (CVE-2021-20206), the configuration's own type.
#[test]
fn a_type_is_a_file_name() {
    let node = node("types");
    for kind in ["../bridge", "/opt/cni/bin/bridge", "a/b", "..", ".", "a\\b"] {
        let conf = conf("bridge");
        for conf in
            [with(&conf, json!({ "type": kind })), with(&conf, json!({ "ipam": { "type": kind } }))]
        {
            let outcome = node.network_call_of("bridge", "STATUS", &conf).run();
            assert_eq!(code_naming(&outcome, "type"), 7, "{kind:?}");
        }
    }
    // The program has been found when it reads what it is called: any file name will do.
    node.network_call_of("static", "STATUS", &with(&conf("static"), json!({ "type": "IGNORED" })))
        .run()
        .success();
}

/// Row E37. Which version plugins are called with, a list says; a plugin that meets the key passes it
/// over.
#[test]
fn of_several_versions_the_highest_known_is_chosen() {
    for (versions, chosen) in [
        (json!({ "cniVersions": ["0.4.0", "1.0.0", "9.9.9"] }), "1.0.0"),
        (json!({ "cniVersion": "1.1.0", "cniVersions": ["0.4.0", "1.0.0"] }), "1.1.0"),
        (json!({ "cniVersion": "0.3.1", "cniVersions": ["2.0.0", "1.1.0"] }), "1.1.0"),
        (json!({ "cniVersion": "0.3.1", "cniVersions": [] }), "0.3.1"),
    ] {
        let list = with(&versions, json!({ "name": "n", "plugins": [{ "type": "static" }] }));
        assert_eq!(NetworkList::parse(&list.to_string()).unwrap().version.as_str(), chosen);
    }
    let node = node("several_versions");
    let conf = with(&conf("static"), json!({ "cniVersions": ["9.9.9"], "cniVersion": "1.1.0" }));
    node.network_call("STATUS", &conf).run().success();
}

/// Row E18.
#[test]
fn keys_that_nobody_knows_are_passed_over() {
    on_a_node(|node| {
        let more = json!({
            "capabilities": { "portMappings": true, "mac": true }, "unknown": { "deep": [null, 1.5e3] },
            "cni.dev/other": 1, "cni.dev/valid-attachments": "no list", "disableCheck": "True",
            "args": { "cni": { "unknown": 1 }, "org.example": [] },
            "runtimeConfig": { "portMappings": [{ "hostPort": 1 }], "unknown": "x" },
        });
        for plugin in PLUGINS {
            let container = Container::new(plugin);
            let mut conf = with(&conf(plugin), more.clone());
            if conf["ipam"].is_object() {
                conf["ipam"]["unknown"] = json!({});
            }
            let result = node.add(&conf, &container);
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
        }
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// How Go reads JSON (encoding/json): keys in any case, `null` for nothing, the last of several keys.
#[test]
fn json_is_read_as_go_reads_it() {
    on_a_node(|node| {
        let container = Container::new("go");
        for (text, address, gateway) in [
            (
                r#"{"CNIVERSION": "1.0.0", "NAME": "n", "Ipam": {"TYPE": "static",
                    "ADDRESSES": [{"ADDRESS": "10.1.0.1/24", "GATEWAY": "10.1.0.9"}]}}"#,
                "10.1.0.1/24",
                Some("10.1.0.9"),
            ),
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "prevResult": null, "runtimeConfig": null,
                    "dns": null, "args": {"cni": null}, "ipam": {"routes": null, "dns": null,
                    "addresses": [{"address": "10.1.0.2/24", "gateway": null}]}}"#,
                "10.1.0.2/24",
                None,
            ),
            // The last one counts, also of keys in different case: but `null` leaves what was there.
            (
                r#"{"name": "x", "NAME": "n", "cniVersion": "0.4.0", "cniversion": "1.0.0",
                    "Cniversion": null,
                    "ipam": {"addresses": [{"address": "10.1.0.8/24"}, {"address": "10.1.0.9/24"}],
                    "ADDRESSES": [{"address": "10.1.0.3/24"}]}}"#,
                "10.1.0.3/24",
                None,
            ),
            // Objects are read one into the other.
            (
                r#"{"cniVersion": "1.0.0", "name": "n", "ipam": {"addresses":
                    [{"address": "10.1.0.4/24"}]}, "IPAM": {"type": "static"}}"#,
                "10.1.0.4/24",
                None,
            ),
            // Folding is Unicode's: the Kelvin sign is a k, the long s an s.
            (
                "{\"cniVer\u{17f}ion\": \"1.0.0\", \"name\": \"n\", \"ipam\":
                    {\"addre\u{17f}\u{17f}es\": [{\"address\": \"10.1.0.5/24\"}]}}",
                "10.1.0.5/24",
                None,
            ),
        ] {
            let call = node.call("ADD", &json!({ "type": "static" }), &container);
            let result = call.stdin(text).run().success();
            let mut ip = json!({ "address": address });
            if let Some(gateway) = gateway {
                ip["gateway"] = gateway.into();
            }
            assert_eq!(result, json!({ "cniVersion": "1.0.0", "ips": [ip] }), "{text}");
            node.call("DEL", &json!({ "type": "static" }), &container).stdin(text).run().success();
        }
    });
}
