//! `wasmcni plugin list`

use std::io::Write;

use serde::Serialize;

use super::super::failure::{Doing, Failure};
use super::super::{say, words};
use super::{Held, installed};
use crate::component::store;
use crate::directories::Directories;

/// An installed plugin.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    /// `sha256:…`, if its grant file can be read.
    component: Option<String>,
    /// How many grants it has.
    grants: usize,
    /// Why it cannot be called.
    problem: Option<String>,
}

/// Lists what was added, and fails if any of it cannot be called.
pub(super) fn list(
    list: &words::List,
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for name in installed(directories)? {
        let name = name.to_string();
        rows.push(match Held::read(&name.as_str().try_into().doing(|| "a name")?, directories) {
            Err(failure) => {
                Row { name, component: None, grants: 0, problem: Some(failure.to_string()) }
            }
            Ok(held) => Row {
                name,
                component: Some(format!("sha256:{}", held.digest)),
                grants: held.grants.all().len(),
                problem: store::code(&directories.installed, held.digest)
                    .err()
                    .map(|e| e.to_string()),
            },
        });
    }
    if list.json {
        say(out, serde_json::to_string_pretty(&rows).doing(|| "writing JSON")?)?;
    } else {
        for row in &rows {
            let component = row.component.as_deref().unwrap_or("-");
            say(out, format_args!("{:<15} {component}  {} grants", row.name, row.grants))?;
        }
    }
    let problems: Vec<String> = rows
        .into_iter()
        .filter_map(|row| row.problem.map(|problem| format!("{}: {problem}", row.name)))
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure::new("looking at what was added", problems.join("\n"))),
    }
}
