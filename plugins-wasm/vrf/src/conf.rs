//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::{Error, Request, log};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Raw {
    vrfname: String,
    table: i64,
}

/// What is wanted, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conf {
    pub(crate) name: String,
    /// `None`: any that no other VRF has.
    pub(crate) table: Option<u32>,
}

impl Conf {
    /// Checks what is written.
    pub(crate) fn read(raw: Raw) -> Result<Self, Error> {
        if raw.vrfname.is_empty() {
            return Err(Error::missing(
                "vrfname",
                "it names the VRF that the interface is put into",
            ));
        }
        // Names of links end before the 16th octet. (IFNAMSIZ)
        let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        if raw.vrfname.len() > 15
            || raw.vrfname.contains(bad)
            || matches!(&*raw.vrfname, "." | "..")
        {
            let why = "it names a link: at most 15 characters, with no blank, \"/\" or \":\"";
            return Err(Error::config("vrfname", format_args!("{:?}", raw.vrfname), why));
        }
        let table = u32::try_from(raw.table)
            .map_err(|_| Error::config("table", raw.table, "route tables are 1 to 4294967295"))?;
        Ok(Self { name: raw.vrfname, table: Some(table).filter(|table| *table != 0) })
    }
}

/// DEL: the VRF's name alone; the rest of the configuration may be broken.
pub(crate) fn name_of(request: &Request) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Part {
        vrfname: String,
    }
    let part: Part = request.configuration().unwrap_or_else(|error| {
        log::warn(&format!("going on without vrfname: {error}"));
        Part::default()
    });
    Some(part.vrfname).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;

    fn read(text: &str) -> Result<Conf, Error> {
        request(text).configuration().and_then(Conf::read)
    }

    #[test]
    fn each_key_is_read() {
        let conf = |table| Conf { name: "blue".to_owned(), table };
        assert_eq!(read(r#"{"vrfname": "blue"}"#).unwrap(), conf(None));
        assert_eq!(read(r#"{"VRFName": "blue", "table": 0}"#).unwrap(), conf(None));
        assert_eq!(read(r#"{"vrfname": "blue", "table": null}"#).unwrap(), conf(None));
        let last = read(r#"{"vrfname": "blue", "table": 4294967295}"#).unwrap();
        assert_eq!(last, conf(Some(u32::MAX)));
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            ("{}", "vrfname"),
            (r#"{"vrfname": ""}"#, "vrfname"),
            (r#"{"vrfname": null}"#, "vrfname"),
            (r#"{"vrfname": 1}"#, "vrfname"),
            (r#"{"vrfname": "a/b"}"#, "vrfname"),
            (r#"{"vrfname": "a b"}"#, "vrfname"),
            (r#"{"vrfname": ".."}"#, "vrfname"),
            (r#"{"vrfname": "sixteen_letters_"}"#, "vrfname"),
            (r#"{"vrfname": "blue", "table": -1}"#, "table"),
            (r#"{"vrfname": "blue", "table": 4294967296}"#, "table"),
            (r#"{"vrfname": "blue", "table": "main"}"#, "table"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{text}: {}", error.details);
        }
    }

    #[test]
    fn a_del_wants_the_name_alone() {
        let of = |text| name_of(&request(text));
        assert_eq!(of(r#"{"vrfname": "blue", "table": "bad"}"#).as_deref(), Some("blue"));
        assert_eq!(of("{}"), None);
        assert_eq!(of(r#"{"vrfname": []}"#), None);
    }
}
