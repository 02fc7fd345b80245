//! Tables of the reference plugins' nftables back end. Source: containernetworking/plugins,
//! `pkg/ip/ipmasq_nftables_linux.go`, `plugins/meta/portmap/portmap_nftables.go`,
//! `pkg/link/spoofcheck.go`.

use serde_json::Value;

use super::known::Known;
use super::program;
use super::report::{Item, Owner, Report};
use super::save::quoted;

/// Octets of the longest comment that `nft` takes: longer ones are cut off there.
const MAX_COMMENT: usize = 128;

/// What the reference plugins' own tables are for.
const TABLES: [(&str, &str, &str); 3] = [
    ("inet", "cni_plugins_masquerade", "masquerade"),
    ("ip", "cni_hostport", "host ports"),
    ("ip6", "cni_hostport", "host ports"),
];

const PORT_CHAIN: &str = "cni-br-iface-";

/// A table's name, and what of the reference's is in it.
struct Table<'a> {
    family: &'a str,
    name: &'a str,
    objects: Vec<Value>,
}

/// Looks at the tables that are there.
pub(super) fn look(known: &Known, report: &mut Report) {
    let Some(tables) = nft(&["list", "tables"], report) else { return };
    report.asked.push("nft".to_owned());
    let is_there = |family: &str, name: &str| {
        tables.iter().any(|table| {
            text(table, "/table/family") == Some(family) && text(table, "/table/name") == Some(name)
        })
    };
    for (family, name, what) in TABLES.into_iter().filter(|(f, n, _)| is_there(f, n)) {
        if let Some(objects) = nft(&["list", "table", family, name], report) {
            own_table(&Table { family, name, objects }, what, known, report);
        }
    }
    let (family, name) = ("bridge", "nat");
    if is_there(family, name)
        && let Some(objects) = nft(&["list", "table", family, name], report)
    {
        spoof_guards(&Table { family, name, objects }, known, report);
    }
}

/// What `nft` says; `None`: nothing.
fn nft(words: &[&str], report: &mut Report) -> Option<Vec<Value>> {
    let done = program::output("nft", &[&["-j"], words].concat())?.and_then(|text| {
        let all: Value = serde_json::from_str(&text).map_err(|e| format!("reading nft: {e}"))?;
        Ok(all.get("nftables").and_then(Value::as_array).cloned().unwrap_or_default())
    });
    done.map_err(|why| report.failures.push(format!("{why} (run it as root)"))).ok()
}

/// A table of rules whose comments say whose they are.
fn own_table(table: &Table<'_>, what: &str, known: &Known, report: &mut Report) {
    let mut needed = None;
    let mut stale = Vec::new();
    for (rule, comment) in table.rules() {
        let Some(owner) = owner(comment) else { continue };
        let id = owner.container.clone().unwrap_or_default();
        let cut = comment.len() >= MAX_COMMENT;
        let used = if cut {
            known.container_where(|other| other.starts_with(&id))
        } else {
            known.container(&id)
        };
        needed = needed.or(used.clone());
        let item = Item {
            what: format!("{what}: rule of chain {:?}", text(rule, "/chain").unwrap_or_default()),
            place: table.place(),
            owner,
            needed: used,
            commands: vec![table.deletion(rule)],
        };
        if item.needed.is_some() { report.add(item) } else { stale.push(item) }
    }
    if needed.is_some() {
        return stale.into_iter().for_each(|item| report.add(item));
    }
    // All of it goes at once; whose it was is told nevertheless.
    for item in &mut stale {
        item.commands.clear();
    }
    stale.into_iter().for_each(|item| report.add(item));
    report.add(Item {
        what: format!("{what}: the whole table"),
        place: table.place(),
        owner: Owner::default(),
        needed: None,
        commands: vec![format!("nft delete table {} {}", table.family, table.name)],
    });
}

/// `HASH-HASH, net: NETWORK, if: IFNAME, id: CONTAINER`, or the container's ID alone.
fn owner(comment: &str) -> Option<Owner> {
    let some = |text: &str| Some(text.to_owned());
    if let Some((_, rest)) = comment.split_once(", net: ") {
        let (network, rest) = rest.split_once(", if: ").unwrap_or((rest, ""));
        let container = rest.split_once(", id: ").map(|(_, id)| id.to_owned());
        return Some(Owner { network: some(network), container });
    }
    let is_id = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let whole = !comment.is_empty() && comment.chars().all(is_id);
    whole.then(|| Owner { network: None, container: some(comment) })
}

/// Two chains for each port of a bridge that is guarded, in a table that others may use too.
fn spoof_guards(table: &Table<'_>, known: &Known, report: &mut Report) {
    let chains = table.objects.iter().filter_map(|object| text(object, "/chain/name"));
    let chains: Vec<&str> = chains.filter(|name| name.starts_with(PORT_CHAIN)).collect();
    let is_second =
        |name: &str| name.strip_suffix("-mac").is_some_and(|first| chains.contains(&first));
    for first in chains.iter().filter(|name| !is_second(name)) {
        // CONTAINER-IFNAME
        let id = first.strip_prefix(PORT_CHAIN).unwrap_or_default();
        let comment = format!("macspoofchk-{id}");
        let leads = table.rules().filter(|(rule, said)| {
            *said == comment && text(rule, "/chain").is_some_and(|c| !c.starts_with(PORT_CHAIN))
        });
        let mut commands: Vec<String> = leads.map(|(rule, _)| table.deletion(rule)).collect();
        let second = format!("{first}-mac");
        let both = [*first, second.as_str()];
        let both: Vec<&str> = both.into_iter().filter(|name| chains.contains(name)).collect();
        for act in ["flush", "delete"] {
            commands.extend(both.iter().map(|name| {
                format!("nft {act} chain {} {} {}", table.family, table.name, quoted(name))
            }));
        }
        report.add(Item {
            what: format!("macspoofchk: chains {}", both.join(", ")),
            place: table.place(),
            owner: Owner { network: None, container: Some(id.to_owned()) },
            needed: known.container_where(|other| {
                id.strip_prefix(other).is_some_and(|rest| rest.starts_with('-'))
            }),
            commands,
        });
    }
}

impl Table<'_> {
    fn place(&self) -> String {
        format!("nft, table {} {}", self.family, self.name)
    }

    /// Every rule with a comment.
    fn rules(&self) -> impl Iterator<Item = (&Value, &str)> {
        let rules = self.objects.iter().filter_map(|object| object.get("rule"));
        rules.filter_map(|rule| Some((rule, text(rule, "/comment")?)))
    }

    fn deletion(&self, rule: &Value) -> String {
        let chain = quoted(text(rule, "/chain").unwrap_or_default());
        let handle = rule.get("handle").and_then(Value::as_u64).unwrap_or_default();
        format!("nft delete rule {} {} {chain} handle {handle}", self.family, self.name)
    }
}

/// The text at a place of a document.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_from_comments() {
        let owner_of = |comment: &str| {
            let owner = owner(comment)?;
            Some((owner.network.unwrap_or_default(), owner.container.unwrap_or_default()))
        };
        let two = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(owner_of("0a-1b, net: n, if: eth0, id: c"), two("n", "c"));
        assert_eq!(owner_of("0a-1b, net: n, if: eth0"), two("n", ""));
        assert_eq!(owner_of("id-c"), two("", "id-c"));
        assert_eq!(owner_of("not an id"), None);
        assert_eq!(owner_of(""), None);
    }
}
