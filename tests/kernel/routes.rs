//! Routes.

use wasmcni::kernel::Errno;
use wasmcni::kernel::Role::{Container, Host};

use super::run::cases;
use super::world::World;

cases![
    ipv4_routes_are_kept_as_written,
    ipv6_routes_are_kept_as_written,
    ipv4_gateways_are_reachable,
    ipv6_gateways_are_reachable,
    ipv4_through_an_ipv6_gateway,
    families_do_not_mix,
    ipv4_doubles,
    ipv6_doubles,
    sources_are_ours,
    links_are_up,
    scopes,
    host_bits_are_cut,
    nowhere_to_go,
    deleting_what_is_not_there,
    deleting_by_what_is_named,
    deleting_the_kernels_own,
    a_second_ipv4_default_comes_first,
    a_second_ipv6_default_is_a_next_hop,
    ipv6_next_hops_are_deleted_one_by_one,
    ipv6_next_hops_over_links_that_go_down,
    ipv6_routes_without_a_gateway_side_by_side,
    where_packets_go,
    unreachable_destinations,
    a_gateway_behind_a_route_to_itself,
    tables_are_apart,
];

fn connected(w: &mut World<'_>) {
    w.up(Host, "lo");
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.wait_settled(Host, "v0", std::time::Duration::from_secs(10)).unwrap();
}

fn ipv4_routes_are_kept_as_written(w: &mut World<'_>) {
    connected(w);
    for text in [
        "10.9.0.0/16 via 10.1.0.2",
        "10.9.0.0/16 via 10.1.0.3 metric 5",
        "10.9.0.0/16 via 10.1.0.3 table 77",
        "10.9.0.0/16 dev v0 table 1000",
        "10.8.0.0/24 dev v0 src 10.1.0.1",
        "10.8.1.0/24 via 10.1.0.2 mtu 1400 advmss 1300",
        "10.8.2.0/24 dev v0 mtu 1400",
        "10.8.3.3/32 dev v0 scope 0",
        "0.0.0.0/0 via 10.1.0.2 dev v0",
        "0.0.0.0/0 dev v0 metric 100",
    ] {
        w.route(Host, text).unwrap_or_else(|errno| panic!("{text}: {errno:?}"));
    }
}

fn ipv6_routes_are_kept_as_written(w: &mut World<'_>) {
    connected(w);
    for text in [
        "fd09::/64 via fd00::2",
        "fd09::/64 via fd00::3 metric 5",
        "fd09::/64 via fd00::3 table 77",
        "fd09::/64 dev v0 table 1000",
        "fd08::/64 dev v0 src fd00::1",
        "fd08:1::/64 via fd00::2 mtu 1400 advmss 1300",
        "fd08:2::2/128 dev v0",
        "fd08:3::/64 via fe80::9 dev v0",
        "::/0 via fd00::2 dev v0",
        "::/0 dev v0 metric 100",
    ] {
        w.route(Host, text).unwrap_or_else(|errno| panic!("{text}: {errno:?}"));
    }
}

fn ipv4_gateways_are_reachable(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    let unreachable = Err(Errno::ENETUNREACH);
    assert_eq!(w.route(Host, "10.8.0.0/16 via 10.99.0.1"), unreachable);
    assert_eq!(w.route(Host, "10.8.0.0/16 via 10.99.0.1 dev v0"), unreachable);
    assert_eq!(w.route(Host, "10.8.0.0/16 via 10.1.0.2 dev lo"), unreachable);
    assert_eq!(w.route(Host, "10.8.0.0/16 via 10.9.0.1"), unreachable, "not through a gateway");
    assert_eq!(w.route(Host, "10.8.0.0/16 via 10.1.0.255"), Err(Errno::EINVAL), "a broadcast");
    w.route(Host, "10.8.1.0/24 via 10.1.0.1").unwrap();
    w.look();
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    assert_eq!(w.route(Host, "10.8.0.0/16 via 10.1.0.2"), unreachable);
    // Through a network that a route alone connects.
    w.route(Host, "10.3.0.1/32 dev v0").unwrap();
    w.route(Host, "0.0.0.0/0 via 10.3.0.1").unwrap();
}

