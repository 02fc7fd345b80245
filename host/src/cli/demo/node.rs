//! The demo's node: its directories, its containers' namespaces, and what there is to see in them.
#![allow(clippy::disallowed_methods, reason = "files of a node that is thrown away")]

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use super::super::failure::{Doing, Failure};
use super::namespaces;
use super::seen;
use crate::directories::Directories;
use crate::kernel::linux::{ContainerNetns, LinuxKernel};
use crate::kernel::{Kernel, Role};

/// A container: as far as a network goes, a network namespace with a name.
#[derive(Debug, Clone)]
pub(super) struct Container {
    /// CNI_CONTAINERID.
    pub(super) id: &'static str,
    /// CNI_NETNS.
    pub(super) netns: PathBuf,
}

impl Container {
    fn kernel(&self) -> Result<LinuxKernel, Failure> {
        let doing = || format!("opening the network namespace {:?}", self.netns);
        let netns = ContainerNetns::open(&self.netns).doing(doing)?;
        LinuxKernel::new(Some(netns)).doing(doing)
    }

    /// Its links, addresses and routes.
    pub(super) fn lines(&self) -> Result<Vec<String>, Failure> {
        let lines = seen::lines(&mut self.kernel()?, Role::Container);
        lines.doing(|| format!("looking into container {:?}", self.id))
    }
}

/// The node.
#[derive(Debug)]
pub(super) struct Node {
    /// An empty file system of memory, the demo's alone.
    scratch: PathBuf,
    /// CNI_PATH.
    pub(super) plugins: PathBuf,
    /// WASMCNI_ROOT.
    pub(super) root: PathBuf,
    /// Its containers, of all networks.
    pub(super) containers: Vec<Container>,
}

impl Node {
    /// Enters namespaces of its own and makes it there, with symlinks to this program under the names
    /// of plugins.
    pub(super) fn make(plugins: &[&str]) -> Result<Self, Failure> {
        let program = fs::read_link("/proc/self/exe").doing(|| "reading \"/proc/self/exe\"")?;
        let scratch = namespaces::enter(&program)?;
        let node = Self {
            plugins: scratch.join("cni/bin"),
            root: scratch.join("node"),
            containers: Vec::new(),
            scratch,
        };
        for dir in [&node.plugins, &node.root.join("run/wasmcni"), &node.scratch.join("netns")] {
            make_dirs(dir)?;
        }
        for plugin in plugins {
            let link = node.plugins.join(plugin);
            symlink(&program, &link).doing(|| format!("making the symlink {link:?}"))?;
        }
        Ok(node)
    }

    /// Adds a container.
    pub(super) fn add_container(&mut self, id: &'static str) -> Result<Container, Failure> {
        let container = Container { id, netns: self.scratch.join("netns").join(id) };
        namespaces::make_netns(&container.netns)?;
        self.containers.push(container.clone());
        Ok(container)
    }

    /// Writes the operator's grant file of a plugin; returns its path.
    pub(super) fn write_grants(&self, plugin: &str, text: &str) -> Result<PathBuf, Failure> {
        let dir = self.directories().config.join("plugins");
        make_dirs(&dir)?;
        let path = dir.join(format!("{plugin}.toml"));
        // A file that others can write is not trusted, whatever the umask is.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.doing(|| format!("writing {path:?}"))?;
        Ok(path)
    }

    /// The node's own links, addresses and routes.
    pub(super) fn lines(&self) -> Result<Vec<String>, Failure> {
        seen::lines(&mut self.kernel()?, Role::Host).doing(|| "looking at the node's links")
    }

    /// What there is of attachments, in the kernel and in files.
    pub(super) fn traces(&self) -> Result<Traces, Failure> {
        let mut kernel = self.kernel()?;
        let rules = "reading the node's nftables entries";
        let masquerades = kernel.masquerades().doing(|| rules)?;
        let guards = kernel.spoof_guards().doing(|| rules)?;
        let containers = self.containers.iter().map(|c| Ok((c.id, c.lines()?)));
        let is_address = |name: &str| name.parse::<std::net::IpAddr>().is_ok();
        let directories = self.directories();
        Ok(Traces {
            node: self.lines()?,
            containers: containers.collect::<Result<_, Failure>>()?,
            nat: sorted(masquerades.iter().map(|entry| entry.source.to_string())),
            guards: sorted(guards.iter().map(|guard| guard.port.to_string())),
            reservations: files(&directories.reservations, is_address)?,
            journals: files(&directories.run.join("attachments"), |_| true)?,
        })
    }

