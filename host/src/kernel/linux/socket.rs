//! One netlink socket: a request, then the kernel's replies, blocking.
//!
//! Requests are written with `netlink-packet-route`'s types; how replies are read: `attributes.rs`.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer, NetlinkHeader,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::attributes::{attribute, read_i32, read_text, read_u32};
use super::deferred;
use crate::kernel::KernelError;

/// How long the kernel may take for one reply. Requests are worked off while they are sent, so a
/// reply waits to be fetched; only a broken kernel or a lost message gets here.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a dump that was interrupted by a change is asked for again.
const DUMP_TRIES: u32 = 5;

/// Octets of the receive buffer: no part of a dump is longer (`netlink_dump` in the kernel).
const RECEIVE_OCTETS: usize = 32 * 1024;

/// Octets of `struct nlmsghdr`.
const HEADER_OCTETS: usize = 16;

/// `NLMSGERR_ATTR_MSG`: the kernel's words in an extended acknowledgement.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// What the kernel refused, before it is said what was tried.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errno: Errno,
    pub(super) hint: Option<String>,
}

impl Refusal {
    /// A refusal with words of our own.
    pub(super) fn because(errno: Errno, hint: impl Into<String>) -> Self {
        Self { errno, hint: Some(hint.into()) }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, hint: None }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Errno::from_raw(errno).into(),
            None => Self::because(Errno::EIO, error.to_string()),
        }
    }
}

/// Says what was tried. The text is made only for an error.
pub(super) trait Trying<T> {
    /// `act`: verb first, with its object: `creating link "veth1a2b" in container-netns`.
    fn trying(self, act: impl FnOnce() -> String) -> Result<T, KernelError>;
}

impl<T> Trying<T> for Result<T, Refusal> {
    fn trying(self, act: impl FnOnce() -> String) -> Result<T, KernelError> {
        self.map_err(|Refusal { errno, hint }| KernelError { act: act(), errno, hint })
    }
}

/// A reply: its message type (`RTM_NEWLINK`, …) and its body.
pub(super) struct Reply<'a> {
    pub(super) kind: u16,
    pub(super) body: &'a [u8],
}

/// What ends the replies to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The acknowledgement.
    Acknowledged,
    /// The first reply.
    Replied,
    /// The end of a dump.
    Done,
}

/// A `NETLINK_ROUTE` socket. It acts in the network namespace that it was opened in, whoever holds
/// it.
#[derive(Debug)]
pub(super) struct RouteSocket {
    socket: Socket,
    sequence: u32,
    out: Vec<u8>,
    input: Vec<u8>,
}

