//! What is compared, and how often.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::candidate::{Call, Candidate};

/// Rounds that are run before any is counted.
const WARM_UP: usize = 3;

/// Reservations that a directory holds before host-local is timed on it.
const RESERVATIONS: [usize; 3] = [10, 1_000, 10_000];

/// A row of the table: samples of both candidates.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) samples: [Vec<Duration>; 2],
    /// Peak memory, in KiB.
    pub(crate) memory: [Option<u64>; 2],
    /// Programs executed and system calls made.
    pub(crate) trace: [Option<(usize, usize)>; 2],
}

/// A configuration and the plugin that it is for.
struct Case {
    name: String,
    plugin: &'static str,
    /// By candidate: bridges and ranges are each candidate's own.
    configuration: [String; 2],
}

/// Runs all rows whose names contain `only`.
pub(crate) fn run(candidates: &[Candidate; 2], rounds: usize, only: Option<&str>) -> Vec<Row> {
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let mut rows = Vec::new();
    if wanted("VERSION") {
        rows.push(version(candidates, rounds));
    }
    for case in cases().into_iter().filter(|case| wanted(&case.name)) {
        eprintln!("bench: {}", case.name);
        rows.extend(add_and_del(candidates, rounds, &case));
    }
    rows
}

fn cases() -> Vec<Case> {
    let both = |make: &dyn Fn(usize) -> String| [make(0), make(1)];
    let ipam = |who: usize, net: u8| {
        format!(
            r#""ipam":{{"type":"host-local","subnet":"10.{}.0.0/16","dataDir":"{}"}}"#,
            net + who as u8,
            dir(who)
        )
    };
    let bridge = |more: &'static str, net: u8| {
        move |who: usize| {
            let ipam = ipam(who, net);
            format!(
                r#"{{"cniVersion":"1.0.0","name":"b{net}","type":"bridge","bridge":"br{net}-{who}","isDefaultGateway":true,{more}{ipam}}}"#
            )
        }
    };
    let mut cases = vec![
        Case {
            name: "bridge + host-local".into(),
            plugin: "bridge",
            configuration: both(&bridge("", 10)),
        },
        Case {
            name: "bridge + host-local, ipMasq".into(),
            plugin: "bridge",
            configuration: both(&bridge(r#""ipMasq":true,"#, 20)),
        },
        Case {
            name: "ptp + host-local".into(),
            plugin: "ptp",
            configuration: both(&|who| {
                format!(r#"{{"cniVersion":"1.0.0","name":"p","type":"ptp",{}}}"#, ipam(who, 30))
            }),
        },
        Case {
            name: "loopback".into(),
            plugin: "loopback",
            configuration: both(&|_| {
                r#"{"cniVersion":"1.0.0","name":"lo","type":"loopback"}"#.into()
            }),
        },
    ];
    for held in RESERVATIONS {
        let name = format!("host-local, {held} reservations");
        let configuration = both(&|who| {
            let network = format!("h{held}");
            fill(&Path::new(&dir(who)).join(&network), held);
            format!(
                r#"{{"cniVersion":"1.0.0","name":"{network}","type":"bridge","ipam":{{"type":"host-local","subnet":"10.128.0.0/16","dataDir":"{}"}}}}"#,
                dir(who)
            )
        });
        cases.push(Case { name, plugin: "host-local", configuration });
    }
    cases
}

/// Reservations live on the disk, as on a node; beside this program.
fn dir(who: usize) -> String {
    let here = std::env::current_exe().unwrap_or_default();
    here.with_file_name(format!("bench-reservations-{who}")).display().to_string()
}

/// Writes reservations of other containers, as either implementation would have.
fn fill(network: &Path, count: usize) {
    let _ = fs::remove_dir_all(network);
    fs::create_dir_all(network).unwrap();
    for i in 0..count {
        let address = format!("10.128.{}.{}", (i + 2) / 256, (i + 2) % 256);
        fs::write(network.join(&address), format!("other{i}\r\neth0")).unwrap();
        if i + 1 == count {
            fs::write(network.join("last_reserved_ip.0"), address).unwrap();
        }
    }
}

fn version(candidates: &[Candidate; 2], rounds: usize) -> Row {
    let call = Call { plugin: "bridge", verb: "VERSION", container: "none", configuration: "{}" };
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0..rounds + WARM_UP {
        for (candidate, samples) in candidates.iter().zip(&mut samples) {
            let took = candidate.time(&call).unwrap();
            if round >= WARM_UP {
                samples.push(took);
            }
        }
    }
    Row {
        name: "VERSION".into(),
        samples,
        memory: [0, 1].map(|who| candidates[who].memory(&call)),
        trace: [0, 1].map(|who| candidates[who].trace(&call)),
    }
}

fn add_and_del(candidates: &[Candidate; 2], rounds: usize, case: &Case) -> [Row; 2] {
    let row = |verb: &str| Row {
        name: format!("{}: {verb}", case.name),
        samples: [Vec::new(), Vec::new()],
        memory: [None; 2],
        trace: [None; 2],
    };
    let mut rows = [row("ADD"), row("DEL")];
    let mut number = 0;
    let mut each = |what: &mut dyn FnMut(usize, &mut Row, &Call<'_>)| {
        for who in [0, 1] {
            number += 1;
            let container = format!("c{number}");
            ip(&["netns", "add", &container]);
            for (verb, row) in ["ADD", "DEL"].iter().zip(&mut rows) {
                let configuration = &case.configuration[who];
                what(
                    who,
                    row,
                    &Call { plugin: case.plugin, verb, container: &container, configuration },
                );
            }
            ip(&["netns", "delete", &container]);
        }
    };
    for round in 0..rounds + WARM_UP {
        each(&mut |who, row, call| {
            let took = candidates[who].time(call).unwrap();
            if round >= WARM_UP {
                row.samples[who].push(took);
            }
            settle();
        });
    }
    each(&mut |who, row, call| row.memory[who] = candidates[who].memory(call));
    each(&mut |who, row, call| row.trace[who] = candidates[who].trace(call));
    rows
}

/// Lets the kernel finish what a sample left to it (freeing links, namespaces), so that the next sample
/// begins on an idle machine: what is left waits for the lock of all links.
fn settle() {
    std::thread::sleep(Duration::from_millis(40));
}

fn ip(words: &[&str]) {
    assert!(
        Command::new("ip").args(words).status().is_ok_and(|status| status.success()),
        "ip {words:?}"
    );
}
