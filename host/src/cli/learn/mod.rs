//! `wasmcni learn`: the least grants for what tests or an audit had a plugin ask for.
#![allow(clippy::disallowed_methods, reason = "reads the files that the command line names")]

mod grants;
mod report;
mod seen;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use super::failure::{Doing, Failure};
use super::trial::{GivenGrants, Others};
use super::{explain, given, say, test, words};
use crate::audit::Done;
use crate::component::store::{self, Digest};
use crate::component::{self, Code, Origin};
use crate::config;
use crate::directories::Directories;
use crate::gate::Verdict;
use crate::policy::{self, ComponentPin, Grants, Unserved};
use grants::Learned;
use report::Report;
use seen::Seen;

/// Exit status if the file of `--against` refuses something.
const REFUSES: u8 = 3;
/// The name of the file with which everything is allowed.
const EVERYTHING: &str = "everything";

/// A plugin, and what it has.
struct Pupil<'a> {
    name: &'a str,
    /// As the first line of a grant file has it.
    component: String,
    /// The grants that it has, if any.
    own: Option<GivenGrants>,
    others: Others,
    node: &'a Directories,
}

/// What was heard of it.
#[derive(Default)]
struct Heard {
    seen: Vec<Seen>,
    /// Grants that were used: `FILE:LINE`.
    used: BTreeSet<String>,
    /// Sentences.
    refused: BTreeSet<String>,
    /// Tests that failed, with what was wrong first.
    failed: Vec<String>,
    /// Calls in which it ran.
    calls: usize,
}

/// `wasmcni learn`
pub(super) fn run(
    options: &words::Learn,
    node: &Directories,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let pupil = Pupil::find(options, node)?;
    let heard = match &options.audit {
        Some(_) => pupil.heard_by_audit(options)?,
        None => {
            let everything = options.everything || pupil.own.is_none();
            let instead = everything.then(|| pupil.everything());
            pupil.heard_in_tests(options, instead, true)?
        }
    };
    if heard.calls == 0 {
        return Err(Failure::new("learning", format!("{:?} never ran", pupil.name)));
    }
    say(out, pupil.grant_file(&heard)?.trim_end())?;
    let report = pupil.report(options, heard)?;
    report.tell();
    let refuses = options.against.is_some() && report.refuses();
    Ok(if refuses { ExitCode::from(REFUSES) } else { ExitCode::SUCCESS })
}

impl<'a> Pupil<'a> {
    fn find(options: &'a words::Learn, node: &'a Directories) -> Result<Self, Failure> {
        let name = options.name.as_str();
        let mut others = Others::given(&options.plugin)?;
        others.add_installed(std::slice::from_ref(&options.name), node)?;
        let (component, own) = match (others.find(name), component::find(name)) {
            (Some(other), _) => {
                let given = options.plugin.iter().any(|given| given.name == name);
                let digest = format!("sha256:{}", other.digest);
                let component = if given { "this".to_owned() } else { digest };
                (component, other.grants.clone().map(|own| others.fitted(own)))
            }
            (None, Some(bundled)) => {
                let file = format!("bundled:{name}/grants.toml");
                let shipped = (file, bundled.grants.to_owned());
                let doing = || format!("reading the grants of {name:?}");
                let in_force = match &options.audit {
                    Some(_) => config::grant_file(&node.config, name).doing(doing)?,
                    // Tests run with what is shipped.
                    None => None,
                };
                let in_force = in_force.map(|(path, text)| (path.display().to_string(), text));
                let (file, text) = in_force.unwrap_or(shipped);
                let own = GivenGrants { plugin: name.to_owned(), file, text };
                ("bundled".to_owned(), Some(own))
            }
            (None, None) => {
                let cause = "it is neither bundled nor installed on this node";
                return Err(Failure::new(format!("looking for plugin {name:?}"), cause)
                    .remedy(format!("Name its component: --plugin {name}=FILE.wasm")));
            }
        };
        Ok(Self { name, component, own, others, node })
    }

    fn everything(&self) -> GivenGrants {
        let (plugin, file) = (self.name.to_owned(), EVERYTHING.to_owned());
        GivenGrants { plugin, file, text: grants::everything("bundled") }
    }

