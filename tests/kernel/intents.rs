//! NAT and filter intents of the host netns.

use wasmcni::kernel::Role::Host;
use wasmcni::kernel::{Admission, Apart, Masquerade, Separation, SpoofGuard};

use super::run::cases;
use super::words::{admission, bridge, guard, ifname, masquerade};
use super::world::World;

cases![
    masquerades_are_kept,
    an_address_has_one_masquerade,
    only_its_owner_deletes_a_masquerade,
    guards_are_kept,
    a_port_has_one_guard,
    only_its_owner_deletes_a_guard,
    deleting_a_link_leaves_intents,
    the_reference_may_have_made_nothing,
    admissions_are_kept,
    an_address_has_one_admission,
    only_its_owner_deletes_an_admission,
    a_bridge_is_apart_as_long_as_one_says_so,
];

fn masquerades(w: &mut World<'_>) -> Vec<Masquerade> {
    let mut entries = w.kernel.masquerades().unwrap();
    entries.sort_by_key(|entry| entry.source.addr());
    entries
}

fn guards(w: &mut World<'_>) -> Vec<SpoofGuard> {
    let mut entries = w.kernel.spoof_guards().unwrap();
    entries.sort_by_key(|entry| entry.port.to_string());
    entries
}

fn masquerades_are_kept(w: &mut World<'_>) {
    assert_eq!(masquerades(w), []);
    let (v4, v6) = (masquerade("10.1.0.2/24", "a"), masquerade("fd00::2/64", "b"));
    w.kernel.masquerade_add(&v6).unwrap();
    w.kernel.masquerade_add(&v4).unwrap();
    assert_eq!(masquerades(w), [v4.clone(), v6.clone()]);
    w.look();
    w.kernel.masquerade_delete(&v4).unwrap();
    assert_eq!(masquerades(w), [v6]);
    w.kernel.masquerade_delete(&v4).unwrap();
}

fn an_address_has_one_masquerade(w: &mut World<'_>) {
    w.kernel.masquerade_add(&masquerade("10.1.0.2/24", "a")).unwrap();
    w.kernel.masquerade_add(&masquerade("10.1.0.2/24", "a")).unwrap();
    w.kernel.masquerade_add(&masquerade("10.1.0.3/24", "a")).unwrap();
    let newer = masquerade("10.1.0.2/16", "b");
    w.kernel.masquerade_add(&newer).unwrap();
    assert_eq!(masquerades(w), [newer, masquerade("10.1.0.3/24", "a")]);
}

fn only_its_owner_deletes_a_masquerade(w: &mut World<'_>) {
    let entry = masquerade("10.1.0.2/24", "a");
    w.kernel.masquerade_delete(&entry).unwrap();
    w.kernel.masquerade_add(&entry).unwrap();
    w.kernel.masquerade_delete(&masquerade("10.1.0.2/24", "b")).unwrap();
    assert_eq!(masquerades(w), [entry]);
}

fn guards_are_kept(w: &mut World<'_>) {
    assert_eq!(guards(w), []);
    let (one, two) = (guard("v0", 1, "a"), guard("v1", 2, "b"));
    w.kernel.spoof_guard_add(&one).unwrap();
    w.kernel.spoof_guard_add(&two).unwrap();
    assert_eq!(guards(w), [one.clone(), two.clone()]);
    w.kernel.spoof_guard_delete(&one).unwrap();
    assert_eq!(guards(w), [two]);
    w.kernel.spoof_guard_delete(&one).unwrap();
}

fn a_port_has_one_guard(w: &mut World<'_>) {
    w.kernel.spoof_guard_add(&guard("v0", 1, "a")).unwrap();
    w.kernel.spoof_guard_add(&guard("v0", 1, "a")).unwrap();
    let newer = guard("v0", 2, "b");
    w.kernel.spoof_guard_add(&newer).unwrap();
    assert_eq!(guards(w), [newer]);
}

fn only_its_owner_deletes_a_guard(w: &mut World<'_>) {
    let entry = guard("v0", 1, "a");
    w.kernel.spoof_guard_delete(&entry).unwrap();
    w.kernel.spoof_guard_add(&entry).unwrap();
    w.kernel.spoof_guard_delete(&guard("v0", 1, "b")).unwrap();
    assert_eq!(guards(w), [entry]);
}