fn ipv6_gateways_are_reachable(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "fd09::/64 via fd00::2").unwrap();
    let unreachable = Err(Errno::EHOSTUNREACH);
    assert_eq!(w.route(Host, "fd08::/64 via fd99::1"), unreachable);
    assert_eq!(w.route(Host, "fd08::/64 via fd99::1 dev v0"), unreachable);
    assert_eq!(w.route(Host, "fd08::/64 via fd09::1"), unreachable, "not through a gateway");
    assert_eq!(w.route(Host, "fd08::/64 via fd00::1"), Err(Errno::EINVAL), "our own");
    assert_eq!(w.route(Host, "fd08::/64 via fe80::1"), Err(Errno::EINVAL), "on which link?");
    assert_eq!(w.route(Host, "fd08::/64 via ff02::1 dev v0"), Err(Errno::EINVAL));
    w.route(Host, "fd08::/64 via fe80::1 dev v0").unwrap();
    w.route(Host, "fd03::1/128 dev v0").unwrap();
    w.route(Host, "::/0 via fd03::1").unwrap();
}

fn ipv4_through_an_ipv6_gateway(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.9.0.0/16 via fd00::2").unwrap();
    w.route(Host, "10.8.0.0/16 via fe80::9 dev v0").unwrap();
    assert_eq!(w.route(Host, "10.7.0.0/16 via fd99::2"), Err(Errno::EHOSTUNREACH));
    w.look();
    w.route_delete(Host, "10.9.0.0/16 via fd00::2").unwrap();
}

fn families_do_not_mix(w: &mut World<'_>) {
    connected(w);
    for text in [
        "fd09::/64 via 10.1.0.2",
        "fd09::/64 dev v0 src 10.1.0.1",
        "10.9.0.0/16 dev v0 src fd00::1",
    ] {
        let refused = w.route(Host, text).unwrap_err();
        assert!(matches!(refused, Errno::EINVAL | Errno::ERANGE), "{text}: {refused:?}");
    }
}

fn ipv4_doubles(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    let double = Err(Errno::EEXIST);
    assert_eq!(w.route(Host, "10.9.0.0/16 via 10.1.0.2"), double);
    for text in [
        "10.9.0.0/16 via 10.1.0.3",
        "10.9.0.0/16 via 10.1.0.2 src 10.1.0.1",
        "10.9.0.0/16 via 10.1.0.2 mtu 1400",
        "10.9.0.0/16 dev v0",
        "10.9.0.0/16 dev v0 scope 0",
        "10.1.0.0/24 dev v0 src 10.1.0.1", // beside the kernel's own
    ] {
        w.route(Host, text).unwrap_or_else(|errno| panic!("{text}: {errno:?}"));
        assert_eq!(w.route(Host, text), double, "{text}");
    }
    assert_eq!(w.route(Host, "10.9.0.0/16 via 10.1.0.2"), double, "not the first of them any more");
    assert_eq!(w.route(Host, "10.9.0.0/16 via 10.99.0.1"), Err(Errno::ENETUNREACH));
    w.route(Host, "10.9.0.0/16 via 10.1.0.2 metric 7").unwrap();
    assert_eq!(w.route(Host, "10.9.0.0/16 via 10.1.0.2 metric 7"), double);
    w.route(Host, "10.9.0.0/17 via 10.1.0.2").unwrap();
}

fn ipv6_doubles(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "fd09::/64 via fd00::2").unwrap();
    let double = Err(Errno::EEXIST);
    assert_eq!(w.route(Host, "fd09::/64 via fd00::2"), double);
    assert_eq!(w.route(Host, "fd09::/64 via fd00::2 metric 1024"), double, "1024 is the default");
    assert_eq!(w.route(Host, "fd09::/64 via fd00::2 src fd00::1"), double);
    assert_eq!(w.route(Host, "fd09::/64 via fd00::2 mtu 1400"), double);
    w.route(Host, "fd09::/64 via fd00::3").unwrap();
    assert_eq!(w.route(Host, "fd09::/64 via fd00::3"), double);
    w.route(Host, "fd09::/64 dev v0").unwrap();
    assert_eq!(w.route(Host, "fd09::/64 dev v0"), double);
    assert_eq!(w.route(Host, "fd00::/64 dev v0 metric 256"), double, "the kernel's own");
    w.route(Host, "fd00::/64 dev v0").unwrap();
}

