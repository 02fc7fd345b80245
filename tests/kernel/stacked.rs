//! Links on links: dummies, macvlans, ipvlans, vlans.

use wasmcni::kernel::LinkChange::{Mac, Mtu, Netns};
use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, IpvlanMode, KindSpec, LinkSpec, MacvlanMode, Parent, Role};

use super::run::cases;
use super::words::{bridge, link, mac, macvlan, net};
use super::world::{Done, World};

cases![
    dummies: Dummy,
    dummies_have_no_mtu_bounds: Dummy,
    macvlans_stand_on_their_parent: Macvlan,
    macvlans_in_the_container: Macvlan,
    macvlans_and_mtu: Macvlan,
    macvlans_and_macs: Macvlan,
    one_passthru: Macvlan,
    macvlans_and_bridges_exclude_each_other: Macvlan,
    macvlans_on_macvlans: Macvlan,
    macvlans_die_with_their_parent: Macvlan,
    macvlans_have_their_parents_carrier: Macvlan,
    ipvlans_share_their_parents_mac: Ipvlan,
    ipvlans_share_addresses_with_nobody: Ipvlan,
    ipvlans_and_mtu: Ipvlan,
    ipvlans_and_others_exclude_each_other: Ipvlan Macvlan,
    ipvlans_die_with_their_parent: Ipvlan,
    vlans_stand_on_their_parent: Vlan,
    vlan_ids: Vlan,
    vlans_and_mtu: Vlan,
    vlans_go_up_and_down_with_their_parent: Vlan,
    vlans_on_bridges: Vlan,
    vlans_die_with_their_parent: Vlan,
    dad_is_needless_without_neighbours: Dummy Vlan,
    parents_are_links,
    parents_move: Macvlan,
];

/// `p0` in the host netns, operational, the lower device of what follows.
fn with_parent(w: &mut World<'_>) -> Parent {
    // First the MAC: the kernel makes a link-local address of it some time after the link is up.
    w.veth("p0", "q0");
    w.set(Host, "p0", Mac(mac(1))).unwrap();
    w.pair_up("p0", "q0");
    w.parent(Host, "p0")
}

fn macvlan_on(w: &mut World<'_>, netns: Role, name: &str, mode: MacvlanMode) -> Done {
    let parent = w.parent(Host, "p0");
    w.create(netns, &macvlan(name, parent, mode))
}

fn ipvlan(name: &str, parent: Parent) -> LinkSpec {
    link(name, KindSpec::Ipvlan { parent, mode: IpvlanMode::L2 })
}

fn vlan(name: &str, parent: Parent, id: u16) -> LinkSpec {
    link(name, KindSpec::Vlan { parent, id })
}

fn dummies(w: &mut World<'_>) {
    w.create(Container, &link("d0", KindSpec::Dummy)).unwrap();
    let made = w.link(Container, "d0");
    assert_eq!((made.kind.as_str(), made.mtu), ("dummy", 1500));
    w.addr(Container, "d0", "10.1.0.1/24").unwrap();
    w.addr(Container, "d0", "fd00::1/64").unwrap();
    w.look();
    w.up(Container, "d0");
    w.look();
    w.route(Container, "0.0.0.0/0 via 10.1.0.2").unwrap();
    w.set(Container, "d0", Netns(Host)).unwrap();
    w.delete(Host, "d0").unwrap();
}

fn dummies_have_no_mtu_bounds(w: &mut World<'_>) {
    w.create(Host, &LinkSpec { mtu: Some(70_000), ..link("d0", KindSpec::Dummy) }).unwrap();
    w.create(Host, &LinkSpec { mtu: Some(60), ..link("d1", KindSpec::Dummy) }).unwrap();
    w.set(Host, "d0", Mtu(100_000)).unwrap();
}

