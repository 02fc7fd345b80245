//! Conditions as `nft` has them: `ip saddr != { 10.0.0.0/8, 192.0.2.1 } iifname "eth*" tcp sport 1024-65535`.

use std::iter::Peekable;

use wasmcni_sdk::port_map::{AddressMatch, Condition, LinkMatch, PortMatch};

use super::Bad;
use super::values::{link, mark, network, number, ports, protocol, switch};

const KNOWN: &str = "understood are ip and ip6 saddr and daddr, iifname, iif, oifname, oif, tcp, udp, \
                     sctp and th sport and dport, and meta mark";

/// Reads conditions, all of which must be met.
pub(super) fn read(text: &str, ipv4: bool) -> Result<Vec<Condition>, Bad> {
    let words = split(text)?;
    let mut words = Words { rest: words.iter().map(String::as_str).peekable(), last: "" };
    let mut found = Vec::new();
    while let Some(word) = words.rest.next() {
        words.last = word;
        found.push(one(word, &mut words, ipv4)?);
    }
    Ok(found)
}

struct Words<'a, I: Iterator<Item = &'a str>> {
    rest: Peekable<I>,
    last: &'a str,
}

impl<'a, I: Iterator<Item = &'a str>> Words<'a, I> {
    fn next(&mut self, expected: &str) -> Result<&'a str, Bad> {
        let word = self.rest.next().ok_or_else(|| Bad::end(self.last, expected))?;
        self.last = word;
        Ok(word)
    }

    /// Takes the next word if it is one of these.
    fn take(&mut self, words: &[&str]) -> bool {
        self.rest.next_if(|word| words.contains(word)).is_some()
    }

    /// `!=`, or `==`, or nothing, which is the same.
    fn negated(&mut self) -> bool {
        let negated = self.take(&["!=", "ne"]);
        if !negated {
            self.take(&["==", "eq"]);
        }
        negated
    }

    /// One value, or several as `{ a, b }`.
    fn values<T>(
        &mut self,
        what: &str,
        read: impl Fn(&str) -> Result<T, Bad>,
    ) -> Result<Vec<T>, Bad> {
        let first = self.next(what)?;
        if first != "{" {
            return Ok(vec![read(first)?]);
        }
        let mut values = Vec::new();
        loop {
            values.push(read(self.next(what)?)?);
            match self.next("\",\" or \"}\"")? {
                "," if self.take(&["}"]) => return Ok(values),
                "," => {}
                "}" => return Ok(values),
                other => return Err(Bad::new(other, "\",\" or \"}\" must stand before it")),
            }
        }
    }
}

fn one<'a>(
    word: &str,
    words: &mut Words<'a, impl Iterator<Item = &'a str>>,
    ipv4: bool,
) -> Result<Condition, Bad> {
    match word {
        "ip" | "ip6" => addresses(word, words, ipv4),
        "tcp" | "udp" | "sctp" | "th" => port(word, words),
        "iifname" | "iif" | "oifname" | "oif" => links(word, words),
        "mark" => marks(words),
        "meta" => match words.next("what is known of the packet")? {
            word @ ("iifname" | "iif" | "oifname" | "oif") => links(word, words),
            "mark" => marks(words),
            other => Err(Bad::new(other, KNOWN)),
        },
        other => Err(Bad::new(other, KNOWN)),
    }
}

fn addresses<'a>(
    word: &str,
    words: &mut Words<'a, impl Iterator<Item = &'a str>>,
    ipv4: bool,
) -> Result<Condition, Bad> {
    if (word == "ip") != ipv4 {
        let family = if ipv4 { "IPv4" } else { "IPv6" };
        return Err(Bad::new(word, format!("this key is for {family}")));
    }
    let source = match words.next("saddr or daddr")? {
        "saddr" => true,
        "daddr" => false,
        other => return Err(Bad::new(other, KNOWN)),
    };
    let negated = switch(words.negated());
    let networks = words.values("an address", |word| network(word, ipv4))?;
    let networks = networks.into_iter().map(Into::into).collect();
    let addresses = AddressMatch { negated, networks };
    Ok(if source { Condition::Source(addresses) } else { Condition::Destination(addresses) })
}

fn port<'a>(
    word: &str,
    words: &mut Words<'a, impl Iterator<Item = &'a str>>,
) -> Result<Condition, Bad> {
    let source = match words.next("sport or dport")? {
        "sport" => true,
        "dport" => false,
        other => return Err(Bad::new(other, KNOWN)),
    };
    let negated = switch(words.negated());
    let ranges = words.values("a port", |word| ports(word, '-'))?;
    let ports = PortMatch { protocol: protocol(word), negated, ranges };
    Ok(if source { Condition::SourcePort(ports) } else { Condition::DestinationPort(ports) })
}

fn links<'a>(
    word: &str,
    words: &mut Words<'a, impl Iterator<Item = &'a str>>,
) -> Result<Condition, Bad> {
    let negated = switch(words.negated());
    let names = words.values("a link's name", |word| link(word, '*'))?;
    let links = LinkMatch { negated, names };
    Ok(if word.starts_with('i') {
        Condition::InputLink(links)
    } else {
        Condition::OutputLink(links)
    })
}

