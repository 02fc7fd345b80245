//! VRFs: links whose routes live in a table of their own.

use wasmcni::kernel::LinkChange::{Master, Netns};
use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, KindSpec, LinkSpec};

use super::run::cases;
use super::words::{bridge, link};
use super::world::World;

cases![
    a_vrf: Vrf,
    bounds: Vrf,
    some_links_are_no_members: Vrf,
    joining_moves_the_networks: Vrf,
    gateways_are_reached_in_the_table: Vrf,
    leaving_moves_them_back: Vrf,
    a_deleted_vrf_frees_its_members: Vrf,
    members_that_are_down: Vrf,
    addresses_may_be_kept_on_the_way: Vrf,
];

fn vrf(name: &str, table: u32) -> LinkSpec {
    link(name, KindSpec::Vrf { table })
}

fn connected(w: &mut World<'_>) {
    w.create(Host, &vrf("vrf0", 10)).unwrap();
    w.up(Host, "vrf0");
    w.veth_up("v0", "v1");
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    w.addr(Host, "v0", "fd00::1/64").unwrap();
    w.route(Host, "10.9.0.0/16 via 10.1.0.2").unwrap();
}

fn a_vrf(w: &mut World<'_>) {
    w.create(Host, &vrf("vrf0", 10)).unwrap();
    w.create(Host, &vrf("vrf1", 10)).unwrap();
    assert_eq!(w.link(Host, "vrf0").mtu, 65_575);
    w.up(Host, "vrf0");
    w.look();
    assert_eq!(w.set(Host, "vrf0", Netns(Container)), Err(Errno::EINVAL));
    w.delete(Host, "vrf0").unwrap();
}

fn bounds(w: &mut World<'_>) {
    assert_eq!(w.create(Host, &vrf("vrf0", 0)), Err(Errno::EINVAL));
    let spec = LinkSpec { mtu: Some(1279), ..vrf("vrf0", 10) };
    assert_eq!(w.create(Host, &spec), Err(Errno::EINVAL));
}

fn some_links_are_no_members(w: &mut World<'_>) {
    w.create(Host, &vrf("vrf0", 10)).unwrap();
    w.create(Host, &vrf("vrf1", 11)).unwrap();
    w.create(Host, &bridge("br0")).unwrap();
    assert_eq!(w.enslave(Host, "lo", "vrf0"), Err(Errno::EOPNOTSUPP));
    assert_eq!(w.enslave(Host, "vrf1", "vrf0"), Err(Errno::EINVAL));
    assert_eq!(w.enslave(Host, "vrf0", "br0"), Err(Errno::EINVAL));
    w.enslave(Host, "br0", "vrf0").unwrap();
}

fn joining_moves_the_networks(w: &mut World<'_>) {
    connected(w);
    w.look();
    w.enslave(Host, "v0", "vrf0").unwrap();
    assert!(w.link(Host, "v0").up);
    assert!(!w.has_route(Host, "10.1.0.0/24"));
    assert!(!w.addrs(Host, "v0").contains(&"fd00::1/64".to_owned()), "it went down on the way");
    w.look();
    w.enslave(Host, "v0", "vrf0").unwrap();
    w.addr(Host, "v0", "10.2.0.1/24").unwrap();
    w.addr(Host, "v0", "fd00:2::1/64").unwrap();
}

fn gateways_are_reached_in_the_table(w: &mut World<'_>) {
    connected(w);
    w.enslave(Host, "v0", "vrf0").unwrap();
    assert_eq!(w.route(Host, "10.8.0.0/16 via 10.1.0.2"), Err(Errno::ENETUNREACH));
    w.route(Host, "10.8.0.0/16 via 10.1.0.2 table 10").unwrap();
    w.route(Host, "10.7.0.0/16 dev v0 table 10").unwrap();
    w.route(Host, "10.6.0.0/16 dev v0").unwrap();
}

fn leaving_moves_them_back(w: &mut World<'_>) {
    connected(w);
    w.enslave(Host, "v0", "vrf0").unwrap();
    w.route(Host, "10.8.0.0/16 via 10.1.0.2 table 10").unwrap();
    w.set(Host, "v0", Master(None)).unwrap();
    assert!(w.has_route(Host, "10.1.0.0/24"));
}

fn a_deleted_vrf_frees_its_members(w: &mut World<'_>) {
    connected(w);
    w.enslave(Host, "v0", "vrf0").unwrap();
    w.delete(Host, "vrf0").unwrap();
    assert_eq!(w.link(Host, "v0").master, None);
    assert!(w.has_route(Host, "10.1.0.0/24"));
}

fn members_that_are_down(w: &mut World<'_>) {
    w.create(Host, &vrf("vrf0", 10)).unwrap();
    w.veth("v0", "v1");
    w.addr(Host, "v0", "10.1.0.1/24").unwrap();
    w.enslave(Host, "v0", "vrf0").unwrap();
    w.look();
    w.up(Host, "v0");
}

fn addresses_may_be_kept_on_the_way(w: &mut World<'_>) {
    connected(w);
    w.sysctl_set(Host, "net/ipv6/conf/v0/keep_addr_on_down", "1").unwrap();
    assert_eq!(w.link(Host, "vrf0").vrf_table, Some(10));
    assert_eq!(w.link(Host, "v0").vrf_table, None);
    w.enslave(Host, "v0", "vrf0").unwrap();
    assert!(w.addrs(Host, "v0").contains(&"fd00::1/64".to_owned()));
    w.route(Host, "fd09::/64 via fd00::2 table 10").unwrap();
    w.look();
    w.set(Host, "v0", Master(None)).unwrap();
    w.set(Host, "v0", Master(None)).unwrap();
    assert!(w.addrs(Host, "v0").contains(&"fd00::1/64".to_owned()));
    w.look();
    w.enslave(Host, "v0", "vrf0").unwrap();
    w.addr_delete(Host, "v0", "fd00::1/64").unwrap();
    w.addr(Host, "v0", "fd00::1/64 nodad").unwrap();
}
