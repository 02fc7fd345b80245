//! Conditions as `iptables` has them: `! -s 10.0.0.0/8 -i eth+ -p tcp --sport 1024:65535`.

use wasmcni_sdk::port_map::{AddressMatch, Condition, LinkMatch, PortMatch, Protocol};

use super::Bad;
use super::values::{link, mark, network, number, ports, protocol, switch};

const KNOWN: &str = "understood are -s, -d, -i, -o, -p, --sport, --dport, --sports, --dports, --mark, \
                     -m tcp, udp, sctp, multiport and mark, and ! before them";

/// Reads conditions, all of which must be met.
pub(super) fn read(text: &str, ipv4: bool) -> Result<Vec<Condition>, Bad> {
    let mut words = text.split_whitespace();
    let mut found = Vec::new();
    let mut transport = None;
    while let Some(word) = words.next() {
        let negated = word == "!";
        let option =
            if negated { words.next().ok_or_else(|| Bad::end(word, "an option"))? } else { word };
        let value = || Bad::end(option, "a value");
        let mut value = || words.next().ok_or_else(value);
        let negatable = |value: &str| {
            let why = "iptables takes no \"!\" for it";
            if negated { Err(Bad::new(value, why)) } else { Ok(()) }
        };
        match option {
            "-s" | "--source" | "--src" => {
                found.push(Condition::Source(addresses(value()?, negated, ipv4)?));
            }
            "-d" | "--destination" | "--dst" => {
                found.push(Condition::Destination(addresses(value()?, negated, ipv4)?));
            }
            "-i" | "--in-interface" => {
                found.push(Condition::InputLink(links(value()?, negated)?));
            }
            "-o" | "--out-interface" => {
                found.push(Condition::OutputLink(links(value()?, negated)?));
            }
            "-p" | "--protocol" | "--proto" => {
                let word = value()?;
                negatable(word)?;
                let known = protocol(word);
                transport = Some(known.ok_or_else(|| Bad::new(word, "it is tcp, udp or sctp"))?);
                let any = PortMatch {
                    protocol: transport,
                    negated: switch(false),
                    ranges: vec![(0, u16::MAX)],
                };
                found.push(Condition::DestinationPort(any));
            }
            "--sport" | "--source-port" | "--sports" | "--source-ports" => {
                found.push(Condition::SourcePort(port(option, value()?, negated, transport)?));
            }
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
                found.push(Condition::DestinationPort(port(option, value()?, negated, transport)?));
            }
            "--mark" => {
                let word = value()?;
                let (of, bits) = word.split_once('/').unwrap_or((word, "0xffffffff"));
                found.push(Condition::Mark(mark(word, negated, number(of)?, number(bits)?)?));
            }
            "-m" | "--match" => match value()? {
                "tcp" | "udp" | "sctp" | "multiport" | "mark" if !negated => {}
                other => return Err(Bad::new(other, KNOWN)),
            },
            other => return Err(Bad::new(other, KNOWN)),
        }
    }
    Ok(found)
}

fn addresses(word: &str, negated: bool, ipv4: bool) -> Result<AddressMatch, Bad> {
    if negated && word.contains(',') {
        return Err(Bad::new(word, "iptables takes no \"!\" for several addresses"));
    }
    let network = |word| network(word, ipv4).map(Into::into);
    let networks = word.split(',').map(network).collect::<Result<_, _>>()?;
    Ok(AddressMatch { negated: switch(negated), networks })
}

fn links(word: &str, negated: bool) -> Result<LinkMatch, Bad> {
    Ok(LinkMatch { negated: switch(negated), names: vec![link(word, '+')?] })
}

fn port(
    option: &str,
    word: &str,
    negated: bool,
    transport: Option<Protocol>,
) -> Result<PortMatch, Bad> {
    if transport.is_none() {
        return Err(Bad::new(option, "-p tcp, udp or sctp must stand before it"));
    }
    if !option.ends_with('s') && word.contains(',') {
        return Err(Bad::new(word, "several ports stand behind --sports and --dports"));
    }
    let ranges = word.split(',').map(|word| ports(word, ':')).collect::<Result<_, _>>()?;
    Ok(PortMatch { protocol: transport, negated: switch(negated), ranges })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::ipnet::IpNet;
    use wasmcni_sdk::net::Switch;
    use wasmcni_sdk::port_map::MarkMatch;

    fn networks(negated: Switch, all: &[&str]) -> AddressMatch {
        let network = |text: &&str| text.parse::<IpNet>().unwrap().into();
        AddressMatch { negated, networks: all.iter().map(network).collect() }
    }

    #[test]
    fn what_people_write_is_read() {
        let (on, off) = (Switch::On, Switch::Off);
        let link = |negated, name: &str| LinkMatch { negated, names: vec![name.to_owned()] };
        for (text, expected) in [
            ("-s 10.0.0.0/8", Condition::Source(networks(off, &["10.0.0.0/8"]))),
            ("! --source 10.0.0.1", Condition::Source(networks(on, &["10.0.0.1/32"]))),
            (
                "-d 10.0.0.1,192.0.2.0/24",
                Condition::Destination(networks(off, &["10.0.0.1/32", "192.0.2.0/24"])),
            ),
            ("-i eth0", Condition::InputLink(link(off, "eth0"))),
            ("! -i eth+", Condition::InputLink(link(on, "eth*"))),
            ("-o lo", Condition::OutputLink(link(off, "lo"))),
            (
                "-m mark ! --mark 0x1/0xff",
                Condition::Mark(MarkMatch { negated: on, value: 1, mask: 255 }),
            ),
        ] {
            assert_eq!(read(text, true).unwrap(), [expected], "{text}");
        }
        let ports = |negated, ranges: &[(u16, u16)]| PortMatch {
            protocol: Some(Protocol::Tcp),
            negated,
            ranges: ranges.to_vec(),
        };
        let all = read("-p tcp -m tcp --sport 1024:65535 -m multiport ! --dports 22,80:90", true);
        assert_eq!(
            all.unwrap(),
            [
                Condition::DestinationPort(ports(off, &[(0, 65535)])),
                Condition::SourcePort(ports(off, &[(1024, 65535)])),
                Condition::DestinationPort(ports(on, &[(22, 22), (80, 90)])),
            ]
        );
    }

    #[test]
    fn everything_else_is_refused_by_its_word() {
        for (text, word) in [
            ("-j ACCEPT", "-j"),
            ("-m conntrack --ctstate NEW", "conntrack"),
            ("-m comment --comment x", "comment"),
            ("! -m tcp", "tcp"),
            ("! -p tcp", "tcp"),
            ("-p icmp", "icmp"),
            ("--dport 80", "--dport"),
            ("-p tcp --dport 80,81", "80,81"),
            ("-p tcp --dport 90:80", "90:80"),
            ("-s", "-s"),
            ("!", "!"),
            ("-s fd00::1", "fd00::1"),
            ("-s 10.0.0.0/255.0.0.0", "10.0.0.0/255.0.0.0"),
            ("! -s 10.0.0.1,10.0.0.2", "10.0.0.1,10.0.0.2"),
            ("-s ! 10.0.0.1", "!"),
            ("-i eth/0", "eth/0"),
            ("-s 10.0.0.1 accept", "accept"),
            ("-m mark --mark 2/1", "2/1"),
        ] {
            assert_eq!(read(text, true).unwrap_err().word, word, "{text}");
        }
    }
}
