//! Running a component: grants, imports, limits, the call, and what its end means.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Store, Trap};

use super::delegates::Delegating;
use super::{Job, World};
use crate::bindings::exports::wasmcni::cni::plugin::NetworkRequest;
use crate::bindings::{EveryPlugin, EveryPluginPre};
use crate::cni::{CniError, CniResult, Code, Verb};
use crate::component::deadline::Deadline;
use crate::component::limits::{Budget, Limit};
use crate::component::store::{self, Digest};
use crate::component::{self, imports};
use crate::component::{Bundled, Origin};
use crate::config;
use crate::directories::Directories;
use crate::gate::{Call, Gate, Ran};
use crate::hostcalls::{self, Ctx, Delegates};
use crate::names::PluginName;
use crate::policy::{self, ComponentPin, Grants, Unserved};

/// How deep plugins may delegate: a plugin, its IPAM, and what that might delegate to.
const MAX_DEPTH: u8 = 3;

/// From what wasmtime says when a guest hands over more than the store's fuel for host calls is worth: the
/// error's type is not public. Hostile guests of the suite would notice other words.
const TOO_MUCH_AT_ONCE: &str = "fuel allocated for hostcalls";

/// Runs the plugin of a call, and its delegates in the same process.
pub(super) struct Runner {
    engine: Engine,
    job: Rc<Job>,
    call: Rc<Call>,
    /// The main plugin's name and grants: read once, since its deadline is the call's.
    main: (&'static str, Rc<Grants>),
    plugins: Vec<Bundled>,
    log: Rc<dyn Fn(&str)>,
    depth: Cell<u8>,
    pub(super) world: WorldParts,
    this: std::rc::Weak<Runner>,
    _deadline: Deadline,
}

/// What running plugins needs of the world.
pub(super) struct WorldParts {
    pub(super) directories: Directories,
    pub(super) environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    pub(super) last_call: bool,
}

/// What a call of a plugin needs and may lack, to be had before anything is done.
pub(super) struct Prepared {
    grants: Rc<Grants>,
    engine: Engine,
}

impl Prepared {
    /// Reads the plugin's grants and starts the engine.
    pub(super) fn new(world: &World, plugin: &Bundled) -> Result<Self, CniError> {
        let grants = Rc::new(grants(&world.directories, plugin)?);
        let engine = component::engine().map_err(|e| broken("starting the engine", &e))?;
        Ok(Self { grants, engine })
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }
}

fn broken(what: &str, why: &dyn std::fmt::Display) -> CniError {
    CniError::new(Code::Internal, format!("{what}: {why:#}"))
}

impl Runner {
    pub(super) fn new(
        world: &World,
        job: Job,
        call: Rc<Call>,
        plugin: &Bundled,
        prepared: Prepared,
    ) -> Result<Rc<Self>, CniError> {
        let Prepared { grants, engine } = prepared;
        let main = (plugin.name, grants);
        let deadline = Deadline::watch(&engine, call.deadline)
            .map_err(|e| broken("starting the deadline's thread", &e))?;
        let runner = Rc::new_cyclic(|this| Self {
            engine,
            job: Rc::new(job),
            call,
            main,
            plugins: world.plugins.clone(),
            log: world.log.clone(),
            depth: Cell::new(0),
            world: WorldParts {
                directories: world.directories.clone(),
                environment: world.environment.clone(),
                last_call: world.last_call,
            },
            this: this.clone(),
            _deadline: deadline,
        });
        if world.last_call {
            std::mem::forget(runner.clone());
        }
        Ok(runner)
    }

    pub(super) fn call(&self) -> &Rc<Call> {
        &self.call
    }

    pub(super) fn job(&self) -> &Rc<Job> {
        &self.job
    }

    /// The plugin of this type, bundled or installed.
    pub(super) fn plugin(&self, name: &PluginName) -> Option<Bundled> {
        let bundled = self.plugins.iter().find(|plugin| plugin.name == name.as_str()).copied();
        bundled.or_else(|| store::find(&self.world.directories.config, name))
    }

