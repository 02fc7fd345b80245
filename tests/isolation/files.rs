//! Faults where undo itself is written down: journals and reservations that cannot be kept.

use std::fs;

use serde_json::json;

use super::guests::{hostile, hostile_with_grants, with_limits};
use super::lab::{Lab, assert_same, hostile_conf};
use super::networks::{BRIDGE, HOST_LOCAL, prepare, undo_shared};
use super::processes::Runtime;
use crate::harness::netns::Netns;
use crate::harness::sandbox;

/// Octets between two limits: fewer than a line of a journal has.
const STEP: usize = 53;

/// A disk that is full after so many octets of the journal, within lines and between them: what could not be
/// written down was not done, and what was done is taken back.
#[test]
fn a_journal_that_cannot_grow() {
    sandbox::run(|| {
        let _blue = Netns::new("blue");
        let lab = Lab::linux();
        prepare(&lab);
        let (runtime, conf, before) = (Runtime::new(&lab), BRIDGE.conf(&lab), lab.state());
        let mut failures = 0;
        for limit in (0..).step_by(STEP) {
            let output = runtime.mishap("file-limit", limit, "ADD", &conf);
            if output.status.success() {
                break;
            }
            failures += 1;
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains("\"code\""), "{limit}: {text}");
            assert!(!text.contains("not taken back"), "{limit}: {text}");
            assert_same(&before, &lab.state(), &format!("at {limit}: {text}"));
        }
        assert!(failures > 20, "{failures}");
        runtime.call("DEL", &conf);
        undo_shared(&lab);
        assert_same(&before, &lab.state(), "the last one");
    });
}

/// The same for DEL, which removes all the same.
#[test]
fn a_del_that_cannot_write() {
    sandbox::run(|| {
        let _blue = Netns::new("blue");
        let lab = Lab::linux();
        prepare(&lab);
        let (runtime, conf) = (Runtime::new(&lab), BRIDGE.conf(&lab));
        runtime.call("ADD", &conf);
        runtime.call("DEL", &conf);
        let before = lab.state();
        for limit in [0, 1, 1000] {
            runtime.call("ADD", &conf);
            let output = runtime.mishap("file-limit", limit, "DEL", &conf);
            assert!(output.status.success(), "{output:?}");
            assert_same(&before, &lab.state(), &format!("DEL at {limit}"));
        }
    });
}

/// A line that was cut off, by a disk that was full, is not read as part of the next one.
#[test]
fn a_journal_with_half_a_line() {
    let lab = Lab::sim();
    let conf = hostile_conf(&lab, json!({}));
    lab.call(&hostile(""), "ADD", &conf, "a").success();
    let journal = lab.directories().run.join("attachments/net/a:eth0:hostile");
    let text = fs::read_to_string(&journal).unwrap();
    // No end of the ADD, and half of the line before it.
    let end = text.trim_end().rfind('\n').unwrap();
    fs::write(&journal, &text[..end - 20]).unwrap();
    // This ADD removes the remains, and writes on.
    lab.call(&hostile(""), "ADD", &conf, "a").success();
    let outcome = lab.call(&hostile(""), "DEL", &conf, "a");
    outcome.success();
    assert_eq!(outcome.log, [""; 0]);
    assert_eq!(lab.files(), [""; 0]);
    let left = lab.state();
    assert!(
        !left.iter().any(|line| line.contains("eth0") || line.contains("masquerades/1")),
        "{left:#?}"
    );
}

/// Where there can be no journal, nothing is done.
#[test]
fn no_journal_no_act() {
    let lab = Lab::sim();
    let attachments = lab.directories().run.join("attachments");
    fs::create_dir_all(&attachments).unwrap();
    fs::write(attachments.join("net"), "in the way").unwrap();
    let before = lab.state();
    let outcome = lab.call(&hostile(""), "ADD", &hostile_conf(&lab, json!({})), "a");
    let (code, details) = outcome.failure();
    assert_eq!(code, 5, "{details}");
    assert!(outcome.operations.is_empty(), "{:?}", outcome.operations);
    assert_same(&before, &lab.state(), "no journal");
}

