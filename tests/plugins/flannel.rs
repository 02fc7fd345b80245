//! `flannel`: renders another plugin's configuration and has that plugin do the work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::portmap::outside;
use super::{failed, on_node, refused};
use crate::harness::netns::{addresses, bridge_json, ip_json, names, nft_elements};
use crate::harness::node::{Container, Node, on_a_node, with};
use crate::harness::talk::{ask_tcp, serve_tcp};

const NOTHING: [&str; 0] = [];

/// One family, and flanneld masquerades.
const FIELD: &str = include_str!("configs/flannel-subnet.env");

/// Both families, and flanneld does not.
const DUAL: &str = "FLANNEL_NETWORK=10.244.0.0/16,10.245.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n\
    FLANNEL_IPV6_NETWORK=fd44::/48\nFLANNEL_IPV6_SUBNET=fd44:0:0:1::1/64\nFLANNEL_MTU=1400\n\
    FLANNEL_IPMASQ=false\n";

fn subnet_file(node: &Node) -> PathBuf {
    node.below("run/flannel/subnet.env")
}

/// A node on which flanneld has written this.
fn on_a_flannel_node(subnet: &str, test: impl FnOnce(Node)) {
    on_a_node(|node| {
        fs::create_dir_all(subnet_file(&node).parent().unwrap()).unwrap();
        fs::write(subnet_file(&node), subnet).unwrap();
        test(node);
    });
}

fn conf(more: Value) -> Value {
    with(&json!({ "cniVersion": "1.1.0", "name": "cbr0", "type": "flannel" }), more)
}

