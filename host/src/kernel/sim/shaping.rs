//! Token buckets and redirections of links.

use super::super::{Errno, IfIndex, Shaping, TokenBucket};
use super::state::{Answer, NetnsKey, Node};

impl Node {
    pub(super) fn bucket_add(
        &mut self,
        netns: NetnsKey,
        link: IfIndex,
        bucket: TokenBucket,
    ) -> Answer<()> {
        let id = self.find(netns, link)?;
        let device = self.dev_mut(id)?;
        if device.bucket.is_some() {
            return Err(Errno::EEXIST);
        }
        device.bucket = Some(bucket);
        Ok(())
    }

    pub(super) fn bucket_delete(&mut self, netns: NetnsKey, link: IfIndex) -> Answer<()> {
        let id = self.find(netns, link)?;
        self.dev_mut(id)?.bucket.take().map(|_| ()).ok_or(Errno::ENOENT)
    }

    pub(super) fn redirect_add(
        &mut self,
        netns: NetnsKey,
        link: IfIndex,
        to: IfIndex,
    ) -> Answer<()> {
        let (id, to) = (self.find(netns, link)?, self.find(netns, to)?);
        let device = self.dev_mut(id)?;
        if device.redirect.is_some() {
            return Err(Errno::EEXIST);
        }
        device.redirect = Some(to);
        Ok(())
    }

    pub(super) fn redirect_delete(&mut self, netns: NetnsKey, link: IfIndex) -> Answer<()> {
        let id = self.find(netns, link)?;
        self.dev_mut(id)?.redirect.take().map(|_| ()).ok_or(Errno::ENOENT)
    }

    pub(super) fn shaping(&self, netns: NetnsKey, link: IfIndex) -> Answer<Shaping> {
        let device = self.dev(self.find(netns, link)?)?;
        // A device that is gone leaves the filter, with no number in it.
        let redirect = device.redirect.map(|to| match self.dev(to) {
            Ok(to) if to.netns == netns => to.index,
            Ok(_) | Err(_) => IfIndex(0),
        });
        Ok(Shaping { bucket: device.bucket, redirect })
    }
}
