//! One CNI call, from a request to what is written on stdout. The only module that knows all others.

mod add;
mod del;
mod delegates;
mod gc;
mod guest;
mod native;
mod node_lock;
mod undoing;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::audit::{Attached, Audit, Subject};
use crate::cni::{
    CniArgs, CniError, CniResult, Code, NetworkConf, Request, SpecVersion, ValidAttachment, Verb,
};
use crate::component::Bundled;
use crate::directories::Directories;
use crate::gate::{Call, Trail};
use crate::journal::{Journal, JournalError, Journals};
use crate::kernel::{Kernel, Role};
use crate::names::Attachment;
use guest::{Prepared, Runner};

/// How long a call waits for another one on the same attachment.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(20);

/// Why a container's netns cannot be entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entering netns {path:?}: {reason}")]
pub struct NetnsProblem {
    /// `CNI_NETNS`.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

/// The node that a call is made on: where its kernel comes from.
pub trait Node {
    /// The kernel, with a container's netns if the call has one.
    ///
    /// # Errors
    /// When the netns cannot be entered.
    fn kernel(&self, netns: Option<&Path>) -> Result<Box<dyn Kernel>, NetnsProblem>;
}

/// Everything outside that a call depends on.
pub struct World {
    /// The node.
    pub node: Box<dyn Node>,
    /// Its directories.
    pub directories: Directories,
    /// Plugins that can be run, by CNI type.
    pub plugins: Vec<Bundled>,
    /// Where words for the operator go.
    pub log: Rc<dyn Fn(&str)>,
    /// The environment, for native delegates.
    pub environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    /// The process ends with this call: memory, threads and sockets are left to the kernel, which
    /// takes them down faster than we could.
    pub last_call: bool,
    /// Where plugins' steps are kept, for those who want to know: an audit does.
    pub trail: Rc<Trail>,
    /// The audit.
    pub audit: Option<Audit>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("directories", &self.directories).finish_non_exhaustive()
    }
}

/// What a call writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// All of stdout.
    pub stdout: String,
    /// All of stderr, but for the log.
    pub stderr: String,
    /// 0 or 1.
    pub status: u8,
}

impl Reply {
    fn success(stdout: String) -> Self {
        Self { stdout, stderr: String::new(), status: 0 }
    }

    /// An error as the runtime gets it.
    pub fn failure(error: &CniError, version: Option<SpecVersion>) -> Self {
        let stdout = format!("{}\n", error.to_json(version));
        Self { stdout, stderr: String::new(), status: 1 }
    }
}

/// What a call is about, whatever its verb.
#[derive(Debug, Clone)]
struct Job {
    verb: Verb,
    attachment: Option<Attachment>,
    conf: NetworkConf,
    args: CniArgs,
    path: Vec<PathBuf>,
    netns: Option<PathBuf>,
    /// Whether `netns` may be the node's own.
    netns_override: bool,
    prev_result: Option<CniResult>,
    valid: Option<Vec<ValidAttachment>>,
}

/// Serves a request for the plugin of CNI type `plugin`.
pub fn run(world: &World, plugin: &Bundled, request: Request) -> Reply {
    let (job, damage) = match request {
        Request::About(text) => {
            return Reply { stdout: String::new(), stderr: text, status: 0 };
        }
        Request::Version(text) => return Reply::success(text),
        Request::Add(add) => {
            let job = Job {
                verb: Verb::Add,
                attachment: Some(add.attachment),
                conf: add.conf,
                args: add.args,
                path: add.path,
                netns: Some(add.netns),
                netns_override: add.netns_override,
                prev_result: add.prev_result,
                valid: None,
            };
            (job, None)
        }
        Request::Del(del) => {
            let job = Job {
                verb: Verb::Del,
                attachment: Some(del.attachment),
                conf: del.conf,
                args: del.args,
                path: del.path,
                netns: del.netns,
                netns_override: del.netns_override,
                prev_result: del.prev_result,
                valid: None,
            };
            (job, del.damage)
        }
        Request::Check(check) => {
            let job = Job {
                verb: Verb::Check,
                attachment: Some(check.attachment),
                conf: check.conf,
                args: check.args,
                path: check.path,
                netns: Some(check.netns),
                netns_override: true,
                prev_result: check.prev_result,
                valid: None,
            };
            (job, None)
        }
        Request::Gc(gc) => {
            let job = Job {
                verb: Verb::Gc,
                attachment: None,
                conf: gc.conf,
                args: gc.args,
                path: gc.path,
                netns: None,
                netns_override: true,
                prev_result: None,
                valid: gc.valid,
            };
            (job, None)
        }
        Request::Status(status) => {
            let job = Job {
                verb: Verb::Status,
                attachment: None,
                conf: status.conf,
                args: status.args,
                path: status.path,
                netns: None,
                netns_override: true,
                prev_result: None,
                valid: None,
            };
            (job, None)
        }
    };
    if let Some(damage) = damage {
        (world.log)(&format!("warn: going on without prevResult: {damage}"));
    }
    let version = job.conf.version;
    let audited = world.audit.as_ref().map(|audit| (audit, subject(&job)));
    let served = match job.verb {
        Verb::Add => add::run(world, plugin, job),
        Verb::Del => del::run(world, plugin, job),
        Verb::Gc => gc::run(world, plugin, job),
        Verb::Check | Verb::Status | Verb::Version => look(world, plugin, job),
    };
    if let Some((audit, subject)) = audited
        && let Err(e) = audit.end(subject, &world.trail, served.as_ref().err())
    {
        (world.log)(&format!("warn: {e}"));
    }
    match served {
        Ok(stdout) => Reply::success(stdout),
        Err(error) => Reply::failure(&error, Some(version)),
    }
}

