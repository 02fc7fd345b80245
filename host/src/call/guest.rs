//! Running a component: grants, imports, limits, the call, and what its end means.

use std::cell::Cell;
use std::rc::Rc;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Store, Trap};

use super::{Job, World};
use crate::bindings::EveryPlugin;
use crate::bindings::exports::wasmcni::cni::plugin::NetworkRequest;
use crate::cni::{CniError, CniResult, Code, Verb};
use crate::component::Bundled;
use crate::component::deadline::Deadline;
use crate::component::limits::{Budget, Limit};
use crate::component::{self, imports};
use crate::config;
use crate::directories::Directories;
use crate::gate::{Call, Gate};
use crate::hostcalls::{self, Ctx, Delegates};
use crate::names::PluginName;
use crate::policy::{self, Grants};

/// How deep plugins may delegate: a plugin, its IPAM, and what that might delegate to.
const MAX_DEPTH: u8 = 3;

/// Runs the plugin of a call, and its delegates in the same process.
pub(super) struct Runner {
    engine: Engine,
    job: Job,
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

/// What native delegates need of the world.
pub(super) struct WorldParts {
    pub(super) directories: Directories,
    pub(super) environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
}

impl Runner {
    pub(super) fn new(
        world: &World,
        job: Job,
        call: Rc<Call>,
        main: (&'static str, Rc<Grants>),
    ) -> Result<Rc<Self>, CniError> {
        let broken = |what: &str, e: &dyn std::fmt::Display| {
            CniError::new(Code::Internal, format!("{what}: {e:#}"))
        };
        let engine = component::engine().map_err(|e| broken("starting the engine", &e))?;
        let deadline = Deadline::watch(&engine, call.deadline)
            .map_err(|e| broken("starting the deadline's thread", &e))?;
        Ok(Rc::new_cyclic(|this| Self {
            engine,
            job,
            call,
            main,
            plugins: world.plugins.clone(),
            log: world.log.clone(),
            depth: Cell::new(0),
            world: WorldParts {
                directories: world.directories.clone(),
                environment: world.environment.clone(),
            },
            this: this.clone(),
            _deadline: deadline,
        }))
    }

    pub(super) fn call(&self) -> &Rc<Call> {
        &self.call
    }

    pub(super) fn job(&self) -> &Job {
        &self.job
    }

    pub(super) fn plugin(&self, name: &PluginName) -> Option<Bundled> {
        self.plugins.iter().find(|plugin| plugin.name == name.as_str()).copied()
    }

    /// Counts what goes to stdout against the main plugin's limit.
    pub(super) fn output(&self, octets: usize) -> Result<(), CniError> {
        Budget::new(self.main.1.limits()).output(octets).map_err(|limit| out_of_limits(self.main.0, &limit))
    }

    /// Runs the call's own verb.
    pub(super) fn run(&self, plugin: &Bundled) -> Result<Option<CniResult>, CniError> {
        self.run_verb(plugin, self.job.verb)
    }

    /// Runs a verb of a plugin as a component of its own, with grants of its own.
    pub(super) fn run_verb(&self, plugin: &Bundled, verb: Verb) -> Result<Option<CniResult>, CniError> {
        if self.depth.get() >= MAX_DEPTH {
            let text = format!("running {:?}: delegates {MAX_DEPTH} deep already", plugin.name);
            return Err(CniError::new(Code::ComponentRefused, text));
        }
        self.depth.set(self.depth.get() + 1);
        let done = self.run_component(plugin, verb);
        self.depth.set(self.depth.get() - 1);
        done
    }

    fn run_component(&self, plugin: &Bundled, verb: Verb) -> Result<Option<CniResult>, CniError> {
        let grants = if plugin.name == self.main.0 {
            self.main.1.clone()
        } else {
            Rc::new(grants(&self.world.directories, plugin)?)
        };
        let refused = |e: &wasmtime::Error| {
            CniError::new(Code::ComponentRefused, format!("loading {:?}: {e:#}", plugin.name))
        };
        let component = component::load(&self.engine, plugin.code).map_err(|e| refused(&e))?;
        let imports = self.check_imports(plugin, &component, &grants)?;
        let mut linker = Linker::new(&self.engine);
        hostcalls::link(&mut linker, &imports).map_err(|e| refused(&e))?;
        let name = PluginName::try_from(plugin.name)
            .map_err(|e| CniError::new(Code::Internal, e.to_string()))?;
        let budget = Budget::new(grants.limits());
        let ctx = Ctx {
            gate: Gate::new(self.call.clone(), grants, name),
            budget,
            table: ResourceTable::new(),
            delegates: self.delegates(),
            log: self.log.clone(),
        };
        let mut store = Store::new(&self.engine, ctx);
        store.limiter(|ctx| &mut ctx.budget);
        store.set_epoch_deadline(1);
        let done = EveryPlugin::instantiate(&mut store, &component, &linker)
            .and_then(|guest| self.call_export(&mut store, &guest, verb));
        match done {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(explained(error, &store)),
            Err(trap) => Err(self.trapped(plugin.name, &trap, &store)),
        }
    }

    fn delegates(&self) -> Rc<dyn Delegates> {
        match self.this.upgrade() {
            Some(this) => this,
            None => Rc::new(NoDelegates),
        }
    }

    /// Refuses a component that imports what this host does not have, or what no grant is for.
    fn check_imports(
        &self,
        plugin: &Bundled,
        component: &wasmtime::component::Component,
        grants: &Grants,
    ) -> Result<Vec<imports::Import>, CniError> {
        let (functions, others) = imports::list(&self.engine, component);
        let refuse = |text: String| {
            Err(CniError::new(Code::ComponentRefused, format!("starting {:?}: {text}", plugin.name)))
        };
        if let Some(other) = others.first() {
            return refuse(format!("it imports {other:?}, which this host does not offer"));
        }
        for import in &functions {
            let imported = format!("{}#{}", import.interface, import.function);
            match ops_of(import) {
                None => {
                    return refuse(format!("it imports {imported:?}, which this host does not offer"));
                }
                Some([]) => {}
                Some(ops) if grants.grants_any(ops) => {}
                Some(ops) => {
                    return refuse(format!(
                        "it imports {imported:?}, and {} has no grant for {}",
                        grants.source(),
                        ops.join(" or ")
                    ));
                }
            }
        }
        Ok(functions)
    }

    fn call_export(
        &self,
        store: &mut Store<Ctx>,
        guest: &EveryPlugin,
        verb: Verb,
    ) -> wasmtime::Result<Result<Option<CniResult>, CniError>> {
        let plugin = guest.wasmcni_cni_plugin();
        let said = |done: Result<(), _>| done.map(|()| None).map_err(hostcalls::error_of);
        Ok(match verb {
            Verb::Add => {
                let request = self.request()?;
                match plugin.call_add(store, &request)? {
                    Ok(result) => hostcalls::result_of(result, self.sandbox())
                        .map(Some)
                        .map_err(|e| CniError::new(Code::Internal, format!("reading the result: {e}"))),
                    Err(error) => Err(hostcalls::error_of(error)),
                }
            }
            Verb::Del => said(plugin.call_del(store, &self.request()?)?),
            Verb::Check => said(plugin.call_check(store, &self.request()?)?),
            Verb::Gc => {
                let valid = self.job.valid.iter().flatten().map(hostcalls::attachment_id);
                let valid: Vec<_> = valid.collect();
                said(plugin.call_gc(store, &self.network_request(), &valid)?)
            }
            Verb::Status => said(plugin.call_status(store, &self.network_request())?),
            Verb::Version => Ok(None),
        })
    }

    fn request(&self) -> wasmtime::Result<crate::bindings::exports::wasmcni::cni::plugin::Request> {
        let job = &self.job;
        let attachment = job
            .attachment
            .as_ref()
            .ok_or_else(|| wasmtime::Error::msg("a verb without an attachment"))?;
        let prev_result = job.prev_result.clone();
        Ok(hostcalls::request(attachment, &job.conf, &job.args, prev_result, self.sandbox()))
    }

    fn network_request(&self) -> NetworkRequest {
        NetworkRequest {
            network: self.job.conf.name.to_string(),
            configuration: self.job.conf.text().to_owned(),
        }
    }

    /// The container's netns as results name it.
    fn sandbox(&self) -> Option<&str> {
        self.job.netns.as_deref().and_then(std::path::Path::to_str)
    }

    /// What the end of a guest by force means.
    fn trapped(&self, plugin: &'static str, trap: &wasmtime::Error, store: &Store<Ctx>) -> CniError {
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
                let text = format!("running {plugin:?}: {}", trap.root_cause());
                CniError::new(Code::GuestTrapped, text)
            }
        }
    }
}

