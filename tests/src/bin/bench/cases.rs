//! What is compared: networks of one plugin, and chains.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::rows::ip;

/// Reservations that a directory holds before host-local is timed on it.
const RESERVATIONS: [u32; 3] = [10, 1_000, 10_000];

/// Port mappings on the node, those of the attachment that is timed included.
const MAPPINGS: [u16; 3] = [1, 100, 1_000];

/// The plugins of a network, each with its whole configuration; by candidate: bridges, ranges and ports are
/// each candidate's own.
pub(crate) type Lists = [Vec<Value>; 2];

/// A row for ADD, and one for DEL.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) list: Lists,
    /// Place of the first plugin that is timed; those before only set the stage.
    pub(crate) timed_from: usize,
    /// An attachment that is on the node all the while.
    pub(crate) occupant: Option<Lists>,
}

/// All cases; makes what they stand on.
pub(crate) fn cases() -> Vec<Case> {
    // A master for macvlan.
    ip(&["link", "add", "master0", "type", "veth", "peer", "name", "master1"]);
    ip(&["link", "set", "master0", "up"]);
    ip(&["link", "set", "master1", "up"]);
    let alone = |name: &str, make: &dyn Fn(usize) -> Value| case(name, 0, &|who| vec![make(who)]);
    let mut cases = vec![
        alone("bridge + host-local", &|who| bridge(who, 10, json!({}))),
        alone("bridge + host-local, ipMasq", &|who| bridge(who, 20, json!({ "ipMasq": true }))),
        alone("ptp + host-local", &|who| interface(who, 30, "ptp", json!({}))),
        alone("macvlan + host-local", &|who| {
            interface(who, 40, "macvlan", json!({ "master": "master0" }))
        }),
        alone("loopback", &|_| plugin("lo", "loopback", json!({}))),
    ];
    cases.extend(RESERVATIONS.map(host_local));
    cases.extend(MAPPINGS.map(portmap));
    cases.extend([
        case("firewall", 1, &|who| vec![bridge(who, 60, json!({})), firewall(60)]),
        case("bandwidth", 1, &|who| vec![bridge(who, 62, json!({})), bandwidth(62)]),
        case("tuning", 1, &|who| vec![bridge(who, 64, json!({})), tuning(64)]),
        case("bridge + portmap + bandwidth + firewall + tuning", 0, &|who| {
            let ports = ports(who, 7_000, 1);
            vec![
                bridge(who, 66, json!({ "ipMasq": true })),
                port_mapper(66, ports),
                bandwidth(66),
                firewall(66),
                tuning(66),
            ]
        }),
    ]);
    cases
}

fn case(name: &str, timed_from: usize, list: &dyn Fn(usize) -> Vec<Value>) -> Case {
    Case { name: name.to_owned(), list: [list(0), list(1)], timed_from, occupant: None }
}

fn plugin(network: &str, kind: &str, more: Value) -> Value {
    let mut conf = json!({ "cniVersion": "1.0.0", "name": network, "type": kind });
    conf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    conf
}

/// A plugin with addresses of 10.NET.0.0/16, or for the second candidate of the network after that.
fn interface(who: usize, net: u8, kind: &str, more: Value) -> Value {
    let subnet = format!("10.{}.0.0/16", usize::from(net) + who);
    let ipam = json!({ "type": "host-local", "subnet": subnet, "dataDir": dir(who) });
    let mut conf = plugin(&format!("n{net}"), kind, more);
    conf["ipam"] = ipam;
    conf
}

fn bridge(who: usize, net: u8, more: Value) -> Value {
    let mut conf = interface(who, net, "bridge", more);
    conf["bridge"] = json!(format!("br{net}-{who}"));
    conf["isDefaultGateway"] = json!(true);
    conf
}

fn host_local(held: u32) -> Case {
    case(&format!("host-local, {held} reservations"), 0, &|who| {
        let network = format!("h{held}");
        fill(&Path::new(&dir(who)).join(&network), held);
        let subnet = "10.128.0.0/16";
        let ipam = json!({ "type": "host-local", "subnet": subnet, "dataDir": dir(who) });
        vec![plugin(&network, "bridge", json!({ "run": "host-local", "ipam": ipam }))]
    })
}

fn portmap(mappings: u16) -> Case {
    let network = 50;
    let list = |who, ports| vec![bridge(who, network, json!({})), port_mapper(network, ports)];
    let occupant =
        (mappings > 1).then(|| [0, 1].map(|who| list(who, ports(who, 10_000, mappings - 1))));
    let plural = if mappings == 1 { "" } else { "s" };
    let name = format!("portmap, {mappings} mapping{plural} on the node");
    Case { occupant, ..case(&name, 1, &|who| list(who, ports(who, 8_000, 1))) }
}

/// Mappings from `first` on; the second candidate's are above the first one's.
fn ports(who: usize, first: u16, count: u16) -> Value {
    let first = first + who as u16 * 10_000;
    let mapping = |port| json!({ "hostPort": port, "containerPort": 80, "protocol": "tcp" });
    (first..first + count).map(mapping).collect()
}

fn port_mapper(net: u8, ports: Value) -> Value {
    let more = json!({
        "capabilities": { "portMappings": true },
        "runtimeConfig": { "portMappings": ports },
    });
    plugin(&format!("n{net}"), "portmap", more)
}

fn firewall(net: u8) -> Value {
    plugin(&format!("n{net}"), "firewall", json!({}))
}

/// 100 Mbit/s both ways.
fn bandwidth(net: u8) -> Value {
    let (rate, burst) = (100_000_000, 10_000_000);
    let more = json!({
        "ingressRate": rate, "ingressBurst": burst, "egressRate": rate, "egressBurst": burst,
    });
    plugin(&format!("n{net}"), "bandwidth", more)
}

fn tuning(net: u8) -> Value {
    plugin(&format!("n{net}"), "tuning", json!({ "sysctl": { "net.core.somaxconn": "500" } }))
}

/// Reservations live on the disk, as on a node; beside this program.
fn dir(who: usize) -> String {
    let here = std::env::current_exe().unwrap_or_default();
    here.with_file_name(format!("bench-reservations-{who}")).display().to_string()
}

/// Writes reservations of other containers, as either implementation would have.
fn fill(network: &Path, count: u32) {
    let _ = fs::remove_dir_all(network);
    fs::create_dir_all(network).unwrap();
    for i in 0..count {
        let address = format!("10.128.{}.{}", (i + 2) / 256, (i + 2) % 256);
        fs::write(network.join(&address), format!("other{i}\r\neth0")).unwrap();
        if i + 1 == count {
            fs::write(network.join("last_reserved_ip.0"), address).unwrap();
        }
    }
}