/// What was saved under a name.
fn saved(node: &Node, name: &str) -> Value {
    let text = fs::read_to_string(node.below("var/lib/cni/flannel").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// As if another implementation had made what there is.
fn forget(node: &Node) {
    fs::remove_dir_all(node.below("run/wasmcni")).unwrap();
}

fn nothing_but_the_bridge(node: &Node, container: &Container, at: &str) {
    assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"], "{at}");
    assert_eq!(node.leftovers(&["cni0"]), NOTHING, "{at}");
}

/// The list that clusters have.
#[test]
fn the_field_configuration() {
    on_a_flannel_node(FIELD, |node| {
        let list: Value = serde_json::from_str(include_str!("configs/flannel.conflist")).unwrap();
        let conf =
            with(&list["plugins"][0], json!({ "name": list["name"], "cniVersion": "1.0.0" }));
        let container = Container::new("c");
        let outcome = node.call("ADD", &conf, &container).run();
        let result = outcome.success();
        assert_eq!(outcome.stderr, "", "configurations are no log");
        assert_eq!(result["ips"][0]["address"], "10.244.1.2/24");
        assert_eq!(result["interfaces"][2]["sandbox"], json!(container.netns.path()));
        assert_eq!(addresses(&on_node("cni0")), ["10.244.1.1/24"]);
        assert_eq!(on_node("cni0")["mtu"], 1410);
        assert_eq!(container.interface()["mtu"], 1410);
        assert_eq!(
            container.routes(),
            [
                "10.244.0.0/16 via 10.244.1.1 dev eth0",
                "10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.2",
                "default via 10.244.1.1 dev eth0",
            ]
        );
        assert_eq!(bridge_json(&["link"])[0]["hairpin"], true);
        assert_eq!(nft_elements(), NOTHING, "flanneld masquerades");
        assert_eq!(
            saved(&node, "id-c"),
            json!({
                "cniVersion": "1.0.0", "name": "cbr0", "type": "bridge", "isGateway": true, "isDefaultGateway": true,
                "hairpinMode": true, "ipMasq": false, "mtu": 1410,
                "ipam": {
                    "type": "host-local", "ranges": [[{ "subnet": "10.244.1.0/24" }]],
                    "routes": [{ "dst": "10.244.0.0/16" }],
                },
                "wasmcni/ifname": "eth0",
            })
        );
        node.check(&conf, &container, &result).success();
        let outcome = node.call("DEL", &conf, &container).run();
        outcome.success();
        assert_eq!(outcome.stderr, "");
        nothing_but_the_bridge(&node, &container, "after DEL");
    });
}

/// The whole list, with a port as containerd writes it.
#[test]
fn the_field_list_publishes_ports() {
    on_a_flannel_node(FIELD, |node| {
        let outside = outside();
        let container = Container::new("c");
        serve_tcp(Some(&container.netns), "c", 80);
        let ports = json!({ "portMappings": [
            { "HostPort": 18090, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "" }
        ] });
        // Without a version, as in the field, it is 0.1.0.
        for version in [json!(null), json!("0.3.1"), json!("1.0.0")] {
            let list: Value =
                serde_json::from_str(include_str!("configs/flannel.conflist")).unwrap();
            let mut list = with(&list, json!({ "cniVersion": version }));
            list["plugins"][1]["runtimeConfig"] = ports.clone();
            let result = node.add_list(&list, &container);
            for asking in [Some(&outside), None] {
                let answer = ask_tcp(asking, "203.0.113.1:18090").map(|said| said.who);
                assert_eq!(answer.as_deref(), Some("c"), "{version}");
            }
            if version == "1.0.0" {
                node.check_list(&list, &container, &result).success();
            }
            node.del_list(&list, &container, &result);
            assert_eq!(ask_tcp(Some(&outside), "203.0.113.1:18090"), None);
            assert_eq!(node.leftovers(&["cni0", "up0"]), NOTHING, "{version}");
        }
    });
}

/// Of every version, both families, with what `delegate`, `ipam` and capability arguments say.
#[test]
fn what_is_said_reaches_the_delegate() {
    on_a_flannel_node(DUAL, |node| {
        let container = Container::new("c");
        let usual = conf(json!({}));
        let result = node.add(&usual, &container);
        assert_eq!(container.addresses(), ["10.244.1.2/24", "fd44:0:0:1::2/64"]);
        let routes = container.routes();
        for route in ["10.244.0.0/16 via", "10.245.0.0/16 via", "fd44::/48 via fd44:0:0:1::1"] {
            assert!(routes.iter().any(|r| r.starts_with(route)), "{route}: {routes:?}");
        }
        let masqueraded = nft_elements();
        for source in ["10.244.1.2", "fd44:0:0:1::2"] {
            assert!(masqueraded.iter().any(|element| element.contains(source)), "{source}");
        }
        node.check(&usual, &container, &result).success();
        node.del(&usual, &container);
        nothing_but_the_bridge(&node, &container, "usual");

        let said = conf(json!({
            "delegate": { "type": "ptp", "mtu": 1300, "ipMasq": false },
            "ipam": { "routes": [{ "dst": "10.9.0.0/16" }], "ranges": "none of these count" },
            "runtimeConfig": { "ips": ["10.244.1.77"] },
        }));
        let result = node.add(&said, &container);
        assert_eq!(container.addresses(), ["10.244.1.77/24", "fd44:0:0:1::3/64"]);
        assert_eq!(container.interface()["mtu"], 1300);
        assert!(container.routes().iter().any(|r| r.starts_with("10.9.0.0/16 via 10.244.1.1")));
        assert_eq!(nft_elements(), NOTHING);
        node.check(&said, &container, &result).success();
        node.del(&said, &container);
        nothing_but_the_bridge(&node, &container, "ptp");

        for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
            let old = with(&usual, json!({ "cniVersion": version }));
            let result = node.add(&old, &container);
            assert_eq!(result["cniVersion"], version);
            node.del(&old, &container);
            nothing_but_the_bridge(&node, &container, version);
        }
    });
}

/// Where a grant of the delegate says `@config.bridge`, the rendered configuration is meant.
#[test]
fn the_delegates_grants_are_of_its_own_configuration() {
    on_a_flannel_node(FIELD, |node| {
        let container = Container::new("c");
        let named = conf(json!({ "bridge": "not0", "delegate": { "bridge": "br9" } }));
        node.add(&named, &container);
        assert_eq!(addresses(&on_node("br9")), ["10.244.1.1/24"]);
        node.del(&named, &container);
        assert_eq!(node.leftovers(&["br9"]), NOTHING);
    });
}

#[test]
fn files_may_be_elsewhere() {
    on_a_node(|node| {
        let (file, dir) = (node.below("else/env"), node.below("else/a/b"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, FIELD).unwrap();
        let elsewhere = conf(json!({ "subnetFile": file, "dataDir": dir }));
        let container = Container::new("c");
        let result = node.add(&elsewhere, &container);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("id-c"))), (0o700, 0o600));
        node.check(&elsewhere, &container, &result).success();
        node.del(&elsewhere, &container);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        nothing_but_the_bridge(&node, &container, "elsewhere");
    });
}

