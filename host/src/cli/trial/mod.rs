//! Calls on a simulated node: the real components, gate, journal and reservations, on a kernel that is a
//! model and in directories that are thrown away. Nothing of the machine is touched.
#![allow(
    clippy::disallowed_methods,
    reason = "operators' commands read and write files, and their own"
)]

mod again;
mod facts;
mod network;
mod node;
mod node_file;
mod others;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::failure::{Doing, Failure};
use crate::call::{self, Node as _, Reply, World};
use crate::cni::{CniError, Code, Plugin, Request, SpecVersion};
use crate::component::Bundled;
use crate::directories::Directories;
use crate::gate::{Step, Trail};
use crate::ipam::{Content, Store};
use crate::kernel::Errno;
use crate::kernel::faults::At;
use crate::kernel::sim::SimNode;
use crate::names::NetworkName;
use crate::recording::{Recorder, VARIABLES};
use node::TrialNode;

pub(super) use again::Answered;
pub(super) use facts::{Facts, link_local};
pub(super) use network::{Attachment, Network, Played};
pub(super) use node_file::{NodeFile, Reservations, holder};
pub(super) use others::Others;

/// Stands for CNI_PATH: what is no component is not executed in a trial.
const NO_NATIVES: &str = "/native-programs-are-not-run-in-trials";
/// Where a call's netns are; the last part is the name on the simulated node.
const NETNS: &str = "/run/netns";
/// How long a trial waits for its own lock on reservations.
const PATIENCE: Duration = Duration::from_secs(10);

/// A plugin's grants in place of those it was shipped with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenGrants {
    /// Its CNI type.
    pub(super) plugin: String,
    /// The file, as messages are to name it.
    pub(super) file: String,
    /// What is in it.
    pub(super) text: String,
}

/// A fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mishap {
    /// When.
    pub(super) at: At,
    /// The answer.
    pub(super) errno: Errno,
    /// It is done, and the answer says otherwise.
    pub(super) lost: bool,
}

/// What came of one call of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Called {
    /// The plugin that was called.
    pub(super) plugin: String,
    /// The plugins that ran, in the order in which they ended.
    pub(super) runs: Vec<String>,
    /// What they asked for.
    pub(super) steps: Vec<Step>,
    /// Steps that were too many to be kept.
    pub(super) left_out: usize,
    /// Lines for the operator.
    pub(super) log: Vec<String>,
    /// Names of the operations that changed the kernel or were to, taking back included.
    pub(super) operations: Vec<&'static str>,
    /// What it wrote to stdout.
    pub(super) reply: Reply,
}

/// A node for trials. Gone when it is dropped.
pub(super) struct Trial {
    root: Root,
    node: Rc<SimNode>,
    grants: Vec<GivenGrants>,
    plugins: Vec<Bundled>,
    others: Others,
    /// Whether each step is kept with what else of a policy means its values.
    pub(super) learning: bool,
    /// Where each call is recorded, if it is.
    pub(super) record: Option<PathBuf>,
    /// Where reservations are, beside the usual directory: as configurations name it.
    data_dirs: BTreeSet<String>,
}

/// A directory that is removed when this is dropped.
#[derive(Debug)]
struct Root(PathBuf);

