//! What `ipvlan`, `macvlan`, `vlan` and `dummy` have in common: a node on a network, and what holds for
//! each of them.

use serde_json::{Value, json};

use super::failed;
use crate::harness::netns::{Netns, has_kind, ip, ip_json, sysctl};
use crate::harness::node::{Container, Node, eventually, on_a_node, with};
use crate::harness::sandbox::notice;

/// The node's link to the network.
pub(super) const UPLINK: &str = "up0";

/// Runs a test on a node with a link `up0`, by which its default route leaves; behind it is a machine with
/// 10.77.0.1 and fd77::1, which the test gets as well.
pub(super) fn on_a_network(test: impl FnOnce(&Node, &Netns)) {
    on_a_node(|node| {
        let gateway = Netns::new("gateway");
        let accept_dad = "/proc/sys/net/ipv6/conf/default/accept_dad";
        gateway.inside(|| std::fs::write(accept_dad, "0").unwrap());
        ip(&words("link add up0 type veth peer name eth0 netns gateway"));
        for command in ["addr add 10.77.0.254/24 dev up0", "link set up0 up"] {
            ip(&words(command));
        }
        for command in [
            "link set lo up",
            "link set eth0 address 02:00:5e:00:53:01",
            "addr add 10.77.0.1/24 dev eth0",
            "addr add fd77::1/64 dev eth0 nodad",
            "link set eth0 up",
        ] {
            gateway.exec("ip", &words(command));
        }
        ip(&words("route add default via 10.77.0.1"));
        // It has been there for long: it is not about to find its carrier or its link-local address.
        eventually("the network is there", || {
            let link = &gateway.ip_json(&words("addr show dev eth0"))[0];
            let addresses = link["addr_info"].as_array().unwrap();
            let ready = addresses.len() == 3 && addresses.iter().all(|a| a["tentative"].is_null());
            ready && ip_json(&words("link show dev up0"))[0]["operstate"] == "UP"
        });
        test(&node, &gateway);
    });
}

/// The same if the kernel has this kind of link; otherwise what it lacks is told.
pub(super) fn on_a_network_with(kind: &str, test: impl FnOnce(&Node, &Netns)) {
    on_a_network(|node, gateway| {
        if has_kind(kind) {
            test(node, gateway);
        } else {
            let (conf, container) = (conf(kind, json!({})), Container::new("c"));
            failed(&node.call("ADD", &conf, &container).run(), 50, "EOPNOTSUPP");
            nothing_left(node, &container);
            notice(&format!(
                "{kind}: this kernel has no links of this kind; run `tests/full-kernel.sh`"
            ));
        }
    });
}

pub(super) fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

/// A network of this plugin on `up0`, of both families.
pub(super) fn conf(plugin: &str, more: Value) -> Value {
    let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": plugin, "master": UPLINK,
        "ipam": { "type": "host-local", "ranges": ranges },
    });
    with(&conf, more)
}

/// The same with addresses that do not change.
pub(super) fn fixed(plugin: &str, more: Value) -> Value {
    let addresses = json!([
        { "address": "10.77.0.2/24", "gateway": "10.77.0.1" },
        { "address": "fd77::2/64", "gateway": "fd77::1" },
    ]);
    with(&conf(plugin, json!({ "ipam": { "type": "static", "addresses": addresses } })), more)
}

/// What the kernel has of the container's link of its kind's own.
pub(super) fn of_kind(container: &Container) -> Value {
    container.interface()["linkinfo"]["info_data"].clone()
}

/// A sysctl of the container's interface, `ipv4/conf/arp_notify`.
pub(super) fn setting(container: &Container, family: &str, key: &str) -> String {
    let key = format!("net/{family}/conf/{}/{key}", container.ifname);
    container.netns.inside(|| sysctl(&key))
}

/// The result tells of one interface, which the container has, and all addresses are its.
#[track_caller]
pub(super) fn is_told(result: &Value, container: &Container) {
    let expected = json!([{
        "name": container.ifname, "mac": container.interface()["address"],
        "sandbox": container.netns.path(),
    }]);
    assert_eq!(result["interfaces"], expected);
    let ips = result["ips"].as_array().unwrap();
    assert!(!ips.is_empty() && ips.iter().all(|ip| ip["interface"] == 0), "{result}");
}

/// ADD is refused with code 7 and leaves nothing.
#[track_caller]
pub(super) fn refused(node: &Node, conf: &Value, container: &Container, named: &str) {
    failed(&node.call("ADD", conf, container).run(), 7, named);
    nothing_left(node, container);
}

/// Neither reservations nor journals, nor links but the node's own, nor any in the container.
#[track_caller]
pub(super) fn nothing_left(node: &Node, container: &Container) {
    assert_eq!(node.leftovers(&[UPLINK]), [""; 0]);
    let inside = crate::harness::netns::names(&container.netns.ip_json(&["link"]));
    assert_eq!(inside, ["lo"]);
}

