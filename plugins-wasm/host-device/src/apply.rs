//! ADD and DEL.

use wasmcni_sdk::iface::Iface;
use wasmcni_sdk::net::{self, Detection, Link, Role};
use wasmcni_sdk::{CniResult, Error, Interface, Mac, Steps, code};

use crate::conf::{Conf, Device, Teardown};
use crate::device;

/// Place of the container's interface in the result.
pub(crate) const CONTAINER: u32 = 0;

/// Addresses are asked for while the device is still untouched: most of what can fail does so there.
pub(crate) fn add(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    if device::is_in_user_space(&conf.device)? {
        return of_user_space(conf, ifname);
    }
    let device = device::link(&conf.device)?.ok_or_else(|| {
        let what = device::words(&conf.device);
        Error::new(code::INTERNAL, format!("finding {what}: the node has no link of it"))
    })?;
    let mut result = addresses(conf)?;
    let pci_id = device::pci_id(&conf.device, &device)?;
    let container = net::enter(Role::Container)?;
    let link = container.adopt(device, ifname)?;
    result.interfaces = vec![interface(&link, ifname, pci_id)?];
    Iface { netns: &container, link: &link, name: ifname, index: CONTAINER }
        .configure(&result, Detection::None)?;
    Ok(result)
}

/// What IPAM gives, of the container's interface.
fn addresses(conf: &Conf) -> Result<CniResult, Error> {
    if !conf.ipam.is_some() {
        return Ok(CniResult { dns: conf.dns.clone().into(), ..CniResult::default() });
    }
    let mut result = conf.ipam.add()?;
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER);
    }
    result.dns = conf.dns.clone().over(result.dns);
    Ok(result)
}

/// A program in the container drives the device by itself, with the addresses that the result tells.
fn of_user_space(conf: &Conf, ifname: &str) -> Result<CniResult, Error> {
    let pci_id = match &conf.device {
        Device::Pci(address) => address.clone(),
        Device::Name(_) | Device::Mac(_) | Device::Path(_) | Device::Auxiliary(_) => String::new(),
    };
    let mut result = addresses(conf)?;
    if conf.ipam.is_some() {
        result.interfaces = vec![Interface { pci_id, ..Interface::container(ifname, None) }];
    }
    Ok(result)
}

fn interface(link: &Link, ifname: &str, pci_id: String) -> Result<Interface, Error> {
    let mac = link.info()?.mac.map(Mac::from);
    Ok(Interface { pci_id, ..Interface::container(ifname, mac) })
}

/// The device goes before its addresses: an address must not be given to the next container while this
/// one still answers for it. With no netns there is nothing to give back: the kernel does it.
pub(crate) fn del(teardown: &Teardown, ifname: &str) -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.took(give_back(teardown, ifname));
    steps.took(teardown.ipam.del());
    steps.finish()
}

fn give_back(teardown: &Teardown, ifname: &str) -> Result<(), Error> {
    let Some(container) = net::enter_if_there(Role::Container)? else { return Ok(()) };
    let Some(link) = container.find_link(ifname)? else { return Ok(()) };
    // Of a device that was never moved, a link of the name is another's.
    if let Some(device) = &teardown.device
        && device::is_in_user_space(device)?
    {
        return Ok(());
    }
    // Nor is one that was taken from nowhere.
    if link.info()?.alias.is_some() {
        net::unless_missing(link.hand_back())?;
    }
    Ok(())
}
