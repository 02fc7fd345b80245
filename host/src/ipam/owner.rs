//! What a reservation's file says: whose the address is.

use std::fmt;

use crate::names::{ContainerId, IfName};

/// One container's one interface; of which network, the directory says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.container_id, self.ifname)
    }
}

/// The content of a reservation's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The address is free: the reference plugin died between creating and writing the file, or the
    /// node lost power before the file's data was on disk.
    Empty,
    /// `<container id>\r\n<ifname>`.
    Attachment(Attachment),
    /// `<container id>`: versions of the reference plugin before 0.7 knew one interface a container.
    Container(ContainerId),
    /// Anything else: an operator's note, perhaps. The address is taken, and nobody's to release.
    Foreign,
}

/// Between the container ID and the ifname.
const LINE_BREAK: &str = "\r\n";

/// More than any content that is not foreign has, in bytes: 128 + 2 + 15, and white space.
pub(super) const MAX_CONTENT_BYTES: usize = 256;

impl Content {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        // NULs: file systems that write a file's size before its data.
        if bytes.iter().all(|byte| *byte == 0) {
            return Self::Empty;
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return Self::Foreign };
        match text.trim().split_once(LINE_BREAK) {
            Some((id, ifname)) => match (id.parse(), ifname.parse()) {
                (Ok(container_id), Ok(ifname)) => {
                    Self::Attachment(Attachment { container_id, ifname })
                }
                _ => Self::Foreign,
            },
            None => text.trim().parse().map_or(Self::Foreign, Self::Container),
        }
    }

    /// What stands for the owner in the index; none if there is no owner to ask for it.
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Self::Attachment(attachment) => Some(Key::exact(attachment)),
            Self::Container(id) => Some(Key::container(id)),
            Self::Empty | Self::Foreign => None,
        }
    }
}

/// The text of a reservation's file.
pub(super) fn render(attachment: &Attachment) -> String {
    format!("{}{LINE_BREAK}{}", attachment.container_id, attachment.ifname)
}

/// An owner as a file name: `<container id>:<ifname>`. Neither part can hold a colon or a slash, both
/// together fit into a file name, and the ID is never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn exact(attachment: &Attachment) -> Self {
        Self(format!("{}:{}", attachment.container_id, attachment.ifname))
    }

    /// The key of files that hold a container ID alone.
    pub(super) fn container(id: &ContainerId) -> Self {
        Self(format!("{id}:"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_the_reference_plugins() {
        let attachment =
            Attachment { container_id: "abc".parse().unwrap(), ifname: "eth0".parse().unwrap() };
        assert_eq!(render(&attachment), "abc\r\neth0");
        for text in ["abc\r\neth0", "abc\r\neth0\n", " abc\r\neth0\r\n"] {
            assert_eq!(Content::parse(text.as_bytes()), Content::Attachment(attachment.clone()));
        }
        for text in ["abc", "abc\n", " abc "] {
            assert_eq!(
                Content::parse(text.as_bytes()),
                Content::Container("abc".parse().unwrap()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn nothing_written_is_free_and_anything_else_is_taken() {
        assert_eq!(Content::parse(b""), Content::Empty);
        assert_eq!(Content::parse(b"\0\0\0"), Content::Empty);
        for text in [
            "\n",
            "kept for the printer",
            "abc\neth0",
            "abc\r\neth0\r\nx",
            "/\r\neth0",
            "abc\r\n1:2",
        ] {
            assert_eq!(Content::parse(text.as_bytes()), Content::Foreign, "{text:?}");
        }
        assert_eq!(Content::parse(b"\xff"), Content::Foreign);
    }
}
