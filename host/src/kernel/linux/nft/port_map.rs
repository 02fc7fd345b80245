//! Port mappings: table `inet wasmcni_ports_v1`. How it looks: `port_rules.rs`; what a mapping is in it:
//! `port_elements.rs`. Only one attachment can have a claim.
//!
//! As with other entries, the kernel is asked first and the transaction names the generation that it
//! answered for, so that parallel calls cannot both find a port free.

use std::collections::BTreeSet;

use super::batch::{Channel, Failure, Generation, generation, get_generation, transact};
use super::conditions::{self, Group};
use super::entry::incomplete;
use super::label::Label;
use super::message::{Answer, Message};
use super::port_elements::{claim, claim_of_any, companions, detail, read, target, version};
use super::port_rules::{IPV4, IPV6, TABLE, Version, make_local_set, make_table};
use super::table::{Element, Seen, elements};
use crate::kernel::{Errno, Owner, PortMap, PortMapping, PortMasquerade};

/// Mappings in one transaction. One takes up to 800 octets, and the kernel lets a socket send some 200 KiB
/// at once; only root of the whole machine may raise that.
const AT_ONCE: usize = 200;

/// Opens the mappings, all or none, in place of those that the owner has of the same ports.
pub(super) fn add(channel: &mut Channel, map: &PortMap) -> Result<(), Failure> {
    let Some(first) = map.mappings.first() else { return Ok(()) };
    let version = version(first.container.addr());
    let group = conditions::group(&map.conditions, version);
    let mut done = 0;
    for part in map.mappings.chunks(AT_ONCE) {
        let added = transact(channel, |channel| plan_add(channel, part, version, group.as_ref()));
        if let Err(failure) = added {
            let before = map.mappings.get(..done).unwrap_or_default();
            delete(channel, before)?;
            return Err(incomplete(TABLE, failure));
        }
        done += part.len();
    }
    Ok(())
}

fn plan_add(
    channel: &mut Channel,
    mappings: &[PortMapping],
    version: &Version,
    group: Option<&Group>,
) -> Result<(Generation, Vec<Message>), Failure> {
    let local: BTreeSet<u8> = mappings
        .iter()
        .filter(|mapping| mapping.masquerade == PortMasquerade::Near)
        .map(|mapping| mapping.container.prefix_len())
        .collect();
    let mut questions = vec![get_generation(), TABLE.get()];
    questions.extend(group.map(|group| TABLE.get_set(&conditions::any_set(version, &group.name))));
    questions.extend(local.iter().map(|length| TABLE.get_set(&version.local_set(*length))));
    questions.extend(mappings.iter().map(|mapping| TABLE.get_element(&claim(mapping))));
    let of_address = |mapping: &&PortMapping| mapping.host_address.is_some();
    let for_any = mappings.iter().filter(of_address).map(claim_of_any);
    questions.extend(for_any.map(|element| TABLE.get_element(&element)));
    let mut answers = channel.ask_each(questions)?.into_iter();
    let mut next = || answers.next().flatten();

    let number = generation(next().as_ref())?;
    let table = next();
    let mut changes = Vec::new();
    if table.is_none() {
        changes.extend(make_table());
    }
    if let Some(group) = group
        && next().is_none()
    {
        changes.extend(group.make(version));
    }
    for length in &local {
        if next().is_none() {
            changes.extend(make_local_set(version, *length));
        }
    }
    let mut former = Vec::new();
    for mapping in mappings {
        if let Some(seen) = next().as_ref().and_then(|answer| elements(answer).next()) {
            respects(mapping, &seen)?;
            former.push(seen);
        }
    }
    for mapping in mappings.iter().filter(of_address) {
        if let Some(seen) = next().as_ref().and_then(|answer| elements(answer).next()) {
            respects(mapping, &seen)?;
        }
    }
    // The other way round, an address's own mapping cannot be looked up without its address. There are
    // few of these, on most nodes none.
    if table.is_some() && mappings.iter().any(|mapping| mapping.host_address.is_none()) {
        let others = channel.list(&TABLE.list_elements(version.host))?;
        for seen in others.iter().flat_map(elements) {
            let Some((other, _)) = read(&seen) else { continue };
            for mapping in mappings.iter().filter(|mapping| mapping.overlaps(&other)) {
                respects(mapping, &seen)?;
            }
        }
    }
    changes.extend(removal(channel, &former)?);
    for mapping in mappings {
        let name = group.map(|group| group.name.as_str());
        let label = Label { detail: detail(mapping, name), owner: mapping.owner.clone() };
        changes.push(TABLE.create_map_element(&claim(mapping), &target(mapping), &label));
        changes.extend(companions(mapping, name).iter().map(|e| TABLE.add_element(e)));
    }
    Ok((number, changes))
}

