//! `ipMasq`, with a packet on its way: container → node → another machine.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::json;

use super::{bridge, ptp};
use crate::harness::netns::{Netns, ip, nft_elements};
use crate::harness::node::{Container, on_a_node};

/// Another machine, by a link of the node's own; it knows the way back to the containers.
fn server() -> Netns {
    let server = Netns::new("server");
    ip(&["link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", "server"]);
    ip(&["link", "set", "up0", "up"]);
    server.exec("ip", &["link", "set", "eth0", "up"]);
    for (of_node, of_server, network) in [
        ("203.0.113.1", "203.0.113.2/24", "10.77.0.0/24"),
        ("2001:db8::1", "2001:db8::2/64", "fd77::/64"),
    ] {
        let length = of_server.split('/').nth(1).unwrap();
        ip(&["addr", "add", &format!("{of_node}/{length}"), "dev", "up0", "nodad"]);
        server.exec("ip", &["addr", "add", of_server, "dev", "eth0", "nodad"]);
        server.exec("ip", &["route", "add", network, "via", of_node]);
    }
    server
}

/// The source address that the receiver sees of a datagram.
fn source_seen(from: &Netns, to: &Netns, address: &str) -> IpAddr {
    let address: SocketAddr = SocketAddr::new(address.parse().unwrap(), 7777);
    let receiver = to.inside(|| UdpSocket::bind(address).unwrap());
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let any: IpAddr = if address.is_ipv4() { [0u8; 4].into() } else { [0u16; 8].into() };
    let sender = from.inside(|| UdpSocket::bind((any, 0)).unwrap());
    sender.send_to(b"?", address).unwrap();
    let (_, source) =
        receiver.recv_from(&mut [0; 8]).unwrap_or_else(|e| panic!("to {address}: {e}"));
    source.ip()
}

#[test]
fn what_leaves_the_network_has_the_nodes_address() {
    on_a_node(|node| {
        let server = server();
        for conf in [bridge, ptp] {
            for masquerade in [true, false] {
                let conf = conf(json!({ "isDefaultGateway": true, "ipMasq": masquerade }));
                let conf = if conf["type"] == "ptp" { with_default_routes(conf) } else { conf };
                let at = format!("{} {masquerade}", conf["type"]);
                let [a, b] = ["a", "b"].map(Container::new);
                let result = node.add(&conf, &a);
                node.add(&conf, &b);
                let addresses = |of: &Container| {
                    let all = of.addresses();
                    all.iter().map(|a| a.split('/').next().unwrap().to_owned()).collect::<Vec<_>>()
                };
                for (family, outside, of_node) in
                    [(0, "203.0.113.2", "203.0.113.1"), (1, "2001:db8::2", "2001:db8::1")]
                {
                    let own = addresses(&a)[family].clone();
                    let seen = source_seen(&a.netns, &server, outside).to_string();
                    assert_eq!(
                        seen,
                        if masquerade { of_node.to_owned() } else { own.clone() },
                        "{at}"
                    );
                    // Within its network it has its own.
                    let seen = source_seen(&a.netns, &b.netns, &addresses(&b)[family]).to_string();
                    assert_eq!(seen, own, "{at}");
                    assert!(a.netns.reaches(outside), "{at}: and an answer comes back");
                }
                assert_eq!(nft_elements().is_empty(), !masquerade, "{at}");
                node.check(&conf, &a, &result).success();
                node.del(&conf, &a);
                let left = nft_elements();
                assert!(!left.iter().any(|element| element.contains("id-a")), "{left:?}");
                node.del(&conf, &b);
                assert_eq!(node.leftovers(&["br0", "up0"]), [""; 0], "{at}");
            }
            // The bridge's addresses would be in the way of the other plugin's.
            let _ = std::process::Command::new("ip").args(["link", "delete", "br0"]).output();
        }
    });
}

fn with_default_routes(mut conf: serde_json::Value) -> serde_json::Value {
    conf["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]);
    conf
}

/// `ipMasqBackend` of another program is served by the one that there is.
#[test]
fn either_backend_is_served() {
    on_a_node(|node| {
        let container = Container::new("c");
        for backend in ["iptables", "nftables"] {
            for conf in [bridge, ptp] {
                let conf = conf(json!({ "ipMasq": true, "ipMasqBackend": backend }));
                node.add(&conf, &container);
                assert_eq!(nft_elements().len(), 4, "two sources, two networks");
                node.del(&conf, &container);
                assert_eq!(node.leftovers(&["br0"]), [""; 0]);
            }
        }
    });
}
