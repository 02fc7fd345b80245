//! The guests that attack, compiled ahead by `tests/build.rs`.
#![allow(unsafe_code, reason = "says which bytes are code, as host/src/component/bundled.rs does")]

use wasmcni::component::{Aligned, Bundled, Code, Origin};

/// The grants of all of them, with room for limits.
const GRANTS: &str = include_str!("../../plugins-wasm/hostile/grants.toml");

macro_rules! code {
    ($name:literal) => {{
        const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".cwasm"));
        static ALIGNED: &Aligned<[u8; BYTES.len()]> =
            &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".cwasm")));
        // SAFETY: the build script of this very package wrote the file by `precompile_component`, with the
        // engine's configuration; all of it is included, in an `Aligned` static.
        unsafe { Code::compiled_by_build_script(&ALIGNED.0) }
    }};
}

macro_rules! raw {
    ($($name:literal)*) => {
        /// What is written by hand, by the name of its file.
        static RAW: &[(&str, Code)] = &[$(($name, code!($name))),*];
    };
}

raw! {
    "bad-case" "bad-pointer" "bad-result" "bad-text" "bare-function" "divide" "dropped-handle"
    "forged-handle" "grow-table" "honest" "many-tables" "no-plugin" "other-handle" "out-of-bounds"
    "same-text" "spin-at-start" "too-new" "unknown-function" "wasi" "wrong-prefix"
    "wrong-type"
}

/// The hostile plugin with these limits, in lines of TOML.
pub(crate) fn hostile(limits: &str) -> Bundled {
    bundled("hostile", code!("hostile"), &with_limits(limits))
}

/// The hostile plugin with other grants.
pub(crate) fn hostile_with_grants(grants: &str) -> Bundled {
    bundled("hostile", code!("hostile"), grants)
}

/// The plugin that does whatever is listed, with these grants.
pub(crate) fn hostile_acts(grants: &str) -> Bundled {
    bundled("hostile-acts", code!("hostile-acts"), grants)
}

/// A component written by hand, with the hostile plugin's grants.
pub(crate) fn raw(name: &str, limits: &str) -> Bundled {
    let (_, code) = RAW.iter().find(|(other, _)| *other == name).expect("its file is listed above");
    bundled("raw", *code, &with_limits(limits))
}

/// The hostile plugin's grants with these limits.
pub(crate) fn with_limits(limits: &str) -> String {
    GRANTS.replacen("\n[limits]\n", &format!("\n[limits]\n{limits}\n"), 1)
}

fn bundled(name: &'static str, code: Code, grants: &str) -> Bundled {
    // A few kilobytes for as long as the tests run.
    Bundled {
        name,
        about: "attacks",
        origin: Origin::Bundled(code),
        grants: grants.to_owned().leak(),
        compiled_grants: None,
    }
}

#[test]
fn every_file_is_a_guest() {
    let listed: Vec<&str> = RAW.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed.join(" "), env!("RAW_GUESTS"));
}
