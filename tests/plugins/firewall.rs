//! `firewall` by what becomes of packets: an outside, a node that forwards, containers on two bridges.

use std::process::Command;

use serde_json::{Value, json};

use super::{bridge, failed, interface, status_misses_nftables};
use crate::harness::netns::{Netns, ip, nft, nft_elements, nft_json};
use crate::harness::node::{Container, Node, on_a_node, with};
use crate::harness::programs::has_iptables;

pub(super) const OUTSIDE: [&str; 2] = ["192.0.2.9", "2001:db8::9"];

pub(super) fn firewall(former: &Value, more: Value) -> Value {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "firewall", "prevResult": former,
    });
    with(&conf, more)
}

/// A bridge network of its own.
fn network(number: u8) -> Value {
    let ranges = json!([
        [{ "subnet": format!("10.{number}.0.0/24") }], [{ "subnet": format!("fd{number}::/64") }],
    ]);
    bridge(json!({
        "name": format!("net{number}"), "bridge": format!("br{number}"), "isDefaultGateway": true,
        "ipam": { "type": "host-local", "ranges": ranges },
    }))
}

/// A machine beyond the node, that knows the way to the containers.
pub(super) fn outside() -> Netns {
    let outside = Netns::new("outside");
    // Nobody waits for detection of duplicates.
    let accept_dad = || std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").unwrap();
    accept_dad();
    outside.inside(accept_dad);
    ip(&["link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", "outside"]);
    ip(&["link", "set", "up0", "up"]);
    ip(&["addr", "add", "192.0.2.2/24", "dev", "up0"]);
    ip(&["addr", "add", "2001:db8::2/64", "dev", "up0", "nodad"]);
    outside.exec("ip", &["link", "set", "eth0", "up"]);
    outside.exec("ip", &["addr", "add", "192.0.2.9/24", "dev", "eth0"]);
    outside.exec("ip", &["addr", "add", "2001:db8::9/64", "dev", "eth0", "nodad"]);
    outside.exec("ip", &["route", "add", "10.0.0.0/8", "via", "192.0.2.2"]);
    outside.exec("ip", &["route", "add", "fd00::/8", "via", "2001:db8::2"]);
    outside
}

/// An attachment to a network, let through or not.
pub(super) struct Attached {
    pub(super) container: Container,
    pub(super) conf: Value,
    pub(super) former: Value,
}

pub(super) fn attach(node: &Node, name: &str, number: u8) -> Attached {
    let container = Container::new(name);
    let conf = network(number);
    let former = node.add(&conf, &container);
    Attached { container, conf, former }
}

impl Attached {
    pub(super) fn addresses(&self) -> [String; 2] {
        let address = |n: usize| {
            let text = self.former["ips"][n]["address"].as_str().unwrap();
            text.split('/').next().unwrap().to_owned()
        };
        [address(0), address(1)]
    }

    /// Whether it is answered by both of these addresses, or by neither.
    #[track_caller]
    pub(super) fn reaches(&self, addresses: &[impl AsRef<str>; 2]) -> bool {
        let both = addresses.each_ref().map(|a| self.container.netns.reaches(a.as_ref()));
        assert_eq!(both[0], both[1], "both families alike");
        both[0]
    }
}

/// The node's end of its veth.
fn on_node_port(at: &Attached) -> String {
    interface(&at.former, 1).to_owned()
}

/// All elements of the firewall's sets.
pub(super) fn elements() -> Vec<String> {
    nft_elements().into_iter().filter(|line| line.starts_with("wasmcni_firewall")).collect()
}

fn iptables(arguments: &[&str]) -> String {
    let mut all = String::new();
    for program in ["iptables", "ip6tables"] {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
        all += &String::from_utf8(output.stdout).unwrap();
    }
    all
}

/// Without a firewall of others there is nothing to be let through, and nothing is hindered.
#[test]
fn a_node_without_a_firewall() {
    on_a_node(|node| {
        let (outside, a) = (outside(), attach(&node, "a", 11));
        let conf = firewall(&a.former, json!({}));
        assert_eq!(node.add(&conf, &a.container), a.former);
        assert_eq!(elements().len(), 2, "{:?}", elements());
        assert!(a.reaches(&OUTSIDE));
        assert!(outside.reaches(&a.addresses()[0]), "nothing is dropped that was not before");
        node.check(&conf, &a.container, &a.former).success();
        node.del(&conf, &a.container);
        assert_eq!(elements(), [""; 0]);
        node.del(&a.conf, &a.container);
        assert_eq!(node.files(), [""; 0]);
    });
}

