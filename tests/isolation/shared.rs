//! What an ADD makes for others too: a bridge, its address, forwarding. One that fails takes them back if it
//! is alone, and leaves them where others may count on them. The same where flannel has the bridge made.

use std::collections::BTreeSet;
use std::fs::{self, File};

use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};
use wasmcni::kernel::faults::At;
use wasmcni::kernel::{Errno, Kernel, KindSpec, LinkChange, LinkSpec, Role};

use super::guests::hostile;
use super::lab::{Lab, Mishap, Outcome, assert_same, hostile_conf};
use super::networks::{BRIDGE, FLANNEL, Network, PTP, key, prepare};

/// They make the same: a bridge with a gateway.
const BOTH: [&Network; 2] = [&BRIDGE, &FLANNEL];

/// The last operation of the bridge's ADD.
const LAST: At = At::Named("masquerade_add", 2);

fn fails_at_last(lab: &Lab, network: &Network, before: Option<Mishap>) -> Outcome {
    let mut mishaps = vec![(LAST, Mishap::Refused(Errno::EPERM))];
    mishaps.extend(before.map(|mishap| (LAST, mishap)));
    let outcome = lab.call_with(network.plugin(), "ADD", &network.conf(lab), "a", mishaps);
    let (_, details) = outcome.failure();
    assert!(!details.contains("not taken back"), "{details}");
    outcome
}

/// The parts of a state that are of the bridge and of forwarding.
fn shared(state: &BTreeSet<String>) -> Vec<&String> {
    let of =
        |line: &&String| line.contains("/links/br9/") || line.contains("ipv4/conf/all/forwarding");
    state.iter().filter(of).collect()
}

/// What the attachment had for itself.
#[track_caller]
fn own_is_gone(lab: &Lab) {
    let state = lab.state();
    let own: Vec<&String> = state
        .iter()
        .filter(|line| line.contains("blue/links/eth0") || line.contains("/10.40.0.2"))
        .collect();
    assert!(own.is_empty(), "{own:#?}");
    let files = lab.files();
    assert!(
        !files.iter().any(|line| line.contains("a:eth0") || line.contains("/10.40.")),
        "{files:#?}"
    );
}

fn fresh() -> Lab {
    let lab = Lab::sim();
    prepare(&lab);
    lab
}

#[test]
fn alone_they_are_taken_back() {
    for network in BOTH {
        let lab = fresh();
        let before = lab.state();
        fails_at_last(&lab, network, None);
        assert_same(&before, &lab.state(), network.plugin);
    }
}

/// Another call may just have found the bridge, and be about to put its port on it.
#[test]
fn while_another_call_is_under_way_they_stay() {
    for network in BOTH {
        let lab = fresh();
        fs::create_dir_all(lab.directories().run).unwrap();
        let file = File::create(lab.directories().run.join("lock")).unwrap();
        let other = Flock::lock(file, FlockArg::LockShared).unwrap();
        fails_at_last(&lab, network, None);
        own_is_gone(&lab);
        let state = lab.state();
        assert!(shared(&state).iter().any(|line| line.contains("10.40.0.1/24")), "{state:#?}");
        assert!(
            shared(&state).iter().any(|line| line.contains("ipv4/conf/all/forwarding")),
            "{state:#?}"
        );
        // They are nobody's from now on.
        drop(other);
        lab.call(network.plugin(), "DEL", &network.conf(&lab), "a").success();
        assert_same(&state, &lab.state(), "DEL after it");
    }
}

/// What is in the container is no other call's affair.
#[test]
fn while_another_call_is_under_way_the_container_is_as_before() {
    let lab = fresh();
    fs::create_dir_all(lab.directories().run).unwrap();
    let file = File::create(lab.directories().run.join("lock")).unwrap();
    let _other = Flock::lock(file, FlockArg::LockShared).unwrap();
    fails_at_last(&lab, &BRIDGE, None);
    let mut kernel = lab.model().kernel(Some("blue"));
    let value = kernel.sysctl_get(Role::Container, &key("net/ipv6/conf/lo/disable_ipv6")).unwrap();
    assert_eq!(value, "1");
}

