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
mod host_device_sysfs;
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

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;

use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};

use crate::harness::exec::Outcome;
use crate::harness::netns::ip_json;
use crate::harness::node::{Container, Node, with};
use crate::harness::programs::require;

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

/// ADD waits for who has the lock of the namespace's file, as the reference plugin has it, and in the end gives
/// up, with nothing `changed`.
#[track_caller]
fn add_waits_for_the_lock(node: &Node, conf: &Value, of: &Container, changed: impl Fn() -> bool) {
    let plugin = conf["type"].as_str().expect("a type");
    let lock = Flock::lock(File::open(of.netns.path()).unwrap(), FlockArg::LockExclusive).unwrap();
    let grants = wasmcni::component::find(plugin).unwrap().grants;
    // A tenth of it is left to tell of it, which must do on a slow machine.
    let short = grants.replace("deadline = \"30s\"", "deadline = \"10s\"");
    assert_ne!(short, grants);
    node.grants(plugin, &short);
    failed(&node.call("ADD", conf, of).run(), 11, "locking container-netns");
    assert!(!changed());
    node.grants(plugin, grants);
    let waiting = node.call("ADD", conf, of).start();
    drop(lock);
    waiting.finish().success();
    assert!(changed());
}

/// STATUS is 50 and names the reason where nftables cannot be used: here the runtime has no CAP_NET_ADMIN, without
/// which the kernel shows nobody its rules. With it, the same call succeeds.
#[track_caller]
fn status_misses_nftables(node: &Node, conf: &Value) {
    if !require("setpriv") {
        return;
    }
    let status = node.network_call("STATUS", conf);
    status.run().success();
    let plugin = node.plugins().join(conf["type"].as_str().expect("a type"));
    let wrapper = node.below("without-net-admin");
    let script =
        format!("#!/bin/sh\nexec setpriv --bounding-set -net_admin {}\n", plugin.display());
    std::fs::create_dir_all(wrapper.parent().unwrap()).unwrap();
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).unwrap();
    let outcome = status.calling(&wrapper).run();
    failed(&outcome, 50, "nftables");
    failed(&outcome, 50, "EPERM");
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
