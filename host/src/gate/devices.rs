//! The node's devices: finding one by what the configuration calls it, taking its link into the container,
//! and giving it back.

use super::link::{gone, handle};
use super::{Gate, LinkHandle, Refusal, Result, certain};
use crate::journal::{MovedLink, Sharing, Undo};
use crate::kernel::sysfs::{BadDevice, Device, Sysfs};
use crate::kernel::{Link, Role};
use crate::names::{IfName, Mac};
use crate::policy::Op;

/// A device, as the configuration calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DeviceKey<'a> {
    Name(&'a str),
    Mac(&'a str),
    Path(&'a str),
    Pci(&'a str),
    Auxiliary(&'a str),
}

impl DeviceKey<'_> {
    fn op(self) -> Op {
        let (by, text) = match self {
            Self::Name(text) => ("name", text),
            Self::Mac(text) => ("mac", text),
            Self::Path(text) => ("path", text),
            Self::Pci(text) => ("pci", text),
            Self::Auxiliary(text) => ("auxiliary", text),
        };
        Op::new("device.find").text("by", by).text("device", text)
    }
}

impl From<BadDevice> for Refusal {
    fn from(bad: BadDevice) -> Self {
        Self::Invalid(bad.to_string())
    }
}

impl Gate {
    /// The link of a device of the node.
    pub fn find_device(&mut self, device: DeviceKey<'_>) -> Result<Option<LinkHandle>> {
        self.permit(&device.op())?;
        let found = match device {
            DeviceKey::Name(name) => match IfName::try_from(name) {
                Ok(name) => self.kernel().link_by_name(Role::Host, &name)?,
                Err(_) => None,
            },
            DeviceKey::Mac(text) => {
                let mac = Mac::try_from(text).map_err(|e| Refusal::Invalid(e.to_string()))?;
                let links = self.kernel().links(Role::Host)?;
                links.into_iter().find(|link| link.mac == Some(mac))
            }
            DeviceKey::Path(text) => self.link_of(&Device::at_path(text)?)?,
            DeviceKey::Pci(text) => self.link_of(&Device::pci(text)?)?,
            DeviceKey::Auxiliary(text) => self.link_of(&Device::auxiliary(text)?)?,
        };
        let Some(link) = found else { return Ok(None) };
        let link = handle(Role::Host, link);
        self.found.push(link.clone());
        Ok(Some(link))
    }

    /// The driver of a PCI device.
    pub fn pci_driver(&mut self, address: &str) -> Result<Option<String>> {
        self.permit(&DeviceKey::Pci(address).op())?;
        Ok(self.sysfs()?.driver_of(&Device::pci(address)?)?)
    }

    /// The address of the PCI device that a link of the node belongs to.
    pub fn pci_address(&mut self, link: &LinkHandle) -> Result<Option<String>> {
        if !self.found.contains(link) {
            self.permit_on(link, Op::new("link.read"))?;
        }
        match link.role {
            Role::Host => Ok(self.sysfs()?.pci_address_of(&link.name)?),
            // sysfs shows the links of one namespace only.
            Role::Container => Ok(None),
        }
    }

    /// Takes a link that was found into a namespace, under a new name and with its former one as alias.
    pub fn adopt(&mut self, link: &LinkHandle, into: Role, name: &str) -> Result<LinkHandle> {
        let op = Op::new("link.move").in_netns(into).text("name", name);
        self.permit(&op.text("from", link.name.as_str()))?;
        let name = IfName::try_from(name).map_err(|e| Refusal::Invalid(e.to_string()))?;
        if link.role == into || !self.found.contains(link) {
            let text = format!(
                "taking link {:?} of {} into {into}: it is none that this call found as a device",
                link.name.as_str(),
                link.role
            );
            return Err(Refusal::Invalid(text));
        }
        let seen = self.kernel().link_by_index(link.role, link.index)?;
        let seen = seen.ok_or_else(|| gone("taking", link))?;
        let undo = MovedLink {
            at: self.place(into)?,
            name: name.clone(),
            from: self.place(link.role)?,
            former: seen.name.clone(),
            alias: seen.alias.unwrap_or_default(),
            mac: seen.mac,
            kind: seen.kind,
            up: seen.up,
        };
        let moved = self.journaled_move(link, undo)?;
        Ok(handle(into, moved))
    }

    fn journaled_move(&mut self, link: &LinkHandle, undo: MovedLink) -> Result<Link> {
        let (into, name, alias) = (undo.at.role, undo.name.clone(), undo.former.to_string());
        let mut journal = self.call.journal.borrow_mut();
        let journal = journal
            .as_mut()
            .filter(|_| self.call.adding)
            .ok_or_else(|| Refusal::Invalid("taking links is for add, not for this verb".into()))?;
        let id = journal.will(Undo::MovedLink(undo), Sharing::Own)?;
        let mut kernel = self.call.kernel.borrow_mut();
        match kernel.link_move(link.role, link.index, into, &name, &alias) {
            Ok(moved) => {
                journal.made(id, moved.index)?;
                Ok(moved)
            }
            Err(e) => {
                if certain(e.errno) {
                    journal.not_done(id)?;
                }
                Err(e.into())
            }
        }
    }

    /// Gives a link back to the other namespace, where it gets its former name.
    pub fn hand_back(&mut self, link: &LinkHandle) -> Result<()> {
        let seen = self.kernel().link_by_index(link.role, link.index)?;
        let seen = seen.ok_or_else(|| gone("handing back", link))?;
        match self.adopted(link) {
            // What was changed of it meanwhile would stay: only the whole is taken back.
            Some(_) if self.call.adding => Err(Refusal::Invalid(format!(
                "handing back link {:?} of {}: what add takes goes back by itself if it fails",
                link.name.as_str(),
                link.role
            ))),
            Some((moved, standing)) => {
                let back = self.act([], |kernel| moved.give_back(kernel, seen.index, standing));
                back.map(|()| {
                    self.removed(
                        |record| matches!(&record.undo, Undo::MovedLink(this) if *this == moved),
                    );
                })
            }
            None => self.hand_back_by_alias(link, seen),
        }
    }

    /// What another implementation took, or a journal that is lost told.
    fn hand_back_by_alias(&mut self, link: &LinkHandle, seen: Link) -> Result<()> {
        let alias = seen.alias.unwrap_or_default();
        let op = Op::new("link.hand-back").in_netns(link.role).text("name", link.name.as_str());
        self.permit(&op.text("as", alias.as_str()))?;
        let what = format!("handing back link {:?} of {}", link.name.as_str(), link.role);
        if self.call.adding {
            // It could not be taken again as it was.
            return Err(Refusal::Invalid(format!("{what}: in an add, only what it took")));
        }
        let name = IfName::try_from(alias.as_str()).map_err(|e| {
            Refusal::Invalid(format!("{what}: its alias {alias:?} tells no former name: {e}"))
        })?;
        let to = link.role.other();
        self.act([], |kernel| kernel.link_move(link.role, link.index, to, &name, "").map(|_| ()))
    }

    /// The record of a link that this attachment took, and whether its ADD succeeded.
    fn adopted(&self, link: &LinkHandle) -> Option<(MovedLink, bool)> {
        let journal = self.call.journal.borrow();
        let journal = journal.as_ref()?;
        let records = journal.open_records(0).into_iter();
        let mut of_link = records.filter(|(_, record)| record.index == Some(link.index));
        let moved = of_link.find_map(|(_, record)| {
            let Undo::MovedLink(moved) = record.undo else { return None };
            Some(moved)
        })?;
        let here = self.kernel().netns(link.role) == Some(moved.at.netns);
        (here && moved.at.role == link.role).then(|| (moved, journal.complete()))
    }

    /// The first link of a device that is in the host-netns.
    fn link_of(&self, device: &Device) -> Result<Option<Link>> {
        for name in self.sysfs()?.links_of(device)? {
            if let Some(link) = self.kernel().link_by_name(Role::Host, &name)? {
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    fn sysfs(&self) -> Result<Sysfs> {
        Ok(Sysfs::open(&self.call.directories.sysfs)?)
    }
}
