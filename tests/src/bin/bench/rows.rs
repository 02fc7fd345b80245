//! Samples: each case with each candidate in turn, on fresh containers.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::candidate::{Call, Candidate};
use crate::cases::{Case, cases};

/// Rounds that are run before any is counted.
const WARM_UP: usize = 3;

/// A row of the table: samples of both candidates.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) samples: [Vec<Duration>; 2],
    /// Peak memory, in KiB.
    pub(crate) memory: [Option<u64>; 2],
    /// Programs executed and system calls made.
    pub(crate) trace: [Option<(usize, usize)>; 2],
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
        let occupants = occupy(candidates, &case);
        rows.extend(add_and_del(candidates, rounds, &case));
        for (candidate, occupant) in candidates.iter().zip(occupants) {
            if let Some(mut occupant) = occupant {
                occupant.del(&mut |_, call| candidate.time(call).unwrap().1);
            }
        }
    }
    rows
}

fn version(candidates: &[Candidate; 2], rounds: usize) -> Row {
    let call = Call { plugin: "bridge", verb: "VERSION", container: "none", configuration: "{}" };
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0..rounds + WARM_UP {
        for (candidate, samples) in candidates.iter().zip(&mut samples) {
            let (took, _) = candidate.time(&call).unwrap();
            if round >= WARM_UP {
                samples.push(took);
            }
        }
    }
    Row {
        name: "VERSION".into(),
        samples,
        memory: [0, 1].map(|who| candidates[who].memory(&call).map(|(peak, _)| peak)),
        trace: [0, 1].map(|who| candidates[who].trace(&call).map(|(counts, _)| counts)),
    }
}

/// Makes the attachment of each candidate that the case wants to be on the node already.
fn occupy(candidates: &[Candidate; 2], case: &Case) -> [Option<Attachment>; 2] {
    [0, 1].map(|who| {
        let list = case.occupant.as_ref()?[who].clone();
        let mut occupant = Attachment::new(format!("occupant{who}"), list);
        occupant.add(&mut |_, call| candidates[who].time(call).unwrap().1);
        Some(occupant)
    })
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
    // Calls of plugins before `timed_from` only set the stage.
    let mut each = |what: &mut dyn FnMut(usize, &mut Row, &Call<'_>) -> String| {
        for (who, candidate) in candidates.iter().enumerate() {
            number += 1;
            let mut attachment = Attachment::new(format!("c{number}"), case.list[who].clone());
            let [add, del] = &mut rows;
            attachment.add(&mut |place, call| {
                if place < case.timed_from {
                    candidate.time(call).unwrap().1
                } else {
                    what(who, add, call)
                }
            });
            attachment.del(&mut |place, call| {
                if place < case.timed_from {
                    candidate.time(call).unwrap().1
                } else {
                    what(who, del, call)
                }
            });
        }
    };
    let timed = case.list[0].len() - case.timed_from;
    for round in 0..rounds + WARM_UP {
        let mut parts = 0;
        each(&mut |who, row, call| {
            let (took, said) = candidates[who].time(call).unwrap();
            if round >= WARM_UP {
                // A chain's time is the sum of its plugins'.
                if parts % timed == 0 {
                    row.samples[who].push(Duration::ZERO);
                }
                *row.samples[who].last_mut().unwrap() += took;
            }
            parts += 1;
            settle();
            said
        });
    }
    each(&mut |who, row, call| {
        let (peak, said) = candidates[who].memory(call).unwrap();
        row.memory[who] = row.memory[who].max(Some(peak));
        said
    });
    each(&mut |who, row, call| match candidates[who].trace(call) {
        Some(((programs, calls), said)) => {
            let (p, c) = row.trace[who].unwrap_or_default();
            row.trace[who] = Some((p + programs, c + calls));
            said
        }
        // Without strace.
        None => candidates[who].time(call).unwrap().1,
    });
    rows
}

/// A container, and the plugins of its network.
struct Attachment {
    container: String,
    list: Vec<Value>,
    result: Value,
}

impl Attachment {
    fn new(container: String, list: Vec<Value>) -> Self {
        ip(&["netns", "add", &container]);
        Self { container, list, result: Value::Null }
    }

    /// ADD of each plugin, by its place in the list.
    fn add(&mut self, run: &mut dyn FnMut(usize, &Call<'_>) -> String) {
        for place in 0..self.list.len() {
            let said = self.call(place, "ADD", run);
            self.result = serde_json::from_str(&said).unwrap();
        }
    }

    /// DEL of each plugin, the last one first, and of the container.
    fn del(&mut self, run: &mut dyn FnMut(usize, &Call<'_>) -> String) {
        for place in (0..self.list.len()).rev() {
            self.call(place, "DEL", run);
        }
        ip(&["netns", "delete", &self.container]);
    }

    fn call(
        &self,
        place: usize,
        verb: &str,
        run: &mut dyn FnMut(usize, &Call<'_>) -> String,
    ) -> String {
        let mut plugin = self.list[place].clone();
        // An IPAM plugin that is run alone, with the configuration of a plugin that it serves.
        let program = plugin["run"].as_str().or(plugin["type"].as_str()).unwrap().to_owned();
        if !self.result.is_null() {
            plugin["prevResult"] = self.result.clone();
        }
        let call = Call {
            plugin: &program,
            verb,
            container: &self.container,
            configuration: &plugin.to_string(),
        };
        run(place, &call)
    }
}

/// Lets the kernel finish what a sample left to it (freeing links, namespaces), so that the next sample
/// begins on an idle machine: what is left waits for the lock of all links.
fn settle() {
    std::thread::sleep(Duration::from_millis(40));
}

pub(crate) fn ip(words: &[&str]) {
    assert!(
        Command::new("ip").args(words).status().is_ok_and(|status| status.success()),
        "ip {words:?}"
    );
}
