//! ADD and DEL: what the plan says, done.

use wasmcni_sdk::net::{self, Detection, Link, LinkInfo, Netns, Role};
use wasmcni_sdk::{Error, Steps, code};

use crate::conf::Conf;
use crate::plan;

/// What a VRF's link is, in the kernel's word.
pub(crate) const KIND: &str = "vrf";

pub(crate) fn add(conf: &Conf, ifname: &str) -> Result<(), Error> {
    let container = net::enter(Role::Container)?;
    // Of two attachments that are made at once, each is to see the other's VRF.
    container.lock()?;
    let link = net::link(&container, ifname)?;
    let info = link.info()?;
    if let Some(master) = info.master {
        let why =
            format!("putting {ifname:?} into VRF {:?}: it is in link {master} already", conf.name);
        return Err(Error::new(code::INTERNAL, why));
    }
    let (vrf, table) = match container.find_link(&conf.name)? {
        Some(vrf) => {
            let table = table_of(conf, &vrf.info()?)?;
            (vrf, table)
        }
        None => create(conf, &container)?,
    };
    enslave(&container, &link, info.index, &vrf, table)
}

/// The table of a VRF that is there.
fn table_of(conf: &Conf, seen: &LinkInfo) -> Result<u32, Error> {
    let name = &conf.name;
    let Some(table) = seen.vrf_table else {
        let why = format!("a link of that name is there, which is no VRF but {:?}", seen.kind);
        return Err(Error::config("vrfname", format_args!("{name:?}"), &why));
    };
    match conf.table {
        Some(wanted) if wanted != table => {
            let why = format!("VRF {name:?} is there, with table {table}");
            Err(Error::config("table", wanted, &why))
        }
        _ => Ok(table),
    }
}

fn create(conf: &Conf, container: &Netns) -> Result<(Link, u32), Error> {
    let table = match conf.table {
        Some(table) => table,
        None => plan::free_table(&container.links()?).ok_or_else(|| {
            Error::new(code::NOT_AVAILABLE, "choosing a VRF's route table: none is free")
        })?,
    };
    Ok((container.create_vrf(&conf.name, table)?, table))
}

/// The link goes down and up on its way. Its addresses have been found to be its alone, so that they are not
/// looked for again, and nothing has to be waited for.
fn enslave(
    container: &Netns,
    link: &Link,
    index: u32,
    vrf: &Link,
    table: u32,
) -> Result<(), Error> {
    let before = link.addrs()?;
    let routes = plan::routes(&container.routes()?, index, table);
    link.set_master(vrf)?;
    for address in plan::lost(&before, &link.addrs()?)? {
        link.add_addr(address.into(), Detection::None)?;
    }
    for route in routes {
        container.add_route(route, link)?;
    }
    Ok(())
}

/// Takes the interface out, and deletes the VRF that nothing else is in.
pub(crate) fn del(name: &str, ifname: &str) -> Result<(), Error> {
    let Some(container) = net::enter_if_there(Role::Container)? else { return Ok(()) };
    container.lock()?;
    let Some(vrf) = container.find_link(name)? else { return Ok(()) };
    let Some(seen) = net::unless_missing(vrf.info())?.filter(|seen| seen.kind == KIND) else {
        return Ok(());
    };
    let mut steps = Steps::default();
    if let Some(link) = container.find_link(ifname)?
        && net::unless_missing(link.info())?.is_some_and(|info| info.master == Some(seen.index))
    {
        steps.took(net::unless_missing(link.unset_master()));
    }
    if !plan::has_members(&container.links()?, seen.index) {
        steps.took(net::unless_missing(vrf.delete()));
    }
    steps.finish()
}
