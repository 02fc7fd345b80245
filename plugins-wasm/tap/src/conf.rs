//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::conf::DnsConf;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::net::{TapSpec, switch};
use wasmcni_sdk::{Error, Mac, NetworkRequest, Request, log};

/// Octets that a tap takes. (`tun_net_initialize`)
const MTU: std::ops::RangeInclusive<u32> = 68..=65_521;

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    multi_queue: bool,
    mtu: i64,
    mac: String,
    owner: Option<i64>,
    group: Option<i64>,
    selinux_context: String,
    bridge: String,
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
    /// It may be opened several times at once.
    pub(crate) multi_queue: bool,
    /// Octets.
    pub(crate) mtu: Option<u32>,
    /// Its address.
    pub(crate) mac: Option<Mac>,
    /// The user who may open it.
    pub(crate) owner: Option<u32>,
    /// The group whose members may open it.
    pub(crate) group: Option<u32>,
    /// A bridge of the container that it becomes a port of.
    pub(crate) bridge: Option<String>,
    /// Who gives addresses; none: the link is all that there is.
    pub(crate) ipam: Ipam,
    /// Resolver configuration that overrides IPAM's.
    pub(crate) dns: DnsConf,
}

impl Conf {
    /// The configuration of an ADD or CHECK.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        let arguments = request.arguments(&["MAC"])?;
        let asked = Mac::requested(arguments.get("MAC"), "", &raw.runtime_config.mac)?;
        let conf = Self::checked(raw)?;
        conf.ipam.or_none(request.addresses)?;
        Ok(Self { mac: asked.or(conf.mac), ..conf })
    }

    /// The configuration of a GC or STATUS.
    pub(crate) fn of_network(request: &NetworkRequest) -> Result<Self, Error> {
        Self::checked(request.configuration()?)
    }

    fn checked(raw: Raw) -> Result<Self, Error> {
        if !raw.selinux_context.is_empty() {
            // The kernel gives a tap the context of the process that makes it (`selinux_tun_dev_create`), and
            // a process cannot change its own without executing a program.
            let why = "taps with a context of their own are not supported; leave it out, and give the process \
                       that opens the tap the right to";
            let context = format!("{:?}", raw.selinux_context);
            return Err(Error::config("selinuxContext", context, why));
        }
        Ok(Self {
            multi_queue: raw.multi_queue,
            mtu: mtu(raw.mtu)?,
            mac: mac(&raw.mac)?,
            owner: id("owner", raw.owner)?,
            group: id("group", raw.group)?,
            bridge: Some(raw.bridge).filter(|name| !name.is_empty()),
            ipam: raw.ipam,
            dns: raw.dns,
        })
    }

    /// The tap, as it is asked for.
    pub(crate) fn tap(&self, ifname: &str) -> TapSpec {
        TapSpec {
            name: ifname.to_owned(),
            mtu: self.mtu,
            mac: self.mac.map(Into::into),
            multi_queue: switch(self.multi_queue),
            owner: self.owner,
            group: self.group,
        }
    }
}

/// Zero is the kernel's default.
fn mtu(octets: i64) -> Result<Option<u32>, Error> {
    match u32::try_from(octets) {
        Ok(0) => Ok(None),
        Ok(octets) if MTU.contains(&octets) => Ok(Some(octets)),
        Ok(_) | Err(_) => Err(Error::config("mtu", octets, "a tap takes 68 to 65521 octets")),
    }
}

fn mac(text: &str) -> Result<Option<Mac>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let mac = text.parse::<Mac>();
    mac.map(Some).map_err(|e| Error::config("mac", format_args!("{text:?}"), &e.to_string()))
}

