//! From the text of a pattern to its parts.

use super::super::super::op::Holds;
use super::super::BadPattern;
use super::{ConfigKey, Part, Piece, TextPattern};

/// Reads a pattern. Only keys and paths have parts; elsewhere `**` says no more than `*`.
pub(super) fn compile(text: &str, holds: Holds) -> Result<TextPattern, BadPattern> {
    if text.is_empty() {
        let instead = format!("\"{}\" if any value is meant", holds.any());
        return Err(BadPattern::new("is empty", instead));
    }
    if text.chars().any(char::is_control) {
        return Err(BadPattern::new("contains a control character", "it without"));
    }
    if let Some(key) = whole_config(text)? {
        return Ok(TextPattern::Config(key));
    }
    let has_parts = matches!(holds, Holds::SysctlKey | Holds::Path);
    if !has_parts && text.contains("**") {
        return Err(BadPattern::new("contains \"**\", which is for paths", "\"*\""));
    }
    let mut parts = Vec::new();
    for (i, part) in text.split('/').enumerate() {
        match part {
            "" if i == 0 && has_parts => parts.push(Part::Pieces(vec![Piece::Literal("".into())])),
            "" => {
                return Err(BadPattern::new(
                    "has an empty part",
                    "one \"/\" between parts, none after",
                ));
            }
            "." | ".." if has_parts => {
                return Err(BadPattern::new("contains \".\" or \"..\"", "the path that is meant"));
            }
            _ => parts.push(compile_part(part)?),
        }
    }
    if parts.iter().all(|part| part.literal().is_some()) {
        let texts: Vec<&str> = parts.iter().filter_map(Part::literal).collect();
        return Ok(TextPattern::Literal(texts.join("/").into()));
    }
    Ok(TextPattern::Parts(parts))
}

impl Part {
    fn literal(&self) -> Option<&str> {
        match self {
            Self::Pieces(pieces) => match pieces.as_slice() {
                [Piece::Literal(text)] => Some(text),
                _ => None,
            },
            Self::Any | Self::Own | Self::Peer | Self::DefaultRoute => None,
        }
    }
}

/// The variable, if the text is one of the configuration and nothing else. Its default goes to the
/// end of the text, slashes included.
fn whole_config(text: &str) -> Result<Option<ConfigKey>, BadPattern> {
    let bare =
        text.strip_prefix("@config.").filter(|rest| rest.contains('=') || !rest.contains('/'));
    let braced = text
        .strip_prefix("@{config.")
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|rest| !rest.contains('}'));
    bare.or(braced).map(config_key).transpose()
}

fn compile_part(part: &str) -> Result<Part, BadPattern> {
    if part == "**" {
        return Ok(Part::Any);
    }
    if part.contains("**") {
        return Err(BadPattern::new(
            "has \"**\" beside other text",
            "\"*\", or \"**\" alone between slashes",
        ));
    }
    if part == "@own" || part == "@{own}" {
        return Ok(Part::Own);
    }
    if part == "@peer" || part == "@{peer}" {
        return Ok(Part::Peer);
    }
    if part == "@default-route" || part == "@{default-route}" {
        return Ok(Part::DefaultRoute);
    }
    if let Some(name) = part.strip_prefix('@').filter(|rest| !rest.starts_with(['@', '{'])) {
        return Ok(Part::Pieces(vec![variable(name)?]));
    }
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = part;
    while let Some(at) = rest.find(['*', '@']) {
        let (before, special) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = special.strip_prefix("@@") {
            literal.push('@');
            rest = after;
            continue;
        }
        let (piece, after) = if let Some(after) = special.strip_prefix('*') {
            (Piece::Star, after)
        } else if let Some((name, after)) =
            special.strip_prefix("@{").and_then(|inner| inner.split_once('}'))
        {
            (variable(name)?, after)
        } else {
            return Err(BadPattern::new(
                "has \"@\" within other text",
                "\"@{ifname}\" or \"@{config.key}\" beside other text, \"@@\" for an at sign",
            ));
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
        }
        pieces.push(piece);
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Ok(Part::Pieces(pieces))
}

fn variable(name: &str) -> Result<Piece, BadPattern> {
    if name == "ifname" {
        return Ok(Piece::Ifname);
    }
    if let "own" | "peer" = name {
        return Err(BadPattern::new(
            format!("has @{name} beside other text"),
            format!("\"@{name}\" alone, or alone between slashes"),
        ));
    }
    if name == "default-route" {
        return Err(BadPattern::new(
            "has @default-route beside other text",
            "\"@default-route\" alone",
        ));
    }
    match name.strip_prefix("config.") {
        Some(rest) => {
            let key = config_key(rest)?;
            if key.default.as_deref().is_some_and(|text| text.contains('/')) {
                let instead = "a default without, or nothing beside the variable";
                return Err(BadPattern::new("has a default with \"/\" beside other text", instead));
            }
            Ok(Piece::Config(key))
        }
        None => Err(BadPattern::new(
            format!("has an unknown variable \"@{name}\""),
            "\"@ifname\", \"@own\", \"@peer\", \"@default-route\", \"@config.key\" or \"@config.key=default\", in braces as \"@{ifname}\" beside other text",
        )),
    }
}

fn config_key(text: &str) -> Result<ConfigKey, BadPattern> {
    let (path, default) = match text.split_once('=') {
        Some((path, default)) => (path, Some(default)),
        None => (text, None),
    };
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    if !path.split('.').all(word) {
        return Err(BadPattern::new(
            format!("has an odd key \"{path}\" after @config"),
            "keys of the configuration as \"@config.ipam.type\", in braces as \"@{config.bridge}.1\" beside other text",
        ));
    }
    match default {
        Some("") => Err(BadPattern::new("has an empty default", "it without \"=\"")),
        Some(text) if text.contains(['*', '@', '{', '}', '=']) => Err(BadPattern::new(
            "has a default that is no plain text",
            "a plain one; text that follows a variable goes as \"@{config.bridge=cni0}.*\"",
        )),
        _ => Ok(ConfigKey {
            path: path.to_owned().into(),
            default: default.map(|text| text.to_owned().into()),
        }),
    }
}
