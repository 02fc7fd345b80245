//! Where wasmcni keeps things on a node: one structure, so that tests and the demo point elsewhere.

use std::path::{Path, PathBuf};

/// The directories of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Configuration and grants, root-owned: `/etc/wasmcni`.
    pub config: PathBuf,
    /// Journals, locks and indexes; a tmpfs, empty after a reboot: `/run/wasmcni`.
    pub run: PathBuf,
    /// Components that were installed, root-owned: `/var/lib/wasmcni`.
    pub installed: PathBuf,
    /// Reservations of networks that name no directory of their own: `/var/lib/cni/networks`.
    pub reservations: PathBuf,
    /// Delegates' configurations of flannel networks that name no directory of their own:
    /// `/var/lib/cni/flannel`.
    pub saved_configurations: PathBuf,
    /// The share of the cluster's network that this node has, if a network names no file of its own:
    /// `/run/flannel/subnet.env`.
    pub subnet_file: PathBuf,
    /// Where the system bus listens, if the environment names no other place: `/run/dbus/system_bus_socket`.
    pub system_bus: PathBuf,
    /// The kernel's devices: `/sys`.
    pub sysfs: PathBuf,
    /// Sysctls that networks may set, if there is such a list: `/etc/cni/tuning/allowlist.conf`.
    pub tuning_allow_list: PathBuf,
    /// What the reference plugin `tuning` keeps of links that it changed: `/run/cni/tuning`.
    pub tuning_backups: PathBuf,
}

impl Directories {
    /// The node's, below `root`: `/` but for tests and trials.
    pub fn below(root: &Path) -> Self {
        Self {
            config: root.join("etc/wasmcni"),
            run: root.join("run/wasmcni"),
            installed: root.join("var/lib/wasmcni"),
            reservations: root.join("var/lib/cni/networks"),
            saved_configurations: root.join("var/lib/cni/flannel"),
            subnet_file: root.join("run/flannel/subnet.env"),
            system_bus: root.join("run/dbus/system_bus_socket"),
            sysfs: root.join("sys"),
            tuning_allow_list: root.join("etc/cni/tuning/allowlist.conf"),
            tuning_backups: root.join("run/cni/tuning"),
        }
    }
}
