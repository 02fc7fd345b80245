//! The bundled plugins with all that they can do, and labs that are ready for them.

use std::time::Duration;

use serde_json::{Value, json};
use wasmcni::component::{Bundled, find};
use wasmcni::kernel::linux::{ContainerNetns, LinuxKernel};
use wasmcni::kernel::{Kernel, KindSpec, Link, LinkChange, LinkSpec, Role, RouteSpec, SysctlKey};

use super::lab::{Lab, Machine, netns};
use crate::harness::firewalld::{Firewalld, SystemBus, require_firewalld, sources};
use crate::harness::netns as witness;
use crate::harness::programs::require;
use crate::harness::sandbox;

/// A network.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) plugin: &'static str,
    more: fn() -> Value,
}

pub(crate) const BRIDGE: Network = Network {
    plugin: "bridge",
    more: || {
        json!({
            "bridge": "br9", "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true,
            "hairpinMode": true, "mtu": 1400,
        })
    },
};
pub(crate) const VLAN: Network = Network {
    plugin: "bridge",
    more: || json!({ "bridge": "br9", "isGateway": true, "vlan": 100, "promiscMode": true }),
};
pub(crate) const ISOLATED: Network = Network {
    plugin: "bridge",
    more: || json!({ "bridge": "br9", "portIsolation": true, "ipam": {} }),
};
pub(crate) const PTP: Network = Network { plugin: "ptp", more: || json!({ "ipMasq": true }) };
pub(crate) const MACVLAN: Network = Network {
    plugin: "macvlan",
    more: || json!({ "mode": "bridge", "mtu": 1400, "bcqueuelen": 500 }),
};
/// Without addresses, on a link that is named.
pub(crate) const MACVLAN_L2: Network =
    Network { plugin: "macvlan", more: || json!({ "master": "up0", "ipam": {} }) };
pub(crate) const PASSTHRU: Network =
    Network { plugin: "macvlan", more: || json!({ "master": "up0", "mode": "passthru" }) };
pub(crate) const IPVLAN: Network =
    Network { plugin: "ipvlan", more: || json!({ "master": "up0", "mode": "l3" }) };
/// After plugins that made its parent and gave its addresses.
pub(crate) const IPVLAN_CHAINED: Network = Network {
    plugin: "ipvlan",
    more: || {
        json!({ "ipam": {}, "prevResult": {
            "cniVersion": "1.1.0", "interfaces": [{ "name": "up1" }],
            "ips": [{ "address": "10.42.0.7/24", "gateway": "10.42.0.1", "interface": 0 },
                { "address": "fd00:42::7/64" }],
            "routes": [{ "dst": "0.0.0.0/0" }],
        } })
    },
};
/// The plugin; [`VLAN`] is a bridge with VLANs.
pub(crate) const VLAN_LINK: Network =
    Network { plugin: "vlan", more: || json!({ "master": "up0", "vlanId": 7 }) };
pub(crate) const DUMMY: Network = Network { plugin: "dummy", more: || json!({}) };
/// Behind a plugin that gave the container an address of each family.
pub(crate) const PORTMAP: Network = Network {
    plugin: "portmap",
    more: || {
        json!({
            "conditionsV4": ["ip saddr != 192.0.2.7"],
            "runtimeConfig": { "portMappings": [
                { "hostPort": 8080, "containerPort": 80 },
                { "hostPort": 8080, "containerPort": 53, "protocol": "udp", "hostIP": "192.0.2.1" },
            ] },
            "prevResult": {
                "cniVersion": "1.1.0",
                "interfaces": [{ "name": "eth0", "sandbox": netns("blue") }],
                "ips": [
                    { "interface": 0, "address": "10.40.0.2/24" },
                    { "interface": 0, "address": "fd00:40::2/64" },
                ],
            },
        })
    },
};
/// Three deep: flannel, bridge, host-local.
pub(crate) const FLANNEL: Network = Network {
    plugin: "flannel",
    more: || {
        json!({
            "delegate": {
                "bridge": "br9", "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true,
                "hairpinMode": true,
            },
        })
    },
};
pub(crate) const LOOPBACK: Network = Network { plugin: "loopback", more: || json!({}) };
/// With addresses, which need IPv6 on the device: it is off in the container, as [`prepare`] leaves it.
pub(crate) const HOST_DEVICE: Network =
    Network { plugin: "host-device", more: || json!({ "device": DEVICE }) };
