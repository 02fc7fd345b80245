//! Network namespaces: the container's, by its path, and what was opened in each.
#![allow(clippy::disallowed_methods, reason = "the one place that enters namespaces")]

use std::cell::OnceCell;
use std::fs::{File, read_link};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::{FileStat, fstat, stat};
use nix::sys::statfs::{NSFS_MAGIC, statfs};

use super::link::wait_until;
use super::socket::{Refusal, RouteSocket};
use super::sysctl::SysctlDirs;
use crate::kernel::NetnsId;

/// The calling thread's namespace. Not `/proc/self`: that is the main thread's.
const OWN: &str = "/proc/thread-self/ns/net";

/// Octets of stack for a thread that enters a namespace: it opens files and sockets, no more.
const STACK: usize = 64 * 1024;

/// Why a path is no network namespace that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetnsError {
    /// Nothing is there (any more).
    #[error("network namespace {path:?} does not exist")]
    Missing {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// Something else is there: another file, a namespace of another kind (unless it is mounted
    /// there: that shows when it is entered), the mount point of a namespace that was deleted.
    #[error("{path:?} is no network namespace")]
    NotNetns {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The kernel does not let us look at it.
    #[error("network namespace {path:?}: not permitted ({errno:?})")]
    NotPermitted {
        /// The path that was asked for.
        path: PathBuf,
        /// `EACCES` or `EPERM`.
        errno: Errno,
    },
    /// It may be there, but could not be opened.
    #[error("network namespace {path:?}: {} ({errno:?})", errno.desc().to_lowercase())]
    Unreadable {
        /// The path that was asked for.
        path: PathBuf,
        /// What opening it answered.
        errno: Errno,
    },
}

impl NetnsError {
    fn new(path: &Path, errno: Errno) -> Self {
        let path = path.to_owned();
        if matches!(errno, Errno::ENOENT | Errno::ENOTDIR | Errno::ESRCH) {
            Self::Missing { path }
        } else if matches!(errno, Errno::EACCES | Errno::EPERM) {
            Self::NotPermitted { path, errno }
        } else {
            Self::Unreadable { path, errno }
        }
    }
}

/// The network namespace that `CNI_NETNS` names, held open: it stays the same one, whatever becomes
/// of the path.
#[derive(Debug)]
pub struct ContainerNetns {
    file: File,
    id: NetnsId,
}

impl ContainerNetns {
    /// Opens the namespace at `path`: `/run/netns/NAME`, `/proc/PID/ns/net`, `/proc/PID/fd/N`, ….
    ///
    /// # Errors
    /// Each case of [`NetnsError`].
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let failed = |errno| NetnsError::new(path, errno);
        // Looked at before it is opened, since opening a device or a FIFO would already do
        // something.
        let found = statfs(path).map_err(failed)?.filesystem_type();
        if found != NSFS_MAGIC {
            return Err(NetnsError::NotNetns { path: path.to_owned() });
        }
        // Below /proc a namespace is a link whose text names the kind. (What NS_GET_NSTYPE would
        // answer takes unsafe code, and the text of our own /proc/…/fd/N costs ten times as much.)
        // Of a namespace that is mounted somewhere, `setns` will tell.
        if read_link(path).is_ok_and(|text| is_of_another_kind(&text)) {
            return Err(NetnsError::NotNetns { path: path.to_owned() });
        }
        let mut options = File::options();
        let options = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        let file = options.open(path).map_err(|error| failed(errno_of(&error)))?;
        let id = identity(&fstat(&file).map_err(failed)?);
        Ok(Self { file, id })
    }

    /// Its identity.
    pub fn id(&self) -> NetnsId {
        self.id
    }
}

/// Whether a link's text is that of a namespace, `uts:[4026531838]`, and not of a network
/// namespace.
fn is_of_another_kind(text: &Path) -> bool {
    let text = text.as_os_str().as_encoded_bytes();
    !text.starts_with(b"/") && text.ends_with(b"]") && !text.starts_with(b"net:[")
}

fn own_id() -> Result<NetnsId, Errno> {
    stat(OWN).map(|found| identity(&found))
}

fn identity(found: &FileStat) -> NetnsId {
    NetnsId { device: found.st_dev, inode: found.st_ino }
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Runs `inside` in a thread born for it, which enters the namespace and ends: no thread ever has
/// to find its way back.
pub(super) fn in_netns<T: Send>(
    netns: &File,
    inside: impl FnOnce() -> Result<T, Refusal> + Send,
) -> Result<T, Refusal> {
    thread::scope(|scope| {
        let enter = || {
            setns(netns, CloneFlags::CLONE_NEWNET).map_err(|errno| {
                let of_another_kind = errno == Errno::EINVAL;
                let hint = if of_another_kind { "it is no network namespace" } else { "setns" };
                Refusal::because(errno, hint)
            })?;
            inside()
        };
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, enter)?;
        thread.join().unwrap_or_else(|_| {
            Err(Refusal::because(Errno::EIO, "the thread in the network namespace panicked"))
        })
    })
}

