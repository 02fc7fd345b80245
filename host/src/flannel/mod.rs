//! Files of flannel networks: flanneld's subnet file, and the configurations that delegates were run
//! with, in the directory and format of the reference plugin (flannel-io/cni-plugin).

pub mod saved;
pub mod subnet_file;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use nix::errno::Errno;
use nix::libc;

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{act} {path:?}: {why}")]
pub struct FileError {
    act: &'static str,
    path: PathBuf,
    why: String,
    errno: Option<Errno>,
}

impl FileError {
    /// What the kernel said, if it was the kernel that refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        self.errno
    }

    fn invalid(act: &'static str, path: &Path, why: impl Into<String>) -> Self {
        Self { act, path: path.to_owned(), why: why.into(), errno: None }
    }

    fn system(act: &'static str, path: &Path, error: &io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw);
        let errno = errno.or((error.kind() == io::ErrorKind::NotFound).then_some(Errno::ENOENT));
        let why = match errno {
            Some(errno) => format!("{} ({errno:?})", errno.desc().to_lowercase()),
            // Of cap-std, which follows no way out of a directory.
            None => error.to_string(),
        };
        Self { act, path: path.to_owned(), why, errno }
    }
}

type Result<T> = std::result::Result<T, FileError>;

/// Opens a directory; `None`: there is none.
fn open_dir(act: &'static str, path: &Path) -> Result<Option<Dir>> {
    if !path.is_absolute() {
        return Err(FileError::invalid(act, path, "not an absolute path; write one from \"/\""));
    }
    match Dir::open_ambient_dir(path, ambient_authority()) {
        Ok(dir) => Ok(Some(dir)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(FileError::system(act, path, &e)),
    }
}

/// The text of a regular file of a directory, of at most `limit` octets; `None`: there is none.
/// `shown` is its whole path.
fn read_text(dir: &Dir, name: &Path, shown: &Path, limit: u64) -> Result<Option<String>> {
    let fail = |e: &io::Error| FileError::system("reading", shown, e);
    let mut options = OpenOptions::new();
    // Without O_NONBLOCK a FIFO would keep this call for ever.
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = match dir.open_with(name, &options) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(fail(&e)),
    };
    if !file.metadata().map_err(|e| fail(&e))?.is_file() {
        return Err(FileError::invalid("reading", shown, "not a regular file"));
    }
    let mut bytes = Vec::new();
    let length = file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| fail(&e))?;
    if u64::try_from(length).is_ok_and(|length| length <= limit) {
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    } else {
        let why = format!("larger than {limit} octets");
        Err(FileError::invalid("reading", shown, why))
    }
}
