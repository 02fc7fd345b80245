//! `wasmcni learn`: what it writes suffices, and all of it is needed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use wasmcni::component::BUNDLED;
use wasmcni::policy;

use super::given::Desk;
use super::{Scratch, run_as};
use crate::harness::exec::{Outcome, wasmcni_binary};
use crate::harness::node::{Container, on_a_node, with};

fn wasmcni(words: &[&str]) -> Outcome {
    run_as(&wasmcni_binary(), Path::new("/nonexistent"), words)
}

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins-wasm").canonicalize().unwrap()
}

/// A plugin's tests but for those that give it other grants, each with these grants.
fn tests_with(scratch: &Scratch, plugin: &str, grants: &str) -> String {
    let (from, to) = (plugins().join(plugin).join("tests"), scratch.path.join(plugin));
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("[grants]") {
            continue;
        }
        let text = match name.ends_with(".test.toml") {
            // A table before the first other one.
            true => {
                let at = text.find("\n[").unwrap() + 1;
                let (top, rest) = text.split_at(at);
                format!("{top}[grants]\n{plugin} = \"learned.toml\"\n\n{rest}")
            }
            false => text,
        };
        fs::write(to.join(name), text).unwrap();
    }
    fs::write(to.join("learned.toml"), grants).unwrap();
    to.display().to_string()
}

fn learned(plugin: &str) -> String {
    let tests = plugins().join(plugin).join("tests");
    let run = wasmcni(&["learn", "--as", plugin, tests.to_str().unwrap()]);
    assert_eq!(run.status, Some(0), "{plugin}: {run:?}");
    run.stdout
}

#[test]
fn what_bundled_plugins_tests_teach_suffices_for_them() {
    let scratch = Scratch::new("learn-suffices");
    for plugin in BUNDLED {
        let grants = learned(plugin.name);
        policy::parse(&grants, plugin.name).unwrap();
        let tests = tests_with(&scratch, plugin.name, &grants);
        let run = wasmcni(&["test", &tests]);
        assert_eq!(run.status, Some(0), "{}:\n{grants}\n{}", plugin.name, run.stdout);
    }
}

#[test]
fn without_any_one_of_the_learned_grants_a_test_fails() {
    let scratch = Scratch::new("learn-least");
    for plugin in ["bridge", "dummy", "host-local", "tuning"] {
        let grants = learned(plugin);
        let (head, all) = grants.split_once("[[grant]]").unwrap();
        let all: Vec<&str> = all.split("[[grant]]").collect();
        for left_out in 0..all.len() {
            let others = all.iter().enumerate().filter(|(at, _)| *at != left_out);
            let others: Vec<String> = others.map(|(_, text)| format!("[[grant]]{text}")).collect();
            let fewer = format!("{head}{}", others.join(""));
            let tests = tests_with(&scratch, plugin, &fewer);
            let run = wasmcni(&["test", &tests]);
            assert_eq!(run.status, Some(1), "{plugin} without:\n{}", all[left_out]);
        }
    }
}

#[test]
fn variables_are_written_for_what_they_mean() {
    let bridge = learned("bridge");
    for words in [
        "op = \"link.create\"\nnetns = \"container\"\nkind = \"veth\"\nname = \"@ifname\"\n",
        "op = \"link.create\"\nnetns = \"host\"\nkind = \"veth\"\nname = \"veth*\"\n",
        "op = \"nat.masquerade\"\nwithin = \"@ipam\"\n",
        "op = \"delegate.run\"\nplugin = \"@config.ipam.type\"\n",
        "[limits]\nmemory = \"16MiB\"\n",
    ] {
        assert!(bridge.contains(words), "{words}:\n{bridge}");
    }
}

#[test]
fn grants_that_nothing_uses_and_acts_that_are_refused_are_told() {
    let tests = plugins().join("dummy/tests").display().to_string();
    let desk = Desk::new("learn-against");
    let shipped = wasmcni::component::find("dummy").unwrap().grants;
    let own = shipped
        .replace("kind = \"dummy\"\nname = \"@ifname\"", "kind = \"dummy\"\nname = \"svc*\"");
    let more = "[[grant]]\nop = \"link.set-promisc\"\nnetns = \"container\"\nname = \"@ifname\"\n";
    let own = format!("{own}\n{more}");
    let file = desk.write("dummy.toml", &own);
    let run = wasmcni(&["learn", "--as", "dummy", &tests, "--against", &file]);
    assert_eq!(run.status, Some(3), "{run:?}");
    let line = own.lines().position(|line| line.contains("set-promisc")).unwrap();
    let unused = format!("{file}:{line}: link.set-promisc in container was never used");
    assert!(run.stderr.contains(&unused), "{unused}: {}", run.stderr);
    assert!(run.stderr.contains("refused: dummy: link.create kind=dummy"), "{}", run.stderr);
    // Without any grant for what it imports it does not even start.
    let own = desk.write(
        "dummy.toml",
        own.replace(
            "op = \"link.create\"\nnetns = \"container\"\nkind = \"dummy\"",
            "op = \"link.set-up\"\nnetns = \"container\"",
        ),
    );
    let run = wasmcni(&["learn", "--as", "dummy", &tests, "--against", &own]);
    assert_eq!(run.status, Some(3), "{run:?}");
    assert!(run.stderr.contains("with it this fails: "), "{}", run.stderr);
    let fine = desk.write("dummy.toml", shipped);
    let run = wasmcni(&["learn", "--as", "dummy", &tests, "--against", &fine]);
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(!run.stderr.contains("refused"), "{run:?}");
}

