//! `wasmcni:net/firewalld`.

use super::{Answer, Ctx, convert};
use crate::bindings::wasmcni::net::firewalld::{Daemon, Host};
use crate::bindings::wasmcni::net::types::IpAddress;

impl Host for Ctx {
    fn state(&mut self) -> Answer<Daemon> {
        Ok(convert::firewalld_state(self.counted()?.firewalld_runs()?))
    }

    fn add_source(&mut self, zone: String, address: IpAddress) -> Answer<()> {
        Ok(self.counted()?.add_source(&zone, convert::address(address))?)
    }

    fn remove_source(&mut self, zone: String, address: IpAddress) -> Answer<()> {
        Ok(self.counted()?.remove_source(&zone, convert::address(address))?)
    }

    fn zone_of_source(&mut self, address: IpAddress) -> Answer<Option<String>> {
        Ok(self.counted()?.zone_of_source(convert::address(address))?)
    }
}
