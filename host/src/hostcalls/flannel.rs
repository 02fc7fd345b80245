//! `wasmcni:cni/saved-configuration` and `wasmcni:ipam/subnet-file`.

use super::{Answer, Ctx};
use crate::bindings::wasmcni::cni::saved_configuration;
use crate::bindings::wasmcni::cni::types::AttachmentId;
use crate::bindings::wasmcni::ipam::subnet_file;

impl saved_configuration::Host for Ctx {
    fn save(&mut self, data_dir: Option<String>, configuration: String) -> Answer<()> {
        Ok(self.counted()?.save_configuration(data_dir.as_deref(), &configuration)?)
    }

    fn load(&mut self, data_dir: Option<String>) -> Answer<Option<String>> {
        Ok(self.counted()?.load_configuration(data_dir.as_deref())?)
    }

    fn remove(&mut self, data_dir: Option<String>) -> Answer<()> {
        Ok(self.counted()?.remove_configuration(data_dir.as_deref())?)
    }

    fn sweep(&mut self, data_dir: Option<String>, valid: Vec<AttachmentId>) -> Answer<()> {
        let valid = valid.into_iter().map(|id| (id.container_id, id.ifname)).collect();
        Ok(self.counted()?.sweep_configurations(data_dir.as_deref(), &valid)?)
    }
}

impl subnet_file::Host for Ctx {
    fn read(&mut self, path: Option<String>) -> Answer<subnet_file::Variables> {
        let found = self.counted()?.read_subnet_file(path.as_deref())?;
        Ok(subnet_file::Variables {
            network: found.network,
            subnet: found.subnet,
            ipv6_network: found.ipv6_network,
            ipv6_subnet: found.ipv6_subnet,
            mtu: found.mtu,
            ipmasq: found.ipmasq,
        })
    }
}
