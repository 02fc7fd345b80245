//! What `ip` and `bridge` see, in the same words as [`observe`](super::observe::observe).

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wasmcni::kernel::Role;
use wasmcni::names::Mac;

use super::observe::{Seen, ip_words, mac_words, state_words};
use crate::harness::netns::{Netns, ip_json};

/// Everything in both namespaces, as iproute2 sees it from the calling thread's namespace.
pub(crate) fn observe(container: Option<&Netns>) -> Seen {
    let mut seen = Seen::default();
    let own = |arguments: &[&str]| ip_json(arguments);
    observe_netns(&mut seen, Role::Host, &own);
    if let Some(netns) = container {
        observe_netns(&mut seen, Role::Container, &|arguments| netns.ip_json(arguments));
    }
    observe_vlans(&mut seen, Role::Host, Command::new("bridge"));
    observe_shaping(&mut seen, Role::Host, &|| Command::new("tc"));
    if let Some(netns) = container {
        observe_shaping(&mut seen, Role::Container, &|| netns.command("tc"));
        observe_vlans(&mut seen, Role::Container, netns.command("bridge"));
    }
    seen
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn observe_netns(seen: &mut Seen, netns: Role, ip: &dyn Fn(&[&str]) -> Value) {
    for link in ip(&["-details", "address"]).as_array().expect("a list") {
        // iproute2 answers an empty object for what it filters.
        if link.get("ifname").is_some() {
            put_link(seen, netns, link);
        }
    }
    for (family, anywhere, host) in [("-4", "0.0.0.0/0", 32), ("-6", "::/0", 128)] {
        let rules = ip(&["-N", family, "rule"]);
        // A VRF's rule leads to the table of the VRF that a packet comes by.
        let leads = |rule: &&Value| rule.get("table").is_some() && rule.get("l3mdev").is_none();
        for rule in rules.as_array().expect("a list").iter().filter(leads) {
            let source = match text(&rule["src"]).as_str() {
                "all" => anywhere.to_owned(),
                ip => format!("{ip}/{}", rule["srclen"].as_u64().unwrap_or(host)),
            };
            let table = match text(&rule["table"]).as_str() {
                "local" => "255".to_owned(),
                "main" => "254".to_owned(),
                "default" => "253".to_owned(),
                other => other.to_owned(),
            };
            let words = format!("from {source} lookup {table}");
            seen.put(format!("{netns} rule"), &words, text(&rule["priority"]));
        }
    }
    for family in ["-4", "-6"] {
        let routes = ip(&["-details", "-N", family, "route", "show", "table", "all"]);
        for route in routes.as_array().expect("a list") {
            let local = route["table"] == "255" || route["table"] == "local";
            let kind = text(&route["type"]);
            if !local && ["unicast", "1"].contains(&kind.as_str()) {
                for hop in next_hops(route) {
                    seen.put(format!("{netns} route"), &route_words(&hop, family), "there");
                }
            }
        }
    }
}

fn put_link(seen: &mut Seen, netns: Role, link: &Value) {
    let thing = format!("{netns} link {}", text(&link["ifname"]));
    let flags: Vec<String> = link["flags"].as_array().expect("flags").iter().map(text).collect();
    let has = |flag: &str| flags.iter().any(|other| other == flag);
    let mut put = |aspect: &str, value: String| seen.put(thing.clone(), aspect, value);
    let info = &link["linkinfo"];
    put("kind", info["info_kind"].as_str().unwrap_or_default().to_owned());
    let mac: Mac = text(&link["address"]).parse().expect("a MAC");
    put("mac", mac_words(mac));
    put("mtu", text(&link["mtu"]));
    put("up", has("UP").to_string());
    put("operational", ["UP", "UNKNOWN"].contains(&text(&link["operstate"]).as_str()).to_string());
    put("promisc", has("PROMISC").to_string());
    put("all multicast", has("ALLMULTI").to_string());
    put("transmit queue", text(&link["txqlen"]));
    put("loopback", has("LOOPBACK").to_string());
    if let Some(master) = link.get("master") {
        put("master", text(master));
    }
    if link.get("link").is_some() || link.get("link_index").is_some() {
        put("parent", "some".to_owned());
    }
    if let Some(alias) = link.get("ifalias") {
        put("alias", text(alias));
    }
    if info["info_kind"] == "bridge" {
        put("vlan filtering", (info["info_data"]["vlan_filtering"] == 1).to_string());
    }
    if ["ipvlan", "macvlan"].iter().any(|kind| info["info_kind"] == *kind) {
        put("mode", text(&info["info_data"]["mode"]));
    }
    if info["info_kind"] == "vlan" {
        put("vlan id", text(&info["info_data"]["id"]));
    }
    if info["info_kind"] == "vrf" {
        put("table", text(&info["info_data"]["table"]));
    }
    if info["info_slave_kind"] == "bridge" {
        let data = &info["info_slave_data"];
        put("port", format!("hairpin {} isolated {}", data["hairpin"], data["isolated"]));
    }
    for address in link["addr_info"].as_array().into_iter().flatten() {
        let scope = match text(&address["scope"]).as_str() {
            "global" => 0,
            "link" => 253,
            "host" => 254,
            "site" => 200,
            other => panic!("scope {other}"),
        };
        let duplicate = address["dadfailed"] == true;
        let tentative = address["tentative"] == true;
        let ip = text(&address["local"]).parse().expect("an address");
        let words = format!("address {}/{}", ip_words(ip), address["prefixlen"]);
        put(&words, state_words(scope, tentative, duplicate));
    }
}

/// A route with several next hops is one route for each.
fn next_hops(route: &Value) -> Vec<Value> {
    let Some(hops) = route["nexthops"].as_array() else { return vec![route.clone()] };
    let whole = |hop: &Value| {
        let mut whole = route.clone();
        let own = hop.as_object().expect("a next hop").clone();
        whole.as_object_mut().expect("a route").extend(own);
        whole
    };
    hops.iter().map(whole).collect()
}

fn route_words(route: &Value, family: &str) -> String {
    let (anywhere, host) = if family == "-4" { ("0.0.0.0", 32) } else { ("::", 128) };
    let destination = match text(&route["dst"]).as_str() {
        "default" => format!("{anywhere}/0"),
        whole if whole.contains('/') => whole.to_owned(),
        single => format!("{single}/{host}"),
    };
    let mut words = destination;
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            words += &format!(" {word} {value}");
        }
    };
    let number = |names: &[(&str, &str)], value: &Value| {
        let value = text(value);
        let named = names.iter().find(|(name, _)| *name == value);
        named.map_or(value.clone(), |(_, number)| (*number).to_owned())
    };
    let scopes = [("global", "0"), ("link", "253"), ("host", "254"), ("null", "0")];
    let gateway = route.get("gateway").or_else(|| route.get("via").map(|via| &via["host"]));
    let metric =
        |name: &str| route["metrics"].as_array().and_then(|m| m.first()?.get(name).map(text));
    add("via", gateway.map(text));
    add("dev", route.get("dev").map(text));
    add("src", route.get("prefsrc").map(text));
    add("scope", Some(number(&scopes, &route["scope"])));
    let main = [("main", "254"), ("default", "253"), ("null", "254")];
    add("table", Some(number(&main, &route["table"])));
    add("metric", Some(route.get("metric").map_or("0".to_owned(), text)));
    add("mtu", metric("mtu"));
    add("advmss", metric("advmss"));
    let by_kernel = ["kernel", "2"].contains(&text(&route["protocol"]).as_str());
    add("proto", by_kernel.then(|| "kernel".to_owned()));
    words
}

