//! Addresses: `ip address`.

use std::time::Duration;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage,
};
use nix::errno::Errno;
use nix::libc;

use super::attributes::{attributes, read_address, read_u32};
use super::link::wait_until;
use super::socket::{Refusal, RouteSocket};
use crate::kernel::{Address, AddressSpec, IfIndex};

/// Octets of `struct ifaddrmsg`.
const HEADER_OCTETS: usize = 8;

/// Equivalent: `ip address add ADDRESS [broadcast +] [nodad] dev …`.
pub(super) fn add(
    socket: &mut RouteSocket,
    index: IfIndex,
    spec: &AddressSpec,
) -> Result<(), Refusal> {
    let mut request = message(index, &spec.address);
    // Of a /31 or /32 there is none (RFC 3021).
    if let IpNet::V4(net) = spec.address
        && net.prefix_len() < 31
    {
        request.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
    }
    if spec.nodad && matches!(spec.address, IpNet::V6(_)) {
        request.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    socket.act(libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &request)
}

/// Equivalent: `ip address delete ADDRESS dev …`.
pub(super) fn delete(
    socket: &mut RouteSocket,
    index: IfIndex,
    spec: &AddressSpec,
) -> Result<(), Refusal> {
    socket.act(libc::RTM_DELADDR, 0, &message(index, &spec.address))
}

fn message(index: IfIndex, address: &IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = address.prefix_len();
    message.header.index = index.0;
    message.attributes.push(AddressAttribute::Local(address.addr()));
    message.attributes.push(AddressAttribute::Address(address.addr()));
    message
}

/// The address family of a network.
pub(super) fn family(net: &IpNet) -> AddressFamily {
    match net {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    }
}

/// Equivalent: `ip address show dev …`.
pub(super) fn all(socket: &mut RouteSocket, index: IfIndex) -> Result<Vec<Address>, Refusal> {
    let mut request = AddressMessage::default();
    request.header.index = index.0;
    socket.dump(libc::RTM_GETADDR, &request, |body, found| {
        // Kernels before 4.20 do not filter by link.
        found.extend(read(body).filter(|(of, _)| *of == index).map(|(_, address)| address));
        Ok(())
    })
}

/// See [`Kernel::addrs_wait_settled`](crate::kernel::Kernel::addrs_wait_settled).
pub(super) fn wait_settled(
    socket: &mut RouteSocket,
    index: IfIndex,
    timeout: Duration,
) -> Result<(), Refusal> {
    wait_until(timeout, || {
        let addresses = all(socket, index)?;
        match addresses.iter().find(|address| address.duplicate) {
            Some(found) => Err(Refusal::because(
                Errno::EADDRINUSE,
                format!("another node of the network has {}", found.address.addr()),
            )),
            None => Ok(!addresses.iter().any(|address| address.tentative)),
        }
    })
}

/// An address from the body of an `RTM_NEWADDR`, with the link that has it.
fn read(body: &[u8]) -> Option<(IfIndex, Address)> {
    let header = AddressHeader::parse(body).ok()?;
    let (mut local, mut address) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    for (kind, value) in attributes(body.get(HEADER_OCTETS..)?) {
        match kind {
            // Where both are there, `local` is ours and `address` the other end's.
            libc::IFA_LOCAL => local = read_address(value),
            libc::IFA_ADDRESS => address = read_address(value),
            libc::IFA_FLAGS => flags = AddressFlags::from_bits_retain(read_u32(value)?),
            _ => {} // labels, lifetimes
        }
    }
    let duplicate = flags.contains(AddressFlags::Dadfailed);
    let seen = Address {
        address: IpNet::new(local.or(address)?, header.prefix_len).ok()?,
        scope: header.scope.into(),
        // The kernel leaves `tentative` set on a duplicate that it keeps.
        tentative: flags.contains(AddressFlags::Tentative) && !duplicate,
        duplicate,
    };
    Some((IfIndex(header.index), seen))
}
