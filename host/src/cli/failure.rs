//! Why an operator's command failed: what was being done, with what value, the cause, what to do.

use std::fmt::{self, Display};

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    doing: String,
    cause: String,
    remedy: Option<String>,
}

impl Failure {
    /// `doing` begins with a verb and quotes its value: `creating "/opt/cni/bin"`.
    pub(super) fn new(doing: impl Into<String>, cause: impl Display) -> Self {
        Self { doing: doing.into(), cause: cause.to_string(), remedy: None }
    }

    /// With what the operator can do about it.
    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// With a wider view of what was being done.
    pub(super) fn during(self, what: impl Display) -> Self {
        Self { doing: format!("{what}: {}", self.doing), ..self }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "\n{remedy}"))
    }
}

/// Says what was being done when something failed.
pub(super) trait Doing<T> {
    /// `doing` as in [`Failure::new`].
    fn doing<D: Into<String>>(self, doing: impl FnOnce() -> D) -> Result<T, Failure>;
}

impl<T, E: Display> Doing<T> for Result<T, E> {
    fn doing<D: Into<String>>(self, doing: impl FnOnce() -> D) -> Result<T, Failure> {
        self.map_err(|cause| Failure::new(doing(), cause))
    }
}
