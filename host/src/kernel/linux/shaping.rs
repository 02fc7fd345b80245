//! Token buckets and redirections: `tc qdisc`, `tc filter`.

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionGeneric, TcActionMirror, TcActionMirrorOption,
    TcActionOption, TcActionType, TcAttribute, TcFilterU32, TcFilterU32Option, TcHandle, TcMessage,
    TcMirror, TcMirrorActionType, TcOption, TcU32Key, TcU32Selector, TcU32SelectorFlags,
};
use nix::errno::Errno;
use nix::libc;

use super::attributes::{attribute, attributes, read_i32, read_text, read_u32};
use super::link;
use super::socket::{Refusal, RouteSocket};
use crate::kernel::{IfIndex, Shaping, TokenBucket};

const TBF: &str = "tbf";
const INGRESS: &str = "ingress";
/// Of the bucket: `1:`.
const ROOT_HANDLE: TcHandle = TcHandle { major: 1, minor: 0 };
/// Of the ingress qdisc: `ffff:`.
const INGRESS_HANDLE: TcHandle = TcHandle { major: 0xffff, minor: 0 };

/// Octets of `struct tcmsg`.
const HEADER_OCTETS: usize = 20;
/// From `include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls}.h` and `linux/tc_act/tc_mirred.h`.
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_U32_ACT: u16 = 7;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
/// `ETH_P_ALL`, as `tcm_info` has it: in network byte order, below the priority.
const EVERY_PROTOCOL: u16 = 3_u16.to_be();
const PRIORITY: u32 = 1;

fn message(link: IfIndex, handle: TcHandle, parent: TcHandle) -> Result<TcMessage, Refusal> {
    let mut message = TcMessage::with_index(i32::try_from(link.0).map_err(|_| Errno::ENODEV)?);
    message.header.handle = handle;
    message.header.parent = parent;
    Ok(message)
}

/// Equivalent: `tc qdisc add dev … root handle 1: tbf …`.
pub(super) fn add_bucket(
    socket: &mut RouteSocket,
    link: IfIndex,
    bucket: &TokenBucket,
) -> Result<(), Refusal> {
    let mut request = message(link, ROOT_HANDLE, TcHandle::ROOT)?;
    let mut options = vec![option(TCA_TBF_PARMS, parameters(bucket))];
    if u32::try_from(bucket.rate).is_err() {
        options.push(option(TCA_TBF_RATE64, bucket.rate.to_ne_bytes().to_vec()));
    }
    request.attributes = vec![TcAttribute::Kind(TBF.to_owned()), TcAttribute::Options(options)];
    socket.act(libc::RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &request)
}

fn option(kind: u16, value: Vec<u8>) -> TcOption {
    TcOption::Other(DefaultNla::new(kind, value))
}

/// `struct tc_tbf_qopt`: two of `struct tc_ratespec`, the second of no peak rate, then limit, buffer and
/// the peak rate's. Of a rate that is larger than its field, the field has all bits set.
fn parameters(bucket: &TokenBucket) -> Vec<u8> {
    const BEFORE_RATE: [u8; 8] = [0; 8];
    const PEAK_RATE: [u8; 12] = [0; 12];
    const MTU: [u8; 4] = [0; 4];
    let rate = u32::try_from(bucket.rate).unwrap_or(u32::MAX);
    [
        &BEFORE_RATE[..],
        &rate.to_ne_bytes(),
        &PEAK_RATE,
        &bucket.limit.to_ne_bytes(),
        &bucket.buffer.to_ne_bytes(),
        &MTU,
    ]
    .concat()
}

fn read_bucket(options: &[u8]) -> Option<TokenBucket> {
    let parameters = attribute(options, TCA_TBF_PARMS)?;
    let number = |at: usize| parameters.get(at..).and_then(read_u32);
    let large = attribute(options, TCA_TBF_RATE64).and_then(|value| value.first_chunk());
    Some(TokenBucket {
        rate: large.map_or(number(8)?.into(), |octets| u64::from_ne_bytes(*octets)),
        limit: number(24)?,
        buffer: number(28)?,
    })
}

