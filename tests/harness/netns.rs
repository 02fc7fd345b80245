//! Network namespaces of tests, and `ip` as a witness. Only for tests in a sandbox.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// A network namespace with a name, gone when this is dropped. Its `lo` is down, as that of a container.
#[derive(Debug)]
pub(crate) struct Netns {
    path: PathBuf,
}

impl Netns {
    /// Equivalent: `ip netns add NAME`.
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new("/run/netns").join(name);
        File::create_new(&path).unwrap_or_else(|error| panic!("creating {path:?}: {error}"));
        // A thread born for it: it has the namespace, and ends.
        thread::scope(|scope| {
            scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).expect("a sandbox may make namespaces");
                let own = Some("/proc/thread-self/ns/net");
                let flags = MsFlags::MS_BIND;
                mount(own, &path, None::<&str>, flags, None::<&str>).expect("and mount them");
            });
        });
        Self { path }
    }

    /// `/run/netns/NAME`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A command that will run in the namespace. Equivalent: `ip netns exec NAME PROGRAM`, without its
    /// mounts.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path.display())).arg("--").arg(program);
        command
    }

    /// Runs a command in the namespace, which must succeed. Its standard output.
    pub(crate) fn exec(&self, program: &str, arguments: &[&str]) -> String {
        succeed(self.command(program).args(arguments))
    }

    /// `ip -json ARGUMENT…` in the namespace.
    pub(crate) fn ip_json(&self, arguments: &[&str]) -> Value {
        json(&self.exec("ip", &[&["-json"], arguments].concat()))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // The sandbox's end takes away what stays.
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(&self.path);
    }
}

/// `ip ARGUMENT…` in the calling thread's namespace, which must succeed. Its standard output.
pub(crate) fn ip(arguments: &[&str]) -> String {
    succeed(Command::new("ip").args(arguments))
}

/// `ip -json ARGUMENT…` in the calling thread's namespace.
pub(crate) fn ip_json(arguments: &[&str]) -> Value {
    json(&ip(&[&["-json"], arguments].concat()))
}

fn succeed(command: &mut Command) -> String {
    let output: Output =
        command.output().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {stderr}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// iproute2 writes nothing at all for an empty list.
fn json(text: &str) -> Value {
    let text = if text.trim().is_empty() { "[]" } else { text };
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}
