//! NAT and filtering as intents, rendered into nf_tables tables of the host's own.
//!
//! Each table is made once, by the first call that needs it, with all its rules; attachments come
//! and go as elements of its sets, so that neither their cost nor a packet's grows with the number
//! of containers. The attachment's names are the element's comment: no file is needed to find what
//! is whose, and `nft list ruleset` shows it.
//!
//! A table's name ends in the number of its layout. A version of this program that needs another
//! layout makes a table of another name and goes on deleting from the ones it knows, so that
//! containers that run during an upgrade keep what they have. Within one number nothing but the
//! elements (and the sets and rules of further prefix lengths) may change.
//!
//! ```text
//! table inet wasmcni_nat_v1 {
//!     set source4 { type ipv4_addr; elements = { 10.88.0.5 comment "/16 mynet/0123abcd/eth0" } }
//!     set local4_16 { type ipv4_addr . ipv4_addr; elements = { 10.88.0.5 . 10.88.0.0 } }
//!     chain masquerade4 {
//!         ip saddr . ip daddr & 255.255.0.0 @local4_16 return
//!         masquerade
//!     }
//!     chain postrouting {
//!         type nat hook postrouting priority srcnat; policy accept;
//!         ip daddr 224.0.0.0/4 return
//!         ip saddr @source4 goto masquerade4
//!     }
//! }
//! table bridge wasmcni_guard_v1 {
//!     set guarded {
//!         type ifname
//!         elements = { "veth1a2b3c4d" comment "02:00:00:00:00:05 mynet/0123abcd/eth0" }
//!     }
//!     set allowed { type ifname . ether_addr; elements = { "veth1a2b3c4d" . 02:00:00:00:00:05 } }
//!     chain prerouting {
//!         type filter hook prerouting priority dstnat; policy accept;
//!         iifname @guarded iifname . ether saddr != @allowed drop
//!     }
//! }
//! table inet wasmcni_firewall_v1 {
//!     set admitted4 { type ipv4_addr; elements = { 10.88.0.5 comment "open mynet/0123abcd/eth0" } }
//!     set apart { type ifname; }
//!     set same { type ifname . ifname; }
//!     set isolated { type ifname . ifname; }
//!     chain CNI-ADMIN { }
//!     chain admin { jump CNI-ADMIN }
//!     chain admitted { meta mark set meta mark | 0x1000 }
//!     chain forward {
//!         type filter hook forward priority filter - 10; policy accept;
//!         meta mark set meta mark & 0xffffefff
//!         iifname . oifname @isolated drop
//!         iifname @apart oifname @apart iifname . oifname != @same drop
//!         jump admin
//!         ip daddr @admitted4 ct state established,related goto admitted
//!         ip saddr @admitted4 goto admitted
//!     }
//!     chain after {
//!         type filter hook forward priority filter + 10; policy accept;
//!         meta mark set meta mark & 0xffffefff
//!     }
//! }
//! ```
//!
//! The third table, `inet wasmcni_ports_v1`: `port_rules.rs`.

mod attribute;
mod batch;
mod conditions;
mod conntrack;
mod entry;
mod expression;
mod firewall;
mod label;
mod masquerade;
mod message;
mod port_elements;
mod port_map;
mod port_rules;
mod reference;
mod reference_ports;
mod spoof_guard;
mod table;
mod uapi;

use std::os::fd::{AsRawFd, RawFd};

use std::fmt;

use self::batch::{Channel, Failure};
use self::conntrack::Which;
use crate::kernel::{
    self, Admission, KernelError, Masquerade, Owner, PortMap, PortMapping, Role, SpoofGuard,
};

/// nf_tables of one network namespace.
///
/// Whoever closes a netlink socket to nf_tables waits until what was deleted shortly before, by
/// anyone, is freed after its RCU grace period: 7 to 16 ms after a deletion. A process that forks a
/// child to wait for a link's deletion leaves that to the child as well, by letting it inherit this
/// value undropped.
#[derive(Debug)]
pub(super) struct Nftables {
    channel: Channel,
}

impl AsRawFd for Nftables {
    fn as_raw_fd(&self) -> RawFd {
        self.channel.as_raw_fd()
    }
}

impl Nftables {
    /// Opens nf_tables of the calling thread's namespace, and later acts there whatever thread
    /// calls.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT`: the kernel has no nfnetlink.
    pub(super) fn open() -> kernel::Result<Self> {
        let channel = Channel::open().map_err(|errno| {
            KernelError::new(format!("opening nftables in {}", Role::Host), errno)
        })?;
        Ok(Self { channel })
    }

