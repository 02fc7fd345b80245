//! firewalld's zones, with what is in them at run time.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::{Errno, ZoneSource};
use super::state::{Answer, Node};

/// Those that firewalld comes with.
const ZONES: &[&str] =
    &["block", "dmz", "drop", "external", "home", "internal", "public", "trusted", "work"];

/// The zone of each address that has one.
#[derive(Debug, Clone, Default)]
pub(super) struct Zones(BTreeMap<IpAddr, String>);

impl Node {
    pub(super) fn zone_of_source(&self, address: IpAddr) -> Answer<Option<String>> {
        let zones = self.firewalld.as_ref().ok_or(Errno::EOPNOTSUPP)?;
        Ok(zones.0.get(&address).cloned())
    }

    /// An address is in one zone at most. (`FirewallZone.add_source`)
    pub(super) fn zone_source_add(&mut self, source: &ZoneSource) -> Answer<()> {
        let zones = self.firewalld.as_mut().ok_or(Errno::EOPNOTSUPP)?;
        if !ZONES.contains(&source.zone.as_str()) {
            return Err(Errno::ENOENT);
        }
        if zones.0.contains_key(&source.address) {
            return Err(Errno::EEXIST);
        }
        zones.0.insert(source.address, source.zone.clone());
        Ok(())
    }

    pub(super) fn zone_source_delete(&mut self, source: &ZoneSource) {
        if let Some(zones) = &mut self.firewalld
            && zones.0.get(&source.address) == Some(&source.zone)
        {
            zones.0.remove(&source.address);
        }
    }

    pub(super) fn zone_sources(&self) -> BTreeMap<IpAddr, String> {
        self.firewalld.as_ref().map(|zones| zones.0.clone()).unwrap_or_default()
    }
}
