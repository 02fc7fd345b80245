//! The audit: one line of JSON for each call, with what was asked of the gate and which rule decided.
//!
//! Off unless the operator's configuration names a place. The line is written once, when the call is over: a
//! process that was killed leaves none, but its journal.

mod line;
mod sink;

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cni::{CniError, Verb};
use crate::config::AuditTo;
use crate::gate::Trail;
use crate::names::Attachment;

pub use line::{Attached, Done, Failure, Line, Operation, Run};
pub use sink::SinkError;

/// The audit of one call.
#[derive(Debug)]
pub struct Audit {
    to: AuditTo,
    trail: Rc<Trail>,
    began: Instant,
    /// `TRACEPARENT` as the runtime has it (W3C Trace Context).
    traceparent: Option<String>,
}

impl Audit {
    /// Begins, with a trail that the call has to keep.
    pub fn begin(to: AuditTo, traceparent: Option<String>) -> Self {
        Self { to, trail: Rc::new(Trail::on()), began: Instant::now(), traceparent }
    }

    /// What the call keeps its steps in.
    pub fn trail(&self) -> &Rc<Trail> {
        &self.trail
    }

    /// Writes the line.
    ///
    /// # Errors
    /// When it cannot be written; the call is over by then, and stands as it is.
    pub(crate) fn end(
        &self,
        verb: Verb,
        network: &str,
        attached: Option<(&Attachment, Option<&Path>)>,
        error: Option<&CniError>,
    ) -> Result<(), SinkError> {
        let (steps, left_out) = self.trail.take();
        let line = Line {
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map(milliseconds)
                .unwrap_or_default(),
            verb: verb.as_str().to_owned(),
            network: network.to_owned(),
            attachment: attached.map(|(attachment, netns)| Attached {
                container: attachment.container_id.to_string(),
                ifname: attachment.ifname.to_string(),
                netns: netns.map(|path| path.display().to_string()),
            }),
            traceparent: self.traceparent.clone(),
            took: microseconds(self.began.elapsed()),
            failure: error.map(|error| Failure {
                code: error.code,
                msg: error.msg.to_string(),
                details: error.details.clone(),
            }),
            runs: self.trail.take_runs().into_iter().map(Run::of).collect(),
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
