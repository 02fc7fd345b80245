//! From what was seen to grants: as few as give it, and nothing beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ipnet::IpNet;

use super::seen::{Item, Seen, chosen, items};
use crate::kernel::Role;
use crate::policy::{Holds, Need, OPS, OpKind};

/// Networks of one key that are written as they are; of more, those that lie next to each other are taken
/// together.
const MOST_NETS: usize = 16;
/// Longest line of a list.
const WIDTH: usize = 100;

/// A grant to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Learned {
    kind: &'static OpKind,
    netns: Option<Role>,
    /// By key; a key of which nothing was said has no items.
    said: BTreeMap<&'static str, BTreeSet<Item>>,
}

/// The grants that give what was seen, in the order of the table of acts.
pub(super) fn learn(all: &[Seen]) -> Vec<Learned> {
    let chosen = chosen(all);
    let mut grants = Vec::new();
    for kind in OPS {
        for netns in [None, Some(Role::Container), Some(Role::Host)] {
            let of = all.iter().filter(|seen| seen.kind == kind && seen.netns == netns);
            let asked: BTreeSet<_> = of.map(|seen| items(seen, &chosen)).collect();
            let alone = asked.into_iter().map(|items| {
                let said = items.into_iter().map(|(key, item)| (key, BTreeSet::from([item])));
                Learned { kind, netns, said: said.collect() }
            });
            grants.extend(merged(kind, alone.collect()));
        }
    }
    for grant in &mut grants {
        grant.shorten();
    }
    grants
}

/// Two grants that differ in one key are one with both values: it gives what the two give.
fn merged(kind: &'static OpKind, mut grants: Vec<Learned>) -> Vec<Learned> {
    loop {
        let before = grants.len();
        for key in kind.keys.iter().rev().map(|key| key.name) {
            let mut by_rest: Vec<Learned> = Vec::new();
            for grant in grants {
                match by_rest.iter_mut().find(|other| other.same_but(&grant, key)) {
                    Some(other) => {
                        let items = grant.said.get(key).cloned().unwrap_or_default();
                        other.said.entry(key).or_default().extend(items);
                    }
                    None => by_rest.push(grant),
                }
            }
            grants = by_rest;
        }
        if grants.len() == before {
            return grants;
        }
    }
}

impl Learned {
    /// Whether the other one says the same of all keys but this one, of which it may not be silent, unless
    /// silence is given with it.
    fn same_but(&self, other: &Self, key: &str) -> bool {
        let said = |grant: &Self, key: &str| grant.said.get(key).cloned().unwrap_or_default();
        let rest = self.kind.keys.iter().filter(|k| k.name != key);
        let silent = said(self, key).is_empty() != said(other, key).is_empty();
        let asked = matches!(self.kind.key(key).map(|k| k.need), Some(Need::IfAsked(_)));
        (!silent || asked) && rest.into_iter().all(|k| said(self, k.name) == said(other, k.name))
    }

    /// Fewer items that mean the same: numbers that follow each other as a range, networks without those
    /// within them.
    fn shorten(&mut self) {
        for (key, items) in &mut self.said {
            match self.kind.key(key).map(|key| key.holds) {
                Some(Holds::Number(..)) => *items = ranges(items),
                Some(Holds::Net | Holds::Destination) => *items = fewer_nets(items),
                _ => {}
            }
        }
    }

    /// As a grant file has it.
    pub(super) fn text(&self) -> String {
        let mut text = format!("[[grant]]\nop = \"{}\"\n", self.kind.name);
        if let Some(netns) = self.netns {
            let _ = writeln!(text, "netns = \"{}\"", netns.word());
        }
        for key in self.kind.keys {
            let Some(items) = self.said.get(key.name).filter(|items| !items.is_empty()) else {
                continue;
            };
            let usual = matches!(key.need, Need::Else(number)
                if items.iter().all(|item| *item == Item::Number(number, number)));
            if !usual {
                let _ = writeln!(text, "{} = {}", key.name, list(key.name, items));
            }
        }
        text
    }
}

fn list(key: &str, items: &BTreeSet<Item>) -> String {
    let words: Vec<String> = items.iter().map(Item::word).collect();
    if let [one] = words.as_slice() {
        return one.clone();
    }
    let line = format!("[{}]", words.join(", "));
    if key.len() + line.len() <= WIDTH {
        return line;
    }
    format!("[\n    {},\n]", words.join(",\n    "))
}

