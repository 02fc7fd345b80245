//! Sysctls: files below `/proc/sys/net`.
//!
//! Which namespace such a file belongs to is decided when a path is walked, not when the file is
//! read, and the kernel decides it for `/proc/sys/net/ipv4` and `/proc/sys/net/ipv6` themselves
//! (`net_ctl_header_lookup` takes the walking thread's namespace). A directory below `net` that was
//! opened in a namespace therefore keeps leading into that one, for every thread; `/proc/sys/net`
//! does not.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

use super::netns::{Netns, in_netns};
use super::socket::Refusal;
use crate::kernel::SysctlKey;

/// Where keys begin.
const ROOT: &str = "/proc/sys";

/// The directories that hold nearly every key, opened in a namespace. Keys elsewhere (`net/core`,
/// `net/netfilter`, …) are reached by a thread of their own: some of their handlers look at the
/// caller's namespace in older kernels.
#[derive(Debug, Default)]
pub(super) struct SysctlDirs {
    ipv4: Option<OwnedFd>,
    ipv6: Option<OwnedFd>,
}

impl SysctlDirs {
    /// Opens them in the calling thread's namespace. One that cannot be opened is left out.
    pub(super) fn open() -> Self {
        let open = |path| open_directory(path).ok();
        Self { ipv4: open("/proc/sys/net/ipv4"), ipv6: open("/proc/sys/net/ipv6") }
    }

    /// The directory of a key, with the rest of the key.
    fn find<'a>(&self, key: &'a str) -> Option<(&OwnedFd, &'a str)> {
        if let Some(rest) = key.strip_prefix("net/ipv4/") {
            return Some((self.ipv4.as_ref()?, rest));
        }
        Some((self.ipv6.as_ref()?, key.strip_prefix("net/ipv6/")?))
    }
}

/// Equivalent: `sysctl -n KEY`.
pub(super) fn get(netns: &mut Netns, key: &SysctlKey) -> Result<String, Refusal> {
    with_file(netns, key, OFlag::O_RDONLY, |mut file| {
        let mut octets = Vec::new();
        let mut chunk = [0; 512];
        // By hand: `read_to_end` asks for the file's size first, and /proc has none to tell.
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                count => octets.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            }
        }
        if octets.last() == Some(&b'\n') {
            octets.pop();
        }
        String::from_utf8(octets).map_err(|_| Refusal::because(Errno::EILSEQ, "not UTF-8"))
    })
}

/// Equivalent: `sysctl -w KEY=VALUE`.
pub(super) fn set(netns: &mut Netns, key: &SysctlKey, value: &str) -> Result<(), Refusal> {
    if value.contains(['\n', '\0']) {
        return Err(Refusal::because(Errno::EINVAL, "a value is one line"));
    }
    // Of several numbers the kernel may take the first ones and refuse the rest.
    let before = if value.contains(char::is_whitespace) { Some(get(netns, key)?) } else { None };
    let written = write(netns, key, value);
    if let (Err(_), Some(before)) = (&written, before) {
        // Nothing may be left; that this fails as well has no better answer than the first error.
        let _ = write(netns, key, &before);
    }
    written
}

fn write(netns: &mut Netns, key: &SysctlKey, value: &str) -> Result<(), Refusal> {
    // One write: the kernel takes each as a value of its own.
    let line = format!("{value}\n");
    with_file(netns, key, OFlag::O_WRONLY, |mut file| {
        let written = file.write(line.as_bytes())?;
        if written < value.len() {
            let hint = format!("the kernel took {written} of {} octets", value.len());
            return Err(Refusal::because(Errno::EINVAL, hint));
        }
        Ok(())
    })
}

fn with_file<T: Send>(
    netns: &mut Netns,
    key: &SysctlKey,
    access: OFlag,
    act: impl FnOnce(File) -> Result<T, Refusal> + Send,
) -> Result<T, Refusal> {
    let key = key.as_str();
    let from_root = || open_beneath(open_directory(ROOT)?, key, access);
    if netns.to_enter().is_none() {
        return act(from_root()?);
    }
    // Opens the directories as well: whoever sets sysctls there acts on links there too.
    netns.socket()?;
    match (netns.sysctls.find(key), netns.to_enter()) {
        (Some((directory, rest)), _) => act(open_beneath(directory, rest, access)?),
        (None, Some(file)) => in_netns(file, || act(from_root()?)),
        (None, None) => act(from_root()?),
    }
}

fn open_directory(path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(AT_FDCWD, path, flags, Mode::empty())
}

/// Opens a file below `directory`. Whatever stands in the key, nothing else is opened.
fn open_beneath(directory: impl AsFd, key: &str, access: OFlag) -> Result<File, Refusal> {
    let how = OpenHow::new().flags(access | OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    );
    Ok(openat2(directory, key, how)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_directory_is_opened() {
        let directory = open_directory("/proc/sys/net").unwrap();
        for key in ["../kernel/hostname", "/proc/sys/kernel/hostname", "ipv4/../../kernel/hostname"]
        {
            assert!(open_beneath(&directory, key, OFlag::O_RDONLY).is_err(), "{key}");
        }
        open_beneath(&directory, "ipv4/ip_forward", OFlag::O_RDONLY).unwrap();
    }

    #[test]
    fn a_value_of_several_lines_is_refused() {
        let key = SysctlKey::try_from("net/ipv4/ip_forward".to_owned()).unwrap();
        assert_eq!(set(&mut Netns::own(), &key, "1\n0").unwrap_err().errno, Errno::EINVAL);
    }
}
