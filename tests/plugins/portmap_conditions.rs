//! Conditions of port mappings, by real connections; each network's are its own.

use serde_json::{Value, json};

use super::bridge;
use super::portmap::{Chain, mappings, outside, portmap};
use crate::harness::netns::{Netns, ip, nft_elements};
use crate::harness::node::{Container, on_a_node, with};
use crate::harness::talk::{ask_tcp, serve_tcp};

fn plugin(port: u16, keys: Value) -> Value {
    let list = json!([{ "hostPort": port, "containerPort": 80 }]);
    with(&portmap(mappings(list)), keys)
}

fn who(from: Option<&Netns>, address: &str) -> Option<String> {
    ask_tcp(from, address).map(|said| said.who)
}

/// Each condition lets through who meets it, and nobody else.
#[test]
fn conditions_are_kept() {
    on_a_node(|node| {
        let outside = outside();
        outside.exec("ip", &["addr", "add", "203.0.113.7/32", "dev", "eth0"]);
        ip(&["addr", "add", "203.0.113.9/24", "dev", "up0"]);
        let a = Container::new("a");
        let conf = bridge(json!({ "isDefaultGateway": true }));
        let result = node.add(&conf, &a);
        serve_tcp(Some(&a.netns), "a", 80);
        for (conditions, met) in [
            (json!(["ip saddr 203.0.113.2"]), true),
            (json!(["ip saddr != 203.0.113.2"]), false),
            (json!(["ip", "saddr", "203.0.113.0/24"]), true),
            (json!(["ip saddr { 198.51.100.0/24, 203.0.113.0/30 }"]), true),
            (json!(["ip saddr != { 198.51.100.0/24, 203.0.113.0/30 }"]), false),
            (json!(["ip saddr { 198.51.100.0/24, 203.0.113.128/25 }"]), false),
            (json!(["ip daddr 203.0.113.1"]), true),
            (json!(["ip daddr 203.0.113.9"]), false),
            (json!(["iifname \"up0\""]), true),
            (json!(["iifname \"up*\""]), true),
            (json!(["iifname != \"up*\""]), false),
            (json!(["iif br0"]), false),
            (json!(["tcp dport 8000-8080", "iifname up0"]), true),
            (json!(["tcp dport 8000-8079"]), false),
            (json!(["tcp dport != 8000-8079"]), true),
            (json!(["udp dport 8080"]), false),
            (json!(["tcp sport 0-1023"]), false),
            (json!(["meta mark 0"]), true),
            (json!(["meta mark & 0xf0 != 0"]), false),
            (json!(["-s", "203.0.113.2"]), true),
            (json!(["!", "-s", "203.0.113.2"]), false),
            (json!(["-d", "203.0.113.1,203.0.113.9"]), true),
            (json!(["-i", "up+", "-p", "tcp", "--dport", "8080"]), true),
            (json!(["-p", "udp"]), false),
            (json!(["-p", "tcp", "-m", "multiport", "!", "--dports", "1,8080"]), false),
        ] {
            let chain =
                Chain::new(&node, &conf, plugin(8080, json!({ "conditionsV4": conditions })));
            chain.chained(&result, "ADD", &a).success();
            let heard = who(Some(&outside), "203.0.113.1:8080");
            assert_eq!(heard.is_some(), met, "{conditions}");
            // The other family has none.
            assert_eq!(who(Some(&outside), "[2001:db8::1]:8080").as_deref(), Some("a"));
            chain.chained(&result, "CHECK", &a).success();
            let none = Chain::new(&node, &conf, plugin(8080, json!({})));
            let missing = none.chained(&result, "CHECK", &a);
            assert_eq!(missing.failure().0, 110, "{conditions}");
            node.del(&portmap(json!({})), &a);
            assert_eq!(nft_elements(), [""; 0], "{conditions}");
        }
    });
}

/// The last ADD's conditions are not everybody's.
#[test]
fn each_network_has_its_own() {
    on_a_node(|node| {
        let outside = outside();
        let conf = |name: &str, keys: Value| {
            with(&bridge(json!({ "isDefaultGateway": true, "name": name })), keys)
        };
        let ranges =
            json!({ "bridge": "br1", "ipam": { "type": "host-local", "subnet": "10.78.0.0/24" } });
        let [a, b] = ["a", "b"].map(Container::new);
        let (open, closed) = (conf("open", json!({})), conf("closed", ranges));
        let of = |name: &str, port, keys: Value| with(&plugin(port, keys), json!({ "name": name }));
        let condition = json!({ "conditionsV4": ["ip saddr 198.51.100.0/24"] });
        let open = Chain::new(&node, &open, of("open", 8080, json!({})));
        let closed = Chain::new(&node, &closed, of("closed", 8081, condition.clone()));
        open.add(&a);
        let result = closed.add(&b);
        for (who, of) in [("a", &a), ("b", &b)] {
            serve_tcp(Some(&of.netns), who, 80);
        }
        let asked = |port: u16| who(Some(&outside), &format!("203.0.113.1:{port}"));
        assert_eq!(asked(8080).as_deref(), Some("a"));
        assert_eq!(asked(8081), None);
        outside.exec("ip", &["addr", "add", "198.51.100.2/24", "dev", "eth0"]);
        ip(&["route", "add", "198.51.100.0/24", "dev", "up0"]);
        outside.exec(
            "ip",
            &["route", "replace", "203.0.113.1/32", "dev", "eth0", "src", "198.51.100.2"],
        );
        assert_eq!(asked(8080).as_deref(), Some("a"));
        assert_eq!(asked(8081).as_deref(), Some("b"));
        // Changed conditions replace the old ones.
        let other = json!({ "conditionsV4": ["ip saddr != 198.51.100.0/24"] });
        let changed = with(&of("closed", 8081, other), json!({ "prevResult": result }));
        node.call("ADD", &changed, &b).run().success();
        assert_eq!(asked(8081), None);
        closed.del(&b);
        open.del(&a);
        assert_eq!(nft_elements(), [""; 0]);
    });
}
