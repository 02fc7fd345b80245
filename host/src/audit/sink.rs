//! Where lines go: a file, or the journal of systemd.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use super::Line;
use crate::config::AuditTo;

/// Where the journal listens (systemd-journald.service(8)).
const JOURNALD: &str = "/run/systemd/journal/socket";

/// A line that was not written.
#[derive(Debug, thiserror::Error)]
#[error("writing the audit to {to:?}: {source}")]
pub struct SinkError {
    /// The file or socket.
    to: PathBuf,
    /// The system's answer.
    source: std::io::Error,
}

impl AuditTo {
    pub(super) fn write(&self, line: &Line) -> Result<(), SinkError> {
        let (to, written) = match self {
            Self::File(path) => (path.as_path(), append(path, line)),
            Self::Journald => (Path::new(JOURNALD), send(line)),
        };
        written.map_err(|source| SinkError { to: to.to_owned(), source })
    }
}

/// One write(2) in append mode: lines of calls that run at once do not mix, and a file that is rotated meanwhile
/// is made anew.
fn append(path: &Path, line: &Line) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let dir = Dir::open_ambient_dir(parent, ambient_authority())?;
    let mut options = OpenOptions::new();
    // It tells of every container of the node.
    options.append(true).create(true).mode(0o600);
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    dir.open_with(name, &options)?.write_all(&bytes)
}

/// A datagram in the journal's own format (systemd.io/JOURNAL_NATIVE_PROTOCOL): fields in lines; JSON has no line
/// breaks.
fn send(line: &Line) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let mut text = String::from("SYSLOG_IDENTIFIER=wasmcni\n");
    text += if line.failure.is_some() { "PRIORITY=4\n" } else { "PRIORITY=6\n" };
    text += &format!("MESSAGE={}\n", serde_json::to_string(line)?);
    socket.send_to(text.as_bytes(), JOURNALD)?;
    Ok(())
}