impl Item {
    fn word(&self) -> String {
        match self {
            Self::Number(first, last) if first == last => first.to_string(),
            Self::Number(first, last) => format!("\"{first}-{last}\""),
            // JSON's texts are texts of TOML.
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }
}

fn ranges(items: &BTreeSet<Item>) -> BTreeSet<Item> {
    let mut whole: Vec<(u32, u32)> = Vec::new();
    for item in items {
        let Item::Number(first, last) = *item else { return items.clone() };
        match whole.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => whole.push((first, last)),
        }
    }
    whole.into_iter().map(|(first, last)| Item::Number(first, last)).collect()
}

fn fewer_nets(items: &BTreeSet<Item>) -> BTreeSet<Item> {
    let net = |item: &Item| match item {
        Item::Text(text) => text.parse::<IpNet>().ok(),
        Item::Number(..) => None,
    };
    let mut nets: Vec<IpNet> = items.iter().filter_map(net).collect();
    // A wider one stands before what is within it.
    nets.sort();
    nets.dedup_by(|one, wide| wide.contains(&*one));
    if nets.len() > MOST_NETS {
        nets = few_enough(IpNet::aggregate(&nets));
    }
    while nets.len() > MOST_NETS {
        let pairs = nets.windows(2).enumerate().filter_map(|(at, pair)| match pair {
            [one, other] => both(*one, *other).map(|net| (net.prefix_len(), at, net)),
            _ => None,
        });
        // The pair that has most in common: what is given beside it is least.
        let Some((_, at, net)) = pairs.max_by_key(|(length, at, net)| {
            (i16::from(*length) - i16::from(net.max_prefix_len()), std::cmp::Reverse(*at))
        }) else {
            break;
        };
        nets.retain(|one| !net.contains(one));
        nets.insert(at.min(nets.len()), net);
    }
    let others = items.iter().filter(|item| net(item).is_none()).cloned();
    others.chain(nets.into_iter().map(|net| Item::Text(net.to_string()))).collect()
}

/// So many that looking at each pair of neighbours again and again takes no time.
fn few_enough(mut nets: Vec<IpNet>) -> Vec<IpNet> {
    const MOST_PAIRS: usize = 1024;
    let mut length = u8::MAX;
    while nets.len() > MOST_PAIRS && length > 8 {
        length = nets.iter().map(IpNet::prefix_len).max().unwrap_or_default().saturating_sub(1);
        let cut = |net: &IpNet| IpNet::new(net.addr(), net.prefix_len().min(length)).ok();
        nets = nets.iter().filter_map(cut).map(|net| net.trunc()).collect();
        nets.sort();
        nets.dedup_by(|one, wide| wide.contains(&*one));
    }
    nets
}

/// The smallest network that holds both; `None`: there is none but all addresses.
fn both(one: IpNet, other: IpNet) -> Option<IpNet> {
    let mut wide = one.supernet()?;
    while !wide.contains(&other) {
        wide = wide.supernet()?;
    }
    (wide.prefix_len() > 0 && one.addr().is_ipv4() == other.addr().is_ipv4()).then_some(wide)
}

