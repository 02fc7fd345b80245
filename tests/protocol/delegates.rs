//! Delegates that are programs of the node: rows E28, E35 and E36.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::code_naming;
use crate::harness::netns::ip_json;
use crate::harness::node::{Container, Node, on_a_node};

/// What the delegate does: it notes each call in `/run/calls`, and answers as a file beside it says.
const SCRIPT: &str = r#"#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_NETNS $CNI_ARGS" >> /run/calls
read -r conf
echo "$conf" > "/run/stdin.$CNI_COMMAND"
[ ! -e "/run/answer.$CNI_COMMAND" ] || . "/run/answer.$CNI_COMMAND"
"#;

/// A delegate `acme-ipam` beside the bundled plugins.
fn with_delegate(test: impl FnOnce(&Node)) {
    on_a_node(|node| {
        place(&node.plugins().join("acme-ipam"));
        test(&node);
    });
}

fn place(program: &Path) {
    fs::write(program, SCRIPT).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// From now on it writes this for the verb, and exits so.
fn answers(verb: &str, stdout: &str, exit: i32) {
    let script = format!("cat <<'END'\n{stdout}\nEND\nexit {exit}\n");
    fs::write(format!("/run/answer.{verb}"), script).unwrap();
}

/// The verbs that it was called with since this was asked last.
fn calls() -> Vec<String> {
    let calls = fs::read_to_string("/run/calls").unwrap_or_default();
    let _ = fs::remove_file("/run/calls");
    calls.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn conf(plugin: &str, ipam: &str) -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "net", "type": plugin, "bridge": "br0", "isGateway": true,
        "ipMasq": true, "ipam": { "type": ipam, "key": "Value" },
    })
}

const ADDRESS: &str =
    r#"{"cniVersion": "1.0.0", "ips": [{"address": "10.66.0.9/24", "gateway": "10.66.0.1"}]}"#;

const NOTHING: [&str; 0] = [];

#[test]
fn a_native_delegate_serves_every_verb() {
    with_delegate(|node| {
        node.allow_natives(&["acme-ipam"]);
        answers("ADD", ADDRESS, 0);
        for plugin in ["bridge", "ptp"] {
            let container = Container::new(plugin);
            let conf = conf(plugin, "acme-ipam");
            let call = node.call("ADD", &conf, &container).env("CNI_ARGS", "IgnoreUnknown=1;A=b");
            let result = call.run().success();
            assert_eq!(result["ips"][0]["address"], "10.66.0.9/24");
            assert_eq!(container.addresses(), ["10.66.0.9/24"]);
            // The same environment and configuration, only the verb is another one.
            let netns = container.netns.path().display();
            let call = format!("ADD id-{plugin} eth0 {netns} IgnoreUnknown=1;A=b\n");
            assert_eq!(fs::read_to_string("/run/calls").unwrap(), call);
            let stdin = fs::read_to_string("/run/stdin.ADD").unwrap();
            assert_eq!(serde_json::from_str::<Value>(&stdin).unwrap(), conf);
            node.check(&conf, &container, &result).success();
            node.network_call("STATUS", &conf).run().success();
            node.del(&conf, &container);
            assert_eq!(calls(), ["ADD", "CHECK", "STATUS", "DEL"], "{plugin}");
            let gc = crate::harness::node::with(&conf, json!({ "cni.dev/valid-attachments": [] }));
            node.network_call("GC", &gc).run().success();
            assert_eq!(calls(), ["GC"], "{plugin}");
            assert_eq!(node.leftovers(&["br0"]), NOTHING, "{plugin}");
        }
    });
}

/// Row E28.
#[test]
fn a_delegates_failure_is_passed_on_and_all_is_taken_back() {
    with_delegate(|node| {
        node.allow_natives(&["acme-ipam"]);
        let container = Container::new("c");
        let before = (ip_json(&["link"]), container.netns.ip_json(&["link"]));
        for plugin in ["bridge", "ptp"] {
            for code in [1, 11, 50, 51, 107, 999] {
                let error = json!({
                    "cniVersion": "1.0.0", "code": code, "msg": "pool of acme", "details": "10.66.0.0/24 is \"full\""
                });
                answers("ADD", &error.to_string(), 1);
                let outcome = node.call("ADD", &conf(plugin, "acme-ipam"), &container).run();
                assert_eq!(outcome.status, Some(1), "{outcome:?}");
                let told = outcome.json();
                for key in ["code", "msg", "details"] {
                    assert_eq!(told[key], error[key], "{plugin}: {outcome:?}");
                }
                assert_eq!(calls(), ["ADD", "DEL"], "{plugin} {code}");
                assert_eq!(node.leftovers(&[]), NOTHING, "{plugin} {code}");
                let after = (ip_json(&["link"]), container.netns.ip_json(&["link"]));
                assert_eq!(after, before, "{plugin} {code}");
            }
        }
    });
}

