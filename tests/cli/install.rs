//! `wasmcni install`: each name is its old self or its new one at every moment.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use wasmcni::component::BUNDLED;

use super::{Scratch, run_as, wasmcni};
use crate::harness::exec::{Exec, Outcome, wasmcni_binary};
use crate::harness::sandbox;

fn install(dir: &Path, words: &[&str]) -> Outcome {
    wasmcni(&[&["install", "--dir", dir.to_str().unwrap()], words].concat())
}

/// Executes what stands at `path` as the plugin of its name; it has to answer.
#[track_caller]
fn answers(path: &Path) {
    let answer = Exec::of(path).env("CNI_COMMAND", "VERSION").run().success();
    assert_eq!(answer["cniVersion"], "1.1.0");
}

/// An older wasmcni: the same with an octet more, which the loader does not mind.
fn older(scratch: &Scratch) -> PathBuf {
    let path = scratch.path.join("wasmcni-older");
    let mut content = fs::read(wasmcni_binary()).unwrap();
    content.push(0);
    fs::write(&path, content).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&path, mode).unwrap();
    await_closed(&path);
    path
}

/// Waits until a program that this process has written can be executed. A child that another test
/// starts meanwhile has the file open for writing until it executes its own program.
fn await_closed(program: &Path) {
    let busy = || match Command::new(program).arg("--version").output() {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => true,
        Err(error) => panic!("executing {program:?}: {error}"),
    };
    while busy() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn same(a: &Path, b: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).unwrap().len();
    length(a) == length(b) && fs::read(a).unwrap() == fs::read(b).unwrap()
}

/// What is in the directory, without the plugins and the binary.
fn others(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n != "wasmcni" && !BUNDLED.iter().any(|plugin| plugin.name == n)).collect()
}

#[test]
fn installing_makes_every_plugin_answer() {
    let scratch = Scratch::new("install");
    let dir = scratch.path.join("opt/cni/bin");
    let planned = install(&dir, &["--dry-run"]);
    assert_eq!(planned.status, Some(0), "{planned:?}");
    assert!(planned.stdout.contains("wasmcni: would be placed"), "{planned:?}");
    assert!(!dir.exists());

    let done = install(&dir, &[]);
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert!(same(&dir.join("wasmcni"), &wasmcni_binary()));
    for plugin in &BUNDLED {
        let path = dir.join(plugin.name);
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("wasmcni"));
        assert!(done.stdout.contains(&format!("{}: linked", path.display())), "{done:?}");
        answers(&path);
    }
    assert_eq!(others(&dir), [""; 0]);
    let again = install(&dir, &[]);
    assert!(again.stdout.lines().all(|line| line.ends_with("is as it should be")), "{again:?}");

    // Images are copied in ways that do not keep symlinks.
    let (hard, copy) = (scratch.path.join("hard"), scratch.path.join("copy"));
    for place in [&hard, &copy] {
        fs::create_dir(place).unwrap();
    }
    fs::hard_link(dir.join("wasmcni"), hard.join("bridge")).unwrap();
    fs::copy(dir.join("wasmcni"), copy.join("bridge")).unwrap();
    await_closed(&copy.join("bridge"));
    answers(&hard.join("bridge"));
    answers(&copy.join("bridge"));
}

#[test]
fn the_compiler_that_stands_beside_goes_with_it() {
    let scratch = Scratch::new("install-compiler");
    let (from, dir) = (super::bin_dir(&scratch.path.join("from")), scratch.path.join("bin"));
    let words = ["install", "--dir", dir.to_str().unwrap()];
    let done = run_as(&from.join("wasmcni"), &scratch.path, &words);
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert!(same(&dir.join("wasmcni-compile"), &from.join("wasmcni-compile")));
    let again = run_as(&dir.join("wasmcni"), &scratch.path, &words);
    assert!(again.stdout.lines().all(|line| line.ends_with("is as it should be")), "{again:?}");
}

#[test]
fn an_upgrade_replaces_what_is_ours_in_whatever_form() {
    let scratch = Scratch::new("upgrade");
    let (dir, older) = (scratch.path.join("bin"), older(&scratch));
    fs::create_dir(&dir).unwrap();
    fs::copy(&older, dir.join("wasmcni")).unwrap();
    fs::hard_link(dir.join("wasmcni"), dir.join("bridge")).unwrap();
    fs::copy(&older, dir.join("ptp")).unwrap();
    symlink(dir.join("wasmcni"), dir.join("static")).unwrap();
    let done = install(&dir, &[]);
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(same(&dir.join("wasmcni"), &wasmcni_binary()));
    for plugin in &BUNDLED {
        assert_eq!(fs::read_link(dir.join(plugin.name)).unwrap(), Path::new("wasmcni"));
    }
    // The installed binary installs itself as well, and back.
    let back = run_as(&older, &scratch.path, &["install", "--dir", dir.to_str().unwrap()]);
    assert_eq!(back.status, Some(0), "{back:?}");
    assert!(same(&dir.join("wasmcni"), &older));
    let own = dir.join("wasmcni");
    let own = run_as(&own, &scratch.path, &["install", "--dir", dir.to_str().unwrap()]);
    assert!(own.stdout.lines().all(|line| line.ends_with("is as it should be")), "{own:?}");
}

