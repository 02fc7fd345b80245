//! `wasmcni:net/sysctl` and `wasmcni:net/forwarding`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, Netns};
use crate::bindings::wasmcni::net::types::Family;
use crate::bindings::wasmcni::net::{forwarding, sysctl};
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
