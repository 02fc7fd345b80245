//! Configurations that delegates were run with, saved for DEL.
//!
//! The reference plugin saves one file for each container, `<dataDir>/<container>`, whatever the
//! interface: a second interface overwrites the first one's. Here the first one has that file, so
//! that the reference's DEL finds it, with a key of our own that names the interface ([`MARK`];
//! plugins pass over keys that they do not know). Any further one has `<container>:<ifname>`; no
//! container ID has a colon. A file without the mark is the reference's.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use go_json::Node;
use nix::libc;

use super::{FileError, Result, open_dir, read_text};
use crate::names::{Attachment, NetworkName};

/// Octets of the longest configuration.
const MAX_BYTES: u64 = 256 * 1024;

/// The key that says whose interface it is.
const MARK: &str = "wasmcni/ifname";

/// Begins the name of a file that is being written.
const NEW: &str = ".new-";

/// Whose the container's file is when it names no interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmarked {
    /// The attachment's: the reference plugin made it.
    Mine,
    /// Not known to be the attachment's.
    Others,
}

/// A file of a container, as far as it can be told.
enum Whose {
    /// Saved here, for this interface.
    Interface(String),
    /// The reference's, of this network.
    Network(String),
    /// No configuration: what a crash leaves of a file that is written in place.
    Nobody,
}

fn whose(text: &str) -> Whose {
    let Ok(document) = Node::parse(text) else { return Whose::Nobody };
    let text = |key: &str| document.get(key).and_then(Node::as_str).map(str::to_owned);
    match (text(MARK), text("name")) {
        (Some(ifname), _) => Whose::Interface(ifname),
        (None, Some(network)) => Whose::Network(network),
        (None, None) => Whose::Nobody,
    }
}

/// The files of one directory.
struct Files<'a> {
    dir: Dir,
    path: &'a Path,
}

impl Files<'_> {
    fn read(&self, name: &str) -> Result<Option<String>> {
        read_text(&self.dir, Path::new(name), &self.path.join(name), MAX_BYTES)
    }

    fn remove(&self, name: &str) -> Result<()> {
        match self.dir.remove_file(name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(FileError::system("removing", &self.path.join(name), &e))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = self.dir.open_with(name, &options)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Whether the container's file may be replaced by this attachment's.
    fn is_free_for(&self, of: &Attachment) -> Result<bool> {
        Ok(match self.read(of.container_id.as_str())?.map(|text| whose(&text)) {
            Some(Whose::Interface(ifname)) => ifname == of.ifname.as_str(),
            Some(Whose::Network(_)) => false,
            Some(Whose::Nobody) | None => true,
        })
    }

    /// Gives the new file its place.
    fn place(&self, new: &str, of: &Attachment) -> Result<()> {
        let (first, further) = (of.container_id.as_str(), further(of));
        let fail = |name: &str, e: &io::Error| {
            FileError::system("saving a configuration as", &self.path.join(name), e)
        };
        // A link never replaces: of two interfaces at once, one is the first.
        match self.dir.hard_link(new, &self.dir, first) {
            Ok(()) => self.remove(new)?,
            Err(_) if self.is_free_for(of)? => {
                self.dir.rename(new, &self.dir, first).map_err(|e| fail(first, &e))?;
            }
            Err(_) => {
                return self.dir.rename(new, &self.dir, &further).map_err(|e| fail(&further, &e));
            }
        }
        self.remove(&further)
    }
}

/// The name for an interface that is not the container's first.
fn further(of: &Attachment) -> String {
    format!("{}:{}", of.container_id, of.ifname)
}

/// Saves a configuration for an attachment, on disk when this returns, wholly or not at all.
///
/// # Errors
/// It is no JSON object or too long, or cannot be written.
pub fn save(data_dir: &Path, of: &Attachment, text: &str) -> Result<()> {
    let act = "saving a configuration in";
    let refused = |why: String| FileError::invalid(act, data_dir, why);
    let mut document = Node::parse(text).map_err(|e| refused(e.to_string()))?;
    document.set(MARK, of.ifname.as_str().into()).map_err(|e| refused(e.to_string()))?;
    let text = document.to_json_string();
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(refused(format!("it is longer than {MAX_BYTES} octets")));
    }
    let dir = match open_dir(act, data_dir)? {
        Some(dir) => dir,
        None => make(data_dir).map_err(|e| FileError::system("making", data_dir, &e))?,
    };
    let files = Files { dir, path: data_dir };
    let new = format!("{NEW}{}", further(of));
    let written = files
        .write(&new, &text)
        .map_err(|e| FileError::system("writing", &data_dir.join(&new), &e))
        .and_then(|()| files.place(&new, of));
    if written.is_err() {
        let _ = files.dir.remove_file(&new);
    }
    written
}

