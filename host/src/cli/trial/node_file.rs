//! A node as a file: what `wasmcni snapshot` writes, and what plans and tests start from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::failure::{Doing, Failure};
use super::super::given;
use crate::ipam;
use crate::kernel::sim::{BadState, SimNode, State};
use crate::names::NetworkName;

/// The key that says what the file is, and of which version.
const KIND: &str = "wasmcni-node";
/// The version that is written and read.
const VERSION: u64 = 1;
/// What is on the node and not in the file.
const LEFT_OUT: &str = "left_out";
/// Addresses that attachments hold.
const RESERVATIONS: &str = "reservations";

/// Who holds which addresses, by network and address: `CONTAINER IFNAME`.
pub(in super::super) type Reservations = BTreeMap<String, BTreeMap<IpAddr, String>>;

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct NodeFile {
    /// What its kernel has.
    pub(in super::super) state: State,
    /// Addresses that attachments hold.
    pub(in super::super) reservations: Reservations,
    /// What the real node has and the file has not, in sentences.
    pub(in super::super) left_out: Vec<String>,
}

impl NodeFile {
    /// Reads a file.
    pub(in super::super) fn read(path: &Path) -> Result<Self, Failure> {
        let doing = || format!("reading {path:?}");
        let text = given::text(path).doing(doing)?;
        let document: Value = serde_json::from_str(&text).doing(doing)?;
        Self::from_json(&document).doing(doing)
    }

    /// Reads a document.
    pub(in super::super) fn from_json(document: &Value) -> Result<Self, BadState> {
        let bad = |at: &str, problem: String, instead: &str| BadState {
            at: at.to_owned(),
            problem,
            instead: instead.to_owned(),
        };
        let Value::Object(object) = document else {
            return Err(bad(
                "the document",
                "it is no object".into(),
                r#"{ "wasmcni-node": 1, … }"#,
            ));
        };
        let mut object = object.clone();
        match object.remove(KIND) {
            Some(version) if version == json!(VERSION) => {}
            Some(other) => {
                let problem = format!("{other} is no version that this program reads");
                return Err(bad(KIND, problem, "1, or take the snapshot with this program"));
            }
            None => return Err(bad(KIND, "it is missing".into(), r#""wasmcni-node": 1"#)),
        }
        let left_out = match object.remove(LEFT_OUT) {
            None => Vec::new(),
            Some(value) => serde_json::from_value(value)
                .map_err(|e| bad(LEFT_OUT, e.to_string(), "an array of sentences"))?,
        };
        let reservations = read_reservations(object.remove(RESERVATIONS).as_ref())?;
        let state = State::from_json(&Value::Object(object))?;
        // Whether a machine can be in that state.
        SimNode::from_state(&state)?;
        Ok(Self { state, reservations, left_out })
    }

    /// The document that is read again as this.
    pub(in super::super) fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert(KIND.to_owned(), json!(VERSION));
        if !self.left_out.is_empty() {
            object.insert(LEFT_OUT.to_owned(), json!(self.left_out));
        }
        if let Ok(Value::Object(state)) = serde_json::to_value(&self.state) {
            object.extend(state);
        }
        object.insert(RESERVATIONS.to_owned(), json!(self.reservations));
        Value::Object(object)
    }
}

fn read_reservations(value: Option<&Value>) -> Result<Reservations, BadState> {
    const EXAMPLE: &str = r#"{ "NETWORK": { "10.1.0.2": "CONTAINER eth0" } }"#;
    let bad = |at: String, problem: String| BadState { at, problem, instead: EXAMPLE.to_owned() };
    let Some(value) = value else { return Ok(Reservations::new()) };
    let read: Reservations = serde_json::from_value(value.clone())
        .map_err(|e| bad(RESERVATIONS.to_owned(), e.to_string()))?;
    for (network, addresses) in &read {
        let at = format!("{RESERVATIONS}/{network}");
        NetworkName::try_from(network.as_str()).map_err(|e| bad(at.clone(), e.to_string()))?;
        for (address, owner) in addresses {
            if holder(owner).is_none() {
                let problem = format!("{owner:?} is no container with its interface");
                return Err(bad(format!("{at}/{address}"), problem));
            }
        }
    }
    Ok(read)
}

/// `CONTAINER IFNAME`.
pub(in super::super) fn holder(text: &str) -> Option<ipam::Attachment> {
    let (id, ifname) = text.split_once(' ')?;
    Some(ipam::Attachment { container_id: id.parse().ok()?, ifname: ifname.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut node = SimNode::new();
        node.add_netns("blue");
        let reservations =
            [("net".to_owned(), [("10.1.0.2".parse().unwrap(), "c1 eth0".to_owned())].into())];
        let file = NodeFile {
            state: node.snapshot(),
            reservations: reservations.into(),
            left_out: vec!["something".to_owned()],
        };
        assert_eq!(NodeFile::from_json(&file.to_json()), Ok(file));
        let least = NodeFile::from_json(&json!({ "wasmcni-node": 1 })).unwrap();
        assert_eq!(least, NodeFile::default());
    }

    #[test]
    fn files_are_read_strictly() {
        for (document, at, words) in [
            (json!([]), "the document", "wasmcni-node"),
            (json!({}), "wasmcni-node", "missing"),
            (json!({ "wasmcni-node": 2 }), "wasmcni-node", "no version"),
            (json!({ "wasmcni-node": 1, "left_out": "x" }), "left_out", "sentences"),
            (json!({ "wasmcni-node": 1, "links": {} }), "links", "no such key"),
            (json!({ "wasmcni-node": 1, "reservations": [] }), "reservations", "NETWORK"),
            (
                json!({ "wasmcni-node": 1, "reservations": { "a/b": {} } }),
                "reservations/a/b",
                "contains",
            ),
            (
                json!({ "wasmcni-node": 1, "reservations": { "a": { "x": "c eth0" } } }),
                "reservations",
                "invalid",
            ),
            (
                json!({ "wasmcni-node": 1, "reservations": { "a": { "10.0.0.1": "c" } } }),
                "reservations/a/10.0.0.1",
                "interface",
            ),
        ] {
            let refused = NodeFile::from_json(&document).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{at}: ")), "{document}: {refused}");
            assert!(refused.contains(words), "{document}: {refused}");
        }
    }
}
