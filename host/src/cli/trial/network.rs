//! The runtime's part: a network configuration, and each of its plugins called in its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use go_json::Node;

use super::super::failure::{Doing, Failure};
use super::super::given;
use super::{Called, Mishap, Trial, netns_path};
use crate::cni::{CniError, CniResult, Code, Given, NetworkList, Verb};

/// A network configuration: a list, or a single plugin's, which is a list of one.
#[derive(Debug, Clone)]
pub(in super::super) struct Network {
    pub(in super::super) list: NetworkList,
    document: Node,
}

/// Who is attached, and how.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Attachment {
    /// CNI_CONTAINERID.
    pub(in super::super) container: String,
    /// Name of the container's netns; empty: the call has none.
    pub(in super::super) netns: String,
    /// CNI_IFNAME.
    pub(in super::super) ifname: String,
    /// CNI_ARGS.
    pub(in super::super) args: String,
    /// Capability arguments by capability.
    pub(in super::super) capabilities: BTreeMap<String, Node>,
}

/// What came of a verb.
#[derive(Debug, Clone)]
pub(in super::super) struct Played {
    /// The plugins' calls, in their order.
    pub(in super::super) calls: Vec<Called>,
    /// The last plugin's result for ADD, or the first error.
    pub(in super::super) answer: Result<Option<CniResult>, CniError>,
}

impl Network {
    /// Reads a file: a list (`.conflist`) or a single configuration.
    pub(in super::super) fn read(path: &Path) -> Result<Self, Failure> {
        let doing = || format!("reading {path:?}");
        let text = given::text(path).doing(doing)?;
        let network = Self::parse(&text).doing(doing)?;
        let Some((dir, false)) =
            path.parent().map(|dir| (dir, network.list.load_only_inlined_plugins))
        else {
            return Ok(network);
        };
        let dir = dir.join(network.list.name.as_str());
        network.with_files_of(&dir)
    }

    /// With the plugins of `<folder of the list>/<network's name>/*.conf`, as the CNI library has it.
    fn with_files_of(mut self, dir: &Path) -> Result<Self, Failure> {
        let Ok(entries) = fs::read_dir(dir) else {
            self.list = self.list.complete(&[]).doing(|| "reading the configuration")?;
            return Ok(self);
        };
        let conf = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "conf");
        let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).filter(conf).collect();
        paths.sort();
        let texts: Result<Vec<String>, Failure> =
            paths.iter().map(|p| given::text(p).doing(|| format!("reading {p:?}"))).collect();
        self.list = self.list.complete(&texts?).doing(|| format!("reading {dir:?}"))?;
        Ok(self)
    }

    /// Reads a text.
    pub(in super::super) fn parse(text: &str) -> Result<Self, CniError> {
        let document = Node::parse(text)?;
        let single = document.get_exact("plugins").is_none()
            && document.get("type").is_some()
            && document.as_object().is_some();
        if !single {
            return Ok(Self { list: NetworkList::parse(text)?, document });
        }
        let keys = ["cniVersion", "cniVersions", "name", "disableCheck", "disableGC"];
        let own = keys.iter().filter_map(|key| Some((*key, document.get_exact(key)?.clone())));
        let plugins = ("plugins", Node::from(vec![document.clone()]));
        let list = Node::object(own.chain([plugins])).to_json_string();
        Ok(Self { list: NetworkList::parse(&list)?, document })
    }

    fn plugins(&self) -> &[Node] {
        let single = std::slice::from_ref(&self.document);
        self.document.get_exact("plugins").and_then(Node::as_array).unwrap_or(single)
    }

    /// Where its plugins keep reservations, as far as they say so.
    pub(super) fn data_dirs(&self) -> BTreeSet<String> {
        let dir = |plugin: &Node| plugin.get("ipam")?.get("dataDir")?.as_str().map(str::to_owned);
        self.plugins().iter().filter_map(dir).filter(|dir| dir.starts_with('/')).collect()
    }

    /// Files that its plugins are told to read.
    pub(in super::super) fn files_named(&self) -> Vec<String> {
        let text = |node: Option<&Node>| node.and_then(Node::as_str).map(str::to_owned);
        let of = |plugin: &Node| {
            let resolver = plugin.get("ipam").and_then(|ipam| ipam.get("resolvConf"));
            [text(resolver), text(plugin.get("subnetFile"))]
        };
        self.plugins().iter().flat_map(of).flatten().filter(|path| path.starts_with('/')).collect()
    }
}

