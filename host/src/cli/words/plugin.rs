//! The words of `wasmcni inspect` and `wasmcni plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::PLUGIN_DIRECTORY;

pub(super) const INSPECT: &str = "\
Shows what a component is (digest, size, version, language, world), every function of the host that
it can ever call, with the operation that a grant for it names, and the rights that it asks for. A
component can call nothing but what is listed: it has no other way out.

Nothing of the component runs. It is read by wasmcni-compile, a process without rights.";

pub(super) const INSPECT_MORE: &str = "\
Examples:
  wasmcni inspect acme.wasm
  wasmcni inspect acme.wasm --json | jq -r '.imports[].operations[]' | sort -u

Exit status:
  0  done
  1  it is no component, or cannot be read: stderr says why";

/// `wasmcni inspect`
#[derive(Debug, Args)]
pub(in super::super) struct Inspect {
    /// The component, or a core module that says what component it makes
    #[arg(value_name = "FILE.wasm")]
    pub(in super::super) file: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(in super::super) json: bool,
}

pub(super) const PLUGIN: &str = "\
Manages plugins that are not part of wasmcni. Each is a component that somebody shipped as a file,
known by its sha256 digest, with a grant file that says what it may do on this node: nothing that
is not written there. A runtime calls it by the name that it was added under.

Every change is made by renaming what was written before: a plugin is as it was or as it is to be,
even if the command is killed, the disk is full, or a runtime executes the plugin meanwhile. A
component or its code that was changed afterwards is refused when it is called.";

pub(super) const PLUGIN_MORE: &str = "\
Examples:
  wasmcni plugin list
  sudo wasmcni plugin add acme.wasm --name acme
                                       show what it asks for; nothing is granted, nothing changed
  sudo wasmcni plugin add acme.wasm --name acme --accept
                                       grant what it asks for
  sudo wasmcni plugin add acme.wasm --name acme --grant acme.toml
                                       grant what your file says
  sudo wasmcni plugin upgrade acme-2.wasm --name acme
                                       refused if it asks for more than before
  sudo wasmcni plugin remove acme

Files:
  /etc/wasmcni/plugins/NAME.toml       its grants, and which component they are for
  /var/lib/wasmcni/components/         components by digest, with their compiled code
  /opt/cni/bin/NAME                    a symlink to wasmcni

Exit status:
  0  done
  1  not done, and nothing was changed: stderr says why, and what to do
  2  the command line makes no sense";

const CHANGED: &str = "\
Exit status:
  0  done
  1  not done: stderr says why, and what to do";

const LISTED: &str = "\
Exit status:
  0  each of them can be called
  1  one cannot: stderr says which, and why";

/// `wasmcni plugin`
#[derive(Debug, Args)]
pub(in super::super) struct Plugin {
    #[command(subcommand)]
    pub(in super::super) command: PluginCommand,
}

/// What is done with plugins of others.
#[derive(Debug, Subcommand)]
pub(in super::super) enum PluginCommand {
    /// Install a component under a name, with the rights that you give it
    #[command(after_long_help = CHANGED)]
    Add(Add),
    /// Put another component in a plugin's place; its rights are not widened unless you say so
    #[command(after_long_help = CHANGED)]
    Upgrade(Upgrade),
    /// Remove a plugin: its symlink, its grants, its component
    #[command(after_long_help = CHANGED)]
    Remove(Remove),
    /// List the plugins that were added; fails if one of them could not be called
    #[command(after_long_help = LISTED)]
    List(List),
    /// Compile the components of all plugins for this build of wasmcni, after it was upgraded
    #[command(after_long_help = CHANGED)]
    Rebuild,
}

/// `wasmcni plugin add`
#[derive(Debug, Args)]
pub(in super::super) struct Add {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    pub(in super::super) file: PathBuf,
    /// The name that network configurations have as their `type`
    #[arg(long, value_name = "NAME")]
    pub(in super::super) name: String,
    /// Grant what it asks for
    #[arg(long, conflicts_with = "grant")]
    pub(in super::super) accept: bool,
    /// Grant what this file says, whatever it asks for
    #[arg(long, value_name = "FILE")]
    pub(in super::super) grant: Option<PathBuf>,
    /// The runtime's plugin directory
    #[arg(long, value_name = "DIR", default_value = PLUGIN_DIRECTORY)]
    pub(in super::super) dir: PathBuf,
}

/// `wasmcni plugin upgrade`
#[derive(Debug, Args)]
pub(in super::super) struct Upgrade {
    /// The new component
    #[arg(value_name = "FILE.wasm")]
    pub(in super::super) file: PathBuf,
    /// The plugin
    #[arg(long, value_name = "NAME")]
    pub(in super::super) name: String,
    /// Grant what the new component asks for, more or less than before
    #[arg(long, conflicts_with_all = ["grant", "keep"])]
    pub(in super::super) widen: bool,
    /// Leave the grants as they are, though it asks for more
    #[arg(long, conflicts_with = "grant")]
    pub(in super::super) keep: bool,
    /// Grant what this file says, whatever it asks for
    #[arg(long, value_name = "FILE")]
    pub(in super::super) grant: Option<PathBuf>,
}

/// `wasmcni plugin remove`
#[derive(Debug, Args)]
pub(in super::super) struct Remove {
    /// The plugin
    #[arg(value_name = "NAME")]
    pub(in super::super) name: String,
    /// The runtime's plugin directory
    #[arg(long, value_name = "DIR", default_value = PLUGIN_DIRECTORY)]
    pub(in super::super) dir: PathBuf,
}

/// `wasmcni plugin list`
#[derive(Debug, Args)]
pub(in super::super) struct List {
    /// As JSON: name, component, grants, problem
    #[arg(long)]
    pub(in super::super) json: bool,
}
