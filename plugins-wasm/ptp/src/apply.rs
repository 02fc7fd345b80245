//! ADD and DEL: what the plan says, done.

use wasmcni_sdk::iface::{self, Iface};
use wasmcni_sdk::net::{self, Detection, Link, Netns, Role, RouteSpec};
use wasmcni_sdk::{CniResult, Error, Interface, Mac, Steps, nat};

use crate::conf::{Conf, Teardown};
use crate::plan::{self, Plan};

pub(crate) fn add(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    let mut result = plan::result(conf, ifname, conf.ipam.add()?);
    let plan = plan::of(&result, plan::CONTAINER)?;
    let (host, container) = (net::enter(Role::Host)?, net::enter(Role::Container)?);
    let (inner, outer) = container.create_veth(&plan::veth(conf, ifname), &host)?;
    for gateway in &plan.gateways {
        outer.add_addr((*gateway).into(), Detection::None)?;
    }
    if plan.ipv6() {
        // A node whose own address is tentative asks for no neighbour, and so forwards nothing.
        let name = outer.info()?.name;
        net::write_if_there(&host, &plan::accept_dad(&name), "0")?;
        net::write_if_there(&container, &plan::accept_dad(ifname), "0")?;
    }
    // The host's end first: what the container's end announces when it is raised gets through.
    outer.set_up()?;
    configure(&container, &inner, ifname, &plan, &result)?;
    for route in plan.host_routes {
        net::unless_exists(host.add_route(route, &outer))?;
    }
    iface::enable_forwarding(result.ips.iter())?;
    if conf.ip_masq {
        nat::masquerade_all(&result.ips)?;
    }
    tell(&mut result, &outer, &inner)?;
    Ok(result)
}

/// Nobody else is on the link, so no duplicate of an address can be: none is waited for.
fn configure(
    container: &Netns,
    link: &Link,
    ifname: &str,
    plan: &Plan,
    result: &CniResult,
) -> Result<(), Error> {
    let iface = Iface { netns: container, link, name: ifname, index: plan::CONTAINER };
    net::write_if_there(container, &format!("net/ipv4/conf/{ifname}/arp_notify"), "1")?;
    iface.add_addresses(result, Detection::None)?;
    link.set_up()?;
    let (by_node, on_link): (Vec<RouteSpec>, Vec<RouteSpec>) =
        plan.container_routes.iter().partition(|route| route.gateway.is_some());
    for route in on_link {
        container.add_route(route, link)?;
    }
    // While their gateways are on the link: the kernel asks no more when a route is there.
    let (by_others, rest) = plan::by_other_gateways(plan, result);
    iface.add_routes(&by_others)?;
    for network in &plan.networks {
        let any = wasmcni_sdk::Route::new(*network, None);
        container.delete_route((&any).into(), link)?;
    }
    for route in by_node {
        container.add_route(route, link)?;
    }
    iface.add_routes(&rest)
}

/// Names and MACs of both ends.
fn tell(result: &mut CniResult, outer: &Link, inner: &Link) -> Result<(), Error> {
    for (entry, link) in result.interfaces.iter_mut().zip([outer, inner]) {
        let info = link.info()?;
        let mac = info.mac.map(Mac::from);
        *entry = Interface { sandbox: entry.sandbox.clone(), ..Interface::host(&info.name, mac) };
    }
    Ok(())
}

/// The link goes before its addresses: an address must not be given to the next container while this
/// one still answers for it.
pub(crate) fn del(teardown: &Teardown, ifname: &str) -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.took(iface::delete_link(ifname));
    steps.took(teardown.ipam.del());
    if teardown.ip_masq {
        steps.took(nat::clear_masquerade());
    }
    steps.finish()
}
