//! Builds the guests that attack, and compiles them ahead, for `tests/isolation/guests.rs` to embed.
#![allow(clippy::disallowed_methods, reason = "a build script")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// Written in Rust: name and package.
const HOSTILE: (&str, &str) = ("hostile", "wasmcni-hostile");

/// The same, by a list: name and package.
const ACTS: (&str, &str) = ("hostile-acts", "wasmcni-hostile-acts");

/// A plugin that is not part of wasmcni: name and package.
const EXAMPLE: (&str, &str) = ("example", "wasmcni-example");

/// Written by hand, in here.
const RAW: &str = "plugins-wasm/hostile/raw";

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let engine = "host/src/component/engine_config.rs";
    for watched in wasmcni_compile::sources(&workspace)? {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    for watched in ["wit", "Cargo.lock", engine] {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    let (out, target) = (PathBuf::from(env::var("OUT_DIR")?), env::var("TARGET")?);
    let packages = [HOSTILE.1, ACTS.1, EXAMPLE.1];
    let built = wasmcni_compile::build(&workspace, &packages, &scratch(&out), &target)?;
    for (name, built) in [HOSTILE.0, ACTS.0, EXAMPLE.0].iter().zip(built) {
        fs::write(out.join(format!("{name}.wasm")), built.component)?;
        fs::write(out.join(format!("{name}.cwasm")), built.compiled)?;
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.join(RAW))? {
        let path = entry?.path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let component = if let Some(name) = file.strip_suffix(".core.wat") {
            names.push(name.to_owned());
            core(&workspace, &fs::read_to_string(&path)?)
        } else if let Some(name) = file.strip_suffix(".component.wat") {
            names.push(name.to_owned());
            wat::parse_file(&path).map_err(Into::into)
        } else {
            continue;
        };
        let Some(name) = names.last() else { continue };
        let failed = |e| format!("building {file}: {e:?}");
        let component = component.map_err(failed)?;
        let compiled = wasmcni_compile::compile(&component, &target).map_err(failed)?;
        fs::write(out.join(format!("{name}.wasm")), component)?;
        fs::write(out.join(format!("{name}.cwasm")), compiled)?;
    }
    names.sort();
    println!("cargo::rustc-env=RAW_GUESTS={}", names.join(" "));
    Ok(())
}

/// A component of a core module whose end is that of all.
fn core(workspace: &Path, beginning: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let tail = fs::read_to_string(workspace.join(RAW).join("tail.wat"))?;
    let mut module = wat::parse_str(format!("(module\n{beginning}\n{tail})"))?;
    let mut contract = Resolve::default();
    let (package, _) = contract.push_path(workspace.join("wit"))?;
    let world = contract.select_world(&[package], Some("wasmcni:cni/every-plugin"))?;
    wit_component::embed_component_metadata(&mut module, &contract, world, StringEncoding::UTF8)?;
    wasmcni_compile::componentize(&module)
}

/// `target/guests`, as of the host's build script: plugins are built once.
fn scratch(out: &Path) -> PathBuf {
    let target = out.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists()).unwrap_or(out);
    target.join("guests")
}
