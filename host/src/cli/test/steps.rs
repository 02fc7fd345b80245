//! A test's steps, played, and what differs from what was expected.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::super::failure::{Doing, Failure};
use super::super::given;
use super::super::plan::words_of;
use super::super::trial::{Called, Facts, Mishap, Played, Trial, link_local};
use super::compare;
use super::file::{Act, Expect, Step, Test};
use crate::cni::{CniResult, Verb};
use crate::gate::{self, Verdict};
use crate::kernel::faults::At;
use crate::names::Mac;

/// Plays a test; returns what is not as expected, in lines. `update`: its golden file is written anew.
pub(super) fn play(test: &Test, dir: &Path, update: bool) -> Result<Vec<String>, Failure> {
    let mut trial = Trial::new(&test.start, test.grants.clone(), &test.files, &test.network)?;
    for step in &test.steps {
        if !step.attachment.netns.is_empty() && step.act != Act::LoseNetns {
            trial.need_netns(&step.attachment.netns)?;
        }
    }
    let start = Facts::of(&trial.state()?);
    let mut playing = Playing {
        test,
        trial,
        start,
        results: BTreeMap::new(),
        transcript: String::new(),
        wrong: Vec::new(),
    };
    for (number, step) in test.steps.iter().enumerate() {
        playing.step(number + 1, step)?;
    }
    if let Some(golden) = &test.golden {
        playing.compare_golden(&dir.join(golden), update)?;
    }
    Ok(playing.wrong)
}

struct Playing<'a> {
    test: &'a Test,
    trial: Trial,
    start: Facts,
    /// ADD's results by container and interface, as a runtime keeps them.
    results: BTreeMap<(String, String), CniResult>,
    transcript: String,
    wrong: Vec<String>,
}

impl Playing<'_> {
    fn step(&mut self, number: usize, step: &Step) -> Result<(), Failure> {
        let Act::Call(verb) = step.act else {
            let _ = writeln!(self.transcript, "step {number}: lose-netns");
            return self.trial.remove_netns(&step.attachment.netns);
        };
        let key = (step.attachment.container.clone(), step.attachment.ifname.clone());
        let last = self.results.get(&key).filter(|_| step.prev_result && verb != Verb::Add);
        let network = &self.test.network;
        let played = self.trial.play(network, verb, &step.attachment, last, &step.faults);
        if let (Verb::Add, Ok(Some(result))) = (verb, &played.answer) {
            self.results.insert(key, result.clone());
        }
        let changes = self.start.difference(&Facts::of(&self.trial.state()?));
        let result = self.result(&played)?;
        self.write_down(number, verb, &played, result.as_ref(), &changes);
        let mut wrong = Vec::new();
        answer(&step.expect, &played, result.as_ref(), &mut wrong);
        operations(&step.expect, &played, &mut wrong);
        if let Some(expected) = &step.expect.changes {
            let differing = compare::lines(expected, &changes);
            wrong.extend(differing.into_iter().map(|line| format!("changes: {line}")));
        }
        for pattern in &step.expect.log {
            let mut log = played.calls.iter().flat_map(|called| &called.log);
            if !log.any(|line| line.contains(pattern)) {
                wrong.push(format!("log: no line has {pattern:?}"));
            }
        }
        faults(step, &played, &mut wrong);
        let place = format!("step {number} ({verb}, line {})", step.line);
        self.wrong.extend(wrong.into_iter().map(|line| format!("{place}: {line}")));
        Ok(())
    }

    fn result(&self, played: &Played) -> Result<Option<Value>, Failure> {
        let Ok(Some(result)) = &played.answer else { return Ok(None) };
        let doing = || "writing the result";
        let text = result.to_json(self.test.network.list.version).doing(doing)?;
        serde_json::from_str(&text).map(Some).doing(doing)
    }

    fn write_down(
        &mut self,
        number: usize,
        verb: Verb,
        played: &Played,
        result: Option<&Value>,
        changes: &[String],
    ) {
        let out = &mut self.transcript;
        let _ = writeln!(out, "step {number}: {verb}");
        for called in &played.calls {
            for step in &called.steps {
                let word = match &step.verdict {
                    Verdict::Granted { .. } => "granted",
                    Verdict::Own => "own",
                    Verdict::Refused(_) => "REFUSED",
                };
                let _ = writeln!(out, "  {word:<8} {}: {}", step.plugin, step.op);
                if let Some(failure) = &step.failure {
                    let _ = writeln!(out, "           not done: {failure}");
                }
            }
        }
        match (&played.answer, result) {
            (Err(error), _) => {
                let _ = writeln!(out, "  error {}", words_of(error));
            }
            (Ok(_), Some(result)) => {
                let _ = writeln!(out, "  result {result}");
            }
            (Ok(_), None) => {}
        }
        for line in changes {
            let _ = writeln!(out, "  {line}");
        }
    }

    fn compare_golden(&mut self, path: &Path, update: bool) -> Result<(), Failure> {
        let transcript = without_chance(&self.transcript);
        if update {
            return fs::write(path, &transcript).doing(|| format!("writing {path:?}"));
        }
        let golden = match given::text(path) {
            Ok(golden) => golden,
            Err(error) => {
                let line = format!("golden: reading {path:?}: {error}; write it by --update");
                self.wrong.push(line);
                return Ok(());
            }
        };
        let difference = compare::texts(&golden, &transcript);
        if !difference.is_empty() {
            self.wrong.push(format!("golden: what is seen (+) is not what {path:?} has (-):"));
            self.wrong.extend(difference);
        }
        Ok(())
    }
}

