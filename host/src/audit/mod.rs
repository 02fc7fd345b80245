//! The audit: one line of JSON for each call, with what was asked of the gate and which rule decided.
//!
//! Off unless the operator's configuration names a place. The line is written once, when the call is over: a
//! process that was killed leaves none, but its journal.

mod line;
mod sink;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cni::{CniError, Verb};
use crate::config::AuditTo;
use crate::gate::Trail;

pub use line::{Attached, Done, Failure, Line, Operation, Run};
pub use sink::SinkError;

/// What a call is about.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) verb: Verb,
    pub(crate) network: String,
    pub(crate) attachment: Option<Attached>,
}

/// The audit of one call.
#[derive(Debug)]
pub struct Audit {
    to: AuditTo,
    began: Instant,
    /// `TRACEPARENT` as the runtime has it (W3C Trace Context).
    traceparent: Option<String>,
}

impl Audit {
    /// Begins. The call has to keep a trail.
    pub fn begin(to: AuditTo, traceparent: Option<String>) -> Self {
        Self { to, began: Instant::now(), traceparent }
    }

    /// Writes the line, with what the trail kept.
    ///
    /// # Errors
    /// When it cannot be written; the call is over by then, and stands as it is.
    pub(crate) fn end(
        &self,
        subject: Subject,
        trail: &Trail,
        error: Option<&CniError>,
    ) -> Result<(), SinkError> {
        let (steps, left_out) = trail.take();
        let line = Line {
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map(milliseconds)
                .unwrap_or_default(),
            verb: subject.verb.as_str().to_owned(),
            network: subject.network,
            attachment: subject.attachment,
            traceparent: self.traceparent.clone(),
            took: microseconds(self.began.elapsed()),
            failure: error.map(|error| Failure {
                code: error.code,
                msg: error.msg.to_string(),
                details: error.details.clone(),
            }),
            runs: trail.take_runs().into_iter().map(Run::of).collect(),
            operations: steps.iter().map(Operation::of).collect(),
            left_out,
        };
        self.to.write(&line)
    }
}

fn milliseconds(since: Duration) -> u64 {
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
