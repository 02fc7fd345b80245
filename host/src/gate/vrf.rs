//! VRFs, and links that join and leave masters which they do not share their origin with.

use super::link::{gone, handle, random_mac};
use super::{Gate, LinkHandle, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{AddressSpec, IfIndex, KindSpec, LinkChange, LinkSpec, Role, RouteSpec};
use crate::policy::Op;

impl Gate {
    /// The links of a namespace that may be read.
    pub fn links(&mut self, role: Role) -> Result<Vec<crate::kernel::Link>> {
        let mut links = self.kernel().links(role)?;
        let may_read = |link: &crate::kernel::Link| {
            self.permit_on(&handle(role, link.clone()), Op::new("link.read")).is_ok()
        };
        links.retain(may_read);
        Ok(links)
    }

    /// Makes a VRF, which the container's attachments share, and raises it.
    pub fn create_vrf(&mut self, role: Role, name: &str, table: u32) -> Result<LinkHandle> {
        let name = self.may_create_with(role, "vrf", name, |op| op.number("table", table))?;
        let at = self.place(role)?;
        let kind = KindSpec::Vrf { table };
        let spec = LinkSpec { name, mtu: None, mac: Some(random_mac()?), kind };
        let link = self.create(at, &spec, Sharing::Container, &[])?;
        self.act_on_own(|kernel| kernel.link_set(role, link.index, &LinkChange::Up))?;
        Ok(handle(role, link))
    }

    /// Takes a link off its master; one's own freely.
    pub fn unset_master(&mut self, link: &LinkHandle) -> Result<()> {
        self.permit_on(link, Op::new("link.unset-master"))?;
        self.change_master(link, None)
    }

    /// Another's link may lose addresses and routes when it joins or leaves a VRF, since it goes down and up
    /// again: the undo gives it back what it has now.
    pub(super) fn change_master(
        &mut self,
        link: &LinkHandle,
        master: Option<IfIndex>,
    ) -> Result<()> {
        let (role, index) = (link.role, link.index);
        let change = LinkChange::Master(master);
        if self.own(link) || !self.call.adding {
            return self.act_on_own(|kernel| kernel.link_set(role, index, &change));
        }
        let undo = self.as_it_is(link)?;
        self.act([(undo, Self::sharing(link))], |kernel| kernel.link_set(role, index, &change))
    }

    /// The undo of what may cost a link its master, its addresses and its routes, as these are now.
    pub(super) fn as_it_is(&self, link: &LinkHandle) -> Result<Undo> {
        let (role, index) = (link.role, link.index);
        let seen = self.kernel().link_by_index(role, index)?;
        let back = seen.ok_or_else(|| gone("changing", link))?.master;
        let addresses = self.kernel().addrs(role, index)?.into_iter();
        let routes = self.kernel().routes(role)?.into_iter();
        let mut routes: Vec<RouteSpec> = routes
            .filter(|route| route.link == Some(index) && !route.by_kernel)
            .map(RouteSpec::from)
            .collect();
        // What is on the link is the way to the gateways of the others.
        routes.sort_by_key(|route| route.gateway.is_some());
        Ok(Undo::Master {
            at: self.place(role)?,
            link: index,
            back,
            addresses: addresses
                .filter(|a| a.scope == 0)
                .map(|a| AddressSpec { address: a.address, nodad: true })
                .collect(),
            routes,
        })
    }
}
