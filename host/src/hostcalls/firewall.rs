//! `wasmcni:net/firewall`.

use super::{Answer, Ctx, convert};
use crate::bindings::wasmcni::net::firewall::{Admission, Apart, Host};
use crate::bindings::wasmcni::net::types::IpAddress;

impl Host for Ctx {
    fn available(&mut self) -> Answer<()> {
        Ok(self.counted()?.can_filter()?)
    }

    fn admit(&mut self, address: IpAddress, admin_chain: String) -> Answer<()> {
        let address = convert::address(address);
        Ok(self.counted()?.admit(address, &admin_chain, None)?)
    }

    fn admit_apart(&mut self, address: IpAddress, admin_chain: String, apart: Apart) -> Answer<()> {
        let address = convert::address(address);
        let apart = (apart.bridge, convert::separation(apart.kept_from));
        Ok(self.counted()?.admit(address, &admin_chain, Some(apart))?)
    }

    fn admitted(&mut self) -> Answer<Vec<Admission>> {
        let entries = self.counted()?.admitted()?;
        Ok(entries.into_iter().map(convert::admission).collect())
    }

    fn clear(&mut self) -> Answer<()> {
        Ok(self.counted()?.clear_admissions()?)
    }
}
