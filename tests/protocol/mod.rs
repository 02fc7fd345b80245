//! The exec protocol, by executing the program. Tables of CNI's rules are walked row by row, each for
//! every version it holds for. (SPEC.md, sections 2, 3 and 5)

mod collecting;
mod configuration;
mod delegates;
mod deleting;
mod environment;
mod errors;
mod killing;
mod naming;
mod netns;
mod parallel;
mod results;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wasmcni::cni::SpecVersion;

use crate::harness::exec::{Exec, Outcome};
use crate::harness::node::Node;

/// All versions, oldest first.
fn versions() -> impl Iterator<Item = &'static str> {
    SpecVersion::ALL.into_iter().map(SpecVersion::as_str)
}

/// A node for calls that end before they need a kernel: no sandbox.
fn node(test: &str) -> Node {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("protocol").join(test);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    Node::new(&dir)
}

/// A configuration for every plugin, with all that it can leave behind.
fn conf(plugin: &str) -> Value {
    let ipam = json!({ "type": "host-local", "subnet": "10.77.0.0/24" });
    let conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": plugin });
    let more = match plugin {
        "bridge" => json!({
            "bridge": "br0", "isGateway": true, "ipMasq": true, "macspoofchk": true, "ipam": ipam
        }),
        "ptp" => json!({ "ipMasq": true, "ipam": ipam }),
        "host-local" => json!({ "ipam": ipam }),
        "static" => {
            json!({ "ipam": { "type": "static", "addresses": [{ "address": "10.78.0.2/24" }] } })
        }
        "loopback" => json!({}),
        other => panic!("no plugin {other:?}"),
    };
    crate::harness::node::with(&conf, more)
}

/// The bundled plugins.
const PLUGINS: [&str; 5] = ["bridge", "ptp", "loopback", "host-local", "static"];

/// A call with all variables set, for an attachment that does not exist, in a netns that does not.
fn call(node: &Node, verb: &str, conf: &Value) -> Exec {
    node.network_call(verb, conf)
        .env("CNI_CONTAINERID", "id")
        .env("CNI_NETNS", "/nonexistent/netns")
        .env("CNI_IFNAME", "eth0")
}

/// The code of a failure, whose details must name something.
#[track_caller]
fn code_naming(outcome: &Outcome, named: &str) -> u64 {
    let (code, details) = outcome.failure();
    assert!(details.contains(named), "{named:?} is not in {outcome:?}");
    code
}
