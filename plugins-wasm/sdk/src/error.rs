//! Errors as the runtime sees them, and where they come from.

use std::borrow::Cow;
use std::fmt;

use crate::bindings::wasmcni::cni::types::CniError;
use crate::bindings::wasmcni::net::types as net;

/// Codes of the CNI spec (1 to 99), of its library (999) and of wasmcni (100 and up).
pub mod code {
    /// An environment variable is wrong; `details` names it.
    pub const ENVIRONMENT: u32 = 4;
    /// The network configuration is wrong; `details` names key and value.
    pub const CONFIGURATION: u32 = 7;
    /// A passing trouble: the runtime should try again.
    pub const TRY_AGAIN: u32 = 11;
    /// ADD cannot be served.
    pub const NOT_AVAILABLE: u32 = 50;
    /// No grant allows what the plugin asked for.
    pub const DENIED: u32 = 100;
    /// CHECK: something that ADD made is missing or changed; `details` names it.
    pub const CHANGED: u32 = 110;
    /// Anything else.
    pub const INTERNAL: u32 = 999;
}

/// A failure as the runtime sees it. (SPEC.md, "Error")
///
/// `details` is a sentence: lower case, verb first, values quoted, cause last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// See [`code`].
    pub code: u32,
    /// Short, the same for every failure of the code.
    pub msg: Cow<'static, str>,
    /// What failed, with the values.
    pub details: String,
}

impl Error {
    /// An error of one of the codes in [`code`], with the message that belongs to it.
    #[must_use]
    pub fn new(code: u32, details: impl Into<String>) -> Self {
        let msg = match code {
            code::ENVIRONMENT => "invalid environment variables",
            code::CONFIGURATION => "invalid network configuration",
            code::TRY_AGAIN => "try again later",
            code::NOT_AVAILABLE => "plugin not available",
            code::DENIED => "denied by policy",
            code::CHANGED => "attachment missing or changed",
            _ => "internal error",
        };
        Self { code, msg: Cow::Borrowed(msg), details: details.into() }
    }

    /// A value of the network configuration is refused: code 7.
    ///
    /// ```
    /// use wasmcni_sdk::Error;
    /// let error = Error::config("vlan", 5000, "ids are 0 to 4094");
    /// assert_eq!((error.code, error.details.as_str()), (7, "reading \"vlan\": got 5000: ids are 0 to 4094"));
    /// ```
    #[must_use]
    pub fn config(key: &str, value: impl fmt::Display, why: &str) -> Self {
        Self::new(code::CONFIGURATION, format!("reading \"{key}\": got {value}: {why}"))
    }

    /// Something that the configuration must say is not there: code 7.
    #[must_use]
    pub fn missing(key: &str, why: &str) -> Self {
        Self::new(code::CONFIGURATION, format!("reading \"{key}\": missing: {why}"))
    }

    /// CHECK found something missing or changed: code 110.
    #[must_use]
    pub fn changed(details: impl Into<String>) -> Self {
        Self::new(code::CHANGED, details)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (code {})", self.msg, self.details, self.code)
    }
}

impl std::error::Error for Error {}

/// The kernel's or the gate's answer. `detail` already says what was tried on what.
impl From<net::Error> for Error {
    fn from(error: net::Error) -> Self {
        use net::ErrorCode as Kernel;
        let code = match error.code {
            Kernel::Denied => code::DENIED,
            Kernel::Busy | Kernel::Exhausted | Kernel::TimedOut => code::TRY_AGAIN,
            Kernel::NotSupported => code::NOT_AVAILABLE,
            Kernel::Exists
            | Kernel::NotFound
            | Kernel::Invalid
            | Kernel::NotPermitted
            | Kernel::Unreachable
            | Kernel::Other => code::INTERNAL,
        };
        Self::new(code, error.detail)
    }
}

/// A delegate's error, as it is.
impl From<CniError> for Error {
    fn from(error: CniError) -> Self {
        Self { code: error.code, msg: Cow::Owned(error.msg), details: error.details }
    }
}

impl From<Error> for CniError {
    fn from(error: Error) -> Self {
        Self { code: error.code, msg: error.msg.into_owned(), details: error.details }
    }
}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// Puts `what` before the details: `giving bridge "cni0" its gateway address: …`.
    ///
    /// # Errors
    /// The error that was there, told with its context.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| {
            let error = error.into();
            Error { details: format!("{}: {}", what(), error.details), ..error }
        })
    }
}

/// Steps that are all taken, as DEL must, whichever of them fail.
#[derive(Debug, Default)]
pub struct Steps {
    first: Option<Error>,
}

impl Steps {
    /// Notes how a step went. Its value, if it has one.
    pub fn took<T, E: Into<Error>>(&mut self, step: Result<T, E>) -> Option<T> {
        match step {
            Ok(value) => Some(value),
            Err(error) => {
                self.first.get_or_insert_with(|| error.into());
                None
            }
        }
    }

    /// How it all went.
    ///
    /// # Errors
    /// The first failure.
    pub fn finish(self) -> Result<(), Error> {
        self.first.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(code: net::ErrorCode) -> Error {
        net::Error { code, detail: "creating link \"br0\"".to_owned() }.into()
    }

    #[test]
    fn kernel_errors_have_fitting_codes() {
        use net::ErrorCode as Kernel;
        let table = [
            (Kernel::Denied, 100),
            (Kernel::Exists, 999),
            (Kernel::NotFound, 999),
            (Kernel::Busy, 11),
            (Kernel::Invalid, 999),
            (Kernel::NotPermitted, 999),
            (Kernel::NotSupported, 50),
            (Kernel::Exhausted, 11),
            (Kernel::Unreachable, 999),
            (Kernel::TimedOut, 11),
            (Kernel::Other, 999),
        ];
        for (from, to) in table {
            assert_eq!(kernel(from).code, to, "{from:?}");
            assert_eq!(kernel(from).details, "creating link \"br0\"");
        }
        assert_eq!(kernel(Kernel::Denied).msg, "denied by policy");
    }

    #[test]
    fn context_goes_before_the_details() {
        let result: Result<(), _> = Err(kernel(net::ErrorCode::Denied));
        let error = result.doing(|| "making bridge \"br0\"".to_owned()).unwrap_err();
        assert_eq!(error.code, 100);
        assert_eq!(error.details, "making bridge \"br0\": creating link \"br0\"");
    }

    #[test]
    fn steps_go_on_and_tell_the_first_failure() {
        let mut steps = Steps::default();
        assert_eq!(steps.took(Ok::<_, Error>(1)), Some(1));
        assert_eq!(steps.took(Err::<(), _>(Error::changed("a"))), None);
        assert_eq!(steps.took(Err::<(), _>(Error::changed("b"))), None);
        assert_eq!(steps.finish().unwrap_err().details, "a");
        assert!(Steps::default().finish().is_ok());
    }

    #[test]
    fn a_delegates_error_passes_unchanged() {
        let error =
            CniError { code: 120, msg: "pool empty".to_owned(), details: "10.0.0.0/30".to_owned() };
        let back = CniError::from(Error::from(error.clone()));
        assert_eq!(back, error);
    }
}
