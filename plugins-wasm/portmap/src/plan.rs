//! What is to be opened: pure.

use std::net::IpAddr;

use wasmcni_sdk::Sandbox;
use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::port_map::{Mapping, Protocol};
use wasmcni_sdk::{CniResult, Error};

use crate::conf::{Conf, Host, Wanted};

/// The first address of each family that the interface has: IPv4, IPv6.
pub(crate) fn addresses(result: &CniResult, ifname: &str) -> [Option<IpNet>; 2] {
    let is_of_container = |index: u32| {
        let interface = usize::try_from(index).ok().and_then(|i| result.interfaces.get(i));
        interface.is_some_and(|i| i.name == ifname && i.sandbox != Sandbox::Host)
    };
    let mut own = result.ips.iter().filter(|ip| ip.interface.is_none_or(is_of_container));
    let all: Vec<IpNet> = own.by_ref().map(|ip| ip.address).collect();
    [true, false].map(|ipv4| all.iter().find(|a| a.addr().is_ipv4() == ipv4).copied())
}

/// The mappings into an address.
///
/// # Errors
/// Code 7: one port with two meanings.
pub(crate) fn mappings(conf: &Conf, container: IpNet) -> Result<Vec<Mapping>, Error> {
    let ipv4 = container.addr().is_ipv4();
    let mut found: Vec<(Wanted, Option<IpAddr>)> = Vec::new();
    for wanted in &conf.mappings {
        let host = match wanted.host {
            Host::Any => None,
            Host::AnyIpv4 if ipv4 => None,
            Host::AnyIpv6 if !ipv4 => None,
            Host::Address(address) if address.is_ipv4() == ipv4 => Some(address),
            // For addresses of the other family, of which there may be none.
            Host::AnyIpv4 | Host::AnyIpv6 | Host::Address(_) => continue,
        };
        found.push((*wanted, host));
    }
    let place = |(wanted, host): &(Wanted, Option<IpAddr>)| {
        (number(wanted.protocol), wanted.host_port, *host)
    };
    found.sort_by_key(place);
    for pair in found.windows(2) {
        if let [one, other] = pair
            && place(one) == place(other)
            && one.0.container_port != other.0.container_port
        {
            let (one, other) = (one.0.container_port, other.0.container_port);
            let why = format!("it leads to container ports {one} and {other}: it can lead to one");
            let key = "runtimeConfig.portMappings.hostPort";
            return Err(Error::config(key, pair.first().map_or(0, |p| p.0.host_port), &why));
        }
    }
    found.dedup_by_key(|one| place(one));
    let mapping = |(wanted, host): (Wanted, Option<IpAddr>)| Mapping {
        protocol: wanted.protocol,
        host_port: wanted.host_port,
        host_address: host.map(Into::into),
        container: container.into(),
        container_port: wanted.container_port,
        masquerade: conf.masquerade,
    };
    Ok(found.into_iter().map(mapping).collect())
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
    }
}

/// A mapping as people write it: `192.0.2.1:8080/tcp to 10.88.0.5:80`.
pub(crate) fn words(mapping: &Mapping) -> String {
    let protocol = match mapping.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    };
    let container = IpNet::try_from(mapping.container).map(|net| net.addr());
    let to = container.map_or_else(|_| "?".to_owned(), bracketed);
    let of = mapping.host_address.map(|address| format!("{}:", bracketed(IpAddr::from(address))));
    let (host, port) = (mapping.host_port, mapping.container_port);
    format!("{}{host}/{protocol} to {to}:{port}", of.unwrap_or_default())
}

fn bracketed(address: IpAddr) -> String {
    if address.is_ipv4() { address.to_string() } else { format!("[{address}]") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmcni_sdk::testing::request;
    use wasmcni_sdk::{Interface, IpConfig};

    fn conf(mappings: &str) -> Conf {
        let text = format!(r#"{{"runtimeConfig": {{"portMappings": [{mappings}]}}}}"#);
        Conf::read(request(&text).configuration().unwrap()).unwrap()
    }

    fn planned(mappings_: &str, container: &str) -> Vec<String> {
        let all = mappings(&conf(mappings_), container.parse().unwrap()).unwrap();
        all.iter().map(words).collect()
    }

    #[test]
    fn the_first_address_of_each_family_is_the_interfaces() {
        let ip = |interface, address: &str| IpConfig {
            interface,
            address: address.parse().unwrap(),
            gateway: None,
        };
        let result = CniResult {
            interfaces: vec![
                Interface::host("eth0", None),
                Interface::container("eth0", None),
                Interface::container("net1", None),
            ],
            ips: vec![
                ip(Some(0), "10.0.0.1/24"),
                ip(Some(2), "10.0.0.2/24"),
                ip(Some(1), "10.0.0.3/24"),
                ip(Some(1), "10.0.0.4/24"),
                ip(None, "fd00::5/64"),
            ],
            ..CniResult::default()
        };
        let words = addresses(&result, "eth0").map(|a| a.map(|a| a.to_string()));
        assert_eq!(words, [Some("10.0.0.3/24".to_owned()), Some("fd00::5/64".to_owned())]);
        assert_eq!(addresses(&CniResult::default(), "eth0"), [None, None]);
    }

    #[test]
    fn families_are_kept_apart() {
        let all = r#"{"hostPort": 80, "containerPort": 8080},
            {"hostPort": 81, "containerPort": 1, "hostIP": "0.0.0.0"},
            {"hostPort": 82, "containerPort": 2, "hostIP": "::"},
            {"hostPort": 83, "containerPort": 3, "hostIP": "192.0.2.1", "protocol": "udp"},
            {"hostPort": 84, "containerPort": 4, "hostIP": "2001:db8::1"}"#;
        assert_eq!(
            planned(all, "10.0.0.2/24"),
            ["80/tcp to 10.0.0.2:8080", "81/tcp to 10.0.0.2:1", "192.0.2.1:83/udp to 10.0.0.2:3"]
        );
        assert_eq!(
            planned(all, "fd00::2/64"),
            [
                "80/tcp to [fd00::2]:8080",
                "82/tcp to [fd00::2]:2",
                "[2001:db8::1]:84/tcp to [fd00::2]:4"
            ]
        );
    }

    #[test]
    fn a_port_has_one_meaning() {
        let twice = r#"{"hostPort": 80, "containerPort": 1}, {"hostPort": 80, "containerPort": 1, "hostIP": "0.0.0.0"}"#;
        assert_eq!(planned(twice, "10.0.0.2/24"), ["80/tcp to 10.0.0.2:1"]);
        let two = r#"{"hostPort": 80, "containerPort": 1}, {"hostPort": 80, "containerPort": 2}"#;
        let error = mappings(&conf(two), "10.0.0.2/24".parse().unwrap()).unwrap_err();
        assert_eq!(error.code, 7);
        assert!(error.details.contains("80"), "{}", error.details);
        let other = r#"{"hostPort": 80, "containerPort": 1},
            {"hostPort": 80, "containerPort": 2, "protocol": "udp"},
            {"hostPort": 80, "containerPort": 3, "hostIP": "192.0.2.1"}"#;
        assert_eq!(planned(other, "10.0.0.2/24").len(), 3);
    }
}
