//! The kernel as plugins see it: links, addresses, routes, bridge ports, sysctls, NAT intents.
//!
//! Two kernels stand behind [`Kernel`]: `linux` (netlink sockets) and `sim` (a model with state and
//! the kernel's errnos). `tests/kernel` runs one conformance suite on both. Only
//! [`Gate`](crate::policy) may call a `Kernel`: see `docs/decisions`.

mod errno;
mod model;
mod role;
mod words;

pub mod faults;
pub mod linux;
pub mod sim;

pub use errno::{Errno, KernelError};
pub use model::*;
pub use role::Role;

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
    fn route_to(&mut self, netns: Role, destination: std::net::IpAddr) -> Result<Route>;

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
}
