//! Rules that the reference plugin's nftables back end made: tables `ip cni_hostport` and
//! `ip6 cni_hostport`, a rule for each mapping, its comment the container's id.

use super::attribute::{self, Attribute};
use super::batch::{Channel, Failure, generation, get_generation, transact};
use super::label::rule_comment;
use super::message::{Answer, Message};
use super::uapi::{attr, family, msg};

const TABLE: &str = "cni_hostport";

/// Removes the rules of a container.
pub(super) fn delete(channel: &mut Channel, container_id: &str) -> Result<(), Failure> {
    for family in [family::IPV4, family::IPV6] {
        transact(channel, |channel| {
            let [number, table] = channel.ask([get_generation(), get_table(family)])?;
            let number = generation(number.as_ref())?;
            if table.is_none() {
                return Ok((number, Vec::new()));
            }
            let rules = channel.list(&rule(msg::GET_RULE, family, Vec::new()))?;
            let theirs = rules.iter().filter(|rule| comment(rule) == Some(container_id));
            Ok((number, theirs.filter_map(|rule| delete_rule(family, rule)).collect()))
        })?;
    }
    Ok(())
}

fn get_table(family: u8) -> Message {
    let attributes = vec![Attribute::text(attr::TABLE_NAME, TABLE)];
    Message { kind: msg::GET_TABLE, flags: 0, family, resource: 0, attributes }
}

fn rule(kind: u16, family: u8, more: Vec<Attribute>) -> Message {
    let mut attributes = vec![Attribute::text(attr::RULE_TABLE, TABLE)];
    attributes.extend(more);
    Message { kind, flags: 0, family, resource: 0, attributes }
}

fn comment(rule: &Answer) -> Option<&str> {
    rule_comment(attribute::find(&rule.0, attr::RULE_USERDATA)?)
}

fn delete_rule(family: u8, seen: &Answer) -> Option<Message> {
    let same =
        |kind| attribute::find(&seen.0, kind).map(|value| Attribute::Leaf(kind, value.to_vec()));
    let which = vec![same(attr::RULE_CHAIN)?, same(attr::RULE_HANDLE)?];
    Some(rule(msg::DELETE_RULE, family, which))
}
