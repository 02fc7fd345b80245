//! Addresses that attachments hold, and the node's resolver configuration: what the WIT package
//! `wasmcni:ipam` stands on. May import: names.
//!
//! The directory format is the reference host-local's, byte for byte, so that both can work on one
//! directory at the same time. Decision 0006 (docs/decisions) has the why of everything here.

mod bitmap;
mod directory;
mod error;
mod index;
mod index_files;
mod lock;
mod owner;
pub mod resolv_conf;
mod store;

pub use error::StoreError;
pub use owner::{Attachment, Content};
pub use store::{Claim, Store};

#[cfg(test)]
mod tests;
