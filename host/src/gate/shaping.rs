//! Limits of bandwidth.

use sha2::{Digest, Sha256, Sha512};

use super::link::{gone, handle};
use super::{Gate, LinkHandle, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{
    Errno, IfIndex, KernelError, KindSpec, Link, LinkChange, LinkSpec, Role, TokenBucket, Way,
};
use crate::names::IfName;
use crate::policy::Op;

/// Hexadecimal digits of a hash in the name of an ifb: with three letters, all that a name may have.
const DIGITS: usize = 12;

impl Gate {
    /// Limits what leaves by a link.
    pub fn limit_egress(&mut self, link: &LinkHandle, rate: u64, burst: u64) -> Result<()> {
        let bucket = self.may_limit(link, rate, burst)?;
        let undo = Undo::Limit { at: self.place(link.role)?, link: link.index, way: Way::Egress };
        self.act([(undo, Sharing::Own)], |kernel| kernel.bucket_add(link.role, link.index, &bucket))
    }

    /// Limits what comes in by a link. The ifb is ready before anything is sent to it.
    pub fn limit_ingress(
        &mut self,
        link: &LinkHandle,
        rate: u64,
        burst: u64,
    ) -> Result<LinkHandle> {
        let bucket = self.may_limit(link, rate, burst)?;
        let at = self.place(link.role)?;
        let seen = self.kernel().link_by_index(link.role, link.index)?;
        let mtu = seen.ok_or_else(|| gone("limiting", link))?.mtu;
        let (name, mac) = (self.ifb_name()?, super::link::random_mac()?);
        let spec = LinkSpec { name, mtu: Some(mtu), mac: Some(mac), kind: KindSpec::Ifb };
        let ifb = handle(at.role, self.create(at, &spec, Sharing::Own, &[])?);
        self.act_on_own(|kernel| kernel.bucket_add(ifb.role, ifb.index, &bucket))?;
        self.act_on_own(|kernel| kernel.link_set(ifb.role, ifb.index, &LinkChange::Up))?;
        let undo = Undo::Limit { at, link: link.index, way: Way::Ingress };
        self.act([(undo, Sharing::Own)], |kernel| {
            kernel.redirect_add(link.role, link.index, ifb.index)
        })?;
        Ok(ifb)
    }

    /// In which way a link is not limited as asked; `None`: it is.
    pub fn limit_difference(
        &mut self,
        link: &LinkHandle,
        way: Way,
        rate: u64,
        burst: u64,
    ) -> Result<Option<String>> {
        let wanted = self.may_limit(link, rate, burst)?;
        let seen = self.kernel().shaping(link.role, link.index)?;
        Ok(match way {
            Way::Egress => difference(&link.name, seen.bucket, wanted),
            Way::Ingress => match seen.redirect {
                None => {
                    Some(format!("nothing redirects what comes in by {:?}", link.name.as_str()))
                }
                Some(to) => self.ifb_difference(link, to, wanted)?,
            },
        })
    }

    fn ifb_difference(
        &self,
        link: &LinkHandle,
        to: IfIndex,
        wanted: TokenBucket,
    ) -> Result<Option<String>> {
        // No link has the number 0: it stands for one that is gone.
        let ifb = match to {
            IfIndex(0) => None,
            index => self.kernel().link_by_index(link.role, index)?,
        };
        let Some(ifb) = ifb.filter(|ifb| ifb.kind == "ifb") else {
            let name = link.name.as_str();
            return Ok(Some(format!("what comes in by {name:?} is lost: its ifb is gone")));
        };
        if !ifb.up {
            return Ok(Some(format!("{:?} is down", ifb.name.as_str())));
        }
        let seen = self.kernel().shaping(link.role, to)?;
        Ok(difference(&ifb.name, seen.bucket, wanted))
    }

    /// Removes this attachment's limits: by the journal, and its ifb by name. Without a journal the
    /// reference plugin may have made the ifb.
    pub fn clear_limits(&mut self) -> Result<()> {
        let known = self.journaled(|undo| {
            let Undo::Limit { at, link, way } = undo else { return None };
            Some((*at, *link, *way))
        });
        let ours = self.ifb_name()?;
        let names = match &known {
            Some(_) => vec![ours],
            None => vec![ours, self.reference_ifb_name()?],
        };
        for (at, link, way) in known.into_iter().flatten() {
            if self.kernel().netns(at.role) == Some(at.netns) {
                let done = self.act([], |kernel| match way {
                    Way::Egress => kernel.bucket_delete(at.role, link),
                    Way::Ingress => kernel.redirect_delete(at.role, link),
                });
                unless_gone(done)?;
            }
            self.removed(|record| record.undo == Undo::Limit { at, link, way });
        }
        for name in names {
            let found = self.kernel().link_by_name(Role::Host, &name)?;
            let Some(ifb) = found.filter(|link| link.kind == "ifb") else { continue };
            self.delete_ifb(&ifb)?;
        }
        Ok(())
    }

    fn delete_ifb(&mut self, ifb: &Link) -> Result<()> {
        unless_gone(self.act([], |kernel| kernel.link_delete(Role::Host, ifb.index)))?;
        self.removed(|record| {
            matches!(&record.undo, Undo::Link { at, .. } if at.role == Role::Host)
                && record.index == Some(ifb.index)
        });
        Ok(())
    }

    fn may_limit(&self, link: &LinkHandle, rate: u64, burst: u64) -> Result<TokenBucket> {
        let op = Op::new("shaping.limit").in_netns(link.role);
        self.permit(&op.text("name", link.name.as_str()))?;
        if link.role != Role::Host {
            let text = format!("limiting {:?}: it is no link of the node", link.name.as_str());
            return Err(Refusal::Invalid(text));
        }
        TokenBucket::of_bits(rate, burst).map_err(Refusal::Invalid)
    }

    /// `ifb` and a hash of the attachment's three names: one for each interface of a container.
    fn ifb_name(&self) -> Result<IfName> {
        let attachment = self.attachment()?;
        let mut digest = Sha256::new();
        for name in [
            attachment.network.as_str(),
            attachment.container_id.as_str(),
            attachment.ifname.as_str(),
        ] {
            digest.update(name.len().to_be_bytes());
            digest.update(name);
        }
        name_of("ifb", &digest.finalize())
    }

    /// The reference plugin's name for it: `bwp` and a hash of network and container.
    fn reference_ifb_name(&self) -> Result<IfName> {
        let attachment = self.attachment()?;
        let mut digest = Sha512::new();
        digest.update(attachment.network.as_str());
        digest.update(attachment.container_id.as_str());
        name_of("bwp", &digest.finalize())
    }
}

fn name_of(prefix: &str, hash: &[u8]) -> Result<IfName> {
    let digits: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
    let digits = digits.get(..DIGITS).unwrap_or_default();
    let name = format!("{prefix}{digits}");
    IfName::try_from(name.as_str()).map_err(|e| Refusal::Invalid(e.to_string()))
}

fn difference(name: &IfName, seen: Option<TokenBucket>, wanted: TokenBucket) -> Option<String> {
    let name = name.as_str();
    match seen {
        None => Some(format!("{name:?} has no token bucket")),
        Some(seen) if seen == wanted => None,
        Some(seen) => Some(format!("the token bucket of {name:?} has {seen}, not {wanted}")),
    }
}

fn unless_gone(done: Result<()>) -> Result<()> {
    match done {
        Err(Refusal::Kernel(KernelError { errno: Errno::ENODEV | Errno::ENOENT, .. })) => Ok(()),
        other => other,
    }
}
