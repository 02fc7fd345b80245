//! Guests that use things up: code 102, the limit named, and the node as before.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::guests::{hostile, raw, with_limits};
use super::lab::{Lab, assert_same, hostile_conf, in_time};

/// Limits that no test here means: machines that run tests are slow.
const WIDE: &str = "deadline = \"60s\"\n";

/// Attacks at the first step, when nothing was made, and at the last, when all was.
#[track_caller]
fn breaks(limits: &'static str, attack: Value, limit: &'static str) {
    in_time(move || {
        for at in [0, 3, 6] {
            let lab = Lab::sim();
            let before = lab.state();
            let plugin = hostile(limits);
            let mut conf = hostile_conf(&lab, attack.clone());
            conf["at"] = json!(at);
            let outcome = lab.call(&plugin, "ADD", &conf, "a");
            let (code, details) = outcome.failure();
            assert_eq!(code, 102, "{attack} at {at}: {details}");
            let start = format!("running \"hostile\": {limit}");
            assert!(details.starts_with(&start), "{attack} at {at}: {details}");
            assert!(!details.contains("not taken back"), "{details}");
            assert!(outcome.stdout.len() < 4096, "an error of {} octets", outcome.stdout.len());
            assert_same(&before, &lab.state(), &format!("{attack} at {at}"));
            assert_eq!(outcome.operations.is_empty(), at == 0, "{:?}", outcome.operations);
        }
    });
}

#[test]
fn time() {
    // The honest part takes its share of it.
    breaks("deadline = \"1s\"", json!({ "attack": "spin" }), "deadline: 1s allowed");
}

