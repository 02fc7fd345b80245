//! IPv6 addresses: detection of duplicates, link-local ones, and when there is no IPv6.

use std::time::Duration;

use wasmcni::kernel::Errno;
use wasmcni::kernel::LinkChange::{Mac, Mtu};
use wasmcni::kernel::Role::{Container, Host};

use super::run::cases;
use super::words::{bridge, mac, veth};
use super::world::World;

cases![
    an_address_waits_for_its_link,
    detection_takes_its_time,
    nodad_takes_none,
    accept_dad_0_takes_none,
    all_accept_dad_decides_for_all,
    duplicates_are_found,
    duplicates_across_a_bridge_are_found,
    an_address_once_per_link,
    missing_addresses,
    addresses_that_are_none,
    one_route_for_a_prefix,
    link_local_addresses_come_from_the_mac,
    link_local_addresses_can_be_switched_off,
    down_forgets_addresses,
    addresses_can_be_kept,
    losing_the_carrier_changes_nothing,
    disabled_on_a_link,
    disabled_on_all,
    disabled_by_default,
    small_mtus_have_no_ipv6,
];

const LONG: Duration = Duration::from_secs(10);

fn an_address_waits_for_its_link(w: &mut World<'_>) {
    w.with_dad();
    w.veth("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.addr(Host, "v0", "fd00::2/64 nodad").unwrap();
    assert_eq!(w.wait_settled(Host, "v0", Duration::ZERO), Err(Errno::ETIMEDOUT));
    w.look();
    w.up(Host, "v0");
    assert!(w.has_route(Host, "fd00::/64"), "though there is no carrier");
    assert_eq!(w.wait_settled(Host, "v0", Duration::ZERO), Err(Errno::ETIMEDOUT));
    w.look();
    w.up(Container, "v1");
    w.wait_settled(Host, "v0", LONG).unwrap();
}

fn detection_takes_its_time(w: &mut World<'_>) {
    w.with_endless_dad();
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    let index = w.index(Host, "v0");
    assert!(w.kernel.addrs(Host, index).unwrap().iter().all(|address| address.tentative));
    assert_eq!(w.wait_settled(Host, "v0", Duration::ZERO), Err(Errno::ETIMEDOUT));
    assert_eq!(w.wait_settled(Host, "v0", Duration::from_millis(60)), Err(Errno::ETIMEDOUT));
    assert!(w.has_route(Host, "fd00::/64"), "which does not wait");
    w.look();
    w.sysctl_set(Host, "net/ipv6/conf/default/dad_transmits", "1").unwrap();
    w.create(Host, &veth("w0", "w1", Host)).unwrap();
    w.up(Host, "w0");
    w.up(Host, "w1");
    w.wait_up(Host, "w0", LONG).unwrap();
    w.addr(Host, "w0", "fd00:1::1/64").unwrap();
    w.wait_settled(Host, "w0", LONG).unwrap();
}

fn nodad_takes_none(w: &mut World<'_>) {
    w.with_endless_dad();
    w.veth("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64 nodad").unwrap();
    w.wait_settled(Host, "v0", Duration::ZERO).unwrap();
    w.up(Host, "v0");
    w.wait_settled(Host, "v0", Duration::ZERO).unwrap();
}

fn accept_dad_0_takes_none(w: &mut World<'_>) {
    w.with_endless_dad();
    w.veth("v0", "v1");
    w.sysctl_set(Host, "net/ipv6/conf/v0/accept_dad", "0").unwrap();
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.up(Host, "v0");
    w.up(Container, "v1");
    w.wait_settled(Host, "v0", LONG).unwrap();
    w.addr(Host, "v0", "fd00::2/64").unwrap();
    w.wait_settled(Host, "v0", LONG).unwrap();
}

fn all_accept_dad_decides_for_all(w: &mut World<'_>) {
    w.with_endless_dad();
    w.without_dad();
    w.sysctl_set(Host, "net/ipv6/conf/all/accept_dad", "1").unwrap();
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    assert_eq!(w.wait_settled(Host, "v0", Duration::from_millis(60)), Err(Errno::ETIMEDOUT));
}

fn duplicates_are_found(w: &mut World<'_>) {
    w.with_dad();
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64 nodad").unwrap();
    w.addr(Container, "v1", "fd00::1/64").unwrap();
    w.addr(Container, "v1", "fd00::2/64").unwrap();
    assert_eq!(w.wait_settled(Container, "v1", LONG), Err(Errno::EADDRINUSE));
    w.look();
    w.addr_delete(Container, "v1", "fd00::1/64").unwrap();
    w.wait_settled(Container, "v1", LONG).unwrap();
}

fn duplicates_across_a_bridge_are_found(w: &mut World<'_>) {
    w.with_dad();
    w.create(Host, &bridge("br0")).unwrap();
    w.up(Host, "br0");
    w.create(Host, &veth("a0", "a1", Container)).unwrap();
    w.create(Host, &veth("b0", "b1", Container)).unwrap();
    for (port, end) in [("a0", "a1"), ("b0", "b1")] {
        w.enslave(Host, port, "br0").unwrap();
        w.up(Host, port);
        w.up(Container, end);
    }
    for end in ["a1", "b1"] {
        w.wait_settled(Container, end, LONG).unwrap();
    }
    w.addr(Container, "a1", "fd00::1/64 nodad").unwrap();
    w.addr(Container, "b1", "fd00::1/64").unwrap();
    assert_eq!(w.wait_settled(Container, "b1", LONG), Err(Errno::EADDRINUSE));
}

fn an_address_once_per_link(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    assert_eq!(w.addr(Host, "v0", "fd00::1/64"), Err(Errno::EEXIST));
    assert_eq!(w.addr(Host, "v0", "fd00::1/48"), Err(Errno::EEXIST), "whatever its prefix");
    w.create(Host, &bridge("br0")).unwrap();
    w.addr(Host, "br0", "fd00::1/64").unwrap();
}

fn missing_addresses(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    for text in ["fd00::2/64", "fd00::1/63", "fd00::1/128"] {
        assert_eq!(w.addr_delete(Host, "v0", text), Err(Errno::EADDRNOTAVAIL), "{text}");
    }
}

fn addresses_that_are_none(w: &mut World<'_>) {
    w.veth("v0", "v1");
    for text in ["::/64", "::1/128", "ff02::1/64"] {
        let refused = w.addr(Host, "v0", text).unwrap_err();
        assert!(matches!(refused, Errno::EADDRNOTAVAIL | Errno::EINVAL), "{text}: {refused:?}");
    }
}

fn one_route_for_a_prefix(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    for text in ["fd00::1/64", "fd00::2/64", "fd00::3/96", "fd00:2::1/128"] {
        w.addr(Host, "v0", text).unwrap();
    }
    assert!(w.has_route(Host, "fd00:2::1/128"), "a single address as well");
    w.look();
    w.addr_delete(Host, "v0", "fd00::1/64").unwrap();
    assert!(w.has_route(Host, "fd00::/64"));
    w.addr_delete(Host, "v0", "fd00::2/64").unwrap();
    assert!(!w.has_route(Host, "fd00::/64") && w.has_route(Host, "fd00::/96"));
    w.look();
    w.addr(Host, "v0", "fe80::77/64").unwrap();
    w.addr_delete(Host, "v0", "fe80::77/64").unwrap();
    assert!(w.has_route(Host, "fe80::/64"));
}

fn link_local_addresses_come_from_the_mac(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.set(Host, "v0", Mac(mac(0x42))).unwrap();
    w.up(Host, "v0");
    assert_eq!(w.addrs(Host, "v0"), [""; 0], "not before the link is operational");
    w.up(Container, "v1");
    w.wait_up(Host, "v0", LONG).unwrap();
    w.look();
    assert_eq!(w.addrs(Host, "v0"), ["fe80::200:5eff:fe00:5342/64"]);
    assert!(w.has_route(Host, "fe80::/64"));
}

fn link_local_addresses_can_be_switched_off(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.sysctl_set(Host, "net/ipv6/conf/v0/addr_gen_mode", "1").unwrap();
    w.up(Host, "v0");
    w.up(Container, "v1");
    w.wait_up(Host, "v0", LONG).unwrap();
    w.look();
    assert_eq!(w.addrs(Host, "v0"), [""; 0]);
}

fn down_forgets_addresses(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    w.route(Host, "fd09::/64 via fd00::2").unwrap();
    w.down(Host, "v0");
    assert_eq!(w.addrs(Host, "v0"), ["10.1.0.1/24"]);
    assert!(!w.has_route(Host, "fd00::/64") && !w.has_route(Host, "fd09::/64"));
    w.look();
    w.up(Host, "v0");
    w.look();
    w.up(Container, "lo");
    w.addr(Container, "lo", "fd05::1/128").unwrap();
    w.down(Container, "lo");
    assert_eq!(w.addrs(Container, "lo"), ["127.0.0.1/8"]);
}

fn addresses_can_be_kept(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.sysctl_set(Host, "net/ipv6/conf/v0/keep_addr_on_down", "1").unwrap();
    w.up(Host, "v0");
    w.up(Container, "v1");
    w.wait_up(Host, "v0", LONG).unwrap();
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.addr(Host, "v0", "fd00::2/64 nodad").unwrap();
    w.wait_settled(Host, "v0", LONG).unwrap();
    w.down(Host, "v0");
    assert_eq!(w.addrs(Host, "v0"), ["fd00::1/64", "fd00::2/64"]);
    assert!(!w.has_route(Host, "fd00::/64"));
    w.up(Host, "v0");
    w.look();
    assert!(w.has_route(Host, "fd00::/64"));
}

fn losing_the_carrier_changes_nothing(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.wait_settled(Host, "v0", LONG).unwrap();
    w.look();
    w.down(Container, "v1");
    w.look();
    w.addr(Host, "v0", "fd00::2/64").unwrap();
    w.up(Container, "v1");
}

fn disabled_on_a_link(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    w.route(Host, "fd09::/64 dev v0").unwrap();
    let key = "net/ipv6/conf/v0/disable_ipv6";
    w.sysctl_set(Host, key, "1").unwrap();
    assert_eq!(w.addrs(Host, "v0"), ["10.1.0.1/24"]);
    assert_eq!(w.addr(Host, "v0", "fd00::1/64"), Err(Errno::EACCES));
    assert_eq!(w.route(Host, "fd09::/64 dev v0"), Err(Errno::EACCES));
    w.look();
    w.sysctl_set(Host, key, "0").unwrap();
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.look();
    assert!(w.addrs(Host, "v0").iter().any(|text| text.starts_with("fe80::")));
}

fn disabled_on_all(w: &mut World<'_>) {
    w.up(Host, "lo");
    w.veth_up("v0", "v1");
    w.look();
    w.sysctl_set(Host, "net/ipv6/conf/all/disable_ipv6", "1").unwrap();
    assert_eq!(w.addrs(Host, "lo"), ["127.0.0.1/8"]);
    assert_eq!(w.addrs(Host, "v0"), [""; 0]);
    for name in ["v0", "lo", "default"] {
        let key = format!("net/ipv6/conf/{name}/disable_ipv6");
        assert_eq!(w.sysctl(Host, &key).unwrap(), "1");
    }
    w.sysctl_set(Host, "net/ipv6/conf/lo/disable_ipv6", "0").unwrap();
    assert_eq!(w.addrs(Host, "lo"), ["127.0.0.1/8", "::1/128"]);
    w.look();
    w.sysctl_set(Host, "net/ipv6/conf/all/disable_ipv6", "0").unwrap();
}

/// As a runtime leaves a container netns that shall have no IPv6 unless a plugin brings it.
fn disabled_by_default(w: &mut World<'_>) {
    w.sysctl_set(Container, "net/ipv6/conf/default/disable_ipv6", "1").unwrap();
    w.veth_up("v0", "v1");
    assert_eq!(w.addrs(Container, "v1"), [""; 0]);
    assert_eq!(w.addr(Container, "v1", "fd00::1/64"), Err(Errno::EACCES));
    w.sysctl_set(Container, "net/ipv6/conf/v1/disable_ipv6", "0").unwrap();
    w.addr(Container, "v1", "fd00::1/64").unwrap();
}

fn small_mtus_have_no_ipv6(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.set(Host, "v0", Mtu(1279)).unwrap();
    assert_eq!(w.addrs(Host, "v0"), [""; 0]);
    assert_eq!(w.addr(Host, "v0", "fd00::1/64"), Err(Errno::EINVAL));
    w.look();
    w.set(Host, "v0", Mtu(1280)).unwrap();
    w.addr(Host, "v0", "fd00::1/64").unwrap();
}
