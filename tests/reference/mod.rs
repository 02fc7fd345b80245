//! The same calls to wasmcni and to the reference plugins (containernetworking-plugins 1.1.1, Debian's),
//! each on a node of its own: the results are compared, and what the kernel holds then.
//!
//! They differ where the reference has flaws, or has moved on since. Each difference has its own place and
//! reason: in [`state`] and [`attachments`] where it is normalised, in [`refusals`] where only one of both
//! refuses.

mod addresses;
mod attachments;
mod bandwidth;
mod chained;
mod children;
mod coexistence;
mod doctor;
mod firewall;
mod firewalld;
mod flannel;
mod json;
mod nftables;
mod ports;
mod refusals;
mod state;

use serde_json::{Value, json};

use crate::harness::exec::Exec;
use crate::harness::netns::Netns;
use crate::harness::node::{Container, Node, on_a_node};
use crate::harness::programs::require_reference;

/// Versions that 1.1.1 knows.
const VERSIONS: [&str; 6] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/// One of both implementations, on a node of its own, with one container.
struct Side {
    name: &'static str,
    node: Node,
    host: Netns,
    container: Container,
    data_dir: String,
}

impl Side {
    fn new(name: &'static str, node: Node) -> Self {
        let data_dir = node.below(&format!("{name}/networks")).display().to_string();
        let host = Netns::new(&format!("{name}-host"));
        host.exec("ip", &["link", "set", "lo", "up"]);
        let mut container = container(&format!("{name}-container"));
        container.id = "cid".to_owned();
        Self { name, node, host, container, data_dir }
    }

    /// A call whose reservations are this side's.
    fn call(&self, verb: &str, conf: &Value) -> Exec {
        let mut conf = conf.clone();
        if conf["ipam"]["type"] == "host-local" && conf["ipam"]["dataDir"].is_null() {
            conf["ipam"]["dataDir"] = json!(self.data_dir);
        }
        self.node.call(verb, &conf, &self.container)
    }

    /// Runs it on this side's node.
    fn run(&self, call: &Exec) -> crate::harness::exec::Outcome {
        self.host.inside(|| call.run())
    }
}

/// A container whose links look for no duplicates, since the reference waits for two seconds if they do.
fn container(name: &str) -> Container {
    let container = Container::new(name);
    let accept_dad = "/proc/sys/net/ipv6/conf/default/accept_dad";
    container.netns.inside(|| std::fs::write(accept_dad, "0").unwrap());
    container
}

/// Runs a test with both sides, anew for each turn.
fn with_both(test: impl FnOnce(&dyn Fn() -> [Side; 2])) {
    on_a_node(|node| {
        if require_reference() {
            let both = || {
                for side in ["wasmcni", "reference"] {
                    let _ = std::fs::remove_dir_all(node.below(side));
                }
                let _ = std::fs::remove_dir_all(node.below("run"));
                [Side::new("wasmcni", node.clone()), Side::new("reference", node.reference())]
            };
            test(&both);
        }
    });
}
