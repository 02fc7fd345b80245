//! The bridge and the link to it: `bridge`, `mtu`, `mac`, `ipam`, `dns`, `disableContainerInterface`.

use std::fs;

use serde_json::{Value, json};

use super::{bridge, failed, interface, on_node, refused};
use crate::harness::netns::{bridge_json, ip, sysctl};
use crate::harness::node::{Container, on_a_node, with};

#[test]
fn the_bridge_is_made_and_the_container_joins_it() {
    on_a_node(|node| {
        let container = Container::new("c");
        // The default name.
        let conf = bridge(json!({ "bridge": null }));
        let result = node.add(&conf, &container);
        let veth = interface(&result, 1);
        assert_eq!(interface(&result, 0), "cni0");
        assert_eq!(interface(&result, 2), "eth0");
        assert!(veth.starts_with("veth") && veth.len() == 12, "{veth}");
        assert!(veth[4..].bytes().all(|b| b.is_ascii_hexdigit()), "{veth}");
        for (number, link) in [(0, on_node("cni0")), (1, on_node(veth)), (2, container.interface())]
        {
            assert_eq!(result["interfaces"][number]["mac"], link["address"], "{result}");
            assert_eq!(link["operstate"], "UP", "{link}");
        }
        let sandbox = container.netns.path().to_str().unwrap();
        assert_eq!(result["interfaces"][2]["sandbox"], sandbox);
        assert_eq!(on_node("cni0")["linkinfo"]["info_kind"], "bridge");
        assert_eq!(on_node(veth)["master"], "cni0");
        assert_eq!(container.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
        assert_eq!(
            result["ips"][0],
            json!({ "interface": 2, "address": "10.77.0.2/24", "gateway": "10.77.0.1" })
        );
        // What keeps containers from giving the node routes (CVE-2020-10749).
        assert_eq!(sysctl("net/ipv6/conf/cni0/accept_ra"), "0");
        // No gateway was asked for.
        assert_eq!(crate::harness::netns::addresses(&on_node("cni0")), [""; 0]);
        assert_eq!(sysctl("net/ipv4/ip_forward"), "0");
        assert_eq!(sysctl("net/ipv6/conf/all/forwarding"), "0");
        assert!(!container.routes().iter().any(|route| route.starts_with("default")));
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&["cni0"]), [""; 0]);
    });
}

#[test]
fn a_bridge_that_is_there_is_used_as_it_is() {
    on_a_node(|node| {
        ip(&[
            "link",
            "add",
            "br0",
            "address",
            "02:00:00:00:00:99",
            "mtu",
            "1480",
            "type",
            "bridge",
        ]);
        let container = Container::new("c");
        let conf = bridge(json!({}));
        let result = node.add(&conf, &container);
        assert_eq!(result["interfaces"][0]["mac"], "02:00:00:00:00:99");
        assert_eq!(on_node("br0")["operstate"], "UP");
        node.del(&conf, &container);
        assert_eq!(on_node("br0")["address"], "02:00:00:00:00:99");
    });
}

#[test]
fn another_link_of_the_bridges_name_is_left_alone() {
    on_a_node(|node| {
        ip(&["link", "add", "br0", "type", "veth", "peer", "name", "br0-peer"]);
        let before = on_node("br0");
        let container = Container::new("c");
        let outcome = node.call("ADD", &bridge(json!({})), &container).run();
        failed(&outcome, 7, "br0");
        assert_eq!(on_node("br0"), before);
        assert_eq!(node.leftovers(&["br0", "br0-peer"]), [""; 0]);
    });
}

#[test]
fn values_that_cannot_be_are_refused() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (key, value) in [
            ("bridge", json!("sixteen-letters-")),
            ("bridge", json!("a/b")),
            ("bridge", json!("..")),
            ("bridge", json!(1)),
            ("mtu", json!(-1)),
            ("mtu", json!("1500")),
            ("vlan", json!(4095)),
            ("vlan", json!(-1)),
            ("vlanTrunk", json!([{ "id": 0 }])),
            ("vlanTrunk", json!([{ "id": 4095 }])),
            ("vlanTrunk", json!([{ "minID": 5 }])),
            ("vlanTrunk", json!([{ "maxID": 5 }])),
            ("vlanTrunk", json!([{ "minID": 5, "maxID": 4 }])),
            ("isGateway", json!("true")),
            ("hairpinMode", json!(1)),
        ] {
            refused(&node, &bridge(json!({ key: value })), &container, key);
        }
        let both = bridge(json!({ "hairpinMode": true, "promiscMode": true }));
        refused(&node, &both, &container, "hairpinMode");
        let down = bridge(json!({ "disableContainerInterface": true }));
        refused(&node, &down, &container, "disableContainerInterface");
        let backend = bridge(json!({ "ipMasq": true, "ipMasqBackend": "ipfw" }));
        refused(&node, &backend, &container, "ipMasqBackend");
    });
}

#[test]
fn mtu_is_that_of_the_bridge_and_of_both_ends() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (mtu, expected) in [(json!(1400), 1400), (json!(0), 1500), (Value::Null, 1500)] {
            let conf = bridge(json!({ "mtu": mtu }));
            let result = node.add(&conf, &container);
            for link in [on_node("br0"), on_node(interface(&result, 1)), container.interface()] {
                assert_eq!(link["mtu"], expected, "{link}");
            }
            node.del(&conf, &container);
            ip(&["link", "delete", "br0"]);
        }
    });
}

