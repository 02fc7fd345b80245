//! Links: names, values, veth pairs, moves between namespaces, operational state.

use std::time::Duration;

use wasmcni::kernel::LinkChange::{
    Alias, AllMulticast, Down, Mac, Master, Mtu, Name, Netns, Promisc, TxQueueLength, Up,
};
use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, IfIndex, KindSpec, LinkSpec, PortChange};

use super::run::cases;
use super::words::{bridge, ifname, mac, veth};
use super::world::World;

cases![
    loopback_is_there_and_down,
    loopback_stays,
    unknown_links_are_none_or_enodev,
    veth_is_two_links,
    veth_takes_its_values,
    veth_within_one_netns,
    veth_ends_die_together,
    names_are_unique_in_a_netns,
    names_of_sysctls_are_no_names_of_links,
    mtu_has_bounds,
    macs_have_one_owner,
    renaming,
    aliases_fit_255_octets,
    switches,
    moving_takes_what_belongs_to_the_netns,
    moving_needs_a_free_name,
    some_links_do_not_move,
    indices_identify_links,
    operational_is_both_ends_up,
    link_listing_is_complete,
];

fn loopback_is_there_and_down(w: &mut World<'_>) {
    for netns in [Host, Container] {
        let lo = w.link(netns, "lo");
        assert!(lo.loopback && !lo.up && lo.kind.is_empty(), "{lo:?}");
        assert_eq!((lo.index, lo.mtu), (IfIndex(1), 65_536));
    }
    w.look();
    w.up(Container, "lo");
    w.wait_up(Container, "lo", Duration::ZERO).unwrap();
    assert_eq!(w.addrs(Container, "lo"), ["127.0.0.1/8", "::1/128"]);
    w.look();
    w.down(Container, "lo");
    assert_eq!(w.addrs(Container, "lo"), ["127.0.0.1/8"]);
}

fn loopback_stays(w: &mut World<'_>) {
    assert_eq!(w.delete(Container, "lo"), Err(Errno::EOPNOTSUPP));
    assert_eq!(w.set(Container, "lo", Netns(Host)), Err(Errno::EINVAL));
    assert_eq!(w.set(Host, "lo", Netns(Container)), Err(Errno::EINVAL));
}

fn unknown_links_are_none_or_enodev(w: &mut World<'_>) {
    assert!(!w.has(Host, "nobody"));
    assert_eq!(w.kernel.link_by_index(Host, IfIndex(99)), Ok(None));
    let gone = Err(Errno::ENODEV);
    assert_eq!(w.delete(Host, "#99"), gone);
    assert_eq!(w.addr(Host, "#99", "10.0.0.1/24"), gone);
    assert_eq!(w.addr(Host, "#99", "fd00::1/64"), gone);
    assert_eq!(w.addr_delete(Host, "#99", "10.0.0.1/24"), gone);
    assert_eq!(w.addr_delete(Host, "#99", "fd00::1/64"), gone);
    assert_eq!(w.wait_up(Host, "#99", Duration::ZERO), gone);
    assert_eq!(w.wait_settled(Host, "#99", Duration::ZERO), gone);
    assert_eq!(w.port(Host, "#99", PortChange::Hairpin(true)), gone);
    assert_eq!(w.route(Host, "10.0.0.0/8 dev #99"), gone);
    assert_eq!(w.route(Host, "fd00::/64 dev #99"), gone);
    for change in [Up, Down, Mtu(1400), Alias("a".to_owned()), Netns(Container), Master(None)] {
        assert_eq!(w.set(Host, "#99", change), gone);
    }
    let addrs = w.kernel.addrs(Host, IfIndex(99)).map_err(|error| error.errno);
    assert_eq!(addrs, Err(Errno::ENODEV));
    let vlans = w.kernel.bridge_vlans(Host, IfIndex(99)).map_err(|error| error.errno);
    assert_eq!(vlans, Err(Errno::ENODEV));
}

