//! VLANs of bridges and bridge ports.

use wasmcni::kernel::LinkChange::Master;
use wasmcni::kernel::Role::{Container, Host};
use wasmcni::kernel::{Errno, KindSpec, VlanEntry};

use super::run::cases;
use super::words::{bridge, link};
use super::world::World;

cases![
    ports_begin_with_vlan_1: VlanFiltering,
    one_pvid_at_most: VlanFiltering,
    ranges: VlanFiltering,
    ids_have_bounds: VlanFiltering,
    holders_are_bridges_and_ports: VlanFiltering,
    missing_vlans_can_be_deleted: VlanFiltering,
    a_new_master_forgets: VlanFiltering,
];

fn vlan(first: u16, last: u16) -> VlanEntry {
    VlanEntry { first, last, pvid: false, untagged: false, on_bridge: false }
}

fn native(id: u16) -> VlanEntry {
    VlanEntry { pvid: true, untagged: true, ..vlan(id, id) }
}

fn on_bridge(entry: VlanEntry) -> VlanEntry {
    VlanEntry { on_bridge: true, ..entry }
}

fn with_port(w: &mut World<'_>) {
    w.create(Host, &link("br0", KindSpec::Bridge { vlan_filtering: true })).unwrap();
    w.veth("v0", "v1");
    w.enslave(Host, "v0", "br0").unwrap();
}

fn entries(w: &mut World<'_>, name: &str) -> Vec<VlanEntry> {
    let index = w.index(Host, name);
    w.kernel.bridge_vlans(Host, index).unwrap()
}

fn ports_begin_with_vlan_1(w: &mut World<'_>) {
    with_port(w);
    assert!(w.link(Host, "br0").vlan_filtering);
    assert_eq!(entries(w, "v0"), [native(1)]);
    assert_eq!(entries(w, "br0"), [on_bridge(native(1))]);
    assert_eq!(entries(w, "lo"), []);
    // Without filtering they have it too, it only has no effect.
    w.create(Host, &bridge("br1")).unwrap();
    assert!(!w.link(Host, "br1").vlan_filtering);
    assert_eq!(entries(w, "br1"), [on_bridge(native(1))]);
}

fn one_pvid_at_most(w: &mut World<'_>) {
    with_port(w);
    w.vlan(Host, "v0", native(5)).unwrap();
    assert_eq!(
        entries(w, "v0"),
        [VlanEntry { pvid: false, ..native(1) }, native(5)],
        "the older one stays, untagged"
    );
    w.look();
    w.vlan(Host, "v0", VlanEntry { pvid: false, ..native(5) }).unwrap();
    w.look();
    w.vlan(Host, "v0", vlan(5, 5)).unwrap();
}

fn ranges(w: &mut World<'_>) {
    with_port(w);
    w.vlan(Host, "v0", vlan(6, 8)).unwrap();
    assert_eq!(entries(w, "v0"), [native(1), vlan(6, 6), vlan(7, 7), vlan(8, 8)]);
    w.vlan(Host, "v0", VlanEntry { untagged: true, ..vlan(7, 9) }).unwrap();
    w.look();
    w.vlan_delete(Host, "v0", vlan(1, 7)).unwrap();
    w.vlan(Host, "br0", on_bridge(vlan(20, 22))).unwrap();
    w.vlan_delete(Host, "br0", on_bridge(vlan(21, 21))).unwrap();
}

fn ids_have_bounds(w: &mut World<'_>) {
    with_port(w);
    w.vlan(Host, "v0", vlan(4094, 4094)).unwrap();
    for bad in [vlan(0, 0), vlan(4095, 4095), vlan(9, 8), vlan(4090, 4095)] {
        assert_eq!(w.vlan(Host, "v0", bad), Err(Errno::EINVAL), "{bad:?}");
    }
    let two_native = VlanEntry { pvid: true, ..vlan(5, 6) };
    assert_eq!(w.vlan(Host, "v0", two_native), Err(Errno::EINVAL));
}

fn holders_are_bridges_and_ports(w: &mut World<'_>) {
    with_port(w);
    let refused = Err(Errno::EOPNOTSUPP);
    assert_eq!(w.vlan(Host, "v0", on_bridge(vlan(7, 7))), refused);
    assert_eq!(w.vlan(Host, "br0", vlan(7, 7)), refused);
    assert_eq!(w.vlan(Host, "lo", vlan(7, 7)), refused);
    assert_eq!(w.vlan_delete(Host, "lo", vlan(7, 7)), refused);
    assert_eq!(w.vlan(Container, "v1", vlan(7, 7)), refused);
    assert_eq!(w.vlan(Host, "#99", vlan(7, 7)), Err(Errno::ENODEV));
    w.vlan(Host, "br0", on_bridge(vlan(7, 7))).unwrap();
}

fn missing_vlans_can_be_deleted(w: &mut World<'_>) {
    with_port(w);
    w.vlan_delete(Host, "v0", vlan(77, 77)).unwrap();
    w.vlan_delete(Host, "v0", vlan(77, 79)).unwrap();
    w.vlan_delete(Host, "br0", on_bridge(vlan(77, 77))).unwrap();
    w.vlan_delete(Host, "v0", native(1)).unwrap();
    assert_eq!(entries(w, "v0"), []);
}

fn a_new_master_forgets(w: &mut World<'_>) {
    with_port(w);
    w.vlan(Host, "v0", native(5)).unwrap();
    w.set(Host, "v0", Master(None)).unwrap();
    assert_eq!(entries(w, "v0"), []);
    w.enslave(Host, "v0", "br0").unwrap();
    assert_eq!(entries(w, "v0"), [native(1)]);
}
