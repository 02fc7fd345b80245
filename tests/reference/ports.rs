//! `portmap` behind `bridge`: who is reached by which port, from where, and whom the container sees. The
//! reference maps ports by iptables.

use serde_json::{Value, json};

use super::{Side, container, with_both};
use crate::harness::exec::Exec;
use crate::harness::netns::Netns;
use crate::harness::node::{Container, with};
use crate::harness::sctp::{ask_sctp, serve_sctp};
use crate::harness::talk::{Said, ask_tcp, serve_tcp};

/// A node with an outside, and two containers on a bridge of which the first has ports of the node.
struct Ports {
    side: Side,
    outside: Netns,
    neighbour: Container,
}

fn bridge() -> Value {
    let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
    json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "hairpinMode": true,
        "isDefaultGateway": true, "ipam": { "type": "host-local", "ranges": ranges },
    })
}

fn portmap(more: &Value) -> Value {
    let list = json!([
        { "hostPort": 8080, "containerPort": 80, "protocol": "tcp" },
        { "hostPort": 8081, "containerPort": 81, "protocol": "tcp", "hostIP": "203.0.113.9" },
        { "hostPort": 8082, "containerPort": 80, "protocol": "udp" },
        { "hostPort": 8083, "containerPort": 80, "protocol": "tcp", "hostIP": "0.0.0.0" },
        { "hostPort": 8084, "containerPort": 132, "protocol": "sctp" },
    ]);
    let conf = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "portmap",
        "runtimeConfig": { "portMappings": list },
    });
    with(&conf, more.clone())
}

impl Ports {
    fn new(side: Side, more: &Value) -> Self {
        let outside = Netns::new(&format!("{}-outside", side.name));
        let (host, of) = (&side.host, format!("{}-outside", side.name));
        let veth = ["link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", &of];
        host.exec("ip", &veth);
        host.exec("ip", &["link", "set", "up0", "up"]);
        outside.exec("ip", &["link", "set", "eth0", "up"]);
        for (of_node, of_outside) in
            [("203.0.113.1/24", "203.0.113.2/24"), ("2001:db8::1/64", "2001:db8::2/64")]
        {
            host.exec("ip", &["addr", "add", of_node, "dev", "up0", "nodad"]);
            outside.exec("ip", &["addr", "add", of_outside, "dev", "eth0", "nodad"]);
        }
        host.exec("ip", &["addr", "add", "203.0.113.9/24", "dev", "up0"]);
        let mut neighbour = container(&format!("{}-neighbour", side.name));
        neighbour.id = "neighbour".to_owned();
        let ports = Self { side, outside, neighbour };
        let result = ports.run(&ports.side.call("ADD", &bridge()));
        let chained = with(&portmap(more), json!({ "prevResult": result }));
        assert_eq!(ports.run(&ports.side.call("ADD", &chained)), result);
        ports.run(&ports.of_neighbour("ADD"));
        // 1.1.1 looks for rules of IPv4 in the chains of IPv6.
        if ports.side.name == "wasmcni" {
            ports.run(&ports.side.call("CHECK", &chained));
        }
        for (who, port) in [("80", 80), ("81", 81)] {
            serve_tcp(Some(&ports.side.container.netns), who, port);
        }
        serve_sctp(&ports.side.container.netns, "132", 132);
        ports
    }

    fn of_neighbour(&self, verb: &str) -> Exec {
        let netns = self.neighbour.netns.path().display().to_string();
        self.side
            .call(verb, &bridge())
            .env("CNI_CONTAINERID", &self.neighbour.id)
            .env("CNI_NETNS", netns)
    }

    fn run(&self, call: &Exec) -> Value {
        self.side.run(call).success()
    }

    /// Who answers whom, and as whom they are seen.
    fn answers(&self) -> Vec<(String, Option<Said>)> {
        let mut answers = Vec::new();
        let from = [
            ("outside", &self.outside),
            ("node", &self.side.host),
            ("container", &self.side.container.netns),
            ("neighbour", &self.neighbour.netns),
        ];
        for (name, netns) in from {
            for address in [
                "203.0.113.1:8080",
                "[2001:db8::1]:8080",
                "203.0.113.9:8080",
                "203.0.113.1:8081",
                "203.0.113.9:8081",
                "203.0.113.1:8082",
                "203.0.113.1:8083",
                "[2001:db8::1]:8083",
            ] {
                answers.push((format!("{name} to {address}"), ask_tcp(Some(netns), address)));
            }
        }
        for (name, netns) in from {
            for address in ["203.0.113.1:8084", "[2001:db8::1]:8084"] {
                answers
                    .push((format!("{name} by SCTP to {address}"), ask_sctp(Some(netns), address)));
            }
        }
        for address in ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:80", "10.77.0.1:8080"] {
            let answer = ask_tcp(Some(&self.side.host), address);
            answers.push((format!("node to {address}"), answer));
        }
        answers
    }

    fn close(&self, more: &Value) {
        self.run(&self.side.call("DEL", &portmap(more)));
        for (port, address) in [(8080, "203.0.113.1"), (8081, "203.0.113.9")] {
            assert_eq!(ask_tcp(Some(&self.outside), &format!("{address}:{port}")), None);
        }
        self.run(&self.side.call("DEL", &bridge()));
        self.run(&self.of_neighbour("DEL"));
    }
}

#[test]
fn ports_lead_to_the_same() {
    with_both(|both| {
        for more in [
            json!({}),
            // 1.1.1 does not know masqAll yet.
            json!({ "markMasqBit": 5 }),
            json!({ "conditionsV4": ["-s", "203.0.113.2"], "conditionsV6": ["!", "-s", "2001:db8::2"] }),
            json!({ "conditionsV4": ["-d", "203.0.113.1", "!", "-i", "up0"] }),
            json!({ "conditionsV4": ["-i", "up+"], "conditionsV6": ["-i", "br+", "-s", "fd77::3"] }),
            json!({ "conditionsV4": ["-m", "mark", "--mark", "0x0/0xff"],
                "conditionsV6": ["-m", "mark", "!", "--mark", "0"] }),
        ] {
            let sides = both().map(|side| Ports::new(side, &more));
            let [ours, theirs] = [&sides[0], &sides[1]].map(Ports::answers);
            assert!(
                theirs.iter().filter(|(_, answer)| answer.is_some()).count() > 3,
                "{theirs:#?}"
            );
            for (our, their) in ours.iter().zip(&theirs) {
                assert_eq!(our, their, "{more}");
            }
            // It takes both their time to get no answer.
            if more == json!({}) {
                for side in &sides {
                    assert_eq!(ask_tcp(Some(&side.side.host), "[::1]:8080"), None);
                }
            }
            for side in &sides {
                side.close(&more);
            }
        }
    });
}

/// Without source translation: who needs none.
#[test]
fn without_source_translation_others_are_served_alike() {
    with_both(|both| {
        let more = json!({ "snat": false });
        let sides = both().map(|side| Ports::new(side, &more));
        let asked = |side: &Ports| {
            ["203.0.113.1:8080", "[2001:db8::1]:8080", "203.0.113.9:8081"]
                .map(|address| ask_tcp(Some(&side.outside), address))
        };
        let [ours, theirs] = [&sides[0], &sides[1]].map(asked);
        assert_eq!(ours, theirs);
        assert!(ours.iter().all(Option::is_some), "{ours:?}");
    });
}
