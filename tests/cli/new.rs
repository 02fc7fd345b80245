//! `wasmcni new`, `wit` and `pack`: what an author begins with, and what is shipped.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Scratch, bin_dir, component, with_manifest};
use crate::harness::exec::Outcome;

/// A directory of an author's, and the programs.
struct Desk {
    scratch: Scratch,
}

impl Desk {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        bin_dir(&scratch.path.join("bin"));
        fs::create_dir(scratch.path.join("desk")).unwrap();
        Self { scratch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path.join("desk").join(name)
    }

    /// Runs `wasmcni WORDS…` in the directory.
    fn run(&self, words: &[&str]) -> Outcome {
        let mut command = Command::new(self.scratch.path.join("bin/wasmcni"));
        let output = command.args(words).current_dir(self.path("")).env_clear().output().unwrap();
        Outcome {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A file in the directory.
    fn file(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.path(name), content).unwrap();
        name.to_owned()
    }
}

#[track_caller]
fn done(outcome: &Outcome) {
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
}

#[track_caller]
fn refused(outcome: &Outcome, reason: &str) {
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
    assert!(outcome.stderr.contains(reason), "{reason}: {outcome:?}");
}

/// The names of a directory's entries.
fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_language_has_what_its_readme_says() {
    let desk = Desk::new("new");
    for (language, files) in [
        ("rust", ["Cargo.toml", "grants.toml", "src"].as_slice()),
        ("python", &["build.sh", "grants.toml", "plugin.py"]),
        ("javascript", &["build.sh", "grants.toml", "package.json", "plan.test.js", "plugin.js"]),
        ("c", &["build.sh", "grants.toml", "plugin.c"]),
    ] {
        let name = format!("acme-{language}");
        done(&desk.run(&["new", "--lang", language, &name]));
        let there = names(&desk.path(&name));
        for file in files.iter().chain(&["README.md", ".gitignore"]) {
            assert!(there.contains(*file), "{language}: {file}: {there:?}");
        }
        let readme = fs::read_to_string(desk.path(&name).join("README.md")).unwrap();
        assert!(readme.contains(&format!("--name {name} --accept")), "{readme}");
        // Its grants are good ones.
        let grants = format!("{name}/grants.toml");
        done(&desk.run(&["wit", "--grants", &grants]));
        if there.contains("build.sh") {
            let mode = fs::metadata(desk.path(&name).join("build.sh")).unwrap().permissions();
            assert_eq!(mode.mode() & 0o111, 0o111);
        }
    }
    let all = ["acme-c", "acme-javascript", "acme-python", "acme-rust"].map(str::to_owned);
    assert_eq!(names(&desk.path("")), BTreeSet::from(all));
}

#[test]
fn an_sdk_that_is_there_is_used() {
    let desk = Desk::new("new-sdk");
    let sdk =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins-wasm/sdk").canonicalize().unwrap();
    done(&desk.run(&["new", "--sdk", sdk.to_str().unwrap(), "acme"]));
    let manifest = fs::read_to_string(desk.path("acme/Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("path = {sdk:?}")), "{manifest}");
    assert!(!desk.path("acme/vendor").exists());
}

#[test]
fn nothing_is_made_of_what_makes_no_sense() {
    let desk = Desk::new("new-refused");
    fs::create_dir(desk.path("there")).unwrap();
    for (words, reason) in [
        (&["there"][..], "making \"there\": File exists"),
        (&["there"], "choose another name"),
        (&["bridge"], "a plugin of its own of this name"),
        (&["wasmcni-x"], "are its own"),
        (&["../acme"], "\"../acme\""),
        (&["Acme"], "Write lower-case letters"),
        (&["--sdk", "nowhere", "acme"], "looking for the SDK in \"nowhere\""),
        (&["--lang", "c", "--sdk", "there", "acme"], "--sdk is for --lang rust alone"),
    ] {
        refused(&desk.run(&[&["new"], words].concat()), reason);
        assert_eq!(names(&desk.path("")), BTreeSet::from(["there".to_owned()]), "{words:?}");
    }
    assert_eq!(desk.run(&["new", "--lang", "cobol", "acme"]).status, Some(2));
    assert_eq!(desk.run(&["new"]).status, Some(2));
}

#[test]
fn the_contract_is_written_as_far_as_grants_give_it() {
    let desk = Desk::new("wit");
    let whole = desk.run(&["wit"]);
    done(&whole);
    for function in ["create-veth:", "masquerade:", "next-free:", "configured-delegate", "log:"] {
        assert!(whole.stdout.contains(function), "{function}: {whole:?}");
    }
    let grants = desk.file(
        "grants.toml",
        b"component = \"this\"\n[[grant]]\nop = \"netns.enter\"\nnetns = \"container\"\n\
          [[grant]]\nop = \"link.set-mtu\"\nnetns = \"container\"\nname = \"@ifname\"\nmtu = \"any\"\n",
    );
    let narrow = desk.run(&["wit", "--grants", &grants]);
    done(&narrow);
    for there in
        ["enter-netns:", "find-link:", "set-mtu:", "info:", "export wasmcni:cni/plugin@0.1.0"]
    {
        assert!(narrow.stdout.contains(there), "{there}: {narrow:?}");
    }
    for gone in ["create-veth:", "set-up:", "reservations", "masquerade", "interface delegate"] {
        assert!(!narrow.stdout.contains(gone), "{gone}: {narrow:?}");
    }
    let bad = desk.file("bad.toml", b"component = \"this\"\n[[grant]]\nop = \"link.creat\"\n");
    refused(&desk.run(&["wit", "--grants", &bad]), "bad.toml:3: ");
    let bundled = desk.file("bundled.toml", b"component = \"bundled\"\n");
    refused(&desk.run(&["wit", "--grants", &bundled]), "does not begin with component = \"this\"");
}

#[test]
fn a_component_is_packed_with_its_rights() {
    let desk = Desk::new("pack");
    let little = "component = \"this\"\n[[grant]]\nop = \"netns.enter\"\nnetns = \"container\"\n";
    let grants = desk.file("grants.toml", little.as_bytes());
    let built = desk.file("built.wasm", component!("honest"));
    let pack = |file: &str, grants: &str| {
        desk.run(&["pack", file, "--grants", grants, "--output", "acme.wasm"])
    };
    done(&pack(&built, &grants));
    // As the suite's own hand does it.
    assert_eq!(
        fs::read(desk.path("acme.wasm")).unwrap(),
        with_manifest(component!("honest"), little)
    );
    let shown = desk.run(&["inspect", "--json", "acme.wasm"]);
    assert_eq!(shown.json()["manifest"], little);

    let example = desk.file("example.wasm", component!("example"));
    let imports_wasi = desk.file("wasi.wasm", component!("wasi"));
    fs::remove_file(desk.path("acme.wasm")).unwrap();
    let nothing = desk.file("nothing.toml", b"component = \"this\"\n");
    let bad = desk.file("bad.toml", b"component = \"this\"\nx = 1\n");
    for (file, grants, reason) in [
        (&example, &grants, "it has the rights that it asks for in it already"),
        (&imports_wasi, &grants, "this host does not offer"),
        (&grants, &grants, "it is no WebAssembly"),
        (&built, &bad, "bad.toml:2: "),
        (&built, &built, "reading \"built.wasm\""),
    ] {
        refused(&pack(file, grants), reason);
        assert!(!desk.path("acme.wasm").exists(), "{reason}");
    }
    // What the component imports, and the file does not give.
    let module = desk.file("raw.wasm", component!("hostile"));
    refused(&pack(&module, &nothing), "needs a grant for");
}
