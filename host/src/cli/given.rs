//! Files that are named on the command line, or beside one that is: read whole, up to a bound.
#![allow(clippy::disallowed_methods, reason = "the operator names them")]

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Largest file that is read, in octets.
const MAX_BYTES: u64 = 64 << 20;

/// The file's octets.
///
/// # Errors
/// The system's, or that it is too large: a part of it may say something else.
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_BYTES {
        true => {
            let why = format!("it is larger than {} MiB", MAX_BYTES >> 20);
            Err(io::Error::new(ErrorKind::FileTooLarge, why))
        }
        false => Ok(bytes),
    }
}

/// The file's text.
///
/// # Errors
/// As for [`bytes`], and when it is no UTF-8.
pub(super) fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(bytes(path)?).map_err(|e| io::Error::new(ErrorKind::InvalidData, e))
}
