//! Other addresses, MACs and names of containers in a document's texts: the same for the same, and networks
//! still hold what they held.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::names::Mac;

/// Leading bits that say what kind of address it is: they stay.
const KEPT_V4: u32 = 8;
const KEPT_V6: u32 = 16;

/// What masks are made with: another one each time, so that nobody can try addresses out.
pub(super) type Key = [u8; 32];

/// A new one.
pub(super) fn key() -> Result<Key, getrandom::Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(key)
}

/// The document with masks in it.
pub(super) fn masked(document: &Value, key: &Key) -> Value {
    let mut names = BTreeMap::new();
    name_netns(document, &mut names);
    name_containers(document, &mut names);
    Masking { key, names }.value(document)
}

/// Names of network namespaces are often those of containers.
fn name_netns(document: &Value, names: &mut BTreeMap<String, String>) {
    let netns = document.get("netns").and_then(Value::as_object);
    for name in netns.into_iter().flatten().map(|(name, _)| name).filter(|name| *name != "host") {
        let number = names.len() + 1;
        names.entry(name.clone()).or_insert_with(|| format!("netns-{number}"));
    }
}

fn name_containers(value: &Value, names: &mut BTreeMap<String, String>) {
    let mut name = |id: &str| {
        let number = names.len() + 1;
        names.entry(id.to_owned()).or_insert_with(|| format!("container-{number}"));
    };
    match value {
        Value::Object(object) => {
            if let Some(id) = object.get("container_id").and_then(Value::as_str) {
                name(id);
            }
            let networks = object.get("reservations").and_then(Value::as_object);
            for (_, network) in networks.into_iter().flatten() {
                let owners = network.as_object().into_iter().flatten();
                for owner in owners.filter_map(|(_, owner)| owner.as_str()) {
                    name(owner.split(' ').next().unwrap_or_default());
                }
            }
            object.values().for_each(|value| name_containers(value, names));
        }
        Value::Array(array) => array.iter().for_each(|value| name_containers(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

struct Masking<'a> {
    key: &'a Key,
    names: BTreeMap<String, String>,
}

impl Masking<'_> {
    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(array) => array.iter().map(|value| self.value(value)).collect(),
            Value::Object(object) => {
                let masked = object.iter().map(|(key, value)| (self.text(key), self.value(value)));
                Value::Object(masked.collect::<Map<_, _>>())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let words = text.split(' ').map(|word| self.word(word));
        words.collect::<Vec<_>>().join(" ")
    }

    fn word(&self, word: &str) -> String {
        if let Some(name) = self.names.get(word) {
            return name.clone();
        }
        if let Ok(mac) = Mac::try_from(word) {
            return self.mac(mac).to_string();
        }
        if let Ok(address) = word.parse::<IpAddr>() {
            return self.address(address).to_string();
        }
        if let Ok(net) = word.parse::<IpNet>() {
            return self.net(net).to_string();
        }
        // `NETNS/LINK`, `netns/NETNS/links/…`, and what stands around names elsewhere: an alias, a sentence.
        let parts = word.split('/').map(|part| self.names.get(part).map_or(part, String::as_str));
        let word = &parts.collect::<Vec<_>>().join("/");
        self.within(word)
    }

    /// `192.0.2.1:8080/tcp`, `[2001:db8::1]:8080/tcp`; and names within other words.
    fn within(&self, word: &str) -> String {
        if let Some((address, port)) = word.rsplit_once(':')
            && port.contains('/')
        {
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            if let Ok(address) = bare.parse::<IpAddr>() {
                return match self.address(address) {
                    IpAddr::V4(address) => format!("{address}:{port}"),
                    IpAddr::V6(address) => format!("[{address}]:{port}"),
                };
            }
        }
        let mut masked = word.to_owned();
        let mut names: Vec<_> = self.names.iter().filter(|(name, _)| name.len() > 7).collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, mask) in names {
            masked = masked.replace(name, mask);
        }
        masked
    }

    fn hash(&self, kind: u8, bytes: &[u8]) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.key)
            .chain_update([kind])
            .chain_update(bytes)
            .finalize()
            .into()
    }

    fn mac(&self, mac: Mac) -> Mac {
        if mac.bytes() == [0; 6] {
            return mac;
        }
        let [a, b, c, d, e, ..] = self.hash(0, &mac.bytes());
        Mac::from([2, a, b, c, d, e])
    }

    /// With the host's part cut where it was.
    fn net(&self, net: IpNet) -> IpNet {
        let masked = IpNet::new(self.address(net.addr()), net.prefix_len()).unwrap_or(net);
        if net.trunc() == net { masked.trunc() } else { masked }
    }

    /// Addresses that begin alike have masks that begin alike.
    fn address(&self, address: IpAddr) -> IpAddr {
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            return address;
        }
        match address {
            IpAddr::V4(ip) => {
                let masked = self.bits(4, u128::from(ip.to_bits()) << 96, KEPT_V4, 32) >> 96;
                IpAddr::V4(u32::try_from(masked).map(Ipv4Addr::from_bits).unwrap_or(ip))
            }
            IpAddr::V6(ip) => {
                IpAddr::V6(Ipv6Addr::from_bits(self.bits(6, ip.to_bits(), KEPT_V6, 128)))
            }
        }
    }

    /// Each bit is turned over or not by what stands before it. (The idea is Crypto-PAn's.)
    fn bits(&self, kind: u8, bits: u128, kept: u32, length: u32) -> u128 {
        let mut masked = bits;
        for at in kept..length {
            let before = bits & !(u128::MAX >> at);
            let digest = self.hash(kind, &[&before.to_be_bytes()[..], &at.to_be_bytes()].concat());
            let turn = u128::from(digest.first().copied().unwrap_or(0) & 1);
            masked ^= turn << (127 - at);
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(document: &Value) -> Value {
        masked(document, &[7; 32])
    }

    #[test]
    fn networks_hold_what_they_held() {
        let words = json!([
            "10.1.2.3/24",
            "10.1.2.0/24",
            "10.1.2.9",
            "10.1.3.9",
            "2001:db8::/64",
            "2001:db8::7/64"
        ]);
        let masked = of(&words);
        let net = |i: usize| masked[i].as_str().unwrap().parse::<IpNet>().unwrap();
        let address = |i: usize| masked[i].as_str().unwrap().parse::<IpAddr>().unwrap();
        assert_ne!(masked, words);
        assert_eq!(net(0).trunc(), net(1));
        assert!(net(1).contains(&address(2)) && !net(1).contains(&address(3)));
        assert_eq!(net(5).trunc(), net(4));
        assert!(masked[0].as_str().unwrap().starts_with("10."));
        assert_ne!(masked, super::masked(&words, &[8; 32]), "another key, other masks");
    }

    #[test]
    fn what_is_of_everybody_stays() {
        for word in [
            "127.0.0.1/8",
            "::1/128",
            "0.0.0.0/0",
            "::/0",
            "ff00::/8",
            "00:00:00:00:00:00",
            "eth0",
            "0.0.0.0:80/tcp",
        ] {
            assert_eq!(of(&json!(word)), json!(word));
        }
    }

    #[test]
    fn names_and_macs_are_masked_wherever_they_stand() {
        let document = json!({
            "netns": { "blue": {}, "host": { "alias": "of 0123456789ab, see blue" } },
            "masquerades": { "10.0.0.1": { "owner": { "container_id": "0123456789ab" } } },
            "reservations": { "net": { "10.0.0.1": "0123456789ab eth0" } },
            "mac": "02:00:00:00:00:07", "master": "blue/eth0", "port": "10.0.0.1:80/tcp",
            "left_out": ["netns/blue/routes/0: odd"],
        });
        let masked = of(&document);
        let text = masked.to_string();
        for word in ["blue", "0123456789ab", "10.0.0.1\"", "02:00:00:00:00:07"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        let address = masked["masquerades"].as_object().unwrap().keys().next().unwrap();
        let reserved = &masked["reservations"]["net"][address];
        assert_eq!(reserved, "container-2 eth0");
        assert_eq!(masked["netns"]["host"]["alias"], "of container-2, see netns-1");
        assert_eq!(masked["master"], "netns-1/eth0");
        assert_eq!(masked["left_out"][0], "netns/netns-1/routes/0: odd");
        assert_eq!(masked["port"], format!("{address}:80/tcp"));
    }
}
