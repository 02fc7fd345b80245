//! The directory of journals: one for each network, in which each attachment and plugin has a file.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::file::{Journal, JournalError};
use crate::names::{Attachment, ContainerId, IfName, NetworkName};

/// The journals of a node: `<run>/attachments`.
#[derive(Debug)]
pub struct Journals {
    dir: Dir,
}

impl Journals {
    /// Opens the directory, making it (0700) if need be.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    pub fn open(run: &Path) -> Result<Self, JournalError> {
        let path = run.join("attachments");
        let fail = |act| {
            let path = path.display().to_string();
            move |source| JournalError::Io { act, path, source }
        };
        let dir = match Dir::open_ambient_dir(&path, ambient_authority()) {
            Ok(dir) => dir,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                make_private(&path).map_err(fail("making"))?;
                Dir::open_ambient_dir(&path, ambient_authority()).map_err(fail("opening"))?
            }
            Err(e) => return Err(fail("opening")(e)),
        };
        Ok(Self { dir })
    }

    /// The journal of an attachment and plugin, locked; an empty one if there is none.
    ///
    /// # Errors
    /// `Busy` when another process has it for longer than `patience`; `Io`, `Damaged`.
    pub fn attachment(
        &self,
        attachment: &Attachment,
        plugin: &str,
        patience: std::time::Duration,
    ) -> Result<Journal, JournalError> {
        let network = self.network_dir(&attachment.network)?;
        let name = format!("{}:{}:{plugin}", attachment.container_id, attachment.ifname);
        let path = format!("{}/{name}", attachment.network);
        Journal::open(network, name, path, attachment.clone(), patience)
    }

    /// Every attachment of a network that `plugin` has a journal of.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn of_network(
        &self,
        network: &NetworkName,
        plugin: &str,
    ) -> Result<Vec<Attachment>, JournalError> {
        let fail = |source| JournalError::Io { act: "reading", path: network.to_string(), source };
        let dir = match self.dir.open_dir(network.as_str()) {
            Ok(dir) => dir,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(fail(e)),
        };
        let mut found = Vec::new();
        for entry in dir.entries().map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            let Some((container, ifname)) = name.to_str().and_then(|n| parse_name(n, plugin))
            else {
                continue;
            };
            found.push(Attachment { network: network.clone(), container_id: container, ifname });
        }
        Ok(found)
    }

    /// Every attachment of the node that has a journal, with the plugin that it is of.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn all(&self) -> Result<Vec<(Attachment, String)>, JournalError> {
        let fail = |source| JournalError::Io { act: "reading", path: "attachments".into(), source };
        let mut found = Vec::new();
        for network in self.dir.entries().map_err(fail)? {
            let network = network.map_err(fail)?;
            let name = network.file_name();
            let Ok(name) = NetworkName::try_from(name.to_string_lossy().as_ref()) else { continue };
            for entry in network.open_dir().and_then(|dir| dir.entries()).map_err(fail)? {
                let file = entry.map_err(fail)?.file_name();
                let plugin = file.to_str().and_then(|file| file.rsplit(':').next()).unwrap_or("");
                let of = file.to_str().and_then(|file| parse_name(file, plugin));
                let network = name.clone();
                found.extend(of.map(|(container_id, ifname)| {
                    (Attachment { network, container_id, ifname }, plugin.to_owned())
                }));
            }
        }
        Ok(found)
    }

    /// Whether any attachment of the node but `mine` has a journal.
    pub fn any_other(&self, mine: &Attachment) -> bool {
        self.other(mine, "")
    }

    /// Whether any attachment of the same container but `mine` has one.
    pub fn any_other_of_container(&self, mine: &Attachment) -> bool {
        self.other(mine, &format!("{}:", mine.container_id))
    }

    /// Whether any attachment but `mine` has a journal whose name begins so.
    fn other(&self, mine: &Attachment, beginning: &str) -> bool {
        let prefix = format!("{}:{}:", mine.container_id, mine.ifname);
        let Ok(networks) = self.dir.entries() else { return true };
        networks.flatten().any(|network| {
            let same_network = network.file_name().to_str() == Some(mine.network.as_str());
            let Ok(dir) = network.open_dir() else { return false };
            let Ok(entries) = dir.entries() else { return true };
            entries.flatten().any(|entry| {
                let name = entry.file_name();
                let begins = |with: &str| name.to_str().is_some_and(|n| n.starts_with(with));
                begins(beginning) && !(same_network && begins(&prefix))
            })
        })
    }

    fn network_dir(&self, network: &NetworkName) -> Result<Dir, JournalError> {
        let fail = |act| move |source| JournalError::Io { act, path: network.to_string(), source };
        match self.dir.open_dir(network.as_str()) {
            Ok(dir) => return Ok(dir),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(fail("opening")(e)),
        }
        match self.dir.create_dir(network.as_str()) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(fail("making")(e)),
        }
        self.dir.open_dir(network.as_str()).map_err(fail("opening"))
    }
}

/// `<container>:<ifname>:<plugin>`; a colon occurs in none of them.
fn parse_name(name: &str, plugin: &str) -> Option<(ContainerId, IfName)> {
    let mut parts = name.split(':');
    let (container, ifname, of) = (parts.next()?, parts.next()?, parts.next()?);
    let known = of == plugin && parts.next().is_none();
    known.then_some(())?;
    Some((ContainerId::try_from(container).ok()?, IfName::try_from(ifname).ok()?))
}

/// `mkdir -p` with mode 0700: journals say who is attached where.
fn make_private(path: &Path) -> std::io::Result<()> {
    use cap_std::fs::DirBuilderExt;
    let mut builder = cap_std::fs::DirBuilder::new();
    builder.mode(0o700).recursive(true);
    let (root, rest) = (Path::new("/"), path.strip_prefix("/").unwrap_or(path));
    Dir::open_ambient_dir(root, ambient_authority())?.create_dir_with(rest, &builder)
}
