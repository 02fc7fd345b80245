//! Addresses that attachments hold.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::{Gate, Refusal, Result};
use crate::ipam::{self, Claim, Store, resolv_conf};
use crate::journal::{Sharing, Undo};
use crate::names::NetworkName;
use crate::policy::Op;

/// The locked reservations of the call's network, as a guest holds them.
#[derive(Debug)]
pub struct OpenStore {
    data_dir: PathBuf,
    store: Store,
}

impl Gate {
    /// Opens and locks the network's reservations.
    pub fn open_store(&mut self, data_dir: Option<&str>) -> Result<OpenStore> {
        let directories = &self.call.directories;
        let named = data_dir.map(|dir| directories.named(dir));
        let named = named.unwrap_or_else(|| directories.reservations.clone());
        let shown = data_dir.map_or("/var/lib/cni/networks", |dir| dir);
        self.permit(&Op::new("reservations.open").text("data-dir", shown))?;
        let network = NetworkName::try_from(self.call.network.as_str())
            .map_err(|e| Refusal::Invalid(e.to_string()))?;
        let index = self.call.directories.run.join("ipam");
        let store = Store::open(&named, &network, &index, self.call.time_left())?;
        Ok(OpenStore { data_dir: named, store })
    }

    /// The addresses that this attachment holds.
    pub fn held(&mut self, open: &mut OpenStore) -> Result<Vec<IpAddr>> {
        let me = self.holder()?;
        Ok(open.store.held(&me)?)
    }

    /// The lowest free address of a range.
    pub fn next_free(
        &mut self,
        open: &mut OpenStore,
        first: IpAddr,
        last: IpAddr,
    ) -> Result<Option<IpAddr>> {
        Ok(open.store.next_free(first, last)?)
    }

    /// Claims an address.
    pub fn reserve(
        &mut self,
        open: &mut OpenStore,
        address: IpAddr,
        range_set: u32,
    ) -> Result<Claim> {
        self.permit(&Op::new("reservations.reserve").net("within", IpNet::from(address)))?;
        let me = self.holder()?;
        let undo = Undo::Reservation { data_dir: open.data_dir.clone(), address };
        let mut journal = self.call.journal.borrow_mut();
        let journal = journal.as_mut().ok_or_else(|| {
            Refusal::Invalid("reserving addresses is for add, not for this verb".into())
        })?;
        let id = journal.will(undo, Sharing::Own)?;
        let claim = open.store.reserve(&me, address, range_set);
        // The store reserves wholly or not at all, and says which.
        if !matches!(claim, Ok(Claim::Reserved)) {
            journal.not_done(id)?;
        }
        Ok(claim?)
    }

    /// The address last reserved from a range set.
    pub fn last_reserved(&mut self, open: &OpenStore, range_set: u32) -> Result<Option<IpAddr>> {
        Ok(open.store.last_reserved(range_set)?)
    }

    /// Releases what this attachment holds.
    pub fn release(&mut self, open: &mut OpenStore) -> Result<()> {
        let me = self.holder()?;
        open.store.release(&me)?;
        self.removed(|record| {
            let Undo::Reservation { data_dir, .. } = &record.undo else { return false };
            *data_dir == open.data_dir
        });
        Ok(())
    }

    /// Releases what none of `valid` holds.
    pub fn sweep(
        &mut self,
        open: &mut OpenStore,
        valid: &HashSet<ipam::Attachment>,
    ) -> Result<Vec<IpAddr>> {
        self.permit(&Op::new("reservations.sweep"))?;
        Ok(open.store.sweep(valid)?)
    }

    /// What a resolv.conf file says.
    pub fn read_resolv_conf(&mut self, path: &str) -> Result<resolv_conf::Resolver> {
        self.permit(&Op::new("resolv-conf.read").text("path", path))?;
        Ok(resolv_conf::read(&self.call.directories.named(path))?)
    }

    fn holder(&self) -> Result<ipam::Attachment> {
        let attachment = self.attachment()?;
        Ok(ipam::Attachment {
            container_id: attachment.container_id.clone(),
            ifname: attachment.ifname.clone(),
        })
    }
}
