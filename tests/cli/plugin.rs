//! `wasmcni plugin`: what is installed, upgraded and removed, and that nothing is ever half done.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount, umount};
use serde_json::Value;

use super::{Scratch, bin_dir, component, run_as, with_manifest};
use crate::harness::exec::{Exec, Outcome};
use crate::harness::programs::require;
use crate::harness::sandbox;

/// A manifest that asks for nothing.
const NOTHING: &str = "component = \"this\"\n";
/// One that asks for something, and its neighbour that asks for more.
const LITTLE: &str =
    "component = \"this\"\n[[grant]]\nop = \"netns.enter\"\nnetns = \"container\"\n";
const MORE: &str = "component = \"this\"\n[[grant]]\nop = \"netns.enter\"\nnetns = \"container\"\n\
                    [[grant]]\nop = \"netns.enter\"\nnetns = \"host\"\n";

/// A node on which plugins are installed.
pub(super) struct Place {
    scratch: Scratch,
    pub(super) bin: PathBuf,
}

impl Place {
    pub(super) fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let bin = bin_dir(&scratch.path.join("bin"));
        Self { scratch, bin }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.scratch.path.join("root")
    }

    /// A component as a file.
    fn file(&self, name: &str, manifest: &str) -> PathBuf {
        let path = self.scratch.path.join(name);
        fs::write(&path, with_manifest(component!("honest"), manifest)).unwrap();
        path
    }

    /// The words of `wasmcni plugin VERB FILE --name NAME …`.
    fn words(&self, verb: &str, file: &Path, name: &str, more: &[&str]) -> Vec<String> {
        let mut words: Vec<String> =
            ["plugin", verb, file.to_str().unwrap(), "--name", name].map(str::to_owned).into();
        if verb == "add" {
            words.extend(["--dir".to_owned(), self.bin.display().to_string()]);
        }
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words
    }

    fn run(&self, words: &[String]) -> Outcome {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run_as(&self.bin.join("wasmcni"), &self.root(), &words)
    }

    pub(super) fn plugin(&self, verb: &str, file: &Path, name: &str, more: &[&str]) -> Outcome {
        self.run(&self.words(verb, file, name, more))
    }

    fn remove(&self, name: &str) -> Outcome {
        let dir = self.bin.display().to_string();
        self.run(&["plugin", "remove", name, "--dir", &dir].map(str::to_owned))
    }

    pub(super) fn list(&self) -> Vec<Value> {
        let listed = self.run(&["plugin", "list", "--json"].map(str::to_owned));
        serde_json::from_str(&listed.stdout).unwrap_or_else(|e| panic!("{e}: {listed:?}"))
    }

    /// The plugin's answer to STATUS, which honest components give without any right.
    pub(super) fn status(&self, name: &str) -> Outcome {
        let conf = format!(r#"{{"cniVersion": "1.1.0", "name": "n", "type": "{name}"}}"#);
        let call = Exec::of(&self.bin.join(name)).root(&self.root()).env("CNI_COMMAND", "STATUS");
        call.env("CNI_PATH", self.bin.display().to_string()).stdin(conf).run()
    }

    /// Every file and symlink with its content, but for the lock's directory.
    fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut tree = BTreeMap::new();
        walk(&self.root(), &mut tree);
        for entry in fs::read_dir(&self.bin).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
                let to = fs::read_link(&path).unwrap();
                tree.insert(path, to.into_os_string().into_encoded_bytes());
            }
        }
        tree
    }
}

fn walk(dir: &Path, tree: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, tree);
        } else {
            tree.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

#[track_caller]
fn done(outcome: &Outcome) {
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
}

#[track_caller]
fn refused(outcome: &Outcome, reason: &str) {
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains(reason), "{reason}: {outcome:?}");
}

#[test]
fn a_plugin_comes_and_goes() {
    let place = Place::new("plugin");
    let before = place.tree();
    let file = place.file("a.wasm", LITTLE);
    let added = place.plugin("add", &file, "acme", &["--accept"]);
    done(&added);
    assert!(added.stdout.contains("netns.enter in container"), "{added:?}");
    let list = place.list();
    assert_eq!(list.len(), 1);
    assert_eq!((&list[0]["name"], &list[0]["problem"]), (&"acme".into(), &Value::Null));
    assert_eq!(place.status("acme").success(), Value::Null);
    // The runtime asks every plugin for its versions first.
    let version =
        Exec::of(&place.bin.join("acme")).root(&place.root()).env("CNI_COMMAND", "VERSION");
    assert_eq!(version.run().success()["cniVersion"], "1.1.0");

    done(&place.remove("acme"));
    assert_eq!(place.tree(), before);
    assert_eq!(place.list().len(), 0);
    refused(&place.remove("acme"), "no plugin of this name was added");
}

