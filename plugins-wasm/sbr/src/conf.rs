//! The configuration: what each key may say, and what it is when it says nothing.

use std::net::IpAddr;

use serde::Deserialize;
use wasmcni_sdk::conf::Ip;
use wasmcni_sdk::{Error, Request, log};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Raw {
    table: Option<i64>,
    gateways: Vec<Ip>,
    add_source_hints: bool,
}

/// What is wanted, checked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Conf {
    /// A table of others, to which rules are all that is added; `None`: a free one, with the interface's
    /// routes.
    pub(crate) table: Option<u32>,
    /// Instead of the addresses' own: at most one of each family.
    pub(crate) gateways: Vec<IpAddr>,
    /// The interface's networks stay in the main table, with its addresses as their source.
    pub(crate) add_source_hints: bool,
}

impl Conf {
    /// Checks what is written.
    pub(crate) fn read(raw: Raw) -> Result<Self, Error> {
        let gateways: Vec<IpAddr> = raw.gateways.iter().filter_map(|gateway| gateway.0).collect();
        for ipv6 in [false, true] {
            let mut of_family = gateways.iter().filter(|gateway| gateway.is_ipv6() == ipv6);
            if let (Some(_), Some(second)) = (of_family.next(), of_family.next()) {
                let why = "it is the second of its family; a table has one default route of each";
                return Err(Error::config("gateways", second, why));
            }
        }
        let table = raw.table.map(|table| match u32::try_from(table) {
            Ok(table) if table > 0 => Ok(table),
            _ => Err(Error::config("table", table, "route tables are 1 to 4294967295")),
        });
        Ok(Self { table: table.transpose()?, gateways, add_source_hints: raw.add_source_hints })
    }
}

/// DEL: the table that the configuration names, as far as it can be read.
pub(crate) fn table_of(request: &Request) -> Option<u32> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Part {
        table: Option<u32>,
    }
    let part: Part = request.configuration().unwrap_or_else(|error| {
        log::warn(&format!("going on without table: {error}"));
        Part::default()
    });
    part.table
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
        for text in ["{}", r#"{"table": null, "gateways": null, "addSourceHints": null}"#] {
            assert_eq!(read(text).unwrap(), Conf::default(), "{text}");
        }
    }

    #[test]
    fn each_key_is_read() {
        let conf = read(
            r#"{"Table": 4294967295, "gateways": ["10.0.0.1", "", "fd00::1"], "addsourcehints": true}"#,
        );
        let expected = Conf {
            table: Some(u32::MAX),
            gateways: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
            add_source_hints: true,
        };
        assert_eq!(conf.unwrap(), expected);
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            (r#"{"table": 0}"#, "table"),
            (r#"{"table": -1}"#, "table"),
            (r#"{"table": 4294967296}"#, "table"),
            (r#"{"table": "main"}"#, "table"),
            (r#"{"gateways": "10.0.0.1"}"#, "gateways"),
            (r#"{"gateways": ["x"]}"#, "gateways"),
            (r#"{"gateways": ["10.0.0.1", "fd00::1", "10.0.0.2"]}"#, "gateways"),
            (r#"{"gateways": ["fd00::1", "fd00::2"]}"#, "gateways"),
            (r#"{"addSourceHints": "yes"}"#, "addSourceHints"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(key), "{text}: {}", error.details);
        }
    }

    #[test]
    fn a_del_wants_the_table_alone() {
        assert_eq!(table_of(&request(r#"{"table": 7, "gateways": "bad"}"#)), Some(7));
        assert_eq!(table_of(&request(r#"{"table": "bad"}"#)), None);
        assert_eq!(table_of(&request("{}")), None);
    }
}
