//! Routes.

use std::net::IpAddr;

use super::{Gate, LinkHandle, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{Role, Route, RouteSpec};
use crate::policy::Op;

/// The main route table. (RT_TABLE_MAIN)
const MAIN: u32 = 254;

impl Gate {
    /// Adds a route over a link.
    pub fn add_route(&mut self, role: Role, route: RouteSpec, dev: &LinkHandle) -> Result<()> {
        let op = named("route.add", role, &route, dev);
        self.permit(&route.gateway.into_iter().fold(op, |op, via| op.net("via", via.into())))?;
        let route = over(role, dev, route)?;
        if self.own(dev) {
            return self.act_on_own(|kernel| kernel.route_add(role, &route));
        }
        let undo = Undo::Route { at: self.place(role)?, route: route.clone() };
        self.act([(undo, Sharing::Own)], |kernel| kernel.route_add(role, &route))
    }

    /// Deletes a route over a link; over one's own link freely.
    pub fn delete_route(&mut self, role: Role, route: RouteSpec, dev: &LinkHandle) -> Result<()> {
        let route = over(role, dev, route)?;
        if self.own(dev) {
            return self.act_on_own(|kernel| kernel.route_delete(role, &route));
        }
        self.permit(&named("route.delete", role, &route, dev))?;
        let undo = Undo::DeletedRoute { at: self.place(role)?, route: self.there(role, &route)? };
        self.act([(undo, Sharing::Own)], |kernel| kernel.route_delete(role, &route))
    }

    /// The first route that matches, with all that it says; what was asked for, if there is none.
    fn there(&self, role: Role, wanted: &RouteSpec) -> Result<RouteSpec> {
        let same = |wanted: Option<u32>, seen| wanted.is_none_or(|wanted| wanted == seen);
        let seen = self.kernel().routes(role)?.into_iter().find(|seen| {
            seen.destination == wanted.destination.trunc()
                && seen.table == wanted.table.unwrap_or(MAIN)
                && seen.link == wanted.link
                && same(wanted.priority, seen.priority)
                && (wanted.gateway.is_none() || seen.gateway == wanted.gateway)
                && (wanted.source.is_none() || seen.source == wanted.source)
        });
        Ok(seen.map_or_else(|| wanted.clone(), RouteSpec::from))
    }

    /// All routes of a namespace.
    pub fn routes(&mut self, role: Role) -> Result<Vec<Route>> {
        self.permit(&Op::new("route.read").in_netns(role))?;
        Ok(self.kernel().routes(role)?)
    }

    /// The route to an address.
    pub fn route_to(&mut self, role: Role, destination: IpAddr) -> Result<Route> {
        self.permit(&Op::new("route.read").in_netns(role))?;
        Ok(self.kernel().route_to(role, destination)?)
    }
}

/// The route over a link, as the kernel keeps it: without the bits that its prefix does not have.
///
/// In another namespace the link's index would mean somebody else's link.
fn over(role: Role, dev: &LinkHandle, route: RouteSpec) -> Result<RouteSpec> {
    if dev.role != role {
        let text = format!("link {:?} is in {}, the route would be in {role}", dev.name, dev.role);
        return Err(Refusal::Invalid(text));
    }
    Ok(RouteSpec { link: Some(dev.index), destination: route.destination.trunc(), ..route })
}

fn named(op: &'static str, role: Role, route: &RouteSpec, dev: &LinkHandle) -> Op {
    let table = route.table.unwrap_or(MAIN);
    let op = Op::new(op).in_netns(role).text("name", dev.name.as_str());
    op.net("to", route.destination).number("table", table)
}
