//! What the reference plugins' nftables back end made for an attachment, found by the names that they
//! give it, and removed.
//!
//! Source: containernetworking/plugins, `pkg/ip/ipmasq_nftables_linux.go`, `pkg/link/spoofcheck.go`.

use sha2::{Digest, Sha512};

use super::attribute::{self, Attribute};
use super::batch::{Channel, Failure, Generation, generation, get_generation, transact};
use super::label;
use super::message::{Answer, Message};
use super::uapi::{attr, family, msg};
use crate::kernel::Owner;

/// A chain of somebody else's table.
#[derive(Debug, Clone, Copy)]
struct Chain<'a> {
    family: u8,
    table: &'a str,
    name: &'a str,
}

const MASQ_CHECKS: Chain<'_> =
    Chain { family: family::INET, table: "cni_plugins_masquerade", name: "masq_checks" };
const PREROUTING: Chain<'_> = Chain { family: family::BRIDGE, table: "nat", name: "PREROUTING" };

/// Removes the masquerade rules of an attachment.
pub(super) fn delete_masquerade(channel: &mut Channel, owner: &Owner) -> Result<(), Failure> {
    let instance = instance(owner);
    transact(channel, |channel| {
        let number = now(channel)?;
        // `HASH-HASH, net: NETWORK, …`, cut off where a comment must end.
        let changes = MASQ_CHECKS.deletions(channel, |comment| {
            comment.strip_prefix(&instance).is_some_and(|rest| rest.starts_with(','))
        })?;
        Ok((number, changes))
    })
}

/// Removes the chains of an attachment's guard, and the rule that leads there. The chain that it is in
/// stays, as the reference leaves it.
pub(super) fn delete_spoof_guard(channel: &mut Channel, owner: &Owner) -> Result<(), Failure> {
    let id = format!("{}-{}", owner.container_id, owner.ifname);
    let wanted = format!("macspoofchk-{id}");
    let ports = format!("cni-br-iface-{id}");
    let macs = format!("{ports}-mac");
    let [ports, macs] = [&ports, &macs].map(|name| Chain { name, ..PREROUTING });
    transact(channel, |channel| {
        let number = now(channel)?;
        let mut changes = PREROUTING.deletions(channel, |comment| comment == wanted)?;
        let there = channel.ask([ports.get(), macs.get()])?;
        // A chain goes with its rules; the first leads to the second.
        let gone = [ports, macs].into_iter().zip(there).filter(|(_, there)| there.is_some());
        changes.extend(gone.map(|(chain, _)| chain.delete()));
        Ok((number, changes))
    })
}

/// `hashForInstance`: sixteen digits of each SHA-512.
fn instance(owner: &Owner) -> String {
    let short = |text: &str| -> String {
        let digest = Sha512::digest(text.as_bytes());
        digest.iter().take(8).map(|octet| format!("{octet:02x}")).collect()
    };
    let Owner { network, container_id, ifname } = owner;
    format!("{}-{}", short(network), short(&format!("{ifname}:{container_id}")))
}

/// The ruleset that is about to be looked at.
fn now(channel: &mut Channel) -> Result<Generation, Failure> {
    let [number] = channel.ask([get_generation()])?;
    generation(number.as_ref())
}

impl Chain<'_> {
    fn message(self, kind: u16, attributes: Vec<Attribute>) -> Message {
        Message { kind, flags: 0, family: self.family, resource: 0, attributes }
    }

    fn get(self) -> Message {
        self.message(msg::GET_CHAIN, self.names())
    }

    fn delete(self) -> Message {
        self.message(msg::DELETE_CHAIN, self.names())
    }

    fn names(self) -> Vec<Attribute> {
        vec![
            Attribute::text(attr::CHAIN_TABLE, self.table),
            Attribute::text(attr::CHAIN_NAME, self.name),
        ]
    }

    fn of_rules(self) -> Vec<Attribute> {
        vec![
            Attribute::text(attr::RULE_TABLE, self.table),
            Attribute::text(attr::RULE_CHAIN, self.name),
        ]
    }

    /// What deletes the rules with such a comment.
    fn deletions(
        self,
        channel: &mut Channel,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Message>, Failure> {
        let rules = channel.list(&self.message(msg::GET_RULE, self.of_rules()))?;
        let handles = rules.iter().filter(|rule| self.holds(rule)).filter_map(|rule| {
            let comment = label::rule_comment(attribute::find(&rule.0, attr::RULE_USERDATA)?)?;
            is_wanted(comment).then_some(attribute::find(&rule.0, attr::RULE_HANDLE)?)
        });
        Ok(handles
            .map(|handle| {
                let handle = Attribute::Leaf(attr::RULE_HANDLE, handle.to_vec());
                let attributes = self.of_rules().into_iter().chain([handle]).collect();
                self.message(msg::DELETE_RULE, attributes)
            })
            .collect())
    }

    /// Whether a rule is of this chain: kernels that know no filter list those of others too.
    fn holds(self, rule: &Answer) -> bool {
        let is = |kind, name: &str| {
            attribute::find(&rule.0, kind).and_then(|text| text.strip_suffix(b"\0"))
                == Some(name.as_bytes())
        };
        is(attr::RULE_TABLE, self.table) && is(attr::RULE_CHAIN, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf net | sha512sum`, `printf eth0:cid | sha512sum`.
    #[test]
    fn an_instance_is_named_as_the_reference_names_it() {
        let owner = Owner {
            network: "net".to_owned(),
            container_id: "cid".to_owned(),
            ifname: "eth0".to_owned(),
        };
        assert_eq!(instance(&owner), "a4861f4ae9f7d238-f67e6d6b66294011");
    }
}