fn sources_are_ours(w: &mut World<'_>) {
    connected(w);
    w.addr(Host, "lo", "10.5.0.1/32").unwrap();
    w.route(Host, "10.9.0.0/16 dev v0 src 10.5.0.1").unwrap();
    assert_eq!(w.route(Host, "10.8.0.0/16 dev v0 src 10.77.0.1"), Err(Errno::EINVAL));
    assert_eq!(w.route(Host, "10.8.0.0/16 via 10.1.0.2 src 10.1.0.2"), Err(Errno::EINVAL));
    assert_eq!(w.route(Host, "fd08::/64 dev v0 src fd77::1"), Err(Errno::EINVAL));
    w.route(Host, "fd08::/64 dev v0 src fd00::1").unwrap();
    w.look();
    w.addr_delete(Host, "v0", "fd00::1/64").unwrap();
    assert!(w.has_route(Host, "fd08::/64"), "it only loses its source");
}

fn links_are_up(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    w.addr(Host, "v0", "fd00::1/64 nodad").unwrap();
    assert_eq!(w.route(Host, "10.9.0.0/16 dev v0"), Err(Errno::ENETDOWN));
    assert_eq!(w.route(Host, "10.9.0.0/16 via 10.1.0.2"), Err(Errno::ENETUNREACH));
    assert_eq!(w.route(Host, "fd09::/64 dev v0"), Err(Errno::ENETDOWN));
    assert_eq!(w.route(Host, "fd09::/64 via fd00::2"), Err(Errno::EHOSTUNREACH));
    assert_eq!(w.route(Host, "fd09::/64 via fe80::2 dev v0"), Err(Errno::ENETDOWN));
}

fn scopes(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.8.0.0/24 dev v0 scope 254").unwrap();
    w.route(Host, "10.8.1.0/24 dev v0 scope 253").unwrap();
    w.route(Host, "10.8.2.0/24 dev v0 scope 0").unwrap();
    // A gateway must be nearer than what is behind it.
    for text in ["10.8.3.0/24 via 10.1.0.2 scope 253", "10.8.3.0/24 via 10.1.0.2 scope 254"] {
        assert!(w.route(Host, text).is_err(), "{text}");
    }
    assert_eq!(w.route(Host, "10.8.4.0/24 dev v0 scope 255"), Err(Errno::EINVAL));
    w.route(Host, "fd08::/64 dev v0 scope 253").unwrap();
    w.look();
    assert_eq!(w.route_delete(Host, "10.8.1.0/24 scope 0"), Err(Errno::ESRCH));
    w.route_delete(Host, "10.8.1.0/24 scope 253").unwrap();
    // What a universal route reaches is no gateway.
    assert_eq!(w.route(Host, "10.7.0.0/16 via 10.8.2.1"), Err(Errno::ENETUNREACH));
}

fn host_bits_are_cut(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.9.7.7/16 via 10.1.0.2").unwrap();
    w.route(Host, "fd09::7/64 via fd00::2").unwrap();
    assert!(w.has_route(Host, "10.9.0.0/16") && w.has_route(Host, "fd09::/64"));
    assert_eq!(w.route(Host, "10.9.8.8/16 via 10.1.0.2"), Err(Errno::EEXIST));
    w.route_delete(Host, "10.9.9.9/16").unwrap();
    w.route_delete(Host, "fd09::9/64").unwrap();
}

fn nowhere_to_go(w: &mut World<'_>) {
    connected(w);
    assert_eq!(w.route(Host, "10.9.0.0/16"), Err(Errno::ENODEV));
    assert_eq!(w.route(Host, "fd09::/64"), Err(Errno::ENODEV));
}

fn deleting_what_is_not_there(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.route(Host, "fd09::/64 via fd00::2").unwrap();
    for text in [
        "10.55.0.0/16",
        "10.9.0.0/17",
        "10.9.0.0/16 table 999",
        "10.9.0.0/16 via 10.1.0.9",
        "10.9.0.0/16 dev lo",
        "10.9.0.0/16 metric 4",
        "10.9.0.0/16 mtu 1400",
        "10.9.0.0/16 src 10.1.0.1",
        "0.0.0.0/0",
        "fd55::/64",
        "fd09::/65",
        "fd09::/64 table 999",
        "fd09::/64 via fd00::9",
        "fd09::/64 dev lo",
        "fd09::/64 metric 4",
        "fd09::/64 mtu 1400",
        "fd09::/64 src fd00::1",
        "::/0",
    ] {
        assert_eq!(w.route_delete(Host, text), Err(Errno::ESRCH), "{text}");
    }
    w.route_delete(Host, "10.9.0.0/16").unwrap();
    assert_eq!(w.route_delete(Host, "10.9.0.0/16"), Err(Errno::ESRCH));
}

