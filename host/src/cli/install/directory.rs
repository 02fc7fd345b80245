//! The plugin directory: looked at, and changed one name at a time by rename.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt};
use nix::fcntl::{Flock, FlockArg};

use super::super::failure::{Doing, Failure};
use super::super::replacing;
use super::plan::{Act, Found, Step, kept_name};
use super::{BINARY, COMPILER};

/// What is being written. One name is enough: who writes holds the directory's lock.
const NEW: &str = ".wasmcni.new";
/// Mode of the binary and of a directory that is made: for all to execute, for root to write.
const MODE: u32 = 0o755;

/// A program that is placed.
#[derive(Debug)]
pub(super) struct Program {
    /// Its name in the directory.
    pub(super) name: &'static str,
    content: Vec<u8>,
}

impl Program {
    /// Reads this very program, even if its file has been deleted or replaced meanwhile.
    #[allow(clippy::disallowed_methods, reason = "the operator asked for a copy of it")]
    pub(super) fn own() -> Result<Self, Failure> {
        let content = std::fs::read("/proc/self/exe")
            .doing(|| "reading \"/proc/self/exe\", which is this program")?;
        Ok(Self { name: BINARY, content })
    }

    /// The compiler that stands beside this program, if one does.
    #[allow(clippy::disallowed_methods, reason = "the operator asked for a copy of it")]
    pub(super) fn compiler() -> Result<Option<Self>, Failure> {
        let own = std::env::current_exe().doing(|| "asking where this program is")?;
        let path = own.with_file_name(COMPILER);
        match std::fs::read(&path) {
            Ok(content) => Ok(Some(Self { name: COMPILER, content })),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Failure::new(format!("reading {path:?}"), e)),
        }
    }
}

/// The plugin directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    dir: Dir,
    /// The directory as a file: the lock of installs, and how it is brought to the disk.
    file: Option<Flock<File>>,
}

impl Directory {
    /// The directory as it is, for looking; `None`: there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Failure> {
        match Dir::open_ambient_dir(path, ambient_authority()) {
            Ok(dir) => Ok(Some(Self { path: path.to_owned(), dir, file: None })),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Failure::new(format!("opening {path:?}"), e)),
        }
    }

    /// The directory, made if need be, with no other install at work in it.
    pub(super) fn open_or_make(path: &Path) -> Result<Self, Failure> {
        let mut directory = match Self::open(path)? {
            Some(directory) => directory,
            None => {
                make(path).doing(|| format!("making {path:?}")).map_err(needs_root)?;
                let made = Self::open(path)?;
                made.ok_or_else(|| Failure::new(format!("opening {path:?}"), "it is gone again"))?
            }
        };
        let file = directory.dir.open(".").doing(|| format!("opening {path:?}"))?.into_std();
        // Waits: whoever has it is about to be done.
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno);
        directory.file = Some(lock.doing(|| format!("locking {path:?}"))?);
        Ok(directory)
    }

    /// What stands at a name.
    pub(super) fn look(&self, name: &str, program: &Program) -> Result<Found, Failure> {
        self.found(name, program).doing(|| format!("looking at {:?}", self.path.join(name)))
    }

    fn found(&self, name: &str, program: &Program) -> io::Result<Found> {
        let Some(seen) = self.metadata(name)? else { return Ok(Found::Nothing) };
        if seen.is_symlink() {
            return Ok(Found::Symlink(self.dir.read_link_contents(name)?));
        }
        if !seen.is_file() {
            return Ok(Found::Other);
        }
        if self.holds(name, &seen, &program.content)? {
            return Ok(Found::ThisBinary);
        }
        let former = self.metadata(BINARY)?.filter(Metadata::is_file);
        let former = former.filter(|former| former.len() == seen.len());
        let same = match former {
            Some(former) if (former.dev(), former.ino()) == (seen.dev(), seen.ino()) => true,
            Some(_) => self.holds(name, &seen, &self.dir.read(BINARY)?)?,
            None => false,
        };
        Ok(if same { Found::FormerBinary } else { Found::File })
    }

    fn metadata(&self, name: &str) -> io::Result<Option<Metadata>> {
        match self.dir.symlink_metadata(name) {
            Ok(seen) => Ok(Some(seen)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn holds(&self, name: &str, seen: &Metadata, content: &[u8]) -> io::Result<bool> {
        Ok(seen.len() == content.len() as u64 && self.dir.read(name)? == content)
    }

    /// Does what the plan says of a name. Afterwards, or when it is killed, it is done or not begun.
    /// `program`: the one of this name, if it is one.
    pub(super) fn act(&self, step: &Step<'_>, program: Option<&Program>) -> Result<(), Failure> {
        let path = self.path.join(step.name);
        let cleared = || replacing::remove(&self.dir, NEW);
        let made = match (step.act, program) {
            (Act::Leave, _) => return Ok(()),
            (Act::Place, Some(program)) => {
                cleared().and_then(|()| replacing::write(&self.dir, NEW, &program.content, MODE))
            }
            (Act::Place, None) => Err(ErrorKind::NotFound.into()),
            (Act::Link, _) => cleared().and_then(|()| self.dir.symlink_contents(BINARY, NEW)),
        };
        let done = made.and_then(|()| {
            if step.keep_former {
                self.keep(step.name)?;
            }
            self.dir.rename(NEW, &self.dir, step.name)
        });
        done.doing(|| format!("replacing {path:?}")).map_err(|failure| {
            // What was not finished; if it cannot be removed, the next install does it.
            let _ = replacing::remove(&self.dir, NEW);
            needs_root(failure)
        })
    }

    /// Whether something else stands where a name's file would be kept.
    pub(super) fn kept_before(&self, name: &str) -> Result<bool, Failure> {
        let kept = kept_name(name);
        let other = self.metadata(&kept).and_then(|kept| Ok((kept, self.metadata(name)?)));
        match other.doing(|| format!("looking at {:?}", self.path.join(&kept)))? {
            (None, _) => Ok(false),
            // An install was killed between keeping and replacing.
            (Some(kept), Some(seen)) => Ok((kept.dev(), kept.ino()) != (seen.dev(), seen.ino())),
            (Some(_), None) => Ok(true),
        }
    }

    /// Gives what stands at a name a second one. Equivalent: `ln -P NAME NAME.before-wasmcni`.
    fn keep(&self, name: &str) -> io::Result<()> {
        match self.dir.hard_link(name, &self.dir, kept_name(name)) {
            // It is this very file: see `kept_before`, on which the plan rests.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            done => done,
        }
    }

    /// Brings the names to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.sync_all())
    }
}

/// `mkdir -p`
fn make(path: &Path) -> io::Result<()> {
    Dir::create_ambient_dir_all(path, ambient_authority())
}

fn needs_root(failure: Failure) -> Failure {
    if nix::unistd::geteuid().is_root() {
        return failure;
    }
    failure.remedy(
        "The plugin directory is root's: run it as root (sudo), or name another one by --dir.",
    )
}
