//! `bandwidth`: token buckets on both sides of the node's end, as `tc` sees them.

use serde_json::{Value, json};

use super::{failed, interface, ptp};
use crate::harness::netns::{ip, ip_json, names, tc, tc_json};
use crate::harness::node::{Container, Node, on_a_node, with};

/// A chained network of its own limits.
fn bandwidth(more: Value) -> Value {
    with(&json!({ "cniVersion": "1.1.0", "name": "net", "type": "bandwidth" }), more)
}

fn both_ways() -> Value {
    json!({
        "ingressRate": 8_000_000, "ingressBurst": 800_000,
        "egressRate": 16_000_000, "egressBurst": 1_600_000,
    })
}

/// A container with an interface, and what `ptp` said of it.
fn attached(node: &Node) -> (Container, Value) {
    let container = Container::new("c");
    let result = node.add(&ptp(json!({})), &container);
    (container, result)
}

/// The qdiscs of a link that somebody chose: kind, rate in octets, burst, latency in µs.
fn qdiscs(link: &str) -> Vec<Value> {
    let all = tc_json(&["-details", "qdisc", "show", "dev", link]);
    let told = |q: &Value| {
        let o = &q["options"];
        json!([q["kind"], q["handle"], o["rate"], o["burst"], o["lat"]])
    };
    let chosen = all.as_array().unwrap().iter().filter(|q| q["kind"] != "noqueue");
    chosen.map(told).collect()
}

fn filters(link: &str) -> Value {
    let all = tc_json(&["filter", "show", "dev", link, "parent", "ffff:"]);
    let with_actions = |f: &&Value| f["options"]["actions"].is_array();
    let found = all.as_array().unwrap().iter().find(with_actions).cloned();
    found.unwrap_or(Value::Null)
}

fn ifbs() -> Vec<String> {
    names(&ip_json(&["link"])).into_iter().filter(|name| name.starts_with("ifb")).collect()
}

#[test]
fn both_ways_are_limited() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        let conf = bandwidth(with(&both_ways(), json!({ "prevResult": former })));
        let result = node.add(&conf, &container);
        let veth = interface(&former, 0);
        let bucket = json!(["tbf", "1:", 1_000_000, "100000b/1", 25_000]);
        assert_eq!(qdiscs(veth), [bucket, json!(["ingress", "ffff:", null, null, null])]);
        let [ifb] = &ifbs()[..] else { panic!("{:?}", ifbs()) };
        assert_eq!(qdiscs(ifb), [json!(["tbf", "1:", 2_000_000, "200000b/1", 25_000])]);
        let filter = filters(veth);
        assert_eq!((&filter["protocol"], &filter["pref"]), (&json!("all"), &json!(1)));
        let action = &filter["options"]["actions"][0];
        assert_eq!(action["mirred_action"], "redirect");
        assert_eq!((&action["direction"], &action["to_dev"]), (&json!("egress"), &json!(ifb)));
        let link = &ip_json(&["-details", "link", "show", "dev", ifb])[0];
        assert_eq!(link["linkinfo"]["info_kind"], "ifb");
        assert!(link["flags"].as_array().unwrap().contains(&json!("UP")), "{link}");
        // The result of the others, and the ifb with it.
        let mut expected = former.clone();
        let all = expected["interfaces"].as_array_mut().unwrap();
        all.push(json!({ "name": ifb, "mac": link["address"] }));
        assert_eq!(result, expected);
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(ifbs(), [""; 0]);
        assert_eq!(qdiscs(veth), [Value::Null; 0]);
        node.del(&ptp(json!({})), &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// Packets pass by the buckets both ways, and are held up by them: told by counters, not by time.
#[test]
fn packets_go_by_the_buckets() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        // A burst that holds no packet of 1500 octets: all of them are over the limit.
        let limits = json!({
            "ingressRate": 80_000, "ingressBurst": 8_000, "egressRate": 80_000, "egressBurst": 8_000,
        });
        let conf = bandwidth(with(&limits, json!({ "prevResult": former })));
        node.add(&conf, &container);
        let ping = ["-n", "-q", "-c", "1", "-W", "0.5", "-s", "64", "10.77.0.1"];
        container.netns.exec("ping", &ping);
        for link in [interface(&former, 0), &ifbs()[0]] {
            let counters = &tc_json(&["-statistics", "qdisc", "show", "dev", link])[0];
            assert!(counters["packets"].as_u64() > Some(0), "{link}: {counters}");
        }
        // What is larger than the bucket can never leave.
        let ping = ["-n", "-q", "-c", "1", "-W", "0.2", "-s", "1200", "10.77.0.1"];
        let lost = container.netns.command("ping").args(ping).output().unwrap();
        assert!(!lost.status.success(), "{lost:?}");
        let counters = &tc_json(&["-statistics", "qdisc", "show", "dev", &ifbs()[0]])[0];
        assert!(counters["drops"].as_u64() > Some(0), "{counters}");
        node.del(&conf, &container);
        assert!(container.netns.reaches("10.77.0.1"));
    });
}

