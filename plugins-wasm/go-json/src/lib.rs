//! Reads JSON the way Go's `encoding/json` does.
//!
//! CNI configurations are read by Go programs, and operators have come to rely on what those
//! accept: `"isGateway"` spelled `"isgateway"`, a key set to `null`, a key given twice. A plugin
//! that reads the same file by other rules makes another network of it. Go's rules, from the
//! `Unmarshal` documentation and `encoding/json/{decode,fold}.go`:
//!
//! - A struct's key matches exactly or, failing that, regardless of case; unknown keys are ignored.
//! - `null` leaves a field as it was, or sets a pointer, slice or map to nil.
//! - A key given twice, in one spelling or several, is read in document order: the later value
//!   wins, but an object merges into the struct or the map that is already there.
//!
//! Two of Go's habits are not copied: text that is not UTF-8, and a lone surrogate, are errors here
//! and U+FFFD there.
//!
//! Key matching needs to know a struct's keys. It therefore does not reach through
//! `#[serde(flatten)]` and enums that are not plain strings: read the parts one by one instead.

mod de;
mod error;
mod fold;
mod node;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use node::Node;

use serde::de::DeserializeOwned;

/// Reads `text` into `T`.
///
/// # Errors
/// The text is not JSON, or a value is not of the kind that `T` wants; the error names its key.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    Node::parse(text)?.to()
}

/// Reads UTF-8 `bytes` into `T`.
///
/// # Errors
/// As [`from_str`], and when the bytes are not UTF-8.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    from_str(std::str::from_utf8(bytes).map_err(Error::syntax)?)
}
