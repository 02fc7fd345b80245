//! Networks: prefixes, `any`, `@ipam`, `@prev`, and the default route.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{BadPattern, Facts};

/// A set of networks. A network is in it as a whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum NetPattern {
    /// `any`.
    Any,
    /// `any-ipv4`.
    AnyIpv4,
    /// `any-ipv6`.
    AnyIpv6,
    /// `@ipam`: the networks and gateways of the IPAM result.
    Ipam,
    /// `@prev`: the addresses of `prevResult`, alone or with their own network.
    Prev,
    /// `default`: the default routes alone, not what lies within them.
    Default,
    /// Within this one.
    Prefix(IpNet),
}

impl NetPattern {
    /// One pattern; `default` for destinations of routes only.
    pub(in super::super) fn parse(text: &str, destination: bool) -> Result<Self, BadPattern> {
        match text {
            "any" => return Ok(Self::Any),
            "any-ipv4" => return Ok(Self::AnyIpv4),
            "any-ipv6" => return Ok(Self::AnyIpv6),
            "@ipam" => return Ok(Self::Ipam),
            "@prev" => return Ok(Self::Prev),
            "default" if destination => return Ok(Self::Default),
            _ => {}
        }
        let Some(net) = read(text) else {
            return Err(match text.parse::<IpAddr>() {
                Ok(address) => {
                    let instead = format!("\"{}\" for this one alone", IpNet::from(address));
                    BadPattern::new("has no prefix length", instead)
                }
                Err(_) => BadPattern::new("is no prefix", words(destination)),
            });
        };
        if net != net.trunc() {
            let instead = format!("\"{}\"", net.trunc());
            return Err(BadPattern::new("has bits beyond its prefix length", instead));
        }
        if net.prefix_len() == 0 {
            let family = if net.addr().is_ipv4() { "any-ipv4" } else { "any-ipv6" };
            let instead = if destination {
                format!(r#""default" for the default route alone, "{family}" for every route"#)
            } else {
                format!(r#""{family}""#)
            };
            return Err(BadPattern::new("holds every address", instead));
        }
        Ok(Self::Prefix(net))
    }

    pub(in super::super) fn matches(&self, net: &IpNet, facts: &Facts<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::AnyIpv4 => net.addr().is_ipv4(),
            Self::AnyIpv6 => net.addr().is_ipv6(),
            // An IPAM plugin that answers /0 must not widen what the caller may do to everything.
            Self::Ipam => facts.ipam.iter().any(|of| of.prefix_len() > 0 && of.contains(net)),
            Self::Prev => facts
                .prev
                .iter()
                .any(|of| of.addr() == net.addr() && net.prefix_len() >= of.prefix_len()),
            Self::Default => net.prefix_len() == 0,
            Self::Prefix(prefix) => prefix.contains(net),
        }
    }

    /// Whether every network that `other` means is one that this means. In doubt it is not.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::AnyIpv4, Self::Prefix(net)) => net.addr().is_ipv4(),
            (Self::AnyIpv6, Self::Prefix(net)) => net.addr().is_ipv6(),
            (Self::Prefix(wide), Self::Prefix(net)) => wide.contains(net),
            _ => self == other,
        }
    }

    /// What `@ipam` stands for.
    pub(super) fn resolved(&self, facts: &Facts<'_>) -> Option<String> {
        match self {
            Self::Ipam if facts.ipam.is_empty() => Some("no IPAM result".to_owned()),
            Self::Ipam => {
                let all: Vec<String> = facts.ipam.iter().map(ToString::to_string).collect();
                Some(all.join(", "))
            }
            Self::Prev if facts.prev.is_empty() => Some("no address in prevResult".to_owned()),
            Self::Prev => {
                let all: Vec<String> = facts.prev.iter().map(ToString::to_string).collect();
                Some(all.join(", "))
            }
            Self::Any | Self::AnyIpv4 | Self::AnyIpv6 | Self::Default | Self::Prefix(_) => None,
        }
    }
}

/// An address and a prefix length. Stricter than `IpNet::from_str`, which takes `010.1.0.0/08`.
fn read(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let net = IpNet::new(address, length.parse().ok()?).ok()?;
    (net.prefix_len().to_string() == length).then_some(net)
}

