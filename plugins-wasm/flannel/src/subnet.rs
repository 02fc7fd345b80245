//! What flanneld says of this node.

use std::str::FromStr;

use wasmcni_sdk::conf::Cidr;
use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::meta::subnet_file::{self, Variables};
use wasmcni_sdk::{Error, code};

/// This node's share of the cluster's network.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    /// The cluster's networks, IPv4 first.
    pub(crate) networks: Vec<IpNet>,
    /// This node's subnets of them, IPv4 first.
    pub(crate) subnets: Vec<IpNet>,
    /// Octets of a packet.
    pub(crate) mtu: u32,
    /// Whether flanneld masquerades what leaves the cluster's networks.
    pub(crate) ip_masq: bool,
}

impl Subnet {
    /// Reads the file. Without it no container can be attached: code 50.
    pub(crate) fn read(path: Option<&str>) -> Result<Self, Error> {
        let unavailable = |error: Error| match error.code {
            code::DENIED => error,
            _ => Error::new(code::NOT_AVAILABLE, error.details),
        };
        let variables = subnet_file::read(path).map_err(|e| unavailable(e.into()))?;
        let path = path.unwrap_or("/run/flannel/subnet.env");
        Self::of(&variables)
            .map_err(|why| Error::new(code::NOT_AVAILABLE, format!("reading {path:?}: {why}")))
    }

    /// What the variables say.
    pub(crate) fn of(from: &Variables) -> Result<Self, String> {
        let mut networks = nets("FLANNEL_NETWORK", set(&from.network))?;
        networks.extend(nets("FLANNEL_IPV6_NETWORK", set(&from.ipv6_network))?);
        let mut subnets = Vec::from_iter(net("FLANNEL_SUBNET", set(&from.subnet))?);
        subnets.extend(net("FLANNEL_IPV6_SUBNET", set(&from.ipv6_subnet))?);
        let mut missing = Vec::new();
        if networks.is_empty() {
            missing.push("FLANNEL_NETWORK or FLANNEL_IPV6_NETWORK");
        }
        if subnets.is_empty() {
            missing.push("FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET");
        }
        let (mtu, ip_masq) = (set(&from.mtu), set(&from.ipmasq));
        if mtu.is_none() {
            missing.push("FLANNEL_MTU");
        }
        if ip_masq.is_none() {
            missing.push("FLANNEL_IPMASQ");
        }
        match (mtu, ip_masq) {
            (Some(mtu), Some(ip_masq)) if missing.is_empty() => Ok(Self {
                networks,
                subnets,
                mtu: mtu
                    .parse()
                    .map_err(|_| format!("FLANNEL_MTU={mtu:?} is no number of octets"))?,
                ip_masq: ip_masq == "true",
            }),
            _ => Err(format!("it does not set {}", missing.join(", "))),
        }
    }
}

/// The value of a variable; an empty one is none.
fn set(variable: &Option<String>) -> Option<&str> {
    variable.as_deref().map(str::trim).filter(|value| !value.is_empty())
}

fn nets(name: &str, value: Option<&str>) -> Result<Vec<IpNet>, String> {
    let all = value.into_iter().flat_map(|value| value.split(','));
    all.filter_map(|one| net(name, Some(one.trim())).transpose()).collect()
}

/// A prefix, its host bits cut off: flanneld gives the subnet as its own address there.
fn net(name: &str, value: Option<&str>) -> Result<Option<IpNet>, String> {
    let Some(value) = value else { return Ok(None) };
    match Cidr::from_str(value) {
        Ok(Cidr(net)) => Ok(Some(net.trunc())),
        Err(_) => Err(format!("{name}={value:?} is no address/prefix-length")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn variables(values: [&str; 6]) -> Variables {
        let [network, subnet, ipv6_network, ipv6_subnet, mtu, ipmasq] =
            values.map(|value| (value != "-").then(|| value.to_owned()));
        Variables { network, subnet, ipv6_network, ipv6_subnet, mtu, ipmasq }
    }

    fn texts(nets: &[IpNet]) -> Vec<String> {
        nets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_whole_file_is_read() {
        let of = Subnet::of(&variables([
            "10.244.0.0/16,10.245.0.0/16",
            "10.244.1.1/24",
            "fd00:10::/56",
            "fd00:10:0:1::1/64",
            "1410",
            "true",
        ]))
        .unwrap();
        assert_eq!(texts(&of.networks), ["10.244.0.0/16", "10.245.0.0/16", "fd00:10::/56"]);
        assert_eq!(texts(&of.subnets), ["10.244.1.0/24", "fd00:10:0:1::/64"]);
        assert_eq!((of.mtu, of.ip_masq), (1410, true));
    }

    #[test]
    fn one_family_is_enough() {
        let of = |values| Subnet::of(&variables(values));
        let v6 = of(["", "-", "fd00::/56", "fd00::1/64", "1400", "false"]).unwrap();
        assert_eq!((texts(&v6.subnets), v6.ip_masq), (vec!["fd00::/64".to_owned()], false));
        assert!(of(["10.0.0.0/8", "10.1.0.1/24", "-", "-", "1400", "yes"]).is_ok());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (values, named) in [
            (
                ["-", "-", "-", "-", "-", "-"],
                "FLANNEL_NETWORK or FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET or FLANNEL_IPV6_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ",
            ),
            (["10.0.0.0/8", "10.1.0.1/24", "-", "-", "-", "true"], "FLANNEL_MTU"),
            (["10.0.0.0/8", "10.1.0.1/24", "-", "-", "1400", ""], "FLANNEL_IPMASQ"),
            (["10.0.0.0/8", "-", "-", "-", "1400", "true"], "FLANNEL_SUBNET"),
            (["10.0.0.0/8,x", "10.1.0.1/24", "-", "-", "1400", "true"], "FLANNEL_NETWORK=\"x\""),
            (["10.0.0.0/8", "10.1.0.1", "-", "-", "1400", "true"], "FLANNEL_SUBNET=\"10.1.0.1\""),
            (["10.0.0.0/8", "10.1.0.1/24", "-", "-", "-1", "true"], "FLANNEL_MTU=\"-1\""),
        ] {
            let why = Subnet::of(&variables(values)).unwrap_err();
            assert!(why.contains(named), "{why}");
        }
    }
}
