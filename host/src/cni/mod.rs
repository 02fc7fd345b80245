//! The CNI exec protocol: environment and stdin to a request, a result or an error to stdout. Pure:
//! what is read and written, and the clock and the kernel, are the caller's.
//!
//! Facts are from the CNI spec (SPEC.md of 1.1.0) and, where that is silent or otherwise practised,
//! from the CNI library's plugin skeleton (`pkg/skel`).

pub mod args;
pub mod conf;
pub mod conflist;
pub mod env;
pub mod error;
pub mod request;
pub mod result;
pub mod version;

#[cfg(test)]
mod tests;

use std::fmt;

pub use args::CniArgs;
pub use conf::{MAX_STDIN, NetworkConf, ValidAttachment, stated_version};
pub use conflist::{Given, NetworkList, PluginEntry};
pub use env::Env;
pub use error::{CniError, Code};
pub use request::{Add, Check, Del, Gc, Request, Status};
pub use result::{CniResult, can_convert};
pub use version::{Family, SpecVersion};

/// What a runtime can ask of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Make an attachment.
    Add,
    /// Remove an attachment.
    Del,
    /// Check that an attachment is as it was made.
    Check,
    /// Remove what belongs to no valid attachment.
    Gc,
    /// Say whether ADD can be served.
    Status,
    /// Say which versions are supported.
    Version,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 6] =
        [Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version];

    const fn facts(self) -> (&'static str, SpecVersion) {
        match self {
            Self::Add => ("ADD", SpecVersion::V0_1_0),
            Self::Del => ("DEL", SpecVersion::V0_1_0),
            Self::Check => ("CHECK", SpecVersion::V0_4_0),
            Self::Gc => ("GC", SpecVersion::V1_1_0),
            Self::Status => ("STATUS", SpecVersion::V1_1_0),
            Self::Version => ("VERSION", SpecVersion::V0_2_0),
        }
    }

    /// As it stands in CNI_COMMAND.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// The version that brought it.
    #[must_use]
    pub const fn since(self) -> SpecVersion {
        self.facts().1
    }

    /// The verb that the environment asks for. None: no CNI_COMMAND, so a person has called, and
    /// stdin, which may be a terminal, should not be read.
    ///
    /// # Errors
    /// There is no such verb (code 4).
    pub fn from_env(env: Env<'_>) -> Result<Option<Self>, CniError> {
        let Some(text) = env(env::COMMAND).filter(|text| !text.is_empty()) else { return Ok(None) };
        match Self::ALL.into_iter().find(|verb| verb.as_str() == text) {
            Some(verb) => Ok(Some(verb)),
            None => Err(CniError::new(
                Code::InvalidEnvironment,
                format!("unknown {}: {text:?}", env::COMMAND),
            )),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the plugin that was called says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Plugin<'a> {
    /// Its name, as in `type`.
    pub name: &'a str,
    /// Its own version.
    pub version: &'a str,
    /// The versions of the spec that it supports, oldest first.
    pub supported: &'a [SpecVersion],
}
