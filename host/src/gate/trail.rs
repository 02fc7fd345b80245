//! What the plugins of a call asked of the gate, in order, and what became of it: for audits and plans.

use std::cell::RefCell;
use std::rc::Rc;

use super::Refusal;
use crate::policy::{Grant, Grants, Op};

/// Steps that are kept. A guest's host calls are bounded, but an operator may bound them loosely.
const MAX_STEPS: usize = 10_000;

/// Why a step was allowed, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// By the grant of this file and line.
    Granted {
        /// The policy file.
        file: Rc<str>,
        /// The grant's line in it.
        line: u32,
    },
    /// What the attachment made it may change.
    Own,
    /// No grant allows it: the sentence that the operator gets.
    Refused(String),
}

/// One thing that a plugin asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The plugin.
    pub plugin: String,
    /// What it asked for.
    pub op: Op,
    /// Whether it was allowed to.
    pub verdict: Verdict,
    /// Why it was not done although it was allowed: the kernel's answer, or another.
    pub failure: Option<String>,
}

/// The steps of a call.
#[derive(Debug, Default)]
pub struct Trail {
    /// `None`: nobody wants to know.
    steps: RefCell<Option<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    steps: Vec<Step>,
    left_out: usize,
}

impl Trail {
    /// A trail that keeps nothing, and so costs nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// A trail that keeps what is asked.
    pub fn on() -> Self {
        Self { steps: RefCell::new(Some(Kept::default())) }
    }

    /// Takes what was kept so far, with the number of steps that were too many to be kept.
    pub fn take(&self) -> (Vec<Step>, usize) {
        let kept = self.steps.borrow_mut().as_mut().map(std::mem::take).unwrap_or_default();
        (kept.steps, kept.left_out)
    }

    pub(super) fn granted(&self, plugin: &str, op: &Op, grants: &Grants, grant: &Grant) {
        self.push(plugin, op, || Verdict::Granted {
            file: grants.source().into(),
            line: grant.line(),
        });
    }

    pub(super) fn own(&self, plugin: &str, op: &Op) {
        self.push(plugin, op, || Verdict::Own);
    }

    pub(super) fn refused(&self, plugin: &str, op: &Op, denied: &dyn std::fmt::Display) {
        self.push(plugin, op, || Verdict::Refused(denied.to_string()));
    }

    /// What was allowed last, and was not done.
    pub(super) fn failed(&self, plugin: &str, refusal: &Refusal) {
        let mut kept = self.steps.borrow_mut();
        let last = kept.as_mut().and_then(|kept| kept.steps.last_mut());
        if let Some(step) = last.filter(|step| step.plugin == plugin)
            && !matches!(refusal, Refusal::Denied(_))
        {
            step.failure.get_or_insert_with(|| refusal.to_string());
        }
    }

    fn push(&self, plugin: &str, op: &Op, verdict: impl FnOnce() -> Verdict) {
        let mut kept = self.steps.borrow_mut();
        let Some(kept) = kept.as_mut() else { return };
        if kept.steps.len() >= MAX_STEPS {
            kept.left_out = kept.left_out.saturating_add(1);
            return;
        }
        let (plugin, op) = (plugin.to_owned(), op.clone());
        kept.steps.push(Step { plugin, op, verdict: verdict(), failure: None });
    }
}
