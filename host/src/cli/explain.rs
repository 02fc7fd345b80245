//! `wasmcni explain`: who did what for a container, and which rule allowed it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::compiler::printable;
use super::failure::{Doing, Failure};
use super::{say, words};
use crate::audit::{Done, Line};
use crate::config::{AuditTo, Config};
use crate::directories::Directories;
use crate::journal::Journals;

/// Longest line that is read, in octets; what is longer is none of ours.
const MAX_LINE: u64 = 8 << 20;

/// How long a call that is under way is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// `wasmcni explain CONTAINER`
pub(super) fn run(
    explain: &words::Explain,
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut told = 0;
    let mut damaged = 0;
    let mut about = |line: &Line| {
        let of = line.attachment.as_ref();
        let wanted = of.is_some_and(|of| of.container.starts_with(&explain.container));
        told += usize::from(wanted);
        if wanted { tell(line, out) } else { Ok(()) }
    };
    for_each(source(explain, directories)?, &mut damaged, &mut about)?;
    let standing = standing(&explain.container, directories)?;
    if !standing.is_empty() {
        say(out, "What stands now, and DEL takes back:")?;
        standing.iter().try_for_each(|line| say(out, format_args!("  {line}")))?;
    }
    if damaged > 0 {
        let _ = writeln!(std::io::stderr(), "wasmcni: {damaged} lines of the audit cannot be read");
    }
    if told == 0 && standing.is_empty() {
        let doing = format!("looking for container {:?}", explain.container);
        return Err(Failure::new(doing, "the audit and the journals know nothing of it"));
    }
    Ok(())
}

/// Hands over each line that can be read, and counts the others.
pub(super) fn for_each(
    source: impl Read,
    damaged: &mut usize,
    about: &mut dyn FnMut(&Line) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reader = BufReader::new(source);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes);
        if read.doing(|| "reading the audit")? == 0 {
            return Ok(());
        }
        match serde_json::from_slice::<Line>(&bytes) {
            Ok(line) => about(&line)?,
            Err(_) => *damaged += usize::from(!bytes.trim_ascii().is_empty()),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the audit, where the operator says that it is")]
fn source(explain: &words::Explain, directories: &Directories) -> Result<Box<dyn Read>, Failure> {
    let open = |path: &Path| -> Result<Box<dyn Read>, Failure> {
        let file = std::fs::File::open(path).doing(|| format!("opening {path:?}"))?;
        Ok(Box::new(file))
    };
    if let Some(path) = &explain.audit {
        let stdin = path.as_os_str() == "-";
        return if stdin { Ok(Box::new(std::io::stdin())) } else { open(path) };
    }
    let config = Config::read(&directories.config).doing(|| "reading the configuration")?;
    match config.audit() {
        Some(AuditTo::File(path)) => open(path),
        Some(AuditTo::Journald) => {
            Err(Failure::new("reading the audit", "it is in the journal of systemd").remedy(
                format!(
                    "journalctl -t wasmcni -o cat | wasmcni explain {} --audit -",
                    explain.container
                ),
            ))
        }
        // The journals may know something.
        None => {
            let path = directories.config.join("wasmcni.toml");
            let _ = writeln!(
                std::io::stderr(),
                "wasmcni: no audit is written: to have one, write audit = \"/var/log/wasmcni.log\" in \
                 {path:?}"
            );
            Ok(Box::new(std::io::empty()))
        }
    }
}

fn tell(line: &Line, out: &mut dyn Write) -> Result<(), Failure> {
    let (container, ifname) =
        line.attachment.as_ref().map_or(("", ""), |of| (&of.container, &of.ifname));
    let ended = match &line.failure {
        None => "done".to_owned(),
        Some(failure) => format!("failed with code {}", failure.code),
    };
    let head = format!(
        "{} {}/{ifname} of {container}: {ended} in {}, {} ago",
        line.verb,
        line.network,
        time(Duration::from_micros(line.took)),
        age(line.time)
    );
    say(out, printable(&head))?;
    if let Some(failure) = &line.failure {
        say(out, format_args!("  {}: {}", printable(&failure.msg), printable(&failure.details)))?;
    }
    if let Some(parent) = &line.traceparent {
        say(out, format_args!("  trace {}", printable(parent)))?;
    }
    for run in &line.runs {
        let took = time(Duration::from_micros(run.took));
        let end = if run.done { "" } else { ", failed" };
        let text = format!("  {} ({}) ran {took}{end}", run.plugin, run.component);
        say(out, printable(&text))?;
    }
    for operation in &line.operations {
        let why = match &operation.done {
            Done::Rule(rule) => format!("allowed by {rule}"),
            Done::Own(_) => "its own".to_owned(),
            Done::Refused(reason) => format!("REFUSED: {reason}"),
        };
        let failed = operation.failed.as_ref().map(|e| format!("; failed: {e}"));
        let plugin = &operation.plugin;
        let text = format!("    {plugin}: {operation}: {why}{}", failed.unwrap_or_default());
        say(out, printable(&text))?;
    }
    match line.left_out {
        0 => Ok(()),
        more => say(out, format_args!("  and {more} operations that were not kept")),
    }
}

/// What the journals of the container's attachments have.
fn standing(container: &str, directories: &Directories) -> Result<Vec<String>, Failure> {
    // Looking must not make the directory.
    if !directories.run.join("attachments").is_dir() {
        return Ok(Vec::new());
    }
    let doing = || "reading the journals".to_owned();
    let journals = Journals::open(&directories.run).doing(doing)?;
    let mut lines = Vec::new();
    for (attachment, plugin) in journals.all().doing(doing)? {
        if !attachment.container_id.as_str().starts_with(container) {
            continue;
        }
        let journal = journals.attachment(&attachment, &plugin, PATIENCE).doing(doing)?;
        for (_, record) in journal.open_records(0) {
            let undo = serde_json::to_string(&record.undo).doing(|| "writing JSON")?;
            lines
                .push(format!("{plugin} for {}/{}: {undo}", attachment.network, attachment.ifname));
        }
    }
    Ok(lines)
}

fn time(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// How long ago something was, in the unit that says most.
fn age(milliseconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.saturating_sub(Duration::from_millis(milliseconds)).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
