//! What the plugins of a call asked of the gate, in order, and what became of it: for audits and plans.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

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
    /// For each value what else of a policy means it; empty unless the trail is for learning.
    pub tokens: Vec<(&'static str, Vec<String>)>,
}

/// The steps of a call.
#[derive(Debug, Default)]
pub struct Trail {
    /// `None`: nobody wants to know.
    steps: RefCell<Option<Kept>>,
}

/// A plugin that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The plugin.
    pub plugin: String,
    /// `bundled`, `sha256:…`, or `native`.
    pub component: String,
    /// How long it took, its delegates included.
    pub took: Duration,
    /// Whether it succeeded.
    pub done: bool,
}

#[derive(Debug, Default)]
struct Kept {
    steps: Vec<Step>,
    left_out: usize,
    runs: Vec<Ran>,
    learning: bool,
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

    /// A trail that keeps of each step what else of a policy means its values.
    pub fn learning() -> Self {
        Self { steps: RefCell::new(Some(Kept { learning: true, ..Kept::default() })) }
    }

    /// Whether it is one.
    pub(super) fn learns(&self) -> bool {
        self.steps.borrow().as_ref().is_some_and(|kept| kept.learning)
    }

    /// What else of a policy means the values of the step that was kept last.
    pub(super) fn meant(&self, tokens: Vec<(&'static str, Vec<String>)>) {
        let mut kept = self.steps.borrow_mut();
        // Of a step that was left out, nothing is kept.
        let kept = kept.as_mut().filter(|kept| kept.left_out == 0);
        if let Some(step) = kept.and_then(|kept| kept.steps.last_mut()) {
            step.tokens = tokens;
        }
    }

    /// The steps that were kept so far, with the number of those that were too many.
    pub fn steps(&self) -> (Vec<Step>, usize) {
        let kept = self.steps.borrow();
        kept.as_ref().map(|kept| (kept.steps.clone(), kept.left_out)).unwrap_or_default()
    }

    /// The plugins that were run so far, in the order in which they ended.
    pub fn runs(&self) -> Vec<Ran> {
        self.steps.borrow().as_ref().map(|kept| kept.runs.clone()).unwrap_or_default()
    }

    /// Takes the steps that were kept so far, with the number of those that were too many.
    pub fn take(&self) -> (Vec<Step>, usize) {
        let mut kept = self.steps.borrow_mut();
        let Some(kept) = kept.as_mut() else { return (Vec::new(), 0) };
        (std::mem::take(&mut kept.steps), std::mem::take(&mut kept.left_out))
    }

    /// Takes the plugins that were run so far, in the order in which they ended.
    pub fn take_runs(&self) -> Vec<Ran> {
        let mut kept = self.steps.borrow_mut();
        kept.as_mut().map(|kept| std::mem::take(&mut kept.runs)).unwrap_or_default()
    }

    /// A plugin was run.
    pub(crate) fn ran(&self, ran: impl FnOnce() -> Ran) {
        if let Some(kept) = self.steps.borrow_mut().as_mut() {
            kept.runs.push(ran());
        }
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
        let tokens = Vec::new();
        kept.steps.push(Step { plugin, op, verdict: verdict(), failure: None, tokens });
    }
}
