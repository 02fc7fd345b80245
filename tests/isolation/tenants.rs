//! Tenants that share a node: each has its own bridges, parents and VLANs by the operator's grants, whatever
//! its network configurations say, and what is refused leaves nothing.

use serde_json::{Value, json};
use wasmcni::component::find;
use wasmcni::kernel::{Kernel, KindSpec, LinkChange, LinkSpec, Role};

use super::lab::{Lab, assert_same};
use crate::harness::netns::ip_json;
use crate::harness::node::{Container, on_a_node};

/// What the operator gives to one tenant.
struct Tenant {
    /// The lines of its grants that say whose they are.
    whose: &'static str,
    bridge: &'static str,
    master: &'static str,
    vlan: &'static str,
}

/// By what the runtime says of the pod.
const BY_NAMESPACE: [Tenant; 2] = [
    Tenant {
        whose: "args.K8S_POD_NAMESPACE = \"team-a\"",
        bridge: "br-a",
        master: "up-a",
        vlan: "\"100-199\"",
    },
    Tenant {
        whose: "args.K8S_POD_NAMESPACE = [\"team-b\", \"team-b-*\"]",
        bridge: "br-b",
        master: "up-b",
        vlan: "\"200-299\"",
    },
];

/// By the names of networks.
const BY_NETWORK: [Tenant; 2] = [
    Tenant { whose: "networks = \"tenant-a\"", ..BY_NAMESPACE[0] },
    Tenant { whose: "networks = \"tenant-b\"", ..BY_NAMESPACE[1] },
];

const TEAM_A: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=web-0";
const TEAM_B: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-b-test;K8S_POD_NAME=db-0";

/// The grants that a plugin was shipped with, those about bridges, parents and VLANs once for each tenant.
fn narrowed(plugin: &str, tenants: &[Tenant]) -> String {
    let shipped = find(plugin).unwrap().grants;
    let mut blocks = shipped.split("[[grant]]\n");
    let mut text = blocks.next().unwrap().to_owned();
    for block in blocks {
        let grant = block.split("\n\n").next().unwrap();
        let for_tenants = ["config.bridge=cni0", "@config.master", "\nvlan = \"any\""]
            .iter()
            .any(|word| grant.contains(word));
        if !for_tenants {
            text += &format!("[[grant]]\n{grant}\n\n");
            continue;
        }
        for Tenant { whose, bridge, master, vlan } in tenants {
            let own = grant
                .replace("@{config.bridge=cni0}", bridge)
                .replace("@config.bridge=cni0", bridge)
                .replace("@config.master", master)
                .replace(", \"@default-route\"", "")
                .replace(", \"@config.prevResult.interfaces.0.name\"", "")
                .replace("\nvlan = \"any\"", &format!("\nvlan = {vlan}"));
            text += &format!("[[grant]]\n{}\n{whose}\n\n", own.trim_end());
        }
    }
    text
}

/// A node with links for both tenants, and grants for them.
fn shared(tenants: &[Tenant]) -> Lab {
    let lab = Lab::sim();
    make_uplinks(&lab);
    for plugin in ["bridge", "vlan", "macvlan", "ipvlan"] {
        lab.grants(plugin, &narrowed(plugin, tenants));
    }
    lab
}

/// Links of the node, `up-a` and `up-b`, that lead elsewhere.
pub(super) fn make_uplinks(lab: &Lab) {
    let mut kernel = lab.model().kernel(None);
    for name in ["up-a", "up-b"] {
        let peer = format!("{name}-far");
        let kind = KindSpec::Veth {
            peer: peer.as_str().try_into().unwrap(),
            peer_netns: Role::Host,
            peer_mac: None,
        };
        let spec = LinkSpec { name: name.try_into().unwrap(), mtu: None, mac: None, kind };
        let link = kernel.link_create(Role::Host, &spec).unwrap();
        kernel.link_set(Role::Host, link.index, &LinkChange::Up).unwrap();
        kernel.link_set(Role::Host, link.parent.unwrap(), &LinkChange::Up).unwrap();
    }
}

