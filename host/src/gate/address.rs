//! Addresses of links.

use ipnet::IpNet;

use super::{Gate, LinkHandle, Result};
use crate::journal::Undo;
use crate::kernel::{Address, AddressSpec};
use crate::policy::Op;

impl Gate {
    /// Gives a link an address; always by grant, since an address says who one is.
    pub fn add_addr(&mut self, link: &LinkHandle, address: AddressSpec) -> Result<()> {
        let op = Op::new("addr.add").in_netns(link.role).text("name", link.name.as_str());
        self.permit(&op.net("within", address.address))?;
        if self.own(link) {
            return self.act_on_own(|kernel| kernel.addr_add(link.role, link.index, &address));
        }
        let at = self.place(link.role)?;
        let undo = Undo::Address { at, link: link.index, address: address.address };
        self.act([(undo, Self::sharing(link))], |kernel| {
            kernel.addr_add(link.role, link.index, &address)
        })
    }

    /// Takes an address from a link.
    pub fn delete_addr(&mut self, link: &LinkHandle, address: IpNet) -> Result<()> {
        self.permit_on(link, Op::new("addr.delete").net("within", address))?;
        let spec = AddressSpec { address, nodad: false };
        self.act([], |kernel| kernel.addr_delete(link.role, link.index, &spec))
    }

    /// The addresses of a link.
    pub fn addrs(&mut self, link: &LinkHandle) -> Result<Vec<Address>> {
        self.permit_on(link, Op::new("link.read"))?;
        Ok(self.kernel().addrs(link.role, link.index)?)
    }

    /// Waits for duplicate address detection.
    pub fn wait_addrs(&mut self, link: &LinkHandle, timeout_ms: u32) -> Result<()> {
        self.permit_on(link, Op::new("link.read"))?;
        let patience = self.patience(timeout_ms);
        Ok(self.kernel().addrs_wait_settled(link.role, link.index, patience)?)
    }
}
