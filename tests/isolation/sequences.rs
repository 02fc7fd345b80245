//! Whatever a plugin asks for, in whatever order and with whatever arguments: the host answers, and an ADD that
//! fails leaves the node as before. The plugin is granted everything, so that nothing stops at the gate.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};
use wasmcni::kernel::faults::OPERATIONS;
use wasmcni::kernel::{Kernel, KindSpec, LinkChange, LinkSpec, Role};
use wasmcni::policy::{Holds, Need, OPS, OpKind};

use super::guests::hostile_acts;
use super::lab::{Lab, in_time};

/// What the guest understands.
const GUEST: &str = include_str!("../../plugins-wasm/hostile-acts/src/acts.rs");

/// Sequences that are tried.
const CASES: u32 = 192;

/// Names and keys that mean something on the node, and what means nothing anywhere.
const TEXTS: &[&str] = &[
    "eth0",
    "eth1",
    "evil0",
    "docker0",
    "veth0",
    "lo",
    "",
    ".",
    "..",
    "a/b",
    "*",
    "@own",
    "%d",
    "a\u{0}b",
    "a b",
    "0123456789abcdef",
    "10.30.0.9",
    "10.30.0.255",
    "fe80::1",
    "2001:db8::9",
    "::",
    "0.0.0.0",
    "net/ipv4/conf/eth0/arp_notify",
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/disable_ipv6",
    "net/../kernel/hostname",
    "1",
    "/",
    "/etc/resolv.conf",
    "/proc/self/environ",
    "../../etc/shadow",
    "{}",
    "{\"type\": \"bridge\"}",
    "02:00:00:00:00:01",
    "0000:00:1f.6",
    "CNI-ADMIN",
];

/// Ends of ranges, and what lies between.
const NUMBERS: &[u32] = &[
    0,
    1,
    2,
    7,
    24,
    32,
    33,
    64,
    128,
    129,
    254,
    255,
    1280,
    1500,
    4094,
    4095,
    65_535,
    65_536,
    u32::MAX,
];

/// Operations that need a daemon, or what the reference plugins left: other tests come to these.
const ELSEWHERE: [&str; 5] = [
    "reference_masquerade_delete",
    "reference_port_rules_delete",
    "reference_spoof_guard_delete",
    "zone_source_add",
    "zone_source_delete",
];

/// Every act that there is, on everything.
fn everything() -> String {
    let mut text = "component = \"bundled\"\n".to_owned();
    for kind in OPS {
        let kinds = kind.keys.iter().find_map(|key| match (key.name, key.holds) {
            ("kind", Holds::Word(words)) => Some(words),
            _ => None,
        });
        for word in kinds.unwrap_or(&[""]) {
            for netns in if kind.in_netns { &["host", "container"][..] } else { &[""] } {
                text += &grant(kind, word, netns);
            }
        }
    }
    text
}

fn grant(kind: &OpKind, of: &str, netns: &str) -> String {
    let mut text = format!("[[grant]]\nop = \"{}\"\n", kind.name);
    if !netns.is_empty() {
        text += &format!("netns = \"{netns}\"\n");
    }
    for key in kind.keys {
        let said = match key.need {
            Need::OfKinds(kinds) | Need::IfAsked(kinds) => kinds.is_empty() || kinds.contains(&of),
            Need::Always | Need::Else(_) => true,
        };
        let value = match key.holds {
            _ if key.name == "kind" && !of.is_empty() => format!("\"{of}\""),
            Holds::Link | Holds::Plugin | Holds::Text | Holds::Mac | Holds::Word(_) => {
                "\"*\"".into()
            }
            Holds::SysctlKey => "\"net/**\"".into(),
            Holds::Path => "\"/**\"".into(),
            Holds::Net => "[\"any-ipv4\", \"any-ipv6\"]".into(),
            Holds::Destination | Holds::Number(..) => "\"any\"".to_owned(),
        };
        if said {
            text += &format!("{} = {value}\n", key.name);
        }
    }
    text
}

/// The words of the guest's acts.
fn words() -> Vec<&'static str> {
    let quoted = GUEST.lines().filter_map(|line| {
        let (word, rest) = line.trim().strip_prefix('"')?.split_once('"')?;
        rest.trim_start().starts_with("=>").then_some(word)
    });
    let words: Vec<_> = quoted.collect();
    assert!(words.len() > 55, "{words:?}");
    words
}

