//! The words of `wasmcni policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) const POLICY: &str = "\
Checks what the node's operator wrote: grant files of plugins and wasmcni.toml. Changes nothing.";

pub(super) const POLICY_MORE: &str = "\
Exit status:
  0  no errors; there may be warnings
  1  errors
  2  the command line makes no sense";

pub(super) const POLICY_CHECK: &str = "\
Reads grant files as a call reads them, but to the end: every error, as FILE:LINE: what is written,
what is wrong with it, and what to write instead. Then what makes a good file useless: an owner or
mode for which calls refuse it, a component pin that does not go with the file's name, an import of
the plugin that no grant serves, so that it is refused before it starts.

Warnings are of what changes nothing and so is surely not meant: a grant that another one of the
file covers, one for an act that the plugin does not ask for, one that is never asked for.

Without FILE or DIR it reads /etc/wasmcni/wasmcni.toml and /etc/wasmcni/plugins/*.toml. The name
of a grant file says which plugin it is for: bridge.toml is for bridge.";

pub(super) const POLICY_CHECK_MORE: &str = "\
Examples:
  wasmcni policy check
  wasmcni policy check drafts/         all of a directory, before it is installed
  wasmcni policy check --as bridge draft.toml
  wasmcni policy check --json          file, line, text, problem, instead of each error

Exit status:
  0  no errors; there may be warnings
  1  errors: each on a line of stdout; or a file cannot be read
  2  the command line makes no sense";

/// `wasmcni policy`
#[derive(Debug, Args)]
pub(in super::super) struct Policy {
    #[command(subcommand)]
    pub(in super::super) command: PolicyCommand,
}

/// What `wasmcni policy` does.
#[derive(Debug, Subcommand)]
pub(in super::super) enum PolicyCommand {
    #[command(
        about = "Say every error of grant files, with line and what to write, and what is doubtful",
        long_about = POLICY_CHECK,
        after_long_help = POLICY_CHECK_MORE
    )]
    Check(PolicyCheck),
}

/// `wasmcni policy check`
#[derive(Debug, Args)]
pub(in super::super) struct PolicyCheck {
    /// Files, and directories whose *.toml are meant; without any, those of the node
    #[arg(value_name = "FILE|DIR")]
    pub(in super::super) paths: Vec<PathBuf>,
    /// The plugin that a grant file is for, whatever the file's name
    #[arg(long = "as", value_name = "NAME", requires = "paths")]
    pub(in super::super) plugin: Option<String>,
    /// As JSON: files (file, errors, warnings), errors, warnings
    #[arg(long)]
    pub(in super::super) json: bool,
}
