//! The configuration: addresses, and nothing else.

use serde::Deserialize;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::{Error, NetworkRequest, Request};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    ipam: Ipam,
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    /// Who gives addresses.
    pub(crate) ipam: Ipam,
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
        if raw.ipam.is_some() {
            return Ok(Self { ipam: raw.ipam });
        }
        let why = "a dummy is nothing without addresses; name a plugin that gives them";
        Err(Error::missing("ipam.type", why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    #[test]
    fn addresses_are_needed() {
        for text in ["{}", r#"{"ipam": {}}"#, r#"{"ipam": {"type": ""}}"#, r#"{"ipam": null}"#] {
            let error = Conf::of(&request(text)).unwrap_err();
            assert_eq!((error.code, error.details.contains("ipam.type")), (7, true), "{text}");
        }
        assert_eq!(Conf::of(&request(r#"{"ipam": {"type": "x"}}"#)).unwrap().ipam.kind, "x");
    }

    #[test]
    fn a_wrong_kind_names_its_key() {
        let error = Conf::of(&request(r#"{"ipam": {"type": 1}}"#)).unwrap_err();
        assert_eq!((error.code, error.details.contains("ipam.type")), (7, true));
    }
}
