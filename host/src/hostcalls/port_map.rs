//! `wasmcni:net/port-map`.

use super::{Answer, Ctx, convert};
use crate::bindings::wasmcni::net::port_map::{self, Condition, Mapping, Masquerade, Protocol};
use crate::bindings::wasmcni::net::types::Switch;
use crate::gate::{Gate, Refusal};
use crate::kernel::{self, PortMap, PortMapping, PortMasquerade};

impl port_map::Host for Ctx {
    fn add(&mut self, mappings: Vec<Mapping>, conditions: Vec<Condition>) -> Answer<()> {
        let gate = self.counted()?;
        let map = port_map(gate, mappings, conditions)?;
        Ok(gate.add_port_map(map)?)
    }

    fn clear(&mut self) -> Answer<()> {
        Ok(self.counted()?.clear_port_map()?)
    }

    fn missing(
        &mut self,
        mappings: Vec<Mapping>,
        conditions: Vec<Condition>,
    ) -> Answer<Vec<Mapping>> {
        let gate = self.counted()?;
        let map = port_map(gate, mappings, conditions)?;
        let missing = gate.missing_of_port_map(&map)?;
        Ok(missing.into_iter().map(guests_mapping).collect())
    }

    fn ready(&mut self) -> Answer<()> {
        Ok(self.counted()?.port_map_ready()?)
    }
}

fn port_map(
    gate: &Gate,
    mappings: Vec<Mapping>,
    conditions: Vec<Condition>,
) -> Result<PortMap, Refusal> {
    let owner = gate.owner()?;
    let mapping = |mapping: Mapping| {
        Ok(PortMapping {
            protocol: protocol(mapping.protocol),
            host_address: mapping.host_address.map(convert::address),
            host_port: mapping.host_port,
            container: convert::network(mapping.container)?,
            container_port: mapping.container_port,
            masquerade: match mapping.masquerade {
                Masquerade::None => PortMasquerade::None,
                Masquerade::Near => PortMasquerade::Near,
                Masquerade::Every => PortMasquerade::Every,
            },
            owner: owner.clone(),
        })
    };
    Ok(PortMap {
        mappings: mappings.into_iter().map(mapping).collect::<Result<_, Refusal>>()?,
        conditions: conditions.into_iter().map(condition).collect::<Result<_, Refusal>>()?,
    })
}

fn condition(condition: Condition) -> Result<kernel::Condition, Refusal> {
    use kernel::Condition as K;
    let on = |switch| switch == Switch::On;
    let networks =
        |list: Vec<_>| list.into_iter().map(convert::network).collect::<Result<_, Refusal>>();
    Ok(match condition {
        Condition::Source(m) => {
            K::Source { negated: on(m.negated), networks: networks(m.networks)? }
        }
        Condition::Destination(m) => {
            K::Destination { negated: on(m.negated), networks: networks(m.networks)? }
        }
        Condition::InputLink(m) => K::InputLink { negated: on(m.negated), names: m.names },
        Condition::OutputLink(m) => K::OutputLink { negated: on(m.negated), names: m.names },
        Condition::SourcePort(m) => K::SourcePort {
            protocol: m.protocol.map(protocol),
            negated: on(m.negated),
            ranges: m.ranges,
        },
        Condition::DestinationPort(m) => K::DestinationPort {
            protocol: m.protocol.map(protocol),
            negated: on(m.negated),
            ranges: m.ranges,
        },
        Condition::Mark(m) => K::Mark { negated: on(m.negated), value: m.value, mask: m.mask },
    })
}

fn protocol(protocol: Protocol) -> kernel::Protocol {
    match protocol {
        Protocol::Tcp => kernel::Protocol::Tcp,
        Protocol::Udp => kernel::Protocol::Udp,
        Protocol::Sctp => kernel::Protocol::Sctp,
    }
}

fn guests_mapping(mapping: PortMapping) -> Mapping {
    Mapping {
        protocol: match mapping.protocol {
            kernel::Protocol::Tcp => Protocol::Tcp,
            kernel::Protocol::Udp => Protocol::Udp,
            kernel::Protocol::Sctp => Protocol::Sctp,
        },
        host_port: mapping.host_port,
        host_address: mapping.host_address.map(convert::ip_address),
        container: convert::ip_network(mapping.container),
        container_port: mapping.container_port,
        masquerade: match mapping.masquerade {
            PortMasquerade::None => Masquerade::None,
            PortMasquerade::Near => Masquerade::Near,
            PortMasquerade::Every => Masquerade::Every,
        },
    }
}
