//! The node's lock, `<run>/lock`: ADD and DEL share it, GC has it alone, and so has who takes back
//! shared things.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use nix::fcntl::{Flock, FlockArg};

use crate::cni::{CniError, Code};
use crate::kernel::Errno;

/// Pause between two tries, and how long GC waits for the calls that are under way.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// A share of the node's lock, or all of it. Released when dropped.
#[derive(Debug)]
pub(super) struct NodeLock {
    lock: Flock<File>,
}

impl NodeLock {
    /// With the others.
    pub(super) fn shared(run: &Path) -> Result<Self, CniError> {
        Self::take(run, FlockArg::LockSharedNonblock)
    }

    /// Alone: no ADD or DEL is under way while it is held. (SPEC.md: the runtime holds them off as
    /// well while GC runs.)
    pub(super) fn exclusive(run: &Path) -> Result<Self, CniError> {
        Self::take(run, FlockArg::LockExclusiveNonblock)
    }

    /// Whether it could be had alone. With false it may be lost: nothing may be done after that but
    /// to end.
    pub(super) fn become_exclusive(&self) -> bool {
        self.lock.relock(FlockArg::LockExclusiveNonblock).is_ok()
    }

    fn take(run: &Path, how: FlockArg) -> Result<Self, CniError> {
        let fail = |e: std::io::Error| {
            let path = run.join("lock");
            CniError::new(Code::IoFailure, format!("locking {path:?}: {e}"))
        };
        let dir = Dir::open_ambient_dir(run, ambient_authority()).map_err(fail)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = dir.open_with("lock", &options).map_err(fail)?.into_std();
        let mut waited = Duration::ZERO;
        loop {
            match Flock::lock(file, how) {
                Ok(lock) => return Ok(Self { lock }),
                Err((back, Errno::EAGAIN | Errno::EINTR)) if waited < PATIENCE => {
                    file = back;
                    std::thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                Err((_, Errno::EAGAIN)) => {
                    let text = format!(
                        "locking {:?}: another call (GC waits for ADD and DEL, they for GC) did \
                         not end in {PATIENCE:?}",
                        run.join("lock")
                    );
                    return Err(CniError::new(Code::TryAgainLater, text));
                }
                Err((_, errno)) => return Err(fail(errno.into())),
            }
        }
    }
}