/// Chained: on a veth that is there before, with a result that tells of it.
pub(crate) const BANDWIDTH: Network = Network {
    plugin: "bandwidth",
    more: || {
        json!({
            "ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 8_000_000,
            "egressBurst": 800_000, "prevResult": former(),
        })
    },
};
/// The same, its veth a port of a bridge.
pub(crate) const FIREWALL: Network = Network {
    plugin: "firewall",
    more: || json!({ "ingressPolicy": "isolated", "prevResult": former() }),
};
/// The same where firewalld runs: see [`with_firewalld`] for the real one.
pub(crate) const FIREWALLD: Network = Network {
    plugin: "firewall",
    more: || {
        json!({
            "backend": "firewalld", "firewalldZone": "work", "ingressPolicy": "isolated",
            "prevResult": former(),
        })
    },
};
pub(crate) const TAP: Network =
    Network { plugin: "tap", more: || json!({ "multiQueue": true, "owner": 0, "mtu": 1400 }) };
pub(crate) const HOST_LOCAL: Network = Network { plugin: "host-local", more: || json!({}) };

/// What flanneld says of a lab.
const SUBNET_FILE: &str = "FLANNEL_NETWORK=10.40.0.0/16\nFLANNEL_SUBNET=10.40.0.1/24\n\
    FLANNEL_IPV6_NETWORK=fd00:40::/48\nFLANNEL_IPV6_SUBNET=fd00:40::1/64\nFLANNEL_MTU=1400\n\
    FLANNEL_IPMASQ=true\n";
/// Of chained plugins: on what [`BRIDGE`] made.
pub(crate) const TUNING: Network = Network {
    plugin: "tuning",
    more: || {
        json!({
            "mac": "02:00:00:00:00:09", "mtu": 1300, "promisc": true, "allmulti": true, "txQLen": 5,
            "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1", "net.ipv4.ip_default_ttl": "63" },
            "prevResult": prev_result(),
        })
    },
};

pub(crate) const SBR: Network = Network {
    plugin: "sbr",
    more: || json!({ "addSourceHints": true, "prevResult": prev_result() }),
};
pub(crate) const VRF: Network =
    Network { plugin: "vrf", more: || json!({ "vrfname": "blue", "prevResult": prev_result() }) };

/// What [`BRIDGE`] answers, without what chance decides.
fn prev_result() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [
            { "name": "br9" }, { "name": "veth0" }, { "name": "eth0", "sandbox": netns("blue") }
        ],
        "ips": [
            { "address": "10.40.0.2/24", "gateway": "10.40.0.1", "interface": 2 },
            { "address": "fd00:40::2/64", "gateway": "fd00:40::1", "interface": 2 },
        ],
        "routes": [{ "dst": "10.41.0.0/16" }, { "dst": "fd00:41::/64" }],
    })
}

impl Network {
    pub(crate) fn plugin(&self) -> &'static Bundled {
        find(self.plugin).unwrap()
    }

    /// Both families, routes, and reservations of the lab.
    pub(crate) fn conf(&self, lab: &Lab) -> Value {
        let mut conf = json!({
            "cniVersion": "1.1.0", "name": "net", "type": self.plugin,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": "10.40.0.0/24" }], [{ "subnet": "fd00:40::/64" }]],
                "routes": [{ "dst": "10.41.0.0/16" }, { "dst": "fd00:41::/64" }],
                "dataDir": lab.data_dir(),
            },
        });
        let Value::Object(more) = (self.more)() else { panic!("an object") };
        conf.as_object_mut().unwrap().extend(more);
        if self.plugin == FLANNEL.plugin {
            let file = lab.directories().subnet_file;
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, SUBNET_FILE).unwrap();
        }
        conf
    }
}

/// A device of the node, and the other end of its cable.
const DEVICE: &str = "ens5";
const CABLE: &str = "cable";
/// The node's end of the veth that chained plugins find, and the bridge that it is on.
const FORMER: &str = "former0";
const FORMER_BRIDGE: &str = "former-br0";

/// Both ends of the node's way out.
const UPLINK: [&str; 2] = ["up0", "up1"];

