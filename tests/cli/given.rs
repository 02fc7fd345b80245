//! Plugins of others in plans and tests: components in files, and what is installed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::plugin::Place;
use super::{Scratch, bin_dir, component, run_as};
use crate::harness::exec::Outcome;

/// An author's desk: wasmcni with its compiler, the example as a component, and no node.
pub(super) struct Desk {
    scratch: Scratch,
    bin: PathBuf,
}

impl Desk {
    pub(super) fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let bin = bin_dir(&scratch.path.join("bin"));
        let desk = Self { scratch, bin };
        desk.write("mtu.wasm", component!("example"));
        desk
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.scratch.path.join(name).display().to_string()
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.scratch.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub(super) fn run(&self, words: &[&str]) -> Outcome {
        run_as(&self.bin.join("wasmcni"), Path::new("/nonexistent"), words)
    }
}

/// A dummy whose MTU the example changes.
fn list(mtu: u32) -> Value {
    json!({ "cniVersion": "1.0.0", "name": "n", "plugins": [
        { "type": "dummy", "ipam": { "type": "host-local", "subnet": "10.70.0.0/24" } },
        { "type": "mtu", "mtu": mtu },
    ]})
}

#[test]
fn a_plan_takes_a_component_with_the_rights_that_it_asks_for() {
    let desk = Desk::new("given-plan");
    let given = format!("mtu={}", desk.path("mtu.wasm"));
    let conf = desk.write("net.conflist", list(1400).to_string());
    let plan = desk.run(&["plan", "--conf", &conf, "--plugin", &given]);
    assert_eq!((plan.status, plan.stderr.as_str()), (Some(0), ""), "{plan:?}");
    let step = format!(
        "mtu: link.set-mtu mtu=1400 name=\"eth0\" in container-netns [{}:manifest:20]",
        desk.path("mtu.wasm")
    );
    assert!(plan.stdout.contains(&step), "{step}: {}", plan.stdout);
    assert!(plan.stdout.contains("+ link container/eth0 mtu 1400"), "{}", plan.stdout);

    // Its own rights, and others that the operator thinks of.
    let conf = desk.write("net.conflist", list(576).to_string());
    let plan = desk.run(&["plan", "--conf", &conf, "--plugin", &given]);
    assert_eq!(plan.status, Some(3), "{plan:?}");
    assert!(plan.stdout.contains("manifest:20 allows mtu \"1280-9000\""), "{}", plan.stdout);
    let wide = include_str!("../../plugins-wasm/example/grants.toml").replace("1280-9000", "any");
    desk.write("grants/mtu.toml", wide);
    let plan =
        desk.run(&["plan", "--conf", &conf, "--plugin", &given, "--grants", &desk.path("grants")]);
    assert_eq!(plan.status, Some(0), "{plan:?}");
    assert!(plan.stdout.contains("grants/mtu.toml:20]"), "{}", plan.stdout);
    // Without it there is no such plugin.
    let plan = desk.run(&["plan", "--conf", &conf]);
    assert_eq!(plan.status, Some(3), "{plan:?}");
    assert!(plan.stdout.contains("finding plugin \"mtu\""), "{}", plan.stdout);
}

#[test]
fn what_is_no_plugin_is_said() {
    let desk = Desk::new("given-wrong");
    let conf = desk.write("net.conflist", list(1400).to_string());
    let plan = |plugin: &str| desk.run(&["plan", "--conf", &conf, "--plugin", plugin]);
    for (plugin, status, told) in [
        ("mtu".to_owned(), 2, "NAME=FILE.wasm"),
        (format!("mtu={}", desk.path("none.wasm")), 1, "none.wasm"),
        (format!("mtu={}", desk.write("x.wasm", "no component")), 1, "x.wasm"),
        (format!("a/b={}", desk.path("mtu.wasm")), 1, "\"a/b\""),
        (format!("mtu={}", desk.write("honest.wasm", component!("honest"))), 1, "no manifest"),
    ] {
        let refused = plan(&plugin);
        assert_eq!(refused.status, Some(status), "{plugin}: {refused:?}");
        assert!(refused.stderr.contains(told), "{told}: {refused:?}");
    }
}

/// A test of the example, with more of it before the steps.
fn test_file(more: &str, mtu: u32, expect: &str) -> String {
    format!(
        "about = \"the MTU is what the configuration says\"\nnetwork = {:?}\n{more}[[step]]\n\
         verb = \"add\"\n[step.expect]\n{expect}\n",
        format!("{mtu}.conflist")
    )
}

#[test]
fn an_author_tests_a_plugin_of_his_own() {
    let desk = Desk::new("given-test");
    for mtu in [1400, 576] {
        desk.write(&format!("tests/{mtu}.conflist"), list(mtu).to_string());
    }
    let named = "[plugins]\nmtu = \"../mtu.wasm\"\n";
    let done = "refused = []\nallowed = [\"mtu: link.set-mtu mtu=1400 *\"]";
    desk.write("tests/done.test.toml", test_file(named, 1400, done));
    let refused = "error = { code = 100, contains = [\"manifest:20\"] }";
    desk.write("tests/refused.test.toml", test_file(named, 576, refused));
    let narrow = format!(
        "{named}[grants]\nmtu = {{ narrow = [{{ op = \"link.set-mtu\", mtu = \"1280-1300\" }}] }}\n"
    );
    let refused = "error = { code = 100, contains = [\"mtu/grants.toml:20\", \"1280-1300\"] }";
    desk.write("tests/narrow.test.toml", test_file(&narrow, 1400, refused));
    let run = desk.run(&["test", &desk.path("tests")]);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
    assert!(run.stdout.contains("3 passed, 0 failed"), "{}", run.stdout);

    // The command line's component is taken before the file's.
    let missing = named.replace("mtu.wasm", "none.wasm");
    desk.write("tests/narrow.test.toml", test_file(&missing, 1400, done));
    let run = desk.run(&["test", &desk.path("tests")]);
    assert_eq!(run.status, Some(1));
    assert!(run.stdout.contains("narrow.test.toml:4: plugins: "), "{}", run.stdout);
    let given = format!("mtu={}", desk.path("mtu.wasm"));
    let run = desk.run(&["test", &desk.path("tests/narrow.test.toml"), "--plugin", &given]);
    assert_eq!(run.status, Some(0), "{}", run.stdout);
}

#[test]
fn an_installed_plugin_is_known_with_the_grants_in_force() {
    let place = Place::new("given-installed");
    let file = place.bin.join("../mtu.wasm");
    fs::write(&file, component!("example")).unwrap();
    let added = place.plugin("add", &file, "mtu", &["--accept"]);
    assert_eq!(added.status, Some(0), "{added:?}");
    let write = |name: &str, text: &str| {
        let path = place.bin.join("..").join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let conf = write("1400.conflist", &list(1400).to_string());
    let run = |words: &[&str]| run_as(&place.bin.join("wasmcni"), &place.root(), words);
    let plan = run(&["plan", "--conf", &conf]);
    assert_eq!((plan.status, plan.stderr.as_str()), (Some(0), ""), "{plan:?}");
    assert!(plan.stdout.contains("etc/wasmcni/plugins/mtu.toml:20]"), "{}", plan.stdout);
    let test = write("installed.test.toml", &test_file("", 1400, "refused = []"));
    let tested = run(&["test", &test]);
    assert_eq!(tested.status, Some(0), "{}", tested.stdout);
}
