//! IPv4 addresses, and the routes that come and go with them.

use std::time::Duration;

use wasmcni::kernel::Errno;
use wasmcni::kernel::Role::{Container, Host};

use super::run::cases;
use super::words::bridge;
use super::world::World;

cases![
    addresses_are_kept_as_written,
    no_address_twice_on_a_link,
    missing_addresses,
    a_network_is_connected_while_its_link_is_up,
    the_carrier_does_not_matter,
    single_addresses_connect_nothing,
    one_address_with_several_prefixes,
    one_address_on_two_links,
    the_second_of_a_network_is_secondary,
    the_first_takes_its_secondaries_along,
    promoted_secondaries_stay,
    the_last_address_takes_the_routes,
    routes_go_with_their_source,
    routes_go_with_their_link,
    the_unspecified_address_is_swallowed,
    loopback_takes_addresses,
    addresses_settle_at_once,
];

fn connected(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
}

fn addresses_are_kept_as_written(w: &mut World<'_>) {
    w.veth("v0", "v1");
    for text in ["10.1.0.1/24", "10.2.0.1/32", "10.3.0.0/31", "192.168.7.255/16"] {
        w.addr(Host, "v0", text).unwrap();
    }
    let expected = ["10.1.0.1/24", "10.2.0.1/32", "10.3.0.0/31", "192.168.7.255/16"];
    assert_eq!(w.addrs(Host, "v0"), expected);
    assert_eq!(w.addrs(Container, "v1"), [""; 0]);
    assert_eq!(w.addrs(Host, "lo"), [""; 0]);
}

fn no_address_twice_on_a_link(w: &mut World<'_>) {
    connected(w);
    assert_eq!(w.addr(Host, "v0", "10.1.0.1/24"), Err(Errno::EEXIST));
    assert_eq!(w.addrs(Host, "v0").iter().filter(|a| *a == "10.1.0.1/24").count(), 1);
}

fn missing_addresses(w: &mut World<'_>) {
    connected(w);
    for text in ["10.1.0.2/24", "10.1.0.1/32", "10.1.0.1/25", "10.1.0.0/24"] {
        assert_eq!(w.addr_delete(Host, "v0", text), Err(Errno::EADDRNOTAVAIL), "{text}");
    }
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    assert_eq!(w.addr_delete(Host, "v0", "10.1.0.1/24"), Err(Errno::EADDRNOTAVAIL));
}

fn a_network_is_connected_while_its_link_is_up(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    assert!(!w.has_route(Host, "10.1.0.0/24"));
    w.look();
    w.up(Host, "v0");
    assert!(w.has_route(Host, "10.1.0.0/24"));
    let route = w.kernel.routes(Host).unwrap().into_iter().find(|r| r.by_kernel).unwrap();
    assert_eq!((route.scope, route.source), (253, Some("10.1.0.1".parse().unwrap())));
    w.look();
    w.addr(Host, "v0", "10.2.0.1/24").unwrap();
    assert!(w.has_route(Host, "10.2.0.0/24"));
    w.down(Host, "v0");
    assert!(!w.has_route(Host, "10.1.0.0/24"));
    assert_eq!(w.addrs(Host, "v0"), ["10.1.0.1/24", "10.2.0.1/24"], "the addresses stay");
    w.up(Host, "v0");
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    assert!(!w.has_route(Host, "10.1.0.0/24") && w.has_route(Host, "10.2.0.0/24"));
}

fn the_carrier_does_not_matter(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.down(Container, "v1");
    w.look();
    assert!(w.has_route(Host, "10.9.0.0/16"));
    w.route(Host, "10.8.0.0/16 via 10.1.0.2").unwrap();
}

fn single_addresses_connect_nothing(w: &mut World<'_>) {
    connected(w);
    w.addr(Host, "v0", "10.5.0.1/32").unwrap();
    w.addr(Host, "v0", "10.6.0.0/31").unwrap();
    assert!(!w.has_route(Host, "10.5.0.1/32"));
    assert!(w.has_route(Host, "10.6.0.0/31"));
}

fn one_address_with_several_prefixes(w: &mut World<'_>) {
    connected(w);
    w.addr(Host, "v0", "10.1.0.1/25").unwrap();
    w.addr(Host, "v0", "10.1.0.1/16").unwrap();
    w.look();
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    assert!(!w.has_route(Host, "10.1.0.0/24"));
    assert!(w.has_route(Host, "10.1.0.0/25") && w.has_route(Host, "10.1.0.0/16"));
}