fn deleting_by_what_is_named(w: &mut World<'_>) {
    connected(w);
    for text in [
        "10.9.0.0/16 via 10.1.0.2",
        "10.9.0.0/16 via 10.1.0.3 metric 5 mtu 1400",
        "10.9.0.0/16 dev v0 metric 9 src 10.1.0.1",
        "fd09::/64 via fd00::2",
        "fd09::/64 via fd00::3 metric 5 mtu 1400",
        "fd09::/64 dev v0 metric 2000 src fd00::1",
    ] {
        w.route(Host, text).unwrap();
    }
    for text in ["10.9.0.0/16 mtu 1400", "10.9.0.0/16 src 10.1.0.1", "fd09::/64 src fd00::1"] {
        w.route_delete(Host, text).unwrap();
    }
    w.look();
    w.route_delete(Host, "fd09::/64 mtu 1400").unwrap();
    w.look();
    w.route(Host, "10.9.0.0/16 via 10.1.0.3 metric 5").unwrap();
    w.route(Host, "fd09::/64 via fd00::3 metric 5").unwrap();
    // Of several that fit, the one with the lowest metric.
    w.route_delete(Host, "10.9.0.0/16").unwrap();
    w.route_delete(Host, "fd09::/64").unwrap();
    w.look();
    w.route_delete(Host, "10.9.0.0/16 dev v0").unwrap();
    w.route_delete(Host, "fd09::/64 via fd00::2 dev v0 metric 1024").unwrap();
    assert_eq!(w.route_delete(Host, "fd09::/64"), Err(Errno::ESRCH));
}

/// As the ptp plugin does.
fn deleting_the_kernels_own(w: &mut World<'_>) {
    connected(w);
    w.route_delete(Host, "10.1.0.0/24 dev v0").unwrap();
    w.route_delete(Host, "fd00::/64 dev v0").unwrap();
    w.route(Host, "10.1.0.2/32 dev v0 scope 253 src 10.1.0.1").unwrap();
    w.route(Host, "10.1.0.0/24 via 10.1.0.2 src 10.1.0.1").unwrap();
    w.route(Host, "fd00::2/128 dev v0 src fd00::1").unwrap();
    w.route(Host, "fd00::/64 via fd00::2 src fd00::1").unwrap();
    w.look();
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
}

/// As in a container with two networks.
fn two_links(w: &mut World<'_>) {
    connected(w);
    w.veth_up("v2", "v3");
    w.addr(Host, "v2", "10.2.0.1/24").unwrap();
    w.addr(Host, "v2", "fd02::1/64").unwrap();
    w.wait_settled(Host, "v2", std::time::Duration::from_secs(10)).unwrap();
}

fn gateway_to(w: &mut World<'_>, ip: &str) -> Option<String> {
    w.route_to(Host, ip).unwrap().gateway.map(|ip| ip.to_string())
}

/// Linux chooses by a hash that differs from run to run, which is not for comparison.
fn any_gateway_to(w: &mut World<'_>, ip: &str) -> Option<String> {
    let route = w.kernel.route_to(Host, ip.parse().unwrap()).unwrap();
    route.gateway.map(|ip| ip.to_string())
}

fn a_second_ipv4_default_comes_first(w: &mut World<'_>) {
    two_links(w);
    w.route(Host, "0.0.0.0/0 via 10.1.0.2 dev v0").unwrap();
    assert_eq!(gateway_to(w, "192.0.2.1").as_deref(), Some("10.1.0.2"));
    w.route(Host, "0.0.0.0/0 via 10.2.0.2 dev v2").unwrap();
    assert_eq!(gateway_to(w, "192.0.2.1").as_deref(), Some("10.2.0.2"));
    for text in ["0.0.0.0/0 via 10.1.0.2 dev v0", "0.0.0.0/0 via 10.2.0.2 dev v2"] {
        assert_eq!(w.route(Host, text), Err(Errno::EEXIST), "{text}");
    }
    w.look();
    w.route_delete(Host, "0.0.0.0/0 dev v2").unwrap();
    assert_eq!(gateway_to(w, "192.0.2.1").as_deref(), Some("10.1.0.2"));
    w.route(Host, "0.0.0.0/0 via 10.2.0.2 dev v2").unwrap();
    w.look();
    // Of several that fit, the first.
    w.route_delete(Host, "0.0.0.0/0").unwrap();
    assert_eq!(gateway_to(w, "192.0.2.1").as_deref(), Some("10.1.0.2"));
    w.route(Host, "0.0.0.0/0 via 10.2.0.2 dev v2").unwrap();
    w.down(Host, "v2");
    assert_eq!(gateway_to(w, "192.0.2.1").as_deref(), Some("10.1.0.2"));
}

