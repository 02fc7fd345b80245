//! One file of the operator's: every error, and what is doubtful.

use std::path::Path;

use super::super::failure::Failure;
use super::imports;
use crate::component::{BUNDLED, Bundled, find};
use crate::config::{self, Config, ConfigError};
use crate::policy::{self, ComponentPin, Doubt, Grants, PolicyError};

/// What was found in a file.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) path: String,
    pub(super) errors: Vec<PolicyError>,
    pub(super) warnings: Vec<Doubt>,
}

/// Checks files.
#[derive(Debug)]
pub(super) struct Checker {
    /// Whose grants they are, whatever their names.
    plugin: Option<String>,
}

impl Checker {
    pub(super) fn new(plugin: Option<&str>) -> Result<Self, Failure> {
        if let Some(name) = plugin
            && find(name).is_none()
        {
            let names: Vec<&str> = BUNDLED.iter().map(|plugin| plugin.name).collect();
            let doing = format!("looking for plugin {name:?}");
            return Err(Failure::new(doing, "there is none of this name")
                .remedy(format!("The plugins are {}.", names.join(", "))));
        }
        Ok(Self { plugin: plugin.map(str::to_owned) })
    }

    pub(super) fn check(&self, path: &Path, installed: bool) -> Result<Checked, Failure> {
        let mut checked =
            Checked { path: path.display().to_string(), errors: Vec::new(), warnings: Vec::new() };
        let found = match config::find(path) {
            Ok(Some(found)) => found,
            Ok(None) => {
                return Err(Failure::new(format!("reading {path:?}"), "there is no such file"));
            }
            Err(error) => {
                checked.errors.push(whole_file(path, &reason(&error), "a file of text"));
                return Ok(checked);
            }
        };
        match found.untrusted {
            Some(error) if installed => {
                let problem = format!("is refused by every call: {}", reason(&error));
                checked.errors.push(whole_file(path, &problem, "chown root, chmod go-w"));
            }
            Some(error) => checked.warnings.push(Doubt {
                line: 1,
                text: format!("where calls read it, it would be refused: {}", reason(&error)),
            }),
            None => {}
        }
        if self.plugin.is_none() && path.file_name().is_some_and(|name| name == config::FILE) {
            checked.configuration(path, &found.text);
        } else {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = self.plugin.as_deref().unwrap_or(&stem);
            checked.grants(path, &found.text, name)?;
        }
        checked.warnings.sort_by_key(|doubt| doubt.line);
        Ok(checked)
    }
}

impl Checked {
    fn configuration(&mut self, path: &Path, text: &str) {
        if let Err(wrong) = Config::parse(text) {
            let line = u32::try_from(wrong.line).unwrap_or(u32::MAX);
            let written = text.lines().nth(wrong.line.saturating_sub(1)).unwrap_or_default();
            let last = wrong.reason.trim_end().lines().last().unwrap_or_default().to_owned();
            self.errors.push(PolicyError {
                line,
                text: written.trim().to_owned(),
                problem: format!("is not understood: {last}"),
                ..whole_file(path, "", r#"natives = ["dhcp"], the names of native delegates"#)
            });
        }
    }

    fn grants(&mut self, path: &Path, text: &str, name: &str) -> Result<(), Failure> {
        let grants = match policy::check(text, &self.path) {
            Ok(grants) => grants,
            Err(errors) => {
                self.errors.extend(errors);
                return Ok(());
            }
        };
        self.warnings.extend(policy::doubts(&grants));
        let plugin = find(name);
        self.errors.extend(pin(path, text, name, plugin, grants.component()));
        let Some(plugin) = plugin else { return Ok(()) };
        let imports = imports::of(plugin).map_err(|cause| {
            Failure::new(format!("reading the imports of {:?}", plugin.name), cause)
        })?;
        let unserved = imports::unserved(&grants, &imports);
        if grants.all().is_empty() && !unserved.is_empty() {
            // So plugins are switched off.
            let text = format!("no grants: every call of {} fails with code 103", plugin.name);
            self.warnings.push(Doubt { line: 1, text });
            return Ok(());
        }
        for (import, ops) in unserved {
            let problem = format!(
                "has no grant for {}: {} imports {import:?}, and is refused before it starts",
                ops.join(" or "),
                plugin.name
            );
            let instead = ops.first().copied().unwrap_or_default();
            self.errors.push(PolicyError {
                text: "the file".to_owned(),
                ..whole_file(path, &problem, &format!("a [[grant]] with op = {instead:?}"))
            });
        }
        self.warnings.extend(unasked(&grants, plugin, &imports));
        Ok(())
    }
}

/// Grants for acts that the plugin cannot ask for.
fn unasked(
    grants: &Grants,
    plugin: &Bundled,
    imports: &[crate::component::imports::Import],
) -> Vec<Doubt> {
    let never = grants.all().iter().filter(|grant| !imports::asks_for(grant.op(), imports));
    never
        .map(|grant| Doubt {
            line: grant.line(),
            text: format!(
                "grant of {} is never asked for: {} imports nothing that does",
                grant.op(),
                plugin.name
            ),
        })
        .collect()
}

/// What is wrong with the pin in a file of this plugin's.
fn pin(
    path: &Path,
    text: &str,
    name: &str,
    plugin: Option<&Bundled>,
    pin: &ComponentPin,
) -> Option<PolicyError> {
    let (problem, instead) = match (plugin, pin) {
        (Some(_), ComponentPin::Bundled) | (None, ComponentPin::Sha256(_)) => return None,
        (Some(plugin), ComponentPin::Sha256(_)) => {
            let problem = format!("is for another component: {} is part of wasmcni", plugin.name);
            (problem, r#"component = "bundled""#.to_owned())
        }
        (None, ComponentPin::Bundled) => {
            let problem = format!("is for a plugin of wasmcni, and none is called {name:?}");
            let instead = "the plugin's name as the file's (or --as NAME), or \"sha256:…\"";
            (problem, instead.to_owned())
        }
    };
    let line = text.lines().position(|line| line.trim_start().starts_with("component"));
    let line = line.unwrap_or_default();
    Some(PolicyError {
        line: u32::try_from(line + 1).unwrap_or(u32::MAX),
        text: text.lines().nth(line).unwrap_or_default().trim().to_owned(),
        ..whole_file(path, &problem, &instead)
    })
}

fn whole_file(path: &Path, problem: &str, instead: &str) -> PolicyError {
    PolicyError {
        file: path.display().to_string(),
        line: 1,
        text: "the file".to_owned(),
        problem: problem.to_owned(),
        instead: instead.to_owned(),
    }
}

/// Without the path, which is told beside it.
fn reason(error: &ConfigError) -> String {
    match error {
        ConfigError::Io { source, .. } => format!("cannot be read: {source}"),
        ConfigError::Untrusted { owner, mode, .. } => {
            format!(
                "its owner is {owner}, its mode {mode:o}; it must be root's, and writable by nobody else"
            )
        }
        ConfigError::Invalid { reason, .. } => format!("cannot be used: {reason}"),
    }
}
