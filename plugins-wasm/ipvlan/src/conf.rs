//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::child::{self, Parent};
use wasmcni_sdk::conf::DnsConf;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::net::IpvlanMode;
use wasmcni_sdk::{CniResult, Error, NetworkRequest, Request};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    master: String,
    mode: String,
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
    /// Whether neighbours or routes lead to it.
    pub(crate) mode: IpvlanMode,
    /// Octets.
    pub(crate) mtu: Option<u32>,
    /// Who gives addresses; none: the plugins before.
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
        Ok(Self {
            parent: Parent::new(raw.master, raw.link_in_container)?,
            mode: mode(&raw.mode)?,
            mtu: child::mtu(raw.mtu)?,
            ipam: raw.ipam,
            dns: raw.dns,
        })
    }

    /// The parent of an ADD: of one in a chain that names none, the one interface of the plugins before.
    pub(crate) fn parent_after(&self, before: Option<&CniResult>) -> Result<Parent, Error> {
        let Some(before) = before.filter(|_| self.parent.name.is_none()) else {
            return Ok(self.parent.clone());
        };
        match before.interfaces.as_slice() {
            [only] if !only.name.is_empty() => {
                Parent::new(only.name.clone(), self.parent.in_container)
            }
            all => {
                let count = all.len();
                Err(Error::missing(
                    "master",
                    &format!("and prevResult has not one named interface, but {count}"),
                ))
            }
        }
    }

    /// The addresses and routes that the plugins before gave, where no IPAM plugin is named.
    pub(crate) fn given(&self, before: Option<&CniResult>) -> Result<Option<CniResult>, Error> {
        if self.ipam.is_some() {
            return Ok(None);
        }
        match before {
            Some(before) if !before.ips.is_empty() => Ok(Some(before.clone())),
            Some(_) | None => Err(Error::missing(
                "ipam.type",
                "it must name a plugin that gives addresses, unless a prevResult has some",
            )),
        }
    }
}

fn mode(word: &str) -> Result<IpvlanMode, Error> {
    match word {
        "" | "l2" => Ok(IpvlanMode::L2),
        "l3" => Ok(IpvlanMode::L3),
        "l3s" => Ok(IpvlanMode::L3s),
        _ => Err(Error::config("mode", format_args!("{word:?}"), "it is l2, l3 or l3s")),
    }
}

/// The mode in iproute2's words, as the kernel is seen to have it.
pub(crate) fn word(mode: IpvlanMode) -> &'static str {
    match mode {
        IpvlanMode::L2 => "l2",
        IpvlanMode::L3 => "l3",
        IpvlanMode::L3s => "l3s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;
    use wasmcni_sdk::{Interface, IpConfig};

    fn read(text: &str) -> Result<Conf, Error> {
        Conf::of(&request(text))
    }

    fn before(interfaces: &[&str], ips: &[&str]) -> CniResult {
        let ip = |address: &&str| IpConfig {
            interface: Some(0),
            address: address.parse().unwrap(),
            gateway: None,
        };
        CniResult {
            interfaces: interfaces.iter().map(|name| Interface::host(name, None)).collect(),
            ips: ips.iter().map(ip).collect(),
            ..CniResult::default()
        }
    }

    #[test]
    fn nothing_said_is_the_default() {
        let conf = read("{}").unwrap();
        assert_eq!(conf.parent, Parent { name: None, in_container: false });
        assert_eq!((conf.mode, conf.mtu), (IpvlanMode::L2, None));
        assert!(!conf.ipam.is_some() && !conf.dns.is_set());
    }

    #[test]
    fn each_key_is_read() {
        let conf = read(
            r#"{"master": "ens3", "mode": "l3s", "mtu": 9000, "LINKINCONTAINER": true,
                "ipam": {"type": "static"}, "dns": {"domain": "x"}}"#,
        )
        .unwrap();
        assert_eq!(conf.parent, Parent { name: Some("ens3".to_owned()), in_container: true });
        assert_eq!((conf.mode, conf.mtu), (IpvlanMode::L3s, Some(9000)));
        assert!(conf.ipam.is_some() && conf.dns.is_set());
        for name in ["l2", "l3", "l3s"] {
            assert_eq!(word(read(&format!(r#"{{"mode": "{name}"}}"#)).unwrap().mode), name);
        }
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            (r#"{"mode": "l4"}"#, "mode"),
            (r#"{"mtu": -1}"#, "mtu"),
            (r#"{"master": "a b"}"#, "master"),
            (r#"{"linkInContainer": "x"}"#, "linkInContainer"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{text}: {}", error.details);
        }
    }

    #[test]
    fn in_a_chain_it_sits_on_the_one_interface_before() {
        let (named, unnamed) = (read(r#"{"master": "ens3"}"#).unwrap(), read("{}").unwrap());
        let one = before(&["bond0"], &[]);
        let name = |conf: &Conf, before| conf.parent_after(before).unwrap().name;
        assert_eq!(name(&unnamed, Some(&one)).as_deref(), Some("bond0"));
        assert_eq!(name(&named, Some(&one)).as_deref(), Some("ens3"));
        assert_eq!(name(&unnamed, None), None);
        for interfaces in [&[][..], &[""], &["a", "b"]] {
            let error = unnamed.parent_after(Some(&before(interfaces, &[]))).unwrap_err();
            assert_eq!((error.code, error.details.contains("\"master\"")), (7, true));
        }
    }

    #[test]
    fn addresses_are_ipams_or_those_before() {
        let (with, without) = (read(r#"{"ipam": {"type": "x"}}"#).unwrap(), read("{}").unwrap());
        let some = before(&["bond0"], &["10.0.0.2/24"]);
        assert_eq!(with.given(Some(&some)).unwrap(), None);
        assert_eq!(without.given(Some(&some)).unwrap(), Some(some));
        for none in [None, Some(&before(&["bond0"], &[]))] {
            let error = without.given(none).unwrap_err();
            assert_eq!((error.code, error.details.contains("\"ipam.type\"")), (7, true));
        }
    }
}
