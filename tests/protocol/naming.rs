//! Which plugin is called, the name of the program says: that of a link or of a copy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::exec::{Exec, wasmcni_binary};
use crate::harness::sandbox;

fn about(program: &Path) -> String {
    let outcome = Exec::of(program).run();
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(0), ""), "{outcome:?}");
    outcome.stderr
}

/// In a sandbox, that is, a process of its own: while other tests start processes, one of them could
/// hold the copy open for writing.
#[test]
fn links_and_copies_are_called_by_their_own_names() {
    sandbox::run(|| {
        // Hard links must be on the program's file system.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("protocol/naming");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("elsewhere")).unwrap();
        let binary = wasmcni_binary();
        symlink(&binary, dir.join("bridge")).unwrap();
        fs::hard_link(&binary, dir.join("ptp")).unwrap();
        fs::copy(&binary, dir.join("static")).unwrap();
        symlink("static", dir.join("loopback")).unwrap();
        symlink("../loopback", dir.join("elsewhere/host-local")).unwrap();
        for plugin in ["bridge", "ptp", "static", "loopback", "elsewhere/host-local"] {
            let name = plugin.trim_start_matches("elsewhere/");
            let about = about(&dir.join(plugin));
            assert!(about.starts_with(&format!("CNI {name} plugin v")), "{plugin}: {about}");
        }
        fs::remove_dir_all(&dir).unwrap();
    });
}

/// By any other name it is the operator's program, and no plugin: a call must not pass for one.
#[test]
fn other_names_are_no_plugins() {
    let node = super::node("other_names");
    for name in ["wasmcni", "bridge2", "Bridge", "bridge.old"] {
        let program = node.plugins().join(name);
        symlink(wasmcni_binary(), &program).unwrap();
        let call = super::call(&node, "ADD", &super::conf("static"));
        let outcome = call.calling(&program).run();
        assert_ne!(outcome.status, Some(0), "{name}: {outcome:?}");
        assert!(!outcome.stdout.contains("\"ips\""), "{name}: {outcome:?}");
    }
}
