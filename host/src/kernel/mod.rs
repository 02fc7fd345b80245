//! The kernel as plugins see it: links, addresses, routes, bridge ports, sysctls, NAT intents.
//!
//! firewalld, which a node's filter may belong to, is asked here as well: in the end its zones are rules of
//! the kernel, and what is done there is undone, counted and simulated as everything else.
//!
//! Two kernels stand behind [`Kernel`]: `linux` (netlink sockets) and `sim` (a model with state and
//! the kernel's errnos). `tests/kernel` runs one conformance suite on both. Only
//! [`Gate`](crate::policy) may call a `Kernel`: see `docs/decisions`.

mod errno;
mod intents;
mod model;
mod port_map;
mod role;
mod shaping;
mod words;

pub mod faults;
pub mod linux;
pub mod sim;
pub mod sysfs;

pub use errno::{Errno, KernelError};
pub use intents::{Admission, Apart, Masquerade, Owner, Separation, SpoofGuard, ZoneSource};
pub use model::*;
pub use port_map::{Condition, PortMap, PortMapping, PortMasquerade, Protocol};
pub use role::Role;
pub use shaping::{Shaping, TokenBucket, Way};

use std::net::IpAddr;
use std::time::Duration;

use crate::names::IfName;

/// What every operation returns.
pub type Result<T> = std::result::Result<T, KernelError>;

/// The operations on the two network namespaces of one call.
///
/// Every method acts at once and is atomic: after an error nothing of it is left. A namespace that
/// is not there (DEL without `CNI_NETNS`) answers `ENOENT` to everything.
pub trait Kernel {
    /// Identity of a namespace; `None` where the call has none. (nsfs device and inode, `stat(2)`.)
    fn netns(&self, netns: Role) -> Option<NetnsId>;

    /// Equivalent: `ip link show NAME`. An unknown name is `None`, not an error.
    fn link_by_name(&mut self, netns: Role, name: &IfName) -> Result<Option<Link>>;

    /// Equivalent: `ip link show` by index. An unknown index is `None`, not an error.
    fn link_by_index(&mut self, netns: Role, index: IfIndex) -> Result<Option<Link>>;

    /// Equivalent: `ip link show`.
    fn links(&mut self, netns: Role) -> Result<Vec<Link>>;

    /// Equivalent: `ip link add …`. Returns the new link as the kernel reports it.
    ///
    /// # Errors
    /// `EEXIST`: the name (or the veth peer's name in its namespace) is taken. `EINVAL`: a value is
    /// out of the kernel's range (`ERANGE` for a VLAN id). `EOPNOTSUPP`: the kernel lacks the kind.
    fn link_create(&mut self, netns: Role, spec: &LinkSpec) -> Result<Link>;

    /// Equivalent: `ip link delete`. Deleting one end of a veth deletes the other.
    ///
    /// # Errors
    /// `ENODEV`: no such link. `EOPNOTSUPP`: a link that cannot be deleted, such as `lo`.
    fn link_delete(&mut self, netns: Role, index: IfIndex) -> Result<()>;

    /// Equivalent: `ip link set …`, one attribute at a time; see [`LinkChange`].
    ///
    /// # Errors
    /// `ENODEV`: no such link. `EBUSY`, `EINVAL`, `EEXIST`: as the kernel has it for the change.
    fn link_set(&mut self, netns: Role, index: IfIndex, change: &LinkChange) -> Result<()>;

    /// Takes a link into the other namespace, under a new name and with this alias (empty: none). It arrives
    /// down; its addresses, routes and master are gone, and its index may differ. Returns it as it is there.
    ///
    /// Equivalent: `ip link set dev … netns … name NAME alias ALIAS`.
    ///
    /// # Errors
    /// `EEXIST`: the name is taken there. `EINVAL`: a link that does not move, such as a bridge. `ENODEV`: no
    /// such link.
    fn link_move(
        &mut self,
        from: Role,
        index: IfIndex,
        to: Role,
        name: &IfName,
        alias: &str,
    ) -> Result<Link>;

