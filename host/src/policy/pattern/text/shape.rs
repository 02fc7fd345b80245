//! Whether a pattern can be for anything at all.

use super::super::super::op::Holds;
use super::super::BadPattern;
use super::{ConfigKey, Piece, TextPattern};
use crate::names::{IfName, MAX_IFNAME_BYTES, Mac, PluginName};

/// Octets of a MAC as it is written.
const MAC_OCTETS: usize = "02:00:5e:10:00:01".len();
const A_MAC: &str = r#"one as "02:00:5e:10:00:01", or as "02:00:*""#;

impl TextPattern {
    /// Refuses what could never match: better an error now than a refusal on a node.
    pub(super) fn check_shape(&self, text: &str, holds: Holds) -> Result<(), BadPattern> {
        let literal = match self {
            Self::Literal(text) => Some(text.as_ref()),
            Self::Config(key) => key.default.as_deref(),
            Self::Parts(_) => None,
        };
        let bad = |problem: String, instead: &str| Err(BadPattern::new(problem, instead));
        match (holds, literal) {
            (Holds::Link, Some(name)) => match IfName::try_from(name) {
                Ok(_) => Ok(()),
                Err(error) => bad(format!("is no link's name: {error}"), "the name of a link"),
            },
            (Holds::Plugin, Some(name)) => match PluginName::try_from(name) {
                Ok(_) => Ok(()),
                Err(error) => {
                    bad(format!("is no plugin's name: {error}"), "the \"type\" of a plugin")
                }
            },
            (Holds::Link | Holds::Plugin, None) if text.contains('/') => {
                bad("contains \"/\", which no name does".to_owned(), "it without")
            }
            (Holds::Word(words), _) if !words.iter().any(|word| self.means(word)) => {
                bad("is not known here".to_owned(), &one_of(words))
            }
            (Holds::Mac, Some(text)) => match Mac::try_from(text).map(|mac| mac.to_string()) {
                Ok(mac) if mac == text => Ok(()),
                Ok(mac) => bad("is no MAC as the kernel writes it".to_owned(), &format!("{mac:?}")),
                Err(_) => bad("is no MAC".to_owned(), A_MAC),
            },
            (Holds::Mac, None) if !text.bytes().all(of_a_mac) || text.len() > MAC_OCTETS => {
                bad("matches no MAC".to_owned(), A_MAC)
            }
            (Holds::Link, None) if self.shortest() > MAX_IFNAME_BYTES => {
                let most = format!("one of at most {MAX_IFNAME_BYTES} octets");
                bad("is longer than any link's name".to_owned(), &most)
            }
            (Holds::SysctlKey, _) if text.starts_with("net.") => {
                let instead = format!("\"{}\"", text.replace('.', "/"));
                bad("has dots between its parts".to_owned(), &instead)
            }
            (Holds::SysctlKey, _) if !text.starts_with("net/") => {
                bad("is no path below net/".to_owned(), r#"one as "net/ipv4/ip_forward""#)
            }
            (Holds::Path, _) if !literal.unwrap_or(text).starts_with('/') && !self.is_bare() => {
                bad("is no absolute path".to_owned(), r#"one that begins with "/""#)
            }
            _ => Ok(()),
        }
    }

    /// Octets that every value has which it means.
    fn shortest(&self) -> usize {
        let literal = |piece: &Piece| match piece {
            Piece::Literal(text) => text.len(),
            Piece::Star | Piece::Ifname | Piece::Config(_) => 0,
        };
        self.pieces().map(literal).sum()
    }

    /// A variable of the configuration alone, without a default.
    fn is_bare(&self) -> bool {
        matches!(self, Self::Config(ConfigKey { default: None, .. }))
    }
}

/// What the kernel's MACs consist of here, and wildcards.
fn of_a_mac(octet: u8) -> bool {
    matches!(octet, b'0'..=b'9' | b'a'..=b'f' | b':' | b'*')
}

fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("one of {}", words.join(", "))
}
