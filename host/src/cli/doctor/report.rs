//! What was found, as a script that removes it, or as JSON.

use std::io::Write;

use serde::Serialize;

use super::super::failure::{Doing, Failure};
use super::super::say;

/// Whose something is, by the comments of its rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Owner {
    /// Name of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<String>,
    /// Container ID; cut off where a comment had to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) container: Option<String>,
}

/// Something of the reference plugins'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Item {
    /// What it is.
    pub(super) what: String,
    /// The back end and the table that it is in.
    pub(super) place: String,
    /// Whose it is.
    #[serde(flatten)]
    pub(super) owner: Owner,
    /// Who still needs it, and so why it is left alone; `None`: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) needed: Option<String>,
    /// What removes it, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) commands: Vec<String>,
}

/// All of it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The programs that were asked.
    pub(super) asked: Vec<String>,
    /// What nobody needs.
    pub(super) found: Vec<Item>,
    /// What is still needed.
    pub(super) in_use: Vec<Item>,
    /// What could not be looked at.
    pub(super) failures: Vec<String>,
}

impl Report {
    /// Takes it in by whether it is needed.
    pub(super) fn add(&mut self, item: Item) {
        if item.needed.is_some() { self.in_use.push(item) } else { self.found.push(item) }
    }

    pub(super) fn json(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).doing(|| "writing the report")?;
        say(out, text)
    }

    /// For people, and for `sh`: all but the commands is comment.
    pub(super) fn text(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let asked = if self.asked.is_empty() { "no program".into() } else { self.asked.join(", ") };
        say(out, format_args!("# wasmcni doctor: asked {asked}"))?;
        for item in &self.in_use {
            let needed = item.needed.as_deref().unwrap_or_default();
            say(out, format_args!("\n# in use: {}\n#   {needed}", described(item)))?;
        }
        for item in &self.found {
            say(out, format_args!("\n# left: {}", described(item)))?;
            for command in &item.commands {
                say(out, command)?;
            }
        }
        let (left, used) = (self.found.len(), self.in_use.len());
        let hint = if left == 0 { "" } else { "; the commands above remove it" };
        say(out, format_args!("\n# {left} left, {used} in use{hint}"))
    }
}

/// In one line, whatever is in the names.
fn described(item: &Item) -> String {
    let Item { what, place, owner, .. } = item;
    let mut text = format!("{what}, {place}");
    if let Some(container) = &owner.container {
        text += &format!(", container {container:?}");
    }
    if let Some(network) = &owner.network {
        text += &format!(", network {network:?}");
    }
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_no_comment() {
        let item = Item {
            what: "chain \"a\nrm -rf /\"".into(),
            place: "x".into(),
            owner: Owner { network: Some("n\nreboot".into()), container: None },
            needed: None,
            commands: vec!["true".into()],
        };
        let mut report = Report::default();
        report.add(item);
        let mut out = Vec::new();
        report.text(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let commands: Vec<&str> =
            text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
        assert_eq!(commands, ["true"], "{text}");
    }
}
