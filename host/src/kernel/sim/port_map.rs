//! Port mappings of the host netns.

use super::super::{Condition, Errno, KernelError, PortMap, PortMapping, Result, Role};
use super::state::Node;

/// A mapping and the conditions that it was opened with.
pub(super) type Entry = (PortMapping, Vec<Condition>);

impl Node {
    pub(super) fn port_map_add(&mut self, map: &PortMap) -> Result<()> {
        for mapping in &map.mappings {
            let other = self.port_mappings.iter().map(|(there, _)| there);
            let mut other = other.filter(|there| there.owner != mapping.owner);
            if let Some(other) = other.find(|there| there.overlaps(mapping)) {
                let hint = mapping.taken_by(&other.owner);
                let act =
                    format!("mapping {} in {}", PortMapping::words(&map.mappings), Role::Host);
                return Err(KernelError { act, errno: Errno::EEXIST, hint: Some(hint) });
            }
        }
        self.port_mappings
            .retain(|(there, _)| !map.mappings.iter().any(|new| new.is_in_place_of(there)));
        self.port_mappings
            .extend(map.mappings.iter().map(|new| (new.clone(), map.conditions.clone())));
        Ok(())
    }

    pub(super) fn port_map_delete(&mut self, mappings: &[PortMapping]) {
        self.port_mappings.retain(|(there, _)| {
            !mappings.iter().any(|gone| gone.is_in_place_of(there) && gone.owner == there.owner)
        });
    }

    pub(super) fn port_map_missing(&self, map: &PortMap) -> Vec<PortMapping> {
        let there = |mapping: &&PortMapping| {
            let entry = ((*mapping).clone(), map.conditions.clone());
            !self.port_mappings.contains(&entry)
        };
        map.mappings.iter().filter(there).cloned().collect()
    }
}
