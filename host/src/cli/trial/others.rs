//! Plugins that are not part of wasmcni, in trials: component files of their authors, and what is installed
//! on this node.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::failure::{Doing, Failure};
use super::super::plugin::{self, Compiled};
use super::super::words::GivenPlugin;
use super::{GivenGrants, Root};
use crate::component::store::{self, Digest};
use crate::component::{self, BUNDLED, Bundled};
use crate::directories::Directories;
use crate::names::PluginName;
use crate::policy::ComponentPin;

/// Plugins of others that trials know. A clone knows the same, and may come to know more.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Others {
    compiled: Rc<Compilations>,
    plugins: Vec<Other>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(in super::super) struct Other {
    /// Its CNI type.
    pub(in super::super) name: &'static str,
    /// Which component it is.
    pub(in super::super) digest: Digest,
    /// Its manifest, or the grants that are in force for it; none: it brings none.
    pub(in super::super) grants: Option<GivenGrants>,
}

/// Code that was made in this run, in a store that is thrown away: each file is compiled once.
#[derive(Debug, Default)]
struct Compilations {
    root: RefCell<Option<Root>>,
    known: RefCell<BTreeMap<PathBuf, Compiled>>,
}

impl Compilations {
    /// The store, made when it is first needed.
    fn directories(&self) -> Result<Directories, Failure> {
        let mut root = self.root.borrow_mut();
        let root = match root.as_mut() {
            Some(root) => root,
            None => root.insert(Root::new("wasmcni-components-XXXXXX")?),
        };
        Ok(Directories::below(&root.0))
    }

    fn compile(&self, file: &Path) -> Result<Compiled, Failure> {
        let doing = || format!("reading {file:?}");
        let file = fs::canonicalize(file).doing(doing)?;
        if let Some(known) = self.known.borrow().get(&file) {
            return Ok(known.clone());
        }
        let compiled = plugin::compile_into(&file, &self.directories()?)?;
        self.known.borrow_mut().insert(file, compiled.clone());
        Ok(compiled)
    }
}

impl Others {
    /// Those that the command line names.
    pub(in super::super) fn given(all: &[GivenPlugin]) -> Result<Self, Failure> {
        let mut others = Self::default();
        for GivenPlugin { name, file } in all {
            others.add(name, file)?;
        }
        Ok(others)
    }

    /// Takes a component file as the plugin of this CNI type, in the place of any other one.
    pub(in super::super) fn add(&mut self, name: &str, file: &Path) -> Result<(), Failure> {
        let plugin = PluginName::try_from(name).doing(|| format!("taking the name {name:?}"))?;
        let Compiled { digest, manifest } = self.compiled.compile(file)?;
        let given = |file: String, text| GivenGrants { plugin: name.to_owned(), file, text };
        // A component that stands in for a bundled plugin and says nothing may do what that one may.
        let bundled = component::find(name).map(|plugin| plugin.grants.to_owned());
        let grants = match (manifest, bundled) {
            (Some(text), _) => Some(given(format!("{}:manifest", file.display()), text)),
            (None, Some(text)) => Some(given(format!("bundled:{name}/grants.toml"), text)),
            (None, None) => None,
        };
        self.put(plugin, digest, grants);
        Ok(())
    }

