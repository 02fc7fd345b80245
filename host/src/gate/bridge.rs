//! Bridge ports and their VLANs.

use super::{Gate, LinkHandle, Refusal, Result, link::gone};
use crate::journal::{Sharing, Undo};
use crate::kernel::{PortChange, VlanEntry};
use crate::policy::Op;

impl Gate {
    /// Changes a setting of a bridge port.
    pub fn set_port(&mut self, port: &LinkHandle, change: PortChange) -> Result<()> {
        let op = match change {
            PortChange::Hairpin(_) => "bridge-port.set-hairpin",
            PortChange::Isolated(_) => "bridge-port.set-isolated",
        };
        self.permit_on(port, Op::new(op))?;
        if self.own(port) {
            return self.act_on_own(|kernel| kernel.bridge_port_set(port.role, port.index, change));
        }
        let seen = self.kernel().link_by_index(port.role, port.index)?;
        let seen =
            seen.and_then(|link| link.port).ok_or_else(|| gone("changing bridge port", port))?;
        let back = match change {
            PortChange::Hairpin(_) => PortChange::Hairpin(seen.hairpin),
            PortChange::Isolated(_) => PortChange::Isolated(seen.isolated),
        };
        let undo = Undo::Port { at: self.place(port.role)?, link: port.index, back };
        self.act([(undo, Sharing::Own)], |kernel| {
            kernel.bridge_port_set(port.role, port.index, change)
        })
    }

    /// Adds VLANs to a port or a bridge; always by grant, since a VLAN is a network of its own.
    pub fn add_vlan(&mut self, port: &LinkHandle, vlan: VlanEntry) -> Result<()> {
        let vlan = self.vlan(port, vlan)?;
        let op = Op::new("bridge-port.add-vlan").in_netns(port.role);
        let op =
            op.text("name", port.name.as_str()).range("vlan", vlan.first.into(), vlan.last.into());
        self.permit(&op)?;
        if self.own(port) {
            return self.act_on_own(|kernel| kernel.bridge_vlan_add(port.role, port.index, &vlan));
        }
        let (at, link) = (self.place(port.role)?, port.index);
        let seen = self.kernel().bridge_vlans(port.role, port.index)?;
        let new = missing(&seen, &vlan).into_iter().map(|vlan| Undo::Vlan { at, link, vlan });
        // What is there gets new flags, and of all VLANs one alone is the PVID.
        let changed = seen.iter().filter_map(|entry| match entry.pvid && vlan.pvid {
            true => Some(*entry),
            false => within(entry, &vlan).filter(|part| !same_flags(part, &vlan)),
        });
        let changed = changed.map(|vlan| Undo::DeletedVlan { at, link, vlan });
        let undos = new.chain(changed).map(|undo| (undo, Self::sharing(port)));
        self.act(undos, |kernel| kernel.bridge_vlan_add(port.role, port.index, &vlan))
    }

    /// Takes VLANs from a port or a bridge.
    pub fn delete_vlan(&mut self, port: &LinkHandle, vlan: VlanEntry) -> Result<()> {
        let vlan = self.vlan(port, vlan)?;
        self.permit_on(
            port,
            Op::new("bridge-port.delete-vlan").range("vlan", vlan.first.into(), vlan.last.into()),
        )?;
        let (at, link) = (self.place(port.role)?, port.index);
        let seen = match self.own(port) {
            true => Vec::new(),
            false => self.kernel().bridge_vlans(port.role, port.index)?,
        };
        let gone = seen.iter().filter_map(|entry| within(entry, &vlan));
        let undos = gone.map(|vlan| (Undo::DeletedVlan { at, link, vlan }, Sharing::Own));
        self.act(undos, |kernel| kernel.bridge_vlan_delete(port.role, port.index, &vlan))
    }

    /// The VLANs of a port.
    pub fn vlans(&mut self, port: &LinkHandle) -> Result<Vec<VlanEntry>> {
        self.permit_on(port, Op::new("link.read"))?;
        Ok(self.kernel().bridge_vlans(port.role, port.index)?)
    }

    /// Checks the ids, and sees whether the link is the bridge itself.
    fn vlan(&self, port: &LinkHandle, vlan: VlanEntry) -> Result<VlanEntry> {
        if vlan.first == 0 || vlan.last > 4094 || vlan.first > vlan.last {
            let (first, last) = (vlan.first, vlan.last);
            return Err(Refusal::Invalid(format!("VLANs {first} to {last}: ids are 1 to 4094")));
        }
        let seen = self.kernel().link_by_index(port.role, port.index)?;
        let on_bridge = seen.ok_or_else(|| gone("reading", port))?.kind == "bridge";
        Ok(VlanEntry { on_bridge, ..vlan })
    }
}

/// The part of an entry that lies within a range.
fn within(entry: &VlanEntry, range: &VlanEntry) -> Option<VlanEntry> {
    let (first, last) = (entry.first.max(range.first), entry.last.min(range.last));
    (first <= last).then_some(VlanEntry { first, last, ..*entry })
}

fn same_flags(entry: &VlanEntry, other: &VlanEntry) -> bool {
    (entry.pvid, entry.untagged) == (other.pvid, other.untagged)
}

/// The parts of a range that no entry has.
fn missing(seen: &[VlanEntry], range: &VlanEntry) -> Vec<VlanEntry> {
    let there = |id: u16| seen.iter().any(|entry| (entry.first..=entry.last).contains(&id));
    let mut parts: Vec<VlanEntry> = Vec::new();
    for id in (range.first..=range.last).filter(|id| !there(*id)) {
        match parts.last_mut() {
            Some(part) if part.last + 1 == id => part.last = id,
            _ => parts.push(VlanEntry { first: id, last: id, ..*range }),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_split_by_what_is_there() {
        let entry =
            |first, last| VlanEntry { first, last, pvid: false, untagged: false, on_bridge: false };
        let seen = [entry(1, 1), entry(4, 5)];
        assert_eq!(missing(&seen, &entry(1, 7)), [entry(2, 3), entry(6, 7)]);
        assert_eq!(missing(&seen, &entry(4, 5)), []);
        assert_eq!(within(&seen[1], &entry(5, 9)), Some(entry(5, 5)));
        assert_eq!(within(&seen[0], &entry(5, 9)), None);
    }
}
