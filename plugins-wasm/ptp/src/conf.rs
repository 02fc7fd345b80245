//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::conf::DnsConf;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::{Error, Request, log, nat};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Raw {
    ip_masq: bool,
    ip_masq_backend: Option<String>,
    mtu: i64,
    ipam: Ipam,
    dns: DnsConf,
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    /// Packets that leave the network take an address of the node.
    pub(crate) ip_masq: bool,
    /// Octets.
    pub(crate) mtu: Option<u32>,
    /// Who gives addresses.
    pub(crate) ipam: Ipam,
    /// Resolver configuration that overrides IPAM's.
    pub(crate) dns: DnsConf,
}

impl Conf {
    /// Checks what is written.
    pub(crate) fn read(raw: Raw) -> Result<Self, Error> {
        if !raw.ipam.is_some() {
            let why =
                "a point-to-point link is nothing without addresses; name a plugin that gives them";
            return Err(Error::missing("ipam.type", why));
        }
        if raw.ip_masq {
            nat::check_backend(raw.ip_masq_backend.as_deref())?;
        }
        let octets = u32::try_from(raw.mtu)
            .map_err(|_| Error::config("mtu", raw.mtu, "it is a number of octets"))?;
        Ok(Self {
            ip_masq: raw.ip_masq,
            // Zero is the kernel's default.
            mtu: Some(octets).filter(|o| *o != 0),
            ipam: raw.ipam,
            dns: raw.dns,
        })
    }
}

/// What a DEL needs to know. A broken configuration is read part by part: whatever can be read of it
/// is taken down, and what cannot be read may have been made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Teardown {
    pub(crate) ipam: Ipam,
    pub(crate) ip_masq: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpamPart {
    ipam: Ipam,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MasqPart {
    ip_masq: bool,
}

impl Teardown {
    /// What there is to take down.
    pub(crate) fn of(request: &Request) -> Self {
        let ipam = request.configuration::<IpamPart>().unwrap_or_else(|error| {
            log::warn(&format!("going on without ipam: {error}"));
            IpamPart::default()
        });
        let masq = request.configuration::<MasqPart>().unwrap_or_else(|error| {
            log::warn(&format!("taking down all masquerade: {error}"));
            MasqPart { ip_masq: true }
        });
        Self { ipam: ipam.ipam, ip_masq: masq.ip_masq }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    fn read(keys: &str) -> Result<Conf, Error> {
        let text = format!(r#"{{"ipam": {{"type": "host-local"}}, {keys}}}"#);
        request(&text).configuration().and_then(Conf::read)
    }

    #[test]
    fn nothing_said_is_the_default() {
        let conf = read(r#""type": "ptp""#).unwrap();
        assert_eq!((conf.ip_masq, conf.mtu, conf.dns.is_set()), (false, None, false));
        assert_eq!(conf.ipam.kind, "host-local");
    }

    #[test]
    fn each_key_is_read() {
        let conf = read(r#""ipMasq": true, "mtu": 1400, "dns": {"domain": "x"}"#).unwrap();
        assert_eq!((conf.ip_masq, conf.mtu, conf.dns.is_set()), (true, Some(1400), true));
        assert!(read(r#""ipMasq": true, "ipMasqBackend": "nftables""#).is_ok());
        assert!(read(r#""ipMasqBackend": "unused""#).is_ok());
        assert_eq!(read(r#""mtu": 0"#).unwrap().mtu, None);
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (keys, key) in [
            (r#""ipMasq": true, "ipMasqBackend": "x""#, "ipMasqBackend"),
            (r#""mtu": -1"#, "mtu"),
            (r#""mtu": "x""#, "mtu"),
            (r#""ipMasq": 1"#, "ipMasq"),
        ] {
            let error = read(keys).unwrap_err();
            assert_eq!(error.code, 7, "{keys}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{keys}: {}", error.details);
        }
    }

    #[test]
    fn addresses_are_needed() {
        for text in ["{}", r#"{"ipam": {}}"#, r#"{"ipam": {"type": ""}}"#, r#"{"ipam": null}"#] {
            let error = request(text).configuration().and_then(Conf::read).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains("ipam.type"), "{}", error.details);
        }
    }

    #[test]
    fn a_del_takes_down_what_the_configuration_says() {
        let down = Teardown::of;
        let some = Ipam { kind: "x".to_owned() };
        let text = r#"{"ipMasq": true, "mtu": "bad", "ipam": {"type": "x"}}"#;
        assert_eq!(down(&request(text)), Teardown { ipam: some.clone(), ip_masq: true });
        let text = r#"{"ipMasq": "bad", "ipam": {"type": "x"}}"#;
        assert_eq!(down(&request(text)), Teardown { ipam: some, ip_masq: true }, "it may be");
        let none = Teardown { ipam: Ipam::default(), ip_masq: false };
        assert_eq!(down(&request("{}")), none);
        assert_eq!(down(&request(r#"{"ipam": []}"#)), none);
    }
}
