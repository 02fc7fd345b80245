//! `macvlan`, `ipvlan` and `vlan`: as [`attachments`](super::attachments), where the kernel has them.

use serde_json::{Value, json};

use super::attachments::{Case, V4, V6, case, compare_but, of, routed};
use crate::harness::netns::has_kind;
use crate::harness::node::{on_a_node, with};
use crate::harness::sandbox::notice;

/// The node's way out.
const UPLINK: &[&str] = &[
    "link add up0 address 02:00:00:00:00:aa mtu 1450 type veth peer name up1",
    "addr add 192.0.2.2/24 dev up0",
    "link set up0 up",
    "link set up1 up",
    "route add default via 192.0.2.1",
];

fn on_uplink(name: &'static str, plugin: &str, subnets: &[&str], more: Value) -> Case {
    let conf = json!({ "type": plugin, "master": "up0", "ipam": of(subnets) });
    Case { before: UPLINK, ..case(name, with(&conf, more)) }
}

/// That the link announces its addresses came after 1.1.1, in part.
pub(super) fn forget_announcing(state: &mut Value) {
    let sysctls = state["container's sysctls"].as_object_mut();
    sysctls.and_then(|sysctls| sysctls.remove("ipv4/conf/eth0/arp_notify"));
}

fn cases(plugin: &'static str, more: &Value) -> Vec<Case> {
    let all = |name, subnets: &[&str], keys: Value| {
        let keys = with(more, keys);
        on_uplink(name, plugin, subnets, keys)
    };
    let mut routes = all("routes", &[V4, V6], json!({}));
    let wanted = json!([{ "dst": "0.0.0.0/0" }, { "dst": "10.9.0.0/16", "gw": "10.77.0.9" }]);
    routes.conf = routed(routes.conf, wanted);
    vec![
        all("v4", &[V4], json!({})),
        all("v6", &[V6], json!({})),
        Case { versions: &super::VERSIONS, ..all("dual stack", &[V4, V6], json!({})) },
        all("mtu", &[V4], json!({ "mtu": 1400 })),
        all("dns", &[V4], json!({ "dns": { "nameservers": ["192.0.2.1"], "search": ["a"] } })),
        routes,
    ]
}

#[test]
fn macvlan_does_what_the_reference_does() {
    let mut all = cases("macvlan", &json!({}));
    let one = |name, keys| on_uplink(name, "macvlan", &[V4], keys);
    all.extend(["bridge", "private", "vepa", "passthru"].map(|m| one(m, json!({ "mode": m }))));
    all.extend([
        one("the default route's link", json!({ "master": null })),
        one("no IPAM", json!({ "ipam": {} })),
        one("mac", json!({ "mac": "02:00:00:00:00:0a" })),
        one(
            "mac of the runtime",
            json!({ "runtimeConfig": { "mac": "02:00:00:00:00:0b" }, "capabilities": { "mac": true } }),
        ),
        Case {
            args: "IgnoreUnknown=1;MAC=02:00:00:00:00:0c",
            ..one("mac of CNI_ARGS", json!({}))
        },
    ]);
    compare_but(all, forget_announcing);
}

/// The comparison, in a sandbox whose kernel has the plugin's links.
///
/// One version: kernels that have them mostly run in a machine in software, where a call takes its time.
fn if_there(plugin: &'static str, cases: impl FnOnce() -> Vec<Case>) {
    on_a_node(|_| {
        if has_kind(plugin) {
            let one = |case| Case { versions: &["1.0.0"], ..case };
            let cases = cases().into_iter().filter(|case| !["v4", "v6"].contains(&case.name));
            compare_but(cases.map(one).collect(), forget_announcing);
        } else {
            notice(&format!("whether {plugin} does what the reference does: this kernel has none"));
        }
    });
}

#[test]
fn ipvlan_does_what_the_reference_does() {
    if_there("ipvlan", || {
        let mut all = cases("ipvlan", &json!({}));
        let one = |name, keys| on_uplink(name, "ipvlan", &[V4], keys);
        // Not without `master`: 1.1.1's CHECK then looks for a link with no name, and never finds it.
        all.extend(["l3", "l3s"].map(|mode| one(mode, json!({ "mode": mode }))));
        all
    });
}

#[test]
fn vlan_does_what_the_reference_does() {
    if_there("vlan", || {
        let mut all = cases("vlan", &json!({ "vlanId": 5 }));
        all.push(on_uplink("no VLAN", "vlan", &[V4], json!({})));
        all
    });
}
