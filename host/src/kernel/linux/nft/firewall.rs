//! Letting containers through the node's firewall: table `inet wasmcni_firewall_v1`.
//!
//! A chain of ours cannot overrule another's: of all base chains at a hook each may drop. So what is
//! admitted is marked, before the priority of `filter`, and where iptables' `FORWARD` chain is in
//! nf_tables, one rule at its head accepts what has the mark; after `filter` the mark is taken off
//! again. See `docs/decisions/0010-firewall.md`.
//!
//! The claim is the container's address; its label also tells the bridge that is kept apart on its account.
//! A bridge stays in the sets as long as some label tells it.

use std::net::IpAddr;

use super::attribute::Attribute;
use super::batch::{Channel, Failure, generation, get_generation, transact};
use super::entry::{incomplete, label_of};
use super::expression::{
    Field, Register, Verdict, counter, load, load_ct_state, load_iifname, load_mark, load_oifname,
    mask, mask_and_flip, only_equal, only_in, only_ipv4, only_ipv6, only_not_in, only_unequal,
    store_mark, verdict,
};
use super::label::{Label, Purpose};
use super::masquerade::octets;
use super::message::Message;
use super::spoof_guard::name_octets;
use super::table::{Element, Hook, Key, Table, elements};
use super::uapi::family;
use crate::kernel::{Admission, Apart, Separation};
use crate::names::IfName;

const TABLE: Table = Table { family: family::INET, name: "wasmcni_firewall_v1" };
/// At `forward`, on either side of what others have at the priority `filter`.
const BEFORE: Hook = Hook { kind: "filter", number: 2, priority: -10 };
const AFTER: Hook = Hook { kind: "filter", number: 2, priority: 10 };

/// Bridges that are kept apart; each with itself, since those packets stay on one; of those whose ports are
/// kept apart the same. (Packets between ports come here only where `br_netfilter` sends them; the port's own
/// setting keeps them apart everywhere.)
const APART: &str = "apart";
const SAME: &str = "same";
const ISOLATED: &str = "isolated";

/// Rules of the chain `forward`, as [`make_table`] makes them.
const FORWARD_RULES: usize = 8;

/// The bit of a packet's mark that says that it is admitted, between [`BEFORE`] and [`AFTER`].
const MARK: u32 = 0x1000;

/// The chain of iptables, in the tables of the family.
const FORWARD: &str = "FORWARD";
const ADMITTED: &str = "wasmcni: admitted";

/// What differs between IPv4 and IPv6.
struct Version {
    set: &'static str,
    key: Key,
    only: fn() -> [Attribute; 2],
    saddr: Field,
    daddr: Field,
    iptables: Table,
}

const IPV4: Version = Version {
    set: "admitted4",
    key: Key::IPV4,
    only: only_ipv4,
    saddr: Field::IP_SADDR,
    daddr: Field::IP_DADDR,
    iptables: Table { family: family::IPV4, name: "filter" },
};

const IPV6: Version = Version {
    set: "admitted6",
    key: Key::IPV6,
    only: only_ipv6,
    saddr: Field::IP6_SADDR,
    daddr: Field::IP6_DADDR,
    iptables: Table { family: family::IPV6, name: "filter" },
};

fn version(address: IpAddr) -> &'static Version {
    match address {
        IpAddr::V4(_) => &IPV4,
        IpAddr::V6(_) => &IPV6,
    }
}

fn claim(address: IpAddr) -> Element {
    Element { set: version(address).set.into(), key: octets(address) }
}

fn alone(bridge: &IfName) -> Element {
    Element { set: APART.into(), key: name_octets(bridge) }
}

fn twice(set: &'static str, bridge: &IfName) -> Element {
    Element { set: set.into(), key: [name_octets(bridge), name_octets(bridge)].concat() }
}

/// `open`, `same-bridge:br0`, `isolated:br0`.
fn detail(apart: Option<&Apart>) -> String {
    match apart {
        None => "open".to_owned(),
        Some(Apart { bridge, from: Separation::OtherBridges }) => format!("same-bridge:{bridge}"),
        Some(Apart { bridge, from: Separation::Everyone }) => format!("isolated:{bridge}"),
    }
}

