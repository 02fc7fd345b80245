//! Bridge ports and VLANs: `bridge link`, `bridge vlan`.

use netlink_packet_core::DefaultNla;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfo, BridgeVlanInfoFlags, LinkAttribute, LinkExtentMask,
    LinkHeader, LinkMessage, LinkProtoInfoBridge,
};
use nix::errno::Errno;
use nix::libc;

use super::attributes::{attribute, attributes, read_u32};
use super::link::{self, HEADER_OCTETS, IFLA_BRPORT_ISOLATED, IFLA_BRPORT_MODE};
use super::socket::{Refusal, RouteSocket};
use crate::kernel::{IfIndex, PortChange, VlanEntry};

/// `IFLA_BRIDGE_VLAN_INFO`, in the `IFLA_AF_SPEC` of a bridge.
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;

fn message(index: IfIndex) -> LinkMessage {
    let mut message = link::message(index);
    message.header.interface_family = AddressFamily::Bridge;
    message
}

/// Equivalent: `bridge link set dev … hairpin|isolated on|off`.
pub(super) fn set_port(
    socket: &mut RouteSocket,
    port: IfIndex,
    change: PortChange,
) -> Result<(), Refusal> {
    let (kind, on) = match change {
        PortChange::Hairpin(on) => (IFLA_BRPORT_MODE, on),
        PortChange::Isolated(on) => (IFLA_BRPORT_ISOLATED, on),
    };
    let setting = LinkProtoInfoBridge::Other(DefaultNla::new(kind, vec![on.into()]));
    let mut request = message(port);
    request.attributes.push(LinkAttribute::ProtoInfoBridge(vec![setting]));
    socket.act(libc::RTM_SETLINK, 0, &request)
}

/// Equivalent: `bridge vlan add dev … vid FIRST-LAST [pvid] [untagged] [self]`.
pub(super) fn add_vlan(
    socket: &mut RouteSocket,
    link: IfIndex,
    vlan: &VlanEntry,
) -> Result<(), Refusal> {
    socket.act(libc::RTM_SETLINK, 0, &vlan_message(link, vlan)?)
}

/// Equivalent: `bridge vlan delete dev … vid FIRST-LAST [self]`.
pub(super) fn delete_vlan(
    socket: &mut RouteSocket,
    link: IfIndex,
    vlan: &VlanEntry,
) -> Result<(), Refusal> {
    socket.act(libc::RTM_DELLINK, 0, &vlan_message(link, vlan)?)
}

fn vlan_message(link: IfIndex, vlan: &VlanEntry) -> Result<LinkMessage, Refusal> {
    if vlan.first > vlan.last {
        return Err(Refusal::because(Errno::EINVAL, "the range ends before it begins"));
    }
    let mut flags = BridgeVlanInfoFlags::empty();
    flags.set(BridgeVlanInfoFlags::Pvid, vlan.pvid);
    flags.set(BridgeVlanInfoFlags::Untagged, vlan.untagged);
    let info = |vid, flags| AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid });
    let mut content = Vec::new();
    if vlan.on_bridge {
        content.push(AfSpecBridge::Flags(BridgeFlag::LowerDev)); // `self`
    }
    if vlan.first == vlan.last {
        content.push(info(vlan.first, flags));
    } else {
        content.push(info(vlan.first, flags | BridgeVlanInfoFlags::RangeBegin));
        content.push(info(vlan.last, flags | BridgeVlanInfoFlags::RangeEnd));
    }
    let mut request = message(link);
    request.attributes.push(LinkAttribute::AfSpecBridge(content));
    Ok(request)
}

/// Equivalent: `bridge -compressvlans vlan show dev …`, ranges spelled out again.
///
/// # Errors
/// `ENODEV`: no such link.
pub(super) fn vlans(socket: &mut RouteSocket, link: IfIndex) -> Result<Vec<VlanEntry>, Refusal> {
    // The kernel takes no filter here: this lists the ports of all bridges, so ranges stay ranges
    // on the way.
    let mut request = message(IfIndex(0));
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed]));
    let mut known = false;
    let found = socket.dump(libc::RTM_GETLINK, &request, |body, found| {
        if LinkHeader::parse(body).is_ok_and(|header| header.index == link.0) {
            known = true;
            read_vlans(body.get(HEADER_OCTETS..).unwrap_or_default(), link, found);
        }
        Ok(())
    })?;
    if !known && link::by_index(socket, link)?.is_none() {
        return Err(Errno::ENODEV.into());
    }
    Ok(found)
}

fn read_vlans(octets: &[u8], link: IfIndex, found: &mut Vec<VlanEntry>) {
    // A bridge names itself here.
    let on_bridge = attribute(octets, libc::IFLA_MASTER).and_then(read_u32) == Some(link.0);
    let mut first = None;
    for (kind, value) in attributes(attribute(octets, libc::IFLA_AF_SPEC).unwrap_or_default()) {
        if kind != IFLA_BRIDGE_VLAN_INFO {
            continue;
        }
        let Ok(BridgeVlanInfo { flags, vid }) = BridgeVlanInfo::try_from(value) else { continue };
        if flags.contains(BridgeVlanInfoFlags::RangeBegin) {
            first = Some(vid);
            continue;
        }
        found.extend((first.take().unwrap_or(vid)..=vid).map(|vid| VlanEntry {
            first: vid,
            last: vid,
            pvid: flags.contains(BridgeVlanInfoFlags::Pvid),
            untagged: flags.contains(BridgeVlanInfoFlags::Untagged),
            on_bridge,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
    }

    fn info(flags: BridgeVlanInfoFlags, vid: u16) -> Vec<u8> {
        let info = <[u8; 4]>::from(&BridgeVlanInfo { flags, vid });
        attribute(IFLA_BRIDGE_VLAN_INFO, &info)
    }

    #[test]
    fn ranges_are_spelled_out() {
        let vlans = [
            info(BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged, 1),
            info(BridgeVlanInfoFlags::RangeBegin, 7),
            info(BridgeVlanInfoFlags::RangeEnd, 9),
        ];
        let octets = [
            attribute(libc::IFLA_MASTER, &2_u32.to_ne_bytes()),
            attribute(libc::IFLA_AF_SPEC, &vlans.concat()),
        ];
        let mut found = Vec::new();
        read_vlans(&octets.concat(), IfIndex(5), &mut found);
        assert_eq!(found.iter().map(|vlan| vlan.first).collect::<Vec<_>>(), [1, 7, 8, 9]);
        assert!(found[0].pvid && found[0].untagged && !found[0].on_bridge);
        assert!(!found[1].pvid && found[1].first == found[1].last);
        found.clear();
        read_vlans(&octets.concat(), IfIndex(2), &mut found);
        assert!(found.iter().all(|vlan| vlan.on_bridge));
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_refused() {
        let vlan = VlanEntry { first: 9, last: 8, pvid: false, untagged: false, on_bridge: false };
        assert_eq!(vlan_message(IfIndex(1), &vlan).unwrap_err().errno, Errno::EINVAL);
    }
}
