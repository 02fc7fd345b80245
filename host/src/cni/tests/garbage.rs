//! No input makes the protocol layer panic, and no accepted input breaks its promises.

use super::super::{CniArgs, NetworkList};
use super::*;
use crate::cni::CniResult;
use crate::names::{IfName, Mac};

const ROUNDS: usize = 5_000;

/// Small and reproducible (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

const WHOLE: [&str; 4] = [
    r#"{"cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": {"type": "host-local"},
        "dns": {"nameservers": ["10.0.0.1"]}, "runtimeConfig": {"mac": "00:00:5e:00:53:01"},
        "prevResult": {"interfaces": [{"name": "eth0", "mtu": 1500}], "ips": [{"interface": 0,
        "address": "10.0.0.5/24", "gateway": "10.0.0.1"}], "routes": [{"dst": "::/0"}]},
        "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}"#,
    r#"{"cniVersion": "0.4.0", "name": "net", "prevResult": {"cniVersion": "0.3.1", "ips":
        [{"version": "4", "address": "10.0.0.5/24"}], "dns": {}}}"#,
    r#"{"name": "net", "prevResult": {"ip4": {"ip": "10.0.0.5/24", "routes":
        [{"dst": "0.0.0.0/0"}]}}}"#,
    r#"{"cniVersion": "0.4.0", "cniVersions": ["1.0.0"], "name": "net", "disableGC": "true",
        "plugins": [{"type": "a", "capabilities": {"mac": true}}, {"type": "b"}]}"#,
];

const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "-1",
    "1e400",
    "0.5",
    "\\u0000",
    "\\ud800",
    "\"name\"",
    "\"NAME\":",
    "\"ips\":[",
    "\"cniVersion\":",
    "\"1.0.0\"",
    "\"..\"",
    "\u{212A}",
    "\u{0}",
    "999999999999999999999",
    "\"prevResult\":null,",
];

/// A valid document with a few bytes or pieces changed, so that most reach deep into the parsers.
fn damaged(random: &mut Random) -> Vec<u8> {
    let mut text = random.pick(&WHOLE).as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let (from, length) = (random.below(text.len()), random.below(9));
        let to = text.len().min(from + length);
        let piece = match random.below(3) {
            0 => random.bytes(length),
            1 => random.pick(&PIECES).as_bytes().to_vec(),
            _ => text[from..to].repeat(2),
        };
        text.splice(from..to, piece);
        if text.is_empty() {
            break;
        }
    }
    text
}

#[test]
fn damaged_documents_are_answered() {
    let mut random = Random(0x5eed);
    let mut accepted = 0;
    for _ in 0..ROUNDS {
        let stdin = damaged(&mut random);
        for verb in CONFIGURED {
            accepted += usize::from(call(&variables(verb.as_str()), &stdin).is_ok());
        }
        let text = String::from_utf8_lossy(&stdin);
        for version in SpecVersion::ALL {
            if let Ok(result) = CniResult::from_delegate(&text, version)
                && let Ok(written) = result.to_json(version)
            {
                let read = CniResult::from_delegate(&written, SpecVersion::LATEST).unwrap();
                assert_eq!(read.to_json(version).unwrap(), written, "{text}");
            }
        }
        if let Ok(list) = NetworkList::parse(&text).and_then(|list| list.complete(&[])) {
            let request = list.request(Verb::Add, &list.plugins[0], &Default::default()).unwrap();
            assert!(ask(Verb::Add, &request.to_string()).is_ok(), "{text}");
        }
        let _ = CniError::from_json(&text);
    }
    assert!(accepted > 500, "only {accepted} got through: the damage is too great to test much");
}

#[test]
fn random_environments_are_answered() {
    let names =
        ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "CNI_ARGS"];
    let mut random = Random(0xca11);
    for _ in 0..ROUNDS {
        let verb = Verb::ALL[random.below(Verb::ALL.len())];
        let length = random.below(20);
        let value = String::from_utf8_lossy(&random.bytes(length)).into_owned();
        let mut variables = variables(verb.as_str());
        variables.push((random.pick(&names), &value));
        let _ = call(&variables, WHOLE[0].as_bytes());
        let args = CniArgs::new(value.clone());
        if let Ok(pairs) = args.pairs() {
            let joined: Vec<_> =
                pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(joined.join(";"), args.raw());
        }
        if let Ok(name) = value.parse::<IfName>() {
            assert!(name.as_str().len() <= 15 && !name.as_str().contains('/'));
        }
    }
}

#[test]
fn random_macs_are_answered() {
    let digits = ["0", "a", "F", ":", "-", ".", "g", "ä", "00:00:", "0000.", "00-"];
    let mut random = Random(0x3ac);
    for _ in 0..ROUNDS {
        let text: String = (0..random.below(20)).map(|_| random.pick(&digits)).collect();
        if let Ok(mac) = text.parse::<Mac>() {
            assert_eq!(mac.to_string().parse(), Ok(mac));
        }
    }
}
