//! `tap`: a persistent tap device in the container.

use std::fs;

use serde_json::{Value, json};

use super::children::words;
use super::{failed, refused};
use crate::harness::netns::names;
use crate::harness::node::{Container, Node, on_a_node, with};
use crate::harness::programs::require_tun;

fn conf(more: Value) -> Value {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "tap",
        "ipam": { "type": "host-local", "ranges": [
            [{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }],
        ] },
    });
    with(&conf, more)
}

fn l2(more: Value) -> Value {
    with(&conf(more), json!({ "ipam": null }))
}

fn with_tun(test: impl FnOnce(Node)) {
    if require_tun() {
        on_a_node(test);
    }
}

/// What `ip` tells of the container's tap besides what every link has.
fn tap(container: &Container) -> Value {
    let link = container.interface();
    assert_eq!(link["linkinfo"]["info_kind"], "tun");
    link["linkinfo"]["info_data"].clone()
}

#[test]
fn a_tap_is_made_and_goes() {
    with_tun(|node| {
        let container = Container::new("c");
        let conf = l2(json!({}));
        let result = node.add(&conf, &container);
        let data = tap(&container);
        assert_eq!((&data["type"], &data["persist"]), (&"tap".into(), &true.into()));
        assert_eq!((&data["pi"], &data["vnet_hdr"]), (&false.into(), &true.into()));
        assert_eq!(data["multi_queue"], false);
        assert!(data["user"].is_null() && data["group"].is_null(), "{data}");
        let link = container.interface();
        assert!(link["flags"].as_array().unwrap().contains(&"UP".into()), "{link}");
        assert_eq!(link["mtu"], 1500);
        let sandbox = container.netns.path().to_str().unwrap();
        let interface = json!({ "name": "eth0", "mac": link["address"], "sandbox": sandbox });
        assert_eq!(result, json!({ "cniVersion": "1.1.0", "interfaces": [interface] }));
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn addresses_are_the_taps() {
    with_tun(|node| {
        let container = Container::new("c");
        container.netns.inside(|| {
            for key in ["default", "lo"] {
                fs::write(format!("/proc/sys/net/ipv6/conf/{key}/disable_ipv6"), "1").unwrap();
            }
        });
        let mut conf = conf(json!({ "dns": { "search": ["a"] } }));
        conf["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0" }, { "dst": "fd09::/64" }]);
        let result = node.add(&conf, &container);
        assert_eq!(container.addresses(), ["10.77.0.2/24", "fd77::2/64"]);
        let routes = container.routes();
        for route in ["default via 10.77.0.1 dev eth0", "fd09::/64 via fd77::1 dev eth0"] {
            assert!(routes.iter().any(|r| r.starts_with(route)), "{route}: {routes:?}");
        }
        assert!(result["ips"].as_array().unwrap().iter().all(|ip| ip["interface"] == 0));
        assert_eq!(result["dns"], json!({ "search": ["a"] }));
        let notify = container.netns.exec("cat", &["/proc/sys/net/ipv4/conf/eth0/arp_notify"]);
        assert_eq!(notify.trim(), "1");
        // They are used at once: nobody is there to detect a duplicate.
        let addresses = container.interface()["addr_info"].clone();
        let ours = addresses.as_array().unwrap().iter().filter(|a| a["scope"] == "global");
        assert!(ours.clone().count() == 2 && ours.clone().all(|a| a["tentative"].is_null()));
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn each_key_does_what_it_says() {
    with_tun(|node| {
        let container = Container::new("c");
        let seen = |keys: Value| {
            let conf = l2(keys);
            let result = node.add(&conf, &container);
            node.check(&conf, &container, &result).success();
            let seen = (tap(&container), container.interface());
            node.del(&conf, &container);
            seen
        };
        assert_eq!(seen(json!({ "multiQueue": true })).0["multi_queue"], true);
        assert_eq!(seen(json!({ "MTU": 1400 })).1["mtu"], 1400);
        assert_eq!(seen(json!({ "mtu": 65521 })).1["mtu"], 65521);
        assert_eq!(seen(json!({ "mtu": 0 })).1["mtu"], 1500);
        // In a sandbox there is one user.
        assert_eq!(seen(json!({ "owner": 0 })).0["user"], "root");
        assert_eq!(seen(json!({ "group": 0 })).0["group"], "root");
        let outcome = node.call("ADD", &l2(json!({ "owner": 7 })), &container).run();
        failed(&outcome, 999, "eth0");
        assert_eq!(node.leftovers(&[]), [""; 0]);
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
    });
}

/// The configuration's MAC, over it CNI_ARGS', over that the runtime's.
#[test]
fn the_runtime_has_the_last_word_on_the_mac() {
    with_tun(|node| {
        let container = Container::new("c");
        let mac = |last: &str| format!("02:00:00:00:00:{last}");
        let own = l2(json!({ "mac": mac("01") }));
        let both = with(&own, json!({ "runtimeConfig": { "mac": mac("03") } }));
        let args = format!("IgnoreUnknown=1;MAC={}", mac("02"));
        for (conf, args, expected) in
            [(&own, "", "01"), (&own, args.as_str(), "02"), (&both, args.as_str(), "03")]
        {
            let result = node.call("ADD", conf, &container).env("CNI_ARGS", args).run().success();
            assert_eq!(container.interface()["address"], mac(expected));
            assert_eq!(result["interfaces"][0]["mac"], mac(expected));
            node.del(conf, &container);
        }
    });
}

#[test]
fn a_bridge_of_the_container_gets_a_port() {
    with_tun(|node| {
        let container = Container::new("c");
        let conf = l2(json!({ "bridge": "br0" }));
        refused(&node, &conf, &container, "bridge");
        container.netns.exec("ip", &words("link add br0 type veth peer name x"));
        refused(&node, &conf, &container, "no bridge");
        container.netns.exec("ip", &words("link del br0"));
        container.netns.exec("ip", &words("link add br0 type bridge"));
        let result = node.add(&conf, &container);
        assert_eq!(container.interface()["master"], "br0");
        node.check(&conf, &container, &result).success();
        container.netns.exec("ip", &words("link set eth0 nomaster"));
        failed(&node.check(&conf, &container, &result), 110, "br0");
        node.del(&conf, &container);
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo", "br0"]);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn wrong_configurations_are_refused() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (keys, named) in [
            (json!({ "mtu": -1 }), "mtu"),
            (json!({ "mtu": 65522 }), "mtu"),
            (json!({ "mac": "02:00" }), "mac"),
            (json!({ "owner": "root" }), "owner"),
            (json!({ "group": -1 }), "group"),
            (json!({ "selinuxContext": "system_u:system_r:container_t:s0" }), "selinuxContext"),
        ] {
            refused(&node, &conf(keys), &container, named);
        }
        let outcome = node.call("ADD", &conf(json!({})), &container).env("CNI_ARGS", "A=b").run();
        failed(&outcome, 4, "CNI_ARGS");
    });
}

/// Whatever an ADD fails at, no tap is left and no address.
#[test]
fn an_add_that_fails_leaves_nothing() {
    with_tun(|node| {
        let container = Container::new("c");
        let ipam = json!({ "type": "static", "addresses": [{ "address": "10.77.0.2/24" }],
            "routes": [{ "dst": "10.9.0.0/16", "gw": "10.200.0.1" }] });
        let outcome = node.call("ADD", &conf(json!({ "ipam": ipam })), &container).run();
        failed(&outcome, 999, "10.9.0.0/16");
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
        container.netns.exec("ip", &words("tuntap add mode tap name eth0"));
        assert_eq!(node.call("ADD", &conf(json!({})), &container).run().status, Some(1));
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo", "eth0"]);
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn del_needs_nothing() {
    with_tun(|node| {
        let container = Container::new("c");
        let conf = conf(json!({}));
        node.del(&conf, &container);
        node.add(&conf, &container);
        node.del(&conf, &container);
        node.del(&conf, &container);
        // With a broken configuration; with the journal lost.
        node.add(&conf, &container);
        node.del(&with(&conf, json!({ "mtu": "x" })), &container);
        node.add(&conf, &container);
        fs::remove_dir_all(node.below("run/wasmcni/attachments")).unwrap();
        node.del(&conf, &container);
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
        // Without a netns, and with one that is gone.
        node.add(&conf, &container);
        let call = node.call("DEL", &conf, &container);
        call.clone().without("CNI_NETNS").run().success();
        assert_eq!(node.files(), [""; 0]);
        node.del(&conf, &container);
        node.add(&conf, &container);
        drop(container);
        call.run().success();
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

#[test]
fn whatever_was_made_is_missed() {
    with_tun(|node| {
        let mut conf = conf(json!({}));
        conf["ipam"]["routes"] = json!([{ "dst": "10.9.0.0/16", "gw": "10.77.0.9" }]);
        for (act, named) in [
            ("link del eth0", "eth0"),
            ("link set eth0 down", "eth0"),
            ("link set eth0 address 02:00:00:00:00:66", "02:00:00:00:00:66"),
            ("addr delete 10.77.0.2/24 dev eth0", "10.77.0.2/24"),
            ("addr delete fd77::2/64 dev eth0", "fd77::2/64"),
            ("route delete 10.9.0.0/16", "10.9.0.0/16"),
            ("route delete 10.77.0.0/24", "10.77.0.0/24"),
        ] {
            let container = Container::new("c");
            let result = node.add(&conf, &container);
            node.check(&conf, &container, &result).success();
            container.netns.exec("ip", &words(act));
            failed(&node.check(&conf, &container, &result), 110, named);
            node.del(&conf, &container);
            let _ = fs::remove_dir_all(node.data_dir());
        }
        let container = Container::new("c");
        let result = node.add(&conf, &container);
        container.netns.exec("ip", &words("link del eth0"));
        container.netns.exec("ip", &words("link add eth0 type bridge"));
        failed(&node.check(&conf, &container, &result), 110, "tun");
        node.del(&conf, &container);
    });
}

#[test]
fn status_is_ipams() {
    on_a_node(|node| {
        let status = |conf: &Value| node.network_call("STATUS", conf).run();
        status(&conf(json!({}))).success();
        status(&l2(json!({}))).success();
        failed(&status(&conf(json!({ "ipam": { "type": "none" } }))), 103, "none");
        failed(&status(&conf(json!({ "selinuxContext": "x" }))), 7, "selinuxContext");
    });
}

/// Narrowed grants: no tap, no port of a bridge.
#[test]
fn what_no_grant_gives_is_refused() {
    with_tun(|node| {
        let container = Container::new("c");
        container.netns.exec("ip", &words("link add br0 type bridge"));
        let shipped = wasmcni::component::find("tap").unwrap().grants;
        let dir = node.below("etc/wasmcni/plugins");
        fs::create_dir_all(&dir).unwrap();
        let conf = l2(json!({ "bridge": "br0" }));
        for (from, to, named) in [
            (
                "kind = \"tap\"\nname = \"@ifname\"\nowner = \"any\"\ngroup = \"any\"",
                "kind = \"dummy\"\nname = \"@ifname\"",
                "link.create kind=tap name=\"eth0\"",
            ),
            (
                "master = \"@config.bridge\"",
                "master = \"br1\"",
                "link.set-master name=\"eth0\" master=\"br0\"",
            ),
        ] {
            assert!(shipped.contains(from), "{from}");
            fs::write(dir.join("tap.toml"), shipped.replacen(from, to, 1)).unwrap();
            failed(&node.call("ADD", &conf, &container).run(), 100, named);
            assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo", "br0"], "{to}");
            assert_eq!(node.leftovers(&[]), [""; 0], "{to}");
        }
    });
}
