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
        let undo = Undo::Vlan { at: self.place(port.role)?, link: port.index, vlan };
        self.act([(undo, Self::sharing(port))], |kernel| {
            kernel.bridge_vlan_add(port.role, port.index, &vlan)
        })
    }

    /// Takes VLANs from a port or a bridge.
    pub fn delete_vlan(&mut self, port: &LinkHandle, vlan: VlanEntry) -> Result<()> {
        let vlan = self.vlan(port, vlan)?;
        self.permit_on(
            port,
            Op::new("bridge-port.delete-vlan").range("vlan", vlan.first.into(), vlan.last.into()),
        )?;
        let undo = (!self.own(port)).then_some(Undo::DeletedVlan {
            at: self.place(port.role)?,
            link: port.index,
            vlan,
        });
        self.act(undo.map(|undo| (undo, Sharing::Own)), |kernel| {
            kernel.bridge_vlan_delete(port.role, port.index, &vlan)
        })
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
