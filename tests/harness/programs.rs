//! Programs that tests call as witnesses. The product calls none.

use std::env;
use std::fs::File;
use std::path::Path;

use super::sandbox::notice;

/// Where Debian's containernetworking-plugins puts the reference plugins.
pub(crate) const REFERENCE: &str = "/usr/lib/cni";

/// What makes tap devices. Distributions let everybody open it; without udev it is root's alone.
const TUN: &str = "/dev/net/tun";

/// Program, the Debian package that brings it, what is checked with it.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("tc", "iproute2", "limits of bandwidth, as another program sees them"),
    ("ip", "iproute2", "what the kernel holds, as another program sees it"),
    ("bridge", "iproute2", "bridge ports and their VLANs, as another program sees them"),
    ("nft", "nftables", "NAT and filter rules, as another program sees them"),
    ("dbus-daemon", "dbus-daemon", "firewalld on a bus of its own"),
    ("firewall-cmd", "firewalld", "firewalld's zones, as firewalld sees them"),
    ("nsenter", "util-linux", "what is in a container netns, as another program sees it"),
    ("setpriv", "util-linux", "what is said where rights are missing"),
    ("ping", "iputils-ping", "whether packets arrive"),
    ("sha256sum", "coreutils", "digests, as another program computes them"),
    ("strace", "strace", "what a kill at each step of a command leaves"),
];

/// Is this program here? If not, a test must end: what it would have checked is told, loudly, and where
/// nobody reads it (`CI` is set) the test fails.
pub(crate) fn require(program: &str) -> bool {
    let (_, package, checks) =
        PROGRAMS.iter().find(|(name, _, _)| *name == program).expect("the table has it");
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path).any(|directory| directory.join(program).is_file()) {
        return true;
    }
    missing(&format!("{checks}: needs `{program}` (apt install {package})"))
}

/// May taps be made here, and in a sandbox, where this user is root? As [`require`].
pub(crate) fn require_tun() -> bool {
    let opened = File::options().read(true).write(true).open(TUN);
    let Err(error) = opened else { return true };
    missing(&format!("tap devices: opening {TUN}: {error} (run the tests as its owner, root)"))
}

/// Are the reference plugins here? As [`require`].
pub(crate) fn require_reference() -> bool {
    if Path::new(REFERENCE).join("bridge").is_file() {
        return true;
    }
    missing(&format!(
        "whether wasmcni does what the reference plugins do: needs {REFERENCE} \
         (apt install containernetworking-plugins)"
    ))
}

/// Is iptables here, in the kind that makes nftables' rules? As [`require`].
pub(crate) fn has_iptables() -> bool {
    let output = std::process::Command::new("iptables").arg("-V").output();
    if output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("nf_tables")) {
        return true;
    }
    missing("whether packets pass iptables' rules: needs iptables-nft (apt install iptables)")
}

fn missing(what: &str) -> bool {
    assert!(env::var_os("CI").is_none(), "{what}");
    notice(what);
    false
}