impl Trial {
    /// Calls every plugin of a list in the verb's order, as the CNI library does, up to the first error.
    /// `last` is ADD's result, for CHECK and DEL. A fault of no plugin is one of each plugin's call.
    pub(in super::super) fn play(
        &self,
        network: &Network,
        verb: Verb,
        attachment: &Attachment,
        last: Option<&CniResult>,
        mishaps: &[(Option<String>, Mishap)],
    ) -> Played {
        let list = &network.list;
        let mut played = Played { calls: Vec::new(), answer: Ok(last.cloned()) };
        if !list.version.has(verb) {
            let text = format!("version {} of the spec has no {verb}", list.version);
            played.answer = Err(CniError::new(Code::IncompatibleVersion, text));
            return played;
        }
        let mut result = last.cloned();
        for entry in list.order(verb) {
            let plugin = entry.plugin.as_str();
            let given = Given {
                prev_result: result.as_ref(),
                capability_args: attachment.capabilities.clone(),
                valid_attachments: (verb == Verb::Gc).then_some(&[]),
            };
            let stdin = match list.request(verb, entry, &given) {
                Ok(stdin) => stdin.to_json_string(),
                Err(error) => {
                    played.answer = Err(error);
                    return played;
                }
            };
            let mishaps: Vec<Mishap> = mishaps
                .iter()
                .filter(|(of, _)| of.as_deref().is_none_or(|of| of == plugin))
                .map(|(_, mishap)| *mishap)
                .collect();
            let env = |key: &str| attachment.variable(verb, key);
            let called = self.call(plugin, &env, &stdin, &mishaps);
            let answer = answer_of(&called, verb, list);
            played.calls.push(called);
            match answer {
                Ok(Some(new)) => result = Some(new),
                Ok(None) => {}
                Err(error) => {
                    played.answer = Err(error);
                    return played;
                }
            }
        }
        played.answer = Ok(result.filter(|_| verb == Verb::Add));
        played
    }
}

fn answer_of(
    called: &Called,
    verb: Verb,
    list: &NetworkList,
) -> Result<Option<CniResult>, CniError> {
    let reply = &called.reply;
    if reply.status != 0 {
        let unreadable = || CniError::new(Code::Internal, format!("it wrote {:?}", reply.stdout));
        return Err(CniError::from_json(&reply.stdout).unwrap_or_else(unreadable));
    }
    match verb {
        Verb::Add => CniResult::from_delegate(&reply.stdout, list.version).map(Some),
        Verb::Del | Verb::Check | Verb::Gc | Verb::Status | Verb::Version => Ok(None),
    }
}

impl Attachment {
    /// CNI spec, "Parameters".
    fn variable(&self, verb: Verb, key: &str) -> Option<String> {
        let value = match key {
            "CNI_COMMAND" => verb.to_string(),
            "CNI_CONTAINERID" => self.container.clone(),
            "CNI_NETNS" if self.netns.is_empty() => return None,
            "CNI_NETNS" => netns_path(&self.netns),
            "CNI_IFNAME" => self.ifname.clone(),
            "CNI_ARGS" if self.args.is_empty() => return None,
            "CNI_ARGS" => self.args.clone(),
            _ => return None,
        };
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_configuration_is_a_list_of_one() {
        let text = r#"{"cniVersion":"1.0.0","name":"n","type":"dummy","ipam":{"dataDir":"/x"}}"#;
        let network = Network::parse(text).unwrap();
        assert_eq!(network.list.plugins.len(), 1);
        assert_eq!(network.list.name.as_str(), "n");
        assert_eq!(network.data_dirs(), ["/x".to_owned()].into());
        let text =
            r#"{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"dummy"},{"type":"tuning"}]}"#;
        assert_eq!(Network::parse(text).unwrap().list.plugins.len(), 2);
        assert!(Network::parse("[]").is_err());
        assert!(Network::parse(r#"{"name":"n"}"#).unwrap().list.complete(&[]).is_err());
    }
}