/// An ADD over a journal that cannot be read changes nothing; DEL removes what can be read of it, and the
/// journal.
#[test]
fn a_journal_that_is_damaged() {
    let lab = Lab::sim();
    let conf = hostile_conf(&lab, json!({}));
    lab.call(&hostile(""), "ADD", &conf, "a").success();
    let journal = lab.directories().run.join("attachments/net/a:eth0:hostile");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replace("{\"made\":[2,", "{\"unmade\":[2,")).unwrap();
    let before = lab.state();
    let (code, details) = lab.call(&hostile(""), "ADD", &conf, "a").failure();
    assert_eq!((code, details.contains("is no record of this version")), (5, true), "{details}");
    assert_same(&before, &lab.state(), "ADD over a damaged journal");
    let outcome = lab.call(&hostile(""), "DEL", &conf, "a");
    outcome.success();
    assert!(outcome.log.iter().any(|line| line.contains("is no record")), "{:?}", outcome.log);
    assert!(!journal.exists());
    let left = lab.state();
    assert!(!left.iter().any(|line| line.contains("eth0")), "{left:#?}");
}

/// The address was reserved, and that it is the last one cannot be noted: it is free again.
#[test]
fn a_reservation_that_cannot_be_noted() {
    for network in [&HOST_LOCAL, &BRIDGE] {
        let lab = Lab::sim();
        prepare(&lab);
        for set in ["last_reserved_ip.0", "last_reserved_ip.1"] {
            let note = lab.data_dir().join("net").join(set);
            fs::create_dir_all(&note).unwrap();
            let before = lab.state();
            let conf = network.conf(&lab);
            let (_, details) = lab.call(network.plugin(), "ADD", &conf, "a").failure();
            assert!(details.contains(set), "{details}");
            assert!(!details.contains("not taken back"), "{details}");
            assert_same(&before, &lab.state(), &format!("{} {set}", network.plugin));
            fs::remove_dir(&note).unwrap();
        }
    }
}

/// The same, of a plugin that does not clear up after itself.
#[test]
fn a_reservation_that_cannot_be_noted_is_none() {
    let lab = Lab::sim();
    fs::create_dir_all(lab.data_dir().join("net/last_reserved_ip.0")).unwrap();
    let before = lab.state();
    let conf = json!({ "attack": "reserve", "value": "10.30.0.9/32", "ipam": {} });
    let outcome = lab.call(&hostile(""), "ADD", &hostile_conf(&lab, conf), "a");
    let (code, details) = outcome.failure();
    assert_eq!((code, details.contains("last_reserved_ip.0")), (999, true), "{details}");
    assert_same(&before, &lab.state(), "reserve");
}

/// A DEL cannot be blocked: not by grants that cannot be read.
#[test]
fn a_del_without_its_plugin() {
    let lab = Lab::sim();
    let conf = hostile_conf(&lab, json!({}));
    lab.call(&hostile(""), "ADD", &conf, "a").success();
    let broken = hostile_with_grants(&with_limits("memory = \"lots\""));
    let outcome = lab.call(&broken, "DEL", &conf, "a");
    outcome.success();
    assert!(
        outcome.log.iter().any(|line| line.contains("reading the grants")),
        "{:?}",
        outcome.log
    );
    assert_eq!(lab.files(), [""; 0]);
    let left = lab.state();
    assert!(
        !left.iter().any(|line| line.contains("eth0") || line.contains("masquerades/1")),
        "{left:#?}"
    );
    // Of an attachment that is not ours, the runtime has to know that nothing was removed.
    let (code, _) = lab.call(&broken, "DEL", &conf, "b").failure();
    assert_eq!(code, 103);
}
