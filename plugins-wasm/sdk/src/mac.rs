//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::bindings::wasmcni::net::types;
use crate::error::code;

/// An Ethernet address, first octet first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address that the runtime asks for. Of the three places where it may stand, the last that
    /// says something counts: `MAC` in `CNI_ARGS`, `args.cni.mac`, `runtimeConfig.mac`.
    ///
    /// # Errors
    /// Code 4 or 7, naming the place, when the text that counts is no Ethernet address.
    pub fn requested(
        argument: Option<&str>,
        args_cni: &str,
        runtime_config: &str,
    ) -> Result<Option<Self>, Error> {
        for (key, text) in [("runtimeConfig.mac", runtime_config), ("args.cni.mac", args_cni)] {
            if let Some(mac) = written(key, text)? {
                return Ok(Some(mac));
            }
        }
        argument.map(argued).transpose()
    }

    /// The same where the configuration itself may say one: `mac`, `MAC` in `CNI_ARGS`,
    /// `runtimeConfig.mac`, of which the last that says something counts.
    ///
    /// # Errors
    /// As [`Mac::requested`].
    pub fn configured(
        conf: &str,
        argument: Option<&str>,
        runtime_config: &str,
    ) -> Result<Option<Self>, Error> {
        if let Some(mac) = written("runtimeConfig.mac", runtime_config)? {
            return Ok(Some(mac));
        }
        match argument {
            Some(text) => argued(text).map(Some),
            None => written("mac", conf),
        }
    }
}

/// An address at a place of the configuration; the empty text is none.
fn written(key: &str, text: &str) -> Result<Option<Mac>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |e: ParseMacError| Error::config(key, format_args!("{text:?}"), e.0);
    text.parse().map(Some).map_err(wrong)
}

/// An address in `CNI_ARGS`.
fn argued(text: &str) -> Result<Mac, Error> {
    text.parse().map_err(|e: ParseMacError| {
        Error::new(code::ENVIRONMENT, format!("reading MAC={text:?} in CNI_ARGS: {}", e.0))
    })
}

/// `0a:58:0a:00:00:01`
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Why a text is no [`Mac`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseMacError(&'static str);

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ParseMacError {}

/// Reads what Go's `net.ParseMAC` reads: `0a:58:0a:00:00:01`, `0a-58-…` and `0a58.0a00.0001`.
impl FromStr for Mac {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        const WRONG: ParseMacError =
            ParseMacError("an ethernet address is written as 0a:58:0a:00:00:01");
        let (separator, digits) = match text.as_bytes() {
            [_, _, s @ (b':' | b'-'), ..] => (*s, 2),
            [_, _, _, _, b'.', ..] => (b'.', 4),
            _ => return Err(WRONG),
        };
        let mut octets = [0; 6];
        let mut filled = octets.iter_mut();
        for group in text.as_bytes().split(|b| *b == separator) {
            if group.len() != digits {
                return Err(WRONG);
            }
            for pair in group.chunks_exact(2) {
                let mut value = 0;
                for digit in pair {
                    let digit = (*digit as char).to_digit(16).ok_or(WRONG)?;
                    value = value << 4 | u8::try_from(digit).map_err(|_| WRONG)?;
                }
                *filled.next().ok_or(WRONG)? = value;
            }
        }
        if filled.next().is_some() { Err(WRONG) } else { Ok(Self(octets)) }
    }
}

impl From<types::Mac> for Mac {
    fn from((a, b, c, d, e, f): types::Mac) -> Self {
        Self([a, b, c, d, e, f])
    }
}

impl From<Mac> for types::Mac {
    fn from(Mac([a, b, c, d, e, f]): Mac) -> Self {
        (a, b, c, d, e, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for text in ["0a:58:0A:00:00:01", "0a-58-0a-00-00-01", "0a58.0a00.0001"] {
            assert_eq!(text.parse::<Mac>().unwrap().to_string(), "0a:58:0a:00:00:01", "{text}");
        }
        for text in [
            "",
            "0",
            "0a:58:0a:00:00",
            "0a:58:0a:00:00:01:02",
            "0a:58:0a:00:00:1",
            "0a:58-0a:00:00:01",
            "0g:58:0a:00:00:01",
            "0a580a000001",
            "0a58.0a00.00",
            "é:58:0a:00:00:01",
            ":::::",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_source_that_says_something_counts() {
        let mac = |n| Some(Mac([2, 0, 0, 0, 0, n]));
        let [a, b, c] = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"];
        assert_eq!(Mac::requested(None, "", "").unwrap(), None);
        assert_eq!(Mac::requested(Some(a), "", "").unwrap(), mac(1));
        assert_eq!(Mac::requested(Some(a), b, "").unwrap(), mac(2));
        assert_eq!(Mac::requested(Some(a), b, c).unwrap(), mac(3));
        assert_eq!(Mac::requested(Some("bad"), b, "").unwrap(), mac(2), "not looked at");
    }

    #[test]
    fn the_configurations_own_counts_least() {
        let mac = |n| Some(Mac([2, 0, 0, 0, 0, n]));
        let [a, b, c] = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"];
        assert_eq!(Mac::configured("", None, "").unwrap(), None);
        assert_eq!(Mac::configured(a, None, "").unwrap(), mac(1));
        assert_eq!(Mac::configured(a, Some(b), "").unwrap(), mac(2));
        assert_eq!(Mac::configured(a, Some(b), c).unwrap(), mac(3));
        let error = Mac::configured("bad", None, "").unwrap_err();
        assert_eq!((error.code, error.details.contains("\"mac\"")), (7, true));
    }

    #[test]
    fn a_bad_address_names_its_place() {
        let error = Mac::requested(Some("bad"), "", "").unwrap_err();
        assert_eq!((error.code, error.details.contains("CNI_ARGS")), (4, true));
        let error = Mac::requested(None, "bad", "").unwrap_err();
        assert_eq!((error.code, error.details.contains("args.cni.mac")), (7, true));
        let error = Mac::requested(None, "", "bad").unwrap_err();
        assert_eq!((error.code, error.details.contains("runtimeConfig.mac")), (7, true));
    }
}