fn veth_is_two_links(w: &mut World<'_>) {
    w.create(Container, &veth("eth0", "veth1", Host)).unwrap();
    let (here, there) = (w.link(Container, "eth0"), w.link(Host, "veth1"));
    assert_eq!((here.kind.as_str(), there.kind.as_str()), ("veth", "veth"));
    assert_eq!((here.mtu, there.mtu), (1500, 1500));
    assert!(!here.up && !there.up);
    assert_eq!(here.parent, Some(there.index));
    assert_eq!(there.parent, Some(here.index));
    assert_ne!(here.mac, there.mac);
}

fn veth_takes_its_values(w: &mut World<'_>) {
    let kind = KindSpec::Veth { peer: ifname("veth1"), peer_netns: Host, peer_mac: Some(mac(2)) };
    let spec = LinkSpec { name: ifname("eth0"), mtu: Some(1400), mac: Some(mac(1)), kind };
    w.create(Container, &spec).unwrap();
    let (here, there) = (w.link(Container, "eth0"), w.link(Host, "veth1"));
    assert_eq!((here.mac, there.mac), (Some(mac(1)), Some(mac(2))));
    assert_eq!((here.mtu, there.mtu), (1400, 1400));
}

fn veth_within_one_netns(w: &mut World<'_>) {
    w.create(Host, &veth("a0", "a1", Host)).unwrap();
    let (near, far) = (w.link(Host, "a0"), w.link(Host, "a1"));
    assert_eq!(near.parent, Some(far.index));
    assert!(far.index < near.index, "the peer is registered first");
    assert_eq!(w.create(Host, &veth("b0", "b0", Host)), Err(Errno::EEXIST));
    assert!(!w.has(Host, "b0"));
}

fn veth_ends_die_together(w: &mut World<'_>) {
    for (netns, name) in [(Host, "v0"), (Container, "v1")] {
        w.veth_up("v0", "v1");
        w.addr(Host, "v0", "10.1.0.1/24").unwrap();
        w.addr(Container, "v1", "10.1.0.2/24").unwrap();
        w.delete(netns, name).unwrap();
        assert!(!w.has(Host, "v0") && !w.has(Container, "v1"));
        w.look();
    }
}

fn names_are_unique_in_a_netns(w: &mut World<'_>) {
    w.veth("v0", "v1");
    assert_eq!(w.create(Host, &bridge("v0")), Err(Errno::EEXIST));
    assert_eq!(w.create(Host, &veth("v0", "new", Container)), Err(Errno::EEXIST));
    assert!(!w.has(Container, "new"), "nothing of it is left");
    assert_eq!(w.create(Host, &veth("new", "v1", Container)), Err(Errno::EEXIST));
    assert!(!w.has(Host, "new"), "nothing of it is left");
    // The same names in the other namespace are others'.
    w.create(Host, &veth("v1", "v0", Container)).unwrap();
}

fn names_of_sysctls_are_no_names_of_links(w: &mut World<'_>) {
    assert_eq!(w.create(Host, &bridge("all")), Err(Errno::EINVAL));
    assert_eq!(w.create(Host, &bridge("default")), Err(Errno::EINVAL));
    assert_eq!(w.create(Host, &veth("v0", "default", Container)), Err(Errno::EINVAL));
    w.create(Host, &bridge("br0")).unwrap();
    assert_eq!(w.set(Host, "br0", Name(ifname("all"))), Err(Errno::EINVAL));
}