fn macvlans_stand_on_their_parent(w: &mut World<'_>) {
    let parent = with_parent(w);
    macvlan_on(w, Host, "m0", MacvlanMode::Bridge).unwrap();
    let made = w.link(Host, "m0");
    assert_eq!((made.kind.as_str(), made.mtu), ("macvlan", 1500));
    assert_eq!(made.mode, Some("bridge"));
    assert_eq!(made.parent, Some(parent.index));
    assert_ne!(made.mac, Some(mac(1)));
    w.addr(Host, "m0", "10.1.0.1/24").unwrap();
    w.up(Host, "m0");
    w.look();
    assert_eq!(macvlan_on(w, Host, "m0", MacvlanMode::Bridge), Err(Errno::EEXIST));
    let kind = KindSpec::Macvlan { parent, mode: MacvlanMode::Vepa, broadcast_queue: Some(100) };
    w.create(Host, &link("m1", kind)).unwrap();
    macvlan_on(w, Host, "m2", MacvlanMode::Private).unwrap();
}

fn macvlans_in_the_container(w: &mut World<'_>) {
    let parent = with_parent(w);
    // The name may be taken in the parent's namespace: it is not there that it is wanted.
    w.create(Host, &bridge("eth0")).unwrap();
    let spec = LinkSpec {
        mtu: Some(1400),
        mac: Some(mac(7)),
        ..macvlan("eth0", parent, MacvlanMode::Bridge)
    };
    w.create(Container, &spec).unwrap();
    let made = w.link(Container, "eth0");
    assert_eq!((made.kind.as_str(), made.mtu, made.mac), ("macvlan", 1400, Some(mac(7))));
    assert_eq!(made.parent, Some(parent.index));
    assert_eq!(w.create(Container, &spec), Err(Errno::EEXIST));
    w.addr(Container, "eth0", "10.1.0.1/24").unwrap();
    w.up(Container, "eth0");
    w.look();
    w.delete(Container, "eth0").unwrap();
    assert!(w.has(Host, "eth0") && w.has(Host, "p0"));
}

fn macvlans_and_mtu(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.set(Host, "p0", Mtu(1450)).unwrap();
    macvlan_on(w, Container, "m0", MacvlanMode::Bridge).unwrap();
    assert_eq!(w.link(Container, "m0").mtu, 1450);
    assert_eq!(w.set(Container, "m0", Mtu(1451)), Err(Errno::EINVAL));
    let spec = LinkSpec { mtu: Some(1451), ..macvlan("m1", parent, MacvlanMode::Bridge) };
    assert_eq!(w.create(Host, &spec), Err(Errno::EINVAL));
    w.set(Host, "p0", Mtu(1400)).unwrap();
    assert_eq!(w.link(Container, "m0").mtu, 1400, "it follows downwards");
    w.set(Host, "p0", Mtu(1500)).unwrap();
    assert_eq!(w.link(Container, "m0").mtu, 1400, "and not upwards");
}

fn macvlans_and_macs(w: &mut World<'_>) {
    let parent = with_parent(w);
    let spec =
        |name: &str| LinkSpec { mac: Some(mac(7)), ..macvlan(name, parent, MacvlanMode::Bridge) };
    w.create(Host, &spec("m0")).unwrap();
    w.create(Host, &spec("m1")).unwrap();
    w.up(Host, "m0");
    let second = w.set(Host, "m1", wasmcni::kernel::LinkChange::Up);
    assert_eq!(second, Err(Errno::EADDRINUSE), "its MAC is in use");
    w.set(Host, "m1", Mac(mac(8))).unwrap();
    w.up(Host, "m1");
    assert_eq!(w.set(Host, "m1", Mac(mac(7))), Err(Errno::EADDRINUSE));
}

fn one_passthru(w: &mut World<'_>) {
    with_parent(w);
    macvlan_on(w, Container, "m0", MacvlanMode::Bridge).unwrap();
    assert_eq!(macvlan_on(w, Container, "m1", MacvlanMode::Passthru), Err(Errno::EINVAL));
    w.delete(Container, "m0").unwrap();
    macvlan_on(w, Container, "m1", MacvlanMode::Passthru).unwrap();
    assert_eq!(w.link(Container, "m1").mac, Some(mac(1)), "it is the parent");
    assert_eq!(macvlan_on(w, Container, "m0", MacvlanMode::Bridge), Err(Errno::EINVAL));
}

