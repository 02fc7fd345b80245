//! What holds for whatever is written and asked: a few thousand cases of a fixed seed, against an oracle that
//! knows nothing of the host's own matching.

use wasmcni::kernel::Role;
use wasmcni::policy::{
    Grants, Holds, Key, Need, OPS, Op, OpKind, Value, check, decode, encode, parse,
};

use super::{files, with_facts};

/// Numbers that look random and are the same each time: xorshift64*, Marsaglia 2003, Vigna 2016.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn kind(&mut self) -> &'static OpKind {
        &OPS[self.below(OPS.len())]
    }

    /// A text of these pieces.
    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| self.one(pieces)).collect()
    }
}

const WRITTEN: &[&str] = &[
    "\"a\"",
    "\"a*\"",
    "\"*\"",
    "\"**\"",
    "\"\"",
    "\"@own\"",
    "\"@ifname\"",
    "\"@peer\"",
    "\"@config.a=b\"",
    "\"@{config.a}.*\"",
    "\"@@\"",
    "\"@\"",
    "\"net/**\"",
    "\"net/ipv4/conf/@own/x\"",
    "\"/**\"",
    "\"/a/b\"",
    "\"any\"",
    "\"@ipam\"",
    "\"10.0.0.0/8\"",
    "\"10.0.0.1/8\"",
    "\"default\"",
    "7",
    "\"7-9\"",
    "\"9-7\"",
    "-1",
    "[]",
    "[7, \"a\"]",
    "[\"a\", \"b*\"]",
    "[\"a\", \"a\"]",
    "{}",
    "{ A = \"a\" }",
    "true",
    "\"host\"",
    "\"tap\"",
    "\"vlan\"",
    "\"container\"",
    "99999999999999999999",
    "\"02:00:*\"",
    "\"\\u0001\"",
    "\"\u{e9}\"",
];

/// A file of a few grants, each nearly right.
fn policy(numbers: &mut Numbers) -> String {
    let mut text = "component = \"bundled\"\n".to_owned();
    for _ in 0..=numbers.below(3) {
        let kind = numbers.kind();
        text += &format!("[[grant]]\nop = \"{}\"\n", kind.name);
        if kind.in_netns != (numbers.below(20) == 0) {
            text +=
                numbers.one(&["netns = \"host\"\n", "netns = \"container\"\n", "netns = \"*\"\n"]);
        }
        for key in kind.keys {
            if numbers.below(8) == 0 {
                continue;
            }
            text += &format!("{} = {}\n", key.name, numbers.one(WRITTEN));
        }
        if numbers.below(6) == 0 {
            text += &format!("networks = {}\n", numbers.one(WRITTEN));
        }
        if numbers.below(6) == 0 {
            text += &format!("args.A = {}\n", numbers.one(WRITTEN));
        }
    }
    text
}

/// Both readers agree, and what is read means the same by every way that leads to it.
fn is_read_in_one_way(text: &str) -> bool {
    match (parse(text, "policy.toml"), check(text, "policy.toml")) {
        (Ok(grants), Ok(checked)) => {
            assert_eq!(grants, checked, "{text}");
            let encoded: &'static [u8] = encode(&grants).unwrap().leak();
            let source: &'static str = text.to_owned().leak();
            assert_eq!(decode(encoded, source).unwrap(), grants, "{text}");
            // Each grant by itself, as the file has it.
            for grant in grants.all() {
                let alone = format!("component = \"bundled\"\n{}", grant.text());
                let alone = parse(&alone, "policy.toml").unwrap();
                assert_eq!(alone.all().len(), 1);
                assert_eq!(
                    (alone.all()[0].op(), alone.all()[0].netns()),
                    (grant.op(), grant.netns())
                );
            }
            true
        }
        (Err(first), Err(all)) => {
            assert!(all.contains(&first), "{all:?} without {first}");
            assert!(all.iter().all(|e| !e.text.is_empty() && !e.instead.is_empty()), "{all:?}");
            assert!(all.is_sorted_by_key(|error| error.line));
            false
        }
        (parsed, checked) => panic!("{parsed:?} but {checked:?}:\n{text}"),
    }
}

#[test]
fn whatever_is_written_is_read_in_one_way_or_not_at_all() {
    let mut numbers = Numbers(1);
    let read = (0..1500).filter(|_| is_read_in_one_way(&policy(&mut numbers))).count();
    assert!((50..1450).contains(&read), "{read} of 1500 say nothing of the others");
}

#[test]
fn no_damage_to_a_file_is_read_in_two_ways() {
    let mut numbers = Numbers(2);
    let pieces =
        ["", "\"", "[", "]", "*", "@", "=", "\n", "net", ".", "/", "1", "any", "\u{0}", "é"];
    let texts: Vec<String> =
        files("accept").iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for _ in 0..1500 {
        let mut text = texts[numbers.below(texts.len())].clone();
        for _ in 0..=numbers.below(2) {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let from = numbers.one(&places);
            let to = places.iter().copied().find(|at| *at > from).unwrap_or(text.len());
            text.replace_range(from..to, numbers.one(&pieces));
        }
        is_read_in_one_way(&text);
    }
}

