//! What was wrong, and at which key.

use std::fmt;

use serde::de::{Expected, Unexpected};

/// Why a text could not be read: the path to the key, what stands there and what was expected.
///
/// In a box: it passes through the code that serde generates for every field of every struct, which is the
/// smaller for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Reason>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reason {
    path: String,
    message: String,
}

impl Error {
    /// The path to the offending value, such as `ipam.ranges[0][1].subnet`; empty for the document
    /// itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What is wrong there, without the path.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn syntax(cause: impl fmt::Display) -> Self {
        Self(Box::new(Reason { path: String::new(), message: cause.to_string() }))
    }

    /// The same error, seen from the object that holds `key`.
    #[must_use]
    pub fn at_key(mut self, key: &str) -> Self {
        self.below(key.to_owned());
        self
    }

    /// The same error, seen from the array that holds element `index`.
    pub(crate) fn at_index(mut self, index: usize) -> Self {
        self.below(format!("[{index}]"));
        self
    }

    /// Puts `step` before the path.
    fn below(&mut self, mut step: String) {
        let path = &mut self.0.path;
        if !path.is_empty() && !path.starts_with('[') {
            step.push('.');
        }
        path.insert_str(0, &step);
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reason { path, message } = &*self.0;
        if path.is_empty() {
            write!(f, "reading json: {message}")
        } else {
            write!(f, "reading {path:?}: {message}")
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::syntax(message)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("got {}, expected {expected}", Found(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("missing key {field:?}"))
    }
}

/// A value as messages call it: in serde's words, which would bring all of core's formatting of floating
/// point numbers with them, a tenth of a plugin's code.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(value) => write!(f, "boolean `{value}`"),
            Unexpected::Unsigned(value) => write!(f, "integer `{value}`"),
            Unexpected::Signed(value) => write!(f, "integer `{value}`"),
            Unexpected::Float(value) => float(value, f),
            Unexpected::Char(value) => write!(f, "character `{value}`"),
            Unexpected::Str(value) => write!(f, "string {value:?}"),
            Unexpected::Other(name) => f.write_str(name),
            // No value of a document: serde's names for its own.
            Unexpected::Bytes(_) => f.write_str("byte array"),
            Unexpected::Unit => f.write_str("unit value"),
            Unexpected::Option => f.write_str("Option value"),
            Unexpected::NewtypeStruct => f.write_str("newtype struct"),
            Unexpected::Seq => f.write_str("sequence"),
            Unexpected::Map => f.write_str("map"),
            Unexpected::Enum => f.write_str("enum"),
            Unexpected::UnitVariant => f.write_str("unit variant"),
            Unexpected::NewtypeVariant => f.write_str("newtype variant"),
            Unexpected::TupleVariant => f.write_str("tuple variant"),
            Unexpected::StructVariant => f.write_str("struct variant"),
        }
    }
}

/// A number as messages need it to be found again: with its first three decimals. Formatting it to the last
/// digit takes tables of 10 KB.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both are below 2^53")]
fn float(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    /// From here on no f64 has decimals. 2^53
    const ALL_INTEGERS: f64 = 9_007_199_254_740_992.0;
    let size = value.abs();
    if size >= ALL_INTEGERS {
        return f.write_str("floating point of more than 15 digits");
    }
    let all = size.fract() * 1000.0;
    // 0.1 has no end in binary digits.
    let thousandths = (all + 1e-6).floor();
    let sign = if value < 0.0 { "-" } else { "" };
    let more = if (all - thousandths).abs() < 1e-6 { "" } else { "…" };
    let decimals = format!("{:03}", thousandths as u64);
    let decimals = decimals.trim_end_matches('0');
    let decimals = if decimals.is_empty() { "0" } else { decimals };
    write!(f, "floating point `{sign}{}.{decimals}{more}`", size as u64)
}
