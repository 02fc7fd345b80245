//! Each form that a grant may have, with its nearest refused neighbour: for every act and each of its keys, the
//! smallest change to what is asked for that is denied, and to what is written that is no grant.
//!
//! All of it is made from the table of acts, so that a new act, key or kind of value is in it or fails it.

use wasmcni::kernel::Role;
use wasmcni::policy::{Holds, Key, Need, OPS, Op, OpKind, Value, check, parse};

use super::with_facts;

/// A pattern as it is written, a value that it means, and the nearest that it does not.
struct Form {
    written: String,
    meant: Value,
    neighbour: Value,
}

fn form(written: &str, meant: Value, neighbour: Value) -> Form {
    Form { written: written.to_owned(), meant, neighbour }
}

fn texts(written: &str, meant: &str, neighbour: &str) -> Form {
    form(&format!("{written:?}"), Value::Text(meant.into()), Value::Text(neighbour.into()))
}

fn nets(written: &str, meant: &str, neighbour: &str) -> Form {
    let net = |text: &str| Value::Net(text.parse().unwrap());
    form(&format!("{written:?}"), net(meant), net(neighbour))
}

/// The accepted forms of a kind of value.
fn forms(holds: Holds) -> Vec<Form> {
    match holds {
        Holds::Link => vec![
            texts("br-a", "br-a", "br-b"),
            texts("br*", "br-a", "b-a"),
            texts("*a", "br-a", "br-a0"),
            texts("@own", "veth1", "veth2"),
            texts("@config.bridge", "br0", "br1"),
            texts("@{config.bridge}.*", "br0.7", "br0"),
            texts("@@x", "@x", "@@x"),
        ],
        Holds::Plugin => vec![
            texts("bridge", "bridge", "bridg"),
            texts("host-*", "host-local", "hostlocal"),
            texts("@config.ipam.type", "host-local", "static"),
        ],
        Holds::Word(words) => {
            words.windows(2).map(|pair| texts(pair[0], pair[0], pair[1])).collect()
        }
        Holds::SysctlKey => vec![
            texts("net/ipv4/ip_forward", "net/ipv4/ip_forward", "net/ipv4/ip_forwar"),
            texts("net/ipv4/conf/*/x", "net/ipv4/conf/a/x", "net/ipv4/conf/a/b/x"),
            texts("net/ipv4/**", "net/ipv4/conf/a/x", "net/ipv6/conf/a/x"),
            texts("net/ipv4/conf/@own/x", "net/ipv4/conf/veth1/x", "net/ipv4/conf/all/x"),
        ],
        Holds::Mac => vec![
            texts("02:00:5e:10:00:01", "02:00:5e:10:00:01", "02:00:5e:10:00:02"),
            texts("02:00:*", "02:00:5e:10:00:01", "02:01:5e:10:00:01"),
        ],
        Holds::Text => vec![texts("1", "1", "2"), texts("a*b", "axb", "axc"), texts("*", "1", "/")],
        Holds::Path => vec![
            texts("/var/lib/a", "/var/lib/a", "/var/lib/b"),
            texts("/var/*/a", "/var/lib/a", "/var/lib/x/a"),
            texts("/var/**", "/var/lib/a", "/var"),
            texts("/var/lib/*", "/var/lib/a", "/var/lib/.."),
        ],
        Holds::Net => vec![
            nets("10.1.0.0/16", "10.1.2.3/24", "10.2.2.3/24"),
            nets("10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/15"),
            nets("any-ipv4", "0.0.0.0/0", "::/0"),
            nets("@ipam", "10.1.2.9/24", "10.1.3.9/24"),
            nets("@prev", "10.9.0.7/32", "10.9.0.8/32"),
        ],
        Holds::Destination => vec![
            nets("default", "0.0.0.0/0", "0.0.0.0/1"),
            nets("10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0"),
            nets("any-ipv6", "::/0", "0.0.0.0/0"),
        ],
        Holds::Number(low, high) => vec![
            form("7", Value::Number(7), Value::Number(8)),
            form("\"7-9\"", Value::Number(9), Value::Number(10)),
            form("\"7-9\"", Value::Range(7, 9), Value::Range(7, 10)),
            form("[7, 9]", Value::Number(9), Value::Range(7, 9)),
            form(&low.to_string(), Value::Number(low), Value::Number(low + 1)),
            form(&high.to_string(), Value::Number(high), Value::Number(high - 1)),
        ],
    }
}