    /// Counts what goes to stdout against the main plugin's limit.
    pub(super) fn output(&self, octets: usize) -> Result<(), CniError> {
        Budget::new(self.main.1.limits())
            .output(octets)
            .map_err(|limit| out_of_limits(self.main.0, &limit))
    }

    /// Runs the call's own verb.
    pub(super) fn run(&self, plugin: &Bundled) -> Result<Option<CniResult>, CniError> {
        self.run_verb(plugin, self.job.verb, &self.job)
    }

    /// Runs a verb of a plugin as a component of its own, with grants of its own. `job` is the call's,
    /// or one with another configuration.
    pub(super) fn run_verb(
        &self,
        plugin: &Bundled,
        verb: Verb,
        job: &Rc<Job>,
    ) -> Result<Option<CniResult>, CniError> {
        if self.depth.get() >= MAX_DEPTH {
            let text = format!("running {:?}: delegates {MAX_DEPTH} deep already", plugin.name);
            return Err(CniError::new(Code::ComponentRefused, text));
        }
        self.depth.set(self.depth.get() + 1);
        let began = Instant::now();
        let grants = self.grants_of(plugin);
        let done = grants.clone().and_then(|grants| self.run_component(plugin, grants, verb, job));
        self.call.trail.ran(|| Ran {
            plugin: plugin.name.to_owned(),
            component: grants.map_or_else(|_| "unknown".to_owned(), |grants| component_of(&grants)),
            took: began.elapsed(),
            done: done.is_ok(),
        });
        self.depth.set(self.depth.get() - 1);
        done
    }

    fn grants_of(&self, plugin: &Bundled) -> Result<Rc<Grants>, CniError> {
        if plugin.name == self.main.0 {
            return Ok(self.main.1.clone());
        }
        grants(&self.world.directories, plugin).map(Rc::new)
    }

    fn run_component(
        &self,
        plugin: &Bundled,
        grants: Rc<Grants>,
        verb: Verb,
        job: &Rc<Job>,
    ) -> Result<Option<CniResult>, CniError> {
        let refused = |e: &wasmtime::Error| {
            CniError::new(Code::ComponentRefused, format!("loading {:?}: {e:#}", plugin.name))
        };
        let code = code(&self.world.directories, plugin, &grants)?;
        let component = component::load(&self.engine, code).map_err(|e| refused(&e))?;
        let imports = self.check_imports(plugin, &component, &grants)?;
        let mut linker = Linker::new(&self.engine);
        hostcalls::link(&mut linker, &imports.interfaces).map_err(|e| refused(&e))?;
        // Whether it fits the contract shows before anything of it runs.
        let ready = linker.instantiate_pre(&component).and_then(EveryPluginPre::new);
        let ready = ready.map_err(|e| refused(&e))?;
        let name = PluginName::try_from(plugin.name)
            .map_err(|e| CniError::new(Code::Internal, e.to_string()))?;
        let budget = Budget::new(grants.limits());
        let mut gate = Gate::new(self.call.clone(), grants, name);
        if !Rc::ptr_eq(job, &self.job) {
            gate = gate.configured(job.conf.document().clone());
        }
        let ctx = Ctx {
            gate,
            budget,
            table: ResourceTable::new(),
            delegates: self.delegates(job),
            log: self.log.clone(),
        };
        let mut store = Store::new(&self.engine, ctx);
        store.limiter(|ctx| &mut ctx.budget);
        store.set_epoch_deadline(1);
        store.set_hostcall_fuel(store.data().budget.output_limit());
        let done = ready
            .instantiate(&mut store)
            .and_then(|guest| self.call_export(&mut store, &guest, verb, job));
        let done = match done {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(of_bounded_size(error, plugin.name, &mut store)),
            Err(trap) => Err(self.trapped(plugin.name, &trap, &mut store)),
        };
        // What the guest held is let go in any case: reservations are locked while they are open.
        store.data_mut().table = ResourceTable::new();
        if self.world.last_call {
            std::mem::forget((store, ready, linker, component));
        }
        done
    }

    fn delegates(&self, job: &Rc<Job>) -> Rc<dyn Delegates> {
        match self.this.upgrade() {
            Some(runner) => Rc::new(Delegating { runner, job: job.clone() }),
            None => Rc::new(NoDelegates),
        }
    }

