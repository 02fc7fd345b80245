//! `wasmcni test`: test files of operators and plugin authors, run on a simulated node.
#![allow(clippy::disallowed_methods, reason = "reads test files, writes golden files and reports")]

pub(super) mod compare;
mod file;
mod narrowed;
mod report;
mod steps;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::failure::{Doing, Failure};
use super::trial::{Called, GivenGrants, Others};
use super::words;
use crate::directories::Directories;
pub(super) use file::Around;
use report::Outcome;
use steps::Watch;

/// How test files are told from what lies beside them.
const ENDING: &str = ".test.toml";
/// Directories that are not looked into: what cargo makes.
const NOT_LOOKED_INTO: &str = "target";

/// `wasmcni test`; whether all tests passed.
pub(super) fn run(
    options: &words::Test,
    node: &Directories,
    out: &mut dyn Write,
) -> Result<bool, Failure> {
    let others = Others::given(&options.plugin)?;
    let files = files(&options.paths)?;
    let around = Around { others: &others, node };
    let outcomes: Vec<Outcome> = files.iter().map(|file| outcome(file, around, options)).collect();
    report::tell(out, options.format, &outcomes)?;
    Ok(outcomes.iter().all(|outcome| outcome.wrong.is_empty()))
}

/// Runs tests for somebody who wants to hear of each call, and whether the test gives the plugin of `instead`
/// its grants itself; if it does not, it has these. What fails, by file.
pub(super) fn listen(
    paths: &[PathBuf],
    around: Around<'_>,
    instead: Option<&GivenGrants>,
    hear: &mut dyn FnMut(&Called, bool),
) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    for path in files(paths)? {
        let dir = path.parent().unwrap_or(Path::new(""));
        let mut test = match file::read(&path, around) {
            Ok(test) => test,
            Err(problem) => {
                wrong.push(problem);
                continue;
            }
        };
        let given = test
            .grants
            .iter()
            .any(|grants| instead.is_none_or(|instead| instead.plugin == grants.plugin));
        test.grants.extend(instead.filter(|_| !given).cloned());
        let mut hear = |called: &Called| hear(called, given);
        let watch = Watch { hear: Some(&mut hear), ..Watch::default() };
        let failed = match steps::play(&test, dir, watch) {
            Ok(failed) => failed,
            Err(failure) => vec![failure.to_string()],
        };
        wrong.extend(failed.first().map(|line| format!("{}: {line}", path.display())));
    }
    Ok(wrong)
}

/// The test files of these paths; at least one.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        find(path, &mut files)?;
    }
    if files.is_empty() {
        let none = format!("there is no file *{ENDING}");
        return Err(Failure::new(format!("looking for tests in {paths:?}"), none));
    }
    Ok(files)
}

/// A file itself, whatever its name; of a directory all test files in it and below it, in their order.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let doing = || format!("reading {path:?}");
    if !fs::metadata(path).doing(doing)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).doing(doing)? {
        entries.push(entry.doing(doing)?.path());
    }
    entries.sort();
    for entry in entries {
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let is_dir = fs::symlink_metadata(&entry).is_ok_and(|seen| seen.is_dir());
        if is_dir && !name.starts_with('.') && name != NOT_LOOKED_INTO {
            find(&entry, files)?;
        } else if !is_dir && name.ends_with(ENDING) {
            files.push(entry);
        }
    }
    Ok(())
}

fn outcome(path: &Path, around: Around<'_>, options: &words::Test) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome {
        file: path.display().to_string(),
        about: String::new(),
        wrong: Vec::new(),
        took: begun.elapsed(),
    };
    match file::read(path, around) {
        Err(problem) => outcome.wrong.push(problem),
        Ok(test) => {
            let dir = path.parent().unwrap_or(Path::new(""));
            let record = options.record.as_deref();
            let watch = Watch { update: options.update, record, ..Watch::default() };
            outcome.wrong = match steps::play(&test, dir, watch) {
                Ok(wrong) => wrong,
                Err(failure) => vec![failure.to_string()],
            };
            outcome.about = test.about;
        }
    }
    outcome.took = begun.elapsed();
    outcome
}