#[test]
fn each_interface_of_a_container_has_its_own() {
    on_a_flannel_node(FIELD, |node| {
        let mut container = Container::new("c");
        let (first, second) =
            (conf(json!({})), conf(json!({ "name": "two", "delegate": { "type": "ptp" } })));
        node.add(&first, &container);
        container.ifname = "eth1".to_owned();
        node.add(&second, &container);
        assert_eq!(saved(&node, "id-c")["type"], "bridge");
        assert_eq!(saved(&node, "id-c:eth1")["type"], "ptp");
        forget(&node);
        container.ifname = "eth0".to_owned();
        node.del(&first, &container);
        assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo", "eth1"]);
        container.ifname = "eth1".to_owned();
        node.del(&second, &container);
        nothing_but_the_bridge(&node, &container, "both");
    });
}

#[test]
fn del_needs_nothing() {
    on_a_flannel_node(FIELD, |node| {
        let container = Container::new("c");
        let conf = conf(json!({ "delegate": { "ipMasq": true } }));
        let saved = node.below("var/lib/cni/flannel/id-c");
        let env = subnet_file(&node);
        node.del(&conf, &container);
        let cases: [(&str, &dyn Fn()); 9] = [
            ("everything there", &|| ()),
            ("no journal", &|| forget(&node)),
            ("no file, no journal", &|| {
                fs::remove_file(&saved).unwrap();
                forget(&node);
            }),
            ("no file", &|| fs::remove_file(&saved).unwrap()),
            ("an empty file", &|| fs::write(&saved, "").unwrap()),
            ("an empty file, no journal", &|| {
                fs::write(&saved, "").unwrap();
                forget(&node);
            }),
            ("no subnet, no journal", &|| {
                fs::remove_file(&env).unwrap();
                forget(&node);
            }),
            ("no file, no subnet", &|| {
                fs::remove_file(&saved).unwrap();
                fs::remove_file(&env).unwrap();
            }),
            ("no file, a broken subnet", &|| {
                fs::remove_file(&saved).unwrap();
                fs::write(&env, "FLANNEL_MTU=no\n").unwrap();
            }),
        ];
        for (at, harm) in cases {
            fs::write(&env, FIELD).unwrap();
            node.add(&conf, &container);
            harm();
            node.del(&conf, &container);
            nothing_but_the_bridge(&node, &container, at);
            node.del(&conf, &container);
        }
        // The container is gone, and with it its end of the link.
        fs::write(&env, FIELD).unwrap();
        for journal in [true, false] {
            node.add(&conf, &container);
            if !journal {
                forget(&node);
            }
            container.netns.exec("ip", &["link", "delete", "eth0"]);
            node.call("DEL", &conf, &container).without("CNI_NETNS").run().success();
            nothing_but_the_bridge(&node, &container, &format!("no netns, journal {journal}"));
        }
        // And with a configuration that has become wrong.
        node.add(&conf, &container);
        forget(&node);
        node.del(&with(&conf, json!({ "delegate": { "name": "x" } })), &container);
        nothing_but_the_bridge(&node, &container, "a broken configuration");
    });
}

/// Nothing was made, so nothing is found, nor made by looking for it.
#[test]
fn del_of_nothing() {
    on_a_node(|node| {
        let container = Container::new("c");
        node.del(&conf(json!({})), &container);
        node.call("DEL", &conf(json!({})), &container).without("CNI_NETNS").run().success();
        assert_eq!(node.leftovers(&[]), NOTHING);
        assert!(!node.below("var").exists());
    });
}

#[test]
fn check_finds_what_is_broken() {
    on_a_flannel_node(FIELD, |node| {
        let container = Container::new("c");
        let conf = conf(json!({}));
        let result = node.add(&conf, &container);
        node.check(&conf, &container, &result).success();
        container.netns.exec("ip", &["route", "delete", "10.244.0.0/16"]);
        failed(&node.check(&conf, &container, &result), 110, "10.244.0.0/16");
        container.netns.exec("ip", &["route", "add", "10.244.0.0/16", "via", "10.244.1.1"]);
        node.check(&conf, &container, &result).success();
        let saved = node.below("var/lib/cni/flannel/id-c");
        let text = fs::read_to_string(&saved).unwrap();
        fs::write(&saved, "").unwrap();
        failed(&node.check(&conf, &container, &result), 110, "saved for DEL");
        fs::remove_file(&saved).unwrap();
        failed(&node.check(&conf, &container, &result), 110, "saved for DEL: there is none");
        fs::write(&saved, text).unwrap();
        // flanneld may be away: what was made is what was saved.
        fs::remove_file(subnet_file(&node)).unwrap();
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
    });
}

