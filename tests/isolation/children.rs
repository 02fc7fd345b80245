//! The whole of `macvlan`, `ipvlan`, `vlan` and `dummy` on the model, which has them whatever this kernel
//! has; and that they do not go beyond their grants.

use serde_json::{Value, json};
use wasmcni::component::Bundled;
use wasmcni::kernel::faults::At;
use wasmcni::kernel::{Errno, IfIndex, Kernel, LinkChange, Role};

use super::lab::{Lab, Mishap, assert_same};
use super::networks::{
    DUMMY, IPVLAN, IPVLAN_CHAINED, MACVLAN, MACVLAN_L2, Network, PASSTHRU, VLAN_LINK, prepare,
};

const ALL: [&Network; 7] =
    [&MACVLAN, &MACVLAN_L2, &PASSTHRU, &IPVLAN, &IPVLAN_CHAINED, &VLAN_LINK, &DUMMY];

fn fresh() -> Lab {
    let lab = Lab::sim();
    MACVLAN.prepare(&lab);
    lab
}

fn with(conf: &Value, more: Value) -> Value {
    let mut conf = conf.clone();
    conf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    conf
}

fn index(lab: &Lab, role: Role, name: &str) -> IfIndex {
    let mut kernel = lab.model().kernel(Some("blue"));
    kernel.link_by_name(role, &name.try_into().unwrap()).unwrap().unwrap().index
}

#[test]
fn they_are_made_checked_and_removed() {
    for network in ALL {
        let lab = fresh();
        let (plugin, conf, before) = (network.plugin(), network.conf(&lab), lab.state());
        let result = lab.call(plugin, "ADD", &conf, "a").success();
        let mut kernel = lab.model().kernel(Some("blue"));
        let link =
            kernel.link_by_name(Role::Container, &"eth0".try_into().unwrap()).unwrap().unwrap();
        assert_eq!((link.kind.as_str(), link.up), (network.plugin, true));
        let mac = link.mac.unwrap().to_string();
        let told = json!([{ "name": "eth0", "mac": mac, "sandbox": "/run/netns/blue" }]);
        assert_eq!(result["interfaces"], told, "{network:?}");
        let up0 = kernel.link_by_name(Role::Host, &"up0".try_into().unwrap()).unwrap().unwrap();
        let parents = matches!(network.plugin, "vlan") || conf["mode"] == "passthru";
        let inherited = parents || conf["master"] == "up0" && network.plugin == "ipvlan";
        if network.plugin != "ipvlan" || conf["master"] == "up0" {
            assert_eq!(link.mac == up0.mac, inherited, "{network:?}");
        }
        let expected = json!(match network.plugin {
            "macvlan" if conf["mode"] == "passthru" => "passthru",
            "macvlan" => "bridge",
            "ipvlan" if conf["mode"] == "l3" => "l3",
            "ipvlan" => "l2",
            _ => "",
        });
        assert_eq!(json!(link.mode.unwrap_or_default()), expected);
        assert_eq!(link.vlan_id, (network.plugin == "vlan").then_some(7));
        let check = with(&conf, json!({ "prevResult": result }));
        lab.call(plugin, "CHECK", &check, "a").success();
        kernel.link_set(Role::Container, link.index, &LinkChange::Down).unwrap();
        assert_eq!(lab.call(plugin, "CHECK", &check, "a").failure().0, 110, "{network:?}");
        lab.call(plugin, "DEL", &conf, "a").success();
        lab.call(plugin, "DEL", &conf, "a").success();
        prepare(&lab);
        assert_same(&before, &lab.state(), network.plugin);
    }
}

/// The plugin with this instead of that in its grants.
fn narrowed(network: &Network, what: &str, instead: &str) -> Bundled {
    let plugin = network.plugin();
    let grants = plugin.grants.replace(what, instead);
    assert_ne!(grants, plugin.grants, "{what}");
    Bundled { grants: grants.leak(), compiled_grants: None, ..*plugin }
}

#[test]
fn what_no_grant_gives_is_refused() {
    let parents = "parent = [\"@config.master\", \"@default-route\"";
    let on = |name: &str| format!("parent = [\"{name}\"");
    for (network, what, instead, wanted) in [
        (&MACVLAN, parents, on("up1"), "kind=macvlan name=\"eth0\" parent=\"up0\""),
        (&PASSTHRU, parents, on("@default-route\", \"up1"), ""),
        (&IPVLAN, parents, on("up1"), "kind=ipvlan name=\"eth0\" parent=\"up0\""),
        (
            &IPVLAN_CHAINED,
            "\"@ipam\", \"@prev\"",
            "\"@ipam\"".to_owned(),
            "addr.add name=\"eth0\" within=10.42.0.7/24",
        ),
        (
            &IPVLAN_CHAINED,
            ", \"@config.prevResult.interfaces.0.name\"",
            String::new(),
            "link.read name=\"up1\"",
        ),
        (
            &VLAN_LINK,
            "vlan = \"any\"",
            "vlan = 8".to_owned(),
            "parent=\"up0\" parent-netns=host vlan=7",
        ),
        (&VLAN_LINK, "\"container\", \"host\"", "\"container\"".to_owned(), "parent-netns=host"),
        (&DUMMY, "name = \"@ifname\"", "name = \"net*\"".to_owned(), "name=\"eth0\""),
    ] {
        let lab = fresh();
        let before = lab.state();
        let outcome = lab.call(&narrowed(network, what, &instead), "ADD", &network.conf(&lab), "a");
        if wanted.is_empty() {
            outcome.success();
            continue;
        }
        let (code, details) = outcome.failure();
        assert_eq!(code, 100, "{details}");
        assert!(details.contains(wanted), "{details}, not {wanted}");
        assert_same(&before, &lab.state(), wanted);
    }
}

