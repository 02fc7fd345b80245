//! Whether all that one pattern means another means too. In doubt it does not.

use super::super::super::op::Holds;
use super::{Part, Piece, TextPattern, match_pieces};

impl TextPattern {
    /// Whether every value of a key that `other` means is one that this means.
    pub(in super::super::super) fn covers(&self, other: &Self, holds: Holds) -> bool {
        if self == other {
            return true;
        }
        match (self, other) {
            (Self::Literal(_) | Self::Config(_), _) => false,
            (Self::Parts(_), Self::Literal(text)) => self.is_constant() && self.means(text),
            // Of names, whatever a configuration says has no slash.
            (Self::Parts(parts), Self::Config(_)) => {
                matches!(holds, Holds::Link | Holds::Plugin) && is_star(parts)
            }
            (Self::Parts(parts), Self::Parts(others)) => covers_parts(parts, others),
        }
    }

    /// Whether it means the attachment's own links alone.
    pub(in super::super::super) fn is_own(&self) -> bool {
        matches!(self, Self::Parts(parts) if *parts == [Part::Own])
    }
}

fn is_star(parts: &[Part]) -> bool {
    matches!(parts, [Part::Pieces(pieces)] if *pieces == [Piece::Star])
}

fn covers_parts(parts: &[Part], others: &[Part]) -> bool {
    let pairwise = || parts.iter().zip(others).all(|(part, other)| part.covers(other));
    match parts.split_last() {
        // `**` takes all that is left, one part at least.
        Some((Part::Any, first)) if others.len() >= parts.len() => {
            first.iter().zip(others).all(|(part, other)| part.covers(other))
        }
        Some(_) | None => parts.len() == others.len() && pairwise(),
    }
}

impl Part {
    fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let (Self::Pieces(pieces), false) = (self, *other == Self::Any) else { return false };
        match (pieces.as_slice(), other) {
            ([Piece::Star], _) => true,
            ([Piece::Literal(start), Piece::Star], Self::Pieces(others)) => {
                matches!(others.first(), Some(Piece::Literal(text)) if text.starts_with(&**start))
            }
            (pieces, Self::Pieces(others)) => {
                let fixed = !pieces.iter().any(Piece::is_variable);
                let literal = match others.as_slice() {
                    [Piece::Literal(text)] => Some(text),
                    _ => None,
                };
                fixed && literal.is_some_and(|text| match_pieces(pieces, text, &super::NOTHING))
            }
            (_, Self::Any | Self::Own | Self::Peer | Self::DefaultRoute) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(wide: &str, narrow: &str, holds: Holds) -> bool {
        let read = |text| TextPattern::parse(text, holds, None).unwrap();
        read(wide).covers(&read(narrow), holds)
    }

    #[test]
    fn what_is_covered_is_known_to_be() {
        for (wide, narrow) in [
            ("veth*", "veth0"),
            ("veth*", "veth1*"),
            ("veth*", "veth@{ifname}"),
            ("*", "@own"),
            ("*", "@ifname"),
            ("*", "@config.bridge"),
            ("v*0", "veth0"),
        ] {
            assert!(covers(wide, narrow, Holds::Link), "{wide} {narrow}");
            assert!(!covers(narrow, wide, Holds::Link), "{narrow} {wide}");
        }
        for (wide, narrow) in [
            ("net/**", "net/ipv4/ip_forward"),
            ("net/**", "net/ipv4/conf/@own/x"),
            ("net/ipv4/**", "net/ipv4/conf/**"),
            ("net/ipv4/conf/*/x", "net/ipv4/conf/@own/x"),
        ] {
            assert!(covers(wide, narrow, Holds::SysctlKey), "{wide} {narrow}");
            assert!(!covers(narrow, wide, Holds::SysctlKey), "{narrow} {wide}");
        }
    }

    #[test]
    fn in_doubt_it_is_not() {
        assert!(!covers("veth*", "*", Holds::Link));
        assert!(!covers("veth*", "@{config.a}*", Holds::Link));
        assert!(!covers("@ifname", "eth0", Holds::Link));
        assert!(!covers("*", "@config.value", Holds::Text), "its value may have a slash");
        assert!(!covers("net/ipv4/*", "net/ipv4/**", Holds::SysctlKey));
        assert!(!covers("net/ipv4/conf/*", "net/ipv4/conf/a/b", Holds::SysctlKey));
        assert!(!covers("net/ipv4/**", "net/**", Holds::SysctlKey));
    }
}