fn answer(expect: &Expect, played: &Played, result: Option<&Value>, wrong: &mut Vec<String>) {
    match (&expect.error, &played.answer) {
        (None, Err(error)) => wrong.push(format!("expected success, was {}", words_of(error))),
        (Some(_), Ok(_)) => wrong.push("expected an error, and it succeeded".to_owned()),
        (Some(expected), Err(error)) => {
            if let Some(code) = expected.code.filter(|code| *code != error.code) {
                wrong.push(format!("error: expected code {code}, was {}", words_of(error)));
            }
            let text = words_of(error);
            for part in expected.contains.iter().filter(|part| !text.contains(*part)) {
                wrong.push(format!("error: {part:?} is not in {text:?}"));
            }
        }
        (None, Ok(_)) => {}
    }
    match (&expect.result, result) {
        (Some(expected), Some(seen)) => wrong.extend(compare::document("result", expected, seen)),
        (Some(_), None) if played.answer.is_ok() => {
            wrong.push("result: this verb has none".to_owned());
        }
        (Some(_) | None, _) => {}
    }
}

/// `link.create kind=bridge …`, and the same with its plugin.
fn words(step: &gate::Step) -> [String; 2] {
    [step.op.to_string(), format!("{}: {}", step.plugin, step.op)]
}

fn operations(expect: &Expect, played: &Played, wrong: &mut Vec<String>) {
    let is_refused = |step: &&gate::Step| matches!(step.verdict, Verdict::Refused(_));
    let steps: Vec<&gate::Step> = played.calls.iter().flat_map(|called| &called.steps).collect();
    let means = |pattern: &str, step: &gate::Step| {
        words(step).iter().any(|words| compare::means(pattern, words))
    };
    for pattern in &expect.allowed {
        let mut allowed = steps.iter().filter(|step| !is_refused(step));
        if !allowed.any(|step| means(pattern, step)) {
            let refused =
                steps.iter().filter(|step| is_refused(step)).find(|step| means(pattern, step));
            wrong.push(match refused {
                Some(step) => format!("allowed: {pattern}: it was refused: {}", step.op),
                None => format!("allowed: {pattern}: nothing like it was asked for"),
            });
        }
    }
    for pattern in &expect.not_asked {
        if let Some(step) = steps.iter().find(|step| means(pattern, step)) {
            wrong.push(format!("not-asked: {pattern}: it was: {}: {}", step.plugin, step.op));
        }
    }
    let Some(patterns) = &expect.refused else { return };
    for pattern in patterns {
        let mut refused = steps.iter().filter(|step| is_refused(step));
        if !refused.any(|step| means(pattern, step)) {
            wrong.push(format!("refused: {pattern}: nothing like it was refused"));
        }
    }
    for step in steps.iter().filter(|step| is_refused(step)) {
        if let Verdict::Refused(why) = &step.verdict
            && !patterns.iter().any(|pattern| means(pattern, step))
        {
            wrong.push(format!("refused, and not expected to be: {why}"));
        }
    }
}

/// A fault that did not happen tests nothing.
fn faults(step: &Step, played: &Played, wrong: &mut Vec<String>) {
    for (plugin, Mishap { at, .. }) in &step.faults {
        let At::Named(name, nth) = *at else { continue };
        let of = |called: &&Called| plugin.as_ref().is_none_or(|plugin| *plugin == called.plugin);
        let asked = |operations: &[&str]| operations.iter().filter(|other| **other == name).count();
        let most = played.calls.iter().filter(of).map(|c| asked(&c.operations)).max().unwrap_or(0);
        if most < nth {
            wrong.push(format!("fault: {name} number {nth} did not happen: there were {most}"));
        }
    }
}

/// A transcript with numbers in the place of what is made by chance: MACs, the addresses made of them, and
/// the names of veths on the node.
fn without_chance(text: &str) -> String {
    let mut macs: Vec<&str> = Vec::new();
    let mut veths: Vec<&str> = Vec::new();
    for part in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')) {
        if Mac::try_from(part).is_ok() && !macs.contains(&part) {
            macs.push(part);
        }
        if is_chosen_name(part) && !veths.contains(&part) {
            veths.push(part);
        }
    }
    let mut shown = text.to_owned();
    for (number, mac) in macs.iter().enumerate() {
        if let Some(address) = link_local(mac) {
            shown = shown.replace(&address, &format!("fe80::mac-{}/64", number + 1));
        }
        shown = shown.replace(mac, &format!("mac-{}", number + 1));
    }
    for (number, veth) in veths.iter().enumerate() {
        shown = shown.replace(veth, &format!("veth-{}", number + 1));
    }
    shown
}

/// `veth80c926b6`: as plugins name the node's end.
fn is_chosen_name(word: &str) -> bool {
    let digits = word.strip_prefix("veth").unwrap_or_default();
    digits.len() == 8 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_has_no_part_in_golden_files() {
        let text = "mac 12:ef:9d:59:1b:cb, fe80::10ef:9dff:fe59:1bcb/64, 02:00:00:00:00:01, 12:ef:9d:59:1b:cb host/veth80c926b6";
        let expected = "mac mac-1, fe80::mac-1/64, mac-2, mac-1 host/veth-1";
        assert_eq!(without_chance(text), expected);
    }
}
