//! What is to be done, from what was found: pure.

use std::path::{Path, PathBuf};

use super::super::failure::Failure;
use super::{BINARY, COMPILER};

/// What stands at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// This very binary: the same file, or one of the same content.
    ThisBinary,
    /// The file that the directory has as `wasmcni` now, by another name (a hard link, a copy).
    FormerBinary,
    /// A symlink to this.
    Symlink(PathBuf),
    /// Another file.
    File,
    /// A directory, a device, …
    Other,
}

/// What is done to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// It is as it should be.
    Leave,
    /// The binary is written there.
    Place,
    /// A symlink to the binary is made.
    Link,
}

/// What is done to a name, and whether what stands there is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// What is done.
    pub(super) act: Act,
    /// Whether what stands there is kept under [`kept_name`].
    pub(super) keep_former: bool,
}

impl Step<'_> {
    /// Whether anything is done.
    pub(super) fn changes(&self) -> bool {
        self.act != Act::Leave
    }
}

/// The name under which a former file is kept.
pub(super) fn kept_name(name: &str) -> String {
    format!("{name}.before-wasmcni")
}

/// The steps, the binary before its symlinks, so that no symlink ever leads nowhere.
///
/// # Errors
/// A name holds what is not wasmcni's and `replace` is not given, what cannot be replaced, or, by
/// `kept`, there is something else already where it would be kept. Nothing has been done then.
pub(super) fn make<'a>(
    names: &[(&'a str, Found)],
    replace: bool,
    kept: impl Fn(&str) -> Result<bool, Failure>,
) -> Result<Vec<Step<'a>>, Failure> {
    let (mut steps, mut foreign, mut fixed, mut in_the_way) = (vec![], vec![], vec![], vec![]);
    for (name, found) in names {
        let (act, ours) = judge(name, found);
        let keep_former = !ours;
        match (ours, found) {
            (false, Found::Other) => fixed.push(*name),
            (false, _) if !replace => foreign.push(*name),
            (false, _) if kept(name)? => in_the_way.push(kept_name(name)),
            _ => {}
        }
        steps.push(Step { name, act, keep_former });
    }
    if !fixed.is_empty() {
        return Err(Failure::new(list(&fixed), "no file and no symlink stands there")
            .remedy("Look what it is, and move it away."));
    }
    if !foreign.is_empty() {
        return Err(Failure::new(list(&foreign), "not wasmcni's, so nothing was changed").remedy(
            "With --replace wasmcni takes the place of such files and keeps each as \
             NAME.before-wasmcni.",
        ));
    }
    if !in_the_way.is_empty() {
        let names: Vec<&str> = in_the_way.iter().map(String::as_str).collect();
        return Err(Failure::new(
            list(&names),
            "there from an earlier --replace, so nothing was changed",
        )
        .remedy("Move it away, or delete it if you do not want it back."));
    }
    Ok(steps)
}

fn list(names: &[&str]) -> String {
    names.join(", ")
}

/// What is to be done to a name, and whether what stands there is nobody else's.
fn judge(name: &str, found: &Found) -> (Act, bool) {
    if name == BINARY || name == COMPILER {
        return match found {
            Found::ThisBinary => (Act::Leave, true),
            Found::Nothing | Found::FormerBinary | Found::File => (Act::Place, true),
            // Somebody put the binary elsewhere and led here to it.
            Found::Symlink(_) | Found::Other => (Act::Place, false),
        };
    }
    match found {
        Found::Symlink(to) if to == Path::new(BINARY) => (Act::Leave, true),
        Found::Symlink(to) if to.file_name() == Some(BINARY.as_ref()) => (Act::Link, true),
        Found::Nothing | Found::ThisBinary | Found::FormerBinary => (Act::Link, true),
        Found::Symlink(_) | Found::File | Found::Other => (Act::Link, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(names: &[(&'static str, Found)], replace: bool) -> Result<Vec<(Act, bool)>, String> {
        let steps = make(names, replace, |name| Ok(name == "kept-before"));
        let steps = steps.map_err(|failure| failure.to_string())?;
        Ok(steps.into_iter().map(|step| (step.act, step.keep_former)).collect())
    }

    fn symlink(to: &str) -> Found {
        Found::Symlink(to.into())
    }

    #[test]
    fn what_is_ours_is_made_as_it_should_be() {
        for (name, found, act) in [
            ("wasmcni", Found::Nothing, Act::Place),
            ("wasmcni", Found::ThisBinary, Act::Leave),
            ("wasmcni", Found::File, Act::Place),
            ("wasmcni-compile", Found::File, Act::Place),
            ("wasmcni-compile", Found::ThisBinary, Act::Leave),
            ("bridge", Found::Nothing, Act::Link),
            ("bridge", symlink("wasmcni"), Act::Leave),
            ("bridge", symlink("/opt/cni/bin/wasmcni"), Act::Link),
            ("bridge", Found::ThisBinary, Act::Link),
            ("bridge", Found::FormerBinary, Act::Link),
        ] {
            for replace in [false, true] {
                let acts = acts(&[(name, found.clone())], replace);
                assert_eq!(acts, Ok(vec![(act, false)]), "{name} {found:?}");
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_refused_or_kept() {
        for (name, found) in [
            ("wasmcni", symlink("/usr/lib/wasmcni")),
            ("bridge", Found::File),
            ("bridge", symlink("busybox-cni")),
            ("bridge", symlink("/usr/libexec/cni/bridge")),
        ] {
            let refused = acts(&[(name, found.clone())], false).unwrap_err();
            assert!(refused.contains(name) && refused.contains("--replace"), "{refused}");
            let act = if name == "wasmcni" { Act::Place } else { Act::Link };
            assert_eq!(acts(&[(name, found)], true), Ok(vec![(act, true)]));
        }
    }

    #[test]
    fn one_refusal_refuses_all_and_names_all() {
        let names = [("wasmcni", Found::Nothing), ("bridge", Found::File), ("ptp", Found::File)];
        let refused = acts(&names, false).unwrap_err();
        assert!(refused.contains("bridge, ptp") && !refused.contains("wasmcni,"), "{refused}");
    }

    #[test]
    fn nothing_is_lost() {
        assert!(acts(&[("bridge", Found::Other)], true).is_err());
        let refused = acts(&[("kept-before", Found::File)], true).unwrap_err();
        assert!(refused.contains("kept-before.before-wasmcni"), "{refused}");
    }
}
