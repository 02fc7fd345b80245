//! The configuration: what each key may say, and what it is when it says nothing.

use serde::Deserialize;
use wasmcni_sdk::conf::DnsConf;
use wasmcni_sdk::ipam::Ipam;
use wasmcni_sdk::{Error, NetworkRequest, Request, log};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    device: String,
    hwaddr: String,
    kernelpath: String,
    #[serde(rename = "pciBusID")]
    pci_bus_id: String,
    ipam: Ipam,
    dns: DnsConf,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    #[serde(rename = "deviceID")]
    device_id: String,
}

/// What a configuration calls its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Device {
    /// The name of its link.
    Name(String),
    /// The Ethernet address of its link.
    Mac(String),
    /// Its path below `/sys/devices`.
    Path(String),
    /// Its address on the PCI bus.
    Pci(String),
    /// Its id on the auxiliary bus.
    Auxiliary(String),
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    pub(crate) device: Device,
    /// Who gives addresses; none: the link is all that there is.
    pub(crate) ipam: Ipam,
    /// Resolver configuration that overrides IPAM's.
    pub(crate) dns: DnsConf,
}

impl Conf {
    /// The configuration of an ADD or CHECK.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        let device = raw.device()?.ok_or_else(|| {
            Error::missing(
                "device",
                "name the device by device, hwaddr, kernelpath or pciBusID, or have the runtime give \
                 the capability deviceID",
            )
        })?;
        raw.ipam.or_none(request.addresses)?;
        Ok(Self { device, ipam: raw.ipam, dns: raw.dns })
    }
}

/// The configuration of a GC or STATUS, which no runtime gives a device for.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) device: Option<Device>,
    pub(crate) ipam: Ipam,
}

impl Network {
    pub(crate) fn read(request: &NetworkRequest) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        Ok(Self { device: raw.device()?, ipam: raw.ipam })
    }
}

impl Raw {
    /// The first key that says something counts; what the runtime gives stands for `pciBusID`.
    fn device(&self) -> Result<Option<Device>, Error> {
        let given = &self.runtime_config.device_id;
        let device = if !self.device.is_empty() {
            Device::Name(self.device.clone())
        } else if !self.hwaddr.is_empty() {
            self.hwaddr.parse::<wasmcni_sdk::Mac>().map_err(|e| {
                Error::config("hwaddr", format_args!("{:?}", self.hwaddr), &e.to_string())
            })?;
            Device::Mac(self.hwaddr.clone())
        } else if !self.kernelpath.is_empty() {
            let path = &self.kernelpath;
            let below = path.strip_prefix("/sys/devices/").is_some_and(|rest| !rest.is_empty());
            if !below || path.split('/').any(|part| matches!(part, "." | "..")) {
                let why = "it is an absolute path below /sys/devices";
                return Err(Error::config("kernelpath", format_args!("{path:?}"), why));
            }
            Device::Path(path.clone())
        } else if !given.is_empty() {
            on_a_bus("runtimeConfig.deviceID", given)?
        } else if !self.pci_bus_id.is_empty() {
            match on_a_bus("pciBusID", &self.pci_bus_id)? {
                pci @ Device::Pci(_) => pci,
                Device::Name(id) | Device::Mac(id) | Device::Path(id) | Device::Auxiliary(id) => {
                    let why = "it is a PCI address, such as 0000:03:02.0";
                    return Err(Error::config("pciBusID", format_args!("{id:?}"), why));
                }
            }
        } else {
            return Ok(None);
        };
        Ok(Some(device))
    }
}

/// A PCI address, `0000:03:02.0`, or an id of the auxiliary bus, `mlx5_core.sf.4`. The host reads them
/// strictly; here only the one is told from the other.
fn on_a_bus(key: &str, id: &str) -> Result<Device, Error> {
    if id.contains('/') || !id.contains('.') {
        let why = "it is a PCI address, such as 0000:03:02.0, or an id of the auxiliary bus, such as \
                   mlx5_core.sf.4";
        return Err(Error::config(key, format_args!("{id:?}"), why));
    }
    let id = id.to_owned();
    Ok(if id.contains(':') { Device::Pci(id) } else { Device::Auxiliary(id) })
}

/// What a DEL needs to know. A broken configuration is read part by part: whatever can be read of it
/// is taken down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Teardown {
    pub(crate) ipam: Ipam,
    /// `None`: the configuration does not say which, or wrongly.
    pub(crate) device: Option<Device>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpamPart {
    ipam: Ipam,
}

