//! Guests that reach for more: what no grant gives is code 100 with the nearest rule, what makes no sense is
//! refused for what it is, and both leave the node as before.

use serde_json::{Value, json};
use wasmcni::kernel::{Kernel, KindSpec, LinkChange, LinkSpec, Role};

use super::guests::hostile;
use super::lab::{Lab, assert_same, hostile_conf};

/// One attack: what it is, and what the runtime gets to know.
struct Case {
    attack: Value,
    code: u64,
    reason: &'static str,
}

fn case(attack: Value, code: u64, reason: &'static str) -> Case {
    Case { attack, code, reason }
}

/// A machine with things of others on it.
fn inhabited() -> Lab {
    let lab = Lab::sim();
    let mut kernel = lab.model().kernel(None);
    for (name, bridge) in [("docker0", true), ("veth0", false)] {
        let kind = match bridge {
            true => KindSpec::Bridge { vlan_filtering: false },
            false => KindSpec::Veth {
                peer: "veth1".try_into().unwrap(),
                peer_netns: Role::Host,
                peer_mac: None,
            },
        };
        let spec = LinkSpec { name: name.try_into().unwrap(), mtu: None, mac: None, kind };
        let link = kernel.link_create(Role::Host, &spec).unwrap();
        kernel.link_set(Role::Host, link.index, &LinkChange::Up).unwrap();
    }
    lab
}

#[track_caller]
fn all(cases: &[Case], at: u32) {
    for Case { attack, code: expected, reason } in cases {
        let lab = inhabited().with(hostile(""));
        let before = lab.state();
        let mut conf = hostile_conf(&lab, attack.clone());
        conf["at"] = json!(at);
        let outcome = lab.call(&hostile(""), "ADD", &conf, "a");
        let (code, details) = outcome.failure();
        assert_eq!(code, *expected, "{attack}: {details}");
        assert!(details.contains(reason), "{attack}: {details}, not {reason}");
        assert!(!details.contains("not taken back"), "{attack}: {details}");
        assert_same(&before, &lab.state(), &attack.to_string());
    }
}

#[test]
fn what_no_grant_gives() {
    all(
        &[
            case(
                json!({ "attack": "bridge", "target": "docker0" }),
                100,
                "hostile: link.create kind=bridge name=\"docker0\" in host-netns; policy \
                 bundled:hostile/grants.toml:",
            ),
            case(
                json!({ "attack": "bridge", "target": "Bad0" }),
                100,
                "allows name [\"@config.bridge\", \"bad*\"]",
            ),
            case(
                json!({ "attack": "veth", "target": "eth1" }),
                100,
                "link.create kind=veth name=\"eth1\"",
            ),
            case(
                json!({ "attack": "veth-peer", "target": "eth0" }),
                100,
                "name=\"eth0\" in host-netns",
            ),
            case(
                json!({ "attack": "macvlan", "target": "eth1" }),
                100,
                "link.create kind=macvlan name=\"eth1\" parent=\"evil0\" parent-netns=host",
            ),
            case(
                json!({ "attack": "vlan-device", "target": "bad0", "number": 4095 }),
                100,
                "parent-netns=host vlan=4095",
            ),
            case(
                json!({ "attack": "delete", "target": "docker0" }),
                100,
                "link.delete name=\"docker0\"",
            ),
            case(
                json!({ "attack": "delete", "target": "veth0" }),
                100,
                "link.delete name=\"veth0\"",
            ),
            case(json!({ "attack": "delete", "target": "lo" }), 100, "link.delete name=\"lo\""),
            case(
                json!({ "attack": "down", "target": "docker0" }),
                100,
                "link.set-down name=\"docker0\"",
            ),
            case(
                json!({ "attack": "mac", "target": "docker0" }),
                100,
                "link.set-mac name=\"docker0\"",
            ),
            case(
                json!({ "attack": "steal-port", "target": "veth0" }),
                100,
                "link.set-master name=\"veth0\"",
            ),
            case(
                json!({ "attack": "address", "value": "10.99.0.1/16" }),
                100,
                "addr.add name=\"eth0\" within=10.99.0.1/16",
            ),
            case(
                json!({ "attack": "address", "value": "10.30.0.2/23" }),
                100,
                "within=10.30.0.2/23",
            ),
            case(json!({ "attack": "address", "value": "0.0.0.0/0" }), 100, "within=0.0.0.0/0"),
            case(
                json!({ "attack": "bridge-address", "value": "10.31.0.1/24" }),
                100,
                "within=10.31.0.1/24",
            ),
            case(
                json!({ "attack": "bridge-address", "value": "10.30.0.1/8" }),
                100,
                "within=10.30.0.1/8",
            ),
            case(
                json!({ "attack": "route", "value": "0.0.0.0/0" }),
                100,
                "route.add name=\"evil0\" to=0.0.0.0/0",
            ),
            case(json!({ "attack": "route", "value": "10.30.0.0/15" }), 100, "to=10.30.0.0/15"),
            case(
                json!({ "attack": "masquerade", "value": "10.8.0.1/24" }),
                100,
                "nat.masquerade within=10.8.0.1/24",
            ),
            case(
                json!({ "attack": "reserve", "value": "10.31.0.1/24" }),
                100,
                "reservations.reserve within=10.31.0.1/32",
            ),
            case(
                json!({ "attack": "open", "value": "/etc" }),
                100,
                "reservations.open data-dir=\"/etc\"",
            ),
            case(
                json!({ "attack": "open", "value": "/var/lib/cni/networks/../../../../etc" }),
                100,
                "data-dir=\"/var/lib/cni/networks/../../../../etc\"",
            ),
            case(
                json!({ "attack": "resolv-conf", "value": "/etc/shadow" }),
                100,
                "resolv-conf.read path=\"/etc/shadow\"",
            ),
            case(
                json!({ "attack": "delegate", "target": "portmap" }),
                100,
                "delegate.run plugin=\"portmap\"",
            ),
            case(
                json!({ "attack": "delegate", "target": "../x" }),
                100,
                "delegate.run plugin=\"../x\"",
            ),
        ],
        4,
    );
}