/// A namespace and what was opened in it so far. Nothing is opened before it is needed.
#[derive(Debug)]
pub(super) struct Netns {
    /// `None`: the one that we run in.
    entered: Option<File>,
    id: OnceCell<NetnsId>,
    /// Our own namespace as a file, for requests that name it.
    own_file: Option<File>,
    socket: Option<RouteSocket>,
    lock: Option<Flock<File>>,
    pub(super) sysctls: SysctlDirs,
}

impl Netns {
    /// The namespace that this process runs in.
    pub(super) fn own() -> Self {
        Self {
            entered: None,
            id: OnceCell::new(),
            own_file: None,
            socket: None,
            lock: None,
            sysctls: SysctlDirs::default(),
        }
    }

    /// Its identity; `None` only with no `/proc`.
    pub(super) fn id(&self) -> Option<NetnsId> {
        if let Some(id) = self.id.get() {
            return Some(*id);
        }
        let id = own_id().ok()?;
        Some(*self.id.get_or_init(|| id))
    }

    /// The file that entering it takes; `None`: we are in it.
    pub(super) fn to_enter(&self) -> Option<&File> {
        self.entered.as_ref()
    }

    /// The number of an open file of the namespace, as requests name it (`IFLA_NET_NS_FD`). It
    /// stays open as long as `self`.
    pub(super) fn fd(&mut self) -> Result<RawFd, Refusal> {
        if let Some(file) = &self.entered {
            return Ok(file.as_raw_fd());
        }
        let file = match self.own_file.take() {
            Some(file) => file,
            None => File::open(OWN)?,
        };
        Ok(self.own_file.insert(file).as_raw_fd())
    }

    /// Takes the lock of the namespace's file, which whoever opens the namespace shares, and keeps it.
    ///
    /// # Errors
    /// `ETIMEDOUT`: another has it for longer than `patience`.
    pub(super) fn lock(&mut self, patience: Duration) -> Result<(), Refusal> {
        if self.lock.is_some() {
            return Ok(());
        }
        let mut file = Some(match &self.entered {
            Some(file) => file.try_clone()?,
            None => File::open(OWN)?,
        });
        wait_until(patience, || {
            let Some(open) = file.take() else { return Ok(true) };
            match Flock::lock(open, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => self.lock = Some(lock),
                Err((open, Errno::EAGAIN | Errno::EINTR)) => file = Some(open),
                Err((_, errno)) => return Err(errno.into()),
            }
            Ok(file.is_none())
        })
    }

    /// The socket that acts in it.
    pub(super) fn socket(&mut self) -> Result<&mut RouteSocket, Refusal> {
        let socket = match (self.socket.take(), &self.entered) {
            (Some(socket), _) => socket,
            (None, None) => RouteSocket::open()?,
            (None, Some(netns)) => {
                let (socket, dirs) =
                    in_netns(netns, || Ok((RouteSocket::open()?, SysctlDirs::open())))?;
                self.sysctls = dirs;
                socket
            }
        };
        Ok(self.socket.insert(socket))
    }
}

impl From<ContainerNetns> for Netns {
    fn from(netns: ContainerNetns) -> Self {
        Self { entered: Some(netns.file), id: netns.id.into(), ..Self::own() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &str) -> Result<ContainerNetns, NetnsError> {
        ContainerNetns::open(Path::new(path))
    }

    #[test]
    fn our_own_namespace_is_known_as_ours() {
        let netns = open("/proc/self/ns/net").unwrap();
        assert_eq!(netns.id(), own_id().unwrap());
        assert_eq!(Some(netns.id()), Netns::own().id());
    }

    #[test]
    fn one_at_a_time_has_the_lock() {
        let (mut first, mut second) = (Netns::own(), Netns::own());
        first.lock(Duration::ZERO).unwrap();
        first.lock(Duration::ZERO).unwrap();
        assert_eq!(second.lock(Duration::ZERO).unwrap_err().errno, Errno::ETIMEDOUT);
        drop(first);
        second.lock(Duration::ZERO).unwrap();
    }

    #[test]
    fn what_is_no_network_namespace_is_told_apart() {
        for path in ["/proc/self/ns/uts", "/dev/null", "/proc", "/proc/self/exe"] {
            let path = PathBuf::from(path);
            assert_eq!(ContainerNetns::open(&path).unwrap_err(), NetnsError::NotNetns { path });
        }
        for path in ["/nonexistent", "/proc/self/exe/net", "/proc/self/fd/9999"] {
            let path = PathBuf::from(path);
            assert_eq!(ContainerNetns::open(&path).unwrap_err(), NetnsError::Missing { path });
        }
    }
}
