//! What was asked for, with the patterns that mean it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::chance::is_chosen_name;
use crate::audit::{Line, Operation};
use crate::gate::Step;
use crate::kernel::Role;
use crate::policy::{Facts, Holds, Key, Op, OpKind, Value, tokens};

/// One act that was allowed by a grant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) kind: &'static OpKind,
    pub(super) netns: Option<Role>,
    /// Each value, with the patterns beside itself that mean it, the best first.
    pub(super) values: Vec<(&'static Key, Value, Vec<String>)>,
}

impl Seen {
    /// A step of a call.
    pub(super) fn of_step(step: &Step) -> Option<Self> {
        Self::new(&step.op, &step.tokens)
    }

    fn new(op: &Op, tokens: &[(&'static str, Vec<String>)]) -> Option<Self> {
        let kind = OpKind::find(op.name)?;
        let value = |(name, value): &(&'static str, Value)| {
            let of_key = tokens.iter().find(|(key, _)| key == name);
            let tokens = of_key.map(|(_, tokens)| tokens.clone()).unwrap_or_default();
            Some((kind.key(name)?, value.clone(), tokens))
        };
        let values = op.values.iter().filter_map(value).collect();
        Some(Self { kind, netns: op.netns, values })
    }

    /// An operation that an audit has; `None`: it is of another version.
    pub(super) fn of_audit(line: &Line, operation: &Operation) -> Option<Self> {
        let op = op_of(operation)?;
        let ifname = line.attachment.as_ref().map_or("", |of| of.ifname.as_str());
        let facts = Facts {
            ifname,
            config: &|_| None,
            own: &|_| false,
            peer: &|| None,
            default_route: &|_| false,
            ipam: &[],
            prev: &[],
            network: &line.network,
            args: &|_| Vec::new(),
        };
        Self::new(&op, &tokens(&op, &[], &facts))
    }
}

fn op_of(operation: &Operation) -> Option<Op> {
    let kind = OpKind::find(&operation.op)?;
    let netns = match operation.netns.as_deref() {
        None => None,
        Some(word) => Some([Role::Container, Role::Host].into_iter().find(|r| r.word() == word)?),
    };
    if netns.is_some() != kind.in_netns {
        return None;
    }
    let mut op = Op { name: kind.name, netns, values: Vec::new() };
    for (name, value) in &operation.values {
        let key = kind.key(name)?;
        op.values.push((key.name, value_of(key, value)?));
    }
    Some(op)
}

/// A value as an audit writes it.
fn value_of(key: &Key, value: &Json) -> Option<Value> {
    let number = |value: &Json| u32::try_from(value.as_u64()?).ok();
    match (key.holds, value) {
        (Holds::Net | Holds::Destination, Json::String(text)) => text.parse().ok().map(Value::Net),
        (Holds::Number(..), Json::Number(_)) => number(value).map(Value::Number),
        (Holds::Number(..), Json::Array(ends)) => match ends.as_slice() {
            [first, last] => Some(Value::Range(number(first)?, number(last)?)),
            _ => None,
        },
        (Holds::Net | Holds::Destination | Holds::Number(..), _) => None,
        (_, Json::String(text)) => Some(Value::Text(text.clone())),
        (_, _) => None,
    }
}

/// A pattern of a grant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Number(u32, u32),
    Text(String),
}

/// What is chosen by chance, and what is written for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The same value each time that it is seen.
    Fixed(Item),
    /// Another one each time; this pattern is for all of them.
    Chance(String),
}

/// The class of a value: for all of a class one pattern is written.
pub(super) fn class_of(key: &Key, value: &Value, tokens: &[String]) -> Class {
    match value {
        Value::Number(number) => Class::Fixed(Item::Number(*number, *number)),
        Value::Range(first, last) => Class::Fixed(Item::Number(*first, *last)),
        Value::Net(net) if net.prefix_len() > 0 => {
            Class::Fixed(Item::Text(net.trunc().to_string()))
        }
        Value::Net(net) => {
            let any = if net.addr().is_ipv4() { "any-ipv4" } else { "any-ipv6" };
            let default = key.holds == Holds::Destination;
            Class::Fixed(Item::Text(if default { "default" } else { any }.to_owned()))
        }
        Value::Text(text) => match by_chance(key, text, tokens) {
            Some(pattern) => Class::Chance(pattern),
            None => Class::Fixed(Item::Text(literal(key, text))),
        },
    }
}

/// A text as a pattern that means it. One that no pattern can write is any.
fn literal(key: &Key, text: &str) -> String {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => key.holds.any().to_owned(),
        false => text.replace('@', "@@"),
    }
}

/// wasmcni's own choices: the node's end of a veth, and MACs that no configuration says.
fn by_chance(key: &Key, text: &str, tokens: &[String]) -> Option<String> {
    match key.holds {
        Holds::Link => is_chosen_name(text).then(|| "veth*".to_owned()),
        Holds::SysctlKey => {
            let parts: Vec<&str> = text.split('/').collect();
            let chosen = parts.iter().any(|part| is_chosen_name(part));
            let part = |part: &&str| if is_chosen_name(part) { "veth*" } else { *part }.to_owned();
            chosen.then(|| parts.iter().map(part).collect::<Vec<_>>().join("/"))
        }
        Holds::Mac => tokens.is_empty().then(|| "*".to_owned()),
        Holds::Plugin
        | Holds::Word(_)
        | Holds::Text
        | Holds::Path
        | Holds::Net
        | Holds::Destination
        | Holds::Number(..) => None,
    }
}

/// For each value of an act that was seen, by the act's name, where, and the key: the pattern that is written.
type Chosen = BTreeMap<(&'static str, Option<&'static str>, &'static str, Class), Item>;

fn place(seen: &Seen) -> Option<&'static str> {
    seen.netns.map(Role::word)
}

/// For each class of values the first variable that meant it each time, or else itself.
pub(super) fn chosen(all: &[Seen]) -> Chosen {
    let mut candidates: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for seen in all {
        for (key, value, tokens) in &seen.values {
            let class = class_of(key, value, tokens);
            let at = (seen.kind.name, place(seen), key.name, class);
            let of_all = candidates.entry(at).or_insert_with(|| tokens.clone());
            of_all.retain(|token| tokens.contains(token));
        }
    }
    let choose = |(at, tokens): (_, Vec<String>)| {
        let (_, _, _, class): &(_, _, _, Class) = &at;
        let item = match (tokens.into_iter().next(), class) {
            (Some(token), _) => Item::Text(token),
            (None, Class::Fixed(item)) => item.clone(),
            (None, Class::Chance(pattern)) => Item::Text(pattern.clone()),
        };
        (at, item)
    };
    candidates.into_iter().map(choose).collect()
}

/// The patterns that are written for an act, by key.
pub(super) fn items(seen: &Seen, chosen: &Chosen) -> BTreeMap<&'static str, Item> {
    let mut items = BTreeMap::new();
    for (key, value, tokens) in &seen.values {
        let class = class_of(key, value, tokens);
        let item = chosen.get(&(seen.kind.name, place(seen), key.name, class));
        items.extend(item.map(|item| (key.name, item.clone())));
    }
    items
}