/// DEL, however little there is.
#[track_caller]
pub(super) fn dels_find_nothing(node: &Node, conf: &Value) {
    let container = Container::new("d");
    node.del(conf, &container);
    let result = node.add(conf, &container);
    // Without a netns, or with one that has gone: the addresses are given back.
    for netns in ["", "/run/netns/gone"] {
        let outcome = node.call("DEL", conf, &container).env("CNI_NETNS", netns).run();
        outcome.success();
        assert_eq!(node.reservations(), [] as [std::net::IpAddr; 0], "{netns:?}");
    }
    node.del(conf, &container);
    // Made by another implementation: there is no journal, and no prevResult.
    node.add(conf, &container);
    let journals = node.below("run/wasmcni/attachments");
    std::fs::remove_dir_all(journals).unwrap();
    node.del(conf, &container);
    nothing_left(node, &container);
    node.del(&with(conf, json!({ "prevResult": result })), &container);
    // Where the master and the default route have gone meanwhile, and the configuration is broken.
    node.add(conf, &container);
    ip(&["link", "delete", UPLINK]);
    node.del(&with(conf, json!({ "mtu": "broken" })), &container);
    assert_eq!(node.leftovers(&[]), [""; 0]);
    assert!(ip_json(&["route", "show", "default"]).as_array().unwrap().is_empty());
}

/// For each act on the container's link or its master: CHECK fails, and names what is not as it was made.
#[track_caller]
pub(super) fn each_is_missed(node: &Node, conf: &Value, acts: &[(&str, &str)]) {
    for (act, named) in acts {
        let container = Container::new("c");
        let result = node.add(conf, &container);
        node.check(conf, &container, &result).success();
        for command in act.split("; ") {
            match command.strip_prefix("node ") {
                Some(command) => ip(&words(command)),
                None => container.netns.exec("ip", &words(command)),
            };
        }
        failed(&node.check(conf, &container, &result), 110, named);
        node.del(conf, &container);
    }
}

/// STATUS fails with code 50 while the master is not there.
#[track_caller]
pub(super) fn status_misses_the_master(node: &Node, conf: &Value) {
    node.network_call("STATUS", conf).run().success();
    let gone = with(conf, json!({ "master": "gone0" }));
    failed(&node.network_call("STATUS", &gone).run(), 50, "gone0");
    // What is in a container shows when there is one.
    let inside = with(&gone, json!({ "linkInContainer": true }));
    node.network_call("STATUS", &inside).run().success();
    status_asks_ipam(node, conf);
}

/// STATUS is the IPAM plugin's, too.
#[track_caller]
pub(super) fn status_asks_ipam(node: &Node, conf: &Value) {
    node.network_call("STATUS", conf).run().success();
    let mut without = conf.clone();
    without["ipam"] = json!({ "type": "nobody-has-it" });
    node.network_call("STATUS", &without).run().failure();
}

/// CHECK fails when the link sits on another one than the configuration names.
#[track_caller]
pub(super) fn check_misses_the_master(node: &Node, conf: &Value) {
    let container = Container::new("m");
    let result = node.add(conf, &container);
    node.check(conf, &container, &result).success();
    let named = |master: &str| with(conf, json!({ "master": master }));
    let gone = node.check(&named("gone0"), &container, &result);
    failed(&gone, 110, "\"gone0\" is not in the host-netns");
    ip(&words("link add other0 type bridge"));
    failed(&node.check(&named("other0"), &container, &result), 110, "is not \"other0\"");
    ip(&words("link delete other0"));
    node.del(conf, &container);
    nothing_left(node, &container);
}

/// CHECK fails when the IPAM plugin has no longer reserved an address.
#[track_caller]
pub(super) fn check_asks_ipam(node: &Node, conf: &Value) {
    let container = Container::new("i");
    let result = node.add(conf, &container);
    node.check(conf, &container, &result).success();
    let address = node.reservations()[0].to_string();
    std::fs::remove_file(format!("{}/net/{address}", node.data_dir())).unwrap();
    failed(&node.check(conf, &container, &result), 110, &address);
    node.del(conf, &container);
    nothing_left(node, &container);
}

/// GC has the IPAM plugin take back what no valid attachment has, and removes what journals know of.
#[track_caller]
pub(super) fn gc_sweeps(node: &Node, conf: &Value) {
    let container = Container::new("c");
    node.add(conf, &container);
    let valid = json!([{ "containerID": container.id, "ifname": "eth0" }]);
    let gc = |valid: &Value| {
        let conf = with(conf, json!({ "cni.dev/valid-attachments": valid }));
        node.network_call("GC", &conf).run().success();
    };
    gc(&valid);
    assert!(!node.reservations().is_empty());
    gc(&json!([]));
    assert_eq!(node.files(), [""; 0]);
    node.del(conf, &container);
    // Made by another implementation, it is the IPAM plugin's affair alone.
    node.add(conf, &container);
    std::fs::remove_dir_all(node.below("run/wasmcni/attachments")).unwrap();
    gc(&valid);
    assert!(!node.reservations().is_empty());
    gc(&json!([]));
    assert_eq!(node.reservations(), [] as [std::net::IpAddr; 0]);
    node.del(conf, &container);
}
