//! `wasmcni demo`, from a machine on which nothing may change.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::exec::wasmcni_binary;
use crate::harness::sandbox;

/// The mounts and links of this machine, as far as this process sees them.
fn machine() -> (String, Vec<String>) {
    let links = fs::read_dir("/sys/class/net").unwrap();
    let links = links.map(|link| link.unwrap().file_name().into_string().unwrap());
    let mut links: Vec<String> = links.collect();
    links.sort();
    (fs::read_to_string("/proc/self/mountinfo").unwrap(), links)
}

#[test]
fn the_demo_does_what_it_says_and_touches_nothing() {
    let before = machine();
    let demo = super::wasmcni(&["demo"]);
    assert_eq!(demo.status, Some(0), "{}\n{}", demo.stdout, demo.stderr);
    assert_eq!(demo.stderr, "");
    let mut rest = demo.stdout.as_str();
    for landmark in [
        "1. A node and two containers",
        "2. A network",
        "\"subnet\": \"10.10.0.0/16\"",
        "3. ADD",
        "\"address\": \"10.10.0.2/16\"",
        "\"address\": \"10.10.0.3/16\"",
        "4. What came of it",
        "mynet0: <UP>",
        "inet 10.10.0.1/16",
        "master mynet0 hairpin on",
        "default via 10.10.0.1 dev eth0",
        "10.10.0.0/16 dev eth0 scope link src 10.10.0.2",
        "masqueraded        10.10.0.2/16, 10.10.0.3/16",
        "reservations       mynet/10.10.0.2, mynet/10.10.0.3",
        "5. Packets",
        "64 bytes from 10.10.0.3: icmp_seq=",
        "64 bytes from 10.10.0.1: icmp_seq=",
        "6. A plugin that overreaches",
        "\"code\": 100",
        "link.create kind=bridge name=\\\"docker0\\\" in host-netns",
        "etc/wasmcni/plugins/bridge.toml:",
        "allows name \\\"cni*\\\"",
        "7. One that is refused halfway",
        "\"code\": 100",
        "last handed out 10.30.0.2",
        "8. CHECK",
        "9. DEL",
        "10. Nothing is left",
        "links of the node  lo, mynet0\n",
        "masqueraded        none",
        "reservations       none",
        "journals           none",
        "Every step did what it should",
    ] {
        let at = rest.find(landmark);
        let at =
            at.unwrap_or_else(|| panic!("no {landmark:?} there, or not then:\n{}", demo.stdout));
        rest = &rest[at + landmark.len()..];
    }
    assert_eq!(machine(), before);
}

#[test]
fn a_demo_that_is_killed_leaves_nothing_either() {
    let before = machine();
    for milliseconds in [5, 60, 200] {
        let mut demo =
            Command::new(wasmcni_binary()).arg("demo").stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        demo.kill().unwrap();
        demo.wait().unwrap();
    }
    assert_eq!(machine(), before);
    assert!(!Path::new("/run/cni/bin/bridge").exists());
}

#[test]
fn a_step_that_fails_is_named() {
    sandbox::run(|| {
        // Limits of the sandbox's own (namespaces(7)): as on a machine that allows nobody any.
        for limit in ["max_user_namespaces", "max_net_namespaces"] {
            fs::write(Path::new("/proc/sys/user").join(limit), "0").unwrap();
        }
        let demo = super::wasmcni(&["demo"]);
        assert_eq!(demo.status, Some(1), "{demo:?}");
        for word in ["step 1 (A node and two containers)", "ENOSPC", "max_user_namespaces", "sudo"]
        {
            assert!(demo.stderr.contains(word), "{word}: {demo:?}");
        }
    });
}
