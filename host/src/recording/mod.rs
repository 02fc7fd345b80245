//! Recordings: all that decided a call, in a file for each, to be replayed elsewhere.
//!
//! Off unless the operator's configuration names a directory. What is in a file: docs/recordings.md and
//! [`Recording`]; why it is so cut: docs/decisions/0014-recordings.md.

mod before;
mod directory;
mod document;
mod taken;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use go_json::Node;

use crate::audit::{Operation, Run};
use crate::config;
use crate::directories::Directories;
use crate::gate::Trail;
use crate::kernel::{Kernel, faults};
use crate::names::Attachment;

pub use directory::WriteError;
pub use document::{Failed, Grants, Identity, Netns, Recording, Said, VARIABLES};
pub use taken::Taken;

/// Name of the container's netns in a recording.
pub const CONTAINER: &str = "container";

/// Where a call is recorded, and what the runtime said.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// The directory.
    pub to: PathBuf,
    /// How many recordings it may hold; the oldest go. `None`: any number.
    pub keep: Option<usize>,
    /// The environment; of it CNI's variables are recorded.
    pub environment: BTreeMap<String, String>,
    /// All of stdin.
    pub stdin: String,
}

/// What a call is about, as far as it is recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) network: &'a str,
    pub(crate) attachment: Option<&'a Attachment>,
    pub(crate) configuration: &'a Node,
    pub(crate) directories: &'a Directories,
}

/// A call that is being recorded.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    recorder: &'a Recorder,
    about: About<'a>,
    recording: Recording,
}

impl Recorder {
    /// Takes down what is there before the call: the kernel with the container's netns, or why that cannot be
    /// entered; `None`: the call has none.
    pub(crate) fn begin<'a>(
        &'a self,
        about: About<'a>,
        host: &mut dyn Kernel,
        container: Option<Result<&Path, String>>,
    ) -> Begun<'a> {
        let mut recording = Recording::new(about.plugin, &self.environment, &self.stdin);
        recording.before(about, host, container);
        Begun { recorder: self, about, recording }
    }
}

impl Begun<'_> {
    /// Takes down what came of the call, and writes the file.
    ///
    /// # Errors
    /// When it cannot be written; the call is over by then, and stands as it is.
    pub(crate) fn end(
        mut self,
        trail: &Trail,
        kernels: &[faults::Record],
        stdout: &str,
        status: u8,
    ) -> Result<(), WriteError> {
        let (steps, left_out) = trail.steps();
        let recording = &mut self.recording;
        recording.steps = steps.iter().map(Operation::of).collect();
        recording.steps_left_out = left_out;
        recording.runs = trail.runs().into_iter().map(Run::of).collect();
        recording.failures = failures(kernels);
        recording.reply = Said { stdout: stdout.to_owned(), status };
        let ran = recording.runs.iter().map(|run| run.plugin.clone());
        let mut plugins: Vec<String> = ran.chain([self.about.plugin.to_owned()]).collect();
        plugins.sort();
        plugins.dedup();
        for plugin in plugins {
            // One that cannot be used says so in the reply.
            let own = config::grant_file(&self.about.directories.config, &plugin);
            if let Ok(Some((file, text))) = own {
                let file = file.display().to_string();
                recording.grants.insert(plugin, Grants { file, text });
            }
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        recording.time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        directory::write(self.recorder, recording, root(self.about.directories).as_deref())
    }
}

/// What stands for `/` on this node, if anything does: it is left out of recordings.
fn root(directories: &Directories) -> Option<String> {
    let root = directories.config.parent()?.parent()?.to_str()?;
    let root = root.trim_end_matches('/');
    (!root.is_empty()).then(|| root.to_owned())
}

/// What the kernel refused.
fn failures(kernels: &[faults::Record]) -> Vec<Failed> {
    let mut all = Vec::new();
    for (kernel, record) in kernels.iter().enumerate() {
        let operations = record.operations();
        for (place, operation) in operations.iter().enumerate() {
            let Some(error) = &operation.failed else { continue };
            let before = operations.iter().take(place + 1);
            all.push(Failed {
                kernel,
                operation: operation.name.to_owned(),
                nth: before.filter(|other| other.name == operation.name).count(),
                act: error.act.clone(),
                errno: error.errno as i32,
                hint: error.hint.clone(),
            });
        }
    }
    all
}
