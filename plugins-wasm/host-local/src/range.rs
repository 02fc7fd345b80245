//! Ranges of addresses: what may be written, and what is meant where nothing is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::Deserialize;
use wasmcni_sdk::Error;
use wasmcni_sdk::conf::{Cidr, Ip};

/// A range as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawRange {
    pub(crate) subnet: Option<Cidr>,
    pub(crate) range_start: Ip,
    pub(crate) range_end: Ip,
    pub(crate) gateway: Ip,
}

/// A range of addresses to hand out, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    /// The network that the addresses are of, without host bits.
    pub(crate) subnet: IpNet,
    /// The first address, included.
    pub(crate) start: IpAddr,
    /// The last address, included.
    pub(crate) end: IpAddr,
    /// Never handed out, wherever it is.
    pub(crate) gateway: IpAddr,
}

/// Pools of one family. An attachment gets one address out of each set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeSet {
    /// Where it is written, for messages: `ipam.ranges[0]`.
    pub(crate) key: String,
    /// One at least.
    pub(crate) pools: Vec<Pool>,
}

impl RawRange {
    /// Fills out and checks a range that stands at `key` of the configuration.
    pub(crate) fn check(&self, key: &str) -> Result<Pool, Error> {
        let at = |name: &str| format!("{key}.{name}");
        let Some(Cidr(subnet)) = self.subnet else {
            return Err(Error::missing(&at("subnet"), "write a network, such as \"10.1.2.0/24\""));
        };
        check_subnet(subnet).map_err(|why| Error::config(&at("subnet"), quoted(subnet), &why))?;

        let within = |name: &str, address: IpAddr| {
            if subnet.contains(&address) {
                return Ok(address);
            }
            Err(Error::config(&at(name), quoted(address), &format!("not in subnet \"{subnet}\"")))
        };
        let first = successor(subnet.network()).unwrap_or(subnet.network());
        let start = self.range_start.0.map_or(Ok(first), |start| within("rangeStart", start))?;
        let end =
            self.range_end.0.map_or(Ok(last_usable(subnet)), |end| within("rangeEnd", end))?;
        if start > end {
            let why = format!("the range begins at \"{start}\", behind it");
            return Err(Error::config(&at("rangeEnd"), quoted(end), &why));
        }
        let gateway = self.gateway.0.unwrap_or(first);
        if gateway.is_ipv4() != start.is_ipv4() {
            let why = format!("of another family than subnet \"{subnet}\"");
            return Err(Error::config(&at("gateway"), quoted(gateway), &why));
        }
        Ok(Pool { subnet, start, end, gateway })
    }
}

fn check_subnet(subnet: IpNet) -> Result<(), String> {
    if let IpNet::V6(v6) = subnet
        && v6.addr().to_ipv4_mapped().is_some()
    {
        return Err("write an IPv4 network in the IPv4 form".to_owned());
    }
    let longest = subnet.max_prefix_len().saturating_sub(2);
    if subnet.prefix_len() > longest {
        return Err(format!("too small to give addresses: prefixes are /{longest} at most"));
    }
    if subnet.addr() != subnet.network() {
        return Err(format!("host bits are set: write \"{}\"", subnet.trunc()));
    }
    Ok(())
}

/// The last address that is handed out if nothing is said: IPv4 has a broadcast address behind it.
fn last_usable(subnet: IpNet) -> IpAddr {
    match subnet {
        IpNet::V4(v4) => Ipv4Addr::from_bits(v4.broadcast().to_bits().saturating_sub(1)).into(),
        IpNet::V6(v6) => v6.broadcast().into(),
    }
}

/// The address after this one, if it is not its family's last.
pub(crate) fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|n| Ipv4Addr::from_bits(n).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|n| Ipv6Addr::from_bits(n).into()),
    }
}

pub(crate) fn quoted(value: impl std::fmt::Display) -> String {
    format!("\"{value}\"")
}

impl Pool {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        (self.start..=self.end).contains(&address)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

impl RangeSet {
    /// Checks the ranges of a set that stands at `key` of the configuration.
    pub(crate) fn check(ranges: &[RawRange], key: String) -> Result<Self, Error> {
        if ranges.is_empty() {
            return Err(Error::missing(&key, "a set of ranges must have one at least"));
        }
        let mut pools = Vec::<Pool>::new();
        for (number, range) in ranges.iter().enumerate() {
            let key = format!("{key}[{number}]");
            let pool = range.check(&key)?;
            for (earlier, other) in pools.iter().enumerate() {
                if other.start.is_ipv4() != pool.start.is_ipv4() {
                    let why =
                        "of another family than the set's first range; write a set of its own";
                    return Err(Error::config(&key, quoted(pool.subnet), why));
                }
                if other.overlaps(&pool) {
                    let why = format!("overlaps with range [{earlier}] of the same set");
                    return Err(Error::config(&key, quoted(pool.subnet), &why));
                }
            }
            pools.push(pool);
        }
        Ok(Self { key, pools })
    }

    /// The set of one range that has no number.
    pub(crate) fn of_one(range: &RawRange, key: &str) -> Result<Self, Error> {
        Ok(Self { key: key.to_owned(), pools: vec![range.check(key)?] })
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.pools.iter().any(|pool| other.pools.iter().any(|theirs| pool.overlaps(theirs)))
    }

