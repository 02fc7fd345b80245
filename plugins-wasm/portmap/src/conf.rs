//! The configuration: what each key may say, and what it is when it says nothing.

use std::net::IpAddr;

use serde::Deserialize;
use wasmcni_sdk::code;
use wasmcni_sdk::conf::Ip;
use wasmcni_sdk::port_map::{Condition, Masquerade, Protocol};
use wasmcni_sdk::{CniResult, Error, Request};

use crate::conditions::{self, Form};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Raw {
    backend: Option<String>,
    snat: Option<bool>,
    masq_all: bool,
    mark_masq_bit: Option<i64>,
    external_set_mark_chain: Option<String>,
    conditions_v4: Vec<String>,
    conditions_v6: Vec<String>,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    port_mappings: Vec<RawMapping>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMapping {
    host_port: i64,
    container_port: i64,
    protocol: String,
    #[serde(rename = "hostIP")]
    host_ip: Ip,
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    /// Whose source changes.
    pub(crate) masquerade: Masquerade,
    /// What IPv4 packets must be like.
    pub(crate) conditions_v4: Vec<Condition>,
    /// What IPv6 packets must be like.
    pub(crate) conditions_v6: Vec<Condition>,
    /// In the runtime's order.
    pub(crate) mappings: Vec<Wanted>,
}

/// A mapping that the runtime wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) protocol: Protocol,
    pub(crate) host: Host,
    pub(crate) host_port: u16,
    pub(crate) container_port: u16,
}

/// Which addresses of the node a mapping is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// All.
    Any,
    /// All of one family.
    AnyIpv4,
    /// All of the other.
    AnyIpv6,
    /// One.
    Address(IpAddr),
}

impl Conf {
    /// Checks what is written.
    pub(crate) fn read(raw: Raw) -> Result<Self, Error> {
        check_backend(raw.backend.as_deref())?;
        if let Some(chain) = raw.external_set_mark_chain.filter(|chain| !chain.is_empty()) {
            let why = "it is a chain of iptables, and ports are mapped by nftables, which cannot go \
                       through it; leave it out: sources are masqueraded without marks";
            return Err(Error::config("externalSetMarkChain", format_args!("{chain:?}"), why));
        }
        if let Some(bit) = raw.mark_masq_bit.filter(|bit| !(0..=31).contains(bit)) {
            return Err(Error::config("markMasqBit", bit, "it is 0 to 31"));
        }
        let v4 = conditions::read("conditionsV4", &raw.conditions_v4, true)?;
        let v6 = conditions::read("conditionsV6", &raw.conditions_v6, false)?;
        check_forms(raw.backend.as_deref(), v4.0, v6.0)?;
        Ok(Self {
            masquerade: match (raw.snat.unwrap_or(true), raw.masq_all) {
                (false, _) => Masquerade::None,
                (true, false) => Masquerade::Near,
                (true, true) => Masquerade::Every,
            },
            conditions_v4: v4.1,
            conditions_v6: v6.1,
            mappings: raw
                .runtime_config
                .port_mappings
                .into_iter()
                .map(Wanted::read)
                .collect::<Result<_, _>>()?,
        })
    }

    /// What packets of a family must be like.
    pub(crate) fn conditions(&self, ipv4: bool) -> &[Condition] {
        if ipv4 { &self.conditions_v4 } else { &self.conditions_v6 }
    }
}

fn check_backend(backend: Option<&str>) -> Result<(), Error> {
    match backend {
        None | Some("" | "iptables" | "nftables") => Ok(()),
        Some(other) => {
            let why = "it is \"iptables\" or \"nftables\"";
            Err(Error::config("backend", format_args!("{other:?}"), why))
        }
    }
}

/// Conditions are written for one back end, which is the one that is named.
fn check_forms(backend: Option<&str>, v4: Option<Form>, v6: Option<Form>) -> Result<(), Error> {
    let word = |form| match form {
        Form::Iptables => "iptables",
        Form::Nft => "nftables",
    };
    if let (Some(one), Some(other)) = (v4, v6)
        && one != other
    {
        let why = format!("conditionsV4 are for {}: write both for the same", word(one));
        return Err(Error::config("conditionsV6", format_args!("those for {}", word(other)), &why));
    }
    for (key, form) in [("conditionsV4", v4), ("conditionsV6", v6)] {
        if let (Some(backend @ ("iptables" | "nftables")), Some(form)) = (backend, form)
            && backend != word(form)
        {
            let why = format!("\"backend\" is {backend:?}");
            return Err(Error::config(key, format_args!("conditions for {}", word(form)), &why));
        }
    }
    Ok(())
}

impl Wanted {
    fn read(raw: RawMapping) -> Result<Self, Error> {
        let port = |key: &str, port: i64| match u16::try_from(port) {
            Ok(port) if port != 0 => Ok(port),
            _ => {
                let key = format!("runtimeConfig.portMappings.{key}");
                Err(Error::config(&key, port, "ports are 1 to 65535"))
            }
        };
        let protocol = match raw.protocol.to_ascii_lowercase().as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => {
                let (key, value) = ("runtimeConfig.portMappings.protocol", raw.protocol);
                let why = "it is tcp, udp or sctp";
                return Err(Error::config(key, format_args!("{value:?}"), why));
            }
        };
        Ok(Self {
            protocol,
            host: match raw.host_ip.0 {
                None => Host::Any,
                Some(IpAddr::V4(address)) if address.is_unspecified() => Host::AnyIpv4,
                Some(IpAddr::V6(address)) if address.is_unspecified() => Host::AnyIpv6,
                Some(address) => Host::Address(address),
            },
            host_port: port("hostPort", raw.host_port)?,
            container_port: port("containerPort", raw.container_port)?,
        })
    }
}

