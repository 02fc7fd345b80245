//! `bench --wasmcni PROGRAM --reference DIR` compares wasmcni with the reference plugins, in one run and
//! pair by pair, and prints a table. Run it by `just bench`: it acts in namespaces of its own.
//!
//! Both candidates are copied the same way first: the page cache's layout alone moves a binary's time by
//! 15 %. Every sample begins on two fresh containers, one a candidate, and the candidates take turns.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a program of the suite"
)]

mod candidate;
mod cases;
mod rows;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use candidate::Candidate;

/// What the command line says.
struct Options {
    wasmcni: PathBuf,
    reference: PathBuf,
    rounds: usize,
    only: Option<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!(
                "bench: {problem}\nusage: bench --wasmcni PROGRAM --reference DIR [--rounds N] [--only ROW]"
            );
            return ExitCode::from(2);
        }
    };
    if nix::unistd::getuid().as_raw() != 0 || std::env::var_os("WASMCNI_BENCH").is_none() {
        return inside_a_sandbox();
    }
    let candidates = match Candidate::pair(&options.wasmcni, &options.reference) {
        Ok(candidates) => candidates,
        Err(problem) => {
            eprintln!("bench: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let rows = rows::run(&candidates, options.rounds, options.only.as_deref());
    print!("{}", table::render(&candidates, &rows, options.rounds));
    ExitCode::SUCCESS
}

/// Runs this program again, in the suite's sandbox, which is built beside it.
fn inside_a_sandbox() -> ExitCode {
    let here = std::env::current_exe().unwrap_or_default();
    let sandbox = here.with_file_name("sandbox");
    let status = std::process::Command::new(&sandbox)
        .arg(&here)
        .args(std::env::args_os().skip(1))
        .env("WASMCNI_BENCH", "1")
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("bench: starting {sandbox:?}: {e}; build it: cargo build -p suite --bins");
            ExitCode::FAILURE
        }
    }
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut wasmcni, mut reference, mut rounds, mut only) = (None, None, 60, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--wasmcni" => wasmcni = Some(PathBuf::from(value()?)),
            "--reference" => reference = Some(PathBuf::from(value()?)),
            "--rounds" => {
                let text = value()?;
                rounds = text.parse().map_err(|_| format!("--rounds {text:?}: not a number"))?;
            }
            "--only" => only = Some(value()?),
            other => return Err(format!("unknown word {other:?}")),
        }
    }
    let file = |path: Option<PathBuf>, flag| -> Result<PathBuf, String> {
        let path = path.ok_or(format!("{flag} is missing"))?;
        path.canonicalize().map_err(|e| format!("{flag} {path:?}: {e}"))
    };
    let (wasmcni, reference) = (file(wasmcni, "--wasmcni")?, file(reference, "--reference")?);
    Ok(Options { wasmcni, reference, rounds, only })
}