fn a_second_ipv6_default_is_a_next_hop(w: &mut World<'_>) {
    two_links(w);
    w.route(Host, "::/0 via fd00::2 dev v0").unwrap();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd00::2"));
    w.route(Host, "::/0 via fd02::2 dev v2").unwrap();
    for text in ["::/0 via fd00::2 dev v0", "::/0 via fd02::2 dev v2"] {
        assert_eq!(w.route(Host, text), Err(Errno::EEXIST), "{text}");
    }
    w.look();
    let taken = any_gateway_to(w, "2001:db8::1").unwrap();
    assert!(["fd00::2", "fd02::2"].contains(&&*taken), "{taken}");
    w.route_delete(Host, "::/0 via fd00::2 dev v0").unwrap();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd02::2"));
    assert_eq!(w.route_delete(Host, "::/0 dev v0"), Err(Errno::ESRCH));
    w.route(Host, "::/0 via fd00::2 dev v0 metric 2000").unwrap();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd02::2"));
}

fn ipv6_next_hops_are_deleted_one_by_one(w: &mut World<'_>) {
    two_links(w);
    let first = "::/0 via fd00::2 dev v0 src fd00::1 mtu 1400";
    let second = "::/0 via fd02::2 dev v2 src fd02::1 mtu 1300";
    w.route(Host, first).unwrap();
    w.route(Host, second).unwrap();
    w.look();
    w.route_delete(Host, second).unwrap();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd00::2"));
    w.route(Host, second).unwrap();
    w.route_delete(Host, "::/0 dev v2").unwrap();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd00::2"));
    w.route(Host, second).unwrap();
    w.route_delete(Host, "::/0").unwrap();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd02::2"));
    w.look();
    w.route_delete(Host, "::/0").unwrap();
    assert_eq!(w.route_delete(Host, "::/0"), Err(Errno::ESRCH));
}

fn ipv6_next_hops_over_links_that_go_down(w: &mut World<'_>) {
    two_links(w);
    w.route(Host, "::/0 via fd00::2 dev v0").unwrap();
    w.route(Host, "::/0 via fd02::2 dev v2").unwrap();
    w.route(Host, "fd09::/64 dev v0").unwrap();
    w.route(Host, "fd09::/64 dev v2").unwrap();
    w.down(Host, "v0");
    w.look();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd02::2"));
    w.up(Host, "v0");
    w.wait_up(Host, "v0", std::time::Duration::from_secs(10)).unwrap();
    w.addr(Host, "v0", "fd00::1/64 nodad").unwrap();
    w.route_delete(Host, "::/0 dev v2").unwrap();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd00::2"));
    w.route(Host, "::/0 via fd02::2 dev v2").unwrap();
    w.down(Host, "v0");
    w.down(Host, "v2");
    assert!(!w.has_route(Host, "::/0"), "not a hop is left");
    w.look();
    w.up(Host, "v0");
    w.up(Host, "v2");
    w.wait_up(Host, "v2", std::time::Duration::from_secs(10)).unwrap();
    w.addr(Host, "v0", "fd00::1/64 nodad").unwrap();
    w.addr(Host, "v2", "fd02::1/64 nodad").unwrap();
    w.route(Host, "::/0 via fd00::2 dev v0").unwrap();
    w.route(Host, "::/0 via fd02::2 dev v2").unwrap();
    w.delete(Host, "v0").unwrap();
    assert_eq!(gateway_to(w, "2001:db8::1").as_deref(), Some("fd02::2"));
}

fn ipv6_routes_without_a_gateway_side_by_side(w: &mut World<'_>) {
    two_links(w);
    w.route(Host, "fd09::/64 dev v0").unwrap();
    w.route(Host, "fd09::/64 dev v2").unwrap();
    let link = w.link(Host, "v0").index;
    assert_eq!(w.route_to(Host, "fd09::1").unwrap().link, Some(link), "the older one");
    w.look();
    w.route_delete(Host, "fd09::/64 dev v0").unwrap();
    w.route_delete(Host, "fd09::/64").unwrap();
    // Beside one with a gateway.
    w.route(Host, "fd09::/64 via fd00::2 dev v0").unwrap();
    w.route(Host, "fd09::/64 dev v0 mtu 1400").unwrap();
    w.look();
    w.route_delete(Host, "fd09::/64 dev v0 mtu 1400").unwrap();
    assert_eq!(gateway_to(w, "fd09::1").as_deref(), Some("fd00::2"));
}

