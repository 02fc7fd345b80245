//! GC: what belongs to no valid attachment goes, by the journals; then the plugin does its own.

use super::guest::Prepared;
use super::node_lock::NodeLock;
use super::undoing::{self, Taken};
use super::{JOURNAL_PATIENCE, Job, World, journal_error, netns_error, runner};
use crate::cni::{CniError, Code};
use crate::component::Bundled;
use crate::journal::Journals;
use crate::names::Attachment;

/// Serves GC: goes on after failures, and tells them all at the end. (SPEC.md, "GC")
pub(super) fn run(world: &World, plugin: &Bundled, job: Job) -> Result<String, CniError> {
    let Some(valid) = job.valid.clone() else {
        return Err(CniError::new(
            Code::InvalidConfiguration,
            "no list of valid attachments: without the key \"cni.dev/valid-attachments\" it is \
             not known what may go; an empty list means everything",
        ));
    };
    let journals = Journals::open(&world.directories.run).map_err(|e| journal_error(&e))?;
    let lock = NodeLock::exclusive(&world.directories.run)?;
    let known = journals.of_network(&job.conf.name, plugin.name).map_err(|e| journal_error(&e))?;
    let mut failures = Vec::new();
    for attachment in known {
        let is_valid = valid.iter().any(|v| {
            v.container_id == attachment.container_id.as_str()
                && v.if_name == attachment.ifname.as_str()
        });
        if !is_valid && let Err(e) = remove(world, plugin, &job, &journals, &attachment) {
            failures.push(e.to_string());
        }
    }
    let kernel = world.node.kernel(None).map_err(|e| netns_error(&e))?;
    let plugin_said = Prepared::new(world, plugin)
        .and_then(|prepared| runner(world, plugin, prepared, job, kernel, None))
        .and_then(|runner| runner.run(plugin));
    drop(lock);
    match (plugin_said, failures.is_empty()) {
        (Ok(_), true) => Ok(String::new()),
        (Ok(_), false) => Err(CniError::new(Code::Internal, failures.join("; "))),
        (Err(error), true) => Err(error),
        (Err(mut error), false) => {
            error.details = format!("{}; {}", error.details, failures.join("; "));
            Err(error)
        }
    }
}

fn remove(
    world: &World,
    plugin: &Bundled,
    job: &Job,
    journals: &Journals,
    attachment: &Attachment,
) -> Result<(), CniError> {
    let mut journal = journals
        .attachment(attachment, plugin.name, JOURNAL_PATIENCE)
        .map_err(|e| journal_error(&e))?;
    let mut kernel = world.node.kernel(None).map_err(|e| netns_error(&e))?;
    let stale = Job { attachment: Some(attachment.clone()), ..job.clone() };
    let complete = journal.complete();
    let mut undoing = undoing::own_only(world, &stale, kernel.as_mut());
    undoing.shared = !complete;
    undoing.alone = !journals.any_other(attachment);
    let failures = undoing.run(&mut journal, 0);
    let taken = Taken::close(journal, failures, false);
    match taken.failures() {
        [] => Ok(()),
        failures => Err(CniError::new(
            Code::Internal,
            format!(
                "removing container {} interface {}: {}",
                attachment.container_id,
                attachment.ifname,
                failures.join("; ")
            ),
        )),
    }
}
