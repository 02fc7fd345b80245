//! Port mappings by real connections: from another machine, from the node, from the container itself and
//! from its neighbour.

use std::net::UdpSocket;

use serde_json::{Value, json};

use super::portmap::{Chain, mappings, outside, portmap};
use super::{bridge, ptp};
use crate::harness::netns::{flush_nft, ip, nft_elements, sysctl};
use crate::harness::node::{Container, on_a_node};
use crate::harness::sctp::{ask_sctp, serve_sctp};
use crate::harness::talk::{Said, ask_tcp, ask_udp, serve_tcp, serve_udp, udp_client};

fn said(who: &str, seen: &str) -> Option<Said> {
    Some(Said { who: who.to_owned(), seen: seen.parse().unwrap() })
}

fn bridges_are_filtered() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    setting.is_ok_and(|value| value.trim() == "1")
}

fn web() -> Value {
    mappings(json!([{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }]))
}

/// A port of the node leads into the container from everywhere. The source stays, where it can.
#[test]
fn a_port_leads_into_the_container() {
    on_a_node(|node| {
        for hairpin in [true, false] {
            let outside = outside();
            let [a, b] = ["a", "b"].map(Container::new);
            let conf = bridge(json!({ "isDefaultGateway": true, "hairpinMode": hairpin }));
            let chain = Chain::new(&node, &conf, portmap(web()));
            let result = chain.add(&a);
            node.add(&conf, &b);
            serve_tcp(Some(&a.netns), "a", 80);
            let from_outside = |address: &str| ask_tcp(Some(&outside), address);
            assert_eq!(from_outside("203.0.113.1:8080"), said("a", "203.0.113.2"));
            assert_eq!(from_outside("[2001:db8::1]:8080"), said("a", "2001:db8::2"));
            assert_eq!(from_outside("203.0.113.1:80"), None, "no other port");
            // The node itself.
            assert_eq!(ask_tcp(None, "127.0.0.1:8080"), said("a", "10.77.0.1"));
            assert_eq!(ask_tcp(None, "203.0.113.1:8080"), said("a", "203.0.113.1"));
            assert_eq!(ask_tcp(None, "[2001:db8::1]:8080"), said("a", "2001:db8::1"));
            // The container itself and its neighbour: the answers have to come back by the node.
            for (of, name) in [(&a, "a"), (&b, "b")] {
                // With br_netfilter the answer to the container itself never leaves the bridge, and so needs
                // a port that sends back what came from it.
                if name == "a" && !hairpin && bridges_are_filtered() {
                    continue;
                }
                let ask = |address| ask_tcp(Some(&of.netns), address);
                assert_eq!(ask("203.0.113.1:8080"), said("a", "10.77.0.1"), "{name} {hairpin}");
                assert_eq!(ask("[2001:db8::1]:8080"), said("a", "fd77::1"), "{name} {hairpin}");
                assert_eq!(ask("10.77.0.1:8080"), said("a", "10.77.0.1"), "{name} {hairpin}");
            }
            chain.check(&a, &result).success();
            chain.del(&a);
            assert_eq!(from_outside("203.0.113.1:8080"), None);
            assert_eq!(ask_tcp(None, "127.0.0.1:8080"), None);
            node.del(&conf, &b);
            assert_eq!(node.leftovers(&["br0", "up0"]), [""; 0]);
            ip(&["link", "delete", "br0"]);
            ip(&["link", "delete", "up0"]);
        }
    });
}

/// Without source translation the container sees everybody as they are, and who cannot do without it is not
/// served.
#[test]
fn sources_change_as_the_configuration_says() {
    on_a_node(|node| {
        let outside = outside();
        let a = Container::new("a");
        serve_tcp(Some(&a.netns), "a", 80);
        for (keys, from_outside, by_loopback) in [
            (json!({}), "203.0.113.2", true),
            (json!({ "snat": false }), "203.0.113.2", false),
            (json!({ "snat": false, "masqAll": true }), "203.0.113.2", false),
            (json!({ "masqAll": true }), "10.77.0.1", true),
            (json!({ "markMasqBit": 5, "snat": null }), "203.0.113.2", true),
        ] {
            let mut plugin = portmap(web());
            plugin.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            let chain = Chain::new(&node, &bridge(json!({ "isDefaultGateway": true })), plugin);
            let result = chain.add(&a);
            let bridge_sysctl = sysctl("net/ipv4/conf/br0/route_localnet");
            assert_eq!(bridge_sysctl == "1", by_loopback, "{keys}");
            assert_eq!(
                ask_tcp(Some(&outside), "203.0.113.1:8080"),
                said("a", from_outside),
                "{keys}"
            );
            if by_loopback {
                assert_eq!(ask_tcp(None, "127.0.0.1:8080"), said("a", "10.77.0.1"), "{keys}");
            }
            chain.check(&a, &result).success();
            chain.del(&a);
            ip(&["link", "delete", "br0"]);
        }
    });
}

