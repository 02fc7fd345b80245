//! Where wasmcni keeps things on a node: one structure, so that tests and the demo point elsewhere.

use std::path::{Component, Path, PathBuf};

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
    /// What stands for `/` in the paths that configurations name; `None`: they are what they say. Trials
    /// have them below a directory of their own.
    pub named_root: Option<PathBuf>,
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
            named_root: None,
        }
    }

    /// Where a path is that a configuration names.
    pub fn named(&self, path: &str) -> PathBuf {
        match &self.named_root {
            None => PathBuf::from(path),
            Some(root) => below(root, Path::new(path)),
        }
    }
}

/// `root` followed by the parts of a path, none of which leads up or away.
fn below(root: &Path, path: &Path) -> PathBuf {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            None
        }
    });
    root.join(parts.collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_configurations_name_stays_below_a_trials_root() {
        let mut directories = Directories::below(Path::new("/"));
        assert_eq!(directories.named("/var/lib/x"), Path::new("/var/lib/x"));
        directories.named_root = Some("/trial".into());
        for (path, is) in [
            ("/var/lib/x", "/trial/var/lib/x"),
            ("/../../etc", "/trial/etc"),
            ("a/../b", "/trial/a/b"),
        ] {
            assert_eq!(directories.named(path), Path::new(is));
        }
    }
}
