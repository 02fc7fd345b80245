//! The index as files of a directory on tmpfs:
//! - `<container id>:<ifname>`, a symlink whose target is the list of addresses: made, read and
//!   replaced by one call each, and without a page of its own;
//! - `4-<high bits>`, `6-<high bits>`, bitmaps of 32,768 addresses;
//! - `state`, a symlink whose target is the stamp of the directory that all this was true for.
//!
//! Nobody follows the symlinks. A process that is killed at any point leaves a state that does not fit
//! the directory's stamp any more, and the next one begins anew.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use cap_std::fs::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat, renameat};
use nix::sys::stat::Mode;
use nix::sys::uio::{pread, pwrite};
use nix::unistd::{UnlinkatFlags, read, symlinkat, unlinkat};

use super::bitmap::{CHUNK_BYTES, Chunk, mask, place};
use super::directory::{Stamp, open_or_make};
use super::error::errno_of;
use super::index::Snapshot;
use super::owner::Key;
use crate::names::NetworkName;

const STATE: &str = "state";

/// A symlink that is about to replace another. No key is like it: container IDs are not empty.
const NEXT: &str = ":next";

/// Between the addresses of one owner.
const SEPARATOR: &str = ",";

/// The index of one directory, named for its network, device and inode: two data directories may
/// both have a network of one name.
#[derive(Debug)]
pub(super) struct IndexFiles {
    dir: Dir,
}

impl IndexFiles {
    pub(super) fn open(root: &Path, network: &NetworkName, stamp: Stamp) -> Result<Self, Errno> {
        let path = root.join(format!("{network}:{:x}:{:x}", stamp.dev, stamp.ino));
        let dir = open_or_make(&path, Mode::from_bits_truncate(0o700))
            .map_err(|error| error.errno().unwrap_or(Errno::EIO))?;
        Ok(Self { dir })
    }

    /// Whether the index is that of the directory as it is.
    pub(super) fn fits(&self, stamp: Stamp) -> bool {
        self.read_link(STATE).is_ok_and(|state| state.as_deref() == Some(&stamp.render()))
    }

    pub(super) fn note_state(&self, stamp: Stamp) -> Result<(), Errno> {
        self.put_link(STATE, &stamp.render())
    }

    /// Writes the whole index anew. The state goes first and is not written: half an index must fit
    /// nothing.
    pub(super) fn rewrite(&self, snapshot: &Snapshot) -> Result<(), Errno> {
        self.remove_link(STATE)?;
        for entry in self.dir.entries().map_err(|error| errno_of(&error))? {
            let name = entry.map_err(|error| errno_of(&error))?.file_name();
            unlinkat(&self.dir, name.as_os_str(), UnlinkatFlags::NoRemoveDir)?;
        }
        for (owner, held) in &snapshot.owners {
            symlinkat(render(held).as_str(), &self.dir, owner.as_str())?;
        }
        let mut chunks = BTreeMap::<Chunk, Vec<u8>>::new();
        for address in &snapshot.taken {
            let (chunk, bit) = place(*address);
            let bytes = chunks.entry(chunk).or_insert_with(|| vec![0; CHUNK_BYTES]);
            if let Some(byte) = bytes.get_mut(usize::from(bit / 8)) {
                *byte |= mask(bit);
            }
        }
        for (chunk, bytes) in chunks {
            let file = openat(&self.dir, chunk.file_name().as_str(), create(), private())?;
            let written = pwrite(&file, &bytes, 0)?;
            if written != bytes.len() {
                return Err(Errno::ENOSPC);
            }
        }
        Ok(())
    }

    pub(super) fn held(&self, owner: &Key) -> Result<Vec<IpAddr>, Errno> {
        let text = self.read_link(owner.as_str())?;
        Ok(text.iter().flat_map(|text| text.split(SEPARATOR)).flat_map(str::parse).collect())
    }

