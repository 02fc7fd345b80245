//! The result of an ADD, in the shape of CNI 1.1.0. The host tells it in the configuration's version.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::bindings::wasmcni::cni::types;
use crate::{Error, Mac, net};

/// The result of an ADD. (SPEC.md, section 5)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniResult {
    /// Interfaces that the attachment has, on both sides.
    pub interfaces: Vec<Interface>,
    /// Addresses of those interfaces.
    pub ips: Vec<IpConfig>,
    /// Routes in the container.
    pub routes: Vec<Route>,
    /// Resolver configuration for the container.
    pub dns: Dns,
}

impl CniResult {
    /// Index and entry of the container's interface of this name.
    #[must_use]
    pub fn container_interface(&self, ifname: &str) -> Option<(u32, &Interface)> {
        (0..)
            .zip(&self.interfaces)
            .find(|(_, i)| i.sandbox == Sandbox::Container && i.name == ifname)
    }

    /// The entries of interfaces in the host-netns.
    pub fn host_interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().filter(|i| i.sandbox == Sandbox::Host)
    }

    /// The addresses of interface `index`, and those that are of no interface in particular.
    pub fn ips_of(&self, index: Option<u32>) -> impl Iterator<Item = &IpConfig> {
        self.ips.iter().filter(move |ip| ip.interface.is_none() || ip.interface == index)
    }
}

/// An interface of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Name in its netns.
    pub name: String,
    /// Ethernet address as text; empty: unknown.
    pub mac: String,
    /// Octets.
    pub mtu: Option<u32>,
    /// Which netns it is in.
    pub sandbox: Sandbox,
    /// Of a vhost-user or similar interface; empty: none.
    pub socket_path: String,
    /// PCI address of the device; empty: none.
    pub pci_id: String,
}

impl Interface {
    /// An interface in the host-netns.
    #[must_use]
    pub fn host(name: &str, mac: Option<Mac>) -> Self {
        let mac = mac.map(|m| m.to_string()).unwrap_or_default();
        Self { name: name.to_owned(), mac, ..Self::default() }
    }

    /// An interface in the container-netns.
    #[must_use]
    pub fn container(name: &str, mac: Option<Mac>) -> Self {
        Self { sandbox: Sandbox::Container, ..Self::host(name, mac) }
    }
}

/// Where an interface of a result is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// In the host-netns.
    #[default]
    Host,
    /// In the netns of this call.
    Container,
    /// Elsewhere, as a former plugin said.
    Other(String),
}

/// An address of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpConfig {
    /// Index into the result's interfaces. IPAM plugins leave it out.
    pub interface: Option<u32>,
    /// Host bits kept: `10.1.2.3/24`.
    pub address: IpNet,
    /// The way out of the address's network.
    pub gateway: Option<IpAddr>,
}

/// A route of a result. In configurations it is read by [`conf::RouteConf`](crate::conf::RouteConf).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `0.0.0.0/0` and `::/0` are the default routes.
    pub destination: IpNet,
    /// None: the gateway of an address of the family.
    pub gateway: Option<IpAddr>,
    /// Octets.
    pub mtu: Option<u32>,
    /// Octets.
    pub advmss: Option<u32>,
    /// Metric.
    pub priority: Option<u32>,
    /// Route table; none: main.
    pub table: Option<u32>,
    /// 0 universe, 253 link, 254 host.
    pub scope: Option<u8>,
}

impl Route {
    /// A route with nothing but a destination and a gateway.
    #[must_use]
    pub fn new(destination: IpNet, gateway: Option<IpAddr>) -> Self {
        Self {
            destination,
            gateway,
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
        }
    }

    /// Whether it is the default route of its family.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0
    }
}

/// Resolver configuration of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Addresses, in order of preference.
    pub nameservers: Vec<String>,
    /// The local domain.
    pub domain: Option<String>,
    /// Search domains, in order.
    pub search: Vec<String>,
    /// See resolv.conf(5).
    pub options: Vec<String>,
}

impl TryFrom<types::CniResult> for CniResult {
    type Error = Error;

    fn try_from(result: types::CniResult) -> Result<Self, Error> {
        let ips = result.ips.into_iter().map(IpConfig::try_from).collect::<Result<_, _>>()?;
        let routes = result.routes.into_iter().map(Route::try_from).collect::<Result<_, _>>()?;
        let interfaces = result.interfaces.into_iter().map(Interface::from).collect();
        Ok(Self { interfaces, ips, routes, dns: result.dns.into() })
    }
}

