//! Which patterns of a policy mean a value of an act, in the call in which it was asked for: what
//! `wasmcni learn` makes grants of.

use ipnet::IpNet;

use super::op::{Holds, Key, Op, OpKind, Value};
use super::pattern::{Facts, NetPattern, TextPattern};
use crate::kernel::Role;

/// Where the path of a sysctl names a link: `net/ipv4/conf/eth0/…`.
const LINK_PART: usize = 3;

/// For each value of an act the patterns beside its literal text that mean it, the best first: variables, and
/// networks that the configuration names. `said`: the configuration's texts, each with its path (`ipam.type`).
#[must_use]
pub fn tokens(
    op: &Op,
    said: &[(String, String)],
    facts: &Facts<'_>,
) -> Vec<(&'static str, Vec<String>)> {
    let Some(kind) = OpKind::find(op.name) else { return Vec::new() };
    let in_container = op.netns == Some(Role::Container);
    let of = |(key, value): &(&'static str, Value)| {
        let key = kind.key(key)?;
        let found = match value {
            Value::Text(text) => of_text(text, key, in_container, said, facts),
            Value::Net(net) => of_net(net, key, said, facts),
            Value::Number(_) | Value::Range(..) => Vec::new(),
        };
        Some((key.name, found))
    };
    op.values.iter().filter_map(of).collect()
}

fn of_text(
    text: &str,
    key: &Key,
    in_container: bool,
    said: &[(String, String)],
    facts: &Facts<'_>,
) -> Vec<String> {
    let config = |part: &str| -> Vec<String> {
        let same = said.iter().filter(|(_, value)| value == part);
        same.map(|(path, _)| format!("@config.{path}")).collect()
    };
    let link = |part: &str| -> Vec<String> {
        let mut all = vec!["@ifname".to_owned(), "@peer".to_owned()];
        all.extend(config(part));
        all.extend(["@own".to_owned(), "@default-route".to_owned()]);
        all
    };
    let candidates = match key.holds {
        Holds::Link => link(text),
        Holds::SysctlKey => {
            let parts: Vec<&str> = text.split('/').collect();
            let Some(name) = parts.get(LINK_PART) else { return Vec::new() };
            let with = |token: String| {
                let parts = parts.iter().enumerate();
                let parts = parts.map(|(at, part)| if at == LINK_PART { &token } else { *part });
                parts.collect::<Vec<&str>>().join("/")
            };
            link(name).into_iter().map(with).collect()
        }
        Holds::Text | Holds::Plugin | Holds::Path => config(text),
        // No variable stands for one: what the configuration fixes is written as it is.
        Holds::Mac => {
            let fixed = said.iter().any(|(_, value)| value.eq_ignore_ascii_case(text));
            return if fixed { vec![text.to_owned()] } else { Vec::new() };
        }
        Holds::Word(_) | Holds::Net | Holds::Destination | Holds::Number(..) => Vec::new(),
    };
    let means = |candidate: &String| {
        TextPattern::parse(candidate, key.holds, Some(in_container))
            .is_ok_and(|pattern| pattern.matches(text, facts))
    };
    candidates.into_iter().filter(means).collect()
}

fn of_net(net: &IpNet, key: &Key, said: &[(String, String)], facts: &Facts<'_>) -> Vec<String> {
    let destination = key.holds == Holds::Destination;
    let named = said.iter().filter_map(|(_, text)| text.parse::<IpNet>().ok());
    let named = named.map(|net| net.trunc().to_string());
    let variables = ["@ipam", "@prev"].map(str::to_owned).into_iter();
    let means = |candidate: &String| {
        NetPattern::parse(candidate, destination).is_ok_and(|pattern| pattern.matches(net, facts))
    };
    variables.chain(named).filter(means).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(op: &Op) -> Vec<(&'static str, Vec<String>)> {
        let said = [
            ("bridge", "cni0"),
            ("ipam.type", "host-local"),
            ("ipam.ranges.0.0.subnet", "10.22.0.9/24"),
        ];
        let said = said.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let config =
            |path: &str| said.iter().find(|(known, _)| known == path).map(|(_, text)| text.clone());
        let facts = Facts {
            ifname: "eth0",
            config: &config,
            own: &|name| name == "eth0",
            peer: &|| Some("veth1".to_owned()),
            default_route: &|_| false,
            ipam: &["10.22.0.2/24".parse().unwrap()],
            prev: &[],
            network: "n",
            args: &|_| Vec::new(),
        };
        tokens(op, &said, &facts)
    }

    #[test]
    fn a_value_is_meant_by_variables_where_they_have_a_meaning() {
        let read = |role, name: &str| Op::new("link.read").in_netns(role).text("name", name);
        for (op, expected) in [
            (read(Role::Container, "eth0"), vec!["@ifname", "@own"]),
            (read(Role::Host, "eth0"), vec!["@own"]),
            (read(Role::Host, "cni0"), vec!["@config.bridge"]),
            (read(Role::Host, "veth1"), vec!["@peer"]),
            (read(Role::Host, "eth7"), vec![]),
            (Op::new("delegate.run").text("plugin", "host-local"), vec!["@config.ipam.type"]),
        ] {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(of(&op).first().map(|(_, found)| found.clone()), Some(expected), "{op}");
        }
        let key = |role, key: &str| Op::new("sysctl.read").in_netns(role).text("key", key);
        let found = of(&key(Role::Host, "net/ipv6/conf/cni0/accept_ra"));
        assert_eq!(found, [("key", vec!["net/ipv6/conf/@config.bridge/accept_ra".to_owned()])]);
        assert_eq!(of(&key(Role::Host, "net/ipv4/ip_forward")), [("key", vec![])]);
        let net = |net: &str| Op::new("nat.masquerade").net("within", net.parse().unwrap());
        let found = of(&net("10.22.0.2/24"));
        assert_eq!(found, [("within", vec!["@ipam".to_owned(), "10.22.0.0/24".to_owned()])]);
        assert_eq!(of(&net("10.23.0.2/24")), [("within", vec![])]);
    }
}
