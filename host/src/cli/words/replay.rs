//! The words of `wasmcni replay`.

use std::path::PathBuf;

use clap::Args;

use super::given::{self, GivenPlugin};

pub(super) const REPLAY: &str = "\
Serves recorded calls again, on a simulated node in the state in which the real one was, and shows
what differs: what was asked for, what decided on it, the result, the exit status. The components,
the grants and what the kernel refused are those of the call, unless other ones are given. No root
needed, nothing of this machine touched.

A node records its calls if /etc/wasmcni/wasmcni.toml says where to: record = \"DIR\". `wasmcni test
--record DIR` records those of tests. docs/recordings.md says what is in a file: do not hand it to
those who may not know the node.";

pub(super) const REPLAY_MORE: &str = "\
Examples:
  wasmcni replay 1763740000000-add-7f0c9a-eth0-bridge-4711.wasmcni.json
  wasmcni replay recordings/*.json --grants drafts/
                                       what narrower grants would refuse
  wasmcni replay recordings/*.json --plugin acme=acme-2.wasm
                                       what an upgrade would do otherwise

Files:
  /etc/wasmcni/plugins/NAME.toml       of plugins of others: which component is installed here

Exit status:
  0  all calls went as they were recorded
  1  a recording cannot be replayed: stderr says why
  2  the command line makes no sense
  3  a call went otherwise: stdout says how, - recorded, + replayed";

/// `wasmcni replay`
#[derive(Debug, Args)]
pub(in super::super) struct Replay {
    /// Recordings
    #[arg(value_name = "FILE", required = true)]
    pub(in super::super) files: Vec<PathBuf>,
    /// Directory with NAME.toml for plugins, instead of the recorded grants
    #[arg(long, value_name = "DIR")]
    pub(in super::super) grants: Option<PathBuf>,
    /// A component as the plugin of that type, instead of the one that ran
    #[arg(long, value_name = given::GIVEN_PLUGIN, value_parser = given::given_plugin)]
    pub(in super::super) plugin: Vec<GivenPlugin>,
    /// A line of JSON for each: file, verb, network, plugin, same, differences, notes
    #[arg(long)]
    pub(in super::super) json: bool,
}
