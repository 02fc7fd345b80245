//! `wasmcni:net/netns`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, Netns, convert};
use crate::bindings::wasmcni::net::link::LinkInfo;
use crate::bindings::wasmcni::net::netns::{
    BridgeSpec, ChildSpec, Host, HostNetns, IpvlanMode, MacvlanMode, Role, RouteInfo, RouteSpec,
    VethSpec,
};
use crate::bindings::wasmcni::net::types::{IpAddress, Switch};
use crate::gate::{LinkHandle, NewBridge, NewVeth, Refusal};

/// Functions of the unstable feature `more-links` are in the contract and not linked: no component
/// that imports them is started.
fn unserved<T>(function: &str) -> Answer<T> {
    Err(Refusal::Invalid(format!("{function} is not served by this host yet")).into())
}

impl Host for Ctx {
    fn enter_netns(&mut self, role: Role) -> Answer<Resource<Netns>> {
        let role = self.counted()?.enter_netns(convert::role(role))?;
        Ok(self.push(Netns { role })?)
    }
}

impl HostNetns for Ctx {
    fn find_link(
        &mut self,
        this: Resource<Netns>,
        name: String,
    ) -> Answer<Option<Resource<LinkHandle>>> {
        let role = self.get(&this)?.role;
        let found = self.counted()?.find_link(role, &name)?;
        Ok(found.map(|link| self.push(link)).transpose()?)
    }

    fn find_link_by_index(
        &mut self,
        this: Resource<Netns>,
        index: u32,
    ) -> Answer<Option<Resource<LinkHandle>>> {
        let role = self.get(&this)?.role;
        let found = self.counted()?.find_link_by_index(role, index)?;
        Ok(found.map(|link| self.push(link)).transpose()?)
    }

    fn create_veth(
        &mut self,
        this: Resource<Netns>,
        spec: VethSpec,
        peer_in: Resource<Netns>,
    ) -> Answer<(Resource<LinkHandle>, Resource<LinkHandle>)> {
        let (role, peer_role) = (self.get(&this)?.role, self.get(&peer_in)?.role);
        let wanted = NewVeth {
            name: spec.name,
            mtu: spec.mtu,
            mac: spec.mac.map(convert::mac),
            peer: spec.peer_name,
        };
        let (near, far) = self.counted()?.create_veth(role, &wanted, peer_role)?;
        Ok((self.push(near)?, self.push(far)?))
    }

    fn create_bridge(
        &mut self,
        this: Resource<Netns>,
        spec: BridgeSpec,
    ) -> Answer<Resource<LinkHandle>> {
        let role = self.get(&this)?.role;
        let vlan_filtering = spec.vlan_filtering == Switch::On;
        let wanted = NewBridge { name: spec.name, mtu: spec.mtu, vlan_filtering };
        let link = self.counted()?.create_bridge(role, &wanted)?;
        Ok(self.push(link)?)
    }

    fn add_route(
        &mut self,
        this: Resource<Netns>,
        route: RouteSpec,
        dev: Resource<LinkHandle>,
    ) -> Answer<()> {
        let (role, dev) = (self.get(&this)?.role, self.get(&dev)?);
        Ok(self.counted()?.add_route(role, convert::route_spec(route)?, &dev)?)
    }

    fn delete_route(
        &mut self,
        this: Resource<Netns>,
        route: RouteSpec,
        dev: Resource<LinkHandle>,
    ) -> Answer<()> {
        let (role, dev) = (self.get(&this)?.role, self.get(&dev)?);
        Ok(self.counted()?.delete_route(role, convert::route_spec(route)?, &dev)?)
    }

    fn routes(&mut self, this: Resource<Netns>) -> Answer<Vec<RouteInfo>> {
        let role = self.get(&this)?.role;
        let routes = self.counted()?.routes(role)?;
        Ok(routes.into_iter().map(convert::route_info).collect())
    }

    fn route_to(&mut self, this: Resource<Netns>, destination: IpAddress) -> Answer<RouteInfo> {
        let role = self.get(&this)?.role;
        let route = self.counted()?.route_to(role, convert::address(destination))?;
        Ok(convert::route_info(route))
    }

    fn create_dummy(&mut self, _: Resource<Netns>, _: ChildSpec) -> Answer<Resource<LinkHandle>> {
        unserved("create-dummy")
    }

    fn create_ipvlan(
        &mut self,
        _: Resource<Netns>,
        _: ChildSpec,
        _: Resource<LinkHandle>,
        _: IpvlanMode,
    ) -> Answer<Resource<LinkHandle>> {
        unserved("create-ipvlan")
    }

    fn create_macvlan(
        &mut self,
        _: Resource<Netns>,
        _: ChildSpec,
        _: Resource<LinkHandle>,
        _: MacvlanMode,
        _: Option<u32>,
    ) -> Answer<Resource<LinkHandle>> {
        unserved("create-macvlan")
    }

    fn create_vlan(
        &mut self,
        _: Resource<Netns>,
        _: ChildSpec,
        _: Resource<LinkHandle>,
        _: u16,
    ) -> Answer<Resource<LinkHandle>> {
        unserved("create-vlan")
    }

    fn create_vrf(
        &mut self,
        this: Resource<Netns>,
        name: String,
        table: u32,
    ) -> Answer<Resource<LinkHandle>> {
        let role = self.get(&this)?.role;
        let link = self.counted()?.create_vrf(role, &name, table)?;
        Ok(self.push(link)?)
    }

    fn links(&mut self, this: Resource<Netns>) -> Answer<Vec<LinkInfo>> {
        let role = self.get(&this)?.role;
        let links = self.counted()?.links(role)?;
        Ok(links.into_iter().map(convert::link_info).collect())
    }

    fn lock(&mut self, this: Resource<Netns>) -> Answer<()> {
        let role = self.get(&this)?.role;
        Ok(self.counted()?.lock_netns(role)?)
    }

    fn create_tap(
        &mut self,
        _: Resource<Netns>,
        _: ChildSpec,
        _: Switch,
        _: Option<u32>,
        _: Option<u32>,
    ) -> Answer<Resource<LinkHandle>> {
        unserved("create-tap")
    }

    fn adopt(
        &mut self,
        _: Resource<Netns>,
        _: Resource<LinkHandle>,
    ) -> Answer<Resource<LinkHandle>> {
        unserved("adopt")
    }

    fn drop(&mut self, this: Resource<Netns>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