fn macvlans_and_bridges_exclude_each_other(w: &mut World<'_>) {
    with_parent(w);
    w.create(Host, &bridge("br0")).unwrap();
    w.enslave(Host, "p0", "br0").unwrap();
    assert_eq!(macvlan_on(w, Host, "m0", MacvlanMode::Bridge), Err(Errno::EBUSY));
    w.set(Host, "p0", wasmcni::kernel::LinkChange::Master(None)).unwrap();
    macvlan_on(w, Host, "m0", MacvlanMode::Bridge).unwrap();
    assert_eq!(w.enslave(Host, "p0", "br0"), Err(Errno::EBUSY));
    w.enslave(Host, "m0", "br0").unwrap();
}

fn macvlans_on_macvlans(w: &mut World<'_>) {
    let parent = with_parent(w);
    macvlan_on(w, Host, "m0", MacvlanMode::Bridge).unwrap();
    let upper = w.parent(Host, "m0");
    w.create(Host, &macvlan("m1", upper, MacvlanMode::Bridge)).unwrap();
    assert_eq!(w.link(Host, "m1").parent, Some(parent.index), "they stand side by side");
    let lo = w.parent(Host, "lo");
    assert_eq!(w.create(Host, &macvlan("m2", lo, MacvlanMode::Bridge)), Err(Errno::EINVAL));
}

fn macvlans_die_with_their_parent(w: &mut World<'_>) {
    with_parent(w);
    macvlan_on(w, Host, "m0", MacvlanMode::Bridge).unwrap();
    macvlan_on(w, Container, "m1", MacvlanMode::Bridge).unwrap();
    w.delete(Container, "q0").unwrap();
    assert!(!w.has(Host, "m0") && !w.has(Container, "m1"));
}

fn macvlans_have_their_parents_carrier(w: &mut World<'_>) {
    with_parent(w);
    macvlan_on(w, Container, "m0", MacvlanMode::Bridge).unwrap();
    w.up(Container, "m0");
    w.look();
    w.down(Container, "q0");
    w.look();
    w.up(Container, "q0");
    w.look();
    w.down(Host, "p0");
    w.look();
    assert!(w.link(Container, "m0").up);
    // A parent that is down carries new ones, too.
    macvlan_on(w, Container, "m1", MacvlanMode::Bridge).unwrap();
    w.up(Container, "m1");
}

fn ipvlans_share_their_parents_mac(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Host, &bridge("eth0")).unwrap();
    let spec = LinkSpec { mac: Some(mac(9)), ..ipvlan("eth0", parent) };
    w.create(Container, &spec).unwrap();
    let made = w.link(Container, "eth0");
    assert_eq!((made.kind.as_str(), made.mtu, made.mac), ("ipvlan", 1500, Some(mac(1))));
    assert_eq!(w.set(Container, "eth0", Mac(mac(9))), Err(Errno::EOPNOTSUPP));
    w.up(Container, "eth0");
    w.addr(Container, "eth0", "10.1.0.1/24").unwrap();
    w.look();
    w.create(Host, &link("i1", KindSpec::Ipvlan { parent, mode: IpvlanMode::L3 })).unwrap();
    w.create(Host, &link("i2", KindSpec::Ipvlan { parent, mode: IpvlanMode::L3s })).unwrap();
    assert_eq!(w.link(Container, "eth0").mode, Some("l3s"), "the parent's, for all of them");
    let lo = w.parent(Host, "lo");
    assert_eq!(w.create(Host, &ipvlan("i3", lo)), Err(Errno::EINVAL));
}

