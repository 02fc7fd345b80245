//! What a policy says that is no error, and surely no help: grants that nothing comes of.

use super::grant::{ArgRule, Grant, Grants, Rule};
use super::op::{Holds, IMPORTS, Need};
use super::pattern::Pattern;

/// Something in a policy that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The line of the grant.
    pub line: u32,
    /// What of it changes nothing, and why.
    pub text: String,
}

/// What of a policy changes nothing, as far as that can be known from the policy alone.
#[must_use]
pub fn doubts(grants: &Grants) -> Vec<Doubt> {
    let mut all = Vec::new();
    for (place, grant) in grants.grants.iter().enumerate() {
        let doubt = |text| Doubt { line: grant.line, text };
        // Of two that say the same, the later one is too much.
        let wider = grants.grants.iter().enumerate().find(|(other, wide)| {
            *other != place && wide.covers(grant) && (*other < place || !grant.covers(wide))
        });
        if let Some((_, wide)) = wider {
            all.push(doubt(format!(
                "grant of {} adds nothing to that of line {}, which allows all of it",
                grant.op(),
                wide.line
            )));
            continue;
        }
        for rule in &grant.rules {
            let holds = grant.kind.key(rule.key).map(|key| key.holds);
            if holds.is_some_and(|holds| rule.pattern.has_spare_item(holds)) {
                let text = grant.written(&rule.span);
                all.push(doubt(format!(
                    "{} = {text} says more than once what one of it says",
                    rule.key
                )));
            }
        }
        if free_on_own(grant.op()) && grant.rules.iter().any(is_own) {
            all.push(doubt(format!(
                "grant of {} is never asked for: a link that the attachment made needs none",
                grant.op()
            )));
        }
    }
    all
}

/// Whether an act needs no grant on a link that the attachment made.
fn free_on_own(op: &str) -> bool {
    let with = |ops: &[&str]| matches!(ops, [first, "link.create" | "addr.add"] if *first == op);
    IMPORTS.iter().any(|(_, _, ops)| with(ops))
}

fn is_own(rule: &Rule) -> bool {
    rule.key == "name"
        && matches!(&rule.pattern, Pattern::Text(any) if any.iter().all(|p| p.is_own()))
}

impl Grant {
    /// Whether it allows, in each call, all that another one allows. In doubt it does not.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.kind == other.kind
            && (self.netns.is_none() || self.netns == other.netns)
            && self.covers_networks(other)
            && self.args.iter().all(|arg| other.args.iter().any(|narrow| arg.covers(narrow)))
            && self.kind.keys.iter().all(|key| {
                let of = |grant: &'_ Self| {
                    grant.rules.iter().find(|rule| rule.key == key.name).map(|r| r.pattern.clone())
                };
                match (of(self), of(other), key.need) {
                    (Some(wide), Some(narrow), _) => wide.covers(&narrow, key.holds),
                    (None, None, _) | (Some(_), None, Need::IfAsked(_)) => true,
                    (Some(wide), None, Need::Else(number)) => wide.is_for_number(number),
                    (Some(_), None, Need::Always | Need::OfKinds(_)) | (None, Some(_), _) => false,
                }
            })
    }

    fn covers_networks(&self, other: &Self) -> bool {
        match (&self.networks, &other.networks) {
            (None, _) => true,
            (Some(wide), Some(narrow)) => wide.pattern.covers(&narrow.pattern, Holds::Text),
            (Some(_), None) => false,
        }
    }
}

impl ArgRule {
    fn covers(&self, other: &Self) -> bool {
        let covered = |narrow| self.any.iter().any(|wide| wide.covers(narrow, Holds::Text));
        self.name == other.name && other.any.iter().all(covered)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn of(grants: &str) -> Vec<(u32, String)> {
        let text = format!("component = \"bundled\"\n{grants}");
        let all = doubts(&parse(&text, "policy.toml").unwrap());
        all.into_iter().map(|doubt| (doubt.line, doubt.text)).collect()
    }

    #[test]
    fn a_grant_within_another_adds_nothing() {
        let wide = "[[grant]]\nop = \"link.read\"\nnetns = \"*\"\nname = \"veth*\"\n";
        let narrow = "[[grant]]\nop = \"link.read\"\nnetns = \"host\"\nname = \"veth0\"\n";
        let text = |line| {
            format!(
                "grant of link.read adds nothing to that of line {line}, which allows all of it"
            )
        };
        assert_eq!(of(&format!("{wide}{narrow}")), [(6, text(2))]);
        assert_eq!(of(&format!("{narrow}{wide}")), [(2, text(6))]);
        let elsewhere = narrow.replace("veth0", "eth0");
        assert!(of(&format!("{wide}{elsewhere}")).is_empty());
        let scoped = wide.replace("\"veth*\"", "\"veth*\"\nnetworks = \"a\"");
        assert!(of(&format!("{scoped}{narrow}")).is_empty());
        let scoped = wide.replace("\"veth*\"", "\"veth*\"\nargs.A = \"a\"");
        assert!(of(&format!("{scoped}{narrow}")).is_empty());
        assert_eq!(
            of(&format!("{wide}{}", narrow.replace("veth0\"", "veth0\"\nargs.A = \"a\""))).len(),
            1
        );
    }

    #[test]
    fn what_is_left_out_covers_what_it_means() {
        let route = "[[grant]]\nop = \"route.add\"\nnetns = \"host\"\nname = \"a\"\nto = \"any\"\n";
        let table = |table: &str| format!("{route}table = {table}\n");
        assert_eq!(of(&format!("{}{route}", table("\"1-300\""))).len(), 1, "254 is within");
        assert!(of(&format!("{}{route}", table("7"))).is_empty());
        assert!(of(&format!("{route}{}", table("7"))).is_empty());
        assert_eq!(
            of(&format!("{route}via = \"any\"\n{route}")).len(),
            1,
            "without a gateway, too"
        );
    }

    #[test]
    fn own_links_need_no_grant() {
        let own = "[[grant]]\nop = \"link.set-up\"\nnetns = \"host\"\nname = \"@own\"\n";
        assert_eq!(of(own).len(), 1);
        assert!(of(&own.replace("@own", "a")).is_empty());
        assert!(of(&own.replace("set-up", "read")).is_empty(), "looking for it by name does");
        assert!(
            of(&own
                .replace("link.set-up", "addr.add")
                .replace("\"@own\"", "\"@own\"\nwithin = \"any\""))
            .is_empty()
        );
    }

    #[test]
    fn a_list_says_each_thing_once() {
        let list = |names: &str| {
            format!("[[grant]]\nop = \"link.read\"\nnetns = \"host\"\nname = {names}\n")
        };
        let text = r#"name = ["veth*", "veth0"] says more than once what one of it says"#;
        assert_eq!(of(&list(r#"["veth*", "veth0"]"#)), [(2, text.to_owned())]);
        assert!(of(&list(r#"["veth*", "eth0"]"#)).is_empty());
    }
}
