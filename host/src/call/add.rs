//! ADD: a transaction. What a failed one did is taken back before the runtime hears of it.

use std::rc::Rc;

use super::guest::{Prepared, Runner};
use super::node_lock::NodeLock;
use super::undoing::{self, Taken};
use super::{Job, World, journal, journal_error, netns_error, not_own_netns, runner};
use crate::cni::{CniError, CniResult, Code};
use crate::component::Bundled;
use crate::journal::{Journal, Journals, MovedLink, Undo};
use crate::kernel::{Kernel, Role};

/// Serves ADD; returns the result's JSON.
pub(super) fn run(world: &World, plugin: &Bundled, job: Job) -> Result<String, CniError> {
    let mut kernel = world.node.kernel(job.netns.as_deref()).map_err(|e| netns_error(&e))?;
    not_own_netns(kernel.as_ref(), &job)?;
    let prepared = Prepared::new(world, plugin)?;
    let journals = Journals::open(&world.directories.run).map_err(|e| journal_error(&e))?;
    let lock = NodeLock::shared(&world.directories.run)?;
    let mut journal = journal(&journals, &job, plugin)?;
    if let Some(damage) = journal.damage() {
        return Err(journal_error(damage));
    }
    let former_stands = clear_remains(world, &job, kernel.as_mut(), &mut journal)?;
    // What a killed ADD made for all is this one's to take back.
    let from = if former_stands { journal.length() } else { 0 };
    let version = job.conf.version;
    let runner = runner(world, plugin, prepared, job, kernel, Some(journal))?;
    begin(&runner)?;
    let done = runner.run(plugin).and_then(|result| finish(&runner, result, version));
    match done {
        Ok(stdout) => Ok(stdout),
        Err(error) => {
            let taken = take_back(world, &runner, &journals, &lock, from, former_stands);
            Err(taken.told_in(error))
        }
    }
}

fn begin(runner: &Rc<Runner>) -> Result<(), CniError> {
    let mut journal = runner.call().journal();
    let Some(Err(error)) = journal.as_mut().map(Journal::begin) else { return Ok(()) };
    // Nobody wrote to it: the file goes.
    journal.take();
    Err(journal_error(&error))
}

/// The result as text, and the journal closed: from here on the attachment stands.
fn finish(
    runner: &Rc<Runner>,
    result: Option<CniResult>,
    version: crate::cni::SpecVersion,
) -> Result<String, CniError> {
    let text = result.unwrap_or_default().to_json(version)?;
    runner.output(text.len())?;
    if let Some(journal) = runner.call().journal().as_mut() {
        journal.completed().map_err(|e| journal_error(&e))?;
    }
    Ok(text)
}

/// Removes what stands in the way of an ADD although nobody reported it: the remains of one that was
/// killed, or of an attachment whose netns is gone. Returns whether there is an attachment, which stays.
fn clear_remains(
    world: &World,
    job: &Job,
    kernel: &mut dyn Kernel,
    journal: &mut Journal,
) -> Result<bool, CniError> {
    if !journal.begun() {
        return Ok(false);
    }
    if journal.complete() && stands(kernel, journal) {
        return Ok(true);
    }
    let failures = undoing::own_only(world, job, kernel).run(journal, 0);
    if failures.is_empty() {
        return Ok(false);
    }
    let text = format!("removing what a former ADD left: {}", failures.join("; "));
    Err(CniError::new(Code::TryAgainLater, text))
}

/// Whether any link that the journal tells of is still in the container's netns of this call.
fn stands(kernel: &mut dyn Kernel, journal: &Journal) -> bool {
    let netns = kernel.netns(Role::Container);
    let mut links = 0;
    for (_, record) in journal.open_records(0) {
        let (Undo::Link { at, .. } | Undo::MovedLink(MovedLink { at, .. })) = record.undo else {
            continue;
        };
        if at.role != Role::Container {
            continue;
        }
        links += 1;
        let here = Some(at.netns) == netns;
        let index = record.index.filter(|_| here);
        if index.is_some_and(|index| matches!(kernel.link_by_index(at.role, index), Ok(Some(_)))) {
            return true;
        }
    }
    // A plugin that makes no link in the container (loopback): what it did is done again.
    links == 0
}

fn take_back(
    world: &World,
    runner: &Rc<Runner>,
    journals: &Journals,
    lock: &NodeLock,
    from: usize,
    former_stands: bool,
) -> Taken {
    let Some(mut journal) = runner.call().journal().take() else { return Taken::default() };
    let alone = !journals.any_other(journal.attachment());
    let container = !journals.any_other_of_container(journal.attachment());
    let failures = {
        let mut kernel = runner.call().kernel();
        let mut undoing = undoing::own_only(world, runner.job(), kernel.as_mut());
        undoing.shared = lock.become_exclusive();
        undoing.alone = alone;
        undoing.container = container;
        undoing.last = container;
        undoing.run(&mut journal, from)
    };
    Taken::close(journal, failures, former_stands)
}
