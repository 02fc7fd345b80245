//! `host-local` on disk: reservations, who holds them, and how they go.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::failed;
use crate::harness::exec::Exec;
use crate::harness::node::{Container, Node, on_a_node, with};

/// A configuration whose `ipam` has these keys.
pub(super) fn conf(ipam: Value) -> Value {
    let one = json!({ "type": "host-local", "subnet": "10.77.0.0/24" });
    json!({ "cniVersion": "1.1.0", "name": "net", "type": "host-local", "ipam": with(&one, ipam) })
}

/// A call for a container of this id: host-local needs a netns for the protocol alone.
pub(super) fn call(node: &Node, verb: &str, conf: &Value, id: &str) -> Exec {
    let netns = Path::new("/run/netns/any");
    if !netns.exists() {
        std::mem::forget(Container::new("any"));
    }
    let call = node.network_call(verb, conf).env("CNI_CONTAINERID", id).env("CNI_IFNAME", "eth0");
    call.env("CNI_NETNS", netns.display().to_string())
}

/// The addresses of an ADD, which must succeed.
pub(super) fn added(node: &Node, conf: &Value, id: &str) -> Vec<String> {
    let result = call(node, "ADD", conf, id).run().success();
    let ips = result["ips"].as_array().unwrap();
    ips.iter().map(|ip| ip["address"].as_str().unwrap().to_owned()).collect()
}

fn network(node: &Node) -> PathBuf {
    Path::new(&node.data_dir()).join("net")
}

fn reservations(node: &Node) -> Vec<String> {
    node.reservations().iter().map(IpAddr::to_string).collect()
}

/// The directory is what the reference plugin makes of it.
#[test]
fn reservations_are_files_as_others_write_them() {
    on_a_node(|node| {
        let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "fd77::/64" }]]);
        let conf = conf(json!({ "subnet": null, "ranges": ranges }));
        assert_eq!(added(&node, &conf, "cid"), ["10.77.0.2/24", "fd77::2/64"]);
        let network = network(&node);
        for address in ["10.77.0.2", "fd77::2"] {
            let file = network.join(address);
            assert_eq!(fs::read_to_string(&file).unwrap(), "cid\r\neth0");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_to_string(network.join("last_reserved_ip.0")).unwrap(), "10.77.0.2");
        assert_eq!(fs::read_to_string(network.join("last_reserved_ip.1")).unwrap(), "fd77::2");
        assert_eq!(fs::metadata(&network).unwrap().permissions().mode() & 0o777, 0o755);
        call(&node, "DEL", &conf, "cid").run().success();
        assert_eq!(reservations(&node), [""; 0]);
    });
}

/// One after the other, and round again, so that an address rests before it is used again.
#[test]
fn addresses_are_given_in_turn() {
    on_a_node(|node| {
        let conf = conf(json!({ "rangeEnd": "10.77.0.4" }));
        for (n, expected) in
            ["10.77.0.2/24", "10.77.0.3/24", "10.77.0.4/24", "10.77.0.2/24"].iter().enumerate()
        {
            let id = format!("c{n}");
            assert_eq!(added(&node, &conf, &id), [*expected]);
            call(&node, "DEL", &conf, &id).run().success();
        }
        // What is held is passed over.
        assert_eq!(added(&node, &conf, "a"), ["10.77.0.3/24"]);
        assert_eq!(added(&node, &conf, "b"), ["10.77.0.4/24"]);
        assert_eq!(added(&node, &conf, "c"), ["10.77.0.2/24"]);
        failed(&call(&node, "ADD", &conf, "d").run(), 50, "10.77.0.4");
        call(&node, "DEL", &conf, "b").run().success();
        assert_eq!(added(&node, &conf, "d"), ["10.77.0.4/24"]);
    });
}

/// An attachment has its addresses once, whatever else is asked for; another interface has its own.
#[test]
fn an_attachment_holds_its_addresses_once() {
    on_a_node(|node| {
        let conf = conf(json!({}));
        assert_eq!(added(&node, &conf, "a"), ["10.77.0.2/24"]);
        let again = call(&node, "ADD", &conf, "a").run();
        assert!(again.failure().1.contains("10.77.0.2"), "{again:?}");
        let other = call(&node, "ADD", &conf, "a").env("CNI_IFNAME", "eth1").run().success();
        assert_eq!(other["ips"][0]["address"], "10.77.0.3/24");
        call(&node, "DEL", &conf, "a").run().success();
        assert_eq!(reservations(&node), ["10.77.0.3"]);
    });
}

/// A set that has no address left gives back what the others gave.
#[test]
fn sets_are_all_or_nothing() {
    on_a_node(|node| {
        let ranges = json!([[{ "subnet": "10.77.0.0/24" }], [{ "subnet": "10.78.0.0/30" }]]);
        let conf = conf(json!({ "subnet": null, "ranges": ranges }));
        assert_eq!(added(&node, &conf, "a"), ["10.77.0.2/24", "10.78.0.2/30"]);
        failed(&call(&node, "ADD", &conf, "b").run(), 50, "10.78.0.2");
        assert_eq!(reservations(&node), ["10.77.0.2", "10.78.0.2"]);
        assert!(node.files().iter().filter(|file| file.starts_with("journal")).count() == 1);
    });
}