/// Iptables' FORWARD drops: what is admitted gets out, with the answers; nothing gets in by itself; and
/// iptables goes on as before.
#[test]
fn what_is_admitted_passes_a_forward_chain_that_drops() {
    on_a_node(|node| {
        if !has_iptables() {
            return;
        }
        let (outside, a) = (outside(), attach(&node, "a", 11));
        let b = attach(&node, "b", 12);
        iptables(&["-P", "FORWARD", "DROP"]);
        assert!(!a.reaches(&OUTSIDE));
        let conf = firewall(&a.former, json!({}));
        node.add(&conf, &a.container);
        assert!(a.reaches(&OUTSIDE));
        assert!(!b.reaches(&OUTSIDE), "only what is admitted");
        assert!(!outside.reaches(&a.addresses()[0]), "only answers come in");
        assert!(a.reaches(&b.addresses()), "from it, everywhere");
        node.check(&conf, &a.container, &a.former).success();
        // Rules of iptables' own kind, one of each, however many containers there are.
        node.add(&firewall(&b.former, json!({})), &b.container);
        let rules = iptables(&["-S"]);
        let forward: Vec<&str> = rules.lines().filter(|l| l.starts_with("-A FORWARD")).collect();
        assert_eq!(forward.len(), 4, "{rules}");
        let marked = "-m mark --mark 0x1000/0x1000 ";
        assert!(forward[0].ends_with("-j CNI-ADMIN"), "{rules}");
        assert!(forward[1].contains(marked) && forward[1].ends_with("-j ACCEPT"), "{rules}");
        // The mark is nobody's but ours: with it, nothing passes.
        nft(&[
            "add table inet early; add chain inet early c { type filter hook forward priority -20; }",
        ]);
        nft(&["add rule inet early c meta mark set 0x1000"]);
        assert!(!outside.reaches(&a.addresses()[0]));
        nft(&["delete table inet early"]);
        // Saved and restored by iptables, they still do.
        let saved = Command::new("sh").args(["-c", "iptables-save | iptables-restore"]).output();
        assert!(saved.unwrap().status.success());
        assert!(a.container.netns.reaches(OUTSIDE[0]));
        node.check(&conf, &a.container, &a.former).success();
        node.del(&conf, &a.container);
        assert!(!a.reaches(&OUTSIDE));
        assert!(b.reaches(&OUTSIDE));
    });
}

/// The operator's chain comes first, in our table and in iptables', and is never touched.
#[test]
fn the_operators_chain_comes_first() {
    on_a_node(|node| {
        let (_outside, a) = (outside(), attach(&node, "a", 11));
        for chain in ["CNI-ADMIN", "MY-RULES"] {
            let more =
                json!({ "iptablesAdminChainName": if chain == "CNI-ADMIN" { "" } else { chain } });
            let conf = firewall(&a.former, more);
            node.add(&conf, &a.container);
            assert!(a.reaches(&OUTSIDE));
            nft(&[
                "add",
                "rule",
                "inet",
                "wasmcni_firewall_v1",
                chain,
                "icmp",
                "type",
                "echo-request",
                "drop",
            ]);
            nft(&[
                "add",
                "rule",
                "inet",
                "wasmcni_firewall_v1",
                chain,
                "icmpv6",
                "type",
                "echo-request",
                "drop",
            ]);
            assert!(!a.reaches(&OUTSIDE), "{chain}");
            node.del(&conf, &a.container);
            node.add(&conf, &a.container);
            assert!(!a.reaches(&OUTSIDE), "{chain} is as it was");
            nft(&["flush", "chain", "inet", "wasmcni_firewall_v1", chain]);
            node.del(&conf, &a.container);
        }
        if !has_iptables() {
            return;
        }
        iptables(&["-P", "FORWARD", "DROP"]);
        let conf = firewall(&a.former, json!({}));
        node.add(&conf, &a.container);
        iptables(&["-A", "CNI-ADMIN", "-j", "DROP"]);
        assert!(!a.reaches(&OUTSIDE));
        node.add(&conf, &a.container);
        assert!(!a.reaches(&OUTSIDE));
        iptables(&["-F", "CNI-ADMIN"]);
        assert!(a.reaches(&OUTSIDE));
    });
}

