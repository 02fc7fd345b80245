//! The demo's networks, and the grants under which one of them is refused.

use super::super::failure::{Doing, Failure};
use crate::cni::NetworkList;
use crate::component::Bundled;
use crate::policy;

/// A network as tutorials have it, as a list. It is written for CNI 0.3.0; `cniVersions` offers 1.1.0
/// as well, in which an attachment can be checked.
pub(super) const NETWORK: &str = r#"{
  "cniVersion": "0.3.0",
  "cniVersions": ["0.3.0", "1.1.0"],
  "name": "mynet",
  "plugins": [{
    "type": "bridge",
    "bridge": "mynet0",
    "isDefaultGateway": true,
    "forceAddress": false,
    "ipMasq": true,
    "hairpinMode": true,
    "ipam": {"type": "host-local", "subnet": "10.10.0.0/16"}
  }]
}"#;

/// What the operator allows `bridge`, in a grant file made of the shipped one: only such bridges are
/// made, and only such addresses masqueraded.
const NARROWED: [(&str, &str, &str, &str); 2] = [
    ("link.create", r#"kind = "bridge""#, "name", "cni*"),
    ("nat.masquerade", "", "within", "10.10.0.0/16"),
];

/// A network that asks for more than that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overreaching {
    /// Its list.
    pub(super) list: &'static str,
    /// A container that is to be attached to it.
    pub(super) container: &'static str,
    /// What the refusal has to name.
    pub(super) wanted: &'static str,
}

/// Refused at the first act: a bridge that is somebody else's.
pub(super) const AT_ONCE: Overreaching = Overreaching {
    list: r#"{
  "cniVersion": "1.1.0",
  "name": "other",
  "plugins": [{
    "type": "bridge",
    "bridge": "docker0",
    "ipam": {"type": "host-local", "subnet": "10.20.0.0/16"}
  }]
}"#,
    container: "red",
    wanted: r#"link.create kind=bridge name="docker0""#,
};

/// Refused at the last act: by then there are a bridge, a veth pair and an address.
pub(super) const HALFWAY: Overreaching = Overreaching {
    list: r#"{
  "cniVersion": "1.1.0",
  "name": "another",
  "plugins": [{
    "type": "bridge",
    "bridge": "cni7",
    "isGateway": true,
    "ipMasq": true,
    "ipam": {"type": "host-local", "subnet": "10.30.0.0/16"}
  }]
}"#,
    container: "grey",
    wanted: "nat.masquerade within=10.30.0.2/16",
};

/// Reads one of the lists above.
pub(super) fn list(text: &str) -> Result<NetworkList, Failure> {
    NetworkList::parse(text).doing(|| "reading the demo's network configuration list")
}

/// A grant file of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Narrowed {
    /// The file.
    pub(super) text: String,
    /// The rules that are not as shipped.
    pub(super) rules: Vec<Rule>,
}

/// A rule of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Its first line in the file.
    pub(super) line: u32,
    /// The rule.
    pub(super) text: String,
}

/// Narrows the grants that a plugin was shipped with.
pub(super) fn narrowed(plugin: &Bundled) -> Result<Narrowed, Failure> {
    let mut text = plugin.grants.to_owned();
    for (op, of, key, value) in NARROWED {
        let rule = rule(plugin, &text, op, of)?.text;
        let lines = rule.lines().map(|line| match line.split_once('=') {
            Some((found, _)) if found.trim() == key => format!("{key} = {value:?}"),
            _ => line.to_owned(),
        });
        let narrow = lines.collect::<Vec<_>>().join("\n");
        text = text.replacen(&rule, &narrow, 1);
    }
    let rules = NARROWED.iter().map(|(op, of, _, _)| rule(plugin, &text, op, of));
    let rules = rules.collect::<Result<_, _>>()?;
    Ok(Narrowed { text, rules })
}

/// The first rule for an act that has the line `of`, if that is not empty.
fn rule(plugin: &Bundled, text: &str, op: &str, of: &str) -> Result<Rule, Failure> {
    let doing = || format!("narrowing what {:?} may do", plugin.name);
    let grants = policy::parse(text, "grants.toml").doing(doing)?;
    let is_meant = |text: &str| of.is_empty() || text.lines().any(|line| line.trim() == of);
    let grant = grants.all().iter().find(|grant| grant.op() == op && is_meant(grant.text()));
    let grant = grant.ok_or_else(|| Failure::new(doing(), format!("no rule of it is for {op}")))?;
    Ok(Rule { line: grant.line(), text: grant.text().trim_end().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::{SpecVersion, Verb};
    use crate::component::find;
    use crate::kernel::Role;
    use crate::policy::{Facts, Op};

    #[test]
    fn the_networks_are_read() {
        for text in [NETWORK, AT_ONCE.list, HALFWAY.list] {
            let list = list(text).unwrap();
            assert_eq!(list.version, SpecVersion::V1_1_0);
            assert!(list.calls(Verb::Check));
        }
    }

    #[test]
    fn only_what_is_meant_is_narrowed() {
        let bridge = find("bridge").unwrap();
        let narrowed = narrowed(bridge).unwrap();
        let (before, after) = (
            policy::parse(bridge.grants, "shipped").unwrap(),
            policy::parse(&narrowed.text, "own").unwrap(),
        );
        assert_eq!(before.all().len(), after.all().len());
        let named = |_: &str| Some("docker0".to_owned());
        let ipam = ["10.30.0.2/16", "10.10.0.2/16"].map(|address| address.parse().unwrap());
        let facts = Facts {
            ifname: "eth0",
            config: &named,
            own: &|_| false,
            peer: &|| None,
            default_route: &|_| false,
            prev: &[],
            ipam: &ipam,
            network: "other",
            args: &|_| Vec::new(),
        };
        let make = |name: &str| {
            let op = Op::new("link.create").text("kind", "bridge").text("name", name);
            op.in_netns(Role::Host)
        };
        let masquerade =
            |address: &str| Op::new("nat.masquerade").net("within", address.parse().unwrap());
        for (rule, shipped, allowed, refused, nearest) in [
            (0, make("docker0"), make("cni7"), make("docker0"), r#"allows name "cni*""#),
            (
                1,
                masquerade("10.30.0.2/16"),
                masquerade("10.10.0.2/16"),
                masquerade("10.30.0.2/16"),
                r#"allows within "10.10.0.0/16""#,
            ),
        ] {
            assert!(before.allow(&shipped, &facts).is_ok());
            assert!(after.allow(&allowed, &facts).is_ok());
            let found = after.allow(&refused, &facts).unwrap_err().nearest.unwrap();
            assert_eq!((found.line, found.text.as_str()), (narrowed.rules[rule].line, nearest));
        }
    }
}
