//! `host-device`: a device of the node moves into the container, and back.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::children::words;
use super::{failed, on_node};
use crate::harness::netns::{Netns, ip, ip_json, names};
use crate::harness::node::{Container, on_a_node, with};

pub(super) const MAC: &str = "02:00:00:00:00:05";

pub(super) fn conf(more: Value) -> Value {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "host-device",
        "ipam": { "type": "host-local", "ranges": [
            [{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }],
        ] },
    });
    with(&conf, more)
}

pub(super) fn l2(more: Value) -> Value {
    with(&conf(more), json!({ "ipam": null }))
}

/// A device, up and with an alias, whose cable leads into a network of its own, where 10.77.0.1 and fd77::1
/// answer.
pub(super) fn plug_in(name: &str) -> Netns {
    let network = Netns::new(&format!("behind-{name}"));
    let peer = format!("peer name wire netns behind-{name}");
    ip(&words(&format!("link add {name} address {MAC} type veth {peer}")));
    network.exec("ip", &words("link set wire up"));
    network.exec("ip", &words("addr add 10.77.0.1/24 dev wire"));
    network.exec("ip", &words("addr add fd77::1/64 dev wire nodad"));
    ip(&words(&format!("link set {name} up alias uplink")));
    network
}

/// The device as `ip` tells it, but for what its end of the cable makes of it.
pub(super) fn seen(name: &str) -> Value {
    let link = on_node(name);
    let told = ["ifname", "address", "mtu", "ifalias", "flags", "promiscuity"];
    told.iter()
        .map(|key| ((*key).to_owned(), link[*key].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(super) fn is_up(link: &Value) -> bool {
    link["flags"].as_array().unwrap().contains(&"UP".into())
}

#[test]
fn a_device_moves_in_and_out() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let container = Container::new("c");
        let conf = l2(json!({ "device": "ens5" }));
        let result = node.add(&conf, &container);
        let inside = container.interface();
        assert_eq!((&inside["ifname"], &inside["ifalias"]), (&"eth0".into(), &"ens5".into()));
        assert_eq!(inside["address"], MAC);
        assert!(is_up(&inside));
        assert_eq!(names(&ip_json(&["link"])), ["lo"]);
        let sandbox = container.netns.path().to_str().unwrap();
        let interface = json!({ "name": "eth0", "mac": MAC, "sandbox": sandbox });
        assert_eq!(result, json!({ "cniVersion": "1.1.0", "interfaces": [interface] }));
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        let outside = on_node("ens5");
        assert_eq!(outside["ifalias"], "uplink");
        assert!(!is_up(&outside));
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
        assert_eq!(node.leftovers(&["ens5"]), [""; 0]);
        // And again.
        let result = node.add(&conf, &container);
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
    });
}

#[test]
fn addresses_are_the_devices() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let container = Container::new("c");
        let mut conf = conf(json!({ "device": "ens5", "dns": { "nameservers": ["10.77.0.1"] } }));
        conf["ipam"]["ranges"][0][0]["rangeStart"] = "10.77.0.9".into();
        conf["ipam"]["ranges"][1][0]["rangeStart"] = "fd77::9".into();
        conf["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0" }, { "dst": "fd09::/64" }]);
        let result = node.add(&conf, &container);
        assert_eq!(container.addresses(), ["10.77.0.9/24", "fd77::9/64"]);
        assert!(container.routes().iter().any(|r| r == "default via 10.77.0.1 dev eth0"));
        assert!(container.routes().iter().any(|r| r.starts_with("fd09::/64 via fd77::1 dev eth0")));
        assert!(container.netns.reaches("10.77.0.1") && container.netns.reaches("fd77::1"));
        assert_eq!(result["dns"], json!({ "nameservers": ["10.77.0.1"] }));
        assert!(result["ips"].as_array().unwrap().iter().all(|ip| ip["interface"] == 0));
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&["ens5"]), [""; 0]);
    });
}

