//! Network configuration lists: what an operator writes, and the request that each plugin gets from
//! it. The runtime's side of the protocol (CNI spec, section 1; CNI library, `libcni`).

use std::collections::BTreeMap;

use go_json::Node;
use serde::Deserialize;

use super::conf::{VALID_ATTACHMENTS, ValidAttachment, network_name, plugin_name};
use super::error::{CniError, Code};
use super::result::CniResult;
use super::{SpecVersion, Verb, version};
use crate::names::{NetworkName, PluginName};

/// A network configuration list.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkList {
    /// The network's name.
    pub name: NetworkName,
    /// The version that its plugins are called with.
    pub version: SpecVersion,
    /// Whether the operator wants no CHECK.
    pub disable_check: bool,
    /// Whether the operator wants no GC.
    pub disable_gc: bool,
    /// Whether plugins are also looked for in files, see [`NetworkList::complete`].
    pub load_only_inlined_plugins: bool,
    /// The plugins in the order of ADD.
    pub plugins: Vec<PluginEntry>,
}

/// One plugin of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginEntry {
    /// `type`.
    pub plugin: PluginName,
    /// The capabilities that are switched on.
    capabilities: Vec<String>,
    object: Node,
}

/// What the runtime adds to a plugin's configuration. Each verb takes what is meant for it.
#[derive(Clone, Debug, Default)]
pub struct Given<'a> {
    /// ADD: the former plugin's result. DEL and CHECK: the last plugin's.
    pub prev_result: Option<&'a CniResult>,
    /// ADD, DEL and CHECK: capability arguments by capability.
    pub capability_args: BTreeMap<String, Node>,
    /// GC: the attachments to leave alone.
    pub valid_attachments: Option<&'a [ValidAttachment]>,
}

impl NetworkList {
    /// Reads a list. Its keys are matched exactly, as `libcni` does; those of its plugins as Go
    /// does.
    ///
    /// # Errors
    /// The text is not JSON (code 6), no version in it is known (code 1), or a key is wrong (code
    /// 7).
    pub fn parse(text: &str) -> Result<Self, CniError> {
        let list = Node::parse(text)?;
        if list.as_object().is_none() {
            return Err(CniError::new(Code::DecodingFailure, format!("{list} is not an object")));
        }
        let load_only_inlined_plugins = switch(&list, "loadOnlyInlinedPlugins")?;
        let plugins = match list.get_exact("plugins") {
            None if load_only_inlined_plugins => {
                return Err(invalid(
                    "loadOnlyInlinedPlugins is true, and there is no key \"plugins\"",
                ));
            }
            None => Vec::new(),
            Some(value) => match value.as_array() {
                Some(plugins) if !plugins.is_empty() => {
                    plugins.iter().map(PluginEntry::read).collect::<Result<_, _>>()?
                }
                Some(_) => return Err(invalid("reading \"plugins\": no plugins in list")),
                None => return Err(wrong(&list, "plugins", "not an array")),
            },
        };
        let name = string(&list, "name")?.ok_or_else(|| invalid("missing key \"name\""))?;
        Ok(Self {
            name: network_name(name)?,
            version: version(&list)?,
            disable_check: switch(&list, "disableCheck")?,
            disable_gc: switch(&list, "disableGC")?,
            load_only_inlined_plugins,
            plugins,
        })
    }

    /// Adds the plugins of the files `<folder of the list>/<network's name>/*.conf`, given as their
    /// texts in the files' order, unless the list wants none but its own.
    ///
    /// # Errors
    /// A file is wrong (code 6 or 7), or there is no plugin at all (code 7).
    pub fn complete(mut self, files: &[String]) -> Result<Self, CniError> {
        if !self.load_only_inlined_plugins {
            for text in files {
                self.plugins.push(PluginEntry::read(&Node::parse(text)?)?);
            }
        }
        if self.plugins.is_empty() {
            return Err(invalid("no plugins in list or folder"));
        }
        Ok(self)
    }

    /// Whether the plugins are to be called with this verb: the version has it, and it is not
    /// switched off.
    #[must_use]
    pub fn calls(&self, verb: Verb) -> bool {
        let disabled = match verb {
            Verb::Check => self.disable_check,
            Verb::Gc => self.disable_gc,
            Verb::Add | Verb::Del | Verb::Status | Verb::Version => false,
        };
        self.version.has(verb) && !disabled
    }

