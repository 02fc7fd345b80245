//! The operator's commands, as processes.

mod damaged;
mod demo;
mod explain;
mod given;
mod guide;
mod inspect;
mod install;
mod installed;
mod learn;
mod new;
mod plan;
mod plugin;
mod policy;
mod policy_tests;
mod replay;
mod snapshot;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, id};

use crate::harness::exec::{Exec, Outcome, wasmcni_binary};

/// A directory that is gone when this is dropped.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wasmcni-suite-{}-{name}", id()));
        fs::create_dir(&path).unwrap();
        Self { path }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Runs `PROGRAM WORDS…` with nothing in its environment but `WASMCNI_ROOT`.
pub(crate) fn run_as(program: &Path, root: &Path, words: &[&str]) -> Outcome {
    let output = Command::new(program)
        .args(words)
        .env_clear()
        .env("WASMCNI_ROOT", root)
        .output()
        .unwrap_or_else(|error| panic!("executing {program:?}: {error}"));
    Outcome {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A component file of `tests/build.rs`.
macro_rules! component {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm"))
    };
}
pub(crate) use component;

/// wasmcni and the compiler beside it, as `wasmcni install` places them, with a symlink for each plugin.
fn bin_dir(dir: &Path) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    let compiler = Path::new(env!("CARGO_BIN_EXE_wasmcni-compile-under-test"));
    for (name, program) in [("wasmcni", wasmcni_binary()), ("wasmcni-compile", compiler.into())] {
        let place = dir.join(name);
        // A link is cheaper, where the file system allows it.
        if fs::hard_link(&program, &place).is_err() {
            fs::copy(&program, &place).unwrap();
        }
    }
    for plugin in wasmcni::component::BUNDLED {
        std::os::unix::fs::symlink("wasmcni", dir.join(plugin.name)).unwrap();
    }
    dir.to_owned()
}

/// Appends a section with a manifest to a component: as tools for other languages do it.
fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    const NAME: &str = "wasmcni:manifest";
    let leb = |mut n: usize| {
        let mut bytes = Vec::new();
        loop {
            let low = u8::try_from(n & 0x7f).unwrap();
            n >>= 7;
            bytes.push(if n == 0 { low } else { low | 0x80 });
            if n == 0 {
                return bytes;
            }
        }
    };
    let body = [leb(NAME.len()).as_slice(), NAME.as_bytes(), manifest.as_bytes()].concat();
    [component, &[0], &leb(body.len()), &body].concat()
}

/// Runs `wasmcni WORDS…` on a node with no files.
fn wasmcni(words: &[&str]) -> Outcome {
    run_as(&wasmcni_binary(), Path::new("/nonexistent"), words)
}

const COMMANDS: [&str; 16] = [
    "demo", "explain", "install", "inspect", "learn", "plugin", "plugins", "grants", "plan",
    "policy", "replay", "test", "snapshot", "new", "wit", "pack",
];

#[test]
fn help_knows_every_command_and_every_command_helps() {
    let help = wasmcni(&["--help"]);
    assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
    for command in COMMANDS {
        let listed = |line: &str| line.trim_start().starts_with(&format!("{command} "));
        assert!(help.stdout.lines().any(listed), "{command}: {help:?}");
        let own = wasmcni(&[command, "--help"]);
        assert_eq!(own.status, Some(0));
        assert!(own.stdout.contains(&format!("wasmcni {command}")), "{own:?}");
        assert!(own.stdout.contains("Exit status:"), "{own:?}");
    }
    let nothing = wasmcni(&[]);
    assert_eq!((nothing.status, nothing.stdout.as_str()), (Some(2), ""));
    assert_eq!(nothing.stderr, help.stdout);
    assert_eq!(wasmcni(&["frobnicate"]).status, Some(2));
    assert_eq!(wasmcni(&["demo", "--frobnicate"]).status, Some(2));
}

#[test]
fn a_name_that_is_no_plugins_is_answered_as_its_caller_understands() {
    let scratch = Scratch::new("misnamed");
    let program = scratch.path.join("macvlan9");
    std::os::unix::fs::symlink(wasmcni_binary(), &program).unwrap();
    let person = run_as(&program, &scratch.path, &["--help"]);
    assert_eq!((person.status, person.stdout.as_str()), (Some(2), ""));
    for word in ["\"macvlan9\"", "bridge", "host-local", "ln -s wasmcni", "wasmcni install"] {
        assert!(person.stderr.contains(word), "{word}: {person:?}");
    }
    for called in [program, wasmcni_binary()] {
        let runtime = Exec::of(&called).attachment("ADD", "a", "/none", "eth0").run();
        let (code, details) = runtime.failure();
        assert_eq!(code, 7);
        assert!(details.contains("bridge, ") && details.contains(", host-local"), "{details}");
    }
}

#[test]
fn plugins_are_listed_with_what_they_may_do() {
    let listed = wasmcni(&["plugins"]);
    assert_eq!((listed.status, listed.stderr.as_str()), (Some(0), ""));
    for plugin in &wasmcni::component::BUNDLED {
        assert!(listed.stdout.contains(plugin.about), "{listed:?}");
    }
    for word in ["nat.masquerade", "memory 16MiB", "shipped with wasmcni"] {
        assert!(listed.stdout.contains(word), "{word}: {listed:?}");
    }
}

#[test]
fn grants_are_printed_as_they_are_in_force() {
    let shipped = wasmcni(&["grants", "bridge"]);
    assert_eq!(shipped.status, Some(0));
    assert_eq!(shipped.stdout, wasmcni::component::find("bridge").unwrap().grants);
    assert!(shipped.stderr.contains("shipped"), "{shipped:?}");
    assert_eq!(wasmcni(&["grants", "macvlan9"]).status, Some(1));

    let scratch = Scratch::new("grants");
    let plugins = scratch.path.join("etc/wasmcni/plugins");
    fs::create_dir_all(&plugins).unwrap();
    let own = plugins.join("bridge.toml");
    let grants = |words: &[&str]| run_as(&wasmcni_binary(), &scratch.path, words);
    let write = |text: &str| {
        fs::write(&own, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(&own, mode).unwrap();
    };
    write("component = \"bundled\"\n");
    let in_force = grants(&["grants", "bridge"]);
    assert_eq!((in_force.status, in_force.stdout.as_str()), (Some(0), "component = \"bundled\"\n"));
    assert!(in_force.stderr.contains(own.to_str().unwrap()), "{in_force:?}");
    assert_eq!(grants(&["grants", "--shipped", "bridge"]).stdout, shipped.stdout);

    write("component = \"bundled\"\n\n[[grant]]\nop = \"link.creat\"\n");
    for words in [&["grants", "bridge"] as &[&str], &["plugins"]] {
        let refused = grants(words);
        assert_eq!(refused.status, Some(1));
        let place = format!("{}:4:", own.display());
        assert!(refused.stderr.contains(&place), "{refused:?}");
        assert!(refused.stderr.contains("link.create"), "{refused:?}");
    }
    // One that others can write is not believed.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&own, mode).unwrap();
    assert!(grants(&["grants", "bridge"]).stderr.contains("chmod go-w"));
}
