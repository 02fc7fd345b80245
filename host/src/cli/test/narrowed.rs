//! Shipped grants with less in them, as test files ask for: the rest stays as it is shipped, so that a test
//! keeps up with the plugin.

use serde_json::{Map, Value};

/// Grants without some (`without`), or with other patterns in some (`narrow`). Lines keep their numbers.
pub(super) fn narrowed(shipped: &str, changes: &Map<String, Value>) -> Result<String, String> {
    let mut lines: Vec<String> = shipped.lines().map(str::to_owned).collect();
    for (key, value) in changes {
        match (key.as_str(), value) {
            ("without", Value::Array(ops)) => {
                for op in ops {
                    without(&mut lines, op.as_str().unwrap_or_default())?;
                }
            }
            ("narrow", Value::Array(all)) => {
                for one in all {
                    let Value::Object(one) = one else { return Err(misread("narrow", one)) };
                    narrow(&mut lines, one)?;
                }
            }
            _ => return Err(misread(key, value)),
        }
    }
    Ok(lines.join("\n") + "\n")
}

fn misread(key: &str, value: &Value) -> String {
    format!(
        "grants: {key} = {value}; write without = [\"OP\"] or narrow = [{{ op = \"OP\", KEY = \"PATTERN\" }}]"
    )
}

/// Where each grant begins and ends.
fn grants(lines: &[String]) -> Vec<std::ops::Range<usize>> {
    let tables = lines.iter().enumerate().filter(|(_, line)| line.starts_with('['));
    let starts: Vec<usize> = tables.map(|(at, _)| at).collect();
    let end = |n: usize| starts.get(n + 1).copied().unwrap_or(lines.len());
    let all = starts.iter().enumerate().map(|(n, start)| *start..end(n));
    all.filter(|block| lines.get(block.start).is_some_and(|line| line.starts_with("[[grant]]")))
        .collect()
}

fn says(block: &[String], key: &str, value: &Value) -> bool {
    let words = format!("{key} = {value}");
    block.iter().any(|line| line.strip_prefix(&words).is_some_and(|rest| !rest.starts_with(',')))
}

fn without(lines: &mut [String], op: &str) -> Result<(), String> {
    let mut found = false;
    for range in grants(lines) {
        let block = lines.get_mut(range).unwrap_or_default();
        if says(block, "op", &op.into()) {
            block.fill(String::new());
            found = true;
        }
    }
    let none = || format!("grants: without {op:?}: the shipped grants have no such grant");
    if found { Ok(()) } else { Err(none()) }
}

/// `{ op = "link.create", where = { kind = "bridge" }, name = "tenant-*" }`
fn narrow(lines: &mut [String], change: &Map<String, Value>) -> Result<(), String> {
    let none = Map::new();
    let op = change.get("op").ok_or_else(|| misread("narrow", &Value::Object(change.clone())))?;
    let only = change.get("where").and_then(Value::as_object).unwrap_or(&none);
    let mut done = 0;
    for range in grants(lines) {
        let block = lines.get_mut(range).unwrap_or_default();
        if !says(block, "op", op) || !only.iter().all(|(key, value)| says(block, key, value)) {
            continue;
        }
        for (key, value) in change.iter().filter(|(key, _)| !matches!(key.as_str(), "op" | "where"))
        {
            done += usize::from(set(block, key, value));
        }
    }
    let none = || {
        format!("grants: narrow {}: no shipped grant is like that", Value::Object(change.clone()))
    };
    if done > 0 { Ok(()) } else { Err(none()) }
}

/// Another value for a key, in the line of the old one; more lines of that become empty.
fn set(block: &mut [String], key: &str, value: &Value) -> bool {
    let begins = format!("{key} = ");
    let Some(at) = block.iter().position(|line| line.starts_with(&begins)) else { return false };
    let mut old = block.iter_mut().skip(at);
    let Some(first) = old.next() else { return false };
    let mut open = first.contains('[') && !first.contains(']');
    *first = format!("{begins}{value}");
    for line in old {
        if !open {
            break;
        }
        open = !line.starts_with(']');
        line.clear();
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::component;
    use crate::policy;

    fn of(plugin: &str, changes: &Value) -> Result<String, String> {
        narrowed(component::find(plugin).unwrap().grants, changes.as_object().unwrap())
    }

    #[test]
    fn grants_are_taken_away_and_lines_stay() {
        let text = of("dummy", &json!({ "without": ["link.create"] })).unwrap();
        assert_eq!(text.lines().count(), component::find("dummy").unwrap().grants.lines().count());
        assert!(!text.contains("link.create") && text.contains("link.delete"));
        policy::parse(&text, "x").unwrap();
    }

    #[test]
    fn a_grant_gets_another_pattern() {
        let bridges =
            json!({ "op": "link.create", "where": { "kind": "bridge" }, "name": "tenant-*" });
        let text = of("bridge", &json!({ "narrow": [bridges] })).unwrap();
        assert_eq!(text.matches("\"tenant-*\"").count(), 1);
        assert!(text.contains("kind = \"bridge\"\nname = \"tenant-*\""), "{text}");
        policy::parse(&text, "x").unwrap();
        // Over several lines, too.
        let text =
            of("bridge", &json!({ "narrow": [{ "op": "sysctl.write", "key": "net/ipv4/x" }] }));
        let text = text.unwrap();
        assert_eq!(text.lines().count(), component::find("bridge").unwrap().grants.lines().count());
        policy::parse(&text, "x").unwrap();
    }

    #[test]
    fn what_changes_nothing_is_an_error() {
        for changes in [
            json!({ "without": ["link.creat"] }),
            json!({ "without": "link.create" }),
            json!({ "narrow": [{ "name": "x" }] }),
            json!({ "narrow": [{ "op": "link.create", "nam": "x" }] }),
            json!({ "narrow": [{ "op": "link.create", "where": { "kind": "vrf" }, "name": "x" }] }),
            json!({ "narrower": [] }),
        ] {
            assert!(of("bridge", &changes).unwrap_err().starts_with("grants: "), "{changes}");
        }
    }
}