/// Links of others change their namespace only as devices that the grants name.
#[test]
fn devices() {
    all(
        &[
            case(
                json!({ "attack": "adopt", "target": "veth0" }),
                999,
                "taking link \"veth0\" of host-netns into container-netns: it is none that this call \
                 found as a device",
            ),
            case(
                json!({ "attack": "adopt-device", "target": "docker0", "value": "eth9" }),
                100,
                "device.find by=name device=\"docker0\"",
            ),
            case(
                json!({ "attack": "adopt-device", "target": "veth0", "value": "eth8" }),
                100,
                "link.move name=\"eth8\" from=\"veth0\" in container-netns",
            ),
            case(
                json!({ "attack": "adopt-device", "target": "veth0", "value": "eth9/x" }),
                100,
                "link.move name=\"eth9/x\"",
            ),
            case(
                json!({ "attack": "device-path", "value": "/sys/devices/../../etc" }),
                100,
                "device.find by=path device=\"/sys/devices/../../etc\"",
            ),
            case(
                json!({ "attack": "hand-back" }),
                100,
                "link.hand-back name=\"eth0\" as=\"\" in container-netns",
            ),
            case(json!({ "attack": "tap", "target": "eth7" }), 100, "link.create kind=tap"),
        ],
        4,
    );
}

/// What was taken goes back when the ADD fails in the end.
#[test]
fn a_device_that_was_taken_for_nothing() {
    let attack = json!({
        "attack": "adopt-device", "target": "veth0", "value": "eth9", "answer": "interface", "number": 7,
    });
    all(&[case(attack, 101, "interface 7")], 4);
}

#[test]
fn sysctls() {
    all(
        &[
            case(
                json!({ "attack": "sysctl", "target": "net/ipv4/ip_forward", "value": "1" }),
                100,
                "sysctl.write key=\"net/ipv4/ip_forward\" value=\"1\" in host-netns",
            ),
            case(
                json!({ "attack": "sysctl-read", "target": "net/ipv4/tcp_fastopen_key" }),
                100,
                "sysctl.read key=",
            ),
            case(
                json!({ "attack": "sysctl", "target": "net/ipv4/conf/../ip_forward/arp_notify", "value": "1" }),
                100,
                "net/ipv4/conf/../ip_forward/arp_notify",
            ),
            case(
                json!({ "attack": "sysctl", "target": "net/ipv4/neigh/../../../kernel/core_pattern", "value": "|x" }),
                100,
                "core_pattern",
            ),
            case(
                json!({ "attack": "sysctl", "target": "kernel/core_pattern", "value": "|x" }),
                100,
                "key=\"kernel/core_pattern\"",
            ),
            case(
                json!({ "attack": "sysctl", "target": "/proc/sys/kernel/x", "value": "1" }),
                100,
                "sysctl.write",
            ),
            case(
                json!({ "attack": "sysctl", "target": "net/ipv4/neigh/lo\u{0}/x", "value": "1" }),
                999,
                "",
            ),
            case(
                json!({ "attack": "sysctl", "target": "net/ipv4/conf/lo/arp_notify", "value": "1".repeat(5000) }),
                999,
                "5000 octets",
            ),
            case(
                json!({ "attack": "sysctl-inside", "target": "net/ipv4/conf/eth0/arp_notify", "value": "7" }),
                100,
                "value=\"7\" in container-netns",
            ),
        ],
        4,
    );
}

