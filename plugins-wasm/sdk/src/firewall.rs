//! The node's packet filter. The host renders it, and clears up after an attachment by itself.

pub use crate::bindings::wasmcni::net::firewall::{
    Admission, Apart, Separation, admit, admit_apart, admitted, available, clear,
};
