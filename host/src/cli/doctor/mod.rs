//! `wasmcni doctor`: what the reference plugins, or a crash, left on this node, and how to remove it.
//!
//! Rules of iptables are read by the `…-save` programs, of both back ends: a node may have rules in
//! both, of the older one no netlink dump tells, and the commands that remove them need the programs
//! anyway. Rules of nftables are read by `nft`, which the reference plugins needed to make them.

mod firewall;
mod iptables;
mod known;
mod nftables;
mod program;
mod report;
mod save;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::failure::{Doing, Failure};
use super::words;
use known::Known;
use report::Report;

/// Exit status when there is nothing to remove, something, or not all could be looked at.
const NOTHING: u8 = 0;
const FOUND: u8 = 1;
const NOT_ALL_SEEN: u8 = 3;

/// `wasmcni doctor`
pub(super) fn run(
    options: &words::Doctor,
    root: &Path,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let known = Known::read(root).doing(|| "looking for what is attached")?;
    let mut report = Report::default();
    iptables::look(&known, &mut report);
    nftables::look(&known, &mut report);
    if options.json {
        report.json(out)?
    } else {
        report.text(out)?
    }
    let status = match (report.failures.is_empty(), report.found.is_empty()) {
        (false, _) => NOT_ALL_SEEN,
        (true, false) => FOUND,
        (true, true) => NOTHING,
    };
    for failure in &report.failures {
        let _ = writeln!(std::io::stderr(), "wasmcni doctor: {failure}");
    }
    Ok(ExitCode::from(status))
}
