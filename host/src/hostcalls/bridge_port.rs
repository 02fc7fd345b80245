//! `wasmcni:net/bridge-port`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, convert};
use crate::bindings::wasmcni::net::bridge_port::{Host, VlanRange};
use crate::bindings::wasmcni::net::types::Switch;
use crate::gate::LinkHandle;
use crate::kernel::PortChange;

impl Host for Ctx {
    fn set_hairpin(&mut self, port: Resource<LinkHandle>, mode: Switch) -> Answer<()> {
        let port = self.get(&port)?;
        Ok(self.counted()?.set_port(&port, PortChange::Hairpin(mode == Switch::On))?)
    }

    fn set_isolated(&mut self, port: Resource<LinkHandle>, mode: Switch) -> Answer<()> {
        let port = self.get(&port)?;
        Ok(self.counted()?.set_port(&port, PortChange::Isolated(mode == Switch::On))?)
    }

    fn add_vlan(&mut self, port: Resource<LinkHandle>, vlans: VlanRange) -> Answer<()> {
        let port = self.get(&port)?;
        Ok(self.counted()?.add_vlan(&port, convert::vlan_entry(vlans))?)
    }

    fn delete_vlan(&mut self, port: Resource<LinkHandle>, vlans: VlanRange) -> Answer<()> {
        let port = self.get(&port)?;
        Ok(self.counted()?.delete_vlan(&port, convert::vlan_entry(vlans))?)
    }

    fn vlans(&mut self, port: Resource<LinkHandle>) -> Answer<Vec<VlanRange>> {
        let port = self.get(&port)?;
        let vlans = self.counted()?.vlans(&port)?;
        Ok(vlans.into_iter().map(convert::vlan_range).collect())
    }
}
