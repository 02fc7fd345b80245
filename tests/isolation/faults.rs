//! A fault at each operation of the kernel in turn (row E29): a failed ADD leaves the node as it was before,
//! a failed DEL what the next one removes.

use wasmcni::kernel::Errno;
use wasmcni::kernel::faults::At;

use super::lab::{Lab, Mishap, assert_same};
use super::networks::{
    BANDWIDTH, BRIDGE, DUMMY, FIREWALL, FIREWALLD, FLANNEL, HOST_DEVICE, HOST_LOCAL, IPVLAN,
    IPVLAN_CHAINED, ISOLATED, LOOPBACK, MACVLAN, MACVLAN_L2, Network, PASSTHRU, PORTMAP, PTP, SBR,
    TAP, TUNING, VLAN, VLAN_LINK, VRF, prepare, undo_shared, with_firewalld, witnessed,
};
use crate::harness::netns::Netns;
use crate::harness::programs::require_tun;
use crate::harness::sandbox;

/// A kind of fault.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Refused(Errno),
    Lost(Errno),
}

/// A want of rights, of memory, of luck; what plugins expect now and then; what says nothing of whether it
/// was done.
const KINDS: &[Kind] = &[
    Kind::Refused(Errno::EPERM),
    Kind::Refused(Errno::ENOMEM),
    Kind::Refused(Errno::EBUSY),
    Kind::Refused(Errno::EEXIST),
    Kind::Refused(Errno::ETIMEDOUT),
    Kind::Lost(Errno::ETIMEDOUT),
    Kind::Lost(Errno::ENOBUFS),
];

/// Of these, one of each sort: real links take their time.
const FEW: &[Kind] =
    &[Kind::Refused(Errno::EPERM), Kind::Refused(Errno::EEXIST), Kind::Lost(Errno::ETIMEDOUT)];

impl Kind {
    fn mishap(self) -> Mishap {
        match self {
            Self::Refused(errno) => Mishap::Refused(errno),
            Self::Lost(errno) => Mishap::Lost(errno),
        }
    }
}

/// What was counted: a test that no longer reaches its operations must not pass.
#[derive(Debug, Default)]
struct Count {
    /// Operations at which there was a fault.
    operations: usize,
    failures: usize,
    /// Faults that the plugin coped with.
    coped: Vec<String>,
}

/// ADD with each kind of fault at each operation.
fn adds_that_fail(lab: &Lab, network: &Network, kinds: &[Kind]) -> Count {
    let (plugin, conf) = (network.plugin(), network.conf(lab));
    let before = lab.state();
    let mut count = Count::default();
    for number in 1.. {
        for kind in kinds {
            let mishaps = vec![(At::Number(number), kind.mishap())];
            let outcome = lab.call_with(plugin, "ADD", &conf, "a", mishaps);
            let Some(operation) = outcome.operations.get(number - 1) else {
                // The last one was the one before.
                outcome.success();
                lab.call(plugin, "DEL", &conf, "a").success();
                network.prepare(lab);
                return count;
            };
            let what = format!("{} {kind:?} at {number}: {operation}", network.plugin);
            if outcome.status == 0 {
                count.coped.push(format!("{} {kind:?}", operation.name));
                lab.call(plugin, "DEL", &conf, "a").success();
                undo_shared(lab);
            } else {
                let (_, details) = outcome.failure();
                assert!(!details.contains("not taken back"), "{what}: {details}");
                count.failures += 1;
            }
            assert_same(&before, &lab.state(), &what);
        }
        count.operations = number;
    }
    count
}

/// ADD with a fault at each operation, and another one at the first or second act of taking it back: what
/// then remains is told, written down, and removed by the next DEL.
fn undos_that_fail(lab: &Lab, network: &Network) -> usize {
    let (plugin, conf) = (network.plugin(), network.conf(lab));
    let before = lab.state();
    let mut remained = 0;
    for number in 1.. {
        for next in [1, 2] {
            let faults = [number, number + next];
            let mishap = |at| (At::Number(at), Mishap::Refused(Errno::EPERM));
            let mishaps = faults.map(mishap).into();
            let outcome = lab.call_with(plugin, "ADD", &conf, "a", mishaps);
            if outcome.operations.len() < number {
                outcome.success();
                lab.call(plugin, "DEL", &conf, "a").success();
                return remained;
            }
            let what = format!("{} {faults:?}: {}", network.plugin, outcome.operations[number - 1]);
            if outcome.status == 0 {
                lab.call(plugin, "DEL", &conf, "a").success();
                undo_shared(lab);
            } else if outcome.failure().1.contains("not taken back") {
                remained += 1;
                assert!(
                    lab.files().iter().any(|file| file.contains("attachments")),
                    "{what}: no journal"
                );
                lab.call(plugin, "DEL", &conf, "a").success();
            }
            assert_same(&before, &lab.state(), &what);
        }
    }
    remained
}