impl Root {
    /// A new one; the template's name ends in `XXXXXX`.
    fn new(template: &str) -> Result<Self, Failure> {
        let template = std::env::temp_dir().join(template);
        let root = nix::unistd::mkdtemp(&template).doing(|| format!("creating {template:?}"))?;
        Ok(Self(root))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // What cannot be removed is in the directory for what may be: nobody is left to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Trial {
    /// A node in that state, with these grants, these plugins beside the bundled ones, and these files of
    /// the node.
    pub(super) fn new(
        start: &NodeFile,
        grants: Vec<GivenGrants>,
        others: &Others,
        files: &[(String, Vec<u8>)],
        network: &Network,
    ) -> Result<Self, Failure> {
        let root = Root::new("wasmcni-trial-XXXXXX")?;
        let node = SimNode::from_state(&start.state).doing(|| "making the node")?;
        let trial = Self {
            root,
            node: Rc::new(node),
            grants: others.grants(grants)?,
            plugins: others.plugins(),
            others: others.clone(),
            learning: false,
            record: None,
            data_dirs: network.data_dirs(),
        };
        let directories = trial.directories();
        for given in &trial.grants {
            let path = directories.config.join("plugins").join(format!("{}.toml", given.plugin));
            write(&path, given.text.as_bytes())?;
        }
        for (path, content) in files {
            write(&directories.named(path), content)?;
        }
        let sysfs = &directories.sysfs;
        fs::create_dir_all(sysfs).doing(|| format!("creating {sysfs:?}"))?;
        trial.reserve(&start.reservations, network)?;
        Ok(trial)
    }

    fn directories(&self) -> Directories {
        let root = &self.root.0;
        let usual = Directories::below(root);
        let installed = self.others.installed().unwrap_or_else(|| usual.installed.clone());
        Directories { named_root: Some(root.clone()), installed, ..usual }
    }

    /// The network's go where its configuration has them, the others' where they usually are.
    fn reserve(&self, all: &Reservations, network: &Network) -> Result<(), Failure> {
        let directories = self.directories();
        for (name, addresses) in all {
            let own = self.data_dirs.first().filter(|_| *name == network.list.name.to_string());
            let dir = own.map_or(directories.reservations.clone(), |dir| directories.named(dir));
            let doing = || format!("writing the reservations of {name:?}");
            let mut store = self.store(&dir, name)?;
            for (address, owner) in addresses {
                let holder = holder(owner).ok_or_else(|| Failure::new(doing(), owner))?;
                store.reserve(&holder, *address, 0).doing(doing)?;
            }
        }
        Ok(())
    }

    fn store(&self, dir: &Path, network: &str) -> Result<Store, Failure> {
        let doing = || format!("opening the reservations of {network:?}");
        let name = NetworkName::try_from(network).doing(doing)?;
        Store::open(dir, &name, &self.directories().run.join("ipam"), PATIENCE).doing(doing)
    }

    /// The network namespace of a container, made if it is not there.
    pub(super) fn need_netns(&mut self, name: &str) -> Result<(), Failure> {
        if self.node.has_netns(name) {
            return Ok(());
        }
        let doing = || format!("making the network namespace {name:?}");
        let node = Rc::get_mut(&mut self.node).ok_or_else(|| Failure::new(doing(), "in use"))?;
        node.add_netns(name);
        Ok(())
    }

    /// Removes a network namespace, as when a container has died.
    pub(super) fn remove_netns(&mut self, name: &str) -> Result<(), Failure> {
        let doing = || format!("removing the network namespace {name:?}");
        let node = Rc::get_mut(&mut self.node).ok_or_else(|| Failure::new(doing(), "in use"))?;
        match node.remove_netns(name) {
            true => Ok(()),
            false => Err(Failure::new(doing(), "there is none")),
        }
    }

    /// The plugin of this CNI type.
    fn plugin(&self, name: &str) -> Option<&Bundled> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// Calls a plugin by the exec protocol.
    pub(super) fn call(
        &self,
        plugin: &str,
        env: &dyn Fn(&str) -> Option<String>,
        stdin: &str,
        mishaps: &[Mishap],
    ) -> Called {
        let node = TrialNode::new(&self.node, mishaps);
        self.call_on(node, plugin, env, stdin)
    }

    fn call_on(
        &self,
        node: TrialNode,
        plugin: &str,
        env: &dyn Fn(&str) -> Option<String>,
        stdin: &str,
    ) -> Called {
        let log = Rc::new(RefCell::new(Vec::new()));
        let trail = Rc::new(if self.learning { Trail::learning() } else { Trail::on() });
        let kernels = node.clone();
        let reply = self.reply(plugin, env, stdin, node, &log, &trail);
        let asked =
            kernels.watched().iter().flat_map(|record| record.operations()).collect::<Vec<_>>();
        let operations = asked.into_iter().map(|operation| operation.name).collect();
        let runs = trail.take_runs().into_iter().map(|run| run.plugin).collect();
        let (steps, left_out) = trail.take();
        let shown = |text: &str| self.shown(text);
        let log = log.borrow().iter().map(|line: &String| shown(line)).collect();
        let reply = Reply { stdout: shown(&reply.stdout), stderr: shown(&reply.stderr), ..reply };
        let steps = steps.into_iter().map(|step| self.shown_step(step)).collect();
        Called { plugin: plugin.to_owned(), runs, steps, left_out, log, operations, reply }
    }

    fn reply(
        &self,
        plugin: &str,
        env: &dyn Fn(&str) -> Option<String>,
        stdin: &str,
        node: TrialNode,
        log: &Rc<RefCell<Vec<String>>>,
        trail: &Rc<Trail>,
    ) -> Reply {
        let Some(plugin) = self.plugin(plugin) else {
            let text = format!(
                "finding plugin {plugin:?}: it is no component of this program, and native \
                 programs are not run in trials"
            );
            return Reply::failure(&CniError::new(Code::ComponentRefused, text), None);
        };
        let about = Plugin {
            name: plugin.name,
            version: env!("CARGO_PKG_VERSION"),
            supported: SpecVersion::of_plugin(plugin.name),
        };
        let env = |key: &str| match key {
            "CNI_PATH" => Some(NO_NATIVES.to_owned()),
            _ => env(key),
        };
        let request = match Request::parse(&env, stdin.as_bytes(), &about) {
            Ok(request) => request,
            Err(error) => {
                return Reply::failure(&error, crate::cni::stated_version(stdin.as_bytes()));
            }
        };
        let heard = Rc::clone(log);
        let world = World {
            node: Box::new(node),
            directories: self.directories(),
            plugins: self.plugins.clone(),
            log: Rc::new(move |line| heard.borrow_mut().push(line.to_owned())),
            environment: Vec::new(),
            last_call: false,
            audit: None,
            trail: Rc::clone(trail),
            recorder: self.record.as_ref().map(|to| recorder(to, &env, stdin)),
        };
        call::run(&world, plugin, request)
    }

    /// A text with the files of the trial named as those of the node that they stand for.
    fn shown(&self, text: &str) -> String {
        let root = self.root.0.display().to_string();
        let mut text = text.to_owned();
        for given in &self.grants {
            let path = format!("{root}/etc/wasmcni/plugins/{}.toml", given.plugin);
            text = text.replace(&path, &given.file);
        }
        text.replace(&root, "")
    }

    fn shown_step(&self, step: Step) -> Step {
        use crate::gate::Verdict;
        let verdict = match step.verdict {
            Verdict::Granted { file, line } => {
                Verdict::Granted { file: self.shown(&file).into(), line }
            }
            Verdict::Own => Verdict::Own,
            Verdict::Refused(why) => Verdict::Refused(self.shown(&why)),
        };
        let failure = step.failure.map(|failure| self.shown(&failure));
        Step { verdict, failure, ..step }
    }

    /// The node as it is now.
    pub(super) fn state(&self) -> Result<NodeFile, Failure> {
        let directories = self.directories();
        let named = self.data_dirs.iter().map(|dir| directories.named(dir));
        let mut reservations = Reservations::new();
        for dir in [directories.reservations.clone()].into_iter().chain(named) {
            let Ok(networks) = fs::read_dir(&dir) else { continue };
            for network in networks.flatten() {
                let name = network.file_name().to_string_lossy().into_owned();
                let list = self.store(&dir, &name)?.list();
                let list = list.doing(|| format!("reading the reservations of {name:?}"))?;
                for (address, content) in list {
                    let owner = match content {
                        Content::Attachment(attachment) => attachment.to_string(),
                        Content::Container(id) => id.to_string(),
                        Content::Empty | Content::Foreign => continue,
                    };
                    reservations.entry(name.clone()).or_default().insert(address, owner);
                }
            }
        }
        Ok(NodeFile { state: self.node.snapshot(), reservations, left_out: Vec::new() })
    }

    /// Journals that are there: attachments that stand, or were not taken back wholly.
    pub(super) fn journals(&self) -> Vec<String> {
        let attachments = self.directories().run.join("attachments");
        let mut found = Vec::new();
        for network in fs::read_dir(attachments).into_iter().flatten().flatten() {
            for file in fs::read_dir(network.path()).into_iter().flatten().flatten() {
                let (network, file) = (network.file_name(), file.file_name());
                found.push(format!("{}/{}", network.to_string_lossy(), file.to_string_lossy()));
            }
        }
        found.sort();
        found
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).doing(|| format!("creating {parent:?}"))?;
    }
    fs::write(path, content).doing(|| format!("writing {path:?}"))?;
    // The umask may let a group write what only the owner may, for grants to be believed.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path, mode).doing(|| format!("writing {path:?}"))
}

/// Records a call with what it is told.
fn recorder(to: &Path, env: &dyn Fn(&str) -> Option<String>, stdin: &str) -> Recorder {
    let said = VARIABLES.iter().filter_map(|key| Some(((*key).to_owned(), env(key)?)));
    let (to, stdin) = (to.to_owned(), stdin.to_owned());
    Recorder { to, keep: None, environment: said.collect(), stdin }
}

/// `/run/netns/NAME`.
fn netns_path(name: &str) -> String {
    format!("{NETNS}/{name}")
}
