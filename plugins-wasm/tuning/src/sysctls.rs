//! The key `sysctl`: an object of texts, each key once.

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use wasmcni_sdk::Error;

/// Settings in the order in which they are written, keys as they are written: `net.core.somaxconn`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Written;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut entries: Vec<(String, String)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format_args!(
                    "got {key:?} twice, expected each sysctl once"
                )));
            }
            entries.push((key, value));
        }
        Ok(Written(entries))
    }
}

/// A setting to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sysctl {
    /// As the configuration has it, which is what the node's list is about.
    pub(crate) written: String,
    /// Below `/proc/sys`: `net/core/somaxconn`.
    pub(crate) key: String,
    pub(crate) value: String,
}

/// What is written, with what `args.cni.sysctl` says over it.
///
/// # Errors
/// Code 7: a key is not below `net/`, or is named in two spellings.
pub(crate) fn resolve(conf: &Written, args: &Written, ifname: &str) -> Result<Vec<Sysctl>, Error> {
    let mut all: Vec<Sysctl> = Vec::new();
    for (place, written) in [("sysctl", conf), ("args.cni.sysctl", args)] {
        let own = all.len();
        for (text, value) in &written.0 {
            let sysctl = Sysctl {
                written: text.clone(),
                key: key(place, text, ifname)?,
                value: value.clone(),
            };
            let known = all.iter().position(|other| other.key == sysctl.key);
            match known {
                Some(at) if at >= own => {
                    let why = "another spelling of it is there too";
                    return Err(Error::config(place, format_args!("{text:?}"), why));
                }
                Some(at) => {
                    if let Some(other) = all.get_mut(at) {
                        *other = sysctl;
                    }
                }
                None => all.push(sysctl),
            }
        }
    }
    Ok(all)
}

/// The first `IFNAME` is the interface, whose name may hold dots.
fn key(place: &str, written: &str, ifname: &str) -> Result<String, Error> {
    let key = written.replace('.', "/").replacen("IFNAME", ifname, 1);
    let mut parts = key.split('/');
    if parts.next() == Some("net") && key.len() > "net".len() && parts.all(|part| !part.is_empty())
    {
        return Ok(key);
    }
    let why = "keys are below net, such as net.core.somaxconn";
    Err(Error::config(place, format_args!("{written:?}"), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(entries: &[(&str, &str)]) -> Written {
        Written(entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn of(conf: &[(&str, &str)], args: &[(&str, &str)]) -> Result<Vec<(String, String)>, Error> {
        let all = resolve(&written(conf), &written(args), "eth0.5")?;
        Ok(all.into_iter().map(|s| (s.key, s.value)).collect())
    }

    #[test]
    fn keys_are_paths_and_know_the_interface() {
        let all = of(&[("net.core.somaxconn", "1"), ("net/ipv4/conf/IFNAME/arp_filter", "2")], &[]);
        let expected = [("net/core/somaxconn", "1"), ("net/ipv4/conf/eth0.5/arp_filter", "2")];
        assert_eq!(all.unwrap(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn arguments_are_over_the_configuration_in_any_spelling() {
        let all = of(&[("net.a", "1"), ("net.b", "2")], &[("net/a", "3"), ("net.c", "4")]).unwrap();
        let expected = [("net/a", "3"), ("net/b", "2"), ("net/c", "4")];
        assert_eq!(all, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(of(&[], &[("net.a", "1")]).unwrap().len(), 1);
    }

    #[test]
    fn what_is_not_below_net_and_what_is_there_twice_is_refused() {
        for conf in [
            &[("kernel.shmmax", "1")][..],
            &[("", "1")],
            &[("net", "1")],
            &[("net.", "1")],
            &[("net....kernel.x", "1")],
            &[("/net.a", "1")],
            &[("net.a", "1"), ("net/a", "2")],
        ] {
            let error = of(conf, &[]).unwrap_err();
            assert_eq!((error.code, error.details.contains("\"sysctl\"")), (7, true), "{conf:?}");
        }
        assert!(of(&[], &[("kernel.x", "")]).unwrap_err().details.contains("args.cni.sysctl"));
    }
}
