//! What the verbs share of taking things back.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::{Job, World, native};
use crate::cni::{CniError, Verb};
use crate::flannel;
use crate::ipam::{self, Store};
use crate::journal::{Journal, Reservations, Undoing};
use crate::kernel::Kernel;
use crate::names::{Attachment, PluginName};

/// How long releasing an address waits for the network's lock.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// Releases addresses in the node's directories, and runs native delegates.
struct Releasing<'a> {
    world: &'a World,
    job: &'a Job,
}

impl Reservations for Releasing<'_> {
    fn release(
        &mut self,
        data_dir: &Path,
        attachment: &Attachment,
        address: IpAddr,
    ) -> Result<(), String> {
        let index = self.world.directories.run.join("ipam");
        let mut store = Store::open(data_dir, &attachment.network, &index, STORE_PATIENCE)
            .map_err(|e| e.to_string())?;
        let holder = ipam::Attachment {
            container_id: attachment.container_id.clone(),
            ifname: attachment.ifname.clone(),
        };
        store.release_address(&holder, address).map(|_| ()).map_err(|e| e.to_string())
    }

    fn native_del(&mut self, plugin: &PluginName, conf: Option<&str>) -> Result<(), String> {
        let run = |job: &Job| {
            native::run(self.world, job, Verb::Del, plugin, native::UNDO_PATIENCE).map(|_| ())
        };
        let done = match conf {
            None => run(self.job),
            Some(text) => self
                .job
                .conf
                .for_delegate(plugin, text, Verb::Del)
                .and_then(|conf| run(&Job { conf, ..self.job.clone() })),
        };
        done.map_err(|e| format!("running {plugin} DEL: {e}"))
    }

    fn remove_saved(&mut self, data_dir: &Path, attachment: &Attachment) -> Result<(), String> {
        flannel::saved::remove(data_dir, attachment, flannel::saved::Unmarked::Others)
            .map_err(|e| e.to_string())
    }
}

/// An undoing of what is the attachment's own; the caller may widen it to shared things.
pub(super) fn own_only<'a>(
    world: &'a World,
    job: &'a Job,
    kernel: &'a mut dyn Kernel,
) -> OwnUndoing<'a> {
    let releasing = Releasing { world, job };
    OwnUndoing { kernel, releasing, shared: false, alone: false, container: false, last: false }
}

/// [`Undoing`], with what it borrows.
pub(super) struct OwnUndoing<'a> {
    kernel: &'a mut dyn Kernel,
    releasing: Releasing<'a>,
    pub(super) shared: bool,
    pub(super) alone: bool,
    pub(super) container: bool,
    pub(super) last: bool,
}

impl OwnUndoing<'_> {
    /// Takes back what is open since record `from`; returns the failures.
    pub(super) fn run(&mut self, journal: &mut Journal, from: usize) -> Vec<String> {
        let &mut Self { shared, alone, container, last, .. } = self;
        let (kernel, reservations) = (&mut *self.kernel, &mut self.releasing);
        Undoing { kernel, reservations, shared, alone, container, last }.run(journal, from)
    }
}

/// What came of taking back.
#[derive(Debug, Default)]
pub(super) struct Taken {
    failures: Vec<String>,
}

impl Taken {
    /// Closes the journal: removed when nothing is left to tell, kept for the next DEL otherwise.
    pub(super) fn close(
        mut journal: Journal,
        mut failures: Vec<String>,
        former_stands: bool,
    ) -> Self {
        if former_stands {
            if let Err(e) = journal.completed() {
                failures.push(e.to_string());
            }
        } else if failures.is_empty()
            && let Err(e) = journal.remove()
        {
            failures.push(e.to_string());
        }
        Self { failures }
    }

    pub(super) fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The error that led here, with what could not be taken back.
    pub(super) fn told_in(self, mut error: CniError) -> CniError {
        if !self.failures.is_empty() {
            let left = self.failures.join("; ");
            error.details =
                format!("{}; not taken back (DEL will try again): {left}", error.details);
        }
        error
    }
}
