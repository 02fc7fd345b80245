//! `wasmcni-compile`: what is done to a component that nobody trusts yet. Part of wasmcni, beside which it
//! stands: the program that runs plugins has no compiler, and never reads WebAssembly.
//!
//! ```text
//! wasmcni-compile describe < FILE.wasm          what it imports, exports and says of itself, as JSON
//! wasmcni-compile compile TARGET < FILE.wasm    native code, after a line with the engine's id
//! wasmcni-compile component < FILE.wasm         the component that a core module makes
//! wasmcni-compile contract < LINES              the part of the contract that the lines name, as WIT
//! wasmcni-compile files PATH…                   files that authors of plugins get, as JSON
//! ```
//!
//! It gives up its rights before it reads: see `confine.rs`. Exit status 1: the sentence on stderr says why.
#![allow(
    clippy::disallowed_methods,
    reason = "a program's main: words, stdin and stdout enter here"
)]

mod author;
mod confine;
mod contract;
mod describe;

use std::error::Error;
use std::io::{Read, Write};
use std::process::ExitCode;

/// Largest component, in octets. An interpreter with its library has some 20 MB.
const MAX_BYTES: u64 = 64 << 20;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["describe"] => input().and_then(|file| describe::describe(&file)),
        ["compile", target] => input().and_then(|file| compile(&file, target)),
        ["component"] => input().and_then(|file| wasmcni_compile::component_of(&file)),
        ["contract"] => input().and_then(|lines| contract::narrowed(std::str::from_utf8(&lines)?)),
        ["files", paths @ ..] => author::files(paths),
        _ => {
            eprintln!(
                "usage: wasmcni-compile describe|compile TARGET|component|contract|files < FILE"
            );
            return ExitCode::from(2);
        }
    };
    let written = done.and_then(|output| Ok(std::io::stdout().write_all(&output)?));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line each for what was being done, the outermost first.
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The file on stdin, read without rights.
fn input() -> Result<Vec<u8>, Box<dyn Error>> {
    confine::confine().map_err(|e| format!("giving up rights: {e}"))?;
    let mut file = Vec::new();
    std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut file)?;
    if file.len() as u64 > MAX_BYTES {
        return Err(format!("it is larger than {} MiB", MAX_BYTES >> 20).into());
    }
    Ok(file)
}

fn compile(file: &[u8], target: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let component = wasmcni_compile::component_of(file)?;
    let mut output = format!("{}\n", wasmcni_compile::engine_id(target)).into_bytes();
    output.extend(wasmcni_compile::compile(&component, target)?);
    Ok(output)
}
