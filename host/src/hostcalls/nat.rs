//! `wasmcni:net/nat` and `wasmcni:net/spoof-guard`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, convert};
use crate::bindings::wasmcni::net::types::{IpNetwork, Mac};
use crate::bindings::wasmcni::net::{nat, spoof_guard};
use crate::gate::LinkHandle;

impl nat::Host for Ctx {
    fn masquerade(&mut self, source: IpNetwork) -> Answer<()> {
        let source = convert::network(source)?;
        Ok(self.counted()?.masquerade(source)?)
    }

    fn clear_masquerade(&mut self) -> Answer<()> {
        Ok(self.counted()?.clear_masquerade()?)
    }

    fn masqueraded(&mut self) -> Answer<Vec<IpNetwork>> {
        let sources = self.counted()?.masqueraded()?;
        Ok(sources.into_iter().map(convert::ip_network).collect())
    }
}

impl spoof_guard::Host for Ctx {
    fn pin(&mut self, port: Resource<LinkHandle>, mac: Mac) -> Answer<()> {
        let port = self.get(&port)?;
        Ok(self.counted()?.pin(&port, convert::mac(mac))?)
    }

    fn clear(&mut self) -> Answer<()> {
        Ok(self.counted()?.clear_guards()?)
    }

    fn pinned(&mut self) -> Answer<Vec<Mac>> {
        let macs = self.counted()?.pinned()?;
        Ok(macs.into_iter().map(convert::mac_octets).collect())
    }
}