impl RouteSocket {
    /// Opens a socket in the calling thread's network namespace.
    pub(super) fn open() -> Result<Self, Refusal> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        // The kernel alone may write to a connected socket. Without this, whoever has CAP_NET_ADMIN
        // in the container could send us messages that look like the kernel's.
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_ext_ack(true)?;
        // Filters of dumps are obeyed, and nonsense is refused instead of being ignored.
        socket.set_netlink_get_strict_chk(true)?;
        let seconds = i64::try_from(REPLY_TIMEOUT.as_secs()).unwrap_or(i64::MAX);
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(seconds))?;
        Ok(Self { socket, sequence: 0, out: Vec::new(), input: Vec::new() })
    }

    /// Sends a request that changes something and waits for the acknowledgement. `NLM_F_REQUEST`
    /// and `NLM_F_ACK` need not be among the flags.
    pub(super) fn act(
        &mut self,
        kind: u16,
        flags: u16,
        body: &dyn Emitable,
    ) -> Result<(), Refusal> {
        self.act_with_echo(kind, flags, body, &mut |_| Ok(()))
    }

    /// Deletes a link as [`act`](Self::act) would, but returns as soon as the kernel has announced
    /// that it is gone. `keep`: descriptors that the waiting child holds besides this socket.
    ///
    /// # Errors
    /// The kernel's; `ETIMEDOUT`, `ENOBUFS`: it is not known what came of it.
    pub(super) fn delete_link(
        &mut self,
        body: &dyn Emitable,
        index: u32,
        keep: Option<RawFd>,
    ) -> Result<(), Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        let (flags, sequence) = (NLM_F_REQUEST | NLM_F_ACK, self.sequence);
        write_request(&mut self.out, libc::RTM_DELLINK, flags, sequence, body)?;
        self.socket.add_membership(libc::RTNLGRP_LINK)?;
        let keep: Vec<RawFd> = keep.into_iter().chain([self.socket.as_raw_fd()]).collect();
        let (socket, request) = (&self.socket, &self.out);
        deferred::in_child(&keep, || socket.send(request, 0).map(|_| ()))?;
        let done = self.link_gone(index);
        self.socket.drop_membership(libc::RTNLGRP_LINK)?;
        done
    }

    /// Waits for the announcement, or for the kernel's refusal.
    fn link_gone(&mut self, index: u32) -> Result<(), Refusal> {
        loop {
            self.receive()?;
            let mut rest = self.input.as_slice();
            while let Some((message, tail)) = split_message(rest)? {
                rest = tail;
                match message.kind {
                    NLMSG_OVERRUN => return Err(Errno::ENOBUFS.into()),
                    NLMSG_ERROR if message.sequence == self.sequence => return outcome(&message),
                    libc::RTM_DELLINK if announced(message.body) == Some(index) => return Ok(()),
                    _ => {}
                }
            }
        }
    }

    /// Like [`act`](Self::act); what comes before the acknowledgement (`NLM_F_ECHO`) is given to
    /// `each`.
    pub(super) fn act_with_echo(
        &mut self,
        kind: u16,
        flags: u16,
        body: &dyn Emitable,
        each: &mut dyn FnMut(Reply<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.exchange(kind, flags | NLM_F_ACK, body, Until::Acknowledged, each).map(|_| ())
    }

    /// Asks for one thing.
    pub(super) fn ask<T>(
        &mut self,
        kind: u16,
        body: &dyn Emitable,
        read: impl Fn(&[u8]) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut found = None;
        self.exchange(kind, 0, body, Until::Replied, &mut |reply| {
            found = Some(read(reply.body)?);
            Ok(())
        })?;
        found.ok_or_else(|| Refusal::because(Errno::EBADMSG, "no reply, but no error either"))
    }

    /// Asks for everything of a kind; `read` adds what a reply holds to what was found.
    ///
    /// The kernel marks a dump during which something changed. Such a one may lack entries or hold
    /// some twice, so it is repeated.
    ///
    /// # Errors
    /// `EAGAIN`: no dump in [`DUMP_TRIES`] was consistent.
    pub(super) fn dump<T>(
        &mut self,
        kind: u16,
        body: &dyn Emitable,
        mut read: impl FnMut(&[u8], &mut Vec<T>) -> Result<(), Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let mut found = Vec::new();
        for _ in 0..DUMP_TRIES {
            found.clear();
            let whole = self.exchange(kind, NLM_F_DUMP, body, Until::Done, &mut |reply| {
                read(reply.body, &mut found)
            })?;
            if whole {
                return Ok(found);
            }
        }
        Err(Refusal::because(
            Errno::EAGAIN,
            format!("it changed during each of {DUMP_TRIES} attempts to list it"),
        ))
    }

    /// Sends a request and gives its replies to `each`. False: the dump was interrupted by a
    /// change.
    fn exchange(
        &mut self,
        kind: u16,
        flags: u16,
        body: &dyn Emitable,
        until: Until,
        each: &mut dyn FnMut(Reply<'_>) -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        write_request(&mut self.out, kind, flags | NLM_F_REQUEST, self.sequence, body)?;
        while let Err(error) = self.socket.send(&self.out, 0) {
            // Interrupted while waiting for room: nothing was sent yet.
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error.into());
            }
        }
        let mut whole = true;
        // A dump that is not fetched to its end makes the kernel refuse the next one (EBUSY), and
        // what a request did is in its acknowledgement: a reply that cannot be read does not end
        // the exchange.
        let mut unread = None;
        loop {
            self.receive()?;
            let mut rest = self.input.as_slice();
            while let Some((message, tail)) = split_message(rest)? {
                rest = tail;
                if message.sequence != self.sequence {
                    continue; // of a request that ended early
                }
                whole &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_NOOP => {}
                    NLMSG_OVERRUN => return Err(Errno::ENOBUFS.into()),
                    NLMSG_ERROR | NLMSG_DONE => {
                        outcome(&message)?;
                        return unread.map_or(Ok(whole), Err);
                    }
                    _ => {
                        let read = each(Reply { kind: message.kind, body: message.body });
                        unread = unread.or(read.err());
                        if until == Until::Replied {
                            return unread.map_or(Ok(whole), Err);
                        }
                    }
                }
            }
        }
    }

    /// Fetches the next datagram of the kernel's into `input`.
    ///
    /// A signal does not end the wait: it is a deadline's, whose handler has been run by then, and
    /// what a request has changed must become known. A stream of signals does not prolong it
    /// either.
    fn receive(&mut self) -> Result<(), Refusal> {
        let mut deadline = None;
        loop {
            self.input.clear();
            self.input.reserve_exact(RECEIVE_OCTETS);
            match self.socket.recv_from(&mut self.input, libc::MSG_TRUNC) {
                Ok((octets, _)) if octets > self.input.len() => {
                    return Err(Refusal::because(
                        Errno::EMSGSIZE,
                        format!("a reply of {octets} octets"),
                    ));
                }
                Ok((_, sender)) if sender.port_number() != 0 => {} // not the kernel
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    let now = Instant::now();
                    if now >= *deadline.get_or_insert(now + REPLY_TIMEOUT) {
                        return Err(Errno::ETIMEDOUT.into());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Errno::ETIMEDOUT.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The link that an `RTM_DELLINK` announces as gone. A bridge announces a port that leaves it in the
/// same way, but for the family (`AF_BRIDGE`, `br_ifinfo_notify`). (`struct ifinfomsg`)
fn announced(body: &[u8]) -> Option<u32> {
    let family = body.first()?;
    if i32::from(*family) != libc::AF_UNSPEC {
        return None;
    }
    read_u32(body.get(4..)?)
}

fn write_request(
    out: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &dyn Emitable,
) -> Result<(), Refusal> {
    let length = HEADER_OCTETS + body.buffer_len();
    let mut header = NetlinkHeader::default();
    header.length = u32::try_from(length).map_err(|_| Errno::EMSGSIZE)?;
    header.message_type = kind;
    header.flags = flags;
    header.sequence_number = sequence;
    out.clear();
    out.resize(length, 0);
    let (head, tail) = out.split_at_mut_checked(HEADER_OCTETS).ok_or(Errno::EMSGSIZE)?;
    header.emit(head);
    body.emit(tail);
    Ok(())
}

/// One message of a datagram.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

/// The first message of `octets` and what comes after it; `None` at the end.
fn split_message(octets: &[u8]) -> Result<Option<(Message<'_>, &[u8])>, Refusal> {
    if octets.is_empty() {
        return Ok(None);
    }
    let header = NetlinkBuffer::new_checked(octets)
        .map_err(|error| Refusal::because(Errno::EBADMSG, error.to_string()))?;
    let length = usize::try_from(header.length()).map_err(|_| Errno::EBADMSG)?;
    let body = octets.get(HEADER_OCTETS..length).ok_or(Errno::EBADMSG)?;
    let message = Message {
        kind: header.message_type(),
        flags: header.flags(),
        sequence: header.sequence_number(),
        body,
    };
    Ok(Some((message, octets.get(length.next_multiple_of(4)..).unwrap_or_default())))
}

/// What `NLMSG_ERROR` and `NLMSG_DONE` report: zero, or an errno with the kernel's own words.
fn outcome(message: &Message<'_>) -> Result<(), Refusal> {
    let code = read_i32(message.body).unwrap_or(0);
    if code == 0 {
        return Ok(());
    }
    let errno = Errno::from_raw(code.checked_neg().unwrap_or(0));
    Err(Refusal { errno, hint: kernels_words(message) })
}

fn kernels_words(message: &Message<'_>) -> Option<String> {
    if message.flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let after_code = message.body.get(4..)?;
    let skipped = if message.kind == NLMSG_DONE {
        0
    } else if message.flags & NLM_F_CAPPED != 0 {
        HEADER_OCTETS
    } else {
        // The whole request stands here again.
        usize::try_from(read_u32(after_code)?).ok()?.next_multiple_of(4)
    };
    attribute(after_code.get(skipped..)?, NLMSGERR_ATTR_MSG).and_then(read_text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_route::link::LinkMessage;

    const RTM_GETLINK: u16 = 18;

    fn request(sequence: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write_request(&mut out, RTM_GETLINK, NLM_F_REQUEST, sequence, &LinkMessage::default())
            .unwrap();
        out
    }

    fn error(code: i32, flags: u16, rest: &[u8]) -> Vec<u8> {
        let mut body = code.to_ne_bytes().to_vec();
        body.extend(rest);
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(HEADER_OCTETS + body.len()).unwrap();
        (header.message_type, header.flags) = (NLMSG_ERROR, flags);
        let mut octets = vec![0; HEADER_OCTETS];
        header.emit(&mut octets);
        octets.extend(body);
        octets
    }

    fn refusal(octets: &[u8]) -> Refusal {
        outcome(&split_message(octets).unwrap().unwrap().0).unwrap_err()
    }

    #[test]
    fn messages_of_one_datagram_are_split() {
        let octets = [request(1), request(2)].concat();
        let (first, rest) = split_message(&octets).unwrap().unwrap();
        let (second, rest) = split_message(rest).unwrap().unwrap();
        assert_eq!((first.kind, first.sequence, second.sequence), (RTM_GETLINK, 1, 2));
        assert_eq!(first.body.len(), 16);
        assert!(split_message(rest).unwrap().is_none());
    }

    #[test]
    fn a_message_that_is_cut_short_is_an_error() {
        assert!(split_message(&request(1)[..20]).is_err());
        assert!(split_message(&[0; 16]).is_err());
        assert!(split_message(&[0; 3]).is_err());
    }

    #[test]
    fn a_refusal_carries_the_kernels_words() {
        let words = [&14_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), b"too small\0\0\0"].concat();
        let whole = [request(1), words.clone()].concat();
        let found = refusal(&error(-22, NLM_F_ACK_TLVS, &whole));
        assert_eq!((found.errno, found.hint.as_deref()), (Errno::EINVAL, Some("too small")));
        let capped = [&request(1)[..HEADER_OCTETS], &words].concat();
        let found = refusal(&error(-22, NLM_F_ACK_TLVS | NLM_F_CAPPED, &capped));
        assert_eq!(found.hint.as_deref(), Some("too small"));
    }

    #[test]
    fn a_refusal_without_words_has_no_hint() {
        assert_eq!(refusal(&error(-17, 0, &request(1))).hint, None);
        assert_eq!(refusal(&error(-17, NLM_F_ACK_TLVS, &[])).hint, None);
        assert_eq!(refusal(&error(-17, NLM_F_ACK_TLVS, &[255; 16])).hint, None);
    }
}