#[test]
fn what_is_not_ours_is_kept() {
    let scratch = Scratch::new("foreign");
    let dir = &scratch.path;
    fs::write(dir.join("bridge"), "reference bridge").unwrap();
    symlink("/usr/libexec/cni/ptp", dir.join("ptp")).unwrap();
    let refused = install(dir, &[]);
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("bridge, ptp") && refused.stderr.contains("--replace"));
    assert!(!dir.join("wasmcni").exists() && !dir.join("static").exists());

    // As if an install had been killed after keeping the file and before replacing it.
    fs::hard_link(dir.join("bridge"), dir.join("bridge.before-wasmcni")).unwrap();
    fs::write(dir.join(".wasmcni.new"), "half a binary").unwrap();
    let done = install(dir, &["--replace"]);
    assert_eq!(done.status, Some(0), "{done:?}");
    answers(&dir.join("bridge"));
    let kept = |name: &str| dir.join(format!("{name}.before-wasmcni"));
    assert_eq!(fs::read_to_string(kept("bridge")).unwrap(), "reference bridge");
    assert_eq!(fs::read_link(kept("ptp")).unwrap(), Path::new("/usr/libexec/cni/ptp"));
    let mut left = others(dir);
    left.sort();
    assert_eq!(left, ["bridge.before-wasmcni", "ptp.before-wasmcni"]);

    // A package of the reference plugins came again: what is kept from before is not overwritten.
    fs::remove_file(dir.join("bridge")).unwrap();
    fs::write(dir.join("bridge"), "newer reference bridge").unwrap();
    let refused = install(dir, &["--replace"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("bridge.before-wasmcni"), "{refused:?}");
    assert_eq!(fs::read_to_string(dir.join("bridge")).unwrap(), "newer reference bridge");
}

#[test]
fn plugins_answer_while_they_are_replaced_by_several_at_once() {
    let scratch = Scratch::new("busy");
    let (dir, older) = (scratch.path.join("bin"), older(&scratch));
    assert_eq!(install(&dir, &[]).status, Some(0));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let runtime = scope.spawn(|| {
            let mut calls = 0;
            while !over.load(Ordering::Relaxed) {
                // Neither "no such file" nor "text file busy".
                answers(&dir.join("bridge"));
                calls += 1;
            }
            calls
        });
        for _ in 0..3 {
            let installs = [&older, &wasmcni_binary()].map(|program| {
                let mut command = Command::new(program);
                command.args(["install", "--dir"]).arg(&dir).stdout(Stdio::null()).spawn().unwrap()
            });
            for mut install in installs {
                assert!(install.wait().unwrap().success());
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(runtime.join().unwrap() > 0);
    });
    assert!(same(&dir.join("wasmcni"), &older) || same(&dir.join("wasmcni"), &wasmcni_binary()));
    assert_eq!(others(&dir), [""; 0]);
}

#[test]
fn an_install_that_is_killed_leaves_the_old_or_the_new() {
    let scratch = Scratch::new("killed");
    let (dir, older) = (scratch.path.join("bin"), older(&scratch));
    for milliseconds in [0, 10, 20, 40, 80, 160] {
        let old = run_as(&older, &scratch.path, &["install", "--dir", dir.to_str().unwrap()]);
        assert_eq!(old.status, Some(0), "{old:?}");
        let mut command = Command::new(wasmcni_binary());
        let mut new =
            command.args(["install", "--dir"]).arg(&dir).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(milliseconds));
        new.kill().unwrap();
        new.wait().unwrap();
        let binary = dir.join("wasmcni");
        assert!(same(&binary, &older) || same(&binary, &wasmcni_binary()));
        for plugin in &BUNDLED {
            answers(&dir.join(plugin.name));
        }
    }
    assert_eq!(install(&dir, &[]).status, Some(0));
    assert_eq!(others(&dir), [""; 0]);
}

#[test]
fn a_full_disk_leaves_the_old() {
    sandbox::run(|| {
        let dir = Path::new("/run/bin");
        fs::create_dir(dir).unwrap();
        let none = MsFlags::empty();
        mount(Some("tmpfs"), dir, Some("tmpfs"), none, Some("size=1m")).unwrap();
        fs::write(dir.join("wasmcni"), "an old one").unwrap();
        symlink("wasmcni", dir.join("bridge")).unwrap();
        let refused = install(dir, &[]);
        assert_eq!(refused.status, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("No space left"), "{refused:?}");
        assert_eq!(fs::read_to_string(dir.join("wasmcni")).unwrap(), "an old one");
        assert_eq!(fs::read_dir(dir).unwrap().count(), 2);
    });
}