impl Teardown {
    /// What there is to take down.
    pub(crate) fn of(request: &Request) -> Self {
        let ipam = request.configuration::<IpamPart>().unwrap_or_else(|error| {
            log::warn(&format!("going on without ipam: {error}"));
            IpamPart::default()
        });
        let device = request.configuration::<Raw>().and_then(|raw| raw.device());
        let device = device.unwrap_or_else(|error| {
            log::warn(&format!("going on without the device's name: {error}"));
            None
        });
        Self { ipam: ipam.ipam, device }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::Addresses;
    use wasmcni_sdk::testing::{network_request, request};

    fn device(text: &str) -> Device {
        Conf::of(&request(text)).unwrap().device
    }

    const MAC: &str = "00:00:5e:00:53:01";
    const PCI: &str = "0000:03:02.0";

    #[test]
    fn the_first_key_that_says_something_counts() {
        let mut keys = vec![
            (r#""device": "ens3""#.to_owned(), Device::Name("ens3".to_owned())),
            (format!(r#""hwaddr": "{MAC}""#), Device::Mac(MAC.to_owned())),
            (
                r#""kernelpath": "/sys/devices/pci0000:00/0000:00:19.0""#.to_owned(),
                Device::Path("/sys/devices/pci0000:00/0000:00:19.0".to_owned()),
            ),
            (
                r#""runtimeConfig": {"deviceID": "mlx5_core.sf.4"}"#.to_owned(),
                Device::Auxiliary("mlx5_core.sf.4".to_owned()),
            ),
            (format!(r#""pciBusID": "{PCI}""#), Device::Pci(PCI.to_owned())),
        ];
        while let Some((_, first)) = keys.first() {
            let all: Vec<&str> = keys.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(device(&format!("{{{}}}", all.join(","))), *first);
            keys.remove(0);
        }
        assert_eq!(
            device(&format!(r#"{{"runtimeConfig": {{"deviceID": "{PCI}"}}}}"#)),
            Device::Pci(PCI.to_owned())
        );
        assert_eq!(device(r#"{"DEVICE": "a", "hwaddr": null}"#), Device::Name("a".to_owned()));
        let conf = Conf::of(&request(r#"{"device": "a"}"#)).unwrap();
        assert!(!conf.ipam.is_some() && !conf.dns.is_set());
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (text, key) in [
            ("{}", "device"),
            (r#"{"device": ""}"#, "device"),
            (r#"{"device": 3}"#, "device"),
            (r#"{"hwaddr": "x"}"#, "hwaddr"),
            (r#"{"kernelpath": "/sys/class/net/x"}"#, "kernelpath"),
            (r#"{"kernelpath": "/sys/devices/"}"#, "kernelpath"),
            (r#"{"kernelpath": "/sys/devices/../x"}"#, "kernelpath"),
            (r#"{"pciBusID": "x"}"#, "pciBusID"),
            (r#"{"pciBusID": "a/b.c:1"}"#, "pciBusID"),
            (r#"{"pciBusID": "mlx5_core.sf.4"}"#, "pciBusID"),
            (r#"{"runtimeConfig": {"deviceID": "eth0"}}"#, "runtimeConfig.deviceID"),
        ] {
            let error = Conf::of(&request(text)).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.details.contains(&format!("\"{key}\"")), "{text}: {}", error.details);
        }
        let old =
            Request { addresses: Addresses::OnePerFamily, ..request(r#"{"device": "ens3"}"#) };
        assert!(Conf::of(&old).unwrap_err().details.contains("ipam.type"));
    }

    #[test]
    fn a_network_may_leave_its_device_to_the_runtime() {
        assert_eq!(Network::read(&network_request("{}")).unwrap().device, None);
        let network = Network::read(&network_request(r#"{"device": "a"}"#)).unwrap();
        assert_eq!(network.device, Some(Device::Name("a".to_owned())));
    }

    #[test]
    fn a_del_takes_down_what_the_configuration_says() {
        let down = Teardown::of(&request(r#"{"hwaddr": "bad", "ipam": {"type": "x"}}"#));
        assert_eq!(down, Teardown { ipam: Ipam { kind: "x".to_owned() }, device: None });
        let down = Teardown::of(&request(r#"{"device": "a", "ipam": []}"#));
        assert_eq!((down.ipam.is_some(), down.device), (false, None));
    }
}
