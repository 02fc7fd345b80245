//! Components that are refused before anything of them runs: code 103, and what is wrong with them named.

use serde_json::json;

use super::guests::{hostile_with_grants, raw, with_limits};
use super::lab::{Lab, Outcome, assert_same, hostile_conf};

#[track_caller]
fn is_refused(
    lab: &Lab,
    before: &std::collections::BTreeSet<String>,
    outcome: &Outcome,
    reason: &str,
) {
    let (code, details) = outcome.failure();
    assert_eq!(code, 103, "{details}");
    assert!(details.contains(reason), "{details}, not {reason}");
    assert!(outcome.operations.is_empty(), "{:?}", outcome.operations);
    assert!(outcome.log.is_empty(), "{:?}", outcome.log);
    assert_same(before, &lab.state(), reason);
}

/// Each act that the component imports must be in the file, for something at least.
#[test]
fn imports_without_a_grant() {
    let acts = [
        ("netns.enter", "wasmcni:net/netns@0.1.0#enter-netns"),
        ("link.create", "wasmcni:net/link@0.1.0#[method]link.set-down"),
        ("link.set-master", "wasmcni:net/link@0.1.0#[method]link.set-master"),
        ("addr.add", "wasmcni:net/link@0.1.0#[method]link.add-addr"),
        ("route.add", "wasmcni:net/netns@0.1.0#[method]netns.add-route"),
        ("bridge-port.add-vlan", "wasmcni:net/bridge-port@0.1.0#add-vlan"),
        ("sysctl.read", "wasmcni:net/sysctl@0.1.0#read"),
        ("sysctl.write", "wasmcni:net/sysctl@0.1.0#write"),
        ("forwarding.enable", "wasmcni:net/forwarding@0.1.0#enable"),
        ("nat.masquerade", "wasmcni:net/nat@0.1.0#masquerade"),
        ("spoof-guard.pin", "wasmcni:net/spoof-guard@0.1.0#pin"),
        ("delegate.run", "wasmcni:cni/delegate@0.1.0#add"),
        ("delegate.configure", "wasmcni:cni/configured-delegate@0.1.0#add"),
        ("saved-configuration.read", "wasmcni:cni/saved-configuration@0.1.0#load"),
        ("saved-configuration.write", "wasmcni:cni/saved-configuration@0.1.0#save"),
        ("subnet-file.read", "wasmcni:ipam/subnet-file@0.1.0#read"),
        ("reservations.open", "wasmcni:ipam/reservations@0.1.0#open"),
        ("reservations.reserve", "wasmcni:ipam/reservations@0.1.0#[method]store.reserve"),
        ("resolv-conf.read", "wasmcni:ipam/resolv-conf@0.1.0#read"),
    ];
    let lab = Lab::sim();
    let before = lab.state();
    // It would log, were it run.
    let conf = hostile_conf(&lab, json!({ "attack": "log-text", "value": "here I am" }));
    for (act, import) in acts {
        let all = with_limits("");
        let (head, grants) = all.split_once("[[grant]]").unwrap();
        let others =
            grants.split("[[grant]]").filter(|grant| !grant.contains(&format!("op = \"{act}\"")));
        let grants: String = others.map(|grant| format!("[[grant]]{grant}")).collect();
        let outcome = lab.call(&hostile_with_grants(&format!("{head}{grants}")), "ADD", &conf, "a");
        is_refused(&lab, &before, &outcome, &format!("it imports {import:?}"));
        let (_, details) = outcome.failure();
        assert!(details.contains("bundled:hostile/grants.toml has no grant for"), "{details}");
        assert!(details.contains(act), "{details}");
    }
}

#[test]
fn no_grants_no_rights() {
    let lab = Lab::sim();
    let before = lab.state();
    let plugin = hostile_with_grants("component = \"bundled\"\n");
    let outcome = lab.call(&plugin, "ADD", &hostile_conf(&lab, json!({})), "a");
    is_refused(&lab, &before, &outcome, "has no grant for");
}

/// A file that cannot be read as it stands gives nothing, rather than what of it can be read.
#[test]
fn grants_that_cannot_be_read() {
    let lab = Lab::sim();
    let before = lab.state();
    let plugin = hostile_with_grants(&with_limits("memory = \"lots\""));
    for verb in ["ADD", "DEL", "STATUS"] {
        let outcome = lab.call(&plugin, verb, &hostile_conf(&lab, json!({})), "a");
        is_refused(&lab, &before, &outcome, "bundled:hostile/grants.toml");
    }
}

#[test]
fn imports_that_there_are_not() {
    let cases = [
        (
            "wasi",
            "it imports \"wasi:cli/environment@0.2.0#get-arguments\", which this host does not offer",
        ),
        ("bare-function", "it imports \"run-program\", which this host does not offer"),
        (
            "unknown-function",
            "\"wasmcni:net/netns@0.1.0#open-path\", which this host does not offer",
        ),
        ("too-new", "\"wasmcni:cni/log@9.0.0#log\", which this host does not offer"),
        ("wrong-type", "wasmcni:net/spoof-guard@0.1.0"),
        ("no-plugin", "wasmcni:cni/plugin@0.1.0"),
    ];
    for (guest, reason) in cases {
        let lab = Lab::sim();
        let before = lab.state();
        let outcome = lab.call(&raw(guest, ""), "ADD", &hostile_conf(&lab, json!({})), "a");
        is_refused(&lab, &before, &outcome, reason);
    }
}
