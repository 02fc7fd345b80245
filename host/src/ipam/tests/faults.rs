//! What others do to the directory and the index, and what killed processes leave.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{NONE, World, eth0, ip, names};
use crate::ipam::{Claim, StoreError};

#[test]
fn an_empty_file_is_free() {
    let world = World::new();
    world.write("10.1.0.2", "");
    let mut store = world.open();
    let found = store.next_free(ip("10.1.0.2"), ip("10.1.0.9")).unwrap();
    assert_eq!(found, Some(ip("10.1.0.2")));
    assert_eq!(store.reserve(&eth0("aaa"), ip("10.1.0.2"), 0).unwrap(), Claim::Reserved);
    // Emptied while the index calls it taken.
    world.write("10.1.0.2", "");
    assert_eq!(store.reserve(&eth0("bbb"), ip("10.1.0.2"), 0).unwrap(), Claim::Reserved);
    assert_eq!(world.read("10.1.0.2"), "bbb\r\neth0");
    assert!(!world.exists(".wasmcni-new"));
}

#[test]
fn what_a_killed_process_did_not_publish_is_removed() {
    let world = World::new();
    world.write(".wasmcni-new", "aaa\r\neth0");
    let mut store = world.open();
    assert!(!world.exists(".wasmcni-new"), "by the walk");
    store.reserve(&eth0("aaa"), ip("10.1.0.2"), 0).unwrap();
    // Killed after the link: the leftover is the reservation itself.
    fs::hard_link(world.network().join("10.1.0.2"), world.network().join(".wasmcni-new")).unwrap();
    store.reserve(&eth0("bbb"), ip("10.1.0.3"), 0).unwrap();
    drop(store);
    assert_eq!(world.read("10.1.0.2"), "aaa\r\neth0");
    assert_eq!(names(&world.network()), ["10.1.0.2", "10.1.0.3", "last_reserved_ip.0", "lock"]);
}

#[test]
fn changes_by_others_are_seen_however_soon() {
    let world = World::new();
    for round in 0..300 {
        let (mine, theirs) = (eth0(&format!("m{round}")), eth0(&format!("t{round}")));
        let (address, other) = (ip("10.1.0.2"), "10.1.0.3");
        world.open().reserve(&mine, address, 0).unwrap();
        // Within the same tick of the kernel's clock, mostly.
        world.write(other, &format!("t{round}\r\neth0"));
        let mut store = world.open();
        assert_eq!(store.held(&theirs).unwrap(), [ip(other)]);
        assert_eq!(store.next_free(address, ip("10.1.0.9")).unwrap(), Some(ip("10.1.0.4")));
        assert_eq!(store.release(&mine).unwrap(), [address]);
        drop(store);
        fs::remove_file(world.network().join(other)).unwrap();
        let mut store = world.open();
        assert_eq!(store.held(&theirs).unwrap(), NONE);
        assert_eq!(store.next_free(address, ip("10.1.0.9")).unwrap(), Some(address));
    }
}

#[test]
fn the_index_is_kept_between_calls() {
    let world = World::new();
    world.open().reserve(&eth0("aaa"), ip("10.1.0.2"), 0).unwrap();
    // A change that no stamp shows is not seen: so the directory was not read.
    fs::write(world.network().join("10.1.0.2"), "bbb\r\neth0").unwrap();
    assert_eq!(world.open().held(&eth0("bbb")).unwrap(), NONE);
    // And what the index says is not believed.
    assert_eq!(world.open().held(&eth0("aaa")).unwrap(), NONE);
    assert_eq!(world.open().release(&eth0("aaa")).unwrap(), NONE);
    assert!(world.exists("10.1.0.2"));
}

