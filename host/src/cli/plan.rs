//! `wasmcni plan`: what a call would do, done on a simulated node.
#![allow(clippy::disallowed_methods, reason = "reads the files that the command line names")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use go_json::Node;
use serde_json::{Value, json};

use super::failure::{Doing, Failure};
use super::trial::{Attachment, Facts, GivenGrants, Network, NodeFile, Played, Trial};
use super::{given, say, words};
use crate::cni::{CniError, CniResult, SpecVersion, Verb};
use crate::component::BUNDLED;
use crate::config;
use crate::directories::Directories;
use crate::gate::{Step, Verdict};

/// Exit status of a plan whose call would fail.
const WOULD_FAIL: u8 = 3;

/// What a plan came to.
struct Plan<'a> {
    options: &'a words::Plan,
    network: &'a Network,
    attachment: &'a Attachment,
    verb: Verb,
    start: &'a NodeFile,
    played: Played,
    difference: Vec<String>,
    /// Of an ADD: the DEL after it, and how the node then differs from what it was.
    end: Option<(Played, Vec<String>)>,
}

/// `wasmcni plan`
pub(super) fn run(
    options: &words::Plan,
    node: &Directories,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let network = Network::read(&options.conf)?;
    let start = match &options.kernel {
        Some(path) => NodeFile::read(path)?,
        None => NodeFile::default(),
    };
    let grants = match &options.grants {
        Some(dir) => grants_of_dir(dir)?,
        None => grants_in_force(node)?,
    };
    let files = inputs(node, &network);
    let mut trial = Trial::new(&start, grants, &files, &network)?;
    trial.need_netns(&options.netns)?;
    let attachment = attachment(options)?;
    let verb = options.verb.verb();
    let last = match &options.prev_result {
        Some(path) => Some(read_result(path, network.list.version)?),
        None if verb == Verb::Add => None,
        None => Some(added(&trial, &network, &attachment)?),
    };
    let before = Facts::of(&trial.state()?);
    let played = trial.play(&network, verb, &attachment, last.as_ref(), &[]);
    let difference = before.difference(&Facts::of(&trial.state()?));
    let end = match verb {
        Verb::Add => {
            let last = played.answer.as_ref().ok().and_then(Option::as_ref);
            let end = trial.play(&network, Verb::Del, &attachment, last, &[]);
            let mut left = before.difference(&Facts::of(&trial.state()?));
            left.extend(trial.journals().into_iter().map(|journal| format!("+ journal {journal}")));
            Some((end, left))
        }
        Verb::Del | Verb::Check | Verb::Gc | Verb::Status | Verb::Version => None,
    };
    let plan = Plan {
        options,
        network: &network,
        attachment: &attachment,
        verb,
        start: &start,
        played,
        difference,
        end,
    };
    if options.json {
        say(out, format_args!("{:#}", plan.to_json()))?;
    } else {
        plan.print(out)?;
    }
    Ok(if plan.succeeds() { ExitCode::SUCCESS } else { ExitCode::from(WOULD_FAIL) })
}

fn attachment(options: &words::Plan) -> Result<Attachment, Failure> {
    let doing = || "reading --cap";
    let mut capabilities = BTreeMap::new();
    if let Some(text) = &options.cap {
        let node = Node::parse(text).doing(doing)?;
        let entries = node.as_object().ok_or_else(|| {
            Failure::new(doing(), format!("{node} is no object")).remedy(
                r#"Write --cap '{"portMappings": [{"hostPort": 8080, "containerPort": 80}]}'"#,
            )
        })?;
        capabilities.extend(entries.iter().cloned());
    }
    Ok(Attachment {
        container: options.container.clone(),
        netns: options.netns.clone(),
        ifname: options.ifname.clone(),
        args: options.args.clone(),
        capabilities,
    })
}

/// The result of an ADD that comes before a CHECK or DEL.
fn added(trial: &Trial, network: &Network, of: &Attachment) -> Result<CniResult, Failure> {
    let played = trial.play(network, Verb::Add, of, None, &[]);
    let result = played.answer.doing(|| "running the ADD that comes before")?;
    Ok(result.unwrap_or_default())
}

fn read_result(path: &Path, version: SpecVersion) -> Result<CniResult, Failure> {
    let doing = || format!("reading {path:?}");
    let text = given::text(path).doing(doing)?;
    // The CNI library keeps results in files of its own, below /var/lib/cni/results.
    let document = Node::parse(&text).doing(doing)?;
    let result = document.get("result").unwrap_or(&document);
    CniResult::from_delegate(&result.to_json_string(), version).doing(doing)
}

/// The operator's grant files of this node.
fn grants_in_force(node: &Directories) -> Result<Vec<GivenGrants>, Failure> {
    let mut given = Vec::new();
    for plugin in &BUNDLED {
        let found = config::grant_file(&node.config, plugin.name)
            .doing(|| format!("reading the grants of {:?}", plugin.name))?;
        if let Some((path, text)) = found {
            let (plugin, file) = (plugin.name.to_owned(), path.display().to_string());
            given.push(GivenGrants { plugin, file, text });
        }
    }
    Ok(given)
}

/// `DIR/NAME.toml`, whoever may write them.
fn grants_of_dir(dir: &Path) -> Result<Vec<GivenGrants>, Failure> {
    fs::read_dir(dir).doing(|| format!("reading {dir:?}"))?;
    let mut given = Vec::new();
    for plugin in &BUNDLED {
        let path = dir.join(format!("{}.toml", plugin.name));
        if path.exists() {
            let text = given::text(&path).doing(|| format!("reading {path:?}"))?;
            let (plugin, file) = (plugin.name.to_owned(), path.display().to_string());
            given.push(GivenGrants { plugin, file, text });
        }
    }
    Ok(given)
}