    /// Waits until the link is operationally up (RFC 2863 `up` or `unknown`), at most `timeout`.
    ///
    /// # Errors
    /// `ETIMEDOUT`: it is not; `ENODEV`: the link went away.
    fn link_wait_up(&mut self, netns: Role, index: IfIndex, timeout: Duration) -> Result<()>;

    /// Equivalent: `ip addr add … dev …`. IPv4 prefixes shorter than 31 get their broadcast address.
    ///
    /// # Errors
    /// `EEXIST`: the link has this address. `EACCES`: IPv6 is disabled on the link.
    fn addr_add(&mut self, netns: Role, index: IfIndex, address: &AddressSpec) -> Result<()>;

    /// Equivalent: `ip addr del … dev …`.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`: the link does not have it.
    fn addr_delete(&mut self, netns: Role, index: IfIndex, address: &AddressSpec) -> Result<()>;

    /// Equivalent: `ip addr show dev …`.
    fn addrs(&mut self, netns: Role, index: IfIndex) -> Result<Vec<Address>>;

    /// Waits until no address of the link is tentative (RFC 4862 duplicate address detection).
    ///
    /// # Errors
    /// `EADDRINUSE`: an address is a duplicate. `ETIMEDOUT`: still tentative after `timeout`.
    fn addrs_wait_settled(&mut self, netns: Role, index: IfIndex, timeout: Duration) -> Result<()>;

    /// Equivalent: `ip route prepend …` (`NLM_F_CREATE`). There may be others of the same destination
    /// and metric: an IPv4 route comes before them. IPv6 makes those with gateways next hops of one
    /// route; of those without, the oldest stays first.
    ///
    /// # Errors
    /// `EEXIST`: there is this very route; of IPv6, one with the same gateway and link.
    /// `ENETUNREACH` (IPv6: `EHOSTUNREACH`): the gateway is not on a connected network.
    fn route_add(&mut self, netns: Role, route: &RouteSpec) -> Result<()>;

    /// Equivalent: `ip route del …`; only what the spec names has to match. One route goes, and of a
    /// route with several next hops one of these.
    ///
    /// # Errors
    /// `ESRCH`: no such route.
    fn route_delete(&mut self, netns: Role, route: &RouteSpec) -> Result<()>;

    /// Equivalent: `ip route show table all`, both families, without the `local` table's entries
    /// and without cloned or multicast ones.
    fn routes(&mut self, netns: Role) -> Result<Vec<Route>>;

    /// The route that a packet to `destination` takes. Equivalent: `ip route get …`.
    ///
    /// # Errors
    /// `ENETUNREACH`: none.
    fn route_to(&mut self, netns: Role, destination: IpAddr) -> Result<Route>;

    /// Equivalent: `ip rule add from SOURCE lookup TABLE`; it is asked before those that are there, of which
    /// one may be the same.
    ///
    /// # Errors
    /// `EINVAL`: the kernel takes no such rule.
    fn rule_add(&mut self, netns: Role, rule: &RuleSpec) -> Result<()>;

    /// Equivalent: `ip rule delete from SOURCE lookup TABLE`: the one that is asked first.
    ///
    /// # Errors
    /// `ENOENT`: no such rule.
    fn rule_delete(&mut self, netns: Role, rule: &RuleSpec) -> Result<()>;

    /// Equivalent: `ip rule show`, both families, those alone that lead to a table.
    fn rules(&mut self, netns: Role) -> Result<Vec<Rule>>;

    /// Keeps the namespace locked until this kernel is dropped. Equivalent: `flock NETNS`, as the reference
    /// plugin `sbr` has it.
    ///
    /// # Errors
    /// `ETIMEDOUT`: somebody else has it for longer than `patience`.
    fn netns_lock(&mut self, netns: Role, patience: Duration) -> Result<()>;

    /// Equivalent: `bridge link set dev … hairpin|isolated on|off`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` or `EINVAL`: the link is no bridge port.
    fn bridge_port_set(&mut self, netns: Role, port: IfIndex, change: PortChange) -> Result<()>;

