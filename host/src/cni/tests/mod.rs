//! Rows of the conformance table in the CNI reference, named E1 and so on, over the pure functions.

mod configuration;
mod environment;
mod errors;
mod garbage;
mod lists;
mod results;
mod versions;

use super::{CniError, Plugin, Request, SpecVersion, Verb};

/// A plugin that supports all versions.
const PLUGIN: Plugin<'static> =
    Plugin { name: "bridge", version: "0.1.0", supported: &SpecVersion::ALL };

/// A complete environment; the verb comes first.
fn variables(verb: &str) -> Vec<(&str, &str)> {
    vec![
        ("CNI_COMMAND", verb),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/run/netns/c1"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/opt/cni/bin:/usr/lib/cni"),
    ]
}

fn call(variables: &[(&str, &str)], stdin: &[u8]) -> Result<Request, CniError> {
    let get = |name: &str| {
        variables.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    Request::parse(&get, stdin, &PLUGIN)
}

/// A call in a complete environment.
fn ask(verb: Verb, stdin: &str) -> Result<Request, CniError> {
    call(&variables(verb.as_str()), stdin.as_bytes())
}

/// A small configuration of this version, with `more` keys.
fn conf(version: &str, more: &str) -> String {
    format!(r#"{{"cniVersion": "{version}", "name": "net", "type": "bridge"{more}}}"#)
}

/// The verbs that read a configuration.
const CONFIGURED: [Verb; 5] = [Verb::Add, Verb::Del, Verb::Check, Verb::Gc, Verb::Status];

/// The verbs about one attachment.
const ATTACHED: [Verb; 3] = [Verb::Add, Verb::Del, Verb::Check];
