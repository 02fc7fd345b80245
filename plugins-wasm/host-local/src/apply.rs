//! The host calls.

use std::net::IpAddr;

use wasmcni_sdk::reservations::{self, Claim, Store};
use wasmcni_sdk::{
    AttachmentId, CniResult, Context, Dns, Error, IpConfig, Request, code, resolv_conf,
};

use crate::conf::{Conf, Place};
use crate::plan::{self, Search, Want};

/// How often an address may turn out to be taken that the host called free. With the lock held, only
/// someone who passes it by can do that.
const MAX_SURPRISES: u32 = 16;

pub(crate) fn add(conf: Conf) -> Result<CniResult, Error> {
    let dns = read_dns(&conf)?;
    let wants = plan::wants(&conf.sets, &conf.requested)?;
    let store = open(&conf.place)?;
    plan::refuse_held(&conf.sets, &held(&store)?)?;
    // On a failure the host releases what was reserved, and nothing else that the attachment holds.
    let ips = wants.iter().map(|want| reserve(&store, &conf, want)).collect::<Result<_, _>>()?;
    Ok(CniResult { interfaces: Vec::new(), ips, routes: conf.routes, dns })
}

pub(crate) fn del(place: &Place) -> Result<(), Error> {
    open(place)?.release().doing(|| "releasing addresses".to_owned())
}

pub(crate) fn check(conf: &Conf, request: &Request) -> Result<(), Error> {
    let held = held(&open(&conf.place)?)?;
    plan::check_held(&conf.sets, &held, &request.prev_result()?.ips)
}

pub(crate) fn gc(place: &Place, valid: Vec<AttachmentId>) -> Result<(), Error> {
    let valid: Vec<_> = valid.into_iter().map(Into::into).collect();
    open(place)?.sweep(&valid).map(|_| ()).doing(|| "sweeping reservations".to_owned())
}

pub(crate) fn status(conf: &Conf) -> Result<(), Error> {
    let unavailable = |error: Error| Error::new(code::NOT_AVAILABLE, error.details);
    read_dns(conf).map_err(unavailable)?;
    let store = open(&conf.place)?;
    for set in &conf.sets {
        let mut search = Search::new(set, plan::gateways(&conf.sets).collect(), None);
        if next(&store, &mut search)?.is_none() {
            return Err(plan::exhausted(set));
        }
    }
    Ok(())
}

fn open(place: &Place) -> Result<Store, Error> {
    reservations::open(place.0.as_deref()).doing(|| "opening the reservations".to_owned())
}

fn read_dns(conf: &Conf) -> Result<Dns, Error> {
    match &conf.resolv_conf {
        None => Ok(Dns::default()),
        Some(path) => resolv_conf::read(path),
    }
}

fn held(store: &Store) -> Result<Vec<IpAddr>, Error> {
    Ok(store.held()?.into_iter().map(Into::into).collect())
}

fn reserve(store: &Store, conf: &Conf, want: &Want<'_>) -> Result<IpConfig, Error> {
    let address = match want.requested {
        Some(requested) => {
            if claim(store, requested.address, want.number)? == Claim::Taken {
                let address = requested.address;
                let why = "another container holds it; release it, or request another one";
                return Err(Error::new(
                    code::TRY_AGAIN,
                    format!("reserving the requested \"{address}\": {why}"),
                ));
            }
            requested.address
        }
        None => reserve_next(store, conf, want)?,
    };
    plan::ip_config(want.set, address).ok_or_else(|| plan::exhausted(want.set))
}

fn reserve_next(store: &Store, conf: &Conf, want: &Want<'_>) -> Result<IpAddr, Error> {
    let last = store.last_reserved(want.number)?.map(Into::into);
    let mut search = Search::new(want.set, plan::gateways(&conf.sets).collect(), last);
    for _ in 0..MAX_SURPRISES {
        let Some(address) = next(store, &mut search)? else {
            return Err(plan::exhausted(want.set));
        };
        if claim(store, address, want.number)? == Claim::Reserved {
            return Ok(address);
        }
    }
    Err(Error::new(
        code::TRY_AGAIN,
        format!(
            "searching \"{}\": free addresses were taken {MAX_SURPRISES} times before they could be \
             reserved; look for what writes the reservations without their lock",
            want.set.key
        ),
    ))
}

/// The next free address, gateways passed over.
fn next(store: &Store, search: &mut Search) -> Result<Option<IpAddr>, Error> {
    while let Some((first, last)) = search.range() {
        let free = store.next_free(first.into(), last.into())?;
        if let Some(address) = search.found(free.map(Into::into)) {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

fn claim(store: &Store, address: IpAddr, range_set: u32) -> Result<Claim, Error> {
    Ok(store.reserve(address.into(), range_set)?)
}
