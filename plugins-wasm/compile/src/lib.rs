//! Plugin crates become components, components become native code: for the build scripts, and for the
//! program `wasmcni-compile`, which does it for components that are installed on a node.
//!
//! Two steps, both before a plugin is run, so that an exec pays only for mapping and instantiating:
//! `cargo build --target wasm32-unknown-unknown` and `wit-component` make the component, Cranelift
//! compiles it for a baseline CPU of the target's architecture, not for the build machine's.
#![allow(clippy::disallowed_methods, reason = "serves build scripts, which may do as they like")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

#[path = "../../../host/src/component/engine_config.rs"]
mod engine_config;

/// Why a plugin could not be built: the compiler's messages are on stderr.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A plugin that was built.
#[derive(Debug)]
pub struct Plugin {
    /// Name of its package.
    pub name: String,
    /// The component, as a file would hold it.
    pub component: Vec<u8>,
    /// Native code for the engine of `engine_config`.
    pub compiled: Vec<u8>,
}

/// What plugins are built from: all of `plugins-wasm` but the plugins' policy tests and those in other
/// languages, which change nothing that is built.
///
/// # Errors
/// When the directories cannot be read.
pub fn sources(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for plugin in fs::read_dir(workspace.join("plugins-wasm"))? {
        let plugin = plugin?;
        if plugin.file_name() == "languages" {
            continue;
        }
        for part in fs::read_dir(plugin.path())? {
            let part = part?;
            if part.file_name() != "tests" {
                found.push(part.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Builds the workspace's packages (all of them cdylibs) to components, and compiles those for
/// `target`, a Rust target triple.
///
/// # Errors
/// When cargo, the component encoder or Cranelift fails; the text says which package.
pub fn build(
    workspace: &Path,
    packages: &[&str],
    scratch: &Path,
    target: &str,
) -> Result<Vec<Plugin>> {
    let modules = build_modules(workspace, packages, scratch)?;
    let mut plugins = Vec::new();
    for (name, path) in packages.iter().zip(modules) {
        let plugin = (|| -> Result<Plugin> {
            let component = componentize(&std::fs::read(&path)?)?;
            let compiled = compile(&component, target)?;
            Ok(Plugin { name: (*name).to_owned(), component, compiled })
        })();
        plugins.push(plugin.map_err(|e| format!("building plugin {name:?}: {e:?}"))?);
    }
    Ok(plugins)
}

/// Compiles a component for `target`, a Rust target triple.
///
/// # Errors
/// When it is no component, or Cranelift fails.
pub fn compile(component: &[u8], target: &str) -> Result<Vec<u8>> {
    Ok(compiler(target)?.precompile_component(component)?)
}

/// The component in a file: the file itself, or what its core module makes.
///
/// # Errors
/// When it is neither, or the module does not say of which world it is.
pub fn component_of(file: &[u8]) -> Result<Vec<u8>> {
    if wasmparser::Parser::is_component(file) {
        return Ok(file.to_vec());
    }
    if !wasmparser::Parser::is_core_wasm(file) {
        return Err("it is no WebAssembly".into());
    }
    componentize(file).map_err(|e| format!("making a component of a core module: {e:#}").into())
}

/// What code and engine must have in common, for `target`, a Rust target triple: 16 hexadecimal digits that
/// change with wasmtime's version, with the engine's settings (their file, to be exact) and with the target.
/// wasmtime itself checks more when code is loaded.
#[must_use]
pub fn engine_id(target: &str) -> String {
    const SETTINGS: &str = include_str!("../../../host/src/component/engine_config.rs");
    let text = format!("{}\n{target}\n{SETTINGS}", wasmtime_environ::VERSION);
    Sha256::digest(text).iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

/// Runs cargo for the wasm target; returns each package's core module.
fn build_modules(workspace: &Path, packages: &[&str], scratch: &Path) -> Result<Vec<PathBuf>> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace)
        .args(["build", "--profile", "guest", "--target", TARGET, "--target-dir"])
        .arg(scratch)
        // The outer build's flags and wrappers (clippy's among them) are for the host.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    for package in packages {
        command.args(["--package", package]);
    }
    let status = command.status().map_err(|e| format!("running cargo for {TARGET}: {e}"))?;
    if !status.success() {
        return Err(format!(
            "building the plugins for {TARGET} failed ({status}); if the target is missing, run \
             `rustup target add {TARGET}`"
        )
        .into());
    }
    let out = scratch.join(TARGET).join("guest");
    Ok(packages.iter().map(|p| out.join(format!("{}.wasm", p.replace('-', "_")))).collect())
}

/// Wraps a core module into a component. The module says in a section of its own which world it is of, as
/// those of wit-bindgen do.
///
/// # Errors
/// When it does not, or is not of that world.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())?;
    Ok(component)
}

/// An engine that compiles for `target`; with a target given, Cranelift assumes nothing of the
/// build machine's CPU.
fn compiler(target: &str) -> Result<wasmtime::Engine> {
    let mut config = engine_config::engine_config();
    config.target(target)?.cranelift_opt_level(wasmtime::OptLevel::Speed);
    Ok(wasmtime::Engine::new(&config)?)
}
