//! The lock of a network's reservations: flock(2) on `lock`, as the reference plugin takes it.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, major, minor};

use super::error::StoreError;

/// Name of the lock file.
pub(super) const LOCK: &str = "lock";

/// The lock; dropping it releases it, also where a child process shares its descriptor.
pub(super) type Lock = Flock<OwnedFd>;

/// What came of locking.
#[derive(Debug)]
pub(super) enum Locked {
    /// It is had.
    Had(Lock),
    /// The file was had, but it is no longer the one in the directory: an operator removed the
    /// network's directory, or all in it, meanwhile.
    Replaced,
}

/// Takes the lock of a directory, waiting for at most `wait`.
pub(super) fn acquire(dir: &Dir, path: &Path, wait: Duration) -> Result<Locked, StoreError> {
    let path = path.join(LOCK);
    let refused = |errno| StoreError::system("locking", &path, errno);
    let flags = OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let file = match openat(dir, LOCK, flags, Mode::from_bits_truncate(0o644)) {
        Ok(file) => file,
        // The directory itself is gone, though open.
        Err(Errno::ENOENT) => return Ok(Locked::Replaced),
        Err(errno) => return Err(refused(errno)),
    };
    let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((file, Errno::EWOULDBLOCK)) => {
            let stat = fstat(&file).map_err(refused)?;
            wait_for(file, wait).map_err(refused)?.ok_or_else(|| StoreError::Busy {
                path: path.clone(),
                waited: wait,
                holder: holder(&stat),
            })?
        }
        Err((_, errno)) => return Err(refused(errno)),
    };
    let had = fstat(&*lock).map_err(refused)?;
    match fstatat(dir, LOCK, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(seen) if (seen.st_dev, seen.st_ino) == (had.st_dev, had.st_ino) => Ok(Locked::Had(lock)),
        Ok(_) | Err(Errno::ENOENT) => Ok(Locked::Replaced),
        Err(errno) => Err(refused(errno)),
    }
}

/// Blocks in a thread of its own: the kernel then serves those who wait in their order, and nobody
/// polls. Signals wake the thread early, whoever sent them, so it goes on waiting.
fn wait_for(mut file: OwnedFd, wait: Duration) -> Result<Option<Lock>, Errno> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name("reservations".to_owned()).spawn(move || {
        let outcome = loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(lock) => break Ok(lock),
                Err((back, Errno::EINTR)) => file = back,
                Err((_, errno)) => break Err(errno),
            }
        };
        // If nobody listens any more, the lock comes back as an error, and is dropped.
        drop(sender.send(outcome));
    });
    thread.map_err(|error| super::error::errno_of(&error))?;
    match receiver.recv_timeout(wait) {
        Ok(outcome) => outcome.map(Some),
        Err(mpsc::RecvTimeoutError::Timeout | mpsc::RecvTimeoutError::Disconnected) => Ok(None),
    }
}

/// Who has the lock, as far as `/proc/locks` tells.
fn holder(stat: &FileStat) -> String {
    let unknown = "; find its holder with \"lslocks\" or \"fuser\" and see what it waits for";
    find_holder(stat).map_or_else(
        || unknown.to_owned(),
        |(pid, name)| format!(" by process {pid} ({name:?}); see what it waits for, or end it"),
    )
}

fn find_holder(stat: &FileStat) -> Option<(u32, String)> {
    let proc = Dir::open_ambient_dir("/proc", ambient_authority()).ok()?;
    let pid = parse_locks(&proc.read_to_string("locks").ok()?, stat)?;
    let name = proc.read_to_string(format!("{pid}/comm")).ok()?;
    Some((pid, name.trim_end().to_owned()))
}

/// A line is `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`; those who wait have `->` before the
/// kind. (proc_locks(5))
fn parse_locks(locks: &str, stat: &FileStat) -> Option<u32> {
    let wanted = format!("{:02x}:{:02x}:{}", major(stat.st_dev), minor(stat.st_dev), stat.st_ino);
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let kind = words.next()?;
        let mut words = words.skip(2);
        let (pid, place) = (words.next()?, words.next()?);
        // 0: of a pid namespace that this process does not see.
        let pid = pid.parse().ok().filter(|pid| *pid != 0)?;
        (kind == "FLOCK" && place == wanted).then_some(pid)
    })
}
