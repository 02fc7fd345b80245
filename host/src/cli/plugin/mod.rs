//! `wasmcni plugin`: components of others, installed with the rights that the operator gives them.

mod publish;
mod rights;
mod table;

use std::io::Write;
use std::path::Path;

use super::compiler::{Compiler, Description};
use super::failure::{Doing, Failure};
use super::{given, say, words};
use crate::component::find;
use crate::component::store::Digest;
use crate::config;
use crate::directories::Directories;
use crate::names::PluginName;
use crate::policy::{self, ComponentPin, Grants};
use publish::{Links, Store};
pub(super) use rights::grant_file;

/// The section of a component with the rights that it asks for.
pub(super) const MANIFEST: &str = "wasmcni:manifest";

/// `wasmcni plugin …`
pub(super) fn run(
    plugin: &words::Plugin,
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match &plugin.command {
        words::PluginCommand::Add(add) => self::add(add, directories, out),
        words::PluginCommand::Upgrade(upgrade) => self::upgrade(upgrade, directories, out),
        words::PluginCommand::Remove(which) => remove(which, directories, out),
        words::PluginCommand::List(list) => table::list(list, directories, out),
        words::PluginCommand::Rebuild => rebuild(directories, out),
    }
}

/// A component file that was read, and what it is.
pub(super) struct Candidate {
    pub(super) bytes: Vec<u8>,
    description: Description,
    digest: Digest,
}

impl Candidate {
    /// Reads the file, and refuses a component that could never run here.
    pub(super) fn read(path: &Path, compiler: &Compiler) -> Result<Self, Failure> {
        let bytes = given::bytes(path).doing(|| format!("reading {path:?}"))?;
        let description =
            compiler.describe(&bytes).map_err(|failure| failure.during(format!("{path:?}")))?;
        let unknown = rights::unknown(&description);
        if !unknown.is_empty() {
            return Err(Failure::new(
                format!("{path:?}: looking at what it imports"),
                format!("this host does not offer {}", unknown.join(", ")),
            )
            .remedy("Build it without WASI, for wasm32-unknown-unknown: docs/authors.md."));
        }
        let contract = "wasmcni:cni/plugin@0.1.0";
        if !description.exports.iter().any(|export| export == contract) {
            let cause = format!("it exports no {contract:?}, so it is no plugin");
            return Err(Failure::new(format!("{path:?}: looking at what it exports"), cause));
        }
        let digest = Digest::of(&bytes);
        Ok(Self { bytes, description, digest })
    }

    /// The grant file that the component brings.
    pub(super) fn manifest(&self) -> Result<Option<(String, Grants)>, Failure> {
        let Some(manifest) = &self.description.manifest else { return Ok(None) };
        let doing = || "reading the rights that the component asks for".to_owned();
        let text = rights::grant_file(manifest, self.digest).ok_or_else(|| {
            Failure::new(doing(), "its manifest does not begin with component = \"this\"")
        })?;
        let grants = policy::parse(&text, "manifest").doing(doing)?;
        Ok(Some((text, grants)))
    }

    /// Refuses grants with which the component would be refused whenever it starts.
    pub(super) fn suits(&self, grants: &Grants) -> Result<(), Failure> {
        let missing = rights::missing(&self.description, grants);
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            format!("comparing {} with what the component imports", grants.source()),
            missing.join("\n"),
        )
        .remedy("A component that imports what it was not granted is refused when it starts."))
    }
}

/// `wasmcni plugin add`
fn add(add: &words::Add, directories: &Directories, out: &mut dyn Write) -> Result<(), Failure> {
    let name = plugin_name(&add.name)?;
    let compiler = Compiler::beside()?;
    let candidate = Candidate::read(&add.file, &compiler)?;
    let links = Links::open(&add.dir)?;
    let store = Store::open(directories)?;
    let doing = || format!("adding {:?}", add.name);
    if let Some((path, _)) = config::grant_file(&directories.config, &add.name).doing(doing)? {
        let remedy = format!("`wasmcni plugin upgrade --name {name} FILE` replaces a plugin.");
        return Err(Failure::new(doing(), format!("there is one already: {path:?}")).remedy(remedy));
    }
    if links.ours(&add.name)? == Some(false) {
        let taken = format!("{:?} is not wasmcni's", add.dir.join(&add.name));
        return Err(Failure::new(doing(), taken).remedy("Move it away, or choose another name."));
    }
    tell(&candidate, out)?;
    let (text, grants) = match (&add.grant, candidate.manifest()?) {
        (Some(file), _) => own_grants(file, &candidate)?,
        (None, Some((text, grants))) => {
            show("It asks for:", &rights::lines(&grants), out)?;
            if !add.accept && !grants.all().is_empty() {
                return Err(Failure::new(doing(), "nothing was granted yet, so nothing was installed")
                    .remedy(
                        "To grant it all, add --accept. To grant less, write a file of your own and add \
                         --grant FILE.",
                    ));
            }
            (text, grants)
        }
        (None, None) => {
            return Err(Failure::new(doing(), "it brings no manifest of the rights that it needs")
                .remedy("Write a grant file (docs/operators.md), and add --grant FILE."));
        }
    };
    candidate.suits(&grants)?;
    let code = compiler.compile(&candidate.bytes)?;
    store.publish(candidate.digest, &candidate.bytes, &code)?;
    store.write_grants(name.as_str(), &text)?;
    // The last step: without its symlink nobody can call it.
    links.make(name.as_str())?;
    sweep(&store, directories)?;
    say(out, format_args!("{name}: added; `\"type\": \"{name}\"` calls it"))
}