/// Files of the node that plugins read and never write, as far as there are any.
fn inputs(node: &Directories, network: &Network) -> Vec<(String, Vec<u8>)> {
    let usual = [
        ("/etc/cni/tuning/allowlist.conf", node.tuning_allow_list.clone()),
        ("/run/flannel/subnet.env", node.subnet_file.clone()),
    ];
    let usual = usual.into_iter().map(|(name, path)| (name.to_owned(), path));
    let named = network.files_named().into_iter().map(|name| (name.clone(), name.into()));
    usual.chain(named).filter_map(|(name, path)| Some((name, given::bytes(&path).ok()?))).collect()
}

impl Plan<'_> {
    fn succeeds(&self) -> bool {
        self.played.answer.is_ok()
    }

    fn print(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let Attachment { container, ifname, netns, .. } = self.attachment;
        let list = &self.network.list;
        say(
            out,
            format_args!(
                "{} of network {:?} ({}), container {container:?}, interface {ifname:?}, netns {netns:?}",
                self.verb,
                list.name.as_str(),
                list.version
            ),
        )?;
        match &self.options.kernel {
            Some(path) => say(out, format_args!("on the node of {}", path.display()))?,
            None => say(out, "on a node that has nothing (--kernel FILE: on that one)")?,
        }
        for sentence in &self.start.left_out {
            say(out, format_args!("  not in it: {sentence}"))?;
        }
        let mut number = 0;
        for called in &self.played.calls {
            say(out, format_args!("\n{} {}", called.plugin, self.verb))?;
            for step in &called.steps {
                number += 1;
                print_step(out, number, step)?;
            }
            if called.left_out > 0 {
                say(out, format_args!("     and {} more, which were not kept", called.left_out))?;
            }
            for line in &called.log {
                say(out, format_args!("     says: {line}"))?;
            }
        }
        match (&self.played.answer, self.result()) {
            (Err(error), _) => say(out, format_args!("\nit would fail: {}", words_of(error)))?,
            (Ok(_), Some(result)) => say(out, format_args!("\nresult\n{}", indented(&result)))?,
            (Ok(_), None) => say(out, "\nit would succeed")?,
        }
        let nothing = "nothing";
        print_lines(out, "\ndifference", &self.difference, nothing)?;
        let Some((end, left)) = &self.end else { return Ok(()) };
        match &end.answer {
            Ok(_) => say(out, "\na DEL afterwards would succeed")?,
            Err(error) => {
                say(out, format_args!("\na DEL afterwards would fail: {}", words_of(error)))?;
            }
        }
        print_lines(out, "what would stay on the node", left, nothing)
    }

    fn result(&self) -> Option<String> {
        let result = self.played.answer.as_ref().ok()?.as_ref()?;
        result.to_json(self.network.list.version).ok()
    }

    fn to_json(&self) -> Value {
        let calls = self.played.calls.iter().map(|called| {
            json!({
                "plugin": called.plugin,
                "steps": called.steps.iter().map(step_json).collect::<Vec<_>>(),
                "stepsLeftOut": called.left_out,
                "log": called.log,
            })
        });
        let end = self.end.as_ref().map(|(end, left)| {
            json!({ "error": end.answer.as_ref().err().map(error_json), "difference": left })
        });
        json!({
            "verb": self.verb.as_str(),
            "network": self.network.list.name.as_str(),
            "notInTheNodeFile": self.start.left_out,
            "calls": calls.collect::<Vec<_>>(),
            "result": self.result().and_then(|text| serde_json::from_str::<Value>(&text).ok()),
            "error": self.played.answer.as_ref().err().map(error_json),
            "difference": self.difference,
            "del": end,
        })
    }
}

fn print_step(out: &mut dyn Write, number: usize, step: &Step) -> Result<(), Failure> {
    let Step { plugin, op, .. } = step;
    match &step.verdict {
        Verdict::Granted { file, line } => {
            say(out, format_args!("{number:>4} {plugin}: {op} [{file}:{line}]"))?;
        }
        Verdict::Own => say(out, format_args!("{number:>4} {plugin}: {op} [its own]"))?,
        Verdict::Refused(why) => {
            say(out, format_args!("{number:>4} {plugin}: {op} [REFUSED]\n     {why}"))?;
        }
    }
    match &step.failure {
        Some(failure) => say(out, format_args!("     not done: {failure}")),
        None => Ok(()),
    }
}

fn print_lines(
    out: &mut dyn Write,
    title: &str,
    lines: &[String],
    none: &str,
) -> Result<(), Failure> {
    say(out, title)?;
    if lines.is_empty() {
        return say(out, format_args!("  {none}"));
    }
    lines.iter().try_for_each(|line| say(out, format_args!("  {line}")))
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// An error in a sentence.
pub(super) fn words_of(error: &CniError) -> String {
    format!("code {}, {}: {}", error.code, error.msg, error.details)
}

fn error_json(error: &CniError) -> Value {
    json!({ "code": error.code, "msg": error.msg, "details": error.details })
}

/// A step for programs.
pub(super) fn step_json(step: &Step) -> Value {
    let (verdict, rule, why) = match &step.verdict {
        Verdict::Granted { file, line } => ("granted", Some(format!("{file}:{line}")), None),
        Verdict::Own => ("own", None, None),
        Verdict::Refused(why) => ("refused", None, Some(why)),
    };
    json!({
        "plugin": step.plugin,
        "op": step.op.to_string(),
        "verdict": verdict,
        "rule": rule,
        "why": why,
        "failure": step.failure,
    })
}
