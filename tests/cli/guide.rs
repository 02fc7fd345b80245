//! The author's guide, done as it says: its commands are these.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};

use super::{Scratch, bin_dir};
use crate::harness::programs::require;
use crate::harness::sandbox;

/// The commands of a section of `docs/authors.md`, in their order.
fn commands(section: &str) -> Vec<String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/authors.md");
    let text = fs::read_to_string(guide).unwrap();
    let from = text.split_once(&format!("\n## {section}\n")).expect("the guide has the section").1;
    let section = from.split_once("\n## ").map_or(from, |(section, _)| section);
    let blocks = section.split("\n```console\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("\n```").next().unwrap().lines());
    lines
        .map(|line| {
            let command = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "));
            command.unwrap_or_else(|| panic!("{line:?} is no command")).to_owned()
        })
        .collect()
}

/// Where crates are built that are built anew by each run: what they depend on is built once.
fn kept_target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide")
}

#[test]
fn the_authors_guide_leads_to_an_installed_plugin() {
    sandbox::run(|| {
        if !require("ip") {
            return;
        }
        let scratch = Scratch::new("guide");
        // The guide's own paths, in the sandbox's own mounts.
        mount(Some("tmpfs"), "/opt", Some("tmpfs"), MsFlags::empty(), Some("mode=755")).unwrap();
        let bin = bin_dir(Path::new("/opt/cni/bin"));
        let commands = commands("From nothing to an installed plugin");
        assert!(commands.len() > 15, "{commands:?}");
        let mut script = "set -ex\n".to_owned();
        for command in &commands {
            script += command;
            script += "\n";
            if command.starts_with("wasmcni new ") {
                fs::create_dir_all(kept_target()).unwrap();
                script += &format!("ln -s {:?} acme/target\n", kept_target());
            }
        }
        let path = env::var("PATH").unwrap();
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(&scratch.path)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("WASMCNI_ROOT", scratch.path.join("root"))
            // The crates that it needs are those of this workspace.
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let steps = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{steps}");
        for seen in [
            "acme: made",
            "test tests::the_configuration_says_the_mtu ... ok",
            "netns.enter",
            "acme: added",
            "mtu 1400",
            "\"code\": 100",
            "acme.toml:20 allows mtu \\\"1280-9000\\\"",
            "It asks no more for:",
            "acme: upgraded",
            "acme: removed",
        ] {
            assert!(said.contains(seen), "{seen}: {said}\n{steps}");
        }
    });
}
