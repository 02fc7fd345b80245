//! `wasmcni snapshot`: a real node as a file that plans and tests start from.
#![allow(clippy::disallowed_methods, reason = "an operator's command looks around the node")]

mod mask;

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::failure::{Doing, Failure};
use super::trial::{NodeFile, Reservations, holder};
use super::{say, words};
use crate::directories::Directories;
use crate::kernel::linux::{ContainerNetns, LinuxKernel};
use crate::kernel::sim::{BadState, SimNode, State};
use crate::kernel::{Kernel, Role};
use crate::recording::Taken;

/// Where a name is looked for.
const NAMED_NETNS: &str = "/run/netns";

/// `wasmcni snapshot`
pub(super) fn run(
    options: &words::Snapshot,
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut host = LinuxKernel::new(None).doing(|| "opening the kernel")?;
    let mut taken = Taken::default();
    taken.netns("host", &mut host, Role::Host);
    for named in &options.netns {
        let path =
            if named.is_absolute() { named.clone() } else { Path::new(NAMED_NETNS).join(named) };
        let netns = ContainerNetns::open(&path).doing(|| format!("entering {named:?}"))?;
        let mut kernel = LinuxKernel::new(Some(netns)).doing(|| format!("entering {named:?}"))?;
        if kernel.netns(Role::Container) == kernel.netns(Role::Host) {
            return Err(Failure::new(format!("entering {named:?}"), "it is the node's own"));
        }
        taken.netns(&name_of(named), &mut kernel, Role::Container);
    }
    taken.filters(&mut host);
    let (state, mut left_out) = taken.finish();
    let (state, odd) = fitted(state)?;
    left_out.extend(odd);
    let reservations = reservations(&directories.reservations, &mut left_out);
    for sentence in &left_out {
        let _ = writeln!(io::stderr(), "wasmcni snapshot: not in it: {sentence}");
    }
    let file = NodeFile { state, reservations, left_out };
    let mut document = file.to_json();
    if options.mask {
        let key = mask::key().doing(|| "getting random numbers")?;
        document = mask::masked(&document, &key);
        NodeFile::from_json(&document).doing(|| "masking")?;
    }
    say(out, format_args!("{document:#}"))
}

/// `blue` of `/run/netns/blue`, `proc-4711` of `/proc/4711/ns/net`.
fn name_of(path: &Path) -> String {
    let parts: Vec<String> =
        path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    match parts.as_slice() {
        [_, proc, process, ns, _] if proc == "proc" && ns == "ns" => format!("proc-{process}"),
        [.., last] => last.clone(),
        [] => "container".to_owned(),
    }
}

/// The state as the simulated kernel has it, and what that could not take.
pub(super) fn fitted(state: State) -> Result<(State, Vec<String>), Failure> {
    let doing = || "fitting the node into a model";
    let mut document = serde_json::to_value(&state).doing(doing)?;
    let mut odd = Vec::new();
    loop {
        let read = State::from_json(&document).doing(doing)?;
        match SimNode::from_state(&read) {
            Ok(node) => {
                let fitted = node.snapshot();
                odd.extend(otherwise(&state, &fitted));
                return Ok((fitted, odd));
            }
            Err(BadState { at, problem, .. }) => {
                if !remove(&mut document, &at) {
                    return Err(Failure::new(doing(), format!("{at}: {problem}")));
                }
                odd.push(format!("{at}: {problem}"));
            }
        }
    }
}

/// Takes a part out of a document; of a link whose kind does not fit, the link.
fn remove(document: &mut Value, at: &str) -> bool {
    let at = at.strip_suffix("/kind").unwrap_or(at);
    let mut parts: Vec<&str> = at.split('/').collect();
    // Keys of sysctls have slashes.
    if let ["netns", netns, "sysctls", ..] = parts.as_slice() {
        let key = at.strip_prefix(&format!("netns/{netns}/sysctls/")).unwrap_or_default();
        parts = vec!["netns", netns, "sysctls", key];
    }
    let Some((last, above)) = parts.split_last() else { return false };
    let place = above.iter().try_fold(document, |value, part| value.get_mut(part));
    match place {
        Some(Value::Object(object)) => object.remove(*last).is_some(),
        Some(Value::Array(array)) => match last.parse::<usize>() {
            Ok(index) if index < array.len() => {
                array.remove(index);
                true
            }
            Ok(_) | Err(_) => false,
        },
        _ => false,
    }
}

/// Where the model says otherwise than the kernel, but for sysctls that are as usual.
fn otherwise(seen: &State, fitted: &State) -> Vec<String> {
    let lines = seen.difference(fitted).into_iter();
    let wanted = |line: &String| !line.contains("/sysctls");
    lines.filter(wanted).map(|line| format!("the model has it so: {line}")).collect()
}

/// What files below a directory of reservations say, as far as they may be read.
fn reservations(dir: &Path, left_out: &mut Vec<String>) -> Reservations {
    let mut found = Reservations::new();
    let mut missed = 0;
    for network in files(dir) {
        let Some(name) = network.file_name().and_then(|name| name.to_str()) else { continue };
        for file in files(&network) {
            let address = file.file_name().and_then(|name| name.to_str());
            let Some(address) = address.and_then(|name| name.parse::<IpAddr>().ok()) else {
                continue;
            };
            let Ok(text) = fs::read_to_string(&file) else {
                missed += 1;
                continue;
            };
            let owner = text.split_whitespace().collect::<Vec<_>>().join(" ");
            // A file of an old version names the container alone: its interface is the usual one.
            let owner = if owner.contains(' ') { owner } else { format!("{owner} eth0") };
            if holder(&owner).is_some() {
                found.entry(name.to_owned()).or_default().insert(address, owner);
            } else {
                missed += 1;
            }
        }
    }
    if missed > 0 {
        left_out.push(format!("{missed} reservations below {dir:?} that cannot be read"));
    }
    found
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