fn where_packets_go(w: &mut World<'_>) {
    connected(w);
    w.addr(Host, "v0", "10.2.0.1/24").unwrap();
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.route(Host, "10.9.9.0/24 via 10.2.0.2 mtu 1400").unwrap();
    w.route(Host, "0.0.0.0/0 via 10.2.0.9").unwrap();
    w.route(Host, "fd09::/64 via fd00::2").unwrap();
    w.route(Host, "::/0 via fd00::3 metric 50").unwrap();
    let gateway = |w: &mut World<'_>, ip: &str| {
        let route = w.route_to(Host, ip).unwrap();
        (route.gateway.map(|ip| ip.to_string()), route.source.map(|ip| ip.to_string()))
    };
    let expected =
        |gateway: &str, source: &str| (Some(gateway.to_owned()), Some(source.to_owned()));
    assert_eq!(gateway(w, "10.9.1.1"), expected("10.1.0.2", "10.1.0.1"));
    assert_eq!(gateway(w, "10.9.9.1"), expected("10.2.0.2", "10.2.0.1"));
    assert_eq!(gateway(w, "192.0.2.1"), expected("10.2.0.9", "10.2.0.1"));
    assert_eq!(gateway(w, "10.1.0.7"), (None, Some("10.1.0.1".to_owned())));
    assert_eq!(gateway(w, "fd09::1"), expected("fd00::2", "fd00::1"));
    assert_eq!(gateway(w, "2001:db8::1"), expected("fd00::3", "fd00::1"));
    assert_eq!(gateway(w, "fd00::7"), (None, Some("fd00::1".to_owned())));
    // What is ours goes over the loopback device.
    let lo = w.link(Host, "lo").index;
    assert_eq!(w.route_to(Host, "10.1.0.1").unwrap().link, Some(lo));
    w.route_to(Host, "10.1.0.255").unwrap();
    assert_eq!(w.route_to(Host, "127.0.0.5").unwrap().link, Some(lo));
    assert_eq!(w.route_to(Host, "fd00::1").unwrap().link, Some(lo));
}

fn unreachable_destinations(w: &mut World<'_>) {
    connected(w);
    assert_eq!(w.route_to(Host, "192.0.2.1").unwrap_err(), Errno::ENETUNREACH);
    assert_eq!(w.route_to(Host, "2001:db8::1").unwrap_err(), Errno::ENETUNREACH);
    assert_eq!(w.route_to(Container, "10.1.0.1").unwrap_err(), Errno::ENETUNREACH);
}

/// The gateway of a container with a /32: a route to it first.
fn a_gateway_behind_a_route_to_itself(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Container, "v1", "10.5.0.2/32").unwrap();
    assert_eq!(w.route(Container, "0.0.0.0/0 via 169.254.1.1 dev v1"), Err(Errno::ENETUNREACH));
    w.route(Container, "169.254.1.1/32 dev v1").unwrap();
    w.route(Container, "0.0.0.0/0 via 169.254.1.1 dev v1").unwrap();
    w.look();
    w.route(Host, "10.5.0.2/32 dev v0").unwrap();
}

fn tables_are_apart(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.3.0.0/16 dev v0 table 77").unwrap();
    w.route(Host, "10.9.0.0/16 via 10.3.0.1 table 77").unwrap();
    assert_eq!(w.route(Host, "10.9.0.0/16 via 10.3.0.1"), Err(Errno::ENETUNREACH));
    w.route(Host, "10.8.0.0/16 via 10.1.0.2 table 77").unwrap();
    assert_eq!(w.route_to(Host, "10.9.0.1").unwrap_err(), Errno::ENETUNREACH);
    assert_eq!(w.route_delete(Host, "10.9.0.0/16"), Err(Errno::ESRCH));
    w.route_delete(Host, "10.9.0.0/16 table 77").unwrap();
    w.route(Host, "fd03::/64 dev v0 table 77").unwrap();
    w.route(Host, "fd09::/64 via fd03::1 table 77").unwrap();
    assert_eq!(w.route(Host, "fd09::/64 via fd03::1"), Err(Errno::EHOSTUNREACH));
}
