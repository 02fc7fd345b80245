//! The words of `wasmcni learn`.

use std::path::PathBuf;

use clap::Args;

use super::given::{self, GivenPlugin};

pub(super) const LEARN: &str = "\
Writes the least grant file that a plugin needs, to stdout: for what its tests have it ask for, run
on a simulated kernel, or for what an audit says that it was allowed. No root needed, nothing of
this machine touched.

A grant gives what was asked for and nothing that was not. Values are written as variables where
they were what the variable means each time (@ifname, @config.bridge, @ipam), otherwise as they
were; docs/grants.md says how. An audit has values alone: what is learned from it is for the
configurations that were used.

Tests run with the grants that the plugin has: those of the bundled ones, the manifest of one that
--plugin names, or with everything allowed, if it brings none. On stderr stands which grants of that
file were never used, and which acts it refuses.";

pub(super) const LEARN_MORE: &str = "\
Examples:
  wasmcni learn --as bridge policy/ > bridge.toml
  wasmcni learn --as acme tests/ --plugin acme=acme.wasm
  wasmcni learn --as acme tests/ --plugin acme=acme.wasm --against grants.toml > /dev/null
                                       which grants of that file no test uses
  sudo wasmcni learn --as bridge --audit /var/log/wasmcni.log
  journalctl -t wasmcni -o cat | wasmcni learn --as bridge --audit -

Exit status:
  0  done
  1  failed: stderr says why; a test that fails teaches nothing
  2  the command line makes no sense
  3  done, and the file of --against refuses something that was asked for";

/// `wasmcni learn`
#[derive(Debug, Args)]
pub(in super::super) struct Learn {
    /// Test files, and directories with such
    #[arg(value_name = "TESTS", required_unless_present = "audit")]
    pub(in super::super) paths: Vec<PathBuf>,
    /// The plugin whose grants are wanted, by its CNI type
    #[arg(long = "as", value_name = "NAME")]
    pub(in super::super) name: String,
    /// An audit instead of tests; -: stdin
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    pub(in super::super) audit: Option<PathBuf>,
    /// A component as the plugin of that type
    #[arg(long, value_name = given::GIVEN_PLUGIN, value_parser = given::given_plugin)]
    pub(in super::super) plugin: Vec<GivenPlugin>,
    /// Run with everything allowed, instead of the grants that the plugin has
    #[arg(long, conflicts_with = "audit")]
    pub(in super::super) everything: bool,
    /// Say of this grant file, not the plugin's own, what is never used and refused
    #[arg(long, value_name = "FILE")]
    pub(in super::super) against: Option<PathBuf>,
}
