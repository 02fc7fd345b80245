//! The two network namespaces of a call.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of a call's two network namespaces is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The namespace that wasmcni was started in: the node's.
    Host,
    /// The namespace that `CNI_NETNS` names.
    Container,
}

impl Role {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Host => Self::Container,
            Self::Container => Self::Host,
        }
    }

    /// As grants have it: `host` or `container`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Container => "container",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host-netns",
            Self::Container => "container-netns",
        })
    }
}
