//! Port mappings, asked for as intents and rendered by the kernel's side.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Gate, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{Condition, PortMap, PortMapping};
use crate::names::IfName;
use crate::policy::Op;

/// Mappings that are opened at once; a range of ports is one mapping for each.
const MAX_MAPPINGS: usize = 16_384;
/// Rules that the alternatives of conditions may multiply to.
const MAX_RULES: usize = 64;
/// Values that one rule may look at: the kernel takes 128 expressions (`NFT_RULE_MAXEXPRS`), and one value
/// needs up to four.
const MAX_VALUES: usize = 30;

impl Gate {
    /// Opens mappings, all or none, for packets that meet the conditions.
    pub fn add_port_map(&mut self, map: PortMap) -> Result<()> {
        check(&map)?;
        for mapping in &map.mappings {
            self.permit(&op(mapping))?;
        }
        let undo = Undo::PortMappings(map.mappings.clone());
        self.act([(undo, Sharing::Own)], |kernel| kernel.port_map_add(&map))
    }

    /// Removes this attachment's mappings: those of its journal, or, when another process kept none,
    /// those that the kernel says are its, and the reference plugin's.
    pub fn clear_port_map(&mut self) -> Result<()> {
        let known = self.journaled(|undo| {
            let Undo::PortMappings(mappings) = undo else { return None };
            Some(mappings.clone())
        });
        if let Some(known) = known {
            for mappings in known {
                self.act([], |kernel| kernel.port_map_delete(&mappings))?;
                self.removed(|record| record.undo == Undo::PortMappings(mappings.clone()));
            }
            return Ok(());
        }
        let owner = self.owner()?;
        let mut own = self.kernel().port_mappings()?;
        own.retain(|mapping| mapping.owner == owner);
        if !own.is_empty() {
            self.act([], |kernel| kernel.port_map_delete(&own))?;
        }
        self.act([], |kernel| kernel.reference_port_rules_delete(&owner.container_id))
    }

    /// Those of the mappings that are not there as described.
    pub fn missing_of_port_map(&mut self, map: &PortMap) -> Result<Vec<PortMapping>> {
        check(map)?;
        Ok(self.kernel().port_map_missing(map)?)
    }

    /// Whether mappings can be opened at all.
    pub fn port_map_ready(&mut self) -> Result<()> {
        let none = PortMapping::example();
        let map = PortMap { mappings: vec![none], conditions: Vec::new() };
        self.kernel().port_map_missing(&map)?;
        Ok(())
    }
}

fn op(mapping: &PortMapping) -> Op {
    let any = if mapping.container.addr().is_ipv4() {
        IpNet::from(IpAddr::from(Ipv4Addr::UNSPECIFIED))
    } else {
        IpNet::from(IpAddr::from(Ipv6Addr::UNSPECIFIED))
    };
    let any = IpNet::new(any.addr(), 0).unwrap_or(any);
    Op::new("port-map.add")
        .text("protocol", mapping.protocol.word())
        .number("host-port", mapping.host_port.into())
        .net("host-address", mapping.host_address.map_or(any, IpNet::from))
        .net("within", mapping.container.addr().into())
}

fn check(map: &PortMap) -> Result<()> {
    let wrong = |text: String| Err(Refusal::Invalid(text));
    let Some(first) = map.mappings.first() else {
        return wrong("mapping ports: there are none in the list".into());
    };
    let count = map.mappings.len();
    if count > MAX_MAPPINGS {
        return wrong(format!("mapping {count} ports at once: at most {MAX_MAPPINGS}"));
    }
    let ipv4 = first.container.addr().is_ipv4();
    let mut ports = HashSet::new();
    for mapping in &map.mappings {
        let host_address = mapping.host_address;
        if mapping.host_port == 0 || mapping.container_port == 0 {
            return wrong(format!("mapping port \"{mapping}\": ports are 1 to 65535"));
        }
        if host_address.is_some_and(|address| address.is_unspecified()) {
            return wrong(format!("mapping port \"{mapping}\": leave out the address for any"));
        }
        let families = [Some(mapping.container.addr()), host_address];
        if families.into_iter().flatten().any(|address| address.is_ipv4() != ipv4) {
            return wrong(format!("mapping port \"{mapping}\": addresses of two families"));
        }
        if !ports.insert((mapping.protocol, mapping.host_port, host_address)) {
            return wrong(format!("mapping port \"{mapping}\": it is in the list twice"));
        }
    }
    check_conditions(&map.conditions, ipv4)
}

fn check_conditions(conditions: &[Condition], ipv4: bool) -> Result<()> {
    let (mut rules, mut values) = (1_usize, 0_usize);
    for condition in conditions {
        let (negated, count) = match condition {
            Condition::Source { negated, networks }
            | Condition::Destination { negated, networks } => {
                if let Some(other) = networks.iter().find(|n| n.addr().is_ipv4() != ipv4) {
                    let text =
                        format!("condition with {other}: the mappings are of the other family");
                    return Err(Refusal::Invalid(text));
                }
                (*negated, networks.len())
            }
            Condition::InputLink { negated, names } | Condition::OutputLink { negated, names } => {
                if let Some(name) = names.iter().find(|name| !is_link_pattern(name)) {
                    return Err(Refusal::Invalid(format!(
                        "condition with {name:?}: no link's name"
                    )));
                }
                (*negated, names.len())
            }
            Condition::SourcePort { negated, ranges, .. }
            | Condition::DestinationPort { negated, ranges, .. } => {
                if let Some((first, last)) = ranges.iter().find(|(first, last)| first > last) {
                    let text = format!("condition with ports {first} to {last}: first and last");
                    return Err(Refusal::Invalid(text));
                }
                (*negated, ranges.len())
            }
            Condition::Mark { negated, value, mask } => {
                if value & !mask != 0 || *mask == 0 {
                    let text =
                        format!("condition with mark {value:#x} and mask {mask:#x}: never so");
                    return Err(Refusal::Invalid(text));
                }
                (*negated, 1)
            }
        };
        if count == 0 {
            return Err(Refusal::Invalid("condition: an empty list".into()));
        }
        (rules, values) = if negated {
            (rules, values.saturating_add(count))
        } else {
            (rules.saturating_mul(count), values.saturating_add(1))
        };
    }
    if rules > MAX_RULES || values > MAX_VALUES {
        let text = format!(
            "conditions make {rules} rules that look at {values} values: at most {MAX_RULES} and \
             {MAX_VALUES}"
        );
        return Err(Refusal::Invalid(text));
    }
    Ok(())
}

/// The name of a link, or its beginning and `*`.
fn is_link_pattern(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    IfName::try_from(name).is_ok() && !name.contains('*')
}
