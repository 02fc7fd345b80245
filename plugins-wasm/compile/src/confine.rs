//! Giving up what a compiler does not need. A component is hostile until the contrary is shown, and a
//! compiler is a large program: should one get the better of it, there is nothing in this process to be had.

use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

/// Address space, in octets. 20 MB of WebAssembly took 400 MB to compile.
const ADDRESS_SPACE: u64 = 8 << 30;
/// Seconds of the CPU.
const SECONDS: u64 = 600;
/// Nobody, and his group.
const NOBODY: u32 = 65_534;

/// No new files or rights, another user than root, and limits to what may be used. From here on the process
/// can read stdin, write stdout and stderr, and compute.
///
/// # Errors
/// The kernel's, if it refuses.
pub(crate) fn confine() -> Result<(), Errno> {
    set_no_new_privs()?;
    let limits = [
        (Resource::RLIMIT_AS, ADDRESS_SPACE),
        (Resource::RLIMIT_CPU, SECONDS),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        // Those that are open stay so; there will be no others.
        (Resource::RLIMIT_NOFILE, 0),
    ];
    for (resource, limit) in limits {
        setrlimit(resource, limit, limit)?;
    }
    if geteuid().is_root() {
        become_nobody()?;
    }
    Ok(())
}

/// In a user namespace that has no such user there is no right over the machine to give up.
fn become_nobody() -> Result<(), Errno> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let steps = [setgroups(&[]), setresgid(group, group, group), setresuid(user, user, user)];
    for step in steps {
        match step {
            Err(Errno::EINVAL | Errno::EPERM) => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}
