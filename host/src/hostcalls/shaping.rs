//! `wasmcni:net/shaping`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, convert};
use crate::bindings::wasmcni::net::shaping::{Bucket, Direction, Host};
use crate::gate::LinkHandle;

impl Host for Ctx {
    fn limit_egress(&mut self, link: Resource<LinkHandle>, bucket: Bucket) -> Answer<()> {
        let link = self.get(&link)?;
        Ok(self.counted()?.limit_egress(&link, bucket.rate_bits, bucket.burst_bits)?)
    }

    fn limit_ingress(
        &mut self,
        link: Resource<LinkHandle>,
        bucket: Bucket,
    ) -> Answer<Resource<LinkHandle>> {
        let link = self.get(&link)?;
        let ifb = self.counted()?.limit_ingress(&link, bucket.rate_bits, bucket.burst_bits)?;
        Ok(self.push(ifb)?)
    }

    fn difference(
        &mut self,
        link: Resource<LinkHandle>,
        way: Direction,
        bucket: Bucket,
    ) -> Answer<Option<String>> {
        let (link, way) = (self.get(&link)?, convert::way(way));
        Ok(self.counted()?.limit_difference(&link, way, bucket.rate_bits, bucket.burst_bits)?)
    }

    fn clear(&mut self) -> Answer<()> {
        Ok(self.counted()?.clear_limits()?)
    }
}