fn acts() -> impl Strategy<Value = Vec<Value>> {
    let text = || prop_oneof![4 => select(TEXTS).prop_map(str::to_owned), 1 => any::<String>()];
    let number = || prop_oneof![4 => select(NUMBERS), 1 => any::<u32>()];
    let link = prop_oneof![3 => 0..6_u32, 1 => 0..40_u32];
    let act = (select(words()), text(), text(), number(), link, any::<bool>());
    let act = act.prop_map(|(act, text, other, number, link, inside)| {
        json!({
            "act": act, "text": text, "other": other, "number": number, "link": link, "inside": inside,
        })
    });
    // First it takes hold of what there is: without a link most acts come to nothing.
    let taken = json!({ "act": "adopt", "text": "eth7", "link": 4, "inside": true });
    (prop::option::weighted(0.2, Just(taken)), prop::collection::vec(act, 4..20))
        .prop_map(|(taken, acts)| held().into_iter().chain(taken).chain(acts).collect())
}

/// Links of the node, of others and of its own, and one in the container.
fn held() -> Vec<Value> {
    let find = |name: &str| json!({ "act": "find-link", "text": name });
    let up = |link: u32| json!({ "act": "link-up", "link": link });
    vec![
        json!({ "act": "create-veth", "text": "eth0", "inside": true }),
        up(0),
        up(1),
        json!({ "act": "create-bridge", "text": "evil0" }),
        up(2),
        json!({ "act": "link-master", "link": 1, "number": 2 }),
        find("docker0"),
        json!({ "act": "find-device", "text": "veth0" }),
    ]
}

/// A node with links of others.
fn inhabited() -> Lab {
    let lab = Lab::sim();
    let mut kernel = lab.model().kernel(None);
    let veth = KindSpec::Veth {
        peer: "veth1".try_into().unwrap(),
        peer_netns: Role::Host,
        peer_mac: None,
    };
    let mut links = Vec::new();
    for (name, kind) in [("docker0", KindSpec::Bridge { vlan_filtering: false }), ("veth0", veth)] {
        let spec = LinkSpec { name: name.try_into().unwrap(), mtu: None, mac: None, kind };
        let link = kernel.link_create(Role::Host, &spec).unwrap();
        links.extend([Some(link.index), link.parent].into_iter().flatten());
    }
    let [bridge, _, port] = links[..] else { panic!("{links:?}") };
    // A bridge whose last port leaves loses its address, as Linux has it. (br_stp_recalculate_bridge_id)
    kernel.link_set(Role::Host, port, &LinkChange::Master(Some(bridge))).unwrap();
    for link in links {
        kernel.link_set(Role::Host, link, &LinkChange::Up).unwrap();
    }
    lab
}

/// Without what no kernel takes back: that a bridge's address was once set, not taken from a port; and
/// link-local addresses, which it makes anew of the address that a link has when it comes up.
fn state(lab: &Lab) -> BTreeSet<String> {
    let mut lines = lab.state();
    lines.retain(|line| !line.contains("/mac_fixed") && !line.contains("fe80::"));
    lines
}

/// What was done of the kernel's operations goes to `done`.
fn check(acts: &[Value], done: &mut BTreeSet<&str>) -> Result<(), TestCaseError> {
    let lab = inhabited();
    let before = state(&lab);
    let conf =
        json!({ "cniVersion": "1.1.0", "name": "net", "type": "hostile-acts", "acts": acts });
    let outcome = lab.call(&hostile_acts(&everything()), "ADD", &conf, "a");
    done.extend(outcome.operations.iter().map(|operation| operation.name));
    let (code, details) = outcome.failure();
    prop_assert!([7, 11, 100, 101, 102, 999].contains(&code), "{code}: {details}");
    prop_assert!(!details.contains("not taken back"), "{}", details);
    let after = state(&lab);
    let gone: Vec<_> = before.difference(&after).collect();
    let new: Vec<_> = after.difference(&before).collect();
    prop_assert!(
        before == after,
        "{details}\ngone: {gone:#?}\nnew: {new:#?}\n{:#?}\n{:#?}",
        outcome.log,
        outcome.operations.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    Ok(())
}

#[test]
fn whatever_is_asked_a_failed_add_leaves_the_node_as_before() {
    in_time(|| {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let done = RefCell::new(BTreeSet::new());
        TestRunner::new_with_rng(config, rng)
            .run(&acts(), |acts| check(&acts, &mut done.borrow_mut()))
            .unwrap();
        let came_to = |name: &str| done.borrow().contains(name) || ELSEWHERE.contains(&name);
        let never: Vec<_> = OPERATIONS.into_iter().filter(|name| !came_to(name)).collect();
        assert_eq!(never, [""; 0], "operations that no sequence came to");
    });
}