/// The route to the container is not a bridge's: ptp.
#[test]
fn it_works_behind_ptp() {
    on_a_node(|node| {
        let outside = outside();
        let a = Container::new("a");
        let mut conf = ptp(json!({}));
        conf["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]);
        let chain = Chain::new(&node, &conf, portmap(web()));
        let result = chain.add(&a);
        serve_tcp(Some(&a.netns), "a", 80);
        assert_eq!(ask_tcp(Some(&outside), "203.0.113.1:8080"), said("a", "203.0.113.2"));
        assert_eq!(ask_tcp(Some(&outside), "[2001:db8::1]:8080"), said("a", "2001:db8::2"));
        assert_eq!(ask_tcp(None, "127.0.0.1:8080"), said("a", "10.77.0.1"));
        assert_eq!(ask_tcp(Some(&a.netns), "203.0.113.1:8080"), said("a", "10.77.0.1"));
        chain.check(&a, &result).success();
        chain.del(&a);
        assert_eq!(node.leftovers(&["up0"]), [""; 0]);
    });
}

/// What the node only forwards is not caught, although the port is mapped (CVE-2025-67499); and link-level
/// neighbours do not reach the node's loopback services by the way that was opened for it (CVE-2020-8558).
#[test]
fn what_is_not_for_the_node_is_let_alone() {
    on_a_node(|node| {
        let outside = outside();
        let [a, b] = ["a", "b"].map(Container::new);
        let conf = bridge(json!({ "isDefaultGateway": true }));
        let chain = Chain::new(&node, &conf, portmap(web()));
        chain.add(&a);
        node.add(&conf, &b);
        serve_tcp(Some(&a.netns), "a", 80);
        serve_tcp(Some(&outside), "outside", 8080);
        assert_eq!(ask_tcp(Some(&b.netns), "203.0.113.2:8080"), said("outside", "10.77.0.3"));
        assert_eq!(ask_tcp(None, "203.0.113.2:8080"), said("outside", "203.0.113.1"));

        assert_eq!(sysctl("net/ipv4/conf/br0/route_localnet"), "1");
        b.netns.exec("ip", &["link", "set", "lo", "down"]);
        b.netns.exec("sysctl", &["-qw", "net.ipv4.conf.all.route_localnet=1"]);
        b.netns.exec("ip", &["route", "flush", "table", "local", "127.0.0.0/8"]);
        b.netns
            .exec("ip", &["route", "add", "127.0.0.0/8", "via", "10.77.0.1", "src", "10.77.0.3"]);
        // What is let through arrives before what is sent after it.
        let server = UdpSocket::bind("0.0.0.0:9999").unwrap();
        let first_heard = || {
            for (address, text) in [("127.0.0.1:9999", b"to lo"), ("10.77.0.1:9999", b"to br")] {
                let client = udp_client(Some(&b.netns), address);
                client.send(text).unwrap();
            }
            let mut heard = [0; 5];
            server.recv(&mut heard).unwrap();
            heard
        };
        assert_eq!(&first_heard(), b"to br");
        // It is our rule that keeps it away, not something else.
        flush_nft();
        assert_eq!(&first_heard(), b"to lo");
    });
}

/// An address's own mapping counts before the one for all.
#[test]
fn host_addresses() {
    on_a_node(|node| {
        let outside = outside();
        ip(&["addr", "add", "203.0.113.9/24", "dev", "up0"]);
        let a = Container::new("a");
        let ports = mappings(json!([
            { "hostPort": 8080, "containerPort": 80 },
            { "hostPort": 8080, "containerPort": 81, "hostIP": "203.0.113.9" },
            { "hostPort": 8082, "containerPort": 82, "hostIP": "203.0.113.9" },
            { "hostPort": 8083, "containerPort": 83, "hostIP": "2001:db8::1" },
            { "hostPort": 8084, "containerPort": 80, "hostIP": "0.0.0.0" },
            { "hostPort": 8085, "containerPort": 80, "hostIP": "::" },
        ]));
        let conf = bridge(json!({ "isDefaultGateway": true }));
        let chain = Chain::new(&node, &conf, portmap(ports));
        let result = chain.add(&a);
        for (who, port) in [("80", 80), ("81", 81), ("82", 82), ("83", 83)] {
            serve_tcp(Some(&a.netns), who, port);
        }
        let who = |address: &str| ask_tcp(Some(&outside), address).map(|said| said.who);
        for (address, expected) in [
            ("203.0.113.1:8080", Some("80")),
            ("203.0.113.9:8080", Some("81")),
            ("203.0.113.1:8082", None),
            ("203.0.113.9:8082", Some("82")),
            ("[2001:db8::1]:8080", Some("80")),
            ("[2001:db8::1]:8083", Some("83")),
            ("203.0.113.1:8083", None),
            ("203.0.113.1:8084", Some("80")),
            ("[2001:db8::1]:8084", None),
            ("203.0.113.1:8085", None),
            ("[2001:db8::1]:8085", Some("80")),
        ] {
            assert_eq!(who(address).as_deref(), expected, "{address}");
        }
        chain.check(&a, &result).success();
        chain.del(&a);
        assert_eq!(node.leftovers(&["br0", "up0"]), [""; 0]);
    });
}

/// A client that keeps its port is one connection for the kernel, which goes where its first packet went.
#[test]
fn udp_connections_take_the_new_way() {
    on_a_node(|node| {
        let outside = outside();
        let [a, b] = ["a", "b"].map(Container::new);
        serve_udp(None, "node", 5353);
        serve_udp(Some(&a.netns), "a", 53);
        serve_udp(Some(&b.netns), "b", 53);
        let conf = bridge(json!({ "isDefaultGateway": true }));
        let port = json!([{ "hostPort": 5353, "containerPort": 53, "protocol": "UDP" }]);
        let chain = Chain::new(&node, &conf, portmap(mappings(port)));
        let client = udp_client(Some(&outside), "203.0.113.1:5353");
        let who = || ask_udp(&client).map(|said| said.who);
        // Connections are tracked only where rules ask for it.
        chain.add(&a);
        chain.del(&a);
        assert_eq!(who().as_deref(), Some("node"));
        chain.add(&a);
        assert_eq!(who().as_deref(), Some("a"), "ADD forgets what went to the node");
        chain.del(&a);
        assert_eq!(who().as_deref(), Some("node"), "DEL forgets what went to the container");
        chain.add(&b);
        assert_eq!(who().as_deref(), Some("b"));
        chain.del(&b);
        assert_eq!(nft_elements(), [""; 0]);
    });
}

/// Of both families, and no other transport's port of that number.
#[test]
fn sctp_associations_begin_in_the_container() {
    on_a_node(|node| {
        let outside = outside();
        let [a, b] = ["a", "b"].map(Container::new);
        serve_sctp(&a.netns, "a", 132);
        serve_tcp(Some(&a.netns), "a", 132);
        let conf = bridge(json!({ "isDefaultGateway": true }));
        let ports = mappings(json!([
            { "hostPort": 8080, "containerPort": 132, "protocol": "SCTP" },
            { "hostPort": 8081, "containerPort": 132, "protocol": "sctp", "hostIP": "203.0.113.1" },
        ]));
        let chain = Chain::new(&node, &conf, portmap(ports));
        let result = chain.add(&a);
        node.add(&conf, &b);
        let ask = |address: &str| ask_sctp(Some(&outside), address);
        assert_eq!(ask("203.0.113.1:8080"), said("a", "203.0.113.2"));
        assert_eq!(ask("[2001:db8::1]:8080"), said("a", "2001:db8::2"));
        assert_eq!(ask("203.0.113.1:8081"), said("a", "203.0.113.2"));
        assert_eq!(ask("203.0.113.1:132"), None, "no other port");
        assert_eq!(ask_tcp(Some(&outside), "203.0.113.1:8080"), None, "no other transport");
        // The answers have to come back by the node.
        assert_eq!(ask_sctp(Some(&b.netns), "203.0.113.1:8080"), said("a", "10.77.0.1"));
        assert_eq!(ask_sctp(Some(&b.netns), "[2001:db8::1]:8080"), said("a", "fd77::1"));
        assert_eq!(ask_sctp(None, "127.0.0.1:8080"), said("a", "10.77.0.1"));
        chain.check(&a, &result).success();
        chain.del(&a);
        node.del(&conf, &b);
        assert_eq!(node.leftovers(&["br0", "up0"]), [""; 0]);
    });
}

/// IPv6 has nothing like route_localnet. The reference plugin does the same.
#[test]
fn the_nodes_ipv6_loopback_address_has_no_ports() {
    on_a_node(|node| {
        let _outside = outside();
        let a = Container::new("a");
        let conf = bridge(json!({ "isDefaultGateway": true }));
        let chain = Chain::new(&node, &conf, portmap(web()));
        chain.add(&a);
        serve_tcp(Some(&a.netns), "a", 80);
        assert_eq!(ask_tcp(None, "[::1]:8080"), None);
        chain.del(&a);
    });
}