/// Equivalent: `tc qdisc del dev … root handle 1: tbf`.
pub(super) fn delete_bucket(socket: &mut RouteSocket, link: IfIndex) -> Result<(), Refusal> {
    delete(socket, message(link, ROOT_HANDLE, TcHandle::ROOT)?, TBF)
}

/// The kernel calls it `EINVAL` when the qdisc there has another handle or kind.
fn delete(socket: &mut RouteSocket, mut request: TcMessage, kind: &str) -> Result<(), Refusal> {
    request.attributes = vec![TcAttribute::Kind(kind.to_owned())];
    socket.act(libc::RTM_DELQDISC, 0, &request).map_err(|refusal| {
        let another = refusal.errno == Errno::EINVAL;
        Refusal { errno: if another { Errno::ENOENT } else { refusal.errno }, ..refusal }
    })
}

/// Equivalent: `tc qdisc add dev LINK handle ffff: ingress` and `tc filter add dev LINK parent ffff: …
/// action mirred egress redirect dev TO`.
pub(super) fn add_redirect(
    socket: &mut RouteSocket,
    link: IfIndex,
    to: IfIndex,
) -> Result<(), Refusal> {
    let mut request = message(link, INGRESS_HANDLE, TcHandle::INGRESS)?;
    request.attributes = vec![TcAttribute::Kind(INGRESS.to_owned())];
    socket.act(libc::RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &request)?;
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    let added =
        filter(link, to).and_then(|filter| socket.act(libc::RTM_NEWTFILTER, flags, &filter));
    added.inspect_err(|_| {
        // Nothing may be left; that this fails as well has no better answer than the first error.
        let _ = delete_redirect(socket, link);
    })
}

fn filter(link: IfIndex, to: IfIndex) -> Result<TcMessage, Refusal> {
    let mut everything = TcU32Selector::default();
    everything.flags = TcU32SelectorFlags::Terminal;
    everything.nkeys = 1;
    everything.keys = vec![TcU32Key::default()];
    let mut parameters = TcMirror::default();
    parameters.generic = TcActionGeneric::default();
    parameters.generic.action = TcActionType::Stolen;
    parameters.eaction = TcMirrorActionType::EgressRedir;
    parameters.ifindex = to.0;
    let mut redirect = TcAction::default();
    redirect.attributes = vec![
        TcActionAttribute::Kind(TcActionMirror::KIND.to_owned()),
        TcActionAttribute::Options(vec![TcActionOption::Mirror(TcActionMirrorOption::Parms(
            parameters,
        ))]),
    ];
    let mut request = message(link, TcHandle::UNSPEC, INGRESS_HANDLE)?;
    request.header.info = PRIORITY << 16 | u32::from(EVERY_PROTOCOL);
    request.attributes = vec![
        TcAttribute::Kind(TcFilterU32::KIND.to_owned()),
        TcAttribute::Options(vec![
            TcOption::U32(TcFilterU32Option::Selector(everything)),
            TcOption::U32(TcFilterU32Option::Action(vec![redirect])),
        ]),
    ];
    Ok(request)
}

/// Equivalent: `tc qdisc del dev … ingress`.
pub(super) fn delete_redirect(socket: &mut RouteSocket, link: IfIndex) -> Result<(), Refusal> {
    delete(socket, message(link, INGRESS_HANDLE, TcHandle::INGRESS)?, INGRESS)
}

