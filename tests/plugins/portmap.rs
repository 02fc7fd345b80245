//! `portmap`: what it makes, refuses, finds missing and leaves.

use std::process::Command;

use serde_json::{Value, json};

use super::{bridge, failed, status_misses_nftables};
use crate::harness::exec::Outcome;
use crate::harness::netns::{Netns, flush_nft, ip, nft_elements, nft_json, sysctl};
use crate::harness::node::{Container, Node, on_a_node, with};

/// The plugin with these mappings, as the runtime passes them.
pub(super) fn portmap(mappings: Value) -> Value {
    json!({ "cniVersion": "1.1.0", "name": "net", "type": "portmap", "runtimeConfig": mappings })
}

pub(super) fn mappings(list: Value) -> Value {
    json!({ "portMappings": list })
}

/// Another machine, by a link of the node's own; it knows the way to containers only by the node's ports.
pub(super) fn outside() -> Netns {
    let outside = Netns::new("outside");
    ip(&["link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", "outside"]);
    for link in ["up0", "lo"] {
        ip(&["link", "set", link, "up"]);
    }
    outside.exec("ip", &["link", "set", "eth0", "up"]);
    for (of_node, of_outside) in
        [("203.0.113.1/24", "203.0.113.2/24"), ("2001:db8::1/64", "2001:db8::2/64")]
    {
        ip(&["addr", "add", of_node, "dev", "up0", "nodad"]);
        outside.exec("ip", &["addr", "add", of_outside, "dev", "eth0", "nodad"]);
    }
    for network in ["10.77.0.0/24 via 203.0.113.1", "fd77::/64 via 2001:db8::1"] {
        let words: Vec<&str> = ["route", "add"].into_iter().chain(network.split(' ')).collect();
        outside.exec("ip", &words);
    }
    outside
}

/// A network of two plugins, called as a runtime calls them.
pub(super) struct Chain<'a> {
    node: &'a Node,
    first: Value,
    portmap: Value,
}

impl<'a> Chain<'a> {
    pub(super) fn new(node: &'a Node, first: &Value, portmap: Value) -> Self {
        Self { node, first: first.clone(), portmap }
    }

    /// ADD of both, which must succeed; the second one's result is the first one's.
    #[track_caller]
    pub(super) fn add(&self, container: &Container) -> Value {
        let result = self.node.add(&self.first, container);
        let chained = self.chained(&result, "ADD", container).success();
        assert_eq!(chained, result);
        result
    }

    /// The second plugin's verb with the first one's result.
    pub(super) fn chained(&self, result: &Value, verb: &str, container: &Container) -> Outcome {
        let conf = with(&self.portmap, json!({ "prevResult": result }));
        self.node.call(verb, &conf, container).run()
    }

    pub(super) fn check(&self, container: &Container, result: &Value) -> Outcome {
        self.node.check(&self.first, container, result).success();
        self.chained(result, "CHECK", container)
    }

    /// DEL of both, the last one first, which must succeed.
    #[track_caller]
    pub(super) fn del(&self, container: &Container) {
        self.node.del(&self.portmap, container);
        self.node.del(&self.first, container);
    }
}

fn three() -> Value {
    mappings(json!([
        { "hostPort": 8080, "containerPort": 80, "protocol": "tcp" },
        { "hostPort": 8080, "containerPort": 53, "protocol": "udp" },
        { "hostPort": 8080, "containerPort": 132, "protocol": "sctp", "hostIP": "192.0.2.1" },
    ]))
}

/// The rules, sets and chains of all tables, without what they hold.
fn structure() -> (usize, usize) {
    let all = nft_json();
    let count = |kind: &str| {
        all["nftables"].as_array().unwrap().iter().filter(|o| o[kind].is_object()).count()
    };
    (count("rule"), count("map") + count("set") + count("chain"))
}

