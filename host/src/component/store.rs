//! Components that were installed on this node: where they are, and whether they are still what they were.
//!
//! ```text
//! /var/lib/wasmcni/components/sha256-<digest>/component.wasm    as its author shipped it
//!                                             <engine>.cwasm    native code that was made of it here
//!                                             <engine>.json     what both were when they were written
//! ```
//!
//! `<engine>` is [`ENGINE`]: code of another build of wasmcni is not looked at. Files are published by
//! renaming the directory that they are in, and never change; see `docs/decisions/0013-installed-plugins.md`.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, MetadataExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Bundled, Code};
use crate::names::PluginName;
use crate::trust;

/// Which code this build runs: wasmtime's version, its settings and the target, in 16 hexadecimal digits.
pub const ENGINE: &str = env!("WASMCNI_ENGINE");
/// The target that code is compiled for.
pub const TARGET: &str = env!("WASMCNI_TARGET");
/// The component's file.
pub const COMPONENT: &str = "component.wasm";

/// Largest record that is read, in octets.
const MAX_RECORD: u64 = 4096;

/// SHA-256 of a component's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of the file's content.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// Why an installed component is not run.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is not there.
    #[error(
        "component sha256:{digest} is not installed: there is no {path:?}; `wasmcni plugin add`"
    )]
    Missing {
        /// Which.
        digest: Digest,
        /// Where it would be.
        path: PathBuf,
    },
    /// It was compiled for another build of wasmcni.
    #[error(
        "{path:?} has no code for this build of wasmcni ({ENGINE}): run `wasmcni plugin rebuild`"
    )]
    OtherEngine {
        /// The component's directory.
        path: PathBuf,
    },
    /// Somebody else than root could have written it.
    #[error(
        "{path:?}: owner {owner}, mode {mode:o}: what is run must belong to root and be writable by \
         nobody else; remove the plugin and add it again"
    )]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// It is not what was installed.
    #[error("{path:?} was changed after it was installed; remove the plugin and add it again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The record of what it was cannot be read.
    #[error("reading {path:?}: {reason}; remove the plugin and add it again")]
    Record {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file cannot be read.
    #[error("reading {path:?}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What the files of a component were when they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The component.
    pub component: Sum,
    /// Its code.
    pub code: Sum,
}

/// What a file was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Octets.
    pub size: u64,
    /// Where it was, and when it last changed: while these are the same, so is the content. Nothing but
    /// the kernel sets a change time (inode(7), `st_ctim`).
    pub device: u64,
    /// The inode's number.
    pub inode: u64,
    /// Seconds and nanoseconds.
    pub changed: (i64, i64),
}

impl Sum {
    /// Of a file that was written just now.
    ///
    /// # Errors
    /// The system's, when it cannot be read.
    pub fn of(file: &mut File) -> std::io::Result<Self> {
        let seen = file.metadata()?;
        Ok(Self {
            sha256: hex_digest(file)?,
            size: seen.len(),
            device: seen.dev(),
            inode: seen.ino(),
            changed: (seen.ctime(), seen.ctime_nsec()),
        })
    }

    /// Whether a file is this one still. If it may not be (a restored backup, an edited file), its content
    /// tells, which takes a millisecond for each megabyte.
    fn holds(&self, file: &mut File) -> std::io::Result<bool> {
        let seen = file.metadata()?;
        let stamp = (seen.dev(), seen.ino(), (seen.ctime(), seen.ctime_nsec()));
        if seen.len() != self.size {
            return Ok(false);
        }
        Ok(stamp == (self.device, self.inode, self.changed) || hex_digest(file)? == self.sha256)
    }
}

fn hex_digest(file: &mut File) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    std::io::copy(file, &mut digest)?;
    Ok(Digest(digest.finalize().into()).to_string())
}

/// The components' directory.
pub fn components(installed: &Path) -> PathBuf {
    installed.join("components")
}

