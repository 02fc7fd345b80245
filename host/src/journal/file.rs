//! The journal's file: lines that are only ever appended, under a lock.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use cap_std::fs::{Dir, OpenOptions};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::{Record, RecordId, Sharing, Undo};
use crate::kernel::{Errno, IfIndex, Role};
use crate::names::{Attachment, IfName};

/// Largest journal that is read, in octets. A plugin's host calls are limited long before.
const MAX_BYTES: u64 = 4 << 20;

/// Why a journal could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory could not be used.
    #[error("{act} {path:?}: {source}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// The file, below the run directory.
        path: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Another process works on the same attachment.
    #[error("locking {path:?}: another process is working on it; try again when it is done")]
    Busy {
        /// The file, below the run directory.
        path: String,
    },
    /// A record cannot be read.
    #[error("reading {path:?}: line {line} is no record of this version: {text:?}")]
    Damaged {
        /// The file, below the run directory.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
}

/// One line of a journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// An ADD begins.
    Begin(Attachment),
    /// Something is about to be done.
    Will(Record),
    /// A link was made, and has this index.
    Made(usize, IfIndex),
    /// It was not done after all: the kernel refused.
    Not(usize),
    /// It was taken back.
    Undone(usize),
    /// The ADD succeeded.
    Complete,
}

/// The journal of one attachment and plugin; locked while it lives.
#[derive(Debug)]
pub struct Journal {
    file: Flock<File>,
    /// Octets of whole lines.
    length: u64,
    dir: Dir,
    name: String,
    path: String,
    attachment: Attachment,
    /// `None`: it did not happen, or was taken back.
    records: Vec<Option<Record>>,
    begun: bool,
    complete: bool,
    damage: Option<JournalError>,
    /// Whether the file is gone.
    file_removed: bool,
}

impl Drop for Journal {
    /// A journal that nobody wrote to tells nothing, and would be taken for another attachment's.
    fn drop(&mut self) {
        if self.length == 0 && !self.file_removed {
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

impl Journal {
    /// Opens the file `name` in `dir` and locks it; makes it if there is none.
    pub(super) fn open(
        dir: Dir,
        name: String,
        path: String,
        attachment: Attachment,
        patience: std::time::Duration,
    ) -> Result<Self, JournalError> {
        let fail = |act| {
            let path = path.clone();
            move |source| JournalError::Io { act, path, source }
        };
        loop {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true);
            let file = dir.open_with(&name, &options).map_err(fail("opening"))?.into_std();
            let mut file = lock(file, &path, patience)?;
            // Another process may have removed the file between our opening and locking it.
            if nlink(&file).map_err(fail("reading"))? == 0 {
                continue;
            }
            let mut text = String::new();
            (&mut *file).take(MAX_BYTES).read_to_string(&mut text).map_err(fail("reading"))?;
            // A last line without its end was cut by a full disk: its act was not begun.
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            if whole < text.len() {
                text.truncate(whole);
                file.set_len(octets(whole)).map_err(fail("mending"))?;
            }
            let mut journal = Journal {
                file,
                length: octets(whole),
                dir,
                name,
                path,
                attachment,
                records: Vec::new(),
                begun: false,
                complete: false,
                damage: None,
                file_removed: false,
            };
            journal.replay(&text);
            return Ok(journal);
        }
    }

    /// Whether an ADD wrote to it: with false, this attachment is not one of wasmcni's.
    pub fn begun(&self) -> bool {
        self.begun
    }

    /// Whether the ADD that wrote it succeeded.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// What could not be read of it. What was to be done is told all the same, as far as it can be read.
    pub fn damage(&self) -> Option<&JournalError> {
        self.damage.as_ref()
    }

    /// How many records it has had: those of an ADD that begins now come after.
    pub fn length(&self) -> usize {
        self.records.len()
    }

    /// Whose it is.
    pub fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// Notes that an ADD begins.
    ///
    /// # Errors
    /// When the file cannot be written: then nothing may be done.
    pub fn begin(&mut self) -> Result<(), JournalError> {
        self.begun = true;
        self.complete = false;
        self.append(&Line::Begin(self.attachment.clone()))
    }

    /// Notes what is about to be done.
    ///
    /// # Errors
    /// When the file cannot be written: then it may not be done.
    pub fn will(&mut self, undo: Undo, sharing: Sharing) -> Result<RecordId, JournalError> {
        self.will_beside(undo, sharing, Vec::new())
    }

    /// The same of something shared on a link that has these ports.
    ///
    /// # Errors
    /// When the file cannot be written: then it may not be done.
    pub fn will_beside(
        &mut self,
        undo: Undo,
        sharing: Sharing,
        ports: Vec<IfIndex>,
    ) -> Result<RecordId, JournalError> {
        let record = Record { undo, sharing, index: None, ports };
        self.append(&Line::Will(record.clone()))?;
        self.records.push(Some(record));
        Ok(RecordId(self.records.len() - 1))
    }

    /// Notes the index of a link that was made.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn made(&mut self, id: RecordId, index: IfIndex) -> Result<(), JournalError> {
        self.append(&Line::Made(id.0, index))?;
        if let Some(Some(record)) = self.records.get_mut(id.0) {
            record.index = Some(index);
        }
        Ok(())
    }

    /// Notes that it was not done after all.
    ///
    /// # Errors
    /// When the file cannot be written. It is known all the same while this process lives: it may be another's
    /// object, and must not be taken back.
    pub fn not_done(&mut self, id: RecordId) -> Result<(), JournalError> {
        self.forget(id.0);
        self.append(&Line::Not(id.0))
    }

    /// Notes that it was taken back. Where that cannot be written, the next one who takes back finds that
    /// there is nothing to do.
    pub fn undone(&mut self, id: RecordId) {
        self.forget(id.0);
        let _ = self.append(&Line::Undone(id.0));
    }

    /// Forgets what the plugin itself has removed. In memory only: a process killed before the file
    /// goes finds the record again, and nothing of it in the kernel.
    pub fn removed(&mut self, gone: impl Fn(&Record) -> bool) {
        for slot in &mut self.records {
            if slot.as_ref().is_some_and(&gone) {
                *slot = None;
            }
        }
    }

    /// Notes that the ADD succeeded: what it made for others too is theirs from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn completed(&mut self) -> Result<(), JournalError> {
        self.append(&Line::Complete)?;
        self.become_complete();
        Ok(())
    }