/// One way alone touches nothing of the other, and no limit touches nothing at all.
#[test]
fn each_way_is_its_own() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        let veth = interface(&former, 0);
        let prev = json!({ "prevResult": former });
        let conf =
            bandwidth(with(&json!({ "ingressRate": 80_000, "ingressBurst": 8000 }), prev.clone()));
        assert_eq!(node.add(&conf, &container), former);
        assert_eq!(qdiscs(veth), [json!(["tbf", "1:", 10_000, "1000b/1", 25_000])]);
        assert_eq!(ifbs(), [""; 0]);
        node.check(&conf, &container, &former).success();
        node.del(&conf, &container);
        let conf =
            bandwidth(with(&json!({ "egressRate": 8000, "egressBurst": 8000 }), prev.clone()));
        node.add(&conf, &container);
        assert_eq!(qdiscs(veth), [json!(["ingress", "ffff:", null, null, null])]);
        assert_eq!(ifbs().len(), 1);
        node.del(&conf, &container);
        for limits in [json!({}), json!({ "ingressRate": 0, "egressBurst": 0 })] {
            let conf = bandwidth(with(&limits, prev.clone()));
            assert_eq!(node.add(&conf, &container), former);
            assert_eq!((qdiscs(veth), ifbs()), (vec![], vec![]), "{limits}");
            node.check(&conf, &container, &former).success();
            node.del(&conf, &container);
        }
    });
}

/// As containerd sends them; and the configuration's own win as a whole.
#[test]
fn the_runtimes_limits() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        let veth = interface(&former, 0);
        let sent = json!({
            "IngressRate": 100_000_000, "IngressBurst": 4_294_967_295_u32, "EgressRate": 0, "EgressBurst": 0,
        });
        let conf = bandwidth(json!({
            "runtimeConfig": { "bandwidth": sent }, "prevResult": former, "capabilities": { "bandwidth": true },
        }));
        node.add(&conf, &container);
        assert_eq!(qdiscs(veth)[0][2], 12_500_000);
        assert_eq!(ifbs(), [""; 0]);
        node.del(&conf, &container);
        let conf = with(&conf, json!({ "egressRate": 8000, "egressBurst": 8000 }));
        node.add(&conf, &container);
        assert_eq!(qdiscs(veth), [json!(["ingress", "ffff:", null, null, null])]);
        node.del(&conf, &container);
        // An attachment of the same container has an ifb of its own.
        node.add(&conf, &container);
        let mut second = Container { netns: container.netns, ..container };
        second.ifname = "eth1".to_owned();
        let other = node.add(&ptp(json!({})), &second);
        let conf = with(&conf, json!({ "prevResult": other }));
        node.add(&conf, &second);
        assert_eq!(ifbs().len(), 2);
        node.del(&conf, &second);
        assert_eq!(ifbs().len(), 1);
    });
}

#[test]
fn wrong_limits_and_wrong_chains_are_refused() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        let veth = interface(&former, 0);
        let prev = json!({ "prevResult": former });
        for (limits, named) in [
            (json!({ "ingressRate": 8000 }), "ingressBurst"),
            (json!({ "egressBurst": 8000 }), "egressRate"),
            (json!({ "egressRate": 8000, "egressBurst": 34_359_738_360_u64 }), "egressBurst"),
            (json!({ "ingressRate": -1 }), "ingressRate"),
            (json!({ "ingressRate": 1, "ingressBurst": 8 }), "ingressRate"),
        ] {
            let conf = bandwidth(with(&limits, prev.clone()));
            failed(&node.call("ADD", &conf, &container).run(), 7, named);
            node.del(&conf, &container);
        }
        let conf = bandwidth(both_ways());
        failed(&node.call("ADD", &conf, &container).run(), 7, "must be chained");
        failed(&node.call("CHECK", &conf, &container).run(), 7, "must be chained");
        // The node's end is not told of.
        let mut told = former.clone();
        told["interfaces"][0]["name"] = json!("other");
        let conf = bandwidth(with(&both_ways(), json!({ "prevResult": told })));
        failed(&node.call("ADD", &conf, &container).run(), 7, veth);
        // No veth.
        container.netns.exec("ip", &["link", "add", "br1", "type", "bridge"]);
        let bridge = Container { ifname: "br1".to_owned(), ..container };
        let conf = bandwidth(with(&both_ways(), prev.clone()));
        failed(&node.call("ADD", &conf, &bridge).run(), 7, "\"bridge\"");
        // A veth of which the other end is elsewhere.
        let inside = ["link", "add", "v1", "type", "veth", "peer", "name", "v2"];
        bridge.netns.exec("ip", &inside);
        let inner = Container { ifname: "v1".to_owned(), ..bridge };
        failed(&node.call("ADD", &conf, &inner).run(), 7, "no link of the node");
        assert_eq!((qdiscs(veth), ifbs()), (vec![], vec![]));
        for old in ["0.1.0", "0.2.0"] {
            let conf = with(&conf, json!({ "cniVersion": old, "prevResult": null }));
            failed(&node.call("ADD", &conf, &inner).run(), 1, "0.3.0");
        }
    });
}