/// A runtime may have switched IPv6 off in the container.
#[test]
fn ipv6_is_switched_on() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let container = Container::new("c");
        container.netns.inside(|| {
            for key in ["default", "lo"] {
                fs::write(format!("/proc/sys/net/ipv6/conf/{key}/disable_ipv6"), "1").unwrap();
            }
        });
        let conf = conf(json!({ "device": "ens5", "ipam": {
            "type": "static", "addresses": [{ "address": "fd77::9/64", "gateway": "fd77::1" }]
        } }));
        node.add(&conf, &container);
        assert!(container.netns.reaches("fd77::1"));
        node.del(&conf, &container);
    });
}

/// Names that are taken on either side.
#[test]
fn names_may_clash() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        ip(&words("link add eth0 type bridge"));
        let container = Container::new("c");
        container.netns.exec("ip", &words("link add ens5 type bridge"));
        let conf = l2(json!({ "device": "ens5" }));
        node.add(&conf, &container);
        assert_eq!(container.interface()["address"], MAC);
        // Somebody takes the name meanwhile: the device stays until it is free.
        ip(&words("link add ens5 type bridge"));
        failed(&node.call("DEL", &conf, &container).run(), 999, "ens5");
        assert_eq!(container.interface()["ifalias"], "ens5");
        ip(&words("link del ens5"));
        node.del(&conf, &container);
        assert_eq!(on_node("ens5")["address"], MAC);
        assert_eq!(node.leftovers(&["ens5", "eth0"]), [""; 0]);
    });
}

/// Whatever an ADD fails at, the device is as it was.
#[test]
fn an_add_that_fails_changes_nothing() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        ip(&words("addr add 192.0.2.7/24 dev ens5"));
        let container = Container::new("c");
        let before = (seen("ens5"), on_node("ens5")["addr_info"].clone());
        let untouched = || {
            assert_eq!((seen("ens5"), on_node("ens5")["addr_info"].clone()), before);
            assert_eq!(node.files(), [""; 0]);
        };
        // IPAM fails before anything is moved: even the addresses stay.
        let none =
            json!({ "type": "host-local", "subnet": "10.77.0.0/24", "rangeStart": "10.78.0.1" });
        failed(
            &node.call("ADD", &conf(json!({ "device": "ens5", "ipam": none })), &container).run(),
            7,
            "rangeStart",
        );
        untouched();
        container.netns.exec("ip", &words("link add eth0 type bridge"));
        assert_eq!(
            node.call("ADD", &conf(json!({ "device": "ens5" })), &container).run().status,
            Some(1)
        );
        container.netns.exec("ip", &words("link del eth0"));
        untouched();
        // A route by a gateway that nobody reaches fails last. The kernel has dropped the addresses by then.
        let ipam = json!({ "type": "static", "addresses": [{ "address": "10.77.0.2/24" }],
            "routes": [{ "dst": "10.9.0.0/16", "gw": "10.200.0.1" }] });
        let outcome =
            node.call("ADD", &conf(json!({ "device": "ens5", "ipam": ipam })), &container).run();
        failed(&outcome, 999, "10.9.0.0/16");
        assert!(!outcome.stdout.contains("not taken back"), "{outcome:?}");
        assert_eq!(seen("ens5"), before.0, "up, with its alias");
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
        assert_eq!(node.leftovers(&["ens5"]), [""; 0]);
    });
}