/// Is the link there before any attachment?
fn stands(name: &str) -> bool {
    ["lo", DEVICE, CABLE, FORMER, FORMER_BRIDGE].contains(&name) || UPLINK.contains(&name)
}

/// What the plugin before a chained one says.
fn former() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [
            { "name": FORMER_BRIDGE },
            { "name": FORMER },
            { "name": "eth0", "sandbox": "/run/netns/blue" },
        ],
        "ips": [
            { "interface": 2, "address": "10.40.0.2/24" },
            { "interface": 2, "address": "fd00:40::2/64" },
        ],
    })
}

impl Network {
    /// Whether the kernel has the links that the plugin makes. If it has none, `what` is told not to be tested.
    pub(crate) fn is_possible(&self, what: &str) -> bool {
        let plugin = self.plugin;
        let rare = ["ipvlan", "vlan", "dummy", "vrf"].contains(&plugin);
        if !rare || require("ip") && witness::has_kind(plugin) {
            return true;
        }
        sandbox::notice(&format!("{what} of {plugin}: this kernel has no such links"));
        false
    }

    /// [`prepare`], and what the network needs to be there: a device of the node, a way out for what sits on
    /// links of the node, for other chained plugins the veth of the plugin before them.
    pub(crate) fn prepare(&self, lab: &Lab) {
        prepare(lab);
        let mut kernel = kernel_of(lab);
        if (self.more)()["backend"] == "firewalld"
            && let Machine::Sim(node) = &lab.machine
            && !kernel.firewalld_runs(Duration::ZERO).unwrap()
        {
            node.start_firewalld();
        }
        match self.plugin {
            "host-device" => make_device(kernel.as_mut()),
            "macvlan" | "ipvlan" | "vlan" | "dummy" => make_uplink(kernel.as_mut()),
            "bandwidth" | "firewall" | "portmap" => make_former(kernel.as_mut()),
            // What others of a chain need, tests have the plugins before them make.
            _ => {}
        }
    }
}

/// Runs a test with firewalld on the bus of a lab on the real kernel, if it is here. At the end nothing is in
/// its zone, in its own eyes.
pub(crate) fn with_firewalld(lab: &Lab, test: impl FnOnce(&Lab)) {
    if require_firewalld() {
        let bus = SystemBus::start();
        bus.serves(lab.root());
        let _firewalld = Firewalld::start();
        test(lab);
        assert_eq!(sources("work"), [""; 0]);
    }
}

fn make_device(kernel: &mut dyn Kernel) {
    if kernel.link_by_name(Role::Host, &DEVICE.try_into().unwrap()).unwrap().is_some() {
        return;
    }
    // Without IPv6, wherever it goes: or else the kernel would add addresses when it likes.
    let ipv6 = key("net/ipv6/conf/default/disable_ipv6");
    kernel.sysctl_set(Role::Host, &ipv6, "1").unwrap();
    let device = make_veth(kernel, DEVICE, (Role::Host, CABLE));
    let alias = LinkChange::Alias("uplink".to_owned());
    kernel.link_set(Role::Host, device.index, &alias).unwrap();
    for index in [device.index, device.parent.unwrap()] {
        kernel.link_set(Role::Host, index, &LinkChange::Up).unwrap();
    }
}

fn make_former(kernel: &mut dyn Kernel) {
    if kernel.link_by_name(Role::Container, &"eth0".try_into().unwrap()).unwrap().is_some() {
        return;
    }
    // Of a container that was there before: its links go a moment after it.
    for name in [FORMER, FORMER_BRIDGE] {
        let found = kernel.link_by_name(Role::Host, &name.try_into().unwrap()).unwrap();
        if let Some(link) = found {
            let _ = kernel.link_delete(Role::Host, link.index);
        }
    }
    let port = make_veth(kernel, FORMER, (Role::Container, "eth0"));
    let spec = LinkSpec {
        name: FORMER_BRIDGE.try_into().unwrap(),
        mtu: None,
        mac: Some("02:00:5e:00:53:08".parse().unwrap()),
        kind: KindSpec::Bridge { vlan_filtering: false },
    };
    let bridge = kernel.link_create(Role::Host, &spec).unwrap();
    let master = LinkChange::Master(Some(bridge.index));
    kernel.link_set(Role::Host, port.index, &master).unwrap();
}

