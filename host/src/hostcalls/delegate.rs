//! `wasmcni:cni/delegate`.

use super::{Ctx, DelegateFailure, convert};
use crate::bindings::wasmcni::cni::delegate::Host;
use crate::bindings::wasmcni::cni::types;
use crate::cni::{CniError, CniResult, Code, Verb};
use crate::gate::Refusal;
use crate::names::PluginName;
use crate::policy::Op;

/// Runs other plugins for the call that a guest serves.
pub trait Delegates {
    /// Runs `verb` of `plugin` with the call's own configuration. Only ADD has a result.
    ///
    /// # Errors
    /// The delegate's own, unchanged; or why it could not be run.
    fn run(&self, verb: Verb, plugin: &PluginName) -> Result<Option<CniResult>, CniError>;
}

type Answer<T> = Result<T, DelegateFailure>;

impl Ctx {
    fn delegate(&mut self, verb: Verb, plugin: &str) -> Answer<Option<CniResult>> {
        let gate = self.counted()?;
        let refused = |gate: &mut crate::gate::Gate, refusal: &Refusal| {
            gate.note(refusal);
            DelegateFailure::Value(CniError::new(Code::Denied, refusal.to_string()))
        };
        if let Err(refusal) = gate.permit(&Op::new("delegate.run").text("plugin", plugin)) {
            return Err(refused(gate, &refusal));
        }
        let name = PluginName::try_from(plugin).map_err(|e| {
            DelegateFailure::Value(CniError::new(
                Code::InvalidConfiguration,
                format!("running delegate {plugin:?}: {e}"),
            ))
        })?;
        let delegates = self.delegates.clone();
        delegates.run(verb, &name).map_err(DelegateFailure::Value)
    }
}

impl Host for Ctx {
    fn add(&mut self, plugin: String) -> Answer<types::CniResult> {
        let result = self.delegate(Verb::Add, &plugin)?.unwrap_or_default();
        let gateways = result.ips.iter().filter_map(|ip| ip.gateway).map(Into::into);
        let networks = result.ips.iter().map(|ip| ip.address);
        self.gate.call().note_ipam(networks.chain(gateways));
        Ok(convert::cni_result(result, None))
    }

    fn del(&mut self, plugin: String) -> Answer<()> {
        self.delegate(Verb::Del, &plugin).map(|_| ())
    }

    fn check(&mut self, plugin: String) -> Answer<()> {
        self.delegate(Verb::Check, &plugin).map(|_| ())
    }

    fn gc(&mut self, plugin: String) -> Answer<()> {
        self.delegate(Verb::Gc, &plugin).map(|_| ())
    }

    fn status(&mut self, plugin: String) -> Answer<()> {
        self.delegate(Verb::Status, &plugin).map(|_| ())
    }
}