#[test]
fn wrong_configurations_are_refused() {
    on_a_node(|node| {
        let container = Container::new("c");
        for (keys, named) in [
            (json!({}), "device"),
            (json!({ "device": 7 }), "device"),
            (json!({ "hwaddr": "02:00" }), "hwaddr"),
            (json!({ "kernelpath": "/etc/passwd" }), "kernelpath"),
            (json!({ "kernelpath": "/sys/devices/../../etc" }), "kernelpath"),
            (json!({ "pciBusID": "../../../etc" }), "pciBusID"),
            (json!({ "pciBusID": "0000:00:1f" }), "pciBusID"),
            (json!({ "pciBusID": "0000.00:x" }), "0000.00:x"),
            (json!({ "runtimeConfig": { "deviceID": "/etc" } }), "deviceID"),
            (json!({ "runtimeConfig": { "deviceID": "mlx5_core.sf" } }), "mlx5_core.sf"),
            (json!({ "kernelpath": "/sys/devices/a//b" }), "/sys/devices/a//b"),
        ] {
            super::refused(&node, &conf(keys), &container, named);
        }
        for (keys, named) in [
            (json!({ "device": "ens9" }), "ens9"),
            (json!({ "device": "../x" }), "../x"),
            (json!({ "hwaddr": MAC }), MAC),
            (json!({ "pciBusID": "0000:00:1f.6" }), "0000:00:1f.6"),
            (json!({ "kernelpath": "/sys/devices/pci0000:00" }), "pci0000:00"),
        ] {
            failed(&node.call("ADD", &conf(keys), &container).run(), 999, named);
            assert_eq!(node.leftovers(&[]), [""; 0]);
        }
    });
}

#[test]
fn del_needs_nothing() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let container = Container::new("c");
        let conf = conf(json!({ "device": "ens5" }));
        let journals = node.below("run/wasmcni/attachments");
        // Never added; twice.
        node.del(&conf, &container);
        node.add(&conf, &container);
        node.del(&conf, &container);
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&["ens5"]), [""; 0]);
        // With a broken configuration.
        node.add(&conf, &container);
        node.del(&with(&conf, json!({ "device": null, "hwaddr": "x" })), &container);
        assert_eq!(on_node("ens5")["ifalias"], "uplink");
        // Of another implementation, or with the journal lost: the alias tells.
        node.add(&conf, &container);
        fs::remove_dir_all(&journals).unwrap();
        node.del(&conf, &container);
        assert_eq!(on_node("ens5")["ifalias"], Value::Null);
        assert_eq!(node.leftovers(&["ens5"]), [""; 0]);
        // A link that nobody took from anywhere is another's.
        container.netns.exec("ip", &words("link add eth0 type bridge"));
        node.del(&conf, &container);
        container.netns.exec("ip", &words("link del eth0"));
        // With what the container did to it: another name, another alias.
        node.add(&conf, &container);
        container.netns.exec("ip", &words("link set eth0 down"));
        container.netns.exec("ip", &words("link set eth0 name mine alias mine"));
        node.del(&conf, &container);
        assert_eq!(on_node("ens5")["address"], MAC);
        // Without a netns: the addresses are released.
        node.add(&conf, &container);
        let call = node.call("DEL", &conf, &container);
        call.clone().without("CNI_NETNS").run().success();
        assert_eq!(node.files(), [""; 0]);
        node.del(&conf, &container);
        assert_eq!(on_node("ens5")["address"], MAC);
        // With one that is gone, and the device, which is no hardware, with it.
        node.add(&conf, &container);
        let path = container.netns.path().to_owned();
        drop(container);
        assert!(!Path::new(&path).exists());
        call.run().success();
        assert_eq!(node.files(), [""; 0]);
    });
}

/// When a netns goes, the kernel gives hardware back under whatever name it had there, or `dev5`.
#[test]
fn hardware_that_the_kernel_gave_back_gets_its_name() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let container = Container::new("c");
        let conf = conf(json!({ "device": "ens5" }));
        node.add(&conf, &container);
        let pid = std::process::id().to_string();
        container.netns.exec("ip", &["link", "set", "eth0", "netns", &pid, "name", "dev5"]);
        node.call("DEL", &conf, &container).env("CNI_NETNS", "/run/netns/gone").run().success();
        let back = on_node("ens5");
        assert_eq!((&back["address"], &back["ifalias"]), (&MAC.into(), &"uplink".into()));
        assert_eq!(node.leftovers(&["ens5"]), [""; 0]);
    });
}

