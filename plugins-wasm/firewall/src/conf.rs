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
    ingress_policy: String,
}

/// What is wanted, checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Conf {
    /// The chain that the operator fills.
    pub(crate) admin_chain: String,
    /// What the container's bridge is kept apart from.
    pub(crate) separation: Option<Separation>,
}

impl Conf {
    /// Checks what is written. Any other backend is the default one, as it is for the reference plugin.
    pub(crate) fn read(raw: Raw) -> Result<Self, Error> {
        if raw.backend == "firewalld" {
            let why = "this version has no firewalld backend; leave it out for nftables";
            return Err(Error::config("backend", "\"firewalld\"", why));
        }
        let separation = match raw.ingress_policy.as_str() {
            "" | "open" => None,
            "same-bridge" => Some(Separation::OtherBridges),
            "isolated" => Some(Separation::Everyone),
            other => {
                let why = "it is \"open\", \"same-bridge\" or \"isolated\"";
                return Err(Error::config("ingressPolicy", format_args!("{other:?}"), why));
            }
        };
        let named = Some(raw.iptables_admin_chain_name).filter(|name| !name.is_empty());
        Ok(Self { admin_chain: named.unwrap_or("CNI-ADMIN".to_owned()), separation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    fn read(text: &str) -> Result<Conf, Error> {
        request(text).configuration().and_then(Conf::read)
    }

    #[test]
    fn nothing_said_is_the_default() {
        let default = Conf { admin_chain: "CNI-ADMIN".to_owned(), separation: None };
        for text in [
            "{}",
            r#"{"backend": "", "iptablesAdminChainName": "", "ingressPolicy": ""}"#,
            r#"{"backend": null, "ingressPolicy": "open"}"#,
            r#"{"backend": "iptables"}"#,
            r#"{"backend": "nftables", "firewalldZone": "public"}"#,
            r#"{"backend": "anything"}"#,
        ] {
            assert_eq!(read(text).unwrap(), default, "{text}");
        }
    }

    #[test]
    fn each_key_is_read() {
        let conf = read(r#"{"iptablesAdminChainName": "MINE", "ingressPolicy": "same-bridge"}"#);
        let expected =
            Conf { admin_chain: "MINE".to_owned(), separation: Some(Separation::OtherBridges) };
        assert_eq!(conf.unwrap(), expected);
        let conf = read(r#"{"INGRESSPOLICY": "isolated"}"#).unwrap();
        assert_eq!(conf.separation, Some(Separation::Everyone));
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            (r#"{"ingressPolicy": "Open"}"#, "ingressPolicy"),
            (r#"{"ingressPolicy": 1}"#, "ingressPolicy"),
            (r#"{"backend": "firewalld"}"#, "backend"),
            (r#"{"backend": []}"#, "backend"),
            (r#"{"iptablesAdminChainName": 1}"#, "iptablesAdminChainName"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(key), "{text}: {}", error.details);
        }
    }
}
