//! The suite: `cargo test -p suite`. No test needs root or touches the machine it runs on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod architecture;
mod cli;
mod harness;
mod isolation;
mod kernel;
mod languages;
mod plugins;
mod policy;
mod protocol;
mod reference;