/// The name of a component's directory.
pub fn directory_name(digest: Digest) -> String {
    format!("sha256-{digest}")
}

/// The name of code for this build.
pub fn code_name() -> String {
    format!("{ENGINE}.cwasm")
}

/// The name of the record that belongs to it.
pub fn record_name() -> String {
    format!("{ENGINE}.json")
}

/// A file of code that was found to be what wasmcni wrote when the plugin was installed. Only [`code`] makes
/// one.
#[derive(Debug)]
pub struct Checked {
    file: File,
}

impl Checked {
    /// The file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

/// The code of a component, if it and the component's file are what was installed.
///
/// # Errors
/// [`StoreError`]: it is not there, or not to be trusted.
pub fn code(installed: &Path, digest: Digest) -> Result<Code, StoreError> {
    let checked = check(installed, digest)?;
    let path = components(installed).join(directory_name(digest)).join(code_name());
    Code::installed(&checked).map_err(|source| StoreError::Io { path, source })
}

fn check(installed: &Path, digest: Digest) -> Result<Checked, StoreError> {
    let above = components(installed);
    let path = above.join(directory_name(digest));
    let io = |path: &Path, source| StoreError::Io { path: path.to_owned(), source };
    let open_dir = |path: &Path| match Dir::open_ambient_dir(path, ambient_authority()) {
        Ok(dir) => Ok(dir),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(StoreError::Missing { digest, path: path.to_owned() })
        }
        Err(e) => Err(io(path, e)),
    };
    for dir in [installed, &above] {
        trusted(dir, &open_dir(dir)?.dir_metadata().map_err(|e| io(dir, e))?)?;
    }
    let dir = open_dir(&path)?;
    trusted(&path, &dir.dir_metadata().map_err(|e| io(&path, e))?)?;
    let open = |name: &str| match dir.open(name) {
        Ok(file) => Ok(file),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(StoreError::OtherEngine { path: path.clone() })
        }
        Err(e) => Err(io(&path.join(name), e)),
    };
    let record = read_record(&path, open(&record_name())?)?;
    if record.component.sha256 != digest.to_string() {
        return Err(StoreError::Changed { path: path.join(record_name()) });
    }
    let check = |name: &str, sum: &Sum| {
        let mut file = open(name)?;
        let path = path.join(name);
        trusted(&path, &file.metadata().map_err(|e| io(&path, e))?)?;
        match sum.holds(&mut file) {
            Ok(true) => Ok(file),
            Ok(false) => Err(StoreError::Changed { path }),
            Err(e) => Err(io(&path, e)),
        }
    };
    check(COMPONENT, &record.component)?;
    Ok(Checked { file: check(&code_name(), &record.code)? })
}

/// The plugin of this name that was installed on the node: one with a grant file that is not a bundled
/// plugin's. Whether the file is right is seen when it is read.
pub fn find(config: &Path, name: &PluginName) -> Option<Bundled> {
    let grants = config.join("plugins").join(format!("{name}.toml"));
    // Leaked: a process runs a plugin or two.
    grants.is_file().then(|| Bundled::installed(name.to_string().leak()))
}

fn read_record(path: &Path, file: File) -> Result<Record, StoreError> {
    let path = path.join(record_name());
    let io = |source| StoreError::Io { path: path.clone(), source };
    trusted(&path, &file.metadata().map_err(io)?)?;
    let mut text = String::new();
    file.take(MAX_RECORD).read_to_string(&mut text).map_err(io)?;
    serde_json::from_str(&text)
        .map_err(|e| StoreError::Record { path: path.clone(), reason: e.to_string() })
}

fn trusted(path: &Path, seen: &cap_std::fs::Metadata) -> Result<(), StoreError> {
    match trust::untrusted(seen) {
        None => Ok(()),
        Some((owner, mode)) => Err(StoreError::Untrusted { path: path.to_owned(), owner, mode }),
    }
}