fn one_address_on_two_links(w: &mut World<'_>) {
    connected(w);
    w.veth_up("w0", "w1");
    w.addr(Host, "w0", "10.1.0.1/24").unwrap();
    w.look();
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    assert!(w.has_route(Host, "10.1.0.0/24"));
}

fn the_second_of_a_network_is_secondary(w: &mut World<'_>) {
    connected(w);
    w.addr(Host, "v0", "10.1.0.7/24").unwrap();
    let routes = w.kernel.routes(Host).unwrap();
    assert_eq!(routes.iter().filter(|r| r.by_kernel && r.scope == 253).count(), 1);
    w.look();
    w.addr_delete(Host, "v0", "10.1.0.7/24").unwrap();
    assert!(w.has_route(Host, "10.1.0.0/24"));
}

fn the_first_takes_its_secondaries_along(w: &mut World<'_>) {
    connected(w);
    w.addr(Host, "v0", "10.1.0.7/24").unwrap();
    w.addr(Host, "v0", "10.1.0.8/25").unwrap();
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    let left = w.addrs(Host, "v0");
    assert!(!left.contains(&"10.1.0.7/24".to_owned()), "{left:?}");
    assert!(left.contains(&"10.1.0.8/25".to_owned()), "another prefix is another network");
}

fn promoted_secondaries_stay(w: &mut World<'_>) {
    w.sysctl_set(Host, "net/ipv4/conf/all/promote_secondaries", "1").unwrap();
    connected(w);
    w.addr(Host, "v0", "10.1.0.7/24").unwrap();
    w.addr(Host, "v0", "10.1.0.8/24").unwrap();
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    assert!(w.has_route(Host, "10.1.0.0/24"));
    w.look();
    w.addr_delete(Host, "v0", "10.1.0.7/24").unwrap();
}

fn the_last_address_takes_the_routes(w: &mut World<'_>) {
    connected(w);
    w.addr(Host, "v0", "10.2.0.1/24").unwrap();
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.route(Host, "10.8.0.0/16 dev v0 table 77").unwrap();
    w.route(Host, "10.7.0.0/16 via 10.1.0.2 table 77").unwrap();
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    assert!(w.has_route(Host, "10.9.0.0/16"), "though its gateway is out of reach now");
    w.look();
    w.addr_delete(Host, "v0", "10.2.0.1/24").unwrap();
    assert!(!w.has_route(Host, "10.9.0.0/16"));
}

fn routes_go_with_their_source(w: &mut World<'_>) {
    connected(w);
    w.addr(Host, "v0", "10.2.0.1/24").unwrap();
    w.route(Host, "10.9.0.0/16 via 10.2.0.2 src 10.1.0.1").unwrap();
    w.route(Host, "10.8.0.0/16 dev v0 src 10.2.0.1").unwrap();
    w.addr_delete(Host, "v0", "10.1.0.1/24").unwrap();
    assert!(!w.has_route(Host, "10.9.0.0/16") && w.has_route(Host, "10.8.0.0/16"));
}

fn routes_go_with_their_link(w: &mut World<'_>) {
    connected(w);
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.route(Host, "0.0.0.0/0 via 10.1.0.2 table 77").unwrap();
    w.down(Host, "v0");
    w.look();
    w.up(Host, "v0");
    assert!(!w.has_route(Host, "10.9.0.0/16"), "what an administrator added is not restored");
    w.look();
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
    w.delete(Container, "v1").unwrap();
    assert!(!w.has_route(Host, "10.9.0.0/16"));
}

fn the_unspecified_address_is_swallowed(w: &mut World<'_>) {
    w.veth("v0", "v1");
    w.addr(Host, "v0", "0.0.0.0/24").unwrap();
    assert_eq!(w.addrs(Host, "v0"), [""; 0]);
}

fn loopback_takes_addresses(w: &mut World<'_>) {
    w.addr(Container, "lo", "10.5.0.1/32").unwrap();
    w.addr(Container, "lo", "10.6.0.1/24").unwrap();
    w.up(Container, "lo");
    assert!(!w.has_route(Container, "10.6.0.0/24"), "all of it is local");
    w.look();
    let expected = ["10.5.0.1/32", "10.6.0.1/24", "127.0.0.1/8", "::1/128"];
    assert_eq!(w.addrs(Container, "lo"), expected);
}

fn addresses_settle_at_once(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    w.addr(Host, "br0", "10.1.0.1/24").unwrap();
    w.wait_settled(Host, "br0", Duration::ZERO).unwrap();
}
