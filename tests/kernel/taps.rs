//! Tap devices.

use wasmcni::kernel::LinkChange::Mtu;
use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, KindSpec, LinkSpec};

use super::run::cases;
use super::words::{bridge, ifname, mac};
use super::world::World;

cases![
    a_tap_takes_its_values: Tap,
    nobody_is_at_the_other_end: Tap,
    a_tap_has_bounds: Tap,
    a_tap_is_a_port: Tap,
    a_tap_moves: Tap,
];

fn tap(name: &str) -> LinkSpec {
    let kind = KindSpec::Tap { multi_queue: false, owner: None, group: None };
    LinkSpec { name: ifname(name), mtu: None, mac: None, kind }
}

fn a_tap_takes_its_values(w: &mut World<'_>) {
    w.create(Container, &tap("tap0")).unwrap();
    let kind = KindSpec::Tap { multi_queue: true, owner: Some(0), group: Some(0) };
    let spec = LinkSpec { name: ifname("tap1"), mtu: Some(1400), mac: Some(mac(1)), kind };
    w.create(Container, &spec).unwrap();
    let (plain, special) = (w.link(Container, "tap0"), w.link(Container, "tap1"));
    assert_eq!((plain.kind.as_str(), plain.mtu, plain.up), ("tun", 1500, false));
    assert_eq!((special.mtu, special.mac), (1400, Some(mac(1))));
    w.create(Host, &LinkSpec { name: ifname("tap2"), ..spec }).unwrap();
    w.look();
    w.delete(Container, "tap1").unwrap();
    assert!(!w.has(Container, "tap1"));
}

fn nobody_is_at_the_other_end(w: &mut World<'_>) {
    w.create(Container, &tap("tap0")).unwrap();
    w.addr(Container, "tap0", "10.1.0.2/24").unwrap();
    w.addr(Container, "tap0", "fd00::2/64 nodad").unwrap();
    w.up(Container, "tap0");
    // The kernel tells of a lost carrier later, by its own clock (net/core/link_watch.c).
    w.look();
    assert!(!w.link(Container, "tap0").oper_up);
    w.route(Container, "10.9.0.0/16 via 10.1.0.1 dev tap0").unwrap();
    w.route(Container, "fd09::/64 via fd00::1 dev tap0").unwrap();
    w.look();
    w.down(Container, "tap0");
}

fn a_tap_has_bounds(w: &mut World<'_>) {
    for mtu in [67, 65_522] {
        let spec = LinkSpec { mtu: Some(mtu), ..tap("tap0") };
        assert_eq!(w.create(Host, &spec), Err(Errno::EINVAL), "{mtu}");
        assert!(!w.has(Host, "tap0"), "nothing of it is left");
    }
    w.create(Host, &LinkSpec { mtu: Some(65_521), ..tap("tap0") }).unwrap();
    assert_eq!(w.set(Host, "tap0", Mtu(65_522)), Err(Errno::EINVAL));
    assert_eq!(w.create(Host, &tap("tap0")), Err(Errno::EEXIST));
    w.create(Host, &bridge("br0")).unwrap();
    assert_eq!(w.create(Host, &tap("br0")), Err(Errno::EEXIST));
    let group = wasmcni::names::Mac::from([1, 0, 0, 0, 0, 1]);
    let spec = LinkSpec { mac: Some(group), ..tap("tap1") };
    assert_eq!(w.create(Host, &spec), Err(Errno::EADDRNOTAVAIL));
    assert!(!w.has(Host, "tap1"), "nothing of it is left");
}

fn a_tap_is_a_port(w: &mut World<'_>) {
    w.create(Container, &bridge("br0")).unwrap();
    w.create(Container, &tap("tap0")).unwrap();
    w.up(Container, "br0");
    w.enslave(Container, "tap0", "br0").unwrap();
    w.up(Container, "tap0");
    w.look();
}

fn a_tap_moves(w: &mut World<'_>) {
    w.create(Host, &tap("tap0")).unwrap();
    w.move_link(Host, "tap0", Container, "eth0", "tap0").unwrap();
    w.up(Container, "eth0");
}
