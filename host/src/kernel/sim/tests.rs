//! The machine around the kernel: namespaces that come and go, copies, states and their differences. What
//! the kernel itself does is tested by `tests/kernel`, on Linux as well.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{
    AddressSpec, Errno, IfIndex, Kernel, KindSpec, Link, LinkChange, LinkSpec, Role, RouteSpec,
    SysctlKey,
};
use super::{Sim, SimNode, State};

fn create(kernel: &mut Sim, netns: Role, name: &str, kind: KindSpec) -> Link {
    let spec = LinkSpec { name: name.try_into().unwrap(), mtu: None, mac: None, kind };
    kernel.link_create(netns, &spec).unwrap()
}

fn bridge(kernel: &mut Sim) -> Link {
    create(kernel, Role::Host, "br0", KindSpec::Bridge { vlan_filtering: false })
}

/// An attachment to `bridge`: the container's end.
fn attach(kernel: &mut Sim, bridge: IfIndex, peer: &str) -> Link {
    let kind =
        KindSpec::Veth { peer: peer.try_into().unwrap(), peer_netns: Role::Host, peer_mac: None };
    let near = create(kernel, Role::Container, "eth0", kind);
    let far = near.parent.unwrap();
    let master = LinkChange::Master(Some(bridge));
    for change in [master, LinkChange::Up] {
        kernel.link_set(Role::Host, far, &change).unwrap();
    }
    kernel.link_set(Role::Container, near.index, &LinkChange::Up).unwrap();
    let address = AddressSpec { address: "10.1.0.2/24".parse().unwrap(), nodad: false };
    kernel.addr_add(Role::Container, near.index, &address).unwrap();
    near
}

#[test]
fn namespaces_come_and_go_and_the_node_stays() {
    let mut node = SimNode::new();
    let bridge = bridge(&mut node.kernel(None));
    let without = node.snapshot();
    for name in ["blue", "green"] {
        node.add_netns(name);
        attach(&mut node.kernel(Some(name)), bridge.index, &format!("veth-{name}"));
    }
    let links = node.kernel(None).links(Role::Host).unwrap();
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["lo", "br0", "veth-blue", "veth-green"]);

    assert!(node.remove_netns("blue"));
    assert!(!node.remove_netns("blue"));
    assert!(!node.remove_netns("host"));
    let names = node.kernel(None).links(Role::Host).unwrap().len();
    assert_eq!(names, 3, "the other end went with the namespace");
    node.remove_netns("green");
    // A bridge without ports has no MAC and no carrier.
    let difference = without.difference(&node.snapshot());
    assert_eq!(difference.len(), 2, "{difference:#?}");
}

#[test]
fn a_namespace_that_is_gone_answers_enoent() {
    let mut node = SimNode::new();
    node.add_netns("blue");
    let mut kernel = node.kernel(Some("blue"));
    let id = kernel.netns(Role::Container);
    assert!(id.is_some());
    node.remove_netns("blue");
    assert_eq!(kernel.links(Role::Container).unwrap_err().errno, Errno::ENOENT);
    assert_eq!(kernel.netns(Role::Container), None);
    node.add_netns("blue");
    assert_ne!(node.kernel(Some("blue")).netns(Role::Container), id, "another namespace");
    assert_eq!(node.kernel(Some("red")).netns(Role::Container), None);
    assert_eq!(Sim::without_container().netns(Role::Container), None);
}

#[test]
fn undoing_everything_is_seen_as_equal() {
    let mut kernel = Sim::new();
    let bridge = bridge(&mut kernel);
    let change = LinkChange::Mac([0, 0, 0x5e, 0, 0x53, 1].into());
    kernel.link_set(Role::Host, bridge.index, &change).unwrap();
    let before = kernel.snapshot();
    let near = attach(&mut kernel, bridge.index, "veth0");
    assert_ne!(before, kernel.snapshot());
    kernel.link_delete(Role::Container, near.index).unwrap();
    assert_eq!(before.difference(&kernel.snapshot()), [""; 0]);
    assert_eq!(before, kernel.snapshot());
}

#[test]
fn a_difference_says_what() {
    let mut kernel = Sim::new();
    let before = kernel.snapshot();
    let lo = IfIndex(1);
    kernel.link_set(Role::Container, lo, &LinkChange::Up).unwrap();
    let route = RouteSpec { link: Some(lo), ..RouteSpec::to("10.0.0.0/8".parse().unwrap()) };
    kernel.route_add(Role::Container, &route).unwrap();
    let key = SysctlKey::try_from("net/ipv4/conf/lo/arp_notify".to_owned()).unwrap();
    kernel.sysctl_set(Role::Container, &key, "1").unwrap();
    let expected = [
        "+ /netns/container/links/lo/addresses: \"127.0.0.1/8 scope 254\"",
        "+ /netns/container/links/lo/addresses: \"::1/128 scope 254 nodad\"",
        "- /netns/container/links/lo/ipv6: \"waiting\"",
        "+ /netns/container/links/lo/ipv6: \"ready\"",
        "- /netns/container/links/lo/oper_up: false",
        "+ /netns/container/links/lo/oper_up: true",
        "- /netns/container/links/lo/up: false",
        "+ /netns/container/links/lo/up: true",
        "+ /netns/container/routes: \"table 254 10.0.0.0/8 dev lo scope 253 metric 0\"",
        "+ /netns/container/sysctls/net/ipv4/conf/lo/arp_notify: \"1\"",
    ];
    assert_eq!(before.difference(&kernel.snapshot()), expected);
}

