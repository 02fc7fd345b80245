//! Taking back what a journal tells, the latest first.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::{Journal, Place, Record, Sharing, Undo};
use crate::kernel::{
    AddressSpec, BIRTH_NAME, Errno, IfIndex, Kernel, KernelError, Link, LinkChange, Role,
    RouteSpec, Way,
};
use crate::names::{Attachment, PluginName};

/// How long firewalld may take to remove one address: it writes its rules anew.
const FIREWALLD_PATIENCE: Duration = Duration::from_secs(10);

/// What undoing needs of address management and of native delegates.
pub trait Reservations {
    /// Releases an address if the attachment holds it. Not held: success.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn release(
        &mut self,
        data_dir: &Path,
        attachment: &Attachment,
        address: IpAddr,
    ) -> Result<(), String>;

    /// Runs DEL of a native delegate, with the call's own configuration unless it had another.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn native_del(&mut self, plugin: &PluginName, conf: Option<&str>) -> Result<(), String>;

    /// Removes the saved configuration of the attachment's delegate. None there: success.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn remove_saved(&mut self, data_dir: &Path, attachment: &Attachment) -> Result<(), String>;
}

/// One undoing.
pub struct Undoing<'a> {
    /// The kernel, past the gate: what is taken back was allowed when it was made.
    pub kernel: &'a mut dyn Kernel,
    /// Address management.
    pub reservations: &'a mut dyn Reservations,
    /// Whether shared things are taken back too: the ADD did not succeed and no other call is
    /// running on the node.
    pub shared: bool,
    /// No other attachment is on this node: node-wide settings serve nobody else.
    pub alone: bool,
    /// The ADD did not succeed, and the container has no other attachment: what its attachments share is
    /// taken back too.
    pub container: bool,
    /// The container has no other attachment, whatever came of the ADD.
    pub last: bool,
}

/// When a record is taken back.
#[derive(Debug, Clone, Copy)]
struct Stage {
    /// The ADD that did it succeeded.
    standing: bool,
    /// All that came after it has been taken back.
    whole: bool,
}

impl std::fmt::Debug for Undoing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Undoing");
        shown.field("shared", &self.shared).field("alone", &self.alone);
        shown.field("container", &self.container).field("last", &self.last).finish()
    }
}

