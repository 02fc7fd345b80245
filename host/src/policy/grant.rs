//! Grants, and whether one of them allows an act.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::denied::{Denied, Nearest};
use super::limits::Limits;
use super::op::{self, Need, Op, OpKind, Value, ops_of};
use super::pattern::{Facts, Pattern, TextPattern};
use crate::kernel::Role;

/// One rule that permits something.
///
/// It allows an act of its name if everything that it says fits, and the act is about nothing that
/// the grant does not speak of: what is left out is not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Grant {
    #[serde(with = "op::by_place")]
    pub(super) kind: &'static OpKind,
    /// `None`: either, for an act that happens in one.
    pub(super) netns: Option<Role>,
    pub(super) rules: Vec<Rule>,
    /// `None`: whatever the network.
    pub(super) networks: Option<Rule>,
    /// What CNI_ARGS has to say; empty: whatever it says.
    pub(super) args: Vec<ArgRule>,
    pub(super) line: u32,
    /// The whole policy file.
    #[serde(skip)]
    pub(super) source: Arc<Cow<'static, str>>,
    pub(super) span: Range<usize>,
}

/// What a grant says of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) key: &'static str,
    pub(super) pattern: Pattern,
    /// The value's place in the source.
    pub(super) span: Range<usize>,
}

/// What a grant says of one key of CNI_ARGS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArgRule {
    #[serde(borrow = "'static")]
    pub(super) name: Cow<'static, str>,
    /// Of which one has to match.
    pub(super) any: Vec<TextPattern>,
    /// The value's place in the source.
    pub(super) span: Range<usize>,
}

/// Which file a policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComponentPin {
    /// A plugin that is part of wasmcni itself.
    Bundled,
    /// The component file of this SHA-256 digest.
    Sha256([u8; 32]),
}

/// Why an import is reason enough to refuse a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// This host does not offer it.
    Unknown,
    /// One of these acts would have to be granted, and none is.
    NotGranted(&'static [&'static str]),
}

/// A policy file: what one component may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Grants {
    pub(super) file: String,
    pub(super) component: ComponentPin,
    pub(super) limits: Limits,
    pub(super) grants: Vec<Grant>,
}

impl Grants {
    /// The first grant that allows the act.
    ///
    /// # Errors
    /// [`Denied`], with the grant that comes nearest, if none does.
    pub fn allow(&self, op: &Op, facts: &Facts<'_>) -> Result<&Grant, Denied> {
        self.grants.iter().find(|grant| grant.allows(op, facts)).ok_or_else(|| self.deny(op, facts))
    }

    /// Whether a function that a component imports can be called, if only with some values.
    ///
    /// # Errors
    /// [`Unserved`]: why the component is refused before it starts.
    pub fn serves(&self, interface: &str, function: &str) -> Result<(), Unserved> {
        let ops = ops_of(interface, function).ok_or(Unserved::Unknown)?;
        let granted = self.grants.iter().any(|grant| ops.contains(&grant.kind.name));
        if ops.is_empty() || granted { Ok(()) } else { Err(Unserved::NotGranted(ops)) }
    }

    /// What the component may use in a call.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Which component the policy is about.
    #[must_use]
    pub fn component(&self) -> &ComponentPin {
        &self.component
    }

    /// The policy file.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.file
    }

    /// The grants, in the order of the file.
    #[must_use]
    pub fn all(&self) -> &[Grant] {
        &self.grants
    }

    fn deny(&self, op: &Op, facts: &Facts<'_>) -> Denied {
        let of_the_act = || self.grants.iter().filter(|grant| grant.kind.name == op.name);
        let for_some = of_the_act().any(|grant| grant.networks.is_some() || !grant.args.is_empty());
        // `rev`, since of equals `max_by_key` takes the last.
        let nearest = of_the_act().rev().max_by_key(|grant| {
            let (is_for_it, near) = grant.nearness(op, facts);
            // What other networks and tenants may do is no help to this one.
            (for_some && is_for_it, near)
        });
        Denied {
            plugin: String::new(),
            wanted: op.to_string(),
            op: op.name,
            file: self.file.clone(),
            nearest: nearest.map(|grant| grant.nearest(op, facts)),
        }
    }
}

/// Of two grants the one with the greater is nearer.
type Nearness = (usize, Reverse<usize>, Option<usize>);