fn words(destination: bool) -> &'static str {
    if destination {
        r#"prefixes as ["10.22.0.0/16", "fd00:22::/64"], "@ipam", "@prev", "default", "any-ipv4", "any-ipv6" or "any""#
    } else {
        r#"prefixes as ["10.22.0.0/16", "fd00:22::/64"], "@ipam", "@prev", "any-ipv4", "any-ipv6" or "any""#
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, net: &str, ipam: &[&str]) -> bool {
        let ipam: Vec<IpNet> = ipam.iter().map(|n| n.parse().unwrap()).collect();
        let facts = Facts {
            ifname: "eth0",
            config: &|_| None,
            own: &|_| false,
            peer: &|| None,
            default_route: &|_| false,
            prev: &[],
            ipam: &ipam,
            network: "net",
            args: &|_| Vec::new(),
        };
        NetPattern::parse(pattern, true).unwrap().matches(&net.parse().unwrap(), &facts)
    }

    #[test]
    fn within_is_equal_or_narrower() {
        assert!(allows("10.22.0.0/16", "10.22.0.0/16", &[]));
        assert!(allows("10.22.0.0/16", "10.22.255.255/32", &[]));
        assert!(allows("10.22.0.0/16", "10.22.3.4/24", &[]), "host bits of an address are its own");
        assert!(!allows("10.22.0.0/16", "10.23.0.0/24", &[]));
        assert!(!allows("10.22.0.0/16", "10.22.0.0/15", &[]), "wider");
        assert!(
            !allows("10.22.0.0/16", "10.22.3.4/8", &[]),
            "an address in it, a network around it"
        );
        assert!(!allows("10.22.0.0/16", "0.0.0.0/0", &[]));
        assert!(!allows("10.22.0.0/16", "::ffff:10.22.0.1/128", &[]), "IPv6 to the kernel");
        assert!(allows("fd00:22::/64", "fd00:22::1/64", &[]));
        assert!(!allows("fd00:22::/64", "fd00:22:0:1::1/64", &[]));
    }

    #[test]
    fn words_mean_what_they_say() {
        assert!(allows("any", "0.0.0.0/0", &[]) && allows("any", "::1/128", &[]));
        assert!(allows("any-ipv4", "1.2.3.4/32", &[]) && !allows("any-ipv4", "::/0", &[]));
        assert!(allows("any-ipv6", "::/0", &[]) && !allows("any-ipv6", "0.0.0.0/0", &[]));
        assert!(allows("default", "0.0.0.0/0", &[]) && allows("default", "::/0", &[]));
        assert!(!allows("default", "0.0.0.0/1", &[]), "half of everything is no default route");
    }

    #[test]
    fn ipam_gives_its_networks_and_nothing_around_them() {
        let ipam = ["10.1.2.5/24", "10.9.9.9/32", "fd00::5/64"];
        assert!(allows("@ipam", "10.1.2.1/24", &ipam));
        assert!(allows("@ipam", "10.9.9.9/32", &ipam));
        assert!(allows("@ipam", "fd00::1/128", &ipam));
        assert!(!allows("@ipam", "10.1.3.1/24", &ipam));
        assert!(!allows("@ipam", "10.1.2.1/23", &ipam));
        assert!(!allows("@ipam", "10.9.9.8/32", &ipam));
        assert!(!allows("@ipam", "10.1.2.1/24", &[]));
        assert!(!allows("@ipam", "10.1.2.1/24", &["0.0.0.0/0"]), "a hostile IPAM result");
    }

    #[test]
    fn prefixes_are_written_exactly() {
        for (text, instead) in [
            ("10.22.0.1/16", r#""10.22.0.0/16""#),
            ("fd00::1/64", r#""fd00::/64""#),
            ("10.22.0.1", r#""10.22.0.1/32" for this one alone"#),
            ("::1", r#""::1/128" for this one alone"#),
            ("::/0", r#""default" for the default route alone, "any-ipv6" for every route"#),
            ("10.22.0.0/33", words(true)),
            ("", words(true)),
            ("*", words(true)),
            ("@own", words(true)),
            ("010.22.0.0/16", words(true)),
            ("10.22.0.0/016", words(true)),
            ("10.22.0.0/+16", words(true)),
            ("10.22/16", words(true)),
            (" 10.22.0.0/16", words(true)),
        ] {
            assert_eq!(NetPattern::parse(text, true).unwrap_err().instead, instead, "{text:?}");
        }
        assert_eq!(NetPattern::parse("0.0.0.0/0", false).unwrap_err().instead, r#""any-ipv4""#);
        assert_eq!(NetPattern::parse("default", false).unwrap_err().instead, words(false));
    }
}
