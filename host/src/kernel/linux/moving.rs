//! Taking a link from one namespace into the other: `ip link set … netns …`.

use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::LinkAttribute;
use nix::errno::Errno;
use nix::libc;

use super::Namespaces;
use super::link::{by_index, by_name, message, set};
use super::socket::{Refusal, RouteSocket};
use crate::kernel::{IfIndex, Link, LinkChange, Role};
use crate::names::IfName;

/// Equivalent: `ip link set dev … netns … name NAME alias ALIAS`.
///
/// One request does it all: `do_setlink` changes the namespace first, under the new name if the old one is
/// taken there, then the name, then the alias. It stops at what it cannot do and leaves what it has done, so
/// the name is looked for before, and a link that got no further than its arrival is sent back.
pub(super) fn move_link(
    namespaces: &mut Namespaces,
    (from, index): (Role, IfIndex),
    to: Role,
    name: &IfName,
    alias: &str,
) -> Result<Link, Refusal> {
    let before = by_index(namespaces.get(from)?.socket()?, index)?;
    let before = before.ok_or(Refusal::from(Errno::ENODEV))?;
    // `sysctl_dev_name_is_allowed`: it would be refused when the link has arrived.
    if matches!(name.as_str(), "all" | "default") {
        return Err(Errno::EINVAL.into());
    }
    // Opens the socket, too: once the link has moved, this must not fail.
    if by_name(namespaces.get(to)?.socket()?, name)?.is_some() {
        return Err(Errno::EEXIST.into());
    }
    let fd = namespaces.get(to)?.fd()?;
    let moved = request(namespaces.get(from)?.socket()?, index, fd, name, alias);
    let there = namespaces.get(to)?.socket()?;
    let arrived = moved.and_then(|()| by_name(there, name)?.ok_or(Errno::ENODEV.into()));
    if arrived.is_err() {
        // Nothing may be left; that this fails as well has no better answer than the first error.
        let _ = send_back(namespaces, from, to, name, &before);
    }
    arrived
}

/// Sends a link back that arrived and got no further.
fn send_back(
    namespaces: &mut Namespaces,
    from: Role,
    to: Role,
    name: &IfName,
    before: &Link,
) -> Result<(), Refusal> {
    let fd = namespaces.get(from)?.fd()?;
    let there = namespaces.get(to)?.socket()?;
    for name in [name, &before.name] {
        // A link of this name may have been there all along.
        let is_same = |link: &Link| link.kind == before.kind && link.mac == before.mac;
        let Some(link) = by_name(there, name)?.filter(is_same) else { continue };
        request(there, link.index, fd, &before.name, before.alias.as_deref().unwrap_or_default())?;
        let back = by_name(namespaces.get(from)?.socket()?, &before.name)?;
        return match back.filter(|_| before.up) {
            Some(link) => set(namespaces, from, link.index, &LinkChange::Up),
            None => Ok(()),
        };
    }
    Ok(())
}

fn request(
    socket: &mut RouteSocket,
    index: IfIndex,
    netns: i32,
    name: &IfName,
    alias: &str,
) -> Result<(), Refusal> {
    let mut request = message(index);
    request.attributes.push(LinkAttribute::NetNsFd(netns));
    request.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
    // Without the NUL that `LinkAttribute::IfAlias` adds: it would count as the 256th octet.
    let alias = DefaultNla::new(libc::IFLA_IFALIAS, alias.as_bytes().to_vec());
    request.attributes.push(LinkAttribute::Other(alias));
    socket.act(libc::RTM_SETLINK, 0, &request)
}
