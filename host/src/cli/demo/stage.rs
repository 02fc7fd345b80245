//! What the demo tells, step by step.

use std::fmt::Display;
use std::io::Write;

use super::super::failure::Failure;
use super::super::say;

/// Where it is told, and which step is under way.
pub(super) struct Stage<'a> {
    out: &'a mut dyn Write,
    number: u32,
    title: &'static str,
}

impl<'a> Stage<'a> {
    /// Before the first step.
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, number: 0, title: "" }
    }

    /// Begins a step: what it does, and why.
    pub(super) fn step(&mut self, title: &'static str, why: &str) -> Result<(), Failure> {
        self.number += 1;
        self.title = title;
        let number = self.number;
        self.plain(format_args!("\n{number}. {title}"))?;
        self.block(why, 3)
    }

    /// The step under way, as a failure names it.
    pub(super) fn at(&self) -> String {
        format!("step {} ({})", self.number, self.title)
    }

    /// A text of one or more lines, set off from what is said of it.
    pub(super) fn show(&mut self, text: impl Display) -> Result<(), Failure> {
        self.block(&text.to_string(), 6)
    }

    /// A line of explanation.
    pub(super) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        self.block(&text.to_string(), 3)
    }

    /// A text as it stands.
    pub(super) fn plain(&mut self, text: impl Display) -> Result<(), Failure> {
        say(self.out, text)
    }

    fn block(&mut self, text: &str, indent: usize) -> Result<(), Failure> {
        for line in text.lines() {
            say(self.out, format_args!("{:indent$}{line}", ""))?;
        }
        Ok(())
    }
}
