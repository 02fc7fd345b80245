//! `wasmcni:net/netns`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, Netns, convert};
use crate::bindings::wasmcni::net::link::LinkInfo;
use crate::bindings::wasmcni::net::netns::{
    BridgeSpec, ChildSpec, Host, HostNetns, IpvlanMode, MacvlanMode, Role, RouteInfo, RouteSpec,
    TapSpec, VethSpec,
};
use crate::bindings::wasmcni::net::types::{IpAddress, Switch};
use crate::gate::{LinkHandle, NewBridge, NewChild, NewKind, NewTap, NewVeth};

impl Ctx {
    fn child(
        &mut self,
        this: &Resource<Netns>,
        spec: ChildSpec,
        kind: NewKind,
    ) -> Answer<Resource<LinkHandle>> {
        let role = self.get(this)?.role;
        let mac = spec.mac.map(convert::mac);
        let wanted = NewChild { name: spec.name, mtu: spec.mtu, mac, kind };
        let link = self.counted()?.create_child(role, &wanted)?;
        Ok(self.push(link)?)
    }
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

    fn create_dummy(
        &mut self,
        this: Resource<Netns>,
        spec: ChildSpec,
    ) -> Answer<Resource<LinkHandle>> {
        self.child(&this, spec, NewKind::Dummy)
    }

    fn create_ipvlan(
        &mut self,
        this: Resource<Netns>,
        spec: ChildSpec,
        parent: Resource<LinkHandle>,
        mode: IpvlanMode,
    ) -> Answer<Resource<LinkHandle>> {
        let kind = NewKind::Ipvlan { parent: self.get(&parent)?, mode: convert::ipvlan_mode(mode) };
        self.child(&this, spec, kind)
    }

    fn create_macvlan(
        &mut self,
        this: Resource<Netns>,
        spec: ChildSpec,
        parent: Resource<LinkHandle>,
        mode: MacvlanMode,
        broadcast_queue: Option<u32>,
    ) -> Answer<Resource<LinkHandle>> {
        let (parent, mode) = (self.get(&parent)?, convert::macvlan_mode(mode));
        self.child(&this, spec, NewKind::Macvlan { parent, mode, broadcast_queue })
    }

    fn create_vlan(
        &mut self,
        this: Resource<Netns>,
        spec: ChildSpec,
        parent: Resource<LinkHandle>,
        id: u16,
    ) -> Answer<Resource<LinkHandle>> {
        let kind = NewKind::Vlan { parent: self.get(&parent)?, id };
        self.child(&this, spec, kind)
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

    fn create_tap(&mut self, this: Resource<Netns>, spec: TapSpec) -> Answer<Resource<LinkHandle>> {
        let role = self.get(&this)?.role;
        let wanted = NewTap {
            name: spec.name,
            mtu: spec.mtu,
            mac: spec.mac.map(convert::mac),
            multi_queue: spec.multi_queue == Switch::On,
            owner: spec.owner,
            group: spec.group,
        };
        let link = self.counted()?.create_tap(role, &wanted)?;
        Ok(self.push(link)?)
    }

    fn adopt(
        &mut self,
        this: Resource<Netns>,
        link: Resource<LinkHandle>,
        name: String,
    ) -> Answer<Resource<LinkHandle>> {
        let role = self.get(&this)?.role;
        // It is the guest's no more, whatever comes of it.
        let link = self.take(link)?;
        let link = self.counted()?.adopt(&link, role, &name)?;
        Ok(self.push(link)?)
    }

    fn drop(&mut self, this: Resource<Netns>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