#[test]
fn a_clone_is_another_machine() {
    let mut kernel = Sim::new();
    bridge(&mut kernel);
    let mut other = kernel.clone();
    assert_eq!(kernel, other);
    other.link_set(Role::Host, IfIndex(1), &LinkChange::Up).unwrap();
    assert_ne!(kernel, other);
    let (node, copy) = (kernel.node(), kernel.node().clone());
    kernel.link_set(Role::Host, IfIndex(1), &LinkChange::Up).unwrap();
    assert_eq!(node.snapshot(), other.snapshot(), "a node and its kernels are one");
    assert_ne!(copy.snapshot(), other.snapshot());
}

#[test]
fn a_refused_act_leaves_nothing() {
    let mut kernel = Sim::new();
    let before = kernel.snapshot();
    let kind = KindSpec::Veth {
        peer: "lo".try_into().unwrap(),
        peer_netns: Role::Container,
        peer_mac: None,
    };
    let spec = LinkSpec { name: "veth0".try_into().unwrap(), mtu: None, mac: None, kind };
    let refused = kernel.link_create(Role::Host, &spec).unwrap_err();
    assert_eq!(refused.to_string(), "creating link \"veth0\" in host-netns: file exists (EEXIST)");
    assert_eq!(kernel.snapshot(), before);
}

#[test]
fn time_passes_only_where_it_is_waited_for() {
    let mut node = SimNode::new();
    node.add_netns("blue");
    let mut kernel = node.kernel(Some("blue"));
    let bridge = bridge(&mut kernel);
    attach(&mut kernel, bridge.index, "veth0");
    let tentative =
        || node.snapshot().netns["blue"].links["eth0"].addresses[1].contains("tentative");
    assert!(tentative());
    kernel.node().sleep(Duration::from_secs(1));
    assert!(tentative());
    kernel.node().sleep(Duration::from_secs(1));
    assert!(!tentative());
}

fn node_of(document: &Value) -> Result<SimNode, String> {
    let state = State::from_json(document).map_err(|e| e.to_string())?;
    SimNode::from_state(&state).map_err(|e| e.to_string())
}

#[test]
fn a_machine_is_had_again_from_its_state() {
    let mut kernel = Sim::new();
    let bridge = bridge(&mut kernel);
    attach(&mut kernel, bridge.index, "veth0");
    create(&mut kernel, Role::Host, "d0", KindSpec::Dummy);
    let route =
        RouteSpec { link: Some(IfIndex(1)), ..RouteSpec::to("10.0.0.0/8".parse().unwrap()) };
    kernel.link_set(Role::Host, IfIndex(1), &LinkChange::Up).unwrap();
    kernel.route_add(Role::Host, &route).unwrap();
    let state = kernel.snapshot();
    let document = serde_json::to_value(&state).unwrap();
    let again = node_of(&document).unwrap();
    assert_eq!(state.difference(&again.snapshot()), [""; 0]);
    // And it goes on as the other would.
    let mut other = again.kernel(Some("container"));
    assert_eq!(
        other.link_by_name(Role::Host, &"veth0".try_into().unwrap()).unwrap().unwrap().master,
        Some(bridge.index)
    );
    let near = other.link_by_name(Role::Container, &"eth0".try_into().unwrap()).unwrap().unwrap();
    for kernel in [&mut kernel, &mut other] {
        kernel.link_delete(Role::Container, near.index).unwrap();
        create(kernel, Role::Host, "d1", KindSpec::Dummy);
    }
    let difference = kernel.snapshot().difference(&other.snapshot());
    // Which MAC and index the next link gets is of what was, not of what is.
    assert!(
        difference.iter().all(|l| l.contains("/d1/mac") || l.contains("/d1/index")),
        "{difference:#?}"
    );
}