#[test]
fn a_lost_or_useless_index_costs_nothing_but_time() {
    let world = World::new();
    let (a, b) = (eth0("aaa"), eth0("bbb"));
    let mut store = world.open();
    store.reserve(&a, ip("10.1.0.2"), 0).unwrap();
    fs::remove_dir_all(world.index()).unwrap();
    store.reserve(&b, ip("10.1.0.3"), 0).unwrap();
    assert_eq!(store.held(&a).unwrap(), [ip("10.1.0.2")]);
    drop(store);
    assert_eq!(world.open().held(&b).unwrap(), [ip("10.1.0.3")]);
    fs::remove_dir_all(world.index()).unwrap();
    fs::write(world.index(), "").unwrap();
    let mut store = world.open();
    assert_eq!(store.reserve(&b, ip("10.1.0.4"), 0).unwrap(), Claim::Reserved);
    assert_eq!(store.release(&b).unwrap().len(), 2);
    drop(store);
    fs::remove_file(world.index()).unwrap();
    assert_eq!(world.open().held(&b).unwrap(), NONE);
    assert_eq!(world.open().held(&a).unwrap(), [ip("10.1.0.2")]);
}

#[test]
fn an_address_in_another_spelling_is_the_same_address() {
    let world = World::new();
    world.write("FD00::0A", "aaa\r\neth0");
    world.write("fd00::b", "aaa\r\neth0");
    let a = eth0("aaa");
    let mut store = world.open();
    assert_eq!(store.reserve(&eth0("bbb"), ip("fd00::a"), 0).unwrap(), Claim::Taken);
    assert_eq!(store.held(&a).unwrap().len(), 2);
    assert_eq!(store.release(&a).unwrap().len(), 2);
    assert!(!world.exists("FD00::0A") && !world.exists("fd00::b"));
    assert_eq!(store.reserve(&eth0("bbb"), ip("fd00::a"), 0).unwrap(), Claim::Reserved);
}

#[test]
fn what_is_no_file_is_taken_and_stays() {
    let world = World::new();
    fs::create_dir_all(world.network().join("10.1.0.2")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.network().join("10.1.0.3")).unwrap();
    let fifo = world.network().join("10.1.0.4");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    world.write("10.1.0.5", &"x".repeat(5000));
    let mut store = world.open();
    for name in ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5"] {
        assert_eq!(store.reserve(&eth0("aaa"), ip(name), 0).unwrap(), Claim::Taken, "{name}");
    }
    let free = store.next_free(ip("10.1.0.2"), ip("10.1.0.9")).unwrap();
    assert_eq!(free, Some(ip("10.1.0.6")));
    assert_eq!(store.sweep(&std::collections::HashSet::new()).unwrap(), NONE);
    assert_eq!(names(&world.network()).len(), 5);
}

#[test]
fn a_damaged_last_reserved_is_none() {
    let world = World::new();
    world.write("last_reserved_ip.0", "");
    world.write("last_reserved_ip.1", "10.1.0.2\n");
    world.write("last_reserved_ip.2", "::ffff:10.1.0.2");
    let store = world.open();
    assert_eq!(store.last_reserved(0).unwrap(), None);
    assert_eq!(store.last_reserved(1).unwrap(), None);
    assert_eq!(store.last_reserved(2).unwrap(), Some(ip("10.1.0.2")));
    assert_eq!(store.last_reserved(3).unwrap(), None);
}

#[test]
fn the_lock_is_waited_for_and_its_holder_named() {
    let world = World::new();
    let store = world.open();
    let error = world.try_open(Duration::from_millis(30)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Busy { .. }), "{text}");
    assert!(text.contains("/net/lock\": still held after 30ms by process "), "{text}");
    assert!(text.contains(&format!(" {} (", std::process::id())), "{text}");
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| sender.send(world.try_open(Duration::from_secs(60)).map(drop)));
        assert!(receiver.recv_timeout(Duration::from_millis(30)).is_err());
        drop(store);
        receiver.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
    });
    // Whoever gave up does not take the lock later on.
    drop(world.try_open(Duration::from_secs(1)).unwrap());
}

#[test]
fn a_directory_removed_under_the_lock_is_made_anew() {
    let world = World::new();
    let store = world.open();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut store = world.open();
            store.reserve(&eth0("aaa"), ip("10.1.0.2"), 0).unwrap();
        });
        thread::sleep(Duration::from_millis(30));
        fs::remove_dir_all(world.network()).unwrap();
        drop(store);
        waiting.join().unwrap();
    });
    assert_eq!(world.open().held(&eth0("aaa")).unwrap(), [ip("10.1.0.2")]);
}