fn ipvlans_share_addresses_with_nobody(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Container, &ipvlan("i0", parent)).unwrap();
    w.create(Container, &ipvlan("i1", parent)).unwrap();
    w.addr(Container, "i0", "10.1.0.1/24").unwrap();
    w.addr(Container, "i0", "fd00::1/64").unwrap();
    assert_eq!(w.addr(Container, "i1", "10.1.0.1/24"), Err(Errno::EADDRINUSE));
    assert_eq!(w.addr(Container, "i1", "fd00::1/64"), Err(Errno::EADDRINUSE));
    w.addr(Host, "p0", "10.1.0.1/24").unwrap();
    w.addr(Container, "i1", "10.1.0.2/24").unwrap();
}

fn ipvlans_and_mtu(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Container, &LinkSpec { mtu: Some(1600), ..ipvlan("i0", parent) }).unwrap();
    w.set(Container, "i0", Mtu(1700)).unwrap();
    w.set(Host, "p0", Mtu(1400)).unwrap();
    assert_eq!(w.link(Container, "i0").mtu, 1400);
}

fn ipvlans_and_others_exclude_each_other(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Host, &bridge("br0")).unwrap();
    w.create(Host, &ipvlan("i0", parent)).unwrap();
    assert_eq!(macvlan_on(w, Host, "m0", MacvlanMode::Bridge), Err(Errno::EBUSY));
    assert_eq!(w.enslave(Host, "p0", "br0"), Err(Errno::EBUSY));
    let upper = w.parent(Host, "i0");
    w.create(Host, &ipvlan("i1", upper)).unwrap();
    assert_eq!(w.link(Host, "i1").parent, Some(parent.index));
    let answer = w.create(Host, &macvlan("m0", upper, MacvlanMode::Bridge));
    assert_eq!(answer, Err(Errno::EINVAL));
    w.delete(Host, "i0").unwrap();
    w.delete(Host, "i1").unwrap();
    macvlan_on(w, Host, "m0", MacvlanMode::Bridge).unwrap();
    assert_eq!(w.create(Host, &ipvlan("i0", parent)), Err(Errno::EBUSY));
    w.delete(Host, "m0").unwrap();
    w.enslave(Host, "p0", "br0").unwrap();
    assert_eq!(w.create(Host, &ipvlan("i0", parent)), Err(Errno::EBUSY));
}

fn ipvlans_die_with_their_parent(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Container, &ipvlan("i0", parent)).unwrap();
    w.delete(Host, "p0").unwrap();
    assert!(!w.has(Container, "i0"));
}

fn vlans_stand_on_their_parent(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Container, &LinkSpec { mtu: Some(1400), ..vlan("eth0", parent, 5) }).unwrap();
    let made = w.link(Container, "eth0");
    assert_eq!((made.kind.as_str(), made.mtu, made.mac), ("vlan", 1400, Some(mac(1))));
    assert_eq!(made.vlan_id, Some(5));
    w.create(Host, &vlan("p0.6", parent, 6)).unwrap();
    let upper = w.parent(Host, "p0.6");
    w.create(Host, &vlan("p0.6.6", upper, 6)).unwrap();
    w.up(Container, "eth0");
    w.addr(Container, "eth0", "10.1.0.1/24").unwrap();
}

fn vlan_ids(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Host, &vlan("a", parent, 5)).unwrap();
    assert_eq!(w.create(Host, &vlan("b", parent, 5)), Err(Errno::EEXIST));
    assert_eq!(w.create(Container, &vlan("b", parent, 5)), Err(Errno::EEXIST));
    assert_eq!(w.create(Host, &vlan("b", parent, 4095)), Err(Errno::ERANGE));
    w.create(Host, &vlan("b", parent, 4094)).unwrap();
    w.create(Host, &vlan("c", parent, 0)).unwrap();
    let lo = w.parent(Host, "lo");
    assert_eq!(w.create(Host, &vlan("d", lo, 5)), Err(Errno::EOPNOTSUPP));
}

