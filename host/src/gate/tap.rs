//! Tap devices.

use super::link::{handle, random_mac};
use super::{Gate, LinkHandle, Result};
use crate::journal::Sharing;
use crate::kernel::{KindSpec, LinkSpec, Role};
use crate::names::Mac;

/// A tap that a guest wants.
#[derive(Debug, Clone)]
pub struct NewTap {
    /// Its name.
    pub name: String,
    /// Octets.
    pub mtu: Option<u32>,
    /// Its address.
    pub mac: Option<Mac>,
    /// It may be opened several times at once.
    pub multi_queue: bool,
    /// The user who may open it.
    pub owner: Option<u32>,
    /// The group whose members may open it.
    pub group: Option<u32>,
}

impl Gate {
    /// Makes a tap.
    pub fn create_tap(&mut self, role: Role, wanted: &NewTap) -> Result<LinkHandle> {
        let NewTap { multi_queue, owner, group, .. } = *wanted;
        let name = self.may_create_with(role, "tap", &wanted.name, |op| {
            let op = owner.into_iter().fold(op, |op, id| op.number("owner", id));
            group.into_iter().fold(op, |op, id| op.number("group", id))
        })?;
        let at = self.place(role)?;
        let spec = LinkSpec {
            name,
            mtu: wanted.mtu,
            mac: Some(wanted.mac.map_or_else(random_mac, Ok)?),
            kind: KindSpec::Tap { multi_queue, owner, group },
        };
        let link = self.create(at, &spec, Sharing::Own, &[])?;
        Ok(handle(role, link))
    }
}
