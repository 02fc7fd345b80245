//! Texts: literal, `*`, `**`, `@ifname`, `@own`, `@peer`, `@default-route`, `@config.a.b`,
//! `@config.a.b=default`.
//!
//! - `*` is any run of characters but `/`; `**`, as a whole part between slashes, any parts.
//! - A variable is a whole part between slashes (`net/ipv6/conf/@own/accept_ra`), or in braces beside
//!   other text (`@{config.bridge=cni0}.*`). `@own` and `@peer` are always a whole part, and
//!   `@default-route` a whole name.
//! - `@@` is an at sign.
//!
//! What a variable stands for is compared letter by letter: a `*` or `@` in it is a `*` or `@`. In a
//! path it is never more than one part, and never `.`, `..`, `all` or `default`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::op::Holds;
use super::{BadPattern, Facts};
use crate::names::NetworkName;

mod compile;
mod cover;
mod shape;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum TextPattern {
    /// Without a wildcard or variable.
    Literal(#[serde(borrow = "'static")] Cow<'static, str>),
    /// Nothing but a variable of the configuration: its value may hold slashes.
    Config(ConfigKey),
    /// By parts between slashes.
    Parts(Vec<Part>),
}

/// What stands between two slashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(in super::super) enum Part {
    /// `**`: one part or several.
    Any,
    /// `@own`.
    Own,
    /// `@peer`.
    Peer,
    /// `@default-route`.
    DefaultRoute,
    /// Anything else.
    Pieces(Vec<Piece>),
}

/// A piece of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Piece {
    Literal(#[serde(borrow = "'static")] Cow<'static, str>),
    Star,
    Ifname,
    Config(ConfigKey),
}

/// `config.a.b=default`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct ConfigKey {
    #[serde(borrow = "'static")]
    path: Cow<'static, str>,
    #[serde(borrow = "'static")]
    default: Option<Cow<'static, str>>,
}

/// Parts that stand for every link, or for the links to come, where a link's name is expected
/// (`net/ipv4/conf/all`).
const NO_LINKS: &[&str] = &["all", "default"];

/// For patterns without variables.
const NOTHING: Facts<'static> = Facts {
    ifname: "",
    config: &|_| None,
    own: &|_| false,
    peer: &|| None,
    default_route: &|_| false,
    prev: &[],
    ipam: &[],
    network: "",
    args: &|_| Vec::new(),
};

impl TextPattern {
    /// Reads a pattern for what a key `holds`; `in_container`: the grant is for the container netns
    /// alone, where CNI_IFNAME has a meaning; `None`: what it is for could not be read.
    pub(in super::super) fn parse(
        text: &str,
        holds: Holds,
        in_container: Option<bool>,
    ) -> Result<Self, BadPattern> {
        let pattern = compile::compile(text, holds)?;
        if in_container == Some(false) && pattern.uses_ifname() {
            return Err(BadPattern::new(
                "uses @ifname, the name of a link in the container netns",
                r#"netns = "container", or the name that a link of the node has"#,
            ));
        }
        if in_container == Some(true)
            && matches!(&pattern, Self::Parts(parts) if parts.contains(&Part::Peer))
        {
            return Err(BadPattern::new(
                "uses @peer, the name of a link of the node",
                r#"netns = "host", or "@ifname" for the container's end"#,
            ));
        }
        let allowed = match holds {
            Holds::Link | Holds::SysctlKey => true,
            Holds::Text | Holds::Plugin | Holds::Path => !pattern.uses_own_or_ifname(),
            Holds::Word(_) | Holds::Mac | Holds::Net | Holds::Destination | Holds::Number(..) => {
                pattern.is_constant()
            }
        };
        if !allowed {
            return Err(BadPattern::new(
                "uses a variable that has no meaning for this key",
                "a text",
            ));
        }
        pattern.check_shape(text, holds)?;
        Ok(pattern)
    }

