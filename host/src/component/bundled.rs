//! The plugins that come with this binary: CNI type, compiled code, grants.
#![allow(unsafe_code, reason = "says which bytes are code; see component/aot.rs")]

use super::aot::{Aligned, Code};
use crate::policy::{self, Grants, PolicyError};

/// Where a plugin's code is.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    /// In this binary.
    Bundled(Code),
    /// In the node's store: its grant file says which component it is.
    Installed,
}

/// A plugin that comes with this binary.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    /// Its CNI type, and the name of its symlink.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Its compiled code.
    pub origin: Origin,
    /// Its grant file, as shipped in `plugins-wasm/<name>/grants.toml`.
    pub grants: &'static str,
    /// The same, parsed when this binary was built; `None`: to be parsed.
    pub compiled_grants: Option<&'static [u8]>,
}

impl Bundled {
    /// A plugin that was installed on this node, whose grant file says which component it is.
    #[must_use]
    pub fn installed(name: &'static str) -> Self {
        let about = "installed on this node";
        Self { name, about, origin: Origin::Installed, grants: "", compiled_grants: None }
    }

    /// The grants that it was shipped with.
    ///
    /// # Errors
    /// When its grant file is wrong.
    pub fn shipped_grants(&self) -> Result<Grants, PolicyError> {
        let decoded = self.compiled_grants.map(|bytes| policy::decode(bytes, self.grants));
        match decoded {
            Some(Ok(grants)) => Ok(grants),
            Some(Err(_)) | None => {
                policy::parse(self.grants, &format!("bundled:{}/grants.toml", self.name))
            }
        }
    }
}

macro_rules! bundled {
    ($name:literal, $about:literal) => {{
        const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".cwasm"));
        static ALIGNED: &Aligned<[u8; BYTES.len()]> =
            &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".cwasm")));
        Bundled {
            name: $name,
            about: $about,
            // SAFETY: the build script of this very build wrote the file by `precompile_component`;
            // all of it is included, in an `Aligned` static.
            origin: Origin::Bundled(unsafe { Code::compiled_by_build_script(&ALIGNED.0) }),
            grants: include_str!(concat!("../../../plugins-wasm/", $name, "/grants.toml")),
            compiled_grants: Some(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".grants"))),
        }
    }};
}

/// Every plugin that comes with this binary.
pub static BUNDLED: [Bundled; 18] = [
    bundled!("bandwidth", "limits what a container sends and receives by token buckets"),
    bundled!("bridge", "connects containers to a bridge of the node by veth pairs"),
    bundled!("dummy", "gives a container a link that leads nowhere, to have addresses on"),
    bundled!("firewall", "lets containers through the node's firewall, and keeps bridges apart"),
    bundled!(
        "flannel",
        "has another plugin attach containers to this node's share of a flannel network"
    ),
    bundled!("host-device", "moves a device of the node into a container"),
    bundled!("host-local", "hands out addresses from ranges, kept in files of the node"),
    bundled!("ipvlan", "puts containers on a link of the node, with its MAC"),
    bundled!("loopback", "raises the loopback interface"),
    bundled!("macvlan", "puts containers on a link of the node, with MACs of their own"),
    bundled!("portmap", "has ports of the node lead into containers"),
    bundled!("ptp", "connects a container to the node by a veth pair and routes"),
    bundled!("sbr", "has packets of an interface's addresses leave by that interface"),
    bundled!("static", "hands out the addresses that the configuration names"),
    bundled!("tap", "makes a tap device in the container, for a virtual machine to open"),
    bundled!("tuning", "changes sysctls and settings of the interface that others made"),
    bundled!("vlan", "puts a container in a VLAN of a link of the node"),
    bundled!("vrf", "puts the interface that others made into a VRF"),
];

/// The plugin of this CNI type.
pub fn find(name: &str) -> Option<&'static Bundled> {
    BUNDLED.iter().find(|plugin| plugin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_grants_are_those_of_the_file() {
        for plugin in BUNDLED {
            let file = format!("bundled:{}/grants.toml", plugin.name);
            let parsed = policy::parse(plugin.grants, &file).unwrap();
            let decoded = policy::decode(plugin.compiled_grants.unwrap(), plugin.grants).unwrap();
            assert_eq!(decoded, parsed, "{}", plugin.name);
        }
    }
}
