//! Guests that break off, or break the contract: code 101, the reason named, and the node as before.

use serde_json::{Value, json};

use super::guests::{hostile, raw};
use super::lab::{Lab, assert_same, hostile_conf, in_time};
use super::networks::FLANNEL;

/// Breaks off before, between and after everything that an ADD does.
#[track_caller]
fn breaks_off(attack: &str, expected_code: u64, reason: &str) {
    for at in 0..=6 {
        let lab = Lab::sim();
        let before = lab.state();
        let conf =
            hostile_conf(&lab, json!({ "attack": attack, "at": at, "number": 77, "value": "so" }));
        let outcome = lab.call(&hostile("deadline = \"60s\""), "ADD", &conf, "a");
        let (code, details) = outcome.failure();
        assert_eq!(code, expected_code, "{attack} at {at}: {details}");
        assert!(details.contains(reason), "{attack} at {at}: {details}");
        assert!(!details.contains("not taken back"), "{details}");
        assert_same(&before, &lab.state(), &format!("{attack} at {at}"));
        assert_eq!(outcome.operations.is_empty(), at == 0, "{:?}", outcome.operations);
    }
}

#[test]
fn a_guest_that_stops() {
    breaks_off(
        "unreachable",
        101,
        "running \"hostile\": wasm trap: wasm `unreachable` instruction executed",
    );
}

#[test]
fn a_guest_that_panics() {
    breaks_off(
        "panic",
        101,
        "running \"hostile\": wasm trap: wasm `unreachable` instruction executed",
    );
}

/// Its own error is the runtime's to see.
#[test]
fn a_guest_that_gives_up() {
    breaks_off("fail", 77, "so");
}

/// What flannel has others do, it saves for DEL: nothing of it, if that breaks off.
#[test]
fn a_delegate_of_flannel() {
    for (attack, expected) in [("unreachable", 101), ("panic", 101), ("fail", 77)] {
        for at in 0..=6 {
            let lab = Lab::sim().with(hostile("deadline = \"60s\""));
            let before = lab.state();
            let mut conf = FLANNEL.conf(&lab);
            conf["delegate"] = json!({
                "type": "hostile", "bridge": "evil0", "attack": attack, "at": at, "number": 77,
            });
            let outcome = lab.call(FLANNEL.plugin(), "ADD", &conf, "a");
            let (code, details) = outcome.failure();
            assert_eq!(code, expected, "{attack} at {at}: {details}");
            assert!(!details.contains("not taken back"), "{details}");
            assert_same(&before, &lab.state(), &format!("{attack} at {at}"));
            assert_eq!(outcome.operations.is_empty(), at == 0, "{:?}", outcome.operations);
        }
    }
}

#[test]
fn guests_that_break_the_contract() {
    let cases = [
        ("divide", "integer divide by zero"),
        ("out-of-bounds", "out of bounds memory access"),
        ("forged-handle", "unknown handle index 7"),
        ("dropped-handle", "unknown handle index"),
        ("other-handle", "handle index 1 used with the wrong type"),
        ("bad-text", "invalid utf-8"),
        ("bad-pointer", "out of bounds"),
        ("bad-case", "unexpected discriminant: 77"),
        ("bad-result", "out of bounds"),
    ];
    for (guest, reason) in cases {
        in_time(move || {
            let lab = Lab::sim();
            let before = lab.state();
            let conf = hostile_conf(&lab, json!({}));
            let outcome = lab.call(&raw(guest, ""), "ADD", &conf, "a");
            let (code, details) = outcome.failure();
            assert_eq!(code, 101, "{guest}: {details}");
            assert!(details.contains(reason), "{guest}: {details}");
            assert!(outcome.operations.is_empty(), "{guest}: {:?}", outcome.operations);
            assert_same(&before, &lab.state(), guest);
        });
    }
}

/// A result that makes no sense is an error, after which nothing is left.
#[test]
fn results_that_make_no_sense() {
    let lab = Lab::sim();
    let before = lab.state();
    let (code, details) =
        lab.call(&raw("wrong-prefix", ""), "ADD", &hostile_conf(&lab, json!({})), "a").failure();
    assert_eq!((code, details.contains("0.0.0.0/255")), (101, true), "{details}");
    assert_same(&before, &lab.state(), "wrong-prefix");
    let answer = json!({ "answer": "interface", "number": 7 });
    let outcome = lab.call(&hostile(""), "ADD", &hostile_conf(&lab, answer), "a");
    let (code, details) = outcome.failure();
    assert_eq!((code, details.contains("interface 7")), (101, true), "{details}");
    assert!(outcome.operations.len() > 5, "it really made the attachment");
    assert_same(&before, &lab.state(), "interface");
}

/// Texts of a result are JSON whatever is in them.
#[test]
fn texts_of_results_stay_texts() {
    let lab = Lab::sim();
    let value = "a\"}],\"cniVersion\":\"9\u{0}\n\u{1b}";
    let conf = hostile_conf(&lab, json!({ "answer": "text", "value": value }));
    let result = lab.call(&hostile(""), "ADD", &conf, "a").success();
    assert_eq!(result["interfaces"][0]["name"], Value::from(value));
    assert_eq!(result["cniVersion"], "1.1.0");
}

/// The others fail for what they do.
#[test]
fn a_guest_written_by_hand_may_be_honest() {
    let lab = Lab::sim();
    lab.call(&raw("honest", ""), "ADD", &hostile_conf(&lab, json!({})), "a").success();
}