/// The result of the plugins before this one.
///
/// # Errors
/// Code 7: it is the first.
pub(crate) fn chained(request: &Request) -> Result<&CniResult, Error> {
    request.prev_result.as_ref().ok_or_else(|| {
        let why = "reading \"prevResult\": missing: portmap must be chained behind a plugin that makes \
                   an interface";
        Error::new(code::CONFIGURATION, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    fn read(keys: &str) -> Result<Conf, Error> {
        request(&format!("{{{keys}}}")).configuration().and_then(Conf::read)
    }

    fn mapped(mapping: &str) -> Result<Wanted, Error> {
        let conf = read(&format!(r#""runtimeConfig": {{"portMappings": [{mapping}]}}"#))?;
        Ok(conf.mappings[0])
    }

    #[track_caller]
    fn refused(keys: &str, names: &[&str]) {
        let error = read(keys).unwrap_err();
        assert_eq!(error.code, 7, "{keys}");
        for name in names {
            assert!(error.details.contains(name), "{keys}: {}", error.details);
        }
    }

    #[test]
    fn defaults() {
        for keys in [
            "",
            r#""snat": null, "conditionsV4": null, "runtimeConfig": null"#,
            r#""backend": "", "externalSetMarkChain": "", "conditionsV6": []"#,
        ] {
            let conf = read(keys).unwrap();
            assert_eq!(conf.masquerade, Masquerade::Near);
            assert!(conf.mappings.is_empty() && conf.conditions_v4.is_empty());
        }
    }

    #[test]
    fn masquerading() {
        let of = |keys| read(keys).unwrap().masquerade;
        assert_eq!(of(r#""SNAT": true"#), Masquerade::Near);
        assert_eq!(of(r#""snat": false"#), Masquerade::None);
        assert_eq!(of(r#""masqAll": true"#), Masquerade::Every);
        assert_eq!(of(r#""masqAll": true, "snat": false"#), Masquerade::None);
    }

    #[test]
    fn wrong_values_are_named() {
        refused(r#""backend": "ipfw""#, &["backend", "ipfw"]);
        refused(r#""markMasqBit": 32"#, &["markMasqBit", "32"]);
        refused(r#""markMasqBit": -1"#, &["markMasqBit", "-1"]);
        refused(r#""snat": "yes""#, &["snat"]);
        refused(r#""externalSetMarkChain": "KUBE-MARK-MASQ""#, &["externalSetMarkChain", "KUBE"]);
        for keys in [r#""markMasqBit": 0, "backend": "iptables""#, r#""backend": "nftables""#] {
            assert!(read(keys).is_ok(), "{keys}");
        }
    }

    #[test]
    fn conditions_are_of_the_back_end() {
        let v4 = |text: &str| format!(r#""conditionsV4": ["{text}"]"#);
        let (iptables, nft) = (v4("-s 10.0.0.0/8"), v4("ip saddr 10.0.0.0/8"));
        for keys in [iptables.clone(), nft.clone()] {
            assert_eq!(read(&keys).unwrap().conditions_v4.len(), 1);
        }
        assert!(read(&format!(r#"{iptables}, "backend": "iptables""#)).is_ok());
        refused(&format!(r#"{iptables}, "backend": "nftables""#), &["conditionsV4", "iptables"]);
        refused(&format!(r#"{nft}, "backend": "iptables""#), &["conditionsV4", "nftables"]);
        let mixed = format!(r#"{nft}, "conditionsV6": ["!", "-s", "fd00::1"]"#);
        refused(&mixed, &["conditionsV6", "the same"]);
    }

    #[test]
    fn mappings_as_containerd_writes_them() {
        let wanted =
            mapped(r#"{"HostPort": 18090, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""}"#);
        let expected = Wanted {
            protocol: Protocol::Tcp,
            host: Host::Any,
            host_port: 18090,
            container_port: 80,
        };
        assert_eq!(wanted.unwrap(), expected);
        let of = |host: &str| {
            let mapping = r#"{"hostPort": 1, "containerPort": 2, "protocol": "udp", "hostIP": "#;
            mapped(&format!("{mapping}\"{host}\"}}")).unwrap().host
        };
        assert_eq!(of("0.0.0.0"), Host::AnyIpv4);
        assert_eq!(of("::"), Host::AnyIpv6);
        assert_eq!(of("192.0.2.1"), Host::Address("192.0.2.1".parse().unwrap()));
        assert_eq!(of("::ffff:192.0.2.1"), Host::Address("192.0.2.1".parse().unwrap()));
        let default = mapped(r#"{"hostPort": 1, "containerPort": 65535}"#).unwrap();
        assert_eq!(default.protocol, Protocol::Tcp);
    }

    #[test]
    fn wrong_mappings_are_named() {
        for (mapping, named) in [
            (r#"{"hostPort": 0, "containerPort": 1}"#, "hostPort"),
            (r#"{"hostPort": 65536, "containerPort": 1}"#, "65536"),
            (r#"{"hostPort": 1}"#, "containerPort"),
            (r#"{"hostPort": 1, "containerPort": -1}"#, "-1"),
            (r#"{"hostPort": 1, "containerPort": 1, "protocol": "icmp"}"#, "icmp"),
            (r#"{"hostPort": 1, "containerPort": 1, "hostIP": "nowhere"}"#, "nowhere"),
        ] {
            let error = mapped(mapping).unwrap_err();
            assert_eq!(error.code, 7, "{mapping}");
            assert!(error.details.contains(named), "{mapping}: {}", error.details);
        }
    }

    #[test]
    fn it_must_be_chained() {
        let error = chained(&request("{}")).unwrap_err();
        assert_eq!(error.code, 7);
        assert!(error.details.contains("chained"), "{}", error.details);
    }
}
