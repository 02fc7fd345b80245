//! The suite: `cargo test -p suite`. No test needs root or touches the machine it runs on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod harness;
mod isolation;
mod kernel;
mod plugins;
mod protocol;
mod reference;
