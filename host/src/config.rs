//! The operator's configuration, `<config>/wasmcni.toml`, and grant files of the operator's own.

use std::io::Read;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use serde::Deserialize;

use crate::names::PluginName;
use crate::trust;

/// The node's configuration, in the directory of configurations.
pub const FILE: &str = "wasmcni.toml";

/// Largest file that is read, in octets.
const MAX_BYTES: u64 = 1 << 20;

/// Why a file of the operator's is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("reading {path:?}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Somebody else than root could have written it.
    #[error(
        "reading {path:?}: owner {owner}, mode {mode:o}: it says what plugins may do, so it must \
         belong to root and be writable by nobody else (chown root, chmod go-w)"
    )]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("reading {path:?}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, where, and what to write.
        reason: String,
    },
}

/// What is wrong with the text of the node's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to write.
    pub reason: String,
}

/// What the operator says about this node. A missing file says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Native delegates that may be executed: programs on CNI_PATH that nothing confines.
    natives: Vec<String>,
    /// Where a line about each call is written: `journald`, or the path of a file.
    #[serde(deserialize_with = "audit_to")]
    audit: Option<AuditTo>,
}

/// What `audit` says in wasmcni.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTo {
    /// This file, which is made if it is missing; one line each.
    File(PathBuf),
    /// The journal, under the identifier `wasmcni`.
    Journald,
}

impl AuditTo {
    /// What the operator wrote: `journald`, or an absolute path.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "journald" => Some(Self::Journald),
            path if Path::new(path).is_absolute() && Path::new(path).file_name().is_some() => {
                Some(Self::File(path.into()))
            }
            _ => None,
        }
    }
}

fn audit_to<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<AuditTo>, D::Error> {
    let text = String::deserialize(from)?;
    AuditTo::read(&text).map(Some).ok_or_else(|| {
        let want = "write \"journald\", or the absolute path of a file";
        serde::de::Error::custom(format!("audit: {text:?} is no place for an audit; {want}"))
    })
}

impl Config {
    /// Reads the node's configuration.
    ///
    /// # Errors
    /// When there is a file and it cannot be used: nothing is assumed in its place.
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join(FILE);
        let Some(text) = read_trusted(&path)? else { return Ok(Self::default()) };
        Self::parse(&text).map_err(|wrong| ConfigError::Invalid { path, reason: wrong.reason })
    }

    /// Reads the text of it.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let config: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            Wrong { line: before.matches('\n').count() + 1, reason: e.to_string() }
        })?;
        for native in &config.natives {
            PluginName::try_from(native.as_str()).map_err(|e| {
                let line = text.lines().position(|line| line.contains(native.as_str()));
                let reason = format!("natives: {native:?}: {e}");
                Wrong { line: line.unwrap_or_default() + 1, reason }
            })?;
        }
        Ok(config)
    }

    /// Where a line about each call is written, if anywhere.
    pub fn audit(&self) -> Option<&AuditTo> {
        self.audit.as_ref()
    }

    /// Whether this native delegate may be executed.
    pub fn allows_native(&self, plugin: &PluginName) -> bool {
        self.natives.iter().any(|native| native == plugin.as_str())
    }
}

/// The operator's own grant file for a plugin, with its path; `None`: there is none.
///
/// # Errors
/// When there is a file and it cannot be used.
pub fn grant_file(dir: &Path, plugin: &str) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let path = dir.join("plugins").join(format!("{plugin}.toml"));
    Ok(read_trusted(&path)?.map(|text| (path, text)))
}

/// A file of the operator's, as it was found.
#[derive(Debug)]
pub struct Found {
    /// What it says.
    pub text: String,
    /// Why nothing of it counts, whatever it says.
    pub untrusted: Option<ConfigError>,
}

/// Reads a file that nobody but root (or, in a user namespace, this process's user) can write.
fn read_trusted(path: &Path) -> Result<Option<String>, ConfigError> {
    match find(path)? {
        None => Ok(None),
        Some(Found { untrusted: Some(error), .. }) => Err(error),
        Some(Found { text, untrusted: None }) => Ok(Some(text)),
    }
}

/// Reads a file, whoever could have written it; `None`: there is none.
///
/// # Errors
/// When there is a file and it cannot be read.
pub fn find(path: &Path) -> Result<Option<Found>, ConfigError> {
    let fail = |source| ConfigError::Io { path: path.to_owned(), source };
    let Some(name) = path.file_name() else { return Ok(None) };
    // The parent of a name alone is the empty path: the current directory.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let missing = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
    let parent = parent.unwrap_or(Path::new("."));
    let dir = match Dir::open_ambient_dir(parent, ambient_authority()) {
        Err(e) if missing(&e) => return Ok(None),
        other => other.map_err(fail)?,
    };
    let file: File = match dir.open(name) {
        Err(e) if missing(&e) => return Ok(None),
        other => other.map_err(fail)?,
    };
    let seen = file.metadata().map_err(fail)?;
    let untrusted = trust::untrusted(&seen).map(|(owner, mode)| ConfigError::Untrusted {
        path: path.to_owned(),
        owner,
        mode,
    });
    if seen.len() > MAX_BYTES {
        let reason = format!("{} octets; at most {MAX_BYTES} are read", seen.len());
        return Err(ConfigError::Invalid { path: path.to_owned(), reason });
    }
    let mut text = String::new();
    // What grows meanwhile is not cut: half a file may say something else.
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(fail)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_BYTES) {
        let reason = format!("it grows; at most {MAX_BYTES} octets are read");
        return Err(ConfigError::Invalid { path: path.to_owned(), reason });
    }
    Ok(Some(Found { text, untrusted }))
}

/// The files of a directory whose names end in `.toml`, by name; `None`: there is no such directory.
///
/// # Errors
/// When it cannot be read.
pub fn files(path: &Path) -> Result<Option<Vec<PathBuf>>, ConfigError> {
    let fail = |source| ConfigError::Io { path: path.to_owned(), source };
    let dir = match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(fail)?,
    };
    let mut all = Vec::new();
    for entry in dir.entries().map_err(fail)? {
        let name = PathBuf::from(entry.map_err(fail)?.file_name());
        if name.extension().is_some_and(|extension| extension == "toml") {
            all.push(path.join(name));
        }
    }
    all.sort();
    Ok(Some(all))
}
