//! Chains of the reference plugins' iptables back end. Source: containernetworking/plugins,
//! `pkg/ip/ipmasq_iptables_linux.go`, `plugins/meta/portmap`, `plugins/meta/firewall`.

use std::net::{IpAddr, SocketAddr};

use super::known::Known;
use super::report::{Item, Owner, Report};
use super::save::{Rule, Table, parse, quoted};
use super::{firewall, program};

/// One family of one back end, by the program that changes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program<'a>(pub(super) &'a str);

/// The programs of each family: of the two back ends, and the one that is either.
const FAMILIES: [[&str; 3]; 2] = [
    ["iptables-nft", "iptables-legacy", "iptables"],
    ["ip6tables-nft", "ip6tables-legacy", "ip6tables"],
];

/// Looks at all tables of both families and back ends.
pub(super) fn look(known: &Known, report: &mut Report) {
    for [nft, legacy, either] in FAMILIES {
        let mut seen = Vec::new();
        for name in [nft, legacy] {
            if let Some(saved) = program::output(&format!("{name}-save"), &[]) {
                seen.push(name);
                take(Program(name), saved, known, report);
            }
        }
        let save = format!("{either}-save");
        let Some(version) = program::output(&save, &["--version"]) else { continue };
        let back_end = if version.is_ok_and(|v| v.contains("nf_tables")) { nft } else { legacy };
        if !seen.contains(&back_end)
            && let Some(saved) = program::output(&save, &[])
        {
            take(Program(either), saved, known, report);
        }
    }
}

fn take(program: Program<'_>, saved: Result<String, String>, known: &Known, report: &mut Report) {
    report.asked.push(format!("{}-save", program.0));
    match saved {
        Ok(text) => {
            for table in parse(&text) {
                of_table(program, &table, known, report);
            }
        }
        Err(why) => report.failures.push(format!("{why} (run it as root)")),
    }
}

/// What is in one table.
pub(super) fn of_table(program: Program<'_>, table: &Table, known: &Known, report: &mut Report) {
    match table.name.as_str() {
        "nat" => {
            for chain in table.chains.iter().filter(|chain| is_of_a_container(chain)) {
                report.add(of_container(program, table, chain, known));
            }
            hostports(program, table, known, report);
        }
        "filter" => firewall::look(program, table, known, report),
        _ => {}
    }
}

/// `CNI-<hash>` (masquerade), `CNI-DN-…` and `CNI-SN-…` (host ports of one container).
fn is_of_a_container(chain: &str) -> bool {
    let hash = ["CNI-DN-", "CNI-SN-", "CNI-"].iter().find_map(|start| chain.strip_prefix(start));
    hash.is_some_and(|hash| !hash.is_empty() && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn of_container(program: Program<'_>, table: &Table, chain: &str, known: &Known) -> Item {
    let owner = owner(table, chain);
    let what = match chain.get(..7) {
        Some("CNI-DN-") => "host ports (DNAT)",
        Some("CNI-SN-") => "host ports (SNAT)",
        Some(_) | None => "masquerade",
    };
    Item {
        what: format!("{what}: chain {chain:?}"),
        place: program.place(table),
        needed: match &owner.container {
            Some(id) => known.container(id),
            // Without comments, as on a node that lacks the match for them.
            None => addresses(table, chain).into_iter().find_map(|address| known.address(address)),
        },
        owner,
        commands: program.removal(table, &[chain]),
    }
}

/// The addresses that the rules of a chain, and those that lead there, are about.
fn addresses(table: &Table, chain: &str) -> Vec<IpAddr> {
    let rules = table.rules.iter().filter(|r| r.chain == chain || r.target() == Some(chain));
    let words = rules.flat_map(|rule| &rule.words);
    words
        .filter_map(|word| {
            let address = word.split('/').next().unwrap_or(word);
            let socket = word.parse::<SocketAddr>().map(|socket| socket.ip());
            address.parse().or(socket).ok()
        })
        .collect()
}

/// By the comment of a rule that is in the chain or leads to it: `name: "NETWORK" id: "CONTAINER"`.
fn owner(table: &Table, chain: &str) -> Owner {
    let rules = table.rules.iter().filter(|r| r.chain == chain || r.target() == Some(chain));
    rules.filter_map(Rule::comment).find_map(parse_owner).unwrap_or_default()
}

fn parse_owner(comment: &str) -> Option<Owner> {
    let (_, rest) = comment.split_once("name: \"")?;
    let (network, rest) = rest.split_once("\" id: \"")?;
    let container = rest.strip_suffix('"').unwrap_or(rest);
    Some(Owner { network: Some(network.to_owned()), container: Some(container.to_owned()) })
}

/// The chains that all host ports share: they go when no container's chain is left that is needed.
fn hostports(program: Program<'_>, table: &Table, known: &Known, report: &mut Report) {
    let shared: Vec<&str> = table
        .chains
        .iter()
        .filter(|c| c.starts_with("CNI-HOSTPORT-"))
        .map(String::as_str)
        .collect();
    if shared.is_empty() {
        return;
    }
    let ports = |chain: &&String| chain.starts_with("CNI-DN-") || chain.starts_with("CNI-SN-");
    let needed = table.chains.iter().filter(ports).find_map(|chain| {
        let id = owner(table, chain).container?;
        known.container(&id)
    });
    report.add(Item {
        what: format!("host ports of all containers: chains {}", shared.join(", ")),
        place: program.place(table),
        owner: Owner::default(),
        needed,
        commands: program.removal(table, &shared),
    });
}

impl Program<'_> {
    /// `iptables-nft, table nat`.
    pub(super) fn place(self, table: &Table) -> String {
        format!("{}, table {}", self.0, table.name)
    }

    /// Removes chains with all that leads there, but for what leads there from one of them, or from a
    /// container's chain: that goes with its chain, and before these.
    pub(super) fn removal(self, table: &Table, chains: &[&str]) -> Vec<String> {
        let is_one = |chain: &str| chains.contains(&chain);
        let goes = |chain: &str| is_one(chain) || is_of_a_container(chain);
        let leads = |rule: &&Rule| !goes(&rule.chain) && rule.target().is_some_and(is_one);
        let mut commands: Vec<String> =
            table.rules.iter().filter(leads).map(|rule| self.deletion(table, rule)).collect();
        for act in ["-F", "-X"] {
            commands.extend(chains.iter().map(|chain| self.command(table, act, &[chain])));
        }
        commands
    }

    /// Deletes one rule.
    pub(super) fn deletion(self, table: &Table, rule: &Rule) -> String {
        let words = std::iter::once(&rule.chain).chain(&rule.words).map(String::as_str);
        self.command(table, "-D", &words.collect::<Vec<_>>())
    }

    fn command(self, table: &Table, act: &str, words: &[&str]) -> String {
        let start = [self.0, "-w", "-t", &table.name, act];
        let words = start.iter().chain(words).map(|word| quoted(word));
        words.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_from_comments() {
        let owner = |network: &str, container: &str| {
            Some(Owner { network: Some(network.into()), container: Some(container.into()) })
        };
        assert_eq!(parse_owner("name: \"net\" id: \"c\""), owner("net", "c"));
        assert_eq!(parse_owner("dnat name: \"a b\" id: \"c\""), owner("a b", "c"));
        assert_eq!(parse_owner("name: \"net\" id: \"cut of"), owner("net", "cut of"));
        assert_eq!(parse_owner("CNI portfwd requiring masquerade"), None);
    }
}
