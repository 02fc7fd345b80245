//! The table of imports against the WIT: a function that is not in it, or whose grant it does not
//! know, fails here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wasmcni::policy::{IMPORTS, OPS};

use super::{directory, repository};

/// A function of the WIT.
#[derive(Debug)]
struct Function {
    interface: String,
    name: String,
    /// The act that its `Grant:` line names first.
    grant: Option<String>,
    /// It says of its grant that an own link or address needs none.
    own_is_free: bool,
}

#[test]
fn every_function_of_the_wit_is_in_the_table() {
    let functions = functions();
    assert!(functions.len() > 40, "{functions:?}");
    let table: BTreeMap<(&str, &str), &[&str]> =
        IMPORTS.iter().map(|(interface, name, ops)| ((*interface, *name), *ops)).collect();
    for function in &functions {
        let key = (function.interface.as_str(), function.name.as_str());
        let Some(ops) = table.get(&key) else {
            panic!("{key:?} is in the WIT and not in policy::IMPORTS");
        };
        match function.grant.as_deref() {
            None => assert_eq!(ops.len(), 0, "{key:?} needs no grant"),
            // Asked for when a link that is another's is read; the import as such is harmless.
            Some("link.read") => assert_eq!(ops.len(), 0, "{key:?}"),
            Some(op) => {
                assert!(
                    OPS.iter().any(|known| known.name == op),
                    "{key:?}: {op} is not in policy::OPS"
                );
                assert_eq!(ops.first(), Some(&op), "{key:?}");
                assert_eq!(ops.len(), if function.own_is_free { 2 } else { 1 }, "{key:?}");
            }
        }
    }
    let in_wit = |key: &(&str, &str)| {
        key.1.starts_with("[resource-drop]")
            || functions.iter().any(|f| (f.interface.as_str(), f.name.as_str()) == *key)
    };
    let gone: Vec<_> = table.keys().filter(|key| !in_wit(key)).collect();
    assert!(gone.is_empty(), "in policy::IMPORTS and not in the WIT: {gone:?}");
}

#[test]
fn every_resource_of_the_wit_can_be_dropped() {
    let mut resources = 0;
    for file in wit_files() {
        let text = fs::read_to_string(file).unwrap();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("resource ").and_then(|l| l.strip_suffix(" {")) {
                let drop = format!("[resource-drop]{name}");
                assert!(IMPORTS.iter().any(|(_, function, _)| *function == drop), "{drop}");
                resources += 1;
            }
        }
    }
    assert!(resources >= 3);
}

#[test]
fn every_act_is_asked_for_by_some_function() {
    let named: Vec<String> = functions().into_iter().filter_map(|f| f.grant).collect();
    for op in OPS {
        assert!(
            named.iter().any(|name| name == op.name),
            "no function of the WIT needs {}",
            op.name
        );
    }
}

/// The stable functions of every interface but the one that plugins export.
fn functions() -> Vec<Function> {
    let mut all = Vec::new();
    for file in wit_files() {
        scan(&fs::read_to_string(&file).unwrap(), &mut all);
    }
    all.retain(|function| !function.interface.contains("/plugin@"));
    all
}

fn wit_files() -> Vec<std::path::PathBuf> {
    let mut open = vec![repository().join("wit")];
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(directory(&path));
        } else if path.extension() == Some(Path::new("wit").as_os_str()) {
            files.push(path);
        }
    }
    files
}

/// Reads a WIT file by its lines: one item a line, documentation and gate before it.
fn scan(text: &str, all: &mut Vec<Function>) {
    let mut package = String::new();
    let (mut interface, mut resource) = (String::new(), None);
    let (mut documentation, mut whole_interface) = (String::new(), None);
    let mut stable = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(words) = trimmed.strip_prefix("///") {
            documentation.push_str(words);
        } else if trimmed.starts_with("@since(") {
            stable = true;
        } else if trimmed.starts_with('@') {
            stable = false;
        } else if let Some(name) = trimmed.strip_prefix("package ") {
            package = name.trim_end_matches(';').to_owned();
        } else if let Some(name) = opened(trimmed, "interface ") {
            let (namespace, version) = package.split_once('@').unwrap();
            interface = format!("{namespace}/{name}@{version}");
            whole_interface = grant(&documentation);
            documentation.clear();
        } else if let Some(name) = opened(trimmed, "resource ") {
            resource = Some(name.to_owned());
            documentation.clear();
        } else if let Some((name, _)) = trimmed.split_once(": func(") {
            if stable {
                let name = match &resource {
                    Some(resource) => format!("[method]{resource}.{name}"),
                    None => name.to_owned(),
                };
                all.push(Function {
                    interface: interface.clone(),
                    name,
                    grant: grant(&documentation).or_else(|| whole_interface.clone()),
                    own_is_free: documentation.contains("none for a")
                        || documentation.contains("none when"),
                });
            }
            documentation.clear();
        } else {
            if line == "  }" {
                resource = None;
            }
            if !trimmed.is_empty() {
                documentation.clear();
            }
        }
    }
}

fn opened<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    line.strip_prefix(keyword).and_then(|rest| rest.strip_suffix(" {"))
}

fn grant(documentation: &str) -> Option<String> {
    let (_, rest) = documentation.split_once("Grant: `")?;
    Some(rest.split_once('`')?.0.to_owned())
}
