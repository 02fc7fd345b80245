//! `wasmcni test`: test files of operators and plugin authors, run on a simulated node.
#![allow(clippy::disallowed_methods, reason = "reads test files, writes golden files and reports")]

mod compare;
mod file;
mod narrowed;
mod report;
mod steps;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::failure::{Doing, Failure};
use super::words;
use report::Outcome;

/// How test files are told from what lies beside them.
const ENDING: &str = ".test.toml";
/// Directories that are not looked into: what cargo makes.
const NOT_LOOKED_INTO: &str = "target";

/// `wasmcni test`; whether all tests passed.
pub(super) fn run(options: &words::Test, out: &mut dyn Write) -> Result<bool, Failure> {
    let mut files = Vec::new();
    for path in &options.paths {
        find(path, &mut files)?;
    }
    if files.is_empty() {
        let none = format!("there is no file *{ENDING}");
        return Err(Failure::new(format!("looking for tests in {:?}", options.paths), none));
    }
    let outcomes: Vec<Outcome> = files.iter().map(|file| outcome(file, options.update)).collect();
    report::tell(out, options.format, &outcomes)?;
    Ok(outcomes.iter().all(|outcome| outcome.wrong.is_empty()))
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

fn outcome(path: &Path, update: bool) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome {
        file: path.display().to_string(),
        about: String::new(),
        wrong: Vec::new(),
        took: begun.elapsed(),
    };
    match file::read(path) {
        Err(problem) => outcome.wrong.push(problem),
        Ok(test) => {
            let dir = path.parent().unwrap_or(Path::new(""));
            outcome.wrong = match steps::play(&test, dir, update) {
                Ok(wrong) => wrong,
                Err(failure) => vec![failure.to_string()],
            };
            outcome.about = test.about;
        }
    }
    outcome.took = begun.elapsed();
    outcome
}
