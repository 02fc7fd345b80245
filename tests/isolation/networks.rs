//! The bundled plugins with all that they can do, and labs that are ready for them.

use serde_json::{Value, json};
use wasmcni::component::{Bundled, find};
use wasmcni::kernel::linux::{ContainerNetns, LinuxKernel};
use wasmcni::kernel::{Kernel, Role, SysctlKey};

use super::lab::{Lab, Machine, netns};
use crate::harness::netns as witness;
use crate::harness::programs::require;

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
pub(crate) const LOOPBACK: Network = Network { plugin: "loopback", more: || json!({}) };
pub(crate) const HOST_LOCAL: Network = Network { plugin: "host-local", more: || json!({}) };

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
        conf
    }
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
    for link in links.iter().rev().filter(|link| link.name.as_str() != "lo") {
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
        assert_eq!(witness::names(&witness::ip_json(&["link"])), ["lo"]);
        let routes = witness::ip_json(&["route", "show", "table", "all"]);
        let by = |route: &Value| route["dev"].as_str().map(str::to_owned);
        assert!(
            routes.as_array().unwrap().iter().filter_map(by).all(|dev| dev == "lo"),
            "{routes}"
        );
    }
    if require("nft") {
        assert_eq!(witness::nft_elements(), [""; 0]);
    }
}
