//! Names that cannot be wrong: each is checked once, where it enters, and every rule says whose it
//! is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use thiserror::Error;

/// The longest container ID or network name, in bytes. Ours: both become parts of file names, which
/// Linux limits to 255 bytes (`NAME_MAX`), and a name that does not fit must fail before any work.
pub const MAX_ID_BYTES: usize = 128;

/// The longest link name, in bytes: the kernel's `IFNAMSIZ` is 16 with the closing NUL.
pub const MAX_IFNAME_BYTES: usize = 15;

/// Why a text is not a container ID or a network name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// CNI spec: both are required and not empty.
    #[error("empty")]
    Empty,
    /// Ours, see [`MAX_ID_BYTES`].
    #[error("longer than {MAX_ID_BYTES} bytes")]
    TooLong,
    /// CNI spec: "must start with an alphanumeric character".
    #[error("starts with {0:?}, not with an ASCII letter or digit")]
    FirstCharacter(char),
    /// CNI spec: then "any combination of one or more alphanumeric characters, underscore (_), dot
    /// (.) or hyphen (-)". The CNI library takes alphanumeric to mean ASCII.
    #[error("contains {0:?}, which is no ASCII letter, digit, \"_\", \".\" or \"-\"")]
    Character(char),
}

/// Why a text is not the name of a link.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IfNameError {
    /// CNI spec and kernel (`dev_valid_name`).
    #[error("empty")]
    Empty,
    /// Kernel (`dev_valid_name`), see [`MAX_IFNAME_BYTES`].
    #[error("longer than {MAX_IFNAME_BYTES} bytes")]
    TooLong,
    /// CNI spec and kernel (`dev_valid_name`): the names of directories.
    #[error("reserved by the file system")]
    Dots,
    /// CNI spec and kernel (`dev_valid_name`): `/`, `:`, white space. The CNI library counts
    /// Unicode's white space, the kernel the byte 0xA0 wherever it stands (as in "à").
    #[error("contains {0:?}, which the kernel forbids")]
    Character(char),
    /// Ours: the kernel replaces the `%d` of a name by a free number (`dev_alloc_name`), so the
    /// link would not have the name that was asked for.
    #[error("contains \"%\", which the kernel takes for a pattern")]
    Pattern,
    /// Ours: the kernel reads a name up to the first NUL.
    #[error("contains a NUL")]
    Nul,
}

/// Why a text is not a plugin's name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PluginNameError {
    /// CNI spec: `type` is required.
    #[error("empty")]
    Empty,
    /// CNI spec: `type` "must not contain characters disallowed in file paths for the system (e.g.
    /// / or \\)". CVE-2021-20206 came of not checking.
    #[error("contains {0:?}, but must be a file name")]
    Character(char),
    /// CNI library: a name that leads to a directory.
    #[error("names a directory")]
    Dots,
}

/// Why a text is not a MAC address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MacError {
    /// Go (`net.ParseMAC`): groups of two digits with `:` or `-` between all of them, or of four
    /// with `.`.
    #[error("not six bytes in the form 00:00:5e:00:53:01, 00-00-5e-00-53-01 or 0000.5e00.5301")]
    Form,
}

/// CNI_CONTAINERID: what the runtime calls a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

/// The `name` of a network configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkName(String);

/// The name of a link: CNI_IFNAME, or a link of the node in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName(String);

/// The `type` of a plugin or delegate: a file name below CNI_PATH.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(String);

/// A MAC address of six bytes. `Display` writes `00:00:5e:00:53:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mac([u8; 6]);

/// What a network's attachments are told apart by: the primary key of CNI 0.4.0 and later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// The network.
    pub network: NetworkName,
    /// The container.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`: the link in the container.
    pub ifname: IfName,
}

fn check_id(text: &str) -> Result<(), IdError> {
    let first = text.chars().next().ok_or(IdError::Empty)?;
    if text.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong);
    }
    if !first.is_ascii_alphanumeric() {
        return Err(IdError::FirstCharacter(first));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.chars().find(|c| !allowed(*c)).map_or(Ok(()), |c| Err(IdError::Character(c)))
}

fn check_if_name(text: &str) -> Result<(), IfNameError> {
    let forbidden = |c: char| matches!(c, '/' | ':') || c.is_whitespace() || has_byte_a0(c);
    match text {
        "" => Err(IfNameError::Empty),
        "." | ".." => Err(IfNameError::Dots),
        _ if text.len() > MAX_IFNAME_BYTES => Err(IfNameError::TooLong),
        _ if text.contains('%') => Err(IfNameError::Pattern),
        _ if text.contains('\0') => Err(IfNameError::Nul),
        _ => {
            text.chars().find(|c| forbidden(*c)).map_or(Ok(()), |c| Err(IfNameError::Character(c)))
        }
    }
}

fn has_byte_a0(c: char) -> bool {
    c.encode_utf8(&mut [0; 4]).as_bytes().contains(&0xA0)
}

fn check_plugin_name(text: &str) -> Result<(), PluginNameError> {
    match text {
        "" => Err(PluginNameError::Empty),
        "." | ".." => Err(PluginNameError::Dots),
        _ => text
            .chars()
            .find(|c| matches!(c, '/' | '\\' | '\0'))
            .map_or(Ok(()), |c| Err(PluginNameError::Character(c))),
    }
}

