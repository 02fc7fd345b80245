//! The store as a whole, on real directories.

#![allow(
    clippy::disallowed_methods,
    reason = "tests look at files, and start themselves as processes"
)]

mod faults;
mod processes;
mod reference;

use std::collections::HashSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Attachment, Claim, Content, Store, StoreError};

/// A data directory and an index root of a test's own, removed with it.
struct World {
    root: PathBuf,
}

impl World {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("wasmcni-ipam-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        Self { root }
    }

    fn data(&self) -> PathBuf {
        self.root.join("networks")
    }

    fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// The directory of the network that all tests use.
    fn network(&self) -> PathBuf {
        self.data().join("net")
    }

    fn try_open(&self, deadline: Duration) -> Result<Store, StoreError> {
        Store::open(&self.data(), &"net".parse().unwrap(), &self.index(), deadline)
    }

    fn open(&self) -> Store {
        self.try_open(Duration::from_secs(60)).unwrap()
    }

    /// A store that knows nothing but the directory.
    fn open_without_index(&self) -> Store {
        let index = self.root.join("nowhere");
        fs::write(&index, "").unwrap();
        Store::open(&self.data(), &"net".parse().unwrap(), &index, Duration::from_secs(60)).unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.network().join(name)).unwrap()
    }

    fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.network()).unwrap();
        fs::write(self.network().join(name), content).unwrap();
    }

    fn exists(&self, name: &str) -> bool {
        self.network().join(name).exists()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// No addresses.
const NONE: [IpAddr; 0] = [];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn eth0(container: &str) -> Attachment {
    Attachment { container_id: container.parse().unwrap(), ifname: "eth0".parse().unwrap() }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_reservation_is_the_reference_plugins_file() {
    let world = World::new();
    let (a, b) = (eth0("aaa"), eth0("bbb"));
    let mut store = world.open();
    assert_eq!(store.last_reserved(0).unwrap(), None);
    assert_eq!(store.reserve(&a, ip("10.1.0.12"), 0).unwrap(), Claim::Reserved);
    assert_eq!(store.reserve(&a, ip("FD00:0:0::00A"), 1).unwrap(), Claim::Reserved);
    assert_eq!(store.reserve(&b, ip("10.1.0.2"), 0).unwrap(), Claim::Reserved);
    drop(store);
    assert_eq!(world.read("10.1.0.12"), "aaa\r\neth0");
    assert_eq!(world.read("fd00::a"), "aaa\r\neth0");
    assert_eq!(world.read("last_reserved_ip.0"), "10.1.0.2");
    assert_eq!(world.read("last_reserved_ip.1"), "fd00::a");
    assert_eq!(
        names(&world.network()),
        ["10.1.0.12", "10.1.0.2", "fd00::a", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]
    );
    let mode = fs::metadata(world.network().join("10.1.0.2")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mode = fs::metadata(world.network()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);

    let mut store = world.open();
    assert_eq!(store.held(&a).unwrap(), [ip("10.1.0.12"), ip("fd00::a")]);
    assert_eq!(store.last_reserved(1).unwrap(), Some(ip("fd00::a")));
    assert_eq!(store.release(&a).unwrap(), [ip("10.1.0.12"), ip("fd00::a")]);
    assert_eq!(store.release(&a).unwrap(), NONE);
    assert_eq!(store.held(&a).unwrap(), NONE);
    assert_eq!(store.list().unwrap(), [(ip("10.1.0.2"), Content::Attachment(b))]);
}

#[test]
fn addresses_are_named_as_go_names_them() {
    let world = World::new();
    let mut store = world.open();
    for (address, name) in [
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:DB8::", "2001:db8::"),
        ("::1", "::1"),
        ("0:0:1::", "0:0:1::"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::10.0.0.1", "::a00:1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
    ] {
        assert_eq!(store.reserve(&eth0("a"), ip(address), 0).unwrap(), Claim::Reserved);
        assert!(world.exists(name), "{address}");
    }
}

#[test]
fn an_address_is_reserved_once() {
    let world = World::new();
    let (a, b) = (eth0("aaa"), eth0("bbb"));
    let mut store = world.open();
    assert_eq!(store.reserve(&a, ip("10.1.0.2"), 0).unwrap(), Claim::Reserved);
    assert_eq!(store.reserve(&b, ip("10.1.0.2"), 0).unwrap(), Claim::Taken);
    assert_eq!(
        store.reserve(&a, ip("10.1.0.2"), 0).unwrap(),
        Claim::Taken,
        "undo must not free it"
    );
    assert_eq!(store.reserve(&b, ip("::ffff:10.1.0.2"), 0).unwrap(), Claim::Taken);
    drop(store);
    assert_eq!(world.read("10.1.0.2"), "aaa\r\neth0");
}

#[test]
fn free_addresses_are_found_in_order() {
    let world = World::new();
    let mut store = world.open();
    let (first, last) = (ip("10.1.127.254"), ip("10.1.128.2"));
    for expected in ["10.1.127.254", "10.1.127.255", "10.1.128.0", "10.1.128.1", "10.1.128.2"] {
        assert_eq!(store.next_free(first, last).unwrap(), Some(ip(expected)));
        store.reserve(&eth0("a"), ip(expected), 0).unwrap();
    }
    assert_eq!(store.next_free(first, last).unwrap(), None);
    assert_eq!(store.next_free(first, first).unwrap(), None);
    store.release_address(&eth0("a"), ip("10.1.128.0")).unwrap();
    assert_eq!(store.next_free(first, last).unwrap(), Some(ip("10.1.128.0")));

    let (first, last) = (ip("fd00::"), ip("fd00::ffff:ffff:ffff:ffff"));
    assert_eq!(store.next_free(first, last).unwrap(), Some(first));
    store.reserve(&eth0("a"), first, 0).unwrap();
    assert_eq!(store.next_free(first, last).unwrap(), Some(ip("fd00::1")));
    let end = ip("255.255.255.255");
    assert_eq!(store.next_free(end, end).unwrap(), Some(end));
    store.reserve(&eth0("a"), end, 0).unwrap();
    assert_eq!(store.next_free(end, end).unwrap(), None);

    for (first, last) in [("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "fd00::1"), ("::1", "10.0.0.1")] {
        let error = store.next_free(ip(first), ip(last)).unwrap_err();
        assert!(matches!(error, StoreError::Range { .. }), "{error}");
    }
}

#[test]
fn an_index_in_memory_finds_the_same() {
    let world = World::new();
    for name in ["10.1.0.2", "10.1.0.3", "10.1.0.5", "255.255.255.255"] {
        world.write(name, "aaa\r\neth0");
    }
    check(&mut world.open());
    check(&mut world.open_without_index());

    fn check(store: &mut Store) {
        let (first, last) = (ip("10.1.0.2"), ip("10.1.0.5"));
        assert_eq!(store.next_free(first, last).unwrap(), Some(ip("10.1.0.4")));
        store.reserve(&eth0("bbb"), ip("10.1.0.4"), 0).unwrap();
        assert_eq!(store.next_free(first, last).unwrap(), None);
        assert_eq!(store.next_free(ip("10.1.0.1"), last).unwrap(), Some(ip("10.1.0.1")));
        let end = ip("255.255.255.255");
        assert_eq!(store.next_free(end, end).unwrap(), None);
        assert_eq!(store.held(&eth0("aaa")).unwrap().len(), 4);
        assert_eq!(store.release(&eth0("bbb")).unwrap(), [ip("10.1.0.4")]);
        assert_eq!(store.next_free(first, last).unwrap(), Some(ip("10.1.0.4")));
    }
}

#[test]
fn files_without_an_ifname_belong_to_their_container() {
    let world = World::new();
    world.write("10.1.0.2", "aaa");
    world.write("10.1.0.3", "aaa\n");
    world.write("10.1.0.4", "aab");
    let mut store = world.open();
    let (eth0, eth1) = (eth0("aaa"), Attachment { ifname: "eth1".parse().unwrap(), ..eth0("aaa") });
    let mut held = store.held(&eth0).unwrap();
    held.sort();
    assert_eq!(held, [ip("10.1.0.2"), ip("10.1.0.3")]);
    store.reserve(&eth1, ip("10.1.0.5"), 0).unwrap();
    assert_eq!(store.release(&eth1).unwrap(), [ip("10.1.0.5")], "what is its own comes first");
    assert_eq!(store.release(&eth0).unwrap().len(), 2);
    assert!(!world.exists("10.1.0.2") && !world.exists("10.1.0.3") && world.exists("10.1.0.4"));
}

#[test]
fn undo_releases_only_what_the_attachment_holds() {
    let world = World::new();
    let (a, b) = (eth0("aaa"), eth0("bbb"));
    world.write("10.1.0.9", "");
    world.write("10.1.0.8", "aaa");
    let mut store = world.open();
    store.reserve(&a, ip("10.1.0.2"), 0).unwrap();
    store.reserve(&a, ip("10.1.0.3"), 0).unwrap();
    assert!(!store.release_address(&b, ip("10.1.0.2")).unwrap());
    assert!(!store.release_address(&b, ip("10.1.0.4")).unwrap());
    assert!(store.release_address(&a, ip("10.1.0.2")).unwrap());
    assert!(!store.release_address(&a, ip("10.1.0.2")).unwrap());
    assert!(store.release_address(&a, ip("10.1.0.9")).unwrap(), "an empty leftover");
    assert!(!store.release_address(&a, ip("10.1.0.8")).unwrap(), "not what this ADD can have made");
    assert_eq!(store.held(&a).unwrap(), [ip("10.1.0.3")]);
}

#[test]
fn a_sweep_keeps_what_is_valid_and_what_is_nobodys() {
    let world = World::new();
    let (a, b) = (eth0("aaa"), eth0("bbb"));
    for (name, content) in [
        ("10.1.0.10", "old"),
        ("10.1.0.11", "aaa"),
        ("10.1.0.12", ""),
        ("10.1.0.13", "the printer's"),
        ("notes", "bbb\r\neth0"),
    ] {
        world.write(name, content);
    }
    let mut store = world.open();
    store.reserve(&a, ip("10.1.0.2"), 0).unwrap();
    store.reserve(&b, ip("10.1.0.3"), 0).unwrap();
    let mut released = store.sweep(&HashSet::from([a.clone()])).unwrap();
    released.sort();
    assert_eq!(released, [ip("10.1.0.3"), ip("10.1.0.10")]);
    assert_eq!(store.next_free(ip("10.1.0.2"), ip("10.1.0.9")).unwrap(), Some(ip("10.1.0.3")));
    assert_eq!(store.held(&b).unwrap(), NONE);
    drop(store);
    assert_eq!(
        names(&world.network()),
        ["10.1.0.11", "10.1.0.13", "10.1.0.2", "last_reserved_ip.0", "lock", "notes"]
    );
    assert_eq!(world.open().sweep(&HashSet::new()).unwrap().len(), 2);
}

#[test]
fn a_relative_data_directory_is_refused() {
    let world = World::new();
    let open = |root: &str| {
        Store::open(Path::new(root), &"net".parse().unwrap(), &world.index(), Duration::ZERO)
    };
    let error = open("networks").unwrap_err();
    assert!(error.to_string().starts_with("opening \"networks\": not an absolute path"), "{error}");
    let error = open("/dev/null").unwrap_err();
    assert_eq!(error.to_string(), "opening \"/dev/null/net\": not a directory (ENOTDIR)");
}