fn make_uplink(kernel: &mut dyn Kernel) {
    let [name, peer] = UPLINK;
    if kernel.link_by_name(Role::Host, &name.try_into().unwrap()).unwrap().is_some() {
        return;
    }
    let up0 = make_veth(kernel, name, (Role::Host, peer));
    for index in [up0.index, up0.parent.unwrap()] {
        kernel.link_set(Role::Host, index, &LinkChange::Up).unwrap();
    }
    kernel.link_wait_up(Role::Host, up0.index, Duration::from_secs(9)).unwrap();
    let route = RouteSpec { link: Some(up0.index), ..RouteSpec::to("0.0.0.0/0".parse().unwrap()) };
    kernel.route_add(Role::Host, &route).unwrap();
}

fn make_veth(kernel: &mut dyn Kernel, name: &str, (peer_netns, peer): (Role, &str)) -> Link {
    let kind = KindSpec::Veth { peer: peer.try_into().unwrap(), peer_netns, peer_mac: None };
    let spec = LinkSpec { name: name.try_into().unwrap(), mtu: None, mac: None, kind };
    kernel.link_create(Role::Host, &spec).unwrap()
}

/// A kernel of the lab, past everything.
pub(crate) fn kernel_of(lab: &Lab) -> Box<dyn Kernel> {
    match &lab.machine {
        Machine::Sim(node) => Box::new(node.kernel(Some("blue"))),
        Machine::Linux => {
            let container = ContainerNetns::open(&netns("blue")).unwrap();
            Box::new(LinuxKernel::new(Some(container)).unwrap())
        }
    }
}

/// A sysctl of any name.
pub(crate) fn key(text: &str) -> SysctlKey {
    SysctlKey::try_from(text.to_owned()).unwrap()
}

/// The container's IPv6 is switched off, as runtimes have it: plugins switch it on. Nobody waits for
/// duplicate address detection.
pub(crate) fn prepare(lab: &Lab) {
    let mut kernel = kernel_of(lab);
    for (name, value) in [
        ("net/ipv6/conf/lo/disable_ipv6", "1"),
        ("net/ipv6/conf/default/disable_ipv6", "1"),
        ("net/ipv6/conf/default/accept_dad", "0"),
    ] {
        kernel.sysctl_set(Role::Container, &key(name), value).unwrap();
    }
}

/// After an ADD that succeeded: what it made for all, bridges and forwarding, as nobody had made it; and the
/// container as it was prepared.
pub(crate) fn undo_shared(lab: &Lab) {
    let mut kernel = kernel_of(lab);
    let links = kernel.links(Role::Host).unwrap();
    for link in links.iter().filter(|link| link.name.as_str() == DEVICE && !link.up) {
        // A device that was given back is down.
        kernel.link_set(Role::Host, link.index, &LinkChange::Up).unwrap();
    }
    let made = |link: &&Link| !stands(link.name.as_str());
    for link in links.iter().rev().filter(made) {
        // One end of a pair may have gone with the other.
        if kernel.link_by_index(Role::Host, link.index).unwrap().is_some() {
            kernel.link_delete(Role::Host, link.index).unwrap();
        }
    }
    for name in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
        kernel.sysctl_set(Role::Host, &key(name), "0").unwrap();
    }
    prepare(lab);
}

/// Nothing is left, in the eyes of others. Of nftables the tables stay, with their chains and empty sets:
/// they are for all attachments, say nothing of any, and to remove them would be a race with the next one.
pub(crate) fn witnessed(lab: &Lab) {
    assert_eq!(lab.files(), [""; 0]);
    if require("ip") {
        let mut links = witness::names(&witness::ip_json(&["link"]));
        links.retain(|name| !stands(name));
        assert_eq!(links, [""; 0]);
        let routes = witness::ip_json(&["route", "show", "table", "all"]);
        let by = |route: &Value| route["dev"].as_str().map(str::to_owned);
        assert!(
            routes.as_array().unwrap().iter().filter_map(by).all(|dev| stands(&dev)),
            "{routes}"
        );
    }
    if require("nft") {
        assert_eq!(witness::nft_elements(), [""; 0]);
    }
}
