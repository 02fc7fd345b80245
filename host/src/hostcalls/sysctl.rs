//! `wasmcni:net/sysctl`, `wasmcni:net/forwarding` and `wasmcni:net/link-backup`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, Netns};
use crate::bindings::wasmcni::net::types::Family;
use crate::bindings::wasmcni::net::{forwarding, link_backup, sysctl};
use crate::gate;

impl sysctl::Host for Ctx {
    fn read(&mut self, netns: Resource<Netns>, key: String) -> Answer<String> {
        let role = self.get(&netns)?.role;
        Ok(self.counted()?.read_sysctl(role, &key)?)
    }

    fn write(&mut self, netns: Resource<Netns>, key: String, value: String) -> Answer<()> {
        let role = self.get(&netns)?.role;
        Ok(self.counted()?.write_sysctl(role, &key, &value)?)
    }

    fn write_until_del(
        &mut self,
        netns: Resource<Netns>,
        key: String,
        value: String,
    ) -> Answer<()> {
        let role = self.get(&netns)?.role;
        Ok(self.counted()?.write_sysctl_until_del(role, &key, &value)?)
    }

    fn allow_list(&mut self) -> Answer<Option<Vec<String>>> {
        Ok(self.counted()?.sysctl_allow_list()?)
    }
}

impl link_backup::Host for Ctx {
    fn read(&mut self, data_dir: Option<String>) -> Answer<Option<String>> {
        Ok(self.counted()?.read_link_backup(data_dir.as_deref())?)
    }

    fn remove(&mut self, data_dir: Option<String>) -> Answer<()> {
        Ok(self.counted()?.remove_link_backup(data_dir.as_deref())?)
    }
}

impl forwarding::Host for Ctx {
    fn enable(&mut self, family: Family) -> Answer<()> {
        let family = match family {
            Family::Ipv4 => gate::Family::Ipv4,
            Family::Ipv6 => gate::Family::Ipv6,
        };
        Ok(self.counted()?.enable_forwarding(family)?)
    }
}
