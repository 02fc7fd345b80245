//! A node to throw away: user, mount and network namespaces of this process alone.
#![allow(clippy::disallowed_methods, reason = "namespaces are entered, files of the new node made")]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};

use super::super::failure::{Doing, Failure};

/// Where a file system of memory is laid over, the first that this program is not below: `/run` is
/// on every system, and what is there is nothing that the demo needs.
const SCRATCH: [&str; 3] = ["/run", "/tmp", "/mnt"];

const REMEDY: &str = "\
The demo makes namespaces of its own, which this machine does not allow. One of these helps:
  sysctl -w kernel.unprivileged_userns_clone=1                   Debian's kernels
  sysctl -w user.max_user_namespaces=10000                       where it is 0
  sysctl -w kernel.apparmor_restrict_unprivileged_userns=0       Ubuntu's kernels
  sudo wasmcni demo                                              as root; nothing outside is touched
In a container: a seccomp profile that allows unshare(2) and mount(2), such as
`docker run --privileged`, or `--security-opt seccomp=unconfined --cap-add SYS_ADMIN`.";

/// Enters new namespaces, with an empty file system over one directory; returns that directory.
///
/// Everything goes with the last process in them. Only while the process has one thread
/// (user_namespaces(7)).
pub(super) fn enter(program: &Path) -> Result<PathBuf, Failure> {
    let (user, group) = (geteuid(), getegid());
    let network = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    match unshare(network | CloneFlags::CLONE_NEWUSER) {
        Ok(()) => {
            // Groups must be given up before gid_map may be written (user_namespaces(7)).
            write("/proc/self/setgroups", "deny")?;
            write("/proc/self/uid_map", &format!("0 {user} 1"))?;
            write("/proc/self/gid_map", &format!("0 {group} 1"))?;
        }
        // Root needs no user namespace to have the others.
        Err(_) if user.is_root() => {
            refused(unshare(network), "making mount and network namespaces")?
        }
        Err(errno) => refused(Err(errno), "making user, mount and network namespaces")?,
    }
    // What is mounted from here on is not seen outside. Equivalent: mount --make-rprivate /
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    refused(
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>),
        "making mounts private",
    )?;
    let usable = |dir: &&Path| dir.is_dir() && !program.starts_with(dir);
    let scratch = SCRATCH.iter().map(Path::new).find(usable).ok_or_else(|| {
        Failure::new("looking for a directory to work in", format!("there is none of {SCRATCH:?}"))
    })?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mounted = mount(Some("tmpfs"), scratch, Some("tmpfs"), flags, Some("mode=0755"));
    refused(mounted, &format!("mounting a tmpfs on {scratch:?}"))?;
    Ok(scratch.to_owned())
}

fn refused(done: nix::Result<()>, doing: &str) -> Result<(), Failure> {
    done.map_err(|errno| {
        // CONFIG_USER_NS is off; all else is a matter of settings.
        if errno == Errno::EINVAL {
            return Failure::new(doing, format!("{errno}: this kernel has no such namespaces"))
                .remedy("Run the demo as root, or on another kernel.");
        }
        Failure::new(doing, errno).remedy(REMEDY)
    })
}

fn write(path: &str, text: &str) -> Result<(), Failure> {
    fs::write(path, text).doing(|| format!("writing {path:?}")).map_err(|f| f.remedy(REMEDY))
}

/// Makes a network namespace with a name. Equivalent: `ip netns add NAME`.
pub(super) fn make_netns(path: &Path) -> Result<(), Failure> {
    let doing = || format!("making the network namespace {path:?}");
    File::create_new(path).doing(doing)?;
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let own = Some("/proc/thread-self/ns/net");
        mount(own, path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        Ok(())
    })
    .doing(doing)
}

/// Runs `inside` in a network namespace.
pub(super) fn in_netns<T: Send>(
    path: &Path,
    inside: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let netns = File::open(path)?;
    on_a_thread(|| {
        setns(&netns, CloneFlags::CLONE_NEWNET)?;
        inside()
    })
}

/// On a thread born for it: it has the namespace, and ends.
fn on_a_thread<T: Send>(inside: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, inside)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread in it panicked")))
    })
}