/// `same-bridge`: two bridges with it cannot reach each other; one without can.
#[test]
fn bridges_are_kept_apart() {
    on_a_node(|node| {
        let outside = outside();
        let [a, other, b, c] = [("a", 11), ("other", 11), ("b", 12), ("c", 13)]
            .map(|(name, n)| attach(&node, name, n));
        let policy = json!({ "ingressPolicy": "same-bridge" });
        let confs = [&a, &other, &b].map(|at| firewall(&at.former, policy.clone()));
        for (conf, at) in confs.iter().zip([&a, &other, &b]) {
            node.add(conf, &at.container);
            node.check(conf, &at.container, &at.former).success();
        }
        node.add(&firewall(&c.former, json!({ "ingressPolicy": "open" })), &c.container);
        assert!(!a.reaches(&b.addresses()) && !b.reaches(&a.addresses()));
        assert!(a.reaches(&other.addresses()), "on one bridge");
        assert!(a.reaches(&c.addresses()) && c.reaches(&a.addresses()), "with an open one");
        assert!(a.reaches(&OUTSIDE) && outside.reaches(&a.addresses()[0]));
        // As long as one wants it.
        node.del(&confs[0], &a.container);
        assert!(!other.reaches(&b.addresses()));
        node.del(&confs[1], &other.container);
        assert!(other.reaches(&b.addresses()) && b.reaches(&other.addresses()));
        node.del(&confs[2], &b.container);
        assert!(
            elements().iter().all(|line| line.contains("net13")
                || line.contains("10.13")
                || line.contains("fd13")),
            "{:?}",
            elements()
        );
    });
}

/// `isolated`: nor can ports of the same one.
#[test]
fn ports_are_kept_apart() {
    on_a_node(|node| {
        let outside = outside();
        let [a, other, b] =
            [("a", 11), ("other", 11), ("b", 12)].map(|(name, n)| attach(&node, name, n));
        let policy = json!({ "ingressPolicy": "isolated" });
        let confs = [&a, &other, &b].map(|at| firewall(&at.former, policy.clone()));
        for (conf, at) in confs.iter().zip([&a, &other, &b]) {
            node.add(conf, &at.container);
            node.check(conf, &at.container, &at.former).success();
        }
        assert!(!a.reaches(&other.addresses()) && !other.reaches(&a.addresses()));
        assert!(!a.reaches(&b.addresses()));
        assert!(a.reaches(&OUTSIDE) && outside.reaches(&a.addresses()[0]));
        assert!(a.container.netns.reaches("10.11.0.1"), "its gateway");
        for (conf, at) in confs.iter().zip([&a, &other, &b]) {
            node.del(conf, &at.container);
        }
        assert_eq!(elements(), [""; 0]);
        assert!(a.reaches(&other.addresses()) && a.reaches(&b.addresses()));
    });
}

#[test]
fn check_finds_each_thing_that_is_broken_and_breaks_nothing() {
    on_a_node(|node| {
        let a = attach(&node, "a", 11);
        let conf = firewall(&a.former, json!({ "ingressPolicy": "isolated" }));
        // Before there is anything, it makes nothing.
        let (before, ruleset) = (node.check(&conf, &a.container, &a.former), nft_json());
        failed(&before, 110, "10.11.0.2");
        assert!(!ruleset.to_string().contains("wasmcni_firewall"), "{ruleset}");
        let table = "inet wasmcni_firewall_v1";
        for (broken, named) in [
            (format!("delete element {table} admitted4 {{ 10.11.0.2 }}"), "10.11.0.2"),
            (format!("flush set {table} admitted6"), "fd11::2"),
            (format!("flush set {table} apart"), "ingress policy"),
            (format!("flush set {table} same"), "ingress policy"),
            (format!("flush set {table} isolated"), "ingress policy"),
            (format!("flush chain {table} forward"), "10.11.0.2"),
            (format!("delete table {table}"), "10.11.0.2"),
        ] {
            node.add(&conf, &a.container);
            node.check(&conf, &a.container, &a.former).success();
            nft(&[&broken]);
            let ruleset = nft_json();
            failed(&node.check(&conf, &a.container, &a.former), 110, named);
            assert_eq!(nft_json(), ruleset, "CHECK changes nothing");
            node.del(&conf, &a.container);
            // The operator sets it right: what is missing is made anew.
            let _ = Command::new("nft").args(["delete table inet wasmcni_firewall_v1"]).output();
        }
        if has_iptables() {
            iptables(&["-P", "FORWARD", "DROP"]);
            node.add(&conf, &a.container);
            node.check(&conf, &a.container, &a.former).success();
            iptables(&["-F", "FORWARD"]);
            failed(&node.check(&conf, &a.container, &a.former), 110, "10.11.0.2");
            node.del(&conf, &a.container);
        }
        node.add(&conf, &a.container);
        let port = on_node_port(&a);
        ip(&["link", "set", &port, "type", "bridge_slave", "isolated", "off"]);
        failed(&node.check(&conf, &a.container, &a.former), 110, "ingress policy");
        node.del(&conf, &a.container);
        // A policy that was not asked for then.
        node.add(&firewall(&a.former, json!({})), &a.container);
        failed(&node.check(&conf, &a.container, &a.former), 110, "\"open\"");
        node.del(&conf, &a.container);
    });
}

