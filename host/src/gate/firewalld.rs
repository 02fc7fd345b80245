//! Addresses in firewalld's zones.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Gate, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{Errno, KernelError, ZoneSource};
use crate::policy::Op;

/// How long firewalld may take for one act, in milliseconds: it writes its rules anew for each.
const PATIENCE: u32 = 10_000;

impl Gate {
    /// Whether firewalld runs.
    pub fn firewalld_runs(&mut self) -> Result<bool> {
        self.permit(&Op::new("firewalld.read"))?;
        let patience = self.patience(PATIENCE);
        Ok(self.kernel().firewalld_runs(patience)?)
    }

    /// The zone that an address is in.
    pub fn zone_of_source(&mut self, address: IpAddr) -> Result<Option<String>> {
        self.permit(&Op::new("firewalld.read"))?;
        self.zone_of(address)
    }

    /// Puts an address into a zone. Where it is already, it is left, and not ours to remove.
    pub fn add_source(&mut self, zone: &str, address: IpAddr) -> Result<()> {
        self.permit(&about("firewalld.add-source", zone, address))?;
        if zone.is_empty() {
            // firewalld would take its default zone.
            return Err(Refusal::Invalid(format!("adding {address} to a zone without a name")));
        }
        if self.is_in(zone, address)? {
            return Ok(());
        }
        let source = ZoneSource { zone: zone.to_owned(), address };
        let undo = Undo::ZoneSource(source.clone());
        let patience = self.patience(PATIENCE);
        let done =
            self.act([(undo, Sharing::Own)], |kernel| kernel.zone_source_add(&source, patience));
        match done {
            // Somebody was faster.
            Err(Refusal::Kernel(e)) if e.errno == Errno::EEXIST => {
                match self.is_in(zone, address)? {
                    true => Ok(()),
                    false => Err(e.into()),
                }
            }
            other => other,
        }
    }

    /// Takes an address out of a zone; of an attachment of ours only what it put there.
    pub fn remove_source(&mut self, zone: &str, address: IpAddr) -> Result<()> {
        let source = ZoneSource { zone: zone.to_owned(), address };
        let undo = Undo::ZoneSource(source.clone());
        match self.journaled(|known| (*known == undo).then_some(())) {
            Some(known) if known.is_empty() => return Ok(()),
            Some(_) => {}
            None => self.permit(&about("firewalld.remove-source", zone, address))?,
        }
        let patience = self.patience(PATIENCE);
        self.act([], |kernel| kernel.zone_source_delete(&source, patience))?;
        self.removed(|record| record.undo == undo);
        Ok(())
    }

    /// Whether an address is in a zone. In another one it cannot be put: firewalld has one for each.
    fn is_in(&self, zone: &str, address: IpAddr) -> Result<bool> {
        match self.zone_of(address)? {
            None => Ok(false),
            Some(there) if there == zone => Ok(true),
            Some(there) => {
                let act = format!("adding {address} to zone {zone:?} of firewalld");
                let hint = format!(
                    "it is in zone {there:?}; `firewall-cmd --zone={there} --remove-source={}` \
                     takes it out",
                    IpNet::from(address)
                );
                Err(KernelError { act, errno: Errno::EEXIST, hint: Some(hint) }.into())
            }
        }
    }

    fn zone_of(&self, address: IpAddr) -> Result<Option<String>> {
        let patience = self.patience(PATIENCE);
        Ok(self.kernel().zone_of_source(address, patience)?)
    }
}

fn about(name: &'static str, zone: &str, address: IpAddr) -> Op {
    Op::new(name).net("within", IpNet::from(address)).text("zone", zone)
}
