//! For meta plugins, which have others do the work: delegation with a configuration of one's own, its
//! copy for DEL, and flanneld's subnet file.
//!
//! The functions and their grants are documented in `wit/configured-delegate.wit`,
//! `wit/saved-configuration.wit` and `wit/deps/ipam/subnet-file.wit`.

pub use crate::bindings::wasmcni::cni::configured_delegate;
pub use crate::bindings::wasmcni::cni::saved_configuration;
pub use crate::bindings::wasmcni::ipam::subnet_file;
