//! Programs of the node.
#![allow(clippy::disallowed_methods, reason = "an operator's command asks the node's programs")]

use std::io::ErrorKind;
use std::process::{Command, Stdio};

/// Where programs for root are, if PATH does not say so.
const FOR_ROOT: [&str; 3] = ["", "/usr/sbin/", "/sbin/"];

/// The standard output of a program; `None`: this node has no such program.
pub(super) fn output(name: &str, arguments: &[&str]) -> Option<Result<String, String>> {
    for place in FOR_ROOT {
        let mut command = Command::new(format!("{place}{name}"));
        command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C");
        let done = match command.output() {
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            done => done,
        };
        let words = [&[name], arguments].concat().join(" ");
        return Some(match done {
            Ok(output) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Ok(output) => {
                let stderr = String::from_utf8_lossy(&output.stderr);
                Err(format!("running {words:?}: {}: {}", output.status, stderr.trim()))
            }
            Err(e) => Err(format!("running {words:?}: {e}")),
        });
    }
    None
}