/// `wasmcni plugin upgrade`
fn upgrade(
    upgrade: &words::Upgrade,
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let name = plugin_name(&upgrade.name)?;
    let compiler = Compiler::beside()?;
    let candidate = Candidate::read(&upgrade.file, &compiler)?;
    let store = Store::open(directories)?;
    let held = Held::read(&name, directories)?;
    tell(&candidate, out)?;
    if held.digest == candidate.digest {
        say(out, format_args!("{name}: it is this component already"))?;
    }
    // What is in force, for the new component.
    let kept = held.text.replace(&held.digest.to_string(), &candidate.digest.to_string());
    let kept_grants = policy::parse(&kept, held.grants.source())
        .doing(|| "reading the grants in force".to_owned())?;
    let asked = candidate.manifest()?;
    let difference = match &asked {
        Some((_, asked)) => rights::difference(&held.grants, asked),
        None => rights::Difference::default(),
    };
    show("It asks for more:", &difference.more, out)?;
    show("It asks no more for:", &difference.less, out)?;
    let (text, grants) = match (&upgrade.grant, asked) {
        (Some(file), _) => own_grants(file, &candidate)?,
        (None, Some(asked)) if upgrade.widen => asked,
        (None, _) if upgrade.keep || difference.more.is_empty() => (kept, kept_grants),
        (None, _) => {
            return Err(Failure::new(
                format!("upgrading {:?}", name.as_str()),
                "it asks for more than it was granted, so nothing was changed",
            )
            .remedy(
                "--widen grants what it asks for, --keep leaves the grants as they are, --grant FILE \
                 takes a file of your own.",
            ));
        }
    };
    candidate.suits(&grants)?;
    let code = compiler.compile(&candidate.bytes)?;
    store.publish(candidate.digest, &candidate.bytes, &code)?;
    // The one step that counts: until then the name means the old component, from then on the new one.
    store.write_grants(name.as_str(), &text)?;
    sweep(&store, directories)?;
    say(
        out,
        format_args!("{name}: upgraded from sha256:{} to sha256:{}", held.digest, candidate.digest),
    )
}

/// `wasmcni plugin remove`
fn remove(
    which: &words::Remove,
    directories: &Directories,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let name = plugin_name(&which.name)?;
    let links = Links::open(&which.dir)?;
    let store = Store::open(directories)?;
    let found = config::grant_file(&directories.config, name.as_str());
    let linked = links.ours(name.as_str())?;
    // A grant file that cannot be used is no reason to keep a plugin.
    if matches!(found, Ok(None)) && linked != Some(true) {
        let doing = format!("removing {:?}", which.name);
        return Err(Failure::new(doing, "no plugin of this name was added")
            .remedy("`wasmcni plugin list` lists those that were."));
    }
    if linked == Some(true) {
        links.remove(name.as_str())?;
    }
    store.remove_grants(name.as_str())?;
    sweep(&store, directories)?;
    say(out, format_args!("{name}: removed"))
}

/// `wasmcni plugin rebuild`
fn rebuild(directories: &Directories, out: &mut dyn Write) -> Result<(), Failure> {
    let all = installed(directories)?;
    if all.is_empty() {
        return say(out, "no plugins were added");
    }
    let compiler = Compiler::beside()?;
    let store = Store::open(directories)?;
    for name in all {
        let held = Held::read(&name, directories)?;
        let component = store.component(held.digest)?;
        let code = compiler.compile(&component)?;
        store.publish(held.digest, &component, &code)?;
        say(out, format_args!("{name}: compiled for this build"))?;
    }
    Ok(())
}

/// What is in force for an installed plugin.
struct Held {
    text: String,
    grants: Grants,
    digest: Digest,
}

