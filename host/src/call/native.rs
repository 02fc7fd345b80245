//! Native delegates: programs on CNI_PATH, executed by the CNI rules. Nothing confines them, so the
//! operator has to name them. (SPEC.md, section 4, "Execution of delegated plugins")
#![allow(clippy::disallowed_methods, reason = "the one place that starts processes")]

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Job, World};
use crate::cni::{CniError, CniResult, Code, Verb};
use crate::config::Config;
use crate::directories::Directories;
use crate::names::PluginName;

/// How long a delegate may take when an ADD is taken back.
pub(super) const UNDO_PATIENCE: Duration = Duration::from_secs(20);
/// Largest result that is read, in octets.
const MAX_OUTPUT: u64 = 1 << 20;
/// Pause between two looks at a running delegate.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs a verb of a native delegate.
pub(super) fn run(
    world: &World,
    job: &Job,
    verb: Verb,
    plugin: &PluginName,
    patience: Duration,
) -> Result<Option<CniResult>, CniError> {
    let program = find(&world.directories, job, plugin)?;
    execute(&program, &world.environment, job, verb, patience)
}

/// The program: the first regular file of that name on CNI_PATH, if the operator allows it.
pub(super) fn find(
    directories: &Directories,
    job: &Job,
    plugin: &PluginName,
) -> Result<PathBuf, CniError> {
    let config = Config::read(&directories.config)
        .map_err(|e| CniError::new(Code::InvalidConfiguration, e.to_string()))?;
    let name = plugin.as_str();
    if !config.allows_native(plugin) {
        let text = format!(
            "plugin {name:?} is not one of wasmcni's, and native programs run unconfined: to \
             allow it, write natives = [{name:?}] in {:?}",
            directories.config.join("wasmcni.toml")
        );
        return Err(CniError::new(Code::ComponentRefused, text));
    }
    let found = job.path.iter().map(|dir| dir.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| {
        let text = format!("finding {name:?}: no such program in CNI_PATH {:?}", job.path);
        CniError::new(Code::InvalidConfiguration, text)
    })
}

/// Executes it: the same environment and configuration, only the verb replaced.
pub(super) fn execute(
    program: &PathBuf,
    environment: &[(OsString, OsString)],
    job: &Job,
    verb: Verb,
    patience: Duration,
) -> Result<Option<CniResult>, CniError> {
    let fail = |what: &str, e: &std::io::Error| {
        CniError::new(Code::IoFailure, format!("{what} {program:?}: {e}"))
    };
    let mut child = Command::new(program)
        .env_clear()
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .env("CNI_COMMAND", verb.as_str())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| fail("executing", &e))?;
    let output =
        exchange(&mut child, job.conf.text(), patience).map_err(|e| fail("running", &e))?;
    let Some((success, stdout)) = output else {
        let text = format!("running {program:?} {verb}: no answer in {patience:?}, it was killed");
        return Err(CniError::new(Code::TryAgainLater, text));
    };
    if !success {
        return Err(CniError::from_json(&stdout).unwrap_or_else(|| {
            let text = format!("running {program:?} {verb}: it failed and said {stdout:?}");
            CniError::new(Code::Internal, text)
        }));
    }
    match verb {
        Verb::Add => CniResult::from_delegate(&stdout, job.conf.version).map(Some),
        Verb::Del | Verb::Check | Verb::Gc | Verb::Status | Verb::Version => Ok(None),
    }
}

/// Feeds and reads the child, each on a thread of its own, since either pipe may fill; `None` when
/// it took longer than `patience`.
fn exchange(
    child: &mut Child,
    stdin: &str,
    patience: Duration,
) -> std::io::Result<Option<(bool, String)>> {
    let (writer, reader) = (child.stdin.take(), child.stdout.take());
    let deadline = Instant::now() + patience;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A delegate that does not read its configuration closes the pipe: its own affair.
            let _ = writer.map(|mut pipe| pipe.write_all(stdin.as_bytes()));
        });
        let output = scope.spawn(move || {
            let mut text = Vec::new();
            if let Some(pipe) = reader {
                pipe.take(MAX_OUTPUT).read_to_end(&mut text)?;
            }
            Ok::<_, std::io::Error>(text)
        });
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(PAUSE);
        };
        let text = output.join().unwrap_or_else(|_| Ok(Vec::new()))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(status.map(|status| (status.success(), text)))
    })
}
