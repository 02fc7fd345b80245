//! The operator's command line: what `wasmcni` does when it is called by its own name.
//!
//! `words.rs` says what can be typed and what help says; each command has a file or folder of its own.
//! Whatever a command asks of the outside it asks here: operators' commands run beside CNI calls,
//! never within one.

mod chance;
mod compiler;
mod demo;
mod doctor;
mod explain;
mod failure;
mod given;
mod inspect;
mod install;
mod learn;
mod misnamed;
mod new;
mod pack;
mod plan;
mod plugin;
mod plugins;
mod policy;
mod replacing;
mod replay;
mod snapshot;
mod test;
mod trial;
mod wit;
mod words;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::directories::Directories;
use failure::Failure;
use words::{Command, Line};

/// Exit status of a command that failed.
const FAILED: u8 = 1;
/// Exit status of a command line that makes no sense; clap's own as well.
const MISUSED: u8 = 2;

/// How the program was called, by what is no plugin's name.
#[derive(Debug, Clone)]
pub struct Called {
    /// The name: the last part of argv\[0\].
    pub name: String,
    /// Whether a runtime may have called, since CNI_COMMAND is set.
    pub by_runtime: bool,
    /// What stands for `/`: WASMCNI_ROOT.
    pub root: PathBuf,
}

/// Runs the command that the words after the program's name ask for.
pub fn run(called: &Called, words: impl Iterator<Item = OsString>) -> ExitCode {
    let mut words = words.peekable();
    let asked_of_a_plugin = called.by_runtime && words.peek().is_none();
    if asked_of_a_plugin || !called.name.starts_with("wasmcni") {
        return misnamed::answer(called);
    }
    let line = match Line::try_parse_from([OsString::from("wasmcni")].into_iter().chain(words)) {
        Ok(line) => line,
        Err(answer) => {
            // Help and version, to stdout, or what is wrong with the line, to stderr.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(MISUSED));
        }
    };
    let directories = Directories::below(&called.root);
    let mut out = io::stdout();
    let done = match &line.command {
        Command::Demo => demo::run(&mut out),
        Command::Doctor(options) => match doctor::run(options, &called.root, &mut out) {
            Ok(status) => return status,
            Err(failure) => Err(failure),
        },
        Command::Install(install) => install::run(install, &mut out),
        Command::Explain(explain) => explain::run(explain, &directories, &mut out),
        Command::Inspect(which) => inspect::run(which, &mut out),
        Command::New(new) => new::run(new, &mut out),
        Command::Wit(wit) => wit::run(wit, &mut out),
        Command::Pack(pack) => pack::run(pack, &mut out),
        Command::Plugin(plugin) => plugin::run(plugin, &directories, &mut out),
        Command::Plugins => plugins::list(&directories, &mut out),
        Command::Grants(which) => plugins::grants(which, &directories, &mut out),
        Command::Plan(options) => match plan::run(options, &directories, &mut out) {
            Ok(status) => return status,
            Err(failure) => Err(failure),
        },
        Command::Test(options) => match test::run(options, &directories, &mut out) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::from(FAILED),
            Err(failure) => Err(failure),
        },
        Command::Learn(options) => match learn::run(options, &directories, &mut out) {
            Ok(status) => return status,
            Err(failure) => Err(failure),
        },
        Command::Replay(options) => match replay::run(options, &directories, &mut out) {
            Ok(status) => return status,
            Err(failure) => Err(failure),
        },
        Command::Snapshot(options) => snapshot::run(options, &directories, &mut out),
        Command::Policy(policy) => match policy::run(policy, &directories, &mut out) {
            Ok(status) => return status,
            Err(failure) => Err(failure),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "wasmcni {}: {failure}", line.command.name());
            ExitCode::from(FAILED)
        }
    }
}

/// Writes to stdout. A reader that is gone ends the command.
fn say(out: &mut dyn Write, text: impl std::fmt::Display) -> Result<(), Failure> {
    writeln!(out, "{text}").map_err(|e| Failure::new("writing to stdout", e))
}