/// A root qdisc of somebody's is not replaced; what was made before that is taken back.
#[test]
fn anothers_qdisc_stays() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        let veth = interface(&former, 0);
        let conf = bandwidth(with(&both_ways(), json!({ "prevResult": former })));
        tc(&["qdisc", "add", "dev", veth, "handle", "ffff:", "ingress"]);
        let before = qdiscs(veth);
        failed(&node.call("ADD", &conf, &container).run(), 999, "redirecting");
        assert_eq!((qdiscs(veth), ifbs()), (before, vec![]));
        tc(&["qdisc", "del", "dev", veth, "ingress"]);
        // One that somebody put there later, DEL leaves alone.
        node.add(&conf, &container);
        tc(&["qdisc", "replace", "dev", veth, "root", "handle", "2:", "pfifo"]);
        node.del(&conf, &container);
        assert_eq!(qdiscs(veth)[0][0], "pfifo");
        assert_eq!(ifbs(), [""; 0]);
    });
}

/// Something that is broken by hand, of the attachment whose ifb has this name.
type Break<'a> = &'a dyn Fn(&str);

#[test]
fn check_finds_each_thing_that_is_broken() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        let veth = interface(&former, 0).to_owned();
        let conf = bandwidth(with(&both_ways(), json!({ "prevResult": former })));
        let bucket = |dev: &str, rate: &str, burst: &str, latency: &str| {
            let words =
                ["qdisc", "replace", "dev", dev, "root", "handle", "1:", "tbf", "rate", rate];
            tc(&[&words[..], &["burst", burst, "latency", latency]].concat());
        };
        let breaks: [(&str, Break<'_>); 10] = [
            ("rate", &|_| bucket(&veth, "9mbit", "100000", "25ms")),
            ("buffer", &|_| bucket(&veth, "8mbit", "200000", "25ms")),
            ("limit", &|_| bucket(&veth, "8mbit", "100000", "50ms")),
            ("rate", &|ifb| bucket(ifb, "9mbit", "200000", "25ms")),
            ("no token bucket", &|_| {
                tc(&["qdisc", "del", "dev", &veth, "root"]);
            }),
            ("no token bucket", &|ifb| {
                tc(&["qdisc", "replace", "dev", ifb, "root", "handle", "2:", "pfifo"]);
            }),
            ("nothing redirects", &|_| {
                tc(&["qdisc", "del", "dev", &veth, "ingress"]);
            }),
            ("nothing redirects", &|_| {
                tc(&["filter", "del", "dev", &veth, "parent", "ffff:"]);
            }),
            ("is down", &|ifb| {
                ip(&["link", "set", ifb, "down"]);
            }),
            ("its ifb is gone", &|ifb| {
                ip(&["link", "del", ifb]);
            }),
        ];
        for (named, breaking) in breaks {
            let result = node.add(&conf, &container);
            node.check(&conf, &container, &result).success();
            breaking(&ifbs()[0]);
            failed(&node.check(&conf, &container, &result), 110, named);
            node.del(&conf, &container);
            assert_eq!((qdiscs(&veth), ifbs()), (vec![], vec![]), "{named}");
        }
    });
}

#[test]
fn del_needs_nothing() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        let conf = bandwidth(with(&both_ways(), json!({ "prevResult": former })));
        let without = with(&conf, json!({ "prevResult": null }));
        let broken = with(&without, json!({ "ingressRate": "x" }));
        node.del(&without, &container);
        for conf in [&conf, &without, &broken] {
            node.add(&bandwidth(with(&both_ways(), json!({ "prevResult": former }))), &container);
            node.call("DEL", conf, &container).without("CNI_NETNS").run().success();
            assert_eq!(ifbs(), [""; 0]);
            node.del(conf, &container);
            assert_eq!(qdiscs(interface(&former, 0)), [Value::Null; 0]);
        }
        // The container is gone, and its veth with it.
        node.add(&conf, &container);
        container.netns.exec("ip", &["link", "del", "eth0"]);
        node.del(&conf, &container);
        assert_eq!(ifbs(), [""; 0]);
    });
}

/// What the operator's file does not give, the plugin does not get.
#[test]
fn links_outside_its_grants_are_refused() {
    on_a_node(|node| {
        let (container, former) = attached(&node);
        let shipped = include_str!("../../plugins-wasm/bandwidth/grants.toml");
        let (others, limit) = shipped.split_once("op = \"shaping.limit\"").unwrap();
        let narrowed = format!("{others}op = \"shaping.limit\"{}", limit.replace("@peer", "eth*"));
        node.grants("bandwidth", &narrowed);
        let conf = bandwidth(with(&both_ways(), json!({ "prevResult": former })));
        failed(&node.call("ADD", &conf, &container).run(), 100, "allows name \"eth*\"");
        assert_eq!((qdiscs(interface(&former, 0)), ifbs()), (vec![], vec![]));
        node.del(&conf, &container);
    });
}
