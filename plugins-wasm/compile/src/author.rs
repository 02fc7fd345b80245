//! What authors of plugins get of this repository: the contract, the SDK, and the plugins that
//! `wasmcni new` begins with.

use std::collections::BTreeMap;
use std::error::Error;

/// The files at these paths, with their texts.
macro_rules! files {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../", $path)))),*]
    };
}

/// Path below the workspace, and text; but for tests of the SDK's own.
#[rustfmt::skip]
pub(crate) static FILES: &[(&str, &str)] = files![
    "Cargo.toml"
    "plugins-wasm/example/Cargo.toml"
    "plugins-wasm/example/grants.toml"
    "plugins-wasm/example/src/lib.rs"
    "plugins-wasm/go-json/Cargo.toml"
    "plugins-wasm/go-json/src/de.rs"
    "plugins-wasm/go-json/src/error.rs"
    "plugins-wasm/go-json/src/fold.rs"
    "plugins-wasm/go-json/src/lib.rs"
    "plugins-wasm/go-json/src/node.rs"
    "plugins-wasm/languages/c/README.md"
    "plugins-wasm/languages/c/build.sh"
    "plugins-wasm/languages/c/grants.toml"
    "plugins-wasm/languages/c/plugin.c"
    "plugins-wasm/languages/javascript/README.md"
    "plugins-wasm/languages/javascript/build.sh"
    "plugins-wasm/languages/javascript/grants.toml"
    "plugins-wasm/languages/javascript/package.json"
    "plugins-wasm/languages/javascript/plan.js"
    "plugins-wasm/languages/javascript/plan.test.js"
    "plugins-wasm/languages/javascript/plugin.js"
    "plugins-wasm/languages/python/README.md"
    "plugins-wasm/languages/python/build.sh"
    "plugins-wasm/languages/python/grants.toml"
    "plugins-wasm/languages/python/plugin.py"
    "plugins-wasm/sdk/Cargo.toml"
    "plugins-wasm/sdk/src/allocator.rs"
    "plugins-wasm/sdk/src/bindings.rs"
    "plugins-wasm/sdk/src/child.rs"
    "plugins-wasm/sdk/src/conf.rs"
    "plugins-wasm/sdk/src/error.rs"
    "plugins-wasm/sdk/src/firewall.rs"
    "plugins-wasm/sdk/src/firewalld.rs"
    "plugins-wasm/sdk/src/iface.rs"
    "plugins-wasm/sdk/src/ipam.rs"
    "plugins-wasm/sdk/src/lib.rs"
    "plugins-wasm/sdk/src/log.rs"
    "plugins-wasm/sdk/src/mac.rs"
    "plugins-wasm/sdk/src/meta.rs"
    "plugins-wasm/sdk/src/nat.rs"
    "plugins-wasm/sdk/src/net.rs"
    "plugins-wasm/sdk/src/plugin.rs"
    "plugins-wasm/sdk/src/port_map.rs"
    "plugins-wasm/sdk/src/request.rs"
    "plugins-wasm/sdk/src/reservations.rs"
    "plugins-wasm/sdk/src/resolv_conf.rs"
    "plugins-wasm/sdk/src/result.rs"
    "plugins-wasm/sdk/src/shaping.rs"
    "plugins-wasm/sdk/src/testing.rs"
    "wit/configured-delegate.wit"
    "wit/delegate.wit"
    "wit/deps/ipam/reservations.wit"
    "wit/deps/ipam/resolv-conf.wit"
    "wit/deps/ipam/subnet-file.wit"
    "wit/deps/net/bridge-port.wit"
    "wit/deps/net/devices.wit"
    "wit/deps/net/firewall.wit"
    "wit/deps/net/firewalld.wit"
    "wit/deps/net/link-backup.wit"
    "wit/deps/net/link.wit"
    "wit/deps/net/nat.wit"
    "wit/deps/net/netns.wit"
    "wit/deps/net/rule.wit"
    "wit/deps/net/shaping.wit"
    "wit/deps/net/spoof-guard.wit"
    "wit/deps/net/sysctl.wit"
    "wit/deps/net/types.wit"
    "wit/lifecycle.wit"
    "wit/log.wit"
    "wit/saved-configuration.wit"
    "wit/types.wit"
    "wit/world.wit"
];

/// The files at these paths and below them, as a JSON object: path, text.
///
/// # Errors
/// When a path is of none of them.
pub(crate) fn files(paths: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut found = BTreeMap::new();
    for path in paths {
        let below = |name: &str| {
            name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let before = found.len();
        found.extend(FILES.iter().filter(|(name, _)| below(name)).copied());
        if found.len() == before {
            return Err(format!("authors get no {path:?}").into());
        }
    }
    Ok(serde_json::to_vec(&found)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Every file below a directory, but for what is built there and the SDK's own tests.
    fn walk(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let kept = entries.filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let built = ["target", "__pycache__"].contains(&name) || name.ends_with(".wasm");
            !built && name != "tests.rs" && !name.ends_with("_tests.rs")
        });
        kept.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn no_file_is_forgotten() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        for dir in [
            "wit",
            "example",
            "go-json",
            "languages/c",
            "languages/javascript",
            "languages/python",
            "sdk",
        ] {
            let dir = if dir == "wit" { dir.to_owned() } else { format!("plugins-wasm/{dir}") };
            for path in walk(&workspace.join(dir)) {
                let name = path.strip_prefix(&workspace).unwrap().to_str().unwrap();
                assert!(FILES.iter().any(|(known, _)| *known == name), "FILES lacks {name}");
            }
        }
    }

    #[test]
    fn files_are_found_by_their_directories() {
        let json = String::from_utf8(files(&["wit", "Cargo.toml"]).unwrap()).unwrap();
        assert!(json.contains("\"wit/deps/net/link.wit\""), "{json}");
        assert!(json.contains("[workspace]"), "{json}");
        assert!(!json.contains("\"plugins-wasm/sdk/"), "{json}");
        assert!(files(&["host"]).is_err());
    }
}