fn parse(detail: &str) -> Option<Apart> {
    let (word, bridge) = detail.split_once(':')?;
    let from = match word {
        "same-bridge" => Separation::OtherBridges,
        "isolated" => Separation::Everyone,
        _ => return None,
    };
    Some(Apart { bridge: IfName::try_from(bridge).ok()?, from })
}

/// `meta mark set meta mark & ~MARK | flip`.
fn set_mark(flip: u32) -> Vec<Attribute> {
    let keep = (!MARK).to_ne_bytes();
    vec![load_mark(), mask_and_flip(Register::FIRST, &keep, &flip.to_ne_bytes()), store_mark()]
}

fn make_table() -> Vec<Message> {
    const PURPOSE: Purpose = Purpose("wasmcni: lets containers through, and keeps bridges apart");
    let mut messages = vec![
        TABLE.create(PURPOSE),
        TABLE.create_set(IPV4.set, IPV4.key, 1),
        TABLE.create_set(IPV6.set, IPV6.key, 2),
        TABLE.create_set(APART, Key::IFNAME, 3),
        TABLE.create_set(SAME, Key::IFNAME_PAIR, 4),
        TABLE.create_set(ISOLATED, Key::IFNAME_PAIR, 5),
        TABLE.add_chain("admin", None),
        TABLE.add_chain("admitted", None),
        TABLE.append_rule("admitted", set_mark(MARK)),
        TABLE.add_chain("forward", Some(BEFORE)),
        TABLE.add_chain("after", Some(AFTER)),
        TABLE.append_rule("after", set_mark(0)),
    ];
    let pair = || [load_iifname(), load_oifname(Register::AFTER_16)];
    let rules = [
        // Nobody else's mark admits anything.
        set_mark(0),
        // iifname . oifname @isolated drop
        pair().into_iter().chain([only_in(ISOLATED), verdict(Verdict::Drop)]).collect(),
        // iifname @apart oifname @apart iifname . oifname != @same drop
        [load_iifname(), only_in(APART), load_oifname(Register::FIRST), only_in(APART)]
            .into_iter()
            .chain(pair())
            .chain([only_not_in(SAME), verdict(Verdict::Drop)])
            .collect(),
        vec![verdict(Verdict::Jump("admin"))],
    ];
    let admitting =
        [&IPV4, &IPV6].into_iter().flat_map(|version| [towards(version), from(version)]);
    messages
        .extend(rules.into_iter().chain(admitting).map(|rule| TABLE.append_rule("forward", rule)));
    messages
}

/// `ip daddr @admitted4 ct state established,related goto admitted`.
fn towards(version: &Version) -> Vec<Attribute> {
    const ESTABLISHED_OR_RELATED: [u8; 4] = 6_u32.to_ne_bytes();
    let [meta, equal] = (version.only)();
    vec![
        meta,
        equal,
        load(version.daddr, Register::FIRST),
        only_in(version.set),
        load_ct_state(),
        mask(Register::FIRST, &ESTABLISHED_OR_RELATED),
        only_unequal(&[0; 4]),
        verdict(Verdict::Goto("admitted")),
    ]
}

/// `ip saddr @admitted4 goto admitted`.
fn from(version: &Version) -> Vec<Attribute> {
    let [meta, equal] = (version.only)();
    vec![
        meta,
        equal,
        load(version.saddr, Register::FIRST),
        only_in(version.set),
        verdict(Verdict::Goto("admitted")),
    ]
}

/// Adds the entry, in place of any other for its address.
pub(super) fn add(
    channel: &mut Channel,
    admission: &Admission,
    admin: &str,
) -> Result<(), Failure> {
    let [there] = channel.ask([TABLE.get_element(&claim(admission.address))])?;
    let former = there.as_ref().and_then(label_of);
    if let Some(Label { detail, owner }) = former {
        let former = Admission { address: admission.address, apart: parse(&detail), owner };
        if former != *admission {
            delete(channel, &former)?;
        }
    }
    transact(channel, |channel| plan_add(channel, admission, admin))
        .map_err(|failure| incomplete(TABLE, failure))
}