#[test]
fn nothing_is_granted_unless_the_operator_says_so() {
    let place = Place::new("plugin-consent");
    let before = place.tree();
    let file = place.file("a.wasm", LITTLE);
    let asked = place.plugin("add", &file, "acme", &[]);
    refused(&asked, "nothing was granted yet, so nothing was installed");
    assert!(asked.stdout.contains("It asks for:\n  netns.enter in container"), "{asked:?}");
    assert_eq!(place.tree(), before);

    // What asks for nothing gets nothing.
    done(&place.plugin("add", &place.file("b.wasm", NOTHING), "modest", &[]));
    // The operator's own file counts, not the manifest.
    let own = place.scratch.path.join("own.toml");
    fs::write(&own, NOTHING).unwrap();
    done(&place.plugin("add", &file, "acme", &["--grant", own.to_str().unwrap()]));
    let granted = |name: &str| {
        place.list().into_iter().find(|row| row["name"] == name).unwrap()["grants"].clone()
    };
    assert_eq!((granted("acme"), granted("modest")), (0.into(), 0.into()));
}

#[test]
fn what_could_never_run_is_not_installed() {
    let place = Place::new("plugin-refused");
    let before = place.tree();
    let file = |name: &str, bytes: &[u8]| {
        let path = place.scratch.path.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let honest = file("honest.wasm", component!("honest"));
    let little = place.file("little.wasm", LITTLE);
    let for_another = file("own.toml", b"component = \"bundled\"\n");
    let poor = file("poor.toml", b"component = \"this\"\n");
    let example = file("example.wasm", component!("example"));
    for (file, name, more, reason) in [
        (&honest, "acme", &["--accept"][..], "it brings no manifest"),
        (&file("x.wasm", component!("unknown-function")), "acme", &[], "this host does not offer"),
        (&file("w.wasm", component!("wasi")), "acme", &[], "wasi:"),
        (&file("n.wasm", component!("no-plugin")), "acme", &[], "so it is no plugin"),
        (&file("t.txt", b"text"), "acme", &[], "it is no WebAssembly"),
        (&place.scratch.path.join("missing"), "acme", &[], "No such file"),
        (&place.file("b.wasm", "component = \"bundled\"\n"), "acme", &[], "component = \"this\""),
        (&place.file("g.wasm", "component = \"this\"\nx = 1\n"), "acme", &[], "manifest:2"),
        (&little, "bridge", &["--accept"], "a plugin of its own of this name"),
        (&little, "wasmcni2", &["--accept"], "are its own"),
        (&little, "../acme", &["--accept"], "\"../acme\""),
        (&little, "acme", &["--grant", for_another.to_str().unwrap()], "for another component"),
        (&example, "acme", &["--grant", poor.to_str().unwrap()], "needs a grant for netns.enter"),
    ] {
        refused(&place.plugin("add", file, name, more), reason);
        assert_eq!(place.tree(), before, "{reason}");
    }
    fs::write(place.bin.join("acme"), "somebody else's").unwrap();
    refused(&place.plugin("add", &little, "acme", &["--accept"]), "is not wasmcni's");
    assert_eq!(fs::read(place.bin.join("acme")).unwrap(), b"somebody else's");
}

#[test]
fn an_upgrade_does_not_widen_rights_by_itself() {
    let place = Place::new("plugin-upgrade");
    let (little, more) = (place.file("1.wasm", LITTLE), place.file("2.wasm", MORE));
    let nothing = place.file("3.wasm", NOTHING);
    done(&place.plugin("add", &little, "acme", &["--accept"]));
    let before = place.tree();
    let asked = place.plugin("upgrade", &more, "acme", &[]);
    refused(&asked, "it asks for more than it was granted, so nothing was changed");
    assert!(asked.stdout.contains("It asks for more:\n  netns.enter in host"), "{asked:?}");
    assert_eq!(place.tree(), before);

    let row = || place.list().remove(0);
    let old = row()["component"].clone();
    done(&place.plugin("upgrade", &more, "acme", &["--keep"]));
    assert_eq!(row()["grants"], 1);
    assert_ne!(row()["component"], old);
    done(&place.plugin("upgrade", &little, "acme", &[]));
    assert_eq!((&row()["grants"], &row()["component"]), (&1.into(), &old));
    done(&place.plugin("upgrade", &more, "acme", &["--widen"]));
    assert_eq!(row()["grants"], 2);
    let less = place.plugin("upgrade", &nothing, "acme", &[]);
    done(&less);
    assert!(less.stdout.contains("It asks no more for:\n  netns.enter in container"), "{less:?}");
    assert_eq!(row()["grants"], 2, "the operator's file stays as it is");
    assert_eq!(place.status("acme").success(), Value::Null);
    // One component at a time: the others went.
    let components = place.root().join("var/lib/wasmcni/components");
    assert_eq!(fs::read_dir(components).unwrap().count(), 1);
    refused(&place.plugin("upgrade", &more, "other", &[]), "no plugin of this name was added");
    refused(&place.plugin("add", &more, "acme", &["--accept"]), "there is one already");
}

/// The calls of a command that change which file a name means.
const STEPS: &str = "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,symlink,symlinkat";

/// Runs the command, and kills it at its `step`th call that changes a name; whether it came so far.
fn killed_at(place: &Place, words: &[String], step: usize) -> bool {
    let inject = format!("inject={STEPS}:signal=SIGKILL:when={step}");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={STEPS}"), "-e", &inject])
        .arg(place.bin.join("wasmcni"))
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("WASMCNI_ROOT", place.root())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    !status.success()
}

#[test]
fn a_kill_at_any_step_leaves_the_old_plugin_or_the_new_one() {
    if !require("strace") {
        return;
    }
    let place = Place::new("plugin-kill");
    let (old, new) = (place.file("1.wasm", NOTHING), place.file("2.wasm", LITTLE));
    done(&place.plugin("add", &old, "acme", &[]));
    let component = || place.list().remove(0)["component"].clone();
    let first = component();
    done(&place.plugin("upgrade", &new, "acme", &["--widen"]));
    let second = component();
    let mut step = 1;
    loop {
        done(&place.plugin("upgrade", &old, "acme", &["--widen"]));
        assert_eq!(component(), first);
        let killed = killed_at(&place, &place.words("upgrade", &new, "acme", &["--widen"]), step);
        assert!(component() == first || component() == second, "step {step}");
        assert_eq!(place.status("acme").success(), Value::Null, "step {step}");
        if !killed {
            assert_eq!(component(), second);
            break;
        }
        step += 1;
    }
    assert!(step > 6, "it has more steps than {step}");
}

#[test]
fn a_kill_at_any_step_of_adding_leaves_a_plugin_or_none() {
    if !require("strace") {
        return;
    }
    let place = Place::new("plugin-kill-add");
    let file = place.file("1.wasm", LITTLE);
    let before = place.tree();
    for step in 1.. {
        let words = place.words("add", &file, "acme", &["--accept"]);
        let killed = killed_at(&place, &words, step);
        // The runtime finds it whole, or does not find it.
        if place.bin.join("acme").exists() {
            assert_eq!(place.status("acme").success(), Value::Null, "step {step}");
        }
        if !killed {
            assert!(step > 4, "it has more steps than {step}");
            // What the killed ones were writing went with this one.
            let components = place.root().join("var/lib/wasmcni/components");
            assert_eq!(fs::read_dir(components).unwrap().count(), 1);
            done(&place.remove("acme"));
            assert_eq!(place.tree(), before);
            return;
        }
        let _ = place.remove("acme");
    }
}

#[test]
fn a_full_disk_leaves_what_was() {
    sandbox::run(|| {
        let place = Place::new("plugin-full");
        let (old, new) = (place.file("1.wasm", NOTHING), place.file("2.wasm", LITTLE));
        let store = place.root().join("var/lib/wasmcni");
        fs::create_dir_all(&store).unwrap();
        let none = MsFlags::empty();
        mount(Some("tmpfs"), &store, Some("tmpfs"), none, Some("size=1m,mode=755")).unwrap();
        done(&place.plugin("add", &old, "acme", &[]));
        let mut filler = fs::File::create(store.join("filler")).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        drop(filler);
        let before = place.tree();
        refused(&place.plugin("upgrade", &new, "acme", &["--widen"]), "No space left");
        assert_eq!(place.tree(), before);
        assert_eq!(place.status("acme").success(), Value::Null);
        umount(&store).unwrap();
    });
}

#[test]
fn two_at_once_are_one_after_the_other() {
    let place = Place::new("plugin-two");
    let files: Vec<PathBuf> = (0..4)
        .map(|n| place.file(&format!("{n}.wasm"), &format!("component = \"this\"\n# {n}\n")))
        .collect();
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let adds: Vec<_> = files
            .iter()
            .map(|file| scope.spawn(|| place.plugin("add", file, "acme", &[])))
            .collect();
        adds.into_iter().map(|add| add.join().unwrap()).collect()
    });
    let added: Vec<_> = outcomes.iter().filter(|outcome| outcome.status == Some(0)).collect();
    assert_eq!(added.len(), 1, "{outcomes:?}");
    for outcome in outcomes.iter().filter(|outcome| outcome.status != Some(0)) {
        refused(outcome, "there is one already");
    }
    assert_eq!(place.status("acme").success(), Value::Null);
    assert_eq!(place.list().len(), 1);
}
