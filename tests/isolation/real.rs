//! What the real kernel holds, in lines that can be compared.

use std::path::Path;
use std::time::Duration;

use wasmcni::kernel::linux::{BusAddress, ContainerNetns, LinuxKernel};
use wasmcni::kernel::{Errno, IfIndex, Kernel, Role, SysctlKey};

/// How long firewalld may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings that plugins change.
const SYSCTLS: &[&str] = &[
    "net/ipv4/conf/eth0/arp_filter",
    "net/ipv4/ip_default_ttl",
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/all/accept_ra",
    "net/ipv6/conf/default/accept_ra",
    "net/ipv6/conf/default/disable_ipv6",
    "net/ipv6/conf/lo/disable_ipv6",
    "net/ipv6/conf/lo/accept_ra",
];

/// Both namespaces of a call, and what is kept for the node. Link-local IPv6 is left out: the kernel adds
/// it when it likes.
pub(super) fn observe(container: &Path, system_bus: BusAddress) -> Vec<String> {
    let container = container.exists().then(|| ContainerNetns::open(container).unwrap());
    let roles: &[Role] = match container {
        Some(_) => &[Role::Host, Role::Container],
        None => &[Role::Host],
    };
    let mut kernel = LinuxKernel::new(container).unwrap().on_bus(system_bus);
    let mut lines = Vec::new();
    for role in roles {
        lines.extend(netns(&mut kernel, *role).into_iter().map(|line| format!("{role}: {line}")));
    }
    lines.extend(kernel.masquerades().unwrap().iter().map(|entry| format!("{entry:?}")));
    lines.extend(kernel.port_mappings().unwrap().iter().map(|mapping| format!("{mapping:?}")));
    lines.extend(kernel.admissions().unwrap().iter().map(|entry| format!("{entry:?}")));
    if kernel.firewalld_runs(PATIENCE).unwrap() {
        for address in ["10.40.0.2", "fd00:40::2"] {
            let zone = kernel.zone_of_source(address.parse().unwrap(), PATIENCE).unwrap();
            lines.push(format!("{address} in zone {zone:?}"));
        }
    }
    lines.extend(kernel.spoof_guards().unwrap().iter().map(|guard| format!("{guard:?}")));
    lines
}

fn netns(kernel: &mut LinuxKernel, role: Role) -> Vec<String> {
    let mut lines = Vec::new();
    let links = kernel.links(role).unwrap();
    let name = |index: Option<IfIndex>| {
        let found = index.and_then(|index| links.iter().find(|link| link.index == index));
        found.map(|link| link.name.to_string()).unwrap_or_default()
    };
    for link in &links {
        lines.push(format!(
            "link {} kind {:?} mac {:?} mtu {} up {} promisc {} {} queue {} master {:?} alias {:?} filtering {} {:?} {:?} {:?}",
            link.name,
            link.kind,
            link.mac.map(|mac| mac.to_string()),
            link.mtu,
            link.up,
            link.promisc,
            link.all_multicast,
            link.tx_queue_length,
            name(link.master),
            link.alias,
            link.vlan_filtering,
            link.port,
            link.mode,
            link.vlan_id,
        ));
        let shaping = kernel.shaping(role, link.index).unwrap();
        lines.push(format!("shaping of {}: {shaping:?}", link.name));
        for address in kernel.addrs(role, link.index).unwrap() {
            lines.push(format!("address {} of {}", address.address, link.name));
        }
    }
    for route in kernel.routes(role).unwrap() {
        let by = name(route.link);
        let (to, gateway, table) = (route.destination, route.gateway, route.table);
        lines.push(format!("route {to} via {gateway:?} dev {by} table {table} {}", route.priority));
    }
    lines.extend(kernel.rules(role).unwrap().iter().map(|rule| format!("{rule:?}")));
    for key in SYSCTLS {
        match kernel.sysctl_get(role, &SysctlKey::try_from((*key).to_owned()).unwrap()) {
            Ok(value) => lines.push(format!("{key}={value}")),
            Err(error) => assert_eq!(error.errno, Errno::ENOENT, "{error}"),
        }
    }
    lines.retain(|line| !line.contains("fe80:"));
    lines
}
