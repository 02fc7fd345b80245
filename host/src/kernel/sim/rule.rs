//! Rules of policy routing. Lookups here name no source address, so that no rule of a source matters to
//! them: what the model keeps is which rules there are.

use ipnet::IpNet;

use super::super::{Errno, Rule, RuleSpec};
use super::route::{TABLE_DEFAULT, TABLE_LOCAL, TABLE_MAIN};
use super::state::{Answer, NetnsKey, Node};

/// The rules that a namespace begins with. (`fib_default_rules_init`, `fib6_rules_net_init`)
pub(super) fn of_new_netns() -> Vec<Rule> {
    let (v4, v6) = (IpNet::V4(Default::default()), IpNet::V6(Default::default()));
    let rule = |source, priority, table| Rule { source, table, priority, only_source: true };
    vec![
        rule(v4, 0, TABLE_LOCAL),
        rule(v4, 32_766, TABLE_MAIN),
        rule(v4, 32_767, TABLE_DEFAULT),
        rule(v6, 0, TABLE_LOCAL),
        rule(v6, 32_766, TABLE_MAIN),
    ]
}

fn is_v4(net: &IpNet) -> bool {
    net.addr().is_ipv4()
}

impl Node {
    pub(super) fn rule_add(&mut self, netns: NetnsKey, spec: &RuleSpec) -> Answer<()> {
        let source = spec.source.trunc();
        let rules = &mut self.ns_mut(netns)?.rules;
        if spec.table == 0 {
            return Err(Errno::EINVAL);
        }
        // `fib_default_rule_pref`: right before the second.
        let family = rules.iter().filter(|rule| is_v4(&rule.source) == is_v4(&source));
        let priority = family.map(|rule| rule.priority).nth(1).map_or(0, |p| p.saturating_sub(1));
        let rule = Rule { source, table: spec.table, priority, only_source: true };
        // IPv4 before IPv6, each by priority, the younger behind its equals.
        let key = |rule: &Rule| (!is_v4(&rule.source), rule.priority);
        let at = rules.iter().position(|other| key(other) > key(&rule));
        rules.insert(at.unwrap_or(rules.len()), rule);
        Ok(())
    }

    pub(super) fn rule_delete(&mut self, netns: NetnsKey, spec: &RuleSpec) -> Answer<()> {
        let source = spec.source.trunc();
        let rules = &mut self.ns_mut(netns)?.rules;
        let found = rules.iter().position(|r| r.source == source && r.table == spec.table);
        rules.remove(found.ok_or(Errno::ENOENT)?);
        Ok(())
    }

    pub(super) fn rules(&self, netns: NetnsKey) -> Answer<Vec<Rule>> {
        Ok(self.ns(netns)?.rules.clone())
    }
}
