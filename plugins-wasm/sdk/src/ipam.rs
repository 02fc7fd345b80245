//! Delegation to the IPAM plugin that the configuration names.

use serde::Deserialize;

use crate::bindings::wasmcni::cni::delegate;
use crate::error::code;
use crate::{Addresses, CniResult, Error};

/// The configuration's `ipam`, as far as the plugin that delegates to it needs to know it. Give the
/// field `#[serde(default)]`: without a `type` there is no IPAM plugin, and all but `add` do nothing.
///
/// The IPAM plugin gets this call's own configuration and attachment. Its errors pass unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ipam {
    /// Name of the IPAM plugin; empty: none.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Ipam {
    /// Whether there is an IPAM plugin.
    #[must_use]
    pub fn is_some(&self) -> bool {
        !self.kind.is_empty()
    }

    /// For a plugin that can do without IPAM: whether the result could be told then.
    ///
    /// # Errors
    /// Code 7: there is no IPAM plugin, and the configuration's version has no results without addresses.
    pub fn or_none(&self, addresses: Addresses) -> Result<(), Error> {
        if self.is_some() || addresses != Addresses::OnePerFamily {
            return Ok(());
        }
        let why = "a result without addresses cannot be told in cniVersion 0.1.0 or 0.2.0; use 0.3.0 or later";
        Err(Error::missing("ipam.type", why))
    }

    /// Has the IPAM plugin give addresses: one at least, none of an interface yet. When this call
    /// fails later on, the host has the plugin take them back.
    ///
    /// # Errors
    /// Code 7 without an `ipam.type`; 999 when the plugin gave no address; what the plugin said.
    pub fn add(&self) -> Result<CniResult, Error> {
        if !self.is_some() {
            return Err(Error::missing("ipam.type", "it must name a plugin that gives addresses"));
        }
        let result = CniResult::try_from(delegate::add(&self.kind)?)?;
        if result.ips.is_empty() {
            let kind = &self.kind;
            return Err(Error::new(
                code::INTERNAL,
                format!("asking ipam {kind:?}: it gave no address"),
            ));
        }
        Ok(result)
    }

    /// Has the IPAM plugin take the attachment's addresses back.
    ///
    /// # Errors
    /// What the plugin said.
    pub fn del(&self) -> Result<(), Error> {
        self.forward(delegate::del)
    }

    /// Has the IPAM plugin look for the attachment's addresses.
    ///
    /// # Errors
    /// What the plugin said.
    pub fn check(&self) -> Result<(), Error> {
        self.forward(delegate::check)
    }

    /// Has the IPAM plugin take back what no valid attachment has.
    ///
    /// # Errors
    /// What the plugin said.
    pub fn gc(&self) -> Result<(), Error> {
        self.forward(delegate::gc)
    }

    /// Asks the IPAM plugin whether it could serve an ADD.
    ///
    /// # Errors
    /// What the plugin said, with its code.
    pub fn status(&self) -> Result<(), Error> {
        self.forward(delegate::status)
    }

    fn forward<E: Into<Error>>(
        &self,
        verb: impl FnOnce(&str) -> Result<(), E>,
    ) -> Result<(), Error> {
        if self.is_some() { verb(&self.kind).map_err(Into::into) } else { Ok(()) }
    }
}
