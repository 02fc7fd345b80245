//! Policies of the bundled plugins, parsed when the host is built.
//!
//! The files are read by the same strict parser, by the build script. An exec decodes what came of it, which
//! takes a twentieth of the parser's time; see `docs/decisions/0008-start-up.md`.

use std::borrow::Cow;
use std::sync::Arc;

use super::grant::Grants;

/// What [`decode`] reads.
///
/// # Errors
/// When it cannot be encoded, which is a defect of this program.
pub fn encode(grants: &Grants) -> postcard::Result<Vec<u8>> {
    postcard::to_allocvec(grants)
}

/// The policy that the same build encoded; `text` is its file.
///
/// # Errors
/// When another build did.
pub fn decode(compiled: &'static [u8], text: &'static str) -> postcard::Result<Grants> {
    let mut grants: Grants = postcard::from_bytes(compiled)?;
    let source = Arc::new(Cow::Borrowed(text));
    for grant in &mut grants.grants {
        grant.source = Arc::clone(&source);
    }
    Ok(grants)
}
