//! `wasmcni:net/rule`.

use wasmtime::component::Resource;

use super::{Answer, Ctx, Netns, convert};
use crate::bindings::wasmcni::net::rule::{Host, RuleInfo, RuleSpec};
use crate::gate::Refusal;
use crate::kernel;

impl Host for Ctx {
    fn add(&mut self, netns: Resource<Netns>, rule: RuleSpec) -> Answer<()> {
        let role = self.get(&netns)?.role;
        Ok(self.counted()?.add_rule(role, spec(rule)?)?)
    }

    fn delete(&mut self, netns: Resource<Netns>, rule: RuleSpec) -> Answer<()> {
        let role = self.get(&netns)?.role;
        Ok(self.counted()?.delete_rule(role, spec(rule)?)?)
    }

    fn rules(&mut self, netns: Resource<Netns>) -> Answer<Vec<RuleInfo>> {
        let role = self.get(&netns)?.role;
        let rules = self.counted()?.rules(role)?;
        let info = |rule: kernel::Rule| RuleInfo {
            source: convert::ip_network(rule.source),
            table: rule.table,
            only_source: rule.only_source,
        };
        Ok(rules.into_iter().map(info).collect())
    }
}

fn spec(rule: RuleSpec) -> Result<kernel::RuleSpec, Refusal> {
    Ok(kernel::RuleSpec { source: convert::network(rule.source)?, table: rule.table })
}