/// CNI_ARGS, then `args.cni`, then `runtimeConfig`: the last one that says something counts.
#[test]
fn the_mac_comes_from_three_places() {
    on_a_node(|node| {
        let container = Container::new("c");
        let [a, b, c] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"];
        for (args, args_cni, runtime_config, expected) in [
            (a, "", "", a),
            ("", b, "", b),
            ("", "", c, c),
            (a, b, "", b),
            (a, "", c, c),
            ("", b, c, c),
            (a, b, c, c),
            ("no address", b, "", b),
        ] {
            let conf = bridge(json!({
                "args": { "cni": { "mac": args_cni } }, "runtimeConfig": { "mac": runtime_config }
            }));
            let call = |verb| {
                node.call(verb, &conf, &container)
                    .env("CNI_ARGS", format!("IgnoreUnknown=1;MAC={args}"))
            };
            let result = call("ADD").run().success();
            assert_eq!(container.interface()["address"], expected);
            assert_eq!(result["interfaces"][2]["mac"], expected);
            call("DEL").run().success();
        }
        let wrong = node.call("ADD", &bridge(json!({})), &container).env("CNI_ARGS", "MAC=02:00");
        failed(&wrong.run(), 4, "MAC");
        let conf = bridge(json!({ "runtimeConfig": { "mac": "02:00" }, "bridge": "br1" }));
        failed(&node.call("ADD", &conf, &container).run(), 7, "runtimeConfig.mac");
        assert_eq!(node.leftovers(&["br0"]), [""; 0]);
    });
}

/// Without IPAM there is a link, and no address. CHECK knows that, too.
#[test]
fn without_ipam_there_is_a_link_alone() {
    on_a_node(|node| {
        let container = Container::new("c");
        for none in [Value::Null, json!({}), json!({ "type": "" })] {
            let conf = bridge(
                json!({ "ipam": none, "isGateway": true, "ipMasq": true, "dns": { "domain": "d" } }),
            );
            let result = node.add(&conf, &container);
            assert!(result["ips"].is_null() && result["routes"].is_null(), "{result}");
            assert_eq!(result["dns"], json!({ "domain": "d" }));
            assert_eq!(container.interface()["operstate"], "UP");
            assert_eq!(container.addresses(), [""; 0]);
            assert_eq!(sysctl("net/ipv4/ip_forward"), "0");
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
            assert_eq!(node.leftovers(&["br0"]), [""; 0]);
        }
    });
}

#[test]
fn the_containers_interface_may_stay_down() {
    on_a_node(|node| {
        let container = Container::new("c");
        let conf = bridge(json!({ "ipam": null, "disableContainerInterface": true }));
        let result = node.add(&conf, &container);
        assert_eq!(container.interface()["operstate"], "DOWN");
        assert_eq!(bridge_json(&["link"])[0]["ifname"], interface(&result, 1));
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
    });
}

/// The configuration's `dns` replaces IPAM's as a whole, if it says anything.
#[test]
fn dns_is_the_configurations_or_else_ipams() {
    on_a_node(|node| {
        let container = Container::new("c");
        fs::write(
            "/run/resolv.conf",
            "nameserver 192.0.2.1\nsearch a.example b.example\noptions ndots:2\n",
        )
        .unwrap();
        let of_ipam = json!({
            "nameservers": ["192.0.2.1"], "search": ["a.example", "b.example"], "options": ["ndots:2"]
        });
        for (plugin, named) in [("bridge", "br0"), ("ptp", "")] {
            for (dns, expected) in [
                (Value::Null, of_ipam.clone()),
                (json!({}), of_ipam.clone()),
                (json!({ "nameservers": null, "domain": "" }), of_ipam.clone()),
                (json!({ "domain": "c.example" }), json!({ "domain": "c.example" })),
                (json!({ "nameservers": ["192.0.2.2"] }), json!({ "nameservers": ["192.0.2.2"] })),
            ] {
                let mut conf = bridge(json!({ "type": plugin, "bridge": named }));
                conf["ipam"]["resolvConf"] = "/run/resolv.conf".into();
                let conf = with(&conf, json!({ "dns": dns }));
                assert_eq!(node.add(&conf, &container)["dns"], expected, "{conf}");
                node.del(&conf, &container);
            }
        }
    });
}

/// What a container needs when IPv6 is switched off in it, as some runtimes do.
#[test]
fn ipv6_is_switched_on_where_an_address_needs_it() {
    on_a_node(|node| {
        let set = |container: &Container, key: &str| {
            container.netns.inside(|| {
                fs::write(format!("/proc/sys/net/ipv6/conf/{key}/disable_ipv6"), "1").unwrap()
            });
        };
        let read = |container: &Container, key: &str| {
            container.netns.inside(|| sysctl(&format!("net/ipv6/conf/{key}")))
        };
        for conf in [bridge(json!({})), super::ptp(json!({ "name": "other" }))] {
            let container = Container::new("c");
            for key in ["all", "default", "lo"] {
                set(&container, key);
            }
            node.add(&conf, &container);
            assert_eq!(container.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
            assert_eq!(read(&container, "lo/disable_ipv6"), "0");
            assert_eq!(read(&container, "eth0/disable_ipv6"), "0");
            assert_eq!(read(&container, "eth0/keep_addr_on_down"), "1");
            assert_eq!(container.netns.inside(|| sysctl("net/ipv4/conf/eth0/arp_notify")), "1");
            node.del(&conf, &container);
        }
        // With IPv4 alone it stays off.
        let container = Container::new("c4");
        for key in ["default", "lo"] {
            set(&container, key);
        }
        let ipam = json!({ "type": "host-local", "subnet": "10.77.0.0/24" });
        node.add(&bridge(json!({ "ipam": ipam })), &container);
        assert_eq!(read(&container, "eth0/disable_ipv6"), "1");
    });
}
