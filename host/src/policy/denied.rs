//! A refusal: what was wanted, and what policy says of it.

use std::fmt;

/// No grant allows an act. Its `Display` is the one sentence for the log and for the CNI error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The plugin that asked; empty until the gate, which knows it, says so.
    pub plugin: String,
    /// The act, as [`Op`](super::Op) writes it.
    pub wanted: String,
    /// Name of the act, as a grant has it.
    pub op: &'static str,
    /// The policy file.
    pub file: String,
    /// The rule that came nearest; `None`: no rule is about such acts.
    pub nearest: Option<Nearest>,
}

/// The rule that would have allowed an act but for what it says of some keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// Line of the grant in the policy file.
    pub line: u32,
    /// What it does not fit, `allows name "cni*"`.
    pub text: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.plugin.is_empty() {
            write!(f, "{}: ", self.plugin)?;
        }
        write!(f, "{}; policy {}", self.wanted, self.file)?;
        match &self.nearest {
            Some(nearest) => write!(f, ":{} {}", nearest.line, nearest.text),
            None => write!(
                f,
                " has no rule for {0}: it would need a [[grant]] with op = \"{0}\"",
                self.op
            ),
        }
    }
}

impl std::error::Error for Denied {}