fn mtu_has_bounds(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.create(Host, &bridge("br0")).unwrap();
    for name in ["v0", "br0"] {
        for mtu in [68, 1279, 65_535, 1500] {
            w.set(Host, name, Mtu(mtu)).unwrap();
            assert_eq!(w.link(Host, name).mtu, mtu);
        }
        for mtu in [0, 67, 65_536, u32::MAX] {
            assert_eq!(w.set(Host, name, Mtu(mtu)), Err(Errno::EINVAL));
        }
    }
    assert_eq!(w.link(Container, "v1").mtu, 1500, "each end has its own");
    for mtu in [67, 65_536] {
        let spec = LinkSpec { mtu: Some(mtu), ..veth("w0", "w1", Container) };
        assert_eq!(w.create(Host, &spec), Err(Errno::EINVAL));
        let spec = LinkSpec { mtu: Some(mtu), ..bridge("br1") };
        assert_eq!(w.create(Host, &spec), Err(Errno::EINVAL));
    }
    assert!(!w.has(Container, "w1"), "nothing of it is left");
}

fn macs_have_one_owner(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.set(Host, "v0", Mac(mac(1))).unwrap();
    assert_eq!(w.link(Host, "v0").mac, Some(mac(1)));
    let group = [1, 0, 0x5e, 0, 0, 1].into();
    let nobody = [0; 6].into();
    for bad in [group, nobody] {
        assert_eq!(w.set(Host, "v0", Mac(bad)), Err(Errno::EADDRNOTAVAIL));
        let spec = LinkSpec { mac: Some(bad), ..bridge("br0") };
        assert_eq!(w.create(Host, &spec), Err(Errno::EADDRNOTAVAIL));
        let kind =
            KindSpec::Veth { peer: ifname("w1"), peer_netns: Container, peer_mac: Some(bad) };
        let spec = LinkSpec { name: ifname("w0"), mtu: None, mac: None, kind };
        assert_eq!(w.create(Host, &spec), Err(Errno::EADDRNOTAVAIL));
    }
}

fn renaming(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.create(Host, &bridge("br0")).unwrap();
    w.set(Host, "v0", Alias("mine".to_owned())).unwrap();
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    w.set(Host, "v0", Name(ifname("x.0"))).unwrap();
    assert!(!w.has(Host, "v0"));
    assert_eq!(w.addrs(Host, "x.0"), ["10.1.0.1/24"]);
    assert_eq!(w.set(Host, "x.0", Name(ifname("br0"))), Err(Errno::EEXIST));
    w.set(Host, "x.0", Name(ifname("x.0"))).unwrap();
    // The name in the other namespace is nobody's concern.
    w.set(Host, "x.0", Name(ifname("v1"))).unwrap();
}

fn aliases_fit_255_octets(w: &mut World<'_>) {
    w.veth("v0", "v1");
    assert_eq!(w.link(Host, "v0").alias, None);
    for alias in ["a".repeat(255), "wasmcni:…".to_owned(), "b".to_owned()] {
        w.set(Host, "v0", Alias(alias.clone())).unwrap();
        assert_eq!(w.link(Host, "v0").alias, Some(alias));
    }
    assert_eq!(w.set(Host, "v0", Alias("a".repeat(256))), Err(Errno::ERANGE));
    assert_eq!(w.link(Host, "v0").alias.as_deref(), Some("b"));
    w.look();
    w.set(Host, "v0", Alias(String::new())).unwrap();
    assert_eq!(w.link(Host, "v0").alias, None);
}

fn switches(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.set(Host, "v0", TxQueueLength(7)).unwrap();
    assert_eq!(w.link(Host, "v0").tx_queue_length, 7);
    for on in [true, true, false] {
        w.set(Host, "v0", Promisc(on)).unwrap();
        w.set(Host, "v0", AllMulticast(on)).unwrap();
        assert_eq!(w.link(Host, "v0").promisc, on);
        assert_eq!(w.link(Host, "v0").all_multicast, on);
        w.look();
    }
    for change in [Up, Up, Down, Down] {
        w.set(Host, "v0", change).unwrap();
    }
}

