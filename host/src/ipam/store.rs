//! The reservations of one network, locked.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use super::directory::{Directory, Published, file_name};
use super::error::StoreError;
use super::index::{Index, Snapshot};
use super::index_files::IndexFiles;
use super::lock::{LOCK, Lock, Locked, acquire};
use super::owner::{Attachment, Content, Key};
use crate::names::{ContainerId, NetworkName};

/// How often the lock is taken anew when an operator removes the directory under it.
const MAX_ATTEMPTS: u32 = 3;

/// What came of asking for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The attachment holds it now, and did not before.
    Reserved,
    /// Somebody held it before, be it this attachment: undo must never release what an earlier ADD
    /// reserved.
    Taken,
}

/// The reservations of one network, locked until this is dropped.
#[derive(Debug)]
pub struct Store {
    directory: Directory,
    index: Index,
    /// Whether the directory or the index is another than when the index's state was written.
    changed: bool,
    _lock: Lock,
}

impl Store {
    /// Opens and locks the reservations of a network in a data directory, making the directory where
    /// it is missing. `index_root` is where the index is kept: on tmpfs, so that it is gone after a
    /// reboot.
    ///
    /// Cost: that of a few files, unless somebody else changed the directory since this was last
    /// called; then it is read whole.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if the lock is not had within `deadline`; the file system's refusals.
    pub fn open(
        root: &Path,
        network: &NetworkName,
        index_root: &Path,
        deadline: Duration,
    ) -> Result<Self, StoreError> {
        let (directory, lock) = lock(root, network, deadline)?;
        let stamp = directory.stamp()?;
        let files = IndexFiles::open(index_root, network, stamp);
        if let Ok(files) = files {
            if files.fits(stamp) {
                return Ok(Self {
                    directory,
                    index: Index::Files(files),
                    changed: false,
                    _lock: lock,
                });
            }
            let mut store =
                Self { directory, index: Index::Files(files), changed: true, _lock: lock };
            store.rebuild()?;
            return Ok(store);
        }
        let snapshot = Snapshot::of(&directory.walk()?);
        Ok(Self { directory, index: Index::Memory(snapshot), changed: false, _lock: lock })
    }

    /// The addresses that an attachment holds; or, if there are none, those that a version of the
    /// reference plugin before 0.7 wrote down for its container.
    ///
    /// # Errors
    /// The file system's refusals.
    pub fn held(&mut self, attachment: &Attachment) -> Result<Vec<IpAddr>, StoreError> {
        let exact = self.held_by(&Key::exact(attachment))?;
        if !exact.is_empty() {
            return Ok(exact);
        }
        self.held_by(&Key::container(&attachment.container_id))
    }