fn plan_add(
    channel: &mut Channel,
    admission: &Admission,
    admin: &str,
) -> Result<(super::batch::Generation, Vec<Message>), Failure> {
    let claim = claim(admission.address);
    let [number, there, table, own_admin] = channel.ask([
        get_generation(),
        TABLE.get_element(&claim),
        TABLE.get(),
        TABLE.get_chain(admin),
    ])?;
    let mut changes = Vec::new();
    if table.is_none() {
        changes.extend(make_table());
    }
    if own_admin.is_none() {
        changes.push(TABLE.add_chain(admin, None));
        changes.push(TABLE.append_rule("admin", vec![verdict(Verdict::Jump(admin))]));
    }
    if there.is_some() {
        changes.push(TABLE.delete_element(&claim));
    }
    let apart = admission.apart.as_ref();
    let label = Label { detail: detail(apart), owner: admission.owner.clone() };
    changes.push(TABLE.create_element(&claim, &label));
    if let Some(Apart { bridge, from }) = apart {
        changes.push(TABLE.add_element(&alone(bridge)));
        changes.push(TABLE.add_element(&twice(SAME, bridge)));
        if *from == Separation::Everyone {
            changes.push(TABLE.add_element(&twice(ISOLATED, bridge)));
        }
    }
    changes.extend(let_through(channel, version(admission.address).iptables, admin)?);
    Ok((generation(number.as_ref())?, changes))
}

/// What iptables' chain lacks, if there is one: a jump to the operator's chain, and after it the acceptance
/// of what is marked. They are such rules as iptables itself can show and save.
fn let_through(channel: &mut Channel, filter: Table, admin: &str) -> Result<Vec<Message>, Failure> {
    let Some(rules) = iptables_rules(channel, filter)? else { return Ok(Vec::new()) };
    let jump = format!("wasmcni: jump {admin};");
    let mut changes = Vec::new();
    if !has(&rules, ADMITTED) {
        let mark = MARK.to_ne_bytes();
        let rule = vec![
            load_mark(),
            mask(Register::FIRST, &mark),
            only_equal(&mark),
            counter(),
            verdict(Verdict::Accept),
        ];
        changes.push(filter.insert_rule_for(FORWARD, ADMITTED, rule));
    }
    if !has(&rules, &jump) {
        let rule = vec![counter(), verdict(Verdict::Jump(admin))];
        changes.push(filter.add_chain(admin, None));
        changes.push(filter.insert_rule_for(FORWARD, &jump, rule));
    }
    Ok(changes)
}

/// The rules of iptables' chain, unread; `None`: there is no such chain.
fn iptables_rules(channel: &mut Channel, filter: Table) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    let [chain] = channel.ask([filter.get_chain(FORWARD)])?;
    if chain.is_none() {
        return Ok(None);
    }
    let rules = channel.list(&filter.list_rules(FORWARD))?;
    Ok(Some(rules.into_iter().map(|answer| answer.0).collect()))
}

/// Whether a rule has this comment: as user data, or, once iptables has saved and restored it, as a match.
fn has(rules: &[Vec<u8>], comment: &str) -> bool {
    let comment = comment.as_bytes();
    rules.iter().any(|rule| rule.windows(comment.len()).any(|part| part == comment))
}

/// Deletes the entry if it is there and belongs to its owner, and with the last one for a bridge what keeps
/// that apart.
pub(super) fn delete(channel: &mut Channel, admission: &Admission) -> Result<(), Failure> {
    let claim = claim(admission.address);
    transact(channel, |channel| {
        let [number, there] = channel.ask([get_generation(), TABLE.get_element(&claim)])?;
        let number = generation(number.as_ref())?;
        let owned = there.as_ref().and_then(label_of).filter(|l| l.is_of(&admission.owner));
        let Some(label) = owned else { return Ok((number, Vec::new())) };
        let mut changes = vec![TABLE.delete_element(&claim)];
        if let Some(apart) = parse(&label.detail) {
            changes.extend(join(channel, &apart.bridge, admission.address)?);
        }
        Ok((number, changes))
    })
}

