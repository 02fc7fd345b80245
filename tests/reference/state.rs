//! What can be seen on both sides of an attachment, without what chance decides.

use serde_json::{Map, Value, json};

use super::Side;
use crate::harness::netns::{Netns, bridge_json, sysctl};

/// Sysctls that plugins touch, below `net/`, of the container's interface.
///
/// `keep_addr_on_down` is not among them: setting it came after 1.1.1.
const CONTAINER_SYSCTLS: [&str; 4] = [
    "ipv4/conf/eth0/arp_notify",
    "ipv4/conf/eth0/rp_filter",
    "ipv6/conf/eth0/disable_ipv6",
    "ipv6/conf/lo/disable_ipv6",
];

/// And of the node.
const NODE_SYSCTLS: [&str; 2] = ["ipv4/ip_forward", "ipv6/conf/all/forwarding"];

/// Everything, as one document to compare.
pub(super) fn of(side: &Side) -> Value {
    let container = &side.container.netns;
    let has_link = container.ip_json(&["link"]).as_array().unwrap().len() > 1;
    json!({
        "node": side_of(&side.host),
        "container": side_of(container),
        "node's sysctls": side.host.inside(|| read(&NODE_SYSCTLS)),
        "accept_ra of the node's links": side.host.inside(accept_ra),
        "container's sysctls": if has_link { container.inside(|| read(&CONTAINER_SYSCTLS)) } else { Value::Null },
    })
}

fn read(keys: &[&str]) -> Value {
    keys.iter()
        .map(|key| ((*key).to_owned(), json!(sysctl(&format!("net/{key}")))))
        .collect::<Map<_, _>>()
        .into()
}

fn accept_ra() -> Value {
    let links = crate::harness::netns::names(&crate::harness::netns::ip_json(&["link"]));
    let of_link =
        |name: &String| (called(name), json!(sysctl(&format!("net/ipv6/conf/{name}/accept_ra"))));
    links.iter().filter(|name| *name != "lo").map(of_link).collect::<Map<_, _>>().into()
}

fn side_of(netns: &Netns) -> Value {
    let links = netns.ip_json(&["-details", "addr"]);
    let mut links: Vec<Value> = links.as_array().unwrap().iter().map(link).collect();
    links.sort_by_key(|link| link["ifname"].to_string());
    json!({
        "links": links,
        "routes": routes(&netns.ip_json(&["-details", "route", "show", "table", "all"])),
        "IPv6 routes": routes(&netns.ip_json(&["-details", "-6", "route", "show", "table", "all"])),
        "rules": [netns.ip_json(&["rule"]), netns.ip_json(&["-6", "rule"])],
        "ports": ports(&netns.inside(|| bridge_json(&["link"]))),
    })
}

/// Names that chance chose.
fn called(name: &str) -> String {
    if name.starts_with("veth") { "VETH".to_owned() } else { name.to_owned() }
}

/// Addresses that chance chose: but those that a test asked for begin with 02.
fn mac(address: &Value) -> Value {
    match address.as_str() {
        Some(text) if text.len() == 17 && !text.starts_with("02:00:00:00") => "MAC".into(),
        _ => address.clone(),
    }
}

/// The keys that say what a plugin did, and not how far the kernel has come with it. Left out is `txqlen`: 1.1.1 gives its veths none, by Go's zero,
/// and later versions leave it to the kernel, as wasmcni does.
fn link(link: &Value) -> Value {
    let mut told = pick(link, &["mtu", "linkmode", "group", "promiscuity"]);
    let passing = ["NO-CARRIER", "LOWER_UP"].map(Value::from);
    let flags = link["flags"].as_array().unwrap().iter().filter(|flag| !passing.contains(flag));
    told["flags"] = flags.cloned().collect();
    told["ifname"] = called(link["ifname"].as_str().unwrap()).into();
    told["address"] = mac(&link["address"]);
    told["kind"] = link["linkinfo"]["info_kind"].clone();
    told["of bridge"] = pick(
        &link["linkinfo"]["info_data"],
        &["vlan_filtering", "stp_state", "forward_delay", "ageing_time", "mcast_snooping"],
    );
    told["of its kind"] = pick(&link["linkinfo"]["info_data"], &["mode", "id", "table"]);
    told["master"] = link["master"].as_str().map(called).into();
    let addresses = link["addr_info"].as_array().into_iter().flatten();
    // The kernel's own come from the MAC.
    let addresses = addresses.filter(|address| address["scope"] != "link");
    // `nodad` is left out: 1.1.1 switches detection off for the whole link, which wasmcni does as well, and
    // marks the addresses too, so that they serve at once whatever the link says. So is what detection
    // has come to where the reference waits for it: on the node's side.
    let keys = ["family", "local", "prefixlen", "scope", "broadcast"];
    let address = |address: &Value| {
        let mut told = pick(address, &keys);
        told["label"] = address["label"].as_str().map(called).into();
        told
    };
    told["addresses"] = addresses.map(address).collect();
    told
}

