//! `wasmcni-compile`, the program beside this one that reads and compiles components. It runs without rights,
//! and tells what it found by stdout.
#![allow(clippy::disallowed_methods, reason = "starts the compiler")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde::Deserialize;

use super::failure::{Doing, Failure};
use crate::component::store::{ENGINE, TARGET};

/// The program's name.
const PROGRAM: &str = "wasmcni-compile";
/// Largest answer that is read, in octets: 20 MB of WebAssembly make 60 MB of code.
const MAX_ANSWER: u64 = 512 << 20;
/// Most that is read of what it says on stderr, in octets.
const MAX_WORDS: u64 = 16 << 10;

/// A component, from outside. The program says what each field is: `describe.rs` of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) module: bool,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) about: Option<String>,
    pub(super) licenses: Option<String>,
    pub(super) homepage: Option<String>,
    pub(super) languages: Vec<String>,
    pub(super) tools: Vec<String>,
    pub(super) exports: Vec<String>,
    pub(super) imports: Vec<Interface>,
    pub(super) others: Vec<String>,
    pub(super) manifest: Option<String>,
}

/// An interface that a component wants, and the functions of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) functions: Vec<String>,
}

impl Description {
    /// Each function that it wants, with its interface.
    pub(super) fn functions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.imports.iter().flat_map(|interface| {
            interface.functions.iter().map(|function| (interface.name.as_str(), function.as_str()))
        })
    }
}

/// The compiler of this build.
#[derive(Debug)]
pub(super) struct Compiler {
    program: PathBuf,
}

impl Compiler {
    /// The program beside this one.
    pub(super) fn beside() -> Result<Self, Failure> {
        let own = std::env::current_exe().doing(|| "asking where this program is")?;
        let program = own.with_file_name(PROGRAM);
        if program.is_file() {
            return Ok(Self { program });
        }
        Err(Failure::new(format!("looking for {program:?}"), "it is not there").remedy(
            "Components are read and compiled by a program of its own. It is built by `just static` \
             (cargo build --release -p wasmcni-compile) and installed with wasmcni.",
        ))
    }

    /// What a component is, without running it.
    pub(super) fn describe(&self, file: &[u8]) -> Result<Description, Failure> {
        let answer = self.ask(&["describe"], file)?;
        serde_json::from_slice(&answer).doing(|| format!("reading what {PROGRAM} says"))
    }

    /// The native code of a component, for this build's engine.
    pub(super) fn compile(&self, file: &[u8]) -> Result<Vec<u8>, Failure> {
        let answer = self.ask(&["compile", TARGET], file)?;
        let end = answer.iter().position(|octet| *octet == b'\n');
        let (engine, code) = end.and_then(|end| answer.split_at_checked(end)).unwrap_or_default();
        if engine != ENGINE.as_bytes() {
            let engine = String::from_utf8_lossy(engine).into_owned();
            return Err(Failure::new(
                format!("compiling by {:?}", self.program),
                format!("it is of another build than this program ({engine:?}, not {ENGINE:?})"),
            )
            .remedy("Install both from one build: `wasmcni install` places them together."));
        }
        Ok(code.get(1..).unwrap_or_default().to_vec())
    }

    /// The component that a file makes, as its octets.
    pub(super) fn component(&self, file: &[u8]) -> Result<Vec<u8>, Failure> {
        self.ask(&["component"], file)
    }

    /// The part of the contract that these lines name: `contract.rs` of the program.
    pub(super) fn contract(&self, lines: &str) -> Result<String, Failure> {
        let answer = self.ask(&["contract"], lines.as_bytes())?;
        String::from_utf8(answer).doing(|| format!("reading what {PROGRAM} says"))
    }

    /// Files of the repository that authors of plugins get, below these paths: `author.rs` of the program.
    pub(super) fn files(&self, paths: &[&str]) -> Result<BTreeMap<String, String>, Failure> {
        let answer = self.ask(&[&["files"], paths].concat(), &[])?;
        serde_json::from_slice(&answer).doing(|| format!("reading what {PROGRAM} says"))
    }

    fn ask(&self, words: &[&str], file: &[u8]) -> Result<Vec<u8>, Failure> {
        let doing = || format!("running {:?}", self.program);
        let mut child = Command::new(&self.program)
            .args(words)
            .env_clear()
            .current_dir(Path::new("/"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .doing(doing)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut answer = Vec::new();
        let mut words = Vec::new();
        let heard = thread::scope(|scope| {
            scope.spawn(|| {
                // It may have seen enough: then its end of the pipe is closed, and its answer tells why.
                let _ = stdin.map(|mut stdin| stdin.write_all(file));
            });
            let said = scope.spawn(|| {
                let mut stderr = stderr;
                stderr.as_mut().map(|pipe| pipe.take(MAX_WORDS).read_to_end(&mut words))
            });
            let heard = stdout.map(|pipe| pipe.take(MAX_ANSWER).read_to_end(&mut answer));
            // Neither can panic.
            let _ = said.join();
            heard.transpose()
        });
        let status = child.wait().doing(doing)?;
        heard.doing(doing)?;
        if status.success() {
            return Ok(answer);
        }
        let said = String::from_utf8_lossy(&words);
        let said = said.trim();
        let cause = if said.is_empty() { status.to_string() } else { printable(said) };
        Err(Failure::new("reading the component", cause))
    }
}

/// What comes from a component may hold what a terminal obeys.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}
