//! Delegates: a bundled plugin as a second component of this process, anything else as the native
//! program that CNI knows, if the operator allows it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::guest::Runner;
use super::{Job, native};
use crate::cni::{CniError, CniResult, Verb};
use crate::gate::Ran;
use crate::hostcalls::Delegates;
use crate::journal::{Sharing, Undo};
use crate::names::PluginName;

/// What one plugin of a call delegates: with its own configuration unless it renders another one,
/// which is then its delegates' own.
pub(super) struct Delegating {
    pub(super) runner: Rc<Runner>,
    /// The call as the plugin has it.
    pub(super) job: Rc<Job>,
}

impl Delegates for Delegating {
    fn run(
        &self,
        verb: Verb,
        plugin: &PluginName,
        configuration: Option<&str>,
    ) -> Result<Option<CniResult>, CniError> {
        let job = match configuration {
            None => self.job.clone(),
            Some(text) => {
                let conf = self.job.conf.for_delegate(plugin, text, verb)?;
                Rc::new(Job { conf, ..(*self.job).clone() })
            }
        };
        match self.runner.plugin(plugin) {
            Some(bundled) => self.runner.run_verb(&bundled, verb, &job),
            None => self.runner.run_native(verb, plugin, &job),
        }
    }
}

impl Runner {
    fn run_native(
        &self,
        verb: Verb,
        plugin: &PluginName,
        job: &Rc<Job>,
    ) -> Result<Option<CniResult>, CniError> {
        let program = native::find(&self.world.directories, job, plugin)?;
        if verb == Verb::Add
            && let Some(journal) = self.call().journal().as_mut()
        {
            let rendered = !Rc::ptr_eq(job, self.job());
            let configuration = rendered.then(|| job.conf.text().to_owned());
            let undo = Undo::Native { plugin: plugin.clone(), configuration };
            journal.will(undo, Sharing::Own).map_err(|e| super::journal_error(&e))?;
        }
        let patience = self.call().time_left().max(Duration::from_millis(1));
        let began = Instant::now();
        let done = native::execute(&program, &self.world.environment, job, verb, patience);
        self.call().trail.ran(|| Ran {
            plugin: plugin.to_string(),
            component: "native".to_owned(),
            took: began.elapsed(),
            done: done.is_ok(),
        });
        let done = done?;
        if verb == Verb::Del
            && let Some(journal) = self.call().journal().as_mut()
        {
            journal.removed(|record| {
                matches!(&record.undo, Undo::Native { plugin: other, .. } if other == plugin)
            });
        }
        Ok(done)
    }
}
