//! The words of `wasmcni explain`.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXPLAIN: &str = "\
Tells from the audit each call that was made for a container: how it ended, which plugins ran, what
each asked for, and the rule (file and line) that allowed it, or what was said where none did. Then,
from the journals, what stands now and the container's DEL takes back.

An audit is written if /etc/wasmcni/wasmcni.toml says where: a file, which gets a line of JSON for
each call, or the journal of systemd:

  audit = \"/var/log/wasmcni.log\"
  audit = \"journald\"";

pub(super) const EXPLAIN_MORE: &str = "\
Examples:
  sudo wasmcni explain 7f0c9a                    the beginning of an id is enough
  sudo wasmcni explain 7f0c9a --audit /var/log/wasmcni.log.1
  journalctl -t wasmcni -o cat | sudo wasmcni explain 7f0c9a --audit -

Exit status:
  0  told
  1  nothing is known of it, or the audit cannot be read";

/// `wasmcni explain`
#[derive(Debug, Args)]
pub(in super::super) struct Explain {
    /// The container's id, or its beginning
    #[arg(value_name = "CONTAINER")]
    pub(in super::super) container: String,
    /// Read this file instead of the one that the configuration names; - is stdin
    #[arg(long, value_name = "FILE")]
    pub(in super::super) audit: Option<PathBuf>,
}
