//! Writing what a plugin consists of: its component and code, its grant file, its symlink. Each step is a
//! rename, and the last one decides, so that whoever looks finds the old state or the new one.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, Permissions, PermissionsExt};
use nix::fcntl::{Flock, FlockArg};

use super::super::failure::{Doing, Failure};
use super::super::replacing::{self, remove, replace, sync};
use crate::component::store::{
    self, COMPONENT, Digest, Record, Sum, code_name, directory_name, record_name,
};
use crate::directories::Directories;

/// What is being written. One name is enough: who writes holds the store's lock.
const NEW: &str = ".new";
/// The binary that a plugin's symlink leads to.
const BINARY: &str = "wasmcni";

/// The store, with no other command at work in it.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    components: Dir,
    grants: Dir,
    _lock: Flock<File>,
}

impl Store {
    /// Opens the store, and makes it if there is none.
    pub(super) fn open(directories: &Directories) -> Result<Self, Failure> {
        let installed = &directories.installed;
        let root = make_dir(installed)?;
        let components = make_dir(&store::components(installed))?;
        let grants = make_dir(&directories.config.join("plugins"))?;
        let file = root.open(".").doing(|| format!("opening {installed:?}"))?.into_std();
        // Waits: whoever has it is about to be done.
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno);
        let lock = lock.doing(|| format!("locking {installed:?}"))?;
        let store = Self { path: store::components(installed), components, grants, _lock: lock };
        // What a command that was killed left.
        store.clear(NEW).doing(|| format!("removing {:?}", store.path.join(NEW)))?;
        Ok(store)
    }

    fn clear(&self, name: &str) -> std::io::Result<()> {
        match self.components.remove_dir_all(name) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Publishes a component with the code that was made of it for this build.
    pub(super) fn publish(
        &self,
        digest: Digest,
        component: &[u8],
        code: &[u8],
    ) -> Result<(), Failure> {
        let name = directory_name(digest);
        let path = self.path.join(&name);
        let done = match self.components.open_dir(&name) {
            // Of another build of wasmcni, whose code may be running, or damaged.
            Ok(dir) => renew(&dir, digest, component, code),
            Err(e) if e.kind() == ErrorKind::NotFound => self.publish_new(&name, component, code),
            Err(e) => Err(e),
        };
        done.doing(|| format!("writing {path:?}")).inspect_err(|_| {
            // The next command does it, if this one cannot.
            let _ = self.clear(NEW);
        })
    }

    fn publish_new(&self, name: &str, component: &[u8], code: &[u8]) -> std::io::Result<()> {
        let mut builder = DirBuilder::new();
        self.components.create_dir_with(NEW, builder.mode(0o755))?;
        let dir = self.components.open_dir(NEW)?;
        write(&dir, COMPONENT, component)?;
        write(&dir, &code_name(), code)?;
        write_record(&dir)?;
        sync(&dir)?;
        self.components.rename(NEW, &self.components, name)?;
        sync(&self.components)
    }

    /// The component's file, if its directory is there and holds it.
    pub(super) fn component(&self, digest: Digest) -> Result<Vec<u8>, Failure> {
        let path = self.path.join(directory_name(digest)).join(COMPONENT);
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let dir = self.components.open_dir(directory_name(digest))?;
            dir.open(COMPONENT)?.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().doing(|| format!("reading {path:?}"))?;
        match Digest::of(&bytes) == digest {
            true => Ok(bytes),
            false => Err(Failure::new(
                format!("reading {path:?}"),
                "it was changed after it was installed",
            )
            .remedy("Remove the plugin and add it again.")),
        }
    }

    /// Removes the components that none of these digests is of.
    pub(super) fn sweep(&self, wanted: &[Digest]) -> Result<(), Failure> {
        let keep: Vec<String> = wanted.iter().map(|digest| directory_name(*digest)).collect();
        let swept = || -> std::io::Result<()> {
            for entry in self.components.entries()? {
                let name = entry?.file_name();
                let name = name.to_string_lossy();
                if name.starts_with("sha256-") && !keep.iter().any(|kept| *kept == name) {
                    // Processes that run it have it mapped.
                    self.components.remove_dir_all(name.as_ref())?;
                }
            }
            Ok(())
        };
        swept().doing(|| format!("removing from {:?} what no plugin uses", self.path))
    }

    /// Writes the grant file of a plugin: from here on the name means this component.
    pub(super) fn write_grants(&self, name: &str, text: &str) -> Result<(), Failure> {
        let file = format!("{name}.toml");
        replace(&self.grants, &file, |new| {
            replacing::write(&self.grants, new, text.as_bytes(), 0o644)
        })
        .doing(|| format!("writing the grant file {file:?}"))
    }

    /// Removes it.
    pub(super) fn remove_grants(&self, name: &str) -> Result<(), Failure> {
        let file = format!("{name}.toml");
        remove(&self.grants, &file).doing(|| format!("removing the grant file {file:?}"))
    }
}

