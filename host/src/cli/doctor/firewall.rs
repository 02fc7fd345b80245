//! Chains of the reference firewall plugin, in table `filter`.

use std::net::IpAddr;

use super::iptables::Program;
use super::known::Known;
use super::report::{Item, Owner, Report};
use super::save::{Rule, Table};

const FORWARD: &str = "CNI-FORWARD";
const STAGES: [&str; 2] = ["CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2"];

/// The comment of the rule that leads to the operator's own chain (`iptablesAdminChainName`).
const ADMIN: &str = "CNI firewall plugin admin overrides";

pub(super) fn look(program: Program<'_>, table: &Table, known: &Known, report: &mut Report) {
    if table.chains.iter().any(|chain| chain == FORWARD) {
        forward(program, table, known, report);
    }
    let stages: Vec<&str> =
        STAGES.into_iter().filter(|stage| table.chains.iter().any(|c| c == stage)).collect();
    if !stages.is_empty() {
        report.add(isolation(program, table, &stages, known));
    }
}

/// Two rules for each address of a container, and at last the chain itself.
fn forward(program: Program<'_>, table: &Table, known: &Known, report: &mut Report) {
    let rules = || table.rules.iter().filter(|rule| rule.chain == FORWARD);
    let admin = rules().find(|rule| rule.comment() == Some(ADMIN)).and_then(Rule::target);
    let mut needed = None;
    for rule in rules().filter(|rule| rule.target() != admin) {
        let address = rule.value(&["-s", "-d"]).unwrap_or_default();
        let used = address.split('/').next().and_then(|a| a.parse::<IpAddr>().ok());
        let used = used.and_then(|address| known.address(address));
        needed = needed.or(used.clone());
        report.add(Item {
            what: format!("firewall: rule of {FORWARD} for {address}"),
            place: program.place(table),
            owner: Owner::default(),
            needed: used,
            commands: vec![program.deletion(table, rule)],
        });
    }
    let own = admin.filter(|chain| table.rules.iter().any(|rule| rule.chain == *chain));
    let needed = needed.or(own.map(|chain| format!("chain {chain:?} holds rules of your own")));
    let chains: Vec<&str> = [Some(FORWARD), admin].into_iter().flatten().collect();
    report.add(Item {
        what: format!("firewall: chains {}", chains.join(", ")),
        place: program.place(table),
        owner: Owner::default(),
        needed,
        commands: program.removal(table, &chains),
    });
}

/// One pair of rules for each bridge.
fn isolation(program: Program<'_>, table: &Table, stages: &[&str], known: &Known) -> Item {
    let rules = table.rules.iter().filter(|rule| stages.contains(&rule.chain.as_str()));
    let mut bridges = rules.filter_map(|rule| rule.value(&["-o"]));
    let needed = bridges.find(|bridge| known.has_ports(bridge));
    Item {
        what: format!("firewall: isolation of bridges, chains {}", stages.join(", ")),
        place: program.place(table),
        owner: Owner::default(),
        needed: needed.map(|bridge| format!("bridge {bridge:?} has ports")),
        commands: program.removal(table, stages),
    }
}
