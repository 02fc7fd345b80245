//! The two that are compared: a directory of plugins each, copied the same way.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The plugins that both have, in Debian's package.
const PLUGINS: [&str; 15] = [
    "bandwidth",
    "bridge",
    "firewall",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tuning",
    "vlan",
    "vrf",
];

/// A candidate.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    dir: PathBuf,
    /// Octets on disk of the plugins that both have.
    pub(crate) size: u64,
}

/// One execution.
pub(crate) struct Call<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) verb: &'a str,
    pub(crate) container: &'a str,
    pub(crate) configuration: &'a str,
}

impl Candidate {
    /// Wasmcni and the reference, each in a directory of its own on one tmpfs.
    pub(crate) fn pair(wasmcni: &Path, reference: &Path) -> Result<[Self; 2], String> {
        let copy = |from: &Path, to: &Path| {
            fs::copy(from, to).map_err(|e| format!("copying {from:?} to {to:?}: {e}"))
        };
        let (ours, theirs) =
            (PathBuf::from("/run/wasmcni-bin"), PathBuf::from("/run/reference-bin"));
        for dir in [&ours, &theirs] {
            fs::create_dir_all(dir).map_err(|e| format!("making {dir:?}: {e}"))?;
        }
        let size = copy(wasmcni, &ours.join("wasmcni"))?;
        let mut their_size = 0;
        for plugin in PLUGINS {
            symlink("wasmcni", ours.join(plugin)).map_err(|e| format!("linking {plugin}: {e}"))?;
            their_size += copy(&reference.join(plugin), &theirs.join(plugin))?;
        }
        Ok([
            Self { name: "wasmcni", dir: ours, size },
            Self { name: "reference", dir: theirs, size: their_size },
        ])
    }

    /// Executes a plugin as a runtime does, and returns how long it took from start to end, and what it said.
    ///
    /// # Errors
    /// Its output, when it failed.
    pub(crate) fn time(&self, call: &Call<'_>) -> Result<(Duration, String), String> {
        let mut command = Command::new(self.dir.join(call.plugin));
        self.prepare(&mut command, call);
        let started = Instant::now();
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            // VERSION need not read it.
            let _ = stdin.write_all(call.configuration.as_bytes());
        }
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        let took = started.elapsed();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(format!("{} {} {}: {said}", self.name, call.plugin, call.verb));
        }
        Ok((took, said))
    }

    /// Programs executed and system calls made by a call, as strace counts them, and what it said; `None`
    /// without strace.
    pub(crate) fn trace(&self, call: &Call<'_>) -> Option<((usize, usize), String)> {
        let log = Path::new("/run/trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(log).arg(self.dir.join(call.plugin));
        self.prepare(&mut command, call);
        let mut child = command.spawn().ok()?;
        let _ = child.stdin.take()?.write_all(call.configuration.as_bytes());
        let output = child.wait_with_output().ok()?;
        output.status.success().then_some(())?;
        let text = fs::read_to_string(log).ok()?;
        // Of a call that another process interrupts strace writes a second line: "<... execve resumed>) = 0".
        let executed = text.lines().filter(|l| l.contains("execve") && l.ends_with("= 0")).count();
        let calls = text.lines().filter(|l| l.contains(" = ")).count();
        Some(((executed, calls), String::from_utf8(output.stdout).ok()?))
    }

    /// Peak memory of a call and its children, in KiB, as GNU time's `%M`, and what it said; measured by a
    /// process of its own, since the kernel keeps one maximum for all children that ended.
    pub(crate) fn memory(&self, call: &Call<'_>) -> Option<(u64, String)> {
        let mut command = Command::new(std::env::current_exe().ok()?.with_file_name("peak-memory"));
        command.arg(self.dir.join(call.plugin));
        self.prepare(&mut command, call);
        let mut child = command.spawn().ok()?;
        let _ = child.stdin.take()?.write_all(call.configuration.as_bytes());
        let output = child.wait_with_output().ok()?;
        let peak = String::from_utf8(output.stderr).ok()?.lines().last()?.parse().ok()?;
        Some((peak, String::from_utf8(output.stdout).ok()?))
    }

    fn prepare(&self, command: &mut Command, call: &Call<'_>) {
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CNI_COMMAND", call.verb)
            .env("CNI_CONTAINERID", call.container)
            .env("CNI_NETNS", format!("/run/netns/{}", call.container))
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", &self.dir)
            .env("WASMCNI_ROOT", "/run/root")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }
}
