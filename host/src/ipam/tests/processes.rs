//! Many at once, and some of them killed. The processes are this test binary itself.

use std::collections::HashSet;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{World, eth0, ip};
use crate::ipam::{Claim, Content, Store};

const ROOT: &str = "WASMCNI_TEST_IPAM_ROOT";
const ROLE: &str = "WASMCNI_TEST_IPAM_ROLE";
const PARALLEL: usize = 200;

/// Reserves the next address as host-local does.
fn reserve_next(store: &mut Store, container: &str) -> IpAddr {
    let last = ip("10.1.255.254");
    loop {
        let free = store.next_free(ip("10.1.0.1"), last).unwrap().unwrap();
        if store.reserve(&eth0(container), free, 0).unwrap() == Claim::Reserved {
            return free;
        }
    }
}

/// Everything that the index says, and a walk over the directory says otherwise.
fn check(world: &World) {
    let list = world.open_without_index().list().unwrap();
    for (address, content) in &list {
        assert!(matches!(content, Content::Attachment(_)), "half-written: {address} {content:?}");
    }
    let taken: HashSet<_> = list.iter().map(|(address, _)| *address).collect();
    assert_eq!(taken.len(), list.len());
    let mut store = world.open();
    for (address, content) in &list {
        let Content::Attachment(attachment) = content else { continue };
        assert!(store.held(attachment).unwrap().contains(address), "{attachment} {address}");
        assert_eq!(store.next_free(*address, *address).unwrap(), None);
    }
    for last in 1..=250 {
        let address = ip(&format!("10.1.0.{last}"));
        let is_free = store.next_free(address, address).unwrap().is_some();
        assert_eq!(is_free, !taken.contains(&address), "{address}");
    }
}

fn start(world: &World, role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--test-threads=1"])
        .arg(format!("{}::child", module_path!().split_once("::").unwrap().1))
        .env(ROOT, &world.root)
        .env(ROLE, role)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "runs as the child process of the other tests"]
fn child() {
    let (Ok(root), Ok(role)) = (std::env::var(ROOT), std::env::var(ROLE)) else { return };
    let world = std::mem::ManuallyDrop::new(World { root: root.into() });
    match role.split_once(' ').unwrap() {
        ("once", container) => drop(reserve_next(&mut world.open(), container)),
        ("forever", container) => loop {
            for number in 0..8 {
                reserve_next(&mut world.open(), &format!("{container}-{number}"));
            }
            for number in 0..8 {
                world.open().release(&eth0(&format!("{container}-{number}"))).unwrap();
            }
        },
        _ => unreachable!("{role}"),
    }
}

#[test]
fn threads_get_distinct_addresses() {
    let world = World::new();
    let addresses: HashSet<_> = thread::scope(|scope| {
        let world = &world;
        let threads: Vec<_> = (0..PARALLEL)
            .map(|n| scope.spawn(move || reserve_next(&mut world.open(), &format!("c{n}"))))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(addresses.len(), PARALLEL);
    check(&world);
}

#[test]
fn processes_get_distinct_addresses() {
    let world = World::new();
    let children: Vec<_> = (0..PARALLEL).map(|n| start(&world, &format!("once c{n}"))).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let list = world.open().list().unwrap();
    assert_eq!(list.len(), PARALLEL);
    let owners: HashSet<_> = list.iter().map(|(_, content)| format!("{content:?}")).collect();
    assert_eq!(owners.len(), PARALLEL);
    check(&world);
}

#[test]
fn killed_processes_leave_nothing_half_done() {
    let world = World::new();
    for round in 0..60u64 {
        let mut children: Vec<_> =
            (0..2).map(|n| start(&world, &format!("forever r{round}-{n}"))).collect();
        // Microseconds that are spread over several reservations.
        thread::sleep(Duration::from_micros(8_000 + round * 7_919 % 6_000));
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        check(&world);
    }
    // What they held can be had back.
    let released = world.open().sweep(&HashSet::new()).unwrap();
    assert!(!released.is_empty(), "no child came to reserve anything");
    assert_eq!(world.open().list().unwrap(), []);
}
