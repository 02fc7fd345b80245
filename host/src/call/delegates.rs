//! Delegates: a bundled plugin as a second component of this process, anything else as the native
//! program that CNI knows, if the operator allows it.

use std::time::Duration;

use super::guest::Runner;
use super::native;
use crate::cni::{CniError, CniResult, Verb};
use crate::hostcalls::Delegates;
use crate::journal::{Sharing, Undo};
use crate::names::PluginName;

impl Delegates for Runner {
    fn run(&self, verb: Verb, plugin: &PluginName) -> Result<Option<CniResult>, CniError> {
        match self.plugin(plugin) {
            Some(bundled) => self.run_verb(&bundled, verb),
            None => self.run_native(verb, plugin),
        }
    }
}

impl Runner {
    fn run_native(&self, verb: Verb, plugin: &PluginName) -> Result<Option<CniResult>, CniError> {
        let program = native::find(&self.world.directories, self.job(), plugin)?;
        if verb == Verb::Add
            && let Some(journal) = self.call().journal().as_mut()
        {
            let undo = Undo::Native { plugin: plugin.clone() };
            journal.will(undo, Sharing::Own).map_err(|e| super::journal_error(&e))?;
        }
        let patience = self.call().time_left().max(Duration::from_millis(1));
        let done = native::execute(&program, &self.world.environment, self.job(), verb, patience)?;
        if verb == Verb::Del
            && let Some(journal) = self.call().journal().as_mut()
        {
            journal.removed(|record| record.undo == Undo::Native { plugin: plugin.clone() });
        }
        Ok(done)
    }
}
