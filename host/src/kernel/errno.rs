//! What the kernel refused, and with which errno.

use std::fmt;

pub use nix::errno::Errno;

/// An operation that the kernel refused. `Display` reads
/// `creating link "veth1a2b" in container-netns: file exists (EEXIST)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    /// What was tried, verb first, with its object: `creating link "veth1a2b" in container-netns`.
    pub act: String,
    /// The kernel's answer.
    pub errno: Errno,
    /// The kernel's own words (netlink's extended acknowledgement), if it gave any.
    pub hint: Option<String>,
}

impl KernelError {
    /// An error without the kernel's own words.
    pub fn new(act: impl Into<String>, errno: Errno) -> Self {
        Self { act: act.into(), errno, hint: None }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.errno.desc().to_lowercase();
        write!(f, "{}: {words} ({:?})", self.act, self.errno)?;
        match &self.hint {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for KernelError {}
