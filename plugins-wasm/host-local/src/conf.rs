//! The configuration: what each key may say, and what it is when it says nothing.

use std::net::IpAddr;

use serde::Deserialize;
use wasmcni_sdk::conf::{Cidr, Ip, RouteConf};
use wasmcni_sdk::{Addresses, Error, NetworkRequest, Request, Route, code};

use crate::range::{RangeSet, RawRange, quoted};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    ipam: Option<Ipam>,
    args: Args,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Ipam {
    // The range of configurations that know one only. It counts if it has a subnet.
    subnet: Option<Cidr>,
    range_start: Ip,
    range_end: Ip,
    gateway: Ip,
    ranges: Vec<Vec<RawRange>>,
    routes: Vec<RouteConf>,
    data_dir: String,
    resolv_conf: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: CniArgs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CniArgs {
    ips: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    ip_ranges: Vec<Vec<RawRange>>,
    ips: Vec<String>,
}

/// Where reservations are: all that DEL and GC need.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct RawPlace {
    ipam: PlaceIpam,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PlaceIpam {
    data_dir: String,
}

/// The data directory, if it is not the usual one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) Option<String>);

/// An address that the runtime or the user asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) address: IpAddr,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Arguments,
    Args,
    RuntimeConfig,
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    pub(crate) place: Place,
    /// In the order that counts: the runtime's, the single range, the list. None only for STATUS.
    pub(crate) sets: Vec<RangeSet>,
    /// Each once.
    pub(crate) requested: Vec<Requested>,
    /// Of the result.
    pub(crate) routes: Vec<Route>,
    /// File of the result's `dns`.
    pub(crate) resolv_conf: Option<String>,
}

impl Place {
    pub(crate) fn of(raw: &RawPlace) -> Self {
        Self(some(raw.ipam.data_dir.clone()))
    }
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Arguments => "IP of CNI_ARGS",
            Self::Args => "args.cni.ips",
            Self::RuntimeConfig => "runtimeConfig.ips",
        }
    }

    fn refuse(self, value: &str, why: &str) -> Error {
        match self {
            Self::Arguments => {
                Error::new(code::ENVIRONMENT, format!("reading CNI_ARGS: got IP={value:?}: {why}"))
            }
            Self::Args | Self::RuntimeConfig => Error::config(self.name(), quoted(value), why),
        }
    }
}

impl Requested {
    /// A prefix length may follow, and is the range's business.
    fn read(text: &str, source: Source) -> Result<Self, Error> {
        let bare = text.parse::<IpAddr>().ok();
        let address = bare
            .or_else(|| text.parse().ok().map(|Cidr(network)| network.addr()))
            .ok_or_else(|| source.refuse(text, "write an IP address"))?
            .to_canonical();
        Ok(Self { address, source })
    }

    /// Why it cannot be had, blamed on who asked for it.
    pub(crate) fn refuse(&self, why: &str) -> Error {
        self.source.refuse(&self.address.to_string(), why)
    }
}

impl Conf {
    /// The configuration of an attachment.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        let arguments = request.arguments(&["IP"])?;
        let mut requested = Vec::new();
        for (texts, source) in [
            (arguments.get("IP").map(str::to_owned).into_iter().collect(), Source::Arguments),
            (raw.args.cni.ips.clone(), Source::Args),
            (raw.runtime_config.ips.clone(), Source::RuntimeConfig),
        ] {
            add_requested(&mut requested, &texts, source)?;
        }
        let conf = Self::checked(raw, requested)?;
        if conf.sets.is_empty() {
            return Err(Error::missing("ipam.ranges", "write one set of one range at least"));
        }
        if request.addresses == Addresses::OnePerFamily {
            for set in &conf.sets {
                if conf.sets.iter().any(|other| other != set && other.is_ipv4() == set.is_ipv4()) {
                    let why = "a second set of a family needs cniVersion 0.3.0 or later";
                    return Err(Error::config(&set.key, quoted_subnets(set), why));
                }
            }
        }
        Ok(conf)
    }

    /// The configuration of a network. Ranges that the runtime gives with each attachment are
    /// missing here, so there may be none.
    pub(crate) fn of_network(request: &NetworkRequest) -> Result<Self, Error> {
        Self::checked(request.configuration()?, Vec::new())
    }

    fn checked(raw: Raw, requested: Vec<Requested>) -> Result<Self, Error> {
        let Some(ipam) = raw.ipam else {
            return Err(Error::missing("ipam", "write an object with ranges"));
        };
        let mut sets = Vec::new();
        for (number, ranges) in raw.runtime_config.ip_ranges.iter().enumerate() {
            sets.push(RangeSet::check(ranges, format!("runtimeConfig.ipRanges[{number}]"))?);
        }
        if ipam.subnet.is_some() {
            sets.push(RangeSet::of_one(&ipam.single_range(), "ipam")?);
        }
        for (number, ranges) in ipam.ranges.iter().enumerate() {
            sets.push(RangeSet::check(ranges, format!("ipam.ranges[{number}]"))?);
        }
        let mut earlier = Vec::<&RangeSet>::new();
        for set in &sets {
            if let Some(other) = earlier.iter().find(|other| other.overlaps(set)) {
                let why = format!("overlaps with \"{}\"", other.key);
                return Err(Error::config(&set.key, quoted_subnets(set), &why));
            }
            earlier.push(set);
        }
        Ok(Self {
            place: Place(some(ipam.data_dir)),
            sets,
            requested,
            routes: ipam.routes.into_iter().map(Into::into).collect(),
            resolv_conf: some(ipam.resolv_conf),
        })
    }
}

impl Ipam {
    fn single_range(&self) -> RawRange {
        RawRange {
            subnet: self.subnet,
            range_start: self.range_start,
            range_end: self.range_end,
            gateway: self.gateway,
        }
    }
}

fn add_requested(
    requested: &mut Vec<Requested>,
    texts: &[String],
    source: Source,
) -> Result<(), Error> {
    for text in texts {
        let new = Requested::read(text, source)?;
        if !requested.iter().any(|old| old.address == new.address) {
            requested.push(new);
        }
    }
    Ok(())
}

fn quoted_subnets(set: &RangeSet) -> String {
    let subnets: Vec<_> = set.pools.iter().map(|pool| quoted(pool.subnet)).collect();
    subnets.join(", ")
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
