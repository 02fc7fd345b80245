//! `sandbox PROGRAM ARGUMENT…` runs a program as root of nothing: in new user, mount and network
//! namespaces, where the caller's user is root, `/run` is empty and the network is a loopback device that
//! is up. Whatever the program does there is gone when it ends.
//!
//! A program of its own, because a process may enter a user namespace only while it has one thread.

#![allow(clippy::disallowed_methods, reason = "this is the place where tests get what is ambient")]

use std::ffi::{CString, OsString};
use std::fmt::Display;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, ExitCode};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{execvp, getgid, getuid};

/// Exit code of a sandbox that could not be made; tests and `env(1)` know it.
const NO_SANDBOX: u8 = 125;

/// What to do where user namespaces are refused.
const ADVICE: &str = "tests on the real kernel run in a user namespace, which this machine refuses. \
    Allow them: `sysctl -w kernel.unprivileged_userns_clone=1` (Debian), \
    `sysctl -w user.max_user_namespaces=10000`, \
    `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu); \
    in a container, a seccomp profile that allows unshare(2) and mount(2)";

fn main() -> ExitCode {
    let program: Vec<OsString> = std::env::args_os().skip(1).collect();
    match enter().and_then(|()| run(program)) {
        Ok(never) => match never {},
        Err(reason) => {
            eprintln!("sandbox: {reason}");
            ExitCode::from(NO_SANDBOX)
        }
    }
}

fn enter() -> Result<(), String> {
    let (user, group) = (getuid(), getgid());
    let namespaces = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    unshare(namespaces).map_err(|errno| format!("unshare: {errno}: {ADVICE}"))?;
    // Groups must be given up before gid_map may be written (user_namespaces(7)).
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {user} 1"))?;
    write("/proc/self/gid_map", &format!("0 {group} 1"))?;

    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(during("mount /"))?;
    let none = MsFlags::empty();
    mount(Some("tmpfs"), "/run", Some("tmpfs"), none, None::<&str>)
        .map_err(during("mount /run"))?;
    fs::create_dir("/run/netns").map_err(during("mkdir /run/netns"))?;

    let mut up = Command::new("ip");
    let done = up.args(["link", "set", "lo", "up"]).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("ip link set lo up: {status}")),
        // Tests that need `ip` say so themselves.
        Err(_) => Ok(()),
    }
}

/// Enforced by AppArmor only here, where the first thing is done that takes a capability.
fn during<E: Display>(act: &'static str) -> impl FnOnce(E) -> String {
    move |error| format!("{act}: {error}: {ADVICE}")
}

fn write(path: &str, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{path}: {error}: {ADVICE}"))
}

fn run(program: Vec<OsString>) -> Result<std::convert::Infallible, String> {
    let arguments: Result<Vec<CString>, _> =
        program.into_iter().map(|word| CString::new(word.into_vec())).collect();
    let arguments = arguments.map_err(|error| error.to_string())?;
    let program = arguments.first().ok_or("usage: sandbox PROGRAM ARGUMENT…")?;
    execvp(program, &arguments).map_err(|errno| format!("exec {program:?}: {errno}"))
}
