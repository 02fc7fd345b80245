//! NAT and filtering, asked for as intents and rendered by the kernel's side.

use ipnet::IpNet;

use super::{Gate, LinkHandle, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{Masquerade, Role, SpoofGuard};
use crate::names::Mac;
use crate::policy::Op;

impl Gate {
    /// Masquerades an address.
    pub fn masquerade(&mut self, source: IpNet) -> Result<()> {
        self.permit(&Op::new("nat.masquerade").net("within", source))?;
        let entry = Masquerade { source, owner: self.owner()? };
        let undo = Undo::Masquerade(entry.clone());
        self.act([(undo, Sharing::Own)], |kernel| kernel.masquerade_add(&entry))
    }

    /// Removes this attachment's masquerade entries: those of its journal, or, when another process
    /// kept none, those that the kernel says are its.
    pub fn clear_masquerade(&mut self) -> Result<()> {
        let known = self.journaled(|undo| {
            let Undo::Masquerade(entry) = undo else { return None };
            Some(entry.clone())
        });
        let entries = match known {
            Some(entries) => entries,
            None => self.own_masquerades()?,
        };
        for entry in entries {
            self.act([], |kernel| kernel.masquerade_delete(&entry))?;
            self.removed(|record| record.undo == Undo::Masquerade(entry.clone()));
        }
        Ok(())
    }

    /// The sources that this attachment has masqueraded.
    pub fn masqueraded(&mut self) -> Result<Vec<IpNet>> {
        Ok(self.own_masquerades()?.into_iter().map(|entry| entry.source).collect())
    }

    fn own_masquerades(&self) -> Result<Vec<Masquerade>> {
        let owner = self.owner()?;
        let all = self.kernel().masquerades()?;
        Ok(all.into_iter().filter(|entry| entry.owner == owner).collect())
    }

    /// Pins a port to a source address.
    pub fn pin(&mut self, port: &LinkHandle, mac: Mac) -> Result<()> {
        self.permit(&Op::new("spoof-guard.pin").text("name", port.name.as_str()))?;
        if port.role != Role::Host {
            let text =
                format!("guarding {:?}: it is no port of a bridge of the node", port.name.as_str());
            return Err(Refusal::Invalid(text));
        }
        let guard = SpoofGuard { port: port.name.clone(), mac, owner: self.owner()? };
        let undo = Undo::SpoofGuard(guard.clone());
        self.act([(undo, Sharing::Own)], |kernel| kernel.spoof_guard_add(&guard))
    }

    /// Removes this attachment's guards.
    pub fn clear_guards(&mut self) -> Result<()> {
        let known = self.journaled(|undo| {
            let Undo::SpoofGuard(guard) = undo else { return None };
            Some(guard.clone())
        });
        let guards = match known {
            Some(guards) => guards,
            None => self.own_guards()?,
        };
        for guard in guards {
            self.act([], |kernel| kernel.spoof_guard_delete(&guard))?;
            self.removed(|record| record.undo == Undo::SpoofGuard(guard.clone()));
        }
        Ok(())
    }

    /// The addresses that this attachment's ports are pinned to.
    pub fn pinned(&mut self) -> Result<Vec<Mac>> {
        Ok(self.own_guards()?.into_iter().map(|guard| guard.mac).collect())
    }

    fn own_guards(&self) -> Result<Vec<SpoofGuard>> {
        let owner = self.owner()?;
        let all = self.kernel().spoof_guards()?;
        Ok(all.into_iter().filter(|guard| guard.owner == owner).collect())
    }

    /// What this attachment's journal tells, if an ADD of ours kept one and all of it can be read: no dump of
    /// the kernel's tables is needed then.
    pub(super) fn journaled<T>(&self, pick: impl Fn(&Undo) -> Option<T>) -> Option<Vec<T>> {
        let journal = self.call.journal.borrow();
        let journal = journal.as_ref().filter(|j| j.begun() && j.damage().is_none())?;
        Some(journal.open_records(0).iter().filter_map(|(_, record)| pick(&record.undo)).collect())
    }
}
