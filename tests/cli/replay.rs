//! Recorded calls, served again: those of the real kernel, and of tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Scratch, run_as};
use crate::harness::exec::{Outcome, wasmcni_binary};
use crate::harness::node::{Container, Node, on_a_node, with};

fn wasmcni(words: &[&str]) -> Outcome {
    run_as(&wasmcni_binary(), Path::new("/nonexistent"), words)
}

fn replay(words: &[&str]) -> Outcome {
    wasmcni(&[&["replay"], words].concat())
}

/// Has the node record its calls.
fn record(node: &Node, text: &str) {
    let dir = node.below("etc/wasmcni");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("wasmcni.toml"), text).unwrap();
}

fn recordings(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<String> = entries.map(|path| path.display().to_string()).collect();
    paths.sort();
    paths
}

fn read(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn same(outcome: &Outcome) {
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("went as it was recorded"), "{}", outcome.stdout);
}

fn conf() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "cni7",
            "isGateway": true, "ipMasq": true,
            "ipam": { "type": "host-local", "subnet": "10.7.0.0/24" } })
}

#[test]
fn calls_on_the_real_kernel_go_again_as_they_went() {
    on_a_node(|node| {
        record(&node, "record = \"/run/recordings\"\n");
        let mut results = Vec::new();
        let containers = [Container::new("c1"), Container::new("c2")];
        for container in &containers {
            let add = node.call("ADD", &conf(), container).env("SECRET", "s3cret").run();
            let result = add.success();
            assert_eq!(node.check(&conf(), container, &result).status, Some(0));
            results.push(result);
        }
        for (container, result) in containers.iter().zip(results) {
            node.del(&with(&conf(), json!({ "prevResult": result })), container);
        }
        let files = recordings("/run/recordings");
        assert_eq!(files.len(), 6, "{files:?}");
        for file in &files {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
            let text = fs::read_to_string(file).unwrap();
            assert!(!text.contains("s3cret"), "only CNI's variables are recorded");
            same(&replay(&[file]));
        }
        let add = read(&files[0]);
        assert_eq!(add["environment"]["CNI_COMMAND"], "ADD");
        assert_eq!(add["runs"][0]["plugin"], "host-local");
        assert_eq!(add["node"]["netns"]["container"]["links"]["lo"]["kind"], "loopback");
        assert!(add["steps"].as_array().unwrap().iter().any(|step| step["op"] == "nat.masquerade"));

        // With other grants, and on a node that is otherwise.
        let narrow = wasmcni::component::find("bridge").unwrap().grants;
        fs::create_dir("/run/drafts").unwrap();
        fs::write(
            "/run/drafts/bridge.toml",
            narrow.replace(
                "op = \"nat.masquerade\"\nwithin = \"@ipam\"",
                "op = \"netns.lock\"\nnetns = \"host\"",
            ),
        )
        .unwrap();
        let other = replay(&[&files[0], "--grants", "/run/drafts"]);
        assert_eq!(other.status, Some(3), "{other:?}");
        // A component without any grant for what it imports is refused before it starts.
        assert!(other.stdout.contains("+   \"code\": 103"), "{}", other.stdout);
        let narrow = narrow.replacen("name = \"@config.bridge=cni0\"", "name = \"tenant-*\"", 1);
        fs::write("/run/drafts/bridge.toml", narrow).unwrap();
        let other = replay(&[&files[0], "--grants", "/run/drafts", "--json"]).json();
        assert_eq!(other["same"], false);
        let differences = other["differences"].as_array().unwrap();
        let has =
            |text: &str| differences.iter().any(|line| line.as_str().unwrap().starts_with(text));
        assert!(has("+ REFUSED  bridge: link.create"), "{other:#}");
        assert!(has("- granted  bridge: link.create"), "{other:#}");
        assert!(has("+ exit status 1"), "{other:#}");
        let mut changed = add;
        changed["node"]["netns"]["host"]["links"]["cni7"] = json!({ "kind": "dummy" });
        fs::write("/run/changed.json", changed.to_string()).unwrap();
        let other = replay(&["/run/changed.json"]);
        assert_eq!(other.status, Some(3), "{other:?}");
        assert!(other.stdout.contains("- exit status 0"), "{}", other.stdout);
    });
}

#[test]
fn what_the_kernel_refused_is_refused_again() {
    on_a_node(|node| {
        record(&node, "record = \"/run/recordings\"\n");
        let container = Container::new("c1");
        // A route of the container's that stands in the way.
        let conf = with(
            &conf(),
            json!({ "ipam": { "type": "static",
            "addresses": [{ "address": "10.7.0.2/24" }],
            "routes": [{ "dst": "10.9.0.0/16", "gw": "192.0.2.1" }] } }),
        );
        let add = node.call("ADD", &conf, &container).run();
        let (_, details) = add.failure();
        let files = recordings("/run/recordings");
        let recording = read(&files[0]);
        assert_eq!(recording["failures"][0]["operation"], "route_add", "{details}");
        same(&replay(&[&files[0]]));
        // The answer is the kernel's own, whatever the model would say.
        let mut changed = recording;
        changed["failures"][0]["errno"] = json!(28);
        fs::write("/run/changed.json", changed.to_string()).unwrap();
        let other = replay(&["/run/changed.json"]);
        assert_eq!(other.status, Some(3), "{other:?}");
        assert!(other.stdout.contains("ENOSPC"), "{}", other.stdout);
    });
}

