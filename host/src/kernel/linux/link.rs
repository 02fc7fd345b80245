//! Links: `ip link`.

use std::os::fd::RawFd;
use std::thread;
use std::time::{Duration, Instant};

use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkMessage, State,
};
use nix::errno::Errno;
use nix::libc;

use super::Namespaces;
use super::attributes::{attribute, attributes, read_text, read_u8, read_u16, read_u32};
use super::socket::{Refusal, RouteSocket};
use crate::kernel::{IfIndex, Link, LinkChange, Port, Role};
use crate::names::{IfName, Mac};

/// Octets of `struct ifinfomsg`.
pub(super) const HEADER_OCTETS: usize = 16;

// Attributes that the crates do not name.
const IFLA_BR_VLAN_FILTERING: u16 = 7;
/// `IFLA_IPVLAN_MODE`, `IFLA_MACVLAN_MODE`, `IFLA_VLAN_ID`.
const IFLA_FIRST: u16 = 1;
pub(super) const IFLA_BRPORT_MODE: u16 = 4;
pub(super) const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_VRF_TABLE: u16 = 1;

/// First pause between two looks at something that is waited for; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Looks until `ready` says so, at most `timeout`.
///
/// # Errors
/// `ETIMEDOUT`; what `ready` says.
pub(super) fn wait_until(
    timeout: Duration,
    mut ready: impl FnMut() -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if ready()? {
            return Ok(());
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(Errno::ETIMEDOUT.into());
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A request about one link.
pub(super) fn message(index: IfIndex) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index.0;
    message
}

/// Equivalent: `ip link show NAME`. Alternative names (`altname`) are found as well.
pub(super) fn by_name(socket: &mut RouteSocket, name: &IfName) -> Result<Option<Link>, Refusal> {
    let mut request = LinkMessage::default();
    request.attributes.push(LinkAttribute::IfName(name.as_str().to_owned()));
    one(socket, request)
}

/// Equivalent: `ip link show`, by index.
pub(super) fn by_index(socket: &mut RouteSocket, index: IfIndex) -> Result<Option<Link>, Refusal> {
    one(socket, message(index))
}

fn one(socket: &mut RouteSocket, mut request: LinkMessage) -> Result<Option<Link>, Refusal> {
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let found = socket.ask(libc::RTM_GETLINK, &request, |body| {
        read(body).ok_or_else(|| Refusal::because(Errno::EILSEQ, "its name is not one that we use"))
    });
    match found {
        Ok(link) => Ok(Some(link)),
        Err(Refusal { errno: Errno::ENODEV, .. }) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Equivalent: `ip link show`. Links whose names no [`IfName`] can be are left out.
pub(super) fn all(socket: &mut RouteSocket) -> Result<Vec<Link>, Refusal> {
    let mut request = LinkMessage::default();
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    socket.dump(libc::RTM_GETLINK, &request, |body, found| {
        found.extend(read(body));
        Ok(())
    })
}

/// Equivalent: `ip link delete`, by index.
pub(super) fn delete(socket: &mut RouteSocket, index: IfIndex) -> Result<(), Refusal> {
    socket.act(libc::RTM_DELLINK, 0, &message(index))
}

/// Like [`delete`], without waiting for the link's memory; see `deferred.rs`.
pub(super) fn delete_deferred(
    socket: &mut RouteSocket,
    index: IfIndex,
    keep: Option<RawFd>,
) -> Result<(), Refusal> {
    let Err(first) = socket.delete_link(&message(index), index.0, keep) else { return Ok(()) };
    // No child could be made, or the kernel refused, or its answer was lost: deleting it here tells.
    let lost = matches!(first.errno, Errno::ENOBUFS | Errno::ETIMEDOUT);
    match delete(socket, index) {
        Err(e) if lost && e.errno == Errno::ENODEV => Ok(()),
        other => other,
    }
}

/// Equivalent: `ip link set dev … WORDS`; the words are what [`LinkChange`] displays.
pub(super) fn set(
    namespaces: &mut Namespaces,
    netns: Role,
    index: IfIndex,
    change: &LinkChange,
) -> Result<(), Refusal> {
    let mut request = message(index);
    let flag = |request: &mut LinkMessage, flag, on| {
        request.header.change_mask = flag;
        request.header.flags = if on { flag } else { LinkFlags::empty() };
    };
    let attributes = &mut request.attributes;
    match change {
        LinkChange::Up => flag(&mut request, LinkFlags::Up, true),
        LinkChange::Down => flag(&mut request, LinkFlags::Up, false),
        LinkChange::Promisc(on) => flag(&mut request, LinkFlags::Promisc, *on),
        LinkChange::AllMulticast(on) => flag(&mut request, LinkFlags::Allmulti, *on),
        LinkChange::Mtu(mtu) => attributes.push(LinkAttribute::Mtu(*mtu)),
        LinkChange::Mac(mac) => attributes.push(LinkAttribute::Address(mac.bytes().to_vec())),
        LinkChange::Name(name) => attributes.push(LinkAttribute::IfName(name.as_str().to_owned())),
        // Without the NUL that `LinkAttribute::IfAlias` adds: it would count as the 256th octet.
        LinkChange::Alias(alias) => attributes.push(LinkAttribute::Other(DefaultNla::new(
            libc::IFLA_IFALIAS,
            alias.clone().into_bytes(),
        ))),
        LinkChange::TxQueueLength(packets) => attributes.push(LinkAttribute::TxQueueLen(*packets)),
        LinkChange::Master(master) => {
            attributes.push(LinkAttribute::Controller(master.map_or(0, |master| master.0)));
        }
        LinkChange::Netns(target) => {
            let fd = namespaces.get(*target)?.fd()?;
            attributes.push(LinkAttribute::NetNsFd(fd));
        }
    }
    namespaces.get(netns)?.socket()?.act(libc::RTM_SETLINK, 0, &request)
}

/// See [`Kernel::link_wait_up`](crate::kernel::Kernel::link_wait_up).
pub(super) fn wait_up(
    socket: &mut RouteSocket,
    index: IfIndex,
    timeout: Duration,
) -> Result<(), Refusal> {
    wait_until(timeout, || match by_index(socket, index)? {
        Some(link) => Ok(link.oper_up),
        None => Err(Errno::ENODEV.into()),
    })
}

/// A link from the body of an `RTM_NEWLINK`; `None` if it has no name that we use.
pub(super) fn read(body: &[u8]) -> Option<Link> {
    let header = LinkHeader::parse(body).ok()?;
    let octets = body.get(HEADER_OCTETS..)?;
    let name = attribute(octets, libc::IFLA_IFNAME).and_then(read_text)?;
    let mut link = Link {
        index: IfIndex(header.index),
        name: IfName::try_from(name.as_str()).ok()?,
        kind: String::new(),
        mac: None,
        mtu: 0,
        up: header.flags.contains(LinkFlags::Up),
        oper_up: false,
        promisc: header.flags.contains(LinkFlags::Promisc),
        all_multicast: header.flags.contains(LinkFlags::Allmulti),
        tx_queue_length: 0,
        loopback: header.flags.contains(LinkFlags::Loopback),
        master: None,
        parent: None,
        alias: None,
        vlan_filtering: false,
        port: None,
        mode: None,
        vlan_id: None,
        vrf_table: None,
    };
    for (kind, value) in attributes(octets) {
        match kind {
            libc::IFLA_ADDRESS => link.mac = <[u8; 6]>::try_from(value).ok().map(Mac::from),
            libc::IFLA_MTU => link.mtu = read_u32(value)?,
            libc::IFLA_TXQLEN => link.tx_queue_length = read_u32(value)?,
            libc::IFLA_OPERSTATE => {
                link.oper_up = matches!(read_u8(value)?.into(), State::Up | State::Unknown);
            }
            libc::IFLA_MASTER => link.master = read_u32(value).map(IfIndex),
            libc::IFLA_LINK => {
                link.parent = read_u32(value).filter(|index| *index != 0).map(IfIndex);
            }
            libc::IFLA_IFALIAS => link.alias = read_text(value),
            libc::IFLA_LINKINFO => read_info(value, &mut link),
            _ => {} // about eighty others
        }
    }
    Some(link)
}

fn read_info(info: &[u8], link: &mut Link) {
    link.kind = attribute(info, libc::IFLA_INFO_KIND).and_then(read_text).unwrap_or_default();
    let is_set = |data, kind| attribute(data, kind).and_then(read_u8).is_some_and(|v| v != 0);
    if link.kind == "bridge" {
        let data = attribute(info, libc::IFLA_INFO_DATA).unwrap_or_default();
        link.vlan_filtering = is_set(data, IFLA_BR_VLAN_FILTERING);
    } else if link.kind == "vrf" {
        let data = attribute(info, libc::IFLA_INFO_DATA).unwrap_or_default();
        link.vrf_table = attribute(data, IFLA_VRF_TABLE).and_then(read_u32);
    }
    read_child(info, link);
    let master = attribute(info, libc::IFLA_INFO_SLAVE_KIND).and_then(read_text);
    if master.as_deref() == Some("bridge") {
        let data = attribute(info, libc::IFLA_INFO_SLAVE_DATA).unwrap_or_default();
        link.port = Some(Port {
            hairpin: is_set(data, IFLA_BRPORT_MODE),
            isolated: is_set(data, IFLA_BRPORT_ISOLATED),
        });
    }
}

/// What an ipvlan, macvlan or VLAN device has of its own. (if_link.h)
fn read_child(info: &[u8], link: &mut Link) {
    let data = attribute(info, libc::IFLA_INFO_DATA).unwrap_or_default();
    let first = attribute(data, IFLA_FIRST);
    match link.kind.as_str() {
        "ipvlan" => link.mode = first.and_then(read_u16).and_then(ipvlan_mode),
        "macvlan" => link.mode = first.and_then(read_u32).and_then(macvlan_mode),
        "vlan" => link.vlan_id = first.and_then(read_u16),
        _ => {} // every other kind
    }
}

/// `enum ipvlan_mode`
fn ipvlan_mode(number: u16) -> Option<&'static str> {
    Some(match number {
        0 => "l2",
        1 => "l3",
        2 => "l3s",
        _ => return None,
    })
}

/// `enum macvlan_mode`
fn macvlan_mode(number: u32) -> Option<&'static str> {
    Some(match number {
        1 => "private",
        2 => "vepa",
        4 => "bridge",
        8 => "passthru",
        16 => "source",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut octets = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        octets.extend(value);
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    fn link(index: u32, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = vec![0; HEADER_OCTETS];
        octets[4..8].copy_from_slice(&index.to_ne_bytes());
        octets[8..12].copy_from_slice(&flags.to_ne_bytes());
        octets.extend(attributes.concat());
        octets
    }

    #[test]
    fn a_bridge_port_is_read_with_its_settings() {
        let data = [attribute(IFLA_BRPORT_MODE, &[1]), attribute(IFLA_BRPORT_ISOLATED, &[0])];
        let info = [
            attribute(libc::IFLA_INFO_KIND, b"veth\0"),
            attribute(libc::IFLA_INFO_SLAVE_KIND, b"bridge\0"),
            attribute(libc::IFLA_INFO_SLAVE_DATA, &data.concat()),
        ];
        let body = link(
            7,
            1,
            &[
                attribute(libc::IFLA_IFNAME, b"veth7\0"),
                attribute(libc::IFLA_MTU, &1500_u32.to_ne_bytes()),
                attribute(libc::IFLA_OPERSTATE, &[6]),
                attribute(libc::IFLA_MASTER, &3_u32.to_ne_bytes()),
                attribute(libc::IFLA_LINKINFO, &info.concat()),
            ],
        );
        let link = read(&body).unwrap();
        assert_eq!((link.index, link.kind.as_str(), link.mtu), (IfIndex(7), "veth", 1500));
        assert!(link.up && link.oper_up && !link.vlan_filtering);
        assert_eq!(link.master, Some(IfIndex(3)));
        assert_eq!(link.port, Some(Port { hairpin: true, isolated: false }));
    }

    #[test]
    fn what_sits_on_a_link_is_read_with_its_settings() {
        let read = |kind: &[u8], value: &[u8]| {
            let data = attribute(IFLA_FIRST, value);
            let info =
                [attribute(libc::IFLA_INFO_KIND, kind), attribute(libc::IFLA_INFO_DATA, &data)];
            let name = attribute(libc::IFLA_IFNAME, b"eth0\0");
            let link =
                read(&link(7, 0, &[name, attribute(libc::IFLA_LINKINFO, &info.concat())])).unwrap();
            (link.mode, link.vlan_id)
        };
        assert_eq!(read(b"ipvlan\0", &2_u16.to_ne_bytes()), (Some("l3s"), None));
        assert_eq!(read(b"macvlan\0", &4_u32.to_ne_bytes()), (Some("bridge"), None));
        assert_eq!(read(b"macvlan\0", &3_u32.to_ne_bytes()), (None, None));
        assert_eq!(read(b"vlan\0", &100_u16.to_ne_bytes()), (None, Some(100)));
        assert_eq!(read(b"bridge\0", &4_u32.to_ne_bytes()), (None, None));
    }

    #[test]
    fn a_link_whose_name_is_none_of_ours_is_not_read() {
        assert!(read(&link(7, 0, &[attribute(libc::IFLA_IFNAME, b"a%d\0")])).is_none());
        assert!(read(&link(7, 0, &[attribute(libc::IFLA_IFNAME, b"\xff\0")])).is_none());
        assert!(read(&link(7, 0, &[])).is_none());
        assert!(read(&[0; 3]).is_none());
    }

    #[test]
    fn a_wait_looks_once_even_without_time() {
        let mut looks = 0;
        let refusal = wait_until(Duration::ZERO, || {
            looks += 1;
            Ok(false)
        });
        assert_eq!((looks, refusal.unwrap_err().errno), (1, Errno::ETIMEDOUT));
        wait_until(Duration::ZERO, || Ok(true)).unwrap();
    }
}
