//! How JSON texts and numbers become a result's values and back (serde `with` modules).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// A text; an empty one is none.
pub(super) fn filled<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}

/// A number; zero is none.
pub(super) fn not_zero<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    Ok(Option::<u32>::deserialize(from)?.filter(|number| *number != 0))
}

/// An address, as Go reads it: an empty text is none, and an IPv4 address mapped into IPv6 is the
/// IPv4 address.
pub(super) mod address {
    use super::{Deserializer, IpAddr, filled};
    use serde::Serializer;
    use serde::de::Error;

    #[expect(clippy::ref_option, reason = "serde passes the field by reference")]
    pub(in super::super) fn serialize<S: Serializer>(
        address: &Option<IpAddr>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => to.collect_str(address),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<IpAddr>, D::Error> {
        let Some(text) = filled(from)? else { return Ok(None) };
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Some(address.to_canonical())),
            Err(_) => Err(D::Error::custom(format_args!("{text:?} is not an address"))),
        }
    }
}

/// An address with the length of its prefix. Host bits are kept; an IPv4 address mapped into IPv6
/// becomes the IPv4 address, as when Go prints it.
pub(super) mod prefix {
    use super::{Deserialize, Deserializer, IpAddr, IpNet};
    use serde::Serializer;
    use serde::de::Error;

    pub(in super::super) fn serialize<S: Serializer>(
        prefix: &IpNet,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(prefix)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<IpNet, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).ok_or_else(|| {
            D::Error::custom(format_args!("{text:?} is not an address with a prefix length"))
        })
    }

    /// Not ipnet's parser: it takes `10.0.0.010` for `10.0.0.10`, which other programs take for
    /// `10.0.0.8` and Go refuses.
    fn parse(text: &str) -> Option<IpNet> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        if !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let length: u8 = length.parse().ok()?;
        let canonical = address.to_canonical();
        let mapped = address.is_ipv6() && canonical.is_ipv4();
        IpNet::new(canonical, if mapped { length.checked_sub(96)? } else { length }).ok()
    }
}
