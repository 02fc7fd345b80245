//! Guests that have others do the work: with configurations of their own they get no more than they were
//! granted, and say nothing of the call.

use serde_json::{Value, json};

use super::guests::hostile;
use super::lab::{Lab, assert_same, hostile_conf};

/// The attack fails so, at the end of an ADD that was honest until then, and nothing is left.
#[track_caller]
fn fails(attack: Value, expected: u64, reason: &str) {
    let lab = Lab::sim().with(hostile(""));
    let before = lab.state();
    let mut conf = hostile_conf(&lab, attack.clone());
    conf["at"] = json!(4);
    let (code, details) = lab.call(&hostile(""), "ADD", &conf, "a").failure();
    assert_eq!(code, expected, "{attack}: {details}");
    assert!(details.contains(reason), "{attack}: {details}, not {reason}");
    assert!(!details.contains("not taken back"), "{attack}: {details}");
    assert_same(&before, &lab.state(), &attack.to_string());
}

#[test]
fn what_no_grant_gives() {
    let configure =
        |target: &str| json!({ "attack": "configure", "target": target, "value": "{}" });
    fails(configure("ptp"), 100, "delegate.configure plugin=\"ptp\"");
    fails(configure("../x"), 100, "delegate.configure plugin=\"../x\"");
    for dir in ["/etc", "/var/lib/cni/flannel/..", "/var/lib/cni/networks"] {
        let save = json!({ "attack": "save", "target": dir, "value": "{}" });
        fails(save, 100, &format!("saved-configuration.write data-dir={dir:?}"));
        let load = json!({ "attack": "load", "target": dir });
        fails(load, 100, &format!("saved-configuration.read data-dir={dir:?}"));
    }
    let read = json!({ "attack": "subnet-file", "target": "/etc/shadow" });
    fails(read, 100, "subnet-file.read path=\"/etc/shadow\"");
}

#[test]
fn what_makes_no_sense() {
    for value in ["", "{", "[]", "null", "\"x\""] {
        let configure = json!({ "attack": "configure", "target": "bridge", "value": value });
        fails(configure, 7, "reading the configuration for \"bridge\"");
    }
    let wrong = json!({ "attack": "configure", "target": "bridge", "value": "{\"mtu\": -1}" });
    fails(wrong, 7, "mtu");
    // Its own grants hold for the delegate, with its own configuration.
    let value = json!({ "attack": "bridge", "target": "docker0" }).to_string();
    let again = json!({ "attack": "configure", "target": "hostile", "value": value });
    fails(again, 100, "name=\"docker0\"");
}

/// Configured again and again, it is not deeper than others may delegate.
#[test]
fn a_delegate_of_a_delegate_of_a_delegate() {
    let mut value = json!({});
    for _ in 0..3 {
        value = json!({ "attack": "configure", "target": "hostile", "value": value.to_string() });
    }
    fails(value, 103, "delegates 3 deep already");
}

/// Which network it is about, in which version, is the call's to say.
#[test]
fn a_rendered_configuration_says_nothing_of_the_call() {
    let lab = Lab::sim();
    let value = json!({
        "name": "other", "cniVersion": "0.1.0", "type": "ptp", "bridge": "evil1",
        "prevResult": "nonsense",
        "ipam": { "type": "host-local", "subnet": "10.30.1.0/24", "dataDir": lab.data_dir() },
    });
    let attack = json!({ "attack": "configure", "target": "bridge", "value": value.to_string() });
    let before = lab.state();
    let conf = hostile_conf(&lab, attack);
    // It is the bridge that makes the interface, so the honest steps after that fail.
    let outcome = lab.call(&hostile(""), "ADD", &conf, "a");
    assert!(outcome.operations.iter().any(|o| o.to_string().contains("evil1")), "{outcome:?}");
    outcome.failure();
    assert_same(&before, &lab.state(), "taken back");
    assert!(lab.data_dir().join("net").exists(), "the reservation was the call's network's");
    assert!(!lab.data_dir().join("other").exists());
}
