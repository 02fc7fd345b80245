//! Grants, and whether one of them allows an act.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::denied::{Denied, Nearest};
use super::limits::Limits;
use super::op::{self, Need, Op, OpKind, Value};
use super::pattern::{Facts, Pattern};
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

/// Which file a policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComponentPin {
    /// A plugin that is part of wasmcni itself.
    Bundled,
    /// The component file of this SHA-256 digest.
    Sha256([u8; 32]),
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

    /// Whether some grant, for whatever values, is for one of these acts, or none is asked for.
    #[must_use]
    pub fn grants_any(&self, ops: &[&str]) -> bool {
        ops.is_empty() || self.grants.iter().any(|grant| ops.contains(&grant.kind.name))
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
        let of_the_act = self.grants.iter().filter(|grant| grant.kind.name == op.name);
        // `rev`, since of equals `max_by_key` takes the last.
        let nearest = of_the_act.rev().max_by_key(|grant| grant.nearness(op, facts));
        Denied {
            plugin: String::new(),
            wanted: op.to_string(),
            op: op.name,
            file: self.file.clone(),
            nearest: nearest.map(|grant| grant.nearest(op, facts)),
        }
    }
}

/// One thing in which an act and a grant have to agree.
enum Check<'a> {
    Netns,
    Networks(&'a Rule),
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
        self.kind.name == other.kind.name
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
        let rules = self.rules.iter().map(|rule| {
            let mut values = op.values.iter().filter(|(key, _)| *key == rule.key).peekable();
            let fits = values.peek().is_some()
                && values.all(|(_, value)| rule.pattern.matches(value, facts));
            (Check::Rule(rule), fits)
        });
        let left_out = op
            .values
            .iter()
            .filter(|(key, _)| !self.rules.iter().any(|rule| rule.key == *key))
            .map(|(key, value)| match self.kind.key(key).map(|k| k.need) {
                Some(Need::Else(number)) => {
                    (Check::Else(key, number), *value == Value::Number(number))
                }
                Some(Need::Always | Need::OfKinds(_)) | None => (Check::LeftOut(key), false),
            });
        netns.into_iter().chain(networks).chain(rules).chain(left_out)
    }

    /// How much fits, how little does not, and how far down the keys the first misfit is: what an act
    /// is about stands before how.
    fn nearness(&self, op: &Op, facts: &Facts<'_>) -> (usize, Reverse<usize>, Option<usize>) {
        let fits = self.checks(op, facts).filter(|(_, fits)| *fits).count();
        let misfits = self.checks(op, facts).filter(|(_, fits)| !fits).count();
        (fits, Reverse(misfits), self.checks(op, facts).position(|(_, fits)| !fits))
    }

    fn nearest(&self, op: &Op, facts: &Facts<'_>) -> Nearest {
        let (mut keys, mut silent, mut places) = (Vec::new(), Vec::new(), String::new());
        for (check, _) in self.checks(op, facts).filter(|(_, fits)| !fits) {
            match check {
                Check::Netns => match self.netns {
                    Some(netns) => places.push_str(&format!(" in {netns}")),
                    None => places.push_str(" in one netns"),
                },
                Check::Networks(rule) => {
                    places.push_str(&format!(" on networks {}", self.written(rule)));
                }
                Check::Rule(rule) => {
                    let here = rule.pattern.resolved(facts);
                    let here = here.map_or(String::new(), |text| format!(" (here {text})"));
                    keys.push(format!("{} {}{here}", rule.key, self.written(rule)));
                }
                Check::Else(key, number) => keys.push(format!("{key} {number}")),
                Check::LeftOut(key) => silent.push(key),
            }
        }
        let mut phrases = Vec::new();
        if !keys.is_empty() || !places.is_empty() {
            let keys = if keys.is_empty() { "it".to_owned() } else { keys.join(" and ") };
            phrases.push(format!("allows {keys}{places}"));
        }
        if !silent.is_empty() {
            phrases.push(format!("says nothing of {}", silent.join(" and ")));
        }
        Nearest { line: self.line, text: phrases.join(" and ") }
    }

    /// A value as the file has it, on one line.
    fn written(&self, rule: &Rule) -> String {
        let text = self.source.get(rule.span.clone()).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