/// Equivalent: `tc qdisc show dev …` and `tc filter show dev … parent ffff:`.
pub(super) fn seen(socket: &mut RouteSocket, link: IfIndex) -> Result<Shaping, Refusal> {
    if link::by_index(socket, link)?.is_none() {
        return Err(Errno::ENODEV.into());
    }
    // The kernel takes no filter here: this lists the qdiscs of all links.
    let all = message(IfIndex(0), TcHandle::UNSPEC, TcHandle::UNSPEC)?;
    let mut shaping = Shaping::default();
    let mut ingress = false;
    socket.dump(libc::RTM_GETQDISC, &all, |body, _: &mut Vec<()>| {
        if index(body) != Some(link) {
            return Ok(());
        }
        let (handle, parent) = (word(body, 8), word(body, 12));
        if (handle, parent) == (Some(ROOT_HANDLE.into()), Some(TcHandle::ROOT.into())) {
            shaping.bucket = options(body, TBF).and_then(read_bucket);
        }
        ingress |= handle == Some(INGRESS_HANDLE.into());
        Ok(())
    })?;
    if ingress {
        let filters = message(link, TcHandle::UNSPEC, INGRESS_HANDLE)?;
        let found = socket.dump(libc::RTM_GETTFILTER, &filters, |body, found| {
            if index(body) == Some(link) {
                found.extend(options(body, TcFilterU32::KIND).and_then(read_redirect));
            }
            Ok(())
        })?;
        shaping.redirect = found.first().copied();
    }
    Ok(shaping)
}

/// `struct tcmsg`: family and padding in four octets, the link's index, handle, parent, info.
fn word(body: &[u8], at: usize) -> Option<u32> {
    body.get(at..).and_then(read_u32)
}

fn index(body: &[u8]) -> Option<IfIndex> {
    word(body, 4).map(IfIndex)
}

/// The options of a qdisc or filter of this kind.
fn options<'a>(body: &'a [u8], kind: &str) -> Option<&'a [u8]> {
    let content = body.get(HEADER_OCTETS..)?;
    let same = attribute(content, TCA_KIND).and_then(read_text)? == kind;
    same.then(|| attribute(content, TCA_OPTIONS))?
}

/// Where the first action of a u32 filter redirects to. `struct tc_mirred`: five words of every action's,
/// what it does, and the link's index, 0 if it is gone.
fn read_redirect(options: &[u8]) -> Option<IfIndex> {
    const EGRESS_REDIRECT: i32 = 1;
    let (_, first) = attributes(attribute(options, TCA_U32_ACT)?).next()?;
    if attribute(first, TCA_ACT_KIND).and_then(read_text)? != TcActionMirror::KIND {
        return None;
    }
    let mirred = attribute(attribute(first, TCA_ACT_OPTIONS)?, TCA_MIRRED_PARMS)?;
    let does = mirred.get(20..).and_then(read_i32)?;
    let to = mirred.get(24..).and_then(read_u32)?;
    (does == EGRESS_REDIRECT).then_some(IfIndex(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_read_back() {
        for rate in [1, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let bucket = TokenBucket { rate, buffer: 7, limit: 9 };
            let mut octets = attribute_octets(TCA_TBF_PARMS, &parameters(&bucket));
            if u32::try_from(rate).is_err() {
                octets.extend(attribute_octets(TCA_TBF_RATE64, &rate.to_ne_bytes()));
            }
            assert_eq!(read_bucket(&octets), Some(bucket));
            assert_eq!(read_bucket(&octets[..30]), None);
        }
        assert_eq!(parameters(&TokenBucket { rate: 1, buffer: 2, limit: 3 }).len(), 36);
    }

    fn attribute_octets(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
    }

    #[test]
    fn a_filter_names_its_target() {
        let filter = filter(IfIndex(3), IfIndex(7)).unwrap();
        assert_eq!((filter.header.index, filter.header.info), (3, 0x0001_0300));
        let mut body = vec![0; netlink_packet_core::Emitable::buffer_len(&filter)];
        netlink_packet_core::Emitable::emit(&filter, &mut body);
        assert_eq!(index(&body), Some(IfIndex(3)));
        assert_eq!(options(&body, "u32").and_then(read_redirect), Some(IfIndex(7)));
        assert_eq!(options(&body, "tbf"), None);
    }
}
