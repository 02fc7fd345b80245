//! Taking links from one namespace into the other, under another name.

use wasmcni::kernel::LinkChange::{Alias, Mac, Mtu};
use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, IfIndex};

use super::run::cases;
use super::words::{bridge, ifname, mac, veth};
use super::world::World;

cases![
    a_move_changes_namespace_name_and_alias,
    a_move_takes_what_belongs_to_the_netns,
    names_that_are_taken_are_no_matter_but_the_new_one,
    a_move_that_is_refused_changes_nothing,
    an_index_that_is_taken_becomes_another,
];

fn a_move_changes_namespace_name_and_alias(w: &mut World<'_>) {
    w.create(Host, &veth("ens5", "wire", Host)).unwrap();
    for change in [Mtu(1400), Mac(mac(1))] {
        w.set(Host, "ens5", change).unwrap();
    }
    w.look();
    w.move_link(Host, "ens5", Container, "eth0", "ens5").unwrap();
    assert!(!w.has(Host, "ens5") && !w.has(Host, "eth0") && !w.has(Container, "ens5"));
    let moved = w.link(Container, "eth0");
    assert_eq!(moved.alias.as_deref(), Some("ens5"));
    assert_eq!((moved.up, moved.mtu, moved.mac), (false, 1400, Some(mac(1))));
    w.look();
    w.move_link(Container, "eth0", Host, "ens5", "").unwrap();
    assert_eq!(w.link(Host, "ens5").alias, None);
    assert!(!w.has(Container, "eth0"));
}

fn a_move_takes_what_belongs_to_the_netns(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    w.create(Host, &veth("ens5", "wire", Host)).unwrap();
    w.enslave(Host, "ens5", "br0").unwrap();
    w.up(Host, "wire");
    w.up(Host, "ens5");
    w.addr(Host, "ens5", "10.1.0.1/24").unwrap();
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.look();
    w.move_link(Host, "ens5", Container, "eth0", "ens5").unwrap();
    let moved = w.link(Container, "eth0");
    assert!(!moved.up && moved.master.is_none());
    assert_eq!(w.addrs(Container, "eth0"), [""; 0]);
    assert!(!w.has_route(Host, "10.9.0.0/16"));
    w.look();
    w.up(Container, "eth0");
}

fn names_that_are_taken_are_no_matter_but_the_new_one(w: &mut World<'_>) {
    w.create(Host, &veth("ens5", "eth0", Host)).unwrap();
    w.create(Container, &bridge("ens5")).unwrap();
    w.up(Host, "ens5");
    w.move_link(Host, "ens5", Container, "eth0", "ens5").unwrap();
    assert_eq!(w.link(Container, "eth0").kind, "veth");
    w.look();
    w.move_link(Container, "eth0", Host, "ens5", "uplink").unwrap();
    assert_eq!(w.link(Host, "ens5").alias.as_deref(), Some("uplink"));
}

fn a_move_that_is_refused_changes_nothing(w: &mut World<'_>) {
    w.create(Host, &veth("ens5", "wire", Host)).unwrap();
    w.create(Host, &bridge("br0")).unwrap();
    w.create(Container, &bridge("eth0")).unwrap();
    w.set(Host, "ens5", Alias("uplink".to_owned())).unwrap();
    w.up(Host, "ens5");
    w.up(Host, "wire");
    w.addr(Host, "ens5", "10.1.0.1/24").unwrap();
    w.look();
    assert_eq!(w.move_link(Host, "ens5", Container, "eth0", "ens5"), Err(Errno::EEXIST));
    assert_eq!(w.move_link(Host, "ens5", Container, "all", "ens5"), Err(Errno::EINVAL));
    let long = "a".repeat(256);
    assert_eq!(w.move_link(Host, "ens5", Container, "eth1", &long), Err(Errno::ERANGE));
    assert_eq!(w.move_link(Host, "br0", Container, "eth1", ""), Err(Errno::EINVAL));
    assert_eq!(w.move_link(Host, "lo", Container, "eth1", ""), Err(Errno::EINVAL));
    let gone = w.kernel.link_move(Host, IfIndex(99), Container, &ifname("eth1"), "");
    assert_eq!(gone.map_err(|error| error.errno), Err(Errno::ENODEV));
    assert!(w.link(Host, "ens5").up);
    assert!(w.has_route(Host, "10.1.0.0/24"));
}

fn an_index_that_is_taken_becomes_another(w: &mut World<'_>) {
    w.create(Host, &veth("ens5", "wire", Host)).unwrap();
    let index = w.link(Host, "ens5").index;
    for number in 0..8 {
        w.create(Container, &bridge(&format!("br{number}"))).unwrap();
    }
    let taken = w.kernel.link_by_index(Container, index).unwrap();
    assert!(taken.is_some(), "{index:?}");
    w.move_link(Host, "ens5", Container, "eth0", "ens5").unwrap();
    assert_ne!(w.link(Container, "eth0").index, index);
}
