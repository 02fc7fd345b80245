//! DEL: cannot be blocked. What the plugin does not remove, the journal does.

use super::node_lock::NodeLock;
use super::undoing::{self, Taken};
use super::{Job, World, journal, journal_error, netns_error, not_own_netns, runner};
use crate::cni::CniError;
use crate::component::Bundled;
use crate::journal::Journals;

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
    let alone = !complete && !journals.any_other(journal.attachment());
    let runner = runner(world, plugin, job, kernel, Some(journal))?;
    let plugin_said = runner.run(plugin);
    let Some(mut journal) = runner.call().journal().take() else { return Ok(String::new()) };
    let failures = {
        let mut kernel = runner.call().kernel();
        let mut undoing = undoing::own_only(world, runner.job(), kernel.as_mut());
        undoing.shared = ours && !complete && lock.become_exclusive();
        undoing.alone = alone;
        undoing.run(&mut journal, 0)
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
