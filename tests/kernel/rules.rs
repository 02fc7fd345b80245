//! Rules of policy routing, and the routes that they are about.

use wasmcni::kernel::Errno;
use wasmcni::kernel::Role::{Container, Host};

use super::run::cases;
use super::world::World;

cases![
    a_rule,
    rules_are_asked_from_the_youngest_on,
    a_rule_may_be_there_twice,
    one_source_may_look_in_two_tables,
    large_tables_and_short_prefixes,
    rules_outlive_their_address,
    the_kernels_own_routes_can_be_put_back,
    a_lock_is_held_until_the_end,
];

fn a_rule(w: &mut World<'_>) {
    w.look();
    w.rule(Host, "10.1.0.2/32", 100).unwrap();
    w.look();
    w.rule_delete(Host, "10.1.0.2/32", 100).unwrap();
    w.look();
    assert_eq!(w.rule_delete(Host, "10.1.0.2/32", 100), Err(Errno::ENOENT));
    w.rule(Container, "fd00::2/128", 100).unwrap();
    w.look();
    w.rule_delete(Container, "fd00::2/128", 100).unwrap();
    assert_eq!(w.rule_delete(Container, "fd00::2/128", 100), Err(Errno::ENOENT));
}

fn rules_are_asked_from_the_youngest_on(w: &mut World<'_>) {
    for table in [100, 102, 101] {
        w.rule(Host, "10.1.0.2/32", table).unwrap();
        w.rule(Host, "fd00::2/128", table).unwrap();
        w.look();
    }
    w.rule_delete(Host, "10.1.0.2/32", 102).unwrap();
    w.rule(Host, "10.1.0.2/32", 103).unwrap();
}

/// Of two equal ones the younger goes first.
fn a_rule_may_be_there_twice(w: &mut World<'_>) {
    for table in [100, 101, 100] {
        w.rule(Host, "10.1.0.2/32", table).unwrap();
        w.rule(Host, "fd00::2/128", table).unwrap();
    }
    w.look();
    w.rule_delete(Host, "10.1.0.2/32", 100).unwrap();
    w.rule_delete(Host, "fd00::2/128", 100).unwrap();
    w.look();
}

fn one_source_may_look_in_two_tables(w: &mut World<'_>) {
    w.rule(Host, "10.1.0.2/32", 100).unwrap();
    w.rule(Host, "10.1.0.2/32", 101).unwrap();
    w.rule(Host, "10.1.0.3/32", 100).unwrap();
    assert_eq!(w.rule_delete(Host, "10.1.0.3/32", 101), Err(Errno::ENOENT));
    w.rule_delete(Host, "10.1.0.2/32", 101).unwrap();
}

fn large_tables_and_short_prefixes(w: &mut World<'_>) {
    for table in [1, 253, 255, 256, 4_294_967_295] {
        w.rule(Host, "10.1.0.2/32", table).unwrap();
    }
    w.rule(Host, "10.1.0.2/16", 7).unwrap();
    w.rule(Host, "0.0.0.0/0", 7).unwrap();
    w.rule(Host, "::/0", 7).unwrap();
    w.look();
    w.rule_delete(Host, "10.1.0.0/16", 7).unwrap();
    w.rule_delete(Host, "10.1.0.2/32", 4_294_967_295).unwrap();
    w.rule_delete(Host, "0.0.0.0/0", 7).unwrap();
}

fn rules_outlive_their_address(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "10.1.0.2/24").unwrap();
    w.rule(Host, "10.1.0.2/32", 100).unwrap();
    w.route(Host, "0.0.0.0/0 via 10.1.0.1 dev v0 table 100").unwrap();
    w.look();
    w.delete(Host, "v0").unwrap();
}

/// Source-based routing moves them to another table.
fn the_kernels_own_routes_can_be_put_back(w: &mut World<'_>) {
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "10.1.0.2/24").unwrap();
    w.addr(Host, "v0", "fd00::2/64").unwrap();
    w.look();
    w.route_delete(Host, "10.1.0.0/24 dev v0 src 10.1.0.2").unwrap();
    w.route_delete(Host, "fd00::/64 dev v0").unwrap();
    w.look();
    w.route(Host, "10.1.0.0/24 dev v0 src 10.1.0.2 scope 253 proto kernel").unwrap();
    w.route(Host, "fd00::/64 dev v0 metric 256 proto kernel").unwrap();
    w.look();
    w.route(Host, "fd00::/64 dev v0 src fd00::2 table 100").unwrap();
}

fn a_lock_is_held_until_the_end(w: &mut World<'_>) {
    for netns in [Host, Container, Host] {
        w.kernel.netns_lock(netns, std::time::Duration::ZERO).unwrap();
    }
}
