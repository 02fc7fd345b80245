//! The plugins that are written in other languages, on the real kernel: `plugins-wasm/languages`.
//!
//! They need those languages' tools, so a plain `cargo test` lists them as ignored. `tests/languages.sh` builds
//! them, and runs these tests with what it built.

mod c;
mod javascript;
mod python;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::exec::Outcome;
use crate::harness::node::{Node, on_a_node};

/// The directory of what `tests/languages.sh` built: LANGUAGE.wasm, and wasmcni with its compiler.
fn built() -> PathBuf {
    let dir = env::var_os("WASMCNI_LANGUAGES");
    PathBuf::from(dir.expect("tests/languages.sh builds the plugins and says where they are"))
}

/// A node on which a plugin of another language was added.
struct Place {
    node: Node,
    bin: PathBuf,
    root: PathBuf,
}

impl Place {
    /// Adds `LANGUAGE.wasm` under a name, with what it asks for or with grants of the operator's.
    fn with(language: &str, name: &str, grants: Option<&str>) -> Self {
        let dir = Path::new("/run/languages");
        let (bin, root) = (dir.join("bin"), dir.join("root"));
        fs::create_dir_all(&bin).unwrap();
        for program in ["wasmcni", "wasmcni-compile"] {
            fs::copy(built().join(program), bin.join(program)).unwrap();
        }
        for plugin in wasmcni::component::BUNDLED {
            std::os::unix::fs::symlink("wasmcni", bin.join(plugin.name)).unwrap();
        }
        let place = Self { node: Node::at(&bin, &root), bin, root };
        let file = built().join(format!("{language}.wasm"));
        let mut words = vec!["plugin", "add", file.to_str().unwrap(), "--name", name];
        words.extend(["--dir", place.bin.to_str().unwrap()]);
        let own = dir.join("own.toml");
        match grants {
            Some(text) => {
                fs::write(&own, text).unwrap();
                words.extend(["--grant", own.to_str().unwrap()]);
            }
            None => words.push("--accept"),
        }
        let added = crate::cli::run_as(&place.bin.join("wasmcni"), &place.root, &words);
        assert_eq!((added.status, added.stderr.as_str()), (Some(0), ""), "{added:?}");
        place
    }
}

/// The grants that a plugin asks for, with something changed.
#[track_caller]
fn narrowed(language: &str, from: &str, to: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins-wasm/languages");
    let text = fs::read_to_string(dir.join(language).join("grants.toml")).unwrap();
    assert!(text.contains(from), "{language} asks for no {from}");
    text.replace(from, to)
}

/// Runs a test on a node where the plugin was added with what it asks for.
fn on_a_node_with(language: &str, name: &str, test: impl FnOnce(&Node)) {
    on_a_node(|_| test(&Place::with(language, name, None).node));
}

/// Runs a test on a node where the plugin was added with these grants.
fn on_a_node_granting(language: &str, name: &str, grants: &str, test: impl FnOnce(&Node)) {
    on_a_node(|_| test(&Place::with(language, name, Some(grants)).node));
}

#[track_caller]
fn refused(outcome: &Outcome, code: u32, reason: &str) {
    let error: Value = outcome.json();
    assert_eq!((outcome.status, &error["code"]), (Some(1), &code.into()), "{error:#}");
    assert!(error["details"].as_str().unwrap().contains(reason), "{reason}: {error:#}");
}
