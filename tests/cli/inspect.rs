//! `wasmcni inspect`: what a component could do, told without running it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{Scratch, bin_dir, component, run_as, with_manifest};
use crate::harness::exec::Outcome;
use crate::harness::programs::require;

fn inspect(scratch: &Scratch, component: &[u8], words: &[&str]) -> Outcome {
    let file = scratch.path.join("file.wasm");
    fs::write(&file, component).unwrap();
    let bin = scratch.path.join("bin");
    if !bin.exists() {
        bin_dir(&bin);
    }
    let words = [&["inspect", file.to_str().unwrap()], words].concat();
    run_as(&bin.join("wasmcni"), &scratch.path, &words)
}

#[test]
fn each_function_is_told_with_its_operation() {
    let scratch = Scratch::new("inspect");
    let seen = inspect(&scratch, component!("example"), &["--json"]);
    assert_eq!((seen.status, seen.stderr.as_str()), (Some(0), ""));
    let seen: Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(seen["world"], "chained-plugin");
    assert_eq!(seen["coreModule"], false);
    assert_eq!(seen["exports"], serde_json::json!(["wasmcni:cni/plugin@0.1.0"]));
    assert_eq!(seen["languages"], serde_json::json!(["Rust"]));
    let operations = |name: &str| {
        let found = seen["imports"].as_array().unwrap().iter().find(|i| i["function"] == name);
        found.unwrap_or_else(|| panic!("{name}: {seen:#}"))["operations"].clone()
    };
    assert_eq!(operations("enter-netns"), serde_json::json!(["netns.enter"]));
    assert!(
        operations("[method]link.set-mtu").as_array().unwrap().contains(&"link.set-mtu".into())
    );
    let manifest = include_str!("../../plugins-wasm/example/grants.toml");
    assert_eq!(seen["manifest"], manifest);

    let told = inspect(&scratch, component!("example"), &[]);
    assert_eq!((told.status, told.stderr.as_str()), (Some(0), ""));
    for part in ["chained-plugin", "link.set-mtu", "It asks for:", "mtu = \"1280-9000\""] {
        assert!(told.stdout.contains(part), "{part}: {told:?}");
    }
    if require("sha256sum") {
        let sum = Command::new("sha256sum").arg(scratch.path.join("file.wasm")).output().unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap();
        assert_eq!(sum.split(' ').next(), seen["sha256"].as_str());
    }
}

#[test]
fn what_the_host_does_not_offer_is_named() {
    let scratch = Scratch::new("inspect-unknown");
    for (component, named) in [
        (component!("unknown-function").as_slice(), "NOT OFFERED"),
        (component!("wasi"), "wasi:"),
        (component!("no-plugin"), "it exports no wasmcni:cni/plugin@0.1.0"),
        // A core module that says nothing of a world.
        (b"\0asm\x01\0\0\0", "it exports no wasmcni:cni/plugin@0.1.0"),
    ] {
        let told = inspect(&scratch, component, &[]);
        assert_eq!(told.status, Some(0), "{told:?}");
        assert!(told.stdout.contains(named), "{named}: {told:?}");
    }
    let told = inspect(&scratch, component!("unknown-function"), &[]);
    assert!(told.stdout.contains("It brings no manifest"), "{told:?}");
}

#[test]
fn what_is_no_component_is_refused_with_the_reason() {
    let scratch = Scratch::new("inspect-refused");
    let example = component!("example").as_slice();
    let cut = example.get(..example.len() / 2).unwrap();
    let twice = with_manifest(example, "component = \"this\"");
    for (bytes, reason) in [
        (b"not WebAssembly".as_slice(), "it is no WebAssembly"),
        (b"", "it is no WebAssembly"),
        (cut, "unexpected end"),
        (&twice, "two sections \"wasmcni:manifest\""),
    ] {
        let refused = inspect(&scratch, bytes, &[]);
        assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
        assert!(refused.stderr.contains(reason), "{reason}: {refused:?}");
        assert!(refused.stderr.contains("file.wasm"), "{refused:?}");
    }
}

#[test]
fn words_of_a_component_cannot_command_the_terminal() {
    let scratch = Scratch::new("inspect-terminal");
    let bytes = with_manifest(component!("honest"), "component = \"this\" # \u{1b}[2J\u{7}");
    let told = inspect(&scratch, &bytes, &[]);
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(!told.stdout.contains(['\u{1b}', '\u{7}']), "{told:?}");
}

#[test]
fn without_its_compiler_it_says_where_that_belongs() {
    let scratch = Scratch::new("inspect-alone");
    let seen = inspect(&scratch, component!("honest"), &[]);
    assert_eq!(seen.status, Some(0), "{seen:?}");
    fs::remove_file(scratch.path.join("bin/wasmcni-compile")).unwrap();
    let alone = inspect(&scratch, component!("honest"), &[]);
    assert_eq!(alone.status, Some(1), "{alone:?}");
    assert!(alone.stderr.contains("bin/wasmcni-compile\": it is not there"), "{alone:?}");
}