/// A plain value of a kind, with how a grant says exactly that.
fn exact(numbers: &mut Numbers, holds: Holds) -> (Value, String) {
    let text = |text: String| (Value::Text(text.clone()), format!("{text:?}"));
    match holds {
        Holds::Link | Holds::Plugin | Holds::Text => text(format!("n{}", numbers.below(4))),
        Holds::Word(words) => text(numbers.one(words).to_owned()),
        Holds::SysctlKey => text(format!("net/ipv4/conf/n{}/x", numbers.below(4))),
        Holds::Mac => text(format!("02:00:00:00:00:0{}", numbers.below(4))),
        Holds::Path => text(format!("/n/{}", numbers.below(4))),
        Holds::Net | Holds::Destination => {
            let net = numbers.one(&["10.0.0.0/30", "10.0.0.0/31", "10.0.0.1/32", "fd00::1/128"]);
            (Value::Net(net.parse().unwrap()), format!("{net:?}"))
        }
        Holds::Number(..) => {
            let number = u32::try_from(numbers.below(4) + 5).unwrap();
            (Value::Number(number), number.to_string())
        }
    }
}

/// Whether a grant of exactly one value allows another: an address range allows what lies within.
fn within(granted: &Value, asked: &Value) -> bool {
    match (granted, asked) {
        (Value::Net(wide), Value::Net(net)) => wide.contains(net),
        (granted, asked) => granted == asked,
    }
}

fn of_kind(key: &Key, op: &Op) -> bool {
    match key.need {
        Need::Always | Need::Else(_) | Need::IfAsked([]) => true,
        Need::OfKinds(kinds) | Need::IfAsked(kinds) => {
            matches!(op.value("kind"), Some(Value::Text(kind)) if kinds.contains(&kind.as_str()))
        }
    }
}

/// An act with a value for each key, and the grant that is for exactly it.
fn act(numbers: &mut Numbers, kind: &'static OpKind) -> (Op, Grants) {
    let mut op = Op::new(kind.name);
    let mut text = format!("component = \"bundled\"\n[[grant]]\nop = \"{}\"\n", kind.name);
    if kind.in_netns {
        let (role, word) = numbers.one(&[(Role::Host, "host"), (Role::Container, "container")]);
        op = op.in_netns(role);
        text += &format!("netns = \"{word}\"\n");
    }
    for key in kind.keys {
        if of_kind(key, &op) {
            let (value, written) = exact(numbers, key.holds);
            op.values.push((key.name, value));
            text += &format!("{} = {written}\n", key.name);
        }
    }
    let grants = parse(&text, "policy.toml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    (op, grants)
}

#[test]
fn a_grant_of_one_act_is_for_no_other() {
    let mut numbers = Numbers(3);
    for _ in 0..40 {
        for kind in OPS {
            let (op, grants) = act(&mut numbers, kind);
            let allows = |op: &Op| with_facts(|facts| grants.allow(op, facts).is_ok());
            assert!(allows(&op), "{op}");
            for place in 0..op.values.len() {
                let (name, granted) = op.values[place].clone();
                let key = kind.key(name).unwrap();
                let (asked, _) = exact(&mut numbers, key.holds);
                let mut other = op.clone();
                other.values[place] = (name, asked.clone());
                assert_eq!(allows(&other), within(&granted, &asked), "{op} as {other}");
                other.values[place] = ("another", granted);
                assert!(!allows(&other), "{op} as {other}");
            }
            if let Some(role) = op.netns {
                let elsewhere = if role == Role::Host { Role::Container } else { Role::Host };
                assert!(!allows(&op.clone().in_netns(elsewhere)), "{op}");
            }
            let (another, _) = act(&mut numbers, another_than(kind));
            assert!(!allows(&another), "{op} as {another}");
        }
    }
}

fn another_than(kind: &OpKind) -> &'static OpKind {
    let place = OPS.iter().position(|other| other.name == kind.name).unwrap();
    &OPS[(place + 1) % OPS.len()]
}

/// What a pattern of literals, `*` and `**` means, tried out letter by letter.
fn means(pattern: &[&str], value: &[&str]) -> bool {
    let ordinary = |part: &str| !["", ".", ".."].contains(&part);
    match (pattern.split_first(), value.split_first()) {
        (None, None) => true,
        (None, Some(_)) | (Some(_), None) => false,
        (Some((&"**", rest)), Some((first, others))) => {
            ordinary(first) && (means(rest, others) || means(pattern, others))
        }
        (Some((part, rest)), Some((first, others))) => {
            let fits = match part.contains('*') {
                true => ordinary(first) && glob(part.as_bytes(), first.as_bytes()),
                false => part == first,
            };
            fits && means(rest, others)
        }
    }
}

fn glob(pattern: &[u8], value: &[u8]) -> bool {
    match pattern.split_first() {
        None => value.is_empty(),
        Some((b'*', rest)) => (0..=value.len()).any(|taken| glob(rest, &value[taken..])),
        Some((letter, rest)) => value.first() == Some(letter) && glob(rest, &value[1..]),
    }
}

#[test]
fn wildcards_mean_what_trying_them_out_says() {
    let mut numbers = Numbers(4);
    let (mut yes, mut no) = (0, 0);
    for _ in 0..8000 {
        let pattern = format!("/{}", numbers.text(&["a", "b", "*", "/", "**/", "a/", "."], 5));
        let value = format!("/{}", numbers.text(&["a", "b", "/", "a/", "."], 4));
        let text = format!(
            "component = \"bundled\"\n[[grant]]\nop = \"reservations.open\"\ndata-dir = {pattern:?}\n"
        );
        let Ok(grants) = parse(&text, "policy.toml") else { continue };
        let op = Op::new("reservations.open").text("data-dir", value.as_str());
        let allowed = with_facts(|facts| grants.allow(&op, facts).is_ok());
        let parts: Vec<&str> = pattern.split('/').collect();
        let expected = means(&parts, &value.split('/').collect::<Vec<_>>());
        assert_eq!(allowed, expected, "{pattern} and {value}");
        if allowed { yes += 1 } else { no += 1 }
    }
    assert!(yes > 50 && no > 50, "{yes} and {no}");
}
