//! The configuration: what each key may say, and which source of addresses counts.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use wasmcni_sdk::conf::{Cidr, DnsConf, Ip, RouteConf};
use wasmcni_sdk::{Addresses, Dns, Error, NetworkRequest, Request, Route, code};

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    ipam: Option<Ipam>,
    args: Args,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ipam {
    addresses: Vec<RawAddress>,
    routes: Vec<RouteConf>,
    dns: DnsConf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawAddress {
    address: Option<Cidr>,
    gateway: Ip,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: Ips,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    ips: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ips {
    ips: Vec<String>,
}

/// An address with its network's way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Host bits kept.
    pub(crate) address: IpNet,
    pub(crate) gateway: Option<IpAddr>,
}

/// What is wanted, checked.
#[derive(Debug)]
pub(crate) struct Conf {
    pub(crate) addresses: Vec<Address>,
    pub(crate) routes: Vec<Route>,
    pub(crate) dns: Dns,
}

impl Conf {
    /// The configuration of an attachment. Its addresses are those of `ipam.addresses` and of
    /// CNI_ARGS' `IP`, together; `args.cni.ips` replaces both, and `runtimeConfig.ips` all three.
    /// CNI_ARGS' `GATEWAY` is set on those that remain.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        let arguments = request.arguments(&["IP", "GATEWAY"])?;
        let mut conf = Self::checked(raw.ipam)?;

        for text in arguments.get("IP").into_iter().flat_map(|list| list.split(',')) {
            let Cidr(address) =
                text.trim().parse().map_err(|_| bad_argument("IP", text, PREFIX))?;
            conf.addresses.push(Address { address, gateway: None });
        }
        for (key, texts) in
            [("args.cni.ips", &raw.args.cni.ips), ("runtimeConfig.ips", &raw.runtime_config.ips)]
        {
            if !texts.is_empty() {
                conf.addresses = read_all(key, texts)?;
            }
        }
        for text in arguments.get("GATEWAY").into_iter().flat_map(|list| list.split(',')) {
            let gateway: IpAddr = text
                .trim()
                .parse()
                .map_err(|_| bad_argument("GATEWAY", text, "write an IP address"))?;
            conf.set_gateway(gateway.to_canonical());
        }
        if request.addresses == Addresses::OnePerFamily {
            conf.refuse_second_of_family()?;
        }
        Ok(conf)
    }

    /// The configuration of a network.
    pub(crate) fn of_network(request: &NetworkRequest) -> Result<Self, Error> {
        let raw: Raw = request.configuration()?;
        Self::checked(raw.ipam)
    }

    fn checked(ipam: Option<Ipam>) -> Result<Self, Error> {
        let Some(ipam) = ipam else {
            return Err(Error::missing("ipam", "write an object with addresses"));
        };
        let mut addresses = Vec::new();
        for (number, raw) in ipam.addresses.iter().enumerate() {
            let key = format!("ipam.addresses[{number}]");
            let Some(Cidr(address)) = raw.address else {
                return Err(Error::missing(&format!("{key}.address"), PREFIX));
            };
            let gateway = raw.gateway.0;
            if let Some(gateway) = gateway.filter(|g| g.is_ipv4() != address.addr().is_ipv4()) {
                let why = format!("of another family than address \"{address}\"");
                let key = format!("{key}.gateway");
                return Err(Error::config(&key, format!("\"{gateway}\""), &why));
            }
            addresses.push(Address { address, gateway });
        }
        let routes = ipam.routes.into_iter().map(Into::into).collect();
        Ok(Self { addresses, routes, dns: ipam.dns.into() })
    }

    fn set_gateway(&mut self, gateway: IpAddr) {
        for address in &mut self.addresses {
            if address.address.contains(&gateway) {
                address.gateway = Some(gateway);
            }
        }
    }

    fn refuse_second_of_family(&self) -> Result<(), Error> {
        let of_family =
            |v4| self.addresses.iter().filter(move |a| a.address.addr().is_ipv4() == v4);
        match of_family(true).nth(1).or_else(|| of_family(false).nth(1)) {
            None => Ok(()),
            Some(second) => {
                let why = "a second address of a family needs cniVersion 0.3.0 or later";
                Err(Error::config("ipam.addresses", format!("\"{}\"", second.address), why))
            }
        }
    }
}

const PREFIX: &str = "write an address with its prefix length, such as \"10.1.2.3/24\"";

fn read_all(key: &str, texts: &[String]) -> Result<Vec<Address>, Error> {
    let read = |text: &String| match text.parse() {
        Ok(Cidr(address)) => Ok(Address { address, gateway: None }),
        Err(_) => Err(Error::config(key, format!("{text:?}"), PREFIX)),
    };
    texts.iter().map(read).collect()
}

