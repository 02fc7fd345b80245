//! Calls as processes: the product's own, and ones that something happens to.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use nix::errno::Errno;
use nix::libc::SIGKILL;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

use super::lab::{Lab, netns};
use crate::harness::exec::{Exec, plugin_dir};

/// The runtime of a lab on the real kernel. What its plugins leave running becomes its child.
pub(crate) struct Runtime<'a> {
    lab: &'a Lab,
    plugins: PathBuf,
}

/// What is left of a process whose parent has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Orphan {
    None,
    Running,
    Ended(i32),
}

impl<'a> Runtime<'a> {
    pub(crate) fn new(lab: &'a Lab) -> Self {
        set_child_subreaper(true).unwrap();
        Self { lab, plugins: plugin_dir(&lab.root().join("bin")) }
    }

    fn exec(&self, verb: &str, conf: &Value) -> Exec {
        let program = self.plugins.join(conf["type"].as_str().unwrap());
        Exec::of(&program)
            .attachment(verb, "a", netns("blue").to_str().unwrap(), "eth0")
            .root(self.lab.root())
            .stdin(conf.to_string())
    }

    /// A call, which must succeed.
    #[track_caller]
    pub(crate) fn call(&self, verb: &str, conf: &Value) -> Value {
        let result = self.exec(verb, conf).run().success();
        reap();
        result
    }

    /// A call whose process is the test's affair.
    pub(crate) fn start(&self, verb: &str, conf: &Value) -> Child {
        let mut command = Command::new(self.plugins.join(conf["type"].as_str().unwrap()));
        self.with_call(&mut command, verb, conf)
    }

    /// A call that something happens to.
    pub(crate) fn mishap(&self, kind: &str, number: usize, verb: &str, conf: &Value) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mishap"));
        command.args([conf["type"].as_str().unwrap(), kind, &number.to_string()]);
        self.with_call(&mut command, verb, conf).wait_with_output().unwrap()
    }

    fn with_call(&self, command: &mut Command, verb: &str, conf: &Value) -> Child {
        use std::io::Write;
        let mut child = command
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", "a")
            .env("CNI_NETNS", netns("blue"))
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", &self.plugins)
            .env("WASMCNI_ROOT", self.lab.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(conf.to_string().as_bytes()).unwrap();
        child
    }
}

/// Whether SIGKILL ended it. If not, it succeeded.
#[track_caller]
pub(crate) fn was_killed(output: &Output) -> bool {
    let killed = output.status.signal() == Some(SIGKILL);
    assert!(killed || output.status.success(), "{output:?}");
    killed
}

/// Looks for one orphan, once.
pub(crate) fn look_for_orphan() -> Orphan {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => Orphan::Running,
        Ok(WaitStatus::Exited(_, code)) => Orphan::Ended(code),
        Err(Errno::ECHILD) => Orphan::None,
        other => panic!("{other:?}"),
    }
}

/// Waits for all orphans; returns how they ended. Daemons of the test are in process groups of their own.
pub(crate) fn reap() -> Vec<i32> {
    let mut codes = Vec::new();
    let of_this_group = Pid::from_raw(0);
    loop {
        match waitpid(of_this_group, None) {
            Ok(WaitStatus::Exited(_, code)) => codes.push(code),
            Err(Errno::ECHILD) => return codes,
            other => panic!("{other:?}"),
        }
    }
}
