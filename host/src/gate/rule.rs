//! Rules of policy routing, and the lock of those who choose what only one may have.

use super::{Gate, Refusal, Result};
use crate::journal::{Sharing, Undo};
use crate::kernel::{Role, Rule, RuleSpec};
use crate::policy::Op;

impl Gate {
    /// Adds a rule; always by grant: it decides where an address's packets go.
    pub fn add_rule(&mut self, role: Role, rule: RuleSpec) -> Result<()> {
        self.permit(&named("rule.add", role, rule))?;
        of_some_source(rule)?;
        let undo = Undo::Rule { at: self.place(role)?, rule };
        self.act([(undo, Sharing::Own)], |kernel| kernel.rule_add(role, &rule))
    }

    /// Deletes a rule; one's own freely.
    pub fn delete_rule(&mut self, role: Role, rule: RuleSpec) -> Result<()> {
        of_some_source(rule)?;
        let own = Undo::Rule { at: self.place(role)?, rule };
        let is_own = self.journaled(|undo| (*undo == own).then_some(())).unwrap_or_default();
        if is_own.is_empty() {
            self.permit(&named("rule.delete", role, rule))?;
        }
        let undo = Undo::DeletedRule { at: self.place(role)?, rule };
        self.act([(undo, Sharing::Own)], |kernel| kernel.rule_delete(role, &rule))
    }

    /// All rules of a namespace.
    pub fn rules(&mut self, role: Role) -> Result<Vec<Rule>> {
        self.permit(&Op::new("rule.read").in_netns(role))?;
        Ok(self.kernel().rules(role)?)
    }

    /// Keeps others who lock the namespace from going on until this call ends.
    pub fn lock_netns(&mut self, role: Role) -> Result<()> {
        self.permit(&Op::new("netns.lock").in_netns(role))?;
        // The guest is to hear of it before its deadline.
        let patience = self.call.time_left() * 9 / 10;
        Ok(self.kernel().netns_lock(role, patience)?)
    }
}

/// Of those from every address the first of a table is the kernel's own, and would be the one that is deleted.
fn of_some_source(rule: RuleSpec) -> Result<()> {
    match rule.source.prefix_len() {
        0 => Err(Refusal::Invalid(format!("a rule from {}: name a source", rule.source))),
        _ => Ok(()),
    }
}

fn named(op: &'static str, role: Role, rule: RuleSpec) -> Op {
    Op::new(op).in_netns(role).net("from", rule.source).number("table", rule.table)
}