fn deleting_a_link_leaves_intents(w: &mut World<'_>) {
    w.create(Host, &bridge("br0")).unwrap();
    w.kernel.spoof_guard_add(&guard("br0", 1, "a")).unwrap();
    w.delete(Host, "br0").unwrap();
    assert_eq!(guards(w).len(), 1);
}

/// That what it made goes, and nothing else, is seen in `tests/reference/nftables.rs`.
fn the_reference_may_have_made_nothing(w: &mut World<'_>) {
    let (entry, guard) = (masquerade("10.1.0.2/24", "a"), guard("v0", 1, "a"));
    w.kernel.reference_masquerade_delete(&entry.owner).unwrap();
    w.kernel.reference_spoof_guard_delete(&guard.owner).unwrap();
    w.kernel.masquerade_add(&entry).unwrap();
    w.kernel.spoof_guard_add(&guard).unwrap();
    w.kernel.reference_masquerade_delete(&entry.owner).unwrap();
    w.kernel.reference_spoof_guard_delete(&guard.owner).unwrap();
    assert_eq!((masquerades(w), guards(w)), (vec![entry], vec![guard]));
}

const ADMIN: &str = "CNI-ADMIN";

fn admissions(w: &mut World<'_>) -> Vec<Admission> {
    let mut entries = w.kernel.admissions().unwrap();
    entries.sort_by_key(|entry| entry.address);
    entries
}

fn apart(entry: Admission, from: Separation) -> Admission {
    Admission { apart: Some(Apart { bridge: ifname("br0"), from }), ..entry }
}

fn admissions_are_kept(w: &mut World<'_>) {
    assert_eq!(admissions(w), []);
    let (v4, v6) = (admission("10.1.0.2", "a"), admission("fd00::2", "b"));
    w.kernel.admission_add(&v6, ADMIN).unwrap();
    w.kernel.admission_add(&v4, "OTHER").unwrap();
    assert_eq!(admissions(w), [v4.clone(), v6.clone()]);
    w.look();
    w.kernel.admission_delete(&v4).unwrap();
    assert_eq!(admissions(w), [v6]);
    w.kernel.admission_delete(&v4).unwrap();
}

fn an_address_has_one_admission(w: &mut World<'_>) {
    w.kernel.admission_add(&admission("10.1.0.2", "a"), ADMIN).unwrap();
    w.kernel.admission_add(&admission("10.1.0.2", "a"), ADMIN).unwrap();
    let newer = apart(admission("10.1.0.2", "b"), Separation::OtherBridges);
    w.kernel.admission_add(&newer, ADMIN).unwrap();
    assert_eq!(admissions(w), [newer]);
    let open = admission("10.1.0.2", "b");
    w.kernel.admission_add(&open, ADMIN).unwrap();
    assert_eq!(admissions(w), [open]);
}

fn only_its_owner_deletes_an_admission(w: &mut World<'_>) {
    let entry = admission("10.1.0.2", "a");
    w.kernel.admission_delete(&entry).unwrap();
    w.kernel.admission_add(&entry, ADMIN).unwrap();
    w.kernel.admission_delete(&admission("10.1.0.2", "b")).unwrap();
    assert_eq!(admissions(w), [entry]);
}

fn a_bridge_is_apart_as_long_as_one_says_so(w: &mut World<'_>) {
    let one = apart(admission("10.1.0.2", "a"), Separation::Everyone);
    let two = apart(admission("fd00::2", "a"), Separation::OtherBridges);
    for entry in [&one, &two] {
        w.kernel.admission_add(entry, ADMIN).unwrap();
    }
    assert_eq!(admissions(w), [one.clone(), two.clone()]);
    w.look();
    w.kernel.admission_delete(&one).unwrap();
    assert_eq!(admissions(w).as_slice(), std::slice::from_ref(&two));
    w.kernel.admission_delete(&two).unwrap();
    assert_eq!(admissions(w), []);
    w.kernel.admission_add(&one, ADMIN).unwrap();
    assert_eq!(admissions(w), [one]);
}
