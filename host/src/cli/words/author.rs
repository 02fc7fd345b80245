//! The words of the commands for authors of plugins: `wasmcni new`, `wit` and `pack`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(super) const NEW: &str = "\
Makes a directory NAME with a plugin that works: its source, the rights that it asks for, tests, and
a README with the three commands that build, test and install it. What it does is small and real;
change it to what yours is to do.

Nothing is fetched and nothing outside of the directory is written. The README says which tools a
language needs.";

pub(super) const NEW_MORE: &str = "\
Examples:
  wasmcni new acme                     a plugin in Rust, below ./acme
  wasmcni new --lang python acme       one in Python: an IPAM plugin
  wasmcni new --lang rust --sdk ~/wasmcni/plugins-wasm/sdk acme
                                       one that uses the SDK of a checkout

Exit status:
  0  done
  1  not done, and nothing was written: stderr says why, and what to do
  2  the command line makes no sense";

pub(super) const WIT: &str = "\
Writes the contract between wasmcni and its plugins as one WIT file with a world `plugin`: for the
tools that make components, and for reading. Each function says which grant it needs.

With --grants it is the part that those grants give. A component that imports more than it was
granted is not started, and the tools of interpreted languages import all that their world has.";

pub(super) const WIT_MORE: &str = "\
Examples:
  wasmcni wit | less                   all of it
  wasmcni wit --grants grants.toml > plugin.wit
                                       what a plugin with these grants may import

Exit status:
  0  done
  1  the grant file has errors: stderr says where, and what to write";

pub(super) const PACK: &str = "\
Makes what is shipped of what a tool built: a component, with the rights that it asks for in it. The
grant file is read as strictly as when the plugin is installed, and compared with what the component
imports, so that an author hears of what would be refused on every node.";

pub(super) const PACK_MORE: &str = "\
Examples:
  wasmcni pack built.wasm --grants grants.toml --output acme.wasm

Exit status:
  0  done
  1  not done: stderr says why, and what to do
  2  the command line makes no sense";

/// `wasmcni new`
#[derive(Debug, Args)]
pub(in super::super) struct New {
    /// What the plugin is called: a configuration's `type`, and the directory that is made
    #[arg(value_name = "NAME")]
    pub(in super::super) name: String,
    /// The language that it is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub(in super::super) lang: Language,
    /// Rust: where the SDK is, instead of a copy of it in the plugin's directory
    #[arg(long, value_name = "DIR")]
    pub(in super::super) sdk: Option<PathBuf>,
}

/// A language that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum Language {
    /// A chained plugin, with the SDK
    Rust,
    /// An IPAM plugin, by componentize-py
    Python,
    /// A chained plugin, by componentize-qjs
    Javascript,
    /// A chained plugin, by wit-bindgen and clang
    C,
}

/// `wasmcni wit`
#[derive(Debug, Args)]
pub(in super::super) struct Wit {
    /// Only what these grants give
    #[arg(long, value_name = "FILE")]
    pub(in super::super) grants: Option<PathBuf>,
}

/// `wasmcni pack`
#[derive(Debug, Args)]
pub(in super::super) struct Pack {
    /// What the tool built: a component, or a core module that says what component it makes
    #[arg(value_name = "FILE.wasm")]
    pub(in super::super) file: PathBuf,
    /// The rights that it asks for: a grant file with component = "this"
    #[arg(long, value_name = "FILE")]
    pub(in super::super) grants: PathBuf,
    /// Where to write
    #[arg(long, value_name = "FILE.wasm")]
    pub(in super::super) output: PathBuf,
}