/// A tenant's network; its name, too, is the tenant's choice.
pub(super) fn network(lab: &Lab, plugin: &str, name: &str, more: &Value) -> Value {
    let mut conf = json!({
        "cniVersion": "1.1.0", "name": name, "type": plugin,
        "ipam": { "type": "host-local", "subnet": "10.40.0.0/24", "dataDir": lab.data_dir() },
    });
    conf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    conf
}

#[track_caller]
pub(super) fn refused(lab: &Lab, conf: &Value, parts: &[&str]) {
    let before = lab.state();
    let plugin = find(conf["type"].as_str().unwrap()).unwrap();
    let (code, details) = lab.call(plugin, "ADD", conf, "a").failure();
    assert_eq!(code, 100, "{details}");
    for part in parts {
        assert!(details.contains(part), "{details}, not {part}");
    }
    assert_same(&before, &lab.state(), &conf.to_string());
}

#[track_caller]
pub(super) fn served(lab: &Lab, conf: &Value) {
    let plugin = find(conf["type"].as_str().unwrap()).unwrap();
    lab.call(plugin, "ADD", conf, "a").success();
    lab.call(plugin, "DEL", conf, "a").success();
    assert_eq!(lab.files(), [""; 0], "{conf}");
}

/// What each tenant may and may not have: plugin, its own keys, another's, and what it is told.
fn cases() -> [(&'static str, Value, Value, &'static [&'static str]); 5] {
    [
        (
            "bridge",
            json!({ "bridge": "br-a" }),
            json!({ "bridge": "br-b" }),
            &["name=\"br-b\"", "allows name [\"br-a\", \"br-a.*\", \"veth*\"]"],
        ),
        (
            "bridge",
            json!({ "bridge": "br-a", "vlan": 100 }),
            json!({ "bridge": "br-a", "vlan": 200 }),
            &["bridge-port.add-vlan", "vlan=200", "allows vlan \"100-199\""],
        ),
        (
            "vlan",
            json!({ "master": "up-a", "vlanId": 100 }),
            json!({ "master": "up-a", "vlanId": 200 }),
            &["link.create kind=vlan", "vlan=200", "allows vlan \"100-199\""],
        ),
        (
            "macvlan",
            json!({ "master": "up-a" }),
            json!({ "master": "up-b" }),
            &["name=\"up-b\"", "allows name [\"up-a\"]"],
        ),
        (
            "ipvlan",
            json!({ "master": "up-a" }),
            json!({ "master": "up-b" }),
            &["name=\"up-b\"", "allows name [\"up-a\"]"],
        ),
    ]
}

#[test]
fn a_pods_namespace_decides() {
    let mut lab = shared(&BY_NAMESPACE);
    for (plugin, own, others, told) in cases() {
        // A configuration names itself as it likes.
        for name in ["tenant-a", "tenant-b"] {
            lab.set_args(TEAM_A);
            served(&lab, &network(&lab, plugin, name, &own));
            refused(&lab, &network(&lab, plugin, name, &others), told);
            let whose = "for args.K8S_POD_NAMESPACE \"team-a\"";
            refused(&lab, &network(&lab, plugin, name, &others), &[whose]);
            // The other way round.
            lab.set_args(TEAM_B);
            refused(&lab, &network(&lab, plugin, name, &own), &["[\"team-b\", \"team-b-*\"]"]);
        }
    }
}

/// A configuration may have `args` as well: that is not what the runtime says.
#[test]
fn no_configuration_and_no_odd_argument_passes_for_a_namespace() {
    let mut lab = shared(&BY_NAMESPACE);
    let forged = json!({
        "bridge": "br-b", "K8S_POD_NAMESPACE": "team-b",
        "args": { "K8S_POD_NAMESPACE": "team-b", "cni": { "K8S_POD_NAMESPACE": "team-b" } },
        "runtimeConfig": { "K8S_POD_NAMESPACE": "team-b" },
    });
    let conf = network(&lab, "bridge", "net", &forged);
    for (args, here) in [
        (TEAM_A, "allows name [\"br-a\""),
        ("", "(here none)"),
        ("IgnoreUnknown=1;K8S_POD_NAMESPACE=", "(here \"\")"),
        ("IgnoreUnknown=1;k8s_pod_namespace=team-b", "(here none)"),
        ("IgnoreUnknown=1;K8S_POD_NAMESPACE=team-bb", "(here \"team-bb\")"),
        (
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-a;K8S_POD_NAMESPACE=team-b",
            "(here \"team-a\" and \"team-b\")",
        ),
    ] {
        lab.set_args(args);
        refused(&lab, &conf, &[here]);
    }
    // Of what cannot be read as a whole no part is read.
    for args in ["IgnoreUnknown=1;K8S_POD_NAMESPACE=team-b;x", "K8S_POD_NAMESPACE=team-b=team-b"] {
        lab.set_args(args);
        let before = lab.state();
        let (code, _) = lab.call(find("bridge").unwrap(), "ADD", &conf, "a").failure();
        assert_eq!(code, 4, "{args}");
        assert_same(&before, &lab.state(), args);
    }
    lab.set_args(TEAM_B);
    served(&lab, &conf);
}

/// DEL is not refused for want of what ADD had: the journal takes back what there is.
#[test]
fn a_del_without_arguments_leaves_nothing() {
    let mut lab = shared(&BY_NAMESPACE);
    for (plugin, own, _, _) in cases() {
        let before = lab.state();
        let conf = network(&lab, plugin, "net", &own);
        lab.set_args(TEAM_A);
        lab.call(find(plugin).unwrap(), "ADD", &conf, "a").success();
        assert_ne!(lab.state(), before);
        lab.set_args("");
        lab.call(find(plugin).unwrap(), "DEL", &conf, "a").success();
        assert_eq!(lab.files(), [""; 0], "{plugin}");
        let links = |role| lab.model().kernel(Some("blue")).links(role).unwrap();
        assert_eq!(links(Role::Container).len(), 1, "{plugin}: lo");
        let ports =
            links(Role::Host).into_iter().filter(|link| link.name.as_str().starts_with("veth"));
        assert_eq!(ports.count(), 0, "{plugin}");
    }
}

/// The same by the environment of a process, on the real kernel.
#[test]
fn what_a_runtime_says_reaches_the_grants() {
    on_a_node(|node| {
        node.grants("bridge", &narrowed("bridge", &BY_NAMESPACE));
        let container = Container::new("c");
        let call = |verb, bridge, args| {
            let conf = json!({
                "cniVersion": "1.1.0", "name": "tenant-b", "type": "bridge", "bridge": bridge,
                "ipam": { "type": "host-local", "subnet": "10.40.0.0/24" },
            });
            node.call(verb, &conf, &container).env("CNI_ARGS", args).run()
        };
        let (code, details) = call("ADD", "br-b", TEAM_A).failure();
        assert_eq!(code, 100, "{details}");
        assert!(details.contains("for args.K8S_POD_NAMESPACE \"team-a\""), "{details}");
        assert_eq!(node.leftovers(&[]), [""; 0]);
        call("ADD", "br-a", TEAM_A).success();
        assert_eq!(ip_json(&["link", "show", "dev", "br-a"])[0]["operstate"], "UP");
        call("DEL", "br-a", TEAM_A).success();
        assert_eq!(node.leftovers(&["br-a"]), [""; 0]);
    });
}

/// A network's name is what its configuration says: it tells tenants apart only where the operator writes the
/// configurations.
#[test]
fn a_networks_name_is_its_configurations_word() {
    let lab = shared(&BY_NETWORK);
    for (plugin, own, others, told) in cases() {
        served(&lab, &network(&lab, plugin, "tenant-a", &own));
        let honest = network(&lab, plugin, "tenant-a", &others);
        refused(&lab, &honest, told);
        refused(&lab, &honest, &["on networks \"tenant-a\""]);
        let elsewhere = network(&lab, plugin, "elsewhere", &own);
        refused(&lab, &elsewhere, &["on networks \"tenant-"]);
        served(&lab, &network(&lab, plugin, "tenant-b", &with_own_master(plugin, &others)));
    }
}

/// What belongs to tenant b wholly.
fn with_own_master(plugin: &str, others: &Value) -> Value {
    let mut others = others.clone();
    match plugin {
        "bridge" => others["bridge"] = json!("br-b"),
        _ => others["master"] = json!("up-b"),
    }
    others
}