impl Undoing<'_> {
    /// Takes back what is open in the journal since record `from`, and goes on after failures;
    /// returns them.
    ///
    /// What is shared comes last: while the attachment's own port is on a bridge, the bridge is in use.
    pub fn run(&mut self, journal: &mut Journal, from: usize) -> Vec<String> {
        let mut failures = Vec::new();
        let standing = journal.complete();
        let open = journal.open_records(from);
        let (own, shared): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(_, record)| record.sharing == Sharing::Own);
        for (id, record) in own.into_iter().chain(shared) {
            if !self.is_due(&record) {
                continue;
            }
            let stage = Stage { standing, whole: failures.is_empty() };
            match self.one(&record, journal.attachment(), stage) {
                Ok(()) => journal.undone(id),
                Err(e) => failures.push(e),
            }
        }
        failures
    }

    fn is_due(&mut self, record: &Record) -> bool {
        match (record.sharing, record.undo.place().map(|at| at.role)) {
            (Sharing::Own, _) => true,
            (Sharing::Container, _) => {
                let Undo::Link { at, name, .. } = &record.undo else { return self.last };
                let named = || Some(self.kernel.link_by_name(at.role, name).ok()??.index);
                let index = record.index.or_else(named);
                index.is_none_or(|index| self.has_no_ports(at.role, index))
            }
            (Sharing::Shared, Some(Role::Container)) => self.container,
            (Sharing::Shared, Some(Role::Host) | None) => self.shared && self.unused(record),
        }
    }

    fn one(
        &mut self,
        record: &Record,
        attachment: &Attachment,
        stage: Stage,
    ) -> Result<(), String> {
        match &record.undo {
            Undo::Reservation { data_dir, address } => {
                self.reservations.release(data_dir, attachment, *address)
            }
            Undo::Native { plugin, configuration } => {
                self.reservations.native_del(plugin, configuration.as_deref())
            }
            Undo::SavedConfiguration { data_dir } => {
                self.reservations.remove_saved(data_dir, attachment)
            }
            Undo::Masquerade(entry) => said(self.kernel.masquerade_delete(entry)),
            Undo::SpoofGuard(guard) => said(self.kernel.spoof_guard_delete(guard)),
            Undo::MovedLink(moved) => {
                said(tolerate_gone(moved.take_back(self.kernel, record.index, stage.standing)))
            }
            Undo::PortMappings(mappings) => said(self.kernel.port_map_delete(mappings)),
            Undo::Admission(entry) => said(self.kernel.admission_delete(entry)),
            Undo::ZoneSource(source) => {
                said(self.kernel.zone_source_delete(source, FIREWALLD_PATIENCE))
            }
            Undo::Link { at, .. }
            | Undo::Address { at, .. }
            | Undo::Route { at, .. }
            | Undo::DeletedRoute { at, .. }
            | Undo::Rule { at, .. }
            | Undo::DeletedRule { at, .. }
            | Undo::Master { at, .. }
            | Undo::LinkChange { at, .. }
            | Undo::Port { at, .. }
            | Undo::Vlan { at, .. }
            | Undo::DeletedVlan { at, .. }
            | Undo::Sysctl { at, .. }
            | Undo::Limit { at, .. } => {
                if self.kernel.netns(at.role) == Some(at.netns) {
                    said(tolerate_gone(self.in_kernel(record, *at, stage.whole)))
                } else {
                    // The namespace went, and all that was in it; or this call cannot reach it.
                    Ok(())
                }
            }
        }
    }

    fn in_kernel(&mut self, record: &Record, at: Place, whole: bool) -> Result<(), KernelError> {
        let role = at.role;
        match &record.undo {
            Undo::Link { name, mac, .. } => self.delete_link(role, record.index, name, *mac),
            Undo::Address { link, address, .. } => {
                let spec = AddressSpec { address: *address, nodad: false };
                self.kernel.addr_delete(role, *link, &spec)
            }
            Undo::Route { route, .. } => self.kernel.route_delete(role, route),
            Undo::DeletedRoute { route, .. } => self.give_route_back(role, route, whole),
            Undo::Rule { rule, .. } => self.kernel.rule_delete(role, rule),
            Undo::DeletedRule { rule, .. } => self.kernel.rule_add(role, rule),
            Undo::Master { link, back, addresses, routes, .. } => {
                self.kernel.link_set(role, *link, &LinkChange::Master(*back))?;
                for address in addresses {
                    match self.kernel.addr_add(role, *link, address) {
                        Err(e) if e.errno == Errno::EEXIST => {}
                        other => other?,
                    }
                }
                routes.iter().try_for_each(|route| self.give_route_back(role, route, whole))
            }
            Undo::LinkChange { link, back, .. } => self.kernel.link_set(role, *link, back),
            Undo::Port { link, back, .. } => self.kernel.bridge_port_set(role, *link, *back),
            Undo::Vlan { link, vlan, .. } => self.kernel.bridge_vlan_delete(role, *link, vlan),
            Undo::DeletedVlan { link, vlan, .. } => self.kernel.bridge_vlan_add(role, *link, vlan),
            Undo::Sysctl { key, back, .. } => self.kernel.sysctl_set(role, key, back),
            Undo::Limit { link, way: Way::Egress, .. } => self.kernel.bucket_delete(role, *link),
            Undo::Limit { link, way: Way::Ingress, .. } => self.kernel.redirect_delete(role, *link),
            Undo::MovedLink(_)
            | Undo::Masquerade(_)
            | Undo::SpoofGuard(_)
            | Undo::PortMappings(_)
            | Undo::Admission(_)
            | Undo::ZoneSource(_)
            | Undo::Reservation { .. }
            | Undo::Native { .. }
            | Undo::SavedConfiguration { .. } => Ok(()),
        }
    }

    /// A route that is there needs no giving back; another one in its place is an error. What others have made
    /// of its link or its gateway may not bear it any more: that is not ours to mend.
    fn give_route_back(
        &mut self,
        role: Role,
        route: &RouteSpec,
        whole: bool,
    ) -> Result<(), KernelError> {
        let Err(error) = self.kernel.route_add(role, route) else { return Ok(()) };
        let over = if error.errno == Errno::EEXIST {
            let routes = self.kernel.routes(role)?;
            routes.into_iter().any(|seen| RouteSpec::from(seen) == *route)
        } else {
            let unborne = [Errno::ENETDOWN, Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::EINVAL];
            whole && unborne.contains(&error.errno)
        };
        if over { Ok(()) } else { Err(error) }
    }

    /// Deletes the link if it is the one that was made: by its index; or, when the process was
    /// killed before it learned the index, by name and address together.
    fn delete_link(
        &mut self,
        role: Role,
        index: Option<IfIndex>,
        name: &crate::names::IfName,
        mac: crate::names::Mac,
    ) -> Result<(), KernelError> {
        let found = match index {
            Some(index) => self.kernel.link_by_index(role, index)?,
            None => self.unfinished(role, name, mac)?,
        };
        match found {
            Some(link) => self.kernel.link_delete(role, link.index),
            None => Ok(()),
        }
    }

    /// The link of a process that was killed before it learned the index, perhaps before the link had its
    /// own name.
    fn unfinished(
        &mut self,
        role: Role,
        name: &crate::names::IfName,
        mac: crate::names::Mac,
    ) -> Result<Option<Link>, KernelError> {
        let ours = |link: &Link| link.mac == Some(mac);
        if let Some(link) = self.kernel.link_by_name(role, name)?.filter(ours) {
            return Ok(Some(link));
        }
        let mut links = self.kernel.links(role)?.into_iter();
        Ok(links.find(|link| ours(link) && link.name.as_str().starts_with(BIRTH_NAME)))
    }

    /// Whether nobody else has come to use a shared thing.
    fn unused(&mut self, record: &Record) -> bool {
        let link = if let Undo::Link { at, .. } = &record.undo {
            record.index.map(|index| (*at, index))
        } else {
            record.undo.counted_on()
        };
        match link {
            // Who was there before came to count on nothing; who is still at it may.
            Some((at, link)) if self.alone => self.has_no_ports_but(&record.ports, at.role, link),
            Some((at, link)) => self.has_no_ports(at.role, link),
            None => self.alone,
        }
    }

    fn has_no_ports(&mut self, role: Role, link: IfIndex) -> bool {
        self.has_no_ports_but(&[], role, link)
    }

    fn has_no_ports_but(&mut self, known: &[IfIndex], role: Role, link: IfIndex) -> bool {
        match self.kernel.links(role) {
            Ok(links) => !links
                .iter()
                .any(|other| other.master == Some(link) && !known.contains(&other.index)),
            // Nothing is there any more.
            Err(e) => e.errno == Errno::ENOENT,
        }
    }
}

/// What is gone already needs no taking back.
fn tolerate_gone(done: Result<(), KernelError>) -> Result<(), KernelError> {
    match done {
        Err(e)
            if matches!(
                e.errno,
                Errno::ENODEV | Errno::ENOENT | Errno::ESRCH | Errno::EADDRNOTAVAIL
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn said(done: Result<(), KernelError>) -> Result<(), String> {
    done.map_err(|e| e.to_string())
}
