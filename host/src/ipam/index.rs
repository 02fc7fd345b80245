//! Who holds what and which address is free, without a walk over all reservations. It is a hint:
//! what it says is looked up in the directory before anything is done.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use nix::errno::Errno;

use super::bitmap::successor;
use super::directory::Entry;
use super::index_files::IndexFiles;
use super::owner::{Content, Key};

/// An index of one network's reservations.
#[derive(Debug)]
pub(super) enum Index {
    /// In the index root, as the last writer left it.
    Files(IndexFiles),
    /// Of this process alone, where the index root cannot be written: DEL must not fail for that.
    Memory(Snapshot),
}

/// All reservations, read once.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) owners: HashMap<Key, Vec<IpAddr>>,
    pub(super) taken: BTreeSet<IpAddr>,
}

impl Snapshot {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut snapshot = Self::default();
        for entry in entries {
            if entry.content != Content::Empty {
                snapshot.insert(entry.address, entry.content.key().as_ref());
            }
        }
        snapshot
    }

    fn insert(&mut self, address: IpAddr, owner: Option<&Key>) {
        self.taken.insert(address);
        if let Some(owner) = owner {
            self.owners.entry(owner.clone()).or_default().push(address);
        }
    }

    fn remove(&mut self, address: IpAddr, owner: Option<&Key>) {
        self.taken.remove(&address);
        if let Some(held) = owner.and_then(|owner| self.owners.get_mut(owner)) {
            held.retain(|other| *other != address);
        }
    }

    fn next_free(&self, first: IpAddr, last: IpAddr) -> Option<IpAddr> {
        let mut candidate = first;
        for taken in self.taken.range(first..=last) {
            if *taken != candidate {
                break;
            }
            candidate = successor(candidate)?;
        }
        (candidate <= last).then_some(candidate)
    }
}

impl Index {
    /// The addresses of an owner.
    pub(super) fn held(&self, owner: &Key) -> Result<Vec<IpAddr>, Errno> {
        match self {
            Self::Files(files) => files.held(owner),
            Self::Memory(snapshot) => Ok(snapshot.owners.get(owner).cloned().unwrap_or_default()),
        }
    }

    pub(super) fn is_taken(&self, address: IpAddr) -> Result<bool, Errno> {
        match self {
            Self::Files(files) => files.is_taken(address),
            Self::Memory(snapshot) => Ok(snapshot.taken.contains(&address)),
        }
    }

    /// The lowest free address of a range, whose ends are of one family and in order.
    pub(super) fn next_free(&self, first: IpAddr, last: IpAddr) -> Result<Option<IpAddr>, Errno> {
        match self {
            Self::Files(files) => files.next_free(first, last),
            Self::Memory(snapshot) => Ok(snapshot.next_free(first, last)),
        }
    }

    pub(super) fn insert(&mut self, address: IpAddr, owner: Option<&Key>) -> Result<(), Errno> {
        match self {
            Self::Files(files) => files.insert(address, owner),
            Self::Memory(snapshot) => {
                snapshot.insert(address, owner);
                Ok(())
            }
        }
    }

    pub(super) fn remove(&mut self, address: IpAddr, owner: Option<&Key>) -> Result<(), Errno> {
        match self {
            Self::Files(files) => files.remove(address, owner),
            Self::Memory(snapshot) => {
                snapshot.remove(address, owner);
                Ok(())
            }
        }
    }
}
