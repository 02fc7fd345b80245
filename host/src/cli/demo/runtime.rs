//! A container runtime in small: executes plugins by the CNI exec protocol, as the CNI library does.
#![allow(clippy::disallowed_methods, reason = "it is a runtime's part to execute plugins")]

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::super::failure::{Doing, Failure};
use super::node::{Container, Node};
use super::stage::Stage;
use crate::cni::{CniError, CniResult, Given, NetworkList, Verb};

/// CNI_IFNAME.
const IFNAME: &str = "eth0";
/// How long a plugin is waited for: longer than any limit of its own.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at a running plugin.
const PAUSE: Duration = Duration::from_millis(1);

/// What came of a verb: the last plugin's result, or the first one's error.
pub(super) type Answer = Result<CniResult, CniError>;

/// What a plugin that was executed wrote, and how it ended.
struct Executed {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    took: Duration,
}

/// Calls every plugin of a list, in the verb's order, and shows each call with its answer. `last` is
/// the result of ADD, for DEL and CHECK.
pub(super) fn call(
    stage: &mut Stage<'_>,
    node: &Node,
    list: &NetworkList,
    verb: Verb,
    container: &Container,
    last: Option<&CniResult>,
) -> Result<Answer, Failure> {
    let mut result = last.cloned();
    for entry in list.order(verb) {
        let plugin = node.plugins.join(entry.plugin.as_str());
        let given = Given { prev_result: result.as_ref(), ..Given::default() };
        let doing = || format!("calling {plugin:?} {verb}");
        let stdin = list.request(verb, entry, &given).doing(doing)?.to_json_string();
        let executed = execute(&plugin, &variables(node, verb, container), &stdin).doing(doing)?;
        show(stage, &plugin, verb, container, &executed)?;
        if !executed.status.success() {
            let error = CniError::from_json(&executed.stdout);
            return error
                .map(Err)
                .ok_or_else(|| Failure::new(doing(), "it failed with no CNI error"));
        }
        if verb == Verb::Add {
            let added = CniResult::from_delegate(&executed.stdout, list.version);
            result = Some(added.doing(|| format!("reading what {plugin:?} answered"))?);
        }
    }
    Ok(Ok(result.unwrap_or_default()))
}

/// CNI spec, "Parameters"; and where wasmcni is to find the demo's node.
fn variables(node: &Node, verb: Verb, container: &Container) -> [(&'static str, String); 6] {
    [
        ("CNI_COMMAND", verb.to_string()),
        ("CNI_CONTAINERID", container.id.to_owned()),
        ("CNI_NETNS", container.netns.display().to_string()),
        ("CNI_IFNAME", IFNAME.to_owned()),
        ("CNI_PATH", node.plugins.display().to_string()),
        ("WASMCNI_ROOT", node.root.display().to_string()),
    ]
}

/// Executes a plugin. What goes to stdin fits into the pipe, and so does what any plugin of the demo
/// writes (pipe(7): 64 KiB), so that one can be done after the other.
fn execute(plugin: &Path, variables: &[(&str, String)], stdin: &str) -> io::Result<Executed> {
    let begun = Instant::now();
    let mut child = Command::new(plugin)
        .env_clear()
        .envs(variables.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stdin.as_bytes())?;
    }
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("no answer in {PATIENCE:?}, it was killed")));
        }
        thread::sleep(PAUSE);
    };
    let took = begun.elapsed();
    Ok(Executed {
        status,
        stdout: text(child.stdout.take())?,
        stderr: text(child.stderr.take())?,
        took,
    })
}

fn text(pipe: Option<impl Read>) -> io::Result<String> {
    let mut octets = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut octets)?;
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

fn show(
    stage: &mut Stage<'_>,
    plugin: &Path,
    verb: Verb,
    container: &Container,
    executed: &Executed,
) -> Result<(), Failure> {
    let netns = container.netns.display();
    stage.line(format_args!(
        "$ CNI_COMMAND={verb} CNI_CONTAINERID={} CNI_NETNS={netns} CNI_IFNAME={IFNAME} {}",
        container.id,
        plugin.display(),
    ))?;
    stage.show(executed.stdout.trim_end())?;
    stage.show(executed.stderr.trim_end())?;
    let ms = executed.took.as_secs_f64() * 1000.0;
    stage.show(format_args!("({}, {ms:.1} ms)", executed.status))
}