/// What is nearly a value of this kind, as it is written.
fn refused_forms(holds: Holds) -> Vec<String> {
    let texts = |all: &[&str]| all.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>();
    let mut all = match holds {
        Holds::Link => texts(&["a/b", "a b", "a-bridge-for-all", "a-bridge-for-all*", "**", "@br"]),
        Holds::Plugin => texts(&["../bridge", "@ifname", "@own", "**"]),
        Holds::Word(_) => texts(&["no-such-word", "@config.bridge", "@own"]),
        Holds::SysctlKey => {
            texts(&["net.ipv4.ip_forward", "kernel/panic", "net/../x", "net//x", "*"])
        }
        Holds::Mac => texts(&["02:00:5E:10:00:01", "02-00-5e-10-00-01", "02:0g:*", "@config.mac"]),
        Holds::Text => texts(&["@ifname", "@own", "**", "a\u{1}"]),
        Holds::Path => texts(&["var/lib", "/var/../lib", "/var//lib", "/var/", "/var/**x", "*"]),
        Holds::Net => texts(&["10.1.0.1/16", "10.1.0.1", "0.0.0.0/0", "default", "*", "@own"]),
        Holds::Destination => texts(&["10.1.0.1/16", "10.1.0.1", "0.0.0.0/0", "::/0", "*"]),
        Holds::Number(low, high) => {
            let beyond = [low.checked_sub(1), high.checked_add(1)].into_iter().flatten();
            let beyond = beyond.map(|number| number.to_string());
            let texts = texts(&["9-7", "7-", "-7", "+7", "0x7", "*", "7 "]).into_iter();
            beyond.chain(["-1".to_owned(), "7.0".to_owned()]).chain(texts).collect()
        }
    };
    let of_another_type = match holds {
        Holds::Number(..) => ["true"],
        _ => ["7"],
    };
    all.extend(["\"\"", "[]", "{}"].map(str::to_owned));
    all.extend(of_another_type.map(str::to_owned));
    all
}

/// One accepted grant, and an act that it allows.
#[derive(Clone)]
struct Case {
    kind: &'static OpKind,
    /// `key = value`, without `op`.
    lines: Vec<(String, String)>,
    op: Op,
}

impl Case {
    fn text(&self) -> String {
        let lines: String =
            self.lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("component = \"bundled\"\n[[grant]]\nop = \"{}\"\n{lines}", self.kind.name)
    }

    fn with_line(&self, key: &str, value: &str) -> Self {
        let mut case = self.without_line(key);
        case.lines.push((key.to_owned(), value.to_owned()));
        case
    }

    fn without_line(&self, key: &str) -> Self {
        let mut case = self.clone();
        case.lines.retain(|(name, _)| name != key);
        case
    }

    fn asking(&self, key: &'static str, value: Value) -> Op {
        let mut op = self.asking_nothing_of(key);
        op.values.push((key, value));
        op
    }

    fn asking_nothing_of(&self, key: &str) -> Op {
        let mut op = self.op.clone();
        op.values.retain(|(name, _)| *name != key);
        op
    }

    fn allows(&self, op: &Op) -> bool {
        let text = self.text();
        let grants = parse(&text, "policy.toml").unwrap_or_else(|error| panic!("{error}\n{text}"));
        with_facts(|facts| grants.allow(op, facts).is_ok())
    }

    /// It is no grant, for what it says of this key or leaves out, and both readers say the same.
    #[track_caller]
    fn is_none(&self, key: &str) {
        let text = self.text();
        let error = parse(&text, "policy.toml").err().unwrap_or_else(|| panic!("read:\n{text}"));
        assert!(error.to_string().contains(key), "{error}, nothing of {key}\n{text}");
        let all = check(&text, "policy.toml").unwrap_err();
        assert!(all.contains(&error), "{all:?} without {error}");
        assert_eq!(all.len(), 1, "one change, one error: {all:?}\n{text}");
    }
}

fn applies(key: &Key, kind: Option<&str>) -> bool {
    match key.need {
        Need::Always | Need::Else(_) | Need::IfAsked([]) => true,
        Need::OfKinds(kinds) | Need::IfAsked(kinds) => kind.is_some_and(|k| kinds.contains(&k)),
    }
}

/// The plainest grant of an act, for each kind of link if that matters.
fn cases(kind: &'static OpKind) -> Vec<Case> {
    let kinds: Vec<Option<&'static str>> = match kind.key("kind").map(|key| key.holds) {
        Some(Holds::Word(words)) => words.iter().copied().map(Some).collect(),
        Some(_) | None => vec![None],
    };
    kinds
        .into_iter()
        .map(|of| {
            let mut case = Case { kind, lines: Vec::new(), op: Op::new(kind.name) };
            if kind.in_netns {
                case = case.with_line("netns", "\"host\"");
                case.op = case.op.in_netns(Role::Host);
            }
            for key in kind.keys.iter().filter(|key| applies(key, of)) {
                let form = match (key.name, of) {
                    ("kind", Some(word)) => texts(word, word, word),
                    _ => forms(key.holds).swap_remove(0),
                };
                case.op = case.asking(key.name, form.meant);
                case = case.with_line(key.name, &form.written);
            }
            case
        })
        .collect()
}

fn all_cases() -> impl Iterator<Item = Case> {
    OPS.iter().flat_map(cases)
}