    /// Equivalent: `bridge vlan add dev … vid FIRST-LAST [pvid] [untagged] [self]`.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: neither a bridge nor a port, or a kernel without VLAN filtering.
    fn bridge_vlan_add(&mut self, netns: Role, link: IfIndex, vlan: &VlanEntry) -> Result<()>;

    /// Equivalent: `bridge vlan del dev … vid FIRST-LAST`. Missing ones are no error.
    fn bridge_vlan_delete(&mut self, netns: Role, link: IfIndex, vlan: &VlanEntry) -> Result<()>;

    /// Equivalent: `bridge vlan show dev …`, one entry per VLAN id.
    fn bridge_vlans(&mut self, netns: Role, link: IfIndex) -> Result<Vec<VlanEntry>>;

    /// Reads `/proc/sys/KEY`, without the final newline. Equivalent: `sysctl -n KEY`.
    ///
    /// # Errors
    /// `ENOENT`: the kernel has no such key.
    fn sysctl_get(&mut self, netns: Role, key: &SysctlKey) -> Result<String>;

    /// Equivalent: `sysctl -w KEY=VALUE`.
    ///
    /// # Errors
    /// `ENOENT`: no such key. `EINVAL`: the kernel refuses the value.
    fn sysctl_set(&mut self, netns: Role, key: &SysctlKey, value: &str) -> Result<()>;

    /// Masquerades packets from `masquerade.source` that leave its network, in the host netns.
    /// An entry for the same source is replaced, its owner with it.
    fn masquerade_add(&mut self, masquerade: &Masquerade) -> Result<()>;

    /// Removes the entry if it is there and its owner is the one named. Not there: success.
    fn masquerade_delete(&mut self, masquerade: &Masquerade) -> Result<()>;

    /// Every masquerade entry of the node.
    fn masquerades(&mut self) -> Result<Vec<Masquerade>>;

    /// Drops frames that enter bridge port `guard.port` from another source MAC than `guard.mac`.
    fn spoof_guard_add(&mut self, guard: &SpoofGuard) -> Result<()>;

    /// Removes the guard if it is there and its owner is the one named. Not there: success.
    fn spoof_guard_delete(&mut self, guard: &SpoofGuard) -> Result<()>;

    /// Every guard of the node.
    fn spoof_guards(&mut self) -> Result<Vec<SpoofGuard>>;

    /// Removes what the reference plugins masquerade for an attachment by nftables: the rules of chain
    /// `masq_checks` of table `inet cni_plugins_masquerade` whose comment says so. None there: success.
    fn reference_masquerade_delete(&mut self, owner: &Owner) -> Result<()>;

    /// Removes the reference bridge plugin's guard (`macspoofchk`) of an attachment: in table
    /// `bridge nat` the chains `cni-br-iface-CONTAINER-IFNAME` and what leads there. None there: success.
    fn reference_spoof_guard_delete(&mut self, owner: &Owner) -> Result<()>;

    /// Lets packets from an address, and those of its connections towards it, pass the node's firewall;
    /// an entry for the same address is replaced, its owner with it. `admin`: the name of the chain that
    /// the operator fills with what comes before; it is made empty, and never touched again.
    fn admission_add(&mut self, admission: &Admission, admin: &str) -> Result<()>;

    /// Removes the entry if it is there and its owner is the one named; with the last one for its bridge,
    /// the bridge is no longer kept apart. Not there: success.
    fn admission_delete(&mut self, admission: &Admission) -> Result<()>;

    /// Every admission of the node that is in effect.
    fn admissions(&mut self) -> Result<Vec<Admission>>;

    /// Whether firewalld runs: whether its name on the system bus has an owner. It is never started. No bus, or
    /// one that lets this user not in, is one without firewalld.
    ///
    /// Equivalent: `firewall-cmd --state`.
    ///
    /// # Errors
    /// `ETIMEDOUT`: no answer within `patience`. `EPROTO`: an answer that makes no sense.
    fn firewalld_runs(&mut self, patience: Duration) -> Result<bool>;

