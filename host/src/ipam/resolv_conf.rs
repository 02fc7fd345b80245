//! A file in the format of resolv.conf(5), as the reference host-local reads it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use thiserror::Error;

use super::error::{errno_of, lower};

/// Octets of the largest file that is read.
pub const MAX_BYTES: u64 = 64 * 1024;

/// What a resolv.conf(5) file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Every `nameserver`, in order.
    pub nameservers: Vec<String>,
    /// The last `domain`.
    pub domain: Option<String>,
    /// The words of every `search`, in order.
    pub search: Vec<String>,
    /// The words of every `options`, in order.
    pub options: Vec<String>,
}

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ResolvConfError {
    /// The kernel refused.
    #[error("reading {path:?}: {} ({errno:?})", lower(errno.desc()))]
    System {
        /// The file.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// A directory, a FIFO, a device.
    #[error("reading {path:?}: not a regular file; name one in the format of resolv.conf(5)")]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// No resolver configuration is that large.
    #[error(
        "reading {path:?}: larger than {MAX_BYTES} octets; name a file of resolv.conf(5)'s format"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Directories that a plugin runs in differ from runtime to runtime.
    #[error("reading {path:?}: not an absolute path; write one that begins with \"/\"")]
    Relative {
        /// The file.
        path: PathBuf,
    },
}

impl ResolvConfError {
    /// What the kernel said, if it was the kernel that refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. } => Some(*errno),
            Self::NotRegular { .. } | Self::TooLarge { .. } | Self::Relative { .. } => None,
        }
    }
}

/// Reads a file. Symlinks are followed: `/etc/resolv.conf` often is one.
///
/// # Errors
/// It cannot be read, is no regular file, or too large.
pub fn read(path: &Path) -> Result<Resolver, ResolvConfError> {
    if !path.is_absolute() {
        return Err(ResolvConfError::Relative { path: path.to_owned() });
    }
    let refused = |errno| ResolvConfError::System { path: path.to_owned(), errno };
    // Without O_NONBLOCK a FIFO would keep this call for ever.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = open(path, flags, Mode::empty()).map_err(refused)?;
    let kind = SFlag::from_bits_truncate(fstat(&file).map_err(refused)?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return Err(ResolvConfError::NotRegular { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let mut limited = File::from(file).take(MAX_BYTES + 1);
    let length = limited.read_to_end(&mut bytes).map_err(|error| refused(errno_of(&error)))?;
    if u64::try_from(length).is_ok_and(|length| length <= MAX_BYTES) {
        Ok(parse(&String::from_utf8_lossy(&bytes)))
    } else {
        Err(ResolvConfError::TooLarge { path: path.to_owned() })
    }
}

/// Reads the text of a file. A `#` or `;` begins a comment where it begins a line; unknown keywords,
/// and keywords without a value, are passed over.
#[must_use]
pub fn parse(text: &str) -> Resolver {
    let mut resolver = Resolver::default();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(keyword), Some(first)) = (words.next(), words.next()) else { continue };
        let mut all = std::iter::once(first).chain(words).map(str::to_owned);
        match keyword {
            "nameserver" => resolver.nameservers.extend(all.next()),
            "domain" => resolver.domain = all.next(),
            "search" => resolver.search.extend(all),
            "options" => resolver.options.extend(all),
            _ => {}
        }
    }
    resolver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn every_keyword_is_read() {
        let text = "# made by hand\n; and by machine\nnameserver 192.0.2.1 # ignored\n  nameserver\tfd00::1\r\n\
                    domain a.example\ndomain b.example extra\nsearch c d\nsearch e\noptions ndots:5 edns0\n\
                    options rotate\n\nnameserver\nsortlist 192.0.2.0\n #nameserver 192.0.2.9\n";
        assert_eq!(
            parse(text),
            Resolver {
                nameservers: texts(&["192.0.2.1", "fd00::1"]),
                domain: Some("b.example".to_owned()),
                search: texts(&["c", "d", "e"]),
                options: texts(&["ndots:5", "edns0", "rotate"]),
            }
        );
        assert_eq!(parse(""), Resolver::default());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "tests make the files that they read")]
    fn only_regular_files_of_bounded_size_are_read() {
        let dir = std::env::temp_dir().join(format!("resolv-conf-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("resolv.conf");
        std::fs::write(&file, "nameserver 192.0.2.1\n").unwrap();
        assert_eq!(read(&file).unwrap().nameservers, texts(&["192.0.2.1"]));
        std::fs::write(&file, " ".repeat(64 * 1024)).unwrap();
        assert_eq!(read(&file).unwrap(), Resolver::default());
        std::fs::write(&file, " ".repeat(64 * 1024 + 1)).unwrap();
        assert!(matches!(read(&file), Err(ResolvConfError::TooLarge { .. })));
        assert!(matches!(read(&dir), Err(ResolvConfError::NotRegular { .. })));
        let fifo = dir.join("fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert!(matches!(read(&fifo), Err(ResolvConfError::NotRegular { .. })));
        let missing = read(&dir.join("none")).unwrap_err();
        assert_eq!(missing.errno(), Some(Errno::ENOENT));
        assert!(missing.to_string().ends_with("/none\": no such file or directory (ENOENT)"));
        assert!(matches!(read(Path::new("resolv.conf")), Err(ResolvConfError::Relative { .. })));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
