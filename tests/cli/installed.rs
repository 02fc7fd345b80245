//! Plugins of others when a runtime calls them: they do what they were granted, and only as they were
//! installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::json;

use super::component;
use super::plugin::Place;
use crate::harness::exec::Outcome;
use crate::harness::node::{Container, Node, on_a_node, with};

/// The example, added to a node.
fn example(name: &str) -> Place {
    let place = Place::new(name);
    let file = place.bin.join("../example.wasm");
    fs::write(&file, component!("example")).unwrap();
    let added = place.plugin("add", &file, "mtu", &["--accept"]);
    assert_eq!((added.status, added.stderr.as_str()), (Some(0), ""), "{added:?}");
    place
}

#[track_caller]
fn refused(outcome: &Outcome, code: u32, reason: &str) {
    let error = outcome.json();
    assert_eq!((outcome.status, &error["code"]), (Some(1), &code.into()), "{error:#}");
    assert!(error["details"].as_str().unwrap().contains(reason), "{reason}: {error:#}");
}

#[test]
fn a_chained_plugin_of_others_does_what_it_was_granted() {
    on_a_node(|_| {
        let place = example("installed");
        let node = Node::at(&place.bin, &place.root());
        let container = Container::new("c");
        let list = |mtu: u32| {
            json!({ "cniVersion": "1.0.0", "name": "net", "plugins": [
                { "type": "bridge", "bridge": "cni7",
                  "ipam": { "type": "host-local", "subnet": "10.7.0.0/24", "dataDir": node.data_dir() } },
                { "type": "mtu", "mtu": mtu } ] })
        };
        let result = node.add_list(&list(1400), &container);
        assert_eq!(container.interface()["mtu"], 1400);
        assert_eq!(node.check_list(&list(1400), &container, &result).status, Some(0));
        let changed = node.check_list(&list(1300), &container, &result);
        refused(&changed, 110, "has MTU 1400, not 1300");
        node.del_list(&list(1400), &container, &result);
        assert_eq!(node.leftovers(&["cni7"]), Vec::<String>::new());

        // What it was not granted: the refusal names the file and the line.
        let bridge = with(&list(0)["plugins"][0], json!({ "cniVersion": "1.0.0", "name": "net" }));
        let before = node.add(&bridge, &container);
        let conf = json!({ "cniVersion": "1.0.0", "name": "net", "type": "mtu", "mtu": 576,
                           "prevResult": before });
        let denied = node.call("ADD", &conf, &container).run();
        refused(&denied, 100, "etc/wasmcni/plugins/mtu.toml:20 allows mtu \"1280-9000\"");
        assert_eq!(container.interface()["mtu"], 1500);
        node.del(&bridge, &container);
        assert_eq!(node.leftovers(&["cni7"]), Vec::<String>::new());
    });
}

/// The plugin's compiled code and its component.
fn files(place: &Place) -> (PathBuf, PathBuf) {
    let components = place.root().join("var/lib/wasmcni/components");
    let dir = fs::read_dir(components).unwrap().next().unwrap().unwrap().path();
    let entries = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let code = entries.into_iter().find(|path| path.extension().is_some_and(|e| e == "cwasm"));
    (code.unwrap(), dir.join("component.wasm"))
}

fn set_mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_was_changed_after_it_was_installed_is_refused() {
    let place = example("installed-changed");
    assert_eq!(place.status("mtu").status, Some(0));
    let (code, component) = files(&place);
    for file in [&code, &component] {
        let good = fs::read(file).unwrap();
        // In place, of the same length: one octet in the middle.
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        set_mode(file, 0o644);
        fs::write(file, &bad).unwrap();
        refused(&place.status("mtu"), 103, "was changed after it was installed");
        let row = place.list().remove(0);
        assert!(row["problem"].as_str().unwrap().contains("was changed"), "{row}");
        // Shorter.
        fs::write(file, &good[..good.len() - 1]).unwrap();
        refused(&place.status("mtu"), 103, "was changed after it was installed");
        // As it was, but another file: a backup that was put back is good.
        fs::remove_file(file).unwrap();
        fs::write(file, &good).unwrap();
        set_mode(file, 0o644);
        assert_eq!(place.status("mtu").status, Some(0), "{file:?}");
        // Anybody could change it.
        set_mode(file, 0o666);
        refused(&place.status("mtu"), 103, "writable by nobody else");
        set_mode(file, 0o444);
    }
    fs::remove_file(&code).unwrap();
    refused(&place.status("mtu"), 103, "wasmcni plugin rebuild");
    let rebuilt = super::run_as(&place.bin.join("wasmcni"), &place.root(), &["plugin", "rebuild"]);
    assert_eq!((rebuilt.status, rebuilt.stderr.as_str()), (Some(0), ""), "{rebuilt:?}");
    assert_eq!(place.status("mtu").status, Some(0));
}

#[test]
fn a_grant_file_for_another_component_is_refused() {
    let place = example("installed-pin");
    let grants = place.root().join("etc/wasmcni/plugins/mtu.toml");
    let text = fs::read_to_string(&grants).unwrap();
    for (pin, reason) in [
        ("bundled".to_owned(), "there is none of this name"),
        (format!("sha256:{}", "0".repeat(64)), "is not installed"),
        ("sha256:0".to_owned(), "is no digest"),
    ] {
        let pinned: Vec<String> = text
            .lines()
            .map(|line| match line.starts_with("component = ") {
                true => format!("component = \"{pin}\""),
                false => line.to_owned(),
            })
            .collect();
        let pinned = pinned.join("\n");
        fs::write(&grants, pinned).unwrap();
        refused(&place.status("mtu"), 103, reason);
    }
    fs::write(&grants, &text).unwrap();
    assert_eq!(place.status("mtu").status, Some(0));
}
