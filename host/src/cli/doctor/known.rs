//! The containers and addresses that this node knows to be attached.
#![allow(clippy::disallowed_methods, reason = "an operator's command looks around the node")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::kernel::linux::LinuxKernel;
use crate::kernel::{self, Kernel, Role};

/// What says of a container or an address that it is attached: a file that names it.
#[derive(Debug, Default)]
pub(super) struct Known {
    containers: BTreeMap<String, PathBuf>,
    addresses: BTreeMap<IpAddr, PathBuf>,
    bridges: BTreeSet<String>,
}

impl Known {
    /// From reservations of host-local, results that the CNI library caches for runtimes, and journals;
    /// and the bridges that have ports.
    ///
    /// # Errors
    /// The node's links cannot be listed.
    pub(super) fn read(root: &Path) -> kernel::Result<Self> {
        let mut known = Self { bridges: bridges_with_ports()?, ..Self::default() };
        for network in entries(&root.join("var/lib/cni/networks")) {
            for file in entries(&network) {
                known.reservation(file);
            }
        }
        for file in entries(&root.join("var/lib/cni/results")) {
            known.result(&file);
        }
        for network in entries(&root.join("run/wasmcni/attachments")) {
            for file in entries(&network) {
                let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if let Some((container, _)) = name.split_once(':') {
                    known.containers.insert(container.to_owned(), file.clone());
                }
            }
        }
        Ok(known)
    }

    /// Whether a bridge of the node has ports.
    pub(super) fn has_ports(&self, bridge: &str) -> bool {
        self.bridges.contains(bridge)
    }

    /// `<network>/<address>` with the container's ID in its first line.
    fn reservation(&mut self, file: PathBuf) {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Ok(address) = name.parse() else { return };
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some(container) = text.lines().next().map(str::trim).filter(|id| !id.is_empty()) {
            self.containers.insert(container.to_owned(), file.clone());
            self.addresses.insert(address, file);
        }
    }

    /// `libcni`'s `cachedInfo`.
    fn result(&mut self, file: &Path) {
        let text = fs::read_to_string(file).unwrap_or_default();
        let Ok(info) = serde_json::from_str::<Value>(&text) else { return };
        if let Some(container) = info.get("containerId").and_then(Value::as_str) {
            self.containers.insert(container.to_owned(), file.to_owned());
        }
        let ips = info.pointer("/result/ips").and_then(Value::as_array).into_iter().flatten();
        for ip in ips.filter_map(|ip| ip.get("address")?.as_str()) {
            if let Some(Ok(address)) = ip.split('/').next().map(str::parse) {
                self.addresses.insert(address, file.to_owned());
            }
        }
    }

    /// Why a container counts as attached.
    pub(super) fn container(&self, id: &str) -> Option<String> {
        self.containers.get(id).map(|file| names(id, file))
    }

    /// The same of an ID that something else may follow: it was cut off, or is a part of a name.
    pub(super) fn container_where(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        self.containers.iter().find(|(id, _)| is_it(id)).map(|(id, file)| names(id, file))
    }

    /// Why an address counts as a container's.
    pub(super) fn address(&self, address: IpAddr) -> Option<String> {
        let file = self.addresses.get(&address)?;
        Some(format!("address {address} is a container's, by {}", file.display()))
    }
}

fn names(id: &str, file: &Path) -> String {
    format!("container {id:?} is attached, by {}; when it is removed, look again", file.display())
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The bridges of the node that have ports. Equivalent: `bridge link show`.
fn bridges_with_ports() -> kernel::Result<BTreeSet<String>> {
    let links = LinuxKernel::new(None)?.links(Role::Host)?;
    let masters: BTreeSet<_> = links.iter().filter_map(|link| link.master).collect();
    let bridges = links.iter().filter(|link| masters.contains(&link.index));
    Ok(bridges.map(|link| link.name.to_string()).collect())
}
