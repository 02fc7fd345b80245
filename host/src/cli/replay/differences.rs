//! How a call went, as text, and where two such texts differ.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::chance;
use super::super::test::compare;
use crate::audit::{Done, Operation};

/// Lines of either side that are compared one by one.
const MOST: usize = 3000;

/// What was asked for, what decided, and the reply. `known`: what stays although it looks like chance.
pub(super) fn transcript(
    steps: &[Operation],
    stdout: &str,
    status: u8,
    known: &BTreeSet<String>,
) -> String {
    let mut text = String::new();
    for step in steps {
        let word = match &step.done {
            Done::Rule(_) => "granted",
            Done::Own(_) => "own",
            Done::Refused(_) => "REFUSED",
        };
        let _ = writeln!(text, "{word:<8} {}: {step}", step.plugin);
        if let Some(failed) = &step.failed {
            let _ = writeln!(text, "         not done: {failed}");
        }
    }
    let _ = writeln!(text, "exit status {status}");
    let reply = serde_json::from_str::<serde_json::Value>(stdout);
    let reply = reply.map_or_else(|_| stdout.to_owned(), |reply| format!("{reply:#}"));
    text += &reply;
    chance::without(&text, known)
}

/// Where two texts differ, with the lines around.
pub(super) fn between(recorded: &str, replayed: &str) -> Vec<String> {
    let (one, other): (Vec<&str>, Vec<&str>) =
        (recorded.lines().collect(), replayed.lines().collect());
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    // What is before the first difference is told by two lines at most.
    let rest = |lines: &[&str]| -> String {
        let rest = lines.iter().skip(same.saturating_sub(2)).take(MOST);
        rest.copied().collect::<Vec<_>>().join("\n")
    };
    if one == other { Vec::new() } else { compare::texts(&rest(&one), &rest(&other)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(op: &str, done: Done) -> Operation {
        let values = serde_json::json!({ "name": "veth00c0ffee" });
        Operation {
            plugin: "bridge".to_owned(),
            op: op.to_owned(),
            netns: Some("host".to_owned()),
            done,
            values: values.as_object().unwrap().clone(),
            failed: Some("x".to_owned()),
        }
    }

    #[test]
    fn a_call_is_told_without_chance() {
        let steps = [
            operation("link.read", Done::Rule("a:1".to_owned())),
            operation("link.set-up", Done::Refused("because".to_owned())),
        ];
        let text = transcript(&steps, "{\"a\":1}", 0, &BTreeSet::new());
        let expected = "granted  bridge: link.read name=\"veth-1\" in host\n         not done: x\n\
                        REFUSED  bridge: link.set-up name=\"veth-1\" in host\n         not done: x\n\
                        exit status 0\n{\n  \"a\": 1\n}";
        assert_eq!(text, expected);
    }

    #[test]
    fn only_what_differs_is_shown() {
        let lines: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        let one = lines.join("\n");
        assert_eq!(between(&one, &one), [""; 0]);
        let other = one.replacen("\n17000\n", "\nx\n", 1);
        let expected = ["  16998", "  16999", "- 17000", "+ x", "  17001", "  17002"];
        assert_eq!(between(&one, &other), expected);
    }
}