    /// Runs the tests, with `instead` as the plugin's grants where a test gives it none.
    fn heard_in_tests(
        &self,
        options: &words::Learn,
        instead: Option<GivenGrants>,
        strict: bool,
    ) -> Result<Heard, Failure> {
        let mut heard = Heard::default();
        let narrowed = format!("{}/grants.toml", self.name);
        let mut hear = |called: &super::trial::Called, given: bool| {
            heard.calls += usize::from(called.runs.iter().any(|run| run == self.name));
            for step in called.steps.iter().filter(|step| step.plugin == self.name) {
                match &step.verdict {
                    Verdict::Granted { file, line } => {
                        heard.seen.extend(Seen::of_step(step));
                        // What a test narrows keeps its lines.
                        match (given, &self.own) {
                            (false, _) => _ = heard.used.insert(format!("{file}:{line}")),
                            (true, Some(own)) if **file == *narrowed => {
                                heard.used.insert(format!("{}:{line}", own.file));
                            }
                            (true, _) => {}
                        }
                    }
                    Verdict::Refused(why) if !given => _ = heard.refused.insert(why.clone()),
                    Verdict::Refused(_) | Verdict::Own => {}
                }
            }
        };
        let around = test::Around { others: &self.others, node: self.node };
        let wrong = test::listen(&options.paths, around, instead.as_ref(), &mut hear)?;
        match wrong.as_slice() {
            [first, ..] if strict => {
                let cause = format!("{} tests fail, the first: {first}", wrong.len());
                Err(Failure::new("running the tests", cause)
                    .remedy("What fails teaches nothing: `wasmcni test` says what is wrong."))
            }
            _ => Ok(Heard { failed: wrong, ..heard }),
        }
    }

