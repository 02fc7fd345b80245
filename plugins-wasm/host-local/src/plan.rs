//! Which addresses to try, and in what order.

use std::collections::VecDeque;
use std::net::IpAddr;

use ipnet::IpNet;
use wasmcni_sdk::{Error, IpConfig, code};

use crate::conf::Requested;
use crate::range::{RangeSet, successor};

/// Code and message of an ADD whose attachment is there already.
const ALREADY: (u32, &str) = (111, "attachment already there");

/// What to do for one range set.
#[derive(Debug)]
pub(crate) struct Want<'a> {
    pub(crate) set: &'a RangeSet,
    /// Number of the set, under which its last reserved address is noted.
    pub(crate) number: u32,
    /// The one address that may be had; none: any.
    pub(crate) requested: Option<&'a Requested>,
}

/// Divides the requested addresses among the sets.
///
/// # Errors
/// One of them is of no set, of a set that gives another one already, or a gateway.
pub(crate) fn wants<'a>(
    sets: &'a [RangeSet],
    requested: &'a [Requested],
) -> Result<Vec<Want<'a>>, Error> {
    let mut wants: Vec<_> =
        (0..).zip(sets).map(|(number, set)| Want { set, number, requested: None }).collect();
    for one in requested {
        let Some(want) = wants.iter_mut().find(|want| want.set.pool_of(one.address).is_some())
        else {
            return Err(one.refuse("not in any of the ranges"));
        };
        if let Some(other) = want.requested {
            let why = format!(
                "\"{}\" gives one address, and \"{}\" is requested of it too",
                want.set.key, other.address
            );
            return Err(one.refuse(&why));
        }
        if gateways(sets).any(|gateway| gateway == one.address) {
            return Err(one.refuse("it is a gateway"));
        }
        want.requested = Some(one);
    }
    Ok(wants)
}

/// The addresses that are never handed out.
pub(crate) fn gateways(sets: &[RangeSet]) -> impl Iterator<Item = IpAddr> {
    sets.iter().flat_map(|set| &set.pools).map(|pool| pool.gateway)
}

/// Refuses an attachment that has an address of one of the sets: ADD comes once.
pub(crate) fn refuse_held(sets: &[RangeSet], held: &[IpAddr]) -> Result<(), Error> {
    let of_sets = held.iter().find(|address| sets.iter().any(|s| s.pool_of(**address).is_some()));
    match of_sets {
        None => Ok(()),
        Some(address) => Err(Error {
            code: ALREADY.0,
            msg: ALREADY.1.into(),
            details: format!(
                "reserving an address: this attachment holds \"{address}\" already; run DEL first"
            ),
        }),
    }
}

/// Looks for what CHECK must find: a reservation at all, and that of each address of the result that
/// is of these ranges.
pub(crate) fn check_held(
    sets: &[RangeSet],
    held: &[IpAddr],
    result: &[IpConfig],
) -> Result<(), Error> {
    let of_sets = result
        .iter()
        .map(|ip| ip.address.addr())
        .filter(|address| sets.iter().any(|set| set.pool_of(*address).is_some()));
    let mut missing = of_sets.filter(|address| !held.contains(address));
    if let Some(address) = missing.next() {
        return Err(Error::changed(format!(
            "looking for the reservation of \"{address}\": missing"
        )));
    }
    if held.is_empty() {
        return Err(Error::changed("looking for this attachment's reservations: there is none"));
    }
    Ok(())
}

/// ADD, or STATUS, finds every address taken.
pub(crate) fn exhausted(set: &RangeSet) -> Error {
    let ranges: Vec<_> =
        set.pools.iter().map(|pool| format!("\"{}\" to \"{}\"", pool.start, pool.end)).collect();
    let (key, ranges) = (&set.key, ranges.join(", "));
    Error::new(
        code::NOT_AVAILABLE,
        format!(
            "searching \"{key}\": every address is reserved ({ranges}); widen the range, or release \
             what no container has"
        ),
    )
}

/// An address with what its pool says of it.
pub(crate) fn ip_config(set: &RangeSet, address: IpAddr) -> Option<IpConfig> {
    let pool = set.pool_of(address)?;
    let address = IpNet::new(address, pool.subnet.prefix_len()).ok()?;
    Some(IpConfig { interface: None, address, gateway: Some(pool.gateway) })
}

/// The order in which a set's addresses are tried: round robin, so that an address that a container
/// has just given up is not the next one's.
///
/// The host finds the lowest free address of a range, so the order is one of ranges: from behind the
/// last reserved address to the end of its pool, through the other pools, and from that pool's start
/// to the last reserved address itself.
#[derive(Debug)]
pub(crate) struct Search {
    ranges: VecDeque<(IpAddr, IpAddr)>,
    gateways: Vec<IpAddr>,
}

impl Search {
    pub(crate) fn new(set: &RangeSet, gateways: Vec<IpAddr>, last: Option<IpAddr>) -> Self {
        let whole = |pool: &crate::range::Pool| (pool.start, pool.end);
        let found = last.and_then(|last| {
            let at = set.pools.iter().position(|pool| pool.contains(last))?;
            Some((last, set.pools.get(..at)?, set.pools.get(at)?, set.pools.get(at + 1..)?))
        });
        let ranges = match found {
            // None yet, or of a range that is no more.
            None => set.pools.iter().map(whole).collect(),
            Some((last, before, pool, behind)) => {
                let next = successor(last).filter(|next| *next <= pool.end);
                next.map(|next| (next, pool.end))
                    .into_iter()
                    .chain(behind.iter().chain(before).map(whole))
                    .chain([(pool.start, last)])
                    .collect()
            }
        };
        Self { ranges, gateways }
    }

    /// The range to look in next; none: there is no free address.
    pub(crate) fn range(&self) -> Option<(IpAddr, IpAddr)> {
        self.ranges.front().copied()
    }

    /// Takes what was found in the range. Gives it back if it may be tried; the next range begins
    /// behind it.
    pub(crate) fn found(&mut self, found: Option<IpAddr>) -> Option<IpAddr> {
        let (_, end) = self.ranges.pop_front()?;
        let found = found?;
        if let Some(next) = successor(found).filter(|next| *next <= end) {
            self.ranges.push_front((next, end));
        }
        (!self.gateways.contains(&found)).then_some(found)
    }
}

#[cfg(test)]
mod tests;