fn bad_argument(key: &str, value: &str, why: &str) -> Error {
    Error::new(code::ENVIRONMENT, format!("reading CNI_ARGS: got {key}={value:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use wasmcni_sdk::testing::{arguments, network_request, request};

    use super::*;

    const TWO: &str = r#"{"ipam": {"addresses": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"},
        {"address": "fd00::3/64"}]}}"#;

    fn with(text: &str, args: &str) -> Result<Conf, Error> {
        Conf::of(&Request { arguments: arguments(args), ..request(text) })
    }

    /// `address gateway` of each.
    fn read(text: &str, args: &str) -> Vec<String> {
        let show = |a: &Address| {
            let gateway = a.gateway.map(|g| g.to_string()).unwrap_or_default();
            format!("{} {gateway}", a.address)
        };
        with(text, args).unwrap().addresses.iter().map(show).collect()
    }

    #[test]
    fn every_key_is_read() {
        let conf = with(
            r#"{"cniVersion": "0.4.0", "ipam": {"type": "static",
                "addresses": [{"address": "192.168.1.67/24", "gateway": ""}],
                "routes": [{"dst": "0.0.0.0/0", "gw": "192.168.1.99"}],
                "dns": {"nameservers": ["9.9.9.9"], "domain": "d", "search": ["s"], "options": ["o"]}}}"#,
            "",
        )
        .unwrap();
        assert_eq!(conf.addresses[0].address.to_string(), "192.168.1.67/24");
        assert_eq!(conf.routes[0].gateway, "192.168.1.99".parse().ok());
        assert_eq!(conf.dns.nameservers, ["9.9.9.9"]);
        assert_eq!(conf.dns.domain.as_deref(), Some("d"));
        assert_eq!((conf.dns.search.len(), conf.dns.options.len()), (1, 1));
        assert_eq!(read(TWO, ""), ["10.1.2.3/24 10.1.2.1", "fd00::3/64 "]);
        assert_eq!(read(r#"{"IPAM": {"Addresses": null, "dns": null}}"#, ""), [] as [&str; 0]);
    }

    #[test]
    fn cni_args_add_addresses_and_set_gateways() {
        assert_eq!(
            read(TWO, "IP=10.9.0.2/16, fd01::2/64;GATEWAY=10.9.0.1,fd00::1"),
            ["10.1.2.3/24 10.1.2.1", "fd00::3/64 fd00::1", "10.9.0.2/16 10.9.0.1", "fd01::2/64 "]
        );
        assert_eq!(read(TWO, "GATEWAY=10.1.2.9")[0], "10.1.2.3/24 10.1.2.9", "it overrides");
        assert_eq!(read(TWO, "IP=;GATEWAY=").len(), 2);
        for (args, named) in [
            ("IP=10.9.0.2", "IP=\"10.9.0.2\""),
            ("IP=10.9.0.2/16,", "IP=\"\""),
            ("GATEWAY=10.9.0.1/16", "GATEWAY=\"10.9.0.1/16\""),
            ("MAC=x", "MAC"),
        ] {
            let error = with(TWO, args).unwrap_err();
            assert!(error.code == 4 && error.details.contains(named), "{error}");
        }
    }

    #[test]
    fn later_sources_replace_all_earlier_ones() {
        let args = r#"{"ipam": {"addresses": [{"address": "10.1.2.3/24"}]},
            "args": {"cni": {"ips": ["10.4.0.2/16", "fd04::2/64"]}}"#;
        assert_eq!(
            read(&format!("{args}}}"), "IP=10.9.0.2/16;GATEWAY=10.4.0.1"),
            ["10.4.0.2/16 10.4.0.1", "fd04::2/64 "]
        );
        let both = format!(r#"{args}, "runtimeConfig": {{"ips": ["10.5.0.2/16"]}}}}"#);
        assert_eq!(read(&both, ""), ["10.5.0.2/16 "]);
        let none = format!(r#"{args}, "runtimeConfig": {{"ips": []}}}}"#);
        assert_eq!(read(&none, "").len(), 2);
        let bad = format!(r#"{args}, "runtimeConfig": {{"ips": ["10.5.0.2"]}}}}"#);
        let error = with(&bad, "").unwrap_err();
        assert_eq!(error.code, 7);
        assert!(
            error.details.starts_with("reading \"runtimeConfig.ips\": got \"10.5.0.2\": write an")
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, named) in [
            ("{}", "\"ipam\""),
            (r#"{"ipam": {"addresses": [{}]}}"#, "\"ipam.addresses[0].address\""),
            (r#"{"ipam": {"addresses": [{"address": "10.1.2.3"}]}}"#, "10.1.2.3"),
            (r#"{"ipam": {"addresses": [{"address": "10.1.2.3/33"}]}}"#, "10.1.2.3/33"),
            (r#"{"ipam": {"addresses": [{"address": "10.1.2.3/24", "gateway": "x"}]}}"#, "\"x\""),
            (
                r#"{"ipam": {"addresses": [{"address": "10.1.2.3/24", "gateway": "fd00::1"}]}}"#,
                "of another family",
            ),
        ] {
            let error = with(text, "").unwrap_err();
            assert!(error.code == 7 && error.details.contains(named), "{error}");
        }
        assert!(Conf::of_network(&network_request("{}")).is_err());
        assert!(Conf::of_network(&network_request(TWO)).is_ok());
    }

    #[test]
    fn a_second_address_of_a_family_needs_a_version_that_can_tell_it() {
        let read = |args: &str| {
            let arguments = arguments(args);
            Conf::of(&Request { arguments, addresses: Addresses::OnePerFamily, ..request(TWO) })
        };
        assert!(read("").is_ok());
        let error = read("IP=10.9.0.2/16").unwrap_err();
        assert!(error.code == 7 && error.details.contains("\"10.9.0.2/16\""), "{error}");
    }
}
