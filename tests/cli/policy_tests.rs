//! `wasmcni test`: the bundled plugins' own tests, the examples, and every way for a test to fail.

use std::fs;
use std::path::{Path, PathBuf};

use wasmcni::component::BUNDLED;

use super::{Scratch, run_as};
use crate::harness::exec::{Outcome, wasmcni_binary};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn test(words: &[&str]) -> Outcome {
    run_as(&wasmcni_binary(), Path::new("/nonexistent"), &[&["test"], words].concat())
}

#[test]
fn bundled_plugins_pass_their_own_tests() {
    let root = repository().join("plugins-wasm");
    for plugin in &BUNDLED {
        for name in ["attach", "refused", "fault"] {
            let file = root.join(plugin.name).join("tests").join(format!("{name}.test.toml"));
            assert!(file.exists(), "{} has no {}", plugin.name, file.display());
        }
    }
    let run = test(&[root.to_str().unwrap()]);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
    let passed = run.stdout.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(passed >= 3 * BUNDLED.len(), "{}", run.stdout);
}

#[test]
fn the_examples_pass() {
    let run = test(&[repository().join("docs/examples/policy-tests").to_str().unwrap()]);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
}

const HEAD: &str = r#"about = "a dummy"
[network]
cniVersion = "1.0.0"
name = "n"
type = "dummy"
ipam = { type = "host-local", subnet = "10.70.0.0/24" }
"#;

const ADD: &str = "[[step]]\nverb = \"add\"\n";

/// Runs one test file; returns the outcome.
fn of(scratch: &Scratch, text: &str, words: &[&str]) -> Outcome {
    let file = scratch.path.join("one.test.toml");
    fs::write(&file, text).unwrap();
    test(&[&[file.to_str().unwrap()], words].concat())
}

#[test]
fn every_expectation_can_fail() {
    let scratch = Scratch::new("expectations");
    let passes = of(&scratch, &format!("{HEAD}{ADD}"), &[]);
    assert_eq!(passes.status, Some(0), "{passes:?}");
    let narrow = "[grants]\ndummy = { narrow = [{ op = \"link.create\", name = \"x*\" }] }\n";
    let fault = "[[step.fault]]\nat = \"link.create\"\nnth = 2\nerrno = \"ENOMEM\"\n";
    for (before, expect, told) in [
        (
            "",
            "result = { ips = [{ address = \"10.70.0.9/24\" }] }",
            "result.ips[0].address: expected \"10.70.0.9/24\", was \"10.70.0.2/24\"",
        ),
        ("", "result = { routes = [] }", "result.routes: expected [], and there is none"),
        ("", "error = { code = 100 }", "expected an error, and it succeeded"),
        (narrow, "", "expected success, was code 100, denied by policy"),
        (narrow, "error = { code = 7 }", "error: expected code 7, was code 100"),
        (narrow, "error = { contains = [\"bridge\"] }", "error: \"bridge\" is not in"),
        (
            "",
            "allowed = [\"link.create kind=veth *\"]",
            "allowed: link.create kind=veth *: nothing like it was asked for",
        ),
        (
            narrow,
            "error = {}\nallowed = [\"link.create *\"]",
            "it was refused: link.create kind=dummy",
        ),
        (
            "",
            "refused = [\"link.create *\"]",
            "refused: link.create *: nothing like it was refused",
        ),
        (
            narrow,
            "error = {}\nrefused = []",
            "refused, and not expected to be: dummy: link.create kind=dummy",
        ),
        (
            "",
            "not-asked = [\"dummy: addr.add *\"]",
            "not-asked: dummy: addr.add *: it was: dummy: addr.add",
        ),
        ("", "changes = [\"+ *\", \"- link *\"]", "changes: missing:      - link *"),
        ("", "changes = []", "changes: not expected: + reservation n 10.70.0.2 c1 eth0"),
        ("", "log = [\"nothing of the kind\"]", "log: no line has \"nothing of the kind\""),
    ] {
        let text = format!("{HEAD}{before}{ADD}[step.expect]\n{expect}\n");
        // `[grants]` is a table of its own, which `[network]` must not swallow.
        let run = of(&scratch, &text, &[]);
        assert_eq!(run.status, Some(1), "{expect}: {run:?}");
        assert!(run.stdout.contains(told), "{expect}: {told}: {}", run.stdout);
        assert!(
            run.stdout.contains("step 1 (ADD, line ") && run.stdout.contains("0 passed, 1 failed")
        );
    }
    let run = of(&scratch, &format!("{HEAD}{ADD}{fault}"), &[]);
    assert_eq!(run.status, Some(1));
    assert!(
        run.stdout.contains("fault: link_create number 2 did not happen: there were 1"),
        "{run:?}"
    );
    let run = of(&scratch, &format!("{HEAD}{ADD}[step.expect]\nalowed = []\n"), &[]);
    assert_eq!(run.status, Some(1));
    assert!(run.stdout.contains("one.test.toml:10: unknown field `alowed`"), "{run:?}");
}

#[test]
fn golden_files_are_compared_and_written_anew() {
    let scratch = Scratch::new("golden");
    let text = format!("golden = \"one.golden\"\n{HEAD}{ADD}[[step]]\nverb = \"del\"\n");
    let golden = scratch.path.join("one.golden");
    let missing = of(&scratch, &text, &[]);
    assert_eq!(missing.status, Some(1));
    assert!(missing.stdout.contains("write it by --update"), "{missing:?}");
    assert_eq!(of(&scratch, &text, &["--update"]).status, Some(0));
    let written = fs::read_to_string(&golden).unwrap();
    assert!(written.contains("granted  dummy: link.create kind=dummy name=\"eth0\""), "{written}");
    assert_eq!(
        of(&scratch, &text, &[]).status,
        Some(0),
        "MACs are made by chance, and told by number"
    );
    fs::write(&golden, written.replace("10.70.0.2", "10.70.0.3")).unwrap();
    let differs = of(&scratch, &text, &[]);
    assert_eq!(differs.status, Some(1));
    assert!(
        differs.stdout.contains("- + reservation") || differs.stdout.contains("-   + reservation"),
        "{}",
        differs.stdout
    );
    assert_eq!(of(&scratch, &text, &["--update"]).status, Some(0));
    assert_eq!(fs::read_to_string(&golden).unwrap(), written);
}

#[test]
fn outcomes_are_told_to_machines() {
    let scratch = Scratch::new("formats");
    fs::write(scratch.path.join("a.test.toml"), format!("{HEAD}{ADD}")).unwrap();
    fs::write(
        scratch.path.join("b.test.toml"),
        format!("{HEAD}{ADD}[step.expect]\nchanges = []\n"),
    )
    .unwrap();
    fs::write(scratch.path.join("c.toml"), "no test").unwrap();
    let dir = scratch.path.to_str().unwrap();
    let tap = test(&[dir, "--format", "tap"]);
    assert_eq!(tap.status, Some(1));
    assert!(tap.stdout.starts_with("TAP version 13\n1..2\nok 1 - "), "{tap:?}");
    assert!(tap.stdout.contains("\nnot ok 2 - "), "{tap:?}");
    let junit = test(&[dir, "--format", "junit"]);
    assert_eq!(junit.status, Some(1));
    assert!(junit.stdout.contains("tests=\"2\" failures=\"1\""), "{junit:?}");
    let none = Scratch::new("no-tests");
    let run = test(&[none.path.to_str().unwrap()]);
    assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""));
    assert!(run.stderr.contains("*.test.toml"), "{run:?}");
    assert_eq!(test(&["/nonexistent"]).status, Some(1));
    assert_eq!(test(&[]).status, Some(2));
}