#[test]
fn what_a_document_leaves_out_is_as_the_kernel_makes_it() {
    let document = json!({ "netns": {
        "blue": {},
        "host": { "links": {
            "br0": { "kind": "bridge", "up": true, "addresses": ["10.1.0.1/24"] },
            "eth0": { "kind": "dummy", "up": true, "addresses": ["192.0.2.10/24", "2001:db8::1/64"] },
            "eth0.5": { "kind": "vlan id 5", "parent": "eth0", "up": true },
            "p0": { "kind": "dummy", "up": true, "master": "br0" },
        }, "routes": ["default via 192.0.2.1 dev eth0"] },
    }});
    let state = node_of(&document).unwrap().snapshot();
    let host = &state.netns["host"];
    assert_eq!(host.links["lo"].index, Some(1));
    assert_eq!(host.links["br0"].oper_up, Some(true));
    assert_eq!(host.links["p0"].vlans.as_deref(), Some(&["1 pvid untagged".to_owned()][..]));
    assert_eq!(host.links["eth0.5"].mtu, Some(1500));
    assert!(
        host.links["eth0"].addresses.contains(&"2001:db8::1/64 scope 0".to_owned()),
        "{host:#?}"
    );
    for route in [
        "table 254 0.0.0.0/0 via 192.0.2.1 dev eth0 scope 0 metric 0",
        "table 254 10.1.0.0/24 dev br0 proto kernel scope 253 src 10.1.0.1 metric 0",
        "table 254 192.0.2.0/24 dev eth0 proto kernel scope 253 src 192.0.2.10 metric 0",
    ] {
        assert!(host.routes.contains(&route.to_owned()), "{route}: {:#?}", host.routes);
    }
    assert_eq!(state.netns["blue"].rules.len(), 5);
    assert_eq!(State::default().difference(&State::from_json(&json!({})).unwrap()), [""; 0]);
}

#[test]
fn documents_are_read_strictly() {
    let link = |link: Value| json!({ "netns": { "host": { "links": { "d0": link } } } });
    let owner = json!({ "network": "n", "container_id": "c", "ifname": "eth0" });
    for (document, at, words) in [
        (json!([]), "the document", "expected"),
        (json!({ "netz": {} }), "netz", "one of admissions, masquerades, netns"),
        (json!({ "netns": { "blue": { "link": {} } } }), "netns/blue/link", "links, routes"),
        (json!({ "netns": { "a/b": {} } }), "netns/a/b", "without \"/\""),
        (link(json!({ "kind": "dummy", "mtu": "big" })), "netns/host/links/d0/mtu", "expected u32"),
        (link(json!({ "kind": "dummy", "macs": "x" })), "netns/host/links/d0/macs", "mac_fixed"),
        (
            link(json!({ "kind": "dummy", "mac": "02:00" })),
            "netns/host/links/d0/mac",
            "02:00:00:00:00:01",
        ),
        (link(json!({ "kind": "dumy" })), "netns/host/links/d0/kind", "\"dumy\" is no kind"),
        (link(json!({ "kind": "loopback" })), "netns/host/links/d0/kind", "for \"lo\" alone"),
        (link(json!({ "kind": "veth" })), "netns/host/links/d0/kind", "\"parent\" is not said"),
        (
            link(json!({ "kind": "vlan id 5", "parent": "d0" })),
            "netns/host/links/d0/parent",
            "stands on itself",
        ),
        (
            link(json!({ "kind": "vlan id 4095", "parent": "lo" })),
            "netns/host/links/d0/kind",
            "4094",
        ),
        (
            link(json!({ "kind": "dummy", "master": "br9" })),
            "netns/host/links/d0/master",
            "\"host/br9\"",
        ),
        (
            link(json!({ "kind": "dummy", "master": "lo" })),
            "netns/host/links/d0/master",
            "EOPNOTSUPP",
        ),
        (
            link(json!({ "kind": "dummy", "addresses": ["10.0.0.1"] })),
            "netns/host/links/d0/addresses/0",
            "10.1.0.2/24",
        ),
        (
            link(json!({ "kind": "dummy", "addresses": ["10.0.0.1/24 foo"] })),
            "netns/host/links/d0/addresses/0",
            "\"foo\"",
        ),
        (
            link(json!({ "kind": "bridge", "vlans": ["4095"] })),
            "netns/host/links/d0/vlans/0",
            "1 to 4094",
        ),
        (
            json!({ "netns": { "host": { "routes": ["default dev eth9"] } } }),
            "netns/host/routes/0",
            "no such link",
        ),
        (
            json!({ "netns": { "host": { "routes": ["default"] } } }),
            "netns/host/routes/0",
            "dev NAME",
        ),
        (
            json!({ "netns": { "host": { "rules": ["from all"] } } }),
            "netns/host/rules/0",
            "no number and a colon",
        ),
        (
            json!({ "netns": { "host": { "sysctls": { "net/ipv4/nonesuch": "1" } } } }),
            "netns/host/sysctls/net/ipv4/nonesuch",
            "ENOENT",
        ),
        (
            json!({ "masquerades": { "10.0.0.9": { "source": "10.0.0.1/24", "owner": owner } } }),
            "masquerades/10.0.0.9",
            "under that key",
        ),
        (
            json!({ "masquerades": { "10.0.0.1": { "source": "10.0.0.1/24" } } }),
            "masquerades/10.0.0.1",
            "missing field `owner`",
        ),
        (
            json!({ "masquerades": { "10.0.0.1": { "source": "10.0.0.1/24", "owner": owner, "x": 1 } } }),
            "masquerades/10.0.0.1/x",
            "owner, source",
        ),
    ] {
        let refused = node_of(&document).map(|_| document.clone()).unwrap_err();
        assert!(refused.starts_with(&format!("{at}: ")), "{document}: {refused}");
        assert!(refused.contains(words) && refused.contains("; write "), "{document}: {refused}");
    }
}
