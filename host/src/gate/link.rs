//! Links: finding, making, changing, deleting.

use super::{Gate, LinkHandle, Refusal, Result};
use crate::journal::{Place, Sharing, Undo};
use crate::kernel::{Errno, IfIndex, KindSpec, Link, LinkChange, LinkSpec, Role, SysctlKey};
use crate::names::{IfName, Mac};
use crate::policy::Op;

/// How often a random name may turn out to be taken.
const NAME_TRIES: u32 = 10;

/// A veth pair that a guest wants.
#[derive(Debug, Clone)]
pub struct NewVeth {
    /// Name of the near end.
    pub name: String,
    /// Octets, for both ends.
    pub mtu: Option<u32>,
    /// Address of the near end.
    pub mac: Option<Mac>,
    /// Name of the far end; `None`: a random one.
    pub peer: Option<String>,
}

/// A bridge that a guest wants.
#[derive(Debug, Clone)]
pub struct NewBridge {
    /// Its name.
    pub name: String,
    /// Octets.
    pub mtu: Option<u32>,
    /// Filter by VLAN from the start.
    pub vlan_filtering: bool,
}

impl Gate {
    /// Opens a namespace.
    pub fn enter_netns(&mut self, role: Role) -> Result<Role> {
        self.permit(&Op::new("netns.enter").in_netns(role))?;
        self.place(role)?;
        Ok(role)
    }

    /// The link of a name. A name that the kernel cannot have names no link.
    pub fn find_link(&mut self, role: Role, name: &str) -> Result<Option<LinkHandle>> {
        self.permit(&Op::new("link.read").in_netns(role).text("name", name))?;
        let Ok(name) = IfName::try_from(name) else { return Ok(None) };
        let found = self.kernel().link_by_name(role, &name)?;
        Ok(found.map(|link| handle(role, link)))
    }

    /// The link of an index.
    pub fn find_link_by_index(&mut self, role: Role, index: u32) -> Result<Option<LinkHandle>> {
        let found = self.kernel().link_by_index(role, IfIndex(index))?;
        let Some(link) = found else { return Ok(None) };
        self.permit_on(&handle(role, link.clone()), Op::new("link.read"))?;
        Ok(Some(handle(role, link)))
    }

    /// Facts about a link.
    pub fn link_info(&mut self, link: &LinkHandle) -> Result<Link> {
        self.permit_on(link, Op::new("link.read"))?;
        let found = self.kernel().link_by_index(link.role, link.index)?;
        found.ok_or_else(|| gone("reading", link))
    }