/// Nor does it matter how it fails: in a way that CNI does not know, or with an answer that none is.
#[test]
fn answers_that_are_none_fail_the_call() {
    with_delegate(|node| {
        node.allow_natives(&["acme-ipam"]);
        let container = Container::new("c");
        for (answer, exit) in [
            ("", 1),
            ("nonsense", 1),
            ("", 0),
            ("nonsense", 0),
            ("{\"code\": 7, \"msg\": \"an error, they say\"}", 0),
            ("{\"cniVersion\": \"7.0.0\"}", 0),
            ("{\"cniVersion\": \"1.0.0\", \"ips\": []}", 0),
            ("{\"cniVersion\": \"1.0.0\", \"ips\": [{\"address\": \"10.66.0.9\"}]}", 0),
            ("null", 0),
        ] {
            answers("ADD", answer, exit);
            let outcome = node.call("ADD", &conf("bridge", "acme-ipam"), &container).run();
            assert_ne!(outcome.failure().0, 0, "{answer}");
            assert_eq!(calls(), ["ADD", "DEL"], "{answer}");
            assert_eq!(node.leftovers(&[]), NOTHING, "{answer}");
        }
    });
}

/// What fails after IPAM has given an address takes the address back as well.
#[test]
fn a_failure_after_the_delegate_calls_its_del() {
    with_delegate(|node| {
        node.allow_natives(&["acme-ipam"]);
        let container = Container::new("c");
        // A route by way of a gateway that no address reaches.
        let unreachable = r#"{"ips": [{"address": "10.66.0.9/24", "gateway": "10.66.0.1"}],
            "routes": [{"dst": "10.9.0.0/16", "gw": "192.0.2.1"}]}"#;
        answers("ADD", unreachable, 0);
        for plugin in ["bridge", "ptp"] {
            let outcome = node.call("ADD", &conf(plugin, "acme-ipam"), &container).run();
            code_naming(&outcome, "10.9.0.0/16");
            assert_eq!(calls(), ["ADD", "DEL"], "{plugin}");
            assert_eq!(node.leftovers(&[]), NOTHING, "{plugin}");
        }
    });
}