impl From<CniResult> for types::CniResult {
    fn from(result: CniResult) -> Self {
        Self {
            interfaces: result.interfaces.into_iter().map(Into::into).collect(),
            ips: result.ips.into_iter().map(Into::into).collect(),
            routes: result.routes.into_iter().map(Into::into).collect(),
            dns: result.dns.into(),
        }
    }
}

impl From<types::CniInterface> for Interface {
    fn from(interface: types::CniInterface) -> Self {
        let sandbox = match interface.sandbox {
            types::Sandbox::None => Sandbox::Host,
            types::Sandbox::This => Sandbox::Container,
            types::Sandbox::Other(path) => Sandbox::Other(path),
        };
        Self {
            name: interface.name,
            mac: interface.mac,
            mtu: interface.mtu,
            sandbox,
            socket_path: interface.socket_path,
            pci_id: interface.pci_id,
        }
    }
}

impl From<Interface> for types::CniInterface {
    fn from(interface: Interface) -> Self {
        let sandbox = match interface.sandbox {
            Sandbox::Host => types::Sandbox::None,
            Sandbox::Container => types::Sandbox::This,
            Sandbox::Other(path) => types::Sandbox::Other(path),
        };
        Self {
            name: interface.name,
            mac: interface.mac,
            mtu: interface.mtu,
            sandbox,
            socket_path: interface.socket_path,
            pci_id: interface.pci_id,
        }
    }
}

impl TryFrom<types::IpConfig> for IpConfig {
    type Error = Error;

    fn try_from(ip: types::IpConfig) -> Result<Self, Error> {
        Ok(Self {
            interface: ip.interface_index,
            address: ip.address.try_into()?,
            gateway: ip.gateway.map(Into::into),
        })
    }
}

impl From<IpConfig> for types::IpConfig {
    fn from(ip: IpConfig) -> Self {
        Self {
            interface_index: ip.interface,
            address: ip.address.into(),
            gateway: ip.gateway.map(Into::into),
        }
    }
}

impl TryFrom<types::Route> for Route {
    type Error = Error;

    fn try_from(route: types::Route) -> Result<Self, Error> {
        Ok(Self {
            destination: route.destination.try_into()?,
            gateway: route.gateway.map(Into::into),
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority,
            table: route.table,
            scope: route.scope,
        })
    }
}

impl From<Route> for types::Route {
    fn from(route: Route) -> Self {
        Self {
            destination: route.destination.into(),
            gateway: route.gateway.map(Into::into),
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority,
            table: route.table,
            scope: route.scope,
        }
    }
}

/// The route as the kernel is to have it, with its own gateway.
impl From<&Route> for net::RouteSpec {
    fn from(route: &Route) -> Self {
        Self {
            destination: route.destination.into(),
            gateway: route.gateway.map(Into::into),
            source: None,
            scope: route.scope,
            table: route.table,
            priority: route.priority,
            mtu: route.mtu,
            advmss: route.advmss,
        }
    }
}

impl From<types::Dns> for Dns {
    fn from(dns: types::Dns) -> Self {
        Self {
            nameservers: dns.nameservers,
            domain: dns.domain,
            search: dns.search,
            options: dns.options,
        }
    }
}

impl From<Dns> for types::Dns {
    fn from(dns: Dns) -> Self {
        Self {
            nameservers: dns.nameservers,
            domain: dns.domain,
            search: dns.search,
            options: dns.options,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_survives_the_border() {
        let result = CniResult {
            interfaces: vec![
                Interface::host("cni0", "02:00:00:00:00:01".parse().ok()),
                Interface::container("eth0", None),
                Interface { sandbox: Sandbox::Other("/x".to_owned()), ..Interface::default() },
            ],
            ips: vec![IpConfig {
                interface: Some(1),
                address: "10.1.2.3/24".parse().unwrap(),
                gateway: "10.1.2.1".parse().ok(),
            }],
            routes: vec![Route {
                mtu: Some(1400),
                table: Some(0),
                ..Route::new("fd00::1/64".parse().unwrap(), "fd00::2".parse().ok())
            }],
            dns: Dns { nameservers: vec!["8.8.8.8".to_owned()], ..Dns::default() },
        };
        let back = CniResult::try_from(types::CniResult::from(result.clone())).unwrap();
        assert_eq!(back, result);
        assert_eq!(back.container_interface("eth0").unwrap().0, 1);
        assert_eq!(back.host_interfaces().count(), 1);
    }

    #[test]
    fn an_impossible_prefix_is_an_error() {
        let mut ip: types::IpConfig =
            IpConfig { interface: None, address: "10.1.2.3/24".parse().unwrap(), gateway: None }
                .into();
        ip.address.prefix_length = 33;
        assert_eq!(IpConfig::try_from(ip).unwrap_err().code, 999);
    }
}