/// DEL with each kind of fault at each operation, and then DEL.
fn dels_that_fail(lab: &Lab, network: &Network, kinds: &[Kind]) -> Count {
    let (plugin, conf) = (network.plugin(), network.conf(lab));
    lab.call(plugin, "ADD", &conf, "a").success();
    lab.call(plugin, "DEL", &conf, "a").success();
    // With what is for all: the bridge, its address, forwarding.
    let before = lab.state();
    let mut count = Count::default();
    for number in 1.. {
        for kind in kinds {
            lab.call(plugin, "ADD", &conf, "a").success();
            let mishaps = vec![(At::Number(number), kind.mishap())];
            let outcome = lab.call_with(plugin, "DEL", &conf, "a", mishaps);
            let operation = outcome.operations.get(number - 1).cloned();
            if let Some(operation) = &operation
                && outcome.status == 1
            {
                // The runtime hears of it, and comes again.
                outcome.failure();
                count.failures += 1;
                assert!(!lab.files().is_empty(), "{number} {kind:?} {operation}: no journal");
            } else {
                outcome.success();
                assert_same(&before, &lab.state(), &format!("DEL {number} {kind:?}, not failed"));
            }
            lab.call(plugin, "DEL", &conf, "a").success();
            assert_same(&before, &lab.state(), &format!("DEL {number} {kind:?}, then DEL"));
            if operation.is_none() {
                return count;
            }
        }
        count.operations = number;
    }
    count
}

fn fresh_sim(network: &Network) -> Lab {
    let lab = Lab::sim();
    network.prepare(&lab);
    lab
}

/// What sits on a link of the node, and how many operations it has at least.
const CHILDREN: [(&Network, usize); 7] = [
    (&MACVLAN, 11),
    (&MACVLAN_L2, 2),
    (&PASSTHRU, 11),
    (&IPVLAN, 11),
    (&IPVLAN_CHAINED, 10),
    (&VLAN_LINK, 9),
    (&DUMMY, 9),
];

#[test]
fn sim_children() {
    for (network, operations) in CHILDREN {
        let fresh = || fresh_sim(network);
        let count = adds_that_fail(&fresh(), network, KINDS);
        assert!(count.operations >= operations, "{network:?}: {count:?}");
        let most = count.operations * KINDS.len();
        assert!(count.failures * 4 >= most * 3, "{network:?} copes too well: {count:?}");
        assert!(undos_that_fail(&fresh(), network) > 0, "{network:?}");
        assert!(dels_that_fail(&fresh(), network, KINDS).operations > 0, "{network:?}");
    }
}

#[test]
fn sim_adds() {
    let least = [
        (&BRIDGE, 18),
        (&VLAN, 12),
        (&ISOLATED, 6),
        (&PTP, 10),
        (&FLANNEL, 18),
        (&LOOPBACK, 1),
        (&HOST_LOCAL, 0),
        (&HOST_DEVICE, 9),
        (&BANDWIDTH, 5),
        (&TAP, 7),
        (&PORTMAP, 2),
        (&FIREWALL, 3),
        (&FIREWALLD, 5),
    ];
    for (network, operations) in least {
        let count = adds_that_fail(&fresh_sim(network), network, KINDS);
        assert!(count.operations >= operations, "{network:?}: {count:?}");
        let most = count.operations * KINDS.len();
        assert!(count.failures * 4 >= most * 3, "{network:?} copes too well: {count:?}");
    }
}

#[test]
fn sim_undos() {
    for (network, remained) in [
        (&BRIDGE, 10),
        (&VLAN, 5),
        (&PTP, 5),
        (&FLANNEL, 10),
        (&HOST_DEVICE, 5),
        (&BANDWIDTH, 5),
        (&TAP, 3),
        (&PORTMAP, 1),
        (&FIREWALLD, 3),
    ] {
        let left = undos_that_fail(&fresh_sim(network), network);
        assert!(left >= remained, "{network:?}: {left}");
    }
}

#[test]
fn sim_dels() {
    for (network, operations) in [
        (&BRIDGE, 3),
        (&VLAN, 1),
        (&PTP, 2),
        (&FLANNEL, 3),
        (&LOOPBACK, 1),
        (&HOST_LOCAL, 0),
        (&HOST_DEVICE, 1),
        (&BANDWIDTH, 3),
        (&TAP, 1),
        (&PORTMAP, 2),
        (&FIREWALL, 3),
        (&FIREWALLD, 5),
    ] {
        let count = dels_that_fail(&fresh_sim(network), network, KINDS);
        assert!(count.operations >= operations, "{network:?}: {count:?}");
    }
}

/// Chained plugins, and how many operations their ADD and DEL have at least.
const CHAINED: &[(&Network, usize, usize)] = &[(&TUNING, 7, 7), (&SBR, 15, 10), (&VRF, 7, 4)];

/// What another plugin made is there before, and after.
fn with_bridge(lab: Lab) -> Lab {
    prepare(&lab);
    lab.call(BRIDGE.plugin(), "ADD", &BRIDGE.conf(&lab), "a").success();
    lab
}

