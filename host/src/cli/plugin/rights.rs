//! The rights that a plugin asks for, and how two sets of them differ.

use crate::component::store::Digest;
use crate::policy::{self, Grants, Limits, OpKind, Unserved, ops_of};

use super::super::compiler::Description;

/// What a manifest has in the place of a digest, which it cannot know.
const THIS: &str = "component = \"this\"";

/// A manifest as the grant file of the component of this digest; `None`: it does not say that it is one.
pub(in super::super) fn grant_file(manifest: &str, digest: Digest) -> Option<String> {
    manifest
        .contains(THIS)
        .then(|| manifest.replacen(THIS, &format!("component = \"sha256:{digest}\""), 1))
}

/// Each grant on one line: `link.create in container: kind = "dummy" name = "@ifname"`.
pub(super) fn lines(grants: &Grants) -> Vec<String> {
    grants.all().iter().map(line).collect()
}

fn line(grant: &policy::Grant) -> String {
    let place = match (OpKind::find(grant.op()).is_some_and(|op| op.in_netns), grant.netns()) {
        (false, _) => String::new(),
        (true, Some(role)) => format!(" in {}", role.word()),
        (true, None) => " in either netns".to_owned(),
    };
    let said = grant.text().lines().map(str::trim);
    let said: Vec<&str> = said
        .filter(|line| !line.starts_with('#') && !line.starts_with("[[grant]]"))
        .filter(|line| !is_of(line, "op") && !is_of(line, "netns"))
        .flat_map(str::split_whitespace)
        .collect();
    match said.is_empty() {
        true => format!("{}{place}", grant.op()),
        false => format!("{}{place}: {}", grant.op(), said.join(" ")),
    }
}

fn is_of(line: &str, key: &str) -> bool {
    line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
}

/// What a component wants to call and no grant is for: it would be refused whenever it starts.
pub(super) fn missing(component: &Description, grants: &Grants) -> Vec<String> {
    let mut missing = Vec::new();
    for (interface, function) in component.functions() {
        if let Err(Unserved::NotGranted(ops)) = grants.serves(interface, function) {
            missing.push(format!("{interface}#{function} needs a grant for {}", ops.join(" or ")));
        }
    }
    missing
}

/// What a component wants and this host does not offer.
pub(super) fn unknown(component: &Description) -> Vec<String> {
    let functions = component
        .functions()
        .filter(|(interface, function)| ops_of(interface, function).is_none())
        .map(|(interface, function)| format!("{interface}#{function}"));
    component.others.iter().cloned().chain(functions).collect()
}

/// How the rights of one grant file differ from another's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Grants that only the new one has, and limits that it raises.
    pub(super) more: Vec<String>,
    /// Grants that only the old one has, and limits that the new one lowers.
    pub(super) less: Vec<String>,
}

/// How `asked` differs from `held`. Grants that say the same in other words count as different ones.
pub(super) fn difference(held: &Grants, asked: &Grants) -> Difference {
    let (old, new) = (lines(held), lines(asked));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    let mut difference = Difference { more: only(&new, &old), less: only(&old, &new) };
    for (key, held, asked) in limits(held.limits(), asked.limits()) {
        let line = format!("limit {key}: {held} before, {asked} now");
        match asked.cmp(&held) {
            std::cmp::Ordering::Greater => difference.more.push(line),
            std::cmp::Ordering::Less => difference.less.push(line),
            std::cmp::Ordering::Equal => {}
        }
    }
    difference
}

/// Each limit of both, in octets, milliseconds or as a count.
fn limits(held: &Limits, asked: &Limits) -> [(&'static str, u128, u128); 6] {
    let all = |l: &Limits| {
        [
            u128::from(l.memory_bytes),
            l.table_elements.into(),
            l.deadline.as_millis(),
            l.host_calls.into(),
            l.output_bytes.into(),
            l.log_bytes.into(),
        ]
    };
    let [memory, table, deadline, calls, output, log] = all(held);
    let [memory2, table2, deadline2, calls2, output2, log2] = all(asked);
    [
        ("memory (octets)", memory, memory2),
        ("table-elements", table, table2),
        ("deadline (ms)", deadline, deadline2),
        ("host-calls", calls, calls2),
        ("output (octets)", output, output2),
        ("log (octets)", log, log2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"component = "this"
[limits]
memory = "1MiB"
[[grant]] # the container
op = "netns.enter"
netns = "container"
[[grant]]
op = "sysctl.write"
netns = "host"
key = [
    "net/ipv4/ip_forward",
]
value = "1"
"#;

    fn grants(manifest: &str) -> Grants {
        let text = grant_file(manifest, Digest([0xab; 32])).unwrap();
        policy::parse(&text, "test").unwrap()
    }

    #[test]
    fn a_manifest_becomes_the_grant_file_of_its_component() {
        let text = grant_file(OLD, Digest([0xab; 32])).unwrap();
        assert!(text.starts_with(&format!("component = \"sha256:{}\"", "ab".repeat(32))));
        assert_eq!(grant_file("component = \"bundled\"", Digest([0; 32])), None);
    }

    #[test]
    fn a_grant_is_a_line() {
        assert_eq!(
            lines(&grants(OLD)),
            [
                "netns.enter in container",
                "sysctl.write in host: key = [ \"net/ipv4/ip_forward\", ] value = \"1\""
            ]
        );
    }

    #[test]
    fn more_and_less_are_told_apart() {
        let new = OLD.replace("1MiB", "2MiB").replace("ip_forward", "tcp_ecn");
        let difference = difference(&grants(OLD), &grants(&new));
        assert_eq!(difference.more.len(), 2, "{difference:?}");
        assert!(difference.more.iter().any(|line| line.contains("tcp_ecn")));
        assert!(difference.more.iter().any(|line| line.contains("1048576 before, 2097152 now")));
        assert_eq!(difference.less.len(), 1, "{difference:?}");
        assert_eq!(super::difference(&grants(OLD), &grants(OLD)), Difference::default());
    }
}
