//! `wasmcni:net/devices`.

use wasmtime::component::Resource;

use super::{Answer, Ctx};
use crate::bindings::wasmcni::net::devices::Host;
use crate::gate::{DeviceKey, LinkHandle};

impl Ctx {
    fn device(&mut self, device: DeviceKey<'_>) -> Answer<Option<Resource<LinkHandle>>> {
        let found = self.counted()?.find_device(device)?;
        Ok(found.map(|link| self.push(link)).transpose()?)
    }
}

impl Host for Ctx {
    fn find_by_name(&mut self, name: String) -> Answer<Option<Resource<LinkHandle>>> {
        self.device(DeviceKey::Name(&name))
    }

    fn find_by_mac(&mut self, mac: String) -> Answer<Option<Resource<LinkHandle>>> {
        self.device(DeviceKey::Mac(&mac))
    }

    fn find_by_path(&mut self, path: String) -> Answer<Option<Resource<LinkHandle>>> {
        self.device(DeviceKey::Path(&path))
    }

    fn find_by_pci(&mut self, address: String) -> Answer<Option<Resource<LinkHandle>>> {
        self.device(DeviceKey::Pci(&address))
    }

    fn find_by_auxiliary(&mut self, id: String) -> Answer<Option<Resource<LinkHandle>>> {
        self.device(DeviceKey::Auxiliary(&id))
    }

    fn pci_driver(&mut self, address: String) -> Answer<Option<String>> {
        Ok(self.counted()?.pci_driver(&address)?)
    }

    fn pci_address(&mut self, link: Resource<LinkHandle>) -> Answer<Option<String>> {
        let link = self.get(&link)?;
        Ok(self.counted()?.pci_address(&link)?)
    }
}