    /// Reads a pattern for names of networks.
    pub(in super::super) fn network(text: &str) -> Result<Self, BadPattern> {
        let pattern = compile::compile(text, Holds::Text)?;
        match &pattern {
            _ if !pattern.is_constant() => {
                Err(BadPattern::new("uses a variable", "the name of a network"))
            }
            Self::Literal(name) => match NetworkName::try_from(name.as_ref()) {
                Ok(_) => Ok(pattern),
                Err(error) => {
                    let problem = format!("is no network's name: {error}");
                    Err(BadPattern::new(problem, "the name of a network"))
                }
            },
            Self::Config(_) | Self::Parts(_) => Ok(pattern),
        }
    }

    /// Reads a pattern for values of CNI_ARGS.
    pub(in super::super) fn arg(text: &str) -> Result<Self, BadPattern> {
        let pattern = compile::compile(text, Holds::Text)?;
        if !pattern.is_constant() {
            return Err(BadPattern::new("uses a variable", "what the runtime says, as \"team-a\""));
        }
        if text.contains([';', '=']) {
            let instead = "a value of CNI_ARGS, in which neither stands";
            return Err(BadPattern::new("contains \";\" or \"=\"", instead));
        }
        Ok(pattern)
    }

    /// Whether the value is one that is meant.
    pub(in super::super) fn matches(&self, value: &str, facts: &Facts<'_>) -> bool {
        match self {
            Self::Literal(text) => text == value,
            Self::Config(key) => key.value(facts).is_some_and(|text| text == value),
            Self::Parts(parts) => {
                let values: Vec<&str> = value.split('/').collect();
                match_parts(parts, &values, facts)
            }
        }
    }

    /// Whether a pattern without variables means this word.
    pub(in super::super) fn means(&self, word: &str) -> bool {
        self.matches(word, &NOTHING)
    }

    /// The text with its variables replaced; `None`: it has none.
    pub(in super::super) fn resolved(&self, facts: &Facts<'_>) -> Option<String> {
        match self {
            Self::Literal(_) => None,
            Self::Config(key) => Some(key.shown(facts)),
            Self::Parts(_) if self.is_constant() => None,
            Self::Parts(parts) if parts.contains(&Part::Own) => {
                Some("@own is a link that this attachment made".to_owned())
            }
            Self::Parts(parts) if parts.contains(&Part::Peer) => {
                let peer = (facts.peer)().map_or("none".to_owned(), |name| format!("{name:?}"));
                Some(format!("@peer is the node's end of the container's veth: {peer}"))
            }
            Self::Parts(parts) if parts.contains(&Part::DefaultRoute) => {
                Some("@default-route is a link by which a default route leaves".to_owned())
            }
            Self::Parts(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| part.shown(facts)).collect();
                Some(format!("{:?}", parts.join("/")))
            }
        }
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let parts = match self {
            Self::Parts(parts) => parts.as_slice(),
            Self::Literal(_) | Self::Config(_) => &[],
        };
        parts.iter().flat_map(|part| match part {
            Part::Pieces(pieces) => pieces.as_slice(),
            Part::Any | Part::Own | Part::Peer | Part::DefaultRoute => &[],
        })
    }

    fn uses_ifname(&self) -> bool {
        self.pieces().any(|piece| matches!(piece, Piece::Ifname))
    }

    fn uses_own_or_ifname(&self) -> bool {
        let own = |part: &Part| matches!(part, Part::Own | Part::Peer | Part::DefaultRoute);
        self.uses_ifname() || matches!(self, Self::Parts(parts) if parts.iter().any(own))
    }

    fn is_constant(&self) -> bool {
        !matches!(self, Self::Config(_))
            && !self.uses_own_or_ifname()
            && !self.pieces().any(|piece| matches!(piece, Piece::Config(_)))
    }
}

impl Part {
    fn matches(&self, value: &str, alone: bool, facts: &Facts<'_>) -> bool {
        match self {
            Self::Any => ordinary(value),
            Self::Own => {
                ordinary(value) && (alone || !NO_LINKS.contains(&value)) && (facts.own)(value)
            }
            Self::Peer => {
                ordinary(value)
                    && (alone || !NO_LINKS.contains(&value))
                    && (facts.peer)().is_some_and(|peer| peer == value)
            }
            Self::DefaultRoute => ordinary(value) && (facts.default_route)(value),
            Self::Pieces(pieces) => match pieces.as_slice() {
                [Piece::Literal(text)] => text == value,
                _ => {
                    let fixed = !pieces.iter().any(Piece::is_variable);
                    ordinary(value)
                        && (alone || fixed || !NO_LINKS.contains(&value))
                        && match_pieces(pieces, value, facts)
                }
            },
        }
    }

