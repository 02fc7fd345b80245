//! The line: what is in it, and how it is read again.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::gate::{Ran, Step, Verdict};
use crate::names::Attachment;
use crate::policy::Value;

/// What one call did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When it ended: milliseconds since 1970, UTC.
    pub time: u64,
    /// `ADD`, `DEL`, …
    pub verb: String,
    /// The network.
    pub network: String,
    /// Whose call it was; not there for GC and STATUS.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attached>,
    /// The runtime's trace (W3C Trace Context), if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Microseconds from the request to its answer.
    pub took: u64,
    /// The error that the runtime got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The plugins that ran, in the order in which they ended: a delegate before who called it.
    pub runs: Vec<Run>,
    /// What they asked for, in its order.
    pub operations: Vec<Operation>,
    /// Operations that were too many to be kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// The attachment that a call was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The container.
    pub container: String,
    /// Its interface.
    pub ifname: String,
    /// The path of its netns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
}

impl Attached {
    pub(crate) fn of(attachment: &Attachment, netns: Option<&Path>) -> Self {
        Self {
            container: attachment.container_id.to_string(),
            ifname: attachment.ifname.to_string(),
            netns: netns.map(|path| path.display().to_string()),
        }
    }
}

/// The error of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// CNI's code, or wasmcni's.
    pub code: u32,
    /// In short.
    pub msg: String,
    /// In full.
    pub details: String,
}

/// A plugin that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its CNI type.
    pub plugin: String,
    /// `bundled`, `sha256:…` of what was installed, or `native`.
    pub component: String,
    /// Microseconds, those of its delegates included.
    pub took: u64,
    /// Whether it succeeded.
    pub done: bool,
}

impl Run {
    /// Of a trail.
    pub fn of(ran: Ran) -> Self {
        let took = u64::try_from(ran.took.as_micros()).unwrap_or(u64::MAX);
        Self { plugin: ran.plugin, component: ran.component, took, done: ran.done }
    }
}

/// What a plugin asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The plugin.
    pub plugin: String,
    /// As grants name it.
    pub op: String,
    /// `container` or `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    /// What it was about: texts, numbers, networks; a range is an array of its ends.
    #[serde(flatten)]
    pub done: Done,
    /// By key.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Json>,
    /// Why it was not done although it was allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What decided on an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// The grant at `FILE:LINE`.
    Rule(String),
    /// It was about what the attachment itself had made.
    Own(bool),
    /// No grant: what was said of it.
    Refused(String),
}

impl Operation {
    /// A step of a trail.
    pub fn of(step: &Step) -> Self {
        let values = step.op.values.iter().map(|(key, value)| ((*key).to_owned(), json(value)));
        Self {
            plugin: step.plugin.clone(),
            op: step.op.name.to_owned(),
            netns: step.op.netns.map(|role| role.word().to_owned()),
            done: match &step.verdict {
                Verdict::Granted { file, line } => Done::Rule(format!("{file}:{line}")),
                Verdict::Own => Done::Own(true),
                Verdict::Refused(reason) => Done::Refused(reason.clone()),
            },
            values: values.collect(),
            failed: step.failure.clone(),
        }
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Net(net) => net.to_string().into(),
        Value::Number(number) => (*number).into(),
        Value::Range(first, last) => vec![*first, *last].into(),
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl std::fmt::Display for Operation {
    /// As the gate's own words have it: `link.create kind="veth" name="eth0" in container`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.op)?;
        for (key, value) in &self.values {
            match value {
                // Quoted, with what a terminal would obey escaped.
                Json::String(text) => write!(f, " {key}={text:?}")?,
                Json::Array(ends) => {
                    let ends: Vec<String> = ends.iter().map(Json::to_string).collect();
                    write!(f, " {key}={}", ends.join("-"))?;
                }
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => {
                    write!(f, " {key}={value}")?;
                }
            }
        }
        self.netns.as_ref().map_or(Ok(()), |netns| write!(f, " in {netns}"))
    }
}
