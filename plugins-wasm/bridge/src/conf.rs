//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::conf::DnsConf;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::net::{Tagging, VlanRange};
use wasmcni_sdk::{Error, Mac, NetworkRequest, Request, log, nat};

/// The bridge of a configuration that names none.
const DEFAULT_BRIDGE: &str = "cni0";

/// Longest name of a link, in octets. (IFNAMSIZ without its NUL)
const MAX_NAME: usize = 15;

/// Highest VLAN id. (IEEE 802.1Q reserves 4095.)
const MAX_VLAN: u16 = 4094;

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    bridge: String,
    is_gateway: bool,
    is_default_gateway: bool,
    force_address: bool,
    ip_masq: bool,
    ip_masq_backend: Option<String>,
    mtu: i64,
    hairpin_mode: bool,
    promisc_mode: bool,
    vlan: i64,
    vlan_trunk: Option<Vec<Trunk>>,
    preserve_default_vlan: bool,
    macspoofchk: bool,
    enabledad: bool,
    disable_container_interface: bool,
    port_isolation: bool,
    ipam: Ipam,
    dns: DnsConf,
    args: Args,
    runtime_config: RuntimeConfig,
}

/// VLANs of a trunk: one, or a range, or both.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trunk {
    id: Option<i64>,
    #[serde(rename = "minID")]
    min_id: Option<i64>,
    #[serde(rename = "maxID")]
    max_id: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: CniArgs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CniArgs {
    mac: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    mac: String,
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    /// Name of the bridge.
    pub(crate) bridge: String,
    /// The bridge, or its VLAN's link, gets the gateway addresses.
    pub(crate) is_gateway: bool,
    /// The container gets a default route by the gateway.
    pub(crate) is_default_gateway: bool,
    /// A gateway address that differs from the one there replaces it.
    pub(crate) force_address: bool,
    /// Packets that leave the network take an address of the node. Only with IPAM.
    pub(crate) ip_masq: bool,
    /// Octets, of a bridge that is made and of the veth.
    pub(crate) mtu: Option<u32>,
    /// Frames may leave by the port that they came in by.
    pub(crate) hairpin: bool,
    /// The bridge is promiscuous.
    pub(crate) promisc: bool,
    /// A bridge that is made filters by VLAN.
    pub(crate) vlan_filtering: bool,
    /// The VLAN of the container's untagged frames.
    pub(crate) vlan: Option<u16>,
    /// VLANs of the container's tagged frames, sorted, none of them twice.
    pub(crate) trunk: Vec<VlanRange>,
    /// The port keeps the VLANs that the bridge gave it.
    pub(crate) preserve_default_vlan: bool,
    /// Frames from another source address than the container's are dropped.
    pub(crate) mac_spoof_check: bool,
    /// IPv6 addresses wait for duplicate address detection.
    pub(crate) enable_dad: bool,
    /// The container's end is left down.
    pub(crate) disable_container_interface: bool,
    /// The port is kept from other isolated ports.
    pub(crate) port_isolation: bool,
    /// Who gives addresses; none: the bridge is all that there is.
    pub(crate) ipam: Ipam,
    /// Resolver configuration that overrides IPAM's.
    pub(crate) dns: DnsConf,
    /// Address that the container's end is to have.
    pub(crate) mac: Option<Mac>,
}

impl Conf {
    /// The configuration of an ADD or CHECK.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        let arguments = request.arguments(&["MAC"])?;
        let mac = Mac::requested(arguments.get("MAC"), &raw.args.cni.mac, &raw.runtime_config.mac)?;
        let conf = Self::checked(raw, mac)?;
        conf.ipam.or_none(request.addresses)?;
        Ok(conf)
    }

    /// The configuration of a GC or STATUS.
    pub(crate) fn of_network(request: &NetworkRequest) -> Result<Self, Error> {
        Self::checked(request.configuration()?, None)
    }

    fn checked(raw: Raw, mac: Option<Mac>) -> Result<Self, Error> {
        let l3 = raw.ipam.is_some();
        let vlan = vlan_id("vlan", raw.vlan, 0)?;
        let conf = Self {
            is_gateway: raw.is_gateway || raw.is_default_gateway,
            is_default_gateway: raw.is_default_gateway,
            force_address: raw.force_address,
            ip_masq: raw.ip_masq && l3,
            mtu: mtu(raw.mtu)?,
            hairpin: raw.hairpin_mode,
            promisc: raw.promisc_mode,
            vlan_filtering: vlan != 0 || raw.vlan_trunk.is_some(),
            trunk: trunk(raw.vlan_trunk.as_deref().unwrap_or_default(), vlan)?,
            vlan: Some(vlan).filter(|id| *id != 0),
            preserve_default_vlan: raw.preserve_default_vlan,
            mac_spoof_check: raw.macspoofchk,
            enable_dad: raw.enabledad,
            disable_container_interface: raw.disable_container_interface,
            port_isolation: raw.port_isolation,
            bridge: bridge(raw.bridge)?,
            ipam: raw.ipam,
            dns: raw.dns,
            mac,
        };
        if conf.hairpin && conf.promisc {
            return Err(Error::config("promiscMode", true, "hairpinMode excludes it"));
        }
        if conf.disable_container_interface && l3 {
            let why = "ipam excludes it: an interface that is down has no use for addresses";
            return Err(Error::config("disableContainerInterface", true, why));
        }
        if conf.ip_masq {
            nat::check_backend(raw.ip_masq_backend.as_deref())?;
        }
        match conf.gateway_link() {
            Some(name) if l3 && name.len() > MAX_NAME => Err(Error::config(
                "vlan",
                vlan,
                &format!("its gateway's link {name:?} has a name longer than {MAX_NAME} octets"),
            )),
            Some(_) | None => Ok(conf),
        }
    }

    /// Name of the VLAN's own link, which has the gateway addresses instead of the bridge.
    pub(crate) fn gateway_link(&self) -> Option<String> {
        let vlan = self.vlan.filter(|_| self.is_gateway)?;
        Some(format!("{}.{vlan}", self.bridge))
    }

    /// VLANs that a port of the bridge gets, the one of untagged frames first. A trunk has VLAN 1 as
    /// that one unless it has another, or carries VLAN 1 itself.
    pub(crate) fn port_vlans(&self) -> Vec<VlanRange> {
        let in_trunk = |id| self.trunk.iter().any(|range| (range.first..=range.last).contains(&id));
        let native = self.vlan.or((!self.trunk.is_empty() && !in_trunk(1)).then_some(1));
        native.map(untagged).into_iter().chain(self.trunk.iter().copied()).collect()
    }
}