/// Row E35: without a version of its own, a result is of the configuration's.
#[test]
fn a_result_without_a_version_is_of_the_configurations() {
    with_delegate(|node| {
        node.allow_natives(&["acme-ipam"]);
        let container = Container::new("c");
        for (version, answer) in [
            ("0.2.0", r#"{"ip4": {"ip": "10.66.0.9/24", "gateway": "10.66.0.1"}}"#),
            (
                "0.4.0",
                r#"{"cniVersion": "", "ips": [{"version": "4", "address": "10.66.0.9/24", "gateway": "10.66.0.1"}]}"#,
            ),
            ("1.0.0", r#"{"ips": [{"address": "10.66.0.9/24", "gateway": "10.66.0.1"}]}"#),
            // One of its own counts.
            (
                "1.1.0",
                r#"{"cniVersion": "0.2.0", "ip4": {"ip": "10.66.0.9/24", "gateway": "10.66.0.1"}}"#,
            ),
        ] {
            answers("ADD", answer, 0);
            let conf = crate::harness::node::with(
                &conf("ptp", "acme-ipam"),
                json!({ "cniVersion": version }),
            );
            let result = node.add(&conf, &container);
            assert_eq!(result["cniVersion"], version);
            assert_eq!(container.addresses(), ["10.66.0.9/24"], "{version}");
            node.del(&conf, &container);
        }
    });
}

/// Nothing confines a native program, so the operator must have named it.
#[test]
fn delegates_that_nobody_allowed_are_not_executed() {
    with_delegate(|node| {
        let container = Container::new("c");
        for allowed in [None, Some(["other-ipam"])] {
            if let Some(natives) = &allowed {
                node.allow_natives(natives);
            }
            for plugin in ["bridge", "ptp"] {
                let conf = conf(plugin, "acme-ipam");
                let outcome = node.call("ADD", &conf, &container).run();
                assert_eq!(code_naming(&outcome, "acme-ipam"), 103, "{outcome:?}");
                assert!(outcome.failure().1.contains("wasmcni.toml"), "{outcome:?}");
                assert_eq!(calls(), NOTHING);
                assert_eq!(node.leftovers(&[]), NOTHING, "{plugin}");
            }
        }
        // Allowed, but not there.
        node.allow_natives(&["missing-ipam"]);
        let outcome = node.call("ADD", &conf("bridge", "missing-ipam"), &container).run();
        code_naming(&outcome, "missing-ipam");
        assert_eq!(node.leftovers(&[]), NOTHING);
    });
}

/// A file that says what may be executed must be the operator's alone.
#[test]
fn a_permission_that_others_could_have_written_is_none() {
    with_delegate(|node| {
        node.allow_natives(&["acme-ipam"]);
        let file = node.below("etc/wasmcni/wasmcni.toml");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let container = Container::new("c");
        let outcome = node.call("ADD", &conf("bridge", "acme-ipam"), &container).run();
        code_naming(&outcome, "wasmcni.toml");
        assert_eq!(calls(), NOTHING);
        assert_eq!(node.leftovers(&[]), NOTHING);
    });
}

/// Row E36 (CVE-2021-20206): a type leads out of CNI_PATH for nobody, whatever is allowed.
#[test]
fn a_type_with_a_path_is_never_executed() {
    with_delegate(|node| {
        place(Path::new("/run/evil"));
        fs::create_dir_all(node.plugins().join("dir")).unwrap();
        place(&node.plugins().join("dir/evil"));
        node.allow_natives(&["evil", "acme-ipam"]);
        let container = Container::new("c");
        for kind in [
            "../../evil",
            "../evil",
            "/run/evil",
            "dir/evil",
            "./acme-ipam",
            "dir/../acme-ipam",
            "..",
        ] {
            for plugin in ["bridge", "ptp"] {
                for verb in ["ADD", "DEL", "CHECK", "STATUS"] {
                    let outcome = node.call(verb, &conf(plugin, kind), &container).run();
                    assert_eq!(code_naming(&outcome, "ipam.type"), 7, "{plugin} {verb} {kind}");
                    assert_eq!(calls(), NOTHING, "{plugin} {verb} {kind}");
                }
            }
        }
        assert_eq!(node.leftovers(&[]), NOTHING);
    });
}

/// Row E32: what IPAM says of its state is the plugin's state, with its code.
#[test]
fn status_is_the_delegates() {
    with_delegate(|node| {
        node.allow_natives(&["acme-ipam"]);
        for plugin in ["bridge", "ptp"] {
            let status = node.network_call("STATUS", &conf(plugin, "acme-ipam"));
            for code in [50, 51, 999] {
                answers(
                    "STATUS",
                    &json!({ "code": code, "msg": "m", "details": "d" }).to_string(),
                    1,
                );
                assert_eq!(status.run().failure(), (code, "d".to_owned()), "{plugin}");
            }
            answers("STATUS", "", 0);
            status.run().success();
        }
    });
}

/// Row E31: what fails keeps nothing else from being collected, and is told at the end.
#[test]
fn a_failing_delegate_does_not_keep_gc_from_the_rest() {
    with_delegate(|node| {
        node.allow_natives(&["acme-ipam"]);
        answers("ADD", ADDRESS, 0);
        answers("GC", &json!({ "code": 123, "msg": "m", "details": "no GC today" }).to_string(), 1);
        for plugin in ["bridge", "ptp"] {
            let conf = conf(plugin, "acme-ipam");
            let container = Container::new(plugin);
            node.add(&conf, &container);
            let gc = crate::harness::node::with(&conf, json!({ "cni.dev/valid-attachments": [] }));
            let outcome = node.network_call("GC", &gc).run();
            assert_eq!(code_naming(&outcome, "no GC today"), 123, "{plugin}");
            assert_eq!(calls(), ["ADD", "DEL", "GC"], "{plugin}");
            assert_eq!(node.leftovers(&["br0"]), NOTHING, "{plugin}");
        }
    });
}
