//! DEL: cannot be blocked. What the plugin does not remove, the journal does.

use super::guest::Prepared;
use super::node_lock::NodeLock;
use super::undoing::{self, Taken};
use super::{Job, World, journal, journal_error, netns_error, not_own_netns, runner};
use crate::cni::CniError;
use crate::component::Bundled;
use crate::journal::{Journal, Journals, Record, Sharing};
use crate::kernel::Kernel;

/// Serves DEL.
pub(super) fn run(world: &World, plugin: &Bundled, job: Job) -> Result<String, CniError> {
    // A netns that is gone, or is none, keeps nothing from being removed on the node's side.
    let kernel = match world.node.kernel(job.netns.as_deref()) {
        Ok(kernel) => kernel,
        Err(problem) => {
            (world.log)(&format!("warn: going on without the container's netns: {problem}"));
            world.node.kernel(None).map_err(|e| netns_error(&e))?
        }
    };
    not_own_netns(kernel.as_ref(), &job)?;
    let journals = Journals::open(&world.directories.run).map_err(|e| journal_error(&e))?;
    let lock = NodeLock::shared(&world.directories.run)?;
    let journal = journal(&journals, &job, plugin)?;
    if let Some(damage) = journal.damage() {
        (world.log)(&format!("warn: {damage}"));
    }
    let (ours, complete) = (journal.begun(), journal.complete());
    let unfinished = ours && !complete;
    let alone = unfinished && !journals.any_other(journal.attachment());
    let of_container = |(_, record): &(_, Record)| record.sharing == Sharing::Container;
    let asked = unfinished || journal.open_records(0).iter().any(of_container);
    let last = asked && !journals.any_other_of_container(journal.attachment());
    let undo = |kernel: &mut dyn Kernel, job: &Job, journal: &mut Journal| {
        let mut undoing = undoing::own_only(world, job, kernel);
        undoing.shared = unfinished && lock.become_exclusive();
        undoing.alone = alone;
        undoing.container = unfinished && last;
        undoing.last = last;
        undoing.run(journal, 0)
    };
    let (plugin_said, journal, failures) = match Prepared::new(world, plugin) {
        Ok(prepared) => {
            let runner = runner(world, plugin, prepared, job, kernel, Some(journal))?;
            let plugin_said = runner.run(plugin);
            let Some(mut journal) = runner.call().journal().take() else {
                return Ok(String::new());
            };
            let failures = undo(runner.call().kernel().as_mut(), runner.job(), &mut journal);
            (plugin_said, journal, failures)
        }
        // Of a plugin that cannot be run, what it made can be removed nevertheless.
        Err(error) => {
            let (mut kernel, mut journal) = (kernel, journal);
            let failures = undo(kernel.as_mut(), &job, &mut journal);
            (Err(error), journal, failures)
        }
    };
    let taken = Taken::close(journal, failures, false);
    match plugin_said {
        // All that the attachment had is gone, by the journal: the plugin's trouble is only told.
        Err(error) if ours && taken.failures().is_empty() => {
            (world.log)(&format!("warn: the plugin failed, its journal was taken back: {error}"));
            Ok(String::new())
        }
        Err(error) => Err(taken.told_in(error)),
        Ok(_) if taken.failures().is_empty() => Ok(String::new()),
        Ok(_) => Err(taken.told_in(CniError::new(
            crate::cni::Code::Internal,
            "removing what the attachment had",
        ))),
    }
}