    fn heard_by_audit(&self, options: &words::Learn) -> Result<Heard, Failure> {
        let mut heard = Heard::default();
        let (mut damaged, mut unknown, mut left_out) = (0, 0, 0);
        let mut known = BTreeSet::new();
        let Some(path) = &options.audit else { return Ok(heard) };
        let source: Box<dyn std::io::Read> = match path.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(std::fs::File::open(path).doing(|| format!("opening {path:?}"))?),
        };
        explain::for_each(source, &mut damaged, &mut |line| {
            heard.calls += usize::from(line.runs.iter().any(|run| run.plugin == self.name));
            left_out += line.left_out;
            for operation in line.operations.iter().filter(|of| of.plugin == self.name) {
                match &operation.done {
                    Done::Own(_) => {}
                    Done::Refused(why) => _ = heard.refused.insert(why.clone()),
                    Done::Rule(rule) => {
                        heard.used.insert(rule.clone());
                        let ifname = line.attachment.as_ref().map(|of| of.ifname.clone());
                        match Seen::of_audit(line, operation) {
                            // A node asks for the same again and again.
                            Some(_) if !known.insert((operation.to_string(), ifname)) => {}
                            Some(seen) => heard.seen.push(seen),
                            None => unknown += 1,
                        }
                    }
                }
            }
            Ok(())
        })?;
        for (number, what) in [
            (damaged, "lines of the audit cannot be read"),
            (unknown, "operations are of another version, and were not learned from"),
            (left_out, "operations were too many to be kept in the audit"),
        ] {
            if number > 0 {
                report::warn(&format!("{number} {what}"));
            }
        }
        Ok(heard)
    }

    /// The learned grants as a file that is read again.
    fn grant_file(&self, heard: &Heard) -> Result<String, Failure> {
        let mut learned = grants::learn(&heard.seen);
        let parsed = loop {
            let parsed = parse(&self.render(heard, &learned))?;
            let doubts = policy::doubts(&parsed);
            let spare = parsed.all().iter().position(|grant| {
                let adds_nothing = |doubt: &&policy::Doubt| doubt.text.contains("adds nothing");
                doubts.iter().filter(adds_nothing).any(|doubt| doubt.line == grant.line())
            });
            match spare.filter(|at| *at < learned.len()) {
                Some(at) => _ = learned.remove(at),
                None => break parsed,
            }
        };
        let mut text = self.render(heard, &learned);
        for grant in self.imported(&parsed)? {
            text += "\n# Not used, but imported: without it the component is refused before it starts.\n";
            text += grant.trim_end();
            text.push('\n');
        }
        parse(&text).map(|_| text)
    }

    fn render(&self, heard: &Heard, learned: &[Learned]) -> String {
        let Heard { calls, .. } = heard;
        let mut text = format!(
            "# What {:?} was seen to need in {calls} calls, by `wasmcni learn`.\ncomponent = \"{}\"\n",
            self.name, self.component
        );
        // Parsed here under a digest that it cannot know.
        if let Some(own) = &self.own {
            text += &limits(&own.text);
        }
        for grant in learned {
            text.push('\n');
            text += &grant.text();
        }
        text
    }

    /// Of the plugin's own grants one for each import that the learned ones do not serve.
    fn imported(&self, learned: &Grants) -> Result<Vec<String>, Failure> {
        let everything = self.everything();
        let own = self.own.as_ref().unwrap_or(&everything);
        let own = policy::parse(&own.text, &own.file).doing(|| "reading its grants")?;
        let mut more: Vec<(&str, String)> = Vec::new();
        for (interface, function) in self.imports()? {
            let Err(Unserved::NotGranted(ops)) = learned.serves(&interface, &function) else {
                continue;
            };
            let served = more.iter().any(|(op, _)| ops.contains(op));
            let grant = own.all().iter().find(|grant| ops.contains(&grant.op()));
            if let (false, Some(grant)) = (served, grant) {
                more.push((grant.op(), grant.text().to_owned()));
            }
        }
        Ok(more.into_iter().map(|(_, text)| text).collect())
    }

    /// The functions that it imports.
    fn imports(&self) -> Result<Vec<(String, String)>, Failure> {
        let doing = || format!("reading what {:?} imports", self.name);
        let failed = |e: wasmtime::Error| Failure::new(doing(), format!("{e:#}"));
        let code = match (self.others.find(self.name), component::find(self.name)) {
            (Some(other), _) => self.code(other.digest)?,
            (None, Some(bundled)) => match bundled.origin {
                Origin::Bundled(code) => code,
                Origin::Installed => return Ok(Vec::new()),
            },
            (None, None) => return Ok(Vec::new()),
        };
        let engine = component::engine().map_err(failed)?;
        let loaded = component::load(&engine, code).map_err(failed)?;
        let listed = component::imports::list(&engine, &loaded).functions;
        Ok(listed.into_iter().map(|import| (import.interface, import.function)).collect())
    }

    fn code(&self, digest: Digest) -> Result<Code, Failure> {
        let installed = self.others.installed().unwrap_or_else(|| self.node.installed.clone());
        store::code(&installed, digest).doing(|| format!("loading {:?}", self.name))
    }

    /// What is to be said of the grants that there are.
    fn report(&self, options: &words::Learn, heard: Heard) -> Result<Report, Failure> {
        let against = match &options.against {
            None => self.own.clone(),
            Some(path) => {
                let text = given::text(path).doing(|| format!("reading {path:?}"))?;
                let (plugin, file) = (self.name.to_owned(), path.display().to_string());
                Some(self.others.fitted(GivenGrants { plugin, file, text }))
            }
        };
        let Some(against) = against else { return Ok(Report::default()) };
        let doing = || format!("reading {:?}", against.file);
        let parsed = policy::parse(&against.text, &against.file).doing(doing)?;
        let heard = match (&options.audit, &options.against, options.everything) {
            // The audit says what decided; and these are the grants that the tests ran with.
            (Some(_), ..) | (None, None, false) => heard,
            (None, ..) => self.heard_in_tests(options, Some(against), false)?,
        };
        Ok(Report::of(&parsed, &heard.used, heard.refused, heard.failed))
    }
}

/// Reads a grant file that was made here.
fn parse(text: &str) -> Result<Grants, Failure> {
    // A digest in the place of the component's own, as when it is installed.
    let any = format!("component = \"sha256:{}\"", Digest([0; 32]));
    let text = text.replacen("component = \"this\"", &any, 1);
    let grants = policy::parse(&text, "learned").doing(|| "writing the grants")?;
    debug_assert!(matches!(grants.component(), ComponentPin::Bundled | ComponentPin::Sha256(_)));
    Ok(grants)
}

/// The limits of a grant file, as they are written there.
fn limits(text: &str) -> String {
    let table = |line: &&str| line.trim_start().starts_with('[');
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("[limits]"));
    let Some(head) = lines.next() else { return String::new() };
    let said = lines.take_while(|line| !table(line));
    let said = said.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    format!("\n{head}\n{}\n", said.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_taken_over_as_they_are() {
        let text = "component = \"this\"\n[limits]\nmemory = \"1MiB\" # x\n# y\n\n[[grant]]\n";
        assert_eq!(limits(text), "\n[limits]\nmemory = \"1MiB\" # x\n");
        assert_eq!(limits("component = \"this\"\n"), "");
    }
}
