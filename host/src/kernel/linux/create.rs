//! Creating links: `ip link add`.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::os::fd::RawFd;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoVeth, InfoVlan, InfoVrf,
    IpVlanMode, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode,
};
use nix::errno::Errno;
use nix::libc;

use super::Namespaces;
use super::link::{by_index, by_name, delete, message, read};
use super::socket::{Refusal, RouteSocket};
use super::tap;
use crate::kernel::{IpvlanMode, KindSpec, Link, LinkSpec, MacvlanMode, Parent, Role};
use crate::names::{IfName, Mac};

/// Equivalent: `ip link add …`.
pub(super) fn create(
    namespaces: &mut Namespaces,
    netns: Role,
    spec: &LinkSpec,
) -> Result<Link, Refusal> {
    if let KindSpec::Tap { multi_queue, owner, group } = spec.kind {
        return tap::create(namespaces, netns, spec, tap::Wanted { multi_queue, owner, group });
    }
    match parent(&spec.kind) {
        Some(parent) if parent.netns != netns => create_from_afar(namespaces, netns, parent, spec),
        _ => create_here(namespaces, netns, spec),
    }
}

fn create_here(namespaces: &mut Namespaces, netns: Role, spec: &LinkSpec) -> Result<Link, Refusal> {
    let mut peer_fd = None;
    if let KindSpec::Veth { peer_netns, .. } = spec.kind
        && peer_netns != netns
    {
        peer_fd = Some(namespaces.get(peer_netns)?.fd()?);
    }
    let request = creation(&spec.name, spec, peer_fd);
    let socket = namespaces.get(netns)?.socket()?;
    // Linux 6.2 and later send the new link back; older ones ignore the wish.
    let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
    let mut made = None;
    socket.act_with_echo(libc::RTM_NEWLINK, flags, &request, &mut |reply| {
        if reply.kind == libc::RTM_NEWLINK {
            made = read(reply.body).filter(|link| link.name == spec.name);
        }
        Ok(())
    })?;
    match made {
        Some(link) => Ok(link),
        None => created(socket, &spec.name),
    }
}

/// Equivalent: `ip link add link PARENT name NAME netns OTHER type …`, asked in the parent's
/// namespace.
///
/// There is no echo: the kernel would send it to whichever socket of the *new* link's namespace has
/// our socket's number.
fn create_from_afar(
    namespaces: &mut Namespaces,
    netns: Role,
    parent: Parent,
    spec: &LinkSpec,
) -> Result<Link, Refusal> {
    let fd = namespaces.get(netns)?.fd()?;
    // Before anything is created: afterwards this must not fail.
    namespaces.get(netns)?.socket()?;
    let create = |namespaces: &mut Namespaces, name: &IfName| {
        let mut request = creation(name, spec, None);
        request.attributes.push(LinkAttribute::NetNsFd(fd));
        let socket = namespaces.get(parent.netns)?.socket()?;
        socket.act(libc::RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &request)
    };
    let refusal = match create(namespaces, &spec.name) {
        Ok(()) => return created(namespaces.get(netns)?.socket()?, &spec.name),
        Err(refusal) => refusal,
    };
    // Before Linux 6.15 the name must be free where the request is made, too, and `eth0` seldom is.
    // Then the link is born under a name that nobody has and renamed where it belongs.
    let socket = namespaces.get(netns)?.socket()?;
    if refusal.errno != Errno::EEXIST || by_name(socket, &spec.name)?.is_some() {
        return Err(refusal);
    }
    let temporary = temporary_name()?;
    create(namespaces, &temporary)?;
    let socket = namespaces.get(netns)?.socket()?;
    let link = created(socket, &temporary)?;
    let renamed = (|| {
        let mut request = message(link.index);
        request.attributes.push(LinkAttribute::IfName(spec.name.as_str().to_owned()));
        socket.act(libc::RTM_SETLINK, 0, &request)?;
        by_index(socket, link.index)?.ok_or(Refusal::from(Errno::ENODEV))
    })();
    renamed.inspect_err(|_| {
        // Nothing may be left; that this fails as well has no better answer than the first error.
        let _ = delete(socket, link.index);
    })
}

/// The link that was created under this name. If it cannot be looked at, it is deleted again.
fn created(socket: &mut RouteSocket, name: &IfName) -> Result<Link, Refusal> {
    let found = by_name(socket, name).and_then(|link| link.ok_or(Errno::ENODEV.into()));
    found.inspect_err(|_| {
        let mut request = LinkMessage::default();
        request.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
        // Nothing may be left; that this fails as well has no better answer than the first error.
        let _ = socket.act(libc::RTM_DELLINK, 0, &request);
    })
}

/// A name that no link has, but for one chance in four thousand million.
fn temporary_name() -> Result<IfName, Refusal> {
    // Every `RandomState` has keys of its own, which the kernel's random numbers began.
    let random = RandomState::new().build_hasher().finish() & 0xffff_ffff;
    IfName::try_from(format!("wcni{random:08x}").as_str()).map_err(|_| Errno::EINVAL.into())
}

