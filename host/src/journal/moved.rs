//! A link that was taken from one namespace of the call into the other.

use serde::{Deserialize, Serialize};

use super::Place;
use crate::kernel::{Errno, IfIndex, Kernel, KernelError, Link, LinkChange};
use crate::names::{IfName, Mac};

/// A link that was taken, and how it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedLink {
    /// Where it was taken to.
    pub at: Place,
    /// Its name there; its former one is its alias there.
    pub name: IfName,
    /// Where it was.
    pub from: Place,
    /// Its name there.
    pub former: IfName,
    /// Its alias there; empty: none.
    pub alias: String,
    /// `None`: it has no Ethernet address.
    pub mac: Option<Mac>,
    /// `IFLA_INFO_KIND`; empty for most devices that are hardware.
    pub kind: String,
    /// It was up.
    pub up: bool,
}

impl MovedLink {
    /// Gives it back. As it was, but for what the kernel drops on the way (addresses, routes, master); what an
    /// ADD that succeeded had taken, `standing`, stays down.
    pub(crate) fn give_back(
        &self,
        kernel: &mut dyn Kernel,
        index: IfIndex,
        standing: bool,
    ) -> Result<(), KernelError> {
        let (at, from) = (self.at.role, self.from.role);
        let link = kernel.link_move(at, index, from, &self.former, &self.alias)?;
        self.raise(kernel, link.index, standing)
    }

    /// Gives it back, wherever it is. `index`: its number where it was taken to, if that was learned.
    pub(super) fn take_back(
        &self,
        kernel: &mut dyn Kernel,
        index: Option<IfIndex>,
        standing: bool,
    ) -> Result<(), KernelError> {
        if kernel.netns(self.from.role) != Some(self.from.netns) {
            return Ok(());
        }
        if kernel.netns(self.at.role) == Some(self.at.netns)
            && let Some(link) = self.where_it_was_taken(kernel, index)?
        {
            return self.give_back(kernel, link.index, standing);
        }
        match self.where_it_was(kernel)? {
            Some(link) => self.restore(kernel, &link, standing),
            None => Ok(()),
        }
    }

    fn where_it_was_taken(
        &self,
        kernel: &mut dyn Kernel,
        index: Option<IfIndex>,
    ) -> Result<Option<Link>, KernelError> {
        let role = self.at.role;
        if let Some(index) = index {
            let found = kernel.link_by_index(role, index)?;
            return Ok(found.filter(|link| self.has_its_mac(link) || self.has_its_alias(link)));
        }
        // The process was killed before it learned the number.
        for name in [&self.name, &self.former] {
            let found = kernel.link_by_name(role, name)?;
            let is_it = |link: &Link| {
                self.has_its_mac(link) && (self.has_its_alias(link) || self.mac.is_some())
            };
            if let Some(link) = found.filter(is_it) {
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    /// It never left, or was given back; by the kernel perhaps, which gives hardware back when a namespace
    /// goes, under whatever name it had there. (`default_device_exit_net`)
    fn where_it_was(&self, kernel: &mut dyn Kernel) -> Result<Option<Link>, KernelError> {
        let links = kernel.links(self.from.role)?;
        let is_it = |link: &Link| {
            self.has_its_mac(link) && (link.name == self.former || self.has_its_alias(link))
        };
        Ok(links.into_iter().find(is_it))
    }

    fn restore(
        &self,
        kernel: &mut dyn Kernel,
        link: &Link,
        standing: bool,
    ) -> Result<(), KernelError> {
        let from = self.from.role;
        if link.name != self.former {
            let change = LinkChange::Name(self.former.clone());
            match kernel.link_set(from, link.index, &change) {
                // Another link has come by the name: both stay as they are.
                Err(e) if e.errno == Errno::EEXIST => return Ok(()),
                done => done?,
            }
        }
        if link.alias.as_deref().unwrap_or_default() != self.alias {
            kernel.link_set(from, link.index, &LinkChange::Alias(self.alias.clone()))?;
        }
        self.raise(kernel, link.index, standing)
    }

    fn raise(
        &self,
        kernel: &mut dyn Kernel,
        index: IfIndex,
        standing: bool,
    ) -> Result<(), KernelError> {
        if self.up && !standing {
            kernel.link_set(self.from.role, index, &LinkChange::Up)?;
        }
        Ok(())
    }

    fn has_its_mac(&self, link: &Link) -> bool {
        link.kind == self.kind && link.mac == self.mac
    }

    fn has_its_alias(&self, link: &Link) -> bool {
        link.kind == self.kind && link.alias.as_deref() == Some(self.former.as_str())
    }
}
