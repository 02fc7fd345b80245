//! `static`: addresses, routes and DNS as they are written, or asked for.

use serde_json::{Value, json};

use super::failed;
use crate::harness::node::{Container, on_a_node, with};

/// A configuration whose `ipam` has these keys.
pub(super) fn conf(ipam: Value) -> Value {
    let both = json!({ "type": "static", "addresses": [
        { "address": "10.77.0.9/24", "gateway": "10.77.0.1" }, { "address": "fd77::9/64" }
    ] });
    json!({ "cniVersion": "1.1.0", "name": "net", "type": "static", "ipam": with(&both, ipam) })
}

/// `ADDRESS GATEWAY` of each address of a result.
fn told(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().into_iter().flatten();
    let text = |ip: &Value| {
        format!("{} {}", ip["address"].as_str().unwrap(), ip["gateway"].as_str().unwrap_or("-"))
    };
    ips.map(text).collect()
}

#[test]
fn what_is_written_is_the_result() {
    on_a_node(|node| {
        let conf = conf(json!({
            "routes": [
                { "dst": "0.0.0.0/0", "gw": "10.77.0.254" },
                { "dst": "fd09::/64", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 0, "scope": 253 },
            ],
            "dns": { "nameservers": ["192.0.2.1"], "domain": "d", "search": ["s"], "options": ["o"] },
        }));
        let container = Container::new("c");
        let result = node.add(&conf, &container);
        let expected = json!({
            "cniVersion": "1.1.0",
            "ips": [{ "address": "10.77.0.9/24", "gateway": "10.77.0.1" }, { "address": "fd77::9/64" }],
            "routes": conf["ipam"]["routes"], "dns": conf["ipam"]["dns"],
        });
        assert_eq!(result, expected);
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn arguments_add_addresses_and_set_gateways() {
    on_a_node(|node| {
        let container = Container::new("args");
        for (args, expected) in [
            ("", &["10.77.0.9/24 10.77.0.1", "fd77::9/64 -"][..]),
            ("IP=10.78.0.5/16", &["10.77.0.9/24 10.77.0.1", "fd77::9/64 -", "10.78.0.5/16 -"]),
            (
                "IP=10.78.0.5/16,fd78::5/64;GATEWAY=10.78.0.1,fd77::1",
                &[
                    "10.77.0.9/24 10.77.0.1",
                    "fd77::9/64 fd77::1",
                    "10.78.0.5/16 10.78.0.1",
                    "fd78::5/64 -",
                ],
            ),
            ("GATEWAY=10.77.0.254", &["10.77.0.9/24 10.77.0.254", "fd77::9/64 -"]),
        ] {
            let call = node.call("ADD", &conf(json!({})), &container).env("CNI_ARGS", args);
            assert_eq!(told(&call.run().success()), expected, "{args}");
        }
        for (args, named) in [
            ("IP=10.78.0.5", "10.78.0.5"),
            ("IP=x/24", "x/24"),
            ("GATEWAY=10.77.0.1/24", "GATEWAY"),
            ("MAC=02:00:00:00:00:0a", "MAC"),
        ] {
            let call = node.call("ADD", &conf(json!({})), &container).env("CNI_ARGS", args);
            failed(&call.run(), 4, named);
        }
    });
}

/// `args.cni.ips` and then `runtimeConfig.ips` replace what is written.
#[test]
fn later_sources_replace_the_addresses() {
    on_a_node(|node| {
        let container = Container::new("sources");
        let call = |more: Value| node.call("ADD", &with(&conf(json!({})), more), &container).run();
        let args = json!({ "cni": { "ips": ["10.78.0.5/16"] } });
        let runtime = json!({ "ips": ["10.79.0.5/16", "fd79::5/64"] });
        let one = call(json!({ "args": args })).success();
        assert_eq!(told(&one), ["10.78.0.5/16 -"]);
        let other = call(json!({ "runtimeConfig": runtime })).success();
        assert_eq!(told(&other), ["10.79.0.5/16 -", "fd79::5/64 -"]);
        let both = call(json!({ "args": args, "runtimeConfig": runtime })).success();
        assert_eq!(told(&both), ["10.79.0.5/16 -", "fd79::5/64 -"]);
        failed(&call(json!({ "runtimeConfig": { "ips": ["10.79.0.5"] } })), 7, "runtimeConfig.ips");
        failed(&call(json!({ "args": { "cni": { "ips": ["x"] } } })), 7, "args.cni.ips");
    });
}

#[test]
fn values_that_cannot_be_are_refused() {
    on_a_node(|node| {
        let container = Container::new("wrong");
        for (ipam, named) in [
            (json!({ "addresses": [{ "address": "10.77.0.9" }] }), "10.77.0.9"),
            (json!({ "addresses": [{ "address": "10.77.0.9/33" }] }), "10.77.0.9/33"),
            (json!({ "addresses": [{ "address": "10.77.0.9/24", "gateway": "x" }] }), "\"x\""),
            (json!({ "addresses": [{}] }), "address"),
            (json!({ "routes": [{ "dst": "10.0.0.0" }] }), "10.0.0.0"),
            (json!({ "routes": [{}] }), "dst"),
        ] {
            let outcome = node.call("ADD", &conf(ipam.clone()), &container).run();
            failed(&outcome, 7, named);
        }
        // 0.2.0 has one address of each family.
        let two =
            json!({ "addresses": [{ "address": "10.77.0.9/24" }, { "address": "10.77.0.8/24" }] });
        let old = with(&conf(two), json!({ "cniVersion": "0.2.0" }));
        failed(&node.call("ADD", &old, &container).run(), 7, "10.77.0.8/24");
    });
}

#[test]
fn check_compares_gateways() {
    on_a_node(|node| {
        let container = Container::new("gateways");
        let conf = conf(json!({}));
        let mut result = node.add(&conf, &container);
        node.check(&conf, &container, &result).success();
        result["ips"][0]["gateway"] = "10.77.0.254".into();
        failed(&node.check(&conf, &container, &result), 110, "10.77.0.9/24");
    });
}
