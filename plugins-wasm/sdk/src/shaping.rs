//! Limits of bandwidth. The host renders them, and clears up after an attachment by itself.

pub use crate::bindings::wasmcni::net::shaping::{
    Bucket, Direction, clear, difference, limit_egress, limit_ingress,
};
