//! `wasmcni policy`: whether what the operator wrote is good.

mod check;
mod imports;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::failure::{Doing, Failure};
use super::words::{Policy, PolicyCheck, PolicyCommand};
use super::{FAILED, say};
use crate::config;
use crate::directories::Directories;
use check::{Checked, Checker};

pub(super) fn run(
    policy: &Policy,
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let PolicyCommand::Check(asked) = &policy.command;
    let files = files(asked, directories)?;
    let checker = Checker::new(asked.plugin.as_deref())?;
    let checked: Vec<Checked> = files
        .iter()
        .map(|file| checker.check(&file.path, file.installed))
        .collect::<Result<_, _>>()?;
    if asked.json {
        say(out, json(&checked))?;
    } else {
        tell(&checked, directories, out)?;
    }
    let good = checked.iter().all(|file| file.errors.is_empty());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// A file to check.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    path: PathBuf,
    /// It is where calls read it, so that its owner matters.
    installed: bool,
}

/// The files that are meant, each once, in the order in which they were named.
fn files(asked: &PolicyCheck, directories: &Directories) -> Result<Vec<File>, Failure> {
    let config = &directories.config;
    let reading = |path: &Path| format!("reading {path:?}");
    if asked.paths.is_empty() {
        let own = [config.join(config::FILE)];
        let there = own.into_iter().filter(|path| !matches!(config::find(path), Ok(None)));
        let plugins = config.join("plugins");
        let grants = config::files(&plugins).doing(|| reading(&plugins))?.unwrap_or_default();
        return Ok(there.chain(grants).map(|path| File { path, installed: true }).collect());
    }
    let mut all: Vec<File> = Vec::new();
    for path in &asked.paths {
        let named = if path.is_dir() {
            let below = path.join("plugins");
            let mut files = config::files(path).doing(|| reading(path))?.unwrap_or_default();
            files.extend(config::files(&below).doing(|| reading(&below))?.unwrap_or_default());
            if files.is_empty() {
                let cause = "no file of it ends in .toml";
                return Err(Failure::new(format!("checking {path:?}"), cause));
            }
            files
        } else {
            vec![path.clone()]
        };
        for path in named {
            let installed = path.starts_with(config);
            if !all.iter().any(|file| file.path == path) {
                all.push(File { path, installed });
            }
        }
    }
    Ok(all)
}

fn tell(
    checked: &[Checked],
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for file in checked {
        for error in &file.errors {
            say(out, error)?;
        }
        for warning in &file.warnings {
            say(out, format_args!("{}:{}: warning: {}", file.path, warning.line, warning.text))?;
        }
    }
    if checked.is_empty() {
        let text = "nothing to check: no files of yours in";
        return say(
            out,
            format_args!(
                "{text} {:?}; plugins have what they were shipped with",
                directories.config
            ),
        );
    }
    let (errors, warnings) = totals(checked);
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let files = counted(checked.len(), "file");
    let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
    say(out, format_args!("{files}: {errors}, {warnings}"))
}

fn totals(checked: &[Checked]) -> (usize, usize) {
    let sum = |of: fn(&Checked) -> usize| checked.iter().map(of).sum();
    (sum(|file| file.errors.len()), sum(|file| file.warnings.len()))
}

fn json(checked: &[Checked]) -> String {
    let files: Vec<serde_json::Value> = checked
        .iter()
        .map(|file| {
            let errors: Vec<_> = file.errors.iter().map(|error| serde_json::json!({
                "line": error.line, "text": error.text, "problem": error.problem, "instead": error.instead,
            })).collect();
            let warnings: Vec<_> = file.warnings.iter().map(|warning| serde_json::json!({
                "line": warning.line, "text": warning.text,
            })).collect();
            serde_json::json!({ "file": file.path, "errors": errors, "warnings": warnings })
        })
        .collect();
    let (errors, warnings) = totals(checked);
    format!("{:#}", serde_json::json!({ "files": files, "errors": errors, "warnings": warnings }))
}