/// What has to go when `leaving` no longer keeps the bridge apart.
fn join(channel: &mut Channel, bridge: &IfName, leaving: IpAddr) -> Result<Vec<Message>, Failure> {
    let others = claims(channel)?.into_iter().filter(|entry| entry.address != leaving);
    let others: Vec<Separation> = others
        .filter_map(|entry| entry.apart)
        .filter(|apart| apart.bridge == *bridge)
        .map(|apart| apart.from)
        .collect();
    let mut gone = Vec::new();
    if others.is_empty() {
        gone.extend([alone(bridge), twice(SAME, bridge)]);
    }
    if !others.contains(&Separation::Everyone) {
        gone.push(twice(ISOLATED, bridge));
    }
    let mut changes = Vec::new();
    for element in gone {
        let [there] = channel.ask([TABLE.get_element(&element)])?;
        changes.extend(there.map(|_| TABLE.delete_element(&element)));
    }
    Ok(changes)
}

/// Every entry, in effect or not.
fn claims(channel: &mut Channel) -> Result<Vec<Admission>, Failure> {
    let mut found = Vec::new();
    for version in [&IPV4, &IPV6] {
        let answers = channel.list(&TABLE.list_elements(version.set))?;
        found.extend(answers.iter().flat_map(elements).filter_map(|seen| {
            let Label { detail, owner } = seen.label?;
            Some(Admission { address: address(&seen.key)?, apart: parse(&detail), owner })
        }));
    }
    Ok(found)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(Into::into)
}

/// Every entry that is in effect: not without our rules, or without the one in iptables' chain; and kept
/// apart only if the bridge is in the sets.
pub(super) fn list(channel: &mut Channel) -> Result<Vec<Admission>, Failure> {
    let mut all = claims(channel)?;
    if all.is_empty() {
        return Ok(all);
    }
    if channel.list(&TABLE.list_rules("forward"))?.len() < FORWARD_RULES {
        return Ok(Vec::new());
    }
    for family in [&IPV4, &IPV6] {
        let rules = iptables_rules(channel, family.iptables)?;
        if rules.is_some_and(|rules| !has(&rules, ADMITTED)) {
            all.retain(|entry| version(entry.address).set != family.set);
        }
    }
    for entry in &mut all {
        let Some(Apart { bridge, from }) = &entry.apart else { continue };
        let [alone, same, isolated] = [alone(bridge), twice(SAME, bridge), twice(ISOLATED, bridge)]
            .map(|element| TABLE.get_element(&element));
        let [alone, same, isolated] = channel.ask([alone, same, isolated])?;
        let lacks_isolation = *from == Separation::Everyone && isolated.is_none();
        if alone.is_none() || same.is_none() || lacks_isolation {
            entry.apart = None;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_the_bridge() {
        let bridge = IfName::try_from("br0").unwrap();
        for from in [Separation::OtherBridges, Separation::Everyone] {
            let apart = Apart { bridge: bridge.clone(), from };
            assert_eq!(parse(&detail(Some(&apart))), Some(apart));
        }
        assert_eq!(parse(&detail(None)), None);
        for foreign in ["other:br0", "isolated", "isolated:", "isolated:a/b", ""] {
            assert_eq!(parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn rules_are_counted() {
        let rules =
            make_table().into_iter().filter(|m| m.kind == super::super::uapi::msg::NEW_RULE);
        // Those of `admitted` and of `after` besides.
        assert_eq!(rules.count(), FORWARD_RULES + 2);
    }

    #[test]
    fn a_comment_is_found_wherever_it_stands() {
        let rules = vec![b"..wasmcni: jump CNI-ADMIN;..".to_vec()];
        assert!(has(&rules, "wasmcni: jump CNI-ADMIN;"));
        assert!(!has(&rules, "wasmcni: jump CNI;"));
    }
}