    fn shown(&self, facts: &Facts<'_>) -> String {
        match self {
            Self::Any => "**".to_owned(),
            Self::Own => "@own".to_owned(),
            Self::Peer => "@peer".to_owned(),
            Self::DefaultRoute => "@default-route".to_owned(),
            Self::Pieces(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => text.clone().into_owned(),
                    Piece::Star => "*".to_owned(),
                    Piece::Ifname => facts.ifname.to_owned(),
                    Piece::Config(key) => {
                        key.value(facts).unwrap_or_else(|| format!("@{{config.{}}}", key.path))
                    }
                })
                .collect(),
        }
    }
}

impl Piece {
    fn is_variable(&self) -> bool {
        matches!(self, Self::Ifname | Self::Config(_))
    }
}

impl ConfigKey {
    /// An empty text counts as absent, as it does to the plugins.
    fn value(&self, facts: &Facts<'_>) -> Option<String> {
        (facts.config)(&self.path)
            .filter(|text| !text.is_empty())
            .or_else(|| self.default.clone().map(Cow::into_owned))
    }

    fn shown(&self, facts: &Facts<'_>) -> String {
        self.value(facts).map_or_else(
            || format!("the configuration has no text \"{}\"", self.path),
            |text| format!("{text:?}"),
        )
    }
}

/// Neither empty nor a step in a directory: what a wildcard or variable may stand for.
fn ordinary(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
}

/// Both sides part by part. `**` takes one part at first, and one more each time that what follows
/// it does not fit: only the last `**` need be tried again, so the work is bounded by the product of
/// the lengths.
fn match_parts(parts: &[Part], values: &[&str], facts: &Facts<'_>) -> bool {
    let alone = parts.len() == 1;
    let (mut p, mut v) = (0, 0);
    let mut retry = None;
    while let Some(value) = values.get(v) {
        let part = parts.get(p);
        if part.is_some_and(|part| part.matches(value, alone, facts)) {
            (p, v) = (p + 1, v + 1);
            if part == Some(&Part::Any) {
                retry = Some((p, v));
            }
            continue;
        }
        match retry {
            Some((after, taken)) if values.get(taken).is_some_and(|value| ordinary(value)) => {
                (p, v) = (after, taken + 1);
                retry = Some((after, taken + 1));
            }
            Some(_) | None => return false,
        }
    }
    p == parts.len()
}

/// The texts between the stars, in order: the first at the start, the last at the end, those between
/// at their first place.
fn match_pieces(pieces: &[Piece], value: &str, facts: &Facts<'_>) -> bool {
    let mut runs = vec![String::new()];
    for piece in pieces {
        let text = match piece {
            Piece::Literal(text) => Cow::Borrowed(text.as_ref()),
            Piece::Ifname => Cow::Borrowed(facts.ifname),
            Piece::Config(key) => match key.value(facts) {
                Some(text) => Cow::Owned(text),
                None => return false,
            },
            Piece::Star => {
                runs.push(String::new());
                continue;
            }
        };
        if piece.is_variable() && (text.is_empty() || text.contains('/')) {
            return false;
        }
        if let Some(run) = runs.last_mut() {
            run.push_str(&text);
        }
    }
    match runs.as_slice() {
        [] => false,
        [only] => only == value,
        [first, between @ .., last] => {
            let rest =
                value.strip_prefix(first.as_str()).and_then(|v| v.strip_suffix(last.as_str()));
            let Some(mut rest) = rest else { return false };
            for run in between {
                match rest.split_once(run.as_str()) {
                    Some((_, after)) => rest = after,
                    None => return false,
                }
            }
            true
        }
    }
}

#[cfg(test)]
mod tests;
