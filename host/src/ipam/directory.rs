//! The directory of one network's reservations: the truth, in the reference plugin's format.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, ftruncate, linkat, read, unlinkat, write};

use super::error::StoreError;
use super::owner::{Attachment, Content, MAX_CONTENT_BYTES, render};
use crate::names::NetworkName;

/// A reservation before it has its name. One name suffices: there is one writer at a time.
const UNPUBLISHED: &str = ".wasmcni-new";

/// Before the number of a range set.
const LAST_RESERVED: &str = "last_reserved_ip.";

/// Nanoseconds that a mark is ahead of the kernel's time, at most.
const MAX_MARK_NS: u64 = 999_983;

/// An open directory of reservations.
#[derive(Debug)]
pub(super) struct Directory {
    dir: Dir,
    path: PathBuf,
}

/// What came of publishing a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// The file is there now, whole.
    Yes,
    /// Its name is taken by a file that is not empty.
    Taken,
}

/// A reservation as a walk finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) address: IpAddr,
    /// As it is in the directory: tools may spell an address otherwise than Go does.
    pub(super) name: String,
    pub(super) content: Content,
}

/// What the directory was like: it changes with every file that is made or removed by anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) dev: u64,
    pub(super) ino: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    fn of(stat: &FileStat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
        }
    }

    pub(super) fn render(self) -> String {
        let Self { dev, ino, changed, modified } = self;
        format!("1 {dev} {ino} {}.{} {}.{}", changed.0, changed.1, modified.0, modified.1)
    }
}

impl Directory {
    /// Opens `<root>/<network>`, making it where it is missing.
    pub(super) fn open(root: &Path, network: &NetworkName) -> Result<Self, StoreError> {
        if !root.is_absolute() {
            return Err(StoreError::Relative { path: root.to_owned() });
        }
        let path = root.join(network.as_str());
        let dir = open_or_make(&path, Mode::from_bits_truncate(0o755))?;
        Ok(Self { dir, path })
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What a reservation says; none if there is no such file.
    pub(super) fn read(&self, name: &str) -> Result<Option<Content>, StoreError> {
        let mut buffer = [0; MAX_CONTENT_BYTES];
        // Without O_NONBLOCK a FIFO under an address's name would keep this call for ever.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::ENOENT) => return Ok(None),
            // A symlink, a socket, a device without a driver.
            Err(Errno::ELOOP | Errno::ENXIO | Errno::ENODEV) => return Ok(Some(Content::Foreign)),
            Err(errno) => return Err(self.refused("opening", name, errno)),
        };
        let length = match read(&file, &mut buffer) {
            Ok(length) => length,
            Err(Errno::EISDIR) => return Ok(Some(Content::Foreign)),
            Err(errno) => return Err(self.refused("reading", name, errno)),
        };
        match buffer.get(..length) {
            Some([]) if !is_regular(&file) => Ok(Some(Content::Foreign)),
            Some(bytes) if length < MAX_CONTENT_BYTES => Ok(Some(Content::parse(bytes))),
            Some(_) | None => Ok(Some(Content::Foreign)),
        }
    }

    /// Makes a reservation's file, whole or not at all: it is written under another name first, and
    /// gets its own by a link, which never replaces. An empty file in its place is replaced.
    pub(super) fn publish(
        &self,
        address: IpAddr,
        attachment: &Attachment,
    ) -> Result<Published, StoreError> {
        let name = file_name(address);
        self.write_unpublished(render(attachment).as_bytes())?;
        let outcome = self.link_unpublished(&name);
        // What cannot be removed now, the next writer removes.
        drop(self.discard_unpublished());
        outcome
    }

    fn write_unpublished(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let make = || openat(&self.dir, UNPUBLISHED, flags, Mode::from_bits_truncate(0o600));
        let file = match make() {
            // Of a process that was killed. It may be a second name of a reservation, so it must be
            // removed, not written to.
            Err(Errno::EEXIST) => {
                self.discard_unpublished()?;
                make()
            }
            other => other,
        };
        let file = file.map_err(|errno| self.refused("creating", UNPUBLISHED, errno))?;
        write_all(&file, bytes).map_err(|errno| {
            drop(self.discard_unpublished());
            self.refused("writing", UNPUBLISHED, errno)
        })
    }