    /// Makes a veth pair; the end in the host netns takes no router advertisements.
    pub fn create_veth(
        &mut self,
        role: Role,
        wanted: &NewVeth,
        peer_role: Role,
    ) -> Result<(LinkHandle, LinkHandle)> {
        let name = self.may_create(role, "veth", &wanted.name)?;
        let mac = wanted.mac.map_or_else(random_mac, Ok)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let peer = match &wanted.peer {
                Some(peer) => peer.clone(),
                None => random_veth_name()?,
            };
            let peer = self.may_create(peer_role, "veth", &peer)?;
            match self.veth(role, &name, mac, wanted.mtu, peer_role, peer) {
                Err(Refusal::Kernel(e))
                    if e.errno == Errno::EEXIST
                        && wanted.peer.is_none()
                        && tries < NAME_TRIES
                        && self.kernel().link_by_name(role, &name)?.is_none() => {}
                other => return other,
            }
        }
    }

    fn veth(
        &mut self,
        role: Role,
        name: &IfName,
        mac: Mac,
        mtu: Option<u32>,
        peer_role: Role,
        peer: IfName,
    ) -> Result<(LinkHandle, LinkHandle)> {
        let peer_mac = random_mac()?;
        let (near, far) = (self.place(role)?, self.place(peer_role)?);
        let kind =
            KindSpec::Veth { peer: peer.clone(), peer_netns: peer_role, peer_mac: Some(peer_mac) };
        let spec = LinkSpec { name: name.clone(), mtu, mac: Some(mac), kind };
        // A pair that is wholly the node's (a bridge's VLAN gateway) serves other attachments too.
        let nodes = role == Role::Host && peer_role == Role::Host;
        let sharing = if nodes { Sharing::Shared } else { Sharing::Own };
        let link = self.create(near, &spec, sharing, &[(far, peer.clone(), peer_mac)])?;
        let far_index =
            link.parent.ok_or_else(|| Refusal::Invalid("a veth without a peer".into()))?;
        let ends =
            (handle(role, link), LinkHandle { role: peer_role, index: far_index, name: peer });
        for end in [&ends.0, &ends.1] {
            if end.role == Role::Host {
                self.refuse_advertisements(end)?;
            }
        }
        Ok(ends)
    }

    /// `sysctl -w net/ipv6/conf/<link>/accept_ra=0`: a container must not be able to give the node
    /// routes (CVE-2020-10749). A kernel without IPv6 has no such key.
    fn refuse_advertisements(&mut self, link: &LinkHandle) -> Result<()> {
        let key = SysctlKey::try_from(format!("net/ipv6/conf/{}/accept_ra", link.name))
            .map_err(|e| Refusal::Invalid(e.to_string()))?;
        match self.act_on_own(|kernel| kernel.sysctl_set(link.role, &key, "0")) {
            Err(Refusal::Kernel(e)) if e.errno == Errno::ENOENT => Ok(()),
            other => other,
        }
    }

    /// Makes a bridge.
    pub fn create_bridge(&mut self, role: Role, wanted: &NewBridge) -> Result<LinkHandle> {
        let name = self.may_create(role, "bridge", &wanted.name)?;
        let at = self.place(role)?;
        let spec = LinkSpec {
            name,
            mtu: wanted.mtu,
            mac: Some(random_mac()?),
            kind: KindSpec::Bridge { vlan_filtering: wanted.vlan_filtering },
        };
        let link = self.create(at, &spec, Sharing::Shared, &[])?;
        Ok(handle(role, link))
    }

    pub(super) fn may_create(&self, role: Role, kind: &str, name: &str) -> Result<IfName> {
        self.may_create_with(role, kind, name, |op| op)
    }

    /// Permission to make a link of a kind that grants narrow by more than its name.
    pub(super) fn may_create_with(
        &self,
        role: Role,
        kind: &str,
        name: &str,
        more: impl FnOnce(Op) -> Op,
    ) -> Result<IfName> {
        let op = Op::new("link.create").in_netns(role).text("kind", kind).text("name", name);
        self.permit(&more(op))?;
        IfName::try_from(name).map_err(|e| Refusal::Invalid(e.to_string()))
    }

    /// Makes a link whose name is free, and its further ends with it.
    pub(super) fn create(
        &mut self,
        at: Place,
        spec: &LinkSpec,
        sharing: Sharing,
        ends: &[(Place, IfName, Mac)],
    ) -> Result<Link> {
        let mac = spec.mac.ok_or_else(|| Refusal::Invalid("a link without an address".into()))?;
        self.create_with(at, spec, mac, sharing, ends)
    }

    /// The same of a link that will have this address, chosen by us or not.
    pub(super) fn create_with(
        &mut self,
        at: Place,
        spec: &LinkSpec,
        mac: Mac,
        sharing: Sharing,
        ends: &[(Place, IfName, Mac)],
    ) -> Result<Link> {
        let mut journal = self.call.journal.borrow_mut();
        let journal = journal.as_mut().ok_or_else(|| {
            Refusal::Invalid("making links is for add and del, not for this verb".into())
        })?;
        let mut ids = vec![journal.will(Undo::Link { at, name: spec.name.clone(), mac }, sharing)?];
        for (place, name, mac) in ends {
            let undo = Undo::Link { at: *place, name: name.clone(), mac: *mac };
            ids.push(journal.will(undo, sharing)?);
        }
        match self.call.kernel.borrow_mut().link_create(at.role, spec) {
            Ok(link) => {
                for (id, index) in ids.iter().zip([Some(link.index), link.parent]) {
                    if let Some(index) = index {
                        journal.made(*id, index)?;
                    }
                }
                Ok(link)
            }
            Err(e) => {
                if super::certain(e.errno) {
                    for id in ids {
                        journal.not_done(id)?;
                    }
                }
                Err(e.into())
            }
        }
    }

    /// Changes an attribute of a link, of one's own freely, of others' with a grant for `op`.
    pub fn set_link(
        &mut self,
        link: &LinkHandle,
        op: &'static str,
        change: LinkChange,
    ) -> Result<()> {
        let mut wanted = Op::new(op);
        if let LinkChange::Mtu(mtu) = &change {
            wanted = wanted.number("mtu", *mtu);
        }
        if let LinkChange::Mac(mac) = &change {
            wanted = wanted.in_netns(link.role).text("name", link.name.as_str());
            self.permit_unless_own(link, wanted.text("mac", mac.to_string()))?;
        } else {
            self.permit_on(link, wanted)?;
        }
        self.change_link(link, change)
    }

    /// Enslaves a link; always by grant, since it concerns the master too.
    pub fn set_master(&mut self, link: &LinkHandle, master: &LinkHandle) -> Result<()> {
        let op = Op::new("link.set-master").in_netns(link.role);
        self.permit(&op.text("name", link.name.as_str()).text("master", master.name.as_str()))?;
        if link.role != master.role {
            let text =
                format!("{:?} is in {}, its master {:?} is not", link.name, link.role, master.name);
            return Err(Refusal::Invalid(text));
        }
        self.change_master(link, Some(master.index))
    }

    fn change_link(&mut self, link: &LinkHandle, change: LinkChange) -> Result<()> {
        if self.own(link) {
            return self.act_on_own(|kernel| kernel.link_set(link.role, link.index, &change));
        }
        let Some(back) = self.way_back(link, &change)? else { return Ok(()) };
        let undo = Undo::LinkChange { at: self.place(link.role)?, link: link.index, back };
        // A link that goes down loses its routes and its IPv6 addresses. They come back when it is up again.
        let lost = if change == LinkChange::Down { Some(self.as_it_is(link)?) } else { None };
        let undos = lost.into_iter().chain([undo]).map(|undo| (undo, Self::sharing(link)));
        self.act(undos, |kernel| kernel.link_set(link.role, link.index, &change))
    }

    /// The change that sets a link back; `None` when it is as wanted already.
    fn way_back(&self, link: &LinkHandle, change: &LinkChange) -> Result<Option<LinkChange>> {
        let seen = self.kernel().link_by_index(link.role, link.index)?;
        let seen = seen.ok_or_else(|| gone("changing", link))?;
        let back = match change {
            LinkChange::Up if seen.up => None,
            LinkChange::Up => Some(LinkChange::Down),
            LinkChange::Down => seen.up.then_some(LinkChange::Up),
            LinkChange::Mtu(mtu) => (seen.mtu != *mtu).then_some(LinkChange::Mtu(seen.mtu)),
            LinkChange::Mac(_) => {
                let mac = seen.mac.ok_or_else(|| gone("changing", link))?;
                // Such as the loopback device's: the kernel gives no device an address like that.
                if mac.bytes() == [0; 6] {
                    let text = format!("the address of {:?} could not be set back", link.name);
                    return Err(Refusal::Invalid(text));
                }
                Some(LinkChange::Mac(mac))
            }
            LinkChange::Promisc(on) => (seen.promisc != *on).then_some(LinkChange::Promisc(!on)),
            LinkChange::Master(_) => Some(LinkChange::Master(seen.master)),
            LinkChange::Alias(_) => Some(LinkChange::Alias(seen.alias.unwrap_or_default())),
            LinkChange::Name(_) => Some(LinkChange::Name(seen.name)),
            LinkChange::AllMulticast(on) => {
                (seen.all_multicast != *on).then_some(LinkChange::AllMulticast(!on))
            }
            LinkChange::TxQueueLength(packets) => (seen.tx_queue_length != *packets)
                .then_some(LinkChange::TxQueueLength(seen.tx_queue_length)),
            LinkChange::Netns(_) => {
                return Err(Refusal::Invalid("this host offers no such change of a link".into()));
            }
        };
        Ok(back)
    }

    /// Waits until a link is up.
    pub fn wait_up(&mut self, link: &LinkHandle, timeout_ms: u32) -> Result<()> {
        self.permit_on(link, Op::new("link.read"))?;
        let patience = self.patience(timeout_ms);
        Ok(self.kernel().link_wait_up(link.role, link.index, patience)?)
    }

    /// Deletes a link.
    pub fn delete_link(&mut self, link: &LinkHandle) -> Result<()> {
        self.permit_on(link, Op::new("link.delete"))?;
        let seen = self.kernel().link_by_index(link.role, link.index)?;
        // Of other kinds it is the lower device, which stays.
        let peer = seen.filter(|seen| seen.kind == "veth").and_then(|seen| seen.parent);
        self.act([], |kernel| kernel.link_delete(link.role, link.index))?;
        // Both ends of a veth went. The peer's index tells nothing of a link of the same namespace.
        self.removed(|record| {
            let Undo::Link { at, .. } = &record.undo else { return false };
            let gone = if at.role == link.role { Some(link.index) } else { peer };
            record.index.is_some() && record.index == gone
        });
        Ok(())
    }
}

pub(super) fn handle(role: Role, link: Link) -> LinkHandle {
    LinkHandle { role, index: link.index, name: link.name }
}

pub(super) fn gone(act: &str, link: &LinkHandle) -> Refusal {
    let act = format!("{act} link {:?} in {}", link.name.as_str(), link.role);
    crate::kernel::KernelError::new(act, Errno::ENODEV).into()
}

/// A unicast address of local administration: the two low bits of the first octet are 1 and 0.
pub(super) fn random_mac() -> Result<Mac> {
    let [a, b, c, d, e, f] = random()?;
    Ok(Mac::from([(a & 0xfc) | 0x02, b, c, d, e, f]))
}

/// `veth` and eight hexadecimal digits, as the reference plugins name theirs.
fn random_veth_name() -> Result<String> {
    Ok(format!("veth{:08x}", u32::from_ne_bytes(random()?)))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Refusal::Invalid(format!("getting random octets: {e}")))?;
    Ok(bytes)
}