    /// The pool that an address is of.
    pub(crate) fn pool_of(&self, address: IpAddr) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.contains(address))
    }

    pub(crate) fn is_ipv4(&self) -> bool {
        self.pools.first().is_some_and(|pool| pool.start.is_ipv4())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(subnet: &str, start: &str, end: &str, gateway: &str) -> RawRange {
        RawRange {
            subnet: subnet.parse().ok().map(Cidr),
            range_start: Ip(start.parse().ok()),
            range_end: Ip(end.parse().ok()),
            gateway: Ip(gateway.parse().ok()),
        }
    }

    fn checked(subnet: &str, start: &str, end: &str, gateway: &str) -> [String; 3] {
        let pool = range(subnet, start, end, gateway).check("ipam").unwrap();
        [pool.start, pool.end, pool.gateway].map(|address| address.to_string())
    }

    fn refused(subnet: &str, start: &str, end: &str, gateway: &str) -> String {
        let error = range(subnet, start, end, gateway).check("ipam").unwrap_err();
        assert_eq!(error.code, 7);
        error.details
    }

    #[test]
    fn what_is_not_written_has_a_meaning() {
        assert_eq!(checked("10.1.2.0/24", "", "", ""), ["10.1.2.1", "10.1.2.254", "10.1.2.1"]);
        assert_eq!(checked("10.1.2.4/30", "", "", ""), ["10.1.2.5", "10.1.2.6", "10.1.2.5"]);
        assert_eq!(checked("fd00::/126", "", "", ""), ["fd00::1", "fd00::3", "fd00::1"]);
        let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        assert_eq!(checked(&format!("{all}:0/112"), "", "", "")[1], format!("{all}:ffff"));
        assert_eq!(checked("255.255.255.252/30", "", "", "")[1], "255.255.255.254");
    }

    #[test]
    fn what_is_written_counts() {
        assert_eq!(
            checked("10.10.0.0/16", "10.10.1.20", "10.10.3.50", "10.10.0.254"),
            ["10.10.1.20", "10.10.3.50", "10.10.0.254"]
        );
        // The ends of the subnet, if they are asked for; a gateway from elsewhere.
        assert_eq!(
            checked("10.1.2.0/24", "10.1.2.0", "10.1.2.255", "192.0.2.1"),
            ["10.1.2.0", "10.1.2.255", "192.0.2.1"]
        );
        assert_eq!(checked("10.1.2.0/24", "10.1.2.9", "10.1.2.9", "")[..2], ["10.1.2.9"; 2]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(
            refused("10.1.2.3/24", "", "", ""),
            "reading \"ipam.subnet\": got \"10.1.2.3/24\": host bits are set: write \"10.1.2.0/24\""
        );
        assert!(refused("fd00::1/64", "", "", "").ends_with("write \"fd00::/64\""));
        assert!(refused("", "", "", "").starts_with("reading \"ipam.subnet\": missing"));
        assert!(refused("10.1.2.0/31", "", "", "").ends_with("prefixes are /30 at most"));
        assert!(refused("fd00::/127", "", "", "").ends_with("prefixes are /126 at most"));
        assert!(refused("::ffff:10.1.2.0/120", "", "", "").ends_with("in the IPv4 form"));
        assert_eq!(
            refused("10.1.2.0/24", "10.1.3.1", "", ""),
            "reading \"ipam.rangeStart\": got \"10.1.3.1\": not in subnet \"10.1.2.0/24\""
        );
        assert!(refused("10.1.2.0/24", "", "10.1.3.1", "").contains("ipam.rangeEnd"));
        assert!(refused("10.1.2.0/24", "fd00::1", "", "").contains("ipam.rangeStart"));
        assert!(refused("10.1.2.0/24", "10.1.2.9", "10.1.2.8", "").ends_with("behind it"));
        assert!(refused("10.1.2.0/24", "10.1.2.255", "", "").ends_with("behind it"));
        assert!(refused("10.1.2.0/24", "", "10.1.2.0", "").ends_with("behind it"));
        assert!(refused("10.1.2.0/24", "", "", "fd00::1").contains("of another family"));
    }

    #[test]
    fn sets_are_of_one_family_and_their_pools_apart() {
        let set = |ranges: &[(&str, &str, &str)]| {
            let ranges: Vec<_> =
                ranges.iter().map(|(subnet, start, end)| range(subnet, start, end, "")).collect();
            RangeSet::check(&ranges, "ipam.ranges[2]".to_owned())
        };
        let halves =
            set(&[("10.1.2.0/24", "", "10.1.2.99"), ("10.1.2.0/24", "10.1.2.100", "")]).unwrap();
        assert_eq!(halves.pool_of("10.1.2.99".parse().unwrap()), halves.pools.first());
        assert_eq!(halves.pool_of("10.1.2.100".parse().unwrap()), halves.pools.last());
        assert_eq!(halves.pool_of("10.1.2.255".parse().unwrap()), None);

        assert!(set(&[]).unwrap_err().details.contains("\"ipam.ranges[2]\": missing"));
        let error = set(&[("10.1.2.0/24", "", ""), ("fd00::/64", "", "")]).unwrap_err();
        assert!(error.details.contains("\"ipam.ranges[2][1]\": got \"fd00::/64\""), "{error}");
        for (start, end) in
            [("10.1.2.99", ""), ("", ""), ("", "10.1.2.50"), ("10.1.2.5", "10.1.2.6")]
        {
            let error =
                set(&[("10.1.2.0/24", "", "10.1.2.99"), ("10.1.2.0/24", start, end)]).unwrap_err();
            assert!(error.details.ends_with("overlaps with range [0] of the same set"), "{error}");
        }
    }
}