/// The highest number means nobody. (user_namespaces(7))
fn id(key: &str, number: Option<i64>) -> Result<Option<u32>, Error> {
    let Some(number) = number else { return Ok(None) };
    match u32::try_from(number) {
        Ok(id) if id != u32::MAX => Ok(Some(id)),
        Ok(_) | Err(_) => Err(Error::config(key, number, "it is a number from 0 to 4294967294")),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpamPart {
    ipam: Ipam,
}

/// Who takes addresses back on a DEL, as far as the configuration can be read.
pub(crate) fn teardown(request: &Request) -> Ipam {
    let part = request.configuration::<IpamPart>().unwrap_or_else(|error| {
        log::warn(&format!("going on without ipam: {error}"));
        IpamPart::default()
    });
    part.ipam
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::Addresses;
    use wasmcni_sdk::net::Switch;
    use wasmcni_sdk::testing::{arguments, network_request, request};

    fn conf(text: &str) -> Conf {
        Conf::of(&request(text)).unwrap()
    }

    #[test]
    fn nothing_said_is_the_default() {
        let conf = conf("{}");
        let spec = conf.tap("eth0");
        assert_eq!((spec.name.as_str(), spec.mtu, spec.mac), ("eth0", None, None));
        assert_eq!((spec.multi_queue, spec.owner, spec.group), (Switch::Off, None, None));
        assert!(conf.bridge.is_none() && !conf.ipam.is_some() && !conf.dns.is_set());
    }

    #[test]
    fn each_key_is_read() {
        let conf = conf(
            r#"{"multiQueue": true, "mtu": 1400, "mac": "02:00:00:00:00:01", "owner": 0, "group": 107,
                "selinuxContext": "", "bridge": "br0", "ipam": {"type": "x"}, "dns": {"domain": "y"}}"#,
        );
        let spec = conf.tap("tap0");
        assert_eq!((spec.mtu, spec.mac), (Some(1400), Some((2, 0, 0, 0, 0, 1))));
        assert_eq!((spec.multi_queue, spec.owner, spec.group), (Switch::On, Some(0), Some(107)));
        assert_eq!(conf.bridge.as_deref(), Some("br0"));
        assert!(conf.ipam.is_some() && conf.dns.is_set());
        assert_eq!(super::mtu(65_521).unwrap(), Some(65_521));
        assert!(Conf::of_network(&network_request("{}")).is_ok());
    }

    #[test]
    fn the_runtime_has_the_last_word_on_the_mac() {
        let last = |text: &str, args: &str| {
            let request = Request { arguments: arguments(args), ..request(text) };
            Conf::of(&request).unwrap().mac.map(|mac| mac.0[5])
        };
        let mac = r#""mac": "02:00:00:00:00:01""#;
        let given = r#""runtimeConfig": {"mac": "02:00:00:00:00:03"}"#;
        let args = "MAC=02:00:00:00:00:02;IgnoreUnknown=1;K=v";
        assert_eq!(last(&format!("{{{mac}}}"), ""), Some(1));
        assert_eq!(last(&format!("{{{mac}}}"), args), Some(2));
        assert_eq!(last(&format!("{{{mac}, {given}}}"), args), Some(3));
        let unknown = Request { arguments: arguments("A=b"), ..request("{}") };
        assert_eq!(Conf::of(&unknown).unwrap_err().code, 4);
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (keys, key) in [
            (r#""mtu": -1"#, "mtu"),
            (r#""mtu": 67"#, "mtu"),
            (r#""mtu": 65522"#, "mtu"),
            (r#""mtu": "x""#, "mtu"),
            (r#""mac": "x""#, "mac"),
            (r#""owner": -1"#, "owner"),
            (r#""owner": "root""#, "owner"),
            (r#""group": 4294967295"#, "group"),
            (r#""multiQueue": "yes""#, "multiQueue"),
            (r#""bridge": true"#, "bridge"),
            (r#""selinuxContext": "system_u:system_r:container_t:s0""#, "selinuxContext"),
            (r#""runtimeConfig": {"mac": "x"}"#, "runtimeConfig.mac"),
        ] {
            let error = Conf::of(&request(&format!("{{{keys}}}"))).unwrap_err();
            assert_eq!(error.code, 7, "{keys}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{keys}: {}", error.details);
        }
        let old = Request { addresses: Addresses::OnePerFamily, ..request("{}") };
        assert!(Conf::of(&old).unwrap_err().details.contains("ipam.type"));
    }

    #[test]
    fn a_del_takes_down_what_the_configuration_says() {
        let text = r#"{"mtu": "bad", "ipam": {"type": "x"}}"#;
        assert_eq!(teardown(&request(text)).kind, "x");
        assert_eq!(teardown(&request(r#"{"ipam": []}"#)), Ipam::default());
    }
}
