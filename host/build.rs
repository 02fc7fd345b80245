//! Builds the bundled plugins and compiles them and their grants ahead, for
//! `host/src/component/bundled.rs` to embed.
#![allow(clippy::disallowed_methods, reason = "a build script")]

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The host's own parser of policies, and what it stands on.
#[path = "src/policy/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "it is a part of the host")]
mod policy;

#[path = "src/names.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is a part of the host")]
mod names;

#[path = "src/kernel"]
#[allow(dead_code, unreachable_pub, reason = "it is a part of the host")]
mod kernel {
    mod role;
    pub(super) use role::Role;
}

/// CNI type and package of each bundled plugin.
const PLUGINS: [&str; 18] = [
    "bandwidth",
    "bridge",
    "dummy",
    "firewall",
    "flannel",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    for watched in wasmcni_compile::sources(&workspace)? {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    for watched in [
        "wit",
        "Cargo.toml",
        "Cargo.lock",
        "host/src/component/engine_config.rs",
        "host/src/policy",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    order_functions();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let target = env::var("TARGET")?;
    println!("cargo::rustc-env=WASMCNI_TARGET={target}");
    println!("cargo::rustc-env=WASMCNI_ENGINE={}", wasmcni_compile::engine_id(&target));
    let packages = PLUGINS.map(|p| format!("wasmcni-plugin-{p}"));
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let scratch = guest_target(&out);
    let built = wasmcni_compile::build(&workspace, &packages, &scratch, &target)?;
    for (name, plugin) in PLUGINS.iter().zip(built) {
        fs::write(out.join(format!("{name}.wasm")), plugin.component)?;
        fs::write(out.join(format!("{name}.cwasm")), plugin.compiled)?;
        fs::write(out.join(format!("{name}.grants")), grants(&workspace, name)?)?;
    }
    Ok(())
}

/// Has the linker put the functions that an exec runs side by side, in the static binary that is installed.
fn order_functions() {
    println!("cargo::rerun-if-changed=exec-path.ld");
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl") {
        let order = concat!(env!("CARGO_MANIFEST_DIR"), "/exec-path.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{order}");
    }
}

/// The grants of a plugin, parsed and encoded.
fn grants(workspace: &Path, name: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let text = fs::read_to_string(workspace.join("plugins-wasm").join(name).join("grants.toml"))?;
    let grants = policy::parse(&text, &format!("bundled:{name}/grants.toml"))?;
    Ok(policy::encode(&grants)?)
}

/// `target/guests`, shared by all profiles and build scripts, so that plugins are built once.
/// OUT_DIR is `target/[triple/]profile/build/package-hash/out`.
fn guest_target(out: &Path) -> PathBuf {
    let target = out.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists()).unwrap_or(out);
    target.join("guests")
}
