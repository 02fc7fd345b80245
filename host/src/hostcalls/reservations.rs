//! `wasmcni:ipam/reservations` and `wasmcni:ipam/resolv-conf`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, Trapping, convert};
use crate::bindings::wasmcni::ipam::reservations::{AttachmentId, Claim, Host, HostStore};
use crate::bindings::wasmcni::ipam::resolv_conf;
use crate::bindings::wasmcni::net::types::IpAddress;
use crate::gate::{Gate, OpenStore, Result};
use crate::ipam;

impl Ctx {
    /// A verb of the gate on an open store.
    fn on_store<T>(
        &mut self,
        this: &Resource<OpenStore>,
        verb: impl FnOnce(&mut Gate, &mut OpenStore) -> Result<T>,
    ) -> Answer<T> {
        self.counted()?;
        let store = self.table.get_mut(this).map_err(Trapping::from)?;
        Ok(verb(&mut self.gate, store)?)
    }
}

impl Host for Ctx {
    fn open(&mut self, data_dir: Option<String>) -> Answer<Resource<OpenStore>> {
        let store = self.counted()?.open_store(data_dir.as_deref())?;
        Ok(self.push(store)?)
    }
}

impl HostStore for Ctx {
    fn held(&mut self, this: Resource<OpenStore>) -> Answer<Vec<IpAddress>> {
        let held = self.on_store(&this, |gate, store| gate.held(store))?;
        Ok(held.into_iter().map(convert::ip_address).collect())
    }

    fn next_free(
        &mut self,
        this: Resource<OpenStore>,
        first: IpAddress,
        last: IpAddress,
    ) -> Answer<Option<IpAddress>> {
        let (first, last) = (convert::address(first), convert::address(last));
        let free = self.on_store(&this, |gate, store| gate.next_free(store, first, last))?;
        Ok(free.map(convert::ip_address))
    }

    fn reserve(
        &mut self,
        this: Resource<OpenStore>,
        address: IpAddress,
        range_set: u32,
    ) -> Answer<Claim> {
        let address = convert::address(address);
        let claim = self.on_store(&this, |gate, store| gate.reserve(store, address, range_set))?;
        Ok(match claim {
            ipam::Claim::Reserved => Claim::Reserved,
            ipam::Claim::Taken => Claim::Taken,
        })
    }

    fn last_reserved(
        &mut self,
        this: Resource<OpenStore>,
        range_set: u32,
    ) -> Answer<Option<IpAddress>> {
        let last = self.on_store(&this, |gate, store| gate.last_reserved(store, range_set))?;
        Ok(last.map(convert::ip_address))
    }

    fn release(&mut self, this: Resource<OpenStore>) -> Answer<()> {
        self.on_store(&this, |gate, store| gate.release(store))
    }

    fn sweep(
        &mut self,
        this: Resource<OpenStore>,
        valid: Vec<AttachmentId>,
    ) -> Answer<Vec<IpAddress>> {
        // An id that CNI does not allow is no attachment's, and keeps no address.
        let valid = valid.iter().filter_map(|id| {
            let container_id = id.container_id.as_str().try_into().ok()?;
            Some(ipam::Attachment { container_id, ifname: id.ifname.as_str().try_into().ok()? })
        });
        let valid = valid.collect();
        let released = self.on_store(&this, |gate, store| gate.sweep(store, &valid))?;
        Ok(released.into_iter().map(convert::ip_address).collect())
    }

    fn drop(&mut self, this: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl resolv_conf::Host for Ctx {
    fn read(&mut self, path: String) -> Answer<resolv_conf::Resolver> {
        let found = self.counted()?.read_resolv_conf(&path)?;
        Ok(resolv_conf::Resolver {
            nameservers: found.nameservers,
            domain: found.domain,
            search: found.search,
            options: found.options,
        })
    }
}