fn observe_vlans(seen: &mut Seen, netns: Role, mut bridge: Command) {
    let output = bridge.args(["-json", "vlan", "show"]).output().expect("bridge was there");
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    for port in listed.as_array().into_iter().flatten() {
        for vlan in port["vlans"].as_array().into_iter().flatten() {
            let first = vlan["vlan"].as_u64().expect("an id");
            let last = vlan["vlanEnd"].as_u64().unwrap_or(first);
            let flags: Vec<String> =
                vlan["flags"].as_array().into_iter().flatten().map(text).collect();
            let has = |flag: &str| flags.iter().any(|other| other == flag);
            let words = format!("pvid {} untagged {}", has("PVID"), has("Egress Untagged"));
            for id in first..=last {
                let thing = format!("{netns} link {}", text(&port["ifname"]));
                seen.put(thing, &format!("vlan {id}"), &words);
            }
        }
    }
}

fn observe_shaping(seen: &mut Seen, netns: Role, tc: &dyn Fn() -> Command) {
    let list = |words: &[&str]| -> Value {
        let output = tc().args(["-json", "-details"]).args(words).output().expect("tc was there");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    };
    for qdisc in list(&["qdisc"]).as_array().into_iter().flatten() {
        let name = text(&qdisc["dev"]);
        let thing = format!("{netns} link {name}");
        if qdisc["kind"] == "tbf" && qdisc["root"] == true {
            seen.put(thing, "bucket rate", text(&qdisc["options"]["rate"]));
        } else if qdisc["kind"] == "ingress" {
            let filters = list(&["filter", "show", "dev", &name, "parent", "ffff:"]);
            let all = filters.as_array().into_iter().flatten();
            for action in all.filter_map(|filter| filter["options"]["actions"].get(0)) {
                seen.put(thing.clone(), "redirect", text(&action["to_dev"]));
            }
        }
    }
}

/// Are the witnesses there?
pub(crate) fn is_here() -> bool {
    use crate::harness::programs::require;
    Path::new("/run/netns").is_dir()
        && ["ip", "bridge", "tc", "nsenter"].iter().all(|program| require(program))
}
