//! The file: what is in it, and how it is read again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::{Operation, Run};

/// The version that is written and read.
const VERSION: u32 = 1;
/// Variables that are recorded: those that the CNI specification names, and libcni's override. No other one is.
pub const VARIABLES: [&str; 7] = [
    "CNI_ARGS",
    "CNI_COMMAND",
    "CNI_CONTAINERID",
    "CNI_IFNAME",
    "CNI_NETNS",
    "CNI_NETNS_OVERRIDE",
    "CNI_PATH",
];

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Recording {
    /// What the file is: [`VERSION`].
    #[serde(rename = "wasmcni-recording")]
    pub format: u32,
    /// The version of wasmcni that served the call.
    pub wasmcni: String,
    /// When it ended: milliseconds since 1970, UTC.
    pub time: u64,
    /// The plugin that was called.
    pub plugin: String,
    /// CNI's variables.
    pub environment: BTreeMap<String, String>,
    /// All of stdin.
    pub stdin: String,
    /// The container's netns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<Netns>,
    /// The node before the call, as `wasmcni snapshot` has it, without reservations.
    pub node: Value,
    /// Files that plugins read, reservations among them, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Journals, by `NETWORK/CONTAINER:IFNAME:PLUGIN`; of those that the call is not about only the names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub journals: BTreeMap<String, String>,
    /// Which namespaces those journals mean, by the names of `node`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, Identity>,
    /// The operator's own grants for the plugins that ran.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<String, Grants>,
    /// The plugins that ran, in the order in which they ended.
    pub runs: Vec<Run>,
    /// What they asked for, and what decided.
    pub steps: Vec<Operation>,
    /// Steps that were too many to be kept.
    #[serde(default)]
    pub steps_left_out: usize,
    /// What the kernel refused, taking back included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failed>,
    /// What the runtime got.
    pub reply: Said,
}

/// The container's netns of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Netns {
    /// It is this one of `node`.
    Named(String),
    /// It could not be entered, for this reason.
    Problem(String),
}

/// A network namespace: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// A grant file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Where it was.
    pub file: String,
    /// What it says.
    pub text: String,
}

/// Something that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// Of the kernels that the call opened (GC: one for each attachment), from 0.
    pub kernel: usize,
    /// The operation.
    pub operation: String,
    /// Which one of that name it was, from 1.
    pub nth: usize,
    /// What was tried.
    pub act: String,
    /// The answer's number.
    pub errno: i32,
    /// The kernel's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a call wrote, and its exit status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// All of stdout.
    pub stdout: String,
    /// 0 or 1.
    pub status: u8,
}

impl Recording {
    /// Of a call that begins.
    pub(super) fn new(plugin: &str, environment: &BTreeMap<String, String>, stdin: &str) -> Self {
        let said = |name: &&str| Some(((*name).to_owned(), environment.get(*name)?.clone()));
        Self {
            format: VERSION,
            wasmcni: env!("CARGO_PKG_VERSION").to_owned(),
            time: 0,
            plugin: plugin.to_owned(),
            environment: VARIABLES.iter().filter_map(said).collect(),
            stdin: stdin.to_owned(),
            netns: None,
            node: json!({}),
            files: BTreeMap::new(),
            journals: BTreeMap::new(),
            identities: BTreeMap::new(),
            grants: BTreeMap::new(),
            runs: Vec::new(),
            steps: Vec::new(),
            steps_left_out: 0,
            failures: Vec::new(),
            reply: Said::default(),
        }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// `LINE: what is wrong`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|e| {
            let line = e.line().max(1);
            let words = e.to_string();
            let words = words.split(" at line ").next().unwrap_or_default();
            format!("{line}: it is no recording: {words}")
        })?;
        match read.format {
            VERSION => Ok(read),
            other => Err(format!("1: version {other} is none that this program reads")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_read_as_it_was_written() {
        let environment = [("CNI_COMMAND", "ADD"), ("SECRET", "x")];
        let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let mut recording = Recording::new("bridge", &environment, "{}");
        assert_eq!(recording.environment.len(), 1, "only CNI's variables are recorded");
        recording.netns = Some(Netns::Named("container".to_owned()));
        let text = serde_json::to_string(&recording).unwrap();
        assert_eq!(Recording::parse(&text), Ok(recording));
        for (text, told) in [
            ("", "1: it is no recording"),
            ("{\n\"x\": 1}", "2: it is no recording: unknown field `x`"),
            (&text.replace("recording\":1", "recording\":2"), "1: version 2"),
        ] {
            let refused = Recording::parse(text).unwrap_err();
            assert!(refused.starts_with(told), "{refused}");
        }
    }
}