impl Mac {
    /// The six bytes, as they are sent.
    #[must_use]
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl From<[u8; 6]> for Mac {
    fn from(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let (separator, digits) = match text.chars().find(|c| !c.is_ascii_hexdigit()) {
            Some(separator @ (':' | '-')) => (separator, 2),
            Some('.') => ('.', 4),
            Some(_) | None => return Err(MacError::Form),
        };
        let mut nibbles = Vec::with_capacity(12);
        for group in text.split(separator) {
            if group.len() != digits {
                return Err(MacError::Form);
            }
            for c in group.chars() {
                let nibble = c.to_digit(16).and_then(|n| u8::try_from(n).ok());
                nibbles.push(nibble.ok_or(MacError::Form)?);
            }
        }
        let (pairs, _) = nibbles.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        <[u8; 6]>::try_from(bytes).map(Self).map_err(|_| MacError::Form)
    }
}

impl TryFrom<&str> for Mac {
    type Error = MacError;

    fn try_from(text: &str) -> Result<Self, MacError> {
        text.parse()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// What every name that is a checked text has in common.
macro_rules! checked_text {
    ($name:ident, $check:ident, $error:ident) => {
        impl $name {
            /// The text, as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                $check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $error;

            fn try_from(text: &str) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(ContainerId, check_id, IdError);
checked_text!(NetworkName, check_id, IdError);
checked_text!(IfName, check_if_name, IfNameError);
checked_text!(PluginName, check_plugin_name, PluginNameError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_spec() {
        let longest = "a".repeat(MAX_ID_BYTES);
        for text in ["a", "1.a-b_c", "A", "0", "a..b", "a-", longest.as_str()] {
            assert_eq!(text.parse::<ContainerId>().unwrap().as_str(), text);
            assert_eq!(text.parse::<NetworkName>().unwrap().as_str(), text);
        }
        for (text, error) in [
            ("", IdError::Empty),
            (".a", IdError::FirstCharacter('.')),
            ("-a", IdError::FirstCharacter('-')),
            ("_a", IdError::FirstCharacter('_')),
            ("ä", IdError::FirstCharacter('ä')),
            ("a/b", IdError::Character('/')),
            ("a b", IdError::Character(' ')),
            ("a:b", IdError::Character(':')),
            ("aä", IdError::Character('ä')),
            ("a\n", IdError::Character('\n')),
            ("a\0", IdError::Character('\0')),
            (format!("{longest}a").as_str(), IdError::TooLong),
        ] {
            assert_eq!(text.parse::<ContainerId>(), Err(error), "{text:?}");
            assert_eq!(text.parse::<NetworkName>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn if_names_are_those_of_the_kernel() {
        for text in ["eth0", "a", "...", "123456789012345", "eth0.100", "a@b", "\u{FC}", "-"] {
            assert_eq!(text.parse::<IfName>().unwrap().as_str(), text);
        }
        for (text, error) in [
            ("", IfNameError::Empty),
            (".", IfNameError::Dots),
            ("..", IfNameError::Dots),
            ("1234567890123456", IfNameError::TooLong),
            ("\u{FC}23456789012345", IfNameError::TooLong),
            ("a/b", IfNameError::Character('/')),
            ("a:b", IfNameError::Character(':')),
            ("a b", IfNameError::Character(' ')),
            ("a\tb", IfNameError::Character('\t')),
            ("a\u{A0}b", IfNameError::Character('\u{A0}')),
            ("a\u{2003}b", IfNameError::Character('\u{2003}')),
            ("\u{E0}", IfNameError::Character('\u{E0}')),
            ("eth%d", IfNameError::Pattern),
            ("a\0b", IfNameError::Nul),
        ] {
            assert_eq!(text.parse::<IfName>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn plugin_names_are_file_names() {
        for text in ["bridge", "host-local", "a.b", "...", ".hidden"] {
            assert_eq!(text.parse::<PluginName>().unwrap().as_str(), text);
        }
        for (text, error) in [
            ("", PluginNameError::Empty),
            (".", PluginNameError::Dots),
            ("..", PluginNameError::Dots),
            ("../bridge", PluginNameError::Character('/')),
            ("/bin/sh", PluginNameError::Character('/')),
            ("a\\b", PluginNameError::Character('\\')),
            ("a\0", PluginNameError::Character('\0')),
        ] {
            assert_eq!(text.parse::<PluginName>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn macs_are_read_as_go_reads_them() {
        for text in
            ["00:00:5e:00:53:a1", "00:00:5E:00:53:A1", "00-00-5e-00-53-a1", "0000.5e00.53a1"]
        {
            let mac: Mac = text.parse().unwrap();
            assert_eq!(mac.bytes(), [0, 0, 0x5e, 0, 0x53, 0xa1]);
            assert_eq!(mac.to_string(), "00:00:5e:00:53:a1");
        }
        for text in [
            "",
            "00005e0053a1",
            "00:00:5e:00:53",
            "00:00:5e:00:53:",
            "00:00:5e:00:53:a1:",
            "00:00:5e:00:53:a1:00:00",
            "0:0:5e:0:53:a1",
            "00:00-5e:00:53:a1",
            "00:00:5e:00:53:g1",
            "000:0:5e:00:53:a1",
            "00.00.5e.00.53.a1",
            "0000:5e00:53a1",
            "0000.5e00",
            " 00:00:5e:00:53:a1",
            "+0:00:5e:00:53:a1",
            "ää:ää",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(MacError::Form), "{text:?}");
        }
    }
}
