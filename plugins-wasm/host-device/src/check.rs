//! CHECK: the device is in the container as ADD left it. STATUS: it could be moved there.

use wasmcni_sdk::iface::{self, Iface};
use wasmcni_sdk::net::{self, Role};
use wasmcni_sdk::{CniResult, Error, code};

use crate::conf::{Conf, Device, Network};
use crate::device;

pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    if device::is_in_user_space(&conf.device)? {
        return Ok(());
    }
    let container = net::enter(Role::Container)?;
    let Some((index, entry)) = result.container_interface(ifname) else {
        let why =
            format!("finding interface {ifname:?} of the container in prevResult: it is not there");
        return Err(Error::changed(why));
    };
    let Some(link) = container.find_link(ifname)? else {
        return Err(Error::changed(format!("finding link {ifname:?}: there is none")));
    };
    let info = link.info()?;
    // Whatever kind the device is of.
    iface::check_info(&info, &info.kind, entry)?;
    check_former_name(&conf.device, ifname, info.alias.as_deref().unwrap_or_default())?;
    iface::check_up(&info)?;
    Iface { netns: &container, link: &link, name: ifname, index }.check(result)
}

/// The alias tells the name that the device gets back; the name that the configuration has, if it has one.
fn check_former_name(device: &Device, ifname: &str, alias: &str) -> Result<(), Error> {
    match device {
        Device::Name(name) if name != alias => Err(Error::changed(format!(
            "checking link {ifname:?}: its alias is {alias:?}, not {name:?}"
        ))),
        Device::Name(_) => Ok(()),
        Device::Mac(_) | Device::Path(_) | Device::Pci(_) | Device::Auxiliary(_)
            if alias.is_empty() =>
        {
            let why = format!("checking link {ifname:?}: it has no alias to tell its former name");
            Err(Error::changed(why))
        }
        Device::Mac(_) | Device::Path(_) | Device::Pci(_) | Device::Auxiliary(_) => Ok(()),
    }
}

/// Whether the device is there to be moved. A network whose device the runtime gives cannot tell.
pub(crate) fn available(network: &Network) -> Result<(), Error> {
    let Some(device) = &network.device else { return Ok(()) };
    if device::is_in_user_space(device)? || device::link(device)?.is_some() {
        return Ok(());
    }
    let what = device::words(device);
    Err(Error::new(code::NOT_AVAILABLE, format!("finding {what}: the node has no link of it")))
}