fn out_of_limits(plugin: &str, limit: &Limit) -> CniError {
    let text = format!("running {plugin:?}: {limit}; limits stand in its grant file");
    CniError::new(Code::GuestOutOfLimits, text)
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

/// The grants of a plugin: the operator's file, or else the one that it was shipped with.
pub(super) fn grants(directories: &Directories, plugin: &Bundled) -> Result<Grants, CniError> {
    let refused = |reason: String| {
        CniError::new(Code::ComponentRefused, format!("reading the grants of {:?}: {reason}", plugin.name))
    };
    let own = config::grant_file(&directories.config, plugin.name).map_err(|e| refused(e.to_string()))?;
    let parsed = match &own {
        Some((path, text)) => policy::parse(text, &path.display().to_string()),
        None => policy::parse(plugin.grants, &format!("bundled:{}/grants.toml", plugin.name)),
    };
    parsed.map_err(|e| refused(e.to_string()))
}

/// The acts that an import needs a grant for, one of them; `None`: this host does not offer it.
fn ops_of(import: &imports::Import) -> Option<&'static [&'static str]> {
    let known = |(interface, function, _): &&(&str, &str, &[&str])| {
        *interface == import.interface && *function == import.function
    };
    policy::IMPORTS.iter().find(known).map(|(_, _, ops)| *ops)
}

/// Stands in when the call is over already.
struct NoDelegates;

impl Delegates for NoDelegates {
    fn run(&self, _: Verb, plugin: &PluginName) -> Result<Option<CniResult>, CniError> {
        Err(CniError::new(Code::Internal, format!("running {plugin}: the call is over")))
    }
}
