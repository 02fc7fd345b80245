//! The socket: batches that change the ruleset, each all or nothing, and questions about it.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike};

use super::attribute::{self, Attribute};
use super::message::{Answer, Content, Message, Received, Refusal, split};
use super::uapi::{self, attr, family, msg};
use crate::kernel::Errno;

/// How long the kernel may take to answer. It answers while it receives, so this only bounds a
/// fault.
const RECEIVE_TIMEOUT_SECONDS: i64 = 5;
/// The kernel never makes a dump's datagram larger (`netlink_dump`).
const RECEIVE_OCTETS: usize = 32 * 1024;
/// Messages that are sent before their answers are fetched: these have to fit into the socket's buffer.
const AT_ONCE: usize = 64;
/// Dumps that may be cut short by somebody's change before it is an error.
const DUMPS: u32 = 16;

/// Attempts before somebody else's changes are an error. Each means that somebody else's succeeded.
const ATTEMPTS: u32 = 256;

/// A number of the ruleset, another one after every change to any table of the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u32);

/// Why a batch or a question failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Position of the message that the kernel refused; `None`: the batch as a whole.
    pub(super) message: Option<usize>,
    /// Why.
    pub(super) errno: Errno,
    /// The kernel's own words.
    pub(super) hint: Option<String>,
}

impl Failure {
    /// Of the batch as a whole.
    pub(super) fn whole(errno: Errno) -> Self {
        Self { message: None, errno, hint: None }
    }

    fn of(message: Option<usize>, refusal: Refusal) -> Self {
        Self { message, errno: refusal.errno, hint: refusal.hint }
    }

    /// Whether to look again and try again: the ruleset is no longer of the generation that was
    /// named, or the answer was lost.
    pub(super) fn is_conflict(&self) -> bool {
        self.message.is_none() && matches!(self.errno, Errno::ERESTART | Errno::ENOBUFS)
    }
}

/// Looks and changes until nobody else changed anything in between.
///
/// `plan` tells the changes and the ruleset that they are for.
///
/// # Errors
/// `EBUSY`: others kept changing the ruleset; what the plan or the kernel refuses.
pub(super) fn transact(
    channel: &mut Channel,
    plan: impl Fn(&mut Channel) -> Result<(Generation, Vec<Message>), Failure>,
) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let done =
            plan(channel).and_then(|(generation, changes)| channel.commit(generation, changes));
        match done {
            Err(failure) if failure.is_conflict() => {}
            done => return done,
        }
    }
    Err(Failure::whole(Errno::EBUSY))
}

/// A netlink socket to nf_tables of one network namespace.
#[derive(Debug)]
pub(super) struct Channel {
    socket: Socket,
    /// Of the last message that was sent.
    sequence: u32,
    received: Vec<u8>,
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Channel {
    /// Opens it in the namespace of the calling thread.
    pub(super) fn open() -> Result<Self, Errno> {
        let socket = Socket::new(NETLINK_NETFILTER).map_err(errno)?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(RECEIVE_TIMEOUT_SECONDS))?;
        socket.set_ext_ack(true).map_err(errno)?;
        socket.set_cap_ack(true).map_err(errno)?;
        Ok(Self { socket, sequence: 0, received: Vec::with_capacity(RECEIVE_OCTETS) })
    }

