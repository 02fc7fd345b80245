//! `wasmcni install`: the binary and its symlinks in the runtime's plugin directory.
//!
//! First everything is looked at, then the whole plan is made or refused, then it is done name by name.

mod directory;
mod plan;

use std::io::Write;

use super::failure::{Doing, Failure};
use super::{say, words};
use crate::component::BUNDLED;
use directory::{Directory, Program};
use plan::{Act, Step};

/// The binary's name in the directory.
const BINARY: &str = "wasmcni";
/// The compiler's: plugins of others are added with it.
const COMPILER: &str = "wasmcni-compile";

/// `wasmcni install`
pub(super) fn run(install: &words::Install, out: &mut dyn Write) -> Result<(), Failure> {
    let programs: Vec<Program> =
        [Some(Program::own()?), Program::compiler()?].into_iter().flatten().collect();
    let of = |name: &str| programs.iter().find(|program| program.name == name);
    let path = &install.dir;
    let directory =
        if install.dry_run { Directory::open(path)? } else { Some(Directory::open_or_make(path)?) };
    let mut names = Vec::new();
    let all = programs.iter().map(|p| p.name).chain(BUNDLED.iter().map(|plugin| plugin.name));
    for name in all {
        // A plugin may stand there as a copy of wasmcni.
        let program = of(name).or_else(|| programs.first());
        let found = match directory.as_ref().zip(program) {
            Some((directory, program)) => directory.look(name, program)?,
            None => plan::Found::Nothing,
        };
        names.push((name, found));
    }
    let kept = |name: &str| directory.as_ref().map_or(Ok(false), |d| d.kept_before(name));
    let steps = plan::make(&names, install.replace, kept)
        .map_err(|failure| failure.during(format!("installing into {path:?}")))?;
    for step in &steps {
        if let Some(directory) = directory.as_ref().filter(|_| !install.dry_run) {
            directory.act(step, of(step.name))?;
        }
        say(
            out,
            format_args!("{}: {}", path.join(step.name).display(), told(step, install.dry_run)),
        )?;
    }
    match &directory {
        Some(directory) if !install.dry_run && steps.iter().any(Step::changes) => {
            directory.sync().doing(|| format!("bringing {path:?} to the disk"))
        }
        _ => Ok(()),
    }
}

fn told(step: &Step<'_>, dry_run: bool) -> String {
    let would = if dry_run { "would be " } else { "" };
    let what = match step.act {
        Act::Leave => return "is as it should be".to_owned(),
        Act::Place => "placed",
        Act::Link => "linked to wasmcni",
    };
    let kept = match step.keep_former {
        true => format!(", its former file kept as {}", plan::kept_name(step.name)),
        false => String::new(),
    };
    format!("{would}{what}{kept}")
}