/// Files of older versions hold the container's id alone.
#[test]
fn reservations_of_old_are_known_and_released() {
    on_a_node(|node| {
        let conf = conf(json!({}));
        let network = network(&node);
        fs::create_dir_all(&network).unwrap();
        for (address, content) in
            [("10.77.0.2", "a"), ("10.77.0.3", "b\n"), ("10.77.0.4", "c\r\neth0")]
        {
            fs::write(network.join(address), content).unwrap();
        }
        fs::write(network.join("last_reserved_ip.0"), "10.77.0.4").unwrap();
        fs::write(network.join("lock"), "").unwrap();
        assert_eq!(added(&node, &conf, "d"), ["10.77.0.5/24"]);
        for id in ["a", "b"] {
            let result = json!({ "cniVersion": "1.1.0", "ips": [] });
            let check = call(&node, "CHECK", &with(&conf, json!({ "prevResult": result })), id);
            check.run().success();
            call(&node, "DEL", &conf, id).run().success();
        }
        // Another interface's is not this one's.
        call(&node, "DEL", &conf, "c").env("CNI_IFNAME", "eth1").run().success();
        assert_eq!(reservations(&node), ["10.77.0.4", "10.77.0.5"]);
    });
}

/// What a crash left: files with nothing in them hold no address for ever.
#[test]
fn empty_files_are_nobodys() {
    on_a_node(|node| {
        let conf = conf(json!({ "rangeEnd": "10.77.0.3" }));
        let network = network(&node);
        fs::create_dir_all(&network).unwrap();
        fs::write(network.join("10.77.0.2"), "").unwrap();
        fs::write(network.join("10.77.0.3"), "").unwrap();
        fs::write(network.join("something-else"), "x").unwrap();
        let mut got = [added(&node, &conf, "a"), added(&node, &conf, "b")].concat();
        got.sort();
        assert_eq!(got, ["10.77.0.2/24", "10.77.0.3/24"]);
        assert_eq!(fs::read_to_string(network.join("something-else")).unwrap(), "x");
    });
}

/// `dataDir`, and a network of another name in it.
#[test]
fn networks_have_directories_of_their_own() {
    on_a_node(|node| {
        let elsewhere = node.below("elsewhere").display().to_string();
        for (ipam, directory) in
            [(json!({}), node.data_dir()), (json!({ "dataDir": elsewhere }), elsewhere.clone())]
        {
            for name in ["net", "other.net"] {
                let conf = with(&conf(ipam.clone()), json!({ "name": name }));
                assert_eq!(added(&node, &conf, "a"), ["10.77.0.2/24"]);
                assert!(
                    Path::new(&directory).join(name).join("10.77.0.2").is_file(),
                    "{directory} {name}"
                );
                call(&node, "DEL", &conf, "a").run().success();
            }
        }
        assert_eq!(reservations(&node), [""; 0]);
    });
}

#[test]
fn check_looks_for_the_reservations_of_the_result() {
    on_a_node(|node| {
        let conf = conf(json!({}));
        let result = call(&node, "ADD", &conf, "a").run().success();
        let check = |result: &Value| {
            call(&node, "CHECK", &with(&conf, json!({ "prevResult": result })), "a").run()
        };
        check(&result).success();
        let mut other = result.clone();
        other["ips"][0]["address"] = "10.77.0.9/24".into();
        failed(&check(&other), 110, "10.77.0.9");
        fs::write(network(&node).join("10.77.0.2"), "b\r\neth0").unwrap();
        failed(&check(&result), 110, "10.77.0.2");
    });
}

#[test]
fn resolv_conf_is_the_results_dns() {
    on_a_node(|node| {
        let text = "# comment\n; another\nnameserver 192.0.2.1\nnameserver 2001:db8::1\ndomain a.example\n\
            domain b.example\nsearch c.example  d.example\nsearch e.example\noptions ndots:2 edns0\nsortlist x\n";
        fs::write("/run/resolv.conf", text).unwrap();
        let with_file = conf(json!({ "resolvConf": "/run/resolv.conf" }));
        let result = call(&node, "ADD", &with_file, "a").run().success();
        assert_eq!(
            result["dns"],
            json!({
                "nameservers": ["192.0.2.1", "2001:db8::1"], "domain": "b.example",
                "search": ["c.example", "d.example", "e.example"], "options": ["ndots:2", "edns0"],
            })
        );
        let missing = conf(json!({ "resolvConf": "/run/missing.conf" }));
        let outcome = call(&node, "ADD", &missing, "b").run();
        assert!(outcome.failure().1.contains("/run/missing.conf"), "{outcome:?}");
        assert_eq!(reservations(&node), ["10.77.0.2"]);
    });
}