#[test]
fn whatever_was_made_is_missed() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let mut conf = conf(json!({ "device": "ens5" }));
        conf["ipam"]["routes"] = json!([{ "dst": "10.9.0.0/16", "gw": "10.77.0.9" }]);
        for (act, named) in [
            ("link set eth0 down", "eth0"),
            ("link set eth0 address 02:00:00:00:00:66", "02:00:00:00:00:66"),
            ("link set eth0 alias other", "other"),
            ("link property add dev eth0 altname x", ""),
            ("addr delete 10.77.0.2/24 dev eth0", "10.77.0.2/24"),
            ("addr delete fd77::2/64 dev eth0", "fd77::2/64"),
            ("route delete 10.9.0.0/16", "10.9.0.0/16"),
            ("route delete 10.77.0.0/24", "10.77.0.0/24"),
        ] {
            let container = Container::new("c");
            let result = node.add(&conf, &container);
            node.check(&conf, &container, &result).success();
            container.netns.exec("ip", &words(act));
            let outcome = node.check(&conf, &container, &result);
            match named {
                // What others added does not matter.
                "" => assert_eq!(outcome.success(), Value::Null),
                _ => failed(&outcome, 110, named),
            }
            node.del(&conf, &container);
            ip(&words(&format!("link set ens5 address {MAC}")));
            let _ = fs::remove_dir_all(node.data_dir());
        }
        let container = Container::new("c");
        let result = node.add(&conf, &container);
        container.netns.exec("ip", &words("link set eth0 down"));
        container.netns.exec("ip", &words("link set eth0 name eth7"));
        failed(&node.check(&conf, &container, &result), 110, "eth0");
        node.del(&conf, &container);
        assert_eq!(node.leftovers(&["ens5"]), [""; 0]);
    });
}

#[test]
fn status_tells_whether_the_device_is_there() {
    on_a_node(|node| {
        let status = |conf: &Value| node.network_call("STATUS", conf).run();
        let by_name = conf(json!({ "device": "ens5" }));
        failed(&status(&by_name), 50, "ens5");
        let _network = plug_in("ens5");
        status(&by_name).success();
        status(&conf(json!({ "hwaddr": MAC }))).success();
        failed(&status(&conf(json!({ "hwaddr": "02:00:00:00:00:99" }))), 50, "02:00:00:00:00:99");
        // Only the runtime knows, when it comes to it.
        status(&conf(json!({ "capabilities": { "deviceID": true } }))).success();
        failed(
            &status(&conf(json!({ "device": "ens5", "ipam": { "type": "none" } }))),
            103,
            "none",
        );
        let container = Container::new("c");
        node.add(&by_name, &container);
        failed(&status(&by_name), 50, "ens5");
        node.del(&by_name, &container);
    });
}

/// The configuration decides which device moves; the grants, which may.
#[test]
fn grants_narrow_what_may_move() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let container = Container::new("c");
        let shipped = wasmcni::component::find("host-device").unwrap().grants;
        let grants = |from: &str, to: &str| {
            let dir = node.below("etc/wasmcni/plugins");
            fs::create_dir_all(&dir).unwrap();
            assert!(shipped.contains(from), "{from}");
            fs::write(dir.join("host-device.toml"), shipped.replacen(from, to, 1)).unwrap();
        };
        let conf = l2(json!({ "device": "ens5" }));
        let before = seen("ens5");
        for (from, to, code, named) in [
            ("from = \"*\"", "from = \"sriov*\"", 100, "link.move name=\"eth0\" from=\"ens5\""),
            (
                "device = \"@config.device\"",
                "device = \"ens6\"",
                100,
                "device.find by=name device=\"ens5\"",
            ),
            ("op = \"link.set-up\"", "op = \"link.set-down\"", 103, "link.set-up"),
        ] {
            grants(from, to);
            failed(&node.call("ADD", &conf, &container).run(), code, named);
            assert_eq!(seen("ens5"), before, "{to}");
            assert_eq!(node.leftovers(&["ens5"]), [""; 0], "{to}");
        }
        grants("from = \"*\"", "from = \"ens*\"");
        node.add(&conf, &container);
        node.del(&conf, &container);
    });
}
