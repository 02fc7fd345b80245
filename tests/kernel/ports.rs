//! Port mappings of the host netns.

use wasmcni::kernel::{Condition, Errno, PortMap, PortMapping, PortMasquerade};

use super::run::cases;
use super::words::{mapping, net};
use super::world::World;

cases![
    mappings_are_kept,
    a_port_has_one_owner,
    an_address_and_all_exclude_each_other,
    all_or_none,
    an_owner_replaces_its_own,
    only_its_owner_closes_a_port,
    conditions_belong_to_a_mapping,
    a_mapping_is_missing_unless_it_is_as_described,
    more_than_one_transaction,
];

fn map(mappings: &[&PortMapping]) -> PortMap {
    PortMap { mappings: mappings.iter().map(|m| (*m).clone()).collect(), conditions: Vec::new() }
}

fn ports(w: &mut World<'_>) -> Vec<PortMapping> {
    let mut entries = w.kernel.port_mappings().unwrap();
    entries.sort_by_key(ToString::to_string);
    entries
}

fn mappings_are_kept(w: &mut World<'_>) {
    assert_eq!(ports(w), []);
    let v4 = mapping("8080/tcp", "10.1.0.2/24", "a");
    let one = mapping("192.0.2.1 8081/sctp", "10.1.0.2/24", "a");
    let v6 = mapping("8080/tcp", "fd00::2/64", "a");
    w.kernel.port_map_add(&map(&[&v4, &one])).unwrap();
    w.kernel.port_map_add(&map(&[&v6])).unwrap();
    assert_eq!(ports(w), [v4.clone(), one.clone(), v6.clone()]);
    w.look();
    w.kernel.port_map_delete(&[v4, one]).unwrap();
    assert_eq!(ports(w), std::slice::from_ref(&v6));
    w.kernel.port_map_delete(std::slice::from_ref(&v6)).unwrap();
    w.kernel.port_map_delete(&[v6]).unwrap();
    assert_eq!(ports(w), []);
}

fn a_port_has_one_owner(w: &mut World<'_>) {
    let of_a = mapping("8080/udp", "10.1.0.2/24", "a");
    w.kernel.port_map_add(&map(&[&of_a])).unwrap();
    let refused = w.kernel.port_map_add(&map(&[&mapping("8080/udp", "10.1.0.3/24", "b")]));
    let refused = refused.unwrap_err();
    assert_eq!(refused.errno, Errno::EEXIST);
    let hint = refused.hint.unwrap();
    assert!(hint.contains("\"a\"") && hint.contains("8080/udp"), "{hint}");
    // Another transport, another port, another family.
    for other in ["8080/tcp", "8081/udp"] {
        w.kernel.port_map_add(&map(&[&mapping(other, "10.1.0.3/24", "b")])).unwrap();
    }
    w.kernel.port_map_add(&map(&[&mapping("8080/udp", "fd00::3/64", "b")])).unwrap();
    assert_eq!(ports(w).len(), 4);
}

fn an_address_and_all_exclude_each_other(w: &mut World<'_>) {
    let add = |w: &mut World<'_>, host: &str, owner: &str| {
        let done = w.kernel.port_map_add(&map(&[&mapping(host, "10.1.0.2/24", owner)]));
        done.map_err(|error| error.errno)
    };
    assert_eq!(add(w, "192.0.2.1 80/tcp", "a"), Ok(()));
    assert_eq!(add(w, "80/tcp", "b"), Err(Errno::EEXIST));
    assert_eq!(add(w, "192.0.2.1 80/tcp", "b"), Err(Errno::EEXIST));
    assert_eq!(add(w, "192.0.2.2 80/tcp", "b"), Ok(()));
    assert_eq!(add(w, "81/tcp", "a"), Ok(()));
    assert_eq!(add(w, "192.0.2.1 81/tcp", "b"), Err(Errno::EEXIST));
    // It is in nobody's way but others'.
    assert_eq!(add(w, "192.0.2.1 81/tcp", "a"), Ok(()));
}

fn all_or_none(w: &mut World<'_>) {
    let of_a = mapping("8080/tcp", "10.1.0.2/24", "a");
    w.kernel.port_map_add(&map(&[&of_a])).unwrap();
    let others = ["8079/tcp", "8080/tcp", "8081/tcp"].map(|h| mapping(h, "10.1.0.3/24", "b"));
    let refused = w.kernel.port_map_add(&map(&others.each_ref())).unwrap_err();
    assert_eq!(refused.errno, Errno::EEXIST);
    assert_eq!(ports(w), [of_a]);
}

