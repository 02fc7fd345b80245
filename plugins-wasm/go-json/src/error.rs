//! What was wrong, and at which key.

use std::fmt;

use serde::de::{Expected, Unexpected};

/// Why a text could not be read: the path to the key, what stands there and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    path: String,
    message: String,
}

impl Error {
    /// The path to the offending value, such as `ipam.ranges[0][1].subnet`; empty for the document
    /// itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there, without the path.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn syntax(cause: impl fmt::Display) -> Self {
        Self { path: String::new(), message: cause.to_string() }
    }

    /// The same error, seen from the object that holds `key`.
    #[must_use]
    pub fn at_key(self, key: &str) -> Self {
        let path = match self.path.chars().next() {
            None => key.to_owned(),
            Some('[') => format!("{key}{}", self.path),
            Some(_) => format!("{key}.{}", self.path),
        };
        Self { path, ..self }
    }

    /// The same error, seen from the array that holds element `index`.
    pub(crate) fn at_index(self, index: usize) -> Self {
        let path = match self.path.chars().next() {
            None | Some('[') => format!("[{index}]{}", self.path),
            Some(_) => format!("[{index}].{}", self.path),
        };
        Self { path, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "reading json: {}", self.message)
        } else {
            write!(f, "reading {:?}: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::syntax(message)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("got {found}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("missing key {field:?}"))
    }
}
