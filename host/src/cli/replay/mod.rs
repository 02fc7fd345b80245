//! `wasmcni replay`: a recorded call, served again on a simulated node.

mod again;
mod differences;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::compiler::printable;
use super::failure::{Doing, Failure};
use super::trial::Others;
use super::{FAILED, given, say, words};
use crate::directories::Directories;
use crate::recording::Recording;

/// Exit status if a call went otherwise.
const DIFFERENT: u8 = 3;

/// What came of a replay.
struct Replayed {
    /// How it went otherwise, in lines; none: it went as it was recorded.
    differences: Vec<String>,
    /// What is to be known of it.
    notes: Vec<String>,
    /// Steps that were compared.
    steps: usize,
}

/// `wasmcni replay`
pub(super) fn run(
    options: &words::Replay,
    node: &Directories,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let others = Others::given(&options.plugin)?;
    let (mut failed, mut different) = (false, false);
    for file in &options.files {
        let replayed = read(file).and_then(|recording| {
            let replayed = again::replay(&recording, options, others.clone(), node);
            let replayed = replayed.map_err(|failure| failure.during(format!("{file:?}")))?;
            Ok((recording, replayed))
        });
        match replayed {
            Ok((recording, replayed)) => {
                different |= !replayed.differences.is_empty();
                tell(file, &recording, &replayed, options.json, out)?;
            }
            Err(failure) => {
                failed = true;
                let _ = writeln!(std::io::stderr(), "wasmcni replay: {failure}");
            }
        }
    }
    Ok(match (failed, different) {
        (true, _) => ExitCode::from(FAILED),
        (false, true) => ExitCode::from(DIFFERENT),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn read(file: &Path) -> Result<Recording, Failure> {
    let doing = || format!("reading {file:?}");
    let text = given::text(file).doing(doing)?;
    Recording::parse(&text)
        .map_err(|why| Failure::new("reading a recording", format!("{}:{why}", file.display())))
}

fn tell(
    file: &Path,
    recording: &Recording,
    replayed: &Replayed,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let said = |key: &str| recording.environment.get(key).map_or("", String::as_str);
    let stdin: serde_json::Value = serde_json::from_str(&recording.stdin).unwrap_or_default();
    let network = stdin.get("name").and_then(|name| name.as_str()).unwrap_or_default();
    let Replayed { differences, notes, steps } = replayed;
    if as_json {
        return say(
            out,
            json!({
                "file": file.display().to_string(),
                "verb": said("CNI_COMMAND"),
                "network": network,
                "plugin": recording.plugin,
                "same": differences.is_empty(),
                "differences": differences,
                "notes": notes,
            }),
        );
    }
    let head = format!(
        "{}: {} {} of {network}/{} {}",
        file.display(),
        recording.plugin,
        said("CNI_COMMAND"),
        said("CNI_IFNAME"),
        said("CNI_CONTAINERID"),
    );
    say(out, printable(head.trim_end()))?;
    for note in notes {
        say(out, format_args!("  note: {}", printable(note)))?;
    }
    if differences.is_empty() {
        return say(out, format_args!("  went as it was recorded: {steps} steps, and the reply"));
    }
    say(out, "  went otherwise (- recorded, + replayed):")?;
    differences.iter().try_for_each(|line| say(out, format_args!("  {}", printable(line))))
}