fn parent(kind: &KindSpec) -> Option<Parent> {
    match kind {
        KindSpec::Ipvlan { parent, .. }
        | KindSpec::Macvlan { parent, .. }
        | KindSpec::Vlan { parent, .. } => Some(*parent),
        KindSpec::Veth { .. }
        | KindSpec::Bridge { .. }
        | KindSpec::Dummy
        | KindSpec::Tap { .. }
        | KindSpec::Vrf { .. } => None,
    }
}

/// The request that creates a link. `peer_fd`: the namespace of a veth's other end, if it is
/// another.
fn creation(name: &IfName, spec: &LinkSpec, peer_fd: Option<RawFd>) -> LinkMessage {
    let mut request = LinkMessage::default();
    let attributes = &mut request.attributes;
    attributes.extend(identity(name, spec.mtu, spec.mac));
    if let Some(parent) = parent(&spec.kind) {
        attributes.push(LinkAttribute::Link(parent.index.0));
    }
    let (kind, data) = match &spec.kind {
        KindSpec::Veth { peer, peer_mac, .. } => {
            // No IFF_UP: an end that goes up before the other one exists is refused (ENOTCONN).
            let mut other = LinkMessage::default();
            other.attributes.extend(identity(peer, spec.mtu, *peer_mac));
            other.attributes.extend(peer_fd.map(LinkAttribute::NetNsFd));
            (InfoKind::Veth, Some(InfoData::Veth(InfoVeth::Peer(other))))
        }
        KindSpec::Bridge { vlan_filtering } => {
            let filtering = vlan_filtering.then(|| vec![InfoBridge::VlanFiltering(true)]);
            (InfoKind::Bridge, filtering.map(InfoData::Bridge))
        }
        KindSpec::Dummy => (InfoKind::Dummy, None),
        // Not made by such a request: see `tap.rs`.
        KindSpec::Tap { .. } => (InfoKind::Tun, None),
        KindSpec::Ipvlan { mode, .. } => {
            let mode = match mode {
                IpvlanMode::L2 => IpVlanMode::L2,
                IpvlanMode::L3 => IpVlanMode::L3,
                IpvlanMode::L3s => IpVlanMode::L3S,
            };
            (InfoKind::IpVlan, Some(InfoData::IpVlan(vec![InfoIpVlan::Mode(mode)])))
        }
        KindSpec::Macvlan { mode, broadcast_queue, .. } => {
            let mode = match mode {
                MacvlanMode::Private => MacVlanMode::Private,
                MacvlanMode::Vepa => MacVlanMode::Vepa,
                MacvlanMode::Bridge => MacVlanMode::Bridge,
                MacvlanMode::Passthru => MacVlanMode::Passthrough,
            };
            let mut data = vec![InfoMacVlan::Mode(mode)];
            data.extend(broadcast_queue.map(InfoMacVlan::BcQueueLen));
            (InfoKind::MacVlan, Some(InfoData::MacVlan(data)))
        }
        KindSpec::Vlan { id, .. } => {
            (InfoKind::Vlan, Some(InfoData::Vlan(vec![InfoVlan::Id(*id)])))
        }
        KindSpec::Vrf { table } => {
            (InfoKind::Vrf, Some(InfoData::Vrf(vec![InfoVrf::TableId(*table)])))
        }
    };
    let mut info = vec![LinkInfo::Kind(kind)];
    info.extend(data.map(LinkInfo::Data));
    attributes.push(LinkAttribute::LinkInfo(info));
    request
}

fn identity(
    name: &IfName,
    mtu: Option<u32>,
    mac: Option<Mac>,
) -> impl Iterator<Item = LinkAttribute> {
    let name = LinkAttribute::IfName(name.as_str().to_owned());
    let mac = mac.map(|mac| LinkAttribute::Address(mac.bytes().to_vec()));
    [name].into_iter().chain(mtu.map(LinkAttribute::Mtu)).chain(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::IfIndex;

    #[test]
    fn a_veths_peer_gets_its_namespace_and_the_links_mtu() {
        let peer = IfName::try_from("veth1a2b").unwrap();
        let spec = LinkSpec {
            name: IfName::try_from("eth0").unwrap(),
            mtu: Some(1400),
            mac: None,
            kind: KindSpec::Veth { peer, peer_netns: Role::Host, peer_mac: None },
        };
        let mut other = LinkMessage::default();
        other.attributes = vec![
            LinkAttribute::IfName("veth1a2b".to_owned()),
            LinkAttribute::Mtu(1400),
            LinkAttribute::NetNsFd(9),
        ];
        let expected = [
            LinkAttribute::IfName("eth0".to_owned()),
            LinkAttribute::Mtu(1400),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
            ]),
        ];
        assert_eq!(creation(&spec.name, &spec, Some(9)).attributes, expected);
    }

    #[test]
    fn a_lower_device_is_named_by_its_index() {
        let spec = LinkSpec {
            name: IfName::try_from("eth0").unwrap(),
            mtu: None,
            mac: None,
            kind: KindSpec::Vlan {
                parent: Parent { netns: Role::Host, index: IfIndex(5) },
                id: 100,
            },
        };
        assert!(creation(&spec.name, &spec, None).attributes.contains(&LinkAttribute::Link(5)));
    }

    #[test]
    fn temporary_names_differ() {
        assert_ne!(temporary_name().unwrap(), temporary_name().unwrap());
    }
}