/// Of routes, all but the kernel's own for link-local and multicast addresses, and for the node's own IPv6
/// ones, which come when their detection is over.
fn routes(routes: &Value) -> Value {
    let own = |route: &&Value| {
        let to = route["dst"].as_str().unwrap_or_default();
        let local = route["table"] == "local" && to.contains(':');
        !to.starts_with("fe80::") && !to.starts_with("ff00::") && !local
    };
    let keys = [
        "type", "dst", "gateway", "protocol", "scope", "prefsrc", "metric", "flags", "metrics",
        "pref", "table",
    ];
    let told = |route: &Value| {
        let mut told = pick(route, &keys);
        told["dev"] = route["dev"].as_str().map(called).into();
        // Whether the kernel has noticed yet that nobody is there.
        if let Some(flags) = told["flags"].as_array_mut() {
            flags.retain(|flag| flag != "linkdown");
        }
        told
    };
    let mut all: Vec<Value> = routes.as_array().unwrap().iter().filter(own).map(told).collect();
    all.sort_by_key(Value::to_string);
    all.into()
}

fn ports(ports: &Value) -> Value {
    let keys = [
        "priority",
        "cost",
        "hairpin",
        "guard",
        "root_block",
        "fastleave",
        "learning",
        "flood",
        "mcast_flood",
        "bcast_flood",
        "neigh_suppress",
        "vlan_tunnel",
        "isolated",
        "locked",
    ];
    let told = |port: &Value| {
        let mut told = pick(port, &keys);
        told["ifname"] = called(port["ifname"].as_str().unwrap()).into();
        told["master"] = port["master"].clone();
        told
    };
    ports.as_array().unwrap().iter().map(told).collect()
}

fn pick(from: &Value, keys: &[&str]) -> Value {
    let there = keys.iter().filter(|key| !from[**key].is_null());
    there.map(|key| ((*key).to_owned(), from[*key].clone())).collect::<Map<_, _>>().into()
}

/// A result, as both should have told it.
pub(super) fn result(side: &Side, result: &Value) -> Value {
    let mut result = result.clone();
    let interfaces = result.get_mut("interfaces").and_then(Value::as_array_mut);
    for interface in interfaces.into_iter().flatten() {
        interface["name"] = called(interface["name"].as_str().unwrap()).into();
        interface["mac"] = mac(&interface["mac"]);
        if !interface["sandbox"].is_null() {
            assert_eq!(interface["sandbox"], side.container.netns.path().to_str().unwrap());
            interface["sandbox"] = "SANDBOX".into();
        }
    }
    // 1.1.1 writes an empty `dns` in 1.0.0 too; the library left that out later.
    if result["cniVersion"] == "1.0.0" && result["dns"] == json!({}) {
        result.as_object_mut().unwrap().remove("dns");
    }
    result
}

/// Compares two documents, and shows the first place where they differ.
#[track_caller]
pub(super) fn assert_same(at: &str, wasmcni: &Value, reference: &Value) {
    if let Some((path, ours, theirs)) = difference(wasmcni, reference) {
        panic!("{at}: at {path}:\n  wasmcni:   {ours}\n  reference: {theirs}");
    }
}

fn difference(a: &Value, b: &Value) -> Option<(String, Value, Value)> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys = x.keys().chain(y.keys());
            keys.filter_map(|key| {
                let (path, ours, theirs) = difference(&a[key], &b[key])?;
                Some((format!("{key}/{path}"), ours, theirs))
            })
            .next()
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().find_map(|(n, (x, y))| {
                let (path, ours, theirs) = difference(x, y)?;
                Some((format!("{n}/{path}"), ours, theirs))
            })
        }
        _ if a == b => None,
        _ => Some((String::new(), a.clone(), b.clone())),
    }
}
