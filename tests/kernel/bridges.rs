//! Bridges and their ports.

use std::time::Duration;

use wasmcni::kernel::LinkChange::{Mac, Master, Mtu};
use wasmcni::kernel::PortChange::{Hairpin, Isolated};
use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, LinkSpec};

use super::run::cases;
use super::words::{bridge, mac, veth};
use super::world::World;

cases![
    a_bridge_without_ports_is_up_when_set_up,
    a_bridge_with_its_own_mac_waits_for_a_port,
    a_bridge_has_the_lowest_mac_of_its_ports,
    a_chosen_mac_stays,
    a_bridge_has_the_least_mtu_of_its_ports,
    a_chosen_mtu_stays,
    ports_change_masters,
    masters_are_bridges,
    some_links_are_no_ports,
    a_deleted_bridge_frees_its_ports,
    a_deleted_port_leaves_its_bridge,
    ports_have_settings,
    a_bridge_is_operational_with_a_live_port,
    addresses_of_a_bridge,
    what_an_attachment_does,
];

fn with_ports(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    for (port, end, last) in [("v5", "e5", 5), ("v3", "e3", 3), ("v7", "e7", 7)] {
        w.veth(port, end);
        w.set(Host, port, Mac(mac(last))).unwrap();
    }
}

fn a_bridge_without_ports_is_up_when_set_up(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    let made = w.link(Host, "br0");
    assert_eq!((made.kind.as_str(), made.mtu, made.up), ("bridge", 1500, false));
    w.look();
    w.up(Host, "br0");
    w.wait_up(Host, "br0", Duration::from_secs(5)).unwrap();
    w.look();
    w.addr(Host, "br0", "10.1.0.1/24").unwrap();
    w.delete(Host, "br0").unwrap();
}

fn a_bridge_with_its_own_mac_waits_for_a_port(w: &mut World<'_>) {
    let spec = LinkSpec { mac: Some(mac(9)), mtu: Some(1400), ..bridge("br0") };
    w.create(Host, &spec).unwrap();
    w.up(Host, "br0");
    // Linux calls its state unknown for a moment, and down then.
    w.look();
    assert_eq!(w.wait_up(Host, "br0", Duration::ZERO), Err(Errno::ETIMEDOUT));
}

fn a_bridge_has_the_lowest_mac_of_its_ports(w: &mut World<'_>) {
    with_ports(w);
    for (port, lowest) in [("v5", 5), ("v3", 3), ("v7", 3)] {
        w.enslave(Host, port, "br0").unwrap();
        assert_eq!(w.link(Host, "br0").mac, Some(mac(lowest)));
    }
    w.set(Host, "v7", Mac(mac(1))).unwrap();
    assert_eq!(w.link(Host, "br0").mac, Some(mac(1)));
    w.look();
    w.set(Host, "v7", Master(None)).unwrap();
    assert_eq!(w.link(Host, "br0").mac, Some(mac(3)));
    w.set(Host, "v3", Master(None)).unwrap();
    w.set(Host, "v5", Master(None)).unwrap();
    assert_eq!(w.link(Host, "br0").mac, Some([0; 6].into()), "of no port there is none");
}

fn a_chosen_mac_stays(w: &mut World<'_>) {
    with_ports(w);
    w.enslave(Host, "v5", "br0").unwrap();
    w.set(Host, "br0", Mac(mac(0x20))).unwrap();
    w.enslave(Host, "v3", "br0").unwrap();
    assert_eq!(w.link(Host, "br0").mac, Some(mac(0x20)));
    w.delete(Host, "v3").unwrap();
    w.delete(Host, "v5").unwrap();
    assert_eq!(w.link(Host, "br0").mac, Some(mac(0x20)));
}

fn a_bridge_has_the_least_mtu_of_its_ports(w: &mut World<'_>) {
    with_ports(w);
    w.create(Host, &LinkSpec { mtu: Some(9000), ..bridge("br1") }).unwrap();
    assert_eq!(w.link(Host, "br1").mtu, 9000);
    w.set(Host, "v5", Mtu(1400)).unwrap();
    w.set(Host, "v3", Mtu(1300)).unwrap();
    w.set(Host, "v7", Mtu(9000)).unwrap();
    for (port, least) in [("v7", 9000), ("v5", 1400), ("v3", 1300)] {
        w.enslave(Host, port, "br1").unwrap();
        assert_eq!(w.link(Host, "br1").mtu, least);
    }
    w.set(Host, "v3", Mtu(1450)).unwrap();
    assert_eq!(w.link(Host, "br1").mtu, 1400);
    w.set(Host, "v5", Master(None)).unwrap();
    assert_eq!(w.link(Host, "br1").mtu, 1450);
    w.look();
    w.delete(Host, "v3").unwrap();
    w.delete(Host, "v7").unwrap();
    assert_eq!(w.link(Host, "br1").mtu, 1500, "of no port it is Ethernet's");
}

fn a_chosen_mtu_stays(w: &mut World<'_>) {
    with_ports(w);
    w.set(Host, "br0", Mtu(1450)).unwrap();
    w.set(Host, "v5", Mtu(1400)).unwrap();
    w.enslave(Host, "v5", "br0").unwrap();
    assert_eq!(w.link(Host, "br0").mtu, 1450);
}

fn ports_change_masters(w: &mut World<'_>) {
    with_ports(w);
    w.create(Host, &bridge("br1")).unwrap();
    w.enslave(Host, "v5", "br0").unwrap();
    w.enslave(Host, "v5", "br0").unwrap();
    w.enslave(Host, "v5", "br1").unwrap();
    let master = w.link(Host, "br1").index;
    assert_eq!(w.link(Host, "v5").master, Some(master));
    w.look();
    w.set(Host, "v5", Master(None)).unwrap();
    w.set(Host, "v5", Master(None)).unwrap();
    assert_eq!(w.link(Host, "v5").port, None);
}

