//! Calls without a container netns: DEL with an empty `CNI_NETNS`.

use wasmcni::kernel::LinkChange::{Netns, Up};
use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, IfIndex, KindSpec, Parent, PortChange, VlanEntry};

use super::run::{Case, Group};
use super::words::{address, bridge, ifname, key, link, net, veth};
use super::world::World;

pub(crate) const CASES: Group = &[Case {
    name: concat!(module_path!(), "::everything_answers_enoent"),
    needs: &[],
    container: false,
    run: everything_answers_enoent,
}];

fn everything_answers_enoent(w: &mut World<'_>) {
    let gone = Errno::ENOENT;
    let vlan = VlanEntry { first: 5, last: 5, pvid: false, untagged: false, on_bridge: false };
    let lo = IfIndex(1);
    let zero = std::time::Duration::ZERO;
    let route = wasmcni::kernel::RouteSpec::to(net("10.0.0.0/8"));
    let ip = "10.0.0.1".parse().unwrap();
    let k = &mut *w.kernel;
    assert_eq!(k.netns(Container), None);
    macro_rules! refused {
        ($($call:expr),* $(,)?) => {$(
            assert_eq!($call.map(drop).map_err(|error| error.errno), Err(gone), "{}", stringify!($call));
        )*};
    }
    refused![
        k.link_by_name(Container, &ifname("lo")),
        k.link_by_index(Container, lo),
        k.links(Container),
        k.link_create(Container, &bridge("br0")),
        k.link_create(Host, &veth("v0", "v1", Container)),
        k.link_create(
            Host,
            &link("d5", KindSpec::Vlan { parent: Parent { netns: Container, index: lo }, id: 5 }),
        ),
        k.link_delete(Container, lo),
        k.link_set(Container, lo, &Up),
        k.link_set(Host, lo, &Netns(Container)),
        k.link_wait_up(Container, lo, zero),
        k.addr_add(Container, lo, &address("10.0.0.1/24")),
        k.addr_delete(Container, lo, &address("10.0.0.1/24")),
        k.addrs(Container, lo),
        k.addrs_wait_settled(Container, lo, zero),
        k.route_add(Container, &route),
        k.route_delete(Container, &route),
        k.routes(Container),
        k.route_to(Container, ip),
        k.bridge_port_set(Container, lo, PortChange::Hairpin(true)),
        k.bridge_vlan_add(Container, lo, &vlan),
        k.bridge_vlan_delete(Container, lo, &vlan),
        k.bridge_vlans(Container, lo),
        k.sysctl_get(Container, &key("net/ipv4/ip_forward")),
        k.sysctl_set(Container, &key("net/ipv4/ip_forward"), "1"),
    ];
    assert!(!w.has(Host, "v0"), "nothing of it is left");
    w.create(Host, &bridge("br0")).unwrap();
}
