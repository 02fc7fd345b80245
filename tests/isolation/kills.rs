//! A process that dies at each operation in turn (row E41): DEL then removes what it left, and an ADD without
//! a DEL works all the same.

use serde_json::json;

use super::lab::{Lab, assert_same};
use super::networks::{
    BANDWIDTH, BRIDGE, DUMMY, FIREWALL, FIREWALLD, FLANNEL, HOST_DEVICE, IPVLAN, IPVLAN_CHAINED,
    MACVLAN, Network, PASSTHRU, PORTMAP, PTP, SBR, TAP, TUNING, VLAN_LINK, VRF, prepare,
    undo_shared, with_firewalld, witnessed,
};
use super::processes::{Runtime, reap, was_killed};
use crate::harness::netns::Netns;
use crate::harness::programs::require_tun;
use crate::harness::sandbox;

/// Kills ADD before and after each operation; returns how often.
fn kill_adds(network: &Network) -> usize {
    let _blue = Netns::new("blue");
    kill_adds_in(&Lab::linux(), network)
}

fn kill_adds_in(lab: &Lab, network: &Network) -> usize {
    network.prepare(lab);
    let (runtime, conf, before) = (Runtime::new(lab), network.conf(lab), lab.state());
    let mut kills = 0;
    for number in 1.. {
        for kind in ["kill-before", "kill-after"] {
            if !was_killed(&runtime.mishap(kind, number, "ADD", &conf)) {
                // It has fewer operations.
                runtime.call("DEL", &conf);
                undo_shared(lab);
                assert_same(&before, &lab.state(), "the last one");
                witnessed(lab);
                return kills;
            }
            kills += 2;
            runtime.call("DEL", &conf);
            assert_same(&before, &lab.state(), &format!("{} {kind} {number}, DEL", network.plugin));
            assert!(was_killed(&runtime.mishap(kind, number, "ADD", &conf)));
            let result = runtime.call("ADD", &conf);
            let mut check = conf.clone();
            check["prevResult"] = result;
            runtime.call("CHECK", &check);
            runtime.call("DEL", &conf);
            undo_shared(lab);
            assert_same(&before, &lab.state(), &format!("{} {kind} {number}, ADD", network.plugin));
        }
    }
    kills
}

#[test]
fn adds_of_bridge() {
    sandbox::run(|| {
        let kills = kill_adds(&BRIDGE);
        assert!(kills >= 4 * 18, "{kills}");
    });
}

#[test]
fn adds_of_ptp() {
    sandbox::run(|| {
        let kills = kill_adds(&PTP);
        assert!(kills >= 4 * 10, "{kills}");
    });
}

/// Plugins that change what another made.
#[test]
fn adds_of_chained() {
    sandbox::run(|| {
        for (network, least) in [(&TUNING, 7), (&SBR, 15), (&VRF, 7)] {
            if !network.is_possible("kills") {
                continue;
            }
            let _blue = Netns::new("blue");
            let lab = Lab::linux();
            prepare(&lab);
            let (runtime, conf) = (Runtime::new(&lab), network.conf(&lab));
            runtime.call("ADD", &BRIDGE.conf(&lab));
            let before = lab.state();
            let mut operations = 0;
            'all: for number in 1.. {
                for kind in ["kill-before", "kill-after"] {
                    let what = format!("{} {kind} {number}", network.plugin);
                    if !was_killed(&runtime.mishap(kind, number, "ADD", &conf)) {
                        runtime.call("DEL", &conf);
                        break 'all;
                    }
                    runtime.call("DEL", &conf);
                    assert_same(&before, &lab.state(), &format!("{what}, DEL"));
                    assert!(was_killed(&runtime.mishap(kind, number, "ADD", &conf)));
                    runtime.call("ADD", &conf);
                    runtime.call("CHECK", &conf);
                    runtime.call("DEL", &conf);
                    assert_same(&before, &lab.state(), &format!("{what}, ADD"));
                    operations = number;
                }
            }
            assert!(operations >= least, "{network:?}: {operations}");
            runtime.call("DEL", &BRIDGE.conf(&lab));
            undo_shared(&lab);
            witnessed(&lab);
        }
    });
}

#[test]
fn adds_of_macvlan() {
    sandbox::run(|| {
        // With a MAC of its own, and with its parent's.
        for network in [&MACVLAN, &PASSTHRU] {
            let kills = kill_adds(network);
            assert!(kills >= 4 * 11, "{kills}");
        }
    });
}