#[test]
fn every_act_can_be_granted_and_nothing_beside_it() {
    for case in all_cases() {
        assert!(case.allows(&case.op), "{}", case.text());
        let more = case.asking("colour", Value::Text("red".into()));
        assert!(!case.allows(&more), "{more}");
        for other in OPS.iter().filter(|other| other.name != case.kind.name) {
            let op = Op { name: other.name, ..case.op.clone() };
            assert!(!case.allows(&op), "{} allows {op}", case.text());
        }
    }
}

#[test]
fn the_nearest_value_is_denied() {
    for case in all_cases() {
        for key in case.kind.keys.iter().filter(|key| case.op.value(key.name).is_some()) {
            for Form { written, meant, neighbour } in forms(key.holds) {
                // Another kind of link has other keys.
                if key.name == "kind" && case.op.value("kind") != Some(&meant) {
                    continue;
                }
                let case = case.with_line(key.name, &written);
                assert!(
                    case.allows(&case.asking(key.name, meant.clone())),
                    "{}{meant:?}",
                    case.text()
                );
                let near = case.asking(key.name, neighbour);
                assert!(!case.allows(&near), "{} allows {near}", case.text());
            }
            let silent = case.asking_nothing_of(key.name);
            let may_lack = matches!(key.need, Need::IfAsked(_));
            assert_eq!(case.allows(&silent), may_lack, "{} and {silent}", case.text());
        }
    }
}

#[test]
fn what_a_grant_leaves_out_it_does_not_give() {
    for case in all_cases() {
        for key in case.kind.keys.iter().filter(|key| case.op.value(key.name).is_some()) {
            let short = case.without_line(key.name);
            match key.need {
                Need::Always | Need::OfKinds(_) => short.is_none(key.name),
                Need::Else(number) => {
                    assert!(short.allows(&case.asking(key.name, Value::Number(number))));
                    assert!(!short.allows(&case.asking(key.name, Value::Number(number + 1))));
                    assert!(!short.allows(&case.asking(key.name, Value::Number(number - 1))));
                }
                Need::IfAsked(_) => {
                    assert!(short.allows(&case.asking_nothing_of(key.name)));
                    assert!(!short.allows(&case.op), "{} allows {}", short.text(), case.op);
                }
            }
        }
        // A key of another kind of link, or of another act.
        for key in case.kind.keys.iter().filter(|key| case.op.value(key.name).is_none()) {
            let form = forms(key.holds).swap_remove(0);
            case.with_line(key.name, &form.written).is_none(key.name);
            let asked = case.asking(key.name, form.meant);
            assert!(!case.allows(&asked), "{} allows {asked}", case.text());
        }
        case.with_line("colour", "\"red\"").is_none("colour");
    }
}

#[test]
fn what_is_nearly_a_value_is_none() {
    for case in all_cases() {
        for key in case.kind.keys.iter().filter(|key| case.op.value(key.name).is_some()) {
            for written in refused_forms(key.holds) {
                case.with_line(key.name, &written).is_none(key.name);
            }
        }
    }
}

#[test]
fn a_netns_is_said_where_there_is_one() {
    for case in all_cases() {
        if !case.kind.in_netns {
            case.with_line("netns", "\"host\"").is_none("netns");
            continue;
        }
        let elsewhere = case.op.clone().in_netns(Role::Container);
        assert!(!case.allows(&elsewhere), "{} allows {elsewhere}", case.text());
        assert!(!case.allows(&Op { netns: None, ..case.op.clone() }));
        let both = case.with_line("netns", "\"*\"");
        assert!(both.allows(&case.op) && both.allows(&elsewhere), "{}", both.text());
        case.without_line("netns").is_none("netns");
        for written in ["\"\"", "\"node\"", "\"host-netns\"", "[\"host\"]", "\"@ifname\"", "1"] {
            case.with_line("netns", written).is_none("netns");
        }
    }
}

#[test]
fn every_grant_can_be_for_some_calls_alone() {
    for case in all_cases() {
        for (key, good, near, bad) in [
            ("networks", "\"net\"", "\"ne\"", "\"a b\""),
            ("networks", "[\"x\", \"n*\"]", "[\"x\", \"m*\"]", "[\"n*\", \"n*\"]"),
            ("args.K8S_POD_NAMESPACE", "\"team-a\"", "\"team-b\"", "\"@ifname\""),
            ("args.K8S_POD_NAMESPACE", "[\"b\", \"team-*\"]", "\"team-\"", "\"a;b\""),
            ("args.K8S_POD_NAMESPACE", "\"*\"", "\"*b\"", "\"\""),
        ] {
            let narrow = case.with_line(key, good);
            assert!(narrow.allows(&case.op), "{}", narrow.text());
            assert!(!case.with_line(key, near).allows(&case.op), "{key} = {near}");
            case.with_line(key, bad).is_none(key);
        }
        for absent in ["args.k8s_pod_namespace", "args.TWICE", "args.EMPTY", "args.OTHER"] {
            assert!(!case.with_line(absent, "\"*\"").allows(&case.op), "{absent}");
        }
    }
}
