//! `wasmcni plugins` and `wasmcni grants`: what there is, and what it may do.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use super::failure::{Doing, Failure};
use super::{say, words};
use crate::component::{BUNDLED, Bundled, find};
use crate::config;
use crate::directories::Directories;
use crate::kernel::Role;
use crate::policy::{self, Grants, Limits, OpKind};

/// Where the grants of a plugin come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// A file of the operator's.
    Operator(PathBuf),
    /// The file that the plugin came with.
    Shipped,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operator(path) => write!(f, "{}", path.display()),
            Self::Shipped => f.write_str("shipped with wasmcni"),
        }
    }
}

/// A grant file that passed the parser.
#[derive(Debug)]
struct InForce {
    source: Source,
    text: String,
    grants: Grants,
}

fn in_force(directories: &Directories, plugin: &Bundled) -> Result<InForce, Failure> {
    let doing = || format!("reading the grants of {:?}", plugin.name);
    match config::grant_file(&directories.config, plugin.name).doing(doing)? {
        None => shipped(plugin),
        Some((path, text)) => {
            let grants =
                policy::parse(&text, &path.display().to_string()).doing(doing).map_err(|e| {
                    let name = plugin.name;
                    e.remedy(format!(
                        "Until it is mended, every call of {name} fails with code 103."
                    ))
                })?;
            Ok(InForce { source: Source::Operator(path), text, grants })
        }
    }
}

fn shipped(plugin: &Bundled) -> Result<InForce, Failure> {
    let grants = plugin
        .shipped_grants()
        .doing(|| format!("reading the grants that {:?} was shipped with", plugin.name))?;
    Ok(InForce { source: Source::Shipped, text: plugin.grants.to_owned(), grants })
}

/// `wasmcni plugins`
pub(super) fn list(directories: &Directories, out: &mut dyn Write) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for plugin in &BUNDLED {
        say(out, format_args!("{:<12} {}", plugin.name, plugin.about))?;
        match in_force(directories, plugin) {
            Ok(found) => say(out, described(&found))?,
            Err(failure) => {
                say(out, format_args!("{:<12} grants     not to be used: see stderr\n", ""))?;
                failures.push(failure.to_string());
            }
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failure::new("reading grants", failures.join("\n")))
}

fn described(found: &InForce) -> String {
    let mut text = String::new();
    let mut row = |key: &str, value: &str| {
        let mut key = key;
        for line in wrapped(value, 76) {
            let _ = writeln!(text, "{:<12} {key:<10} {line}", "");
            key = "";
        }
    };
    row("limits", &limits(found.grants.limits()));
    for (place, acts) in acts(&found.grants) {
        row(place, &acts.join(", "));
    }
    row("grants", &found.source.to_string());
    text
}

fn limits(limits: &Limits) -> String {
    format!(
        "memory {}, deadline {:?}, {} host calls, output {}, log {}",
        size(limits.memory_bytes),
        limits.deadline,
        limits.host_calls,
        size(limits.output_bytes.into()),
        size(limits.log_bytes.into()),
    )
}

/// As grant files write it.
fn size(octets: u64) -> String {
    match (octets % (1 << 20), octets % (1 << 10)) {
        (0, _) => format!("{}MiB", octets >> 20),
        (_, 0) => format!("{}KiB", octets >> 10),
        _ => format!("{octets} octets"),
    }
}

/// The acts that are granted, for whatever values, by where they happen.
fn acts(grants: &Grants) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut places = [("container", Vec::new()), ("host", Vec::new()), ("node", Vec::new())];
    for grant in grants.all() {
        let nowhere = OpKind::find(grant.op()).is_none_or(|kind| !kind.in_netns);
        let here: [bool; 3] = [
            !nowhere && grant.netns().is_none_or(|role| role == Role::Container),
            !nowhere && grant.netns().is_none_or(|role| role == Role::Host),
            nowhere,
        ];
        for ((_, acts), _) in places.iter_mut().zip(here).filter(|(_, here)| *here) {
            if !acts.contains(&grant.op()) {
                acts.push(grant.op());
            }
        }
    }
    places.into_iter().filter(|(_, acts)| !acts.is_empty()).collect()
}

/// Lines of at most `width` characters, if the words allow it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `wasmcni grants`
pub(super) fn grants(
    which: &words::Grants,
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let plugin = find(&which.plugin).ok_or_else(|| {
        let names: Vec<&str> = BUNDLED.iter().map(|plugin| plugin.name).collect();
        Failure::new(format!("looking for plugin {:?}", which.plugin), "there is none of this name")
            .remedy(format!("The plugins are {}.", names.join(", ")))
    })?;
    let found = if which.shipped { shipped(plugin)? } else { in_force(directories, plugin)? };
    let own = directories.config.join("plugins").join(format!("{}.toml", plugin.name));
    let told = match &found.source {
        Source::Operator(path) => format!("{}: in force is {path:?}", plugin.name),
        Source::Shipped if which.shipped => format!("{}: as shipped with wasmcni", plugin.name),
        Source::Shipped => {
            format!("{}: in force is what it was shipped with, for want of {own:?}", plugin.name)
        }
    };
    let _ = writeln!(io::stderr(), "wasmcni: {told}");
    out.write_all(found.text.as_bytes()).doing(|| "writing to stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANTS: &str = r#"component = "bundled"
[[grant]]
op = "netns.enter"
netns = "*"
[[grant]]
op = "delegate.run"
plugin = "host-local"
[[grant]]
op = "netns.enter"
netns = "host"
networks = "a"
"#;

    #[test]
    fn acts_stand_where_they_happen_once() {
        let grants = policy::parse(GRANTS, "test").unwrap();
        assert_eq!(
            acts(&grants),
            [
                ("container", vec!["netns.enter"]),
                ("host", vec!["netns.enter"]),
                ("node", vec!["delegate.run"])
            ]
        );
    }

    #[test]
    fn every_plugin_is_listed_from_an_empty_node() {
        let directories = Directories::below(std::path::Path::new("/nonexistent"));
        let mut out = Vec::new();
        list(&directories, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for plugin in &BUNDLED {
            assert!(text.lines().any(|line| line.starts_with(plugin.name)), "{}", plugin.name);
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn sizes_are_written_as_grant_files_write_them() {
        assert_eq!(size(16 << 20), "16MiB");
        assert_eq!(size(256 << 10), "256KiB");
        assert_eq!(size(1000), "1000 octets");
    }

    #[test]
    fn words_longer_than_a_line_stand_alone() {
        assert_eq!(wrapped("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrapped("aaaaa b", 3), ["aaaaa", "b"]);
    }
}