/// Refuses a port that is another's.
fn respects(mapping: &PortMapping, seen: &Seen) -> Result<(), Failure> {
    let nobody = || Owner {
        network: String::new(),
        container_id: "unknown".to_owned(),
        ifname: String::new(),
    };
    match &seen.label {
        Some(label) if label.is_of(&mapping.owner) => Ok(()),
        label => {
            let owner = label.as_ref().map_or_else(nobody, |label| label.owner.clone());
            let hint = Some(mapping.taken_by(&owner));
            Err(Failure { message: None, errno: Errno::EEXIST, hint })
        }
    }
}

/// The messages that remove these claims with all that belongs to them and is there.
fn removal(channel: &mut Channel, claims: &[Seen]) -> Result<Vec<Message>, Failure> {
    let found: Vec<_> = claims.iter().filter_map(read).collect();
    let mut rest: Vec<Element> = Vec::new();
    let mut keys = BTreeSet::new();
    for (mapping, group) in &found {
        let new = companions(mapping, group.as_deref()).into_iter();
        rest.extend(new.filter(|e| keys.insert((e.set.to_string(), e.key.clone()))));
    }
    let there = channel.ask_each(rest.iter().map(|e| TABLE.get_element(e)).collect())?;
    let rest = rest.iter().zip(there).filter(|(_, there)| there.is_some()).map(|(e, _)| e);
    let claims: Vec<Element> = found.iter().map(|(mapping, _)| claim(mapping)).collect();
    Ok(claims.iter().chain(rest).map(|e| TABLE.delete_element(e)).collect())
}

/// Closes those of the mappings that are there and belong to the owner that they name.
pub(super) fn delete(channel: &mut Channel, mappings: &[PortMapping]) -> Result<(), Failure> {
    mappings.chunks(AT_ONCE).try_for_each(|part| delete_part(channel, part))
}

fn delete_part(channel: &mut Channel, mappings: &[PortMapping]) -> Result<(), Failure> {
    transact(channel, |channel| {
        let mut questions = vec![get_generation()];
        questions.extend(mappings.iter().map(|mapping| TABLE.get_element(&claim(mapping))));
        let mut answers = channel.ask_each(questions)?.into_iter();
        let number = generation(answers.next().flatten().as_ref())?;
        let mut owned: Vec<Seen> = Vec::new();
        for (mapping, answer) in mappings.iter().zip(answers) {
            let seen = answer.as_ref().and_then(|answer| elements(answer).next());
            let is_owned =
                |seen: &Seen| seen.label.as_ref().is_some_and(|label| label.is_of(&mapping.owner));
            owned.extend(seen.filter(is_owned).filter(|seen| !owned.contains(seen)));
        }
        Ok((number, removal(channel, &owned)?))
    })
}

/// Every mapping of the table.
pub(super) fn list(channel: &mut Channel) -> Result<Vec<PortMapping>, Failure> {
    let mut found = Vec::new();
    let [table] = channel.ask([TABLE.get()])?;
    if table.is_none() {
        return Ok(found);
    }
    for map in [IPV4.any, IPV4.host, IPV6.any, IPV6.host] {
        let answers = channel.list(&TABLE.list_elements(map))?;
        let mappings = answers.iter().flat_map(elements).filter_map(|seen| read(&seen));
        found.extend(mappings.map(|(mapping, _)| mapping));
    }
    Ok(found)
}

/// Those of the mappings that are not there as described.
pub(super) fn missing(channel: &mut Channel, map: &PortMap) -> Result<Vec<PortMapping>, Failure> {
    let Some(first) = map.mappings.first() else { return Ok(Vec::new()) };
    let group = conditions::group(&map.conditions, version(first.container.addr()));
    let name = group.as_ref().map(|group| group.name.as_str());
    let mut found = Vec::new();
    for mapping in &map.mappings {
        let companions = companions(mapping, name);
        let mut questions = vec![TABLE.get_element(&claim(mapping))];
        questions.extend(companions.iter().map(|element| TABLE.get_element(element)));
        let mut answers = channel.ask_each(questions)?.into_iter();
        let claim = answers.next().flatten();
        let wanted = Label { detail: detail(mapping, name), owner: mapping.owner.clone() };
        let holds = claim.as_ref().is_some_and(|claim| leads(claim, mapping, &wanted));
        if !holds || answers.any(|answer| answer.is_none()) {
            found.push(mapping.clone());
        }
    }
    Ok(found)
}

fn leads(claim: &Answer, mapping: &PortMapping, wanted: &Label) -> bool {
    let is_wanted = |seen: Seen| {
        let label = seen.label.as_ref();
        seen.data.as_ref() == Some(&target(mapping))
            && label.is_some_and(|l| l.detail == wanted.detail && l.is_of(&wanted.owner))
    };
    elements(claim).next().is_some_and(is_wanted)
}