/// What `nft` lists can be loaded again: its words are the ones that we mean.
#[test]
fn another_program_can_read_the_rules() {
    on_a_node(|node| {
        let a = Container::new("a");
        let conf = bridge(json!({ "isGateway": true }));
        let plugin = with(
            &portmap(three()),
            json!({
                "conditionsV4": ["ip saddr != { 10.0.0.0/8, 192.0.2.7 }", "iifname { \"a*\", eth0 }",
                    "tcp sport { 1000-2000, 7 }", "meta mark & 0xff == 0x1"],
                "conditionsV6": ["ip6 saddr fd00::/9"],
            }),
        );
        let chain = Chain::new(&node, &conf, plugin);
        let result = chain.add(&a);
        chain.check(&a, &result).success();
        let list = |arguments: &[&str]| {
            let output = Command::new("nft").args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let text = list(&["list", "ruleset"]);
        for line in [
            "fib daddr type local",
            "dnat ip to meta l4proto . th dport map @any4",
            "dnat ip6 to ip6 daddr . meta l4proto . th dport map @host6",
            "tcp . 8080 comment \"/24:near:",
            "net/id-a/eth0",
            "10.77.0.2 . 80",
            "th dport @near4 goto masquerade4",
            "iifname \"a*\"",
            "meta mark & 0x000000ff == 0x00000001",
            "ip daddr 127.0.0.0/8 drop",
        ] {
            assert!(text.contains(line), "{line}:\n{text}");
        }
        std::fs::write("/run/ruleset", format!("flush ruleset\n{text}")).unwrap();
        list(&["-f", "/run/ruleset"]);
        assert_eq!(list(&["list", "ruleset"]), text);
        chain.check(&a, &result).success();
        chain.del(&a);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// A mapping is an element or two, however many there are.
#[test]
fn rules_do_not_grow() {
    on_a_node(|node| {
        let a = Container::new("a");
        let conf = bridge(json!({ "isGateway": true }));
        let result = node.add(&conf, &a);
        let add = |first: u16, last: u16, id: &str| {
            let one = |port| json!({ "hostPort": port, "containerPort": port });
            let list: Vec<Value> = (first..=last).map(one).collect();
            let chain = Chain::new(&node, &conf, portmap(mappings(Value::from(list))));
            let owner = Container { id: id.to_owned(), ..Container::new(id) };
            chain.chained(&result, "ADD", &owner).success();
            (chain, owner)
        };
        let first = add(1000, 1000, "first");
        let before = structure();
        let elements = nft_elements().len();
        let per_mapping: Vec<_> =
            (1001..1200).map(|port| add(port, port, &format!("c{port}"))).collect();
        let at_once = add(2000, 2799, "many");
        assert_eq!(structure(), before);
        // A port and a source for each family, and the container's network, which is there.
        assert_eq!(nft_elements().len(), elements + 999 * 4);
        let all = || per_mapping.iter().chain([&first, &at_once]);
        for (chain, owner) in all() {
            chain.chained(&result, "CHECK", owner).success();
        }
        for (_, owner) in all() {
            node.del(&portmap(json!({})), owner);
        }
        assert_eq!(nft_elements(), [""; 0]);
        assert_eq!(structure(), before);
    });
}

/// All ports of a range at once, as some runtimes spell them out.
#[test]
fn ranges_are_long_lists() {
    on_a_node(|node| {
        let a = Container::new("a");
        let conf = bridge(json!({ "isGateway": true }));
        let one = |port: u16| json!({ "hostPort": port, "containerPort": port, "protocol": "udp" });
        let list: Vec<Value> = (10_000..20_000).map(one).collect();
        let chain = Chain::new(&node, &conf, portmap(mappings(Value::from(list))));
        let result = chain.add(&a);
        chain.check(&a, &result).success();
        chain.del(&a);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// A port has one owner, whom the refusal names.
#[test]
fn a_taken_port_is_refused() {
    on_a_node(|node| {
        let [a, b] = ["a", "b"].map(Container::new);
        let conf = bridge(json!({ "isGateway": true }));
        let one = |more: Value| {
            let mapping = json!({ "hostPort": 8080, "containerPort": 80 });
            portmap(mappings(json!([{ "hostPort": 1, "containerPort": 1 }, with(&mapping, more)])))
        };
        let other = |more: Value| {
            let mapping = json!({ "hostPort": 8080, "containerPort": 80 });
            portmap(mappings(json!([{ "hostPort": 2, "containerPort": 1 }, with(&mapping, more)])))
        };
        let (specific, elsewhere) =
            (json!({ "hostIP": "192.0.2.1" }), json!({ "hostIP": "192.0.2.2" }));
        let udp = json!({ "protocol": "udp" });
        for (first, second, clash) in [
            (json!({}), json!({}), true),
            (json!({}), specific.clone(), true),
            (specific.clone(), json!({}), true),
            (specific.clone(), specific.clone(), true),
            (specific.clone(), elsewhere, false),
            (json!({}), udp, false),
            (json!({ "hostIP": "::" }), json!({ "hostIP": "0.0.0.0" }), false),
        ] {
            let owner = Chain::new(&node, &conf, one(first.clone()));
            owner.add(&a);
            let elements = nft_elements();
            let chain = Chain::new(&node, &conf, other(second.clone()));
            let result = node.add(&conf, &b);
            let outcome = chain.chained(&result, "ADD", &b);
            if clash {
                let named = "8080/tcp\" belongs to container \"id-a\", interface \"eth0\", of network \"net\"";
                failed(&outcome, 11, named);
                assert_eq!(nft_elements(), elements, "{first} {second}");
                // When the owner goes the port is free.
                owner.del(&a);
                chain.chained(&result, "ADD", &b).success();
            } else {
                outcome.success();
                owner.del(&a);
            }
            chain.del(&b);
            assert_eq!(node.leftovers(&["br0"]), [""; 0]);
        }
        // Its own mappings are in nobody's way, and replaced when it is added again.
        let chain = Chain::new(&node, &conf, one(json!({})));
        let result = chain.add(&a);
        chain.chained(&result, "ADD", &a).success();
        chain.check(&a, &result).success();
        chain.del(&a);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// Of many that want a port at the same time one gets it.
#[test]
fn one_of_many_gets_the_port() {
    on_a_node(|node| {
        let a = Container::new("a");
        let conf = bridge(json!({ "isGateway": true }));
        let result = node.add(&conf, &a);
        let plugin = with(&portmap(three()), json!({ "prevResult": result }));
        let calls: Vec<_> = (0..20)
            .map(|i| node.call("ADD", &plugin, &a).env("CNI_CONTAINERID", format!("c{i}")))
            .collect();
        let running: Vec<_> = calls.iter().map(crate::harness::exec::Exec::start).collect();
        let outcomes: Vec<Outcome> = running.into_iter().map(|r| r.finish()).collect();
        let codes: Vec<u64> =
            outcomes.iter().filter(|o| o.status != Some(0)).map(|o| o.failure().0).collect();
        assert_eq!(codes, [11; 19]);
    });
}

/// DEL needs neither mappings, nor prevResult, nor netns, nor a journal, and takes only what is its own.
#[test]
fn del_needs_nothing() {
    on_a_node(|node| {
        let [a, b] = ["a", "b"].map(Container::new);
        let conf = bridge(json!({ "isGateway": true }));
        let other = portmap(mappings(json!([{ "hostPort": 9090, "containerPort": 80 }])));
        let other = Chain::new(&node, &conf, other);
        other.add(&b);
        let before = nft_elements();
        let chain = Chain::new(&node, &conf, portmap(three()));
        let bare = portmap(json!({}));
        for way in ["bare", "broken", "no netns", "no journal", "twice"] {
            chain.add(&a);
            assert_ne!(nft_elements(), before);
            match way {
                "broken" => {
                    let conf = with(&bare, json!({ "conditionsV4": ["nonsense"], "snat": 5 }));
                    node.del(&conf, &a);
                }
                "no netns" => {
                    node.call("DEL", &bare, &a).without("CNI_NETNS").run().success();
                }
                "no journal" => {
                    std::fs::remove_dir_all(node.below("run/wasmcni/attachments/net")).unwrap();
                    node.del(&bare, &a);
                }
                "twice" => {
                    node.del(&bare, &a);
                    node.del(&bare, &a);
                }
                _ => node.del(&bare, &a),
            }
            assert_eq!(nft_elements(), before, "{way}");
            node.del(&conf, &a);
        }
        node.del(&bare, &Container::new("never"));
        // GC, of which the runtime lists b alone.
        chain.add(&a);
        let valid = json!([{ "containerID": b.id, "ifname": "eth0" }]);
        let gc = with(&bare, json!({ "cni.dev/valid-attachments": valid }));
        node.network_call("GC", &gc).run().success();
        assert_eq!(nft_elements(), before);
        node.del(&conf, &a);
        other.del(&b);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// Rules of the reference plugin's nftables back end go with their container.
#[test]
fn del_takes_the_reference_plugins_rules() {
    on_a_node(|node| {
        let a = Container::new("a");
        let rules = |family: &str, address: &str, id: &str| {
            format!(
                "add table {family} cni_hostport\n\
                 add chain {family} cni_hostport hostports\n\
                 add chain {family} cni_hostport masquerading {{ type nat hook postrouting priority srcnat; }}\n\
                 add rule {family} cni_hostport hostports tcp dport 8080 dnat to {address}:80 comment \"{id}\"\n\
                 add rule {family} cni_hostport masquerading {family} saddr {address} {family} daddr {address} masquerade comment \"{id}\"\n"
            )
        };
        let text: String = [("ip", "10.77.0.2", "10.77.0.3"), ("ip6", "fd77::2", "fd77::3")]
            .iter()
            .flat_map(|(family, of_a, of_other)| {
                let bracketed =
                    |a: &str| if a.contains(':') { format!("[{a}]") } else { a.to_owned() };
                let clean = |a: &str, id: &str| {
                    rules(family, a, id)
                        .replace(&format!("dnat to {a}:"), &format!("dnat to {}:", bracketed(a)))
                };
                [clean(of_a, "id-a"), clean(of_other, "id-other")]
            })
            .collect();
        std::fs::write("/run/reference.nft", text).unwrap();
        let loaded = Command::new("nft").args(["-f", "/run/reference.nft"]).output().unwrap();
        assert!(loaded.status.success(), "{loaded:?}");
        let comments = || {
            let all = nft_json();
            let rules = all["nftables"].as_array().unwrap().iter();
            let mut found: Vec<String> =
                rules.filter_map(|o| o["rule"]["comment"].as_str().map(str::to_owned)).collect();
            found.sort();
            found
        };
        assert_eq!(comments().len(), 8);
        node.del(&portmap(json!({})), &a);
        assert_eq!(comments(), ["id-other"; 4]);
        // With mappings of its own they are somebody else's: of this container on another network.
        let conf = bridge(json!({ "isGateway": true }));
        let other = Container { id: "id-other".to_owned(), ..Container::new("other") };
        let chain = Chain::new(&node, &conf, portmap(three()));
        chain.add(&other);
        chain.del(&other);
        assert_eq!(comments(), ["id-other"; 4]);
    });
}

/// CHECK names the first thing that is missing or another's.
#[test]
fn check_names_what_is_missing() {
    on_a_node(|node| {
        let a = Container::new("a");
        let addresses = json!([{ "address": "10.77.0.2/24" }, { "address": "fd77::2/64" }]);
        let ipam = json!({ "type": "static", "addresses": addresses });
        let conf = bridge(json!({ "ipam": ipam }));
        ip(&["link", "add", "br0", "type", "bridge"]);
        ip(&["addr", "add", "10.77.0.1/24", "dev", "br0"]);
        let chain = Chain::new(&node, &conf, portmap(three()));
        let nft = |command: &str| {
            let output = Command::new("nft").arg(command).output().unwrap();
            assert!(output.status.success(), "{command}: {output:?}");
        };
        let table = "inet wasmcni_ports_v1";
        let key = "tcp . 8080";
        for (damage, named) in [
            (format!("delete element {table} any4 {{ {key} }}"), "8080/tcp to 10.77.0.2:80"),
            (
                format!(
                    "delete element {table} any4 {{ {key} }}; add element {table} any4 {{ {key} : 10.77.0.9 . 80 }}"
                ),
                "8080/tcp to 10.77.0.2:80",
            ),
            (format!("delete element {table} any6 {{ udp . 8080 }}"), "8080/udp to [fd77::2]:53"),
            (
                format!("delete element {table} host4 {{ 192.0.2.1 . sctp . 8080 }}"),
                "192.0.2.1:8080/sctp to 10.77.0.2:132",
            ),
            (
                format!("delete element {table} near4 {{ 10.77.0.2 . tcp . 80 }}"),
                "8080/tcp to 10.77.0.2:80",
            ),
            (format!("flush set {table} local4_24"), "8080/tcp to 10.77.0.2:80"),
        ] {
            let result = chain.add(&a);
            chain.check(&a, &result).success();
            nft(&damage);
            failed(&chain.check(&a, &result), 110, named);
            flush_nft();
            node.del(&chain.portmap, &a);
            node.del(&conf, &a);
        }
        let result = chain.add(&a);
        let key = "net/ipv4/conf/br0/route_localnet";
        std::fs::write(format!("/proc/sys/{key}"), "0").unwrap();
        failed(&chain.check(&a, &result), 110, key);
        let less = with(&chain.portmap, json!({ "snat": false, "prevResult": result }));
        failed(&node.call("CHECK", &less, &a).run(), 110, "8080/tcp");
        chain.del(&a);
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// No mappings: the result goes on, and nothing else happens. Without prevResult there is nothing to go on.
#[test]
fn it_passes_on_what_it_was_given() {
    on_a_node(|node| {
        let a = Container::new("a");
        let conf = bridge(json!({ "isGateway": true }));
        for none in [json!({}), mappings(json!([])), mappings(Value::Null), Value::Null] {
            let plugin = with(&portmap(json!({})), json!({ "runtimeConfig": none }));
            let chain = Chain::new(&node, &conf, plugin);
            let result = chain.add(&a);
            chain.check(&a, &result).success();
            assert_eq!(nft_elements(), [""; 0]);
            assert_eq!(sysctl("net/ipv4/conf/br0/route_localnet"), "0");
            chain.del(&a);
        }
        let unchained = node.call("ADD", &portmap(three()), &a).run();
        failed(&unchained, 7, "must be chained");
        status_misses_nftables(&node, &portmap(json!({})));
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// Wrong values are refused by name, and leave nothing.
#[test]
fn wrong_values_are_refused() {
    on_a_node(|node| {
        let a = Container::new("a");
        let conf = bridge(json!({ "isGateway": true }));
        let result = node.add(&conf, &a);
        let before = node.leftovers(&[]);
        for (keys, named) in [
            (json!({ "backend": "ipfw" }), "backend"),
            (json!({ "externalSetMarkChain": "KUBE-MARK-MASQ" }), "externalSetMarkChain"),
            (json!({ "markMasqBit": 32 }), "markMasqBit"),
            (json!({ "conditionsV4": ["ct state new"] }), "\"ct\""),
            (json!({ "conditionsV4": ["-m", "conntrack"] }), "conntrack"),
            (json!({ "backend": "nftables", "conditionsV4": ["-s", "10.0.0.1"] }), "conditionsV4"),
            (
                json!({ "runtimeConfig": { "portMappings": [{ "hostPort": 0, "containerPort": 1 }] } }),
                "hostPort",
            ),
            (
                json!({ "runtimeConfig": { "portMappings": [
                    { "hostPort": 80, "containerPort": 1 }, { "hostPort": 80, "containerPort": 2 },
                ] } }),
                "hostPort",
            ),
        ] {
            let plugin = with(&portmap(three()), keys.clone());
            let chain = Chain::new(&node, &conf, plugin);
            failed(&chain.chained(&result, "ADD", &a), 7, named);
            assert_eq!(node.leftovers(&[]), before, "{keys}");
        }
        // More alternatives than rules are made for.
        let many: Vec<String> = (0..99).map(|i| format!("10.0.0.{i}")).collect();
        let keys = json!({ "conditionsV4": [format!("ip saddr {{ {} }}", many.join(","))] });
        let chain = Chain::new(&node, &conf, with(&portmap(three()), keys));
        failed(&chain.chained(&result, "ADD", &a), 7, "99 rules");
        assert_eq!(node.leftovers(&[]), before);
    });
}

/// What the grants do not give is denied: other ports, other containers' addresses.
#[test]
fn grants_narrow_it() {
    on_a_node(|node| {
        let a = Container::new("a");
        let conf = bridge(json!({ "isGateway": true }));
        let shipped = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../plugins-wasm/portmap/grants.toml"
        ))
        .unwrap();
        let dir = node.below("etc/wasmcni/plugins");
        std::fs::create_dir_all(&dir).unwrap();
        let grant = |from: &str, to: &str| {
            assert!(shipped.contains(from));
            std::fs::write(dir.join("portmap.toml"), shipped.replace(from, to)).unwrap();
        };
        let result = node.add(&conf, &a);
        let before = nft_elements();
        let chain = Chain::new(&node, &conf, portmap(three()));
        for (from, to, named) in [
            ("host-port = \"any\"", "host-port = \"30000-32767\"", "host-port=8080"),
            ("protocol = \"*\"", "protocol = \"udp\"", "protocol=tcp"),
            ("host-address = \"any\"", "host-address = \"192.0.2.0/24\"", "host-address=0.0.0.0/0"),
            ("within = \"@prev\"", "within = \"10.77.0.9/32\"", "within=10.77.0.2/32"),
        ] {
            grant(from, to);
            failed(&chain.chained(&result, "ADD", &a), 100, named);
            assert_eq!(nft_elements(), before, "{to}");
            assert_eq!(sysctl("net/ipv4/conf/br0/route_localnet"), "0", "{to}: taken back");
        }
        grant("host-port = \"any\"", "host-port = [\"80\", \"8080\"]");
        chain.chained(&result, "ADD", &a).success();
        chain.del(&a);
    });
}
