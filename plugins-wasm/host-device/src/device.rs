//! Finding the device on the node.

use wasmcni_sdk::net::{ErrorCode, Link, NetError, devices};
use wasmcni_sdk::{Error, code};

use crate::conf::Device;

/// Drivers that hand a device to programs of user space: it has no link, and nothing of it is moved.
const USER_SPACE_DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// The device's link, if it is there.
pub(crate) fn link(device: &Device) -> Result<Option<Link>, Error> {
    let found = match device {
        Device::Name(name) => devices::find_by_name(name),
        Device::Mac(mac) => devices::find_by_mac(mac),
        Device::Path(path) => devices::find_by_path(path),
        Device::Pci(address) => devices::find_by_pci(address),
        Device::Auxiliary(id) => devices::find_by_auxiliary(id),
    };
    found.map_err(|e| misnamed(device, e))
}

/// What the host refuses as no name of a device is the configuration's fault.
fn misnamed(device: &Device, error: NetError) -> Error {
    if error.code == ErrorCode::Invalid {
        let what = words(device);
        return Error::new(code::CONFIGURATION, format!("reading {what}: {}", error.detail));
    }
    error.into()
}

/// Whether a program of user space (DPDK) drives the device.
pub(crate) fn is_in_user_space(device: &Device) -> Result<bool, Error> {
    match device {
        Device::Pci(address) => {
            let driver = devices::pci_driver(address).map_err(|e| misnamed(device, e))?;
            Ok(driver.is_some_and(|driver| USER_SPACE_DRIVERS.contains(&driver.as_str())))
        }
        Device::Name(_) | Device::Mac(_) | Device::Path(_) | Device::Auxiliary(_) => Ok(false),
    }
}

/// The PCI address that a result tells; empty: none is known.
pub(crate) fn pci_id(device: &Device, link: &Link) -> Result<String, NetError> {
    match device {
        Device::Pci(address) => Ok(address.clone()),
        Device::Name(_) | Device::Mac(_) | Device::Path(_) | Device::Auxiliary(_) => {
            devices::pci_address(link).map(Option::unwrap_or_default)
        }
    }
}

/// The device as its configuration writes it, for messages.
pub(crate) fn words(device: &Device) -> String {
    let (key, text) = match device {
        Device::Name(name) => ("device", name),
        Device::Mac(mac) => ("hwaddr", mac),
        Device::Path(path) => ("kernelpath", path),
        Device::Pci(address) => ("PCI address", address),
        Device::Auxiliary(id) => ("auxiliary id", id),
    };
    format!("{key} {text:?}")
}