/// A VLAN whose frames go untagged, both ways.
pub(crate) fn untagged(id: u16) -> VlanRange {
    VlanRange { first: id, last: id, tagging: Tagging::PVID | Tagging::UNTAGGED }
}

fn bridge(name: String) -> Result<String, Error> {
    if name.is_empty() {
        return Ok(DEFAULT_BRIDGE.to_owned());
    }
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace();
    if name.len() > MAX_NAME || name == "." || name == ".." || name.contains(bad) {
        return Err(Error::config(
            "bridge",
            format_args!("{name:?}"),
            "no link can have this name",
        ));
    }
    Ok(name)
}

/// Zero is the kernel's default.
fn mtu(octets: i64) -> Result<Option<u32>, Error> {
    match u32::try_from(octets) {
        Ok(octets) => Ok(Some(octets).filter(|o| *o != 0)),
        Err(_) => Err(Error::config("mtu", octets, "it is a number of octets")),
    }
}

fn vlan_id(key: &str, id: i64, least: u16) -> Result<u16, Error> {
    match u16::try_from(id) {
        Ok(id) if (least..=MAX_VLAN).contains(&id) => Ok(id),
        _ => Err(Error::config(key, id, &format!("ids are {least} to {MAX_VLAN}"))),
    }
}

/// The ids of all entries as few ranges, without `native`: its frames go untagged.
fn trunk(entries: &[Trunk], native: u16) -> Result<Vec<VlanRange>, Error> {
    let mut wanted = [false; MAX_VLAN as usize + 1];
    let mut want = |first: u16, last: u16| {
        let ids = wanted.iter_mut().take(usize::from(last) + 1).skip(usize::from(first));
        ids.for_each(|id| *id = true);
    };
    for entry in entries {
        match (entry.min_id, entry.max_id) {
            (None, None) => {}
            (Some(min), Some(max)) => {
                let first = vlan_id("vlanTrunk.minID", min, 1)?;
                let last = vlan_id("vlanTrunk.maxID", max, 1)?;
                if last < first {
                    let why = format!("it is less than minID, {first}");
                    return Err(Error::config("vlanTrunk.maxID", last, &why));
                }
                want(first, last);
            }
            (Some(min), None) => {
                return Err(Error::config("vlanTrunk.minID", min, "maxID must stand with it"));
            }
            (None, Some(max)) => {
                return Err(Error::config("vlanTrunk.maxID", max, "minID must stand with it"));
            }
        }
        if let Some(id) = entry.id {
            let id = vlan_id("vlanTrunk.id", id, 1)?;
            want(id, id);
        }
    }
    let mut ranges: Vec<VlanRange> = Vec::new();
    for id in (0..).zip(wanted).filter(|(id, wanted)| *wanted && *id != native).map(|(id, _)| id) {
        match ranges.last_mut() {
            Some(range) if range.last + 1 == id => range.last = id,
            _ => ranges.push(VlanRange { first: id, last: id, tagging: Tagging::empty() }),
        }
    }
    Ok(ranges)
}

/// What a DEL needs to know. A broken configuration is read part by part: whatever can be read of it
/// is taken down, and what cannot be read may have been made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Teardown {
    pub(crate) ipam: Ipam,
    pub(crate) ip_masq: bool,
    pub(crate) mac_spoof_check: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpamPart {
    ipam: Ipam,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct FiltersPart {
    ip_masq: bool,
    macspoofchk: bool,
}

impl Teardown {
    /// What there is to take down.
    pub(crate) fn of(request: &Request) -> Self {
        let ipam = request.configuration::<IpamPart>().unwrap_or_else(|error| {
            log::warn(&format!("going on without ipam: {error}"));
            IpamPart::default()
        });
        let filters = request.configuration::<FiltersPart>().unwrap_or_else(|error| {
            log::warn(&format!("taking down all filters: {error}"));
            FiltersPart { ip_masq: true, macspoofchk: true }
        });
        Self { ipam: ipam.ipam, ip_masq: filters.ip_masq, mac_spoof_check: filters.macspoofchk }
    }
}

#[cfg(test)]
#[path = "conf_tests.rs"]
mod tests;