fn subject(job: &Job) -> Subject {
    let netns = job.netns.as_deref();
    Subject {
        verb: job.verb,
        network: job.conf.name.to_string(),
        attachment: job.attachment.as_ref().map(|attachment| Attached::of(attachment, netns)),
    }
}

/// Before any work: a runtime that gives the node's own netns would have its node's links changed.
/// (The CNI library's skeleton checks the same, after the work.)
fn not_own_netns(kernel: &dyn Kernel, job: &Job) -> Result<(), CniError> {
    let container = kernel.netns(Role::Container);
    if job.netns_override || container.is_none() || container != kernel.netns(Role::Host) {
        return Ok(());
    }
    let netns = job.netns.as_deref().unwrap_or(Path::new(""));
    let text = format!(
        "CNI_NETNS {netns:?} is the node's own netns, not a container's; set \
         CNI_NETNS_OVERRIDE=1 if that is meant"
    );
    Err(CniError::new(Code::InvalidNetns, text))
}

/// CHECK and STATUS: nothing is changed, nothing written down.
fn look(world: &World, plugin: &Bundled, job: Job) -> Result<String, CniError> {
    let kernel = world.node.kernel(job.netns.as_deref()).map_err(|e| netns_error(&e))?;
    let prepared = Prepared::new(world, plugin)?;
    let runner = runner(world, plugin, prepared, job, kernel, None)?;
    runner.run(plugin).map(|_| String::new())
}

/// A runner for the call, with the plugin's deadline running.
fn runner(
    world: &World,
    plugin: &Bundled,
    prepared: Prepared,
    job: Job,
    kernel: Box<dyn Kernel>,
    journal: Option<Journal>,
) -> Result<Rc<Runner>, CniError> {
    let deadline = Instant::now() + prepared.grants().limits().deadline;
    let mut call = Call::new(
        kernel,
        journal,
        job.attachment.clone(),
        job.verb == Verb::Add,
        job.conf.name.to_string(),
        job.conf.document().clone(),
        deadline,
        world.directories.clone(),
    );
    call.trail = world.trail.clone();
    let args = job.args.pairs().unwrap_or_default();
    call.args = args.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    call.prev = job.prev_result.iter().flat_map(|prev| &prev.ips).map(|ip| ip.address).collect();
    Runner::new(world, job, Rc::new(call), plugin, prepared)
}

fn netns_error(problem: &NetnsProblem) -> CniError {
    CniError::new(Code::InvalidNetns, problem.to_string())
}

/// The attachment's journal for this plugin, locked.
fn journal(journals: &Journals, job: &Job, plugin: &Bundled) -> Result<Journal, CniError> {
    let attachment = job.attachment.as_ref().ok_or_else(|| {
        CniError::new(Code::Internal, "opening the journal: the verb is about no attachment")
    })?;
    journals.attachment(attachment, plugin.name, JOURNAL_PATIENCE).map_err(|e| journal_error(&e))
}

fn journal_error(error: &JournalError) -> CniError {
    let code = match error {
        JournalError::Busy { .. } => Code::TryAgainLater,
        JournalError::Io { .. } | JournalError::Damaged { .. } => Code::IoFailure,
    };
    CniError::new(code, error.to_string())
}