    /// Masquerades packets from `masquerade.source` that leave its network.
    ///
    /// An address has one entry: one for the same address is replaced, its prefix length and owner
    /// with it.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn masquerade_add(&mut self, masquerade: &Masquerade) -> kernel::Result<()> {
        entry::add(&mut self.channel, masquerade)
            .map_err(|f| failed("adding masquerade of", &masquerade.source, f))
    }

    /// Removes the address's entry if it is there and its owner is the one named. Not there:
    /// success.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn masquerade_delete(&mut self, masquerade: &Masquerade) -> kernel::Result<()> {
        entry::delete(&mut self.channel, masquerade)
            .map_err(|f| failed("deleting masquerade of", &masquerade.source, f))
    }

    /// Every masquerade entry of the namespace.
    ///
    /// # Errors
    /// `EAGAIN`: others kept changing the ruleset meanwhile.
    pub(super) fn masquerades(&mut self) -> kernel::Result<Vec<Masquerade>> {
        masquerade::list(&mut self.channel).map_err(|f| failed("listing masquerades", &"", f))
    }

    /// Drops frames that enter bridge port `guard.port` from another source MAC than `guard.mac`.
    ///
    /// A port has one guard: one for the same port is replaced, its MAC and owner with it.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn spoof_guard_add(&mut self, guard: &SpoofGuard) -> kernel::Result<()> {
        entry::add(&mut self.channel, guard)
            .map_err(|f| failed("adding spoof guard of", &guard.port, f))
    }

    /// Removes the port's guard if it is there and its owner is the one named. Not there: success.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn spoof_guard_delete(&mut self, guard: &SpoofGuard) -> kernel::Result<()> {
        entry::delete(&mut self.channel, guard)
            .map_err(|f| failed("deleting spoof guard of", &guard.port, f))
    }

    /// Lets an address through. See [`firewall`].
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn admission_add(
        &mut self,
        admission: &Admission,
        admin: &str,
    ) -> kernel::Result<()> {
        firewall::add(&mut self.channel, admission, admin)
            .map_err(|f| failed("admitting", &admission.address, f))
    }

    /// Removes the address's entry if it is there and its owner is the one named. Not there:
    /// success.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn admission_delete(&mut self, admission: &Admission) -> kernel::Result<()> {
        firewall::delete(&mut self.channel, admission)
            .map_err(|f| failed("deleting the admission of", &admission.address, f))
    }

    /// Every admission of the namespace that is in effect.
    ///
    /// # Errors
    /// `EAGAIN`: others kept changing the ruleset meanwhile.
    pub(super) fn admissions(&mut self) -> kernel::Result<Vec<Admission>> {
        firewall::list(&mut self.channel).map_err(|f| failed("listing admissions", &"", f))
    }

    /// Every guard of the namespace.
    ///
    /// # Errors
    /// `EAGAIN`: others kept changing the ruleset meanwhile.
    pub(super) fn spoof_guards(&mut self) -> kernel::Result<Vec<SpoofGuard>> {
        spoof_guard::list(&mut self.channel).map_err(|f| failed("listing spoof guards", &"", f))
    }

    /// Opens the mappings, all or none; those of the same owner are replaced.
    ///
    /// # Errors
    /// `EEXIST`: another owner has a port. `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn port_map_add(&mut self, map: &PortMap) -> kernel::Result<()> {
        let failed = |failure| ports_failed("mapping", &map.mappings, failure);
        port_map::add(&mut self.channel, map).map_err(failed)?;
        conntrack::forget(&mut self.channel, &map.mappings, Which::ToPorts).or_else(|failure| {
            // Half of it is worse than none: old connections would go on elsewhere.
            port_map::delete(&mut self.channel, &map.mappings).map_err(failed)?;
            Err(ports_failed("forgetting connections of", &map.mappings, failure))
        })
    }

    /// Closes those of the mappings that are there and belong to the owner that they name.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn port_map_delete(&mut self, mappings: &[PortMapping]) -> kernel::Result<()> {
        port_map::delete(&mut self.channel, mappings)
            .map_err(|failure| ports_failed("unmapping", mappings, failure))?;
        conntrack::forget(&mut self.channel, mappings, Which::IntoContainer)
            .map_err(|failure| ports_failed("forgetting connections of", mappings, failure))
    }

    /// Every port mapping of the namespace.
    ///
    /// # Errors
    /// `EAGAIN`: others kept changing the ruleset meanwhile.
    pub(super) fn port_mappings(&mut self) -> kernel::Result<Vec<PortMapping>> {
        port_map::list(&mut self.channel).map_err(|f| failed("listing port mappings", &"", f))
    }

    /// Those of the mappings that are not there as described.
    ///
    /// # Errors
    /// None at present but the kernel's own troubles.
    pub(super) fn port_map_missing(&mut self, map: &PortMap) -> kernel::Result<Vec<PortMapping>> {
        port_map::missing(&mut self.channel, map)
            .map_err(|failure| ports_failed("looking for", &map.mappings, failure))
    }

    /// Removes the rules that the reference plugin's nftables back end made for a container.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn reference_port_rules_delete(&mut self, container_id: &str) -> kernel::Result<()> {
        reference_ports::delete(&mut self.channel, container_id)
            .map_err(|f| failed("deleting rules of the reference plugin for", &container_id, f))
    }
}

fn ports_failed(act: &str, mappings: &[PortMapping], failure: Failure) -> KernelError {
    let Failure { errno, hint, message: _ } = failure;
    let act = format!("{act} {} in {}", PortMapping::words(mappings), Role::Host);
    KernelError { act, errno, hint }
}

impl Nftables {
    /// Removes the reference plugins' masquerade rules of an attachment.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn reference_masquerade_delete(&mut self, owner: &Owner) -> kernel::Result<()> {
        reference::delete_masquerade(&mut self.channel, owner).map_err(|f| {
            failed("deleting the reference's masquerade of container", &owner.container_id, f)
        })
    }

    /// Removes the reference bridge plugin's guard of an attachment.
    ///
    /// # Errors
    /// `EBUSY`: others kept changing the ruleset meanwhile.
    pub(super) fn reference_spoof_guard_delete(&mut self, owner: &Owner) -> kernel::Result<()> {
        reference::delete_spoof_guard(&mut self.channel, owner).map_err(|f| {
            failed("deleting the reference's spoof guard of container", &owner.container_id, f)
        })
    }
}

fn failed(act: &str, object: &dyn fmt::Display, failure: Failure) -> KernelError {
    let object = object.to_string();
    let quoted = if object.is_empty() { object } else { format!(" \"{object}\"") };
    let Failure { errno, hint, message: _ } = failure;
    KernelError { act: format!("{act}{quoted} in {}", Role::Host), errno, hint }
}