#[test]
fn status_and_add_need_flanneld() {
    on_a_node(|node| {
        let container = Container::new("c");
        let conf = conf(json!({}));
        let status = || node.network_call("STATUS", &conf).run();
        let file = subnet_file(&node);
        let named = file.display().to_string();
        failed(&status(), 50, &named);
        failed(&node.call("ADD", &conf, &container).run(), 50, &named);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for (text, why) in [
            ("", "FLANNEL_NETWORK or FLANNEL_IPV6_NETWORK"),
            ("FLANNEL_NETWORK=x\n", "FLANNEL_NETWORK=\"x\""),
            (&FIELD.replace("FLANNEL_MTU", "MTU"), "FLANNEL_MTU"),
        ] {
            fs::write(&file, text).unwrap();
            failed(&status(), 50, why);
            failed(&node.call("ADD", &conf, &container).run(), 50, why);
        }
        fs::write(&file, FIELD).unwrap();
        status().success();
        // The delegate's own reasons.
        crate::harness::netns::ip(&["link", "add", "cni0", "type", "veth", "peer", "name", "v1"]);
        failed(&status(), 50, "cni0");
        assert_eq!(node.files(), NOTHING);
    });
}

#[test]
fn gc_is_the_delegates_too() {
    on_a_flannel_node(FIELD, |node| {
        let conf = conf(json!({}));
        let [kept, gone, foreign] = ["kept", "gone", "foreign"].map(Container::new);
        for container in [&foreign, &kept, &gone] {
            node.add(&conf, container);
            if container.id == foreign.id {
                forget(&node);
            }
        }
        let gc = with(
            &conf,
            json!({ "cni.dev/valid-attachments": [{ "containerID": "id-kept", "ifname": "eth0" }] }),
        );
        node.network_call("GC", &gc).run().success();
        let left = node.files();
        assert_eq!(left.len(), 3, "reservation, journal and saved configuration: {left:?}");
        assert!(left[1..].iter().all(|file| file.contains("id-kept")), "{left:?}");
        assert_eq!(names(&gone.netns.ip_json(&["link"])), ["lo"]);
        // flanneld may be gone for good.
        fs::remove_file(subnet_file(&node)).unwrap();
        let gc = with(&conf, json!({ "cni.dev/valid-attachments": [] }));
        node.network_call("GC", &gc).run().success();
        assert_eq!(node.files(), NOTHING);
    });
}

#[test]
fn wrong_configurations_leave_nothing() {
    on_a_flannel_node(FIELD, |node| {
        let container = Container::new("c");
        for (more, named) in [
            (json!({ "delegate": { "name": "x" } }), "delegate.name"),
            (json!({ "delegate": { "ipam": {} } }), "delegate.ipam"),
            (json!({ "delegate": { "type": 7 } }), "delegate.type"),
            (json!({ "delegate": [] }), "delegate"),
            (json!({ "delegate": { "mtu": -1 } }), "mtu"),
            (json!({ "ipam": { "routes": 1 } }), "ipam.routes"),
            (json!({ "subnetFile": 1 }), "subnetFile"),
        ] {
            refused(&node, &conf(more), &container, named);
        }
        let unknown = conf(json!({ "delegate": { "type": "acme" } }));
        failed(&node.call("ADD", &unknown, &container).run(), 103, "natives = [\"acme\"]");
        // It cannot be saved: what the delegate made is taken back.
        fs::write(node.below("occupied"), "").unwrap();
        let occupied = conf(json!({ "dataDir": node.below("occupied") }));
        let (_, details) = node.call("ADD", &occupied, &container).run().failure();
        assert!(details.contains("occupied"), "{details}");
        // A second ADD leaves the first one alone.
        let usual = conf(json!({}));
        let result = node.add(&usual, &container);
        node.call("ADD", &usual, &container).run().failure();
        node.check(&usual, &container, &result).success();
        node.del(&usual, &container);
        nothing_but_the_bridge(&node, &container, "at last");
    });
}

/// A delegate, its IPAM, and no more: not flannel again.
#[test]
fn delegation_has_a_bottom() {
    on_a_flannel_node(FIELD, |node| {
        let container = Container::new("c");
        let deep = conf(json!({ "delegate": { "type": "flannel" } }));
        failed(&node.call("ADD", &deep, &container).run(), 103, "delegates 3 deep already");
        assert_eq!(names(&ip_json(&["link"])), ["lo"]);
        assert_eq!(node.leftovers(&[]), NOTHING);
    });
}