#[test]
fn names_that_no_kernel_takes() {
    let long = format!("bad{}", "x".repeat(297));
    let names = [
        "bad\u{0}x",
        "bad\nx",
        "bad x",
        "bad%d",
        "bad:x",
        "bad\u{a0}x",
        "bad5678901234567",
        long.as_str(),
    ];
    for name in names {
        for attack in ["bridge", "veth", "veth-peer", "macvlan"] {
            all(&[case(json!({ "attack": attack, "target": name }), 999, "")], 4);
        }
        // A name that no link can have is no link's.
        all(&[case(json!({ "attack": "find", "target": name }), 999, "there is none")], 4);
    }
    for name in ["", ".", "..", "%s", "*", "evil0\u{0}", "bad/../x"] {
        all(
            &[case(json!({ "attack": "bridge", "target": name }), 100, "link.create kind=bridge")],
            0,
        );
    }
}

#[test]
fn values_that_make_no_sense() {
    let number = |attack: &str, number: u32, reason| {
        case(json!({ "attack": attack, "number": number }), 999, reason)
    };
    all(
        &[
            number("prefix", 255, "10.9.9.9/255: prefix longer than the address"),
            number("prefix", 33, "10.9.9.9/33"),
            number("masquerade-prefix", 255, "10.9.9.9/255"),
            number("route-prefix", 129, "10.9.9.9/129"),
            number("vlan", 0, "ids are 1 to 4094"),
            number("vlan", 4095, "ids are 1 to 4094"),
            number("vlan", 65535, "ids are 1 to 4094"),
            number("vlan-backwards", 0, "VLANs 9 to 3"),
            number("mtu", u32::MAX, "EINVAL"),
            number("mtu", 1, "EINVAL"),
            case(
                json!({ "attack": "macvlan", "target": "bad0", "number": u32::MAX }),
                999,
                "EINVAL",
            ),
            case(json!({ "attack": "passthru-mac", "target": "bad0" }), 999, "it has its parent's"),
            case(json!({ "attack": "ipvlan-mac", "target": "bad0" }), 999, "it has its parent's"),
            number("guard-inside", 0, "it is no port of a bridge of the node"),
            number("wrong-master", 0, "is in container-netns, its master"),
            case(
                json!({ "attack": "route-elsewhere", "value": "10.30.0.0/16" }),
                999,
                "is in container-netns, the route would be in host-netns",
            ),
            case(
                json!({ "attack": "bridge", "target": "bad0", "number": u32::MAX }),
                999,
                "EINVAL",
            ),
            case(json!({ "attack": "open", "value": "relative" }), 100, "data-dir=\"relative\""),
        ],
        4,
    );
}

/// Delegation is neither a way to other programs nor a way round the stack.
#[test]
fn delegation() {
    all(
        &[
            case(
                json!({ "attack": "delegate", "target": "hostile" }),
                103,
                "delegates 3 deep already",
            ),
            case(
                json!({ "attack": "delegate-del", "target": "unlisted" }),
                103,
                "native programs run unconfined",
            ),
            case(
                json!({ "attack": "delegate", "target": "unlisted" }),
                103,
                "native programs run unconfined",
            ),
            case(
                json!({ "attack": "delegate", "target": "../x" }),
                100,
                "delegate.run plugin=\"../x\"",
            ),
            case(json!({ "attack": "delegate", "target": "..\\x" }), 7, "must be a file name"),
            case(
                json!({ "attack": "delegate", "target": ".." }),
                100,
                "delegate.run plugin=\"..\"",
            ),
        ],
        0,
    );
}

/// What was refused was not done, whatever the guest makes of it.
#[test]
fn a_denial_that_is_swallowed() {
    let lab = inhabited();
    lab.call(&hostile(""), "ADD", &hostile_conf(&lab, json!({})), "a").success();
    let honest = lab.model().snapshot();
    let lab = inhabited();
    for attack in ["delete", "down", "mac", "steal-port"] {
        let attack = json!({ "attack": attack, "target": "veth0", "at": 4, "swallow": true });
        lab.call(&hostile(""), "ADD", &hostile_conf(&lab, attack.clone()), "a").success();
        let difference = honest.difference(&lab.model().snapshot());
        // Random: the port's name, MACs; the numbers that come after.
        let of_others: Vec<&String> = difference
            .iter()
            .filter(|line| {
                line.contains("docker0") || line.contains("/veth0/") || line.contains("/veth1/")
            })
            .collect();
        assert!(of_others.is_empty(), "{attack}: {of_others:?}");
        lab.call(&hostile(""), "DEL", &hostile_conf(&lab, json!({})), "a").success();
    }
}

/// After one, an error of another kind is told as it is.
#[test]
fn a_denial_is_not_told_for_another_error() {
    let lab = Lab::sim();
    let conf = hostile_conf(
        &lab,
        json!({ "attack": "bridge", "target": "docker0", "swallow": true, "answer": "none" }),
    );
    let (code, details) = lab.call(&hostile(""), "ADD", &conf, "a").failure();
    assert_eq!(code, 7, "{details}");
    assert!(!details.contains("docker0"), "{details}");
}
