//! The environment of a call: rows E1 to E6 and E13.

use serde_json::json;

use super::{PLUGINS, call, code_naming, conf, node, versions};
use crate::harness::exec::Exec;

const NBSP: &str = "a\u{a0}b";

/// Row E1.
#[test]
fn without_a_verb_a_plugin_tells_about_itself() {
    let node = node("about");
    let supported: Vec<_> = versions().collect();
    let supported = format!("CNI protocol versions supported: {}\n", supported.join(", "));
    for plugin in PLUGINS {
        let call = Exec::of(&node.plugins().join(plugin));
        for call in [call.clone(), call.env("CNI_COMMAND", "")] {
            let outcome = call.run();
            assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(0), ""), "{plugin}");
            assert!(outcome.stderr.starts_with(&format!("CNI {plugin} plugin v")), "{outcome:?}");
            assert!(outcome.stderr.ends_with(&supported), "{outcome:?}");
        }
    }
}

/// Row E2.
#[test]
fn unknown_verbs_are_named() {
    let node = node("unknown_verbs");
    for plugin in PLUGINS {
        for verb in ["FOO", "add", "ADD ", "UPDATE"] {
            let outcome = call(&node, verb, &conf(plugin)).run();
            assert_eq!(code_naming(&outcome, verb), 4, "{plugin}");
        }
    }
}

/// Which variables each verb requires.
const REQUIRED: [(&str, &[&str]); 5] = [
    ("ADD", &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
    ("DEL", &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]),
    ("CHECK", &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
    ("GC", &["CNI_PATH"]),
    ("STATUS", &["CNI_PATH"]),
];

/// Row E3. An empty variable is as good as a missing one.
#[test]
fn missing_variables_are_named_all_at_once() {
    let node = node("missing_variables");
    for plugin in PLUGINS {
        for (verb, required) in REQUIRED {
            let whole = call(&node, verb, &conf(plugin));
            let missing =
                |names: &[&str]| format!("required env variables [{}] missing", names.join(","));
            for variable in required {
                for call in [whole.clone().without(variable), whole.clone().env(variable, "")] {
                    let failure = call.run().failure();
                    assert_eq!(failure, (4, missing(&[variable])), "{plugin} {verb}");
                }
            }
            let none = required.iter().fold(whole, |call, variable| call.without(variable));
            assert_eq!(none.run().failure(), (4, missing(required)), "{plugin} {verb}");
        }
    }
}

/// Row E4, and what GC and STATUS do not need.
#[test]
fn other_variables_are_not_required() {
    let node = node("optional_variables");
    for plugin in PLUGINS {
        call(&node, "DEL", &conf(plugin)).without("CNI_NETNS").run().success();
        node.network_call("STATUS", &conf(plugin)).run().success();
        let gc =
            crate::harness::node::with(&conf(plugin), json!({ "cni.dev/valid-attachments": [] }));
        node.network_call("GC", &gc).run().success();
    }
}

/// Row E5. DEL of what was never added succeeds, if its names can be an attachment's.
#[test]
fn container_ids_are_checked() {
    let node = node("container_ids");
    for plugin in PLUGINS {
        for id in [
            "a",
            "1",
            "1.a-b_c",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            call(&node, "DEL", &conf(plugin)).env("CNI_CONTAINERID", id).run().success();
        }
    }
    for verb in ["ADD", "DEL", "CHECK"] {
        for id in [".a", "-a", "_a", "a/b", "../a", "a b", "a:b", "ä", "a\n", "a\u{0301}"] {
            let outcome = call(&node, verb, &conf("bridge")).env("CNI_CONTAINERID", id).run();
            assert_eq!(code_naming(&outcome, "CNI_CONTAINERID"), 4, "{verb} {id:?}");
        }
    }
}

/// Row E6.
#[test]
fn interface_names_are_checked() {
    let node = node("interface_names");
    for plugin in PLUGINS {
        for ifname in ["e", "eth0", "net1.100", "fifteen-letters", "ü"] {
            call(&node, "DEL", &conf(plugin)).env("CNI_IFNAME", ifname).run().success();
        }
    }
    for verb in ["ADD", "DEL", "CHECK"] {
        for ifname in
            ["sixteen-letters-", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\n", NBSP, "äöüäöüäö"]
        {
            let outcome = call(&node, verb, &conf("ptp")).env("CNI_IFNAME", ifname).run();
            assert_eq!(code_naming(&outcome, "CNI_IFNAME"), 4, "{verb} {ifname:?}");
        }
    }
}

/// What a verb does not use may hold anything; what is wrong goes before what is missing.
#[test]
fn variables_are_read_only_by_verbs_that_use_them() {
    let node = node("unused_variables");
    let status = node.network_call("STATUS", &conf("static"));
    status.env("CNI_CONTAINERID", "a/b").env("CNI_IFNAME", "..").run().success();
    let outcome =
        call(&node, "ADD", &conf("static")).env("CNI_IFNAME", "a/b").without("CNI_NETNS").run();
    assert_eq!(code_naming(&outcome, "CNI_IFNAME"), 4);
}

/// Row E13.
#[test]
fn version_needs_nothing_but_the_verb() {
    let node = node("version");
    let all: Vec<_> = versions().collect();
    for plugin in PLUGINS {
        let call = Exec::of(&node.plugins().join(plugin)).env("CNI_COMMAND", "VERSION");
        for (stdin, version) in [
            ("", "1.1.0"),
            ("garbage {", "1.1.0"),
            ("[]", "1.1.0"),
            (r#"{"cniVersion": 1}"#, "1.1.0"),
            (r#"{"cniVersion": "9.9.9"}"#, "1.1.0"),
            (r#"{"cniVersion": "0.4.0"}"#, "0.4.0"),
            (r#"{"cniVersion": "0.2.0", "name": "a/b"}"#, "0.2.0"),
        ] {
            let answer = call.clone().stdin(stdin).run().success();
            let expected = json!({ "cniVersion": version, "supportedVersions": all });
            assert_eq!(answer, expected, "{plugin} {stdin:?}");
        }
    }
}