impl Held {
    fn read(name: &PluginName, directories: &Directories) -> Result<Self, Failure> {
        let doing = || format!("reading the grants of {:?}", name.as_str());
        let found = config::grant_file(&directories.config, name.as_str()).doing(doing)?;
        let (path, text) = found.ok_or_else(|| {
            Failure::new(doing(), "no plugin of this name was added")
                .remedy("`wasmcni plugin list` lists those that were.")
        })?;
        let grants = policy::parse(&text, &path.display().to_string()).doing(doing)?;
        match *grants.component() {
            ComponentPin::Sha256(digest) => Ok(Self { text, grants, digest: Digest(digest) }),
            ComponentPin::Bundled => Err(Failure::new(doing(), "it is a plugin of wasmcni's own")),
        }
    }
}

/// A grant file of the operator's, for this component.
fn own_grants(path: &Path, candidate: &Candidate) -> Result<(String, Grants), Failure> {
    let doing = || format!("reading {path:?}");
    let text = given::text(path).doing(doing)?;
    let text = rights::grant_file(&text, candidate.digest).unwrap_or(text);
    let grants = policy::parse(&text, &path.display().to_string()).doing(doing)?;
    if *grants.component() == ComponentPin::Sha256(candidate.digest.0) {
        return Ok((text, grants));
    }
    let cause = format!("it is for another component; this one is sha256:{}", candidate.digest);
    Err(Failure::new(doing(), cause).remedy("Write component = \"this\" or this digest."))
}

/// A component that was compiled for a trial.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    /// Which.
    pub(super) digest: Digest,
    /// The grant file that it brings.
    pub(super) manifest: Option<String>,
}

/// Compiles a component file into a store of its own, as installing it would.
pub(super) fn compile_into(file: &Path, directories: &Directories) -> Result<Compiled, Failure> {
    let compiler = Compiler::beside()?;
    let candidate = Candidate::read(file, &compiler)?;
    let manifest = candidate.manifest()?.map(|(text, _)| text);
    let code = compiler.compile(&candidate.bytes)?;
    Store::open(directories)?.publish(candidate.digest, &candidate.bytes, &code)?;
    Ok(Compiled { digest: candidate.digest, manifest })
}

/// Makes an empty store, if there is none.
pub(super) fn make_store(directories: &Directories) -> Result<(), Failure> {
    Store::open(directories).map(|_| ())
}

/// The grants in force for a plugin that was added to the node: file, text and meaning; `None`: it was not.
pub(super) fn grants_of(
    name: &str,
    directories: &Directories,
) -> Result<Option<(String, String, Grants)>, Failure> {
    let doing = || format!("reading the grants of {name:?}");
    let Some((path, text)) = config::grant_file(&directories.config, name).doing(doing)? else {
        return Ok(None);
    };
    let file = path.display().to_string();
    let grants = policy::parse(&text, &file).doing(doing)?;
    Ok(Some((file, text, grants)))
}

/// A name that a plugin may be added under.
pub(super) fn plugin_name(name: &str) -> Result<PluginName, Failure> {
    let doing = || format!("taking the name {name:?}");
    let plugin = PluginName::try_from(name).doing(doing)?;
    if find(name).is_some() {
        return Err(Failure::new(doing(), "wasmcni has a plugin of its own of this name"));
    }
    match name.starts_with("wasmcni") {
        true => Err(Failure::new(doing(), "names that begin with \"wasmcni\" are its own")),
        false => Ok(plugin),
    }
}

/// The plugins that were added: those with a grant file that is not a bundled plugin's.
fn installed(directories: &Directories) -> Result<Vec<PluginName>, Failure> {
    let path = directories.config.join("plugins");
    let files = config::files(&path).doing(|| format!("reading {path:?}"))?.unwrap_or_default();
    let names = files.iter().filter_map(|file| file.file_stem()?.to_str());
    Ok(names.filter(|name| find(name).is_none()).filter_map(|name| name.try_into().ok()).collect())
}

/// Removes components that no plugin uses. If one grant file cannot be read, it may speak of any of them.
fn sweep(store: &Store, directories: &Directories) -> Result<(), Failure> {
    let all = installed(directories)?;
    let digests = all.iter().map(|name| Held::read(name, directories).map(|held| held.digest));
    match digests.collect::<Result<Vec<_>, _>>() {
        Ok(digests) => store.sweep(&digests),
        Err(_) => Ok(()),
    }
}

fn tell(candidate: &Candidate, out: &mut dyn Write) -> Result<(), Failure> {
    let size = candidate.description.size;
    let version = candidate.description.version.as_deref().unwrap_or("no version");
    say(out, format_args!("sha256:{}, {size} octets, {version}", candidate.digest))
}

fn show(title: &str, lines: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    say(out, title)?;
    lines.iter().try_for_each(|line| say(out, format_args!("  {line}")))
}