fn vlans_and_mtu(w: &mut World<'_>) {
    let parent = with_parent(w);
    let spec = LinkSpec { mtu: Some(1501), ..vlan("a", parent, 5) };
    assert_eq!(w.create(Host, &spec), Err(Errno::EINVAL));
    w.create(Host, &vlan("a", parent, 5)).unwrap();
    assert_eq!(w.set(Host, "a", Mtu(1501)), Err(Errno::ERANGE));
    w.set(Host, "p0", Mtu(1300)).unwrap();
    assert_eq!(w.link(Host, "a").mtu, 1300);
}

fn vlans_go_up_and_down_with_their_parent(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Host, &vlan("a", parent, 5)).unwrap();
    w.create(Container, &vlan("b", parent, 6)).unwrap();
    w.down(Host, "p0");
    assert_eq!(w.set(Host, "a", wasmcni::kernel::LinkChange::Up), Err(Errno::ENETDOWN));
    w.up(Host, "p0");
    assert!(w.link(Host, "a").up && w.link(Container, "b").up);
    w.addr(Host, "a", "10.1.0.1/24").unwrap();
    w.look();
    w.down(Host, "p0");
    assert!(!w.link(Host, "a").up && !w.link(Container, "b").up);
    w.look();
    w.set(Host, "p0", Netns(Container)).unwrap();
    assert!(w.has(Host, "a"));
}

fn vlans_on_bridges(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    w.up(Host, "br0");
    let parent = w.parent(Host, "br0");
    w.create(Host, &vlan("br0.5", parent, 5)).unwrap();
    w.up(Host, "br0.5");
    w.look();
    w.create(Host, &bridge("br1")).unwrap();
    w.enslave(Host, "br0.5", "br1").unwrap();
}

fn vlans_die_with_their_parent(w: &mut World<'_>) {
    let parent = with_parent(w);
    w.create(Host, &vlan("a", parent, 5)).unwrap();
    let upper = w.parent(Host, "a");
    w.create(Host, &vlan("b", upper, 5)).unwrap();
    w.create(Container, &vlan("c", parent, 6)).unwrap();
    w.delete(Host, "p0").unwrap();
    assert!(!w.has(Host, "a") && !w.has(Host, "b") && !w.has(Container, "c"));
}

fn dad_is_needless_without_neighbours(w: &mut World<'_>) {
    w.with_endless_dad();
    w.create(Host, &link("d0", KindSpec::Dummy)).unwrap();
    w.up(Host, "d0");
    let parent = w.parent(Host, "d0");
    w.create(Host, &vlan("d0.5", parent, 5)).unwrap();
    w.up(Host, "d0.5");
    w.addr(Host, "d0.5", "fd00::1/64").unwrap();
    w.wait_settled(Host, "d0.5", std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(w.sysctl(Host, "net/ipv6/conf/d0/accept_dad").unwrap(), "-1");
}

fn parents_are_links(w: &mut World<'_>) {
    let nobody = Parent { netns: Host, index: wasmcni::kernel::IfIndex(99) };
    for kind in [
        KindSpec::Macvlan { parent: nobody, mode: MacvlanMode::Bridge, broadcast_queue: None },
        KindSpec::Vlan { parent: nobody, id: 5 },
        KindSpec::Ipvlan { parent: nobody, mode: IpvlanMode::L2 },
    ] {
        // A kernel that lacks the kind says that first.
        let made = w.kernel.link_create(Container, &link("x0", kind)).map_err(|e| e.errno);
        assert!(matches!(made, Err(Errno::ENODEV | Errno::EOPNOTSUPP)), "{made:?}");
    }
    assert!(!w.has(Container, "x0"));
}

fn parents_move(w: &mut World<'_>) {
    with_parent(w);
    macvlan_on(w, Host, "m0", MacvlanMode::Bridge).unwrap();
    w.up(Host, "m0");
    w.set(Host, "p0", Netns(Container)).unwrap();
    assert!(w.has(Host, "m0"), "what stands on it stays");
    w.look();
    w.addr(Host, "m0", &net("10.1.0.1/24").to_string()).unwrap();
    w.set(Host, "m0", Netns(Container)).unwrap();
    w.look();
    w.delete(Container, "p0").unwrap();
    assert!(!w.has(Container, "m0"));
}