#[test]
fn sim_chained() {
    for (network, adds, dels) in CHAINED {
        let count = adds_that_fail(&with_bridge(Lab::sim()), network, KINDS);
        assert!(count.operations >= *adds && count.coped.is_empty(), "{network:?}: {count:?}");
        let left = undos_that_fail(&with_bridge(Lab::sim()), network);
        assert!(left >= adds - 2, "{network:?}: {left}");
        let count = dels_that_fail(&with_bridge(Lab::sim()), network, KINDS);
        assert!(count.operations >= *dels, "{network:?}: {count:?}");
    }
}

#[test]
fn linux_chained() {
    sandbox::run(|| {
        for (network, adds, dels) in
            CHAINED.iter().filter(|chained| chained.0.is_possible("faults"))
        {
            let _blue = Netns::new("blue");
            let lab = with_bridge(Lab::linux());
            let count = adds_that_fail(&lab, network, FEW);
            assert!(count.operations >= *adds && count.coped.is_empty(), "{network:?}: {count:?}");
            let count = dels_that_fail(&lab, network, FEW);
            assert!(count.operations >= *dels, "{network:?}: {count:?}");
            lab.call(BRIDGE.plugin(), "DEL", &BRIDGE.conf(&lab), "a").success();
            undo_shared(&lab);
            witnessed(&lab);
        }
    });
}

/// With another attachment on the bridge, what is shared stays and the rest goes.
#[test]
fn sim_adds_beside_another() {
    for network in [&BRIDGE, &VLAN, &PTP, &FLANNEL] {
        let lab = fresh_sim(network);
        lab.call(network.plugin(), "ADD", &network.conf(&lab), "red").success();
        let conf = network.conf(&lab);
        let before = lab.state();
        for number in 1.. {
            let mishaps = vec![(At::Number(number), Mishap::Refused(Errno::EPERM))];
            let outcome = lab.call_with(network.plugin(), "ADD", &conf, "a", mishaps);
            let Some(operation) = outcome.operations.get(number - 1) else { break };
            let what = format!("{} at {number}: {operation}", network.plugin);
            if outcome.status == 0 {
                lab.call(network.plugin(), "DEL", &conf, "a").success();
            }
            assert_same(&before, &lab.state(), &what);
        }
    }
}

#[track_caller]
fn on_linux(networks: &[(&Network, usize)]) {
    sandbox::run(|| on_labs(networks, &|lab, test| test(lab)));
}

/// Runs what is done with a lab, with what that needs besides.
type WithLab<'a> = &'a dyn Fn(&Lab, &dyn Fn(&Lab));

fn on_labs(networks: &[(&Network, usize)], with: WithLab<'_>) {
    for (network, operations) in networks.iter().filter(|one| one.0.is_possible("faults")) {
        let _blue = Netns::new("blue");
        with(&Lab::linux(), &|lab| faults_on_linux(lab, network, *operations));
    }
}

fn faults_on_linux(lab: &Lab, network: &Network, operations: usize) {
    network.prepare(lab);
    let count = adds_that_fail(lab, network, FEW);
    assert!(count.operations >= operations, "{network:?}: {count:?}");
    undo_shared(lab);
    witnessed(lab);
    // Again with the bridge there, and down to what may stay.
    lab.call(network.plugin(), "ADD", &network.conf(lab), "a").success();
    lab.call(network.plugin(), "DEL", &network.conf(lab), "a").success();
    network.prepare(lab);
    let before = lab.state();
    let count = adds_that_fail(lab, network, &[Kind::Refused(Errno::ENOMEM)]);
    assert!(count.coped.is_empty(), "{network:?}: {count:?}");
    assert_same(&before, &lab.state(), network.plugin);
    dels_that_fail(lab, network, FEW);
    undo_shared(lab);
    witnessed(lab);
}

#[test]
fn linux_bridge() {
    on_linux(&[(&BRIDGE, 18)]);
}

#[test]
fn linux_ptp_and_loopback() {
    on_linux(&[(&PTP, 10), (&LOOPBACK, 1), (&HOST_LOCAL, 0)]);
}

#[test]
fn linux_host_device() {
    on_linux(&[(&HOST_DEVICE, 9)]);
}

#[test]
fn linux_flannel() {
    on_linux(&[(&FLANNEL, 18)]);
}

#[test]
fn linux_bandwidth_and_firewall() {
    on_linux(&[(&BANDWIDTH, 5), (&FIREWALL, 3)]);
}

#[test]
fn linux_firewalld() {
    let with = |lab: &Lab, test: &dyn Fn(&Lab)| with_firewalld(lab, test);
    sandbox::run(|| on_labs(&[(&FIREWALLD, 5)], &with));
}

#[test]
fn linux_tap() {
    if require_tun() {
        on_linux(&[(&TAP, 7)]);
    }
}

#[test]
fn linux_macvlan() {
    on_linux(&[(&MACVLAN, 11)]);
}

#[test]
fn linux_ipvlan_vlan_dummy() {
    on_linux(&[(&IPVLAN, 11), (&IPVLAN_CHAINED, 10), (&VLAN_LINK, 9), (&DUMMY, 9)]);
}

#[test]
fn linux_portmap() {
    on_linux(&[(&PORTMAP, 2)]);
}
