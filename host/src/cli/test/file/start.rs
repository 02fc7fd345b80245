//! What a test starts from: the network, the node, the plugins and their grants.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use toml::Spanned;

use super::super::super::given;
use super::super::super::trial::{GivenGrants, Network, NodeFile, Others};
use super::super::narrowed;
use super::Reader;
use crate::component;
use crate::policy;

impl Reader<'_> {
    pub(super) fn network(&self, value: &Spanned<Value>) -> Result<Network, String> {
        match value.get_ref() {
            Value::String(file) => {
                let read = Network::read(&self.dir.join(file));
                read.or_else(|e| self.bad(&value.span(), e))
            }
            Value::Object(_) => {
                let read = Network::parse(&value.get_ref().to_string());
                read.or_else(|e| self.bad(&value.span(), format_args!("network: {e}")))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => self.bad(
                &value.span(),
                "network is neither a file nor a configuration; write network = \"FILE\" or [network]",
            ),
        }
    }

    pub(super) fn kernel(&self, value: &Spanned<Value>) -> Result<NodeFile, String> {
        let read = match value.get_ref() {
            Value::String(file) => NodeFile::read(&self.dir.join(file)).map_err(|e| e.to_string()),
            Value::Object(object) => {
                // Here the version may be left out: it is this program's.
                let mut document = Map::from_iter([("wasmcni-node".to_owned(), json!(1))]);
                document.extend(object.clone());
                NodeFile::from_json(&Value::Object(document)).map_err(|e| format!("kernel/{e}"))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err("kernel is neither a file nor a node; write kernel = \"FILE\" or [kernel]"
                    .into())
            }
        };
        read.or_else(|e| self.bad(&value.span(), e))
    }

    /// The plugins that are not bundled: those of the command line before those of the file, and these before
    /// what is installed.
    pub(super) fn others(
        &self,
        named: &BTreeMap<String, Spanned<String>>,
        network: &Network,
    ) -> Result<Others, String> {
        let mut others = self.around.others.clone();
        for (name, file) in named {
            if others.find(name).is_none() {
                let added = others.add(name, &self.dir.join(file.get_ref()));
                added.or_else(|e| self.bad(&file.span(), format_args!("plugins: {e}")))?;
            }
        }
        let installed = others.add_installed(&network.types(), self.around.node);
        installed.or_else(|e| self.bad(&(0..0), e))?;
        Ok(others)
    }

    pub(super) fn grants(
        &self,
        plugin: &str,
        value: &Spanned<Value>,
        others: &Others,
    ) -> Result<GivenGrants, String> {
        let span = value.span();
        let bundled = component::find(plugin).map(|bundled| bundled.grants);
        let other = others.find(plugin).map(|other| other.grants.as_ref());
        let shipped = match (other, bundled) {
            (Some(own), _) => own.map_or("", |own| own.text.as_str()),
            (None, Some(shipped)) => shipped,
            (None, None) => {
                return self.bad(&span, format_args!("grants: there is no plugin {plugin:?}"));
            }
        };
        let (file, text) = match value.get_ref() {
            Value::String(file) => {
                let path = self.dir.join(file);
                let text = given::text(&path);
                let text =
                    text.or_else(|e| self.bad(&span, format_args!("reading {path:?}: {e}")))?;
                (file.clone(), text)
            }
            Value::Object(changes) => {
                let text = narrowed::narrowed(shipped, changes).or_else(|e| self.bad(&span, e))?;
                (format!("{plugin}/grants.toml"), text)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                let why = r#"grants: write "FILE", or { without = ["OP"], narrow = [{ op = "OP", KEY = "PATTERN" }] }"#;
                return self.bad(&span, why);
            }
        };
        let given = others.fitted(GivenGrants { plugin: plugin.to_owned(), file, text });
        if let Err(error) = policy::parse(&given.text, &given.file) {
            return self.bad(&span, format_args!("grants: {error}"));
        }
        Ok(given)
    }
}