    /// The lowest free address from `first` to `last`, both included: a hint that
    /// [`reserve`](Self::reserve) decides.
    ///
    /// # Errors
    /// [`StoreError::Range`] if the ends are of two families or the wrong way round.
    pub fn next_free(&mut self, first: IpAddr, last: IpAddr) -> Result<Option<IpAddr>, StoreError> {
        let (first, last) = (first.to_canonical(), last.to_canonical());
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(StoreError::Range { first, last });
        }
        self.ask(|index| index.next_free(first, last))
    }

    /// Claims an address for an attachment, whole or not at all, and notes it as the last one that was
    /// reserved from range set `range_set`.
    ///
    /// # Errors
    /// The file system's refusals. Nothing is reserved then, unless it refused to take it back, too.
    pub fn reserve(
        &mut self,
        attachment: &Attachment,
        address: IpAddr,
        range_set: u32,
    ) -> Result<Claim, StoreError> {
        let address = address.to_canonical();
        if self.ask(|index| index.is_taken(address))? && self.is_really_taken(address)? {
            return Ok(Claim::Taken);
        }
        self.changed = true;
        match self.directory.publish(address, attachment)? {
            Published::Yes => {
                let key = Key::exact(attachment);
                let noted = self
                    .tell(|index| index.insert(address, Some(&key)))
                    .and_then(|()| self.directory.note_last_reserved(range_set, address));
                if let Err(error) = noted {
                    self.remove(address, &file_name(address), Some(&key))?;
                    return Err(error);
                }
                Ok(Claim::Reserved)
            }
            Published::Taken => {
                // The index did not know it, so there is no telling what else it does not know.
                self.rebuild()?;
                Ok(Claim::Taken)
            }
        }
    }

    /// The address that was last reserved from range set `range_set`.
    ///
    /// # Errors
    /// The file system's refusals.
    pub fn last_reserved(&self, range_set: u32) -> Result<Option<IpAddr>, StoreError> {
        self.directory.last_reserved(range_set)
    }

    /// Releases every address that an attachment [holds](Self::held) and returns them. None is
    /// success.
    ///
    /// # Errors
    /// The file system's refusals; what could be released was.
    pub fn release(&mut self, attachment: &Attachment) -> Result<Vec<IpAddr>, StoreError> {
        let exact = self.release_all(&Key::exact(attachment))?;
        if !exact.is_empty() {
            return Ok(exact);
        }
        self.release_all(&Key::container(&attachment.container_id))
    }

    /// Releases one address if this very attachment holds it, or nobody does (an empty file); tells
    /// whether it did. This is how a reservation is undone.
    ///
    /// # Errors
    /// The file system's refusals.
    pub fn release_address(
        &mut self,
        attachment: &Attachment,
        address: IpAddr,
    ) -> Result<bool, StoreError> {
        let address = address.to_canonical();
        let name = file_name(address);
        let key = Key::exact(attachment);
        match self.directory.read(&name)? {
            Some(Content::Empty) => self.remove(address, &name, None),
            Some(content) if content.key().as_ref() == Some(&key) => {
                self.remove(address, &name, Some(&key))
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Releases every address whose attachment is not in `valid` and returns them. What is no
    /// attachment's (an operator's note) stays; empty files go. Its cost grows with the reservations.
    ///
    /// # Errors
    /// [`StoreError::Sweep`] when some could not be released; all others were.
    pub fn sweep(&mut self, valid: &HashSet<Attachment>) -> Result<Vec<IpAddr>, StoreError> {
        let containers: HashSet<&ContainerId> =
            valid.iter().map(|attachment| &attachment.container_id).collect();
        let is_stale = |content: &Content| match content {
            Content::Empty => true,
            Content::Attachment(attachment) => !valid.contains(attachment),
            Content::Container(id) => !containers.contains(id),
            Content::Foreign => false,
        };
        let mut stale = self.directory.walk()?;
        stale.retain(|entry| is_stale(&entry.content));
        let mut released = Vec::new();
        let mut failures = Vec::new();
        for entry in &stale {
            let key = entry.content.key();
            match self.remove(entry.address, &entry.name, key.as_ref()) {
                Ok(_) if key.is_some() => released.push(entry.address),
                Ok(_) => {}
                Err(error) => failures.push(error),
            }
        }
        let failed = failures.len();
        match failures.into_iter().next() {
            None => Ok(released),
            Some(first) => {
                Err(StoreError::Sweep { stale: stale.len(), failed, first: Box::new(first) })
            }
        }
    }

    /// Every reservation with what it says, in the order of the addresses. Its cost grows with them.
    ///
    /// # Errors
    /// The file system's refusals.
    pub fn list(&self) -> Result<Vec<(IpAddr, Content)>, StoreError> {
        let entries = self.directory.walk()?.into_iter();
        let mut list: Vec<_> = entries
            .filter(|entry| entry.content != Content::Empty)
            .map(|entry| (entry.address, entry.content))
            .collect();
        list.sort_by_key(|(address, _)| *address);
        Ok(list)
    }

    /// What the index says an owner holds, and the files confirm.
    fn held_by(&mut self, owner: &Key) -> Result<Vec<IpAddr>, StoreError> {
        let mut held = Vec::new();
        for address in self.ask(|index| index.held(owner))? {
            match self.directory.read(&file_name(address))? {
                Some(content) if content.key().as_ref() == Some(owner) => held.push(address),
                Some(_) => {}
                // Under another spelling, if at all.
                None => {
                    let entries = self.directory.walk()?.into_iter();
                    return Ok(entries
                        .filter(|entry| entry.content.key().as_ref() == Some(owner))
                        .map(|entry| entry.address)
                        .collect());
                }
            }
        }
        Ok(held)
    }

    fn release_all(&mut self, owner: &Key) -> Result<Vec<IpAddr>, StoreError> {
        let held = self.held_by(owner)?;
        let mut failure = None;
        let mut misspelt = false;
        for address in &held {
            match self.remove(*address, &file_name(*address), Some(owner)) {
                Ok(removed) => misspelt |= !removed,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if misspelt {
            for entry in self.directory.walk()? {
                if entry.content.key().as_ref() == Some(owner) {
                    self.remove(entry.address, &entry.name, Some(owner))?;
                }
            }
        }
        failure.map_or(Ok(held), Err)
    }

    /// Removes a file that was seen to be the owner's; tells whether it was there. First the truth,
    /// then the index: a process that is killed between the two leaves the directory with another
    /// stamp than the index has.
    fn remove(
        &mut self,
        address: IpAddr,
        name: &str,
        owner: Option<&Key>,
    ) -> Result<bool, StoreError> {
        self.changed = true;
        let removed = self.directory.remove(name)?;
        self.tell(|index| index.remove(address, owner))?;
        Ok(removed)
    }

    /// Whether an address that the index calls taken is so.
    fn is_really_taken(&mut self, address: IpAddr) -> Result<bool, StoreError> {
        match self.directory.read(&file_name(address))? {
            Some(Content::Empty) => Ok(false),
            Some(_) => Ok(true),
            // Under another spelling, or not at all.
            None => {
                self.changed = true;
                self.rebuild()?;
                self.ask(|index| index.is_taken(address))
            }
        }
    }

    /// Reads the whole directory into the index.
    fn rebuild(&mut self) -> Result<(), StoreError> {
        self.directory.discard_unpublished()?;
        let snapshot = Snapshot::of(&self.directory.walk()?);
        match &self.index {
            Index::Files(files) if files.rewrite(&snapshot).is_ok() => {}
            Index::Files(_) | Index::Memory(_) => self.index = Index::Memory(snapshot),
        }
        Ok(())
    }

    fn ask<T>(&mut self, question: impl Fn(&Index) -> Result<T, Errno>) -> Result<T, StoreError> {
        if let Ok(answer) = question(&self.index) {
            return Ok(answer);
        }
        self.forget_files()?;
        question(&self.index)
            .map_err(|errno| StoreError::system("searching", self.directory.path(), errno))
    }

    fn tell(&mut self, change: impl Fn(&mut Index) -> Result<(), Errno>) -> Result<(), StoreError> {
        // What is then read from the directory has the change in it.
        if change(&mut self.index).is_err() { self.forget_files() } else { Ok(()) }
    }

    /// Goes on without the index's files: the index root is full, or not ours to write. The state
    /// that they have is left behind by the next change of the directory.
    fn forget_files(&mut self) -> Result<(), StoreError> {
        self.index = Index::Memory(Snapshot::of(&self.directory.walk()?));
        Ok(())
    }
}

impl Drop for Store {
    /// Writes down that the index fits the directory as it is now. If that fails, the next process
    /// reads the directory whole: nothing worse.
    fn drop(&mut self) {
        let Index::Files(files) = &self.index else { return };
        if !self.changed {
            return;
        }
        let random = RandomState::new().build_hasher().finish();
        if let Ok(Some(stamp)) = self.directory.mark(random) {
            let _ = files.note_state(stamp);
        }
    }
}

fn lock(
    root: &Path,
    network: &NetworkName,
    deadline: Duration,
) -> Result<(Directory, Lock), StoreError> {
    for _ in 0..MAX_ATTEMPTS {
        let directory = Directory::open(root, network)?;
        match acquire(directory.dir(), directory.path(), deadline)? {
            Locked::Had(lock) => return Ok((directory, lock)),
            Locked::Replaced => {}
        }
    }
    let path = root.join(network.as_str()).join(LOCK);
    Err(StoreError::Replaced { path, times: MAX_ATTEMPTS })
}
