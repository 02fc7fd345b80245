//! The node of a recording, made anew, and the call on it.

use serde_json::Value;

use super::super::chance;
use super::super::failure::{Doing, Failure};
use super::super::plan::grants_of_dir;
use super::super::snapshot::fitted;
use super::super::trial::{Answered, GivenGrants, Network, NodeFile, Others, Trial};
use super::super::words;
use super::Replayed;
use super::differences::{between, transcript};
use crate::audit::Operation;
use crate::directories::Directories;
use crate::kernel::faults::{At, OPERATIONS};
use crate::kernel::sim::State;
use crate::kernel::{Errno, KernelError};
use crate::recording::{CONTAINER, Identity, Netns, Recording};

/// Serves the call again.
pub(super) fn replay(
    recording: &Recording,
    options: &words::Replay,
    mut others: Others,
    node: &Directories,
) -> Result<Replayed, Failure> {
    let mut notes = Vec::new();
    components(recording, &mut others, node, &mut notes)?;
    let start = start(recording, &mut notes)?;
    let network = Network::parse(&recording.stdin).doing(|| "reading the configuration")?;
    let mut grants = match &options.grants {
        Some(dir) => grants_of_dir(dir, &others)?,
        None => Vec::new(),
    };
    for (plugin, own) in &recording.grants {
        if !grants.iter().any(|given| given.plugin == *plugin) {
            let (plugin, file, text) = (plugin.clone(), own.file.clone(), own.text.clone());
            grants.push(GivenGrants { plugin, file, text });
        }
    }
    let files =
        recording.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes()));
    let files: Vec<_> = files.collect();
    let trial = Trial::new(&start, grants, &others, &files, &network)?;
    for (name, text) in &recording.journals {
        trial.put_journal(name, &journal(text, recording, &trial))?;
    }
    let env = |key: &str| recording.environment.get(key).cloned();
    let netns = recording.netns.clone().map(|netns| match netns {
        Netns::Named(name) => Ok(name),
        Netns::Problem(reason) => Err(reason),
    });
    let path = env("CNI_NETNS").unwrap_or_default();
    let answers = answers(recording)?;
    let again = trial.call_again(&recording.plugin, &env, &recording.stdin, (path, netns), answers);
    notes.extend(again.unmet);
    let called = again.called;
    let steps: Vec<Operation> = called.steps.iter().map(Operation::of).collect();
    let known = chance::of(&recording.node.to_string());
    let reply = &recording.reply;
    let recorded = transcript(&recording.steps, &reply.stdout, reply.status, &known);
    let replayed = transcript(&steps, &called.reply.stdout, called.reply.status, &known);
    if recording.steps_left_out > 0 {
        notes.push(format!("{} steps were too many to be recorded", recording.steps_left_out));
    }
    Ok(Replayed { differences: between(&recorded, &replayed), notes, steps: steps.len() })
}

/// The components that ran: given, or installed here under the same digest.
fn components(
    recording: &Recording,
    others: &mut Others,
    node: &Directories,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    if recording.wasmcni != env!("CARGO_PKG_VERSION") {
        let (then, now) = (&recording.wasmcni, env!("CARGO_PKG_VERSION"));
        notes.push(format!("it was served by wasmcni {then}, and this is {now}"));
    }
    if recording.runs.iter().all(|run| run.plugin != recording.plugin) {
        others.add_installed(std::slice::from_ref(&recording.plugin), node)?;
    }
    for run in &recording.runs {
        let plugin = &run.plugin;
        if run.component == "native" {
            notes.push(format!("{plugin} is a native program, and these are not run"));
        }
        let given = others.find(plugin).is_some();
        let foreign = run.component.starts_with("sha256:");
        if foreign && !given {
            others.add_installed(std::slice::from_ref(plugin), node)?;
        }
        let digest = others.find(plugin).map(|other| format!("sha256:{}", other.digest));
        match digest {
            Some(digest) if digest == run.component => {}
            Some(digest) if given => {
                notes.push(format!("{plugin} was {}, and is {digest}", run.component));
            }
            Some(_) | None if foreign => {
                let cause = format!("{plugin} was {}, which is not installed here", run.component);
                return Err(Failure::new("looking for the components that ran", cause)
                    .remedy(format!("Name the component: --plugin {plugin}=FILE.wasm")));
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// The node as the model can have it.
fn start(recording: &Recording, notes: &mut Vec<String>) -> Result<NodeFile, Failure> {
    let doing = || "reading the recorded node";
    let mut document = recording.node.clone();
    if let Value::Object(object) = &mut document {
        object.remove("wasmcni-node");
        let left_out = object.remove("left_out").unwrap_or_default();
        let sentences = left_out.as_array().into_iter().flatten().filter_map(Value::as_str);
        notes.extend(sentences.map(|sentence| format!("not in it: {sentence}")));
    }
    let state = State::from_json(&document).doing(doing)?;
    let (state, odd) = fitted(state)?;
    notes.extend(odd.into_iter().map(|sentence| format!("not in it: {sentence}")));
    Ok(NodeFile { state, ..NodeFile::default() })
}

/// What the kernel is to refuse.
fn answers(recording: &Recording) -> Result<Vec<Answered>, Failure> {
    let answer = |failed: &crate::recording::Failed| {
        let name = OPERATIONS.into_iter().find(|name| *name == failed.operation);
        let name = name.ok_or_else(|| {
            let cause = format!("{:?} is no operation", failed.operation);
            Failure::new("reading what the kernel refused", cause)
        })?;
        let error = KernelError {
            act: failed.act.clone(),
            errno: Errno::from_raw(failed.errno),
            hint: failed.hint.clone(),
        };
        Ok(Answered { kernel: failed.kernel, at: At::Named(name, failed.nth), error })
    };
    recording.failures.iter().map(answer).collect()
}

/// A journal with the namespaces and directories of the trial in the place of the node's.
fn journal(text: &str, recording: &Recording, trial: &Trial) -> String {
    let now = trial.identities(CONTAINER);
    let lines = text.lines().filter_map(|line| {
        // What is no JSON is no record either.
        let mut record: Value = serde_json::from_str(line).ok()?;
        move_here(&mut record, recording, trial, &now);
        Some(format!("{record}\n"))
    });
    lines.collect()
}

fn move_here(value: &mut Value, recording: &Recording, trial: &Trial, now: &[(&str, Identity)]) {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let identity = serde_json::from_value::<Identity>(value.clone()).ok();
                let named = identity.and_then(|identity| {
                    let named = recording.identities.iter().find(|(_, other)| **other == identity);
                    let (name, _) = named?;
                    now.iter().find(|(known, _)| known == name)
                });
                match (key.as_str(), named, value.as_str()) {
                    ("netns", Some((_, identity)), _) => {
                        *value = serde_json::to_value(identity).unwrap_or_default();
                    }
                    ("data_dir", _, Some(path)) => {
                        *value = Value::from(trial.named(path).display().to_string());
                    }
                    _ => move_here(value, recording, trial, now),
                }
            }
        }
        Value::Array(array) => {
            array.iter_mut().for_each(|value| move_here(value, recording, trial, now));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