#[test]
fn wrong_policies_and_wrong_chains_are_refused() {
    on_a_node(|node| {
        let a = attach(&node, "a", 11);
        let b = attach(&node, "b", 12);
        for (more, named) in [
            (json!({ "ingressPolicy": "closed" }), "ingressPolicy"),
            (json!({ "prevResult": null }), "must be chained"),
        ] {
            let conf = firewall(&a.former, more);
            failed(&node.call("ADD", &conf, &a.container).run(), 7, named);
            failed(&node.call("CHECK", &conf, &a.container).run(), 7, named);
            node.del(&conf, &a.container);
        }
        for name in ["FORWARD", "forward", "a b", "-x", "12345678901234567890123456789"] {
            let conf = firewall(&a.former, json!({ "iptablesAdminChainName": name }));
            failed(&node.call("ADD", &conf, &a.container).run(), 999, "no chain for the operator");
        }
        // Another's bridge, whatever the result says.
        let mut told = a.former.clone();
        told["interfaces"][0]["name"] = json!(interface(&b.former, 0));
        let conf = firewall(&told, json!({ "ingressPolicy": "isolated" }));
        failed(&node.call("ADD", &conf, &a.container).run(), 999, "is not on it");
        // No bridge, and none of the node's.
        for first in [json!([]), json!([{ "name": "br11", "sandbox": a.container.netns.path() }])] {
            told["interfaces"] = first;
            let conf = firewall(&told, json!({ "ingressPolicy": "isolated" }));
            failed(&node.call("ADD", &conf, &a.container).run(), 7, "prevResult.interfaces");
        }
        for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1"] {
            let conf = firewall(&a.former, json!({ "cniVersion": version, "prevResult": null }));
            failed(&node.call("ADD", &conf, &a.container).run(), 1, "0.4.0");
        }
        assert_eq!(elements(), [""; 0]);
        let status = json!({ "cniVersion": "1.1.0", "name": "net", "type": "firewall" });
        status_misses_nftables(&node, &status);
    });
}

/// Whoever asks for an address last has it; DEL takes one's own, with or without a result.
#[test]
fn del_removes_ones_own() {
    on_a_node(|node| {
        let (a, b) = (attach(&node, "a", 11), attach(&node, "b", 12));
        let (of_a, of_b) = (firewall(&a.former, json!({})), firewall(&b.former, json!({})));
        node.del(&of_a, &a.container);
        node.add(&of_a, &a.container);
        node.add(&of_b, &b.container);
        let without = with(&of_a, json!({ "prevResult": null, "ingressPolicy": "nonsense" }));
        node.call("DEL", &without, &a.container).without("CNI_NETNS").run().success();
        assert!(elements().iter().all(|line| line.contains("/id-b/")), "{:?}", elements());
        assert_eq!(elements().len(), 2);
        // An address that comes to another container before the first one's DEL.
        node.add(&of_a, &a.container);
        let conf = firewall(&a.former, json!({}));
        node.add(&conf, &b.container);
        node.del(&of_a, &a.container);
        assert_eq!(elements().iter().filter(|line| line.contains("/id-b/")).count(), 4);
        node.del(&of_b, &b.container);
        assert_eq!(elements(), [""; 0]);
        // Without the journal, by the labels.
        node.add(&of_a, &a.container);
        std::fs::remove_dir_all(node.below("run/wasmcni/attachments")).unwrap();
        node.del(&of_a, &a.container);
        assert_eq!(elements(), [""; 0]);
    });
}

/// What the operator's file does not give, the plugin does not get.
#[test]
fn addresses_outside_its_grants_are_refused() {
    on_a_node(|node| {
        let a = attach(&node, "a", 11);
        let shipped = include_str!("../../plugins-wasm/firewall/grants.toml");
        node.grants("firewall", &shipped.replacen("@prev", "10.99.0.0/16", 1));
        let conf = firewall(&a.former, json!({}));
        let named = "allows within \"10.99.0.0/16\"";
        failed(&node.call("ADD", &conf, &a.container).run(), 100, named);
        assert_eq!(elements(), [""; 0]);
    });
}
