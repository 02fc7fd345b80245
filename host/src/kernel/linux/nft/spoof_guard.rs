//! Spoof guards: table `bridge wasmcni_guard_v1`.
//!
//! The claim is the bridge port, the companion the port with the one MAC that frames may come from.

use super::batch::{Channel, Failure};
use super::entry::Entry;
use super::expression::{
    Field, Register, Verdict, load, load_iifname, only_in, only_not_in, verdict,
};
use super::label::Purpose;
use super::message::Message;
use super::table::{Element, Hook, Key, Seen, Table, elements};
use super::uapi::family;
use crate::kernel::{Owner, SpoofGuard};
use crate::names::{IfName, Mac};

const TABLE: Table = Table { family: family::BRIDGE, name: "wasmcni_guard_v1" };
/// Before all that looks at addresses: the priority of `dstnat` in the bridge family.
const PREROUTING: Hook = Hook { kind: "filter", number: 0, priority: -300 };
const CHAIN: &str = "prerouting";
const GUARDED: &str = "guarded";
const ALLOWED: &str = "allowed";
/// Octets of a link's name in a set: `IFNAMSIZ`.
const IFNAME_OCTETS: usize = 16;

pub(super) fn name_octets(name: &IfName) -> Vec<u8> {
    let mut octets = name.as_str().as_bytes().to_vec();
    octets.resize(IFNAME_OCTETS, 0);
    octets
}

impl Entry for SpoofGuard {
    const TABLE: Table = TABLE;

    fn owner(&self) -> &Owner {
        &self.owner
    }

    fn claim(&self) -> Element {
        Element { set: GUARDED.into(), key: name_octets(&self.port) }
    }

    fn detail(&self) -> String {
        self.mac.to_string()
    }

    fn companion(&self, detail: &str) -> Option<Element> {
        let mac = Mac::try_from(detail).ok()?;
        // In registers of four octets, six of them are followed by two of nothing.
        let key = [&name_octets(&self.port)[..], &mac.bytes(), &[0; 2]].concat();
        Some(Element { set: ALLOWED.into(), key })
    }

    fn make_table() -> Vec<Message> {
        const PURPOSE: Purpose =
            Purpose("wasmcni: drops frames with a MAC that is not the container's");
        vec![
            TABLE.create(PURPOSE),
            TABLE.create_set(GUARDED, Key::IFNAME, 1),
            TABLE.create_set(ALLOWED, Key::IFNAME_ETHER, 2),
            TABLE.add_chain(CHAIN, Some(PREROUTING)),
            // iifname @guarded iifname . ether saddr != @allowed drop
            TABLE.append_rule(
                CHAIN,
                vec![
                    load_iifname(),
                    only_in(GUARDED),
                    load_iifname(),
                    load(Field::ETHER_SADDR, Register::AFTER_16),
                    only_not_in(ALLOWED),
                    verdict(Verdict::Drop),
                ],
            ),
        ]
    }

    fn make_companion_set(&self) -> Vec<Message> {
        Vec::new()
    }
}

/// Every guard of the table.
pub(super) fn list(channel: &mut Channel) -> Result<Vec<SpoofGuard>, Failure> {
    let answers = channel.list(&TABLE.list_elements(GUARDED))?;
    Ok(answers.iter().flat_map(elements).filter_map(read).collect())
}

fn read(seen: Seen) -> Option<SpoofGuard> {
    let name = seen.key.split(|octet| *octet == 0).next()?;
    let port = IfName::try_from(str::from_utf8(name).ok()?).ok()?;
    let label = seen.label?;
    Some(SpoofGuard { port, mac: Mac::try_from(label.detail.as_str()).ok()?, owner: label.owner })
}
