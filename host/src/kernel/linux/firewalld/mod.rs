//! firewalld, asked by D-Bus. Its runtime zones alone are touched, and it is never started.
//! (<https://firewalld.org/documentation/man-pages/firewalld.dbus.html>)

mod address;
mod bus;
mod message;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::socket::Refusal;
use crate::kernel::ZoneSource;
use bus::{Answer, Bus};
use message::Call;

pub use address::BusAddress;

const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const ZONES: &str = "org.fedoraproject.FirewallD1.zone";

/// How long one that was late is waited for again: of an attachment with many addresses, DEL shall end.
const SECOND_PATIENCE: Duration = Duration::from_secs(1);

/// Characters of somebody else's sentence that are passed on.
const MAX_WORDS: usize = 300;

type Result<T> = std::result::Result<T, Refusal>;

/// The one firewalld of the node, and the way to it.
#[derive(Debug)]
pub(super) struct Firewalld {
    address: BusAddress,
    connection: Option<Connection>,
    /// Somebody waited for it in vain.
    was_late: bool,
}

/// To the process that had firewalld's name when it was opened.
#[derive(Debug)]
struct Connection {
    bus: Bus,
    owner: String,
}

impl Firewalld {
    /// Opens nothing yet.
    pub(super) fn on_bus(address: BusAddress) -> Self {
        Self { address, connection: None, was_late: false }
    }

    pub(super) fn runs(&mut self, patience: Duration) -> Result<bool> {
        let connection = self.in_time(patience, Self::connected)?;
        let runs = connection.is_some();
        self.connection = connection;
        Ok(runs)
    }

    pub(super) fn zone_of(
        &mut self,
        address: IpAddr,
        patience: Duration,
    ) -> Result<Option<String>> {
        match self.call("getZoneOfSource", &[&source(address)], patience)? {
            Answer::Text(zone) => Ok(Some(zone).filter(|zone| !zone.is_empty())),
            Answer::Error { name, text } => Err(refusal(&name, &text)),
        }
    }

    pub(super) fn add(&mut self, wanted: &ZoneSource, patience: Duration) -> Result<()> {
        let arguments = [wanted.zone.as_str(), &source(wanted.address)];
        match self.call("addSource", &arguments, patience)? {
            Answer::Text(_) => Ok(()),
            Answer::Error { name, text } => Err(refusal(&name, &text)),
        }
    }

    pub(super) fn remove(&mut self, known: &ZoneSource, patience: Duration) -> Result<()> {
        let arguments = [known.zone.as_str(), &source(known.address)];
        match self.call("removeSource", &arguments, patience) {
            Ok(Answer::Text(_)) => Ok(()),
            Ok(Answer::Error { name, text }) => match code(&name, &text) {
                // In no zone, in another one, or the zone is gone.
                Some("UNKNOWN_SOURCE" | "ZONE_CONFLICT" | "INVALID_ZONE") => Ok(()),
                _ => gone_with_it(Err(refusal(&name, &text))),
            },
            Err(e) => gone_with_it(Err(e)),
        }
    }

    fn call(&mut self, member: &str, arguments: &[&str], patience: Duration) -> Result<Answer> {
        self.in_time(patience, |this, deadline| this.call_until(member, arguments, deadline))
    }

    fn in_time<T>(
        &mut self,
        patience: Duration,
        act: impl FnOnce(&mut Self, Instant) -> Result<T>,
    ) -> Result<T> {
        let patience = if self.was_late { patience.min(SECOND_PATIENCE) } else { patience };
        let done = act(self, Instant::now() + patience);
        if let Err(e) = &done {
            self.was_late |= e.errno == Errno::ETIMEDOUT;
        }
        done
    }

    /// A connection that has failed is not used again: what comes on it next is not known.
    fn call_until(
        &mut self,
        member: &str,
        arguments: &[&str],
        deadline: Instant,
    ) -> Result<Answer> {
        let Some(mut connection) = self.connected(deadline)? else {
            return Err(Refusal::because(Errno::EOPNOTSUPP, "firewalld is not running"));
        };
        let Connection { bus, owner } = &mut connection;
        let call = Call { destination: owner, path: PATH, interface: ZONES, member, arguments };
        let answer = bus.call(&call)?;
        match &answer {
            Answer::Error { name, .. } if is_absence(name) => {}
            Answer::Error { .. } | Answer::Text(_) => self.connection = Some(connection),
        }
        Ok(answer)
    }

    fn connected(&mut self, deadline: Instant) -> Result<Option<Connection>> {
        if let Some(mut connection) = self.connection.take() {
            connection.bus.until(deadline);
            return Ok(Some(connection));
        }
        let Some(mut bus) = Bus::open(&self.address, deadline)? else { return Ok(None) };
        match bus.call_bus("GetNameOwner", &[NAME])? {
            Answer::Text(owner) => Ok(Some(Connection { bus, owner })),
            Answer::Error { name, .. } if is_absence(&name) => Ok(None),
            Answer::Error { name, text } => Err(refusal(&name, &text)),
        }
    }
}

/// As firewalld has an address in a zone: with its prefix length, which it does not add by itself.
fn source(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("{v4}/32"),
        IpAddr::V6(v6) => format!("{v6}/128"),
    }
}

/// What is not running has nothing in its zones.
fn gone_with_it(done: Result<()>) -> Result<()> {
    match done {
        Err(e) if e.errno == Errno::EOPNOTSUPP => Ok(()),
        other => other,
    }
}

/// Errors of the bus for a name that nobody has.
fn is_absence(error: &str) -> bool {
    let error = error.strip_prefix("org.freedesktop.DBus.Error.");
    matches!(error, Some("NameHasNoOwner" | "ServiceUnknown"))
}

/// firewalld's errors have one name; which of them it is the text says: `INVALID_ZONE: dmz2`.
fn code<'a>(name: &str, text: &'a str) -> Option<&'a str> {
    let own = name == "org.fedoraproject.FirewallD1.Exception";
    text.split(':').next().filter(|_| own)
}

fn refusal(name: &str, text: &str) -> Refusal {
    let errno = match code(name, text) {
        Some("INVALID_ZONE") => Errno::ENOENT,
        Some("ZONE_ALREADY_SET" | "ZONE_CONFLICT") => Errno::EEXIST,
        Some(_) => Errno::EIO,
        None if is_absence(name) => Errno::EOPNOTSUPP,
        None if name.ends_with(".AccessDenied") || name.contains("NotAuthorized") => Errno::EACCES,
        None => Errno::EIO,
    };
    let words: String = text.chars().take(MAX_WORDS).collect();
    Refusal::because(errno, format!("{name}: {}", words.escape_debug()))
}
