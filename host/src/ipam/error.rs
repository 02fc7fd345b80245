//! Why something about reservations was not done.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use thiserror::Error;

/// A failed operation on a network's reservations.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The lock was not had in time.
    #[error("locking {path:?}: still held after {waited:?}{holder}")]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
        /// Who has it, or how to find out; begins with a blank or a semicolon.
        holder: String,
    },
    /// The directory of reservations was replaced each time that it had been locked.
    #[error(
        "locking {path:?}: it was removed while being locked, {times} times; stop what removes it"
    )]
    Replaced {
        /// The lock file.
        path: PathBuf,
        /// How often.
        times: u32,
    },
    /// The data directory is relative to nothing that this program knows.
    #[error("opening {path:?}: not an absolute path; write one that begins with \"/\"")]
    Relative {
        /// The data directory.
        path: PathBuf,
    },
    /// The ends of a range of addresses do not fit together.
    #[error(
        "searching \"{first}\" to \"{last}\" for a free address: give two ends of one family, the lower \
         one first"
    )]
    Range {
        /// The end that was given first.
        first: IpAddr,
        /// The end that was given last.
        last: IpAddr,
    },
    /// The file system refused.
    #[error("{act} {path:?}: {} ({errno:?})", lower(errno.desc()))]
    System {
        /// What was done: "creating", "reading", …
        act: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        errno: Errno,
    },
    /// Some stale reservations could not be released; all others were.
    #[error(
        "releasing stale reservations: {failed} of {stale} are left, the first because {first}"
    )]
    Sweep {
        /// How many were stale.
        stale: usize,
        /// How many of these are still there.
        failed: usize,
        /// What went wrong first.
        first: Box<StoreError>,
    },
}

impl StoreError {
    /// What the kernel said, if it was the kernel that refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. } => Some(*errno),
            Self::Sweep { first, .. } => first.errno(),
            Self::Busy { .. }
            | Self::Replaced { .. }
            | Self::Relative { .. }
            | Self::Range { .. } => None,
        }
    }

    pub(super) fn system(act: &'static str, path: &Path, errno: Errno) -> Self {
        Self::System { act, path: path.to_owned(), errno }
    }

    pub(super) fn io(act: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::system(act, path, errno_of(error))
    }
}

pub(super) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The kernel's sentences begin with a capital, ours do not.
pub(super) fn lower(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_lowercase().chain(rest).collect())
}
