//! Parts that configurations share. All are read with Go's meaning of absent, `null` and empty.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};

use crate::{Dns, Error, Route, code};

/// Reads a JSON text the way Go's JSON does: keys without regard to case, `null` as if it were not there,
/// unknown keys ignored.
///
/// # Errors
/// Code 7, naming the key, when a value is not of the kind that `T` wants.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    go_json::from_str(text).map_err(|e| Error::new(code::CONFIGURATION, e.to_string()))
}

/// An address with a prefix length as text, `10.1.2.3/24`, host bits kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(pub IpNet);

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|NotACidr| {
            de::Error::custom(format_args!("got {text:?}, expected address/prefix-length"))
        })
    }
}

/// A text is no address with a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACidr;

/// Not ipnet's parser: it takes `10.0.0.010` for `10.0.0.10`, which other programs take for `10.0.0.8`,
/// and Go refuses.
impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let (address, length) = text.split_once('/').ok_or(NotACidr)?;
        if !length.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(NotACidr);
        }
        let (address, length) = address.parse().ok().zip(length.parse().ok()).ok_or(NotACidr)?;
        IpNet::new(address, length).map(Self).map_err(|_| NotACidr)
    }
}

/// An IP address as text. The empty text is none, as it is for Go's `net.IP`. An IPv4 address that is
/// written as an IPv6 one (`::ffff:10.0.0.1`) is the IPv4 address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ip(pub Option<IpAddr>);

impl<'de> Deserialize<'de> for Ip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        match text.parse::<IpAddr>() {
            Ok(IpAddr::V6(v6)) => Ok(Self(Some(Ipv6Addr::to_canonical(&v6)))),
            Ok(v4 @ IpAddr::V4(_)) => Ok(Self(Some(v4))),
            Err(_) => Err(de::Error::custom(format_args!("got {text:?}, expected an IP address"))),
        }
    }
}

/// A route of `ipam.routes`: `{"dst": "0.0.0.0/0", "gw": "10.0.0.1", "mtu": 1400, …}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RouteConf {
    dst: Cidr,
    #[serde(default)]
    gw: Ip,
    #[serde(default)]
    mtu: u32,
    #[serde(default)]
    advmss: u32,
    #[serde(default)]
    priority: u32,
    #[serde(default)]
    table: Option<u32>,
    #[serde(default)]
    scope: Option<u8>,
}

/// Zero is the same as nothing for `mtu`, `advmss` and `priority`, but not for `table` and `scope`.
impl From<RouteConf> for Route {
    fn from(route: RouteConf) -> Self {
        let some = |n| (n != 0).then_some(n);
        Self {
            destination: route.dst.0,
            gateway: route.gw.0,
            mtu: some(route.mtu),
            advmss: some(route.advmss),
            priority: some(route.priority),
            table: route.table,
            scope: route.scope,
        }
    }
}

/// The configuration's `dns`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DnsConf {
    nameservers: Option<Vec<String>>,
    domain: String,
    search: Option<Vec<String>>,
    options: Option<Vec<String>>,
}

impl DnsConf {
    /// Whether it says anything. An empty list does: it says that there is none.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.nameservers.is_some()
            || self.search.is_some()
            || self.options.is_some()
            || !self.domain.is_empty()
    }

    /// What counts beside the IPAM plugin's: this one, whole, if it says anything.
    #[must_use]
    pub fn over(self, ipam: Dns) -> Dns {
        if self.is_set() { self.into() } else { ipam }
    }
}

impl From<DnsConf> for Dns {
    fn from(dns: DnsConf) -> Self {
        Self {
            nameservers: dns.nameservers.unwrap_or_default(),
            domain: Some(dns.domain).filter(|d| !d.is_empty()),
            search: dns.search.unwrap_or_default(),
            options: dns.options.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: de::DeserializeOwned>(text: &str) -> T {
        go_json::from_str(text).unwrap()
    }

    #[test]
    fn routes_are_read() {
        let route: RouteConf = read(
            r#"{"dst": "fd00::1/64", "gw": "fd00::1", "mtu": 1400, "advmss": 1360, "priority": 5,
                "table": 0, "scope": 253}"#,
        );
        let expected = Route {
            mtu: Some(1400),
            advmss: Some(1360),
            priority: Some(5),
            table: Some(0),
            scope: Some(253),
            ..Route::new("fd00::1/64".parse().unwrap(), "fd00::1".parse().ok())
        };
        assert_eq!(Route::from(route), expected);
        let route: RouteConf = read(r#"{"Dst": "0.0.0.0/0", "gw": "", "mtu": 0, "table": null}"#);
        assert_eq!(Route::from(route), Route::new("0.0.0.0/0".parse().unwrap(), None));
    }

    #[test]
    fn bad_addresses_are_refused() {
        for text in
            [r#"{"dst": "10.0.0.0"}"#, r#"{"dst": ""}"#, r#"{}"#, r#"{"dst": "10.0.0.0/33"}"#]
        {
            assert!(go_json::from_str::<RouteConf>(text).is_err(), "{text}");
        }
        let error =
            go_json::from_str::<RouteConf>(r#"{"dst": "0.0.0.0/0", "gw": "x"}"#).unwrap_err();
        assert_eq!(error.path(), "gw");
    }

    #[test]
    fn addresses_have_one_meaning() {
        let read = |text: &str| text.parse().map(|Cidr(net)| net.to_string());
        for text in ["10.1.2.3/24", "10.1.2.3/0", "fd00::1/128"] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        for text in
            ["10.0.0.010/24", "10.0.0/24", "10.0.0.1/+24", "10.0.0.1/", "/24", "fd00::1/129", ""]
        {
            assert_eq!(read(text), Err(NotACidr), "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        assert_eq!(read::<Ip>(r#""::ffff:10.0.0.1""#).0, "10.0.0.1".parse().ok());
    }

    #[test]
    fn dns_overrides_as_a_whole_when_any_field_is_set() {
        let ipam = Dns { nameservers: vec!["9.9.9.9".to_owned()], ..Dns::default() };
        assert_eq!(read::<DnsConf>("{}").over(ipam.clone()), ipam);
        assert_eq!(read::<DnsConf>(r#"{"domain": "", "search": null}"#).over(ipam.clone()), ipam);
        let only_domain = Dns { domain: Some("x.org".to_owned()), ..Dns::default() };
        assert_eq!(read::<DnsConf>(r#"{"domain": "x.org"}"#).over(ipam.clone()), only_domain);
        assert_eq!(read::<DnsConf>(r#"{"nameservers": []}"#).over(ipam), Dns::default());
    }
}
