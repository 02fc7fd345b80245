//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::child::{self, Parent};
use wasmcni_sdk::conf::DnsConf;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::net::MacvlanMode;
use wasmcni_sdk::{Error, Mac, NetworkRequest, Request, log};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    master: String,
    mode: String,
    mtu: i64,
    mac: String,
    link_in_container: bool,
    bcqueuelen: i64,
    ipam: Ipam,
    dns: DnsConf,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    mac: String,
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    /// The link that it sits on.
    pub(crate) parent: Parent,
    /// Who may talk to whom on the parent.
    pub(crate) mode: MacvlanMode,
    /// Octets.
    pub(crate) mtu: Option<u32>,
    /// Address that it is to have.
    pub(crate) mac: Option<Mac>,
    /// Length of the queue of broadcasts.
    pub(crate) broadcast_queue: Option<u32>,
    /// Who gives addresses; none: there are none.
    pub(crate) ipam: Ipam,
    /// Resolver configuration, instead of IPAM's.
    pub(crate) dns: DnsConf,
}

impl Conf {
    /// The configuration of an ADD or CHECK.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        let arguments = request.arguments(&["MAC"])?;
        let mac = Mac::configured(&raw.mac, arguments.get("MAC"), &raw.runtime_config.mac)?;
        let conf = Self::checked(raw, mac)?;
        conf.ipam.or_none(request.addresses)?;
        Ok(conf)
    }

    /// The configuration of a GC or STATUS.
    pub(crate) fn of_network(request: &NetworkRequest) -> Result<Self, Error> {
        Self::checked(request.configuration()?, None)
    }

    fn checked(raw: Raw, mac: Option<Mac>) -> Result<Self, Error> {
        let mode = mode(&raw.mode)?;
        let queue = u32::try_from(raw.bcqueuelen).map_err(|_| {
            Error::config("bcqueuelen", raw.bcqueuelen, "it is a number of packets")
        })?;
        Ok(Self {
            parent: Parent::new(raw.master, raw.link_in_container)?,
            mtu: child::mtu(raw.mtu)?,
            mac: mac.filter(|mac| has_own_mac(mode, *mac)),
            // Zero is the kernel's default.
            broadcast_queue: Some(queue).filter(|packets| *packets != 0),
            ipam: raw.ipam,
            dns: raw.dns,
            mode,
        })
    }
}

/// Where there is nobody beside it, a macvlan takes its parent's address, whatever it is given.
fn has_own_mac(mode: MacvlanMode, mac: Mac) -> bool {
    match mode {
        MacvlanMode::Bridge | MacvlanMode::Private | MacvlanMode::Vepa => true,
        MacvlanMode::Passthru => {
            log::warn(&format!("going on without MAC {mac}: passthru has its master's"));
            false
        }
    }
}

fn mode(word: &str) -> Result<MacvlanMode, Error> {
    match word {
        "" | "bridge" => Ok(MacvlanMode::Bridge),
        "private" => Ok(MacvlanMode::Private),
        "vepa" => Ok(MacvlanMode::Vepa),
        "passthru" => Ok(MacvlanMode::Passthru),
        _ => Err(Error::config(
            "mode",
            format_args!("{word:?}"),
            "it is bridge, private, vepa or passthru",
        )),
    }
}

/// The mode in iproute2's words, as the kernel is seen to have it.
pub(crate) fn word(mode: MacvlanMode) -> &'static str {
    match mode {
        MacvlanMode::Bridge => "bridge",
        MacvlanMode::Private => "private",
        MacvlanMode::Vepa => "vepa",
        MacvlanMode::Passthru => "passthru",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::Addresses;
    use wasmcni_sdk::testing::{arguments, request};

    fn read(text: &str) -> Result<Conf, Error> {
        Conf::of(&request(text))
    }

    #[test]
    fn nothing_said_is_the_default() {
        let conf = read("{}").unwrap();
        assert_eq!(conf.parent, Parent { name: None, in_container: false });
        assert_eq!((conf.mode, conf.mtu, conf.mac), (MacvlanMode::Bridge, None, None));
        assert!(conf.broadcast_queue.is_none() && !conf.ipam.is_some() && !conf.dns.is_set());
    }

    #[test]
    fn each_key_is_read() {
        let conf = read(
            r#"{"master": "ens3", "mode": "vepa", "mtu": 1400, "mac": "02:00:00:00:00:01",
                "linkInContainer": true, "bcqueuelen": 500, "ipam": {"type": "static"},
                "dns": {"domain": "x"}}"#,
        )
        .unwrap();
        assert_eq!(conf.parent, Parent { name: Some("ens3".to_owned()), in_container: true });
        assert_eq!((conf.mode, conf.mtu), (MacvlanMode::Vepa, Some(1400)));
        assert_eq!(conf.mac.unwrap().to_string(), "02:00:00:00:00:01");
        assert_eq!(conf.broadcast_queue, Some(500));
        assert!(conf.ipam.is_some() && conf.dns.is_set());
        for name in ["bridge", "private", "vepa"] {
            assert_eq!(word(read(&format!(r#"{{"mode": "{name}"}}"#)).unwrap().mode), name);
        }
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            (r#"{"mode": "source"}"#, "mode"),
            (r#"{"mode": "Bridge"}"#, "mode"),
            (r#"{"mtu": -1}"#, "mtu"),
            (r#"{"mtu": "x"}"#, "mtu"),
            (r#"{"mac": "x"}"#, "mac"),
            (r#"{"runtimeConfig": {"mac": "x"}}"#, "runtimeConfig.mac"),
            (r#"{"bcqueuelen": -1}"#, "bcqueuelen"),
            (r#"{"master": "a/b"}"#, "master"),
            (r#"{"linkInContainer": 1}"#, "linkInContainer"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{text}: {}", error.details);
        }
    }

    #[test]
    fn the_runtimes_mac_counts_most() {
        let conf = r#"{"mac": "02:00:00:00:00:01", "runtimeConfig": {"mac": "02:00:00:00:00:03"}}"#;
        let mac = |text, args| {
            let request = Request { arguments: arguments(args), ..request(text) };
            Conf::of(&request).unwrap().mac.unwrap().0[5]
        };
        assert_eq!(mac(conf, "MAC=02:00:00:00:00:02"), 3);
        assert_eq!(mac(r#"{"mac": "02:00:00:00:00:01"}"#, "MAC=02:00:00:00:00:02"), 2);
    }

    #[test]
    fn old_versions_cannot_tell_of_a_link_without_addresses() {
        let old = |text| Request { addresses: Addresses::OnePerFamily, ..request(text) };
        assert_eq!(Conf::of(&old("{}")).unwrap_err().code, 7);
        assert!(Conf::of(&old(r#"{"ipam": {"type": "static"}}"#)).is_ok());
    }
}
