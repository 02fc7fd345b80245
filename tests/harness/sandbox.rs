//! Tests on the real kernel, without root and without touching the machine: a test runs again, alone, in
//! a process of its own in new user, mount and network namespaces (`src/bin/sandbox.rs`).

use std::env;
use std::io::Write;
use std::process::Command;
use std::thread;

/// Set inside.
const MARK: &str = "WASMCNI_SUITE_SANDBOX";

/// Begins a line that must be seen although the test passes.
const NOTICE: &str = "NOT TESTED: ";

/// Runs the test that calls this in a sandbox: root, an empty `/run` with `/run/netns`, `lo` up and no other
/// link. Call it first thing in a `#[test]`, on the test's own thread.
///
/// ```ignore
/// #[test]
/// fn bridges_are_made() {
///     sandbox::run(|| { … });
/// }
/// ```
pub(crate) fn run(inside: impl FnOnce()) {
    if is_inside() {
        return inside();
    }
    let test = thread::current().name().map(str::to_owned).expect("a test's thread has its name");
    let output = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .arg(env::current_exe().expect("the test binary knows where it is"))
        .args(["--exact", &test, "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap_or_else(|error| panic!("starting {}: {error}", env!("CARGO_BIN_EXE_sandbox")));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    for line in stderr.lines() {
        match line.strip_prefix(NOTICE) {
            Some(what) => notice(what),
            None => eprintln!("{line}"),
        }
    }
    print!("{stdout}");
    assert!(output.status.success(), "{test} failed in its sandbox: {}", output.status);
    // A wrong name would run no test, and succeed.
    assert!(stdout.contains("test result: ok. 1 passed"), "{test} did not run in its sandbox");
}

/// Are we in a sandbox?
pub(crate) fn is_inside() -> bool {
    env::var_os(MARK).is_some()
}

/// Tells, past the capture of passing tests' output, what is not being tested.
pub(crate) fn notice(what: &str) {
    // `eprintln!` would be captured.
    let written = writeln!(std::io::stderr(), "{NOTICE}{what}");
    written.expect("stderr is open");
}

mod tests {
    use super::super::netns::{self, Netns};
    use super::super::programs::require;

    #[test]
    fn a_sandbox_is_root_of_a_network_of_its_own() {
        super::run(|| {
            if !require("ip") {
                return;
            }
            let names = |links: serde_json::Value| -> Vec<String> {
                let links = links.as_array().unwrap().clone();
                links.iter().map(|link| link["ifname"].as_str().unwrap().to_owned()).collect()
            };
            assert_eq!(names(netns::ip_json(&["link"])), ["lo"]);
            let blue = Netns::new("blue");
            assert_eq!(names(blue.ip_json(&["link"])), ["lo"]);
            let veth = ["link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", "blue"];
            netns::ip(&veth);
            assert_eq!(names(netns::ip_json(&["link"])), ["lo", "v0"]);
            assert_eq!(names(blue.ip_json(&["link"])), ["lo", "v1"]);
            let path = blue.path().to_owned();
            drop(blue);
            assert!(!path.exists());
        });
    }

    #[test]
    fn a_sandbox_hides_nothing_of_a_failure() {
        let run = || super::run(|| panic!("as it should"));
        if super::is_inside() {
            return run();
        }
        // Inside, the panic fails the test; here, that failure is what passes.
        let failed = std::panic::catch_unwind(run);
        assert!(failed.is_err());
    }
}
