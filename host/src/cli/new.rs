//! `wasmcni new`: a directory with a plugin that works, made of the very plugins that the repository has as
//! examples. The texts are in `wasmcni-compile`: authors have that program, and runtimes do not execute it.
#![allow(clippy::disallowed_methods, reason = "writes the directory that an author asks for")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::compiler::Compiler;
use super::failure::{Doing, Failure};
use super::plugin::plugin_name;
use super::say;
use super::words::{self, Language};

/// Where the contract, the SDK and what that uses are in the repository, and below `vendor/wasmcni` of a plugin.
const SDK: [&str; 4] = ["Cargo.toml", "wit", "plugins-wasm/go-json", "plugins-wasm/sdk"];

/// Path in the new directory, and text.
type Files = BTreeMap<PathBuf, String>;

/// `wasmcni new`
pub(super) fn run(new: &words::New, out: &mut dyn Write) -> Result<(), Failure> {
    let doing = || format!("making {:?}", new.name);
    let name = name(&new.name)?;
    if new.sdk.is_some() && new.lang != Language::Rust {
        let cause = "--sdk is for --lang rust alone";
        return Err(Failure::new(doing(), cause).remedy("Leave it out."));
    }
    let compiler = Compiler::beside()?;
    let files = match new.lang {
        Language::Rust => rust(name, new.sdk.as_deref(), &compiler)?,
        Language::Python => like(name, "python", "sticky", &compiler)?,
        Language::Javascript => like(name, "javascript", "private-routes", &compiler)?,
        Language::C => like(name, "c", "harden", &compiler)?,
    };
    let dir = Path::new(name);
    fs::create_dir(dir).doing(doing).map_err(|failure| {
        failure.remedy("It makes a directory of this name below the current one; choose another name or place.")
    })?;
    if let Err(failure) = write(dir, &files) {
        // Nothing but what was just written.
        let _ = fs::remove_dir_all(dir);
        return Err(failure);
    }
    say(out, format_args!("{name}: made; {name}/README.md says how to build, test and install it"))
}

/// A name that is good for a plugin, a directory and a crate.
fn name(name: &str) -> Result<&str, Failure> {
    plugin_name(name)?;
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits {
        return Ok(name);
    }
    Err(Failure::new(format!("taking the name {name:?}"), "it does not suit every language")
        .remedy("Write lower-case letters, digits and -, a letter first."))
}

/// A plugin like the one of the repository in another language, under its own name.
fn like(name: &str, language: &str, model: &str, compiler: &Compiler) -> Result<Files, Failure> {
    let dir = format!("plugins-wasm/languages/{language}");
    let mut files = below(&dir, compiler)?;
    files.values_mut().for_each(|text| *text = text.replace(model, name));
    files.insert(".gitignore".into(), "/target\n/*.wasm\n".to_owned());
    Ok(files)
}

/// A plugin in Rust: the example, with the SDK beside it unless there is one already.
fn rust(name: &str, sdk: Option<&Path>, compiler: &Compiler) -> Result<Files, Failure> {
    let mut files = below("plugins-wasm/example", compiler)?;
    let sdk = match sdk {
        Some(dir) => absolute(dir)?,
        None => {
            files.extend(vendored(compiler)?);
            "vendor/wasmcni/plugins-wasm/sdk".to_owned()
        }
    };
    let manifest = include_str!("new/Cargo.toml").replace("NAME", name).replace("SDK", &sdk);
    let library = name.replace('-', "_");
    let readme = include_str!("new/README.md").replace("NAME", name).replace("LIBRARY", &library);
    files.insert("Cargo.toml".into(), manifest);
    files.insert("README.md".into(), readme);
    files.insert("rust-toolchain.toml".into(), include_str!("new/rust-toolchain.toml").to_owned());
    files.insert(".gitignore".into(), "/target\n".to_owned());
    Ok(files)
}

/// The directory of an SDK that is there.
fn absolute(dir: &Path) -> Result<String, Failure> {
    let doing = || format!("looking for the SDK in {dir:?}");
    let found = fs::canonicalize(dir.join("Cargo.toml")).doing(doing).map_err(|failure| {
        failure
            .remedy("--sdk names plugins-wasm/sdk of a checkout; without it the SDK comes along.")
    })?;
    let dir = found.parent().and_then(Path::to_str);
    dir.map(str::to_owned).ok_or_else(|| Failure::new(doing(), "its path is no UTF-8"))
}

/// The SDK as the repository has it: a workspace of its own, since its manifests say `workspace = true`.
fn vendored(compiler: &Compiler) -> Result<Files, Failure> {
    let mut files = Files::new();
    for (path, text) in compiler.files(&SDK)? {
        let text = if path == "Cargo.toml" { workspace(&text) } else { text };
        files.insert(Path::new("vendor/wasmcni").join(path), text);
    }
    Ok(files)
}

/// The repository's manifest, with what of its members came along.
fn workspace(manifest: &str) -> String {
    let members = |line: &str| {
        ["members", "default-members", "exclude"].iter().any(|key| line.starts_with(key))
    };
    let kept = manifest.lines().map(|line| match line {
        "[workspace]" => "[workspace]\nmembers = [\"plugins-wasm/*\"]",
        line if members(line) => "",
        line => line,
    });
    kept.collect::<Vec<_>>().join("\n") + "\n"
}

/// The repository's files below a directory, by their paths in it.
fn below(dir: &str, compiler: &Compiler) -> Result<Files, Failure> {
    let files = compiler.files(&[dir])?;
    let inner = |(path, text): (String, String)| {
        let path = path.strip_prefix(dir)?.trim_start_matches('/');
        Some((PathBuf::from(path), text))
    };
    Ok(files.into_iter().filter_map(inner).collect())
}

fn write(dir: &Path, files: &Files) -> Result<(), Failure> {
    for (path, text) in files {
        let path = dir.join(path);
        let doing = || format!("writing {path:?}");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).doing(doing)?;
        }
        fs::write(&path, text).doing(doing)?;
        if text.starts_with("#!") {
            fs::set_permissions(&path, Permissions::from_mode(0o755)).doing(doing)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_suit_every_language() {
        for good in ["acme", "acme-2"] {
            assert_eq!(name(good), Ok(good));
        }
        for bad in ["Acme", "2acme", "a_b", "a.b", "../acme", "bridge", "wasmcni-x", ""] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_vendored_workspace_has_the_members_that_came_along() {
        let all = "[workspace]\nresolver = \"3\"\nmembers = [\"host\"]\ndefault-members = [\"host\"]\n\
                   \n[workspace.package]\nversion = \"1\"\n";
        let kept = "[workspace]\nmembers = [\"plugins-wasm/*\"]\nresolver = \"3\"\n\n\n\
                    \n[workspace.package]\nversion = \"1\"\n";
        assert_eq!(workspace(all), kept);
    }
}
