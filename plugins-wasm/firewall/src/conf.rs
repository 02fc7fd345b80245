//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::Error;
use wasmcni_sdk::firewall::Separation;

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Raw {
    backend: String,
    iptables_admin_chain_name: String,
    firewalld_zone: String,
    ingress_policy: String,
}

/// Who lets containers through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Backend {
    /// firewalld if it runs, or else wasmcni's own nftables table.
    Either,
    Nftables,
    Firewalld,
}

/// What is wanted, checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Conf {
    pub(crate) backend: Backend,
    /// The zone of firewalld.
    pub(crate) zone: String,
    /// The chain that the operator fills.
    pub(crate) admin_chain: String,
    /// What the container's bridge is kept apart from.
    pub(crate) separation: Option<Separation>,
}

impl Conf {
    /// Checks what is written. Any other backend is the default one, as it is for the reference plugin.
    pub(crate) fn read(raw: Raw) -> Result<Self, Error> {
        let backend = match raw.backend.as_str() {
            "firewalld" => Backend::Firewalld,
            "iptables" | "nftables" => Backend::Nftables,
            _ => Backend::Either,
        };
        let separation = match raw.ingress_policy.as_str() {
            "" | "open" => None,
            "same-bridge" => Some(Separation::OtherBridges),
            "isolated" => Some(Separation::Everyone),
            other => {
                let why = "it is \"open\", \"same-bridge\" or \"isolated\"";
                return Err(Error::config("ingressPolicy", format_args!("{other:?}"), why));
            }
        };
        if raw.firewalld_zone.contains(char::is_control) {
            let zone = format_args!("{:?}", raw.firewalld_zone);
            return Err(Error::config("firewalldZone", zone, "no zone has such a name"));
        }
        let or = |name: String, default: &str| match name.is_empty() {
            true => default.to_owned(),
            false => name,
        };
        Ok(Self {
            backend,
            zone: or(raw.firewalld_zone, "trusted"),
            admin_chain: or(raw.iptables_admin_chain_name, "CNI-ADMIN"),
            separation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    fn read(text: &str) -> Result<Conf, Error> {
        request(text).configuration().and_then(Conf::read)
    }

    fn default() -> Conf {
        Conf {
            backend: Backend::Either,
            zone: "trusted".to_owned(),
            admin_chain: "CNI-ADMIN".to_owned(),
            separation: None,
        }
    }

    #[test]
    fn nothing_said_is_the_default() {
        for text in [
            "{}",
            r#"{"backend": "", "iptablesAdminChainName": "", "ingressPolicy": "", "firewalldZone": ""}"#,
            r#"{"backend": null, "ingressPolicy": "open", "firewalldZone": null}"#,
            r#"{"backend": "anything"}"#,
        ] {
            assert_eq!(read(text).unwrap(), default(), "{text}");
        }
    }

    #[test]
    fn each_key_is_read() {
        for (text, expected) in [
            (
                r#"{"iptablesAdminChainName": "MINE", "ingressPolicy": "same-bridge"}"#,
                Conf {
                    admin_chain: "MINE".to_owned(),
                    separation: Some(Separation::OtherBridges),
                    ..default()
                },
            ),
            (
                r#"{"INGRESSPOLICY": "isolated"}"#,
                Conf { separation: Some(Separation::Everyone), ..default() },
            ),
            (r#"{"backend": "iptables"}"#, Conf { backend: Backend::Nftables, ..default() }),
            (r#"{"backend": "nftables"}"#, Conf { backend: Backend::Nftables, ..default() }),
            (
                r#"{"backend": "firewalld", "firewalldZone": "work"}"#,
                Conf { backend: Backend::Firewalld, zone: "work".to_owned(), ..default() },
            ),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            (r#"{"ingressPolicy": "Open"}"#, "ingressPolicy"),
            (r#"{"ingressPolicy": 1}"#, "ingressPolicy"),
            (r#"{"firewalldZone": []}"#, "firewalldZone"),
            (r#"{"firewalldZone": "a\u0000b"}"#, "firewalldZone"),
            (r#"{"backend": []}"#, "backend"),
            (r#"{"iptablesAdminChainName": 1}"#, "iptablesAdminChainName"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(key), "{text}: {}", error.details);
        }
    }
}
