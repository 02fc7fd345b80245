//! The kernel: netns, links, bridge ports, sysctls. Handles are of the host; names, indices and
//! paths confer nothing.
//!
//! The functions and their grants are documented in `wit/deps/net/`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::Error;
use crate::bindings::wasmcni::net::types;
use crate::error::code;

pub use crate::bindings::wasmcni::net::bridge_port::{self, Tagging, VlanRange};
pub use crate::bindings::wasmcni::net::devices;
pub use crate::bindings::wasmcni::net::forwarding;
pub use crate::bindings::wasmcni::net::link::{AddressInfo, Detection, Link, LinkInfo, PortInfo};
pub use crate::bindings::wasmcni::net::link_backup;
pub use crate::bindings::wasmcni::net::netns::{
    BridgeSpec, ChildSpec, IpvlanMode, MacvlanMode, Netns, Role, RouteInfo, RouteSpec, TapSpec,
    VethSpec,
};
pub use crate::bindings::wasmcni::net::rule::{self, RuleInfo, RuleSpec};
pub use crate::bindings::wasmcni::net::spoof_guard;
pub use crate::bindings::wasmcni::net::sysctl;
pub use crate::bindings::wasmcni::net::types::{Error as NetError, ErrorCode, Family, Switch};

/// Opens one of the call's namespaces.
///
/// # Errors
/// There is no container-netns: on DEL, use [`enter_if_there`].
pub fn enter(role: Role) -> Result<Netns, NetError> {
    crate::bindings::wasmcni::net::netns::enter_netns(role)
}

/// Opens one of the call's namespaces, if it is there: DEL must succeed when it is not.
///
/// # Errors
/// It is there and cannot be opened.
pub fn enter_if_there(role: Role) -> Result<Option<Netns>, NetError> {
    unless_missing(enter(role))
}

/// The link of this name, which must be there.
///
/// # Errors
/// Code 999 naming it when there is none.
pub fn link(netns: &Netns, name: &str) -> Result<Link, Error> {
    netns
        .find_link(name)?
        .ok_or_else(|| Error::new(code::INTERNAL, format!("finding link {name:?}: there is none")))
}

/// Success with none if what was asked for is not there.
///
/// # Errors
/// Every other failure.
pub fn unless_missing<T>(result: Result<T, NetError>) -> Result<Option<T>, NetError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Success with none if no grant allows it: a link that may not be looked at is none of one's own.
///
/// # Errors
/// Every other failure.
pub fn unless_denied<T>(result: Result<T, NetError>) -> Result<Option<T>, NetError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code == ErrorCode::Denied => Ok(None),
        Err(error) => Err(error),
    }
}

/// Success with none if it is there already.
///
/// # Errors
/// Every other failure.
pub fn unless_exists<T>(result: Result<T, NetError>) -> Result<Option<T>, NetError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code == ErrorCode::Exists => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a sysctl that this kernel may lack, in which case nothing is done.
///
/// # Errors
/// The key is there and the value cannot be written.
pub fn write_if_there(netns: &Netns, key: &str, value: &str) -> Result<(), NetError> {
    unless_missing(sysctl::write(netns, key, value)).map(|_| ())
}

/// The family of an address.
#[must_use]
pub fn family(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::Ipv4,
        IpAddr::V6(_) => Family::Ipv6,
    }
}

/// The address alone: a /32 or a /128.
#[must_use]
pub fn host_prefix(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

/// On for `true`.
#[must_use]
pub fn switch(on: bool) -> Switch {
    if on { Switch::On } else { Switch::Off }
}

impl From<IpAddr> for types::IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                Self::Ipv4((a, b, c, d))
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h] = v6.segments();
                Self::Ipv6((a, b, c, d, e, f, g, h))
            }
        }
    }
}

impl From<types::IpAddress> for IpAddr {
    fn from(address: types::IpAddress) -> Self {
        match address {
            types::IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
            types::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
                Ipv6Addr::new(a, b, c, d, e, f, g, h).into()
            }
        }
    }
}

impl From<IpNet> for types::IpNetwork {
    fn from(network: IpNet) -> Self {
        Self { address: network.addr().into(), prefix_length: network.prefix_len() }
    }
}

/// Fails with code 999 for a prefix that is longer than the address: the host does not send one.
impl TryFrom<types::IpNetwork> for IpNet {
    type Error = Error;

    fn try_from(network: types::IpNetwork) -> Result<Self, Error> {
        let address = IpAddr::from(network.address);
        Self::new(address, network.prefix_length).map_err(|_| {
            let length = network.prefix_length;
            Error::new(code::INTERNAL, format!("reading prefix {address}/{length}: too long"))
        })
    }
}