fn moving_takes_what_belongs_to_the_netns(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    w.create(Host, &veth("v0", "v1", Host)).unwrap();
    w.enslave(Host, "v0", "br0").unwrap();
    w.up(Host, "v0");
    w.up(Host, "v1");
    for change in [Mtu(1400), Mac(mac(1)), Alias("mine".to_owned()), Promisc(true)] {
        w.set(Host, "v1", change).unwrap();
    }
    w.addr(Host, "v1", "10.1.0.1/24").unwrap();
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.sysctl_set(Host, "net/ipv4/conf/v1/arp_notify", "1").unwrap();
    w.look();
    w.set(Host, "v1", Netns(Container)).unwrap();
    let moved = w.link(Container, "v1");
    assert!(!moved.up && moved.master.is_none());
    assert_eq!((moved.mtu, moved.mac), (1400, Some(mac(1))));
    assert_eq!(moved.alias.as_deref(), Some("mine"));
    assert_eq!(w.addrs(Container, "v1"), [""; 0]);
    assert!(!w.has_route(Host, "10.9.0.0/16"));
    assert_eq!(w.sysctl(Container, "net/ipv4/conf/v1/arp_notify").unwrap(), "0");
    w.look();
    w.set(Host, "v0", Netns(Container)).unwrap();
    assert_eq!(w.link(Container, "v0").master, None);
    w.look();
    w.set(Container, "v0", Netns(Host)).unwrap();
    w.set(Host, "v0", Netns(Host)).unwrap();
}

fn moving_needs_a_free_name(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.create(Container, &bridge("v0")).unwrap();
    w.up(Host, "v0");
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    assert_eq!(w.set(Host, "v0", Netns(Container)), Err(Errno::EEXIST));
    assert!(w.link(Host, "v0").up, "nothing of it was done");
    assert!(w.has_route(Host, "10.1.0.0/24"));
}

fn some_links_do_not_move(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    assert_eq!(w.set(Host, "br0", Netns(Container)), Err(Errno::EINVAL));
}

fn indices_identify_links(w: &mut World<'_>) {
    w.veth("v0", "v1");
    let first = w.link(Host, "v0").index;
    w.delete(Host, "v0").unwrap();
    w.veth("v0", "v1");
    assert_ne!(w.link(Host, "v0").index, first, "a number is not given again at once");
    assert_eq!(w.kernel.link_by_index(Host, first), Ok(None));
    // A link keeps its number when it moves, if nobody has it there.
    w.create(Host, &veth("a0", "a1", Host)).unwrap();
    w.create(Host, &bridge("br0")).unwrap();
    let index = w.link(Host, "a0").index;
    w.set(Host, "a0", Netns(Container)).unwrap();
    assert_eq!(w.link(Container, "a0").index, index);
    w.set(Container, "a0", Name(ifname("a2"))).unwrap();
    assert_eq!(w.link(Container, "a2").index, index);
}

fn operational_is_both_ends_up(w: &mut World<'_>) {
    w.veth("v0", "v1");
    assert_eq!(w.wait_up(Host, "v0", Duration::ZERO), Err(Errno::ETIMEDOUT));
    w.up(Host, "v0");
    w.look();
    assert_eq!(w.wait_up(Host, "v0", Duration::from_millis(60)), Err(Errno::ETIMEDOUT));
    w.up(Container, "v1");
    w.wait_up(Host, "v0", Duration::from_secs(5)).unwrap();
    w.look();
    w.down(Container, "v1");
    w.look();
    w.up(Container, "v1");
    w.look();
    w.down(Host, "v0");
}

fn link_listing_is_complete(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.create(Host, &bridge("br0")).unwrap();
    let mut names: Vec<String> =
        w.kernel.links(Host).unwrap().iter().map(|link| link.name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["br0", "lo", "v0"]);
    for link in w.kernel.links(Host).unwrap() {
        assert_eq!(w.kernel.link_by_name(Host, &link.name), Ok(Some(link.clone())));
        assert_eq!(w.kernel.link_by_index(Host, link.index), Ok(Some(link)));
    }
    let (host, container) = (w.kernel.netns(Host), w.kernel.netns(Container));
    assert!(host.is_some() && container.is_some() && host != container);
}