    /// Refuses a component that imports what this host does not have, or what no grant is for.
    fn check_imports(
        &self,
        plugin: &Bundled,
        component: &wasmtime::component::Component,
        grants: &Grants,
    ) -> Result<imports::Imports, CniError> {
        let imports = imports::list(&self.engine, component);
        let refuse = |text: String| {
            Err(CniError::new(
                Code::ComponentRefused,
                format!("starting {:?}: {text}", plugin.name),
            ))
        };
        if let Some(other) = imports.others.first() {
            return refuse(format!("it imports {other:?}, which this host does not offer"));
        }
        for import in &imports.functions {
            let imported = format!("{}#{}", import.interface, import.function);
            match grants.serves(&import.interface, &import.function) {
                Ok(()) => {}
                Err(Unserved::Unknown) => {
                    return refuse(format!(
                        "it imports {imported:?}, which this host does not offer"
                    ));
                }
                Err(Unserved::NotGranted(ops)) => {
                    return refuse(format!(
                        "it imports {imported:?}, and {} has no grant for {}",
                        grants.source(),
                        ops.join(" or ")
                    ));
                }
            }
        }
        Ok(imports)
    }

    fn call_export(
        &self,
        store: &mut Store<Ctx>,
        guest: &EveryPlugin,
        verb: Verb,
        job: &Job,
    ) -> wasmtime::Result<Result<Option<CniResult>, CniError>> {
        let plugin = guest.wasmcni_cni_plugin();
        let said = |done: Result<(), _>| done.map(|()| None).map_err(hostcalls::error_of);
        Ok(match verb {
            Verb::Add => {
                let request = self.request(job)?;
                match plugin.call_add(&mut *store, &request)? {
                    // What the contract's types let through and its words do not: a guest that breaks the
                    // one is as one that breaks the other.
                    Ok(result) => {
                        hostcalls::result_of(result, self.sandbox()).map(Some).map_err(|e| {
                            let name = store.data().gate.plugin();
                            CniError::new(
                                Code::GuestTrapped,
                                format!("reading the result of {name:?}: {e}"),
                            )
                        })
                    }
                    Err(error) => Err(hostcalls::error_of(error)),
                }
            }
            Verb::Del => said(plugin.call_del(store, &self.request(job)?)?),
            Verb::Check => said(plugin.call_check(store, &self.request(job)?)?),
            Verb::Gc => {
                let valid = job.valid.iter().flatten().map(hostcalls::attachment_id);
                let valid: Vec<_> = valid.collect();
                said(plugin.call_gc(store, &network_request(job), &valid)?)
            }
            Verb::Status => said(plugin.call_status(store, &network_request(job))?),
            Verb::Version => Ok(None),
        })
    }

    fn request(
        &self,
        job: &Job,
    ) -> wasmtime::Result<crate::bindings::exports::wasmcni::cni::plugin::Request> {
        let attachment = job
            .attachment
            .as_ref()
            .ok_or_else(|| wasmtime::Error::msg("a verb without an attachment"))?;
        let prev_result = job.prev_result.clone();
        Ok(hostcalls::request(attachment, &job.conf, &job.args, prev_result, self.sandbox()))
    }

    /// The container's netns as results name it.
    fn sandbox(&self) -> Option<&str> {
        self.job.netns.as_deref().and_then(std::path::Path::to_str)
    }

    /// What the end of a guest by force means.
    fn trapped(&self, plugin: &str, trap: &wasmtime::Error, store: &mut Store<Ctx>) -> CniError {
        if let Some(limit) = &store.data().budget.exceeded {
            return out_of_limits(plugin, limit);
        }
        match trap.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                let allowed = self.main.1.limits().deadline;
                out_of_limits(plugin, &Limit::Deadline(allowed))
            }
            Some(Trap::StackOverflow) => out_of_limits(plugin, &Limit::Stack),
            Some(trap) => CniError::new(Code::GuestTrapped, format!("running {plugin:?}: {trap}")),
            None => {
                let cause = trap.root_cause().to_string();
                if cause.contains(TOO_MUCH_AT_ONCE) {
                    return out_of_limits(plugin, &store.data_mut().budget.too_much_at_once());
                }
                CniError::new(Code::GuestTrapped, format!("running {plugin:?}: {cause}"))
            }
        }
    }
}