fn an_owner_replaces_its_own(w: &mut World<'_>) {
    w.kernel.port_map_add(&map(&[&mapping("8080/tcp", "10.1.0.2/24", "a")])).unwrap();
    let newer = PortMapping {
        masquerade: PortMasquerade::Every,
        ..mapping("8080/tcp", "10.1.0.9/16", "a")
    };
    w.kernel.port_map_add(&map(&[&newer])).unwrap();
    assert_eq!(ports(w), [newer]);
}

fn only_its_owner_closes_a_port(w: &mut World<'_>) {
    let entry = mapping("8080/tcp", "10.1.0.2/24", "a");
    w.kernel.port_map_add(&map(&[&entry])).unwrap();
    let others = [
        mapping("8080/tcp", "10.1.0.2/24", "b"),
        mapping("8080/udp", "10.1.0.2/24", "a"),
        mapping("192.0.2.1 8080/tcp", "10.1.0.2/24", "a"),
    ];
    w.kernel.port_map_delete(&others).unwrap();
    assert_eq!(ports(w), std::slice::from_ref(&entry));
    // Whatever it led to meanwhile.
    w.kernel.port_map_delete(&[mapping("8080/tcp", "10.1.0.77/24", "a")]).unwrap();
    assert_eq!(ports(w), []);
}

fn conditions_belong_to_a_mapping(w: &mut World<'_>) {
    let entry = mapping("8080/tcp", "10.1.0.2/24", "a");
    let from = |network: &str| Condition::Source { negated: false, networks: vec![net(network)] };
    let with = |conditions: Vec<Condition>| PortMap { conditions, ..map(&[&entry]) };
    let maps = [
        with(vec![]),
        with(vec![from("192.0.2.0/24")]),
        with(vec![from("192.0.2.0/25")]),
        with(vec![Condition::InputLink { negated: true, names: vec!["eth*".into()] }]),
    ];
    for map in &maps {
        w.kernel.port_map_add(map).unwrap();
        for other in &maps {
            let missing = w.kernel.port_map_missing(other).unwrap();
            assert_eq!(missing.is_empty(), other == map, "{other:?}");
        }
    }
    w.kernel.port_map_delete(&[entry]).unwrap();
    assert!(maps.iter().all(|map| w.kernel.port_map_missing(map).unwrap().len() == 1));
}

fn a_mapping_is_missing_unless_it_is_as_described(w: &mut World<'_>) {
    let entry = mapping("8080/tcp", "10.1.0.2/24", "a");
    let others = [
        mapping("8080/tcp", "10.1.0.2/24", "b"),
        mapping("8080/tcp", "10.1.0.3/24", "a"),
        mapping("8080/tcp", "10.1.0.2/25", "a"),
        mapping("8081/tcp", "10.1.0.2/24", "a"),
        PortMapping { container_port: 81, ..entry.clone() },
        PortMapping { masquerade: PortMasquerade::None, ..entry.clone() },
        PortMapping { masquerade: PortMasquerade::Every, ..entry.clone() },
    ];
    let all: Vec<&PortMapping> = [&entry].into_iter().chain(&others).collect();
    assert_eq!(w.kernel.port_map_missing(&map(&all)).unwrap().len(), 8);
    w.kernel.port_map_add(&map(&[&entry])).unwrap();
    assert_eq!(w.kernel.port_map_missing(&map(&all)).unwrap(), others);
}

fn more_than_one_transaction(w: &mut World<'_>) {
    let range = |first: u16, owner: &str| -> PortMap {
        let one = |port| PortMapping { host_port: port, ..mapping("1/udp", "10.1.0.2/24", owner) };
        PortMap { mappings: (first..first + 500).map(one).collect(), conditions: Vec::new() }
    };
    w.kernel.port_map_add(&range(1000, "a")).unwrap();
    assert_eq!(ports(w).len(), 500);
    // Its last ones are another's: none of it stays.
    let refused = w.kernel.port_map_add(&range(501, "b")).unwrap_err();
    assert_eq!(refused.errno, Errno::EEXIST);
    assert_eq!(ports(w).len(), 500);
    w.kernel.port_map_delete(&range(1000, "a").mappings).unwrap();
    assert_eq!(ports(w), []);
}
