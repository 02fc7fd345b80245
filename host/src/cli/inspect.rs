//! `wasmcni inspect`: what a component is and could do, without running it.

use std::io::Write;

use serde_json::json;

use super::compiler::{Compiler, Description, printable};
use super::failure::{Doing, Failure};
use super::{given, say, words};
use crate::policy::ops_of;

/// `wasmcni inspect FILE`
pub(super) fn run(inspect: &words::Inspect, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = given::bytes(&inspect.file).doing(|| format!("reading {:?}", inspect.file))?;
    let described = Compiler::beside()?
        .describe(&bytes)
        .map_err(|failure| failure.during(format!("{:?}", inspect.file)))?;
    match inspect.json {
        true => {
            say(out, serde_json::to_string_pretty(&as_json(&described)).doing(|| "writing JSON")?)
        }
        false => as_text(&described, out),
    }
}

/// The worlds of the contract (`wit/world.wit`), the narrowest first, by an interface that only it has.
fn world(described: &Description) -> &'static str {
    let imports = |prefix: &str| described.imports.iter().any(|i| i.name.starts_with(prefix));
    if !described.exports.iter().any(|export| export == "wasmcni:cni/plugin@0.1.0") {
        "none of wasmcni's: it exports no wasmcni:cni/plugin@0.1.0"
    } else if imports("wasmcni:cni/configured-delegate@") {
        "meta-plugin"
    } else if imports("wasmcni:ipam/") {
        "ipam-plugin"
    } else if imports("wasmcni:cni/delegate@") {
        "interface-plugin"
    } else {
        "chained-plugin"
    }
}

/// The languages that it says it was written in; of one that was stripped, those that its bindings are for.
fn languages(described: &Description) -> Vec<String> {
    if !described.languages.is_empty() {
        return described.languages.clone();
    }
    let bindings = described.tools.iter().filter_map(|tool| {
        let language = tool.strip_prefix("wit-bindgen-")?.split(' ').next()?;
        Some(match language {
            "rust" => "Rust",
            "c" => "C",
            "go" => "Go",
            other => other,
        })
    });
    bindings.map(str::to_owned).collect()
}

fn as_json(described: &Description) -> serde_json::Value {
    let imports: Vec<_> = described
        .functions()
        .map(|(interface, function)| {
            let ops = ops_of(interface, function);
            json!({
                "interface": interface,
                "function": function,
                "offered": ops.is_some(),
                "operations": ops.unwrap_or_default(),
            })
        })
        .collect();
    json!({
        "sha256": described.sha256,
        "size": described.size,
        "coreModule": described.module,
        "name": described.name,
        "version": described.version,
        "description": described.about,
        "licenses": described.licenses,
        "homepage": described.homepage,
        "languages": languages(described),
        "tools": described.tools,
        "world": world(described),
        "exports": described.exports,
        "imports": imports,
        "notOffered": described.others,
        "manifest": described.manifest,
    })
}

fn as_text(described: &Description, out: &mut dyn Write) -> Result<(), Failure> {
    let mut row = |key: &str, value: &str| {
        let value = printable(value);
        if value.is_empty() { Ok(()) } else { say(out, format_args!("{key:<11} {value}")) }
    };
    let form = if described.module {
        "core module, made a component when it is added"
    } else {
        "component"
    };
    row("sha256", &described.sha256)?;
    row("size", &format!("{} octets, {form}", described.size))?;
    row("name", described.name.as_deref().unwrap_or_default())?;
    row("version", described.version.as_deref().unwrap_or_default())?;
    row("about", described.about.as_deref().unwrap_or_default())?;
    row("licence", described.licenses.as_deref().unwrap_or_default())?;
    row("homepage", described.homepage.as_deref().unwrap_or_default())?;
    row("language", &languages(described).join(", "))?;
    row("made by", &described.tools.join(", "))?;
    row("world", world(described))?;
    row("exports", &described.exports.join(", "))?;
    say(out, "\nIt can call, if it is granted what is named:")?;
    for interface in &described.imports {
        say(out, format_args!("  {}", printable(&interface.name)))?;
        for function in &interface.functions {
            let needs = match ops_of(&interface.name, function) {
                None => "NOT OFFERED by this host: it would be refused".to_owned(),
                Some([]) => "-".to_owned(),
                Some(ops) => ops.join(" or "),
            };
            say(out, format_args!("    {:<36} {needs}", printable(function)))?;
        }
    }
    for other in &described.others {
        say(out, format_args!("  {} NOT OFFERED by this host", printable(other)))?;
    }
    match &described.manifest {
        None => say(out, "\nIt brings no manifest of the rights that it needs."),
        Some(manifest) => {
            say(out, format_args!("\nIt asks for:\n{}", printable(manifest.trim_end())))
        }
    }
}
