//! `wasmcni:net/link`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, convert};
use crate::bindings::wasmcni::net::link::{AddressInfo, Detection, Host, HostLink, LinkInfo};
use crate::bindings::wasmcni::net::types::{IpNetwork, Mac, Switch};
use crate::gate::LinkHandle;
use crate::kernel::{AddressSpec, LinkChange};

impl Host for Ctx {}

impl Ctx {
    fn change(
        &mut self,
        this: &Resource<LinkHandle>,
        op: &'static str,
        change: LinkChange,
    ) -> Answer<()> {
        let link = self.get(this)?;
        Ok(self.counted()?.set_link(&link, op, change)?)
    }
}

impl HostLink for Ctx {
    fn info(&mut self, this: Resource<LinkHandle>) -> Answer<LinkInfo> {
        let link = self.get(&this)?;
        Ok(convert::link_info(self.counted()?.link_info(&link)?))
    }

    fn set_up(&mut self, this: Resource<LinkHandle>) -> Answer<()> {
        self.change(&this, "link.set-up", LinkChange::Up)
    }

    fn set_down(&mut self, this: Resource<LinkHandle>) -> Answer<()> {
        self.change(&this, "link.set-down", LinkChange::Down)
    }

    fn set_mtu(&mut self, this: Resource<LinkHandle>, octets: u32) -> Answer<()> {
        self.change(&this, "link.set-mtu", LinkChange::Mtu(octets))
    }

    fn set_mac(&mut self, this: Resource<LinkHandle>, mac: Mac) -> Answer<()> {
        self.change(&this, "link.set-mac", LinkChange::Mac(convert::mac(mac)))
    }

    fn set_promisc(&mut self, this: Resource<LinkHandle>, mode: Switch) -> Answer<()> {
        self.change(&this, "link.set-promisc", LinkChange::Promisc(mode == Switch::On))
    }

    fn set_all_multicast(&mut self, this: Resource<LinkHandle>, mode: Switch) -> Answer<()> {
        let change = LinkChange::AllMulticast(mode == Switch::On);
        self.change(&this, "link.set-all-multicast", change)
    }

    fn set_tx_queue_length(&mut self, this: Resource<LinkHandle>, packets: u32) -> Answer<()> {
        self.change(&this, "link.set-tx-queue-length", LinkChange::TxQueueLength(packets))
    }

    fn set_master(
        &mut self,
        this: Resource<LinkHandle>,
        master: Resource<LinkHandle>,
    ) -> Answer<()> {
        let (link, master) = (self.get(&this)?, self.get(&master)?);
        Ok(self.counted()?.set_master(&link, &master)?)
    }

    fn unset_master(&mut self, this: Resource<LinkHandle>) -> Answer<()> {
        let link = self.get(&this)?;
        Ok(self.counted()?.unset_master(&link)?)
    }

    fn add_addr(
        &mut self,
        this: Resource<LinkHandle>,
        address: IpNetwork,
        detection: Detection,
    ) -> Answer<()> {
        let link = self.get(&this)?;
        let nodad = detection == Detection::None;
        let address = AddressSpec { address: convert::network(address)?, nodad };
        Ok(self.counted()?.add_addr(&link, address)?)
    }

    fn delete_addr(&mut self, this: Resource<LinkHandle>, address: IpNetwork) -> Answer<()> {
        let link = self.get(&this)?;
        let address = convert::network(address)?;
        Ok(self.counted()?.delete_addr(&link, address)?)
    }

    fn addrs(&mut self, this: Resource<LinkHandle>) -> Answer<Vec<AddressInfo>> {
        let link = self.get(&this)?;
        let addrs = self.counted()?.addrs(&link)?;
        Ok(addrs.into_iter().map(convert::address_info).collect())
    }

    fn wait_up(&mut self, this: Resource<LinkHandle>, timeout_ms: u32) -> Answer<()> {
        let link = self.get(&this)?;
        Ok(self.counted()?.wait_up(&link, timeout_ms)?)
    }

    fn wait_addrs(&mut self, this: Resource<LinkHandle>, timeout_ms: u32) -> Answer<()> {
        let link = self.get(&this)?;
        Ok(self.counted()?.wait_addrs(&link, timeout_ms)?)
    }

    fn hand_back(&mut self, this: Resource<LinkHandle>) -> Answer<()> {
        let link = self.get(&this)?;
        Ok(self.counted()?.hand_back(&link)?)
    }

    fn delete(&mut self, this: Resource<LinkHandle>) -> Answer<()> {
        let link = self.get(&this)?;
        Ok(self.counted()?.delete_link(&link)?)
    }

    fn drop(&mut self, this: Resource<LinkHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