fn masters_are_bridges(w: &mut World<'_>) {
    with_ports(w);
    assert_eq!(w.enslave(Host, "v5", "v3"), Err(Errno::EOPNOTSUPP));
    assert_eq!(w.enslave(Host, "v5", "lo"), Err(Errno::EOPNOTSUPP));
    assert_eq!(w.enslave(Host, "v5", "#99"), Err(Errno::EINVAL));
    assert_eq!(w.link(Host, "v5").master, None);
}

fn some_links_are_no_ports(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    w.create(Host, &bridge("br1")).unwrap();
    assert_eq!(w.enslave(Host, "lo", "br0"), Err(Errno::EINVAL));
    assert_eq!(w.enslave(Host, "br1", "br0"), Err(Errno::ELOOP));
    assert_eq!(w.enslave(Host, "br0", "br0"), Err(Errno::ELOOP));
}

fn a_deleted_bridge_frees_its_ports(w: &mut World<'_>) {
    with_ports(w);
    w.up(Host, "br0");
    w.addr(Host, "br0", "10.1.0.1/24").unwrap();
    for port in ["v5", "v3"] {
        w.enslave(Host, port, "br0").unwrap();
        w.up(Host, port);
    }
    w.up(Container, "e5");
    w.look();
    w.delete(Host, "br0").unwrap();
    assert_eq!(w.link(Host, "v5").master, None);
    assert_eq!(w.link(Host, "v5").port, None);
    assert!(w.link(Host, "v5").up);
    assert!(!w.has_route(Host, "10.1.0.0/24"));
}

fn a_deleted_port_leaves_its_bridge(w: &mut World<'_>) {
    with_ports(w);
    w.up(Host, "br0");
    w.enslave(Host, "v5", "br0").unwrap();
    w.delete(Container, "e5").unwrap();
    assert!(w.has(Host, "br0") && !w.has(Host, "v5"));
}

fn ports_have_settings(w: &mut World<'_>) {
    with_ports(w);
    assert_eq!(w.link(Host, "v5").port, None);
    for name in ["v5", "br0", "lo"] {
        assert_eq!(w.port(Host, name, Hairpin(true)), Err(Errno::EOPNOTSUPP));
        assert_eq!(w.port(Host, name, Isolated(true)), Err(Errno::EOPNOTSUPP));
    }
    w.enslave(Host, "v5", "br0").unwrap();
    w.look();
    w.port(Host, "v5", Hairpin(true)).unwrap();
    w.port(Host, "v5", Isolated(true)).unwrap();
    let port = w.link(Host, "v5").port.unwrap();
    assert!(port.hairpin && port.isolated);
    w.look();
    w.port(Host, "v5", Hairpin(false)).unwrap();
    w.look();
    // A port that comes again is a new one.
    w.set(Host, "v5", Master(None)).unwrap();
    w.enslave(Host, "v5", "br0").unwrap();
    assert!(!w.link(Host, "v5").port.unwrap().isolated);
}

fn a_bridge_is_operational_with_a_live_port(w: &mut World<'_>) {
    with_ports(w);
    w.up(Host, "br0");
    w.look();
    w.enslave(Host, "v5", "br0").unwrap();
    w.look();
    w.up(Host, "v5");
    w.look();
    w.up(Container, "e5");
    w.look();
    w.down(Host, "br0");
    w.look();
    w.up(Host, "br0");
    w.look();
    w.down(Container, "e5");
    w.look();
    w.enslave(Host, "v3", "br0").unwrap();
    w.up(Host, "v3");
    w.up(Container, "e3");
    w.look();
    w.delete(Host, "v3").unwrap();
}

fn addresses_of_a_bridge(w: &mut World<'_>) {
    with_ports(w);
    w.addr(Host, "br0", "10.1.0.1/24").unwrap();
    w.addr(Host, "br0", "fd00::1/64").unwrap();
    w.look();
    w.up(Host, "br0");
    w.look();
    w.enslave(Host, "v5", "br0").unwrap();
    w.up(Host, "v5");
    w.up(Container, "e5");
    w.look();
    w.addr(Container, "e5", "10.1.0.2/24").unwrap();
    w.route(Container, "0.0.0.0/0 via 10.1.0.1").unwrap();
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.look();
    w.down(Host, "br0");
}

/// An ADD of the bridge plugin and its DEL leave the bridge, and nothing else.
fn what_an_attachment_does(w: &mut World<'_>) {
    w.create(Host, &bridge("cni0")).unwrap();
    w.up(Host, "cni0");
    w.create(Container, &veth("eth0", "veth0", Host)).unwrap();
    w.up(Host, "veth0");
    w.enslave(Host, "veth0", "cni0").unwrap();
    w.port(Host, "veth0", Hairpin(true)).unwrap();
    w.addr(Container, "eth0", "10.1.0.2/24").unwrap();
    w.addr(Container, "eth0", "fd00::2/64").unwrap();
    w.up(Container, "eth0");
    w.wait_settled(Container, "eth0", Duration::from_secs(5)).unwrap();
    w.addr(Host, "cni0", "10.1.0.1/24").unwrap();
    w.addr(Host, "cni0", "fd00::1/64 nodad").unwrap();
    w.route(Container, "0.0.0.0/0 via 10.1.0.1").unwrap();
    w.route(Container, "::/0 via fd00::1").unwrap();
    w.wait_up(Host, "veth0", Duration::from_secs(5)).unwrap();
    w.look();
    w.delete(Container, "eth0").unwrap();
}
