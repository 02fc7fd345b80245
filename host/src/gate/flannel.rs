//! Files of flannel networks: what flanneld says of the node, and what delegates were run with.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Gate, Refusal, Result};
use crate::flannel::saved::{self, Unmarked};
use crate::flannel::subnet_file::{self, Variables};
use crate::journal::{Sharing, Undo};
use crate::names::NetworkName;
use crate::policy::Op;

/// The directory that is meant when a guest names none, as grants name it.
const DATA_DIR: &str = "/var/lib/cni/flannel";
/// The file that is meant when a guest names none, as grants name it.
const SUBNET_FILE: &str = "/run/flannel/subnet.env";

impl Gate {
    /// Saves the configuration of this attachment's delegate.
    pub fn save_configuration(&mut self, data_dir: Option<&str>, text: &str) -> Result<()> {
        let dir = self.data_dir("saved-configuration.write", data_dir)?;
        let me = self.attachment()?.clone();
        let mut journal = self.call.journal.borrow_mut();
        let journal = journal.as_mut().filter(|_| self.call.adding).ok_or_else(|| {
            Refusal::Invalid("saving configurations is for add, not for this verb".into())
        })?;
        let id = journal.will(Undo::SavedConfiguration { data_dir: dir.clone() }, Sharing::Own)?;
        let done = saved::save(&dir, &me, text);
        // It is saved wholly or not at all.
        if done.is_err() {
            journal.not_done(id)?;
        }
        Ok(done?)
    }

    /// What was saved for this attachment.
    pub fn load_configuration(&mut self, data_dir: Option<&str>) -> Result<Option<String>> {
        let dir = self.data_dir("saved-configuration.read", data_dir)?;
        Ok(saved::load(&dir, self.attachment()?)?)
    }

    /// Removes what was saved for this attachment, by whichever implementation.
    pub fn remove_configuration(&mut self, data_dir: Option<&str>) -> Result<()> {
        let dir = self.data_dir("saved-configuration.write", data_dir)?;
        let me = self.attachment()?.clone();
        if self.call.journal.borrow().is_none() {
            let text = "removing configurations is for add and del, not for this verb";
            return Err(Refusal::Invalid(text.into()));
        }
        saved::remove(&dir, &me, Unmarked::Mine)?;
        self.removed(|record| record.undo == Undo::SavedConfiguration { data_dir: dir.clone() });
        Ok(())
    }

    /// Removes what was saved for attachments of the network that are none of `valid`.
    pub fn sweep_configurations(
        &mut self,
        data_dir: Option<&str>,
        valid: &HashSet<(String, String)>,
    ) -> Result<()> {
        let dir = self.data_dir("saved-configuration.sweep", data_dir)?;
        let network = NetworkName::try_from(self.call.network.as_str())
            .map_err(|e| Refusal::Invalid(e.to_string()))?;
        Ok(saved::sweep(&dir, &network, valid)?)
    }

    /// The variables of a subnet file.
    pub fn read_subnet_file(&mut self, path: Option<&str>) -> Result<Variables> {
        let shown = path.unwrap_or(SUBNET_FILE);
        self.permit(&Op::new("subnet-file.read").text("path", shown))?;
        let directories = &self.call.directories;
        let named = path.map(|path| directories.named(path));
        Ok(subnet_file::read(named.as_deref().unwrap_or(&directories.subnet_file))?)
    }

    fn data_dir(&self, act: &'static str, named: Option<&str>) -> Result<PathBuf> {
        self.permit(&Op::new(act).text("data-dir", named.unwrap_or(DATA_DIR)))?;
        let directories = &self.call.directories;
        let named = named.map(|dir| directories.named(dir));
        Ok(named.unwrap_or_else(|| directories.saved_configurations.clone()))
    }
}
