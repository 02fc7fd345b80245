//! What an attachment changed, written down before each change, so that it can be taken back.
//!
//! One file per attachment and plugin, `<run>/attachments/<network>/<container>:<ifname>:<plugin>`,
//! in lines of JSON. A record is written before its act; a process that is killed leaves at most one
//! record of something that did not happen, and undoing that finds nothing to do. The directory is
//! gone at reboot, as the kernel's objects are. See `docs/decisions/0003-journal.md`.

mod directory;
mod file;
mod moved;
mod undo;

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::kernel::{
    AddressSpec, Admission, IfIndex, LinkChange, Masquerade, NetnsId, PortChange, PortMapping,
    Role, RouteSpec, RuleSpec, SpoofGuard, SysctlKey, VlanEntry, Way, ZoneSource,
};
use crate::names::{IfName, Mac, PluginName};

pub use directory::Journals;
pub use file::{Journal, JournalError};
pub use moved::MovedLink;
pub use undo::{Reservations, Undoing};

/// A network namespace as a journal knows it: a path may come to mean another one, an identity not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its part in the call that wrote the record.
    pub role: Role,
    /// Its identity.
    pub netns: NetnsId,
}

/// The inverse of one act, with what identifies its object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// Delete a link that was made.
    Link {
        /// Where.
        at: Place,
        /// Its name.
        name: IfName,
        /// The address that it was made with: known before it is made, as the index is not.
        mac: Mac,
    },
    /// Give a link back that was taken from the other namespace.
    MovedLink(MovedLink),
    /// Take an address from a link that was there before.
    Address {
        /// Where.
        at: Place,
        /// The link.
        link: IfIndex,
        /// The address.
        address: IpNet,
    },
    /// Delete a route over a link that was there before.
    Route {
        /// Where.
        at: Place,
        /// The route.
        route: RouteSpec,
    },
    /// Add a route that was deleted.
    DeletedRoute {
        /// Where.
        at: Place,
        /// The route.
        route: RouteSpec,
    },
    /// Delete a rule.
    Rule {
        /// Where.
        at: Place,
        /// The rule.
        rule: RuleSpec,
    },
    /// Add a rule that was deleted.
    DeletedRule {
        /// Where.
        at: Place,
        /// The rule.
        rule: RuleSpec,
    },
    /// Give a link its former master back, and what it lost by changing it.
    Master {
        /// Where.
        at: Place,
        /// The link.
        link: IfIndex,
        /// Its former master.
        back: Option<IfIndex>,
        /// Its addresses then.
        addresses: Vec<AddressSpec>,
        /// Its routes then, but for those that the kernel makes.
        routes: Vec<RouteSpec>,
    },
    /// Set an attribute of a link back.
    LinkChange {
        /// Where.
        at: Place,
        /// The link.
        link: IfIndex,
        /// The change that sets it back.
        back: LinkChange,
    },
    /// Set a bridge port back.
    Port {
        /// Where.
        at: Place,
        /// The port.
        link: IfIndex,
        /// The change that sets it back.
        back: PortChange,
    },
    /// Take VLANs from a link that was there before.
    Vlan {
        /// Where.
        at: Place,
        /// The link.
        link: IfIndex,
        /// The VLANs.
        vlan: VlanEntry,
    },
    /// Give a link VLANs back.
    DeletedVlan {
        /// Where.
        at: Place,
        /// The link.
        link: IfIndex,
        /// The VLANs.
        vlan: VlanEntry,
    },
    /// Write a sysctl's former value.
    Sysctl {
        /// Where.
        at: Place,
        /// The key.
        key: SysctlKey,
        /// The former value.
        back: String,
    },
    /// Remove a masquerade entry.
    Masquerade(Masquerade),
    /// Remove a spoof guard.
    SpoofGuard(SpoofGuard),
    /// Remove an admission.
    Admission(Admission),
    /// Remove an address from a zone of firewalld.
    ZoneSource(ZoneSource),
    /// Take a limit of bandwidth from a link.
    Limit {
        /// Where.
        at: Place,
        /// The link.
        link: IfIndex,
        /// Which of its limits.
        way: Way,
    },
    /// Close port mappings.
    PortMappings(Vec<PortMapping>),
    /// Release an address.
    Reservation {
        /// The data directory, without the network's name.
        data_dir: PathBuf,
        /// The address.
        address: std::net::IpAddr,
    },
    /// Run DEL of a native delegate.
    Native {
        /// Its CNI type.
        plugin: PluginName,
        /// The configuration that it was given, if that was not the call's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        configuration: Option<String>,
    },
    /// Remove the saved configuration of a delegate.
    SavedConfiguration {
        /// The directory that it is in.
        data_dir: PathBuf,
    },
}

impl Undo {
    /// The link whose ports may come to count on what was done: it stays while there are some. Of all else
    /// that is shared only calls under way could.
    pub fn counted_on(&self) -> Option<(Place, IfIndex)> {
        match self {
            Self::Address { at, link, .. }
            | Self::LinkChange { at, link, back: LinkChange::Down }
            | Self::Vlan { at, link, .. } => Some((*at, *link)),
            Self::Link { .. }
            | Self::MovedLink(_)
            | Self::Route { .. }
            | Self::DeletedRoute { .. }
            | Self::Rule { .. }
            | Self::DeletedRule { .. }
            | Self::Master { .. }
            | Self::LinkChange { .. }
            | Self::Port { .. }
            | Self::DeletedVlan { .. }
            | Self::Sysctl { .. }
            | Self::Limit { .. }
            | Self::Masquerade(_)
            | Self::SpoofGuard(_)
            | Self::PortMappings(_)
            | Self::Admission(_)
            | Self::ZoneSource(_)
            | Self::Reservation { .. }
            | Self::Native { .. }
            | Self::SavedConfiguration { .. } => None,
        }
    }

    /// Where its object is, if it is in a namespace.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Link { at, .. }
            | Self::Address { at, .. }
            | Self::Route { at, .. }
            | Self::DeletedRoute { at, .. }
            | Self::Rule { at, .. }
            | Self::DeletedRule { at, .. }
            | Self::Master { at, .. }
            | Self::LinkChange { at, .. }
            | Self::Port { at, .. }
            | Self::Vlan { at, .. }
            | Self::DeletedVlan { at, .. }
            | Self::Sysctl { at, .. }
            | Self::Limit { at, .. } => Some(*at),
            Self::MovedLink(moved) => Some(moved.at),
            Self::Masquerade(_)
            | Self::SpoofGuard(_)
            | Self::PortMappings(_)
            | Self::Admission(_)
            | Self::ZoneSource(_)
            | Self::Reservation { .. }
            | Self::Native { .. }
            | Self::SavedConfiguration { .. } => None,
        }
    }
}

/// Whose the changed object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// The attachment's alone: taken back when it goes.
    Own,
    /// The container's: taken back when the attachment goes, unless others of the container count on it. A
    /// link (a VRF) stays while something is enslaved to it, anything else (a sysctl that is not of the
    /// attachment's interface) while the container has another attachment.
    Container,
    /// Of use to other attachments too (a bridge, forwarding; in a container, its sysctls): taken back only
    /// when the ADD that made it did not succeed, and nobody else has come to use it meanwhile.
    Shared,
}

/// An act as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How to take it back.
    pub undo: Undo,
    /// Whose the object is.
    pub sharing: Sharing,
    /// Of a link: its index, once it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<IfIndex>,
    /// Of something shared that hangs on a link: the ports that the link had before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<IfIndex>,
}

/// Number of a record within its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordId(usize);
