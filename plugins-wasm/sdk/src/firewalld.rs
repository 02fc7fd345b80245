//! firewalld's zones. What an attachment put into them the host takes out again by itself.

pub use crate::bindings::wasmcni::net::firewalld::{
    Daemon, add_source, remove_source, state, zone_of_source,
};
