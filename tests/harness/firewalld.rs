//! A system bus and firewalld of a test's own, and `firewall-cmd` as a witness. Only for tests in a sandbox.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::programs::require;

/// Where the system bus of a node is; in a sandbox, `/run` is its own.
pub(crate) const SOCKET: &str = "/run/dbus/system_bus_socket";

/// Debian's.
const FIREWALLD: &str = "/usr/sbin/firewalld";

/// How long a daemon written in Python may take to start on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of a bus where everybody may do everything.
const BUS_CONF: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*" eavesdrop="false"/>
  </policy>
</busconfig>
"#;

/// `dbus-daemon`, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct SystemBus(Child);

impl SystemBus {
    /// Starts it, and waits until it listens.
    pub(crate) fn start() -> Self {
        fs::create_dir_all("/run/dbus").unwrap();
        fs::write("/run/dbus/bus.conf", BUS_CONF).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .args(["--config-file=/run/dbus/bus.conf", "--nofork", "--nopidfile"])
            .arg("--print-address")
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It prints its address when it is ready.
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(address.contains(SOCKET), "{address:?}");
        Self(daemon)
    }

    /// Has the system bus of the node whose files are below `root` be this one.
    pub(crate) fn serves(&self, root: &Path) {
        fs::create_dir_all(root.join("run")).unwrap();
        symlink("/run/dbus", root.join("run/dbus")).unwrap();
    }
}

impl Drop for SystemBus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// firewalld in the calling thread's network namespace, with its own configuration; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Firewalld {
    daemon: Child,
}

impl Firewalld {
    /// Starts it, and waits until it is ready.
    pub(crate) fn start() -> Self {
        fs::create_dir_all("/run/firewalld").unwrap();
        let daemon = Command::new(FIREWALLD)
            .args(["--nofork", "--nopid", "--system-config=/run/firewalld"])
            .arg("--log-file=/run/firewalld/log")
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while !runs() {
            assert!(begin.elapsed() < PATIENCE, "firewalld does not start: {}", log());
        }
        Self { daemon }
    }

    /// Ends it as `systemctl stop` does: its rules go with it.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
    }

    /// Keeps it from answering.
    pub(crate) fn pause(&self) {
        let pid = Pid::from_raw(self.daemon.id().try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        let pid = Pid::from_raw(self.daemon.id().try_into().unwrap());
        kill(pid, Signal::SIGCONT).unwrap();
    }

    fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_raw(self.daemon.id().try_into().unwrap());
        kill(pid, signal).unwrap();
        self.daemon.wait().unwrap();
    }
}

impl Drop for Firewalld {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Are the bus and firewalld here? As [`require`].
pub(crate) fn require_firewalld() -> bool {
    require("dbus-daemon") && require("firewall-cmd")
}

/// `firewall-cmd ARGUMENT…`, which must succeed.
pub(crate) fn firewall_cmd(arguments: &[&str]) -> String {
    let output = Command::new("firewall-cmd").args(arguments).output().unwrap();
    assert!(output.status.success(), "firewall-cmd {arguments:?}: {output:?}: {}", log());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The sources of a zone, sorted.
pub(crate) fn sources(zone: &str) -> Vec<String> {
    let text = firewall_cmd(&[&format!("--zone={zone}"), "--list-sources"]);
    let mut sources: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    sources.sort();
    sources
}

fn runs() -> bool {
    let output = Command::new("firewall-cmd").arg("--state").output().unwrap();
    output.status.success()
}

fn log() -> String {
    fs::read_to_string("/run/firewalld/log").unwrap_or_default()
}
