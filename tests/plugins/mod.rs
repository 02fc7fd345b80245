//! Every key of every plugin by what it does on the real kernel, as other programs see it.

mod bandwidth;
mod bridge;
mod bridge_gateway;
mod bridge_ports;
mod check;
mod children;
mod configs;
mod connectivity;
mod dummy;
mod firewall;
mod firewalld;
mod flannel;
mod host_device;
mod host_local;
mod host_local_ranges;
mod ipvlan;
mod loopback;
mod macvlan;
mod masquerade;
mod pages;
mod portmap;
mod portmap_conditions;
mod portmap_traffic;
mod ptp;
mod sbr;
mod static_addresses;
mod tap;
mod tuning;
mod vlan;
mod vlans;
mod vrf;

use serde_json::{Value, json};

use crate::harness::exec::Outcome;
use crate::harness::netns::ip_json;
use crate::harness::node::{Container, Node, with};

/// A bridge network of both families, with further keys.
fn bridge(more: Value) -> Value {
    let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0",
        "ipam": { "type": "host-local", "ranges": ranges },
    });
    with(&conf, more)
}

/// The same of `ptp`.
fn ptp(more: Value) -> Value {
    with(&bridge(json!({ "type": "ptp", "bridge": null })), more)
}

/// A list of a plain bridge and a plugin that is chained to it.
fn chain(chained: Value) -> Value {
    json!({ "cniVersion": "1.1.0", "name": "net", "plugins": [bridge(json!({})), chained] })
}

/// A link of the node, as `ip -json -details addr` tells it.
fn on_node(name: &str) -> Value {
    ip_json(&["-details", "addr", "show", "dev", name])[0].clone()
}

/// The name of the node's end of the container's link: the result's interface with this number.
fn interface(result: &Value, number: usize) -> &str {
    result["interfaces"][number]["name"].as_str().expect("the result tells it")
}

/// ADD is refused with code 7, the key (or value) named, and leaves nothing.
#[track_caller]
fn refused(node: &Node, conf: &Value, container: &Container, named: &str) {
    let outcome = node.call("ADD", conf, container).run();
    failed(&outcome, 7, named);
    assert_eq!(node.leftovers(&[]), [""; 0], "{conf}");
}

#[track_caller]
fn failed(outcome: &Outcome, code: u64, named: &str) {
    let failure = outcome.failure();
    assert!(
        failure.0 == code && failure.1.contains(named),
        "not code {code} with {named:?}: {failure:?}"
    );
}
