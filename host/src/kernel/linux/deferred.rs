//! Deleting a link without waiting for its memory.
//!
//! The kernel answers `RTM_DELLINK` only when nothing of the link is referred to any more: 14 to
//! 20 ms of waiting (`rcu_barrier` in `netdev_run_todo`), of a deletion that is decided within 0.3 ms.
//! A child sends the request and waits; the parent goes on when the kernel announces that the link
//! is gone. See `docs/decisions/0007-deferred-delete.md`.
#![allow(unsafe_code, reason = "fork and _exit; each block argues why it may be")]
#![allow(clippy::disallowed_methods, reason = "the one place that forks")]

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{ForkResult, close, fork};

/// Runs `act` in a child that holds no descriptor but `keep`: none of the runtime's pipes, none of
/// our locks. The parent returns at once.
///
/// `act` may only make system calls: no allocation, no lock, no panic. Its outcome is lost, so it
/// must be one that the kernel announces.
///
/// # Errors
/// `EAGAIN`, `ENOMEM`: no process can be made. Those of reading `/proc/self/fd`: what the child would
/// hold is not known, so there is none.
pub(super) fn in_child(
    keep: &[libc::c_int],
    act: impl FnOnce() -> io::Result<()>,
) -> Result<(), Errno> {
    let others = open_descriptors(keep)?;
    // SAFETY: after the fork of a process with threads, the child may only call what is safe in a
    // signal handler (fork(2), signal-safety(7)). The child below calls close(2), `act`, which by
    // contract makes system calls only, and _exit(2). It allocates nothing and unwinds nowhere.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(()),
        ForkResult::Child => {
            for descriptor in &others {
                // What cannot be closed is not open.
                let _ = close(*descriptor);
            }
            let status = libc::c_int::from(act().is_err());
            // SAFETY: _exit(2) ends the child at once: no destructor of the parent's objects runs
            // in it, which would remove or unlock what is the parent's.
            unsafe { libc::_exit(status) }
        }
    }
}

/// Every open descriptor but `keep`. (proc_pid_fd(5))
fn open_descriptors(keep: &[libc::c_int]) -> Result<Vec<libc::c_int>, Errno> {
    let errno = |e: io::Error| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO));
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").map_err(errno)? {
        let name = entry.map_err(errno)?.file_name();
        if let Some(descriptor) = name.to_str().and_then(|text| text.parse().ok())
            && !keep.contains(&descriptor)
        {
            found.push(descriptor);
        }
    }
    Ok(found)
}
