//! `peak-memory PROGRAM` runs a program and writes the peak memory of it and its children, in KiB, as the
//! last line of stderr.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a program of the suite"
)]

use std::process::{Command, ExitCode};

use nix::sys::resource::{UsageWho, getrusage};

fn main() -> ExitCode {
    let Some(program) = std::env::args_os().nth(1) else { return ExitCode::from(2) };
    let success = Command::new(program).status().is_ok_and(|status| status.success());
    match getrusage(UsageWho::RUSAGE_CHILDREN) {
        Ok(usage) if success => {
            eprintln!("\n{}", usage.max_rss());
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}