#[test]
fn what_cannot_be_learned_from_is_said() {
    let tests = plugins().join("dummy/tests").display().to_string();
    let scratch = Scratch::new("learn-wrong");
    let file = |name: &str, text: &str| {
        let path = scratch.path.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let failing = fs::read_to_string(plugins().join("dummy/tests/attach.test.toml")).unwrap();
    let failing = failing.replace("verb = \"add\"", "verb = \"check\"");
    let failing = failing.replace("\"net.conflist\"", &format!("\"{tests}/net.conflist\""));
    for (words, told) in [
        (vec!["--as", "nonesuch", &tests], "--plugin nonesuch=FILE.wasm"),
        (vec!["--as", "bandwidth", &tests], "\"bandwidth\" never ran"),
        (vec!["--as", "dummy", "/nonexistent"], "/nonexistent"),
        (vec!["--as", "dummy", &file("a.test.toml", &failing)], "1 tests fail"),
        (vec!["--as", "dummy", "--audit", "/nonexistent"], "/nonexistent"),
        (vec!["--as", "dummy", "--audit", &file("audit", "x\n")], "never ran"),
    ] {
        let run = wasmcni(&[&["learn"], words.as_slice()].concat());
        assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""), "{words:?}: {run:?}");
        assert!(run.stderr.contains(told), "{told}: {run:?}");
    }
    assert_eq!(wasmcni(&["learn", "--as", "dummy"]).status, Some(2));
    assert_eq!(wasmcni(&["learn", &tests]).status, Some(2));
}

#[test]
fn a_plugin_without_a_manifest_learns_its_first_grants() {
    let desk = Desk::new("learn-first");
    // The example, without what it says of itself.
    let bytes = super::component!("example");
    let bare = desk.write("bare.wasm", without_manifest(bytes));
    let conf = json!({ "cniVersion": "1.0.0", "name": "n", "plugins": [
        { "type": "dummy", "ipam": { "type": "static", "addresses": [{ "address": "10.0.0.9/24" }] } },
        { "type": "mtu", "mtu": 1400 } ]});
    desk.write("net.conflist", conf.to_string());
    let test = "about = \"x\"\nnetwork = \"net.conflist\"\n[[step]]\nverb = \"add\"\n\
                [[step]]\nverb = \"check\"\n[[step]]\nverb = \"del\"\n";
    let test = desk.write("mtu.test.toml", test);
    let given = format!("mtu={bare}");
    let run = desk.run(&["learn", "--as", "mtu", &test, "--plugin", &given]);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let set = "op = \"link.set-mtu\"\nnetns = \"container\"\nname = \"@ifname\"\nmtu = 1400\n";
    assert!(run.stdout.contains(set) && run.stdout.contains("component = \"this\""), "{run:?}");
    assert_eq!(run.stdout.matches("[[grant]]").count(), 3, "{}", run.stdout);
    // And it is a manifest: with it, the test passes.
    let grants = desk.write("learned.toml", &run.stdout);
    let text = format!(
        "about = \"x\"\nnetwork = \"net.conflist\"\n[grants]\nmtu = {grants:?}\n[[step]]\nverb = \"add\"\n"
    );
    let test = desk.write("mtu.test.toml", text);
    assert_eq!(desk.run(&["test", &test, "--plugin", &given]).status, Some(0));
}

/// A component without its sections of that name, at the top and in its modules.
fn without_manifest(component: &[u8]) -> Vec<u8> {
    let name = b"wasmcni:manifest";
    let mut bytes = component.to_vec();
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(name.len()).position(|part| part == name) {
        // Another name of the same length is none that anybody reads.
        bytes[from + at] = b'x';
        from += at;
    }
    bytes
}

#[test]
fn an_audit_teaches_what_was_done_on_a_node() {
    on_a_node(|node| {
        let dir = node.below("etc/wasmcni");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("wasmcni.toml"), "audit = \"/run/audit.log\"\n").unwrap();
        let conf = json!({ "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "cni7",
            "isGateway": true, "ipam": { "type": "host-local", "subnet": "10.7.0.0/24" } });
        for name in ["c1", "c2"] {
            let container = Container::new(name);
            let result = node.add(&conf, &container);
            node.del(&with(&conf, json!({ "prevResult": result })), &container);
        }
        let run = run_as(
            &wasmcni_binary(),
            &node.below(""),
            &["learn", "--as", "bridge", "--audit", "/run/audit.log"],
        );
        assert_eq!(run.status, Some(0), "{run:?}");
        policy::parse(&run.stdout, "learned").unwrap();
        for words in [
            "kind = \"bridge\"\nname = \"cni7\"\n",
            "kind = \"veth\"\nname = \"@ifname\"\n",
            "plugin = \"host-local\"\n",
            "op = \"link.set-master\"\nnetns = \"host\"\nname = \"veth*\"\nmaster = \"cni7\"\n",
        ] {
            assert!(run.stdout.contains(words), "{words}:\n{}", run.stdout);
        }
        assert!(run.stderr.contains("nat.masquerade was never used"), "{}", run.stderr);
        // They are enough for the same again.
        node.grants("bridge", &run.stdout);
        let container = Container::new("c3");
        let result = node.add(&conf, &container);
        node.del(&with(&conf, json!({ "prevResult": result })), &container);
    });
}