#[test]
fn recordings_are_bounded_and_never_in_the_way() {
    on_a_node(|node| {
        record(&node, "record = \"/run/recordings\"\nrecord-keep = 2\n");
        let container = Container::new("c1");
        let result = node.add(&conf(), &container);
        assert_eq!(node.check(&conf(), &container, &result).status, Some(0));
        assert_eq!(node.check(&conf(), &container, &result).status, Some(0));
        let files = recordings("/run/recordings");
        assert_eq!(files.len(), 2, "{files:?}");
        assert!(files.iter().all(|file| file.contains("-check-")), "{files:?}");
        // A place that is none fails no call.
        record(&node, "record = \"/run/missing/recordings\"\n");
        let check = node.check(&conf(), &container, &result);
        assert_eq!(check.status, Some(0), "{check:?}");
        let told = "writing a recording to \"/run/missing/recordings\"";
        assert!(check.stderr.contains(told), "{check:?}");
        for text in ["record = \"here\"\n", "record = \"/run/x\"\nrecord-keep = 0\n"] {
            record(&node, text);
            let refused = node.check(&conf(), &container, &result);
            assert_eq!(refused.failure().0, 7, "{text}");
        }
        record(&node, "");
        node.del(&with(&conf(), json!({ "prevResult": result })), &container);
        assert_eq!(recordings("/run/recordings").len(), 2, "it is off");
        assert_eq!(node.leftovers(&["cni7"]), Vec::<String>::new());
    });
}

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins-wasm").canonicalize().unwrap()
}

#[test]
fn the_calls_of_all_bundled_plugins_tests_go_again_as_they_went() {
    let scratch = Scratch::new("replay-tests");
    let dir = scratch.path.join("recordings").display().to_string();
    let run = wasmcni(&["test", plugins().to_str().unwrap(), "--record", &dir]);
    assert_eq!(run.status, Some(0), "{run:?}");
    let files = recordings(&dir);
    assert!(files.len() >= 3 * wasmcni::component::BUNDLED.len(), "{}", files.len());
    let mut words = vec!["replay"];
    words.extend(files.iter().map(String::as_str));
    let again = wasmcni(&words);
    assert_eq!((again.status, again.stderr.as_str()), (Some(0), ""), "{}", again.stdout);
}

#[test]
fn what_is_no_recording_is_said_by_file_and_line() {
    let scratch = Scratch::new("replay-wrong");
    let dir = scratch.path.join("recordings").display().to_string();
    let test = plugins().join("dummy/tests/attach.test.toml");
    let run = wasmcni(&["test", test.to_str().unwrap(), "--record", &dir]);
    assert_eq!(run.status, Some(0), "{run:?}");
    let good = read(&recordings(&dir)[0]);
    let path = scratch.path.join("x.json");
    let file = path.display().to_string();
    let changed = |key: &str, value: Value| {
        let mut document = good.clone();
        document[key] = value;
        document.to_string()
    };
    for (text, told) in [
        (String::new(), format!("{file}:1: it is no recording")),
        ("{\n\"wasmcni-recording\": 1,\n\"x\": 1 }".to_owned(), format!("{file}:3: ")),
        (changed("wasmcni-recording", json!(9)), "version 9".to_owned()),
        (changed("plugin", json!(7)), "expected a string".to_owned()),
        (changed("stdin", json!("{")), "reading the configuration".to_owned()),
        (changed("node", json!({ "links": 1 })), "reading the recorded node".to_owned()),
        (
            changed("journals", json!({ "../../../../x": "y" })),
            "reading the journal \"../../../../x\"".to_owned(),
        ),
        (
            changed(
                "failures",
                json!([{ "kernel": 0, "operation": "x", "nth": 1, "act": "", "errno": 1 }]),
            ),
            "\"x\" is no operation".to_owned(),
        ),
        (
            changed(
                "runs",
                json!([{ "plugin": "acme", "component": "sha256:00", "took": 1, "done": true }]),
            ),
            "--plugin acme=FILE.wasm".to_owned(),
        ),
    ] {
        fs::write(&path, text).unwrap();
        let refused = replay(&[&file]);
        assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""), "{told}: {refused:?}");
        assert!(refused.stderr.contains(&told), "{told}: {refused:?}");
    }
    // Files and directories of a journal are those of the trial, wherever it says that they are.
    let victim = scratch.path.join("victim/n");
    fs::create_dir_all(&victim).unwrap();
    fs::write(victim.join("10.70.0.9"), "c1\r\neth0").unwrap();
    let mut del = good;
    del["environment"]["CNI_COMMAND"] = json!("DEL");
    let undo = json!({ "will": { "undo": { "reservation": {
        "data_dir": scratch.path.join("victim"), "address": "10.70.0.9" } }, "sharing": "own" } });
    let container = del["environment"]["CNI_CONTAINERID"].as_str().unwrap().to_owned();
    let network: Value = serde_json::from_str(del["stdin"].as_str().unwrap()).unwrap();
    let name = format!("{}/{container}:eth0:dummy", network["name"].as_str().unwrap());
    del["journals"] = json!({ name: format!("{undo}\n") });
    fs::write(&path, del.to_string()).unwrap();
    assert_eq!(replay(&[&file]).status, Some(3));
    assert!(victim.join("10.70.0.9").exists());
    assert_eq!(replay(&["/nonexistent"]).status, Some(1));
    assert_eq!(replay(&[]).status, Some(2));
}
