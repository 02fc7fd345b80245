//! CHECK: rows E25, E26 and E27.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{bridge, failed, ptp};
use crate::harness::exec::Outcome;
use crate::harness::netns::{flush_nft, ip};
use crate::harness::node::{Container, Node, on_a_node, with};

/// An attachment that stands.
struct Standing<'a> {
    node: &'a Node,
    container: &'a Container,
    conf: Value,
    result: Value,
}

impl Standing<'_> {
    fn check(&self) -> Outcome {
        self.node.check(&self.conf, self.container, &self.result)
    }

    /// Name of the node's end of the link.
    fn port(&self) -> &str {
        let interfaces = self.result["interfaces"].as_array().unwrap();
        let end = interfaces.iter().find(|i| i["name"].as_str().unwrap().starts_with("veth"));
        end.expect("the result tells it")["name"].as_str().unwrap()
    }

    fn in_container(&self, arguments: &str) {
        self.container.netns.exec("ip", &arguments.split(' ').collect::<Vec<_>>());
    }

    fn forget_reservation(&self, address: &str) {
        fs::remove_file(Path::new(&self.node.data_dir()).join("net").join(address)).unwrap();
    }
}

/// `ip ARGUMENTS` on the node.
fn on_node(arguments: &str) {
    ip(&arguments.split(' ').collect::<Vec<_>>());
}

type Act = fn(&Standing<'_>);

/// For each act: ADD, CHECK succeeds, the act, CHECK fails and names what is not as it was made.
fn each_is_missed(conf: &Value, acts: &[(Act, &str)]) {
    on_a_node(|node| {
        for (number, (act, named)) in acts.iter().enumerate() {
            // What an act does to the node, the next one does not find.
            let _ = std::process::Command::new("ip").args(["link", "delete", "br0"]).output();
            let _ = fs::remove_dir_all(node.data_dir());
            let container = Container::new("c");
            let conf = conf.clone();
            let result = node.add(&conf, &container);
            let standing = Standing { node: &node, container: &container, conf, result };
            standing.check().success();
            act(&standing);
            let named = named.replace("PORT", standing.port());
            let failure = standing.check().failure();
            assert!(
                failure.0 == 110 && failure.1.contains(&named),
                "{number}: {named:?}: {failure:?}"
            );
            node.del(&standing.conf, &container);
            assert_eq!(node.leftovers(&["br0"]), [""; 0], "{number}");
        }
    });
}

fn whole_bridge() -> Value {
    let mut conf = bridge(json!({
        "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true, "portIsolation": true,
        "macspoofchk": true,
    }));
    conf["ipam"]["routes"] =
        json!([{ "dst": "10.9.0.0/16" }, { "dst": "10.8.0.0/16", "gw": "10.77.0.9" }]);
    conf
}

fn whole_ptp() -> Value {
    let mut conf = ptp(json!({ "ipMasq": true }));
    conf["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0" }, { "dst": "fd09::/64" }]);
    conf
}

#[test]
fn whatever_bridge_made_is_missed() {
    each_is_missed(
        &whole_bridge(),
        &[
            (|a| a.in_container("link delete eth0"), "eth0"),
            (|a| a.in_container("link set eth0 down"), "eth0"),
            (|a| a.in_container("link set eth0 address 02:00:00:00:00:66"), "02:00:00:00:00:66"),
            (|a| a.in_container("addr delete 10.77.0.2/24 dev eth0"), "10.77.0.2/24"),
            (|a| a.in_container("addr delete fd77::2/64 dev eth0"), "fd77::2/64"),
            (|a| a.in_container("route delete default"), "0.0.0.0/0"),
            (|a| a.in_container("-6 route delete default"), "::/0"),
            (|a| a.in_container("route delete 10.9.0.0/16"), "10.9.0.0/16"),
            (|a| a.in_container("route delete 10.8.0.0/16"), "10.8.0.0/16"),
            (|a| a.in_container("route replace 10.8.0.0/16 via 10.77.0.10"), "10.8.0.0/16"),
            (|a| a.in_container("route delete 10.77.0.0/24"), "10.77.0.0/24"),
            (|_| on_node("link set br0 down"), "br0"),
            (|_| on_node("link set br0 address 02:00:00:00:00:67"), "br0"),
            (|_| on_node("addr delete 10.77.0.1/24 dev br0"), "10.77.0.1/24"),
            (|_| on_node("addr delete fd77::1/64 dev br0"), "fd77::1/64"),
            (|a| on_node(&format!("link set {} down", a.port())), "PORT"),
            (|a| on_node(&format!("link set {} nomaster", a.port())), "PORT"),
            (
                |a| on_node(&format!("link set {} type bridge_slave hairpin off", a.port())),
                "hairpin",
            ),
            (
                |a| on_node(&format!("link set {} type bridge_slave isolated off", a.port())),
                "isolated",
            ),
            (|a| a.forget_reservation("10.77.0.2"), "10.77.0.2"),
            (|a| a.forget_reservation("fd77::2"), "fd77::2"),
            (|_| fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap(), "net/ipv4/ip_forward"),
            (|_| fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "0").unwrap(), "ipv6"),
            (|_| delete_elements("wasmcni_nat_v1"), "10.77.0.2"),
            (|_| delete_elements("wasmcni_guard_v1"), "guard"),
            (|_| flush_nft(), ""),
        ],
    );
}