#[test]
fn adds_of_ipvlan_vlan_dummy() {
    sandbox::run(|| {
        let children = [(&IPVLAN, 11), (&IPVLAN_CHAINED, 10), (&VLAN_LINK, 9), (&DUMMY, 9)];
        for (network, least) in children {
            if network.is_possible("kills") {
                let kills = kill_adds(network);
                assert!(kills >= 4 * least, "{network:?}: {kills}");
            }
        }
    });
}

#[test]
fn adds_of_portmap() {
    sandbox::run(|| {
        let kills = kill_adds(&PORTMAP);
        assert!(kills >= 4 * 2, "{kills}");
    });
}

#[test]
fn adds_of_host_device() {
    sandbox::run(|| {
        let kills = kill_adds(&HOST_DEVICE);
        assert!(kills >= 4 * 9, "{kills}");
    });
}

#[test]
fn adds_of_flannel() {
    sandbox::run(|| {
        let kills = kill_adds(&FLANNEL);
        assert!(kills >= 4 * 18, "{kills}");
    });
}

#[test]
fn adds_of_bandwidth() {
    sandbox::run(|| {
        let kills = kill_adds(&BANDWIDTH);
        assert!(kills >= 4 * 5, "{kills}");
    });
}

#[test]
fn adds_of_tap() {
    if require_tun() {
        sandbox::run(|| {
            let kills = kill_adds(&TAP);
            assert!(kills >= 4 * 7, "{kills}");
        });
    }
}

#[test]
fn adds_of_firewall() {
    sandbox::run(|| {
        let kills = kill_adds(&FIREWALL);
        assert!(kills >= 4 * 3, "{kills}");
    });
}

#[test]
fn adds_of_firewalld() {
    sandbox::run(|| {
        let _blue = Netns::new("blue");
        with_firewalld(&Lab::linux(), |lab| {
            let kills = kill_adds_in(lab, &FIREWALLD);
            assert!(kills >= 4 * 5, "{kills}");
        });
    });
}

/// Of a runtime that never comes back for the container, GC alone is there.
#[test]
fn adds_that_only_gc_hears_of() {
    sandbox::run(|| {
        let _blue = Netns::new("blue");
        let lab = Lab::linux();
        let (runtime, mut conf) = (Runtime::new(&lab), BRIDGE.conf(&lab));
        conf["cni.dev/valid-attachments"] = json!([]);
        let before = lab.state();
        for number in 1.. {
            if !was_killed(&runtime.mishap("kill-after", number, "ADD", &conf)) {
                assert!(number > 18, "{number}");
                break;
            }
            runtime.call("GC", &conf);
            assert_same(&before, &lab.state(), &format!("kill-after {number}, GC"));
        }
    });
}

/// With how many kills there are at least. The last one has the node without IPv6.
const DELETED: [(&Network, usize); 11] = [
    (&BRIDGE, 4),
    (&PTP, 4),
    (&FLANNEL, 4),
    (&BANDWIDTH, 4),
    (&FIREWALL, 4),
    (&PORTMAP, 4),
    (&MACVLAN, 2),
    (&IPVLAN, 2),
    (&VLAN_LINK, 2),
    (&DUMMY, 2),
    (&HOST_DEVICE, 4),
];

#[test]
fn dels() {
    sandbox::run(|| {
        for (network, least) in DELETED.into_iter().filter(|one| one.0.is_possible("kills")) {
            let _blue = Netns::new("blue");
            kill_dels_in(&Lab::linux(), network, least);
        }
    });
}

#[test]
fn dels_of_firewalld() {
    sandbox::run(|| {
        let _blue = Netns::new("blue");
        with_firewalld(&Lab::linux(), |lab| kill_dels_in(lab, &FIREWALLD, 4));
    });
}

/// `least`: how many kills there are at least.
fn kill_dels_in(lab: &Lab, network: &Network, least: usize) {
    network.prepare(lab);
    let (runtime, conf) = (Runtime::new(lab), network.conf(lab));
    runtime.call("ADD", &conf);
    runtime.call("DEL", &conf);
    let before = lab.state();
    let mut kills = 0;
    'all: for number in 1.. {
        for kind in ["kill-before", "kill-after"] {
            runtime.call("ADD", &conf);
            let killed = was_killed(&runtime.mishap(kind, number, "DEL", &conf));
            reap();
            runtime.call("DEL", &conf);
            let what = format!("{} {kind} {number}", network.plugin);
            assert_same(&before, &lab.state(), &what);
            if !killed {
                break 'all;
            }
            kills += 1;
        }
    }
    assert!(kills >= least, "{network:?}: {kills}");
    undo_shared(lab);
    witnessed(lab);
}