/// A grant file that allows everything there is.
pub(super) fn everything(component: &str) -> String {
    let mut text = format!("component = \"{component}\"\n");
    for op in OPS {
        let kinds: &[&str] = match op.key("kind").map(|key| key.holds) {
            Some(Holds::Word(kinds)) => kinds,
            _ => &[""],
        };
        for kind in kinds {
            let _ = writeln!(text, "\n[[grant]]\nop = \"{}\"", op.name);
            if op.in_netns {
                text += "netns = \"*\"\n";
            }
            for key in op.keys {
                let said = match key.need {
                    _ if key.name == "kind" => *kind,
                    Need::OfKinds(of) if !of.contains(kind) => continue,
                    Need::IfAsked(of) if !of.is_empty() && !of.contains(kind) => continue,
                    Need::Always | Need::OfKinds(_) | Need::Else(_) | Need::IfAsked(_) => {
                        key.holds.any()
                    }
                };
                let _ = writeln!(text, "{} = \"{said}\"", key.name);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::gate::{Step, Verdict};
    use crate::policy::{self, Op};

    fn seen(op: Op, tokens: &[(&'static str, &[&str])]) -> Seen {
        let tokens = tokens.iter().map(|(key, all)| {
            (*key, all.iter().map(|token| (*token).to_owned()).collect::<Vec<_>>())
        });
        let tokens = tokens.collect();
        let (plugin, verdict, failure) = (String::new(), Verdict::Own, None);
        Seen::of_step(&Step { plugin, op, verdict, failure, tokens }).unwrap()
    }

    fn texts(all: &[Seen]) -> Vec<String> {
        let learned = learn(all);
        let file: String = learned.iter().map(Learned::text).collect();
        policy::parse(&format!("component = \"bundled\"\n{file}"), "learned").unwrap();
        let of = |grant: &Learned| grant.text().lines().skip(1).collect::<Vec<_>>().join("; ");
        learned.iter().map(of).collect()
    }

    fn write(key: &str, value: &str) -> Op {
        Op::new("sysctl.write").in_netns(Role::Host).text("key", key).text("value", value)
    }

    #[test]
    fn a_grant_gives_what_was_seen_and_no_more() {
        let [a, b] = ["net/ipv4/a", "net/ipv4/b"];
        let all = [write(a, "0"), write(b, "1"), write(b, "0"), write(a, "0")];
        let all: Vec<Seen> = all.into_iter().map(|op| seen(op, &[])).collect();
        let first = r#"op = "sysctl.write"; netns = "host"; key = "net/ipv4/a"; value = "0""#;
        let second =
            r#"op = "sysctl.write"; netns = "host"; key = "net/ipv4/b"; value = ["0", "1"]"#;
        assert_eq!(texts(&all), [first, second]);
    }

    #[test]
    fn a_variable_is_written_where_it_meant_the_value_each_time() {
        let read = |name| Op::new("link.read").in_netns(Role::Container).text("name", name);
        let one = [
            seen(read("eth0"), &[("name", &["@ifname", "@own"])]),
            seen(read("net1"), &[("name", &["@ifname"])]),
            seen(read("x@*"), &[]),
        ];
        let expected = r#"op = "link.read"; netns = "container"; name = ["@ifname", "x@@*"]"#;
        assert_eq!(texts(&one), [expected]);
        let other = [one[0].clone(), seen(read("eth0"), &[])];
        assert_eq!(texts(&other), [r#"op = "link.read"; netns = "container"; name = "eth0""#]);
    }

    #[test]
    fn what_is_chosen_by_chance_is_written_as_such() {
        let set = |name, mac| {
            let op = Op::new("link.set-mac").in_netns(Role::Host);
            op.text("name", name).text("mac", mac)
        };
        let all = [
            seen(set("veth00000001", "02:00:00:00:00:01"), &[]),
            seen(set("veth00000002", "02:00:00:00:00:02"), &[]),
        ];
        let expected = r#"op = "link.set-mac"; netns = "host"; name = "veth*"; mac = "*""#;
        assert_eq!(texts(&all), [expected]);
    }

    #[test]
    fn numbers_and_networks_are_taken_together() {
        let route = |to: &str, table| {
            let op = Op::new("route.add").in_netns(Role::Host).text("name", "a");
            op.net("to", to.parse().unwrap()).number("table", table)
        };
        let all = [route("10.0.0.0/8", 254), route("10.1.0.0/16", 254), route("0.0.0.0/0", 254)];
        let via = route("10.0.0.0/8", 254).net("via", "192.0.2.1/32".parse().unwrap());
        let all: Vec<Seen> = all.into_iter().chain([via]).map(|op| seen(op, &[])).collect();
        let learned = texts(&all);
        assert_eq!(learned.len(), 2, "{learned:#?}");
        assert!(learned.iter().all(|text| !text.contains("table")), "{learned:#?}");
        let ports = [3, 1, 2, 9].map(|port| {
            let op = Op::new("bridge-port.add-vlan").in_netns(Role::Host).text("name", "a");
            seen(op.number("vlan", port), &[])
        });
        assert!(texts(&ports)[0].ends_with(r#"vlan = ["1-3", 9]"#), "{:?}", texts(&ports));
        let many: Vec<Seen> = (0..64)
            .map(|host| {
                Op::new("nat.masquerade").net("within", IpNet::from(IpAddr::from([10, 0, host, 1])))
            })
            .map(|op| seen(op, &[]))
            .collect();
        let learned = learn(&many);
        assert!(learned[0].said["within"].len() <= MOST_NETS);
        let nets = (0..50_000_u32).map(|n| IpNet::from(IpAddr::from((n * 77_777).to_be_bytes())));
        let few = fewer_nets(&nets.map(|net| Item::Text(net.to_string())).collect());
        assert!(!few.is_empty() && few.len() <= MOST_NETS, "{few:?}");
    }

    #[test]
    fn everything_is_a_grant_file() {
        let all = policy::parse(&everything("bundled"), "everything").unwrap();
        assert!(OPS.iter().all(|op| all.all().iter().any(|grant| grant.op() == op.name)));
    }
}