fn network_request(job: &Job) -> NetworkRequest {
    NetworkRequest { network: job.conf.name.to_string(), configuration: job.conf.text().to_owned() }
}

fn out_of_limits(plugin: &str, limit: &Limit) -> CniError {
    let text = format!("running {plugin:?}: {limit}; limits stand in its grant file");
    CniError::new(Code::GuestOutOfLimits, text)
}

/// A guest's error, unless it is longer than what the guest may return.
fn of_bounded_size(error: CniError, plugin: &str, store: &mut Store<Ctx>) -> CniError {
    match store.data_mut().budget.output(error.msg.len() + error.details.len()) {
        Ok(()) => explained(error, store),
        Err(limit) => out_of_limits(plugin, &limit),
    }
}

/// A refusal as the operator needs it: what was wanted, the nearest rule, where it stands. The guest
/// itself was told only what it wanted.
fn explained(mut error: CniError, store: &Store<Ctx>) -> CniError {
    if error.is(Code::Denied)
        && let Some(denial) = store.data().gate.last_denial()
    {
        error.msg = Code::Denied.msg().into();
        error.details = denial.to_owned();
    }
    error
}

/// Which component the grants are for, as audits name it.
fn component_of(grants: &Grants) -> String {
    match grants.component() {
        ComponentPin::Bundled => "bundled".to_owned(),
        ComponentPin::Sha256(digest) => format!("sha256:{}", Digest(*digest)),
    }
}

/// The grants of a plugin: the operator's file, or else the one that it was shipped with.
fn grants(directories: &Directories, plugin: &Bundled) -> Result<Grants, CniError> {
    let refused = |reason: String| {
        CniError::new(
            Code::ComponentRefused,
            format!("reading the grants of {:?}: {reason}", plugin.name),
        )
    };
    let own =
        config::grant_file(&directories.config, plugin.name).map_err(|e| refused(e.to_string()))?;
    let grants = match &own {
        Some((path, text)) => policy::parse(text, &path.display().to_string()),
        None => plugin.shipped_grants(),
    };
    let grants = grants.map_err(|e| refused(e.to_string()))?;
    let source = grants.source();
    match (grants.component(), plugin.origin) {
        (ComponentPin::Bundled, Origin::Bundled(_))
        | (ComponentPin::Sha256(_), Origin::Installed) => Ok(grants),
        (ComponentPin::Sha256(_), Origin::Bundled(_)) => Err(refused(format!(
            "{source} is for another component: this one is part of wasmcni; write component = \"bundled\""
        ))),
        (ComponentPin::Bundled, Origin::Installed) => Err(refused(format!(
            "{source} is for a plugin of wasmcni's own, and there is none of this name; `wasmcni plugin add` \
             writes component = \"sha256:…\""
        ))),
    }
}

/// The code of a plugin: in this binary, or in the node's store.
fn code(
    directories: &Directories,
    plugin: &Bundled,
    grants: &Grants,
) -> Result<component::Code, CniError> {
    let refused = |reason: &dyn std::fmt::Display| {
        CniError::new(Code::ComponentRefused, format!("loading {:?}: {reason}", plugin.name))
    };
    match (plugin.origin, grants.component()) {
        (Origin::Bundled(code), _) => Ok(code),
        (Origin::Installed, ComponentPin::Sha256(digest)) => {
            store::code(&directories.installed, Digest(*digest)).map_err(|e| refused(&e))
        }
        (Origin::Installed, ComponentPin::Bundled) => Err(refused(&"it is not bundled")),
    }
}

/// Stands in when the call is over already.
struct NoDelegates;

impl Delegates for NoDelegates {
    fn run(
        &self,
        _: Verb,
        plugin: &PluginName,
        _: Option<&str>,
    ) -> Result<Option<CniResult>, CniError> {
        Err(CniError::new(Code::Internal, format!("running {plugin}: the call is over")))
    }
}