#[test]
fn time_is_kept() {
    in_time(|| {
        let lab = Lab::sim();
        let start = Instant::now();
        let conf = hostile_conf(&lab, json!({ "attack": "spin" }));
        let (code, _) = lab.call(&hostile("deadline = \"200ms\""), "ADD", &conf, "a").failure();
        let took = start.elapsed();
        assert_eq!(code, 102);
        assert!(took >= Duration::from_millis(200), "{took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
}

/// The call's time runs out between a plugin's asking for a delegate and the delegate's beginning: while the
/// host reads the delegate's grants.
#[test]
fn time_is_over_for_delegates_too() {
    in_time(|| {
        let lab = Lab::sim().with(raw("spin-at-start", ""));
        let grants = lab.directories().config.join("plugins/raw.toml");
        fs::create_dir_all(grants.parent().unwrap()).unwrap();
        // Reading it waits for one who writes.
        nix::unistd::mkfifo(&grants, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let writer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(600));
            fs::write(grants, with_limits(WIDE)).unwrap();
        });
        let conf = hostile_conf(&lab, json!({ "attack": "delegate", "target": "raw" }));
        let (code, details) =
            lab.call(&hostile("deadline = \"300ms\""), "ADD", &conf, "a").failure();
        writer.join().unwrap();
        assert_eq!(code, 102, "{details}");
        assert!(details.contains("deadline: 300ms allowed"), "{details}");
    });
}

#[test]
fn time_before_the_first_call_counts() {
    in_time(|| {
        let lab = Lab::sim();
        let before = lab.state();
        let conf = hostile_conf(&lab, json!({}));
        let plugin = raw("spin-at-start", "deadline = \"200ms\"");
        let (code, details) = lab.call(&plugin, "ADD", &conf, "a").failure();
        assert_eq!((code, details.contains("deadline")), (102, true), "{details}");
        assert_same(&before, &lab.state(), "spin-at-start");
    });
}

#[test]
fn memory() {
    let limits = "deadline = \"60s\"\nmemory = \"4MiB\"";
    breaks(limits, json!({ "attack": "memory" }), "memory: ");
}

#[test]
fn stack() {
    breaks(WIDE, json!({ "attack": "recurse" }), "stack: 524288 octets allowed");
}

#[test]
fn host_calls() {
    let limits = "deadline = \"60s\"\nhost-calls = 300";
    for attack in ["host-calls", "handles", "log-lines"] {
        breaks(limits, json!({ "attack": attack }), "host-calls: 300 allowed");
    }
}

#[test]
fn texts_in_host_calls() {
    breaks(WIDE, json!({ "attack": "huge-text" }), "output: more than 1048576 octets at once");
}

#[test]
fn errors() {
    let limits = "deadline = \"60s\"\nmemory = \"64MiB\"\noutput = \"64MiB\"";
    // It may: but not without end.
    in_time(move || {
        let lab = Lab::sim();
        let conf = hostile_conf(&lab, json!({ "attack": "huge-error" }));
        let (code, details) = lab.call(&hostile(limits), "ADD", &conf, "a").failure();
        assert_eq!((code, details.len()), (999, 8 << 20));
    });
    breaks(WIDE, json!({ "attack": "huge-error" }), "output: ");
}

#[test]
fn results() {
    for answer in [json!({ "answer": "routes", "number": 1_000_000 }), json!({ "answer": "name" })]
    {
        in_time(move || {
            let lab = Lab::sim();
            let before = lab.state();
            let limits = "deadline = \"60s\"\nmemory = \"512MiB\"\noutput = \"1MiB\"";
            let outcome =
                lab.call(&hostile(limits), "ADD", &hostile_conf(&lab, answer.clone()), "a");
            let (code, details) = outcome.failure();
            assert_eq!(code, 102, "{answer}: {details}");
            assert!(details.contains("output: "), "{answer}: {details}");
            assert!(outcome.operations.len() > 5, "it really made the attachment");
            assert_same(&before, &lab.state(), &answer.to_string());
        });
    }
}

/// What is many in the guest's memory is more in the host's.
#[test]
fn results_that_are_larger_than_they_look() {
    in_time(|| {
        let lab = Lab::sim();
        let conf = hostile_conf(&lab, json!({}));
        let (code, details) = lab.call(&raw("same-text", WIDE), "ADD", &conf, "a").failure();
        assert_eq!((code, details.contains("output: ")), (102, true), "{details}");
    });
}

#[test]
fn tables() {
    for guest in ["grow-table", "many-tables"] {
        in_time(move || {
            let lab = Lab::sim();
            let before = lab.state();
            let limits = "deadline = \"60s\"\ntable-elements = 100_000";
            let conf = hostile_conf(&lab, json!({}));
            let (code, details) = lab.call(&raw(guest, limits), "ADD", &conf, "a").failure();
            assert_eq!(code, 102, "{guest}: {details}");
            assert!(details.contains("table-elements: "), "{guest}: {details}");
            assert_same(&before, &lab.state(), guest);
        });
    }
}

/// The contract: what exceeds the limit is dropped.
#[test]
fn the_log_is_cut_and_the_call_goes_on() {
    in_time(|| {
        let lab = Lab::sim();
        let conf = hostile_conf(&lab, json!({ "attack": "log-flood", "number": 1000 }));
        let limits = "deadline = \"60s\"\nlog = \"8KiB\"";
        let outcome = lab.call(&hostile(limits), "ADD", &conf, "a");
        outcome.success();
        let octets: usize = outcome.log.iter().map(String::len).sum();
        assert!(
            outcome.log.len() > 5 && octets < 10_000,
            "{} lines, {octets} octets",
            outcome.log.len()
        );
        let last = outcome.log.last().unwrap();
        assert!(
            last.contains("hostile") && last.contains("log") && last.contains("8192"),
            "{last}"
        );
    });
}

#[test]
fn what_is_logged_stays_in_its_line() {
    let lab = Lab::sim();
    let value = "a\nerror: forged\r\u{1b}[2J\u{9b}b\0c";
    let conf = hostile_conf(&lab, json!({ "attack": "log-text", "value": value }));
    let outcome = lab.call(&hostile(WIDE), "ADD", &conf, "a");
    outcome.success();
    let text = &outcome.log[0];
    assert!(text.starts_with("info: a"), "{text:?}");
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
}

/// What a DEL cannot be: blocked.
#[test]
fn a_del_that_runs_out_of_anything_still_removes() {
    let limits = "deadline = \"1s\"\nmemory = \"4MiB\"\nhost-calls = 300";
    for attack in ["spin", "memory", "recurse", "host-calls", "unreachable", "panic", "fail"] {
        in_time(move || {
            let lab = Lab::sim();
            let before = lab.state();
            let honest = hostile_conf(&lab, json!({}));
            lab.call(&hostile(WIDE), "ADD", &honest, "a").success();
            let conf = hostile_conf(&lab, json!({ "verb": "DEL", "attack": attack, "number": 7 }));
            let outcome = lab.call(&hostile(limits), "DEL", &conf, "a");
            outcome.success();
            let told = outcome.log.iter().any(|line| line.contains("the plugin failed"));
            assert!(told, "{attack}: {:?}", outcome.log);
            let left: Vec<String> = lab.state().difference(&before).cloned().collect();
            // The bridge and forwarding are for others to use; no port, no reservation, no journal.
            let kept = |line: &String| {
                line.contains("evil0") || line.contains("ip_forward") || line.contains("forwarding")
            };
            assert!(left.iter().all(kept), "{attack}: {left:#?}");
        });
    }
}

/// CHECK, GC and STATUS are held to the same limits.
#[test]
fn every_verb_has_limits() {
    for verb in ["CHECK", "GC", "STATUS"] {
        in_time(move || {
            let lab = Lab::sim();
            let mut conf = hostile_conf(&lab, json!({ "verb": verb, "attack": "spin" }));
            conf["cni.dev/valid-attachments"] = json!([]);
            conf["prevResult"] = json!({ "cniVersion": "1.1.0", "interfaces": [] });
            let before = lab.state();
            let plugin = hostile("deadline = \"200ms\"");
            let (code, details) = lab.call(&plugin, verb, &conf, "a").failure();
            assert_eq!((code, details.contains("deadline")), (102, true), "{verb}: {details}");
            assert_same(&before, &lab.state(), verb);
        });
    }
}