    /// Applies all messages or none, if the ruleset still is of the generation. None to apply is
    /// success.
    pub(super) fn commit(
        &mut self,
        generation: Generation,
        messages: Vec<Message>,
    ) -> Result<(), Failure> {
        let Some(last) = messages.len().checked_sub(1) else { return Ok(()) };
        let mut request = Vec::with_capacity(1024);
        let begin = self.next_sequence();
        bound(msg::BATCH_BEGIN, Some(generation)).write(begin, 0, &mut request);
        for (index, message) in messages.into_iter().enumerate() {
            // Errors are reported in any case and in the messages' order, so the last one's answer
            // is the last answer.
            let flags = if index == last { NLM_F_ACK } else { 0 };
            message.write(self.next_sequence(), flags, &mut request);
        }
        let end = self.next_sequence();
        bound(msg::BATCH_END, None).write(end, 0, &mut request);
        self.send(&request)?;
        let mut first: Option<Failure> = None;
        loop {
            for received in self.receive()? {
                let Some(index) = position(received.sequence.wrapping_sub(begin), last) else {
                    continue;
                };
                if let Content::Refused(refusal) = received.content {
                    let failure = Failure::of(index, refusal);
                    if index.is_none() {
                        return Err(failure);
                    }
                    first.get_or_insert(failure);
                }
                if index == Some(last) {
                    return first.map_or(Ok(()), Err);
                }
            }
        }
    }

    /// Asks several things at once. What is not there is `None`.
    pub(super) fn ask<const N: usize>(
        &mut self,
        questions: [Message; N],
    ) -> Result<[Option<Answer>; N], Failure> {
        let mut answers = self.ask_each(questions.into())?.into_iter();
        Ok([(); N].map(|()| answers.next().flatten()))
    }

    /// The same for any number of things.
    pub(super) fn ask_each(
        &mut self,
        mut questions: Vec<Message>,
    ) -> Result<Vec<Option<Answer>>, Failure> {
        let mut answers = Vec::with_capacity(questions.len());
        while !questions.is_empty() {
            let rest = questions.split_off(questions.len().min(AT_ONCE));
            answers.extend(self.converse(std::mem::replace(&mut questions, rest), 0)?);
        }
        Ok(answers)
    }

    /// Has things done that are no part of the ruleset, each for itself. One that is about something
    /// that is not there counts as done.
    pub(super) fn act_each(&mut self, mut acts: Vec<Message>) -> Result<(), Failure> {
        while !acts.is_empty() {
            let rest = acts.split_off(acts.len().min(AT_ONCE));
            self.converse(std::mem::replace(&mut acts, rest), NLM_F_ACK)?;
        }
        Ok(())
    }

    /// Sends messages that each have one answer or acknowledgement.
    fn converse(
        &mut self,
        messages: Vec<Message>,
        flags: u16,
    ) -> Result<Vec<Option<Answer>>, Failure> {
        let mut request = Vec::with_capacity(512);
        let before = self.sequence;
        let mut missing = messages.len();
        let mut answers = vec![None; missing];
        for message in messages {
            message.write(self.next_sequence(), flags, &mut request);
        }
        self.send(&request)?;
        while missing > 0 {
            for received in self.receive()? {
                let at = received.sequence.wrapping_sub(before).wrapping_sub(1);
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let Some(answer) = answers.get_mut(at) else { continue };
                match received.content {
                    Content::Answer(content) => *answer = Some(content),
                    Content::Acknowledged => {}
                    Content::Refused(refusal) if refusal.errno == Errno::ENOENT => {}
                    Content::Refused(refusal) => return Err(Failure::of(Some(at), refusal)),
                    Content::Done | Content::Other => continue,
                }
                missing = missing.saturating_sub(1);
            }
        }
        Ok(answers)
    }

    /// All answers to a question about many things; none if what it is about is not there.
    pub(super) fn list(&mut self, question: &Message) -> Result<Vec<Answer>, Failure> {
        for _ in 0..DUMPS {
            match self.list_once(question.clone()) {
                Err(failure) if failure.errno == Errno::EINTR => {}
                done => return done,
            }
        }
        Err(Failure::whole(Errno::EAGAIN))
    }

