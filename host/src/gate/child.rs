//! Links that sit on another: ipvlan, macvlan, vlan; and dummies, which sit on none.

use super::link::{gone, handle, random_mac};
use super::{Gate, LinkHandle, Refusal, Result};
use crate::journal::Sharing;
use crate::kernel::{IpvlanMode, KindSpec, LinkSpec, MacvlanMode, Parent, Role};
use crate::names::{IfName, Mac};
use crate::policy::{Op, Value};

/// `RT_TABLE_MAIN`, rtnetlink(7).
const MAIN_TABLE: u32 = 254;

/// A link that a guest wants.
#[derive(Debug, Clone)]
pub struct NewChild {
    /// Its name.
    pub name: String,
    /// Octets.
    pub mtu: Option<u32>,
    /// `None`: ours or its parent's.
    pub mac: Option<Mac>,
    /// Its kind, with what that needs.
    pub kind: NewKind,
}

/// The kind of a [`NewChild`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "as KindSpec has them")]
pub enum NewKind {
    Dummy,
    Ipvlan { parent: LinkHandle, mode: IpvlanMode },
    Macvlan { parent: LinkHandle, mode: MacvlanMode, broadcast_queue: Option<u32> },
    Vlan { parent: LinkHandle, id: u16 },
}

/// Whose address a link has that was made without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    /// Its own: we choose it.
    Own,
    /// Its parent's, unless it is given another.
    Inherited,
    /// Its parent's, whatever it is given.
    Parents,
}

impl NewKind {
    fn word(&self) -> &'static str {
        match self {
            Self::Dummy => "dummy",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Macvlan { .. } => "macvlan",
            Self::Vlan { .. } => "vlan",
        }
    }

    /// How it shares its parent, as ip-link(8) has it.
    fn mode(&self) -> Option<&'static str> {
        match self {
            Self::Dummy | Self::Vlan { .. } => None,
            Self::Ipvlan { mode, .. } => Some(mode.word()),
            Self::Macvlan { mode, .. } => Some(mode.word()),
        }
    }

    fn parent(&self) -> Option<&LinkHandle> {
        match self {
            Self::Dummy => None,
            Self::Ipvlan { parent, .. }
            | Self::Macvlan { parent, .. }
            | Self::Vlan { parent, .. } => Some(parent),
        }
    }

    /// `ipvlan_link_new`, `macvlan_common_newlink`, `vlan_dev_init` in the kernel's drivers/net and net/8021q.
    fn address(&self) -> Address {
        match self {
            Self::Ipvlan { .. } | Self::Macvlan { mode: MacvlanMode::Passthru, .. } => {
                Address::Parents
            }
            Self::Vlan { .. } => Address::Inherited,
            Self::Dummy | Self::Macvlan { .. } => Address::Own,
        }
    }

    fn spec(&self) -> KindSpec {
        let at = |link: &LinkHandle| Parent { netns: link.role, index: link.index };
        match self {
            Self::Dummy => KindSpec::Dummy,
            Self::Ipvlan { parent, mode } => KindSpec::Ipvlan { parent: at(parent), mode: *mode },
            Self::Macvlan { parent, mode, broadcast_queue } => KindSpec::Macvlan {
                parent: at(parent),
                mode: *mode,
                broadcast_queue: *broadcast_queue,
            },
            Self::Vlan { parent, id } => KindSpec::Vlan { parent: at(parent), id: *id },
        }
    }
}

impl Gate {
    /// Makes a dummy, or a link on another, which may be in the other namespace.
    pub fn create_child(&mut self, role: Role, wanted: &NewChild) -> Result<LinkHandle> {
        let kind = &wanted.kind;
        let mut op = Op::new("link.create").in_netns(role).text("kind", kind.word());
        op = op.text("name", wanted.name.as_str());
        if let Some(parent) = kind.parent() {
            op = op.text("parent", parent.name.as_str()).text("parent-netns", word(parent.role));
        }
        if let NewKind::Vlan { id, .. } = kind {
            op = op.number("vlan", (*id).into());
        }
        if let Some(mode) = kind.mode() {
            op = op.text("mode", mode);
        }
        self.permit(&op)?;
        let name =
            IfName::try_from(wanted.name.as_str()).map_err(|e| Refusal::Invalid(e.to_string()))?;
        let (asked, known) = self.addresses(wanted)?;
        let spec = LinkSpec { name, mtu: wanted.mtu, mac: asked, kind: kind.spec() };
        let at = self.place(role)?;
        let link = self.create_with(at, &spec, known, Sharing::Own, &[])?;
        Ok(handle(role, link))
    }

    /// The address to ask for, and the one that the link will have, for the journal.
    fn addresses(&self, wanted: &NewChild) -> Result<(Option<Mac>, Mac)> {
        match (wanted.kind.address(), wanted.mac) {
            (Address::Parents, Some(mac)) => {
                let (kind, name) = (wanted.kind.word(), &wanted.name);
                Err(Refusal::Invalid(format!(
                    "creating {kind} {name:?} with MAC {mac}: it has its parent's"
                )))
            }
            (Address::Own | Address::Inherited, Some(mac)) => Ok((Some(mac), mac)),
            (Address::Own, None) => random_mac().map(|mac| (Some(mac), mac)),
            (Address::Inherited | Address::Parents, None) => {
                let Some(parent) = wanted.kind.parent() else {
                    return random_mac().map(|mac| (Some(mac), mac));
                };
                let seen = self.kernel().link_by_index(parent.role, parent.index)?;
                let seen = seen.ok_or_else(|| gone("reading", parent))?;
                let none = || format!("link {:?} has no Ethernet address", seen.name.as_str());
                Ok((None, seen.mac.ok_or_else(|| Refusal::Invalid(none()))?))
            }
        }
    }

    /// Whether a default route of a namespace's main table leaves by the link of this name.
    pub(super) fn leads_out(&self, role: Role, name: &str) -> bool {
        let Ok(name) = IfName::try_from(name) else { return false };
        let known = |(at, way): &(Role, IfName)| *at == role && *way == name;
        if self.ways_out.borrow().iter().any(known) {
            return true;
        }
        let mut kernel = self.kernel();
        let Ok(Some(link)) = kernel.link_by_name(role, &name) else { return false };
        let Ok(routes) = kernel.routes(role) else { return false };
        let leads = routes.iter().any(|route| {
            route.destination.prefix_len() == 0
                && route.table == MAIN_TABLE
                && route.link == Some(link.index)
        });
        if leads {
            self.ways_out.borrow_mut().push((role, name));
        }
        leads
    }
}

/// The namespace in which an act's `parent` is, or the act's own.
pub(super) fn parents_netns(op: &Op) -> Role {
    match op.value("parent-netns") {
        Some(Value::Text(text)) if text == word(Role::Container) => Role::Container,
        Some(_) => Role::Host,
        None => op.netns.unwrap_or(Role::Host),
    }
}

/// As grants name it.
fn word(role: Role) -> &'static str {
    match role {
        Role::Container => "container",
        Role::Host => "host",
    }
}