/// A link that has not the default route, and that the configuration does not name, is nobody's parent.
#[test]
fn a_default_route_gives_its_own_link_only() {
    let lab = fresh();
    let mut kernel = lab.model().kernel(None);
    kernel.link_set(Role::Host, index(&lab, Role::Host, "up0"), &LinkChange::Down).unwrap();
    // The route has gone with it.
    let conf = MACVLAN.conf(&lab);
    let (code, details) = lab.call(MACVLAN.plugin(), "ADD", &conf, "a").failure();
    assert_eq!((code, details.contains("\"master\"")), (7, true), "{details}");
    let (code, details) = lab.call(MACVLAN.plugin(), "STATUS", &conf, "a").failure();
    assert_eq!((code, details.contains("default route")), (50, true), "{details}");
    lab.call(MACVLAN.plugin(), "STATUS", &with(&conf, json!({ "master": "up0" })), "a").success();
}

#[test]
fn wrong_values_are_refused() {
    for (network, keys, named) in [
        (&MACVLAN, json!({ "mtu": 1501 }), "\"mtu\""),
        (&VLAN_LINK, json!({ "mtu": 1501 }), "\"mtu\""),
        (&VLAN_LINK, json!({ "vlanId": 4095 }), "\"vlanId\""),
        (&VLAN_LINK, json!({ "master": "gone0" }), "gone0"),
        (&VLAN_LINK, json!({ "linkInContainer": true }), "container-netns"),
        (&IPVLAN, json!({ "mode": "l4" }), "\"mode\""),
        (&IPVLAN, json!({ "ipam": {} }), "ipam.type"),
        (
            &IPVLAN_CHAINED,
            json!({ "prevResult": { "cniVersion": "1.1.0", "interfaces": [{ "name": "a" }, { "name": "b" }],
            "ips": [{ "address": "10.42.0.7/24" }] } }),
            "\"master\"",
        ),
        (&DUMMY, json!({ "ipam": {} }), "ipam.type"),
    ] {
        let lab = fresh();
        let before = lab.state();
        let conf = with(&network.conf(&lab), keys);
        let (code, details) = lab.call(network.plugin(), "ADD", &conf, "a").failure();
        assert!(code == 7 && details.contains(named), "{code} {details}, not {named}");
        assert_same(&before, &lab.state(), named);
    }
}

/// In the container: the parent is its own, which stays.
#[test]
fn a_parent_may_be_in_the_container() {
    for (network, more) in
        [(&MACVLAN, json!({})), (&IPVLAN, json!({ "mode": "l2" })), (&VLAN_LINK, json!({}))]
    {
        let lab = fresh();
        let mut kernel = lab.model().kernel(Some("blue"));
        kernel
            .link_set(
                Role::Host,
                index(&lab, Role::Host, "up0"),
                &LinkChange::Netns(Role::Container),
            )
            .unwrap();
        let up0 = index(&lab, Role::Container, "up0");
        kernel.link_set(Role::Container, up0, &LinkChange::Up).unwrap();
        let conf = with(&network.conf(&lab), json!({ "master": "up0", "linkInContainer": true }));
        let (conf, before) = (with(&conf, more), lab.state());
        lab.call(network.plugin(), "ADD", &conf, "a").success();
        let eth0 = kernel.link_by_index(Role::Container, index(&lab, Role::Container, "eth0"));
        assert_eq!(eth0.unwrap().unwrap().parent, Some(up0), "{network:?}");
        lab.call(network.plugin(), "DEL", &conf, "a").success();
        prepare(&lab);
        assert_same(&before, &lab.state(), network.plugin);
        // A fault at the last operation leaves nothing of it, either.
        let mishaps = vec![(At::Named("route_add", 1), Mishap::Refused(Errno::ENOMEM))];
        lab.call_with(network.plugin(), "ADD", &conf, "a", mishaps).failure();
        assert_same(&before, &lab.state(), network.plugin);
    }
}

/// Killed between two messages, on a kernel where the name must be free on the node as well: the link has
/// the name that it was born under.
#[test]
fn a_link_that_has_not_got_its_name_yet_is_found() {
    for network in [&MACVLAN, &VLAN_LINK] {
        let lab = fresh();
        let (plugin, conf, before) = (network.plugin(), network.conf(&lab), lab.state());
        lab.call(plugin, "ADD", &conf, "a").success();
        let mut kernel = lab.model().kernel(Some("blue"));
        let eth0 = index(&lab, Role::Container, "eth0");
        let born = LinkChange::Name("wcni0123abcd".try_into().unwrap());
        kernel.link_set(Role::Container, eth0, &LinkChange::Down).unwrap();
        kernel.link_set(Role::Container, eth0, &born).unwrap();
        let journal =
            lab.directories().run.join(format!("attachments/net/a:eth0:{}", network.plugin));
        let text = std::fs::read_to_string(&journal).unwrap();
        // As it was before the kernel's answer, with the addresses that DEL gives back.
        let kept = text.lines().filter(|l| !l.contains("made") && !l.contains("complete"));
        std::fs::write(&journal, kept.map(|l| format!("{l}\n")).collect::<String>()).unwrap();
        assert!(text.contains("made"), "{text}");
        lab.call(plugin, "DEL", &conf, "a").success();
        prepare(&lab);
        assert_same(&before, &lab.state(), network.plugin);
    }
}