/// What no grant gives: other delegates, other files.
#[test]
fn it_has_no_more_rights_than_it_was_granted() {
    on_a_flannel_node(FIELD, |node| {
        let container = Container::new("c");
        let grants = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins-wasm/flannel/grants.toml"),
        )
        .unwrap();
        let plugins = node.below("etc/wasmcni/plugins");
        fs::create_dir_all(&plugins).unwrap();
        for (allowed, instead, wanted) in [
            (
                "[\"@config.delegate.type=bridge\", \"bridge\"]",
                "\"ptp\"",
                "delegate.configure plugin=\"bridge\"",
            ),
            (
                "@config.subnetFile=/run/flannel/subnet.env",
                "/etc/flannel.env",
                "subnet-file.read path=\"/run/flannel/subnet.env\"",
            ),
            (
                "@config.dataDir=/var/lib/cni/flannel",
                "/var/lib/flannel",
                "saved-configuration.write data-dir=\"/var/lib/cni/flannel\"",
            ),
        ] {
            assert!(grants.contains(allowed));
            fs::write(plugins.join("flannel.toml"), grants.replace(allowed, instead)).unwrap();
            failed(&node.call("ADD", &conf(json!({})), &container).run(), 100, wanted);
            assert_eq!(node.leftovers(&[]), NOTHING, "{wanted}");
        }
        fs::remove_file(plugins.join("flannel.toml")).unwrap();
        // Nor has the delegate more than its own.
        fs::write(
            plugins.join("bridge.toml"),
            fs::read_to_string(
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins-wasm/bridge/grants.toml"),
            )
            .unwrap()
            .replace(
                "kind = \"bridge\"\nname = \"@config.bridge=cni0\"",
                "kind = \"bridge\"\nname = \"br1\"",
            ),
        )
        .unwrap();
        let (code, details) = node.call("ADD", &conf(json!({})), &container).run().failure();
        assert_eq!(code, 100, "{details}");
        assert!(details.starts_with("bridge: link.create kind=bridge name=\"cni0\""), "{details}");
        assert_eq!(node.leftovers(&[]), NOTHING);
    });
}

/// A program as delegate gets the rendered configuration, with what CNI says of the call; the same one
/// when it is taken back, and by the journal alone.
#[test]
fn a_native_delegate_gets_its_configuration() {
    on_a_flannel_node(FIELD, |node| {
        let program = node.plugins().join("acme");
        let script = "#!/bin/sh\nread -r conf\necho \"$conf\" >> /run/acme.$CNI_COMMAND\n\
            [ $CNI_COMMAND != ADD ] || echo '{\"cniVersion\": \"1.1.0\", \"ips\": []}'\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        node.allow_natives(&["acme"]);
        let told = |verb: &str| -> Vec<Value> {
            let path = format!("/run/acme.{verb}");
            let text = fs::read_to_string(&path).unwrap_or_default();
            let _ = fs::remove_file(&path);
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let acme =
            conf(json!({ "delegate": { "type": "acme", "key": "Value", "cniVersion": "9.9.9" } }));
        let container = Container::new("c");
        let result = node.add(&acme, &container);
        let rendered = json!({
            "cniVersion": "1.1.0", "name": "cbr0", "type": "acme", "key": "Value",
            "ipMasq": false, "mtu": 1410,
            "ipam": {
                "type": "host-local", "ranges": [[{ "subnet": "10.244.1.0/24" }]],
                "routes": [{ "dst": "10.244.0.0/16" }],
            },
        });
        assert_eq!(told("ADD"), std::slice::from_ref(&rendered));
        node.check(&acme, &container, &result).success();
        assert_eq!(told("CHECK"), [with(&rendered, json!({ "prevResult": result }))]);
        node.network_call("STATUS", &acme).run().success();
        assert_eq!(told("STATUS"), std::slice::from_ref(&rendered));
        let gc =
            json!({ "cni.dev/valid-attachments": [{ "containerID": "id-c", "ifname": "eth0" }] });
        node.network_call("GC", &with(&acme, gc.clone())).run().success();
        assert_eq!(told("GC"), [with(&rendered, gc)]);
        node.del(&acme, &container);
        assert_eq!(told("DEL"), std::slice::from_ref(&rendered));
        assert_eq!(node.files(), NOTHING);
        // By the journal: neither file is there, and another delegate is configured.
        node.add(&acme, &container);
        fs::remove_dir_all(node.below("var")).unwrap();
        fs::remove_file(subnet_file(&node)).unwrap();
        node.del(&conf(json!({})), &container);
        assert_eq!(told("DEL"), std::slice::from_ref(&rendered));
        // Taken back.
        fs::write(subnet_file(&node), FIELD).unwrap();
        fs::write(node.below("occupied"), "").unwrap();
        let occupied = with(&acme, json!({ "dataDir": node.below("occupied") }));
        node.call("ADD", &occupied, &container).run().failure();
        assert_eq!(told("DEL"), [rendered]);
        assert_eq!(node.files(), NOTHING);
    });
}