    /// The zone that firewalld has for packets from this very address, if it has one.
    ///
    /// Equivalent: `firewall-cmd --get-zone-of-source=ADDRESS/32`.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: firewalld does not run. `ETIMEDOUT`, `EPROTO`: as for [`Kernel::firewalld_runs`].
    fn zone_of_source(&mut self, address: IpAddr, patience: Duration) -> Result<Option<String>>;

    /// Equivalent: `firewall-cmd --zone=ZONE --add-source=ADDRESS/32`.
    ///
    /// # Errors
    /// `EEXIST`: the address is in a zone, this one or another. `ENOENT`: no such zone. `EOPNOTSUPP`,
    /// `ETIMEDOUT`, `EPROTO`: as for [`Kernel::zone_of_source`]. `EACCES`: firewalld does not serve this user.
    /// `EIO`: anything else that firewalld says; the hint has its words.
    fn zone_source_add(&mut self, source: &ZoneSource, patience: Duration) -> Result<()>;

    /// Equivalent: `firewall-cmd --zone=ZONE --remove-source=ADDRESS/32`. Not in this zone: success. So it is
    /// where firewalld does not run: what it had at run time went with it.
    ///
    /// # Errors
    /// As for [`Kernel::zone_source_add`], but for `EEXIST`, `ENOENT` and `EOPNOTSUPP`.
    fn zone_source_delete(&mut self, source: &ZoneSource, patience: Duration) -> Result<()>;

    /// Limits what leaves by a link.
    /// Equivalent: `tc qdisc add dev … root handle 1: tbf rate … burst … limit …`.
    ///
    /// # Errors
    /// `EEXIST`: somebody gave it a root qdisc. `ENODEV`: no such link.
    fn bucket_add(&mut self, netns: Role, link: IfIndex, bucket: &TokenBucket) -> Result<()>;

    /// Equivalent: `tc qdisc del dev … root handle 1: tbf`. Another root qdisc stays.
    ///
    /// # Errors
    /// `ENOENT`: there is no such qdisc. `ENODEV`: no such link.
    fn bucket_delete(&mut self, netns: Role, link: IfIndex) -> Result<()>;

    /// Sends all that comes in by a link out by another one of the namespace.
    /// Equivalent: `tc qdisc add dev LINK handle ffff: ingress` and `tc filter add dev LINK parent ffff:
    /// protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev TO`.
    ///
    /// # Errors
    /// `EEXIST`: the link has an ingress qdisc. `ENODEV`: no such link.
    fn redirect_add(&mut self, netns: Role, link: IfIndex, to: IfIndex) -> Result<()>;

    /// Equivalent: `tc qdisc del dev LINK ingress`, which its filters go with.
    ///
    /// # Errors
    /// `ENOENT`: there is none. `ENODEV`: no such link.
    fn redirect_delete(&mut self, netns: Role, link: IfIndex) -> Result<()>;

    /// Equivalent: `tc qdisc show dev …` and `tc filter show dev … parent ffff:`.
    ///
    /// # Errors
    /// `ENODEV`: no such link.
    fn shaping(&mut self, netns: Role, link: IfIndex) -> Result<Shaping>;

    /// Opens the mappings in the host netns, all or none, for packets to local addresses; has
    /// connections of their UDP ports forgotten. Those of the same owner are replaced.
    ///
    /// # Errors
    /// `EEXIST`: another owner, whom the hint names, has a port at an address that overlaps.
    fn port_map_add(&mut self, map: &PortMap) -> Result<()>;

    /// Closes those of the mappings that are there and belong to the owner that they name; has
    /// connections through their UDP ports forgotten. Not there: success.
    fn port_map_delete(&mut self, mappings: &[PortMapping]) -> Result<()>;

    /// Every port mapping of the node.
    fn port_mappings(&mut self) -> Result<Vec<PortMapping>>;

    /// Those of the mappings that are not there as described, conditions included.
    fn port_map_missing(&mut self, map: &PortMap) -> Result<Vec<PortMapping>>;

    /// Removes the rules that the reference plugin's nftables back end made for a container: those of
    /// tables `ip cni_hostport` and `ip6 cni_hostport` whose comment is its id. None: success.
    fn reference_port_rules_delete(&mut self, container_id: &str) -> Result<()>;
}