    /// The plugins in the order in which they are called: backwards for DEL.
    #[must_use]
    pub fn order(&self, verb: Verb) -> Vec<&PluginEntry> {
        match verb {
            Verb::Del => self.plugins.iter().rev().collect(),
            Verb::Add | Verb::Check | Verb::Gc | Verb::Status | Verb::Version => {
                self.plugins.iter().collect()
            }
        }
    }

    /// What `plugin` gets on stdin.
    ///
    /// # Errors
    /// `prevResult` cannot be given in the list's version (code 1).
    pub fn request(
        &self,
        verb: Verb,
        plugin: &PluginEntry,
        given: &Given<'_>,
    ) -> Result<Node, CniError> {
        let mut conf = plugin.object.clone();
        // Reserved for the runtime (CNI spec, "Plugin configuration objects").
        for key in ["capabilities", "runtimeConfig", "prevResult"] {
            conf.remove(key);
        }
        conf.set("cniVersion", self.version.as_str().into())?;
        conf.set("name", self.name.as_str().into())?;
        match verb {
            Verb::Add | Verb::Check => self.describe(&mut conf, plugin, given, true)?,
            // DEL got its prevResult in 0.4.0.
            Verb::Del => {
                self.describe(&mut conf, plugin, given, self.version >= SpecVersion::V0_4_0)?;
            }
            Verb::Gc => {
                if let Some(list) = given.valid_attachments {
                    for key in VALID_ATTACHMENTS {
                        conf.set(key, list.iter().map(attachment).collect::<Vec<_>>().into())?;
                    }
                }
            }
            Verb::Status | Verb::Version => {}
        }
        Ok(conf)
    }

    fn describe(
        &self,
        conf: &mut Node,
        plugin: &PluginEntry,
        given: &Given<'_>,
        with_prev_result: bool,
    ) -> Result<(), CniError> {
        if let Some(result) = given.prev_result.filter(|_| with_prev_result) {
            conf.set("prevResult", result.to_node(self.version)?)?;
        }
        let args =
            given.capability_args.iter().filter(|(key, _)| plugin.capabilities.contains(key));
        let args: Vec<_> = args.map(|(key, value)| (key.clone(), value.clone())).collect();
        if !args.is_empty() {
            conf.set("runtimeConfig", Node::Object(args))?;
        }
        Ok(())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Keys {
    r#type: String,
    capabilities: BTreeMap<String, bool>,
}

impl PluginEntry {
    fn read(object: &Node) -> Result<Self, CniError> {
        let keys: Keys = object.to()?;
        let on = keys.capabilities.into_iter().filter(|(_, on)| *on);
        Ok(Self {
            plugin: plugin_name("type", &keys.r#type)?
                .ok_or_else(|| invalid("missing key \"type\" of a plugin"))?,
            capabilities: on.map(|(capability, _)| capability).collect(),
            object: object.clone(),
        })
    }
}

fn attachment(valid: &ValidAttachment) -> Node {
    Node::object([
        ("containerID", Node::from(valid.container_id.as_str())),
        ("ifname", Node::from(valid.if_name.as_str())),
    ])
}

fn version(list: &Node) -> Result<SpecVersion, CniError> {
    let offered = match list.get_exact("cniVersions") {
        None => &[],
        Some(value) => {
            value.as_array().ok_or_else(|| wrong(list, "cniVersions", "not an array"))?
        }
    };
    let offered: Option<Vec<&str>> = offered.iter().map(Node::as_str).collect();
    let offered = offered.ok_or_else(|| wrong(list, "cniVersions", "not an array of strings"))?;
    version::choose(string(list, "cniVersion")?.filter(|text| !text.is_empty()), &offered)
}

fn string<'a>(list: &'a Node, key: &str) -> Result<Option<&'a str>, CniError> {
    match list.get_exact(key) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| wrong(list, key, "not a string")),
    }
}

/// A truth value, or its name in any case, as some write it.
fn switch(list: &Node, key: &str) -> Result<bool, CniError> {
    let Some(value) = list.get_exact(key) else { return Ok(false) };
    let named = value.as_str().and_then(|text| text.to_ascii_lowercase().parse().ok());
    value.as_bool().or(named).ok_or_else(|| wrong(list, key, "neither true nor false"))
}

fn wrong(list: &Node, key: &str, what: &str) -> CniError {
    let value = list.get_exact(key).unwrap_or(&Node::Null);
    invalid(format!("reading {key:?}: {value} is {what}"))
}

fn invalid(details: impl Into<String>) -> CniError {
    CniError::new(Code::InvalidConfiguration, details)
}