    pub(super) fn is_taken(&self, address: IpAddr) -> Result<bool, Errno> {
        let (chunk, bit) = place(address);
        match openat(&self.dir, chunk.file_name().as_str(), existing(), Mode::empty()) {
            Ok(file) => Ok(read_byte(&file, bit)? & mask(bit) != 0),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn next_free(&self, first: IpAddr, last: IpAddr) -> Result<Option<IpAddr>, Errno> {
        let (mut chunk, _) = place(first);
        let (end, _) = place(last);
        while chunk <= end {
            let mut bytes = [0; CHUNK_BYTES];
            let length =
                match openat(&self.dir, chunk.file_name().as_str(), existing(), Mode::empty()) {
                    Ok(file) => read(&file, &mut bytes)?,
                    Err(Errno::ENOENT) => 0,
                    Err(errno) => return Err(errno),
                };
            let (from, to) = chunk.bits_between(first, last);
            let bytes = bytes.get(..length).unwrap_or_default();
            if let Some(address) = chunk.first_clear(bytes, from, to) {
                return Ok(Some(address));
            }
            chunk = chunk.next();
        }
        Ok(None)
    }

    pub(super) fn insert(&self, address: IpAddr, owner: Option<&Key>) -> Result<(), Errno> {
        let (chunk, bit) = place(address);
        let file = openat(&self.dir, chunk.file_name().as_str(), create(), private())?;
        let byte = read_byte(&file, bit)?;
        write_byte(&file, bit, byte | mask(bit))?;
        let Some(owner) = owner else { return Ok(()) };
        let mut held = self.held(owner)?;
        if held.contains(&address) {
            return Ok(());
        }
        held.push(address);
        self.put_link(owner.as_str(), &render(&held))
    }

    pub(super) fn remove(&self, address: IpAddr, owner: Option<&Key>) -> Result<(), Errno> {
        let (chunk, bit) = place(address);
        match openat(&self.dir, chunk.file_name().as_str(), existing(), Mode::empty()) {
            Ok(file) => {
                let byte = read_byte(&file, bit)?;
                write_byte(&file, bit, byte & !mask(bit))?;
            }
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        let Some(owner) = owner else { return Ok(()) };
        let mut held = self.held(owner)?;
        held.retain(|other| *other != address);
        if held.is_empty() {
            return self.remove_link(owner.as_str());
        }
        self.put_link(owner.as_str(), &render(&held))
    }

    fn read_link(&self, name: &str) -> Result<Option<String>, Errno> {
        match readlinkat(&self.dir, name) {
            Ok(target) => Ok(target.into_string().ok()),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Makes a symlink, or replaces one whole.
    fn put_link(&self, name: &str, target: &str) -> Result<(), Errno> {
        match symlinkat(target, &self.dir, name) {
            Err(Errno::EEXIST) => {
                match symlinkat(target, &self.dir, NEXT) {
                    // Of a process that was killed.
                    Err(Errno::EEXIST) => {
                        self.remove_link(NEXT)?;
                        symlinkat(target, &self.dir, NEXT)?;
                    }
                    other => other?,
                }
                renameat(&self.dir, NEXT, &self.dir, name)
            }
            other => other,
        }
    }

    fn remove_link(&self, name: &str) -> Result<(), Errno> {
        match unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

fn render(held: &[IpAddr]) -> String {
    held.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(SEPARATOR)
}

fn create() -> OFlag {
    existing() | OFlag::O_CREAT
}

fn existing() -> OFlag {
    OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW
}

fn private() -> Mode {
    Mode::from_bits_truncate(0o600)
}

/// The byte of a bit; 0 behind the end of the file.
fn read_byte(file: &OwnedFd, bit: u16) -> Result<u8, Errno> {
    let mut byte = [0];
    pread(file, &mut byte, i64::from(bit / 8))?;
    let [byte] = byte;
    Ok(byte)
}

fn write_byte(file: &OwnedFd, bit: u16, byte: u8) -> Result<(), Errno> {
    pwrite(file, &[byte], i64::from(bit / 8)).map(|_| ())
}