    fn link_unpublished(&self, name: &str) -> Result<Published, StoreError> {
        let refused = |errno| self.refused("creating", name, errno);
        match linkat(&self.dir, UNPUBLISHED, &self.dir, name, AtFlags::empty()) {
            Ok(()) => Ok(Published::Yes),
            Err(Errno::EEXIST) => match self.read(name)? {
                Some(Content::Empty) => {
                    renameat(&self.dir, UNPUBLISHED, &self.dir, name).map_err(refused)?;
                    Ok(Published::Yes)
                }
                _ => Ok(Published::Taken),
            },
            // A file system without hard links. The lock keeps others off between look and rename.
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EMLINK) => {
                match self.read(name)? {
                    None | Some(Content::Empty) => {
                        renameat(&self.dir, UNPUBLISHED, &self.dir, name).map_err(refused)?;
                        Ok(Published::Yes)
                    }
                    Some(_) => Ok(Published::Taken),
                }
            }
            Err(errno) => Err(refused(errno)),
        }
    }

    /// Removes what a killed process left unpublished, or what was linked to its name.
    pub(super) fn discard_unpublished(&self) -> Result<(), StoreError> {
        self.remove(UNPUBLISHED).map(|_| ())
    }

    /// Removes a file; tells whether there was one.
    pub(super) fn remove(&self, name: &str) -> Result<bool, StoreError> {
        match unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.refused("removing", name, errno)),
        }
    }

    /// Every file that is named for an address. Its cost grows with them.
    pub(super) fn walk(&self) -> Result<Vec<Entry>, StoreError> {
        let listing = |error: std::io::Error| StoreError::io("listing", &self.path, &error);
        let mut entries = Vec::new();
        for entry in self.dir.entries().map_err(listing)? {
            let name = entry.map_err(listing)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let Ok(address) = name.parse::<IpAddr>() else { continue };
            // One bad file must not keep all others from being released: what it says is nobody's.
            if let Some(content) = self.read(name).unwrap_or(Some(Content::Foreign)) {
                entries.push(Entry {
                    address: address.to_canonical(),
                    name: name.to_owned(),
                    content,
                });
            }
        }
        Ok(entries)
    }

    /// The address that was last reserved from a range set. What is no address counts as none, as it
    /// does for the reference plugin: a new turn then begins at the range's start.
    pub(super) fn last_reserved(&self, range_set: u32) -> Result<Option<IpAddr>, StoreError> {
        let mut buffer = [0; 64];
        let name = format!("{LAST_RESERVED}{range_set}");
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = match openat(&self.dir, name.as_str(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(None),
            Err(errno) => return Err(self.refused("opening", &name, errno)),
        };
        let length =
            read(&file, &mut buffer).map_err(|errno| self.refused("reading", &name, errno))?;
        let text = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(text.and_then(|text| text.parse::<IpAddr>().ok()).map(|address| address.to_canonical()))
    }

    /// Notes the address that was last reserved from a range set. It is written in place, the old
    /// end cut off first: what a process killed in between leaves is another address or none, which
    /// costs one turn of the round robin. Replacing the file would cost a flush on ext4 (auto_da_alloc).
    pub(super) fn note_last_reserved(
        &self,
        range_set: u32,
        address: IpAddr,
    ) -> Result<(), StoreError> {
        let name = format!("{LAST_RESERVED}{range_set}");
        let refused = |errno| self.refused("writing", &name, errno);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let mode = Mode::from_bits_truncate(0o600);
        let file = openat(&self.dir, name.as_str(), flags, mode).map_err(refused)?;
        let text = file_name(address);
        let old_length = fstat(&file).map_err(refused)?.st_size;
        match i64::try_from(text.len()) {
            Ok(length) if length < old_length => ftruncate(&file, length).map_err(refused)?,
            Ok(_) | Err(_) => {}
        }
        write_all(&file, text.as_bytes()).map_err(refused)
    }

    /// What the directory is like now.
    pub(super) fn stamp(&self) -> Result<Stamp, StoreError> {
        let stat = fstat(&self.dir).map_err(|errno| self.refused("reading", "", errno))?;
        Ok(Stamp::of(&stat))
    }

    /// Gives the directory a modification time that no change by anybody will have: the kernel's own
    /// times are so coarse that two changes within some milliseconds may have the same. None on a file
    /// system that does not keep nanoseconds.
    pub(super) fn mark(&self, random: u64) -> Result<Option<Stamp>, StoreError> {
        let refused = |errno| self.refused("setting the time of", "", errno);
        let (seconds, nanoseconds) = self.stamp()?.modified;
        let ahead = i64::try_from(1 + random % MAX_MARK_NS).unwrap_or(1);
        let total = nanoseconds + ahead;
        let (seconds, nanoseconds) = if total < 1_000_000_000 {
            (seconds, total)
        } else {
            (seconds + 1, total - 1_000_000_000)
        };
        futimens(&self.dir, &TimeSpec::UTIME_OMIT, &TimeSpec::new(seconds, nanoseconds))
            .map_err(refused)?;
        let stamp = self.stamp()?;
        Ok((stamp.modified == (seconds, nanoseconds)).then_some(stamp))
    }

    fn refused(&self, act: &'static str, name: &str, errno: Errno) -> StoreError {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        StoreError::system(act, &path, errno)
    }
}

/// An address as Go prints it, and so the reference plugin names its file.
pub(super) fn file_name(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

/// Opens a directory, making it and what leads to it where missing. Its mode does not hang on a
/// runtime's umask of 0.
pub(super) fn open_or_make(path: &Path, mode: Mode) -> Result<Dir, StoreError> {
    // cap-std's own open gives a descriptor (O_PATH) that the directory's time cannot be set by.
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let open = || openat(AT_FDCWD, path, flags, Mode::empty());
    let dir = match open() {
        Err(Errno::ENOENT) => {
            make(path, mode)?;
            open()
        }
        other => other,
    };
    dir.map(|dir| Dir::from_std_file(dir.into()))
        .map_err(|errno| StoreError::system("opening", path, errno))
}

fn make(path: &Path, mode: Mode) -> Result<(), StoreError> {
    let refused = |errno| StoreError::system("creating", path, errno);
    match (mkdirat(AT_FDCWD, path, mode), path.parent()) {
        (Ok(()) | Err(Errno::EEXIST), _) => Ok(()),
        (Err(Errno::ENOENT), Some(parent)) => {
            make(parent, mode)?;
            match mkdirat(AT_FDCWD, path, mode) {
                Ok(()) | Err(Errno::EEXIST) => Ok(()),
                Err(errno) => Err(refused(errno)),
            }
        }
        (Err(errno), _) => Err(refused(errno)),
    }
}

fn is_regular(file: &OwnedFd) -> bool {
    fstat(file)
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG)
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = write(file, bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}
