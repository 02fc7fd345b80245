//! `wasmcni:cni/delegate`.

use super::{Ctx, DelegateFailure, convert};
use crate::bindings::wasmcni::cni::delegate::Host;
use crate::bindings::wasmcni::cni::types;
use crate::cni::{CniError, CniResult, Code, Verb};
use crate::names::PluginName;
use crate::policy::Op;

/// Runs other plugins for the call that a guest serves.
pub trait Delegates {
    /// Runs `verb` of `plugin` with the caller's own configuration, or with the one that it rendered.
    /// Only ADD has a result.
    ///
    /// # Errors
    /// The delegate's own, unchanged; or why it could not be run.
    fn run(
        &self,
        verb: Verb,
        plugin: &PluginName,
        configuration: Option<&str>,
    ) -> Result<Option<CniResult>, CniError>;
}

pub(super) type Answer<T> = Result<T, DelegateFailure>;

impl Ctx {
    /// Runs a delegate: with the caller's own configuration, or with one that it rendered.
    pub(super) fn delegate(
        &mut self,
        verb: Verb,
        plugin: &str,
        configuration: Option<&str>,
    ) -> Answer<Option<CniResult>> {
        let gate = self.counted()?;
        let act = match configuration {
            None => "delegate.run",
            Some(_) => "delegate.configure",
        };
        if let Err(refusal) = gate.permit(&Op::new(act).text("plugin", plugin)) {
            gate.note(&refusal);
            let error = CniError::new(Code::Denied, refusal.to_string());
            return Err(DelegateFailure::Value(error));
        }
        let name = PluginName::try_from(plugin).map_err(|e| {
            DelegateFailure::Value(CniError::new(
                Code::InvalidConfiguration,
                format!("running delegate {plugin:?}: {e}"),
            ))
        })?;
        let delegates = self.delegates.clone();
        delegates.run(verb, &name, configuration).map_err(DelegateFailure::Value)
    }
}

impl Host for Ctx {
    fn add(&mut self, plugin: String) -> Answer<types::CniResult> {
        let result = self.delegate(Verb::Add, &plugin, None)?.unwrap_or_default();
        let gateways = result.ips.iter().filter_map(|ip| ip.gateway).map(Into::into);
        let networks = result.ips.iter().map(|ip| ip.address);
        self.gate.call().note_ipam(networks.chain(gateways));
        Ok(convert::cni_result(result, None))
    }

    fn del(&mut self, plugin: String) -> Answer<()> {
        self.delegate(Verb::Del, &plugin, None).map(|_| ())
    }

    fn check(&mut self, plugin: String) -> Answer<()> {
        self.delegate(Verb::Check, &plugin, None).map(|_| ())
    }

    fn gc(&mut self, plugin: String) -> Answer<()> {
        self.delegate(Verb::Gc, &plugin, None).map(|_| ())
    }

    fn status(&mut self, plugin: String) -> Answer<()> {
        self.delegate(Verb::Status, &plugin, None).map(|_| ())
    }
}