/// Another attachment of the same container has come to need it.
#[test]
fn with_another_attachment_in_the_container_its_sysctls_stay() {
    let lab = fresh();
    let journals = lab.directories().run.join("attachments/other");
    fs::create_dir_all(&journals).unwrap();
    fs::write(journals.join("a:eth1:bridge"), "").unwrap();
    fails_at_last(&lab, &BRIDGE, None);
    let mut kernel = lab.model().kernel(Some("blue"));
    let value = kernel.sysctl_get(Role::Container, &key("net/ipv6/conf/lo/disable_ipv6")).unwrap();
    assert_eq!(value, "0");
}

/// Somebody's port came on the bridge while the ADD was under way.
#[test]
fn a_bridge_with_a_port_stays() {
    let lab = fresh();
    let mut kernel = lab.model().kernel(None);
    let enslave = move |_: &_| {
        let (name, peer) = ("vm0".try_into().unwrap(), "vm1".try_into().unwrap());
        let kind = KindSpec::Veth { peer, peer_netns: Role::Host, peer_mac: None };
        let spec = LinkSpec { name, mtu: None, mac: None, kind };
        let port = kernel.link_create(Role::Host, &spec).unwrap();
        let bridge = kernel.link_by_name(Role::Host, &"br9".try_into().unwrap()).unwrap().unwrap();
        kernel.link_set(Role::Host, port.index, &LinkChange::Master(Some(bridge.index))).unwrap();
    };
    fails_at_last(&lab, &BRIDGE, Some(Mishap::Preceded(Box::new(enslave))));
    own_is_gone(&lab);
    let state = lab.state();
    assert!(
        shared(&state).iter().any(|line| line.contains("10.40.0.1/24")),
        "its gateway: {state:#?}"
    );
    assert!(state.iter().any(|line| line.contains("/links/vm0/master") && line.contains("br9")));
}

/// Another attachment stands, on another network: it may be forwarded to.
#[test]
fn forwarding_stays_with_another_attachment() {
    let lab = fresh();
    let conf =
        hostile_conf(&lab, json!({ "attack": "fail", "number": 7, "at": 6, "swallow": true }));
    // One that makes a bridge of its own; forwarding is switched off again behind its back.
    lab.call(&hostile(""), "ADD", &conf, "red").success();
    let mut kernel = lab.model().kernel(None);
    kernel.sysctl_set(Role::Host, &key("net/ipv4/ip_forward"), "0").unwrap();
    fails_at_last(&lab, &BRIDGE, None);
    own_is_gone(&lab);
    let state = lab.state();
    let forwards = kernel.sysctl_get(Role::Host, &key("net/ipv4/ip_forward")).unwrap();
    assert_eq!(forwards, "1");
    // The bridge is nobody's, and went.
    assert!(!state.iter().any(|line| line.contains("/links/br9/")), "{state:#?}");
}

/// A bridge that was there before keeps what it had, and loses what the ADD gave it. (One without an address of
/// its own takes its ports', and the kernel does not say what it had before.)
#[test]
fn a_bridge_of_others_is_as_before() {
    for (up, forwarding) in [(false, "0"), (true, "0"), (true, "1")] {
        let lab = fresh();
        let mut kernel = lab.model().kernel(None);
        let kind = KindSpec::Bridge { vlan_filtering: false };
        let mac = Some("02:00:5e:00:53:01".parse().unwrap());
        let spec = LinkSpec { name: "br9".try_into().unwrap(), mtu: None, mac, kind };
        let bridge = kernel.link_create(Role::Host, &spec).unwrap();
        if up {
            kernel.link_set(Role::Host, bridge.index, &LinkChange::Up).unwrap();
        }
        kernel.sysctl_set(Role::Host, &key("net/ipv4/ip_forward"), forwarding).unwrap();
        // A bridge that is up begins with IPv6 when it gets its first port, and does not end it.
        let state = || {
            let mut lines = lab.state();
            lines.retain(|line| !line.contains("fe80::") && !line.contains("/links/br9/ipv6"));
            lines
        };
        let before = state();
        fails_at_last(&lab, &BRIDGE, None);
        assert_same(&before, &state(), &format!("up {up}, forwarding {forwarding}"));
    }
}

