//! `wasmcni:cni/configured-delegate`.

use super::delegate::Answer;
use super::{Ctx, convert};
use crate::bindings::wasmcni::cni::configured_delegate::Host;
use crate::bindings::wasmcni::cni::types;
use crate::cni::Verb;

impl Host for Ctx {
    /// What such a delegate gives is no `@ipam`: the caller could have it give any address.
    fn add(&mut self, plugin: String, configuration: String) -> Answer<types::CniResult> {
        let result = self.delegate(Verb::Add, &plugin, Some(&configuration))?;
        Ok(convert::cni_result(result.unwrap_or_default(), None))
    }

    fn del(&mut self, plugin: String, configuration: String) -> Answer<()> {
        self.delegate(Verb::Del, &plugin, Some(&configuration)).map(|_| ())
    }

    fn check(&mut self, plugin: String, configuration: String) -> Answer<()> {
        self.delegate(Verb::Check, &plugin, Some(&configuration)).map(|_| ())
    }

    fn gc(&mut self, plugin: String, configuration: String) -> Answer<()> {
        self.delegate(Verb::Gc, &plugin, Some(&configuration)).map(|_| ())
    }

    fn status(&mut self, plugin: String, configuration: String) -> Answer<()> {
        self.delegate(Verb::Status, &plugin, Some(&configuration)).map(|_| ())
    }
}