fn marks<'a>(words: &mut Words<'a, impl Iterator<Item = &'a str>>) -> Result<Condition, Bad> {
    let mask = if words.take(&["&", "and"]) { number(words.next("a mask")?)? } else { u32::MAX };
    let negated = words.negated();
    let value = words.next("a mark")?;
    Ok(Condition::Mark(mark(value, negated, number(value)?, mask)?))
}

/// Words, quoted texts without their quotes, and signs.
fn split(text: &str) -> Result<Vec<String>, Bad> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' => {
                let quoted = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
                quoted.ok_or_else(|| Bad::new(rest, "a quotation mark is missing"))?
            }
            '{' | '}' | ',' | '&' => rest.split_at(1),
            '!' | '=' if rest.starts_with("!=") || rest.starts_with("==") => rest.split_at(2),
            '!' | '=' => return Err(Bad::new(rest, "signs are !=, ==, &, braces and commas")),
            _ => {
                let is_end = |c: char| c.is_whitespace() || "{},&!=\"".contains(c);
                rest.split_at(rest.find(is_end).unwrap_or(rest.len()))
            }
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::ipnet::IpNet;
    use wasmcni_sdk::net::Switch;
    use wasmcni_sdk::port_map::{MarkMatch, Protocol};

    fn networks(negated: Switch, all: &[&str]) -> AddressMatch {
        let network = |text: &&str| text.parse::<IpNet>().unwrap().into();
        AddressMatch { negated, networks: all.iter().map(network).collect() }
    }

    #[test]
    fn what_people_write_is_read() {
        let source = |negated, all: &[&str]| vec![Condition::Source(networks(negated, all))];
        let (on, off) = (Switch::On, Switch::Off);
        let links = |names: &[&str]| LinkMatch {
            negated: off,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let ports = |protocol, ranges: &[(u16, u16)]| PortMatch {
            protocol,
            negated: off,
            ranges: ranges.to_vec(),
        };
        let mark = |negated, value, mask| vec![Condition::Mark(MarkMatch { negated, value, mask })];
        for (text, expected) in [
            ("ip saddr 10.0.0.1", source(off, &["10.0.0.1/32"])),
            ("ip saddr == 10.0.0.0/8", source(off, &["10.0.0.0/8"])),
            ("ip saddr !=10.0.0.0/8", source(on, &["10.0.0.0/8"])),
            ("ip saddr {10.0.0.0/8,192.0.2.1}", source(off, &["10.0.0.0/8", "192.0.2.1/32"])),
            ("ip saddr != { 10.0.0.0/8 , }", source(on, &["10.0.0.0/8"])),
            ("ip daddr 192.0.2.1", vec![Condition::Destination(networks(off, &["192.0.2.1/32"]))]),
            ("iifname \"eth0\"", vec![Condition::InputLink(links(&["eth0"]))]),
            ("meta iif eth*", vec![Condition::InputLink(links(&["eth*"]))]),
            ("oifname { \"a\", b }", vec![Condition::OutputLink(links(&["a", "b"]))]),
            (
                "tcp dport 80-90",
                vec![Condition::DestinationPort(ports(Some(Protocol::Tcp), &[(80, 90)]))],
            ),
            ("th sport 53", vec![Condition::SourcePort(ports(None, &[(53, 53)]))]),
            ("meta mark 0x10", mark(off, 16, u32::MAX)),
            ("mark and 0xff != 1", mark(on, 1, 255)),
        ] {
            assert_eq!(read(text, true).unwrap(), expected, "{text}");
        }
        let both = read("ip6 saddr fd00::/8 iifname eth0", false).unwrap();
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn everything_else_is_refused_by_its_word() {
        for (text, word) in [
            ("ct state new", "ct"),
            ("ip protocol tcp", "protocol"),
            ("ip6 saddr fd00::1", "ip6"),
            ("ip saddr fd00::1", "fd00::1"),
            ("ip saddr 10.0.0.0/33", "10.0.0.0/33"),
            ("ip saddr 10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9"),
            ("ip saddr @allowed", "@allowed"),
            ("ip saddr", "saddr"),
            ("ip saddr {10.0.0.1", "10.0.0.1"),
            ("ip saddr {}", "}"),
            ("ip saddr {10.0.0.1 10.0.0.2}", "10.0.0.2"),
            ("iifname eth0 accept", "accept"),
            ("iifname eth0; drop", "eth0;"),
            ("tcp dport 90-80", "90-80"),
            ("tcp dport http", "http"),
            ("tcp flags syn", "flags"),
            ("meta mark 0x1ffffffff", "0x1ffffffff"),
            ("mark and 0xf0 == 1", "1"),
            ("meta l4proto tcp", "l4proto"),
            ("iifname \"eth0", "\"eth0"),
            ("ip saddr = 10.0.0.1", "= 10.0.0.1"),
            ("iifname aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa"),
            ("jump elsewhere", "jump"),
        ] {
            assert_eq!(read(text, true).unwrap_err().word, word, "{text}");
        }
    }
}