/// One thing in which an act and a grant have to agree.
enum Check<'a> {
    Netns,
    Networks(&'a Rule),
    Arg(&'a ArgRule),
    Rule(&'a Rule),
    /// The act is about a key that the grant leaves out.
    LeftOut(&'a str),
    /// The same, and the grant means this number by it.
    Else(&'a str, u32),
}

impl Grant {
    /// Name of the act.
    #[must_use]
    pub fn op(&self) -> &'static str {
        self.kind.name
    }

    /// The namespace that it is about; `None`: either, or an act that is in none.
    #[must_use]
    pub fn netns(&self) -> Option<Role> {
        self.netns
    }

    /// Its line in the policy file.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Its lines in the policy file, as they are written there.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.get(self.span.clone()).unwrap_or_default()
    }

    /// Whether it says the same as another.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        let same = |a: &Rule, b: &Rule| a.key == b.key && a.pattern == b.pattern;
        let same_arg = |(a, b): (&ArgRule, &ArgRule)| a.name == b.name && a.any == b.any;
        self.kind.name == other.kind.name
            && self.args.len() == other.args.len()
            && self.args.iter().zip(&other.args).all(same_arg)
            && self.netns == other.netns
            && self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(|(a, b)| same(a, b))
            && match (&self.networks, &other.networks) {
                (Some(a), Some(b)) => same(a, b),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }

    fn allows(&self, op: &Op, facts: &Facts<'_>) -> bool {
        self.kind.name == op.name && self.checks(op, facts).all(|(_, fits)| fits)
    }

    fn checks<'a>(
        &'a self,
        op: &'a Op,
        facts: &'a Facts<'_>,
    ) -> impl Iterator<Item = (Check<'a>, bool)> {
        let netns = self.kind.in_netns.then(|| {
            let fits = op.netns.is_some_and(|at| self.netns.is_none_or(|netns| netns == at));
            (Check::Netns, fits)
        });
        let networks = self.networks.iter().map(|rule| {
            let network = Value::Text(facts.network.to_owned());
            (Check::Networks(rule), rule.pattern.matches(&network, facts))
        });
        let args = self.args.iter().map(|arg| (Check::Arg(arg), arg.fits(facts)));
        let rules = self.rules.iter().filter_map(|rule| {
            let mut values = op.values.iter().filter(|(key, _)| *key == rule.key).peekable();
            let need = self.kind.key(rule.key).map(|k| k.need);
            if values.peek().is_none() && matches!(need, Some(Need::IfAsked(_))) {
                return None;
            }
            let fits = values.peek().is_some()
                && values.all(|(_, value)| rule.pattern.matches(value, facts));
            Some((Check::Rule(rule), fits))
        });
        let left_out = op
            .values
            .iter()
            .filter(|(key, _)| !self.rules.iter().any(|rule| rule.key == *key))
            .map(|(key, value)| match self.kind.key(key).map(|k| k.need) {
                Some(Need::Else(number)) => {
                    (Check::Else(key, number), *value == Value::Number(number))
                }
                Some(Need::Always | Need::OfKinds(_) | Need::IfAsked(_)) | None => {
                    (Check::LeftOut(key), false)
                }
            });
        netns.into_iter().chain(networks).chain(args).chain(rules).chain(left_out)
    }

    /// Whether it is for such calls at all, and in that netns; and how near it is: how much fits, how little
    /// does not, and how far down the keys the first misfit is, since what an act is about stands before how.
    fn nearness(&self, op: &Op, facts: &Facts<'_>) -> (bool, Nearness) {
        let (mut is_for_it, mut near) = (true, (0, Reverse(0), None));
        for (place, (check, fits)) in self.checks(op, facts).enumerate() {
            if fits {
                near.0 += 1;
                continue;
            }
            near.1.0 += 1;
            near.2 = near.2.or(Some(place));
            is_for_it &= !matches!(check, Check::Netns | Check::Networks(_) | Check::Arg(_));
        }
        (is_for_it, near)
    }

    fn nearest(&self, op: &Op, facts: &Facts<'_>) -> Nearest {
        let (mut keys, mut silent, mut places) = (Vec::new(), Vec::new(), String::new());
        let mut calls = String::new();
        for (check, fits) in self.checks(op, facts) {
            match check {
                // Said in any case: it is for these calls that the rest holds.
                Check::Networks(rule) => {
                    calls.push_str(&format!(" on networks {}", self.written(&rule.span)));
                }
                Check::Arg(arg) => {
                    let here = if fits { String::new() } else { arg.here(facts) };
                    let written = self.written(&arg.span);
                    calls.push_str(&format!(" for args.{} {written}{here}", arg.name));
                }
                _ if fits => {}
                Check::Netns => match self.netns {
                    Some(netns) => places.push_str(&format!(" in {netns}")),
                    None => places.push_str(" in one netns"),
                },
                Check::Rule(rule) => {
                    let here = rule.pattern.resolved(facts);
                    let here = here.map_or(String::new(), |text| format!(" (here {text})"));
                    keys.push(format!("{} {}{here}", rule.key, self.written(&rule.span)));
                }
                Check::Else(key, number) => keys.push(format!("{key} {number}")),
                Check::LeftOut(key) => silent.push(key),
            }
        }
        let mut phrases = Vec::new();
        if !keys.is_empty() || !places.is_empty() || !calls.is_empty() {
            let keys = if keys.is_empty() { "it".to_owned() } else { keys.join(" and ") };
            phrases.push(format!("allows {keys}{places}{calls}"));
        }
        if !silent.is_empty() {
            phrases.push(format!("says nothing of {}", silent.join(" and ")));
        }
        Nearest { line: self.line, text: phrases.join(" and ") }
    }

    /// A value as the file has it, on one line.
    pub(super) fn written(&self, span: &Range<usize>) -> String {
        let text = self.source.get(span.clone()).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl ArgRule {
    /// Said once, and with a value: of two values nobody knows which one others go by.
    fn fits(&self, facts: &Facts<'_>) -> bool {
        match (facts.args)(&self.name).as_slice() {
            [value] => !value.is_empty() && self.any.iter().any(|p| p.matches(value, facts)),
            _ => false,
        }
    }

    fn here(&self, facts: &Facts<'_>) -> String {
        let values: Vec<String> =
            (facts.args)(&self.name).iter().map(|value| format!("{value:?}")).collect();
        if values.is_empty() {
            return " (here none)".to_owned();
        }
        format!(" (here {})", values.join(" and "))
    }
}