    /// The address that host-local last handed out in a network.
    pub(super) fn last_reserved(&self, network: &str) -> Result<String, Failure> {
        let path = self.directories().reservations.join(network).join("last_reserved_ip.0");
        fs::read_to_string(&path).doing(|| format!("reading {path:?}"))
    }

    fn directories(&self) -> Directories {
        Directories::below(&self.root)
    }

    fn kernel(&self) -> Result<LinuxKernel, Failure> {
        LinuxKernel::new(None).doing(|| "opening the node's network namespace")
    }
}

/// The kernel's sets have an order of their own, from one look to the next.
fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn make_dirs(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).doing(|| format!("making {path:?}"))
}

/// The files in the networks' directories, as `network/file`.
fn files(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, Failure> {
    let names = |dir: &Path| -> std::io::Result<Vec<String>> {
        let entries = match fs::read_dir(dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let list = |dir: &Path| names(dir).doing(|| format!("reading {dir:?}"));
    let mut found = Vec::new();
    for network in list(dir)? {
        let files = list(&dir.join(&network))?;
        found.extend(files.iter().filter(|f| wanted(f)).map(|file| format!("{network}/{file}")));
    }
    Ok(sorted(found.into_iter()))
}

/// What there is of attachments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Traces {
    /// The node's links, addresses and routes.
    pub(super) node: Vec<String>,
    /// Each container's.
    pub(super) containers: Vec<(&'static str, Vec<String>)>,
    nat: Vec<String>,
    guards: Vec<String>,
    reservations: Vec<String>,
    journals: Vec<String>,
}

impl Traces {
    /// Whether nothing of any attachment is there: in containers nothing but `lo`, no port of a
    /// bridge, no entry, no file.
    pub(super) fn are_none(&self) -> bool {
        let only_lo = |lines: &[String]| matches!(lines, [lo] if lo.starts_with("1: lo:"));
        self.containers.iter().all(|(_, lines)| only_lo(lines))
            && !self.node.iter().any(|line| line.contains(" master ") || line.contains("veth"))
            && [&self.nat, &self.guards, &self.reservations, &self.journals]
                .iter()
                .all(|traces| traces.is_empty())
    }
}

/// A line for each kind.
impl fmt::Display for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = |lines: &[String]| -> Vec<String> {
            let names = lines.iter().filter_map(|line| line.split(": ").nth(1));
            names.map(str::to_owned).collect()
        };
        row(f, "links of the node", &links(&self.node))?;
        for (id, lines) in &self.containers {
            row(f, &format!("links in {id}"), &links(lines))?;
        }
        row(f, "masqueraded", &self.nat)?;
        row(f, "spoof guards", &self.guards)?;
        row(f, "reservations", &self.reservations)?;
        row(f, "journals", &self.journals)
    }
}

fn row(f: &mut fmt::Formatter<'_>, key: &str, values: &[String]) -> fmt::Result {
    let none = ["none".to_owned()];
    let values = if values.is_empty() { &none } else { values };
    writeln!(f, "{key:<18} {}", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces() -> Traces {
        let lo = || vec!["1: lo: <DOWN> mtu 65536".to_owned()];
        Traces {
            node: [lo(), vec!["2: mynet0: <UP> mtu 1500 bridge".to_owned()]].concat(),
            containers: vec![("blue", lo())],
            nat: vec![],
            guards: vec![],
            reservations: vec![],
            journals: vec![],
        }
    }

    #[test]
    fn a_bridge_without_ports_is_no_trace_and_all_else_is() {
        assert!(traces().are_none());
        let veth = || "3: vetha@if2: <UP> mtu 1500 veth".to_owned();
        let some = |change: fn(&mut Traces, String)| {
            let mut traces = traces();
            change(&mut traces, veth());
            traces
        };
        for traces in [
            some(|traces, veth| traces.node.push(veth)),
            some(|traces, _| traces.containers.push(("green", vec![]))),
            some(|traces, veth| traces.containers.push(("green", vec![veth]))),
            some(|traces, _| traces.nat.push("10.0.0.2/8".into())),
            some(|traces, veth| traces.guards.push(veth)),
            some(|traces, _| traces.reservations.push("mynet/10.0.0.2".into())),
            some(|traces, _| traces.journals.push("mynet/blue:eth0:bridge".into())),
        ] {
            assert!(!traces.are_none(), "{traces}");
        }
    }

    #[test]
    fn traces_are_told_a_line_each() {
        let text = traces().to_string();
        assert!(text.contains("links of the node  lo, mynet0\n"), "{text}");
        assert!(text.contains("journals           none\n"), "{text}");
    }
}
