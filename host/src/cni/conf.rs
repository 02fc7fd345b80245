//! A network configuration as a plugin gets it on stdin.
//!
//! The host reads the few keys that CNI defines. All others are the plugin's, which gets the text
//! as it came.

use go_json::Node;
use serde::Deserialize;

use super::error::{CniError, Code};
use super::result::{CniResult, Dns};
use super::{SpecVersion, Verb, version};
use crate::names::{NetworkName, PluginName};

/// The longest configuration that is read, in bytes. Ours: `prevResult` and port mappings take
/// kilobytes, and a runtime gone wild must not take the node's memory.
pub const MAX_STDIN: usize = 8 * 1024 * 1024;

/// The longest configuration that a plugin may render for another one, in bytes. Ours.
pub const MAX_DELEGATED: usize = 256 * 1024;

/// The keys of GC's list: in today's spec, and in the spec at its tag v1.1.0. The CNI library sends
/// both.
pub(super) const VALID_ATTACHMENTS: [&str; 2] =
    ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// A network configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkConf {
    /// The network's name.
    pub name: NetworkName,
    /// The version to answer in.
    pub version: SpecVersion,
    /// `type`. The plugin has been found by its file name when it reads this, so it may be absent.
    pub plugin: Option<PluginName>,
    /// `ipam.type`; absent or empty: no delegate for addresses.
    pub ipam: Option<PluginName>,
    /// `dns`.
    pub dns: Dns,
    /// `runtimeConfig`: the capability arguments.
    pub runtime_config: Option<Node>,
    text: String,
    document: Node,
}

/// An attachment that GC must leave alone. Kept as the runtime wrote it: an ID that wasmcni would
/// refuse is none of wasmcni's, and no reason to fail the others' GC.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValidAttachment {
    /// The container's ID.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// The name of its link.
    #[serde(rename = "ifname")]
    pub if_name: String,
}

/// Read apart from [`Keys`], and before the version is checked, as the CNI library's plugin
/// skeleton does: what else a configuration of an unknown version holds is not known either.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Keys {
    r#type: String,
    ipam: Ipam,
    dns: Dns,
    runtime_config: Option<Node>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ipam {
    r#type: String,
}

impl NetworkConf {
    /// Reads the configuration that a plugin supporting `supported` got for `verb`.
    ///
    /// # Errors
    /// The version is not supported or has no such verb (code 1). The bytes are too many, not
    /// UTF-8, not JSON, or a key has a value of another kind (code 6). `name` or a `type` is wrong
    /// (code 7).
    pub fn parse(stdin: &[u8], verb: Verb, supported: &[SpecVersion]) -> Result<Self, CniError> {
        let text = text(stdin)?;
        let document = Node::parse(text)?;
        let header: Header = document.to()?;
        let name = network_name(&header.name)?;
        let version = version::accept(version::stated(&document)?, verb, supported)?;
        let keys: Keys = document.to()?;
        Ok(Self {
            name,
            version,
            plugin: plugin_name("type", &keys.r#type)?,
            ipam: plugin_name("ipam.type", &keys.ipam.r#type)?,
            dns: keys.dns,
            runtime_config: keys.runtime_config,
            text: text.to_owned(),
            document,
        })
    }

    /// The configuration that a delegate of this network gets, out of one that another plugin
    /// rendered: what CNI says about the call is this configuration's.
    ///
    /// # Errors
    /// As [`NetworkConf::parse`]; the text is longer than [`MAX_DELEGATED`] or no object (code 7).
    pub fn for_delegate(
        &self,
        plugin: &PluginName,
        text: &str,
        verb: Verb,
    ) -> Result<Self, CniError> {
        let refused = |why: String| {
            let text = format!("reading the configuration for {:?}: {why}", plugin.as_str());
            CniError::new(Code::InvalidConfiguration, text)
        };
        if text.len() > MAX_DELEGATED {
            return Err(refused(format!("longer than {MAX_DELEGATED} bytes")));
        }
        let mut document = Node::parse(text).map_err(|e| refused(e.to_string()))?;
        let mut set = |key: &str, value: Option<Node>| match value {
            Some(value) => document.set(key, value).map_err(|e| refused(e.to_string())),
            None => {
                document.remove(key);
                Ok(())
            }
        };
        set("name", Some(self.name.as_str().into()))?;
        set("cniVersion", Some(self.version.as_str().into()))?;
        set("type", Some(plugin.as_str().into()))?;
        for key in ["prevResult"].into_iter().chain(VALID_ATTACHMENTS) {
            set(key, self.document.get(key).cloned())?;
        }
        Self::parse(document.to_json_string().as_bytes(), verb, &SpecVersion::ALL)
    }

    /// The whole configuration as it came, for the plugin and for delegates.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole configuration as it was read.
    #[must_use]
    pub fn document(&self) -> &Node {
        &self.document
    }

    /// `prevResult`.
    ///
    /// # Errors
    /// As [`CniResult::from_prev_result`].
    pub fn prev_result(&self) -> Result<Option<CniResult>, CniError> {
        match self.document.get("prevResult") {
            None | Some(Node::Null) => Ok(None),
            Some(node) => CniResult::from_prev_result(node, self.version).map(Some),
        }
    }

    /// The attachments that GC must leave alone. None: the runtime gave no list, which is not an
    /// empty list.
    ///
    /// `null` is an empty list: it is how Go writes one that nothing was appended to, and what
    /// CRI-O sends when no container is left. Where both keys are given, each protects.
    ///
    /// # Errors
    /// A list is not one of attachments (code 6).
    pub fn valid_attachments(&self) -> Result<Option<Vec<ValidAttachment>>, CniError> {
        let mut all: Option<Vec<ValidAttachment>> = None;
        for key in VALID_ATTACHMENTS {
            if let Some(node) = self.document.get(key) {
                let given = node.to::<Vec<_>>().map_err(|error| error.at_key(key))?;
                all.get_or_insert_default().extend(given);
            }
        }
        if let Some(list) = &mut all {
            list.sort();
            list.dedup();
        }
        Ok(all)
    }
}

/// The version that a configuration states, if it can be read and is known: to label an answer
/// with.
#[must_use]
pub fn stated_version(stdin: &[u8]) -> Option<SpecVersion> {
    let document = Node::parse(text(stdin).ok()?).ok()?;
    SpecVersion::known(version::stated(&document).ok()??)
}

fn text(stdin: &[u8]) -> Result<&str, CniError> {
    let undecodable = |reason| CniError::new(Code::DecodingFailure, reason);
    if stdin.len() > MAX_STDIN {
        return Err(undecodable(format!("reading stdin: more than {MAX_STDIN} bytes")));
    }
    std::str::from_utf8(stdin).map_err(|error| undecodable(format!("reading stdin: {error}")))
}

/// Reads the `name` of a network.
pub(super) fn network_name(text: &str) -> Result<NetworkName, CniError> {
    text.parse().map_err(|error| {
        CniError::new(Code::InvalidConfiguration, format!("reading \"name\" {text:?}: {error}"))
    })
}

/// Reads a plugin's name under `key`; empty is as good as absent.
pub(super) fn plugin_name(key: &str, text: &str) -> Result<Option<PluginName>, CniError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| {
        CniError::new(Code::InvalidConfiguration, format!("reading {key:?} {text:?}: {error}"))
    })
}