/// Empties the sets of one of the tables.
fn delete_elements(table: &str) {
    let rules = crate::harness::netns::nft_json();
    for set in rules["nftables"].as_array().unwrap().iter().map(|object| &object["set"]) {
        if set["table"] == table {
            let [family, name] =
                ["family", "name"].map(|key| set[key].as_str().unwrap().to_owned());
            let flush = std::process::Command::new("nft")
                .args(["flush", "set", &family, table, &name])
                .status();
            assert!(flush.unwrap().success());
        }
    }
}

#[test]
fn the_bridge_itself_is_missed() {
    each_is_missed(
        &bridge(json!({ "promiscMode": true })),
        &[
            (|_| on_node("link set br0 promisc off"), "promiscuous"),
            (|_| on_node("link delete br0"), "br0"),
        ],
    );
}

#[test]
fn whatever_ptp_made_is_missed() {
    each_is_missed(
        &whole_ptp(),
        &[
            (|a| a.in_container("link delete eth0"), "eth0"),
            (|a| a.in_container("link set eth0 down"), "eth0"),
            (|a| a.in_container("link set eth0 address 02:00:00:00:00:66"), "02:00:00:00:00:66"),
            (|a| a.in_container("addr delete 10.77.0.2/24 dev eth0"), "10.77.0.2/24"),
            (|a| a.in_container("addr delete fd77::2/64 dev eth0"), "fd77::2/64"),
            (|a| a.in_container("route delete default"), "0.0.0.0/0"),
            (|a| a.in_container("-6 route delete fd09::/64"), "fd09::/64"),
            (|a| a.in_container("route delete 10.77.0.1"), "10.77.0.1/32"),
            (|a| a.in_container("route delete 10.77.0.0/24"), "10.77.0.0/24"),
            (|a| a.in_container("-6 route delete fd77::/64"), "fd77::/64"),
            (|a| on_node(&format!("link set {} down", a.port())), "PORT"),
            (|a| on_node(&format!("addr delete 10.77.0.1/32 dev {}", a.port())), "10.77.0.1/32"),
            (|a| on_node(&format!("addr delete fd77::1/128 dev {}", a.port())), "fd77::1/128"),
            (|_| on_node("route delete 10.77.0.2"), "10.77.0.2/32"),
            (|_| on_node("-6 route delete fd77::2"), "fd77::2/128"),
            (|a| a.forget_reservation("10.77.0.2"), "10.77.0.2"),
            (|_| fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap(), "net/ipv4/ip_forward"),
            (|_| delete_elements("wasmcni_nat_v1"), "10.77.0.2"),
        ],
    );
}

/// Row E27: plugins further down the chain, and people, may have added things.
#[test]
fn what_others_added_is_not_minded() {
    on_a_node(|node| {
        for conf in [whole_bridge(), whole_ptp()] {
            let container = Container::new("c");
            let result = node.add(&conf, &container);
            let standing =
                Standing { node: &node, container: &container, conf: conf.clone(), result };
            for act in [
                "addr add 192.0.2.9/24 dev eth0",
                "addr add 10.77.0.200/24 dev eth0",
                "route add 198.51.100.0/24 via 10.77.0.1",
                "-6 route add fd98::/64 via fd77::1",
                "route add default via 10.77.0.1 metric 500",
                "rule add from 10.77.0.2 table 100",
                "link set eth0 mtu 1400",
                "link add extra type veth peer name extra-peer",
            ] {
                standing.in_container(act);
                standing.check().success();
            }
            on_node("addr add 192.0.2.1/24 dev lo");
            assert!(
                std::process::Command::new("nft")
                    .args(["add", "table", "inet", "others"])
                    .status()
                    .unwrap()
                    .success()
            );
            standing.check().success();
            node.del(&conf, &container);
            on_node("addr delete 192.0.2.1/24 dev lo");
        }
    });
}

/// CHECK is told what to check.
#[test]
fn without_a_result_nothing_can_be_checked() {
    on_a_node(|node| {
        for (conf, named) in [
            (bridge(json!({})), "prevResult"),
            (ptp(json!({})), "prevResult"),
            (with(&super::host_local::conf(json!({})), json!({ "name": "net" })), "prevResult"),
            (super::static_addresses::conf(json!({})), "prevResult"),
        ] {
            let container = Container::new("c");
            let result = node.add(&conf, &container);
            let outcome = node.call("CHECK", &conf, &container).run();
            assert!(outcome.failure().1.contains(named), "{conf}: {outcome:?}");
            // And it is about an attachment that is there.
            node.del(&conf, &container);
            if conf["type"] != "static" {
                failed(&node.check(&conf, &container, &result), 110, "");
            }
        }
    });
}