    fn become_complete(&mut self) {
        self.complete = true;
        self.removed(|record| record.sharing == Sharing::Shared);
    }

    /// What was done since record `from` and not taken back, the latest first.
    pub fn open_records(&self, from: usize) -> Vec<(RecordId, Record)> {
        let all = self.records.iter().enumerate().skip(from).rev();
        all.filter_map(|(id, record)| Some((RecordId(id), record.clone()?))).collect()
    }

    /// Whether this attachment made the link.
    pub fn made_link(&self, role: Role, index: IfIndex) -> bool {
        self.own_links().any(|(place_role, _, own)| place_role == role && own == Some(index))
    }

    /// Whether this attachment made a link of this name in this namespace.
    pub fn made_link_named(&self, role: Role, name: &str) -> bool {
        self.own_links().any(|(place_role, own, _)| place_role == role && own.as_str() == name)
    }

    fn own_links(&self) -> impl Iterator<Item = (Role, &IfName, Option<IfIndex>)> {
        let own = self.records.iter().flatten().filter(|record| record.sharing == Sharing::Own);
        own.filter_map(|record| {
            let Undo::Link { at, name, .. } = &record.undo else { return None };
            Some((at.role, name, record.index))
        })
    }

    /// Removes the file: nothing is left that it would have to tell.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(mut self) -> Result<(), JournalError> {
        // Another process may make one of this name at once: it is not ours to remove.
        self.file_removed = true;
        match self.dir.remove_file(&self.name) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(JournalError::Io { act: "removing", path: self.path.clone(), source: e })
            }
            _ => Ok(()),
        }
    }

    fn forget(&mut self, id: usize) {
        if let Some(record) = self.records.get_mut(id) {
            *record = None;
        }
    }

    /// One `write` a line: a process that is killed leaves whole lines. So does one whose disk is full: what
    /// it could write of the line is cut off again, or else the next line would be read as part of it.
    fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        let fail = |source| JournalError::Io { act: "writing", path: self.path.clone(), source };
        let mut text = serde_json::to_vec(line).map_err(|e| fail(e.into()))?;
        text.push(b'\n');
        if let Err(e) = self.file.write_all(&text) {
            self.file.set_len(self.length).map_err(fail)?;
            return Err(fail(e));
        }
        self.length += octets(text.len());
        Ok(())
    }

    /// Takes in what an earlier process wrote, in whole lines.
    fn replay(&mut self, text: &str) {
        for (number, whole) in text.lines().enumerate() {
            let Ok(parsed) = serde_json::from_str::<Line>(whole) else {
                self.begun = true;
                self.damage.get_or_insert_with(|| JournalError::Damaged {
                    path: self.path.clone(),
                    line: number + 1,
                    text: whole.chars().take(80).collect(),
                });
                continue;
            };
            // Which record a number means is not sure from here on. What was done still has to be taken back.
            if self.damage.is_some() && !matches!(parsed, Line::Will(_) | Line::Complete) {
                continue;
            }
            match parsed {
                Line::Begin(_) => (self.begun, self.complete) = (true, false),
                Line::Will(record) => self.records.push(Some(record)),
                Line::Made(id, index) => {
                    if let Some(Some(record)) = self.records.get_mut(id) {
                        record.index = Some(index);
                    }
                }
                Line::Not(id) | Line::Undone(id) => self.forget(id),
                Line::Complete => self.become_complete(),
            }
        }
    }
}

fn octets(length: usize) -> u64 {
    // usize is at most 64 bits wide.
    length as u64
}

fn nlink(file: &File) -> std::io::Result<u64> {
    Ok(nix::sys::stat::fstat(file.as_fd())?.st_nlink)
}

/// Takes the lock, asking again every few milliseconds for as long as `patience`.
pub(crate) fn lock(
    mut file: File,
    path: &str,
    patience: std::time::Duration,
) -> Result<Flock<File>, JournalError> {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);
    let mut waited = std::time::Duration::ZERO;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((back, Errno::EAGAIN | Errno::EINTR)) if waited < patience => {
                file = back;
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            Err((_, Errno::EAGAIN)) => return Err(JournalError::Busy { path: path.to_owned() }),
            Err((_, errno)) => {
                let (path, source) = (path.to_owned(), errno.into());
                return Err(JournalError::Io { act: "locking", path, source });
            }
        }
    }
}