/// An ADD that was killed, followed by one that fails: the second takes back for both.
#[test]
fn what_a_killed_add_made_for_all_goes_with_the_next_that_fails() {
    let lab = fresh();
    let before = lab.state();
    let journal = lab.directories().run.join("attachments/net/a:eth0:bridge");
    let saved = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    // As a kill leaves it: everything made, the end not written.
    lab.call(BRIDGE.plugin(), "ADD", &BRIDGE.conf(&lab), "a").success();
    let text = fs::read_to_string(&journal).unwrap();
    saved.replace(
        text.lines()
            .filter(|line| *line != "\"complete\"")
            .map(|line| format!("{line}\n"))
            .collect(),
    );
    fs::write(&journal, saved.borrow().as_str()).unwrap();
    let mishaps = vec![(At::Named("masquerade_add", 1), Mishap::Refused(Errno::ENOMEM))];
    lab.call_with(BRIDGE.plugin(), "ADD", &BRIDGE.conf(&lab), "a", mishaps).failure();
    assert_same(&before, &lab.state(), "killed, failed");
}

/// After a success nothing of them is ever taken back, in whichever way the attachment goes.
#[test]
fn after_a_success_they_are_for_all() {
    let gone: &[fn(&Lab, &Network, &Value)] = &[
        |lab, network, conf| {
            lab.call(network.plugin(), "DEL", conf, "a").success();
        },
        |lab, network, conf| {
            let mut conf = conf.clone();
            conf["cni.dev/valid-attachments"] = json!([]);
            lab.call(network.plugin(), "GC", &conf, "a").success();
        },
        // ADD again, which fails: the interface is there.
        |lab, network, conf| {
            lab.call(network.plugin(), "ADD", conf, "a").failure();
            lab.call(network.plugin(), "DEL", conf, "a").success();
        },
        // The container was started anew, and its next ADD fails.
        |lab, network, conf| {
            let mut kernel = lab.model().kernel(Some("blue"));
            let name = "eth0".try_into().unwrap();
            let eth0 = kernel.link_by_name(Role::Container, &name).unwrap().unwrap();
            kernel.link_delete(Role::Container, eth0.index).unwrap();
            let mishaps = vec![(At::Named("link_create", 1), Mishap::Refused(Errno::EPERM))];
            lab.call_with(network.plugin(), "ADD", conf, "a", mishaps).failure();
        },
    ];
    for (number, goes) in gone.iter().enumerate() {
        for network in BOTH {
            let lab = fresh();
            let conf = network.conf(&lab);
            lab.call(network.plugin(), "ADD", &conf, "a").success();
            goes(&lab, network, &conf);
            own_is_gone(&lab);
            let state = lab.state();
            for kept in ["10.40.0.1/24", "ipv4/conf/all/forwarding"] {
                assert!(
                    shared(&state).iter().any(|line| line.contains(kept)),
                    "{} {number}: {kept}: {state:#?}",
                    network.plugin
                );
            }
        }
    }
}

/// Nothing that ptp makes is for others but forwarding.
#[test]
fn ptp_leaves_forwarding_alone() {
    let lab = fresh();
    let before = lab.state();
    let conf = PTP.conf(&lab);
    lab.call(PTP.plugin(), "ADD", &conf, "a").success();
    lab.call(PTP.plugin(), "DEL", &conf, "a").success();
    prepare(&lab);
    let after = lab.state();
    let new: Vec<&String> = after.difference(&before).collect();
    assert!(new.iter().all(|line| line.contains("forward")), "{new:#?}");
}
