//! IPv6 on a device: begins and ends with its state, and checks its addresses for duplicates.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use super::super::{Errno, IfIndex, IpvlanMode};
use super::device::{Dad, Ipv6, Kind};
use super::state::{Answer, DeviceId, NetnsKey, Node};

/// How long detection waits before it begins. In the kernel: up to 1 s, by chance.
const DAD_DELAY: Duration = Duration::from_millis(500);

/// How long it waits for the answer to each of its `dad_transmits` questions: `retrans_time_ms`.
const DAD_PROBE: Duration = Duration::from_secs(1);

impl Node {
    pub(super) fn ipv6_disabled(&self, id: DeviceId) -> Answer<bool> {
        Ok(self.dev(id)?.ipv6 == Ipv6::Absent || self.conf_int(id, "ipv6/conf/disable_ipv6")? != 0)
    }

    /// `NETDEV_UP`: the loopback device gets its address, kept addresses get their routes.
    pub(super) fn ipv6_up(&mut self, id: DeviceId) -> Answer<()> {
        if self.ipv6_disabled(id)? {
            return Ok(());
        }
        let kept = self.ipv6_addresses(id)?;
        let loopback = IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST));
        if self.dev(id)?.kind.is_loopback() && !kept.contains(&loopback) {
            self.ipv6_place(id, loopback, true)?;
        }
        for address in kept {
            self.ipv6_connect(id, address)?;
            self.start_dad(id, address)?;
        }
        Ok(())
    }

    fn ipv6_addresses(&self, id: DeviceId) -> Answer<Vec<IpNet>> {
        let addresses = self.dev(id)?.addresses.iter().map(|entry| entry.address);
        Ok(addresses.filter(|address| address.addr().is_ipv6()).collect())
    }

    /// The link is operational: it gets a link-local address, and detection begins. Losing the carrier
    /// later takes nothing of that back.
    pub(super) fn ipv6_ready(&mut self, id: DeviceId) -> Answer<()> {
        if self.ipv6_disabled(id)? || self.is_ready(id) {
            return Ok(());
        }
        self.dev_mut(id)?.ipv6 = Ipv6::Ready;
        if let Some(address) = self.link_local(id)? {
            if !self.ipv6_addresses(id)?.contains(&address) {
                self.ipv6_place(id, address, false)?;
            }
            self.ipv6_connect(id, address)?;
        }
        for address in self.ipv6_addresses(id)? {
            self.start_dad(id, address)?;
        }
        Ok(())
    }

    /// `addrconf_ifdown`: addresses go, except those that `keep_addr_on_down` keeps; routes go.
    pub(super) fn ipv6_down(&mut self, id: DeviceId, may_keep: bool) -> Answer<()> {
        let netns = self.dev(id)?.netns;
        let keep = may_keep
            && !self.ipv6_disabled(id)?
            && (self.conf_int(id, "ipv6/conf/keep_addr_on_down")? > 0
                || self.all_int(netns, "net/ipv6/conf/all/keep_addr_on_down")? > 0);
        let device = self.dev_mut(id)?;
        if device.ipv6 == Ipv6::Ready {
            device.ipv6 = Ipv6::Waiting;
        }
        device.addresses.retain(|entry| match entry.address.addr() {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => keep && !ip.is_loopback() && !ip.is_unicast_link_local(),
        });
        for entry in &mut device.addresses {
            if entry.address.addr().is_ipv6() && !entry.nodad {
                entry.dad = Dad::Waiting;
            }
        }
        self.ipv6_routes_die(id)
    }

    /// The MTU has become too small.
    pub(super) fn ipv6_leaves(&mut self, id: DeviceId) -> Answer<()> {
        self.ipv6_down(id, false)?;
        self.forget_routes(|route| route.device == id && !route.is_v4());
        let device = self.dev_mut(id)?;
        device.ipv6 = Ipv6::Absent;
        device.sysctls.retain(|key, _| !key.starts_with("ipv6/"));
        Ok(())
    }

    /// The MTU is large enough again.
    pub(super) fn ipv6_enters(&mut self, id: DeviceId) -> Answer<()> {
        self.dev_mut(id)?.ipv6 = Ipv6::Waiting;
        self.inherit_sysctls(id);
        self.ipv6_enabled(id)
    }

    /// Somebody wrote `disable_ipv6=0`: what the link's state brings is made up for.
    pub(super) fn ipv6_enabled(&mut self, id: DeviceId) -> Answer<()> {
        if self.dev(id)?.up {
            self.ipv6_up(id)?;
        }
        if self.dev(id)?.oper_up { self.ipv6_ready(id) } else { Ok(()) }
    }

    /// The address that the kernel makes from the MAC (RFC 4291, EUI-64).
    fn link_local(&self, id: DeviceId) -> Answer<Option<IpNet>> {
        let device = self.dev(id)?;
        let by_mac = self.conf_int(id, "ipv6/conf/addr_gen_mode")? == 0;
        if !by_mac || matches!(device.kind, Kind::Loopback | Kind::Vrf { .. }) {
            return Ok(None);
        }
        let [a, b, c, d, e, f] = device.mac.bytes();
        let pair = u16::from_be_bytes;
        let interface = match device.kind {
            // Ipvlans share their parent's MAC, a number of their own tells them apart.
            Kind::Ipvlan { parent, .. } => {
                let older = self.uppers(parent).iter().take_while(|upper| **upper != id).count();
                let [high, low] = u16::try_from(older + 1).unwrap_or(u16::MAX).to_be_bytes();
                [pair([a, b]), pair([c, high]), pair([low, d]), pair([e, f])]
            }
            Kind::Loopback
            | Kind::Veth { .. }
            | Kind::Bridge { .. }
            | Kind::Dummy
            | Kind::Tap { .. }
            | Kind::Macvlan { .. }
            | Kind::Vlan { .. }
            | Kind::Vrf { .. } => {
                [pair([a ^ 2, b]), pair([c, 0xff]), pair([0xfe, d]), pair([e, f])]
            }
        };
        let [i, j, k, l] = interface;
        Ok(Ipv6Net::new(Ipv6Addr::new(0xfe80, 0, 0, 0, i, j, k, l), 64).ok().map(IpNet::from))
    }

    /// `IFF_NOARP`: nobody to ask whether an address is taken.
    pub(super) fn is_silent(&self, id: DeviceId) -> bool {
        let Ok(device) = self.dev(id) else { return true };
        match device.kind {
            Kind::Loopback | Kind::Dummy | Kind::Vrf { .. } => true,
            Kind::Ipvlan { mode: IpvlanMode::L3 | IpvlanMode::L3s, .. } => true,
            Kind::Vlan { parent, .. } => self.is_silent(parent),
            Kind::Ipvlan { mode: IpvlanMode::L2, .. }
            | Kind::Veth { .. }
            | Kind::Bridge { .. }
            | Kind::Tap { .. }
            | Kind::Macvlan { .. } => false,
        }
    }

    /// `addrconf_dad_begin`, for an address that waits for it.
    pub(super) fn start_dad(&mut self, id: DeviceId, address: IpNet) -> Answer<()> {
        let netns = self.dev(id)?.netns;
        let wanted = self.conf_int(id, "ipv6/conf/accept_dad")? >= 1
            || self.all_int(netns, "net/ipv6/conf/all/accept_dad")? >= 1;
        let needless = !wanted || self.is_silent(id);
        let ready = self.is_ready(id);
        let probes = u32::try_from(self.conf_int(id, "ipv6/conf/dad_transmits")?).unwrap_or(0);
        let end = self.now + DAD_DELAY + DAD_PROBE * probes;
        for entry in &mut self.dev_mut(id)?.addresses {
            if entry.address == address && entry.dad == Dad::Waiting {
                entry.dad = match (needless || entry.nodad, ready) {
                    (true, _) => Dad::Done,
                    (false, true) => Dad::Until(end),
                    (false, false) => Dad::Waiting,
                };
            }
        }
        Ok(())
    }

    /// Time passes; what ends in it ends.
    pub(super) fn advance(&mut self, by: Duration) {
        self.now += by;
        let over: Vec<(DeviceId, IpAddr)> = self
            .devices
            .iter()
            .flat_map(|(id, device)| device.addresses.iter().map(|entry| (*id, entry)))
            .filter(|(_, entry)| matches!(entry.dad, Dad::Until(end) if end <= self.now))
            .map(|(id, entry)| (id, entry.address.addr()))
            .collect();
        for (id, address) in over {
            let taken = self.segment(id).into_iter().filter(|other| *other != id).any(|other| {
                let device = self.dev(other);
                device.is_ok_and(|device| {
                    device
                        .addresses
                        .iter()
                        .any(|entry| entry.address.addr() == address && entry.dad == Dad::Done)
                })
            });
            if let Ok(device) = self.dev_mut(id) {
                for entry in &mut device.addresses {
                    if entry.address.addr() == address {
                        entry.dad = if taken { Dad::Failed } else { Dad::Done };
                    }
                }
            }
        }
    }

    /// The devices that hear a broadcast from this one.
    fn segment(&self, from: DeviceId) -> BTreeSet<DeviceId> {
        let mut heard = BTreeSet::from([from]);
        let mut next = vec![from];
        while let Some(id) = next.pop() {
            let Ok(device) = self.dev(id) else { continue };
            let bridge = device.master.filter(|_| device.port.is_some());
            let cable = device.kind.iflink();
            let mut beyond: Vec<DeviceId> = bridge.into_iter().chain(cable).collect();
            beyond.extend(self.uppers(id));
            if device.kind.is_bridge() {
                beyond.extend(self.ports(id));
            }
            beyond.retain(|other| self.dev(*other).is_ok_and(|device| device.up));
            next.extend(beyond.into_iter().filter(|other| heard.insert(*other)));
        }
        heard
    }

    /// Waits for the end of detection on a link.
    pub(super) fn wait_settled(
        &mut self,
        netns: NetnsKey,
        index: IfIndex,
        timeout: Duration,
    ) -> Answer<()> {
        let id = self.find(netns, index)?;
        let dads: Vec<Dad> = self.dev(id)?.addresses.iter().map(|entry| entry.dad).collect();
        let waiting = dads.contains(&Dad::Waiting);
        let end = dads.iter().filter_map(|dad| match dad {
            Dad::Until(end) => Some(*end),
            Dad::Done | Dad::Waiting | Dad::Failed => None,
        });
        let left = end.max().map_or(Duration::ZERO, |end| end.saturating_sub(self.now));
        let wait = if waiting { timeout } else { left.min(timeout) };
        if !dads.contains(&Dad::Failed) {
            self.advance(wait);
        }
        let entries = &self.dev(id)?.addresses;
        if entries.iter().any(|entry| entry.dad == Dad::Failed) {
            Err(Errno::EADDRINUSE)
        } else if entries.iter().any(|entry| entry.dad != Dad::Done) {
            Err(Errno::ETIMEDOUT)
        } else {
            Ok(())
        }
    }
}