    /// Takes the plugins of these types that are installed on the node, as far as they are, and no other is
    /// known of that name.
    pub(in super::super) fn add_installed(
        &mut self,
        names: &[String],
        node: &Directories,
    ) -> Result<(), Failure> {
        for name in names {
            let Ok(plugin) = PluginName::try_from(name.as_str()) else { continue };
            if component::find(name).is_some() || self.find(name).is_some() {
                continue;
            }
            let Some((file, text, grants)) = plugin::grants_of(name, node)? else { continue };
            let ComponentPin::Sha256(digest) = *grants.component() else { continue };
            let directory = store::directory_name(Digest(digest));
            let ours = store::components(&self.compiled.directories()?.installed);
            let theirs = store::components(&node.installed).join(&directory);
            let doing = || format!("taking plugin {name:?} as it is installed");
            plugin::make_store(&self.compiled.directories()?)?;
            // The files themselves: whether they are what was installed is seen when they are loaded.
            match symlink(theirs, ours.join(&directory)) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(e).doing(doing)?,
                Ok(()) | Err(_) => {}
            }
            let grants = GivenGrants { plugin: name.clone(), file, text };
            self.put(plugin, Digest(digest), Some(grants));
        }
        Ok(())
    }

    fn put(&mut self, name: PluginName, digest: Digest, grants: Option<GivenGrants>) {
        self.plugins.retain(|other| other.name != name.as_str());
        // Leaked: a run has a plugin or two.
        let name: &'static str = name.to_string().leak();
        self.plugins.push(Other { name, digest, grants });
    }

    /// The plugin of this CNI type.
    pub(in super::super) fn find(&self, name: &str) -> Option<&Other> {
        self.plugins.iter().find(|other| other.name == name)
    }

    /// The CNI types of all plugins, bundled and others.
    pub(in super::super) fn names(&self) -> Vec<&'static str> {
        let bundled = BUNDLED.iter().map(|plugin| plugin.name);
        let bundled = bundled.filter(|name| self.find(name).is_none());
        bundled.chain(self.plugins.iter().map(|other| other.name)).collect()
    }

    /// Every plugin that a trial can run: a component of that name stands in for a bundled one.
    pub(super) fn plugins(&self) -> Vec<Bundled> {
        let bundled = BUNDLED.iter().filter(|plugin| self.find(plugin.name).is_none()).copied();
        bundled.chain(self.plugins.iter().map(|other| Bundled::installed(other.name))).collect()
    }

    /// Where their code is.
    pub(in super::super) fn installed(&self) -> Option<PathBuf> {
        let root = self.compiled.root.borrow();
        root.as_ref().map(|root| Directories::below(&root.0).installed)
    }

    /// The grants of a trial: those given, and for other plugins that have none given their own; each for the
    /// component that is there.
    pub(super) fn grants(&self, given: Vec<GivenGrants>) -> Result<Vec<GivenGrants>, Failure> {
        let mut all = given;
        for other in &self.plugins {
            let found = all.iter().any(|grants| grants.plugin == other.name);
            match &other.grants {
                _ if found => {}
                Some(grants) => all.push(grants.clone()),
                None => {
                    let cause = "it brings no manifest of the rights that it needs";
                    return Err(Failure::new(format!("trying {:?}", other.name), cause).remedy(
                        "Give it grants: `plan --grants DIR` with NAME.toml in DIR, `[grants]` in a \
                         test file.",
                    ));
                }
            }
        }
        Ok(all.into_iter().map(|grants| self.fitted(grants)).collect())
    }

    /// Grants for the component that is there under the plugin's name, if that is no bundled one.
    pub(in super::super) fn fitted(&self, grants: GivenGrants) -> GivenGrants {
        match self.find(&grants.plugin) {
            Some(other) => GivenGrants { text: pinned(&grants.text, other.digest), ..grants },
            None => grants,
        }
    }
}

/// A grant file for the component of this digest, whichever it was for: in a trial, the command line says which
/// component is meant. Lines keep their numbers.
fn pinned(text: &str, digest: Digest) -> String {
    let is_pin = |line: &str| {
        line.trim_start()
            .strip_prefix("component")
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let top = text.lines().take_while(|line| !line.trim_start().starts_with('['));
    let Some(at) = top.clone().position(is_pin) else { return text.to_owned() };
    let lines = text.lines().enumerate().map(|(number, line)| match number == at {
        true => format!("component = \"sha256:{digest}\""),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_for_the_component_that_is_there() {
        let digest = Digest([0xab; 32]);
        let pin = format!("component = \"sha256:{}\"", "ab".repeat(32));
        for old in ["\"this\"", "\"bundled\"", "\"sha256:00\""] {
            let text = format!("# x\ncomponent = {old} # y\n[[grant]]\nop = \"netns.enter\"\n");
            let expected = format!("# x\n{pin}\n[[grant]]\nop = \"netns.enter\"\n");
            assert_eq!(pinned(&text, digest), expected);
        }
        // What says nothing is for the parser to complain of.
        assert_eq!(
            pinned("[[grant]]\ncomponent = \"x\"\n", digest),
            "[[grant]]\ncomponent = \"x\"\n"
        );
    }

    #[test]
    fn a_trial_without_others_knows_the_bundled_plugins() {
        let others = Others::default();
        assert_eq!(others.names().len(), BUNDLED.len());
        assert!(others.installed().is_none() && others.grants(Vec::new()).unwrap().is_empty());
    }
}