    fn list_once(&mut self, question: Message) -> Result<Vec<Answer>, Failure> {
        let sequence = self.next_sequence();
        let mut request = Vec::with_capacity(128);
        question.write(sequence, NLM_F_DUMP, &mut request);
        self.send(&request)?;
        let mut answers = Vec::new();
        let mut consistent = true;
        loop {
            for received in self.receive()? {
                if received.sequence != sequence {
                    continue;
                }
                consistent &= !received.interrupted;
                match received.content {
                    Content::Answer(answer) => answers.push(answer),
                    Content::Done if consistent => return Ok(answers),
                    Content::Done => return Err(Failure::whole(Errno::EINTR)),
                    Content::Refused(refusal) if refusal.errno == Errno::ENOENT => {
                        return Ok(Vec::new());
                    }
                    Content::Refused(refusal) => return Err(Failure::of(None, refusal)),
                    Content::Acknowledged | Content::Other => {}
                }
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, request: &[u8]) -> Result<(), Failure> {
        loop {
            match self.socket.send(request, 0) {
                Ok(sent) if sent == request.len() => return Ok(()),
                Ok(_) => return Err(Failure::whole(Errno::EMSGSIZE)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Failure::whole(errno(e))),
            }
        }
    }

    /// The messages of the next datagram from the kernel.
    fn receive(&mut self) -> Result<Vec<Received>, Failure> {
        loop {
            self.received.clear();
            match self.socket.recv_from(&mut self.received, libc::MSG_TRUNC) {
                // Another process may send to our port; only the kernel's is 0.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok((length, _)) if length > self.received.len() => {
                    return Err(Failure::whole(Errno::EMSGSIZE));
                }
                Ok(_) => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Failure::whole(Errno::ETIMEDOUT));
                }
                Err(e) => return Err(Failure::whole(errno(e))),
            }
        }
        let messages: Result<_, _> = split(&self.received).collect();
        messages.map_err(|_| Failure::whole(Errno::EBADMSG))
    }
}

/// Asks for the ruleset's generation.
pub(super) fn get_generation() -> Message {
    Message {
        kind: msg::GET_GENERATION,
        flags: 0,
        family: family::UNSPEC,
        resource: 0,
        attributes: Vec::new(),
    }
}

/// The generation that an answer to [`get_generation`] names.
pub(super) fn generation(answer: Option<&Answer>) -> Result<Generation, Failure> {
    let number = answer.and_then(|a| attribute::find_number(&a.0, attr::GENERATION_ID));
    number.map(Generation).ok_or_else(|| Failure::whole(Errno::EBADMSG))
}

/// The message that opens or closes a batch.
fn bound(kind: u16, generation: Option<Generation>) -> Message {
    let attributes =
        generation.map(|g| Attribute::number(attr::BATCH_GENERATION, g.0)).into_iter().collect();
    Message { kind, flags: 0, family: family::UNSPEC, resource: uapi::SUBSYSTEM, attributes }
}

/// Which message of a batch an answer is to, by its distance from the batch's begin: `Some(None)`
/// is the begin itself, `None` no message of this batch.
fn position(distance: u32, last: usize) -> Option<Option<usize>> {
    let index = usize::try_from(distance).ok()?.checked_sub(1);
    (index <= Some(last)).then_some(index)
}

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_names_its_subsystem_and_generation() {
        let mut bytes = Vec::new();
        bound(msg::BATCH_BEGIN, Some(Generation(0x0102_0304))).write(1, 0, &mut bytes);
        let mut want = vec![28, 0, 0, 0, 16, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        want.extend([0, 0, 0, 10]);
        want.extend([8, 0, 1, 0, 1, 2, 3, 4]);
        assert_eq!(bytes, want);
    }

    #[test]
    fn answers_are_matched_by_sequence() {
        assert_eq!(position(0, 1), Some(None), "the begin");
        assert_eq!(position(1, 1), Some(Some(0)));
        assert_eq!(position(2, 1), Some(Some(1)));
        assert_eq!(position(3, 1), None, "the end");
        assert_eq!(position(0_u32.wrapping_sub(1), 1), None, "an earlier batch's");
    }
}
