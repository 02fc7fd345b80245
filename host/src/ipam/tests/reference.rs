//! Side by side with the reference plugin, on one directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{NONE, World, eth0, ip};
use crate::ipam::Claim;

/// Where Debian's containernetworking-plugins puts it.
const REFERENCE: &str = "/usr/lib/cni/host-local";

fn configuration(world: &World) -> String {
    format!(
        r#"{{"cniVersion": "0.4.0", "name": "net", "type": "host-local", "ipam": {{
            "type": "host-local", "dataDir": {:?}, "ranges": [
                [{{"subnet": "10.1.0.0/24"}}], [{{"subnet": "fd00:1::/64"}}]]}}}}"#,
        world.data()
    )
}

fn run(world: &World, verb: &str, container: &str) -> Output {
    let input: PathBuf = world.root.join(format!("configuration-{container}"));
    fs::write(&input, configuration(world)).unwrap();
    Command::new(Path::new(REFERENCE))
        .env_clear()
        .env("CNI_COMMAND", verb)
        .env("CNI_CONTAINERID", container)
        .env("CNI_IFNAME", "eth0")
        .env("CNI_NETNS", "/does/not/exist")
        .env("CNI_PATH", "/usr/lib/cni")
        .stdin(fs::File::open(input).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap()
}

fn succeed(world: &World, verb: &str, container: &str) -> String {
    let output = run(world, verb, container);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{verb}: {text}");
    text
}

#[test]
#[ignore = "needs the reference plugin in /usr/lib/cni"]
fn each_reads_and_releases_what_the_other_reserved() {
    let world = World::new();
    let result = succeed(&world, "ADD", "theirs");
    assert!(result.contains("10.1.0.2/24") && result.contains("fd00:1::2/64"), "{result}");

    let mut store = world.open();
    let held = [ip("10.1.0.2"), ip("fd00:1::2")];
    let mut seen = store.held(&eth0("theirs")).unwrap();
    seen.sort();
    assert_eq!(seen, held);
    assert_eq!(store.last_reserved(0).unwrap(), Some(held[0]));
    assert_eq!(store.last_reserved(1).unwrap(), Some(held[1]));
    let free = store.next_free(ip("10.1.0.1"), ip("10.1.0.254")).unwrap().unwrap();
    assert_eq!(free, ip("10.1.0.1"));
    assert_eq!(store.reserve(&eth0("ours"), ip("10.1.0.2"), 0).unwrap(), Claim::Taken);
    assert_eq!(store.reserve(&eth0("ours"), ip("10.1.0.3"), 0).unwrap(), Claim::Reserved);
    assert_eq!(store.reserve(&eth0("ours"), ip("fd00:1::3"), 1).unwrap(), Claim::Reserved);
    drop(store);

    let result = succeed(&world, "ADD", "more");
    assert!(result.contains("10.1.0.4/24") && result.contains("fd00:1::4/64"), "{result}");
    succeed(&world, "CHECK", "ours");
    assert!(!run(&world, "ADD", "ours").status.success(), "an ADD that is there already");
    succeed(&world, "DEL", "ours");
    assert!(!world.exists("10.1.0.3") && !world.exists("fd00:1::3"));
    assert_eq!(world.open().held(&eth0("ours")).unwrap(), NONE);

    assert_eq!(world.open().release(&eth0("theirs")).unwrap().len(), 2);
    assert!(!run(&world, "CHECK", "theirs").status.success());
    succeed(&world, "DEL", "theirs");
    assert_eq!(world.open().release(&eth0("more")).unwrap().len(), 2);
    assert_eq!(world.open().list().unwrap(), []);
}

#[test]
#[ignore = "needs the reference plugin in /usr/lib/cni"]
fn both_wait_for_one_lock() {
    let world = World::new();
    let mut store = world.open();
    std::thread::scope(|scope| {
        let theirs = scope.spawn(|| succeed(&world, "ADD", "theirs"));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!theirs.is_finished());
        store.reserve(&eth0("ours"), ip("10.1.0.2"), 0).unwrap();
        drop(store);
        assert!(theirs.join().unwrap().contains("10.1.0.3/24"));
    });
}

#[test]
#[ignore = "needs the reference plugin in /usr/lib/cni"]
fn many_of_both_get_distinct_addresses() {
    let world = World::new();
    std::thread::scope(|scope| {
        for number in 0..25 {
            let world = &world;
            scope.spawn(move || succeed(world, "ADD", &format!("t{number}")));
            scope.spawn(move || {
                let mut store = world.open();
                let free = store.next_free(ip("10.1.0.1"), ip("10.1.0.254")).unwrap().unwrap();
                let claim = store.reserve(&eth0(&format!("o{number}")), free, 0).unwrap();
                assert_eq!(claim, Claim::Reserved);
            });
        }
    });
    let list = world.open().list().unwrap();
    assert_eq!(list.len(), 75, "25 of one family, 25 of two");
    for number in 0..25 {
        succeed(&world, "DEL", &format!("o{number}"));
        assert_eq!(world.open().release(&eth0(&format!("t{number}"))).unwrap().len(), 2);
    }
    assert_eq!(world.open().list().unwrap(), []);
}