/// Code for this build in the directory of a component that is there already. The record comes last: without
/// it the code is not looked at.
fn renew(dir: &Dir, digest: Digest, component: &[u8], code: &[u8]) -> std::io::Result<()> {
    let intact = dir.read(COMPONENT).is_ok_and(|bytes| Digest::of(&bytes) == digest);
    if !intact {
        replace(dir, COMPONENT, |new| write(dir, new, component))?;
    }
    remove(dir, &record_name())?;
    replace(dir, &code_name(), |new| write(dir, new, code))?;
    write_record(dir)?;
    sync(dir)
}

fn write_record(dir: &Dir) -> std::io::Result<()> {
    let record = Record {
        component: Sum::of(&mut dir.open(COMPONENT)?)?,
        code: Sum::of(&mut dir.open(code_name())?)?,
    };
    let text = serde_json::to_vec(&record)?;
    replace(dir, &record_name(), |new| write(dir, new, &text))
}

/// For all to read, for nobody to write: it never changes.
fn write(dir: &Dir, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    replacing::write(dir, name, bytes, 0o444)
}

/// The directory, made if it is missing: for all to read, for root to write, whatever the umask.
fn make_dir(path: &Path) -> Result<Dir, Failure> {
    let made = match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Dir::create_ambient_dir_all(path, ambient_authority()).and_then(|()| {
                let dir = Dir::open_ambient_dir(path, ambient_authority())?;
                dir.set_permissions(".", Permissions::from_mode(0o755))?;
                Ok(dir)
            })
        }
        opened => opened,
    };
    made.doing(|| format!("opening {path:?}")).map_err(needs_root)
}

fn needs_root(failure: Failure) -> Failure {
    match nix::unistd::geteuid().is_root() {
        true => failure,
        false => failure.remedy("Plugins are installed by root: run it with sudo."),
    }
}

/// The runtime's plugin directory, where a plugin is a symlink to wasmcni.
#[derive(Debug)]
pub(super) struct Links {
    path: PathBuf,
    dir: Dir,
}

impl Links {
    /// Opens the directory, which must hold wasmcni.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let install =
            "Place wasmcni there first: `wasmcni install`, or name the directory by --dir.";
        let dir = Dir::open_ambient_dir(path, ambient_authority());
        let dir = dir.doing(|| format!("opening {path:?}")).map_err(|f| f.remedy(install))?;
        match dir.symlink_metadata(BINARY) {
            Ok(_) => Ok(Self { path: path.to_owned(), dir }),
            Err(e) => {
                Err(Failure::new(format!("looking at {:?}", path.join(BINARY)), e).remedy(install))
            }
        }
    }

    /// Whether a name is a symlink to wasmcni; `None`: nothing is there.
    pub(super) fn ours(&self, name: &str) -> Result<Option<bool>, Failure> {
        let doing = || format!("looking at {:?}", self.path.join(name));
        match self.dir.symlink_metadata(name) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).doing(doing),
            Ok(seen) if seen.is_symlink() => {
                let to = self.dir.read_link_contents(name).doing(doing)?;
                Ok(Some(to.file_name() == Some(BINARY.as_ref())))
            }
            Ok(_) => Ok(Some(false)),
        }
    }

    /// Makes the symlink.
    pub(super) fn make(&self, name: &str) -> Result<(), Failure> {
        replace(&self.dir, name, |new| self.dir.symlink_contents(BINARY, new))
            .doing(|| format!("making {:?}", self.path.join(name)))
            .map_err(needs_root)
    }

    /// Removes it.
    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        remove(&self.dir, name)
            .and_then(|()| sync(&self.dir))
            .doing(|| format!("removing {:?}", self.path.join(name)))
            .map_err(needs_root)
    }
}