/// What was saved for an attachment: here, or by the reference for its network.
///
/// # Errors
/// A file cannot be read.
pub fn load(data_dir: &Path, of: &Attachment) -> Result<Option<String>> {
    let Some(dir) = open_dir("reading", data_dir)? else { return Ok(None) };
    let files = Files { dir, path: data_dir };
    let text = match files.read(&further(of))? {
        Some(text) => text,
        None => {
            let Some(text) = files.read(of.container_id.as_str())? else { return Ok(None) };
            match whose(&text) {
                Whose::Interface(ifname) if ifname != of.ifname.as_str() => return Ok(None),
                Whose::Network(network) if network != of.network.as_str() => return Ok(None),
                Whose::Interface(_) | Whose::Network(_) | Whose::Nobody => text,
            }
        }
    };
    Ok(Some(match Node::parse(&text) {
        Ok(mut document) => {
            document.remove(MARK);
            document.to_json_string()
        }
        Err(_) => text,
    }))
}

/// Removes what was saved for an attachment. None there is success.
///
/// # Errors
/// A file cannot be read or removed.
pub fn remove(data_dir: &Path, of: &Attachment, unmarked: Unmarked) -> Result<()> {
    let Some(dir) = open_dir("reading", data_dir)? else { return Ok(()) };
    let files = Files { dir, path: data_dir };
    files.remove(&format!("{NEW}{}", further(of)))?;
    let first = of.container_id.as_str();
    // What cannot be read is nobody's configuration.
    let first_is = files.read(first).map_or(Some(Whose::Nobody), |text| text.map(|t| whose(&t)));
    let is_mine = match first_is {
        Some(Whose::Interface(ifname)) => ifname == of.ifname.as_str(),
        Some(Whose::Network(network)) => {
            unmarked == Unmarked::Mine && network == of.network.as_str()
        }
        Some(Whose::Nobody) => unmarked == Unmarked::Mine,
        None => false,
    };
    if is_mine {
        files.remove(first)?;
    }
    files.remove(&further(of))
}

/// Removes what was saved for attachments of a network that are none of `valid`, pairs of container
/// ID and ifname. Of a file of the reference's, the container has to have no valid attachment.
///
/// # Errors
/// The directory cannot be read, or a file cannot be removed.
pub fn sweep(
    data_dir: &Path,
    network: &NetworkName,
    valid: &HashSet<(String, String)>,
) -> Result<()> {
    let Some(dir) = open_dir("reading", data_dir)? else { return Ok(()) };
    let files = Files { dir, path: data_dir };
    let fail = |e: io::Error| FileError::system("reading", data_dir, &e);
    for entry in files.dir.entries().map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let Ok(Some(text)) = files.read(name) else { continue };
        let of_network = Node::parse(&text)
            .is_ok_and(|d| d.get("name").and_then(Node::as_str) == Some(network.as_str()));
        let of = name.strip_prefix(NEW).unwrap_or(name);
        let (container, _) = of.split_once(':').unwrap_or((of, ""));
        let is_valid = match whose(&text) {
            Whose::Interface(ifname) => valid.contains(&(container.to_owned(), ifname)),
            Whose::Network(_) | Whose::Nobody => valid.iter().any(|(id, _)| id == container),
        };
        if of_network && !is_valid {
            files.remove(name)?;
        }
    }
    Ok(())
}

/// `mkdir -p`, with the mode that the reference plugin gives it: configurations may hold secrets.
fn make(path: &Path) -> io::Result<Dir> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700).recursive(true);
    let root = Dir::open_ambient_dir("/", ambient_authority())?;
    root.create_dir_with(path.strip_prefix("/").unwrap_or(path), &builder)?;
    Dir::open_ambient_dir(path, ambient_authority())
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
