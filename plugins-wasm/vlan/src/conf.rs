//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::child::{self, Parent};
use wasmcni_sdk::conf::DnsConf;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::{Error, NetworkRequest, Request};

/// Highest VLAN id. (IEEE 802.1Q reserves 4095.)
const MAX_ID: u16 = 4094;

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    master: String,
    vlan_id: i64,
    mtu: i64,
    link_in_container: bool,
    ipam: Ipam,
    dns: DnsConf,
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    /// The link that it sits on.
    pub(crate) parent: Parent,
    /// The VLAN; 0: frames with a priority and no VLAN.
    pub(crate) id: u16,
    /// Octets.
    pub(crate) mtu: Option<u32>,
    /// Who gives addresses.
    pub(crate) ipam: Ipam,
    /// Resolver configuration, instead of IPAM's.
    pub(crate) dns: DnsConf,
}

impl Conf {
    /// The configuration of an ADD or CHECK.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        Self::checked(request.configuration()?)
    }

    /// The configuration of a GC or STATUS.
    pub(crate) fn of_network(request: &NetworkRequest) -> Result<Self, Error> {
        Self::checked(request.configuration()?)
    }

    fn checked(raw: Raw) -> Result<Self, Error> {
        if raw.master.is_empty() {
            return Err(Error::missing("master", "name the link that carries the VLAN"));
        }
        if !raw.ipam.is_some() {
            return Err(Error::missing("ipam.type", "name a plugin that gives addresses"));
        }
        let id = u16::try_from(raw.vlan_id).ok().filter(|id| *id <= MAX_ID);
        Ok(Self {
            parent: Parent::new(raw.master, raw.link_in_container)?,
            id: id.ok_or_else(|| {
                Error::config("vlanId", raw.vlan_id, &format!("ids are 0 to {MAX_ID}"))
            })?,
            mtu: child::mtu(raw.mtu)?,
            ipam: raw.ipam,
            dns: raw.dns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    fn read(keys: &str) -> Result<Conf, Error> {
        let base = r#""master": "ens3", "ipam": {"type": "static"}"#;
        Conf::of(&request(&format!("{{{base}{keys}}}")))
    }

    #[test]
    fn nothing_said_is_the_default() {
        let conf = read("").unwrap();
        assert_eq!(conf.parent, Parent { name: Some("ens3".to_owned()), in_container: false });
        assert_eq!((conf.id, conf.mtu, conf.dns.is_set()), (0, None, false));
    }

    #[test]
    fn each_key_is_read() {
        let conf = read(
            r#", "vlanId": 4094, "mtu": 1400, "linkInContainer": true, "dns": {"domain": "x"}"#,
        )
        .unwrap();
        assert_eq!((conf.id, conf.mtu), (4094, Some(1400)));
        assert!(conf.parent.in_container && conf.dns.is_set());
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (keys, key) in [
            (r#", "vlanId": 4095"#, "vlanId"),
            (r#", "vlanId": -1"#, "vlanId"),
            (r#", "vlanId": 65636"#, "vlanId"),
            (r#", "vlanId": "5""#, "vlanId"),
            (r#", "mtu": -1"#, "mtu"),
            (r#", "master": "a/b""#, "master"),
        ] {
            let error = read(keys).unwrap_err();
            assert_eq!(error.code, 7, "{keys}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{keys}: {}", error.details);
        }
    }

    #[test]
    fn a_master_and_addresses_are_needed() {
        for (text, key) in [
            (r#"{"ipam": {"type": "x"}}"#, "master"),
            (r#"{"master": "", "ipam": {"type": "x"}}"#, "master"),
            (r#"{"master": "ens3"}"#, "ipam.type"),
            (r#"{"master": "ens3", "ipam": {}}"#, "ipam.type"),
        ] {
            let error = Conf::of(&request(text)).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{text}: {}", error.details);
        }
    }
}
