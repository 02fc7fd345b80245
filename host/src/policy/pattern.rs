//! What values a grant allows: patterns, compiled when the policy is read.
//!
//! A pattern is the policy's own text. What a guest or a network configuration says is only ever
//! compared, never read as a pattern.

mod net;
mod number;
mod text;

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::op::{Holds, Value};

pub(super) use net::NetPattern;
pub(super) use number::NumberPattern;
pub(super) use text::TextPattern;

/// What the variables of patterns stand for in one call.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// `@ifname`: `CNI_IFNAME`, the name of a link in the container netns.
    pub ifname: &'a str,
    /// `@config.a.b`: the text at `a.b` of the network configuration, if that is a text.
    pub config: &'a dyn Fn(&str) -> Option<String>,
    /// `@own`: whether this attachment made the link of this name *in the netns of the op*. The
    /// same name in the other netns is another's link.
    pub own: &'a dyn Fn(&str) -> bool,
    /// `@peer`: the name of the link of the node that is the other end of the container's veth.
    pub peer: &'a dyn Fn() -> Option<String>,
    /// `@default-route`: whether a default route leaves by the link of this name, in the netns of the
    /// op, or in that of its parent.
    pub default_route: &'a dyn Fn(&str) -> bool,
    /// `@ipam`: the networks of the IPAM result, and its gateways as /32 and /128.
    pub ipam: &'a [IpNet],
    /// `@prev`: the addresses of the plugins before this one, each with its network's prefix length.
    pub prev: &'a [IpNet],
    /// `networks`: the name of the network.
    pub network: &'a str,
    /// `args`: the values that CNI_ARGS has for a key, each time that it says it.
    pub args: &'a dyn Fn(&str) -> Vec<String>,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("ifname", &self.ifname)
            .field("ipam", &self.ipam)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; write {instead}")]
pub(super) struct BadPattern {
    /// What is wrong with it.
    pub(super) problem: String,
    /// What to write instead.
    pub(super) instead: String,
}

impl BadPattern {
    fn new(problem: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { problem: problem.into(), instead: instead.into() }
    }
}

/// The values that a grant allows for one key: one pattern or several, of which one has to match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(super) enum Pattern {
    Text(Vec<TextPattern>),
    Net(Vec<NetPattern>),
    Number(Vec<NumberPattern>),
}

impl Pattern {
    pub(super) fn matches(&self, value: &Value, facts: &Facts<'_>) -> bool {
        match (self, value) {
            (Self::Text(any), Value::Text(text)) => any.iter().any(|p| p.matches(text, facts)),
            (Self::Net(any), Value::Net(net)) => any.iter().any(|p| p.matches(net, facts)),
            (Self::Number(any), Value::Number(n)) => any.iter().any(|p| p.matches(*n, *n)),
            (Self::Number(any), Value::Range(first, last)) => {
                any.iter().any(|p| p.matches(*first, *last))
            }
            (Self::Text(_) | Self::Net(_) | Self::Number(_), _) => false,
        }
    }

    /// What the variables in it stand for, for a refusal to tell; `None`: there are none.
    pub(super) fn resolved(&self, facts: &Facts<'_>) -> Option<String> {
        let all: Vec<String> = match self {
            Self::Text(any) => any.iter().filter_map(|p| p.resolved(facts)).collect(),
            Self::Net(any) => any.iter().filter_map(|p| p.resolved(facts)).collect(),
            Self::Number(_) => Vec::new(),
        };
        if all.is_empty() { None } else { Some(all.join(", ")) }
    }

    /// Whether every value that `other` means is one that this means. In doubt it is not.
    pub(super) fn covers(&self, other: &Self, holds: Holds) -> bool {
        match (self, other) {
            (Self::Text(wide), Self::Text(narrow)) => {
                narrow.iter().all(|n| wide.iter().any(|w| w.covers(n, holds)))
            }
            (Self::Net(wide), Self::Net(narrow)) => {
                narrow.iter().all(|n| wide.iter().any(|w| w.covers(n)))
            }
            (Self::Number(wide), Self::Number(narrow)) => {
                narrow.iter().all(|n| wide.iter().any(|w| w.covers(*n)))
            }
            (Self::Text(_) | Self::Net(_) | Self::Number(_), _) => false,
        }
    }

    /// Whether one of its items is within another.
    pub(super) fn has_spare_item(&self, holds: Holds) -> bool {
        fn any<T>(all: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
            let others = |i| all.iter().enumerate().filter(move |(j, _)| *j != i);
            all.iter().enumerate().any(|(i, item)| others(i).any(|(_, wide)| covers(wide, item)))
        }
        match self {
            Self::Text(all) => any(all, |wide, item| wide.covers(item, holds)),
            Self::Net(all) => any(all, NetPattern::covers),
            Self::Number(all) => any(all, |wide, item| wide.covers(*item)),
        }
    }

    /// Whether it means this number.
    pub(super) fn is_for_number(&self, number: u32) -> bool {
        match self {
            Self::Number(any) => any.iter().any(|p| p.matches(number, number)),
            Self::Text(_) | Self::Net(_) => false,
        }
    }
}
