//! The environment of a call: which variable each verb needs, and what it may hold.

use std::path::PathBuf;

use super::Verb;
use super::args::CniArgs;
use super::error::{CniError, Code};
use crate::names::{ContainerId, IfName};

/// Looks a variable up. An unset variable and an empty one are the same to CNI.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variable that names the verb.
pub(super) const COMMAND: &str = "CNI_COMMAND";
pub(super) const CONTAINER_ID: &str = "CNI_CONTAINERID";
pub(super) const NETNS: &str = "CNI_NETNS";
pub(super) const IF_NAME: &str = "CNI_IFNAME";
const ARGS: &str = "CNI_ARGS";
const PATH: &str = "CNI_PATH";
const NETNS_OVERRIDE: &str = "CNI_NETNS_OVERRIDE";

/// What the variables of one call hold. Those that the verb does not use are left out unread.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub(super) container_id: Option<ContainerId>,
    pub(super) netns: Option<PathBuf>,
    pub(super) if_name: Option<IfName>,
    pub(super) args: CniArgs,
    pub(super) path: Vec<PathBuf>,
    pub(super) netns_override: bool,
}

struct Rule {
    variable: &'static str,
    required_by: &'static [Verb],
    optional_for: &'static [Verb],
    /// Checks a value that is not empty and puts it where it belongs, or says what is wrong with
    /// it.
    read: fn(&str, &mut Variables) -> Result<(), String>,
}

/// CNI spec, "Parameters", with one stricter cell: CNI_PATH is required for every verb, as the CNI
/// library's plugin skeleton does, though the spec requires it for GC alone.
const RULES: [Rule; 6] = {
    use Verb::{Add, Check, Del, Gc, Status};
    [
        Rule {
            variable: CONTAINER_ID,
            required_by: &[Add, Del, Check],
            optional_for: &[],
            read: |value, to| {
                to.container_id = Some(value.parse().map_err(reason)?);
                Ok(())
            },
        },
        Rule {
            variable: NETNS,
            required_by: &[Add, Check],
            optional_for: &[Del],
            read: |value, to| {
                to.netns = Some(value.into());
                Ok(())
            },
        },
        Rule {
            variable: IF_NAME,
            required_by: &[Add, Del, Check],
            optional_for: &[],
            read: |value, to| {
                to.if_name = Some(value.parse().map_err(reason)?);
                Ok(())
            },
        },
        Rule {
            variable: ARGS,
            required_by: &[],
            optional_for: &[Add, Del, Check, Gc, Status],
            read: |value, to| {
                to.args = CniArgs::new(value);
                Ok(())
            },
        },
        Rule {
            variable: PATH,
            required_by: &[Add, Del, Check, Gc, Status],
            optional_for: &[],
            read: |value, to| {
                // An empty entry means the working directory to a shell. No plugin belongs there.
                to.path =
                    value.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from).collect();
                Ok(())
            },
        },
        Rule {
            variable: NETNS_OVERRIDE,
            required_by: &[],
            optional_for: &[Add, Del, Check],
            read: |value, to| {
                to.netns_override = value == "1" || value.eq_ignore_ascii_case("true");
                Ok(())
            },
        },
    ]
};

fn reason(error: impl std::error::Error) -> String {
    error.to_string()
}

/// Reads the variables that `verb` uses.
///
/// # Errors
/// A value is wrong, or required variables are missing, which are then named all at once (code 4).
pub(super) fn read(env: Env<'_>, verb: Verb) -> Result<Variables, CniError> {
    let mut variables = Variables::default();
    let mut absent = Vec::new();
    for rule in &RULES {
        let required = rule.required_by.contains(&verb);
        if !required && !rule.optional_for.contains(&verb) {
            continue;
        }
        match env(rule.variable).filter(|value| !value.is_empty()) {
            Some(value) => (rule.read)(&value, &mut variables).map_err(|reason| {
                let details = format!("reading {} {value:?}: {reason}", rule.variable);
                CniError::new(Code::InvalidEnvironment, details)
            })?,
            None if required => absent.push(rule.variable),
            None => {}
        }
    }
    if absent.is_empty() { Ok(variables) } else { Err(missing(&absent)) }
}

/// The error for required variables that are not set, in the CNI library's words.
pub(super) fn missing(variables: &[&str]) -> CniError {
    let details = format!("required env variables [{}] missing", variables.join(","));
    CniError::new(Code::InvalidEnvironment, details)
}
