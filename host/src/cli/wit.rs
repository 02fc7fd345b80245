//! `wasmcni wit`: the contract, whole or as far as grants give it.

use std::io::Write;
use std::path::Path;

use super::compiler::Compiler;
use super::failure::{Doing, Failure};
use super::{given, say, words};
use crate::component::store::Digest;
use crate::policy::{Grants, IMPORTS};

/// `wasmcni wit`
pub(super) fn run(wit: &words::Wit, out: &mut dyn Write) -> Result<(), Failure> {
    let grants = wit.grants.as_deref().map(manifest).transpose()?;
    let contract = Compiler::beside()?.contract(&wanted(grants.as_ref().map(|(_, g)| g)))?;
    say(out, contract.trim_end())
}

/// A manifest as its author has it, in a file: the text, and the grants.
pub(super) fn manifest(path: &Path) -> Result<(String, Grants), Failure> {
    let doing = || format!("reading {path:?}");
    let text = given::text(path).doing(doing)?;
    // The digest of a component that is not built yet: any will do.
    let file = super::plugin::grant_file(&text, Digest([0; 32])).ok_or_else(|| {
        Failure::new(doing(), "it does not begin with component = \"this\"")
            .remedy("That line stands for the component that the file is shipped in.")
    })?;
    let grants = crate::policy::parse(&file, &path.display().to_string()).doing(doing)?;
    Ok((text, grants))
}

/// The lines for the compiler: interfaces to import, functions to leave in them.
///
/// An interface is imported if one of its functions needs a grant that is there. Then those that need none come
/// along, and so does the interface of what they return; of the others nothing could be called to any effect.
fn wanted(grants: Option<&Grants>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (interface, function, ops) in IMPORTS {
        if grants.is_some_and(|grants| grants.serves(interface, function).is_err()) {
            continue;
        }
        let always = *interface == "wasmcni:cni/log@0.1.0" || grants.is_none();
        if (always || !ops.is_empty()) && !lines.iter().any(|line| line == interface) {
            lines.push((*interface).to_owned());
        }
        lines.push(format!("{interface}#{function}"));
    }
    lines.join("\n")
}
