//! Rules of policy routing: `ip rule`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleHeader, RuleMessage};
use nix::errno::Errno;
use nix::libc;

use super::address::family;
use super::attributes::{attributes, read_address, read_u32};
use super::socket::{Refusal, RouteSocket};
use crate::kernel::{Rule, RuleSpec};

/// Octets of `struct fib_rule_hdr`.
const HEADER_OCTETS: usize = 12;

// Attributes that the crates do not name. (uapi/linux/fib_rules.h)
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;

/// Equivalent: `ip rule add from SOURCE lookup TABLE`.
pub(super) fn add(socket: &mut RouteSocket, spec: &RuleSpec) -> Result<(), Refusal> {
    socket.act(libc::RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &message(spec))
}

/// Equivalent: `ip rule delete from SOURCE lookup TABLE`.
pub(super) fn delete(socket: &mut RouteSocket, spec: &RuleSpec) -> Result<(), Refusal> {
    socket.act(libc::RTM_DELRULE, 0, &message(spec))
}

fn message(spec: &RuleSpec) -> RuleMessage {
    let source = spec.source.trunc();
    let mut message = RuleMessage::default();
    message.header.family = family(&source);
    message.header.src_len = source.prefix_len();
    message.header.action = RuleAction::ToTable;
    match u8::try_from(spec.table) {
        Ok(table) => message.header.table = table,
        Err(_) => message.attributes.push(RuleAttribute::Table(spec.table)),
    }
    if source.prefix_len() > 0 {
        message.attributes.push(RuleAttribute::Source(source.addr()));
    }
    message
}

/// Equivalent: `ip -4 rule; ip -6 rule`, without those that lead to no table of their own (`goto`,
/// `blackhole`, `[l3mdev-table]`).
pub(super) fn all(socket: &mut RouteSocket) -> Result<Vec<Rule>, Refusal> {
    let mut rules = of_family(socket, AddressFamily::Inet)?;
    match of_family(socket, AddressFamily::Inet6) {
        Ok(more) => rules.extend(more),
        // A kernel without IPv6.
        Err(refusal) if refusal.errno == Errno::EAFNOSUPPORT => {}
        Err(refusal) => return Err(refusal),
    }
    Ok(rules)
}

fn of_family(socket: &mut RouteSocket, family: AddressFamily) -> Result<Vec<Rule>, Refusal> {
    let mut request = RuleMessage::default();
    request.header.family = family;
    socket.dump(libc::RTM_GETRULE, &request, |body, found| {
        let Ok(header) = RuleHeader::parse(body) else { return Ok(()) };
        if header.action == RuleAction::ToTable {
            let octets = body.get(HEADER_OCTETS..).unwrap_or_default();
            found.extend(read(&header, octets).filter(|rule| rule.table != 0));
        }
        Ok(())
    })
}

fn read(header: &RuleHeader, octets: &[u8]) -> Option<Rule> {
    let mut source = if header.family == AddressFamily::Inet {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    let mut rule = Rule {
        source: IpNet::new(source, header.src_len).ok()?,
        table: header.table.into(),
        priority: 0,
        only_source: header.tos == 0 && !header.flags.contains(RuleFlags::Invert),
    };
    for (kind, value) in attributes(octets) {
        match kind {
            FRA_SRC => source = read_address(value)?,
            FRA_PRIORITY => rule.priority = read_u32(value)?,
            FRA_TABLE => rule.table = read_u32(value)?,
            FRA_PROTOCOL => {}
            // Told of every rule: of those that suppress nothing as -1.
            FRA_SUPPRESS_PREFIXLEN if read_u32(value) == Some(u32::MAX) => {}
            _ => rule.only_source = false,
        }
    }
    rule.source = IpNet::new(source, header.src_len).ok()?;
    Some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_table_stands_in_an_attribute() {
        let of = |table| message(&RuleSpec { source: "10.1.2.3/32".parse().unwrap(), table });
        assert_eq!((of(255).header.table, of(255).attributes.len()), (255, 1));
        assert_eq!((of(256).header.table, of(256).attributes.len()), (0, 2));
    }
}
