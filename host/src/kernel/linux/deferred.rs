//! Deleting a link without waiting for its memory.
//!
//! The kernel answers `RTM_DELLINK` only when nothing of the link is referred to any more: 14 to
//! 20 ms of waiting (`rcu_barrier` in `netdev_run_todo`), of a deletion that is decided within 0.3 ms.
//! A child sends the request and waits; the parent goes on when the kernel announces that the link
//! is gone. See `docs/decisions/0007-deferred-delete.md`.
#![allow(unsafe_code, reason = "fork and _exit; each block argues why it may be")]

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{ForkResult, close, fork};

/// Most descriptors that the child looks at, whatever the limit of open files is.
const MOST_DESCRIPTORS: u64 = 1 << 16;

/// Runs `act` in a child that holds no descriptor but `keep`: none of the runtime's pipes, none of
/// our locks. The parent returns at once.
///
/// `act` may only make system calls: no allocation, no lock, no panic. Its outcome is lost, so it
/// must be one that the kernel announces.
///
/// # Errors
/// `EAGAIN`, `ENOMEM`: no process can be made.
pub(super) fn in_child(
    keep: &[libc::c_int],
    act: impl FnOnce() -> io::Result<()>,
) -> Result<(), Errno> {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(MOST_DESCRIPTORS, |(soft, _)| soft);
    let end = libc::c_int::try_from(limit.min(MOST_DESCRIPTORS)).unwrap_or(libc::c_int::MAX);
    // SAFETY: after the fork of a process with threads, the child may only call what is safe in a
    // signal handler (fork(2), signal-safety(7)). The child below calls close(2), `act`, which by
    // contract makes system calls only, and _exit(2). It allocates nothing and unwinds nowhere.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(()),
        ForkResult::Child => {
            for descriptor in 0..end {
                if !keep.contains(&descriptor) {
                    // Most numbers are of no open file.
                    let _ = close(descriptor);
                }
            }
            let status = libc::c_int::from(act().is_err());
            // SAFETY: _exit(2) ends the child at once: no destructor of the parent's objects runs
            // in it, which would remove or unlock what is the parent's.
            unsafe { libc::_exit(status) }
        }
    }
}
